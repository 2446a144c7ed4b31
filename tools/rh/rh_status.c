/* SPDX-License-Identifier: Apache-2.0 */
/* rh status: how far the column store is, table by table. */
#include "rh_tool.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <string.h>

static const char *state_name(int32_t state)
{
    static const char *const names[] = {"waiting", "building", "ready", "failed", "unmirrored"};
    return state >= 0 && state < 5 ? names[state] : "unknown";
}

struct status {
    struct rhei_sync_status sync;
    struct rhei_table_status *tables;
    size_t table_count;
    struct rhei_metric *metrics;
    size_t metric_count;
};

static bool collect(struct rh_tool *tool, struct status *status)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    *status = (struct status){.sync = {.struct_size = sizeof status->sync}};
    if (rhei_sync_status(tool->db, &status->sync, &error) == RHEI_OK &&
        rhei_metrics(tool->db, &status->metrics, &status->metric_count, &error) == RHEI_OK) {
        rhei_status listed = rhei_tables(tool->db, &status->tables, &status->table_count, &error);
        if (listed == RHEI_OK || listed == RHEI_OLAP_UNAVAILABLE) /* a handle that only reads mirrors nothing */
            return true;
    }
    rh_tell_error(tool, &error);
    return false;
}

static void release(struct status *status)
{
    rhei_free(status->tables);
    rhei_free(status->metrics);
}

static void line_of(const char *label, struct rh_buffer *text)
{
    printf("%-13s%s\n", label, text->length > 0 ? text->bytes : "");
    rh_buffer_clear(text);
}

static void print_sync(const struct rhei_sync_status *sync)
{
    struct rh_buffer text = {0};
    if (sync->running)
        rh_buffer_add_text(&text, "running in this process");
    else
        rh_buffer_add_text(&text,
                           "off in this command (rh sync, rh verify and rh query --route olap build the column store)");
    line_of("Sync", &text);
    rh_buffer_format(&text, "%" PRId64 " of %" PRId64 " in the change log", sync->position, sync->log_position);
    line_of("Position", &text);
    rh_add_count(&text, (uint64_t)(sync->lag_events > 0 ? sync->lag_events : 0));
    rh_buffer_add_text(&text, sync->lag_events == 1 ? " change" : " changes");
    if (sync->age_us >= 0) {
        rh_buffer_add_text(&text, ", age ");
        rh_add_duration(&text, sync->age_us);
    }
    line_of("Lag", &text);
    rh_add_count(&text, sync->log_rows);
    rh_buffer_add_text(&text, sync->log_rows == 1 ? " row" : " rows");
    line_of("Change log", &text);
    rh_add_count(&text, sync->cycles);
    if (sync->cycles > 0) {
        rh_buffer_add_text(&text, ", the last took ");
        rh_add_duration(&text, sync->last_cycle_us);
    }
    line_of("Cycles", &text);
    if (sync->events > 0) {
        rh_add_count(&text, sync->events);
        rh_buffer_add_text(&text, " changes: ");
        rh_add_count(&text, sync->rows_inserted);
        rh_buffer_add_text(&text, " inserted, ");
        rh_add_count(&text, sync->rows_updated);
        rh_buffer_add_text(&text, " updated, ");
        rh_add_count(&text, sync->rows_deleted);
        rh_buffer_add_text(&text, " deleted, ");
        rh_add_count(&text, sync->rows_pruned);
        rh_buffer_add_text(&text, " pruned");
        line_of("Applied", &text);
    }
    if (sync->last_error[0] != '\0') {
        rh_buffer_add_text(&text, sync->last_error);
        line_of("Last error", &text);
    }
    rh_buffer_free(&text);
}

static double metric_of(const struct status *status, const char *name)
{
    for (size_t at = 0; at < status->metric_count; at++)
        if (strcmp(status->metrics[at].name, name) == 0)
            return status->metrics[at].value;
    return 0;
}

static void print_memory(const struct status *status)
{
    struct rh_buffer text = {0};
    rh_buffer_add_text(&text, "mirror ");
    rh_add_size(&text, metric_of(status, "rhei_mirror_bytes"));
    rh_buffer_add_text(&text, " (key indexes ");
    rh_add_size(&text, metric_of(status, "rhei_mirror_index_bytes"));
    rh_buffer_add_text(&text, "), analytical engine ");
    rh_add_size(&text, metric_of(status, "rhei_executor_memory_bytes"));
    line_of("Memory", &text);
    rh_add_size(&text, metric_of(status, "rhei_oltp_file_bytes"));
    rh_buffer_add_text(&text, ", write-ahead log ");
    rh_add_size(&text, metric_of(status, "rhei_oltp_wal_bytes"));
    line_of("File", &text);
    rh_buffer_free(&text);
}

