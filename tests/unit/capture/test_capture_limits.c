/* SPDX-License-Identifier: Apache-2.0 */
/* A7: the change log's limits, each with each policy (docs/design/log-limits.md). */
#include "oltp/oltp_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_log.h"
#include "base/base_thread.h"
#include "capture/capture_changes.h"
#include "oltp/oltp_internal.h"

static const int64_t LONG_NS = INT64_C(60000000000);

static _Atomic int warnings;

static void count_warning(void *context, int level, const char *room, const char *message)
{
    (void)room;
    warnings += level == BASE_LOG_WARN && strstr(message, context) != NULL;
}

struct world {
    struct oltp_test test;
    struct oltp_config config;
    struct base_log log;
};

/*
 * Where busy_timeout_ms is short, since it is what a write waits for room, the maintenance may have the writer for longer: that isn't
 * what is asked about here, so it is tried again.
 */
static bool is_patient(rhei_status status, int64_t until_ns)
{
    return status == RHEI_BUSY && base_now_ns() < until_ns;
}

static rhei_status try_patiently(struct world *world, const char *sql, struct rhei_error *error)
{
    int64_t until = base_now_ns() + LONG_NS;
    rhei_status status;
    do {
        error_clear(error);
        status = test_try(&world->test, sql, error);
    } while (is_patient(status, until));
    return status;
}

