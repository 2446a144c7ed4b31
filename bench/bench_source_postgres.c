/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from what a PostgreSQL server sends into the mirror, without the server: an INSERT and an UPDATE of 1 M rows as pgoutput made them are
 * recorded, and then taken in, decoded and applied from memory, with a history and without one. Prints one line a figure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/support/postgres_fixture.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror/mirror.h"
#include "source_postgres/postgres_decode.h"
#include "sync/sync.h"

enum { ROWS = 1000000, RUNS = 5, COPY_HEAD = 19 };
#define QUEUE_BYTES ((size_t)2 << 30) /* all of it stays in memory */
#define NOTHING_YET 1                 /* the position before the first transaction */

static void must(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status == RHEI_OK)
        return;
    fprintf(stderr, "bench_source_postgres: %s: %s\n", what, error->message);
    exit(1);
}

/* ---- What was sent. ---------------------------------------------------------------------------------------------- */

struct recording {
    char *bytes; /* u32 length, message */
    size_t len, capacity;
    struct postgres_catalog *catalog;
};

static void keep(struct recording *recording, const char *message, uint32_t length)
{
    size_t needed = recording->len + sizeof length + length;
    if (needed > recording->capacity) {
        recording->capacity = needed * 2;
        recording->bytes = realloc(recording->bytes, recording->capacity);
        if (recording->bytes == NULL)
            exit(1);
    }
    memcpy(recording->bytes + recording->len, &length, sizeof length);
    memcpy(recording->bytes + recording->len + sizeof length, message, length);
    recording->len = needed;
}

/* Rows of one bytea, as binary COPY has them: u16 1, u32 length, bytes. */
static void record(struct recording *recording, struct test_server *server)
{
    static const char sql[] =
        "COPY (SELECT data FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', "
        "'2', 'publication_names', 'p')) TO STDOUT (FORMAT binary)";
    PGresult *result = PQexec(server->admin, sql);
    char *data = NULL;
    int got = 0;
    bool first = true;
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        exit(1);
    PQclear(result);
    while ((got = PQgetCopyData(server->admin, &data, 0)) > 0) {
        const char *at = data + (first ? COPY_HEAD : 0), *end = data + got;
        first = false;
        while (end - at > 6 && (unsigned char)at[0] != 0xff) {
            uint32_t length = postgres_u32(at + 2);
            keep(recording, at + 6, length);
            at += 6 + length;
        }
        PQfreemem(data);
    }
    PQclear(PQgetResult(server->admin));
}

static void read_catalog(struct recording *recording, const struct test_server *server)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_target target = {.conninfo = server->conninfo};
    struct postgres_connection *connection = NULL;
    struct postgres_wanted wanted = {.logical = true, .publication = "p"};
    must(postgres_connect(&target, false, NULL, INT64_MAX, &connection, &error), &error, "the server");
    must(postgres_catalog_read(connection, &wanted, INT64_MAX, &recording->catalog, &error), &error, "the catalogue");
    postgres_disconnect(&connection);
    for (size_t i = 0; i < recording->catalog->count; i++)
        recording->catalog->tables[i].definition.id = (uint32_t)i + 1;
}

