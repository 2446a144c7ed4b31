/* SPDX-License-Identifier: Apache-2.0 */
/* One plan for many values: the same answers as SQLite's whatever the literals and parameters, and plans found again. */
#include "tests/support/engine_fixture.h"

#include "base/base_error.h"
#include "engine/engine_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_olap(&fixture);
    must_execute(fixture.db,
                 "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, f TEXT COLLATE NOCASE, "
                 "m NUMERIC, big INTEGER, loose)");
    must_execute(
        fixture.db,
        "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 3000) INSERT INTO t "
        "SELECT k, (k * 37) % 101 - 50, (k % 97) * 0.5 - 20, CASE k % 11 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE "
        "'s' || (k % 40) END, CASE k % 3 WHEN 0 THEN 'Ab' || (k % 9) ELSE 'aB' || (k % 9) END, "
        "CASE k % 2 WHEN 0 THEN k % 50 ELSE (k % 50) + 0.5 END, 9007199254740990 + k % 6, 't' || (k % 5) FROM c");
    must_execute(fixture.db, "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER, note TEXT)");
    must_execute(fixture.db, "INSERT INTO u SELECT id, id * 3, 'n' || (id % 5) FROM t WHERE id <= 500");
    must_be_built(fixture.db);
    return 0;
}

static uint64_t plan_hits(void)
{
    return (uint64_t)must_metric(fixture.db, "rhei_executor_plan_hits_total");
}

/* Both engines' rows, and the names of their columns, are the same; whoever answers. */
static void must_be_same(const char *sql, const struct rhei_params *params)
{
    char *own = must_rows(fixture.db, sql, params, RHEI_ROUTE_AUTO);
    char *oltp = must_rows(fixture.db, sql, params, RHEI_ROUTE_OLTP);
    if (strcmp(own, oltp) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\"", sql, own, oltp);
    rhei_free(own);
    rhei_free(oltp);
}

static void must_agree_with_literal(const char *format, int64_t from, int64_t step, int times)
{
    char sql[300];
    for (int i = 0; i < times; i++) {
        snprintf(sql, sizeof sql, format, from + i * step);
        must_agree(fixture.db, sql, NULL);
    }
}

static void test_parameters_keep_the_plan(void **state)
{
    (void)state;
    const char *sql = "SELECT count(*), sum(id), min(s) FROM t WHERE i > ? AND r <= ? AND s <> ? AND f = ?";
    uint64_t before = plan_hits();
    for (int i = 0; i < 40; i++) {
        char text[16], folded[16];
        snprintf(text, sizeof text, "s%d", i);
        snprintf(folded, sizeof folded, "AB%d", i % 9);
        must_agree(fixture.db, sql,
                   RHEI_PARAMS(rhei_integer(i - 20), rhei_real(i * 0.75 - 10), rhei_text(text), rhei_text(folded)));
    }
    assert_true(fixture_by_datafusion() || plan_hits() - before >= 39);
}

static void test_literals_keep_the_plan(void **state)
{
    (void)state;
    uint64_t before = plan_hits();
    must_agree_with_literal("SELECT count(*), sum(id + 1) FROM t WHERE id > %" PRId64, 0, 13, 40);
    must_agree_with_literal("SELECT s, count(*) FROM t WHERE id BETWEEN %" PRId64 " AND 2000 GROUP BY s ORDER BY s", 5,
                            7, 40);
    must_agree_with_literal("SELECT count(*) FROM t WHERE f = 'ab%" PRId64 "' AND r > 1", 0, 1, 9);
    must_agree_with_literal("SELECT i, count(*) FROM t GROUP BY i HAVING count(*) > %" PRId64 " ORDER BY i", 20, 1, 20);
    must_agree_with_literal("SELECT count(*) FROM t WHERE i IN (1, 2, %" PRId64 ")", 3, 2, 20);
    assert_true(fixture_by_datafusion() || plan_hits() - before >= 38 + 38 + 7 + 18 + 18);
}

