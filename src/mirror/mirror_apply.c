/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply: changes of one table, in chunks of up to 1,024 rows and in two passes. The first turns keys into slots of the
 * tail (index, deletions); the second writes column by column (mirror_column.c).
 *
 * Net change per key needs no table of its own: a row that is unpublished and in the open segment is overwritten in
 * place. An unpublished row of a segment that is sealed already is killed and appended anew, because a sealed segment's
 * counters and layouts are final.
 *
 * A chunk never writes into two segments: when the tail is full, its rows are written before it grows or is sealed for the
 * next one. A chunk with values of a new class seals the tail before its first row. After a chunk, a tail that is mostly dead,
 * by rows or by bytes, is sealed: so a hot row's old versions go with their segment, and compaction finds the rest.
 *
 * Patches and tables with a sink need the rows as they were: mirror_before.c looks them up, chunk by chunk, and what is left to apply
 * are upserts and deletes. A CLEAR ends a chunk, and takes whole segments out.
 */
#include "mirror_before.h"

#include <string.h>

#include "base/base_error.h"

enum { PREFETCH_ROWS = 16, PREFETCH_PLACES = 8, MOVE_ROWS = 4096, CHUNK_BYTES = 512 << 10 };

struct apply {
    struct mirror *mirror;
    struct mirror_table *table;
    const struct change_batch *batch;
    struct mirror_apply_counts counts;
    size_t base; /* row of the batch that targets[0] and hashes[0] stand for */
    struct mirror_pending pending;
    uint32_t killed; /* rows of the tail in mirror->killed */
    bool moving;     /* rows only change their place: nothing to count */
    bool borrows;    /* the batch borrows strings of the table's segments: none may be freed before it is written */
};

/* What an unpublished row stands for; decides how its later changes in the cycle are counted. */
enum { ROW_NEW = 0, ROW_REPLACES = 1, ROW_MOVED = 2 };

static bool is_delete(const struct change_batch *batch, size_t row)
{
    return batch->op != NULL && batch->op[row] == CHANGE_DELETE;
}

static bool is_unpublished(const struct mirror_table *table, const struct mirror_segment *segment, uint32_t row_id)
{
    if (segment->opened == mirror_building(table->mirror))
        return true;
    return row_id >> 16 == table->published_number && (row_id & 0xffff) >= table->published_rows;
}

/* Two bitmaps, one behind the other: replaces a published row; is a published row that only moved. */
static uint32_t origin_of(const struct mirror_segment *segment, uint32_t offset)
{
    const uint64_t *word = &segment->origin[offset >> 6];
    if ((*word >> (offset & 63) & 1) != 0)
        return ROW_REPLACES;
    return (word[segment->bitmap_rows / 64] >> (offset & 63) & 1) != 0 ? ROW_MOVED : ROW_NEW;
}

static void set_origin(struct mirror_segment *segment, uint32_t offset, uint32_t origin)
{
    uint64_t *word = &segment->origin[offset >> 6];
    uint64_t bit = 1ull << (offset & 63);
    uint64_t *moved = word + segment->bitmap_rows / 64;
    *word = origin == ROW_REPLACES ? *word | bit : *word & ~bit;
    *moved = origin == ROW_MOVED ? *moved | bit : *moved & ~bit;
}

static void append(struct apply *apply, uint32_t *cell, size_t row, uint32_t origin)
{
    struct mirror_table *table = apply->table;
    struct mirror_tail *tail = &table->tail;
    uint32_t offset = tail->rows++;
    BASE_INVARIANT(offset < tail->segment->capacity && apply->pending.count < MIRROR_CHUNK_ROWS);
    BASE_INVARIANT(row - apply->base < MIRROR_CHUNK_ROWS);
    if (origin != ROW_NEW)
        set_origin(tail->segment, offset, origin);
    *cell = (tail->number << 16 | offset) + 1;
    tail->segment->live_rows++;
    table->live++;
    apply->mirror->targets[row - apply->base] = offset;
    apply->mirror->pending_rows[apply->pending.count++] = (uint32_t)row;
}

