/* SPDX-License-Identifier: Apache-2.0 */
#include "base_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base_utf8.h"

struct code_entry {
    rhei_status code;
    const char *name;
    const char *sqlstate;
};

/* SQLSTATE by the standard's classes where it has one, else PostgreSQL's code for the same trouble. */
static const struct code_entry code_table[] = {
    {RHEI_OK, "OK", "00000"},
    {RHEI_ROW, "ROW", "00000"},
    {RHEI_DONE, "DONE", "02000"},
    {RHEI_INVALID, "INVALID", "22023"},
    {RHEI_NO_MEMORY, "NO_MEMORY", "53200"},
    {RHEI_INTERNAL, "INTERNAL", "XX000"},
    {RHEI_UNSUPPORTED, "UNSUPPORTED", "0A000"},
    {RHEI_CONFIG, "CONFIG", "F0000"},
    {RHEI_CANT_OPEN, "CANT_OPEN", "08001"},
    {RHEI_NOT_A_DATABASE, "NOT_A_DATABASE", "XX001"},
    {RHEI_IO, "IO", "58030"},
    {RHEI_FULL, "FULL", "53100"},
    {RHEI_READ_ONLY, "READ_ONLY", "25006"},
    {RHEI_TOO_NEW, "TOO_NEW", "08P01"},
    {RHEI_SQL, "SQL", "42000"},
    {RHEI_CONSTRAINT, "CONSTRAINT", "23000"},
    {RHEI_BUSY, "BUSY", "55P03"},
    {RHEI_TRANSACTION, "TRANSACTION", "25000"},
    {RHEI_NOT_FOUND, "NOT_FOUND", "42704"},
    {RHEI_EXISTS, "EXISTS", "42710"},
    {RHEI_TOO_BIG, "TOO_BIG", "54000"},
    {RHEI_TYPE, "TYPE", "42804"},
    {RHEI_CANCELLED, "CANCELLED", "57014"},
    {RHEI_TIMEOUT, "TIMEOUT", "57014"},
    {RHEI_MEMORY_LIMIT, "MEMORY_LIMIT", "53200"},
    {RHEI_OLAP_UNAVAILABLE, "OLAP_UNAVAILABLE", "55000"},
    {RHEI_STALE, "STALE", "55000"},
    {RHEI_CLOSED, "CLOSED", "08003"},
    {RHEI_REPLACED, "REPLACED", "08006"},
};

static const struct code_entry *find_code(rhei_status code)
{
    for (size_t i = 0; i < sizeof code_table / sizeof code_table[0]; i++)
        if (code_table[i].code == code)
            return &code_table[i];
    return NULL;
}

const char *error_code_name(rhei_status code)
{
    const struct code_entry *entry = find_code(code);
    return entry != NULL ? entry->name : "UNKNOWN";
}

const char *error_code_sqlstate(rhei_status code)
{
    const struct code_entry *entry = find_code(code);
    return entry != NULL ? entry->sqlstate : "XX000";
}

/*
 * Formats into `out` of `size` bytes. The result is well-formed UTF-8 although names and texts in the arguments need
 * not be, and ends at a whole character where it is too long. Returns its length.
 */
static size_t format_message(char *out, size_t size, const char *format, va_list arguments)
{
    int wanted = vsnprintf(out, size, format, arguments);
    if (wanted < 0) { /* an encoding error inside printf: the format itself still tells something */
        wanted = snprintf(out, size, "%s", format);
        if (wanted < 0)
            wanted = 0;
    }
    size_t len = (size_t)wanted;
    if (len >= size) {
        len = size - 1;
        /* The cut may have left the head of a character at the end. */
        size_t start = len;
        while (start > 0 && len - start < 4 && ((unsigned char)out[start - 1] & 0xC0U) == 0x80U)
            start--;
        if (start > 0 && ((unsigned char)out[start - 1] & 0xC0U) == 0xC0U &&
            base_utf8_character(out + start - 1, len - start + 1) == 0)
            len = start - 1;
        out[len] = '\0';
    }
    base_utf8_scrub(out, len);
    return len;
}

rhei_status error_set(struct rhei_error *error, rhei_status code, const char *format, ...)
{
    if (error == NULL || error->code != RHEI_OK)
        return code;
    error->code = code;
    memcpy(error->sqlstate, error_code_sqlstate(code), sizeof error->sqlstate);
    error->sql_offset = -1;
    error->engine_code = 0;
    va_list arguments;
    va_start(arguments, format);
    format_message(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return code;
}

void error_context(struct rhei_error *error, const char *format, ...)
{
    if (error == NULL || error->code == RHEI_OK)
        return;
    char context[RHEI_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    size_t context_len = format_message(context, sizeof context, format, arguments);
    va_end(arguments);
    size_t message_len = strnlen(error->message, sizeof error->message - 1);
    size_t kept = base_utf8_cut(error->message, message_len, sizeof error->message - 1 - context_len);
    memmove(error->message + context_len, error->message, kept);
    memcpy(error->message, context, context_len);
    error->message[context_len + kept] = '\0';
}

rhei_status error_no_memory(struct rhei_error *error)
{
    return error_set(error, RHEI_NO_MEMORY, "out of memory; free some, or lower the configured limits, and try again");
}

rhei_status error_value_count(struct rhei_error *error, uint32_t wanted, size_t given)
{
    return error_set(error, RHEI_INVALID, "the statement has %u parameter%s, %zu value%s given", wanted,
                     wanted == 1 ? "" : "s", given, given == 1 ? " was" : "s were");
}

rhei_status error_ended(struct rhei_error *error, rhei_status status)
{
    return error_set(error, status, status == RHEI_TIMEOUT ? "the time limit ended it" : "it was cancelled");
}
