/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the mirror equal to the table? Both are read at one position: the mirror is brought up to date, a snapshot of it pinned
 * and SQLite's read transaction begun, again until no commit came in between (after some tries with the writer held, so that
 * our own writers can't); then everybody goes on and the two are compared at leisure.
 * Rows are compared as a count and the sum of a hash over each row's cells (class and bits), so order doesn't matter.
 *
 * Compared at a pace, or to be mended, a table is taken in pieces by the order of its key, each pinned by itself, between which nothing is
 * held. They cover every key, so a row that differs lies in one of them, and stays different until something changes it.
 *   - By ranges of a key that is an integer, which the mirror finds by its zones.
 *   - By values of the first column of another key (tables WITHOUT ROWID), where SQLite orders it as bytes and numbers: read in that order from
 *     the table, and filtered from all of the mirror, which has no order of its own but remembers what each full segment has. Rows of one value
 *     are in one piece, and pieces are a 64th of the table at least, since each is a look at the mirror's keys.
 *   - Where neither is so (another collation, a file in UTF-16), the table is one piece.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "base/base_utf8.h"
#include "engine/engine_compare_parts.h"

enum {
    PACE_ROWS = 256, /* between two looks at the clock, in one piece */
    PIECES_A_SECOND = 4,
    PIECES_MOST = 64, /* of a table that is filtered from the mirror */
};

rhei_status engine_piece_scan(const struct engine_piece *piece, const struct source_table *table,
                              const struct mirror_table_view *view, struct engine_limits *limits,
                              rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                              void *context, struct rhei_error *error)
{
    const struct sync_stop stop = {engine_limits_check, limits, engine_limits_counts(limits)};
    const struct mirror_range range = {.column = table->key_columns[0],
                                       .low = {.type = RHEI_INTEGER, .as.integer = piece->low},
                                       .high = {.type = RHEI_INTEGER, .as.integer = piece->high}};
    const struct sync_part part = {.range = piece->kind == ENGINE_PIECE_RANGE ? &range : NULL,
                                   .above = piece->has_above ? &piece->above.value : NULL,
                                   .upto = piece->has_upto ? &piece->upto.value : NULL,
                                   .column = table->key_columns[0],
                                   .zones = piece->zones};
    rhei_status status = sync_scan_part(view, &part, &stop, take, context, error);
    return status == RHEI_OK || status == RHEI_NO_MEMORY ? status : engine_pace_ended(status, error);
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

/* ---- Pieces. ----------------------------------------------------------------------------------------------------- */

static bool end_set(struct engine_end *end, const struct rhei_value *value)
{
    bool has_bytes = value->type == RHEI_TEXT || value->type == RHEI_BLOB;
    end->value = *value;
    if (!has_bytes)
        return true;
    if (!base_grow((void **)&end->bytes, &end->capacity, (size_t)value->length + 1, 1))
        return false;
    if (value->length > 0)
        memcpy(end->bytes, value->as.bytes, value->length);
    end->value.as.bytes = end->bytes;
    return true;
}

static void piece_reset(struct engine_piece *piece)
{
    base_free(piece->above.bytes);
    base_free(piece->upto.bytes);
}

/* The piece behind this one; false: there is none. */
static bool piece_next(struct engine_piece *piece)
{
    const struct engine_end spare = piece->above;
    if (piece->kind == ENGINE_PIECE_RANGE && piece->high < INT64_MAX) {
        piece->low = piece->high + 1;
        return true;
    }
    if (piece->kind != ENGINE_PIECE_VALUES || !piece->has_upto)
        return false;
    piece->above = piece->upto;
    piece->upto = spare;
    piece->has_above = true;
    piece->has_upto = false;
    return true;
}

/* Whether this row of the table, the next by its key, is still of the piece; it may say where that ends. */
static rhei_status piece_takes(struct engine_piece *piece, const struct rhei_value *key, uint64_t rows, bool *takes,
                               struct rhei_error *error)
{
    *takes = true;
    if (piece->kind == ENGINE_PIECE_RANGE)
        piece->high = key->as.integer; /* SQLite counts its rows */
    if (piece->kind != ENGINE_PIECE_VALUES)
        return RHEI_OK;
    if (piece->ends) { /* read once more */
        *takes = !piece->has_upto || sync_value_compare(key, &piece->upto.value) <= 0;
        return RHEI_OK;
    }
    if (rows + 1 < piece->count)
        return RHEI_OK;
    if (!piece->has_upto) {
        piece->has_upto = end_set(&piece->upto, key);
        return piece->has_upto ? RHEI_OK : error_no_memory(error);
    }
    *takes = sync_value_compare(key, &piece->upto.value) == 0;
    return RHEI_OK;
}

/* The table was read to the end of the piece, or of its own (`last`). */
static void piece_read(struct engine_piece *piece, uint64_t rows, bool last)
{
    if (piece->kind == ENGINE_PIECE_RANGE && rows < piece->count)
        piece->high = INT64_MAX;
    if (piece->kind == ENGINE_PIECE_VALUES && last && !piece->ends)
        piece->has_upto = false;
}

/* The rows of a piece on their way from the table to whoever takes them. */
struct reading {
    struct engine_piece *piece;
    const struct source_table *table;
    struct engine_pace *pace;
    struct rhei_value *cells;
    char **copies; /* memory of cells that need some */
    rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count);
    void *context;
};