static void must_write(struct world *world, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (try_patiently(world, sql, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
}

static void world_open(struct world *world, const struct oltp_config *limits, const char *warning)
{
    warnings = 0;
    test_default_config(&world->test, &world->config);
    world->config.log_limit_rows = limits->log_limit_rows;
    world->config.log_limit_bytes = limits->log_limit_bytes;
    world->config.log_limit_age_ms = limits->log_limit_age_ms;
    world->config.log_limit_policy = limits->log_limit_policy;
    if (limits->busy_timeout_ms != 0)
        world->config.busy_timeout_ms = limits->busy_timeout_ms;
    world->config.follows = true;
    world->config.auto_register = !limits->read_only; /* a flag to borrow */
    world->log =
        (struct base_log){.write = count_warning, .context = (void *)(uintptr_t)warning, .level = BASE_LOG_WARN};
    world->config.log = &world->log;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (capture_open(&world->config, &world->test.oltp, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(capture_change_source(world->test.oltp, &world->test.source, NULL), RHEI_OK);
}

static void world_begin(struct world *world, const struct oltp_config *limits, const char *warning)
{
    test_open(&world->test);
    test_shut(&world->test);
    world_open(world, limits, warning);
    must_write(world, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
}

static void world_open_again(struct world *world, const struct oltp_config *limits, const char *warning)
{
    test_shut(&world->test);
    world_open(world, limits, warning);
}

static void add_rows(struct world *world, int count)
{
    char sql[200];
    (void)snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO t(v) SELECT "
        "i FROM n",
        count);
    must_write(world, sql);
}

static struct oltp_status status_of(struct world *world)
{
    struct oltp_status status;
    assert_int_equal(oltp_get_status(world->test.oltp, &status, NULL), RHEI_OK);
    return status;
}

static int64_t log_rows(struct world *world)
{
    return test_int(&world->test, "SELECT count(*) FROM _rhei_cdc_log");
}

static bool is_below(struct world *world, const void *limit)
{
    return log_rows(world) <= *(const int *)limit;
}

static bool was_warned(struct world *world, const void *unused)
{
    (void)world;
    (void)unused;
    return warnings > 0;
}

static bool has_bytes_below(struct world *world, const void *most)
{
    return status_of(world).log_bytes <= *(const uint64_t *)most;
}

static bool has_room(struct world *world, const void *unused)
{
    (void)unused;
    return !status_of(world).log_full;
}

static bool is_full(struct world *world, const void *unused)
{
    return !has_room(world, unused);
}

static void must_become(struct world *world, bool (*condition)(struct world *, const void *), const void *argument)
{
    int64_t limit = base_now_ns() + LONG_NS;
    while (!condition(world, argument))
        assert_true(base_now_ns() < limit);
}

/* What the mirror applied is forgotten. */
static void apply_all(struct world *world)
{
    struct change_cycle cycle;
    const struct change_source_ops *ops = world->test.source->ops;
    const struct change_batch *batches;
    size_t count;
    uint64_t pruned = 0;
    int64_t until = base_now_ns() + LONG_NS;
    rhei_status status;
    do {
        status = ops->begin(world->test.source, world->test.position, &cycle, NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
    do {
        assert_int_equal(ops->next(world->test.source, 1000, &batches, &count, NULL), RHEI_OK);
    } while (count > 0);
    ops->end(world->test.source);
    world->test.position = cycle.position;
    do {
        status = ops->prune(world->test.source, cycle.position, &pruned, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
}

static void must_be_full(struct world *world, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = try_patiently(world, sql, &error);
    if (status != RHEI_FULL || strstr(error.message, "log_limit_policy") == NULL)
        fail_msg("%s: %d %s", sql, (int)status, error.message);
}

/* ---- detach ---- */

static void test_a7_detach_cuts_rows_and_who_was_behind_loses(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 1000}, "detach");
    struct change_cycle cycle;
    add_rows(&world, 1500); /* over it, but not twice */
    int most = 1000;
    must_become(&world, is_below, &most);
    assert_int_equal(test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log"), 1500);
    must_become(&world, was_warned, NULL);
    assert_int_equal(world.test.source->ops->begin(world.test.source, 0, &cycle, NULL, NULL), RHEI_OK);
    assert_true(cycle.lost);
    world.test.source->ops->end(world.test.source);
    struct oltp_status status = status_of(&world);
    assert_int_equal(status.log_cut, 500);
    assert_false(status.log_over || status.log_full);
    test_close(&world.test);
}

static void test_a7_who_keeps_step_loses_nothing_at_a_limit(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 100}, "detach");
    struct change_cycle cycle;
    for (int i = 0; i < 50; i++) {
        add_rows(&world, 90);
        apply_all(&world);
    }
    assert_int_equal(world.test.source->ops->begin(world.test.source, world.test.position, &cycle, NULL, NULL),
                     RHEI_OK);
    assert_false(cycle.lost);
    world.test.source->ops->end(world.test.source);
    assert_int_equal(status_of(&world).log_cut, 0);
    assert_int_equal(warnings, 0);
    test_close(&world.test);
}

/* Whether a look was made since: the metrics of who is over are of it. */
static bool is_over(struct world *world, const void *unused)
{
    (void)unused;
    return status_of(world).log_over;
}

/* L3: far more than twice the limit, by one transaction. */
static void test_a7_one_big_transaction_is_no_trouble_for_who_keeps_step(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 1000}, "detach");
    struct change_cycle cycle;
    add_rows(&world, 10);
    apply_all(&world);
    for (int i = 0; i < 5; i++) {
        add_rows(&world, 20000);
        oltp_limit_due(world.test.oltp); /* the maintenance looks at once */
        apply_all(&world);
        assert_false(is_over(&world, NULL));
    }
    assert_int_equal(world.test.source->ops->begin(world.test.source, world.test.position, &cycle, NULL, NULL),
                     RHEI_OK);
    assert_false(cycle.lost);
    world.test.source->ops->end(world.test.source);
    assert_int_equal(status_of(&world).log_cut, 0);
    assert_int_equal(warnings, 0);
    test_close(&world.test);
}

/* L3: the newest transaction is counted, and what has the second behind it goes, though nobody wrote since. */
static void test_a7_the_newest_transaction_counts_as_all_others(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 1000}, "detach");
    add_rows(&world, 5000);
    int most = 1000;
    must_become(&world, is_below, &most);
    must_become(&world, was_warned, NULL);
    assert_int_equal(status_of(&world).log_cut, 4000);
    test_close(&world.test);
}

static void test_a7_detach_cuts_bytes(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_bytes = 1 << 20}, "log_limit_bytes");
    for (int i = 0; i < 30; i++)
        must_write(&world, "INSERT INTO t(v) VALUES(randomblob(100000))");
    uint64_t most = 1 << 20;
    must_become(&world, has_bytes_below, &most);
    must_become(&world, was_warned, NULL);
    struct oltp_status status = status_of(&world);
    assert_true(status.log_rows >= 9); /* and no more went than had to */
    assert_int_equal(status.log_position, 30);
    test_close(&world.test);
}

