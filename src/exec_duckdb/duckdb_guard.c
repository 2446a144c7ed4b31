/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB 1.5 crashes on aggregates registered through its C API in two places, because it hands them one state as a
 * constant vector, which a C function can't tell from an array of states:
 *
 *   1. an ORDER BY inside the call;
 *   2. a window whose frame is the whole partition (function/window/window_constant_aggregator.cpp).
 *
 * The first is refused. The second is written as GROUPS BETWEEN CURRENT ROW AND CURRENT ROW without an ORDER BY: all rows
 * of a partition are peers then, so it is the same frame, but that aggregator doesn't take it.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"
#include "sql/sql_native_lexer.h"

static const char whole_partition[] = "GROUPS BETWEEN CURRENT ROW AND CURRENT ROW";

/* A piece of the text that becomes `whole_partition`. */
struct edit {
    const char *from, *to;
};

struct edits {
    struct edit *items;
    size_t count, capacity;
};

/* What stands in an OVER (...). */
struct window {
    const char *order, *frame, *close; /* NULL: not there */
    bool by_rows;
    int unbounded;
    bool offset;   /* n PRECEDING or FOLLOWING */
    bool excludes; /* anything but NO OTHERS */
};

static bool is_ours(const struct sql_native_token *token)
{
    static const char *const names[] = {"rhei_sum", "rhei_avg", "rhei_total"};
    for (size_t i = 0; i < sizeof names / sizeof *names && token->kind == SQL_NATIVE_NAME; i++)
        if (token->length == strlen(names[i]) && strncasecmp(token->start, names[i], token->length) == 0)
            return true;
    return false;
}

static bool is_over(const struct sql_native_token *token)
{
    return token->kind == SQL_NATIVE_END || token->kind == SQL_NATIVE_UNCLOSED;
}

/* From behind an opening bracket to its closing one; *ordered: the word ORDER stands directly inside. */
static struct sql_native_token to_close(struct sql_native_token token, bool *ordered)
{
    int depth = 1;
    while (!is_over(&token)) {
        depth += sql_native_sign(&token, '(');
        depth -= sql_native_sign(&token, ')');
        if (depth == 0)
            break;
        *ordered = *ordered || (depth == 1 && sql_native_is(&token, "order"));
        token = sql_native_next(token.end);
    }
    return token;
}

static bool begins_frame(const struct sql_native_token *token)
{
    if (!sql_native_is(token, "rows") && !sql_native_is(token, "range") && !sql_native_is(token, "groups"))
        return false;
    struct sql_native_token next = sql_native_next(token->end);
    return sql_native_is(&next, "between") || sql_native_is(&next, "unbounded") || sql_native_is(&next, "current") ||
           (next.kind == SQL_NATIVE_OTHER && isdigit((unsigned char)*next.start));
}

static void look_at(struct window *window, const struct sql_native_token *token)
{
    if (window->frame == NULL && sql_native_is(token, "order")) {
        window->order = window->order == NULL ? token->start : window->order;
    } else if (window->frame == NULL && begins_frame(token)) {
        window->frame = token->start;
        window->by_rows = sql_native_is(token, "rows");
    } else if (window->frame != NULL && sql_native_is(token, "exclude")) {
        struct sql_native_token next = sql_native_next(token->end);
        window->excludes = !sql_native_is(&next, "no");
    } else if (window->frame != NULL) {
        window->unbounded += sql_native_is(token, "unbounded");
        window->offset = window->offset || (token->kind == SQL_NATIVE_OTHER && isdigit((unsigned char)*token->start));
    }
}

/* `token` is the first behind the opening bracket. */
static struct window read_window(struct sql_native_token token)
{
    struct window window = {.order = NULL};
    int depth = 1;
    while (!is_over(&token)) {
        depth += sql_native_sign(&token, '(');
        depth -= sql_native_sign(&token, ')');
        if (depth == 0) {
            window.close = token.start;
            break;
        }
        if (depth == 1)
            look_at(&window, &token);
        token = sql_native_next(token.end);
    }
    return window;
}

static bool takes_whole_partition(const struct window *window)
{
    if (window->excludes || window->offset)
        return false;
    if (window->unbounded == 2)
        return true;
    return window->order == NULL && !(window->frame != NULL && window->by_rows);
}

static bool add_edit(struct edits *edits, const struct window *window)
{
    if (!base_grow((void **)&edits->items, &edits->capacity, edits->count + 1, sizeof *edits->items))
        return false;
    const char *from = window->close;
    if (window->frame != NULL)
        from = window->frame;
    if (window->order != NULL)
        from = window->order;
    size_t at = edits->count++;
    for (; at > 0 && edits->items[at - 1].from > from; at--)
        edits->items[at] = edits->items[at - 1];
    edits->items[at] = (struct edit){.from = from, .to = window->close};
    return true;
}

/* Behind the opening bracket of one of our aggregates. */
static rhei_status guard_call(struct sql_native_token token, struct edits *edits, struct rhei_error *error)
{
    bool ordered = false;
    token = to_close(token, &ordered);
    if (ordered)
        return error_set(error, RHEI_UNSUPPORTED, "an exact sum takes no ORDER BY inside its call");
    if (is_over(&token))
        return RHEI_OK; /* DuckDB says what is wrong */
    token = sql_native_next(token.end);
    if (sql_native_is(&token, "filter")) {
        token = sql_native_next(token.end);
        token = to_close(sql_native_next(token.end), &ordered);
        if (is_over(&token))
            return RHEI_OK;
        token = sql_native_next(token.end);
    }
    if (!sql_native_is(&token, "over"))
        return RHEI_OK;
    token = sql_native_next(token.end);
    if (!sql_native_sign(&token, '('))
        return error_set(error, RHEI_UNSUPPORTED, "an exact sum takes no named window");
    struct window window = read_window(sql_native_next(token.end));
    if (window.close == NULL || !takes_whole_partition(&window))
        return RHEI_OK;
    return add_edit(edits, &window) ? RHEI_OK : error_no_memory(error);
}

static char *apply_edits(const char *sql, const struct edits *edits)
{
    struct base_buffer text = {0};
    for (size_t i = 0; i < edits->count; i++) {
        base_buffer_append(&text, sql, (size_t)(edits->items[i].from - sql));
        base_buffer_char(&text, ' ');
        base_buffer_text(&text, whole_partition);
        sql = edits->items[i].to;
    }
    base_buffer_text(&text, sql);
    return base_buffer_take(&text);
}

rhei_status duck_guard(const char *sql, char **rewritten, struct rhei_error *error)
{
    *rewritten = NULL;
    struct edits edits = {.items = NULL};
    struct sql_native_token previous = {.kind = SQL_NATIVE_OTHER, .start = "", .length = 0};
    rhei_status status = RHEI_OK;
    for (struct sql_native_token token = sql_native_next(sql); status == RHEI_OK && !is_over(&token);
         token = sql_native_next(token.end)) {
        if (sql_native_sign(&token, '(') && is_ours(&previous))
            status = guard_call(sql_native_next(token.end), &edits, error);
        previous = token;
    }
    if (status == RHEI_OK && edits.count > 0) {
        *rewritten = apply_edits(sql, &edits);
        if (*rewritten == NULL)
            status = error_no_memory(error);
    }
    base_free(edits.items);
    return status;
}
