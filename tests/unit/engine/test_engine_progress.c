/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far long calls are, and that who is told may end them. Nothing here measures time: each call goes on, or is held, until the
 * listener was told what it waits for, which ends it.
 */
#include "tests/support/engine_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "rhei/rhei_doors.h"

#define ENDLESS "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) "

static struct fixture fixture;
static rhei_db *other; /* on the same file */

/* What a listener waits to be told; then it ends the call. */
struct listener {
    const char *doing, *unit, *table;
    int64_t least_done;
    bool knows_total;
    int64_t total; /* 0: any */
    atomic_bool met;
    atomic_bool noted; /* told once more, so what it returned is known to the call by now */
    atomic_int wrong;  /* times that it was told what can't be */
};

static int listen(void *context, const struct rhei_progress *progress)
{
    struct listener *listener = context;
    if (atomic_load(&listener->met))
        atomic_store(&listener->noted, true);
    bool sound = progress->struct_size == sizeof *progress && progress->done >= 0 && progress->elapsed_us >= 0 &&
                 progress->fraction <= 1 && (progress->total < 0) == (progress->fraction < 0) &&
                 (progress->total < 0 || progress->done <= progress->total);
    atomic_fetch_add(&listener->wrong, !sound);
    if (strcmp(progress->doing, listener->doing) != 0 || progress->done < listener->least_done ||
        strcmp(progress->unit, listener->unit) != 0 || (listener->knows_total && progress->total < 0) ||
        (listener->total != 0 && progress->total != listener->total) ||
        (listener->table != NULL && strcmp(progress->table, listener->table) != 0))
        return 0;
    atomic_store(&listener->met, true);
    return 1;
}

static void pause_a_little(void)
{
    atomic_uint nobody = 0;
    base_word_wait(&nobody, 0, base_now_ns() + 1000000);
}

/* On the thread of the call. The test's own time-out ends what goes on for ever. */
static void wait_until_noted(const struct listener *listener)
{
    while (!atomic_load(&listener->noted))
        pause_a_little();
}

/* ---- A function and a fault point that hold what runs until the listener was told. ---- */

static _Atomic(struct listener *) holder;
static _Atomic(const char *) held_point;
static atomic_bool beside; /* what is held isn't the call's own thread: held until the call is over */

enum { HELD_VALUE = 20000 };

static rhei_status gate(void *context, rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                        struct rhei_value *result, struct rhei_error *error)
{
    (void)context, (void)count, (void)error;
    rhei_status status = RHEI_OK;
    while (arguments[0].as.integer == HELD_VALUE && atomic_load(&holder) != NULL && status == RHEI_OK)
        status = rhei_call_check(call);
    *result = arguments[0];
    return status;
}

static rhei_status connect_gate(void *context, rhei_connection *connection, struct rhei_error *error)
{
    (void)context;
    struct rhei_function function = {
        .struct_size = sizeof function, .name = "gate", .arguments = 1, .deterministic = true, .run = gate};
    return rhei_create_function(connection, &function, error);
}

static void hold(void *context, const char *point)
{
    (void)context;
    const char *wanted = atomic_load(&held_point);
    if (wanted == NULL || strcmp(wanted, point) != 0)
        return;
    if (!atomic_load(&beside))
        wait_until_noted(atomic_load(&holder));
    while (atomic_load(&beside) && atomic_load(&held_point) == wanted)
        pause_a_little();
}

static void hold_at(const char *point, struct listener *listener)
{
    atomic_store(&holder, listener);
    atomic_store(&held_point, point);
}

/* ---- */

static struct rhei_call_options call_of(struct listener *listener)
{
    return (struct rhei_call_options){
        .struct_size = sizeof(struct rhei_call_options), .progress = listen, .progress_context = listener};
}

static struct rhei_query_options query_of(struct listener *listener, int32_t route)
{
    return (struct rhei_query_options){.struct_size = sizeof(struct rhei_query_options),
                                       .route = route,
                                       .progress = listen,
                                       .progress_context = listener};
}

