/* SPDX-License-Identifier: Apache-2.0 */
/* Statements for an event loop: told of by a descriptor or a callback, in their session's order, ended at any moment. */
#include "tests/support/engine_fixture.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_thread.h"
#include "rhei/rhei_async.h"

static struct fixture fixture;
static struct rhei_error error;
static rhei_async *async;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)");
    must_execute(fixture.db,
                 "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2500) INSERT INTO t "
                 "SELECT x, 'text ' || x FROM n");
    if (rhei_async_open(fixture.db, NULL, &async, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return 0;
}

static int tear_down(void **state)
{
    rhei_async_close(&async);
    return fixture_tear_down(state);
}

static const char endless[] = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

static rhei_task *submit_with(const char *sql, const struct rhei_params *params,
                              const struct rhei_task_options *options)
{
    rhei_task *task = NULL;
    if (rhei_async_submit(async, sql, params, options, &task, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return task;
}

static rhei_task *submit(const char *sql)
{
    return submit_with(sql, NULL, NULL);
}

static bool is_readable(int timeout_ms)
{
    struct pollfd wait = {.fd = rhei_async_fd(async), .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

/* As a loop does it. */
static rhei_task *next_done(void)
{
    assert_true(is_readable(60000));
    rhei_task *task = rhei_async_take(async);
    assert_non_null(task);
    return task;
}

static rhei_status status_of(rhei_task *task)
{
    return rhei_task_status(task, &error);
}

static void test_a_loop_is_told_by_the_descriptor(void **state)
{
    (void)state;
    assert_false(is_readable(0));
    assert_null(rhei_async_take(async));
    rhei_task *task =
        submit_with("SELECT id, s, NULL, x'00ff', 2.5 FROM t WHERE id = ?", RHEI_PARAMS(rhei_integer(7)), NULL);
    assert_ptr_equal(next_done(), task);
    assert_false(is_readable(0));
    assert_int_equal(status_of(task), RHEI_DONE);
    assert_int_equal(rhei_task_column_count(task), 5);
    assert_string_equal(rhei_task_column_name(task, 1), "s");
    assert_string_equal(rhei_task_column_name(task, 9), "");
    assert_int_equal(rhei_task_row_count(task), 1);
    assert_int_equal(rhei_task_value(task, 0, 0).as.integer, 7);
    assert_memory_equal(rhei_task_value(task, 0, 1).as.bytes, "text 7", 6);
    assert_int_equal(rhei_task_value(task, 0, 2).type, RHEI_NULL);
    assert_int_equal(rhei_task_value(task, 0, 3).length, 2);
    assert_true(rhei_task_value(task, 0, 4).as.real == 2.5);
    assert_int_equal(rhei_task_value(task, 1, 0).type, RHEI_NULL);
    assert_int_equal(rhei_task_continue(task, &error), RHEI_INVALID);
    rhei_task_free(&task);
    assert_null(task);
    rhei_task_free(&task);
}

static void test_what_is_submitted_is_copied(void **state)
{
    (void)state;
    char sql[] = "SELECT ?1 || :more", text[] = "ab", name[] = ":more";
    struct rhei_value values[] = {rhei_text(text), rhei_name(name), rhei_text(text)};
    struct rhei_params params = {values, 3};
    rhei_task *task = submit_with(sql, &params, NULL);
    memset(sql, 'x', sizeof sql - 1);
    memset(text, 'x', sizeof text - 1);
    memset(name, 'x', sizeof name - 1);
    memset(values, 0, sizeof values);
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_DONE);
    assert_memory_equal(rhei_task_value(task, 0, 0).as.bytes, "abab", 4);
    rhei_task_free(&task);
}

static void test_rows_come_in_blocks_that_are_asked_for(void **state)
{
    (void)state;
    rhei_task *task = submit("SELECT id, s FROM t ORDER BY id");
    int64_t rows = 0;
    int blocks = 0;
    for (rhei_status status = RHEI_ROW; status == RHEI_ROW; blocks++) {
        assert_ptr_equal(next_done(), task);
        status = status_of(task);
        for (size_t i = 0; i < rhei_task_row_count(task); i++)
            assert_int_equal(rhei_task_value(task, i, 0).as.integer, ++rows);
        if (status == RHEI_ROW)
            assert_int_equal(rhei_task_continue(task, &error), RHEI_OK);
    }
    assert_int_equal(status_of(task), RHEI_DONE);
    assert_int_equal(rows, 2500);
    assert_int_equal(blocks, 3);
    rhei_task_free(&task);
}

static void test_arrow_batches_outlive_their_task(void **state)
{
    (void)state;
    struct rhei_task_options options = {.struct_size = sizeof options, .form = RHEI_TASK_ARROW};
    rhei_task *task = submit_with("SELECT id, s FROM t ORDER BY id", NULL, &options);
    struct ArrowSchema schema, again;
    struct ArrowArray batch, none;
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_ROW);
    assert_int_equal(rhei_task_row_count(task), 2500);
    rhei_task_batch(task, &schema, &batch);
    assert_int_equal(rhei_task_continue(task, &error), RHEI_OK);
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_DONE);
    rhei_task_batch(task, &again, &none);
    assert_null(again.release);
    assert_null(none.release);
    rhei_task_free(&task);
    assert_int_equal(schema.n_children, 2);
    assert_int_equal(((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset + 2499], 2500);
    batch.release(&batch);
    schema.release(&schema);
}

static void test_writes_tell_what_they_did(void **state)
{
    (void)state;
    struct rhei_task_options options = {.struct_size = sizeof options, .form = RHEI_TASK_NONE};
    struct rhei_result result = {.struct_size = sizeof result};
    rhei_task *task = submit_with("INSERT INTO t (s) VALUES ('a'), ('b')", NULL, &options);
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_DONE);
    rhei_task_result(task, &result);
    assert_int_equal(result.changes, 2);
    assert_int_equal(result.last_insert_rowid, 2502);
    rhei_task_free(&task);
    task = submit("DELETE FROM t WHERE id > 2500 RETURNING id");
    (void)next_done();
    rhei_task_result(task, &result);
    assert_int_equal(result.changes, 2);
    assert_int_equal(rhei_task_row_count(task), 2);
    rhei_task_free(&task);
}

static void test_d5_a_failure_is_the_tasks(void **state)
{
    (void)state;
    rhei_task *task = submit("SELECT 1,\nFROM t");
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_SQL);
    assert_int_equal(error.sql_offset, 10);
    rhei_task_free(&task);
    task = submit("INSERT INTO t VALUES (1, 'taken')");
    (void)next_done();
    assert_int_equal(status_of(task), RHEI_CONSTRAINT);
    assert_string_equal(error.sqlstate, "23505");
    rhei_task_free(&task);
}

struct heard {
    atomic_int count;
    atomic_int rows;
    atomic_int last;
};

static void hear(void *context, rhei_task *task)
{
    struct heard *heard = context;
    rhei_status status = rhei_task_status(task, NULL);
    assert_ptr_equal(rhei_task_context(task), heard);
    atomic_fetch_add(&heard->rows, (int)rhei_task_row_count(task));
    if (status == RHEI_ROW && rhei_task_continue(task, NULL) == RHEI_OK)
        return;
    atomic_store(&heard->last, (int)status);
    atomic_fetch_add(&heard->count, 1);
    rhei_task_free(&task);
}

static void await_count(struct heard *heard, int count)
{
    for (int i = 0; i < 60000 && atomic_load(&heard->count) < count; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&heard->count), count);
}

