/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the REPL: statements that end in semicolons, and commands that are a line each and begin with a dot. */
#include "rh_interrupt.h"
#include "rh_repl.h"

#include "rh_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool begins_line(const char *text, size_t at)
{
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    return at == 0 || text[at - 1] == '\n' || text[at - 1] == ';';
}

static void add_part(struct rh_script *script, size_t *capacity, const char *text, size_t start, size_t length)
{
    struct rh_script one;
    if (script->count == *capacity) {
        *capacity = *capacity == 0 ? 8 : *capacity * 2;
        script->parts = rh_reallocate(script->parts, *capacity * sizeof *script->parts);
    }
    rh_script_split(&one, text + start, length);
    script->parts[script->count++] =
        (struct rh_part){.start = start, .length = length, .verb = one.count > 0 ? one.parts[0].verb : RH_VERB_OTHER};
    rh_script_free(&one);
}

bool rh_repl_split(struct rh_script *script, const char *text, size_t length)
{
    struct rhei_split part = {.struct_size = sizeof part};
    size_t capacity = 0;
    bool whole = true;
    *script = (struct rh_script){.text = text};
    while (rhei_split(text, length, &part, NULL) == RHEI_OK && part.state != RHEI_SPLIT_END) {
        if (text[part.offset] == '.' && begins_line(text, part.offset)) {
            const char *end = memchr(text + part.offset, '\n', length - part.offset);
            size_t stop = end != NULL ? (size_t)(end - text) : length;
            add_part(script, &capacity, text, part.offset, stop - part.offset);
            part.position = stop;
        } else {
            add_part(script, &capacity, text, part.offset, part.length);
            whole = part.state == RHEI_SPLIT_STATEMENT;
        }
    }
    return whole && !part.open;
}

static int run_part(struct rh_repl *repl, const struct rh_statements *statements, size_t index)
{
    const struct rh_part *part = &statements->script.parts[index];
    struct rhei_error error = RHEI_ERROR_INIT;
    if (statements->script.text[part->start] == '.')
        return rh_repl_run_command(repl, statements->script.text + part->start, part->length);
    char *sql = rh_statements_copy(statements, index, "");
    bool inside = rh_repl_in_transaction(repl);
    rhei_status status = rh_repl_run_statement(repl, sql, part->verb, &error);
    if (status != RHEI_OK) {
        (void)rh_flush_output();
        rh_statements_tell(statements, repl->tool, index, 0, &error);
    }
    if (inside && !rh_repl_in_transaction(repl) && part->verb != RH_VERB_TRANSACTION)
        fputs("  The transaction was rolled back.\n", stderr);
    if (part->verb == RH_VERB_OTHER) {
        rh_buffer_clear(&repl->last);
        rh_buffer_add_text(&repl->last, sql);
    }
    free(sql);
    return status == RHEI_OK ? RH_EXIT_OK : RH_EXIT_ERROR;
}

int rh_repl_run_text(struct rh_repl *repl, const char *text, size_t length, const char *origin, size_t line)
{
    struct rh_statements statements = {.origin = origin, .line = line};
    int code = RH_EXIT_OK;
    rh_buffer_add(&statements.text, text, length);
    (void)rh_repl_split(&statements.script, statements.text.bytes, length);
    for (size_t at = 0; at < statements.script.count && code == RH_EXIT_OK && !repl->quit; at++) {
        code = run_part(repl, &statements, at);
        if (!rh_flush_output())
            code = RH_EXIT_ERROR;
    }
    rh_statements_free(&statements);
    return code;
}

int rh_repl_run_stream(struct rh_repl *repl, FILE *file, const char *origin)
{
    struct rh_buffer text = {0};
    char *line = NULL;
    size_t size = 0, lines = 0, begun = 0;
    int code = RH_EXIT_OK;
    ssize_t got;
    while (code == RH_EXIT_OK && !repl->quit && (got = getline(&line, &size, file)) >= 0) {
        struct rh_script script;
        if (lines == 0 && got >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0)
            memset(line, ' ', 3); /* a byte order mark is no SQL */
        if (memchr(line, '\0', (size_t)got) != NULL) {
            code = rh_tell(repl->tool, "%s holds a zero byte in line %zu: it isn't SQL text in UTF-8",
                           origin != NULL ? origin : "standard input", lines + 1);
            break;
        }
        rh_buffer_add(&text, line, (size_t)got);
        lines++;
        /* a line that ends nothing needn't be looked at: a long statement isn't read again for each of its lines */
        size_t end = text.length;
        while (end > 0 && strchr(" \t\r\n", text.bytes[end - 1]) != NULL)
            end--;
        size_t first = strspn(text.bytes, " \t\r\n");
        if (end > 0 && text.bytes[end - 1] != ';' && text.bytes[first] != '.')
            continue;
        bool whole = rh_repl_split(&script, text.bytes, text.length);
        rh_script_free(&script);
        if (!whole)
            continue;
        code = rh_repl_run_text(repl, text.bytes, text.length, origin, begun);
        rh_buffer_clear(&text);
        begun = lines;
    }
    if (ferror(file))
        code = rh_tell(repl->tool, "%s could not be read: %s", origin != NULL ? origin : "standard input",
                       strerror(errno));
    else if (code == RH_EXIT_OK && rh_interrupted())
        code = rh_tell(repl->tool, "cancelled [CANCELLED 57014]");
    else if (code == RH_EXIT_OK && !repl->quit && text.length > 0)
        code = rh_repl_run_text(repl, text.bytes, text.length, origin, begun);
    free(line);
    rh_buffer_free(&text);
    return code;
}