static void test_ranges_follow_the_values(void **state)
{
    (void)state;
    const char *sql = "SELECT count(*), sum(i) FROM t WHERE id >= ?1 AND id < ?2 AND id > 3 AND ?3 >= id";
    static const int64_t ends[][3] = {
        {1, 10, 100},       {2990, 3001, 5000}, {10, 5, 7},         {INT64_MIN, INT64_MAX, 17}, {0, 3000, 2999},
        {2048, 2050, 2049}, {INT64_MAX, 0, 0},  {-5, 4, INT64_MIN}, {1, 3001, 100000}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        must_agree(fixture.db, sql,
                   RHEI_PARAMS(rhei_integer(ends[i][0]), rhei_integer(ends[i][1]), rhei_integer(ends[i][2])));
    must_agree(fixture.db, "SELECT count(*) FROM t WHERE id = ?", RHEI_PARAMS(rhei_integer(7)));
    must_agree(fixture.db, "SELECT count(*) FROM t WHERE id = ?", RHEI_PARAMS(rhei_integer(2900)));
}

static void test_classes_may_change(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT count(*), sum(id) FROM t WHERE i > ?",
        "SELECT count(*), sum(id) FROM t WHERE r <= ?",
        "SELECT count(*), sum(id) FROM t WHERE s < ?",
        "SELECT count(*), sum(id) FROM t WHERE f = ?",
        "SELECT count(*), sum(id) FROM t WHERE m = ?",
        "SELECT count(*), sum(id) FROM t WHERE big >= ?",
        "SELECT count(*), sum(id) FROM t WHERE loose = ?",
        "SELECT count(*), sum(id) FROM t WHERE i + r > ?",
        "SELECT i, count(*) FROM t GROUP BY i HAVING sum(r) > ? ORDER BY i",
        "SELECT count(*) FROM t WHERE i NOT IN (?1, 3)",
        "SELECT count(*) FROM t WHERE i BETWEEN ?1 AND ?1 + 10",
        "SELECT count(*), ?1 FROM t WHERE i <> ?1",
        "SELECT count(*) FROM t WHERE s = ?1 OR i = ?1",
        "SELECT count(*) FROM t WHERE CASE i WHEN ?1 THEN 1 ELSE 0 END",
    };
    static const double halves[] = {-20.0, -0.0, 0.5, 9007199254740993.0, 1e300};
    const int64_t edge = INT64_C(9007199254740992);
    struct rhei_value values[24];
    size_t count = 0;
    for (int again = 0; again < 2; again++) {
        values[count++] = rhei_integer(again);
        values[count++] = rhei_null();
        values[count++] = rhei_text(again ? "" : "s12");
        values[count++] = rhei_text(again ? "7" : "aB1");
        values[count++] = rhei_integer(edge + again);
        values[count++] = rhei_integer(again ? INT64_MIN : INT64_MAX);
        values[count++] = rhei_blob("s12", 3);
    }
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
        values[count++] = rhei_real(halves[i]);
    values[count++] = rhei_real(__builtin_inf());
    values[count++] = rhei_text_n("s\0"
                                  "1",
                                  3);
    values[count++] = rhei_text("\xff");
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        for (size_t v = 0; v < count; v++)
            must_be_same(texts[t], RHEI_PARAMS(values[v]));
}

static void test_values_that_matter_stay_in_the_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT id, i FROM t WHERE i > ?1 ORDER BY id LIMIT ?2",
        "SELECT id, i FROM t WHERE i > ?1 ORDER BY id LIMIT 3 OFFSET ?2",
        "SELECT count(*) FROM t WHERE i > ?1 AND s LIKE 's' || ?2",
        "SELECT id % ?2 AS k, count(*) FROM t WHERE i < ?1 GROUP BY k ORDER BY 1",
        "SELECT round(sum(r), ?2) FROM t WHERE i > ?1",
        "SELECT count(*) FROM t WHERE i > ?1 + ?2",
        "SELECT count(*) FROM t WHERE substr(s, ?2) > 's' AND i > ?1",
    };
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        for (int64_t i = 1; i < 8; i++)
            must_be_same(texts[t], RHEI_PARAMS(rhei_integer(i * 5), rhei_integer(i)));
    must_agree_with_literal("SELECT id FROM t WHERE id > 2500 ORDER BY 1 LIMIT %" PRId64, 1, 1, 6);
    must_agree_with_literal("SELECT id AS a, i AS b FROM t WHERE id > 2980 ORDER BY %" PRId64 ", a", 1, 1, 2);
    must_agree_with_literal("SELECT id + %" PRId64 " FROM t WHERE id > 2990 ORDER BY 1", 1, 1, 5);
    must_agree_with_literal("SELECT count(*) FROM t WHERE s LIKE 's%" PRId64 "%%' AND id > 5", 1, 1, 5);
}

