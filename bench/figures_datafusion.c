/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rhei with DataFusion as its executor, over the mirror, beside DataFusion over tables of its own in memory with the same rows and
 * types: scans and groups of 100 k rows, and TPC-H. Each text runs in turn with the peer's, from the text to the last batch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_rhei.h"
#include "peer_datafusion.h"
#include "peer_duckdb.h"
#include "tpch_queries.h"

struct compared {
    struct samples rhei, peer, ratios; /* seconds; Rhei's time / the peer's */
    bool olap;
};

static void compare(rhei_db *db, struct peer_datafusion *peer, const char *sql, int runs, struct compared *compared)
{
    uint64_t expected = 0, got = 0;
    memset(compared, 0, sizeof *compared);
    compared->olap = bench_on_olap(db, sql, NULL);
    peer_datafusion_run(peer, sql, &expected);
    for (int run = 0; run < runs; run++) {
        double start = bench_now_s();
        got = bench_arrow_strings(db, sql, true);
        double ours = bench_now_s() - start, theirs = peer_datafusion_run(peer, sql, &expected);
        samples_add(&compared->rhei, ours);
        samples_add(&compared->peer, theirs);
        samples_add(&compared->ratios, ours / theirs);
    }
    if (got != expected)
        bench_say("%llu rows, DataFusion's REAL sums give %llu: %s", (unsigned long long)got,
                  (unsigned long long)expected, sql);
}

/* ---- 100 k rows ---- */

/* What Rhei 2.0 was measured at is in the names (../shared/targets.md of this project's design): DataFusion's own tables are the peer. */
static const struct paced {
    const char *name, *sql;
    double per_second;
} paces[] = {
    {"DataFusion: full scan of 100 k rows to Arrow, views (Rhei 2.0, another run: 988/s)", "SELECT * FROM users", 1500},
    {"DataFusion: filter of 18 % of 100 k rows (Rhei 2.0: 1055/s)", "SELECT * FROM users WHERE score > 30340", 0},
    {"DataFusion: GROUP BY, count and REAL sum, 100 k rows (Rhei 2.0: 785/s)",
     "SELECT age, count(*), sum(score) FROM users GROUP BY age", 0},
    {"DataFusion: sum and avg of an expression, 100 k rows (Rhei 2.0, of columns: 1572/s)",
     "SELECT sum(score + 1), avg(age + 1) FROM users", 0},
};

static void add_pace(struct bench *bench, const struct paced *paced, struct compared *compared)
{
    double pace = 1 / samples_median(&compared->rhei);
    struct figure figure = {.name = paced->name,
                            .unit = "/s",
                            .value = pace,
                            .low = 1 / samples_max(&compared->rhei),
                            .high = 1 / samples_min(&compared->rhei),
                            .peer = "its own table",
                            .peer_value = 1 / samples_median(&compared->peer),
                            .compared = paced->per_second > 0 ? pace : 1 / samples_median(&compared->ratios),
                            .target_text = paced->per_second > 0 ? ">= 1500/s" : ">= 1 times",
                            .target = paced->per_second > 0 ? paced->per_second : 1,
                            .sense = AT_LEAST};
    report_add(bench->report, &figure);
}

static void run_paces(struct bench *bench, int threads)
{
    char path[512], sql[600];
    bench_path(path, sizeof path, bench, "dfusers");
    rhei_db *db = bench_open_by(path, RHEI_OLAP_DATAFUSION, (uint32_t)threads);
    bench_execute(db, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, score REAL)");
    bench_execute(db,
                  "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) INSERT INTO users "
                  "SELECT i, 'user name number ' || i, i % 90, i * 0.37 FROM c");
    bench_build(db);
    duck_exec("CREATE TABLE users AS SELECT i AS id, 'user name number ' || i AS name, i % 90 AS age, i * 0.37::DOUBLE "
              "AS score FROM range(1, 100001) t(i)");
    snprintf(sql, sizeof sql, "COPY users TO '%s/users.parquet'", bench->folder);
    duck_exec(sql);
    struct peer_datafusion *peer = peer_datafusion_open(threads);
    snprintf(path, sizeof path, "%s/users.parquet", bench->folder);
    if (peer != NULL)
        peer_datafusion_load(peer, "users", path);
    for (size_t i = 0; i < sizeof paces / sizeof *paces && peer != NULL; i++) {
        static struct compared compared;
        compare(db, peer, paces[i].sql, 10 * bench->runs, &compared);
        if (!compared.olap)
            bench_say("answered by SQLite: %s", paces[i].sql);
        add_pace(bench, &paces[i], &compared);
    }
    peer_datafusion_close(&peer);
    rhei_close(&db);
}

