/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables are mirrored, and when they are brought in step. */
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "config/config_settings.h"
#include "engine/engine_history.h"
#include "engine/engine_internal.h"
#include "engine/engine_sidecar.h"

enum { REPORT_FIRST_SIZE = 64 }; /* of rhei_sync_report in its first version */

/* The first step of every call here. */
static rhei_status need_column_store(const rhei_db *db, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL)
        return error_set(error, RHEI_INVALID, "a database handle is needed");
    if (db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "this handle keeps no column store: it was opened with olap_backend none");
    return RHEI_OK;
}

/*
 * A type name of the guide's list as the SQLite declaration that keeps its values; NULL if it is none. Without TEXT in them JSON and UUID would
 * make numbers of what looks like one, and lose its zeros.
 */
static const char *sqlite_type(const char *type)
{
    static const char *const names[][2] = {
        {"int8", "INTEGER"},    {"int16", "INTEGER"},   {"int32", "INTEGER"},       {"int64", "INTEGER"},
        {"uint8", "INTEGER"},   {"uint16", "INTEGER"},  {"uint32", "INTEGER"},      {"uint64", "INTEGER"},
        {"int", "INTEGER"},     {"integer", "INTEGER"}, {"bigint", "INTEGER"},      {"float32", "REAL"},
        {"float64", "REAL"},    {"double", "REAL"},     {"real", "REAL"},           {"float", "REAL"},
        {"text", "TEXT"},       {"utf8", "TEXT"},       {"string", "TEXT"},         {"varchar", "TEXT"},
        {"boolean", "BOOLEAN"}, {"bool", "BOOLEAN"},    {"binary", "BLOB"},         {"blob", "BLOB"},
        {"date", "DATE"},       {"time", "TIME"},       {"timestamp", "TIMESTAMP"}, {"timestamptz", "TIMESTAMPTZ"},
        {"json", "JSON TEXT"},  {"uuid", "UUID TEXT"},
    };
    if (type == NULL || type[0] == '\0')
        return "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (base_fold_compare(type, names[i][0]) == 0)
            return names[i][1];
    unsigned precision = 0, scale = 0;
    char end = 0;
    if (sscanf(type, "decimal(%3u,%3u%c", &precision, &scale, &end) == 3 && end == ')')
        return "DECIMAL";
    return NULL;
}

static rhei_status create_text(const char *table, const struct rhei_column *columns, size_t count,
                               struct base_buffer *sql, struct rhei_error *error)
{
    base_buffer_text(sql, "CREATE TABLE IF NOT EXISTS ");
    base_buffer_identifier(sql, table);
    base_buffer_text(sql, " (");
    size_t keys = 0;
    for (size_t c = 0; c < count; c++) {
        const char *type = sqlite_type(columns[c].type);
        if (columns[c].name == NULL || columns[c].name[0] == '\0')
            return error_set(error, RHEI_INVALID, "column %zu of table \"%s\" has no name", c + 1, table);
        if (type == NULL)
            return error_set(error, RHEI_INVALID,
                             "column \"%s\" has the unknown type \"%s\": see the guide's list of types",
                             columns[c].name, columns[c].type);
        base_buffer_text(sql, c == 0 ? "" : ", ");
        base_buffer_identifier(sql, columns[c].name);
        base_buffer_format(sql, " %s%s", type, columns[c].not_null ? " NOT NULL" : "");
        keys += columns[c].primary_key;
    }
    for (size_t c = 0, k = 0; c < count && keys > 0; c++) {
        if (!columns[c].primary_key)
            continue;
        base_buffer_text(sql, k++ == 0 ? ", PRIMARY KEY (" : ", ");
        base_buffer_identifier(sql, columns[c].name);
    }
    base_buffer_text(sql, keys > 0 ? "))" : ")");
    return sql->failed ? error_no_memory(error) : RHEI_OK;
}

