/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_interrupt.h
 * Ctrl-C (and SIGTERM): the first ends what runs on the database, a second one ends the tool. Nothing is left half done
 * either way.
 */
#ifndef RH_INTERRUPT_H
#define RH_INTERRUPT_H

#include "rhei/rhei.h"

#include <stdbool.h>

/**
 * Starts to watch. Call it before any other thread is started: the signals are blocked here, and threads inherit that.
 * Until rh_interrupt_guard() a signal ends the process as usual.
 */
void rh_interrupt_start(void);
/** From here on a signal raises this flag (NULL: ends the process again). */
void rh_interrupt_guard(rhei_cancel *cancel);
/** Whether a signal came. */
bool rh_interrupted(void);

#endif
