/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges, totals and ranged exports against a reader that looks at every cell, while rows come, change and go. */
#include <math.h>

#include "base/base_clock.h"
#include "mirror/mirror_part.h"
#include "mirror_fixture.h"

enum { COLUMNS = 5, ROUNDS = 30, KEYS = 9000 };

static int setup(void **state)
{
    struct fixture *f = fixture_new_attached(COLUMNS, 100000);
    f->random.state = base_random_u64();
    print_message("seed %llu\n", (unsigned long long)f->random.state);
    *state = f;
    return 0;
}

static const int64_t integers[] = {0, 1, -1, 7, INT64_MAX, INT64_MIN, INT64_MAX - 1, 1ll << 53, (1ll << 53) + 1, -42};
static const double reals[] = {0.5, -3.25, 1e300, -1e300, 5e-324, 0x1p53, 0x1p63, -0x1p63, 1e-3, 123456.75, 7};

static struct rhei_value any_integer(struct fixture *f)
{
    return model_integer(model_below(&f->random, 4) == 0 ? integers[model_below(&f->random, 10)]
                                                         : (int64_t)model_below(&f->random, 2000) - 1000);
}

static struct rhei_value any_real(struct fixture *f)
{
    return model_real(model_below(&f->random, 40) == 0 ? reals[model_below(&f->random, 11)]
                                                       : (double)model_below(&f->random, 200000) / 100 - 1000);
}

static void change(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t key = (int64_t)model_below(&f->random, KEYS);
        struct rhei_value row[COLUMNS] = {model_integer(key), any_integer(f), any_real(f), model_text("text"),
                                          model_null()};
        if (model_below(&f->random, 5) == 0)
            row[1] = row[3] = model_null();
        if (model_below(&f->random, 5) == 0)
            row[2] = model_null();
        model_batch_add(&f->batch, model_below(&f->random, 4) == 0 ? CHANGE_DELETE : CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

/* SQLite's comparison of two numbers. */
static int compare(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type == RHEI_INTEGER && b->type == RHEI_INTEGER)
        return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
    if (a->type == RHEI_INTEGER)
        return mirror_compare_integer_real(a->as.integer, b->as.real);
    if (b->type == RHEI_INTEGER)
        return -mirror_compare_integer_real(b->as.integer, a->as.real);
    return (a->as.real > b->as.real) - (a->as.real < b->as.real);
}

static bool is_within(const struct rhei_value *value, const struct mirror_range *range)
{
    if (value->type != RHEI_INTEGER && value->type != RHEI_REAL)
        return false;
    if (range->low.type != RHEI_NULL && compare(value, &range->low) < (range->above_low ? 1 : 0))
        return false;
    return range->high.type == RHEI_NULL || compare(value, &range->high) <= (range->below_high ? -1 : 0);
}

__extension__ typedef __int128 wide_int;

struct naive {
    uint64_t rows, count[COLUMNS];
    struct rhei_value low[COLUMNS], high[COLUMNS];
    wide_int integers;
    struct base_exact_sum reals;
};

static void take_row(struct naive *naive, const struct rhei_value *row)
{
    naive->rows++;
    for (uint32_t c = 0; c < COLUMNS; c++) {
        if (row[c].type == RHEI_NULL)
            continue;
        bool first = naive->count[c]++ == 0;
        if (row[c].type == RHEI_TEXT)
            continue;
        if (first || compare(&row[c], &naive->low[c]) < 0)
            naive->low[c] = row[c];
        if (first || compare(&row[c], &naive->high[c]) > 0)
            naive->high[c] = row[c];
    }
    if (row[1].type == RHEI_INTEGER)
        naive->integers += row[1].as.integer;
    if (row[2].type == RHEI_REAL)
        assert_true(base_exact_sum_add(&naive->reals, row[2].as.real));
}

static void read_naively(const struct mirror_table_view *view, const struct mirror_range *ranges, uint32_t range_count,
                         struct naive *naive)
{
    memset(naive, 0, sizeof *naive);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++)
        for (uint32_t i = 0; i < mirror_view_segment_rows(view, s); i++) {
            struct mirror_vector vector;
            struct rhei_value row[COLUMNS];
            uint32_t bit = i % MIRROR_VECTOR_ROWS;
            mirror_view_vector(view, s, i / MIRROR_VECTOR_ROWS, &vector);
            bool in = vector.dead == NULL || (vector.dead[bit >> 6] >> (bit & 63) & 1) == 0;
            for (uint32_t c = 0; c < COLUMNS; c++)
                mirror_view_value(view, s, i, c, &row[c]);
            for (uint32_t r = 0; r < range_count && in; r++)
                in = is_within(&row[ranges[r].column], &ranges[r]);
            if (in)
                take_row(naive, row);
        }
}

