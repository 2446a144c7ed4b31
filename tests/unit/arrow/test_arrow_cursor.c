/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_cursor.h"
#include "arrow_test_rows.h"
#include "base/base_memory.h"

static void check(int code)
{
    assert_int_equal(code, NANOARROW_OK);
}

/* Opens a cursor over one column "c" of the given type. Takes both. */
static struct arrow_cursor *open_column(struct ArrowSchema *type, struct ArrowArray *column)
{
    struct ArrowSchema schema;
    struct ArrowArray batch;
    ArrowSchemaInit(&schema);
    check(ArrowSchemaSetType(&schema, NANOARROW_TYPE_STRUCT));
    check(ArrowSchemaAllocateChildren(&schema, 1));
    ArrowSchemaMove(type, schema.children[0]);
    check(ArrowSchemaSetName(schema.children[0], "c"));
    check(ArrowArrayInitFromType(&batch, NANOARROW_TYPE_STRUCT));
    check(ArrowArrayAllocateChildren(&batch, 1));
    batch.length = column->length;
    ArrowArrayMove(column, batch.children[0]);
    struct ArrowArrayStream stream;
    check(ArrowBasicArrayStreamInit(&stream, &schema, 1));
    ArrowBasicArrayStreamSetArray(&stream, 0, &batch);
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_cursor *cursor;
    rhei_status status = arrow_cursor_open(&stream, &cursor, &error);
    if (status != RHEI_OK)
        fail_msg("%s", error.message);
    return cursor;
}

/* All that are left at once, where the column has such a way. */
static void expect_filled(struct arrow_cursor *cursor, const struct rhei_value *expected, size_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value values[2 * 64];
    int64_t bad, left = arrow_cursor_rows_left(cursor);
    assert_in_range(left, 1, count < 64 ? count : 64);
    if (!arrow_cursor_lends(cursor, 0))
        return;
    if (arrow_cursor_fill(cursor, 0, 0, left, values, 2, &bad, &error) != RHEI_OK)
        fail_msg("cell %d: %s", (int)bad, error.message);
    for (int64_t i = 0; i < left; i++)
        assert_same_value(&values[2 * i], &expected[i]);
    assert_int_equal(arrow_cursor_fill(cursor, 0, 1, left, values, 2, &bad, NULL), RHEI_IO);
}

static void expect_values(struct arrow_cursor *cursor, const struct rhei_value *expected, size_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    for (size_t i = 0; i < count; i++) {
        struct rhei_value value;
        assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
        expect_filled(cursor, expected + i, count - i);
        rhei_status status = arrow_cursor_value(cursor, 0, &value, &error);
        if (status != RHEI_OK)
            fail_msg("row %zu: %s", i, error.message);
        if (value.type == RHEI_TEXT && expected[i].type == RHEI_TEXT &&
            (value.length != expected[i].length || memcmp(value.as.bytes, expected[i].as.bytes, value.length) != 0))
            fail_msg("row %zu is \"%.*s\" instead of \"%.*s\"", i, (int)value.length, (const char *)value.as.bytes,
                     (int)expected[i].length, (const char *)expected[i].as.bytes);
        assert_same_value(&value, &expected[i]);
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    arrow_cursor_close(&cursor);
    assert_null(cursor);
}

/* Integers of a type, then a NULL. */
static void expect_integers(struct ArrowSchema *type, const int64_t *integers, size_t count,
                            const struct rhei_value *expected)
{
    struct ArrowArray column;
    check(ArrowArrayInitFromSchema(&column, type, NULL));
    check(ArrowArrayStartAppending(&column));
    for (size_t i = 0; i < count; i++)
        check(ArrowArrayAppendInt(&column, integers[i]));
    check(ArrowArrayAppendNull(&column, 1));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    struct rhei_value values[16];
    memcpy(values, expected, count * sizeof *values);
    values[count] = test_null();
    expect_values(open_column(type, &column), values, count + 1);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        enum ArrowType type;
        int64_t low, high;
    } cases[] = {
        {NANOARROW_TYPE_BOOL, 0, 1},
        {NANOARROW_TYPE_INT8, INT8_MIN, INT8_MAX},
        {NANOARROW_TYPE_INT16, INT16_MIN, INT16_MAX},
        {NANOARROW_TYPE_INT32, INT32_MIN, INT32_MAX},
        {NANOARROW_TYPE_INT64, INT64_MIN, INT64_MAX},
        {NANOARROW_TYPE_UINT8, 0, UINT8_MAX},
        {NANOARROW_TYPE_UINT16, 0, UINT16_MAX},
        {NANOARROW_TYPE_UINT32, 0, UINT32_MAX},
        {NANOARROW_TYPE_UINT64, 0, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ArrowSchema type;
        check(ArrowSchemaInitFromType(&type, cases[i].type));
        struct rhei_value expected[] = {test_integer(cases[i].low), test_integer(cases[i].high)};
        expect_integers(&type, (int64_t[]){cases[i].low, cases[i].high}, 2, expected);
    }
}

static void test_unsigned_beyond_int64_is_text(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_UINT64));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    check(ArrowArrayAppendUInt(&column, UINT64_MAX));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    struct rhei_value expected[] = {test_text("18446744073709551615")};
    expect_values(open_column(&type, &column), expected, 1);
}

