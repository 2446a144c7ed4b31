/* SPDX-License-Identifier: Apache-2.0 */
/* Q1: a result states the position of the state that its rows are of, whoever commits before, while and after SQLite reads it. */
#include "oltp_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"

/* n of the only row is 0 at position `base`, and each commit adds 1 to both. */
static int64_t open_counter(struct oltp_test *test)
{
    test_write(test, "CREATE TABLE c(id INTEGER PRIMARY KEY, n INTEGER)");
    test_write(test, "INSERT INTO c VALUES(1, 0)");
    return test_int(test, "SELECT max(seq) FROM _rhei_cdc_log");
}

static void count_elsewhere(const struct oltp_test *test)
{
    assert_int_equal(test_shell(test, "UPDATE c SET n = n + 1"), 0);
}

static struct oltp_cursor *read_open(struct oltp_test *test, const char *sql, const struct oltp_stop *stop)
{
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (oltp_read(test->oltp, sql, strlen(sql), NULL, 0, stop, true, &cursor, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return cursor;
}

/* All rows, of which there is one at most; its value, or -1. */
static int64_t read_all(struct oltp_cursor *cursor)
{
    struct rhei_value value = {.as.integer = -1};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status;
    while ((status = oltp_cursor_next(cursor, &error)) == RHEI_ROW)
        oltp_cursor_value(cursor, 0, &value);
    assert_int_equal(status, RHEI_DONE);
    return value.as.integer;
}

static void test_q1_a_position_is_that_of_the_rows_when_it_is_asked_late(void **state)
{
    (void)state;
    static const char *const texts[] = {"SELECT n FROM c", "SELECT n FROM c WHERE id = 1",
                                        "SELECT n FROM c WHERE id = 2", "SELECT count(*) - 1 + sum(n) FROM c"};
    struct oltp_test test;
    test_open(&test);
    int64_t base = open_counter(&test), n = 0;
    for (int round = 0; round < 3; round++)
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            for (int before = 0; before < round; before++, n++)
                count_elsewhere(&test);
            if (round == 2) { /* a commit of our own that logs, and one that doesn't */
                test_write(&test, "UPDATE c SET n = n + 1");
                n++;
                test_write(&test, "PRAGMA user_version = 7");
            }
            struct oltp_cursor *cursor = read_open(&test, texts[t], NULL);
            int64_t found = read_all(cursor);
            count_elsewhere(&test);
            assert_int_equal(found, t == 2 ? -1 : n);
            assert_int_equal(oltp_cursor_position(cursor), base + n);
            oltp_cursor_close(&cursor);
            n++;
        }
    test_close(&test);
}

struct between {
    const struct oltp_test *test;
    bool done;
};

static rhei_status commit_between(void *context)
{
    struct between *between = context;
    if (!between->done)
        count_elsewhere(between->test);
    between->done = true;
    return RHEI_OK;
}

/* Somebody commits while the statement runs: its answer, none or a row, and its position are of one state. */
static void test_q1_a_commit_while_a_statement_without_rows_runs(void **state)
{
    (void)state;
    static const char format[] =
        "SELECT n FROM (WITH RECURSIVE r(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM r LIMIT 20000) "
        "SELECT max(x) AS m FROM r) CROSS JOIN c WHERE m > 0 AND n > %d";
    struct oltp_test test;
    char sql[sizeof format + 20];
    test_open(&test);
    int64_t base = open_counter(&test);
    for (int n = 0; n < 6; n++) {
        struct between between = {.test = &test};
        assert_int_equal(test_int(&test, "SELECT n FROM c"), n); /* so that the position of the state before is known */
        const struct oltp_stop stop = {.check = commit_between, .context = &between};
        snprintf(sql, sizeof sql, format,
                 n % 2 == 0 ? n : n + 1); /* the second one finds none before the commit, nor behind it */
        struct oltp_cursor *cursor = read_open(&test, sql, &stop);
        int64_t found = read_all(cursor), position = oltp_cursor_position(cursor);
        assert_true(between.done);
        assert_true(position == base + n || position == base + n + 1);
        if (n % 2 == 0)
            assert_int_equal(found, position == base + n ? -1 : n + 1);
        else
            assert_int_equal(found, -1);
        oltp_cursor_close(&cursor);
    }
    test_close(&test);
}

/* A process that counts as fast as it can, until it is told to end by the closing of its input. */
static FILE *start_counting(const struct oltp_test *test, pid_t *pid)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *pid = fork();
    assert_true(*pid >= 0);
    if (*pid == 0) {
        dup2(ends[0], STDIN_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("sqlite3", "sqlite3", "-bail", "-batch", "-cmd", ".timeout 60000", test->path, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    return fdopen(ends[1], "w");
}

static void test_q1_positions_beside_another_process_that_writes(void **state)
{
    (void)state;
    enum { READS = 4000, COMMITS = 4000 };
    struct oltp_test test;
    pid_t pid;
    int ended = 0;
    test_open(&test);
    int64_t base = open_counter(&test), last = 0;
    FILE *commands = start_counting(&test, &pid);
    for (int i = 0; i < COMMITS; i++)
        fputs("UPDATE c SET n = n + 1;\n", commands);
    fclose(commands);
    int64_t until = base_now_ns() + INT64_C(60000000000);
    for (int i = 0; (i < READS || last < COMMITS) && base_now_ns() < until; i++) {
        static const char *const texts[] = {"SELECT n FROM c", "SELECT max(n) FROM c WHERE n >= 0"};
        struct oltp_cursor *cursor = read_open(&test, texts[i % 2], NULL);
        last = read_all(cursor);
        assert_int_equal(oltp_cursor_position(cursor), base + last);
        oltp_cursor_close(&cursor);
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT n FROM c WHERE n < %" PRId64,
                 last); /* a newer state only: none, and not before */
        cursor = read_open(&test, sql, NULL);
        assert_int_equal(read_all(cursor), -1);
        assert_true(oltp_cursor_position(cursor) >= base + last);
        oltp_cursor_close(&cursor);
    }
    assert_int_equal(last, COMMITS);
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_int_equal(ended, 0);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q1_a_position_is_that_of_the_rows_when_it_is_asked_late),
        cmocka_unit_test(test_q1_a_commit_while_a_statement_without_rows_runs),
        cmocka_unit_test(test_q1_positions_beside_another_process_that_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
