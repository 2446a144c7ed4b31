/* SPDX-License-Identifier: Apache-2.0 */
/* A statement from its plan to the last batch. The statement is the stream's until release, and the library's result before it. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_datafusion/datafusion_internal.h"

struct df_stream {
    const struct rhei_df_library *library;
    struct df_statement *statement;
    struct rhei_df_result *result;
};

rhei_status df_statement_error(struct df_statement *statement, int32_t status, const struct rhei_df_error *failure,
                               struct rhei_error *error)
{
    int stopped = atomic_load_explicit(&statement->stopped, memory_order_acquire);
    int failed = atomic_load_explicit(&statement->failed, memory_order_acquire);
    const struct mirror_table_view *damaged = atomic_load_explicit(&statement->damaged, memory_order_acquire);
    if (damaged != NULL)
        return mirror_view_check(damaged, error);
    if (stopped == RHEI_TIMEOUT)
        return error_set(error, RHEI_TIMEOUT, "the statement ran longer than its time limit");
    if (stopped != RHEI_OK)
        return error_set(error, (rhei_status)stopped, "the statement was cancelled");
    if (strstr(failure->message, "unless information_schema is enabled") != NULL) /* which nobody can */
        return error_set(error, RHEI_UNSUPPORTED,
                         "the column store has no schema of its own to show; ask SQLite's sqlite_schema and "
                         "pragma_table_info()");
    if (failed != RHEI_OK)
        return error_set(error, (rhei_status)failed, "%s", failure->message);
    return df_error(status, failure, error);
}

static rhei_status stream_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct df_stream *stream = context;
    struct rhei_df_error failure = {0};
    int32_t status = stream->library->schema(stream->result, out, &failure);
    return status == RHEI_DF_OK ? RHEI_OK : df_statement_error(stream->statement, status, &failure, error);
}

static rhei_status stream_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct df_stream *stream = context;
    struct rhei_df_error failure = {0};
    int32_t status = stream->library->next(stream->result, out, &failure);
    if (status != RHEI_DF_OK)
        return df_statement_error(stream->statement, status, &failure, error);
    return out->release != NULL ? RHEI_OK : RHEI_DONE;
}

static void stream_free(void *context)
{
    struct df_stream *stream = context;
    if (stream->result != NULL)
        stream->library->result_close(stream->result);
    df_statement_close(&stream->statement);
    base_free(stream);
}

rhei_status df_stream_open(struct df_executor *executor, struct df_statement *statement,
                           const struct rhei_df_query *query, struct ArrowArrayStream *out, struct rhei_error *error)
{
    struct df_stream *stream = base_alloc_zero(1, sizeof *stream);
    if (stream == NULL) {
        df_statement_close(&statement);
        return error_no_memory(error);
    }
    stream->library = executor->library;
    stream->statement = statement;
    struct rhei_df_error failure = {0};
    int32_t code = executor->library->run(atomic_load(&executor->engine), query, &stream->result, &failure);
    if (code != RHEI_DF_OK) {
        rhei_status status = df_statement_error(statement, code, &failure, error);
        stream_free(stream);
        return status;
    }
    struct arrow_batch_source source = {
        .schema = stream_schema, .next = stream_next, .release = stream_free, .context = stream};
    return arrow_batch_stream(&source, out, error);
}
