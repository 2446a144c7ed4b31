/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow and Parquet files: what is written is read back, and what isn't whole is an error. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arrow/arrow_cursor.h"
#include "base/base_memory.h"
#include "rhei/rhei_doors.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n REAL, x)");
    must_execute(fixture.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 70000) "
                             "INSERT INTO t SELECT i, nullif('w' || (i % 100), 'w7'), i * -0.25, "
                             "CASE i % 6 WHEN 0 THEN i WHEN 1 THEN i * 0.5 WHEN 2 THEN 'a' || char(0) WHEN 3 THEN NULL "
                             "WHEN 4 THEN -0.0 ELSE x'00ff' END FROM c");
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

static FILE *must_write(const char *sql, int32_t route, int32_t strings)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream = must_stream(sql, route, strings);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(fputs("what the file held before, which is longer than nothing", file) >= 0 && fflush(file) == 0);
    if (rhei_parquet_write(&stream, fileno(file), &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    assert_null(stream.release);
    return file;
}

/* Every value of the stream must be that of the rows, in class and bits. */
static void must_hold(struct ArrowArrayStream *stream, const char *sql, uint32_t columns)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct arrow_cursor *cursor = NULL;
    rhei_rows *rows = NULL;
    assert_int_equal(arrow_cursor_open(stream, &cursor, &error), RHEI_OK);
    assert_int_equal(arrow_cursor_column_count(cursor), columns);
    assert_int_equal(rhei_query(fixture.db, sql, NULL, NULL, &rows, &error), RHEI_OK);
    for (size_t count = 0; rhei_rows_next(rows, &error) == RHEI_ROW; count++) {
        if (arrow_cursor_next(cursor, &error) != RHEI_ROW)
            fail_msg("the file ends after row %zu: %s", count, error.message);
        for (uint32_t c = 0; c < columns; c++) {
            struct rhei_value want = rhei_rows_value(rows, c), got = {0};
            assert_string_equal(arrow_cursor_column_name(cursor, c), rhei_rows_column_name(rows, c));
            assert_int_equal(arrow_cursor_value(cursor, c, &got, &error), RHEI_OK);
            assert_int_equal(got.type, want.type);
            if (want.type >= RHEI_TEXT) {
                assert_int_equal(got.length, want.length);
                assert_memory_equal(got.as.bytes, want.as.bytes, want.length);
            } else if (want.type != RHEI_NULL) {
                assert_memory_equal(&got.as, &want.as, sizeof want.as);
            }
        }
    }
    assert_int_equal(arrow_cursor_next(cursor, &error), RHEI_DONE);
    rhei_rows_close(&rows);
    arrow_cursor_close(&cursor);
}

static const struct {
    const char *sql;
    uint32_t columns;
} texts[] = {
    {"SELECT id, word, n, x FROM t ORDER BY id", 4},
    {"SELECT word, count(*), sum(id), avg(n) FROM t GROUP BY word ORDER BY word", 4},
    {"SELECT * FROM t WHERE id < 0", 4},
    {"SELECT NULL AS \"a \"\"b\", 'x' AS \"é\"", 2},
};

static void test_c3_answers_come_back_from_parquet(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        for (int variant = 0; variant < 4; variant++) {
            struct rhei_error error = RHEI_ERROR_INIT;
            struct ArrowArrayStream stream = {0};
            FILE *file = must_write(texts[at].sql, variant / 2 ? RHEI_ROUTE_OLTP : RHEI_ROUTE_AUTO, variant % 2);
            if (rhei_parquet_read(fileno(file), &stream, &error) != RHEI_OK)
                fail_msg("%s: %s", texts[at].sql, error.message);
            must_hold(&stream, texts[at].sql, texts[at].columns);
            fclose(file);
        }
    }
}

static rhei_status to_file(void *context, const void *bytes, size_t length, struct rhei_error *error)
{
    (void)error;
    return fwrite(bytes, 1, length, context) == length ? RHEI_OK : RHEI_IO;
}

static rhei_status from_file(void *context, void *bytes, size_t length, size_t *got, struct rhei_error *error)
{
    (void)error;
    *got = fread(bytes, 1, length, context);
    return RHEI_OK;
}

