/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_stream.h"
#include "arrow_test_rows.h"
#include "base/base_memory.h"

enum { HIDDEN = 8, COLUMNS = 9 };

static void check(int code)
{
    assert_int_equal(code, NANOARROW_OK);
}

/* A stream of two batches of three rows (value, NULL, value), the second with an offset, in the types DuckDB gives. */
static void make_stream(struct ArrowArrayStream *stream, const char *sum)
{
    static const enum ArrowType types[COLUMNS] = {
        NANOARROW_TYPE_BOOL,  NANOARROW_TYPE_INT32,  NANOARROW_TYPE_UINT64,
        NANOARROW_TYPE_INT64, NANOARROW_TYPE_FLOAT,  NANOARROW_TYPE_DECIMAL128,
        NANOARROW_TYPE_INT8,  NANOARROW_TYPE_STRING, NANOARROW_TYPE_INT64};
    struct ArrowSchema schema;
    ArrowSchemaInit(&schema);
    check(ArrowSchemaSetTypeStruct(&schema, COLUMNS));
    for (int i = 0; i < COLUMNS; i++) {
        if (types[i] == NANOARROW_TYPE_DECIMAL128)
            check(ArrowSchemaSetTypeDecimal(schema.children[i], types[i], 38, 0));
        else
            check(ArrowSchemaSetType(schema.children[i], types[i]));
        check(ArrowSchemaSetName(schema.children[i], (char[]){(char)('a' + i), '\0'}));
    }
    struct ArrowArray batches[2];
    for (int batch = 0; batch < 2; batch++) {
        struct ArrowArray *array = &batches[batch];
        check(ArrowArrayInitFromSchema(array, &schema, NULL));
        check(ArrowArrayStartAppending(array));
        for (int row = 0; row < 3; row++) {
            for (int i = 0; i < COLUMNS; i++) {
                struct ArrowArray *column = array->children[i];
                struct ArrowDecimal decimal;
                ArrowDecimalInit(&decimal, 128, 38, 0);
                check(ArrowDecimalSetDigits(&decimal, ArrowCharView(sum)));
                if (row == 1)
                    check(ArrowArrayAppendNull(column, 1));
                else if (types[i] == NANOARROW_TYPE_STRING)
                    check(ArrowArrayAppendString(column, ArrowCharView("text")));
                else if (types[i] == NANOARROW_TYPE_FLOAT)
                    check(ArrowArrayAppendDouble(column, 0.5));
                else if (types[i] == NANOARROW_TYPE_DECIMAL128)
                    check(ArrowArrayAppendDecimal(column, &decimal));
                else
                    check(ArrowArrayAppendInt(column, row == 0 ? 1 : i == 0 ? 0 : 7));
            }
            check(ArrowArrayFinishElement(array));
        }
        check(ArrowArrayFinishBuildingDefault(array, NULL));
    }
    for (int i = 0; i < COLUMNS; i++) { /* the second batch has only its last row, by the columns' own offsets */
        batches[1].children[i]->offset = 2;
        batches[1].children[i]->length = 1;
        batches[1].children[i]->null_count = -1;
    }
    batches[1].length = 1;
    check(ArrowBasicArrayStreamInit(stream, &schema, 2));
    ArrowBasicArrayStreamSetArray(stream, 0, &batches[0]);
    ArrowBasicArrayStreamSetArray(stream, 1, &batches[1]);
}

static void count_release(void *context)
{
    (*(int *)context)++;
}

static void expect_row(struct arrow_cursor *cursor, const struct rhei_value *expected, uint32_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
    for (uint32_t i = 0; i < count; i++) {
        struct rhei_value value;
        assert_int_equal(arrow_cursor_value(cursor, i, &value, &error), RHEI_OK);
        assert_same_value(&value, &expected[i]);
    }
}

static void test_numbers_become_sqlites(void **state)
{
    (void)state;
    struct ArrowArrayStream stream;
    make_stream(&stream, "-9223372036854775808");
    int releases = 0;
    struct arrow_wrap_options options = {
        .keep = HIDDEN, .sqlite_numbers = true, .release = count_release, .context = &releases};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_wrap_stream(&stream, &options, &stream, &error), RHEI_OK);
    struct arrow_cursor *cursor;
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    const struct ArrowSchema *schema = arrow_cursor_schema(cursor);
    assert_int_equal(schema->n_children, HIDDEN);
    static const char *const formats[HIDDEN] = {"l", "l", "l", "l", "g", "l", "l", "u"};
    for (int i = 0; i < HIDDEN; i++) {
        assert_string_equal(schema->children[i]->format, formats[i]);
        assert_string_equal(arrow_cursor_column_name(cursor, (uint32_t)i), ((char[]){(char)('a' + i), '\0'}));
    }
    struct rhei_value one[] = {test_integer(1), test_integer(1),         test_integer(1), test_integer(1),
                               test_real(0.5),  test_integer(INT64_MIN), test_integer(1), test_text("text")};
    struct rhei_value last[] = {test_integer(0), test_integer(7),         test_integer(7), test_integer(7),
                                test_real(0.5),  test_integer(INT64_MIN), test_integer(7), test_text("text")};
    struct rhei_value nulls[HIDDEN] = {{.type = RHEI_NULL}};
    expect_row(cursor, one, HIDDEN);
    expect_row(cursor, nulls, HIDDEN);
    expect_row(cursor, last, HIDDEN);
    expect_row(cursor, last, HIDDEN);
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    assert_int_equal(releases, 0);
    arrow_cursor_close(&cursor);
    assert_int_equal(releases, 1);
}

