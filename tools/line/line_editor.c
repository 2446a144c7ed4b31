/* SPDX-License-Identifier: Apache-2.0 */
#include "line_editor.h"

#include "line_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct line_change {
    size_t at, inserted;
    char *removed;
    size_t removed_length;
};

static void forget_changes(struct line_editor *editor)
{
    for (size_t at = 0; at < editor->change_count; at++)
        free(editor->changes[at].removed);
    editor->change_count = 0;
    editor->typing = false;
}

/* Bytes in place of others, without a word to the undo list. */
static void splice(struct rh_buffer *text, size_t at, size_t length, const char *bytes, size_t count)
{
    assert(at + length <= text->length);
    if (count > length)
        rh_buffer_reserve(text, count - length);
    memmove(text->bytes + at + count, text->bytes + at + length, text->length - at - length + 1);
    if (count > 0)
        memcpy(text->bytes + at, bytes, count);
    text->length += count;
    text->length -= length;
}

void line_editor_replace(struct line_editor *editor, size_t at, size_t length, const char *bytes, size_t count)
{
    struct line_change *last = editor->change_count > 0 ? &editor->changes[editor->change_count - 1] : NULL;
    if (length == 0 && count == 0)
        return;
    if (editor->typing && length == 0 && last != NULL && last->at + last->inserted == at) {
        last->inserted += count;
    } else {
        if (editor->change_count == editor->change_capacity) {
            editor->change_capacity = editor->change_capacity == 0 ? 32 : editor->change_capacity * 2;
            editor->changes = rh_reallocate(editor->changes, editor->change_capacity * sizeof *editor->changes);
        }
        editor->changes[editor->change_count++] =
            (struct line_change){.at = at,
                                 .inserted = count,
                                 .removed = rh_copy_text(editor->text.bytes + at, length),
                                 .removed_length = length};
    }
    splice(&editor->text, at, length, bytes, count);
    editor->cursor = at + count;
}

static void undo(struct line_editor *editor)
{
    if (editor->change_count == 0)
        return;
    struct line_change *change = &editor->changes[--editor->change_count];
    splice(&editor->text, change->at, change->inserted, change->removed, change->removed_length);
    editor->cursor = change->at + change->removed_length;
    free(change->removed);
}

void line_editor_show(struct line_editor *editor, const char *text, size_t length)
{
    splice(&editor->text, 0, editor->text.length, text, length);
    editor->cursor = length;
    forget_changes(editor);
}

void line_editor_begin(struct line_editor *editor, const struct line_helper *helper, struct line_history *history)
{
    editor->helper = helper;
    editor->history = history;
    rh_buffer_clear(&editor->text);
    rh_buffer_reserve(&editor->text, 0);
    editor->text.bytes[0] = '\0';
    rh_buffer_clear(&editor->kept);
    forget_changes(editor);
    line_menu_clear(&editor->menu);
    editor->cursor = 0;
    editor->killing = editor->vertical = editor->spaced = editor->searching = false;
    editor->place = history != NULL ? history->count : 0;
}

void line_editor_free(struct line_editor *editor)
{
    forget_changes(editor);
    free(editor->changes);
    line_menu_free(&editor->menu);
    line_keys_free(&editor->keys);
    rh_buffer_free(&editor->text);
    rh_buffer_free(&editor->killed);
    rh_buffer_free(&editor->kept);
    rh_buffer_free(&editor->query);
    rh_buffer_free(&editor->before_search);
    *editor = (struct line_editor){0};
}

/* Takes a range out for Ctrl-Y. Ranges that are killed one after another are one. */
static void kill_range(struct line_editor *editor, size_t from, size_t to, bool again)
{
    struct rh_buffer *killed = &editor->killed;
    bool forwards = from == editor->cursor;
    if (from == to)
        return;
    if (!again)
        rh_buffer_clear(killed);
    rh_buffer_reserve(killed, 0);
    killed->bytes[killed->length] = '\0';
    splice(killed, forwards ? killed->length : 0, 0, editor->text.bytes + from, to - from);
    line_editor_replace(editor, from, to - from, "", 0);
    editor->killing = true;
}

