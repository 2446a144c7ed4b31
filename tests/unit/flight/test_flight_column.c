/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of prescribed types: what goes in comes out, through the reader of IPC that checks everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "arrow/arrow_cursor.h"
#include "base/base_memory.h"
#include "flight/flight_column.h"

static const struct flight_type item[] = {{"item", "u", true, NULL}, {NULL, NULL, false, NULL}};
static const struct flight_type members[] = {{"s", "u", true, NULL}, {"n", "l", true, NULL}, {NULL, NULL, false, NULL}};
static const struct flight_type types[] = {{"text", "u", true, NULL},          {"bytes", "z", true, NULL},
                                           {"int", "i", true, NULL},           {"byte", "C", false, NULL},
                                           {"flag", "b", true, NULL},          {"list", "+l", true, item},
                                           {"any", "+ud:0,1", false, members}, {NULL, NULL, false, NULL}};

static struct flight_rows *fill(int count, struct rhei_error *error)
{
    struct flight_rows *rows = flight_rows_new(types, error);
    for (int i = 0; rows != NULL && i < count; i++) {
        struct flight_column *columns = flight_rows_column(rows, 0);
        flight_put_text(&columns[0], i % 3 == 0 ? NULL : "words");
        if (i % 5 == 0)
            flight_put_null(&columns[1]);
        else
            flight_put_bytes(&columns[1], "\xff\0", 2);
        flight_put_number(&columns[2], -i);
        flight_put_number(&columns[3], i % 200);
        if (i % 7 == 0)
            flight_put_null(&columns[4]);
        else
            flight_put_number(&columns[4], i % 2);
        for (int k = 0; k < i % 4; k++)
            flight_put_text(&columns[5].children[0], "x");
        if (i % 4 == 3)
            flight_put_list(&columns[5]);
        else if (i % 4 == 0)
            flight_put_null(&columns[5]);
        else
            flight_put_list(&columns[5]);
        if (i % 2 == 0)
            flight_put_text(flight_put_member(&columns[6], 0), "member");
        else
            flight_put_number(flight_put_member(&columns[6], 1), i);
        flight_rows_end_row(rows);
    }
    return rows;
}

static void must_be(struct arrow_cursor *cursor, uint32_t column, uint8_t type, const char *text, int64_t number)
{
    struct rhei_value value;
    assert_int_equal(arrow_cursor_value(cursor, column, &value, NULL), RHEI_OK);
    assert_int_equal(value.type, type);
    if (type == RHEI_INTEGER)
        assert_int_equal(value.as.integer, number);
    else if (type != RHEI_NULL)
        assert_memory_equal(value.as.bytes, text, value.length);
}

static void test_every_value_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct flight_rows *rows = fill(1000, &error);
    struct ArrowArrayStream stream;
    struct arrow_cursor *cursor = NULL;
    assert_int_equal(flight_rows_stream(&rows, types, &stream, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
        must_be(cursor, 0, i % 3 == 0 ? RHEI_NULL : RHEI_TEXT, "words", 0);
        must_be(cursor, 1, i % 5 == 0 ? RHEI_NULL : RHEI_BLOB, "\xff\0", 0);
        must_be(cursor, 2, RHEI_INTEGER, NULL, -i);
        must_be(cursor, 3, RHEI_INTEGER, NULL, i % 200);
        must_be(cursor, 4, i % 7 == 0 ? RHEI_NULL : RHEI_INTEGER, NULL, i % 2);
        static const char *const lists[] = {"", "[\"x\"]", "[\"x\",\"x\"]", "[\"x\",\"x\",\"x\"]"};
        must_be(cursor, 5, i % 4 == 0 ? RHEI_NULL : RHEI_TEXT, lists[i % 4], 0);
        must_be(cursor, 6, i % 2 == 0 ? RHEI_TEXT : RHEI_INTEGER, "member", i);
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    arrow_cursor_close(&cursor);
}

static void test_no_rows_are_a_stream_too(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct flight_rows *rows = fill(0, &error);
    struct ArrowArrayStream stream;
    struct arrow_cursor *cursor = NULL;
    assert_int_equal(flight_rows_stream(&rows, types, &stream, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_column_count(cursor), 7);
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    arrow_cursor_close(&cursor);
}

static void test_d6_memory_that_is_missing_is_an_error(void **state)
{
    (void)state;
    for (uint64_t after = 1;; after++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct ArrowArrayStream stream = {0};
        base_memory_fail_after(after);
        struct flight_rows *rows = fill(20, &error);
        rhei_status status = rows == NULL ? RHEI_NO_MEMORY : flight_rows_stream(&rows, types, &stream, &error);
        base_memory_fail_after(0);
        if (status == RHEI_OK) {
            stream.release(&stream);
            assert_true(after > 10);
            return;
        }
        assert_int_equal(status, RHEI_NO_MEMORY);
        assert_null(rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value_comes_out_as_it_went_in),
        cmocka_unit_test(test_no_rows_are_a_stream_too),
        cmocka_unit_test(test_d6_memory_that_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