/* The row's origin once this change is in it; counts the change. */
static uint32_t next_origin(struct apply *apply, const struct mirror_segment *segment, uint32_t row_id,
                            bool unpublished)
{
    uint32_t origin = unpublished ? origin_of(segment, row_id & 0xffff) : ROW_MOVED;
    if (origin != ROW_MOVED || apply->moving)
        return origin;
    apply->counts.updated++;
    return ROW_REPLACES;
}

static rhei_status upsert(struct apply *apply, const struct mirror_probe *probe)
{
    struct mirror_table *table = apply->table;
    uint32_t *cell;
    rhei_status status = mirror_index_enter(table, probe, &cell);
    if (status != RHEI_OK)
        return status;
    if (*cell == 0) {
        apply->counts.inserted++;
        append(apply, cell, probe->row, false);
        return RHEI_OK;
    }
    uint32_t row_id = *cell - 1;
    uint32_t offset = row_id & 0xffff;
    struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    bool unpublished = is_unpublished(table, segment, row_id);
    BASE_INVARIANT(offset < segment->bitmap_rows || segment->map != NULL);
    uint32_t origin = next_origin(apply, segment, row_id, unpublished);
    if (unpublished && row_id >> 16 == table->tail.number) {
        if (origin == ROW_REPLACES)
            set_origin(segment, offset, origin);
        table->tail.overwritten = true;
        apply->mirror->targets[probe->row - apply->base] = offset;
        return RHEI_OK;
    }
    uint32_t place = mirror_segment_place(segment, offset);
    status = mirror_kill_at(table, row_id >> 16, segment, place);
    if (status != RHEI_OK)
        return status;
    mirror_holders_kill(table, segment, place);
    append(apply, cell, probe->row, origin);
    return RHEI_OK;
}

static void count_delete(struct apply *apply, uint32_t row_id)
{
    const struct mirror_table *table = apply->table;
    BASE_INVARIANT(row_id >> 16 < table->segment_count);
    const struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    uint32_t origin = is_unpublished(table, segment, row_id) ? origin_of(segment, row_id & 0xffff) : ROW_MOVED;
    apply->counts.deleted += origin != ROW_NEW;
    apply->counts.updated -= origin == ROW_REPLACES;
    apply->counts.inserted -= origin == ROW_NEW;
}

/* What an unpublished row of the tail holds may still have to be written: its classes are counted off after that. */
static rhei_status kill(struct apply *apply, uint32_t row_id)
{
    struct mirror_table *table = apply->table;
    BASE_INVARIANT(apply->killed < MIRROR_CHUNK_ROWS);
    struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    uint32_t place = mirror_segment_place(segment, row_id & 0xffff);
    if (row_id >> 16 == table->tail.number && is_unpublished(table, segment, row_id))
        apply->mirror->killed[apply->killed++] = place;
    else
        mirror_holders_kill(table, segment, place);
    return mirror_kill_at(table, row_id >> 16, segment, place);
}

static rhei_status delete_key(struct apply *apply, const struct mirror_probe *probe)
{
    apply->mirror->targets[probe->row - apply->base] = MIRROR_NO_TARGET;
    uint32_t *cell = mirror_index_find(apply->table, probe);
    if (cell == NULL)
        return RHEI_OK;
    uint32_t row_id = *cell - 1;
    count_delete(apply, row_id);
    mirror_index_remove(apply->table, probe, cell);
    return kill(apply, row_id);
}

/* Hashes, and a first touch of the index: far enough ahead that memory answers before the key is needed. */
static void look_ahead(struct apply *apply, size_t row)
{
    struct mirror_probe probe = {.columns = apply->batch->columns, .row = row};
    if (!apply->table->index.by_integer) {
        probe.hash = mirror_key_hash(apply->table, apply->batch->columns, row);
        apply->mirror->hashes[row - apply->base] = probe.hash;
    }
    mirror_index_prefetch(apply->table, &probe);
}

