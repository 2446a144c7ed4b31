/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One writer, two readers, a compactor and a loader at once. Money moves between the rows of two tables, so every
 * snapshot must show the same total and the same rows; pinned snapshots must not change. Run it under the thread sanitizer.
 */
#include "base/base_thread.h"
#include "mirror_model.h"

enum {
    ACCOUNTS = 3000,
    TABLES = 2,
    CYCLES = 3000,
    MOST_CYCLES = 300000,
    READS = 800,
    TRANSFERS = 8,
    START = 1000,
    PINNED = 12
};

struct shared {
    struct mirror *mirror;
    atomic_bool done;
    atomic_uint wrong;
    _Atomic(struct mirror_compaction *) prepared;
    _Atomic(struct mirror_build *) built;
    _Atomic uint64_t reads, swaps, attaches;
};

/* columns: id, balance, a note that is NULL at first, grows long and changes its class */
static struct rhei_value note_of(uint64_t draw)
{
    switch (draw % 7) {
    case 0:
        return model_null();
    case 1:
        return model_integer((int64_t)draw);
    case 2:
        return model_text("short");
    default:
        return model_text("a note that is longer than twelve bytes");
    }
}

static void add(struct model_batch *batch, int64_t id, int64_t balance, struct rhei_value note)
{
    struct rhei_value row[3] = {model_integer(id), model_integer(balance), note};
    model_batch_add(batch, CHANGE_UPSERT, row);
}

struct totals {
    int64_t balance;
    uint64_t rows, hash;
};

static void add_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t number, struct totals *totals)
{
    struct mirror_vector vector;
    struct mirror_column_data balance, note;
    mirror_view_vector(view, segment, number, &vector);
    mirror_view_column(view, segment, number, 1, &balance);
    mirror_view_column(view, segment, number, 2, &note);
    for (uint32_t i = 0; i < vector.rows; i++) {
        if (vector.dead != NULL && (vector.dead[i >> 6] >> (i & 63) & 1) != 0)
            continue;
        struct rhei_value value;
        mirror_view_value(view, segment, number * MIRROR_VECTOR_ROWS + i, 2, &value);
        totals->balance += ((const int64_t *)balance.data)[i];
        totals->rows++;
        totals->hash += model_row_hash(&value, 1) * (uint64_t)((const int64_t *)balance.data)[i];
    }
}

static struct totals total(const struct mirror_snapshot *snapshot)
{
    struct totals totals = {0};
    for (uint32_t t = 1; t <= TABLES; t++) {
        const struct mirror_table_view *view = mirror_view(snapshot, t);
        for (uint32_t s = 0; view != NULL && s < mirror_view_segment_count(view); s++)
            for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++)
                add_vector(view, s, v, &totals);
    }
    return totals;
}

/* The same by what vectors and segments are known to come to, which readers find and keep for one another. */
static int64_t known_balance(struct shared *shared, const struct mirror_snapshot *snapshot)
{
    uint64_t sum = 0;
    for (uint32_t t = 1; t <= TABLES; t++) {
        struct mirror_total known = {.column = 1, .numbers = true};
        const struct mirror_table_view *view = mirror_view(snapshot, t);
        uint64_t rows = 0;
        if (view != NULL && mirror_aggregate(shared->mirror, view, &known, 1, NULL, 0, 0, NULL, &rows, NULL) == RHEI_OK)
            sum += known.sum_low;
    }
    return (int64_t)sum;
}

static void check(struct shared *shared, const struct mirror_snapshot *snapshot, const struct totals *before)
{
    struct totals now = total(snapshot);
    bool right = now.balance == (int64_t)ACCOUNTS * TABLES * START && now.rows == (uint64_t)ACCOUNTS * TABLES;
    right = right && known_balance(shared, snapshot) == now.balance;
    if (before != NULL)
        right = right && now.hash == before->hash;
    if (!right)
        atomic_fetch_add(&shared->wrong, 1);
    atomic_fetch_add(&shared->reads, 1);
}

static void export_one(struct shared *shared, const struct mirror_snapshot *snapshot)
{
    static const uint32_t columns[] = {1, 2};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    int64_t sum = 0;
    if (mirror_export(shared->mirror, snapshot, 1, columns, NULL, 2, NULL, &stream, NULL) != RHEI_OK)
        return;
    while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
        const int64_t *values = array.children[0]->buffers[1];
        for (int64_t i = 0; i < array.length; i++)
            sum += values[i];
        array.release(&array);
    }
    stream.release(&stream);
    struct totals rest = {0};
    const struct mirror_table_view *view = mirror_view(snapshot, 2);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++)
            add_vector(view, s, v, &rest);
    if (sum + rest.balance != (int64_t)ACCOUNTS * TABLES * START)
        atomic_fetch_add(&shared->wrong, 1);
}

