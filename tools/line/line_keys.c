/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences are those of xterm and of what imitates it (ECMA-48: CSI, parameters, one final byte; SS3 and one byte). What isn't
 * known is taken whole and means nothing, so that no part of it is typed into the text.
 */
#include "line_keys.h"

#include "line_text.h"

#include <stdlib.h>
#include <string.h>

static const char paste_end[] = "\033[201~";
enum { LONGEST_SEQUENCE = 32 };

static int meta_key(char c)
{
    switch (c) {
    case 'b':
    case 'B':
        return LINE_KEY_WORD_LEFT;
    case 'f':
    case 'F':
        return LINE_KEY_WORD_RIGHT;
    case 'd':
    case 'D':
        return LINE_KEY_WORD_DELETE;
    case 127:
    case 8:
        return LINE_KEY_WORD_BACKSPACE;
    case '\r':
    case '\n':
        return LINE_KEY_NEWLINE;
    default:
        return LINE_KEY_NONE;
    }
}

static int tilde_key(int number, int modifier)
{
    switch (number) {
    case 1:
    case 7:
        return LINE_KEY_HOME;
    case 4:
    case 8:
        return LINE_KEY_END;
    case 3:
        return modifier > 1 ? LINE_KEY_WORD_DELETE : LINE_KEY_DELETE;
    default:
        return LINE_KEY_NONE;
    }
}

static int letter_key(char final, int modifier)
{
    switch (final) {
    case 'A':
        return LINE_KEY_UP;
    case 'B':
        return LINE_KEY_DOWN;
    case 'C':
        return modifier > 1 ? LINE_KEY_WORD_RIGHT : LINE_KEY_RIGHT;
    case 'D':
        return modifier > 1 ? LINE_KEY_WORD_LEFT : LINE_KEY_LEFT;
    case 'H':
        return LINE_KEY_HOME;
    case 'F':
        return LINE_KEY_END;
    case 'Z':
        return LINE_KEY_TAB_BACK;
    default:
        return LINE_KEY_NONE;
    }
}

/* A whole sequence, from its ESC on. */
static int sequence_key(struct line_keys *keys)
{
    const char *text = keys->waiting.bytes;
    char final = text[keys->waiting.length - 1];
    const char *second = strchr(text, ';');
    int number = atoi(text + 2), modifier = second != NULL ? atoi(second + 1) : 0;
    if (final == '~' && number == 200) {
        keys->pasting = true;
        rh_buffer_clear(&keys->text);
        return LINE_KEY_NONE;
    }
    if (final == '~')
        return tilde_key(number, modifier);
    if (final == 'u' && number == 13) /* kitty, xterm with modifyOtherKeys: Shift-Enter and the like */
        return LINE_KEY_NEWLINE;
    if (text[2] == '[') /* a function key of the Linux console */
        return LINE_KEY_NONE;
    if (text[1] == 'O' && (final == 'c' || final == 'd')) /* rxvt's Ctrl with an arrow */
        return final == 'c' ? LINE_KEY_WORD_RIGHT : LINE_KEY_WORD_LEFT;
    return letter_key(final, modifier);
}

/* Takes one byte of a sequence; true: *key is what it was. */
static bool take_sequence(struct line_keys *keys, char c, int *key)
{
    struct rh_buffer *waiting = &keys->waiting;
    *key = LINE_KEY_NONE;
    if (waiting->length == 1 && c != '[' && c != 'O') {
        bool again = c == 27; /* Escape, and then something that begins with another */
        if (!again) {
            *key = meta_key(c);
            rh_buffer_clear(waiting);
        }
        return true;
    }
    rh_buffer_add_char(waiting, c);
    if (waiting->length == 2)
        return false;
    bool wants = waiting->bytes[1] == '[' && (c < 0x40 || c > 0x7e || (waiting->length == 3 && c == '['));
    if (wants && waiting->length < LONGEST_SEQUENCE && (unsigned char)c >= 0x20)
        return false;
    *key = wants ? LINE_KEY_NONE : sequence_key(keys);
    rh_buffer_clear(waiting);
    return true;
}