static void test_a_callback_is_told_instead(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct rhei_task_options options = {.struct_size = sizeof options, .done = hear, .context = &heard};
    for (int i = 0; i < 20; i++)
        assert_int_equal(rhei_async_submit(async, "SELECT id FROM t", NULL, &options, NULL, &error), RHEI_OK);
    await_count(&heard, 20);
    assert_int_equal(atomic_load(&heard.rows), 20 * 2500);
    assert_int_equal(atomic_load(&heard.last), RHEI_DONE);
    assert_false(is_readable(0));
}

static void test_there_is_no_room_for_ever(void **state)
{
    (void)state;
    rhei_async *small = NULL;
    rhei_task *tasks[3] = {NULL};
    struct rhei_async_options options = {.struct_size = sizeof options, .threads = 2, .tasks = 2};
    assert_int_equal(rhei_async_open(fixture.db, &options, &small, &error), RHEI_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rhei_async_submit(small, "SELECT 1", NULL, NULL, &tasks[i], &error), RHEI_OK);
    assert_int_equal(rhei_async_submit(small, "SELECT 1", NULL, NULL, &tasks[2], &error), RHEI_BUSY);
    assert_null(tasks[2]);
    struct pollfd wait = {.fd = rhei_async_fd(small), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 60000), 1);
    /* done is not yet gone: what it holds counts until it is freed */
    assert_int_equal(rhei_async_submit(small, "SELECT 1", NULL, NULL, &tasks[2], &error), RHEI_BUSY);
    rhei_task *taken = rhei_async_take(small);
    rhei_task_free(&taken);
    assert_int_equal(rhei_async_submit(small, "SELECT 1", NULL, NULL, &tasks[2], &error), RHEI_OK);
    rhei_async_close(&small);
}

