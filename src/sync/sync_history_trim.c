/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: versions that ended long ago, or that are too many of a row, are forgotten.
 *
 *   1. What is to go is looked up in a snapshot, beside everybody; then it goes in small steps, each of them one of the owner's. Readers
 *      keep what their snapshots have.
 *   2. The book says from when on all is there (kept_us) with the first step, so that nobody is told a part of what was before.
 *   3. Versions are in the order of their ends, segment by segment, so those that ended before a time are found at the front.
 *   4. Which are too many of a row is found by going through all of them, so that isn't done again before another one ended. They are those of a line, its
 *      newest generation first: a row is counted on by its key, whatever the columns beside it became.
 *   5. A generation of which nothing is left goes, and what it says beside its versions stays true: where nothing is known (its gaps) goes over to the next one
 *      of its line, and of a table that went, whose name another one may have, nothing is told of before.
 */
#include "sync_history_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "sync_book.h"
#include "sync_history_trim.h"

enum { STEP_ROWS = 4096 };

struct trimming {
    struct sync *sync;
    uint32_t number;                      /* of the generation */
    const struct mirror_table_view *view; /* NULL: nothing of it ended */
    const struct source_table *definition;
    uint32_t visible, row; /* columns of the table itself; the one of the versions' own number */
    const uint32_t *keys;  /* [key_count] where the columns of the table's key are in it */
    uint32_t key_count;
    struct rhei_value *rows; /* keys of the versions that go */
    size_t count, capacity;
    int64_t last_us, last_seq; /* newest end among them */
    struct rhei_error *error;
};

static int64_t cell(const struct trimming *trimming, uint32_t segment, uint32_t offset, uint32_t column)
{
    struct rhei_value value;
    mirror_view_value(trimming->view, segment, offset, column, &value);
    return value.type == RHEI_INTEGER ? value.as.integer : 0;
}

/* This version goes. */
static rhei_status mark(struct trimming *trimming, uint32_t segment, uint32_t offset)
{
    if (!base_grow((void **)&trimming->rows, &trimming->capacity, trimming->count + 1, sizeof(struct rhei_value)))
        return error_no_memory(trimming->error);
    int64_t until = cell(trimming, segment, offset, trimming->visible + UNTIL);
    int64_t seq = cell(trimming, segment, offset, trimming->visible + ENDED_AT);
    trimming->rows[trimming->count++] = history_integer(cell(trimming, segment, offset, trimming->row));
    trimming->last_us = until > trimming->last_us ? until : trimming->last_us;
    trimming->last_seq = seq > trimming->last_seq ? seq : trimming->last_seq;
    return RHEI_OK;
}

static bool is_dead(const struct mirror_vector *vector, uint32_t row)
{
    return vector->dead && (vector->dead[row / 64] >> (row % 64) & 1) != 0;
}

/* ---- By age. ------------------------------------------------------------------------------------------------------- */

static rhei_status look_at_vector(struct trimming *trimming, uint32_t segment, uint32_t number, int64_t before_us)
{
    struct mirror_vector vector;
    rhei_status status = RHEI_OK;
    mirror_view_vector(trimming->view, segment, number, &vector);
    for (uint32_t r = 0; r < vector.rows && status == RHEI_OK; r++) {
        uint32_t offset = number * MIRROR_VECTOR_ROWS + r;
        if (!is_dead(&vector, r) && cell(trimming, segment, offset, trimming->visible + UNTIL) <= before_us)
            status = mark(trimming, segment, offset);
    }
    return status;
}

static rhei_status look_by_age(struct trimming *trimming, int64_t before_us)
{
    const struct rhei_value low = {.type = RHEI_NULL}, high = history_integer(before_us);
    struct mirror_hold hold = {NULL};
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < mirror_view_segment_count(trimming->view) && status == RHEI_OK; s++) {
        uint32_t rows = mirror_view_segment_rows(trimming->view, s);
        if (rows == 0 || !mirror_view_may_match(trimming->view, s, UINT32_MAX, trimming->visible + UNTIL, &low, &high))
            continue;
        mirror_hold(trimming->view, s, &hold);
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < rows && status == RHEI_OK; v++)
            if (mirror_view_may_match(trimming->view, s, v, trimming->visible + UNTIL, &low, &high))
                status = look_at_vector(trimming, s, v, before_us);
    }
    mirror_hold_end(&hold);
    return status;
}

/* ---- By number. ---------------------------------------------------------------------------------------------------- */

