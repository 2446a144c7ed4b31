/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants:
 * 1. OPEN: all parts are empty. PLAIN: only parts[slot] holds anything, one entry a row.
 * 2. UNION: types and offsets have one entry a row; a NULL is a null entry of parts[0], no other part has nulls; offsets
 *    into one part grow by one.
 * 3. A null entry of text or BLOB has no bytes.
 * 4. A part's bitmap is empty (every entry valid) or has one bit an entry.
 */
#include "arrow_column.h"

#include <string.h>

#include "base/base_memory.h"
#include "base/base_utf8.h"

static uint8_t *buffer_reallocate(struct ArrowBufferAllocator *allocator, uint8_t *pointer, int64_t old_size,
                                  int64_t new_size)
{
    (void)allocator;
    (void)old_size;
    uint8_t *grown = base_realloc(pointer, (size_t)new_size);
    if (grown == NULL)
        base_free(pointer); /* nanoarrow forgets it */
    return grown;
}

static void buffer_free(struct ArrowBufferAllocator *allocator, uint8_t *pointer, int64_t size)
{
    (void)allocator;
    (void)size;
    base_free(pointer);
}

void arrow_buffer_init(struct ArrowBuffer *buffer)
{
    ArrowBufferInit(buffer);
    buffer->allocator = (struct ArrowBufferAllocator){buffer_reallocate, buffer_free, NULL};
}

/* ---- Parts -------------------------------------------------------------------------------------------------------- */

static void part_init(struct arrow_part *part)
{
    arrow_buffer_init(&part->values);
    arrow_buffer_init(&part->bytes);
    ArrowBitmapInit(&part->valid);
    arrow_buffer_init(&part->valid.buffer);
    part->length = 0;
    part->null_count = 0;
}

static void part_reset(struct arrow_part *part)
{
    ArrowBufferReset(&part->values);
    ArrowBufferReset(&part->bytes);
    ArrowBitmapReset(&part->valid);
    part_init(part);
}

static bool has_offsets(uint8_t slot, bool view)
{
    return slot == ARROW_SLOT_BLOB || (slot == ARROW_SLOT_TEXT && !view);
}

static int append_bytes(struct arrow_part *part, const void *bytes, uint32_t length)
{
    if (part->length == 0)
        NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt32(&part->values, 0));
    NANOARROW_RETURN_NOT_OK(ArrowBufferAppend(&part->bytes, bytes, length));
    return ArrowBufferAppendInt32(&part->values, (int32_t)part->bytes.size_bytes);
}

static int append_view(struct arrow_part *part, const void *bytes, uint32_t length)
{
    union ArrowBinaryView view;
    memset(&view, 0, sizeof view);
    view.inlined.size = (int32_t)length;
    if (length <= sizeof view.inlined.data) {
        if (length > 0)
            memcpy(view.inlined.data, bytes, length);
    } else {
        memcpy(view.ref.prefix, bytes, sizeof view.ref.prefix);
        view.ref.offset = (int32_t)part->bytes.size_bytes;
        NANOARROW_RETURN_NOT_OK(ArrowBufferAppend(&part->bytes, bytes, length));
    }
    return ArrowBufferAppend(&part->values, &view, sizeof view);
}

static int append_value(struct arrow_part *part, uint8_t slot, bool view, const struct rhei_value *value)
{
    if (slot == ARROW_SLOT_INTEGER)
        NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt64(&part->values, value->as.integer));
    else if (slot == ARROW_SLOT_REAL)
        NANOARROW_RETURN_NOT_OK(ArrowBufferAppendDouble(&part->values, value->as.real));
    else if (has_offsets(slot, view))
        NANOARROW_RETURN_NOT_OK(append_bytes(part, value->as.bytes, value->length));
    else
        NANOARROW_RETURN_NOT_OK(append_view(part, value->as.bytes, value->length));
    if (part->valid.size_bits > 0)
        NANOARROW_RETURN_NOT_OK(ArrowBitmapAppend(&part->valid, 1, 1));
    part->length++;
    return NANOARROW_OK;
}

static int append_nulls(struct arrow_part *part, uint8_t slot, bool view, int64_t count)
{
    static const struct rhei_value nothing = {.as = {.integer = 0}, .length = 0, .type = RHEI_NULL};
    if (count > 0 && part->valid.size_bits == 0 && part->length > 0)
        NANOARROW_RETURN_NOT_OK(ArrowBitmapAppend(&part->valid, 1, part->length));
    for (int64_t i = 0; i < count; i++) {
        NANOARROW_RETURN_NOT_OK(ArrowBitmapAppend(&part->valid, 0, 1));
        int64_t bits = part->valid.size_bits;
        part->valid.size_bits = 0; /* so that append_value adds no bit of its own */
        int failure = append_value(part, slot, view, &nothing);
        part->valid.size_bits = bits;
        NANOARROW_RETURN_NOT_OK(failure);
    }
    part->null_count += count;
    return NANOARROW_OK;
}

