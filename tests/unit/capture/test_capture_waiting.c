/* SPDX-License-Identifier: Apache-2.0 */
/* I12: among many tables a new one waits for its triggers; whatever happens until then, its mirror equals it afterwards. */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "capture/capture_internal.h"

#define LIMIT_NS INT64_C(60000000000)

static const char triggers_of_n[] = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'n'";

/* A handle on a file with so many tables that new ones wait, and a mirror of it. */
struct many {
    struct oltp_test test;
    struct test_mirror *mirror;
};

static void many_open(struct many *many, int tables)
{
    struct base_buffer sql = {0};
    test_open(&many->test);
    base_buffer_text(&sql, "BEGIN;");
    for (int i = 0; i < tables; i++)
        base_buffer_format(&sql, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, v);", i);
    base_buffer_text(&sql, "INSERT INTO t0 VALUES(1, 'one'); COMMIT");
    assert_false(sql.failed);
    test_shut(&many->test);
    assert_int_equal(test_shell(&many->test, sql.data), 0);
    base_buffer_reset(&sql);
    test_reopen(&many->test);
    many->mirror = test_mirror_new(&many->test);
    test_mirror_check(many->mirror);
}

static void many_close(struct many *many)
{
    test_mirror_free(&many->mirror);
    test_close(&many->test);
}

/* Cycles until the table is in the mirror: one may come to nothing while the maintenance has the writer. */
static void await_mirrored(struct many *many, const char *table)
{
    int64_t until = base_now_ns() + LIMIT_NS;
    while (!test_mirror_has(many->mirror, table)) {
        assert_true(base_now_ns() < until);
        test_mirror_cycle(many->mirror);
    }
    test_mirror_check(many->mirror);
}

/* Many tables, and `n`, which waits. */
static void many_open_with_new(struct many *many)
{
    many_open(many, CAPTURE_MANY_TABLES);
    test_write(&many->test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
}

/* The table of the mirror follows, by the log alone. */
static void check_followed(struct many *many, const char *table, const char *sql)
{
    await_mirrored(many, table);
    uint64_t loads = test_mirror_loads(many->mirror);
    test_write(&many->test, sql);
    test_mirror_check(many->mirror);
    assert_int_equal(test_mirror_loads(many->mirror), loads);
}

/* In the transaction of the CREATE: how many triggers the table has then. */
static int64_t triggers_at_create(struct many *many, const char *create)
{
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "%s; CREATE TABLE seen AS %s AS triggers", create,
                       "SELECT (SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'n')");
    assert_false(sql.failed);
    test_script(&many->test, sql.data);
    base_buffer_reset(&sql);
    return test_int(&many->test, "SELECT triggers FROM seen");
}