static void must_have_ended(struct listener *listener, rhei_status status, const struct rhei_error *error)
{
    if (status != RHEI_CANCELLED || error->code != RHEI_CANCELLED)
        fail_msg("%s: %s: %s", listener->doing, rhei_status_name(status), error->message);
    assert_true(atomic_load(&listener->met));
    assert_int_equal(atomic_load(&listener->wrong), 0);
    hold_at(NULL, NULL);
}

static int set_up(void **state)
{
    (void)state;
    struct rhei_config config = {.struct_size = sizeof config,
                                 .busy_timeout_ms = 600000,
                                 .manual_sync = true,
                                 .sync_batch_rows = 1000,
                                 .on_connect = connect_gate,
                                 .fault = hold};
    struct rhei_error error = RHEI_ERROR_INIT;
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    config.fault = NULL;
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)");
    must_execute(fixture.db, ENDLESS "INSERT INTO t SELECT i, i FROM c LIMIT 30000");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rhei_close(&other);
    fixture_end(&fixture);
    return 0;
}

static void test_q5_queries_tell_their_steps(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct listener listener = {.doing = "reading", .unit = "steps", .least_done = 5000};
    struct rhei_query_options options = query_of(&listener, RHEI_ROUTE_OLTP);
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, ENDLESS "SELECT i FROM c", NULL, &options, &rows, &error);
    assert_int_equal(status, RHEI_OK); /* rows come until it is ended */
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        continue;
    must_have_ended(&listener, status, &error);
    rhei_rows_close(&rows);

    struct listener counting = {.doing = "reading", .unit = "steps", .least_done = 5000};
    options = query_of(&counting, RHEI_ROUTE_OLTP);
    status = rhei_query(fixture.db, ENDLESS "SELECT count(*) FROM c", NULL, &options, &rows, &error);
    while (status == RHEI_OK && (status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        continue;
    must_have_ended(&counting, status, &error);
    rhei_rows_close(&rows);

    struct listener arrow = {.doing = "reading", .unit = "steps", .least_done = 5000};
    struct ArrowArrayStream stream = {0};
    options = query_of(&arrow, RHEI_ROUTE_OLTP);
    status = rhei_query_arrow(fixture.db, ENDLESS "SELECT count(*) FROM c", NULL, &options, &stream, &error);
    must_have_ended(&arrow, status, &error);
}

static void test_q5_the_column_store_tells_its_rows(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    must_be_built(fixture.db);
    struct listener listener = {
        .doing = "asking the column store", .unit = "rows", .least_done = 2048, .knows_total = true};
    struct rhei_query_options options = query_of(&listener, RHEI_ROUTE_OLAP);
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_query(fixture.db, "SELECT count(*) FROM t x, t y, t z WHERE x.a * y.a + z.a = -1 AND x.a + y.a <> z.a",
                   NULL, &options, &rows, &error);
    while (status == RHEI_OK && (status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        continue;
    must_have_ended(&listener, status, &error);
    rhei_rows_close(&rows);
}

static void test_q5_writes_tell_steps_rows_and_bytes(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct listener one = {.doing = "writing", .unit = "steps", .least_done = 5000};
    struct rhei_call_options options = call_of(&one);
    rhei_status status =
        rhei_execute_with(fixture.db, "INSERT INTO t(a) " ENDLESS "SELECT i FROM c", NULL, &options, NULL, &error);
    must_have_ended(&one, status, &error);

    /* the second row never ends by itself */
    static const char batch_text[] =
        "INSERT INTO t(a) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1) SELECT "
        "count(*) FROM c";
    struct rhei_value values[] = {rhei_integer(1), rhei_integer(INT64_MAX), rhei_integer(2)};
    struct listener batch = {.doing = "writing", .unit = "rows", .least_done = 1, .total = 3};
    options = call_of(&batch);
    status = rhei_execute_batch_with(fixture.db, batch_text, values, 1, 3, &options, NULL, &error);
    must_have_ended(&batch, status, &error);

    static const char text[] = "INSERT INTO t(a) VALUES (7); INSERT INTO t(a) " ENDLESS "SELECT i FROM c; SELECT 1";
    struct listener script = {.doing = "writing", .unit = "bytes", .least_done = 27, .total = sizeof text - 1};
    options = call_of(&script);
    status = rhei_execute_script_with(fixture.db, text, &options, NULL, &error);
    must_have_ended(&script, status, &error);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 30000);
}

static void test_q5_waiting_tells_for_what(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char *const what[] = {"waiting for other writers", "waiting for another process's lock"};
    rhei_db *const holders[] = {fixture.db, other};
    for (int h = 0; h < 2; h++) {
        rhei_session *session = NULL;
        assert_int_equal(rhei_session_open(holders[h], &session, &error), RHEI_OK);
        assert_int_equal(rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, &error), RHEI_OK);
        struct listener listener = {.doing = what[h], .unit = "steps"};
        struct rhei_call_options options = call_of(&listener);
        rhei_status status = rhei_execute_with(fixture.db, "INSERT INTO t(a) VALUES (1)", NULL, &options, NULL, &error);
        must_have_ended(&listener, status, &error);
        struct listener registering = {.doing = what[h], .unit = "steps", .table = "t"};
        options = call_of(&registering);
        status = rhei_register_table_with(fixture.db, "t", NULL, 0, &options, &error);
        must_have_ended(&registering, status, &error);
        struct listener leaving = {.doing = what[h], .unit = "steps", .table = "t"};
        options = call_of(&leaving);
        status = rhei_unregister_table_with(fixture.db, "t", &options, &error);
        must_have_ended(&leaving, status, &error);
        if (h == 1) {
            struct listener detaching = {.doing = what[h], .unit = "steps"};
            options = call_of(&detaching);
            status = rhei_detach_with(fixture.path, NULL, &options, &error);
            must_have_ended(&detaching, status, &error);
        }
        rhei_session_close(&session);
    }
    must_be_built(fixture.db);
    must_verify(fixture.db);
}

static void test_a4_a_cycle_tells_its_changes(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    must_be_built(fixture.db);
    must_execute(fixture.db, "UPDATE t SET a = a + 1");
    struct listener now = {.doing = "applying changes", .unit = "changes", .least_done = 1000, .knows_total = true};
    struct rhei_call_options options = call_of(&now);
    hold_at("sync.cycle.batch", &now);
    must_have_ended(&now, rhei_sync_now_with(fixture.db, &options, NULL, &error), &error);

    struct listener fresh = {.doing = "waiting for the column store", .unit = "changes", .least_done = 1000};
    struct rhei_query_options asking = query_of(&fresh, RHEI_ROUTE_OLAP);
    rhei_rows *rows = NULL;
    hold_at("sync.cycle.batch", &fresh);
    must_have_ended(&fresh, rhei_query(fixture.db, "SELECT sum(a) FROM t", NULL, &asking, &rows, &error), &error);
    assert_null(rows);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(a) FROM t", RHEI_ROUTE_OLAP), 450045000);
    must_verify(fixture.db);
}

static void test_a3_a_build_tells_its_rows(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    must_be_built(fixture.db);
    struct listener listener = {
        .doing = "building the column store", .unit = "rows", .least_done = 1000, .knows_total = true};
    struct rhei_call_options options = call_of(&listener);
    atomic_store(&beside, true);
    hold_at("sync.build.batch", &listener);
    assert_int_equal(rhei_rebuild(fixture.db, "t", &error), RHEI_OK);
    must_have_ended(&listener, rhei_initial_sync_with(fixture.db, &options, &error), &error);
    atomic_store(&beside, false);
    must_be_built(fixture.db); /* it went on in the background */
    must_verify(fixture.db);
}

static void test_a6_a_comparison_tells_its_rows(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    must_execute(fixture.db, "CREATE TABLE held (id INTEGER PRIMARY KEY, a, b AS (gate(a)))");
    must_execute(fixture.db, "INSERT INTO held(a) SELECT a FROM t");
    must_be_built(fixture.db);
    struct listener listener = {
        .doing = "comparing table and mirror", .unit = "rows", .table = "held", .least_done = 30000, .total = 60000};
    struct rhei_call_options options = call_of(&listener);
    hold_at(NULL, &listener);
    uint64_t rows = 0;
    must_have_ended(&listener, rhei_verify_with(fixture.db, "held", &options, &rows, &error), &error);
    must_verify(fixture.db);
    must_execute(fixture.db, "DROP TABLE held");
}

/* ---- A stream that gives no second batch until the listener was told. ---- */

struct held_stream {
    struct ArrowArrayStream inner;
    struct listener *listener;
    int batches;
};

static int held_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    struct held_stream *held = self->private_data;
    return held->inner.get_schema(&held->inner, out);
}

