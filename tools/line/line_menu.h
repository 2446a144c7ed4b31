/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_menu.h
 * The choices of a completion: words that may stand in place of what is before the cursor.
 */
#ifndef LINE_MENU_H
#define LINE_MENU_H

#include "rh_memory.h"

#include <stdbool.h>

struct line_menu {
    size_t start; /**< of the text: what is from here to the cursor is replaced */
    char **words; /**< no two alike, in the order in which they are shown */
    size_t count, capacity;
    bool open;     /**< chosen from: the text has words[chosen] there */
    size_t chosen; /**< `count`: what was typed */
    struct rh_buffer typed;
};

/** Adds a choice, unless it is there. */
void line_menu_add(struct line_menu *menu, const char *word, size_t length);
/** Bytes that all choices begin with, the case of ASCII letters aside where it differs from what was typed. */
size_t line_menu_common(const struct line_menu *menu);
/** Forgets the choices. */
void line_menu_clear(struct line_menu *menu);
void line_menu_free(struct line_menu *menu);

#endif