static void test_c6_a_new_table_waits_among_many(void **state)
{
    (void)state;
    struct many many;
    many_open(&many, CAPTURE_MANY_TABLES);
    assert_int_equal(triggers_at_create(&many, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)"), 0);
    test_write(&many.test, "INSERT INTO n VALUES(1, 'unlogged')");
    check_followed(&many, "n", "INSERT INTO n VALUES(2, 'logged')");
    test_expect(&many.test, "SELECT * FROM n", "1|'unlogged'\n2|'logged'\n");
    many_close(&many);
}

static void test_c6_a_new_table_of_few_is_captured_at_once(void **state)
{
    (void)state;
    struct many many;
    many_open(&many, 3);
    assert_true(triggers_at_create(&many, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)") >= 3);
    many_close(&many);
}

static void test_c6_the_maintenance_captures_what_waits(void **state)
{
    (void)state;
    struct many many;
    many_open_with_new(&many);
    int64_t until = base_now_ns() + LIMIT_NS;
    while (test_int(&many.test, triggers_of_n) == 0) {
        assert_true(base_now_ns() < until);
        test_write(&many.test, "INSERT INTO n(v) VALUES(zeroblob(10))");
    }
    test_write(&many.test, "UPDATE n SET v = id");
    await_mirrored(&many, "n");
    many_close(&many);
}

static void test_c6_closing_captures_what_waits(void **state)
{
    (void)state;
    struct many many;
    many_open_with_new(&many);
    test_shut(&many.test);
    assert_int_equal(test_shell(&many.test, "CREATE TABLE seen AS SELECT count(*) AS triggers FROM sqlite_master WHERE "
                                            "type = 'trigger' AND tbl_name = 'n'; INSERT INTO n VALUES(5, 'foreign')"),
                     0);
    test_reopen(&many.test);
    assert_true(test_int(&many.test, "SELECT triggers FROM seen") >= 3);
    await_mirrored(&many, "n");
    many_close(&many);
}

static void test_c6_others_write_while_a_table_waits(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "INSERT INTO n VALUES(1, 'x'), (2, 'y'); UPDATE n SET v = 'z' WHERE id = 2; DELETE FROM n WHERE id = 1",
        "INSERT INTO n VALUES(1, 'x'); CREATE UNIQUE INDEX nv ON n(v); REPLACE INTO n VALUES(2, 'x')",
        "INSERT INTO n VALUES(1, 'x'); ALTER TABLE n ADD COLUMN w DEFAULT 7; INSERT INTO n VALUES(2, 'y', 8)",
        "CREATE TABLE m(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO n VALUES(9, 9); INSERT INTO m VALUES(9)",
        ("CREATE TRIGGER g INSERT ON n WHEN NEW.id < 9 BEGIN INSERT INTO n VALUES(50, 0); END; INSERT INTO n VALUES(1, "
         "2)"),
        "VACUUM; INSERT INTO n VALUES(4, 4)",
    };
    struct many many;
    many_open(&many, CAPTURE_MANY_TABLES);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        test_write(&many.test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
        assert_int_equal(test_shell(&many.test, foreign[i]), 0);
        await_mirrored(&many, "n");
        check_followed(&many, "n", "UPDATE n SET v = v || '!'");
        test_write(&many.test, "DROP TABLE n");
        test_mirror_check(many.mirror);
    }
    many_close(&many);
}

static void test_c5_schema_changes_of_a_table_that_waits(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "ALTER TABLE n ADD COLUMN w DEFAULT 3",
        "ALTER TABLE n DROP COLUMN v",
        "ALTER TABLE n RENAME COLUMN v TO w",
        "CREATE UNIQUE INDEX nv ON n(v)",
        "CREATE TRIGGER more AFTER UPDATE ON n BEGIN UPDATE t0 SET v = v || '+'; END",
        "CREATE VIEW vn AS SELECT * FROM n",
        "DROP TABLE n; CREATE TABLE n(a TEXT PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO n VALUES('k', 1)",
        "ALTER TABLE n RENAME TO o; CREATE TABLE n AS SELECT * FROM o; DROP TABLE o",
    };
    struct many many;
    many_open(&many, CAPTURE_MANY_TABLES);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        test_write(&many.test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
        test_write(&many.test, "INSERT INTO n VALUES(1, 'a'), (2, 'b')");
        test_script(&many.test, changes[i]);
        await_mirrored(&many, "n");
        check_followed(&many, "n", "DELETE FROM n");
        test_script(&many.test, "DROP VIEW IF EXISTS vn; DROP TABLE n");
        test_mirror_check(many.mirror);
    }
    test_write(&many.test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
    test_write(&many.test, "DROP TABLE n");
    test_mirror_check(many.mirror);
    assert_false(test_mirror_has(many.mirror, "n"));
    many_close(&many);
}

/* Only the new table waits: what its making changes about a table that is captured is done at once. */
static void test_c4_a_parent_is_captured_anew_at_once(void **state)
{
    (void)state;
    struct many many;
    many_open(&many, CAPTURE_MANY_TABLES);
    test_write(&many.test, "PRAGMA foreign_keys = ON");
    test_write(&many.test, "CREATE TABLE n(id INTEGER PRIMARY KEY, up REFERENCES t0(id) ON DELETE CASCADE, "
                           "FOREIGN KEY(id) REFERENCES n(id) ON DELETE CASCADE)");
    test_script(&many.test, "INSERT INTO n VALUES(1, 1); INSERT INTO t0 VALUES(2, 'two'); DELETE FROM t0 WHERE id = 1");
    await_mirrored(&many, "n");
    check_followed(&many, "n", "INSERT INTO n VALUES(7, 2)");
    test_write(&many.test, "DELETE FROM t0");
    test_mirror_check(many.mirror);
    test_write(&many.test, "CREATE UNIQUE INDEX t1v ON t1(v)");
    test_script(&many.test, "INSERT INTO t1 VALUES(1, 'same'); REPLACE INTO t1 VALUES(2, 'same')");
    test_mirror_check(many.mirror);
    many_close(&many);
}

/* A session, and statements of it behind one another. */
static struct oltp_session *session_of(struct many *many)
{
    struct oltp_session *session = NULL;
    many_open(many, CAPTURE_MANY_TABLES);
    assert_int_equal(oltp_session_open(many->test.oltp, &session, NULL), RHEI_OK);
    return session;
}

static void session_run(struct oltp_session *session, const char *script)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    for (const char *sql = script; *sql != '\0';) {
        size_t len = strcspn(sql, ";");
        if (oltp_session_run(session, sql, len, NULL, 0, NULL, NULL, NULL, &error) != RHEI_OK)
            fail_msg("%s: %s", sql, error.message);
        sql += len + (sql[len] == ';');
    }
}

