/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_registry.h"

#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

#define NOW_MS "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"

/* Files of an early version have no place for consumers. */
static const char installed[] =
    "SELECT count(*) FILTER (WHERE name <> '_rhei_consumers') = 3, count(*) FILTER (WHERE name = '_rhei_consumers') "
    "FROM sqlite_schema WHERE type = 'table' AND "
    "name IN ('_rhei_engines', '_rhei_tables', '_rhei_cdc_log', '_rhei_consumers')";

/* Those of the change feed, and the folders that lack something of the log, by their paths. */
static const char consumers[] =
    "SELECT iif(folder, substr(name, 14), name), position, now - seen_ms, now < seen_ms + keep_ms, folder, keep_ms < 0 "
    "AND now < seen_ms - keep_ms "
    "FROM (SELECT *, substr(name, 1, 13) = '_rhei_folder:' AS folder, " NOW_MS " AS now FROM _rhei_consumers) AS c "
    "WHERE iif(folder, keep_ms > 0 AND position < (SELECT max(seq) FROM _rhei_cdc_log), substr(name, 1, 6) <> "
    "'_rhei_') "
    "ORDER BY c.name";

bool rh_registry_installed(struct rh_tool *tool)
{
    rhei_rows *rows = NULL;
    bool is = rhei_oltp_query(tool->db, installed, NULL, &rows, NULL) == RHEI_OK &&
              rhei_rows_next(rows, NULL) == RHEI_ROW && rhei_rows_int64(rows, 0) != 0;
    rhei_rows_close(&rows);
    return is;
}

/* Runs the text and hands each row over. */
static bool each_row(struct rh_tool *tool, const char *sql, struct rh_registry *registry,
                     void (*take)(struct rh_registry *registry, rhei_rows *rows), struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    rhei_status status = rhei_oltp_query(tool->db, sql, NULL, &rows, error);
    while (status == RHEI_OK || status == RHEI_ROW) {
        status = rhei_rows_next(rows, error);
        if (status == RHEI_ROW)
            take(registry, rows);
    }
    rhei_rows_close(&rows);
    return status == RHEI_DONE;
}

static void take_installed(struct rh_registry *registry, rhei_rows *rows)
{
    registry->installed = rhei_rows_int64(rows, 0) != 0;
    registry->has_consumers = rhei_rows_int64(rows, 1) != 0;
}

static void take_engine(struct rh_registry *registry, rhei_rows *rows)
{
    registry->engines = rh_reallocate(registry->engines, (registry->engine_count + 1) * sizeof *registry->engines);
    registry->engines[registry->engine_count++] = (struct rh_engine){
        rhei_rows_int64(rows, 0), rhei_rows_int64(rows, 1), rhei_rows_int64(rows, 2), rhei_rows_int64(rows, 3)};
}

static void take_consumer(struct rh_registry *registry, rhei_rows *rows)
{
    const char *name = rhei_rows_text(rows, 0);
    bool folder = rhei_rows_int64(rows, 4) != 0;
    struct rh_consumer **list = folder ? &registry->folders : &registry->consumers;
    size_t *count = folder ? &registry->folder_count : &registry->consumer_count;
    if (name == NULL)
        return;
    *list = rh_reallocate(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = (struct rh_consumer){.name = rh_copy_text(name, strlen(name)),
                                               .position = rhei_rows_int64(rows, 1),
                                               .seen_ms = rhei_rows_int64(rows, 2),
                                               .kept = rhei_rows_int64(rows, 3) != 0,
                                               .buffered = rhei_rows_int64(rows, 5) != 0};
}

static void take_table(struct rh_registry *registry, rhei_rows *rows)
{
    const char *name = rhei_rows_text(rows, 0);
    if (name == NULL)
        return;
    registry->captured = rh_reallocate(registry->captured, (registry->captured_count + 1) * sizeof *registry->captured);
    registry->captured[registry->captured_count++] = rh_copy_text(name, strlen(name));
}

bool rh_registry_read_for(struct rh_tool *tool, struct rh_registry *registry, struct rhei_error *error)
{
    *registry = (struct rh_registry){0};
    if (!each_row(tool, installed, registry, take_installed, error))
        return false;
    return !registry->installed ||
           (each_row(tool,
                     "SELECT id, position, " NOW_MS
                     " - seen_ms, _rhei_process(id) FROM _rhei_engines WHERE NOT _rhei_gone(id) ORDER BY id",
                     registry, take_engine, error) &&
            (!registry->has_consumers || each_row(tool, consumers, registry, take_consumer, error)) &&
            each_row(tool, "SELECT name FROM _rhei_tables WHERE live ORDER BY name", registry, take_table, error));
}

bool rh_registry_read(struct rh_tool *tool, struct rh_registry *registry)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rh_registry_read_for(tool, registry, &error))
        return true;
    rh_tell_error(tool, &error);
    return false;
}

void rh_registry_add_folders(struct rh_tool *tool, bool histories, struct rh_buffer *out)
{
    rhei_rows *rows = NULL;
    if (rhei_oltp_query(tool->db,
                        "SELECT substr(name, 14) FROM _rhei_consumers WHERE substr(name, 1, 13) = '_rhei_folder:' AND "
                        "(abs(keep_ms) >= 1 << 50 OR NOT ?) ORDER BY name",
                        RHEI_PARAMS(rhei_integer(histories)), &rows, NULL) != RHEI_OK)
        return;
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *path = rhei_rows_text(rows, 0);
        rh_buffer_add_text(out, out->length > 0 ? ", \"" : "\"");
        rh_add_visible(out, path == NULL ? "" : path, path == NULL ? 0 : strlen(path));
        rh_buffer_add_char(out, '"');
    }
    rhei_rows_close(&rows);
}

bool rh_registry_captures(const struct rh_registry *registry, const char *table)
{
    for (size_t at = 0; at < registry->captured_count; at++)
        if (rh_same_name(registry->captured[at], strlen(registry->captured[at]), table, strlen(table)))
            return true;
    return false;
}

void rh_registry_free(struct rh_registry *registry)
{
    for (size_t at = 0; at < registry->captured_count; at++)
        free(registry->captured[at]);
    free(registry->captured);
    for (size_t at = 0; at < registry->consumer_count; at++)
        free(registry->consumers[at].name);
    free(registry->consumers);
    for (size_t at = 0; at < registry->folder_count; at++)
        free(registry->folders[at].name);
    free(registry->folders);
    free(registry->engines);
    *registry = (struct rh_registry){0};
}
