/* SPDX-License-Identifier: Apache-2.0 */
/* Options of databases, connections and statements. */
#include "adbc_object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void adbc_object_init(struct adbc_object *object, const struct adbc_option *known, size_t count)
{
    pthread_mutex_init(&object->lock, NULL);
    object->known = known;
    object->count = count;
}

void adbc_object_reset(struct adbc_object *object)
{
    for (size_t i = 0; i < object->count; i++)
        free(object->values[i]);
    free(object->query.as_of);
    pthread_mutex_destroy(&object->lock);
}

static size_t option_at(const struct adbc_object *object, const char *key)
{
    size_t i = 0;
    while (i < object->count && strcmp(object->known[i].key, key) != 0)
        i++;
    return i;
}

static AdbcStatusCode unknown_option(const struct adbc_object *object, const char *key, AdbcStatusCode code,
                                     struct AdbcError *error)
{
    char list[700] = "";
    for (size_t i = 0, at = 0; i < object->count && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i == 0 ? "" : ", ", object->known[i].key);
    return adbc_fail(error, code, "there is no option \"%s\" here; these are: %s", key, list);
}

/* ---- Setting. ---------------------------------------------------------------------------------------------------- */

AdbcStatusCode adbc_set_text(struct adbc_object *object, const char *key, const char *value, struct AdbcError *error)
{
    size_t at = key == NULL ? object->count : option_at(object, key);
    if (key == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "an option needs a name");
    if (at == object->count)
        return unknown_option(object, key, ADBC_STATUS_NOT_IMPLEMENTED, error);
    const struct adbc_option *option = &object->known[at];
    if (option->apply == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the option \"%s\" can be read, not set", key);
    /* NULL takes the option back, where it may be left out at all */
    const char *given = value != NULL ? value : option->initial != NULL ? option->initial : "";
    char *copy = value == NULL ? NULL : strdup(value);
    if (value != NULL && copy == NULL)
        return adbc_no_memory(error);
    pthread_mutex_lock(&object->lock);
    object->setting = option->key;
    AdbcStatusCode code = option->apply(object, given, error);
    if (code == ADBC_STATUS_OK) {
        char *before = object->values[at];
        object->values[at] = copy;
        copy = before;
    }
    pthread_mutex_unlock(&object->lock);
    free(copy);
    return code;
}

AdbcStatusCode adbc_set_bytes(struct adbc_object *object, const char *key, const uint8_t *value, size_t length,
                              struct AdbcError *error)
{
    if (value == NULL || memchr(value, 0, length) != NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "the option \"%s\" is text, without a NUL in it",
                         key == NULL ? "" : key);
    char *text = strndup((const char *)value, length);
    AdbcStatusCode code = text == NULL ? adbc_no_memory(error) : adbc_set_text(object, key, text, error);
    free(text);
    return code;
}

AdbcStatusCode adbc_set_int(struct adbc_object *object, const char *key, int64_t value, struct AdbcError *error)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return adbc_set_text(object, key, text, error);
}

AdbcStatusCode adbc_set_double(struct adbc_object *object, const char *key, double value, struct AdbcError *error)
{
    if (value >= -9e15 && value <= 9e15 && value == (double)(int64_t)value)
        return adbc_set_int(object, key, (int64_t)value, error);
    char text[40];
    (void)snprintf(text, sizeof text, "%.17g", value);
    return adbc_set_text(object, key, text, error);
}

AdbcStatusCode adbc_object_inherit(struct adbc_object *object, struct adbc_object *from, struct AdbcError *error)
{
    AdbcStatusCode code = ADBC_STATUS_OK;
    for (size_t i = 0; code == ADBC_STATUS_OK && i < ADBC_QUERY_OPTION_COUNT; i++) {
        pthread_mutex_lock(&from->lock);
        char *value = from->values[i] == NULL ? NULL : strdup(from->values[i]);
        bool lost = from->values[i] != NULL && value == NULL;
        pthread_mutex_unlock(&from->lock);
        if (lost)
            return adbc_no_memory(error);
        if (value != NULL)
            code = adbc_set_text(object, from->known[i].key, value, error);
        free(value);
    }
    return code;
}

/* ---- Getting. ---------------------------------------------------------------------------------------------------- */

enum { NOW_SIZE = 64 };

/* The value as text; free it. NULL with a failure in *code. */
static char *value_of(struct adbc_object *object, const char *key, AdbcStatusCode *code, struct AdbcError *error)
{
    char now[NOW_SIZE] = "";
    size_t at = key == NULL ? object->count : option_at(object, key);
    if (at == object->count) {
        *code = unknown_option(object, key == NULL ? "" : key, ADBC_STATUS_NOT_FOUND, error);
        return NULL;
    }
    const struct adbc_option *option = &object->known[at];
    pthread_mutex_lock(&object->lock);
    const char *value = object->values[at] != NULL ? object->values[at] : option->initial;
    if (option->now != NULL) {
        option->now(object, now, sizeof now);
        value = now;
    }
    char *copy = value == NULL ? NULL : strdup(value);
    pthread_mutex_unlock(&object->lock);
    *code = value == NULL  ? adbc_fail(error, ADBC_STATUS_NOT_FOUND, "the option \"%s\" isn't set", key)
            : copy == NULL ? adbc_no_memory(error)
                           : ADBC_STATUS_OK;
    return copy;
}

AdbcStatusCode adbc_get_text(struct adbc_object *object, const char *key, char *value, size_t *length,
                             struct AdbcError *error)
{
    AdbcStatusCode code = ADBC_STATUS_OK;
    char *text = value_of(object, key, &code, error);
    if (text == NULL)
        return code;
    size_t size = strlen(text) + 1;
    if (size <= *length && value != NULL)
        memcpy(value, text, size);
    *length = size;
    free(text);
    return ADBC_STATUS_OK;
}

