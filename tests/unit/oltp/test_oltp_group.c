/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose members are known: they queue up behind a held writer, in their order, and go when it is let go. What the
 * maintenance wants of the writer may come between two of them, so no test says who shares a transaction with whom.
 */
#include "oltp_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_thread.h"
#include "oltp/oltp_internal.h"

#define LIMIT_NS INT64_C(60000000000) /* how long a test waits for what must come */

enum { MEMBERS = 4 };

struct member {
    struct oltp_test *test;
    char sql[80];
    struct rhei_value params[2];
    size_t rows; /* 0: without values */
    rhei_status status;
    struct rhei_error error;
    base_thread thread;
};

static void member_run(void *argument)
{
    struct member *member = argument;
    struct oltp *oltp = member->test->oltp;
    size_t len = strlen(member->sql);
    member->error = (struct rhei_error)RHEI_ERROR_INIT;
    member->status = member->rows == 0 ? oltp_write(oltp, member->sql, len, NULL, 0, NULL, NULL, NULL, &member->error)
                                       : oltp_write_many(oltp, member->sql, len, member->params, 1, member->rows, NULL,
                                                         NULL, &member->error);
}

/* A handle whose callers wait as long as the test does. */
static void open_patient(struct oltp_test *test, void (*fault)(void *context, const char *point), void *context)
{
    struct oltp_config config;
    test_open(test);
    test_shut(test);
    test_default_config(test, &config);
    config.busy_timeout_ms = (uint32_t)(LIMIT_NS / 1000000);
    config.fault = fault;
    config.fault_context = context;
    assert_int_equal(capture_open(&config, &test->oltp, NULL), RHEI_OK);
    assert_int_equal(capture_change_source(test->oltp, &test->source, NULL), RHEI_OK);
}

/* Those of the maintenance are exclusive. */
static uint32_t members_waiting(struct oltp *oltp)
{
    uint32_t count = 0;
    base_mutex_lock(&oltp->queue_lock);
    for (const struct oltp_job *job = oltp->queue_head; job != NULL; job = job->next)
        count += !job->exclusive;
    base_mutex_unlock(&oltp->queue_lock);
    return count;
}

/* All of them, in their order, behind one who holds the writer until the last is in the queue. */
static void run_together(struct oltp_test *test, struct member *members, uint32_t count)
{
    assert_non_null(oltp_native_lock(test->oltp));
    for (uint32_t i = 0; i < count; i++) {
        int64_t until = base_now_ns() + LIMIT_NS;
        members[i].test = test;
        assert_int_equal(base_thread_start(&members[i].thread, "member", member_run, &members[i], NULL), RHEI_OK);
        while (members_waiting(test->oltp) < i + 1)
            assert_true(base_now_ns() < until);
    }
    oltp_native_unlock(test->oltp);
    for (uint32_t i = 0; i < count; i++)
        base_thread_join(&members[i].thread);
}

/* ---- G2. --------------------------------------------------------------------------------------------------------- */

