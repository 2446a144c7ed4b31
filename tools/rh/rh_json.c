/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As rh_csv.c: the buffer begins with the record that is being read, and when more bytes are needed the record is read anew from its start; reads double
 * the buffer, so that costs twice the bytes at most.
 */
#include "rh_json.h"

#include "rh_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_READ_SIZE = 1 << 20, DEPTH_LIMIT = 256 };

enum scan { SCAN_OK, SCAN_MORE, SCAN_BAD };

void rh_json_init(struct rh_json *json, rh_csv_source source, void *context, size_t read_size)
{
    *json = (struct rh_json){
        .source = source, .context = context, .read_size = read_size > 0 ? read_size : DEFAULT_READ_SIZE, .line = 1};
}

void rh_json_free(struct rh_json *json)
{
    rh_buffer_free(&json->data);
    rh_buffer_free(&json->said);
    free(json->members);
    *json = (struct rh_json){0};
}

static bool fill(struct rh_json *json)
{
    size_t kept = json->data.length - json->start;
    if (json->start > 0) {
        memmove(json->data.bytes, json->data.bytes + json->start, kept);
        json->data.length = kept;
        json->start = 0;
    }
    size_t want = kept > json->read_size ? kept : json->read_size;
    rh_buffer_reserve(&json->data, want);
    ssize_t got = json->source(json->context, json->data.bytes + kept, want);
    if (got < 0)
        return false;
    json->at_end = got == 0;
    json->data.length += (size_t)got;
    return true;
}

/* ---- Scanning. ------------------------------------------------------------------------------------------------------- */

static enum scan bad(struct rh_json *json, size_t at, const char *why)
{
    json->bad_at = at - json->start;
    snprintf(json->why, sizeof json->why, "%s", why);
    return SCAN_BAD;
}

