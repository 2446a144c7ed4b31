/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of a source that looks rather than being told (change_batch.repeats).
 *
 *   1. A row that the working state has as it is, is no change: nothing is published, counted or kept of it. So a source may tell the same row
 *      as often as it likes, and remembers nothing.
 *   2. A sweep names every row that there is. Keys are kept as 128 bits of hash from its beginning to its end, of all batches of the table that
 *      come meanwhile, since a row may move from where the sweep hasn't been to where it was. What has none of them at the end is gone.
 *      Two of 2^32 rows share one with a probability of 2^-65.
 *   3. Without the memory for that the sweep counts for nothing, and the table stays as it is.
 */
#include "sync_internal.h"

#include <string.h>

#include "base/base_arena.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { GONE_AT_ONCE = 4096, FIRST_SLOTS = 1024 };

struct key_hash {
    uint64_t low, high; /* both 0: an empty slot */
};

struct sync_sweep {
    struct key_hash *slots;
    size_t capacity, count; /* a power of two */
    bool spoiled;
};

struct sync_sift {
    bool *same;
    size_t same_capacity;
    struct rhei_value *values; /* [columns][rows] */
    size_t value_capacity;
    const struct rhei_value **columns;
    size_t column_capacity;
    uint8_t *op;
    size_t op_capacity;
    int64_t *seq, *time_us;
    size_t seq_capacity, time_capacity;

    /* Of the rows that are gone. */
    struct base_arena arena;
    bool gathered;
    struct rhei_value *gone; /* [rows][key columns] */
    size_t gone_capacity, gone_count, gone_at;
    const struct sync_table *table;
};

void sync_sweep_free(struct sync_sweep **sweep)
{
    if (*sweep)
        base_free((*sweep)->slots);
    base_free(*sweep);
    *sweep = NULL;
}

void sync_sift_free(struct sync_sift **slot)
{
    struct sync_sift *sift = *slot;
    *slot = NULL;
    if (!sift)
        return;
    base_free(sift->same);
    base_free(sift->values);
    base_free(sift->columns);
    base_free(sift->op);
    base_free(sift->seq);
    base_free(sift->time_us);
    base_free(sift->gone);
    base_arena_reset(&sift->arena);
    base_free(sift);
}

/* ---- Keys that a sweep came by. ---------------------------------------------------------------------------------- */

static struct key_hash hash_of(const struct source_table *table, const struct rhei_value *const *columns, size_t row)
{
    struct key_hash hash = {mirror_row_key_hash(table, columns, row, 0x9e3779b97f4a7c15u),
                            mirror_row_key_hash(table, columns, row, 0xc2b2ae3d27d4eb4fu)};
    hash.high |= hash.low == 0 && hash.high == 0;
    return hash;
}

static struct key_hash *find_slot(const struct sync_sweep *sweep, struct key_hash hash)
{
    size_t at = hash.low & (sweep->capacity - 1);
    while ((sweep->slots[at].low != 0 || sweep->slots[at].high != 0) &&
           !(sweep->slots[at].low == hash.low && sweep->slots[at].high == hash.high))
        at = (at + 1) & (sweep->capacity - 1);
    return &sweep->slots[at];
}

static bool has_key(const struct sync_sweep *sweep, struct key_hash hash)
{
    const struct key_hash *slot = find_slot(sweep, hash);
    return slot->low != 0 || slot->high != 0;
}

static bool grow_sweep(struct sync_sweep *sweep)
{
    struct sync_sweep larger = {.capacity = sweep->capacity ? sweep->capacity * 2 : FIRST_SLOTS};
    larger.slots = base_alloc_zero(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < sweep->capacity; i++)
        if (sweep->slots[i].low != 0 || sweep->slots[i].high != 0)
            *find_slot(&larger, sweep->slots[i]) = sweep->slots[i];
    base_free(sweep->slots);
    sweep->slots = larger.slots;
    sweep->capacity = larger.capacity;
    return true;
}