static void test_reals(void **state)
{
    (void)state;
    static const enum ArrowType types[] = {NANOARROW_TYPE_HALF_FLOAT, NANOARROW_TYPE_FLOAT, NANOARROW_TYPE_DOUBLE};
    for (size_t i = 0; i < 3; i++) {
        struct ArrowSchema type;
        struct ArrowArray column;
        check(ArrowSchemaInitFromType(&type, types[i]));
        check(ArrowArrayInitFromSchema(&column, &type, NULL));
        check(ArrowArrayStartAppending(&column));
        check(ArrowArrayAppendDouble(&column, -0.25));
        check(ArrowArrayAppendDouble(&column, HUGE_VAL));
        check(ArrowArrayAppendNull(&column, 1));
        check(ArrowArrayFinishBuildingDefault(&column, NULL));
        struct rhei_value expected[] = {test_real(-0.25), test_real(HUGE_VAL), test_null()};
        expect_values(open_column(&type, &column), expected, 3);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static const enum ArrowType types[] = {NANOARROW_TYPE_STRING,       NANOARROW_TYPE_LARGE_STRING,
                                           NANOARROW_TYPE_STRING_VIEW,  NANOARROW_TYPE_BINARY,
                                           NANOARROW_TYPE_LARGE_BINARY, NANOARROW_TYPE_BINARY_VIEW};
    for (size_t i = 0; i < 6; i++) {
        struct ArrowSchema type;
        struct ArrowArray column;
        check(ArrowSchemaInitFromType(&type, types[i]));
        check(ArrowArrayInitFromSchema(&column, &type, NULL));
        check(ArrowArrayStartAppending(&column));
        struct rhei_value expected[] = {test_text("short"), test_null(), test_text(""),
                                        test_text("longer than twelve bytes")};
        for (size_t row = 0; row < 4; row++) {
            struct ArrowBufferView bytes = {{expected[row].as.bytes}, expected[row].length};
            check(row == 1 ? ArrowArrayAppendNull(&column, 1) : ArrowArrayAppendBytes(&column, bytes));
            if (row != 1)
                expected[row].type = i < 3 ? RHEI_TEXT : RHEI_BLOB;
        }
        check(ArrowArrayFinishBuildingDefault(&column, NULL));
        expect_values(open_column(&type, &column), expected, 4);
    }
}

static void test_fixed_size_binary_and_uuid(void **state)
{
    (void)state;
    for (int uuid = 0; uuid < 2; uuid++) {
        struct ArrowSchema type;
        struct ArrowArray column;
        ArrowSchemaInit(&type);
        check(ArrowSchemaSetTypeFixedSize(&type, NANOARROW_TYPE_FIXED_SIZE_BINARY, 16));
        char *metadata = NULL;
        struct arrow_pair pair = {"ARROW:extension:name", "arrow.uuid"};
        if (uuid == 1)
            assert_int_equal(arrow_metadata_encode(NULL, &pair, 1, &metadata, NULL, NULL), RHEI_OK);
        check(ArrowSchemaSetMetadata(&type, metadata));
        base_free(metadata);
        check(ArrowArrayInitFromSchema(&column, &type, NULL));
        check(ArrowArrayStartAppending(&column));
        struct ArrowBufferView bytes = {{"\x01\x23\x45\x67\x89\xAB\xCD\xEF\x01\x23\x45\x67\x89\xAB\xCD\xEF"}, 16};
        check(ArrowArrayAppendBytes(&column, bytes));
        check(ArrowArrayFinishBuildingDefault(&column, NULL));
        struct rhei_value expected[] = {uuid == 1 ? test_text("01234567-89ab-cdef-0123-456789abcdef")
                                                  : test_blob(bytes.data.as_char)};
        expected[0].length = uuid == 1 ? 36 : 16;
        expect_values(open_column(&type, &column), expected, 1);
    }
}

static void test_decimals(void **state)
{
    (void)state;
    static const struct {
        int scale;
        const char *digits, *text;
    } cases[] = {
        {0, "0", "0"},
        {0, "-170141183460469231731687303715884105727", "-170141183460469231731687303715884105727"},
        {2, "12345", "123.45"},
        {2, "-5", "-0.05"},
        {3, "100", "0.100"},
        {-2, "7", "700"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ArrowSchema type;
        struct ArrowArray column;
        struct ArrowDecimal decimal;
        ArrowSchemaInit(&type);
        check(ArrowSchemaSetTypeDecimal(&type, NANOARROW_TYPE_DECIMAL128, 38, cases[i].scale));
        check(ArrowArrayInitFromSchema(&column, &type, NULL));
        check(ArrowArrayStartAppending(&column));
        ArrowDecimalInit(&decimal, 128, 38, cases[i].scale);
        check(ArrowDecimalSetDigits(&decimal, ArrowCharView(cases[i].digits)));
        check(ArrowArrayAppendDecimal(&column, &decimal));
        check(ArrowArrayAppendNull(&column, 1));
        check(ArrowArrayFinishBuildingDefault(&column, NULL));
        struct rhei_value expected[] = {test_text(cases[i].text), test_null()};
        expect_values(open_column(&type, &column), expected, 2);
    }
}

static void test_dates(void **state)
{
    (void)state;
    int64_t days[] = {0, -1, 19782, 11016, 2932896, -719162, -719528, -719529, 47482};
    struct rhei_value texts[] = {test_text("1970-01-01"), test_text("1969-12-31"),  test_text("2024-02-29"),
                                 test_text("2000-02-29"), test_text("9999-12-31"),  test_text("0001-01-01"),
                                 test_text("0000-01-01"), test_text("-0001-12-31"), test_text("2100-01-01")};
    enum { COUNT = sizeof days / sizeof days[0] };
    struct ArrowSchema type;
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_DATE32));
    expect_integers(&type, days, COUNT, texts);
    int64_t milliseconds[COUNT];
    for (int i = 0; i < COUNT; i++)
        milliseconds[i] = days[i] * 86400000;
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_DATE64));
    expect_integers(&type, milliseconds, COUNT, texts);
}

