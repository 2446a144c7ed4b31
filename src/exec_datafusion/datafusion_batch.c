/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vector of the mirror as Arrow arrays. Numbers of a vector without dead rows aren't copied, nor are texts that are all short, nor the
 * bytes of long ones in a segment that nothing is appended to: the batch holds the segment, and with it the snapshot, until it is released.
 */
#include <string.h>

#include "base/base_memory.h"
#include "exec_datafusion/datafusion_internal.h"

enum { BUFFERS = 4, INLINE_BYTES = 12, WORDS = MIRROR_VECTOR_ROWS / 64, MOST_PIECES = 32 };

/* Arrow's string view: our layout while a string is short; a long one has buffer and offset in the pointer's place. */
struct string_view {
    int32_t length;
    char prefix[4];
    int32_t buffer, offset;
};

/* A column's array and what it owns. */
struct column_data {
    void *owned[BUFFERS];
    const void *buffers[BUFFERS];
    int64_t long_bytes; /* the lengths buffer of a string view */
    uint64_t valid[WORDS];
};

struct batch_data {
    struct df_pin *pin;
    struct mirror_hold hold;
    struct ArrowArray *children;
    struct ArrowArray **pointers;
    const void *buffers[1];
};

static void column_release(struct ArrowArray *array)
{
    struct column_data *data = array->private_data;
    for (int i = 0; i < BUFFERS; i++)
        base_free(data->owned[i]);
    base_free(data);
    array->release = NULL;
}

static void batch_release(struct ArrowArray *array)
{
    struct batch_data *data = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++)
        if (data->children[i].release != NULL)
            data->children[i].release(&data->children[i]);
    mirror_hold_end(&data->hold);
    df_pin_drop(data->pin);
    base_free(data->children);
    base_free(data->pointers);
    base_free(data);
    array->release = NULL;
}

/* Where the long strings of the batch's segment lie; looked up when a column first has some. */
struct heap {
    const struct mirror_table_view *view;
    uint32_t segment;
    bool known;
    uint32_t count;
    const void *chunks[MIRROR_MOST_CHUNKS];
    int64_t lengths[MIRROR_MOST_CHUNKS];
};

/* Bytes of chunks that a column's views point to: what lies before the first string that was met is left out. */
struct pieces {
    const void *buffers[2 + MOST_PIECES + 1]; /* as Arrow has them: validity, views, the pieces, their lengths */
    int64_t lengths[MOST_PIECES], room[MOST_PIECES];
    uint32_t count;
};

/* The rows that are given, by their slots; NULL: all of them. */
struct chosen {
    const uint16_t *slots;
    uint32_t count;
};

static uint32_t slot_of(const struct chosen *chosen, uint32_t row)
{
    return chosen->slots != NULL ? chosen->slots[row] : row;
}

static bool is_valid(const struct mirror_column_data *source, uint32_t slot)
{
    return !source->has_nulls || (source->valid[slot / 64] >> (slot % 64) & 1) != 0;
}

static void *own(struct column_data *data, int number, size_t size)
{
    data->owned[number] = base_alloc(size > 0 ? size : 1);
    data->buffers[number] = data->owned[number];
    return data->owned[number];
}

/* Buffer 0 and the count of NULLs. `empty`: no row has a value. */
static void set_valid(struct ArrowArray *out, struct column_data *data, const struct mirror_column_data *source,
                      const struct chosen *chosen, bool empty)
{
    if (!empty && !source->has_nulls)
        return;
    int64_t set = 0;
    for (uint32_t row = 0; row < chosen->count; row++) {
        uint64_t bit = !empty && is_valid(source, slot_of(chosen, row));
        data->valid[row / 64] |= bit << (row % 64);
        set += (int64_t)bit;
    }
    out->null_count = chosen->count - set;
    data->buffers[0] = out->null_count > 0 ? data->valid : NULL;
}

