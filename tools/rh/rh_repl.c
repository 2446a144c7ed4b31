/* SPDX-License-Identifier: Apache-2.0 */
/* rh repl: the loop of prompt, text and answer; without a terminal a script. */
#include "rh_repl.h"

#include "line_file.h"
#include "rh_advice.h"
#include "rh_interrupt.h"
#include "rh_registry.h"
#include "rh_text.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_whole(void *context, const char *text, size_t length)
{
    struct rh_script script;
    struct rh_buffer note = {0};
    (void)context;
    if (text[0] == '\\' || rh_repl_habit(text, length) != NULL)
        return true;
    bool whole = rh_repl_split(&script, text, length);
    rh_script_free(&script);
    if (!whole && rh_repl_misplaced(text, length, &note) && !line_terminal_note(note.bytes, note.length))
        fputs(note.bytes, stderr);
    rh_buffer_free(&note);
    return whole;
}

/* By habit of another prompt, or what was typed. */
static void run_typed(struct rh_repl *repl, const char *text, size_t length)
{
    const char *meant = rh_repl_habit(text, length);
    if (meant != NULL)
        (void)rh_repl_run_command(repl, meant, strlen(meant));
    else if (text[0] == '\\') /* no SQL begins so */
        (void)rh_repl_run_command(repl, text, length);
    else
        (void)rh_repl_run_text(repl, text, length, NULL, 0);
}

static bool was_interrupted(void *context)
{
    (void)context;
    return rh_interrupted();
}

/* A word as a shell has to have it. */
static void add_shell_word(struct rh_buffer *out, const char *word)
{
    static const char *const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%";
    rh_buffer_add_char(out, ' ');
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        rh_buffer_add_text(out, word);
        return;
    }
    rh_buffer_add_char(out, '\'');
    for (; *word != '\0'; word++)
        rh_buffer_add_text(out, *word == '\'' ? "'\\''" : (char[]){*word, '\0'});
    rh_buffer_add_char(out, '\'');
}

/* The command in a line of its own, to be copied: of this program and this file, and never broken. */
static void tell_no_capture(const struct rh_repl *repl)
{
    struct rh_buffer command = {0}, seen = {0};
    rh_repl_print_words(
        repl, 0, 0,
        "No change capture in this file: SQLite answers, and .olap builds a column store of the moment. "
        "One that follows every commit, and answers sooner, comes with");
    add_shell_word(&command, program_invocation_name);
    rh_buffer_add_text(&command, " repl --capture");
    if (repl->settings.config != NULL) {
        rh_buffer_add_text(&command, " --config");
        add_shell_word(&command, repl->settings.config);
    }
    if (repl->settings.db != NULL) {
        rh_buffer_add_text(&command, " --db");
        add_shell_word(&command, repl->settings.db);
    }
    rh_add_visible(&seen, command.bytes, command.length);
    printf("   %s\n", seen.bytes);
    rh_buffer_free(&command);
    rh_buffer_free(&seen);
}

static void greet(struct rh_repl *repl)
{
    struct rh_tool *tool = repl->tool;
    struct rh_buffer file = {0}, line = {0};
    if (rh_tool_ask_info(tool, "$.oltp_path", &file) || repl->settings.db != NULL) {
        const char *name = file.length > 0 ? file.bytes : repl->settings.db;
        rh_add_visible(&line, name, strlen(name));
    }
    printf("%srh %s%s%s. .help tells the commands, Tab completes, .quit ends.%s\n", rh_style(&tool->out, RH_DIM),
           rhei_version(), line.length > 0 ? ", " : "", line.length > 0 ? line.bytes : "",
           rh_style(&tool->out, RH_PLAIN));
    fputs(rh_style(&tool->out, RH_DIM), stdout);
    if (tool->created)
        rh_repl_print_words(repl, 0, 0, "There was no such file: it is new, and goes again if nothing is put into it.");
    if (!tool->look && !rh_registry_installed(tool))
        tell_no_capture(repl);
    fputs(rh_style(&tool->out, RH_PLAIN), stdout);
    rh_buffer_free(&file);
    rh_buffer_free(&line);
}

static void open_history(struct rh_repl *repl)
{
    if (!line_file_path(&repl->history_path, "rh"))
        return;
    int reason = line_file_read(repl->history_path.bytes, &repl->history);
    if (reason != 0)
        rh_tell(repl->tool, "the history %s could not be read: %s", repl->history_path.bytes, strerror(reason));
    repl->history_told = reason != 0;
}

static void keep(struct rh_repl *repl, const char *text, size_t length)
{
    if (!line_history_add(&repl->history, text, length) || repl->history_path.length == 0)
        return;
    int reason = line_file_append(repl->history_path.bytes, text, length);
    if (reason != 0 && !repl->history_told)
        rh_tell(repl->tool, "the history %s could not be written: %s", repl->history_path.bytes, strerror(reason));
    repl->history_told = repl->history_told || reason != 0;
}

/* The time as it was said, without its blank; on a narrow terminal that there is one. */
static void add_past(const struct rh_repl *repl, struct rh_buffer *prompt)
{
    enum { WIDE = 60 };
    const char *as_of = repl->settings.as_of;
    if (as_of == NULL)
        return;
    rh_buffer_add_char(prompt, '@');
    if (repl->tool->out.width < WIDE || strlen(as_of) > WIDE / 2)
        as_of = "past";
    for (; *as_of != '\0'; as_of++)
        rh_buffer_add_char(prompt, *as_of == ' ' ? 'T' : *as_of);
}

