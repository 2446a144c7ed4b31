/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_directory.h"

#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"

enum { CLASSES = 5 };

/* ---- The order of buffers. ----------------------------------------------------------------------------------------- */

struct walk {
    bool (*visit)(void *context, struct segment_buffer *buffer);
    void *context;
};

static bool visit_part(const struct walk *walk, struct segment_column *column, enum segment_part part)
{
    return walk->visit(walk->context, &column->part[part]);
}

static bool visit_strings(const struct walk *walk, struct segment_column *column, enum segment_part part,
                          const struct segment_heaps *heaps)
{
    bool good = visit_part(walk, column, part);
    for (uint32_t h = 0; good && h < heaps->count; h++)
        good = walk->visit(walk->context, &heaps->buffers[h]);
    return good;
}

bool codec_visit(struct segment_column *column, bool (*visit)(void *context, struct segment_buffer *buffer),
                 void *context)
{
    const struct walk walk = {visit, context};
    switch (column->layout) {
    case SEGMENT_EMPTY:
        return true;
    case SEGMENT_INTEGER:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_part(&walk, column, SEGMENT_INTEGERS);
    case SEGMENT_REAL:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_part(&walk, column, SEGMENT_REALS);
    case SEGMENT_TEXT:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_strings(&walk, column, SEGMENT_TEXTS, &column->texts);
    case SEGMENT_BLOB:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_strings(&walk, column, SEGMENT_BLOBS, &column->blobs);
    default:
        return visit_part(&walk, column, SEGMENT_CLASSES) && visit_part(&walk, column, SEGMENT_PLACES) &&
               visit_part(&walk, column, SEGMENT_INTEGERS) && visit_part(&walk, column, SEGMENT_REALS) &&
               visit_strings(&walk, column, SEGMENT_TEXTS, &column->texts) &&
               visit_strings(&walk, column, SEGMENT_BLOBS, &column->blobs);
    }
}

/* ---- Writing. ------------------------------------------------------------------------------------------------------ */

struct putting {
    const struct codec_directory_writer *writer;
    struct base_buffer *out;
};

static bool put_buffer(void *context, struct segment_buffer *buffer)
{
    const struct putting *putting = context;
    putting->writer->put_buffer(putting->writer->context, putting->out, buffer);
    return true;
}