static void assert_same_value(const struct rhei_value *got, const struct rhei_value *wanted, bool any)
{
    assert_int_equal(got->type, any ? wanted->type : RHEI_NULL);
    if (any)
        assert_int_equal(compare(got, wanted), 0);
}

static void assert_totals(struct fixture *f, const struct mirror_table_view *view, const struct mirror_range *ranges,
                          uint32_t range_count)
{
    struct mirror_total totals[COLUMNS] = {{.column = 1, .numbers = true},
                                           {.column = 2, .numbers = true},
                                           {.column = 3},
                                           {.column = 0, .numbers = true},
                                           {.column = 4, .numbers = true}};
    struct naive naive;
    uint64_t rows = 0;
    double sum;
    read_naively(view, ranges, range_count, &naive);
    assert_int_equal(
        mirror_aggregate(f->mirror, view, totals, COLUMNS, ranges, range_count, UINT32_MAX, NULL, &rows, NULL),
        RHEI_OK);
    assert_int_equal(rows, naive.rows);
    for (uint32_t t = 0; t < COLUMNS; t++) {
        uint32_t c = totals[t].column;
        assert_int_equal(totals[t].count, naive.count[c]);
        if (totals[t].numbers) {
            assert_same_value(&totals[t].low, &naive.low[c], naive.count[c] > 0);
            assert_same_value(&totals[t].high, &naive.high[c], naive.count[c] > 0);
        }
    }
    assert_true(totals[0].sum_low == (uint64_t)naive.integers && totals[0].sum_high == (int64_t)(naive.integers >> 64));
    assert_true(base_bin_sum_result(&totals[1].reals, &sum));
    assert_true(sum == base_exact_sum_result(&naive.reals));
    base_bin_sum_reset(&totals[1].reals);
    base_exact_sum_reset(&naive.reals);
}

/* Each group against the totals of its rows, which a range picks. */
static void assert_groups(struct fixture *f, const struct mirror_table_view *view, const struct mirror_range *ranges,
                          uint32_t range_count, uint32_t key)
{
    static const struct mirror_group_column columns[] = {{.column = 1, .sums = true, .extremes = true},
                                                         {.column = 2, .sums = true, .extremes = true},
                                                         {.column = 3},
                                                         {.column = 4, .sums = true, .extremes = true}};
    struct mirror_grouping grouping = {.key = key,
                                       .columns = columns,
                                       .column_count = 4,
                                       .ranges = ranges,
                                       .range_count = range_count,
                                       .most_groups = UINT32_MAX};
    struct mirror_groups *groups = NULL;
    struct naive naive;
    uint64_t rows = 0, group_rows = 0;
    bool null_seen = false;
    read_naively(view, ranges, range_count, &naive);
    assert_int_equal(mirror_group(view, &grouping, &groups, NULL), RHEI_OK);
    for (uint32_t g = 0; g < mirror_groups_count(groups); g++) {
        struct rhei_value value;
        mirror_groups_key(groups, g, &value);
        rows += mirror_groups_rows(groups, g);
        assert_false(value.type == RHEI_NULL && null_seen);
        null_seen = null_seen || value.type == RHEI_NULL;
        if (key == 3)
            assert_true(value.type == RHEI_NULL || (value.length == 4 && memcmp(value.as.bytes, "text", 4) == 0));
        struct mirror_total empty;
        mirror_groups_total(groups, g, 3, &empty);
        assert_true(empty.count == 0 && empty.low.type == RHEI_NULL);
        if (value.type != RHEI_INTEGER || model_below(&f->random, 8) != 0)
            continue;
        struct mirror_range all[4] = {{.column = key, .low = value, .high = value}};
        struct mirror_total totals[3] = {{.column = 1, .numbers = true}, {.column = 2, .numbers = true}, {.column = 3}};
        memcpy(&all[1], ranges, range_count * sizeof *ranges);
        assert_int_equal(
            mirror_aggregate(f->mirror, view, totals, 3, all, range_count + 1, UINT32_MAX, NULL, &group_rows, NULL),
            RHEI_OK);
        assert_int_equal(mirror_groups_rows(groups, g), group_rows);
        for (uint32_t t = 0; t < 3; t++) {
            struct mirror_total total;
            double sum, wanted;
            mirror_groups_total(groups, g, t, &total);
            assert_int_equal(total.count, totals[t].count);
            assert_true(total.sum_low == totals[t].sum_low && total.sum_high == totals[t].sum_high);
            assert_true(base_bin_sum_result(&total.reals, &sum) && base_bin_sum_result(&totals[t].reals, &wanted));
            assert_memory_equal(&sum, &wanted, sizeof sum);
            if (t < 2) {
                assert_same_value(&total.low, &totals[t].low, total.count > 0);
                assert_same_value(&total.high, &totals[t].high, total.count > 0);
            }
            base_bin_sum_reset(&totals[t].reals);
        }
    }
    assert_int_equal(rows, naive.rows);
    assert_true(key == 3 ? mirror_groups_count(groups) <= 2 : true);
    mirror_groups_free(&groups);
    base_exact_sum_reset(&naive.reals);
}

