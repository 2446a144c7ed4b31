/* SPDX-License-Identifier: Apache-2.0 */
/* rh status: what the file says of capture and of the engines that run on it, and what this command sees of its tables. */
#include "rh_advice.h"
#include "rh_history.h"
#include "rh_registry.h"
#include "rh_sidecars.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_waiting.h"
#include "rh_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char *state_name(int32_t state)
{
    static const char *const names[] = {"waiting", "building", "ready", "failed", "unmirrored"};
    return state >= 0 && state < 5 ? names[state] : "unknown";
}

struct status {
    struct rhei_sync_status sync;
    struct rhei_table_status **tables;
    size_t table_count;
    struct rhei_metric **metrics;
    size_t metric_count;
    struct rhei_sidecar_status **sidecars;
    size_t sidecar_count;
    struct rh_registry registry;
    bool alone; /* there is no file of the engine's own */
    bool kept;  /* what is known of the sidecars, for the next command */
    bool keeps_history;
    struct rh_buffer histories; /* of tables that have one */
    struct rh_buffer gaps;      /* of theirs, as JSON */
    struct rh_buffer folder;    /* of sidecars alone */
    struct rh_buffer disk;      /* what is wrong with the folder of the file's own */
};

static bool collect(struct rh_tool *tool, struct status *status)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    *status = (struct status){.sync = {.struct_size = sizeof status->sync}};
    if (!rh_registry_read(tool, &status->registry))
        return false;
    if (rhei_sync_status(tool->db, &status->sync, &error) == RHEI_OK &&
        rhei_sidecar_list(tool->db, &status->sidecars, &status->sidecar_count, &error) == RHEI_OK &&
        rhei_metric_list(tool->db, &status->metrics, &status->metric_count, &error) == RHEI_OK) {
        rhei_status listed = rhei_table_list(tool->db, &status->tables, &status->table_count, &error);
        rh_tool_add_disk_message(tool, &status->sync, &status->disk);
        status->keeps_history = rh_history_kept(tool);
        status->alone = rh_sidecars_alone(tool);
        status->kept = rh_sidecars_kept(tool);
        if (status->alone)
            rh_sidecars_add_folder(tool, &status->folder);
        else if (status->keeps_history)
            rh_history_add(tool, &status->histories, &status->gaps);
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
    rhei_free(status->sidecars);
    rh_registry_free(&status->registry);
    rh_buffer_free(&status->histories);
    rh_buffer_free(&status->gaps);
    rh_buffer_free(&status->folder);
    rh_buffer_free(&status->disk);
}

static void add_behind(struct rh_buffer *text, int64_t newest, int64_t position)
{
    uint64_t behind = newest > position ? (uint64_t)newest - (uint64_t)position : 0;
    rh_add_count(text, behind);
    rh_buffer_add_text(text, behind == 1 ? " change behind" : " changes behind");
}

static void print_engines(const struct rh_registry *registry, int64_t newest)
{
    struct rh_buffer text = {0};
    if (!registry->installed)
        rh_buffer_add_text(&text, "not installed in this file: rh exec, import and sync install it with --capture");
    else
        rh_buffer_format(&text, "installed, %zu table%s captured", registry->captured_count,
                         registry->captured_count == 1 ? "" : "s");
    rh_print_line("Capture", &text);
    rh_buffer_format(&text, "%zu on this file", registry->engine_count);
    rh_print_line("Engines", &text);
    for (size_t at = 0; at < registry->engine_count; at++) {
        const struct rh_engine *engine = &registry->engines[at];
        if (engine->process > 0)
            rh_buffer_format(&text, "  process %" PRId64, engine->process);
        else
            rh_buffer_format(&text, "  of another machine or container (number %" PRId64 ")", engine->id);
        rh_buffer_format(&text, ": position %" PRId64 ", ", engine->position);
        add_behind(&text, newest, engine->position);
        rh_buffer_add_text(&text, ", seen ");
        rh_add_age(&text, engine->seen_ms > 0 ? engine->seen_ms * 1000 : 0);
        rh_buffer_add_text(&text, " ago");
        rh_print_line("", &text);
    }
    rh_buffer_free(&text);
}

