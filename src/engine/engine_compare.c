/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the mirror equal to the table? Both are read at one position: the mirror is brought up to date, a snapshot of it pinned
 * and SQLite's read transaction begun, again until no commit came in between (after some tries with the writer held, so that
 * our own writers can't); then everybody goes on and the two are compared at leisure.
 * Rows are compared as a count and the sum of a hash over each row's cells (class and bits), so order doesn't matter.
 *
 * A table whose key is an integer can be compared by ranges of it, each pinned by itself, between which nothing is held: the ranges
 * cover every integer, so a row that differs lies in one of them, and stays different until something changes it.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine_compare.h"
#include "sync/sync_compare.h"

enum {
    PACE_ROWS = 256,     /* between two looks at the clock, in one piece */
    PIECE_LEAST = 1024,  /* rows */
    PIECE_MOST = 262144, /* about 0.2 s of work */
    PIECES_A_SECOND = 4,
    NAP_NS = 20000000,
};

static rhei_status ended(rhei_status status, struct rhei_error *error)
{
    return error_set(error, status,
                     status == RHEI_TIMEOUT ? "the time limit ended the comparison" : "the comparison was cancelled");
}

void engine_pace_begin(struct engine_pace *pace, struct engine_limits *limits)
{
    *pace = (struct engine_pace){.limits = limits, .rate = limits->rows_per_second, .began_ns = base_now_ns()};
}

/* Counts rows, and waits until they are due; what ends the call is noticed meanwhile. */
static rhei_status pace_keep(struct engine_pace *pace, uint64_t rows, struct rhei_error *error)
{
    pace->rows += rows;
    if (pace->rate == 0)
        return RHEI_OK;
    int64_t due = pace->began_ns + (int64_t)((double)pace->rows / (double)pace->rate * 1e9);
    rhei_status status = RHEI_OK;
    while ((status = engine_limits_check(pace->limits)) == RHEI_OK) {
        int64_t now = base_now_ns();
        if (now >= due)
            return RHEI_OK;
        base_word_wait(&pace->nap, 0, due - now < NAP_NS ? due : now + NAP_NS);
    }
    return ended(status, error);
}

