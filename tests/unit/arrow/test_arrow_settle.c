/* SPDX-License-Identifier: Apache-2.0 */
/* Types that later rows, or their lack, decide: looking ahead in a source, holding back batches of a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_stream.h"
#include "arrow/arrow_usual.h"
#include "arrow_test_rows.h"
#include "base/base_memory.h"

enum { ROWS = 10, COLUMNS = 4 };

static const char *const names[] = {"whole", "late", "nothing", "mixed"};
static struct rhei_value values[ROWS * COLUMNS];

/* an integer; a text in row 8 alone; nothing; integers, then a REAL in row 7 */
static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        values[COLUMNS * i] = test_integer(i);
        values[COLUMNS * i + 1] = i == 8 ? test_text("a text of row eight") : test_null();
        values[COLUMNS * i + 2] = test_null();
        values[COLUMNS * i + 3] = i == 7 ? test_real(0.5) : test_integer(-i);
    }
    return 0;
}

static rhei_status survey(void *context, size_t keep, uint8_t *seen, struct rhei_error *error)
{
    struct test_rows *rows = context;
    (void)error;
    for (size_t row = rows->at - 1; row < rows->rows; row++)
        for (uint32_t c = 0; c < rows->columns; c++)
            if (rows->values[row * rows->columns + c].type != RHEI_NULL)
                seen[c] |= (uint8_t)(1u << rows->values[row * rows->columns + c].type);
    rows->at = keep;
    return RHEI_OK;
}

static uint8_t usual_blob(void *context, uint32_t column)
{
    *(uint32_t *)context |= 1u << column;
    return RHEI_BLOB;
}

static void expect(struct ArrowArrayStream *stream, const char *const *formats)
{
    struct ArrowSchema schema;
    assert_int_equal(stream->get_schema(stream, &schema), 0);
    assert_int_equal(schema.n_children, COLUMNS);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        assert_string_equal(schema.children[c]->format, formats[c]);
        assert_string_equal(schema.children[c]->name, names[c]);
    }
    schema.release(&schema);
    struct arrow_cursor *cursor = NULL;
    assert_int_equal(arrow_cursor_open(stream, &cursor, NULL), RHEI_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(arrow_cursor_next(cursor, NULL), RHEI_ROW);
        for (uint32_t c = 0; c < COLUMNS; c++) {
            struct rhei_value value;
            assert_int_equal(arrow_cursor_value(cursor, c, &value, NULL), RHEI_OK);
            assert_same_value(&value, &values[COLUMNS * i + (int)c]);
        }
    }
    assert_int_equal(arrow_cursor_next(cursor, NULL), RHEI_DONE);
    arrow_cursor_close(&cursor);
}

static rhei_status open_rows(struct test_rows *rows, bool ahead, size_t batch, uint32_t *asked,
                             struct ArrowArrayStream *stream)
{
    test_rows_init(rows, values, COLUMNS, ROWS);
    struct arrow_row_source source = test_rows_source(rows);
    source.survey = ahead ? survey : NULL;
    struct arrow_row_options options = {.columns = {.count = COLUMNS, .names = names},
                                        .batch_rows = batch,
                                        .usual = usual_blob,
                                        .usual_context = asked};
    return arrow_row_stream(&source, &options, stream, NULL);
}

static void test_q6_looking_ahead(void **state)
{
    (void)state;
    static const char *const formats[] = {"l", "u", "z", "+ud:0,1,2,3"};
    static const char *const unknown[] = {"+ud:0,1,2,3", "+ud:0,1,2,3", "+ud:0,1,2,3", "+ud:0,1,2,3"};
    struct test_rows rows;
    struct ArrowArrayStream stream;
    for (size_t batch = 1; batch <= ROWS + 1; batch++) {
        uint32_t asked = 0;
        assert_int_equal(open_rows(&rows, true, batch, &asked, &stream), RHEI_OK);
        assert_int_equal(asked, 1u << 2);
        expect(&stream, formats);
        assert_int_equal(rows.releases, 1);
    }
    uint32_t asked = 0;
    assert_int_equal(open_rows(&rows, false, 3, &asked, &stream), RHEI_OK);
    expect(&stream, unknown);
}