static struct rhei_value any_end(struct fixture *f)
{
    switch (model_below(&f->random, 5)) {
    case 0:
        return model_null();
    case 1:
        return model_integer(integers[model_below(&f->random, 10)]);
    case 2:
        return model_real(model_below(&f->random, 2) == 0 ? (double)INFINITY : reals[model_below(&f->random, 11)]);
    case 3:
        return any_integer(f);
    default:
        return any_real(f);
    }
}

static struct mirror_range any_range(struct fixture *f)
{
    static const uint32_t of[] = {0, 1, 2, 2, 1, 4};
    return (struct mirror_range){.column = of[model_below(&f->random, 6)],
                                 .low = any_end(f),
                                 .high = any_end(f),
                                 .above_low = model_below(&f->random, 2) == 0,
                                 .below_high = model_below(&f->random, 2) == 0};
}

static uint64_t exported_rows(struct fixture *f, const struct mirror_snapshot *snapshot,
                              const struct mirror_range *ranges, uint32_t count)
{
    static const uint32_t all[COLUMNS] = {3, 1, 2, 1, 0};
    struct mirror_export_options options = {.ranges = ranges, .range_count = count};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    uint64_t rows = 0;
    int64_t checked = 0;
    assert_int_equal(mirror_export(f->mirror, snapshot, 1, all, NULL, COLUMNS, &options, &stream, NULL), RHEI_OK);
    while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
        const uint64_t *valid = array.children[1]->buffers[0];
        for (int64_t i = 0; i < array.length; i++) {
            struct rhei_value value = model_integer(((const int64_t *)array.children[1]->buffers[1])[i]);
            if (valid != NULL && (valid[i / 64] >> (i % 64) & 1) == 0)
                value = model_null();
            for (uint32_t r = 0; r < count; r++)
                if (ranges[r].column == 1 && checked++ >= 0)
                    assert_true(is_within(&value, &ranges[r]));
        }
        rows += (uint64_t)array.length;
        array.release(&array);
    }
    stream.release(&stream);
    return rows;
}

static void check(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    assert_totals(f, view, NULL, 0);
    assert_totals(f, view, NULL, 0); /* as kept */
    for (int i = 0; i < 6; i++) {
        struct mirror_range ranges[3] = {any_range(f), any_range(f), any_range(f)};
        uint32_t count = (uint32_t)model_below(&f->random, 3) + 1;
        struct naive naive;
        assert_totals(f, view, ranges, count);
        assert_groups(f, view, ranges, count, i % 2 == 0 ? 1 : 3);
        read_naively(view, ranges, count, &naive);
        assert_int_equal(exported_rows(f, &snapshot, ranges, count), naive.rows);
        base_exact_sum_reset(&naive.reals);
    }
    mirror_snapshot_release(&snapshot);
}

