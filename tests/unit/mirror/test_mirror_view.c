/* SPDX-License-Identifier: Apache-2.0 */
/* Zone maps, ranges and what a view says about its segments. */
#include "mirror_model.h"

#include <math.h>

enum { ROWS = 10000 };

struct fixture {
    struct mirror *mirror;
    struct model_table model;
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view;
};

/* id; id / 2 as REAL; big integers; integers and REALs; text; NULL. In vectors of 2,048 rows, all clustered by id. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct model_batch batch;
    assert_non_null(f);
    assert_int_equal(mirror_open(NULL, &f->mirror, NULL), RHEI_OK);
    model_init(&f->model, 1, 6, 1, true);
    model_attach(f->mirror, &f->model);
    model_batch_init(&batch, 1, 6, ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        struct rhei_value row[6] = {model_integer(i),
                                    model_real((double)i / 2),
                                    model_integer((1ll << 60) + i),
                                    i % 2 == 0 ? model_integer(i) : model_real((double)i + 0.25),
                                    model_text("x"),
                                    model_null()};
        model_batch_add(&batch, CHANGE_UPSERT, row);
    }
    assert_int_equal(mirror_apply(f->mirror, &batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
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

static uint32_t matching(const struct fixture *f, uint32_t column, struct rhei_value low, struct rhei_value high)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(f->view); s++) {
        uint32_t vectors = (mirror_view_segment_rows(f->view, s) + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS;
        bool any = false;
        for (uint32_t v = 0; v < vectors; v++) {
            bool may = mirror_view_may_match(f->view, s, v, column, &low, &high);
            count += may;
            any |= may;
        }
        assert_int_equal(any, mirror_view_may_match(f->view, s, UINT32_MAX, column, &low, &high));
    }
    return count;
}

static void test_zone_maps_skip_vectors(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(matching(f, 0, model_integer(3000), model_integer(3100)), 1);
    assert_int_equal(matching(f, 0, model_real(2047.5), model_real(2047.75)), 0);
    assert_int_equal(matching(f, 0, model_real(2046.5), model_real(2047.5)), 1);
    assert_int_equal(matching(f, 0, model_integer(2047), model_integer(2048)), 2);
    assert_int_equal(matching(f, 0, model_integer(-10), model_integer(-1)), 0);
    assert_int_equal(matching(f, 0, model_null(), model_real(-INFINITY)), 0);
    assert_int_equal(matching(f, 0, model_null(), model_null()), 5);
    assert_int_equal(matching(f, 0, model_integer(8192), model_null()), 1);
    assert_int_equal(matching(f, 1, model_integer(1024), model_integer(1025)), 1);
    assert_int_equal(matching(f, 1, model_real(4999.75), model_null()), 0);
    assert_int_equal(matching(f, 3, model_real(100), model_real(101)), 1);
    assert_int_equal(matching(f, 3, model_integer(20000), model_null()), 0);
}

/* Beyond 2^53 a double stands for many integers: the bounds must be compared exactly. */
static void test_big_integers_compare_exactly(void **state)
{
    struct fixture *f = *state;
    int64_t base = 1ll << 60;
    assert_int_equal(matching(f, 2, model_integer(base + 2048), model_integer(base + 2048)), 1);
    assert_int_equal(matching(f, 2, model_real(0x1p60), model_real(0x1p60)), 1);
    assert_int_equal(matching(f, 2, model_integer(base + ROWS), model_null()), 0);
    assert_int_equal(matching(f, 2, model_null(), model_integer(base - 1)), 0);
}

static void test_text_is_never_skipped_and_nulls_always(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(matching(f, 4, model_integer(1), model_integer(2)), 5);
    assert_int_equal(matching(f, 5, model_integer(1), model_integer(2)), 0);
}

static void test_ranges_and_flags(void **state)
{
    struct fixture *f = *state;
    double low, high;
    assert_true(mirror_view_range(f->view, 1, &low, &high));
    assert_true(low == 0 && high == (ROWS - 1) / 2.0);
    assert_true(mirror_view_range(f->view, 2, &low, &high));
    assert_true(low == 0x1p60 && high > 0x1p60);
    assert_false(mirror_view_range(f->view, 4, &low, &high));
    assert_false(mirror_view_range(f->view, 5, &low, &high));
    assert_int_equal(mirror_view_column_flags(f->view, 0), MIRROR_HAS_INTEGER);
    assert_int_equal(mirror_view_column_flags(f->view, 1), MIRROR_HAS_REAL | MIRROR_NOT_WHOLE);
    assert_int_equal(mirror_view_column_flags(f->view, 2), MIRROR_HAS_INTEGER | MIRROR_BIG_INTEGER);
    assert_int_equal(mirror_view_column_flags(f->view, 3), MIRROR_HAS_INTEGER | MIRROR_HAS_REAL | MIRROR_NOT_WHOLE);
    assert_int_equal(mirror_view_column_flags(f->view, 5), MIRROR_HAS_NULL);
}

/* NULL: the segment is open, and has no counts yet. */
static const uint32_t *class_counts(const struct mirror_table_view *view, uint32_t segment, uint32_t column)
{
    const struct mirror_segment *found = mirror_trie_get(&view->segments, segment);
    return segment == view->tail_number ? NULL : found->column[column].counts;
}

static void test_class_counts_of_sealed_segments(void **state)
{
    struct fixture *f = *state;
    uint32_t sealed = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(f->view); s++) {
        const uint32_t *counts = class_counts(f->view, s, 3);
        if (counts == NULL)
            continue;
        sealed++;
        uint32_t rows = mirror_view_segment_rows(f->view, s);
        assert_int_equal(counts[RHEI_INTEGER], rows / 2);
        assert_int_equal(counts[RHEI_REAL], rows / 2);
        assert_int_equal(class_counts(f->view, s, 5)[RHEI_NULL], rows);
    }
    assert_int_equal(sealed, mirror_view_segment_count(f->view) - 1);
}

static void test_places_beyond_the_view_hold_nothing(void **state)
{
    struct fixture *f = *state;
    struct mirror_vector vector;
    struct mirror_column_data data;
    assert_int_equal(mirror_view_segment_rows(f->view, 99), 0);
    mirror_view_vector(f->view, 99, 0, &vector);
    assert_int_equal(vector.rows, 0);
    mirror_view_vector(f->view, 0, 31, &vector);
    assert_int_equal(vector.rows, 0);
    mirror_view_column(f->view, 99, 0, 0, &data);
    assert_int_equal(data.layout, MIRROR_LAYOUT_EMPTY);
    assert_string_equal(mirror_view_definition(f->view)->columns[3].name, "c3");
    assert_int_equal(mirror_view_column_count(f->view), 6);
    assert_null(mirror_view(&f->snapshot, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zone_maps_skip_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_big_integers_compare_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_is_never_skipped_and_nulls_always, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges_and_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_class_counts_of_sealed_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_beyond_the_view_hold_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