/* The bytes end here: for now, or for good. */
static enum scan ended(struct rh_json *json, const char *why)
{
    return json->at_end ? bad(json, json->data.length, why) : SCAN_MORE;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum scan skip_space(struct rh_json *json, size_t *at)
{
    while (*at < json->data.length && is_space(json->data.bytes[*at]))
        *at += 1;
    return *at < json->data.length ? SCAN_OK : ended(json, "the file ends in the middle of an object");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The number of \uXXXX at `text`; -1: it is none. */
static int32_t hex_code(const char *text)
{
    int32_t code = 0;
    for (int at = 0; at < 4; at++) {
        int digit = hex_digit(text[2 + at]);
        if (text[0] != '\\' || text[1] != 'u' || digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* The code point of an escape at `text`, of which `length` bytes are there, and how many it takes; 0: it is none. */
static size_t escape_at(const char *text, size_t length, int32_t *code)
{
    static const char shorts[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    for (const char *at = shorts; *at != '\0' && length >= 2; at += 2) {
        *code = at[1];
        if (*at == text[1])
            return 2;
    }
    *code = length >= 6 ? hex_code(text) : -1;
    if (*code < 0xD800 || *code > 0xDFFF)
        return *code < 0 ? 0 : 6;
    int32_t low = *code < 0xDC00 && length >= 12 ? hex_code(text + 6) : -1;
    if (low < 0xDC00 || low > 0xDFFF) /* half of a pair is no character */
        return 0;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

/* From its first quote; *text and *length are between the quotes. */
static enum scan scan_string(struct rh_json *json, size_t *at, const char **text, size_t *length, bool *escaped)
{
    size_t end = json->data.length, to = *at + 1;
    const char *bytes = json->data.bytes;
    *escaped = false;
    for (;;) {
        while (to < end && bytes[to] != '"' && bytes[to] != '\\' && (unsigned char)bytes[to] >= 0x20)
            to++;
        if (to == end)
            return json->at_end ? bad(json, *at, "this string is never closed") : SCAN_MORE;
        if (bytes[to] == '"')
            break;
        if (bytes[to] != '\\')
            return bad(json, to, "a control character within a string; a line end is written \\n, a tab \\t");
        int32_t code;
        size_t step = escape_at(bytes + to, end - to, &code);
        if (step == 0 && end - to < 12 && !json->at_end)
            return SCAN_MORE;
        if (step == 0)
            return bad(json, to, "a backslash that begins no escape of JSON");
        *escaped = true;
        to += step;
    }
    *text = bytes + *at + 1;
    *length = to - *at - 1;
    size_t valid = rh_utf8_valid(*text, *length);
    if (valid < *length)
        return bad(json, *at + 1 + valid, "a byte that is not UTF-8 here (--encoding names another encoding)");
    *at = to + 1;
    return SCAN_OK;
}

static bool take_digits(const struct rh_json *json, size_t *at)
{
    size_t from = *at;
    while (*at < json->data.length && json->data.bytes[*at] >= '0' && json->data.bytes[*at] <= '9')
        *at += 1;
    return *at > from;
}

static bool take_one_of(const struct rh_json *json, size_t *at, const char *of)
{
    bool there = *at < json->data.length && json->data.bytes[*at] != '\0' && strchr(of, json->data.bytes[*at]) != NULL;
    *at += there;
    return there;
}

static enum scan scan_number(struct rh_json *json, size_t *at)
{
    size_t to = *at;
    bool zero, good;
    take_one_of(json, &to, "-");
    zero = take_one_of(json, &to, "0");
    good = zero || take_digits(json, &to);
    if (good && take_one_of(json, &to, "."))
        good = take_digits(json, &to);
    if (good && take_one_of(json, &to, "eE")) {
        take_one_of(json, &to, "+-");
        good = take_digits(json, &to);
    }
    if (to == json->data.length && !json->at_end)
        return SCAN_MORE;
    if (!good)
        return bad(json, *at, "no number of JSON");
    *at = to;
    return SCAN_OK;
}

static enum scan scan_word(struct rh_json *json, size_t *at, const char *word)
{
    size_t length = strlen(word), left = json->data.length - *at;
    if (memcmp(json->data.bytes + *at, word, left < length ? left : length) != 0)
        return bad(json, *at, "no value of JSON: a string, a number, true, false, null, an object or an array");
    if (left < length)
        return ended(json, "the file ends in the middle of a value");
    *at += length;
    return SCAN_OK;
}

static enum scan scan_value(struct rh_json *json, size_t *at, int depth, struct rh_json_member *member);

/* Between two members, or at their end: moves past a comma, or past `close`, which sets *over. */
static enum scan scan_between(struct rh_json *json, size_t *at, char close, bool *over)
{
    enum scan scan = skip_space(json, at);
    if (scan != SCAN_OK)
        return scan;
    char c = json->data.bytes[*at];
    *over = c == close;
    if (c != ',' && !*over)
        return bad(json, *at,
                   close == '}' ? "a comma or a closing brace has to stand here"
                                : "a comma or a closing bracket has to stand here");
    *at += 1;
    return *over ? SCAN_OK : skip_space(json, at);
}

/* Whether it closes at once; *at moves behind the opening and what is blank, and behind the closing. */
static enum scan scan_open(struct rh_json *json, size_t *at, char close, bool *over)
{
    *at += 1;
    enum scan scan = skip_space(json, at);
    *over = scan == SCAN_OK && json->data.bytes[*at] == close;
    *at += *over;
    return scan;
}

static enum scan scan_member(struct rh_json *json, size_t *at, int depth, struct rh_json_member *member)
{
    if (json->data.bytes[*at] != '"')
        return bad(json, *at, "a name in double quotes has to stand here");
    enum scan scan = scan_string(json, at, &member->name, &member->name_length, &member->name_escaped);
    if (scan == SCAN_OK)
        scan = skip_space(json, at);
    if (scan == SCAN_OK && json->data.bytes[*at] != ':')
        return bad(json, *at, "a colon has to stand between name and value");
    if (scan == SCAN_OK) {
        *at += 1;
        scan = skip_space(json, at);
    }
    return scan == SCAN_OK ? scan_value(json, at, depth, member) : scan;
}

static enum scan scan_nested(struct rh_json *json, size_t *at, int depth)
{
    struct rh_json_member inner;
    bool object = json->data.bytes[*at] == '{', over = false;
    char close = object ? '}' : ']';
    if (depth == DEPTH_LIMIT)
        return bad(json, *at, "objects and arrays are nested deeper than 256 times");
    enum scan scan = scan_open(json, at, close, &over);
    while (scan == SCAN_OK && !over) {
        scan = object ? scan_member(json, at, depth + 1, &inner) : scan_value(json, at, depth + 1, &inner);
        if (scan == SCAN_OK)
            scan = scan_between(json, at, close, &over);
    }
    return scan;
}

static enum scan scan_value(struct rh_json *json, size_t *at, int depth, struct rh_json_member *member)
{
    size_t from = *at;
    char c = json->data.bytes[from];
    enum scan scan;
    member->offset = from - json->start;
    member->escaped = false;
    if (c == '"') {
        member->kind = RH_JSON_TEXT;
        return scan_string(json, at, &member->text, &member->length, &member->escaped);
    }
    if (c == '{' || c == '[') {
        member->kind = RH_JSON_NESTED;
        scan = scan_nested(json, at, depth);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        member->kind = RH_JSON_NUMBER;
        scan = scan_number(json, at);
    } else {
        member->kind = c == 't' ? RH_JSON_TRUE : c == 'f' ? RH_JSON_FALSE : RH_JSON_NULL;
        scan = scan_word(json, at, c == 't' ? "true" : c == 'f' ? "false" : "null");
    }
    member->text = json->data.bytes + from;
    member->length = *at - from;
    return scan;
}

/* ---- What members say. ----------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *to, int32_t code)
{
    unsigned value = (unsigned)code;
    if (value < 0x80) {
        to[0] = (char)value;
        return 1;
    }
    size_t length = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    static const unsigned marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t at = length - 1; at > 0; at--) {
        to[at] = (char)(0x80 | (value & 0x3F));
        value >>= 6;
    }
    to[0] = (char)(marks[length] | value);
    return length;
}

/* An escape is never shorter than what it says, so there is room. */
static void resolve(struct rh_json *json, const char **text, size_t *length)
{
    char *said = json->said.bytes + json->said.length, *to = said;
    for (size_t at = 0; at < *length;) {
        int32_t code;
        if ((*text)[at] != '\\') {
            *to++ = (*text)[at++];
            continue;
        }
        at += escape_at(*text + at, *length - at, &code);
        to += put_utf8(to, code);
    }
    *text = said;
    *length = (size_t)(to - said);
    json->said.length += *length;
}

static void resolve_blob(struct rh_json *json, struct rh_json_member *member)
{
    static const char before[] = "{\"base64\":\"", after[] = "\"}";
    size_t before_length = sizeof before - 1, around = before_length + sizeof after - 1, place = json->said.length;
    if (member->length < around || memcmp(member->text, before, before_length) != 0 ||
        memcmp(member->text + member->length - 2, after, 2) != 0 ||
        !rh_parse_base64(member->text + before_length, member->length - around, &json->said)) {
        json->said.length = place;
        return;
    }
    member->kind = RH_JSON_BLOB;
    member->text = json->said.bytes + place;
    member->length = json->said.length - place;
}

static void resolve_members(struct rh_json *json)
{
    rh_buffer_clear(&json->said);
    rh_buffer_reserve(&json->said, json->raw_length); /* once, so that nothing moves */
    for (size_t at = 0; at < json->count; at++) {
        struct rh_json_member *member = &json->members[at];
        if (member->name_escaped)
            resolve(json, &member->name, &member->name_length);
        if (member->escaped)
            resolve(json, &member->text, &member->length);
        else if (member->kind == RH_JSON_NESTED)
            resolve_blob(json, member);
    }
}

/* ---- Records. -------------------------------------------------------------------------------------------------------- */

static enum scan scan_record(struct rh_json *json, size_t *at)
{
    bool over = false;
    json->count = 0;
    if (json->data.bytes[*at] != '{')
        return bad(json, *at, "an object has to stand here: {\"name\": value, ...}");
    enum scan scan = scan_open(json, at, '}', &over);
    while (scan == SCAN_OK && !over) {
        if (json->count == json->capacity) {
            json->capacity = json->capacity == 0 ? 32 : json->capacity * 2;
            json->members = rh_reallocate(json->members, json->capacity * sizeof *json->members);
        }
        scan = scan_member(json, at, 0, &json->members[json->count++]);
        if (scan == SCAN_OK)
            scan = scan_between(json, at, '}', &over);
    }
    return scan;
}

/* Moves a place behind bytes; its column counts characters, from 0. */
static void advance(const char *bytes, size_t length, uint64_t *line, uint64_t *column)
{
    for (size_t at = 0; at < length; at++) {
        bool ends = bytes[at] == '\n';
        *line += ends;
        *column = ends ? 0 : *column + ((bytes[at] & 0xC0) != 0x80);
    }
}

/* Steps over the bytes before `next`. */
static void leave(struct rh_json *json, size_t next)
{
    advance(json->data.bytes + json->start, next - json->start, &json->line, &json->column);
    json->start = next;
}

/* What begins at `start` is the record now, or is what is wrong. */
static void begin_record(struct rh_json *json)
{
    json->raw = json->data.bytes + json->start;
    json->record_line = json->line;
    json->record_column = json->column;
}

/* Whether a character stands behind what is blank; false: the end, or *failed. */
static bool find(struct rh_json *json, bool *failed)
{
    for (;;) {
        size_t at = json->start;
        while (at < json->data.length && is_space(json->data.bytes[at]))
            at++;
        leave(json, at);
        if (at < json->data.length)
            return true;
        if (json->at_end)
            return false;
        *failed = !fill(json);
        if (*failed)
            return false;
    }
}

/* What stands between two records, up to the next or the end. SCAN_OK: a record begins; SCAN_MORE: it is all over, or *failed. */
static enum scan find_record(struct rh_json *json, bool *failed)
{
    while (!json->begun && json->data.length < 3 && !json->at_end) {
        *failed = !fill(json);
        if (*failed)
            return SCAN_MORE;
    }
    if (!json->begun && json->data.length >= 3 && memcmp(json->data.bytes, "\xEF\xBB\xBF", 3) == 0)
        json->start = 3;
    bool first = !json->begun;
    json->begun = true;
    bool there = find(json, failed);
    if (!there)
        return json->in_array && !json->over && !*failed ? bad(json, json->start, "the array is never closed")
                                                         : SCAN_MORE;
    if (json->over)
        return bad(json, json->start, "something stands behind the end of the array");
    char c = json->data.bytes[json->start];
    if (first && c == '[') {
        json->in_array = true;
        leave(json, json->start + 1);
        if (!find(json, failed))
            return *failed ? SCAN_MORE : bad(json, json->start, "the array is never closed");
        c = json->data.bytes[json->start];
    } else if (json->in_array && c != ']') {
        if (c != ',')
            return bad(json, json->start, "a comma or a closing bracket has to stand here");
        leave(json, json->start + 1);
        return find(json, failed) ? SCAN_OK : *failed ? SCAN_MORE : bad(json, json->start, "the array is never closed");
    }
    if (!json->in_array || c != ']')
        return SCAN_OK;
    json->over = true;
    leave(json, json->start + 1);
    return find(json, failed) ? bad(json, json->start, "something stands behind the end of the array") : SCAN_MORE;
}

/* Where it is; and the line where it begins goes with it. */
static enum rh_csv_result give_up(struct rh_json *json)
{
    const char *end;
    begin_record(json);
    rh_json_place(json, json->bad_at, &json->bad_line, &json->bad_column);
    for (;;) {
        size_t length = json->data.length - json->start;
        end = length > 0 ? memchr(json->data.bytes + json->start, '\n', length) : NULL;
        if (end != NULL || json->at_end)
            break;
        if (!fill(json))
            return RH_CSV_IO_ERROR;
    }
    size_t next = end != NULL ? (size_t)(end - json->data.bytes) + 1 : json->data.length;
    begin_record(json);
    json->raw_length = next - json->start - (end != NULL);
    json->lost = json->in_array;
    json->count = 0;
    leave(json, next);
    return RH_CSV_BAD;
}

enum rh_csv_result rh_json_next(struct rh_json *json)
{
    bool failed = false;
    if (json->lost)
        return RH_CSV_END;
    enum scan scan = find_record(json, &failed);
    if (scan == SCAN_BAD)
        return give_up(json);
    if (scan == SCAN_MORE)
        return failed ? RH_CSV_IO_ERROR : RH_CSV_END;
    for (;;) {
        size_t at = json->start;
        scan = scan_record(json, &at);
        if (scan == SCAN_BAD)
            return give_up(json);
        if (scan == SCAN_OK) {
            begin_record(json);
            json->raw_length = at - json->start;
            leave(json, at);
            resolve_members(json);
            return RH_CSV_RECORD;
        }
        if (!fill(json))
            return RH_CSV_IO_ERROR;
    }
}

void rh_json_place(const struct rh_json *json, size_t offset, uint64_t *line, uint64_t *column)
{
    *line = json->record_line;
    *column = json->record_column;
    advance(json->raw, offset, line, column);
    *column += 1;
}
