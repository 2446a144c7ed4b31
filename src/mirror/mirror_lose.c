/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table goes on without the segments that couldn't be read from their files, for what they had is nowhere else. The writer's.
 *
 *  1. Keys of such a segment can't be read, so it leaves the index by the row ids that it has there.
 *  2. It goes as one does that has lost its last row; older snapshots keep it.
 */
#include "mirror_internal.h"

#include "base/base_error.h"
#include "base/base_memory.h"

static bool is_lost(const struct mirror_table *table, const struct mirror_segment *segment)
{
    return segment != table->tail.segment && atomic_load_explicit(&segment->damaged, memory_order_relaxed);
}

/* Takes out the damaged ones; `lost` has a bit for each whose keys are in the index. */
static uint64_t empty_lost(struct mirror_table *table, uint64_t *lost, bool *indexed)
{
    struct mirror_segment *segment;
    uint64_t rows = 0;
    uint32_t number = 0;
    for (; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        if (segment->live_rows == 0 || !is_lost(table, segment))
            continue;
        if (segment->unindexed) {
            segment->unindexed = false;
            table->unindexed--;
        } else {
            lost[number / 64] |= UINT64_C(1) << (number % 64);
            *indexed = true;
        }
        BASE_INVARIANT(table->live >= segment->live_rows);
        rows += segment->live_rows;
        table->live -= segment->live_rows;
        segment->live_rows = 0;
        mirror_table_note_empty(table, segment);
    }
    return rows;
}

static rhei_status lose(struct mirror_table *table, uint64_t *rows)
{
    enum { WORDS = MIRROR_MAX_SEGMENTS / 64 + 1 };
    uint64_t *lost = base_alloc_zero(WORDS, sizeof *lost);
    bool indexed = false;
    rhei_status status = lost == NULL ? RHEI_NO_MEMORY : mirror_table_touch(table);
    if (status == RHEI_OK)
        status = mirror_table_drop_empties(table);
    if (status == RHEI_OK) {
        *rows = empty_lost(table, lost, &indexed);
        if (indexed)
            mirror_index_forget(table, lost);
        status = mirror_table_drop_empties(table);
    }
    base_free(lost);
    return status;
}

rhei_status mirror_lose_damaged(struct mirror *mirror, uint32_t id, uint64_t *rows, struct rhei_error *error)
{
    struct mirror_table *table = mirror_table_find(mirror, id);
    *rows = 0;
    if (table == NULL)
        return RHEI_OK;
    atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed); /* it gives memory back */
    rhei_status status = lose(table, rows);
    atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
    return mirror_memory_error(&mirror->memory, status, error);
}

/* ---- Rows of one table whose keys another doesn't have. ------------------------------------------------------------- */

enum { CHUNK_ROWS = 1024 };

struct missing {
    struct mirror_table *from, *in;
    struct rhei_value *keys;           /* [key columns][CHUNK_ROWS] */
    const struct rhei_value **columns; /* [columns of `in`], of its key alone */
    struct rhei_value *values;         /* [columns of `from`][CHUNK_ROWS] */
    const struct rhei_value **rows;    /* [columns of `from`]: those */
    uint32_t places[CHUNK_ROWS];
    rhei_status (*take)(void *context, const struct rhei_value *const *columns, size_t count);
    void *context;
};

/* Of places of one segment, which is held, those whose keys aren't in `in`. */
static uint32_t find_missing(struct missing *missing, const struct mirror_segment *segment, uint32_t count)
{
    static const struct mirror_pending none = {0};
    const struct source_table *definition = &missing->from->definition;
    uint32_t left = 0;
    for (uint32_t k = 0; k < definition->key_count; k++)
        mirror_segment_values(segment, definition->key_columns[k], missing->places, count,
                              missing->keys + (size_t)k * CHUNK_ROWS);
    for (uint32_t i = 0; i < count; i++) {
        struct mirror_probe probe = {.columns = missing->columns, .row = i, .pending = &none};
        if (!missing->in->index.by_integer)
            probe.hash = mirror_key_hash(missing->in, missing->columns, i);
        if (mirror_index_find(missing->in, &probe) == NULL)
            missing->places[left++] = missing->places[i];
    }
    return left;
}

