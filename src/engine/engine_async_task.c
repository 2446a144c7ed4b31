/* SPDX-License-Identifier: Apache-2.0 */
/* One task: what was submitted, how it runs, and what it shows. */
#include <string.h>

#include "engine/engine_async.h"

enum { BLOCK_ROWS = 1000, BLOCK_BYTES = 1 << 20, RESULT_FIRST_SIZE = 32 };

/* ---- What was submitted. ----------------------------------------------------------------------------------------- */

static const void *copy_bytes(struct base_arena *arena, const void *bytes, size_t length)
{
    char *copy = base_arena_alloc(arena, length + 1);
    if (copy != NULL) {
        memcpy(copy, length == 0 ? "" : bytes, length);
        copy[length] = '\0';
    }
    return copy;
}

static rhei_status copy_params(struct rhei_task *task, const struct rhei_params *params, struct rhei_error *error)
{
    if (params == NULL || params->count == 0)
        return RHEI_OK;
    if (params->values == NULL)
        return error_set(error, RHEI_INVALID, "there is no array of values");
    struct rhei_value *values = base_arena_alloc(&task->arena, params->count * sizeof *values);
    if (values == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < params->count; i++) {
        values[i] = params->values[i];
        bool text = values[i].type == RHEI_NAME;
        /* what can't be right stays as it is, and is said when it runs */
        if ((values[i].type < RHEI_TEXT && !text) || values[i].as.bytes == NULL)
            continue;
        size_t length = text ? strlen(values[i].as.bytes) : values[i].length;
        if (length > INT32_MAX)
            continue;
        values[i].as.bytes = copy_bytes(&task->arena, values[i].as.bytes, length);
        if (values[i].as.bytes == NULL)
            return error_no_memory(error);
    }
    task->params = (struct rhei_params){values, params->count};
    return RHEI_OK;
}

static rhei_status copy_query(struct rhei_task *task, const struct rhei_query_options *query, struct rhei_error *error)
{
    rhei_status status = engine_options_copy(&task->query, sizeof task->query, query, "rhei_query_options", error);
    if (status != RHEI_OK)
        return status;
    if (task->query.cancel != NULL)
        return error_set(error, RHEI_INVALID, "a task has its own flag: rhei_task_cancel ends it");
    if (task->query.timeout_ms < 0)
        return error_set(error, RHEI_INVALID, "a time-out of %lld ms is none: 0 means no limit",
                         (long long)task->query.timeout_ms);
    task->deadline_ns = task->query.timeout_ms == 0 || task->query.timeout_ms > INT64_MAX / 4000000
                            ? INT64_MAX
                            : base_now_ns() + task->query.timeout_ms * 1000000;
    task->query.struct_size = sizeof task->query;
    if (task->query.as_of != NULL && (task->query.as_of = base_arena_text(&task->arena, task->query.as_of)) == NULL)
        return error_no_memory(error);
    return rhei_cancel_create(&task->cancel, error);
}

rhei_status engine_task_new(const char *sql, const struct rhei_params *params, const struct rhei_task_options *options,
                            struct rhei_task **task, struct rhei_error *error)
{
    struct rhei_task_options given;
    rhei_status status = engine_options_copy(&given, sizeof given, options, "rhei_task_options", error);
    if (status != RHEI_OK)
        return status;
    if (given.form < RHEI_TASK_ROWS || given.form > RHEI_TASK_NONE)
        return error_set(error, RHEI_INVALID, "the form %d of a task is none of enum rhei_task_form", given.form);
    struct rhei_task *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->arena.first_block = 256;
    made->form = given.form;
    made->done = given.done;
    made->context = given.context;
    made->session = given.session;
    made->status = RHEI_BUSY;
    made->error = (struct rhei_error)RHEI_ERROR_INIT;
    made->result.struct_size = sizeof made->result;
    made->sql = base_arena_text(&made->arena, sql);
    status = made->sql == NULL ? error_no_memory(error) : copy_params(made, params, error);
    if (status == RHEI_OK)
        status = copy_query(made, given.query, error);
    if (status != RHEI_OK) {
        engine_task_destroy(made);
        return status;
    }
    *task = made;
    return RHEI_OK;
}

