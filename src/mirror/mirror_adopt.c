/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image into a segment: first every buffer is checked as if an enemy had made it, then they are used where they lie.
 *
 *  1. After the check no length, place, heap or offset leads outside a buffer, every TEXT is UTF-8 unless its column's flags say
 *     otherwise, and a row's class is one that the column has.
 *  2. Each run that lies in an owner's memory holds the owner; a column with strings holds it too, for they are read when it is filled.
 *  3. A segment may be adopted lazily: then its bookkeeping alone is checked now, and a column when it is first read (mirror_touch.c).
 *  4. What may be written to or outlives the owner's bytes in meaning (validity, zones, counts) is copied.
 */
#include "mirror_image.h"

#include <math.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_internal.h"
#include "mirror_touch.h"

enum {
    ALL_FLAGS = MIRROR_HAS_NULL | MIRROR_CLASSES | MIRROR_NON_ASCII | MIRROR_NOT_WHOLE | MIRROR_BIG_INTEGER |
                MIRROR_INVALID_UTF8 | MIRROR_HAS_NUL | MIRROR_INFINITE | MIRROR_NEGATIVE_ZERO,
};

/* ---- Checking. ------------------------------------------------------------------------------------------------------ */

/* Its bookkeeping: looks at none of its bytes. */
static const char *check_shape(const struct segment_column *column, uint32_t rows, bool remote)
{
    static const enum segment_part parts[] = {[SEGMENT_INTEGER] = SEGMENT_INTEGERS,
                                              [SEGMENT_REAL] = SEGMENT_REALS,
                                              [SEGMENT_TEXT] = SEGMENT_TEXTS,
                                              [SEGMENT_BLOB] = SEGMENT_BLOBS};
    if (column->layout > SEGMENT_MIXED || (column->flags & ~(uint32_t)ALL_FLAGS) != 0 || column->zones == NULL)
        return "a column is of an unknown kind";
    for (uint32_t class = RHEI_NULL; class <= RHEI_BLOB; class ++)
        if (column->counts[class] > 0 && (column->flags >> class & 1) == 0)
            return "a column has a class that its flags don't";
    if (column->layout == SEGMENT_EMPTY || column->layout == SEGMENT_MIXED)
        return NULL;
    size_t width = column->layout == SEGMENT_INTEGER || column->layout == SEGMENT_REAL ? sizeof(int64_t)
                                                                                       : sizeof(struct segment_string);
    const struct segment_buffer *data = &column->part[parts[column->layout]];
    bool there = data->bytes != NULL && (uintptr_t)data->bytes % 8 == 0;
    if (data->len != rows * width || (!there && !remote))
        return "a buffer has another length than its rows need";
    if (column->counts[RHEI_NULL] > rows || column->counts[column->layout] != rows - column->counts[RHEI_NULL])
        return "its counts don't add up";
    return NULL;
}

/* Its bytes are looked at now. */
static bool is_checked_now(const struct segment_column *column, enum mirror_adoption how)
{
    return how == MIRROR_ADOPT_CHECKED || column->layout == SEGMENT_EMPTY ||
           (how == MIRROR_ADOPT_LAZILY && column->layout == SEGMENT_MIXED);
}

rhei_status mirror_adopt_check(const struct segment_image *image, uint32_t columns, enum mirror_adoption how,
                               struct rhei_error *error)
{
    if (image->rows == 0 || image->rows > SEGMENT_MOST_ROWS || image->column_count != columns)
        return error_set(error, RHEI_IO,
                         "a segment of %u rows and %u columns is not of this table, which has %u columns", image->rows,
                         image->column_count, columns);
    for (uint32_t c = 0; c < columns; c++) {
        const struct segment_column *column = &image->columns[c];
        const char *wrong = check_shape(column, image->rows, how == MIRROR_ADOPT_REMOTE);
        if (wrong == NULL && is_checked_now(column, how))
            wrong = mirror_image_check_column(column, image->rows);
        if (wrong != NULL)
            return error_set(error, RHEI_IO, "a segment is damaged: column %u: %s", c + 1, wrong);
    }
    return RHEI_OK;
}

