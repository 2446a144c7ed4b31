/* SPDX-License-Identifier: Apache-2.0 */
/* A6: a comparison finds one changed cell, at a pace too, and a repair mends it. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

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

/* Changes a row and then what the log says of it: nothing tells the mirror what the row really is. */
static void change_unseen(const char *update)
{
    char sql[512], output[256];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; %s; UPDATE _rhei_cdc_log SET c2 = 'other' WHERE seq = (SELECT max(seq) FROM "
             "_rhei_cdc_log); COMMIT",
             update);
    const char *const arguments[] = {"sqlite3", "-cmd", ".timeout 20000", fixture.path, sql, NULL};
    if (run_program(arguments, "", output, sizeof output) != 0)
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
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE id = 6000", 200000, "where its key is from ");
}

static void test_a6_ends_of_the_keys_are_compared(void **state)
{
    (void)state;
    make("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)",
         "INSERT INTO t SELECT CASE i WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE i END, 'v' "
         "|| i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE id = 9223372036854775807", 400000, "9223372036854775807");
}

static void test_a6_a_table_without_an_integer_key_is_one_piece(void **state)
{
    (void)state;
    make("CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID", "INSERT INTO t SELECT 'k' || i, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE k = 'k777'", 400000, "their cells differ");
}

static void test_a6_a_hidden_rowid_is_compared_in_pieces(void **state)
{
    (void)state;
    make("CREATE TABLE t(a, v TEXT)", "INSERT INTO t SELECT i, 'v' || i FROM g");
    must_find_and_mend("UPDATE t SET v = 'changed' WHERE a = 15000", 400000, "where its key is from ");
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
        cmocka_unit_test(test_a6_ends_of_the_keys_are_compared),
        cmocka_unit_test(test_a6_a_table_without_an_integer_key_is_one_piece),
        cmocka_unit_test(test_a6_a_hidden_rowid_is_compared_in_pieces),
        cmocka_unit_test(test_d5_a_slow_comparison_ends_when_it_is_told_to),
        cmocka_unit_test(test_d5_a_repair_says_what_it_can_not_mend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