static rhei_status read_rows(struct reading *reading, struct oltp_cursor *cursor, struct rhei_error *error)
{
    const struct source_table *table = reading->table;
    struct engine_pace *pace = reading->pace;
    struct base_progress *counts = engine_limits_counts(pace->limits);
    uint32_t key = table->key_columns[0];
    bool takes = true;
    rhei_status status;
    uint64_t rows = 0;
    while ((status = oltp_cursor_next(cursor, error)) == RHEI_ROW) {
        for (uint32_t c = 0; c < table->column_count; c++)
            if (mirrored_cell(cursor, c, &reading->cells[c], &reading->copies[c], error) != RHEI_OK)
                return RHEI_NO_MEMORY;
        status = piece_takes(reading->piece, &reading->cells[key], rows, &takes, error);
        if (status == RHEI_OK && !takes)
            break;
        if (status == RHEI_OK)
            status = reading->take(reading->context, reading->cells, table->column_count);
        if (status != RHEI_OK)
            return status;
        rows++;
        base_progress_add(counts, BASE_PROGRESS_ROWS, 1);
        if (reading->piece->kind == ENGINE_PIECE_ALL && rows % PACE_ROWS == 0 &&
            engine_pace_keep(pace, PACE_ROWS, error) != RHEI_OK)
            return engine_limits_check(pace->limits);
    }
    if (status != RHEI_OK && status != RHEI_DONE)
        return status;
    piece_read(reading->piece, rows, takes);
    return RHEI_OK;
}

rhei_status engine_piece_read(struct engine_piece *piece, const struct source_table *table, struct oltp_cursor *cursor,
                              struct engine_pace *pace,
                              rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                              void *context, struct rhei_error *error)
{
    struct reading reading = {.piece = piece, .table = table, .pace = pace, .take = take, .context = context};
    reading.cells = base_alloc_zero((size_t)table->column_count + 1, sizeof *reading.cells);
    reading.copies = base_alloc_zero((size_t)table->column_count + 1, sizeof *reading.copies);
    rhei_status status = reading.cells == NULL || reading.copies == NULL ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK)
        status = read_rows(&reading, cursor, error);
    for (uint32_t c = 0; reading.copies != NULL && c < table->column_count; c++)
        base_free(reading.copies[c]);
    base_free(reading.copies);
    base_free(reading.cells);
    return status;
}

/* ---- Both at one position. --------------------------------------------------------------------------------------- */

static void add_column(struct base_buffer *sql, const struct source_column *column)
{
    if (column->is_rowid)
        base_buffer_text(sql, column->name);
    else
        base_buffer_identifier(sql, column->name);
}

static char *select_text(const struct source_table *table, const struct engine_piece *piece)
{
    struct base_buffer sql = {0};
    const struct source_column *key = &table->columns[table->key_columns[0]];
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "" : ", ");
        add_column(&sql, &table->columns[c]);
    }
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, table->name);
    if (piece->kind == ENGINE_PIECE_RANGE || piece->has_above) {
        base_buffer_text(&sql, " WHERE ");
        add_column(&sql, key);
        base_buffer_text(&sql, piece->kind == ENGINE_PIECE_RANGE ? " >= ?1" : " > ?1");
    }
    if (piece->kind != ENGINE_PIECE_ALL) {
        base_buffer_text(&sql, " ORDER BY ");
        add_column(&sql, key);
    }
    if (piece->kind == ENGINE_PIECE_RANGE)
        base_buffer_text(&sql, " LIMIT ?2");
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

