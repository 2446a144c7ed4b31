/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that the mirror answers by itself: the same rows, classes, names and limits as on the other ways. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(
        &fixture,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB, loose, "
        "big INTEGER, none REAL, \"a b\" TEXT)",
        "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 30000) INSERT INTO t "
        "SELECT k, CASE WHEN k % 7 THEN (k * 37) % 1009 - 500 END, CASE WHEN k % 5 THEN k * 0.37 - 900 END, "
        "'text number ' || k, CASE WHEN k % 3 THEN zeroblob(k % 20) END, CASE k % 4 WHEN 0 THEN k WHEN 1 THEN "
        "k * 0.5 WHEN 2 THEN 't' || k ELSE x'00ff' END, 9223372036854775000, NULL, 'n' || (k % 3) FROM c");
    return 0;
}

/* One value of EXPLAIN ROUTE, "" if it isn't told; the caller's. */
static char *told(const char *sql, const char *item)
{
    char text[600];
    rhei_rows *rows = NULL;
    snprintf(text, sizeof text, "EXPLAIN ROUTE %s", sql);
    assert_int_equal(rhei_query(fixture.db, text, NULL, NULL, &rows, NULL), RHEI_OK);
    char *found = strdup("");
    while (rhei_rows_next(rows, NULL) == RHEI_ROW)
        if (strcmp(rhei_rows_text(rows, 0), item) == 0) {
            free(found);
            found = strdup(rhei_rows_text(rows, 1));
        }
    rhei_rows_close(&rows);
    return found;
}

static void must_be_direct(const char *sql, bool direct)
{
    must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLAP); /* EXPLAIN ROUTE waits for nothing */
    char *scan = told(sql, "mirror scan"), *route = told(sql, "route");
    if ((scan[0] != '\0') != direct)
        fail_msg("%s: %s", sql, direct ? "needs an executor" : scan);
    if (direct && strcmp(route, "olap") != 0)
        fail_msg("%s: answered by %s", sql, route);
    free(scan);
    free(route);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a text in order, because a SELECT without ORDER BY has none. */
static char *sorted(char *rows)
{
    size_t count = 0, length = strlen(rows);
    char **lines = calloc(length + 1, sizeof *lines), *out = calloc(length + 2, 1), *rest = rows;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        lines[count++] = line;
    qsort(lines, count, sizeof *lines, by_line);
    char *at = out;
    for (size_t i = 0; i < count; i++)
        if (lines[i][0] != '\0') {
            size_t size = strlen(lines[i]);
            memcpy(at, lines[i], size);
            at[size] = '\n';
            at += size + 1;
        }
    free(lines);
    rhei_free(rows);
    return out;
}

static void must_be_same(const char *sql, const struct rhei_params *params)
{
    char *oltp = sorted(must_rows(fixture.db, sql, params, RHEI_ROUTE_OLTP));
    char *olap = sorted(must_rows(fixture.db, sql, params, RHEI_ROUTE_OLAP));
    if (strcmp(oltp, olap) != 0)
        fail_msg("%s: the engines differ", sql);
    free(oltp);
    free(olap);
}