static int held_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct held_stream *held = self->private_data;
    if (held->batches++ > 0)
        wait_until_noted(held->listener);
    return held->inner.get_next(&held->inner, out);
}

static const char *held_error(struct ArrowArrayStream *self)
{
    struct held_stream *held = self->private_data;
    return held->inner.get_last_error(&held->inner);
}

static void held_release(struct ArrowArrayStream *self)
{
    struct held_stream *held = self->private_data;
    held->inner.release(&held->inner);
    self->release = NULL;
}

static void test_q5_an_ingest_tells_its_rows(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct listener listener = {.doing = "taking in rows", .unit = "rows", .table = "taken", .least_done = 4096};
    struct held_stream held = {.listener = &listener};
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT * FROM t", NULL, NULL, &held.inner, &error), RHEI_OK);
    struct ArrowArrayStream stream = {held_schema, held_next, held_error, held_release, &held};
    struct rhei_ingest_options options = {
        .struct_size = sizeof options, .mode = RHEI_INGEST_CREATE, .progress = listen, .progress_context = &listener};
    must_have_ended(&listener, rhei_ingest_arrow(fixture.db, "taken", &stream, &options, NULL, &error), &error);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM sqlite_schema WHERE name = 'taken'", RHEI_ROUTE_OLTP),
                     0);
}