static void test_c6_a_transaction_with_new_tables(void **state)
{
    (void)state;
    struct many many;
    struct oltp_session *session = session_of(&many);
    session_run(session, "BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY, v); INSERT INTO n VALUES(1, 1); ROLLBACK");
    test_mirror_check(many.mirror);
    assert_false(test_mirror_has(many.mirror, "n"));
    session_run(session, "BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY, v); SAVEPOINT s; CREATE TABLE gone(id INTEGER "
                         "PRIMARY KEY, v); ROLLBACK TO s; INSERT INTO n VALUES(1, 1)");
    test_mirror_check(many.mirror); /* the session has the writer: nothing can be captured, and nothing waits for it */
    assert_false(test_mirror_has(many.mirror, "n"));
    session_run(session, "COMMIT");
    await_mirrored(&many, "n");
    session_run(session, "BEGIN; CREATE TABLE o(id INTEGER PRIMARY KEY, v); INSERT INTO o SELECT * FROM n; COMMIT");
    oltp_session_close(&session);
    await_mirrored(&many, "o");
    check_followed(&many, "o", "UPDATE o SET v = 2");
    many_close(&many);
}

/* While a session holds the writer a table goes on waiting: cycles come and go without it. */
static void test_c6_a_long_transaction_holds_a_capture_back(void **state)
{
    (void)state;
    struct many many;
    struct oltp_session *session = session_of(&many);
    session_run(session, "BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY, v); COMMIT; BEGIN IMMEDIATE; INSERT INTO t0 "
                         "VALUES(3, 'three')");
    test_mirror_check(many.mirror);
    session_run(session, "COMMIT");
    oltp_session_close(&session);
    await_mirrored(&many, "n");
    many_close(&many);
}

