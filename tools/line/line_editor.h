/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_editor.h
 * A text that is edited by keys: bytes of a terminal in, an outcome out. Pure; docs/design/prompt.md has its invariants.
 */
#ifndef LINE_EDITOR_H
#define LINE_EDITOR_H

#include "line_history.h"
#include "line_keys.h"
#include "line_menu.h"

#include <stdint.h>

/** How a byte of the text is shown. */
enum line_style {
    LINE_STYLE_PLAIN,
    LINE_STYLE_KEYWORD,
    LINE_STYLE_STRING,
    LINE_STYLE_NUMBER,
    LINE_STYLE_COMMENT,
    LINE_STYLE_COMMAND,
    LINE_STYLE_OPEN,  /**< a quote or comment that has no end yet */
    LINE_STYLE_MATCH, /**< a bracket and the one that it belongs to */
    LINE_STYLE_COUNT,
};

/** What the editor asks whoever uses it; each may be NULL. */
struct line_helper {
    void *context;
    /** Whether Enter runs the text as it is; else it makes a new line. NULL: it does. */
    bool (*whole)(void *context, const char *text, size_t length);
    /** Sets an enum line_style for each byte; they are LINE_STYLE_PLAIN before. `cursor` is SIZE_MAX where the text is done. */
    void (*style)(void *context, const char *text, size_t length, size_t cursor, uint8_t *styles);
    /** Adds choices for what is before the cursor, and sets menu->start. */
    void (*complete)(void *context, const char *text, size_t length, size_t cursor, struct line_menu *menu);
    /** Whether Ctrl-C came as a signal: where the terminal edits its lines itself. */
    bool (*interrupted)(void *context);
};

enum line_outcome {
    LINE_EDITING,  /**< more keys are wanted */
    LINE_ACCEPTED, /**< the text is to be run */
    LINE_DROPPED,  /**< Ctrl-C: it isn't */
    LINE_ENDED,    /**< Ctrl-D where there is no text */
    LINE_CLEAR,    /**< the screen is to be cleared, then it goes on */
    LINE_STOP,     /**< Ctrl-Z: the program is to be stopped, then it goes on */
};

struct line_change; /* of the undo list */

struct line_editor {
    const struct line_helper *helper;
    struct line_history *history; /**< borrowed; may be NULL */
    struct rh_buffer text;
    size_t cursor;
    struct line_keys keys;
    struct rh_buffer killed;
    bool killing;  /* the last key killed: the next adds to it */
    bool typing;   /* the last key typed: the next belongs to the same step of undo */
    bool vertical; /* the last key went up or down: it keeps its column */
    bool spaced;   /* the last key completed a word: the blank before the cursor is of that, and makes way for a sign */
    size_t column;
    struct line_change *changes;
    size_t change_count, change_capacity;
    size_t place;          /* in the history; its count: the text that is new */
    struct rh_buffer kept; /* that one, while another is shown */
    bool searching, missed;
    size_t found;
    struct rh_buffer query, before_search;
    struct line_menu menu;
};

/** Begins with an empty text, keeping what was killed. Both are borrowed until the next begin. */
void line_editor_begin(struct line_editor *editor, const struct line_helper *helper, struct line_history *history);
/** Takes bytes until something other than editing comes out; *used tells how many. */
enum line_outcome line_editor_feed(struct line_editor *editor, const char *bytes, size_t length, size_t *used);
/** No byte came for a while: an Escape that was held back is one. */
enum line_outcome line_editor_settle(struct line_editor *editor);
/** The only way in which the text changes: `length` bytes at `at` make way for others, and the cursor is behind them. */
void line_editor_replace(struct line_editor *editor, size_t at, size_t length, const char *bytes, size_t count);
/** Shows another text as a whole, as the history does. Undo begins anew. */
void line_editor_show(struct line_editor *editor, const char *text, size_t length);
void line_editor_free(struct line_editor *editor);

/** @name Parts of it, in files of their own
 * @{ */
/** Ctrl-R: begins to search, or goes on to what is older. */
void line_search_older(struct line_editor *editor);
/** A key while searching. True: it was for the search; false: the search is over, and the key is for the text. */
bool line_search_key(struct line_editor *editor, int key);
/** @} */

#endif
