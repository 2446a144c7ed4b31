/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes of tables: what a hot row, a wide table and a thousand small ones hold, by Rhei's own count and as the system sees it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_rhei.h"
#include "peer_sqlite.h"

enum { HOT_BYTES = 64 << 10, HOT_UPDATES = 2000, WIDE_COLUMNS = 1900, MANY = 1000 };

static const double MIB = 1 << 20;

struct footprint {
    double counted, resident; /* bytes */
};

static double resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        bench_die("/proc/self/statm", "could not be read");
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void update_footprint(rhei_db *db, double resident_before, struct footprint *most)
{
    double counted = bench_metric(db, "rhei_mirror_bytes"), resident = resident_bytes() - resident_before;
    most->counted = counted > most->counted ? counted : most->counted;
    most->resident = resident > most->resident ? resident : most->resident;
}

static void change_hot_row(const char *path, bool mirrored, struct footprint *most)
{
    rhei_db *db = bench_open(path, !mirrored, 0);
    char *bytes = malloc(HOT_BYTES);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (bytes == NULL)
        bench_die("memory", "none");
    bench_execute(db, "CREATE TABLE hot (id INTEGER PRIMARY KEY, v TEXT)");
    bench_execute(db, "INSERT INTO hot VALUES (1, 'x')");
    if (mirrored)
        bench_build(db);
    double before = resident_bytes();
    for (int i = 0; i < HOT_UPDATES; i++) {
        memset(bytes, 'a' + i % 26, HOT_BYTES);
        struct rhei_value value = {.as.bytes = bytes, .length = HOT_BYTES, .type = RHEI_TEXT};
        struct rhei_params params = {.values = &value, .count = 1};
        if (rhei_execute(db, "UPDATE hot SET v = ? WHERE id = 1", &params, NULL, &error) != RHEI_OK)
            bench_die("update of the hot row", error.message);
        if (i % 10 == 0)
            update_footprint(db, before, most);
    }
    if (mirrored)
        bench_sync(db);
    update_footprint(db, before, most);
    free(bytes);
    rhei_close(&db);
}

static void hot_row(const char *path, struct footprint *most)
{
    change_hot_row(path, true, most);
}

/* What SQLite's page caches take for the same writes. */
static void hot_row_alone(const char *path, struct footprint *most)
{
    change_hot_row(path, false, most);
}

static char *wide_definition(const char *name, int columns)
{
    size_t size = 64 + (size_t)columns * 16, used = 0;
    char *sql = malloc(size);
    if (sql == NULL)
        bench_die("memory", "none");
    used += (size_t)snprintf(sql, size, "CREATE TABLE %s (id INTEGER PRIMARY KEY", name);
    for (int c = 1; c < columns; c++)
        used += (size_t)snprintf(sql + used, size - used, ", c%d", c);
    snprintf(sql + used, size - used, ")");
    return sql;
}

static void wide_table(const char *path, struct footprint *most)
{
    rhei_db *db = bench_open(path, true, 0);
    char *sql = wide_definition("wide", WIDE_COLUMNS);
    bench_execute(db, sql);
    free(sql);
    bench_execute(db, "INSERT INTO wide (id, c1, c2) VALUES (1, 'a', 2)");
    double before = resident_bytes();
    bench_build(db);
    update_footprint(db, before, most);
    rhei_close(&db);
}

/* By bare SQLite: what opening costs, capture included, is part of the figure. */
static void prepare_tables(const char *path, int tables)
{
    sqlite3 *db = peer_open(path);
    peer_exec(db, "BEGIN");
    for (int t = 0; t < tables; t++) {
        char name[32], insert[256];
        snprintf(name, sizeof name, "t%d", t);
        char *sql = wide_definition(name, 20);
        peer_exec(db, sql);
        free(sql);
        snprintf(insert, sizeof insert,
                 "INSERT INTO %s (id, c1, c2, c3) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                 "WHERE i < 10) SELECT i, i, 'text', 0.5 FROM n",
                 name);
        peer_exec(db, insert);
    }
    peer_exec(db, "COMMIT");
    peer_close(db);
}

