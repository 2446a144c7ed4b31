/* SPDX-License-Identifier: Apache-2.0 */
/* Values, freshness, cancel flags and names: the small change of the API. */
#include <math.h>
#include <string.h>

#include "engine/engine_internal.h"

const char *rhei_version(void)
{
    return RHEI_VERSION;
}

const char *rhei_status_name(rhei_status status)
{
    return error_code_name(status);
}

struct rhei_value rhei_null(void)
{
    return (struct rhei_value){.type = RHEI_NULL};
}

struct rhei_value rhei_integer(int64_t value)
{
    return (struct rhei_value){.as = {.integer = value}, .type = RHEI_INTEGER};
}

struct rhei_value rhei_real(double value)
{
    if (isnan(value))
        return rhei_null();
    return (struct rhei_value){.as = {.real = value}, .type = RHEI_REAL};
}

/* No bytes are the empty value, whatever the pointer; a NULL that has a length is told by the call that gets it. */
static struct rhei_value bytes_value(const void *bytes, size_t length, uint8_t type)
{
    if (length == 0)
        return (struct rhei_value){.as = {.bytes = ""}, .type = type};
    /* Longer than any value SQLite takes: the marker makes the call that binds it fail with RHEI_TOO_BIG. */
    uint32_t kept = length > INT32_MAX ? UINT32_MAX : (uint32_t)length;
    return (struct rhei_value){.as = {.bytes = bytes}, .length = kept, .type = type};
}

struct rhei_value rhei_text(const char *text)
{
    return text == NULL ? rhei_null() : bytes_value(text, strlen(text), RHEI_TEXT);
}

struct rhei_value rhei_text_n(const char *text, size_t length)
{
    return bytes_value(text, length, RHEI_TEXT);
}

struct rhei_value rhei_blob(const void *bytes, size_t length)
{
    return bytes_value(bytes, length, RHEI_BLOB);
}

struct rhei_value rhei_name(const char *name)
{
    /* a missing one is told when it is bound */
    return (struct rhei_value){
        .as = {.bytes = name}, .length = name == NULL ? 0 : (uint32_t)strnlen(name, INT32_MAX), .type = RHEI_NAME};
}

struct rhei_freshness rhei_latest(void)
{
    return (struct rhei_freshness){.mode = RHEI_FRESHNESS_LATEST};
}

struct rhei_freshness rhei_bounded_ms(int64_t max_age_ms)
{
    return (struct rhei_freshness){.mode = RHEI_FRESHNESS_BOUNDED, .max_age_ms = max_age_ms};
}

struct rhei_freshness rhei_eventual(void)
{
    return (struct rhei_freshness){.mode = RHEI_FRESHNESS_EVENTUAL};
}

rhei_status rhei_cancel_create(rhei_cancel **cancel, struct rhei_error *error)
{
    error_clear(error);
    if (cancel == NULL)
        return error_set(error, RHEI_INVALID, "rhei_cancel_create needs a place for the flag");
    *cancel = base_alloc_zero(1, sizeof **cancel);
    return *cancel == NULL ? error_no_memory(error) : RHEI_OK;
}

void rhei_cancel_raise(rhei_cancel *cancel)
{
    if (cancel != NULL)
        atomic_store_explicit(&cancel->raised, true, memory_order_release);
}

void rhei_cancel_clear(rhei_cancel *cancel)
{
    if (cancel != NULL)
        atomic_store_explicit(&cancel->raised, false, memory_order_release);
}

void rhei_cancel_destroy(rhei_cancel **cancel)
{
    if (cancel == NULL)
        return;
    base_free(*cancel);
    *cancel = NULL;
}

void rhei_free(void *pointer)
{
    base_free(pointer);
}
