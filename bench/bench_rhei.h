/* SPDX-License-Identifier: Apache-2.0 */
/* Rhei as the figures use it: everything through include/rhei, and every failure ends the run. */
#ifndef BENCH_RHEI_H
#define BENCH_RHEI_H

#include "bench_report.h"
#include "rhei/rhei.h"

struct bench {
    const char *folder; /* private; removed at the end */
    int64_t rows;       /* of the big table */
    int64_t disk_rows;  /* of the one in a folder */
    int runs;           /* of each interleaved comparison */
    int threads;
    double scale;          /* of TPC-H */
    int query;             /* of TPC-H, only this one; 0: all */
    const char *tpch_file; /* database file to use, or to make if it isn't there; NULL: a new one, removed at the end */
    struct report *report;
};

rhei_db *bench_open(const char *path, bool manual_sync, uint32_t threads);
/* The same, with manual_sync, by another executor: enum rhei_olap_backend. */
rhei_db *bench_open_by(const char *path, int32_t olap_backend, uint32_t threads);
void bench_execute(rhei_db *db, const char *sql);
void bench_sync(rhei_db *db);
void bench_build(rhei_db *db);
/* Runs a query and reads every row; returns how many. route: enum rhei_route. */
uint64_t bench_query(rhei_db *db, const char *sql, int32_t route);
/* The same as an Arrow stream, batch by batch. */
uint64_t bench_arrow(rhei_db *db, const char *sql, int32_t route);
/* The same, routed by itself, with texts as utf8 or as views. */
uint64_t bench_arrow_strings(rhei_db *db, const char *sql, bool views);
/* The text as DuckDB reads it, over the mirror: the same scan with DuckDB's own functions. */
uint64_t bench_native(rhei_db *db, const char *sql);
/* Whether the column store answers it, and by which rule, if that is asked for. */
bool bench_on_olap(rhei_db *db, const char *sql, const char **rule);
double bench_metric(rhei_db *db, const char *name);
void bench_path(char *path, size_t size, const struct bench *bench, const char *name);
void bench_remove_folder(const char *folder);

/* orders(id, customer, amount, status, ts): the same rows in Rhei and in DuckDB. */
extern const char *const bench_orders;
void bench_fill(rhei_db *db, int64_t rows);
const char *bench_fill_sql(void);    /* a format with two long longs: the first and the last id */
const char *bench_fill_duckdb(void); /* a format with one int64: rows */
enum { BENCH_BATCH = 1000 };
/* So many batches of rows as a writer has them; rows a second. */
double bench_write(rhei_db *db, int batches);

void figures_write(struct bench *bench);
void figures_ingest(struct bench *bench);
void figures_doors(struct bench *bench);
void figures_sync(struct bench *bench);
void figures_history(struct bench *bench);
void figures_face(struct bench *bench);
void figures_tables(struct bench *bench);
void figures_read(struct bench *bench);
void figures_auto(struct bench *bench);
void figures_disk(struct bench *bench);
void figures_backup(struct bench *bench, rhei_db *db); /* a part of those */
void figures_bucket(struct bench *bench);
void figures_buffer(struct bench *bench);
void figures_feed(struct bench *bench);
void figures_sidecar(struct bench *bench);
void figures_tpch(struct bench *bench);
/* TPC-H's rows in the DuckDB that is open, and in the file that `path` comes to name. False: there is no generator, which was said. */
bool figures_tpch_make(struct bench *bench, char *path, size_t size);
void figures_datafusion(struct bench *bench);
void figures_shapes(struct bench *bench); /* forks: before anything starts threads */

#endif
