/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as a count and the sums of a hash over each row's cells (class and bits), so that their order doesn't matter: equal
 * checksums mean equal rows. Pure; any thread.
 */
#ifndef SYNC_COMPARE_H
#define SYNC_COMPARE_H

#include "mirror/mirror.h"
#include "rhei/rhei_types.h"
#include "sync/sync.h"

struct sync_checksum {
    uint64_t rows;
    uint64_t sum, product; /* two sums of differently seeded hashes */
};

void sync_checksum_row(struct sync_checksum *checksum, const struct rhei_value *cells, uint32_t count);
/* Every live row of the view, or of it within a range (NULL: all). `stop` (may be NULL) is asked once a vector; its status is
 * returned, with no error set. */
rhei_status sync_checksum_view(const struct mirror_table_view *view, const struct mirror_range *range,
                               const struct sync_stop *stop, struct sync_checksum *checksum, struct rhei_error *error);
bool sync_checksum_equal(const struct sync_checksum *a, const struct sync_checksum *b);

#endif