static void expect_time_values(enum ArrowType time_type, enum ArrowTimeUnit unit, const char *zone,
                               const int64_t *values, const struct rhei_value *texts, size_t count)
{
    struct ArrowSchema type;
    ArrowSchemaInit(&type);
    check(ArrowSchemaSetTypeDateTime(&type, time_type, unit, zone));
    expect_integers(&type, values, count, texts);
}

static void test_times(void **state)
{
    (void)state;
    struct rhei_value seconds[] = {test_text("00:00:00"), test_text("23:59:59")};
    expect_time_values(NANOARROW_TYPE_TIME32, NANOARROW_TIME_UNIT_SECOND, NULL, (int64_t[]){0, 86399}, seconds, 2);
    struct rhei_value millis[] = {test_text("00:00:01.5"), test_text("12:30:00")};
    expect_time_values(NANOARROW_TYPE_TIME32, NANOARROW_TIME_UNIT_MILLI, NULL, (int64_t[]){1500, 45000000}, millis, 2);
    struct rhei_value micros[] = {test_text("00:00:00.000001")};
    expect_time_values(NANOARROW_TYPE_TIME64, NANOARROW_TIME_UNIT_MICRO, NULL, (int64_t[]){1}, micros, 1);
    struct rhei_value nanos[] = {test_text("00:00:00.123456789")};
    expect_time_values(NANOARROW_TYPE_TIME64, NANOARROW_TIME_UNIT_NANO, NULL, (int64_t[]){123456789}, nanos, 1);
}

