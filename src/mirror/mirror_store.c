/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror: tables as columns in memory, one writer, readers that never wait.
 *
 * Invariants:
 *  1. A version is immutable once `current` names it: its catalog, views, segment and deletion tries, bitmaps, and every
 *     slot below a view's row counts. What readers and writer share beyond that only widens (flags, zone maps, facts), or
 *     is not looked at by the version (slots and validity bits at and after its tail), and is accessed by relaxed atomics.
 *  2. An object born in the epoch being built (B = epoch + 1) is seen by nobody and may be changed in place; any other is
 *     copied, and the copy takes its place in structures of B. The replaced one is retired at B.
 *  3. A row is visible in a version if its segment is in the view's trie, its place is below the segment's rows (for the
 *     view's tail: below tail_rows), and its bit in the view's deletions is clear.
 *  4. The key index holds exactly the live keys of the writer's state. A row id is segment number << 16 | logical offset;
 *     compaction changes places, never offsets, so it never touches the index.
 *  5. A sealed segment's rows, layouts and counters are final; only its deletions change.
 *  6. Each source's tables are published for themselves: what others went through stays in the working state (`held`), and their
 *     views go on showing what they showed.
 *  7. A table whose change failed is unsound: publishes keep showing what it showed before, and everything replaced since
 *     stays until the table goes.
 *  8. A publish needs no memory but for held tables: views are made when a table is first changed in a cycle, a version is always free
 *     (mirror_snapshot.c), retiring is intrusive, and a drop marks the view (gone_at) before it takes it out.
 *
 * States of a cycle: clean -> (apply, attach, drop, swap) -> dirty -> mirror_publish -> clean, B becomes the epoch.
 */
#include "mirror_cache.h"
#include "mirror_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

static void settle(struct mirror *mirror)
{
    mirror->max_segments = MIRROR_MAX_SEGMENTS;
    mirror->first_rows = MIRROR_FIRST_ROWS;
    mirror->segment_rows = MIRROR_SEGMENT_ROWS;
}

/* ---- What is done with retired objects (mirror_reclaim.h). ---------------------------------------------------------- */

static void free_segment(struct mirror *mirror, struct mirror_garbage *object)
{
    mirror_segment_free(mirror, (struct mirror_segment *)object);
}

static size_t segment_size(const struct mirror_garbage *object)
{
    return mirror_segment_size((const struct mirror_segment *)object);
}

static void free_table(struct mirror *mirror, struct mirror_garbage *object)
{
    (void)mirror;
    mirror_table_free((struct mirror_table *)object);
}

static size_t table_size(const struct mirror_garbage *object)
{
    const struct mirror_table *table = (const struct mirror_table *)object;
    size_t size = 0;
    uint32_t number = 0;
    for (const struct mirror_segment *segment; (segment = mirror_trie_next(&table->segments, &number)) != NULL;
         number++)
        size += mirror_segment_size(segment);
    return size;
}

static void free_version(struct mirror *mirror, struct mirror_garbage *object)
{
    object->next = (struct mirror_garbage *)mirror->free_versions; /* its first member; may be NULL */
    mirror->free_versions = (struct mirror_version *)object;
}

static void free_facts(struct mirror *mirror, struct mirror_garbage *object)
{
    mirror_facts_free(mirror, (struct mirror_facts *)object);
}

static const struct mirror_garbage_care garbage_care[MIRROR_KINDS] = {
    [MIRROR_KIND_SEGMENT] = {free_segment, segment_size},
    [MIRROR_KIND_TABLE] = {free_table, table_size},
    [MIRROR_KIND_VERSION] = {free_version, NULL},
    [MIRROR_KIND_FACTS] = {free_facts, NULL},
};

/* ---- Open and close. ------------------------------------------------------------------------------------------------ */

rhei_status mirror_open(const struct mirror_config *config, struct mirror **out, struct rhei_error *error)
{
    *out = NULL;
    struct mirror *mirror = base_alloc_aligned(64, sizeof *mirror);
    if (mirror == NULL)
        return error_no_memory(error);
    memset(mirror, 0, sizeof *mirror);
    mirror_memory_init(&mirror->memory, config == NULL ? 0 : config->memory_limit);
    mirror->log = config == NULL ? NULL : config->log;
    mirror->care = garbage_care;
    mirror_cache_init(mirror);
    settle(mirror);
    if (mirror_slots_init(mirror) != RHEI_OK) {
        mirror_slots_reset(mirror);
        mirror_cache_reset(mirror);
        mirror_memory_reset(&mirror->memory);
        base_free(mirror);
        return error_no_memory(error);
    }
    struct mirror_version *version = mirror_version_new(mirror);
    version->mirror = mirror;
    version->garbage.kind = MIRROR_KIND_VERSION;
    version->epoch = 0;
    atomic_init(&mirror->current, version);
    *out = mirror;
    return RHEI_OK;
}

void mirror_close(struct mirror **handle)
{
    struct mirror *mirror = *handle;
    if (mirror == NULL)
        return;
    mirror_garbage_free(mirror, &mirror->retired);
    uint32_t id = 0;
    for (struct mirror_table_view *view; (view = mirror_trie_next(&mirror->catalog, &id)) != NULL; id++) {
        mirror_table_free(view->table);
        mirror_small_free(mirror, view);
        if (id == UINT32_MAX)
            break;
    }
    mirror_trie_free(mirror, &mirror->catalog);
    mirror_small_reset(mirror);
    mirror_slots_reset(mirror);
    mirror_cache_reset(mirror);
    mirror_memory_reset(&mirror->memory);
    base_free(mirror);
    *handle = NULL;
}

/* ---- Dropping. ----------------------------------------------------------------------------------------------------- */

static void forget_dirty(struct mirror *mirror, struct mirror_table *table)
{
    for (struct mirror_table **link = &mirror->dirty; *link != NULL; link = &(*link)->next_dirty) {
        if (*link == table) {
            *link = table->next_dirty;
            break;
        }
    }
    table->dirty = false;
    if (table->held)
        mirror_table_unhold(table);
}

static void forget_zombie(struct mirror *mirror, struct mirror_table *table)
{
    for (struct mirror_table **link = &mirror->zombies; *link != NULL; link = &(*link)->next_zombie) {
        if (*link == table) {
            *link = table->next_zombie;
            break;
        }
    }
}

void mirror_table_retire(struct mirror_table *table)
{
    struct mirror *mirror = table->mirror;
    forget_dirty(mirror, table);
    forget_zombie(mirror, table);
    mirror_retire(mirror, &mirror->retired, table->view);
    mirror_retire(mirror, &mirror->retired, table);
}

static bool take_out(struct mirror *mirror, struct mirror_table *table)
{
    uint32_t id = table->definition.id;
    BASE_INVARIANT(table->dropped);
    if (mirror_trie_put(mirror, &mirror->retired, &mirror->catalog, id, NULL) != RHEI_OK)
        return false;
    mirror_table_retire(table);
    return true;
}

void mirror_note_table(struct mirror *mirror, uint32_t table)
{
    mirror->foreign += table >> TABLE_SOURCE_SHIFT != 0;
}

uint64_t mirror_foreign_generation(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->foreign_shown, memory_order_acquire);
}

