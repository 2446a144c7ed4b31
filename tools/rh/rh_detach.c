/* SPDX-License-Identifier: Apache-2.0 */
/* rh detach: takes change capture out of a file. */
#include "rh_interrupt.h"
#include "rh_registry.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_waiting.h"

#include <string.h>
#include <unistd.h>

/* What was there before: to be told, for nothing of it is known from the file afterwards. */
struct before {
    bool known, captured; /* known: the file could be looked at */
    char olap[sizeof((struct rhei_sync_status *)0)->disk_folder],
        buffer[sizeof((struct rhei_sync_status *)0)->buffer_folder];
    struct rh_buffer histories; /* the folders that have them */
};

static void look(struct rh_tool *tool, struct before *before)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    rhei_rows *rows = NULL;
    *before = (struct before){.known = false};
    if (!rh_tool_open_for(tool, RH_OPEN_LOOK, &error))
        return; /* the detaching tells what is wrong */
    if (rhei_oltp_query(tool->db, "SELECT count(*) FROM sqlite_schema WHERE substr(name, 1, 6) = '_rhei_'", NULL, &rows,
                        &error) == RHEI_OK &&
        rhei_rows_next(rows, &error) == RHEI_ROW) {
        before->known = true;
        before->captured = rhei_rows_int64(rows, 0) > 0;
    }
    rhei_rows_close(&rows);
    rh_registry_add_folders(tool, true, &before->histories);
    if (rhei_sync_status(tool->db, &sync, &error) == RHEI_OK) {
        memcpy(before->olap, sync.disk_folder, sizeof before->olap);
        memcpy(before->buffer, sync.buffer_folder, sizeof before->buffer);
    }
    rh_tool_close(tool);
}

/* Once it is done, and not where it was refused: a file without capture has nothing by which anybody could tell that the folder is its. */
static void warn(const struct rh_tool *tool, const struct before *before)
{
    if (before->histories.length == 0)
        return;
    fprintf(stderr,
            "%srh: warning: the history in the folder %s ended with this, and nobody can ask it any more: rh sync "
            "--capture begins another one, in another folder%s\n",
            rh_style(&tool->err, RH_YELLOW), before->histories.bytes, rh_style(&tool->err, RH_PLAIN));
}

static void print_folder(const char *folder, const char *setting)
{
    if (folder[0] != '\0' && (rh_is_bucket(folder) || access(folder, F_OK) == 0))
        printf("The folder %s (%s) stays, for it goes with the file as it was captured: remove it, or move it\n"
               "away, before the file is captured again.\n",
               folder, setting);
}

static void print_done(const struct before *before)
{
    if (before->known && !before->captured) {
        puts("There was nothing of Rhei's in the file.");
        return;
    }
    puts("Nothing of Rhei's is in the file any more: triggers, change log and registry are out.");
    print_folder(before->olap, "olap_path");
    print_folder(before->buffer, "rocksdb_cdc_path");
}

int rh_detach_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct before before;
    look(tool, &before);
    rhei_status status = rhei_cancel_create(&tool->cancel, &error);
    struct rhei_call_options limits = rh_tool_limits(tool);
    rh_interrupt_guard(tool->cancel);
    rh_waiting_start(tool->out, tool->err, "removing change capture");
    if (status == RHEI_OK)
        status = rhei_detach_with(tool->args->db, tool->args->config, &limits, &error);
    rh_tool_close(tool);
    if (status != RHEI_OK) {
        rh_buffer_free(&before.histories);
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    warn(tool, &before);
    rh_buffer_free(&before.histories);
    print_done(&before);
    return rh_finish_output(tool, RH_EXIT_OK);
}
