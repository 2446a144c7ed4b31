/* SPDX-License-Identifier: Apache-2.0 */
/* What the change source's files use of each other: its statements, its batches, and the row of the log that it stands on. */
#include <inttypes.h>

#include "capture/capture_source.h"

rhei_status capture_source_prepare(struct capture_source *source, const char *sql, sqlite3_stmt **stmt,
                                   struct rhei_error *error)
{
    int rc = sqlite3_prepare_v3(source->connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(source->connection, rc, "change log", error);
}

rhei_status capture_source_step(struct capture_source *source, sqlite3_stmt *stmt, struct rhei_error *error)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return RHEI_ROW;
    return rc == SQLITE_DONE ? RHEI_DONE : oltp_sqlite_error(source->connection, rc, "change log", error);
}

struct capture_batch *capture_source_batch(struct capture_source *source, int64_t id)
{
    struct capture_batch *last = source->last_batch;
    if (last != NULL && last->table->table.source.id == id)
        return last;
    size_t low = 0, high = source->batch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t found = source->batches[middle]->table->table.source.id;
        if (found == id)
            return source->last_batch = source->batches[middle];
        *(found < id ? &low : &high) = found < id ? middle + 1 : middle;
    }
    return NULL;
}

void capture_source_list(struct capture_source *source, struct capture_batch *batch)
{
    if (!batch->listed) {
        BASE_INVARIANT(source->ready_count < source->batch_count);
        batch->listed = true;
        batch->count = 0;
        if (batch->were != NULL)
            batch->were->count = 0;
        batch->plain = true;
        batch->lost = NULL;
        source->order[source->ready_count++] = batch;
    }
}

void capture_source_lose(struct capture_source *source, struct capture_batch *batch, const char *why)
{
    capture_source_list(source, batch);
    BASE_INVARIANT(why != NULL && batch->listed);
    batch->lost = why;
    batch->lost_at = INT64_MAX;
}

/* ---- The log's current row. -------------------------------------------------------------------------------------- */

sqlite3_stmt *capture_source_cell(const struct capture_source *source, uint32_t column, int *at)
{
    BASE_INVARIANT(column < source->width);
    bool far = column >= source->near;
    *at = far ? (int)(column - source->near) : 3 + (int)column;
    return far ? source->far : source->log;
}

/* R6. Puts the statement on the row that can't be read from the pages. */
rhei_status capture_source_leave_pages(struct capture_source *source, int64_t seq, struct rhei_error *error)
{
    source->paged = false;
    sqlite3_reset(source->log);
    sqlite3_bind_int64(source->log, 1, seq);
    rhei_status status = capture_source_step(source, source->log, error);
    bool there = status == RHEI_ROW && sqlite3_column_int64(source->log, 0) == seq;
    return there || (status != RHEI_ROW && status != RHEI_DONE)
               ? status
               : error_set(error, RHEI_INTERNAL, "row %" PRId64 " of the change log is not there twice", seq);
}

rhei_status capture_source_fetch(struct capture_source *source, uint32_t wanted, struct rhei_error *error)
{
    if (source->paged) {
        source->cells = capture_pages_columns(source->pages, CAPTURE_LOG_HEAD + wanted);
        if (source->cells != NULL)
            return RHEI_OK;
        rhei_status status = capture_source_leave_pages(source, source->next_seq - 1, error);
        if (status != RHEI_ROW)
            return status;
    }
    if (wanted <= source->near)
        return RHEI_OK;
    BASE_INVARIANT(source->far != NULL);
    sqlite3_reset(source->far);
    sqlite3_bind_int64(source->far, 1, sqlite3_column_int64(source->log, 0));
    rhei_status status = capture_source_step(source, source->far, error);
    return status == RHEI_ROW    ? RHEI_OK
           : status == RHEI_DONE ? error_set(error, RHEI_INTERNAL, "a row of the change log is not there twice")
                                 : status;
}

/* Of the log's row: julian days, which tell milliseconds. */
int64_t capture_source_time_us(const struct capture_source *source)
{
    const struct rhei_value *cell = source->paged ? &source->cells[1] : NULL;
    double days = cell == NULL                 ? sqlite3_column_double(source->log, 3 + (int)source->near)
                  : cell->type == RHEI_REAL    ? cell->as.real
                  : cell->type == RHEI_INTEGER ? (double)cell->as.integer
                                               : 0.0;
    double ms = (days - 2440587.5) * 86400000.0;
    return ms > 0 && ms < 9e15 ? (int64_t)(ms + 0.5) * 1000 : 0;
}