static char *names_of(const char *sql)
{
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, sql, NULL, NULL, &rows, NULL), RHEI_OK);
    size_t size = 400, used = 0;
    char *names = malloc(size);
    assert_non_null(names);
    names[0] = '\0';
    for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++)
        used += (size_t)snprintf(names + used, size - used, "%s|", rhei_rows_column_name(rows, c));
    rhei_rows_close(&rows);
    return names;
}

static void test_columns_are_named_by_their_own_text(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        char sql[200], expected[100];
        const char *call = i % 2 ? "Count(*)" : "count( * )";
        snprintf(sql, sizeof sql, "SELECT %s, max(id) > %d, 0%d FROM t WHERE i > %d", call, i / 3, i / 3, i);
        snprintf(expected, sizeof expected, "%s|max(id) > %d|0%d|", call, i / 3, i / 3);
        char *names = names_of(sql);
        assert_string_equal(names, expected);
        free(names);
        must_be_same(sql, NULL);
    }
}

static void test_sqlite_still_has_the_last_word(void **state)
{
    (void)state;
    must_agree_with_literal("SELECT i FROM t WHERE id = %" PRId64 " ORDER BY 1", 1, 1, 4);
    must_fail(fixture.db, "SELECT i FROM t WHERE id = 9 ORDER BY 2", RHEI_SQL);
    must_fail(fixture.db, "SELECT i FROM t WHERE id = 9 ORDER BY 0", RHEI_SQL);
    must_execute(fixture.db, "CREATE TABLE gone (id INTEGER PRIMARY KEY, x INTEGER)");
    must_execute(fixture.db, "INSERT INTO gone SELECT id, i FROM t");
    must_be_built(fixture.db);
    must_agree_with_literal("SELECT count(*) FROM gone WHERE x > %" PRId64, 1, 1, 4);
    must_execute(fixture.db, "ALTER TABLE gone RENAME COLUMN x TO y");
    must_fail(fixture.db, "SELECT count(*) FROM gone WHERE x > 90", RHEI_SQL);
    must_execute(fixture.db, "ALTER TABLE gone RENAME COLUMN y TO x");
    must_be_built(fixture.db);
    must_agree_with_literal("SELECT count(*) FROM gone WHERE x > %" PRId64, 20, 1, 4);
    must_execute(fixture.db, "DROP TABLE gone");
    must_fail(fixture.db, "SELECT count(*) FROM gone WHERE x > 91", RHEI_SQL);
}

