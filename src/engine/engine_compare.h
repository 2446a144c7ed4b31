/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing a table with its mirror, at a pace. */
#ifndef ENGINE_COMPARE_H
#define ENGINE_COMPARE_H

#include "engine/engine_internal.h"
#include "engine/engine_pace.h"

/* What was done to make a table equal. */
struct engine_mended {
    uint64_t pieces; /* that differed */
    uint64_t rows;   /* of them, that were taken again */
};

/*
 * RHEI_OK: equal. RHEI_STALE: not. RHEI_OLAP_UNAVAILABLE: there is no mirror now. Also RHEI_TIMEOUT, RHEI_CANCELLED, RHEI_BUSY. Adds the
 * table's rows to *rows. Without a rate one state is read from the first row to the last, as where the key has no order that both know.
 * With `mended` (NULL: none) rows that differ are taken again; then RHEI_STALE says that it takes a build, and the message why.
 */
rhei_status engine_compare_table(rhei_db *db, const struct source_table *table, struct engine_pace *pace,
                                 struct engine_mended *mended, uint64_t *rows, struct rhei_error *error);

#endif
