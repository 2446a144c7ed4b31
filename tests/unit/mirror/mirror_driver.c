/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_driver.h"

#include <math.h>

enum { HELD = 150, BATCH_ROWS = 6000, TEXTS = 24 };

enum key_kind { KEY_DENSE, KEY_SPARSE, KEY_TEXT, KEY_COMPOSITE, KEY_ANY, KEY_KINDS };
enum value_kind {
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_TEXT,
    VALUE_BLOB,
    VALUE_RARELY_MIXED,
    VALUE_ANY,
    VALUE_LATE,
    VALUE_KINDS
};

struct held {
    struct mirror_snapshot snapshot;
    struct model_sum sum;
    bool present; /* the table was there */
};

struct driver {
    struct model_random random;
    const uint8_t *bytes, *end;
    bool from_bytes, done;
    struct mirror *mirror;
    struct model_table model;
    struct model_sum published;
    bool clears, much_patching;
    struct model_sum attached; /* what the build held that was attached since the last publish */
    bool attached_now;
    bool table_present, table_published;
    enum key_kind key_kind;
    enum value_kind value_kind[MODEL_COLUMNS];
    uint32_t columns, keys, next_id;
    uint64_t key_space;
    struct held held[HELD];
    uint32_t held_count;
    struct mirror_compaction *compaction;
    struct model_batch batch;
    bool with_sink, sink_off; /* off: it was taken off, or its table failed, and none was set since */
    int64_t seq, cycle_began; /* last number given; that at the last publish */
    struct model_sum ended;   /* what the sink was handed since the last build */
    struct driver_result result;
    const struct driver_options *options;
};

static const struct {
    const char *bytes;
    uint32_t length;
} texts[TEXTS] = {{"", 0},
                  {"a", 1},
                  {"ab", 2},
                  {"abc", 3},
                  {"abcd", 4},
                  {"abcdefg", 7},
                  {"abcdefgh", 8},
                  {"abcdefghi", 9},
                  {"abcdefghijk", 11},
                  {"abcdefghijkl", 12},
                  {"abcdefghijklm", 13},
                  {"abcdefghijklmn", 14},
                  {"a text that is quite a bit longer than twelve bytes", 51},
                  {"nul\0inside", 10},
                  {"\0", 1},
                  {"gr\xc3\xbc\xc3\x9f", 6},
                  {"\xff\xfe", 2},
                  {"long with bad bytes \xff\xfe\xfd", 23},
                  {"long with a nul \0 inside", 24},
                  {"1", 1},
                  {"1.0", 3},
                  {"\xf0\x9f\x8c\x8d\xf0\x9f\x8c\x8d\xf0\x9f\x8c\x8d", 12},
                  {"open", 4},
                  {"shipped", 7}};

static uint64_t draw(struct driver *d, uint64_t limit)
{
    if (!d->from_bytes)
        return model_below(&d->random, limit);
    uint64_t value = 0;
    uint32_t width = limit <= 256 ? 1 : limit <= 65536 ? 2 : 8;
    for (uint32_t i = 0; i < width; i++) {
        if (d->bytes == d->end) {
            d->done = true;
            return 0;
        }
        value = value << 8 | *d->bytes++;
    }
    return limit == 0 ? 0 : value % limit;
}

static struct rhei_value draw_text(struct driver *d, uint8_t type)
{
    size_t i = draw(d, TEXTS);
    return (struct rhei_value){.as.bytes = texts[i].bytes, .length = texts[i].length, .type = type};
}

static struct rhei_value draw_integer(struct driver *d)
{
    static const int64_t edges[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1ll << 53, (1ll << 53) + 1, -(1ll << 53) - 1};
    if (draw(d, 20) == 0)
        return model_integer(edges[draw(d, 8)]);
    return model_integer((int64_t)draw(d, 2000) - 1000);
}

static struct rhei_value draw_real(struct driver *d)
{
    static const double edges[] = {0.0, -0.0, 0.1, INFINITY, -INFINITY, 0x1p53, 0x1p63, -0x1p63, 5e-324, 1.5};
    if (draw(d, 10) == 0)
        return model_real(edges[draw(d, 10)]);
    return model_real(((double)draw(d, 200000) - 100000) / 100);
}

