/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only what decides where a statement ends is read: quotes, comments, and the body of CREATE TRIGGER, whose inner
 * statements end in semicolons too. A trigger ends at the first `; END ;`, as in SQLite's own sqlite3_complete().
 * What is inside a statement is the engine's to judge.
 */
#include "rh_script.h"

#include "rh_memory.h"
#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

struct splitter {
    const char *text;
    size_t length, at;
    size_t start, end; /* of the statement's tokens seen so far */
    size_t words;      /* tokens seen, up to 3 are looked at */
    enum rh_verb verb;
    bool may_be_trigger, in_trigger, after_semicolon, after_end;
};

static bool is_word_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || u == '_' || u == '$' ||
           u >= 0x80;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Past the space and comments at `at`; comments that never end reach to the end of the text. */
static size_t skip_blank(const char *text, size_t length, size_t at)
{
    while (at < length) {
        if (is_space(text[at])) {
            at++;
        } else if (text[at] == '-' && at + 1 < length && text[at + 1] == '-') {
            const char *end = memchr(text + at, '\n', length - at);
            at = end != NULL ? (size_t)(end - text) + 1 : length;
        } else if (text[at] == '/' && at + 1 < length && text[at + 1] == '*') {
            const char *end = length - at > 2 ? memmem(text + at + 2, length - at - 2, "*/", 2) : NULL;
            at = end != NULL ? (size_t)(end - text) + 2 : length;
        } else {
            break;
        }
    }
    return at;
}

static size_t skip_quoted(const char *text, size_t length, size_t at)
{
    char close = text[at] == '[' ? ']' : text[at];
    for (at++; at < length; at++) {
        if (text[at] != close)
            continue;
        if (close != ']' && at + 1 < length && text[at + 1] == close)
            at++;
        else
            return at + 1;
    }
    return length;
}

static bool word_is(const char *word, size_t length, const char *name)
{
    return rh_same_name(word, length, name, strlen(name));
}

static bool word_in(const char *word, size_t length, const char *const *names)
{
    for (; *names != NULL; names++)
        if (word_is(word, length, *names))
            return true;
    return false;
}

static void see_word(struct splitter *s, const char *word, size_t length)
{
    static const char *const transaction[] = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", NULL};
    static const char *const alone[] = {"VACUUM", "ATTACH", "DETACH", "PRAGMA", NULL};
    if (s->words == 0) {
        s->may_be_trigger = word_is(word, length, "CREATE") || word_is(word, length, "EXPLAIN");
        s->verb = word_in(word, length, transaction) ? RH_VERB_TRANSACTION
                  : word_in(word, length, alone)     ? RH_VERB_ALONE
                                                     : RH_VERB_OTHER;
    } else if (s->may_be_trigger && !s->in_trigger) {
        static const char *const between[] = {"CREATE", "TEMP", "TEMPORARY", "QUERY", "PLAN", NULL};
        s->in_trigger = word_is(word, length, "TRIGGER");
        s->may_be_trigger = s->in_trigger || word_in(word, length, between);
    }
    s->after_end = s->in_trigger && s->after_semicolon && word_is(word, length, "END");
    s->after_semicolon = false;
}

/* Reads one token; false when it was the semicolon that ends the statement. */
static bool see_token(struct splitter *s)
{
    char c = s->text[s->at];
    size_t start = s->at;
    if (c == ';') {
        s->at++;
        if (!s->in_trigger || s->after_end || s->words == 0)
            return false;
        s->after_semicolon = true;
        s->after_end = false;
    } else if (c == '\'' || c == '"' || c == '`' || c == '[') {
        s->at = skip_quoted(s->text, s->length, s->at);
        s->after_semicolon = s->after_end = s->may_be_trigger = false;
    } else if (is_word_char(c)) {
        while (s->at < s->length && is_word_char(s->text[s->at]))
            s->at++;
        see_word(s, s->text + start, s->at - start);
    } else {
        s->at++;
        s->after_semicolon = s->after_end = false;
    }
    if (s->words++ == 0)
        s->start = start;
    s->end = s->at;
    return true;
}

void rh_script_split(struct rh_script *script, const char *text, size_t length)
{
    struct splitter s = {.text = text, .length = length};
    size_t capacity = 0;
    *script = (struct rh_script){.text = text};
    do {
        s = (struct splitter){.text = text, .length = length, .at = s.at};
        for (;;) {
            s.at = skip_blank(text, length, s.at);
            if (s.at >= length || !see_token(&s))
                break;
        }
        if (s.words == 0)
            continue;
        if (script->count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            script->parts = rh_reallocate(script->parts, capacity * sizeof *script->parts);
        }
        script->parts[script->count++] = (struct rh_part){.start = s.start, .length = s.end - s.start, .verb = s.verb};
    } while (s.at < length);
}

void rh_script_free(struct rh_script *script)
{
    free(script->parts);
    *script = (struct rh_script){0};
}

struct rh_place rh_place_of(const char *text, size_t length, size_t offset)
{
    struct rh_place place = {.line = 1, .column = 1};
    if (offset > length)
        offset = length;
    for (size_t at = 0; at < offset; at++) {
        if (text[at] == '\n') {
            place.line++;
            place.line_start = at + 1;
        }
    }
    for (size_t at = place.line_start; at < offset;) {
        int32_t code;
        at += rh_utf8_next(text + at, length - at, &code);
        place.column++;
    }
    const char *end = memchr(text + place.line_start, '\n', length - place.line_start);
    place.line_end = end != NULL ? (size_t)(end - text) : length;
    if (place.line_end > place.line_start && text[place.line_end - 1] == '\r')
        place.line_end--;
    return place;
}