/* An older program's options end before the fields of progress. */
static void test_options_without_progress_stay_as_they_were(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct listener listener = {.doing = "none", .unit = ""};
    struct rhei_call_options options = call_of(&listener);
    options.struct_size = offsetof(struct rhei_call_options, progress);
    struct rhei_query_options asking = query_of(&listener, RHEI_ROUTE_AUTO);
    asking.struct_size = offsetof(struct rhei_query_options, progress);
    options.progress = (rhei_progress_function)(uintptr_t)1; /* a call would end the program */
    asking.progress = options.progress;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_execute_with(fixture.db, "DELETE FROM t WHERE 0", NULL, &options, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_query(fixture.db, "SELECT count(*) FROM t", NULL, &asking, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q5_queries_tell_their_steps),
        cmocka_unit_test(test_q5_the_column_store_tells_its_rows),
        cmocka_unit_test(test_q5_writes_tell_steps_rows_and_bytes),
        cmocka_unit_test(test_q5_waiting_tells_for_what),
        cmocka_unit_test(test_a4_a_cycle_tells_its_changes),
        cmocka_unit_test(test_a3_a_build_tells_its_rows),
        cmocka_unit_test(test_a6_a_comparison_tells_its_rows),
        cmocka_unit_test(test_q5_an_ingest_tells_its_rows),
        cmocka_unit_test(test_options_without_progress_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
