/* SPDX-License-Identifier: Apache-2.0 */
/* A6: a comparison finds one changed cell, at a pace too, and a repair mends it. */
#include "tests/support/engine_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rhei/rhei_care.h"

enum { ROWS = 20000 };

static struct fixture fixture;

static void make(const char *create, const char *insert)
{
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true};
    char sql[256];
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, create);
    snprintf(sql, sizeof sql, "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) %s", ROWS,
             insert);
    must_execute(fixture.db, sql);
    must_be_built(fixture.db);
}

/* What stands between is hidden from every trigger, the guard of the log too. */
#define UNSEEN(sql) ";\n.dbconfig enable_trigger off\n" sql ";\n.dbconfig enable_trigger on\n"

/* Changes a row and then what the log says of it: nothing tells the mirror what the row really is. */
static void change_unseen(const char *update)
{
    char script[1200], output[256];
    snprintf(script, sizeof script,
             "BEGIN IMMEDIATE;\n%s" UNSEEN("UPDATE _rhei_cdc_log SET c2 = 'other' WHERE seq = (SELECT max(seq) FROM "
                                           "_rhei_cdc_log)") "COMMIT;\n",
             update);
    const char *const arguments[] = {"sqlite3", "-batch", "-bail", "-cmd", ".timeout 60000", fixture.path, NULL};
    if (run_program(arguments, script, output, sizeof output) != 0)
        fail_msg("sqlite3: %s", output);
}

static rhei_status compare_at(uint64_t rate, uint64_t *rows, struct rhei_error *error)
{
    const struct rhei_call_options options = {.struct_size = sizeof options, .rows_per_second = rate};
    return rhei_verify_with(fixture.db, NULL, &options, rows, error);
}

/* Before and after a change that nobody saw: found as one state and in pieces, mended, and equal again. */
static void must_find_and_mend(const char *update, uint64_t rate, const char *said)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_repair_result result = {.struct_size = sizeof result};
    uint64_t rows = 0;
    assert_int_equal(compare_at(0, &rows, &error), RHEI_OK);
    assert_int_equal(rows, ROWS);
    assert_int_equal(compare_at(rate, &rows, &error), RHEI_OK);
    assert_int_equal(rows, ROWS);
    change_unseen(update);
    assert_int_equal(compare_at(0, &rows, &error), RHEI_STALE);
    assert_int_equal(compare_at(rate, &rows, &error), RHEI_STALE);
    if (strstr(error.message, said) == NULL)
        fail_msg("%s", error.message);
    if (rhei_repair(fixture.db, NULL, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.repaired, 1);
    assert_int_equal(result.rebuilt, 0);
    assert_int_equal(result.mended_pieces, 1);
    assert_int_equal(result.mended_rows, 1);
    assert_int_equal(result.tables, 1);
    assert_int_equal(result.rows, ROWS);
    assert_int_equal(compare_at(rate, &rows, &error), RHEI_OK);
    if (rhei_repair(fixture.db, "t", NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.repaired, 0);
    fixture_end(&fixture);
}

static void test_a6_one_cell_is_found_in_pieces_and_mended(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i * 3 - 30000, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE id = 6000", 32768, "where its key is from ");
}

static void test_a6_a_difference_in_the_first_piece_says_that_there_are_more(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i * 3 - 30000, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE id = -29997", 40000,
                       "where its key is up to 0, have 10000 rows each, but their cells differ (what comes behind "
                       "wasn't compared)");
}

static void test_a6_ends_of_the_keys_are_compared(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)",
         "INSERT INTO t SELECT CASE i WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE i END, 'v' "
         "|| i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE id = 9223372036854775807", 40000,
                       "where its key is at least ");
}

static void test_a6_a_text_key_is_compared_in_pieces(void **state)
{
    (void)state;
    make("CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID", "INSERT INTO t SELECT 'k' || i, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE k = 'k777'", 40000, "where its key is above 'k");
}

static void test_a6_the_ends_of_other_keys_are_compared(void **state)
{
    static const char *const insert =
        "INSERT INTO t SELECT CASE i % 5 WHEN 0 THEN i WHEN 1 THEN i / 3.5 WHEN 2 THEN 'k' || i WHEN 3 THEN "
        "CAST(i AS BLOB) ELSE char(233, i % 50 + 64) || i END, 'v' || i FROM g";
    (void)state;
    make("CREATE TABLE t(k PRIMARY KEY DESC, v TEXT) WITHOUT ROWID", insert);
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE k = (SELECT min(k) FROM t)", 40000, "where its key is up to ");
    make("CREATE TABLE t(k PRIMARY KEY, v TEXT) WITHOUT ROWID", insert);
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE k = (SELECT max(k) FROM t)", 40000, "where its key is above ");
}

static void test_a6_rows_of_one_first_key_are_one_piece(void **state)
{
    (void)state;
    make("CREATE TABLE t(a TEXT, v TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID",
         "INSERT INTO t SELECT 'k' || (i % 7), 'v' || i, i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE a = 'k5' AND b = 12", 40000, "where its key is above 'k3'");
}

