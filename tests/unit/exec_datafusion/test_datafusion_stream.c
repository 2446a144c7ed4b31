/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

static void fill(struct fixture *fixture)
{
    fixture_table(fixture, 1, "t", "id I, v I");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(2)}, 2);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
}

static void assert_format(const struct ArrowSchema *schema, int64_t column, const char *format)
{
    assert_string_equal(schema->children[column]->format, format);
}

static void test_schemas(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    static const char sql[] = "SELECT CAST(1 AS BIGINT) AS \"a b\", 0.5e0, 'x', X'00', true, rhei_plain_sum(v), "
                              "CAST('2024-02-29' AS DATE), NULL FROM mirror_scan(1, 0)";
    static const char *const formats[2][8] = {
        {"l", "g", "u", "z", "b", "d:38,0", "tdD", "l"},
        {"l", "g", "vu", "vz", "b", "d:38,0", "tdD", "l"},
    };
    for (int view = 0; view < 2; view++) {
        struct question question;
        struct ArrowArrayStream stream;
        struct ArrowSchema schema;
        question_open(fixture, sql, &question);
        question.query.strings_view = view == 1;
        assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
        assert_int_equal(stream.get_schema(&stream, &schema), 0);
        assert_int_equal(schema.n_children, 8);
        for (int64_t i = 0; i < 8; i++)
            assert_format(&schema, i, formats[view][i]);
        assert_string_equal(schema.children[0]->name, "a b");
        schema.release(&schema);
        struct ArrowArray batch;
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        assert_int_equal(batch.length, 1);
        batch.release(&batch);
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        assert_null(batch.release);
        assert_int_equal(stream.get_schema(&stream, &schema), 0);
        schema.release(&schema);
        stream.release(&stream);
        question_close(&question);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_schemas, fixture_set_up, fixture_tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + executor_stream_tests();
}
