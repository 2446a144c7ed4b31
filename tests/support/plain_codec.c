/* SPDX-License-Identifier: Apache-2.0 */
/* Words of 64 bits; the bytes of a buffer follow its length and checksum. The last word is a checksum of all words that aren't in buffers. */
#include "plain_codec.h"

#include <string.h>

#include "base/base_buffer.h"
#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"

static const uint64_t magic = 0x316e69616c70u; /* "plain1" */

/* ---- Writing. ------------------------------------------------------------------------------------------------------ */

struct output {
    struct base_buffer bytes, words;
};

static void put_word(struct output *out, uint64_t word)
{
    base_buffer_append(&out->bytes, &word, sizeof word);
    base_buffer_append(&out->words, &word, sizeof word);
}

static void put_buffer(struct output *out, const struct segment_buffer *buffer)
{
    static const char zeros[8];
    put_word(out, buffer->len);
    put_word(out, buffer->checksum);
    if (buffer->len > 0)
        base_buffer_append(&out->bytes, buffer->bytes, buffer->len);
    base_buffer_append(&out->bytes, zeros, (0 - buffer->len) % 8);
}

static void put_heaps(struct output *out, const struct segment_heaps *heaps)
{
    put_word(out, heaps->count);
    for (uint32_t h = 0; h < heaps->count; h++)
        put_buffer(out, &heaps->buffers[h]);
}

static rhei_status encode(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error)
{
    struct output out = {0};
    put_word(&out, magic);
    put_word(&out, image->rows);
    put_word(&out, image->column_count);
    for (uint32_t c = 0; c < image->column_count; c++) {
        const struct segment_column *column = &image->columns[c];
        put_word(&out, column->layout);
        put_word(&out, column->flags);
        for (uint32_t i = 0; i < 5; i++)
            put_word(&out, column->counts[i]);
        for (uint32_t v = 0; v < segment_vectors(image->rows); v++) {
            put_word(&out, (uint64_t)column->zones[v].low);
            put_word(&out, (uint64_t)column->zones[v].high);
        }
        for (uint32_t p = 0; p < SEGMENT_PARTS; p++)
            put_buffer(&out, &column->part[p]);
        put_heaps(&out, &column->texts);
        put_heaps(&out, &column->blobs);
    }
    put_word(&out, out.words.failed ? 0 : base_checksum(out.words.data, out.words.len));
    *len = out.bytes.len;
    *bytes = base_buffer_take(&out.bytes);
    base_buffer_reset(&out.words);
    return *bytes == NULL ? error_no_memory(error) : RHEI_OK;
}

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

struct input {
    const char *at, *end;
    struct base_buffer words;
    struct segment_image *image;
    bool wrong;
};

struct owned {
    struct owned *next;
    uint64_t padding;
};

static void release(struct segment_image *image)
{
    while (image->owner != NULL) {
        struct owned *memory = image->owner;
        image->owner = memory->next;
        base_free(memory);
    }
    memset(image, 0, sizeof *image);
}

static void *own(struct input *in, size_t size)
{
    struct owned *memory = base_alloc_zero(1, sizeof *memory + size);
    if (memory == NULL) {
        in->words.failed = true;
        return NULL;
    }
    memory->next = in->image->owner;
    in->image->owner = memory;
    return memory + 1;
}

static uint64_t get_word(struct input *in)
{
    uint64_t word = 0;
    if (in->wrong || in->end - in->at < (ptrdiff_t)sizeof word) {
        in->wrong = true;
        return 0;
    }
    memcpy(&word, in->at, sizeof word);
    in->at += sizeof word;
    base_buffer_append(&in->words, &word, sizeof word);
    return word;
}

/* A number that can't be more than `most`. */
static uint32_t get_number(struct input *in, uint32_t most)
{
    uint64_t word = get_word(in);
    in->wrong |= word > most;
    return in->wrong ? 0 : (uint32_t)word;
}

