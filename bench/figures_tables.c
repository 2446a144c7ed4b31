/* SPDX-License-Identifier: Apache-2.0 */
/* What many tables cost: opening, schema changes, cycles and cached queries beside those of a small schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_rhei.h"
#include "peer_sqlite.h"

enum { MANY = 1000, FEW = 10, CHANGES = 15, ROUNDS = 200 };

/* Tables of three columns, one of them unique, with ten rows each; made by SQLite alone. */
static void make_file(const char *path, int tables)
{
    sqlite3 *db = NULL;
    char sql[512];
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bench_die("tables", "SQLite can't make the file");
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    for (int i = 0; i < tables; i++) {
        snprintf(sql, sizeof sql,
                 "CREATE TABLE t%d(id INTEGER PRIMARY KEY, a UNIQUE, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                 "SELECT i + 1 "
                 "FROM n WHERE i < 10) INSERT INTO t%d SELECT i, i, i * 2 FROM n",
                 i, i);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            bench_die("tables", sqlite3_errmsg(db));
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
}

struct costs {
    struct samples open_s, change_us, follow_us, cycle_us, query_us;
};

static void measure(struct bench *bench, int tables, int run, struct costs *costs)
{
    char path[512], name[64], sql[160];
    snprintf(name, sizeof name, "tables%d-%d.db", tables, run);
    bench_path(path, sizeof path, bench, name);
    make_file(path, tables);
    double start = bench_now_s();
    rhei_db *db = bench_open(path, true, 0);
    bench_build(db);
    samples_add(&costs->open_s, bench_now_s() - start);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(sql, sizeof sql, "UPDATE t0 SET b = %d", i + run);
        bench_execute(db, sql);
        start = bench_now_s();
        bench_sync(db);
        samples_add(&costs->cycle_us, (bench_now_s() - start) * 1e6);
        start = bench_now_s();
        bench_query(db, "SELECT sum(b), count(*) FROM t0 WHERE a > 3", RHEI_ROUTE_OLAP);
        samples_add(&costs->query_us, (bench_now_s() - start) * 1e6);
    }
    for (int i = 0; i < CHANGES; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE z%d(id INTEGER PRIMARY KEY, a, b)", i);
        start = bench_now_s();
        bench_execute(db, sql);
        samples_add(&costs->change_us, (bench_now_s() - start) * 1e6);
        start = bench_now_s();
        bench_sync(db);
        samples_add(&costs->follow_us, (bench_now_s() - start) * 1e6);
    }
    rhei_close(&db);
    remove(path);
}

/* An empty file that gets its tables one by one, beside the sync that runs by itself. */
static void measure_making(struct bench *bench, struct samples *made_s, struct samples *mirrored_s)
{
    char path[512], sql[160];
    bench_path(path, sizeof path, bench, "making");
    rhei_db *db = bench_open(path, false, 0);
    double start = bench_now_s();
    for (int i = 0; i < MANY; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE z%d(id INTEGER PRIMARY KEY, a, b)", i);
        bench_execute(db, sql);
    }
    samples_add(made_s, bench_now_s() - start);
    bench_build(db);
    samples_add(mirrored_s, bench_now_s() - start);
    rhei_close(&db);
    remove(path);
}

/* The same by bare SQLite, without triggers or with three for each table. */
static void measure_bare_making(struct bench *bench, bool triggers, struct samples *made_s)
{
    char path[512], sql[1024];
    sqlite3 *db = NULL;
    bench_path(path, sizeof path, bench, "bare-making");
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = normal; CREATE TABLE log(op)", NULL, NULL,
                     NULL) != SQLITE_OK)
        bench_die("tables", sqlite3_errmsg(db));
    double start = bench_now_s();
    for (int i = 0; i < MANY; i++) {
        size_t len = (size_t)snprintf(sql, sizeof sql, "BEGIN; CREATE TABLE z%d(id INTEGER PRIMARY KEY, a, b);", i);
        static const char *const events[] = {"INSERT", "UPDATE", "DELETE"};
        for (int e = 0; e < 3 && triggers; e++)
            len += (size_t)snprintf(sql + len, sizeof sql - len,
                                    "CREATE TRIGGER z%d_%d AFTER %s ON z%d BEGIN INSERT INTO log VALUES('%c'); END;", i,
                                    e, events[e], i, events[e][0]);
        snprintf(sql + len, sizeof sql - len, "COMMIT");
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            bench_die("tables", sqlite3_errmsg(db));
    }
    samples_add(made_s, bench_now_s() - start);
    sqlite3_close(db);
    remove(path);
}

