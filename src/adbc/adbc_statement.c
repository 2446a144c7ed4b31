/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: what is set and bound, and what is told of them before they run. */
#include "adbc_statement.h"

#include <inttypes.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options. ---------------------------------------------------------------------------------------------------- */

static struct adbc_statement *of(struct adbc_object *object)
{
    return (struct adbc_statement *)object;
}

static AdbcStatusCode keep_text(char **place, const char *value, struct AdbcError *error)
{
    char *copy = value == NULL || value[0] == '\0' ? NULL : strdup(value);
    if (value != NULL && value[0] != '\0' && copy == NULL)
        return adbc_no_memory(error);
    free(*place);
    *place = copy;
    return ADBC_STATUS_OK;
}

static AdbcStatusCode apply_table(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    adbc_forget(of(object));
    free(of(object)->sql);
    of(object)->sql = NULL;
    return keep_text(&of(object)->target.table, value, error);
}

static AdbcStatusCode apply_mode(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    static const struct {
        const char *name;
        int32_t mode;
    } modes[] = {
        {ADBC_INGEST_OPTION_MODE_CREATE, RHEI_INGEST_CREATE},
        {ADBC_INGEST_OPTION_MODE_APPEND, RHEI_INGEST_APPEND},
        {ADBC_INGEST_OPTION_MODE_REPLACE, RHEI_INGEST_REPLACE},
        {ADBC_INGEST_OPTION_MODE_CREATE_APPEND, RHEI_INGEST_CREATE_APPEND},
        {"rhei.ingest.mode.upsert", RHEI_INGEST_UPSERT},
    };
    _Static_assert(sizeof modes / sizeof modes[0] == 5, "the message names each");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(value, modes[i].name) == 0) {
            of(object)->target.mode = modes[i].mode;
            return ADBC_STATUS_OK;
        }
    return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "\"%s\" is no way to take rows in: %s, %s, %s, %s and %s are",
                     value, modes[0].name, modes[1].name, modes[2].name, modes[3].name, modes[4].name);
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
    if (value[0] != '\0' && strcmp(value, "main") != 0 && strcmp(value, "temp") != 0)
        return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED,
                         "rows are taken into tables of main or temp: those of \"%s\" can only be read", value);
    return keep_text(&of(object)->target.schema, value, error);
}

static AdbcStatusCode apply_temporary(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    return adbc_read_bool(ADBC_INGEST_OPTION_TEMPORARY, value, &of(object)->target.temporary, error);
}

static AdbcStatusCode apply_incremental(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    bool on = false;
    (void)object;
    AdbcStatusCode code = adbc_read_bool(ADBC_STATEMENT_OPTION_INCREMENTAL, value, &on, error);
    return code == ADBC_STATUS_OK && on
               ? adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "results have no partitions here: execute the query")
               : code;
}

static void now_rowid(struct adbc_object *object, char *value, size_t size)
{
    (void)snprintf(value, size, "%lld", atomic_load(&of(object)->last_rowid));
}

static void now_position(struct adbc_object *object, char *value, size_t size)
{
    (void)snprintf(value, size, "%lld", atomic_load(&of(object)->position));
}

static const struct adbc_option options[] = {
    ADBC_QUERY_OPTIONS,
    {ADBC_INGEST_OPTION_TARGET_TABLE, NULL, apply_table, NULL},
    {ADBC_INGEST_OPTION_MODE, ADBC_INGEST_OPTION_MODE_CREATE, apply_mode, NULL},
    {ADBC_INGEST_OPTION_TARGET_CATALOG, "", apply_catalog, NULL},
    {ADBC_INGEST_OPTION_TARGET_DB_SCHEMA, "", apply_schema, NULL},
    {ADBC_INGEST_OPTION_TEMPORARY, ADBC_OPTION_VALUE_DISABLED, apply_temporary, NULL},
    {ADBC_STATEMENT_OPTION_INCREMENTAL, ADBC_OPTION_VALUE_DISABLED, apply_incremental, NULL},
    {"rhei.last_insert_rowid", NULL, NULL, now_rowid},
    {"rhei.position", NULL, NULL, now_position},
};
_Static_assert(sizeof options / sizeof options[0] <= ADBC_OPTIONS_MOST, "there is a place for each value");

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static AdbcStatusCode shell_of(struct AdbcStatement *from, struct adbc_statement **out, struct AdbcError *error)
{
    *out = from == NULL ? NULL : from->private_data;
    return *out != NULL ? ADBC_STATUS_OK : adbc_fail(error, ADBC_STATUS_INVALID_STATE, "there is no such statement");
}

