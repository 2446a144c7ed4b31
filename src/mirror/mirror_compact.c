/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction, in two halves. prepare (any thread) pins a snapshot, picks a sealed segment and copies its live rows into a
 * new one. swap (the writer) translates the deletions that came since, and puts the copy in the old one's place.
 *
 * Row ids keep their logical offsets: the copy carries a bitmap of the offsets that still have a row and their rank, so the
 * key index is not touched. A segment with less than a quarter of its offsets left is not copied but emptied: its rows
 * are appended again in ordinary cycles, and its number becomes free.
 *
 * prepare reads nothing but the snapshot, a table's two atomic flags and heap_live: what else the writer keeps in segments
 * (live_rows, born) is out of bounds. A table that the swap would turn away must not be chosen, or a caller that compacts until nothing is
 * left would never end.
 */
#include "mirror_internal.h"

#include <string.h>

#include "base/base_error.h"

enum { MOVE_AT_ONCE = 1024, COPY_ROWS = 1024 };

struct mirror_compaction {
    struct mirror *mirror;
    uint32_t table, number;
    uint64_t table_serial, segment_serial;
    struct mirror_segment *copy;             /* NULL: move the rows instead */
    uint64_t live[MIRROR_SEGMENT_ROWS / 64]; /* old places that were alive in the snapshot */
    struct rhei_value values[COPY_ROWS];
    uint32_t places[COPY_ROWS], targets[COPY_ROWS];
};

/* ---- Choosing. ------------------------------------------------------------------------------------------------------- */

enum { WORTH_BYTES = 64 << 10 };

struct candidate {
    const struct mirror_table_view *view;
    const struct mirror_segment *segment; /* NULL: none found */
    uint32_t number;
    bool move;
};

/* Is it worth copying, or emptying? By rows, and by the bytes that dead ones hold. */
static bool is_worth(const struct mirror_table_view *view, uint32_t number, const struct mirror_segment *segment,
                     bool *move)
{
    const struct mirror_deletions *deletions = mirror_trie_get(&view->deletions, number);
    uint32_t dead = deletions == NULL ? 0 : deletions->dead;
    uint32_t live = segment->rows - dead;
    uint32_t slack = segment->capacity - segment->rows;
    bool blocked = atomic_load_explicit(&view->table->moves_blocked, memory_order_relaxed);
    *move = !blocked && live < segment->logical_rows / 4;
    if (live == 0)
        return false; /* goes by itself */
    if (*move || dead > segment->rows / 10 || (slack >= MIRROR_VECTOR_ROWS && slack > segment->capacity / 4))
        return true;
    size_t heap = segment->heap == NULL ? 0 : segment->heap->bytes;
    size_t needed = atomic_load_explicit(&segment->heap_live, memory_order_relaxed);
    size_t slot = dead == 0 && heap == needed ? 0 : mirror_segment_slot_bytes(segment);
    size_t waste = dead * slot + (heap > needed ? heap - needed : 0);
    return waste > WORTH_BYTES && waste > (segment->rows * slot + heap) / 10;
}

/* The first worthy one of a table from *number on. */
static bool choose_in(const struct mirror_table_view *view, uint32_t *number, struct candidate *found)
{
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&view->segments, number)) != NULL; (*number)++) {
        if (*number == view->tail_number || !is_worth(view, *number, segment, &found->move))
            continue;
        found->view = view;
        found->segment = segment;
        found->number = *number;
        return true;
    }
    *number = 0;
    return false;
}

/*
 * Goes on where it found something last, once around over all tables. So a caller that compacts until nothing is left looks at
 * each segment a few times, however many there are to copy.
 */
static struct candidate choose(struct mirror *mirror, const struct mirror_snapshot *snapshot)
{
    struct candidate found = {0};
    const struct mirror_table_view *view;
    uint32_t start = mirror->compact_table;
    for (int lap = 0; lap < 2; lap++) {
        uint32_t *id = &mirror->compact_table;
        while ((view = mirror_trie_next(&snapshot->version->catalog, id)) != NULL) {
            bool skip = mirror_view(snapshot, *id) == NULL || mirror_table_is_unsound(view->table);
            if (!skip && choose_in(view, &mirror->compact_number, &found))
                return found;
            mirror->compact_number = 0;
            if ((lap > 0 && *id >= start) || *id == UINT32_MAX)
                break;
            (*id)++;
        }
        mirror->compact_table = mirror->compact_number = 0;
    }
    return found;
}

/* ---- Copying. -------------------------------------------------------------------------------------------------------- */