/* ---- TPC-H ---- */

static void write_tables(struct bench *bench)
{
    char sql[600];
    for (int i = 0; i < TPCH_TABLES; i++) {
        snprintf(sql, sizeof sql, "COPY %s TO '%s/%s.parquet'", tpch_tables[i].name, bench->folder,
                 tpch_tables[i].name);
        duck_exec(sql);
    }
}

static void add_mean(struct bench *bench, const char *what, int threads, double value, double target,
                     enum figure_sense sense)
{
    char name[96];
    snprintf(name, sizeof name, "DataFusion, tpch, %d thread%s: %s", threads, threads > 1 ? "s" : "", what);
    report_add_value(bench->report, name, value, target, sense);
}

static void add_query(struct bench *bench, int query, int threads, struct compared *compared)
{
    char label[96];
    snprintf(label, sizeof label, "  DataFusion, tpch q%d, %d thread%s%s", query + 1, threads, threads > 1 ? "s" : "",
             compared->olap ? "" : ", answered by SQLite");
    struct figure figure = {.name = strdup(label),
                            .unit = "ms",
                            .value = samples_median(&compared->rhei) * 1e3,
                            .low = samples_min(&compared->rhei) * 1e3,
                            .high = samples_max(&compared->rhei) * 1e3,
                            .peer = "its own table",
                            .peer_value = samples_median(&compared->peer) * 1e3,
                            .compared = samples_median(&compared->ratios),
                            .target = NAN};
    report_add(bench->report, &figure);
    bench_say("q%d: %.1f ms, its own tables %.1f ms, ratio %.2f%s", query + 1, figure.value, figure.peer_value,
              figure.compared, compared->olap ? "" : ", answered by SQLite");
}

static void run_tpch(struct bench *bench, const char *path, int threads)
{
    static struct compared compared;
    struct peer_datafusion *peer = peer_datafusion_open(threads);
    if (peer == NULL)
        return;
    rhei_db *db = bench_open_by(path, RHEI_OLAP_DATAFUSION, (uint32_t)threads);
    bench_build(db);
    for (int i = 0; i < TPCH_TABLES; i++) {
        char file[600];
        snprintf(file, sizeof file, "%s/%s.parquet", bench->folder, tpch_tables[i].name);
        peer_datafusion_load(peer, tpch_tables[i].name, file);
    }
    double log_sum = 0;
    int count = 0, olap = 0;
    for (int query = 0; query < TPCH_QUERIES; query++) {
        if (bench->query != 0 && bench->query != query + 1)
            continue;
        compare(db, peer, tpch_queries[query], bench->runs, &compared);
        add_query(bench, query, threads, &compared);
        log_sum += log(samples_median(&compared.ratios));
        count++;
        olap += compared.olap ? 1 : 0;
    }
    add_mean(bench, "queries on the column store", threads, olap, count, AT_LEAST);
    add_mean(bench, "over the mirror / its own tables, geometric mean", threads, exp(log_sum / count), 1, AT_MOST);
    rhei_close(&db);
    peer_datafusion_close(&peer);
}

static bool have_plugin(void)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .olap_backend = RHEI_OLAP_DATAFUSION};
    rhei_db *db = NULL;
    bool have = rhei_open(":memory:", &config, &db, &error) == RHEI_OK;
    if (!have)
        bench_say("DataFusion is left out: %s", error.message);
    rhei_close(&db);
    return have;
}

void figures_datafusion(struct bench *bench)
{
    char path[512];
    bench_say("DataFusion over the mirror beside DataFusion's own tables ...");
    if (!have_plugin() || !duck_open(2))
        return;
    run_paces(bench, bench->threads);
    if (figures_tpch_make(bench, path, sizeof path)) {
        write_tables(bench);
        run_tpch(bench, path, 1);
        run_tpch(bench, path, 2);
    }
    duck_close();
}
