/* SPDX-License-Identifier: Apache-2.0 */
/* The map of pages, kept from the frames of the write-ahead log, against SQLite's own account of the file (dbstat). */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "capture/capture_walmap.h"
#include "capture/capture_watch.h"

enum { TABLES = 5, PAGES_MOST = 200000 };

struct bench {
    struct oltp_test test;
    struct oltp_connection *connection; /* the one that watches */
    struct capture_watch *watch;
    sqlite3 *writer;
    uint64_t random;
};

static uint64_t next_random(struct bench *bench)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

static void run(struct bench *bench, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(bench->writer, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

/* Copies the log and lets it start anew. Another's checkpoint, here the engine's own, is not waited for by SQLite. */
static void start_log_anew(struct bench *bench)
{
    int64_t until = base_now_ns() + INT64_C(60000000000);
    int log = -1, copied = -1, rc;
    do {
        rc = sqlite3_wal_checkpoint_v2(bench->writer, "main", SQLITE_CHECKPOINT_TRUNCATE, &log, &copied);
    } while (rc == SQLITE_BUSY && base_now_ns() < until);
    assert_int_equal(rc, SQLITE_OK);
    assert_int_equal(log, 0);
}

static void pin(struct bench *bench)
{
    int64_t count;
    assert_int_equal(oltp_exec(bench->connection, "BEGIN", NULL), RHEI_OK);
    assert_int_equal(oltp_query_int(bench->connection, "SELECT count(*) FROM sqlite_master", 0, &count, NULL), RHEI_OK);
}

static void unpin(struct bench *bench)
{
    assert_int_equal(oltp_exec(bench->connection, "COMMIT", NULL), RHEI_OK);
}

static void bench_open(struct bench *bench, const char *sql)
{
    char *seed = getenv("RHEI_TEST_SEED");
    memset(bench, 0, sizeof *bench);
    bench->random = seed == NULL ? (uint64_t)base_now_ns() | 1 : strtoull(seed, NULL, 10);
    print_message("RHEI_TEST_SEED=%llu\n", (unsigned long long)bench->random);
    test_open(&bench->test);
    assert_int_equal(sqlite3_open(bench->test.path, &bench->writer), SQLITE_OK);
    sqlite3_busy_timeout(bench->writer, 60000);
    run(bench, "PRAGMA wal_autocheckpoint=0");
    run(bench, sql);
    assert_int_equal(oltp_connection_open(bench->test.oltp, OLTP_SOURCE, &bench->connection, NULL), RHEI_OK);
    pin(bench);
    assert_int_equal(capture_watch_new(bench->connection, &bench->watch, NULL), RHEI_OK);
    unpin(bench);
    assert_non_null(bench->watch);
}

static void bench_close(struct bench *bench)
{
    capture_watch_free(&bench->watch);
    oltp_connection_close(&bench->connection);
    sqlite3_close(bench->writer);
    test_close(&bench->test);
}

static int64_t root_of(struct bench *bench, const char *table)
{
    char sql[100];
    int64_t root;
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_master WHERE name = '%s'", table);
    assert_int_equal(oltp_query_int(bench->connection, sql, 0, &root, NULL), RHEI_OK);
    return root;
}

static bool was_touched(struct bench *bench, const char *table)
{
    const uint32_t *roots;
    size_t count = capture_watch_touched(bench->watch, &roots);
    int64_t root = root_of(bench, table);
    for (size_t i = 0; i < count; i++)
        if (roots[i] == root)
            return true;
    return false;
}

/* With a state pinned: every page has the owner that dbstat finds. */
static void expect_equal(struct bench *bench)
{
    struct capture_watch *fresh = NULL;
    assert_int_equal(capture_watch_new(bench->connection, &fresh, NULL), RHEI_OK);
    assert_non_null(fresh);
    int64_t pages;
    assert_int_equal(oltp_query_int(bench->connection, "PRAGMA page_count", 0, &pages, NULL), RHEI_OK);
    assert_true(pages < PAGES_MOST);
    for (uint32_t page = 1; page <= (uint32_t)pages; page++) {
        uint32_t is = capture_walmap_owner(capture_watch_map(bench->watch), page);
        uint32_t should = capture_walmap_owner(capture_watch_map(fresh), page);
        if (is != should)
            fail_msg("page %u belongs to %u, the map says %u", page, should, is);
    }
    for (unsigned i = 0; i < TABLES; i++) { /* and every table has as many rows as its pages say */
        char name[20], sql[60];
        int64_t rows;
        snprintf(name, sizeof name, "t%u", i);
        int64_t root = root_of(bench, name);
        if (root == 0)
            continue;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t%u", i);
        assert_int_equal(oltp_query_int(bench->connection, sql, 0, &rows, NULL), RHEI_OK);
        assert_int_equal(capture_watch_rows(fresh, (uint32_t)root), rows);
        assert_int_equal(capture_watch_rows(bench->watch, (uint32_t)root), rows);
    }
    capture_watch_free(&fresh);
}

static void follow(struct bench *bench, enum capture_watch_result expected)
{
    capture_watch_clear(bench->watch);
    pin(bench);
    assert_int_equal(capture_watch_follow(bench->watch, bench->connection), expected);
}

/* One statement; *touched gets its table's bit if rows changed. */
static void random_statement(struct bench *bench, unsigned *touched)
{
    uint64_t r = next_random(bench);
    unsigned table = (unsigned)(r % TABLES);
    int64_t key = (int64_t)(next_random(bench) % 400);
    unsigned kind = (unsigned)(next_random(bench) % 20);
    int64_t size = kind == 0 ? (int64_t)(next_random(bench) % 40000) : (int64_t)(next_random(bench) % 300);
    char sql[400];
    if (kind < 10) {
        snprintf(sql, sizeof sql, "REPLACE INTO t%u VALUES(%lld, hex(randomblob(%lld)), %lld)", table, (long long)key,
                 (long long)size, (long long)(r >> 40));
    } else if (kind < 13) {
        snprintf(sql, sizeof sql, "UPDATE t%u SET v = hex(randomblob(%lld)) WHERE id BETWEEN %lld AND %lld", table,
                 (long long)size + 12, /* t4's are UNIQUE */ (long long)key, (long long)key + 5);
    } else if (kind < 17) {
        snprintf(sql, sizeof sql, "DELETE FROM t%u WHERE id BETWEEN %lld AND %lld", table, (long long)key,
                 (long long)key + 3 + (kind == 16 ? 200 : 0));
    } else if (kind == 17) {
        snprintf(sql, sizeof sql, "DELETE FROM t%u WHERE 1", table);
    } else if (kind == 18) {
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) REPLACE "
                 "INTO t%u SELECT i, hex(randomblob(%lld)), i FROM n",
                 table, (long long)size);
    } else {
        snprintf(sql, sizeof sql, "DELETE FROM _rhei_cdc_log WHERE seq < (SELECT max(seq) FROM _rhei_cdc_log)");
        table = TABLES;
    }
    int64_t before = sqlite3_total_changes64(bench->writer);
    run(bench, sql);
    if (sqlite3_total_changes64(bench->writer) != before)
        *touched |= 1u << table;
}

