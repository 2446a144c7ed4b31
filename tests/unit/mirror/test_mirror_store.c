/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_model.h"

struct fixture {
    struct mirror *mirror;
    struct model_table model;
    struct model_batch batch;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    model_init(&f->model, 7, 3, 1, true);
    model_batch_init(&f->batch, 7, 3, 5000);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mirror_close(&f->mirror);
    model_reset(&f->model);
    model_batch_reset(&f->batch);
    free(f);
    return 0;
}

static void change(struct fixture *f, uint8_t op, int64_t key, const char *text, double real)
{
    struct rhei_value row[3] = {model_integer(key), text == NULL ? model_null() : model_text(text), model_real(real)};
    model_batch_add(&f->batch, op, row);
    model_apply(&f->model, op, row);
}

static void flush(struct fixture *f, struct mirror_apply_counts *counts)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, counts, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

static void check(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    model_assert_equal(&f->model, mirror_view(&snapshot, 7));
    mirror_snapshot_release(&snapshot);
}

static void test_a1_changes_show_only_when_published(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot before, after;
    model_attach(f->mirror, &f->model);
    change(f, CHANGE_UPSERT, 1, "one", 1.5);
    change(f, CHANGE_UPSERT, 2, "a text of more than twelve bytes", 2.5);
    flush(f, NULL);
    assert_int_equal(mirror_snapshot_take(f->mirror, &before), RHEI_OK);
    assert_int_equal(mirror_view_row_count(mirror_view(&before, 7)), 0);
    assert_int_equal(mirror_publish(f->mirror, 42, NULL), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(f->mirror, &after), RHEI_OK);
    assert_int_equal(mirror_view_row_count(mirror_view(&before, 7)), 0);
    assert_int_equal(mirror_view_row_count(mirror_view(&after, 7)), 2);
    assert_int_equal(mirror_snapshot_position(&after), 42);
    assert_int_equal(mirror_snapshot_position(&before), 0);
    mirror_snapshot_release(&before);
    mirror_snapshot_release(&after);
    check(f);
}

static void test_net_counts_of_a_cycle(void **state)
{
    struct fixture *f = *state;
    struct mirror_apply_counts counts = {0};
    model_attach(f->mirror, &f->model);
    for (int i = 0; i < 10; i++)
        change(f, CHANGE_UPSERT, i, "x", i);
    flush(f, &counts);
    assert_int_equal(counts.inserted, 10);
    mirror_publish(f->mirror, 1, NULL);
    counts = (struct mirror_apply_counts){0};
    change(f, CHANGE_UPSERT, 3, "y", 1); /* update */
    change(f, CHANGE_UPSERT, 3, "z", 1); /* the same one */
    change(f, CHANGE_UPSERT, 4, "y", 1); /* update, then deleted: a deletion */
    change(f, CHANGE_DELETE, 4, NULL, 0);
    change(f, CHANGE_UPSERT, 50, "n", 1); /* comes and goes: nothing */
    change(f, CHANGE_DELETE, 50, NULL, 0);
    change(f, CHANGE_DELETE, 99, NULL, 0); /* was never there */
    change(f, CHANGE_DELETE, 5, NULL, 0);
    change(f, CHANGE_UPSERT, 60, "n", 1);
    flush(f, &counts);
    assert_int_equal(counts.inserted, 1);
    assert_int_equal(counts.updated, 1);
    assert_int_equal(counts.deleted, 2);
    mirror_publish(f->mirror, 2, NULL);
    check(f);
}

static void test_hot_key_leaves_one_row(void **state)
{
    struct fixture *f = *state;
    model_attach(f->mirror, &f->model);
    for (int i = 0; i < 1000; i++)
        change(f, CHANGE_UPSERT, 1, i % 2 == 0 ? NULL : "odd", i);
    flush(f, NULL);
    mirror_publish(f->mirror, 1, NULL);
    struct mirror_status status;
    mirror_status(f->mirror, &status);
    assert_int_equal(status.rows, 1);
    assert_int_equal(status.dead_rows, 0);
    check(f);
}

static void test_drop_hides_the_table_from_new_snapshots_only(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot old, new;
    model_attach(f->mirror, &f->model);
    change(f, CHANGE_UPSERT, 1, "kept", 1);
    flush(f, NULL);
    mirror_publish(f->mirror, 1, NULL);
    assert_int_equal(mirror_snapshot_take(f->mirror, &old), RHEI_OK);
    mirror_drop(f->mirror, 7);
    mirror_drop(f->mirror, 8);
    change(f, CHANGE_UPSERT, 2, "late", 1);
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_NOT_FOUND);
    mirror_publish(f->mirror, 2, NULL);
    assert_int_equal(mirror_snapshot_take(f->mirror, &new), RHEI_OK);
    assert_null(mirror_view(&new, 7));
    assert_int_equal(mirror_view_row_count(mirror_view(&old, 7)), 1);
    mirror_snapshot_release(&old);
    mirror_snapshot_release(&new);
}

