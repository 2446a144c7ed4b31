/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL server that is followed by logical decoding: how fast it is loaded, beside COPY thrown away; how long a commit takes to be in an
 * analytical answer, and how many changes a second are applied, beside Debezium's embedded engine, which delivers them to a consumer that counts. Both
 * follow one server; while one is measured the server tells the other nothing. And how long a look takes, where it is looked at.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_sidecar.h"
#include "peer_debezium.h"

enum {
    BLOCKS = 5,
    BLOCK = 100,
    SMALL = 25000,
    SMALL_CHANGES = 4,
    SCALE = 5,
    TPS = 500,
    CHANGES = 10,
    LOOK_EVERY_MS = 40
};

#define TABLES "events", "accounts", "probe", "pgbench_accounts", "pgbench_branches", "pgbench_tellers"

struct follow {
    struct bench *bench;
    struct test_server *server;
    rhei_db *db;
    struct peer_debezium *debezium; /* NULL: it isn't here */
    int64_t probes;
};

static void fill(struct follow *follow)
{
    struct test_server *server = follow->server;
    test_server_sql(server,
                    "CREATE TABLE events (id bigint PRIMARY KEY, name text, amount numeric(12,2), at timestamptz, "
                    "score double precision);"
                    "INSERT INTO events SELECT i, 'event number ' || i, i / 100.0, now() + i * interval '1 s', i / 7.0"
                    " FROM generate_series(1, %lld) i;"
                    "CREATE TABLE accounts (id int PRIMARY KEY, n bigint, note text);"
                    "INSERT INTO accounts SELECT i, 0, 'note of account ' || i FROM generate_series(1, %d) i;"
                    "CREATE TABLE probe (id int PRIMARY KEY, n bigint); INSERT INTO probe VALUES (1, 0)",
                    (long long)follow->bench->rows, SMALL * SMALL_CHANGES);
    peer_load_prepare(server, SCALE);
    test_server_sql(server, "CREATE PUBLICATION bench FOR TABLE events, accounts, probe, pgbench_accounts, "
                            "pgbench_branches, pgbench_tellers");
    test_server_sql(server, "VACUUM ANALYZE");
    test_server_sql(server, "CHECKPOINT");
}

static rhei_db *open_tables(const struct follow *follow, const char *const *tables, int connections, int32_t sync_mode)
{
    char settings[2000];
    int length = snprintf(settings, sizeof settings,
                          "[sidecar]\nname = \"app\"\nsource_type = \"postgres\"\nmode = \"logical\"\n"
                          "publication = \"bench\"\nload_connections = %d\nsource_path = \"%s\"\n",
                          connections, follow->server->conninfo);
    for (; *tables != NULL; tables++)
        length += snprintf(settings + length, sizeof settings - (size_t)length,
                           "[[sidecar.tables]]\ntable_name = \"%s\"\n", *tables);
    return sidecar_open(follow->bench, settings, false, sync_mode);
}

/* ---- Loading. ---------------------------------------------------------------------------------------------------- */

static double load(const struct follow *follow, int connections)
{
    static const char *const one[] = {"events", NULL};
    double start = bench_now_s();
    rhei_db *db = open_tables(follow, one, connections, RHEI_SYNC_DESTRUCTIVE);
    if (sidecar_ask(db, "SELECT count(*) FROM app.events", true) != follow->bench->rows)
        bench_die("the load", "not all rows are there");
    double seconds = bench_now_s() - start;
    rhei_close(&db);
    return seconds;
}