static struct recording make_recording(void)
{
    static const char *const settings[] = {"shared_buffers=256MB", "max_wal_size=4GB", NULL};
    struct recording recording = {0};
    struct test_server *server = test_server_open(15, settings);
    test_server_sql(server,
                    "CREATE TABLE events (id bigint PRIMARY KEY, name text, amount numeric(12,2), at timestamptz, "
                    "score double precision); CREATE PUBLICATION p FOR TABLE events");
    test_server_sql(server, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    test_server_sql(server,
                    "INSERT INTO events SELECT i, 'event number ' || i, i / 100.0, now() + i * interval '1 s', i / 7.0"
                    " FROM generate_series(1, %d) i",
                    ROWS);
    test_server_sql(server, "UPDATE events SET score = score + 1");
    read_catalog(&recording, server);
    record(&recording, server);
    test_server_close(&server);
    return recording;
}

/* ---- A source of it. --------------------------------------------------------------------------------------------- */

struct recorded {
    struct change_source base;
    const struct recording *recording;
    size_t fed; /* bytes */
    struct postgres_queue queue;
    struct postgres_decoder decoder;
    bool told;
};

static struct recorded *self(struct change_source *source)
{
    return (struct recorded *)source;
}

/* The next transaction, into the queue. */
static void take_in(struct recorded *recorded)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    bool committed = false;
    while (!committed && recorded->fed < recorded->recording->len) {
        uint32_t length;
        memcpy(&length, recorded->recording->bytes + recorded->fed, sizeof length);
        must(postgres_queue_put(&recorded->queue, recorded->recording->bytes + recorded->fed + sizeof length, length, 0,
                                &committed, &error),
             &error, "a message");
        recorded->fed += sizeof length + length;
    }
}

static bool may_have_changes(struct change_source *source, uint64_t token)
{
    (void)source;
    (void)token;
    return true;
}

static rhei_status begin(struct change_source *source, int64_t after, struct change_cycle *cycle, uint64_t *token,
                         struct rhei_error *error)
{
    struct recorded *recorded = self(source);
    struct postgres_queue *queue = &recorded->queue;
    while (queue->first != NULL && (int64_t)queue->first->end <= after) {
        uint64_t end = queue->first->end;
        must(postgres_decoder_pass(&recorded->decoder, queue->first, error), error, "a transaction");
        postgres_queue_forget(queue, end);
    }
    int64_t position = after > NOTHING_YET ? after : NOTHING_YET;
    *cycle = (struct change_cycle){.position = queue->last != NULL ? (int64_t)queue->last->end : position,
                                   .schema_changed = !recorded->told};
    recorded->told = true;
    if (token != NULL)
        *token = 0;
    return postgres_decoder_begin(&recorded->decoder, queue->first, queue->last, (uint64_t)position, (uint64_t)after,
                                  error);
}

static rhei_status next(struct change_source *source, size_t max_rows, const struct change_batch **batches,
                        size_t *count, struct rhei_error *error)
{
    return postgres_decoder_next(&self(source)->decoder, max_rows, batches, count, error);
}

static void end(struct change_source *source)
{
    (void)source;
}

static rhei_status tables(struct change_source *source, const struct source_table **list, size_t *count,
                          struct rhei_error *error)
{
    (void)error;
    *list = &self(source)->recording->catalog->tables[0].definition;
    *count = 1;
    return RHEI_OK;
}

struct source_load {
    int nothing;
};

/* The table was empty. */
static rhei_status load_begin(struct change_source *source, uint32_t table, uint32_t loaders, struct source_load **load,
                              struct source_load_info *info, struct rhei_error *error)
{
    (void)source;
    (void)table;
    (void)loaders;
    *load = base_alloc_zero(1, sizeof **load);
    info->position = NOTHING_YET;
    info->loader_count = 1;
    return *load == NULL ? error_no_memory(error) : RHEI_OK;
}

static rhei_status load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                             const struct change_batch **batch, struct rhei_error *error)
{
    (void)load;
    (void)loader;
    (void)max_rows;
    (void)error;
    *batch = NULL;
    return RHEI_OK;
}

static void load_end(struct source_load **load)
{
    base_free(*load);
    *load = NULL;
}

static rhei_status prune(struct change_source *source, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    (void)source;
    (void)position;
    (void)error;
    *pruned = 0;
    return RHEI_OK;
}

static bool keeps_history(void *context, const char *table)
{
    (void)table;
    return *(const bool *)context;
}

/* ---- Figures. ---------------------------------------------------------------------------------------------------- */

/* Of all threads: what a busy machine changes least. */
static int64_t cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

enum { TAKE_INSERTS, APPLY_INSERTS, TAKE_UPDATES, APPLY_UPDATES, STEPS };

