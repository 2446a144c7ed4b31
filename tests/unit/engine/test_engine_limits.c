/* SPDX-License-Identifier: Apache-2.0 */
/* Time-outs and cancel of everything that writes or waits: it ends soon, and nothing of it is kept. */
#include "tests/support/engine_fixture.h"
#include "tests/support/fair_time.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static struct fixture fixture;

/* Long beside the limits below, and long beside what a loaded machine adds to them. */
#define ENDLESS      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000000000) "
#define LONG_INSERT  "INSERT INTO t(a) " ENDLESS "SELECT i FROM c"
#define LONG_UPDATE  "UPDATE t SET a = (" ENDLESS "SELECT count(*) FROM c)"
#define LONG_DELETE  "DELETE FROM t WHERE a < (" ENDLESS "SELECT count(*) FROM c)"
#define LONG_CREATE  "CREATE TABLE made AS " ENDLESS "SELECT i FROM c"
#define LONG_REPLACE "REPLACE INTO t(id, a) " ENDLESS "SELECT 1 + i % 3, i FROM c"

enum { LIMIT_MS = 60, SLACK_MS = 700 };

static int set_up(void **state)
{
    *state = &fixture;
    struct rhei_config config = {.struct_size = sizeof config, .busy_timeout_ms = 60000};
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)");
    must_execute(fixture.db, "INSERT INTO t(a) VALUES (1), (2), (3)");
    return 0;
}

/* ---- A second thread that raises a flag. ---- */

struct raiser {
    rhei_cancel *cancel;
    pthread_t thread;
};

static void *raise_later(void *argument)
{
    struct timespec pause = {.tv_nsec = LIMIT_MS * 1000000L};
    nanosleep(&pause, NULL);
    rhei_cancel_raise(((struct raiser *)argument)->cancel);
    return NULL;
}

static void raiser_start(struct raiser *raiser)
{
    assert_int_equal(rhei_cancel_create(&raiser->cancel, NULL), RHEI_OK);
    assert_int_equal(pthread_create(&raiser->thread, NULL, raise_later, raiser), 0);
}

static void raiser_end(struct raiser *raiser)
{
    pthread_join(raiser->thread, NULL);
    rhei_cancel_destroy(&raiser->cancel);
}

/* ---- Every way to write. ---- */

enum way { BY_EXECUTE, BY_QUERY, BY_SCRIPT, BY_BATCH, BY_STATEMENT, BY_SESSION, BY_SESSION_QUERY, WAYS };

static rhei_status run_way(rhei_db *db, enum way way, const char *sql, const struct rhei_call_options *options,
                           struct rhei_error *error)
{
    struct rhei_query_options asking = {
        .struct_size = sizeof asking, .timeout_ms = options->timeout_ms, .cancel = options->cancel};
    rhei_rows *rows = NULL;
    rhei_statement *statement = NULL;
    rhei_session *session = NULL;
    rhei_status status;
    switch (way) {
    case BY_QUERY:
        status = rhei_query(db, sql, NULL, &asking, &rows, error);
        break;
    case BY_SCRIPT:
        status = rhei_execute_script_with(db, sql, options, NULL, error);
        break;
    case BY_BATCH:
        status = rhei_execute_batch_with(db, sql, NULL, 0, 2, options, NULL, error);
        break;
    case BY_STATEMENT:
        assert_int_equal(rhei_prepare(db, sql, &statement, error), RHEI_OK);
        status = rhei_statement_execute_with(statement, NULL, options, NULL, error);
        break;
    case BY_SESSION:
        assert_int_equal(rhei_session_open(db, &session, error), RHEI_OK);
        status = rhei_session_execute_with(session, sql, NULL, options, NULL, error);
        break;
    case BY_SESSION_QUERY:
        assert_int_equal(rhei_session_open(db, &session, error), RHEI_OK);
        status = rhei_session_query(session, sql, NULL, &asking, &rows, error);
        break;
    default:
        status = rhei_execute_with(db, sql, NULL, options, NULL, error);
    }
    rhei_rows_close(&rows);
    rhei_statement_close(&statement);
    rhei_session_close(&session);
    return status;
}

/* Once; how long it took. It never ends before its time. */
static int64_t end_once(rhei_db *db, enum way way, const char *sql, bool by_cancel)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct raiser raiser = {0};
    struct rhei_call_options options = {.struct_size = sizeof options};
    int64_t start = fair_now_ms(); /* before the raiser's pause begins */
    if (by_cancel)
        raiser_start(&raiser);
    else
        options.timeout_ms = LIMIT_MS;
    options.cancel = raiser.cancel;
    rhei_status status = run_way(db, way, sql, &options, &error);
    int64_t took = fair_now_ms() - start;
    if (by_cancel)
        raiser_end(&raiser);
    if (status != (by_cancel ? RHEI_CANCELLED : RHEI_TIMEOUT) || took < LIMIT_MS - 1)
        fail_msg("way %d, %s: %s after %lld ms: %s", (int)way, sql, rhei_status_name(status), (long long)took,
                 error.message);
    assert_int_equal(error.code, status);
    return took;
}