static const char *const texts[] = {
    "SELECT * FROM t",
    "SELECT s, id, s, rowid FROM t",
    "SELECT loose, b AS bytes, none FROM t",
    "SELECT x.\"a b\", x.r FROM t AS x WHERE x.i >= -20 AND 40.5 > x.r",
    "SELECT id FROM t WHERE r BETWEEN -100 AND 1e2",
    "SELECT id, i FROM t WHERE i = 17",
    "SELECT id, i FROM t WHERE i = 17.0",
    "SELECT id FROM t WHERE id < 0",
    "SELECT id FROM t WHERE none > 3",
    "SELECT count(*) FROM t",
    "SELECT count(*), count(i), count(loose), count(none), count(\"a b\") FROM t",
    "SELECT sum(i), total(i), avg(i), min(i), max(i), count(i) FROM t",
    "SELECT sum(r), total(r), avg(r), min(r), max(r) FROM t",
    "SELECT sum(none), total(none), avg(none), min(none), max(none) FROM t",
    "SELECT avg(big), total(big), min(big) FROM t",
    "SELECT sum(i), sum(r), count(*) FROM t WHERE id > 20000",
    "SELECT sum(i), sum(r), count(loose) FROM t WHERE r > 0.37 AND i <= 100",
    "SELECT sum(i), avg(r), total(r), min(id), count(*) FROM t WHERE id > 900000",
    "SELECT \"a b\", count(*), count(r), sum(r), avg(r), total(r), min(r), max(r) FROM t GROUP BY \"a b\"",
    "SELECT count(*), sum(r), i, i, sum(i), avg(i), total(i), min(i), max(i), count(loose) FROM t GROUP BY i",
    "SELECT i AS r, max(id), avg(big), sum(none), min(none) FROM t AS x GROUP BY x.i",
    "SELECT s, count(*) FROM t WHERE r < 3000 GROUP BY s", /* long texts */
    "SELECT s, count(*), sum(r) FROM t GROUP BY s",        /* too many */
    "SELECT i, count(*), sum(r) FROM t WHERE r > 0.37 AND id <= 20000 GROUP BY i",
    "SELECT big, count(*) FROM t GROUP BY big",
};

static void must_all_be_same(void)
{
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        must_be_same(texts[t], NULL);
}

static void test_q2_the_same_rows_and_totals(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        must_be_direct(texts[t], true);
    must_all_be_same();
    must_be_same("SELECT i, count(*) FROM t WHERE r = 1690 GROUP BY i", NULL); /* the group of NULL alone */
    must_be_same("SELECT i, count(*) FROM t WHERE id > 900000 GROUP BY i", NULL);
    must_be_same("SELECT id, sum(r) FROM t WHERE id BETWEEN 5 AND 2500 GROUP BY id", NULL);
    must_execute(fixture.db, "UPDATE t SET i = i + 1, r = NULL WHERE id % 11 = 3");
    must_execute(fixture.db, "DELETE FROM t WHERE id % 13 = 5");
    must_execute(fixture.db, "INSERT INTO t (id, i, r) VALUES (-5, 17, 17), (40000, -1, -1e-300)");
    must_all_be_same();
    must_execute(fixture.db, "DELETE FROM t");
    must_all_be_same();
}

static void test_q2_what_needs_an_executor_gets_one(void **state)
{
    (void)state;
    must_execute(fixture.db, "UPDATE t SET loose = -0.0, r = 1e999 WHERE id = 4");
    must_execute(fixture.db, "UPDATE t SET s = CAST(x'ff' AS TEXT) WHERE id = 6");
    static const char *const others[] = {
        "SELECT s FROM t",
        "SELECT sum(r) FROM t",
        "SELECT sum(loose) FROM t",
        "SELECT id + 0 FROM t",
        "SELECT min(\"a b\") FROM t",
        "SELECT max(id) - min(id) FROM t",
        "SELECT s, count(*) FROM t GROUP BY s",
        "SELECT i, sum(r) FROM t GROUP BY i",
        "SELECT r, count(*) FROM t GROUP BY r",
        "SELECT loose, count(*) FROM t GROUP BY loose",
        "SELECT id FROM t WHERE s = 'text number 7'",
    };
    for (size_t t = 0; t < sizeof others / sizeof others[0]; t++)
        must_be_direct(others[t], false);
    must_be_direct("SELECT id, r, loose FROM t", true);
    must_be_same("SELECT id, r, loose FROM t", NULL);
}

/* SQLite's error, also where the column store only finds that it can't say the sum. */
static void test_q2_integer_overflow_is_an_error(void **state)
{
    (void)state;
    must_fail(fixture.db, "SELECT sum(big) FROM t", RHEI_SQL);
    must_fail(fixture.db, "SELECT count(*), sum(big) FROM t WHERE id > 3", RHEI_SQL);
    must_fail(fixture.db, "SELECT i, sum(big) FROM t GROUP BY i", RHEI_SQL);
    must_execute(fixture.db, "DELETE FROM t WHERE id > 1");
    must_agree(fixture.db, "SELECT sum(big) FROM t", NULL);
}