static void test_a8_two_engines_and_a_table_that_waits(void **state)
{
    (void)state;
    struct many many;
    many_open(&many, CAPTURE_MANY_TABLES);
    struct oltp_test second = many.test;
    second.oltp = NULL;
    test_reopen(&second);
    struct test_mirror *mirror = test_mirror_new(&second);
    test_mirror_check(mirror);
    for (int i = 0; i < 4; i++) {
        struct many other = {.test = second, .mirror = mirror};
        test_write(i % 2 == 0 ? &many.test : &second, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
        test_write(i < 2 ? &many.test : &second, "INSERT INTO n VALUES(1, 'early')");
        await_mirrored(i == 1 ? &many : &other, "n");
        test_write(i < 2 ? &second : &many.test, "INSERT INTO n VALUES(2, 'late')");
        await_mirrored(&many, "n");
        await_mirrored(&other, "n");
        test_write(&second, "DROP TABLE n");
        test_mirror_check(many.mirror);
        test_mirror_check(mirror);
    }
    test_mirror_free(&mirror);
    test_shut(&second);
    many_close(&many);
}

static void test_c6_who_registers_nothing_leaves_a_new_table_alone(void **state)
{
    (void)state;
    struct many many;
    struct oltp_config config;
    struct rhei_error error = RHEI_ERROR_INIT;
    many_open(&many, CAPTURE_MANY_TABLES);
    test_shut(&many.test);
    test_default_config(&many.test, &config);
    config.auto_register = false;
    assert_int_equal(capture_open(&config, &many.test.oltp, &error), RHEI_OK);
    assert_int_equal(capture_change_source(many.test.oltp, &many.test.source, &error), RHEI_OK);
    test_write(&many.test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
    test_write(&many.test, "INSERT INTO n VALUES(1, 1)");
    test_mirror_check(many.mirror);
    assert_int_equal(test_int(&many.test, triggers_of_n), 0);
    assert_int_equal(capture_register_table(many.test.oltp, "n", NULL, &error), RHEI_OK);
    assert_true(test_int(&many.test, triggers_of_n) >= 3);
    await_mirrored(&many, "n");
    many_close(&many);
}

static void test_c6_released_while_it_waits(void **state)
{
    (void)state;
    struct many many;
    struct rhei_error error = RHEI_ERROR_INIT;
    many_open_with_new(&many);
    assert_int_equal(capture_release_table(many.test.oltp, "n", NULL, &error), RHEI_OK);
    test_write(&many.test, "CREATE TABLE o(id INTEGER PRIMARY KEY, v)");
    await_mirrored(&many, "o");
    assert_false(test_mirror_has(many.mirror, "n"));
    assert_int_equal(test_int(&many.test, triggers_of_n), 0);
    many_close(&many);
}

/* ---- Killed. ---- */

struct dying {
    const char *point;
    int countdown;
};

static void die_at(void *context, const char *point)
{
    struct dying *dying = context;
    if (strcmp(point, dying->point) == 0 && dying->countdown-- == 0)
        _exit(9); /* as good as killed: nothing is closed */
}

static void child_creates(const struct oltp_test *test, struct dying *dying)
{
    static const char *const steps[] = {"CREATE TABLE n(id INTEGER PRIMARY KEY, v)", "INSERT INTO n VALUES(1, 'a')",
                                        "CREATE UNIQUE INDEX nv ON n(v)", "REPLACE INTO n VALUES(2, 'a')"};
    struct oltp_config config;
    struct oltp *oltp = NULL;
    const struct capture_catalog *catalog = NULL;
    test_default_config(test, &config);
    config.fault = die_at;
    config.fault_context = dying;
    if (capture_open(&config, &oltp, NULL) != RHEI_OK)
        _exit(1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        oltp_write(oltp, steps[i], strlen(steps[i]), NULL, 0, 0, NULL, NULL, NULL);
    capture_catalog_take(oltp, &catalog, NULL); /* makes the triggers */
    capture_catalog_release(&catalog);
    oltp_write(oltp, "DELETE FROM n", 13, NULL, 0, 0, NULL, NULL, NULL);
    _exit(0);
}

static void test_a2_killed_while_a_table_waits(void **state)
{
    (void)state;
    static const char *const points[] = {"oltp.ddl.done",    "oltp.ddl.commit", "oltp.write.committed",
                                         "capture.triggers", "capture.commit",  "none"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (int countdown = 0; countdown < 4; countdown++) {
            struct many many;
            struct dying dying = {points[i], countdown};
            many_open(&many, CAPTURE_MANY_TABLES);
            test_shut(&many.test);
            fflush(NULL);
            pid_t child = fork();
            if (child == 0)
                child_creates(&many.test, &dying);
            int status = 0;
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
            assert_int_equal(test_shell(&many.test, "CREATE TABLE IF NOT EXISTS n(id INTEGER PRIMARY KEY, v); "
                                                    "INSERT INTO n VALUES(50, 'foreign')"),
                             0);
            test_reopen(&many.test);
            await_mirrored(&many, "n");
            check_followed(&many, "n", "UPDATE n SET v = v || '!'");
            many_close(&many);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c6_a_new_table_waits_among_many),
        cmocka_unit_test(test_c6_a_new_table_of_few_is_captured_at_once),
        cmocka_unit_test(test_c6_the_maintenance_captures_what_waits),
        cmocka_unit_test(test_c6_closing_captures_what_waits),
        cmocka_unit_test(test_c6_others_write_while_a_table_waits),
        cmocka_unit_test(test_c5_schema_changes_of_a_table_that_waits),
        cmocka_unit_test(test_c4_a_parent_is_captured_anew_at_once),
        cmocka_unit_test(test_c6_a_transaction_with_new_tables),
        cmocka_unit_test(test_c6_a_long_transaction_holds_a_capture_back),
        cmocka_unit_test(test_a8_two_engines_and_a_table_that_waits),
        cmocka_unit_test(test_c6_who_registers_nothing_leaves_a_new_table_alone),
        cmocka_unit_test(test_c6_released_while_it_waits),
        cmocka_unit_test(test_a2_killed_while_a_table_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
