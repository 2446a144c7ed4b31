/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar functions: a rule for each family, chosen by translate_functions.def. */
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_facts.h"
#include "translate/translate_internal.h"

struct call {
    const char *name; /* SQLite's, lower case */
    enum translate_form form;
    struct translate_value *arguments;
    uint32_t count;
    uint32_t offset;
};

static struct translate_value text_value(const char *text, bool ascii, uint32_t offset)
{
    struct translate_value value = translate_value_make(text, TRANSLATE_CLASS_TEXT, offset);
    value.ascii = ascii;
    return value;
}

static struct translate_value refuse_call(struct translator *t, const struct call *call, const char *reason)
{
    translate_refuse(t, call->offset, translate_format(t, "%s()", call->name), reason);
    return translate_value_null(t, call->offset);
}

static bool any_null_class(const struct call *call)
{
    for (uint32_t i = 0; i < call->count; i++)
        if (call->arguments[i].cls == TRANSLATE_CLASS_NULL)
            return true;
    return false;
}

static bool is_ascii(struct translate_value value)
{
    return value.cls != TRANSLATE_CLASS_TEXT || value.ascii;
}

/* ---- Rules ---- */

static struct translate_value rule_same(struct translator *t, const struct call *call)
{
    (void)t;
    struct translate_value value = call->arguments[0];
    value.affinity = TRANSLATE_AFFINITY_NONE;
    value.collation = NULL;
    return value;
}

static struct translate_value rule_abs(struct translator *t, const struct call *call)
{
    struct translate_value value = call->arguments[0];
    if (value.cls == TRANSLATE_CLASS_TEXT) { /* read as a REAL from its first digit on, so that of '-0' it is -0.0 */
        value = translate_value_make(translate_emit(t, TRANSLATE_FORM_TEXT_REAL, value.text, NULL, NULL),
                                     TRANSLATE_CLASS_REAL, value.offset);
        value.negative_zero = true;
    } else {
        value = translate_number(t, value);
    }
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    /* The column store may leave a call out whose value doesn't matter, and the error with it. */
    bool smallest = value.constant ? value.literal.as.integer == INT64_MIN : value.low <= -0x1p63;
    if (value.cls == TRANSLATE_CLASS_INTEGER && smallest)
        return refuse_call(t, call, "of the smallest integer it is an error in SQLite");
    if (value.negative_zero) /* -0.0 isn't less than 0: it stays */
        value.text = translate_emit_once(t, TRANSLATE_FORM_ABS_SIGNED_ZERO, value.text, NULL, NULL);
    else
        value.text = translate_emit(t, TRANSLATE_FORM_ABS, value.text, NULL, NULL);
    value.high = fmax(fabs(value.low), fabs(value.high));
    value.low = 0;
    value.constant = false;
    value.affinity = TRANSLATE_AFFINITY_NONE;
    value.collation = NULL;
    return value;
}

static struct translate_value rule_coalesce(struct translator *t, const struct call *call)
{
    const char **conditions = sql_arena_alloc(t->arena, call->count * sizeof *conditions);
    if (!conditions) {
        t->failed = true;
        return translate_value_null(t, call->offset);
    }
    uint32_t last = call->count - 1;
    for (uint32_t i = 0; i < last; i++)
        conditions[i] = translate_emit(t, TRANSLATE_FORM_NOT_NULL, call->arguments[i].text, NULL, NULL);
    struct translate_value value =
        translate_case_value(t, conditions, call->arguments, last, call->arguments[last], call->offset);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    struct base_buffer text = {0};
    for (uint32_t i = 0; i < call->count; i++)
        translate_put_item(t, &text, translate_convert(t, call->arguments[i], value));
    value.text = translate_emit(t, TRANSLATE_FORM_COALESCE, translate_keep(t, &text), NULL, NULL);
    value.nullable = true;
    for (uint32_t i = 0; i < call->count; i++)
        value.nullable = value.nullable && call->arguments[i].nullable;
    return value;
}

static struct translate_value rule_concat(struct translator *t, const struct call *call)
{
    struct base_buffer text = {0};
    bool ascii = true;
    for (uint32_t i = 0; i < call->count; i++) {
        base_buffer_text(&text, t->forms[i ? TRANSLATE_FORM_CHAIN_CONCAT : TRANSLATE_FORM_CHAIN_OPEN]);
        translate_put(t, &text, TRANSLATE_FORM_TEXT_OR_EMPTY, translate_as_text(t, call->arguments[i]), NULL);
        ascii = ascii && is_ascii(call->arguments[i]);
    }
    base_buffer_text(&text, t->forms[TRANSLATE_FORM_CHAIN_CLOSE]);
    return text_value(translate_keep(t, &text), ascii, call->offset);
}

