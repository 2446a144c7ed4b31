/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that show what is in the database, how a statement would be answered, and what was entered. */
#include "rh_number.h"
#include "rh_repl.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool read_catalog(struct rh_repl *repl, const char *like, struct rhei_catalog **catalog)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rh_repl_begin_work(repl);
    struct rhei_call_options limits = rh_tool_limits(repl->tool);
    rhei_status status = rhei_catalog_read(repl->tool->db, like, &limits, catalog, &error);
    rh_repl_end_work(repl);
    if (status != RHEI_OK)
        rh_tell_error(repl->tool, &error);
    return status == RHEI_OK;
}

static const char *kind_of(const struct rhei_catalog_table *table)
{
    static const char *const kinds[] = {"table", "view", "virtual", "shadow", "source"};
    return table->kind >= 0 && table->kind < 5 ? kinds[table->kind] : "";
}

static const struct rhei_table_status *status_of(struct rhei_table_status *const *list, size_t count,
                                                 const struct rhei_catalog_table *table)
{
    struct rh_buffer name = {0};
    const struct rhei_table_status *found = NULL;
    if (strcmp(table->schema, "main") != 0)
        rh_buffer_format(&name, "%s.", table->schema);
    rh_buffer_add_text(&name, table->name);
    for (size_t at = 0; at < count && found == NULL; at++)
        if (strcmp(list[at]->name, name.bytes) == 0)
            found = list[at];
    rh_buffer_free(&name);
    return found;
}

/* How the table stands in the column store; "" of what has no place in it. */
static void add_state(struct rh_buffer *out, const struct rhei_catalog_table *table,
                      const struct rhei_table_status *status)
{
    static const char *const states[] = {"waiting", "building", "ready", "failed", "not mirrored"};
    rh_buffer_add(out, "", 0);
    if (status == NULL) {
        rh_buffer_add_text(out, table->unmirrored_reason != NULL ? table->unmirrored_reason : "");
        return;
    }
    if (status->state >= 0 && status->state < 5)
        rh_buffer_add_text(out, states[status->state]);
    if (status->state != RHEI_TABLE_READY && status->message[0] != '\0')
        rh_buffer_format(out, ": %s", status->message);
}

static void write_table(struct rh_writer *writer, const struct rhei_catalog_table *table,
                        const struct rhei_table_status *status)
{
    struct rh_buffer name = {0}, state = {0};
    if (strcmp(table->schema, "main") != 0)
        rh_buffer_format(&name, "%s.", table->schema);
    rh_buffer_add_text(&name, table->name);
    add_state(&state, table, status);
    bool ready = status != NULL && status->state == RHEI_TABLE_READY;
    const struct rhei_value values[] = {
        rhei_text(name.bytes), rhei_text(kind_of(table)), rhei_integer(table->column_count),
        ready ? rhei_integer((int64_t)status->rows) : rhei_null(), rhei_text(state.bytes)};
    rh_writer_row(writer, values);
    rh_buffer_free(&name);
    rh_buffer_free(&state);
}

RH_REPL_COMMAND(tables)
{
    static const char *const names[] = {"name", "kind", "columns", "rows", "column store"};
    struct rhei_catalog *catalog = NULL;
    struct rhei_table_status **list = NULL;
    size_t list_count = 0;
    (void)command, (void)rest;
    if (!read_catalog(repl, count > 0 ? words[0] : NULL, &catalog))
        return RH_EXIT_ERROR;
    (void)rhei_table_list(repl->tool->db, &list, &list_count, NULL); /* without a column store there is none */
    const struct rh_output output = {.terminal = repl->tool->out,
                                     .null_text = "",
                                     .width =
                                         repl->settings.width == INT64_MAX ? SIZE_MAX : (size_t)repl->settings.width,
                                     .whole = ".mode vertical"};
    if (catalog->table_count == 0 && repl->interactive)
        puts(count > 0 ? "There is no such table." : "There is no table yet.");
    else {
        struct rh_writer *writer = rh_writer_open(rh_effective_format(repl->tool), stdout, &output, names, 5);
        for (uint32_t at = 0; at < catalog->table_count; at++)
            write_table(writer, catalog->tables[at], status_of(list, list_count, catalog->tables[at]));
        rh_writer_close(&writer);
    }
    rhei_free(list);
    rhei_catalog_free(&catalog);
    return RH_EXIT_OK;
}

