/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load goes on from: the versions that were valid when the table was last followed.
 *
 *   1. They are read in the published state, which has all that was applied to them: nobody changes the history of a table that
 *      isn't attached.
 *   2. A loaded row whose columns are as they were in the version of its key goes on as that version. A column that came meanwhile has to have what it
 *      came with, if the source says what that is: another value was written since. One that went tells nothing; a renamed one is the same.
 *   3. Every other version ends at the load, and a row whose key isn't there any more was deleted then. What happened between isn't
 *      known: a load sees a state.
 *   4. Rows of a damaged segment are not looked at: nothing is said of them, but that the load has their rows.
 */
#include "sync_history_parts.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_value.h"
#include "sync_book.h"
#include "sync_history_past.h"

enum { CLOSE_ROWS = 1024 };

/* ---- Values. -------------------------------------------------------------------------------------------------------- */

static const struct rhei_value operations[] = {{.type = RHEI_TEXT, .length = 1, .as.bytes = "I"},
                                               {.type = RHEI_TEXT, .length = 1, .as.bytes = "U"},
                                               {.type = RHEI_TEXT, .length = 1, .as.bytes = "D"}};

struct rhei_value history_operation(int which)
{
    return operations[which];
}

/* ---- Which column was which. --------------------------------------------------------------------------------------- */

static uint32_t named(char *const *names, uint32_t count, const char *name)
{
    for (uint32_t n = 0; n < count; n++)
        if (base_fold_compare(names[n], name) == 0)
            return n;
    return HISTORY_NO_COLUMN;
}

static bool has_name(const struct source_column *columns, uint32_t count, const char *name)
{
    for (uint32_t c = 0; c < count; c++)
        if (base_fold_compare(columns[c].name, name) == 0)
            return true;
    return false;
}

static bool same_kind(const struct source_column *a, const struct source_column *b)
{
    return a->affinity == b->affinity && strcmp(a->declared_type, b->declared_type) == 0 &&
           strcmp(a->collation, b->collation ? b->collation : "BINARY") == 0;
}

static bool is_mapped(const struct history_past *past, uint32_t count, uint32_t old)
{
    for (uint32_t c = 0; c < count; c++)
        if (past->column[c] == old)
            return true;
    return false;
}

/* Neighbours of the same ones at both sides, as many as before: these, renamed. Behind the `last` ones that kept their names new ones may follow. */
static void map_neighbours(struct history_past *past, const struct source_column *columns, uint32_t count,
                           uint32_t first, uint32_t end, uint32_t first_old, uint32_t end_old, bool last)
{
    uint32_t are = end - first, were = end_old - first_old;
    BASE_INVARIANT(first <= end && first_old <= end_old && end_old <= past->visible);
    if (are != were && !(last && are > were))
        return;
    for (uint32_t n = 0; n < were; n++)
        if (past->column[first + n] == HISTORY_NO_COLUMN && !is_mapped(past, count, first_old + n) &&
            same_kind(&past->definition->columns[first_old + n], &columns[first + n]))
            past->column[first + n] = first_old + n;
}

/* ALTER TABLE leaves columns in their order. */
static bool in_order(const struct history_past *past, uint32_t count)
{
    uint32_t next = 0;
    for (uint32_t c = 0; c < count; c++)
        if (past->column[c] != HISTORY_NO_COLUMN) {
            if (past->column[c] < next)
                return false;
            next = past->column[c] + 1;
        }
    return true;
}

static void map_renamed(struct history_past *past, const struct source_column *columns, uint32_t count)
{
    uint32_t first = 0, first_old = 0;
    if (!in_order(past, count))
        return;
    for (uint32_t c = 0; c < count; c++) {
        uint32_t old = past->column[c];
        if (old == HISTORY_NO_COLUMN)
            continue;
        if (old >= first_old) /* else one that was found just now */
            map_neighbours(past, columns, count, first, c, first_old, old, false);
        first = c + 1;
        first_old = old + 1;
    }
    map_neighbours(past, columns, count, first, count, first_old, past->visible, true);
}

