/* SPDX-License-Identifier: Apache-2.0 */
/* The databases that [sidecar] sections name: opened, shown as schemas, followed, and told of. */
#ifndef ENGINE_ENGINE_SIDECAR_H
#define ENGINE_ENGINE_SIDECAR_H

#include "engine/engine_internal.h"

struct engine_sidecar_disk;

/* Once the column store is there. A database that is away is no error: its source goes on trying. */
rhei_status engine_sidecars_open(struct rhei_db *db, struct rhei_error *error);
/* Ends what waits for a server; nobody is woken by a source afterwards. Before engine_shown_stop. */
void engine_sidecars_interrupt(struct rhei_db *db);
/* Whether anything of any of them is kept. */
bool engine_sidecars_keep(const struct rhei_db *db);
/* What was published of each is in its folder. Before they are closed. */
rhei_status engine_sidecars_write(struct rhei_db *db, struct rhei_error *error);
void engine_sidecars_finish(struct rhei_db *db);
void engine_sidecars_close(struct rhei_db *db); /* behind engine_shown_stop */
void engine_sidecars_free(struct rhei_db *db);  /* behind the mirror */
/*
 * Of a statement that names a table or a column which isn't there: waits until sidecars that are still being loaded, or whose source by now has what is missed, have
 * what they will have, as its limits allow, unless it takes what is there (`eventual`). True: run it again. Else the error says more, where there is more to say.
 */
bool engine_sidecars_await(struct rhei_db *db, const char *sql, bool eventual, const struct engine_limits *limits,
                           rhei_status *status, struct rhei_error *error);
/*
 * Tables that the column store doesn't show, as "schema.name" with the reason. Free *tables with base_free. A handle that does nothing in the
 * background looks at each sidecar once for it.
 */
rhei_status engine_sidecars_tables(struct rhei_db *db, struct sync_table_status **tables, size_t *count,
                                   struct rhei_error *error);
/*
 * What is asked of the engine's own tables, of each sidecar too: a look, and the loading of all that has to be loaded (deadline_ns 0: none). One that can't be had
 * costs the others nothing, and the caller neither: its status says so. Only what `stop` says ends the call.
 */
rhei_status engine_sidecars_look(struct rhei_db *db, const struct sync_stop *stop, struct rhei_error *error);
rhei_status engine_sidecars_load(struct rhei_db *db, int64_t deadline_ns, const struct sync_stop *stop,
                                 struct rhei_error *error);
/*
 * One after another: begins at 0 and goes on with what it returns, the number of its source, until that is 0. *name: its schema; *shown: the one of
 * its histories, NULL: it keeps none.
 */
uint32_t engine_sidecars_next(const struct rhei_db *db, uint32_t at, const char **name, const char **shown);
/* Before a question about the past that names one: it is loaded and looked at, as the freshness asks. One that can't be had has no history. */
void engine_sidecars_know(struct rhei_db *db, const struct engine_ask *ask);
/* Where the past of the one with that number is in a folder that this handle doesn't have: why not. */
rhei_status engine_sidecars_past(const struct rhei_db *db, uint32_t number, struct rhei_error *error);
/* Its name; *kept: it has a folder. NULL: there is none of that number. */
const char *engine_sidecars_named(const struct rhei_db *db, uint32_t number, bool *kept);
/* Grows before anything is published in which a history, of the file or of a sidecar, has another form. */
uint64_t engine_sidecars_histories(const struct rhei_db *db);
uint64_t engine_sidecars_histories_now(const struct rhei_db *db); /* of sync_histories_now */
/* The background. */
rhei_status engine_sidecars_start(struct rhei_db *db, struct rhei_error *error);
void engine_sidecars_rest(struct rhei_db *db);
struct engine_sidecar {
    const struct rhei_db *db;
    const struct config_sidecar *settings;
    struct change_source *source;
    struct sync *sync;
    const char *labels; /* of metrics: source="app" */
    struct engine_sidecar_disk *disk;
};
/* False: there are no more. */
bool engine_sidecar_at(const struct rhei_db *db, size_t index, struct engine_sidecar *sidecar);
/* Of a handle that does nothing in the background: each is looked at once. */
void engine_sidecars_look_once(struct rhei_db *db);
/* How it stands (engine_sidecar_status.c), and what more logical mode has to tell: , "slots": [...] */
void engine_sidecar_status(const struct engine_sidecar *sidecar, struct rhei_sidecar_status *status);
void engine_sidecar_json(struct base_buffer *out, const struct engine_sidecar *sidecar);
/* ,"sidecars": [...] */
void engine_sidecars_json(struct base_buffer *out, struct rhei_db *db);

#endif