static void test_integer_overflow_is_an_error(void **state)
{
    (void)state;
    static const char *const sums[] = {"9223372036854775808", "-9223372036854775809",
                                       "170141183460469231731687303715884105727"};
    for (size_t i = 0; i < 3; i++) {
        struct ArrowArrayStream stream;
        struct ArrowArray array;
        make_stream(&stream, sums[i]);
        struct arrow_wrap_options options = {.sqlite_numbers = true};
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(arrow_wrap_stream(&stream, &options, &stream, &error), RHEI_OK);
        assert_int_equal(stream.get_next(&stream, &array), EINVAL);
        assert_int_equal(arrow_stream_error(&stream, EINVAL, &error), RHEI_SQL);
        assert_string_equal(error.message, "integer overflow: column \"f\" has a value beyond 64 bits");
        stream.release(&stream);
    }
}

static void test_names_and_metadata(void **state)
{
    (void)state;
    static const char *const names[] = {"first", "second"};
    struct arrow_pair pair = {"rhei.route", "olap"};
    struct ArrowArrayStream stream, wrapped;
    struct ArrowSchema schema;
    struct ArrowArray array;
    make_stream(&stream, "1");
    struct arrow_wrap_options options = {.keep = 2, .names = names, .pairs = &pair, .pair_count = 1};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_wrap_stream(&stream, &options, &wrapped, &error), RHEI_OK);
    assert_null(stream.release);
    assert_int_equal(wrapped.get_schema(&wrapped, &schema), 0);
    assert_int_equal(schema.n_children, 2);
    assert_string_equal(schema.children[1]->name, "second");
    assert_string_equal(schema.children[1]->format, "i");
    assert_memory_equal(arrow_metadata_find(schema.metadata, "rhei.route", NULL), "olap", 4);
    schema.release(&schema);
    assert_int_equal(wrapped.get_next(&wrapped, &array), 0);
    assert_int_equal(array.n_children, 2);
    assert_int_equal(array.length, 3);
    wrapped.release(&wrapped);
    assert_int_equal(((const int32_t *)array.children[1]->buffers[1])[2], 7); /* outlives the stream */
    array.release(&array);
}

static void test_batches_pass_through_when_nothing_changes(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_integer(1)};
    struct test_rows rows;
    test_rows_init(&rows, values, 1, 1);
    struct arrow_row_source source = test_rows_source(&rows);
    struct arrow_row_options row_options = {.columns = {.count = 1}};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_row_stream(&source, &row_options, &stream, &error), RHEI_OK);
    struct arrow_wrap_options options = {.sqlite_numbers = true};
    assert_int_equal(arrow_wrap_stream(&stream, &options, &stream, &error), RHEI_OK);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    assert_int_equal(((const int64_t *)array.children[0]->buffers[1])[0], 1);
    array.release(&array);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    assert_null(array.release);
    stream.release(&stream);
}

static void test_too_few_columns(void **state)
{
    (void)state;
    struct ArrowArrayStream stream;
    make_stream(&stream, "1");
    int releases = 0;
    struct arrow_wrap_options options = {.keep = COLUMNS + 1, .release = count_release, .context = &releases};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_wrap_stream(&stream, &options, &stream, &error), RHEI_INTERNAL);
    assert_null(stream.release);
    assert_int_equal(releases, 1);
}

static void test_inner_failure_keeps_its_code(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_integer(1), test_integer(2), test_integer(3)};
    struct test_rows rows;
    test_rows_init(&rows, values, 1, 3);
    rows.fail_at = 2;
    struct arrow_row_source source = test_rows_source(&rows);
    struct arrow_row_options row_options = {.columns = {.count = 1}, .batch_rows = 1};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_row_stream(&source, &row_options, &stream, &error), RHEI_OK);
    struct arrow_wrap_options options = {.keep = 1};
    assert_int_equal(arrow_wrap_stream(&stream, &options, &stream, &error), RHEI_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stream.get_next(&stream, &array), 0);
        array.release(&array);
    }
    assert_int_equal(stream.get_next(&stream, &array), EBUSY);
    assert_string_equal(stream.get_last_error(&stream), "row 2 is locked");
    assert_int_equal(arrow_stream_error(&stream, EBUSY, &error), RHEI_BUSY);
    stream.release(&stream);
    assert_int_equal(rows.releases, 1);
}

static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    uint64_t failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct ArrowArrayStream stream;
        struct ArrowArray array = {.release = NULL};
        make_stream(&stream, "5");
        int releases = 0;
        struct arrow_pair pair = {"rhei.route", "olap"};
        struct arrow_wrap_options options = {.keep = HIDDEN,
                                             .sqlite_numbers = true,
                                             .pairs = &pair,
                                             .pair_count = 1,
                                             .release = count_release,
                                             .context = &releases};
        struct rhei_error error = RHEI_ERROR_INIT;
        base_memory_fail_after(nth);
        rhei_status status = arrow_wrap_stream(&stream, &options, &stream, &error);
        int code = 0;
        while (status == RHEI_OK && (code = stream.get_next(&stream, &array)) == 0 && array.release != NULL)
            array.release(&array);
        base_memory_fail_after(0);
        if (status == RHEI_OK && code != 0)
            status = arrow_stream_error(&stream, code, &error);
        if (stream.release != NULL)
            stream.release(&stream);
        assert_int_equal(releases, 1);
        if (status == RHEI_OK)
            break;
        assert_int_equal(status, RHEI_NO_MEMORY);
        failed++;
    }
    assert_true(failed > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_become_sqlites),
        cmocka_unit_test(test_integer_overflow_is_an_error),
        cmocka_unit_test(test_names_and_metadata),
        cmocka_unit_test(test_batches_pass_through_when_nothing_changes),
        cmocka_unit_test(test_too_few_columns),
        cmocka_unit_test(test_inner_failure_keeps_its_code),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
