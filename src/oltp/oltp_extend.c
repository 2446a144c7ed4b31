/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's own functions and collations on a connection.
 *
 * X1. Each connection gets them when it is opened, before it has read a schema: what SQLite says of a text is the same on all of them.
 * X2. No name of SQLite's own is taken, whatever the number of arguments: the translator knows these by their meaning.
 * X3. A function that fails, or that its statement's end stops, fails that statement and nothing else.
 */
#include <stddef.h>
#include <string.h>

#include "oltp/oltp_internal.h"

enum { ARGUMENTS_AT_HAND = 8 };

struct extend_function {
    struct oltp_connection *connection;
    struct oltp_function given; /* without its name */
};

struct extend_collation {
    struct oltp_collation given;
};

struct memory_block {
    _Alignas(max_align_t) struct memory_block *next; /* what follows it is aligned, too */
};

/* One call of a function; what it asked for lives until its result is taken over. */
struct rhei_call {
    struct oltp_connection *connection;
    struct memory_block *blocks;
    rhei_status stopped;
};

void *oltp_call_memory(struct rhei_call *call, size_t size)
{
    struct memory_block *block = size < SIZE_MAX - sizeof *block ? base_alloc(sizeof *block + size) : NULL;
    if (block == NULL)
        return NULL;
    block->next = call->blocks;
    call->blocks = block;
    return block + 1;
}

rhei_status oltp_call_check(struct rhei_call *call)
{
    const struct oltp_stop *stop = call->connection->stop;
    if (call->stopped == RHEI_OK && stop != NULL) {
        call->stopped = stop->check(stop->context);
        call->connection->stopped = call->stopped;
    }
    return call->stopped;
}

static void call_end(struct rhei_call *call)
{
    while (call->blocks != NULL) {
        struct memory_block *next = call->blocks->next;
        base_free(call->blocks);
        call->blocks = next;
    }
}

static struct rhei_value value_of(sqlite3_value *from)
{
    struct rhei_value value = {.type = RHEI_NULL};
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        value.type = RHEI_INTEGER;
        value.as.integer = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        value.type = RHEI_REAL;
        value.as.real = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        value.type = RHEI_TEXT;
        value.as.bytes = sqlite3_value_text(from);
        value.length = (uint32_t)sqlite3_value_bytes(from);
        break;
    case SQLITE_BLOB:
        value.type = RHEI_BLOB;
        value.as.bytes = sqlite3_value_blob(from);
        value.length = (uint32_t)sqlite3_value_bytes(from);
        break;
    default:
        break;
    }
    return value;
}