static void loads(struct follow *follow)
{
    static const struct {
        const char *name, *text;
        int connections;
        double target;
    } ways[] = {{"sidecar: open and load 1 M rows of PostgreSQL, 1 connection", ">= 1.5 M", 1, 1.5e6},
                {"sidecar: the same, 4 connections", ">= 3 M", 4, 3e6}};
    struct samples rate[2] = {0}, alone[2] = {0};
    double rows = (double)follow->bench->rows;
    for (int run = 0; run < follow->bench->runs; run++)
        for (int way = 0; way < 2; way++) {
            samples_add(&rate[way], rows / load(follow, ways[way].connections));
            samples_add(&alone[way], rows / peer_copy(follow->server, "events", ways[way].connections));
        }
    for (int way = 0; way < 2; way++)
        sidecar_figure(follow->bench, ways[way].name, "/s", &rate[way], "COPY thrown away", samples_median(&alone[way]),
                       AT_LEAST, ways[way].target, ways[way].text);
}

/* ---- Looking. ---------------------------------------------------------------------------------------------------- */

static void change_some(const struct follow *follow, int64_t change)
{
    long long rows = (long long)follow->bench->rows;
    test_server_sql(follow->server,
                    "UPDATE looked SET n = n + 1, updated_at = now() WHERE id IN (SELECT (%lld + k * %lld) %% %lld + 1 "
                    "FROM generate_series(1, %d) k)",
                    (long long)change * 7919, rows / CHANGES + 1, rows, CHANGES);
}

/*
 * Looks, each behind a change, so many milliseconds after the one before, or without a pause. What is measured are those behind the first seconds, when the
 * overlap is full of what the loop itself changed.
 */
static void look_on(const struct follow *follow, rhei_db *db, int64_t *change, int every_ms, struct samples *look,
                    struct samples *idle)
{
    double begin = bench_now_s();
    look->count = idle->count = 0;
    for (int i = 0; look->count < SIDECAR_LOOKS; i++) {
        while (every_ms > 0 && bench_now_s() < begin + i * every_ms / 1e3)
            usleep(200);
        change_some(follow, (*change)++);
        double start = bench_now_s();
        bench_sync(db);
        double took = bench_now_s() - start;
        if (sidecar_ask(db, "SELECT sum(n) FROM app.looked", false) != *change * CHANGES)
            bench_die("the look", "didn't bring every change");
        bool full = start - begin > SIDECAR_OVERLAP_S;
        start = bench_now_s();
        bench_sync(db);
        if (full) {
            samples_add(look, took * 1e3);
            samples_add(idle, (bench_now_s() - start) * 1e3);
        }
    }
}

/* Mode poll: every look is followed by a question whose answer has to have what was changed before it. */
static void looks(const struct follow *follow)
{
    static struct samples look, idle;
    char settings[600];
    int64_t changes = 0;
    test_server_sql(
        follow->server,
        "CREATE TABLE looked AS SELECT i::int AS id, 'event number ' || i AS name, 0::bigint AS n, i / 7.0 AS "
        "score, now() - (%lld - i) * interval '1 ms' AS updated_at FROM generate_series(1, %lld) i",
        (long long)follow->bench->rows, (long long)follow->bench->rows);
    test_server_sql(follow->server, "ALTER TABLE looked ADD PRIMARY KEY (id), ALTER updated_at SET NOT NULL");
    test_server_sql(follow->server, "CREATE INDEX ON looked (updated_at)");
    test_server_sql(follow->server, "VACUUM ANALYZE looked");
    snprintf(settings, sizeof settings,
             "[sidecar]\nname = \"app\"\nsource_type = \"postgres\"\nmode = \"poll\"\nsource_path = \"%s\"\n"
             "[[sidecar.tables]]\ntable_name = \"looked\"\n",
             follow->server->conninfo);
    rhei_db *db = sidecar_open(follow->bench, settings, true, RHEI_SYNC_DESTRUCTIVE);
    if (sidecar_ask(db, "SELECT count(*) FROM app.looked", true) != follow->bench->rows)
        bench_die("the load", "not all rows are there");
    for (int paced = 1; paced >= 0; paced--) {
        look_on(follow, db, &changes, paced ? LOOK_EVERY_MS : 0, &look, &idle);
        sidecar_figure(follow->bench,
                       paced ? "sidecar: look of PostgreSQL, 10 rows changed of 1 M, p50"
                             : "sidecar: the same, one look behind the other, p50",
                       "ms", &look, "finding nothing", samples_median(&idle), AT_MOST, 1, "<= 1 ms");
        sidecar_figure_p99(follow->bench, "the same, p99", "ms", &look, "finding nothing", samples_at(&idle, 0.99), NAN,
                           "-");
    }
    rhei_close(&db);
    test_server_sql(follow->server, "DROP TABLE looked");
}