static void recall(struct line_editor *editor, size_t place)
{
    struct line_history *history = editor->history;
    if (editor->place == history->count) {
        rh_buffer_clear(&editor->kept);
        rh_buffer_add(&editor->kept, editor->text.bytes, editor->text.length);
    }
    editor->place = place;
    if (place == history->count)
        line_editor_show(editor, editor->kept.bytes, editor->kept.length);
    else
        line_editor_show(editor, history->entries[place], strlen(history->entries[place]));
}

/* To the line above or below, or from the first and last one on through the history. */
static void go_vertically(struct line_editor *editor, bool up, bool again)
{
    const char *text = editor->text.bytes;
    size_t length = editor->text.length;
    size_t begin = line_begin(text, editor->cursor), end = line_end(text, length, editor->cursor);
    size_t column = again ? editor->column : line_column(text, editor->cursor);
    if (up && begin > 0)
        editor->cursor = line_at_column(text, length, line_begin(text, begin - 1), column);
    else if (!up && end < length)
        editor->cursor = line_at_column(text, length, end + 1, column);
    else if (editor->history == NULL)
        return;
    else if (up && editor->place > 0)
        recall(editor, editor->place - 1);
    else if (!up && editor->place < editor->history->count)
        recall(editor, editor->place + 1);
    else
        return;
    editor->column = column;
    editor->vertical = true;
}

static void insert_clean(struct line_editor *editor, const char *bytes, size_t length)
{
    struct rh_buffer clean = {0};
    line_add_clean(&clean, bytes, length);
    line_editor_replace(editor, editor->cursor, 0, clean.bytes, clean.length);
    rh_buffer_free(&clean);
}

static void transpose(struct line_editor *editor)
{
    const char *text = editor->text.bytes;
    size_t at = editor->cursor;
    if (at == editor->text.length)
        at = line_previous(text, at);
    size_t before = line_previous(text, at), after = line_next(text, editor->text.length, at);
    if (before == at || after == at || text[at] == '\n' || text[before] == '\n')
        return;
    struct rh_buffer turned = {0};
    rh_buffer_add(&turned, text + at, after - at);
    rh_buffer_add(&turned, text + before, at - before);
    line_editor_replace(editor, before, after - before, turned.bytes, turned.length);
    rh_buffer_free(&turned);
}

/* Puts the choice of that number in the text's place of it. */
static void choose(struct line_editor *editor, size_t chosen)
{
    struct line_menu *menu = &editor->menu;
    const char *word = chosen < menu->count ? menu->words[chosen] : menu->typed.bytes;
    size_t start = menu->start;
    menu->chosen = chosen;
    editor->typing = false;
    line_editor_replace(editor, start, editor->cursor - start, word, strlen(word));
}

/* Behind a word that is whole, at the end of what is typed; not where it goes on: a call, a folder, a value. */
static void add_blank(struct line_editor *editor)
{
    size_t at = editor->cursor;
    if (at != editor->text.length || at == 0 || strchr(" \n(/.:=", editor->text.bytes[at - 1]) != NULL)
        return;
    line_editor_replace(editor, at, 0, " ", 1);
    editor->spaced = true;
}

static void take_blank(struct line_editor *editor)
{
    assert(editor->cursor > 0 && editor->text.bytes[editor->cursor - 1] == ' ');
    line_editor_replace(editor, editor->cursor - 1, 1, "", 0);
}

