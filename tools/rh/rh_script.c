/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_script.h"

#include "rh_memory.h"
#include "rh_text.h"
#include "rhei/rhei_doors.h"

#include <stdlib.h>
#include <string.h>

static bool word_in(const char *word, size_t length, const char *const *names)
{
    for (; *names != NULL; names++)
        if (rh_same_name(word, length, *names, strlen(*names)))
            return true;
    return false;
}

/* By its first word, at which a statement of the engine's splitter begins. */
static enum rh_verb verb_of(const char *sql, size_t length)
{
    static const char *const transaction[] = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", NULL};
    static const char *const alone[] = {"VACUUM", "ATTACH", "DETACH", NULL};
    static const char *const pragma[] = {"PRAGMA", NULL};
    size_t word = 0;
    while (word < length && ((sql[word] | 0x20) >= 'a' && (sql[word] | 0x20) <= 'z'))
        word++;
    return word_in(sql, word, transaction) ? RH_VERB_TRANSACTION
           : word_in(sql, word, alone)     ? RH_VERB_ALONE
           : word_in(sql, word, pragma)    ? RH_VERB_PRAGMA
                                           : RH_VERB_OTHER;
}

void rh_script_split(struct rh_script *script, const char *text, size_t length)
{
    struct rhei_split part = {.struct_size = sizeof part};
    size_t capacity = 0;
    *script = (struct rh_script){.text = text};
    while (rhei_split(text, length, &part, NULL) == RHEI_OK && part.state != RHEI_SPLIT_END) {
        if (script->count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            script->parts = rh_reallocate(script->parts, capacity * sizeof *script->parts);
        }
        script->parts[script->count++] = (struct rh_part){
            .start = part.offset, .length = part.length, .verb = verb_of(text + part.offset, part.length)};
    }
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