rhei_status codec_directory_put(const struct codec_directory_writer *writer, const struct segment_image *image,
                                struct base_buffer *out, struct rhei_error *error)
{
    struct putting putting = {writer, out};
    size_t start = out->len;
    base_words_put(out, writer->word);
    base_words_put(out, image->rows | (uint64_t)image->mark << 32);
    base_words_put(out, image->column_count);
    for (uint32_t c = 0; c < image->column_count; c++) {
        struct segment_column *column = &image->columns[c];
        base_words_put(out, column->layout | (uint64_t)column->flags << 32);
        for (uint32_t i = 0; i < CLASSES; i++)
            base_words_put(out, column->counts[i]);
        base_words_put(out, column->texts.count | (uint64_t)column->blobs.count << 32);
        for (uint32_t v = 0; v < segment_vectors(image->rows); v++) {
            base_words_put(out, (uint64_t)column->zones[v].low);
            base_words_put(out, (uint64_t)column->zones[v].high);
        }
        (void)codec_visit(column, put_buffer, &putting);
    }
    if (writer->put_more != NULL)
        writer->put_more(writer->context, out);
    if (out->failed)
        return error_no_memory(error);
    uint64_t words = (out->len - start) / sizeof(uint64_t);
    base_words_put(out, base_checksum(out->data + start, out->len - start));
    base_words_put(out, words);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

static void image_release(struct segment_image *image)
{
    base_chain_free(&image->owner);
    memset(image, 0, sizeof *image);
}

void *codec_own(struct codec_reader *reader, size_t count, size_t size)
{
    void *memory = base_chain_alloc(&reader->image->owner, count, size);
    reader->no_memory |= memory == NULL;
    return memory;
}

uint64_t codec_get_word(struct codec_reader *reader)
{
    return base_words_take(&reader->at, reader->end, &reader->wrong);
}

uint32_t codec_get_number(struct codec_reader *reader, uint64_t word, uint32_t most)
{
    reader->wrong |= word > most;
    return reader->wrong ? 0 : (uint32_t)word;
}

static bool get_buffer(void *context, struct segment_buffer *buffer)
{
    struct codec_reader *reader = context;
    reader->get_buffer(reader, buffer);
    return !reader->wrong && !reader->no_memory;
}

static void get_heaps(struct codec_reader *reader, struct segment_heaps *heaps, uint64_t count)
{
    heaps->count = codec_get_number(reader, count, SEGMENT_MOST_HEAPS);
    heaps->buffers = codec_own(reader, heaps->count, sizeof *heaps->buffers);
}

static void get_column(struct codec_reader *reader, struct segment_column *column)
{
    uint32_t vectors = segment_vectors(reader->image->rows);
    uint64_t kind = codec_get_word(reader);
    column->layout = (uint8_t)codec_get_number(reader, kind & UINT32_MAX, SEGMENT_MIXED);
    column->flags = (uint32_t)(kind >> 32);
    for (uint32_t i = 0; i < CLASSES; i++)
        column->counts[i] = codec_get_number(reader, codec_get_word(reader), SEGMENT_MOST_ROWS);
    uint64_t heaps = codec_get_word(reader);
    get_heaps(reader, &column->texts, heaps & UINT32_MAX);
    get_heaps(reader, &column->blobs, heaps >> 32);
    column->zones = codec_own(reader, vectors, sizeof *column->zones);
    if (reader->no_memory)
        return;
    for (uint32_t v = 0; v < vectors; v++) {
        column->zones[v].low = (int64_t)codec_get_word(reader);
        column->zones[v].high = (int64_t)codec_get_word(reader);
    }
    (void)codec_visit(column, get_buffer, reader);
}

bool codec_directory_find(struct codec_reader *reader, const char *bytes, size_t len, uint64_t end, uint64_t *wanted)
{
    uint64_t words, sum;
    *wanted = 0;
    if (end < CODEC_DIRECTORY_WORDS * sizeof words)
        return false;
    if (len < 2 * sizeof words) {
        *wanted = CODEC_DIRECTORY_WORDS * sizeof words;
        return false;
    }
    memcpy(&words, bytes + len - sizeof words, sizeof words);
    memcpy(&sum, bytes + len - 2 * sizeof words, sizeof sum);
    if (words > (end - 2 * sizeof words) / sizeof words)
        return false;
    if (words > (len - 2 * sizeof words) / sizeof words) {
        *wanted = (words + 2) * sizeof words;
        return false;
    }
    reader->end = bytes + len - 2 * sizeof words;
    reader->at = reader->end - words * sizeof words;
    reader->begins = end - (words + 2) * sizeof words;
    reader->sum = sum;
    return base_checksum(reader->at, (size_t)(reader->end - reader->at)) == sum;
}

rhei_status codec_directory_read(struct codec_reader *reader, struct rhei_error *error)
{
    struct segment_image *image = reader->image;
    image->release = image_release;
    image->sum = reader->sum;
    reader->wrong = codec_get_word(reader) != reader->word;
    uint64_t rows = codec_get_word(reader);
    image->rows = codec_get_number(reader, rows & UINT32_MAX, SEGMENT_MOST_ROWS);
    image->mark = (uint32_t)(rows >> 32);
    image->column_count = codec_get_number(reader, codec_get_word(reader), SEGMENT_MOST_COLUMNS);
    image->columns = codec_own(reader, image->column_count, sizeof *image->columns);
    for (uint32_t c = 0; c < image->column_count && !reader->wrong && !reader->no_memory; c++)
        get_column(reader, &image->columns[c]);
    if (reader->get_more != NULL && !reader->wrong && !reader->no_memory)
        reader->get_more(reader);
    if (!reader->no_memory && !reader->wrong && reader->at == reader->end)
        return RHEI_OK;
    image_release(image);
    return reader->no_memory ? error_no_memory(error)
                             : error_set(error, RHEI_IO, "a segment's file has a directory that can't be read");
}

uint64_t codec_directory_sum(const void *bytes, size_t end)
{
    uint64_t sum = 0;
    if (end >= CODEC_DIRECTORY_WORDS * sizeof sum)
        memcpy(&sum, (const char *)bytes + end - 2 * sizeof sum, sizeof sum);
    return sum;
}
