/* SPDX-License-Identifier: Apache-2.0 */
/* rh verify: compares tables with their mirrors, cell by cell through checksums. */
#include "rh_advice.h"
#include "rh_text.h"
#include "rh_tool.h"
#include "rh_waiting.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <string.h>

struct tally {
    uint64_t tables, rows, different, skipped;
    uint64_t whole, unread; /* sidecars: whose files were read, and whose couldn't be */
    uint64_t whole_rows;
};

static void print_one(const struct rh_tool *tool, const char *name, const char *outcome, uint64_t rows,
                      const char *message)
{
    struct rh_buffer line = {0}, words = {0};
    rh_add_in_our_words(&words, message);
    message = words.bytes;
    if (tool->args->json) {
        rh_buffer_add_text(&line, "{\"table\":");
        rh_add_json_text(&line, name, strlen(name));
        rh_buffer_format(&line, ",\"outcome\":\"%s\",\"rows\":%" PRIu64 ",\"message\":", outcome, rows);
        rh_add_json_text(&line, message, strlen(message));
        rh_buffer_add_char(&line, '}');
    } else {
        rh_buffer_format(&line, "%-10s %s", outcome, name);
        if (message[0] != '\0') {
            rh_buffer_format(&line, ": %s", message);
        } else {
            rh_buffer_add_text(&line, ", ");
            rh_add_count(&line, rows);
            rh_buffer_add_text(&line, rows == 1 ? " row" : " rows");
        }
    }
    puts(line.bytes);
    rh_buffer_free(&words);
    rh_buffer_free(&line);
}

static bool build(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rh_tool_build(tool, &error) == RHEI_OK)
        return true;
    rh_tell_error(tool, &error);
    return false;
}

static rhei_status compare(struct rh_tool *tool, const char *name, uint64_t *rows, struct rhei_error *error)
{
    struct rhei_call_options limits = rh_tool_limits(tool);
    limits.rows_per_second = (uint64_t)tool->args->rate;
    rh_waiting_start(tool->out, tool->err, "comparing");
    rhei_status status = rhei_verify_with(tool->db, name, &limits, rows, error);
    rh_waiting_stop();
    return status;
}

/* Is it one, or, where `alone` isn't said, a table of one? */
static bool is_sidecar(const struct rh_tool *tool, const char *name, bool alone)
{
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    bool is = false;
    if (rhei_sidecar_list(tool->db, &sidecars, &count, NULL) != RHEI_OK)
        return false;
    for (size_t s = 0; s < count && !is; s++) {
        size_t len = strlen(sidecars[s]->name);
        is = strncasecmp(name, sidecars[s]->name, len) == 0 && ((name[len] == '.' && !alone) || name[len] == '\0');
    }
    rhei_free(sidecars);
    return is;
}

static bool sidecar_of(const struct rh_tool *tool, const char *name)
{
    return is_sidecar(tool, name, false);
}

static bool sidecar_alone(const struct rh_tool *tool, const char *name)
{
    return is_sidecar(tool, name, true);
}

/* False: the comparison itself could not be made. */
static bool verify_one(struct rh_tool *tool, const char *name, struct tally *tally)
{
    enum { TRIES = 5 }; /* whoever has the folder may write to it while it is read */
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t rows = 0;
    rhei_status status = compare(tool, name, &rows, &error);
    for (int i = 1; i < TRIES && status == RHEI_BUSY; i++) {
        rh_tool_close(tool);
        if (!rh_tool_open(tool, RH_OPEN_LOOK) || !build(tool))
            return false;
        status = compare(tool, name, &rows, &error);
    }
    if (status == RHEI_OK && sidecar_of(tool, name)) { /* nothing was compared with its source */
        tally->whole++;
        tally->whole_rows += rows;
        print_one(tool, name, "whole", rows, "");
        return true;
    }
    if ((status == RHEI_CANT_OPEN || status == RHEI_NOT_FOUND) && sidecar_alone(tool, name)) {
        bool unread = status == RHEI_CANT_OPEN; /* the settings name a folder */
        tally->unread += unread;
        print_one(tool, name, unread ? "NOT READ" : "not kept", 0, error.message);
        return true;
    }
    if (status == RHEI_NOT_FOUND && tool->args->table == NULL) /* it is none of the file's, or gone by now */
        return true;
    if (status == RHEI_OK) {
        tally->tables++;
        tally->rows += rows;
        print_one(tool, name, "equal", rows, "");
        return true;
    }
    if (status == RHEI_STALE) {
        tally->different++;
        print_one(tool, name, "DIFFERENT", rows, error.message);
        return true;
    }
    rh_tell_error(tool, &error);
    return false;
}

static bool verify_sidecars(struct rh_tool *tool, struct tally *tally)
{
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    bool good = true;
    if (rhei_sidecar_list(tool->db, &sidecars, &count, NULL) != RHEI_OK)
        return true;
    for (size_t s = 0; s < count && good; s++)
        good = verify_one(tool, sidecars[s]->name, tally);
    rhei_free(sidecars);
    return good;
}

