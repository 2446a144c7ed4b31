/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column store alone: cycles of changes that lie in memory already, snapshots, builds, memory. One JSON line per
 * figure. Table: id (key), customer (text <= 12 bytes), amount (REAL), status (text), ts (integer).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "mirror/mirror.h"

enum { COLUMNS = 5, ROWS = 1000000, CUSTOMERS = 10007, LOAD_ROWS = 4096 };

static char customers[CUSTOMERS][16];

static const struct source_column columns[COLUMNS] = {
    {.name = "id", .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER},
    {.name = "customer", .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT},
    {.name = "amount", .declared_type = "REAL", .collation = "BINARY", .affinity = AFFINITY_REAL},
    {.name = "status", .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT},
    {.name = "ts", .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER},
};

struct rows {
    struct rhei_value *value[COLUMNS];
    const struct rhei_value *borrowed[COLUMNS];
    uint8_t *op;
    struct change_batch batch;
};

static void rows_new(struct rows *rows, size_t capacity)
{
    for (uint32_t c = 0; c < COLUMNS; c++)
        rows->borrowed[c] = rows->value[c] = calloc(capacity, sizeof *rows->value[c]);
    rows->op = malloc(capacity);
    memset(rows->op, CHANGE_UPSERT, capacity);
    rows->batch = (struct change_batch){
        .table = 1, .column_count = COLUMNS, .row_count = capacity, .op = rows->op, .columns = rows->borrowed};
}

static void rows_free(struct rows *rows)
{
    for (uint32_t c = 0; c < COLUMNS; c++)
        free(rows->value[c]);
    free(rows->op);
}

static void set_text(struct rhei_value *value, const char *text)
{
    *value = (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

static void row_set(struct rows *rows, size_t at, int64_t id)
{
    static const char *const status[] = {"open", "paid", "shipped"};
    rows->value[0][at] = (struct rhei_value){.as.integer = id, .type = RHEI_INTEGER};
    set_text(&rows->value[1][at], customers[id * 31 % CUSTOMERS]);
    rows->value[2][at] = (struct rhei_value){.as.real = (double)(id * 7919 % 100000) / 100, .type = RHEI_REAL};
    set_text(&rows->value[3][at], status[id % 3]);
    rows->value[4][at] = (struct rhei_value){.as.integer = 1700000000 + id, .type = RHEI_INTEGER};
}

static uint64_t random_state = 42;
static int64_t random_below(int64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)limit);
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *figure, const char *unit, double value)
{
    printf("{\"bench\": \"mirror\", \"figure\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", figure, value, unit);
}

static double middle(int64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
    return (double)times[count / 2];
}

static const uint32_t key_integer[] = {0}, key_text[] = {1, 4};

static struct source_table definition(bool text_key)
{
    return (struct source_table){.id = 1,
                                 .name = "orders",
                                 .column_count = COLUMNS,
                                 .columns = columns,
                                 .key_count = text_key ? 2 : 1,
                                 .key_columns = text_key ? key_text : key_integer,
                                 .key_is_integer = !text_key,
                                 .estimated_rows = ROWS};
}

struct loader {
    struct mirror_build *build;
    uint32_t number;
    int64_t first, end;
    struct rows rows; /* generated beforehand: only the mirror is measured */
};

static void load(void *argument)
{
    struct loader *loader = argument;
    struct change_batch part = loader->rows.batch;
    const struct rhei_value *at[COLUMNS];
    part.op = NULL;
    part.columns = at;
    size_t total = loader->rows.batch.row_count;
    for (size_t first = 0; first < total; first += LOAD_ROWS) {
        for (uint32_t c = 0; c < COLUMNS; c++)
            at[c] = loader->rows.value[c] + first;
        part.row_count = total - first < LOAD_ROWS ? total - first : LOAD_ROWS;
        if (mirror_build_append(loader->build, loader->number, &part, NULL) != RHEI_OK)
            fprintf(stderr, "a load failed\n");
    }
}