static void random_schema(struct bench *bench)
{
    static const char *const STATEMENTS[] = {
        "DROP TABLE IF EXISTS x; CREATE TABLE x(id INTEGER PRIMARY KEY, v); INSERT INTO x(v) SELECT "
        "hex(randomblob(100)) FROM t0",
        "DROP TABLE IF EXISTS x",
        "CREATE INDEX IF NOT EXISTS i ON t1(v)",
        "DROP INDEX IF EXISTS i",
        "BEGIN; DROP TABLE IF EXISTS x; CREATE TABLE x(a PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO x SELECT id, v "
        "FROM t2; COMMIT",
    };
    run(bench, STATEMENTS[next_random(bench) % 5]);
}

#define SETUP                                                                                                    \
    "CREATE TABLE t0(id INTEGER PRIMARY KEY, v, w); CREATE TABLE t1(id INTEGER PRIMARY KEY, v, w);"              \
    "CREATE TABLE t2(id PRIMARY KEY, v, w) WITHOUT ROWID; CREATE TABLE t3(id, v, w); CREATE UNIQUE INDEX u3 ON " \
    "t3(id);"                                                                                                    \
    "CREATE TABLE t4(id INTEGER PRIMARY KEY, v UNIQUE, w); CREATE INDEX w4 ON t4(w);"