static rhei_status compare_columns(rhei_db *db, const char *table, const struct rhei_column *columns, size_t count,
                                   struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    const struct capture_table *found = engine_file_table(catalog, table);
    if (found == NULL)
        status = error_set(error, RHEI_NOT_FOUND, "there is no table \"%s\"", table);
    size_t visible = 0;
    for (uint32_t c = 0; found != NULL && c < found->source.column_count; c++)
        visible += !found->source.columns[c].is_rowid;
    if (found != NULL && visible != count)
        status =
            error_set(error, RHEI_EXISTS, "table \"%s\" exists with %zu columns instead of %zu", table, visible, count);
    for (size_t c = 0; status == RHEI_OK && c < count; c++)
        if (base_fold_compare(found->source.columns[c].name, columns[c].name) != 0)
            status =
                error_set(error, RHEI_EXISTS, "table \"%s\" exists, but its column %zu is \"%s\" instead of \"%s\"",
                          table, c + 1, found->source.columns[c].name, columns[c].name);
    capture_catalog_release(&catalog);
    return status;
}

rhei_status engine_register(rhei_db *db, const char *table, const struct rhei_column *columns, size_t column_count,
                            const struct oltp_stop *stop, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (columns != NULL && column_count > 0)
        status = engine_history_check_name(db, table, error);
    if (status != RHEI_OK)
        return status;
    if (columns != NULL && column_count > 0) {
        struct base_buffer sql = {0};
        status = create_text(table, columns, column_count, &sql, error);
        if (status == RHEI_OK)
            status = oltp_write(db->oltp, sql.data, sql.len, NULL, 0, stop, NULL, NULL, error);
        base_buffer_reset(&sql);
        if (status == RHEI_OK)
            status = compare_columns(db, table, columns, column_count, error);
    }
    return status == RHEI_OK ? capture_register_table(db->oltp, table, stop, error) : status;
}

/* The common part of both: `columns` NULL, as of rhei_register_table. */
static rhei_status change_table(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                struct engine_limits *limits, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    if (status == RHEI_OK && (table == NULL || table[0] == '\0'))
        status = error_set(error, RHEI_INVALID, "the name of a table is needed");
    if (status == RHEI_OK)
        status = engine_limits_of_call(db->ticker, limits, options, error);
    if (status == RHEI_OK)
        base_progress_step(engine_limits_counts(limits), "installing change capture", table, BASE_PROGRESS_STEPS, -1);
    return status;
}

rhei_status rhei_register_table(rhei_db *db, const char *table, const struct rhei_column *columns, size_t column_count,
                                struct rhei_error *error)
{
    return rhei_register_table_with(db, table, columns, column_count, NULL, error);
}

/* The end of what change_table began. */
static rhei_status table_changed(rhei_db *db, struct engine_limits *limits, rhei_status status)
{
    engine_limits_reset(limits);
    if (status == RHEI_OK)
        sync_wake(db->sync);
    return status;
}

rhei_status rhei_register_table_with(rhei_db *db, const char *table, const struct rhei_column *columns,
                                     size_t column_count, const struct rhei_call_options *options,
                                     struct rhei_error *error)
{
    struct engine_limits limits;
    struct oltp_stop stop;
    rhei_status status = change_table(db, table, options, &limits, error);
    if (status != RHEI_OK)
        return status;
    return table_changed(db, &limits,
                         engine_register(db, table, columns, column_count, engine_stop(&limits, &stop), error));
}

rhei_status rhei_unregister_table(rhei_db *db, const char *table, struct rhei_error *error)
{
    return rhei_unregister_table_with(db, table, NULL, error);
}

rhei_status rhei_unregister_table_with(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                       struct rhei_error *error)
{
    struct engine_limits limits;
    struct oltp_stop stop;
    rhei_status status = change_table(db, table, options, &limits, error);
    if (status != RHEI_OK)
        return status;
    return table_changed(db, &limits, capture_release_table(db->oltp, table, engine_stop(&limits, &stop), error));
}

rhei_status rhei_sync_now(rhei_db *db, struct rhei_sync_report *report, struct rhei_error *error)
{
    return rhei_sync_now_with(db, NULL, report, error);
}