static void test_a7_one_change_larger_than_the_limit_of_bytes_stays(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_bytes = 1 << 16}, "log_limit_bytes");
    must_write(&world, "INSERT INTO t(v) VALUES(1), (2), (randomblob(1000000))");
    int most = 1;
    must_become(&world, is_below, &most);
    assert_int_equal(test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log"), 3);
    assert_false(status_of(&world).log_over);
    test_close(&world.test);
}

static void test_a7_detach_cuts_what_is_too_old(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_age_ms = 3600000}, "log_limit_age");
    add_rows(&world, 20);
    /* an hour and more goes by for the first ten; whoever looks at the log then is woken by a commit */
    assert_int_equal(test_shell(&world.test,
                                "REPLACE INTO _rhei_cdc_log(seq, time, op, tab, c1, c2) SELECT seq, time - 0.1, op, "
                                "tab, c1, c2 FROM _rhei_cdc_log WHERE seq <= 10"),
                     0);
    assert_true(status_of(&world).log_over);
    assert_non_null(strstr(status_of(&world).log_message, "log_limit_age"));
    world_open_again(&world, &(struct oltp_config){.log_limit_age_ms = 3600000}, "log_limit_age");
    must_write(&world, "INSERT INTO t(v) VALUES(1)");
    int most = 11;
    must_become(&world, is_below, &most);
    must_become(&world, was_warned, NULL);
    assert_int_equal(test_int(&world.test, "SELECT min(seq) FROM _rhei_cdc_log"), 11);
    test_close(&world.test);
}

/* The maintenance wakes by itself when a change would be too old. */
static void test_a7_age_needs_no_commit(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_age_ms = 1}, "log_limit_age");
    add_rows(&world, 20);
    int most = 1;
    must_become(&world, is_below, &most);
    test_close(&world.test);
}

/* ---- grow ---- */

static void test_a7_grow_warns_and_keeps_all(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 100, .log_limit_policy = OLTP_LOG_GROW},
                "log_limit_policy is grow");
    add_rows(&world, 5000);
    must_become(&world, was_warned, NULL);
    assert_int_equal(log_rows(&world), 5000);
    struct oltp_status status = status_of(&world);
    assert_true(status.log_over && !status.log_full);
    assert_non_null(strstr(status.log_message, "5000 rows, more than log_limit_rows (100)"));
    assert_non_null(strstr(status.log_message, "the column store of this handle is 5000 changes behind"));
    assert_int_equal(status.log_cut, 0);
    apply_all(&world);
    assert_false(status_of(&world).log_over);
    assert_string_equal(status_of(&world).log_message, "");
    test_close(&world.test);
}

/* ---- block ---- */

static const struct oltp_config block = {
    .log_limit_rows = 10, .log_limit_policy = OLTP_LOG_BLOCK, .busy_timeout_ms = 100};

