/* SPDX-License-Identifier: Apache-2.0 */
/* No memory and no room: every failure is an error, nothing is lost, and the handle goes on. */
#include <sqlite3.h>

#include "oltp_test.h"

#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

static void expect_no_memory(rhei_status status, const char *what, int at)
{
    if (status != RHEI_OK && status != RHEI_NO_MEMORY)
        fail_msg("%s failed with %d when allocation %d failed", what, (int)status, at);
}

/* Each allocation of opening fails once; the next open works. */
static void test_opening_without_memory(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE); CREATE VIEW v AS SELECT 1");
    test_shut(&test);
    struct oltp_config config;
    test_default_config(&test, &config);
    bool failed = true;
    for (int at = 1; failed; at++) {
        struct oltp *oltp = NULL;
        base_memory_fail_after((uint64_t)at);
        rhei_status status = capture_open(&config, &oltp, NULL);
        base_memory_fail_after(0);
        expect_no_memory(status, "open", at);
        failed = status != RHEI_OK;
        oltp_close(&oltp);
    }
    test_reopen(&test);
    test_expect(&test, "SELECT count(*) FROM t", "0\n");
    test_close(&test);
}

static rhei_status everything(struct oltp_test *test, int round)
{
    char sql[200];
    struct oltp_cursor *cursor = NULL;
    struct rhei_value params[2] = {{.as.integer = round, .type = RHEI_INTEGER},
                                   {.as.bytes = "text", .length = 4, .type = RHEI_TEXT}};
    static const char insert[] = "INSERT INTO t VALUES(?, ?) RETURNING *";
    rhei_status status = oltp_write(test->oltp, insert, sizeof insert - 1, params, 2, 0, NULL, &cursor, NULL);
    oltp_cursor_close(&cursor);
    if (status == RHEI_OK) {
        snprintf(sql, sizeof sql, "CREATE TABLE n%d(a UNIQUE, b)", round);
        status = test_try(test, sql, NULL);
    }
    if (status == RHEI_OK) {
        snprintf(sql, sizeof sql, "ALTER TABLE n%d ADD COLUMN c", round);
        status = test_try(test, sql, NULL);
    }
    if (status == RHEI_OK)
        status = oltp_write_script(test->oltp, "DELETE FROM t; SELECT 1", 23, 0, NULL, NULL);
    if (status == RHEI_OK) {
        status = oltp_read(test->oltp, "SELECT * FROM t WHERE a = ?", 27, &params[1], 1, NULL, true, &cursor, NULL);
        oltp_cursor_close(&cursor);
    }
    struct oltp_facts facts = {0};
    if (status == RHEI_OK) {
        status = oltp_describe(test->oltp, "SELECT a, b FROM t", 18, &facts, NULL);
        oltp_facts_reset(&facts);
    }
    struct change_cycle cycle;
    if (status == RHEI_OK) {
        status = test->source->ops->begin(test->source, 0, &cycle, NULL, NULL);
        const struct change_batch *batches;
        bool begun = status == RHEI_OK;
        size_t count = begun;
        while (status == RHEI_OK && count > 0)
            status = test->source->ops->next(test->source, 10, &batches, &count, NULL);
        if (begun)
            test->source->ops->end(test->source);
    }
    return status;
}

static void test_working_without_memory(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a, b)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    bool failed = true;
    for (int at = 1; failed && at < 3000; at++) {
        base_memory_fail_after((uint64_t)at);
        rhei_status status = everything(&test, at);
        base_memory_fail_after(0);
        expect_no_memory(status, "work", at);
        failed = status != RHEI_OK;
    }
    assert_false(failed);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- A full file: the whole transaction goes, the others' statements come back. ---- */

struct filler {
    struct oltp_test *test;
    int number, done, full, other;
};

static void fill(void *argument)
{
    struct filler *filler = argument;
    for (int i = 0; i < 60; i++) {
        char sql[100];
        struct rhei_error error = RHEI_ERROR_INIT;
        bool big = filler->number % 2 == 0;
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, zeroblob(%d))", filler->number * 1000 + i,
                 big ? 400000 : 10);
        rhei_status status = test_try(filler->test, sql, &error);
        filler->done += status == RHEI_OK;
        filler->full += status == RHEI_FULL && strstr(error.message, "full") != NULL && error.message[0] != '\0';
        filler->other += status != RHEI_OK && status != RHEI_FULL;
    }
}

static void test_a_full_file_takes_only_the_statement_that_filled_it(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, b)");
    sqlite3 *writer = oltp_native_lock(test.oltp);
    assert_int_equal(sqlite3_exec(writer, "PRAGMA max_page_count=200", NULL, NULL, NULL), SQLITE_OK);
    oltp_native_unlock(test.oltp);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    struct filler fillers[4];
    base_thread threads[4];
    for (int i = 0; i < 4; i++) {
        fillers[i] = (struct filler){.test = &test, .number = i};
        assert_int_equal(base_thread_start(&threads[i], "fill", fill, &fillers[i], NULL), RHEI_OK);
    }
    int done = 0;
    for (int i = 0; i < 4; i++) {
        base_thread_join(&threads[i]);
        assert_int_equal(fillers[i].other, 0);
        done += fillers[i].done;
        if (i % 2 == 1)
            assert_int_equal(fillers[i].done, 60); /* the small ones always fit */
    }
    assert_true(fillers[0].full + fillers[2].full >= 119);
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), done);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening_without_memory),
        cmocka_unit_test(test_working_without_memory),
        cmocka_unit_test(test_a_full_file_takes_only_the_statement_that_filled_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
