/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, and their transactions.
 *
 * 1. With autocommit each statement is the database's own affair, and no session is there. Without it a transaction begins with the first
 *    statement that writes; what is asked before is answered as ever, by either engine. With an isolation level above read
 *    committed it begins with the first statement of any kind.
 * 2. While a transaction is open every statement of the connection runs in it, and sees its writes. One answer at most reads in it; another
 *    statement first reads that answer's rest into memory.
 * 3. A connection that is closed rolls back, and cuts the answer that reads in the transaction; all other answers go on.
 */
#include <stdlib.h>
#include <string.h>

#include "adbc_internal.h"

/* ---- Options. ---------------------------------------------------------------------------------------------------- */

static struct adbc_connection *of(struct adbc_object *object)
{
    return (struct adbc_connection *)object;
}

/* Switched on, it commits what is open. */
static AdbcStatusCode apply_autocommit(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    struct adbc_connection *connection = of(object);
    bool on = false;
    AdbcStatusCode code = adbc_read_bool(ADBC_CONNECTION_OPTION_AUTOCOMMIT, value, &on, error);
    if (code == ADBC_STATUS_OK && on && connection->handle != NULL) {
        code = adbc_connection_check(connection, error);
        if (code != ADBC_STATUS_OK)
            return code;
        pthread_mutex_lock(&connection->work);
        code = adbc_end(connection, "COMMIT", error);
        pthread_mutex_unlock(&connection->work);
    }
    if (code == ADBC_STATUS_OK)
        connection->autocommit = on;
    return code;
}

static void now_autocommit(struct adbc_object *object, char *value, size_t size)
{
    strncpy(value, of(object)->autocommit ? ADBC_OPTION_VALUE_ENABLED : ADBC_OPTION_VALUE_DISABLED, size - 1);
}

static AdbcStatusCode apply_read_only(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    return adbc_read_bool(ADBC_CONNECTION_OPTION_READ_ONLY, value, &of(object)->read_only, error);
}

static AdbcStatusCode apply_catalog(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    (void)object;
    return value[0] == '\0' ? ADBC_STATUS_OK
                            : adbc_fail(error, ADBC_STATUS_NOT_FOUND,
                                        "there is no catalog \"%s\": tables are in schemas alone", value);
}

static AdbcStatusCode apply_schema(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    (void)object;
    return strcmp(value, "main") == 0
               ? ADBC_STATUS_OK
               : adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED,
                           "names without a schema mean main's tables: write \"%s\" before those of another", value);
}

static AdbcStatusCode apply_isolation(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    static const char *const lazy[] = {ADBC_OPTION_ISOLATION_LEVEL_DEFAULT,
                                       ADBC_OPTION_ISOLATION_LEVEL_READ_UNCOMMITTED,
                                       ADBC_OPTION_ISOLATION_LEVEL_READ_COMMITTED};
    static const char *const strict[] = {ADBC_OPTION_ISOLATION_LEVEL_REPEATABLE_READ,
                                         ADBC_OPTION_ISOLATION_LEVEL_SNAPSHOT, ADBC_OPTION_ISOLATION_LEVEL_SERIALIZABLE,
                                         ADBC_OPTION_ISOLATION_LEVEL_LINEARIZABLE};
    for (size_t i = 0; i < sizeof lazy / sizeof lazy[0]; i++)
        if (strcmp(value, lazy[i]) == 0) {
            of(object)->from_first = false;
            return ADBC_STATUS_OK;
        }
    for (size_t i = 0; i < sizeof strict / sizeof strict[0]; i++)
        if (strcmp(value, strict[i]) == 0) {
            of(object)->from_first = true;
            return ADBC_STATUS_OK;
        }
    return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT,
                     "\"%s\" is no isolation level of ADBC: %s, %s, %s, %s, %s, %s and %s are", value, lazy[0], lazy[1],
                     lazy[2], strict[0], strict[1], strict[2], strict[3]);
}

static const struct adbc_option options[] = {
    ADBC_QUERY_OPTIONS,
    {ADBC_CONNECTION_OPTION_AUTOCOMMIT, ADBC_OPTION_VALUE_ENABLED, apply_autocommit, now_autocommit},
    {ADBC_CONNECTION_OPTION_READ_ONLY, ADBC_OPTION_VALUE_DISABLED, apply_read_only, NULL},
    {ADBC_CONNECTION_OPTION_CURRENT_CATALOG, "", apply_catalog, NULL},
    {ADBC_CONNECTION_OPTION_CURRENT_DB_SCHEMA, "main", apply_schema, NULL},
    {ADBC_CONNECTION_OPTION_ISOLATION_LEVEL, ADBC_OPTION_ISOLATION_LEVEL_DEFAULT, apply_isolation, NULL},
};
_Static_assert(sizeof options / sizeof options[0] <= ADBC_OPTIONS_MOST, "there is a place for each value");

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static AdbcStatusCode shell_of(struct AdbcConnection *from, struct adbc_connection **out, struct AdbcError *error)
{
    *out = from == NULL ? NULL : from->private_data;
    return *out != NULL ? ADBC_STATUS_OK : adbc_fail(error, ADBC_STATUS_INVALID_STATE, "there is no such connection");
}

static AdbcStatusCode connection_new(struct AdbcConnection *out, struct AdbcError *error)
{
    struct adbc_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return adbc_no_memory(error);
    adbc_object_init(&connection->object, options, sizeof options / sizeof options[0]);
    atomic_init(&connection->holders, 1);
    connection->autocommit = true;
    pthread_mutex_init(&connection->work, NULL);
    pthread_mutex_init(&connection->runs_lock, NULL);
    out->private_data = connection;
    return ADBC_STATUS_OK;
}