void mirror_drop(struct mirror *mirror, uint32_t id)
{
    struct mirror_table *table = mirror_table_find(mirror, id);
    if (table == NULL)
        return;
    mirror_note_table(mirror, id);
    BASE_INVARIANT(!table->dropped && table->definition.id == id);
    table->dropped = true;
    atomic_store_explicit(&table->view->gone_at, mirror_building(mirror), memory_order_relaxed);
    mirror_index_free(&mirror->memory, &table->index);
    forget_dirty(mirror, table);
    if (take_out(mirror, table))
        return;
    table->next_zombie = mirror->zombies; /* the mark hides it; memory for the catalog's path may come later */
    mirror->zombies = table;
}

static void take_zombies_out(struct mirror *mirror)
{
    for (struct mirror_table *table = mirror->zombies, *next; table != NULL; table = next) {
        next = table->next_zombie;
        (void)take_out(mirror, table);
    }
}

/* ---- Publishing. --------------------------------------------------------------------------------------------------- */

static void freeze_dirty(struct mirror *mirror, uint32_t source)
{
    for (struct mirror_table *table = mirror->dirty, *next; table != NULL; table = next) {
        next = table->next_dirty;
        table->dirty = false;
        table->next_dirty = NULL;
        if (source_of_table(table->definition.id) != source) {
            mirror_table_hold(table);
            continue;
        }
        if (!table->shown)
            mirror_note_table(mirror, table->definition.id); /* it may have been attached some publishes ago */
        table->shown = true;
        if (mirror_table_is_unsound(table))
            continue;
        BASE_INVARIANT(!table->dropped && table->view->table == table);
        mirror_facts_narrow(table);
        mirror_table_freeze(table);
        mirror_retire_list(mirror, &table->retired);
        table->published_number = table->tail.number;
        table->published_rows = table->tail.rows;
        if (table->begun.count > 0)
            mirror_begun_published(table);
    }
    mirror->dirty = NULL;
}

/* Views of B for the tables of this source whose changes wait since another one was published. */
static rhei_status take_held(struct mirror *mirror, uint32_t source)
{
    rhei_status status = RHEI_OK;
    for (struct mirror_table *table = mirror->held, *next; table != NULL && status == RHEI_OK; table = next) {
        next = table->next_dirty;
        if (source_of_table(table->definition.id) == source)
            status = mirror_table_touch(table);
    }
    return status;
}

rhei_status mirror_publish(struct mirror *mirror, int64_t position, struct rhei_error *error)
{
    return mirror_publish_source(mirror, 0, position, error);
}

rhei_status mirror_publish_source(struct mirror *mirror, uint32_t source, int64_t position, struct rhei_error *error)
{
    BASE_INVARIANT(source < TABLE_SOURCES_MOST);
    rhei_status status = mirror->held == NULL ? RHEI_OK : take_held(mirror, source);
    if (status != RHEI_OK)
        return error_set(error, status, "no memory to show the changes of source %u", source);
    take_zombies_out(mirror);
    freeze_dirty(mirror, source);
    struct mirror_version *version = mirror_version_new(mirror);
    struct mirror_version *old = atomic_load_explicit(&mirror->current, memory_order_relaxed);
    BASE_INVARIANT(version != old && mirror->dirty == NULL);
    BASE_INVARIANT(old->epoch == mirror->epoch);
    uint64_t building = mirror_building(mirror);
    version->garbage.kind = MIRROR_KIND_VERSION;
    version->garbage.born = building;
    version->epoch = building;
    memcpy(version->position, old->position, sizeof version->position);
    version->position[source] = position;
    version->catalog = mirror->catalog;
    version->foreign = mirror->foreign;
    version->mirror = mirror;
    mirror_retire(mirror, &mirror->retired, old);
    atomic_store(&mirror->current, version);
    atomic_store_explicit(&mirror->foreign_shown, mirror->foreign, memory_order_release);
    mirror->epoch = building;
    atomic_fetch_add_explicit(&mirror->publishes, 1, memory_order_relaxed);
    mirror_reclaim_when_due(mirror);
    return RHEI_OK;
}
