/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of the file: pages of rows, and whether there may be new ones.
 *
 *   1. In WAL mode one state is read from begin to end, which keeps nobody from anything. In rollback mode a reader keeps writers from committing,
 *      so each page is a state of its own, and no longer than its rows take.
 *   2. `changed` is SQLite's data_version, which moves with every commit of anybody else: looked at before anything is read, so that what is
 *      committed meanwhile is another change.
 *   3. A file whose schema has another number, or that counts fewer commits than before, was restored, or vacuumed: all its rows are looked at.
 *   4. A file that is read as it lies there (sqlite_file.c) is the same as long as its print is and there is no log; every page is looked at for that
 *      after it was read.
 *   5. In WAL mode a page by stamp may leave out what is as it was at a moment: a state that this reader pinned before. Which rows aren't, the log tells
 *      (sqlite_log.h); of those the ones from the page's stamp on are read. Where it doesn't tell, all are.
 */
#include "sqlite_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "sqlite_log.h"

enum { STATEMENTS_MOST = 512, MOMENTS = 8, EXAMINED_MOST = 20000 };

/* Kinds of statements beside those of poll_order. */
enum { ROWIDS_OF_SPAN = 100, ROW_OF_ROWID };

struct prepared {
    sqlite3_stmt *stmt;
    size_t table;
    uint32_t stamp;
    uint8_t order;
    bool first, from_null;
};

struct sqlite_reader {
    struct poll_reader base;
    struct sqlite_file *file;
    struct sqlite_connection *connection;
    struct sqlite_tables tables;
    struct poll_state found; /* since the last begin that succeeded: one that failed had nobody to tell */
    bool pinned, known;      /* known: what follows is of a begin that succeeded */
    int64_t data_version, schema_version;
    uint32_t commits; /* the file's own count of them, which moves in rollback mode, and with checkpoints */
    struct sqlite_print print;
    struct prepared prepared[STATEMENTS_MOST];
    size_t prepared_count;

    struct {
        int64_t number;
        struct sqlite_log_state state;
    } moments[MOMENTS]; /* 5. The newest first; number 0: there is none */
    int64_t last_moment;
    struct sqlite_log log; /* from `log_since` to the newest moment, if it was read */
    int64_t log_since;
    bool log_known;
    int64_t *rowids;
    size_t rowid_capacity;

    struct base_arena arena; /* bytes of the page */
    struct rhei_value *values;
    const struct rhei_value **columns;
    size_t value_capacity, column_capacity;
};

static struct sqlite_reader *self(struct poll_reader *reader)
{
    return (struct sqlite_reader *)reader;
}

static rhei_status fail(const struct sqlite_reader *reader, int code, struct rhei_error *error)
{
    return sqlite_error_of(reader->file, reader->connection->db, code, error);
}

static void forget_statements(struct sqlite_reader *reader)
{
    for (size_t i = 0; i < reader->prepared_count; i++)
        sqlite3_finalize(reader->prepared[i].stmt);
    reader->prepared_count = 0;
}

static void disconnect(struct sqlite_reader *reader)
{
    forget_statements(reader);
    sqlite_disconnect(reader->file, &reader->connection);
    reader->pinned = false;
    memset(reader->moments, 0, sizeof reader->moments);
}

/* ---- The state. -------------------------------------------------------------------------------------------------- */

