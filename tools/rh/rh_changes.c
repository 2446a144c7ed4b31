/* SPDX-License-Identifier: Apache-2.0 */
/* rh changes: the change feed as lines of JSON, plain or in Debezium's envelope. What was written is acknowledged commit by commit. */
#include "rh_debezium.h"
#include "rh_interrupt.h"
#include "rh_number.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_writer.h"
#include "rhei/rhei_doors.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static void add_text(struct rh_buffer *out, const char *text)
{
    if (text == NULL)
        rh_buffer_add_text(out, "null");
    else
        rh_add_json_text(out, text, strlen(text));
}

/* ---- Our own lines. ---------------------------------------------------------------------------------------------- */

static void add_definition(struct rh_buffer *out, const struct rhei_change *change)
{
    rh_buffer_add_text(out, ",\"columns\":[");
    for (uint32_t c = 0; c < change->column_count; c++) {
        rh_buffer_add_text(out, c > 0 ? "," : "");
        add_text(out, change->columns[c]);
    }
    rh_buffer_add_text(out, "],\"key\":[");
    for (uint32_t k = 0; k < change->key_count; k++) {
        rh_buffer_add_text(out, k > 0 ? "," : "");
        add_text(out, change->columns[change->key_columns[k]]);
    }
    rh_buffer_add_char(out, ']');
    if (change->reason != NULL) {
        rh_buffer_add_text(out, ",\"without_before\":");
        add_text(out, change->reason);
    }
}

/* printf would be a third of what a line costs. */
static void add_number(struct rh_buffer *out, const char *name, int64_t number)
{
    char text[RH_INTEGER_SIZE];
    rh_buffer_add_text(out, name);
    rh_buffer_add_text(out, rh_format_integer(number, text));
}

static void add_plain(struct rh_buffer *out, const struct rhei_change *change)
{
    static const char *const kinds[] = {"", "table", "gone", "insert", "update", "delete", "lost", "commit"};
    bool row = change->values != NULL;
    rh_buffer_add_text(out, "{\"kind\":\"");
    rh_buffer_add_text(out, kinds[change->kind]);
    rh_buffer_add_char(out, '"');
    if (row || change->kind == RHEI_CHANGE_COMMIT) {
        add_number(out, ",\"position\":", change->position);
        add_number(out, ",\"time_us\":", change->time_us);
    }
    if (change->kind != RHEI_CHANGE_COMMIT) {
        rh_buffer_add_text(out, ",\"table\":");
        add_text(out, change->table);
        add_number(out, ",\"number\":", change->table_number);
    }
    if (change->kind == RHEI_CHANGE_TABLE)
        add_definition(out, change);
    if (row) {
        rh_buffer_add_text(out, ",\"key\":");
        rh_add_change_row(out, change, change->values, true);
    }
    if (row && change->kind != RHEI_CHANGE_DELETE) {
        rh_buffer_add_text(out, ",\"row\":");
        rh_add_change_row(out, change, change->values, false);
    }
    if (row && change->before != NULL) {
        rh_buffer_add_text(out, ",\"before\":");
        rh_add_change_row(out, change, change->before, false);
    }
    if (change->kind == RHEI_CHANGE_LOST) {
        rh_buffer_add_text(out, ",\"reason\":");
        add_text(out, change->reason);
    }
    rh_buffer_add_text(out, "}\n");
}

static void tell_lost(const struct rh_tool *tool, const struct rhei_change *change)
{
    struct rh_buffer name = {0};
    if (change->table != NULL)
        rh_add_visible(&name, change->table, strlen(change->table));
    rh_tell(tool, "changes of %s are lost, read %s anew: %s", change->table == NULL ? "all tables" : name.bytes,
            change->table == NULL ? "them" : "it", change->reason);
    rh_buffer_free(&name);
}

/* Whoever reads this format looks for `before`. */
static void tell_without_before(const struct rh_tool *tool, const struct rhei_change *change)
{
    struct rh_buffer name = {0};
    rh_add_visible(&name, change->table, strlen(change->table));
    rh_tell(tool, "note: changes of %s have no row as it was in \"before\": %s", name.bytes, change->reason);
    rh_buffer_free(&name);
}

/* ---- The command. ------------------------------------------------------------------------------------------------ */

/*
 * A writer that holds back what a changed schema needs is waited for: until Ctrl-C by who follows, else as long as for any other lock.
 */
static rhei_status next_change(struct rh_tool *tool, rhei_changes *changes, struct rhei_change *change,
                               struct rhei_error *error)
{
    enum { SLICE_MS = 20, PATIENCE_MS = 5000 };
    rhei_status status = rhei_changes_next(changes, change, error);
    for (int waited = 0; status == RHEI_BUSY && !rh_interrupted() && (tool->args->follow || waited < PATIENCE_MS);
         waited += SLICE_MS) {
        poll(NULL, 0, SLICE_MS);
        status = rhei_changes_next(changes, change, error);
    }
    return status == RHEI_BUSY && rh_interrupted() ? RHEI_DONE : status;
}

