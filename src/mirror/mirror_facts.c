/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table's columns hold: flags and a range for each, shared with readers, and who is to blame for them.
 *
 *  1. The facts that a view points to admit every value that the view shows: readers may find them too wide, never too
 *     narrow. While facts are the table's own they only widen; to narrow them, a publish puts narrower ones in their
 *     place, and older views keep theirs.
 *  2. A holder of a class is a segment that may show a live value of it: one whose layout is the class, until the
 *     segment goes, or one whose MIXED layout has a live slot of it (mirror_column.live, exact). So a column that never mixed
 *     its classes costs nothing, and a dirty value that was mended counts only until its row is dead.
 *  3. A column's facts are narrowed when one of its classes has lost its last holder, or when compaction left out what a
 *     flag stood for: then they are put together anew from the flags of its segments. HAS_NULL and the range stay.
 */
#include "mirror_internal.h"

#include <math.h>
#include <string.h>

enum {
    OF_INTEGERS = MIRROR_HAS_INTEGER | MIRROR_BIG_INTEGER,
    OF_REALS = MIRROR_HAS_REAL | MIRROR_NOT_WHOLE | MIRROR_INFINITE | MIRROR_NEGATIVE_ZERO,
    OF_TEXTS = MIRROR_HAS_TEXT | MIRROR_NON_ASCII | MIRROR_INVALID_UTF8 | MIRROR_HAS_NUL,
};

/* ---- Facts. ------------------------------------------------------------------------------------------------------ */

static size_t facts_size(uint32_t columns)
{
    return sizeof(struct mirror_facts) + columns * sizeof(struct mirror_column_facts);
}

rhei_status mirror_facts_new(struct mirror *mirror, uint32_t columns, struct mirror_facts **out)
{
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, facts_size(columns), &memory);
    *out = memory;
    if (status != RHEI_OK)
        return status;
    struct mirror_facts *facts = memory;
    facts->garbage.kind = MIRROR_KIND_FACTS;
    facts->column_count = columns;
    for (uint32_t c = 0; c < columns; c++) {
        atomic_init(&facts->column[c].flags, 0);
        atomic_init(&facts->column[c].low, INFINITY);
        atomic_init(&facts->column[c].high, -INFINITY);
    }
    return RHEI_OK;
}

void mirror_facts_free(struct mirror *mirror, struct mirror_facts *facts)
{
    if (facts != NULL)
        mirror_memory_free(&mirror->memory, facts, facts_size(facts->column_count));
}

/* One thread at a time; readers look on. */
void mirror_facts_widen(struct mirror_column_facts *facts, const struct mirror_column_seen *seen)
{
    uint32_t flags = atomic_load_explicit(&facts->flags, memory_order_relaxed);
    if ((seen->flags & ~flags) != 0)
        atomic_store_explicit(&facts->flags, flags | seen->flags, memory_order_relaxed);
    if (seen->low > seen->high)
        return;
    if (seen->low < atomic_load_explicit(&facts->low, memory_order_relaxed))
        atomic_store_explicit(&facts->low, seen->low, memory_order_relaxed);
    if (seen->high > atomic_load_explicit(&facts->high, memory_order_relaxed))
        atomic_store_explicit(&facts->high, seen->high, memory_order_relaxed);
}

/* ---- Holders. ---------------------------------------------------------------------------------------------------- */

/* The class bits that a segment's column stands for. */
static uint32_t held_now(const struct mirror_column *column)
{
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
    if (layout == MIRROR_LAYOUT_EMPTY)
        return 0;
    if (layout != MIRROR_LAYOUT_MIXED)
        return 1u << layout;
    uint32_t held = 0;
    for (uint32_t class = RHEI_INTEGER; class <= RHEI_BLOB; class ++)
        held |= column->live[class] > 0 ? 1u << class : 0u;
    return held;
}

static void set_held(struct mirror_table *table, struct mirror_column *column, uint32_t number, uint32_t held)
{
    struct mirror_holders *holders = &table->holders[number];
    uint32_t changed = held ^ column->held;
    if (changed == 0)
        return;
    for (uint32_t class = RHEI_INTEGER; class <= RHEI_BLOB; class ++) {
        if ((changed >> class & 1) == 0)
            continue;
        BASE_INVARIANT((held >> class & 1) != 0 || holders->segments[class] > 0);
        holders->segments[class] += (held >> class & 1) != 0 ? 1u : UINT32_MAX;
        if (holders->segments[class] == 0)
            holders->narrow = table->narrow = true;
    }
    column->held = (uint8_t)held;
}