static rhei_status ask_number(struct sqlite_reader *reader, const char *sql, int64_t *number, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(reader->connection->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW ? RHEI_OK : fail(reader, code, error);
}

static bool same_print(const struct sqlite_print *a, const struct sqlite_print *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified_ns == b->modified_ns &&
           a->changed_ns == b->changed_ns;
}

/* 4. */
static bool is_still(const struct sqlite_reader *reader)
{
    struct sqlite_print print;
    return sqlite_file_print(reader->file, &print, NULL) == RHEI_OK && same_print(&print, &reader->connection->print) &&
           !sqlite_file_has_wal(reader->file);
}

/* A connection to what the name means now. */
static rhei_status settle_connection(struct sqlite_reader *reader, struct rhei_error *error)
{
    struct sqlite_print print;
    rhei_status status = sqlite_file_print(reader->file, &print, error);
    if (status != RHEI_OK) {
        disconnect(reader); /* what is moved away is nobody's source any more */
        return status;
    }
    bool same_file = reader->print.inode == print.inode && reader->print.device == print.device;
    reader->found.lost = reader->found.lost || (reader->known && !same_file);
    if (reader->connection != NULL && (!same_file || (reader->connection->still && !is_still(reader))))
        disconnect(reader);
    if (reader->connection != NULL)
        return RHEI_OK;
    reader->found.changed = true;
    status = sqlite_connect(reader->file, &reader->connection, error);
    reader->print = print;
    return status;
}

/* 1. */
static rhei_status pin(struct sqlite_reader *reader, struct rhei_error *error)
{
    unsigned char header[100] = {0};
    sqlite3 *db = reader->connection->db;
    bool read = sqlite_read_header(db, header);
    uint32_t commits = (uint32_t)header[24] << 24 | (uint32_t)header[25] << 16 | (uint32_t)header[26] << 8 | header[27];
    reader->found.doubtful = reader->found.doubtful || (read && reader->known && commits < reader->commits);
    reader->commits = read ? commits : reader->commits;
    if (!reader->connection->still)
        reader->connection->wal = read && header[18] == 2;
    if (!reader->connection->wal || reader->connection->still)
        return RHEI_OK;
    int code = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    reader->pinned = code == SQLITE_OK;
    return code == SQLITE_OK ? RHEI_OK : fail(reader, code, error);
}

static void unpin(struct sqlite_reader *reader)
{
    if (reader->pinned)
        (void)sqlite3_exec(reader->connection->db, "ROLLBACK", NULL, NULL, NULL);
    reader->pinned = false;
}

/* 5. */
static int64_t moment_of_now(struct sqlite_reader *reader)
{
    struct sqlite_log_state state;
    reader->log_since = 0;
    if (!reader->pinned || !sqlite_log_state(reader->connection->db, &state))
        return 0;
    if (reader->moments[0].number != 0 && memcmp(&reader->moments[0].state, &state, sizeof state) == 0)
        return reader->moments[0].number;
    memmove(reader->moments + 1, reader->moments, (MOMENTS - 1) * sizeof reader->moments[0]);
    reader->moments[0].number = ++reader->last_moment;
    reader->moments[0].state = state;
    return reader->last_moment;
}

static rhei_status reader_begin(struct poll_reader *base, struct poll_state *state, struct rhei_error *error)
{
    struct sqlite_reader *reader = self(base);
    int64_t data = 0, schema = 0;
    rhei_status status = settle_connection(reader, error);
    if (status == RHEI_OK)
        status = pin(reader, error);
    if (status == RHEI_OK)
        status = ask_number(reader, "PRAGMA schema_version", &schema, error); /* pins, too */
    if (status == RHEI_OK)
        status = ask_number(reader, "PRAGMA data_version", &data, error);
    if (status != RHEI_OK) {
        unpin(reader);
        if (status != RHEI_BUSY)
            disconnect(reader);
        return status;
    }
    bool new_schema = !reader->known || schema != reader->schema_version;
    *state = reader->found;
    reader->found = (struct poll_state){0};
    state->changed = state->changed || !reader->known || data != reader->data_version;
    state->schema_changed = new_schema;
    state->doubtful = reader->known && !state->lost && (new_schema || state->doubtful);
    state->changed = state->changed || state->doubtful;
    state->moment = moment_of_now(reader);
    if (new_schema)
        forget_statements(reader);
    reader->known = true;
    reader->data_version = data;
    reader->schema_version = schema;
    return RHEI_OK;
}

static void reader_end(struct poll_reader *base)
{
    unpin(self(base));
}

static rhei_status reader_tables(struct poll_reader *base, const struct poll_table **tables, size_t *count,
                                 struct rhei_error *error)
{
    struct sqlite_reader *reader = self(base);
    forget_statements(reader);
    rhei_status status = sqlite_tables_read(reader->file, reader->connection->db, &reader->tables, error);
    *tables = reader->tables.list;
    *count = status == RHEI_OK ? reader->tables.count : 0;
    return status;
}

/* ---- Pages. ------------------------------------------------------------------------------------------------------ */

static void list_keys(struct base_buffer *sql, const struct source_table *table)
{
    for (uint32_t k = 0; k < table->key_count; k++) {
        base_buffer_text(sql, k == 0 ? "" : ",");
        base_buffer_identifier(sql, table->columns[table->key_columns[k]].name);
    }
}

/* "(stamp, key...) > (?1, ?2...)", of one column without the parentheses, which SQLite wants so. */
static void write_behind(struct base_buffer *sql, const struct source_table *table, const char *stamp)
{
    uint32_t count = table->key_count + (stamp != NULL);
    base_buffer_text(sql, count > 1 ? "(" : "");
    if (stamp != NULL) {
        base_buffer_identifier(sql, stamp);
        base_buffer_text(sql, ",");
    }
    list_keys(sql, table);
    base_buffer_text(sql, count > 1 ? ") > (" : " > ");
    for (uint32_t i = 0; i < count; i++)
        base_buffer_format(sql, "%s?%u", i == 0 ? "" : ",", i + 1);
    base_buffer_text(sql, count > 1 ? ")" : "");
}

static void write_where(struct base_buffer *sql, const struct source_table *table, const struct poll_page *page)
{
    const char *stamp = page->order == POLL_BY_KEY ? NULL : table->columns[page->stamp].name;
    if (page->order == POLL_BY_STAMP && page->first) {
        base_buffer_text(sql, " WHERE ");
        base_buffer_identifier(sql, stamp);
        base_buffer_text(sql, page->from[0].type == RHEI_NULL ? " IS NOT NULL" : " >= ?1");
        return;
    }
    if (page->order == POLL_WITHOUT_STAMP) {
        base_buffer_text(sql, " WHERE ");
        base_buffer_identifier(sql, stamp);
        base_buffer_text(sql, " IS NULL");
    }
    if (page->first)
        return;
    base_buffer_text(sql, page->order == POLL_WITHOUT_STAMP ? " AND " : " WHERE ");
    write_behind(sql, table, page->order == POLL_BY_STAMP ? stamp : NULL);
}

/* 5. Of a leaf. */
static char *rowids_sql(const struct source_table *table, const struct poll_page *page)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT _rowid_, ");
    base_buffer_identifier(&sql, table->columns[page->stamp].name);
    base_buffer_text(&sql, page->from[0].type == RHEI_NULL ? " IS NOT NULL" : " >= ?1");
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, table->name);
    base_buffer_text(&sql, " WHERE _rowid_ BETWEEN ?2 AND ?3 LIMIT ?4");
    return base_buffer_take(&sql);
}