static void test_q2_totals_and_ranges(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot early = {.version = NULL};
    for (int round = 0; round < ROUNDS; round++) {
        change(f, round % 3 == 0 ? 6000 : model_below(&f->random, 50) + 1);
        check(f);
        if (round == 10)
            assert_int_equal(mirror_snapshot_take(f->mirror, &early), RHEI_OK);
        for (struct mirror_compaction *work = NULL; round % 7 == 6;) {
            assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
            if (work == NULL)
                break;
            assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
            assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
        }
    }
    assert_totals(f, mirror_view(&early, 1), NULL, 0); /* what is kept is the newer snapshots' */
    mirror_snapshot_release(&early);
}

/* Of zeros the first one counts, with its sign, as SQLite's min and max say. */
static void assert_first_extremes(struct fixture *f, const struct mirror_table_view *view,
                                  const struct mirror_range *range)
{
    struct mirror_total total = {.column = 2, .numbers = true};
    struct naive naive;
    uint64_t rows = 0;
    read_naively(view, range, 1, &naive);
    assert_int_equal(mirror_aggregate(f->mirror, view, &total, 1, range, 1, UINT32_MAX, NULL, &rows, NULL), RHEI_OK);
    assert_int_equal(rows, naive.rows);
    if (naive.count[2] > 0) {
        assert_memory_equal(&total.low.as.real, &naive.low[2].as.real, sizeof total.low.as.real);
        assert_memory_equal(&total.high.as.real, &naive.high[2].as.real, sizeof total.high.as.real);
    }
    base_bin_sum_reset(&total.reals);
    base_exact_sum_reset(&naive.reals);
}

/* What a range cuts off ascending keys is a run of rows, but for those that died. */
static void test_q2_runs_of_ascending_rows(void **state)
{
    static const double alike[] = {0.0, -0.0, 0.25, -0.25};
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    uint64_t kinds = 2;
    for (int64_t key = 0; key < KEYS; key++) {
        if (key % 500 == 0) /* zeros alone, or beside others of one sign or both */
            kinds = 2 + model_below(&f->random, 3);
        struct rhei_value row[COLUMNS] = {model_integer(key), any_integer(f),
                                          model_real(alike[model_below(&f->random, kinds)]), model_text("text"),
                                          model_null()};
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
        const struct mirror_table_view *view = mirror_view(&snapshot, 1);
        for (int i = 0; i < 200; i++) {
            int64_t low = (int64_t)model_below(&f->random, KEYS);
            struct mirror_range range = {.low = model_integer(low),
                                         .high = model_integer(low + (int64_t)model_below(&f->random, 3000)),
                                         .above_low = model_below(&f->random, 2) == 0};
            assert_first_extremes(f, view, &range);
            assert_totals(f, view, &range, 1);
        }
        mirror_snapshot_release(&snapshot);
        for (int64_t key = 0; key < KEYS; key += 1 + (int64_t)model_below(&f->random, 2000)) {
            struct rhei_value row[COLUMNS] = {model_integer(key), model_null(), model_null(), model_null(),
                                              model_null()};
            model_batch_add(&f->batch, CHANGE_DELETE, row);
        }
        assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
        f->batch.batch.row_count = 0;
    }
}

/* Vectors of a column whose part is kept. */
static uint32_t kept_parts(const struct mirror_table_view *view, uint32_t column)
{
    uint32_t kept = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        const struct mirror_segment *segment = mirror_trie_get(&view->segments, s);
        const struct mirror_part *parts = atomic_load(&segment->column[column].parts);
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s) && parts != NULL; v++)
            kept += atomic_load(&parts[v].sequence) != 0;
    }
    return kept;
}

