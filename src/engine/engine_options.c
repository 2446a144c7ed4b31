/* SPDX-License-Identifier: Apache-2.0 */
/* What a call is given beside its text: options and their limits, and parameters by number or name. */
#include <string.h>

#include "base/base_utf8.h"
#include "engine/engine_internal.h"
#include "sql/sql_lexer.h"
#include "sql/sql_parameters.h"

enum { OPTIONS_SIZE_MAX = 65536, PARAMETERS_MAX = SQL_PARAMETER_NUMBER_MAX };

rhei_status engine_options_copy(void *known, size_t known_size, const void *given, const char *what,
                                struct rhei_error *error)
{
    size_t size;
    memset(known, 0, known_size);
    if (given == NULL)
        return RHEI_OK;
    memcpy(&size, given, sizeof size);
    if (size <= sizeof size || size > OPTIONS_SIZE_MAX)
        return error_set(error, RHEI_INVALID, "the struct_size of %s is %zu: set it to the sizeof of the struct", what,
                         size);
    memcpy(known, given, size < known_size ? size : known_size);
    return RHEI_OK;
}

void engine_struct_give(void *to, const void *known, size_t known_size, size_t first_size)
{
    size_t size;
    memcpy(&size, to, sizeof size);
    if (size < first_size || size > OPTIONS_SIZE_MAX)
        size = first_size;
    if (size > known_size)
        size = known_size;
    memcpy(to, known, size);
    memcpy(to, &size, sizeof size);
}

void engine_message_give(char *to, size_t size, const char *message)
{
    static const char more[] = "...";
    size_t len = strlen(message);
    bool fits = len < size;
    len = base_utf8_cut(message, len, fits ? len : size - sizeof more);
    memcpy(to, message, len);
    memcpy(to + len, fits ? "" : more, fits ? 1 : sizeof more);
}

void engine_result_fill(struct rhei_result *result, const struct oltp_result *from)
{
    if (result == NULL)
        return;
    enum { FIRST_SIZE = 32 };
    struct rhei_result made = {
        .changes = from->changes,
        .last_insert_rowid = from->last_insert_rowid,
        .position = from->position,
    };
    engine_struct_give(result, &made, sizeof made, FIRST_SIZE);
}

rhei_status engine_freshness_check(const struct rhei_freshness *freshness, struct rhei_error *error)
{
    if (freshness->mode < RHEI_FRESHNESS_DEFAULT || freshness->mode > RHEI_FRESHNESS_EVENTUAL)
        return error_set(error, RHEI_INVALID, "freshness mode %d is none of latest, bounded and eventual",
                         freshness->mode);
    if (freshness->mode == RHEI_FRESHNESS_BOUNDED && freshness->max_age_ms < 0)
        return error_set(error, RHEI_INVALID, "an answer can't be %lld ms old: max_age_ms counts backwards from now",
                         (long long)freshness->max_age_ms);
    return RHEI_OK;
}

/* ---- Limits. ----------------------------------------------------------------------------------------------------- */

rhei_status engine_second_statement(const char *sql, size_t len, size_t end, struct rhei_error *error)
{
    size_t start = (size_t)(sql_lex_first(sql + end, len - end).text - sql);
    rhei_status status = error_set(
        error, RHEI_SQL,
        "one statement at a time: another one starts at byte %zu; run a script with rhei_execute_script", start);
    if (error != NULL && error->code == RHEI_SQL)
        error->sql_offset = (int32_t)start;
    return status;
}

rhei_status engine_limits_set(struct engine_limits *limits, int64_t timeout_ms, const struct rhei_cancel *cancel,
                              struct rhei_error *error)
{
    *limits = (struct engine_limits){.deadline_ns = INT64_MAX, .cancel = cancel};
    if (timeout_ms < 0)
        return error_set(error, RHEI_INVALID, "a time-out of %lld ms is none: 0 means no limit", (long long)timeout_ms);
    /* A limit of centuries is none; the product must not overflow. */
    if (timeout_ms > 0 && timeout_ms < INT64_MAX / 4000000)
        limits->deadline_ns = base_now_ns() + timeout_ms * 1000000;
    return RHEI_OK;
}

