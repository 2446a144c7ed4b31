/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A statement from its plan to the last batch. Invariants
 *  1. The connection is the stream's until release: another statement on it would end the result.
 *  2. A fetch that gives nothing may be the end or an error: the result is asked each time.
 *  3. The stream ends in duck_settle: afterwards no thread of DuckDB reads the snapshot any more, also when the consumer
 *     left early. DuckDB keeps an abandoned statement's threads and state until the connection's next statement, so
 *     there is one.
 */
#include <sched.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

struct duck_stream {
    struct duck_connection *connection;
    const struct duck_api *api;
    struct duck_plan *plan;
    duckdb_result result;
    bool open;  /* the result has to be destroyed */
    bool ended; /* its last chunk was fetched, or it failed */
    duckdb_data_chunk first;
    duckdb_arrow_options options;
};

/* ---- Running ----------------------------------------------------------------------------------------------------- */

/* A native text's ? and $n, in their order. */
static rhei_status bind_values(struct duck_stream *stream, struct rhei_error *error)
{
    const struct duck_api *api = stream->api;
    const struct duck_slot *slot = &stream->connection->slot;
    duckdb_prepared_statement statement = stream->plan->statement;
    const struct duck_numbering *numbering = &stream->plan->numbering;
    idx_t count = api->nparams(statement);
    uint32_t largest = numbering->count > 0 ? numbering->numbers[numbering->count - 1] : (uint32_t)count;
    if (largest > slot->value_count)
        return error_value_count(error, largest, slot->value_count);
    for (idx_t i = 0; i < count; i++) {
        const struct rhei_value *value = &slot->values[i < numbering->count ? numbering->numbers[i] - 1 : i];
        duckdb_state bound = DuckDBError;
        switch ((enum rhei_class)value->type) {
        case RHEI_NULL:
            bound = api->bind_null(statement, i + 1);
            break;
        case RHEI_INTEGER:
            bound = api->bind_int64(statement, i + 1, value->as.integer);
            break;
        case RHEI_REAL:
            bound = api->bind_double(statement, i + 1, value->as.real);
            break;
        case RHEI_TEXT:
            bound = api->bind_varchar_length(statement, i + 1, value->as.bytes, value->length);
            break;
        case RHEI_BLOB:
            bound = api->bind_blob(statement, i + 1, value->as.bytes, value->length);
            break;
        }
        if (bound == DuckDBError)
            return error_set(error, RHEI_INVALID, "parameter %u can't be bound to this statement",
                             i < numbering->count ? numbering->numbers[i] : (unsigned)i + 1);
    }
    return RHEI_OK;
}

/* Fetches under the watchdog. *chunk = NULL: the end. */
static rhei_status fetch(struct duck_stream *stream, duckdb_data_chunk *chunk, struct rhei_error *error)
{
    *chunk = stream->api->fetch_chunk(stream->result);
    if (*chunk != NULL)
        return RHEI_OK;
    stream->ended = true;
    if (stream->api->result_error(&stream->result) != NULL)
        return duck_result_error(stream->connection, &stream->result, error);
    int stopped = atomic_load_explicit(&stream->connection->slot.stopped, memory_order_acquire);
    return stopped == RHEI_OK ? RHEI_OK : duck_stopped_error((rhei_status)stopped, error);
}

static rhei_status execute(struct duck_stream *stream, struct rhei_error *error)
{
    rhei_status status = bind_values(stream, error);
    if (status != RHEI_OK)
        return status;
    stream->open = true;
    stream->ended = false;
    if (stream->api->execute_prepared_streaming(stream->plan->statement, &stream->result) == DuckDBError) {
        stream->ended = true;
        return duck_result_error(stream->connection, &stream->result, error);
    }
    return fetch(stream, &stream->first, error);
}

/* A worker of DuckDB may have ended its task and still hold the last reference to it, until the system runs it again. */
static void wait_for_scans(struct duck_slot *slot)
{
    while (atomic_load_explicit(&slot->scans, memory_order_acquire) != 0)
        sched_yield();
}

/* Ends the connection: what is left of the statement goes with it, or with the worker that holds it. */
static void let_go(struct duck_stream *stream)
{
    struct duck_connection *connection = stream->connection;
    connection->spoiled = true;
    duck_plan_done(connection, &stream->plan);
    while (connection->plan_count > 0) {
        struct duck_plan *plan = connection->plans[connection->plan_count - 1];
        duck_plan_drop(connection, &plan);
    }
    stream->api->disconnect(&connection->handle);
    wait_for_scans(&connection->slot);
}

/* Lets go of the result, and makes sure that DuckDB has let go of the snapshot. */
static void settle(struct duck_stream *stream)
{
    const struct duck_api *api = stream->api;
    struct duck_connection *connection = stream->connection;
    struct duck_slot *slot = &connection->slot;
    if (stream->first != NULL)
        api->destroy_data_chunk(&stream->first);
    if (!stream->open)
        return;
    if (!stream->ended) {
        int none = RHEI_OK;
        atomic_compare_exchange_strong(&slot->stopped, &none, RHEI_CANCELLED);
        api->interrupt(connection->handle);
    }
    api->destroy_result(&stream->result);
    stream->open = false;
    if (stream->ended && atomic_load_explicit(&slot->scans, memory_order_acquire) == 0)
        return;
    duckdb_result nothing = {0};
    api->query(connection->handle, "SELECT 1", &nothing);
    api->destroy_result(&nothing);
    if (atomic_load_explicit(&slot->scans, memory_order_acquire) != 0)
        let_go(stream);
}

