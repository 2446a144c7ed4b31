/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_terminal.h
 * The terminal that an editor is on: its modes, its size, its bytes. It is as it was found whenever no key is waited for. One at a time.
 */
#ifndef LINE_TERMINAL_H
#define LINE_TERMINAL_H

#include "line_screen.h"

struct line_terminal {
    int in, out;            /**< file descriptors */
    int signals;            /* tells of SIGWINCH and SIGCONT; -1: it doesn't */
    bool plain;             /**< the terminal can't move its cursor: lines are read as it edits them itself */
    struct rh_buffer ahead; /* bytes that came behind the last text */
    struct line_editor editor;
    struct line_screen screen;
};

/**
 * Looks at the terminal. SIGWINCH and SIGCONT are blocked for this and all later threads: call it before others are started. `plain` is for
 * a terminal of which TERM says nothing.
 */
void line_terminal_open(struct line_terminal *terminal, int in, int out);
/**
 * Lets a text be edited: LINE_ACCEPTED with it in terminal->editor.text, LINE_DROPPED, or LINE_ENDED. The look's size is the terminal's.
 */
enum line_outcome line_terminal_read(struct line_terminal *terminal, const struct line_look *look,
                                     const struct line_helper *helper, struct line_history *history);
/**
 * Shows lines above what is edited. False: nothing is edited now, and the caller may write them himself. Any thread.
 */
bool line_terminal_note(const char *text, size_t length);
/** Its columns and rows now. */
void line_terminal_size(const struct line_terminal *terminal, size_t *width, size_t *height);
/** Gives the terminal back its modes, if a key is waited for. Any thread; for the end of the process. */
void line_terminal_restore(void);
void line_terminal_close(struct line_terminal *terminal);

#endif
