/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp_test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "tests/support/fair_time.h"

/* ---- Groups. ---- */

enum { WRITERS = 8, WRITES = 150 };

struct writer {
    struct oltp_test *test;
    int number;
    int ok, refused, wrong;
};

static void writer_run(void *argument)
{
    struct writer *writer = argument;
    for (int i = 0; i < WRITES; i++) {
        char sql[200];
        struct rhei_error error = RHEI_ERROR_INIT;
        struct oltp_result result = {0};
        bool bad = i % 5 == 4;
        /* every fifth violates a constraint of its own; every seventh rolls the whole transaction back */
        snprintf(sql, sizeof sql, "INSERT %s INTO t VALUES(%d, %d)", i % 7 == 6 ? "OR ROLLBACK" : "",
                 bad ? -1 : writer->number * 100000 + i, writer->number);
        rhei_status status = oltp_write(writer->test->oltp, sql, strlen(sql), NULL, 0, NULL, &result, NULL, &error);
        if (status == RHEI_OK && !bad) {
            writer->ok++;
            writer->wrong +=
                result.changes != 1 || result.last_insert_rowid != writer->number * 100000 + i || result.position == 0;
        } else if (status == RHEI_CONSTRAINT && bad) {
            writer->refused++;
        } else {
            writer->wrong++;
            print_message("%s: %d %s\n", sql, (int)status, error.message);
        }
    }
}

static void run_writers(bool memory)
{
    struct oltp_test test;
    memory ? test_open_memory(&test) : test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY CHECK(id >= 0), w)");
    test_mirror_check(mirror);
    struct writer writers[WRITERS];
    base_thread threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.test = &test, .number = i};
        assert_int_equal(base_thread_start(&threads[i], "writer", writer_run, &writers[i], NULL), RHEI_OK);
    }
    for (int i = 0; i < 20; i++)
        test_mirror_cycle(mirror);
    int ok = 0;
    for (int i = 0; i < WRITERS; i++) {
        base_thread_join(&threads[i]);
        assert_int_equal(writers[i].wrong, 0);
        ok += writers[i].ok;
    }
    assert_int_equal(ok, WRITERS * WRITES * 4 / 5);
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), ok);
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t WHERE id < 0"), 0);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_group_commit_keeps_statements_apart(void **state)
{
    (void)state;
    run_writers(false);
}

static void test_group_commit_in_memory(void **state)
{
    (void)state;
    run_writers(true);
}

static void test_deferred_foreign_keys_are_each_statements_own(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(
        &test,
        "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)");
    test_write(&test, "PRAGMA foreign_keys=ON");
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(test_try(&test, "INSERT INTO c VALUES(1)", &error), RHEI_CONSTRAINT);
    assert_string_equal(error.sqlstate, "23503");
    struct rhei_value rows[2] = {{.as.integer = 1, .type = RHEI_INTEGER}, {.as.integer = 2, .type = RHEI_INTEGER}};
    static const char many[] = "INSERT INTO c VALUES(?)";
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(oltp_write_many(test.oltp, many, sizeof many - 1, rows, 1, 2, 0, NULL, &error), RHEI_CONSTRAINT);
    test_write(&test, "INSERT INTO p VALUES(1)");
    test_write(&test, "INSERT INTO c VALUES(1)");
    test_expect(&test, "SELECT count(*) FROM c", "1\n");
    test_close(&test);
}

static void test_many_rows_are_all_or_nothing(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    struct rhei_value rows[6];
    for (int i = 0; i < 6; i++)
        rows[i] = (struct rhei_value){.as.integer = i / 2, .type = RHEI_INTEGER};
    static const char sql[] = "INSERT INTO t VALUES(?, ?)";
    struct oltp_result result;
    assert_int_equal(oltp_write_many(test.oltp, sql, sizeof sql - 1, rows, 2, 3, 0, &result, NULL), RHEI_OK);
    assert_int_equal(result.changes, 3);
    rows[0].as.integer = 7;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_write_many(test.oltp, sql, sizeof sql - 1, rows, 2, 3, 0, &result, &error), RHEI_CONSTRAINT);
    test_expect(&test, "SELECT id FROM t ORDER BY id", "0\n1\n2\n");
    static const char script[] = "INSERT INTO t VALUES(8, 8); CREATE TABLE x(a); INSERT INTO t VALUES(0, 0)";
    assert_int_equal(oltp_write_script(test.oltp, script, sizeof script - 1, 0, &result, NULL), RHEI_CONSTRAINT);
    test_expect(&test, "SELECT count(*) FROM sqlite_master WHERE name = 'x'", "0\n");
    test_expect(&test, "SELECT count(*) FROM t", "3\n");
    test_close(&test);
}

