/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp/oltp_test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "capture/capture_bridge.h"
#include "oltp/oltp_alive.h"

static uint64_t prune(struct oltp_test *test, int64_t position)
{
    uint64_t pruned = 0;
    assert_int_equal(test->source->ops->prune(test->source, position, &pruned, NULL), RHEI_OK);
    return pruned;
}

static int64_t begin(struct oltp_test *test, int64_t after, bool *lost)
{
    struct change_cycle cycle;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (test->source->ops->begin(test->source, after, &cycle, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    test->source->ops->end(test->source);
    if (lost != NULL)
        *lost = cycle.lost;
    return cycle.position;
}

static void test_a7_pruned_log_goes_on_counting(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    test_mirror_check(mirror);
    test_script(&test, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) INSERT INTO t "
                       "SELECT i FROM n");
    test_mirror_check(mirror);
    assert_int_equal(begin(&test, 25000, NULL), 25000);
    assert_int_equal(prune(&test, 25000), 24999); /* the newest row stays */
    assert_int_equal(test_int(&test, "SELECT count(*) FROM _rhei_cdc_log"), 1);
    assert_int_equal(prune(&test, 25000), 0);
    test_write(&test, "INSERT INTO t VALUES(30000)");
    assert_int_equal(test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log"), 25001);
    test_reopen(&test);
    test_write(&test, "INSERT INTO t VALUES(30001)");
    assert_int_equal(test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log"), 25002);
    test_mirror_check(mirror);
    assert_false(test_mirror_was_lost(mirror));
    bool lost = false;
    begin(&test, 100, &lost); /* somebody who was behind */
    assert_true(lost);
    begin(&test, 99999, &lost); /* somebody who is ahead of this file */
    assert_true(lost);
    begin(&test, 25002, &lost);
    assert_false(lost);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* Much goes at once, by emptying the log: what stays is as it was, whatever it holds, and is read on from. */
static void test_a7_what_stays_in_an_emptied_log_is_as_it_was(void **state)
{
    (void)state;
    static const char ROWS[] = "SELECT * FROM _rhei_cdc_log WHERE seq >= 3000 ORDER BY seq";
    static const char *const LATER[] = {
        ("INSERT INTO t VALUES(9001, 'x'), (9002, 2.5), (9003, NULL), (9004, x'00ff'), (9005, -0.0), (9006, 1 << 62), "
         "(9007, '')"),
        "INSERT INTO t VALUES(9001, printf('%.*c', 40000, 'y')), (9002, zeroblob(70000)); DELETE FROM t WHERE id = 3",
        "INSERT INTO t SELECT id + 10000, v FROM t WHERE id <= 90",
        "INSERT INTO t SELECT id + 10000, v FROM t WHERE id <= 150", /* more than a few, and still far less than what goes */
        "INSERT INTO t SELECT id + 10000, v FROM t WHERE id <= 600",
        "INSERT INTO t VALUES(9001, zeroblob(700000)), (9002, zeroblob(700000)), (9003, 1)",
        "UPDATE t SET v = 1 WHERE id = 2999",
    };
    for (size_t i = 0; i < sizeof LATER / sizeof *LATER; i++) {
        struct oltp_test test;
        test_open(&test);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
        test_mirror_check(mirror);
        test_script(&test,
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t "
                    "SELECT i, 'value ' || i FROM n");
        test_mirror_check(mirror);
        begin(&test, 3000, NULL);
        test_script(&test, LATER[i]);
        char *before = test_rows(&test, ROWS);
        assert_int_equal(prune(&test, 3000), 2999);
        assert_int_equal(test_int(&test, "SELECT min(seq) FROM _rhei_cdc_log"), 3000);
        test_expect(&test, ROWS, before);
        base_free(before);
        test_expect(&test, "PRAGMA integrity_check", "'ok'\n");
        test_mirror_check(mirror);
        test_write(&test, "INSERT INTO t VALUES(20001, 'later')");
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_loads(mirror), 1);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

static uint64_t read_aside(struct change_source *source, int64_t after)
{
    struct change_cycle cycle;
    const struct change_batch *batches = NULL;
    size_t count = 0;
    uint64_t rows = 0;
    assert_int_equal(source->ops->begin(source, after, &cycle, NULL, NULL), RHEI_OK);
    do {
        assert_int_equal(source->ops->next(source, 512, &batches, &count, NULL), RHEI_OK);
        for (size_t i = 0; i < count; i++)
            rows += batches[i].row_count;
    } while (count > 0);
    source->ops->end(source);
    return rows;
}

/* Who moves the log elsewhere empties it by what it read itself: there needn't be a mirror that follows. */
static void test_a7_a_log_that_is_moved_away_is_emptied(void **state)
{
    (void)state;
    static const char ROWS[] = "SELECT * FROM _rhei_cdc_log WHERE seq >= 20000 ORDER BY seq";
    struct oltp_test test;
    struct change_source *bridge = NULL;
    uint64_t pruned = 0;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    assert_int_equal(capture_bridge_source(test.oltp, &bridge, NULL), RHEI_OK);
    bridge->ops->keep_versions(bridge);
    assert_int_equal(read_aside(bridge, 0), 0);
    test_script(&test, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t "
                       "SELECT i, 'value ' || i FROM n");
    assert_int_equal(read_aside(bridge, 0), 20000);
    test_script(&test, "INSERT INTO t SELECT id + 100000, v FROM t WHERE id <= 1200");
    char *before = test_rows(&test, ROWS);
    assert_int_equal(capture_bridge_durable(test.oltp, 20000, 0, NULL), RHEI_OK);
    test_expect(&test, "SELECT position FROM _rhei_consumers", "20000\n");
    assert_int_equal(bridge->ops->prune(bridge, 20000, &pruned, NULL), RHEI_OK);
    assert_int_equal(pruned, 19999);
    test_expect(&test, ROWS, before);
    base_free(before);
    test_expect(&test, "PRAGMA integrity_check", "'ok'\n");
    assert_int_equal(read_aside(bridge, 20000), 1200);
    bridge->ops->close(&bridge);
    test_close(&test);
}

/* B3: what a live consumer of the buffer has still to read from before that began stays in the log, whoever takes rows out of it. */
static void test_a8_the_bridge_holds_what_was_there_before_its_buffer(void **state)
{
    (void)state;
    static const char PLACE[] = "SELECT position FROM _rhei_consumers WHERE name = '_rhei_buffer'";
    static const char READER[] = "INSERT OR REPLACE INTO _rhei_consumers VALUES('c', 5, "
                                 "unixepoch() * 1000 - 3600000, -%d)";
    char sql[200];
    struct oltp_test test;
    uint64_t pruned = 0;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_script(&test, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t "
                       "SELECT i, 'value ' || i FROM n");
    assert_int_equal(capture_bridge_durable(test.oltp, 90, INT64_MAX, NULL), RHEI_OK);
    test_expect(&test, PLACE, "90\n");
    snprintf(sql, sizeof sql, READER, 1000); /* it was last seen an hour ago, and wanted a second */
    assert_int_equal(test_shell(&test, sql), 0);
    assert_int_equal(capture_bridge_durable(test.oltp, 95, 80, NULL), RHEI_OK);
    test_expect(&test, PLACE, "95\n");
    snprintf(sql, sizeof sql, READER, 36000000);
    assert_int_equal(test_shell(&test, sql), 0);
    assert_int_equal(capture_bridge_durable(test.oltp, 95, 80, NULL), RHEI_OK);
    test_expect(&test, PLACE, "5\n");
    assert_int_equal(test.source->ops->prune(test.source, 100, &pruned, NULL), RHEI_OK); /* as any engine's */
    test_expect(&test, "SELECT min(seq) FROM _rhei_cdc_log", "5\n");
    assert_int_equal(capture_bridge_durable(test.oltp, 95, 5, NULL), RHEI_OK); /* the buffer has all behind 5 */
    test_expect(&test, PLACE, "95\n");
    assert_int_equal(test.source->ops->prune(test.source, 100, &pruned, NULL), RHEI_OK);
    test_expect(&test, "SELECT min(seq) FROM _rhei_cdc_log", "95\n");
    test_close(&test);
}

/* A position beyond the log is one of another state of the file: its newest row stays, or the numbers would start again. */
static void test_a7_pruning_beyond_the_end_leaves_the_newest_row(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1), (2), (3)");
    assert_int_equal(prune(&test, 1000000), 2);
    test_expect(&test, "SELECT seq FROM _rhei_cdc_log", "3\n");
    assert_int_equal(prune(&test, 1000000), 0);
    test_write(&test, "INSERT INTO t VALUES(4)");
    test_expect(&test, "SELECT seq FROM _rhei_cdc_log", "3\n4\n");
    test_close(&test);
}

static void test_a8_two_engines_leave_each_other_their_changes(void **state)
{
    (void)state;
    struct oltp_test first, second;
    test_open(&first);
    second = first;
    second.oltp = NULL;
    test_reopen(&second);
    struct test_mirror *a = test_mirror_new(&first), *b = test_mirror_new(&second);
    test_write(&first, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_mirror_check(a);
    test_mirror_check(b);
    test_script(&first, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3)");
    test_write(&second, "UPDATE t SET v = 5 WHERE id = 2");
    test_mirror_check(a);
    begin(&first, 4, NULL);
    assert_int_equal(prune(&first, 4), 0); /* the second has applied nothing yet */
    test_mirror_check(b);
    assert_int_equal(test_mirror_loads(b), 1);
    begin(&second, 4, NULL);
    assert_int_equal(prune(&second, 4), 3);
    test_write(&second, "ALTER TABLE t ADD COLUMN w DEFAULT 9");
    test_write(&first, "INSERT INTO t VALUES(4, 4, 4)");
    test_mirror_check(a);
    test_mirror_check(b);
    assert_int_equal(test_mirror_id(a, "t"), test_mirror_id(b, "t"));
    /* one that wasn't seen for long is dead */
    test_write(&first, "INSERT INTO t VALUES(5, 4, 4)");
    test_mirror_check(a);
    test_write(&first, "UPDATE _rhei_engines SET seen_ms = 0");
    int64_t last = begin(&first, 6, NULL);
    assert_true(prune(&first, last) > 0);
    test_mirror_cycle(b);
    test_mirror_check(b); /* it rebuilt */
    test_mirror_free(&a);
    test_mirror_free(&b);
    test_shut(&second);
    test_close(&first);
}

/* What it left in the file, because it was killed or couldn't have the writer when it closed, is passed over at once. */
static void test_a8_an_engine_that_is_gone_holds_nothing(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    char sql[200];
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_mirror_check(mirror);
    int64_t number = oltp_alive_new();
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO _rhei_engines SELECT %lld, 0, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        (long long)number);
    test_write(&test, sql);
    test_script(&test, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3)");
    test_mirror_check(mirror);
    begin(&test, 3, NULL);
    assert_int_equal(prune(&test, 3), 0); /* it is alive */
    oltp_alive_drop(number);
    begin(&test, 3, NULL);
    assert_int_equal(prune(&test, 3), 2);
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_loads(mirror), 1);
    test_mirror_free(&mirror);
    test_shut(&test);
    if (capture_detach(test.path, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    test_close(&test);
}

static void test_q1_the_token_moves_with_every_commit(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    struct change_cycle cycle;
    uint64_t token = 0;
    int64_t position = 0;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(test.source->ops->begin(test.source, position, &cycle, &token, NULL), RHEI_OK);
        position = cycle.position;
        test.source->ops->end(test.source);
        assert_false(test.source->ops->may_have_changes(test.source, token));
        if (i % 2 == 0) {
            test_write(&test, "INSERT INTO t VALUES(1)");
        } else {
            assert_int_equal(test_shell(&test, i % 4 == 1 ? "INSERT INTO t VALUES(2); PRAGMA wal_checkpoint(TRUNCATE)"
                                                          : "INSERT INTO t VALUES(2)"),
                             0);
        }
        assert_true(test.source->ops->may_have_changes(test.source, token));
    }
    assert_int_equal(position, 19);
    test_close(&test);
}

static uint64_t token_of(struct oltp_test *test, int64_t *position)
{
    struct change_cycle cycle;
    uint64_t token = 0;
    assert_int_equal(test->source->ops->begin(test->source, *position, &cycle, &token, NULL), RHEI_OK);
    *position = cycle.position;
    test->source->ops->end(test->source);
    return token;
}

static void test_q1_our_own_upkeep_is_no_change_and_hides_none(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    int64_t position = 0;
    for (int i = 0; i < 12; i++) {
        test_write(&test, "INSERT INTO t VALUES(1), (2), (3)");
        uint64_t token = token_of(&test, &position);
        if (i % 3 == 1) /* before the rows go */
            assert_int_equal(test_shell(&test, "INSERT INTO t VALUES(4)"), 0);
        assert_true(prune(&test, position) > 0);
        assert_int_equal(test.source->ops->may_have_changes(test.source, token), i % 3 == 1);
        assert_int_equal(prune(&test, position), 0);
        assert_int_equal(test.source->ops->may_have_changes(test.source, token), i % 3 == 1);
        if (i % 3 == 2) { /* after */
            assert_int_equal(test_shell(&test, "INSERT INTO t VALUES(5)"), 0);
            assert_true(test.source->ops->may_have_changes(test.source, token));
        }
        /* a state that is older than the one before the upkeep isn't the newest */
        assert_true(test.source->ops->may_have_changes(test.source, token - 1));
    }
    test_close(&test);
}

static void test_a_cursor_knows_its_position(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2), (3)");
    struct oltp_cursor *cursor = NULL;
    assert_int_equal(oltp_read(test.oltp, "SELECT a FROM t", 15, NULL, 0, NULL, true, &cursor, NULL), RHEI_OK);
    test_write(&test, "DELETE FROM t");
    assert_int_equal(test_shell(&test, "INSERT INTO t VALUES(9)"), 0);
    int rows = 0;
    assert_int_equal(oltp_cursor_next(cursor, NULL), RHEI_ROW);
    assert_int_equal(oltp_cursor_position(cursor), 3);
    do {
        rows++;
    } while (oltp_cursor_next(cursor, NULL) == RHEI_ROW);
    assert_int_equal(rows, 3);
    oltp_cursor_close(&cursor);
    assert_int_equal(oltp_read(test.oltp, "SELECT a FROM t", 15, NULL, 0, NULL, true, &cursor, NULL), RHEI_OK);
    assert_int_equal(oltp_cursor_position(cursor), 7);
    oltp_cursor_close(&cursor);
    test_close(&test);
}

/* ---- C6: nobody waits and nobody is unseen while triggers are made. ---- */

struct remaking {
    struct oltp_test *test;
    atomic_bool stop;
    int writes, failures;
};

static void write_on(void *argument)
{
    struct remaking *remaking = argument;
    /* few keys: however fast this thread is, what the test compares in the end stays small */
    while (!atomic_load(&remaking->stop)) {
        char sql[120];
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, 1) ON CONFLICT DO UPDATE SET a = a + 1",
                 100000 + remaking->writes % 500);
        if (test_try(remaking->test, sql, NULL) == RHEI_OK)
            remaking->writes++;
        else
            remaking->failures++;
    }
}

static void test_c6_writers_go_on_while_triggers_are_remade(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    test_mirror_check(mirror);
    struct remaking remaking = {.test = &test};
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "writer", write_on, &remaking, NULL), RHEI_OK);
    pid_t shell = fork();
    if (shell == 0) {
        execlp("sqlite3", "sqlite3", "-cmd", ".timeout 60000", test.path,
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t(a) SELECT i "
               "FROM n;"
               "UPDATE t SET a = -a WHERE a > 1; DELETE FROM t WHERE id % 3 = 0;",
               (char *)NULL);
        _exit(1);
    }
    for (int i = 0; i < 10; i++) {
        test_write(&test, "CREATE UNIQUE INDEX i ON t(id, a)");
        test_write(&test, "DROP INDEX i");
        assert_int_equal(capture_release_table(test.oltp, "t", NULL, NULL), RHEI_OK);
        assert_int_equal(capture_register_table(test.oltp, "t", NULL, NULL), RHEI_OK);
        test_mirror_cycle(mirror);
    }
    int status;
    waitpid(shell, &status, 0);
    atomic_store(&remaking.stop, true);
    base_thread_join(&thread);
    assert_int_equal(status, 0);
    assert_int_equal(remaking.failures, 0);
    assert_true(remaking.writes > 10);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_log_limit_drops_the_oldest(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_shut(&test);
    struct oltp_config config;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_default_config(&test, &config);
    config.log_limit_rows = 1000;
    assert_int_equal(capture_open(&config, &test.oltp, &error), RHEI_OK);
    assert_int_equal(capture_change_source(test.oltp, &test.source, NULL), RHEI_OK);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    test_script(
        &test,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n");
    int64_t limit = base_now_ns() + 60000000000;
    while (test_int(&test, "SELECT count(*) FROM _rhei_cdc_log") > 1000 && base_now_ns() < limit) {
    }
    assert_true(test_int(&test, "SELECT count(*) FROM _rhei_cdc_log") <= 1000);
    assert_int_equal(test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log"), 5000);
    bool lost = false;
    begin(&test, 0, &lost);
    assert_true(lost);
    test_close(&test);
}

static void test_events_view_shows_exact_rows(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, r REAL, x)");
    test_write(&test, "INSERT INTO t VALUES(1, 0.1 + 0.2, x'00ff'), (2, NULL, 'a\"b')");
    test_write(&test, "DELETE FROM t WHERE id = 1");
    test_expect(&test, "SELECT seq, op, \"table\", \"row\" FROM _rhei_cdc_events",
                "1|'I'|'t'|'[1,0.30000000000000004,{\"b\":\"00FF\"}]'\n2|'I'|'t'|'[2,null,\"a\\\"b\"]'\n3|'D'|'t'|'[1,"
                "null,null]'\n");
    assert_int_equal(test_shell(&test, "SELECT \"row\" FROM _rhei_cdc_events WHERE seq = 0"), 0);
    test_close(&test);
}

/* ---- Facts, plans, SQLite's own functions. ---- */

static void test_facts_and_plans(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL); CREATE VIEW v AS SELECT a, b FROM t;"
                       "INSERT INTO t VALUES(1, 'x', 2)");
    struct oltp_facts facts;
    static const char sql[] = "SELECT a, count(*) AS n FROM v WHERE b > ?1 GROUP BY a; -- end";
    assert_int_equal(oltp_describe(test.oltp, sql, sizeof sql - 1, &facts, NULL), RHEI_OK);
    assert_int_equal(facts.kind, OLTP_SELECT);
    assert_true(facts.read_only && facts.returns_rows && !facts.has_tail && !facts.is_ddl);
    assert_int_equal(facts.parameter_count, 1);
    assert_int_equal(facts.column_count, 2);
    assert_string_equal(facts.column_names[1], "n");
    assert_string_equal(facts.column_types[0], "TEXT");
    int seen = 0;
    for (uint32_t i = 0; i < facts.reference_count; i++) {
        seen |= strcmp(facts.references[i].table, "t") == 0 && strcmp(facts.references[i].column, "a") == 0 ? 1 : 0;
        seen |= strcmp(facts.references[i].table, "t") == 0 && strcmp(facts.references[i].column, "b") == 0 ? 2 : 0;
    }
    assert_int_equal(seen, 3);
    oltp_facts_reset(&facts);
    assert_int_equal(oltp_describe(test.oltp, "INSERT INTO t(a) VALUES(1) RETURNING id; SELECT 1", 49, &facts, NULL),
                     RHEI_OK);
    assert_true(facts.kind == OLTP_WRITE && !facts.read_only && facts.has_tail && facts.returns_rows);
    oltp_facts_reset(&facts);
    assert_int_equal(oltp_describe(test.oltp, " /* nothing */ ;", 16, &facts, NULL), RHEI_OK);
    assert_int_equal(facts.kind, OLTP_EMPTY);
    oltp_facts_reset(&facts);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_describe(test.oltp, "SELECT nosuch FROM t", 20, &facts, &error), RHEI_SQL);
    assert_int_equal(error.sql_offset, 7);

    struct oltp_plan plan;
    assert_int_equal(oltp_explain(test.oltp, "SELECT * FROM t WHERE id = 5", 28, &plan, NULL), RHEI_OK);
    assert_int_equal(plan.searches, 1);
    assert_int_equal(plan.scans, 0);
    assert_non_null(strstr(plan.text, "(rowid=?)"));
    assert_null(strchr(plan.text, '\n')); /* between lines only */
    base_free(plan.text);
    assert_int_equal(oltp_explain(test.oltp, "SELECT sum(b) FROM t GROUP BY a", 31, &plan, NULL), RHEI_OK);
    assert_int_equal(plan.scans, 1);
    assert_int_equal(plan.temp_sorts, 1);
    const char *between = strchr(plan.text, '\n');
    assert_non_null(between);
    assert_true(between[1] != '\0' && strchr(between + 1, '\n') == NULL);
    base_free(plan.text);
    test_close(&test);
}

