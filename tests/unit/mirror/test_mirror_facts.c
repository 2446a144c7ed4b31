/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a column: never too little for any snapshot, and no longer too much once its last culprit is dead. */
#include "mirror_fixture.h"

enum { ROWS = 20000, COLUMNS = 3, CLASSES = MIRROR_HAS_INTEGER | MIRROR_HAS_REAL | MIRROR_HAS_TEXT | MIRROR_HAS_BLOB };

static int setup(void **state)
{
    *state = fixture_new_attached(COLUMNS, ROWS);
    return 0;
}

static void put(struct fixture *f, int64_t key, struct rhei_value value)
{
    struct rhei_value row[COLUMNS] = {model_integer(key), value, model_integer(1)};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    model_apply(&f->model, CHANGE_UPSERT, row);
}

static void take_out(struct fixture *f, int64_t key)
{
    struct rhei_value row[COLUMNS] = {model_integer(key)};
    model_batch_add(&f->batch, CHANGE_DELETE, row);
    model_apply(&f->model, CHANGE_DELETE, row);
}

/* The flags of the second column in the state published now. */
static uint32_t flags_now(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 1);
    model_assert_equal(&f->model, view);
    model_assert_facts(view);
    uint32_t flags = mirror_view_column_flags(view, 1);
    assert_int_equal(mirror_view_column_flags(view, 2) & CLASSES, MIRROR_HAS_INTEGER);
    mirror_snapshot_release(&snapshot);
    return flags;
}

static uint32_t publish(struct fixture *f)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
    return flags_now(f);
}

static void fill(struct fixture *f, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        put(f, i, model_integer(i));
    assert_int_equal(publish(f), MIRROR_HAS_INTEGER);
}

static void test_a_mended_value_lets_its_column_back_at_once(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot dirty;
    fill(f, 5000);
    put(f, 77, model_text("n/a, and \xc3\xa9"));
    assert_int_equal(publish(f), MIRROR_HAS_INTEGER | MIRROR_HAS_TEXT | MIRROR_NON_ASCII);
    assert_int_equal(mirror_snapshot_take(f->mirror, &dirty), RHEI_OK);
    put(f, 77, model_integer(231));
    assert_int_equal(publish(f), MIRROR_HAS_INTEGER);
    put(f, 78, model_real(0.5)); /* the older snapshot may learn of it; it must never forget its text */
    assert_int_equal(publish(f), MIRROR_HAS_INTEGER | MIRROR_HAS_REAL | MIRROR_NOT_WHOLE);
    assert_int_equal(mirror_view_column_flags(mirror_view(&dirty, 1), 1) & MIRROR_HAS_TEXT, MIRROR_HAS_TEXT);
    mirror_snapshot_release(&dirty);
    take_out(f, 78);
    assert_int_equal(publish(f), MIRROR_HAS_INTEGER);
}

/* Dirty values that come and go inside one batch, in every order, are counted off exactly. */
static void test_values_of_one_cycle(void **state)
{
    struct fixture *f = *state;
    fill(f, 100);
    put(f, 5, model_text("stays"));
    assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER | MIRROR_HAS_TEXT);
    put(f, 1000, model_text("new, then gone"));
    take_out(f, 1000);
    put(f, 1001, model_text("new, then mended"));
    put(f, 1001, model_integer(1));
    put(f, 6, model_blob("old, then mended", 16));
    put(f, 6, model_integer(6));
    put(f, 7, model_real(0.25));
    take_out(f, 7);
    put(f, 1002, model_integer(1));
    put(f, 1002, model_text("mended, dirty, gone"));
    take_out(f, 1002);
    put(f, 1002, model_integer(3));
    put(f, 5, model_null());
    assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
    for (int round = 0; round < 3; round++) { /* the same rows over several batches of one cycle */
        put(f, 2000, model_text("a"));
        put(f, 2001, model_integer(1));
        assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
        f->batch.batch.row_count = 0;
    }
    take_out(f, 2000);
    put(f, 2001, model_real(1.5));
    take_out(f, 2001);
    assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
}

/* Dirty and mended again and again: neither the facts nor the segments pile up. */
static void test_again_and_again(void **state)
{
    struct fixture *f = *state;
    struct mirror_status status;
    fill(f, 3000);
    for (int64_t i = 0; i < 300; i++) {
        put(f, i, i % 2 == 0 ? model_text("n/a") : model_real(0.5));
        assert_int_not_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
        put(f, i, model_integer(i));
        assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
    }
    mirror_status(f->mirror, &status);
    assert_in_range(status.segments, 1, 8);
}