static rhei_status checksum_mirror(const struct mirror_table_view *view, const struct mirror_range *range,
                                   struct engine_limits *limits, struct sync_checksum *out, struct rhei_error *error)
{
    const struct sync_stop stop = {engine_limits_check, limits, engine_limits_counts(limits)};
    rhei_status status = sync_checksum_view(view, range, &stop, out, error);
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

/* A part of the keys: those from `low` on, of at most `count` rows. The rows tell where it ends. */
struct piece {
    int64_t low, high;
    uint64_t count;
};

/* `piece` NULL: all rows, whose pace is kept on the way. Its `high` becomes the last key read. */
static rhei_status checksum_table(struct oltp_cursor *cursor, const struct source_table *table, struct piece *piece,
                                  struct engine_pace *pace, struct sync_checksum *out, struct rhei_error *error)
{
    struct base_progress *counts = engine_limits_counts(pace->limits);
    uint32_t columns = table->column_count;
    struct rhei_value *cells = base_alloc_zero((size_t)columns + 1, sizeof *cells);
    char **copies = base_alloc_zero((size_t)columns + 1, sizeof *copies);
    rhei_status status = cells == NULL || copies == NULL ? error_no_memory(error) : RHEI_ROW;
    while (status == RHEI_ROW && (status = oltp_cursor_next(cursor, error)) == RHEI_ROW) {
        for (uint32_t c = 0; c < columns && status == RHEI_ROW; c++)
            if (mirrored_cell(cursor, c, &cells[c], &copies[c], error) != RHEI_OK)
                status = RHEI_NO_MEMORY;
        if (status != RHEI_ROW)
            break;
        sync_checksum_row(out, cells, columns);
        base_progress_add(counts, BASE_PROGRESS_ROWS, 1);
        if (piece != NULL)
            piece->high = cells[table->key_columns[0]].as.integer;
        else if (out->rows % PACE_ROWS == 0 && pace_keep(pace, PACE_ROWS, error) != RHEI_OK)
            status = engine_limits_check(pace->limits);
    }
    for (uint32_t c = 0; copies != NULL && c < columns; c++)
        base_free(copies[c]);
    base_free(copies);
    base_free(cells);
    return status == RHEI_DONE ? RHEI_OK : status;
}

static void add_column(struct base_buffer *sql, const struct source_column *column)
{
    if (column->is_rowid)
        base_buffer_text(sql, column->name);
    else
        base_buffer_identifier(sql, column->name);
}

/* All rows, or (`pieces`) the first ?2 whose key is ?1 or more. */
static char *select_text(const struct source_table *table, bool pieces)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "" : ", ");
        add_column(&sql, &table->columns[c]);
    }
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, table->name);
    if (pieces) {
        const struct source_column *key = &table->columns[table->key_columns[0]];
        base_buffer_text(&sql, " WHERE ");
        add_column(&sql, key);
        base_buffer_text(&sql, " >= ?1 ORDER BY ");
        add_column(&sql, key);
        base_buffer_text(&sql, " LIMIT ?2");
    }
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
static rhei_status pin_both(rhei_db *db, const char *sql, const struct piece *piece, struct engine_limits *limits,
                            struct mirror_snapshot *snapshot, struct oltp_cursor **cursor, struct rhei_error *error)
{
    const struct rhei_value given[2] = {
        {.type = RHEI_INTEGER, .as.integer = piece == NULL ? 0 : piece->low},
        {.type = RHEI_INTEGER, .as.integer = piece == NULL ? 0 : (int64_t)piece->count}};
    struct oltp_stop stop;
    const struct oltp_stop *ends = engine_stop(limits, &stop);
    const struct sync_stop waits = {engine_limits_check, limits, NULL};
    for (int tries = 0; tries < 400; tries++) {
        rhei_status stopped = engine_limits_check(limits);
        if (stopped != RHEI_OK)
            return ended(stopped, error);
        rhei_status status = sync_cycle_while(db->sync, &waits, NULL, error);
        void *held = status == RHEI_OK && tries >= 100 && oltp_captures(db->oltp)
                         ? oltp_native_lock_while(db->oltp, ends)
                         : NULL;
        if (held != NULL)
            status = sync_wait_latest(db->sync, 0, &waits, error);
        if (status == RHEI_OK)
            status = mirror_snapshot_take(db->mirror, snapshot);
        if (status == RHEI_OK) {
            status = oltp_read(db->oltp, sql, strlen(sql), given, piece == NULL ? 0 : 2, ends, true, cursor, error);
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

static rhei_status compare(const struct source_table *table, const struct piece *piece,
                           const struct sync_checksum *in_table, const struct sync_checksum *in_mirror,
                           struct rhei_error *error)
{
    char where[128] = "";
    if (sync_checksum_equal(in_table, in_mirror))
        return RHEI_OK;
    if (piece != NULL)
        snprintf(where, sizeof where, ", where its key is from %lld to %lld,", (long long)piece->low,
                 (long long)piece->high);
    if (in_table->rows != in_mirror->rows)
        return error_set(error, RHEI_STALE, "table \"%s\"%s has %llu rows, its mirror %llu: mend it with rhei_repair",
                         table->name, where, (unsigned long long)in_table->rows, (unsigned long long)in_mirror->rows);
    return error_set(error, RHEI_STALE,
                     "table \"%s\" and its mirror%s have %llu rows each, but their cells differ: mend it with "
                     "rhei_repair",
                     table->name, where, (unsigned long long)in_table->rows);
}

static rhei_status compare_pinned(const struct source_table *table, const struct mirror_table_view *view,
                                  struct oltp_cursor *cursor, struct piece *piece, struct engine_pace *pace,
                                  struct sync_checksum *in_table, struct rhei_error *error)
{
    struct sync_checksum in_mirror = {0};
    rhei_status status = RHEI_OK;
    if (piece == NULL)
        status = checksum_mirror(view, NULL, pace->limits, &in_mirror, error);
    if (status == RHEI_OK)
        status = checksum_table(cursor, table, piece, pace, in_table, error);
    if (status == RHEI_OK && piece != NULL) {
        if (in_table->rows < piece->count)
            piece->high = INT64_MAX;
        const struct mirror_range range = {.column = table->key_columns[0],
                                           .low = {.type = RHEI_INTEGER, .as.integer = piece->low},
                                           .high = {.type = RHEI_INTEGER, .as.integer = piece->high}};
        status = checksum_mirror(view, &range, pace->limits, &in_mirror, error);
    }
    return status == RHEI_OK ? compare(table, piece, in_table, &in_mirror, error) : status;
}

/* A piece of the table, or (NULL) all of it. Adds the rows of the table to *rows. */
static rhei_status compare_piece(rhei_db *db, const struct source_table *table, const char *sql, struct piece *piece,
                                 struct engine_pace *pace, uint64_t *rows, struct rhei_error *error)
{
    struct mirror_snapshot snapshot;
    struct oltp_cursor *cursor = NULL;
    struct sync_checksum in_table = {0};
    rhei_status status = pin_both(db, sql, piece, pace->limits, &snapshot, &cursor, error);
    if (status != RHEI_OK)
        return status;
    const struct mirror_table_view *view = mirror_view(&snapshot, table->id);
    if (view == NULL)
        status =
            error_set(error, RHEI_OLAP_UNAVAILABLE,
                      "table \"%s\" has no mirror to compare with now: wait for its build with rhei_initial_sync, or "
                      "see rh status",
                      table->name);
    else if (*rows == 0) /* the rows of both sides */
        base_progress_set(engine_limits_counts(pace->limits), BASE_PROGRESS_ROWS, 0,
                          2 * (int64_t)mirror_view_row_count(view));
    if (status == RHEI_OK)
        status = compare_pinned(table, view, cursor, piece, pace, &in_table, error);
    *rows += status == RHEI_OK ? in_table.rows : 0;
    oltp_cursor_close(&cursor);
    mirror_snapshot_release(&snapshot);
    return status;
}

/* Piece by piece, with nothing held between them. */
static rhei_status compare_pieces(rhei_db *db, const struct source_table *table, const char *sql,
                                  struct engine_pace *pace, uint64_t *rows, struct rhei_error *error)
{
    struct piece piece = {.low = INT64_MIN, .count = pace->rate / PIECES_A_SECOND};
    piece.count = piece.count < PIECE_LEAST ? PIECE_LEAST : piece.count > PIECE_MOST ? PIECE_MOST : piece.count;
    for (;;) {
        uint64_t before = *rows;
        rhei_status status = compare_piece(db, table, sql, &piece, pace, rows, error);
        if (status == RHEI_OK)
            status = pace_keep(pace, *rows - before, error);
        if (status != RHEI_OK || piece.high == INT64_MAX)
            return status;
        piece.low = piece.high + 1;
    }
}

rhei_status engine_compare_table(rhei_db *db, const struct source_table *table, struct engine_pace *pace,
                                 uint64_t *rows, struct rhei_error *error)
{
    uint64_t compared = 0;
    bool pieces = pace->rate != 0 && table->key_is_integer;
    char *sql = select_text(table, pieces);
    if (sql == NULL)
        return error_no_memory(error);
    base_progress_step(engine_limits_counts(pace->limits), "comparing table and mirror", table->name,
                       BASE_PROGRESS_ROWS, -1);
    rhei_status status = pieces ? compare_pieces(db, table, sql, pace, &compared, error)
                                : compare_piece(db, table, sql, NULL, pace, &compared, error);
    base_free(sql);
    *rows += compared;
    return status;
}