static void must_end(rhei_db *db, enum way way, const char *sql, bool by_cancel)
{
    int64_t took = INT64_MAX;
    for (int i = 0; i < FAIR_TRIES && took > LIMIT_MS + SLACK_MS; i++)
        took = end_once(db, way, sql, by_cancel);
    if (took > LIMIT_MS + SLACK_MS)
        fail_msg("way %d, %s: ended after %lld ms", (int)way, sql, (long long)took);
}

static void must_be_as_before(rhei_db *db)
{
    assert_int_equal(must_int64(db, "SELECT count(*) * 100 + sum(a) FROM t", RHEI_ROUTE_OLTP), 306);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM sqlite_master WHERE name = 'made'", RHEI_ROUTE_OLTP), 0);
}

static void test_q5_every_way_of_writing_obeys_time_and_cancel(void **state)
{
    (void)state;
    static const char *const texts[] = {LONG_INSERT, LONG_UPDATE,  LONG_DELETE,
                                        LONG_CREATE, LONG_REPLACE, LONG_UPDATE " RETURNING a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (int way = 0; way < WAYS; way++) {
            must_end(fixture.db, (enum way)way, texts[i], (i + (size_t)way) % 2 == 0);
            must_be_as_before(fixture.db);
        }
    }
    must_end(fixture.db, BY_SCRIPT, "INSERT INTO t(a) VALUES (7); " LONG_UPDATE, false);
    must_end(fixture.db, BY_SCRIPT, "CREATE TABLE made (a); INSERT INTO made VALUES (7); " LONG_UPDATE, true);
    must_end(fixture.db, BY_EXECUTE, ENDLESS "SELECT count(*) FROM c", true);
    must_be_as_before(fixture.db);
    must_execute(fixture.db, "INSERT INTO t(a) VALUES (4)");
    must_be_built(fixture.db);
    must_verify(fixture.db);
    must_execute(fixture.db, "DELETE FROM t WHERE a = 4");
}

static void test_q5_a_limit_that_is_over_ends_a_write_before_it_begins(void **state)
{
    (void)state;
    struct rhei_call_options options = {.struct_size = sizeof options};
    assert_int_equal(rhei_cancel_create(&options.cancel, NULL), RHEI_OK);
    rhei_cancel_raise(options.cancel);
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int way = 0; way < WAYS; way++)
        assert_int_equal(run_way(fixture.db, (enum way)way, "INSERT INTO t(a) VALUES (9)", &options, &error),
                         RHEI_CANCELLED);
    assert_int_equal(rhei_verify_with(fixture.db, NULL, &options, NULL, &error), RHEI_CANCELLED);
    rhei_cancel_clear(options.cancel);
    must_be_as_before(fixture.db);
    assert_int_equal(rhei_execute_with(fixture.db, "DELETE FROM t WHERE a = 9", NULL, &options, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_initial_sync_with(fixture.db, &options, &error), RHEI_OK);
    assert_int_equal(rhei_verify_with(fixture.db, NULL, &options, NULL, &error), RHEI_OK);
    rhei_cancel_destroy(&options.cancel);
}

/* ---- Waiting. ---- */

static void test_q5_waiting_for_the_writer_obeys_time_and_cancel(void **state)
{
    (void)state;
    struct rhei_config config = {.struct_size = sizeof config, .busy_timeout_ms = 60000};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *other = NULL;
    rhei_session *session = NULL;
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    rhei_db *const holders[] = {fixture.db, other};
    for (int h = 0; h < 2; h++) {
        assert_int_equal(rhei_session_open(holders[h], &session, &error), RHEI_OK);
        assert_int_equal(rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, &error), RHEI_OK);
        for (int way = 0; way < WAYS; way++) {
            must_end(fixture.db, (enum way)way, "INSERT INTO t(a) VALUES (9)", way % 2 == 0);
            must_end(fixture.db, (enum way)way, "CREATE TABLE made (a)", way % 2 != 0);
        }
        must_end(fixture.db, BY_SESSION, "BEGIN IMMEDIATE", false);
        must_end(fixture.db, BY_EXECUTE, "VACUUM", true);
        rhei_session_close(&session);
    }
    rhei_close(&other);
    must_be_as_before(fixture.db);
}

/* ---- Groups: a long statement harms nobody's time, and nobody's data. ---- */

enum { WRITERS = 6, WRITES = 60 };

struct crowd_member {
    int number;
    int64_t fastest_ms;
    int failed;
};

static void *crowd_write(void *argument)
{
    struct crowd_member *member = argument;
    struct rhei_call_options options = {.struct_size = sizeof options, .timeout_ms = 250000};
    for (int i = 0; i < WRITES; i++) {
        rhei_status status =
            rhei_execute_with(fixture.db, "INSERT INTO crowd VALUES (?, ?)",
                              RHEI_PARAMS(rhei_integer(member->number), rhei_integer(i)), &options, NULL, NULL);
        member->failed += status != RHEI_OK;
    }
    return NULL;
}

