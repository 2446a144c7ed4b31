/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of an Arrow stream into a table.
 *
 * The stream's cells are gathered to blocks of rows, and a block is one batch INSERT of a session: so what a batch may do (wide
 * statements, errors by row, time-outs) holds here too. All blocks are of one transaction, or of one per chunk; within a transaction of
 * the caller's they are of a savepoint in its place. A block of a big batch borrows the batch's text and ends with it; of small ones it copies, because they end within it.
 *
 * A wrong row ends its block where it stands: the rows before it are in, so the ones behind it go on if the caller leaves it out.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "base/base_map.h"
#include "engine/engine_history.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

enum {
    BLOCK_ROWS = 1000,      /* whole statements of as many rows as the row store puts into one (oltp_wide.c) */
    BLOCK_BYTES = 1 << 20,  /* of text that is copied: a block ends when there is more */
    STEP_ROWS = 250,        /* taken from the stream at a time, column by column */
    BORROW_ROWS = 1000,     /* of a batch that is worth a block of its own */
    RESULT_FIRST_SIZE = 24, /* of rhei_ingest_result in its first version */
};

/* SQLite keeps the whole numbers of a REAL column as integers, which have no -0: such a column of a table that is made here has no type. */
enum zeros { ZEROS_AS_THEY_COME, ZEROS_LOSE_THEIR_SIGN, ZEROS_KEEP_THEIR_SIGN };

struct ingest {
    rhei_db *db;
    const char *table;
    struct rhei_ingest_options options;
    struct engine_limits limits;
    struct oltp_stop stop;
    const struct oltp_stop *given; /* &stop, or NULL */
    struct arrow_cursor *cursor;
    uint32_t columns;
    const char *schema;          /* of the table: "main" or "temp" */
    struct rhei_session *caller; /* NULL: `session` is the ingest's own */
    struct oltp_session *session;
    bool inside; /* the caller's transaction is open */
    struct base_buffer insert;
    struct rhei_value *values; /* [BLOCK_ROWS][columns] */
    struct base_buffer bytes; /* text that the block copied; values of `copied` columns hold offsets until it is full */
    bool *copied;             /* [columns] */
    bool borrows;             /* the block's other text is the batch's */
    size_t rows;              /* in the block */
    uint8_t *zeros;           /* [columns], enum zeros */
    bool one_by_one;          /* SQLite would not tell which of several rows was wrong */
    struct rhei_ingest_result now, committed;
};

/* ---- Statements. ------------------------------------------------------------------------------------------------- */

static rhei_status run(struct ingest *ingest, const char *sql, struct rhei_error *error)
{
    struct oltp_result done = {0};
    return oltp_session_run(ingest->session, sql, strlen(sql), NULL, 0, ingest->given, &done, NULL, error);
}

/* The declared type under which SQLite leaves the column's values as they are, -0.0 apart. */
static const char *declared_type(const struct ArrowSchema *schema)
{
    const char *format = schema->dictionary == NULL ? schema->format : schema->dictionary->format;
    switch (format[0]) {
    case 'b':
        return "BOOLEAN";
    case 'c':
    case 'C':
    case 's':
    case 'S':
    case 'i':
    case 'I':
    case 'l':
        return "INTEGER";
    case 'e':
    case 'f':
    case 'g':
        return "REAL";
    case 'z':
    case 'Z':
        return "BLOB";
    case 'w':
        return "BLOB"; /* fixed-size binary; a UUID's text is left alone, too */
    case 'v':
        return format[1] == 'z' ? "BLOB" : "TEXT";
    case 't':
        return format[1] == 'd' ? "DATE" : format[1] == 's' ? "TIMESTAMP" : format[1] == 't' ? "TIME" : "TEXT";
    case 'L': /* beyond 2^63 - 1 it comes as text, which no type but this leaves alone */
    case 'n':
        return "BLOB";
    case '+':
        return format[1] == 'u' ? "BLOB" : "TEXT"; /* a union's members are what they are; all else is JSON */
    default:
        return "TEXT"; /* strings, decimals */
    }
}