/*
 * By name; and where as many columns are there as before, one of another name in the place of one that isn't there any more is that one,
 * renamed: a new column would stand behind all others. Where not as many are there, those between two that kept their names tell by their number.
 */
static void map_columns(struct history_past *past, const struct source_column *columns, uint32_t count)
{
    const struct source_table *old = past->definition;
    past->same_columns = count == past->visible;
    for (uint32_t c = 0; c < count; c++) {
        past->column[c] = named(past->names, past->visible, columns[c].name);
        if (past->column[c] == HISTORY_NO_COLUMN && count == past->visible &&
            same_kind(&old->columns[c], &columns[c]) && !has_name(columns, count, past->names[c]))
            past->column[c] = c;
    }
    map_renamed(past, columns, count);
    for (uint32_t c = 0; c < count; c++)
        past->same_columns = past->same_columns && past->column[c] == c && same_kind(&old->columns[c], &columns[c]);
}

static bool map_key(struct history_past *past, const struct source_table *table, uint32_t visible)
{
    const struct source_table *old = past->definition;
    bool same = table->key_count == old->key_count && table->key_is_integer == old->key_is_integer;
    for (uint32_t k = 0; k < table->key_count && same; k++) {
        uint32_t key = table->key_columns[k];
        bool hidden = key == visible, was_hidden = old->key_columns[k] >= past->visible;
        same = hidden ? was_hidden : past->column[key] == old->key_columns[k];
        past->old_key[k] = old->key_columns[k];
        past->new_key[k] = key;
    }
    past->key_count = table->key_count;
    return same;
}

/* ---- Rows by their keys. ------------------------------------------------------------------------------------------- */

static uint32_t hash_value(const struct rhei_value *value, uint64_t seed)
{
    uint64_t hash = base_hash(&value->type, sizeof value->type, seed);
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL)
        hash = base_hash(&value->as, sizeof value->as, hash);
    else if (value->type != RHEI_NULL)
        hash = base_hash(value->as.bytes, value->length, hash);
    return (uint32_t)(hash ^ hash >> 32);
}

static rhei_status enter(struct history_past *past, uint32_t segment, uint32_t offset, struct rhei_error *error)
{
    if (!base_grow((void **)&past->entries, &past->capacity, past->count + 1, sizeof(struct history_entry)))
        return error_no_memory(error);
    uint32_t hash = 0;
    for (uint32_t k = 0; k < past->key_count; k++) {
        struct rhei_value value;
        mirror_view_value(past->open, segment, offset, past->old_key[k], &value);
        hash = hash_value(&value, hash);
    }
    past->entries[past->count++] = (struct history_entry){.hash = hash, .segment = segment, .offset = offset};
    return RHEI_OK;
}

/* Reads a row of it, so that all its columns are looked at. */
static bool segment_is_good(const struct history_past *past, uint32_t segment)
{
    struct rhei_value value;
    for (uint32_t c = 0; c < past->definition->column_count; c++)
        mirror_view_value(past->open, segment, 0, c, &value);
    return !mirror_view_segment_is_damaged(past->open, segment);
}

static rhei_status enter_segment(struct history_past *past, uint32_t segment, struct rhei_error *error)
{
    uint32_t rows = mirror_view_segment_rows(past->open, segment);
    struct mirror_hold hold = {NULL};
    rhei_status status = RHEI_OK;
    mirror_hold(past->open, segment, &hold);
    if (rows > 0 && !segment_is_good(past, segment))
        rows = 0;
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < rows; v++) {
        struct mirror_vector vector;
        mirror_view_vector(past->open, segment, v, &vector);
        for (uint32_t r = 0; r < vector.rows && status == RHEI_OK; r++)
            if (!vector.dead || (vector.dead[r / 64] >> (r % 64) & 1) == 0)
                status = enter(past, segment, v * MIRROR_VECTOR_ROWS + r, error);
    }
    mirror_hold_end(&hold);
    return status;
}