static bool is_word(struct translate_value value, const char *word)
{
    return base_fold_equal(value.literal.as.bytes, value.literal.length, word, strlen(word));
}

/* The first argument of strftime is a format, the next a time, then modifiers. A time that isn't a text would be a number
 * of days; as a text an integer still is. */
static struct translate_value rule_date(struct translator *t, const struct call *call)
{
    struct base_buffer text = {0};
    bool format = strcmp(call->name, "strftime") == 0;
    BASE_INVARIANT(call->form >= TRANSLATE_FORM_DATE && call->form <= TRANSLATE_FORM_UNIXEPOCH);
    for (uint32_t i = 0; i < call->count; i++) {
        struct translate_value value = translate_plain(t, call->arguments[i]);
        bool modifier = i > (format ? 1U : 0U);
        if (value.cls != TRANSLATE_CLASS_TEXT && value.cls != TRANSLATE_CLASS_NULL &&
            value.cls != TRANSLATE_CLASS_INTEGER)
            refuse_call(t, call, "a time that is a REAL is not translated");
        if (value.cls == TRANSLATE_CLASS_TEXT && value.constant && !(format && i == 0) &&
            (is_word(value, "now") || is_word(value, "localtime") || is_word(value, "utc")))
            refuse_call(t, call, "it depends on the clock or the time zone");
        if (modifier && !value.constant)
            refuse_call(t, call, "a modifier that isn't a literal");
        translate_put_item(t, &text, translate_as_text(t, value));
    }
    enum translate_class cls = strcmp(call->name, "julianday") == 0   ? TRANSLATE_CLASS_REAL
                               : strcmp(call->name, "unixepoch") == 0 ? TRANSLATE_CLASS_INTEGER
                                                                      : TRANSLATE_CLASS_TEXT;
    struct translate_value value =
        translate_value_make(translate_emit(t, call->form, translate_keep(t, &text), NULL, NULL), cls, call->offset);
    value.ascii = !format || call->arguments[0].ascii;
    if (cls == TRANSLATE_CLASS_REAL) {
        value.low = 0;
        value.high = 1e7;
    }
    return value;
}

static struct translate_value rule_like(struct translator *t, const struct call *call)
{
    const char *pattern = translate_as_text(t, call->arguments[0]), *text = translate_as_text(t, call->arguments[1]);
    const char *escape = NULL;
    if (call->count == 3)
        escape = translate_escape(t, call->arguments[2], call->offset);
    enum translate_form form = escape                 ? TRANSLATE_FORM_LIKE_ESCAPE
                               : call->name[0] == 'g' ? TRANSLATE_FORM_GLOB
                                                      : TRANSLATE_FORM_LIKE;
    return translate_value_boolean(translate_emit(t, form, text, pattern, escape), call->offset);
}

static struct translate_value rule_hex(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_plain(t, call->arguments[0]);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return translate_value_text(t, "", 0, call->offset);
    if (value.cls != TRANSLATE_CLASS_BLOB && t->catalog->encoding != TRANSLATE_UTF8)
        return refuse_call(t, call, "the bytes of a text are UTF-16 in this database");
    const char *bytes = value.cls == TRANSLATE_CLASS_BLOB
                            ? value.text
                            : translate_emit(t, TRANSLATE_FORM_TEXT_BYTES, translate_as_text(t, value), NULL, NULL);
    return text_value(translate_emit(t, TRANSLATE_FORM_HEX, bytes, NULL, NULL), true, call->offset);
}

static struct translate_value rule_iif(struct translator *t, const struct call *call)
{
    uint32_t pairs = call->count / 2;
    const char **conditions = sql_arena_alloc(t->arena, pairs * sizeof *conditions);
    struct translate_value *values = sql_arena_alloc(t->arena, pairs * sizeof *values);
    if (!conditions || !values) {
        t->failed = true;
        return translate_value_null(t, call->offset);
    }
    for (uint32_t i = 0; i < pairs; i++) {
        conditions[i] = translate_condition(t, call->arguments[2 * i]);
        values[i] = call->arguments[2 * i + 1];
    }
    struct translate_value otherwise =
        call->count % 2 ? call->arguments[call->count - 1] : translate_value_null(t, call->offset);
    return translate_case_value(t, conditions, values, pairs, otherwise, call->offset);
}

static bool is_filled_literal(struct translate_value value)
{
    return value.constant && value.cls == TRANSLATE_CLASS_TEXT && value.literal.length > 0;
}

