/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full segments that nobody has seen yet go to files as they come, where memory is short: those of a build, and those of a cycle that brings more
 * than fits, which a single transaction may. A cycle publishes all of it or nothing, so that eviction, which takes what is published, comes too late.
 *
 *  1. Only sealed segments that no version shows: a loader's own, or ones that the writer opened in B. So another one takes the place at once, and the
 *     memory is free.
 *  2. The other one has the same number, rows, places, lineage and facts (mirror_evict.c, 1.), and what its unpublished rows stand for.
 *  3. Rows that were dead when it was written are dead by the table's deletions, as ever.
 *  4. What can't be put in a file stays in memory. Then the limit is the limit.
 */
#include "mirror_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "mirror_image.h"

void mirror_set_spill(struct mirror *mirror, uint32_t source, const struct mirror_spill *spill)
{
    BASE_INVARIANT(source < TABLE_SOURCES_MOST);
    bool any = false;
    base_mutex_lock(&mirror->spill_lock);
    mirror->spill[source] = spill == NULL ? (struct mirror_spill){.spill = NULL} : *spill;
    for (uint32_t s = 0; s < TABLE_SOURCES_MOST; s++)
        any = any || mirror->spill[s].spill != NULL;
    atomic_store_explicit(&mirror->memory.elastic, any ? mirror->memory.limit / 4 : 0, memory_order_relaxed);
    while (spill == NULL && mirror->spilling[source] > 0)
        base_cond_wait(&mirror->spill_ends, &mirror->spill_lock);
    base_mutex_unlock(&mirror->spill_lock);
}

/* So much is in memory that can't go now; is that more than may be before a segment is spilled? */
static bool spill_begin(struct mirror *mirror, uint32_t source, bool build, struct mirror_spill *to)
{
    size_t resident = mirror_resident_bytes(mirror);
    base_mutex_lock(&mirror->spill_lock);
    *to = mirror->spill[source];
    if (!build) /* what its changes replace stays until it is published */
        resident += atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed);
    bool begun = to->spill != NULL && resident > (build ? to->above : to->above_in_cycle);
    mirror->spilling[source] += begun;
    base_mutex_unlock(&mirror->spill_lock);
    return begun;
}

static void spill_end(struct mirror *mirror, uint32_t source)
{
    base_mutex_lock(&mirror->spill_lock);
    BASE_INVARIANT(mirror->spilling[source] > 0);
    mirror->spilling[source]--;
    base_cond_broadcast(&mirror->spill_ends);
    base_mutex_unlock(&mirror->spill_lock);
}

/* One that stands for it and lies in a file; NULL: there is none. */
static struct mirror_segment *spill_to(const struct mirror_spill *to, struct mirror *mirror,
                                       const struct source_table *definition, const struct mirror_segment *segment)
{
    struct segment_image image, file;
    struct mirror_keeper keeper;
    struct mirror_segment *spilled = NULL;
    if (mirror_segment_image_private(segment, definition, &image, NULL) != RHEI_OK)
        return NULL;
    rhei_status status = to->spill(to->context, definition->id, segment->lineage + 1, &image, &file, &keeper);
    image.release(&image);
    if (status != RHEI_OK)
        return NULL;
    status = mirror_evicted_new(mirror, segment, &file, &keeper, &spilled);
    file.release(&file);
    if (status == RHEI_OK)
        mirror_evicted_inherit(spilled, segment);
    return spilled;
}

struct mirror_segment *mirror_spill_built(struct mirror *mirror, const struct source_table *definition,
                                          struct mirror_segment *segment)
{
    struct mirror_spill to;
    uint32_t source = source_of_table(definition->id);
    if (segment->rows < MIRROR_VECTOR_ROWS || !spill_begin(mirror, source, true, &to))
        return segment;
    struct mirror_segment *spilled = spill_to(&to, mirror, definition, segment);
    spill_end(mirror, source);
    if (spilled == NULL)
        return segment;
    mirror_segment_free(mirror, segment);
    return spilled;
}

/* ---- In a cycle. --------------------------------------------------------------------------------------------------- */

/* From *number on. NULL: there is none. */
static struct mirror_segment *next_unseen(const struct mirror_table *table, uint32_t *number)
{
    struct mirror_segment *segment;
    while ((segment = mirror_trie_next(&table->segments, number)) != NULL) {
        if (segment->opened == mirror_building(table->mirror) && segment != table->tail.segment && !segment->remote &&
            segment->live_rows > 0 && segment->rows >= MIRROR_VECTOR_ROWS)
            return segment;
        ++*number;
    }
    return NULL;
}

/* False: it stays in memory. */
static bool spill_unseen(const struct mirror_spill *to, struct mirror_table *table, struct mirror_segment *segment)
{
    struct mirror *mirror = table->mirror;
    struct mirror_segment *spilled = spill_to(to, mirror, &table->definition, segment);
    if (spilled == NULL)
        return false;
    BASE_INVARIANT(segment->opened == mirror_building(mirror) && segment != table->tail.segment);
    if (mirror_segment_copy_origin(mirror, segment, spilled) != RHEI_OK ||
        mirror_trie_put(mirror, &table->retired, &table->segments, segment->number, spilled) != RHEI_OK) {
        mirror_segment_free(mirror, spilled);
        return false;
    }
    spilled->garbage.born = mirror_building(mirror);
    spilled->opened = segment->opened;
    mirror_segment_free(mirror, segment);
    atomic_fetch_add_explicit(&mirror->evictions, 1, memory_order_relaxed);
    return true;
}

void mirror_spill_applied(struct mirror_table *table)
{
    struct mirror *mirror = table->mirror;
    struct mirror_segment *segment = NULL;
    struct mirror_spill to;
    uint32_t number = 0, source = source_of_table(table->definition.id);
    bool more = atomic_load_explicit(&mirror->memory.elastic, memory_order_relaxed) > 0;
    if (!more)
        table->sealed = 0;
    while (more && spill_begin(mirror, source, false, &to)) {
        /* it is the way out of the limit */
        atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        segment = next_unseen(table, &number);
        more = segment != NULL && spill_unseen(&to, table, segment);
        atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        spill_end(mirror, source);
        if (!more)
            table->sealed = 0; /* what can't be put in a file is tried again with the next that is full */
    }
}
