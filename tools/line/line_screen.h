/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_screen.h
 * The rows in which an editor is shown, and the bytes that draw them over what was drawn before. Pure.
 */
#ifndef LINE_SCREEN_H
#define LINE_SCREEN_H

#include "line_editor.h"

/** What it is drawn on. Rows of more columns than there are would be folded by the terminal, so none has. */
struct line_look {
    const char *prompt; /**< before the first line; ASCII */
    const char *more;   /**< before each other */
    size_t width, height;
    bool colours, utf8;
};

struct line_row {
    size_t start, length; /* of the screen's bytes */
    size_t width;
};

struct line_screen {
    struct rh_buffer bytes;
    struct line_row *rows;
    size_t row_count, row_capacity;
    size_t cursor_row, cursor_column; /* in all rows, while they are made */
    int style;                        /* in which the row goes on */
    size_t *drawn;                    /* widths of the rows that are on the terminal, from the first */
    size_t drawn_count, drawn_row, drawn_column;
};

/** Adds the bytes that draw the editor anew. */
void line_screen_draw(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look,
                      struct rh_buffer *out);
/** The last time: without menu and marks, and the cursor goes to the line below. */
void line_screen_finish(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look,
                        struct rh_buffer *out);
/** Takes it away: the cursor is at the beginning of the line where it was. */
void line_screen_clear(struct line_screen *screen, struct rh_buffer *out);
/** The terminal has another width: rows that are too long now were folded by it. */
void line_screen_resized(struct line_screen *screen, size_t width);
/** Nothing of what was drawn is there any more, and the cursor is at the beginning of a line. */
void line_screen_forget(struct line_screen *screen);
void line_screen_free(struct line_screen *screen);

#endif
