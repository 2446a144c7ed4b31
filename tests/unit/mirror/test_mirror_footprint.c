/* SPDX-License-Identifier: Apache-2.0 */
/* A11: memory follows live bytes, whatever the shape of the table and of its changes. */
#include "mirror_fixture.h"

enum { KIB = 1 << 10, MIB = 1 << 20, HOT_BYTES = 64 << 10 };

static int setup(void **state)
{
    *state = fixture_new_attached(3, 100000);
    return 0;
}

static void put(struct fixture *f, int64_t key, struct rhei_value text)
{
    struct rhei_value row[3] = {model_integer(key), text, model_integer(key)};
    model_batch_add(&f->batch, CHANGE_UPSERT, row);
    model_apply(&f->model, CHANGE_UPSERT, row);
}

static void apply(struct fixture *f)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

static void publish(struct fixture *f)
{
    apply(f);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
}

static void check(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    model_assert_equal(&f->model, mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
}

/* What the upkeep does. */
static void tidy(struct fixture *f)
{
    for (int i = 0; i < 1000; i++) {
        struct mirror_compaction *work;
        assert_int_equal(mirror_compact_prepare(f->mirror, &work, NULL), RHEI_OK);
        if (work == NULL)
            break;
        assert_int_equal(mirror_compact_swap(f->mirror, &work, NULL), RHEI_OK);
        assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    }
    mirror_collect(f->mirror);
    (void)mirror_trim(f->mirror);
}

static size_t used(const struct fixture *f)
{
    return mirror_memory_bytes(f->mirror) - f->empty;
}

static struct rhei_value hot_text(char *bytes, int round)
{
    memset(bytes, 'a' + round % 26, HOT_BYTES);
    return (struct rhei_value){.as.bytes = bytes, .length = HOT_BYTES, .type = RHEI_TEXT};
}

static size_t bytes_of_view(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    size_t bytes = mirror_view_bytes(mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
    return bytes;
}

/* Two numbers, a string's 16 bytes and what of it doesn't fit in there: the rows of a tail, and of sealed segments. */
static void test_a_view_tells_about_what_its_rows_take(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    memset(text, 'x', sizeof text);
    for (int64_t key = 0; key < 70000; key++) {
        put(f, key, (struct rhei_value){.as.bytes = text, .length = key % 2 == 0 ? 5 : 200, .type = RHEI_TEXT});
        if (key == 99) {
            publish(f);
            assert_in_range(bytes_of_view(f), 100 * (8 + 16 + 8) + 50 * 200, 100 * (8 + 16 + 8) + 50 * 200);
        }
        if (key % 1000 == 999)
            publish(f);
    }
    size_t rows = 70000 * (8 + 16 + 8) + 35000 * 200;
    assert_in_range(bytes_of_view(f), rows / 10 * 9, rows / 10 * 11);
}

/* One row of 64 KiB, 2,000 times: cycle by cycle, and several times in a cycle. */
static void test_a11_a_hot_row_costs_what_it_holds(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(HOT_BYTES);
    size_t most = 0;
    assert_non_null(bytes);
    for (int per_cycle = 1; per_cycle <= 50; per_cycle *= 50) {
        for (int i = 0; i < 2000; i++) {
            put(f, 1, hot_text(bytes, i));
            if (i % per_cycle == 0)
                publish(f);
            else
                apply(f);
            most = used(f) > most ? used(f) : most;
        }
        publish(f);
        check(f);
    }
    assert_in_range(most, HOT_BYTES, 4 * MIB);
    tidy(f);
    assert_in_range(used(f), HOT_BYTES, 1 * MIB);
    free(bytes);
}

/* The same 1,000 times in one batch: what one call brings is netted before it costs. */
static void test_a11_a_hot_row_in_one_batch(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(HOT_BYTES);
    assert_non_null(bytes);
    for (int i = 0; i < 1000; i++)
        put(f, 1, hot_text(bytes, 7));
    apply(f);
    assert_in_range(used(f), HOT_BYTES, 4 * MIB);
    publish(f);
    check(f);
    free(bytes);
}

/* Beside 60,000 rows that never change, and after one of them lost its long string. */
static void test_a11_a_hot_row_beside_many_others(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(HOT_BYTES);
    assert_non_null(bytes);
    for (int64_t i = 0; i < 60000; i++)
        put(f, i, model_text("quiet"));
    publish(f);
    size_t before = used(f), most = 0;
    for (int i = 0; i < 2000; i++) {
        put(f, 30000, hot_text(bytes, i));
        publish(f);
        most = used(f) > most ? used(f) : most;
    }
    check(f);
    assert_in_range(most, before, before + 4 * MIB);
    put(f, 30000, model_text("quiet"));
    publish(f);
    tidy(f);
    check(f);
    assert_in_range(used(f), 1, before + 1 * MIB);
    free(bytes);
}

/* Long strings that die in a segment closed long ago, a few of many rows: their bytes come back all the same. */
static void test_a11_few_dead_rows_with_long_strings(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(HOT_BYTES);
    assert_non_null(bytes);
    f->mirror->segment_rows = 4 * MIRROR_VECTOR_ROWS;
    for (int64_t i = 0; i < 20000; i++) {
        put(f, i, i % 400 == 0 ? hot_text(bytes, 1) : model_text("quiet"));
        if (i % 400 == 0)
            publish(f);
    }
    publish(f);
    assert_in_range(used(f), 50 * HOT_BYTES, 6 * MIB);
    for (int64_t i = 0; i < 20000; i += 400) {
        put(f, i, model_text("short"));
        publish(f);
    }
    tidy(f);
    check(f);
    assert_in_range(used(f), 1, 2 * MIB);
    free(bytes);
}

/* Small rows, small table, for ever. */
static void test_a11_a_small_table_that_only_changes(void **state)
{
    struct fixture *f = *state;
    size_t most = 0;
    for (int i = 0; i < 100000; i++) {
        put(f, i % 10, model_text("a text beyond twelve bytes"));
        publish(f);
        most = used(f) > most ? used(f) : most;
    }
    check(f);
    assert_in_range(most, 1, 1 * MIB);
    tidy(f);
    assert_in_range(used(f), 1, 256 * KIB);
}

static void test_a11_deletions_in_the_open_segment_come_back(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 50000; i++)
        put(f, i, model_text("a text beyond twelve bytes"));
    publish(f);
    for (int64_t i = 0; i < 50000; i++) {
        struct rhei_value row[3] = {model_integer(i)};
        if (i % 50 == 0)
            continue;
        model_batch_add(&f->batch, CHANGE_DELETE, row);
        model_apply(&f->model, CHANGE_DELETE, row);
    }
    publish(f);
    tidy(f);
    check(f);
    assert_in_range(used(f), 1, 1 * MIB);
}

/* What a snapshot held is given back once it is closed, without another change. */
static void test_a11_a_closed_snapshot_gives_back(void **state)
{
    struct fixture *f = *state;
    struct mirror_snapshot snapshot;
    for (int64_t i = 0; i < 90000; i++)
        put(f, i, model_text("a text beyond twelve bytes"));
    publish(f);
    size_t before = used(f);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    struct model_sum sum = f->model.sum;
    for (int64_t i = 0; i < 90000; i++)
        put(f, i, model_text("another text of some length"));
    publish(f);
    tidy(f);
    assert_true(used(f) > before * 3 / 2);
    assert_true(model_sum_vectors(mirror_view(&snapshot, 1)).hash == sum.hash);
    mirror_snapshot_release(&snapshot);
    tidy(f);
    assert_int_equal(mirror_garbage_bytes(f->mirror), 0);
    assert_in_range(used(f), 1, before + 2 * MIB);
}

/* ---- Shapes of tables. ------------------------------------------------------------------------------------------- */

static struct source_table wide_table(uint32_t id, uint32_t columns, int64_t estimate)
{
    static const uint32_t key = 0;
    struct source_column *made = calloc(columns, sizeof *made);
    assert_non_null(made);
    for (uint32_t c = 0; c < columns; c++)
        made[c] = (struct source_column){.name = "c", .declared_type = "", .collation = "BINARY"};
    return (struct source_table){.id = id,
                                 .name = "wide",
                                 .column_count = columns,
                                 .columns = made,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .key_is_integer = true,
                                 .estimated_rows = estimate};
}

static void build(struct mirror *mirror, const struct source_table *table, size_t rows, bool text)
{
    struct mirror_build *building;
    const struct rhei_value **columns = calloc(table->column_count, sizeof *columns);
    struct rhei_value *keys = calloc(rows, sizeof *keys), *values = calloc(rows, sizeof *values);
    assert_true(columns != NULL && keys != NULL && values != NULL);
    for (size_t r = 0; r < rows; r++) {
        keys[r] = model_integer((int64_t)r);
        values[r] = text ? model_text("text") : model_integer(7);
    }
    for (uint32_t c = 0; c < table->column_count; c++)
        columns[c] = c == 0 ? keys : values;
    struct change_batch batch = {
        .table = table->id, .column_count = table->column_count, .row_count = rows, .columns = columns};
    assert_int_equal(mirror_build_begin(mirror, table, 2, &building, NULL), RHEI_OK);
    assert_int_equal(mirror_build_append(building, 0, &batch, NULL), RHEI_OK);
    assert_int_equal(mirror_build_attach(&building, NULL), RHEI_OK);
    free(columns);
    free(keys);
    free(values);
}

static void test_a11_a_wide_table_of_one_row(void **state)
{
    struct fixture *f = *state;
    struct source_table table = wide_table(2, 1900, 20000);
    build(f->mirror, &table, 1, true);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    assert_in_range(used(f), 1, 8 * MIB);
    build(f->mirror, &table, 3000, true); /* and one of many: its segments have fewer rows, and little slack */
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    tidy(f);
    assert_in_range(used(f), 1, 3 * 3000 * 1900 * 16);
    free((void *)(uintptr_t)table.columns);
}

static void test_a11_a_thousand_small_tables(void **state)
{
    struct fixture *f = *state;
    for (uint32_t id = 2; id < 1002; id++) {
        struct source_table table = wide_table(id, 20, -1);
        build(f->mirror, &table, 10, id % 2 == 0);
        free((void *)(uintptr_t)table.columns);
    }
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    tidy(f);
    assert_in_range(used(f), 1, 64 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a11_a_hot_row_costs_what_it_holds, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a_view_tells_about_what_its_rows_take, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_hot_row_in_one_batch, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_hot_row_beside_many_others, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_few_dead_rows_with_long_strings, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_small_table_that_only_changes, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_deletions_in_the_open_segment_come_back, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_closed_snapshot_gives_back, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_wide_table_of_one_row, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_a11_a_thousand_small_tables, setup, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
