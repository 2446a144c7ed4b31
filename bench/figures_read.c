/* SPDX-License-Identifier: Apache-2.0 */
/* Analytics beside bare DuckDB: ten queries, short queries with new literals, full scans to Arrow, scans over dead rows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_rhei.h"
#include "peer_duckdb.h"

static const char *const queries[][2] = {
    {"count, sum", "SELECT count(*), sum(amount) FROM orders"},
    {"GROUP BY status", "SELECT status, count(*), sum(amount) FROM orders GROUP BY status"},
    {"GROUP BY customer", "SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer"},
    {"SELECT * WHERE amount > 990", "SELECT * FROM orders WHERE amount > 990"},
    {"count WHERE ts BETWEEN", "SELECT count(*) FROM orders WHERE ts BETWEEN 1700500000 AND 1700510000"},
    {"join + GROUP BY",
     "SELECT c.region, count(*), sum(o.amount) FROM orders o JOIN customers c ON c.name = o.customer "
     "GROUP BY c.region"},
    {"LIKE 'cust99%'", "SELECT count(*) FROM orders WHERE customer LIKE 'cust99%'"},
    {"ORDER BY LIMIT 10", "SELECT id, customer, amount FROM orders ORDER BY amount DESC, id LIMIT 10"},
    {"full scan", "SELECT * FROM orders"},
};

static void fill_customers(rhei_db *db)
{
    bench_execute(db, "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT)");
    bench_execute(db, "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 10006) INSERT INTO "
                      "customers SELECT i, 'cust' || i, 'region' || (i % 12) FROM c");
}

static void fill_peer(int64_t rows)
{
    char sql[600];
    snprintf(sql, sizeof sql, bench_fill_duckdb(), (long long)rows + 1);
    duck_exec(sql);
    duck_exec("CREATE TABLE customers AS SELECT i AS id, 'cust' || i AS name, 'region' || (i % 12) AS region FROM "
              "range(0, 10007) t(i)");
}

static bool on_olap(rhei_db *db, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(db, sql, NULL, NULL, &rows, &error) != RHEI_OK)
        bench_die(sql, error.message);
    bool olap = strcmp(rhei_rows_route(rows), "olap") == 0;
    if (!olap)
        bench_say("not on the column store (%s): %s", rhei_rows_rule(rows), sql);
    rhei_rows_close(&rows);
    return olap;
}

static void compare_query(struct bench *bench, rhei_db *db, const char *name, const char *sql, double *log_sum,
                          int *counted, double *worst)
{
    struct samples rhei = {0}, peer = {0}, ratios = {0};
    void *prepared = duck_prepare(sql);
    uint64_t expected = duck_run(prepared, true), got = bench_arrow(db, sql, RHEI_ROUTE_AUTO);
    if (expected != got)
        bench_die(sql, "gives another number of rows than DuckDB");
    bool olap = on_olap(db, sql);
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        bench_arrow(db, sql, RHEI_ROUTE_AUTO);
        samples_add(&rhei, (bench_now_s() - start) * 1e3);
        start = bench_now_s();
        duck_run(prepared, true);
        samples_add(&peer, (bench_now_s() - start) * 1e3);
        samples_add(&ratios, rhei.values[run] / peer.values[run]);
    }
    duck_finish(prepared);
    double ratio = samples_median(&ratios);
    *log_sum += log(ratio);
    *counted += 1;
    *worst = ratio > *worst ? ratio : *worst;
    char label[96];
    snprintf(label, sizeof label, "  %s%s", name, olap ? "" : " (SQLite answers)");
    struct figure figure = {.name = strdup(label),
                            .unit = "ms",
                            .peer = "DuckDB",
                            .peer_value = samples_median(&peer),
                            .compared = ratio,
                            .target = NAN};
    report_add_samples(bench->report, &figure, &rhei);
}

static void add_mean(struct bench *bench, const char *name, double value, double target, const char *text)
{
    struct figure figure = {.name = name,
                            .unit = "",
                            .value = value,
                            .low = value,
                            .high = value,
                            .compared = value,
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add(bench->report, &figure);
}

static void short_queries(struct bench *bench, rhei_db *db)
{
    struct samples rhei = {0}, peer = {0};
    for (int i = 0; i < 200; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT count(*), sum(id) FROM customers WHERE id > %d", i * 13);
        void *prepared = duck_prepare(sql);
        duck_run(prepared, false);
        double start = bench_now_s();
        duck_run(prepared, false);
        samples_add(&peer, (bench_now_s() - start) * 1e6);
        duck_finish(prepared);
        start = bench_now_s();
        bench_query(db, sql, RHEI_ROUTE_OLAP);
        samples_add(&rhei, (bench_now_s() - start) * 1e6);
    }
    struct figure figure = {.name = "short query, new literals each time - DuckDB prepared with them",
                            .unit = "us",
                            .peer = "DuckDB",
                            .peer_value = samples_median(&peer),
                            .compared = samples_median(&rhei) - samples_median(&peer),
                            .target_text = "<= +20 us",
                            .target = 20,
                            .sense = AT_MOST};
    report_add_samples(bench->report, &figure, &rhei);
}

/* ---- 100,000 rows: the workloads of the side-by-side table. ----------------------------------------------------------- */

