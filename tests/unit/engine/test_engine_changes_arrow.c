/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed as Arrow batches, read back. The rules of the feed itself are in test_engine_changes.c. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#include <nanoarrow/nanoarrow.h>

static struct fixture fixture;

struct batch {
    struct rhei_change change;
    struct ArrowSchema schema;
    struct ArrowArray array;
    struct ArrowArrayView view;
};

static int set_up(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT)");
    must_execute(fixture.db, "CREATE TABLE b (name TEXT PRIMARY KEY, y REAL) WITHOUT ROWID");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_end(&fixture);
    return 0;
}

static void must_run(const char *script)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_script(fixture.db, script, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void batch_reset(struct batch *batch)
{
    if (batch->schema.release != NULL)
        ArrowSchemaRelease(&batch->schema);
    if (batch->array.release != NULL) {
        ArrowArrayViewReset(&batch->view);
        ArrowArrayRelease(&batch->array);
    }
}

/* The next event; a batch is validated in full. */
static rhei_status next(rhei_changes *changes, struct batch *batch)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowError why = {0};
    *batch = (struct batch){.change = {.struct_size = sizeof batch->change}};
    rhei_status status = rhei_changes_next_arrow(changes, &batch->change, &batch->schema, &batch->array, &error);
    if (status != RHEI_ROW && status != RHEI_DONE)
        fail_msg("%s", error.message);
    bool rows = status == RHEI_ROW && batch->change.kind == RHEI_CHANGE_BATCH;
    assert_true(rows == (batch->schema.release != NULL) && rows == (batch->array.release != NULL));
    if (!rows)
        return status;
    assert_int_equal(ArrowArrayViewInitFromSchema(&batch->view, &batch->schema, &why), NANOARROW_OK);
    if (ArrowArrayViewSetArray(&batch->view, &batch->array, &why) != NANOARROW_OK ||
        ArrowArrayViewValidate(&batch->view, NANOARROW_VALIDATION_LEVEL_FULL, &why) != NANOARROW_OK)
        fail_msg("%s", why.message);
    return status;
}

static void must_batch(rhei_changes *changes, struct batch *batch, const char *table, int64_t rows)
{
    assert_int_equal(next(changes, batch), RHEI_ROW);
    assert_int_equal(batch->change.kind, RHEI_CHANGE_BATCH);
    assert_string_equal(batch->change.table, table);
    assert_int_equal(batch->array.length, rows);
}

/* Up to the commit, which is acknowledged where there is a consumer. */
static void must_commit(rhei_changes *changes, int64_t position)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct batch batch;
    assert_int_equal(next(changes, &batch), RHEI_ROW);
    assert_int_equal(batch.change.kind, RHEI_CHANGE_COMMIT);
    assert_int_equal(batch.change.position, position);
    assert_int_equal(rhei_changes_position(changes), position);
    assert_int_equal(rhei_changes_acknowledge(changes, position, &error), RHEI_OK);
}

static void skip_definitions(rhei_changes *changes)
{
    struct batch batch;
    while (next(changes, &batch) == RHEI_ROW && batch.change.kind == RHEI_CHANGE_TABLE)
        assert_null(batch.schema.release);
    assert_int_equal(batch.change.kind, RHEI_CHANGE_COMMIT);
}

static char operation(const struct batch *batch, int64_t row)
{
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(batch->view.children[0], row);
    assert_int_equal(text.size_bytes, 1);
    return text.data[0];
}

static int64_t integer(const struct batch *batch, int64_t column, int64_t row)
{
    assert_false(ArrowArrayViewIsNull(batch->view.children[column], row));
    return ArrowArrayViewGetIntUnsafe(batch->view.children[column], row);
}

static void must_text(const struct batch *batch, int64_t column, int64_t row, const char *expected)
{
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(batch->view.children[column], row);
    assert_int_equal(text.size_bytes, strlen(expected));
    assert_memory_equal(text.data, expected, strlen(expected));
}

static void test_a8_rows_come_as_batches_of_their_tables_within_a_transaction(void **state)
{
    (void)state;
    struct batch a, b;
    rhei_changes *changes = must_follow(fixture.db, "arrow");
    skip_definitions(changes);
    int64_t first = rhei_changes_position(changes) + 1;
    must_run("INSERT INTO a VALUES (1, 'one'); INSERT INTO b VALUES ('n', 2); INSERT INTO a VALUES (2, NULL); "
             "UPDATE a SET x = 'two' WHERE id = 2; DELETE FROM a WHERE id = 1");
    must_batch(changes, &a, "a", 4);
    assert_string_equal(a.change.columns[0], "id");
    assert_int_equal(a.change.key_columns[0], 0);
    assert_int_equal(rhei_changes_position(changes), first - 1);
    static const char *const names[] = {"_rhei_operation", "_rhei_seq", "_rhei_time", "id", "x", "_rhei_before"};
    assert_int_equal(a.schema.n_children, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(a.schema.children[i]->name, names[i]);
    static const char operations[] = "IIUD";
    static const int64_t keys[] = {1, 2, 2, 1}, behind[] = {0, 2, 3, 4};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(operation(&a, i), operations[i]);
        assert_int_equal(integer(&a, 1, i), first + behind[i]);
        assert_true(integer(&a, 2, i) > INT64_C(1500000000000000));
        assert_int_equal(integer(&a, 3, i), keys[i]);
    }
    must_text(&a, 4, 0, "one");
    assert_true(ArrowArrayViewIsNull(a.view.children[4], 1));
    must_text(&a, 4, 2, "two");
    assert_true(ArrowArrayViewIsNull(a.view.children[4], 3)); /* only the key of a deleted row */
    assert_string_equal(a.schema.children[5]->format, "+s");
    must_batch(changes, &b, "b", 1);
    assert_string_equal(b.schema.children[4]->format, "g");
    must_text(&b, 3, 0, "n");
    must_commit(changes, first + 4);
    rhei_changes_close(&changes);
    must_text(&a, 4, 0, "one"); /* batches outlive the reader */
    batch_reset(&a);
    batch_reset(&b);
    changes = must_follow(fixture.db, "arrow");
    skip_definitions(changes); /* and everything was acknowledged */
    assert_int_equal(next(changes, &a), RHEI_DONE);
    rhei_changes_close(&changes);
}

