/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates of whole columns. What the live values of a vector come to (a part) is kept beside the vector, so a question
 * over a million rows is a walk over five hundred parts.
 *
 * Invariants:
 * 1. A part says for which rows it is good: how many slots the view showed, and the epoch in which the vector's deletions
 *    were made (0: there are none). In one segment the two fix the live rows: published slots and bitmaps don't change.
 *    The tail's last vector is computed anew while it grows, a vector whose deletions changed likewise.
 * 2. Parts are written by readers, any number at a time, each under its own sequence number: odd while one writes. Who finds
 *    it odd, or changed, does without. Words are stored with release and read with acquire, so there are no fences.
 * 3. A part whose REALs need more than 128 bits isn't kept: there is no word for that.
 */
#include "mirror_part.h"

#include <string.h>

#include "base/base_error.h"
#include "mirror_range.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

/* NULL: no memory for them, which costs time and nothing else. */
static struct mirror_part *parts_of(struct mirror *mirror, struct mirror_segment *segment, struct mirror_column *column)
{
    struct mirror_part *parts = atomic_load_explicit(&column->parts, memory_order_acquire);
    void *made;
    if (parts != NULL || mirror_memory_alloc_zero(&mirror->memory, mirror_parts_size(segment), &made) != RHEI_OK)
        return parts;
    if (atomic_compare_exchange_strong_explicit(&column->parts, &parts, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    mirror_memory_free(&mirror->memory, made, mirror_parts_size(segment));
    return parts;
}

/* ---- Values of one vector. ------------------------------------------------------------------------------------------- */

enum { LANES = 8 };

struct sums { /* of one vector, or some rows of it */
    uint64_t count;
    uint8_t class; /* RHEI_NULL: no value */
    wide_int integers;
    struct base_bin_sum reals;
    struct base_exact_sum
        window; /* `windowed`: instead of reals; what the bins don't hold, without memory of its own */
    bool windowed;
    union {
        int64_t integer;
        double real;
    } low, high;
};

static void sum_integers(const int64_t *values, uint32_t count, struct sums *sums)
{
    int64_t high = 0, low_end = values[0], high_end = values[0];
    uint64_t low = 0;
    for (uint32_t i = 0; i < count; i++) {
        low += (uint32_t)(uint64_t)values[i];
        high += values[i] >> 32;
    }
    for (uint32_t i = 0; i < count; i++) {
        low_end = values[i] < low_end ? values[i] : low_end;
        high_end = values[i] > high_end ? values[i] : high_end;
    }
    sums->integers = (wide_int)high * ((wide_int)1 << 32) + low;
    sums->low.integer = low_end;
    sums->high.integer = high_end;
}

/* Of equal values the first counts, which zeros show; NaNs don't, but for a first one. */
static void real_ends(const double *values, uint32_t count, double *low, double *high)
{
    double least[LANES], most[LANES]; /* each waits for the one before, so several go side by side */
    uint32_t at = 0;
    for (uint32_t lane = 0; lane < LANES; lane++)
        least[lane] = most[lane] = values[0];
    for (; at + LANES <= count; at += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++) {
            double value = values[at + lane];
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
        }
    for (uint32_t lane = 1; lane < LANES; lane++) {
        least[0] = least[lane] < least[0] ? least[lane] : least[0];
        most[0] = most[lane] > most[0] ? most[lane] : most[0];
    }
    if (least[0] == 0 || most[0] == 0) { /* one after another */
        least[0] = most[0] = values[0];
        at = 0;
    }
    for (; at < count; at++) {
        least[0] = values[at] < least[0] ? values[at] : least[0];
        most[0] = values[at] > most[0] ? values[at] : most[0];
    }
    *low = least[0];
    *high = most[0];
}

static bool sum_reals(const double *values, uint32_t count, struct sums *sums)
{
    real_ends(values, count, &sums->low.real, &sums->high.real);
    return base_bin_sum_add_run(&sums->reals, values, count);
}

/* The numbers of the chosen rows, one after another. */
static uint32_t gather(const struct mirror_column_data *data, const uint64_t *bits, uint8_t class, uint64_t *out)
{
    bool mixed = data->layout == MIRROR_LAYOUT_MIXED;
    const uint64_t *values = data->data;
    uint32_t count = 0;
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++)
        for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(word);
            out[count] = values[mixed ? 2 * row : row];
            count += !mixed || data->classes[row] == class;
        }
    return count;
}