static void test_q4_parameters(void **state)
{
    (void)state;
    static const char sql[] = "SELECT count(*), sum(i), min(r) FROM t WHERE i > ?1 AND r <= ?2";
    must_agree(fixture.db, sql, RHEI_PARAMS(rhei_integer(5), rhei_real(17.5)));
    must_agree(fixture.db, sql, RHEI_PARAMS(rhei_real(5.5), rhei_integer(-17)));
    must_agree(fixture.db, sql, RHEI_PARAMS(rhei_integer(INT64_MIN), rhei_real(__builtin_inf())));
    must_agree(fixture.db, sql, RHEI_PARAMS(rhei_integer(INT64_MAX), rhei_integer(0)));
    must_be_same(sql, RHEI_PARAMS(rhei_null(), rhei_integer(0)));
}

static void test_q8_the_schema_of_now(void **state)
{
    (void)state;
    must_be_same("SELECT * FROM t", NULL);
    must_execute(fixture.db, "ALTER TABLE t DROP COLUMN b");
    must_be_built(fixture.db);
    must_be_same("SELECT * FROM t", NULL);
    must_execute(fixture.db, "ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 7");
    must_execute(fixture.db, "ALTER TABLE t RENAME COLUMN i TO j");
    must_be_built(fixture.db);
    must_be_same("SELECT * FROM t", NULL);
    must_be_same("SELECT sum(more), sum(j), count(*) FROM t", NULL);
    must_fail(fixture.db, "SELECT i FROM t", RHEI_SQL);
}

/* A commit before the call is seen, one after it isn't; position and age say so. */
static void test_q1_latest(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP};
    rhei_rows *rows = NULL;
    int64_t position = 0;
    for (int i = 0; i < 20; i++) {
        must_execute(fixture.db, "UPDATE t SET i = 0 WHERE id <= 100");
        must_execute(fixture.db, i % 2 == 0 ? "UPDATE t SET i = 1000000 WHERE id = 7" : "DELETE FROM t WHERE id = 8");
        assert_int_equal(rhei_query(fixture.db, "SELECT max(i), count(*) FROM t", NULL, &options, &rows, &error),
                         RHEI_OK);
        must_execute(fixture.db, "UPDATE t SET i = 2000000 WHERE id = 9");
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        assert_int_equal(rhei_rows_int64(rows, 0), i % 2 == 0 ? 1000000 : 508);
        assert_true(rhei_rows_position(rows) > position);
        position = rhei_rows_position(rows);
        rhei_rows_close(&rows);
    }
}

static uint64_t read_stream(struct ArrowArrayStream *stream, int *code)
{
    struct ArrowArray array;
    uint64_t rows = 0;
    while ((*code = stream->get_next(stream, &array)) == 0 && array.release != NULL) {
        rows += (uint64_t)array.length;
        array.release(&array);
    }
    return rows;
}

static void test_q5_limits_and_early_ends(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP};
    struct ArrowArrayStream stream;
    int code;
    options.memory_limit = 100000;
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT id, s FROM t", NULL, &options, &stream, &error), RHEI_OK);
    assert_int_equal(read_stream(&stream, &code), 30000);
    assert_int_equal(code, 0);
    stream.release(&stream);
    options.memory_limit = 10; /* not even one row */
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT id, s FROM t", NULL, &options, &stream, &error), RHEI_OK);
    assert_int_equal(read_stream(&stream, &code), 0);
    assert_int_not_equal(code, 0);
    assert_non_null(strstr(stream.get_last_error(&stream), "memory limit"));
    stream.release(&stream);
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, NULL), RHEI_OK);
    options = (struct rhei_query_options){.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP, .cancel = cancel};
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, "SELECT id, s FROM t", NULL, &options, &rows, &error), RHEI_OK);
    rhei_cancel_raise(cancel);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_CANCELLED);
    rhei_rows_close(&rows);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(rhei_query(fixture.db, "SELECT sum(i) FROM t", NULL, &options, &rows, &error), RHEI_CANCELLED);
    rhei_cancel_destroy(&cancel);
    options.cancel = NULL;
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT * FROM t", NULL, &options, &stream, NULL), RHEI_OK);
    stream.release(&stream); /* unread */
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const char *any_of(uint64_t *random, const char *const *of, size_t count)
{
    return of[next_random(random) % count];
}

