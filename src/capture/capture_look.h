/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the row of a key that the change log names, as a connection's state has it. Owner thread of the connection. */
#ifndef CAPTURE_CAPTURE_LOOK_H
#define CAPTURE_CAPTURE_LOOK_H

#include "capture/capture_internal.h"

/* A value of the log where it lies: `value`, from the log's pages, or a column of the row on which a statement stands. */
struct capture_cell {
    const struct rhei_value *value;
    sqlite3_stmt *stmt;
    int column;
};

/*
 * *look, which is made at the first call and stays the caller's to finalize, stands on the row of exactly that key (*found) until the
 * caller resets it. Its columns are the table's. RHEI_SQL and the like: see capture_look_is_tables_own.
 */
rhei_status capture_look(struct oltp_connection *connection, const struct capture_table_schema *table,
                         sqlite3_stmt **look, const struct capture_cell *key, bool *found, struct rhei_error *error);
/* SQLite's word on this table's text or values, not one on the file or the moment. */
bool capture_look_is_tables_own(rhei_status status);

#endif
