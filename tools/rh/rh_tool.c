/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_tool.h"

#include "line_terminal.h"
#include "rh_advice.h"
#include "rh_interrupt.h"
#include "rh_progress.h"
#include "rh_suggest.h"
#include "rh_text.h"
#include "rh_waiting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell_log(void *context, int level, const char *room, const char *message)
{
    struct rh_tool *tool = context;
    struct rh_buffer words = {0}, line = {0};
    if (tool->look)
        (void)snprintf(tool->told, sizeof tool->told, "%s", message);
    else if (tool->told[0] != '\0' && strncmp(tool->told, message, sizeof tool->told - 1) == 0)
        return;
    rh_add_in_our_words(&words, message);
    if (tool->log != NULL) {
        tool->log(tool->log_context, level, room, words.bytes);
        rh_buffer_free(&words);
        return;
    }
    rh_waiting_clear();
    if (message[0] == '{') /* log_format = "json" */
        rh_buffer_format(&line, "%s\n", words.bytes);
    else
        rh_buffer_format(&line, "%srh: %s: %s: %s%s\n", rh_style(&tool->err, RH_YELLOW),
                         level <= RHEI_LOG_ERROR  ? "error"
                         : level == RHEI_LOG_WARN ? "warning"
                         : level == RHEI_LOG_INFO ? "info"
                                                  : "debug",
                         room, words.bytes, rh_style(&tool->err, RH_PLAIN));
    if (!line_terminal_note(line.bytes, line.length))
        fputs(line.bytes, stderr);
    rh_buffer_free(&line);
    rh_buffer_free(&words);
}

/* A look at the file alone; NULL: it isn't there, or can't be read. Nobody is told. */
static rhei_db *look(const struct rh_tool *tool)
{
    const struct rhei_config config = {
        .struct_size = sizeof config, .config_file = tool->args->config, .read_only = true, .must_exist = true};
    rhei_db *db = NULL;
    (void)rhei_open(tool->args->db, &config, &db, NULL);
    return db;
}

static bool is_there(const struct rh_tool *tool)
{
    rhei_db *db = look(tool);
    bool there = db != NULL;
    rhei_close(&db);
    return there;
}

static void discard_made(struct rh_tool *tool)
{
    tool->db = look(tool);
    tool->created = true;
    rh_tool_discard(tool);
    tool->created = false;
}

static struct rhei_config config_of(struct rh_tool *tool, unsigned flags)
{
    const struct rh_args *args = tool->args;
    return (struct rhei_config){
        .struct_size = sizeof(struct rhei_config),
        .config_file = args->config,
        .read_only = (flags & RH_OPEN_LOOK) != 0,
        .must_exist = true,
        .capture_if_present = !args->capture,
        .manual_sync = (flags & RH_OPEN_LIVE) == 0,
        .olap_path = (flags & RH_OPEN_WITHOUT_FOLDER) != 0 ? "" : NULL,
        .no_files = (flags & RH_OPEN_NO_FILES) != 0,
        .log = tell_log,
        .log_context = tool,
    };
}

bool rh_tool_look_again(struct rh_tool *tool, struct rhei_error *error)
{
    const struct rhei_config config = config_of(tool, RH_OPEN_LOOK);
    rhei_close(&tool->db);
    return rhei_open(tool->args->db, &config, &tool->db, error) == RHEI_OK;
}

bool rh_tool_open_for(struct rh_tool *tool, unsigned flags, struct rhei_error *error)
{
    const struct rh_args *args = tool->args;
    struct rhei_config config = config_of(tool, flags);
    tool->look = config.read_only;
    rhei_status status = rhei_cancel_create(&tool->cancel, error);
    rh_waiting_start(tool->out, tool->err, "opening");
    if (status == RHEI_OK)
        status = rhei_open(args->db, &config, &tool->db, error);
    bool creates = status == RHEI_CANT_OPEN && (flags & RH_OPEN_CREATE) != 0 && !is_there(tool);
    if (status == RHEI_CANT_OPEN && (flags & RH_OPEN_CREATE) != 0) {
        config.must_exist = false;
        rh_interrupt_guard(
            tool->cancel); /* nobody else holds a file that isn't there: it is made, and then taken away */
        status = rhei_open(args->db, &config, &tool->db, error);
        tool->created = status == RHEI_OK;
    }
    rh_waiting_stop();
    if (status != RHEI_OK) {
        rh_tool_close(tool);
        if (creates && is_there(tool)) /* made by an opening that came to nothing then */
            discard_made(tool);
        return false;
    }
    rh_interrupt_guard(tool->cancel);
    return true;
}

bool rh_tool_open(struct rh_tool *tool, unsigned flags)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rh_tool_open_for(tool, flags, &error))
        return true;
    rh_tell_error(tool, &error);
    return false;
}

void rh_tool_close(struct rh_tool *tool)
{
    rh_interrupt_guard(NULL);
    rh_waiting_stop();
    rhei_close(&tool->db);
    rhei_cancel_destroy(&tool->cancel);
    tool->built = false;
}

struct rhei_call_options rh_tool_limits(const struct rh_tool *tool)
{
    return (struct rhei_call_options){.struct_size = sizeof(struct rhei_call_options),
                                      .timeout_ms = tool->args->timeout_ms,
                                      .cancel = tool->cancel,
                                      .progress = rh_waiting_told};
}

