/* SPDX-License-Identifier: Apache-2.0 */
/* Writes beside bare SQLite: single inserts, eight writers, transactions of 1,000, and cached point reads. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_rhei.h"
#include "peer_sqlite.h"

static const char *const insert = "INSERT INTO orders (customer, amount, status, ts) VALUES (?, ?, ?, ?)";

enum { SINGLE = 5000, BATCH = 1000, BATCHES = 60, SCRIPTS = 40, WRITERS = 8, EACH = 800, POINTS = 40000 };

static void row_values(struct rhei_value *values, int64_t i)
{
    values[0] = rhei_text("cust1234");
    values[1] = rhei_real((double)(i % 100000) / 100.0);
    values[2] = rhei_text("paid");
    values[3] = rhei_integer(1700000000 + i);
}

static void peer_step(sqlite3_stmt *statement, int64_t i)
{
    sqlite3_bind_text(statement, 1, "cust1234", 8, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, (double)(i % 100000) / 100.0);
    sqlite3_bind_text(statement, 3, "paid", 4, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, 1700000000 + i);
    if (sqlite3_step(statement) != SQLITE_DONE)
        bench_die("the peer's insert", sqlite3_errmsg(sqlite3_db_handle(statement)));
    sqlite3_reset(statement);
}

static double rhei_singles(rhei_db *db, int count)
{
    struct rhei_value values[4];
    struct rhei_params params = {values, 4};
    struct rhei_error error = RHEI_ERROR_INIT;
    double start = bench_now_s();
    for (int i = 0; i < count; i++) {
        row_values(values, i);
        if (rhei_execute(db, insert, &params, NULL, &error) != RHEI_OK)
            bench_die(insert, error.message);
    }
    return count / (bench_now_s() - start);
}

static double peer_singles(sqlite3_stmt *statement, int count)
{
    double start = bench_now_s();
    for (int i = 0; i < count; i++)
        peer_step(statement, i);
    return count / (bench_now_s() - start);
}

static double rhei_batches(rhei_db *db)
{
    static struct rhei_value values[BATCH * 4];
    for (int i = 0; i < BATCH; i++)
        row_values(values + (size_t)i * 4, i);
    struct rhei_error error = RHEI_ERROR_INIT;
    double start = bench_now_s();
    for (int b = 0; b < BATCHES; b++)
        if (rhei_execute_batch(db, insert, values, 4, BATCH, NULL, &error) != RHEI_OK)
            bench_die(insert, error.message);
    return BATCH * BATCHES / (bench_now_s() - start);
}

static double peer_batches(sqlite3 *db, sqlite3_stmt *statement)
{
    double start = bench_now_s();
    for (int b = 0; b < BATCHES; b++) {
        peer_exec(db, "BEGIN");
        for (int i = 0; i < BATCH; i++)
            peer_step(statement, i);
        peer_exec(db, "COMMIT");
    }
    return BATCH * BATCHES / (bench_now_s() - start);
}

/* ---- The same statements as literal texts, 1,000 to a script. ------------------------------------------------------ */

static char *literal_script(void)
{
    static char script[BATCH * 160];
    size_t len = 0;
    for (int i = 0; i < BATCH; i++)
        len +=
            (size_t)snprintf(script + len, sizeof script - len,
                             "INSERT INTO orders (customer, amount, status, ts) VALUES ('cust%d', %.2f, 'paid', %d);\n",
                             i % 7919, (double)(i % 100000) / 100.0, 1700000000 + i);
    return script;
}

static double rhei_scripts(rhei_db *db, const char *script)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    double start = bench_now_s();
    for (int b = 0; b < SCRIPTS; b++)
        if (rhei_execute_script(db, script, NULL, &error) != RHEI_OK)
            bench_die("a script", error.message);
    return BATCH * SCRIPTS / (bench_now_s() - start);
}

static double peer_scripts(sqlite3 *db, const char *script)
{
    double start = bench_now_s();
    for (int b = 0; b < SCRIPTS; b++) {
        peer_exec(db, "BEGIN");
        peer_exec(db, script);
        peer_exec(db, "COMMIT");
    }
    return BATCH * SCRIPTS / (bench_now_s() - start);
}

/* ---- Eight writers: group commit against one transaction each, both with capture. --------------------------------- */

struct crowd {
    rhei_db *db;
    sqlite3_stmt *statement;
    pthread_mutex_t lock;
};

static void *crowd_rhei(void *argument)
{
    rhei_singles(((struct crowd *)argument)->db, EACH);
    return NULL;
}

static void *crowd_peer(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < EACH; i++) {
        pthread_mutex_lock(&crowd->lock);
        peer_step(crowd->statement, i);
        pthread_mutex_unlock(&crowd->lock);
    }
    return NULL;
}

static double crowd_run(struct crowd *crowd, void *(*work)(void *))
{
    pthread_t threads[WRITERS];
    double start = bench_now_s();
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&threads[i], NULL, work, crowd) != 0)
            bench_die("a thread", "could not be started");
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    return WRITERS * EACH / (bench_now_s() - start);
}