static void fill_small(rhei_db *db)
{
    duck_exec("CREATE TABLE small AS SELECT * FROM orders WHERE id <= 100000");
    bench_execute(db,
                  "CREATE TABLE small (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, status TEXT, ts INTEGER)");
    bench_execute(db, "INSERT INTO small SELECT * FROM orders WHERE id <= 100000");
    duck_exec(
        "CREATE TABLE users AS SELECT i AS id, 'user name number ' || i AS name, i % 90 AS age, i * 0.37::DOUBLE AS "
        "score FROM range(1, 100001) t(i)");
    bench_execute(db, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, score REAL)");
    bench_execute(db,
                  "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) INSERT INTO users "
                  "SELECT i, 'user name number ' || i, i % 90, i * 0.37 FROM c");
    bench_build(db);
}

struct paced { /* how often a second, beside DuckDB */
    const char *name, *sql;
    bool views;
    bool own_sum;             /* beside DuckDB's own sum() over the same mirror, not beside its own tables */
    double per_second, times; /* targets; times the peer's speed. 0: none */
};

static void add_pace(struct bench *bench, const struct paced *paced, struct samples *rhei, struct samples *peer,
                     double ratio)
{
    static char texts[32][24], names[32][80];
    static int used = 0;
    double pace = 1 / samples_median(rhei), fastest = 1 / samples_min(rhei), slowest = 1 / samples_max(rhei);
    struct figure figure = {.name = paced->name,
                            .unit = "/s",
                            .value = pace,
                            .low = slowest,
                            .high = fastest,
                            .peer = paced->own_sum ? "its own sum" : "DuckDB",
                            .peer_value = 1 / samples_median(peer),
                            .compared = ratio,
                            .target = NAN,
                            .sense = AT_LEAST};
    if (paced->times > 0) {
        figure.target = paced->times;
        snprintf(texts[used], sizeof texts[used], ">= %g times", paced->times);
        figure.target_text = texts[used++];
    }
    report_add(bench->report, &figure);
    if (paced->per_second == 0)
        return;
    snprintf(names[used], sizeof names[used], "%.60s, a second", paced->name);
    snprintf(texts[used], sizeof texts[used], ">= %g", paced->per_second);
    figure.name = names[used];
    figure.target_text = texts[used++];
    figure.target = paced->per_second;
    figure.compared = pace;
    report_add(bench->report, &figure);
}