static rhei_status take_missing(struct missing *missing, const struct mirror_segment *segment, uint32_t count)
{
    uint32_t left = find_missing(missing, segment, count), columns = mirror_table_columns(missing->from);
    for (uint32_t c = 0; left > 0 && c < columns; c++)
        mirror_segment_values(segment, c, missing->places, left, missing->values + (size_t)c * CHUNK_ROWS);
    if (atomic_load_explicit(&segment->damaged, memory_order_relaxed))
        return RHEI_IO;
    return left == 0 ? RHEI_OK : missing->take(missing->context, missing->rows, left);
}

static rhei_status go_through_segment(struct missing *missing, uint32_t number)
{
    const struct mirror_table *table = missing->from;
    const struct mirror_segment *segment = mirror_table_segment(table, number);
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
    uint32_t rows = segment == table->tail.segment ? table->tail.rows : segment->rows, count = 0;
    rhei_status status = RHEI_OK;
    mirror_segment_hold(segment);
    for (uint32_t place = 0; place < rows && status == RHEI_OK; place++) {
        if (!mirror_is_dead(deletions, place))
            missing->places[count++] = place;
        if (count < CHUNK_ROWS && place + 1 < rows)
            continue;
        status = count == 0 ? RHEI_OK : take_missing(missing, segment, count);
        count = 0;
    }
    mirror_segment_let_go(segment);
    return status;
}

static rhei_status go_through(struct missing *missing)
{
    const struct source_table *from = &missing->from->definition, *in = &missing->in->definition;
    missing->keys = base_alloc_zero((size_t)from->key_count * CHUNK_ROWS + 1, sizeof *missing->keys);
    missing->columns = base_alloc_zero((size_t)in->column_count + 1, sizeof *missing->columns);
    missing->values = base_alloc_zero((size_t)from->column_count * CHUNK_ROWS + 1, sizeof *missing->values);
    missing->rows = base_alloc_zero((size_t)from->column_count + 1, sizeof *missing->rows);
    if (missing->keys == NULL || missing->columns == NULL || missing->values == NULL || missing->rows == NULL)
        return RHEI_NO_MEMORY;
    for (uint32_t c = 0; c < from->column_count; c++)
        missing->rows[c] = missing->values + (size_t)c * CHUNK_ROWS;
    BASE_INVARIANT(from->key_count == in->key_count);
    for (uint32_t k = 0; k < in->key_count; k++)
        missing->columns[in->key_columns[k]] = missing->keys + (size_t)k * CHUNK_ROWS;
    rhei_status status = mirror_index_complete(missing->in);
    if (status != RHEI_OK)
        atomic_store_explicit(&missing->in->unsound, true, memory_order_relaxed);
    uint32_t number = 0;
    for (; status == RHEI_OK && mirror_trie_next(&missing->from->segments, &number) != NULL; number++)
        status = go_through_segment(missing, number);
    return status;
}

rhei_status mirror_working_missing(struct mirror *mirror, uint32_t from, uint32_t in,
                                   rhei_status (*take)(void *context, const struct rhei_value *const *columns,
                                                       size_t count),
                                   void *context, struct rhei_error *error)
{
    struct missing missing = {
        .from = mirror_table_find(mirror, from), .in = mirror_table_find(mirror, in), .take = take, .context = context};
    if (missing.from == NULL || missing.in == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the column store has no table %u or %u", from, in);
    rhei_status status = go_through(&missing);
    base_free(missing.keys);
    base_free((void *)missing.columns);
    base_free(missing.values);
    base_free((void *)missing.rows);
    if (status == RHEI_IO)
        return error_set(error, status, "a file of the table itself can't be read");
    return mirror_memory_error(&mirror->memory, status, error);
}