/* Whether the chosen rows, of which there are some, lie one behind the other, as what a range cuts off ascending values does; *first of them. */
static bool are_run(const uint64_t *bits, uint32_t count, uint32_t *first)
{
    uint32_t low = 0, high = MIRROR_VECTOR_ROWS / 64 - 1;
    while (bits[low] == 0)
        low++;
    while (bits[high] == 0)
        high--;
    *first = low * 64 + (uint32_t)__builtin_ctzll(bits[low]);
    return high * 64 + 63 - (uint32_t)__builtin_clzll(bits[high]) - *first + 1 == count;
}

/* A MIXED vector's live values are of one class, as the column's flags say; which one, its first number tells. */
static uint8_t class_of(const struct mirror_column_data *data, const uint64_t *bits)
{
    if (data->layout != MIRROR_LAYOUT_MIXED)
        return data->layout;
    for (uint32_t row = 0; row < MIRROR_VECTOR_ROWS; row++)
        if ((bits[row / 64] >> (row % 64) & 1) != 0 && data->classes[row] != RHEI_NULL)
            return data->classes[row];
    return RHEI_NULL;
}

/* False: no memory. */
static bool sum_rows(const struct mirror_column_data *data, const struct mirror_rows *rows, struct sums *sums)
{
    uint64_t bits[MIRROR_VECTOR_ROWS / 64], gathered[MIRROR_VECTOR_ROWS];
    const void *values = data->data;
    *sums = (struct sums){.class = RHEI_NULL};
    if (data->layout == MIRROR_LAYOUT_EMPTY)
        return true;
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++)
        bits[w] = data->has_nulls ? rows->bits[w] & data->valid[w] : rows->bits[w];
    uint32_t count = mirror_count_bits(bits);
    uint8_t class = class_of(data, bits);
    if (count == 0 || (class != RHEI_INTEGER && class != RHEI_REAL))
        return true;
    uint32_t first = 0;
    if (data->layout != MIRROR_LAYOUT_MIXED && are_run(bits, count, &first)) {
        values = (const uint64_t *)data->data + first; /* integers and REALs are as wide */
    } else {
        gathered[0] = 0; /* a count of none is impossible, but not to the compiler */
        count = gather(data, bits, class, gathered);
        values = gathered;
    }
    sums->count = count;
    sums->class = class;
    if (class == RHEI_REAL)
        return sum_reals(values, count, sums);
    sum_integers(values, count, sums);
    return true;
}

/* ---- Kept parts. ------------------------------------------------------------------------------------------------------ */

/* Where the bins' scale would be. */
static const uint64_t windowed_scale = UINT16_MAX;

static void part_words(const struct sums *sums, uint64_t deletions, uint32_t slots, uint64_t word[WORDS])
{
    word[WORD_DELETIONS] = deletions;
    word[WORD_SLOTS] = slots;
    word[WORD_COUNT] = sums->count;
    word[WORD_CLASS] = sums->class;
    memcpy(&word[WORD_LOW], &sums->low, sizeof sums->low);
    memcpy(&word[WORD_HIGH], &sums->high, sizeof sums->high);
    memset(&word[WORD_SUM], 0, 4 * sizeof *word);
    if (sums->class == RHEI_INTEGER) {
        word[WORD_SUM] = (uint64_t)(wide_uint)sums->integers;
        word[WORD_SUM + 1] = (uint64_t)((wide_uint)sums->integers >> 64);
    } else if (sums->windowed) {
        word[WORD_SUM] = sums->window.low;
        word[WORD_SUM + 1] = (uint64_t)sums->window.high;
        word[WORD_SUM + 2] = (uint64_t)sums->window.exponent;
        word[WORD_SUM + 3] = windowed_scale << 32 | (uint64_t)sums->window.count;
    } else if (sums->class == RHEI_REAL) {
        memcpy(&word[WORD_SUM], sums->reals.bin, sizeof sums->reals.bin);
        word[WORD_SUM + 3] = (uint64_t)sums->reals.scale << 32 | sums->reals.count;
    }
}