static uint32_t mark_live(const struct candidate *from, uint64_t *live)
{
    const struct mirror_deletions *deletions = mirror_trie_get(&from->view->deletions, from->number);
    uint32_t rows = from->segment->rows, count = 0;
    for (uint32_t w = 0; w * 64 < rows; w++) {
        const struct mirror_bitmap *dead = deletions == NULL ? NULL : deletions->vector[w * 64 / MIRROR_VECTOR_ROWS];
        uint64_t word = dead == NULL ? UINT64_MAX : ~dead->word[w % (MIRROR_VECTOR_ROWS / 64)];
        if (rows - w * 64 < 64)
            word &= (1ull << (rows & 63)) - 1;
        live[w] = word;
        count += (uint32_t)__builtin_popcountll(word);
    }
    return count;
}

/* The logical offsets of the live places: the places themselves, or through the map of an earlier compaction. */
static void compose_map(const struct mirror_segment *from, const uint64_t *live, struct mirror_segment_map *map)
{
    memset(map, 0, sizeof *map);
    if (from->map == NULL) {
        memcpy(map->live, live, sizeof map->live);
    } else {
        uint32_t place = 0;
        for (uint32_t w = 0; w < MIRROR_SEGMENT_ROWS / 64; w++) {
            for (uint64_t word = from->map->live[w]; word != 0; word &= word - 1, place++)
                if ((live[place >> 6] >> (place & 63) & 1) != 0)
                    map->live[w] |= word & (~word + 1);
        }
    }
    uint32_t rank = 0;
    for (uint32_t w = 0; w < MIRROR_SEGMENT_ROWS / 64; w++) {
        map->rank[w] = (uint16_t)rank;
        rank += (uint32_t)__builtin_popcountll(map->live[w]);
    }
}

/* Fills places[] with the next live places from *from on; their number. */
static uint32_t next_places(struct mirror_compaction *compaction, uint32_t rows, uint32_t *from)
{
    uint32_t count = 0;
    while (*from < rows && count < COPY_ROWS) {
        uint64_t word = compaction->live[*from >> 6] >> (*from & 63);
        if (word == 0) {
            *from = (*from | 63) + 1;
            continue;
        }
        *from += (uint32_t)__builtin_ctzll(word);
        compaction->places[count++] = (*from)++;
    }
    return count;
}

/* A MIXED column whose live rows are of one class gets that class's layout back. */
static uint8_t copy_layout(struct mirror_compaction *compaction, const struct mirror_segment *from, uint32_t column)
{
    const struct mirror_column *source = &from->column[column];
    uint8_t layout = atomic_load_explicit(&source->layout, memory_order_acquire);
    if (layout != MIRROR_LAYOUT_MIXED)
        return layout;
    uint32_t classes = 0, place = 0, count;
    mirror_column_touch(source);
    while ((count = next_places(compaction, from->rows, &place)) > 0)
        for (uint32_t i = 0; i < count; i++)
            classes |= 1u << source->classes[compaction->places[i]];
    return mirror_layout_of(classes);
}

static rhei_status copy_column(struct mirror_compaction *compaction, const struct mirror_segment *from, uint32_t column)
{
    uint8_t layout = copy_layout(compaction, from, column);
    rhei_status status = RHEI_OK;
    if (layout != MIRROR_LAYOUT_EMPTY)
        status = mirror_segment_materialise(compaction->mirror, compaction->copy, column, layout, 0);
    uint32_t place = 0, row = 0, count;
    while (status == RHEI_OK && (count = next_places(compaction, from->rows, &place)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            mirror_segment_value(from, column, compaction->places[i], &compaction->values[i]);
            compaction->targets[i] = row++;
        }
        struct mirror_column_seen seen;
        status = mirror_segment_write(compaction->mirror, compaction->copy, column, compaction->values,
                                      compaction->targets, count, &seen);
    }
    return status;
}

static rhei_status copy_segment(struct mirror_compaction *compaction, const struct candidate *from)
{
    struct mirror *mirror = compaction->mirror;
    uint32_t rows = mark_live(from, compaction->live);
    uint32_t step = rows < MIRROR_VECTOR_ROWS ? 64 : MIRROR_VECTOR_ROWS; /* whole vectors once it is big */
    uint32_t capacity = (rows + step - 1) / step * step;
    rhei_status status =
        mirror_segment_new(mirror, mirror_table_columns(from->view->table), capacity, &compaction->copy);
    if (status != RHEI_OK)
        return status;
    void *map;
    status = mirror_memory_alloc(&mirror->memory, sizeof(struct mirror_segment_map), &map);
    if (status != RHEI_OK)
        return status;
    compaction->copy->map = map;
    compaction->copy->number = from->number;
    compaction->copy->logical_rows = from->segment->logical_rows;
    compose_map(from->segment, compaction->live, map);
    mirror_segment_hold(from->segment);
    for (uint32_t c = 0; c < mirror_table_columns(from->view->table) && status == RHEI_OK; c++)
        status = copy_column(compaction, from->segment, c);
    mirror_segment_let_go(from->segment);
    if (status == RHEI_OK && atomic_load_explicit(&from->segment->damaged, memory_order_relaxed))
        return RHEI_STALE; /* what was read isn't what was there: the table is built again */
    if (status == RHEI_OK)
        mirror_segment_seal(compaction->copy, rows);
    return status;
}