static void many_tables(const char *path, struct footprint *most)
{
    rhei_db *db = bench_open(path, true, 0);
    double before = resident_bytes();
    bench_build(db);
    update_footprint(db, before, most);
    rhei_close(&db);
}

/* In a process of its own, so that nothing else is resident, nor free already. */
static struct footprint apart(void (*shape)(const char *path, struct footprint *most), const char *path)
{
    struct footprint most = {0};
    int ends[2];
    if (pipe(ends) != 0)
        bench_die("pipe", "could not be made");
    pid_t child = fork();
    if (child == 0) {
        shape(path, &most);
        bool told = write(ends[1], &most, sizeof most) == (ssize_t)sizeof most;
        _exit(told ? 0 : 1);
    }
    int status = 0;
    bool told = child > 0 && read(ends[0], &most, sizeof most) == (ssize_t)sizeof most;
    if (!told || waitpid(child, &status, 0) != child || status != 0)
        bench_die(path, "the process that measures this shape failed");
    close(ends[0]);
    close(ends[1]);
    return most;
}

static void add(struct bench *bench, const char *name, const char *unit, double value, double target, const char *text)
{
    struct figure figure = {.name = name,
                            .unit = unit,
                            .value = value,
                            .low = value,
                            .high = value,
                            .compared = value,
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add(bench->report, &figure);
}

static void add_samples(struct bench *bench, const char *name, struct samples *samples, double target, const char *text)
{
    double value = samples_median(samples);
    struct figure figure = {.name = name,
                            .unit = "MiB",
                            .value = value,
                            .low = samples_min(samples),
                            .high = samples_max(samples),
                            .compared = value,
                            .target_text = text,
                            .target = target,
                            .sense = AT_MOST};
    report_add(bench->report, &figure);
}

/* How much of its cache SQLite uses differs from run to run by as much as the mirror holds, so several of them. */
static void add_hot_row(struct bench *bench)
{
    enum { LEAST_RUNS = 5 };
    static struct samples counted, over;
    for (int run = 0; run < (bench->runs > LEAST_RUNS ? bench->runs : LEAST_RUNS); run++) {
        char path[512], name[32];
        snprintf(name, sizeof name, "hot-%d", run);
        bench_path(path, sizeof path, bench, name);
        struct footprint hot = apart(hot_row, path);
        snprintf(name, sizeof name, "hot-alone-%d", run);
        bench_path(path, sizeof path, bench, name);
        struct footprint alone = apart(hot_row_alone, path);
        samples_add(&counted, hot.counted / MIB);
        samples_add(&over, (hot.resident - alone.resident) / MIB);
    }
    add_samples(bench, "64 KiB row updated 2,000 times, mirror's count", &counted, 4, "<= 4 MiB");
    add_samples(bench, "64 KiB row updated 2,000 times, resident, over the same unmirrored", &over, 4, "<= 4 MiB");
}

void figures_shapes(struct bench *bench)
{
    char path[512];
    bench_say("shapes: a hot row ...");
    add_hot_row(bench);
    bench_say("shapes: a wide table ...");
    bench_path(path, sizeof path, bench, "wide");
    struct footprint wide = apart(wide_table, path);
    add(bench, "1,900 columns and one row, mirror's count", "MiB", wide.counted / MIB, 64, "<= 64 MiB");
    add(bench, "1,900 columns and one row, resident", "MiB", wide.resident / MIB, 64, "<= 64 MiB");
    bench_say("shapes: %d tables ...", MANY);
    bench_path(path, sizeof path, bench, "many");
    prepare_tables(path, MANY);
    struct footprint many = apart(many_tables, path);
    add(bench, "1,000 tables of 10 rows and 20 columns, mirror's count", "MiB", many.counted / MIB, 64, "<= 64 MiB");
    add(bench, "1,000 tables of 10 rows and 20 columns, resident", "MiB", many.resident / MIB, 64, "<= 64 MiB");
}