static void part_sums(const uint64_t word[WORDS], struct sums *sums)
{
    *sums = (struct sums){.count = word[WORD_COUNT], .class = (uint8_t)word[WORD_CLASS]};
    memcpy(&sums->low, &word[WORD_LOW], sizeof sums->low);
    memcpy(&sums->high, &word[WORD_HIGH], sizeof sums->high);
    if (sums->class == RHEI_INTEGER) {
        sums->integers = (wide_int)((wide_uint)word[WORD_SUM + 1] << 64 | word[WORD_SUM]);
    } else if (sums->class == RHEI_REAL && word[WORD_SUM + 3] >> 32 == windowed_scale) {
        sums->windowed = true;
        sums->window = (struct base_exact_sum){.low = word[WORD_SUM],
                                               .high = (int64_t)word[WORD_SUM + 1],
                                               .exponent = (int16_t)word[WORD_SUM + 2],
                                               .count = (uint32_t)word[WORD_SUM + 3],
                                               .scaled = true};
    } else if (sums->class == RHEI_REAL) {
        memcpy(sums->reals.bin, &word[WORD_SUM], sizeof sums->reals.bin);
        sums->reals.scale = (uint16_t)(word[WORD_SUM + 3] >> 32);
        sums->reals.count = (uint32_t)word[WORD_SUM + 3];
    }
}

static bool part_read(struct mirror_part *part, uint64_t deletions, uint32_t slots, struct sums *sums)
{
    uint64_t word[WORDS];
    uint64_t sequence = atomic_load_explicit(&part->sequence, memory_order_acquire);
    for (uint32_t w = 0; w < WORDS; w++)
        word[w] = atomic_load_explicit(&part->word[w], memory_order_acquire);
    if ((sequence & 1) != 0 || sequence == 0 ||
        atomic_load_explicit(&part->sequence, memory_order_relaxed) != sequence || word[WORD_DELETIONS] != deletions ||
        word[WORD_SLOTS] != slots)
        return false;
    part_sums(word, sums);
    return true;
}