static void test_q5_what_runs_and_what_waits_is_cancelled(void **state)
{
    (void)state;
    rhei_task *running[3], *waiting;
    for (int i = 0; i < 3; i++)
        running[i] = submit(endless);
    waiting = submit("SELECT 1"); /* three of four threads are taken, and one is kept */
    assert_int_equal(status_of(waiting), RHEI_BUSY);
    rhei_task_cancel(waiting);
    assert_ptr_equal(next_done(), waiting);
    assert_int_equal(status_of(waiting), RHEI_CANCELLED);
    rhei_task_free(&waiting);
    assert_false(is_readable(0));
    for (int i = 0; i < 3; i++)
        rhei_task_cancel(running[i]);
    for (int i = 0; i < 3; i++) {
        rhei_task *task = next_done();
        assert_int_equal(status_of(task), RHEI_CANCELLED);
        rhei_task_cancel(task);
        rhei_task_free(&task);
    }
}

static void test_q5_time_counts_from_the_submission(void **state)
{
    (void)state;
    struct rhei_query_options query = {.struct_size = sizeof query, .timeout_ms = 400};
    struct rhei_task_options options = {.struct_size = sizeof options, .query = &query};
    rhei_task *running[3], *late;
    for (int i = 0; i < 3; i++)
        running[i] = submit_with(endless, NULL, i == 0 ? &options : NULL);
    query.timeout_ms = 1;
    late = submit_with("SELECT 1", NULL, &options);
    for (int i = 0; i < 2; i++) { /* its turn comes when the first one's time is over, and its own was long before */
        rhei_task *task = next_done();
        assert_int_equal(status_of(task), RHEI_TIMEOUT);
        assert_true(task == running[0] || task == late);
        rhei_task_free(&task);
    }
    rhei_task_free(&running[1]); /* while it runs */
    rhei_task_free(&running[2]);
}

static void test_q7_a_sessions_statements_keep_their_order(void **state)
{
    (void)state;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    struct rhei_task_options in = {.struct_size = sizeof in, .session = session};
    static const char *const texts[] = {"BEGIN", "INSERT INTO t (s) VALUES ('one')", "SELECT count(*) FROM t",
                                        "COMMIT"};
    rhei_task *tasks[4];
    for (int i = 0; i < 4; i++)
        tasks[i] = submit_with(texts[i], NULL, &in);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(next_done(), tasks[i]);
        assert_int_equal(status_of(tasks[i]), RHEI_DONE);
        if (i == 2)
            assert_int_equal(rhei_task_value(tasks[i], 0, 0).as.integer, 2501);
        rhei_task_free(&tasks[i]);
    }
    /* one whose rows aren't read to the end holds up the next */
    tasks[0] = submit_with("BEGIN", NULL, &in);
    tasks[1] = submit_with("SELECT id FROM t", NULL, &in);
    tasks[2] = submit_with("ROLLBACK", NULL, &in);
    for (int i = 0; i < 2; i++)
        assert_ptr_equal(next_done(), tasks[i]);
    assert_int_equal(status_of(tasks[1]), RHEI_ROW);
    assert_false(is_readable(20));
    rhei_task_free(&tasks[1]);
    assert_ptr_equal(next_done(), tasks[2]);
    assert_int_equal(status_of(tasks[2]), RHEI_DONE);
    rhei_task_free(&tasks[0]);
    rhei_task_free(&tasks[2]);
    rhei_session_close(&session);
}

/* Writers on every thread would wait for a transaction whose COMMIT waits for a thread. */
static void test_q7_a_transaction_always_finds_a_thread(void **state)
{
    (void)state;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "DELETE FROM t", NULL, NULL, &error), RHEI_OK);
    struct rhei_task_options in = {.struct_size = sizeof in, .session = session};
    for (int i = 0; i < 8; i++)
        (void)submit("INSERT INTO t (s) VALUES ('waits')");
    (void)submit_with("COMMIT", NULL, &in);
    for (int i = 0; i < 9; i++) {
        rhei_task *task = next_done();
        assert_int_equal(status_of(task), RHEI_DONE); /* nobody's time to wait is over */
        rhei_task_free(&task);
    }
    rhei_session_close(&session);
}

