/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows at once do what the same rows do one by one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "oltp_test.h"

enum { ROWS = 237, COLUMNS = 3 };

static uint64_t wide_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct rhei_value wide_integer(int64_t integer)
{
    return (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
}

/* Keys that collide often, values of every kind, some of them long. */
static void wide_fill(struct rhei_value *values, uint64_t *seed, bool collide)
{
    static const char bytes[3000] = "0.5";
    for (int row = 0; row < ROWS; row++, values += COLUMNS) {
        uint64_t dice = wide_random(seed);
        values[0] = dice % 3 == 0 || !collide ? (struct rhei_value){.type = RHEI_NULL}
                                              : wide_integer((int64_t)(dice / 8 % 500));
        values[1] = collide ? wide_integer((int64_t)(dice / 4096 % 400)) : wide_integer((int64_t)(dice >> 1));
        switch (dice >> 32 & 3) {
        case 0:
            values[2] = (struct rhei_value){.type = RHEI_REAL, .as.real = (double)(dice >> 40) / 7};
            break;
        case 1:
            values[2] = (struct rhei_value){.type = RHEI_BLOB, .as.bytes = bytes, .length = dice >> 40 & 1 ? 3000 : 4};
            break;
        default:
            values[2] = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = bytes, .length = (uint32_t)(dice >> 40 & 3)};
            break;
        }
    }
}

static rhei_status wide_one_by_one(struct oltp_test *test, const char *sql, const struct rhei_value *values,
                                   struct oltp_result *result)
{
    *result = (struct oltp_result){0};
    rhei_status status = RHEI_OK;
    for (int row = 0; row < ROWS && status == RHEI_OK; row++) {
        struct oltp_result one = {0};
        status = oltp_write(test->oltp, sql, strlen(sql), values + (size_t)row * COLUMNS, COLUMNS, 0, &one, NULL, NULL);
        result->changes += one.changes;
        result->last_insert_rowid = one.last_insert_rowid;
    }
    return status;
}

static rhei_status wide_at_once(struct oltp_test *test, const char *sql, const struct rhei_value *values,
                                struct oltp_result *result)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    return oltp_write_many(test->oltp, sql, strlen(sql), values, COLUMNS, ROWS, 0, result, &error);
}

static void expect_same(struct oltp_test *test, const char *left, const char *right)
{
    char *a = test_rows(test, left), *b = test_rows(test, right);
    assert_string_equal(a, b);
    base_free(a);
    base_free(b);
}

#define WIDE_LOG(table)                                     \
    "SELECT op, c1, c2, c3 FROM _rhei_cdc_log WHERE tab = " \
    "(SELECT id FROM _rhei_tables WHERE name = '" table "' AND live) ORDER BY seq"

/* The verbs on two tables of one form: `verb` INTO a at once, INTO b one by one. */
static void check_verb(struct oltp_test *test, const char *verb, const char *conflict, const struct rhei_value *values)
{
    char at_once[300], by_one[300];
    struct oltp_result many = {0}, single = {0};
    snprintf(at_once, sizeof at_once, "%s INTO main.\"a\" (id, u, v) VALUES (?, ?, -- the value\n?) %s;", verb,
             conflict);
    snprintf(by_one, sizeof by_one, "%s INTO b (id, u, v) VALUES (?, ?, ?) %s", verb, conflict);
    assert_int_equal(wide_at_once(test, at_once, values, &many), RHEI_OK);
    assert_int_equal(wide_one_by_one(test, by_one, values, &single), RHEI_OK);
    assert_int_equal(many.changes, single.changes);
    assert_int_equal(many.last_insert_rowid, single.last_insert_rowid);
    expect_same(test, "SELECT * FROM a ORDER BY id", "SELECT * FROM b ORDER BY id");
    expect_same(test, WIDE_LOG("a"), WIDE_LOG("b"));
}

