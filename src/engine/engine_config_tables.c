/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that a configuration file names ([[tables]]): made, registered, or waited for. */
#include "config/config_settings.h"
#include "engine/engine_internal.h"

static rhei_status ddl_made_it(rhei_session *session, const char *name, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_session_query(session, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE",
                           RHEI_PARAMS(rhei_text(name)), NULL, &rows, error);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, error);
    rhei_rows_close(&rows);
    if (status == RHEI_DONE)
        return error_set(error, RHEI_CONFIG, "its ddl makes no table of that name; nothing of it was kept");
    return status == RHEI_ROW ? RHEI_OK : status;
}

/* All or nothing: a ddl that doesn't make its table leaves the file as it was. */
static rhei_status run_ddl(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    rhei_session *session = NULL;
    rhei_status status = rhei_session_open(db, &session, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute_script(session, table->ddl, NULL, NULL, error);
    if (status == RHEI_OK)
        status = ddl_made_it(session, table->name, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, error);
    rhei_session_close(&session); /* rolls back what is open */
    return status;
}

static rhei_status look_for(struct rhei_db *db, const char *name, enum engine_found *found, struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    *found = engine_file_find(catalog, name);
    capture_catalog_release(&catalog);
    return RHEI_OK;
}

static rhei_status register_described(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    struct rhei_column *columns = base_alloc_zero(table->column_count + 1, sizeof *columns);
    if (columns == NULL)
        return error_no_memory(error);
    for (size_t c = 0; c < table->column_count; c++)
        columns[c] = (struct rhei_column){
            .name = table->columns[c].name,
            .type = table->columns[c].type_text,
            .not_null = !table->columns[c].nullable,
            .primary_key = table->columns[c].primary_key,
        };
    rhei_status status = engine_register(db, table->name, columns, table->column_count, NULL, error);
    base_free(columns);
    return status;
}

/*
 * A table that is there is taken as it is. One that isn't, and that nobody tells how to make, may come later: it is mirrored then
 * (engine_config_names), and until then others' statements go on.
 */
static rhei_status make_one(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    enum engine_found found = ENGINE_FOUND_NOTHING;
    rhei_status status = look_for(db, table->name, &found, error);
    if (status != RHEI_OK)
        return status;
    if (found == ENGINE_FOUND_NOTHING && table->ddl != NULL)
        status = run_ddl(db, table, error);
    else if (table->ddl == NULL && table->column_count > 0)
        return register_described(db, table, error);
    else if (found == ENGINE_FOUND_NOTHING) {
        if (db->sync != NULL) /* else it is a rehearsal */
            base_log_write(&db->log, BASE_LOG_WARN, "engine",
                           "%s: [[tables]] \"%s\": the file has no such table: it is mirrored once it is made",
                           table->origin, table->name);
        return RHEI_OK;
    }
    return status != RHEI_OK || found == ENGINE_FOUND_CAPTURED ? status
                                                               : engine_register(db, table->name, NULL, 0, NULL, error);
}

static rhei_status make_all(struct rhei_db *db, struct rhei_error *error)
{
    for (size_t t = 0; t < db->settings->table_count; t++) {
        rhei_status status = make_one(db, &db->settings->tables[t], error);
        if (status != RHEI_OK) {
            error_context(error, "%s: [[tables]] \"%s\": ", db->settings->tables[t].origin,
                          db->settings->tables[t].name);
            return status;
        }
    }
    return RHEI_OK;
}

/* Who described a table takes it for made: what the handle is opened for fails then, or does something else. */
static rhei_status tell_unmade(struct rhei_db *db, struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    const struct config_table *absent = NULL;
    size_t at = 0;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    while ((absent = engine_config_absent(db, catalog, &at)) != NULL)
        if (absent->ddl != NULL || absent->column_count > 0)
            base_log_write(&db->log, BASE_LOG_WARN, "engine", "%s: [[tables]] \"%s\": it isn't made here: %s",
                           absent->origin, absent->name,
                           db->config.olap_backend == RHEI_OLAP_NONE ? "olap_backend none makes no tables"
                                                                     : ENGINE_MAKES_TABLES);
    capture_catalog_release(&catalog);
    return RHEI_OK;
}

rhei_status engine_config_tables(struct rhei_db *db, struct rhei_error *error)
{
    if (!engine_config_has_tables(db))
        return RHEI_OK;
    if (db->sync == NULL || !oltp_captures(db->oltp))
        return tell_unmade(db, error);
    rhei_status status = make_all(db, error);
    if (status == RHEI_OK)
        sync_wake(db->sync);
    return status;
}

rhei_status engine_config_rehearse(struct rhei_db *scratch, struct rhei_error *error)
{
    return make_all(scratch, error);
}
