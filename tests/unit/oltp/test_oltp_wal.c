/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "oltp/oltp_internal.h"

#define LIMIT_NS INT64_C(60000000000) /* how long a test waits for what must come */

static void count_checkpoints(void *context, const char *point)
{
    if (strcmp(point, "oltp.checkpoint") == 0)
        atomic_fetch_add((atomic_int *)context, 1);
}

/* Frames of the log, as any process sees them. */
static uint32_t log_frames(const struct oltp_test *test)
{
    return (uint32_t)oltp_commit_token(test->oltp);
}

static void fill_log(struct oltp_test *test)
{
    char sql[120];
    snprintf(sql, sizeof sql, "INSERT INTO t(b) VALUES(randomblob(%d))", (OLTP_CHECKPOINT_PAGES + 100) * 4096);
    test_write(test, sql);
}

/* A log that was copied to its end is written anew from its beginning: its next checkpoint is due as early as its first one was. */
static void test_a_log_that_started_anew_is_copied_as_early_as_before(void **state)
{
    (void)state;
    struct oltp_test test;
    struct oltp_config config;
    atomic_int checkpoints = 0;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, b)");
    test_write(&test, "CREATE TABLE small(a)");
    test_shut(&test);
    test.source = NULL;
    test_default_config(&test, &config);
    config.fault = count_checkpoints;
    config.fault_context = &checkpoints;
    assert_int_equal(capture_open(&config, &test.oltp, NULL), RHEI_OK);
    for (int round = 0; round < 3; round++) {
        int64_t until = base_now_ns() + LIMIT_NS;
        int before = atomic_load(&checkpoints);
        fill_log(&test);
        while (atomic_load(&checkpoints) == before ||
               atomic_load(&test.oltp->checkpoint_at) <= oltp_checkpoint_pages(test.oltp)) /* it is done */
            assert_true(base_now_ns() < until);
        uint32_t frames = log_frames(&test);
        while (log_frames(&test) >= frames) {
            test_write(&test, "INSERT INTO small VALUES(1)");
            assert_true(base_now_ns() < until);
        }
    }
    test_close(&test);
}

/* Bytes of the log's file now, as the maintenance sees them. */
static uint64_t log_bytes(const struct oltp_test *test)
{
    base_mutex_lock(&test->oltp->describe_lock);
    uint64_t bytes = oltp_wal_bytes(test->oltp->describer);
    base_mutex_unlock(&test->oltp->describe_lock);
    return bytes;
}

/* Whatever its pages are like, the first one beyond the limit has the log looked at, also if nobody writes after that. */
static void test_a11_a_log_beyond_its_limit_is_cut_without_another_write(void **state)
{
    static const int sizes[] = {512, 4096, 65536};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct oltp_test test;
        struct oltp_config config;
        char sql[120];
        test_open(&test);
        test_shut(&test);
        test.source = NULL;
        assert_int_equal(remove(test.path), 0);
        snprintf(sql, sizeof sql, "PRAGMA page_size = %d; CREATE TABLE t(id INTEGER PRIMARY KEY, b)", sizes[i]);
        test_shell(&test, sql);
        test_default_config(&test, &config);
        config.wal_limit_bytes = 1 << 20;
        assert_int_equal(capture_open(&config, &test.oltp, NULL), RHEI_OK);
        uint64_t most = oltp_wal_most_pages(test.oltp), frame = (uint64_t)sizes[i] + 24;
        assert_true(most * frame + 32 <= config.wal_limit_bytes && (most + 1) * frame + 32 > config.wal_limit_bytes);
        for (unsigned pages = 0; pages <= most; pages++)
            assert_in_range(oltp_checkpoint_next(test.oltp, pages), pages + 1, most + 1);
        snprintf(sql, sizeof sql, "INSERT INTO t(b) VALUES(randomblob(%d))", (int)config.wal_limit_bytes);
        test_write(&test, sql);
        int64_t until = base_now_ns() + LIMIT_NS / 2; /* what looks once a minute doesn't count */
        while (log_bytes(&test) > config.wal_limit_bytes)
            assert_true(base_now_ns() < until);
        test_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_a_log_beyond_its_limit_is_cut_without_another_write),
        cmocka_unit_test(test_a_log_that_started_anew_is_copied_as_early_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