/* ---- Backlogs. --------------------------------------------------------------------------------------------------- */

/* Commits the next probe, and waits until Rhei has it; when. */
static void probe(struct follow *follow)
{
    test_server_sql(follow->server, "UPDATE probe SET n = %lld", (long long)++follow->probes);
}

static double seen_by_rhei(struct follow *follow)
{
    if (sidecar_ask(follow->db, "SELECT n FROM app.probe", true) != follow->probes)
        bench_die("the answer", "isn't of what was committed before it was asked for");
    return bench_now_s();
}

static double seen_by_debezium(struct follow *follow)
{
    return peer_debezium_await(follow->debezium, follow->probes);
}

/* `changes` of one statement, and a probe behind them, told first to one, then to the other: their rates. */
static void backlog(struct follow *follow, const char *sql, double changes, struct samples *ours,
                    struct samples *theirs)
{
    bool both = follow->debezium != NULL;
    pid_t rhei = peer_sender_hold(follow->server, false), debezium = both ? peer_sender_hold(follow->server, true) : 0;
    test_server_sql(follow->server, "%s", sql);
    probe(follow);
    double start = bench_now_s();
    peer_sender_release(rhei);
    samples_add(ours, changes / (seen_by_rhei(follow) - start));
    if (!both)
        return;
    start = bench_now_s();
    peer_sender_release(debezium);
    samples_add(theirs, changes / (seen_by_debezium(follow) - start));
}

static void check_sums(struct follow *follow)
{
    long long there = atoll(test_server_sql(follow->server, "SELECT sum(n) FROM accounts"));
    if (sidecar_ask(follow->db, "SELECT sum(n) FROM app.accounts", true) != there)
        bench_die("the accounts", "aren't those of the server");
    there = atoll(test_server_sql(follow->server, "SELECT sum(trunc(score)::bigint) FROM events"));
    if (sidecar_ask(follow->db, "SELECT sum(CAST(score AS INTEGER)) FROM app.events", true) != there)
        bench_die("the events", "aren't those of the server");
}

static void backlogs(struct follow *follow)
{
    struct samples ours[2] = {0}, theirs[2] = {0};
    char small[300];
    snprintf(small, sizeof small,
             "DO $$ BEGIN FOR i IN 0..%d LOOP UPDATE accounts SET n = n + 1 WHERE id > i * %d AND id <= (i + 1) * %d; "
             "COMMIT; END LOOP; END $$",
             SMALL - 1, SMALL_CHANGES, SMALL_CHANGES);
    for (int run = 0; run < follow->bench->runs; run++) {
        backlog(follow, small, SMALL * SMALL_CHANGES, &ours[0], &theirs[0]);
        backlog(follow, "UPDATE events SET score = score + 1", (double)follow->bench->rows, &ours[1], &theirs[1]);
    }
    check_sums(follow);
    static const char *const names[] = {"sidecar: a backlog of 25,000 transactions of 4 changes",
                                        "sidecar: one UPDATE of 1 M rows"};
    for (int kind = 0; kind < 2; kind++)
        sidecar_figure(follow->bench, names[kind], "/s", &ours[kind], follow->debezium ? "Debezium" : NULL,
                       follow->debezium ? samples_median(&theirs[kind]) : 0, AT_LEAST, 1e5, ">= 100 k");
}

/* ---- From commit to answer. -------------------------------------------------------------------------------------- */

