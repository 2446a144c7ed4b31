/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_fixture.h"

enum { BATCH = 20000 };

static int setup(void **state)
{
    *state = fixture_new_attached(3, BATCH);
    return 0;
}

static void flush(struct fixture *f)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

static void change(struct fixture *f, uint8_t op, int64_t key, int64_t value)
{
    struct rhei_value row[3] = {model_integer(key), model_integer(value), model_text("some text beyond twelve")};
    if (value % 3 == 0)
        row[2] = model_null();
    model_batch_add(&f->batch, op, row);
    model_apply(&f->model, op, row);
    if (f->batch.batch.row_count == BATCH)
        flush(f);
}

static void check(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    flush(f);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    model_assert_equal(&f->model, mirror_view(&snapshot, 1));
    model_assert_facts(mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
}

static uint32_t compact_all(struct fixture *f)
{
    uint32_t count = 0;
    for (;; count++) {
        struct mirror_compaction *work;
        assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
        if (work == NULL)
            return count;
        assert_true(count < 10000);
        assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    }
}

static void test_dead_rows_go_and_memory_comes_back(void **state)
{
    struct fixture *f = *state;
    struct mirror_status before, after;
    for (int64_t i = 0; i < 200000; i++)
        change(f, CHANGE_UPSERT, i, i);
    for (int64_t i = 0; i < 200000; i++)
        if (i % 3 != 0)
            change(f, CHANGE_DELETE, i, 0);
    check(f);
    mirror_status(f->mirror, &before);
    assert_int_equal(compact_all(f) > 0, 1);
    mirror_reclaim(f->mirror);
    mirror_status(f->mirror, &after);
    assert_true(after.dead_rows < before.dead_rows / 3);
    assert_true(after.memory_bytes - after.pool_bytes < (before.memory_bytes - before.pool_bytes) * 2 / 3);
    assert_true(after.compactions > 0);
    check(f);
    for (int64_t i = 0; i < 200000; i += 2) /* row ids still lead to their rows */
        change(f, i % 4 == 0 ? CHANGE_DELETE : CHANGE_UPSERT, i, i + 1);
    check(f);
    (void)compact_all(f);
    check(f);
}

/* Rows that die between prepare and swap must be dead in the copy. */
static void test_deletions_during_the_copy_are_kept(void **state)
{
    struct fixture *f = *state;
    struct mirror_compaction *work;
    struct mirror_snapshot old;
    for (int64_t i = 0; i < 60000; i++)
        change(f, CHANGE_UPSERT, i, i);
    for (int64_t i = 0; i < 60000; i += 5)
        change(f, CHANGE_DELETE, i, 0);
    check(f);
    assert_int_equal(mirror_snapshot_take(f->mirror, &old), RHEI_OK);
    struct model_sum sum = f->model.sum;
    for (int round = 0; round < 4; round++) {
        assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
        for (int64_t i = round; i < 60000; i += 13)
            change(f, i % 2 == 0 ? CHANGE_DELETE : CHANGE_UPSERT, i, -i);
        flush(f);
        for (int64_t i = round; i < 60000; i += 17) /* and in the cycle of the swap itself */
            change(f, i % 2 == 0 ? CHANGE_DELETE : CHANGE_UPSERT, i, -i);
        assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
        f->batch.batch.row_count = 0;
        assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
        for (int64_t i = round; i < 60000; i += 19)
            change(f, i % 2 == 0 ? CHANGE_DELETE : CHANGE_UPSERT, i, i);
        check(f);
    }
    struct model_sum now = model_sum_vectors(mirror_view(&old, 1));
    assert_int_equal(now.rows, sum.rows);
    assert_true(now.hash == sum.hash);
    mirror_snapshot_release(&old);
}

static void test_swap_after_drop_or_rebuild_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct mirror_compaction *work;
    for (int64_t i = 0; i < 20000; i++)
        change(f, CHANGE_UPSERT, i, i);
    for (int64_t i = 0; i < 10000; i++)
        change(f, CHANGE_DELETE, i, i);
    flush(f);
    assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
    assert_non_null(work);
    mirror_drop(f->mirror, 1);
    model_attach(f->mirror, &f->model); /* same number, another table */
    assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
    assert_null(work);
    model_reset(&f->model);
    model_init(&f->model, 1, 3, 1, true);
    check(f);
}