/* Takes the null entries out, in place. By invariant 3 the bytes need not move. */
static void drop_nulls(struct arrow_part *part, uint8_t slot, bool view)
{
    bool offsets = has_offsets(slot, view);
    size_t width = offsets ? sizeof(int32_t) : slot == ARROW_SLOT_TEXT ? sizeof(union ArrowBinaryView) : 8;
    uint8_t *base = part->values.data + (offsets ? width : 0); /* the entry's end offset moves with it */
    int64_t kept = 0;
    for (int64_t i = 0; i < part->length; i++) {
        if (!ArrowBitGet(part->valid.buffer.data, i))
            continue;
        memmove(base + (size_t)kept * width, base + (size_t)i * width, width);
        kept++;
    }
    part->values.size_bytes = (kept + (offsets ? 1 : 0)) * (int64_t)width;
    part->length = kept;
    part->null_count = 0;
    ArrowBitmapReset(&part->valid);
    arrow_buffer_init(&part->valid.buffer);
}

static int part_finish(struct arrow_part *part, uint8_t slot, bool view, struct ArrowArray *array)
{
    array->length = part->length;
    if (part->valid.size_bits > 0)
        ArrowArraySetValidityBitmap(array, &part->valid);
    array->null_count = part->null_count;
    if (has_offsets(slot, view)) {
        if (part->length == 0)
            NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt32(&part->values, 0));
        NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, 2, &part->bytes));
    } else if (slot == ARROW_SLOT_TEXT && part->bytes.size_bytes > 0) {
        NANOARROW_RETURN_NOT_OK(ArrowArrayAddVariadicBuffers(array, 1));
        NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, 2, &part->bytes));
    }
    NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, 1, &part->values));
    part_reset(part);
    return NANOARROW_OK;
}

/* ---- Columns ------------------------------------------------------------------------------------------------------ */

static uint8_t slot_of_class(uint8_t type)
{
    return (uint8_t)(type - RHEI_INTEGER);
}

static uint8_t slot_of_value(const struct rhei_value *value)
{
    if (value->type == RHEI_TEXT && !base_utf8_valid(value->as.bytes, value->length))
        return ARROW_SLOT_BLOB;
    return slot_of_class(value->type);
}

void arrow_column_init(struct arrow_column *column, uint8_t known, bool strings_view)
{
    *column = (struct arrow_column){.mode = ARROW_COLUMN_OPEN, .strings_view = strings_view};
    arrow_buffer_init(&column->types);
    arrow_buffer_init(&column->offsets);
    for (uint8_t slot = 0; slot < ARROW_SLOT_COUNT; slot++)
        part_init(&column->parts[slot]);
    if (known != RHEI_NULL) {
        column->mode = ARROW_COLUMN_PLAIN;
        column->slot = slot_of_class(known);
        column->fixed = true;
    }
}

void arrow_column_reset(struct arrow_column *column)
{
    ArrowBufferReset(&column->types);
    ArrowBufferReset(&column->offsets);
    for (uint8_t slot = 0; slot < ARROW_SLOT_COUNT; slot++)
        part_reset(&column->parts[slot]);
}

static int become_plain(struct arrow_column *column, uint8_t slot)
{
    column->mode = ARROW_COLUMN_PLAIN;
    column->slot = slot;
    int64_t nulls = column->open_nulls;
    column->open_nulls = 0;
    return append_nulls(&column->parts[slot], slot, column->strings_view, nulls);
}

static int append_place(struct arrow_column *column, uint8_t slot, int64_t offset)
{
    NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt8(&column->types, (int8_t)slot));
    return ArrowBufferAppendInt32(&column->offsets, (int32_t)offset);
}

static int become_union(struct arrow_column *column)
{
    if (column->mode == ARROW_COLUMN_OPEN)
        NANOARROW_RETURN_NOT_OK(become_plain(column, ARROW_SLOT_INTEGER));
    uint8_t slot = column->slot;
    struct arrow_part *part = &column->parts[slot];
    struct arrow_part *nulls = &column->parts[ARROW_SLOT_INTEGER];
    column->mode = ARROW_COLUMN_UNION;
    int64_t values = 0;
    for (int64_t i = 0; i < part->length; i++) {
        bool valid = slot == ARROW_SLOT_INTEGER || part->null_count == 0 || ArrowBitGet(part->valid.buffer.data, i);
        if (valid) {
            NANOARROW_RETURN_NOT_OK(append_place(column, slot, values++));
        } else {
            NANOARROW_RETURN_NOT_OK(append_place(column, ARROW_SLOT_INTEGER, nulls->length));
            NANOARROW_RETURN_NOT_OK(append_nulls(nulls, ARROW_SLOT_INTEGER, column->strings_view, 1));
        }
    }
    if (slot != ARROW_SLOT_INTEGER && part->null_count > 0)
        drop_nulls(part, slot, column->strings_view);
    return NANOARROW_OK;
}