static void get_buffer(struct input *in, struct segment_buffer *buffer)
{
    uint64_t len = get_word(in);
    buffer->checksum = get_word(in);
    if (in->wrong || len > (uint64_t)(in->end - in->at) || (len + 7) / 8 * 8 > (uint64_t)(in->end - in->at)) {
        in->wrong = true;
        return;
    }
    buffer->bytes = len == 0 ? NULL : in->at;
    buffer->len = len;
    in->at += (len + 7) / 8 * 8;
}

static void get_heaps(struct input *in, struct segment_heaps *heaps)
{
    heaps->count = get_number(in, SEGMENT_MOST_HEAPS);
    heaps->buffers = own(in, heaps->count * sizeof *heaps->buffers);
    for (uint32_t h = 0; h < heaps->count && !in->wrong && heaps->buffers != NULL; h++)
        get_buffer(in, &heaps->buffers[h]);
}

static void get_column(struct input *in, struct segment_column *column)
{
    uint32_t vectors = segment_vectors(in->image->rows);
    column->layout = (uint8_t)get_number(in, SEGMENT_MIXED);
    column->flags = get_number(in, UINT32_MAX);
    for (uint32_t i = 0; i < 5; i++)
        column->counts[i] = get_number(in, SEGMENT_MOST_ROWS);
    column->zones = own(in, vectors * sizeof *column->zones);
    for (uint32_t v = 0; v < vectors && column->zones != NULL; v++) {
        column->zones[v].low = (int64_t)get_word(in);
        column->zones[v].high = (int64_t)get_word(in);
    }
    for (uint32_t p = 0; p < SEGMENT_PARTS; p++)
        get_buffer(in, &column->part[p]);
    get_heaps(in, &column->texts);
    get_heaps(in, &column->blobs);
}

static rhei_status open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    memset(image, 0, sizeof *image);
    struct input in = {.at = bytes, .end = (const char *)bytes + len, .image = image};
    image->release = release;
    in.wrong = get_word(&in) != magic;
    image->rows = get_number(&in, SEGMENT_MOST_ROWS);
    image->column_count = get_number(&in, SEGMENT_MOST_COLUMNS);
    image->columns = own(&in, image->column_count * sizeof *image->columns);
    for (uint32_t c = 0; c < image->column_count && !in.wrong && !in.words.failed; c++)
        get_column(&in, &image->columns[c]);
    uint64_t sum = in.words.failed || in.wrong ? 0 : base_checksum(in.words.data, in.words.len);
    rhei_status status = RHEI_OK;
    if (in.words.failed)
        status = error_no_memory(error);
    else if ((image->sum = get_word(&in)) != sum || in.wrong || in.at != in.end)
        status = error_set(error, RHEI_IO, "a plain segment is damaged");
    base_buffer_reset(&in.words);
    if (status != RHEI_OK)
        release(image);
    return status;
}

static uint64_t sum_of(const void *bytes, size_t len)
{
    uint64_t sum;
    memcpy(&sum, (const char *)bytes + len - sizeof sum, sizeof sum);
    return sum;
}

static void far_buffer(const char *bytes, struct segment_buffer *buffer)
{
    buffer->offset = buffer->bytes == NULL ? 0 : (uint64_t)((const char *)buffer->bytes - bytes);
    buffer->bytes = NULL;
}

/* It begins at the front, so all of it is the tail. */
static rhei_status open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image, size_t *wanted,
                             struct rhei_error *error)
{
    *wanted = len < size ? (size_t)size : 0;
    if (*wanted > 0)
        return RHEI_OK;
    rhei_status status = open(tail, len, image, error);
    for (uint32_t c = 0; status == RHEI_OK && c < image->column_count; c++) {
        struct segment_column *column = &image->columns[c];
        struct segment_heaps *heaps[] = {&column->texts, &column->blobs};
        for (int p = 0; p < SEGMENT_PARTS; p++)
            far_buffer(tail, &column->part[p]);
        for (int k = 0; k < 2; k++)
            for (uint32_t h = 0; h < heaps[k]->count; h++)
                far_buffer(tail, &heaps[k]->buffers[h]);
    }
    return status;
}

const struct segment_codec plain_codec = {
    .name = "plain", .encode = encode, .sum = sum_of, .open = open, .open_tail = open_tail};