/* ---- Making. ------------------------------------------------------------------------------------------------------- */

struct adoption {
    struct mirror *mirror;
    const struct segment_image *image;
    struct mirror_owner *owner;
    struct mirror_segment *segment;
    enum mirror_adoption how;
};

static rhei_status adopt_heap(const struct adoption *adoption, const struct segment_buffer *buffer)
{
    struct mirror_memory *memory = &adoption->mirror->memory;
    void *made;
    rhei_status status = RHEI_OK;
    if (adoption->segment->heap == NULL) {
        status = mirror_memory_alloc_zero(memory, sizeof(struct mirror_heap), &made);
        if (status != RHEI_OK)
            return status;
        adoption->segment->heap = made;
        adoption->segment->heap->holders = 1;
    }
    struct mirror_heap *heap = adoption->segment->heap;
    status = mirror_memory_alloc_zero(memory, sizeof(struct mirror_heap_chunk), &made);
    if (status != RHEI_OK)
        return status;
    struct mirror_heap_chunk *chunk = made;
    mirror_run_borrow(adoption->owner, buffer->bytes, buffer->len, &chunk->run);
    chunk->used = buffer->len;
    chunk->next = heap->first;
    heap->first = chunk;
    heap->bytes += buffer->len;
    heap->borrowed += buffer->len;
    return RHEI_OK;
}

/* What it will be checked and filled from. */
static rhei_status adopt_untouched(const struct adoption *adoption, const struct segment_column *from,
                                   struct mirror_column *column)
{
    struct mirror *mirror = adoption->mirror;
    uint32_t counts[2] = {from->texts.count, from->blobs.count}, count = counts[0] + counts[1];
    size_t size = sizeof(struct mirror_foreign) + count * (sizeof(struct segment_buffer) + sizeof(char *));
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, size, &memory);
    if (status != RHEI_OK)
        return status;
    struct mirror_foreign *foreign = column->foreign = memory;
    struct segment_buffer *buffers = (struct segment_buffer *)(void *)(foreign + 1);
    const char **addresses = (const char **)(void *)(buffers + count);
    struct segment_heaps *heaps[2] = {&foreign->image.texts, &foreign->image.blobs};
    foreign->size = size;
    foreign->mirror = mirror;
    foreign->segment = adoption->segment;
    foreign->column = column;
    foreign->remote = adoption->how == MIRROR_ADOPT_REMOTE;
    foreign->checked = is_checked_now(from, adoption->how);
    foreign->owner = adoption->owner;
    atomic_fetch_add_explicit(&foreign->owner->holds, 1, memory_order_relaxed);
    base_mutex_init(&foreign->mutex);
    foreign->image = *from;
    foreign->image.name = NULL;
    foreign->image.zones = NULL;
    for (uint32_t k = 0; k < 2; k++) {
        foreign->heaps[k] = addresses;
        const struct segment_heaps *source = k == 0 ? &from->texts : &from->blobs;
        heaps[k]->buffers = buffers;
        for (uint32_t h = 0; h < counts[k] && status == RHEI_OK; h++) {
            *buffers++ = source->buffers[h];
            *addresses++ = source->buffers[h].bytes;
            adoption->segment->far_bytes += source->buffers[h].len;
            if (!foreign->remote)
                status = adopt_heap(adoption, &source->buffers[h]);
        }
    }
    bool wide = from->layout != SEGMENT_INTEGER && from->layout != SEGMENT_REAL;
    if (status == RHEI_OK && wide && adoption->how == MIRROR_ADOPT_CHECKED)
        status = mirror_run_alloc(&mirror->memory, adoption->segment->capacity * sizeof(union mirror_cell),
                                  &foreign->filled);
    atomic_store_explicit(&foreign->filled_bytes, foreign->filled.bytes, memory_order_relaxed);
    atomic_store_explicit(&column->untouched, true, memory_order_relaxed);
    return status;
}