static void test_timestamps(void **state)
{
    (void)state;
    struct rhei_value plain[] = {test_text("1970-01-01 00:00:00"), test_text("1969-12-31 23:59:59.999999"),
                                 test_text("2024-02-29 12:30:00.5")};
    expect_time_values(NANOARROW_TYPE_TIMESTAMP, NANOARROW_TIME_UNIT_MICRO, NULL, (int64_t[]){0, -1, 1709209800500000},
                       plain, 3);
    struct rhei_value zoned[] = {test_text("2024-02-29 12:30:00+00:00")};
    expect_time_values(NANOARROW_TYPE_TIMESTAMP, NANOARROW_TIME_UNIT_SECOND, "Europe/Berlin", (int64_t[]){1709209800},
                       zoned, 1);
    struct rhei_value nanos[] = {test_text("1677-09-21 00:12:43.145224192"),
                                 test_text("2262-04-11 23:47:16.854775807")};
    expect_time_values(NANOARROW_TYPE_TIMESTAMP, NANOARROW_TIME_UNIT_NANO, "", (int64_t[]){INT64_MIN, INT64_MAX}, nanos,
                       2);
}

static void test_durations(void **state)
{
    (void)state;
    struct rhei_value texts[] = {test_text("PT1.5S"), test_text("PT-0.001S"), test_text("PT-9223372036854775.808S")};
    expect_time_values(NANOARROW_TYPE_DURATION, NANOARROW_TIME_UNIT_MILLI, NULL, (int64_t[]){1500, -1, INT64_MIN},
                       texts, 3);
}

static void test_intervals(void **state)
{
    (void)state;
    static const enum ArrowType types[] = {NANOARROW_TYPE_INTERVAL_MONTHS, NANOARROW_TYPE_INTERVAL_DAY_TIME,
                                           NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO};
    static const char *const texts[] = {"P14M", "P-3DT4.5S", "P14M-3DT0.25S"};
    for (size_t i = 0; i < 3; i++) {
        struct ArrowSchema type;
        struct ArrowArray column;
        struct ArrowInterval interval = {.type = types[i], .months = 14, .days = -3, .ms = 4500, .ns = 250000000};
        check(ArrowSchemaInitFromType(&type, types[i]));
        check(ArrowArrayInitFromSchema(&column, &type, NULL));
        check(ArrowArrayStartAppending(&column));
        check(ArrowArrayAppendInterval(&column, &interval));
        check(ArrowArrayFinishBuildingDefault(&column, NULL));
        struct rhei_value expected[] = {test_text(texts[i])};
        expect_values(open_column(&type, &column), expected, 1);
    }
}

static void test_null_column(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    check(ArrowSchemaInitFromType(&type, NANOARROW_TYPE_NA));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    check(ArrowArrayAppendNull(&column, 2));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    struct rhei_value expected[] = {test_null(), test_null()};
    expect_values(open_column(&type, &column), expected, 2);
}

static void make_dictionary(struct ArrowSchema *type, struct ArrowArray *column, int64_t last_index)
{
    check(ArrowSchemaInitFromType(type, NANOARROW_TYPE_INT8));
    check(ArrowSchemaAllocateDictionary(type));
    check(ArrowSchemaInitFromType(type->dictionary, NANOARROW_TYPE_STRING));
    check(ArrowArrayInitFromSchema(column, type, NULL));
    check(ArrowArrayStartAppending(column->dictionary));
    check(ArrowArrayAppendString(column->dictionary, ArrowCharView("red")));
    check(ArrowArrayAppendString(column->dictionary, ArrowCharView("blue")));
    check(ArrowArrayStartAppending(column));
    check(ArrowArrayAppendInt(column, 1));
    check(ArrowArrayAppendNull(column, 1));
    check(ArrowArrayAppendInt(column, last_index));
    check(ArrowArrayFinishBuilding(column, NANOARROW_VALIDATION_LEVEL_MINIMAL, NULL));
}