static AdbcStatusCode connection_init(struct AdbcConnection *from, struct AdbcDatabase *base, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    AdbcStatusCode code = shell_of(from, &connection, error);
    struct adbc_database *database = base == NULL ? NULL : base->private_data;
    if (code != ADBC_STATUS_OK)
        return code;
    if (connection->handle != NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the connection is open already");
    if (database == NULL || database->handle == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the database isn't open: call AdbcDatabaseInit first");
    code = adbc_handle_check(database->handle, error);
    if (code == ADBC_STATUS_OK)
        connection->handle = adbc_handle_hold(database->handle);
    return code;
}

static AdbcStatusCode connection_release(struct AdbcConnection *from, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    AdbcStatusCode code = shell_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    from->private_data = NULL;
    atomic_store_explicit(&connection->closed, true, memory_order_release);
    if (connection->handle != NULL && adbc_handle_is_ours(connection->handle)) {
        pthread_mutex_lock(&connection->work);
        if (connection->open != NULL)
            adbc_answer_cut(connection->open);
        if (adbc_in_transaction(connection))
            (void)rhei_session_execute(connection->session, "ROLLBACK", NULL, NULL, NULL);
        pthread_mutex_unlock(&connection->work);
    }
    adbc_connection_drop(connection);
    return ADBC_STATUS_OK;
}

/* ---- Transactions. ----------------------------------------------------------------------------------------------- */

AdbcStatusCode adbc_session_free(struct adbc_connection *connection, struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    if (connection->open != NULL)
        adbc_answer_drain(connection->open);
    if (connection->session == NULL &&
        rhei_session_open(connection->handle->db, &connection->session, &failure) != RHEI_OK)
        return adbc_fail_with(error, &failure);
    return ADBC_STATUS_OK;
}

AdbcStatusCode adbc_begin(struct adbc_connection *connection, int64_t timeout_ms, rhei_cancel *cancel,
                          struct AdbcError *error)
{
    const struct rhei_call_options how = {.struct_size = sizeof how, .timeout_ms = timeout_ms, .cancel = cancel};
    struct rhei_error failure = RHEI_ERROR_INIT;
    AdbcStatusCode code = adbc_session_free(connection, error);
    if (code != ADBC_STATUS_OK || adbc_in_transaction(connection))
        return code;
    return rhei_session_execute_with(connection->session, "BEGIN", NULL, &how, NULL, &failure) == RHEI_OK
               ? ADBC_STATUS_OK
               : adbc_fail_with(error, &failure);
}

AdbcStatusCode adbc_end(struct adbc_connection *connection, const char *sql, struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    if (!adbc_in_transaction(connection))
        return ADBC_STATUS_OK;
    AdbcStatusCode code = adbc_session_free(connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    return rhei_session_execute(connection->session, sql, NULL, NULL, &failure) == RHEI_OK
               ? ADBC_STATUS_OK
               : adbc_fail_with(error, &failure);
}

static AdbcStatusCode end_by_call(struct AdbcConnection *from, const char *sql, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (connection->autocommit)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE,
                         "there is no transaction to end: each statement commits (%s)",
                         ADBC_CONNECTION_OPTION_AUTOCOMMIT);
    pthread_mutex_lock(&connection->work);
    code = adbc_end(connection, sql, error);
    pthread_mutex_unlock(&connection->work);
    return code;
}

static AdbcStatusCode commit(struct AdbcConnection *from, struct AdbcError *error)
{
    return end_by_call(from, "COMMIT", error);
}

static AdbcStatusCode rollback(struct AdbcConnection *from, struct AdbcError *error)
{
    return end_by_call(from, "ROLLBACK", error);
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

/* Also before the init, and not in a child. */
static AdbcStatusCode options_of(struct AdbcConnection *from, struct adbc_connection **out, struct AdbcError *error)
{
    AdbcStatusCode code = shell_of(from, out, error);
    return code == ADBC_STATUS_OK && (*out)->handle != NULL ? adbc_handle_check((*out)->handle, error) : code;
}

ADBC_OPTION_CALLS(struct AdbcConnection, struct adbc_connection, options_of)

static AdbcStatusCode cancel(struct AdbcConnection *from, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code == ADBC_STATUS_OK)
        adbc_run_cancel(connection, NULL);
    return code;
}

static AdbcStatusCode read_partition(struct AdbcConnection *from, const uint8_t *partition, size_t length,
                                     struct ArrowArrayStream *out, struct AdbcError *error)
{
    (void)from, (void)partition, (void)length, (void)out;
    return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "results have no partitions here: execute the query");
}

void adbc_connection_table(struct AdbcDriver *driver)
{
    driver->ConnectionNew = connection_new;
    driver->ConnectionInit = connection_init;
    driver->ConnectionRelease = connection_release;
    driver->ConnectionSetOption = set_text;
    driver->ConnectionCommit = commit;
    driver->ConnectionRollback = rollback;
    driver->ConnectionGetInfo = adbc_get_info;
    driver->ConnectionGetObjects = adbc_get_objects;
    driver->ConnectionGetTableSchema = adbc_get_table_schema;
    driver->ConnectionGetTableTypes = adbc_get_table_types;
    driver->ConnectionReadPartition = read_partition;
}

void adbc_connection_table_1_1(struct AdbcDriver *driver)
{
    ADBC_OPTION_TABLE(driver, Connection);
    driver->ConnectionCancel = cancel;
    driver->ConnectionGetStatistics = adbc_get_statistics;
    driver->ConnectionGetStatisticNames = adbc_get_statistic_names;
}