static struct rhei_value draw_any(struct driver *d)
{
    switch (draw(d, 5)) {
    case 0:
        return model_null();
    case 1:
        return draw_integer(d);
    case 2:
        return draw_real(d);
    case 3:
        return draw_text(d, RHEI_TEXT);
    default:
        return draw_text(d, RHEI_BLOB);
    }
}

static struct rhei_value draw_value(struct driver *d, enum value_kind kind)
{
    if (draw(d, 12) == 0)
        return model_null();
    switch (kind) {
    case VALUE_INTEGER:
        return draw_integer(d);
    case VALUE_REAL:
        return draw_real(d);
    case VALUE_TEXT:
        return draw_text(d, RHEI_TEXT);
    case VALUE_BLOB:
        return draw_text(d, RHEI_BLOB);
    case VALUE_RARELY_MIXED:
        return draw(d, 5000) == 0 ? draw_any(d) : draw_integer(d);
    case VALUE_LATE:
        return d->result.operations < d->options->operations / 3 ? model_null() : draw_real(d);
    default:
        return draw_any(d);
    }
}

static struct rhei_value any_key(struct driver *d)
{
    int64_t number = (int64_t)draw(d, d->key_space) - (int64_t)d->key_space / 4;
    switch (draw(d, 5)) {
    case 0:
        return model_real((double)number); /* the same key as the integer */
    case 1:
        return model_real((double)number + 0.5);
    case 2:
        return draw_any(d);
    default:
        return model_integer(number);
    }
}

static void draw_key(struct driver *d, struct rhei_value *row, char *buffer, size_t size)
{
    uint64_t number = draw(d, d->key_space);
    row[0] = model_integer((int64_t)number);
    if (d->key_kind == KEY_SPARSE)
        row[0].as.integer =
            (int64_t)(number * 0x9E3779B97F4A7C15u >> (number % 3 == 0 ? 40 : 1)) * (number % 2 == 0 ? 1 : -1);
    if (d->key_kind == KEY_ANY)
        row[0] = any_key(d);
    if (d->key_kind == KEY_TEXT || d->key_kind == KEY_COMPOSITE) {
        int length =
            snprintf(buffer, size, number % 3 == 0 ? "k%llu" : "a key of some length %llu", (unsigned long long)number);
        row[0] = (struct rhei_value){.as.bytes = buffer, .length = (uint32_t)length, .type = RHEI_TEXT};
    }
    if (d->key_kind == KEY_COMPOSITE)
        row[1] = draw(d, 3) == 0 ? draw_any(d) : model_integer((int64_t)draw(d, 3));
}

static void init_table(struct driver *d)
{
    d->key_kind = (enum key_kind)draw(d, KEY_KINDS);
    d->keys = d->key_kind == KEY_COMPOSITE ? 2 : 1;
    d->columns = d->keys + 1 + (uint32_t)draw(d, 4);
    d->key_space = draw(d, 4) == 0 ? 20000 : 20 + draw(d, 3000);
    for (uint32_t c = 0; c < d->columns; c++)
        d->value_kind[c] = (enum value_kind)draw(d, VALUE_KINDS);
    model_init(&d->model, ++d->next_id, d->columns, d->keys, d->key_kind <= KEY_SPARSE);
    model_batch_init(&d->batch, d->next_id, d->columns, BATCH_ROWS);
}

/* Small segments and few numbers, so that rows have to be moved and numbers used again. */
static void init_mirror(struct driver *d)
{
    struct mirror_config config = {.memory_limit = 0};
    assert_int_equal(mirror_open(&config, &d->mirror, NULL), RHEI_OK);
    if (draw(d, 3) == 0)
        return;
    d->mirror->first_rows = draw(d, 2) == 0 ? MIRROR_VECTOR_ROWS : MIRROR_FIRST_ROWS;
    d->mirror->segment_rows = MIRROR_VECTOR_ROWS * (1 + (uint32_t)draw(d, 2));
    uint64_t keys_per_number = d->key_kind == KEY_COMPOSITE ? 12 : d->key_kind == KEY_ANY ? 3 : 1;
    uint64_t most_rows = d->key_space * keys_per_number;
    most_rows = most_rows < d->options->operations ? most_rows : d->options->operations;
    d->mirror->max_segments = 20 + (uint32_t)(draw(d, 20) + 2 * most_rows / d->mirror->segment_rows);
}

