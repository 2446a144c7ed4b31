/* SPDX-License-Identifier: Apache-2.0 */
/* A9: every version of every row, and questions about the past on both engines, against a naive model and by hand. */
#include "../../support/engine_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEYS = 12, STEPS = 250, CHECKS = 40 };

static int setup(void **state)
{
    static struct fixture fixture;
    struct rhei_config config = {.struct_size = sizeof config};
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, s TEXT)");
    must_execute(fixture.db, "CREATE TABLE other(id INTEGER PRIMARY KEY, t_id INTEGER)");
    must_execute(fixture.db, "INSERT INTO other VALUES (1, 1), (2, 2)");
    must_be_built(fixture.db);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_end(*state);
    return 0;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A time after all that was written and before all that will be: two of the log's milliseconds apart from both. */
static int64_t between(void)
{
    int64_t begin = now_us(), time;
    while (now_us() < begin + 2000) {
    }
    time = now_us();
    while (now_us() < time + 2000) {
    }
    return time;
}

static int64_t write_at(rhei_db *db, const char *sql)
{
    struct rhei_result result = {.struct_size = sizeof result};
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute(db, sql, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return result.position;
}

/* Both engines, and the rows are these. */
static void must_be(rhei_db *db, const char *sql, const struct rhei_params *params, const char *rows)
{
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        char *got = must_rows(db, sql, params, route);
        if (strcmp(got, rows) != 0)
            fail_msg("%s (%s)\ngives\n%s\nnot\n%s", sql, route == RHEI_ROUTE_OLTP ? "oltp" : "olap", got, rows);
        rhei_free(got);
    }
}

/* Of DataFusion's, one that it leaves to SQLite (outer joins of subqueries, correlated ones). */
static void must_be_by_sqlite(rhei_db *db, const char *sql, const char *rows)
{
    if (!fixture_by_datafusion()) {
        must_be(db, sql, NULL, rows);
        return;
    }
    char *got = must_rows(db, sql, NULL, RHEI_ROUTE_AUTO);
    assert_string_equal(got, rows);
    rhei_free(got);
    must_route(db, sql, "oltp", NULL);
}

