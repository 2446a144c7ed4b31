/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sidecars, S6: a SQLite file that another process writes is loaded, looked at, and kept with a history, beside bare SQLite reading the same rows. What is of
 * PostgreSQL is in figures_follow.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_sidecar.h"
#include "peer_sqlite.h"

enum { CHANGES = 10 };

/* ---- What the figures of both databases share. ------------------------------------------------------------------- */

rhei_db *sidecar_open(const struct bench *bench, const char *settings, bool manual_sync, int32_t sync_mode)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[512];
    snprintf(path, sizeof path, "%s/sidecar.toml", bench->folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(settings, file) < 0 || fclose(file) != 0)
        bench_die(path, "can't be written");
    struct rhei_config config = {.struct_size = sizeof config,
                                 .config_file = path,
                                 .manual_sync = manual_sync,
                                 .sync_mode = sync_mode,
                                 .busy_timeout_ms = 600000}; /* a backlog is waited for, however long it takes */
    rhei_db *db = NULL;
    if (rhei_open(NULL, &config, &db, &error) != RHEI_OK)
        bench_die("the sidecar", error.message);
    return db;
}

int64_t sidecar_ask(rhei_db *db, const char *sql, bool latest)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {
        .struct_size = sizeof options, .route = RHEI_ROUTE_OLAP, .freshness = latest ? rhei_latest() : rhei_eventual()};
    rhei_rows *rows = NULL;
    if (rhei_query(db, sql, NULL, &options, &rows, &error) != RHEI_OK || rhei_rows_next(rows, &error) != RHEI_ROW)
        bench_die(sql, error.message);
    int64_t value = rhei_rows_int64(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

void sidecar_figure(struct bench *bench, const char *name, const char *unit, struct samples *samples, const char *peer,
                    double peer_value, enum figure_sense sense, double target, const char *text)
{
    struct figure figure = {.name = name,
                            .unit = unit,
                            .peer = peer,
                            .peer_value = peer_value,
                            .compared = samples_median(samples),
                            .target_text = text,
                            .target = target,
                            .sense = sense};
    report_add_samples(bench->report, &figure, samples);
}

void sidecar_figure_p99(struct bench *bench, const char *name, const char *unit, struct samples *samples,
                        const char *peer, double peer_value, double target, const char *text)
{
    double p99 = samples_at(samples, 0.99);
    struct figure figure = {.name = name,
                            .unit = unit,
                            .value = p99,
                            .low = samples_min(samples),
                            .high = samples_max(samples),
                            .peer = peer,
                            .peer_value = peer_value,
                            .compared = p99,
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add(bench->report, &figure);
}

void sidecar_say_load(void)
{
    double loads[3] = {0};
    if (getloadavg(loads, 3) == 3)
        bench_say("the machine's load is %.1f now, %.1f of five minutes, on %ld cores", loads[0], loads[1],
                  sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- The process that writes. ------------------------------------------------------------------------------------ */

struct writer {
    pid_t child;
    int to, from;
};

/* Rows from `first` on, as many as asked, get one more in n, and the time. */
struct order {
    int64_t first, count, step;
};

static void write_on(const char *path, int64_t rows, int in, int out)
{
    struct order order;
    sqlite3 *db = peer_open(path);
    sqlite3_stmt *update = peer_prepare(db, "UPDATE events SET n = n + 1, at = CAST((julianday('now') - 2440587.5) *"
                                            " 86400000 AS INTEGER) WHERE id = ?1");
    while (read(in, &order, sizeof order) == sizeof order) {
        peer_exec(db, "BEGIN");
        for (int64_t i = 0; i < order.count; i++) {
            sqlite3_bind_int64(update, 1, (order.first + i * order.step) % rows + 1);
            if (sqlite3_step(update) != SQLITE_DONE)
                bench_die("the process that writes", sqlite3_errmsg(db));
            sqlite3_reset(update);
        }
        peer_exec(db, "COMMIT");
        if (write(out, "", 1) != 1)
            break;
    }
    sqlite3_finalize(update);
    peer_close(db);
    _exit(0);
}

/* A process of its own, as SQLite's locks want it. Before Rhei starts threads. */
static struct writer writer_begin(const char *path, int64_t rows)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0)
        bench_die("the process that writes", "has no pipes");
    struct writer writer = {.child = fork(), .to = in[1], .from = out[0]};
    if (writer.child == 0) {
        close(in[1]);
        write_on(path, rows, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    return writer;
}

static void writer_do(struct writer *writer, int64_t first, int64_t count, int64_t step)
{
    struct order order = {first, count, step};
    char done;
    if (write(writer->to, &order, sizeof order) != sizeof order || read(writer->from, &done, 1) != 1)
        bench_die("the process that writes", "ended");
}

static void writer_end(struct writer *writer)
{
    close(writer->to);
    waitpid(writer->child, NULL, 0);
    close(writer->from);
}

/* ---- SQLite. ----------------------------------------------------------------------------------------------------- */

static void fill(const char *path, int64_t rows)
{
    char sql[400];
    sqlite3 *db = peer_open(path);
    peer_exec(db, "CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, at INTEGER, score REAL)");
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %lld) INSERT INTO events "
             "SELECT i, 'event number ' || i, 0, 1700000000000 + i, i / 7.0 FROM c",
             (long long)rows);
    peer_exec(db, sql);
    peer_exec(db, "CREATE INDEX events_at ON events (at)");
    peer_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    peer_close(db);
}

/* Every value of every row; seconds. */
static double read_all(const char *path)
{
    double start = bench_now_s();
    sqlite3 *db = peer_open(path);
    sqlite3_stmt *read = peer_prepare(db, "SELECT id, name, n, at, score FROM events");
    int64_t sum = 0;
    while (sqlite3_step(read) == SQLITE_ROW)
        sum += sqlite3_column_int64(read, 0) + sqlite3_column_int64(read, 2) + sqlite3_column_int64(read, 3) +
               sqlite3_column_text(read, 1)[0] + (int64_t)sqlite3_column_double(read, 4);
    sqlite3_finalize(read);
    peer_close(db);
    double seconds = bench_now_s() - start;
    if (sum == 0) /* so nothing of the reading is left out */
        bench_die(path, "it has no events");
    return seconds;
}

static void settings_of(char *settings, size_t size, const char *path)
{
    snprintf(settings, size,
             "[sidecar]\nname = \"app\"\nsource_path = \"%s\"\n[[sidecar.tables]]\ntable_name = \"events\"\n"
             "updated_at_column = \"at\"\n",
             path);
}

static void loads(struct bench *bench, const char *path, const char *settings)
{
    struct samples rate = {0}, alone = {0};
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        rhei_db *db = sidecar_open(bench, settings, true, RHEI_SYNC_DESTRUCTIVE);
        if (sidecar_ask(db, "SELECT count(*) FROM app.events", true) != bench->rows)
            bench_die("the load", "not all rows are there");
        samples_add(&rate, (double)bench->rows / (bench_now_s() - start));
        rhei_close(&db);
        samples_add(&alone, (double)bench->rows / read_all(path));
    }
    sidecar_figure(bench, "sidecar: open and load 1 M rows of SQLite", "/s", &rate, "bare SQLite reading them",
                   samples_median(&alone), AT_LEAST, 1e6, ">= 1 M");
}

/* One behind the other, without a pause: what is measured are those behind the first seconds, when the overlap is full of what the loop itself changed. */
static void looks(struct bench *bench, rhei_db *db, struct writer *writer)
{
    static struct samples look;
    look.count = 0;
    double begin = bench_now_s();
    for (int i = 0; look.count < SIDECAR_LOOKS; i++) {
        writer_do(writer, (int64_t)i * 7919, CHANGES, bench->rows / CHANGES + 1);
        double start = bench_now_s();
        bench_sync(db);
        if (start - begin > SIDECAR_OVERLAP_S)
            samples_add(&look, (bench_now_s() - start) * 1e3);
        if (sidecar_ask(db, "SELECT sum(n) FROM app.events", false) != (int64_t)(i + 1) * CHANGES)
            bench_die("the look", "didn't bring every change");
    }
    sidecar_figure(bench, "sidecar: look of SQLite, 10 rows changed of 1 M, p50", "ms", &look, NULL, 0, AT_MOST, 1,
                   "<= 1 ms");
    sidecar_figure_p99(bench, "the same, p99", "ms", &look, NULL, 0, NAN, "-");
}

/* Every row is changed; rows a second until the answer has all of it. */
static double change_all(struct bench *bench, rhei_db *db, struct writer *writer)
{
    int64_t before = sidecar_ask(db, "SELECT sum(n) FROM app.events", true);
    writer_do(writer, 0, bench->rows, 1);
    double start = bench_now_s();
    bench_sync(db);
    double seconds = bench_now_s() - start;
    if (sidecar_ask(db, "SELECT sum(n) FROM app.events", false) != before + bench->rows)
        bench_die("the look", "didn't bring every change");
    return (double)bench->rows / seconds;
}

/* The two handles look at the same file, each as often. */
static void histories(struct bench *bench, const char *settings, struct writer *writer)
{
    struct samples kept = {0}, plain = {0};
    for (int pair = 0; pair < 2; pair++) {
        rhei_db *db = sidecar_open(bench, settings, true, pair == 0 ? RHEI_SYNC_TEMPORAL : RHEI_SYNC_DESTRUCTIVE);
        for (int run = 0; run < bench->runs; run++)
            samples_add(pair == 0 ? &kept : &plain, change_all(bench, db, writer));
        rhei_close(&db);
    }
    sidecar_figure(bench, "sidecar: an update of 1 M rows of SQLite, with a history", "/s", &kept, "without one",
                   samples_median(&plain), AT_LEAST, 5e5, ">= 500 k");
}

void figures_sidecar(struct bench *bench)
{
    char path[512], settings[900];
    sidecar_say_load();
    bench_say("sidecar: %lld rows of SQLite ...", (long long)bench->rows);
    bench_path(path, sizeof path, bench, "foreign");
    settings_of(settings, sizeof settings, path);
    fill(path, bench->rows);
    loads(bench, path, settings);
    struct writer writer = writer_begin(path, bench->rows);
    rhei_db *db = sidecar_open(bench, settings, true, RHEI_SYNC_DESTRUCTIVE);
    sidecar_ask(db, "SELECT count(*) FROM app.events", true);
    looks(bench, db, &writer);
    rhei_close(&db);
    histories(bench, settings, &writer);
    writer_end(&writer);
    figures_follow(bench);
}