void mirror_holders_refresh(struct mirror_table *table, struct mirror_segment *segment)
{
    for (uint32_t c = 0; c < segment->column_count; c++)
        set_held(table, &segment->column[c], c, held_now(&segment->column[c]));
}

void mirror_holders_remove(struct mirror_table *table, struct mirror_segment *segment)
{
    for (uint32_t c = 0; c < segment->column_count; c++)
        set_held(table, &segment->column[c], c, 0);
}

void mirror_holders_kill(struct mirror_table *table, struct mirror_segment *segment, uint32_t place)
{
    for (uint32_t c = 0; segment->mixed_columns > 0 && c < segment->column_count; c++) {
        struct mirror_column *column = &segment->column[c];
        if (column->classes == NULL)
            continue;
        BASE_INVARIANT(column->classes[place] <= RHEI_BLOB &&
                       (column->classes[place] == RHEI_NULL || column->live[column->classes[place]] > 0));
        column->live[column->classes[place]]--;
        set_held(table, column, c, held_now(column));
    }
}

void mirror_holders_swapped(struct mirror_table *table, const struct mirror_segment *old,
                            const struct mirror_segment *copy)
{
    for (uint32_t c = 0; c < old->column_count; c++) {
        uint32_t before = atomic_load_explicit(&old->column[c].flags, memory_order_relaxed);
        uint32_t after = atomic_load_explicit(&copy->column[c].flags, memory_order_relaxed);
        if ((before & ~after & ~(uint32_t)MIRROR_HAS_NULL) != 0)
            table->holders[c].narrow = table->narrow = true;
    }
}

/* ---- Narrowing. -------------------------------------------------------------------------------------------------- */

/* Room for it, while failing is still allowed: a publish must not need memory. */
void mirror_facts_prepare(struct mirror_table *table)
{
    if (table->narrow && table->spare_facts == NULL)
        (void)mirror_facts_new(table->mirror, mirror_table_columns(table), &table->spare_facts);
}

/* The flags of classes that nobody holds mean nothing: a segment's own only ever widen. */
static uint32_t flags_of_held(uint32_t held)
{
    uint32_t flags = held | MIRROR_HAS_NULL;
    if ((held & MIRROR_HAS_INTEGER) != 0)
        flags |= OF_INTEGERS;
    if ((held & MIRROR_HAS_REAL) != 0)
        flags |= OF_REALS;
    if ((held & MIRROR_HAS_TEXT) != 0)
        flags |= OF_TEXTS;
    return flags;
}

static uint32_t flags_of_segments(const struct mirror_table *table, uint32_t column)
{
    uint32_t flags = 0, number = 0;
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        const struct mirror_column *source = &segment->column[column];
        flags |= atomic_load_explicit(&source->flags, memory_order_relaxed) & flags_of_held(source->held);
    }
    return flags;
}

/* A column of one class again: its next segments need not be MIXED. */
static void settle_plan(struct mirror_table *table, uint32_t column, uint32_t flags)
{
    uint8_t layout = mirror_layout_of(flags & (MIRROR_CLASSES | MIRROR_HAS_NULL));
    if (table->tail.plan[column] == MIRROR_LAYOUT_MIXED && layout != MIRROR_LAYOUT_EMPTY)
        table->tail.plan[column] = layout;
}

void mirror_facts_narrow(struct mirror_table *table)
{
    struct mirror_facts *old = table->facts, *fresh = table->spare_facts;
    if (!table->narrow || fresh == NULL)
        return;
    for (uint32_t c = 0; c < mirror_table_columns(table); c++) {
        struct mirror_column_facts *from = &old->column[c], *to = &fresh->column[c];
        uint32_t flags = atomic_load_explicit(&from->flags, memory_order_relaxed);
        if (table->holders[c].narrow) {
            flags &= flags_of_segments(table, c) | MIRROR_HAS_NULL;
            settle_plan(table, c, flags);
        }
        table->holders[c].narrow = false;
        atomic_init(&to->flags, flags);
        atomic_init(&to->low, atomic_load_explicit(&from->low, memory_order_relaxed));
        atomic_init(&to->high, atomic_load_explicit(&from->high, memory_order_relaxed));
    }
    BASE_INVARIANT(fresh->column_count == old->column_count);
    fresh->garbage.born = mirror_building(table->mirror);
    table->facts = fresh;
    table->spare_facts = NULL;
    table->narrow = false;
    mirror_retire(table->mirror, &table->retired, old);
}
