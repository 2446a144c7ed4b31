/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TEMP tables and views with the name of one in the file. SQLite means the TEMP one wherever the name stands alone, and all who write
 * through a handle share one connection: the TEMP table of one would take the rows that others write to the file's.
 *
 * H1. No DDL through a handle hides a table or view of the file, from either side: it is refused and taken back.
 * H2. Whoever has the native connection (rhei_native.h) may make what he likes. Then ALTER TABLE goes on working, without our triggers
 *     of what is hidden while it runs.
 * H3. DDL of the file costs nothing for it until somebody made something TEMP.
 */
#include <string.h>

#include "capture/capture_definition.h"

#define HIDDEN                                                                                  \
    " FROM temp.sqlite_master AS t, main.sqlite_master AS m WHERE t.type IN ('table', 'view') " \
    "AND m.type IN ('table', 'view') AND m.name = t.name COLLATE NOCASE"

rhei_status capture_hidden_begin(struct oltp *oltp, struct rhei_error *error)
{
    struct capture_state *capture = capture_of(oltp);
    capture->hidden = 0;
    return capture->has_temporary ? oltp_query_int(oltp->writer, "SELECT count(*)" HIDDEN, 0, &capture->hidden, error)
                                  : RHEI_OK;
}

rhei_status capture_hidden_end(struct oltp *oltp, bool elsewhere, struct rhei_error *error)
{
    struct capture_state *capture = capture_of(oltp);
    int64_t now = 0;
    capture->has_temporary |= elsewhere;
    if (!capture->has_temporary)
        return RHEI_OK;
    rhei_status status = oltp_query_int(oltp->writer, "SELECT count(*)" HIDDEN, 0, &now, error);
    if (status == RHEI_OK && now > capture->hidden)
        return error_set(error, RHEI_EXISTS,
                         "a TEMP table or view and one of the file would have the same name: everybody's statements "
                         "would mean the TEMP one, for those that write through a handle share a connection; give it "
                         "another name");
    return status;
}

/*
 * ALTER TABLE reads every trigger of the schema anew, and finds the table of each as a statement would: a TEMP one of the same name
 * first, of which the trigger makes no sense. The user's own triggers fail so, too, but ours are none of his business.
 */
rhei_status capture_hidden_suspend(struct oltp *oltp, struct oltp_schema *base, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    struct base_buffer names = {0};
    int rc = sqlite3_prepare_v2(oltp->writer->db, "SELECT m.name" HIDDEN " AND m.type = 'table'", -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        base_buffer_append(&names, (const char *)sqlite3_column_text(stmt, 0),
                           (size_t)sqlite3_column_bytes(stmt, 0) + 1);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    rhei_status status = names.failed        ? error_no_memory(error)
                         : rc == SQLITE_DONE ? RHEI_OK
                                             : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    for (size_t at = 0; status == RHEI_OK && at < names.len; at += strlen(names.data + at) + 1)
        status = capture_suspend(oltp, base, names.data + at, error);
    base_buffer_reset(&names);
    return status;
}