rhei_status engine_limits_of_call(struct engine_ticker *ticker, struct engine_limits *limits,
                                  const struct rhei_call_options *options, struct rhei_error *error)
{
    struct rhei_call_options given;
    rhei_status status = engine_options_copy(&given, sizeof given, options, "rhei_call_options", error);
    if (status == RHEI_OK)
        status = engine_limits_set(limits, given.timeout_ms, given.cancel, error);
    if (status == RHEI_OK)
        limits->rows_per_second = given.rows_per_second;
    if (status == RHEI_OK && given.progress != NULL)
        status = engine_progress_open(ticker, given.progress, given.progress_context, &limits->progress, error);
    return status;
}

void engine_limits_reset(struct engine_limits *limits)
{
    engine_progress_close(&limits->progress);
}

rhei_status engine_limits_check(void *context)
{
    const struct engine_limits *limits = context;
    if (limits->cancel != NULL && atomic_load_explicit(&limits->cancel->raised, memory_order_acquire))
        return RHEI_CANCELLED;
    if (limits->progress != NULL && engine_progress_ended(limits->progress))
        return RHEI_CANCELLED;
    if (limits->deadline_ns != INT64_MAX && base_now_ns() >= limits->deadline_ns)
        return RHEI_TIMEOUT;
    return limits->within == NULL ? RHEI_OK : limits->within->check(limits->within->context);
}

struct base_progress *engine_limits_counts(const struct engine_limits *limits)
{
    return engine_progress_counts(limits->progress);
}

const struct oltp_stop *engine_stop(struct engine_limits *limits, struct oltp_stop *stop)
{
    *stop =
        (struct oltp_stop){.check = engine_limits_check, .context = limits, .progress = engine_limits_counts(limits)};
    return engine_limits_any(limits) ? stop : NULL;
}

/* ---- Parameters. ------------------------------------------------------------------------------------------------- */

static rhei_status check_value(const struct rhei_value *value, size_t number, struct rhei_error *error)
{
    if (value->type > RHEI_NAME)
        return error_set(error, RHEI_INVALID, "parameter %zu has the unknown class %u", number, value->type);
    if (value->type >= RHEI_TEXT && value->length > INT32_MAX)
        return error_set(error, RHEI_TOO_BIG, "parameter %zu is longer than 2,147,483,647 bytes", number);
    if (value->type >= RHEI_TEXT && value->as.bytes == NULL && value->length > 0)
        return error_set(error, RHEI_INVALID, "parameter %zu has a length, but no bytes", number);
    return RHEI_OK;
}

bool engine_values_are_plain(const struct rhei_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].type >= RHEI_TEXT && (values[i].type > RHEI_BLOB || values[i].length > INT32_MAX ||
                                            (values[i].as.bytes == NULL && values[i].length > 0)))
            return false;
    return true;
}

rhei_status engine_params_check(const struct rhei_params *params, bool *named, struct rhei_error *error)
{
    *named = false;
    if (params == NULL || (params->values != NULL && params->count <= PARAMETERS_MAX &&
                           engine_values_are_plain(params->values, params->count)))
        return RHEI_OK;
    if (params->count > 0 && params->values == NULL)
        return error_set(error, RHEI_INVALID, "%zu parameters were announced, but there is no array of them",
                         params->count);
    for (size_t i = 0; i < params->count; i++) {
        rhei_status status = check_value(&params->values[i], i + 1, error);
        if (status != RHEI_OK)
            return status;
        *named |= params->values[i].type == RHEI_NAME;
    }
    if (params->count > (*named ? 2 * PARAMETERS_MAX : PARAMETERS_MAX))
        return error_set(error, RHEI_INVALID, "%zu parameters are more than the 32,766 that a statement may have",
                         params->count);
    return RHEI_OK;
}

static uint32_t number_of_name(const struct sql_parameter_names *names, const struct rhei_value *name)
{
    const char *text = name->as.bytes;
    return text == NULL ? 0 : sql_parameter_number(names, text, name->length);
}