void engine_task_end(struct rhei_task *task)
{
    rhei_rows_close(&task->rows);
    if (task->stream.release != NULL)
        task->stream.release(&task->stream);
}

void engine_task_destroy(struct rhei_task *task)
{
    engine_task_end(task);
    if (task->schema.release != NULL)
        task->schema.release(&task->schema);
    if (task->batch.release != NULL)
        task->batch.release(&task->batch);
    rhei_cancel_destroy(&task->cancel);
    base_buffer_reset(&task->bytes);
    base_free(task->values);
    base_arena_reset(&task->arena);
    base_free(task);
}

/* ---- How it runs. ------------------------------------------------------------------------------------------------ */

static rhei_status begin_write(struct rhei_task *task, struct rhei_db *db)
{
    const struct rhei_call_options options = {.struct_size = sizeof options,
                                              .timeout_ms = task->query.timeout_ms,
                                              .cancel = task->cancel,
                                              .progress = task->query.progress,
                                              .progress_context = task->query.progress_context};
    rhei_status status =
        task->session != NULL
            ? rhei_session_execute_with(task->session, task->sql, &task->params, &options, &task->result, &task->error)
            : rhei_execute_with(db, task->sql, &task->params, &options, &task->result, &task->error);
    return status == RHEI_OK ? RHEI_DONE : status;
}

static rhei_status begin_rows(struct rhei_task *task, struct rhei_db *db)
{
    rhei_status status =
        task->session != NULL
            ? rhei_session_query(task->session, task->sql, &task->params, &task->query, &task->rows, &task->error)
            : rhei_query(db, task->sql, &task->params, &task->query, &task->rows, &task->error);
    if (status != RHEI_OK)
        return status;
    task->columns = rhei_rows_column_count(task->rows);
    rhei_rows_result(task->rows, &task->result);
    task->names = base_arena_zero(&task->arena, (size_t)task->columns + 1, sizeof *task->names);
    for (uint32_t c = 0; task->names != NULL && c < task->columns; c++)
        if ((task->names[c] = base_arena_text(&task->arena, rhei_rows_column_name(task->rows, c))) == NULL)
            return error_no_memory(&task->error);
    return task->names == NULL ? error_no_memory(&task->error) : RHEI_OK;
}

static rhei_status begin_arrow(struct rhei_task *task, struct rhei_db *db)
{
    rhei_status status = task->session != NULL ? rhei_session_query_arrow(task->session, task->sql, &task->params,
                                                                          &task->query, &task->stream, &task->error)
                                               : rhei_query_arrow(db, task->sql, &task->params, &task->query,
                                                                  &task->stream, &task->error);
    if (status != RHEI_OK)
        return status;
    int code = task->stream.get_schema(&task->stream, &task->schema);
    return code == 0 ? RHEI_OK : arrow_stream_error(&task->stream, code, &task->error);
}

static rhei_status begin(struct rhei_task *task, struct rhei_db *db)
{
    task->query.cancel = task->cancel;
    if (task->deadline_ns != INT64_MAX) {
        task->query.timeout_ms = (task->deadline_ns - base_now_ns()) / 1000000;
        if (task->query.timeout_ms <= 0)
            return error_set(&task->error, RHEI_TIMEOUT,
                             "the statement's time was over before a thread was free for it");
    }
    return task->form == RHEI_TASK_NONE    ? begin_write(task, db)
           : task->form == RHEI_TASK_ARROW ? begin_arrow(task, db)
                                           : begin_rows(task, db);
}