/* The same where those who wait are transactions, too. */
static void test_q7_transactions_do_not_starve_one_another(void **state)
{
    (void)state;
    enum { SESSIONS = 4 };
    static const char *const texts[] = {"BEGIN", "INSERT INTO t (s) VALUES ('waits')", "COMMIT"};
    rhei_session *first = NULL, *sessions[SESSIONS];
    rhei_async *small = NULL;
    struct rhei_async_options two = {.struct_size = sizeof two, .threads = 2};
    assert_int_equal(rhei_async_open(fixture.db, &two, &small, &error), RHEI_OK);
    assert_int_equal(rhei_session_open(fixture.db, &first, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(first, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(first, "DELETE FROM t", NULL, NULL, &error), RHEI_OK);
    for (int i = 0; i < SESSIONS; i++) {
        assert_int_equal(rhei_session_open(fixture.db, &sessions[i], &error), RHEI_OK);
        struct rhei_task_options in = {.struct_size = sizeof in, .session = sessions[i]};
        for (int k = 0; k < 3; k++)
            assert_int_equal(rhei_async_submit(small, texts[k], NULL, &in, NULL, &error), RHEI_OK);
    }
    struct rhei_task_options in = {.struct_size = sizeof in, .session = first};
    rhei_task *commit = NULL;
    assert_int_equal(rhei_async_submit(small, "COMMIT", NULL, &in, &commit, &error), RHEI_OK);
    struct pollfd wait = {.fd = rhei_async_fd(small), .events = POLLIN};
    for (int done = 0; done < 1 + 3 * SESSIONS;) {
        assert_int_equal(poll(&wait, 1, 60000), 1);
        for (rhei_task *task; (task = rhei_async_take(small)) != NULL; rhei_task_free(&task), done++)
            assert_int_equal(status_of(task), RHEI_DONE); /* nobody's time to wait is over */
    }
    rhei_async_close(&small);
    for (int i = 0; i < SESSIONS; i++)
        rhei_session_close(&sessions[i]);
    rhei_session_close(&first);
}

static void test_the_close_ends_all(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct rhei_task_options options = {.struct_size = sizeof options, .done = hear, .context = &heard};
    struct rhei_task_options arrow = {.struct_size = sizeof arrow, .form = RHEI_TASK_ARROW};
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    struct rhei_task_options in = {.struct_size = sizeof in, .session = session};
    rhei_task *open = submit_with("SELECT id FROM t", NULL, &arrow);
    assert_ptr_equal(next_done(), open); /* held, with a batch, and never freed */
    for (int i = 0; i < 6; i++)
        (void)submit_with(endless, NULL, i % 2 == 0 ? &options : NULL);
    (void)submit_with("BEGIN", NULL, &in);
    (void)submit_with("SELECT id FROM t", NULL, &in);
    (void)submit_with("SELECT id FROM t", NULL, &in);
    rhei_async_close(&async);
    assert_null(async);
    assert_int_equal(atomic_load(&heard.count), 3);
    assert_int_equal(atomic_load(&heard.last), RHEI_CANCELLED);
    rhei_async_close(&async);
    rhei_session_close(&session);
    if (rhei_async_open(fixture.db, NULL, &async, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void test_what_cannot_be_right(void **state)
{
    (void)state;
    rhei_async *other = NULL;
    rhei_task *task = NULL;
    struct rhei_async_options one = {.struct_size = sizeof one, .threads = 1};
    assert_int_equal(rhei_async_open(fixture.db, &one, &other, &error), RHEI_INVALID);
    assert_int_equal(rhei_async_open(NULL, NULL, &other, &error), RHEI_INVALID);
    assert_int_equal(rhei_async_submit(NULL, "SELECT 1", NULL, NULL, &task, &error), RHEI_INVALID);
    assert_int_equal(rhei_async_submit(async, NULL, NULL, NULL, &task, &error), RHEI_INVALID);
    struct rhei_task_options form = {.struct_size = sizeof form, .form = 7};
    assert_int_equal(rhei_async_submit(async, "SELECT 1", NULL, &form, &task, &error), RHEI_INVALID);
    struct rhei_query_options query = {.struct_size = sizeof query, .timeout_ms = -1};
    struct rhei_task_options late = {.struct_size = sizeof late, .query = &query};
    assert_int_equal(rhei_async_submit(async, "SELECT 1", NULL, &late, &task, &error), RHEI_INVALID);
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    query = (struct rhei_query_options){.struct_size = sizeof query, .cancel = cancel};
    assert_int_equal(rhei_async_submit(async, "SELECT 1", NULL, &late, &task, &error), RHEI_INVALID);
    rhei_cancel_destroy(&cancel);
    assert_null(task);
    assert_int_equal(rhei_task_status(NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_task_continue(NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_async_fd(NULL), -1);
    rhei_task_cancel(NULL);
}

/* Any order of submitting, cancelling, continuing and freeing leaves every other task as it should be. */
static void test_any_order_of_ends(void **state)
{
    (void)state;
    uint32_t random = 20261128;
    struct heard heard = {0};
    struct rhei_task_options told = {.struct_size = sizeof told, .done = hear, .context = &heard};
    int expected = 0;
    for (int round = 0; round < 300; round++) {
        random = random * 1664525 + 1013904223;
        rhei_task *task = NULL;
        if ((random >> 16) % 4 == 0) {
            expected += rhei_async_submit(async, "SELECT id FROM t", NULL, &told, NULL, &error) == RHEI_OK;
            continue;
        }
        task = submit((random >> 18) % 2 == 0 ? "SELECT id FROM t" : "SELECT 1");
        if ((random >> 20) % 3 == 0)
            rhei_task_cancel(task);
        if ((random >> 22) % 3 == 0) {
            rhei_task_free(&task);
        } else {
            task = next_done();
            rhei_status status = status_of(task);
            assert_true(status == RHEI_ROW || status == RHEI_DONE || status == RHEI_CANCELLED);
            if (status == RHEI_ROW && (random >> 24) % 2 == 0)
                assert_int_equal(rhei_task_continue(task, &error), RHEI_OK);
            rhei_task_free(&task);
        }
    }
    await_count(&heard, expected);
    assert_int_equal(atomic_load(&heard.last), RHEI_DONE);
}

/* Any thread may submit, cancel and take: each takes whatever is done. */
enum { PEOPLE = 4, TASKS_EACH = 150 };
static atomic_int taken, well;

static void *submit_and_take(void *context)
{
    struct rhei_error own = RHEI_ERROR_INIT;
    int number = *(int *)context, submitted = 0;
    while (atomic_load(&taken) < PEOPLE * TASKS_EACH) {
        struct rhei_task_options form = {.struct_size = sizeof form, .form = (submitted + number) % 3};
        rhei_task *task = NULL;
        if (submitted < TASKS_EACH &&
            rhei_async_submit(async, number == 0 ? "INSERT INTO t (s) VALUES ('one')" : "SELECT s FROM t WHERE id = 7",
                              NULL, &form, NULL, &own) == RHEI_OK)
            submitted++;
        for (; (task = rhei_async_take(async)) != NULL; rhei_task_free(&task)) {
            rhei_status status = rhei_task_status(task, &own);
            atomic_fetch_add(&well, status == RHEI_DONE || status == RHEI_ROW);
            atomic_fetch_add(&taken, 1);
        }
        if (submitted == TASKS_EACH)
            (void)is_readable(1);
    }
    return NULL;
}

static void test_many_threads_share_the_tasks(void **state)
{
    (void)state;
    base_thread threads[PEOPLE];
    int numbers[PEOPLE];
    atomic_store(&taken, 0);
    atomic_store(&well, 0);
    for (int i = 0; i < PEOPLE; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, submit_and_take, &numbers[i]), 0);
    }
    for (int i = 0; i < PEOPLE; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&well), PEOPLE * TASKS_EACH);
    assert_false(is_readable(0));
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 2500 + TASKS_EACH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_loop_is_told_by_the_descriptor),
        TEST(test_what_is_submitted_is_copied),
        TEST(test_rows_come_in_blocks_that_are_asked_for),
        TEST(test_arrow_batches_outlive_their_task),
        TEST(test_writes_tell_what_they_did),
        TEST(test_d5_a_failure_is_the_tasks),
        TEST(test_a_callback_is_told_instead),
        TEST(test_there_is_no_room_for_ever),
        TEST(test_q5_what_runs_and_what_waits_is_cancelled),
        TEST(test_q5_time_counts_from_the_submission),
        TEST(test_q7_a_sessions_statements_keep_their_order),
        TEST(test_q7_a_transaction_always_finds_a_thread),
        TEST(test_q7_transactions_do_not_starve_one_another),
        TEST(test_the_close_ends_all),
        TEST(test_what_cannot_be_right),
        TEST(test_any_order_of_ends),
        TEST(test_many_threads_share_the_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