static const struct executor_helper *helper(const char *name)
{
    const struct executor_helpers *helpers = oltp_helpers();
    for (uint32_t i = 0; i < helpers->count; i++)
        if (strcmp(helpers->list[i].name, name) == 0)
            return &helpers->list[i];
    fail_msg("%s isn't in the list", name);
    return NULL;
}

static void test_functions_are_sqlites_own(void **state)
{
    (void)state;
    const struct executor_helper *real_text = helper("rhei_real_text"), *round = helper("rhei_round"),
                                 *like = helper("rhei_like"), *glob = helper("rhei_glob");
    struct oltp_test test;
    test_open_memory(&test);
    uint64_t seed = base_random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = seed += 0x9e3779b97f4a7c15u;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
        bits ^= bits >> 27;
        double real;
        memcpy(&real, &bits, sizeof real);
        if (i % 2 == 0 || isnan(real))
            real = (double)(int64_t)bits / ((double)((bits >> 8) % 100000) + 1) / (i % 4 == 0 ? 1e9 : 1e13);
        struct rhei_value params[2] = {{.as.real = real, .type = RHEI_REAL},
                                       {.as.integer = (int64_t)(bits % 12), .type = RHEI_INTEGER}};
        struct rhei_value value;
        struct oltp_cursor *cursor = NULL;
        static const char sql[] = "SELECT CAST(?1 AS TEXT), round(?1, ?2)";
        assert_int_equal(oltp_read(test.oltp, sql, sizeof sql - 1, params, 2, NULL, true, &cursor, NULL), RHEI_OK);
        assert_int_equal(oltp_cursor_next(cursor, NULL), RHEI_ROW);
        oltp_cursor_value(cursor, 0, &value);
        char text[40];
        uint32_t len = real_text->as.real_text(real, text);
        if (len != value.length || memcmp(text, value.as.bytes, len) != 0)
            fail_msg("%.17g: '%s' is not SQLite's '%.*s'", real, text, (int)value.length, (const char *)value.as.bytes);
        oltp_cursor_value(cursor, 1, &value);
        double rounded = round->as.real_real(real, params[1].as.integer);
        if (memcmp(&rounded, &value.as.real, sizeof rounded) != 0) {
            fail_msg("round(%.17g, %lld): %.17g is not SQLite's %.17g", real, (long long)params[1].as.integer, rounded,
                     value.as.real);
        }
        oltp_cursor_close(&cursor);
    }
    assert_true(like->as.texts_truth("A%c", "abC", 0));
    assert_false(like->as.texts_truth("A!%c", "abC", '!'));
    assert_true(glob->as.texts_truth("a*[b-d]", "axxc", 0));
    assert_false(glob->as.texts_truth("A*", "a", 0));
    test_close(&test);
}