static char *page_sql(const struct source_table *table, const struct poll_page *page)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "" : ",");
        base_buffer_identifier(&sql, table->columns[c].name);
    }
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, table->name);
    if (page->order == ROW_OF_ROWID) {
        base_buffer_text(&sql, " WHERE _rowid_ = ?1");
        return base_buffer_take(&sql);
    }
    write_where(&sql, table, page);
    base_buffer_text(&sql, " ORDER BY ");
    if (page->order == POLL_BY_STAMP) {
        base_buffer_identifier(&sql, table->columns[page->stamp].name);
        base_buffer_text(&sql, ",");
    }
    list_keys(&sql, table);
    base_buffer_text(&sql, " LIMIT ?255");
    return base_buffer_take(&sql);
}

static rhei_status statement_of(struct sqlite_reader *reader, const struct poll_page *page, sqlite3_stmt **stmt,
                                struct rhei_error *error)
{
    bool from_null = (page->order == POLL_BY_STAMP || page->order == ROWIDS_OF_SPAN) && page->first &&
                     page->from[0].type == RHEI_NULL;
    for (size_t i = 0; i < reader->prepared_count; i++) {
        const struct prepared *prepared = &reader->prepared[i];
        *stmt = prepared->stmt;
        if (prepared->table == page->table && prepared->order == page->order && prepared->stamp == page->stamp &&
            prepared->first == page->first && prepared->from_null == from_null)
            return RHEI_OK;
    }
    const struct source_table *table = &reader->tables.list[page->table].definition;
    char *sql = page->order == ROWIDS_OF_SPAN ? rowids_sql(table, page) : page_sql(table, page);
    if (sql == NULL)
        return error_no_memory(error);
    if (reader->prepared_count == STATEMENTS_MOST)
        forget_statements(reader);
    int code = sqlite3_prepare_v3(reader->connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    base_free(sql);
    if (code != SQLITE_OK)
        return fail(reader, code, error);
    reader->prepared[reader->prepared_count++] =
        (struct prepared){*stmt, page->table, page->stamp, page->order, page->first, from_null};
    return RHEI_OK;
}

static int bind_value(sqlite3_stmt *stmt, int number, const struct rhei_value *value)
{
    const void *bytes = value->length > 0 ? value->as.bytes : "";
    switch (value->type) {
    case RHEI_INTEGER:
        return sqlite3_bind_int64(stmt, number, value->as.integer);
    case RHEI_REAL:
        return sqlite3_bind_double(stmt, number, value->as.real);
    case RHEI_TEXT:
        return sqlite3_bind_text64(stmt, number, bytes, value->length, SQLITE_STATIC, SQLITE_UTF8);
    case RHEI_BLOB:
        return sqlite3_bind_blob64(stmt, number, bytes, value->length, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(stmt, number);
    }
}

static int bind_page(sqlite3_stmt *stmt, const struct source_table *table, const struct poll_page *page)
{
    int code = sqlite3_bind_int64(stmt, 255, (int64_t)page->most);
    int count = page->first ? page->order == POLL_BY_STAMP : (int)table->key_count + (page->order == POLL_BY_STAMP);
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        if (!(page->first && page->from[0].type == RHEI_NULL))
            code = bind_value(stmt, i + 1, &page->from[i]);
    return code;
}

/* False: no memory. */
static bool make_room(struct sqlite_reader *reader, uint32_t columns, size_t rows)
{
    if (!base_grow((void **)&reader->values, &reader->value_capacity, columns * rows + 1, sizeof *reader->values) ||
        !base_grow((void **)&reader->columns, &reader->column_capacity, columns + 1, sizeof *reader->columns))
        return false;
    for (uint32_t c = 0; c < columns; c++)
        reader->columns[c] = reader->values + c * rows;
    return true;
}

static bool take_value(struct sqlite_reader *reader, sqlite3_stmt *stmt, int column, struct rhei_value *value)
{
    const void *bytes = NULL;
    *value = (struct rhei_value){0};
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        value->type = RHEI_INTEGER;
        value->as.integer = sqlite3_column_int64(stmt, column);
        return true;
    case SQLITE_FLOAT:
        value->type = RHEI_REAL;
        value->as.real = sqlite3_column_double(stmt, column);
        return true;
    case SQLITE_TEXT:
        value->type = RHEI_TEXT;
        bytes = sqlite3_column_text(stmt, column);
        break;
    case SQLITE_BLOB:
        value->type = RHEI_BLOB;
        bytes = sqlite3_column_blob(stmt, column);
        break;
    default:
        return true;
    }
    value->length = (uint32_t)sqlite3_column_bytes(stmt, column);
    if (value->length == 0)
        return true;
    void *copy = bytes == NULL ? NULL : base_arena_alloc(&reader->arena, value->length);
    if (copy != NULL)
        memcpy(copy, bytes, value->length);
    value->as.bytes = copy;
    return copy != NULL;
}

static rhei_status step_page(struct sqlite_reader *reader, sqlite3_stmt *stmt, uint32_t columns, size_t most,
                             size_t *count, struct rhei_error *error)
{
    bool room = true;
    int code = SQLITE_ROW;
    for (*count = 0; room && *count < most && (code = sqlite3_step(stmt)) == SQLITE_ROW; ++*count)
        for (uint32_t c = 0; c < columns && room; c++)
            room = take_value(reader, stmt, (int)c, &reader->values[c * most + *count]);
    if (!room)
        return error_no_memory(error);
    return code == SQLITE_ROW || code == SQLITE_DONE ? RHEI_OK : fail(reader, code, error);
}

static rhei_status check_still(const struct sqlite_reader *reader, struct rhei_error *error)
{
    if (!reader->connection->still || is_still(reader))
        return RHEI_OK;
    return error_set(error, RHEI_BUSY, "the source file \"%.200s\" was opened by somebody while it was read",
                     reader->file->path);
}

/* ---- Pages of what is new (5.). ---------------------------------------------------------------------------------- */

/* What the log has from there on; NULL: nobody knows. */
static const struct sqlite_log *log_since(struct sqlite_reader *reader, int64_t since)
{
    if (reader->log_since == since)
        return reader->log_known ? &reader->log : NULL;
    size_t m = 0;
    while (m < MOMENTS && reader->moments[m].number != since)
        m++;
    reader->log_since = since;
    reader->log_known =
        reader->pinned && m < MOMENTS &&
        sqlite_log_read(&reader->log, reader->connection->db, &reader->moments[m].state, &reader->moments[0].state);
    return reader->log_known ? &reader->log : NULL;
}

/* A statement beside those of pages; NULL: it can't be had. */
static sqlite3_stmt *side_statement(struct sqlite_reader *reader, const struct poll_page *page, uint8_t order)
{
    struct poll_page other = *page;
    sqlite3_stmt *stmt = NULL;
    other.order = order;
    return statement_of(reader, &other, &stmt, NULL) == RHEI_OK ? stmt : NULL;
}

/* Of a leaf, which may be another table's; that has no more rows between its ends than it says. */
static bool rowids_of(struct sqlite_reader *reader, sqlite3_stmt *stmt, const struct sqlite_span *span, size_t *count,
                      size_t *examined)
{
    int code = sqlite3_bind_int64(stmt, 2, span->first);
    bool room = true;
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(stmt, 3, span->last);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(stmt, 4, span->rows);
    while (code == SQLITE_OK && room && sqlite3_step(stmt) == SQLITE_ROW) {
        ++*examined;
        if (sqlite3_column_int(stmt, 1) == 0)
            continue;
        room = base_grow((void **)&reader->rowids, &reader->rowid_capacity, *count + 1, sizeof *reader->rowids);
        if (room)
            reader->rowids[(*count)++] = sqlite3_column_int64(stmt, 0);
    }
    return room && sqlite3_reset(stmt) == SQLITE_OK && code == SQLITE_OK;
}

static int compare_rowids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Those of the page's table, from the page's stamp on, each once. False: they can't be told. */
static bool find_rowids(struct sqlite_reader *reader, const struct sqlite_log *log, const struct poll_page *page,
                        size_t *count)
{
    sqlite3_stmt *stmt = reader->tables.rowids[page->table] ? side_statement(reader, page, ROWIDS_OF_SPAN) : NULL;
    size_t examined = 0, found = 0;
    bool good = stmt != NULL;
    if (good && page->from[0].type != RHEI_NULL)
        good = bind_value(stmt, 1, &page->from[0]) == SQLITE_OK;
    for (size_t s = 0; s < log->count && good; s++)
        good = rowids_of(reader, stmt, &log->spans[s], &found, &examined) && examined < EXAMINED_MOST;
    if (stmt != NULL) {
        (void)sqlite3_reset(stmt);
        (void)sqlite3_clear_bindings(stmt);
    }
    if (found > 0)
        qsort(reader->rowids, found, sizeof *reader->rowids, compare_rowids);
    *count = 0;
    for (size_t i = 0; i < found; i++)
        if (i == 0 || reader->rowids[i] != reader->rowids[i - 1])
            reader->rowids[(*count)++] = reader->rowids[i];
    return good && *count < page->most;
}

/* Sets *told where it reads all that is new; otherwise everything has to be read. */
static rhei_status page_of_new(struct sqlite_reader *reader, const struct poll_page *page, struct poll_rows *rows,
                               bool *told, struct rhei_error *error)
{
    const struct source_table *table = &reader->tables.list[page->table].definition;
    bool by_stamp = page->order == POLL_BY_STAMP && page->first && page->since != 0;
    const struct sqlite_log *log = by_stamp ? log_since(reader, page->since) : NULL;
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    *told = log != NULL && find_rowids(reader, log, page, &count) &&
            (stmt = side_statement(reader, page, ROW_OF_ROWID)) != NULL;
    rhei_status status = RHEI_OK;
    rows->count = 0;
    for (size_t i = 0; *told && i < count && status == RHEI_OK; i++) {
        int code = sqlite3_bind_int64(stmt, 1, reader->rowids[i]);
        bool room = true;
        if (code == SQLITE_OK)
            code = sqlite3_step(stmt);
        for (uint32_t c = 0; code == SQLITE_ROW && c < table->column_count && room; c++)
            room = take_value(reader, stmt, (int)c, &reader->values[c * page->most + rows->count]);
        rows->count += code == SQLITE_ROW;
        status = !room ? error_no_memory(error) : code == SQLITE_ROW ? RHEI_OK : fail(reader, code, error);
        (void)sqlite3_reset(stmt);
    }
    return status;
}

static rhei_status reader_page(struct poll_reader *base, const struct poll_page *page, struct poll_rows *rows,
                               struct rhei_error *error)
{
    struct sqlite_reader *reader = self(base);
    const struct source_table *table = &reader->tables.list[page->table].definition;
    sqlite3_stmt *stmt = NULL;
    base_arena_clear(&reader->arena);
    rhei_status status = make_room(reader, table->column_count, page->most) ? RHEI_OK : error_no_memory(error);
    bool told = false;
    rows->columns = reader->columns;
    if (status == RHEI_OK)
        status = page_of_new(reader, page, rows, &told, error);
    if (told || status != RHEI_OK)
        return status;
    status = statement_of(reader, page, &stmt, error);
    if (status != RHEI_OK)
        return status;
    int code = bind_page(stmt, table, page);
    status = code == SQLITE_OK ? step_page(reader, stmt, table->column_count, page->most, &rows->count, error)
                               : fail(reader, code, error);
    (void)sqlite3_reset(stmt); /* lets go of the lock of rollback mode */
    (void)sqlite3_clear_bindings(stmt);
    return status == RHEI_OK ? check_still(reader, error) : status;
}

static rhei_status reader_newest(struct poll_reader *base, size_t table, uint32_t stamp, size_t above,
                                 struct rhei_value *value, struct rhei_error *error)
{
    struct sqlite_reader *reader = self(base);
    const struct source_table *definition = &reader->tables.list[table].definition;
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    base_buffer_text(&sql, "SELECT ");
    base_buffer_identifier(&sql, definition->columns[stamp].name);
    base_buffer_text(&sql, " FROM main.");
    base_buffer_identifier(&sql, definition->name);
    base_buffer_format(&sql, " ORDER BY 1 DESC LIMIT 1 OFFSET %zu", above); /* as the pages compare */
    base_arena_clear(&reader->arena);
    *value = (struct rhei_value){0};
    if (sql.failed) {
        base_buffer_reset(&sql);
        return error_no_memory(error);
    }
    int code = sqlite3_prepare_v2(reader->connection->db, sql.data, -1, &stmt, NULL);
    base_buffer_reset(&sql);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    bool room = code != SQLITE_ROW || take_value(reader, stmt, 0, value);
    sqlite3_finalize(stmt);
    if (!room)
        return error_no_memory(error);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return fail(reader, code, error);
    return check_still(reader, error);
}

/* The file: its place, and when it was made, since a number of one that is gone may be given again. */
static void reader_identity(const struct poll_reader *base, char word[POLL_IDENTITY])
{
    const struct sqlite_reader *reader = (const struct sqlite_reader *)base;
    (void)snprintf(word, POLL_IDENTITY, "%" PRIx64 ":%" PRIx64 ":%" PRIx64, reader->print.device, reader->print.inode,
                   (uint64_t)reader->print.made_ns);
}

static void reader_close(struct poll_reader **slot)
{
    struct sqlite_reader *reader = *slot == NULL ? NULL : self(*slot);
    *slot = NULL;
    if (reader == NULL)
        return;
    unpin(reader);
    disconnect(reader);
    sqlite_tables_reset(&reader->tables);
    base_arena_reset(&reader->arena);
    sqlite_log_reset(&reader->log);
    base_free(reader->rowids);
    base_free(reader->values);
    base_free(reader->columns);
    base_free(reader);
}

rhei_status sqlite_reader_open(void *file, struct poll_reader **reader, struct rhei_error *error)
{
    static const struct poll_reader_ops ops = {.begin = reader_begin,
                                               .end = reader_end,
                                               .tables = reader_tables,
                                               .page = reader_page,
                                               .newest = reader_newest,
                                               .identity = reader_identity,
                                               .close = reader_close};
    struct sqlite_reader *made = base_alloc_zero(1, sizeof *made);
    *reader = NULL;
    if (made == NULL)
        return error_no_memory(error);
    made->base.ops = &ops;
    made->file = file;
    *reader = &made->base;
    return RHEI_OK;
}