/* Every version is handed over once, by the change that ended it, and began before that. */
static rhei_status take_ended(void *context, const struct mirror_ended *version)
{
    struct driver *d = context;
    assert_int_equal(version->table, d->next_id);
    assert_int_equal(version->column_count, d->columns);
    d->ended.rows++;
    d->ended.hash += model_row_hash(version->row, d->columns);
    assert_true(version->ended > d->cycle_began && version->ended <= d->seq);
    assert_true(version->began == MIRROR_NO_SEQUENCE ||
                (version->began > d->cycle_began && version->began < version->ended));
    return RHEI_OK;
}

/* The same, of a chunk at a time. */
static rhei_status take_some(void *context, const struct mirror_ended_some *versions)
{
    struct driver *d = context;
    struct rhei_value row[MODEL_COLUMNS];
    assert_int_equal(versions->table, d->next_id);
    assert_int_equal(versions->column_count, d->columns);
    assert_true(versions->count > 0);
    for (size_t k = 0; k < versions->count; k++) {
        for (uint32_t c = 0; c < d->columns; c++)
            row[c] = versions->columns[c][k];
        d->ended.rows++;
        d->ended.hash += model_row_hash(row, d->columns);
        assert_true(versions->how[k] != CHANGE_PATCH);
        assert_true(versions->replaced[k] < (int64_t)versions->change[k]);
        assert_true(k == 0 || versions->change[k] > versions->change[k - 1] || versions->how[k] == CHANGE_CLEAR);
    }
    return RHEI_OK;
}

static void lose_sink(void *context, uint32_t table, rhei_status status)
{
    struct driver *d = context;
    assert_int_equal(table, d->next_id);
    assert_true(d->options->failing_memory && (status == RHEI_NO_MEMORY || status == RHEI_MEMORY_LIMIT));
    d->sink_off = true;
}

static void set_sink(struct driver *d)
{
    struct mirror_sink sink = {.failed = lose_sink, .context = d};
    sink.no_began = draw(d, 2) == 0;
    if (sink.no_began)
        sink.ended_some = take_some;
    else
        sink.ended = take_ended;
    d->sink_off = false;
    d->ended = d->model.ended = (struct model_sum){0};
    if (d->with_sink)
        assert_int_equal(mirror_set_sink(d->mirror, d->next_id, &sink, NULL), RHEI_OK);
}

static void check_ended(const struct driver *d)
{
    if (!d->with_sink || d->sink_off)
        return;
    assert_int_equal(d->ended.rows, d->model.ended.rows);
    assert_true(d->ended.hash == d->model.ended.hash);
}

static void release(struct driver *d, uint32_t i)
{
    mirror_snapshot_release(&d->held[i].snapshot);
    d->held[i] = d->held[--d->held_count];
}

static void check_held(struct driver *d, uint32_t i)
{
    const struct held *held = &d->held[i];
    const struct mirror_table_view *view = mirror_view(&held->snapshot, d->next_id);
    assert_int_equal(view != NULL, held->present);
    if (view == NULL)
        return;
    struct model_sum sum = draw(d, 2) == 0 ? model_sum_cells(view) : model_sum_vectors(view);
    assert_int_equal(sum.rows, held->sum.rows);
    assert_true(sum.hash == held->sum.hash);
    d->result.snapshots++;
}

static void publish(struct driver *d)
{
    if (d->options->failing_memory && draw(d, 8) == 0)
        base_memory_fail_after(1);
    assert_int_equal(mirror_publish(d->mirror, (int64_t)d->result.publishes, NULL), RHEI_OK);
    base_memory_fail_after(0);
    check_ended(d);
    d->cycle_began = d->seq;
    d->published = d->model.sum;
    d->table_published = d->table_present;
    d->attached_now = false;
    d->result.publishes++;
}