static void test_sums_depend_on_no_order(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open_memory(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, r, i); INSERT INTO t VALUES(1, 1e16, "
                       "9223372036854775807), (2, 1.0, 1), (3, -1e16, -5),"
                       " (4, 1.0, NULL)");
    test_expect(&test, "SELECT sum(r) = 2.0, avg(r) = 0.5, total(r) = 2.0 FROM (SELECT r FROM t ORDER BY id)",
                "1|1|1\n");
    test_expect(&test, "SELECT sum(r) = 2.0 FROM (SELECT r FROM t ORDER BY id DESC)", "1\n");
    test_expect(&test, "SELECT sum(i) FROM t", "9223372036854775803\n");
    test_expect(&test, "SELECT typeof(sum(i)), typeof(total(i)), sum(i) FROM t WHERE id = 4", "'null'|'real'|NULL\n");
    test_expect(&test,
                "SELECT sum(r) OVER (ORDER BY id ROWS 1 PRECEDING) = CASE id WHEN 1 THEN 1e16 WHEN 2 THEN 1e16 WHEN 3 "
                "THEN 1 - 1e16 ELSE 1 - 1e16 END FROM t",
                "1\n1\n1\n1\n");
    test_expect(&test, "SELECT sum('12'), sum('1.5'), sum('x'), sum(DISTINCT i) FROM t WHERE id = 2",
                "12|1.5/3ff8000000000000|0/0000000000000000|1\n");
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(
        oltp_read(test.oltp, "SELECT sum(i) FROM t WHERE id < 3", 33, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "integer overflow"));
    test_close(&test);
}