static struct mirror *build(uint32_t threads, int64_t rows, bool text_key, double *seconds)
{
    struct mirror *mirror = NULL;
    struct mirror_build *building = NULL;
    struct source_table table = definition(text_key);
    struct loader *loaders = calloc(threads, sizeof *loaders);
    base_thread *thread = calloc(threads, sizeof *thread);
    (void)mirror_open(NULL, &mirror, NULL);
    for (uint32_t t = 0; t < threads; t++) {
        int64_t first = rows * t / threads, end = rows * (t + 1) / threads;
        rows_new(&loaders[t].rows, (size_t)(end - first));
        for (int64_t i = first; i < end; i++)
            row_set(&loaders[t].rows, (size_t)(i - first), i);
    }
    int64_t start = base_now_ns();
    (void)mirror_build_begin(mirror, &table, threads, &building, NULL);
    for (uint32_t t = 0; t < threads; t++) {
        loaders[t].build = building;
        loaders[t].number = t;
        (void)base_thread_start(&thread[t], "load", load, &loaders[t], NULL);
    }
    for (uint32_t t = 0; t < threads; t++)
        base_thread_join(&thread[t]);
    (void)mirror_build_attach(&building, NULL);
    (void)mirror_publish(mirror, 1, NULL);
    *seconds = (double)(base_now_ns() - start) / 1e9;
    for (uint32_t t = 0; t < threads; t++)
        rows_free(&loaders[t].rows);
    free(loaders);
    free(thread);
    return mirror;
}

static void cycles(struct mirror *mirror, bool updates, const char *figure)
{
    enum { ROUNDS = 20000, PER_CYCLE = 10 };
    struct rows rows;
    static int64_t times[ROUNDS];
    static int64_t next = 2 * ROWS;
    rows_new(&rows, PER_CYCLE);
    for (int r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < PER_CYCLE; i++)
            row_set(&rows, i, updates ? random_below(ROWS) : next++);
        int64_t start = base_now_ns();
        (void)mirror_apply(mirror, &rows.batch, NULL, NULL);
        (void)mirror_publish(mirror, r, NULL);
        times[r] = base_now_ns() - start;
    }
    report(figure, "us", middle(times, ROUNDS) / 1000);
    rows_free(&rows);
}

/* A million inserts into an empty table; the median cycle. The batch is warm, as it is when it was decoded just now. */
static void inserts(bool text_key, size_t per_cycle, const char *figure)
{
    struct rows rows;
    double ignored;
    size_t count = ROWS / per_cycle;
    int64_t *times = calloc(count, sizeof *times);
    struct mirror *mirror = build(1, 0, text_key, &ignored);
    rows_new(&rows, per_cycle);
    for (size_t cycle = 0; cycle < count; cycle++) {
        for (size_t i = 0; i < per_cycle; i++)
            row_set(&rows, i, (int64_t)(cycle * per_cycle + i));
        int64_t start = base_now_ns();
        (void)mirror_apply(mirror, &rows.batch, NULL, NULL);
        (void)mirror_publish(mirror, (int64_t)cycle, NULL);
        times[cycle] = base_now_ns() - start;
    }
    report(figure, "ns", middle(times, count) / (double)per_cycle);
    mirror_close(&mirror);
    rows_free(&rows);
    free(times);
}

/* 100 k random changes, 90 % updates and 10 % deletions, in batches of 1,000 of one cycle; the median batch of 5 cycles. */
static void mixed(bool text_key, const char *figure)
{
    enum { CYCLES = 5, BATCHES = 100, PER_BATCH = 1000 };
    static int64_t times[CYCLES * BATCHES];
    struct rows rows;
    double ignored;
    struct mirror *mirror = build(1, ROWS, text_key, &ignored);
    rows_new(&rows, PER_BATCH);
    for (size_t batch = 0; batch < CYCLES * BATCHES; batch++) {
        for (size_t i = 0; i < PER_BATCH; i++) {
            row_set(&rows, i, random_below(ROWS));
            rows.op[i] = i % 10 == 0 ? CHANGE_DELETE : CHANGE_UPSERT;
        }
        int64_t start = base_now_ns();
        (void)mirror_apply(mirror, &rows.batch, NULL, NULL);
        times[batch] = base_now_ns() - start;
        if (batch % BATCHES == BATCHES - 1)
            (void)mirror_publish(mirror, 2, NULL);
    }
    report(figure, "ns", middle(times, CYCLES * BATCHES) / PER_BATCH);
    mirror_close(&mirror);
    rows_free(&rows);
}

static void snapshots(struct mirror *mirror)
{
    enum { ROUNDS = 2000, TAKES = 1000 };
    static int64_t times[ROUNDS];
    struct mirror_snapshot snapshot;
    for (size_t r = 0; r < ROUNDS; r++) {
        int64_t start = base_now_ns();
        for (int i = 0; i < TAKES; i++) {
            (void)mirror_snapshot_take(mirror, &snapshot);
            mirror_snapshot_release(&snapshot);
        }
        times[r] = base_now_ns() - start;
    }
    report("snapshot take and release, p50", "ns", middle(times, ROUNDS) / TAKES);
}