struct place {
    int64_t row;
    uint32_t segment, offset;
};

static int newest_first(const void *a, const void *b)
{
    int64_t left = ((const struct place *)a)->row, right = ((const struct place *)b)->row;
    return left > right ? -1 : left < right;
}

static rhei_status list_versions(struct trimming *trimming, struct place **places, size_t *count)
{
    struct mirror_hold hold = {NULL};
    size_t capacity = 0;
    bool ok = true;
    for (uint32_t s = 0; s < mirror_view_segment_count(trimming->view) && ok; s++) {
        mirror_hold(trimming->view, s, &hold);
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(trimming->view, s) && ok; v++) {
            struct mirror_vector vector;
            mirror_view_vector(trimming->view, s, v, &vector);
            for (uint32_t r = 0; r < vector.rows && ok; r++) {
                uint32_t offset = v * MIRROR_VECTOR_ROWS + r;
                if (is_dead(&vector, r))
                    continue;
                ok = base_grow((void **)places, &capacity, *count + 1, sizeof(struct place));
                if (ok)
                    (*places)[(*count)++] = (struct place){cell(trimming, s, offset, trimming->row), s, offset};
            }
        }
    }
    mirror_hold_end(&hold);
    return ok ? RHEI_OK : error_no_memory(trimming->error);
}

/* The key's columns as bytes: equal where they are, and only there. */
static void put_key(const struct trimming *trimming, const struct place *place, struct base_buffer *key)
{
    base_buffer_clear(key);
    for (uint32_t k = 0; k < trimming->key_count; k++) {
        struct rhei_value value;
        mirror_view_value(trimming->view, place->segment, place->offset, trimming->keys[k], &value);
        uint32_t length = value.type >= RHEI_TEXT ? value.length : 0;
        base_buffer_append(key, &value.type, sizeof value.type);
        base_buffer_append(key, &length, sizeof length);
        if (value.type >= RHEI_TEXT)
            base_buffer_append(key, value.as.bytes, length);
        else if (value.type != RHEI_NULL)
            base_buffer_append(key, &value.as, sizeof value.as.integer);
    }
}

/* From the newest to the oldest: whatever is behind `most` ends of its row goes. */
static rhei_status count_versions(struct trimming *trimming, struct base_map *seen, const struct place *places,
                                  size_t count)
{
    uint32_t most = trimming->sync->config.history_max_versions;
    struct base_buffer key = {0};
    struct mirror_hold hold = {NULL};
    rhei_status status = RHEI_OK;
    for (size_t p = 0; p < count && status == RHEI_OK; p++) {
        mirror_hold(trimming->view, places[p].segment, &hold);
        put_key(trimming, &places[p], &key);
        uintptr_t ends = key.failed ? 0 : (uintptr_t)base_map_find(seen, key.data, key.len);
        bool deletion = cell(trimming, places[p].segment, places[p].offset, trimming->visible + SINCE) ==
                            cell(trimming, places[p].segment, places[p].offset, trimming->visible + UNTIL) &&
                        cell(trimming, places[p].segment, places[p].offset, trimming->visible + SEQUENCE) ==
                            cell(trimming, places[p].segment, places[p].offset, trimming->visible + ENDED_AT);
        if (key.failed)
            status = error_no_memory(trimming->error);
        else if (ends >= most)
            status = mark(trimming, places[p].segment, places[p].offset);
        else if (!deletion && !base_map_put(seen, key.data, key.len, (void *)(ends + 1), NULL)) /* NOLINT: a number */
            status = error_no_memory(trimming->error);
    }
    mirror_hold_end(&hold);
    base_buffer_reset(&key);
    return status;
}

/* ---- They go. ------------------------------------------------------------------------------------------------------ */

/* Under `lock`, with the turn: all generations of a table begin to be whole at one time. */
static rhei_status raise_kept(struct trimming *trimming)
{
    const struct sync_generation *own = sync_book_find(trimming->sync, trimming->number);
    return own == NULL
               ? RHEI_OK
               : sync_history_raise(trimming->sync, own->table, trimming->last_us, trimming->last_seq, trimming->error);
}

