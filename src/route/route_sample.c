/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many rows a comparison leaves: from a sorted sample of the column as the mirror holds it. A sample is taken when it is
 * first wanted and again when the table's rows have grown or shrunk by half.
 *
 * Collations are ignored, and so are conversions: a value of a class that the sample hasn't is one nobody knows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "base/base_thread.h"
#include "route/route_cost.h"

enum {
    SAMPLE_VALUES = 1024,
    REMOTE_LOOKED_AT = 16, /* segments */
    SAMPLES_KEPT = 64,     /* some 40 KiB each; when there are more, all go */
    SAMPLE_PREFIX = 16,
};

/* Rows that there probably aren't. */
#define NOWHERE 0.02
/* Without a sample. */
#define UNKNOWN_EQUAL 0.1
#define UNKNOWN_RANGE 0.3

/* By SQLite's order of classes: NULL, numbers, text, BLOB. */
enum sample_class { CLASS_NULL, CLASS_NUMBER, CLASS_TEXT, CLASS_BLOB };

struct sample_value {
    uint8_t class;
    double number;
    char prefix[SAMPLE_PREFIX];
    uint32_t hash; /* of all bytes */
};

struct sample {
    uint32_t table, column;
    uint64_t rows;   /* of the table when it was taken */
    uint32_t count;  /* values */
    double distinct; /* of the whole column */
    double order;    /* 0: rows come in any order of this column, 1: they are stored in its order, or against it */
    struct sample_value values[SAMPLE_VALUES];
};

struct route_sampler {
    base_mutex lock;
    struct sample *samples[SAMPLES_KEPT];
    uint32_t count;
};

struct route_sampler *route_sampler_new(void)
{
    struct route_sampler *sampler = base_alloc_zero(1, sizeof *sampler);
    if (sampler != NULL)
        base_mutex_init(&sampler->lock);
    return sampler;
}

static void forget_all(struct route_sampler *sampler)
{
    for (uint32_t i = 0; i < sampler->count; i++)
        base_free(sampler->samples[i]);
    sampler->count = 0;
}

void route_sampler_free(struct route_sampler **sampler)
{
    if (*sampler == NULL)
        return;
    forget_all(*sampler);
    base_mutex_destroy(&(*sampler)->lock);
    base_free(*sampler);
    *sampler = NULL;
}

/* ---- Values. ----------------------------------------------------------------------------------------------------- */

static uint32_t hash_bytes(const char *bytes, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 16777619u;
    return hash;
}

static void value_of(const struct rhei_value *from, struct sample_value *value)
{
    *value = (struct sample_value){.class = CLASS_NULL};
    switch (from->type) {
    case RHEI_INTEGER:
        value->class = CLASS_NUMBER;
        value->number = (double)from->as.integer;
        break;
    case RHEI_REAL:
        value->class = CLASS_NUMBER;
        value->number = from->as.real;
        break;
    case RHEI_TEXT:
    case RHEI_BLOB: {
        size_t len = from->length;
        value->class = from->type == RHEI_TEXT ? CLASS_TEXT : CLASS_BLOB;
        if (len > 0)
            memcpy(value->prefix, from->as.bytes, len < SAMPLE_PREFIX ? len : SAMPLE_PREFIX);
        value->hash = hash_bytes(from->as.bytes, len);
        break;
    }
    default:
        break;
    }
}

/* Values with the same prefix are neighbours in any order. */
static int value_order(const void *left, const void *right)
{
    const struct sample_value *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    if (a->class == CLASS_NUMBER)
        return (a->number > b->number) - (a->number < b->number);
    int order = memcmp(a->prefix, b->prefix, SAMPLE_PREFIX);
    return order != 0 ? order : (a->hash > b->hash) - (a->hash < b->hash);
}

/* ---- Taking. ----------------------------------------------------------------------------------------------------- */

