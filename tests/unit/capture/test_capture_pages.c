/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a table by its pages are those that SQLite's own statement gives, value by value, and a log of another make is left to it. */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_source.h"

enum { COLUMNS = 6, ROUNDS = 40 };

static struct capture_source *source_of(struct oltp_test *test)
{
    return (struct capture_source *)test->source;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void same_value(const struct rhei_value *value, sqlite3_stmt *stmt, int column)
{
    struct rhei_value wanted;
    oltp_value(sqlite3_column_value(stmt, column), false, &wanted);
    assert_int_equal(value->type, wanted.type);
    assert_int_equal(value->length, wanted.length);
    if (value->type >= RHEI_TEXT)
        assert_memory_equal(value->as.bytes, wanted.as.bytes, wanted.length);
    else if (value->type != RHEI_NULL)
        assert_int_equal(value->as.integer, wanted.as.integer); /* a REAL's bits */
}

/* Every row from `from` on, asked for in two steps, with the arena cleared now and then. */
static void compare(struct oltp_connection *connection, int64_t from)
{
    struct base_arena arena = {0};
    struct capture_pages *pages = capture_pages_new(connection);
    sqlite3_stmt *stmt = NULL, *root = NULL;
    assert_non_null(pages);
    assert_int_equal(run(connection->db, "BEGIN"), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(connection->db, "SELECT rootpage FROM main.sqlite_master WHERE name = 'p'", -1, &root, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(root), SQLITE_ROW);
    capture_pages_root(pages, (uint32_t)sqlite3_column_int(root, 0));
    assert_int_equal(sqlite3_prepare_v2(connection->db, "SELECT n, a, b, c, d, e FROM main.p WHERE n >= ?1 ORDER BY n",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(stmt, 1, from);
    enum capture_pages_result result = capture_pages_seek(pages, from, &arena);
    for (int row = 0; sqlite3_step(stmt) == SQLITE_ROW; row++) {
        assert_int_equal(result, CAPTURE_PAGES_ROW);
        assert_int_equal(capture_pages_rowid(pages), sqlite3_column_int64(stmt, 0));
        if (row % 7 == 3) {
            base_arena_clear(&arena);
            capture_pages_cleared(pages);
        }
        const struct rhei_value *values = capture_pages_columns(pages, 3);
        assert_non_null(values);
        assert_int_equal(values[0].type, RHEI_NULL);
        values = capture_pages_columns(pages, COLUMNS);
        assert_non_null(values);
        for (int i = 1; i < COLUMNS; i++)
            same_value(&values[i], stmt, i);
        result = capture_pages_next(pages);
    }
    assert_int_equal(result, CAPTURE_PAGES_END);
    sqlite3_finalize(stmt);
    sqlite3_finalize(root);
    capture_pages_reset(pages);
    capture_pages_free(&pages);
    base_arena_reset(&arena);
    assert_int_equal(run(connection->db, "COMMIT"), SQLITE_OK);
}

static const char *random_value(char *text, size_t room)
{
    static const char *const ODD[] = {"NULL",
                                      "0",
                                      "1",
                                      "-1",
                                      "127",
                                      "-129",
                                      "32768",
                                      "-8388609",
                                      "2147483648",
                                      "-140737488355329",
                                      "9223372036854775807",
                                      "-9223372036854775807 - 1",
                                      "0.0",
                                      "-0.0",
                                      "1e308 * 10",
                                      "0.1 + 0.2",
                                      "''",
                                      "x''",
                                      "CAST(x'00ff41' AS TEXT)",
                                      "'\xC3\xA9' || char(0) || 'b'"};
    int kind = rand() % 8;
    if (kind < 5)
        return ODD[(size_t)rand() % (sizeof ODD / sizeof ODD[0])];
    int most = kind == 5 ? 30 : kind == 6 ? 1200 : rand() % 20 == 0 ? 200000 : 300;
    (void)snprintf(text, room, rand() % 2 == 0 ? "randomblob(%d)" : "substr(hex(randomblob(%d)), 1)",
                   1 + rand() % most);
    return text;
}

static void random_change(struct oltp_test *test)
{
    char sql[1024], value[5][64];
    const char *values[5];
    for (int i = 0; i < 5; i++)
        values[i] = random_value(value[i], sizeof value[i]);
    switch (rand() % 5) {
    case 0:
        (void)snprintf(sql, sizeof sql, "DELETE FROM p WHERE n %% %d = %d", 2 + rand() % 9, rand() % 9);
        break;
    case 1:
        (void)snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO p VALUES(%d, %s, %s, %s, %s, %s)", rand() - rand(),
                       values[0], values[1], values[2], values[3], values[4]);
        break;
    default:
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO p WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) "
                       "SELECT NULL, %s, %s, %s, %s, %s FROM s",
                       1 + rand() % 60, values[0], values[1], values[2], values[3], values[4]);
        break;
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    if (test_try(test, sql, &error) != RHEI_OK)
        assert_non_null(strstr(error.message, "full")); /* a rowid that can't be found any more */
}

static void test_c3_rows_by_pages_are_those_of_the_statement(void **state)
{
    static const int SIZES[] = {512, 1024, 4096, 65536};
    (void)state;
    srand(20261127);
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        struct oltp_test test;
        char sql[128];
        test_open(&test);
        test_shut(&test);
        assert_int_equal(remove(test.path), 0);
        (void)snprintf(sql, sizeof sql, "PRAGMA page_size = %d; CREATE TABLE p(n INTEGER PRIMARY KEY, a, b, c)",
                       SIZES[s]);
        assert_int_equal(test_shell(&test, sql), 0);
        test_reopen(&test);
        test_write(&test, "INSERT INTO p VALUES(-5, 1, 'b', 0.5)");
        test_write(&test, "ALTER TABLE p ADD COLUMN d"); /* shorter records than the table has columns */
        test_write(&test, "ALTER TABLE p ADD COLUMN e");
        for (int round = 0; round < ROUNDS; round++) {
            random_change(&test);
            if (round % 4 == 3) {
                compare(source_of(&test)->connection, INT64_MIN);
                compare(source_of(&test)->connection, rand() % 500);
            }
        }
        compare(source_of(&test)->connection, INT64_MAX);
        test_write(&test, "DELETE FROM p");
        compare(source_of(&test)->connection, INT64_MIN);
        test_close(&test);
    }
}

static void test_only_the_change_source_sees_pages(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    assert_int_equal(test_try(&test, "SELECT count(*) FROM sqlite_dbpage", &error), RHEI_SQL);
    assert_int_equal(test_try(&test, "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1", &error),
                     RHEI_SQL);
#if RHEI_SQLITE_BUNDLED
    assert_non_null(source_of(&test)->pages);
#endif
    test_close(&test);
}

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

/* Whether a cycle that tells of something reads it from pages. */
static bool is_paged(struct oltp_test *test, int64_t after)
{
    struct change_cycle cycle;
    assert_int_equal(test->source->ops->begin(test->source, after, &cycle, NULL, NULL), RHEI_OK);
    assert_false(cycle.lost);
    assert_true(cycle.position > after);
    bool paged = source_of(test)->paged;
    test->source->ops->end(test->source);
    return paged;
}

static void test_c3_long_and_short_rows_of_the_log_arrive(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b REAL, c TEXT)");
    test_write(&test, "CREATE TABLE w(k TEXT, v, PRIMARY KEY(k, v)) WITHOUT ROWID");
    test_mirror_check(mirror);
    for (int i = 0; i < 300; i++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, randomblob(%d), %d, 'x')", i,
                       i % 50 == 7 ? 70000 : i * 40, i);
        test_write(&test, sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO w VALUES('k%d' || hex(zeroblob(%d)), -0.0 + %d)", i, i * 20,
                       i % 3);
        test_write(&test, sql);
    }
    test_write(&test, "UPDATE w SET v = v + 1 WHERE k >= 'k2'");
    test_write(&test, "DELETE FROM w WHERE k < 'k15'");
    test_write(&test, "UPDATE t SET b = -0.0 WHERE id % 3 = 0");
    test_write(&test, "DELETE FROM t WHERE id % 5 = 0");