/* Bare SQLite that makes the same table with the triggers that capture needs: what no engine over it can go below. */
static void measure_bare(struct bench *bench, int tables, struct samples *change_us)
{
    char path[512], sql[1024];
    bench_path(path, sizeof path, bench, "bare.db");
    make_file(path, tables);
    rhei_db *db = bench_open(path, true, 0);
    rhei_close(&db);
    sqlite3 *bare = NULL;
    if (sqlite3_open(path, &bare) != SQLITE_OK)
        bench_die("tables", "SQLite can't open the file");
    sqlite3_exec(bare, "SELECT 1 FROM t0", NULL, NULL, NULL);
    for (int i = 0; i < CHANGES; i++) {
        snprintf(sql, sizeof sql,
                 "BEGIN; CREATE TABLE z%d(id INTEGER PRIMARY KEY, a, b);"
                 "CREATE TRIGGER z%di AFTER INSERT ON z%d BEGIN INSERT INTO _rhei_cdc_log(op) VALUES('I'); END;"
                 "CREATE TRIGGER z%du AFTER UPDATE ON z%d BEGIN INSERT INTO _rhei_cdc_log(op) VALUES('U'); END;"
                 "CREATE TRIGGER z%dd AFTER DELETE ON z%d BEGIN INSERT INTO _rhei_cdc_log(op) VALUES('D'); END; COMMIT",
                 i, i, i, i, i, i, i);
        double start = bench_now_s();
        if (sqlite3_exec(bare, sql, NULL, NULL, NULL) != SQLITE_OK)
            bench_die("tables", sqlite3_errmsg(bare));
        samples_add(change_us, (bench_now_s() - start) * 1e6);
    }
    sqlite3_close(bare);
    remove(path);
}

static void add_ratio(struct bench *bench, const char *name, const char *unit, struct samples *many, const char *peer,
                      struct samples *few, double target, const char *text)
{
    double value = samples_median(many), other = samples_median(few);
    struct figure figure = {.name = name,
                            .unit = unit,
                            .value = value,
                            .low = samples_min(many),
                            .high = samples_max(many),
                            .peer = peer,
                            .peer_value = other,
                            .compared = value / other,
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add(bench->report, &figure);
}

void figures_tables(struct bench *bench)
{
    static struct costs one, few, many;
    static struct samples bare_one, bare_many, made, mirrored, bare_made, triggers_made;
    bench_say("measuring %d tables", MANY);
    for (int run = 0; run < 3; run++) {
        measure(bench, 1, run, &one);
        measure(bench, FEW, run, &few);
        measure(bench, MANY, run, &many);
        measure_bare(bench, 1, &bare_one);
        measure_bare(bench, MANY, &bare_many);
        measure_making(bench, &made, &mirrored);
        measure_bare_making(bench, false, &bare_made);
        measure_bare_making(bench, true, &triggers_made);
    }
    struct figure opened = {.name = "open and mirror 1,000 tables",
                            .unit = "s",
                            .value = samples_median(&many.open_s),
                            .low = samples_min(&many.open_s),
                            .high = samples_max(&many.open_s),
                            .compared = samples_median(&many.open_s),
                            .target_text = "<= 3 s",
                            .target = 3,
                            .sense = AT_MOST};
    report_add(bench->report, &opened);
    add_ratio(bench, "CREATE TABLE among 1,000 tables", "us", &many.change_us, "among 1", &one.change_us, 3, "<= 3x");
    add_ratio(bench, "the same, bare SQLite with three triggers", "us", &bare_many, "among 1", &bare_one, 1e9,
              "for comparison");
    add_ratio(bench, "the cycle after it, which captures the table", "us", &many.follow_us, "among 1", &one.follow_us,
              1e9, "for comparison");
    add_ratio(bench, "1,000 CREATE TABLEs, one by one", "s", &made, "bare, 3 triggers", &triggers_made, 1e9,
              "for comparison");
    add_ratio(bench, "until all are mirrored", "s", &mirrored, "bare, no trigger", &bare_made, 1e9, "for comparison");
    add_ratio(bench, "a cycle of 10 rows among 1,000 tables", "us", &many.cycle_us, "among 10", &few.cycle_us, 1.2,
              "<= 1.2x");
    add_ratio(bench, "a cached query among 1,000 tables", "us", &many.query_us, "among 10", &few.query_us, 1.2,
              "<= 1.2x");
}