/* Does the slot live? Then its value is taken. */
static void take_value(struct sample *sample, const struct mirror_table_view *view, uint32_t segment, uint32_t slot)
{
    struct mirror_vector vector;
    struct rhei_value value;
    uint32_t bit = slot % MIRROR_VECTOR_ROWS;
    mirror_view_vector(view, segment, slot / MIRROR_VECTOR_ROWS, &vector);
    if (bit >= vector.rows || (vector.dead != NULL && (vector.dead[bit / 64] >> (bit % 64) & 1) != 0))
        return;
    struct mirror_hold hold = {NULL};
    mirror_hold(view, segment, &hold);
    mirror_view_value(view, segment, slot, sample->column, &value);
    value_of(&value, &sample->values[sample->count++]);
    mirror_hold_end(&hold);
}

/* Of segments in files a few, at even distances: each that is looked at is read. */
static uint32_t remote_stride(const struct mirror_table_view *view)
{
    uint32_t remote = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        remote += mirror_view_segment_is_remote(view, s);
    return (remote + REMOTE_LOOKED_AT - 1) / REMOTE_LOOKED_AT;
}

static uint32_t rows_to_look_at(const struct mirror_table_view *view, uint32_t segment, uint32_t stride)
{
    bool left_out = stride > 1 && segment % stride != 0 && mirror_view_segment_is_remote(view, segment);
    return left_out ? 0 : mirror_view_segment_rows(view, segment);
}

/* Of so many slots each one, anywhere among them: columns repeat their values at even distances. */
static void take_values(struct sample *sample, const struct mirror_table_view *view)
{
    uint32_t segments = mirror_view_segment_count(view), dice = 1, stride = remote_stride(view);
    uint64_t slots = 0, passed = 0;
    for (uint32_t s = 0; s < segments; s++)
        slots += rows_to_look_at(view, s, stride);
    double step = slots > SAMPLE_VALUES ? (double)slots / SAMPLE_VALUES : 1, start = 0, next = 0;
    for (uint32_t s = 0; s < segments; s++) {
        uint32_t rows = rows_to_look_at(view, s, stride);
        while (next < (double)(passed + rows) && sample->count < SAMPLE_VALUES) {
            take_value(sample, view, s, (uint32_t)((uint64_t)next - passed));
            dice = dice * 1664525u + 1013904223u;
            start += step;
            next = start + floor((double)(dice >> 8) / (1 << 24) * step);
        }
        passed += rows;
    }
    for (uint32_t i = 1; i < sample->count; i++)
        sample->order += value_order(&sample->values[i - 1], &sample->values[i]) <= 0;
    sample->order = sample->count > 1 ? fabs(2 * sample->order / (sample->count - 1) - 1) : 0;
    qsort(sample->values, sample->count, sizeof *sample->values, value_order);
}

/*
 * Of n values drawn from N, d are distinct and f of them come once: the estimator of Haas and Stokes (1998), n d / (n - f + f n
 * / N): N if all come once, d if none does.
 */
static double guess_distinct(const struct sample *sample)
{
    double distinct = 0, once = 0, n = sample->count, all = (double)sample->rows;
    for (uint32_t i = 0, end; i < sample->count; i = end) {
        for (end = i + 1; end < sample->count && value_order(&sample->values[i], &sample->values[end]) == 0;)
            end++;
        distinct++;
        once += end == i + 1;
    }
    double share = n - once + once * n / (all > n ? all : n);
    return share > 0 ? n * distinct / share : 1;
}

static bool is_current(const struct sample *sample, uint64_t rows)
{
    return rows <= sample->rows + sample->rows / 2 && rows >= sample->rows / 2;
}

/* Under the lock; NULL: no memory. */
static struct sample *sample_get(const struct route_column *column)
{
    struct route_sampler *sampler = column->sampler;
    uint64_t rows = mirror_view_row_count(column->view);
    struct sample *sample = NULL;
    for (uint32_t i = 0; i < sampler->count && sample == NULL; i++)
        if (sampler->samples[i]->table == column->table && sampler->samples[i]->column == column->column)
            sample = sampler->samples[i];
    if (sample != NULL && is_current(sample, rows))
        return sample;
    if (sample == NULL) {
        if (sampler->count == SAMPLES_KEPT)
            forget_all(sampler);
        sample = base_alloc(sizeof *sample);
        if (sample == NULL)
            return NULL;
        sampler->samples[sampler->count++] = sample;
    }
    sample->table = column->table;
    sample->column = column->column;
    sample->rows = rows;
    sample->count = 0;
    sample->order = 0;
    take_values(sample, column->view);
    sample->distinct = guess_distinct(sample);
    return sample;
}

