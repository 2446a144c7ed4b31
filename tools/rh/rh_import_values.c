/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a field to a value, and from the texts of a column to its type. */
#include "rh_import.h"
#include "rh_number.h"
#include "rh_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool type_has(const char *type, const char *part)
{
    size_t length = strlen(part);
    for (; *type != '\0'; type++)
        if (strnlen(type, length) == length && rh_same_name(type, length, part, length))
            return true;
    return false;
}

enum rh_affinity rh_affinity_of(const char *type)
{
    if (type_has(type, "INT"))
        return RH_AFFINITY_INTEGER;
    if (type_has(type, "CHAR") || type_has(type, "CLOB") || type_has(type, "TEXT"))
        return RH_AFFINITY_TEXT;
    if (type[0] == '\0' || type_has(type, "BLOB"))
        return RH_AFFINITY_NONE;
    if (type_has(type, "REAL") || type_has(type, "FLOA") || type_has(type, "DOUB"))
        return RH_AFFINITY_REAL;
    return RH_AFFINITY_NUMERIC;
}

bool rh_is_blob_type(const char *type)
{
    return type_has(type, "BLOB") && rh_affinity_of(type) == RH_AFFINITY_NONE;
}

static bool is_whole(const char *text, size_t length)
{
    for (size_t at = 0; at < length; at++)
        if ((text[at] < '0' || text[at] > '9') && text[at] != '+' && text[at] != '-')
            return false;
    return true;
}

/* As rh query and rh export write it. */
static bool is_infinity(const char *text, size_t length)
{
    size_t sign = length > 0 && text[0] == '-' ? 1 : 0;
    return length == sign + 5 && memcmp(text + sign, "9e999", 5) == 0;
}

struct rh_csv_field rh_field_with_point(const struct rh_csv_field *field, char decimal, char copy[64])
{
    struct rh_csv_field made = *field;
    if (decimal != ',' || !rh_has_decimal_comma(field->text, field->length))
        return made;
    memcpy(copy, field->text, field->length);
    *(char *)memchr(copy, ',', field->length) = '.';
    made.text = copy;
    return made;
}

void rh_infer(struct rh_inference *inference, const struct rh_csv_field *field)
{
    int64_t integer;
    double real;
    bool blob = !field->quoted && !inference->no_blob && rh_is_blob_text(field->text, field->length);
    inference->any = true;
    inference->blob = inference->blob || blob;
    inference->no_blob = inference->no_blob || !blob;
    bool comma = rh_has_decimal_comma(field->text, field->length);
    inference->comma = inference->comma || comma;
    inference->no_comma = inference->no_comma || !(comma || rh_is_canonical_integer(field->text, field->length));
    if (inference->other)
        return;
    if (rh_is_canonical_integer(field->text, field->length)) {
        rh_parse_integer(field->text, field->length, &integer);
        inference->wide = inference->wide || integer > INT64_C(1) << 53 || integer < -(INT64_C(1) << 53);
        return;
    }
    /* whole numbers with leading zeros or beyond 64 bits, and 1E5, are codes: they, and what a REAL can't keep, stay text */
    bool keeps = is_infinity(field->text, field->length) ||
                 (!is_whole(field->text, field->length) && rh_parse_real(field->text, field->length, &real) &&
                  !rh_is_exponent_code(field->text, field->length) && rh_real_keeps(field->text, field->length, real));
    inference->other = !keeps;
    inference->fraction = true;
}

const char *rh_inferred_type(const struct rh_inference *inference)
{
    if (inference->blob && !inference->no_blob)
        return "BLOB";
    if (!inference->any || inference->other || (inference->fraction && inference->wide))
        return "TEXT";
    return inference->fraction ? "REAL" : "INTEGER";
}

static struct rhei_value real_value(double real)
{
    return (struct rhei_value){.as.real = real, .type = RHEI_REAL};
}

/* What a REAL would make of this number that isn't what was written; NULL: nothing. */
static const char *real_loses(const char *text, size_t length, double real)
{
    if (isinf(real) && !is_infinity(text, length))
        return "is beyond what a REAL can hold";
    if (real == 0 && !rh_real_keeps(text, length, real))
        return "is too small for a REAL, which would hold 0";
    if (is_whole(text, length) && !rh_real_keeps(text, length, real))
        return "has more digits than a REAL can hold";
    return NULL;
}

/* The number for a column that isn't REAL: where SQLite would store another one, or make 100000 of 1E5, it is none. */
static const char *number_loses(const char *text, size_t length, double real)
{
    if (is_infinity(text, length))
        return NULL;
    if (is_whole(text, length))
        return "doesn't fit into 64 bits";
    if (rh_is_exponent_code(text, length))
        return "would not be kept as it is written";
    return rh_real_keeps(text, length, real) ? NULL : real_loses(text, length, real);
}