static void test_c3_answers_come_back_from_arrow(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        for (int variant = 0; variant < 6; variant++) {
            struct rhei_error error = RHEI_ERROR_INIT;
            struct rhei_arrow_options options = {
                .struct_size = sizeof options, .framing = variant % 2, .codec = variant / 2};
            struct ArrowArrayStream stream = must_stream(texts[at].sql, RHEI_ROUTE_AUTO, 0);
            FILE *file = tmpfile();
            assert_int_equal(rhei_arrow_write(&stream, &options, to_file, file, &error), RHEI_OK);
            rewind(file);
            if (rhei_arrow_read(from_file, file, &stream, &error) != RHEI_OK)
                fail_msg("%s: %s", texts[at].sql, error.message);
            must_hold(&stream, texts[at].sql, texts[at].columns);
            fclose(file);
        }
    }
}

/* Reads to the end, or to the error. */
static rhei_status read_parquet(FILE *file, struct rhei_error *error)
{
    struct ArrowArrayStream stream = {0};
    struct ArrowArray batch;
    rhei_status status = rhei_parquet_read(fileno(file), &stream, error);
    if (status != RHEI_OK)
        return status;
    int code;
    while ((code = stream.get_next(&stream, &batch)) == 0 && batch.release != NULL)
        batch.release(&batch);
    status = code == 0 ? RHEI_OK : rhei_stream_error(&stream, code, error);
    stream.release(&stream);
    return status;
}

static void test_d5_a_parquet_file_that_is_not_whole_is_an_error(void **state)
{
    (void)state;
    FILE *file = must_write("SELECT id, word, n, x FROM t WHERE id < 3000 ORDER BY id", RHEI_ROUTE_AUTO, 0);
    off_t length = lseek(fileno(file), 0, SEEK_END);
    for (off_t cut = length - 1; cut >= 0; cut -= 1 + length / 60) {
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(ftruncate(fileno(file), cut), 0);
        assert_int_equal(read_parquet(file, &error), RHEI_IO);
        assert_null(strstr(error.message, "/proc/"));
        assert_non_null(strstr(error.message, "Parquet"));
    }
    fclose(file);
}

static void test_d5_what_the_rows_end_with_is_told(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    FILE *file = tmpfile();
    struct ArrowArrayStream stream = must_stream(
        "SELECT id, abs(iif(id > 69000, -9223372036854775807 - 1, id)) + 0 * random() AS a FROM t ORDER BY id",
        RHEI_ROUTE_OLTP, 0);
    assert_int_equal(rhei_parquet_write(&stream, fileno(file), &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "integer overflow"));
    assert_null(stream.release);
    stream = must_stream("SELECT 1", RHEI_ROUTE_AUTO, 0);
    assert_int_equal(rhei_parquet_write(&stream, -1, NULL), RHEI_INVALID);
    assert_null(stream.release);
    assert_int_equal(rhei_parquet_write(NULL, fileno(file), NULL), RHEI_INVALID);
    assert_int_equal(rhei_parquet_read(-1, &stream, NULL), RHEI_INVALID);
    assert_int_equal(rhei_parquet_read(fileno(file), NULL, NULL), RHEI_INVALID);
    assert_int_equal(rhei_arrow_read(NULL, NULL, &stream, NULL), RHEI_INVALID);
    FILE *full = fopen("/dev/full", "w");
    stream = must_stream("SELECT 1", RHEI_ROUTE_AUTO, 0);
    assert_int_equal(rhei_parquet_write(&stream, fileno(full), &error), RHEI_IO);
    fclose(full);
    fclose(file);
}

static void test_d6_memory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    const char *sql = "SELECT id, word, n, x FROM t WHERE id < 50 ORDER BY id";
    FILE *file = must_write(sql, RHEI_ROUTE_OLTP, 0);
    for (int reads = 0; reads < 2; reads++) {
        for (uint64_t allocations = 1;; allocations++) {
            struct rhei_error error = RHEI_ERROR_INIT;
            struct ArrowArrayStream stream =
                reads ? (struct ArrowArrayStream){0} : must_stream(sql, RHEI_ROUTE_OLTP, 0);
            base_memory_fail_after(allocations);
            rhei_status status = reads ? read_parquet(file, &error) : rhei_parquet_write(&stream, fileno(file), &error);
            base_memory_fail_after(0);
            if (status == RHEI_OK)
                break;
            assert_int_equal(status, RHEI_NO_MEMORY);
            assert_true(allocations < 500);
        }
    }
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_c3_answers_come_back_from_parquet, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_c3_answers_come_back_from_arrow, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_a_parquet_file_that_is_not_whole_is_an_error, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_what_the_rows_end_with_is_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d6_memory_that_is_not_there_is_an_error, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