static rhei_status begin_reading(rhei_db *db, const char *sql, const struct engine_piece *piece,
                                 const struct oltp_stop *ends, struct oltp_cursor **cursor, struct rhei_error *error)
{
    const struct rhei_value range[2] = {{.type = RHEI_INTEGER, .as.integer = piece->low},
                                        {.type = RHEI_INTEGER, .as.integer = (int64_t)piece->count}};
    bool by_range = piece->kind == ENGINE_PIECE_RANGE;
    return oltp_read(db->oltp, sql, strlen(sql), by_range ? range : &piece->above.value,
                     by_range ? 2 : piece->has_above, ends, true, cursor, error);
}

/* Pins both sides at one position. Foreign writers may come in between: then once more. */
static rhei_status pin_by(rhei_db *db, const char *sql, const struct engine_piece *piece, struct engine_limits *limits,
                          struct mirror_snapshot *snapshot, struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp_stop stop;
    const struct oltp_stop *ends = engine_stop(limits, &stop);
    const struct sync_stop waits = {engine_limits_check, limits, NULL};
    for (int tries = 0; tries < 400; tries++) {
        rhei_status stopped = engine_limits_check(limits);
        if (stopped != RHEI_OK)
            return engine_pace_ended(stopped, error);
        rhei_status status = sync_cycle_while(db->sync, &waits, NULL, error);
        void *held = status == RHEI_OK && tries >= 100 && oltp_captures(db->oltp)
                         ? oltp_native_lock_while(db->oltp, ends)
                         : NULL;
        if (held != NULL)
            status = sync_wait_latest(db->sync, 0, &waits, error);
        if (status == RHEI_OK)
            status = mirror_snapshot_take(db->mirror, snapshot);
        if (status == RHEI_OK) {
            status = begin_reading(db, sql, piece, ends, cursor, error);
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

rhei_status engine_piece_pin(rhei_db *db, const struct source_table *table, const struct engine_piece *piece,
                             struct engine_limits *limits, struct mirror_snapshot *snapshot,
                             struct oltp_cursor **cursor, struct rhei_error *error)
{
    char *sql = select_text(table, piece);
    rhei_status status = sql == NULL ? error_no_memory(error) : pin_by(db, sql, piece, limits, snapshot, cursor, error);
    base_free(sql);
    return status;
}

rhei_status engine_compare_no_mirror(const struct source_table *table, struct rhei_error *error)
{
    return error_set(error, RHEI_OLAP_UNAVAILABLE,
                     "table \"%s\" has no mirror to compare with now: wait for its build with rhei_initial_sync, or "
                     "see rh status",
                     table->name);
}

/* ---- Comparing. -------------------------------------------------------------------------------------------------- */

static void add_end(struct base_buffer *text, const char *word, const struct rhei_value *value)
{
    base_buffer_text(text, word);
    if (value->type == RHEI_INTEGER)
        base_buffer_format(text, "%lld", (long long)value->as.integer);
    else if (value->type == RHEI_REAL)
        base_buffer_format(text, "%.17g", value->as.real);
    else if (value->type == RHEI_BLOB)
        base_buffer_format(text, "a BLOB of %u bytes", value->length);
    else
        base_buffer_format(text, "'%.*s'", (int)base_utf8_cut(value->as.bytes, value->length, 40),
                           (const char *)value->as.bytes);
}

/* ", where its key is from 1 to 9,"; NULL: no memory. */
static char *piece_place(const struct engine_piece *piece)
{
    struct base_buffer text = {0};
    bool first = piece->low == INT64_MIN, last = piece->high == INT64_MAX;
    if (piece->kind == ENGINE_PIECE_RANGE && !first && !last)
        base_buffer_format(&text, ", where its key is from %lld to %lld,", (long long)piece->low,
                           (long long)piece->high);
    else if (piece->kind == ENGINE_PIECE_RANGE && !(first && last))
        base_buffer_format(&text, ", where its key is %s %lld,", first ? "up to" : "at least",
                           (long long)(first ? piece->high : piece->low));
    if (piece->has_above || piece->has_upto)
        base_buffer_text(&text, ", where its key is");
    if (piece->has_above)
        add_end(&text, " above ", &piece->above.value);
    if (piece->has_upto)
        add_end(&text, piece->has_above ? " and up to " : " up to ", &piece->upto.value);
    if (piece->has_above || piece->has_upto)
        base_buffer_char(&text, ',');
    base_buffer_text(&text, "");
    return base_buffer_take(&text);
}

static rhei_status tell_difference(const rhei_db *db, const struct source_table *table,
                                   const struct engine_piece *piece, const struct sync_checksum *in_table,
                                   const struct sync_checksum *in_mirror, bool mends, struct rhei_error *error)
{
    char *place = piece_place(piece);
    const char *where = place == NULL ? "" : place;
    bool more = !mends && ((piece->kind == ENGINE_PIECE_RANGE && piece->high < INT64_MAX) || piece->has_upto);
    char advice[100];
    (void)snprintf(advice, sizeof advice, "%s%s", more ? " (what comes behind wasn't compared)" : "",
                   mends                    ? ""
                   : db->checkpoint != NULL ? "; rhei_repair mends the folder"
                                            : ": mend it with rhei_repair");
    if (in_table->rows != in_mirror->rows)
        (void)error_set(error, RHEI_STALE, "table \"%s\"%s has %llu rows, its mirror %llu%s", table->name, where,
                        (unsigned long long)in_table->rows, (unsigned long long)in_mirror->rows, advice);
    else
        (void)error_set(error, RHEI_STALE,
                        "table \"%s\" and its mirror%s have %llu rows each, but their cells differ%s", table->name,
                        where, (unsigned long long)in_table->rows, advice);
    base_free(place);
    return RHEI_STALE;
}

static rhei_status add_checksum(void *context, const struct rhei_value *cells, uint32_t count)
{
    sync_checksum_row(context, cells, count);
    return RHEI_OK;
}

/* Of a table that is filtered from the mirror a piece is a part of all rows at least. */
static void widen(struct engine_piece *piece, uint64_t rows)
{
    if (piece->kind == ENGINE_PIECE_VALUES && piece->count < rows / PIECES_MOST)
        piece->count = rows / PIECES_MOST;
}

/* Adds the rows of the table to *rows. `mends`: what differs is seen to by the caller, so nobody is advised to. */
static rhei_status compare_piece(rhei_db *db, const struct source_table *table, struct engine_piece *piece,
                                 struct engine_pace *pace, bool mends, uint64_t *rows, struct rhei_error *error)
{
    struct mirror_snapshot snapshot;
    struct oltp_cursor *cursor = NULL;
    struct sync_checksum in_table = {0}, in_mirror = {0};
    rhei_status status = engine_piece_pin(db, table, piece, pace->limits, &snapshot, &cursor, error);
    if (status != RHEI_OK)
        return status;
    const struct mirror_table_view *view = mirror_view(&snapshot, table->id);
    if (view == NULL) {
        status = engine_compare_no_mirror(table, error);
    } else {
        uint64_t all = mirror_view_row_count(view);
        widen(piece, all);
        if (*rows == 0) /* the rows of both sides, or of one that is read many times */
            base_progress_set(engine_limits_counts(pace->limits), BASE_PROGRESS_ROWS, 0,
                              (int64_t)all * (piece->kind == ENGINE_PIECE_VALUES ? 1 : 2));
    }
    /* where the rows are read at a pace the mirror's, which aren't, come first */
    bool first = piece->kind == ENGINE_PIECE_ALL;
    if (status == RHEI_OK && first)
        status = engine_piece_scan(piece, table, view, pace->limits, add_checksum, &in_mirror, error);
    if (status == RHEI_OK)
        status = engine_piece_read(piece, table, cursor, pace, add_checksum, &in_table, error);
    if (status == RHEI_OK && !first)
        status = engine_piece_scan(piece, table, view, pace->limits, add_checksum, &in_mirror, error);
    if (status == RHEI_OK)
        status = engine_disk_is_whole(db, table, view, error);
    if (status == RHEI_OK && !sync_checksum_equal(&in_table, &in_mirror))
        status = tell_difference(db, table, piece, &in_table, &in_mirror, mends, error);
    *rows += status == RHEI_OK ? in_table.rows : 0;
    oltp_cursor_close(&cursor);
    mirror_snapshot_release(&snapshot);
    return status;
}

/* A piece that differs is mended, and compared once more; what is written meanwhile may make that take a few turns. */
static rhei_status mend_piece(rhei_db *db, const struct source_table *table, struct engine_piece *piece,
                              struct engine_pace *pace, struct engine_mended *mended, uint64_t *rows,
                              struct rhei_error *error)
{
    enum { TURNS = 5 };
    rhei_status status = RHEI_STALE;
    piece->ends = true;
    mended->pieces++;
    for (int i = 0; i < TURNS && status == RHEI_STALE; i++) {
        struct rhei_error why = RHEI_ERROR_INIT;
        rhei_status done = engine_mend_piece(db, table, piece, pace, mended, &why);
        if (done != RHEI_OK) {
            if (error != NULL && done != RHEI_STALE)
                *error = why;
            status = done;
            break;
        }
        error_clear(error);
        status = compare_piece(db, table, piece, pace, true, rows, error);
    }
    piece->ends = false;
    return status;
}

/* SQLite orders the first column of the key as sync_value_compare does. */
static bool is_ordered(const rhei_db *db, const struct source_table *table)
{
    const struct source_column *key = &table->columns[table->key_columns[0]];
    return oltp_encoding(db->oltp) == OLTP_UTF8 && base_fold_compare(key->collation, "BINARY") == 0;
}

uint64_t engine_piece_rows(uint64_t rate)
{
    uint64_t rows = rate == 0 ? ENGINE_PIECE_MOST : rate / PIECES_A_SECOND;
    return rows < ENGINE_PIECE_LEAST ? ENGINE_PIECE_LEAST : rows > ENGINE_PIECE_MOST ? ENGINE_PIECE_MOST : rows;
}

void engine_comparison_begin(struct engine_comparison *comparison, const rhei_db *db, const struct source_table *table,
                             uint64_t piece_rows)
{
    *comparison = (struct engine_comparison){
        .piece = {.kind = ENGINE_PIECE_ALL, .low = INT64_MIN, .high = INT64_MAX, .count = piece_rows}};
    if (piece_rows > 0)
        comparison->piece.kind = table->key_is_integer   ? ENGINE_PIECE_RANGE
                                 : is_ordered(db, table) ? ENGINE_PIECE_VALUES
                                                         : ENGINE_PIECE_ALL;
}

void engine_comparison_reset(struct engine_comparison *comparison)
{
    piece_reset(&comparison->piece);
    sync_zones_reset(&comparison->zones);
    *comparison = (struct engine_comparison){.piece = {.kind = ENGINE_PIECE_ALL}};
}

rhei_status engine_comparison_next(struct engine_comparison *comparison, rhei_db *db, const struct source_table *table,
                                   struct engine_pace *pace, struct engine_mended *mended, uint64_t *rows, bool *more,
                                   struct rhei_error *error)
{
    struct engine_piece *piece = &comparison->piece;
    piece->zones = &comparison->zones;
    *more = false;
    rhei_status status = compare_piece(db, table, piece, pace, mended != NULL, rows, error);
    if (status == RHEI_STALE && mended != NULL)
        status = mend_piece(db, table, piece, pace, mended, rows, error);
    if (status == RHEI_OK)
        *more = piece_next(piece);
    return status;
}

rhei_status engine_compare_table(rhei_db *db, const struct source_table *table, struct engine_pace *pace,
                                 struct engine_mended *mended, uint64_t *rows, struct rhei_error *error)
{
    struct engine_comparison comparison;
    uint64_t compared = 0;
    bool more = true;
    rhei_status status = RHEI_OK;
    engine_comparison_begin(&comparison, db, table,
                            pace->rate != 0 || mended != NULL ? engine_piece_rows(pace->rate) : 0);
    base_progress_step(engine_limits_counts(pace->limits), "comparing table and mirror", table->name,
                       BASE_PROGRESS_ROWS, -1);
    while (status == RHEI_OK && more) {
        uint64_t before = compared;
        bool whole = comparison.piece.kind == ENGINE_PIECE_ALL; /* the rows of which came at a pace */
        status = engine_comparison_next(&comparison, db, table, pace, mended, &compared, &more, error);
        if (status == RHEI_OK && !whole)
            status = engine_pace_keep(pace, compared - before, error);
    }
    engine_comparison_reset(&comparison);
    *rows += compared;
    return status;
}