/* What fails only when it is done, and rows before the one that fails, are gone; what others did in the same transaction stays. */
static void test_g2_a_failing_statement_takes_back_its_own_changes_alone(void **state)
{
    (void)state;
    struct oltp_test test;
    open_patient(&test, NULL, NULL);
    test_script(
        &test,
        "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO p VALUES(1)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    for (int keys = 0; keys < 2; keys++) { /* foreign keys off and on */
        struct member members[MEMBERS] = {
            {.sql = "INSERT INTO p VALUES(10)"},
            {.sql = "INSERT INTO c VALUES(9)"}, /* its debt is known at its end */
            {.sql = "INSERT INTO p VALUES(?)",
             .params = {{.as.integer = 7, .type = RHEI_INTEGER}, {.as.integer = 1, .type = RHEI_INTEGER}},
             .rows = 2},
            {.sql = "INSERT INTO p VALUES(11)"},
        };
        test_write(&test, keys ? "PRAGMA foreign_keys=ON" : "PRAGMA foreign_keys=OFF");
        run_together(&test, members, MEMBERS);
        assert_int_equal(members[0].status, RHEI_OK);
        assert_int_equal(members[1].status, keys ? RHEI_CONSTRAINT : RHEI_OK);
        assert_int_equal(members[2].status, RHEI_CONSTRAINT);
        assert_non_null(strstr(members[2].error.message, "UNIQUE"));
        assert_int_equal(members[3].status, RHEI_OK);
        test_expect(&test, "SELECT id FROM p ORDER BY id", "1\n10\n11\n");
        assert_int_equal(test_int(&test, "SELECT count(*) FROM c"), !keys);
        test_mirror_check(mirror);
        test_script(&test, "DELETE FROM c; DELETE FROM p WHERE id > 1");
    }
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- G5. --------------------------------------------------------------------------------------------------------- */

struct delay {
    int64_t begun_ns; /* holder of the writer: when its group's transaction began */
    atomic_bool wanted;
};

/* The first statement of a group is done when the time that a group has is over. */
static void delay_at(void *context, const char *point)
{
    struct delay *delay = context;
    if (strcmp(point, "oltp.write.begin") == 0) {
        delay->begun_ns = base_now_ns();
    } else if (strcmp(point, "oltp.write.statement") == 0 && atomic_exchange(&delay->wanted, false)) {
        while (base_now_ns() < delay->begun_ns + 20000000) {
        }
    }
}

static void test_g5_a_statement_that_was_not_reached_in_time_is_run_later(void **state)
{
    (void)state;
    struct oltp_test test;
    struct delay delay = {0};
    open_patient(&test, delay_at, &delay);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    atomic_store(&delay.wanted, true);
    int id = 0;
    for (int64_t until = base_now_ns() + LIMIT_NS; atomic_load(&delay.wanted) && base_now_ns() < until;) {
        struct member members[MEMBERS] = {0};
        for (uint32_t i = 0; i < MEMBERS; i++)
            snprintf(members[i].sql, sizeof members[i].sql, "INSERT INTO t VALUES(%d)", ++id);
        run_together(&test, members, MEMBERS);
        for (uint32_t i = 0; i < MEMBERS; i++)
            assert_int_equal(members[i].status, RHEI_OK);
        assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), id);
        assert_int_equal(test_int(&test, "SELECT max(id) FROM t"), id);
    }
    assert_false(atomic_load(&delay.wanted));
    test_close(&test);
}

/* ---- Waiting for company. ---------------------------------------------------------------------------------------- */

/* As a writer does whose last group was a crowd, and who is alone now. Returns how often it is not to wait from here on. */
static uint32_t write_in_vain(struct oltp_test *test)
{
    assert_non_null(oltp_native_lock(test->oltp));
    test->oltp->crowd = 5;
    test->oltp->gather_skip = 0;
    oltp_native_unlock(test->oltp);
    test_write(test, "INSERT INTO t VALUES(1)");
    assert_non_null(oltp_native_lock(test->oltp));
    uint32_t pause = test->oltp->gather_pause;
    oltp_native_unlock(test->oltp);
    return pause;
}

/* Each time that nobody came, it waits for so many writes less; so whoever is alone again hardly ever waits. */
static void test_who_waited_in_vain_does_not_wait_soon_again(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a)");
    uint32_t pause = 0;
    for (uint32_t expected = 8; expected <= 1024; expected *= 2) {
        int64_t until = base_now_ns() + LIMIT_NS;
        uint32_t now = pause;
        while (now == pause && base_now_ns() < until) /* where the maintenance wanted the writer, nobody waited */
            now = write_in_vain(&test);
        assert_int_equal(now, expected);
        pause = now;
    }
    assert_int_equal(write_in_vain(&test), 1024);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_g2_a_failing_statement_takes_back_its_own_changes_alone),
        cmocka_unit_test(test_g5_a_statement_that_was_not_reached_in_time_is_run_later),
        cmocka_unit_test(test_who_waited_in_vain_does_not_wait_soon_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