static void block(struct follow *follow, bool debezium, struct samples *samples)
{
    for (int i = 0; i < BLOCK; i++) {
        probe(follow);
        double start = bench_now_s();
        double seen = debezium ? seen_by_debezium(follow) : seen_by_rhei(follow);
        samples_add(samples, (seen - start) * 1e3);
    }
}

static void latency(struct follow *follow, bool loaded)
{
    static struct samples ours, theirs;
    ours.count = theirs.count = 0;
    pid_t load = loaded ? peer_load_begin(follow->server, TPS) : 0;
    for (int i = 0; i < BLOCKS; i++)
        for (int who = 0; who < (follow->debezium != NULL ? 2 : 1); who++) {
            pid_t other = follow->debezium != NULL ? peer_sender_hold(follow->server, who == 0) : 0;
            block(follow, who == 1, who == 1 ? &theirs : &ours);
            if (other == 0)
                continue;
            peer_sender_release(other); /* which has to come to where the server is, before it is measured */
            probe(follow);
            seen_by_rhei(follow);
            seen_by_debezium(follow);
        }
    if (loaded)
        peer_load_end(load);
    const char *peer = follow->debezium != NULL ? "Debezium" : NULL;
    double p50 = peer != NULL ? samples_median(&theirs) : 0, p99 = peer != NULL ? samples_at(&theirs, 0.99) : 0;
    sidecar_figure(follow->bench,
                   loaded ? "sidecar: the same, at 500 tps of pgbench, p50"
                          : "sidecar: commit on PostgreSQL until in an answer, p50",
                   "ms", &ours, peer, p50, AT_MOST, 2, "<= 2 ms");
    sidecar_figure_p99(follow->bench, "the same, p99", "ms", &ours, peer, p99, 20, "<= 20 ms");
}

/* ---- With a history. --------------------------------------------------------------------------------------------- */

static void histories(struct follow *follow)
{
    static const char *const tables[] = {"events", "probe", NULL};
    struct samples kept = {0}, plain = {0};
    bench_say("sidecar: the same with a history ...");
    for (int pair = 0; pair < 2; pair++) {
        follow->db = open_tables(follow, tables, 0, pair == 0 ? RHEI_SYNC_TEMPORAL : RHEI_SYNC_DESTRUCTIVE);
        bench_build(follow->db);
        for (int run = 0; run < follow->bench->runs; run++)
            backlog(follow, "UPDATE events SET score = score + 1", (double)follow->bench->rows,
                    pair == 0 ? &kept : &plain, NULL);
        rhei_close(&follow->db);
    }
    sidecar_figure(follow->bench, "sidecar: one UPDATE of 1 M rows of PostgreSQL, with a history", "/s", &kept,
                   "without one", samples_median(&plain), AT_LEAST, 5e5, ">= 500 k");
}

void figures_follow(struct bench *bench)
{
    static const char *const tables[] = {TABLES, NULL};
    struct follow follow = {.bench = bench, .server = peer_server_open()};
    if (follow.server == NULL)
        return;
    bench_say("sidecar: %lld rows of PostgreSQL ...", (long long)bench->rows);
    fill(&follow);
    loads(&follow);
    looks(&follow);
    sidecar_say_load();
    follow.debezium = peer_debezium_open(follow.server, "public.events,public.accounts,public.probe,"
                                                        "public.pgbench_accounts,public.pgbench_branches,"
                                                        "public.pgbench_tellers");
    follow.db = open_tables(&follow, tables, 0, RHEI_SYNC_DESTRUCTIVE);
    bench_build(follow.db);
    bench_say("sidecar: backlogs, %s ...", follow.debezium != NULL ? "Rhei and Debezium in turn" : "Rhei alone");
    backlogs(&follow);
    bench_say("sidecar: from commit to answer ...");
    latency(&follow, false);
    latency(&follow, true);
    sidecar_say_load();
    peer_debezium_close(&follow.debezium);
    rhei_close(&follow.db);
    histories(&follow);
    test_server_close(&follow.server);
}