static enum df_batch_result numbers(struct column_data *data, const struct df_column *column,
                                    const struct mirror_column_data *source, const struct chosen *chosen)
{
    bool same =
        source->layout == MIRROR_LAYOUT_INTEGER ? column->kind == RHEI_DF_INTEGER : column->kind == RHEI_DF_REAL;
    if (same && chosen->slots == NULL) {
        data->buffers[1] = source->data;
        return DF_BATCH_OK;
    }
    uint64_t *to = own(data, 1, chosen->count * sizeof *to);
    const uint64_t *from = source->data;
    if (to == NULL)
        return DF_BATCH_NO_MEMORY;
    for (uint32_t row = 0; same && row < chosen->count; row++)
        to[row] = from[slot_of(chosen, row)];
    if (same)
        return DF_BATCH_OK;
    if (!column->is_number)
        return DF_BATCH_OTHER_CLASS;
    for (uint32_t row = 0; row < chosen->count; row++) {
        double value = (double)((const int64_t *)source->data)[slot_of(chosen, row)];
        memcpy(&to[row], &value, sizeof value);
    }
    return DF_BATCH_OK;
}

/* Which of the numbers are integers. */
static enum df_batch_result truths(struct column_data *data, const struct mirror_column_data *source,
                                   const struct chosen *chosen)
{
    uint64_t *bits = own(data, 1, WORDS * sizeof *bits);
    if (bits == NULL)
        return DF_BATCH_NO_MEMORY;
    memset(bits, source->layout == MIRROR_LAYOUT_INTEGER ? 0xff : 0, WORDS * sizeof *bits);
    for (uint32_t row = 0; source->layout == MIRROR_LAYOUT_MIXED && row < chosen->count; row++)
        bits[row / 64] |= (uint64_t)(source->classes[slot_of(chosen, row)] == RHEI_INTEGER) << (row % 64);
    return DF_BATCH_OK;
}

/* A string of the mirror's in a layout of strings or of cells. */
static const struct mirror_string *string_at(const struct mirror_column_data *source, uint32_t slot)
{
    return source->layout == MIRROR_LAYOUT_MIXED ? &((const union mirror_cell *)source->data)[slot].string
                                                 : &((const struct mirror_string *)source->data)[slot];
}

static uint32_t length_of(const struct mirror_column_data *source, uint32_t slot)
{
    return is_valid(source, slot) ? string_at(source, slot)->as.inlined.length : 0;
}

/* The piece that the bytes lie in, or a new one; false: their chunk isn't known, or there are too many. */
static bool find_piece(struct pieces *pieces, const struct heap *heap, const char *bytes, uint32_t *piece)
{
    for (uint32_t i = 0; i < pieces->count; i++) {
        *piece = i;
        if ((uint64_t)((uintptr_t)bytes - (uintptr_t)pieces->buffers[2 + i]) < (uint64_t)pieces->room[i])
            return true;
    }
    for (uint32_t i = 0; i < heap->count && pieces->count < MOST_PIECES; i++) {
        uint64_t before = (uint64_t)((uintptr_t)bytes - (uintptr_t)heap->chunks[i]);
        if (before >= (uint64_t)heap->lengths[i])
            continue;
        *piece = pieces->count++;
        pieces->buffers[2 + *piece] = bytes;
        pieces->room[*piece] = heap->lengths[i] - (int64_t)before;
        return true;
    }
    return false;
}

/* The piece that strings are met in; its values stay out of memory while a loop runs over the rows. */
struct place {
    const char *start;
    uint64_t room, used; /* bytes; 0: there is no such piece */
    uint32_t piece;
};

static void leave_place(struct pieces *pieces, const struct place *place)
{
    if (place->room > 0 && pieces->lengths[place->piece] < (int64_t)place->used)
        pieces->lengths[place->piece] = (int64_t)place->used;
}