static void test_c4_many_rows_do_what_each_does(void **state)
{
    (void)state;
    static const char *const verbs[] = {"INSERT OR IGNORE", "REPLACE", "INSERT OR REPLACE"};
    static struct rhei_value values[ROWS * COLUMNS];
    uint64_t seed = base_random_u64() | 1;
    print_message("seed %" PRIu64 "\n", seed);
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE a(id INTEGER PRIMARY KEY, u INTEGER NOT NULL UNIQUE, v TEXT CHECK (v <> 'x'));"
                       "CREATE TABLE b(id INTEGER PRIMARY KEY, u INTEGER NOT NULL UNIQUE, v TEXT CHECK (v <> 'x'))");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    for (int round = 0; round < 6; round++) {
        wide_fill(values, &seed, true);
        check_verb(&test, verbs[round % 3], "", values);
        test_mirror_check(mirror);
    }
    wide_fill(values, &seed, false);
    check_verb(&test, "INSERT", "", values);
    test_mirror_check(mirror);
    wide_fill(values, &seed, true);
    check_verb(&test, "INSERT", "ON CONFLICT DO NOTHING", values);
    test_mirror_check(mirror);
    for (int row = 0; row < ROWS; row++)
        values[row * COLUMNS] = (struct rhei_value){.type = RHEI_NULL};
    check_verb(&test, "INSERT", "ON CONFLICT (u) DO UPDATE SET \"v\" = excluded.v, u=excluded.u", values);
    check_verb(&test, "INSERT", "ON CONFLICT (u) DO UPDATE SET v = excluded.v || v", values);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_a_failing_row_takes_back_all(void **state)
{
    (void)state;
    static struct rhei_value values[ROWS * COLUMNS];
    static const char *const verbs[] = {"INSERT", "INSERT OR FAIL", "INSERT OR ROLLBACK"};
    uint64_t seed = 77;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, u INTEGER UNIQUE, v); INSERT INTO t VALUES(1, 1, 1)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    int64_t logged = test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log");
    for (int i = 0; i < 3; i++) {
        char sql[100];
        struct oltp_result result = {0};
        wide_fill(values, &seed, false);
        values[COLUMNS * 130 + 1] = wide_integer(1);
        snprintf(sql, sizeof sql, "%s INTO t VALUES (?, ?, ?)", verbs[i]);
        assert_int_equal(wide_at_once(&test, sql, values, &result), RHEI_CONSTRAINT);
        test_expect(&test, "SELECT * FROM t", "1|1|1\n");
        assert_int_equal(test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log"), logged);
        values[COLUMNS * 130 + 1] = wide_integer(2 + i);
        assert_int_equal(wide_at_once(&test, sql, values, &result), RHEI_OK);
        assert_int_equal(result.changes, ROWS);
        test_mirror_check(mirror);
        test_write(&test, "DELETE FROM t WHERE id > 1");
        logged = test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log");
    }
    test_mirror_free(&mirror);
    test_close(&test);
}

/* Who asks changes() while a row is inserted is told of the row before, not of the batch before. */
static void check_changes(const char *schema, const char *late, const char *seen)
{
    static struct rhei_value values[ROWS * COLUMNS];
    static const char sql[] = "INSERT INTO t(id, u, v) VALUES (?, ?, ?)";
    uint64_t seed = 78;
    struct oltp_test test;
    struct oltp_result result = {0};
    test_open(&test);
    test_script(&test, schema);
    wide_fill(values, &seed, false);
    assert_int_equal(wide_at_once(&test, sql, values, &result), RHEI_OK);
    if (late != NULL) { /* the statement is in use already */
        test_write(&test, late);
        test_write(&test, "DELETE FROM t");
        wide_fill(values, &seed, false);
        assert_int_equal(wide_at_once(&test, sql, values, &result), RHEI_OK);
    }
    test_write(&test, "DELETE FROM t WHERE id IN (1, 2)");
    test_expect(&test, seen, "0\n");
    test_close(&test);
}

static void test_nobody_can_tell_rows_at_once(void **state)
{
    (void)state;
    check_changes("CREATE TABLE t(id INTEGER PRIMARY KEY, u, v, n DEFAULT (changes()))", NULL,
                  "SELECT count(*) FROM t WHERE n <> 1");
    check_changes("CREATE TABLE t(id INTEGER PRIMARY KEY, u, v); CREATE TABLE seen(id, n)",
                  "CREATE TRIGGER w AFTER INSERT ON t BEGIN INSERT INTO seen VALUES(NEW.id, changes()); END",
                  "SELECT count(*) FROM seen WHERE id > 2 AND n <> 1");
    check_changes("CREATE TABLE t(id INTEGER PRIMARY KEY, u, v); CREATE TABLE seen(id, n)",
                  "CREATE TEMP TRIGGER w AFTER INSERT ON t BEGIN INSERT INTO seen VALUES(NEW.id, changes()); END",
                  "SELECT count(*) FROM seen WHERE id > 2 AND n <> 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c4_many_rows_do_what_each_does),
        cmocka_unit_test(test_a_failing_row_takes_back_all),
        cmocka_unit_test(test_nobody_can_tell_rows_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
