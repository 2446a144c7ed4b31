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
#include "base/base_words.h"
#include "codec_arrow_internal.h"

struct reader {
    const char *bytes;    /* of the file; NULL: they aren't in memory */
    const char *at, *end; /* the directory */
    uint64_t buffers_end; /* offset behind the last buffer at most */
    uint64_t sum;         /* of the directory */
    struct segment_image *image;
    bool wrong, no_memory;
};

static void image_release(struct segment_image *image)
{
    base_chain_free(&image->owner);
    memset(image, 0, sizeof *image);
}

static void *own(struct reader *reader, size_t count, size_t size)
{
    void *memory = base_chain_alloc(&reader->image->owner, count, size);
    reader->no_memory |= memory == NULL;
    return memory;
}

static uint64_t get_word(struct reader *reader)
{
    return base_words_take(&reader->at, reader->end, &reader->wrong);
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
    buffer->bytes = len == 0 || reader->bytes == NULL ? NULL : reader->bytes + offset;
    buffer->offset = offset;
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

/*
 * The words of the directory, when their number and checksum are right: `len` bytes that end at `end` of the file, where the directory does.
 * *wanted: so many words are there, by their number, if these bytes are too few for them.
 */
static bool find_directory(struct reader *reader, const char *bytes, size_t len, uint64_t end, uint64_t *wanted)
{
    uint64_t words, sum;
    *wanted = 0;
    if (end < DIRECTORY_WORDS * sizeof(uint64_t))
        return false;
    if (len < 2 * sizeof words) {
        *wanted = DIRECTORY_WORDS;
        return false;
    }
    memcpy(&words, bytes + len - sizeof words, sizeof words);
    memcpy(&sum, bytes + len - 2 * sizeof words, sizeof sum);
    if (words > (end - 2 * sizeof words) / sizeof words)
        return false;
    if (words > (len - 2 * sizeof words) / sizeof words) {
        *wanted = words + 2;
        return false;
    }
    reader->end = bytes + len - 2 * sizeof words;
    reader->at = reader->end - words * sizeof words;
    reader->buffers_end = end - (words + 2) * sizeof words;
    reader->sum = sum;
    return base_checksum(reader->at, (size_t)(reader->end - reader->at)) == sum;
}

static rhei_status not_one(uint64_t len, struct rhei_error *error)
{
    return error_set(error, RHEI_IO, "these %llu bytes are not a segment's Arrow file, or they are damaged",
                     (unsigned long long)len);
}

static rhei_status read_directory(struct reader *reader, struct rhei_error *error)
{
    struct segment_image *image = reader->image;
    image->release = image_release;
    image->sum = reader->sum;
    reader->wrong = get_word(reader) != directory_word;
    uint64_t rows = get_word(reader);
    image->rows = get_number(reader, rows & UINT32_MAX, SEGMENT_MOST_ROWS);
    image->mark = (uint32_t)(rows >> 32);
    image->column_count = get_number(reader, get_word(reader), SEGMENT_MOST_COLUMNS);
    image->columns = own(reader, image->column_count, sizeof *image->columns);
    for (uint32_t c = 0; c < image->column_count && !reader->wrong && !reader->no_memory; c++)
        get_column(reader, &image->columns[c]);
    if (!reader->no_memory && !reader->wrong && reader->at == reader->end)
        return RHEI_OK;
    image_release(image);
    return reader->no_memory ? error_no_memory(error)
                             : error_set(error, RHEI_IO, "a segment's Arrow file has a directory that can't be read");
}

/* The word in front of the last one, which every buffer's checksum is below. */
uint64_t codec_arrow_sum(const void *bytes, size_t len)
{
    uint64_t sum = 0;
    size_t end = arrow_ipc_raw_extra_end(bytes, len);
    if (end >= DIRECTORY_WORDS * sizeof sum)
        memcpy(&sum, (const char *)bytes + end - 2 * sizeof sum, sizeof sum);
    return sum;
}

rhei_status codec_arrow_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    struct reader reader = {.bytes = bytes, .image = image};
    size_t end = arrow_ipc_raw_extra_end(bytes, len);
    uint64_t wanted;
    memset(image, 0, sizeof *image);
    if (!find_directory(&reader, bytes, end, end, &wanted))
        return not_one(len, error);
    return read_directory(&reader, error);
}

rhei_status codec_arrow_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                  size_t *wanted, struct rhei_error *error)
{
    struct reader reader = {.image = image};
    uint64_t words = 0, footer = arrow_ipc_raw_footer(tail, len, size);
    memset(image, 0, sizeof *image);
    *wanted = 0;
    if (footer == 0 || len > size)
        return not_one(size, error);
    if (find_directory(&reader, tail, footer < len ? (size_t)(len - footer) : 0, size - footer, &words))
        return read_directory(&reader, error);
    uint64_t least = footer + words * sizeof words;
    if (words == 0 || least <= len || least > size)
        return not_one(size, error);
    *wanted = (size_t)least;
    return RHEI_OK;
}