/* ---- Q3, Q4: what a call refuses. ---- */

static void expect_error(rhei_status status, rhei_status wanted, const struct rhei_error *error, const char *words)
{
    if (status != wanted || strstr(error->message, words) == NULL)
        fail_msg("status %d, wanted %d; message: %s", (int)status, (int)wanted, error->message);
}

static rhei_status try_read(struct oltp_test *test, const char *sql, struct rhei_error *error)
{
    struct oltp_cursor *cursor = NULL;
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    rhei_status status = oltp_read(test->oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, error);
    oltp_cursor_close(&cursor);
    return status;
}

static void test_q3_reads_never_write(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1)");
    static const char *const writes[] = {
        "INSERT INTO t VALUES(2)",
        "WITH x(a) AS (SELECT 5) INSERT INTO t SELECT a FROM x",
        "-- c\n/* d */ DELETE FROM t",
        "INSERT INTO t VALUES(3) RETURNING a",
        "DROP TABLE t",
        "PRAGMA user_version=5",
        "PRAGMA case_sensitive_like(1)",
        "VACUUM",
    };
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        rhei_status status = try_read(&test, writes[i], &error);
        if (status != RHEI_READ_ONLY)
            fail_msg("%s: %d %s", writes[i], (int)status, error.message);
    }
    expect_error(try_read(&test, "BEGIN", &error), RHEI_TRANSACTION, &error, "session");
    test_expect(&test, "SELECT a FROM t", "1\n");
    struct oltp_cursor *rows = NULL;
    struct oltp_result result;
    static const char returning[] = "INSERT INTO t VALUES(4), (5) RETURNING a * 2 AS twice";
    assert_int_equal(oltp_write(test.oltp, returning, sizeof returning - 1, NULL, 0, NULL, &result, &rows, NULL),
                     RHEI_OK);
    assert_int_equal(result.changes, 2);
    assert_string_equal(oltp_cursor_column_name(rows, 0), "twice");
    struct rhei_value value;
    assert_int_equal(oltp_cursor_next(rows, NULL), RHEI_ROW);
    oltp_cursor_value(rows, 0, &value);
    assert_int_equal(value.as.integer, 8);
    assert_int_equal(oltp_cursor_next(rows, NULL), RHEI_ROW);
    assert_int_equal(oltp_cursor_next(rows, NULL), RHEI_DONE);
    oltp_cursor_close(&rows);
    test_expect(&test, "SELECT count(*) FROM t", "3\n");
    test_close(&test);
}

static void test_q4_texts_of_two_statements_are_refused_whole(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    expect_error(test_try(&test, "INSERT INTO t VALUES(1); DELETE FROM t", &error), RHEI_SQL, &error,
                 "another one starts at byte");
    assert_int_equal(error.sql_offset, 25);
    expect_error(try_read(&test, "SELECT 1; SELECT 2", &error), RHEI_SQL, &error, "another one starts at byte");
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(test_try(&test, "INSERT INTO t VALUES(1); -- done\n ;", &error), RHEI_OK);
    test_expect(&test, "SELECT count(*) FROM t", "1\n");
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(test_try(&test, "INSERT INTO t VALUES(?)", &error), RHEI_INVALID, &error, "has 1 parameter, 0 values");
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(test_try(&test, "INSERT INTO nosuch VALUES(1)", &error), RHEI_SQL, &error, "no such table");
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(test_try(&test, "SELEC 1", &error), RHEI_SQL, &error, "syntax error");
    assert_int_equal(error.sql_offset, 0);
    expect_error(test_try(&test, "COMMIT", NULL), RHEI_TRANSACTION, &(struct rhei_error){.message = "x"}, "x");
    test_close(&test);
}

/* ---- Q7: sessions. ---- */

