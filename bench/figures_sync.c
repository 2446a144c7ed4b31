/* SPDX-License-Identifier: Apache-2.0 */
/* From commit to analytics: draining the log, small cycles, freshness, the build at open, memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_rhei.h"

enum { CYCLES = 400, LATEST = 120 };

static void add_value(struct bench *bench, const char *name, const char *unit, struct samples *samples,
                      enum figure_sense sense, double target, const char *text)
{
    struct figure figure = {.name = name,
                            .unit = unit,
                            .compared = samples_median(samples),
                            .target_text = text,
                            .target = target,
                            .sense = sense};
    report_add_samples(bench->report, &figure, samples);
}

static double timed_sync(rhei_db *db, double *events)
{
    struct rhei_sync_report report = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    double start = bench_now_s();
    if (rhei_sync_now(db, &report, &error) != RHEI_OK)
        bench_die("sync", error.message);
    double seconds = bench_now_s() - start;
    *events = (double)report.events;
    return seconds;
}

static void drain_inserts(struct bench *bench)
{
    struct samples rate = {0};
    char path[512];
    for (int run = 0; run < bench->runs; run++) {
        snprintf(path, sizeof path, "%s/drain%d.db", bench->folder, run);
        rhei_db *db = bench_open(path, true, 0);
        bench_execute(db, bench_orders);
        bench_build(db);
        bench_fill(db, bench->rows);
        double events = 0, seconds = timed_sync(db, &events);
        samples_add(&rate, events / seconds);
        rhei_close(&db);
        remove(path);
    }
    add_value(bench, "sync of 1 M inserts (5 columns) from the log", "/s", &rate, AT_LEAST, 4e6, ">= 4 M");
}

static void random_changes(rhei_db *db, int64_t rows, int64_t changes, unsigned *seed, bool deletes)
{
    static const char *const update = "UPDATE orders SET amount = ?, status = ? WHERE id = ?";
    struct rhei_value *values = calloc((size_t)changes * 3, sizeof *values);
    if (values == NULL)
        bench_die("memory", "none");
    for (int64_t i = 0; i < changes; i++) {
        values[i * 3] = rhei_real(rand_r(seed) % 100000 / 100.0);
        values[i * 3 + 1] = rhei_text("void");
        values[i * 3 + 2] = rhei_integer(1 + (int64_t)((double)rand_r(seed) / RAND_MAX * (double)(rows - 1)));
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_batch(db, update, values, 3, (size_t)changes, NULL, &error) != RHEI_OK)
        bench_die(update, error.message);
    if (deletes) {
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM orders WHERE id %% 100 = %d AND id < %lld", rand_r(seed) % 100,
                 (long long)(changes * 10));
        bench_execute(db, sql);
    }
    free(values);
}

static void drain_mixed(struct bench *bench, rhei_db *db)
{
    struct samples rate = {0};
    unsigned seed = 7;
    for (int run = 0; run < bench->runs; run++) {
        random_changes(db, bench->rows, 90000, &seed, true);
        double events = 0, seconds = timed_sync(db, &events);
        samples_add(&rate, events / seconds);
    }
    add_value(bench, "sync of ~100 k mixed updates and deletes over 1 M rows", "/s", &rate, AT_LEAST, 3e6, ">= 3 M");
}

static void ten_inserts(rhei_db *db)
{
    struct rhei_value values[40];
    for (int i = 0; i < 10; i++) {
        values[i * 4] = rhei_text("cust77");
        values[i * 4 + 1] = rhei_real(1.5);
        values[i * 4 + 2] = rhei_text("paid");
        values[i * 4 + 3] = rhei_integer(1800000000 + i);
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_batch(db, "INSERT INTO orders (customer, amount, status, ts) VALUES (?, ?, ?, ?)", values, 4, 10,
                           NULL, &error) != RHEI_OK)
        bench_die("ten inserts", error.message);
}

static void small_cycles(struct bench *bench, rhei_db *db)
{
    static struct samples inserts, updates, visible, idle;
    inserts.count = updates.count = visible.count = idle.count = 0;
    unsigned seed = 11;
    double events;
    for (int i = 0; i < CYCLES; i++) {
        double start = bench_now_s();
        ten_inserts(db);
        samples_add(&inserts, timed_sync(db, &events) * 1e6);
        samples_add(&visible, (bench_now_s() - start) * 1e6);
        random_changes(db, bench->rows, 10, &seed, false);
        samples_add(&updates, timed_sync(db, &events) * 1e6);
        samples_add(&idle, timed_sync(db, &events) * 1e6);
    }
    add_value(bench, "10-row cycle over 1 M rows, inserts, p50", "us", &inserts, AT_MOST, 15, "<= 15 us");
    add_value(bench, "10-row cycle over 1 M rows, random updates, p50", "us", &updates, AT_MOST, 20, "<= 20 us");
    add_value(bench, "commit of 10 rows until visible to analytics, p50", "us", &visible, AT_MOST, 40, "<= 40 us");
    add_value(bench, "a forced cycle with nothing pending, p50", "us", &idle, AT_MOST, NAN, "-");
}

static void latest(struct bench *bench, rhei_db *db)
{
    static struct samples none, pending;
    none.count = pending.count = 0;
    const char *sql = "SELECT count(*), sum(ts) FROM orders";
    bench_query(db, sql, RHEI_ROUTE_OLAP);
    for (int i = 0; i < LATEST; i++) {
        double start = bench_now_s();
        bench_query(db, sql, RHEI_ROUTE_OLAP);
        samples_add(&none, (bench_now_s() - start) * 1e6);
        ten_inserts(db);
        start = bench_now_s();
        bench_query(db, sql, RHEI_ROUTE_OLAP);
        samples_add(&pending, (bench_now_s() - start) * 1e6);
    }
    struct figure figure = {.name = "`latest` query with 10 pending changes - with none",
                            .unit = "us",
                            .peer = "none pending",
                            .peer_value = samples_median(&none),
                            .compared = samples_median(&pending) - samples_median(&none),
                            .target_text = "<= +60 us",
                            .target = 60,
                            .sense = AT_MOST};
    report_add_samples(bench->report, &figure, &pending);
}

static void builds(struct bench *bench, const char *path)
{
    struct samples rate = {0}, first = {0};
    double bytes = 0;
    for (int run = 0; run < bench->runs; run++) {
        rhei_db *db = bench_open(path, true, 0);
        double start = bench_now_s();
        bench_build(db);
        samples_add(&rate, (double)bench->rows / (bench_now_s() - start));
        bytes = bench_metric(db, "rhei_mirror_bytes");
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* as a program that does something else first */
        start = bench_now_s();
        bench_query(db, "SELECT status, count(*), sum(amount + 1) FROM orders WHERE id <= 50000 GROUP BY status",
                    RHEI_ROUTE_OLAP);
        samples_add(&first, (bench_now_s() - start) * 1e3);
        rhei_close(&db);
    }
    add_value(bench, "build of the mirror at open, 1 M rows, all cores", "/s", &rate, AT_LEAST, 8e6, ">= 8 M");
    add_value(bench, "first analytical statement, 0.2 s after the build", "ms", &first, AT_MOST, 15, "<= 15 ms");
    /* id, amount, ts: 8 bytes; customer, status: 16, and no bytes over 12. */
    struct samples memory = {0};
    samples_add(&memory, bytes / ((3 * 8 + 2 * 16) * (double)bench->rows));
    add_value(bench, "mirror memory with key index / 8 a number, 16 a string", "", &memory, AT_MOST, 1.2, "<= 1.2");
}

void figures_sync(struct bench *bench)
{
    bench_say("sync: draining the log ...");
    drain_inserts(bench);
    char path[512];
    bench_path(path, sizeof path, bench, "sync");
    rhei_db *db = bench_open(path, true, 0);
    bench_execute(db, bench_orders);
    bench_fill(db, bench->rows);
    rhei_close(&db);
    bench_say("sync: building at open ...");
    builds(bench, path);
    db = bench_open(path, true, 0);
    bench_build(db);
    bench_say("sync: small cycles over %lld rows ...", (long long)bench->rows);
    small_cycles(bench, db);
    bench_say("sync: latest ...");
    latest(bench, db);
    bench_say("sync: mixed changes ...");
    drain_mixed(bench, db);
    rhei_close(&db);
}