static void print_consumers(const struct rh_registry *registry, int64_t newest)
{
    struct rh_buffer text = {0};
    if (registry->consumer_count == 0)
        return;
    rh_buffer_format(&text, "%zu of the change feed", registry->consumer_count);
    rh_print_line("Consumers", &text);
    for (size_t at = 0; at < registry->consumer_count; at++) {
        const struct rh_consumer *consumer = &registry->consumers[at];
        rh_buffer_add_text(&text, "  ");
        rh_add_visible(&text, consumer->name, strlen(consumer->name));
        rh_buffer_format(&text, ": position %" PRId64 ", ", consumer->position);
        add_behind(&text, newest, consumer->position);
        rh_buffer_add_text(&text, ", seen ");
        rh_add_age(&text, consumer->seen_ms > 0 ? consumer->seen_ms * 1000 : 0);
        rh_buffer_add_text(&text, consumer->buffered ? " ago, kept in the change buffer"
                                  : consumer->kept   ? " ago"
                                                     : " ago, so the log isn't kept for it any more");
        rh_print_line("", &text);
    }
    rh_buffer_free(&text);
}

/* Of what the log is kept for, whether this command's settings name it or not. */
static void print_folders(const struct rh_registry *registry, int64_t newest)
{
    struct rh_buffer text = {0};
    for (size_t at = 0; at < registry->folder_count; at++) {
        const struct rh_consumer *folder = &registry->folders[at];
        rh_buffer_add_text(&text, folder->kept ? "kept for the folder " : "not kept any more for the folder ");
        rh_add_visible(&text, folder->name, strlen(folder->name));
        rh_buffer_format(&text, ": checkpoint at %" PRId64 ", ", folder->position);
        add_behind(&text, newest, folder->position);
        rh_print_line("", &text);
        if (folder->kept && !rh_is_bucket(folder->name) && access(folder->name, F_OK) != 0 && errno == ENOENT) {
            rh_buffer_add_text(&text,
                               "  it is not there; if that is for good: rh changes --drop --consumer _rhei_folder:");
            rh_add_visible(&text, folder->name, strlen(folder->name));
            rh_print_line("", &text);
        }
    }
    rh_buffer_free(&text);
}

static const char *policy_name(int32_t policy)
{
    static const char *const names[] = {"detach", "grow", "block"};
    return policy >= 0 && policy < 3 ? names[policy] : "unknown";
}

static void print_log(const struct rhei_sync_status *sync)
{
    struct rh_buffer text = {0};
    rh_add_count(&text, sync->log_rows);
    rh_buffer_add_text(&text, sync->log_rows == 1 ? " row" : " rows");
    if (sync->log_rows > 1) {
        rh_buffer_add_text(&text, ", ");
        rh_add_size(&text, (double)sync->log_bytes);
        rh_buffer_add_text(&text, ", the oldest ");
        rh_add_age(&text, sync->log_age_us);
        rh_buffer_add_text(&text, " old");
    }
    rh_print_line("Change log", &text);
    if (sync->log_over) {
        rh_buffer_format(&text, "over its limit (log_limit_policy %s): %s", policy_name(sync->log_limit_policy),
                         sync->log_message);
        rh_print_line("", &text);
    }
    rh_buffer_free(&text);
}

/* Of who is the furthest behind. Without an engine it is a folder, for which the log is kept; nobody has no lag. */
static void add_lag(const struct rh_registry *registry, int64_t newest, struct rh_buffer *text)
{
    int64_t slowest = newest;
    bool engines = registry->engine_count > 0;
    size_t count = 0;
    for (size_t at = 0; at < registry->engine_count; at++)
        slowest = registry->engines[at].position < slowest ? registry->engines[at].position : slowest;
    for (size_t at = 0; !engines && at < registry->folder_count; at++) {
        count += registry->folders[at].kept;
        if (registry->folders[at].kept && registry->folders[at].position < slowest)
            slowest = registry->folders[at].position;
    }
    if (!engines && count == 0) {
        rh_buffer_add_text(text, "none: no engine reads the log");
        return;
    }
    add_behind(text, newest, slowest);
    rh_buffer_add_text(text, registry->engine_count > 1 ? ", the slowest engine"
                             : engines                  ? ", the engine"
                             : count > 1                ? ", the slowest folder: no engine reads the log now"
                                                        : ", the folder: no engine reads the log now");
}

