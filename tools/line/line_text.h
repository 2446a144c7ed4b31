/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_text.h
 * A text as a terminal shows it: grapheme clusters, which the cursor never stands in, and their columns. Words, as keys move by them.
 */
#ifndef LINE_TEXT_H
#define LINE_TEXT_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>

/** Where the cluster that begins at `at` ends; `length` at the end. The text is valid UTF-8. */
size_t line_next(const char *text, size_t length, size_t at);
/** Where the cluster before `at` begins; 0 at the beginning. */
size_t line_previous(const char *text, size_t at);
/** `at`, or the end of the cluster that it lies in. */
size_t line_snap(const char *text, size_t length, size_t at);
/** Columns of a cluster: 0 of a line's end, 1 or 2; 4 of a tab, which is shown as blanks. */
unsigned line_cluster_width(const char *cluster, size_t length);
/** Adds a cluster as it is shown: a tab as blanks, marks that would turn the direction of writing as U+FFFD. */
void line_add_shown(struct rh_buffer *out, const char *cluster, size_t length);

/** Where the line that `at` is in begins, and where it ends (its newline, or the end). */
size_t line_begin(const char *text, size_t at);
size_t line_end(const char *text, size_t length, size_t at);
/** Columns from the beginning of the line to `at`. */
size_t line_column(const char *text, size_t at);
/** The place in the line that begins at `begin` that is nearest to the column, from the left. */
size_t line_at_column(const char *text, size_t length, size_t begin, size_t column);

/** The end of the word at or behind `at`; the beginning of the one before. Letters, digits, `_` and all that is no ASCII are words. */
size_t line_word_end(const char *text, size_t length, size_t at);
size_t line_word_begin(const char *text, size_t at);
/** The beginning of what stands before `at` without blanks, as Ctrl-W takes it. */
size_t line_blank_word_begin(const char *text, size_t at);
/** Whether a byte belongs to a word. */
bool line_is_word(char c);

/** Adds text as it may stand in an editor: valid UTF-8, LF for CR and CRLF, and no other control characters but tabs. */
void line_add_clean(struct rh_buffer *out, const char *text, size_t length);

#endif