static rhei_status run(struct oltp_session *session, const char *sql, struct rhei_error *error)
{
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    return oltp_session_run(session, sql, strlen(sql), NULL, 0, NULL, NULL, NULL, error);
}

static void one_write(void *argument)
{
    struct writer *writer = argument;
    writer->ok = test_try(writer->test, "INSERT INTO t VALUES('other')", NULL) == RHEI_OK;
}

static void test_q7_a_transaction_is_its_sessions_alone(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(a)");
    struct oltp_session *session = NULL;
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(run(session, "BEGIN", &error), RHEI_OK);
    assert_true(oltp_session_in_transaction(session));
    assert_int_equal(run(session, "INSERT INTO t VALUES('mine')", &error), RHEI_OK);
    test_expect(&test, "SELECT count(*) FROM t", "0\n"); /* others don't see it */
    test_mirror_check(mirror);
    struct writer other = {.test = &test};
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "other", one_write, &other, NULL), RHEI_OK);
    assert_int_equal(run(session, "ROLLBACK", &error), RHEI_OK);
    assert_false(oltp_session_in_transaction(session));
    base_thread_join(&thread);
    assert_true(other.ok); /* the rollback did not take the other's write along */
    test_expect(&test, "SELECT a FROM t", "'other'\n");
    assert_int_equal(run(session, "COMMIT", &error), RHEI_TRANSACTION);
    assert_int_equal(run(session, "BEGIN IMMEDIATE", &error), RHEI_OK);
    assert_int_equal(run(session, "CREATE TABLE made(x)", &error), RHEI_OK);
    assert_int_equal(run(session, "INSERT INTO made VALUES(1)", &error), RHEI_OK);
    assert_int_equal(run(session, "SAVEPOINT s", &error), RHEI_OK);
    assert_int_equal(run(session, "INSERT INTO made VALUES(2)", &error), RHEI_OK);
    assert_int_equal(run(session, "ALTER TABLE made ADD COLUMN y", &error), RHEI_OK);
    assert_int_equal(run(session, "ROLLBACK TO s", &error), RHEI_OK);
    assert_int_equal(run(session, "INSERT INTO made VALUES(3)", &error), RHEI_OK);
    assert_int_equal(run(session, "COMMIT", &error), RHEI_OK);
    test_expect(&test, "SELECT * FROM made", "1\n3\n");
    test_mirror_check(mirror);
    assert_true(test_mirror_has(mirror, "made"));
    assert_int_equal(run(session, "BEGIN", &error), RHEI_OK);
    oltp_session_close(&session);
    test_write(&test, "INSERT INTO t VALUES('after')");
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_q7_streamed_rows_and_failing_commits(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_script(
        &test,
        "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO p VALUES(1), (2), (3)");
    test_write(&test, "PRAGMA foreign_keys=ON");
    struct oltp_session *session = NULL;
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(run(session, "BEGIN", &error), RHEI_OK);
    assert_int_equal(run(session, "INSERT INTO c VALUES(9)", &error), RHEI_OK);
    struct oltp_cursor *cursor = NULL;
    assert_int_equal(oltp_session_run(session, "SELECT p FROM c", 15, NULL, 0, NULL, NULL, &cursor, &error), RHEI_OK);
    assert_int_equal(oltp_cursor_next(cursor, NULL), RHEI_ROW);
    assert_int_equal(run(session, "SELECT 1", &error), RHEI_INVALID);
    oltp_cursor_close(&cursor);
    expect_error(run(session, "COMMIT", &error), RHEI_CONSTRAINT, &error, "still open");
    assert_true(oltp_session_in_transaction(session));
    assert_int_equal(run(session, "DELETE FROM c", &error), RHEI_OK);
    assert_int_equal(run(session, "COMMIT", &error), RHEI_OK);
    oltp_session_close(&session);
    test_close(&test);
}

/* ---- Bad files. ---- */

