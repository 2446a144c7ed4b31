/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of any executor: the end of a statement, readers that leave or are slow, batches that outlive it. */
#include "tests/support/executor_fixture.h"

#include <stdio.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_clock.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "tests/support/fair_time.h"

enum { TABLE = 1, ROWS = 200000 };

static const int64_t millisecond = 1000000;
/*
 * Of processor time, for what goes on after a statement was last told that it may: the least of several tries, since the thread that
 * asks may have to wait for a processor that the statement's other threads have.
 */
#ifdef __SANITIZE_THREAD__
static const int64_t late_ms = 5000; /* threads take turns for long there */
#else
static const int64_t late_ms = 300;
#endif

static const char cross_product[] = "SELECT count(*) FROM mirror_scan(1, 0) a, mirror_scan(1, 1) b WHERE a.v + b.v < 0";
static const char all_rows[] = "SELECT id, v, 'a text that is long enough to be big ' || id FROM mirror_scan(1, 0)";

static void fill(struct fixture *fixture)
{
    fixture_table(fixture, TABLE, "t", "id I, v I");
    struct rows rows = {0};
    for (int64_t i = 0; i < ROWS; i++)
        rows_add(&rows, (struct rhei_value[]){value_int(i), value_int(i % 1000)}, 2);
    fixture_apply(fixture, TABLE, &rows);
    fixture_publish(fixture);
}

struct limit {
    _Atomic int64_t deadline_ns;
    _Atomic int code;
    _Atomic uint64_t asked;
    _Atomic int64_t allowed_ns; /* processor time when it last was allowed to go on */
};

static rhei_status check_limit(void *context)
{
    struct limit *limit = context;
    limit->asked++;
    if (base_now_ns() >= limit->deadline_ns)
        return (rhei_status)limit->code;
    limit->allowed_ns = fair_processor_ns();
    return RHEI_OK;
}

static bool ended_soon(const struct limit *limit, const char *sql)
{
    int64_t late = fair_processor_ns() - limit->allowed_ns;
    print_message("# %.1f ms of processor time after the last leave to go on: %.40s\n", (double)late / 1e6, sql);
    return late < late_ms * millisecond;
}

static bool ends_in_time(struct fixture *fixture, const char *sql, rhei_status code)
{
    struct limit limit = {.deadline_ns = base_now_ns() + 100 * millisecond, .code = (int)code};
    struct question question;
    question_open(fixture, sql, &question);
    question.query.stop = (struct executor_stop){.check = check_limit, .context = &limit};
    assert_refused(fixture, &question.query, code, code == RHEI_TIMEOUT ? "time limit" : "cancelled");
    bool soon = ended_soon(&limit, sql);
    question_close(&question);
    return soon;
}

static void assert_ends_in_time(struct fixture *fixture, const char *sql, rhei_status code)
{
    bool soon = false;
    for (int i = 0; i < FAIR_TRIES && !soon; i++)
        soon = ends_in_time(fixture, sql, code);
    assert_true(soon);
}

static void test_q5_a_deadline_ends_scans_and_everything_else(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_ends_in_time(fixture, cross_product, RHEI_TIMEOUT);
    assert_ends_in_time(fixture, fixture_words.endless, RHEI_TIMEOUT);
    assert_ends_in_time(fixture, fixture_words.endless_sort, RHEI_CANCELLED);
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "200000");
}

static void test_q5_what_is_over_before_it_began_never_runs(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct limit limit = {.deadline_ns = 0, .code = RHEI_CANCELLED};
    struct question question;
    question_open(fixture, fixture_words.endless, &question);
    question.query.stop = (struct executor_stop){.check = check_limit, .context = &limit};
    assert_refused(fixture, &question.query, RHEI_CANCELLED, "cancelled");
    question_close(&question);
}

struct canceller {
    struct limit *limit;
    int64_t at_ns;
};

static void cancel_later(void *context)
{
    struct canceller *canceller = context;
    base_mutex mutex;
    base_cond never;
    base_mutex_init(&mutex);
    base_cond_init(&never);
    base_mutex_lock(&mutex);
    while (base_now_ns() < canceller->at_ns)
        base_cond_wait_until(&never, &mutex, canceller->at_ns);
    base_mutex_unlock(&mutex);
    base_cond_destroy(&never);
    base_mutex_destroy(&mutex);
    canceller->limit->deadline_ns = 0;
}

static bool ends_once_cancelled(struct fixture *fixture)
{
    struct limit limit = {.deadline_ns = INT64_MAX, .code = RHEI_CANCELLED};
    struct canceller canceller = {.limit = &limit, .at_ns = base_now_ns() + 50 * millisecond};
    struct question question;
    question_open(fixture, fixture_words.endless, &question);
    question.query.stop = (struct executor_stop){.check = check_limit, .context = &limit};
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "canceller", cancel_later, &canceller, NULL), RHEI_OK);
    assert_refused(fixture, &question.query, RHEI_CANCELLED, "cancelled");
    bool soon = ended_soon(&limit, fixture_words.endless);
    base_thread_join(&thread);
    question_close(&question);
    return soon;
}

static void test_q5_another_thread_cancels(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    bool soon = false;
    for (int i = 0; i < FAIR_TRIES && !soon; i++)
        soon = ends_once_cancelled(fixture);
    assert_true(soon);
}

