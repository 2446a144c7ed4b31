/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_stream.h"
#include "arrow_test_rows.h"
#include "base/base_clock.h"
#include "base/base_memory.h"

static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void expect_formats(struct ArrowArrayStream *stream, uint32_t count, const char *const *formats)
{
    struct ArrowSchema schema;
    assert_int_equal(stream->get_schema(stream, &schema), 0);
    assert_int_equal(schema.n_children, count);
    for (uint32_t i = 0; i < count; i++)
        assert_string_equal(schema.children[i]->format, formats[i]);
    schema.release(&schema);
}

static int64_t drain(struct ArrowArrayStream *stream, size_t *batches)
{
    int64_t rows = 0;
    for (*batches = 0;; (*batches)++) {
        struct ArrowArray array;
        assert_int_equal(stream->get_next(stream, &array), 0);
        if (array.release == NULL)
            return rows;
        assert_true(array.length > 0);
        rows += array.length;
        array.release(&array);
    }
}

/* Ten rows of an integer and a text, with the text of row 7 being an integer. */
static void make_values(struct rhei_value *values)
{
    for (int i = 0; i < 10; i++) {
        values[2 * i] = test_integer(i);
        values[2 * i + 1] = i == 7 ? test_integer(i) : test_text("text");
    }
}

static void open_rows(struct test_rows *rows, const struct arrow_row_options *options, struct ArrowArrayStream *stream)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_row_source source = test_rows_source(rows);
    assert_int_equal(arrow_row_stream(&source, options, stream, &error), RHEI_OK);
}

static void test_rows_that_fit_one_batch_decide_the_types(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    size_t batches;
    struct arrow_row_options options = {.columns = {.count = 2, .names = names}, .batch_rows = 10};
    test_rows_init(&rows, values, 2, 10); /* just as many as a batch holds */
    open_rows(&rows, &options, &stream);
    assert_int_equal(rows.releases, 1); /* read to the end, so given back at once */
    expect_formats(&stream, 2, (const char *const[]){"l", "+ud:0,1,2,3"});
    assert_int_equal(drain(&stream, &batches), 10);
    assert_int_equal(batches, 1);
    stream.release(&stream);
    assert_null(stream.release);
    assert_int_equal(rows.releases, 1);
    assert_false(rows.after_end);
}

static void test_unproven_columns_are_unions_from_the_second_batch_on(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    uint8_t known[] = {RHEI_INTEGER, RHEI_NULL};
    struct test_rows rows;
    struct ArrowArrayStream stream;
    size_t batches;
    struct arrow_row_options options = {.columns = {.count = 2, .names = names, .known_class = known}, .batch_rows = 4};
    test_rows_init(&rows, values, 2, 10);
    open_rows(&rows, &options, &stream);
    assert_int_equal(rows.releases, 0);
    expect_formats(&stream, 2, (const char *const[]){"l", "+ud:0,1,2,3"});
    assert_int_equal(drain(&stream, &batches), 10);
    assert_int_equal(batches, 3);
    assert_int_equal(rows.releases, 1);
    stream.release(&stream);
    assert_int_equal(rows.releases, 1);
}

static void test_batches_end_at_their_bytes(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    size_t batches;
    struct arrow_row_options options = {.columns = {.count = 2, .names = names}, .batch_bytes = 50};
    test_rows_init(&rows, values, 2, 10);
    open_rows(&rows, &options, &stream);
    assert_int_equal(drain(&stream, &batches), 10);
    assert_int_equal(batches, 4); /* 20 bytes a row */
    stream.release(&stream);
}

static void test_no_rows(void **state)
{
    (void)state;
    struct test_rows rows;
    struct ArrowArrayStream stream;
    size_t batches;
    uint8_t usual[] = {RHEI_TEXT, RHEI_NULL};
    struct arrow_row_options options = {.columns = {.count = 2, .names = names, .usual_class = usual}};
    test_rows_init(&rows, NULL, 2, 0);
    open_rows(&rows, &options, &stream);
    expect_formats(&stream, 2, (const char *const[]){"u", "l"});
    assert_int_equal(drain(&stream, &batches), 0);
    stream.release(&stream);
    assert_int_equal(rows.releases, 1);
}