static void compact_all(struct fixture *f)
{
    for (int i = 0; i < 1000; i++) {
        struct mirror_compaction *work;
        assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
        if (work == NULL)
            return;
        assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    }
}

/* What only one segment is to blame for, within one class, goes with its compaction. */
static void test_compaction_takes_flags_back(void **state)
{
    struct fixture *f = *state;
    f->mirror->segment_rows = MIRROR_VECTOR_ROWS;
    for (int64_t i = 0; i < 2 * MIRROR_VECTOR_ROWS; i++) /* the first segment is full and closed then */
        put(f, i,
            i >= 1000    ? model_text("plain")
            : i % 4 == 0 ? model_text("caf\xc3\xa9")
            : i % 4 == 1 ? model_text("a\xff")
                         : model_text("plain"));
    assert_int_equal(publish(f), MIRROR_HAS_TEXT | MIRROR_NON_ASCII | MIRROR_INVALID_UTF8);
    for (int64_t i = 0; i < 1000; i++)
        if (i % 4 == 1)
            take_out(f, i);
    (void)publish(f);
    compact_all(f);
    assert_int_equal(flags_now(f), MIRROR_HAS_TEXT | MIRROR_NON_ASCII);
    for (int64_t i = 0; i < 1000; i++)
        if (i % 4 == 0)
            put(f, i, model_text("plain"));
    (void)publish(f);
    compact_all(f);
    assert_int_equal(flags_now(f), MIRROR_HAS_TEXT);
}

/* Whatever happens, facts admit every value of every snapshot; mended rows leave one class, compaction between or not. */
static void test_any_history(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {.state = 20260731};
    struct mirror_snapshot held[8] = {0};
    for (uint64_t round = 0; round < 400; round++) {
        for (uint64_t n = model_below(&random, 60); n > 0; n--) {
            int64_t key = (int64_t)model_below(&random, 500);
            uint64_t what = model_below(&random, 12);
            if (what == 0)
                take_out(f, key);
            else
                put(f, key,
                    what == 1   ? model_text("n/a")
                    : what == 2 ? model_real(0.5)
                    : what == 3 ? model_null()
                    : what == 4 ? model_blob("b", 1)
                                : model_integer((int64_t)what));
        }
        (void)publish(f);
        if (round % 10 == 3)
            compact_all(f);
        struct mirror_snapshot *snapshot = &held[round % 8];
        if (snapshot->version != NULL) {
            model_assert_facts(mirror_view(snapshot, 1));
            mirror_snapshot_release(snapshot);
        }
        assert_int_equal(mirror_snapshot_take(f->mirror, snapshot), RHEI_OK);
        if (round % 40 != 39)
            continue;
        for (int64_t key = 0; key < 500; key++)
            put(f, key, model_integer(key));
        assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
    }
    for (int i = 0; i < 8; i++)
        mirror_snapshot_release(&held[i]);
}

/* Without memory for narrower facts the wide ones stay, and the next change tries again. */
static void test_d6_no_memory_for_narrower_facts(void **state)
{
    struct fixture *f = *state;
    fill(f, 10);
    for (uint64_t fail = 1; fail < 12; fail++) {
        put(f, 3, model_text("n/a"));
        (void)publish(f);
        put(f, 3, model_integer(3));
        base_memory_fail_after(fail);
        rhei_status status = mirror_apply(f->mirror, &f->batch.batch, NULL, NULL);
        base_memory_fail_after(0);
        f->batch.batch.row_count = 0;
        if (status != RHEI_OK) { /* it failed elsewhere: the table is unsound, so begin with a new one */
            model_attach(f->mirror, &f->model);
            for (int64_t i = 0; i < 10; i++)
                put(f, i, model_integer(i));
            (void)publish(f);
            continue;
        }
        assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
        (void)flags_now(f);
        put(f, 4, model_integer(4));
        assert_int_equal(publish(f) & CLASSES, MIRROR_HAS_INTEGER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_mended_value_lets_its_column_back_at_once, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_values_of_one_cycle, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_again_and_again, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_compaction_takes_flags_back, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_any_history, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_no_memory_for_narrower_facts, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
