/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a row shows in a column that was added after it was written: the column's default, by the value that SQLite itself adds one with, in a
 * database of nothing. A default that no column can be added with isn't in any row of before the column: there was none.
 */
#include <math.h>

#include "capture/capture_batch.h"
#include "capture/capture_source.h"

static const struct rhei_value none = {.type = RHEI_NULL};
/* No value that a row has. */
static const struct rhei_value never = {.type = RHEI_REAL, .as.real = NAN};

static bool run(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    bool ok = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_DONE;
    return sqlite3_finalize(stmt) == SQLITE_OK && ok;
}

/* The default as it stands in the schema, or without its parentheses. */
static bool add_column(sqlite3 *db, uint32_t number, uint8_t affinity, const char *fallback)
{
    static const char *const types[] = {[AFFINITY_BLOB] = "",
                                        [AFFINITY_TEXT] = "TEXT",
                                        [AFFINITY_NUMERIC] = "NUMERIC",
                                        [AFFINITY_INTEGER] = "INTEGER",
                                        [AFFINITY_REAL] = "REAL"};
    static const char *const forms[] = {"ALTER TABLE t ADD COLUMN c%u %s DEFAULT %s",
                                        "ALTER TABLE t ADD COLUMN c%u %s DEFAULT (%s)"};
    bool added = false;
    for (int f = 0; f < 2 && !added; f++) {
        struct base_buffer sql = {0};
        base_buffer_format(&sql, forms[f], number, types[affinity], fallback);
        added = !sql.failed && run(db, sql.data);
        base_buffer_reset(&sql);
    }
    return added;
}

/* NULL: no memory. */
static const struct rhei_value *find_value(sqlite3 *db, uint32_t number, const struct source_column *column,
                                           const char *fallback, struct base_arena *arena)
{
    BASE_INVARIANT(!column->generated && !column->is_rowid); /* which have none */
    struct rhei_value *value = base_arena_zero(arena, 1, sizeof *value);
    if (value == NULL || !add_column(db, number, column->affinity, fallback))
        return value == NULL ? NULL : &never;
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    base_buffer_format(&sql, "SELECT c%u FROM t", number);
    bool ok = !sql.failed && sqlite3_prepare_v2(db, sql.data, -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW &&
              capture_take_value(sqlite3_column_value(stmt, 0), false, arena, value);
    sqlite3_finalize(stmt);
    base_buffer_reset(&sql);
    capture_as_kept(column, value);
    return ok ? value : NULL;
}

static bool open_scratch(sqlite3 **db)
{
    return sqlite3_open_v2(":memory:", db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX, NULL) ==
               SQLITE_OK &&
           sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DDL, 1, NULL) == SQLITE_OK && run(*db, "CREATE TABLE t (a)") &&
           run(*db, "INSERT INTO t VALUES (0)");
}

bool capture_added_values(const struct capture_table_schema *table, struct base_arena *arena,
                          const struct rhei_value *const **added)
{
    const struct source_table *source = &table->table.source;
    const struct rhei_value **values = base_arena_zero(arena, (size_t)source->column_count + 1, sizeof *values);
    sqlite3 *db = NULL;
    bool ok = values != NULL;
    BASE_INVARIANT(table->defaults != NULL || source->column_count == 0);
    for (uint32_t c = 0; c < source->column_count && ok; c++) {
        const struct source_column *column = &source->columns[c];
        if (column->generated || column->is_rowid) /* the others tell what it is */
            continue;
        values[c] = &none;
        if (table->defaults[c] == NULL)
            continue;
        ok = db != NULL || open_scratch(&db);
        values[c] = ok ? find_value(db, c, column, table->defaults[c], arena) : NULL;
        ok = values[c] != NULL;
    }
    sqlite3_close(db);
    *added = values;
    return ok;
}
