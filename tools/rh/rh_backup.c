/* SPDX-License-Identifier: Apache-2.0 */
/* rh backup: copies database and column store into a folder. */
#include "rh_interrupt.h"
#include "rh_registry.h"
#include "rh_tool.h"
#include "rh_waiting.h"
#include "rh_writer.h"
#include "rhei/rhei_care.h"

#include <inttypes.h>
#include <string.h>

static void print_json(const char *folder, const struct rhei_backup_result *done)
{
    struct rh_buffer line = {0};
    rh_buffer_add_text(&line, "{\"folder\":");
    rh_add_json_text(&line, folder, strlen(folder));
    rh_buffer_format(&line,
                     ",\"position\":%" PRId64 ",\"database_bytes\":%" PRIu64 ",\"olap_bytes\":%" PRIu64
                     ",\"olap_position\":%" PRId64 ",\"duration_us\":%" PRId64 "}",
                     done->position, done->database_bytes, done->olap_bytes, done->olap_position, done->duration_us);
    puts(line.bytes);
    rh_buffer_free(&line);
}

static void print_done(const char *folder, const struct rhei_backup_result *done)
{
    struct rh_buffer line = {0};
    uint64_t bytes = done->database_bytes + done->olap_bytes;
    rh_buffer_format(&line, "Copied to %s: database ", folder);
    rh_add_size(&line, (double)done->database_bytes);
    if (done->olap_bytes > 0) {
        rh_buffer_add_text(&line, ", column store ");
        rh_add_size(&line, (double)done->olap_bytes);
    }
    rh_buffer_format(&line, ", position %" PRId64 ", in ", done->position);
    rh_add_duration(&line, done->duration_us);
    if (done->duration_us >= 1000) {
        rh_buffer_add_text(&line, " (");
        rh_add_size(&line, ((double)bytes * 1e6 / (double)done->duration_us));
        rh_buffer_add_text(&line, "/s)");
    }
    printf("%s.\n", line.bytes);
    rh_buffer_free(&line);
}

/* What can be built anew is left out silently by nobody who asked for both stores. */
static void tell_left_out(struct rh_tool *tool, const struct rhei_backup_result *done)
{
    struct rh_buffer folders = {0};
    if (done->olap_bytes == 0)
        rh_registry_add_folders(tool, false, &folders);
    if (folders.length > 0)
        fprintf(stderr,
                "rh: note: the copy is without the column store in %s, and builds its own: --config with its olap_path "
                "brings it in\n",
                folders.bytes);
    rh_buffer_free(&folders);
}

static rhei_status backup(struct rh_tool *tool, struct rhei_backup_result *done, struct rhei_error *error)
{
    struct rhei_call_options limits = rh_tool_limits(tool);
    rh_waiting_start(tool->out, tool->err, "copying");
    rh_interrupt_leaves(tool->args->folder, "backup.json.part");
    rhei_status status = rhei_backup(tool->db, tool->args->folder, &limits, done, error);
    rh_interrupt_leaves(NULL, NULL);
    rh_waiting_stop();
    return status;
}

/* Only looking changes nothing. Where the folder alone doesn't do, a handle of one's own makes of it what can be copied, if nobody else has it. */
int rh_backup_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_backup_result done = {.struct_size = sizeof done};
    if (!rh_tool_open(tool, RH_OPEN_LOOK))
        return RH_EXIT_ERROR;
    rhei_status status = backup(tool, &done, &error);
    if (status == RHEI_STALE) {
        rh_tool_close(tool);
        if (!rh_tool_open(tool, 0))
            return RH_EXIT_ERROR;
        status = backup(tool, &done, &error);
    }
    if (status != RHEI_OK)
        rh_tell_error(tool, &error);
    else if (tool->args->json)
        print_json(tool->args->folder, &done);
    else
        print_done(tool->args->folder, &done);
    if (status == RHEI_OK)
        tell_left_out(tool, &done);
    rh_tool_close(tool);
    return rh_finish_output(tool, status == RHEI_OK ? RH_EXIT_OK : RH_EXIT_ERROR);
}