static rhei_status make_index(struct history_past *past, struct rhei_error *error)
{
    size_t heads = 16, words = past->count / 64 + 1;
    while (heads < past->count)
        heads *= 2;
    past->mask = (uint32_t)(heads - 1);
    past->heads = base_alloc_zero(heads, sizeof *past->heads);
    past->kept = base_alloc_zero(words, sizeof *past->kept);
    past->met = base_alloc_zero(words, sizeof *past->met);
    if (!past->heads || !past->kept || !past->met)
        return error_no_memory(error);
    for (size_t e = 0; e < past->count; e++) {
        uint32_t *head = &past->heads[past->entries[e].hash & past->mask];
        past->entries[e].next = *head;
        *head = (uint32_t)e + 1;
    }
    return RHEI_OK;
}

/* ---- Opening. ------------------------------------------------------------------------------------------------------ */

/* The names that the old columns have now. */
static rhei_status take_names(struct sync *sync, struct history_past *past, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_mutex_lock(&sync->lock);
    const struct sync_generation *generation = sync_book_find(sync, past->number);
    past->visible = generation ? generation->name_count : 0;
    past->names = base_alloc_zero((size_t)past->visible + 1, sizeof *past->names);
    for (uint32_t n = 0; past->names && n < past->visible && status == RHEI_OK; n++) {
        past->names[n] = base_strdup(generation->names[n]);
        if (!past->names[n])
            status = error_no_memory(error);
    }
    base_mutex_unlock(&sync->lock);
    return past->names ? status : error_no_memory(error);
}

rhei_status history_past_open(struct sync *sync, const struct source_table *table, uint32_t visible,
                              struct history_past *past, struct rhei_error *error)
{
    rhei_status status = take_names(sync, past, error);
    if (status == RHEI_OK && mirror_snapshot_take(sync->config.mirror, &past->snapshot) != RHEI_OK)
        status = error_no_memory(error);
    past->held = status == RHEI_OK;
    past->column = base_alloc_zero((size_t)visible + 1, sizeof *past->column);
    past->old_key = base_alloc_zero((size_t)table->key_count + 1, sizeof *past->old_key);
    past->new_key = base_alloc_zero((size_t)table->key_count + 1, sizeof *past->new_key);
    if (status == RHEI_OK && (!past->column || !past->old_key || !past->new_key))
        status = error_no_memory(error);
    if (status != RHEI_OK)
        return status;
    past->open = mirror_view(&past->snapshot, sync_book_open_id(sync, past->number));
    past->definition = past->open ? mirror_view_definition(past->open) : NULL;
    if (!past->open || past->definition->column_count < past->visible + HISTORY_COLUMNS) {
        past->open = NULL;
        return RHEI_OK;
    }
    map_columns(past, table->columns, visible);
    past->comparable = map_key(past, table, visible);
    const struct mirror_table_view *ended = mirror_view(&past->snapshot, sync_book_ended_id(sync, past->number));
    bool hidden = table->column_count > visible;
    past->same_columns = past->same_columns && past->comparable && hidden == !past->definition->without_rowid &&
                         (!hidden || !ended || history_ended_has_rowid(mirror_view_definition(ended)));
    for (uint32_t s = 0; s < mirror_view_segment_count(past->open) && status == RHEI_OK; s++)
        status = enter_segment(past, s, error);
    return status == RHEI_OK ? make_index(past, error) : status;
}

void history_past_free(struct history_past **slot)
{
    struct history_past *past = *slot;
    *slot = NULL;
    if (!past)
        return;
    for (uint32_t n = 0; past->names && n < past->visible; n++)
        base_free(past->names[n]);
    if (past->held)
        mirror_snapshot_release(&past->snapshot);
    base_free(past->names);
    base_free(past->column);
    base_free(past->old_key);
    base_free(past->new_key);
    base_free(past->entries);
    base_free(past->heads);
    base_free((void *)past->kept);
    base_free((void *)past->met);
    base_free(past);
}

/* ---- A row of the load. -------------------------------------------------------------------------------------------- */

static void set_bit(_Atomic uint64_t *words, size_t at)
{
    atomic_fetch_or_explicit(&words[at / 64], UINT64_C(1) << (at % 64), memory_order_relaxed);
}

static bool bit(const _Atomic uint64_t *words, size_t at)
{
    return (atomic_load_explicit(&words[at / 64], memory_order_relaxed) >> (at % 64) & 1) != 0;
}

