/* SPDX-License-Identifier: Apache-2.0 */
/* A naive table for comparison: a map from key to row, with a checksum that says in one number what it holds. */
#ifndef MIRROR_MODEL_H
#define MIRROR_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_map.h"
#include "base/base_memory.h"
#include "mirror/mirror_internal.h"

enum { MODEL_COLUMNS = 8 };

/* Reproducible: splitmix64. */
struct model_random {
    uint64_t state;
};
uint64_t model_next(struct model_random *random);
uint64_t model_below(struct model_random *random, uint64_t limit);

/* What a table holds, as far as one number can say. */
struct model_sum {
    uint64_t rows;
    uint64_t hash; /* sum of the rows' hashes: order does not matter */
};

struct model_table {
    struct source_table definition;
    struct source_column columns[MODEL_COLUMNS];
    uint32_t key_columns[MODEL_COLUMNS];
    char names[MODEL_COLUMNS][16];
    struct base_map *rows;
    struct model_sum sum;
    struct model_sum ended; /* every version that a change ended */
};

/* keys: the first `keys` columns. */
void model_init(struct model_table *model, uint32_t id, uint32_t columns, uint32_t keys, bool integer_key);
void model_reset(struct model_table *model);
/* Upsert, delete, clear. */
void model_apply(struct model_table *model, uint8_t op, const struct rhei_value *row);
/* The row of that key with the columns whose bit is set in `unchanged` as they were; false: there is none, nothing happened. */
bool model_patch(struct model_table *model, const struct rhei_value *row, uint64_t unchanged);
bool model_has(const struct model_table *model, const struct rhei_value *row);

uint64_t model_row_hash(const struct rhei_value *row, uint32_t columns);
struct model_sum model_sum_cells(const struct mirror_table_view *view);
/* The same by whole vectors, as a scan reads. Also checks vector facts against each other. */
struct model_sum model_sum_vectors(const struct mirror_table_view *view);
/* Every row of the view is in the model, bit for bit, and the counts agree. */
void model_assert_equal(const struct model_table *model, const struct mirror_table_view *view);
/* Zone maps, flags and ranges admit every value that is there. */
void model_assert_facts(const struct mirror_table_view *view);

/* A batch of rows under construction; values are copied shallowly, bytes are borrowed. */
struct model_batch {
    struct change_batch batch;
    struct rhei_value *values[MODEL_COLUMNS];
    const struct rhei_value *columns[MODEL_COLUMNS];
    uint8_t *op;
    uint64_t *unchanged;
    int64_t *seq; /* 0, unless a test sets them and batch.seq */
    size_t capacity;
};
void model_batch_init(struct model_batch *batch, uint32_t table, uint32_t columns, size_t capacity);
void model_batch_reset(struct model_batch *batch);
void model_batch_add(struct model_batch *batch, uint8_t op, const struct rhei_value *row);
void model_batch_add_patch(struct model_batch *batch, const struct rhei_value *row, uint64_t unchanged);

struct rhei_value model_integer(int64_t value);
struct rhei_value model_real(double value);
struct rhei_value model_text(const char *text);
struct rhei_value model_blob(const void *bytes, uint32_t length);
struct rhei_value model_null(void);

/* Builds and publishes an empty table. */
void model_attach(struct mirror *mirror, const struct model_table *model);

#endif