static void give_result(sqlite3_context *context, const struct rhei_value *value)
{
    static const char nothing[] = "";
    const void *bytes = value->length == 0 ? nothing : value->as.bytes;
    switch (value->type) {
    case RHEI_NULL:
        sqlite3_result_null(context);
        break;
    case RHEI_INTEGER:
        sqlite3_result_int64(context, value->as.integer);
        break;
    case RHEI_REAL:
        sqlite3_result_double(context, value->as.real);
        break;
    case RHEI_TEXT:
        sqlite3_result_text64(context, bytes, value->length, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case RHEI_BLOB:
        sqlite3_result_blob64(context, bytes, value->length, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_error(context, "a function of the application gave a value of no class", -1);
        break;
    }
}

static void give_error(sqlite3_context *context, const struct rhei_call *call, const struct rhei_error *error)
{
    if (call->stopped != RHEI_OK) {
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    } else {
        sqlite3_result_error(context,
                             error->message[0] == '\0' ? "a function of the application failed" : error->message, -1);
    }
}

static void run_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct extend_function *function = sqlite3_user_data(context);
    struct rhei_call call = {.connection = function->connection};
    struct rhei_value at_hand[ARGUMENTS_AT_HAND], *arguments = at_hand, result = {.type = RHEI_NULL};
    struct rhei_error error = RHEI_ERROR_INIT;
    if (count > ARGUMENTS_AT_HAND)
        arguments = oltp_call_memory(&call, (size_t)count * sizeof *arguments);
    rhei_status status = arguments == NULL ? error_no_memory(&error) : RHEI_OK;
    for (int i = 0; i < count && status == RHEI_OK; i++) {
        arguments[i] = value_of(values[i]);
        if (arguments[i].type >= RHEI_TEXT && arguments[i].length > 0 && arguments[i].as.bytes == NULL)
            status = error_no_memory(&error);
    }
    if (status == RHEI_OK)
        status = function->given.run(function->given.context, &call, arguments, (uint32_t)count, &result, &error);
    if (status == RHEI_OK && call.stopped == RHEI_OK)
        give_result(context, &result);
    else
        give_error(context, &call, &error);
    call_end(&call);
}

static int run_collation(void *context, int a_length, const void *a, int b_length, const void *b)
{
    const struct oltp_collation *given = &((const struct extend_collation *)context)->given;
    return given->compare(given->context, a, (uint32_t)a_length, b, (uint32_t)b_length);
}

static void free_function(void *pointer)
{
    struct extend_function *function = pointer;
    if (function->given.destroy != NULL)
        function->given.destroy(function->given.context);
    base_free(function);
}

static void free_collation(void *pointer)
{
    struct extend_collation *collation = pointer;
    if (collation->given.destroy != NULL)
        collation->given.destroy(collation->given.context);
    base_free(collation);
}

static rhei_status is_builtin(struct oltp_connection *connection, const char *name, bool *builtin,
                              struct rhei_error *error)
{
    static const char sql[] = "SELECT 1 FROM pragma_function_list WHERE builtin AND name = ?1 COLLATE NOCASE LIMIT 1";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *builtin = rc == SQLITE_ROW;
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status check_function(struct oltp_connection *connection, const struct oltp_function *function,
                                  struct rhei_error *error)
{
    bool builtin = false;
    int most = sqlite3_limit(connection->db, SQLITE_LIMIT_FUNCTION_ARG, -1);
    if (function->arguments < -1 || function->arguments > most) {
        return error_set(error, RHEI_INVALID, "function %s can't have %d arguments: 0 to %d, or -1 for any number",
                         function->name, function->arguments, most);
    }
    if (strlen(function->name) > 255)
        return error_set(error, RHEI_INVALID, "the name of a function has 255 bytes at most");
    rhei_status status = is_builtin(connection, function->name, &builtin, error);
    return status == RHEI_OK && (builtin || sqlite3_strnicmp(function->name, "_rhei_", 6) == 0)
               ? error_set(error, RHEI_EXISTS, "%s is a function of SQLite or Rhei itself: choose another name",
                           function->name)
               : status;
}

rhei_status oltp_add_function(struct oltp_connection *connection, const struct oltp_function *function,
                              struct rhei_error *error)
{
    rhei_status status = check_function(connection, function, error);
    struct extend_function *kept = status == RHEI_OK ? base_alloc(sizeof *kept) : NULL;
    if (kept == NULL) {
        if (function->destroy != NULL)
            function->destroy(function->context);
        return status == RHEI_OK ? error_no_memory(error) : status;
    }
    *kept = (struct extend_function){connection, *function};
    kept->given.name = NULL;
    int flags = SQLITE_UTF8 | (function->deterministic ? SQLITE_DETERMINISTIC : 0) |
                (function->direct_only ? SQLITE_DIRECTONLY : 0);
    int rc = sqlite3_create_function_v2(connection->db, function->name, function->arguments, flags, kept, run_function,
                                        NULL, NULL, free_function); /* which SQLite calls after an error, too */
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(connection, rc, "a function of the application", error);
}

static bool is_builtin_collation(const char *name)
{
    return sqlite3_stricmp(name, "BINARY") == 0 || sqlite3_stricmp(name, "NOCASE") == 0 ||
           sqlite3_stricmp(name, "RTRIM") == 0;
}

rhei_status oltp_add_collation(struct oltp_connection *connection, const struct oltp_collation *collation,
                               struct rhei_error *error)
{
    rhei_status status =
        is_builtin_collation(collation->name)
            ? error_set(error, RHEI_EXISTS, "%s is a collation of SQLite itself: choose another name", collation->name)
            : RHEI_OK;
    struct extend_collation *kept = status == RHEI_OK ? base_alloc(sizeof *kept) : NULL;
    if (kept == NULL) {
        if (collation->destroy != NULL)
            collation->destroy(collation->context);
        return status == RHEI_OK ? error_no_memory(error) : status;
    }
    *kept = (struct extend_collation){*collation};
    kept->given.name = NULL;
    int rc =
        sqlite3_create_collation_v2(connection->db, collation->name, SQLITE_UTF8, kept, run_collation, free_collation);
    if (rc == SQLITE_OK)
        return RHEI_OK;
    free_collation(kept);
    return oltp_sqlite_error(connection, rc, "a collation of the application", error);
}

rhei_status oltp_extend(struct oltp_connection *connection, struct rhei_error *error)
{
    const struct oltp_config *config = &connection->oltp->config;
    if (config->connected == NULL || connection->role == OLTP_CHECKPOINTER) /* which reads no row */
        return RHEI_OK;
    struct rhei_error own = RHEI_ERROR_INIT, *said = error != NULL ? error : &own;
    rhei_status status = config->connected(config->connected_context, connection, said);
    if (status != RHEI_OK && said->code == RHEI_OK)
        error_set(said, status, "the function on_connect of the application failed");
    return status;
}
