/* SPDX-License-Identifier: Apache-2.0 */
/* rh repair: builds again the tables of the column store that differ from SQLite's. */
#include "rh_advice.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_waiting.h"
#include "rh_writer.h"
#include "rhei/rhei_care.h"

#include <inttypes.h>
#include <string.h>

static void print_json(const struct rhei_repair_result *done, const struct rhei_error *error)
{
    struct rh_buffer line = {0}, words = {0};
    rh_add_in_our_words(&words, error->message);
    rh_buffer_format(&line,
                     "{\"tables\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"repaired\":%" PRIu64 ",\"rebuilt\":%" PRIu64
                     ",\"mended_pieces\":%" PRIu64 ",\"mended_rows\":%" PRIu64 ",\"history_lost\":%s,\"error\":",
                     done->tables, done->rows, done->repaired, done->rebuilt, done->mended_pieces, done->mended_rows,
                     done->history_lost ? "true" : "false");
    if (error->code == RHEI_OK)
        rh_buffer_add_text(&line, "null");
    else
        rh_add_json_text(&line, words.bytes, strlen(words.bytes));
    rh_buffer_add_char(&line, '}');
    puts(line.bytes);
    rh_buffer_free(&words);
    rh_buffer_free(&line);
}

/* What was wrong with the folder was mended by opening it. */
static bool add_folder(struct rh_tool *tool, struct rh_buffer *line)
{
    struct rhei_sync_status status = {.struct_size = sizeof status};
    if (rhei_sync_status(tool->db, &status, NULL) != RHEI_OK || status.disk_message[0] == '\0')
        return false;
    rh_buffer_add_text(line, "The folder, as it was found: ");
    rh_tool_add_disk_message(tool, &status, line);
    rh_buffer_add_text(line, ".\n");
    return true;
}

/* Sidecars' rows aren't SQLite's: nothing was compared. */
static void add_sum(const struct rhei_repair_result *done, struct rh_buffer *line)
{
    uint64_t own = done->tables - done->sidecar_tables;
    if (own > 0 || done->sidecar_tables == 0)
        rh_add_equal(line, own, done->rows - done->sidecar_rows);
    if (done->sidecar_tables == 0)
        return;
    rh_buffer_add_text(line, own > 0 ? "; " : "");
    rh_add_count(line, done->sidecar_tables);
    rh_buffer_add_text(line, done->sidecar_tables == 1 ? " table of sidecars is whole, with "
                                                       : " tables of sidecars are whole, with ");
    rh_add_count(line, done->sidecar_rows);
    rh_buffer_add_text(line, done->sidecar_rows == 1 ? " row" : " rows");
}

static void print_done(struct rh_tool *tool, const struct rhei_repair_result *done)
{
    struct rh_buffer line = {0};
    bool mended = add_folder(tool, &line);
    if (done->repaired == 0)
        rh_buffer_add_text(&line, mended ? "Nothing else had to be repaired: " : "Nothing had to be repaired: ");
    if (done->mended_pieces > 0) {
        rh_buffer_add_text(&line, "Mended ");
        rh_add_count(&line, done->mended_rows);
        rh_buffer_format(&line, " row%s in %" PRIu64 " part%s of %" PRIu64 " table%s",
                         done->mended_rows == 1 ? "" : "s", done->mended_pieces, done->mended_pieces == 1 ? "" : "s",
                         done->repaired - done->rebuilt, done->repaired - done->rebuilt == 1 ? "" : "s");
        rh_buffer_add_text(&line, done->rebuilt > 0 ? "; " : ": ");
    }
    if (done->rebuilt > 0)
        rh_buffer_format(&line, "%s %" PRIu64 " table%s again: ", done->mended_pieces > 0 ? "built" : "Built",
                         done->rebuilt, done->rebuilt == 1 ? "" : "s");
    add_sum(done, &line);
    printf("%s.\n", line.bytes);
    rh_buffer_free(&line);
}

int rh_repair_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_repair_result done = {.struct_size = sizeof done};
    if (!rh_tool_open(tool, 0))
        return RH_EXIT_ERROR;
    struct rhei_call_options limits = rh_tool_limits(tool);
    limits.rows_per_second = (uint64_t)tool->args->rate;
    rh_waiting_start(tool->out, tool->err, "comparing");
    rhei_status status = rhei_repair(tool->db, tool->args->table, &limits, &done, &error);
    rh_waiting_stop();
    if (tool->args->json)
        print_json(&done, &error);
    else if (status == RHEI_OK)
        print_done(tool, &done);
    if (status != RHEI_OK)
        rh_tell_error(tool, &error);
    if (done.history_lost)
        rh_tell(
            tool,
            "versions of the history are lost: the folder had them, and they could not be read (rh status tells since "
            "when there are all)");
    rh_tool_close(tool);
    return rh_finish_output(tool, status == RHEI_OK && !done.history_lost ? RH_EXIT_OK : RH_EXIT_ERROR);
}
