/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of a snapshot as plain buffers. What a dead row holds is left out, for it may be anything; so is what lies behind the view's rows.
 * Numbers are borrowed where no row is dead and they lie in memory anyway, everything else is copied.
 */
#include "mirror_image.h"

#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_internal.h"

_Static_assert((int)SEGMENT_VECTOR_ROWS == (int)MIRROR_VECTOR_ROWS &&
                   (int)SEGMENT_MOST_ROWS == (int)MIRROR_SEGMENT_ROWS &&
                   (int)SEGMENT_EMPTY == (int)MIRROR_LAYOUT_EMPTY && (int)SEGMENT_MIXED == (int)MIRROR_LAYOUT_MIXED,
               "an image is of a segment");
_Static_assert(sizeof(struct segment_string) == sizeof(struct mirror_string), "both are views");

struct maker {
    const struct source_table *definition;
    const struct mirror_segment *segment;
    uint32_t first, rows, dead; /* `first`: the vector that is the image's first */
    bool copies;                /* numbers too: they don't stay */
    struct segment_image *image;
    struct mirror_vector vector[MIRROR_SEGMENT_VECTORS];
    struct rhei_error *error;
};

static void *own(struct segment_image *image, size_t size)
{
    return base_chain_alloc(&image->owner, 1, size);
}

static void image_release(struct segment_image *image)
{
    base_chain_free(&image->owner);
    memset(image, 0, sizeof *image);
}

static bool is_dead(const struct maker *maker, uint32_t place)
{
    const uint64_t *dead = maker->vector[place / MIRROR_VECTOR_ROWS].dead;
    uint32_t bit = place % MIRROR_VECTOR_ROWS;
    return dead != NULL && (dead[bit >> 6] >> (bit & 63) & 1) != 0;
}

static void set_buffer(struct segment_buffer *buffer, const void *bytes, size_t len)
{
    *buffer = (struct segment_buffer){.bytes = bytes, .len = len, .checksum = base_checksum(bytes, len)};
}

/* ---- Strings. ------------------------------------------------------------------------------------------------------ */

struct span {
    const char *bytes;
    uint32_t length;
};

/* Heap of the next long string: a new one where an offset would not fit any more. */
static bool next_heap(uint64_t *used, uint32_t *heap, uint32_t length)
{
    if (*used + length > INT32_MAX) {
        *used = 0;
        ++*heap;
    }
    *used += length;
    return *heap < SEGMENT_MOST_HEAPS;
}

static rhei_status size_heaps(const struct maker *maker, const struct span *spans, uint32_t count,
                              struct segment_heaps *heaps)
{
    size_t sizes[SEGMENT_MOST_HEAPS] = {0};
    uint64_t used = 0;
    uint32_t heap = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = spans[i].length;
        if (length <= sizeof((struct segment_string *)0)->as.inlined)
            continue;
        if (length > INT32_MAX || !next_heap(&used, &heap, length))
            return error_set(maker->error, RHEI_TOO_BIG, "text or BLOB of %u bytes is too long for a segment's file",
                             length);
        sizes[heap] = used;
        heaps->count = heap + 1;
    }
    heaps->buffers = heaps->count == 0 ? NULL : own(maker->image, heaps->count * sizeof *heaps->buffers);
    if (heaps->count > 0 && heaps->buffers == NULL)
        return error_no_memory(maker->error);
    for (uint32_t h = 0; h < heaps->count; h++) {
        heaps->buffers[h].bytes = own(maker->image, sizes[h]);
        heaps->buffers[h].len = sizes[h];
        if (heaps->buffers[h].bytes == NULL)
            return error_no_memory(maker->error);
    }
    return RHEI_OK;
}