static void reader(void *argument)
{
    struct shared *shared = argument;
    struct mirror_snapshot pinned[PINNED];
    struct totals seen[PINNED];
    uint32_t count = 0, turn = 0;
    while (!atomic_load(&shared->done)) {
        struct mirror_snapshot snapshot;
        struct mirror_status status;
        if (mirror_snapshot_take(shared->mirror, &snapshot) != RHEI_OK)
            continue;
        check(shared, &snapshot, NULL);
        mirror_status(shared->mirror, &status);
        if (turn % 5 == 0)
            export_one(shared, &snapshot);
        if (count < PINNED && turn++ % 3 == 0) {
            seen[count] = total(&snapshot);
            pinned[count++] = snapshot;
            continue;
        }
        mirror_snapshot_release(&snapshot);
        if (count == 0)
            continue;
        uint32_t i = turn++ % count;
        check(shared, &pinned[i], &seen[i]);
        if (count == PINNED) {
            mirror_snapshot_release(&pinned[i]);
            pinned[i] = pinned[--count];
            seen[i] = seen[count];
        }
    }
    while (count > 0) {
        count--;
        check(shared, &pinned[count], &seen[count]);
        mirror_snapshot_release(&pinned[count]);
    }
}

static void compactor(void *argument)
{
    struct shared *shared = argument;
    while (!atomic_load(&shared->done)) {
        struct mirror_compaction *work;
        if (atomic_load(&shared->prepared) != NULL || mirror_compact_prepare(shared->mirror, &work, NULL) != RHEI_OK)
            continue;
        atomic_store(&shared->prepared, work);
    }
}

/* Builds table 9 again and again; the writer attaches it. */
static void loader(void *argument)
{
    struct shared *shared = argument;
    struct model_table model;
    struct model_batch batch;
    model_init(&model, 9, 3, 1, true);
    model_batch_init(&batch, 9, 3, 5000);
    for (int64_t i = 0; i < 5000; i++)
        add(&batch, i * 3, i, note_of((uint64_t)i));
    while (!atomic_load(&shared->done)) {
        struct mirror_build *build;
        if (atomic_load(&shared->built) != NULL ||
            mirror_build_begin(shared->mirror, &model.definition, 1, &build, NULL) != RHEI_OK)
            continue;
        (void)mirror_build_append(build, 0, &batch.batch, NULL);
        atomic_store(&shared->built, build);
    }
    model_reset(&model);
    model_batch_reset(&batch);
}

static void swap_and_attach(struct shared *shared)
{
    struct mirror_compaction *work = atomic_exchange(&shared->prepared, NULL);
    if (work != NULL) {
        assert_int_equal(mirror_compact_swap(shared->mirror, &work, NULL), RHEI_OK);
        atomic_fetch_add(&shared->swaps, 1);
    }
    struct mirror_build *build = atomic_exchange(&shared->built, NULL);
    if (build == NULL)
        return;
    if (atomic_fetch_add(&shared->attaches, 1) % 3 == 0)
        mirror_drop(shared->mirror, 9);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
}

static void open_accounts(struct shared *shared)
{
    struct model_table model;
    struct model_batch batch;
    for (uint32_t t = 1; t <= TABLES; t++) {
        model_init(&model, t, 3, 1, true);
        model_batch_init(&batch, t, 3, ACCOUNTS);
        model_attach(shared->mirror, &model);
        for (int64_t i = 0; i < ACCOUNTS; i++)
            add(&batch, i, START, model_null());
        assert_int_equal(mirror_apply(shared->mirror, &batch.batch, NULL, NULL), RHEI_OK);
        model_batch_reset(&batch);
        model_reset(&model);
    }
    assert_int_equal(mirror_publish(shared->mirror, 1, NULL), RHEI_OK);
}

static void transfers(struct shared *shared, struct model_random *random)
{
    static int64_t balance[TABLES][ACCOUNTS];
    struct model_batch batch[TABLES];
    for (uint32_t t = 0; t < TABLES; t++) {
        model_batch_init(&batch[t], t + 1, 3, 2 * TRANSFERS);
        for (uint32_t i = 0; i < ACCOUNTS; i++)
            balance[t][i] = START;
    }
    for (int64_t cycle = 0; cycle < CYCLES || (cycle < MOST_CYCLES && atomic_load(&shared->reads) < READS); cycle++) {
        for (uint32_t t = 0; t < TABLES; t++)
            batch[t].batch.row_count = 0;
        for (uint32_t i = 0; i < TRANSFERS; i++) {
            uint64_t from = model_below(random, TABLES), to = model_below(random, TABLES);
            uint64_t giver = model_below(random, ACCOUNTS), taker = model_below(random, ACCOUNTS);
            int64_t amount = (int64_t)model_below(random, 50);
            balance[from][giver] -= amount;
            add(&batch[from], (int64_t)giver, balance[from][giver], note_of(model_next(random)));
            balance[to][taker] += amount;
            add(&batch[to], (int64_t)taker, balance[to][taker], note_of(model_next(random)));
        }
        for (uint32_t t = 0; t < TABLES; t++)
            assert_int_equal(mirror_apply(shared->mirror, &batch[t].batch, NULL, NULL), RHEI_OK);
        swap_and_attach(shared);
        assert_int_equal(mirror_publish(shared->mirror, cycle, NULL), RHEI_OK);
    }
    for (uint32_t t = 0; t < TABLES; t++)
        model_batch_reset(&batch[t]);
}