/* 2., 3. */
static void note_keys(struct sync_table *table, const struct change_batch *batch)
{
    struct sync_sweep *sweep = table->sweep;
    for (size_t i = 0; i < batch->row_count && !sweep->spoiled; i++) {
        if (batch->op && batch->op[i] == CHANGE_DELETE)
            continue;
        sweep->spoiled = sweep->count * 2 >= sweep->capacity && !grow_sweep(sweep);
        if (sweep->spoiled)
            break;
        struct key_hash hash = hash_of(table->definition, batch->columns, i);
        struct key_hash *slot = find_slot(sweep, hash);
        sweep->count += slot->low == 0 && slot->high == 0;
        *slot = hash;
    }
}

static void note_sweep(struct sync_table *table, const struct change_batch *batch)
{
    if (batch->sweep == CHANGE_SWEEP_BEGINS) {
        sync_sweep_free(&table->sweep);
        table->sweep = base_alloc_zero(1, sizeof *table->sweep);
    }
    if (table->sweep)
        note_keys(table, batch);
}

/* ---- What is new. ------------------------------------------------------------------------------------------------ */

static struct sync_sift *scratch_of(struct sync *sync)
{
    if (!sync->sift)
        sync->sift = base_alloc_zero(1, sizeof *sync->sift);
    return sync->sift;
}

static bool room_for(struct sync_sift *sift, uint32_t columns, size_t rows)
{
    return base_grow((void **)&sift->values, &sift->value_capacity, columns * rows + 1, sizeof *sift->values) &&
           base_grow((void **)&sift->columns, &sift->column_capacity, columns + 1, sizeof *sift->columns) &&
           base_grow((void **)&sift->op, &sift->op_capacity, rows + 1, sizeof *sift->op) &&
           base_grow((void **)&sift->seq, &sift->seq_capacity, rows + 1, sizeof *sift->seq) &&
           base_grow((void **)&sift->time_us, &sift->time_capacity, rows + 1, sizeof *sift->time_us);
}

/* The rows of the batch that aren't the same, as a batch. */
static void gather(struct sync_sift *sift, const struct change_batch *batch, struct change_batch *left)
{
    size_t kept = 0;
    *left = *batch;
    for (size_t i = 0; i < batch->row_count; i++) {
        if (sift->same[i])
            continue;
        for (uint32_t c = 0; c < batch->column_count; c++)
            sift->values[c * batch->row_count + kept] = batch->columns[c][i];
        sift->op[kept] = batch->op ? batch->op[i] : CHANGE_UPSERT;
        sift->seq[kept] = batch->seq ? batch->seq[i] : 0;
        sift->time_us[kept++] = batch->time_us ? batch->time_us[i] : 0;
    }
    for (uint32_t c = 0; c < batch->column_count; c++)
        sift->columns[c] = sift->values + c * batch->row_count;
    left->row_count = kept;
    left->columns = sift->columns;
    left->op = batch->op ? sift->op : NULL;
    left->seq = batch->seq ? sift->seq : NULL;
    left->time_us = batch->time_us ? sift->time_us : NULL;
    left->inserted = NULL;
}

rhei_status sync_sift(struct sync *sync, struct sync_table *table, const struct change_batch *batch,
                      struct change_batch *left, struct rhei_error *error)
{
    struct sync_sift *sift = scratch_of(sync);
    *left = *batch;
    left->row_count = 0;
    if (!sift || !base_grow((void **)&sift->same, &sift->same_capacity, batch->row_count + 1, sizeof *sift->same) ||
        !room_for(sift, batch->column_count, batch->row_count))
        return error_no_memory(error);
    sift->gathered = false;
    if (batch->column_count != table->definition->column_count)
        return error_set(error, RHEI_INTERNAL, "a change has %u columns, the table %u", batch->column_count,
                         table->definition->column_count);
    note_sweep(table, batch);
    if (batch->row_count == 0)
        return RHEI_OK;
    struct rhei_error why = RHEI_ERROR_INIT;
    sync_turn_take(sync);
    rhei_status status = mirror_same(sync->config.mirror, batch, sift->same, &why);
    sync_turn_give(sync);
    if (status != RHEI_OK) {
        sync_table_fail(sync, table, &why);
        return RHEI_OK;
    }
    gather(sift, batch, left);
    return RHEI_OK;
}