#define ANY(random, ...)                               \
    any_of(random, (const char *const[]){__VA_ARGS__}, \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void any_range(uint64_t *random, char *sql, size_t size)
{
    size_t used = strlen(sql);
    const char *column = ANY(random, "id", "i", "r", "q.i", "rowid", "none", "loose");
    const char *number =
        ANY(random, "0", "17", "-3.5", "500", "30000", "1e3", "-9223372036854775807", "29999.5", "-0.0");
    const char *other = ANY(random, "100", "-100", "1e300", "20000", "9223372036854775807", "0.37");
    const char *sign = ANY(random, "<", "<=", ">", ">=", "=");
    switch (next_random(random) % 3) {
    case 0:
        snprintf(sql + used, size - used, "%s BETWEEN %s AND %s", column, number, other);
        break;
    case 1:
        snprintf(sql + used, size - used, "%s %s %s", column, sign, number);
        break;
    default:
        snprintf(sql + used, size - used, "%s %s %s", other, sign, column);
        break;
    }
}

static void any_statement(uint64_t *random, char *sql, size_t size)
{
    bool groups = next_random(random) % 3 == 0, totals = groups || next_random(random) % 2 == 0;
    const char *key = ANY(random, "i", "\"a b\"", "id", "s", "loose", "big", "none");
    snprintf(sql, size, "SELECT ");
    if (groups)
        snprintf(sql, size, "SELECT %s, ", ANY(random, key, "count(*)"));
    for (uint64_t i = 0, count = next_random(random) % 4 + 1; i < count; i++) {
        size_t used = strlen(sql);
        const char *column = ANY(random, "id", "i", "r", "none", "q.r", "loose", "\"a b\"", "b");
        if (totals)
            snprintf(sql + used, size - used, "%s%s(%s)", i > 0 ? ", " : "",
                     ANY(random, "count", "sum", "total", "avg", "min", "max"), column);
        else
            snprintf(sql + used, size - used, "%s%s", i > 0 ? ", " : "", ANY(random, column, "s", "*", "rowid"));
    }
    strcat(sql, " FROM t q");
    for (uint64_t i = 0, count = next_random(random) % 3; i < count; i++) {
        strcat(sql, i > 0 ? " AND " : " WHERE ");
        any_range(random, sql, size);
    }
    if (groups)
        snprintf(sql + strlen(sql), size - strlen(sql), " GROUP BY %s", key);
}

/* Whoever answers. */
static void test_q2_random_statements(void **state)
{
    (void)state;
    uint64_t random = 0x9e3779b97f4a7c15;
    must_execute(fixture.db, "DELETE FROM t WHERE id % 10");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 120; i++) {
            char sql[600];
            any_statement(&random, sql, sizeof sql);
            char *oltp = sorted(must_rows(fixture.db, sql, NULL, RHEI_ROUTE_OLTP));
            char *own = sorted(must_rows(fixture.db, sql, NULL, RHEI_ROUTE_AUTO));
            if (strcmp(oltp, own) != 0)
                fail_msg("%s\nSQLite: %.300s\nby itself: %.300s", sql, oltp, own);
            free(oltp);
            free(own);
        }
        must_execute(fixture.db, round == 0 ? "UPDATE t SET i = i * 1000, r = -r WHERE id % 70 = 0"
                                            : "UPDATE t SET i = 0.5, loose = 3 WHERE id % 700 = 0");
    }
}

