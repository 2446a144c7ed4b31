/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change buffer (rocksdb_cdc_path), on and off: what it costs writers while a mirror follows, and what becomes of the database file, and of the
 * mirror's way back, while none does.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "bench_rhei.h"

enum { FOLLOWED = 200, AWAY = 1000 }; /* batches */

static void add(struct bench *bench, const char *name, const char *unit, struct samples *samples, const char *peer,
                struct samples *peer_samples, struct samples *ratio, const char *text, double target,
                enum figure_sense sense)
{
    struct figure figure = {.name = name,
                            .unit = unit,
                            .peer = peer,
                            .peer_value = samples_median(peer_samples),
                            .compared = samples_median(ratio),
                            .target_text = text,
                            .target = target,
                            .sense = sense};
    report_add_samples(bench->report, &figure, samples);
}

static rhei_db *open_buffered(const char *path, const char *folder, bool away)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .rocksdb_cdc_path = folder, .manual_sync = away};
    rhei_db *db = NULL;
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        bench_die(path, error.message);
    bench_execute(db, bench_orders);
    bench_build(db);
    bench_sync(db);
    return db;
}

/* Until the log in the file has nothing that the buffer hasn't. */
static void await_moved(rhei_db *db)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    while (bench_metric(db, "rhei_buffer_lag") > 0 || bench_metric(db, "rhei_cdc_log_rows") > 1)
        nanosleep(&moment, NULL);
}

static double size_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (double)facts.st_size / 1e6 : 0;
}

/* The file has everything then: the write-ahead log's copier may be at it just now. */
static void empty_wal(rhei_db *db, const char *path)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    char wal[300];
    snprintf(wal, sizeof wal, "%s-wal", path);
    bench_execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    while (size_of(wal) > 0) {
        nanosleep(&moment, NULL);
        bench_execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

static void beside_a_mirror(struct bench *bench)
{
    struct samples rates[2] = {{.count = 0}}, ratio = {0};
    for (int run = 0; run < bench->runs; run++) {
        double rate[2];
        for (int on = 0; on < 2; on++) {
            char path[256], folder[300], name[32];
            snprintf(name, sizeof name, "buffer-follow-%d-%d", run, on);
            bench_path(path, sizeof path, bench, name);
            snprintf(folder, sizeof folder, "%s/buffer-follow-%d", bench->folder, run);
            rhei_db *db = open_buffered(path, on ? folder : NULL, false);
            rate[on] = bench_write(db, FOLLOWED);
            bench_sync(db);
            rhei_close(&db);
            samples_add(&rates[on], rate[on]);
        }
        samples_add(&ratio, rate[1] / rate[0]);
    }
    add(bench, "rows written, a mirror follows, buffer on", "/s", &rates[1], "buffer off", &rates[0], &ratio, ">= 0.6",
        0.6, AT_LEAST);
}

static void without_a_mirror(struct bench *bench)
{
    struct samples rates[2] = {{.count = 0}}, sizes[2] = {{.count = 0}}, syncs[2] = {{.count = 0}}, ratio = {0},
                   size = {0}, sync = {0};
    for (int run = 0; run < bench->runs; run++) {
        double rate[2], bytes[2], caught[2];
        for (int on = 0; on < 2; on++) {
            char path[256], folder[300], name[32];
            snprintf(name, sizeof name, "buffer-away-%d-%d", run, on);
            bench_path(path, sizeof path, bench, name);
            snprintf(folder, sizeof folder, "%s/buffer-away-%d", bench->folder, run);
            rhei_db *db = open_buffered(path, on ? folder : NULL, true);
            rate[on] = bench_write(db, AWAY);
            if (on)
                await_moved(db);
            empty_wal(db, path);
            bytes[on] = size_of(path);
            double start = bench_now_s();
            bench_sync(db);
            caught[on] = (double)BENCH_BATCH * AWAY / (bench_now_s() - start);
            rhei_close(&db);
            samples_add(&rates[on], rate[on]);
            samples_add(&sizes[on], bytes[on]);
            samples_add(&syncs[on], caught[on]);
        }
        samples_add(&ratio, rate[1] / rate[0]);
        samples_add(&size, bytes[1] / bytes[0]);
        samples_add(&sync, caught[1] / caught[0]);
    }
    add(bench, "rows written, the mirror is away, buffer on", "/s", &rates[1], "buffer off", &rates[0], &ratio,
        ">= 0.6", 0.6, AT_LEAST);
    add(bench, "database file then", "MB", &sizes[1], "buffer off", &sizes[0], &size, "<= 0.8", 0.8, AT_MOST);
    add(bench, "changes that the mirror catches up with then", "/s", &syncs[1], "from the log", &syncs[0], &sync,
        ">= 0.3", 0.3, AT_LEAST);
}

void figures_buffer(struct bench *bench)
{
    beside_a_mirror(bench);
    without_a_mirror(bench);
}