static rhei_status create_table(struct ingest *ingest, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "CREATE TABLE %s.", ingest->schema);
    base_buffer_identifier(&sql, ingest->table);
    const struct ArrowSchema *schema = arrow_cursor_schema(ingest->cursor);
    for (uint32_t c = 0; c < ingest->columns; c++) {
        base_buffer_text(&sql, c == 0 ? " (" : ", ");
        base_buffer_identifier(&sql, arrow_cursor_column_name(ingest->cursor, c));
        if (ingest->zeros[c] == ZEROS_KEEP_THEIR_SIGN)
            continue;
        const char *type = declared_type(schema->children[c]);
        base_buffer_format(&sql, " %s", type);
        if (strcmp(type, "REAL") == 0)
            ingest->zeros[c] = ZEROS_LOSE_THEIR_SIGN;
    }
    for (size_t k = 0; k < ingest->options.key_count; k++) {
        base_buffer_text(&sql, k == 0 ? ", PRIMARY KEY (" : ", ");
        base_buffer_identifier(&sql, ingest->options.key_columns[k]);
    }
    base_buffer_text(&sql, ingest->options.key_count > 0 ? "))" : ")");
    rhei_status status = sql.failed ? error_no_memory(error) : run(ingest, sql.data, error);
    base_buffer_reset(&sql);
    return status;
}

static rhei_status drop_table(struct ingest *ingest, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "DROP TABLE IF EXISTS %s.", ingest->schema);
    base_buffer_identifier(&sql, ingest->table);
    rhei_status status = sql.failed ? error_no_memory(error) : run(ingest, sql.data, error);
    base_buffer_reset(&sql);
    return status;
}

/* ---- What the table has. ----------------------------------------------------------------------------------------- */

/* By number of the stream's column. */
struct ingest_columns {
    uint32_t found; /* columns of the table that it has at all */
    bool *known;
    uint32_t keys, keys_given;
    struct base_buffer key_list, update_list;
};

static void columns_reset(struct ingest_columns *columns)
{
    base_free(columns->known);
    base_buffer_reset(&columns->key_list);
    base_buffer_reset(&columns->update_list);
}

static uint32_t column_of_stream(const struct ingest *ingest, const char *name)
{
    for (uint32_t c = 0; c < ingest->columns; c++)
        if (base_fold_compare(arrow_cursor_column_name(ingest->cursor, c), name) == 0)
            return c;
    return UINT32_MAX;
}

static void note_column(const struct ingest *ingest, struct ingest_columns *columns, const char *name, bool key)
{
    uint32_t number = column_of_stream(ingest, name);
    columns->found++;
    columns->keys += key;
    if (number != UINT32_MAX)
        columns->known[number] = true;
    else if (!key)
        return;
    columns->keys_given += key && number != UINT32_MAX;
    struct base_buffer *list = key ? &columns->key_list : &columns->update_list;
    if (list->len > 0)
        base_buffer_text(list, ", ");
    base_buffer_identifier(list, name);
    if (!key) {
        base_buffer_text(list, " = excluded.");
        base_buffer_identifier(list, name);
    }
}

static rhei_status read_columns(struct ingest *ingest, struct ingest_columns *columns, struct rhei_error *error)
{
    static const char sql[] = "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) ORDER BY cid";
    const struct rhei_value names[] = {rhei_text(ingest->table), rhei_text(ingest->schema)};
    struct oltp_cursor *cursor = NULL;
    rhei_status status =
        oltp_session_run(ingest->session, sql, sizeof sql - 1, names, 2, ingest->given, NULL, &cursor, error);
    while (status == RHEI_OK && (status = oltp_cursor_next(cursor, error)) == RHEI_ROW) {
        struct rhei_value name, pk;
        oltp_cursor_value(cursor, 0, &name);
        oltp_cursor_value(cursor, 1, &pk);
        char *text = base_strndup(name.as.bytes, name.length);
        if (text != NULL)
            note_column(ingest, columns, text, pk.as.integer != 0);
        status = text == NULL ? error_no_memory(error) : RHEI_OK;
        base_free(text);
    }
    oltp_cursor_close(&cursor);
    return status == RHEI_DONE ? RHEI_OK : status;
}

