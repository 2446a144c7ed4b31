/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the past, made into questions about the tables of the history before anything else sees the text. */
#ifndef ENGINE_ENGINE_HISTORY_H
#define ENGINE_ENGINE_HISTORY_H

#include "engine/engine_internal.h"

#define ENGINE_HISTORY "history" /* the schema that its tables are in */

/* A text as it was given. */
struct engine_history_text {
    struct rhei_db *db;
    const struct rhei_session *session; /* NULL: none */
    const char *sql;
    size_t len;
    const char *as_of;               /* NULL: the present */
    const struct rhei_value *values; /* may be NULL */
    uint32_t value_count;
};

/*
 * `FROM t FOR SYSTEM_TIME AS OF x | FROM a TO b | BETWEEN a AND b | ALL`, `t AS OF POSITION n`, and `t_history`; with `as_of` every table
 * as of that time. *made: the new text, for base_free; NULL: nothing is about the past. The values are replaced where a
 * parameter is a time: *own, for base_free, has them then. RHEI_INVALID, RHEI_NOT_FOUND, RHEI_STALE.
 *
 * It is true of the state that was published last, so of the rows of no other one: who runs it has to know that nothing of histories was published in between
 * (engine_ask.histories). Within a transaction that read other tables than the file's it is true of the state that this reads to its end.
 */
rhei_status engine_history_rewrite(const struct engine_history_text *text, char **made, struct rhei_value **own,
                                   struct rhei_error *error);

/*
 * Where an error is, in the text as it was given: `made` is what engine_history_rewrite made of it. Within what was put in, or between two of those,
 * no place is told.
 */
void engine_history_place(const char *sql, const char *made, struct rhei_error *error);

/* RHEI_READ_ONLY, in words: `name` is t_history, and means the history of t, to which nobody writes. */
rhei_status engine_history_check_name(struct rhei_db *db, const char *name, struct rhei_error *error);
/*
 * What a statement came to: where SQLite finds no table, and the name means a history, that becomes RHEI_READ_ONLY; where it finds a question about
 * the past which nobody could answer, that becomes RHEI_UNSUPPORTED, with the setting that is missing.
 */
rhei_status engine_history_explain(struct rhei_db *db, const char *sql, rhei_status status, struct rhei_error *error);

/* Is there anything to look for? Most texts have none of the words. */
bool engine_history_may_be(const char *sql, const char *as_of);

/* What a call is about to run. */
struct engine_history_of_call {
    struct rhei_db *db;
    struct rhei_session *session; /* NULL: none */
    const char *sql;
    size_t len;
    bool script;  /* of any number of statements */
    bool may_ask; /* about the past, and nobody else sees to it that what is asked for is known */
};
/*
 * Before the writer is taken: what is read of the past has to be known as of what was committed, and what a table went through has to be known
 * before its schema changes or its rows move, for behind that a load tells its outcome alone. So every call that may write comes by here, and
 * waits for the column store if its text says so. Within a transaction nothing is waited for: the past is as it was known when that began.
 * RHEI_CANCELLED, RHEI_TIMEOUT; for a question also what the wait came to.
 */
rhei_status engine_history_first(const struct engine_history_of_call *call, struct engine_limits *limits,
                                 struct rhei_error *error);

/* Microseconds since 1970. RHEI_INVALID: it isn't a time, and the message says how one looks. */
rhei_status engine_time_text(const char *text, size_t len, int64_t *micros, struct rhei_error *error);
/* The same for people, in UTC; numbers beyond the year 9999 as they are. */
enum { ENGINE_TIME_BYTES = 40 };
void engine_time_show(int64_t micros, char text[ENGINE_TIME_BYTES]);
/* Of a value that is a time: it was given as a number, in digits or as one. */
bool engine_time_is_number(const struct rhei_value *value);
/* A parameter, or what a constant comes to. */
rhei_status engine_time_value(const struct rhei_value *value, struct rhei_value *micros, struct rhei_error *error);

#endif