/* ---- Asking. ----------------------------------------------------------------------------------------------------- */

/* Values below `value`, or not above it. */
static uint32_t values_below(const struct sample *sample, const struct sample_value *value, bool and_equal)
{
    uint32_t low = 0, high = sample->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = value_order(&sample->values[middle], value);
        if (order < 0 || (and_equal && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A number that lies outside all that the column ever held. */
static bool is_outside(const struct route_column *column, const struct rhei_value *value)
{
    double low, high;
    struct sample_value wanted;
    value_of(value, &wanted);
    return wanted.class == CLASS_NUMBER && mirror_view_range(column->view, column->column, &low, &high) &&
           (wanted.number < low || wanted.number > high);
}

/*
 * Of a column with few values all are in the sample, so one that isn't is hardly anywhere; of one with many, any may be missing,
 * and one that is there once says little.
 */
static double share_of_value(const struct sample *sample, const struct rhei_value *value, double any)
{
    struct sample_value wanted;
    value_of(value, &wanted);
    double count = sample->count;
    double found = values_below(sample, &wanted, true) - values_below(sample, &wanted, false);
    if (found > 1)
        return found / count;
    if (any * count < 2)
        return any;
    return found == 1 ? 1 / count : NOWHERE / count;
}

double route_share_equal(const struct route_column *column, const struct rhei_value *value)
{
    base_mutex_lock(&column->sampler->lock);
    const struct sample *sample = sample_get(column);
    double share = UNKNOWN_EQUAL;
    if (sample != NULL && sample->count > 0) {
        double any = 1 / (sample->distinct > 1 ? sample->distinct : 1);
        share = value == NULL               ? any
                : is_outside(column, value) ? NOWHERE / (double)(sample->rows + 1)
                                            : share_of_value(sample, value, any);
    }
    base_mutex_unlock(&column->sampler->lock);
    return share;
}

/* Share of the values below `value`, or not above it; between two numbers of the sample they are taken to lie evenly. */
static double share_below(const struct sample *sample, const struct rhei_value *value, bool and_equal)
{
    struct sample_value wanted;
    value_of(value, &wanted);
    uint32_t at = values_below(sample, &wanted, false), behind = values_below(sample, &wanted, true);
    double below = and_equal ? behind : at;
    if (behind == at && wanted.class == CLASS_NUMBER && at > 0 && at < sample->count) {
        const struct sample_value *before = &sample->values[at - 1], *after = &sample->values[at];
        double width = after->number - before->number;
        if (before->class == CLASS_NUMBER && after->class == CLASS_NUMBER && width > 0 && isfinite(width))
            below = at - 1 + 0.5 + (wanted.number - before->number) / width;
    }
    below = below < 0 ? 0 : below > sample->count ? sample->count : below;
    return below / sample->count;
}

double route_share_between(const struct route_column *column, const struct route_end *low, const struct route_end *high)
{
    base_mutex_lock(&column->sampler->lock);
    const struct sample *sample = sample_get(column);
    double share = UNKNOWN_RANGE;
    if (sample != NULL && sample->count > 0) {
        double from = low->value != NULL ? share_below(sample, low->value, !low->inclusive) : 0;
        double to = high->value != NULL ? share_below(sample, high->value, high->inclusive) : 1;
        double least = 0.25 / sample->count;
        share = to - from > least ? to - from : least;
    }
    base_mutex_unlock(&column->sampler->lock);
    return share;
}

double route_stored_order(const struct route_column *column)
{
    base_mutex_lock(&column->sampler->lock);
    const struct sample *sample = sample_get(column);
    double order = sample != NULL ? sample->order : 0;
    base_mutex_unlock(&column->sampler->lock);
    return order;
}