static void test_errors_of_files_say_what_to_do(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_config config;
    struct oltp *oltp = NULL;
    test_open(&test);
    char path[300];
    test_default_config(&test, &config);
    config.path = path;
    config.busy_timeout_ms = 100;

    snprintf(path, sizeof path, "%s/not.db", test.folder);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    expect_error(capture_open(&config, &oltp, &error), RHEI_NOT_A_DATABASE, &error, path);
    assert_null(oltp);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 20000);
    unlink(path);

    error = (struct rhei_error)RHEI_ERROR_INIT;
    config.must_exist = true;
    expect_error(capture_open(&config, &oltp, &error), RHEI_CANT_OPEN, &error, path);
    config.must_exist = false;
    error = (struct rhei_error)RHEI_ERROR_INIT;
    snprintf(path, sizeof path, "%s/no/such/folder.db", test.folder);
    expect_error(capture_open(&config, &oltp, &error), RHEI_CANT_OPEN, &error, "folder");

    error = (struct rhei_error)RHEI_ERROR_INIT;
    snprintf(path, sizeof path, "%s", test.path);
    test_write(&test, "UPDATE _rhei_meta SET value = 99 WHERE key = 'version'");
    expect_error(capture_open(&config, &oltp, &error), RHEI_TOO_NEW, &error, "newer");
    test_write(&test, "UPDATE _rhei_meta SET value = 1 WHERE key = 'version'");

    config.read_only = true;
    assert_int_equal(capture_open(&config, &oltp, NULL), RHEI_OK);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(oltp_write(oltp, "CREATE TABLE x(a)", 17, NULL, 0, NULL, NULL, NULL, &error), RHEI_READ_ONLY, &error,
                 "reading only");
    oltp_close(&oltp);
    test_close(&test);
}

static void count_commit(void *context)
{
    (*(int *)context)++;
}

/* It fails, and keeps the rows before the one that failed: they are committed, so the sync is woken for them. */
static void test_c1_insert_or_fail_wakes_the_sync(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a INTEGER PRIMARY KEY)");
    test_shut(&test);
    struct oltp_config config;
    int commits = 0;
    test_default_config(&test, &config);
    config.committed = count_commit;
    config.committed_context = &commits;
    assert_int_equal(capture_open(&config, &test.oltp, NULL), RHEI_OK);
    commits = 0;
    expect_error(test_try(&test, "INSERT OR FAIL INTO t VALUES(1), (2), (1), (3)", &error), RHEI_CONSTRAINT, &error,
                 "UNIQUE");
    assert_int_equal(commits, 1);
    test_expect(&test, "SELECT a FROM t", "1\n2\n");
    struct oltp_status status;
    assert_int_equal(oltp_get_status(test.oltp, &status, NULL), RHEI_OK);
    assert_int_equal(status.changes_logged, 2);
    /* what keeps nothing wakes nobody, and its numbers are free again */
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(test_try(&test, "INSERT INTO t VALUES(4), (5), (1)", &error), RHEI_CONSTRAINT, &error, "UNIQUE");
    assert_int_equal(commits, 1);
    struct oltp_result result = {0};
    int64_t before = status.log_position;
    assert_int_equal(oltp_write(test.oltp, "INSERT INTO t VALUES(6)", 23, NULL, 0, NULL, &result, NULL, NULL), RHEI_OK);
    assert_int_equal(result.position, before + 1);
    test_close(&test);
}

static rhei_status time_is_over(void *context)
{
    return base_now_ns() >= *(int64_t *)context ? RHEI_TIMEOUT : RHEI_OK;
}

/* A write that has to wait, and gives up at its deadline, soon after it. */
static void expect_given_up(struct oltp *oltp, const char *sql, const char *message)
{
    int64_t late = INT64_MAX;
    for (int i = 0; i < FAIR_TRIES && late > 500000000; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        int64_t deadline = base_now_ns() + 50000000;
        struct oltp_stop stop = {.check = time_is_over, .context = &deadline};
        expect_error(oltp_write(oltp, sql, strlen(sql), NULL, 0, &stop, NULL, NULL, &error), RHEI_TIMEOUT, &error,
                     message);
        late = base_now_ns() - deadline;
        assert_true(late >= 0);
    }
    assert_in_range(late, 0, 500000000);
}