static struct rhei_value text_value(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

static struct rhei_value count_value(uint64_t count)
{
    return (struct rhei_value){.as.integer = (int64_t)count, .type = RHEI_INTEGER};
}

static size_t ready_count(const struct status *status)
{
    size_t count = 0;
    for (size_t at = 0; at < status->table_count; at++)
        count += status->tables[at].state == RHEI_TABLE_READY;
    return count;
}

static void print_tables(const struct rh_tool *tool, const struct status *status)
{
    static const char *const names[] = {"table", "state", "rows", "built", "position", "why"};
    printf("%-13s%zu, %zu ready\n", "Tables", status->table_count, ready_count(status));
    if (status->table_count == 0)
        return;
    putchar('\n');
    struct rh_output output = {.terminal = tool->out};
    struct rh_writer *writer = rh_writer_open(RH_FORMAT_TABLE, stdout, &output, names, 6);
    for (size_t at = 0; at < status->table_count; at++) {
        const struct rhei_table_status *table = &status->tables[at];
        struct rh_buffer built = {0};
        double share = table->rows_expected > 0 ? (double)table->rows_built / (double)table->rows_expected : 0;
        if (table->state == RHEI_TABLE_READY)
            rh_buffer_add_text(&built, "all");
        else if (table->state == RHEI_TABLE_BUILDING)
            rh_buffer_format(&built, "%d%%", (int)(share > 1 ? 100 : share * 100));
        else
            rh_buffer_add_text(&built, "no");
        struct rhei_value values[] = {
            text_value(table->name), text_value(state_name(table->state)),   count_value(table->rows),
            text_value(built.bytes), count_value((uint64_t)table->position), text_value(table->message)};
        rh_writer_row(writer, values);
        rh_buffer_free(&built);
    }
    rh_writer_close(&writer);
}

static void add_member(struct rh_buffer *json, const char *name, int64_t value)
{
    rh_buffer_format(json, "\"%s\":%" PRId64 ",", name, value);
}

static void add_tables_json(struct rh_buffer *json, const struct status *status)
{
    rh_buffer_add_text(json, "\"table_list\":[");
    for (size_t at = 0; at < status->table_count; at++) {
        const struct rhei_table_status *table = &status->tables[at];
        rh_buffer_add_text(json, at > 0 ? ",{\"name\":" : "{\"name\":");
        rh_add_json_text(json, table->name, strlen(table->name));
        rh_buffer_format(json, ",\"state\":\"%s\",", state_name(table->state));
        add_member(json, "rows", (int64_t)table->rows);
        add_member(json, "rows_built", (int64_t)table->rows_built);
        add_member(json, "rows_expected", (int64_t)table->rows_expected);
        add_member(json, "position", table->position);
        rh_buffer_add_text(json, "\"message\":");
        rh_add_json_text(json, table->message, strlen(table->message));
        rh_buffer_add_char(json, '}');
    }
    rh_buffer_add_text(json, "],");
}

static void add_metrics_json(struct rh_buffer *json, const struct status *status)
{
    rh_buffer_add_text(json, "\"metrics\":[");
    for (size_t at = 0; at < status->metric_count; at++) {
        const struct rhei_metric *metric = &status->metrics[at];
        rh_buffer_add_text(json, at > 0 ? ",{\"name\":" : "{\"name\":");
        rh_add_json_text(json, metric->name, strlen(metric->name));
        rh_buffer_add_text(json, ",\"labels\":");
        rh_add_json_text(json, metric->labels, strlen(metric->labels));
        rh_buffer_format(json, ",\"value\":%.17g}", metric->value);
    }
    rh_buffer_add_text(json, "]");
}

static void print_json(const struct status *status)
{
    const struct rhei_sync_status *sync = &status->sync;
    struct rh_buffer json = {0};
    rh_buffer_format(&json, "{\"running\":%s,", sync->running ? "true" : "false");
    add_member(&json, "position", sync->position);
    add_member(&json, "log_position", sync->log_position);
    add_member(&json, "lag_events", sync->lag_events);
    add_member(&json, "age_us", sync->age_us);
    add_member(&json, "tables", (int64_t)status->table_count);
    add_member(&json, "tables_ready", (int64_t)ready_count(status));
    add_member(&json, "cycles", (int64_t)sync->cycles);
    add_member(&json, "events", (int64_t)sync->events);
    add_member(&json, "rows_inserted", (int64_t)sync->rows_inserted);
    add_member(&json, "rows_updated", (int64_t)sync->rows_updated);
    add_member(&json, "rows_deleted", (int64_t)sync->rows_deleted);
    add_member(&json, "rows_pruned", (int64_t)sync->rows_pruned);
    add_member(&json, "log_rows", (int64_t)sync->log_rows);
    add_member(&json, "last_cycle_us", sync->last_cycle_us);
    rh_buffer_add_text(&json, "\"last_error\":");
    rh_add_json_text(&json, sync->last_error, strlen(sync->last_error));
    rh_buffer_add_char(&json, ',');
    add_tables_json(&json, status);
    add_metrics_json(&json, status);
    printf("%s}\n", json.bytes);
    rh_buffer_free(&json);
}

int rh_status_command(struct rh_tool *tool)
{
    struct status status;
    if (!rh_tool_open(tool, RH_OPEN_LOOK))
        return RH_EXIT_ERROR;
    bool good = collect(tool, &status);
    if (good && tool->args->json) {
        print_json(&status);
    } else if (good) {
        print_sync(&status.sync);
        print_memory(&status);
        print_tables(tool, &status);
    }
    release(&status);
    rh_tool_close(tool);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
