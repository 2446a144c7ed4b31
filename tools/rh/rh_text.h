/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_text.h
 * Bytes as people and other programs read them: columns on a terminal, visible control characters, base64, hex.
 */
#ifndef RH_TEXT_H
#define RH_TEXT_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * One character of UTF-8 at `text`: gives its bytes, and the code point in *code. Bytes that aren't UTF-8 give 1 and -1.
 * `length` must not be 0.
 */
size_t rh_utf8_next(const char *text, size_t length, int32_t *code);
/** Position of the first byte that isn't UTF-8, or `length`. */
size_t rh_utf8_valid(const char *text, size_t length);
/** Terminal columns of one code point: 0, 1 or 2. */
unsigned rh_code_width(int32_t code);
/** Terminal columns of a text that has no control characters. */
size_t rh_text_width(const char *text, size_t length);
/** Bytes of the longest beginning that is at most `width` columns wide. */
size_t rh_text_cut(const char *text, size_t length, size_t width);

/** Adds the text with control characters and broken bytes written out (\n, \t, \x1b), so that data can't steer a terminal. */
/** The name is s3://bucket/prefix, which the file system knows nothing of. */
bool rh_is_bucket(const char *name);
void rh_add_visible(struct rh_buffer *out, const char *text, size_t length);
void rh_add_base64(struct rh_buffer *out, const void *bytes, size_t length);
/** Reads base64 with its padding (https://www.rfc-editor.org/rfc/rfc4648); false when it is something else. */
bool rh_parse_base64(const char *text, size_t length, struct rh_buffer *out);
void rh_add_hex(struct rh_buffer *out, const void *bytes, size_t length);
/** Adds x'..', as SQL writes a BLOB. */
void rh_add_blob(struct rh_buffer *out, const void *bytes, size_t length);
/** Reads x'..' or X'..'; false when it is something else. */
bool rh_parse_blob(const char *text, size_t length, struct rh_buffer *out);
/** Whether it is that. */
bool rh_is_blob_text(const char *text, size_t length);
/** Reads hex digits in pairs; false when they are something else. */
bool rh_parse_hex(const char *text, size_t length, struct rh_buffer *out);
/** ASCII letters of either case are equal. */
bool rh_same_name(const char *a, size_t a_length, const char *b, size_t b_length);
/** Adds the text in double quotes, those in it doubled: a field of CSV. */
void rh_add_quoted(struct rh_buffer *out, const char *text, size_t length);
/** Adds an identifier in double quotes. */
void rh_add_identifier(struct rh_buffer *out, const char *name);

/** Number of the nearest of `count` words to `word`, or -1 when none is near. */
int rh_nearest_word(const char *word, const char *const *words, int count);

#endif