static int append_null(struct arrow_column *column)
{
    if (column->mode == ARROW_COLUMN_OPEN) {
        column->open_nulls++;
        return NANOARROW_OK;
    }
    if (column->mode == ARROW_COLUMN_PLAIN)
        return append_nulls(&column->parts[column->slot], column->slot, column->strings_view, 1);
    struct arrow_part *part = &column->parts[ARROW_SLOT_INTEGER];
    NANOARROW_RETURN_NOT_OK(append_place(column, ARROW_SLOT_INTEGER, part->length));
    return append_nulls(part, ARROW_SLOT_INTEGER, column->strings_view, 1);
}

rhei_status arrow_column_append(struct arrow_column *column, const struct rhei_value *value)
{
    if (value->type == RHEI_NULL)
        return append_null(column) == NANOARROW_OK ? RHEI_OK : RHEI_NO_MEMORY;
    uint8_t slot = slot_of_value(value);
    if (column->mode == ARROW_COLUMN_OPEN && become_plain(column, slot) != NANOARROW_OK)
        return RHEI_NO_MEMORY;
    if (column->mode == ARROW_COLUMN_PLAIN && column->slot != slot) {
        if (column->fixed)
            return RHEI_INTERNAL;
        if (become_union(column) != NANOARROW_OK)
            return RHEI_NO_MEMORY;
    }
    struct arrow_part *part = &column->parts[slot];
    if (column->mode == ARROW_COLUMN_UNION && append_place(column, slot, part->length) != NANOARROW_OK)
        return RHEI_NO_MEMORY;
    return append_value(part, slot, column->strings_view, value) == NANOARROW_OK ? RHEI_OK : RHEI_NO_MEMORY;
}

rhei_status arrow_column_fix(struct arrow_column *column, bool whole, uint8_t usual)
{
    int failure = NANOARROW_OK;
    if (!column->fixed && !whole && column->mode != ARROW_COLUMN_UNION)
        failure = become_union(column);
    else if (!column->fixed && column->mode == ARROW_COLUMN_OPEN)
        failure = become_plain(column, usual == RHEI_NULL ? ARROW_SLOT_INTEGER : slot_of_class(usual));
    column->fixed = true;
    return failure == NANOARROW_OK ? RHEI_OK : RHEI_NO_MEMORY;
}

rhei_status arrow_column_fix_seen(struct arrow_column *column, uint8_t seen, uint8_t usual)
{
    unsigned own = column->mode == ARROW_COLUMN_PLAIN ? 1u << (column->slot + RHEI_INTEGER) : 0;
    unsigned classes = (seen | own) & ~(1u << RHEI_NULL);
    bool many = (classes & (classes - 1)) != 0;
    int failure = NANOARROW_OK;
    if (!column->fixed && many && column->mode != ARROW_COLUMN_UNION)
        failure = become_union(column);
    else if (!column->fixed && column->mode == ARROW_COLUMN_OPEN && classes != 0)
        failure = become_plain(column, slot_of_class((uint8_t)__builtin_ctz(classes)));
    return failure == NANOARROW_OK ? arrow_column_fix(column, true, usual) : RHEI_NO_MEMORY;
}

static enum ArrowType slot_type(const struct arrow_column *column, int slot)
{
    static const enum ArrowType types[] = {NANOARROW_TYPE_INT64, NANOARROW_TYPE_DOUBLE, NANOARROW_TYPE_STRING,
                                           NANOARROW_TYPE_BINARY};
    return slot == ARROW_SLOT_TEXT && column->strings_view ? NANOARROW_TYPE_STRING_VIEW : types[slot];
}

int arrow_column_schema(const struct arrow_column *column, struct ArrowSchema *out)
{
    static const char *const child_names[] = {"integer", "real", "text", "blob"};
    if (column->mode == ARROW_COLUMN_PLAIN)
        return ArrowSchemaSetType(out, slot_type(column, column->slot));
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeUnion(out, NANOARROW_TYPE_DENSE_UNION, ARROW_SLOT_COUNT));
    for (int slot = 0; slot < ARROW_SLOT_COUNT; slot++) {
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(out->children[slot], slot_type(column, slot)));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(out->children[slot], child_names[slot]));
    }
    return NANOARROW_OK;
}

int arrow_column_finish(struct arrow_column *column, struct ArrowArray *array)
{
    if (column->mode == ARROW_COLUMN_PLAIN)
        return part_finish(&column->parts[column->slot], column->slot, column->strings_view, array);
    array->length = column->types.size_bytes;
    array->null_count = 0;
    NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, 0, &column->types));
    NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, 1, &column->offsets));
    for (uint8_t slot = 0; slot < ARROW_SLOT_COUNT; slot++)
        NANOARROW_RETURN_NOT_OK(part_finish(&column->parts[slot], slot, column->strings_view, array->children[slot]));
    arrow_buffer_init(&column->types);
    arrow_buffer_init(&column->offsets);
    return NANOARROW_OK;
}
