/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_rhei.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const bench_orders =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, status TEXT, ts INTEGER)";

static void check(rhei_status status, const char *what, const struct rhei_error *error)
{
    if (status != RHEI_OK)
        bench_die(what, error->message);
}

static rhei_db *open_with(const char *path, const struct rhei_config *config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = NULL;
    check(rhei_open(path, config, &db, &error), path, &error);
    return db;
}

rhei_db *bench_open(const char *path, bool manual_sync, uint32_t threads)
{
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = manual_sync, .threads = threads};
    return open_with(path, &config);
}

rhei_db *bench_open_by(const char *path, int32_t olap_backend, uint32_t threads)
{
    struct rhei_config config = {
        .struct_size = sizeof config, .manual_sync = true, .threads = threads, .olap_backend = olap_backend};
    return open_with(path, &config);
}

void bench_execute(rhei_db *db, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    check(rhei_execute(db, sql, NULL, NULL, &error), sql, &error);
}

void bench_sync(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    check(rhei_sync_now(db, NULL, &error), "sync", &error);
}

void bench_build(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    check(rhei_initial_sync(db, 0, &error), "initial sync", &error);
}

uint64_t bench_query(rhei_db *db, const char *sql, int32_t route)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    rhei_rows *rows = NULL;
    check(rhei_query(db, sql, NULL, &options, &rows, &error), sql, &error);
    uint64_t count = 0;
    rhei_status status;
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        count++;
    if (status != RHEI_DONE)
        bench_die(sql, error.message);
    rhei_rows_close(&rows);
    return count;
}

static uint64_t read_batches(struct ArrowArrayStream *stream, const char *sql)
{
    uint64_t count = 0;
    for (;;) {
        struct ArrowArray batch;
        if (stream->get_next(stream, &batch) != 0)
            bench_die(sql, stream->get_last_error(stream));
        if (batch.release == NULL)
            break;
        count += (uint64_t)batch.length;
        batch.release(&batch);
    }
    stream->release(stream);
    return count;
}

static uint64_t arrow_rows(rhei_db *db, const char *sql, int32_t route, int32_t strings)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route, .strings = strings};
    struct ArrowArrayStream stream;
    check(rhei_query_arrow(db, sql, NULL, &options, &stream, &error), sql, &error);
    return read_batches(&stream, sql);
}

uint64_t bench_native(rhei_db *db, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    check(rhei_olap_query_arrow(db, sql, NULL, &stream, &error), sql, &error);
    return read_batches(&stream, sql);
}

uint64_t bench_arrow(rhei_db *db, const char *sql, int32_t route)
{
    return arrow_rows(db, sql, route, RHEI_STRINGS_UTF8);
}

uint64_t bench_arrow_strings(rhei_db *db, const char *sql, bool views)
{
    return arrow_rows(db, sql, RHEI_ROUTE_AUTO, views ? RHEI_STRINGS_VIEW : RHEI_STRINGS_UTF8);
}

bool bench_on_olap(rhei_db *db, const char *sql, const char **rule)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    check(rhei_query(db, sql, NULL, NULL, &rows, &error), sql, &error);
    bool olap = strcmp(rhei_rows_route(rows), "olap") == 0;
    if (rule != NULL)
        *rule = rhei_rows_rule(rows);
    rhei_rows_close(&rows);
    return olap;
}

double bench_metric(rhei_db *db, const char *name)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    double value = 0;
    check(rhei_metric_list(db, &metrics, &count, &error), "metrics", &error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(metrics[i]->name, name) == 0)
            value = metrics[i]->value;
    rhei_free(metrics);
    return value;
}

void bench_path(char *path, size_t size, const struct bench *bench, const char *name)
{
    snprintf(path, size, "%s/%s.db", bench->folder, name);
}

void bench_remove_folder(const char *folder)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        bench_say("the folder %s could not be removed", folder);
}

const char *bench_fill_sql(void)
{
    return "WITH RECURSIVE c(i) AS (SELECT %lld UNION ALL SELECT i + 1 FROM c WHERE i < %lld) INSERT INTO orders "
           "SELECT i, 'cust' || (i * 31 %% 10007), (i * 7919 %% 100000) / 100.0, CASE i %% 3 WHEN 0 THEN 'open' "
           "WHEN 1 THEN 'paid' ELSE 'shipped' END, 1700000000 + i FROM c";
}

void bench_fill(rhei_db *db, int64_t rows)
{
    char sql[512];
    for (int64_t from = 1; from <= rows; from += 100000) {
        int64_t to = from + 99999 < rows ? from + 99999 : rows;
        snprintf(sql, sizeof sql, bench_fill_sql(), (long long)from, (long long)to); /* NOLINT: the format is above */
        bench_execute(db, sql);
    }
}

double bench_write(rhei_db *db, int batches)
{
    static struct rhei_value values[BENCH_BATCH * 4];
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *insert = "INSERT INTO orders (customer, amount, status, ts) VALUES (?, ?, ?, ?)";
    double start = bench_now_s();
    for (int b = 0; b < batches; b++) {
        for (int i = 0; i < BENCH_BATCH; i++) {
            int64_t n = (int64_t)b * BENCH_BATCH + i;
            values[i * 4] = rhei_text("cust1234");
            values[i * 4 + 1] = rhei_real((double)(n % 100000) / 100.0);
            values[i * 4 + 2] = rhei_text("paid");
            values[i * 4 + 3] = rhei_integer(1700000000 + n);
        }
        if (rhei_execute_batch(db, insert, values, 4, BENCH_BATCH, NULL, &error) != RHEI_OK)
            bench_die(insert, error.message);
    }
    return (double)BENCH_BATCH * batches / (bench_now_s() - start);
}

const char *bench_fill_duckdb(void)
{
    return "CREATE TABLE orders AS SELECT i AS id, 'cust' || (i * 31 %% 10007) AS customer, "
           "CAST((i * 7919 %% 100000) / 100.0 AS DOUBLE) AS amount, CASE i %% 3 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' "
           "ELSE 'shipped' END AS status, 1700000000 + i AS ts FROM range(1, %lld) t(i)";
}
