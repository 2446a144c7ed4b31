/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that begin with a dot: which there are, how a line is taken apart, what is said of a wrong one. */
#include "rh_repl.h"

#include "rh_text.h"
#include "rh_waiting.h"

#include <stdlib.h>
#include <string.h>

static RH_REPL_COMMAND(help);
static RH_REPL_COMMAND(quit);
static RH_REPL_COMMAND(status);
static RH_REPL_COMMAND(sync);

const struct rh_repl_command rh_repl_commands[] = {
    {".help", "[COMMAND]", "this list, or how one command is used", rh_repl_help, "COMMAND", 0, 1},
    {".quit", "", "ends, as Ctrl-D in an empty line does; an open transaction is rolled back", rh_repl_quit, NULL, 0,
     0},
    {".tables", "[PATTERN]", "tables and views, with rows in the column store; PATTERN as of LIKE", rh_repl_tables,
     "TABLE", 0, 1},
    {".schema", "[TABLE]", "CREATE statements", rh_repl_schema, "TABLE", 0, 1},
    {".status", "", "position, lag and tables of the column store", rh_repl_status, NULL, 0, 0},
    {".sync", "", "builds the column store and brings it to every commit", rh_repl_sync, NULL, 0, 0},
    {".auto", "", "Rhei decides which engine answers", rh_repl_route, NULL, 0, 0},
    {".olap", "", "the column store answers questions, and is built for that, or they fail", rh_repl_route, NULL, 0, 0},
    {".oltp", "", "SQLite answers", rh_repl_route, NULL, 0, 0},
    {".freshness", "[auto|latest|bounded:MS|eventual]", "how fresh answers must be; auto: as the settings say",
     rh_repl_freshness, "auto latest bounded: eventual", 0, 1},
    {".asof", "[TIME|off]", "every table as of then: 2026-11-27T10:00:00Z, seconds since 1970", rh_repl_asof, "off", 0,
     2},
    {".explain", "[SQL]", "which engine would answer, and why (EXPLAIN ROUTE); of the last statement", rh_repl_explain,
     NULL, 0, -1},
    {".mode", "[FORMAT]",
     "auto (table on a terminal, else csv), table, box, vertical, markdown, csv, tsv, json, ndjson", rh_repl_mode,
     "auto table box vertical markdown csv tsv json ndjson", 0, 1},
    {".width", "[N|auto|off]", "columns that a table may have", rh_repl_width, "auto off", 0, 1},
    {".null", "[TEXT]", "what NULL is shown as", rh_repl_null, NULL, 0, 1},
    {".timer", "[on|off]", "the line with rows, route, time, position and age", rh_repl_timer, "on off", 0, 1},
    {".pager", "[on|off]", "whether long results go through $PAGER (less -SRX)", rh_repl_pager, "on off", 0, 1},
    {".read", "FILE", "runs the statements and commands of a file, up to the first error", rh_repl_read, "FILE", 1, 1},
    {".import", "FILE [TABLE] [OPTIONS]",
     "loads CSV, JSON, Parquet or Arrow, with the options of rh import (--create, --key, ...)", rh_repl_import, "FILE",
     1, -1},
    {".export", "FILE [TABLE|SQL]",
     "writes a result to a file, with the endings of rh export (.csv .json .parquet .arrow ...); of the last statement",
     rh_repl_export, "FILE", 1, -1},
    {".plot", "[bars|line] [SQL]", "draws a result: the first column names, the last one of numbers is drawn",
     rh_repl_plot, "bars line", 0, -1},
    {".watch", "SECONDS [SQL]", "asks again and again until Ctrl-C", rh_repl_watch, NULL, 1, -1},
    {".history", "[N]", "what was entered last", rh_repl_history, NULL, 0, 1},
};
const size_t rh_repl_command_count = sizeof rh_repl_commands / sizeof *rh_repl_commands;

static const struct rh_repl_command *find(const char *name)
{
    for (size_t at = 0; at < rh_repl_command_count; at++)
        if (strcmp(rh_repl_commands[at].name, name) == 0)
            return &rh_repl_commands[at];
    return NULL;
}

bool rh_repl_is_command(const char *name)
{
    return find(name) != NULL;
}

int rh_repl_misused(struct rh_repl *repl, const struct rh_repl_command *command, const char *why)
{
    rh_tell(repl->tool, "%s %s; it is %s %s", command->name, why, command->name, command->usage);
    return RH_EXIT_USAGE;
}

static int tell_unknown(struct rh_repl *repl, const char *name)
{
    const char *names[64];
    int count = 0;
    struct rh_buffer seen = {0};
    for (size_t at = 0; at < rh_repl_command_count && count < 64; at++)
        names[count++] = rh_repl_commands[at].name;
    int nearest = rh_nearest_word(name, names, count);
    rh_add_visible(&seen, name, strlen(name));
    if (nearest >= 0)
        rh_tell(repl->tool, "there is no command %s; did you mean %s?", seen.bytes, names[nearest]);
    else if (name[0] == '\\')
        rh_tell(repl->tool, "commands begin with a dot here, and there is no %s; .help lists them", seen.bytes);
    else
        rh_tell(repl->tool, "there is no command %s; .help lists them", seen.bytes);
    rh_buffer_free(&seen);
    return RH_EXIT_USAGE;
}

