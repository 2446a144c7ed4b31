/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a field to a value, and from the texts of a column to its type. */
#include "rh_import.h"
#include "rh_number.h"
#include "rh_text.h"

#include <inttypes.h>
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

void rh_infer(struct rh_inference *inference, const struct rh_csv_field *field)
{
    int64_t integer;
    double real;
    inference->any = true;
    if (inference->other)
        return;
    if (rh_is_canonical_integer(field->text, field->length)) {
        rh_parse_integer(field->text, field->length, &integer);
        inference->wide = inference->wide || integer > INT64_C(1) << 53 || integer < -(INT64_C(1) << 53);
        return;
    }
    /* whole numbers with leading zeros or beyond 64 bits are codes; with a point or an exponent they are numbers */
    bool whole = true;
    for (size_t at = 0; at < field->length; at++)
        whole = whole && strchr("+-0123456789", field->text[at]) != NULL && field->text[at] != '\0';
    if (whole || !rh_parse_real(field->text, field->length, &real))
        inference->other = true;
    inference->fraction = true;
}

const char *rh_inferred_type(const struct rh_inference *inference)
{
    if (!inference->any || inference->other || (inference->fraction && inference->wide))
        return "TEXT";
    return inference->fraction ? "REAL" : "INTEGER";
}

static bool number_value(const char *text, size_t length, struct rhei_value *value)
{
    int64_t integer;
    double real;
    while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (rh_parse_integer(text, length, &integer)) {
        *value = (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
        return true;
    }
    if (rh_parse_real(text, length, &real)) {
        *value = (struct rhei_value){.as.real = real, .type = RHEI_REAL};
        return true;
    }
    return false;
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
        rh_buffer_format(why, "the byte %02x is not UTF-8 here; convert the file first (iconv -f LATIN1 -t UTF-8, say)",
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
    if (number_value(field->text, field->length, value)) {
        if (affinity == RH_AFFINITY_REAL && value->type == RHEI_INTEGER)
            *value = (struct rhei_value){.as.real = (double)value->as.integer, .type = RHEI_REAL};
        return true;
    }
    if (affinity == RH_AFFINITY_NUMERIC || any_type)
        return is_text(field, value, why);
    size_t shown = rh_text_cut(field->text, field->length, 40);
    rh_buffer_add_text(why, "'");
    rh_add_visible(why, field->text, shown);
    rh_buffer_format(why, "%s' is no %s", shown < field->length ? "..." : "",
                     affinity == RH_AFFINITY_INTEGER ? "integer" : "number");
    return false;
}