static void test_a9_as_of_shows_rows_as_they_were(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    char sql[512];
    int64_t times[5];
    times[0] = between();
    must_execute(db, "INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two')");
    times[1] = between();
    must_execute(db, "UPDATE t SET v = v + 1 WHERE id = 1");
    times[2] = between();
    must_execute(db, "DELETE FROM t WHERE id = 2");
    times[3] = between();
    must_execute(db, "INSERT INTO t VALUES (2, 30, NULL)");
    times[4] = between();
    static const char *const states[] = {"", "i1|i10|tone\ni2|i20|ttwo\n", "i1|i11|tone\ni2|i20|ttwo\n",
                                         "i1|i11|tone\n", "i1|i11|tone\ni2|i30|n\n"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(sql, sizeof sql, "SELECT * FROM t FOR SYSTEM_TIME AS OF %" PRId64 " ORDER BY id", times[i]);
        must_be(db, sql, NULL, states[i]);
        struct rhei_value time = rhei_integer(times[i]);
        must_be(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ? ORDER BY id", &(struct rhei_params){&time, 1}, states[i]);
        must_be(db, "SELECT x.* FROM t FOR SYSTEM_TIME AS OF :when AS x ORDER BY x.id", &(struct rhei_params){&time, 1},
                states[i]);
    }
    snprintf(sql, sizeof sql,
             "SELECT o.id, t.v, h.v FROM other o JOIN t FOR SYSTEM_TIME AS OF %" PRId64
             " ON t.id = o.t_id LEFT JOIN t FOR SYSTEM_TIME AS OF %" PRId64 " h ON h.id = o.t_id ORDER BY o.id",
             times[1], times[3]);
    must_be_by_sqlite(db, sql, "i1|i10|i11\ni2|i20|n\n");
}

static void test_a9_history_has_every_version_once(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    must_execute(db, "UPDATE t SET v = 2");
    must_execute(db, "UPDATE t SET v = 3");
    must_execute(db, "UPDATE t SET v = 3"); /* leaves it as it was: no version */
    must_execute(db, "DELETE FROM t");
    must_execute(db, "INSERT INTO t VALUES (1, 4, 'b')");
    must_be(db, "SELECT id, v, _rhei_operation, _rhei_valid_to IS NULL FROM t_history ORDER BY _rhei_seq", NULL,
            "i1|i1|tI|i0\ni1|i2|tU|i0\ni1|i3|tU|i0\ni1|i3|tD|i0\ni1|i4|tI|i1\n");
    must_be(db,
            "SELECT count(*) FROM t FOR SYSTEM_TIME ALL WHERE _rhei_valid_to = _rhei_valid_from AND "
            "_rhei_operation = 'D'",
            NULL, "i1\n");
    must_be(db,
            "SELECT count(*), max(v) FROM t FOR SYSTEM_TIME BETWEEN 0 AND 99999999999 WHERE _rhei_operation <> 'D' AND "
            "_rhei_valid_to IS NULL",
            NULL, "i1|i4\n");
    must_be(db, "SELECT count(*) FROM t FOR SYSTEM_TIME FROM '1970-01-01' TO '1999-12-31T23:59:59Z'", NULL, "i0\n");
}

static void test_a9_initial_load_opens_versions_and_what_was_before_is_empty(void **state)
{
    struct fixture *fixture = *state;
    int64_t before = between();
    must_execute(fixture->db, "INSERT INTO t VALUES (7, 70, 'x')");
    rhei_close(&fixture->db);
    struct rhei_config config = {.struct_size = sizeof config};
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    int64_t closed = between();
    fixture_open(fixture, &config);
    must_be_built(fixture->db);
    char sql[256];
    must_be(fixture->db, "SELECT id, v, _rhei_operation FROM t_history", NULL, "i7|i70|tI\n");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF %" PRId64, before);
    must_be(fixture->db, sql, NULL, "i0\n");
    snprintf(sql, sizeof sql, "SELECT _rhei_valid_from > %" PRId64 " FROM t_history", closed);
    must_be(fixture->db, sql, NULL, "i1\n");
}

static void test_times_in_every_form_and_bad_ones(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    static const char *const good[] = {"'2100-01-01'", "'2100-01-01T10:00:00Z'", "'2100-01-01 10:00:00.25+01:30'",
                                       "4102444800",   "4102444800000000",       "4102444800.5",
                                       "'4102444800'", "(4102444800 + 60)",      "unixepoch('2100-01-01')"};
    static const char *const bad[] = {"'tomorrow'", "'2100-13-01'", "'2100-02-30'",  "'2100-01-01T25:00:00'",
                                      "''",         "x'00'",        "1700000000000", "'2100-01-01T10:00:00+99:00'"};
    char sql[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF %s", good[i]);
        must_be(db, sql, NULL, "i1\n");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF %s", bad[i]);
        must_fail(db, sql, RHEI_INVALID);
    }
    must_fail(db, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF", RHEI_SQL);
    must_fail(db, "SELECT count(*) FROM t FOR SYSTEM_TIME SOMETIME", RHEI_SQL);
    must_fail(db, "SELECT count(*) FROM t FOR SYSTEM_TIME FROM 1", RHEI_SQL);
    must_fail(db, "SELECT count(*) FROM absent FOR SYSTEM_TIME ALL", RHEI_SQL);
    must_fail(db, "SELECT count(*) FROM t AS OF POSITION 'x'", RHEI_INVALID);
    must_fail(db, "DELETE FROM history.t_history_open", RHEI_READ_ONLY);
}

/* Refused with these words, and a place: that of the operand, behind the `^` of the text, which isn't part of it. */
static void must_point_at(rhei_db *db, const char *marked, const struct rhei_params *params, const char *words)
{
    char sql[256];
    size_t place = strcspn(marked, "^");
    snprintf(sql, sizeof sql, "%.*s%s", (int)place, marked, marked + place + 1);
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    for (int way = 0; way < 4; way++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct ArrowArrayStream stream = {0};
        rhei_rows *rows = NULL;
        rhei_status status = way == 0   ? rhei_query(db, sql, params, NULL, &rows, &error)
                             : way == 1 ? rhei_query_arrow(db, sql, params, NULL, &stream, &error)
                             : way == 2 ? rhei_session_query(session, sql, params, NULL, &rows, &error)
                                        : rhei_execute(db, sql, params, NULL, &error);
        if (status == RHEI_OK || strstr(error.message, words) == NULL || error.sql_offset != (int32_t)place)
            fail_msg("%s (way %d): status %d, at %d and not %zu: %s", sql, way, status, error.sql_offset, place,
                     error.message);
    }
    rhei_session_close(&session);
}

static void test_d5_what_is_no_time_is_told_alike_at_its_place(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    static const char forms[] =
        " is no point in time: give 2026-11-27T10:00:00Z (or with +01:00, or a date alone; without a zone it is UTC), ";
    static const struct {
        const char *text, *word;
    } times[] = {
        {"NULL", "NULL"}, {"'soon'", "\"soon\""}, {"x'00'", "a BLOB"}, {"1e300", "1e+300"}, {"(NULL)", "NULL"}};
    char sql[256], words[256];
    for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
        snprintf(words, sizeof words, "%s%s", times[t].word, forms);
        snprintf(sql, sizeof sql, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^%s", times[t].text);
        must_point_at(db, sql, NULL, words);
        snprintf(sql, sizeof sql, "SELECT * FROM t FOR SYSTEM_TIME FROM 1 TO ^%s AS h", times[t].text);
        must_point_at(db, sql, NULL, words);
    }
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^?", RHEI_PARAMS(rhei_null()), "NULL is no point");
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^?", RHEI_PARAMS(rhei_text("soon")), "\"soon\" is no");
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^id", NULL, "has to be a constant or a parameter");
    must_point_at(db, "SELECT * FROM t AS OF POSITION ^-1", NULL,
                  "a whole number from 0 on, as results state it, and not -1");
    must_point_at(db, "SELECT * FROM t AS OF POSITION ^NULL", NULL, "and not NULL");
    must_point_at(db, "SELECT * FROM t AS OF POSITION ^1.5", NULL, "and not a REAL");
    must_point_at(db, "SELECT * FROM t AS OF POSITION ^?", RHEI_PARAMS(rhei_integer(-7)), "and not -7");
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME ^SOMETIME", NULL, "stands AS OF, FROM, BETWEEN or ALL");
    must_point_at(db, "SELECT * FROM other JOIN ^absent FOR SYSTEM_TIME ALL", NULL, "no such table: absent");
    must_point_at(db, "SELECT * FROM ^absent FOR SYSTEM_TIME AS OF '2020-01-01'", NULL, "no such table: absent");
    must_point_at(db, "SELECT * FROM t, ^absent FOR SYSTEM_TIME BETWEEN 1 AND 2 AS x", NULL, "no such table: absent");
    must_point_at(db, "SELECT * FROM ^absent AS OF POSITION 1", NULL, "no such table: absent");
    must_point_at(db, "SELECT * FROM ^elsewhere.t FOR SYSTEM_TIME AS OF 1", NULL,
                  "tables of schema \"elsewhere\" keep no history");
    must_execute(db, "CREATE VIEW shown AS SELECT 1");
    must_point_at(db, "SELECT * FROM ^shown FOR SYSTEM_TIME AS OF 1", NULL, "is a view");
    /* and what SQLite finds wrong, behind the clause and before it */
    must_point_at(db, "SELECT count(*) FROM t FOR SYSTEM_TIME ALL WHERE ^nope = 1", NULL, "no such column: nope");
    must_point_at(db, "SELECT ^nope FROM t FOR SYSTEM_TIME AS OF 1", NULL, "no such column: nope");
}

/* What SQLite would point at and say no more of. */
static void test_d5_what_stands_at_the_wrong_place_is_told_with_the_right_one(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    static const char behind[] = "stands directly behind the name of a table that is read, before its alias";
    must_point_at(db, "SELECT * FROM t x ^FOR SYSTEM_TIME AS OF 1", NULL, behind);
    must_point_at(db, "SELECT * FROM t AS x ^FOR SYSTEM_TIME ALL", NULL, behind);
    must_point_at(db, "SELECT * FROM other o JOIN t x ^FOR SYSTEM_TIME ALL ON 1", NULL, behind);
    must_point_at(db, "SELECT * FROM t x ^AS OF POSITION 1", NULL, "AS OF POSITION stands directly behind");
    must_point_at(db, "SELECT * FROM t NOT INDEXED ^FOR SYSTEM_TIME ALL", NULL, behind);
    must_point_at(db, "SELECT * FROM (SELECT 1) ^FOR SYSTEM_TIME ALL", NULL, behind);
    must_point_at(db, "UPDATE t ^FOR SYSTEM_TIME ALL SET v = 1", NULL, behind);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME ALL ^NOT INDEXED", NULL, "leave NOT INDEXED away");
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME ALL AS x ^NOT INDEXED", NULL, "leave NOT INDEXED away");
    must_point_at(db, "SELECT * FROM t_history x ^INDEXED BY i WHERE 1", NULL, "leave INDEXED BY and the name away");
    must_point_at(db, "SELECT * FROM t ^FOR SYSTEM TIME AS OF 1", NULL,
                  "a table as of a time is FROM t FOR SYSTEM_TIME");
    must_point_at(db, "SELECT * FROM t ^AS OF '2020-01-01'", NULL, "a table as of a time is FROM t FOR SYSTEM_TIME");
    must_point_at(db, "SELECT * FROM t ^AS OF ?", RHEI_PARAMS(rhei_integer(1)), "is FROM t FOR SYSTEM_TIME");
    must_point_at(db, "SELECT ^rowid FROM t FOR SYSTEM_TIME ALL", NULL,
                  "no such column: rowid: rows of the past have none");
    must_point_at(db, "SELECT x.v, ^x.OID FROM t_history x", NULL, "no such column: x.OID: rows of the past have none");
    must_point_at(db, "SELECT v FROM t AS OF POSITION 1 WHERE ^_rowid_ = 1", NULL, "rows of the past have none");
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '9999-12-31 10:00:00' AS x", NULL, "i1\n");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME FROM DATE '2020-01-01' TO DATE '9999-12-31' x", NULL, "i1\n");
    must_be(db, "SELECT v AS of FROM t AS of WHERE of.v = 1", NULL, "i1\n"); /* a name like any */
}