static rhei_status prepare(struct mirror *mirror, const struct candidate *from, struct mirror_compaction **out)
{
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, sizeof **out, &memory);
    if (status != RHEI_OK)
        return status;
    struct mirror_compaction *compaction = memory;
    compaction->mirror = mirror;
    compaction->table = from->view->table->definition.id;
    compaction->table_serial = from->view->table->serial;
    compaction->number = from->number;
    compaction->segment_serial = from->segment->serial;
    if (!from->move)
        status = copy_segment(compaction, from);
    if (status != RHEI_OK)
        mirror_compact_abandon(&compaction);
    *out = compaction;
    return status;
}

rhei_status mirror_compact_prepare(struct mirror *mirror, struct mirror_compaction **compaction,
                                   struct rhei_error *error)
{
    struct mirror_snapshot snapshot;
    *compaction = NULL;
    rhei_status status = mirror_snapshot_take(mirror, &snapshot);
    if (status != RHEI_OK)
        return error_no_memory(error);
    struct candidate best = choose(mirror, &snapshot);
    if (best.segment != NULL) {
        /* At the limit a copy is the way out of it, so it may pass it for the moment. */
        atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        status = prepare(mirror, &best, compaction);
        atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        status = status == RHEI_STALE ? RHEI_OK : status;
    }
    mirror_snapshot_release(&snapshot);
    return mirror_memory_error(&mirror->memory, status, error);
}

void mirror_compact_abandon(struct mirror_compaction **handle)
{
    struct mirror_compaction *compaction = *handle;
    if (compaction == NULL)
        return;
    mirror_segment_free(compaction->mirror, compaction->copy);
    mirror_memory_free(&compaction->mirror->memory, compaction, sizeof *compaction);
    *handle = NULL;
}

/* ---- Swapping. ------------------------------------------------------------------------------------------------------- */

static rhei_status mark_dead(struct mirror *mirror, struct mirror_deletions *deletions, uint32_t place)
{
    struct mirror_bitmap **bitmap = &deletions->vector[place / MIRROR_VECTOR_ROWS];
    uint32_t bit = place % MIRROR_VECTOR_ROWS;
    if (*bitmap == NULL) {
        rhei_status status = mirror_small_new(mirror, MIRROR_KIND_BITMAP, bitmap);
        if (status != RHEI_OK)
            return status;
    }
    (*bitmap)->word[bit >> 6] |= 1ull << (bit & 63);
    (*bitmap)->dead++;
    deletions->dead++;
    return RHEI_OK;
}

/* Rows that died since the snapshot, at their places in the copy. *out = NULL: none. */
static rhei_status translate_dead(const struct mirror_compaction *compaction, const struct mirror_deletions *now,
                                  struct mirror_deletions **out)
{
    struct mirror *mirror = compaction->mirror;
    uint32_t rank = 0;
    rhei_status status = RHEI_OK;
    *out = NULL;
    for (uint32_t w = 0; now != NULL && w < MIRROR_SEGMENT_ROWS / 64 && status == RHEI_OK; w++) {
        const struct mirror_bitmap *bitmap = now->vector[w * 64 / MIRROR_VECTOR_ROWS];
        uint64_t live = compaction->live[w];
        uint64_t died = bitmap == NULL ? 0 : bitmap->word[w % (MIRROR_VECTOR_ROWS / 64)] & live;
        if (died != 0 && *out == NULL)
            status = mirror_small_new(mirror, MIRROR_KIND_DELETIONS, out);
        for (; died != 0 && status == RHEI_OK; died &= died - 1) {
            uint64_t below = live & ((died & (~died + 1)) - 1);
            status = mark_dead(mirror, *out, rank + (uint32_t)__builtin_popcountll(below));
        }
        rank += (uint32_t)__builtin_popcountll(live);
    }
    if (status != RHEI_OK && *out != NULL) {
        mirror_deletions_free(mirror, *out);
        *out = NULL;
    }
    return status;
}

