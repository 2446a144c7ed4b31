/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_model.h"

#include <math.h>

uint64_t model_next(struct model_random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t model_below(struct model_random *random, uint64_t limit)
{
    return limit == 0 ? 0 : model_next(random) % limit;
}

void model_init(struct model_table *model, uint32_t id, uint32_t columns, uint32_t keys, bool integer_key)
{
    memset(model, 0, sizeof *model);
    for (uint32_t c = 0; c < columns; c++) {
        (void)snprintf(model->names[c], sizeof model->names[c], "c%u", c);
        model->columns[c] = (struct source_column){.name = model->names[c], .declared_type = "", .collation = "BINARY"};
        model->key_columns[c] = c;
    }
    model->definition = (struct source_table){.id = id,
                                              .name = "t",
                                              .column_count = columns,
                                              .columns = model->columns,
                                              .key_count = keys,
                                              .key_columns = model->key_columns,
                                              .key_is_integer = integer_key,
                                              .estimated_rows = -1};
    model->rows = base_map_new(false);
    assert_non_null(model->rows);
}

struct model_row {
    struct rhei_value value[MODEL_COLUMNS];
    uint64_t hash;
};

static void row_free(struct model_row *row, uint32_t columns)
{
    if (row == NULL)
        return;
    for (uint32_t c = 0; c < columns; c++)
        if (row->value[c].type == RHEI_TEXT || row->value[c].type == RHEI_BLOB)
            free((void *)(uintptr_t)row->value[c].as.bytes);
    free(row);
}

void model_reset(struct model_table *model)
{
    size_t cursor = 0;
    const char *key;
    size_t key_len;
    void *row;
    while (base_map_next(model->rows, &cursor, &key, &key_len, &row))
        row_free(row, model->definition.column_count);
    base_map_free(&model->rows);
    model->sum = model->ended = (struct model_sum){0};
}

/* Equal keys give equal bytes: numbers as the text of their exact value. */
static size_t key_text(const struct model_table *model, const struct rhei_value *row, char *out, size_t size)
{
    size_t used = 0;
    for (uint32_t k = 0; k < model->definition.key_count; k++) {
        const struct rhei_value *v = &row[k];
        if (v->type == RHEI_TEXT || v->type == RHEI_BLOB) {
            used += (size_t)snprintf(out + used, size - used, "%c%u:", v->type == RHEI_TEXT ? 't' : 'b', v->length);
            assert_true(used + v->length < size);
            if (v->length > 0)
                memcpy(out + used, v->as.bytes, v->length);
            used += v->length;
        } else if (v->type == RHEI_NULL) {
            used += (size_t)snprintf(out + used, size - used, "n;");
        } else if (v->type == RHEI_REAL &&
                   (trunc(v->as.real) != v->as.real || v->as.real >= 0x1p63 || v->as.real < -0x1p63)) {
            used += (size_t)snprintf(out + used, size - used, "r%a;", v->as.real);
        } else {
            int64_t i = v->type == RHEI_REAL ? (int64_t)v->as.real : v->as.integer;
            used += (size_t)snprintf(out + used, size - used, "i%lld;", (long long)i);
        }
        assert_true(used < size);
    }
    return used;
}

static uint64_t value_hash(const struct rhei_value *value, uint64_t seed)
{
    uint64_t bits = value->type;
    seed = base_hash(&bits, sizeof bits, seed);
    switch (value->type) {
    case RHEI_NULL:
        return seed;
    case RHEI_INTEGER:
    case RHEI_REAL:
        memcpy(&bits, &value->as, sizeof bits);
        return base_hash(&bits, sizeof bits, seed);
    default:
        return base_hash(value->length == 0 ? "" : value->as.bytes, value->length, seed);
    }
}

uint64_t model_row_hash(const struct rhei_value *row, uint32_t columns)
{
    uint64_t hash = 0;
    for (uint32_t c = 0; c < columns; c++)
        hash = value_hash(&row[c], hash + 1);
    return hash;
}

static struct model_row *row_copy(const struct rhei_value *row, uint32_t columns)
{
    struct model_row *copy = calloc(1, sizeof *copy);
    assert_non_null(copy);
    for (uint32_t c = 0; c < columns; c++) {
        copy->value[c] = row[c];
        if (row[c].type != RHEI_TEXT && row[c].type != RHEI_BLOB)
            continue;
        char *bytes = malloc(row[c].length + 1u);
        assert_non_null(bytes);
        if (row[c].length > 0)
            memcpy(bytes, row[c].as.bytes, row[c].length);
        copy->value[c].as.bytes = bytes;
    }
    copy->hash = model_row_hash(row, columns);
    return copy;
}

static void end_version(struct model_table *model, struct model_row *old)
{
    model->sum.rows--;
    model->sum.hash -= old->hash;
    model->ended.rows++;
    model->ended.hash += old->hash;
    row_free(old, model->definition.column_count);
}

static void clear(struct model_table *model)
{
    size_t cursor = 0;
    const char *key;
    size_t key_len;
    void *row;
    while (base_map_next(model->rows, &cursor, &key, &key_len, &row))
        end_version(model, row);
    base_map_free(&model->rows);
    model->rows = base_map_new(false);
    assert_non_null(model->rows);
    assert_int_equal(model->sum.rows, 0);
}

static const struct model_row *model_find(const struct model_table *model, const struct rhei_value *row)
{
    char key[4096];
    size_t length = key_text(model, row, key, sizeof key);
    return base_map_find(model->rows, key, length);
}

bool model_has(const struct model_table *model, const struct rhei_value *row)
{
    return model_find(model, row) != NULL;
}

bool model_patch(struct model_table *model, const struct rhei_value *row, uint64_t unchanged)
{
    struct rhei_value whole[MODEL_COLUMNS];
    const struct model_row *old = model_find(model, row);
    if (old == NULL)
        return false;
    for (uint32_t c = 0; c < model->definition.column_count; c++)
        whole[c] = (unchanged >> c & 1) != 0 ? old->value[c] : row[c];
    model_apply(model, CHANGE_UPSERT, whole);
    return true;
}

void model_apply(struct model_table *model, uint8_t op, const struct rhei_value *row)
{
    if (op == CHANGE_CLEAR) {
        clear(model);
        return;
    }
    char key[4096];
    size_t length = key_text(model, row, key, sizeof key);
    void *old = NULL;
    if (op == CHANGE_DELETE) {
        old = base_map_remove(model->rows, key, length);
    } else {
        struct model_row *copy = row_copy(row, model->definition.column_count);
        assert_true(base_map_put(model->rows, key, length, copy, &old));
        model->sum.rows++;
        model->sum.hash += copy->hash;
    }
    if (old != NULL)
        end_version(model, old);
}

static bool is_dead(const struct mirror_vector *vector, uint32_t row)
{
    return vector->dead != NULL && (vector->dead[row >> 6] >> (row & 63) & 1) != 0;
}

typedef void (*row_visitor)(void *context, const struct rhei_value *row);

static void visit_rows(const struct mirror_table_view *view, row_visitor visit, void *context)
{
    uint32_t columns = mirror_view_column_count(view);
    struct mirror_hold hold = {NULL};
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        uint32_t rows = mirror_view_segment_rows(view, s);
        mirror_hold(view, s, &hold);
        for (uint32_t i = 0; i < rows; i++) {
            struct mirror_vector vector;
            struct rhei_value row[MODEL_COLUMNS];
            mirror_view_vector(view, s, i / MIRROR_VECTOR_ROWS, &vector);
            if (is_dead(&vector, i % MIRROR_VECTOR_ROWS))
                continue;
            for (uint32_t c = 0; c < columns; c++)
                mirror_view_value(view, s, i, c, &row[c]);
            visit(context, row);
        }
    }
    mirror_hold_end(&hold);
}

