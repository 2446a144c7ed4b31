/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions: a bitmap per vector, copied when it is first touched in a cycle and changed in place after that (born == B
 * means nobody has seen it). A published bitmap never changes.
 */
#include "mirror_internal.h"

#include <string.h>

static rhei_status own_deletions(struct mirror_table *table, uint32_t number, struct mirror_deletions **out)
{
    struct mirror *mirror = table->mirror;
    struct mirror_deletions *old = mirror_trie_get(&table->deletions, number);
    *out = old;
    if (old != NULL && old->garbage.born == mirror_building(mirror))
        return RHEI_OK;
    struct mirror_deletions *fresh;
    rhei_status status = mirror_small_new(mirror, MIRROR_KIND_DELETIONS, &fresh);
    if (status != RHEI_OK)
        return status;
    if (old != NULL) {
        fresh->dead = old->dead;
        memcpy(fresh->vector, old->vector, sizeof fresh->vector);
    }
    status = mirror_trie_put(mirror, &table->retired, &table->deletions, number, fresh);
    if (status != RHEI_OK) {
        mirror_small_free(mirror, fresh);
        return status;
    }
    mirror_retire(mirror, &table->retired, old);
    *out = fresh;
    return RHEI_OK;
}

static rhei_status own_bitmap(struct mirror_table *table, struct mirror_deletions *deletions, uint32_t vector,
                              struct mirror_bitmap **out)
{
    struct mirror *mirror = table->mirror;
    struct mirror_bitmap *old = deletions->vector[vector];
    *out = old;
    if (old != NULL && old->garbage.born == mirror_building(mirror))
        return RHEI_OK;
    struct mirror_bitmap *fresh;
    rhei_status status = mirror_small_new(mirror, MIRROR_KIND_BITMAP, &fresh);
    if (status != RHEI_OK)
        return status;
    if (old != NULL) {
        fresh->dead = old->dead;
        memcpy(fresh->word, old->word, sizeof fresh->word);
    }
    mirror_retire(mirror, &table->retired, old);
    deletions->vector[vector] = fresh;
    *out = fresh;
    return RHEI_OK;
}

void mirror_table_note_empty(struct mirror_table *table, struct mirror_segment *segment)
{
    BASE_INVARIANT(segment->live_rows == 0);
    segment->next_empty = table->empties;
    table->empties = segment;
}

rhei_status mirror_kill_at(struct mirror_table *table, uint32_t number, struct mirror_segment *segment, uint32_t place)
{
    struct mirror_deletions *deletions;
    struct mirror_bitmap *bitmap = NULL;
    rhei_status status = own_deletions(table, number, &deletions);
    if (status == RHEI_OK)
        status = own_bitmap(table, deletions, place / MIRROR_VECTOR_ROWS, &bitmap);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(place < segment->capacity && segment->live_rows > 0 && table->live > 0);
    BASE_INVARIANT(deletions->garbage.born == mirror_building(table->mirror));
    BASE_INVARIANT(bitmap->garbage.born == mirror_building(table->mirror));
    uint32_t bit = place % MIRROR_VECTOR_ROWS;
    BASE_INVARIANT((bitmap->word[bit >> 6] >> (bit & 63) & 1) == 0);
    bitmap->word[bit >> 6] |= 1ull << (bit & 63);
    bitmap->dead++;
    BASE_INVARIANT(bitmap->dead <= MIRROR_VECTOR_ROWS);
    deletions->dead++;
    segment->live_rows--;
    if (segment != table->tail.segment && mirror_segment_is_heavy(segment, segment->rows)) {
        size_t left = atomic_load_explicit(&segment->heap_live, memory_order_relaxed);
        atomic_store_explicit(&segment->heap_live, left - mirror_segment_long_bytes(segment, place),
                              memory_order_relaxed);
    }
    table->live--;
    table->dead++;
    if (segment->live_rows == 0 && segment != table->tail.segment)
        mirror_table_note_empty(table, segment);
    return RHEI_OK;
}

void mirror_deletions_free(struct mirror *mirror, struct mirror_deletions *deletions)
{
    for (uint32_t v = 0; v < MIRROR_SEGMENT_VECTORS; v++)
        mirror_small_free(mirror, deletions->vector[v]);
    mirror_small_free(mirror, deletions);
}