static void test_a7_block_refuses_what_would_add_and_nothing_else(void **state)
{
    (void)state;
    struct world world;
    struct oltp_config limits = block;
    limits.read_only = true; /* here: not auto_register */
    world_begin(&world, &limits, "block");
    int64_t until = base_now_ns() + LONG_NS;
    rhei_status status;
    do {
        status = capture_register_table(world.test.oltp, "t", NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
    must_write(&world, "CREATE TABLE free(a)"); /* isn't captured */
    add_rows(&world, 11);                       /* one more than the limit */
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    must_be_full(&world, "UPDATE t SET v = 2 WHERE id = 1");
    must_be_full(&world, "DELETE FROM t WHERE id = 1");
    must_be_full(&world, "INSERT INTO t(v) VALUES(1) RETURNING id");
    must_be_full(&world, "INSERT OR REPLACE INTO t VALUES(1, 2)");
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t"), 11);
    assert_int_equal(log_rows(&world), 11);
    must_write(&world, "UPDATE t SET v = 2 WHERE id = 1000"); /* no such row */
    must_write(&world, "INSERT INTO free VALUES(1)");
    must_write(&world, "CREATE INDEX i ON t(v)");
    must_write(&world, "VACUUM");
    do {
        status = oltp_write_script(world.test.oltp, "INSERT INTO free VALUES(2); INSERT INTO t(v) VALUES(1)", 55, NULL,
                                   NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_FULL);
    struct rhei_value rows[] = {{.type = RHEI_INTEGER, .as.integer = 5}, {.type = RHEI_INTEGER, .as.integer = 6}};
    do {
        status = oltp_write_many(world.test.oltp, "INSERT INTO t(v) VALUES(?)", 26, rows, 1, 2, NULL, NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_FULL);
    do {
        status = oltp_write_many(world.test.oltp, "INSERT INTO free VALUES(?)", 26, rows, 1, 2, NULL, NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
    test_expect(&world.test, "SELECT a FROM free", "1\n5\n6\n"); /* nothing of the script */
    assert_int_equal(status_of(&world).log_refused, 7);
    assert_true(status_of(&world).log_over && status_of(&world).log_full);
    test_close(&world.test);
}

static void test_a7_block_goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &block, "block");
    add_rows(&world, 11);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    apply_all(&world);
    must_become(&world, has_room, NULL);
    must_write(&world, "INSERT INTO t(v) VALUES(1)");
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t"), 12);
    test_close(&world.test);
}

struct waiting {
    struct world *world;
    rhei_status status;
    _Atomic bool done;
};

static void write_on(void *argument)
{
    struct waiting *waiting = argument;
    waiting->status = test_try(&waiting->world->test, "INSERT INTO t(v) VALUES('waited')", NULL);
    waiting->done = true;
}

static void test_a7_a_blocked_write_waits_for_room(void **state)
{
    (void)state;
    struct world world;
    struct oltp_config limits = block;
    limits.busy_timeout_ms = 60000;
    world_begin(&world, &limits, "block");
    add_rows(&world, 11);
    base_thread threads[4];
    struct waiting waiting[4];
    for (int i = 0; i < 4; i++) {
        waiting[i] = (struct waiting){.world = &world};
        assert_int_equal(base_thread_start(&threads[i], "writer", write_on, &waiting[i], NULL), RHEI_OK);
    }
    must_become(&world, is_full, NULL);
    for (int i = 0; i < 4; i++)
        assert_false(waiting[i].done);
    apply_all(&world);
    for (int i = 0; i < 4; i++) {
        base_thread_join(&threads[i]);
        assert_int_equal(waiting[i].status, RHEI_OK);
    }
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t WHERE v = 'waited'"), 4);
    assert_int_equal(status_of(&world).log_refused, 0);
    test_close(&world.test);
}

static rhei_status stop_now(void *context)
{
    return *(_Atomic bool *)context ? RHEI_CANCELLED : RHEI_OK;
}

static void raise_soon(void *argument)
{
    *(_Atomic bool *)argument = true;
}

static void test_a7_a_blocked_write_can_be_cancelled(void **state)
{
    (void)state;
    struct world world;
    struct oltp_config limits = block;
    limits.busy_timeout_ms = 60000;
    world_begin(&world, &limits, "block");
    add_rows(&world, 11);
    _Atomic bool raised = false;
    struct oltp_stop stop = {.check = stop_now, .context = &raised};
    struct rhei_error error = RHEI_ERROR_INIT;
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "cancel", raise_soon, &raised, NULL), RHEI_OK);
    assert_int_equal(oltp_write(world.test.oltp, "INSERT INTO t(v) VALUES(1)", 26, NULL, 0, &stop, NULL, NULL, &error),
                     RHEI_CANCELLED);
    base_thread_join(&thread);
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t"), 11);
    test_close(&world.test);
}

static rhei_status in_session(struct oltp_session *session, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    return oltp_session_run(session, sql, strlen(sql), NULL, 0, NULL, NULL, NULL, &error);
}

static void apply_behind(void *argument)
{
    apply_all(((struct waiting *)argument)->world);
}

static void test_a7_a_blocked_session_keeps_its_transaction(void **state)
{
    (void)state;
    struct world world;
    struct oltp_config limits = block;
    limits.busy_timeout_ms = 60000; /* within a transaction nobody waits for it */
    world_begin(&world, &limits, "block");
    must_write(&world, "CREATE TABLE free(a, b AS (a || 1))");
    struct oltp_session *session = NULL;
    assert_int_equal(oltp_session_open(world.test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(in_session(session, "BEGIN IMMEDIATE"), RHEI_OK);
    for (int i = 0; i < 20; i++) /* what began below the limit goes on to its end */
        assert_int_equal(in_session(session, "INSERT INTO t(v) VALUES('first')"), RHEI_OK);
    assert_int_equal(in_session(session, "COMMIT"), RHEI_OK);
    assert_true(status_of(&world).log_full);
    assert_int_equal(in_session(session, "BEGIN"), RHEI_OK);
    assert_int_equal(in_session(session, "SELECT count(*) FROM t"), RHEI_OK);
    assert_int_equal(in_session(session, "INSERT INTO t(v) VALUES('second')"), RHEI_FULL);
    assert_true(oltp_session_in_transaction(session));
    struct rhei_value row = {.type = RHEI_INTEGER, .as.integer = 5};
    assert_int_equal(oltp_session_run_many(session, "INSERT INTO t(v) VALUES(?)", 26, &row, 1, 1, NULL, NULL, NULL),
                     RHEI_FULL);
    size_t added = 0;
    struct oltp_result result = {0};
    assert_int_equal(
        oltp_session_add_many(session, "INSERT INTO t(v) VALUES(?)", 26, &row, 1, 1, NULL, &result, &added, NULL),
        RHEI_FULL);
    assert_int_equal(oltp_session_run_script(session, "INSERT INTO t(v) VALUES(1)", 26, NULL, NULL, NULL), RHEI_FULL);
    assert_int_equal(in_session(session, "COMMIT"), RHEI_OK);
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t"), 20);
    assert_int_equal(log_rows(&world), 20);
    /* one that says that it will write waits before it has the writer, and is over as soon as there is room */
    struct waiting waiting = {.world = &world};
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "applier", apply_behind, &waiting, NULL), RHEI_OK);
    assert_int_equal(in_session(session, "BEGIN IMMEDIATE"), RHEI_OK);
    assert_int_equal(in_session(session, "INSERT INTO t(v) VALUES('third')"), RHEI_OK);
    /* the log fills up meanwhile, by another program: what began below the limit goes on */
    oltp_log_close(world.test.oltp);
    assert_int_equal(in_session(session, "INSERT INTO t(v) VALUES('third')"), RHEI_OK);
    assert_int_equal(in_session(session, "COMMIT"), RHEI_OK);
    base_thread_join(&thread);
    oltp_session_close(&session);
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t WHERE v = 'third'"), 2);
    test_close(&world.test);
}

static void test_c1_block_never_stops_other_programs(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &block, "block");
    add_rows(&world, 11);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    assert_int_equal(test_shell(&world.test, "INSERT INTO t(v) VALUES('foreign'), ('foreign')"), 0);
    assert_int_equal(test_int(&world.test, "SELECT count(*) FROM t WHERE v = 'foreign'"), 2);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    must_become(&world, was_warned, NULL);
    apply_all(&world);
    must_become(&world, has_room, NULL);
    test_close(&world.test);
}

static void test_a7_block_by_bytes_and_by_age(void **state)
{
    (void)state;
    struct world world;
    world_begin(
        &world,
        &(struct oltp_config){.log_limit_bytes = 1 << 16, .log_limit_policy = OLTP_LOG_BLOCK, .busy_timeout_ms = 100},
        "block");
    must_write(&world, "INSERT INTO t(v) VALUES(1), (randomblob(70000))");
    must_become(&world, is_full, NULL);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    apply_all(&world);
    must_become(&world, has_room, NULL);
    world_open_again(
        &world,
        &(struct oltp_config){.log_limit_age_ms = 1, .log_limit_policy = OLTP_LOG_BLOCK, .busy_timeout_ms = 100},
        "block");
    must_write(&world, "INSERT INTO t(v) VALUES(1), (2), (3)");
    must_become(&world, is_full, NULL);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    apply_all(&world);
    must_become(&world, has_room, NULL);
    test_close(&world.test);
}

/* ---- From one opening to the next. ---- */

static void test_a7_limits_may_be_others_at_each_opening(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_policy = OLTP_LOG_GROW}, "grow");
    add_rows(&world, 500);
    world_open_again(&world, &block, "block"); /* above the limit from the first moment */
    assert_true(status_of(&world).log_full);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    world_open_again(&world, &(struct oltp_config){.log_limit_rows = 400, .log_limit_policy = OLTP_LOG_GROW}, "grow");
    must_become(&world, was_warned, NULL);
    must_write(&world, "INSERT INTO t(v) VALUES(1)");
    assert_int_equal(log_rows(&world), 501);
    world_open_again(&world, &(struct oltp_config){.log_limit_rows = 100}, "detach");
    must_write(&world, "INSERT INTO t(v) VALUES(1)");
    int most = 100;
    must_become(&world, is_below, &most);
    assert_int_equal(test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log"), 502);
    world_open_again(&world, &block, "block");
    assert_true(status_of(&world).log_full);
    test_close(&world.test);
}