/* Room for NULLs, all of them until the column is touched. */
static rhei_status adopt_valid(const struct adoption *adoption, const struct segment_column *from,
                               struct mirror_column *column)
{
    size_t words = (adoption->segment->bitmap_rows + 63) / 64;
    void *memory;
    if (from->counts[RHEI_NULL] == 0)
        return RHEI_OK;
    rhei_status status = mirror_memory_alloc_zero(&adoption->mirror->memory, words * sizeof(uint64_t), &memory);
    if (status == RHEI_OK)
        atomic_store_explicit(&column->valid, (_Atomic uint64_t *)memory, memory_order_release);
    return status;
}

/* The classes of a MIXED column stay in memory: the writer counts by them what dies. */
static rhei_status read_classes(const struct adoption *adoption, const struct segment_column *from,
                                struct mirror_column *column)
{
    uint32_t rows = adoption->image->rows;
    struct mirror_owner *owner = adoption->owner;
    if (from->part[SEGMENT_CLASSES].len != rows)
        return RHEI_IO;
    rhei_status status = mirror_run_alloc(&adoption->mirror->memory, adoption->segment->capacity, &column->classes_run);
    if (status != RHEI_OK)
        return status;
    uint8_t *classes = column->classes_run.data;
    memset(classes, RHEI_NULL, adoption->segment->capacity);
    struct segment_column wanted = *from;
    wanted.part[SEGMENT_CLASSES].bytes = classes;
    uint32_t number = (uint32_t)(column - adoption->segment->column);
    bool whole = false;
    for (int look = 0; !whole && look < 2; look++) /* what is wrong may have become so on its way */
        whole = owner->read(owner->context, number, &wanted) == RHEI_OK &&
                mirror_image_check_classes(from, classes, rows) == NULL;
    return whole ? RHEI_OK : RHEI_IO;
}

static rhei_status adopt_data(const struct adoption *adoption, const struct segment_column *from,
                              struct mirror_column *column)
{
    const struct segment_buffer *numbers =
        &from->part[from->layout == SEGMENT_INTEGER ? SEGMENT_INTEGERS : SEGMENT_REALS];
    bool remote = adoption->how == MIRROR_ADOPT_REMOTE;
    if (!remote && (from->layout == SEGMENT_INTEGER || from->layout == SEGMENT_REAL))
        mirror_run_borrow(adoption->owner, numbers->bytes, numbers->len, &column->data_run);
    rhei_status status = adopt_untouched(adoption, from, column);
    if (status != RHEI_OK || from->layout != SEGMENT_MIXED)
        return status;
    if (remote)
        status = read_classes(adoption, from, column);
    else
        mirror_run_borrow(adoption->owner, from->part[SEGMENT_CLASSES].bytes, from->part[SEGMENT_CLASSES].len,
                          &column->classes_run);
    column->classes = column->classes_run.data;
    adoption->segment->mixed_columns++;
    return status;
}

static rhei_status adopt_column(const struct adoption *adoption, uint32_t number)
{
    const struct segment_column *from = &adoption->image->columns[number];
    struct mirror_column *column = &adoption->segment->column[number];
    atomic_init(&column->layout, from->layout);
    atomic_init(&column->flags, from->flags);
    memcpy(column->counts, from->counts, sizeof column->counts);
    for (uint32_t v = 0; v < segment_vectors(adoption->image->rows); v++) {
        atomic_init(&column->zones[v].low, from->zones[v].low);
        atomic_init(&column->zones[v].high, from->zones[v].high);
    }
    if (from->layout == SEGMENT_EMPTY)
        return RHEI_OK;
    rhei_status status = adopt_valid(adoption, from, column);
    return status == RHEI_OK ? adopt_data(adoption, from, column) : status;
}