/* A column that gets values of another class, or outgrows 2^53, ends what was proven of it. */
static void test_plans_end_with_what_they_rely_on(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE g (id INTEGER PRIMARY KEY, x, y INTEGER)");
    must_execute(fixture.db, "INSERT INTO g SELECT id, id % 10, id FROM t WHERE id <= 100");
    must_be_built(fixture.db);
    static const char *const changes[] = {
        "INSERT INTO g VALUES (200, 2.5, 3)",
        "INSERT INTO g VALUES (201, NULL, 9007199254740993)",
        "INSERT INTO g VALUES (202, '5', 4)",
        "DELETE FROM g WHERE id >= 200",
        "UPDATE g SET x = 'text'",
    };
    for (size_t c = 0; c <= sizeof changes / sizeof changes[0]; c++) {
        char sql[120];
        for (int i = 0; i < 5; i++) {
            must_be_same("SELECT count(*), sum(id) FROM g WHERE x > ?", RHEI_PARAMS(rhei_integer(i)));
            must_be_same("SELECT count(*), sum(id) FROM g WHERE y >= ?", RHEI_PARAMS(rhei_real(i + 0.5)));
            must_be_same("SELECT count(*), sum(id) FROM g WHERE y >= ?", RHEI_PARAMS(rhei_real(9007199254740992.0)));
            snprintf(sql, sizeof sql, "SELECT count(*), sum(id) FROM g WHERE x = %d OR y > 9.5", i);
            must_be_same(sql, NULL);
            snprintf(sql, sizeof sql, "SELECT count(*), sum(id) FROM g WHERE x <= '%d'", i);
            must_be_same(sql, NULL);
        }
        if (c < sizeof changes / sizeof changes[0])
            must_execute(fixture.db, changes[c]);
    }
    must_execute(fixture.db, "DROP TABLE g");
}

/* An index on the rows where a column is just this value changes SQLite's plan, and with it the order of rows. */
static void test_order_of_rows_follows_the_literal(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE p (id INTEGER PRIMARY KEY, k INTEGER, v INTEGER)");
    must_execute(fixture.db, "INSERT INTO p SELECT id, id % 4, (id * 7919) % 1009 FROM t");
    must_execute(fixture.db, "CREATE INDEX p_two ON p(v) WHERE k = 2");
    must_be_built(fixture.db);
    for (int i = 0; i < 12; i++) {
        char sql[120];
        snprintf(sql, sizeof sql, "SELECT id, v FROM p WHERE k = %d LIMIT 5", i % 4);
        must_be_same(sql, NULL);
        snprintf(sql, sizeof sql, "SELECT v FROM p WHERE k = %d ORDER BY k LIMIT 7", i % 4);
        must_be_same(sql, NULL);
    }
    must_execute(fixture.db, "DROP TABLE p");
}

/* Texts that share a plan, at the same time: each has its own values. */
static void *ask_from_thread(void *argument)
{
    int thread = *(const int *)argument;
    for (int i = 0; i < 300; i++) {
        int64_t after = (i * 17 + thread * 101) % 3000;
        char sql[120];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id > %" PRId64 " AND s IS NOT 'x'", after);
        if (must_int64(fixture.db, sql, RHEI_ROUTE_AUTO) != 3000 - after)
            return argument;
    }
    return NULL;
}

