/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments through both codecs: bytes of the files, rows a second into them and out of them again. One JSON line per figure. Table: id (key),
 * customer (text <= 12 bytes), amount (REAL), status (text), ts (integer), note (text of 30 to 60 bytes).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "codec_arrow/codec_arrow.h"
#include "codec_vortex/codec_vortex.h"
#include "mirror/mirror_image.h"

enum { COLUMNS = 6, ROWS = 1000000, CUSTOMERS = 10007, ROUNDS = 3 };

static char customers[CUSTOMERS][16];
static char note[80];

static const struct source_column columns[COLUMNS] = {
    {.name = "id", .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER},
    {.name = "customer", .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT},
    {.name = "amount", .declared_type = "REAL", .collation = "BINARY", .affinity = AFFINITY_REAL},
    {.name = "status", .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT},
    {.name = "ts", .declared_type = "INTEGER", .collation = "BINARY", .affinity = AFFINITY_INTEGER},
    {.name = "note", .declared_type = "TEXT", .collation = "BINARY", .affinity = AFFINITY_TEXT},
};

static struct rhei_error failure = RHEI_ERROR_INIT;

static void must(rhei_status status, const char *what)
{
    if (status == RHEI_OK)
        return;
    (void)fprintf(stderr, "bench_codec_vortex: %s: %s\n", what, failure.message);
    exit(1);
}

static struct rhei_value text_of(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

static void row_of(int64_t id, struct rhei_value *row)
{
    static const char *const status[] = {"open", "paid", "shipped"};
    static const char *const words[] = {"left at the door", "call before noon", "gift wrapping, no bill inside",
                                        "second attempt"};
    (void)snprintf(note, sizeof note, "order %" PRId64 ": %s, room %" PRId64, id * 7919 % 1000003, words[id * 31 % 4],
                   id % 97);
    row[0] = (struct rhei_value){.as.integer = id, .type = RHEI_INTEGER};
    row[1] = text_of(customers[id * 31 % CUSTOMERS]);
    row[2] = (struct rhei_value){.as.real = (double)(id * 7919 % 100000) / 100, .type = RHEI_REAL};
    row[3] = text_of(status[id % 3]);
    row[4] = (struct rhei_value){.as.integer = 1700000000 + id, .type = RHEI_INTEGER};
    row[5] = text_of(note);
}

static void fill(struct mirror_build *build)
{
    struct rhei_value row[COLUMNS];
    const struct rhei_value *pointers[COLUMNS];
    struct change_batch batch = {.table = 1, .column_count = COLUMNS, .row_count = 1, .columns = pointers};
    for (int64_t id = 0; id < ROWS; id++) {
        row_of(id, row);
        for (uint32_t c = 0; c < COLUMNS; c++)
            pointers[c] = &row[c];
        must(mirror_build_append(build, 0, &batch, &failure), "append");
    }
}

struct file {
    char *bytes;
    size_t len;
};

static rhei_status get(void *context, uint64_t offset, void *bytes, size_t len, struct rhei_error *error)
{
    const struct file *file = context;
    (void)error;
    memcpy(bytes, file->bytes + offset, len);
    return RHEI_OK;
}

/* As a cold read does it: the directory by its end, then column by column. */
static void read_columns(const struct segment_codec *codec, struct file *file, uint32_t first, uint32_t count)
{
    struct segment_image image;
    const struct segment_bytes bytes = {get, file};
    size_t wanted;
    must(codec->open_tail(file->bytes, file->len, file->len, &image, &wanted, &failure), "open");
    for (uint32_t c = first; c < first + count; c++) {
        struct segment_buffer *buffer;
        void *chain = NULL;
        for (uint32_t i = 0; (buffer = segment_buffer_at(&image.columns[c], i)) != NULL; i++) {
            if (buffer->len == 0)
                continue;
            buffer->bytes = base_chain_alloc(&chain, 1, buffer->len);
            if (image.packing == NULL)
                (void)get(file, buffer->offset, (void *)(uintptr_t)buffer->bytes, buffer->len, NULL);
        }
        if (image.packing != NULL)
            must(codec->unpack(image.packing, &bytes, c, &image.columns[c], &failure), "unpack");
        base_chain_free(&chain);
    }
    image.release(&image);
}

static void report(const char *codec, const char *what, double value, const char *unit)
{
    printf("{\"codec\": \"%s\", \"figure\": \"%s\", \"value\": %.1f, \"unit\": \"%s\"}\n", codec, what, value, unit);
}

static double rate(int64_t nanoseconds)
{
    return (double)ROWS * 1e9 / (double)nanoseconds / 1e6;
}

static void measure(const struct segment_codec *codec, const struct mirror_table_view *view)
{
    uint32_t count = mirror_view_segment_count(view);
    struct file *files = calloc(count, sizeof *files);
    int64_t encoded = INT64_MAX, decoded = INT64_MAX, numbers = INT64_MAX;
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t spent = 0;
        for (uint32_t s = 0; s < count; s++) {
            struct segment_image image;
            base_free(files[s].bytes);
            must(mirror_segment_image(view, s, &image, &failure), "image");
            image.mark = s + 1;
            int64_t began = base_now_ns();
            must(codec->encode(&image, (void **)&files[s].bytes, &files[s].len, &failure), "encode");
            spent += base_now_ns() - began;
            image.release(&image);
        }
        encoded = spent < encoded ? spent : encoded;
        int64_t began = base_now_ns();
        for (uint32_t s = 0; s < count; s++)
            read_columns(codec, &files[s], 0, COLUMNS);
        spent = base_now_ns() - began;
        decoded = spent < decoded ? spent : decoded;
        began = base_now_ns();
        for (uint32_t s = 0; s < count; s++)
            read_columns(codec, &files[s], 2, 1);
        spent = base_now_ns() - began;
        numbers = spent < numbers ? spent : numbers;
    }
    for (uint32_t s = 0; s < count; s++) {
        bytes += files[s].len;
        base_free(files[s].bytes);
    }
    free(files);
    report(codec->name, "bytes a row", (double)bytes / ROWS, "B");
    report(codec->name, "encode", rate(encoded), "M rows/s");
    report(codec->name, "read all columns", rate(decoded), "M rows/s");
    report(codec->name, "read one column of REALs", rate(numbers), "M rows/s");
}

int main(void)
{
    static const uint32_t key = 0;
    struct mirror *mirror;
    struct mirror_build *build;
    struct mirror_snapshot snapshot;
    const struct segment_codec *vortex;
    struct source_table table = {.id = 1,
                                 .name = "orders",
                                 .column_count = COLUMNS,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .key_is_integer = true,
                                 .estimated_rows = -1};
    for (int i = 0; i < CUSTOMERS; i++)
        (void)snprintf(customers[i], sizeof customers[i], "customer%d", i);
    must(mirror_open(NULL, &mirror, &failure), "mirror");
    must(mirror_build_begin(mirror, &table, 1, &build, &failure), "build");
    fill(build);
    must(mirror_build_attach(&build, &failure), "attach");
    must(mirror_publish(mirror, 1, &failure), "publish");
    must(mirror_snapshot_take(mirror, &snapshot), "snapshot");
    measure(&codec_arrow, mirror_view(&snapshot, 1));
    must(codec_vortex_load(&vortex, &failure), "load");
    measure(vortex, mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
    mirror_close(&mirror);
    return 0;
}