#if RHEI_SQLITE_BUNDLED
    assert_true(is_paged(&test, test.position));
#endif
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_losses(mirror), 0);
    /* a log that becomes wider while rows of the narrow one wait */
    test_write(&test, "INSERT INTO t VALUES(1000, 1, 2, 3)");
    test_write(&test, "CREATE TABLE v(id INTEGER PRIMARY KEY, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)");
    test_write(&test, "INSERT INTO v(id, q) VALUES(1, 'q')");
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c2_a_log_in_utf16_is_read_by_a_statement(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_shut(&test);
    assert_int_equal(remove(test.path), 0);
    assert_int_equal(test_shell(&test, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id TEXT PRIMARY KEY, v)"), 0);
    test_reopen(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_null(source_of(&test)->pages);
    test_write(&test, "INSERT INTO t VALUES('\xC3\xA9', 'b'), ('c', x'00')");
    test_write(&test, "UPDATE t SET v = 'w' WHERE id = '\xC3\xA9'");
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* Other programs may give the log's columns whatever a page doesn't show; then SQLite has to read it. */
static void test_a10_a_log_of_another_make_is_read_by_a_statement(void **state)
{
    static const char *const LOGS[] = {
        "c1 DEFAULT 7, c2, c3, c4, c5, c6, c7, c8",
        "c1 INT, c2, c3, c4, c5, c6, c7, c8",
        "c2, c1, c3, c4, c5, c6, c7, c8",
        "c1 AS (tab), c2, c3, c4, c5, c6, c7, c8",
    };
    (void)state;
    for (size_t i = 0; i < sizeof LOGS / sizeof LOGS[0]; i++) {
        struct oltp_test test;
        char sql[512];
        test_open(&test);
        test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
        test_write(&test, "INSERT INTO t VALUES(1, 2)");
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        (void)snprintf(
            sql, sizeof sql,
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE _rhei_cdc_log(seq INTEGER "
            "PRIMARY KEY, time, op, tab, %s)' WHERE name = '_rhei_cdc_log'; PRAGMA schema_version = 1000",
            LOGS[i]);
        assert_int_equal(test_shell(&test, sql), 0);
        struct change_cycle cycle;
        rhei_status status = test.source->ops->begin(test.source, 0, &cycle, NULL, NULL);
        assert_false(status == RHEI_OK && source_of(&test)->paged);
        test.source->ops->end(test.source);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

#if RHEI_SQLITE_BUNDLED
/* ---- Leaving the pages. ------------------------------------------------------------------------------------------ */

enum { LEFT_ROWS = 400 };

/*
 * All of a cycle, with the allocation of that number failing in the middle of it. A call that went well told rows as they are;
 * returns how many, -1 where there was no memory, which is said. *left: the cycle began with pages and went on without them.
 */
static int read_without(struct oltp_test *test, uint64_t allocation, sqlite3_stmt *wanted, bool *left)
{
    struct change_cycle cycle;
    const struct change_batch *batches;
    size_t count = 0;
    int rows = 0;
    assert_int_equal(test->source->ops->begin(test->source, test->position, &cycle, NULL, NULL), RHEI_OK);
    assert_false(cycle.lost);
    bool paged = source_of(test)->paged;
    base_memory_fail_after(allocation);
    rhei_status status = test->source->ops->next(test->source, 1000, &batches, &count, NULL);
    base_memory_fail_after(0);
    *left = paged && !source_of(test)->paged;
    while (status == RHEI_OK && count > 0) {
        assert_int_equal(count, 1);
        assert_null(batches[0].lost);
        for (size_t row = 0; row < batches[0].row_count; row++, rows++) {
            assert_true(batches[0].op == NULL || batches[0].op[row] == CHANGE_UPSERT);
            sqlite3_bind_int64(wanted, 1, batches[0].columns[0][row].as.integer);
            assert_int_equal(sqlite3_step(wanted), SQLITE_ROW);
            for (uint32_t i = 0; i < batches[0].column_count; i++)
                same_value(&batches[0].columns[i][row], wanted, (int)i);
            sqlite3_reset(wanted);
        }
        status = test->source->ops->next(test->source, 1000, &batches, &count, NULL);
    }
    test->source->ops->end(test->source);
    assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
    return status == RHEI_OK ? rows : -1;
}

/* Where a page of the log can't be kept, the statement goes on from the very row, and no row comes twice or not at all. */
static void test_c3_a_cycle_leaves_the_pages_in_its_middle(void **state)
{
    (void)state;
    struct oltp_test test;
    sqlite3 *db = NULL;
    sqlite3_stmt *wanted = NULL;
    bool left = false, any_left = false, left_whole = false;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b REAL, c TEXT)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    for (int i = 0; i < LEFT_ROWS; i++) {
        char sql[160];
        (void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, randomblob(%d), %d, 'row %d')", i,
                       i % 50 == 7 ? 9000 : i, i, i);
        test_write(&test, sql);
    }
    assert_int_equal(sqlite3_open(test.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT id, a, b, c FROM t WHERE id = ?1", -1, &wanted, NULL), SQLITE_OK);
    int rows = -1;
    for (uint64_t allocation = 1; allocation < 4000 && (allocation < 3 || left || rows < 0); allocation++) {
        /* an arena that has to grow asks for memory again, as in a first cycle */
        base_arena_reset(&source_of(&test)->arena);
        capture_pages_cleared(source_of(&test)->pages);
        rows = read_without(&test, allocation, wanted, &left);
        assert_true(rows == -1 || rows == LEFT_ROWS);
        any_left = any_left || left;
        left_whole = left_whole || (left && rows == LEFT_ROWS);
    }
    assert_true(any_left);
    assert_true(left_whole);
    assert_int_equal(rows, LEFT_ROWS);
    sqlite3_finalize(wanted);
    sqlite3_close(db);
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_losses(mirror), 0);
    test_mirror_free(&mirror);
    test_close(&test);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#if RHEI_SQLITE_BUNDLED
        cmocka_unit_test(test_c3_rows_by_pages_are_those_of_the_statement),
        cmocka_unit_test(test_c3_a_cycle_leaves_the_pages_in_its_middle),
#endif
        cmocka_unit_test(test_only_the_change_source_sees_pages),
        cmocka_unit_test(test_c3_long_and_short_rows_of_the_log_arrive),
        cmocka_unit_test(test_c2_a_log_in_utf16_is_read_by_a_statement),
        cmocka_unit_test(test_a10_a_log_of_another_make_is_read_by_a_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