static void test_a10_the_map_is_what_dbstat_says(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, "PRAGMA recursive_triggers=ON;" SETUP);
    int64_t spent = 0;
    for (int round = 0; round < 600; round++) {
        unsigned touched = 0;
        unsigned statements = 1 + (unsigned)(next_random(&bench) % 6);
        bool one = next_random(&bench) % 2 == 0;
        run(&bench, one ? "BEGIN" : "SELECT 1");
        for (unsigned i = 0; i < statements; i++)
            random_statement(&bench, &touched);
        run(&bench, one ? "COMMIT" : "SELECT 1");
        if (round % 20 == 3)
            random_schema(&bench);
        int64_t began = base_now_ns();
        follow(&bench, CAPTURE_WATCH_EXPLAINED);
        spent += base_now_ns() - began;
        for (unsigned t = 0; t < TABLES; t++) {
            char name[8];
            snprintf(name, sizeof name, "t%u", t);
            if ((touched >> t & 1) != 0)
                assert_true(was_touched(&bench, name));
        }
        if (round % 10 == 0)
            expect_equal(&bench);
        unpin(&bench);
        if (round % 50 == 49) /* the log starts anew, with everything seen */
            start_log_anew(&bench);
    }
    print_message("%.1f us a look\n", (double)spent / 600000);
    bench_close(&bench);
}

/* Nothing is touched that wasn't written: one statement at a time. */
static void test_a10_only_written_tables_are_touched(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, SETUP);
    for (int round = 0; round < 1500; round++) {
        unsigned touched = 0;
        random_statement(&bench, &touched);
        follow(&bench, CAPTURE_WATCH_EXPLAINED);
        for (unsigned t = 0; t < TABLES; t++) {
            char name[8];
            snprintf(name, sizeof name, "t%u", t);
            assert_int_equal(was_touched(&bench, name), (touched >> t & 1) != 0);
        }
        unpin(&bench);
    }
    bench_close(&bench);
}

