/* SPDX-License-Identifier: Apache-2.0 */
/* The view _rhei_cdc_events: the log for people and tools, each row's values as one JSON array. */
#include <string.h>

#include "capture/capture_internal.h"

enum { EVENTS_CHUNK = 40, EVENTS_MAX = 600 }; /* SQLite's expressions may be 1,000 deep */

static void events_value(struct base_buffer *sql, uint32_t column)
{
    base_buffer_format(
        sql,
        "CASE WHEN t.columns < %u THEN '' ELSE %sCASE typeof(l.c%u) WHEN 'null' THEN 'null' WHEN 'integer' THEN "
        "CAST(l.c%u AS TEXT) WHEN 'real' THEN CASE WHEN abs(l.c%u) <= 1.7976931348623157e308 THEN "
        "printf('%%!.17g', l.c%u) WHEN l.c%u > 0 THEN '9.0e+999' ELSE '-9.0e+999' END WHEN 'text' THEN "
        "json_quote(l.c%u) ELSE '{\"b\":\"' || hex(l.c%u) || '\"}' END END",
        column, column == 1 ? "" : "',' || ", column, column, column, column, column, column, column);
}

rhei_status capture_events_view(struct oltp_connection *connection, uint32_t width, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(
        &sql, "DROP VIEW IF EXISTS main._rhei_cdc_events; CREATE VIEW main._rhei_cdc_events AS SELECT l.seq AS seq, "
              "CAST(round((l.time - 2440587.5) * 86400000.0) AS INTEGER) AS time_ms, l.op AS op, t.name AS "
              "\"table\", l.tab AS table_id, '['");
    for (uint32_t i = 1; i <= width && i <= EVENTS_MAX; i++) {
        base_buffer_text(&sql, i % EVENTS_CHUNK == 1 ? (i == 1 ? " || (" : ") || (") : " || ");
        events_value(&sql, i);
    }
    base_buffer_text(&sql, ") || ']' AS \"row\" FROM " OLTP_LOG " AS l LEFT JOIN _rhei_tables AS t ON t.id = l.tab");
    rhei_status status = sql.failed ? error_no_memory(error) : oltp_exec(connection, sql.data, error);
    base_buffer_reset(&sql);
    return status;
}