/* The values in the order of their numbers; `given` marks those that are there. */
static rhei_status sort_values(const struct rhei_params *params, const struct sql_parameter_names *names,
                               struct engine_bound *bound, bool *given, struct rhei_error *error)
{
    size_t position = 0;
    for (size_t i = 0; i < params->count; i++) {
        const struct rhei_value *value = &params->values[i];
        const struct rhei_value *name = value->type == RHEI_NAME ? value : NULL;
        size_t number = name == NULL ? ++position : number_of_name(names, name);
        const char *text = name == NULL || name->as.bytes == NULL ? "" : name->as.bytes;
        if (name != NULL && number == 0)
            return error_set(error, RHEI_INVALID, "the statement has no parameter \"%s\"", text);
        if (name != NULL && (++i == params->count || params->values[i].type == RHEI_NAME))
            return error_set(error, RHEI_INVALID, "no value follows the name \"%s\"", text);
        if (number > bound->count)
            return error_set(error, RHEI_INVALID, "value %zu is one more than the statement has parameters", number);
        if (given[number - 1])
            return error_set(error, RHEI_INVALID, "parameter %zu has two values%s%s%s", number,
                             name == NULL ? "" : ", one of them by its name \"", text, name == NULL ? "" : "\"");
        given[number - 1] = true;
        bound->own[number - 1] = params->values[i];
    }
    return RHEI_OK;
}

static rhei_status check_complete(const struct sql_parameter_names *names, const struct engine_bound *bound,
                                  const bool *given, struct rhei_error *error)
{
    for (uint32_t n = 1; n <= bound->count; n++) {
        if (given[n - 1])
            continue;
        for (uint32_t i = 0; i < names->count; i++)
            if (names->names[i].number == n)
                return error_set(error, RHEI_INVALID, "parameter %u (\"%.*s\") has no value", n,
                                 (int)names->names[i].length, names->names[i].text);
        return error_set(error, RHEI_INVALID, "parameter %u has no value", n);
    }
    return RHEI_OK;
}

static bool reads_the_same(const struct sql_parameter_names *a, const struct sql_parameter_names *b)
{
    bool same = a->count == b->count && a->largest == b->largest;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = a->names[i].number == b->names[i].number && a->names[i].length == b->names[i].length &&
               a->names[i].text == b->names[i].text;
    return same;
}

static bool sqlite_may_read(const char *sql, size_t len)
{
    struct sql_tree *tree = NULL;
    bool reads = sql_olap_construct(sql, len) == NULL && sql_parse(sql, len, &tree, NULL) == RHEI_OK;
    sql_tree_free(&tree);
    return reads;
}

/* Whose words the text is in is looked at only where that makes a difference. */
static bool read_names(const char *sql, size_t len, struct sql_parameter_names *names)
{
    struct sql_parameter_names native;
    if (!sql_parameter_names_read(sql, len, names))
        return false;
    if (!sql_parameter_names_read_native(sql, len, &native)) {
        sql_parameter_names_reset(names);
        return false;
    }
    if (!reads_the_same(names, &native) && !sqlite_may_read(sql, len)) {
        struct sql_parameter_names swapped = *names;
        *names = native;
        native = swapped;
    }
    sql_parameter_names_reset(&native);
    return true;
}

static rhei_status bind_names(const char *sql, size_t len, const struct rhei_params *params, struct engine_bound *bound,
                              struct rhei_error *error)
{
    struct sql_parameter_names names;
    if (!read_names(sql, len, &names))
        return error_no_memory(error);
    rhei_status status = sql_parameter_numbers_check(&names, error);
    bool *given = NULL;
    if (status == RHEI_OK) {
        bound->count = names.largest;
        bound->own = base_alloc_zero((size_t)bound->count + 1, sizeof *bound->own);
        given = base_alloc_zero((size_t)bound->count + 1, sizeof *given);
        if (bound->own == NULL || given == NULL)
            status = error_no_memory(error);
    }
    if (status == RHEI_OK)
        status = sort_values(params, &names, bound, given, error);
    if (status == RHEI_OK)
        status = check_complete(&names, bound, given, error);
    base_free(given);
    sql_parameter_names_reset(&names);
    bound->values = bound->own;
    return status;
}

rhei_status engine_bind(const char *sql, size_t len, const struct rhei_params *params, struct engine_bound *bound,
                        struct rhei_error *error)
{
    bool named;
    *bound = (struct engine_bound){0};
    rhei_status status = engine_params_check(params, &named, error);
    if (status != RHEI_OK || params == NULL)
        return status;
    if (named) {
        status = bind_names(sql, len, params, bound, error);
        if (status != RHEI_OK)
            engine_bound_reset(bound);
        return status;
    }
    bound->values = params->values;
    bound->count = (uint32_t)params->count;
    return RHEI_OK;
}

void engine_bound_reset(struct engine_bound *bound)
{
    base_free(bound->own);
    *bound = (struct engine_bound){0};
}
