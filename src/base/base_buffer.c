/* SPDX-License-Identifier: Apache-2.0 */
#include "base_buffer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base_memory.h"

/* Room for `more` bytes and the NUL. */
static bool reserve(struct base_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    void *data = buffer->data;
    if (more > SIZE_MAX - 1 - buffer->len || !base_grow(&data, &buffer->capacity, buffer->len + more + 1, 1)) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    return true;
}

char *base_buffer_extend(struct base_buffer *buffer, size_t len)
{
    if (!reserve(buffer, len))
        return NULL;
    char *at = buffer->data + buffer->len;
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
    return at;
}

void base_buffer_append(struct base_buffer *buffer, const void *bytes, size_t len)
{
    char *at = base_buffer_extend(buffer, len);
    if (at != NULL && len > 0)
        memcpy(at, bytes, len);
}

void base_buffer_text(struct base_buffer *buffer, const char *text)
{
    base_buffer_append(buffer, text, strlen(text));
}

void base_buffer_char(struct base_buffer *buffer, char c)
{
    base_buffer_append(buffer, &c, 1);
}

void base_buffer_format(struct base_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (wanted < 0) {
        buffer->failed = true;
        return;
    }
    if (!reserve(buffer, (size_t)wanted))
        return;
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->len, (size_t)wanted + 1, format, arguments);
    va_end(arguments);
    buffer->len += (size_t)wanted;
}

void base_buffer_real(struct base_buffer *buffer, double value)
{
    if (isnan(value) || isinf(value)) {
        base_buffer_text(buffer, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    /* printf writes the decimal point of the application's locale, of one byte or more. */
    size_t point = strspn(text, "-0123456789");
    size_t rest = point + strcspn(text + point, "0123456789e");
    base_buffer_append(buffer, text, point);
    if (rest > point)
        base_buffer_char(buffer, '.');
    base_buffer_text(buffer, text + rest);
    if (rest == point && text[point] != 'e')
        base_buffer_text(buffer, ".0");
}

static void append_quoted(struct base_buffer *buffer, const char *text, size_t len, char quote)
{
    base_buffer_char(buffer, quote);
    while (len > 0) {
        const char *inner = memchr(text, quote, len);
        if (inner == NULL)
            break;
        size_t run = (size_t)(inner - text) + 1;
        base_buffer_append(buffer, text, run);
        base_buffer_char(buffer, quote);
        text += run;
        len -= run;
    }
    base_buffer_append(buffer, text, len);
    base_buffer_char(buffer, quote);
}

void base_buffer_identifier(struct base_buffer *buffer, const char *name)
{
    append_quoted(buffer, name, strlen(name), '"');
}

void base_buffer_literal(struct base_buffer *buffer, const char *text, size_t len)
{
    append_quoted(buffer, text, len, '\'');
}

void base_buffer_clear(struct base_buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

void base_buffer_reset(struct base_buffer *buffer)
{
    base_free(buffer->data);
    *buffer = (struct base_buffer){0};
}

char *base_buffer_take(struct base_buffer *buffer)
{
    base_buffer_append(buffer, "", 0); /* an empty buffer gives "", not NULL */
    char *text = buffer->failed ? NULL : buffer->data;
    if (buffer->failed)
        base_free(buffer->data);
    *buffer = (struct base_buffer){0};
    return text;
}