static void test_q5_an_open_stream_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct limit limit = {.deadline_ns = INT64_MAX, .code = RHEI_CANCELLED};
    struct question question;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    question_open(fixture, all_rows, &question);
    question.query.stop = (struct executor_stop){.check = check_limit, .context = &limit};
    assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    batch.release(&batch);
    limit.deadline_ns = 0;
    int code = stream.get_next(&stream, &batch);
    assert_int_not_equal(code, 0);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(arrow_stream_error(&stream, code, &error), RHEI_CANCELLED);
    stream.release(&stream);
    question_close(&question);
}

/* The watchdog's ticks end with the statements: a check is asked only while something runs. Workers that were at it when
   the first rows were there fill what is kept ready for the reader, and then ask no more. */
static void test_nothing_is_polled_when_nothing_runs(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct limit limit = {.deadline_ns = INT64_MAX, .code = RHEI_CANCELLED};
    struct question question;
    struct ArrowArrayStream stream;
    question_open(fixture, all_rows, &question);
    question.query.stop = (struct executor_stop){.check = check_limit, .context = &limit};
    assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
    int64_t give_up_ns = base_now_ns() + 120000 * millisecond;
    uint64_t asked;
    do {
        struct limit other = {.deadline_ns = INT64_MAX, .code = RHEI_CANCELLED};
        struct canceller canceller = {.limit = &other, .at_ns = base_now_ns() + 50 * millisecond};
        asked = limit.asked;
        cancel_later(&canceller);
    } while (limit.asked != asked && base_now_ns() < give_up_ns);
    assert_int_equal(limit.asked, asked);
    stream.release(&stream);
    question_close(&question);
}

/* Leaving early, at once or in the middle, and then writing over everything that the snapshot held. */
static void test_a_stream_left_early_reads_its_snapshot_no_more(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    for (int round = 0; round < 40; round++) {
        struct question question;
        struct ArrowArrayStream stream;
        question_open(fixture, all_rows, &question);
        question.query.plan_key = round % 2 == 0 ? "kept" : NULL;
        assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
        for (int i = 0; i < round % 5; i++) {
            struct ArrowArray batch;
            assert_int_equal(stream.get_next(&stream, &batch), 0);
            assert_non_null(batch.release);
            batch.release(&batch);
        }
        stream.release(&stream);
        question_close(&question);
        struct rows rows = {0};
        for (int64_t i = 0; i < ROWS / 4; i++)
            rows_add(&rows, (struct rhei_value[]){value_int((round * 7919 + i * 4) % ROWS), value_int(round)}, 2);
        fixture_apply(fixture, TABLE, &rows);
        fixture_publish(fixture);
    }
    struct mirror_status status;
    mirror_status(fixture->mirror, &status);
    assert_int_equal(status.snapshots_held, 0);
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "200000");
}

static void test_q5_a_slow_reader_stops_no_writer_and_sees_its_snapshot(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct question question;
    struct ArrowArrayStream stream;
    question_open(fixture, "SELECT v FROM mirror_scan(1, 0)", &question);
    assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
    int64_t rows_read = 0;
    int64_t sum = 0;
    for (int64_t version = 1;; version++) {
        struct ArrowArray batch;
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (batch.release == NULL)
            break;
        const int64_t *values = (const int64_t *)batch.children[0]->buffers[1] + batch.children[0]->offset;
        for (int64_t i = 0; i < batch.length; i++)
            sum += values[i];
        rows_read += batch.length;
        batch.release(&batch);
        struct rows rows = {0};
        for (int64_t i = 0; i < 1000; i++)
            rows_add(&rows, (struct rhei_value[]){value_int((version * 1000 + i) % ROWS), value_int(-1000000)}, 2);
        fixture_apply(fixture, TABLE, &rows);
        fixture_publish(fixture);
    }
    assert_int_equal(rows_read, ROWS);
    assert_int_equal(sum, (int64_t)ROWS / 1000 * 499500);
    stream.release(&stream);
    question_close(&question);
}

static void test_d1_an_empty_result_has_a_schema(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct question question;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    question_open(fixture, "SELECT id, 'x' AS text FROM mirror_scan(1, 0) WHERE id < 0", &question);
    assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(schema.n_children, 2);
    assert_string_equal(schema.children[1]->name, "text");
    schema.release(&schema);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    assert_null(batch.release);
    stream.release(&stream);
    question_close(&question);
}

/* Batches outlive the stream that made them. */
static void test_batches_are_the_consumer_s(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct question question;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    question_open(fixture, "SELECT 'a text of more than twelve bytes ' || id FROM mirror_scan(1, 0) WHERE id = 77",
                  &question);
    question.query.strings_view = true;
    assert_int_equal(fixture->executor->ops->run(fixture->executor, &question.query, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    stream.release(&stream);
    question_close(&question);
    assert_int_equal(batch.length, 1);
    assert_memory_equal(batch.children[0]->buffers[2], "a text of more than twelve bytes 77", 35);
    batch.release(&batch);
}

int executor_stream_tests(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_q5_a_deadline_ends_scans_and_everything_else),
        WITH_FIXTURE(test_q5_what_is_over_before_it_began_never_runs),
        WITH_FIXTURE(test_q5_another_thread_cancels),
        WITH_FIXTURE(test_q5_an_open_stream_can_be_cancelled),
        WITH_FIXTURE(test_nothing_is_polled_when_nothing_runs),
        WITH_FIXTURE(test_a_stream_left_early_reads_its_snapshot_no_more),
        WITH_FIXTURE(test_q5_a_slow_reader_stops_no_writer_and_sees_its_snapshot),
        WITH_FIXTURE(test_d1_an_empty_result_has_a_schema),
        WITH_FIXTURE(test_batches_are_the_consumer_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