/* Twice if the plan was made for other columns than the snapshot has. */
static rhei_status start(struct duck_stream *stream, const struct executor_query *query, struct rhei_error *error)
{
    for (int attempt = 0;; attempt++) {
        struct rhei_error failure = RHEI_ERROR_INIT;
        rhei_status status = duck_plan_while(&stream->connection, query, false, &stream->plan, &failure);
        if (stream->connection == NULL)
            return error_set(error, status, "%s", failure.message);
        if (status == RHEI_OK)
            status = execute(stream, &failure);
        if (status == RHEI_OK)
            return RHEI_OK;
        settle(stream);
        struct duck_slot *slot = &stream->connection->slot;
        bool stale = atomic_load_explicit(&slot->stale, memory_order_acquire);
        if (attempt > 0 || !stale || stream->plan == NULL || stream->connection->spoiled)
            return error_set(error, status, "%s", failure.message);
        duck_plan_drop(stream->connection, &stream->plan);
        atomic_store_explicit(&slot->stale, false, memory_order_release);
    }
}

/* ---- As Arrow ---------------------------------------------------------------------------------------------------- */

static rhei_status converted(const struct duck_api *api, duckdb_error_data data, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (data != NULL && api->error_data_has_error(data))
        status = error_set(error, RHEI_UNSUPPORTED, "a result of this type has no form in Arrow: %s",
                           api->error_data_message(data));
    if (data != NULL)
        api->destroy_error_data(&data);
    return status;
}

static rhei_status stream_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct duck_stream *stream = context;
    const struct duck_api *api = stream->api;
    idx_t count = api->column_count(&stream->result);
    duckdb_logical_type *types = base_alloc_zero((size_t)count + 1, sizeof *types);
    const char **names = base_alloc_zero((size_t)count + 1, sizeof *names);
    rhei_status status = types != NULL && names != NULL ? RHEI_OK : error_no_memory(error);
    if (status == RHEI_OK) {
        for (idx_t i = 0; i < count; i++) {
            types[i] = api->column_logical_type(&stream->result, i);
            names[i] = api->column_name(&stream->result, i);
        }
        status = converted(api, api->to_arrow_schema(stream->options, types, names, count, out), error);
        for (idx_t i = 0; i < count; i++)
            api->destroy_logical_type(&types[i]);
    }
    base_free(types);
    base_free(names);
    return status;
}

static rhei_status next_chunk(struct duck_stream *stream, duckdb_data_chunk *chunk, struct rhei_error *error)
{
    *chunk = stream->first;
    stream->first = NULL;
    if (*chunk != NULL || stream->ended)
        return RHEI_OK;
    rhei_status status = duck_slot_check(&stream->connection->slot);
    if (status != RHEI_OK)
        return duck_stopped_error(status, error);
    status = duck_watch(stream->connection, error);
    if (status == RHEI_OK)
        status = fetch(stream, chunk, error);
    duck_unwatch(stream->connection);
    return status;
}

static rhei_status stream_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct duck_stream *stream = context;
    duckdb_data_chunk chunk = NULL;
    rhei_status status = next_chunk(stream, &chunk, error);
    if (status != RHEI_OK || chunk == NULL)
        return status != RHEI_OK ? status : RHEI_DONE;
    status = converted(stream->api, stream->api->data_chunk_to_arrow(stream->options, chunk, out), error);
    stream->api->destroy_data_chunk(&chunk);
    return status;
}

static void stream_free(void *context)
{
    struct duck_stream *stream = context;
    if (stream->connection != NULL) { /* else its planning was left */
        settle(stream);
        duck_plan_done(stream->connection, &stream->plan);
        duck_pool_give(&stream->connection);
    }
    base_free(stream);
}

rhei_status duck_stream_open(struct duck_connection *connection, const struct executor_query *query,
                             struct ArrowArrayStream *out, struct rhei_error *error)
{
    struct duck_stream *stream = base_alloc_zero(1, sizeof *stream);
    if (stream == NULL) {
        duck_pool_give(&connection);
        return error_no_memory(error);
    }
    stream->connection = connection;
    stream->api = connection->database->executor->api;
    stream->options = connection->database->arrow_options[query->strings_view];
    rhei_status status = duck_watch(connection, error);
    if (status == RHEI_OK)
        status = start(stream, query, error);
    if (stream->connection != NULL)
        duck_unwatch(connection);
    if (status != RHEI_OK) {
        stream_free(stream);
        return status;
    }
    struct arrow_batch_source source = {
        .schema = stream_schema, .next = stream_next, .release = stream_free, .context = stream};
    return arrow_batch_stream(&source, out, error);
}
