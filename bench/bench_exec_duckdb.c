/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DuckDB executor over the mirror beside DuckDB's own tables with the same contents: the ten queries of the design
 * notes and a full scan to Arrow, kept plans, interleaved, medians. Prints a table and the geometric mean.
 *
 *   bench_exec_duckdb [rows] [rounds] [threads]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_api.h"
#include "exec_duckdb/duckdb_executor.h"
#include "mirror/mirror.h"

enum { MOST_ROUNDS = 101, COLUMNS = 5, BATCH = 8192, CUSTOMERS = 10000 };

struct shape {
    const char *name;
    const char *sql;             /* %s and %s: the tables orders and customers */
    struct executor_range range; /* of scan 0, if high isn't NULL */
    bool counted;                /* in the geometric mean */
};

static const struct shape shapes[] = {
    {"count, sum", "SELECT count(*), sum(amount) FROM %s AS o", .counted = true},
    {"GROUP BY status", "SELECT status, count(*), sum(amount) FROM %s AS o GROUP BY status", .counted = true},
    {"GROUP BY customer", "SELECT customer, sum(amount) FROM %s AS o GROUP BY customer", .counted = true},
    {"filter, all columns", "SELECT * FROM %s AS o WHERE amount > 990", .counted = true},
    {"range of ts", "SELECT count(*) FROM %s AS o WHERE ts BETWEEN 1500000 AND 1510000",
     .range = {.column = 4,
               .low = {.type = RHEI_INTEGER, .as.integer = 1500000},
               .high = {.type = RHEI_INTEGER, .as.integer = 1510000}},
     .counted = true},
    {"join, GROUP BY",
     "SELECT c.region, sum(o.amount) FROM %s AS o JOIN %s AS c ON o.customer = c.name GROUP BY c.region",
     .counted = true},
    {"LIKE prefix", "SELECT count(*) FROM %s AS o WHERE customer LIKE 'cust99%%'", .counted = true},
    {"ORDER BY LIMIT", "SELECT * FROM %s AS o ORDER BY amount DESC, id LIMIT 10", .counted = true},
    {"one row by id", "SELECT * FROM %s AS o WHERE id = 777777",
     .range = {.column = 0,
               .low = {.type = RHEI_INTEGER, .as.integer = 777777},
               .high = {.type = RHEI_INTEGER, .as.integer = 777777}}},
    {"full scan to Arrow", "SELECT * FROM %s AS o", .counted = true},
};

struct bench {
    int64_t rows;
    int rounds;
    int threads;
    struct mirror *mirror;
    struct executor *executor;
    const struct duck_api *api;
    duckdb_database database;
    duckdb_connection connection;
    duckdb_arrow_options options;
};

static void must(rhei_status status, const struct rhei_error *error)
{
    if (status == RHEI_OK)
        return;
    fprintf(stderr, "bench_exec_duckdb: %s\n", error->message);
    exit(1);
}

/* ---- The same rows twice ----------------------------------------------------------------------------------------- */

static const char *const columns[2][COLUMNS] = {{"id", "customer", "amount", "status", "ts"}, {"id", "name", "region"}};

static void build_table(struct bench *bench, uint32_t id, int64_t rows,
                        void (*row)(int64_t, struct rhei_value *, char (*)[24]), uint32_t column_count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct source_column described[COLUMNS] = {{0}};
    for (uint32_t i = 0; i < column_count; i++)
        described[i] = (struct source_column){
            .name = columns[id - 1][i], .declared_type = "", .collation = "BINARY", .is_rowid_alias = i == 0};
    uint32_t key = 0;
    struct source_table table = {.id = id,
                                 .name = id == 1 ? "orders" : "customers",
                                 .column_count = column_count,
                                 .columns = described,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .key_is_integer = true,
                                 .estimated_rows = rows};
    struct mirror_build *build = NULL;
    must(mirror_build_begin(bench->mirror, &table, 1, &build, &error), &error);
    static struct rhei_value values[COLUMNS][BATCH];
    static char texts[BATCH][24];
    const struct rhei_value *pointers[COLUMNS];
    for (uint32_t i = 0; i < column_count; i++)
        pointers[i] = values[i];
    for (int64_t start = 0; start < rows; start += BATCH) {
        struct change_batch batch = {.table = id, .column_count = column_count, .columns = pointers};
        for (int64_t k = start; k < rows && k < start + BATCH; k++) {
            struct rhei_value one[COLUMNS];
            row(k, one, &texts[batch.row_count]);
            for (uint32_t i = 0; i < column_count; i++)
                values[i][batch.row_count] = one[i];
            batch.row_count++;
        }
        must(mirror_build_append(build, 0, &batch, &error), &error);
    }
    must(mirror_build_attach(&build, &error), &error);
    must(mirror_publish(bench->mirror, (int64_t)id, &error), &error);
}

