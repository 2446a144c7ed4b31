/* SPDX-License-Identifier: Apache-2.0 */
/* Whether something of a snapshot or a table couldn't be read from its file (mirror_touch.c finds out). */
#include "mirror_internal.h"

#include "base/base_error.h"
#include "mirror_touch.h"

uint64_t mirror_damages(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->damages, memory_order_acquire);
}

static const struct mirror_segment *first_damaged(const struct mirror_trie *segments)
{
    uint32_t number = 0;
    const struct mirror_segment *segment;
    while ((segment = mirror_trie_next(segments, &number)) != NULL &&
           !atomic_load_explicit(&segment->damaged, memory_order_relaxed))
        number++;
    return segment;
}

bool mirror_view_is_damaged(const struct mirror_table_view *view)
{
    return mirror_damages(view->table->mirror) > 0 && first_damaged(&view->segments) != NULL;
}

bool mirror_view_segment_is_damaged(const struct mirror_table_view *view, uint32_t number)
{
    const struct mirror_segment *segment =
        number < view->segment_count ? mirror_trie_get(&view->segments, number) : NULL;
    return segment != NULL && atomic_load_explicit(&segment->damaged, memory_order_relaxed);
}

bool mirror_table_is_damaged(struct mirror *mirror, uint32_t table)
{
    const struct mirror_table *found = mirror_table_find(mirror, table);
    return found != NULL && first_damaged(&found->segments) != NULL;
}

static const char *file_of(const struct mirror_segment *segment)
{
    for (uint32_t c = 0; c < segment->column_count; c++)
        if (segment->column[c].foreign != NULL && segment->column[c].foreign->owner->name != NULL)
            return segment->column[c].foreign->owner->name;
    return "";
}

rhei_status mirror_view_check(const struct mirror_table_view *view, struct rhei_error *error)
{
    const struct source_table *table = &view->table->definition;
    const struct mirror_segment *segment =
        mirror_damages(view->table->mirror) == 0 ? NULL : first_damaged(&view->segments);
    if (segment == NULL)
        return RHEI_OK;
    size_t past = is_history_table(table->id) ? history_part_of(table->name) : 0;
    if (past > 0)
        return error_set(
            error, RHEI_IO,
            "the history of table \"%.*s\" can't be read: its file \"%s\" of the column store's folder is "
            "damaged, and the versions in it are lost; ask again for what is told of the past from now on, "
            "or open a backup of database and folder (rh repair mends a folder that was only looked at)",
            (int)past, table->name, file_of(segment));
    return error_set(error, RHEI_IO,
                     "the file \"%s\" of table \"%s\" in the column store's folder is damaged: what it had is built "
                     "again; ask again (rh repair mends a folder that was only looked at)",
                     file_of(segment), table->name);
}
