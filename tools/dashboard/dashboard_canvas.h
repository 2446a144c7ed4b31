/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_canvas.h
 * A screen's cells, in memory: what is drawn there can be compared, tested and written out without a terminal.
 */
#ifndef DASHBOARD_CANVAS_H
#define DASHBOARD_CANVAS_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>

/** What a cell means, not how it looks: a terminal shows as much of it as it can. */
enum dashboard_style {
    DASHBOARD_PLAIN,
    DASHBOARD_DIM,
    DASHBOARD_STRONG,
    DASHBOARD_LABEL,
    DASHBOARD_BORDER,
    DASHBOARD_CHOSEN, /* the border of what the arrows move */
    DASHBOARD_OK,
    DASHBOARD_WARNING,
    DASHBOARD_ERROR,
    DASHBOARD_LINE_A, /* drawn series */
    DASHBOARD_LINE_B,
    DASHBOARD_LINE_C,
    DASHBOARD_BAR, /* the first and the last row */
    DASHBOARD_STYLES,
};

enum { DASHBOARD_CODES = 3 };

struct dashboard_cell {
    int32_t codes[DASHBOARD_CODES]; /* a character and the marks on it; 0 behind the last */
    uint8_t width;                  /* 1, 2, or 0: the right half of the one before */
    uint8_t style;
};

struct dashboard_canvas {
    struct dashboard_cell *cells;
    int width, height;
    bool utf8; /* false: lines, blocks and names are written in ASCII */
};

struct dashboard_area {
    int x, y, width, height;
};

/** Blanks in the size that is given; zero it to start. */
void dashboard_canvas_clear(struct dashboard_canvas *canvas, int width, int height);
void dashboard_canvas_free(struct dashboard_canvas *canvas);
/**
 * Writes a text into at most `room` columns, cut with an ellipsis where it needs more. Control characters are written out, and what joins
 * or changes the characters beside it, which terminals count differently, is left out. Gives the columns used.
 */
int dashboard_canvas_text(struct dashboard_canvas *canvas, int x, int y, int room, enum dashboard_style style,
                          const char *text);
/** Columns that a text takes there. */
int dashboard_canvas_width(const struct dashboard_canvas *canvas, const char *text);
/** A frame of lines. */
void dashboard_canvas_frame(struct dashboard_canvas *canvas, struct dashboard_area area, enum dashboard_style style);
/** A row as text, blanks at its end left out. */
void dashboard_canvas_row(const struct dashboard_canvas *canvas, int y, struct rh_buffer *out);

#endif
