/* SPDX-License-Identifier: Apache-2.0 */
/* What the doors cost: ADBC over the same calls of the library, and a task over a question that is waited for. */
#include <adbc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bench_rhei.h"
#include "rhei/rhei_async.h"
#include "rhei/rhei_doors.h"

AdbcStatusCode AdbcDriverInit(int version, void *raw, struct AdbcError *error);

enum { QUESTIONS = 2000, SLICE = 50, ROWS = 200000, BATCH_ROWS = 1000, AT_ONCE = 64 };

static const char point[] = "SELECT id, customer, amount FROM orders WHERE id = 77";

/* An open database behind ADBC's table. */
struct adbc {
    struct AdbcDriver driver;
    struct AdbcDatabase database;
    struct AdbcConnection connection;
    struct AdbcError error;
};

static void must(struct adbc *adbc, AdbcStatusCode code)
{
    if (code != ADBC_STATUS_OK)
        bench_die("ADBC", adbc->error.message);
}

static void adbc_open(struct adbc *adbc, const char *path)
{
    adbc->error = ADBC_ERROR_INIT;
    must(adbc, AdbcDriverInit(ADBC_VERSION_1_1_0, &adbc->driver, &adbc->error));
    must(adbc, adbc->driver.DatabaseNew(&adbc->database, &adbc->error));
    must(adbc, adbc->driver.DatabaseSetOption(&adbc->database, "uri", path, &adbc->error));
    must(adbc, adbc->driver.DatabaseSetOption(&adbc->database, "rhei.manual_sync", "true", &adbc->error));
    must(adbc, adbc->driver.DatabaseInit(&adbc->database, &adbc->error));
    must(adbc, adbc->driver.ConnectionNew(&adbc->connection, &adbc->error));
    must(adbc, adbc->driver.ConnectionInit(&adbc->connection, &adbc->database, &adbc->error));
}

static void adbc_close(struct adbc *adbc)
{
    must(adbc, adbc->driver.ConnectionRelease(&adbc->connection, &adbc->error));
    must(adbc, adbc->driver.DatabaseRelease(&adbc->database, &adbc->error));
}

static void read_away(struct ArrowArrayStream *stream)
{
    struct ArrowArray batch;
    struct ArrowSchema schema;
    if (stream->get_schema(stream, &schema) != 0)
        bench_die(point, stream->get_last_error(stream));
    schema.release(&schema);
    while (stream->get_next(stream, &batch) == 0 && batch.release != NULL)
        batch.release(&batch);
    stream->release(stream);
}

static void by_adbc(struct adbc *adbc)
{
    struct AdbcStatement statement = {0};
    struct ArrowArrayStream stream;
    must(adbc, adbc->driver.StatementNew(&adbc->connection, &statement, &adbc->error));
    must(adbc, adbc->driver.StatementSetSqlQuery(&statement, point, &adbc->error));
    must(adbc, adbc->driver.StatementExecuteQuery(&statement, &stream, NULL, &adbc->error));
    read_away(&stream);
    must(adbc, adbc->driver.StatementRelease(&statement, &adbc->error));
}

static void by_library(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    if (rhei_query_arrow(db, point, NULL, NULL, &stream, &error) != RHEI_OK)
        bench_die(point, error.message);
    read_away(&stream);
}

/* In turn, slice by slice, so that what else the machine does is in both. */
static void questions(struct adbc *adbc, rhei_db *db, struct samples *asked, struct samples *called)
{
    double times[2] = {0, 0};
    for (int slice = 0; slice < 2 * QUESTIONS / SLICE; slice++) {
        double start = bench_now_s();
        for (int i = 0; i < SLICE; i++)
            if (slice % 2 == 0)
                by_adbc(adbc);
            else
                by_library(db);
        times[slice % 2] += bench_now_s() - start;
    }
    samples_add(asked, times[0] * 1e6 / QUESTIONS);
    samples_add(called, times[1] * 1e6 / QUESTIONS);
}

static double ingest(struct adbc *adbc, rhei_db *source)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct AdbcStatement statement = {0};
    struct ArrowArrayStream stream;
    int64_t rows = 0;
    if (rhei_query_arrow(source, "SELECT customer, amount, status, ts FROM orders", NULL, NULL, &stream, &error) !=
        RHEI_OK)
        bench_die("the stream to take in", error.message);
    double start = bench_now_s();
    must(adbc, adbc->driver.StatementNew(&adbc->connection, &statement, &adbc->error));
    must(adbc, adbc->driver.StatementSetOption(&statement, ADBC_INGEST_OPTION_TARGET_TABLE, "orders", &adbc->error));
    must(adbc, adbc->driver.StatementSetOption(&statement, ADBC_INGEST_OPTION_MODE, ADBC_INGEST_OPTION_MODE_APPEND,
                                               &adbc->error));
    must(adbc, adbc->driver.StatementBindStream(&statement, &stream, &adbc->error));
    must(adbc, adbc->driver.StatementExecuteQuery(&statement, NULL, &rows, &adbc->error));
    must(adbc, adbc->driver.StatementRelease(&statement, &adbc->error));
    return (double)rows / (bench_now_s() - start);
}