static void test_a8_a_large_transaction_is_several_batches_and_one_commit(void **state)
{
    (void)state;
    struct batch batch;
    int64_t rows = 0, batches = 0;
    rhei_changes *changes = must_follow(fixture.db, "reader");
    skip_definitions(changes);
    int64_t first = rhei_changes_position(changes) + 1;
    must_execute(fixture.db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000) "
                             "INSERT INTO a SELECT i, i FROM n");
    while (next(changes, &batch) == RHEI_ROW && batch.change.kind == RHEI_CHANGE_BATCH) {
        for (int64_t i = 0; i < batch.array.length; i++, rows++) {
            assert_int_equal(integer(&batch, 1, i), first + rows);
            assert_int_equal(integer(&batch, 3, i), rows + 1);
        }
        assert_int_equal(batch.change.position, first + rows - 1);
        batches++;
        batch_reset(&batch);
    }
    assert_int_equal(rows, 70000);
    assert_true(batches > 1);
    assert_int_equal(batch.change.kind, RHEI_CHANGE_COMMIT);
    assert_int_equal(batch.change.position, first + 69999);
    assert_int_equal(next(changes, &batch), RHEI_DONE);
    rhei_changes_close(&changes);
}

static void test_a_batch_has_the_classes_of_its_values_and_one_version_of_its_table(void **state)
{
    (void)state;
    struct batch batch;
    rhei_changes *changes = must_follow(fixture.db, "reader");
    skip_definitions(changes);
    must_execute(fixture.db, "CREATE TABLE c (id INTEGER PRIMARY KEY, v)");
    must_execute(fixture.db, "INSERT INTO c VALUES (1, 5), (2, 'text'), (3, x'00'), (4, 0.5)");
    do
        assert_int_equal(next(changes, &batch), RHEI_ROW);
    while (batch.change.kind != RHEI_CHANGE_BATCH);
    assert_string_equal(batch.schema.children[4]->format, "+ud:0,1,2,3");
    batch_reset(&batch);
    must_execute(fixture.db, "DELETE FROM c");
    must_execute(fixture.db, "ALTER TABLE c ADD COLUMN w DEFAULT 1");
    must_execute(fixture.db, "INSERT INTO c VALUES (9, 'x', 2)");
    int64_t columns = 0, lost = 0;
    while (next(changes, &batch) == RHEI_ROW) {
        lost += batch.change.kind == RHEI_CHANGE_LOST;
        columns = batch.change.kind == RHEI_CHANGE_BATCH ? batch.schema.n_children : columns;
        batch_reset(&batch);
    }
    assert_int_equal(lost, 1); /* what was deleted under the version before */
    assert_int_equal(columns, 7);
    rhei_changes_close(&changes);
}

static void test_one_reader_is_read_in_one_way_up_to_a_commit(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_change change = {.struct_size = sizeof change};
    struct batch batch;
    rhei_changes *changes = must_follow(fixture.db, "reader");
    skip_definitions(changes);
    must_run("INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)");
    must_batch(changes, &batch, "a", 1);
    batch_reset(&batch);
    assert_int_equal(rhei_changes_next(changes, &change, &error), RHEI_INVALID);
    must_batch(changes, &batch, "b", 1);
    batch_reset(&batch);
    assert_int_equal(rhei_changes_next(changes, &change, &error), RHEI_ROW);
    assert_int_equal(change.kind, RHEI_CHANGE_COMMIT);
    must_execute(fixture.db, "INSERT INTO a VALUES (2, 2), (3, 3)");
    assert_int_equal(rhei_changes_next(changes, &change, &error), RHEI_ROW);
    assert_int_equal(change.values[0].as.integer, 2);
    must_batch(changes, &batch, "a", 1); /* what is left of them */
    assert_int_equal(integer(&batch, 3, 0), 3);
    batch_reset(&batch);
    assert_int_equal(rhei_changes_next_arrow(changes, &change, NULL, &batch.array, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_next_arrow(NULL, &change, &batch.schema, &batch.array, &error), RHEI_INVALID);
    must_execute(fixture.db, "INSERT INTO a VALUES (4, 4)");
    rhei_changes_close(&changes); /* with rows that were never given */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a8_rows_come_as_batches_of_their_tables_within_a_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a8_a_large_transaction_is_several_batches_and_one_commit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_has_the_classes_of_its_values_and_one_version_of_its_table, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_reader_is_read_in_one_way_up_to_a_commit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