/* Numbers that people mean as distances from now. */
static void test_d5_a_distance_from_now_is_told_apart_from_a_time(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    static const char counted[] = "numbers aren't counted back from now",
                      distance[] = "a distance from now has no form";
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^-5", NULL, counted);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^-0.5", NULL, counted);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^'-86400'", NULL, counted);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^?", RHEI_PARAMS(rhei_integer(-5)), counted);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^?", RHEI_PARAMS(rhei_real(-1e15)), counted);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^'30d'", NULL, distance);
    must_point_at(db, "SELECT * FROM t FOR SYSTEM_TIME AS OF ^'-2 hours'", NULL, distance);
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME AS OF '1969-12-31'", NULL, "");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME AS OF 0", NULL, "");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME AS OF unixepoch('now', '-30 days')", NULL, "");
}

/* Statements about the file as a whole go on beside a history, by every call. */
static void test_statements_about_all_tables_beside_a_history(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    static const char *const all[] = {"ANALYZE",
                                      "ANALYZE main",
                                      "REINDEX",
                                      "PRAGMA optimize",
                                      "VACUUM",
                                      "PRAGMA integrity_check",
                                      "PRAGMA table_list",
                                      "PRAGMA foreign_key_check",
                                      "PRAGMA wal_checkpoint",
                                      "PRAGMA incremental_vacuum",
                                      "  -- all\n ANALYZE ;"};
    struct rhei_query_options options = {.struct_size = sizeof options, .settings = true};
    must_execute(db, "CREATE INDEX t_by_v ON t (v)");
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_statement *statement = NULL;
        rhei_rows *rows = NULL;
        if (rhei_query(db, all[a], NULL, &options, &rows, &error) != RHEI_OK)
            fail_msg("%s by rhei_query: %s", all[a], error.message);
        rhei_rows_close(&rows);
        if (rhei_prepare(db, all[a], &statement, &error) != RHEI_OK)
            fail_msg("%s by rhei_prepare: %s", all[a], error.message);
        rhei_statement_close(&statement);
        if (rhei_execute(db, all[a], NULL, NULL, &error) != RHEI_OK)
            fail_msg("%s by rhei_execute: %s", all[a], error.message);
    }
    must_be(db, "SELECT count(*) FROM t_history", NULL, "i1\n");
}