/* True: the text is a number; *loses: why it can't be stored as one without becoming another. */
static bool number_value(const char *text, size_t length, enum rh_affinity affinity, struct rhei_value *value,
                         const char **loses)
{
    int64_t integer;
    double real;
    *loses = NULL;
    while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (affinity != RH_AFFINITY_REAL && rh_parse_integer(text, length, &integer)) {
        *value = (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
        return true;
    }
    if (!rh_parse_real(text, length, &real))
        return false;
    *value = real_value(real);
    *loses = affinity == RH_AFFINITY_REAL ? real_loses(text, length, real) : number_loses(text, length, real);
    return true;
}

static bool is_text(const struct rh_csv_field *field, struct rhei_value *value, struct rh_buffer *why)
{
    size_t valid = rh_utf8_valid(field->text, field->length);
    *value = (struct rhei_value){.as.bytes = field->text, .length = (uint32_t)field->length, .type = RHEI_TEXT};
    if (valid == field->length && field->length <= INT32_MAX)
        return true;
    if (valid == field->length)
        rh_buffer_add_text(why, "the text is longer than 2 GiB");
    else
        rh_buffer_format(why, "the byte %02x is not UTF-8 here; --encoding says what the file is in (latin1, say)",
                         (unsigned)(unsigned char)field->text[valid]);
    return false;
}

bool rh_field_value(const struct rh_csv_field *field, enum rh_affinity affinity, const char *null_text, bool any_type,
                    struct rhei_value *value, struct rh_buffer *why)
{
    if (!field->quoted && field->length == strlen(null_text) && memcmp(field->text, null_text, field->length) == 0) {
        *value = (struct rhei_value){.type = RHEI_NULL};
        return true;
    }
    if (affinity == RH_AFFINITY_TEXT || affinity == RH_AFFINITY_NONE)
        return is_text(field, value, why);
    const char *loses;
    bool number = number_value(field->text, field->length, affinity, value, &loses);
    if (number && loses == NULL)
        return true;
    if (any_type || (!number && affinity == RH_AFFINITY_NUMERIC))
        return is_text(field, value, why);
    size_t shown = rh_text_cut(field->text, field->length, 40);
    rh_buffer_add_text(why, "'");
    rh_add_visible(why, field->text, shown);
    rh_buffer_format(why, "%s' %s%s", shown < field->length ? "..." : "",
                     loses != NULL                     ? loses
                     : affinity == RH_AFFINITY_INTEGER ? "is no integer"
                                                       : "is no number",
                     !number && rh_has_decimal_comma(field->text, field->length)
                         ? " (--decimal , reads its comma as the point)"
                         : "");
    return false;
}

static bool number_of_json(const struct rh_json_member *member, struct rhei_value *value)
{
    int64_t integer;
    double real;
    if (rh_parse_integer(member->text, member->length, &integer)) {
        *value = (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
        return true;
    }
    if (is_whole(member->text, member->length) || !rh_parse_real(member->text, member->length, &real) ||
        real_loses(member->text, member->length, real) != NULL)
        return false;
    *value = real_value(real);
    return true;
}

bool rh_json_value(const struct rh_json_member *member, const struct rh_import_column *column, bool created,
                   struct rhei_value *value, struct rh_buffer *why)
{
    struct rh_csv_field field = {.text = member->text, .length = member->length};
    switch (member->kind) {
    case RH_JSON_NULL:
        *value = (struct rhei_value){.type = RHEI_NULL};
        return true;
    case RH_JSON_FALSE:
    case RH_JSON_TRUE:
        *value = (struct rhei_value){.as.integer = member->kind == RH_JSON_TRUE, .type = RHEI_INTEGER};
        return true;
    case RH_JSON_BLOB:
        *value = (struct rhei_value){.as.bytes = member->text, .length = (uint32_t)member->length, .type = RHEI_BLOB};
        return true;
    case RH_JSON_NUMBER:
        if (!created && column->affinity == RH_AFFINITY_REAL)
            return rh_field_value(&field, column->affinity, "null", false, value, why);
        if ((created || column->affinity != RH_AFFINITY_TEXT) && number_of_json(member, value))
            return true;
        if (created || column->affinity == RH_AFFINITY_TEXT || column->affinity == RH_AFFINITY_NONE)
            return is_text(&field, value, why); /* as it is written: SQLite's numbers hold less */
        return rh_field_value(&field, column->affinity, "null", false, value, why);
    default:
        return is_text(&field, value, why);
    }
}