static void hold(struct driver *d)
{
    if (d->held_count == HELD)
        release(d, (uint32_t)draw(d, HELD));
    struct held *held = &d->held[d->held_count++];
    assert_int_equal(mirror_snapshot_take(d->mirror, &held->snapshot), RHEI_OK);
    held->sum = d->published;
    held->present = d->table_published;
}

/* Loads the model's rows by one to three loaders; false when memory failed. */
static bool build(struct driver *d)
{
    struct mirror_build *building;
    uint32_t loaders = 1 + (uint32_t)draw(d, 3);
    bool failing = d->options->failing_memory && draw(d, 3) == 0 && !d->done;
    if (failing)
        base_memory_fail_after(1 + draw(d, 60));
    rhei_status status = mirror_build_begin(d->mirror, &d->model.definition, loaders, &building, NULL);
    size_t cursor = 0, key_len;
    const char *key;
    void *row;
    d->batch.batch.row_count = 0;
    uint32_t loader = 0;
    while (status == RHEI_OK && base_map_next(d->model.rows, &cursor, &key, &key_len, &row)) {
        model_batch_add(&d->batch, CHANGE_UPSERT, row); /* a row begins with its values */
        if (d->batch.batch.row_count < BATCH_ROWS)
            continue;
        status = mirror_build_append(building, loader++ % loaders, &d->batch.batch, NULL);
        d->batch.batch.row_count = 0;
    }
    if (status == RHEI_OK)
        status = mirror_build_append(building, loader % loaders, &d->batch.batch, NULL);
    d->batch.batch.row_count = 0;
    if (status == RHEI_OK)
        status = mirror_build_attach(&building, NULL);
    else
        mirror_build_abandon(&building);
    base_memory_fail_after(0);
    assert_true(status == RHEI_OK || failing);
    if (status != RHEI_OK)
        return false;
    d->attached_now = true;
    d->attached = d->model.sum;
    set_sink(d);
    return true;
}

/* A failed table shows what was published last; one that was attached in this cycle, what was attached. */
static void publish_unsound(struct driver *d)
{
    assert_int_equal(mirror_publish(d->mirror, 0, NULL), RHEI_OK);
    d->cycle_began = d->seq;
    if (d->attached_now)
        d->published = d->attached;
    d->table_published |= d->attached_now;
    d->attached_now = false;
}

static void rebuild(struct driver *d)
{
    d->result.rebuilds++;
    if (draw(d, 2) == 0) {
        mirror_drop(d->mirror, d->next_id);
        d->table_present = false;
        if (draw(d, 2) == 0)
            publish(d);
    }
    while (!build(d))
        d->result.failures++;
    d->table_present = true;
    if (draw(d, 2) == 0)
        publish(d);
}

static void draw_change(struct driver *d, uint64_t delete_percent, char *buffer, size_t size)
{
    struct rhei_value row[MODEL_COLUMNS] = {0};
    uint64_t what = draw(d, 100);
    uint8_t op = what < delete_percent ? CHANGE_DELETE : what > 97 ? CHANGE_PATCH : CHANGE_UPSERT;
    if (d->much_patching && op == CHANGE_UPSERT && draw(d, 2) == 0)
        op = CHANGE_PATCH;
    if (d->clears && draw(d, 4000) == 0)
        op = CHANGE_CLEAR;
    draw_key(d, row, buffer, size);
    if (op == CHANGE_PATCH && !model_has(&d->model, row))
        op = CHANGE_UPSERT;
    uint64_t unchanged = op == CHANGE_PATCH ? draw(d, 256) >> d->keys << d->keys : 0;
    for (uint32_t c = d->keys; c < d->columns && (op == CHANGE_UPSERT || op == CHANGE_PATCH); c++)
        if ((unchanged >> c & 1) == 0)
            row[c] = draw_value(d, d->value_kind[c]);
    if (op == CHANGE_PATCH) {
        model_batch_add_patch(&d->batch, row, unchanged);
        assert_true(model_patch(&d->model, row, unchanged));
    } else {
        model_batch_add(&d->batch, op, row);
        model_apply(&d->model, op, row);
    }
    d->batch.seq[d->batch.batch.row_count - 1] = ++d->seq;
    d->result.operations++;
}