static uint64_t rows_sum(struct bench *bench, unsigned table)
{
    char sql[100];
    sqlite3_stmt *stmt = NULL;
    uint64_t sum = 14695981039346656037u;
    snprintf(sql, sizeof sql, "SELECT quote(id) || quote(v) || quote(w) FROM t%u ORDER BY id, v, w", table);
    assert_int_equal(sqlite3_prepare_v2(bench->writer, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        for (const unsigned char *at = sqlite3_column_text(stmt, 0); *at != 0; at++)
            sum = (sum ^ *at) * 1099511628211u;
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return sum;
}

static bool is_same(struct bench *bench, unsigned table)
{
    char name[8];
    snprintf(name, sizeof name, "t%u", table);
    return was_touched(bench, name) &&
           capture_watch_same(bench->watch, bench->connection, (uint32_t)root_of(bench, name));
}

/* A transaction; *kept gets the tables that it changed for good, *undone those of which it took something back. */
static void random_savepoints(struct bench *bench, unsigned *kept, unsigned *undone)
{
    unsigned parts = 1 + (unsigned)(next_random(bench) % 4);
    run(bench, next_random(bench) % 3 == 0 ? "PRAGMA cache_size = 5" : "PRAGMA cache_size = 2000");
    run(bench, "BEGIN; UPDATE n SET i = i + 1");
    for (unsigned part = 0; part < parts; part++) {
        bool back = next_random(bench) % 5 != 0;
        unsigned statements = 1 + (unsigned)(next_random(bench) % 3);
        run(bench, "SAVEPOINT s");
        for (unsigned i = 0; i < statements; i++)
            random_statement(bench, back ? undone : kept);
        run(bench, back ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
    }
    run(bench, "COMMIT");
}

/* Whatever goes back to a savepoint leaves every page as it was, and that is seen; what changed is never taken for the same. */
static void test_a10_what_was_taken_back_is_the_same(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, SETUP "CREATE TABLE n(i); INSERT INTO n VALUES(0);");
    unsigned shown = 0, hidden = 0;
    for (int round = 0; round < 500; round++) {
        uint64_t before[TABLES], kind = next_random(&bench) % 12;
        unsigned kept = 0, undone = 0;
        for (unsigned t = 0; t < TABLES; t++)
            before[t] = rows_sum(&bench, t);
        capture_watch_clear(bench.watch);
        random_savepoints(&bench, &kept, &undone);
        if (kind < 3) { /* a look in the middle, which forgets nothing */
            pin(&bench);
            assert_int_equal(capture_watch_follow(bench.watch, bench.connection), CAPTURE_WATCH_EXPLAINED);
            unpin(&bench);
        }
        if (kind == 1) /* nothing was missed, but what was there before is gone */
            start_log_anew(&bench);
        if (kind < 3)
            random_savepoints(&bench, &kept, &undone);
        if (kind == 5) { /* another program copies the log, or the engine does just then, and goes on with it */
            int rc = sqlite3_wal_checkpoint_v2(bench.writer, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
            assert_true(rc == SQLITE_OK || rc == SQLITE_BUSY);
        }
        pin(&bench);
        assert_int_equal(capture_watch_follow(bench.watch, bench.connection), CAPTURE_WATCH_EXPLAINED);
        for (unsigned t = 0; t < TABLES; t++) {
            bool same = is_same(&bench, t), only_back = (undone >> t & 1) != 0 && (kept >> t & 1) == 0;
            char name[8];
            snprintf(name, sizeof name, "t%u", t);
            if (same)
                assert_int_equal(rows_sum(&bench, t), before[t]);
            if (only_back && was_touched(&bench, name) && kind != 1 && kind != 5)
                assert_true(same);
            shown += same;
            hidden += only_back && !same;
        }
        unpin(&bench);
        if (round % 40 == 39)
            start_log_anew(&bench);
    }
    print_message("%u tables shown to be the same, %u not\n", shown, hidden);
    assert_true(shown > 100);
    bench_close(&bench);
}

/* One byte, past every trigger and without moving a row. */
static void test_a10_a_changed_byte_is_not_the_same(void **state)
{
    (void)state;
    struct bench bench;
    sqlite3_blob *blob = NULL;
    bench_open(&bench, SETUP "INSERT INTO t0 VALUES(1, zeroblob(9000), 1), (2, zeroblob(20), 1);");
    for (int row = 1; row <= 2; row++)
        for (int same = 0; same < 2; same++) {
            capture_watch_clear(bench.watch);
            assert_int_equal(sqlite3_blob_open(bench.writer, "main", "t0", "v", row, 1, &blob), SQLITE_OK);
            assert_int_equal(sqlite3_blob_write(blob, "\1", 1, row == 1 ? 8000 : 10), SQLITE_OK);
            assert_int_equal(sqlite3_blob_close(blob), SQLITE_OK);
            pin(&bench);
            assert_int_equal(capture_watch_follow(bench.watch, bench.connection), CAPTURE_WATCH_EXPLAINED);
            assert_int_equal(is_same(&bench, 0), same); /* the second time it is there already */
            unpin(&bench);
        }
    bench_close(&bench);
}

static void test_a10_missed_commits_are_noticed(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, SETUP);
    run(&bench, "INSERT INTO t0 VALUES(1, 1, 1)");
    start_log_anew(&bench);
    run(&bench, "INSERT INTO t1 VALUES(1, 1, 1)");
    follow(&bench, CAPTURE_WATCH_LOST);
    unpin(&bench);
    bench_close(&bench);

    bench_open(&bench, SETUP);
    start_log_anew(&bench);
    follow(&bench, CAPTURE_WATCH_EXPLAINED);
    unpin(&bench);
    run(&bench, "INSERT INTO t1 VALUES(1, 1, 1); INSERT INTO t1 VALUES(2, 1, 1)");
    follow(&bench, CAPTURE_WATCH_EXPLAINED);
    assert_true(was_touched(&bench, "t1"));
    assert_false(was_touched(&bench, "t0"));
    unpin(&bench);
    run(&bench, "VACUUM");
    follow(&bench, CAPTURE_WATCH_REWRITTEN);
    expect_equal(&bench);
    unpin(&bench);
    bench_close(&bench);
}

/* A run that is too long to be held is read page by page. */
static void test_a10_a_long_run(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, SETUP);
    run(&bench,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO t0 SELECT i, "
        "hex(randomblob(100)), i FROM n; INSERT INTO t1 VALUES(1, hex(randomblob(50000)), 1)");
    follow(&bench, CAPTURE_WATCH_EXPLAINED);
    expect_equal(&bench);
    unpin(&bench);
    run(&bench, "DELETE FROM t0 WHERE id % 3 <> 0; UPDATE t1 SET v = hex(randomblob(60000)); DELETE FROM _rhei_cdc_log "
                "WHERE seq < 60000");
    follow(&bench, CAPTURE_WATCH_EXPLAINED);
    expect_equal(&bench);
    unpin(&bench);
    bench_close(&bench);
}

/* ---- The map alone. ---- */

enum { SMALL_PAGE = 512 };

static void put4(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static const uint8_t *read_one(void *context, uint32_t frame)
{
    (void)frame;
    return context;
}

/* A damaged page may point anywhere: at a root, at itself, at no page at all. None of those becomes its tree's. */
static void test_a10_a_root_is_no_other_trees_page(void **state)
{
    (void)state;
    static const uint32_t ROOTS[] = {2, 3};
    uint8_t page[SMALL_PAGE] = {5, 0, 0, 0, 3}; /* an inner page of a table: three cells and what is right of them */
    const uint32_t *touched = NULL;
    size_t count = 0;
    struct capture_walmap *map = capture_walmap_new(SMALL_PAGE, SMALL_PAGE);
    assert_non_null(map);
    assert_true(capture_walmap_roots(map, ROOTS, 2));
    assert_true(capture_walmap_page(map, 2, 2, 0, false, 0) && capture_walmap_page(map, 3, 3, 0, false, 5));
    put4(page + 8, 3);
    static const uint32_t CHILDREN[] = {4, 2, 77};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t at = SMALL_PAGE - 5 * (i + 1);
        page[12 + 2 * i] = (uint8_t)(at >> 8);
        page[13 + 2 * i] = (uint8_t)at;
        put4(page + at, CHILDREN[i]);
    }
    assert_true(capture_walmap_begin(map, 4) && capture_walmap_frame(map, 2, 1));
    assert_true(capture_walmap_settle(map, read_one, page, &touched, &count));
    assert_int_equal(count, 1);
    assert_int_equal(touched[0], 2);
    assert_int_equal(capture_walmap_owner(map, 2), 2);
    assert_int_equal(capture_walmap_owner(map, 3), 3);
    assert_int_equal(capture_walmap_owner(map, 4), 2);
    assert_int_equal(capture_walmap_owner(map, 77), 0);
    assert_int_equal(capture_walmap_rows(map, 3), 5);
    capture_walmap_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a10_the_map_is_what_dbstat_says),
        cmocka_unit_test(test_a10_only_written_tables_are_touched),
        cmocka_unit_test(test_a10_what_was_taken_back_is_the_same),
        cmocka_unit_test(test_a10_a_changed_byte_is_not_the_same),
        cmocka_unit_test(test_a10_missed_commits_are_noticed),
        cmocka_unit_test(test_a10_a_long_run),
        cmocka_unit_test(test_a10_a_root_is_no_other_trees_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
