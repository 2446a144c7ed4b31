/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the objects of a driver share, and who keeps it alive.
 *
 *   handle      an open database; held by its AdbcDatabase, its connections, and every batch that was given out
 *   connection  the state of an AdbcConnection; held by it, its statements and its answers
 *   run         what may be cancelled: a call, and the answer that it gave
 *   answer      a stream that was given out
 *
 * Lock order: an object's `lock`, a connection's `work`, its `runs_lock`.
 */
#ifndef ADBC_INTERNAL_H
#define ADBC_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include "adbc_object.h"

/* ---- An open database. ------------------------------------------------------------------------------------------- */

struct adbc_handle {
    atomic_size_t holders;
    pid_t process; /* that opened it; no other may use it */
    rhei_db *db;
    atomic_bool has_temp; /* a statement may have made a TEMP table, which only the writing connection sees */
};

struct adbc_handle *adbc_handle_hold(struct adbc_handle *handle);
void adbc_handle_release(struct adbc_handle *handle);
bool adbc_handle_is_ours(const struct adbc_handle *handle);
AdbcStatusCode adbc_handle_check(const struct adbc_handle *handle, struct AdbcError *error);

struct adbc_database {
    struct adbc_object object;
    struct adbc_handle *handle; /* NULL until the init */
};

/* ---- A connection. ----------------------------------------------------------------------------------------------- */

struct adbc_run;
struct adbc_answer;

struct adbc_connection {
    struct adbc_object object;
    atomic_size_t holders;
    struct adbc_handle *handle; /* NULL until the init */
    atomic_bool closed;         /* its AdbcConnection was released */
    bool autocommit, read_only;
    bool from_first; /* a transaction begins with its first statement, not its first write */
    pthread_mutex_t work;
    rhei_session *session;    /* NULL until it is needed; under `work`, as what follows */
    struct adbc_answer *open; /* the answer that reads in the session's transaction; NULL: none */
    pthread_mutex_t runs_lock;
    struct adbc_run *runs; /* under `runs_lock` */
};

struct adbc_connection *adbc_connection_hold(struct adbc_connection *connection);
void adbc_connection_drop(struct adbc_connection *connection);
AdbcStatusCode adbc_connection_check(struct adbc_connection *connection, struct AdbcError *error);
/* The next are called under `work`. An answer that reads in the transaction is read to its end, into memory, first. */
bool adbc_in_transaction(const struct adbc_connection *connection);
/* If none is open; it may wait for other writers, under the limits given. */
AdbcStatusCode adbc_begin(struct adbc_connection *connection, int64_t timeout_ms, rhei_cancel *cancel,
                          struct AdbcError *error);
AdbcStatusCode adbc_session_free(struct adbc_connection *connection, struct AdbcError *error);
AdbcStatusCode adbc_end(struct adbc_connection *connection, const char *sql, struct AdbcError *error);

/* ---- What may be cancelled. -------------------------------------------------------------------------------------- */

struct adbc_run {
    struct adbc_connection *connection; /* held */
    rhei_cancel *cancel;
    const void *statement; /* that it is of, or NULL */
    struct adbc_run *next, **link;
};

struct adbc_run *adbc_run_new(struct adbc_connection *connection, const void *statement, struct AdbcError *error);
void adbc_run_free(struct adbc_run *run);
/* Those of one statement; NULL: all of the connection. Any thread. */
void adbc_run_cancel(struct adbc_connection *connection, const void *statement);

/* ---- Answers. ---------------------------------------------------------------------------------------------------- */

/* Takes the stream and the run, also when it fails; under `work` if the stream reads in the session. */
AdbcStatusCode adbc_answer_new(struct adbc_connection *connection, struct adbc_run *run,
                               struct ArrowArrayStream *stream, bool in_session, struct ArrowArrayStream *out,
                               struct AdbcError *error);
/* Under `work`: reads what is left of it into memory, so that the session is free. A failure is told by the answer, when it is read. */
void adbc_answer_drain(struct adbc_answer *answer);
/* Under `work`: it can't be read further. */
void adbc_answer_cut(struct adbc_answer *answer);
/* NULL: nothing failed, or the stream is released or another's. */
const struct AdbcError *adbc_answer_error(struct ArrowArrayStream *stream, AdbcStatusCode *status);
/* A stream of one batch of no columns, or of the array's (taken, as the schema, also when it fails). */
AdbcStatusCode adbc_no_rows(struct ArrowArrayStream *out, struct AdbcError *error);
AdbcStatusCode adbc_one_batch(struct ArrowSchema *schema, struct ArrowArray *array, struct ArrowArrayStream *out,
                              struct AdbcError *error);