static struct translate_value rule_instr(struct translator *t, const struct call *call)
{
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    if (!is_filled_literal(call->arguments[1]))
        return refuse_call(t, call, "only a literal to look for, not empty, is translated");
    struct translate_value value =
        translate_value_make(translate_emit(t, TRANSLATE_FORM_INSTR, translate_as_text(t, call->arguments[0]),
                                            call->arguments[1].text, NULL),
                             TRANSLATE_CLASS_INTEGER, call->offset);
    value.low = 0;
    value.high = 0x1p31;
    return value;
}

static struct translate_value rule_length(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_plain(t, call->arguments[0]);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    const char *text = value.cls == TRANSLATE_CLASS_BLOB
                           ? translate_emit(t, TRANSLATE_FORM_BYTES_LENGTH, value.text, NULL, NULL)
                           : translate_emit(t, TRANSLATE_FORM_LENGTH, translate_as_text(t, value), NULL, NULL);
    struct translate_value result = translate_value_make(text, TRANSLATE_CLASS_INTEGER, call->offset);
    result.low = 0;
    result.high = 0x1p31;
    return result;
}

static struct translate_value rule_octets(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_plain(t, call->arguments[0]);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    if (value.cls != TRANSLATE_CLASS_BLOB && t->catalog->encoding != TRANSLATE_UTF8)
        return refuse_call(t, call, "the bytes of a text are UTF-16 in this database");
    const char *bytes = value.cls == TRANSLATE_CLASS_BLOB
                            ? value.text
                            : translate_emit(t, TRANSLATE_FORM_TEXT_BYTES, translate_as_text(t, value), NULL, NULL);
    struct translate_value result = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_BYTES_LENGTH, bytes, NULL, NULL), TRANSLATE_CLASS_INTEGER, call->offset);
    result.low = 0;
    result.high = 0x1p31;
    return result;
}

static struct translate_value rule_case(struct translator *t, const struct call *call)
{
    bool lower = call->name[0] == 'l', ascii = is_ascii(call->arguments[0]);
    enum translate_form form = lower ? (ascii ? TRANSLATE_FORM_LOWER_ASCII : TRANSLATE_FORM_LOWER)
                                     : (ascii ? TRANSLATE_FORM_UPPER_ASCII : TRANSLATE_FORM_UPPER);
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    return text_value(translate_emit(t, form, translate_as_text(t, call->arguments[0]), NULL, NULL), ascii,
                      call->offset);
}

static struct translate_value rule_trim(struct translator *t, const struct call *call)
{
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    if (call->count == 2 && !is_filled_literal(call->arguments[1]))
        return refuse_call(t, call, "only a literal set of characters is translated");
    const char *set = call->count == 2 ? call->arguments[1].text : t->forms[TRANSLATE_FORM_BLANK];
    return text_value(translate_emit(t, call->form, translate_as_text(t, call->arguments[0]), set, NULL),
                      is_ascii(call->arguments[0]), call->offset);
}

static struct translate_value without_negative_zero(struct translator *t, struct translate_value value)
{
    if (value.cls == TRANSLATE_CLASS_REAL && value.negative_zero)
        value.text = translate_emit_once(t, TRANSLATE_FORM_NO_NEGATIVE_ZERO, value.text, NULL, NULL);
    return value;
}

static struct translate_value rule_extreme(struct translator *t, const struct call *call)
{
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    struct translate_value common = translate_in_item(call->arguments[0]);
    bool binary = true;
    BASE_INVARIANT(call->form == TRANSLATE_FORM_LEAST || call->form == TRANSLATE_FORM_GREATEST);
    for (uint32_t i = 0; i < call->count; i++) {
        call->arguments[i] = without_negative_zero(t, translate_plain(t, call->arguments[i]));
        common = translate_unify(t, common, call->arguments[i], "min() or max() of several values");
        binary = binary && translate_is_binary(call->arguments[i]);
    }
    if (common.cls == TRANSLATE_CLASS_MIXED)
        return refuse_call(t, call, "which of two equal numbers it gives depends on their order");
    if (common.cls == TRANSLATE_CLASS_TEXT && !binary)
        return refuse_call(t, call, "it compares by a collation");
    if (translate_orders_by_utf16(t, common))
        return refuse_call(t, call, "SQLite compares these texts in UTF-16");
    struct base_buffer text = {0}, nulls = {0};
    for (uint32_t i = 0; i < call->count; i++) {
        translate_put_item(t, &text, translate_convert(t, call->arguments[i], common));
        if (i)
            base_buffer_text(&nulls, t->forms[TRANSLATE_FORM_CHAIN_OR]);
        translate_put(t, &nulls, TRANSLATE_FORM_BARE_IS_NULL, call->arguments[i].text, NULL);
    }
    const char *none = translate_keep(t, &nulls);
    const char *some = translate_emit(t, call->form, translate_keep(t, &text), NULL, NULL);
    common.text = translate_emit(t, TRANSLATE_FORM_NULL_WHEN, none, some, NULL);
    common.affinity = TRANSLATE_AFFINITY_NONE;
    common.collation = NULL;
    common.constant = false;
    common.offset = call->offset;
    return common;
}