static void add_ratio(struct bench *bench, const char *name, const char *unit, struct samples *rhei, const char *peer,
                      struct samples *theirs, double target, const char *text)
{
    struct samples ratios = {0};
    for (size_t i = 0; i < rhei->count && i < theirs->count; i++)
        samples_add(&ratios, rhei->values[i] / theirs->values[i]);
    double ratio = samples_median(&ratios);
    struct figure figure = {.name = name,
                            .unit = unit,
                            .peer = peer,
                            .peer_value = samples_median(theirs),
                            .compared = ratio,
                            .target_text = text,
                            .target = target,
                            .sense = AT_LEAST};
    report_add_samples(bench->report, &figure, rhei);
}

static void figure_points(struct bench *bench, rhei_db *db, sqlite3 *peer)
{
    static struct samples rhei, theirs;
    rhei.count = theirs.count = 0;
    const char *select = "SELECT amount FROM orders WHERE id = ?";
    sqlite3_stmt *statement = peer_prepare(peer, select);
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int run = 0; run < bench->runs; run++) {
        double start = bench_now_s();
        for (int i = 0; i < POINTS; i++) {
            rhei_rows *rows = NULL;
            struct rhei_value id = rhei_integer(1 + i * 7919 % 4000);
            struct rhei_params params = {&id, 1};
            if (rhei_query(db, select, &params, NULL, &rows, &error) != RHEI_OK ||
                rhei_rows_next(rows, &error) != RHEI_ROW)
                bench_die(select, error.message);
            rhei_rows_close(&rows);
        }
        samples_add(&rhei, POINTS / (bench_now_s() - start));
        start = bench_now_s();
        for (int i = 0; i < POINTS; i++) {
            sqlite3_bind_int64(statement, 1, 1 + i * 7919 % 4000);
            if (sqlite3_step(statement) != SQLITE_ROW)
                bench_die(select, sqlite3_errmsg(peer));
            sqlite3_reset(statement);
        }
        samples_add(&theirs, POINTS / (bench_now_s() - start));
    }
    sqlite3_finalize(statement);
    add_ratio(bench, "point SELECT, cached, one thread / bare sqlite3_step", "/s", &rhei, "SQLite", &theirs, 0.8,
              ">= 0.8");
}

static void figure_crowd(struct bench *bench)
{
    char path[512], copy[512], command[1200];
    bench_path(path, sizeof path, bench, "crowd");
    bench_path(copy, sizeof copy, bench, "crowd_peer");
    rhei_db *db = bench_open(path, true, 0);
    bench_execute(db, bench_orders);
    rhei_close(&db);
    /* The peer has the same triggers: what is compared is the commit, not the capture. */
    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    if (system(command) != 0)
        bench_die("copying a file", command);
    db = bench_open(path, true, 0);
    sqlite3 *peer = peer_open(copy);
    struct crowd crowd = {db, peer_prepare(peer, insert), PTHREAD_MUTEX_INITIALIZER};
    static struct samples rhei, theirs;
    rhei.count = theirs.count = 0;
    for (int run = 0; run < bench->runs; run++) {
        samples_add(&rhei, crowd_run(&crowd, crowd_rhei));
        samples_add(&theirs, crowd_run(&crowd, crowd_peer));
    }
    add_ratio(bench, "8 writers, group commit / one transaction each", "/s", &rhei, "SQLite", &theirs, 1.8, ">= 1.8");
    sqlite3_finalize(crowd.statement);
    peer_close(peer);
    rhei_close(&db);
}

void figures_write(struct bench *bench)
{
    bench_say("writes beside bare SQLite ...");
    char path[512], peer_path[512];
    bench_path(path, sizeof path, bench, "write");
    bench_path(peer_path, sizeof peer_path, bench, "write_peer");
    rhei_db *db = bench_open(path, true, 0);
    bench_execute(db, bench_orders);
    sqlite3 *peer = peer_open(peer_path);
    peer_exec(peer, bench_orders);
    sqlite3_stmt *statement = peer_prepare(peer, insert);
    static struct samples rhei, theirs;
    rhei.count = theirs.count = 0;
    for (int run = 0; run < bench->runs; run++) {
        samples_add(&rhei, rhei_singles(db, SINGLE));
        samples_add(&theirs, peer_singles(statement, SINGLE));
    }
    add_ratio(bench, "single autocommit INSERT with capture / bare SQLite", "/s", &rhei, "SQLite", &theirs, 0.66,
              ">= 0.66");
    rhei.count = theirs.count = 0;
    for (int run = 0; run < bench->runs; run++) {
        samples_add(&rhei, rhei_batches(db));
        samples_add(&theirs, peer_batches(peer, statement));
    }
    add_ratio(bench, "INSERT in transactions of 1,000 with capture / bare", "/s", &rhei, "SQLite", &theirs, 0.35,
              ">= 0.35");
    const char *script = literal_script();
    rhei.count = theirs.count = 0;
    for (int run = 0; run < bench->runs; run++) {
        samples_add(&rhei, rhei_scripts(db, script));
        samples_add(&theirs, peer_scripts(peer, script));
    }
    add_ratio(bench, "literal INSERT texts, 1,000 a script, with capture / bare SQLite given the same texts", "/s",
              &rhei, "SQLite", &theirs, 1.0, ">= 1.0");
    figure_points(bench, db, peer);
    sqlite3_finalize(statement);
    peer_close(peer);
    rhei_close(&db);
    figure_crowd(bench);
}