/* Cents beside thousands: more bits than the bins of one scale have, fewer than 128. */
static void test_q2_sums_over_many_scales_are_kept(void **state)
{
    struct fixture *f = *state;
    enum { ROWS = 70000 };
    struct mirror_total total = {.column = 2, .numbers = true}, again = total;
    struct base_exact_sum naive = {0};
    struct mirror_snapshot snapshot;
    uint64_t rows = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        double value = (double)(i * i) / 100;
        struct rhei_value row[COLUMNS] = {model_integer(i), model_integer(i), model_real(value), model_text("text"),
                                          model_null()};
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
        assert_true(base_exact_sum_add(&naive, value));
    }
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, ++f->position, NULL), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    double first, second, expected = base_exact_sum_result(&naive);
    assert_int_equal(mirror_aggregate(f->mirror, view, &total, 1, NULL, 0, 0, NULL, &rows, NULL), RHEI_OK);
    assert_int_equal(mirror_aggregate(f->mirror, view, &again, 1, NULL, 0, 0, NULL, &rows, NULL), RHEI_OK);
    assert_true(base_bin_sum_result(&total.reals, &first) && base_bin_sum_result(&again.reals, &second));
    assert_memory_equal(&first, &expected, sizeof first);
    assert_memory_equal(&second, &expected, sizeof second);
    assert_int_equal(again.count, ROWS);
    assert_int_equal(kept_parts(view, 2), (ROWS + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS);
    base_bin_sum_reset(&total.reals);
    base_bin_sum_reset(&again.reals);
    base_exact_sum_reset(&naive);
    mirror_snapshot_release(&snapshot);
}

static rhei_status cancelled(void *context)
{
    (void)context;
    return RHEI_CANCELLED;
}

static void test_q5_stops_and_limits(void **state)
{
    struct fixture *f = *state;
    struct mirror_stop stop = {.check = cancelled};
    struct mirror_total total = {.column = 1, .numbers = true};
    struct mirror_range half = {.column = 1, .low = model_integer(0)};
    struct mirror_snapshot snapshot;
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t rows;
    change(f, 60000);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    assert_int_equal(mirror_aggregate(f->mirror, view, &total, 1, NULL, 0, 1, &stop, &rows, &error), RHEI_CANCELLED);
    assert_int_equal(mirror_aggregate(f->mirror, view, &total, 1, &half, 1, 1, NULL, &rows, NULL), RHEI_UNSUPPORTED);
    static const uint32_t columns[] = {0, 3};
    struct mirror_export_options options = {.stop = stop};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, columns, NULL, 2, &options, &stream, NULL), RHEI_OK);
    assert_int_not_equal(stream.get_next(&stream, &array), 0);
    stream.release(&stream);
    options = (struct mirror_export_options){.most_bytes = 4000};
    assert_int_equal(mirror_export(f->mirror, &snapshot, 1, columns, NULL, 2, &options, &stream, NULL), RHEI_OK);
    int64_t live = 0;
    while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
        assert_true(array.length * (2 * 8 + 4) <= 4000 + 8 * 4000);
        live += array.length;
        array.release(&array);
    }
    assert_int_equal(live, mirror_view_row_count(view));
    stream.release(&stream);
    mirror_snapshot_release(&snapshot);
}

static void test_q5_groups_end_early(void **state)
{
    struct fixture *f = *state;
    static const struct mirror_group_column columns[] = {{.column = 2, .sums = true, .extremes = true}};
    struct mirror_grouping grouping = {.key = 1, .columns = columns, .column_count = 1, .most_groups = 20};
    struct mirror_groups *groups = NULL;
    struct mirror_snapshot snapshot;
    struct rhei_error error = RHEI_ERROR_INIT;
    change(f, 60000);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    assert_int_equal(mirror_group(view, &grouping, &groups, &error), RHEI_UNSUPPORTED);
    grouping.most_groups = 20000;
    grouping.key = 2; /* REALs */
    assert_int_equal(mirror_group(view, &grouping, &groups, &error), RHEI_UNSUPPORTED);
    assert_int_equal(error.code, RHEI_OK);
    grouping.key = 1;
    grouping.stop.check = cancelled;
    assert_int_equal(mirror_group(view, &grouping, &groups, &error), RHEI_CANCELLED);
    grouping.stop.check = NULL;
    rhei_status status = RHEI_NO_MEMORY;
    for (uint64_t nth = 1; status != RHEI_OK; nth++) {
        base_memory_fail_after(nth);
        status = mirror_group(view, &grouping, &groups, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || (status == RHEI_NO_MEMORY && groups == NULL));
    }
    mirror_groups_free(&groups);
    mirror_snapshot_release(&snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_totals_and_ranges, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_q2_runs_of_ascending_rows, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_q2_sums_over_many_scales_are_kept, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_q5_stops_and_limits, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_q5_groups_end_early, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
