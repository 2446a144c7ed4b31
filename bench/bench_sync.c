/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from SQLite's log into the mirror alone: cycles, drains and builds over a table of 1 M rows, without the
 * executor. Prints one line a figure. Usage: bench_sync [FOLDER]; the folder (default: TMPDIR or /tmp) needs 500 MB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "capture/capture.h"
#include "mirror/mirror.h"
#include "sync/sync.h"

enum { ROWS = 1000000, CYCLES = 2000, CYCLE_ROWS = 10, MIXED = 100000, DRAINS = 5, BUILDS = 5 };

struct bench {
    char path[256];
    struct oltp *oltp;
    struct change_source *source;
    struct mirror *mirror;
    struct sync *sync;
    uint64_t random;
    int64_t next_id;
};

static void must(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status == RHEI_OK)
        return;
    fprintf(stderr, "bench_sync: %s: %s\n", what, error->message);
    exit(1);
}

static uint64_t next_random(struct bench *bench)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void report_times(const char *name, int64_t *times, size_t count, const char *target)
{
    qsort(times, count, sizeof *times, compare_times);
    printf("%-56s min %8.2f  p50 %8.2f  p99 %8.2f us   %s\n", name, (double)times[0] / 1e3,
           (double)times[count / 2] / 1e3, (double)times[count * 99 / 100] / 1e3, target);
}

static void report_rate(const char *name, double rows, int64_t *times, size_t count, const char *target)
{
    qsort(times, count, sizeof *times, compare_times);
    printf("%-56s median %6.2f  best %6.2f M/s   %s\n", name, rows * 1e3 / (double)times[count / 2],
           rows * 1e3 / (double)times[0], target);
}

/* Of this thread: what a busy machine changes least. */
static int64_t cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void run(struct bench *bench, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_result result;
    must(oltp_write_script(bench->oltp, sql, strlen(sql), 0, &result, &error), &error, sql);
}

static void latest(struct bench *bench)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_wait_latest(bench->sync, 0, NULL, &error), &error, "sync_wait_latest");
}

static void committed(void *context)
{
    struct bench *bench = context;
    if (bench->sync)
        sync_wake(bench->sync);
}

static void open_mirror(struct bench *bench, uint32_t threads)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(mirror_open(&(struct mirror_config){0}, &bench->mirror, &error), &error, "mirror_open");
    struct sync_config config = {.mirror = bench->mirror,
                                 .source = bench->source,
                                 .batch_rows = 65536,
                                 .build_threads = threads,
                                 .prune = true,
                                 .build_on_demand = true};
    must(sync_open(&config, &bench->sync, &error), &error, "sync_open");
}

static void close_mirror(struct bench *bench)
{
    sync_close(&bench->sync);
    mirror_close(&bench->mirror);
}

static int64_t build(struct bench *bench)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    int64_t began = base_now_ns();
    must(sync_build(bench->sync, true, 0, NULL, &error), &error, "sync_build");
    return base_now_ns() - began;
}

static void prune(struct bench *bench)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_cycle(bench->sync, NULL, &error), &error, "sync_cycle");
}

static void insert_rows(struct bench *bench, int64_t from, int64_t count)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE s(i) AS (SELECT %lld UNION ALL SELECT i + 1 FROM s WHERE i < %lld)"
             " INSERT INTO sales SELECT i, 'c' || (i %% 100000), (i * 7919 %% 100000) / 100.0,"
             " CASE i %% 3 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' ELSE 'shipped' END, 1700000000 + i FROM s;",
             (long long)from, (long long)(from + count - 1));
    run(bench, sql);
    bench->next_id = from + count;
}

static void measure_builds(struct bench *bench)
{
    for (uint32_t threads = 1; threads <= 2; threads++) {
        int64_t times[BUILDS];
        for (int i = 0; i < BUILDS; i++) {
            open_mirror(bench, threads);
            times[i] = build(bench);
            if (i + 1 < BUILDS || threads == 1)
                close_mirror(bench);
        }
        report_rate(threads == 1 ? "build, 1 thread" : "build, 2 threads", ROWS, times, BUILDS,
                    threads == 1 ? "target 4.5" : "target 8");
    }
}

/* Commits of ten rows, then one cycle each. */
static void measure_cycles(struct bench *bench, bool updates, bool loop)
{
    static const char INSERT[] = "INSERT INTO sales VALUES (?1, ?2, ?3, ?4, ?5)";
    static const char UPDATE[] = "UPDATE sales SET amount = ?2 WHERE id = ?1";
    const char *sql = updates ? UPDATE : INSERT;
    uint32_t width = updates ? 2 : 5;
    int64_t *cycle = base_alloc(CYCLES * sizeof *cycle), *whole = base_alloc(CYCLES * sizeof *whole);
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value values[CYCLE_ROWS * 5];
    if (!cycle || !whole)
        exit(1);
    for (int i = 0; i < CYCLES; i++) {
        for (size_t r = 0; r < CYCLE_ROWS; r++) {
            struct rhei_value *row = values + r * width;
            int64_t id = updates ? (int64_t)(next_random(bench) % ROWS) + 1 : bench->next_id++;
            row[0] = (struct rhei_value){.as.integer = id, .type = RHEI_INTEGER};
            if (updates) {
                row[1] = (struct rhei_value){.as.real = (double)i, .type = RHEI_REAL};
                continue;
            }
            row[1] = (struct rhei_value){.as.bytes = "customer", .length = 8, .type = RHEI_TEXT};
            row[2] = (struct rhei_value){.as.real = (double)i, .type = RHEI_REAL};
            row[3] = (struct rhei_value){.as.bytes = "open", .length = 4, .type = RHEI_TEXT};
            row[4] = (struct rhei_value){.as.integer = i, .type = RHEI_INTEGER};
        }
        int64_t began = base_now_ns();
        must(oltp_write_many(bench->oltp, sql, strlen(sql), values, width, CYCLE_ROWS, 0, NULL, &error), &error, sql);
        int64_t acknowledged = base_now_ns();
        latest(bench);
        int64_t visible = base_now_ns();
        cycle[i] = visible - acknowledged;
        whole[i] = visible - began;
    }
    const char *note = loop ? ", beside the loop" : "";
    char name[64];
    snprintf(name, sizeof name, "cycle of 10 %s%s", updates ? "random updates" : "inserts", note);
    report_times(name, cycle, CYCLES, updates ? "target 20" : "target 15");
    snprintf(name, sizeof name, "commit of 10 %s until visible%s", updates ? "updates" : "inserts", note);
    report_times(name, whole, CYCLES, "target 40");
    base_free(cycle);
    base_free(whole);
    prune(bench);
}

