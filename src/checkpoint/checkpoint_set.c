/* SPDX-License-Identifier: Apache-2.0 */
/* The set of segments that a checkpoint has. Calls no other file of this room. */
#include <string.h>

#include "base/base_memory.h"
#include "checkpoint_internal.h"
#include "mirror/mirror_image.h"

_Static_assert((int)CHECKPOINT_FILE_NAME == (int)CHECKPOINT_NAME_BYTES, "a name of a file has room");

void checkpoint_fault(const struct checkpoint *checkpoint, const char *point)
{
    if (checkpoint->config.fault != NULL)
        checkpoint->config.fault(checkpoint->config.fault_context, point);
}

uint64_t checkpoint_uid_bit(const struct segment_codec *codec)
{
    return strcmp(codec->name, "arrow") == 0 ? 0 : CHECKPOINT_PACKED;
}

uint64_t checkpoint_take_numbers(struct checkpoint *checkpoint, uint64_t count, uint64_t *first)
{
    base_mutex_lock(&checkpoint->lock);
    *first = checkpoint->next_uid;
    checkpoint->next_uid += count;
    uint64_t next = checkpoint->next_uid;
    base_mutex_unlock(&checkpoint->lock);
    return next;
}

bool checkpoint_lost_versions(const struct checkpoint *checkpoint, uint32_t table)
{
    if (checkpoint->lost_deltas)
        return true;
    for (size_t i = 0; i < checkpoint->lost_count; i++)
        if (checkpoint->lost[i] == table)
            return true;
    return false;
}

bool checkpoint_damaged_file(struct checkpoint *checkpoint, const struct mirror_table_view *view, uint32_t table,
                             char name[CHECKPOINT_FILE_NAME])
{
    bool found = false;
    base_mutex_lock(&checkpoint->run_lock);
    const struct checkpoint_known_table *known = checkpoint_set_find(&checkpoint->set, table);
    for (uint32_t s = 0; known != NULL && s < known->count && !found; s++) {
        const struct checkpoint_known *segment = &known->segments[s];
        found = segment->lineage != 0 && !segment->in_pieces && mirror_view_segment_is_damaged(view, s) &&
                mirror_view_segment_lineage(view, s) == segment->lineage;
        if (found)
            checkpoint_blob_name(segment->uid, name);
    }
    base_mutex_unlock(&checkpoint->run_lock);
    return found;
}

/* ---- Sets. --------------------------------------------------------------------------------------------------------- */

void checkpoint_set_drop_last(struct checkpoint_set *set)
{
    struct checkpoint_known_table *table = &set->tables[--set->count];
    for (uint32_t s = 0; s < table->count; s++)
        base_free(table->segments[s].dead);
    base_free(table->segments);
}

void checkpoint_set_reset(struct checkpoint_set *set)
{
    while (set->count > 0)
        checkpoint_set_drop_last(set);
    base_free(set->tables);
    *set = (struct checkpoint_set){.tables = NULL};
}

struct checkpoint_known_table *checkpoint_set_find(const struct checkpoint_set *set, uint32_t id)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->tables[middle].id == id)
            return &set->tables[middle];
        if (set->tables[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct checkpoint_known_table *checkpoint_set_add(struct checkpoint_set *set, uint32_t id, uint32_t segments)
{
    BASE_INVARIANT(set->count == 0 || set->tables[set->count - 1].id < id);
    struct checkpoint_known *made = base_alloc_zero((size_t)segments + 1, sizeof *made);
    if (made == NULL || !base_grow((void **)&set->tables, &set->capacity, set->count + 1, sizeof *set->tables)) {
        base_free(made);
        return NULL;
    }
    set->tables[set->count] = (struct checkpoint_known_table){id, segments, made};
    return &set->tables[set->count++];
}
