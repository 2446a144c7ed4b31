/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the log's order is proven to be that of the changes, no row is looked at (R8 of capture_source_look.c); where the proof may not
 * hold, rows are, and the mirror is right. test_mirror_check compares every cell with the table.
 */
#include "oltp/oltp_test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_source.h"

struct world {
    struct oltp_test test;
    struct test_mirror *mirror;
    uint64_t looked;
};

#define TABLES                                                                           \
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w);"                                      \
    "CREATE TABLE k(a TEXT COLLATE NOCASE, b REAL, v, PRIMARY KEY(a, b)) WITHOUT ROWID;" \
    "INSERT INTO t(id, v) VALUES(1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO k VALUES('x', 1, 0);"

static uint64_t looked(const struct world *world)
{
    return ((const struct capture_source *)world->test.source)->looked;
}

static void world_open(struct world *world)
{
    memset(world, 0, sizeof *world);
    test_open(&world->test);
    world->mirror = test_mirror_new(&world->test);
    test_script(&world->test, TABLES);
    test_mirror_check(world->mirror);
    test_write(&world->test,
               "INSERT INTO t(id) VALUES(100)"); /* the proof begins with the first cycle that takes changes */
    test_mirror_check(world->mirror);
    world->looked = looked(world);
}

static void world_close(struct world *world)
{
    test_mirror_free(&world->mirror);
    test_close(&world->test);
}

/* The mirror is right; was a row looked at for that? */
static bool looks(struct world *world)
{
    test_mirror_check(world->mirror);
    bool any = looked(world) != world->looked;
    world->looked = looked(world);
    return any;
}

static void again_and_again(struct world *world)
{
    test_script(&world->test,
                "UPDATE t SET v = 1 WHERE id = 1; UPDATE t SET v = 2 WHERE id = 1; UPDATE k SET v = v + 1");
}

static void test_c4_changes_of_the_writer_alone_are_believed(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "UPDATE t SET v = 1; UPDATE t SET v = 2; UPDATE t SET v = 3 WHERE id = 2",
        "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES(1, 'back', 1); UPDATE t SET w = 2 WHERE id = 1",
        ("INSERT INTO t VALUES(4, 'x', 1); DELETE FROM t WHERE id = 4; INSERT INTO t VALUES(4, 'y', 1); DELETE FROM t "
         "WHERE "
         "id = 4"),
        "UPDATE t SET id = id + 1000; UPDATE t SET id = id - 999 WHERE id <> 1003",
        "UPDATE k SET a = 'X'; UPDATE k SET a = 'x'; UPDATE k SET b = 2; UPDATE k SET b = 1",
        ("INSERT INTO t VALUES(1, 'up', 1) ON CONFLICT(id) DO UPDATE SET v = excluded.v, w = 5; UPDATE t SET v = 7 "
         "WHERE id = 1"),
        ("WITH RECURSIVE n(i) AS (SELECT 200 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, i, "
         "i "
         "FROM n;"
         "UPDATE t SET v = -v; DELETE FROM t WHERE id % 2 = 0; UPDATE t SET v = v + 1"),
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct world world;
        print_message("%s\n", scripts[i]);
        world_open(&world);
        for (int round = 0; round < 2; round++) {
            rhei_status status = test_try(&world.test, "DELETE FROM t WHERE id > 100", NULL);
            assert_int_equal(status, RHEI_OK);
            test_script(&world.test, scripts[i]);
            assert_false(looks(&world));
        }
        world_close(&world);
    }
}

