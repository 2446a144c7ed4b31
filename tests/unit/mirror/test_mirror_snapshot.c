/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_fixture.h"

static void update_all(struct mirror *mirror, struct model_batch *batch, int64_t rows, int64_t value)
{
    batch->batch.row_count = 0;
    for (int64_t i = 0; i < rows; i++) {
        struct rhei_value row[2] = {model_integer(i), model_integer(value)};
        model_batch_add(batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(mirror, &batch->batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(mirror, value, NULL), RHEI_OK);
}

static int64_t sum_of(const struct mirror_snapshot *snapshot)
{
    const struct mirror_table_view *view = mirror_view(snapshot, 1);
    int64_t sum = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t i = 0; i < mirror_view_segment_rows(view, s); i++) {
            struct mirror_vector vector;
            struct rhei_value value;
            mirror_view_vector(view, s, i / MIRROR_VECTOR_ROWS, &vector);
            uint32_t bit = i % MIRROR_VECTOR_ROWS;
            if (vector.dead != NULL && (vector.dead[bit >> 6] >> (bit & 63) & 1) != 0)
                continue;
            mirror_view_value(view, s, i, 1, &value);
            sum += value.as.integer;
        }
    }
    return sum;
}

static int setup(void **state)
{
    *state = fixture_new_attached(2, 1000);
    return 0;
}

static void test_any_number_of_snapshots(void **state)
{
    enum { HELD = 2000 };
    struct fixture *f = *state;
    static struct mirror_snapshot held[HELD];
    struct mirror_status status;
    for (int64_t i = 0; i < HELD; i++) {
        update_all(f->mirror, &f->batch, 10, i);
        assert_int_equal(mirror_snapshot_take(f->mirror, &held[i]), RHEI_OK);
    }
    mirror_status(f->mirror, &status);
    assert_int_equal(status.snapshots_held, HELD);
    for (int64_t i = 0; i < HELD; i++) {
        assert_int_equal(mirror_snapshot_position(&held[i]), i);
        assert_int_equal(sum_of(&held[i]), 10 * i);
        mirror_snapshot_release(&held[i]);
        mirror_snapshot_release(&held[i]); /* again does nothing */
    }
    mirror_status(f->mirror, &status);
    assert_int_equal(status.snapshots_held, 0);
}

/* One old snapshot must not keep what came and went after it. */
static void test_kept_snapshot_keeps_only_what_it_shows(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot kept;
    struct mirror_status before, after;
    update_all(f->mirror, &f->batch, 1000, 1);
    assert_int_equal(mirror_snapshot_take(f->mirror, &kept), RHEI_OK);
    for (int64_t i = 0; i < 300; i++)
        update_all(f->mirror, &f->batch, 1000, i);
    mirror_status(f->mirror, &before);
    for (int64_t i = 0; i < 3000; i++)
        update_all(f->mirror, &f->batch, 1000, i);
    mirror_status(f->mirror, &after);
    assert_true(after.memory_bytes < before.memory_bytes + (1 << 20));
    assert_int_equal(sum_of(&kept), 1000);
    mirror_snapshot_release(&kept);
}

static void test_clone_holds_the_same_version(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot first, second;
    update_all(f->mirror, &f->batch, 100, 7);
    assert_int_equal(mirror_snapshot_take(f->mirror, &first), RHEI_OK);
    update_all(f->mirror, &f->batch, 100, 8);
    uint64_t clones = atomic_load(&f->mirror->clones);
    assert_int_equal(mirror_snapshot_clone(&first, &second), RHEI_OK);
    assert_int_equal(atomic_load(&f->mirror->clones), clones + 1); /* so a reclaim that runs right now proves nothing */
    mirror_snapshot_release(&first);
    for (int64_t i = 0; i < 200; i++)
        update_all(f->mirror, &f->batch, 100, 9);
    assert_int_equal(sum_of(&second), 700);
    mirror_snapshot_release(&second);
}

/* With every version held, a publish without memory still finds one. */
static void test_d6_publish_never_lacks_a_version(void **state)
{
    enum { HELD = 200 };
    struct fixture *f = *state;
    struct mirror_snapshot held[HELD];
    uint32_t count = 0;
    for (uint32_t i = 0; i < HELD; i++) {
        base_memory_fail_after(i % 2 == 0 ? 1 : 0);
        assert_int_equal(mirror_publish(f->mirror, i, NULL), RHEI_OK);
        rhei_status status = mirror_snapshot_take(f->mirror, &held[count]);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
        count += status == RHEI_OK;
    }
    assert_in_range(count, HELD - 5, HELD);
    for (uint32_t i = 0; i < count; i++)
        mirror_snapshot_release(&held[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_number_of_snapshots, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_kept_snapshot_keeps_only_what_it_shows, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_clone_holds_the_same_version, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_d6_publish_never_lacks_a_version, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
