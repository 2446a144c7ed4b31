/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scan of the mirror for the library's threads: each takes the next vectors. Every row of a vector that may match is delivered;
 * rows of a segment whose file can't be read are nobody's: the statement fails, whether its damage was found by this scan or before.
 */
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_progress.h"
#include "exec_datafusion/datafusion_internal.h"

static int32_t fill(struct df_scan *scan, const uint32_t *columns, uint32_t count, struct rhei_df_error *error)
{
    const struct df_table *table = scan->table;
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i] >= table->count)
            return df_fail(scan->statement, RHEI_INTERNAL, error, "there is no column %u", columns[i]);
        scan->columns[i] = table->columns[columns[i]];
        if (table->columns[columns[i]].kind == 0)
            return df_fail(scan->statement, RHEI_SQL, error,
                           "column \"%s\" of \"%s\" holds values that have no one type (mixed classes, or numbers of "
                           "two where the "
                           "name with __int is another column's), a negative zero or infinity, or text that is not "
                           "UTF-8 or has a NUL in it",
                           table->shown[columns[i]].name, mirror_view_definition(table->view)->name);
    }
    scan->count = count;
    struct rhei_error failure = RHEI_ERROR_INIT;
    const struct executor_query *query = scan->statement->query;
    rhei_status status =
        mirror_scan_open_for(table->view, table->scan, query->ranges, query->range_count, &scan->scan, &failure);
    return status == RHEI_OK ? RHEI_DF_OK : df_fail(scan->statement, status, error, "%s", failure.message);
}

int32_t df_scan_open(void *context, uint32_t number, uint32_t scan_number, const uint32_t *columns, uint32_t count,
                     void **out, struct rhei_df_error *error)
{
    struct df_statement *statement = context;
    const struct df_table *table = df_statement_find(statement, number, scan_number);
    struct df_scan *scan = base_alloc_zero(1, sizeof *scan + count * sizeof *scan->columns);
    *out = NULL;
    if (scan == NULL || table == NULL) {
        base_free(scan);
        return df_fail(statement, RHEI_NO_MEMORY, error, "out of memory");
    }
    scan->statement = statement;
    scan->table = table;
    base_mutex_init(&scan->mutex);
    int32_t status = fill(scan, columns, count, error);
    if (status != RHEI_DF_OK) {
        base_mutex_destroy(&scan->mutex);
        base_free(scan);
        return status;
    }
    base_progress_expect(statement->query->stop.progress, BASE_PROGRESS_ROWS, (int64_t)mirror_scan_slots(scan->scan));
    *out = scan;
    return RHEI_DF_OK;
}

/* The next rows, held: several vectors where they can be given as one, else those that were taken with them wait. Under the mutex. */
static bool take(struct df_scan *scan, struct mirror_scan_batch *batch, struct mirror_hold *hold)
{
    struct mirror_scan_batch *waiting = scan->waiting;
    if (scan->waiting_from == scan->waiting_to) {
        scan->waiting_from = 0;
        scan->waiting_to = mirror_scan_next_some(scan->scan, waiting, DF_MOST_VECTORS);
        if (scan->waiting_to == 0)
            return false;
        mirror_scan_hold(scan->scan, &waiting[0], hold);
        if (df_batches_are_one(scan, waiting, scan->waiting_to)) {
            *batch = waiting[0];
            batch->rows = batch->count = scan->waiting_to * MIRROR_VECTOR_ROWS;
            scan->waiting_from = scan->waiting_to;
            return true;
        }
    }
    *batch = waiting[scan->waiting_from++]; /* it has no slots of its own to skip: the scan isn't exact */
    mirror_scan_hold(scan->scan, batch, hold);
    return true;
}

int32_t df_scan_next(void *context, struct ArrowArray *out, struct rhei_df_error *error)
{
    struct df_scan *scan = context;
    struct df_statement *statement = scan->statement;
    struct mirror_scan_batch batch;
    struct mirror_hold hold = {NULL};
    out->release = NULL;
    base_mutex_lock(&scan->mutex);
    bool any = take(scan, &batch, &hold);
    base_mutex_unlock(&scan->mutex);
    if (!any)
        return RHEI_DF_OK;
    switch (df_batch(scan, &batch, hold, out)) {
    case DF_BATCH_NO_MEMORY:
        return df_fail(statement, RHEI_NO_MEMORY, error, "out of memory");
    case DF_BATCH_OTHER_CLASS:
        return df_fail(statement, RHEI_SQL, error, "a column holds values of another class than was planned");
    case DF_BATCH_OK:
        break;
    }
    if (mirror_view_segment_is_damaged(scan->table->view, batch.segment)) {
        out->release(out);
        atomic_store_explicit(&statement->damaged, scan->table->view, memory_order_release);
        return df_fail(statement, RHEI_IO, error, "a file of the column store is damaged");
    }
    base_progress_add(statement->query->stop.progress, BASE_PROGRESS_ROWS, batch.rows);
    return RHEI_DF_OK;
}

void df_scan_close(void *context)
{
    struct df_scan *scan = context;
    mirror_scan_close(&scan->scan);
    base_mutex_destroy(&scan->mutex);
    base_free(scan);
}