/* Second touch: the index has answered by now, so the row that a key replaces can be asked for. */
static void look_closer(const struct apply *apply, size_t row)
{
    const struct mirror_table *table = apply->table;
    struct mirror_probe probe = {
        .columns = apply->batch->columns, .row = row, .hash = apply->mirror->hashes[row - apply->base]};
    uint32_t cell = mirror_index_peek(table, &probe);
    const struct mirror_segment *segment = cell == 0 ? NULL : mirror_table_segment(table, (cell - 1) >> 16);
    if (segment == NULL)
        return;
    uint32_t place = mirror_segment_place(segment, (cell - 1) & 0xffff);
    if (!table->index.by_integer)
        mirror_segment_prefetch(segment, &table->definition, place);
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, (cell - 1) >> 16);
    const struct mirror_bitmap *bitmap = deletions == NULL ? NULL : deletions->vector[place / MIRROR_VECTOR_ROWS];
    if (bitmap != NULL)
        __builtin_prefetch(&bitmap->word[place % MIRROR_VECTOR_ROWS / 64], 1);
}

/* Rows that are upserted from this one on and whose keys count up by one. */
static size_t counted_up(const struct apply *apply, size_t row, size_t end)
{
    const struct rhei_value *keys = apply->batch->columns[apply->table->definition.key_columns[0]];
    uint64_t most = (uint64_t)INT64_MAX - (uint64_t)keys[row].as.integer; /* of a negative key, too */
    size_t count = 0;
    while (row + count < end && !is_delete(apply->batch, row + count) && most >= count &&
           keys[row + count].as.integer == keys[row].as.integer + (int64_t)count)
        count++;
    return count;
}

/* New rows whose keys count up, such as all those of a table that is only appended to: without a look at each. */
static rhei_status append_run(struct apply *apply, size_t *row, size_t end)
{
    struct mirror_table *table = apply->table;
    struct mirror_tail *tail = &table->tail;
    size_t room = tail->segment->capacity - tail->rows, count = 0;
    if (!table->index.by_integer || table->index.hashed > 0 || room == 0)
        return RHEI_OK;
    count = counted_up(apply, *row, end);
    int64_t key = apply->batch->columns[table->definition.key_columns[0]][*row].as.integer;
    rhei_status status =
        mirror_index_enter_run(table, key, (tail->number << 16 | tail->rows) + 1, count < room ? count : room, &count);
    BASE_INVARIANT(count <= room && *row + count <= end);
    for (size_t i = 0; i < count; i++) {
        apply->mirror->targets[*row + i - apply->base] = tail->rows + (uint32_t)i;
        apply->mirror->pending_rows[apply->pending.count + i] = (uint32_t)(*row + i);
    }
    apply->pending.count += (uint32_t)count;
    apply->counts.inserted += count;
    tail->rows += (uint32_t)count;
    tail->segment->live_rows += (uint32_t)count;
    table->live += count;
    *row += count;
    return status;
}

/* First pass, from *row on; stops early when the tail is full. */
static rhei_status resolve(struct apply *apply, size_t *row, size_t end)
{
    struct mirror_table *table = apply->table;
    const struct change_batch *batch = apply->batch;
    apply->pending.first_id = table->tail.number << 16 | table->tail.rows;
    apply->pending.count = 0;
    rhei_status entered = append_run(apply, row, end);
    if (entered != RHEI_OK || *row == end)
        return entered;
    size_t ahead = *row, closer = *row, warm = end - *row < PREFETCH_ROWS ? end : *row + PREFETCH_ROWS;
    while (ahead < warm)
        look_ahead(apply, ahead++);
    while (closer < warm && closer < *row + PREFETCH_PLACES)
        look_closer(apply, closer++);
    for (; *row < end; (*row)++) {
        if (ahead < end)
            look_ahead(apply, ahead++);
        if (closer < end)
            look_closer(apply, closer++);
        struct mirror_probe probe = {.columns = batch->columns,
                                     .row = *row,
                                     .hash = apply->mirror->hashes[*row - apply->base],
                                     .pending = &apply->pending};
        rhei_status status = RHEI_OK;
        if (is_delete(batch, *row))
            status = delete_key(apply, &probe);
        else if (table->tail.rows == table->tail.segment->capacity)
            return RHEI_OK;
        else
            status = upsert(apply, &probe);
        if (status != RHEI_OK)
            return status;
    }
    return RHEI_OK;
}

