/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_view.h
 * The model on a canvas: which panels there is room for, what they say, and what keys make of it.
 */
#ifndef DASHBOARD_VIEW_H
#define DASHBOARD_VIEW_H

#include "dashboard_canvas.h"
#include "dashboard_model.h"

enum { DASHBOARD_LEAST_WIDTH = 80, DASHBOARD_LEAST_HEIGHT = 24 };

enum dashboard_list {
    DASHBOARD_TABLE_LIST,
    DASHBOARD_LAST_LIST,
    DASHBOARD_SLOW_LIST,
    DASHBOARD_ENGINE_LIST,
    DASHBOARD_SIDECAR_LIST,
    DASHBOARD_JOURNAL_LIST,
    DASHBOARD_LISTS,
};

enum dashboard_key {
    DASHBOARD_KEY_NONE,
    DASHBOARD_KEY_QUIT,      /* q, Esc */
    DASHBOARD_KEY_INTERRUPT, /* Ctrl-C */
    DASHBOARD_KEY_PAUSE,
    DASHBOARD_KEY_SYNC,
    DASHBOARD_KEY_HELP,
    DASHBOARD_KEY_NEXT, /* Tab, right */
    DASHBOARD_KEY_PREVIOUS,
    DASHBOARD_KEY_UP,
    DASHBOARD_KEY_DOWN,
    DASHBOARD_KEY_PAGE_UP,
    DASHBOARD_KEY_PAGE_DOWN,
    DASHBOARD_KEY_HOME,
    DASHBOARD_KEY_END,
    DASHBOARD_KEY_STOP,   /* Ctrl-Z: for who has the terminal */
    DASHBOARD_KEY_REDRAW, /* Ctrl-L: the same */
    DASHBOARD_KEY_OTHER,
};

/** What the keys changed. Start with the list that the arrows move first, and the rest zero. */
struct dashboard_view {
    bool paused, help;
    enum dashboard_list focus;
    int scroll[DASHBOARD_LISTS]; /* rows passed over, or, of the journal, newer ones */
    int rows[DASHBOARD_LISTS];   /* that were shown of it last; 0: none */
    int64_t refresh_ms;
    char clock[9];    /* "12:34:56", of the last sample */
    char notice[200]; /* shown in the last row until the next key */
};

enum dashboard_action { DASHBOARD_NOTHING, DASHBOARD_QUIT, DASHBOARD_SYNC };

/** What a key changes; what is left to do is for the caller. */
enum dashboard_action dashboard_view_key(struct dashboard_view *view, const struct dashboard_model *model,
                                         enum dashboard_key key);
/** Draws all of it; the canvas has its size. */
void dashboard_view_draw(struct dashboard_view *view, const struct dashboard_model *model,
                         struct dashboard_canvas *canvas);

/* Between the files of the view. */

/** Where a panel's next line goes. */
struct dashboard_pen {
    struct dashboard_canvas *canvas;
    struct dashboard_area area; /* within the frame */
    int y;
};
/** A frame with a title, and the pen for what is in it. */
struct dashboard_pen dashboard_panel(struct dashboard_canvas *canvas, struct dashboard_area area, const char *title,
                                     bool chosen);
void dashboard_draw_oltp(const struct dashboard_model *model, struct dashboard_pen pen);
void dashboard_draw_olap(const struct dashboard_model *model, struct dashboard_pen pen);
void dashboard_draw_sync(const struct dashboard_model *model, struct dashboard_pen pen);
void dashboard_draw_queries(const struct dashboard_model *model, struct dashboard_pen pen);
/** Rows that a list has. */
int dashboard_list_length(const struct dashboard_model *model, enum dashboard_list list);
/** Whether there is such a list here at all: a look at a file knows no statements, and most have no sidecars. */
bool dashboard_list_exists(const struct dashboard_model *model, enum dashboard_list list);
void dashboard_draw_list(struct dashboard_view *view, const struct dashboard_model *model, enum dashboard_list list,
                         struct dashboard_canvas *canvas, struct dashboard_area area);

#endif
