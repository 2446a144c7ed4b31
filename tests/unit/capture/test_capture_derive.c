/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I15: our own DDL reads and settles the tables that it touches, however many there are. Debug builds compare each derived schema with
 * the one that is read (V1 to V4 of capture_derive.c), so every DDL here proves that, too.
 */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "capture/capture_internal.h"

/* Fewer than those from which on new tables wait: the maintenance settles these, whenever it comes to it. */
enum { MANY = 60 };
_Static_assert(MANY + 20 < CAPTURE_MANY_TABLES, "none waits");

static void open_many(struct oltp_test *test)
{
    struct base_buffer sql = {0};
    test_open(test);
    base_buffer_text(&sql, "BEGIN;");
    for (int i = 0; i < MANY; i++)
        base_buffer_format(&sql, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, a UNIQUE, b);", i);
    base_buffer_text(&sql, "COMMIT");
    assert_false(sql.failed);
    test_shut(test);
    assert_int_equal(test_shell(test, sql.data), 0);
    base_buffer_reset(&sql);
    test_reopen(test);
}

struct work {
    uint64_t read, settled;
};

static struct work work_so_far(const struct oltp_test *test)
{
    const struct capture_state *capture = capture_of(test->oltp);
    return (struct work){atomic_load(&capture->tables_read), atomic_load(&capture->tables_settled)};
}

/* The statement reads at most that many definitions, and settles at most that many tables. */
static void costs(struct oltp_test *test, const char *sql, uint64_t read, uint64_t settled)
{
    struct work before = work_so_far(test);
    test_write(test, sql);
    struct work after = work_so_far(test);
    if (after.read - before.read > read || after.settled - before.settled > settled)
        fail_msg("%s: %d definitions read, %d tables settled", sql, (int)(after.read - before.read),
                 (int)(after.settled - before.settled));
}