/* Second pass: rows [first, end) into the tail. */
static rhei_status write_columns(struct apply *apply, size_t first, size_t end)
{
    struct mirror_table *table = apply->table;
    const uint32_t *targets = &apply->mirror->targets[first - apply->base];
    for (uint32_t c = 0; c < mirror_table_columns(table); c++) {
        struct mirror_column_seen seen;
        rhei_status status = mirror_segment_write(apply->mirror, table->tail.segment, c,
                                                  &apply->batch->columns[c][first], targets, end - first, &seen);
        if (status != RHEI_OK)
            return status;
        mirror_facts_widen(&table->facts->column[c], &seen);
    }
    for (; apply->killed > 0; apply->killed--)
        mirror_holders_kill(table, table->tail.segment, apply->mirror->killed[apply->killed - 1]);
    BASE_INVARIANT(apply->killed == 0);
    mirror_holders_refresh(table, table->tail.segment);
    return RHEI_OK;
}

static rhei_status check_keys(const struct apply *apply, size_t first, size_t end)
{
    if (!apply->table->index.by_integer)
        return RHEI_OK;
    const struct rhei_value *keys = apply->batch->columns[apply->table->definition.key_columns[0]];
    for (size_t i = first; i < end; i++)
        if (keys[i].type != RHEI_INTEGER)
            return RHEI_TYPE;
    return RHEI_OK;
}

/*
 * The end of a chunk that starts at `first`: long strings make it shorter, because a row that is overwritten in place
 * leaves its bytes in the heap until the chunk is over.
 */
static size_t chunk_end(struct apply *apply, size_t first)
{
    const struct change_batch *batch = apply->batch;
    size_t left = batch->row_count - first, count = left < MIRROR_CHUNK_ROWS ? left : MIRROR_CHUNK_ROWS;
    struct mirror_tail *tail = &apply->table->tail;
    mirror_tail_classify(tail, batch, first, first + count);
    uint64_t bytes = 0;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        if ((tail->classes[c] & (MIRROR_HAS_TEXT | MIRROR_HAS_BLOB)) == 0)
            continue;
        for (size_t i = first; i < first + count; i++)
            bytes += batch->columns[c][i].type >= RHEI_TEXT && !is_delete(batch, i) ? batch->columns[c][i].length : 0;
    }
    if (bytes <= CHUNK_BYTES || count == 1)
        return first + count;
    uint64_t fit = count * CHUNK_BYTES / bytes;
    count = fit > 0 ? (size_t)fit : 1;
    mirror_tail_classify(tail, batch, first, first + count);
    return first + count;
}

/* Between chunks, when nothing borrows from segments any more. */
static void tidy(struct mirror_table *table)
{
    (void)mirror_table_drop_empties(table); /* failing is harmless: tried again */
    if (table->sealed > 0)
        mirror_spill_applied(table);
}

static rhei_status apply_chunk(struct apply *apply, size_t first, size_t end)
{
    struct mirror_table *table = apply->table;
    bool conflict;
    apply->base = first;
    BASE_INVARIANT(first < end && end - first <= MIRROR_CHUNK_ROWS && end <= apply->batch->row_count);
    BASE_INVARIANT(table->dirty && table->view->garbage.born == mirror_building(table->mirror));
    apply->pending.rows = apply->mirror->pending_rows;
    rhei_status status = check_keys(apply, first, end);
    if (status != RHEI_OK)
        return status;
    status = mirror_tail_prepare(apply->mirror, &table->tail, mirror_table_columns(table), &conflict);
    if (status == RHEI_OK && (conflict || table->tail.segment == NULL))
        status = mirror_table_open_tail(table);
    for (size_t row = first; row < end && status == RHEI_OK;) {
        size_t start = row;
        status = resolve(apply, &row, end);
        if (status == RHEI_OK)
            status = write_columns(apply, start, row);
        if (status == RHEI_OK && row < end)
            status = mirror_table_extend_tail(table);
    }
    if (status != RHEI_OK)
        return status;
    bool portion = table->tail.segment != NULL && mirror_tail_is_portion(table->mirror, &table->tail);
    if (portion || mirror_table_tail_is_hollow(table))
        mirror_table_close_tail(table);
    if (!apply->borrows)
        tidy(table);
    return RHEI_OK;
}

