/* SPDX-License-Identifier: Apache-2.0 */
/* rh sync: builds the column store, brings it to every commit, and tells what that took. */
#include "rh_advice.h"
#include "rh_sidecars.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_waiting.h"
#include "rh_writer.h"
#include "rhei/rhei_care.h"

#include <inttypes.h>
#include <string.h>

/* How many tables are as the folder had them, followed since: nothing of them was read from SQLite. */
static uint64_t taken_over(const struct rh_tool *tool, const struct rhei_sync_status *status)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    if (status->disk_folder[0] == '\0' || rhei_metric_list(tool->db, &metrics, &count, NULL) != RHEI_OK)
        return 0;
    uint64_t built = (uint64_t)rh_metric_of(metrics, count, "rhei_sync_builds_total");
    rhei_free(metrics);
    return status->tables_ready > built ? status->tables_ready - built : 0;
}

/* What was applied on the way to the report's position is the status's to tell: it counts what the opening applied, too. */
static void print_report(const struct rhei_sync_report *report, const struct rhei_sync_status *status, uint64_t taken,
                         int64_t elapsed_us)
{
    struct rh_buffer text = {0};
    rh_buffer_format(&text, "In step at position %" PRId64 " after ", report->position);
    rh_add_duration(&text, elapsed_us);
    rh_buffer_add_text(&text, ": ");
    rh_add_count(&text, status->tables_ready);
    rh_buffer_add_text(&text, " of ");
    rh_add_count(&text, status->tables);
    rh_buffer_add_text(&text, " tables");
    if (taken > 0) {
        rh_buffer_add_text(&text, " in the column store, ");
        rh_add_count(&text, taken);
        rh_buffer_add_text(&text, " taken over from the folder.\nApplied ");
    } else {
        rh_buffer_add_text(&text, " built.\nApplied ");
    }
    rh_add_count(&text, status->events);
    rh_buffer_add_text(&text, status->events == 1 ? " change (" : " changes (");
    rh_add_count(&text, status->rows_inserted);
    rh_buffer_add_text(&text, " inserted, ");
    rh_add_count(&text, status->rows_updated);
    rh_buffer_add_text(&text, " updated, ");
    rh_add_count(&text, status->rows_deleted);
    rh_buffer_add_text(&text, " deleted), pruned ");
    rh_add_count(&text, status->rows_pruned);
    rh_buffer_add_text(&text, " from the log.");
    puts(text.bytes);
    rh_buffer_free(&text);
}

/* Of each database that is followed: what the look that was waited for came to. */
static void print_sidecars(struct rh_tool *tool, struct rhei_sidecar_status *const *sidecars, size_t count,
                           int64_t elapsed_us)
{
    struct rh_buffer text = {0};
    for (size_t at = 0; at < count; at++) {
        const struct rhei_sidecar_status *sidecar = sidecars[at];
        rh_buffer_add_text(&text, "Sidecar ");
        rh_add_visible(&text, sidecar->name, strlen(sidecar->name));
        rh_buffer_add_text(&text, ": ");
        if (sidecar->away) {
            rh_sidecars_add_lag(&text, sidecar);
            rh_buffer_add_text(&text, ": ");
            rh_sidecars_add_message(tool, at, sidecar, &text);
        } else {
            rh_buffer_format(&text, "in step with its database at position %" PRId64 " after ", sidecar->position);
            rh_add_duration(&text, elapsed_us);
        }
        rh_buffer_format(&text, ", %" PRIu64 " of %" PRIu64 " tables loaded.", sidecar->tables_ready, sidecar->tables);
        puts(text.bytes);
        rh_buffer_clear(&text);
    }
    rh_buffer_free(&text);
}

/* Whoever asks for everything to be in step, from a timetable perhaps, learns by the exit that it isn't. False: one or more couldn't be had. */
static bool had_sidecars(const struct rh_tool *tool, struct rhei_sidecar_status *const *sidecars, size_t count)
{
    struct rh_buffer names = {0};
    for (size_t at = 0; at < count; at++)
        if (sidecars[at]->away) {
            rh_buffer_add_text(&names, names.length > 0 ? ", " : "");
            rh_add_visible(&names, sidecars[at]->name, strlen(sidecars[at]->name));
        }
    bool all = names.length == 0;
    if (!all)
        rh_tell(tool, "not in step, because the source can't be had: %s", names.bytes);
    rh_buffer_free(&names);
    return all;
}

/* Which tables the column store leaves to SQLite, and why; NULL: it doesn't. */
static const char *why_left_out(const struct rhei_table_status *table)
{
    return table->state == RHEI_TABLE_READY ? NULL : table->message[0] != '\0' ? table->message : "it isn't built";
}