/* All that is committed now. False: an error, or the output is gone. */
static bool print_all(struct rh_tool *tool, rhei_changes *changes, struct rh_debezium *debezium, bool *cut,
                      struct rhei_error *error)
{
    struct rhei_change change = {.struct_size = sizeof change};
    struct rh_buffer line = {0};
    rhei_status status;
    bool good = true;
    while (good && !rh_interrupted() && (status = next_change(tool, changes, &change, error)) != RHEI_DONE) {
        if (status != RHEI_ROW) {
            good = false;
            break;
        }
        *cut = true;
        rh_interrupt_rest(false);
        if (tool->args->format == RH_FORMAT_DEBEZIUM) {
            rh_debezium_learn(debezium, tool->db, &change);
            rh_debezium_add(debezium, &line, &change);
            if (change.kind == RHEI_CHANGE_LOST)
                tell_lost(tool, &change);
            else if (change.kind == RHEI_CHANGE_TABLE && change.reason != NULL)
                tell_without_before(tool, &change);
        } else {
            add_plain(&line, &change);
        }
        fwrite(line.bytes == NULL ? "" : line.bytes, 1, line.length, stdout);
        rh_buffer_clear(&line);
        if (change.kind == RHEI_CHANGE_COMMIT) { /* first it is out, then it is acknowledged */
            good = rh_flush_output();
            *cut = !good;
            rh_interrupt_rest(good && tool->args->follow);
            good = good && rhei_changes_acknowledge(changes, change.position, error) == RHEI_OK;
        }
    }
    rh_buffer_free(&line);
    return good;
}

/* A name that isn't known yet becomes a consumer, for which the log waits: a slip of the keyboard should be seen. */
static bool is_new(struct rh_tool *tool, struct rh_buffer *others)
{
    rhei_rows *rows = NULL;
    bool known = false;
    const char *before = "; there are ";
    if (tool->args->consumer == NULL ||
        rhei_oltp_query(tool->db, "SELECT name FROM _rhei_consumers WHERE substr(name, 1, 6) <> '_rhei_' ORDER BY name",
                        NULL, &rows, NULL) != RHEI_OK)
        return false;
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *name = rhei_rows_text(rows, 0);
        known |= strcmp(name, tool->args->consumer) == 0;
        rh_buffer_add_text(others, before);
        rh_buffer_add_char(others, '"');
        rh_add_visible(others, name, strlen(name));
        rh_buffer_add_char(others, '"');
        before = ", ";
    }
    rhei_rows_close(&rows);
    return !known;
}

static void tell_new(const struct rh_tool *tool, const struct rh_buffer *others)
{
    struct rh_buffer name = {0};
    rh_add_visible(&name, tool->args->consumer, strlen(tool->args->consumer));
    rh_tell(tool, "consumer \"%s\" is new: it begins with %s%s", name.bytes,
            tool->args->oldest ? "the oldest change of the log" : "what is committed from now on",
            others->length > 0 ? others->bytes : "");
    rh_buffer_free(&name);
}

/* The file as the settings name it; "": that can't be told. */
static void add_database(struct rh_tool *tool, struct rh_buffer *out)
{
    (void)rh_tool_ask_info(tool, "$.settings.oltp_path", out);
    rh_buffer_add(out, "", 0); /* a text also where there is none */
}

/* *cut: what was written ends within a unit. */
static bool follow(struct rh_tool *tool, bool *cut, struct rhei_error *error)
{
    rhei_changes *changes = NULL;
    struct rhei_changes_options options = {.struct_size = sizeof options,
                                           .consumer = tool->args->consumer,
                                           .start = tool->args->oldest ? RHEI_CHANGES_OLDEST : RHEI_CHANGES_NEW,
                                           .cancel = tool->cancel};
    struct rh_buffer others = {0}, database = {0};
    add_database(tool, &database);
    struct rh_debezium debezium = {.database = database.bytes, .schemas = tool->args->schemas};
    bool made = is_new(tool, &others);
    bool good = rhei_changes_open(tool->db, &options, &changes, error) == RHEI_OK;
    if (good && made)
        tell_new(tool, &others);
    rh_buffer_free(&others);
    good = good && print_all(tool, changes, &debezium, cut, error);
    while (good && tool->args->follow && !rh_interrupted()) {
        rhei_status status = rhei_changes_wait(changes, -1, error);
        if (status == RHEI_CANCELLED && rh_interrupted())
            break;
        good = status == RHEI_OK && print_all(tool, changes, &debezium, cut, error);
    }
    rhei_changes_close(&changes);
    rh_debezium_reset(&debezium);
    rh_buffer_free(&database);
    return good;
}

int rh_changes_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    bool cut = false;
    if (!rh_tool_open(tool, RH_OPEN_WITHOUT_FOLDER)) /* it is a service's, which may come while this one follows */
        return RH_EXIT_ERROR;
    bool good = tool->args->drop ? rhei_changes_drop(tool->db, tool->args->consumer, &error) == RHEI_OK
                                 : follow(tool, &cut, &error);
    if (!good && error.code != RHEI_OK) {
        rh_tell_error(tool, &error);
    } else if (good && !tool->args->drop && rh_interrupted() &&
               (cut || !tool->args->follow)) { /* between two commits a signal is how --follow ends */
        rh_tell(tool, "cancelled [CANCELLED 57014]");
        good = false;
    }
    rh_tool_close(tool);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
