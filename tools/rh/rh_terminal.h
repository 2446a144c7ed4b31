/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_terminal.h
 * What a stream leads to: a terminal with a width and colours, or a pipe.
 */
#ifndef RH_TERMINAL_H
#define RH_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct rh_terminal {
    bool present;  /**< a person reads it */
    bool colours;  /**< it is a terminal, and neither NO_COLOR nor TERM=dumb speak against it */
    bool utf8;     /**< the locale writes UTF-8, so lines and dots may be drawn with it */
    size_t width;  /**< columns; 0 where there is no terminal */
    size_t height; /**< rows; the same */
};

/** Looks at a stream once. The program's LC_CTYPE must be set before. */
struct rh_terminal rh_terminal_of(FILE *file);

enum rh_style { RH_PLAIN, RH_DIM, RH_BOLD, RH_RED, RH_GREEN, RH_YELLOW };
/** The escape that begins a style, "" where the stream takes no colours. RH_PLAIN ends it. */
const char *rh_style(const struct rh_terminal *terminal, enum rh_style style);

#endif