/* What the prompt says: a route is demanded, every table is of a time, a transaction is open. */
static void make_prompts(const struct rh_repl *repl, struct rh_buffer *prompt, struct rh_buffer *more)
{
    rh_buffer_clear(prompt);
    rh_buffer_clear(more);
    rh_buffer_format(prompt, "rh%s",
                     repl->settings.route == RHEI_ROUTE_OLAP   ? ":olap"
                     : repl->settings.route == RHEI_ROUTE_OLTP ? ":oltp"
                                                               : "");
    add_past(repl, prompt);
    rh_buffer_add_text(prompt, rh_repl_in_transaction(repl) ? "*> " : "> ");
    rh_buffer_format(more, "%*s", (int)prompt->length, "..> ");
}

static void talk(struct rh_repl *repl)
{
    const struct line_helper helper = {.context = repl,
                                       .whole = is_whole,
                                       .style = rh_repl_style,
                                       .complete = rh_repl_complete,
                                       .interrupted = was_interrupted};
    struct rh_buffer prompt = {0}, more = {0}, text = {0};
    while (!repl->quit) {
        make_prompts(repl, &prompt, &more);
        const struct line_look look = {.prompt = prompt.bytes,
                                       .more = more.bytes,
                                       .colours = repl->tool->out.colours,
                                       .utf8 = repl->tool->out.utf8};
        (void)fflush(stdout);
        rh_interrupt_forget();
        enum line_outcome outcome = line_terminal_read(&repl->terminal, &look, &helper, &repl->history);
        if (outcome == LINE_ENDED)
            break;
        if (outcome != LINE_ACCEPTED)
            continue;
        rh_interrupt_forget();
        struct rh_buffer *typed = &repl->terminal.editor.text;
        keep(repl, typed->bytes, typed->length);
        rh_buffer_clear(&text);
        rh_buffer_add(&text, typed->bytes, typed->length);
        size_t height;
        line_terminal_size(&repl->terminal, &repl->tool->out.width, &height);
        repl->tool->err.width = repl->tool->out.width;
        run_typed(repl, text.bytes, text.length);
        if (!rh_flush_output())
            break;
    }
    rh_buffer_free(&prompt);
    rh_buffer_free(&more);
    rh_buffer_free(&text);
}

static int end_session(struct rh_repl *repl, int code)
{
    if (rh_repl_in_transaction(repl))
        code = rh_tell(repl->tool, "the open transaction was rolled back; COMMIT would have kept it");
    rhei_session_close(&repl->session);
    return code;
}

static int run(struct rh_repl *repl)
{
    struct rh_tool *tool = repl->tool;
    /* a handle that only reads has no session: then each statement is for itself */
    (void)rhei_session_open(tool->db, &repl->session, NULL);
    rh_interrupt_guard(NULL);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (repl->settings.as_of != NULL && rh_repl_try_past(repl, repl->settings.as_of, &error) != RHEI_OK) {
        rh_tell_error(repl->tool, &error);
        return end_session(repl, RH_EXIT_ERROR);
    }
    if (!repl->interactive)
        return end_session(repl, rh_repl_run_stream(repl, stdin, NULL));
    open_history(repl);
    greet(repl);
    talk(repl);
    return end_session(repl, RH_EXIT_OK);
}

static void release(struct rh_repl *repl)
{
    rh_repl_forget_names(repl);
    for (size_t at = 0; at < repl->function_count; at++)
        free(repl->functions[at]);
    free(repl->functions);
    line_history_free(&repl->history);
    rh_buffer_free(&repl->history_path);
    rh_buffer_free(&repl->last);
    rh_buffer_free(&repl->null_text);
    rh_buffer_free(&repl->as_of);
}

/* Beside a service whose folder the column store is in, it is as single commands have it: SQLite answers, and .olap builds one in memory. */
static bool open_database(struct rh_repl *repl)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_tool *tool = repl->tool;
    unsigned flags = repl->settings.read_only ? RH_OPEN_LOOK : RH_OPEN_CREATE | RH_OPEN_LIVE;
    if (rh_tool_open_for(tool, flags, &error))
        return true;
    struct rhei_error first = error;
    if (error.code == RHEI_BUSY && strstr(error.message, "olap_path") != NULL &&
        rh_tool_open_for(tool, flags & ~(unsigned)RH_OPEN_LIVE, &error)) {
        if (repl->interactive)
            printf(
                "%sThe column store in olap_path is that of a program that runs: here SQLite answers, and .olap builds "
                "another in memory.%s\n",
                rh_style(&tool->out, RH_DIM), rh_style(&tool->out, RH_PLAIN));
        return true;
    }
    rh_tell_error(tool, &first);
    return false;
}

int rh_repl_command(struct rh_tool *tool)
{
    struct rh_repl repl = {.tool = tool, .settings = *tool->args};
    const struct rh_args *args = tool->args;
    if (!rh_check_format(tool))
        return RH_EXIT_ERROR;
    repl.interactive = isatty(STDIN_FILENO) && tool->out.present;
    repl.timer = repl.pager = repl.interactive;
    if (repl.interactive) {
        line_terminal_open(&repl.terminal, STDIN_FILENO, STDOUT_FILENO);
        (void)signal(SIGPIPE, SIG_IGN); /* a pager that was left ends its rows alone */
    }
    tool->args = &repl.settings;
    tool->repl = true;
    rh_advise_at_prompt();
    int code = RH_EXIT_ERROR;
    if (open_database(&repl)) {
        if (repl.interactive)
            rh_interrupt_session(line_terminal_restore);
        code = run(&repl);
    }
    if (repl.interactive)
        line_terminal_close(&repl.terminal);
    if (tool->created)
        rh_tool_discard(tool);
    else
        rh_tool_close(tool);
    release(&repl);
    tool->args = args;
    return rh_finish_output(tool, code);
}
