/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the column store leave only while its files are whole: a segment in a file is checked when it is first read, in the middle of
 * an answer, and reads as nothing if it is damaged. So each batch is looked at after it was made; then its table is built again, and
 * SQLite answers, or, where rows are out already, the caller is told.
 */
#include "engine/engine_internal.h"

static const char message[] = "a file of the column store is damaged: it was set aside, and its table is built again; "
                              "ask again";
static const char message_of_a_look[] = "a file of the column store's folder is damaged: its table is built again in "
                                        "memory, so ask again; rh repair mends the folder";

rhei_status engine_guard_check(const struct rhei_rows *rows, struct rhei_error *error)
{
    if (rows->db->checkpoint == NULL || rows->state.snapshot.slot == NULL || !mirror_is_damaged(&rows->state.snapshot))
        return RHEI_OK;
    sync_mend(rows->db->sync);
    return error_set(error, RHEI_IO, "%s", rows->db->config.read_only ? message_of_a_look : message);
}

struct guard {
    struct ArrowArrayStream under;
    const struct rhei_rows *rows; /* outlive the stream */
};

static rhei_status guard_schema(void *context, struct ArrowSchema *schema, struct rhei_error *error)
{
    struct guard *guard = context;
    int code = guard->under.get_schema(&guard->under, schema);
    return code == 0 ? RHEI_OK : arrow_stream_error(&guard->under, code, error);
}

static rhei_status guard_next(void *context, struct ArrowArray *array, struct rhei_error *error)
{
    struct guard *guard = context;
    int code = guard->under.get_next(&guard->under, array);
    if (code != 0)
        return arrow_stream_error(&guard->under, code, error);
    rhei_status status = engine_guard_check(guard->rows, error);
    if (status == RHEI_OK)
        return array->release == NULL ? RHEI_DONE : RHEI_OK;
    if (array->release != NULL)
        array->release(array);
    return status;
}

static void guard_release(void *context)
{
    struct guard *guard = context;
    guard->under.release(&guard->under);
    base_free(guard);
}

rhei_status engine_guard(struct rhei_rows *rows, struct rhei_error *error)
{
    if (rows->db->checkpoint == NULL)
        return RHEI_OK; /* nothing of it is in a file */
    struct guard *guard = base_alloc_zero(1, sizeof *guard);
    if (guard == NULL)
        return error_no_memory(error);
    guard->under = rows->stream;
    guard->rows = rows;
    rows->stream = (struct ArrowArrayStream){0};
    const struct arrow_batch_source source = {guard_schema, guard_next, guard_release, guard};
    rhei_status status = arrow_batch_stream(&source, &rows->stream, error);
    return status == RHEI_OK ? engine_guard_check(rows, error) : status; /* of what was read while it was made */
}