struct summing {
    struct model_sum sum;
    uint32_t columns;
};

static void add_row(void *context, const struct rhei_value *row)
{
    struct summing *summing = context;
    summing->sum.rows++;
    summing->sum.hash += model_row_hash(row, summing->columns);
}

struct model_sum model_sum_cells(const struct mirror_table_view *view)
{
    struct summing summing = {.columns = mirror_view_column_count(view)};
    visit_rows(view, add_row, &summing);
    assert_int_equal(summing.sum.rows, mirror_view_row_count(view));
    return summing.sum;
}

static void from_string(const struct mirror_string *string, uint8_t type, struct rhei_value *out)
{
    out->type = type;
    out->as.bytes = mirror_string_bytes(string, &out->length);
    if (out->length > 12) {
        assert_memory_equal(string->as.pointer.prefix, out->as.bytes, 4);
        return;
    }
    for (uint32_t i = out->length; i < 12; i++)
        assert_int_equal(string->as.inlined.bytes[i], 0);
}

static void from_vector(const struct mirror_column_data *data, uint32_t row, struct rhei_value *out)
{
    memset(out, 0, sizeof *out);
    if (data->layout == MIRROR_LAYOUT_EMPTY || (data->has_nulls && (data->valid[row >> 6] >> (row & 63) & 1) == 0)) {
        if (data->layout == MIRROR_LAYOUT_MIXED)
            assert_int_equal(data->classes[row], RHEI_NULL);
        return;
    }
    if (data->layout == MIRROR_LAYOUT_MIXED) {
        const union mirror_cell *cell = (const union mirror_cell *)data->data + row;
        out->type = data->classes[row];
        assert_int_not_equal(out->type, RHEI_NULL);
        if (out->type == RHEI_INTEGER)
            out->as.integer = cell->integer;
        else if (out->type == RHEI_REAL)
            out->as.real = cell->real;
        else
            from_string(&cell->string, out->type, out);
        return;
    }
    out->type = data->layout;
    if (data->layout == MIRROR_LAYOUT_INTEGER)
        out->as.integer = ((const int64_t *)data->data)[row];
    else if (data->layout == MIRROR_LAYOUT_REAL)
        out->as.real = ((const double *)data->data)[row];
    else
        from_string((const struct mirror_string *)data->data + row, data->layout, out);
}