/* A stream whose second column is all NULL in its first batches, as an executor gives it. */
static void open_known(struct test_rows *rows, struct ArrowArrayStream *stream)
{
    static const uint8_t known[] = {RHEI_INTEGER, RHEI_TEXT, RHEI_INTEGER, RHEI_NULL};
    test_rows_init(rows, values, COLUMNS, ROWS);
    struct arrow_row_source source = test_rows_source(rows);
    struct arrow_row_options options = {.columns = {.count = COLUMNS, .names = names, .known_class = known},
                                        .batch_rows = 2};
    assert_int_equal(arrow_row_stream(&source, &options, stream, NULL), RHEI_OK);
}

static void test_q2_columns_without_values_are_settled(void **state)
{
    (void)state;
    static const char *const formats[] = {"l", "u", "g", "+ud:0,1,2,3"};
    const uint8_t usual[] = {RHEI_INTEGER, RHEI_REAL, RHEI_REAL, RHEI_NULL};
    const uint8_t known[] = {RHEI_NULL, RHEI_TEXT, RHEI_REAL | ARROW_SURELY_NULL, RHEI_NULL};
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct rhei_error error = RHEI_ERROR_INIT;
    open_known(&rows, &stream);
    assert_int_equal(arrow_settle_stream(&stream, usual, COLUMNS, false, 1 << 20, &stream, NULL), RHEI_OK);
    assert_int_equal(rows.at, ROWS); /* to the end, for a column that never shows a value */
    expect(&stream, formats);
    open_known(&rows, &stream);
    assert_int_equal(arrow_settle_stream(&stream, known, COLUMNS, false, 0, &stream, NULL), RHEI_OK);
    assert_true(rows.at < ROWS); /* nothing had to be seen */
    expect(&stream, formats);
    open_known(&rows, &stream);
    assert_int_equal(arrow_settle_stream(&stream, usual, COLUMNS, false, 10, &stream, &error), RHEI_MEMORY_LIMIT);
    assert_int_equal(rows.releases, 1);
}

static void test_d6_failing_memory(void **state)
{
    (void)state;
    const uint8_t usual[] = {RHEI_INTEGER, RHEI_REAL, RHEI_BLOB, RHEI_NULL};
    struct test_rows rows;
    for (uint64_t fail = 1, done = 0; done == 0; fail++) {
        struct ArrowArrayStream stream;
        struct ArrowArray array;
        open_known(&rows, &stream);
        base_memory_fail_after(fail);
        rhei_status status = arrow_settle_stream(&stream, usual, COLUMNS, true, 1 << 20, &stream, NULL);
        int code = 0;
        while (status == RHEI_OK && (code = stream.get_next(&stream, &array)) == 0 && array.release != NULL)
            array.release(&array);
        done = status == RHEI_OK && code == 0;
        base_memory_fail_after(0);
        if (stream.release != NULL)
            stream.release(&stream);
        assert_int_equal(rows.releases, 1);
    }
}

static void test_q2_declared_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        uint8_t class;
    } types[] = {{"INTEGER", RHEI_INTEGER},
                 {"bigint", RHEI_INTEGER},
                 {"CHARINT", RHEI_INTEGER},
                 {"VARCHAR(20)", RHEI_TEXT},
                 {"nclob", RHEI_TEXT},
                 {"Text", RHEI_TEXT},
                 {"BLOB", RHEI_BLOB},
                 {"REAL", RHEI_REAL},
                 {"double precision", RHEI_REAL},
                 {"FLOAT", RHEI_REAL},
                 {"DECIMAL(10,2)", RHEI_INTEGER},
                 {"DATE", RHEI_INTEGER},
                 {"FLOATING POINT", RHEI_INTEGER},
                 {"", RHEI_INTEGER},
                 {NULL, RHEI_INTEGER}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(arrow_usual_class(types[i].type), types[i].class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_q6_looking_ahead, fill),
        cmocka_unit_test_setup(test_q2_columns_without_values_are_settled, fill),
        cmocka_unit_test_setup(test_d6_failing_memory, fill),
        cmocka_unit_test(test_q2_declared_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