static void measure_idle(struct bench *bench)
{
    enum { LOOKS = 2000000, EMPTY = 20000 };
    latest(bench);
    int64_t began = base_now_ns();
    for (int i = 0; i < LOOKS; i++)
        latest(bench);
    printf("%-56s %.1f ns   target 50\n", "latest with nothing pending", (double)(base_now_ns() - began) / LOOKS);
    began = base_now_ns();
    for (int i = 0; i < LOOKS; i++)
        sync_wake(bench->sync);
    printf("%-56s %.1f ns\n", "sync_wake of a loop that is awake", (double)(base_now_ns() - began) / LOOKS);
    struct sync_report report;
    struct rhei_error error = RHEI_ERROR_INIT;
    began = base_now_ns();
    for (int i = 0; i < EMPTY; i++)
        must(sync_cycle(bench->sync, &report, &error), &error, "sync_cycle");
    printf("%-56s %.0f ns\n", "whole cycle with nothing new", (double)(base_now_ns() - began) / EMPTY);
}

static void measure_drains(struct bench *bench)
{
    int64_t times[DRAINS], cpu[DRAINS];
    for (int i = 0; i < DRAINS; i++) {
        insert_rows(bench, bench->next_id, ROWS);
        int64_t began = base_now_ns(), cpu_began = cpu_ns();
        latest(bench);
        times[i] = base_now_ns() - began;
        cpu[i] = cpu_ns() - cpu_began;
        prune(bench);
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM sales WHERE id > %d;", ROWS);
        run(bench, sql);
        latest(bench);
        prune(bench);
    }
    report_rate("drain of 1 M inserts", ROWS, times, DRAINS, "target 4");
    report_rate("  the same by CPU time", ROWS, cpu, DRAINS, "");
}

static void measure_mixed(struct bench *bench)
{
    static const char UPDATE[] = "UPDATE sales SET amount = amount + 1 WHERE id = ?1";
    static const char DELETE[] = "DELETE FROM sales WHERE id = ?1";
    int64_t times[DRAINS], cpu[DRAINS];
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value *ids = base_alloc(MIXED * sizeof *ids);
    if (!ids)
        exit(1);
    for (int i = 0; i < DRAINS; i++) {
        for (size_t k = 0; k < MIXED; k++)
            ids[k] = (struct rhei_value){.as.integer = (int64_t)(next_random(bench) % ROWS) + 1, .type = RHEI_INTEGER};
        must(oltp_write_many(bench->oltp, UPDATE, strlen(UPDATE), ids, 1, MIXED * 9 / 10, 0, NULL, &error), &error,
             UPDATE);
        must(oltp_write_many(bench->oltp, DELETE, strlen(DELETE), ids + MIXED * 9 / 10, 1, MIXED / 10, 0, NULL, &error),
             &error, DELETE);
        int64_t began = base_now_ns(), cpu_began = cpu_ns();
        latest(bench);
        times[i] = base_now_ns() - began;
        cpu[i] = cpu_ns() - cpu_began;
        prune(bench);
    }
    report_rate("drain of 100 k random updates and deletes", MIXED, times, DRAINS, "target 3");
    report_rate("  the same by CPU time", MIXED, cpu, DRAINS, "");
    base_free(ids);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    struct bench bench = {.random = 88172645463325252u};
    struct rhei_error error = RHEI_ERROR_INIT;
    snprintf(bench.path, sizeof bench.path, "%s/bench_sync_%ld.db", folder, (long)getpid());
    struct oltp_config config = {.path = bench.path,
                                 .capture = true,
                                 .auto_register = true,
                                 .read_pool_size = 2,
                                 .busy_timeout_ms = 10000,
                                 .committed = committed,
                                 .committed_context = &bench};
    must(capture_open(&config, &bench.oltp, &error), &error, "oltp_open");
    must(capture_change_source(bench.oltp, &bench.source, &error), &error, "capture_change_source");
    run(&bench, "CREATE TABLE sales (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, status TEXT, ts INT)");
    insert_rows(&bench, 1, ROWS);

    measure_builds(&bench);
    prune(&bench);
    measure_idle(&bench);
    measure_cycles(&bench, false, false);
    measure_cycles(&bench, true, false);
    must(sync_start(bench.sync, &error), &error, "sync_start");
    measure_cycles(&bench, false, true);
    measure_cycles(&bench, true, true);
    sync_stop(bench.sync);
    measure_drains(&bench);
    measure_mixed(&bench);
    measure_idle(&bench);

    close_mirror(&bench);
    bench.source->ops->close(&bench.source);
    oltp_close(&bench.oltp);
    static const char *const SUFFIXES[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", bench.path, SUFFIXES[i]);
        (void)unlink(path);
    }
    return 0;
}