/* One whose connection is open. */
static AdbcStatusCode statement_of(struct AdbcStatement *from, struct adbc_statement **out, struct AdbcError *error)
{
    AdbcStatusCode code = shell_of(from, out, error);
    return code == ADBC_STATUS_OK ? adbc_connection_check((*out)->connection, error) : code;
}

static void unbind(struct adbc_statement *statement)
{
    if (statement->bound.release != NULL)
        statement->bound.release(&statement->bound);
}

static AdbcStatusCode statement_release(struct AdbcStatement *from, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = shell_of(from, &statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    from->private_data = NULL;
    if (adbc_handle_is_ours(statement->connection->handle))
        adbc_forget(statement);
    unbind(statement);
    free(statement->sql);
    free(statement->target.table);
    free(statement->target.schema);
    adbc_object_reset(&statement->object);
    adbc_connection_drop(statement->connection);
    free(statement);
    return ADBC_STATUS_OK;
}

static AdbcStatusCode statement_new(struct AdbcConnection *base, struct AdbcStatement *out, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    AdbcStatusCode code = adbc_connection_of(base, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    struct adbc_statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL)
        return adbc_no_memory(error);
    adbc_object_init(&statement->object, options, sizeof options / sizeof options[0]);
    statement->connection = adbc_connection_hold(connection);
    statement->target.mode = RHEI_INGEST_CREATE;
    code = adbc_object_inherit(&statement->object, &connection->object, error);
    out->private_data = statement;
    if (code != ADBC_STATUS_OK)
        (void)statement_release(out, NULL);
    return code;
}

/* ---- What is set and bound. -------------------------------------------------------------------------------------- */

static AdbcStatusCode set_sql(struct AdbcStatement *from, const char *sql, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    char *copy = sql == NULL ? NULL : strdup(sql);
    if (copy == NULL)
        return sql == NULL ? adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "there is no text") : adbc_no_memory(error);
    code = adbc_set_text(&statement->object, ADBC_INGEST_OPTION_TARGET_TABLE, NULL, error);
    adbc_forget(statement);
    free(statement->sql);
    statement->sql = copy;
    return code;
}

static AdbcStatusCode set_plan(struct AdbcStatement *from, const uint8_t *plan, size_t length, struct AdbcError *error)
{
    (void)from, (void)plan, (void)length;
    return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "statements are SQL here, not Substrait plans");
}

static AdbcStatusCode bind_stream(struct AdbcStatement *from, struct ArrowArrayStream *stream, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (stream == NULL || stream->release == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "there is no stream to bind");
    unbind(statement);
    statement->bound = *stream;
    stream->release = NULL;
    return ADBC_STATUS_OK;
}

static AdbcStatusCode bind_batch(struct AdbcStatement *from, struct ArrowArray *values, struct ArrowSchema *schema,
                                 struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (values == NULL || values->release == NULL || schema == NULL || schema->release == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "there are no values to bind, or not their schema");
    unbind(statement);
    code = adbc_one_batch(schema, values, &statement->bound, error);
    if (code != ADBC_STATUS_OK)
        statement->bound.release = NULL;
    return code;
}

/* ---- What is told before it runs. -------------------------------------------------------------------------------- */

static AdbcStatusCode described(struct adbc_statement *statement, struct AdbcError *error)
{
    if (statement->sql == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the statement has no text: set one first");
    struct adbc_run *run = adbc_run_new(statement->connection, statement, error);
    if (run == NULL)
        return ADBC_STATUS_INTERNAL;
    pthread_mutex_lock(&statement->connection->work);
    AdbcStatusCode code = adbc_describe(statement, run->cancel, error);
    pthread_mutex_unlock(&statement->connection->work);
    adbc_run_free(run);
    return code;
}

static AdbcStatusCode prepare(struct AdbcStatement *from, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    return code == ADBC_STATUS_OK ? described(statement, error) : code;
}

static AdbcStatusCode execute_schema(struct AdbcStatement *from, struct ArrowSchema *out, struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code == ADBC_STATUS_OK)
        code = described(statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (statement->control)
        return ArrowSchemaInit(out),
               ArrowSchemaSetTypeStruct(out, 0) == NANOARROW_OK ? ADBC_STATUS_OK : adbc_no_memory(error);
    if (statement->plain)
        return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "the columns of this statement are known when it runs");
    const struct adbc_query *query = &statement->object.query;
    struct rhei_query_options how = {.struct_size = sizeof how, .strings = query->strings, .as_of = query->as_of};
    return rhei_statement_schema(statement->prepared, &how, out, NULL, &failure) == RHEI_OK
               ? ADBC_STATUS_OK
               : adbc_fail_with(error, &failure);
}