static rhei_status make_strings(const struct maker *maker, const struct span *spans, uint32_t count,
                                struct segment_buffer *part, struct segment_heaps *heaps)
{
    struct segment_string *strings = own(maker->image, (size_t)count * sizeof *strings);
    if (strings == NULL)
        return error_no_memory(maker->error);
    rhei_status status = size_heaps(maker, spans, count, heaps);
    if (status != RHEI_OK)
        return status;
    uint64_t used = 0;
    uint32_t heap = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct segment_string *string = &strings[i];
        string->length = spans[i].length;
        if (string->length <= sizeof string->as.inlined) {
            if (string->length > 0)
                memcpy(string->as.inlined, spans[i].bytes, string->length);
            continue;
        }
        (void)next_heap(&used, &heap, string->length);
        memcpy(string->as.far.prefix, spans[i].bytes, sizeof string->as.far.prefix);
        string->as.far.heap = heap;
        string->as.far.offset = (uint32_t)(used - string->length);
        char *bytes = (char *)(uintptr_t)heaps->buffers[heap].bytes;
        memcpy(bytes + string->as.far.offset, spans[i].bytes, string->length);
    }
    set_buffer(part, strings, (size_t)count * sizeof *strings);
    for (uint32_t h = 0; h < heaps->count; h++)
        heaps->buffers[h].checksum = base_checksum(heaps->buffers[h].bytes, heaps->buffers[h].len);
    return RHEI_OK;
}

/* ---- Columns. ------------------------------------------------------------------------------------------------------ */

static rhei_status make_valid(const struct maker *maker, uint32_t number, struct segment_column *column)
{
    size_t words = (maker->rows + 63) / 64;
    uint64_t *valid = own(maker->image, words * sizeof *valid);
    if (valid == NULL)
        return error_no_memory(maker->error);
    uint32_t there = 0;
    for (uint32_t v = 0; v < segment_vectors(maker->rows); v++) {
        struct mirror_column_data data;
        mirror_segment_column(maker->segment, maker->vector[v].rows, maker->first + v, number, &data);
        for (uint32_t w = 0; w * 64 < maker->vector[v].rows; w++) {
            uint32_t left = maker->vector[v].rows - w * 64;
            uint64_t mask = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
            uint64_t word = data.has_nulls ? data.valid[w] & mask : mask;
            valid[v * (MIRROR_VECTOR_ROWS / 64) + w] = word;
            there += (uint32_t)__builtin_popcountll(word);
        }
    }
    column->counts[column->layout] = there;
    column->counts[RHEI_NULL] = maker->rows - there;
    if (there < maker->rows)
        set_buffer(&column->part[SEGMENT_VALID], valid, (maker->rows + 7) / 8);
    return RHEI_OK;
}

static rhei_status make_numbers(const struct maker *maker, const void *first, enum segment_part part,
                                struct segment_column *column)
{
    size_t size = (size_t)maker->rows * sizeof(int64_t);
    const void *bytes = first;
    if (maker->dead > 0 || maker->copies) {
        int64_t *copy = own(maker->image, size);
        if (copy == NULL)
            return error_no_memory(maker->error);
        for (uint32_t i = 0; i < maker->rows; i++)
            if (!is_dead(maker, i))
                copy[i] = ((const int64_t *)first)[i];
        bytes = copy;
    }
    set_buffer(&column->part[part], bytes, size);
    return RHEI_OK;
}

static rhei_status make_texts(const struct maker *maker, const struct mirror_string *first, enum segment_part part,
                              struct segment_heaps *heaps, struct segment_column *column)
{
    struct span *spans = base_alloc_zero(maker->rows, sizeof *spans);
    if (spans == NULL)
        return error_no_memory(maker->error);
    for (uint32_t i = 0; i < maker->rows; i++)
        if (!is_dead(maker, i))
            spans[i].bytes = mirror_string_bytes(&first[i], &spans[i].length);
    rhei_status status = make_strings(maker, spans, maker->rows, &column->part[part], heaps);
    base_free(spans);
    return status;
}

/* What a MIXED column is taken apart into. */
struct parts {
    uint8_t *classes;
    int32_t *places;
    int64_t *integers;
    double *reals;
    struct span *spans[2]; /* of texts, of BLOBs */
};

