/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: the writer's working state, and the views that versions show of it.
 *
 * Life of a table: new (private, in a build) -> attached (in the catalog being built) -> published, then per cycle
 * clean -> dirty (mirror_table_touch: a view of B is in the catalog) -> clean (publish freezes it). A failed change makes
 * it unsound: its view keeps what was published last. Dropped: out of the catalog, retired, freed with everything that
 * its working state reaches once no snapshot shows it.
 */
#include "mirror_internal.h"

#include <string.h>

enum { SMALL_TAIL_BYTES = 32 << 10 }; /* what a table that only changes its few rows may append before it is tidied */

/* ---- The copied definition: one allocation for structs, numbers and texts. ----------------------------------------- */

struct packer {
    char *base;
    size_t used;
};

static void *pack(struct packer *packer, const void *from, size_t size, size_t alignment)
{
    packer->used = (packer->used + alignment - 1) / alignment * alignment;
    char *place = packer->base == NULL ? NULL : packer->base + packer->used;
    if (place != NULL && size > 0)
        memcpy(place, from, size);
    packer->used += size;
    return place;
}

static const char *pack_text(struct packer *packer, const char *text)
{
    return text == NULL ? NULL : pack(packer, text, strlen(text) + 1, 1);
}

/* Run twice: with base NULL it only measures. */
static void pack_definition(struct packer *packer, const struct source_table *from, struct source_table *to)
{
    *to = *from;
    struct source_column *columns =
        pack(packer, from->columns, from->column_count * sizeof *from->columns, _Alignof(struct source_column));
    for (uint32_t c = 0; c < from->column_count; c++) {
        const char *name = pack_text(packer, from->columns[c].name);
        const char *type = pack_text(packer, from->columns[c].declared_type);
        const char *collation = pack_text(packer, from->columns[c].collation);
        if (columns == NULL)
            continue;
        columns[c].name = name;
        columns[c].declared_type = type;
        columns[c].collation = collation;
    }
    to->columns = columns;
    to->key_columns = pack(packer, from->key_columns, from->key_count * sizeof *from->key_columns, _Alignof(uint32_t));
    to->name = pack_text(packer, from->name);
    to->unmirrored_reason = pack_text(packer, from->unmirrored_reason);
}

static rhei_status copy_definition(struct mirror *mirror, const struct source_table *from, struct mirror_table *table)
{
    struct source_table measured;
    struct packer packer = {0};
    pack_definition(&packer, from, &measured);
    void *memory;
    rhei_status status = mirror_memory_alloc(&mirror->memory, packer.used, &memory);
    if (status != RHEI_OK)
        return status;
    table->definition_memory = memory;
    table->definition_size = packer.used;
    packer = (struct packer){.base = memory};
    pack_definition(&packer, from, &table->definition);
    return RHEI_OK;
}

/* ---- Making and freeing. ------------------------------------------------------------------------------------------- */

static rhei_status table_fill(struct mirror *mirror, const struct source_table *definition, struct mirror_table *table)
{
    uint32_t columns = definition->column_count;
    rhei_status status = copy_definition(mirror, definition, table);
    if (status != RHEI_OK)
        return status;
    void *holders = NULL;
    status = mirror_facts_new(mirror, columns, &table->facts);
    if (status == RHEI_OK)
        status = mirror_memory_alloc_zero(&mirror->memory, columns * sizeof *table->holders, &holders);
    table->holders = holders;
    if (status != RHEI_OK)
        return status;
    return mirror_tail_init(mirror, &table->tail, columns);
}

rhei_status mirror_table_new(struct mirror *mirror, const struct source_table *definition, struct mirror_table **out)
{
    void *memory;
    *out = NULL;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, sizeof **out, &memory);
    if (status != RHEI_OK)
        return status;
    struct mirror_table *table = memory;
    table->garbage.kind = MIRROR_KIND_TABLE;
    table->mirror = mirror;
    table->serial = atomic_fetch_add_explicit(&mirror->serial, 1, memory_order_relaxed);
    table->tail.number = UINT32_MAX;
    table->published_number = UINT32_MAX;
    table->index.by_integer = definition->key_is_integer && definition->key_count == 1;
    status = table_fill(mirror, definition, table);
    if (status != RHEI_OK)
        mirror_table_free(table);
    else
        *out = table;
    return status;
}