static bool name_parameters(const rhei_statement *prepared, uint32_t count, struct ArrowSchema *out)
{
    ArrowSchemaInit(out);
    if (ArrowSchemaSetTypeStruct(out, count) != NANOARROW_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        char number[16];
        const char *name = rhei_statement_parameter_name(prepared, i + 1);
        (void)snprintf(number, sizeof number, "?%" PRIu32, i + 1);
        if (ArrowSchemaSetType(out->children[i], NANOARROW_TYPE_NA) != NANOARROW_OK ||
            ArrowSchemaSetName(out->children[i], name[0] == '\0' ? number : name) != NANOARROW_OK)
            return false;
    }
    return true;
}

/* SQLite's parameters have no types: each value has its own. */
static AdbcStatusCode parameter_schema(struct AdbcStatement *from, struct ArrowSchema *out, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code == ADBC_STATUS_OK)
        code = described(statement, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (name_parameters(statement->prepared, rhei_statement_parameter_count(statement->prepared), out))
        return ADBC_STATUS_OK;
    if (out->release != NULL)
        ArrowSchemaRelease(out);
    return adbc_no_memory(error);
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

static AdbcStatusCode execute(struct AdbcStatement *from, struct ArrowArrayStream *out, int64_t *affected,
                              struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    int64_t unused = -1;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (out != NULL)
        out->release = NULL;
    if (affected == NULL)
        affected = &unused;
    *affected = -1;
    if (code != ADBC_STATUS_OK)
        return code;
    if (statement->target.table == NULL)
        return adbc_execute(statement, out, affected, error);
    code = adbc_ingest(statement, affected, error);
    return code == ADBC_STATUS_OK && out != NULL ? adbc_no_rows(out, error) : code;
}

static AdbcStatusCode execute_partitions(struct AdbcStatement *from, struct ArrowSchema *schema,
                                         struct AdbcPartitions *partitions, int64_t *affected, struct AdbcError *error)
{
    (void)from, (void)schema, (void)partitions, (void)affected;
    return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "results have no partitions here: execute the query");
}

static AdbcStatusCode cancel(struct AdbcStatement *from, struct AdbcError *error)
{
    struct adbc_statement *statement = NULL;
    AdbcStatusCode code = statement_of(from, &statement, error);
    if (code == ADBC_STATUS_OK)
        adbc_run_cancel(statement->connection, statement);
    return code;
}

/* Also before the init, and not in a child. */
static AdbcStatusCode options_of(struct AdbcStatement *from, struct adbc_statement **out, struct AdbcError *error)
{
    AdbcStatusCode code = shell_of(from, out, error);
    return code == ADBC_STATUS_OK && (*out)->connection->handle != NULL
               ? adbc_handle_check((*out)->connection->handle, error)
               : code;
}

ADBC_OPTION_CALLS(struct AdbcStatement, struct adbc_statement, options_of)

void adbc_statement_table(struct AdbcDriver *driver)
{
    driver->StatementNew = statement_new;
    driver->StatementRelease = statement_release;
    driver->StatementSetOption = set_text;
    driver->StatementSetSqlQuery = set_sql;
    driver->StatementSetSubstraitPlan = set_plan;
    driver->StatementBind = bind_batch;
    driver->StatementBindStream = bind_stream;
    driver->StatementPrepare = prepare;
    driver->StatementExecuteQuery = execute;
    driver->StatementExecutePartitions = execute_partitions;
    driver->StatementGetParameterSchema = parameter_schema;
}

void adbc_statement_table_1_1(struct AdbcDriver *driver)
{
    ADBC_OPTION_TABLE(driver, Statement);
    driver->StatementCancel = cancel;
    driver->StatementExecuteSchema = execute_schema;
}