/* Upserts and deletes. */
static rhei_status apply_plain(struct apply *apply)
{
    size_t rows = apply->batch->row_count;
    rhei_status status = RHEI_OK;
    for (size_t first = 0, end; first < rows && status == RHEI_OK; first = end) {
        end = chunk_end(apply, first);
        status = apply_chunk(apply, first, end);
    }
    return status;
}

/* ---- What needs the rows as they were. ------------------------------------------------------------------------------ */

/* The net effect of a CLEAR: rows that were published go; those that came or changed in this cycle never did. */
static void count_clear(struct apply *apply)
{
    const struct mirror_table *table = apply->table;
    uint64_t unpublished[3] = {0}, all = 0;
    uint32_t number = 0;
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        uint32_t first = segment->opened == mirror_building(table->mirror) ? 0
                         : number == table->published_number               ? table->published_rows
                                                                           : UINT32_MAX;
        const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
        uint32_t rows = segment == table->tail.segment ? table->tail.rows : segment->rows;
        for (uint32_t place = first; place < rows && segment->map == NULL; place++)
            if (!mirror_is_dead(deletions, place))
                unpublished[origin_of(segment, place)]++;
    }
    all = unpublished[ROW_NEW] + unpublished[ROW_REPLACES] + unpublished[ROW_MOVED];
    BASE_INVARIANT(all <= table->live);
    apply->counts.deleted += table->live - all + unpublished[ROW_REPLACES] + unpublished[ROW_MOVED];
    apply->counts.updated -= unpublished[ROW_REPLACES];
    apply->counts.inserted -= unpublished[ROW_NEW];
}

static rhei_status apply_clear(struct apply *apply, struct mirror_before *before, size_t row)
{
    mirror_before_clear(before, apply->batch->seq == NULL ? MIRROR_NO_SEQUENCE : apply->batch->seq[row], row);
    count_clear(apply);
    return mirror_table_clear(apply->table);
}

/* Rows up to the next CLEAR, at most as many as may be looked up together. */
static size_t run_end(const struct change_batch *batch, size_t first, size_t most)
{
    size_t end = first;
    while (end < batch->row_count && end - first < most && (batch->op == NULL || batch->op[end] != CHANGE_CLEAR))
        end++;
    return end;
}

static rhei_status apply_run(struct apply *apply, struct mirror_before *before, size_t first, size_t *end)
{
    rhei_status status = check_keys(apply, first, *end);
    if (status == RHEI_OK)
        status = mirror_before_chunk(before, first, end);
    if (status != RHEI_OK) {
        mirror_writer_let_go(apply->mirror);
        return status == RHEI_NOT_FOUND ? RHEI_STALE : status;
    }
    apply->batch = &before->rows;
    status = apply_plain(apply);
    if (status == RHEI_OK)
        mirror_before_applied(before);
    mirror_writer_let_go(apply->mirror);
    return status;
}

static rhei_status apply_looking_back(struct apply *apply)
{
    struct mirror_before before;
    const struct change_batch *batch = apply->batch;
    rhei_status status = mirror_before_open(apply->table, batch, &before);
    apply->borrows = true;
    for (size_t row = 0, end; row < batch->row_count && status == RHEI_OK; row = end) {
        end = run_end(batch, row, before.capacity);
        if (end > row)
            status = apply_run(apply, &before, row, &end);
        else
            status = apply_clear(apply, &before, row);
        end += end == row;
        apply->batch = batch;
        if (status == RHEI_OK)
            tidy(apply->table);
    }
    mirror_before_close(&before);
    return status;
}