static struct place place_of(struct pieces *pieces, const struct heap *heap, const char *bytes,
                             const struct place *last)
{
    struct place place = {0};
    leave_place(pieces, last);
    if (!find_piece(pieces, heap, bytes, &place.piece))
        return place;
    place.start = pieces->buffers[2 + place.piece];
    place.room = (uint64_t)pieces->room[place.piece];
    place.used = (uint64_t)pieces->lengths[place.piece];
    return place;
}

/* Views into the segment's own heap. */
static bool point_views(struct string_view *views, struct pieces *pieces, const struct heap *heap,
                        const struct mirror_column_data *source, const struct chosen *chosen)
{
    struct place place = {0};
    bool plain = chosen->slots == NULL && source->layout != MIRROR_LAYOUT_MIXED && !source->has_nulls;
    const struct mirror_string *all = source->data;
    for (uint32_t row = 0; row < chosen->count; row++) {
        const struct mirror_string *string = &all[row];
        if (!plain) {
            uint32_t slot = slot_of(chosen, row);
            memset(&views[row], 0, sizeof views[row]);
            if (!is_valid(source, slot))
                continue;
            string = string_at(source, slot);
        }
        memcpy(&views[row], string, sizeof views[row]);
        uint32_t length = string->as.inlined.length;
        if (length <= INLINE_BYTES)
            continue;
        const char *bytes = string->as.pointer.bytes;
        if ((uint64_t)((uintptr_t)bytes - (uintptr_t)place.start) >= place.room) {
            place = place_of(pieces, heap, bytes, &place);
            if (place.room == 0)
                return false;
        }
        uint64_t offset = (uint64_t)(bytes - place.start);
        views[row].buffer = (int32_t)place.piece;
        views[row].offset = (int32_t)offset;
        place.used = place.used < offset + length ? offset + length : place.used;
    }
    leave_place(pieces, &place);
    return true;
}

/* *done = false: they are to be copied. */
static enum df_batch_result pointed_strings(struct ArrowArray *out, struct column_data *data, struct heap *heap,
                                            const struct mirror_column_data *source, const struct chosen *chosen,
                                            bool *done)
{
    if (!heap->known) {
        heap->known = true;
        heap->count = mirror_view_chunks(heap->view, heap->segment, heap->chunks, heap->lengths);
    }
    if (heap->count == 0)
        return DF_BATCH_OK;
    struct string_view *views = own(data, 1, chosen->count * sizeof *views);
    struct pieces *pieces = data->owned[2] = base_alloc_zero(1, sizeof *pieces);
    if (views == NULL || pieces == NULL)
        return DF_BATCH_NO_MEMORY;
    *done = point_views(views, pieces, heap, source, chosen);
    if (!*done) {
        base_free(data->owned[1]);
        base_free(data->owned[2]);
        data->owned[1] = data->owned[2] = NULL;
        return DF_BATCH_OK;
    }
    pieces->buffers[0] = data->buffers[0];
    pieces->buffers[1] = views;
    pieces->buffers[2 + pieces->count] = pieces->lengths;
    out->buffers = pieces->buffers;
    out->n_buffers = 3 + (int64_t)pieces->count;
    return DF_BATCH_OK;
}

static enum df_batch_result copied_strings(struct ArrowArray *out, struct column_data *data, size_t bytes,
                                           const struct mirror_column_data *source, const struct chosen *chosen)
{
    out->n_buffers = bytes > 0 ? 4 : 3;
    data->long_bytes = (int64_t)bytes;
    data->buffers[out->n_buffers - 1] = &data->long_bytes;
    struct string_view *views = own(data, 1, chosen->count * sizeof *views);
    char *text = bytes > 0 ? own(data, 2, bytes) : NULL;
    if (views == NULL || (bytes > 0 && text == NULL) || bytes > INT32_MAX)
        return DF_BATCH_NO_MEMORY;
    size_t used = 0;
    for (uint32_t row = 0; row < chosen->count; row++) {
        uint32_t slot = slot_of(chosen, row), length = length_of(source, slot);
        memset(&views[row], 0, sizeof views[row]);
        if (!is_valid(source, slot))
            continue;
        const struct mirror_string *string = string_at(source, slot);
        memcpy(&views[row], string, sizeof views[row]);
        if (length <= INLINE_BYTES)
            continue;
        views[row].buffer = 0;
        views[row].offset = (int32_t)used;
        memcpy(text + used, string->as.pointer.bytes, length);
        used += length;
    }
    return DF_BATCH_OK;
}

