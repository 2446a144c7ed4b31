/* SPDX-License-Identifier: Apache-2.0 */
/* mirror_scan against a walk over every cell: each row once, none that is dead, none outside exact ranges. */
#include "mirror_model.h"

#include "base/base_thread.h"
#include "mirror/mirror_executor.h"

enum { COLUMNS = 4, ROWS = 150000, THREADS = 4 };

struct fixture {
    struct mirror *mirror;
    struct model_table model;
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view;
};

/* id, an integer that grows with it, a REAL with NULLs, anything */
static void make_row(struct model_random *random, int64_t id, struct rhei_value row[COLUMNS])
{
    row[0] = model_integer(id);
    row[1] = model_integer(id / 3);
    row[2] = id % 7 == 0 ? model_null() : model_real((double)model_below(random, 1000) / 4);
    switch (model_below(random, 4)) {
    case 0:
        row[3] = model_integer((int64_t)model_below(random, 100));
        break;
    case 1:
        row[3] = model_text("a word");
        break;
    case 2:
        row[3] = model_real((double)model_below(random, 100) + 0.5);
        break;
    default:
        row[3] = model_null();
    }
}

static void apply(struct fixture *f, struct model_batch *batch)
{
    assert_int_equal(mirror_apply(f->mirror, &batch->batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    batch->batch.row_count = 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct model_batch batch;
    struct model_random random = {20};
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    model_init(&f->model, 1, COLUMNS, 1, true);
    model_batch_init(&batch, 1, COLUMNS, ROWS);
    model_attach(f->mirror, &f->model);
    struct rhei_value row[COLUMNS];
    for (int64_t id = 0; id < ROWS; id++) {
        make_row(&random, id, row);
        model_batch_add(&batch, CHANGE_UPSERT, row);
    }
    apply(f, &batch);
    for (int64_t id = 20000; id < 26000; id++) { /* vectors without a row, and one cut */
        row[0] = model_integer(id);
        model_batch_add(&batch, CHANGE_DELETE, row);
    }
    for (int64_t id = 70000; id < 90000; id += 1 + (int64_t)model_below(&random, 5)) {
        row[0] = model_integer(id);
        model_batch_add(&batch, CHANGE_DELETE, row);
    }
    apply(f, &batch);
    model_batch_reset(&batch);
    assert_int_equal(mirror_snapshot_take(f->mirror, &f->snapshot), RHEI_OK);
    f->view = mirror_view(&f->snapshot, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mirror_snapshot_release(&f->snapshot);
    mirror_close(&f->mirror);
    model_reset(&f->model);
    free(f);
    return 0;
}

/* ---- The oracle. -------------------------------------------------------------------------------------------------- */

static double number_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? (double)value->as.integer : value->as.real;
}

static bool within(const struct rhei_value *value, const struct mirror_range *range)
{
    if (value->type != RHEI_INTEGER && value->type != RHEI_REAL)
        return false;
    double number = number_of(value);
    if (range->low.type != RHEI_NULL &&
        (number < number_of(&range->low) || (range->above_low && number == number_of(&range->low))))
        return false;
    return range->high.type == RHEI_NULL ||
           !(number > number_of(&range->high) || (range->below_high && number == number_of(&range->high)));
}

/* How often each id was given. */
struct given {
    _Atomic uint8_t times[ROWS];
};

static struct given *new_given(void)
{
    struct given *given = calloc(1, sizeof *given);
    assert_non_null(given);
    return given;
}

static void expect(const struct fixture *f, const struct mirror_scan_options *options, const struct given *given)
{
    for (uint32_t s = 0; s < mirror_view_segment_count(f->view); s++) {
        for (uint32_t offset = 0; offset < mirror_view_segment_rows(f->view, s); offset++) {
            struct mirror_vector vector;
            struct rhei_value cell;
            mirror_view_vector(f->view, s, offset / MIRROR_VECTOR_ROWS, &vector);
            uint32_t bit = offset % MIRROR_VECTOR_ROWS;
            bool wanted = vector.dead == NULL || (vector.dead[bit / 64] >> (bit % 64) & 1) == 0;
            if (!wanted)
                continue;
            for (uint32_t r = 0; wanted && r < options->range_count; r++) {
                mirror_view_value(f->view, s, offset, options->ranges[r].column, &cell);
                wanted = within(&cell, &options->ranges[r]);
            }
            mirror_view_value(f->view, s, offset, 0, &cell);
            uint8_t times = given->times[cell.as.integer];
            if (times > 1 || (wanted && times == 0) || (!wanted && times > 0 && options->exact))
                fail_msg("row %lld was given %u times, wanted: %d", (long long)cell.as.integer, times, wanted);
        }
    }
}

static uint64_t take(struct mirror_scan *scan, struct given *given)
{
    struct mirror_scan_batch batch;
    struct mirror_slot_run runs[MIRROR_MOST_RUNS];
    uint64_t rows = 0;
    while (mirror_scan_next(scan, &batch)) {
        uint32_t count = mirror_scan_runs(&batch, runs), in_runs = 0, slot = mirror_scan_slot(&batch, 0);
        struct mirror_column_data ids;
        mirror_scan_column(scan, &batch, 0, &ids);
        for (uint32_t r = 0; r < count; r++) {
            for (uint32_t i = runs[r].from; i < runs[r].from + (uint32_t)runs[r].count; i++) {
                struct rhei_value id;
                assert_int_equal(slot, i);
                mirror_scan_value(scan, &batch, i, 0, &id);
                assert_int_equal(id.as.integer, ((const int64_t *)ids.data)[i]);
                atomic_fetch_add(&given->times[id.as.integer], 1);
                slot = mirror_scan_slot(&batch, slot + 1);
            }
            in_runs += runs[r].count;
        }
        assert_int_equal(slot, batch.rows);
        assert_int_equal(in_runs, batch.count);
        rows += batch.count;
    }
    return rows;
}

static struct mirror_scan *open_scan(const struct fixture *f, const struct mirror_scan_options *options)
{
    struct mirror_scan *scan = NULL;
    assert_int_equal(mirror_scan_open(f->view, options, &scan, NULL), RHEI_OK);
    return scan;
}

static void check(const struct fixture *f, const struct mirror_scan_options *options)
{
    struct given *given = new_given();
    struct mirror_scan *scan = open_scan(f, options);
    uint64_t rows = take(scan, given);
    assert_true(rows <= mirror_scan_slots(scan));
    if (options->range_count == 0)
        assert_int_equal(mirror_scan_estimate(scan), rows);
    expect(f, options, given);
    mirror_scan_close(&scan);
    free(given);
}

static void test_every_live_row_comes_once(void **state)
{
    check(*state, &(struct mirror_scan_options){.exact = false});
    check(*state, &(struct mirror_scan_options){.exact = true});
}

static struct rhei_value random_end(struct model_random *random, int64_t limit)
{
    switch (model_below(random, 5)) {
    case 0:
        return model_null();
    case 1:
        return model_real((double)model_below(random, (uint64_t)limit * 4) / 4);
    default:
        return model_integer((int64_t)model_below(random, (uint64_t)limit));
    }
}

static void test_ranges_take_away_what_they_may(void **state)
{
    static const int64_t limits[COLUMNS] = {ROWS, ROWS / 3, 250, 100};
    struct model_random random = {21};
    for (int i = 0; i < 60; i++) {
        struct mirror_range ranges[12];
        struct mirror_scan_options options = {
            .ranges = ranges, .range_count = (uint32_t)model_below(&random, i == 0 ? 12 : 4), .exact = i % 3 != 0};
        for (uint32_t r = 0; r < options.range_count; r++) {
            uint32_t column = (uint32_t)model_below(&random, COLUMNS);
            ranges[r] = (struct mirror_range){.column = column,
                                              .low = random_end(&random, limits[column]),
                                              .high = random_end(&random, limits[column]),
                                              .above_low = model_below(&random, 2) != 0,
                                              .below_high = model_below(&random, 2) != 0};
        }
        check(*state, &options);
    }
}

static void test_zones_leave_segments_out(void **state)
{
    struct fixture *f = *state;
    struct mirror_range range = {.column = 1, .low = model_integer(10), .high = model_integer(20)};
    struct mirror_scan_options options = {.ranges = &range, .range_count = 1, .exact = true};
    struct mirror_scan *scan = open_scan(f, &options);
    struct given *given = new_given();
    assert_int_equal(mirror_scan_slots(scan), MIRROR_SEGMENT_ROWS);
    assert_true(mirror_scan_estimate(scan) <= MIRROR_SEGMENT_ROWS);
    assert_int_equal(take(scan, given), 33);
    mirror_scan_close(&scan);
    free(given);
    range.column = COLUMNS;
    assert_int_equal(mirror_scan_open(f->view, &options, &scan, NULL), RHEI_INVALID);
    assert_null(scan);
}

/* Whether anything is within, as an exact scan's first batch tells. */
static void test_any_row_within_a_range(void **state)
{
    static const int64_t limits[COLUMNS] = {ROWS + 100, ROWS / 3 + 100, 260, 110};
    struct fixture *f = *state;
    struct model_random random = {22};
    uint32_t found = 0, nothing = 0;
    for (int i = 0; i < 2000; i++) {
        uint32_t column = (uint32_t)model_below(&random, COLUMNS);
        int64_t low = (int64_t)model_below(&random, (uint64_t)limits[column]);
        if (i % 4 == 0) /* where most rows are dead */
            low = (column == 1 ? 20000 / 3 : 20000) + (int64_t)model_below(&random, 6000);
        struct mirror_range range = {.column = column,
                                     .low = i % 7 == 0 ? model_null() : model_integer(low),
                                     .high = i % 5 == 0 ? random_end(&random, limits[column])
                                                        : model_integer(low + (int64_t)model_below(&random, 3)),
                                     .above_low = model_below(&random, 2) != 0,
                                     .below_high = model_below(&random, 2) != 0};
        struct mirror_scan *scan =
            open_scan(f, &(struct mirror_scan_options){.ranges = &range, .range_count = 1, .exact = true});
        struct mirror_scan_batch batch;
        bool any = mirror_scan_next(scan, &batch);
        if (range.low.type != RHEI_NULL || range.high.type != RHEI_NULL)
            assert_int_equal(mirror_scan_any(f->view, &range), any);
        found += any;
        nothing += !any;
        mirror_scan_close(&scan);
    }
    assert_true(found > 100 && nothing > 100);
}

static void test_the_order_is_that_of_places(void **state)
{
    struct mirror_scan *scan = open_scan(*state, NULL);
    struct mirror_scan_batch batch;
    int64_t last = -1;
    while (mirror_scan_next(scan, &batch)) {
        int64_t place = (int64_t)batch.segment * MIRROR_SEGMENT_VECTORS + batch.vector;
        assert_true(place > last);
        last = place;
    }
    mirror_scan_close(&scan);
}

struct worker {
    base_thread thread;
    struct mirror_scan *scan;
    struct given *given;
    uint64_t rows;
};

static void test_several_vectors_at_once_are_the_same(void **state)
{
    struct fixture *f = *state;
    struct mirror_scan *one = open_scan(f, NULL), *some = open_scan(f, NULL);
    struct mirror_scan_batch batch, batches[4];
    uint32_t count;
    while ((count = mirror_scan_next_some(some, batches, 4)) > 0) {
        assert_in_range(count, 1, 4);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(mirror_scan_next(one, &batch));
            assert_int_equal(batches[i].segment, batches[0].segment);
            assert_int_equal(batches[i].segment, batch.segment);
            assert_int_equal(batches[i].vector, batch.vector);
            assert_int_equal(batches[i].count, batch.count);
        }
    }
    assert_false(mirror_scan_next(one, &batch));
    mirror_scan_close(&one);
    mirror_scan_close(&some);
}

static void test_a_look_tells_how_many_rows_to_expect(void **state)
{
    struct fixture *f = *state;
    struct executor_range half = {.scan = 3, .column = 2, .low = model_real(0), .high = model_real(125)};
    uint64_t live = mirror_view_row_count(f->view);
    assert_in_range(mirror_rows_expected(f->view, 3, &half, 1), live * 35 / 100, live * 50 / 100);
    assert_int_equal(mirror_rows_expected(f->view, 2, &half, 1), live);
    half.low = model_real(1000);
    half.high = model_null();
    assert_int_equal(mirror_rows_expected(f->view, 3, &half, 1), 0);
}

static void work(void *context)
{
    struct worker *worker = context;
    worker->rows = take(worker->scan, worker->given);
}

static void test_threads_share_a_scan(void **state)
{
    struct fixture *f = *state;
    struct mirror_range range = {.column = 1, .low = model_integer(3000)};
    struct mirror_scan_options options = {.ranges = &range, .range_count = 1, .exact = true};
    struct mirror_scan *scan = open_scan(f, &options);
    struct given *given = new_given();
    struct worker workers[THREADS];
    uint64_t rows = 0;
    for (int t = 0; t < THREADS; t++) {
        workers[t] = (struct worker){.scan = scan, .given = given};
        assert_int_equal(base_thread_start(&workers[t].thread, "scan", work, &workers[t], NULL), RHEI_OK);
    }
    for (int t = 0; t < THREADS; t++) {
        base_thread_join(&workers[t].thread);
        rows += workers[t].rows;
    }
    assert_true(rows > 0);
    expect(f, &options, given);
    mirror_scan_close(&scan);
    free(given);
}

static void test_a_scan_without_memory_is_none(void **state)
{
    struct fixture *f = *state;
    struct mirror_range range = {.column = 1, .low = model_integer(3000)};
    struct mirror_scan_options options = {.ranges = &range, .range_count = 1, .exact = true};
    struct mirror_scan *scan = NULL;
    for (uint64_t n = 1; n <= 4; n++) {
        base_memory_fail_after(n);
        assert_int_equal(mirror_scan_open(f->view, &options, &scan, NULL), RHEI_NO_MEMORY);
        assert_null(scan);
    }
    base_memory_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_live_row_comes_once),
        cmocka_unit_test(test_ranges_take_away_what_they_may),
        cmocka_unit_test(test_zones_leave_segments_out),
        cmocka_unit_test(test_any_row_within_a_range),
        cmocka_unit_test(test_the_order_is_that_of_places),
        cmocka_unit_test(test_threads_share_a_scan),
        cmocka_unit_test(test_several_vectors_at_once_are_the_same),
        cmocka_unit_test(test_a_look_tells_how_many_rows_to_expect),
        cmocka_unit_test(test_a_scan_without_memory_is_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