static uint8_t class_of(struct oltp_test *test, const char *sql)
{
    struct oltp_cursor *cursor = NULL;
    assert_int_equal(oltp_read(test->oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, NULL), RHEI_OK);
    uint8_t class = oltp_cursor_column_class(cursor, 0);
    oltp_cursor_close(&cursor);
    return class;
}

static void test_column_classes_are_sure(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT); CREATE TABLE s(r REAL, x ANY, b BLOB) STRICT;"
                       "CREATE VIEW v AS SELECT id FROM t UNION ALL SELECT a FROM t");
    assert_int_equal(class_of(&test, "SELECT id FROM t"), RHEI_INTEGER);
    assert_int_equal(class_of(&test, "SELECT a FROM t"), RHEI_NULL);
    assert_int_equal(class_of(&test, "SELECT r FROM s"), RHEI_REAL);
    assert_int_equal(class_of(&test, "SELECT b FROM s"), RHEI_BLOB);
    assert_int_equal(class_of(&test, "SELECT x FROM s"), RHEI_NULL);
    assert_int_equal(class_of(&test, "SELECT id FROM t UNION ALL SELECT a FROM t"), RHEI_NULL);
    assert_int_equal(class_of(&test, "SELECT id FROM (SELECT id FROM t union SELECT 'x')"), RHEI_NULL);
    assert_int_equal(class_of(&test, "SELECT id FROM \"V\""), RHEI_NULL);
    test_close(&test);
}

