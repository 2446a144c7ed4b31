/* SPDX-License-Identifier: Apache-2.0 */
/* What a question about the past becomes: SQL over the tables that the column store has of a history. */
#ifndef ENGINE_ENGINE_HISTORY_PARTS_H
#define ENGINE_ENGINE_HISTORY_PARTS_H

#include <string.h>
#include <strings.h>

#include "engine/engine_internal.h"

/* What is asked of a table. */
struct engine_past {
    enum { PAST_AS_OF, PAST_POSITION, PAST_RANGE, PAST_BETWEEN, PAST_ALL } kind;
    struct base_buffer first, second; /* SQL of the ends: a number, or a parameter */
    bool known;                       /* `point` is what the last of them comes to: microseconds, or a position */
    bool number;                      /* a time that was given as a number */
    int64_t point;
    bool begin_known; /* of two ends, the first: */
    int64_t begin;
};

/* What a published state has of histories. */
struct engine_histories {
    struct mirror_snapshot snapshot;
    bool held;
    struct sync_book book;
    uint32_t source;     /* whose tables' they are; 0: our own file's */
    const char *schema;  /* that shows them; NULL: ENGINE_HISTORY */
    const char *sidecar; /* whose tables' they are; NULL: none's */
    bool kept;           /* of a sidecar: it has a folder */
};

/* The bytes of t in t_history; 0: it is no such name. */
static inline size_t engine_history_name(const char *name)
{
    static const char suffix[] = "_history";
    size_t len = strlen(name), more = sizeof suffix - 1;
    return len > more && strcasecmp(name + len - more, suffix) == 0 ? len - more : 0;
}

/* Of `state`, which the caller holds; NULL: of the newest. */
rhei_status engine_histories_open(struct rhei_db *db, const struct mirror_snapshot *state,
                                  struct engine_histories *histories, struct rhei_error *error);
/* Of another source; `schema` is borrowed. */
rhei_status engine_histories_open_of(struct rhei_db *db, const struct mirror_snapshot *state, uint32_t source,
                                     const char *schema, struct engine_histories *histories, struct rhei_error *error);
/* The source's table of that name, as it is in the state; NULL: there is none. */
const struct source_table *engine_histories_now(const struct engine_histories *histories, const char *table);
void engine_histories_close(struct engine_histories *histories);
/* There is something of a table of that name. */
bool engine_histories_any(const struct engine_histories *histories, const char *table);
/* The table is followed, so its history is complete up to the position of the state. */
bool engine_histories_followed(const struct engine_histories *histories, const char *table);
/* Where it begins, in microseconds since 1970: before, there is nothing, or not all. INT64_MAX: there is none. */
int64_t engine_histories_begin(const struct engine_histories *histories, const char *table);
/*
 * What was before the history is empty, which is said once for a handle. RHEI_NOT_FOUND: it reaches into a time of which nothing is known. RHEI_IO: what was
 * looked at for that is damaged.
 */
rhei_status engine_histories_say_before(const struct engine_histories *histories, struct rhei_db *db, const char *table,
                                        const struct engine_past *past, struct rhei_error *error);
/* "(SELECT ...)". `now`: the table as it is; NULL: it went. */
void engine_histories_put(const struct engine_histories *histories, const char *table, const struct source_table *now,
                          const struct engine_past *past, struct base_buffer *out);

#endif