static rhei_status check_columns(const struct ingest *ingest, const struct ingest_columns *columns,
                                 struct rhei_error *error)
{
    if (columns->found == 0)
        return error_set(error, RHEI_NOT_FOUND,
                         "there is no table \"%s\" to take the rows in: create it, or ask for that", ingest->table);
    for (uint32_t c = 0; c < ingest->columns; c++) {
        const char *name = arrow_cursor_column_name(ingest->cursor, c);
        if (!columns->known[c])
            return column_of_stream(ingest, name) != c
                       ? error_set(error, RHEI_INVALID, "the stream has two columns \"%s\"", name)
                       : error_set(error, RHEI_INVALID, "table \"%s\" has no column \"%s\"", ingest->table, name);
    }
    if (ingest->options.on_conflict != RHEI_CONFLICT_UPDATE)
        return RHEI_OK;
    if (columns->keys == 0)
        return error_set(error, RHEI_INVALID, "table \"%s\" has no primary key to update its rows by", ingest->table);
    if (ingest->options.mode == RHEI_INGEST_UPSERT && columns->keys_given < columns->keys)
        return error_set(error, RHEI_INVALID, "the stream lacks columns of the primary key of table \"%s\"",
                         ingest->table);
    return RHEI_OK;
}

static rhei_status make_insert(struct ingest *ingest, const struct ingest_columns *columns, struct rhei_error *error)
{
    struct base_buffer *sql = &ingest->insert;
    int32_t conflict = ingest->options.on_conflict;
    base_buffer_format(sql, conflict == RHEI_CONFLICT_REPLACE ? "INSERT OR REPLACE INTO %s." : "INSERT INTO %s.",
                       ingest->schema);
    base_buffer_identifier(sql, ingest->table);
    for (uint32_t c = 0; c < ingest->columns; c++) {
        base_buffer_text(sql, c == 0 ? " (" : ", ");
        base_buffer_identifier(sql, arrow_cursor_column_name(ingest->cursor, c));
    }
    base_buffer_text(sql, ") VALUES ");
    for (uint32_t c = 0; c < ingest->columns; c++)
        base_buffer_text(sql, c == 0 ? "(?" : ", ?");
    base_buffer_char(sql, ')');
    if (conflict == RHEI_CONFLICT_SKIP)
        base_buffer_text(sql, " ON CONFLICT DO NOTHING");
    else if (conflict == RHEI_CONFLICT_UPDATE && columns->update_list.len > 0)
        base_buffer_format(sql, " ON CONFLICT (%s) DO UPDATE SET %s", columns->key_list.data,
                           columns->update_list.data);
    else if (conflict == RHEI_CONFLICT_UPDATE)
        base_buffer_format(sql, " ON CONFLICT (%s) DO NOTHING", columns->key_list.data);
    return sql->failed || columns->key_list.failed || columns->update_list.failed ? error_no_memory(error) : RHEI_OK;
}

/*
 * A statement that a table's own ON CONFLICT FAIL or ROLLBACK ended left some of its rows, or none, and no word on which one was wrong. So
 * where that is asked, a table with such words in its text takes one row at a time.
 */