AdbcStatusCode adbc_get_bytes(struct adbc_object *object, const char *key, uint8_t *value, size_t *length,
                              struct AdbcError *error)
{
    AdbcStatusCode code = ADBC_STATUS_OK;
    char *text = value_of(object, key, &code, error);
    if (text == NULL)
        return code;
    size_t size = strlen(text);
    if (size <= *length && value != NULL)
        memcpy(value, text, size);
    *length = size;
    free(text);
    return ADBC_STATUS_OK;
}

static AdbcStatusCode no_number(const char *key, const char *text, struct AdbcError *error)
{
    return adbc_fail(error, ADBC_STATUS_NOT_FOUND, "the option \"%s\" is no number: \"%s\"", key, text);
}

AdbcStatusCode adbc_get_int(struct adbc_object *object, const char *key, int64_t *value, struct AdbcError *error)
{
    AdbcStatusCode code = ADBC_STATUS_OK;
    char *end = NULL, *text = value_of(object, key, &code, error);
    if (text == NULL)
        return code;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        code = no_number(key, text, error);
    else
        *value = number;
    free(text);
    return code;
}

AdbcStatusCode adbc_get_double(struct adbc_object *object, const char *key, double *value, struct AdbcError *error)
{
    AdbcStatusCode code = ADBC_STATUS_OK;
    char *end = NULL, *text = value_of(object, key, &code, error);
    if (text == NULL)
        return code;
    double number = strtod(text, &end);
    if (end == text || *end != '\0')
        code = no_number(key, text, error);
    else
        *value = number;
    free(text);
    return code;
}

/* ---- Reading values. --------------------------------------------------------------------------------------------- */

AdbcStatusCode adbc_read_bool(const char *key, const char *value, bool *out, struct AdbcError *error)
{
    bool yes = strcmp(value, ADBC_OPTION_VALUE_ENABLED) == 0 || strcmp(value, "1") == 0;
    if (!yes && strcmp(value, ADBC_OPTION_VALUE_DISABLED) != 0 && strcmp(value, "0") != 0)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "the option \"%s\" is true or false, not \"%s\"", key,
                         value);
    *out = yes;
    return ADBC_STATUS_OK;
}

AdbcStatusCode adbc_read_int(const char *key, const char *value, int64_t least, int64_t most, int64_t *out,
                             struct AdbcError *error)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < least || number > most)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT,
                         "the option \"%s\" is a number from %" PRId64 " to %" PRId64 ", not \"%s\"", key, least, most,
                         value);
    *out = number;
    return ADBC_STATUS_OK;
}

AdbcStatusCode adbc_read_freshness(const char *value, struct rhei_freshness *out, struct AdbcError *error)
{
    static const char bounded[] = "bounded:";
    int64_t age = 0;
    if (strcmp(value, "default") == 0)
        *out = (struct rhei_freshness){0};
    else if (strcmp(value, "latest") == 0)
        *out = rhei_latest();
    else if (strcmp(value, "eventual") == 0)
        *out = rhei_eventual();
    else if (strncmp(value, bounded, sizeof bounded - 1) == 0 &&
             adbc_read_int("rhei.freshness", value + sizeof bounded - 1, 0, INT64_MAX, &age, NULL) == ADBC_STATUS_OK)
        *out = rhei_bounded_ms(age);
    else
        return adbc_fail(
            error, ADBC_STATUS_INVALID_ARGUMENT,
            "the option \"rhei.freshness\" is default, latest, bounded:MILLISECONDS or eventual, not \"%s\"", value);
    return ADBC_STATUS_OK;
}

/* The number of a word in a list that NULL ends. */
static AdbcStatusCode read_word(const char *key, const char *value, const char *const *words, int32_t *out,
                                struct AdbcError *error)
{
    for (int32_t i = 0; words[i] != NULL; i++)
        if (strcmp(value, words[i]) == 0) {
            *out = i;
            return ADBC_STATUS_OK;
        }
    char list[100] = "";
    for (size_t i = 0, at = 0; words[i] != NULL && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                               i == 0                 ? ""
                               : words[i + 1] == NULL ? " or "
                                                      : ", ",
                               words[i]);
    return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "the option \"%s\" is %s, not \"%s\"", key, list, value);
}

AdbcStatusCode adbc_apply_freshness(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    return adbc_read_freshness(value, &object->query.freshness, error);
}

AdbcStatusCode adbc_apply_route(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    static const char *const words[] = {
        [RHEI_ROUTE_AUTO] = "auto", [RHEI_ROUTE_OLTP] = "oltp", [RHEI_ROUTE_OLAP] = "olap", NULL};
    return read_word("rhei.route", value, words, &object->query.route, error);
}

AdbcStatusCode adbc_apply_strings(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    static const char *const words[] = {[RHEI_STRINGS_UTF8] = "utf8", [RHEI_STRINGS_VIEW] = "view", NULL};
    return read_word("rhei.strings", value, words, &object->query.strings, error);
}

AdbcStatusCode adbc_apply_timeout(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    return adbc_read_int("rhei.timeout_ms", value, 0, INT64_MAX, &object->query.timeout_ms, error);
}

AdbcStatusCode adbc_apply_memory(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    return adbc_read_int("rhei.memory_limit", value, 0, INT64_MAX, &object->query.memory_limit, error);
}

AdbcStatusCode adbc_apply_as_of(struct adbc_object *object, const char *value, struct AdbcError *error)
{
    char *copy = value[0] == '\0' ? NULL : strdup(value);
    if (value[0] != '\0' && copy == NULL)
        return adbc_no_memory(error);
    free(object->query.as_of);
    object->query.as_of = copy;
    return ADBC_STATUS_OK;
}