/* What was rolled back, in part or whole, was never logged. */
static void test_c4_rolled_back_changes_leave_the_order(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct oltp_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char *const steps[] = {"BEGIN",
                                        "UPDATE t SET v = 1 WHERE id = 1",
                                        "SAVEPOINT s",
                                        "UPDATE t SET v = 2",
                                        "DELETE FROM t WHERE id = 2",
                                        "ROLLBACK TO s",
                                        "UPDATE t SET v = 3 WHERE id = 3",
                                        "UPDATE t SET v = 4 WHERE id = 1",
                                        "INSERT OR IGNORE INTO t VALUES(1, 9, 9)",
                                        "COMMIT",
                                        "BEGIN",
                                        "UPDATE t SET v = 'gone'",
                                        "ROLLBACK",
                                        "UPDATE t SET w = 6 WHERE id = 1"};
    assert_int_equal(oltp_session_open(world.test.oltp, &session, &error), RHEI_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        assert_int_equal(oltp_session_run(session, steps[i], strlen(steps[i]), NULL, 0, NULL, NULL, NULL, &error),
                         RHEI_OK);
    oltp_session_close(&session);
    assert_int_not_equal(test_try(&world.test, "INSERT INTO t VALUES(50, 1, 1), (1, 1, 1)", NULL), RHEI_OK);
    again_and_again(&world);
    assert_false(looks(&world));
    world_close(&world);
}

/* Where a user's own trigger may change the row, or REPLACE another, the log says so, and that alone is looked at. */
static void test_c4_triggers_and_replace_are_looked_at(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        ("CREATE TRIGGER b BEFORE UPDATE ON t WHEN NEW.v = 5 BEGIN UPDATE t SET v = 'from before', w = 1 WHERE id = "
         "OLD.id; END;"
         "UPDATE t SET v = 5 WHERE id = 1; UPDATE t SET w = 2 WHERE id = 1; UPDATE t SET v = 5 WHERE id = 2"),
        ("CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET v = 'after' WHERE id = NEW.id; END;"
         "INSERT INTO t VALUES(5, 1, 1); UPDATE t SET w = 3 WHERE id = 5"),
        ("CREATE UNIQUE INDEX tv ON t(v); INSERT OR REPLACE INTO t VALUES(7, 'a', 0); UPDATE t SET w = 1 WHERE id = 7;"
         "UPDATE OR REPLACE t SET v = 'b' WHERE id = 7; UPDATE t SET w = 2 WHERE id = 7; INSERT INTO t VALUES(1, "
         "'new', "
         "1)"),
        ("CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES k2(id) ON DELETE SET NULL ON UPDATE CASCADE);"
         "CREATE TABLE k2(id INTEGER PRIMARY KEY); INSERT INTO k2 VALUES(1), (2); INSERT INTO c VALUES(1, 1), (2, 2);"
         "UPDATE k2 SET id = id + 10; DELETE FROM k2 WHERE id = 11; UPDATE c SET p = 12"),
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct world world;
        world_open(&world);
        test_write(&world.test, "PRAGMA foreign_keys = ON");
        test_script(&world.test, scripts[i]);
        test_mirror_check(world.mirror);
        test_script(&world.test, "UPDATE t SET v = 'q' || id, w = 0; UPDATE t SET w = w + 1");
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

/* ---- Commits of others. ------------------------------------------------------------------------------------------ */

#define AGAINST \
    "CREATE TEMP TRIGGER z AFTER UPDATE ON t WHEN NEW.v < 9 BEGIN UPDATE t SET v = v + 1 WHERE id = NEW.id; END;"

/* Whatever comes between ours, before or after them, in one commit or several. */
static void test_c4_a_foreign_commit_between_ours_is_looked_at(void **state)
{
    (void)state;
    for (int order = 0; order < 8; order++) {
        struct world world;
        world_open(&world);
        for (int i = 0; i < 3; i++)
            if ((order >> i & 1) != 0)
                assert_int_equal(test_shell(&world.test, AGAINST "UPDATE t SET v = 1;"), 0);
            else
                test_script(&world.test, "UPDATE t SET v = 20; UPDATE t SET v = 3");
        assert_int_equal(looks(&world), order != 0);
        again_and_again(&world);
        assert_false(looks(&world)); /* the proof begins behind theirs */
        world_close(&world);
    }
}

static void test_c4_a_second_handle_is_another_program(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct oltp_test other = world.test;
    other.oltp = NULL;
    test_reopen(&other);
    test_write(&other,
               "CREATE TEMP TRIGGER z AFTER UPDATE ON t WHEN NEW.v < 9 BEGIN UPDATE t SET v = v + 1 WHERE id = NEW.id; "
               "END");
    test_write(&other, "UPDATE t SET v = 1");
    test_write(&world.test, "UPDATE t SET w = 1");
    assert_true(looks(&world));
    test_write(&world.test, "UPDATE t SET w = 2");
    test_write(&other, "UPDATE t SET v = 1");
    assert_true(looks(&world));
    test_shut(&other);
    world_close(&world);
}

/* A foreign commit while a cycle that comes to nothing is under way is still one of others'. */
static void test_c4_a_cycle_without_an_end_proves_nothing(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct change_source *source = world.test.source;
    struct change_cycle cycle;
    int64_t at = test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log");
    assert_int_equal(test_shell(&world.test, AGAINST "UPDATE t SET v = 1;"), 0);
    assert_int_equal(source->ops->begin(source, at, &cycle, NULL, NULL), RHEI_OK);
    source->ops->end(source);
    test_script(&world.test, "UPDATE t SET w = 4");
    assert_true(looks(&world)); /* it reads on from before theirs */
    world_close(&world);
}

/* ---- Others' code on our own writer. ----------------------------------------------------------------------------- */

static void test_c4_a_temp_trigger_of_ours_ends_the_proof(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "CREATE TEMP TRIGGER %s",
        "create temporary trigger if not exists %s",
        "CREATE TRIGGER temp.%s",
        "CREATE TRIGGER \"temp\".%s",
        "CREATE TRIGGER [TEMP] . %s",
        "CREATE TRIGGER 'temp'.%s",
        "CREATE TRIGGER `temp`/**/.%s",
        " ; /* x */ ;; CREATE -- y\n TEMP/**/TRIGGER %s",
        "CREATE /* a */ TRIGGER /* b */ IF NOT EXISTS temp . %s",
    };
    for (size_t i = 0; i < 3 * sizeof forms / sizeof *forms; i++) {
        struct world world;
        char sql[400], head[200];
        world_open(&world);
        again_and_again(&world);
        assert_false(looks(&world));
        snprintf(head, sizeof head, forms[i / 3], "z");
        snprintf(sql, sizeof sql,
                 "%s AFTER UPDATE ON main.t WHEN NEW.v < 9 BEGIN UPDATE t SET v = v + 1 WHERE id = NEW.id; END", head);
        if (i % 3 == 0) {
            test_write(&world.test, sql);
        } else if (i % 3 == 1) {
            test_script(&world.test, sql);
        } else {
            struct oltp_session *session = NULL;
            assert_int_equal(oltp_session_open(world.test.oltp, &session, NULL), RHEI_OK);
            assert_int_equal(oltp_session_run(session, "BEGIN", 5, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
            assert_int_equal(oltp_session_run(session, sql, strlen(sql), NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
            assert_int_equal(oltp_session_run(session, "COMMIT", 6, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
            oltp_session_close(&session);
        }
        test_write(&world.test, "UPDATE t SET v = 1");
        assert_true(looks(&world));
        test_write(&world.test, "DROP TRIGGER temp.z");
        again_and_again(&world);
        assert_true(looks(&world)); /* for as long as the handle lives */
        world_close(&world);
    }
}

/* Who has the connection may do anything with it, then and later. */
static void test_c4_a_hand_on_the_connection_ends_the_proof(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    sqlite3 *db = oltp_native_lock(world.test.oltp);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TEMP TRIGGER z AFTER UPDATE ON t WHEN NEW.v < 9 BEGIN UPDATE t SET v = v + 1 "
                                  "WHERE id = NEW.id; END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    oltp_native_unlock(world.test.oltp);
    test_write(&world.test, "UPDATE t SET v = 1");
    assert_true(looks(&world));
    world_close(&world);
}

/* Changes the row that a statement has just changed, before our trigger logs that. */
static void meddle(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    char sql[100];
    snprintf(sql, sizeof sql, "UPDATE t SET v = 'meddled' WHERE id = %lld AND v IS NOT 'meddled'",
             (long long)sqlite3_value_int64(values[0]));
    int rc = sqlite3_exec(sqlite3_context_db_handle(context), sql, NULL, NULL, NULL);
    sqlite3_result_int(context, rc);
}

static void test_c4_functions_that_write_are_looked_at(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "UPDATE t SET v = 1 WHERE id = 1 RETURNING id, meddle(id)",
        "INSERT INTO t VALUES(9, 'x', 1) RETURNING (meddle(id))",
        ("INSERT INTO t VALUES(1, 'x', 1) ON CONFLICT(id) DO UPDATE SET v = 'y' RETURNING id AS \"RETURNING\", (SELECT "
         "meddle(id))"),
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct world world;
        world_open(&world);
        /* as an extension of SQLite would do it, which every connection has */
        assert_int_equal(oltp_writer_acquire(world.test.oltp, 0, NULL), RHEI_OK);
        assert_int_equal(
            sqlite3_create_function(world.test.oltp->writer->db, "meddle", 1, SQLITE_UTF8, NULL, meddle, NULL, NULL),
            SQLITE_OK);
        oltp_writer_release(world.test.oltp);
        struct oltp_session *session = NULL;
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(oltp_session_open(world.test.oltp, &session, NULL), RHEI_OK);
        assert_int_equal(oltp_session_run(session, "BEGIN", 5, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
        assert_int_equal(
            oltp_session_run(session, statements[i], strlen(statements[i]), NULL, 0, NULL, NULL, NULL, &error),
            RHEI_OK);
        assert_int_equal(oltp_session_run(session, "COMMIT", 6, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
        oltp_session_close(&session);
        assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t WHERE v = 'meddled'"), 1);
        assert_true(looks(&world));
        world_close(&world);
    }
    /* before the change they do no harm, nor does RETURNING that calls nothing */
    struct world world;
    world_open(&world);
    assert_int_equal(oltp_writer_acquire(world.test.oltp, 0, NULL), RHEI_OK);
    assert_int_equal(
        sqlite3_create_function(world.test.oltp->writer->db, "meddle", 1, SQLITE_UTF8, NULL, meddle, NULL, NULL),
        SQLITE_OK);
    oltp_writer_release(world.test.oltp);
    test_write(&world.test, "UPDATE t SET v = meddle(id) WHERE id IN (1, 2)");
    test_write(&world.test, "UPDATE t SET w = 2 WHERE id = 2 AND meddle(id) = 0");
    test_write(&world.test, "UPDATE t SET w = 3 WHERE id = 2 RETURNING id, w");
    assert_false(looks(&world));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c4_changes_of_the_writer_alone_are_believed),
        cmocka_unit_test(test_c4_rolled_back_changes_leave_the_order),
        cmocka_unit_test(test_c4_triggers_and_replace_are_looked_at),
        cmocka_unit_test(test_c4_a_foreign_commit_between_ours_is_looked_at),
        cmocka_unit_test(test_c4_a_second_handle_is_another_program),
        cmocka_unit_test(test_c4_a_cycle_without_an_end_proves_nothing),
        cmocka_unit_test(test_c4_a_temp_trigger_of_ours_ends_the_proof),
        cmocka_unit_test(test_c4_a_hand_on_the_connection_ends_the_proof),
        cmocka_unit_test(test_c4_functions_that_write_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