/* Versions in order and out of it, so that times cut through vectors, lie between them and pass whole segments. */
static void test_q2_totals_of_the_past(void **state)
{
    static const char *const questions[] = {
        "SELECT count(*), count(i), sum(i), avg(i), min(i), max(i) FROM t%s",
        "SELECT total(r), sum(r), avg(r), count(s), min(r) FROM t%s x",
        "SELECT count(*), sum(t.r), sum(t.late) FROM t%s WHERE i >= 40 AND id < 9000"};
    struct rhei_config config = {.struct_size = sizeof config, .sync_mode = RHEI_SYNC_TEMPORAL};
    int64_t positions[8];
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT)");
    must_execute(fixture.db,
                 "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 10000) INSERT INTO "
                 "t SELECT k, nullif(k % 90, 7), CASE WHEN k % 5 THEN k * 0.37 - 900 END, 's' || k FROM c");
    must_be_built(fixture.db);
    for (int p = 0; p < 8; p++) {
        struct rhei_result result = {.struct_size = sizeof result};
        char sql[200];
        snprintf(sql, sizeof sql,
                 p == 4   ? "DELETE FROM t WHERE id %% 9 = %d"
                 : p == 5 ? "ALTER TABLE t ADD COLUMN late INTEGER"
                 : p > 5  ? "UPDATE t SET late = id, r = r / 3 WHERE id %% 5 = %d"
                 : p % 2  ? "UPDATE t SET i = i + 1, r = r * 1.1 WHERE (id * 7919) %% 10 < %d"
                          : "UPDATE t SET r = -r, i = -i + %d",
                 p);
        assert_int_equal(rhei_execute(fixture.db, sql, NULL, &result, NULL), RHEI_OK);
        assert_int_equal(rhei_sync_now(fixture.db, NULL, NULL), RHEI_OK);
        must_be_built(fixture.db);
        positions[p] = result.position;
    }
    for (int p = 0; p < 8 * 4; p++)
        for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
            static const int aside[] = {0, -1, -3333, 777};
            char past[64], sql[300];
            int64_t at = positions[p / 4] + aside[p % 4];
            snprintf(past, sizeof past, " AS OF POSITION %lld", (long long)(at < 0 ? 0 : at));
            snprintf(sql, sizeof sql, questions[q], past); /* NOLINT: the formats are above */
            must_be_same(sql, NULL);
        }
    char *scan = told("SELECT count(*), sum(i) FROM t AS OF POSITION 12000", "mirror scan");
    assert_string_equal(scan, "totals of 2 columns over 3 tables, 5 ranges");
    free(scan);
}

/* Rows that are seen whole before the first is given: ties, integers among REALs, RETURNING. */
static void test_q5_held_rows_count(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {
        .struct_size = sizeof options, .route = RHEI_ROUTE_OLAP, .memory_limit = 48 << 20};
    rhei_rows *rows = NULL;
    char sql[1000] = "SELECT coalesce(i, r), s";
    for (int i = 0; i < 120; i++) /* about 2 KB a row, 60 MB in all */
        strcat(sql, " || s");
    strcat(sql, " FROM t");
    assert_int_equal(rhei_query(fixture.db, sql, NULL, &options, &rows, &error), RHEI_MEMORY_LIMIT);
    assert_non_null(strstr(error.message, "seen whole"));
    error = (struct rhei_error)RHEI_ERROR_INIT;
    options.memory_limit = 512 << 20;
    assert_int_equal(rhei_query(fixture.db, sql, NULL, &options, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
    options.route = RHEI_ROUTE_AUTO;
    options.memory_limit = 50000;
    assert_int_equal(rhei_query(fixture.db, "UPDATE t SET i = 123456 RETURNING id, s", NULL, &options, &rows, &error),
                     RHEI_MEMORY_LIMIT);
    assert_non_null(strstr(error.message, "RETURNING"));
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE i = 123456", RHEI_ROUTE_OLTP), 0);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(rhei_query(fixture.db, "UPDATE t SET i = 123456 WHERE id <= 100 RETURNING id, s", NULL, &options,
                                &rows, &error),
                     RHEI_OK);
    int count = 0;
    while (rhei_rows_next(rows, &error) == RHEI_ROW)
        count++;
    assert_int_equal(count, 100);
    rhei_rows_close(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_the_same_rows_and_totals, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_what_needs_an_executor_gets_one, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_integer_overflow_is_an_error, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q4_parameters, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_the_schema_of_now, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q1_latest, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_limits_and_early_ends, set_up, fixture_tear_down),
        cmocka_unit_test_teardown(test_q2_totals_of_the_past, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_held_rows_count, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_random_statements, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
