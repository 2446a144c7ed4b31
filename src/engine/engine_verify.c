/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the mirror equal to the table? Both are read at one position: the mirror is brought up to date, a snapshot of it pinned
 * and SQLite's read transaction begun, again until no commit came in between (after some tries with the writer held, so that
 * our own writers can't); then everybody goes on and the two are compared at leisure.
 * Rows are compared as a count and the sum of a hash over each row's cells (class and bits), so order doesn't matter.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "engine/engine_internal.h"
#include "sync/sync_compare.h"

static rhei_status ended(rhei_status status, struct rhei_error *error)
{
    return error_set(error, status,
                     status == RHEI_TIMEOUT ? "the time limit ended the comparison" : "the comparison was cancelled");
}

static rhei_status checksum_mirror(const struct mirror_table_view *view, struct engine_limits *limits,
                                   struct sync_checksum *out, struct rhei_error *error)
{
    const struct sync_stop stop = {engine_limits_check, limits, engine_limits_counts(limits)};
    rhei_status status = sync_checksum_view(view, &stop, out, error);
    return status == RHEI_OK || status == RHEI_NO_MEMORY ? status : ended(status, error);
}

/* A cell as the mirror has it: see OLTP_ODD_TEXT. *copy is its memory, if it needs some. */
static rhei_status mirrored_cell(struct oltp_cursor *cursor, uint32_t column, struct rhei_value *cell, char **copy,
                                 struct rhei_error *error)
{
    const void *odd;
    uint32_t length;
    base_free(*copy);
    *copy = NULL;
    if (!oltp_cursor_odd_text(cursor, column, &odd, &length)) {
        oltp_cursor_value(cursor, column, cell);
        return RHEI_OK;
    }
    *copy = base_alloc((size_t)length + 1);
    if (*copy == NULL)
        return error_no_memory(error);
    (*copy)[0] = OLTP_ODD_TEXT;
    memcpy(*copy + 1, odd, length);
    *cell = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = *copy, .length = length + 1};
    return RHEI_OK;
}

static rhei_status checksum_table(struct oltp_cursor *cursor, uint32_t columns, struct base_progress *counts,
                                  struct sync_checksum *out, struct rhei_error *error)
{
    struct rhei_value *cells = base_alloc_zero((size_t)columns + 1, sizeof *cells);
    char **copies = base_alloc_zero((size_t)columns + 1, sizeof *copies);
    rhei_status status = cells == NULL || copies == NULL ? error_no_memory(error) : RHEI_ROW;
    while (status == RHEI_ROW && (status = oltp_cursor_next(cursor, error)) == RHEI_ROW) {
        for (uint32_t c = 0; c < columns && status == RHEI_ROW; c++)
            if (mirrored_cell(cursor, c, &cells[c], &copies[c], error) != RHEI_OK)
                status = RHEI_NO_MEMORY;
        if (status == RHEI_ROW) {
            sync_checksum_row(out, cells, columns);
            base_progress_add(counts, BASE_PROGRESS_ROWS, 1);
        }
    }
    for (uint32_t c = 0; copies != NULL && c < columns; c++)
        base_free(copies[c]);
    base_free(copies);
    base_free(cells);
    return status == RHEI_DONE ? RHEI_OK : status;
}

static char *select_text(const struct source_table *table)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "" : ", ");
        if (table->columns[c].is_rowid)
            base_buffer_text(&sql, table->columns[c].name);
        else
            base_buffer_identifier(&sql, table->columns[c].name);
    }
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, table->name);
    return base_buffer_take(&sql);
}

/*
 * Whether the cursor, begun after the snapshot was taken, reads the snapshot's state. Without capture a position counts states:
 * if a cycle now still finds the snapshot's, nobody committed in between.
 */
static rhei_status same_state(rhei_db *db, struct oltp_cursor *cursor, const struct mirror_snapshot *snapshot,
                              const struct sync_stop *stop, bool *same, struct rhei_error *error)
{
    int64_t position = mirror_snapshot_position(snapshot);
    if (oltp_captures(db->oltp)) {
        *same = oltp_cursor_position(cursor) == position;
        return RHEI_OK;
    }
    rhei_status status = sync_cycle_while(db->sync, stop, NULL, error);
    *same = status == RHEI_OK && sync_position(db->sync) == position;
    return status;
}

/* Pins both sides at one position. Foreign writers may come in between: then once more. */
static rhei_status pin_both(rhei_db *db, const char *sql, struct engine_limits *limits,
                            struct mirror_snapshot *snapshot, struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp_stop stop;
    const struct oltp_stop *given = engine_stop(limits, &stop);
    const struct sync_stop waits = {engine_limits_check, limits, NULL};
    for (int tries = 0; tries < 400; tries++) {
        rhei_status stopped = engine_limits_check(limits);
        if (stopped != RHEI_OK)
            return ended(stopped, error);
        rhei_status status = sync_cycle_while(db->sync, &waits, NULL, error);
        void *held = status == RHEI_OK && tries >= 100 && oltp_captures(db->oltp)
                         ? oltp_native_lock_while(db->oltp, given)
                         : NULL;
        if (held != NULL)
            status = sync_wait_latest(db->sync, 0, &waits, error);
        if (status == RHEI_OK)
            status = mirror_snapshot_take(db->mirror, snapshot);
        if (status == RHEI_OK) {
            status = oltp_read(db->oltp, sql, strlen(sql), NULL, 0, given, true, cursor, error);
            if (status != RHEI_OK)
                mirror_snapshot_release(snapshot);
        }
        if (held != NULL)
            oltp_native_unlock(db->oltp);
        if (status != RHEI_OK)
            return status;
        bool same = false;
        status = same_state(db, *cursor, snapshot, &waits, &same, error);
        if (same)
            return RHEI_OK;
        oltp_cursor_close(cursor);
        mirror_snapshot_release(snapshot);
        if (status != RHEI_OK)
            return status;
    }
    return error_set(
        error, RHEI_BUSY,
        "other processes write so often that table and mirror could not be seen at one position; try again");
}

