/* SPDX-License-Identifier: Apache-2.0 */
/* What connections take of a large schema, which each that reads it holds as a whole. */
#include "oltp/oltp_test.h"

#include <dirent.h>
#include <stdio.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "capture/capture_source.h"

enum { FEW = 5, MANY = 150 };

static int schema_bytes(struct oltp_connection *connection)
{
    int now = 0, most = 0;
    assert_int_equal(sqlite3_db_status(connection->db, SQLITE_DBSTATUS_SCHEMA_USED, &now, &most, 0), SQLITE_OK);
    return now;
}

static void make_tables(struct oltp_test *test, int from, int to)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "BEGIN;");
    for (int i = from; i < to; i++) {
        base_buffer_format(&sql, "CREATE TABLE t%d(id INTEGER PRIMARY KEY", i);
        for (int c = 1; c < 20; c++)
            base_buffer_format(&sql, ", c%d", c);
        base_buffer_format(&sql, "); INSERT INTO t%d(id) VALUES(1);", i);
    }
    base_buffer_text(&sql, "COMMIT");
    assert_false(sql.failed);
    test_shut(test);
    assert_int_equal(test_shell(test, sql.data), 0);
    base_buffer_reset(&sql);
    test_reopen(test);
}

static void load_first(struct oltp_test *test)
{
    const struct change_source_ops *ops = test->source->ops;
    const struct source_table *tables = NULL;
    const struct change_batch *batch = NULL;
    struct source_load *load = NULL;
    struct source_load_info info = {.rows = -1};
    struct change_cycle cycle;
    size_t count = 0;
    assert_int_equal(ops->begin(test->source, 0, &cycle, NULL, NULL), RHEI_OK);
    assert_int_equal(ops->tables(test->source, &tables, &count, NULL), RHEI_OK);
    uint32_t id = tables[0].id;
    ops->end(test->source);
    assert_int_equal(ops->load_begin(test->source, id, 1, &load, &info, NULL), RHEI_OK);
    assert_int_equal(ops->load_next(load, 0, 1000, &batch, NULL), RHEI_OK);
    assert_int_equal(batch->row_count, 1);
    ops->load_end(&load);
}

static void test_a11_who_copies_the_log_reads_no_schema(void **state)
{
    (void)state;
    struct oltp_test test;
    struct oltp_connection *connection = NULL;
    test_open(&test);
    make_tables(&test, 0, FEW);
    load_first(&test); /* the watch is there */
    test_write(&test, "UPDATE t0 SET c1 = 2");
    assert_int_equal(oltp_connection_open(test.oltp, OLTP_CHECKPOINTER, &connection, NULL), RHEI_OK);
    if (capture_source_watch_hold(test.oltp, connection))
        oltp_exec(connection, "COMMIT", NULL);
    int rc = sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    assert_true(rc == SQLITE_OK || rc == SQLITE_BUSY); /* the maintenance may be at it */
    assert_int_equal(schema_bytes(connection), 0);
    oltp_connection_close(&connection);
    test_close(&test);
}

static void test_a11_loaders_of_a_large_schema_go(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    make_tables(&test, 0, FEW);
    load_first(&test);
    assert_int_equal(capture_of(test.oltp)->free_loader_count, 1);
    test.source->ops->loads_rest(test.source);
    assert_int_equal(capture_of(test.oltp)->free_loader_count, 1); /* costs little, and the next load is faster */
    make_tables(&test, FEW, MANY);
    load_first(&test);
    assert_true(schema_bytes(capture_of(test.oltp)->free_loaders) > 1 << 20);
    test.source->ops->loads_rest(test.source);
    assert_int_equal(capture_of(test.oltp)->free_loader_count, 0);
    test.source->ops->loads_rest(test.source);
    load_first(&test);
    test_close(&test);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static void test_a11_opening_again_leaves_no_descriptor(void **state)
{
    (void)state;
    struct oltp_test test;
    int first = 0;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    for (int i = 0; i < 20; i++) {
        test_shut(&test);
        first = i == 0 ? open_descriptors() : first;
        assert_int_equal(open_descriptors(), first);
        test_reopen(&test);
        test_expect(&test, "SELECT count(*) FROM t", "0\n");
    }
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_who_copies_the_log_reads_no_schema),
        cmocka_unit_test(test_a11_loaders_of_a_large_schema_go),
        cmocka_unit_test(test_a11_opening_again_leaves_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