static void test_dictionary(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    make_dictionary(&type, &column, 0);
    struct rhei_value expected[] = {test_text("blue"), test_null(), test_text("red")};
    expect_values(open_column(&type, &column), expected, 3);
}

static void test_index_outside_the_dictionary(void **state)
{
    (void)state;
    for (int64_t index = -1; index <= 2; index += 3) {
        struct ArrowSchema type;
        struct ArrowArray column;
        make_dictionary(&type, &column, index);
        struct arrow_cursor *cursor = open_column(&type, &column);
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_value value;
        for (int row = 0; row < 3; row++)
            assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
        assert_int_equal(arrow_cursor_value(cursor, 0, &value, &error), RHEI_IO);
        arrow_cursor_close(&cursor);
    }
}

static void test_sparse_union(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    ArrowSchemaInit(&type);
    check(ArrowSchemaSetTypeUnion(&type, NANOARROW_TYPE_SPARSE_UNION, 2));
    check(ArrowSchemaSetType(type.children[0], NANOARROW_TYPE_INT32));
    check(ArrowSchemaSetType(type.children[1], NANOARROW_TYPE_STRING));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    check(ArrowArrayAppendInt(column.children[0], 5));
    check(ArrowArrayFinishUnionElement(&column, 0));
    check(ArrowArrayAppendString(column.children[1], ArrowCharView("x")));
    check(ArrowArrayFinishUnionElement(&column, 1));
    check(ArrowArrayAppendNull(&column, 1));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    struct rhei_value expected[] = {test_integer(5), test_text("x"), test_null()};
    expect_values(open_column(&type, &column), expected, 3);
}

/* struct {l: list<int64>, m: map<utf8, bool>, t: utf8, r: double, b: binary, d: date32} */
static void test_nested_values_are_json(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    ArrowSchemaInit(&type);
    check(ArrowSchemaSetTypeStruct(&type, 6));
    static const enum ArrowType types[] = {NANOARROW_TYPE_LIST,   NANOARROW_TYPE_MAP,    NANOARROW_TYPE_STRING,
                                           NANOARROW_TYPE_DOUBLE, NANOARROW_TYPE_BINARY, NANOARROW_TYPE_DATE32};
    for (int i = 0; i < 6; i++) {
        check(ArrowSchemaSetType(type.children[i], types[i]));
        check(ArrowSchemaSetName(type.children[i], (char[]){"lmtrbd"[i], '\0'}));
    }
    check(ArrowSchemaSetType(type.children[0]->children[0], NANOARROW_TYPE_INT64));
    check(ArrowSchemaSetType(type.children[1]->children[0]->children[0], NANOARROW_TYPE_STRING));
    check(ArrowSchemaSetType(type.children[1]->children[0]->children[1], NANOARROW_TYPE_BOOL));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    for (int row = 0; row < 2; row++) {
        struct ArrowArray *list = column.children[0];
        struct ArrowArray *map = column.children[1];
        check(ArrowArrayAppendInt(list->children[0], row));
        check(ArrowArrayAppendNull(list->children[0], 1));
        check(ArrowArrayFinishElement(list));
        check(ArrowArrayAppendString(map->children[0]->children[0], ArrowCharView("k")));
        check(ArrowArrayAppendInt(map->children[0]->children[1], row));
        check(ArrowArrayFinishElement(map->children[0]));
        check(ArrowArrayFinishElement(map));
        check(ArrowArrayAppendString(column.children[2], ArrowCharView("a\"\\\n\xC3\xA9")));
        check(ArrowArrayAppendDouble(column.children[3], row == 0 ? 0.1 : NAN));
        check(ArrowArrayAppendBytes(column.children[4], (struct ArrowBufferView){{"\x01\xFF\x02\x03"}, 4 - row}));
        check(row == 0 ? ArrowArrayAppendInt(column.children[5], 1) : ArrowArrayAppendNull(column.children[5], 1));
        check(ArrowArrayFinishElement(&column));
    }
    check(ArrowArrayAppendNull(&column, 1));
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    struct rhei_value expected[] = {
        test_text("{\"l\":[0,null],\"m\":{\"k\":false},\"t\":\"a\\\"\\\\\\u000a\xC3\xA9\",\"r\":0.1,\"b\":\"Af8CAw==\","
                  "\"d\":\"1970-01-02\"}"),
        test_text("{\"l\":[1,null],\"m\":{\"k\":true},\"t\":\"a\\\"\\\\\\u000a\xC3\xA9\",\"r\":\"NaN\",\"b\":\"Af8C\","
                  "\"d\":null}"),
        test_null()};
    expect_values(open_column(&type, &column), expected, 3);
}