/* Both engines in turn, one query each; the first of either is thrown away. */
static void compare_pace(struct bench *bench, rhei_db *db, const struct paced *paced)
{
    struct samples rhei = {0}, peer = {0}, ratios = {0};
    void *prepared = duck_prepare(paced->sql);
    uint64_t expected = duck_run(prepared, true), got = bench_arrow_strings(db, paced->sql, paced->views);
    if (expected != got)
        bench_die(paced->sql, "gives another number of rows than DuckDB");
    on_olap(db, paced->sql);
    for (int run = 0; run < 10 * bench->runs; run++) {
        double start = bench_now_s();
        bench_arrow_strings(db, paced->sql, paced->views);
        samples_add(&rhei, bench_now_s() - start);
        start = bench_now_s();
        if (paced->own_sum)
            bench_native(db, paced->sql);
        else
            duck_run(prepared, true);
        samples_add(&peer, bench_now_s() - start);
        samples_add(&ratios, peer.values[run] / rhei.values[run]);
    }
    duck_finish(prepared);
    add_pace(bench, paced, &rhei, &peer, samples_median(&ratios));
}

static const struct paced hundred_thousand[] = {
    {.name = "full scan of 100 k rows to Arrow, utf8", .sql = "SELECT * FROM users", .per_second = 1000, .times = 3},
    {.name = "full scan of 100 k rows to Arrow, views",
     .sql = "SELECT * FROM users",
     .views = true,
     .per_second = 1500,
     .times = 3},
    {.name = "full scan of 100 k rows, two texts a row", .sql = "SELECT * FROM small", .times = 3},
    {.name = "filter of 18 % of 100 k rows",
     .sql = "SELECT * FROM users WHERE score > 30340",
     .per_second = 1055,
     .times = 1},
    {.name = "GROUP BY, count and REAL sum, 100 k rows",
     .sql = "SELECT age, count(*), sum(score) FROM users GROUP BY age",
     .own_sum = true,
     .per_second = 785,
     .times = 1},
    {.name = "GROUP BY a text, REAL sum, 100 k rows",
     .sql = "SELECT status, count(*), sum(amount) FROM small GROUP BY status",
     .own_sum = true,
     .times = 1},
    {.name = "sum, avg, 100 k rows", .sql = "SELECT sum(score), avg(score) FROM users", .per_second = 1572, .times = 1},
};

static void paces(struct bench *bench, rhei_db *db)
{
    fill_small(db);
    for (size_t i = 0; i < sizeof hundred_thousand / sizeof hundred_thousand[0]; i++)
        compare_pace(bench, db, &hundred_thousand[i]);
}

/* ---- Totals of the whole table. ---------------------------------------------------------------------------------------- */

static void totals(struct bench *bench, rhei_db *db, const char *name, const char *sql)
{
    struct samples rhei = {0}, peer = {0};
    void *prepared = duck_prepare(sql);
    bench_query(db, sql, RHEI_ROUTE_AUTO); /* what vectors come to is found once */
    for (int run = 0; run < 10 * bench->runs; run++) {
        double start = bench_now_s();
        bench_query(db, sql, RHEI_ROUTE_AUTO);
        samples_add(&rhei, (bench_now_s() - start) * 1e6);
        start = bench_now_s();
        duck_run(prepared, false);
        samples_add(&peer, (bench_now_s() - start) * 1e6);
    }
    duck_finish(prepared);
    struct figure figure = {.name = name,
                            .unit = "us",
                            .peer = "DuckDB",
                            .peer_value = samples_median(&peer),
                            .compared = samples_median(&rhei),
                            .target_text = "<= 30 us",
                            .target = 30,
                            .sense = AT_MOST};
    report_add_samples(bench->report, &figure, &rhei);
}

/* An expression, so that the executor scans: the mirror knows sum(ts) itself. */
static double scan_ms(rhei_db *db, const char *table)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*), sum(ts + 1) FROM %s", table);
    double start = bench_now_s();
    bench_query(db, sql, RHEI_ROUTE_OLAP);
    return (bench_now_s() - start) * 1e3;
}