/* Is there anything but upserts and deletes? A word that isn't known is RHEI_INVALID. */
static rhei_status look_at_ops(const struct change_batch *batch, bool *plain)
{
    bool odd = false;
    for (size_t i = 0; batch->op != NULL && i < batch->row_count; i++)
        odd |= (uint8_t)(batch->op[i] - CHANGE_UPSERT) > CHANGE_DELETE - CHANGE_UPSERT;
    *plain = !odd;
    for (size_t i = 0; odd && i < batch->row_count; i++)
        if (batch->op[i] < CHANGE_UPSERT || batch->op[i] > CHANGE_CLEAR)
            return RHEI_INVALID;
    return RHEI_OK;
}

static rhei_status apply_all(struct apply *apply)
{
    bool plain;
    rhei_status status = look_at_ops(apply->batch, &plain);
    if (status == RHEI_OK)
        status = mirror_table_touch(apply->table);
    if (status != RHEI_OK)
        return status;
    return plain && !mirror_table_has_sink(apply->table) ? apply_plain(apply) : apply_looking_back(apply);
}

/* ---- Moving rows out of sparse segments. --------------------------------------------------------------------------- */

struct mover {
    struct rhei_value *values; /* [columns][rows] */
    int64_t *begun;            /* [rows], for a sink */
    const struct rhei_value **columns;
    size_t values_size, columns_size, begun_size;
    uint32_t rows;
};

static rhei_status mover_init(struct mirror_table *table, uint32_t rows, struct mover *mover)
{
    uint32_t columns = mirror_table_columns(table);
    void *values = NULL, *pointers = NULL, *begun = NULL;
    *mover = (struct mover){.values_size = (size_t)columns * rows * sizeof *mover->values,
                            .columns_size = columns * sizeof *mover->columns,
                            .begun_size = rows * sizeof *mover->begun};
    rhei_status status = mirror_memory_alloc(&table->mirror->memory, mover->values_size, &values);
    if (status == RHEI_OK)
        status = mirror_memory_alloc(&table->mirror->memory, mover->columns_size, &pointers);
    if (status == RHEI_OK)
        status = mirror_memory_alloc(&table->mirror->memory, mover->begun_size, &begun);
    mover->values = values;
    mover->columns = pointers;
    mover->begun = begun;
    for (uint32_t c = 0; status == RHEI_OK && c < columns; c++)
        mover->columns[c] = mover->values + (size_t)c * rows;
    return status;
}

static void mover_reset(struct mirror_table *table, struct mover *mover)
{
    mirror_memory_free(&table->mirror->memory, mover->values, mover->values_size);
    mirror_memory_free(&table->mirror->memory, mover->columns, mover->columns_size);
    mirror_memory_free(&table->mirror->memory, mover->begun, mover->begun_size);
}

static void gather_live(struct mirror_table *table, uint32_t number, uint32_t max_rows, struct mover *mover)
{
    const struct mirror_segment *segment = mirror_table_segment(table, number);
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
    for (uint32_t place = 0; place < segment->rows && mover->rows < max_rows; place++) {
        if (mirror_is_dead(deletions, place))
            continue;
        for (uint32_t c = 0; c < mirror_table_columns(table); c++)
            mirror_segment_value(segment, c, place, &mover->values[(size_t)c * max_rows + mover->rows]);
        /* rows of a compacted segment were published */
        mover->begun[mover->rows] =
            segment->map == NULL ? mirror_begun_find(table, number << 16 | place) : MIRROR_NO_SEQUENCE;
        mover->rows++;
    }
}

/* Without a free number the rows must fit into what is left of the tail. */
static uint32_t room_to_move(const struct mirror_table *table, uint32_t budget)
{
    uint32_t most = mirror_tail_most(table->mirror, &table->tail, mirror_table_columns(table));
    uint32_t left = table->tail.segment == NULL || table->tail.rows > most ? 0 : most - table->tail.rows;
    return table->used_segments < table->mirror->max_segments || left > budget ? budget : left;
}