static void test_publish_and_drop_need_no_memory(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    model_attach(f->mirror, &f->model);
    change(f, CHANGE_UPSERT, 1, "x", 1);
    flush(f, NULL);
    base_memory_fail_after(1);
    mirror_publish(f->mirror, 1, NULL);
    mirror_drop(f->mirror, 7);
    base_memory_fail_after(1);
    mirror_publish(f->mirror, 2, NULL);
    base_memory_fail_after(0);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    assert_null(mirror_view(&snapshot, 7));
    mirror_snapshot_release(&snapshot);
    mirror_publish(f->mirror, 3, NULL);
}

static void test_many_tables_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct model_table other;
    for (uint32_t id = 1; id < 3000; id += 7) {
        model_init(&other, id, 2, 1, true);
        struct mirror_build *build;
        assert_int_equal(mirror_build_begin(f->mirror, &other.definition, 2, &build, NULL), RHEI_OK);
        assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
        if (id % 3 == 0)
            mirror_drop(f->mirror, id);
        mirror_publish(f->mirror, id, NULL);
        model_reset(&other);
    }
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    for (uint32_t id = 1; id < 3000; id++)
        assert_int_equal(mirror_view(&snapshot, id) != NULL, id % 7 == 1 && id % 3 != 0);
    mirror_snapshot_release(&snapshot);
}

static void test_mixed_classes_and_late_values(void **state)
{
    struct fixture *f = *state;
    model_attach(f->mirror, &f->model);
    for (int i = 0; i < 3000; i++) {
        struct rhei_value row[3] = {model_integer(i), model_null(), model_null()};
        if (i > 1500)
            row[1] = i % 5 == 0   ? model_integer(i)
                     : i % 5 == 1 ? model_real(i / 3.0)
                                  : model_text("text, and a long one");
        if (i > 2500)
            row[2] = model_blob("\0\1\2", 3);
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
        model_apply(&f->model, CHANGE_UPSERT, row);
        if (i % 100 == 99) {
            flush(f, NULL);
            mirror_publish(f->mirror, i, NULL);
            check(f);
        }
    }
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    const struct mirror_table_view *view = mirror_view(&snapshot, 7);
    model_assert_facts(view);
    assert_true(mirror_view_segment_count(view) <= 4);
    mirror_snapshot_release(&snapshot);
}

static void test_batch_that_does_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    model_attach(f->mirror, &f->model);
    f->batch.batch.column_count = 2;
    f->batch.batch.row_count = 1;
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, &error), RHEI_INVALID);
    f->batch.batch.column_count = 3;
    f->batch.batch.row_count = 0;
    struct rhei_value row[3] = {model_text("1"), model_null(), model_null()};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, &error), RHEI_TYPE);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, &error), RHEI_INVALID); /* unsound now */
    assert_non_null(strstr(error.message, "missed a change"));
    f->batch.batch.row_count = 0;
    mirror_publish(f->mirror, 1, NULL);
    check(f);
}

static void test_memory_limit_stops_apply_and_readers_go_on(void **state)
{
    struct fixture *f = *state;
    struct mirror_config config = {.memory_limit = 6 << 20};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct mirror_snapshot snapshot;
    struct mirror_status status;
    mirror_close(&f->mirror);
    assert_int_equal(mirror_open(&config, &f->mirror, NULL), RHEI_OK);
    model_attach(f->mirror, &f->model);
    rhei_status failed = RHEI_OK;
    uint64_t published = 0;
    for (int64_t i = 0; failed == RHEI_OK && i < 2000000; i++) {
        struct rhei_value row[3] = {model_integer(i), model_text("a text that needs the heap"), model_real(1)};
        model_batch_add(&f->batch, CHANGE_UPSERT, row);
        if (f->batch.batch.row_count < 5000)
            continue;
        failed = mirror_apply(f->mirror, &f->batch.batch, NULL, &error);
        f->batch.batch.row_count = 0;
        mirror_publish(f->mirror, i, NULL);
        published += failed == RHEI_OK ? 5000 : 0;
    }
    assert_int_equal(failed, RHEI_MEMORY_LIMIT);
    mirror_status(f->mirror, &status);
    assert_true(status.memory_bytes <= config.memory_limit);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    assert_int_equal(mirror_view_row_count(mirror_view(&snapshot, 7)), published);
    mirror_snapshot_release(&snapshot);
    mirror_drop(f->mirror, 7); /* and all of it comes back */
    mirror_publish(f->mirror, 1, NULL);
    mirror_reclaim(f->mirror);
    mirror_status(f->mirror, &status);
    assert_true(status.memory_bytes - status.pool_bytes < 100000);
    model_attach(f->mirror, &f->model);
    change(f, CHANGE_UPSERT, 1, "again", 1);
    flush(f, NULL);
    mirror_publish(f->mirror, 2, NULL);
    check(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a1_changes_show_only_when_published, setup, teardown),
        cmocka_unit_test_setup_teardown(test_net_counts_of_a_cycle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hot_key_leaves_one_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_hides_the_table_from_new_snapshots_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_publish_and_drop_need_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_tables_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mixed_classes_and_late_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_that_does_not_fit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_limit_stops_apply_and_readers_go_on, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
