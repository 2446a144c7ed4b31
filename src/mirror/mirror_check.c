/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an image's column, as if an enemy had made them. */
#include "mirror_image.h"

#include <string.h>

#include "base/base_checksum.h"
#include "mirror_internal.h"

enum { INLINE_BYTES = 12 };

/* ---- Checking: each says what is wrong, or NULL. ------------------------------------------------------------------- */

static const char *check_buffer(const struct segment_buffer *buffer, size_t len)
{
    if (buffer->len != len)
        return "a buffer has another length than its rows need";
    if (len == 0)
        return NULL;
    if (buffer->bytes == NULL || (uintptr_t)buffer->bytes % 8 != 0)
        return "a buffer isn't aligned";
    return base_checksum(buffer->bytes, len) == buffer->checksum ? NULL : "a checksum doesn't match";
}

static const char *check_heaps(const struct segment_heaps *heaps)
{
    if (heaps->count > SEGMENT_MOST_HEAPS || (heaps->count > 0 && heaps->buffers == NULL))
        return "it has an impossible number of heaps";
    for (uint32_t h = 0; h < heaps->count; h++) {
        const char *wrong = heaps->buffers[h].len == 0 || heaps->buffers[h].len > INT32_MAX
                                ? "a heap has an impossible length"
                                : check_buffer(&heaps->buffers[h], heaps->buffers[h].len);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* The bytes of a string that was found to lie within its heap; NULL: it doesn't, or says something else than its heap. */
const char *mirror_image_bytes(const struct segment_string *string, const struct segment_heaps *heaps)
{
    static const char zeros[INLINE_BYTES];
    if (string->length <= INLINE_BYTES)
        return memcmp(string->as.inlined + string->length, zeros, INLINE_BYTES - string->length) == 0
                   ? string->as.inlined
                   : NULL;
    if (string->as.far.heap >= heaps->count)
        return NULL;
    const struct segment_buffer *heap = &heaps->buffers[string->as.far.heap];
    if (string->length > heap->len || string->as.far.offset > heap->len - string->length)
        return NULL;
    const char *bytes = (const char *)heap->bytes + string->as.far.offset;
    return memcmp(bytes, string->as.far.prefix, sizeof string->as.far.prefix) == 0 ? bytes : NULL;
}

static const char *check_strings(const struct segment_buffer *part, uint32_t count, const struct segment_heaps *heaps,
                                 uint32_t flags, bool text)
{
    const char *wrong = check_buffer(part, (size_t)count * sizeof(struct segment_string));
    if (wrong == NULL)
        wrong = check_heaps(heaps);
    if (wrong != NULL)
        return wrong;
    const struct segment_string *strings = part->bytes;
    for (uint32_t i = 0; i < count; i++) {
        const char *bytes = mirror_image_bytes(&strings[i], heaps);
        if (bytes == NULL)
            return "a string lies outside its heap";
        if (text && (mirror_text_flags(bytes, strings[i].length, flags) & ~flags) != 0)
            return "a text isn't what its flags say";
    }
    return NULL;
}

static uint32_t count_bits(const uint8_t *bits, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++)
        count += bits[i >> 3] >> (i & 7) & 1;
    return count;
}

static const char *check_valid(const struct segment_column *column, uint32_t rows)
{
    const struct segment_buffer *valid = &column->part[SEGMENT_VALID];
    if (column->counts[RHEI_NULL] > rows || column->counts[column->layout] != rows - column->counts[RHEI_NULL])
        return "its counts don't add up";
    if (column->counts[RHEI_NULL] == 0 && valid->len == 0)
        return NULL;
    const char *wrong = check_buffer(valid, (rows + 7) / 8);
    if (wrong != NULL)
        return wrong;
    return count_bits(valid->bytes, rows) == column->counts[column->layout] ? NULL
                                                                            : "its NULLs are not as many as said";
}

static const char *check_classes(const struct segment_column *column, uint32_t rows)
{
    uint32_t counts[5] = {0};
    const char *wrong = check_buffer(&column->part[SEGMENT_CLASSES], rows);
    if (wrong == NULL)
        wrong = check_buffer(&column->part[SEGMENT_PLACES], rows * sizeof(int32_t));
    if (wrong != NULL)
        return wrong;
    const uint8_t *classes = column->part[SEGMENT_CLASSES].bytes;
    const int32_t *places = column->part[SEGMENT_PLACES].bytes;
    for (uint32_t i = 0; i < rows; i++) {
        if (classes[i] > RHEI_BLOB)
            return "a row has an unknown class";
        counts[classes[i]]++;
        if (classes[i] != RHEI_NULL && (places[i] < 0 || (uint32_t)places[i] >= column->counts[classes[i]]))
            return "a row's place lies outside its class";
    }
    return memcmp(counts, column->counts, sizeof counts) == 0 ? NULL : "its counts don't add up";
}

static const char *check_mixed(const struct segment_column *column, uint32_t rows)
{
    const uint32_t *counts = column->counts;
    const char *wrong = check_classes(column, rows);
    if (wrong == NULL)
        wrong = check_buffer(&column->part[SEGMENT_INTEGERS], counts[RHEI_INTEGER] * sizeof(int64_t));
    if (wrong == NULL)
        wrong = check_buffer(&column->part[SEGMENT_REALS], counts[RHEI_REAL] * sizeof(double));
    if (wrong == NULL)
        wrong = check_strings(&column->part[SEGMENT_TEXTS], counts[RHEI_TEXT], &column->texts, column->flags, true);
    if (wrong == NULL)
        wrong = check_strings(&column->part[SEGMENT_BLOBS], counts[RHEI_BLOB], &column->blobs, 0, false);
    return wrong;
}

const char *mirror_image_check_classes(const struct segment_column *column, const uint8_t *classes, uint32_t rows)
{
    const struct segment_buffer *buffer = &column->part[SEGMENT_CLASSES];
    uint32_t counts[5] = {0};
    if (buffer->len != rows || base_checksum(classes, rows) != buffer->checksum)
        return "a checksum doesn't match";
    for (uint32_t i = 0; i < rows; i++) {
        if (classes[i] > RHEI_BLOB)
            return "a row has an unknown class";
        counts[classes[i]]++;
    }
    return memcmp(counts, column->counts, sizeof counts) == 0 ? NULL : "its counts don't add up";
}

const char *mirror_image_check_again(const struct segment_column *column)
{
    const struct segment_heaps *heaps[] = {&column->texts, &column->blobs};
    const char *wrong = NULL;
    for (int p = 0; p < SEGMENT_PARTS && wrong == NULL; p++)
        wrong = check_buffer(&column->part[p], column->part[p].len);
    for (int k = 0; k < 2 && wrong == NULL; k++)
        wrong = check_heaps(heaps[k]);
    return wrong;
}

const char *mirror_image_check_column(const struct segment_column *column, uint32_t rows)
{
    const char *wrong = NULL;
    if (column->layout == SEGMENT_EMPTY)
        return column->counts[RHEI_NULL] == rows ? NULL : "its counts don't add up";
    if (column->layout == SEGMENT_MIXED)
        return check_mixed(column, rows);
    wrong = check_valid(column, rows);
    if (wrong != NULL)
        return wrong;
    switch (column->layout) {
    case SEGMENT_INTEGER:
        return check_buffer(&column->part[SEGMENT_INTEGERS], rows * sizeof(int64_t));
    case SEGMENT_REAL:
        return check_buffer(&column->part[SEGMENT_REALS], rows * sizeof(double));
    case SEGMENT_TEXT:
        return check_strings(&column->part[SEGMENT_TEXTS], rows, &column->texts, column->flags, true);
    default:
        return check_strings(&column->part[SEGMENT_BLOBS], rows, &column->blobs, 0, false);
    }
}