static void test_threads_share_plans_and_no_values(void **state)
{
    (void)state;
    pthread_t threads[4];
    int numbers[4];
    for (int i = 0; i < 4; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_from_thread, &numbers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* ---- Random conditions over random values. ------------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct rhei_value random_value(uint64_t *seed, char text[32])
{
    static const int64_t integers[] = {
        0, 1, -1, 25, -50, 3000, INT64_MAX, INT64_C(9007199254740992), INT64_C(9007199254740993)};
    switch (next_random(seed) % 8) {
    case 0:
        return rhei_null();
    case 1:
    case 2:
        return rhei_integer((int64_t)(next_random(seed) % 120) - 60);
    case 3:
        return rhei_integer(integers[next_random(seed) % 9]);
    case 4:
    case 5:
        return rhei_real((double)(next_random(seed) % 200) * 0.25 - 25);
    case 6:
        snprintf(text, 32, "s%d", (int)(next_random(seed) % 40));
        return rhei_text(text);
    default:
        snprintf(text, 32, next_random(seed) % 2 ? "AB%d" : "%d", (int)(next_random(seed) % 9));
        return rhei_text(text);
    }
}

static void print_value(char *out, size_t size, const struct rhei_value *value)
{
    if (value->type == RHEI_NULL)
        snprintf(out, size, "NULL");
    else if (value->type == RHEI_INTEGER)
        snprintf(out, size, "%" PRId64, value->as.integer);
    else if (value->type == RHEI_REAL)
        snprintf(out, size, "%.17g%s", value->as.real, value->as.real == (double)(int64_t)value->as.real ? ".0" : "");
    else
        snprintf(out, size, "'%s'", (const char *)value->as.bytes);
}

static void random_condition(uint64_t *seed, char *out, size_t size, int *marks)
{
    static const char *const columns[] = {"i", "r", "s", "f", "m", "big", "loose", "id", "i + 1", "r * 2", "length(s)"};
    static const char *const operators[] = {"=", "<>", "<", "<=", ">", ">=", "IS"};
    const char *column = columns[next_random(seed) % 11];
    const char *operator= operators[next_random(seed) % 7];
    switch (next_random(seed) % 4) {
    case 0:
        snprintf(out, size, "%s BETWEEN @%d AND @%d", column, *marks, *marks + 1);
        *marks += 2;
        return;
    case 1:
        snprintf(out, size, "%s %sIN (@%d, @%d)", column, next_random(seed) % 2 ? "" : "NOT ", *marks, *marks + 1);
        *marks += 2;
        return;
    case 2:
        snprintf(out, size, "@%d %s %s", *marks, operator, column);
        break;
    default:
        snprintf(out, size, "%s %s @%d", column, operator, * marks);
        break;
    }
    *marks += 1;
}

enum { MARKS = 6 };

/* The template with @n as ?n, or as literals. */
static void write_out(const char *template, const struct rhei_value *values, char *out, size_t size)
{
    size_t used = 0;
    for (const char *p = template; *p != '\0' && used + 64 < size; p++) {
        if (*p != '@') {
            out[used++] = *p;
            continue;
        }
        int mark = *++p - '0';
        if (values == NULL)
            used += (size_t)snprintf(out + used, size - used, "?%d", mark + 1);
        else {
            print_value(out + used, size - used, &values[mark]);
            used += strlen(out + used);
        }
    }
    out[used] = '\0';
}

static void test_q2_any_values_at_any_place(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "SELECT count(*), sum(id), min(f) FROM t WHERE %s %s %s",
        "SELECT i, count(*) AS c FROM t WHERE %s %s %s GROUP BY i ORDER BY i",
        "SELECT count(*), max(u.note) FROM t JOIN u ON u.t = t.i WHERE %s %s %s",
        "SELECT id, s FROM t WHERE %s %s %s ORDER BY id LIMIT 20",
    };
    uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 88172645463325252u;
    printf("seed %" PRIu64 "\n", seed);
    uint64_t before = plan_hits();
    for (int round = 0; round < 40; round++) {
        char one[100], two[100], template[400], sql[800];
        int marks = 0;
        random_condition(&seed, one, sizeof one, &marks);
        random_condition(&seed, two, sizeof two, &marks);
        const char *shape = shapes[next_random(&seed) % 4];
        /* "id" is in both tables of the join. */
        bool join = strstr(shape, "JOIN") != NULL;
        if (join && (strstr(one, "id") != NULL || strstr(two, "id") != NULL))
            continue;
        char where[220];
        snprintf(where, sizeof where, "%s %s %s", one, next_random(&seed) % 2 ? "AND" : "OR", two);
        const char *hole = strstr(shape, "%s %s %s");
        snprintf(template, sizeof template, "%.*s%s%s", (int)(hole - shape), shape, where, hole + 8);
        for (int draw = 0; draw < 12; draw++) {
            struct rhei_value values[MARKS];
            char texts[MARKS][32];
            for (int i = 0; i < MARKS; i++)
                values[i] = random_value(&seed, texts[i]);
            write_out(template, NULL, sql, sizeof sql);
            must_be_same(sql, &(struct rhei_params){.values = values, .count = (size_t)marks});
            write_out(template, values, sql, sizeof sql);
            must_be_same(sql, NULL);
        }
    }
    assert_true(fixture_by_datafusion() || plan_hits() > before);
}

static void must_be_answered_by(const char *route, const char *sql, const struct rhei_value *value)
{
    struct rhei_params params = {value, value != NULL};
    rhei_rows *rows = NULL;
    must_be_same(sql, &params);
    assert_int_equal(rhei_query(fixture.db, sql, &params, NULL, &rows, NULL), RHEI_OK);
    if (strcmp(rhei_rows_route(rows), route) != 0)
        fail_msg("%s: by %s", sql, rhei_rows_route(rows));
    rhei_rows_close(&rows);
}

/* A refusal holds for the values and the columns that it was found for, and no longer. */
static void test_refusals_are_remembered_while_they_hold(void **state)
{
    (void)state;
    const char *sql = "SELECT s || ? FROM t WHERE id < 40 ORDER BY id";
    struct rhei_value blob = rhei_blob("xyz", 3), text = rhei_text("xyz"), number = rhei_integer(5);
    for (int i = 0; i < 3; i++) {
        must_be_answered_by("oltp", sql, &blob);
        must_be_answered_by("oltp", sql, &blob);
        must_be_answered_by("olap", sql, &text);
        must_be_answered_by("olap", sql, &number);
    }
    must_execute(fixture.db, "CREATE TABLE w (id INTEGER PRIMARY KEY, v)");
    must_execute(fixture.db, "INSERT INTO w VALUES (1, 5), (2, 7)");
    must_be_built(fixture.db);
    must_be_answered_by("olap", "SELECT max(v), count(v) FROM w", NULL);
    must_execute(fixture.db, "INSERT INTO w VALUES (3, 'x')");
    for (int i = 0; i < 3; i++)
        must_be_answered_by("oltp", "SELECT max(v), count(v) FROM w", NULL);
    must_execute(fixture.db, "DELETE FROM w WHERE id = 3");
    assert_int_equal(rhei_rebuild(fixture.db, "w", NULL), RHEI_OK);
    must_be_built(fixture.db);
    must_be_answered_by("olap", "SELECT max(v), count(v) FROM w", NULL);
}

/* "SELECT term + term + ... FROM t" in `out`. */
static void chain(char *out, size_t size, const char *term, const char *operator, int count)
{
    size_t used = (size_t)snprintf(out, size, "SELECT ");
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? operator : "", term);
    snprintf(out + used, size - used, " FROM t ORDER BY id");
}