/* What is still to come is as what is now. */
static void test_times_and_positions_to_come(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    must_be(db, "SELECT v FROM t FOR SYSTEM_TIME AS OF '9999-12-31'", NULL, "i1\n");
    must_be(db, "SELECT v FROM t AS OF POSITION 9223372036854775807", NULL, "i1\n");
    must_be(db, "SELECT v FROM t AS OF POSITION 99999999999999999", NULL, "i1\n");
    must_be(db, "SELECT v FROM t AS OF POSITION 999999999999999999", NULL, "i1\n");
    must_be(db, "SELECT v FROM t AS OF POSITION 000000000000000000000", NULL, "");
    must_fail(db, "SELECT v FROM t AS OF POSITION 18446744073709551617", RHEI_INVALID); /* no whole number to SQLite */
    must_be(db, "SELECT count(*) FROM t FOR SYSTEM_TIME FROM '9999-01-01' TO '9999-12-31'", NULL, "i1\n");
    must_be(db, "SELECT v FROM t AS OF POSITION 0", NULL, "");
}

static void test_all_tables_as_of_a_time(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    char time[32];
    snprintf(time, sizeof time, "%" PRId64, between());
    must_execute(db, "DELETE FROM t");
    must_execute(db, "UPDATE other SET t_id = 9");
    struct rhei_query_options options = {.struct_size = sizeof options, .as_of = time};
    for (options.route = RHEI_ROUTE_OLTP; options.route <= RHEI_ROUTE_OLAP; options.route++) {
        rhei_rows *rows = NULL;
        struct rhei_error error = RHEI_ERROR_INIT;
        if (rhei_query(
                db,
                "WITH w AS (SELECT * FROM t) SELECT count(*), (SELECT sum(t_id) FROM other), (SELECT count(*) FROM w) "
                "FROM t, other WHERE t.id = other.t_id",
                NULL, &options, &rows, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        assert_int_equal(rhei_rows_next(rows, NULL), RHEI_ROW);
        assert_int_equal(rhei_rows_int64(rows, 0), 1);
        assert_int_equal(rhei_rows_int64(rows, 1), 3);
        assert_int_equal(rhei_rows_int64(rows, 2), 1);
        rhei_rows_close(&rows);
    }
}

/* The router knows how many versions a question is about. */
static void test_q9_a_question_about_the_past_costs_what_it_reads(void **state)
{
    static const char *const questions[] = {"SELECT v %% 10, sum(v) FROM t AS OF POSITION %" PRId64 " GROUP BY 1",
                                            "SELECT v, count(*) FROM t_history WHERE v > %" PRId64
                                            " - 10000 GROUP BY 1",
                                            "SELECT o.id, sum(p.v) FROM other o JOIN t AS OF POSITION %" PRId64
                                            " AS p ON p.v %% 2 = o.t_id %% 2 GROUP BY 1"};
    static const char visited[] = "rows SQLite would visit|t";
    enum { ROWS = 5000 };
    rhei_db *db = ((struct fixture *)*state)->db;
    int64_t position = write_at(db, "WITH k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 5000) "
                                    "INSERT INTO t SELECT i, i, 'x' FROM k");
    must_execute(db, "UPDATE t SET s = 'y'");
    for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
        char sql[256] = "EXPLAIN ROUTE ";
        size_t len = strlen(sql);
        snprintf(sql + len, sizeof sql - len, questions[q], position);
        char *got = must_rows(db, sql, NULL, RHEI_ROUTE_AUTO);
        const char *at = strstr(got, visited);
        if (at == NULL || strtoll(at + strlen(visited), NULL, 10) < ROWS)
            fail_msg("%s:\n%s", sql, got);
        rhei_free(got);
    }
}

/* Versions before a change of the schema stay, with the columns that they had. */
static void test_a9_schema_changes_keep_old_versions(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    char sql[256];
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')");
    int64_t position = write_at(db, "UPDATE t SET v = 3 WHERE id = 2");
    must_be(db, "SELECT count(*) FROM t_history", NULL, "i3\n");
    must_execute(db, "ALTER TABLE t ADD COLUMN more DEFAULT 5");
    must_be_built(db);
    must_be(db, "SELECT id, v, more, _rhei_operation, _rhei_valid_to IS NULL FROM t_history ORDER BY _rhei_seq, id",
            NULL, "i1|i1|i5|tI|i1\ni2|i2|n|tI|i0\ni2|i3|i5|tU|i1\n");
    snprintf(sql, sizeof sql, "SELECT id, v, more FROM t AS OF POSITION %" PRId64 " ORDER BY id", position);
    must_be(db, sql, NULL, "i1|i1|i5\ni2|i3|i5\n");
    position = write_at(db, "REPLACE INTO t VALUES (2, 3, 'c', 6)");
    must_execute(db, "UPDATE t SET more = 7");
    snprintf(sql, sizeof sql, "SELECT id, v, more FROM t AS OF POSITION %" PRId64 " ORDER BY id", position);
    must_be(db, sql, NULL, "i1|i1|i5\ni2|i3|i6\n");
    must_execute(db, "ALTER TABLE t RENAME COLUMN v TO value");
    must_be_built(db);
    snprintf(sql, sizeof sql, "SELECT id, value, more FROM t AS OF POSITION %" PRId64 " ORDER BY id", position);
    must_be(db, sql, NULL, "i1|i1|i5\ni2|i3|i6\n");
    must_be(db, "SELECT count(*), count(value), sum(value) FROM t_history", NULL, "i6|i6|i13\n");
    must_execute(db, "ALTER TABLE t DROP COLUMN s");
    must_be_built(db);
    must_be(db, "SELECT id, value, more, s, _rhei_operation FROM t_history WHERE id = 2 ORDER BY _rhei_seq", NULL,
            "i2|i2|n|tb|tI\ni2|i3|i5|tb|tU\ni2|i3|i6|tc|tU\ni2|i3|i7|n|tU\n");
    must_execute(db, "ALTER TABLE t RENAME TO u");
    must_be_built(db);
    must_be(db, "SELECT count(*) FROM u_history", NULL, "i6\n");
    must_execute(db, "DELETE FROM u WHERE id = 1");
    must_execute(db, "DROP TABLE u");
    must_be(db, "SELECT count(*), sum(_rhei_valid_to IS NULL) FROM u_history", NULL, "i7|i0\n");
    must_be(db, "SELECT count(*) FROM u FOR SYSTEM_TIME AS OF '2100-01-01'", NULL, "i0\n");
    must_fail(db, "SELECT count(*) FROM t_history", RHEI_SQL);
    must_be(db, "SELECT count(*) FROM other_history", NULL, "i2\n");
}

/* A name is that of one column and of one table at a time, whoever takes it later. */
static void test_a9_names_stand_for_what_they_did_then(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    char sql[256];
    must_execute(db, "CREATE TABLE n (id INTEGER PRIMARY KEY, v INT, w INT)");
    must_be_built(db);
    int64_t first = write_at(db, "INSERT INTO n VALUES (1, 10, 20)");
    must_execute(db, "UPDATE n SET w = 21");
    must_execute(db, "ALTER TABLE n DROP COLUMN v");
    must_be_built(db);
    must_be(db, "SELECT w, v FROM n_history ORDER BY _rhei_seq", NULL, "i20|i10\ni21|n\n");
    must_execute(db, "ALTER TABLE n RENAME COLUMN w TO v");
    must_be_built(db);
    snprintf(sql, sizeof sql, "SELECT * FROM n AS OF POSITION %" PRId64, first);
    must_be(db, sql, NULL, "i1|i20\n");
    must_be(db, "SELECT v, v_dropped FROM n_history ORDER BY _rhei_seq", NULL, "i20|i10\ni21|n\n");
    must_execute(db, "ALTER TABLE n RENAME COLUMN v TO w");
    must_be_built(db);
    must_execute(db, "ALTER TABLE n ADD COLUMN v INT");
    must_be_built(db);
    must_be(db, sql, NULL, "i1|i20|n\n");
    must_execute(db, "CREATE TABLE copy (id INTEGER PRIMARY KEY, w INT)");
    must_be_built(db);
    int64_t copied = write_at(db, "INSERT INTO copy SELECT id, w + 100 FROM n");
    int64_t last = write_at(db, "UPDATE copy SET w = 122");
    must_execute(db, "DROP TABLE n");
    must_be_built(db);
    must_execute(db, "ALTER TABLE copy RENAME TO n");
    must_be_built(db);
    must_execute(db, "UPDATE n SET w = 123");
    must_be(db, sql, NULL, "i1|i20\n");
    snprintf(sql, sizeof sql, "SELECT * FROM n AS OF POSITION %" PRId64, copied);
    must_be(db, sql, NULL, "i1|i21\n");
    snprintf(sql, sizeof sql, "SELECT * FROM n AS OF POSITION %" PRId64, last);
    must_be(db, sql, NULL, "i1|i122\n");
}

/* Each state of a row that another one's REPLACE took away, and that came back, whatever of it one cycle saw. */
static void displace(rhei_db *db, const char *name, const char *columns)
{
    static const char *const statements[] = {
        "INSERT INTO %s VALUES (1, 1, 1), (2, 2, 2)",
        "INSERT OR IGNORE INTO %s VALUES (8, 1, 0)",
        "UPDATE %s SET v = 5 WHERE id = 1",
        "INSERT OR REPLACE INTO %s VALUES (3, 1, 3)",
        "INSERT INTO %s VALUES (1, 7, 4)",
        "INSERT OR REPLACE INTO %s VALUES (1, 2, 5)",
        "INSERT INTO %s VALUES (4, 1, 6) ON CONFLICT DO UPDATE SET v = v + 10",
        "UPDATE OR REPLACE %s SET k = 2, v = 8 WHERE id = 3",
        "INSERT INTO %s VALUES (1, 9, 9), (2, 4, 9)",
        "UPDATE OR REPLACE %s SET id = 2, k = 9 WHERE id = 3",
    };
    enum { COUNT = sizeof statements / sizeof *statements };
    char *states[COUNT], sql[256];
    int64_t positions[COUNT];
    snprintf(sql, sizeof sql, "CREATE TABLE %s%s", name, columns);
    must_execute(db, sql);
    must_be_built(db);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(sql, sizeof sql, statements[i], name);
        positions[i] = write_at(db, sql);
        snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY id", name);
        states[i] = must_rows(db, sql, NULL, RHEI_ROUTE_OLTP);
    }
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(sql, sizeof sql, "SELECT * FROM %s AS OF POSITION %" PRId64 " ORDER BY id", name, positions[i]);
        must_be(db, sql, NULL, states[i]);
        rhei_free(states[i]);
    }
    snprintf(sql, sizeof sql, "SELECT v, _rhei_operation FROM %s_history WHERE id = 1 ORDER BY _rhei_seq", name);
    must_be(db, sql, NULL, "i1|tI\ni5|tU\ni5|tD\ni4|tI\ni5|tU\ni5|tD\ni9|tI\ni9|tD\n");
}