/* L1: the smallest limit with detach decides; block is of one handle's writers alone. */
static void test_a8_each_engine_has_limits_of_its_own(void **state)
{
    (void)state;
    struct world first, second;
    world_begin(&first, &(struct oltp_config){.log_limit_policy = OLTP_LOG_GROW}, "grow");
    second.test = first.test;
    second.test.oltp = NULL;
    world_open(&second, &block, "block");
    add_rows(&first, 50);
    must_write(&first, "INSERT INTO t(v) VALUES(1)");
    struct change_cycle cycle; /* which sees what others wrote */
    int64_t until = base_now_ns() + LONG_NS;
    rhei_status status;
    do {
        status = second.test.source->ops->begin(second.test.source, 0, &cycle, NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
    second.test.source->ops->end(second.test.source);
    must_become(&second, is_full, NULL);
    must_be_full(&second, "INSERT INTO t(v) VALUES(1)");
    must_write(&first, "INSERT INTO t(v) VALUES(1)");
    assert_int_equal(log_rows(&first), 52);
    test_shut(&second.test);
    world_open(&second, &(struct oltp_config){.log_limit_rows = 20}, "detach");
    must_write(&second, "INSERT INTO t(v) VALUES(1)");
    int most = 20;
    must_become(&first, is_below, &most);
    test_shut(&second.test);
    test_close(&first.test);
}

/* ---- Consumers. ---- */

static struct capture_changes *consume(struct world *world, const char *name)
{
    struct capture_changes_config config = {.consumer = name, .keep_ms = 1000000};
    struct capture_changes *changes = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (capture_changes_open(world->test.oltp, &config, &changes, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return changes;
}

static void test_a8_what_a_consumer_held_is_pruned_after_its_acknowledge(void **state)
{
    (void)state;
    struct world world;
    uint64_t pruned = 0;
    world_begin(&world, &(struct oltp_config){.log_limit_policy = OLTP_LOG_GROW}, "grow");
    struct capture_changes *slow = consume(&world, "slow");
    add_rows(&world, 100);
    apply_all(&world);
    assert_int_equal(log_rows(&world), 100);
    const struct change_source_ops *ops = world.test.source->ops;
    assert_int_equal(ops->forgotten(world.test.source), 0); /* and it says so */
    assert_int_equal(capture_consumer_move(world.test.oltp, "slow", 60, NULL, NULL), RHEI_OK);
    assert_int_equal(ops->prune(world.test.source, 100, &pruned, NULL), RHEI_OK);
    assert_int_equal(ops->forgotten(world.test.source), 60);
    assert_int_equal(log_rows(&world), 41); /* and the row at its position */
    capture_changes_close(&slow);
    assert_int_equal(capture_consumer_drop(world.test.oltp, "slow", NULL), RHEI_OK);
    assert_int_equal(ops->prune(world.test.source, 100, &pruned, NULL), RHEI_OK);
    assert_int_equal(ops->forgotten(world.test.source), 100);
    assert_int_equal(log_rows(&world), 1);
    test_close(&world.test);
}

static void count_commit(void *context)
{
    (*(int *)context)++;
}

/* So that what it held is pruned at once, and not only with the next change. */
static void test_a8_an_acknowledgement_wakes_the_column_store(void **state)
{
    (void)state;
    struct world world;
    struct rhei_error error = RHEI_ERROR_INIT;
    int commits = 0;
    world_begin(&world, &(struct oltp_config){.log_limit_policy = OLTP_LOG_GROW}, "grow");
    test_shut(&world.test);
    world.config.committed = count_commit;
    world.config.committed_context = &commits;
    assert_int_equal(capture_open(&world.config, &world.test.oltp, NULL), RHEI_OK);
    struct capture_changes *slow = consume(&world, "slow");
    add_rows(&world, 3);
    commits = 0;
    assert_int_equal(capture_consumer_move(world.test.oltp, "slow", 2, NULL, NULL), RHEI_OK);
    assert_int_equal(commits, 1);
    struct base_buffer known = {0};
    base_buffer_text(&known, "1 1 t ");
    assert_int_equal(capture_consumer_move(world.test.oltp, "slow", 3, &known, NULL), RHEI_OK);
    base_buffer_reset(&known);
    assert_int_equal(commits, 2);
    capture_changes_close(&slow);
    assert_int_equal(capture_consumer_drop(world.test.oltp, "slow", NULL), RHEI_OK);
    assert_int_equal(commits, 3);
    test_expect(&world.test, "SELECT count(*) FROM _rhei_meta WHERE key LIKE 'consumer:%'", "0\n");
    /* what changes nothing wakes nobody, and leaves no transaction */
    assert_int_equal(capture_consumer_move(world.test.oltp, "slow", 3, NULL, &error), RHEI_NOT_FOUND);
    error_clear(&error);
    assert_int_equal(capture_consumer_drop(world.test.oltp, "slow", &error), RHEI_NOT_FOUND);
    assert_string_equal(error.message, "there is no consumer \"slow\": there is none");
    assert_int_equal(commits, 3);
    add_rows(&world, 1);
    test_close(&world.test);
}

static void test_a7_the_one_who_is_behind_is_named(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_rows = 50, .log_limit_policy = OLTP_LOG_GROW},
                "the consumer \"slow\" is 100 changes behind");
    struct capture_changes *slow = consume(&world, "slow");
    add_rows(&world, 100);
    apply_all(&world);
    must_become(&world, was_warned, NULL);
    assert_non_null(strstr(status_of(&world).log_message, "the consumer \"slow\" is 100 changes behind"));
    capture_changes_close(&slow);
    test_close(&world.test);
}

/* Nobody has to apply for there to be room: what all consumers have acknowledged goes, where there is no engine. */
static void test_a7_without_an_engine_consumers_make_room(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &block, "block");
    test_shut(&world.test);
    world.config.follows = false; /* no change source */
    int64_t until = base_now_ns() + LONG_NS;
    rhei_status status;
    assert_int_equal(capture_open(&world.config, &world.test.oltp, NULL), RHEI_OK);
    struct capture_changes *changes = consume(&world, "only");
    add_rows(&world, 30);
    must_be_full(&world, "INSERT INTO t(v) VALUES(1)");
    do {
        status = capture_consumer_move(world.test.oltp, "only", 30, NULL, NULL);
    } while (is_patient(status, until));
    assert_int_equal(status, RHEI_OK);
    must_become(&world, has_room, NULL);
    must_write(&world, "INSERT INTO t(v) VALUES(1)");
    capture_changes_close(&changes);
    test_close(&world.test);
}

/* ---- The meter. ---- */

static void test_a7_bytes_are_those_of_the_rows(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, &(struct oltp_config){.log_limit_policy = OLTP_LOG_GROW}, "grow");
    must_write(&world, "INSERT INTO t VALUES(7, 'four'), (8, x'0102030405'), (9, NULL)");
    /* id and v of each, and 24 */
    assert_int_equal(status_of(&world).log_bytes, (1 + 4 + 24) + (1 + 5 + 24) + (1 + 0 + 24));
    apply_all(&world);
    assert_int_equal(status_of(&world).log_bytes, 25);
    must_write(&world, "DELETE FROM t WHERE id = 7");
    assert_int_equal(status_of(&world).log_bytes, 25 + 25);
    for (int i = 0; i < 20; i++) { /* many more rows than marks, of one size */
        test_script(&world.test,
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT "
                    "INTO t(v) SELECT zeroblob(100) FROM n");
        struct oltp_status status = status_of(&world);
        int64_t truth = test_int(&world.test, "SELECT sum(24 + length(c1) + ifnull(length(c2), 0)) FROM _rhei_cdc_log");
        assert_in_range(status.log_bytes, truth - truth / 100, truth + truth / 100);
        if (i % 3 == 0)
            apply_all(&world);
    }
    test_close(&world.test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a7_detach_cuts_rows_and_who_was_behind_loses),
        cmocka_unit_test(test_a7_who_keeps_step_loses_nothing_at_a_limit),
        cmocka_unit_test(test_a7_one_big_transaction_is_no_trouble_for_who_keeps_step),
        cmocka_unit_test(test_a7_the_newest_transaction_counts_as_all_others),
        cmocka_unit_test(test_a7_detach_cuts_bytes),
        cmocka_unit_test(test_a7_one_change_larger_than_the_limit_of_bytes_stays),
        cmocka_unit_test(test_a7_detach_cuts_what_is_too_old),
        cmocka_unit_test(test_a7_age_needs_no_commit),
        cmocka_unit_test(test_a7_grow_warns_and_keeps_all),
        cmocka_unit_test(test_a7_block_refuses_what_would_add_and_nothing_else),
        cmocka_unit_test(test_a7_block_goes_on_when_there_is_room),
        cmocka_unit_test(test_a7_a_blocked_write_waits_for_room),
        cmocka_unit_test(test_a7_a_blocked_write_can_be_cancelled),
        cmocka_unit_test(test_a7_a_blocked_session_keeps_its_transaction),
        cmocka_unit_test(test_c1_block_never_stops_other_programs),
        cmocka_unit_test(test_a7_block_by_bytes_and_by_age),
        cmocka_unit_test(test_a7_limits_may_be_others_at_each_opening),
        cmocka_unit_test(test_a8_each_engine_has_limits_of_its_own),
        cmocka_unit_test(test_a8_what_a_consumer_held_is_pruned_after_its_acknowledge),
        cmocka_unit_test(test_a8_an_acknowledgement_wakes_the_column_store),
        cmocka_unit_test(test_a7_the_one_who_is_behind_is_named),
        cmocka_unit_test(test_a7_without_an_engine_consumers_make_room),
        cmocka_unit_test(test_a7_bytes_are_those_of_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
