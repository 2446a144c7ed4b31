/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_screen.h
 * The terminal, by ncurses, which this is the only one to know: it writes what differs from what is there. One at a time.
 */
#ifndef DASHBOARD_SCREEN_H
#define DASHBOARD_SCREEN_H

#include "dashboard_view.h"

/** Whether the terminal of standard output can be drawn on; else why, in words that go on after "this one ". */
bool dashboard_screen_can(char *why, size_t size);
/** Takes the terminal of standard input and output. `colours`: whether they are wanted. False: no memory. */
bool dashboard_screen_open(bool colours);
/** Gives it back as it was; also when it was given back before. Any thread, for the end of the process. */
void dashboard_screen_close(void);
/** Its size now, by the system: after a change of it the next drawing fits. */
void dashboard_screen_size(int *width, int *height);
void dashboard_screen_draw(const struct dashboard_canvas *canvas);
/** The next key that is there; DASHBOARD_KEY_NONE: none is. */
enum dashboard_key dashboard_screen_key(void);
/** Gives the terminal to the shell and stops the process, as Ctrl-Z asks for. */
void dashboard_screen_stop(void);
/** Takes it back, as the process goes on: everything is written anew. */
void dashboard_screen_again(void);

#endif