static void print_sync(const struct status *status)
{
    const struct rhei_sync_status *sync = &status->sync;
    const struct rh_registry *registry = &status->registry;
    struct rh_buffer text = {0};
    rh_buffer_format(&text, "%" PRId64 ", the newest change", sync->log_position);
    rh_print_line("Position", &text);
    add_lag(registry, sync->log_position, &text);
    rh_print_line("Lag", &text);
    print_log(sync);
    print_folders(registry, sync->log_position);
    if (sync->last_error[0] != '\0') {
        rh_buffer_add_text(&text, sync->last_error);
        rh_print_line("Last error", &text);
    }
    rh_buffer_free(&text);
}

static void print_file(const struct status *status)
{
    struct rh_buffer text = {0};
    rh_add_size(&text, rh_metric_of(status->metrics, status->metric_count, "rhei_oltp_file_bytes"));
    rh_buffer_add_text(&text, ", write-ahead log ");
    rh_add_size(&text, rh_metric_of(status->metrics, status->metric_count, "rhei_oltp_wal_bytes"));
    rh_print_line("File", &text);
    rh_buffer_free(&text);
}

/* Without capture no engine goes on from the folder, whatever is left there. */
static bool tells_of_disk(const struct status *status)
{
    return status->sync.disk_folder[0] != '\0' && status->registry.installed;
}

static void print_disk(const struct status *status)
{
    const struct rhei_sync_status *sync = &status->sync;
    struct rh_buffer text = {0};
    if (!tells_of_disk(status))
        return;
    rh_buffer_add_text(&text, sync->disk_folder);
    rh_print_line(rh_is_bucket(sync->disk_folder) ? "Bucket" : "Folder", &text);
    if (sync->disk_position >= 0) {
        rh_add_size(&text, (double)sync->disk_bytes);
        rh_buffer_format(&text, ", position %" PRId64 ", ", sync->disk_position);
        add_behind(&text, sync->log_position, sync->disk_position);
        rh_buffer_add_text(&text, ", made ");
        rh_add_age(&text, sync->disk_age_us);
        rh_buffer_add_text(&text, " ago");
    } else {
        rh_buffer_add_text(&text, sync->disk_message[0] != '\0' ? "not known" : "none yet");
    }
    rh_print_line("Checkpoint", &text);
    if (sync->disk_message[0] != '\0') {
        rh_buffer_add_text(&text, status->disk.bytes);
        rh_print_line("", &text);
    }
    rh_buffer_free(&text);
}

static void print_history(const struct status *status)
{
    struct rh_buffer text = {0};
    const char *missing = rh_history_missing(&status->sync, status->registry.installed, status->histories.length > 0);
    if (!status->keeps_history)
        return;
    if (missing != NULL)
        rh_buffer_add_text(&text, missing);
    else if (status->histories.length > 0)
        rh_buffer_format(&text, "%s (a new table's begins with the next rh sync)", status->histories.bytes);
    else
        rh_buffer_add_text(&text, status->sync.disk_position < 0 && status->sync.disk_message[0] != '\0'
                                      ? "not to be had: see above"
                                      : "in the folder, which can't be read here");
    rh_print_line("History", &text);
    rh_buffer_free(&text);
}

static void print_buffer(const struct status *status)
{
    const struct rhei_sync_status *sync = &status->sync;
    struct rh_buffer text = {0};
    if (sync->buffer_folder[0] == '\0')
        return;
    rh_buffer_add_text(&text, sync->buffer_folder);
    if (sync->buffer_position >= 0) {
        rh_buffer_add_text(&text, ", ");
        rh_add_size(&text, (double)sync->buffer_bytes);
        if (sync->buffer_horizon >= 0)
            rh_buffer_format(&text, ", from change %" PRId64, sync->buffer_horizon + 1);
        rh_buffer_format(&text, ", up to change %" PRId64 ", ", sync->buffer_position);
        add_behind(&text, sync->log_position, sync->buffer_position);
    }
    rh_print_line("Buffer", &text);
    if (sync->buffer_message[0] != '\0') {
        rh_buffer_add_text(&text, sync->buffer_message);
        rh_print_line("", &text);
    }
    rh_buffer_free(&text);
}

/* Without a file of the engine's own there is neither capture nor a log of it. */
static void print_alone(const struct status *status)
{
    struct rh_buffer text = {0};
    bool folder = status->folder.length > 0;
    rh_buffer_add_text(&text,
                       "of sidecars alone: enable_local_oltp = true in [sidecar] puts tables of one's own beside them");
    rh_print_line("Database", &text);
    if (folder) {
        rh_buffer_add_text(&text, status->folder.bytes);
        rh_print_line("Folder", &text);
    }
    if (status->keeps_history) {
        rh_buffer_add_text(&text, status->kept
                                      ? "kept, of every table below that is followed"
                                      : "in memory alone, so it begins anew with each command: olap_path in the "
                                        "settings keeps it");
        rh_print_line("History", &text);
    }
    rh_buffer_free(&text);
}

