/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "rh: out of memory (%zu bytes were asked for)\n", size);
    exit(1);
}

void *rh_allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (memory == NULL)
        out_of_memory(size);
    return memory;
}

void *rh_reallocate(void *memory, size_t size)
{
    void *moved = realloc(memory, size > 0 ? size : 1);
    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

char *rh_copy_text(const char *text, size_t length)
{
    char *copy = rh_allocate(length + 1);
    if (length > 0)
        memcpy(copy, text, length);
    return copy;
}

void rh_buffer_reserve(struct rh_buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more + 1;
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    buffer->bytes = rh_reallocate(buffer->bytes, capacity);
    buffer->capacity = capacity;
}

void rh_buffer_add(struct rh_buffer *buffer, const void *bytes, size_t length)
{
    rh_buffer_reserve(buffer, length);
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void rh_buffer_add_text(struct rh_buffer *buffer, const char *text)
{
    rh_buffer_add(buffer, text, strlen(text));
}

void rh_buffer_add_char(struct rh_buffer *buffer, char c)
{
    rh_buffer_add(buffer, &c, 1);
}

void rh_buffer_format(struct rh_buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        rh_buffer_reserve(buffer, (size_t)length);
        vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void rh_buffer_clear(struct rh_buffer *buffer)
{
    buffer->length = 0;
    if (buffer->bytes != NULL)
        buffer->bytes[0] = '\0';
}

void rh_buffer_free(struct rh_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct rh_buffer){0};
}