static void test_a9_displaced_rows_end_where_they_did(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    displace(db, "d", "(id INTEGER PRIMARY KEY, k INT UNIQUE, v INT)");
    displace(db, "folded", "(id TEXT COLLATE NOCASE PRIMARY KEY, k INT UNIQUE, v INT) WITHOUT ROWID");
    displace(db, "typeless", "(id PRIMARY KEY, k INT UNIQUE, v INT) WITHOUT ROWID");
}

/* There and back, often faster than the table is loaded under the name between: each row's versions follow each other without a gap. */
static void test_a9_a_table_that_is_renamed_and_back(void **state)
{
    static const char gaps[] = "SELECT count(*) FROM t_history a WHERE a._rhei_valid_to IS NOT NULL AND "
                               "a._rhei_operation <> 'D' AND NOT EXISTS "
                               "(SELECT 1 FROM t_history b WHERE b.id = a.id AND b._rhei_valid_from = a._rhei_valid_to "
                               "AND b._rhei_seq >= a._rhei_seq)";
    rhei_db *db = ((struct fixture *)*state)->db;
    char sql[256];
    for (int i = 0; i < 20; i++) {
        snprintf(sql, sizeof sql, "REPLACE INTO t VALUES (0, %d, 'a'), (1, %d, 'b'), (2, 5, 'c')", i, i / 3);
        must_execute(db, sql);
        must_execute(db, "ALTER TABLE t RENAME TO t9");
        if (i % 4 == 1)
            must_execute(db, "UPDATE t9 SET v = v + 100 WHERE id = 0");
        if (i % 3 == 2)
            must_execute(db, "ALTER TABLE t9 RENAME TO t8");
        must_execute(db, i % 3 == 2 ? "ALTER TABLE t8 RENAME TO t" : "ALTER TABLE t9 RENAME TO t");
        must_be_built(db);
    }
    must_be(db, gaps, NULL, "i0\n");
    must_be(db, "SELECT count(*), min(_rhei_operation), max(_rhei_operation) FROM t_history WHERE id = 2", NULL,
            "i1|tI|tI\n");
    must_fail(db, "SELECT count(*) FROM t9_history", RHEI_SQL);
}