/* Versions keep the sequence at which they began, wherever they go. */
static void moved_begun(struct mirror_table *table, const struct mover *mover)
{
    static const struct mirror_pending none = {0};
    for (uint32_t i = 0; i < mover->rows && mirror_table_has_sink(table) && !table->sink.no_began; i++) {
        struct mirror_probe probe = {.columns = mover->columns, .row = i, .pending = &none};
        if (!table->index.by_integer)
            probe.hash = mirror_key_hash(table, mover->columns, i);
        const uint32_t *cell = mirror_index_find(table, &probe);
        BASE_INVARIANT(cell != NULL);
        if (mover->begun[i] != MIRROR_NO_SEQUENCE || mirror_begun_find(table, *cell - 1) != MIRROR_NO_SEQUENCE)
            mirror_begun_set(table, *cell - 1, mover->begun[i]);
    }
}

/*
 * The rows go through apply as upserts of what they hold already. The strings they borrow stay where they are until the
 * segment is reclaimed, which is not before this call ends.
 */
rhei_status mirror_table_move_rows(struct mirror_table *table, uint32_t number, uint32_t max_rows, uint32_t *moved)
{
    struct mover mover;
    *moved = 0;
    max_rows = room_to_move(table, max_rows);
    atomic_store_explicit(&table->moves_blocked, max_rows == 0, memory_order_relaxed);
    if (max_rows == 0)
        return RHEI_OK;
    rhei_status status = mover_init(table, max_rows, &mover);
    if (status != RHEI_OK) {
        mover_reset(table, &mover);
        return status;
    }
    mirror_writer_hold(table->mirror, mirror_table_segment(table, number));
    gather_live(table, number, max_rows, &mover);
    struct change_batch batch = {.table = table->definition.id,
                                 .column_count = mirror_table_columns(table),
                                 .row_count = mover.rows,
                                 .columns = mover.columns};
    struct apply apply = {.mirror = table->mirror, .table = table, .batch = &batch, .moving = true, .borrows = true};
    /* Moving frees memory in the end; being stopped half-way by the limit would cost the whole table. */
    atomic_fetch_add_explicit(&table->mirror->memory.unlimited, 1, memory_order_relaxed);
    status = mirror_table_touch(table);
    if (status == RHEI_OK)
        status = apply_plain(&apply);
    if (status == RHEI_OK)
        moved_begun(table, &mover);
    atomic_fetch_sub_explicit(&table->mirror->memory.unlimited, 1, memory_order_relaxed);
    if (status != RHEI_OK)
        atomic_store_explicit(&table->unsound, true, memory_order_relaxed);
    BASE_INVARIANT(mover.rows <= max_rows);
    mirror_writer_let_go(table->mirror);
    *moved = mover.rows;
    mover_reset(table, &mover);
    return status;
}

/* The sealed segment with the fewest live rows; UINT32_MAX if moving them could not free a number. */
static uint32_t sparsest_segment(const struct mirror_table *table)
{
    uint32_t best = UINT32_MAX, best_rows = UINT32_MAX, number = 0;
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        if (segment == table->tail.segment || segment->live_rows >= best_rows)
            continue;
        best = number;
        best_rows = segment->live_rows;
    }
    uint32_t room = table->mirror->segment_rows;
    return best_rows <= room / 2 ? best : UINT32_MAX;
}

/* When three quarters of the segment numbers are in use, every apply moves some rows, so that they never run out. */
static rhei_status make_room(struct mirror_table *table, size_t rows)
{
    uint32_t most = table->mirror->max_segments;
    uint32_t budget =
        rows < MOVE_ROWS / 2 ? MOVE_ROWS : (uint32_t)(rows < MIRROR_SEGMENT_ROWS ? 2 * rows : 2 * MIRROR_SEGMENT_ROWS);
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && budget > 0 && table->used_segments > most - most / 4 - 1) {
        uint32_t moved = 0, number = sparsest_segment(table);
        if (number == UINT32_MAX)
            break;
        status = mirror_table_move_rows(table, number, budget < MOVE_ROWS ? budget : MOVE_ROWS, &moved);
        if (status == RHEI_OK && mirror_table_drop_empties(table) != RHEI_OK)
            break;
        budget = moved == 0 || moved >= budget ? 0 : budget - moved;
    }
    return status;
}

/* ---- The call. ----------------------------------------------------------------------------------------------------- */