static void compaction(struct mirror *mirror)
{
    struct mirror_compaction *work;
    int64_t prepared = 0, swapped = 0, start;
    int count = 0;
    for (;;) {
        start = base_now_ns();
        (void)mirror_compact_prepare(mirror, &work, NULL);
        if (work == NULL)
            break;
        prepared += base_now_ns() - start;
        start = base_now_ns();
        (void)mirror_compact_swap(mirror, &work, NULL);
        (void)mirror_publish(mirror, 3, NULL);
        swapped += base_now_ns() - start;
        count++;
    }
    if (count == 0)
        return;
    report("compaction, copy of a segment", "ms", (double)prepared / count / 1e6);
    report("compaction, swap and publish", "us", (double)swapped / count / 1e3);
}

static void export_all(struct mirror *mirror, bool views, const char *figure)
{
    static const uint32_t all[] = {0, 1, 2, 3, 4};
    struct mirror_snapshot snapshot;
    struct ArrowArrayStream stream;
    struct mirror_export_options options = {.strings_view = views};
    int64_t rows = 0, best = INT64_MAX;
    (void)mirror_snapshot_take(mirror, &snapshot);
    for (int round = 0; round < 9; round++) {
        int64_t start = base_now_ns();
        (void)mirror_export(mirror, &snapshot, 1, all, NULL, COLUMNS, &options, &stream, NULL);
        struct ArrowArray array;
        for (rows = 0; stream.get_next(&stream, &array) == 0 && array.release != NULL; array.release(&array))
            rows += array.length;
        stream.release(&stream);
        int64_t took = base_now_ns() - start;
        best = took < best ? took : best;
    }
    mirror_snapshot_release(&snapshot);
    report(figure, "ns/row", (double)best / (double)rows);
}

static double build_rate(uint32_t threads)
{
    double seconds, best = 0;
    for (int round = 0; round < 5; round++) {
        struct mirror *mirror = build(threads, ROWS, false, &seconds);
        mirror_close(&mirror);
        best = ROWS / seconds / 1e6 > best ? ROWS / seconds / 1e6 : best;
    }
    return best;
}

static void whole_table(bool text_key, const char *kind)
{
    double seconds;
    char figure[96];
    struct mirror_status status;
    struct mirror *mirror = build(1, ROWS, text_key, &seconds);
    mirror_status(mirror, &status);
    (void)snprintf(figure, sizeof figure, "memory per row / 56%s", kind);
    report(figure, "ratio", (double)status.memory_bytes / ROWS / 56);
    (void)snprintf(figure, sizeof figure, "index per row%s", kind);
    report(figure, "bytes", (double)status.index_bytes / ROWS);
    if (!text_key) {
        export_all(mirror, false, "export to Arrow, utf8");
        export_all(mirror, true, "export to Arrow, utf8view");
        snapshots(mirror);
    }
    (void)snprintf(figure, sizeof figure, "cycle of 10 inserts%s, p50", kind);
    cycles(mirror, false, figure);
    (void)snprintf(figure, sizeof figure, "cycle of 10 random updates%s, p50", kind);
    cycles(mirror, true, figure);
    if (!text_key)
        compaction(mirror);
    mirror_close(&mirror);
}

/* Without an argument all of it; else the part named: build, table, insert, mixed. */
int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    bool all = *part == '\0';
    const char *text = ", text and integer key";
    for (uint32_t i = 0; i < CUSTOMERS; i++)
        (void)snprintf(customers[i], sizeof customers[i], "cust%u", i);
    if (all || strcmp(part, "build") == 0) {
        report("build, 1 thread", "M rows/s", build_rate(1));
        report("build, 2 threads", "M rows/s", build_rate(2));
    }
    if (all || strcmp(part, "table") == 0) {
        whole_table(false, "");
        whole_table(true, text);
    }
    if (all || strcmp(part, "insert") == 0) {
        inserts(false, 1000, "insert, cycles of 1,000, p50");
        inserts(true, 1000, "insert, cycles of 1,000, p50, text and integer key");
    }
    if (all || strcmp(part, "mixed") == 0) {
        mixed(false, "mixed change, 100 k over 1 M rows, p50");
        mixed(true, "mixed change, 100 k over 1 M rows, p50, text and integer key");
    }
    return 0;
}