static rhei_status stop_now(void *context)
{
    int *calls = context;
    return ++*calls > 3 ? RHEI_TIMEOUT : RHEI_OK;
}

static void test_q5_a_read_can_be_stopped(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    int calls = 0;
    struct oltp_stop stop = {.check = stop_now, .context = &calls};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    static const char sql[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_int_equal(oltp_read(test.oltp, sql, sizeof sql - 1, NULL, 0, &stop, true, &cursor, &error), RHEI_TIMEOUT);
    assert_int_equal(calls, 4);
    test_expect(&test, "SELECT 1", "1\n");
    test_close(&test);
}

static void test_a_cached_star_follows_the_schema(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    test_expect(&test, "SELECT * FROM t", "1\n");
    assert_int_equal(test_shell(&test, "ALTER TABLE t ADD COLUMN b DEFAULT 2"), 0);
    test_expect(&test, "SELECT * FROM t", "1|2\n");
    test_close(&test);
}

/* Big rows come few at a time, however many one cycle has: what they take meanwhile is bounded. */
static void test_a11_big_rows_come_a_few_at_a_time(void **state)
{
    enum { ROWS = 100, BYTES = 64 * 1024 };
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    const struct source_table *tables = NULL;
    const struct change_batch *batches = NULL;
    struct change_cycle cycle;
    size_t count = 0, rows = 0;
    const struct change_source_ops *ops = test.source->ops;
    assert_int_equal(ops->begin(test.source, 0, &cycle, NULL, NULL), RHEI_OK);
    assert_int_equal(ops->tables(test.source, &tables, &count, NULL), RHEI_OK);
    ops->end(test.source);
    test_write(&test, "INSERT INTO t VALUES(0, 'x')");
    test_write(&test, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) INSERT INTO t "
                      "SELECT i, hex(zeroblob(32768)) FROM n");
    assert_int_equal(ops->begin(test.source, 0, &cycle, NULL, NULL), RHEI_OK);
    do {
        size_t bytes = 0;
        assert_int_equal(ops->next(test.source, 65536, &batches, &count, NULL), RHEI_OK);
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < batches[i].row_count; k++)
                bytes += batches[i].columns[1][k].length;
            rows += batches[i].row_count;
        }
        assert_true(bytes <= 8 * BYTES + BYTES);
    } while (count > 0);
    ops->end(test.source);
    assert_int_equal(rows, ROWS);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a7_pruned_log_goes_on_counting),
        cmocka_unit_test(test_a7_what_stays_in_an_emptied_log_is_as_it_was),
        cmocka_unit_test(test_a7_a_log_that_is_moved_away_is_emptied),
        cmocka_unit_test(test_a8_the_bridge_holds_what_was_there_before_its_buffer),
        cmocka_unit_test(test_a7_pruning_beyond_the_end_leaves_the_newest_row),
        cmocka_unit_test(test_a8_two_engines_leave_each_other_their_changes),
        cmocka_unit_test(test_a8_an_engine_that_is_gone_holds_nothing),
        cmocka_unit_test(test_q1_the_token_moves_with_every_commit),
        cmocka_unit_test(test_q1_our_own_upkeep_is_no_change_and_hides_none),
        cmocka_unit_test(test_a_cursor_knows_its_position),
        cmocka_unit_test(test_c6_writers_go_on_while_triggers_are_remade),
        cmocka_unit_test(test_log_limit_drops_the_oldest),
        cmocka_unit_test(test_events_view_shows_exact_rows),
        cmocka_unit_test(test_facts_and_plans),
        cmocka_unit_test(test_functions_are_sqlites_own),
        cmocka_unit_test(test_sums_depend_on_no_order),
        cmocka_unit_test(test_column_classes_are_sure),
        cmocka_unit_test(test_q5_a_read_can_be_stopped),
        cmocka_unit_test(test_a_cached_star_follows_the_schema),
        cmocka_unit_test(test_a11_big_rows_come_a_few_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
