/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mending a piece of a table row by row: both sides are read once more at one position, as a hash of each row's key and one of its cells; the
 * keys of rows that are on one side alone, or differ, go into the change log as rows to be looked at (capture_look_again), and the next
 * cycle takes them as they are. So a mend is applied as any change is: with its position, once, seen by histories and checkpoints.
 *
 * Two keys of one hash are looked at both, which is right for either; 16 bytes a row and the keys are held for as long.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base_arena.h"
#include "engine/engine_compare_parts.h"

enum {
    ROWS_MOST = 4 << 20,  /* of a piece, on both sides together: beyond, the table is built again */
    LOOKS_AT_ONCE = 1000, /* keys in one transaction */
    LOOKS_LEAST = 10000,  /* rows that are mended one by one in any case; else a tenth of the table's */
};

struct row {
    uint64_t key, cells;
    const struct rhei_value *values; /* of the key */
};

struct side {
    struct row *rows;
    size_t count, capacity;
};

struct mending {
    const struct source_table *table;
    struct base_arena arena; /* of the keys */
    struct side in_table, in_mirror, *taking;
    const struct rhei_value **keys; /* that are to be looked at */
    size_t key_count, key_capacity;
    bool odd; /* a key is a text that SQLite has no such bytes of (OLTP_ODD_TEXT) */
};

static bool copy_value(struct mending *mending, const struct rhei_value *from, struct rhei_value *to)
{
    *to = *from;
    if (from->type != RHEI_TEXT && from->type != RHEI_BLOB)
        return true;
    char *bytes = base_arena_alloc(&mending->arena, (size_t)from->length + 1);
    if (bytes == NULL)
        return false;
    if (from->length > 0)
        memcpy(bytes, from->as.bytes, from->length);
    to->as.bytes = bytes;
    return true;
}

static rhei_status take_row(void *context, const struct rhei_value *cells, uint32_t count)
{
    struct mending *mending = context;
    const struct source_table *table = mending->table;
    struct side *side = mending->taking;
    struct sync_checksum whole = {0}, key = {0};
    if (mending->in_table.count + mending->in_mirror.count >= ROWS_MOST)
        return RHEI_STALE;
    struct rhei_value *values = base_arena_alloc(&mending->arena, table->key_count * sizeof *values);
    if (values == NULL || !base_grow((void **)&side->rows, &side->capacity, side->count + 1, sizeof *side->rows))
        return RHEI_NO_MEMORY;
    for (uint32_t k = 0; k < table->key_count; k++) {
        const struct rhei_value *cell = &cells[table->key_columns[k]];
        if (!copy_value(mending, cell, &values[k]))
            return RHEI_NO_MEMORY;
        mending->odd |= cell->type == RHEI_TEXT && cell->length > 0 && *(const char *)cell->as.bytes == OLTP_ODD_TEXT;
    }
    sync_checksum_row(&whole, cells, count);
    sync_checksum_row(&key, values, table->key_count);
    side->rows[side->count++] = (struct row){key.sum, whole.sum ^ whole.product, values};
    return RHEI_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->cells < right->cells ? -1 : left->cells > right->cells;
}

static bool add_key(struct mending *mending, const struct row *row)
{
    if (!base_grow((void **)&mending->keys, &mending->key_capacity, mending->key_count + 1, sizeof *mending->keys))
        return false;
    mending->keys[mending->key_count++] = row->values;
    return true;
}

static bool is_same_key(const struct mending *mending, const struct row *a, const struct row *b)
{
    struct sync_checksum left = {0}, right = {0};
    sync_checksum_row(&left, a->values, mending->table->key_count);
    sync_checksum_row(&right, b->values, mending->table->key_count);
    return sync_checksum_equal(&left, &right);
}

