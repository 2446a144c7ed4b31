/* SPDX-License-Identifier: Apache-2.0 */
/* What the change source's files use of each other: its statements and its batches. */
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