static void sum_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t number, struct summing *summing)
{
    static _Thread_local struct mirror_column_data data[MODEL_COLUMNS];
    struct mirror_vector vector;
    uint32_t live = 0;
    struct mirror_hold hold = {NULL};
    mirror_view_vector(view, segment, number, &vector);
    mirror_hold(view, segment, &hold);
    for (uint32_t c = 0; c < summing->columns; c++)
        mirror_view_column(view, segment, number, c, &data[c]);
    for (uint32_t i = 0; i < vector.rows; i++) {
        struct rhei_value row[MODEL_COLUMNS];
        if (is_dead(&vector, i))
            continue;
        for (uint32_t c = 0; c < summing->columns; c++)
            from_vector(&data[c], i, &row[c]);
        add_row(summing, row);
        live++;
    }
    assert_int_equal(live, vector.live);
    mirror_hold_end(&hold);
}

struct model_sum model_sum_vectors(const struct mirror_table_view *view)
{
    struct summing summing = {.columns = mirror_view_column_count(view)};
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++)
            sum_vector(view, s, v, &summing);
    assert_int_equal(summing.sum.rows, mirror_view_row_count(view));
    return summing.sum;
}

static void find_row(void *context, const struct rhei_value *row)
{
    const struct model_table *model = context;
    char key[4096];
    size_t length = key_text(model, row, key, sizeof key);
    const struct model_row *expected = base_map_find(model->rows, key, length);
    assert_non_null(expected);
    assert_true(expected->hash == model_row_hash(row, model->definition.column_count));
}

void model_assert_equal(const struct model_table *model, const struct mirror_table_view *view)
{
    assert_non_null(view);
    assert_int_equal(mirror_view_row_count(view), model->sum.rows);
    assert_int_equal(model->sum.rows, base_map_count(model->rows));
    visit_rows(view, find_row, (void *)(uintptr_t)model);
    struct model_sum cells = model_sum_cells(view);
    struct model_sum vectors = model_sum_vectors(view);
    assert_true(cells.hash == model->sum.hash);
    assert_true(vectors.hash == model->sum.hash);
}

static uint32_t value_flags(const struct rhei_value *value)
{
    uint32_t flags = 1u << value->type;
    if (value->type == RHEI_TEXT)
        flags |= mirror_text_flags(value->as.bytes, value->length, 0);
    if (value->type == RHEI_REAL)
        flags |= mirror_real_flags(value->as.real);
    if (value->type == RHEI_INTEGER && (value->as.integer > 1ll << 53 || value->as.integer < -(1ll << 53)))
        flags |= MIRROR_BIG_INTEGER;
    return flags;
}

