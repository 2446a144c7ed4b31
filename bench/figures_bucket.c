/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column store in memory, in a folder and in a bucket, as Arrow and as Vortex files: the load of a table and its first checkpoint, what a cycle of ten rows takes
 * while checkpoints are made beside it, updates, and how soon an opening answers. The bucket is one of a server of this machine (tests/support/s3_server.py); without
 * Go it is left out, with a sentence.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/support/s3_fixture.h"
#include "bench_rhei.h"
#include "rhei/rhei_care.h"

enum { CYCLES = 400, INTERVAL_MS = 250, UPDATED_MOST = 10000 };

static const char *const counted = "SELECT count(*) FROM orders";

struct place {
    const char *name, *format;
    const char *path; /* of olap_path; NULL: memory */
};

/* What is measured over a table of so many rows, and what Rhei 2.0 (DataFusion) was measured at: ../shared/targets.md and notes of this project's design. */
static const struct size {
    int64_t rows;
    bool load, cycles, updates;
    double original_p50_ms, original_p99_ms; /* NAN: not measured */
} sizes[] = {
    {0, false, true, false, NAN, NAN},     {1000, false, false, true, NAN, NAN},
    {10000, true, false, false, NAN, NAN}, {100000, true, true, false, 0.297, 0.390},
    {1000000, true, true, true, NAN, NAN},
};

/* Of updates and deletes over 20 k rows; each takes the longer the more rows there are. */
static const double original_updates = 2100;

static void add(struct bench *bench, const char *what, int64_t rows, const struct place *place, const char *unit,
                struct samples *samples, double original)
{
    char name[160];
    snprintf(name, sizeof name, "%s %lld k rows, %s", what, (long long)rows / 1000, place->name);
    struct figure figure = {.name = strdup(name),
                            .unit = unit,
                            .compared = samples_median(samples),
                            .target = NAN,
                            .sense = AT_MOST,
                            .peer = isnan(original) || place->path != NULL ? NULL : "Rhei 2.0, another run",
                            .peer_value = original};
    report_add_samples(bench->report, &figure, samples);
}

/* NULL: the format isn't offered here. */
static rhei_db *open_place(const char *path, const struct place *place, const char *olap_path)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rhei_config config = {.struct_size = sizeof config,
                                       .olap_path = olap_path,
                                       .olap_format = place->format,
                                       .checkpoint_interval_ms = INTERVAL_MS};
    rhei_db *db = NULL;
    rhei_status status = rhei_open(path, &config, &db, &error);
    if (status == RHEI_OLAP_UNAVAILABLE)
        bench_say("%s: %s", place->name, error.message);
    else if (status != RHEI_OK)
        bench_die(place->name, error.message);
    return db;
}

static void write_all(rhei_db *db, const struct place *place)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_checkpoint(db, &error) != RHEI_OK)
        bench_die(place->name, error.message);
}

/* One commit of ten rows until the column store shows them. */
static double cycle(rhei_db *db, int64_t rows, int number)
{
    char sql[400];
    snprintf(sql, sizeof sql, bench_fill_sql(), (long long)rows + number * 10LL + 1,
             (long long)rows + number * 10LL + 10);
    double start = bench_now_s();
    bench_execute(db, sql);
    bench_sync(db);
    return (bench_now_s() - start) * 1e3;
}

static void cycles(struct bench *bench, rhei_db *db, const struct size *size, const struct place *place)
{
    struct samples times = {0}, tail = {0};
    for (int i = 0; i < CYCLES; i++)
        samples_add(&times, cycle(db, size->rows, i));
    samples_add(&tail, samples_at(&times, 0.99));
    add(bench, "commit of 10 rows until visible, p50, over", size->rows, place, "ms", &times, size->original_p50_ms);
    add(bench, "  the same, p99, over", size->rows, place, "ms", &tail, size->original_p99_ms);
}

static void updates(struct bench *bench, rhei_db *db, const struct size *size, const struct place *place)
{
    char sql[200];
    struct samples rates = {0};
    int64_t updated = size->rows < UPDATED_MOST ? size->rows : UPDATED_MOST;
    for (int run = 0; run < bench->runs; run++) {
        snprintf(sql, sizeof sql, "UPDATE orders SET amount = amount + %d WHERE id %% %lld = 0", run + 1,
                 (long long)(size->rows / updated));
        bench_execute(db, sql);
        double start = bench_now_s();
        bench_sync(db);
        samples_add(&rates, (double)updated / (bench_now_s() - start));
    }
    add(bench, "updates until visible, over", size->rows, place, "rows/s", &rates, original_updates);
}