static void free_segments(struct mirror_table *table)
{
    struct mirror *mirror = table->mirror;
    uint32_t number = 0;
    for (struct mirror_segment *segment; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++)
        mirror_segment_free(mirror, segment);
    number = 0;
    for (struct mirror_deletions *dead; (dead = mirror_trie_next(&table->deletions, &number)) != NULL; number++)
        mirror_deletions_free(mirror, dead);
    mirror_trie_free(mirror, &table->segments);
    mirror_trie_free(mirror, &table->deletions);
}

void mirror_table_free(struct mirror_table *table)
{
    if (table == NULL)
        return;
    struct mirror *mirror = table->mirror;
    free_segments(table);
    mirror_garbage_free(mirror, &table->retired);
    mirror_index_free(&mirror->memory, &table->index);
    mirror_begun_free(table);
    mirror_tail_reset(mirror, &table->tail, table->definition.column_count);
    mirror_facts_free(mirror, table->facts);
    mirror_facts_free(mirror, table->spare_facts);
    mirror_memory_free(&mirror->memory, table->holders, table->definition.column_count * sizeof *table->holders);
    mirror_memory_free(&mirror->memory, table->definition_memory, table->definition_size);
    mirror_memory_free(&mirror->memory, table, sizeof *table);
}

/* ---- Views. -------------------------------------------------------------------------------------------------------- */

struct mirror_table *mirror_table_find(struct mirror *mirror, uint32_t id)
{
    struct mirror_table_view *view = mirror_trie_get(&mirror->catalog, id);
    return view == NULL || view->table->dropped ? NULL : view->table;
}

rhei_status mirror_table_touch(struct mirror_table *table)
{
    if (table->dirty)
        return RHEI_OK;
    struct mirror *mirror = table->mirror;
    struct mirror_table_view *old = table->view, *view;
    BASE_INVARIANT(!table->dropped);
    rhei_status status = mirror_small_new(mirror, MIRROR_KIND_STATE, &view);
    if (status != RHEI_OK)
        return status;
    view->table = table;
    atomic_init(&view->gone_at, UINT64_MAX);
    if (old != NULL) {
        view->segments = old->segments;
        view->deletions = old->deletions;
        view->segment_count = old->segment_count;
        view->tail_number = old->tail_number;
        view->tail_rows = old->tail_rows;
        view->live = old->live;
        view->dead = old->dead;
        view->facts = old->facts;
    }
    status = mirror_trie_put(mirror, &mirror->retired, &mirror->catalog, table->definition.id, view);
    if (status != RHEI_OK) {
        mirror_small_free(mirror, view);
        return status;
    }
    mirror_retire(mirror, &mirror->retired, old);
    if (table->held)
        mirror_table_unhold(table);
    table->view = view;
    table->dirty = true;
    table->next_dirty = mirror->dirty;
    mirror->dirty = table;
    return RHEI_OK;
}

/*
 * Another source is published: what the view copied from the one before is shown, or, if the table was only attached, nothing.
 * The changes stay in the working state, and the next one, or the publish that shows them, brings another view.
 */
void mirror_table_hold(struct mirror_table *table)
{
    BASE_INVARIANT(!table->held && !table->dropped);
    if (!table->shown)
        atomic_store_explicit(&table->view->gone_at, 0, memory_order_relaxed);
    table->held = true;
    table->next_dirty = table->mirror->held;
    table->mirror->held = table;
}

void mirror_table_unhold(struct mirror_table *table)
{
    struct mirror_table **link = &table->mirror->held;
    while (*link != table)
        link = &(*link)->next_dirty;
    *link = table->next_dirty;
    table->next_dirty = NULL;
    table->held = false;
}

void mirror_table_freeze(struct mirror_table *table)
{
    BASE_INVARIANT(table->view->garbage.born == mirror_building(table->mirror));
    BASE_INVARIANT(table->used_segments <= table->segment_count);
    struct mirror_table_view *view = table->view;
    view->segments = table->segments;
    view->deletions = table->deletions;
    view->segment_count = table->segment_count;
    view->tail_number = table->tail.number;
    view->tail_rows = table->tail.rows;
    view->live = table->live;
    view->dead = table->dead;
    view->facts = table->facts;
}

/* ---- Segments of the table. ---------------------------------------------------------------------------------------- */

static rhei_status free_number(struct mirror_table *table, uint32_t *number)
{
    if (table->used_segments >= table->mirror->max_segments)
        return RHEI_TOO_BIG;
    if (table->used_segments == table->segment_count) {
        *number = table->segment_count;
        return RHEI_OK;
    }
    uint32_t candidate = table->free_hint;
    do
        candidate = candidate + 1 >= table->segment_count ? 0 : candidate + 1;
    while (mirror_table_segment(table, candidate) != NULL);
    BASE_INVARIANT(candidate < table->segment_count);
    table->free_hint = candidate;
    *number = candidate;
    return RHEI_OK;
}