/* With the turn. */
static rhei_status delete_rows(struct trimming *trimming, size_t first, size_t count)
{
    uint8_t ops[STEP_ROWS];
    const struct rhei_value **columns =
        base_alloc_zero(trimming->definition->column_count, sizeof(const struct rhei_value *));
    if (!columns)
        return error_no_memory(trimming->error);
    memset(ops, CHANGE_DELETE, sizeof ops);
    for (uint32_t c = 0; c < trimming->definition->column_count; c++)
        columns[c] = trimming->rows + first; /* of a deletion the key alone is looked at */
    struct change_batch batch = {.table = sync_book_ended_id(trimming->sync, trimming->number),
                                 .column_count = trimming->definition->column_count,
                                 .row_count = count,
                                 .op = ops,
                                 .columns = columns};
    rhei_status status = mirror_apply(trimming->sync->config.mirror, &batch, NULL, trimming->error);
    base_free(columns);
    return status;
}

/* One step: as the owner, so that no cycle runs. Shown at once where nothing else waits to be. */
static rhei_status step(struct trimming *trimming, size_t first, size_t count)
{
    struct sync *sync = trimming->sync;
    BASE_INVARIANT(count > 0 && count <= STEP_ROWS && first + count <= trimming->count);
    sync_own(sync);
    bool was_dirty = sync->dirty;
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    rhei_status status = sync_book_find(sync, trimming->number) ? RHEI_OK : RHEI_DONE; /* it went meanwhile */
    if (status == RHEI_OK && first == 0)
        status = raise_kept(trimming);
    if (status == RHEI_OK)
        status = delete_rows(trimming, first, count);
    sync->dirty = was_dirty || (status != RHEI_OK && status != RHEI_DONE);
    if (status == RHEI_OK)
        sync->counters.forgotten += count;
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
    if (status == RHEI_OK)
        sync_share_publish_again(sync);
    sync_disown(sync);
    sync_fault(sync, "sync.history.trimmed");
    return status;
}

/* In steps. Nothing where something of it can't be read: what was read may be nothing, and a cycle mends it first. */
static rhei_status forget_marked(struct trimming *trimming)
{
    struct sync *sync = trimming->sync;
    rhei_status status = RHEI_OK;
    BASE_INVARIANT(trimming->count == 0 || trimming->last_us > 0);
    if (mirror_view_is_damaged(trimming->view))
        trimming->count = 0;
    for (size_t first = 0; first < trimming->count && status == RHEI_OK; first += STEP_ROWS) {
        size_t left = trimming->count - first;
        if (atomic_load_explicit(&sync->stopping, memory_order_relaxed))
            break;
        status = step(trimming, first, left < STEP_ROWS ? left : STEP_ROWS);
    }
    return status == RHEI_DONE ? RHEI_OK : status;
}

static struct trimming begin(struct sync *sync, const struct mirror_snapshot *snapshot, uint32_t number,
                             struct rhei_error *error)
{
    struct trimming trimming = {.sync = sync, .number = number, .error = error};
    trimming.view = mirror_view(snapshot, sync_book_ended_id(sync, number));
    trimming.definition = trimming.view ? mirror_view_definition(trimming.view) : NULL;
    trimming.row = trimming.view ? trimming.definition->column_count - 1 : 0;
    trimming.visible =
        trimming.view ? trimming.row - HISTORY_COLUMNS - history_ended_has_rowid(trimming.definition) : 0;
    return trimming;
}

static rhei_status trim_by_age(struct sync *sync, uint32_t number, int64_t before_us, struct rhei_error *error)
{
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(sync->config.mirror, &snapshot) != RHEI_OK)
        return error_no_memory(error);
    struct trimming trimming = begin(sync, &snapshot, number, error);
    rhei_status status = trimming.view ? look_by_age(&trimming, before_us) : RHEI_OK;
    if (status == RHEI_OK && trimming.count > 0)
        status = forget_marked(&trimming);
    mirror_snapshot_release(&snapshot);
    base_free(trimming.rows);
    return status;
}

/* ---- By number: a line. -------------------------------------------------------------------------------------------- */

struct line {
    struct sync *sync;
    uint32_t newest; /* the generation that has what is valid */
    struct mirror_snapshot snapshot;
    uint32_t *numbers; /* [count] of its generations, the newest first */
    uint32_t *keys;    /* [count][key_count] */
    size_t count;
    uint32_t key_count;
    struct rhei_error *error;
};

/* The hidden rowid is the key. */
static bool find_rowid(const struct line *line, const struct sync_generation *generation, uint32_t *key)
{
    const struct mirror_table_view *ended =
        mirror_view(&line->snapshot, sync_book_ended_id(line->sync, generation->number));
    *key = generation->name_count + HISTORY_COLUMNS;
    return ended && history_ended_has_rowid(mirror_view_definition(ended));
}