/* Adds bytes of a paste; true: its end was among them. `used` counts what was taken. */
static bool take_paste(struct line_keys *keys, const char *bytes, size_t length, size_t *used)
{
    struct rh_buffer *text = &keys->text;
    size_t end_length = sizeof paste_end - 1, before = text->length;
    size_t from = before > end_length ? before - end_length : 0; /* the end may be in two pieces */
    rh_buffer_add(text, bytes, length);
    const char *end = memmem(text->bytes + from, text->length - from, paste_end, end_length);
    if (end == NULL) {
        *used = length;
        return false;
    }
    size_t at = (size_t)(end - text->bytes);
    *used = at + end_length - before;
    text->length = at;
    text->bytes[at] = '\0';
    keys->pasting = false;
    return true;
}

static size_t character_size(unsigned char lead)
{
    return lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
}

/* Characters up to the next key; what is broken is found where they are cleaned. The beginning of one that isn't whole waits. */
static int take_text(struct line_keys *keys, const char *bytes, size_t length, size_t *used)
{
    size_t at = 0;
    rh_buffer_clear(&keys->text);
    rh_buffer_add(&keys->text, keys->waiting.bytes, keys->waiting.length);
    rh_buffer_clear(&keys->waiting);
    while (at < length && (unsigned char)bytes[at] >= 0x20 && bytes[at] != 127)
        at++;
    rh_buffer_add(&keys->text, bytes, at);
    *used = at;
    size_t lead = keys->text.length; /* of the last character */
    while (lead > 0 && keys->text.length - lead < 3 && ((unsigned char)keys->text.bytes[lead - 1] & 0xc0) == 0x80)
        lead--;
    lead = lead > 0 ? lead - 1 : 0;
    if (at == length && lead + character_size((unsigned char)keys->text.bytes[lead]) > keys->text.length) {
        rh_buffer_add(&keys->waiting, keys->text.bytes + lead, keys->text.length - lead);
        keys->text.length = lead;
        keys->text.bytes[lead] = '\0';
    }
    return keys->text.length > 0 ? LINE_KEY_TEXT : LINE_KEY_NONE;
}

int line_keys_next(struct line_keys *keys, const char *bytes, size_t length, size_t *used)
{
    int key = LINE_KEY_NONE;
    *used = 0;
    if (length == 0)
        return key;
    if (keys->pasting)
        return take_paste(keys, bytes, length, used) ? LINE_KEY_PASTE : LINE_KEY_NONE;
    if (keys->waiting.length > 0 && keys->waiting.bytes[0] == 27) {
        while (*used < length)
            if (take_sequence(keys, bytes[(*used)++], &key))
                return key;
        return LINE_KEY_NONE;
    }
    unsigned char c = (unsigned char)bytes[0];
    if (keys->waiting.length > 0 || (c >= 0x20 && c != 127))
        return take_text(keys, bytes, length, used);
    *used = 1;
    if (c != 27)
        return c == '\n' ? LINE_KEY_ENTER : c == 8 ? LINE_KEY_BACKSPACE : c;
    rh_buffer_add_char(&keys->waiting, 27);
    return LINE_KEY_NONE;
}

bool line_keys_wait(const struct line_keys *keys)
{
    return keys->waiting.length > 0 && keys->waiting.bytes[0] == 27;
}

int line_keys_settle(struct line_keys *keys)
{
    bool alone = keys->waiting.length == 1;
    rh_buffer_clear(&keys->waiting);
    return alone ? LINE_KEY_ESCAPE : LINE_KEY_NONE;
}

void line_keys_free(struct line_keys *keys)
{
    rh_buffer_free(&keys->text);
    rh_buffer_free(&keys->waiting);
}