/* What live rows need of the heap: looked up where rows died or were overwritten. */
static size_t heap_live(const struct mirror_table *table)
{
    const struct mirror_tail *tail = &table->tail;
    const struct mirror_segment *segment = tail->segment;
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, tail->number);
    if (segment->heap == NULL || (deletions == NULL && !tail->overwritten))
        return segment->heap == NULL ? 0 : segment->heap->bytes;
    size_t bytes = 0;
    for (uint32_t place = 0; place < tail->rows; place++)
        if (!mirror_is_dead(deletions, place))
            bytes += mirror_segment_long_bytes(segment, place);
    return bytes;
}

void mirror_table_close_tail(struct mirror_table *table)
{
    struct mirror_segment *segment = table->tail.segment;
    if (segment == NULL)
        return;
    size_t live = heap_live(table);
    mirror_tail_seal(table->mirror, &table->tail);
    table->sealed++;
    BASE_INVARIANT(table->tail.segment == NULL && segment->live_rows <= segment->rows);
    atomic_store_explicit(&segment->heap_live, live, memory_order_relaxed);
    if (segment->live_rows == 0)
        mirror_table_note_empty(table, segment);
}

bool mirror_table_tail_is_hollow(struct mirror_table *table)
{
    struct mirror_tail *tail = &table->tail;
    const struct mirror_segment *segment = tail->segment;
    if (segment == NULL || table->used_segments > table->mirror->max_segments / 2)
        return false;
    uint32_t dead = tail->rows - segment->live_rows;
    if (dead > tail->rows / 3 && dead >= MIRROR_VECTOR_ROWS / 2 &&
        dead * mirror_segment_slot_bytes(segment) >= MIRROR_WEIGH_BYTES / 2)
        return true;
    if (segment->heap == NULL || segment->heap->bytes < tail->weigh_at)
        return false;
    size_t live = heap_live(table);
    tail->weigh_at = segment->heap->bytes + (live > MIRROR_WEIGH_BYTES ? live : MIRROR_WEIGH_BYTES);
    return live < segment->heap->bytes / 2;
}

/* Nobody can have seen what apply opened in this cycle; the rest waits for its readers. */
static void discard(struct mirror_table *table, struct mirror_segment *segment)
{
    if (segment->opened == mirror_building(table->mirror))
        mirror_segment_free(table->mirror, segment);
    else
        mirror_retire(table->mirror, &table->retired, segment);
}

static rhei_status grow_tail(struct mirror_table *table, uint32_t slots)
{
    struct mirror *mirror = table->mirror;
    struct mirror_segment *outgrown;
    rhei_status status = mirror_tail_grow(mirror, &table->tail, slots, &outgrown);
    if (status != RHEI_OK)
        return status;
    struct mirror_segment *segment = table->tail.segment;
    BASE_INVARIANT(segment->number == table->tail.number && segment->capacity > outgrown->capacity);
    status = mirror_trie_put(mirror, &table->retired, &table->segments, segment->number, segment);
    if (status != RHEI_OK) {
        table->tail.segment = outgrown;
        outgrown->outgrown = false;
        mirror_segment_free(mirror, segment);
        return status;
    }
    segment->garbage.born = mirror_building(mirror);
    discard(table, outgrown);
    return RHEI_OK;
}

rhei_status mirror_table_extend_tail(struct mirror_table *table)
{
    const struct mirror_tail *tail = &table->tail;
    uint32_t more = mirror_tail_more(table->mirror, tail, mirror_table_columns(table));
    bool mostly_dead = tail->segment->live_rows < tail->rows / 2;
    bool scarce = table->used_segments > table->mirror->max_segments / 2;
    if (more > tail->segment->capacity && (scarce || !mostly_dead) && grow_tail(table, more) == RHEI_OK)
        return RHEI_OK;
    return mirror_table_open_tail(table); /* a small one, if there is no memory for a big one */
}

