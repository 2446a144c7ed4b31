/* SPDX-License-Identifier: Apache-2.0 */
/* Whether something of a snapshot or a table couldn't be read from its file (mirror_touch.c finds out). */
#include "mirror_internal.h"

uint64_t mirror_damages(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->damages, memory_order_acquire);
}

static bool any_damaged(const struct mirror_trie *segments)
{
    uint32_t number = 0;
    for (const struct mirror_segment *segment; (segment = mirror_trie_next(segments, &number)) != NULL; number++)
        if (atomic_load_explicit(&segment->damaged, memory_order_relaxed))
            return true;
    return false;
}

bool mirror_is_damaged(const struct mirror_snapshot *snapshot)
{
    const struct mirror_table_view *view;
    if (mirror_damages(snapshot->version->mirror) == 0)
        return false;
    for (uint32_t id = 0; (view = mirror_view_next(snapshot, &id)) != NULL && id < UINT32_MAX; id++)
        if (any_damaged(&view->segments))
            return true;
    return false;
}

bool mirror_view_is_damaged(const struct mirror_table_view *view)
{
    return any_damaged(&view->segments);
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
    return found != NULL && any_damaged(&found->segments);
}
