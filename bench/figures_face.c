/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that SQLite has only as a face of the column store, beside bare SQLite with the same rows: what its virtual tables cost. */
#include <math.h>
#include <stdio.h>

#include "bench_rhei.h"
#include "peer_sqlite.h"

/* A table's valid versions are such a table, which any program can have: its rows are in the column store alone. */
static const char *const shown = "history.orders_history_open", *const stored = "orders";

struct question {
    const char *name, *sql; /* %s: the table; a bound ?1 is another one each time */
    int times;              /* in a run */
};
static const struct question questions[] = {
    {"face: a row by its key", "SELECT amount FROM %s WHERE id = ?1", 2000},
    {"face: 20 keys of an IN list",
     "SELECT amount FROM %s WHERE id IN (?1, ?1 + 7, ?1 + 911, 5, 99, 4321, 77, 1234, 888, 31, 2, 9, 64, 500, 6000, "
     "7000, 8001, "
     "9002, 1003, 42)",
     300},
    {"face: a range of 100 keys", "SELECT id, status, amount FROM %s WHERE id BETWEEN ?1 AND ?1 + 99", 1000},
    {"face: first 20 by the key, from a place", "SELECT id, amount FROM %s WHERE id > ?1 ORDER BY id LIMIT 20", 300},
    {"face: 20 rows behind an OFFSET", "SELECT id, amount FROM %s ORDER BY id LIMIT 20 OFFSET ?1", 20},
    {"face: newest 20 by the key", "SELECT id, amount FROM %s ORDER BY id DESC LIMIT 20", 300},
    {"face: a join of 1,000 rows with it by its key",
     "SELECT count(*), sum(o.amount) FROM (WITH RECURSIVE c(i) AS (SELECT ?1 UNION ALL SELECT i + 37 FROM c LIMIT "
     "1000) "
     "SELECT i FROM c) k JOIN %s o ON o.id = k.i",
     5},
    {"face: sum of a column, by SQLite", "SELECT sum(amount), max(ts) FROM %s", 1},
    {"face: every row to the program", "SELECT id, customer, amount, status, ts FROM %s", 1},
    {"face: filter and GROUP BY, by SQLite",
     "SELECT status, count(*), avg(amount) FROM %s WHERE ts > 1700000000 + ?1 GROUP BY status", 1},
};

static int64_t key_of(const struct bench *bench, int time)
{
    return 1 + (int64_t)time * 7919 % (bench->rows / 2);
}

static uint64_t ask_rhei(const struct bench *bench, rhei_statement *statement, int times)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {
        .struct_size = sizeof options, .route = RHEI_ROUTE_OLTP, .freshness = rhei_eventual()};
    uint64_t found = 0;
    for (int time = 0; time < times; time++) {
        struct rhei_value key = {.type = RHEI_INTEGER, .as.integer = key_of(bench, time)};
        struct rhei_params params = {.values = &key, .count = rhei_statement_parameter_count(statement)};
        rhei_rows *rows = NULL;
        rhei_status status = rhei_statement_query(statement, &params, &options, &rows, &error);
        while (status == RHEI_OK || status == RHEI_ROW) {
            status = rhei_rows_next(rows, &error);
            found += status == RHEI_ROW;
        }
        if (status != RHEI_DONE)
            bench_die("face", error.message);
        rhei_rows_close(&rows);
    }
    return found;
}

static uint64_t ask_peer(const struct bench *bench, sqlite3_stmt *statement, int times)
{
    uint64_t found = 0;
    for (int time = 0; time < times; time++) {
        (void)sqlite3_bind_int64(statement, 1, key_of(bench, time)); /* some have no parameter */
        int rc;
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
            for (int column = 0; column < sqlite3_column_count(statement); column++)
                if (sqlite3_column_type(statement, column) == SQLITE_TEXT)
                    (void)sqlite3_column_text(statement, column);
            found++;
        }
        if (rc != SQLITE_DONE)
            bench_die("peer", "fails");
        (void)sqlite3_reset(statement);
    }
    return found;
}

static void compare(struct bench *bench, rhei_db *db, sqlite3 *peer, const struct question *question)
{
    struct samples rhei = {0}, other = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    char sql[512];
    snprintf(sql, sizeof sql, question->sql, shown); /* NOLINT: the formats are above */
    if (rhei_prepare(db, sql, &statement, &error) != RHEI_OK)
        bench_die(sql, error.message);
    snprintf(sql, sizeof sql, question->sql, stored); /* NOLINT: the formats are above */
    sqlite3_stmt *prepared = peer_prepare(peer, sql);
    if (ask_rhei(bench, statement, 1) != ask_peer(bench, prepared, 1))
        bench_die(sql, "gives another number of rows than bare SQLite");
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        uint64_t found = ask_rhei(bench, statement, question->times);
        samples_add(&rhei, (bench_now_s() - start) * 1e6 / question->times);
        start = bench_now_s();
        uint64_t wanted = ask_peer(bench, prepared, question->times);
        samples_add(&other, (bench_now_s() - start) * 1e6 / question->times);
        if (found != wanted)
            bench_die(sql, "gives another number of rows than bare SQLite");
    }
    rhei_statement_close(&statement);
    (void)sqlite3_finalize(prepared);
    struct figure figure = {.name = question->name,
                            .unit = "us",
                            .peer = "bare SQLite",
                            .peer_value = samples_median(&other),
                            .compared = samples_median(&rhei) / samples_median(&other),
                            .target = NAN};
    report_add_samples(bench->report, &figure, &rhei);
}

static rhei_db *open_shown(const struct bench *bench)
{
    struct rhei_config config = {
        .struct_size = sizeof config, .manual_sync = true, .sync_mode = RHEI_SYNC_TEMPORAL, .threads = 1};
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[512];
    rhei_db *db = NULL;
    bench_path(path, sizeof path, bench, "face");
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        bench_die("open", error.message);
    bench_execute(db, bench_orders);
    bench_fill(db, bench->rows);
    bench_build(db);
    return db;
}

static sqlite3 *open_stored(const struct bench *bench)
{
    char path[512], sql[600];
    bench_path(path, sizeof path, bench, "facepeer");
    sqlite3 *peer = peer_open(path);
    peer_exec(peer, bench_orders);
    snprintf(sql, sizeof sql, bench_fill_sql(), 1LL,
             (long long)bench->rows); /* NOLINT: the format is bench_fill_sql's */
    peer_exec(peer, sql);
    return peer;
}

void figures_face(struct bench *bench)
{
    bench_say("face: %lld rows that only the column store has ...", (long long)bench->rows);
    rhei_db *db = open_shown(bench);
    sqlite3 *peer = open_stored(bench);
    for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++)
        compare(bench, db, peer, &questions[q]);
    peer_close(peer);
    rhei_close(&db);
}