struct times {
    int64_t wall[STEPS][RUNS], cpu[STEPS][RUNS];
};

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void run(const struct recording *recording, bool history, int number, struct times *times)
{
    static const struct change_source_ops ops = {.name = "recorded",
                                                 .may_have_changes = may_have_changes,
                                                 .begin = begin,
                                                 .next = next,
                                                 .end = end,
                                                 .tables = tables,
                                                 .load_begin = load_begin,
                                                 .load_next = load_next,
                                                 .load_end = load_end,
                                                 .prune = prune};
    struct recorded recorded = {.base.ops = &ops, .recording = recording};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct sync_report report = {0};
    struct mirror *mirror = NULL;
    struct sync *sync = NULL;
    postgres_queue_init(&recorded.queue, QUEUE_BYTES, NULL);
    must(postgres_decoder_use(&recorded.decoder, recording->catalog, &error), &error, "the catalogue");
    must(mirror_open(&(struct mirror_config){0}, &mirror, &error), &error, "mirror_open");
    struct sync_config config = {.mirror = mirror,
                                 .source = &recorded.base,
                                 .keeps_history = keeps_history,
                                 .history_context = &history,
                                 .batch_rows = 65536,
                                 .build_on_demand = true};
    must(sync_open(&config, &sync, &error), &error, "sync_open");
    must(sync_build(sync, true, 0, NULL, &error), &error, "sync_build");
    for (int step = 0; step < STEPS; step++) {
        int64_t wall = base_now_ns(), cpu = cpu_ns();
        if (step == TAKE_INSERTS || step == TAKE_UPDATES)
            take_in(&recorded);
        else
            must(sync_cycle(sync, &report, &error), &error, "sync_cycle");
        times->wall[step][number] = base_now_ns() - wall;
        times->cpu[step][number] = cpu_ns() - cpu;
        if ((step == APPLY_INSERTS && report.inserted != ROWS) || (step == APPLY_UPDATES && report.updated != ROWS)) {
            fprintf(stderr, "bench_source_postgres: not all changes were applied\n");
            exit(1);
        }
    }
    sync_close(&sync);
    mirror_close(&mirror);
    postgres_decoder_reset(&recorded.decoder);
    postgres_queue_reset(&recorded.queue);
}

/* A change is taken in, decoded and applied. */
static void report_rate(const char *name, struct times *times, int take, const char *target)
{
    int64_t wall[RUNS], cpu[RUNS], queue[RUNS];
    for (int r = 0; r < RUNS; r++) {
        wall[r] = times->wall[take][r] + times->wall[take + 1][r];
        cpu[r] = times->cpu[take][r] + times->cpu[take + 1][r];
        queue[r] = times->cpu[take][r];
    }
    qsort(wall, RUNS, sizeof *wall, compare_times);
    qsort(cpu, RUNS, sizeof *cpu, compare_times);
    qsort(queue, RUNS, sizeof *queue, compare_times);
    printf("%-46s %5.0f k/s, by CPU time %5.0f k/s (%2.0f %% of it to take it in)   %s\n", name,
           ROWS * 1e6 / (double)wall[RUNS / 2], ROWS * 1e6 / (double)cpu[RUNS / 2],
           100 * (double)queue[RUNS / 2] / (double)cpu[RUNS / 2], target);
}

int main(void)
{
    static struct times times;
    struct recording recording = make_recording();
    printf("1 M inserts and 1 M updates of one transaction each, %.0f bytes a change\n",
           (double)recording.len / (2.0 * ROWS));
    for (int history = 1; history >= 0; history--) {
        for (int r = 0; r < RUNS; r++)
            run(&recording, history == 1, r, &times);
        report_rate(history ? "updates applied, with a history" : "updates applied, without one", &times, TAKE_UPDATES,
                    history ? "target 500" : "");
        report_rate(history ? "inserts applied, with a history" : "inserts applied, without one", &times, TAKE_INSERTS,
                    "");
    }
    postgres_catalog_free(&recording.catalog);
    free(recording.bytes);
    return 0;
}