static void test_prepared_and_written_questions(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    struct rhei_value time = rhei_integer(between());
    struct rhei_params params = {&time, 1};
    must_execute(db, "UPDATE t SET v = 2");
    rhei_statement *statement = NULL;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_prepare(db, "SELECT v AS old FROM t FOR SYSTEM_TIME AS OF ?", &statement, NULL), RHEI_OK);
    assert_int_equal(rhei_statement_parameter_count(statement), 1);
    assert_string_equal(rhei_statement_column_name(statement, 0), "old");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rhei_statement_query(statement, &params, NULL, &rows, NULL), RHEI_OK);
        assert_int_equal(rhei_rows_next(rows, NULL), RHEI_ROW);
        assert_int_equal(rhei_rows_int64(rows, 0), 1);
        rhei_rows_close(&rows);
    }
    rhei_statement_close(&statement);
    must_execute_with(db, "CREATE TABLE old AS SELECT * FROM t_history", NULL);
    must_execute_with(db, "INSERT INTO other SELECT id + 100, v FROM t FOR SYSTEM_TIME AS OF ?", &params);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM old", RHEI_ROUTE_OLTP), 2);
    assert_int_equal(must_int64(db, "SELECT t_id FROM other WHERE id = 101", RHEI_ROUTE_OLTP), 1);
    must_fail(db, "SELECT t.v, ?1 FROM t FOR SYSTEM_TIME AS OF ?1", RHEI_UNSUPPORTED);
}

/* ---- Against a model. ---------------------------------------------------------------------------------------------- */