bool rh_tool_ask_info(struct rh_tool *tool, const char *path, struct rh_buffer *text)
{
    char *json = NULL;
    rhei_rows *rows = NULL;
    bool there = rhei_info_json(tool->db, &json, NULL) == RHEI_OK &&
                 rhei_oltp_query(tool->db, "SELECT CAST(json_extract(?, ?) AS TEXT)",
                                 RHEI_PARAMS(rhei_text(json), rhei_text(path)), &rows, NULL) == RHEI_OK &&
                 rhei_rows_next(rows, NULL) == RHEI_ROW && rhei_rows_text(rows, 0) != NULL;
    if (there)
        rh_buffer_add_text(text, rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
    rhei_free(json);
    return there;
}

void rh_tool_add_whole(struct rh_tool *tool, const char *path, const char *message, size_t room, struct rh_buffer *text)
{
    struct rh_buffer whole = {0};
    size_t length = strlen(message);
    if (length + 1 == room && rh_tool_ask_info(tool, path, &whole) && whole.length > length)
        message = whole.bytes;
    rh_add_in_our_words(text, message);
    rh_buffer_free(&whole);
}

void rh_tool_add_disk_message(struct rh_tool *tool, const struct rhei_sync_status *status, struct rh_buffer *text)
{
    rh_tool_add_whole(tool, "$.disk.message", status->disk_message, sizeof status->disk_message, text);
}

rhei_status rh_tool_build(struct rh_tool *tool, struct rhei_error *error)
{
    struct rhei_call_options limits = rh_tool_limits(tool);
    rh_waiting_start(tool->out, tool->err, "building the column store");
    rhei_status status = rhei_initial_sync_with(tool->db, &limits, error);
    tool->built = status == RHEI_OK;
    rh_waiting_stop();
    return status;
}

/*
 * A message on standard error. On a terminal it is broken at spaces, where the terminal itself would break it within a name or a path; a line that begins with
 * a space, as one under a caret, and words that are wider than the terminal are left to it.
 */
static void tell(const struct rh_tool *tool, const char *message)
{
    struct rh_buffer text = {0};
    size_t width = tool->err.present ? tool->err.width : 0, column = 4;
    rh_buffer_add_text(&text, "rh: ");
    for (const char *at = message; *at != '\0';) {
        bool starts = at == message || at[-1] == '\n';
        if (*at == '\n' || (starts && *at == ' ')) {
            size_t length = *at == '\n' ? 1 : strcspn(at, "\n");
            rh_buffer_add(&text, at, length);
            at += length;
            column = 0;
            continue;
        }
        size_t spaces = strspn(at, " "), word = strcspn(at + spaces, " \n"), wide = rh_text_width(at + spaces, word);
        bool breaks = width > 0 && spaces > 0 && column + spaces + wide > width;
        if (breaks)
            rh_buffer_add_text(&text, "\n");
        rh_buffer_add(&text, breaks ? at + spaces : at, breaks ? word : spaces + word);
        column = breaks ? wide : column + spaces + wide;
        at += spaces + word;
    }
    rh_waiting_stop();
    rh_progress_clear();
    fprintf(stderr, "%s%s%s\n", rh_style(&tool->err, RH_RED), text.bytes, rh_style(&tool->err, RH_PLAIN));
    rh_buffer_free(&text);
}

void rh_tell_error(const struct rh_tool *tool, const struct rhei_error *error)
{
    rh_tell_error_of(tool, error, NULL, 0);
}

/* The code stands behind the words, before a line of SQL and the caret under it, which some messages of an engine have. */
void rh_tell_error_of(const struct rh_tool *tool, const struct rhei_error *error, const char *sql, size_t length)
{
    bool cancelled = error->code == RHEI_CANCELLED && strstr(error->message, "cancelled") == NULL;
    struct rh_buffer words = {0}, message = {0};
    rh_add_suggestion(tool, error->message, sql, length, &words);
    char *shown = strstr(words.bytes, RH_SHOWN_LINE);
    if (shown != NULL)
        *shown = '\0';
    rh_buffer_add_text(&message, cancelled ? "cancelled: " : "");
    rh_add_in_our_words(&message, words.bytes);
    rh_buffer_format(&message, " [%s %s]", rhei_status_name(error->code), error->sqlstate);
    if (shown != NULL && sql == NULL)
        rh_buffer_format(&message, "\n  %s", shown + 2);
    tell(tool, message.bytes);
    rh_buffer_free(&words);
    rh_buffer_free(&message);
}

double rh_metric_of(struct rhei_metric *const *metrics, size_t count, const char *name)
{
    for (size_t at = 0; at < count; at++)
        if (strcmp(metrics[at]->name, name) == 0)
            return metrics[at]->value;
    return 0;
}

int rh_tell(const struct rh_tool *tool, const char *format, ...)
{
    va_list arguments;
    char *message = NULL;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    va_end(arguments);
    tell(tool, message != NULL ? message : format);
    free(message);
    return RH_EXIT_ERROR;
}

static int output_errno; /* of the first flush that failed */

bool rh_flush_output(void)
{
    errno = 0;
    bool good = fflush(stdout) == 0;
    if (!good && output_errno == 0)
        output_errno = errno;
    return good && !ferror(stdout);
}

int rh_finish_output(const struct rh_tool *tool, int code)
{
    static bool told;
    if (rh_flush_output())
        return code;
    if (!told)
        (void)rh_tell(tool, "the output could not be written: %s",
                      output_errno != 0 ? strerror(output_errno) : "write error");
    told = true;
    return RH_EXIT_ERROR;
}