/* Tab: what all choices begin with, the only choice, or a menu. */
static void complete(struct line_editor *editor)
{
    struct line_menu *menu = &editor->menu;
    const struct line_helper *helper = editor->helper;
    line_menu_clear(menu);
    menu->start = editor->cursor;
    if (helper != NULL && helper->complete != NULL)
        helper->complete(helper->context, editor->text.bytes, editor->text.length, editor->cursor, menu);
    assert(menu->start <= editor->cursor);
    if (menu->count == 0)
        return;
    rh_buffer_clear(&menu->typed);
    rh_buffer_add(&menu->typed, editor->text.bytes + menu->start, editor->cursor - menu->start);
    size_t common = line_menu_common(menu);
    menu->chosen = menu->count;
    if (menu->count == 1) {
        choose(editor, 0);
        line_menu_clear(menu);
        add_blank(editor);
        return;
    }
    if (common > menu->typed.length)
        line_editor_replace(editor, menu->start, editor->cursor - menu->start, menu->words[0], common);
    menu->open = true;
}

/* A key while a menu is open. True: it was for the menu. */
static bool menu_key(struct line_editor *editor, int key)
{
    struct line_menu *menu = &editor->menu;
    size_t count = menu->count;
    switch (key) {
    case LINE_KEY_TAB:
        choose(editor, menu->chosen >= count - 1 ? 0 : menu->chosen + 1);
        return true;
    case LINE_KEY_TAB_BACK:
        choose(editor, menu->chosen == 0 || menu->chosen == count ? count - 1 : menu->chosen - 1);
        return true;
    case LINE_KEY_ESCAPE:
    case LINE_CTRL('G'):
        choose(editor, count);
        line_menu_clear(menu);
        return true;
    case LINE_KEY_ENTER: {
        bool taken = menu->chosen < count;
        line_menu_clear(menu);
        return taken;
    }
    default:
        line_menu_clear(menu);
        return false;
    }
}

static enum line_outcome enter(struct line_editor *editor)
{
    const struct line_helper *helper = editor->helper;
    if (helper == NULL || helper->whole == NULL ||
        helper->whole(helper->context, editor->text.bytes, editor->text.length)) {
        editor->cursor = editor->text.length;
        return LINE_ACCEPTED;
    }
    line_editor_replace(editor, editor->cursor, 0, "\n", 1);
    return LINE_EDITING;
}

static void edit(struct line_editor *editor, int key, bool killing, bool vertical)
{
    const char *text = editor->text.bytes;
    size_t length = editor->text.length, at = editor->cursor, end = line_end(text, length, at);
    switch (key) {
    case LINE_KEY_TEXT:
        insert_clean(editor, editor->keys.text.bytes, editor->keys.text.length);
        editor->typing = true;
        break;
    case LINE_KEY_PASTE:
        insert_clean(editor, editor->keys.text.bytes, editor->keys.text.length);
        break;
    case LINE_KEY_NEWLINE:
        line_editor_replace(editor, at, 0, "\n", 1);
        break;
    case LINE_KEY_TAB:
        complete(editor);
        break;
    case LINE_KEY_BACKSPACE: {
        size_t before = line_previous(text, at);
        line_editor_replace(editor, before, at - before, "", 0);
        break;
    }
    case LINE_KEY_DELETE:
    case LINE_CTRL('D'):
        line_editor_replace(editor, at, line_next(text, length, at) - at, "", 0);
        break;
    case LINE_CTRL('K'):
        kill_range(editor, at, at == end && end < length ? end + 1 : end, killing);
        break;
    case LINE_CTRL('U'):
        kill_range(editor, line_begin(text, at), at, killing);
        break;
    case LINE_CTRL('W'):
        kill_range(editor, line_blank_word_begin(text, at), at, killing);
        break;
    case LINE_KEY_WORD_BACKSPACE:
        kill_range(editor, line_word_begin(text, at), at, killing);
        break;
    case LINE_KEY_WORD_DELETE:
        kill_range(editor, at, line_word_end(text, length, at), killing);
        break;
    case LINE_CTRL('Y'):
        line_editor_replace(editor, at, 0, editor->killed.bytes, editor->killed.length);
        break;
    case LINE_CTRL('T'):
        transpose(editor);
        break;
    case LINE_KEY_UNDO:
        undo(editor);
        break;
    case LINE_KEY_UP:
    case LINE_CTRL('P'):
    case LINE_KEY_DOWN:
    case LINE_CTRL('N'):
        go_vertically(editor, key == LINE_KEY_UP || key == LINE_CTRL('P'), vertical);
        break;
    case LINE_CTRL('R'):
        line_search_older(editor);
        break;
    default:
        break;
    }
}