/* Values hold offsets until the block is full. */
static rhei_status take_row(struct rhei_task *task)
{
    if (!base_grow((void **)&task->values, &task->capacity, (task->row_count + 1) * task->columns + 1,
                   sizeof *task->values))
        return error_no_memory(&task->error);
    struct rhei_value *row = task->values + task->row_count++ * task->columns;
    for (uint32_t c = 0; c < task->columns; c++) {
        row[c] = rhei_rows_value(task->rows, c);
        if (row[c].type < RHEI_TEXT)
            continue;
        size_t at = task->bytes.len;
        base_buffer_append(&task->bytes, row[c].as.bytes, row[c].length);
        row[c].as.integer = (int64_t)at;
    }
    return task->bytes.failed ? error_no_memory(&task->error) : RHEI_ROW;
}

static rhei_status next_rows(struct rhei_task *task)
{
    rhei_status status = RHEI_ROW;
    task->row_count = 0;
    base_buffer_clear(&task->bytes);
    while (status == RHEI_ROW && task->row_count < BLOCK_ROWS && task->bytes.len < BLOCK_BYTES) {
        status = rhei_rows_next(task->rows, &task->error);
        if (status == RHEI_ROW)
            status = take_row(task);
    }
    for (size_t i = 0; i < task->row_count * task->columns; i++)
        if (task->values[i].type >= RHEI_TEXT)
            task->values[i].as.bytes = task->bytes.data == NULL ? "" : task->bytes.data + task->values[i].as.integer;
    return status;
}

static rhei_status next_batch(struct rhei_task *task)
{
    if (task->batch.release != NULL)
        task->batch.release(&task->batch);
    task->batch.release = NULL;
    task->row_count = 0;
    int code = task->stream.get_next(&task->stream, &task->batch);
    if (code != 0)
        return arrow_stream_error(&task->stream, code, &task->error);
    task->row_count = task->batch.release == NULL ? 0 : (size_t)task->batch.length;
    return task->batch.release == NULL ? RHEI_DONE : RHEI_ROW;
}

void engine_task_run(struct rhei_task *task, struct rhei_db *db)
{
    rhei_status status = RHEI_OK;
    if (!task->began)
        status = begin(task, db);
    task->began = true;
    if (status == RHEI_OK)
        status = task->form == RHEI_TASK_ARROW ? next_batch(task) : next_rows(task);
    task->status = status;
    if (engine_task_is_over(task))
        engine_task_end(task);
}

void engine_task_refuse(struct rhei_task *task)
{
    task->began = true;
    task->status = error_set(&task->error, RHEI_CANCELLED, "the statement was cancelled before it began");
}

bool engine_task_is_over(const struct rhei_task *task)
{
    return task->status != RHEI_ROW && task->status != RHEI_BUSY;
}

/* ---- What it shows. ---------------------------------------------------------------------------------------------- */

void *rhei_task_context(const rhei_task *task)
{
    return task == NULL ? NULL : task->context;
}

void rhei_task_result(const rhei_task *task, struct rhei_result *result)
{
    const struct rhei_result none = {0};
    if (result != NULL)
        engine_struct_give(result, task == NULL ? &none : &task->result, sizeof none, RESULT_FIRST_SIZE);
}

uint32_t rhei_task_column_count(const rhei_task *task)
{
    return task == NULL ? 0 : task->columns;
}

const char *rhei_task_column_name(const rhei_task *task, uint32_t column)
{
    return task == NULL || column >= task->columns ? "" : task->names[column];
}

size_t rhei_task_row_count(const rhei_task *task)
{
    return task == NULL ? 0 : task->row_count;
}

struct rhei_value rhei_task_value(const rhei_task *task, size_t row, uint32_t column)
{
    if (task == NULL || task->form != RHEI_TASK_ROWS || row >= task->row_count || column >= task->columns)
        return rhei_null();
    return task->values[row * task->columns + column];
}

void rhei_task_batch(rhei_task *task, struct ArrowSchema *schema, struct ArrowArray *array)
{
    if (schema != NULL) {
        *schema = task == NULL ? (struct ArrowSchema){0} : task->schema;
        if (task != NULL)
            task->schema.release = NULL;
    }
    if (array != NULL) {
        *array = task == NULL ? (struct ArrowArray){0} : task->batch;
        if (task != NULL)
            task->batch.release = NULL;
    }
}
