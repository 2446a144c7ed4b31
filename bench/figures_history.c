/* SPDX-License-Identifier: Apache-2.0 */
/* Histories: what keeping every version costs a sync, and what a question about the past costs beside one about now. */
#include <stdio.h>
#include <time.h>

#include "bench_rhei.h"

enum { VERSIONS = 10 }; /* of each key, in the end: `--rows 1000000` asks 10 M versions of 1 M keys */

static const char *const questions[] = {"SELECT status, count(*), sum(amount) FROM orders%s GROUP BY status",
                                        "SELECT count(*), sum(amount) FROM orders%s"};
static const char *const names[][2] = {
    {"GROUP BY a text, as of now", "GROUP BY a text, as of the middle of 10 versions a row"},
    {"count and sum, as of now", "count and sum, as of the middle of 10 versions a row"}};

static rhei_db *open_mode(const struct bench *bench, const char *name, int32_t mode)
{
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true, .sync_mode = mode};
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[512];
    rhei_db *db = NULL;
    bench_path(path, sizeof path, bench, name);
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        bench_die("open", error.message);
    bench_execute(db, bench_orders);
    bench_fill(db, bench->rows);
    bench_build(db);
    return db;
}

/* Every row once more; rows a second that the sync takes. */
static double update_all(const struct bench *bench, rhei_db *db)
{
    struct rhei_sync_report report = {.struct_size = sizeof report};
    struct rhei_error error = RHEI_ERROR_INIT;
    bench_execute(db, "UPDATE orders SET amount = amount + 1");
    double start = bench_now_s();
    if (rhei_sync_now(db, &report, &error) != RHEI_OK)
        bench_die("sync", error.message);
    return (double)bench->rows / (bench_now_s() - start);
}

static void compare_apply(struct bench *bench, rhei_db *temporal, rhei_db *plain)
{
    struct samples rate = {0}, peer = {0};
    for (int version = 1; version < VERSIONS; version++) {
        samples_add(&rate, update_all(bench, temporal));
        samples_add(&peer, update_all(bench, plain));
    }
    struct figure figure = {.name = "sync of an update of every row with a history",
                            .unit = "/s",
                            .peer = "without one",
                            .peer_value = samples_median(&peer),
                            .compared = samples_median(&rate) / samples_median(&peer),
                            .target_text = ">= 0.5 of without",
                            .target = 0.5,
                            .sense = AT_LEAST};
    report_add_samples(bench->report, &figure, &rate);
}

static void compare_question(struct bench *bench, rhei_db *db, const char *past, const char *name, int question)
{
    struct samples then = {0}, now = {0};
    char asked[256], current[256];
    snprintf(asked, sizeof asked, questions[question], past); /* NOLINT: the formats are above */
    snprintf(current, sizeof current, questions[question], "");
    for (int run = 0; run < bench->runs + 2; run++) {
        double start = bench_now_s();
        bench_query(db, asked, RHEI_ROUTE_OLAP);
        samples_add(&then, (bench_now_s() - start) * 1e3);
        start = bench_now_s();
        bench_query(db, current, RHEI_ROUTE_OLAP);
        samples_add(&now, (bench_now_s() - start) * 1e3);
    }
    struct figure figure = {.name = name,
                            .unit = "ms",
                            .peer = "current rows",
                            .peer_value = samples_median(&now),
                            .compared = samples_median(&then) / samples_median(&now),
                            .target_text = "<= 3 times current",
                            .target = 3,
                            .sense = AT_MOST};
    report_add_samples(bench->report, &figure, &then);
}

void figures_history(struct bench *bench)
{
    char half[64], last[64];
    bench_say("history: %d versions of %lld rows ...", VERSIONS, (long long)bench->rows);
    rhei_db *temporal = open_mode(bench, "history", RHEI_SYNC_TEMPORAL);
    rhei_db *plain = open_mode(bench, "nohistory", RHEI_SYNC_DESTRUCTIVE);
    compare_apply(bench, temporal, plain);
    rhei_close(&plain);
    /* each round is so many positions; the rows came before the first */
    snprintf(half, sizeof half, " AS OF POSITION %lld", (long long)bench->rows * (VERSIONS / 2));
    snprintf(last, sizeof last, " FOR SYSTEM_TIME AS OF %lld", (long long)time(NULL));
    for (int question = 0; question < 2; question++) {
        compare_question(bench, temporal, last, names[question][0], question);
        compare_question(bench, temporal, half, names[question][1], question);
    }
    rhei_close(&temporal);
}