static void take_apart(const struct maker *maker, const union mirror_cell *cells, const struct parts *parts,
                       uint32_t counts[5])
{
    for (uint32_t i = 0; i < maker->rows; i++) {
        uint8_t class = parts->classes[i];
        uint32_t at = counts[class]++;
        parts->places[i] = class == RHEI_NULL ? 0 : (int32_t)at;
        if (is_dead(maker, i))
            continue;
        if (class == RHEI_INTEGER)
            parts->integers[at] = cells[i].integer;
        else if (class == RHEI_REAL)
            parts->reals[at] = cells[i].real;
        else if (class == RHEI_TEXT || class == RHEI_BLOB)
            parts->spans[class - RHEI_TEXT][at].bytes =
                mirror_string_bytes(&cells[i].string, &parts->spans[class - RHEI_TEXT][at].length);
    }
}

static rhei_status make_mixed(const struct maker *maker, const union mirror_cell *cells, const uint8_t *classes,
                              struct segment_column *column)
{
    uint32_t all[5] = {0};
    struct parts parts = {.classes = own(maker->image, maker->rows), .places = own(maker->image, maker->rows * 4u)};
    if (parts.classes == NULL || parts.places == NULL)
        return error_no_memory(maker->error);
    for (uint32_t i = 0; i < maker->rows; i++) {
        parts.classes[i] = classes[i] <= RHEI_BLOB ? classes[i] : (uint8_t)RHEI_NULL;
        all[parts.classes[i]]++;
    }
    parts.integers = own(maker->image, all[RHEI_INTEGER] * sizeof *parts.integers);
    parts.reals = own(maker->image, all[RHEI_REAL] * sizeof *parts.reals);
    parts.spans[0] = base_alloc_zero(all[RHEI_TEXT] + 1u, sizeof(struct span));
    parts.spans[1] = base_alloc_zero(all[RHEI_BLOB] + 1u, sizeof(struct span));
    rhei_status status = RHEI_OK;
    if (parts.integers == NULL || parts.reals == NULL || parts.spans[0] == NULL || parts.spans[1] == NULL)
        status = error_no_memory(maker->error);
    if (status == RHEI_OK) {
        take_apart(maker, cells, &parts, column->counts);
        set_buffer(&column->part[SEGMENT_CLASSES], parts.classes, maker->rows);
        set_buffer(&column->part[SEGMENT_PLACES], parts.places, maker->rows * sizeof *parts.places);
        set_buffer(&column->part[SEGMENT_INTEGERS], parts.integers, all[RHEI_INTEGER] * sizeof *parts.integers);
        set_buffer(&column->part[SEGMENT_REALS], parts.reals, all[RHEI_REAL] * sizeof *parts.reals);
        status = make_strings(maker, parts.spans[0], all[RHEI_TEXT], &column->part[SEGMENT_TEXTS], &column->texts);
    }
    if (status == RHEI_OK)
        status = make_strings(maker, parts.spans[1], all[RHEI_BLOB], &column->part[SEGMENT_BLOBS], &column->blobs);
    base_free(parts.spans[0]);
    base_free(parts.spans[1]);
    return status;
}

static rhei_status make_zones(const struct maker *maker, const struct mirror_column *source,
                              struct segment_column *column)
{
    uint32_t vectors = segment_vectors(maker->rows);
    column->zones = own(maker->image, vectors * sizeof *column->zones);
    if (column->zones == NULL)
        return error_no_memory(maker->error);
    for (uint32_t v = 0; v < vectors; v++) {
        bool none = column->layout == SEGMENT_EMPTY;
        column->zones[v].low =
            none ? INT64_MAX : atomic_load_explicit(&source->zones[maker->first + v].low, memory_order_relaxed);
        column->zones[v].high =
            none ? INT64_MIN : atomic_load_explicit(&source->zones[maker->first + v].high, memory_order_relaxed);
    }
    return RHEI_OK;
}