/* False: it hasn't all of the key's columns, so that none of its versions is known to be of a row of the others. */
static bool find_keys(const struct line *line, const struct sync_generation *newest, const struct source_table *open,
                      const struct sync_generation *generation, uint32_t *keys)
{
    uint32_t found = 0;
    if (open->key_columns[0] >= newest->name_count)
        return find_rowid(line, generation, keys);
    for (uint32_t k = 0; k < open->key_count; k++)
        for (uint32_t n = 0; n < generation->name_count; n++)
            if (base_fold_compare(generation->names[n], newest->names[open->key_columns[k]]) == 0) {
                keys[k] = n;
                found++;
                break;
            }
    return found == open->key_count;
}

/* Under `lock`. False: no memory. */
static bool list_line(struct line *line)
{
    const struct sync_book *book = &line->sync->book;
    const struct sync_generation *newest = sync_book_find(line->sync, line->newest);
    const struct mirror_table_view *view = mirror_view(&line->snapshot, sync_book_open_id(line->sync, line->newest));
    const struct source_table *open = view ? mirror_view_definition(view) : NULL;
    if (!newest || !newest->current || !open)
        return true;
    line->key_count = open->key_count;
    line->numbers = base_alloc_zero(book->count, sizeof *line->numbers);
    line->keys = base_alloc_zero(book->count * open->key_count, sizeof *line->keys);
    for (size_t g = book->count; g-- > 0 && line->numbers && line->keys;) {
        const struct sync_generation *generation = book->generations[g];
        if (generation->line != newest->line ||
            !find_keys(line, newest, open, generation, line->keys + line->count * open->key_count))
            continue;
        line->numbers[line->count++] = generation->number;
    }
    return line->numbers && line->keys;
}

/* 4. What all that ended comes to: it grows with each version that ends, and is another one when some went. */
static void measure(const struct line *line, uint64_t *rows, int64_t *last)
{
    *rows = 0;
    *last = 0;
    for (size_t n = 0; n < line->count; n++) {
        double low = 0, high = 0;
        struct trimming part = begin(line->sync, &line->snapshot, line->numbers[n], line->error);
        if (!part.view || !mirror_view_range(part.view, part.row, &low, &high))
            continue;
        *rows += mirror_view_row_count(part.view);
        *last += (int64_t)high + 1;
    }
}

static bool was_counted(const struct line *line)
{
    uint64_t rows = 0;
    int64_t last = 0;
    measure(line, &rows, &last);
    base_mutex_lock(&line->sync->lock);
    const struct sync_generation *newest = sync_book_find(line->sync, line->newest);
    bool counted = newest && newest->counted == rows && newest->counted_to == last;
    base_mutex_unlock(&line->sync->lock);
    return counted;
}

static void note_counted(const struct line *line)
{
    uint64_t rows = 0;
    int64_t last = 0;
    measure(line, &rows, &last);
    base_mutex_lock(&line->sync->lock);
    struct sync_generation *newest = sync_book_find(line->sync, line->newest);
    if (newest) {
        newest->counted = rows;
        newest->counted_to = last;
    }
    base_mutex_unlock(&line->sync->lock);
}

/* `seen` has how many versions of each row newer generations have. */
static rhei_status trim_part(const struct line *line, size_t part, struct base_map *seen, size_t *marked)
{
    struct trimming trimming = begin(line->sync, &line->snapshot, line->numbers[part], line->error);
    struct place *places = NULL;
    size_t count = 0;
    if (!trimming.view)
        return RHEI_OK;
    trimming.keys = line->keys + part * line->key_count;
    trimming.key_count = line->key_count;
    rhei_status status = list_versions(&trimming, &places, &count);
    if (status == RHEI_OK && count > 0) {
        qsort(places, count, sizeof *places, newest_first);
        status = count_versions(&trimming, seen, places, count);
    }
    *marked += trimming.count;
    if (status == RHEI_OK && trimming.count > 0)
        status = forget_marked(&trimming);
    base_free(places);
    base_free(trimming.rows);
    return status;
}

static rhei_status trim_parts(const struct line *line)
{
    struct base_map *seen = base_map_new(false);
    rhei_status status = seen ? RHEI_OK : error_no_memory(line->error);
    size_t marked = 0;
    for (size_t n = 0; n < line->count && status == RHEI_OK; n++)
        status = trim_part(line, n, seen, &marked);
    if (status == RHEI_OK && marked == 0)
        note_counted(line);
    base_map_free(&seen);
    return status;
}

