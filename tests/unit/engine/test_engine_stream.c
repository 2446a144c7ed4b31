/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as Arrow, and as bytes of Arrow's IPC format. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_ipc.h"
#include "base/base_buffer.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n REAL, x)");
    must_execute(fixture.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 70000) "
                             "INSERT INTO t SELECT i, 'w' || (i % 100), i * 0.25, "
                             "CASE i % 4 WHEN 0 THEN i WHEN 1 THEN i * 0.5 WHEN 2 THEN 'text' ELSE x'00ff' END FROM c");
    must_be_built(fixture.db);
    return 0;
}

static struct ArrowArrayStream must_stream(const char *sql, int32_t route, int32_t strings)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route, .strings = strings};
    struct ArrowArrayStream stream = {0};
    if (rhei_query_arrow(fixture.db, sql, NULL, &options, &stream, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return stream;
}

static rhei_status take(void *context, const void *bytes, size_t length, struct rhei_error *error)
{
    (void)error;
    base_buffer_append(context, bytes, length);
    return RHEI_OK;
}

struct bytes_input {
    const struct base_buffer *bytes;
    size_t at;
};

static rhei_status give(void *context, void *bytes, size_t length, size_t *got, struct rhei_error *error)
{
    (void)error;
    struct bytes_input *input = context;
    *got = input->bytes->len - input->at < length ? input->bytes->len - input->at : length;
    memcpy(bytes, input->bytes->data + input->at, *got);
    input->at += *got;
    return RHEI_OK;
}

/* Every value of the bytes must be that of the rows, in class and bits. */
static void must_hold(const struct base_buffer *bytes, const char *sql, uint32_t columns)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct bytes_input reader = {bytes, 0};
    struct arrow_ipc_input input = {.read = give, .context = &reader};
    struct ArrowArrayStream stream = {0};
    struct arrow_cursor *cursor = NULL;
    rhei_rows *rows = NULL;
    assert_int_equal(arrow_ipc_read(&input, &stream, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_open(&stream, &cursor, &error), RHEI_OK);
    assert_int_equal(rhei_query(fixture.db, sql, NULL, NULL, &rows, &error), RHEI_OK);
    size_t count = 0;
    while (rhei_rows_next(rows, &error) == RHEI_ROW) {
        if (arrow_cursor_next(cursor, &error) != RHEI_ROW)
            fail_msg("the bytes end after row %zu: %s", count, error.message);
        for (uint32_t c = 0; c < columns; c++) {
            struct rhei_value want = rhei_rows_value(rows, c), got = {0};
            assert_int_equal(arrow_cursor_value(cursor, c, &got, &error), RHEI_OK);
            assert_int_equal(got.type, want.type);
            if (want.type >= RHEI_TEXT) {
                assert_int_equal(got.length, want.length);
                assert_memory_equal(got.as.bytes, want.as.bytes, want.length);
            } else if (want.type != RHEI_NULL) {
                assert_memory_equal(&got.as, &want.as, sizeof want.as);
            }
        }
        count++;
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    assert_true(count >= 100);
    rhei_rows_close(&rows);
    arrow_cursor_close(&cursor);
    if (stream.release != NULL)
        stream.release(&stream);
}

static void test_c3_answers_are_written_as_arrow_ipc(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        uint32_t columns;
    } texts[] = {
        {"SELECT id, word, n, x FROM t ORDER BY id", 4},
        {"SELECT word, count(*), sum(id), avg(n) FROM t GROUP BY word ORDER BY word", 4},
    };
    for (int variant = 0; variant < 2 * 3 * 2 * 2; variant++) {
        struct rhei_arrow_options options = {
            .struct_size = sizeof options, .framing = variant % 2, .codec = variant / 2 % 3};
        struct rhei_error error = RHEI_ERROR_INIT;
        struct base_buffer bytes = {0};
        struct ArrowArrayStream stream = must_stream(texts[variant / 12].sql, variant / 12, variant / 6 % 2);
        if (rhei_arrow_write(&stream, &options, take, &bytes, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        assert_null(stream.release);
        assert_false(bytes.failed);
        must_hold(&bytes, texts[variant / 12].sql, texts[variant / 12].columns);
        base_buffer_reset(&bytes);
    }
}

static rhei_status fill_up(void *context, const void *bytes, size_t length, struct rhei_error *error)
{
    (void)bytes;
    (void)error;
    size_t *left = context;
    if (length > *left)
        return RHEI_FULL;
    *left -= length;
    return RHEI_OK;
}

static void test_d5_a_stream_that_cannot_be_written_is_released(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    size_t left = 2000;
    struct ArrowArrayStream stream = must_stream("SELECT id, word FROM t", RHEI_ROUTE_AUTO, RHEI_STRINGS_UTF8);
    assert_int_equal(rhei_arrow_write(&stream, NULL, fill_up, &left, &error), RHEI_FULL);
    assert_null(stream.release);
    const struct rhei_arrow_options wrong[] = {
        {.struct_size = sizeof wrong[0], .framing = 2},
        {.struct_size = sizeof wrong[0], .codec = -1},
    };
    for (size_t i = 0; i < 2; i++) {
        stream = must_stream("SELECT 1", RHEI_ROUTE_AUTO, RHEI_STRINGS_UTF8);
        assert_int_equal(rhei_arrow_write(&stream, &wrong[i], fill_up, &left, NULL), RHEI_INVALID);
        assert_null(stream.release);
    }
    stream = must_stream("SELECT 1", RHEI_ROUTE_AUTO, RHEI_STRINGS_UTF8);
    assert_int_equal(rhei_arrow_write(&stream, NULL, NULL, NULL, NULL), RHEI_INVALID);
    assert_int_equal(rhei_arrow_write(&stream, NULL, fill_up, &left, NULL), RHEI_INVALID);
    assert_int_equal(rhei_arrow_write(NULL, NULL, fill_up, &left, NULL), RHEI_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c3_answers_are_written_as_arrow_ipc, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_a_stream_that_cannot_be_written_is_released, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