/* Bytes of the long strings. */
static size_t long_bytes(const struct mirror_column_data *source, const struct chosen *chosen)
{
    const struct mirror_string *all = source->data;
    size_t bytes = 0;
    bool plain = chosen->slots == NULL && source->layout != MIRROR_LAYOUT_MIXED && !source->has_nulls;
    for (uint32_t row = 0; row < chosen->count; row++) {
        uint32_t length = plain ? all[row].as.inlined.length : length_of(source, slot_of(chosen, row));
        bytes += length > INLINE_BYTES ? length : 0;
    }
    return bytes;
}

static enum df_batch_result strings(struct ArrowArray *out, struct column_data *data, struct heap *heap,
                                    const struct mirror_column_data *source, const struct chosen *chosen)
{
    size_t bytes = long_bytes(source, chosen);
    bool done = false;
    if (bytes == 0 && chosen->slots == NULL && source->layout != MIRROR_LAYOUT_MIXED && !source->has_nulls) {
        out->n_buffers = 3;
        data->buffers[1] = source->data;
        data->buffers[2] = &data->long_bytes;
        return DF_BATCH_OK;
    }
    enum df_batch_result result = bytes > 0 ? pointed_strings(out, data, heap, source, chosen, &done) : DF_BATCH_OK;
    return result != DF_BATCH_OK || done ? result : copied_strings(out, data, bytes, source, chosen);
}

static bool class_fits(const struct df_column *column, uint8_t class)
{
    switch (column->kind) {
    case RHEI_DF_INTEGER:
        return class == RHEI_INTEGER;
    case RHEI_DF_REAL:
        return class == RHEI_REAL || (column->is_number && class == RHEI_INTEGER);
    case RHEI_DF_TRUTH:
        return class == RHEI_INTEGER || class == RHEI_REAL;
    case RHEI_DF_TEXT:
        return class == RHEI_TEXT;
    default:
        return class == RHEI_BLOB;
    }
}

static bool mixed_fits(const struct df_column *column, const struct mirror_column_data *source,
                       const struct chosen *chosen)
{
    for (uint32_t row = 0; row < chosen->count; row++) {
        uint32_t slot = slot_of(chosen, row);
        if (is_valid(source, slot) && source->classes[slot] != RHEI_NULL && !class_fits(column, source->classes[slot]))
            return false;
    }
    return true;
}

static enum df_batch_result mixed_numbers(struct column_data *data, const struct df_column *column,
                                          const struct mirror_column_data *source, const struct chosen *chosen)
{
    const union mirror_cell *cells = source->data;
    uint64_t *to = own(data, 1, chosen->count * sizeof *to);
    if (to == NULL)
        return DF_BATCH_NO_MEMORY;
    for (uint32_t row = 0; row < chosen->count; row++) {
        uint32_t slot = slot_of(chosen, row);
        double real = source->classes[slot] == RHEI_INTEGER ? (double)cells[slot].integer : cells[slot].real;
        if (column->kind == RHEI_DF_INTEGER)
            memcpy(&to[row], &cells[slot].integer, sizeof to[row]);
        else
            memcpy(&to[row], &real, sizeof to[row]);
    }
    return DF_BATCH_OK;
}

