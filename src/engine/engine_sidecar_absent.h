/* SPDX-License-Identifier: Apache-2.0 */
/* A statement names a table that isn't there, where sidecars may have it: which they have, and why not this one. */
#ifndef ENGINE_ENGINE_SIDECAR_ABSENT_H
#define ENGINE_ENGINE_SIDECAR_ABSENT_H

#include "engine/engine_internal.h"

/* The name in SQLite's "no such table: ", borrowed from the error; or it misses a column. */
struct engine_absent {
    const char *schema; /* [schema_len]; NULL: none was given */
    size_t schema_len;
    const char *table; /* NULL: a column, of whichever table */
};

/* False: the error is about something else. */
bool engine_absent_of(const struct rhei_error *error, struct engine_absent *absent);
/* Whether it may be a table of the sidecar with that name. */
bool engine_absent_may_be_of(const struct engine_absent *absent, const char *sidecar);
/* Where tables may be. */
struct engine_absent_place {
    const char *sidecar;
    struct sync *sync;
    bool histories; /* of its tables are kept */
};
/*
 * Says more in the error, which isn't the one that `absent` is borrowed from, where there is more to say. `local`: there are tables of the engine's own, too.
 */
void engine_absent_explain(const struct engine_absent_place *places, size_t count, bool local,
                           const struct engine_absent *absent, struct rhei_error *error);

#endif