/* Twelve numbers, hot updates for many times as many rows: numbers must come back in ordinary cycles. */
static void test_row_ids_never_run_out(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {.state = 2};
    f->mirror->first_rows = f->mirror->segment_rows = MIRROR_VECTOR_ROWS;
    f->mirror->max_segments = 12;
    struct mirror_snapshot held[5];
    struct model_sum sums[5];
    for (uint32_t round = 0; round < 5; round++) {
        for (int64_t i = 0; i < 60000; i++) {
            change(f, CHANGE_UPSERT, (int64_t)model_below(&random, 5000), i);
            if (i % 500 == 0)
                flush(f);
        }
        check(f);
        assert_int_equal(mirror_snapshot_take(f->mirror, &held[round]), RHEI_OK);
        sums[round] = f->model.sum;
    }
    for (uint32_t round = 0; round < 5; round++) {
        assert_true(model_sum_vectors(mirror_view(&held[round], 1)).hash == sums[round].hash);
        mirror_snapshot_release(&held[round]);
    }
    const struct mirror_table *table = mirror_table_find(f->mirror, 1);
    assert_true(table->segment_count <= 12);
}

static void test_too_many_rows_are_refused(void **state)
{
    struct fixture *f = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    f->mirror->first_rows = f->mirror->segment_rows = MIRROR_VECTOR_ROWS;
    f->mirror->max_segments = 4;
    for (int64_t i = 0; i < 4 * MIRROR_VECTOR_ROWS; i++)
        change(f, CHANGE_UPSERT, i, i);
    check(f); /* full to the last slot */
    struct rhei_value row[3] = {model_integer(-1), model_null(), model_null()};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, &error), RHEI_TOO_BIG);
    assert_non_null(strstr(error.message, "2^32"));
    f->batch.batch.row_count = 0;
    struct mirror_build *build;
    assert_int_equal(mirror_build_begin(f->mirror, &f->model.definition, 1, &build, NULL), RHEI_OK);
    for (int64_t i = 0; i <= 4 * MIRROR_VECTOR_ROWS; i++) {
        row[0] = model_integer(i);
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_build_append(build, 0, &f->batch.batch, NULL), RHEI_TOO_BIG);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_INVALID);
    f->batch.batch.row_count = 0;
}

/* What a swap would turn away must not be offered: callers compact until nothing is left. */
static void test_compaction_ends_where_it_can_do_nothing(void **state)
{
    struct fixture *f = *state;
    f->mirror->first_rows = f->mirror->segment_rows = MIRROR_VECTOR_ROWS;
    f->mirror->max_segments = 4;
    for (int64_t i = 0; i < 4 * MIRROR_VECTOR_ROWS; i++)
        change(f, CHANGE_UPSERT, i, i);
    flush(f);
    f->mirror->max_segments = 3; /* as if the numbers had run out */
    for (int64_t i = 0; i < MIRROR_VECTOR_ROWS; i++)
        if (i % 8 != 0)
            change(f, CHANGE_DELETE, i, i);
    check(f);
    assert_true(compact_all(f) <= 3);
    check(f);
    for (int64_t i = MIRROR_VECTOR_ROWS; i < 2 * MIRROR_VECTOR_ROWS; i += 2)
        change(f, CHANGE_DELETE, i, i);
    flush(f);
    struct rhei_value row[3] = {model_text("no integer")};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_TYPE);
    f->batch.batch.row_count = 0;
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    assert_int_equal(compact_all(f), 0); /* the table is unsound */
}

static void test_d6_failing_memory_leaves_the_table_sound(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 20000; i++)
        change(f, CHANGE_UPSERT, i, i);
    for (int64_t i = 0; i < 20000; i += 4)
        change(f, CHANGE_DELETE, i, i);
    flush(f);
    for (uint64_t n = 1; n < 60; n++) {
        struct mirror_compaction *work;
        mirror_small_reset(f->mirror);
        base_memory_fail_after(n);
        rhei_status status = mirror_compact_prepare(f->mirror, &work, NULL);
        base_memory_fail_after(0);
        if (status != RHEI_OK) {
            assert_int_equal(status, RHEI_NO_MEMORY);
            assert_null(work);
            continue;
        }
        if (work == NULL)
            break;
        for (int64_t i = (int64_t)n; i < 20000; i += 509)
            change(f, CHANGE_DELETE, i, i);
        flush(f);
        mirror_small_reset(f->mirror);
        base_memory_fail_after(n % 7 + 1);
        (void)mirror_compact_swap(f->mirror, &work, NULL);
        base_memory_fail_after(0);
        assert_false(mirror_table_find(f->mirror, 1)->unsound);
        check(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dead_rows_go_and_memory_comes_back, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_deletions_during_the_copy_are_kept, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_swap_after_drop_or_rebuild_does_nothing, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_row_ids_never_run_out, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_too_many_rows_are_refused, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_compaction_ends_where_it_can_do_nothing, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_failing_memory_leaves_the_table_sound, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