static void run(struct adbc *adbc, const char *sql)
{
    struct AdbcStatement statement = {0};
    must(adbc, adbc->driver.StatementNew(&adbc->connection, &statement, &adbc->error));
    must(adbc, adbc->driver.StatementSetSqlQuery(&statement, sql, &adbc->error));
    must(adbc, adbc->driver.StatementExecuteQuery(&statement, NULL, NULL, &adbc->error));
    must(adbc, adbc->driver.StatementRelease(&statement, &adbc->error));
}

/* ---- Tasks. ------------------------------------------------------------------------------------------------------ */

static void submit(rhei_async *async)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_async_submit(async, point, NULL, NULL, NULL, &error) != RHEI_OK)
        bench_die(point, error.message);
}

static int take_all(rhei_async *async)
{
    struct pollfd wait = {.fd = rhei_async_fd(async), .events = POLLIN};
    struct rhei_error error = RHEI_ERROR_INIT;
    int count = 0;
    (void)poll(&wait, 1, -1);
    for (rhei_task *task; (task = rhei_async_take(async)) != NULL; rhei_task_free(&task), count++)
        if (rhei_task_status(task, &error) != RHEI_DONE)
            bench_die(point, error.message);
    return count;
}

/* `at_once` of them are always there. */
static double task_us(rhei_async *async, int at_once)
{
    double start = bench_now_s();
    int there = 0, done = 0;
    while (done < QUESTIONS) {
        for (; there < at_once && done + there < QUESTIONS; there++)
            submit(async);
        int taken = take_all(async);
        there -= taken;
        done += taken;
    }
    return (bench_now_s() - start) * 1e6 / QUESTIONS;
}

static double rows_us(rhei_db *db)
{
    double start = bench_now_s();
    for (int i = 0; i < QUESTIONS; i++)
        (void)bench_query(db, point, RHEI_ROUTE_AUTO);
    return (bench_now_s() - start) * 1e6 / QUESTIONS;
}

static void figures_tasks(struct bench *bench, rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct samples one = {0}, many = {0}, called = {0};
    rhei_async *async = NULL;
    if (rhei_async_open(db, NULL, &async, &error) != RHEI_OK)
        bench_die("tasks", error.message);
    for (int r = 0; r < bench->runs; r++) {
        samples_add(&one, task_us(async, 1));
        samples_add(&called, rows_us(db));
        samples_add(&many, task_us(async, AT_ONCE));
    }
    rhei_async_close(&async);
    double call = samples_median(&called);
    report_add(bench->report, &(struct figure){.name = "one-row question as a task, to its poll()",
                                               .unit = "us",
                                               .value = samples_median(&one),
                                               .low = samples_min(&one),
                                               .high = samples_max(&one),
                                               .peer = "rhei_query",
                                               .peer_value = call});
    report_add(bench->report, &(struct figure){.name = "one-row question as a task, 64 at once",
                                               .unit = "us",
                                               .value = samples_median(&many),
                                               .low = samples_min(&many),
                                               .high = samples_max(&many),
                                               .peer = "rhei_query",
                                               .peer_value = call});
}

void figures_doors(struct bench *bench)
{
    char path[512];
    struct adbc adbc = {0};
    struct samples asked = {0}, called = {0}, taken = {0}, batches = {0};
    bench_say("ADBC and tasks");
    bench_path(path, sizeof path, bench, "doors_library");
    rhei_db *db = bench_open(path, true, 0);
    bench_execute(db, bench_orders);
    bench_fill(db, ROWS);
    bench_path(path, sizeof path, bench, "doors_batches");
    rhei_db *peer = bench_open(path, true, 0);
    bench_execute(peer, bench_orders);
    bench_path(path, sizeof path, bench, "doors_adbc");
    adbc_open(&adbc, path);
    run(&adbc, bench_orders);
    for (int r = 0; r < bench->runs; r++) {
        run(&adbc, "DELETE FROM orders");
        samples_add(&taken, ingest(&adbc, db));
        bench_execute(peer, "DELETE FROM orders");
        samples_add(&batches, bench_write(peer, ROWS / BATCH_ROWS));
        questions(&adbc, db, &asked, &called);
    }
    double over = samples_median(&asked) - samples_median(&called);
    report_add(bench->report, &(struct figure){.name = "ADBC, one-row question",
                                               .unit = "us",
                                               .value = samples_median(&asked),
                                               .low = samples_min(&asked),
                                               .high = samples_max(&asked),
                                               .peer = "rhei_query_arrow",
                                               .peer_value = samples_median(&called),
                                               .compared = over,
                                               .target_text = "<= 20 us more",
                                               .target = 20,
                                               .sense = AT_MOST});
    report_add(bench->report, &(struct figure){.name = "ADBC, ingest",
                                               .unit = "rows/s",
                                               .value = samples_median(&taken),
                                               .low = samples_min(&taken),
                                               .high = samples_max(&taken),
                                               .peer = "batches of 1,000",
                                               .peer_value = samples_median(&batches),
                                               .compared = samples_median(&taken) / samples_median(&batches),
                                               .target_text = ">= 0.80x",
                                               .target = 0.8,
                                               .sense = AT_LEAST});
    figures_tasks(bench, db);
    adbc_close(&adbc);
    rhei_close(&peer);
    rhei_close(&db);
}