static bool same_key(const struct history_past *past, const struct history_entry *entry,
                     const struct change_batch *batch, size_t row)
{
    for (uint32_t k = 0; k < past->key_count; k++) {
        struct rhei_value value;
        mirror_view_value(past->open, entry->segment, entry->offset, past->old_key[k], &value);
        if (!base_same_value(&value, &batch->columns[past->new_key[k]][row]))
            return false;
    }
    return true;
}

static bool same_row(const struct history_past *past, const struct history_entry *entry, uint32_t visible,
                     const struct change_batch *batch, size_t row)
{
    for (uint32_t c = 0; c < visible; c++) {
        struct rhei_value value;
        if (past->column[c] == HISTORY_NO_COLUMN) {
            const struct rhei_value *added = past->added != NULL ? past->added[c] : NULL;
            if (added != NULL && !base_same_value(added, &batch->columns[c][row]))
                return false;
            continue;
        }
        mirror_view_value(past->open, entry->segment, entry->offset, past->column[c], &value);
        if (!base_same_value(&value, &batch->columns[c][row]))
            return false;
    }
    return true;
}

/* Of those with the key's hash from entry `at` - 1 on, the one that has it; 0: none. *hold: on its segment. */
static uint32_t find_key(const struct history_past *past, uint32_t at, uint32_t hash, const struct change_batch *batch,
                         size_t row, struct mirror_hold *hold)
{
    for (; at != 0; at = past->entries[at - 1].next) {
        const struct history_entry *entry = &past->entries[at - 1];
        if (entry->hash != hash)
            continue;
        mirror_hold(past->open, entry->segment, hold);
        if (same_key(past, entry, batch, row))
            return at;
    }
    return 0;
}

/* The version of entry `at` - 1, whose segment is held and whose key is the row's: is it as the row is? */
static bool goes_on(struct history_past *past, uint32_t at, uint32_t visible, const struct change_batch *batch,
                    size_t row, struct history_version *version)
{
    const struct history_entry *entry = &past->entries[at - 1];
    struct rhei_value value;
    set_bit(past->met, at - 1);
    if (!same_row(past, entry, visible, batch, row))
        return false;
    BASE_INVARIANT(bit(past->met, at - 1));
    set_bit(past->kept, at - 1);
    atomic_fetch_add_explicit(&past->same, 1, memory_order_relaxed);
    mirror_view_value(past->open, entry->segment, entry->offset, past->visible + SINCE, &value);
    version->since = value.as.integer;
    mirror_view_value(past->open, entry->segment, entry->offset, past->visible + SEQUENCE, &value);
    version->seq = value.as.integer;
    mirror_view_value(past->open, entry->segment, entry->offset, past->visible + OPERATION, &value);
    version->inserted = value.length == 1 && memcmp(value.as.bytes, "I", 1) == 0;
    return true;
}

bool history_past_meets(struct history_past *past, uint32_t visible, const struct change_batch *batch, size_t row,
                        struct history_version *version, bool *key)
{
    struct mirror_hold hold = {NULL};
    uint32_t hash = 0;
    *key = false;
    if (!past->open || !past->comparable || past->count == 0)
        return false;
    for (uint32_t k = 0; k < past->key_count; k++)
        hash = hash_value(&batch->columns[past->new_key[k]][row], hash);
    uint32_t at = find_key(past, past->heads[hash & past->mask], hash, batch, row, &hold);
    *key = at != 0;
    bool same = at != 0 && goes_on(past, at, visible, batch, row, version);
    mirror_hold_end(&hold);
    return same;
}

bool history_past_fits(const struct history_past *past, uint64_t loaded)
{
    uint64_t same = atomic_load_explicit(&past->same, memory_order_relaxed);
    uint64_t more = loaded > past->count ? loaded : past->count;
    return past->open && 2 * same >= more;
}

bool history_past_is_as_loaded(const struct history_past *past, uint64_t loaded)
{
    uint64_t same = atomic_load_explicit(&past->same, memory_order_relaxed);
    return !past->open || (same == past->count && same == loaded);
}

/* ---- Versions that don't go on. ------------------------------------------------------------------------------------ */