/* `sums`: just made, not read from a part. */
static void part_keep(struct mirror_part *part, uint64_t deletions, uint32_t slots, struct sums *sums)
{
    uint64_t word[WORDS], sequence = atomic_load_explicit(&part->sequence, memory_order_relaxed);
    sums->windowed = sums->reals.more != NULL && base_bin_sum_window(&sums->reals, &sums->window);
    if ((sums->reals.more != NULL && !sums->windowed) || (sequence & 1) != 0 ||
        !atomic_compare_exchange_strong_explicit(&part->sequence, &sequence, sequence + 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    part_words(sums, deletions, slots, word);
    for (uint32_t w = 0; w < WORDS; w++)
        atomic_store_explicit(&part->word[w], word[w], memory_order_release);
    atomic_store_explicit(&part->sequence, sequence + 2, memory_order_release);
}

/* ---- Vectors. --------------------------------------------------------------------------------------------------------- */

struct walk {
    struct mirror *mirror;
    const struct mirror_table_view *view;
    struct mirror_segment *segment;
    const struct mirror_deletions *deletions;
    uint32_t number, vector, slots, live;
    uint64_t bitmap_born;
};

static bool add_sums(struct mirror_total *total, const struct sums *sums)
{
    total->count += sums->count;
    if (sums->class == RHEI_NULL)
        return true;
    bool first = total->low.type == RHEI_NULL;
    if (sums->class == RHEI_INTEGER) {
        wide_int sum = (wide_int)((wide_uint)(uint64_t)total->sum_high << 64 | total->sum_low) + sums->integers;
        total->sum_low = (uint64_t)(wide_uint)sum;
        total->sum_high = (int64_t)(uint64_t)((wide_uint)sum >> 64);
        if (first || sums->low.integer < total->low.as.integer)
            total->low.as.integer = sums->low.integer;
        if (first || sums->high.integer > total->high.as.integer)
            total->high.as.integer = sums->high.integer;
    } else {
        if (first || sums->low.real < total->low.as.real)
            total->low.as.real = sums->low.real;
        if (first || sums->high.real > total->high.as.real)
            total->high.as.real = sums->high.real;
    }
    total->low.type = total->high.type = sums->class;
    if (sums->windowed)
        return base_bin_sum_merge_exact(&total->reals, &sums->window);
    return sums->class == RHEI_INTEGER || base_bin_sum_merge(&total->reals, &sums->reals);
}

static void find_live(const struct walk *walk, struct mirror_rows *live)
{
    bool looked;
    mirror_rows_within(walk->view, walk->number, walk->vector, NULL, 0, live, &looked);
}

/* Only how many aren't NULL: of any class. `rows` NULL: all live ones. */
static void count_values(const struct walk *walk, struct mirror_total *total, const struct mirror_rows *rows)
{
    struct mirror_column_data data;
    struct mirror_rows live;
    uint64_t counted[MIRROR_VECTOR_ROWS / 64];
    mirror_view_column(walk->view, walk->number, walk->vector, total->column, &data);
    if (!data.has_nulls) {
        total->count += rows != NULL ? rows->count : walk->live;
        return;
    }
    if (rows == NULL) {
        find_live(walk, &live);
        rows = &live;
    }
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++)
        counted[w] = rows->bits[w] & data.valid[w];
    total->count += mirror_count_bits(counted);
}

/* `rows` NULL: all live ones. */
static bool add_vector(const struct walk *walk, struct mirror_total *total, const struct mirror_rows *rows)
{
    struct mirror_column_data data;
    struct mirror_rows live;
    struct sums sums;
    struct mirror_part *parts = NULL;
    if (rows == NULL) {
        parts = parts_of(walk->mirror, walk->segment, &walk->segment->column[total->column]);
        if (parts != NULL && part_read(&parts[walk->vector], walk->bitmap_born, walk->slots, &sums))
            return add_sums(total, &sums);
        find_live(walk, &live);
        rows = &live;
    }
    mirror_view_column(walk->view, walk->number, walk->vector, total->column, &data);
    bool added = sum_rows(&data, rows, &sums) && add_sums(total, &sums);
    if (added && parts != NULL)
        part_keep(&parts[walk->vector], walk->bitmap_born, walk->slots, &sums);
    base_bin_sum_reset(&sums.reals);
    return added;
}

/* `rows` NULL: all live ones. */
static bool add_totals(const struct walk *walk, struct mirror_total *totals, uint32_t count,
                       const struct mirror_rows *rows)
{
    bool added = true;
    for (uint32_t i = 0; i < count && added; i++)
        if (totals[i].numbers)
            added = add_vector(walk, &totals[i], rows);
        else
            count_values(walk, &totals[i], rows);
    return added;
}

static void enter_vector(struct walk *walk, uint32_t vector, uint32_t slots)
{
    const struct mirror_bitmap *bitmap = walk->deletions == NULL ? NULL : walk->deletions->vector[vector];
    uint32_t left = slots - vector * MIRROR_VECTOR_ROWS;
    walk->vector = vector;
    walk->slots = left < MIRROR_VECTOR_ROWS ? left : MIRROR_VECTOR_ROWS;
    walk->live = walk->slots - (bitmap == NULL ? 0 : bitmap->dead);
    walk->bitmap_born = bitmap == NULL ? 0 : bitmap->garbage.born + 1;
}

/* ---- Whole segments. --------------------------------------------------------------------------------------------------- */

static uint32_t live_rows(const struct walk *walk, uint32_t slots)
{
    return slots - (walk->deletions == NULL ? 0 : walk->deletions->dead);
}

static void count_segment(struct walk *walk, struct mirror_total *total, uint32_t slots)
{
    const struct mirror_column *column = &walk->segment->column[total->column];
    if (atomic_load_explicit(&column->layout, memory_order_acquire) == MIRROR_LAYOUT_EMPTY)
        return;
    if (atomic_load_explicit(&column->valid, memory_order_acquire) == NULL) {
        total->count += live_rows(walk, slots);
        return;
    }
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < slots; v++) {
        enter_vector(walk, v, slots);
        count_values(walk, total, NULL);
    }
}

static void total_sums(const struct mirror_total *total, struct sums *sums)
{
    *sums = (struct sums){.count = total->count,
                          .class = total->low.type,
                          .integers = (wide_int)((wide_uint)(uint64_t)total->sum_high << 64 | total->sum_low),
                          .reals = total->reals};
    memcpy(&sums->low, &total->low.as, sizeof sums->low);
    memcpy(&sums->high, &total->high.as, sizeof sums->high);
}

/* A sealed segment's part is good for one state of its deletions, as a vector's is. */
static bool add_segment(struct walk *walk, struct mirror_total *total, uint32_t slots)
{
    struct mirror_part *parts = parts_of(walk->mirror, walk->segment, &walk->segment->column[total->column]);
    struct mirror_part *own = parts == NULL ? NULL : &parts[mirror_vectors_of(walk->segment)];
    uint64_t deletions = walk->deletions == NULL ? 0 : walk->deletions->garbage.born + 1;
    struct mirror_total sum = {.column = total->column, .numbers = true};
    struct sums sums;
    if (own != NULL && part_read(own, deletions, slots, &sums))
        return add_sums(total, &sums);
    bool added = true;
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < slots && added; v++) {
        enter_vector(walk, v, slots);
        added = add_vector(walk, &sum, NULL);
    }
    total_sums(&sum, &sums);
    added = added && add_sums(total, &sums);
    if (added && own != NULL)
        part_keep(own, deletions, slots, &sums);
    base_bin_sum_reset(&sum.reals);
    return added;
}