/* Whoever uses the writer's connection may put functions of his own where ours were; ours come back. */
static void test_q5_limits_hold_after_the_connection_was_lent(void **state)
{
    (void)state;
    struct oltp_test test;
    struct oltp *other = NULL;
    struct oltp_config config;
    struct oltp_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    sqlite3 *db = oltp_native_lock(test.oltp);
    assert_non_null(db);
    sqlite3_busy_timeout(db, 60000);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    sqlite3_update_hook(db, NULL, NULL);
    oltp_native_unlock(test.oltp);
    struct oltp_result result = {0};
    assert_int_equal(oltp_write(test.oltp, "INSERT INTO t VALUES(1)", 23, NULL, 0, NULL, &result, NULL, NULL), RHEI_OK);
    assert_true(result.position > 0);

    static const char endless[] =
        "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c";
    int64_t deadline = base_now_ns() + 50000000;
    struct oltp_stop stop = {.check = time_is_over, .context = &deadline};
    assert_int_equal(oltp_write(test.oltp, endless, sizeof endless - 1, NULL, 0, &stop, NULL, NULL, &error),
                     RHEI_TIMEOUT);

    test_default_config(&test, &config);
    assert_int_equal(capture_open(&config, &other, NULL), RHEI_OK);
    assert_int_equal(oltp_session_open(other, &session, NULL), RHEI_OK);
    assert_int_equal(run(session, "BEGIN IMMEDIATE", &error), RHEI_OK);
    expect_given_up(test.oltp, "INSERT INTO t VALUES(2)", "");
    oltp_session_close(&session);
    oltp_close(&other);
    test_close(&test);
}

static void test_a_foreign_writer_makes_us_wait_and_then_give_up(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    struct oltp_config config;
    struct oltp *oltp = NULL;
    test_default_config(&test, &config);
    config.busy_timeout_ms = 200;
    assert_int_equal(capture_open(&config, &oltp, NULL), RHEI_OK);
    struct oltp_session *session = NULL;
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(run(session, "BEGIN IMMEDIATE", &error), RHEI_OK);
    int64_t start = base_now_ns();
    error = (struct rhei_error)RHEI_ERROR_INIT;
    expect_error(oltp_write(oltp, "INSERT INTO t VALUES(1)", 23, NULL, 0, NULL, NULL, NULL, &error), RHEI_BUSY, &error,
                 "busy_timeout_ms");
    assert_true(base_now_ns() - start >= 190000000);
    /* within one handle: the queue's own time-out */
    expect_given_up(test.oltp, "INSERT INTO t VALUES(1)", "waited for another writer");
    oltp_session_close(&session);
    assert_int_equal(oltp_write(oltp, "INSERT INTO t VALUES(2)", 23, NULL, 0, NULL, NULL, NULL, &error), RHEI_OK);
    test_expect(&test, "SELECT a FROM t", "2\n");
    oltp_close(&oltp);
    test_close(&test);
}

/* ---- Whether anybody committed. ---- */

/* The log starts anew and comes to as many frames as it had before: the token differs by the commits that SQLite counts. */
static void test_q1_a_log_of_the_same_length_is_another_state(void **state)
{
    (void)state;
    struct oltp_test test;
    uint64_t tokens[8];
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_write(&test, "INSERT INTO t VALUES(1, 0)");
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        assert_int_equal(test_shell(&test, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
        assert_int_equal(test_shell(&test, "UPDATE t SET v = v + 1"), 0);
        tokens[i] = oltp_commit_token(test.oltp);
        for (size_t k = 0; k < i; k++)
            assert_true(tokens[k] != tokens[i]);
    }
    test_close(&test);
}

/* ---- Dying at every point. ---- */

struct killer {
    const char *point;
    int countdown;
};

static void kill_at(void *context, const char *point)
{
    struct killer *killer = context;
    if (strcmp(killer->point, point) == 0 && killer->countdown-- == 0)
        _exit(9);
}

static void child_writes(const struct oltp_test *test, const char *point, int countdown, int report)
{
    struct killer killer = {point, countdown};
    struct oltp_config config;
    struct oltp *oltp = NULL;
    test_default_config(test, &config);
    config.fault = kill_at;
    config.fault_context = &killer;
    if (capture_open(&config, &oltp, NULL) != RHEI_OK)
        _exit(1);
    static const char *const writes[] = {
        "CREATE TABLE IF NOT EXISTS n(a, b)",
        "INSERT INTO t VALUES(NULL, 1)",
        "ALTER TABLE n ADD COLUMN c",
        "INSERT INTO n(a) VALUES(7)",
        "UPDATE t SET v = v + 1",
        "ALTER TABLE n DROP COLUMN b",
        "INSERT INTO t VALUES(NULL, 100), (NULL, 101)",
        "CREATE UNIQUE INDEX IF NOT EXISTS ni ON n(a)",
    };
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        if (i == 5 && test_shell(test, "CREATE TABLE foreign_one(x)") != 0) /* which the next DDL settles first */
            _exit(3);
        if (oltp_write(oltp, writes[i], strlen(writes[i]), NULL, 0, NULL, NULL, NULL, NULL) == RHEI_OK) {
            char done = (char)i;
            if (write(report, &done, 1) != 1)
                _exit(2);
        }
    }
    struct rhei_value rows[4] = {{.type = RHEI_NULL}, {.type = RHEI_NULL}, {.type = RHEI_NULL}, {.type = RHEI_NULL}};
    oltp_write_many(oltp, "INSERT INTO t VALUES(?, ?)", 26, rows, 2, 2, 0, NULL, NULL);
    struct change_source *source = NULL;
    uint64_t pruned;
    if (capture_change_source(oltp, &source, NULL) == RHEI_OK)
        source->ops->prune(source, 1000000, &pruned, NULL);
    _exit(0); /* as good as killed: nothing was closed */
}

