/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of a segment ascend: for each view what it shows, whoever looked before. */
#include "mirror_model.h"

#include "mirror/mirror_ascend.h"

enum { COLUMNS = 4, LEAST = -3 };

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
    model_init(&f->model, 1, COLUMNS, 1, true);
    model_batch_init(&f->batch, 1, COLUMNS, 10000);
    model_attach(f->mirror, &f->model);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    model_batch_reset(&f->batch);
    mirror_close(&f->mirror);
    model_reset(&f->model);
    free(f);
    return 0;
}

/* id, the same but NULL for 7, a REAL, the same but a text for 9 */
static void put(struct fixture *f, int64_t from, int64_t to, uint8_t op)
{
    for (int64_t id = from; id < to; id++) {
        struct rhei_value row[COLUMNS] = {model_integer(id), id == 7 ? model_null() : model_integer(id),
                                          model_real((double)id), id == 9 ? model_text("nine") : model_integer(id)};
        model_batch_add(&f->batch, op, row);
    }
}

static void publish(struct fixture *f, struct mirror_snapshot *snapshot)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
    assert_int_equal(mirror_snapshot_take(f->mirror, snapshot), RHEI_OK);
}

static uint32_t ascending(const struct mirror_snapshot *snapshot, uint32_t column)
{
    const int64_t *values = NULL;
    uint32_t rows = mirror_ascending_rows(mirror_view(snapshot, 1), 0, column, &values);
    for (uint32_t i = 1; i < rows; i++)
        assert_true(values[i - 1] < values[i]);
    return rows;
}

/* In any order of looks: an older view's rows are fewer, one that goes on has more, and where the order ends it ends for all. */
static void test_each_view_is_told_of_its_own_rows(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const uint32_t wanted[3] = {3000, 5000, 5000};
    for (int o = 0; o < 6; o++) {
        if (o > 0) {
            teardown(state);
            setup(state);
        }
        struct fixture *f = *state;
        struct mirror_snapshot views[3];
        put(f, 0, 3000, CHANGE_UPSERT);
        publish(f, &views[0]);
        put(f, 3000, 5000, CHANGE_UPSERT);
        put(f, 3500, 3600, CHANGE_UPSERT); /* overwritten in place, as nobody saw them */
        publish(f, &views[1]);
        put(f, 17, 18, CHANGE_UPSERT); /* which goes behind the others */
        put(f, 5001, 5100, CHANGE_UPSERT);
        publish(f, &views[2]);
        for (int times = 0; times < 2; times++)
            for (int i = 0; i < 3; i++)
                assert_int_equal(ascending(&views[orders[o][i]], 0), wanted[orders[o][i]]);
        for (int i = 0; i < 3; i++)
            mirror_snapshot_release(&views[i]);
    }
}

static void test_rows_that_died_are_among_them(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot view, later;
    put(f, 0, 4000, CHANGE_UPSERT);
    put(f, 0, 1, CHANGE_DELETE);
    publish(f, &view);
    put(f, 100, 3900, CHANGE_DELETE);
    publish(f, &later);
    assert_int_equal(ascending(&later, 0), 4000);
    assert_int_equal(ascending(&view, 0), 4000);
    mirror_snapshot_release(&view);
    mirror_snapshot_release(&later);
}

/* NULL, REALs, texts: they are never asked for as ascending integers; nor is a table without rows, nor a segment that isn't there. */
static void test_only_integers_ascend(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot empty, view, nulls, mixed;
    const int64_t *values;
    assert_int_equal(mirror_snapshot_take(f->mirror, &empty), RHEI_OK);
    assert_int_equal(ascending(&empty, 0), 0);
    put(f, 0, 5, CHANGE_UPSERT);
    publish(f, &view);
    for (uint32_t c = 0; c < COLUMNS; c++)
        assert_int_equal(ascending(&view, c), c == 2 ? 0 : 5);
    assert_int_equal(mirror_ascending_rows(mirror_view(&view, 1), 1, 0, &values), 0);
    put(f, 5, 9, CHANGE_UPSERT);
    publish(f, &nulls);
    assert_int_equal(ascending(&nulls, 0), 9);
    assert_int_equal(ascending(&nulls, 1), 0);
    put(f, 9, 20, CHANGE_UPSERT); /* the text's segment is the next */
    publish(f, &mixed);
    assert_int_equal(mirror_ascending_rows(mirror_view(&mixed, 1), 1, 0, &values), 11);
    assert_int_equal(mirror_ascending_rows(mirror_view(&mixed, 1), 1, 3, &values), 0);
    mirror_snapshot_release(&empty);
    mirror_snapshot_release(&view);
    mirror_snapshot_release(&nulls);
    mirror_snapshot_release(&mixed);
}

static void test_a_value_is_searched_for(void **state)
{
    (void)state;
    int64_t values[40];
    for (uint32_t rows = 0; rows <= 40; rows++) {
        for (uint32_t i = 0; i < rows; i++)
            values[i] = 2 * (int64_t)i + LEAST;
        for (int64_t least = LEAST - 2; least < LEAST + 2 * (int64_t)rows + 3; least++) {
            uint32_t wanted = 0;
            while (wanted < rows && values[wanted] < least)
                wanted++;
            assert_int_equal(mirror_ascending_from(values, rows, least), wanted);
        }
        assert_int_equal(mirror_ascending_from(values, rows, INT64_MIN), 0);
        assert_int_equal(mirror_ascending_from(values, rows, INT64_MAX), rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_view_is_told_of_its_own_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_died_are_among_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_integers_ascend, setup, teardown),
        cmocka_unit_test(test_a_value_is_searched_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