/* A view's tables are those of now, so as of a time it would be a wrong answer; and a view or trigger of the past could be nobody else's. */
static void test_d5_views_and_the_past(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    struct rhei_query_options options = {.struct_size = sizeof options, .as_of = "2100-01-01"};
    rhei_rows *rows = NULL;
    must_execute(db, "CREATE VIEW shown AS SELECT * FROM t");
    must_execute(db, "INSERT INTO t VALUES (1, 5, 'a')");
    for (int32_t route = RHEI_ROUTE_AUTO; route <= RHEI_ROUTE_OLAP; route++) {
        options.route = route;
        assert_int_equal(rhei_query(db, "SELECT * FROM shown", NULL, &options, &rows, NULL), RHEI_UNSUPPORTED);
        assert_int_equal(rhei_query(db, "SELECT * FROM t, (SELECT * FROM shown) x", NULL, &options, &rows, NULL),
                         RHEI_UNSUPPORTED);
        assert_int_equal(
            rhei_query(db, "WITH shown AS (SELECT v FROM t) SELECT * FROM shown", NULL, &options, &rows, NULL),
            RHEI_OK);
        rhei_rows_close(&rows);
    }
    must_fail(db, "SELECT * FROM shown FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED);
    must_fail(db, "CREATE VIEW past AS SELECT * FROM t FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED);
    must_fail(db, "CREATE TEMP VIEW past AS SELECT * FROM t_history", RHEI_UNSUPPORTED);
    must_fail(db, "CREATE TRIGGER g AFTER INSERT ON other BEGIN SELECT count(*) FROM t_history; END", RHEI_UNSUPPORTED);
    must_be(db, "SELECT shown.v, h.v FROM shown JOIN t FOR SYSTEM_TIME ALL AS h USING (id)", NULL, "i5|i5\n");
    must_be(db,
            "WITH p AS (SELECT * FROM t FOR SYSTEM_TIME AS OF '2100-01-01') SELECT p.v, o.id FROM p JOIN other o ON "
            "o.t_id = p.id",
            NULL, "i5|i1\n");
    must_be_by_sqlite(
        db,
        "SELECT o.id, (SELECT v FROM t FOR SYSTEM_TIME AS OF '2100-01-01' WHERE id = o.t_id) FROM other o ORDER BY 1",
        "i1|i5\ni2|n\n");
    must_be(db, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF '2100-01-01' EXCEPT SELECT 7", NULL, "i1\n");
    char *from_first = must_rows(db, "FROM t FOR SYSTEM_TIME AS OF '2100-01-01' SELECT id", NULL, RHEI_ROUTE_OLAP);
    assert_string_equal(from_first, "i1\n");
    rhei_free(from_first);
}

static void must_be_read_only(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status != RHEI_READ_ONLY || error->code != RHEI_READ_ONLY ||
        strstr(error->message, "\"t_history\" is the history of table \"t\", which can only be read") == NULL)
        fail_msg("%s: status %d: %s", what, status, error->message);
}

/* By every way, and nothing comes of it. */
static void test_d5_a_history_can_only_be_read(void **state)
{
    static const char *const writes[] = {
        "INSERT INTO t_history VALUES (1)",
        "INSERT OR REPLACE INTO main.t_history SELECT 1",
        "WITH a(x) AS (SELECT 1) INSERT INTO t_history SELECT x FROM a RETURNING 1",
        "REPLACE INTO \"t_history\" VALUES (1)",
        "UPDATE t_history SET v = 1",
        "DELETE FROM t_history",
        "DELETE FROM main.t_history WHERE id IN (SELECT id FROM t_history)",
        "DROP TABLE t_history",
        "ALTER TABLE t_history ADD COLUMN x",
        "CREATE INDEX i ON t_history (v)",
        "CREATE TRIGGER g AFTER INSERT ON t_history BEGIN SELECT 1; END",
    };
    rhei_db *db = ((struct fixture *)*state)->db;
    rhei_session *session = NULL, *in_transaction = NULL;
    struct rhei_value one = rhei_integer(1);
    must_execute(db, "INSERT INTO t VALUES (1, 1, 'a')");
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    for (size_t w = 0; w < sizeof writes / sizeof *writes; w++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        rhei_statement *statement = NULL;
        must_be_read_only(rhei_execute(db, writes[w], NULL, NULL, &error), &error, writes[w]);
        must_be_read_only(rhei_query(db, writes[w], NULL, NULL, &rows, &error), &error, writes[w]);
        must_be_read_only(rhei_execute_script(db, writes[w], NULL, &error), &error, writes[w]);
        must_be_read_only(rhei_execute_batch(db, writes[w], &one, 0, 1, NULL, &error), &error, writes[w]);
        must_be_read_only(rhei_prepare(db, writes[w], &statement, &error), &error, writes[w]);
        must_be_read_only(rhei_session_execute(session, writes[w], NULL, NULL, &error), &error, writes[w]);
        must_be_read_only(rhei_session_query(session, writes[w], NULL, NULL, &rows, &error), &error, writes[w]);
        assert_int_equal(rhei_session_open(db, &in_transaction, NULL), RHEI_OK);
        assert_int_equal(rhei_session_execute(in_transaction, "BEGIN", NULL, NULL, NULL), RHEI_OK);
        must_be_read_only(rhei_session_query(in_transaction, writes[w], NULL, NULL, &rows, &error), &error, writes[w]);
        rhei_session_close(&in_transaction);
        if (rhei_execute(db, writes[w], NULL, NULL, NULL) == RHEI_OK)
            fail_msg("%s", writes[w]);
    }
    rhei_session_close(&session);
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rhei_column column = {.name = "a"};
    must_be_read_only(rhei_register_table(db, "t_history", &column, 1, &error), &error, "registering");
    must_fail(db, "DELETE FROM t FOR SYSTEM_TIME ALL", RHEI_READ_ONLY);
    must_fail(db, "DELETE FROM t AS OF POSITION 1 WHERE id = 1", RHEI_READ_ONLY);
    must_fail(db, "DELETE FROM other_histor", RHEI_SQL);
    must_fail(db, "DELETE FROM absent_history", RHEI_SQL);
    must_be(db, "SELECT count(*) FROM t_history", NULL, "i1\n");
    must_execute(db, "DELETE FROM t WHERE id IN (SELECT id FROM t FOR SYSTEM_TIME ALL)");
    must_be(db, "SELECT count(*) FROM t", NULL, "i0\n");
    must_be(db, "SELECT count(*) FROM t_history", NULL, "i2\n");
    /* a table of the file's own is the user's */
    must_execute(db, "CREATE TABLE other_history (a)");
    must_execute(db, "INSERT INTO other_history VALUES (7)");
    must_execute(db, "DELETE FROM other_history");
    must_execute(db, "DROP TABLE other_history");
}

struct model {
    bool there[KEYS];
    int64_t value[KEYS];
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(2685821657736338717);
}

/* One random statement, in SQL and in the model; *versions: how many it makes. */
static void random_step(uint64_t *random, struct model *model, char *sql, size_t size, int *versions)
{
    int key = (int)(next_random(random) % KEYS);
    int64_t value = (int64_t)(next_random(random) % 5);
    *versions = 0;
    switch (next_random(random) % 4) {
    case 0:
        snprintf(sql, size, "DELETE FROM t WHERE id = %d", key);
        *versions = model->there[key];
        model->there[key] = false;
        return;
    case 1: {
        snprintf(sql, size, "UPDATE t SET v = v + %" PRId64 " WHERE id %% 3 = %d", value, key % 3);
        for (int k = key % 3; k < KEYS; k += 3) {
            *versions += model->there[k] && value != 0;
            model->value[k] += model->there[k] ? value : 0;
        }
        return;
    }
    default:
        snprintf(sql, size, "INSERT INTO t VALUES (%d, %" PRId64 ", 's') ON CONFLICT DO UPDATE SET v = excluded.v", key,
                 value);
        *versions = !model->there[key] || model->value[key] != value;
        model->there[key] = true;
        model->value[key] = value;
    }
}

static void model_rows(const struct model *model, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (int k = 0; k < KEYS; k++)
        if (model->there[k])
            len += (size_t)snprintf(text + len, size - len, "i%d|i%" PRId64 "\n", k, model->value[k]);
}

/* What the rows come to, which no executor is asked for: the same sums. */
static void model_totals(const struct model *model, char *text, size_t size)
{
    int64_t rows = 0, sum = 0, low = INT64_MAX, high = INT64_MIN;
    for (int k = 0; k < KEYS; k++) {
        if (!model->there[k])
            continue;
        rows++;
        sum += model->value[k];
        low = model->value[k] < low ? model->value[k] : low;
        high = model->value[k] > high ? model->value[k] : high;
    }
    if (rows == 0)
        snprintf(text, size, "i0|n|n|n\n");
    else
        snprintf(text, size, "i%" PRId64 "|i%" PRId64 "|i%" PRId64 "|i%" PRId64 "\n", rows, sum, low, high);
}

/* Cycles come now and then, so that they bring one change, many, and many of one row. */
static void test_a9_random_changes_against_a_model(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)now_us(), random = seed | 1;
    print_message("# RHEI_TEST_SEED=%" PRIu64 "\n", seed);
    static struct model states[STEPS];
    static int64_t positions[STEPS];
    struct model model = {0};
    int64_t versions = 0;
    char sql[256], rows[1024];
    assert_int_equal(rhei_stop_sync(db, NULL), RHEI_OK);
    for (int step = 0; step < STEPS; step++) {
        int more = 0;
        random_step(&random, &model, sql, sizeof sql, &more);
        positions[step] = write_at(db, sql);
        states[step] = model;
        versions += more;
        if (next_random(&random) % 9 == 0)
            assert_int_equal(rhei_sync_now(db, NULL, NULL), RHEI_OK);
    }
    for (int check = 0; check < CHECKS; check++) {
        int step = check == 0 ? STEPS - 1 : (int)(next_random(&random) % STEPS);
        if (positions[step] == 0) /* it changed nothing, and there is no position of its own */
            continue;
        model_rows(&states[step], rows, sizeof rows);
        snprintf(sql, sizeof sql, "SELECT id, v FROM t AS OF POSITION %" PRId64 " ORDER BY id", positions[step]);
        must_be(db, sql, NULL, rows);
        model_totals(&states[step], rows, sizeof rows);
        snprintf(sql, sizeof sql, "SELECT count(*), sum(v), min(v), max(v) FROM t AS OF POSITION %" PRId64,
                 positions[step]);
        must_be(db, sql, NULL, rows);
    }
    snprintf(rows, sizeof rows, "i%" PRId64 "\n", versions);
    must_be(db, "SELECT count(*) FROM t_history", NULL, rows);
    /* no two versions of a row at one time, none without an end before the next of its row, every end at a beginning or a deletion */
    must_be(db,
            "SELECT count(*) FROM t_history a JOIN t_history b ON a.id = b.id AND a._rhei_seq < b._rhei_seq AND "
            "(a._rhei_valid_to IS NULL OR a._rhei_valid_to > b._rhei_valid_from)",
            NULL, "i0\n");
    must_be(
        db,
        "SELECT count(*) FROM t_history a WHERE a._rhei_valid_to IS NOT NULL AND a._rhei_operation <> 'D' AND NOT "
        "EXISTS (SELECT 1 FROM t_history b WHERE b.id = a.id AND b._rhei_seq > a._rhei_seq AND b._rhei_valid_from = "
        "a._rhei_valid_to)",
        NULL, "i0\n");
    must_be(db, "SELECT (SELECT count(*) FROM t) - (SELECT count(*) FROM t_history WHERE _rhei_valid_to IS NULL)", NULL,
            "i0\n");
}

static rhei_status in_session(rhei_db *db, const char *sql, struct rhei_error *error)
{
    rhei_session *session = NULL;
    rhei_status status = rhei_session_open(db, &session, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "BEGIN", NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute_script(session, sql, NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, error);
    rhei_session_close(&session);
    return status;
}

/* Each change of a table brings histories of another shape: to the writer as well, and before a script's transaction begins. */
static void test_scripts_change_the_schema_again_and_again(void **state)
{
    rhei_db *db = ((struct fixture *)*state)->db;
    static const char *const scripts[] = {
        "CREATE TABLE a (x)",
        "CREATE TABLE b (x); INSERT INTO b VALUES (1)",
        "CREATE TABLE c (x)",
        "ALTER TABLE a ADD COLUMN z",
        "CREATE INDEX q ON a (z)",
        "CREATE VIEW v AS SELECT * FROM a",
        "CREATE TABLE IF NOT EXISTS a (x)",
        "CREATE TABLE d AS SELECT * FROM a; CREATE TRIGGER r AFTER INSERT ON d BEGIN SELECT 1; END",
    };
    for (size_t s = 0; s < sizeof scripts / sizeof scripts[0]; s++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status =
            s % 3 == 2 ? in_session(db, scripts[s], &error) : rhei_execute_script(db, scripts[s], NULL, &error);
        if (status != RHEI_OK)
            fail_msg("%s: %s", scripts[s], error.message);
        assert_int_equal(rhei_initial_sync(db, 30000, NULL), RHEI_OK);
    }
    char *names = must_rows(db,
                            "SELECT name FROM main.sqlite_schema WHERE name IN ('a', 'b', 'c', 'd', 'q', 'r', 'v') "
                            "ORDER BY name",
                            NULL, RHEI_ROUTE_OLTP);
    assert_string_equal(names, "ta\ntb\ntc\ntd\ntq\ntr\ntv\n");
    rhei_free(names);
    must_be(db, "SELECT x FROM b", NULL, "i1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a9_as_of_shows_rows_as_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_history_has_every_version_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_initial_load_opens_versions_and_what_was_before_is_empty, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_times_in_every_form_and_bad_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_d5_what_is_no_time_is_told_alike_at_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times_and_positions_to_come, setup, teardown),
        cmocka_unit_test_setup_teardown(test_d5_what_stands_at_the_wrong_place_is_told_with_the_right_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_d5_a_distance_from_now_is_told_apart_from_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statements_about_all_tables_beside_a_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_tables_as_of_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_q9_a_question_about_the_past_costs_what_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_schema_changes_keep_old_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_names_stand_for_what_they_did_then, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_displaced_rows_end_where_they_did, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_a_table_that_is_renamed_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepared_and_written_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_d5_views_and_the_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_d5_a_history_can_only_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scripts_change_the_schema_again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a9_random_changes_against_a_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
