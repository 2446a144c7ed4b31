/* SPDX-License-Identifier: Apache-2.0 */
#include "line_history.h"

#include "rh_memory.h"

#include <stdlib.h>
#include <string.h>

static void drop_oldest(struct line_history *history)
{
    history->bytes -= strlen(history->entries[0]);
    free(history->entries[0]);
    memmove(history->entries, history->entries + 1, --history->count * sizeof *history->entries);
}

bool line_history_add(struct line_history *history, const char *text, size_t length)
{
    size_t limit = history->limit > 0 ? history->limit : LINE_HISTORY_LIMIT;
    const char *newest = history->count > 0 ? history->entries[history->count - 1] : NULL;
    if (length == 0 || text[0] == ' ' || text[0] == '\t' || text[0] == '\n' ||
        (newest != NULL && strlen(newest) == length && memcmp(newest, text, length) == 0))
        return false;
    while (history->count > 0 && (history->count == limit || history->bytes + length > LINE_HISTORY_BYTES))
        drop_oldest(history);
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 64 : history->capacity * 2;
        history->entries = rh_reallocate(history->entries, history->capacity * sizeof *history->entries);
    }
    history->entries[history->count++] = rh_copy_text(text, length);
    history->bytes += length;
    return true;
}

size_t line_history_find(const struct line_history *history, size_t before, const char *words)
{
    for (size_t at = before < history->count ? before : history->count; at > 0; at--)
        if (strcasestr(history->entries[at - 1], words) != NULL)
            return at - 1;
    return history->count;
}

void line_history_free(struct line_history *history)
{
    for (size_t at = 0; at < history->count; at++)
        free(history->entries[at]);
    free(history->entries);
    *history = (struct line_history){0};
}
