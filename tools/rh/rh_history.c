/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that stays open follows what is changed from its opening on. Single commands don't, unless a column store in a folder has the
 * table: until then nothing is followed, and who meets that when the past is asked for meets it too late.
 */
#include "rh_history.h"

#include "rh_registry.h"
#include "rh_text.h"

#include <string.h>

bool rh_history_kept(struct rh_tool *tool)
{
    struct rh_buffer mode = {0};
    bool kept = rh_tool_ask_info(tool, "$.settings.sync_mode", &mode) && strcmp(mode.bytes, "temporal") == 0;
    rh_buffer_free(&mode);
    return kept;
}

const char *rh_history_missing(const struct rhei_sync_status *sync, bool captured, bool any)
{
    if (!captured)
        return "none yet, for the file has no change capture: rh sync --capture begins it";
    if (sync->disk_folder[0] == '\0')
        return "in memory alone, so it begins anew with each command: olap_path in the settings keeps it";
    if (any || sync->disk_message[0] != '\0') /* whoever has the folder follows the file */
        return NULL;
    return "none yet: rh sync begins it, with the rows as they are then";
}

/* Of which times of the table nothing is known, behind what is said of it. */
static void add_gaps(struct rh_tool *tool, const char *json, const char *table, struct rh_buffer *text)
{
    rhei_rows *rows = NULL;
    const char *before = ", but for what was between";
    if (rhei_oltp_query(
            tool->db,
            "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', value ->> '$.from_us' / 1e6, 'unixepoch') || ' (position ' || "
            "(value ->> '$.from_position') || ')', ifnull(strftime('%Y-%m-%dT%H:%M:%fZ', value ->> '$.to_us' / 1e6, "
            "'unixepoch') || ' (' || (value ->> '$.to_position') || ')', 'when it is loaded again') FROM json_each(?1, "
            "'$.history.gaps') WHERE value ->> '$.table' = ?2",
            RHEI_PARAMS(rhei_text(json), rhei_text(table)), &rows, NULL) != RHEI_OK)
        return;
    for (; rhei_rows_next(rows, NULL) == RHEI_ROW; before = ", and between")
        rh_buffer_format(text, "%s %s and %s", before, rhei_rows_text(rows, 0), rhei_rows_text(rows, 1));
    rhei_rows_close(&rows);
}

void rh_history_add(struct rh_tool *tool, struct rh_buffer *text, struct rh_buffer *gaps)
{
    rhei_rows *rows = NULL;
    char *json = NULL;
    if (rhei_info_json(tool->db, &json, NULL) != RHEI_OK ||
        rhei_query(tool->db,
                   "SELECT table_name, strftime('%Y-%m-%dT%H:%M:%SZ', max(min(began), ifnull(max(kept_from), 0)) / "
                   "1000000, 'unixepoch') FROM "
                   "history.tables WHERE gone IS NULL OR gone = 0 GROUP BY table_name ORDER BY table_name",
                   NULL, NULL, &rows, NULL) != RHEI_OK) {
        rhei_free(json);
        return;
    }
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *name = rhei_rows_text(rows, 0), *since = rhei_rows_text(rows, 1);
        rh_buffer_add_text(text, text->length > 0 ? ", " : "");
        rh_add_visible(text, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
        rh_buffer_format(text, " since %s", since == NULL ? "" : since);
        add_gaps(tool, json, name == NULL ? "" : name, text);
    }
    (void)rh_tool_ask_info(tool, "$.history.gaps", gaps);
    rhei_free(json);
    rhei_rows_close(&rows);
}

void rh_history_note(struct rh_tool *tool)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    if (!rh_history_kept(tool) || rhei_sync_status(tool->db, &sync, NULL) != RHEI_OK)
        return;
    const char *missing = rh_history_missing(&sync, rh_registry_installed(tool), sync.disk_position >= 0);
    if (missing == NULL)
        return;
    bool none = strncmp(missing, "none", sizeof "none" - 1) == 0;
    fprintf(stderr, "rh: note: what this command changed has no history. %s %s\n", none ? "There is" : "The history is",
            missing);
}