/* Keys that only move; false: it is another. */
static bool move(struct line_editor *editor, int key)
{
    const char *text = editor->text.bytes;
    size_t length = editor->text.length, *at = &editor->cursor;
    switch (key) {
    case LINE_CTRL('A'):
    case LINE_KEY_HOME:
        *at = line_begin(text, *at);
        return true;
    case LINE_CTRL('E'):
    case LINE_KEY_END:
        *at = line_end(text, length, *at);
        return true;
    case LINE_CTRL('B'):
    case LINE_KEY_LEFT:
        *at = line_previous(text, *at);
        return true;
    case LINE_CTRL('F'):
    case LINE_KEY_RIGHT:
        *at = line_next(text, length, *at);
        return true;
    case LINE_KEY_WORD_LEFT:
        *at = line_word_begin(text, *at);
        return true;
    case LINE_KEY_WORD_RIGHT:
        *at = line_word_end(text, length, *at);
        return true;
    default:
        return false;
    }
}

static enum line_outcome obey(struct line_editor *editor, int key)
{
    bool killing = editor->killing, vertical = editor->vertical, typing = editor->typing, spaced = editor->spaced;
    if (key == LINE_KEY_NONE)
        return LINE_EDITING;
    editor->killing = editor->vertical = editor->spaced = false;
    const struct rh_buffer *next = &editor->keys.text;
    if (spaced && (key == LINE_KEY_ENTER ||
                   (key == LINE_KEY_TEXT && next->length > 0 && strchr(" ,;).", next->bytes[0]) != NULL)))
        take_blank(editor);
    editor->typing = typing && key == LINE_KEY_TEXT;
    if ((editor->searching && line_search_key(editor, key)) || (editor->menu.open && menu_key(editor, key)))
        return LINE_EDITING;
    switch (key) {
    case LINE_KEY_ENTER:
        return enter(editor);
    case LINE_CTRL('C'):
        return LINE_DROPPED;
    case LINE_CTRL('L'):
        return LINE_CLEAR;
    case LINE_CTRL('Z'):
        return LINE_STOP;
    case LINE_CTRL('D'):
        if (editor->text.length == 0)
            return LINE_ENDED;
        break;
    default:
        break;
    }
    if (!move(editor, key))
        edit(editor, key, killing, vertical);
    return LINE_EDITING;
}

/* What comes together may be one cluster now, as a mark whose own letter is gone and the letter before it. */
static enum line_outcome take_key(struct line_editor *editor, int key)
{
    enum line_outcome outcome = obey(editor, key);
    assert(editor->cursor <= editor->text.length);
    editor->cursor = line_snap(editor->text.bytes, editor->text.length, editor->cursor);
    return outcome;
}

enum line_outcome line_editor_feed(struct line_editor *editor, const char *bytes, size_t length, size_t *used)
{
    enum line_outcome outcome = LINE_EDITING;
    for (*used = 0; *used < length && outcome == LINE_EDITING;) {
        size_t took;
        int key = line_keys_next(&editor->keys, bytes + *used, length - *used, &took);
        *used += took;
        outcome = take_key(editor, key);
    }
    return outcome;
}

enum line_outcome line_editor_settle(struct line_editor *editor)
{
    return line_keys_wait(&editor->keys) ? take_key(editor, line_keys_settle(&editor->keys)) : LINE_EDITING;
}