static struct rhei_value text_value(const char *text)
{
    return (struct rhei_value){.type = RHEI_TEXT, .as.bytes = text, .length = (uint32_t)strlen(text)};
}

static struct rhei_value integer_value(int64_t integer)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = integer};
}

static void order_row(int64_t k, struct rhei_value *out, char (*text)[24])
{
    static const char *const statuses[] = {"open", "paid", "cancelled"};
    snprintf(*text, sizeof *text, "cust%lld", (long long)(k * 31 % CUSTOMERS));
    out[0] = integer_value(k);
    out[1] = text_value(*text);
    out[2] = (struct rhei_value){.type = RHEI_REAL, .as.real = (double)(k * 7919 % 100000) / 100.0};
    out[3] = text_value(statuses[k % 3]);
    out[4] = integer_value(1000000 + k);
}

static void customer_row(int64_t k, struct rhei_value *out, char (*text)[24])
{
    static const char *const regions[] = {"north", "east", "south", "west", "middle"};
    snprintf(*text, sizeof *text, "cust%lld", (long long)k);
    out[0] = integer_value(k);
    out[1] = text_value(*text);
    out[2] = text_value(regions[k % 5]);
}

static void run_native(struct bench *bench, const char *sql)
{
    duckdb_result result = {0};
    if (bench->api->query(bench->connection, sql, &result) == DuckDBError) {
        fprintf(stderr, "bench_exec_duckdb: %s: %s\n", sql, bench->api->result_error(&result));
        exit(1);
    }
    bench->api->destroy_result(&result);
}

static void open_native(struct bench *bench)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    char sql[600];
    must(duck_api_load(NULL, &bench->api, &error), &error);
    if (bench->api->open_ext(NULL, &bench->database, NULL, NULL) == DuckDBError ||
        bench->api->connect(bench->database, &bench->connection) == DuckDBError)
        exit(1);
    snprintf(sql, sizeof sql, "SET threads=%d", bench->threads);
    run_native(bench, sql);
    bench->api->connection_get_arrow_options(bench->connection, &bench->options);
    snprintf(sql, sizeof sql,
             "CREATE TABLE orders AS SELECT k AS id, 'cust' || (k * 31 %% %d) AS customer, (k * 7919 %% 100000) / "
             "100.0::DOUBLE AS amount, ['open', 'paid', 'cancelled'][k %% 3 + 1] AS status, 1000000 + k AS ts "
             "FROM range(%lld) r(k)",
             CUSTOMERS, (long long)bench->rows);
    run_native(bench, sql);
    snprintf(sql, sizeof sql,
             "CREATE TABLE customers AS SELECT k AS id, 'cust' || k AS name, ['north', 'east', 'south', 'west', "
             "'middle'][k %% 5 + 1] AS region FROM range(%d) r(k)",
             CUSTOMERS);
    run_native(bench, sql);
}

/* ---- One run of each ---------------------------------------------------------------------------------------------- */

static double ours(struct bench *bench, const struct shape *shape, const char *sql, int64_t *rows)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct mirror_snapshot snapshot;
    struct ArrowArrayStream stream;
    int64_t start = base_now_ns();
    must(mirror_snapshot_take(bench->mirror, &snapshot), &error);
    struct executor_query query = {.sql = sql, .plan_key = "bench", .snapshot = &snapshot};
    if (shape->range.high.type != RHEI_NULL) {
        query.ranges = &shape->range;
        query.range_count = 1;
    }
    must(bench->executor->ops->run(bench->executor, &query, &stream, &error), &error);
    *rows = 0;
    for (;;) {
        struct ArrowArray batch;
        if (stream.get_next(&stream, &batch) != 0)
            exit(1);
        if (batch.release == NULL)
            break;
        *rows += batch.length;
        batch.release(&batch);
    }
    stream.release(&stream);
    mirror_snapshot_release(&snapshot);
    return (double)(base_now_ns() - start) / 1e6;
}

