/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing all tables with their mirrors in the background, by time and in pieces. */
#ifndef ENGINE_SCRUB_H
#define ENGINE_SCRUB_H

#include "engine/engine_internal.h"

/* Has the steps of `sync`'s scrub made here. To be closed when that is. */
rhei_status engine_scrub_open(struct rhei_db *db, struct sync_config *sync, struct rhei_error *error);
void engine_scrub_close(struct rhei_db *db); /* also where it wasn't opened */
/* sync_config.scrub, with the handle. */
void engine_scrub_step(void *context, const struct sync_stop *stop, struct sync_scrubbed *done);

struct engine_scrub_status {
    uint64_t rounds; /* that were ended */
    uint64_t rows, mended_rows,
        rebuilt;         /* rows that were compared, and taken again; tables that had to be built again */
    char table[128];     /* the one at hand; "": it rests between two rounds */
    uint64_t table_rows; /* of it, that were compared */
};
/* Any thread, as the next. */
void engine_scrub_get(struct rhei_db *db, struct engine_scrub_status *status);
void engine_scrub_json(struct base_buffer *out, struct rhei_db *db);

#endif