struct closing {
    const struct history_past *past;
    struct rhei_value *values; /* [columns][CLOSE_ROWS] */
    const struct rhei_value **columns;
    uint32_t column_count;
    size_t rows;
    int64_t until_us, until_seq, *next_row;
};

static struct rhei_value *cell(struct closing *closing, uint32_t column)
{
    return &closing->values[(size_t)column * CLOSE_ROWS + closing->rows];
}

static void put(struct closing *closing, const struct history_entry *entry, bool deletion)
{
    const struct history_past *past = closing->past;
    uint32_t own = past->visible;
    BASE_INVARIANT(closing->rows < CLOSE_ROWS && entry->segment < mirror_view_segment_count(past->open));
    for (uint32_t c = 0; c + 1 < closing->column_count; c++)
        mirror_view_value(past->open, entry->segment, entry->offset, c, cell(closing, c));
    *cell(closing, own + UNTIL) = history_integer(closing->until_us);
    *cell(closing, own + ENDED_AT) = history_integer(closing->until_seq);
    if (deletion) {
        *cell(closing, own + SINCE) = history_integer(closing->until_us);
        *cell(closing, own + SEQUENCE) = history_integer(closing->until_seq);
        *cell(closing, own + OPERATION) = history_operation(HISTORY_DELETED);
    }
    *cell(closing, closing->column_count - 1) = history_integer((*closing->next_row)++);
    closing->rows++;
}

static rhei_status flush(struct sync *sync, struct closing *closing, struct rhei_error *error)
{
    struct change_batch batch = {.table = sync_book_ended_id(sync, closing->past->number),
                                 .column_count = closing->column_count,
                                 .row_count = closing->rows,
                                 .columns = closing->columns};
    rhei_status status = closing->rows == 0 ? RHEI_OK : mirror_apply(sync->config.mirror, &batch, NULL, error);
    closing->rows = 0;
    return status;
}

/* Entries lie in the order of their segments, and what is put of one borrows its strings: so it is written before the next is held. */
static rhei_status close_all(struct sync *sync, struct closing *closing, struct rhei_error *error)
{
    const struct history_past *past = closing->past;
    struct mirror_hold hold = {NULL};
    uint32_t held = UINT32_MAX;
    rhei_status status = RHEI_OK;
    for (size_t e = 0; e < past->count && status == RHEI_OK; e++) {
        if (bit(past->kept, e))
            continue;
        if (past->entries[e].segment != held) {
            status = flush(sync, closing, error);
            held = past->entries[e].segment;
            mirror_hold(past->open, held, &hold);
        }
        if (status != RHEI_OK)
            break;
        put(closing, &past->entries[e], false);
        if (!bit(past->met, e))
            put(closing, &past->entries[e], true);
        if (closing->rows + 2 > CLOSE_ROWS)
            status = flush(sync, closing, error);
    }
    if (status == RHEI_OK)
        status = flush(sync, closing, error);
    mirror_hold_end(&hold);
    return status;
}

rhei_status history_past_close(struct sync *sync, struct history_past *past, int64_t until_us, int64_t until_seq,
                               int64_t *next_row, struct rhei_error *error)
{
    struct closing closing = {.past = past, .until_us = until_us, .until_seq = until_seq, .next_row = next_row};
    if (!past->open)
        return RHEI_OK;
    const struct source_table *ended = mirror_definition(sync->config.mirror, sync_book_ended_id(sync, past->number));
    closing.column_count = past->visible + HISTORY_COLUMNS + history_ended_has_rowid(ended) + 1;
    closing.values = base_alloc_zero((size_t)closing.column_count * CLOSE_ROWS, sizeof *closing.values);
    closing.columns = base_alloc_zero(closing.column_count, sizeof *closing.columns);
    for (uint32_t c = 0; closing.values && closing.columns && c < closing.column_count; c++)
        closing.columns[c] = closing.values + (size_t)c * CLOSE_ROWS;
    rhei_status status = closing.values && closing.columns ? close_all(sync, &closing, error) : error_no_memory(error);
    base_free(closing.values);
    base_free(closing.columns);
    return status;
}