static void *crowd_disturb(void *argument)
{
    struct crowd_member *member = argument;
    struct rhei_call_options options = {.struct_size = sizeof options, .timeout_ms = LIMIT_MS};
    member->fastest_ms = INT64_MAX;
    for (int i = 0; i < 4 || (i < FAIR_TRIES && member->fastest_ms > LIMIT_MS + SLACK_MS); i++) {
        int64_t start = fair_now_ms();
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = rhei_execute_with(fixture.db, "INSERT INTO crowd " ENDLESS "SELECT -1, i FROM c", NULL,
                                               &options, NULL, &error);
        int64_t took = fair_now_ms() - start;
        member->failed += status != RHEI_TIMEOUT;
        member->fastest_ms = took < member->fastest_ms ? took : member->fastest_ms;
    }
    return NULL;
}

static void test_q5_a_long_write_in_a_crowd_ends_alone(void **state)
{
    (void)state;
    pthread_t threads[WRITERS + 1];
    struct crowd_member members[WRITERS + 1] = {0};
    must_execute(fixture.db, "CREATE TABLE crowd (w INTEGER, i INTEGER)");
    for (int i = 0; i <= WRITERS; i++) {
        members[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, i == WRITERS ? crowd_disturb : crowd_write, &members[i]), 0);
    }
    for (int i = 0; i <= WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(members[i].failed, 0);
    }
    assert_in_range(members[WRITERS].fastest_ms, LIMIT_MS, LIMIT_MS + SLACK_MS);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM crowd", RHEI_ROUTE_OLTP), WRITERS * WRITES);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM crowd WHERE w = -1", RHEI_ROUTE_OLTP), 0);
    must_be_built(fixture.db);
    must_verify(fixture.db);
    must_execute(fixture.db, "DROP TABLE crowd");
}

/* ---- What it does to a session's transaction. ---- */

static rhei_status in_session(rhei_session *session, const char *sql, int64_t timeout_ms, struct rhei_error *error)
{
    struct rhei_call_options options = {.struct_size = sizeof options, .timeout_ms = timeout_ms};
    return rhei_session_execute_with(session, sql, NULL, &options, NULL, error);
}

static void test_q7_a_write_that_is_ended_ends_its_transaction(void **state)
{
    (void)state;
    static const char *const writes[] = {LONG_INSERT, LONG_UPDATE, LONG_DELETE, LONG_CREATE};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        assert_int_equal(in_session(session, "BEGIN", 0, &error), RHEI_OK);
        assert_int_equal(in_session(session, "INSERT INTO t(a) VALUES (50)", 0, &error), RHEI_OK);
        assert_int_equal(in_session(session, writes[i], LIMIT_MS, &error), RHEI_TIMEOUT);
        assert_non_null(strstr(error.message, "rolled back"));
        assert_false(rhei_session_in_transaction(session));
        must_be_as_before(fixture.db);
    }
    struct rhei_call_options options = {.struct_size = sizeof options, .timeout_ms = LIMIT_MS};
    assert_int_equal(in_session(session, "BEGIN", 0, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_execute_script(session, "INSERT INTO t(a) VALUES (50); " LONG_UPDATE, &options, NULL, &error),
        RHEI_TIMEOUT);
    assert_false(rhei_session_in_transaction(session));
    must_be_as_before(fixture.db);
    rhei_session_close(&session);
}

static void test_q7_a_read_or_a_commit_that_is_ended_leaves_the_transaction(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_call_options options = {.struct_size = sizeof options};
    rhei_session *session = NULL;
    assert_int_equal(rhei_cancel_create(&options.cancel, NULL), RHEI_OK);
    rhei_cancel_raise(options.cancel);
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(in_session(session, "BEGIN", 0, &error), RHEI_OK);
    assert_int_equal(in_session(session, "INSERT INTO t(a) VALUES (50)", 0, &error), RHEI_OK);
    assert_int_equal(in_session(session, ENDLESS "SELECT count(*) FROM c", LIMIT_MS, &error), RHEI_TIMEOUT);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(rhei_session_execute_with(session, "COMMIT", NULL, &options, NULL, &error), RHEI_CANCELLED);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(rhei_session_execute_with(session, "ROLLBACK", NULL, &options, NULL, &error), RHEI_OK);
    assert_false(rhei_session_in_transaction(session));
    must_be_as_before(fixture.db);
    rhei_session_close(&session);
    rhei_cancel_destroy(&options.cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q5_every_way_of_writing_obeys_time_and_cancel),
        cmocka_unit_test(test_q5_a_limit_that_is_over_ends_a_write_before_it_begins),
        cmocka_unit_test(test_q5_waiting_for_the_writer_obeys_time_and_cancel),
        cmocka_unit_test(test_q5_a_long_write_in_a_crowd_ends_alone),
        cmocka_unit_test(test_q7_a_write_that_is_ended_ends_its_transaction),
        cmocka_unit_test(test_q7_a_read_or_a_commit_that_is_ended_leaves_the_transaction),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