static void retire_deletions(struct mirror_table *table, struct mirror_deletions *deletions)
{
    for (uint32_t v = 0; deletions != NULL && v < MIRROR_SEGMENT_VECTORS; v++)
        mirror_retire(table->mirror, &table->retired, deletions->vector[v]);
    mirror_retire(table->mirror, &table->retired, deletions);
}

/* The copy stands for what the old segment did, but for the rows that died while it was made. */
static void hand_over(struct mirror_table *table, struct mirror_segment *old, struct mirror_segment *copy,
                      const struct mirror_deletions *dead)
{
    mirror_holders_refresh(table, copy);
    mirror_holders_remove(table, old);
    mirror_holders_swapped(table, old, copy);
    size_t needed = atomic_load_explicit(&copy->heap_live, memory_order_relaxed);
    for (uint32_t place = 0; dead != NULL && place < copy->rows; place++) {
        if (!mirror_is_dead(dead, place))
            continue;
        mirror_holders_kill(table, copy, place);
        needed -= mirror_segment_long_bytes(copy, place);
    }
    atomic_store_explicit(&copy->heap_live, needed, memory_order_relaxed);
}

/* Nothing has changed when it fails: all that can fail comes before the first step that shows. */
static rhei_status swap_copy(struct mirror_compaction *compaction, struct mirror_table *table,
                             struct mirror_segment *old)
{
    struct mirror *mirror = table->mirror;
    BASE_INVARIANT(old->number == compaction->number && compaction->copy->number == compaction->number);
    uint32_t number = compaction->number;
    struct mirror_deletions *before = mirror_trie_get(&table->deletions, number), *after = NULL;
    rhei_status status = mirror_table_touch(table);
    if (status == RHEI_OK)
        status = translate_dead(compaction, before, &after);
    if (status == RHEI_OK && before != NULL) /* makes the path changeable */
        status = mirror_trie_put(mirror, &table->retired, &table->deletions, number, before);
    if (status == RHEI_OK)
        status = mirror_trie_put(mirror, &table->retired, &table->segments, number, compaction->copy);
    if (status != RHEI_OK) {
        if (after != NULL)
            mirror_deletions_free(mirror, after);
        return status;
    }
    if (before != NULL)
        (void)mirror_trie_put(mirror, &table->retired, &table->deletions, number, after);
    compaction->copy->garbage.born = mirror_building(mirror);
    compaction->copy->live_rows = compaction->copy->rows - (after == NULL ? 0 : after->dead);
    table->dead += after == NULL ? 0 : after->dead;
    table->dead -= before == NULL ? 0 : before->dead;
    BASE_INVARIANT(compaction->copy->live_rows == old->live_rows);
    BASE_INVARIANT(old != table->tail.segment);
    hand_over(table, old, compaction->copy, after);
    compaction->copy = NULL;
    retire_deletions(table, before);
    mirror_retire(mirror, &table->retired, old);
    mirror_facts_prepare(table);
    return RHEI_OK;
}

static rhei_status swap_move(struct mirror_table *table, uint32_t number)
{
    uint32_t moved;
    rhei_status status = mirror_table_move_rows(table, number, MOVE_AT_ONCE, &moved);
    if (status == RHEI_OK)
        (void)mirror_table_drop_empties(table); /* tried again in the next cycle */
    mirror_facts_prepare(table);
    return status;
}

rhei_status mirror_compact_swap(struct mirror *mirror, struct mirror_compaction **handle, struct rhei_error *error)
{
    struct mirror_compaction *compaction = *handle;
    rhei_status status = RHEI_OK;
    if (compaction == NULL)
        return RHEI_OK;
    struct mirror_table *table = mirror_table_find(mirror, compaction->table);
    bool same = table != NULL && table->serial == compaction->table_serial && !mirror_table_is_unsound(table);
    struct mirror_segment *segment = same ? mirror_table_segment(table, compaction->number) : NULL;
    same = segment != NULL && segment->serial == compaction->segment_serial && segment->live_rows > 0;
    if (same) {
        bool move = compaction->copy == NULL;
        status = mirror_index_complete(table);
        if (status != RHEI_OK)
            atomic_store_explicit(&table->unsound, true, memory_order_relaxed); /* half of it is in the index */
        else
            status = move ? swap_move(table, compaction->number) : swap_copy(compaction, table, segment);
        if (status == RHEI_OK)
            atomic_fetch_add_explicit(&mirror->compactions, 1, memory_order_relaxed);
    }
    mirror_compact_abandon(handle);
    return mirror_memory_error(&mirror->memory, status, error);
}
