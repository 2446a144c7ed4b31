/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for a key by the table's own order and tells by the bytes whether it is that key: a collation, an affinity or SQLite's order of
 * numbers may find another one (1 and 1.0, 0.0 and -0.0, 'a' and 'A'), and then there is none of the log's.
 */
#include "capture/capture_look.h"

#include <string.h>

#include "capture/capture_batch.h"

bool capture_look_is_tables_own(rhei_status status)
{
    return status == RHEI_SQL || status == RHEI_TOO_BIG || status == RHEI_CONSTRAINT;
}

static rhei_status look_prepare(struct oltp_connection *connection, const struct capture_table_schema *table,
                                sqlite3_stmt **look, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    capture_batch_select_key(table, &sql);
    int rc = sql.failed ? SQLITE_NOMEM
                        : sqlite3_prepare_v3(connection->db, sql.data, -1, SQLITE_PREPARE_PERSISTENT, look, NULL);
    base_buffer_reset(&sql);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(connection, rc, "change log", error);
}

static int look_bind(sqlite3_stmt *look, int parameter, const struct capture_cell *cell)
{
    const struct rhei_value *value = cell->value;
    if (value == NULL)
        return sqlite3_bind_value(look, parameter, sqlite3_column_value(cell->stmt, cell->column));
    return oltp_bind_value(look, parameter, value, false);
}

/* The bytes of a text or BLOB as they lie in the file: asked for in UTF-8, SQLite would turn a text around in its place. */
static const void *look_bytes(sqlite3_value *value, bool utf16, int *length)
{
    *length =
        utf16 && sqlite3_value_type(value) == SQLITE_TEXT ? sqlite3_value_bytes16(value) : sqlite3_value_bytes(value);
    return sqlite3_value_blob(value);
}

static bool look_same_column(sqlite3_value *log, sqlite3_value *row, bool utf16)
{
    if (sqlite3_value_type(log) != sqlite3_value_type(row))
        return false;
    switch (sqlite3_value_type(log)) {
    case SQLITE_INTEGER:
        return sqlite3_value_int64(log) == sqlite3_value_int64(row);
    case SQLITE_FLOAT: {
        double a = sqlite3_value_double(log), b = sqlite3_value_double(row);
        return memcmp(&a, &b, sizeof a) == 0; /* 0.0 is another key than -0.0 */
    }
    case SQLITE_NULL:
        return true;
    default: {
        int a_length, b_length;
        const void *a = look_bytes(log, utf16, &a_length), *b = look_bytes(row, utf16, &b_length);
        return a_length == b_length && (a_length == 0 || memcmp(a, b, (size_t)a_length) == 0);
    }
    }
}

/* The same of a value from the pages, which are of a file in UTF-8. */
static bool look_same_value(const struct rhei_value *value, sqlite3_value *row)
{
    struct rhei_value other;
    oltp_value(row, false, &other);
    if (value->type != other.type || value->length != other.length)
        return false;
    return value->type == RHEI_NULL ||
           (value->type < RHEI_TEXT
                ? value->as.integer == other.as.integer /* a REAL's bits: 0.0 is another key than -0.0 */
                : other.as.bytes != NULL && memcmp(value->as.bytes, other.as.bytes, value->length) == 0);
}

rhei_status capture_look(struct oltp_connection *connection, const struct capture_table_schema *table,
                         sqlite3_stmt **look, const struct capture_cell *key, bool *found, struct rhei_error *error)
{
    const struct source_table *source = &table->table.source;
    rhei_status status = *look == NULL ? look_prepare(connection, table, look, error) : RHEI_OK;
    *found = false;
    if (status != RHEI_OK)
        return status;
    sqlite3_reset(*look);
    int rc = SQLITE_OK;
    for (uint32_t i = 0; i < source->key_count && rc == SQLITE_OK; i++)
        rc = look_bind(*look, (int)i + 1, &key[i]);
    rc = rc == SQLITE_OK ? sqlite3_step(*look) : rc;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, "change log", error);
    *found = true;
    for (uint32_t i = 0; i < source->key_count && *found; i++) {
        sqlite3_value *row = sqlite3_column_value(*look, (int)source->key_columns[i]);
        *found = key[i].value != NULL
                     ? look_same_value(key[i].value, row)
                     : look_same_column(sqlite3_column_value(key[i].stmt, key[i].column), row, connection->utf16);
    }
    return RHEI_OK;
}
