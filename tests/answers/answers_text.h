/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, and random numbers that a seed repeats. One thread. */
#ifndef ANSWERS_TEXT_H
#define ANSWERS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rhei/rhei.h"

struct text {
    char *at; /* always NUL-terminated once something was put */
    size_t length, capacity;
};

void text_bytes(struct text *text, const char *bytes, size_t length);
void text_put(struct text *text, const char *words);
void text_format(struct text *text, const char *format, ...) RHEI_PRINTF(2, 3);
void text_clear(struct text *text);
void text_free(struct text *text);

struct random {
    uint64_t state;
};

/* Another sequence for each pair of numbers. */
struct random random_of(uint64_t seed, uint64_t stream);
uint64_t random_next(struct random *random);
/* 0 .. limit - 1 */
uint32_t random_below(struct random *random, uint32_t limit);
/* True in that many of a hundred cases. */
bool random_chance(struct random *random, uint32_t percent);

#endif