/* Cuts a line in place into words: between blanks, or in quotes, in which a backslash takes the next character as it is. */
static int take_apart(char *line, char **words, const char **why)
{
    int count = 0;
    char *to = line;
    for (char *at = line; *at != '\0';) {
        if (*at == ' ' || *at == '\t') {
            at++;
            continue;
        }
        if (count == RH_REPL_WORDS) {
            *why = "has too many words";
            return -1;
        }
        words[count++] = to = at;
        char quote = '\0';
        for (; *at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')); at++)
            if (quote == '\0' && (*at == '\'' || *at == '"'))
                quote = *at;
            else if (*at == quote)
                quote = '\0';
            else if (quote == '"' && *at == '\\' && at[1] != '\0')
                *to++ = *++at;
            else
                *to++ = *at;
        if (quote != '\0') {
            *why = "has a quote without end";
            return -1;
        }
        at += *at != '\0';
        *to = '\0';
    }
    return count;
}

int rh_repl_run_command(struct rh_repl *repl, const char *line, size_t length)
{
    while (length > 0 && strchr(" \t\r;", line[length - 1]) != NULL)
        length--;
    char *copy = rh_copy_text(line, length), *whole = rh_copy_text(line, length), *words[RH_REPL_WORDS];
    size_t name = strcspn(whole, " \t");
    const char *rest = whole + name + strspn(whole + name, " \t"), *why = "";
    whole[name] = '\0';
    const struct rh_repl_command *command = find(whole);
    int code;
    if (command == NULL) {
        code = tell_unknown(repl, whole);
    } else if (command->run == rh_repl_explain || command->run == rh_repl_plot || command->run == rh_repl_watch) {
        code = command->least > 0 && *rest == '\0'
                   ? rh_repl_misused(repl, command, "needs more words")
                   : command->run(repl, command, 0, NULL, rest); /* SQL has its own quotes */
    } else {
        int count = take_apart(copy + name + (copy[name] != '\0'), words, &why);
        if (count < 0)
            code = rh_repl_misused(repl, command, why);
        else if (count < command->least)
            code = rh_repl_misused(repl, command, "needs more words");
        else if (command->most >= 0 && count > command->most)
            code = rh_repl_misused(repl, command, "takes fewer words");
        else
            code = command->run(repl, command, count, words, rest);
    }
    free(copy);
    free(whole);
    return code;
}

void rh_repl_print_words(const struct rh_repl *repl, size_t indent, size_t used, const char *text)
{
    size_t width = repl->tool->out.present ? repl->tool->out.width : 100;
    indent = indent * 2 > width ? 2 : indent;
    if (used > indent) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", (int)(used < indent ? indent - used : 0), "");
    used = indent;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (used > indent && used + 1 + length > width) {
            printf("\n%*s", (int)indent, "");
            used = indent;
        }
        used += (size_t)printf("%s%.*s", used > indent ? " " : "", (int)length, text);
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

static RH_REPL_COMMAND(help)
{
    (void)command, (void)rest;
    if (count > 0) {
        struct rh_buffer name = {0};
        rh_buffer_format(&name, "%s%s", words[0][0] == '.' ? "" : ".", words[0]);
        const struct rh_repl_command *found = find(name.bytes);
        int code = found == NULL ? tell_unknown(repl, name.bytes) : RH_EXIT_OK;
        if (found != NULL) {
            printf("%s %s\n", found->name, found->usage);
            rh_repl_print_words(repl, 2, 0, found->help);
        }
        rh_buffer_free(&name);
        return code;
    }
    for (size_t at = 0; at < rh_repl_command_count; at++) {
        const struct rh_repl_command *one = &rh_repl_commands[at];
        size_t used = (size_t)printf("%s%s%s ", one->name, one->usage[0] != '\0' ? " " : "", one->usage);
        rh_repl_print_words(repl, 28, used, one->help);
    }
    putchar('\n');
    rh_repl_print_words(
        repl, 0, 0,
        "SQL ends with a semicolon and may have several lines; Alt-Enter makes one, Tab completes, Ctrl-R searches the "
        "history, Ctrl-C drops what is typed or cancels what runs.");
    return RH_EXIT_OK;
}

static RH_REPL_COMMAND(quit)
{
    (void)command, (void)count, (void)words, (void)rest;
    repl->quit = true;
    return RH_EXIT_OK;
}

static RH_REPL_COMMAND(status)
{
    (void)command, (void)count, (void)words, (void)rest;
    rh_repl_begin_work(repl);
    int code = rh_status_run(repl->tool);
    rh_repl_end_work(repl);
    return code;
}

static RH_REPL_COMMAND(sync)
{
    (void)command, (void)count, (void)words, (void)rest;
    if (rh_repl_in_transaction(repl))
        return rh_tell(repl->tool,
                       ".sync waits for every commit, and a transaction is open here: COMMIT or ROLLBACK first");
    rh_repl_begin_work(repl);
    int code = rh_sync_run(repl->tool);
    rh_repl_end_work(repl);
    return code;
}
