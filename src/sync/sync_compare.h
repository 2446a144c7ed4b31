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
bool sync_checksum_equal(const struct sync_checksum *a, const struct sync_checksum *b);

/* As SQLite orders values, texts in BINARY: NULL, numbers, texts, BLOBs. Below 0, 0 or above. */
int sync_value_compare(const struct rhei_value *a, const struct rhei_value *b);

/*
 * What is known of the values of one column in the segments of a table, from scans of it: segments without a row in a part are left out by
 * the next one. Begins as zeros; one scan at a time.
 */
struct sync_zones {
    struct sync_zone *zones; /* by the segment's number */
    size_t count, capacity;
};
void sync_zones_reset(struct sync_zones *zones);

/* Which rows: all, those within a range of numbers, or those whose column is above one value (NULL: any) and up to another. */
struct sync_part {
    const struct mirror_range *range;      /* NULL: the rest decides */
    const struct rhei_value *above, *upto; /* both NULL: all */
    uint32_t column;
    struct sync_zones *zones; /* of that column; may be NULL */
};
/* Every live row of the part (NULL: of the view) is given to `take`. Borrowed for the call; anything but RHEI_OK ends the scan.
 * `stop` (may be NULL) is asked once a vector; its status is returned, with no error set. */
rhei_status sync_scan_part(const struct mirror_table_view *view, const struct sync_part *part,
                           const struct sync_stop *stop,
                           rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                           void *context, struct rhei_error *error);
rhei_status sync_checksum_view(const struct mirror_table_view *view, const struct sync_part *part,
                               const struct sync_stop *stop, struct sync_checksum *checksum, struct rhei_error *error);

#endif