static void test_a1_readers_see_whole_cycles_only(void **state)
{
    (void)state;
    struct shared shared = {0};
    struct model_random random = {.state = 7};
    base_thread threads[4];
    assert_int_equal(mirror_open(NULL, &shared.mirror, NULL), RHEI_OK);
    shared.mirror->segment_rows = 2 * MIRROR_VECTOR_ROWS; /* many segments, much to compact */
    open_accounts(&shared);
    void (*const run[4])(void *) = {reader, reader, compactor, loader};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(base_thread_start(&threads[i], "mirror-test", run[i], &shared, NULL), RHEI_OK);
    transfers(&shared, &random);
    atomic_store(&shared.done, true);
    for (uint32_t i = 0; i < 4; i++)
        base_thread_join(&threads[i]);
    struct mirror_compaction *work = atomic_load(&shared.prepared);
    struct mirror_build *build = atomic_load(&shared.built);
    mirror_compact_abandon(&work);
    mirror_build_abandon(&build);
    print_message("# %llu reads, %llu swaps, %llu attached builds\n", (unsigned long long)atomic_load(&shared.reads),
                  (unsigned long long)atomic_load(&shared.swaps), (unsigned long long)atomic_load(&shared.attaches));
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_true(atomic_load(&shared.reads) > 0);
    mirror_close(&shared.mirror);
}

/* ---- A small table and nothing but takes and publishes, as fast as both go. ---------------------------------------- */

enum { SMALL_ROWS = 5, TAKES = 60000 };

static void taker(void *argument)
{
    struct shared *shared = argument;
    for (uint32_t take = 0; take < TAKES; take++) {
        struct mirror_snapshot snapshot;
        if (mirror_snapshot_take(shared->mirror, &snapshot) != RHEI_OK)
            continue;
        const struct mirror_table_view *view = mirror_view(&snapshot, 1);
        int64_t sum = 0, rows = 0;
        for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
            for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++) {
                struct mirror_vector vector;
                struct mirror_column_data data;
                mirror_view_vector(view, s, v, &vector);
                mirror_view_column(view, s, v, 1, &data);
                for (uint32_t i = 0; vector.live > 0 && i < vector.rows; i++) {
                    if (vector.dead != NULL && (vector.dead[i >> 6] >> (i & 63) & 1) != 0)
                        continue;
                    sum += ((const int64_t *)data.data)[i];
                    rows++;
                }
            }
        }
        if (rows != SMALL_ROWS || sum != rows * mirror_snapshot_position(&snapshot))
            atomic_fetch_add(&shared->wrong, 1);
        mirror_snapshot_release(&snapshot);
    }
    atomic_fetch_add(&shared->reads, 1);
}

static void test_a1_takes_beside_back_to_back_publishes(void **state)
{
    (void)state;
    enum { TAKERS = 3 };
    struct shared shared = {0};
    struct model_table model;
    struct model_batch batch;
    base_thread threads[TAKERS];
    assert_int_equal(mirror_open(NULL, &shared.mirror, NULL), RHEI_OK);
    model_init(&model, 1, 3, 1, true);
    model_batch_init(&batch, 1, 3, SMALL_ROWS);
    model_attach(shared.mirror, &model);
    for (int64_t position = 1; atomic_load(&shared.reads) < TAKERS; position++) {
        batch.batch.row_count = 0;
        for (int64_t i = 0; i < SMALL_ROWS; i++)
            add(&batch, i, position, model_null());
        assert_int_equal(mirror_apply(shared.mirror, &batch.batch, NULL, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(shared.mirror, position, NULL), RHEI_OK);
        (void)mirror_reclaim(shared.mirror);
        for (uint32_t t = 0; position == 1 && t < TAKERS; t++)
            assert_int_equal(base_thread_start(&threads[t], "mirror-test", taker, &shared, NULL), RHEI_OK);
    }
    for (uint32_t t = 0; t < TAKERS; t++)
        base_thread_join(&threads[t]);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    model_batch_reset(&batch);
    model_reset(&model);
    mirror_close(&shared.mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_readers_see_whole_cycles_only),
        cmocka_unit_test(test_a1_takes_beside_back_to_back_publishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