static struct translate_value rule_nullif(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_plain(t, call->arguments[0]),
                           other = translate_plain(t, call->arguments[1]);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    value.affinity = other.affinity = TRANSLATE_AFFINITY_NONE; /* the function sees bare values */
    struct translate_value equal = translate_compare(t, SQL_OP_EQ, value, other);
    value.text = translate_emit(t, TRANSLATE_FORM_NULL_WHEN, equal.text, value.text, NULL);
    if (value.cls == TRANSLATE_CLASS_MIXED) /* one NULL is as another, to DISTINCT too */
        value.flag = translate_emit(t, TRANSLATE_FORM_NULL_WHEN, equal.text, translate_flag(t, value), NULL);
    value.constant = false;
    value.nullable = true;
    value.collation = NULL;
    value.collation_written = false;
    return value;
}

static struct translate_value rule_replace(struct translator *t, const struct call *call)
{
    const struct translate_value *arguments = call->arguments;
    if (arguments[0].cls == TRANSLATE_CLASS_NULL || arguments[1].cls == TRANSLATE_CLASS_NULL)
        return translate_value_null(t, call->offset);
    if (!is_filled_literal(call->arguments[1]))
        return refuse_call(t, call, "only a literal to replace, not empty, is translated");
    if (arguments[2].cls == TRANSLATE_CLASS_NULL) /* but of nothing to replace, the text stays even so */
        return translate_value_null(t, call->offset);
    return text_value(translate_emit(t, TRANSLATE_FORM_REPLACE, translate_as_text(t, call->arguments[0]),
                                     call->arguments[1].text, translate_as_text(t, call->arguments[2])),
                      is_ascii(call->arguments[0]) && is_ascii(call->arguments[2]), call->offset);
}

static struct translate_value rule_round(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_number(t, call->arguments[0]);
    if (value.cls == TRANSLATE_CLASS_NULL || any_null_class(call))
        return translate_value_null(t, call->offset);
    const char *text = translate_as_double(t, value);
    if (value.cls != TRANSLATE_CLASS_INTEGER) {
        struct translate_value digits =
            call->count == 2 ? translate_number(t, call->arguments[1]) : translate_value_integer(t, 0, call->offset);
        if (digits.cls != TRANSLATE_CLASS_INTEGER)
            return refuse_call(t, call, "the number of digits must be an integer");
        text = call->count == 2 ? translate_emit(t, TRANSLATE_FORM_ROUND_DIGITS, text, digits.text, NULL)
                                : translate_emit(t, TRANSLATE_FORM_ROUND, text, NULL, NULL);
    }
    struct translate_value result = translate_value_make(text, TRANSLATE_CLASS_REAL, call->offset);
    result.low = value.low >= 0 ? 0 : value.low * 2 - 1;
    result.high = value.high * 2 + 1;
    result.nullable = value.nullable;
    result.negative_zero = value.cls != TRANSLATE_CLASS_INTEGER && (value.low < 0 || value.negative_zero);
    return result;
}

static struct translate_value rule_sign(struct translator *t, const struct call *call)
{
    struct translate_value value = translate_plain(t, call->arguments[0]);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    if (!translate_is_number(value))
        return refuse_call(t, call, "it is NULL for what isn't a number");
    struct translate_value result = translate_value_make(translate_emit(t, TRANSLATE_FORM_SIGN, value.text, NULL, NULL),
                                                         TRANSLATE_CLASS_INTEGER, call->offset);
    result.low = -1;
    result.high = 1;
    return result;
}

