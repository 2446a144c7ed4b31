/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people type by habit of other prompts. A word of theirs that is all that was typed is the command that they mean; and a line that looks
 * like a command in the middle of a statement, where it is text of that, is told how it becomes one.
 */
#include "rh_lex.h"
#include "rh_repl.h"

#include <string.h>
#include <strings.h>

static const struct habit {
    const char *typed, *command;
} habits[] = {
    {"exit", ".quit"},   {"quit", ".quit"},         {"\\q", ".quit"},       {"help", ".help"},
    {"?", ".help"},      {"\\?", ".help"},          {"\\h", ".help"},       {"\\d", ".tables"},
    {"\\dt", ".tables"}, {"\\x", ".mode vertical"}, {"\\timing", ".timer"},
};

/* The line without blanks around it and the semicolon. */
static const char *bare_line(const char *text, size_t *length)
{
    size_t end = *length, begin = 0;
    while (end > 0 && strchr(" \t\r\n;", text[end - 1]) != NULL)
        end--;
    while (begin < end && strchr(" \t\r\n", text[begin]) != NULL)
        begin++;
    *length = end - begin;
    return text + begin;
}

const char *rh_repl_habit(const char *text, size_t length)
{
    const char *word = bare_line(text, &length);
    for (size_t at = 0; at < sizeof habits / sizeof *habits; at++)
        if (strlen(habits[at].typed) == length && strncasecmp(habits[at].typed, word, length) == 0)
            return habits[at].command;
    return NULL;
}

/* Where the last line begins, unless it is within a string or a comment, which may say anything; SIZE_MAX then. */
static size_t last_line(const char *text, size_t length)
{
    const char *end = memrchr(text, '\n', length);
    size_t start = end != NULL ? (size_t)(end - text) + 1 : 0;
    for (size_t at = 0; at < start;) {
        struct rh_token token = rh_lex(text, length, at);
        if (token.kind == RH_TOKEN_END)
            break;
        at += token.length;
        if (at > start && token.kind != RH_TOKEN_BLANK)
            return SIZE_MAX;
    }
    return start;
}

bool rh_repl_misplaced(const char *text, size_t length, struct rh_buffer *note)
{
    size_t start = last_line(text, length);
    if (start == 0 || start >= length)
        return false;
    size_t left = length - start;
    const char *line = bare_line(text + start, &left);
    const char *command = rh_repl_habit(line, left);
    struct rh_buffer name = {0};
    if (command == NULL && left > 1 && line[0] == '.') {
        rh_buffer_add(&name, line, strcspn(line, " \t") < left ? strcspn(line, " \t") : left);
        command = rh_repl_is_command(name.bytes) ? name.bytes : NULL;
    }
    if (command != NULL)
        rh_buffer_format(note,
                         "%s is a command where a statement has ended: a semicolon ends this one, Ctrl-C drops it.\n",
                         command);
    rh_buffer_free(&name);
    return command != NULL;
}