/* Long and deep expressions: translated while the column store plans them quickly, else SQLite's; never a long wait. */
static void test_q5_long_expressions(void **state)
{
    (void)state;
    char *sql = malloc(100000);
    assert_non_null(sql);
    chain(sql, 100000, "s", " || ", 400);
    must_be_answered_by("olap", sql, NULL);
    chain(sql, 100000, "i IN (1, 2, 3)", " OR ", 400);
    must_be_answered_by("olap", sql, NULL);
    chain(sql, 100000, "r", " + ", fixture_by_datafusion() ? 30 : 90);
    must_be_answered_by("olap", sql, NULL);
    chain(sql, 100000, "r", " + ", 400);
    must_be_answered_by("oltp", sql, NULL);
    must_be_answered_by("olap", "SELECT ((((s - f) / f) - s) / f) * 100 FROM t ORDER BY id", NULL);
    const char *mixed = fixture_by_datafusion() ? "oltp" : "olap"; /* which computes nothing as deep of mixed numbers */
    must_be_answered_by(mixed, "SELECT ((((m / 3) / m) - m) * m) / 7, abs(-(m - m / 2)) || 'x' FROM t ORDER BY id",
                        NULL);
    must_be_answered_by("olap", "SELECT ((((r / m) * r) - r) * r) * r, (((r * r) * r) * r) / r FROM t ORDER BY id",
                        NULL);
    strcpy(sql, "SELECT i");
    for (int i = 0; i < 60; i++) {
        memmove(sql + 8, sql + 7, strlen(sql) - 6);
        sql[7] = '(';
        strcat(sql, " BETWEEN 0 AND 5)");
    }
    strcat(sql, " FROM t ORDER BY id");
    must_be_answered_by("oltp", sql, NULL);
    free(sql);
}