rhei_status rhei_sync_now_with(rhei_db *db, const struct rhei_call_options *options, struct rhei_sync_report *report,
                               struct rhei_error *error)
{
    struct engine_limits limits;
    rhei_status status = need_column_store(db, error);
    if (status == RHEI_OK)
        status = engine_limits_of_call(db->ticker, &limits, options, error);
    if (status != RHEI_OK)
        return status;
    struct base_progress *counts = engine_limits_counts(&limits);
    struct sync_stop stop = {.check = engine_limits_check, .context = &limits, .progress = counts};
    base_progress_step(counts, "applying changes", NULL, BASE_PROGRESS_CHANGES, -1);
    struct sync_report done = {0};
    const struct sync_stop *given = engine_limits_any(&limits) ? &stop : NULL;
    status = sync_cycle_while(db->sync, given, &done, error);
    if (status == RHEI_OK)
        status = engine_sidecars_look(db, given, error);
    engine_limits_reset(&limits);
    struct rhei_sync_report made = {
        .position = engine_log_position(db, done.position),
        .events = done.events,
        .rows_inserted = done.inserted,
        .rows_updated = done.updated,
        .rows_deleted = done.deleted,
        .rows_pruned = done.pruned,
        .duration_us = done.duration_ns / 1000,
    };
    if (report != NULL)
        engine_struct_give(report, &made, sizeof made, REPORT_FIRST_SIZE);
    return status;
}

rhei_status rhei_start_sync(rhei_db *db, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    if (status == RHEI_OK)
        status = sync_start(db->sync, error);
    return status == RHEI_OK ? engine_sidecars_start(db, error) : status;
}

rhei_status rhei_stop_sync(rhei_db *db, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    if (status != RHEI_OK)
        return status;
    sync_stop(db->sync);
    engine_sidecars_rest(db);
    return RHEI_OK;
}

/* A table whose mirror failed is given another try: what stood in its way may be gone. */
static rhei_status retry_failed(rhei_db *db, struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    rhei_status status = sync_get_tables(db->sync, &tables, &count, error);
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        if (tables[i].state == SYNC_TABLE_FAILED)
            status = sync_rebuild(db->sync, tables[i].name, error);
    base_free(tables);
    return status;
}

rhei_status engine_build_tables(struct rhei_db *db, int64_t deadline_ns, struct engine_limits *limits,
                                struct rhei_error *error)
{
    struct base_progress *counts = engine_limits_counts(limits);
    struct sync_stop stop = {.check = engine_limits_check, .context = limits, .progress = counts};
    struct oltp_stop writes;
    base_progress_step(counts, "building the column store", NULL, BASE_PROGRESS_ROWS, -1);
    rhei_status status = capture_finish_tables(db->oltp, deadline_ns, engine_stop(limits, &writes), error);
    const struct sync_stop *given = engine_limits_any(limits) ? &stop : NULL;
    if (status == RHEI_OK)
        status = sync_build(db->sync, true, deadline_ns, given, error);
    return status == RHEI_OK ? engine_sidecars_load(db, deadline_ns, given, error) : status;
}

/* The time is sync's own matter, so that it tells which tables aren't built. */
static rhei_status build_within(struct rhei_db *db, struct engine_limits *limits, struct rhei_error *error)
{
    int64_t deadline = limits->deadline_ns == INT64_MAX ? 0 : limits->deadline_ns;
    limits->deadline_ns = INT64_MAX;
    rhei_status status = retry_failed(db, error);
    return status == RHEI_OK ? engine_build_tables(db, deadline, limits, error) : status;
}

rhei_status rhei_initial_sync(rhei_db *db, int64_t timeout_ms, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    if (status != RHEI_OK)
        return status;
    struct engine_limits limits;
    status = engine_limits_set(&limits, timeout_ms, NULL, error);
    return status == RHEI_OK ? build_within(db, &limits, error) : status;
}

rhei_status rhei_initial_sync_with(rhei_db *db, const struct rhei_call_options *options, struct rhei_error *error)
{
    struct engine_limits limits;
    rhei_status status = need_column_store(db, error);
    if (status == RHEI_OK)
        status = engine_limits_of_call(db->ticker, &limits, options, error);
    if (status != RHEI_OK)
        return status;
    status = build_within(db, &limits, error);
    engine_limits_reset(&limits);
    return status;
}

rhei_status rhei_rebuild(rhei_db *db, const char *table, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    return status == RHEI_OK ? sync_rebuild(db->sync, table, error) : status;
}

