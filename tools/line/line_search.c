/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-R: what was entered before, by a part of it. The match is the text at once; Escape and Ctrl-G give the text back that was there. */
#include "line_editor.h"

#include "line_text.h"

#include <string.h>

static void show_match(struct line_editor *editor, size_t before)
{
    const struct line_history *history = editor->history;
    size_t found = line_history_find(history, before, editor->query.bytes);
    editor->missed = found == history->count;
    if (editor->missed)
        return;
    editor->found = found;
    const char *entry = history->entries[found];
    line_editor_show(editor, entry, strlen(entry));
    editor->cursor = (size_t)(strcasestr(entry, editor->query.bytes) - entry);
}

void line_search_older(struct line_editor *editor)
{
    if (editor->history == NULL)
        return;
    if (editor->searching) {
        if (editor->query.length > 0)
            show_match(editor, editor->found);
        return;
    }
    editor->searching = true;
    editor->missed = false;
    editor->found = editor->history->count;
    rh_buffer_clear(&editor->query);
    rh_buffer_reserve(&editor->query, 0);
    editor->query.bytes[0] = '\0';
    rh_buffer_clear(&editor->before_search);
    rh_buffer_add(&editor->before_search, editor->text.bytes, editor->text.length);
}

static void change_query(struct line_editor *editor)
{
    editor->found = editor->history->count;
    editor->missed = false;
    if (editor->query.length > 0)
        show_match(editor, editor->found);
}

bool line_search_key(struct line_editor *editor, int key)
{
    struct rh_buffer *query = &editor->query;
    switch (key) {
    case LINE_CTRL('R'):
        line_search_older(editor);
        return true;
    case LINE_KEY_TEXT:
        line_add_clean(query, editor->keys.text.bytes, editor->keys.text.length);
        change_query(editor);
        return true;
    case LINE_KEY_BACKSPACE:
        query->length = line_previous(query->bytes, query->length);
        query->bytes[query->length] = '\0';
        change_query(editor);
        return true;
    case LINE_CTRL('G'):
    case LINE_CTRL('C'):
    case LINE_KEY_ESCAPE:
        line_editor_show(editor, editor->before_search.bytes, editor->before_search.length);
        editor->searching = false;
        return true;
    case LINE_KEY_ENTER:
        if (editor->found ==
            editor->history->count) { /* nothing was found: what stands there isn't what was searched */
            editor->searching = false;
            return true;
        }
        /* fallthrough */
    default:
        editor->searching = false;
        if (editor->found < editor->history->count)
            editor->place = editor->found;
        return false;
    }
}
