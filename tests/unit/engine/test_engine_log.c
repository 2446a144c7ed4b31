/* SPDX-License-Identifier: Apache-2.0 */
/* A7, A8, A11: who keeps the write-ahead log and the change log from being cut, and who doesn't; limits through the API. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WAL_LIMIT = 1 << 20, ROUNDS = 300, LONG_S = 60 };

static struct fixture fixture;
static _Atomic int wal_warnings;

static void count_warning(void *context, int32_t level, const char *room, const char *message)
{
    (void)context;
    (void)room;
    wal_warnings += level == RHEI_LOG_WARN && strstr(message, "more than wal_limit") != NULL;
}

static void begin(const struct rhei_config *limits)
{
    struct rhei_config config = *limits;
    config.struct_size = sizeof config;
    config.prefer_olap = true;
    config.log = count_warning;
    wal_warnings = 0;
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v)");
    must_execute(fixture.db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT "
                             "INTO t(v) SELECT i FROM n");
    must_be_built(fixture.db);
}

/* 15 MB of pages; the most that the write-ahead log had. */
static double write_much(void)
{
    double most = 0;
    for (int i = 0; i < ROUNDS; i++) {
        must_execute(fixture.db, "UPDATE t SET v = randomblob(50000) WHERE id = 1");
        double bytes = must_metric(fixture.db, "rhei_oltp_wal_bytes");
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void await_short_wal(void)
{
    time_t limit = time(NULL) + LONG_S;
    while (must_metric(fixture.db, "rhei_oltp_wal_bytes") > WAL_LIMIT ||
           must_metric(fixture.db, "rhei_oltp_wal_held_seconds") > 0)
        assert_true(time(NULL) < limit);
}

static void open_stream(int32_t route, struct ArrowArrayStream *stream)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    if (rhei_query_arrow(fixture.db, "SELECT id FROM t ORDER BY id", NULL, &options, stream, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static int64_t read_batch(struct ArrowArrayStream *stream)
{
    struct ArrowArray batch = {0};
    assert_int_equal(stream->get_next(stream, &batch), 0);
    int64_t rows = batch.release == NULL ? 0 : batch.length;
    if (batch.release != NULL)
        batch.release(&batch);
    return rows;
}

static void test_a11_an_analytical_answer_that_stays_open_holds_no_write_ahead_log(void **state)
{
    (void)state;
    begin(&(struct rhei_config){.wal_limit_bytes = WAL_LIMIT});
    struct ArrowArrayStream stream = {0};
    double alone = write_much();
    await_short_wal();
    open_stream(RHEI_ROUTE_OLAP, &stream);
    int64_t rows = read_batch(&stream);
    assert_true(rows > 0 && rows < 200000); /* it is in the midst of it */
    double most = write_much();
    await_short_wal(); /* while it is open */
    print_message("the write-ahead log, limit 1 MiB: nobody reads: %.1f MiB at most; an analytical answer open: %.1f\n",
                  alone / WAL_LIMIT, most / WAL_LIMIT);
    must_execute(fixture.db, "DELETE FROM t");
    for (int64_t more = rows; more > 0; rows += more)
        more = read_batch(&stream);
    assert_int_equal(rows, 200000); /* as they were */
    stream.release(&stream);
    fixture_end(&fixture);
}

static void test_a11_an_answer_of_sqlite_that_stays_open_is_named(void **state)
{
    (void)state;
    begin(&(struct rhei_config){.wal_limit_bytes = WAL_LIMIT});
    struct ArrowArrayStream stream = {0};
    open_stream(RHEI_ROUTE_OLTP, &stream);
    assert_true(read_batch(&stream) > 0);
    double most = write_much();
    assert_true(most > 10 * WAL_LIMIT); /* nobody can cut it */
    time_t limit = time(NULL) + LONG_S;
    while (wal_warnings == 0 || must_metric(fixture.db, "rhei_oltp_wal_held_seconds") <= 0)
        assert_true(time(NULL) < limit);
    print_message("an answer of SQLite open: %.1f MiB\n", most / WAL_LIMIT);
    stream.release(&stream);
    await_short_wal();
    fixture_end(&fixture);
}

static void test_a8_a_consumer_in_the_midst_of_a_unit_holds_no_write_ahead_log(void **state)
{
    (void)state;
    begin(&(struct rhei_config){.wal_limit_bytes = WAL_LIMIT, .log_limit_rows = 1000});
    rhei_changes *changes = must_follow(fixture.db, "slow");
    must_execute(fixture.db, "UPDATE t SET v = -v WHERE id <= 900");
    assert_int_equal(must_be_told(changes, RHEI_CHANGE_UPDATE).values[0].as.integer, 1);
    double most = write_much();
    await_short_wal();
    print_message("a consumer in the midst of a unit: %.1f MiB at most\n", most / WAL_LIMIT);
    /* and it doesn't hold the change log beyond its limit: it is cut off, and told so */
    must_execute(fixture.db, "UPDATE t SET v = 5 WHERE id <= 5000");
    time_t limit = time(NULL) + LONG_S;
    while (must_metric(fixture.db, "rhei_cdc_log_rows") > 1001 ||
           must_metric(fixture.db, "rhei_cdc_log_cut_total") <= 0) /* counted once it is done */
        assert_true(time(NULL) < limit);
    assert_null(must_be_told(changes, RHEI_CHANGE_LOST).table);
    must_be_told(changes, RHEI_CHANGE_COMMIT);
    rhei_changes_close(&changes);
    must_verify(fixture.db);
    fixture_end(&fixture);
}

/* Within a handle, without another write: its own column store hears of the acknowledgement. */
static void test_a8_an_acknowledgement_wakes_who_prunes(void **state)
{
    (void)state;
    begin(&(struct rhei_config){0});
    rhei_changes *changes = must_follow(fixture.db, "slow");
    must_execute(fixture.db, "UPDATE t SET v = -v WHERE id <= 900");
    assert_int_equal(rhei_sync_now(fixture.db, NULL, NULL), RHEI_OK);
    assert_true(must_metric(fixture.db, "rhei_cdc_log_rows") >= 900);
    int64_t position = must_be_told(changes, RHEI_CHANGE_COMMIT).position;
    assert_true(must_metric(fixture.db, "rhei_cdc_log_rows") >= 900);
    assert_int_equal(rhei_changes_acknowledge(changes, position, NULL), RHEI_OK);
    time_t limit = time(NULL) + LONG_S;
    while (must_metric(fixture.db, "rhei_cdc_log_rows") > 1)
        assert_true(time(NULL) < limit);
    rhei_changes_close(&changes);
    fixture_end(&fixture);
}

static void test_d5_limits_that_cant_be(void **state)
{
    (void)state;
    const struct rhei_config wrong[] = {
        {.struct_size = sizeof wrong[0], .log_limit_policy = 3},
        {.struct_size = sizeof wrong[0], .log_limit_policy = -1},
        {.struct_size = sizeof wrong[0], .log_limit_bytes = 1000},
        {.struct_size = sizeof wrong[0], .log_limit_age_s = 3155760001},
        {.struct_size = sizeof wrong[0], .log_limit_policy = RHEI_LOG_LIMIT_BLOCK, .keep_changes = true},
    };
    fixture_init(&fixture);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_db *db = NULL;
        assert_int_equal(rhei_open(fixture.path, &wrong[i], &db, &error), RHEI_INVALID);
        assert_non_null(strstr(error.message, "log_limit_"));
        assert_null(db);
    }
    fixture_end(&fixture);
}

static void test_a7_status_has_the_limits(void **state)
{
    (void)state;
    begin(&(struct rhei_config){
        .log_limit_bytes = 1 << 20, .log_limit_age_s = 3600, .log_limit_policy = RHEI_LOG_LIMIT_GROW});
    struct rhei_sync_status status = {.struct_size = sizeof status};
    assert_int_equal(rhei_sync_status(fixture.db, &status, NULL), RHEI_OK);
    assert_int_equal(status.log_limit_rows, 50000000);
    assert_int_equal(status.log_limit_bytes, 1 << 20);
    assert_int_equal(status.log_limit_age_us, INT64_C(3600000000));
    assert_int_equal(status.log_limit_policy, RHEI_LOG_LIMIT_GROW);
    assert_int_equal(must_metric(fixture.db, "rhei_cdc_log_limit_age_seconds"), 3600);
    char *json = NULL;
    assert_int_equal(rhei_info_json(fixture.db, &json, NULL), RHEI_OK);
    assert_non_null(strstr(json, "\"log_limit_policy\": \"grow\""));
    assert_non_null(strstr(json, "\"log_over_limit\": "));
    rhei_free(json);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_an_analytical_answer_that_stays_open_holds_no_write_ahead_log),
        cmocka_unit_test(test_a11_an_answer_of_sqlite_that_stays_open_is_named),
        cmocka_unit_test(test_a8_a_consumer_in_the_midst_of_a_unit_holds_no_write_ahead_log),
        cmocka_unit_test(test_a8_an_acknowledgement_wakes_who_prunes),
        cmocka_unit_test(test_d5_limits_that_cant_be),
        cmocka_unit_test(test_a7_status_has_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
