/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing above U+10FFFF. Any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool base_utf8_valid(const void *bytes, size_t len);
/* Bytes of the well-formed character at `bytes` (1 to 4), or 0 where there is none; len > 0. */
size_t base_utf8_character(const void *bytes, size_t len);
/* The largest length <= max at which `text` of `len` bytes may end without cutting a character in two. */
size_t base_utf8_cut(const char *text, size_t len, size_t max);
/* Replaces, in place and without changing the length, every byte that is not part of a well-formed character by '?'. */
void base_utf8_scrub(char *text, size_t len);

#endif
