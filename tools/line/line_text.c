/* SPDX-License-Identifier: Apache-2.0 */
#include "line_text.h"

#include "rh_text.h"

#include <utf8proc.h>

enum { TAB_WIDTH = 4 };

size_t line_next(const char *text, size_t length, size_t at)
{
    int32_t code, next, state = 0;
    if (at >= length)
        return length;
    if ((text[at] & 0x80) == 0 && (at + 1 == length || (text[at + 1] & 0x80) == 0))
        return at + 1; /* CR LF would be one, and doesn't come */
    size_t end = at + rh_utf8_next(text + at, length - at, &code);
    while (end < length) {
        size_t step = rh_utf8_next(text + end, length - end, &next);
        if (code < 0 || next < 0 || utf8proc_grapheme_break_stateful(code, next, &state))
            break;
        code = next;
        end += step;
    }
    return end;
}

/* Clusters are found forwards: from the line's beginning, or, in a line that is long, from between two of ASCII, where one always begins. */
static size_t certain_begin(const char *text, size_t at)
{
    while (at > 0 && (text[at] < ' ' || text[at] > '~' || text[at - 1] < ' ' || text[at - 1] > '~'))
        at--;
    return at;
}

size_t line_previous(const char *text, size_t at)
{
    if (at == 0)
        return 0;
    size_t from = certain_begin(text, at - 1);
    while (from < at) {
        size_t next = line_next(text, at, from);
        if (next >= at)
            break;
        from = next;
    }
    return from;
}

size_t line_snap(const char *text, size_t length, size_t at)
{
    size_t from = certain_begin(text, at);
    while (from < at)
        from = line_next(text, length, from);
    return from;
}

/* Bidirectional embeddings, overrides and isolates: what is edited must be what is run. */
static bool turns_direction(const char *cluster, size_t length)
{
    int32_t code;
    rh_utf8_next(cluster, length, &code);
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void line_add_shown(struct rh_buffer *out, const char *cluster, size_t length)
{
    if (length > 0 && cluster[0] == '\t')
        rh_buffer_format(out, "%*s", TAB_WIDTH, "");
    else if (length > 0 && turns_direction(cluster, length))
        rh_buffer_add_text(out, "\xEF\xBF\xBD");
    else
        rh_buffer_add(out, cluster, length);
}

unsigned line_cluster_width(const char *cluster, size_t length)
{
    unsigned width = 0;
    if (length == 0 || cluster[0] == '\n')
        return 0;
    if (cluster[0] == '\t')
        return TAB_WIDTH;
    if (turns_direction(cluster, length))
        return 1;
    for (size_t at = 0; at < length;) {
        int32_t code;
        at += rh_utf8_next(cluster + at, length - at, &code);
        unsigned own = rh_code_width(code);
        if (code == 0xfe0f && width == 1) /* the sign before is shown as an emoji */
            own = 1;
        width = own > width ? own : code == 0xfe0f ? width + own : width;
    }
    return width > 2 ? 2 : width;
}

size_t line_begin(const char *text, size_t at)
{
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return at;
}

size_t line_end(const char *text, size_t length, size_t at)
{
    while (at < length && text[at] != '\n')
        at++;
    return at;
}

size_t line_column(const char *text, size_t at)
{
    size_t column = 0;
    for (size_t from = line_begin(text, at); from < at;) {
        size_t next = line_next(text, at, from);
        column += line_cluster_width(text + from, next - from);
        from = next;
    }
    return column;
}

size_t line_at_column(const char *text, size_t length, size_t begin, size_t column)
{
    size_t end = line_end(text, length, begin), used = 0;
    while (begin < end) {
        size_t next = line_next(text, end, begin);
        used += line_cluster_width(text + begin, next - begin);
        if (used > column)
            break;
        begin = next;
    }
    return begin;
}

bool line_is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

size_t line_word_end(const char *text, size_t length, size_t at)
{
    while (at < length && !line_is_word(text[at]))
        at++;
    while (at < length && line_is_word(text[at]))
        at++;
    return at;
}

size_t line_word_begin(const char *text, size_t at)
{
    while (at > 0 && !line_is_word(text[at - 1]))
        at--;
    while (at > 0 && line_is_word(text[at - 1]))
        at--;
    return at;
}

size_t line_blank_word_begin(const char *text, size_t at)
{
    while (at > 0 && is_blank(text[at - 1]))
        at--;
    while (at > 0 && !is_blank(text[at - 1]))
        at--;
    return at;
}

void line_add_clean(struct rh_buffer *out, const char *text, size_t length)
{
    rh_buffer_reserve(out, length);
    for (size_t at = 0; at < length;) {
        int32_t code;
        size_t step = rh_utf8_next(text + at, length - at, &code);
        if (code < 0)
            rh_buffer_add_text(out, "\xEF\xBF\xBD");
        else if (code == '\r')
            rh_buffer_add_char(out, '\n');
        else if (code == '\n' || code == '\t' || (code >= 0x20 && code != 0x7f && (code < 0x80 || code >= 0xa0)))
            rh_buffer_add(out, text + at, step);
        if (code == '\r' && at + 1 < length && text[at + 1] == '\n')
            at++;
        at += step;
    }
}
