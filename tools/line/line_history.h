/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_history.h
 * What was entered before, oldest first; bounded. Pure: line_file.h keeps it.
 */
#ifndef LINE_HISTORY_H
#define LINE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

struct line_history {
    char **entries;
    size_t count, capacity;
    size_t limit; /**< entries that are held; 0: LINE_HISTORY_LIMIT */
    size_t bytes; /**< of all; at most LINE_HISTORY_BYTES, but for one entry that has more */
};
enum { LINE_HISTORY_LIMIT = 5000, LINE_HISTORY_BYTES = 16 << 20 };

/** Adds a copy, unless it is the same as the newest, blank, or begins with a blank. True: it was added. */
bool line_history_add(struct line_history *history, const char *text, size_t length);
/** The newest entry before number `before` that holds the words, without upper and lower case of ASCII; `count`: there is none. */
size_t line_history_find(const struct line_history *history, size_t before, const char *words);
void line_history_free(struct line_history *history);

#endif