/* What lives: rows, classes of MIXED columns, bytes of the heap. */
static void count_live(struct mirror_segment *segment)
{
    size_t heap = segment->heap == NULL ? 0 : segment->heap->bytes;
    bool heavy = mirror_segment_is_heavy(segment, segment->rows);
    for (uint32_t c = 0; c < segment->column_count; c++)
        if (segment->column[c].classes != NULL)
            memcpy(segment->column[c].live, segment->column[c].counts, sizeof segment->column[c].live);
    for (uint32_t place = 0; segment->dead != NULL && place < segment->rows; place++) {
        if ((segment->dead[place >> 6] >> (place & 63) & 1) == 0)
            continue;
        segment->live_rows--;
        heap -= heavy ? mirror_segment_long_bytes(segment, place) : 0;
        for (uint32_t c = 0; c < segment->column_count; c++)
            if (segment->column[c].classes != NULL)
                segment->column[c].live[segment->column[c].classes[place]]--;
    }
    atomic_store_explicit(&segment->heap_live, heap, memory_order_relaxed);
}

static rhei_status adopt_dead(const struct adoption *adoption, const uint64_t *dead)
{
    struct mirror_segment *segment = adoption->segment;
    size_t words = (segment->bitmap_rows + 63) / 64;
    void *memory;
    if (dead == NULL)
        return RHEI_OK;
    rhei_status status = mirror_memory_alloc_zero(&adoption->mirror->memory, words * sizeof(uint64_t), &memory);
    if (status != RHEI_OK)
        return status;
    segment->dead = memory;
    memcpy(segment->dead, dead, words * sizeof *dead);
    if (segment->rows % 64 != 0)
        segment->dead[segment->rows / 64] &= (1ull << (segment->rows & 63)) - 1;
    return RHEI_OK;
}

rhei_status mirror_adopt_segment(struct mirror *mirror, const struct segment_image *image, const uint64_t *dead,
                                 struct mirror_owner *owner, enum mirror_adoption how, struct mirror_segment **out)
{
    struct adoption adoption = {.mirror = mirror, .image = image, .owner = owner, .how = how};
    rhei_status status =
        mirror_segment_new(mirror, image->column_count, (image->rows + 63) / 64 * 64, &adoption.segment);
    *out = NULL;
    if (status != RHEI_OK)
        return status;
    struct mirror_segment *segment = adoption.segment;
    segment->rows = segment->logical_rows = segment->live_rows = image->rows;
    segment->remote = how == MIRROR_ADOPT_REMOTE;
    for (uint32_t c = 0; c < image->column_count && status == RHEI_OK; c++)
        status = adopt_column(&adoption, c);
    if (status == RHEI_OK)
        status = adopt_dead(&adoption, dead);
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, segment);
        return status;
    }
    count_live(segment);
    *out = segment;
    return RHEI_OK;
}

/* The range of a table's column holds what a segment's zones do. */
void mirror_adopt_seen(const struct mirror_segment *segment, uint32_t number, struct mirror_column_seen *seen)
{
    const struct mirror_column *column = &segment->column[number];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
    *seen = (struct mirror_column_seen){
        .flags = atomic_load_explicit(&column->flags, memory_order_relaxed), .low = INFINITY, .high = -INFINITY};
    for (uint32_t v = 0; v < segment_vectors(segment->rows); v++) {
        int64_t low = atomic_load_explicit(&column->zones[v].low, memory_order_relaxed);
        int64_t high = atomic_load_explicit(&column->zones[v].high, memory_order_relaxed);
        if (low > high)
            continue;
        bool integers = layout == MIRROR_LAYOUT_INTEGER;
        double from = integers ? mirror_integer_floor(low) : mirror_key_real(low);
        double to = integers ? mirror_integer_ceiling(high) : mirror_key_real(high);
        seen->low = from < seen->low ? from : seen->low;
        seen->high = to > seen->high ? to : seen->high;
    }
}