static void test_a6_a_key_of_another_order_is_one_piece(void **state)
{
    (void)state;
    make("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v TEXT) WITHOUT ROWID",
         "INSERT INTO t SELECT 'k' || i, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE k = 'K777'", 400000, "and its mirror have 20000 rows each");
}

/* Has the log say nothing of what these statements did. */
static void change_silently(const char *changes)
{
    char sql[700];
    snprintf(sql, sizeof sql,
             "CREATE TEMP TABLE before AS SELECT max(seq) AS seq FROM _rhei_cdc_log; %s" UNSEEN(
                 "UPDATE _rhei_cdc_log SET op = 'P' WHERE seq > (SELECT seq FROM before)") "UPDATE t SET v = 'seen' "
                                                                                           "WHERE v = 'v9'",
             changes);
    change_unseen(sql);
}

/* Rows that one side alone has, of any table, are mended too; what differs in most of its rows is built again. */
static void must_mend_all(const char *create, const char *insert)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_repair_result result = {.struct_size = sizeof result};
    make(create, insert);
    change_silently("INSERT INTO t VALUES ('new', 'v'); DELETE FROM t WHERE v = 'v77'; UPDATE t SET v = 'x' WHERE v IN "
                    "('v5', 'v6000', 'v19999')");
    if (rhei_repair(fixture.db, NULL, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.repaired, 1);
    assert_int_equal(result.rebuilt, 0);
    assert_int_equal(result.mended_rows, 6); /* with the one that the log tells wrongly */
    must_verify(fixture.db);
    change_silently("UPDATE t SET v = v || '!' WHERE v <> 'seen'; UPDATE t SET v = 'v9' WHERE v = 'v8!'");
    result = (struct rhei_repair_result){.struct_size = sizeof result};
    if (rhei_repair(fixture.db, NULL, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.repaired, 1);
    assert_int_equal(result.rebuilt, 1);
    assert_int_equal(result.mended_rows, 0);
    must_verify(fixture.db);
    fixture_end(&fixture);
}

static void test_a6_a_repair_takes_rows_again_and_builds_what_differs_in_most(void **state)
{
    (void)state;
    must_mend_all("CREATE TABLE t(k, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    must_mend_all("CREATE TABLE t(k PRIMARY KEY, v TEXT) WITHOUT ROWID", "INSERT INTO t SELECT i, 'v' || i FROM g");
}

static void test_a6_a_hidden_rowid_is_compared_in_pieces(void **state)
{
    (void)state;
    make("CREATE TABLE t(a, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE a = 15000", 32768, "where its key is from ");
}

/*
 * A column store that comes from its folder is compared in the background as soon as there is a cycle, which would build the table again; that
 * waits for whoever repairs, and is done afterwards.
 */
static void test_a6_a_repair_comes_before_the_comparison_in_the_background(void **state)
{
    (void)state;
    char mirror[sizeof fixture.path + 8];
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true, .olap_path = mirror};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_repair_result result = {.struct_size = sizeof result};
    fixture_init(&fixture);
    snprintf(mirror, sizeof mirror, "%s.mirror", fixture.path);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    must_be_built(fixture.db);
    rhei_close(&fixture.db);
    change_unseen("UPDATE t SET v = 'changed' WHERE id = 2");
    fixture_open(&fixture, &config);
    if (rhei_repair(fixture.db, NULL, NULL, &result, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(result.mended_rows, 1);
    assert_int_equal(result.rebuilt, 0);
    time_t limit = time(NULL) + 60;
    while (must_metric(fixture.db, "rhei_sync_verifications_total") < 1)
        assert_true(time(NULL) < limit);
    assert_int_equal(must_metric(fixture.db, "rhei_sync_differences_total"), 0);
    fixture_end(&fixture);
}

/* ---- In the background. --------------------------------------------------------------------------------------------- */

static atomic_int steps;

static void count_steps(void *context, const char *point)
{
    (void)context;
    if (strcmp(point, "sync.scrub.step") == 0)
        atomic_fetch_add(&steps, 1);
}

/* Three pieces of 8,192 rows, a quarter of a second each. */
static void make_scrubbed(const char *create, const char *insert)
{
    struct rhei_config config = {
        .struct_size = sizeof config, .scrub_interval_s = 1, .scrub_rate = 32768, .fault = count_steps};
    char sql[256];
    atomic_store(&steps, 0);
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, create);
    snprintf(sql, sizeof sql, "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) %s", ROWS,
             insert);
    must_execute(fixture.db, sql);
    must_be_built(fixture.db);
}

static void await_metric(const char *name, double least)
{
    time_t limit = time(NULL) + 120;
    while (must_metric(fixture.db, name) < least)
        assert_true(time(NULL) < limit);
}

static void must_be_scrubbed(const char *create, const char *insert, const char *update)
{
    make_scrubbed(create, insert);
    change_unseen(update);
    await_metric("rhei_scrub_mended_rows_total", 1);
    must_verify(fixture.db);
    await_metric("rhei_scrub_rounds_total", must_metric(fixture.db, "rhei_scrub_rounds_total") + 2); /* a whole one */
    assert_true(atomic_load(&steps) >= 4);
    assert_true(must_metric(fixture.db, "rhei_scrub_rows_total") >= ROWS);
    assert_int_equal(must_metric(fixture.db, "rhei_scrub_mended_rows_total"), 1);
    assert_int_equal(must_metric(fixture.db, "rhei_scrub_rebuilt_total"), 0);
    assert_int_equal(must_metric(fixture.db, "rhei_sync_differences_total"), 1);
    fixture_end(&fixture);
}

static void test_a6_the_scrub_takes_one_row_again_piece_by_piece(void **state)
{
    (void)state;
    must_be_scrubbed("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g",
                     "UPDATE t SET v = 'changed' WHERE id = 19000");
    must_be_scrubbed("CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
                     "INSERT INTO t SELECT 'k' || i, 'v' || i FROM g", "UPDATE t SET v = 'changed' WHERE k = 'k777'");
}

static void test_a6_the_scrub_builds_again_what_differs_in_most(void **state)
{
    (void)state;
    make_scrubbed("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    change_unseen("UPDATE t SET v = v || '!'" UNSEEN(
        "UPDATE _rhei_cdc_log SET c2 = 'o' WHERE seq > (SELECT max(seq) - 20000 FROM _rhei_cdc_log)"));
    await_metric("rhei_scrub_rebuilt_total", 1);
    assert_true(must_metric(fixture.db, "rhei_sync_differences_total") >= 1);
    must_be_built(fixture.db);
    must_verify(fixture.db);
    fixture_end(&fixture);
}

/* ---- What ends it, and what can't be. ----------------------------------------------------------------------------- */

static int end_it(void *context, const struct rhei_progress *progress)
{
    (void)context, (void)progress;
    return 1;
}

static void test_d5_a_slow_comparison_ends_when_it_is_told_to(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_call_options options = {.struct_size = sizeof options, .rows_per_second = 1, .timeout_ms = 50};
    assert_int_equal(rhei_verify_with(fixture.db, NULL, &options, NULL, &error), RHEI_TIMEOUT);
    options.timeout_ms = 0;
    options.progress = end_it;
    assert_int_equal(rhei_repair(fixture.db, NULL, &options, NULL, &error), RHEI_CANCELLED);
    must_verify(fixture.db);
    fixture_end(&fixture);
}

static void test_d5_a_repair_says_what_it_can_not_mend(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_repair_result result = {.struct_size = 0};
    assert_int_equal(rhei_repair(fixture.db, NULL, NULL, &result, &error), RHEI_INVALID);
    result.struct_size = sizeof result;
    assert_int_equal(rhei_repair(fixture.db, "nowhere", NULL, &result, &error), RHEI_NOT_FOUND);
    assert_int_equal(rhei_repair(NULL, NULL, NULL, &result, &error), RHEI_INVALID);
    assert_int_equal(rhei_unregister_table(fixture.db, "t", &error), RHEI_OK);
    assert_int_equal(rhei_repair(fixture.db, "t", NULL, &result, &error), RHEI_NOT_FOUND);
    assert_non_null(strstr(error.message, "is not mirrored: "));
    assert_int_equal(rhei_repair(fixture.db, NULL, NULL, &result, &error), RHEI_OK);
    assert_int_equal(result.tables, 0);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a6_one_cell_is_found_in_pieces_and_mended),
        cmocka_unit_test(test_a6_a_difference_in_the_first_piece_says_that_there_are_more),
        cmocka_unit_test(test_a6_ends_of_the_keys_are_compared),
        cmocka_unit_test(test_a6_a_text_key_is_compared_in_pieces),
        cmocka_unit_test(test_a6_the_ends_of_other_keys_are_compared),
        cmocka_unit_test(test_a6_rows_of_one_first_key_are_one_piece),
        cmocka_unit_test(test_a6_a_key_of_another_order_is_one_piece),
        cmocka_unit_test(test_a6_a_repair_takes_rows_again_and_builds_what_differs_in_most),
        cmocka_unit_test(test_a6_a_hidden_rowid_is_compared_in_pieces),
        cmocka_unit_test(test_a6_a_repair_comes_before_the_comparison_in_the_background),
        cmocka_unit_test(test_a6_the_scrub_takes_one_row_again_piece_by_piece),
        cmocka_unit_test(test_a6_the_scrub_builds_again_what_differs_in_most),
        cmocka_unit_test(test_d5_a_slow_comparison_ends_when_it_is_told_to),
        cmocka_unit_test(test_d5_a_repair_says_what_it_can_not_mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