static rhei_status trim_by_number(struct sync *sync, uint32_t newest, struct rhei_error *error)
{
    struct line line = {.sync = sync, .newest = newest, .error = error};
    if (mirror_snapshot_take(sync->config.mirror, &line.snapshot) != RHEI_OK)
        return error_no_memory(error);
    base_mutex_lock(&sync->lock);
    rhei_status status = list_line(&line) ? RHEI_OK : error_no_memory(error);
    base_mutex_unlock(&sync->lock);
    if (status == RHEI_OK && line.count > 0 && !was_counted(&line))
        status = trim_parts(&line);
    mirror_snapshot_release(&line.snapshot);
    base_free(line.numbers);
    base_free(line.keys);
    return status;
}

/* ---- A generation as a whole. -------------------------------------------------------------------------------------- */

/* 5. Under `lock`, with the turn. */
static rhei_status leave_what_it_says(struct sync *sync, const struct sync_generation *gone, struct rhei_error *error)
{
    if (gone->gone_us != 0)
        return sync_history_raise(sync, gone->table, gone->gone_us, gone->gone_seq, error);
    struct sync_generation *heir = NULL;
    for (size_t g = sync->book.count; g-- > 0 && sync->book.generations[g]->number > gone->number;)
        if (sync->book.generations[g]->line == gone->line)
            heir = sync->book.generations[g];
    if (!heir)
        return RHEI_OK;
    heir->began_us = gone->began_us < heir->began_us ? gone->began_us : heir->began_us;
    sync_book_take_gaps(heir, gone);
    return sync_book_store(sync, heir, error);
}

/* A generation of which nothing is valid, and nothing is left. */
static rhei_status drop_gone(struct sync *sync, uint32_t number, int64_t before_us, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    sync_own(sync);
    bool was_dirty = sync->dirty, dropped = false;
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    struct sync_generation *generation = sync_book_find(sync, number);
    bool over = generation && (generation->gone_us != 0 ? generation->gone_us <= before_us : !generation->current);
    if (over && mirror_rows(sync->config.mirror, sync_book_ended_id(sync, number)) == 0) {
        status = leave_what_it_says(sync, generation, error);
        dropped = status == RHEI_OK;
        if (dropped)
            sync_book_remove(sync, generation);
    }
    sync->dirty = was_dirty || status != RHEI_OK;
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
    if (dropped)
        sync_share_publish_again(sync);
    sync_disown(sync);
    return status;
}

/* ---- When. --------------------------------------------------------------------------------------------------------- */

bool sync_history_trims(const struct sync *sync)
{
    return sync->config.history_max_age_us > 0 || sync->config.history_max_versions > 0;
}

int64_t sync_history_trim_pause_ns(const struct sync *sync)
{
    static const int64_t least_ns = 100000000, most_ns = INT64_C(60000000000), of_numbers_ns = 1000000000;
    int64_t ns = sync->config.history_max_age_us > 0 ? sync->config.history_max_age_us / 8 * 1000 : most_ns;
    if (sync->config.history_max_versions > 0 && ns > of_numbers_ns)
        ns = of_numbers_ns;
    return ns < least_ns ? least_ns : ns > most_ns ? most_ns : ns;
}

static uint32_t next_number(struct sync *sync, uint32_t after)
{
    uint32_t found = 0;
    base_mutex_lock(&sync->lock);
    for (size_t g = 0; g < sync->book.count && found == 0; g++)
        if (sync->book.generations[g]->number > after)
            found = sync->book.generations[g]->number;
    base_mutex_unlock(&sync->lock);
    return found;
}

rhei_status sync_history_trim(struct sync *sync, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    int64_t now = base_wall_ms() * 1000;
    int64_t before_us = sync->config.history_max_age_us > 0 ? now - sync->config.history_max_age_us : 0;
    for (uint32_t number = 0; status == RHEI_OK && (number = next_number(sync, number)) != 0;) {
        if (before_us > 0)
            status = trim_by_age(sync, number, before_us, error);
        if (status == RHEI_OK && sync->config.history_max_versions > 0)
            status = trim_by_number(sync, number, error);
        if (status == RHEI_OK)
            status = drop_gone(sync, number, before_us, error);
    }
    return status;
}