static rhei_status compare(const struct source_table *table, const struct sync_checksum *in_table,
                           const struct sync_checksum *in_mirror, struct rhei_error *error)
{
    if (in_table->rows != in_mirror->rows)
        return error_set(error, RHEI_STALE, "table \"%s\" has %llu rows, its mirror %llu: rebuild it with rhei_rebuild",
                         table->name, (unsigned long long)in_table->rows, (unsigned long long)in_mirror->rows);
    if (in_table->sum != in_mirror->sum || in_table->product != in_mirror->product)
        return error_set(error, RHEI_STALE,
                         "table \"%s\" and its mirror have %llu rows each, but their cells differ: rebuild it with "
                         "rhei_rebuild",
                         table->name, (unsigned long long)in_table->rows);
    return RHEI_OK;
}

static rhei_status verify_table(rhei_db *db, const struct source_table *table, struct engine_limits *limits,
                                uint64_t *rows, struct rhei_error *error)
{
    char *sql = select_text(table);
    if (sql == NULL)
        return error_no_memory(error);
    struct mirror_snapshot snapshot;
    struct oltp_cursor *cursor = NULL;
    struct base_progress *counts = engine_limits_counts(limits);
    base_progress_step(counts, "comparing table and mirror", table->name, BASE_PROGRESS_ROWS, -1);
    rhei_status status = pin_both(db, sql, limits, &snapshot, &cursor, error);
    base_free(sql);
    if (status != RHEI_OK)
        return status;
    const struct mirror_table_view *view = mirror_view(&snapshot, table->id);
    struct sync_checksum in_table = {0}, in_mirror = {0};
    if (view != NULL) /* the rows of both sides */
        base_progress_set(counts, BASE_PROGRESS_ROWS, 0, 2 * (int64_t)mirror_view_row_count(view));
    if (view == NULL)
        status =
            error_set(error, RHEI_OLAP_UNAVAILABLE,
                      "table \"%s\" has no mirror to compare with now: wait for its build with rhei_initial_sync, or "
                      "see rh status",
                      table->name);
    if (status == RHEI_OK)
        status = checksum_mirror(view, limits, &in_mirror, error);
    if (status == RHEI_OK)
        status = checksum_table(cursor, table->column_count, counts, &in_table, error);
    if (status == RHEI_OK)
        status = compare(table, &in_table, &in_mirror, error);
    if (status == RHEI_OK && rows != NULL)
        *rows += in_table.rows;
    oltp_cursor_close(&cursor);
    mirror_snapshot_release(&snapshot);
    return status;
}

/* NULL: every table. */
static rhei_status verify_named(rhei_db *db, const char *table, struct engine_limits *limits, uint64_t *rows,
                                struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    bool found = table == NULL;
    for (uint32_t t = 0; t < catalog->table_count && status == RHEI_OK; t++) {
        const struct capture_table *candidate = &catalog->tables[t];
        bool named = table != NULL && base_fold_compare(candidate->source.name, table) == 0;
        if ((table != NULL && !named) || candidate->schema != NULL) /* nobody here has its rows to compare with */
            continue;
        found = true;
        if (candidate->captured)
            status = verify_table(db, &candidate->source, limits, rows, error);
        else if (named)
            status = error_set(error, RHEI_NOT_FOUND, "table \"%s\" is not mirrored: %s", table,
                               candidate->source.unmirrored_reason != NULL ? candidate->source.unmirrored_reason
                                                                           : "it isn't registered");
    }
    if (!found)
        status = error_set(error, RHEI_NOT_FOUND, "there is no table \"%s\"", table);
    capture_catalog_release(&catalog);
    return status;
}

rhei_status rhei_verify(rhei_db *db, const char *table, uint64_t *rows, struct rhei_error *error)
{
    return rhei_verify_with(db, table, NULL, rows, error);
}

rhei_status rhei_verify_with(rhei_db *db, const char *table, const struct rhei_call_options *options, uint64_t *rows,
                             struct rhei_error *error)
{
    struct engine_limits limits;
    error_clear(error);
    if (db == NULL)
        return error_set(error, RHEI_INVALID, "a database handle is needed");
    if (db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "there is no column store to compare with: this handle was opened with olap_backend none");
    if (rows != NULL)
        *rows = 0;
    rhei_status status = engine_limits_of_call(db->ticker, &limits, options, error);
    if (status != RHEI_OK)
        return status;
    status = verify_named(db, table, &limits, rows, error);
    engine_limits_reset(&limits);
    return status;
}
