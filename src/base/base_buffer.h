/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes, also used to build text. Owner thread. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "rhei/rhei_types.h"

/*
 * A zeroed struct is an empty buffer. `failed` is sticky: after one failed allocation every append does nothing, so a
 * writer may check once at the end. `data` is always NUL-terminated when not NULL (the NUL is not counted).
 */
struct base_buffer {
    char *data;
    size_t len;
    size_t capacity;
    bool failed;
};

void base_buffer_append(struct base_buffer *buffer, const void *bytes, size_t len);
/* Makes it `len` bytes longer and gives them, for the caller to write; NULL: failed. Valid until the next call. */
char *base_buffer_extend(struct base_buffer *buffer, size_t len);
void base_buffer_text(struct base_buffer *buffer, const char *text);
void base_buffer_char(struct base_buffer *buffer, char c);
void base_buffer_format(struct base_buffer *buffer, const char *format, ...) RHEI_PRINTF(2, 3);
/* The shortest decimal text that reads back as the same double, with '.' in every locale; "NaN", "Infinity". */
void base_buffer_real(struct base_buffer *buffer, double value);
/* "name" with inner double quotes doubled; 'text' with inner quotes doubled. Safe for any bytes but NUL. */
void base_buffer_identifier(struct base_buffer *buffer, const char *name);
void base_buffer_literal(struct base_buffer *buffer, const char *text, size_t len);
void base_buffer_clear(struct base_buffer *buffer);
void base_buffer_reset(struct base_buffer *buffer); /* frees */
/* Moves the text out; NULL if anything failed (the buffer is empty afterwards either way). Free with base_free. */
char *base_buffer_take(struct base_buffer *buffer);

#endif