static struct rhei_value text_value(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

/* What the column store has of histories, which the line of the history tells of. */
static bool is_of_history(const struct rhei_table_status *table)
{
    return strncmp(table->message, "a table of source \"history", 26) == 0;
}

static size_t shown_count(const struct status *status)
{
    size_t count = 0;
    for (size_t at = 0; at < status->table_count; at++)
        count += !is_of_history(status->tables[at]);
    return count;
}

static size_t ready_count(const struct status *status)
{
    size_t count = 0;
    for (size_t at = 0; at < status->table_count; at++)
        count += status->tables[at]->state == RHEI_TABLE_READY && !is_of_history(status->tables[at]);
    return count;
}

/* "shop.orders" of a sidecar "shop". */
static bool is_of_sidecar(const struct status *status, const struct rhei_table_status *table)
{
    bool is = false;
    for (size_t at = 0; at < status->sidecar_count && !is; at++) {
        size_t len = strlen(status->sidecars[at]->name);
        is = strncasecmp(table->name, status->sidecars[at]->name, len) == 0 && table->name[len] == '.';
    }
    return is;
}

/*
 * One of a sidecar: what the source lists and nothing speaks against. Beside tables of one's own a command that only looks loads none of them, and can't have the
 * folder they are in, so WAITING says nothing then.
 */
static bool is_followed(const struct status *status, const struct rhei_table_status *table)
{
    return table->state == RHEI_TABLE_READY ||
           (!status->alone && table->state != RHEI_TABLE_FAILED && table->state != RHEI_TABLE_UNMIRRORED);
}

static const char *why_not(const struct status *status, const struct rhei_table_status *table)
{
    if (strncmp(table->message, "a table of s", 12) == 0) /* of a sidecar, or another source */
        return table->message;
    if (!status->registry.installed && table->state != RHEI_TABLE_UNMIRRORED)
        return "capture is not installed";
    bool told =
        table->state == RHEI_TABLE_UNMIRRORED || table->state == RHEI_TABLE_READY; /* ready: of another source */
    return told ? table->message : "no engine has captured it: rh sync tells why";
}

static const char *history_of(const struct status *status, const struct rhei_table_status *table, bool yes, bool far)
{
    if (!table->keeps_history)
        return "";
    if (!yes || status->sync.disk_folder[0] == '\0')
        return "to be kept";
    bool unread = !far && !status->alone && status->histories.length == 0 &&
                  rh_history_missing(&status->sync, status->registry.installed, false) == NULL;
    return unread ? "not to be had" : "kept"; /* the line of the history says why */
}

static void print_table(const struct status *status, const struct rhei_table_status *table, struct rh_writer *writer,
                        struct rh_buffer *why)
{
    bool far = is_of_sidecar(status, table), ready = table->state == RHEI_TABLE_READY;
    bool yes = far             ? is_followed(status, table)
               : status->alone ? ready
                               : rh_registry_captures(&status->registry, table->name);
    rh_buffer_clear(why);
    rh_add_in_our_words(why, !yes                              ? why_not(status, table)
                             : ready && !far && !status->alone ? table->message /* why it keeps no history */
                                                               : "");
    struct rhei_value values[] = {text_value(table->name), text_value(yes ? "yes" : "no"), text_value(why->bytes),
                                  text_value(history_of(status, table, yes, far))};
    rh_writer_row(writer, values);
}

static void print_tables(const struct rh_tool *tool, const struct status *status)
{
    const char *how = status->alone               ? "loaded"
                      : status->sidecar_count > 0 ? "followed" /* one's own by capture, the sidecars' by looks */
                                                  : "captured";
    const char *const names[] = {"table", how, "why not", "history"};
    uint32_t columns = 3;
    size_t count = shown_count(status);
    for (size_t at = 0; at < status->table_count; at++)
        columns = !status->alone && status->tables[at]->keeps_history != 0 ? 4 : columns;
    printf("%-13s%zu\n", "Tables", count);
    if (count == 0)
        return;
    putchar('\n');
    struct rh_output output = {.terminal = tool->out};
    struct rh_writer *writer = rh_writer_open(RH_FORMAT_TABLE, stdout, &output, names, columns);
    struct rh_buffer why = {0};
    for (size_t at = 0; at < status->table_count; at++)
        if (!is_of_history(status->tables[at]))
            print_table(status, status->tables[at], writer, &why);
    rh_writer_close(&writer);
    rh_buffer_free(&why);
}

static void add_tables_json(struct rh_buffer *json, const struct status *status)
{
    rh_buffer_add_text(json, "\"table_list\":[");
    const char *before = "";
    for (size_t at = 0; at < status->table_count; at++) {
        const struct rhei_table_status *table = status->tables[at];
        if (is_of_history(table))
            continue;
        rh_buffer_format(json, "%s{\"name\":", before);
        before = ",";
        rh_add_json_text(json, table->name, strlen(table->name));
        rh_buffer_format(json, ",\"state\":\"%s\",", state_name(table->state));
        rh_add_json_member(json, "rows", (int64_t)table->rows);
        rh_add_json_member(json, "rows_built", (int64_t)table->rows_built);
        rh_add_json_member(json, "rows_expected", (int64_t)table->rows_expected);
        rh_add_json_member(json, "position", table->position);
        rh_buffer_format(json, "\"keeps_history\":%s,", table->keeps_history ? "true" : "false");
        rh_buffer_format(json, "\"captured\":%s,\"message\":",
                         rh_registry_captures(&status->registry, table->name) ? "true" : "false");
        rh_add_json_text(json, table->message, strlen(table->message));
        rh_buffer_add_char(json, '}');
    }
    rh_buffer_format(json, "],\"history_gaps\":%s,", status->gaps.length > 0 ? status->gaps.bytes : "[]");
}

static void add_engines_json(struct rh_buffer *json, const struct rh_registry *registry, int64_t newest)
{
    rh_buffer_format(json, "\"capture_installed\":%s,\"engines\":[", registry->installed ? "true" : "false");
    for (size_t at = 0; at < registry->engine_count; at++) {
        const struct rh_engine *engine = &registry->engines[at];
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        rh_add_json_member(json, "id", engine->id);
        rh_add_json_member(json, "process", engine->process);
        rh_add_json_member(json, "position", engine->position);
        rh_add_json_member(json, "lag_events", newest > engine->position ? newest - engine->position : 0);
        rh_buffer_format(json, "\"seen_ms_ago\":%" PRId64 "}", engine->seen_ms);
    }
    rh_buffer_add_text(json, "],\"consumers\":[");
    for (size_t at = 0; at < registry->consumer_count; at++) {
        const struct rh_consumer *consumer = &registry->consumers[at];
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        rh_add_json_text_member(json, "name", consumer->name);
        rh_add_json_member(json, "position", consumer->position);
        rh_add_json_member(json, "lag_events", newest > consumer->position ? newest - consumer->position : 0);
        rh_buffer_format(json, "\"seen_ms_ago\":%" PRId64 ",\"kept\":%s}", consumer->seen_ms,
                         consumer->kept ? "true" : "false");
    }
    rh_buffer_add_text(json, "],");
}

static void add_metrics_json(struct rh_buffer *json, const struct status *status)
{
    rh_buffer_add_text(json, "\"metrics\":[");
    for (size_t at = 0; at < status->metric_count; at++) {
        const struct rhei_metric *metric = status->metrics[at];
        rh_buffer_add_text(json, at > 0 ? ",{\"name\":" : "{\"name\":");
        rh_add_json_text(json, metric->name, strlen(metric->name));
        rh_buffer_add_text(json, ",\"labels\":");
        rh_add_json_text(json, metric->labels, strlen(metric->labels));
        rh_buffer_format(json, ",\"value\":%.17g}", metric->value);
    }
    rh_buffer_add_text(json, "]");
}

static void add_log_json(struct rh_buffer *json, const struct rhei_sync_status *sync)
{
    rh_add_json_member(json, "log_bytes", (int64_t)sync->log_bytes);
    rh_add_json_member(json, "log_age_us", sync->log_age_us);
    rh_add_json_member(json, "log_limit_rows", (int64_t)sync->log_limit_rows);
    rh_add_json_member(json, "log_limit_bytes", (int64_t)sync->log_limit_bytes);
    rh_add_json_member(json, "log_limit_age_us", sync->log_limit_age_us);
    rh_buffer_format(json, "\"log_limit_policy\":\"%s\",\"log_over\":%s,", policy_name(sync->log_limit_policy),
                     sync->log_over ? "true" : "false");
    rh_add_json_text_member(json, "log_message", sync->log_message);
}

static void print_json(const struct status *status)
{
    const struct rhei_sync_status *sync = &status->sync;
    struct rh_buffer json = {0};
    rh_buffer_format(&json, "{\"running\":%s,", sync->running ? "true" : "false");
    rh_add_json_member(&json, "position", sync->position);
    rh_add_json_member(&json, "log_position", sync->log_position);
    rh_add_json_member(&json, "lag_events", sync->lag_events);
    rh_add_json_member(&json, "age_us", sync->age_us);
    rh_add_json_member(&json, "tables", (int64_t)shown_count(status));
    rh_add_json_member(&json, "tables_ready", (int64_t)ready_count(status));
    rh_add_json_member(&json, "cycles", (int64_t)sync->cycles);
    rh_add_json_member(&json, "events", (int64_t)sync->events);
    rh_add_json_member(&json, "rows_inserted", (int64_t)sync->rows_inserted);
    rh_add_json_member(&json, "rows_updated", (int64_t)sync->rows_updated);
    rh_add_json_member(&json, "rows_deleted", (int64_t)sync->rows_deleted);
    rh_add_json_member(&json, "rows_pruned", (int64_t)sync->rows_pruned);
    rh_add_json_member(&json, "log_rows", (int64_t)sync->log_rows);
    add_log_json(&json, sync);
    rh_add_json_member(&json, "last_cycle_us", sync->last_cycle_us);
    if (tells_of_disk(status)) {
        rh_add_json_text_member(&json, "disk_folder", sync->disk_folder);
        rh_add_json_member(&json, "disk_bytes", (int64_t)sync->disk_bytes);
        rh_add_json_member(&json, "disk_position", sync->disk_position);
        rh_add_json_member(&json, "disk_age_us", sync->disk_age_us);
        rh_add_json_text_member(&json, "disk_message", sync->disk_message);
    }
    if (sync->buffer_folder[0] != '\0') {
        rh_add_json_text_member(&json, "buffer_folder", sync->buffer_folder);
        rh_add_json_member(&json, "buffer_bytes", (int64_t)sync->buffer_bytes);
        rh_add_json_member(&json, "buffer_position", sync->buffer_position);
        rh_add_json_member(&json, "buffer_horizon", sync->buffer_horizon);
        rh_add_json_member(&json, "buffer_moved", (int64_t)sync->buffer_moved);
        rh_add_json_text_member(&json, "buffer_message", sync->buffer_message);
    }
    rh_buffer_add_text(&json, "\"last_error\":");
    rh_add_json_text(&json, sync->last_error, strlen(sync->last_error));
    rh_buffer_add_char(&json, ',');
    add_engines_json(&json, &status->registry, sync->log_position);
    if (status->sidecar_count > 0) {
        rh_sidecars_add_json(&json, status->sidecars, status->sidecar_count);
        rh_buffer_add_char(&json, ',');
    }
    add_tables_json(&json, status);
    add_metrics_json(&json, status);
    printf("%s}\n", json.bytes);
    rh_buffer_free(&json);
}

static void print_own(const struct status *status)
{
    print_engines(&status->registry, status->sync.log_position);
    print_consumers(&status->registry, status->sync.log_position);
    print_sync(status);
    print_file(status);
    print_disk(status);
    print_history(status);
    print_buffer(status);
}

int rh_status_run(struct rh_tool *tool)
{
    struct status status;
    rh_waiting_start(tool->out, tool->err, "looking");
    bool good = collect(tool, &status);
    rh_waiting_stop();
    if (good && tool->args->json) {
        print_json(&status);
    } else if (good) {
        if (status.alone)
            print_alone(&status);
        else
            print_own(&status);
        rh_sidecars_print(tool, status.sidecars, status.sidecar_count);
        print_tables(tool, &status);
    }
    release(&status);
    return good ? RH_EXIT_OK : RH_EXIT_ERROR;
}

int rh_status_command(struct rh_tool *tool)
{
    if (!rh_tool_open(tool, RH_OPEN_LOOK))
        return RH_EXIT_ERROR;
    int code = rh_status_run(tool);
    rh_tool_close(tool);
    return rh_finish_output(tool, code);
}