static bool layout_fits(const struct df_column *column, uint8_t layout)
{
    switch (layout) {
    case MIRROR_LAYOUT_INTEGER:
        return class_fits(column, RHEI_INTEGER);
    case MIRROR_LAYOUT_REAL:
        return class_fits(column, RHEI_REAL);
    case MIRROR_LAYOUT_TEXT:
        return class_fits(column, RHEI_TEXT);
    case MIRROR_LAYOUT_BLOB:
        return class_fits(column, RHEI_BLOB);
    default:
        return layout == MIRROR_LAYOUT_MIXED;
    }
}

/* No row of the snapshot has a value: zeros beneath the NULLs. */
static enum df_batch_result nothing(struct ArrowArray *out, struct column_data *data, const struct df_column *column,
                                    const struct chosen *chosen)
{
    bool is_text = column->kind == RHEI_DF_TEXT || column->kind == RHEI_DF_BLOB;
    size_t size = chosen->count * (is_text ? sizeof(struct string_view) : sizeof(uint64_t));
    void *zeros = own(data, 1, size);
    if (zeros == NULL)
        return DF_BATCH_NO_MEMORY;
    memset(zeros, 0, size);
    if (is_text) {
        out->n_buffers = 3;
        data->buffers[2] = &data->long_bytes;
    }
    return DF_BATCH_OK;
}

static bool any_value(const struct mirror_column_data *source, const struct chosen *chosen)
{
    for (uint32_t row = 0; row < chosen->count; row++)
        if (is_valid(source, slot_of(chosen, row)))
            return true;
    return false;
}

