/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_interrupt.h
 * Ctrl-C and SIGTERM: the first ends what runs on the database; what that doesn't end soon, or a second signal comes for, ends
 * with the tool. Every way it says "cancelled" and exits with 1, and nothing is left half done; but where a command rests, as rh changes --follow
 * between two commits, the signal is what ends it, and it exits with 0.
 */
#ifndef RH_INTERRUPT_H
#define RH_INTERRUPT_H

#include "rhei/rhei.h"

#include <stdbool.h>

/**
 * Starts to watch. Call it before any other thread is started: the signals are blocked here, and threads inherit that.
 * Until rh_interrupt_guard() a signal ends the tool at once.
 */
void rh_interrupt_start(void);
/** From here on the command only takes back what it did: a signal gives it the time for that. Any thread. */
void rh_interrupt_wind_up(void);
/** From here on a signal raises this flag (NULL: ends the tool at once again). */
void rh_interrupt_guard(rhei_cancel *cancel);
/**
 * While a command rests (waits for what may never come, with nothing half done) a signal is its usual end: it has all the time it needs for that.
 * Any thread.
 */
void rh_interrupt_rest(bool rests);
/**
 * Everything that was asked for is done, committed and written: a signal from here on gives the closing its time, and takes nothing back. It exits with 0,
 * and doesn't say "cancelled", for who reads that does it again. Any thread.
 */
void rh_interrupt_done(void);
/** What is said in place of that all is committed, where a second signal cuts the closing off. Borrowed, of static storage; NULL: that again. Any thread. */
void rh_interrupt_cuts(const char *what);
/** What stays of a command that a signal ends in the middle: batches of so many rows of its file, 0 for nothing. Any thread. */
void rh_interrupt_kept(uint64_t rows);
/** Where a command would leave something that isn't whole, if it were ended now: `mark` is there then, in `folder`. NULL: nothing. Borrowed. */
void rh_interrupt_leaves(const char *folder, const char *mark);
/** Called before a signal ends the tool, to give the terminal back as it was; on another thread. NULL: nothing is changed any more. */
void rh_interrupt_restores(void (*restore)(void));
/**
 * From here on SIGINT ends what runs with the guarded flag and nothing else, however often it comes. `restore` is called before SIGTERM ends the
 * tool. Any thread.
 */
void rh_interrupt_session(void (*restore)(void));
/** While a pager has the terminal SIGINT ends what runs and not the command, which would leave the terminal to a pager that nobody waits for. Any thread. */
void rh_interrupt_paged(bool is_paged);
/** In a session: a SIGINT that came is forgotten, and the next statement may run. */
void rh_interrupt_forget(void);
/** Which signal came that ends the command, SIGINT or SIGTERM; 0: none was seen yet. */
int rh_interrupt_signal(void);
/** Whether a signal came. */
bool rh_interrupted(void);

#endif
