/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TPC-H beside DuckDB's own tables of the same types: text dates, REAL money. DuckDB's extension generates the rows, SQLite's
 * file gets the same ones, and each query runs through rhei_query_arrow in turn with DuckDB's own, on one thread and on two.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_rhei.h"
#include "peer_duckdb.h"
#include "tpch_queries.h"

struct means {
    double log_sum, worst;
    int count, olap;
};

static void fill_peer(double scale)
{
    char sql[1200];
    const char *extension = getenv("RHEI_TPCH_EXTENSION");
    snprintf(sql, sizeof sql, "LOAD '%s'", extension);
    duck_exec(sql);
    duck_exec("CREATE SCHEMA made");
    snprintf(sql, sizeof sql, "CALL dbgen(sf = %g, schema = 'made')", scale);
    duck_exec(sql);
    for (int i = 0; i < TPCH_TABLES; i++) {
        const struct tpch_table *table = &tpch_tables[i];
        snprintf(sql, sizeof sql, "CREATE TABLE %s AS SELECT %s FROM made.%s", table->name, table->select, table->name);
        duck_exec(sql);
    }
    duck_exec("DROP SCHEMA made CASCADE");
}

/* ---- The same rows into SQLite's file, before anything is mirrored ---- */

struct load {
    rhei_db *db;
    const struct tpch_table *table;
};

static void load_rows(void *context, const struct rhei_value *values, size_t columns, size_t rows)
{
    const struct load *load = context;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_batch(load->db, load->table->insert, values, columns, rows, NULL, &error) != RHEI_OK)
        bench_die(load->table->name, error.message);
}

static void load_file(const char *path)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config,
                                 .no_auto_register = true,
                                 .manual_sync = true,
                                 .synchronous = RHEI_SYNCHRONOUS_OFF};
    struct load load = {0};
    if (rhei_open(path, &config, &load.db, &error) != RHEI_OK)
        bench_die(path, error.message);
    for (int i = 0; i < TPCH_TABLES; i++) {
        char sql[1200];
        load.table = &tpch_tables[i];
        snprintf(sql, sizeof sql, "CREATE TABLE %s (%s)", load.table->name, load.table->columns);
        bench_execute(load.db, sql);
        snprintf(sql, sizeof sql, "SELECT * FROM %s", load.table->name);
        duck_each(sql, load_rows, &load);
    }
    rhei_close(&load.db);
}

/* ---- Comparing ---- */

/* What EXPLAIN ROUTE says, line by line. */
static void say_why(rhei_db *db, const char *sql)
{
    char text[4096];
    rhei_rows *rows = NULL;
    snprintf(text, sizeof text, "EXPLAIN ROUTE %s", sql);
    if (rhei_query(db, text, NULL, NULL, &rows, NULL) != RHEI_OK)
        return;
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *what = rhei_rows_text(rows, 0);
        fprintf(stderr, "    %s: ", what != NULL ? what : "");
        const char *value = rhei_rows_text(rows, 1);
        fprintf(stderr, "%s\n", value != NULL ? value : "");
    }
    rhei_rows_close(&rows);
}

static void add_query(struct bench *bench, const char *label, struct samples *rhei, struct samples *peer, double ratio)
{
    struct figure figure = {.name = strdup(label),
                            .unit = "ms",
                            .peer = "DuckDB",
                            .peer_value = samples_median(peer),
                            .compared = ratio,
                            .target = NAN};
    report_add_samples(bench->report, &figure, rhei);
}

static void compare(struct bench *bench, rhei_db *db, int query, int threads, struct means *means)
{
    static struct samples rhei, peer, ratios;
    const char *sql = tpch_queries[query], *rule = "";
    char label[128];
    rhei.count = peer.count = ratios.count = 0;
    void *prepared = duck_prepare(sql);
    bool olap = bench_on_olap(db, sql, &rule);
    snprintf(label, sizeof label, "  tpch q%d, %d thread%s%s%s", query + 1, threads, threads > 1 ? "s" : "",
             olap ? "" : ", answered by SQLite: ", olap ? "" : rule);
    if (!olap) {
        bench_say("%s", label);
        say_why(db, sql);
    }
    uint64_t expected = duck_run(prepared, true), got = bench_arrow(db, sql, RHEI_ROUTE_AUTO);
    if (expected != got)
        bench_say("q%d: %llu rows, DuckDB's REAL sums give %llu", query + 1, (unsigned long long)got,
                  (unsigned long long)expected);
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        bench_arrow(db, sql, RHEI_ROUTE_AUTO);
        samples_add(&rhei, (bench_now_s() - start) * 1e3);
        start = bench_now_s();
        duck_run(prepared, true);
        samples_add(&peer, (bench_now_s() - start) * 1e3);
        samples_add(&ratios, rhei.values[run] / peer.values[run]);
    }
    duck_finish(prepared);
    double ratio = samples_median(&ratios);
    means->log_sum += log(ratio);
    means->count++;
    means->olap += olap;
    means->worst = ratio > means->worst ? ratio : means->worst;
    add_query(bench, label, &rhei, &peer, ratio);
    bench_say("q%d: %.1f ms, DuckDB %.1f ms, ratio %.2f", query + 1, samples_median(&rhei), samples_median(&peer),
              ratio);
}

static void add_figure(struct bench *bench, const char *what, int threads, double value, double target,
                       enum figure_sense sense)
{
    char name[96];
    snprintf(name, sizeof name, "tpch, %d thread%s: %s", threads, threads > 1 ? "s" : "", what);
    report_add_value(bench->report, name, value, target, sense);
}

static void run_all(struct bench *bench, const char *path, int threads)
{
    struct means means = {0};
    char sql[64];
    snprintf(sql, sizeof sql, "SET threads = %d", threads);
    duck_exec(sql);
    rhei_db *db = bench_open(path, true, (uint32_t)threads);
    bench_build(db);
    bench_say("%d thread%s ...", threads, threads > 1 ? "s" : "");
    for (int query = 0; query < TPCH_QUERIES; query++)
        if (bench->query == 0 || bench->query == query + 1)
            compare(bench, db, query, threads, &means);
    rhei_close(&db);
    add_figure(bench, "queries on the column store", threads, means.olap, means.count, AT_LEAST);
    add_figure(bench, "Rhei / DuckDB, geometric mean", threads, exp(means.log_sum / means.count), 0.9, AT_MOST);
    add_figure(bench, "Rhei / DuckDB, the worst", threads, means.worst, 1.8, AT_MOST);
}

bool figures_tpch_make(struct bench *bench, char *path, size_t size)
{
    if (getenv("RHEI_TPCH_EXTENSION") == NULL) {
        bench_say("no TPC-H: RHEI_TPCH_EXTENSION names no file (./dev bench sets it)");
        return false;
    }
    bench_say("TPC-H, scale factor %g: making the rows ...", bench->scale);
    fill_peer(bench->scale);
    bench_path(path, size, bench, "tpch");
    if (bench->tpch_file != NULL)
        snprintf(path, size, "%s", bench->tpch_file);
    if (access(path, F_OK) != 0)
        load_file(path);
    return true;
}

void figures_tpch(struct bench *bench)
{
    char path[512];
    if (!duck_open(2))
        return;
    if (figures_tpch_make(bench, path, sizeof path)) {
        run_all(bench, path, 1);
        run_all(bench, path, 2);
    }
    duck_close();
}