static void print_sql(const char *sql)
{
    struct rh_buffer text = {0};
    for (const char *at = sql; *at != '\0';) { /* its lines stay */
        size_t length = strcspn(at, "\n\t");
        rh_add_visible(&text, at, length);
        at += length;
        if (*at != '\0')
            rh_buffer_add_char(&text, *at++);
    }
    printf("%s;\n", text.bytes);
    rh_buffer_free(&text);
}

/* The catalog has none; those of change capture are Rhei's. */
static void print_triggers(struct rh_repl *repl, const char *table)
{
    rhei_rows *rows = NULL;
    if (rhei_oltp_query(repl->tool->db,
                        "SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE AND "
                        "name NOT LIKE '\\_rhei\\_%' ESCAPE '\\' ORDER BY name",
                        RHEI_PARAMS(rhei_text(table)), &rows, NULL) == RHEI_OK)
        while (rhei_rows_next(rows, NULL) == RHEI_ROW)
            print_sql(rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
}

RH_REPL_COMMAND(schema)
{
    struct rhei_catalog *catalog = NULL;
    uint32_t shown = 0;
    (void)command, (void)rest;
    if (!read_catalog(repl, NULL, &catalog))
        return RH_EXIT_ERROR;
    for (uint32_t at = 0; at < catalog->table_count; at++) {
        const struct rhei_catalog_table *table = catalog->tables[at];
        if (count > 0 && !rh_same_name(table->name, strlen(table->name), words[0], strlen(words[0])))
            continue;
        shown++;
        if (table->sql[0] != '\0')
            print_sql(table->sql);
        else
            printf("-- %s.%s is a table of another source\n", table->schema, table->name);
        for (uint32_t index = 0; index < table->index_count; index++)
            if (table->indexes[index]->sql != NULL)
                print_sql(table->indexes[index]->sql);
        print_triggers(repl, table->name);
    }
    int code = RH_EXIT_OK;
    if (shown == 0 && count > 0) {
        const char **names = rh_allocate(catalog->table_count * sizeof *names);
        for (uint32_t at = 0; at < catalog->table_count; at++)
            names[at] = catalog->tables[at]->name;
        int nearest = rh_nearest_word(words[0], names, (int)catalog->table_count);
        code = nearest >= 0 ? rh_tell(repl->tool, "there is no table %s; did you mean %s?", words[0], names[nearest])
                            : rh_tell(repl->tool, "there is no table %s; .tables lists them", words[0]);
        free(names);
    }
    rhei_catalog_free(&catalog);
    return code;
}

RH_REPL_COMMAND(explain)
{
    (void)count, (void)words;
    const char *sql = *rest != '\0' ? rest : repl->last.bytes;
    if (sql == NULL)
        return rh_repl_misused(repl, command, "has no statement yet");
    enum rh_format format = repl->settings.format;
    if (format == RH_FORMAT_DEFAULT || format == RH_FORMAT_TABLE)
        repl->settings.format = RH_FORMAT_VERTICAL; /* plans have lines of their own */
    int code = rh_repl_run_sql(repl, sql, "EXPLAIN ROUTE ");
    repl->settings.format = format;
    return code;
}

RH_REPL_COMMAND(history)
{
    int64_t wanted = 20;
    (void)rest;
    if (count > 0 && (!rh_parse_integer(words[0], strlen(words[0]), &wanted) || wanted < 1))
        return rh_repl_misused(repl, command, "takes a number of entries");
    const struct line_history *history = &repl->history;
    size_t from = history->count > (size_t)wanted ? history->count - (size_t)wanted : 0;
    for (size_t at = from; at < history->count; at++)
        printf("%s\n", history->entries[at]);
    return RH_EXIT_OK;
}