/* Planning hears of a time limit, of the column store's own texts too. Alone, this one is planned for seconds. */
static void test_q5_a_time_limit_reaches_planning(void **state)
{
    (void)state;
    char *sql = malloc(100000);
    assert_non_null(sql);
    size_t used = (size_t)snprintf(sql, 100000, "FROM t SELECT 1");
    for (int column = 0; column < 150; column++) {
        used += (size_t)snprintf(sql + used, 100000 - used, ", r");
        for (int term = 0; term < 100; term++)
            used += (size_t)snprintf(sql + used, 100000 - used, "+r");
    }
    struct rhei_query_options options = {.struct_size = sizeof options, .timeout_ms = 50};
    rhei_rows *rows = NULL;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    rhei_status status = rhei_query(fixture.db, sql, NULL, &options, &rows, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_int_equal(status, fixture_by_datafusion() ? RHEI_SQL : RHEI_TIMEOUT); /* DataFusion takes no text so deep */
    print_message("ended after %.0f ms\n",
                  (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
    free(sql);
}

/* ---- What the executor can't answer. ---- */

static const struct executor_ops *real_ops;
static struct executor_ops failing_ops;
static rhei_status failing_with;
static int tries;

static rhei_status fail_to_run(struct executor *executor, const struct executor_query *query,
                               struct ArrowArrayStream *stream, struct rhei_error *error)
{
    (void)executor;
    (void)query;
    (void)stream;
    tries++;
    return error_set(error, failing_with, "as the test wants it");
}

/* SQLite answers where the executor fails. What it refuses it would refuse again; memory it may have the next time. */
static void test_a_refusal_is_remembered_and_want_of_memory_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        rhei_status status;
        int tries;
    } CASES[] = {
        {"SELECT s, i, count(*), avg(r) FROM t GROUP BY s, i ORDER BY s, i", RHEI_UNSUPPORTED, 1},
        {"SELECT i, s, count(*), avg(r) FROM t GROUP BY i, s ORDER BY i, s", RHEI_SQL, 1},
        {"SELECT s, big, count(*), avg(r) FROM t GROUP BY s, big ORDER BY s, big", RHEI_MEMORY_LIMIT, 3},
        {"SELECT big, s, count(*), avg(r) FROM t GROUP BY big, s ORDER BY big, s", RHEI_NO_MEMORY, 3},
    };
    real_ops = fixture.db->executor->ops;
    failing_ops = *real_ops;
    failing_ops.run = fail_to_run;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        must_route(fixture.db, CASES[i].sql, "olap", NULL);
        tries = 0;
        failing_with = CASES[i].status;
        fixture.db->executor->ops = &failing_ops;
        for (int k = 0; k < 3; k++) {
            must_route(fixture.db, CASES[i].sql, "oltp", "olap-error");
            must_be_same(CASES[i].sql, NULL);
        }
        fixture.db->executor->ops = real_ops;
        assert_int_equal(tries, CASES[i].tries == 1 ? 1 : 2 * CASES[i].tries);
        must_route(fixture.db, CASES[i].sql, CASES[i].tries == 1 ? "oltp" : "olap", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_keep_the_plan),
        cmocka_unit_test(test_literals_keep_the_plan),
        cmocka_unit_test(test_ranges_follow_the_values),
        cmocka_unit_test(test_classes_may_change),
        cmocka_unit_test(test_values_that_matter_stay_in_the_text),
        cmocka_unit_test(test_columns_are_named_by_their_own_text),
        cmocka_unit_test(test_sqlite_still_has_the_last_word),
        cmocka_unit_test(test_plans_end_with_what_they_rely_on),
        cmocka_unit_test(test_order_of_rows_follows_the_literal),
        cmocka_unit_test(test_threads_share_plans_and_no_values),
        cmocka_unit_test(test_q2_any_values_at_any_place),
        cmocka_unit_test(test_refusals_are_remembered_while_they_hold),
        cmocka_unit_test(test_q5_long_expressions),
        cmocka_unit_test(test_q5_a_time_limit_reaches_planning),
        cmocka_unit_test(test_a_refusal_is_remembered_and_want_of_memory_is_not),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
