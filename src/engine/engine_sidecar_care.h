/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of sidecars for who verifies, repairs or copies: whoever has them open, of their newest checkpoint. What the source has isn't looked at: it goes on
 * while one compares, and a table that is loaded anew is equal to it by that.
 */
#ifndef ENGINE_ENGINE_SIDECAR_CARE_H
#define ENGINE_ENGINE_SIDECAR_CARE_H

#include "engine/engine_compare.h"

struct engine_sidecar_cared {
    uint64_t tables, rows; /* whose files are as they were written, or that were loaded anew */
    uint64_t loaded;       /* of them */
};
/*
 * `name`: "app.orders", a sidecar's name for all that is of it, or NULL: all of all. Reads files and compares them with their sums; with `repair` a table that is named, one
 * with a damaged file, and one that couldn't be followed is loaded anew from its source. *found: there is such a sidecar or table. RHEI_STALE: a file is damaged. RHEI_NOT_FOUND: what is named is
 * in no folder. With `repair` errors of the load.
 */
rhei_status engine_sidecars_care(struct rhei_db *db, const char *name, bool repair, struct engine_pace *pace,
                                 struct engine_sidecar_cared *cared, bool *found, struct rhei_error *error);
/* Copies the folders of all of them into that folder, which is made if need be. */
rhei_status engine_sidecars_copy(struct rhei_db *db, const char *folder, struct engine_limits *limits,
                                 struct base_progress *progress, struct rhei_error *error);

#endif
