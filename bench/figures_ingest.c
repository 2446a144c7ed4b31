/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of an Arrow stream into a table, with capture beside the same rows as batches of parameters, and without. */
#include <stdio.h>
#include <string.h>

#include "bench_rhei.h"
#include "rhei/rhei_doors.h"

enum { ROWS = 300000, BATCH_ROWS = 1000 };

static const char *const insert = "INSERT INTO orders (customer, amount, status, ts) VALUES (?, ?, ?, ?)";

static double ingest(rhei_db *source, rhei_db *target)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    if (rhei_query_arrow(source, "SELECT customer, amount, status, ts FROM orders", NULL, NULL, &stream, &error) !=
        RHEI_OK)
        bench_die("the stream to take in", error.message);
    double start = bench_now_s();
    if (rhei_ingest_arrow(target, "orders", &stream, NULL, NULL, &error) != RHEI_OK)
        bench_die("ingest", error.message);
    return ROWS / (bench_now_s() - start);
}

static double batches(rhei_db *target)
{
    static struct rhei_value values[BATCH_ROWS * 4];
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int i = 0; i < BATCH_ROWS; i++) {
        values[i * 4] = rhei_text("cust1234");
        values[i * 4 + 1] = rhei_real((double)i / 100.0);
        values[i * 4 + 2] = rhei_text("paid");
        values[i * 4 + 3] = rhei_integer(1700000000 + i);
    }
    double start = bench_now_s();
    for (int b = 0; b < ROWS / BATCH_ROWS; b++)
        if (rhei_execute_batch(target, insert, values, 4, BATCH_ROWS, NULL, &error) != RHEI_OK)
            bench_die(insert, error.message);
    return ROWS / (bench_now_s() - start);
}

static rhei_db *open_target(const struct bench *bench, const char *name, bool captured)
{
    char path[512];
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true, .no_auto_register = !captured};
    rhei_db *db = NULL;
    bench_path(path, sizeof path, bench, name);
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        bench_die(path, error.message);
    bench_execute(db, bench_orders);
    return db;
}

static void empty(rhei_db *db)
{
    bench_execute(db, "DELETE FROM orders");
}

void figures_ingest(struct bench *bench)
{
    char path[512];
    struct samples captured = {0}, plain = {0}, peer = {0};
    bench_say("ingest of Arrow");
    bench_path(path, sizeof path, bench, "ingest_source");
    rhei_db *source = bench_open(path, true, 0);
    bench_execute(source, bench_orders);
    bench_fill(source, ROWS);
    bench_build(source);
    rhei_db *with = open_target(bench, "ingest_captured", true), *without = open_target(bench, "ingest_plain", false);
    for (int run = 0; run < bench->runs; run++) {
        empty(with);
        bench_sync(with); /* prunes the log of what was measured before */
        samples_add(&captured, ingest(source, with));
        empty(with);
        bench_sync(with);
        samples_add(&peer, batches(with));
        empty(without);
        samples_add(&plain, ingest(source, without));
    }
    double batch_rate = samples_median(&peer), rate = samples_median(&captured), plain_rate = samples_median(&plain);
    report_add(bench->report, &(struct figure){.name = "ingest of Arrow, captured table",
                                               .unit = "rows/s",
                                               .value = rate,
                                               .low = samples_min(&captured),
                                               .high = samples_max(&captured),
                                               .peer = "batches of 1,000",
                                               .peer_value = batch_rate,
                                               .compared = rate / batch_rate,
                                               .target_text = ">= 1.00x",
                                               .target = 1.0,
                                               .sense = AT_LEAST});
    report_add(bench->report, &(struct figure){.name = "ingest of Arrow, plain table",
                                               .unit = "rows/s",
                                               .value = plain_rate,
                                               .low = samples_min(&plain),
                                               .high = samples_max(&plain),
                                               .compared = plain_rate,
                                               .target_text = ">= 1,000,000",
                                               .target = 1000000,
                                               .sense = AT_LEAST});
    rhei_close(&with);
    rhei_close(&without);
    rhei_close(&source);
}
