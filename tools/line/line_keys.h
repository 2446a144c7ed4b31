/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file line_keys.h
 * What a terminal sends, as keys: control characters, escape sequences, characters of UTF-8, pastes. Pure.
 */
#ifndef LINE_KEYS_H
#define LINE_KEYS_H

#include "rh_memory.h"

#include <stdbool.h>
#include <stdint.h>

enum line_key {
    LINE_KEY_NONE = 0,   /**< more bytes are wanted, or what came means nothing */
    LINE_KEY_CTRL_A = 1, /**< ... up to Ctrl-Z as 26: as the terminal sends them */
    LINE_KEY_TAB = 9,
    LINE_KEY_ENTER = 13,
    LINE_KEY_ESCAPE = 27,
    LINE_KEY_UNDO = 31, /**< Ctrl-_ */
    LINE_KEY_BACKSPACE = 127,
    LINE_KEY_UP = 256,
    LINE_KEY_DOWN,
    LINE_KEY_LEFT,
    LINE_KEY_RIGHT,
    LINE_KEY_HOME,
    LINE_KEY_END,
    LINE_KEY_DELETE,
    LINE_KEY_WORD_LEFT,      /**< Ctrl-Left, Alt-B */
    LINE_KEY_WORD_RIGHT,     /**< Ctrl-Right, Alt-F */
    LINE_KEY_WORD_DELETE,    /**< Alt-D */
    LINE_KEY_WORD_BACKSPACE, /**< Alt-Backspace */
    LINE_KEY_NEWLINE,        /**< Alt-Enter */
    LINE_KEY_TAB_BACK,       /**< Shift-Tab */
    LINE_KEY_TEXT,           /**< characters, in line_keys.text: all that came together without another key between */
    LINE_KEY_PASTE,          /**< a paste, in line_keys.text, as it came */
};
#define LINE_CTRL(letter) ((letter)&0x1f)

struct line_keys {
    struct rh_buffer text;    /**< of TEXT and PASTE */
    struct rh_buffer waiting; /**< the beginning of a sequence or character */
    bool pasting;
};

/**
 * Takes the next key out of `bytes`: gives it, and in *used how many bytes it took; a key may take none, where what waited was it. NONE with
 * all bytes used: more are wanted.
 */
int line_keys_next(struct line_keys *keys, const char *bytes, size_t length, size_t *used);
/** Whether an Escape is held back that may begin a sequence: after some 50 ms without bytes it was the key. */
bool line_keys_wait(const struct line_keys *keys);
/** The key that line_keys_wait() told of, when nothing came. */
int line_keys_settle(struct line_keys *keys);
void line_keys_free(struct line_keys *keys);

#endif