/* ---- What is gone. ----------------------------------------------------------------------------------------------- */

static bool keep_value(struct sync_sift *sift, const struct rhei_value *value, struct rhei_value *kept)
{
    *kept = *value;
    if (value->type < RHEI_TEXT || value->length == 0)
        return true;
    void *bytes = base_arena_alloc(&sift->arena, value->length);
    if (bytes)
        memcpy(bytes, value->as.bytes, value->length);
    kept->as.bytes = bytes;
    return bytes != NULL;
}

static rhei_status take_row(void *context, const struct rhei_value *row)
{
    struct sync_sift *sift = context;
    const struct source_table *definition = sift->table->definition;
    const struct rhei_value **columns = sift->columns;
    for (uint32_t k = 0; k < definition->key_count; k++)
        columns[definition->key_columns[k]] = &row[definition->key_columns[k]];
    if (has_key(sift->table->sweep, hash_of(definition, columns, 0)))
        return RHEI_OK;
    size_t keys = definition->key_count, first = sift->gone_count * keys;
    if (!base_grow((void **)&sift->gone, &sift->gone_capacity, first + keys, sizeof *sift->gone))
        return RHEI_NO_MEMORY;
    for (uint32_t k = 0; k < keys; k++)
        if (!keep_value(sift, &row[definition->key_columns[k]], &sift->gone[first + k]))
            return RHEI_NO_MEMORY;
    sift->gone_count++;
    return RHEI_OK;
}

/* Once, when a sweep has ended. */
static rhei_status gather_gone(struct sync *sync, struct sync_table *table, struct rhei_error *error)
{
    struct sync_sift *sift = sync->sift;
    rhei_status status = RHEI_OK;
    sift->gathered = true;
    sift->gone_count = sift->gone_at = 0;
    sift->table = table;
    base_arena_reset(&sift->arena);
    bool whole = table->sweep && !table->sweep->spoiled && (table->sweep->capacity > 0 || grow_sweep(table->sweep));
    if (whole) {
        sync_turn_take(sync);
        status = mirror_working_each(sync->config.mirror, table->definition->id, take_row, sift, error);
        sync_turn_give(sync);
    }
    if (status == RHEI_NO_MEMORY)
        (void)error_no_memory(error);
    sync_sweep_free(&table->sweep);
    return status;
}

rhei_status sync_sift_gone(struct sync *sync, struct sync_table *table, const struct change_batch *batch,
                           struct change_batch *gone, struct rhei_error *error)
{
    struct sync_sift *sift = sync->sift;
    const struct source_table *definition = table->definition;
    *gone = *batch;
    gone->row_count = 0;
    if (!sift->gathered) {
        rhei_status status = room_for(sift, batch->column_count, GONE_AT_ONCE) ? gather_gone(sync, table, error)
                                                                               : error_no_memory(error);
        if (status != RHEI_OK)
            return status;
    }
    size_t count = sift->gone_count - sift->gone_at;
    count = count < GONE_AT_ONCE ? count : GONE_AT_ONCE;
    if (count == 0)
        return RHEI_OK;
    for (uint32_t c = 0; c < batch->column_count; c++)
        sift->columns[c] = sift->values + (size_t)c * GONE_AT_ONCE;
    memset(sift->values, 0, batch->column_count * (size_t)GONE_AT_ONCE * sizeof *sift->values);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < definition->key_count; k++)
            sift->values[definition->key_columns[k] * (size_t)GONE_AT_ONCE + i] =
                sift->gone[(sift->gone_at + i) * definition->key_count + k];
        sift->op[i] = CHANGE_DELETE;
        sift->seq[i] = batch->seq ? batch->seq[0] : 0;
        sift->time_us[i] = batch->time_us ? batch->time_us[0] : 0;
    }
    sift->gone_at += count;
    *gone = (struct change_batch){.table = batch->table,
                                  .column_count = batch->column_count,
                                  .row_count = count,
                                  .op = sift->op,
                                  .columns = sift->columns,
                                  .seq = batch->seq ? sift->seq : NULL,
                                  .time_us = batch->time_us ? sift->time_us : NULL,
                                  .repeats = true};
    return RHEI_OK;
}