/* Loads the table anew into another place each time; the last one is gone on with. NULL: the format isn't offered. */
static rhei_db *load(struct bench *bench, const char *path, const struct size *size, const struct place *place,
                     char *olap_path, size_t space)
{
    struct samples loads = {0}, first = {0};
    rhei_db *db = NULL;
    for (int run = 0; run < (size->load ? bench->runs : 1); run++) {
        rhei_close(&db);
        snprintf(olap_path, space, "%s-%lld-%d", place->path == NULL ? "" : place->path, (long long)size->rows, run);
        db = open_place(path, place, place->path == NULL ? NULL : olap_path);
        if (db == NULL)
            return NULL;
        double start = bench_now_s();
        bench_build(db);
        samples_add(&loads, (bench_now_s() - start) * 1e3);
        start = bench_now_s();
        if (place->path != NULL)
            write_all(db, place);
        samples_add(&first, (bench_now_s() - start) * 1e3);
    }
    if (size->load)
        add(bench, "load of", size->rows, place, "ms", &loads, NAN);
    if (size->load && place->path != NULL)
        add(bench, "  its first checkpoint, of", size->rows, place, "ms", &first, NAN);
    return db;
}

static void reopening(struct bench *bench, const char *path, const struct size *size, const struct place *place,
                      const char *olap_path)
{
    struct samples times = {0};
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        rhei_db *db = open_place(path, place, olap_path);
        bench_query(db, counted, RHEI_ROUTE_OLTP);
        bench_sync(db);
        samples_add(&times, (bench_now_s() - start) * 1e3);
        /* a smaller table is one segment that is appended to, which is read at once */
        if (size->rows >= 100000 && bench_metric(db, "rhei_disk_segments") == 0)
            bench_die(place->name, "was not taken over");
        rhei_close(&db);
    }
    add(bench, "opening with its tables, of", size->rows, place, "ms", &times, NAN);
}

static void one_size(struct bench *bench, const struct size *size, const struct place *places, size_t count)
{
    char path[256], name[60], olap_path[400];
    snprintf(name, sizeof name, "kept-%lld", (long long)size->rows);
    bench_path(path, sizeof path, bench, name);
    rhei_db *db = bench_open(path, true, (uint32_t)bench->threads);
    bench_execute(db, bench_orders);
    if (size->rows > 0)
        bench_fill(db, size->rows);
    rhei_close(&db);
    for (size_t p = 0; p < count; p++) {
        const struct place *place = &places[p];
        db = load(bench, path, size, place, olap_path, sizeof olap_path);
        if (db == NULL)
            continue;
        if (size->cycles)
            cycles(bench, db, size, place);
        if (size->updates)
            updates(bench, db, size, place);
        if (size->cycles) /* the next place begins with the same rows */
            bench_execute(db, size->rows > 0 ? "DELETE FROM orders WHERE id > (SELECT count(*) FROM orders) - 4000"
                                             : "DELETE FROM orders");
        rhei_close(&db);
        if (size->load && place->path != NULL)
            reopening(bench, path, size, place, olap_path);
    }
}

void figures_bucket(struct bench *bench)
{
    char folders[2][300];
    struct place places[5] = {{"memory", "arrow", NULL}};
    size_t count = 1;
    bench_say("the column store in memory, in a folder and in a bucket");
    snprintf(folders[0], sizeof folders[0], "%s/kept-arrow", bench->folder);
    snprintf(folders[1], sizeof folders[1], "%s/kept-vortex", bench->folder);
    places[count++] = (struct place){"Arrow in a folder", "arrow", folders[0]};
    places[count++] = (struct place){"Vortex in a folder", "vortex", folders[1]};
    struct s3_server *server = s3_server_open("fake", NULL, NULL);
    if (server->port != 0) {
        char endpoint[60];
        s3_server_point(server);
        snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", server->port);
        setenv("AWS_ENDPOINT_URL_S3", endpoint, 1);
        places[count++] = (struct place){"Arrow in a bucket", "arrow", "s3://" S3_TEST_BUCKET "/arrow"};
        places[count++] = (struct place){"Vortex in a bucket", "vortex", "s3://" S3_TEST_BUCKET "/vortex"};
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        one_size(bench, &sizes[i], places, count);
    s3_server_close(&server);
}