/* ---- Options, as each of the three kinds of objects is called for them. ------------------------------------------- */

/* `find` gives the object behind the driver's struct, or fails. */
#define ADBC_OPTION_CALL(shell, inner, find, name, call, ...)                                      \
    static AdbcStatusCode name(shell *from, const char *key, __VA_ARGS__, struct AdbcError *error) \
    {                                                                                              \
        inner *object = NULL;                                                                      \
        AdbcStatusCode code = find(from, &object, error);                                          \
        return code == ADBC_STATUS_OK ? call : code;                                               \
    }
#define ADBC_OPTION_CALLS(shell, inner, find)                                                                       \
    ADBC_OPTION_CALL(shell, inner, find, set_text, adbc_set_text(&object->object, key, value, error),               \
                     const char *value)                                                                             \
    ADBC_OPTION_CALL(shell, inner, find, set_bytes, adbc_set_bytes(&object->object, key, value, length, error),     \
                     const uint8_t *value, size_t length)                                                           \
    ADBC_OPTION_CALL(shell, inner, find, set_int, adbc_set_int(&object->object, key, value, error), int64_t value)  \
    ADBC_OPTION_CALL(shell, inner, find, set_double, adbc_set_double(&object->object, key, value, error),           \
                     double value)                                                                                  \
    ADBC_OPTION_CALL(shell, inner, find, get_text, adbc_get_text(&object->object, key, value, length, error),       \
                     char *value, size_t *length)                                                                   \
    ADBC_OPTION_CALL(shell, inner, find, get_bytes, adbc_get_bytes(&object->object, key, value, length, error),     \
                     uint8_t *value, size_t *length)                                                                \
    ADBC_OPTION_CALL(shell, inner, find, get_int, adbc_get_int(&object->object, key, value, error), int64_t *value) \
    ADBC_OPTION_CALL(shell, inner, find, get_double, adbc_get_double(&object->object, key, value, error), double *value)
/* Of version 1.1; the one for text is of 1.0. */
#define ADBC_OPTION_TABLE(driver, Kind)                                                  \
    ((driver)->Kind##SetOptionBytes = set_bytes, (driver)->Kind##SetOptionInt = set_int, \
     (driver)->Kind##SetOptionDouble = set_double, (driver)->Kind##GetOption = get_text, \
     (driver)->Kind##GetOptionBytes = get_bytes, (driver)->Kind##GetOptionInt = get_int, \
     (driver)->Kind##GetOptionDouble = get_double)

/* ---- What the driver's table points to. -------------------------------------------------------------------------- */

void adbc_database_table(struct AdbcDriver *driver);
void adbc_database_table_1_1(struct AdbcDriver *driver);
void adbc_connection_table(struct AdbcDriver *driver);
void adbc_connection_table_1_1(struct AdbcDriver *driver);
void adbc_statement_table(struct AdbcDriver *driver);
void adbc_statement_table_1_1(struct AdbcDriver *driver);

AdbcStatusCode adbc_get_info(struct AdbcConnection *connection, const uint32_t *codes, size_t count,
                             struct ArrowArrayStream *out, struct AdbcError *error);
AdbcStatusCode adbc_get_objects(struct AdbcConnection *connection, int depth, const char *catalog, const char *schema,
                                const char *table, const char **types, const char *column, struct ArrowArrayStream *out,
                                struct AdbcError *error);
AdbcStatusCode adbc_get_table_schema(struct AdbcConnection *connection, const char *catalog, const char *schema,
                                     const char *table, struct ArrowSchema *out, struct AdbcError *error);
AdbcStatusCode adbc_get_table_types(struct AdbcConnection *connection, struct ArrowArrayStream *out,
                                    struct AdbcError *error);
AdbcStatusCode adbc_get_statistics(struct AdbcConnection *connection, const char *catalog, const char *schema,
                                   const char *table, char approximate, struct ArrowArrayStream *out,
                                   struct AdbcError *error);
AdbcStatusCode adbc_get_statistic_names(struct AdbcConnection *connection, struct ArrowArrayStream *out,
                                        struct AdbcError *error);
/* Of a table's kind: "table", "view" ... Static. */
const char *adbc_table_type(const struct rhei_catalog_table *table);
/* A pattern of SQL's LIKE; NULL matches all. Letters by their own case. */
bool adbc_matches(const char *pattern, const char *text);

/* The open connection behind the driver's struct, or an error. */
AdbcStatusCode adbc_connection_of(struct AdbcConnection *connection, struct adbc_connection **out,
                                  struct AdbcError *error);

#endif
