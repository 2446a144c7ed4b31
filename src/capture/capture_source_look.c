/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a row of a cycle is looked at, and the look.
 *
 *   R3. The first event of a key in a cycle is taken as it was logged; from the second on the key's row is read from the pinned
 *       state. Who fires before our trigger (a TEMP trigger here or elsewhere) may have its own changes logged before
 *       the change that fired it, so the last event isn't always the last change. All of that is one commit's, so
 *       it is one cycle's. A look is right whenever it is made (S4), so keys are remembered as bits that two may share.
 *       That is spared where the log's order is proven to be that of the changes (R8).
 *   R7. A big cycle's looks are at keys all over a table, so the inner pages of its b-tree stay in the connection's cache while it
 *       lasts: else every second look would read one again.
 *   R8. All rows since the proof began are our writer's (its commits are as many as SQLite counted, oltp_token.c), and nobody's code ever ran on it
 *       between a row's change and our trigger: then the last event of a key is its last change. A foreign commit begins the proof
 *       anew, behind what that cycle reads; a TEMP trigger of ours, or a hand on the connection, ends it for as long as the handle lives.
 */
#include <inttypes.h>
#include <string.h>

#include "base/base_map.h"
#include "capture/capture_source.h"

enum {
    KEY_PARTS = 8, /* of a key, without memory for more */
    SEEN_SHIFT_LEAST = 12,
    SEEN_SHIFT_MOST = 28,
    SEEN_SHIFT_KEPT = 20, /* between cycles */
    SEEN_BITS_A_ROW = 32
};

/* ---- The keys of a cycle (R3). ----------------------------------------------------------------------------------- */

rhei_status capture_source_clear_seen(struct capture_source *source, int64_t rows, struct rhei_error *error)
{
    uint32_t shift = SEEN_SHIFT_LEAST;
    while (shift < SEEN_SHIFT_MOST && (UINT64_C(1) << shift) / SEEN_BITS_A_ROW < (uint64_t)rows)
        shift++;
    size_t bits = (size_t)1 << shift;
    if (bits > source->seen_room) {
        base_free(source->seen);
        source->seen = base_alloc_zero(bits / 64, sizeof *source->seen);
        source->seen_room = source->seen == NULL ? 0 : bits;
        if (source->seen == NULL)
            return error_no_memory(error);
    } else {
        memset(source->seen, 0, bits / 8);
    }
    source->seen_bits = bits;
    source->seen_shift = shift;
    return RHEI_OK;
}

void capture_source_forget_seen(struct capture_source *source)
{
    if (source->seen_room > (size_t)1 << SEEN_SHIFT_KEPT) {
        base_free(source->seen);
        source->seen = NULL;
        source->seen_room = 0;
    }
}

static uint64_t look_mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/*
 * The bit of the key of the row that is being added. Integers that lie close together have bits of their own, side by side; only
 * those that are further from each other than there are bits may share one. 1 and 1.0 may be one key, so a whole REAL is its integer.
 */
static uint64_t look_bit(const struct capture_source *source, const struct capture_batch *batch)
{
    const struct source_table *table = &batch->table->table.source;
    uint64_t hash = table->id * UINT64_C(0x9E3779B97F4A7C15);
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct rhei_value *value = &batch->values[table->key_columns[i]][batch->count];
        int64_t integer = value->as.integer;
        bool whole = value->type == RHEI_INTEGER;
        if (value->type == RHEI_REAL) {
            double real = value->as.real;
            integer = real >= -0x1p63 && real < 0x1p63 ? (int64_t)real : 0;
            whole = (double)integer == real;
        }
        if (whole)
            hash = look_mix(hash + (uint64_t)(integer >> source->seen_shift)) ^ (uint64_t)integer;
        else if (value->type == RHEI_REAL)
            hash = base_hash(&value->as.real, sizeof value->as.real, hash);
        else if (value->type != RHEI_NULL)
            hash = base_hash(value->as.bytes, value->length, hash + 1);
    }
    return hash & (source->seen_bits - 1);
}

/* Whether the key of the row that is being added was perhaps among those before it in this cycle. */
bool capture_source_see(struct capture_source *source, const struct capture_batch *batch)
{
    uint64_t bit = look_bit(source, batch);
    BASE_INVARIANT(bit < source->seen_bits && source->seen_bits <= source->seen_room); /* R3 */
    uint64_t mask = UINT64_C(1) << (bit & 63), word = source->seen[bit / 64];
    source->seen[bit / 64] = word | mask;
    return (word & mask) != 0;
}

/* ---- The cache of a big cycle (R7); without memory for the statement it stays as it is. -------------------------- */

void capture_source_widen_cache(struct capture_source *source)
{
    int64_t before = 0;
    if (source->narrow_cache == 0 &&
        oltp_query_int(source->connection, "PRAGMA main.cache_size", 0, &before, NULL) == RHEI_OK &&
        oltp_exec(source->connection, "PRAGMA main.cache_size=-1024", NULL) == RHEI_OK)
        source->narrow_cache = before;
}

void capture_source_narrow_cache(struct capture_source *source)
{
    if (source->narrow_cache != 0 &&
        oltp_execf(source->connection, NULL, "PRAGMA main.cache_size=%" PRId64, source->narrow_cache) == RHEI_OK) {
        source->narrow_cache = 0;
        sqlite3_db_release_memory(source->connection->db);
    }
}

/* ---- The proof that spares looks (R8). --------------------------------------------------------------------------- */

bool capture_source_is_ordered(struct capture_source *source, int64_t after, int64_t position, uint32_t least)
{
    if (!oltp_captures(source->oltp) || !oltp_writes_in_order(source->oltp))
        return false;
    if (source->ordered_from >= 0 && oltp_foreign_most(source->oltp) == source->ordered_foreign)
        return after >= source->ordered_from;
    /* what a commit made by others means lies before this state, if at all */
    source->ordered_from = position;
    source->ordered_foreign = least;
    return false;
}

/* ---- Looks. ------------------------------------------------------------------------------------------------------ */

static bool look_put(struct capture_source *source, struct capture_batch *batch)
{
    bool ok = true;
    for (uint32_t i = 0; i < batch->columns && ok; i++)
        ok = capture_batch_put(batch, i, batch->look, (int)i, source->connection->utf16, &source->arena);
    return ok;
}

rhei_status capture_source_look(struct capture_source *source, struct capture_batch *batch, bool *found,
                                struct rhei_error *error)
{
    uint32_t count = batch->table->table.source.key_count;
    struct capture_cell at_hand[KEY_PARTS], *key = count <= KEY_PARTS ? at_hand : base_alloc(count * sizeof *key);
    *found = false;
    if (key == NULL)
        return error_no_memory(error);
    source->looked++;
    for (uint32_t i = 0; i < count; i++)
        key[i] = capture_source_key(source, batch, i);
    rhei_status status = capture_look(source->connection, batch->table, &batch->look, key, found, error);
    if (status == RHEI_OK && *found && !look_put(source, batch))
        status = error_no_memory(error);
    sqlite3_reset(batch->look);
    if (key != at_hand)
        base_free(key);
    return status;
}