/* Two tables of the same rows, the second one with dead rows among them, in turn. */
static void compare_dead(struct bench *bench, rhei_db *db, const char *name, double target, const char *text)
{
    struct samples dirty = {0}, fresh = {0}, ratios = {0};
    scan_ms(db, "orders");
    scan_ms(db, "worn");
    for (int run = 0; run < 15 * bench->runs; run++) {
        samples_add(&fresh, scan_ms(db, "orders"));
        samples_add(&dirty, scan_ms(db, "worn"));
        samples_add(&ratios, dirty.values[run] / fresh.values[run]);
    }
    struct figure figure = {.name = name,
                            .unit = "ms",
                            .peer = "fresh",
                            .peer_value = samples_median(&fresh),
                            .compared = samples_median(&ratios),
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add_samples(bench->report, &figure, &dirty);
}

static void dead_rows(struct bench *bench, rhei_db *db)
{
    bench_execute(db,
                  "CREATE TABLE worn (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, status TEXT, ts INTEGER)");
    bench_execute(db, "INSERT INTO worn SELECT * FROM orders");
    bench_build(db);
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE worn SET amount = amount + 1 WHERE id %% %lld = 7",
             (long long)(bench->rows / 10000 > 0 ? bench->rows / 10000 : 1));
    bench_execute(db, sql);
    bench_sync(db);
    compare_dead(bench, db, "scan with 10 k scattered dead rows in 1 M / fresh", 1.2, "<= 1.2");
    bench_execute(db, "UPDATE worn SET amount = amount + 1 WHERE id % 5 = 2");
    bench_sync(db);
    compare_dead(bench, db, "the same with a fifth of it dead / fresh", 1e9, "for comparison");
}

/* Compaction is the upkeep's, which a handle without manual_sync has. */
static void compacted_rows(struct bench *bench, const char *path)
{
    rhei_db *db = bench_open(path, false, (uint32_t)bench->threads);
    bench_build(db);
    bench_execute(db, "UPDATE worn SET amount = amount + 1 WHERE id % 5 = 2");
    bench_sync(db);
    double most = (double)bench->rows / 10;
    for (int looks = 0; looks < 1000 && bench_metric(db, "rhei_mirror_dead_rows") > most; looks++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (bench_metric(db, "rhei_mirror_dead_rows") > most)
        bench_say("compaction didn't come within ten seconds");
    compare_dead(bench, db, "the same after compaction / fresh", 1.05, "<= 1.05");
    rhei_close(&db);
}

void figures_read(struct bench *bench)
{
    bench_say("reads beside bare DuckDB ...");
    if (!duck_open(bench->threads))
        return;
    fill_peer(bench->rows);
    char path[512];
    bench_path(path, sizeof path, bench, "read");
    rhei_db *db = bench_open(path, true, (uint32_t)bench->threads);
    bench_execute(db, bench_orders);
    fill_customers(db);
    bench_fill(db, bench->rows);
    bench_build(db);
    double log_sum = 0, worst = 0;
    int counted = 0;
    for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++)
        compare_query(bench, db, queries[q][0], queries[q][1], &log_sum, &counted, &worst);
    add_mean(bench, "nine analytical queries / native, geometric mean", exp(log_sum / counted), 0.8, "<= 0.8");
    add_mean(bench, "nine analytical queries / native, the worst", worst, 1.2, "<= 1.2");
    short_queries(bench, db);
    paces(bench, db);
    totals(bench, db, "count, sum, min, max, avg of the big table",
           "SELECT count(*), sum(amount), min(ts), max(ts), avg(amount) FROM orders");
    totals(bench, db, "the same where whole segments pass",
           "SELECT count(*), sum(amount), min(ts), max(ts), avg(amount) FROM orders WHERE id > 0");
    dead_rows(bench, db);
    rhei_close(&db);
    compacted_rows(bench, path);
    duck_close();
}