static void test_metadata(void **state)
{
    (void)state;
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct arrow_pair pairs[] = {{"rhei.route", "oltp"}, {"rhei.position", "42"}, {"rhei.route", "olap"}};
    struct arrow_row_options options = {.columns = {.count = 0}, .pairs = pairs, .pair_count = 3};
    test_rows_init(&rows, NULL, 0, 0);
    open_rows(&rows, &options, &stream);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    size_t len;
    assert_memory_equal(arrow_metadata_find(schema.metadata, "rhei.route", &len), "olap", 4);
    assert_int_equal(len, 4);
    assert_memory_equal(arrow_metadata_find(schema.metadata, "rhei.position", &len), "42", 2);
    assert_null(arrow_metadata_find(schema.metadata, "rhei.age_us", &len));
    assert_int_equal(len, 0);
    assert_null(arrow_metadata_find(NULL, "rhei.route", NULL));
    schema.release(&schema);
    stream.release(&stream);
}

static void test_failure_before_the_first_batch(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct arrow_row_options options = {.columns = {.count = 2, .names = names}};
    test_rows_init(&rows, values, 2, 10);
    rows.fail_at = 3;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_row_source source = test_rows_source(&rows);
    assert_int_equal(arrow_row_stream(&source, &options, &stream, &error), RHEI_BUSY);
    assert_string_equal(error.message, "row 3 is locked");
    assert_int_equal(rows.releases, 1);
    assert_null(stream.release);
}

static void test_failure_later_is_kept(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    struct arrow_row_options options = {.columns = {.count = 2, .names = names}, .batch_rows = 2};
    test_rows_init(&rows, values, 2, 10);
    rows.fail_at = 5;
    open_rows(&rows, &options, &stream);
    assert_null(stream.get_last_error(&stream));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stream.get_next(&stream, &array), 0);
        assert_int_equal(array.length, 2);
        array.release(&array);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stream.get_next(&stream, &array), EBUSY);
        assert_null(array.release);
        assert_string_equal(stream.get_last_error(&stream), "row 5 is locked");
    }
    assert_int_equal(rows.releases, 1);
    assert_false(rows.after_end);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_stream_error(&stream, EBUSY, &error), RHEI_BUSY);
    assert_string_equal(error.message, "row 5 is locked");
    assert_string_equal(error.sqlstate, "55P03");
    stream.release(&stream);
    assert_int_equal(rows.releases, 1);
}

static void test_release_before_the_end(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    for (int read = 0; read < 3; read++) {
        struct test_rows rows;
        struct ArrowArrayStream stream;
        struct ArrowArray array[2];
        struct arrow_row_options options = {.columns = {.count = 2, .names = names}, .batch_rows = 3};
        test_rows_init(&rows, values, 2, 10);
        open_rows(&rows, &options, &stream);
        for (int i = 0; i < read; i++)
            assert_int_equal(stream.get_next(&stream, &array[i]), 0);
        stream.release(&stream);
        assert_int_equal(rows.releases, 1);
        for (int i = 0; i < read; i++) { /* a batch outlives its stream */
            assert_int_equal(((const int64_t *)array[i].children[0]->children[0]->buffers[1])[2], 3 * i + 2);
            array[i].release(&array[i]);
        }
    }
}

static struct rhei_value random_value(uint64_t *random, unsigned classes, char *bytes)
{
    unsigned class = (unsigned)(next_random(random) % 5);
    if ((classes >> class & 1) == 0)
        return test_null();
    uint64_t bits = next_random(random);
    struct rhei_value value = {.as.integer = (int64_t)bits, .type = (uint8_t) class};
    if (class == RHEI_REAL)
        memcpy(&value.as.real, &bits, sizeof bits);
    if (class < RHEI_TEXT)
        return value;
    value.as.bytes = bytes;
    value.length = (uint32_t)(bits % 40);
    for (uint32_t i = 0; i < value.length; i++)
        bytes[i] = (char)(class == RHEI_TEXT ? 'a' + next_random(random) % 26 : next_random(random));
    return value;
}