/* Its changes are followed, and where versions would be kept but for its names, that is told. */
static void status_of_history(const rhei_db *db, struct rhei_table_status *made, const char *clash)
{
    bool wanted = made->state != RHEI_TABLE_UNMIRRORED && engine_keeps_history(db, made->name);
    made->keeps_history = wanted && clash == NULL;
    if (wanted && clash != NULL && made->message[0] == '\0')
        snprintf(made->message, sizeof made->message,
                 "it keeps no history: a history has a column of its own that is named as its \"%.60s\"", clash);
}

static void status_of_known(const rhei_db *db, struct rhei_table_status *made, const struct sync_table_status *known)
{
    made->state = (int32_t)known->state;
    made->rows = known->rows;
    made->rows_built = known->rows_built;
    made->rows_expected = known->rows_expected;
    made->position = engine_log_position(db, known->position);
    memcpy(made->name, known->name, sizeof made->name);
    memcpy(made->message, known->message, sizeof made->message);
    status_of_history(db, made, known->clash[0] == '\0' ? NULL : known->clash);
}

/* A table that no cycle has met yet: a handle that builds only on demand knows of it all the same. */
static void status_of_unmet(const rhei_db *db, struct rhei_table_status *made, const struct source_table *table)
{
    made->state = table->unmirrored_reason != NULL ? RHEI_TABLE_UNMIRRORED : RHEI_TABLE_WAITING;
    made->rows_expected = table->estimated_rows > 0 ? (uint64_t)table->estimated_rows : 0;
    snprintf(made->name, sizeof made->name, "%s", table->name);
    snprintf(made->message, sizeof made->message, "%s",
             table->unmirrored_reason != NULL ? table->unmirrored_reason : "its build was not asked for");
    status_of_history(db, made, sync_history_clash(table));
}

/* One that a section of the settings names. */
static void status_of_absent(struct rhei_table_status *made, const struct config_table *table)
{
    bool described = table->ddl != NULL || table->column_count > 0;
    made->state = RHEI_TABLE_UNMIRRORED;
    snprintf(made->name, sizeof made->name, "%s", table->name);
    snprintf(made->message, sizeof made->message, "%.120s %s", table->origin,
             described ? "says how it is made: " ENGINE_MAKES_TABLES
                       : "names it, and the file has no such table: it is mirrored once it is made");
}

/* One whose rows are in the column store alone. `local`: a table of our own file has its name, and is what the name means. */
static void status_of_shown(struct rhei_table_status *made, const struct capture_table *table, bool local,
                            const struct mirror_snapshot *snapshot)
{
    const struct mirror_table_view *view = mirror_view(snapshot, table->source.id);
    made->state = view == NULL ? RHEI_TABLE_WAITING : RHEI_TABLE_READY;
    made->rows = view == NULL ? 0 : mirror_view_row_count(view);
    made->position = mirror_snapshot_position_of(snapshot, source_of_table(table->source.id));
    snprintf(made->name, sizeof made->name, "%.100s.%.150s", table->schema, table->source.name);
    snprintf(made->message, sizeof made->message, "a table of source \"%.60s\", which can only be read%s",
             table->schema, local ? "; a table of this file has its name: name it with its source" : "");
}

static bool is_listed(const struct rhei_table_status *tables, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (base_fold_compare(tables[i].name, name) == 0)
            return true;
    return false;
}