/* A file with a table that is mirrored, closed here, and a pipe by which a child tells what it wrote. */
static struct test_mirror *open_for_a_child(struct oltp_test *test, int pipes[2])
{
    test_open(test);
    test_write(test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    struct test_mirror *mirror = test_mirror_new(test);
    test_mirror_check(mirror);
    test_shut(test);
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    return mirror;
}

static void test_a2_killed_at_every_point(void **state)
{
    (void)state;
    static const char *const points[] = {"oltp.open.capture", "capture.triggers",  "capture.commit",
                                         "oltp.write.begin",  "oltp.write.commit", "oltp.write.committed",
                                         "oltp.ddl.done",     "oltp.ddl.commit",   "capture.prune"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (int countdown = 0; countdown < 6; countdown++) {
            struct oltp_test test;
            int pipes[2];
            struct test_mirror *mirror = open_for_a_child(&test, pipes);
            pid_t child = fork();
            if (child == 0)
                child_writes(&test, points[i], countdown, pipes[1]);
            close(pipes[1]);
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            char done;
            int acknowledged = 0;
            while (read(pipes[0], &done, 1) == 1)
                acknowledged += done == 1 || done == 6;
            close(pipes[0]);
            assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
            assert_true(countdown > 0 || WEXITSTATUS(status) == 9); /* a point that nobody passes proves nothing */
            test_reopen(&test);
            test_mirror_check(mirror); /* goes on from the log where it was */
            assert_true(test_int(&test, "SELECT count(*) FROM t") >= acknowledged);
            test_write(&test, "INSERT INTO t VALUES(NULL, 'alive')");
            test_mirror_check(mirror);
            test_reopen(&test);
            test_mirror_free(&mirror);
            mirror = test_mirror_new(&test);
            test_mirror_check(mirror);
            test_mirror_free(&mirror);
            test_close(&test);
        }
    }
}

/* ---- Killed at any time. ---- */

struct dying {
    struct oltp *oltp;
    int report;
    int number;
};

static void die_writing(void *argument)
{
    struct dying *dying = argument;
    for (int i = 0;; i++) {
        int32_t id = dying->number * 1000000 + i;
        struct rhei_value params[2] = {{.as.integer = id, .type = RHEI_INTEGER},
                                       {.as.integer = id % 7, .type = RHEI_INTEGER}};
        static const char sql[] = "INSERT INTO t VALUES(?, ?)";
        if (oltp_write(dying->oltp, sql, sizeof sql - 1, params, 2, 0, NULL, NULL, NULL) == RHEI_OK &&
            write(dying->report, &id, sizeof id) != sizeof id)
            _exit(3);
        if (i % 9 == 8)
            test_try(&(struct oltp_test){.oltp = dying->oltp}, "UPDATE t SET v = v + 1 WHERE id % 11 = 3", NULL);
    }
}

static void child_dies(const struct oltp_test *test, int report)
{
    struct oltp_config config;
    struct oltp *oltp = NULL;
    struct dying dying[3];
    base_thread threads[3];
    test_default_config(test, &config);
    if (capture_open(&config, &oltp, NULL) != RHEI_OK)
        _exit(1);
    for (int i = 0; i < 3; i++) {
        dying[i] = (struct dying){oltp, report, i + 1};
        base_thread_start(&threads[i], "dying", die_writing, &dying[i], NULL);
    }
    base_thread_join(&threads[0]);
}

static void test_a2_killed_at_random_times(void **state)
{
    (void)state;
    uint64_t seed = base_random_u64();
    print_message("seed %" PRIu64 "\n", seed);
    for (int round = 0; round < 12; round++) {
        struct oltp_test test;
        int pipes[2];
        struct test_mirror *mirror = open_for_a_child(&test, pipes);
        pid_t child = fork();
        if (child == 0)
            child_dies(&test, pipes[1]);
        close(pipes[1]);
        int wanted = 1 + (int)(seed >> round) % 400, seen = 0;
        int32_t *ids = base_alloc(sizeof *ids * 100000);
        while (seen < wanted && read(pipes[0], &ids[seen], sizeof *ids) == sizeof *ids)
            seen++;
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (seen < 100000 && read(pipes[0], &ids[seen], sizeof *ids) == sizeof *ids)
            seen++;
        close(pipes[0]);
        test_reopen(&test);
        test_mirror_check(mirror); /* the log goes on where it was */
        assert_int_equal(test_mirror_loads(mirror), 1);
        for (int i = 0; i < seen; i++) {
            char sql[80];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id = %d", ids[i]);
            assert_int_equal(test_int(&test, sql), 1);
        }
        base_free(ids);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* SQLite asks what may end a statement also when a BEGIN, ROLLBACK or COMMIT has done its work: no transaction may stay open. */
static rhei_status every_third_time(void *context)
{
    return ++*(unsigned *)context % 3 == 0 ? RHEI_CANCELLED : RHEI_OK;
}

static void test_q7_an_interrupted_begin_leaves_no_transaction(void **state)
{
    (void)state;
    static const char script[] =
        "INSERT INTO t(a) VALUES(1); UPDATE t SET a = 2 WHERE a = 1; DELETE FROM t WHERE a = 2";
    static const char one[] = "INSERT INTO t(a) SELECT 3";
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    unsigned asked = 0, cancelled = 0;
    struct oltp_stop stop = {.check = every_third_time, .context = &asked};
    for (int i = 0; i < 4000; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = i % 2 == 0
                                 ? oltp_write_script(test.oltp, script, sizeof script - 1, &stop, NULL, &error)
                                 : oltp_write(test.oltp, one, sizeof one - 1, NULL, 0, &stop, NULL, NULL, &error);
        if (status != RHEI_OK && status != RHEI_CANCELLED)
            fail_msg("statement %d: %s", i, error.message);
        cancelled += status == RHEI_CANCELLED;
    }
    assert_in_range(cancelled, 100, 3900);
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t WHERE a <> 3"), 0);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_commit_keeps_statements_apart),
        cmocka_unit_test(test_group_commit_in_memory),
        cmocka_unit_test(test_deferred_foreign_keys_are_each_statements_own),
        cmocka_unit_test(test_many_rows_are_all_or_nothing),
        cmocka_unit_test(test_q3_reads_never_write),
        cmocka_unit_test(test_q4_texts_of_two_statements_are_refused_whole),
        cmocka_unit_test(test_q7_a_transaction_is_its_sessions_alone),
        cmocka_unit_test(test_q7_streamed_rows_and_failing_commits),
        cmocka_unit_test(test_errors_of_files_say_what_to_do),
        cmocka_unit_test(test_c1_insert_or_fail_wakes_the_sync),
        cmocka_unit_test(test_q5_limits_hold_after_the_connection_was_lent),
        cmocka_unit_test(test_a_foreign_writer_makes_us_wait_and_then_give_up),
        cmocka_unit_test(test_q1_a_log_of_the_same_length_is_another_state),
        cmocka_unit_test(test_a2_killed_at_every_point),
        cmocka_unit_test(test_a2_killed_at_random_times),
        cmocka_unit_test(test_q7_an_interrupted_begin_leaves_no_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
