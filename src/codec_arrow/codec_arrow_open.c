/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening looks at the directory alone: what Arrow's own headers say is for other readers. The directory's checksum is checked before a
 * word of it is used, and each word is bounded, for a checksum tells damage but not malice.
 */
#include <string.h>

#include "arrow/arrow_ipc_raw.h"
#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "codec_arrow_internal.h"

struct owned { /* in front of each allocation of an image */
    struct owned *next;
    uint64_t padding;
};

struct reader {
    const char *bytes;
    const char *at, *end; /* the directory */
    size_t buffers_end;   /* offset behind the last buffer at most */
    struct segment_image *image;
    bool wrong, no_memory;
};

static void image_release(struct segment_image *image)
{
    while (image->owner != NULL) {
        struct owned *memory = image->owner;
        image->owner = memory->next;
        base_free(memory);
    }
    memset(image, 0, sizeof *image);
}

static void *own(struct reader *reader, size_t count, size_t size)
{
    struct owned *memory = base_alloc_zero(1, sizeof *memory + count * size);
    if (memory == NULL) {
        reader->no_memory = true;
        return NULL;
    }
    memory->next = reader->image->owner;
    reader->image->owner = memory;
    return memory + 1;
}

static uint64_t get_word(struct reader *reader)
{
    uint64_t word = 0;
    if (reader->end - reader->at < (ptrdiff_t)sizeof word) {
        reader->wrong = true;
        return 0;
    }
    memcpy(&word, reader->at, sizeof word);
    reader->at += sizeof word;
    return word;
}

/* A number of at most `most`. */
static uint32_t get_number(struct reader *reader, uint64_t word, uint32_t most)
{
    reader->wrong |= word > most;
    return reader->wrong ? 0 : (uint32_t)word;
}

static bool get_buffer(void *context, struct segment_buffer *buffer)
{
    struct reader *reader = context;
    uint64_t offset = get_word(reader), len = get_word(reader);
    buffer->checksum = get_word(reader);
    if (reader->wrong || offset % 8 != 0 || offset > reader->buffers_end || len > reader->buffers_end - offset) {
        reader->wrong = true;
        return false;
    }
    buffer->bytes = len == 0 ? NULL : reader->bytes + offset;
    buffer->len = (size_t)len;
    return true;
}

static void get_heaps(struct reader *reader, struct segment_heaps *heaps, uint64_t count)
{
    heaps->count = get_number(reader, count, SEGMENT_MOST_HEAPS);
    heaps->buffers = own(reader, heaps->count, sizeof *heaps->buffers);
}

static void get_column(struct reader *reader, struct segment_column *column)
{
    uint32_t vectors = segment_vectors(reader->image->rows);
    uint64_t kind = get_word(reader);
    column->layout = (uint8_t)get_number(reader, kind & UINT32_MAX, SEGMENT_MIXED);
    column->flags = (uint32_t)(kind >> 32);
    for (uint32_t i = 0; i < 5; i++)
        column->counts[i] = get_number(reader, get_word(reader), SEGMENT_MOST_ROWS);
    uint64_t heaps = get_word(reader);
    get_heaps(reader, &column->texts, heaps & UINT32_MAX);
    get_heaps(reader, &column->blobs, heaps >> 32);
    column->zones = own(reader, vectors, sizeof *column->zones);
    if (reader->no_memory)
        return;
    for (uint32_t v = 0; v < vectors; v++) {
        column->zones[v].low = (int64_t)get_word(reader);
        column->zones[v].high = (int64_t)get_word(reader);
    }
    (void)codec_arrow_visit(column, get_buffer, reader);
}

/* The words of the directory, when their number and checksum are right. */
static bool find_directory(struct reader *reader, size_t len)
{
    size_t end = arrow_ipc_raw_extra_end(reader->bytes, len);
    uint64_t words, sum;
    if (end < DIRECTORY_WORDS * sizeof(uint64_t))
        return false;
    memcpy(&words, reader->bytes + end - sizeof words, sizeof words);
    memcpy(&sum, reader->bytes + end - 2 * sizeof words, sizeof sum);
    if (words > (end - 2 * sizeof words) / sizeof words)
        return false;
    reader->end = reader->bytes + end - 2 * sizeof words;
    reader->at = reader->end - words * sizeof words;
    reader->buffers_end = (size_t)(reader->at - reader->bytes);
    return base_checksum(reader->at, (size_t)(reader->end - reader->at)) == sum;
}

rhei_status codec_arrow_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    struct reader reader = {.bytes = bytes, .image = image};
    memset(image, 0, sizeof *image);
    if (!find_directory(&reader, len))
        return error_set(error, RHEI_IO, "these %zu bytes are not a segment's Arrow file, or they are damaged", len);
    image->release = image_release;
    reader.wrong = get_word(&reader) != directory_word;
    image->rows = get_number(&reader, get_word(&reader), SEGMENT_MOST_ROWS);
    image->column_count = get_number(&reader, get_word(&reader), SEGMENT_MOST_COLUMNS);
    image->columns = own(&reader, image->column_count, sizeof *image->columns);
    for (uint32_t c = 0; c < image->column_count && !reader.wrong && !reader.no_memory; c++)
        get_column(&reader, &image->columns[c]);
    if (!reader.no_memory && !reader.wrong && reader.at == reader.end)
        return RHEI_OK;
    image_release(image);
    return reader.no_memory ? error_no_memory(error)
                            : error_set(error, RHEI_IO, "a segment's Arrow file has a directory that can't be read");
}