/* The keys of rows that the sides don't have alike; one that is on both is named once. */
static rhei_status find_differences(struct mending *mending)
{
    struct side *a = &mending->in_table, *b = &mending->in_mirror;
    size_t i = 0, j = 0;
    bool ok = true;
    if (a->count > 0)
        qsort(a->rows, a->count, sizeof *a->rows, compare_rows);
    if (b->count > 0)
        qsort(b->rows, b->count, sizeof *b->rows, compare_rows);
    while (ok && (i < a->count || j < b->count)) {
        int order = i == a->count ? 1 : j == b->count ? -1 : compare_rows(&a->rows[i], &b->rows[j]);
        if (order == 0) {
            i++;
            j++;
        } else if (i < a->count && j < b->count && a->rows[i].key == b->rows[j].key &&
                   is_same_key(mending, &a->rows[i], &b->rows[j])) {
            ok = add_key(mending, &a->rows[i]);
            i++;
            j++;
        } else {
            ok = add_key(mending, order < 0 ? &a->rows[i] : &b->rows[j]);
            i += order < 0;
            j += order > 0;
        }
    }
    return ok ? RHEI_OK : RHEI_NO_MEMORY;
}

static rhei_status read_both(rhei_db *db, struct mending *mending, struct engine_piece *piece, struct engine_pace *pace,
                             uint64_t *rows, struct rhei_error *error)
{
    struct mirror_snapshot snapshot;
    struct oltp_cursor *cursor = NULL;
    rhei_status status = engine_piece_pin(db, mending->table, piece, pace->limits, &snapshot, &cursor, error);
    if (status != RHEI_OK)
        return status;
    const struct mirror_table_view *view = mirror_view(&snapshot, mending->table->id);
    if (view == NULL)
        status = engine_compare_no_mirror(mending->table, error);
    else
        *rows = mirror_view_row_count(view);
    mending->taking = &mending->in_table;
    if (status == RHEI_OK)
        status = engine_piece_read(piece, mending->table, cursor, pace, take_row, mending, error);
    mending->taking = &mending->in_mirror;
    if (status == RHEI_OK) {
        status = engine_piece_scan(piece, mending->table, view, pace->limits, take_row, mending, error);
        if (mirror_view_is_damaged(
                view)) /* a file can't be read: rows that it has can't be told from those that are wrong */
            status = RHEI_STALE;
    }
    oltp_cursor_close(&cursor);
    mirror_snapshot_release(&snapshot);
    return status;
}

static rhei_status look_again(rhei_db *db, const struct mending *mending, struct engine_pace *pace,
                              struct rhei_error *error)
{
    struct oltp_stop stop;
    rhei_status status = RHEI_OK;
    engine_fault(db, "repair.found");
    for (size_t at = 0; status == RHEI_OK && at < mending->key_count; at += LOOKS_AT_ONCE) {
        size_t left = mending->key_count - at;
        status =
            capture_look_again(db->oltp, mending->table, mending->keys + at,
                               left < LOOKS_AT_ONCE ? left : LOOKS_AT_ONCE, engine_stop(pace->limits, &stop), error);
        engine_fault(db, "repair.told");
    }
    return status;
}

rhei_status engine_mend_piece(rhei_db *db, const struct source_table *table, struct engine_piece *piece,
                              struct engine_pace *pace, struct engine_mended *mended, struct rhei_error *error)
{
    struct mending mending = {.table = table};
    uint64_t rows = 0;
    if (!oltp_captures(db->oltp))
        return RHEI_STALE;
    rhei_status status = read_both(db, &mending, piece, pace, &rows, error);
    if (status == RHEI_OK)
        status = find_differences(&mending);
    uint64_t most = rows / 10 > LOOKS_LEAST ? rows / 10 : LOOKS_LEAST;
    if (status == RHEI_OK && (mending.odd || mended->rows + mending.key_count > most))
        status = RHEI_STALE;
    if (status == RHEI_OK)
        status = look_again(db, &mending, pace, error);
    if (status == RHEI_OK)
        mended->rows += mending.key_count;
    if (status == RHEI_NO_MEMORY)
        (void)error_no_memory(error);
    base_free(mending.in_table.rows);
    base_free(mending.in_mirror.rows);
    base_free(mending.keys);
    base_arena_reset(&mending.arena);
    return status;
}