static struct translate_value rule_substr(struct translator *t, const struct call *call)
{
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    struct translate_value start = translate_number(t, call->arguments[1]);
    struct translate_value length = call->count == 3 ? translate_number(t, call->arguments[2]) : start;
    if (start.cls != TRANSLATE_CLASS_INTEGER || length.cls != TRANSLATE_CLASS_INTEGER)
        return refuse_call(t, call, "its bounds must be integers");
    if (call->arguments[0].cls == TRANSLATE_CLASS_BLOB)
        return refuse_call(t, call, "of a BLOB it counts bytes");
    bool plain = start.constant && start.literal.as.integer >= 1 &&
                 (call->count == 2 || (length.constant && length.literal.as.integer >= 0));
    const char *text = translate_as_text(t, call->arguments[0]);
    if (call->count == 3)
        text = translate_emit(t, plain ? TRANSLATE_FORM_SUBSTR_LENGTH : TRANSLATE_FORM_ANY_SUBSTR_LENGTH, text,
                              start.text, length.text);
    else
        text = translate_emit(t, plain ? TRANSLATE_FORM_SUBSTR : TRANSLATE_FORM_ANY_SUBSTR, text, start.text, NULL);
    return text_value(text, is_ascii(call->arguments[0]), call->offset);
}

static struct translate_value rule_typeof(struct translator *t, const struct call *call)
{
    static const char *const names[] = {
        [TRANSLATE_CLASS_NULL] = "null", [TRANSLATE_CLASS_INTEGER] = "integer", [TRANSLATE_CLASS_REAL] = "real",
        [TRANSLATE_CLASS_TEXT] = "text", [TRANSLATE_CLASS_BLOB] = "blob",       [TRANSLATE_CLASS_BOOLEAN] = "integer"};
    struct translate_value value = call->arguments[0];
    const char *text;
    if (value.cls == TRANSLATE_CLASS_MIXED)
        text = translate_emit(t, TRANSLATE_FORM_TYPE_OF_NUMBER, value.text, value.flag, NULL);
    else
        text = translate_emit(t, TRANSLATE_FORM_TYPE_OF, value.text,
                              translate_text_literal(t, names[value.cls], strlen(names[value.cls])), NULL);
    return text_value(text, true, call->offset);
}

static struct translate_value rule_unicode(struct translator *t, const struct call *call)
{
    if (any_null_class(call))
        return translate_value_null(t, call->offset);
    const char *text = translate_as_text(t, call->arguments[0]);
    struct translate_value value = translate_value_make(translate_emit(t, TRANSLATE_FORM_UNICODE, text, NULL, NULL),
                                                        TRANSLATE_CLASS_INTEGER, call->offset);
    value.low = 0;
    value.high = 0x110000;
    return value;
}

/* ---- Choosing ---- */

struct function {
    const char *name;
    uint8_t fewest, most;
    enum translate_form form; /* for rules that serve several functions; NULL: none */
    struct translate_value (*rule)(struct translator *t, const struct call *call);
};

static const struct function functions[] = {
#define TRANSLATE_FUNCTION(name, fewest, most, form, rule) {#name, fewest, most, TRANSLATE_FORM_##form, rule},
#include "translate/translate_functions.def"
};

static const struct function *find_function(const char *name, uint32_t count)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (base_fold_compare(functions[i].name, name) == 0 && count >= functions[i].fewest &&
            count <= functions[i].most)
            return &functions[i];
    return NULL;
}

static struct translate_value *translate_arguments(struct translator *t, struct translate_scope *scope,
                                                   const struct sql_items *items)
{
    uint32_t count = items ? items->count : 0;
    struct translate_value *values = sql_arena_alloc(t->arena, (count + 1) * sizeof *values);
    if (!values) {
        t->failed = true;
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = translate_expression(t, scope, items->items[i].expr);
        if (values[i].collation_written)
            translate_refuse(t, values[i].offset, "COLLATE inside an expression",
                             "it decides how the whole expression compares");
    }
    return values;
}

struct translate_value translate_call_value(struct translator *t, struct translate_scope *scope,
                                            const struct sql_expr *expr)
{
    const struct sql_call *called = expr->call;
    uint32_t count = called->arguments ? called->arguments->count : 0;
    if (called->over)
        return translate_window_value(t, scope, expr);
    if (sql_is_aggregate(expr->name.text, count))
        return translate_aggregate_value(t, scope, expr, NULL, false);
    const struct function *function = find_function(expr->name.text, count);
    if (!function || called->star || called->distinct || called->filter || called->order) {
        translate_refuse(t, expr->offset, translate_format(t, "%s()", expr->name.text),
                         "it isn't known to give the same in the column store");
        return translate_value_null(t, expr->offset);
    }
    struct call call = {function->name, function->form, translate_arguments(t, scope, called->arguments), count,
                        expr->offset};
    return t->failed || t->refused ? translate_value_null(t, expr->offset) : function->rule(t, &call);
}
