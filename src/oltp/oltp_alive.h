/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that name an engine on a file, from which others tell that it is gone: whoever dies, or can't take its row out when it closes, leaves its
 * number behind, and is known at once not to need anything any more.
 *
 *   A1. A number says which machine, boot, and namespaces of processes and time it is from, which process, when that began, and which of its handles.
 *   A2. "Gone" is a fact: that process has ended, or it is this one and the handle is closed. Where that can't be known (another machine or
 *       container, no /proc, a number that isn't of this kind) it is never said, and the time since it was last seen has to tell.
 *
 * Any thread.
 */
#ifndef OLTP_ALIVE_H
#define OLTP_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;

/* Above 0; end with oltp_alive_drop. */
int64_t oltp_alive_new(void);
/* Its handle is closed. */
void oltp_alive_drop(int64_t number);
bool oltp_alive_is_gone(int64_t number);
/* The process that it is of, where numbers of processes mean the same as here; 0: it is of another machine or container, or can't be told. */
long oltp_alive_process(int64_t number);
/* The same in SQL: _rhei_gone(number), 0 or 1; _rhei_process(number), NULL for 0. SQLite's code. */
int oltp_alive_register(struct sqlite3 *db);

#endif
