/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_file.h
 * The history in a file that several sessions append to: an entry a line, `\n` and `\\` written out, readable by its owner alone.
 *
 * 1. Appending is one write() under flock(); so entries of two sessions never mix, and none is lost.
 * 2. The file is cut to the newest entries by a new one that is renamed over it, under the lock of the old. Who gets the lock of a file that has
 *    lost its name opens the name again.
 * 3. What is no entry (broken UTF-8, other control characters, too long) is passed over, and goes with the next cut.
 */
#ifndef LINE_FILE_H
#define LINE_FILE_H

#include "line_history.h"
#include "rh_memory.h"

enum { LINE_FILE_ENTRY_LIMIT = 1 << 16, LINE_FILE_LIMIT = 4 << 20 };

/** The path of the history of a program in the XDG state folder, whose folders are made; false: there is no home for it. */
bool line_file_path(struct rh_buffer *path, const char *program);
/** Reads the entries; a file that isn't there has none. Cuts a file that is over LINE_FILE_LIMIT. 0, or errno. */
int line_file_read(const char *path, struct line_history *history);
/** Appends an entry; one over LINE_FILE_ENTRY_LIMIT is left out. 0, or errno. */
int line_file_append(const char *path, const char *text, size_t length);

#endif