static void test_offsets_of_columns_and_batches(void **state)
{
    (void)state;
    struct ArrowSchema type;
    struct ArrowArray column;
    ArrowSchemaInit(&type);
    check(ArrowSchemaSetType(&type, NANOARROW_TYPE_LIST));
    check(ArrowSchemaSetType(type.children[0], NANOARROW_TYPE_INT64));
    check(ArrowArrayInitFromSchema(&column, &type, NULL));
    check(ArrowArrayStartAppending(&column));
    for (int row = 0; row < 4; row++) {
        check(ArrowArrayAppendInt(column.children[0], row));
        check(ArrowArrayFinishElement(&column));
    }
    check(ArrowArrayFinishBuildingDefault(&column, NULL));
    column.offset = 2;
    column.length = 2;
    struct rhei_value expected[] = {test_text("[2]"), test_text("[3]")};
    expect_values(open_column(&type, &column), expected, 2);
}

static void test_types_that_can_not_be_read(void **state)
{
    (void)state;
    struct ArrowSchema schema;
    ArrowSchemaInit(&schema);
    check(ArrowSchemaSetTypeStruct(&schema, 1));
    check(ArrowSchemaSetTypeRunEndEncoded(schema.children[0], NANOARROW_TYPE_INT32));
    check(ArrowSchemaSetType(schema.children[0]->children[1], NANOARROW_TYPE_INT64));
    struct ArrowArrayStream stream;
    check(ArrowBasicArrayStreamInit(&stream, &schema, 0));
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_cursor *cursor;
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_UNSUPPORTED);
    assert_null(cursor);
    assert_null(stream.release);
    assert_non_null(strstr(error.message, "\"+r\""));

    struct rhei_error second = RHEI_ERROR_INIT;
    check(ArrowSchemaInitFromType(&schema, NANOARROW_TYPE_INT64));
    check(ArrowBasicArrayStreamInit(&stream, &schema, 0));
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &second), RHEI_UNSUPPORTED);
}

static void test_failure_is_repeated(void **state)
{
    (void)state;
    struct rhei_value values[] = {test_integer(1), test_integer(2)};
    struct test_rows rows;
    test_rows_init(&rows, values, 1, 2);
    rows.fail_at = 2;
    struct arrow_row_source source = test_rows_source(&rows);
    struct arrow_row_options options = {.columns = {.count = 1}, .batch_rows = 1};
    struct ArrowArrayStream stream;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_cursor *cursor;
    assert_int_equal(arrow_row_stream(&source, &options, &stream, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
    for (int i = 0; i < 2; i++) {
        struct rhei_error again = RHEI_ERROR_INIT;
        assert_int_equal(arrow_cursor_next(cursor, &again), RHEI_BUSY);
        assert_string_equal(again.message, "row 2 is locked");
    }
    arrow_cursor_close(&cursor);
    assert_int_equal(rows.releases, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_unsigned_beyond_int64_is_text),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_fixed_size_binary_and_uuid),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_null_column),
        cmocka_unit_test(test_dictionary),
        cmocka_unit_test(test_index_outside_the_dictionary),
        cmocka_unit_test(test_sparse_union),
        cmocka_unit_test(test_nested_values_are_json),
        cmocka_unit_test(test_offsets_of_columns_and_batches),
        cmocka_unit_test(test_types_that_can_not_be_read),
        cmocka_unit_test(test_failure_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