static void test_a11_a_ddl_touches_its_own_table(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "CREATE TABLE n(id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE \"a [n]\"\"x\"(k TEXT PRIMARY KEY, v ANY, w INT) WITHOUT ROWID, STRICT",
        "CREATE TABLE IF NOT EXISTS main.[if](id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
        "CREATE TABLE copied AS SELECT * FROM t3",
        "CREATE TABLE zz(v DEFAULT ('(without rowid)')) /* ) WITHOUT ROWID */ -- ) STRICT",
        "CREATE INDEX ni ON t5(b)",
        "CREATE UNIQUE INDEX nu ON t5(b)",
        "CREATE VIEW v5 AS SELECT a FROM t5",
        "CREATE TRIGGER g5 AFTER INSERT ON t5 BEGIN UPDATE t5 SET b = id WHERE id = NEW.id; END",
        "CREATE TRIGGER gv INSTEAD OF INSERT ON v5 BEGIN INSERT INTO t5(a) VALUES(NEW.a); END",
        "INSERT INTO v5 VALUES('through the view')",
        "DROP TRIGGER gv",
        "DROP TRIGGER IF EXISTS main.g5",
        "DROP VIEW v5",
        "DROP INDEX \"nu\"",
        "DROP INDEX ni",
        "DROP TABLE zz",
        "DROP TABLE main.\"a [n]\"\"x\"",
        "DROP TABLE `if`",
        "DROP TABLE IF EXISTS COPIED",
        "DROP TABLE N",
        "DROP TABLE IF EXISTS nowhere",
        "CREATE TEMP TABLE t5(x)",
        "DROP TABLE t5",
        "CREATE TABLE IF NOT EXISTS t5(x)",
        "DROP TABLE t9",
        "DROP TABLE t0",
    };
    struct oltp_test test;
    open_many(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (strncmp(changes[i], "CREATE TEMP", 11) == 0) /* what hides a table is made by the native connection only */
            assert_int_equal(sqlite3_exec(test.oltp->writer->db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        else
            costs(&test, changes[i], 1, 1);
        if (i % 3 == 0) {
            test_write(&test, "INSERT INTO t5(a, b) VALUES(random(), random())");
            test_mirror_check(mirror);
        }
    }
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* More changes than one shelf may lie on another (V4), with tables put in at both ends and taken out again. */
static void test_a11_many_ddls_one_after_the_other(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "t3x", "zzz", "B", "t0"};
    struct oltp_test test;
    char sql[160];
    open_many(&test);
    for (int i = 0; i < 200; i++) {
        const char *name = names[i % 5];
        snprintf(sql, sizeof sql, "CREATE TABLE %s_%d(id INTEGER PRIMARY KEY, v)", name, i);
        costs(&test, sql, 1, 1);
        snprintf(sql, sizeof sql, "CREATE VIEW %s_v%d AS SELECT v FROM %s_%d", name, i, name, i);
        costs(&test, sql, 1, 1);
        if (i >= 10) {
            snprintf(sql, sizeof sql, "DROP VIEW %s_v%d", names[(i - 10) % 5], i - 10);
            costs(&test, sql, 1, 1);
            snprintf(sql, sizeof sql, "DROP TABLE %s_%d", names[(i - 10) % 5], i - 10);
            costs(&test, sql, 1, 1);
        }
    }
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static const char *reason_of(const struct capture_catalog *catalog, const char *name)
{
    for (uint32_t i = 0; i < catalog->table_count; i++)
        if (strcmp(catalog->tables[i].source.name, name) == 0)
            return catalog->tables[i].source.unmirrored_reason;
    return NULL;
}

static void says_why(struct oltp_test *test, const char *name, const char *why)
{
    const struct capture_catalog *catalog = NULL;
    assert_int_equal(capture_catalog_take(test->oltp, &catalog, NULL), RHEI_OK);
    const char *reason = reason_of(catalog, name);
    if (reason == NULL || strstr(reason, why) == NULL)
        fail_msg("%s: %s", name, reason == NULL ? "(none)" : reason);
    capture_catalog_release(&catalog);
}

/* Why a table isn't mirrored is said by each schema that is derived from the one that found it, however far (V4). */
static void test_c7_reasons_outlive_the_schema_that_found_them(void **state)
{
    (void)state;
    struct oltp_test test;
    char sql[160];
    open_many(&test);
    test_shut(&test);
    assert_int_equal(test_shell(&test, "CREATE TABLE odd(id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX oddly ON "
                                       "odd(a ->> '$.id')"),
                     0);
    test_reopen(&test);
    /* one schema that was read found the first, one that was derived the second */
    test_write(&test, "CREATE TABLE late(id INTEGER PRIMARY KEY, a)");
    test_write(&test, "CREATE UNIQUE INDEX lately ON late(abs(a))");
    for (int i = 0; i < 150; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE a%d(id INTEGER PRIMARY KEY, v)", i);
        costs(&test, sql, 1, 1);
        says_why(&test, "odd", "operator");
        says_why(&test, "late", "abs()");
        snprintf(sql, sizeof sql, "DROP TABLE a%d", i);
        costs(&test, sql, 1, 1);
    }
    test_close(&test);
}

/* What a table does to others is settled with it, or the whole schema is read (V2). */
static void test_c4_parents_and_children_come_and_go(void **state)
{
    (void)state;
    static const char *const changes[] = {
        ("CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES later ON DELETE CASCADE, q REFERENCES t7 ON UPDATE "
         "SET NULL)"),
        "CREATE TABLE later(id INTEGER PRIMARY KEY, v)",
        "INSERT INTO later VALUES(1, 1), (2, 2)",
        "INSERT INTO t7(id, a) VALUES(5, 5)",
        "INSERT INTO child VALUES(1, 1, 5), (2, 2, 5)",
        "CREATE TRIGGER back AFTER DELETE ON child BEGIN UPDATE later SET v = v + 1; END",
        "DELETE FROM later WHERE id = 1",
        "CREATE INDEX ci ON child(p)",
        "UPDATE t7 SET id = 6",
        "DROP TRIGGER back",
        "DROP TABLE child",
        "DELETE FROM later",
        "CREATE TABLE self(id INTEGER PRIMARY KEY, up REFERENCES self ON DELETE CASCADE)",
        "INSERT INTO self VALUES(1, NULL), (2, 1), (3, 2)",
        "DELETE FROM self WHERE id = 1",
        "DROP TABLE self",
        "DROP TABLE later",
    };
    struct oltp_test test;
    open_many(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        test_write(&test, changes[i]);
        test_mirror_check(mirror);
    }
    test_mirror_free(&mirror);
    test_close(&test);
}

/* A virtual table's module makes and drops tables of its own. */
static void test_c6_virtual_tables_come_and_go(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "CREATE TABLE rt_kept(id INTEGER PRIMARY KEY, v)",
        "CREATE VIRTUAL TABLE rt USING rtree(id, x0, x1)",
        "INSERT INTO rt VALUES(1, 2, 3)",
        "CREATE TABLE rt_extra(id INTEGER PRIMARY KEY, v)",
        "INSERT INTO rt_kept VALUES(1, 1)",
        "INSERT INTO rt_extra VALUES(1, 1)",
        "DROP TABLE rt_extra",
        "DROP TABLE rt",
        "INSERT INTO rt_kept VALUES(2, 2)",
        "DROP TABLE rt_kept",
    };
    struct oltp_test test;
    open_many(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = test_try(&test, changes[i], &error);
        assert_true(status == RHEI_OK || strstr(error.message, "no such module") != NULL ||
                    strstr(error.message, "no such table") != NULL);
        test_mirror_check(mirror);
    }
    test_mirror_free(&mirror);
    test_close(&test);
}

static void run(struct oltp_session *session, const char *const *sql)
{
    for (; *sql != NULL; sql++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        if (oltp_session_run(session, *sql, strlen(*sql), NULL, 0, NULL, NULL, NULL, &error) != RHEI_OK)
            fail_msg("%s: %s", *sql, error.message);
    }
}

/* In one transaction each starts from what the last one made; what is taken back is as if it had never been. */
static void test_c6_ddl_in_transactions(void **state)
{
    (void)state;
    static const char *const first[] = {"BEGIN",
                                        "CREATE TABLE one(id INTEGER PRIMARY KEY, v)",
                                        "CREATE UNIQUE INDEX onev ON one(v)",
                                        "DROP TABLE t9",
                                        "CREATE TABLE t9(id INTEGER PRIMARY KEY, other)",
                                        "INSERT INTO t9 VALUES(1, 1)",
                                        "INSERT INTO one VALUES(1, 1)",
                                        "COMMIT",
                                        NULL};
    static const char *const second[] = {"BEGIN",
                                         "DROP TABLE t9",
                                         "CREATE TABLE two(id INTEGER PRIMARY KEY)",
                                         "SAVEPOINT s",
                                         "CREATE TABLE three(id INTEGER PRIMARY KEY)",
                                         "DROP TABLE two",
                                         "ROLLBACK TO s",
                                         "INSERT INTO two VALUES(1)",
                                         "CREATE INDEX twoi ON two(id)",
                                         "COMMIT",
                                         NULL};
    static const char *const third[] = {
        "BEGIN", "DROP TABLE t10", "CREATE TABLE t10(x)", "ROLLBACK", "INSERT INTO t10(a) VALUES(1)", NULL};
    struct oltp_test test;
    struct oltp_session *session = NULL;
    open_many(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    struct work before = work_so_far(&test);
    run(session, first);
    struct work after = work_so_far(&test);
    if (after.read - before.read > 4 || after.settled - before.settled > 4)
        fail_msg("%d definitions read, %d tables settled", (int)(after.read - before.read),
                 (int)(after.settled - before.settled));
    test_mirror_check(mirror);
    run(session, second);
    test_mirror_check(mirror);
    run(session, third);
    oltp_session_close(&session);
    test_mirror_check(mirror);
    test_expect(&test, "SELECT name FROM sqlite_master WHERE name IN ('one', 'two', 'three', 't9', 't10') ORDER BY 1",
                "'one'\n't10'\n'two'\n");
    test_mirror_free(&mirror);
    test_close(&test);
}

/* Of a table's triggers only those are made again whose text differs: a new unique index is looked at before a change. */
static void test_a11_triggers_that_stay_the_same_stay(void **state)
{
    (void)state;
    static const char stayed[] =
        "SELECT count(*) FROM sqlite_master AS s JOIN old ON old.r = s.rowid AND old.n = s.name AND "
        "old.s = s.sql";
    struct oltp_test test;
    open_many(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    test_write(&test,
               "CREATE TABLE old AS SELECT rowid AS r, name AS n, sql AS s FROM sqlite_master WHERE type = 'trigger' "
               "AND tbl_name = 't5'");
    int64_t all = test_int(&test, "SELECT count(*) FROM old");
    assert_true(all == 6);
    test_mirror_check(mirror);
    uint64_t losses = test_mirror_losses(mirror);
    test_write(&test, "CREATE UNIQUE INDEX u5 ON t5(b)");
    assert_int_equal(test_int(&test, stayed), 4);
    test_script(&test,
                "INSERT INTO t5 VALUES(1, 1, 1), (2, 2, 2); REPLACE INTO t5 VALUES(3, 1, 2); UPDATE t5 SET id = 9");
    test_mirror_check(mirror);
    test_write(&test, "DROP INDEX u5");
    assert_int_equal(test_int(&test, "SELECT count(*) FROM sqlite_master JOIN old ON name = n AND sql = s"), all);
    test_script(&test, "INSERT INTO t5 VALUES(11, 11, 1), (12, 12, 1); REPLACE INTO t5 VALUES(13, 11, 2)");
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_losses(mirror), losses);
    test_mirror_free(&mirror);
    test_close(&test);
}

static bool is_captured(struct oltp_test *test, const char *name)
{
    const struct capture_catalog *catalog = NULL;
    bool captured = false;
    assert_int_equal(capture_catalog_take(test->oltp, &catalog, NULL), RHEI_OK);
    for (uint32_t i = 0; i < catalog->table_count; i++)
        captured |= strcmp(catalog->tables[i].source.name, name) == 0 && catalog->tables[i].captured;
    capture_catalog_release(&catalog);
    return captured;
}

/*
 * Where the log grows wider, its view is made anew. It was the last row of sqlite_schema, so that the triggers of the table that grew stand before
 * where the schema ended when it was read; they are found there, and the next DDL of the table finds them.
 */
static void test_c6_triggers_before_where_the_schema_ended_are_found(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE p(id INTEGER PRIMARY KEY, a, b, c, d, e, f, g)");
    _Static_assert(CAPTURE_LOG_MIN_COLUMNS == 8, "the log has room for just these");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(test_shell(&test, "ALTER TABLE p ADD COLUMN h DEFAULT 7"), 0);
    test_mirror_check(mirror);
    test_write(&test, "ALTER TABLE p ADD COLUMN i DEFAULT 7");
    test_write(&test, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
    test_write(&test, "CREATE UNIQUE INDEX pb ON p(b)");
    test_script(&test, "INSERT INTO p(id, b) VALUES(1, 1), (2, 2); REPLACE INTO p(id, b) VALUES(3, 2)");
    test_mirror_check(mirror);
    assert_true(is_captured(&test, "p"));
    test_mirror_free(&mirror);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_a_ddl_touches_its_own_table),
        cmocka_unit_test(test_a11_many_ddls_one_after_the_other),
        cmocka_unit_test(test_c7_reasons_outlive_the_schema_that_found_them),
        cmocka_unit_test(test_c4_parents_and_children_come_and_go),
        cmocka_unit_test(test_c6_virtual_tables_come_and_go),
        cmocka_unit_test(test_c6_ddl_in_transactions),
        cmocka_unit_test(test_a11_triggers_that_stay_the_same_stay),
        cmocka_unit_test(test_c6_triggers_before_where_the_schema_ended_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