static rhei_status make_column(const struct maker *maker, uint32_t number)
{
    struct segment_column *column = &maker->image->columns[number];
    const struct mirror_column *source = &maker->segment->column[number];
    struct mirror_column_data data;
    mirror_segment_column(maker->segment, maker->vector[0].rows, maker->first, number, &data);
    column->name = maker->definition->columns[number].name;
    column->layout = data.layout;
    column->flags = atomic_load_explicit(&source->flags, memory_order_relaxed);
    rhei_status status = make_zones(maker, source, column);
    if (status != RHEI_OK)
        return status;
    if (column->layout == SEGMENT_EMPTY) {
        column->flags = MIRROR_HAS_NULL; /* what came with newer rows isn't in the image */
        column->counts[RHEI_NULL] = maker->rows;
        return RHEI_OK;
    }
    if (column->layout == SEGMENT_MIXED)
        return make_mixed(maker, data.data, data.classes, column);
    status = make_valid(maker, number, column);
    if (status != RHEI_OK)
        return status;
    switch (column->layout) {
    case SEGMENT_INTEGER:
        return make_numbers(maker, data.data, SEGMENT_INTEGERS, column);
    case SEGMENT_REAL:
        return make_numbers(maker, data.data, SEGMENT_REALS, column);
    case SEGMENT_TEXT:
        return make_texts(maker, data.data, SEGMENT_TEXTS, &column->texts, column);
    default:
        return make_texts(maker, data.data, SEGMENT_BLOBS, &column->blobs, column);
    }
}

rhei_status mirror_segment_image(const struct mirror_table_view *view, uint32_t number, struct segment_image *image,
                                 struct rhei_error *error)
{
    return mirror_segment_image_from(view, number, 0, image, error);
}

static rhei_status make(struct maker *maker)
{
    struct segment_image *image = maker->image;
    const struct mirror_segment *segment = maker->segment;
    for (uint32_t v = 0; v < segment_vectors(maker->rows); v++)
        maker->dead += maker->vector[v].rows - maker->vector[v].live;
    maker->copies = segment->remote;
    image->release = image_release;
    image->rows = maker->rows;
    image->table = maker->definition->name;
    image->column_count = segment->column_count;
    image->columns = own(image, segment->column_count * sizeof *image->columns);
    rhei_status status = image->columns == NULL ? error_no_memory(maker->error) : RHEI_OK;
    mirror_segment_hold(segment);
    for (uint32_t c = 0; status == RHEI_OK && c < segment->column_count; c++)
        status = make_column(maker, c);
    mirror_segment_let_go(segment);
    if (status != RHEI_OK)
        image_release(image);
    return status;
}

rhei_status mirror_segment_image_from(const struct mirror_table_view *view, uint32_t number, uint32_t first_vector,
                                      struct segment_image *image, struct rhei_error *error)
{
    memset(image, 0, sizeof *image);
    struct maker maker = {
        .definition = mirror_view_definition(view), .first = first_vector, .image = image, .error = error};
    uint32_t rows = mirror_view_segment_rows(view, number);
    maker.rows = rows > first_vector * MIRROR_VECTOR_ROWS ? rows - first_vector * MIRROR_VECTOR_ROWS : 0;
    maker.segment = maker.rows == 0 ? NULL : mirror_trie_get(&view->segments, number);
    if (maker.segment == NULL)
        return error_set(error, RHEI_NOT_FOUND, "table \"%s\" has no segment %u", maker.definition->name, number);
    for (uint32_t v = 0; v < segment_vectors(maker.rows); v++)
        mirror_view_vector(view, number, first_vector + v, &maker.vector[v]);
    return make(&maker);
}

rhei_status mirror_segment_image_private(const struct mirror_segment *segment, const struct source_table *definition,
                                         struct segment_image *image, struct rhei_error *error)
{
    memset(image, 0, sizeof *image);
    struct maker maker = {
        .definition = definition, .segment = segment, .rows = segment->rows, .image = image, .error = error};
    for (uint32_t v = 0, left = segment->rows; left > 0; v++) {
        uint32_t rows = left < MIRROR_VECTOR_ROWS ? left : MIRROR_VECTOR_ROWS;
        maker.vector[v] = (struct mirror_vector){.rows = rows, .live = rows};
        left -= rows;
    }
    return make(&maker);
}
