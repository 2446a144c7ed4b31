/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow/arrow_usual.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/base_map.h"
#include "rhei/rhei_types.h"

static bool has_word(const char *type, size_t length, const char *word)
{
    size_t size = strlen(word);
    for (size_t at = 0; at + size <= length; at++)
        if (base_fold_equal(type + at, size, word, size))
            return true;
    return false;
}

uint8_t arrow_usual_class(const char *declared_type)
{
    /* in SQLite's order: the first that matches decides ("CHARINT" is INTEGER) */
    static const struct {
        const char *word;
        uint8_t class;
    } rules[] = {{"INT", RHEI_INTEGER}, {"CHAR", RHEI_TEXT}, {"CLOB", RHEI_TEXT}, {"TEXT", RHEI_TEXT},
                 {"BLOB", RHEI_BLOB},   {"REAL", RHEI_REAL}, {"FLOA", RHEI_REAL}, {"DOUB", RHEI_REAL}};
    size_t length = declared_type == NULL ? 0 : strlen(declared_type);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (has_word(declared_type, length, rules[i].word))
            return rules[i].class;
    return RHEI_INTEGER;
}

const char *arrow_declared_format(const char *declared_type)
{
    static const char *const classes[] = {
        [RHEI_INTEGER] = "l", [RHEI_REAL] = "g", [RHEI_TEXT] = "u", [RHEI_BLOB] = "z"};
    static const struct {
        const char *word, *format;
    } formats[] = {{"BOOL", "b"},    {"TIMESTAMP", "tsm:"}, {"DATETIME", "tsm:"}, {"DATE", "tdD"}, {"TIME", "ttm"},
                   {"DECIMAL", "g"}, {"NUMERIC", "g"},      {"NUMBER", "g"},      {"MONEY", "g"}};
    size_t length = declared_type == NULL ? 0 : strlen(declared_type);
    uint8_t class = arrow_usual_class(declared_type);
    if (class != RHEI_INTEGER || has_word(declared_type, length, "INT"))
        return classes[class];
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (has_word(declared_type, length, formats[i].word))
            return formats[i].format;
    return "u";
}
