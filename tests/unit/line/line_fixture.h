/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_fixture.h
 * A model of a terminal, which draws what the editor writes: keys in, rows of characters out. Cells are of clusters as they are
 * written; what the editor mustn't send ends the test.
 */
#ifndef LINE_FIXTURE_H
#define LINE_FIXTURE_H

#include "line_editor.h"
#include "line_screen.h"

enum { SHOWN_WIDTH = 120, SHOWN_HEIGHT = 60 };

struct shown {
    size_t width, height, row, column;
    char cells[SHOWN_HEIGHT][SHOWN_WIDTH][24];
    size_t scrolled;
};

void shown_begin(struct shown *shown, size_t width, size_t height);
void shown_write(struct shown *shown, const char *bytes, size_t length);
/** The row without the blanks behind it. */
const char *shown_row(const struct shown *shown, size_t row);

/** An editor on such a terminal. */
struct desk {
    struct line_editor editor;
    struct line_screen screen;
    struct line_history history;
    struct line_helper helper;
    struct line_look look;
    struct shown shown;
};
void desk_begin(struct desk *desk, size_t width, size_t height);
void desk_end(struct desk *desk);
/** Types bytes, draws, and gives what came of it. */
enum line_outcome desk_type_bytes(struct desk *desk, const char *bytes, size_t length);
enum line_outcome desk_type(struct desk *desk, const char *keys);
/** Fails unless the text is `before` and then `after` the cursor. */
void desk_expect(struct desk *desk, const char *before, const char *after);

#endif