static bool verify_all(struct rh_tool *tool, struct tally *tally)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    if (rhei_table_list(tool->db, &tables, &count, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        return false;
    }
    bool good = true;
    for (size_t at = 0; at < count && good; at++) {
        if (tables[at]->state == RHEI_TABLE_READY && sidecar_of(tool, tables[at]->name))
            continue; /* with all of its sidecar */
        if (tables[at]->state == RHEI_TABLE_READY) {
            good = verify_one(tool, tables[at]->name, tally);
            continue;
        }
        tally->skipped++;
        tally->different += tables[at]->state == RHEI_TABLE_FAILED;
        print_one(tool, tables[at]->name, tables[at]->state == RHEI_TABLE_FAILED ? "FAILED" : "unmirrored", 0,
                  tables[at]->message[0] != '\0' ? tables[at]->message : "SQLite answers for it");
    }
    rhei_free(tables);
    return good && verify_sidecars(tool, tally);
}

static void print_sum(const struct tally *tally)
{
    struct rh_buffer line = {0};
    bool sidecars = tally->whole + tally->unread > 0;
    if (tally->tables > 0 || !sidecars) /* of sidecars alone nothing is in SQLite */
        rh_add_equal(&line, tally->tables, tally->rows);
    if (tally->whole > 0) {
        rh_buffer_format(&line, "%s %" PRIu64 " sidecar%s the files are as they were written, with ",
                         line.length > 0 ? "; of" : "Of", tally->whole, tally->whole == 1 ? "" : "s");
        rh_add_count(&line, tally->whole_rows);
        rh_buffer_add_text(&line, tally->whole_rows == 1 ? " row, and" : " rows, and");
        rh_buffer_add_text(&line, " nothing was compared with the source");
    }
    if (tally->unread > 0)
        rh_buffer_format(&line, "%s %" PRIu64 " sidecar%s nothing could be read", line.length > 0 ? "; of" : "Of",
                         tally->unread, tally->unread == 1 ? "" : "s");
    if (tally->different > 0)
        rh_buffer_format(&line, "; %" PRIu64 " differ or failed", tally->different);
    if (tally->skipped > 0)
        rh_buffer_format(&line, "; %" PRIu64 " not compared", tally->skipped);
    printf("%s.\n", line.bytes);
    rh_buffer_free(&line);
}

/* Why what is in the folder wasn't looked at, though the settings name one; false: it was. */
static bool folder_unread(const struct rh_tool *tool, struct rhei_sync_status *status)
{
    *status = (struct rhei_sync_status){.struct_size = sizeof *status};
    if (rhei_sync_status(tool->db, status, NULL) != RHEI_OK || status->disk_folder[0] == '\0')
        return false;
    if (status->disk_message[0] == '\0' && status->disk_position < 0)
        (void)snprintf(status->disk_message, sizeof status->disk_message, "%s",
                       "there is no checkpoint in it, or no such folder; rh sync makes one");
    return status->disk_message[0] != '\0';
}

static void print_folder(struct rh_tool *tool, const struct rhei_sync_status *status)
{
    struct rh_buffer line = {0}, words = {0};
    rh_tool_add_disk_message(tool, status, &words);
    if (tool->args->json) {
        rh_buffer_add_text(&line, "{\"folder\":");
        rh_add_json_text(&line, status->disk_folder, strlen(status->disk_folder));
        rh_buffer_add_text(&line, ",\"outcome\":\"unread\",\"message\":");
        rh_add_json_text(&line, words.bytes, words.length);
        rh_buffer_add_char(&line, '}');
    } else {
        rh_buffer_add_text(&line, "NOT READ   the folder ");
        rh_add_visible(&line, status->disk_folder, strlen(status->disk_folder));
        rh_buffer_format(&line, ": %s. So what is in it was not compared.", words.bytes);
    }
    puts(line.bytes);
    rh_buffer_free(&words);
    rh_buffer_free(&line);
}

int rh_verify_command(struct rh_tool *tool)
{
    struct tally tally = {0};
    if (!rh_tool_open(tool, RH_OPEN_LOOK))
        return RH_EXIT_ERROR;
    bool good = build(tool);
    if (good)
        good = tool->args->table != NULL ? verify_one(tool, tool->args->table, &tally) : verify_all(tool, &tally);
    if (good && !tool->args->json)
        print_sum(&tally);
    struct rhei_sync_status status;
    bool unread = good && folder_unread(tool, &status);
    if (unread)
        print_folder(tool, &status);
    rh_tool_close(tool);
    return rh_finish_output(tool,
                            good && !unread && tally.different == 0 && tally.unread == 0 ? RH_EXIT_OK : RH_EXIT_ERROR);
}