rhei_status rhei_table_list(rhei_db *db, struct rhei_table_status ***tables, size_t *count, struct rhei_error *error)
{
    rhei_status status = need_column_store(db, error);
    if (status == RHEI_OK && (tables == NULL || count == NULL))
        status = error_set(error, RHEI_INVALID, "a place for the array of tables and one for its length are needed");
    if (status != RHEI_OK)
        return status;
    struct sync_table_status *known = NULL, *far = NULL;
    const struct capture_catalog *catalog = NULL;
    struct mirror_snapshot snapshot = {0};
    size_t known_count = 0, far_count = 0;
    status = sync_get_tables(db->sync, &known, &known_count, error);
    if (status == RHEI_OK)
        status = engine_sidecars_tables(db, &far, &far_count, error);
    if (status == RHEI_OK)
        status = capture_catalog_take(db->oltp, &catalog, error);
    if (status == RHEI_OK && mirror_snapshot_take(db->mirror, &snapshot) != RHEI_OK)
        status = error_no_memory(error);
    if (status != RHEI_OK) {
        capture_catalog_release(&catalog);
        base_free(known);
        base_free(far);
        return status;
    }
    size_t sections = db->settings == NULL ? 0 : db->settings->table_count;
    size_t most = known_count + far_count + catalog->table_count + sections + 1, at = 0;
    const struct config_table *absent = NULL;
    struct rhei_table_status **list = base_alloc_zero(most, sizeof(struct rhei_table_status *) + sizeof **list);
    struct rhei_table_status *made = (struct rhei_table_status *)(list == NULL ? NULL : list + most);
    size_t made_count = 0;
    for (size_t i = 0; made != NULL && i < known_count; i++)
        status_of_known(db, &made[made_count++], &known[i]);
    for (uint32_t t = 0; made != NULL && t < catalog->table_count; t++)
        if (catalog->tables[t].schema != NULL)
            status_of_shown(&made[made_count++], &catalog->tables[t],
                            engine_file_table(catalog, catalog->tables[t].source.name) != NULL, &snapshot);
        else if (!is_listed(made, made_count, catalog->tables[t].source.name))
            status_of_unmet(db, &made[made_count++], &catalog->tables[t].source);
    while (made != NULL && (absent = engine_config_absent(db, catalog, &at)) != NULL)
        if (!is_listed(made, made_count, absent->name))
            status_of_absent(&made[made_count++], absent);
    for (size_t i = 0; made != NULL && i < far_count; i++)
        status_of_known(db, &made[made_count++], &far[i]);
    mirror_snapshot_release(&snapshot);
    base_free(known);
    base_free(far);
    capture_catalog_release(&catalog);
    if (made == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < made_count; i++)
        list[i] = &made[i];
    *tables = list;
    *count = made_count;
    return RHEI_OK;
}

rhei_status rhei_tables(rhei_db *db, struct rhei_table_status **tables, size_t *count, struct rhei_error *error)
{
    struct rhei_table_status **list = NULL;
    rhei_status status = rhei_table_list(db, tables == NULL ? NULL : &list, count, error);
    if (status != RHEI_OK)
        return status;
    *tables = base_alloc((*count + 1) * sizeof **tables);
    for (size_t i = 0; *tables != NULL && i < *count; i++)
        (*tables)[i] = *list[i];
    rhei_free(list);
    return *tables == NULL ? error_no_memory(error) : RHEI_OK;
}

static void add_memory(struct base_buffer *out, const struct mirror_snapshot *snapshot,
                       const struct sync_table_status *tables, size_t count, const char **before)
{
    for (size_t i = 0; i < count; i++) {
        const struct mirror_table_view *view = mirror_view(snapshot, tables[i].id);
        if (view == NULL)
            continue;
        base_buffer_text(out, *before);
        engine_json_text(out, tables[i].name);
        base_buffer_format(out, ": %zu", mirror_view_bytes(view));
        *before = ", ";
    }
}

void engine_tables_memory_json(struct base_buffer *out, struct rhei_db *db)
{
    struct sync_table_status *known = NULL, *far = NULL;
    struct mirror_snapshot snapshot;
    size_t known_count = 0, far_count = 0;
    const char *before = "";
    base_buffer_text(out, "{");
    if (sync_get_tables(db->sync, &known, &known_count, NULL) == RHEI_OK &&
        engine_sidecars_tables(db, &far, &far_count, NULL) == RHEI_OK &&
        mirror_snapshot_take(db->mirror, &snapshot) == RHEI_OK) {
        add_memory(out, &snapshot, known, known_count, &before);
        add_memory(out, &snapshot, far, far_count, &before);
        mirror_snapshot_release(&snapshot);
    }
    base_buffer_text(out, "}");
    base_free(known);
    base_free(far);
}

_Static_assert((int)RHEI_TABLE_UNMIRRORED == (int)SYNC_TABLE_UNMIRRORED &&
                   (int)RHEI_TABLE_READY == (int)SYNC_TABLE_READY,
               "the public states are sync's");