/* Rows of random classes come out of the stream as they went in, whatever the size of batches. */
static void check_round_trip(uint64_t *random)
{
    enum { COLUMNS = 6, MAX_ROWS = 300 };
    size_t count = next_random(random) % MAX_ROWS;
    struct rhei_value *values = base_alloc_zero(count * COLUMNS, sizeof *values);
    char *bytes = base_alloc(count * COLUMNS * 40);
    unsigned classes[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) /* often one class, so that plain columns are met too */
        classes[i] = next_random(random) % 2 == 0 ? 1U << next_random(random) % 5 : (unsigned)next_random(random) % 32;
    for (size_t i = 0; i < count * COLUMNS; i++)
        values[i] = random_value(random, classes[i % COLUMNS], bytes + i * 40);
    struct test_rows rows;
    struct ArrowArrayStream stream;
    struct arrow_row_options options = {
        .columns = {.count = COLUMNS, .names = names, .strings_view = next_random(random) % 2 == 0},
        .batch_rows = next_random(random) % 400,
        .batch_bytes = next_random(random) % 3 == 0 ? 1000 : 0,
    };
    test_rows_init(&rows, values, COLUMNS, count);
    open_rows(&rows, &options, &stream);
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_cursor *cursor;
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    assert_null(stream.release);
    for (size_t row = 0; row < count; row++) {
        assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_ROW);
        for (uint32_t column = 0; column < COLUMNS; column++) {
            struct rhei_value value;
            assert_int_equal(arrow_cursor_value(cursor, column, &value, &error), RHEI_OK);
            assert_same_value(&value, &values[row * COLUMNS + column]);
        }
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    arrow_cursor_close(&cursor);
    assert_int_equal(rows.releases, 1);
    assert_false(rows.after_end);
    base_free(values);
    base_free(bytes);
}

static void test_q6_random_rows_come_out_as_they_went_in(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t random = (given != NULL ? strtoull(given, NULL, 0) : base_random_u64()) | 1;
    print_message("RHEI_TEST_SEED=%llu\n", (unsigned long long)random);
    for (int i = 0; i < 300; i++)
        check_round_trip(&random);
}

/* Every allocation of our own fails once; each time the error says so, and the source is given back once. */
static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    struct rhei_value values[20];
    make_values(values);
    uint64_t failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct test_rows rows;
        struct ArrowArrayStream stream;
        struct rhei_error error = RHEI_ERROR_INIT;
        struct arrow_pair pair = {"rhei.route", "oltp"};
        struct arrow_row_options options = {.columns = {.count = 2, .names = names, .strings_view = nth % 2 == 0},
                                            .pairs = &pair,
                                            .pair_count = 1,
                                            .batch_rows = 4};
        test_rows_init(&rows, values, 2, 10);
        struct arrow_row_source source = test_rows_source(&rows);
        base_memory_fail_after(nth);
        rhei_status status = arrow_row_stream(&source, &options, &stream, &error);
        int code = 0;
        struct ArrowArray array = {.release = NULL};
        while (status == RHEI_OK && (code = stream.get_next(&stream, &array)) == 0 && array.release != NULL)
            array.release(&array);
        base_memory_fail_after(0);
        if (status == RHEI_OK && code != 0)
            status = arrow_stream_error(&stream, code, &error);
        if (stream.release != NULL)
            stream.release(&stream);
        assert_int_equal(rows.releases, 1);
        if (status == RHEI_OK)
            break;
        assert_int_equal(status, RHEI_NO_MEMORY);
        assert_int_equal(error.code, RHEI_NO_MEMORY);
        failed++;
    }
    assert_true(failed > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_that_fit_one_batch_decide_the_types),
        cmocka_unit_test(test_unproven_columns_are_unions_from_the_second_batch_on),
        cmocka_unit_test(test_batches_end_at_their_bytes),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_failure_before_the_first_batch),
        cmocka_unit_test(test_failure_later_is_kept),
        cmocka_unit_test(test_release_before_the_end),
        cmocka_unit_test(test_q6_random_rows_come_out_as_they_went_in),
        cmocka_unit_test(test_every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