/* A table that has rows gets more; one whose segments are closed early, because they die, doesn't. */
static uint32_t slots_for(const struct mirror_table *table)
{
    const struct mirror_tail *tail = &table->tail;
    uint64_t rows = table->live / 2;
    if (rows > 4 * (uint64_t)tail->last_rows)
        rows = 4 * (uint64_t)tail->last_rows;
    if (tail->passed > 0 && rows < MIRROR_VECTOR_ROWS)
        return mirror_tail_slots(table->mirror, tail, mirror_table_columns(table), MIRROR_VECTOR_ROWS,
                                 SMALL_TAIL_BYTES);
    return mirror_tail_slots(table->mirror, tail, mirror_table_columns(table), rows, SIZE_MAX);
}

rhei_status mirror_table_open_tail(struct mirror_table *table)
{
    struct mirror *mirror = table->mirror;
    mirror_table_close_tail(table);
    uint32_t number;
    rhei_status status = free_number(table, &number);
    if (status == RHEI_OK)
        status = mirror_tail_open(mirror, &table->tail, mirror_table_columns(table), number, slots_for(table));
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(mirror_table_segment(table, number) == NULL && number < mirror->max_segments);
    struct mirror_segment *segment = table->tail.segment;
    status = mirror_trie_put(mirror, &table->retired, &table->segments, number, segment);
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, segment);
        table->tail.segment = NULL;
        return status;
    }
    segment->garbage.born = mirror_building(mirror);
    segment->opened = mirror_building(mirror);
    mirror_holders_refresh(table, segment);
    table->used_segments++;
    if (number >= table->segment_count)
        table->segment_count = number + 1;
    return RHEI_OK;
}

static rhei_status drop_empty(struct mirror_table *table, struct mirror_segment *segment)
{
    struct mirror *mirror = table->mirror;
    uint32_t number = segment->number;
    BASE_INVARIANT(segment->live_rows == 0 && segment != table->tail.segment && table->used_segments > 0);
    BASE_INVARIANT(mirror_table_segment(table, number) == segment);
    struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
    rhei_status status = RHEI_OK;
    if (deletions != NULL) /* makes the path changeable, so that only the step between can still fail */
        status = mirror_trie_put(mirror, &table->retired, &table->deletions, number, deletions);
    if (status == RHEI_OK)
        status = mirror_trie_put(mirror, &table->retired, &table->segments, number, NULL);
    if (status != RHEI_OK)
        return status;
    (void)mirror_trie_put(mirror, &table->retired, &table->deletions, number, NULL);
    for (uint32_t v = 0; deletions != NULL && v < MIRROR_SEGMENT_VECTORS; v++)
        mirror_retire(mirror, &table->retired, deletions->vector[v]);
    table->dead -= deletions == NULL ? 0 : deletions->dead;
    mirror_holders_remove(table, segment);
    mirror_retire(mirror, &table->retired, deletions);
    discard(table, segment);
    table->used_segments--;
    atomic_store_explicit(&table->moves_blocked, false, memory_order_relaxed);
    return RHEI_OK;
}

rhei_status mirror_table_drop_empties(struct mirror_table *table)
{
    while (table->empties != NULL) {
        struct mirror_segment *segment = table->empties, *next = segment->next_empty;
        rhei_status status = drop_empty(table, segment);
        if (status != RHEI_OK)
            return status;
        table->empties = next;
    }
    return RHEI_OK;
}

/* Segments go as those do that have lost their last row; what columns held is forgotten, so the table starts anew. */
rhei_status mirror_table_clear(struct mirror_table *table)
{
    struct mirror *mirror = table->mirror;
    struct mirror_facts *fresh = NULL;
    uint32_t columns = mirror_table_columns(table), number = 0;
    rhei_status status = mirror_table_drop_empties(table);
    if (status == RHEI_OK)
        status = mirror_facts_new(mirror, columns, &fresh);
    if (status != RHEI_OK)
        return status;
    mirror_index_free(&mirror->memory, &table->index);
    mirror_tail_drop(&table->tail, columns);
    for (struct mirror_segment *segment; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        table->live -= segment->live_rows;
        segment->live_rows = 0;
        mirror_table_note_empty(table, segment);
    }
    status = mirror_table_drop_empties(table);
    if (status != RHEI_OK) {
        mirror_facts_free(mirror, fresh);
        return status;
    }
    BASE_INVARIANT(table->live == 0 && table->dead == 0 && table->used_segments == 0);
    fresh->garbage.born = mirror_building(mirror);
    mirror_retire(mirror, &table->retired, table->facts);
    table->facts = fresh;
    for (uint32_t c = 0; c < columns; c++)
        table->holders[c].narrow = false;
    table->narrow = false;
    table->segment_count = table->free_hint = 0;
    return RHEI_OK;
}