static void change(struct driver *d)
{
    static char buffer[BATCH_ROWS][48];
    static const uint32_t sizes[] = {1, 10, 10, 10, 100, 300, BATCH_ROWS};
    uint64_t rows = 1 + draw(d, sizes[draw(d, 7)]);
    uint64_t delete_percent = draw(d, 4) == 0 ? 60 : 15;
    d->batch.batch.row_count = 0;
    d->much_patching = draw(d, 3) == 0;
    d->batch.batch.seq = d->batch.seq;
    for (uint64_t i = 0; i < rows && !d->done; i++)
        draw_change(d, delete_percent, buffer[i], sizeof buffer[i]);
    bool failing = d->options->failing_memory && draw(d, 20) == 0 && !d->done;
    if (failing)
        base_memory_fail_after(1 + draw(d, 12));
    rhei_status status = mirror_apply(d->mirror, &d->batch.batch, NULL, NULL);
    base_memory_fail_after(0);
    assert_true(status == RHEI_OK || failing);
    if (draw(d, 10) == 0)
        (void)mirror_reclaim(d->mirror); /* at any point of a cycle */
    if (status == RHEI_OK)
        return;
    d->result.failures++;
    d->sink_off = true;
    assert_int_equal(mirror_apply(d->mirror, &d->batch.batch, NULL, NULL), RHEI_INVALID);
    if (draw(d, 2) == 0)
        publish_unsound(d);
    rebuild(d);
}

static void compact(struct driver *d)
{
    bool failing = d->options->failing_memory && draw(d, 5) == 0 && !d->done;
    if (failing)
        base_memory_fail_after(1 + draw(d, 10));
    if (d->compaction == NULL) {
        rhei_status status = mirror_compact_prepare(d->mirror, &d->compaction, NULL);
        assert_true(status == RHEI_OK || failing);
    } else if (draw(d, 10) == 0) {
        mirror_compact_abandon(&d->compaction);
    } else {
        rhei_status status = mirror_compact_swap(d->mirror, &d->compaction, NULL);
        base_memory_fail_after(0);
        assert_null(d->compaction);
        assert_true(status == RHEI_OK || failing);
        d->result.compactions++;
        struct mirror_table *table = mirror_table_find(d->mirror, d->next_id);
        if (status != RHEI_OK && table != NULL && table->unsound) {
            d->sink_off = true;
            rebuild(d);
        }
    }
    base_memory_fail_after(0);
}

static void check_now(struct driver *d)
{
    struct mirror_snapshot snapshot;
    publish(d);
    assert_int_equal(mirror_snapshot_take(d->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, d->next_id);
    model_assert_equal(&d->model, view);
    model_assert_facts(view);
    mirror_snapshot_release(&snapshot);
}

static void step(struct driver *d)
{
    uint64_t what = draw(d, 100);
    if (what < 45)
        change(d);
    else if (what < 70)
        publish(d);
    else if (what < 80)
        hold(d);
    else if (what < 86 && d->held_count > 0)
        check_held(d, (uint32_t)draw(d, d->held_count));
    else if (what < 91 && d->held_count > 0)
        release(d, (uint32_t)draw(d, d->held_count));
    else if (what < 98)
        compact(d);
    else if (what == 98 && draw(d, 6) == 0)
        rebuild(d);
    else if (draw(d, 6) == 0)
        check_now(d);
}

struct driver_result driver_run(const struct driver_options *options)
{
    struct driver *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->options = options;
    d->random.state = options->seed;
    d->from_bytes = options->bytes != NULL;
    d->bytes = options->bytes;
    d->end = options->bytes + options->size;
    init_table(d);
    init_mirror(d);
    d->with_sink = draw(d, 2) == 0;
    d->clears = draw(d, 3) == 0;
    while (!build(d))
        d->result.failures++;
    d->table_present = true;
    publish(d);
    while (!d->done && d->result.operations < options->operations)
        step(d);
    d->done = false;
    check_now(d);
    mirror_compact_abandon(&d->compaction);
    while (d->held_count > 0) {
        check_held(d, 0);
        release(d, 0);
    }
    mirror_close(&d->mirror);
    model_reset(&d->model);
    model_batch_reset(&d->batch);
    struct driver_result result = d->result;
    free(d);
    return result;
}