static void assert_number(const struct mirror_table_view *view, uint32_t segment, uint32_t row, uint32_t column,
                          const struct rhei_value *value)
{
    double low, high;
    struct rhei_value open = {.type = RHEI_NULL};
    uint32_t vector = row / MIRROR_VECTOR_ROWS;
    assert_true(mirror_view_may_match(view, segment, vector, column, value, value));
    assert_true(mirror_view_may_match(view, segment, UINT32_MAX, column, value, &open));
    assert_true(mirror_view_may_match(view, segment, vector, column, &open, value));
    if (mirror_view_range(view, column, &low, &high)) {
        double real = value->type == RHEI_INTEGER ? (double)value->as.integer : value->as.real;
        assert_true(low <= real && real <= high);
    }
}

void model_assert_facts(const struct mirror_table_view *view)
{
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t i = 0; i < mirror_view_segment_rows(view, s); i++) {
            struct mirror_vector vector;
            mirror_view_vector(view, s, i / MIRROR_VECTOR_ROWS, &vector);
            if (is_dead(&vector, i % MIRROR_VECTOR_ROWS))
                continue;
            for (uint32_t c = 0; c < mirror_view_column_count(view); c++) {
                struct rhei_value value;
                struct mirror_hold hold = {NULL};
                mirror_hold(view, s, &hold);
                mirror_view_value(view, s, i, c, &value);
                assert_int_equal(value_flags(&value) & ~mirror_view_column_flags(view, c), 0);
                if (value.type == RHEI_INTEGER || (value.type == RHEI_REAL && !isnan(value.as.real)))
                    assert_number(view, s, i, c, &value);
                mirror_hold_end(&hold);
            }
        }
    }
}

void model_batch_init(struct model_batch *batch, uint32_t table, uint32_t columns, size_t capacity)
{
    memset(batch, 0, sizeof *batch);
    batch->capacity = capacity;
    batch->op = malloc(capacity);
    batch->unchanged = calloc(capacity, sizeof *batch->unchanged);
    batch->seq = calloc(capacity, sizeof *batch->seq);
    assert_true(batch->op != NULL && batch->unchanged != NULL && batch->seq != NULL);
    for (uint32_t c = 0; c < columns; c++) {
        batch->values[c] = calloc(capacity, sizeof *batch->values[c]);
        assert_non_null(batch->values[c]);
        batch->columns[c] = batch->values[c];
    }
    batch->batch = (struct change_batch){.table = table,
                                         .column_count = columns,
                                         .op = batch->op,
                                         .columns = batch->columns,
                                         .unchanged = batch->unchanged};
}

void model_batch_reset(struct model_batch *batch)
{
    free(batch->op);
    free(batch->unchanged);
    free(batch->seq);
    for (uint32_t c = 0; c < batch->batch.column_count; c++)
        free(batch->values[c]);
    memset(batch, 0, sizeof *batch);
}

void model_batch_add(struct model_batch *batch, uint8_t op, const struct rhei_value *row)
{
    size_t i = batch->batch.row_count++;
    assert_true(i < batch->capacity);
    batch->op[i] = op;
    batch->unchanged[i] = 0;
    for (uint32_t c = 0; c < batch->batch.column_count && op != CHANGE_CLEAR; c++)
        batch->values[c][i] = row[c];
}

void model_batch_add_patch(struct model_batch *batch, const struct rhei_value *row, uint64_t unchanged)
{
    size_t i = batch->batch.row_count;
    model_batch_add(batch, CHANGE_PATCH, row);
    batch->unchanged[i] = unchanged;
}

struct rhei_value model_integer(int64_t value)
{
    return (struct rhei_value){.as.integer = value, .type = RHEI_INTEGER};
}

struct rhei_value model_real(double value)
{
    return (struct rhei_value){.as.real = value, .type = RHEI_REAL};
}

struct rhei_value model_text(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

struct rhei_value model_blob(const void *bytes, uint32_t length)
{
    return (struct rhei_value){.as.bytes = bytes, .length = length, .type = RHEI_BLOB};
}

struct rhei_value model_null(void)
{
    return (struct rhei_value){.type = RHEI_NULL};
}

void model_attach(struct mirror *mirror, const struct model_table *model)
{
    struct mirror_build *build = NULL;
    assert_int_equal(mirror_build_begin(mirror, &model->definition, 1, &build, NULL), RHEI_OK);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(mirror, 0, NULL), RHEI_OK);
}