struct asked {
    struct mirror_total *totals;
    uint32_t total_count;
    struct mirror_bounds bounds[MIRROR_MOST_RANGES];
    uint32_t bound_count, cut_left;
};

static rhei_status walk_whole(struct walk *walk, struct asked *asked, uint32_t slots, uint64_t *rows)
{
    *rows += live_rows(walk, slots);
    for (uint32_t i = 0; i < asked->total_count; i++)
        if (!asked->totals[i].numbers)
            count_segment(walk, &asked->totals[i], slots);
        else if (!add_segment(walk, &asked->totals[i], slots))
            return RHEI_NO_MEMORY;
    return RHEI_OK;
}

/* The vector entered; where its zones say that all of it is within, nothing of it is looked at. */
static rhei_status walk_vector(const struct walk *walk, struct asked *asked, uint64_t *rows)
{
    struct mirror_rows within;
    bool looked = false;
    enum mirror_pass pass =
        mirror_vector_pass(walk->view, walk->number, walk->vector, asked->bounds, asked->bound_count);
    if (pass == MIRROR_PASS_NONE)
        return RHEI_OK;
    within.count = walk->live;
    within.all_live = true;
    if (pass == MIRROR_PASS_SOME)
        mirror_rows_within(walk->view, walk->number, walk->vector, asked->bounds, asked->bound_count, &within, &looked);
    *rows += within.count;
    if (looked && asked->cut_left-- == 0)
        return RHEI_UNSUPPORTED;
    const struct mirror_rows *chosen = within.all_live ? NULL : &within;
    bool added = within.count == 0 || add_totals(walk, asked->totals, asked->total_count, chosen);
    return added ? RHEI_OK : RHEI_NO_MEMORY;
}

static rhei_status walk_segment(struct walk *walk, struct asked *asked, uint64_t *rows)
{
    uint32_t slots = mirror_view_rows_of(walk->view, walk->number, walk->segment);
    rhei_status status = RHEI_OK;
    enum mirror_pass pass = walk->number == walk->view->tail_number
                                ? MIRROR_PASS_SOME
                                : mirror_segment_pass(walk->view, walk->number, asked->bounds, asked->bound_count);
    if (pass == MIRROR_PASS_ALL)
        return walk_whole(walk, asked, slots, rows);
    if (pass == MIRROR_PASS_NONE)
        return RHEI_OK;
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < slots && status == RHEI_OK; v++) {
        enter_vector(walk, v, slots);
        status = walk_vector(walk, asked, rows);
    }
    return status;
}

rhei_status mirror_aggregate(struct mirror *mirror, const struct mirror_table_view *view, struct mirror_total *totals,
                             uint32_t total_count, const struct mirror_range *ranges, uint32_t range_count,
                             uint32_t most_cut, const struct mirror_stop *stop, uint64_t *rows,
                             struct rhei_error *error)
{
    struct asked asked = {.totals = totals, .total_count = total_count, .cut_left = most_cut};
    struct walk walk = {.mirror = mirror, .view = view};
    if (range_count > MIRROR_MOST_RANGES)
        return error_set(error, RHEI_INVALID, "more than %d ranges", (int)MIRROR_MOST_RANGES);
    for (uint32_t r = 0; r < range_count; r++)
        mirror_bounds_make(&ranges[r], &asked.bounds[r]);
    asked.bound_count = range_count;
    *rows = mirror_view_row_count(view);
    if (range_count == 0 && total_count == 0)
        return RHEI_OK;
    *rows = 0;
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && status == RHEI_OK; s++) {
        walk.number = s;
        walk.segment = mirror_trie_get(&view->segments, s);
        walk.deletions = mirror_trie_get(&view->deletions, s);
        if (walk.segment == NULL)
            continue;
        mirror_segment_hold(walk.segment);
        status = walk_segment(&walk, &asked, rows);
        mirror_segment_let_go(walk.segment);
        if (status == RHEI_OK && stop != NULL && stop->check != NULL)
            status = stop->check(stop->context);
    }
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    if (status == RHEI_OK || status == RHEI_UNSUPPORTED)
        return status;
    return error_set(error, status, "the statement was ended while the column store was read");
}