/* MIXED is what a column may still be after its other classes are gone; a NULL there may be a class of its own. */
static void mixed_valid(struct mirror_column_data *source)
{
    if (!source->has_nulls)
        memset(source->valid, 0xff, sizeof source->valid);
    source->has_nulls = true;
    for (uint32_t slot = 0; slot < MIRROR_VECTOR_ROWS; slot++)
        if (source->classes[slot] == RHEI_NULL)
            source->valid[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static enum df_batch_result column_array(const struct df_column *column, struct mirror_column_data *source,
                                         const struct chosen *chosen, struct heap *heap, struct ArrowArray *out)
{
    struct column_data *data = base_alloc_zero(1, sizeof *data);
    if (data == NULL)
        return DF_BATCH_NO_MEMORY;
    *out = (struct ArrowArray){.length = chosen->count,
                               .n_buffers = 2,
                               .buffers = data->buffers,
                               .release = column_release,
                               .private_data = data};
    /*
     * Another layout than the plan's: the segment had no value of this column when the snapshot was taken, and has got its first ones
     * since, by rows that the snapshot doesn't have.
     */
    bool empty = source->layout == MIRROR_LAYOUT_EMPTY || !layout_fits(column, source->layout);
    if (empty && source->layout != MIRROR_LAYOUT_EMPTY && any_value(source, chosen))
        return DF_BATCH_OTHER_CLASS;
    set_valid(out, data, source, chosen, empty);
    if (empty)
        return nothing(out, data, column, chosen);
    bool mixed = source->layout == MIRROR_LAYOUT_MIXED;
    if (mixed && !mixed_fits(column, source, chosen))
        return DF_BATCH_OTHER_CLASS;
    if (column->kind == RHEI_DF_TRUTH)
        return truths(data, source, chosen);
    if (column->kind == RHEI_DF_TEXT || column->kind == RHEI_DF_BLOB)
        return strings(out, data, heap, source, chosen);
    return mixed ? mixed_numbers(data, column, source, chosen) : numbers(data, column, source, chosen);
}

static struct batch_data *batch_new(struct df_scan *scan, struct mirror_hold hold, struct ArrowArray *out)
{
    struct batch_data *data = base_alloc_zero(1, sizeof *data);
    if (data == NULL)
        return NULL;
    data->children = base_alloc_zero((size_t)scan->count + 1, sizeof *data->children);
    data->pointers = base_alloc_zero((size_t)scan->count + 1, sizeof(struct ArrowArray *));
    if (data->children == NULL || data->pointers == NULL) {
        base_free(data->children);
        base_free(data->pointers);
        base_free(data);
        return NULL;
    }
    data->hold = hold;
    data->pin = scan->statement->pin;
    df_pin_share(data->pin);
    for (uint32_t i = 0; i < scan->count; i++)
        data->pointers[i] = &data->children[i];
    *out = (struct ArrowArray){.n_buffers = 1,
                               .n_children = scan->count,
                               .buffers = data->buffers,
                               .children = data->pointers,
                               .release = batch_release,
                               .private_data = data};
    return data;
}

static const uint16_t *choose(const struct mirror_scan_batch *batch, uint16_t slots[MIRROR_VECTOR_ROWS])
{
    if (batch->skip == NULL || batch->count == batch->rows)
        return NULL;
    uint32_t count = 0;
    for (uint32_t slot = mirror_scan_slot(batch, 0); slot < batch->rows; slot = mirror_scan_slot(batch, slot + 1))
        slots[count++] = (uint16_t)slot;
    return slots;
}

/* As it lies in the segment, in all of the vectors. */
static bool is_plain(const struct df_scan *scan, uint32_t column, const struct mirror_scan_batch *batches,
                     uint32_t count)
{
    static const uint8_t layouts[] = {[RHEI_DF_INTEGER] = MIRROR_LAYOUT_INTEGER,
                                      [RHEI_DF_REAL] = MIRROR_LAYOUT_REAL,
                                      [RHEI_DF_TEXT] = MIRROR_LAYOUT_TEXT,
                                      [RHEI_DF_BLOB] = MIRROR_LAYOUT_BLOB,
                                      [RHEI_DF_TRUTH] = MIRROR_LAYOUT_EMPTY};
    const struct df_column *own = &scan->columns[column];
    bool number = own->kind == RHEI_DF_INTEGER || own->kind == RHEI_DF_REAL;
    const char *expected = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct mirror_column_data source;
        mirror_scan_column(scan->scan, &batches[i], own->source, &source);
        if (source.layout == MIRROR_LAYOUT_EMPTY || source.layout != layouts[own->kind] || source.has_nulls ||
            (expected != NULL && source.data != (const void *)expected))
            return false;
        expected = (const char *)source.data + (size_t)MIRROR_VECTOR_ROWS * (number ? 8 : sizeof(struct mirror_string));
    }
    return true;
}

bool df_batches_are_one(const struct df_scan *scan, const struct mirror_scan_batch *batches, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (batches[i].vector != batches[0].vector + i || batches[i].count != MIRROR_VECTOR_ROWS)
            return false;
    for (uint32_t column = 0; column < scan->count; column++)
        if (!is_plain(scan, column, batches, count))
            return false;
    return true;
}

enum df_batch_result df_batch(struct df_scan *scan, const struct mirror_scan_batch *batch, struct mirror_hold hold,
                              struct ArrowArray *out)
{
    struct batch_data *data = batch_new(scan, hold, out);
    if (data == NULL) {
        mirror_hold_end(&hold);
        return DF_BATCH_NO_MEMORY;
    }
    uint16_t slots[MIRROR_VECTOR_ROWS];
    struct chosen chosen = {.slots = choose(batch, slots), .count = batch->count};
    struct heap heap = {.view = scan->table->view, .segment = batch->segment};
    enum df_batch_result result = DF_BATCH_OK;
    out->length = batch->count;
    for (uint32_t i = 0; i < scan->count && result == DF_BATCH_OK; i++) {
        struct mirror_column_data source;
        mirror_scan_column(scan->scan, batch, scan->columns[i].source, &source);
        if (source.layout == MIRROR_LAYOUT_MIXED)
            mixed_valid(&source);
        result = column_array(&scan->columns[i], &source, &chosen, &heap, &data->children[i]);
    }
    if (result != DF_BATCH_OK)
        out->release(out);
    return result;
}