static rhei_status check_batch(const struct mirror_table *table, const struct change_batch *batch,
                               struct rhei_error *error)
{
    if (table == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the column store has no table %u", batch->table);
    if (mirror_table_is_unsound(table))
        return error_set(error, RHEI_INVALID,
                         "the column store's copy of table \"%s\" missed a change earlier: drop or rebuild it",
                         table->definition.name);
    if (batch->column_count != mirror_table_columns(table))
        return error_set(error, RHEI_INVALID, "table \"%s\" has %u columns, its change batch %u",
                         table->definition.name, mirror_table_columns(table), batch->column_count);
    return RHEI_OK;
}

static rhei_status apply_error(const struct mirror_table *table, rhei_status status, struct rhei_error *error)
{
    if (status == RHEI_TYPE)
        (void)error_set(error, status, "the key must be an integer");
    else if (status == RHEI_STALE)
        (void)error_set(error, status, "a change of some columns came for a row that isn't there");
    else if (status == RHEI_INVALID)
        (void)error_set(error, status, "a change is of no kind that is known");
    else if (status == RHEI_TOO_BIG)
        (void)error_set(error, status,
                        "more rows than the column store can number (2^32); SQLite answers for this table");
    else
        (void)mirror_memory_error(&table->mirror->memory, status, error);
    error_context(error, "table \"%s\": ", table->definition.name);
    return status;
}

static size_t heap_bytes(const struct mirror_table *table)
{
    const struct mirror_segment *tail = table->tail.segment;
    return tail == NULL || tail->heap == NULL ? 0 : tail->heap->bytes;
}

/* About how much came, for whoever makes it durable: slots, and what the heap of the tail grew by. */
static void note_bytes(const struct mirror_table *table, size_t rows, size_t heap)
{
    const struct mirror_segment *tail = table->tail.segment;
    size_t now = heap_bytes(table);
    uint64_t bytes = rows * (tail == NULL ? sizeof(uint64_t) : mirror_segment_slot_bytes(tail));
    atomic_fetch_add_explicit(&table->mirror->written_bytes, bytes + (now > heap ? now - heap : 0),
                              memory_order_relaxed);
}

rhei_status mirror_apply(struct mirror *mirror, const struct change_batch *batch, struct mirror_apply_counts *counts,
                         struct rhei_error *error)
{
    struct mirror_table *table = mirror_table_find(mirror, batch->table);
    rhei_status status = check_batch(table, batch, error);
    if (status != RHEI_OK || batch->row_count == 0)
        return status;
    size_t limit = mirror->memory.limit;
    if (limit > 0 && atomic_load_explicit(&mirror->memory.used, memory_order_relaxed) > limit - limit / 8)
        (void)mirror_reclaim(mirror);
    struct apply apply = {.mirror = mirror, .table = table, .batch = batch};
    status = mirror_index_complete(table);
    size_t heap = heap_bytes(table);
    if (status == RHEI_OK)
        status = apply_all(&apply);
    note_bytes(table, batch->row_count, heap);
    if (status == RHEI_OK) {
        status = make_room(table, batch->row_count);
        mirror_facts_prepare(table);
    }
    if (status != RHEI_OK) {
        atomic_store_explicit(&table->unsound, true, memory_order_relaxed);
        return apply_error(table, status, error);
    }
    if (counts != NULL) {
        counts->inserted += apply.counts.inserted;
        counts->updated += apply.counts.updated;
        counts->deleted += apply.counts.deleted;
    }
    return RHEI_OK;
}

const struct source_table *mirror_definition(struct mirror *mirror, uint32_t table)
{
    const struct mirror_table *found = mirror_table_find(mirror, table);
    return found == NULL ? NULL : &found->definition;
}

bool mirror_next_table(struct mirror *mirror, uint32_t *table)
{
    while (mirror_trie_next(&mirror->catalog, table) != NULL) {
        if (mirror_table_find(mirror, *table) != NULL)
            return true;
        if (++*table == 0)
            return false;
    }
    return false;
}

uint64_t mirror_rows(struct mirror *mirror, uint32_t table)
{
    const struct mirror_table *found = mirror_table_find(mirror, table);
    return found == NULL ? 0 : found->live;
}