static double native(struct bench *bench, duckdb_prepared_statement statement, int64_t *rows)
{
    const struct duck_api *api = bench->api;
    duckdb_result result = {0};
    duckdb_data_chunk chunk;
    int64_t start = base_now_ns();
    if (api->execute_prepared_streaming(statement, &result) == DuckDBError)
        exit(1);
    *rows = 0;
    while ((chunk = api->fetch_chunk(result)) != NULL) {
        struct ArrowArray batch;
        duckdb_error_data failed = api->data_chunk_to_arrow(bench->options, chunk, &batch);
        if (failed != NULL && api->error_data_has_error(failed))
            exit(1);
        *rows += batch.length;
        batch.release(&batch);
        api->destroy_data_chunk(&chunk);
    }
    api->destroy_result(&result);
    return (double)(base_now_ns() - start) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static double measure(struct bench *bench, const struct shape *shape)
{
    char mirror_sql[500];
    char native_sql[500];
    double a[MOST_ROUNDS];
    double b[MOST_ROUNDS];
    int64_t our_rows = 0;
    int64_t native_rows = 0;
    snprintf(mirror_sql, sizeof mirror_sql, shape->sql, "mirror_scan(1, 0)", "mirror_scan(2, 1)");
    snprintf(native_sql, sizeof native_sql, shape->sql, "orders", "customers");
    duckdb_prepared_statement statement = NULL;
    if (bench->api->prepare(bench->connection, native_sql, &statement) == DuckDBError)
        exit(1);
    ours(bench, shape, mirror_sql, &our_rows);
    native(bench, statement, &native_rows);
    for (int i = 0; i < bench->rounds; i++) {
        a[i] = native(bench, statement, &native_rows);
        b[i] = ours(bench, shape, mirror_sql, &our_rows);
    }
    bench->api->destroy_prepare(&statement);
    if (our_rows != native_rows) {
        fprintf(stderr, "bench_exec_duckdb: %s: %lld rows instead of %lld\n", shape->name, (long long)our_rows,
                (long long)native_rows);
        exit(1);
    }
    double native_ms = median(a, bench->rounds);
    double our_ms = median(b, bench->rounds);
    printf("%-22s %10.2f %10.2f %8.2f\n", shape->name, native_ms, our_ms, our_ms / native_ms);
    fflush(stdout);
    return our_ms / native_ms;
}
#pragma GCC diagnostic pop

int main(int argc, char **argv)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct bench bench = {.rows = argc > 1 ? atoll(argv[1]) : 1000000,
                          .rounds = argc > 2 ? atoi(argv[2]) : 7,
                          .threads = argc > 3 ? atoi(argv[3]) : 1};
    if (bench.rounds < 1 || bench.rounds > MOST_ROUNDS || bench.rows < 1 || bench.threads < 1) {
        fprintf(stderr, "usage: bench_exec_duckdb [rows] [rounds 1..%d] [threads]\n", MOST_ROUNDS);
        return 2;
    }
    struct mirror_config mirror = {0};
    struct duckdb_executor_config config = {.threads = bench.threads};
    must(mirror_open(&mirror, &bench.mirror, &error), &error);
    must(duckdb_executor_open(&config, &bench.executor, &error), &error);
    build_table(&bench, 1, bench.rows, order_row, 5);
    build_table(&bench, 2, CUSTOMERS, customer_row, 3);
    open_native(&bench);
    printf("%lld rows, %d threads, medians of %d\n%-22s %10s %10s %8s\n", (long long)bench.rows, bench.threads,
           bench.rounds, "", "native ms", "mirror ms", "ratio");
    double logarithm = 0;
    int counted = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double ratio = measure(&bench, &shapes[i]);
        logarithm += shapes[i].counted ? log(ratio) : 0;
        counted += shapes[i].counted;
    }
    printf("geometric mean of %d %38.2f\n", counted, exp(logarithm / counted));
    bench.api->destroy_arrow_options(&bench.options);
    bench.api->disconnect(&bench.connection);
    bench.api->close(&bench.database);
    bench.executor->ops->close(&bench.executor);
    mirror_close(&bench.mirror);
    return 0;
}