static void add_left_out_json(struct rh_buffer *json, struct rhei_table_status *const *tables, size_t count)
{
    const char *before = "";
    struct rh_buffer words = {0};
    rh_buffer_add_text(json, "\"not_mirrored\":[");
    for (size_t at = 0; at < count; at++) {
        const char *why = why_left_out(tables[at]);
        if (why == NULL)
            continue;
        rh_buffer_clear(&words);
        rh_add_in_our_words(&words, why);
        rh_buffer_format(json, "%s{\"table\":", before);
        rh_add_json_text(json, tables[at]->name, strlen(tables[at]->name));
        rh_buffer_add_text(json, ",\"reason\":");
        rh_add_json_text(json, words.bytes, words.length);
        rh_buffer_add_char(json, '}');
        before = ",";
    }
    rh_buffer_add_char(json, ']');
    rh_buffer_free(&words);
}

static void print_json(const struct rhei_sync_report *report, const struct rhei_sync_status *status,
                       struct rhei_table_status *const *tables, size_t count,
                       struct rhei_sidecar_status *const *sidecars, size_t sidecar_count, uint64_t taken,
                       int64_t elapsed_us)
{
    struct rh_buffer json = {0};
    rh_buffer_format(
        &json,
        "{\"position\":%" PRId64 ",\"events\":%" PRIu64 ",\"rows_inserted\":%" PRIu64 ",\"rows_updated\":%" PRIu64
        ",\"rows_deleted\":%" PRIu64 ",\"rows_pruned\":%" PRIu64 ",\"duration_us\":%" PRId64 ",\"elapsed_us\":%" PRId64
        ",\"tables\":%" PRIu64 ",\"tables_ready\":%" PRIu64 ",\"tables_taken_over\":%" PRIu64 ",",
        report->position, status->events, status->rows_inserted, status->rows_updated, status->rows_deleted,
        status->rows_pruned, report->duration_us, elapsed_us, status->tables, status->tables_ready, taken);
    add_left_out_json(&json, tables, count);
    if (sidecar_count > 0) {
        rh_buffer_add_char(&json, ',');
        rh_sidecars_add_json(&json, sidecars, sidecar_count);
    }
    printf("%s}\n", json.bytes);
    rh_buffer_free(&json);
}

static void print_left_out(struct rhei_table_status *const *tables, size_t count)
{
    struct rh_buffer line = {0};
    for (size_t at = 0; at < count; at++) {
        const char *why = why_left_out(tables[at]);
        if (why == NULL)
            continue;
        rh_buffer_add_text(&line, "Not mirrored: ");
        rh_add_visible(&line, tables[at]->name, strlen(tables[at]->name));
        rh_buffer_add_text(&line, ": ");
        rh_add_in_our_words(&line, why);
        puts(line.bytes);
        rh_buffer_clear(&line);
    }
    rh_buffer_free(&line);
}

int rh_sync_run(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_sync_report report = {.struct_size = sizeof report};
    struct rhei_table_status **tables = NULL;
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0, sidecar_count = 0;
    struct rhei_sync_status status = {.struct_size = sizeof status};
    struct rhei_call_options limits = rh_tool_limits(tool);
    int code = RH_EXIT_OK;
    int64_t started = rh_now_us();
    rh_waiting_start(tool->out, tool->err, "building the column store");
    bool good = rhei_initial_sync_with(tool->db, &limits, &error) == RHEI_OK &&
                rhei_sync_now_with(tool->db, &limits, &report, &error) == RHEI_OK &&
                rhei_sync_status(tool->db, &status, &error) == RHEI_OK &&
                rhei_table_list(tool->db, &tables, &count, &error) == RHEI_OK &&
                rhei_sidecar_list(tool->db, &sidecars, &sidecar_count, &error) == RHEI_OK;
    int64_t elapsed_us = rh_now_us() - started;
    rh_waiting_stop();
    if (!good) {
        rh_tell_error(tool, &error);
        code = RH_EXIT_ERROR;
    } else if (tool->args->json) {
        print_json(&report, &status, tables, count, sidecars, sidecar_count, taken_over(tool, &status), elapsed_us);
    } else {
        if (!rh_sidecars_alone(tool))
            print_report(&report, &status, taken_over(tool, &status), elapsed_us);
        print_sidecars(tool, sidecars, sidecar_count, elapsed_us);
        print_left_out(tables, count);
    }
    if (good && status.disk_folder[0] != '\0' && rhei_checkpoint(tool->db, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        code = RH_EXIT_ERROR;
    }
    if (good && !had_sidecars(tool, sidecars, sidecar_count))
        code = RH_EXIT_ERROR;
    rhei_free(tables);
    rhei_free(sidecars);
    return code;
}

int rh_sync_command(struct rh_tool *tool)
{
    if (!rh_tool_open(tool, 0))
        return RH_EXIT_ERROR;
    int code = rh_sync_run(tool);
    rh_tool_close(tool);
    return rh_finish_output(tool, code);
}
