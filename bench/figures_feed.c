/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change feed: how many rows a second a consumer is told that comes to a log of so many, event by event, as Arrow batches and as rh's lines
 * of JSON, beside reading the same rows from their table.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_rhei.h"
#include "rhei/rhei_doors.h"

enum { FEED_MOST = 1000000 };

static rhei_changes *open_feed(rhei_db *db)
{
    struct rhei_changes_options options = {.struct_size = sizeof options, .start = RHEI_CHANGES_OLDEST};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_changes *changes = NULL;
    if (rhei_changes_open(db, &options, &changes, &error) != RHEI_OK)
        bench_die("open the feed", error.message);
    return changes;
}

static int64_t tell_rows(rhei_changes *changes, struct rhei_error *error, rhei_status *status)
{
    struct rhei_change change = {.struct_size = sizeof change};
    int64_t rows = 0;
    while ((*status = rhei_changes_next(changes, &change, error)) == RHEI_ROW)
        rows += change.values != NULL;
    return rows;
}

static int64_t tell_batches(rhei_changes *changes, struct rhei_error *error, rhei_status *status)
{
    struct rhei_change change = {.struct_size = sizeof change};
    struct ArrowSchema schema;
    struct ArrowArray array;
    int64_t rows = 0;
    while ((*status = rhei_changes_next_arrow(changes, &change, &schema, &array, error)) == RHEI_ROW) {
        if (change.kind != RHEI_CHANGE_BATCH)
            continue;
        rows += array.length;
        schema.release(&schema);
        array.release(&array);
    }
    return rows;
}

/* Rows a second. */
static double told(rhei_db *db, bool batches, int64_t expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status;
    double start = bench_now_s();
    rhei_changes *changes = open_feed(db);
    int64_t rows = batches ? tell_batches(changes, &error, &status) : tell_rows(changes, &error, &status);
    rhei_changes_close(&changes);
    if (status != RHEI_DONE || rows != expected)
        bench_die("the feed", status != RHEI_DONE ? error.message : "it told another number of rows");
    return (double)rows / (bench_now_s() - start);
}

/* By the tool beside this program; 0 where there is none. */
static double told_by_rh(const char *path, int64_t expected)
{
    char own[512], command[1100];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    char *name = strrchr(own, '/');
    if (name == NULL)
        return 0;
    *name = '\0';
    snprintf(command, sizeof command, "'%s/../tools/rh/rh' changes --oldest --db '%s' 2>/dev/null | wc -l", own, path);
    double start = bench_now_s();
    FILE *pipe = popen(command, "r");
    long long lines = 0;
    bool read = pipe != NULL && fscanf(pipe, "%lld", &lines) == 1;
    if (pipe != NULL)
        pclose(pipe);
    return read && lines > expected ? (double)expected / (bench_now_s() - start) : 0;
}

static void add(struct bench *bench, const char *name, struct samples *rate, struct samples *peer, const char *text,
                double target)
{
    struct figure figure = {.name = name,
                            .unit = "/s",
                            .peer = "the table by SQLite",
                            .peer_value = samples_median(peer),
                            .compared = samples_median(rate) / samples_median(peer),
                            .target_text = text,
                            .target = target,
                            .sense = AT_LEAST};
    report_add_samples(bench->report, &figure, rate);
}

void figures_feed(struct bench *bench)
{
    int64_t rows = bench->rows < FEED_MOST ? bench->rows : FEED_MOST;
    struct samples events = {0}, batches = {0}, lines = {0}, table = {0};
    char path[512];
    bench_say("change feed: %lld changes ...", (long long)rows);
    bench_path(path, sizeof path, bench, "feed");
    rhei_db *db = bench_open(path, true, 1); /* which prunes nothing before it is asked to sync */
    bench_execute(db, bench_orders);
    bench_fill(db, rows);
    for (int run = 0; run < bench->runs; run++) {
        samples_add(&events, told(db, false, rows));
        samples_add(&batches, told(db, true, rows));
        double by_rh = told_by_rh(path, rows);
        if (by_rh > 0)
            samples_add(&lines, by_rh);
        double start = bench_now_s();
        bench_query(db, "SELECT * FROM orders", RHEI_ROUTE_OLTP);
        samples_add(&table, (double)rows / (bench_now_s() - start));
    }
    rhei_close(&db);
    add(bench, "changes told, event by event", &events, &table, ">= 0.3 of reading the table", 0.3);
    add(bench, "changes told, as Arrow batches", &batches, &table, ">= 0.15 of reading the table", 0.15);
    if (lines.count > 0)
        add(bench, "changes told, rh changes as JSON", &lines, &table, ">= 0.04 of reading the table", 0.04);
}