static rhei_status note_clauses(struct ingest *ingest, struct rhei_error *error)
{
    const char *sql = ingest->options.temporary
                          ? "SELECT 1 FROM temp.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND sql LIKE '%conflict%'"
                          : "SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND sql LIKE '%conflict%'";
    struct rhei_value table = rhei_text(ingest->table);
    struct oltp_cursor *cursor = NULL;
    if (ingest->options.reject == NULL)
        return RHEI_OK;
    rhei_status status =
        oltp_session_run(ingest->session, sql, strlen(sql), &table, 1, ingest->given, NULL, &cursor, error);
    if (status == RHEI_OK)
        status = oltp_cursor_next(cursor, error);
    ingest->one_by_one = status == RHEI_ROW;
    oltp_cursor_close(&cursor);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

/* RHEI_CONSTRAINT if others have made something of the table since its first rows were committed, which would go with it. */
static rhei_status check_alone(struct ingest *ingest, struct rhei_error *error)
{
    static const char sql[] =
        "SELECT name FROM main.sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL "
        "AND type IN ('index', 'trigger') AND name NOT LIKE '\\_rhei\\_%' ESCAPE '\\'";
    struct rhei_value table = rhei_text(ingest->table);
    struct oltp_cursor *cursor = NULL;
    if (ingest->committed.rows == 0 || ingest->options.temporary)
        return RHEI_OK;
    rhei_status status =
        oltp_session_run(ingest->session, sql, sizeof sql - 1, &table, 1, ingest->given, NULL, &cursor, error);
    if (status == RHEI_OK)
        status = oltp_cursor_next(cursor, error);
    if (status == RHEI_ROW)
        status = error_set(error, RHEI_CONSTRAINT,
                           "table \"%s\" was given an index or a trigger while its rows came, and a column that has to "
                           "become one without a type for a -0.0: ingest again, all in one transaction",
                           ingest->table);
    oltp_cursor_close(&cursor);
    return status == RHEI_DONE ? RHEI_OK : status;
}

/* The table that was made for the ingest once more, with the rows that it has, after columns got another type. */
static rhei_status make_table_anew(struct ingest *ingest, struct rhei_error *error)
{
    struct base_buffer copy = {0}, back = {0};
    base_buffer_format(&copy, "CREATE TABLE temp.rhei_rows_of_an_ingest AS SELECT * FROM %s.", ingest->schema);
    base_buffer_identifier(&copy, ingest->table);
    base_buffer_format(&back, "INSERT INTO %s.", ingest->schema);
    base_buffer_identifier(&back, ingest->table);
    base_buffer_text(&back, " SELECT * FROM temp.rhei_rows_of_an_ingest");
    rhei_status status = copy.failed || back.failed ? error_no_memory(error) : check_alone(ingest, error);
    if (status == RHEI_OK)
        status = run(ingest, copy.data, error);
    if (status == RHEI_OK)
        status = drop_table(ingest, error);
    if (status == RHEI_OK)
        status = create_table(ingest, error);
    if (status == RHEI_OK)
        status = run(ingest, back.data, error);
    if (status == RHEI_OK)
        status = run(ingest, "DROP TABLE temp.rhei_rows_of_an_ingest", error);
    base_buffer_reset(&copy);
    base_buffer_reset(&back);
    return status;
}

/* In the first transaction: makes the table where that was asked, and the statement. */
static rhei_status prepare_table(struct ingest *ingest, struct rhei_error *error)
{
    struct ingest_columns columns = {.known = base_alloc_zero(ingest->columns, sizeof(bool))};
    rhei_status status = columns.known == NULL ? error_no_memory(error) : RHEI_OK;
    int32_t mode = ingest->options.mode;
    if (status == RHEI_OK && mode == RHEI_INGEST_REPLACE)
        status = drop_table(ingest, error);
    else if (status == RHEI_OK)
        status = read_columns(ingest, &columns, error);
    if (status == RHEI_OK && mode == RHEI_INGEST_CREATE && columns.found > 0)
        status = error_set(error, RHEI_EXISTS, "there is a table \"%s\" already: append to it, or replace it",
                           ingest->table);
    if (status == RHEI_OK && columns.found == 0 && mode != RHEI_INGEST_APPEND && mode != RHEI_INGEST_UPSERT) {
        status = create_table(ingest, error);
        if (status == RHEI_OK)
            status = read_columns(ingest, &columns, error);
    }
    if (status == RHEI_OK)
        status = check_columns(ingest, &columns, error);
    if (status == RHEI_OK)
        status = make_insert(ingest, &columns, error);
    if (status == RHEI_OK)
        status = note_clauses(ingest, error);
    columns_reset(&columns);
    return status;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

/* What a batch says of its rows, counted from 1, and what a session says that the caller doesn't have. */
static void take_off_context(struct rhei_error *error)
{
    static const char row[] = "row ", rolled_back[] = OLTP_SESSION_ROLLED_BACK;
    char *end = NULL;
    size_t session = sizeof rolled_back - 1;
    if (strncmp(error->message, rolled_back, session) == 0)
        memmove(error->message, error->message + session, strlen(error->message + session) + 1);
    if (strncmp(error->message, row, sizeof row - 1) != 0)
        return;
    (void)strtoull(error->message + sizeof row - 1, &end, 10);
    if (*end == ':')
        memmove(error->message, end + 2, strlen(end + 2) + 1);
}

/* Errors that a row is to blame for. */
static bool is_of_a_row(rhei_status status)
{
    return status == RHEI_CONSTRAINT || status == RHEI_TYPE || status == RHEI_TOO_BIG || status == RHEI_SQL;
}

/* The row after the `at` that are in. RHEI_OK: it is left out. */
static rhei_status wrong_row(struct ingest *ingest, size_t at, rhei_status status, struct rhei_error *error)
{
    struct rhei_ingest_reject reject = {ingest->now.rows + (int64_t)at, error,
                                        !oltp_session_in_transaction(ingest->session)};
    take_off_context(error);
    bool asked = ingest->options.reject != NULL && is_of_a_row(status);
    if (asked && ingest->options.reject(ingest->options.reject_context, &reject) && !reject.rolled_back) {
        error_clear(error);
        ingest->now.rejected++;
        return RHEI_OK;
    }
    error_context(error, "row %lld: ", (long long)reject.row + 1);
    return status;
}

static rhei_status write_rows(struct ingest *ingest, struct rhei_error *error)
{
    int64_t wrong = ingest->now.rejected, changed = ingest->now.changed;
    for (size_t at = 0, added = 0; at < ingest->rows; at += added) {
        struct oltp_result done = {0};
        rhei_status status = oltp_session_add_many(
            ingest->session, ingest->insert.data, ingest->insert.len, ingest->values + at * ingest->columns,
            ingest->columns, ingest->one_by_one ? 1 : ingest->rows - at, ingest->given, &done, &added, error);
        ingest->now.changed += done.changes;
        ingest->now.position = done.position > 0 ? done.position : ingest->now.position;
        if (status == RHEI_OK)
            continue;
        if (added == SIZE_MAX)
            return status;
        status = wrong_row(ingest, at + added, status, error);
        if (status != RHEI_OK)
            return status;
        added++;
    }
    int64_t given = (int64_t)ingest->rows - (ingest->now.rejected - wrong), more = ingest->now.changed - changed;
    ingest->now.skipped += given > more ? given - more : 0; /* of a view's triggers there may be more */
    return RHEI_OK;
}

/* Before the block is written. */
static rhei_status keep_signs_of_zeros(struct ingest *ingest, struct rhei_error *error)
{
    bool another = false;
    for (uint32_t c = 0; c < ingest->columns; c++) {
        const struct rhei_value *value = &ingest->values[c];
        for (size_t i = 0; ingest->zeros[c] == ZEROS_LOSE_THEIR_SIGN && i < ingest->rows;
             i++, value += ingest->columns) {
            if (value->type == RHEI_REAL && value->as.real == 0 && signbit(value->as.real)) {
                ingest->zeros[c] = ZEROS_KEEP_THEIR_SIGN;
                another = true;
            }
        }
    }
    return another ? make_table_anew(ingest, error) : RHEI_OK;
}

static rhei_status flush(struct ingest *ingest, struct rhei_error *error)
{
    if (ingest->rows == 0)
        return RHEI_OK;
    if (ingest->bytes.failed)
        return error_no_memory(error);
    for (uint32_t c = 0; c < ingest->columns; c++) {
        struct rhei_value *value = &ingest->values[c];
        for (size_t i = 0; ingest->copied[c] && i < ingest->rows; i++, value += ingest->columns)
            if (value->type >= RHEI_TEXT)
                value->as.bytes = ingest->bytes.data + value->as.integer;
    }
    rhei_status status = keep_signs_of_zeros(ingest, error);
    if (status == RHEI_OK)
        status = write_rows(ingest, error);
    if (status != RHEI_OK)
        return status;
    ingest->now.rows += (int64_t)ingest->rows;
    ingest->rows = 0;
    base_buffer_clear(&ingest->bytes);
    return RHEI_OK;
}

static void copy_bytes(struct ingest *ingest, struct rhei_value *value)
{
    if (value->type < RHEI_TEXT)
        return;
    size_t at = ingest->bytes.len;
    base_buffer_append(&ingest->bytes, value->as.bytes, value->length);
    value->as.integer = (int64_t)at;
}

/* One column of the next `count` rows. *bad is the row that is wrong in case of an error. */
static rhei_status take_column(struct ingest *ingest, uint32_t column, size_t count, int64_t *bad,
                               struct rhei_error *error)
{
    struct rhei_value *out = ingest->values + ingest->rows * ingest->columns + column;
    if (!arrow_cursor_lends(ingest->cursor, column)) {
        for (size_t i = 0; i < count; i++, out += ingest->columns) {
            rhei_status status = arrow_cursor_value_at(ingest->cursor, column, (int64_t)i, out, error);
            *bad = (int64_t)i;
            if (status != RHEI_OK)
                return status;
            copy_bytes(ingest, out);
        }
        return RHEI_OK;
    }
    rhei_status status = arrow_cursor_fill(ingest->cursor, column, 0, (int64_t)count, out, ingest->columns, bad, error);
    for (size_t i = 0; status == RHEI_OK && ingest->copied[column] && i < count; i++, out += ingest->columns)
        copy_bytes(ingest, out);
    return status;
}

/* A block begins: of a big batch it holds no copies, and ends with the batch at the latest. */
static void begin_block(struct ingest *ingest)
{
    ingest->borrows = arrow_cursor_rows_left(ingest->cursor) >= BORROW_ROWS;
    for (uint32_t c = 0; c < ingest->columns; c++)
        ingest->copied[c] = !ingest->borrows || !arrow_cursor_lends(ingest->cursor, c);
}

/* Rows from the stream's current one on, all of one batch, into the block. */
static rhei_status take_step(struct ingest *ingest, struct rhei_error *error)
{
    if (ingest->rows == 0)
        begin_block(ingest);
    uint64_t count = (uint64_t)arrow_cursor_rows_left(ingest->cursor);
    uint64_t chunk = ingest->options.chunk_rows,
             taken = (uint64_t)(ingest->now.rows - ingest->committed.rows) + ingest->rows;
    count = count < STEP_ROWS ? count : STEP_ROWS;
    count = count < BLOCK_ROWS - ingest->rows ? count : BLOCK_ROWS - ingest->rows;
    count = chunk > 0 && chunk - taken < count ? chunk - taken : count;
    for (uint32_t c = 0; c < ingest->columns; c++) {
        int64_t bad = 0;
        rhei_status status = take_column(ingest, c, count, &bad, error);
        if (status != RHEI_OK) {
            error_context(error,
                          "row %lld, column \"%s\": ", (long long)(ingest->now.rows + (int64_t)ingest->rows + bad) + 1,
                          arrow_cursor_column_name(ingest->cursor, c));
            return status;
        }
    }
    ingest->rows += count;
    arrow_cursor_skip(ingest->cursor, (int64_t)count);
    return RHEI_OK;
}

/* The bytes that a block borrows go with the batch when the stream is asked for the next row, and what the caller knows of its rows may. */
static bool block_is_full(const struct ingest *ingest)
{
    bool last = arrow_cursor_rows_left(ingest->cursor) <= 1;
    return ingest->rows == BLOCK_ROWS || ingest->bytes.len > BLOCK_BYTES ||
           ((ingest->borrows || ingest->options.reject != NULL) && last);
}

static rhei_status begin(struct ingest *ingest, struct rhei_error *error)
{
    return run(ingest, ingest->inside ? "SAVEPOINT _rhei_ingest" : "BEGIN IMMEDIATE", error);
}

static rhei_status commit(struct ingest *ingest, struct rhei_error *error)
{
    rhei_status status = run(ingest, ingest->inside ? "RELEASE _rhei_ingest" : "COMMIT", error);
    if (status == RHEI_OK)
        ingest->committed = ingest->now;
    return status;
}

static bool chunk_is_full(const struct ingest *ingest)
{
    uint64_t chunk = ingest->options.chunk_rows;
    return chunk > 0 && (uint64_t)(ingest->now.rows - ingest->committed.rows) + ingest->rows >= chunk;
}

static rhei_status take_rows(struct ingest *ingest, struct rhei_error *error)
{
    for (;;) {
        rhei_status status = arrow_cursor_next(ingest->cursor, error);
        if (status == RHEI_DONE)
            return flush(ingest, error);
        if (status != RHEI_ROW)
            return status;
        status = take_step(ingest, error);
        bool full = chunk_is_full(ingest);
        if (status == RHEI_OK && (full || block_is_full(ingest)))
            status = flush(ingest, error);
        if (status == RHEI_OK && full)
            status = commit(ingest, error);
        if (status == RHEI_OK && full)
            status = begin(ingest, error);
        if (status != RHEI_OK)
            return status;
    }
}

/* Of the caller's session. What failed may have ended its transaction, and the savepoint with it; nothing may stop this. */
static void take_back(struct ingest *ingest)
{
    ingest->given = NULL;
    if (!oltp_session_in_transaction(ingest->session))
        return;
    if (ingest->inside && run(ingest, "ROLLBACK TO _rhei_ingest", NULL) == RHEI_OK)
        (void)run(ingest, "RELEASE _rhei_ingest", NULL);
    else if (!ingest->inside)
        (void)run(ingest, "ROLLBACK", NULL);
}

static rhei_status ingest_all(struct ingest *ingest, struct rhei_error *error)
{
    rhei_status status = begin(ingest, error);
    bool began = status == RHEI_OK;
    base_progress_step(engine_limits_counts(&ingest->limits), "taking in rows", ingest->table, BASE_PROGRESS_ROWS, -1);
    if (status == RHEI_OK)
        status = prepare_table(ingest, error);
    if (status == RHEI_OK)
        status = take_rows(ingest, error);
    if (status == RHEI_OK)
        status = commit(ingest, error);
    if (status != RHEI_OK && began && ingest->caller != NULL)
        take_back(ingest);
    return status;
}

/* Where the limits of the call ended it: what is left of it, and nothing of the session that only the ingest knows. */
static rhei_status say_what_ended(struct ingest *ingest, rhei_status status, struct rhei_error *error)
{
    if ((status != RHEI_CANCELLED && status != RHEI_TIMEOUT) || engine_limits_check(&ingest->limits) != status)
        return status;
    error_clear(error);
    return error_set(error, status, "%s; %lld rows of the stream are kept",
                     status == RHEI_CANCELLED ? "the ingest was cancelled" : "the ingest's time limit ended it",
                     (long long)ingest->committed.rows);
}

/* ---- The call. --------------------------------------------------------------------------------------------------- */

static rhei_status ingest_open(struct ingest *ingest, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    rhei_status status = arrow_cursor_open(stream, &ingest->cursor, error);
    if (status != RHEI_OK)
        return status;
    arrow_cursor_watch(ingest->cursor, engine_limits_check, &ingest->limits);
    ingest->columns = arrow_cursor_column_count(ingest->cursor);
    if (ingest->columns == 0 || ingest->columns > 2000)
        return error_set(error, RHEI_INVALID, "a stream of %u columns can't be taken in: 1 to 2,000 can",
                         ingest->columns);
    ingest->values = base_alloc((size_t)BLOCK_ROWS * ingest->columns * sizeof *ingest->values);
    ingest->copied = base_alloc_zero(ingest->columns, sizeof *ingest->copied);
    ingest->zeros = base_alloc_zero(ingest->columns, sizeof *ingest->zeros);
    if (ingest->values == NULL || ingest->copied == NULL || ingest->zeros == NULL)
        return error_no_memory(error);
    if (ingest->caller == NULL)
        return oltp_session_open(ingest->db->oltp, &ingest->session, error);
    ingest->session = ingest->caller->oltp;
    ingest->inside = oltp_session_in_transaction(ingest->session);
    return RHEI_OK;
}

static void ingest_close(struct ingest *ingest)
{
    if (ingest->caller == NULL)
        oltp_session_close(&ingest->session); /* rolls back what is open */
    arrow_cursor_close(&ingest->cursor);
    base_buffer_reset(&ingest->insert);
    base_buffer_reset(&ingest->bytes);
    base_free(ingest->values);
    base_free(ingest->copied);
    base_free(ingest->zeros);
}

static rhei_status ingest_check(struct ingest *ingest, const struct rhei_ingest_options *options,
                                struct rhei_error *error)
{
    rhei_status status =
        engine_options_copy(&ingest->options, sizeof ingest->options, options, "rhei_ingest_options", error);
    if (status != RHEI_OK)
        return status;
    if (ingest->db == NULL || ingest->table == NULL || ingest->table[0] == '\0')
        return error_set(error, RHEI_INVALID, "rhei_ingest_arrow needs a handle and a table's name");
    status = engine_history_check_name(ingest->db, ingest->table, error);
    if (status != RHEI_OK)
        return status;
    if (ingest->options.mode < RHEI_INGEST_APPEND || ingest->options.mode > RHEI_INGEST_UPSERT)
        return error_set(error, RHEI_INVALID, "the mode %d of an ingest is none of enum rhei_ingest_mode",
                         ingest->options.mode);
    if (ingest->options.on_conflict < RHEI_CONFLICT_ABORT || ingest->options.on_conflict > RHEI_CONFLICT_UPDATE)
        return error_set(error, RHEI_INVALID, "on_conflict %d of an ingest is none of enum rhei_conflict",
                         ingest->options.on_conflict);
    if (ingest->options.mode == RHEI_INGEST_UPSERT)
        ingest->options.on_conflict = RHEI_CONFLICT_UPDATE;
    ingest->schema = ingest->options.temporary ? "temp" : "main";
    const struct rhei_call_options call = {.struct_size = sizeof call,
                                           .timeout_ms = ingest->options.timeout_ms,
                                           .cancel = ingest->options.cancel,
                                           .progress = ingest->options.progress,
                                           .progress_context = ingest->options.progress_context};
    status = engine_limits_of_call(ingest->db->ticker, &ingest->limits, &call, error);
    if (status == RHEI_OK)
        base_progress_step(engine_limits_counts(&ingest->limits), "taking in rows", NULL, BASE_PROGRESS_ROWS, -1);
    return status;
}

static rhei_status take_in(struct ingest *ingest, struct ArrowArrayStream *stream,
                           const struct rhei_ingest_options *options, struct rhei_ingest_result *result,
                           struct rhei_error *error)
{
    struct rhei_error own = RHEI_ERROR_INIT;
    rhei_db *db = ingest->db;
    if (error == NULL)
        error = &own;
    rhei_status status = ingest_check(ingest, options, error);
    if (status == RHEI_OK) {
        ingest->given = engine_stop(&ingest->limits, &ingest->stop);
        status = ingest_open(ingest, stream, error);
        if (status == RHEI_OK)
            status = say_what_ended(ingest, ingest_all(ingest, error), error);
        ingest_close(ingest);
        engine_limits_reset(&ingest->limits);
    } else {
        stream->release(stream);
    }
    if (result != NULL)
        engine_struct_give(result, &ingest->committed, sizeof ingest->committed, RESULT_FIRST_SIZE);
    if (db != NULL)
        atomic_fetch_add_explicit(status == RHEI_OK          ? &db->counters.writes
                                  : status == RHEI_CANCELLED ? &db->counters.cancelled
                                                             : &db->counters.errors,
                                  1, memory_order_relaxed);
    return status;
}

rhei_status rhei_ingest_arrow(rhei_db *db, const char *table, struct ArrowArrayStream *stream,
                              const struct rhei_ingest_options *options, struct rhei_ingest_result *result,
                              struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL || stream->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_ingest_arrow needs a stream that isn't released");
    struct ingest ingest = {.db = db, .table = table};
    return take_in(&ingest, stream, options, result, error);
}

rhei_status rhei_session_ingest_arrow(rhei_session *session, const char *table, struct ArrowArrayStream *stream,
                                      const struct rhei_ingest_options *options, struct rhei_ingest_result *result,
                                      struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL || stream->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_session_ingest_arrow needs a stream that isn't released");
    struct ingest ingest = {.db = session == NULL ? NULL : session->db, .table = table, .caller = session};
    return take_in(&ingest, stream, options, result, error);
}
