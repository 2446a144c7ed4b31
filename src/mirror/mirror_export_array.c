/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One column of one run as an Arrow array. Numbers of a run without dead rows are not copied, nor are views of text that
 * is all short: those arrays hold a reference to the export, and with it the snapshot.
 */
#include "mirror_export.h"

#include <errno.h>
#include <string.h>

#include "base/base_memory.h"
#include "base/base_utf8.h"

enum { MAX_BUFFERS = 4, INLINE_BYTES = 12 };

struct array_data {
    struct mirror_export *shared; /* NULL: points nowhere but to its own buffers */
    void *owned[MAX_BUFFERS];
    const void *buffers[MAX_BUFFERS];
    struct ArrowArray *children;
    struct ArrowArray **child_pointers;
    int64_t long_bytes; /* the lengths buffer of a string view */
};

static void array_release(struct ArrowArray *array)
{
    struct array_data *data = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++)
        if (data->children[i].release != NULL)
            data->children[i].release(&data->children[i]);
    for (int i = 0; i < MAX_BUFFERS; i++)
        base_free(data->owned[i]);
    base_free(data->children);
    base_free(data->child_pointers);
    mirror_export_unref(data->shared);
    base_free(data);
    array->release = NULL;
}

static struct array_data *array_new(struct ArrowArray *out, int64_t length, int64_t buffers)
{
    struct array_data *data = base_alloc_zero(1, sizeof *data);
    if (data == NULL)
        return NULL;
    *out = (struct ArrowArray){.length = length,
                               .n_buffers = buffers,
                               .buffers = data->buffers,
                               .release = array_release,
                               .private_data = data};
    return data;
}

static void *array_buffer(struct array_data *data, int number, size_t size)
{
    data->owned[number] = base_alloc(size);
    data->buffers[number] = data->owned[number];
    return data->owned[number];
}

static void share(struct array_data *data, struct mirror_export *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    data->shared = shared;
}

static int array_children(struct ArrowArray *out, uint32_t count)
{
    struct array_data *data = out->private_data;
    data->children = base_alloc_zero(count, sizeof *data->children);
    data->child_pointers = base_alloc_zero(count, sizeof(struct ArrowArray *));
    if (data->children == NULL || data->child_pointers == NULL)
        return ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        data->child_pointers[i] = &data->children[i];
    out->children = data->child_pointers;
    out->n_children = count;
    return 0;
}

int mirror_export_struct(uint32_t children, struct ArrowArray *out)
{
    struct array_data *data = array_new(out, 0, 1);
    if (data == NULL)
        return ENOMEM;
    int code = array_children(out, children);
    if (code != 0)
        out->release(out);
    return code;
}

/* ---- Validity. ------------------------------------------------------------------------------------------------------- */

static bool valid_bit(_Atomic uint64_t *words, uint32_t place)
{
    return (atomic_load_explicit(&words[place >> 6], memory_order_relaxed) >> (place & 63) & 1) != 0;
}

static void gather_valid(_Atomic uint64_t *words, const struct mirror_export_run *run, uint64_t *bitmap)
{
    if (run->places == NULL && run->first % 64 == 0) {
        for (uint32_t w = 0; w * 64 < run->count; w++)
            bitmap[w] = atomic_load_explicit(&words[run->first / 64 + w], memory_order_relaxed);
        return;
    }
    for (uint32_t i = 0; i < run->count; i++)
        bitmap[i >> 6] |= (uint64_t)valid_bit(words, mirror_run_place(run, i)) << (i & 63);
}

static int64_t count_nulls(const uint64_t *bitmap, uint32_t count)
{
    int64_t nulls = 0;
    for (uint32_t w = 0; w * 64 < count; w++) {
        uint64_t word = ~bitmap[w];
        if (count - w * 64 < 64)
            word &= (1ull << (count & 63)) - 1;
        nulls += __builtin_popcountll(word);
    }
    return nulls;
}

/* Sets buffer 0 and null_count; *bitmap = NULL when nothing is NULL. */
static int array_valid(struct ArrowArray *out, const struct mirror_column *column, const struct mirror_export_run *run,
                       uint64_t **bitmap)
{
    struct array_data *data = out->private_data;
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    _Atomic uint64_t *words = atomic_load_explicit(&column->valid, memory_order_acquire);
    *bitmap = NULL;
    if (layout != MIRROR_LAYOUT_EMPTY && words == NULL)
        return 0;
    size_t size = ((size_t)run->count + 63) / 64 * sizeof(uint64_t);
    uint64_t *bits = array_buffer(data, 0, size);
    if (bits == NULL)
        return ENOMEM;
    memset(bits, 0, size);
    if (layout != MIRROR_LAYOUT_EMPTY)
        gather_valid(words, run, bits);
    out->null_count = count_nulls(bits, run->count);
    *bitmap = bits;
    if (out->null_count == 0)
        data->buffers[0] = NULL;
    return 0;
}

static bool is_mixed(const struct mirror_column *column)
{
    return atomic_load_explicit(&column->layout, memory_order_acquire) == MIRROR_LAYOUT_MIXED;
}

/*
 * Another layout than the kind's: the column had no value when the export began, so it has none in this snapshot. But
 * MIXED is what a column may still be after its other classes are gone: every live cell is of the kind, or NULL and zero.
 */
static bool holds_none(const struct mirror_column *column, uint8_t layout)
{
    return atomic_load_explicit(&column->layout, memory_order_acquire) != layout && !is_mixed(column);
}

/* ---- Numbers. -------------------------------------------------------------------------------------------------------- */

static int numbers(struct mirror_export *shared, const struct mirror_column *column, uint8_t layout,
                   const struct mirror_export_run *run, struct ArrowArray *out)
{
    struct array_data *data = array_new(out, run->count, 2);
    uint64_t *bitmap;
    if (data == NULL || array_valid(out, column, run, &bitmap) != 0)
        return ENOMEM;
    bool empty = holds_none(column, layout), mixed = is_mixed(column);
    if (!empty && !mixed && run->places == NULL && !run->segment->remote) {
        data->buffers[1] = (const uint64_t *)column->data + run->first;
        share(data, shared);
        return 0;
    }
    uint64_t *values = array_buffer(data, 1, run->count * sizeof *values);
    if (values == NULL)
        return ENOMEM;
    if (empty) {
        memset(values, 0, run->count * sizeof *values);
        return 0;
    }
    const uint64_t *from = column->data;
    for (uint32_t i = 0; i < run->count; i++)
        values[i] = from[(mixed ? 2 : 1) * (size_t)mirror_run_place(run, i)];
    return 0;
}

/* ---- Text and BLOB. --------------------------------------------------------------------------------------------------- */

static size_t string_bytes(const struct mirror_string *strings, const struct mirror_export_run *run)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < run->count; i++)
        bytes += strings[mirror_run_place(run, i)].as.inlined.length; /* 0 where it is NULL */
    return bytes;
}

static void copy_strings(const struct mirror_string *strings, const struct mirror_export_run *run, int32_t *offsets,
                         char *bytes)
{
    size_t used = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct mirror_string *string = &strings[mirror_run_place(run, i)];
        uint32_t length = string->as.inlined.length;
        offsets[i] = (int32_t)used;
        if (length <= INLINE_BYTES)
            memcpy(bytes + used, string->as.inlined.bytes, INLINE_BYTES); /* the buffer has room to overshoot */
        else
            memcpy(bytes + used, string->as.pointer.bytes, length);
        used += length;
    }
    offsets[run->count] = (int32_t)used;
}

static int plain_strings(const struct mirror_column *column, uint8_t layout, const struct mirror_export_run *run,
                         struct ArrowArray *out)
{
    struct array_data *data = array_new(out, run->count, 3);
    uint64_t *bitmap;
    if (data == NULL || array_valid(out, column, run, &bitmap) != 0)
        return ENOMEM;
    bool empty = holds_none(column, layout);
    size_t bytes = empty ? 0 : string_bytes(column->data, run);
    int32_t *offsets = array_buffer(data, 1, ((size_t)run->count + 1) * sizeof *offsets);
    char *text = array_buffer(data, 2, bytes + INLINE_BYTES);
    if (offsets == NULL || text == NULL)
        return ENOMEM;
    if (empty)
        memset(offsets, 0, ((size_t)run->count + 1) * sizeof *offsets);
    else
        copy_strings(column->data, run, offsets, text);
    return 0;
}

/* Arrow's string view: our layout while a string is short; a long one has buffer and offset in the pointer's place. */
struct string_view {
    int32_t length;
    char prefix[4];
    int32_t buffer, offset;
};

static size_t long_bytes(const struct mirror_string *strings, const struct mirror_export_run *run)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        uint32_t length = strings[mirror_run_place(run, i)].as.inlined.length;
        bytes += length > INLINE_BYTES ? length : 0;
    }
    return bytes;
}

static void copy_views(const struct mirror_string *strings, const struct mirror_export_run *run,
                       struct string_view *views, char *bytes)
{
    size_t used = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct mirror_string *string = &strings[mirror_run_place(run, i)];
        uint32_t length = string->as.inlined.length;
        memcpy(&views[i], string, sizeof views[i]);
        if (length <= INLINE_BYTES)
            continue;
        views[i].buffer = 0;
        views[i].offset = (int32_t)used;
        memcpy(bytes + used, string->as.pointer.bytes, length);
        used += length;
    }
}

/* Buffer and offset of bytes in one of the chunks; *last is where the string before was. */
static bool find_chunk(const void *const *chunks, const int64_t *lengths, uint32_t count, const char *bytes,
                       uint32_t *last, int32_t *offset)
{
    for (uint32_t i = 0, c = *last; i < count; i++, c = c + 1 < count ? c + 1 : 0) {
        uint64_t distance = (uint64_t)((uintptr_t)bytes - (uintptr_t)chunks[c]);
        if (distance < (uint64_t)lengths[c]) {
            *last = c;
            *offset = (int32_t)distance;
            return true;
        }
    }
    return false;
}

static bool point_views(const struct mirror_string *strings, uint32_t count, const void *const *chunks,
                        const int64_t *lengths, uint32_t chunk_count, struct string_view *views)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        int32_t offset;
        memcpy(&views[i], &strings[i], sizeof views[i]);
        if (strings[i].as.inlined.length <= INLINE_BYTES)
            continue;
        if (!find_chunk(chunks, lengths, chunk_count, strings[i].as.pointer.bytes, &last, &offset))
            return false;
        views[i].buffer = (int32_t)last;
        views[i].offset = offset;
    }
    return true;
}

/*
 * Views into the segment's own heap: no byte of text is copied. Only of a sealed segment, whose heap nobody changes, and where
 * most of the heap is the run's, since who writes the batch somewhere may write all of it. *shared_all = false: not done.
 */
static int views_of_heap(struct mirror_export *shared, const struct mirror_column *column,
                         const struct mirror_export_run *run, struct ArrowArray *out, bool *shared_all)
{
    struct array_data *data = out->private_data;
    const void *chunks[MIRROR_MOST_CHUNKS];
    int64_t lengths[MIRROR_MOST_CHUNKS];
    *shared_all = false;
    if (run->places != NULL || shared->segment == shared->view->tail_number || run->count < run->segment->rows / 2 ||
        is_mixed(column))
        return 0;
    uint32_t count = mirror_heap_chunks(run->segment, chunks, lengths);
    if (count == 0)
        return 0;
    struct string_view *views = base_alloc(run->count * sizeof *views);
    if (views == NULL)
        return ENOMEM;
    if (!point_views((const struct mirror_string *)column->data + run->first, run->count, chunks, lengths, count,
                     views)) {
        base_free(views);
        return 0;
    }
    size_t pointers = (count + 3) * sizeof(void *);
    char *room = array_buffer(data, 3, pointers + count * sizeof(int64_t));
    data->owned[1] = views;
    if (room == NULL)
        return ENOMEM;
    const void **buffers = (const void **)(void *)room;
    memcpy(room + pointers, lengths, count * sizeof(int64_t));
    buffers[0] = data->buffers[0];
    buffers[1] = views;
    memcpy(&buffers[2], chunks, count * sizeof(void *));
    buffers[count + 2] = room + pointers;
    out->buffers = buffers;
    out->n_buffers = count + 3;
    share(data, shared);
    *shared_all = true;
    return 0;
}

static int string_views(struct mirror_export *shared, const struct mirror_column *column,
                        const struct mirror_export_run *run, struct ArrowArray *out)
{
    struct array_data *data = array_new(out, run->count, 3);
    uint64_t *bitmap;
    if (data == NULL || array_valid(out, column, run, &bitmap) != 0)
        return ENOMEM;
    bool empty = holds_none(column, MIRROR_LAYOUT_TEXT), done = false;
    if (!empty && !run->segment->remote && views_of_heap(shared, column, run, out, &done) != 0)
        return ENOMEM;
    if (done)
        return 0;
    size_t bytes = empty ? 0 : long_bytes(column->data, run);
    data->buffers[2] = &data->long_bytes; /* no lengths: nothing is read from it */
    if (!empty && bytes == 0 && run->places == NULL && !run->segment->remote) {
        data->buffers[1] = (const struct mirror_string *)column->data + run->first;
        share(data, shared);
        return 0;
    }
    struct string_view *views = array_buffer(data, 1, run->count * sizeof *views);
    char *text = bytes == 0 ? NULL : array_buffer(data, 2, bytes);
    if (views == NULL || (bytes > 0 && text == NULL))
        return ENOMEM;
    if (bytes > 0) {
        data->long_bytes = (int64_t)bytes;
        data->buffers[3] = &data->long_bytes;
        out->n_buffers = 4;
    }
    if (empty)
        memset(views, 0, run->count * sizeof *views);
    else
        copy_views(column->data, run, views, text);
    return 0;
}

/* ---- Columns of several classes. -------------------------------------------------------------------------------------- */

struct union_child {
    uint32_t count;
    size_t bytes;
};

static uint32_t child_of(const struct mirror_export_column *column, const struct rhei_value *value)
{
    if (value->type == RHEI_NULL)
        return 0;
    if (value->type == RHEI_TEXT && column->check_utf8 && !base_utf8_valid(value->as.bytes, value->length))
        return RHEI_BLOB - 1;
    return value->type - 1u;
}

static void count_children(const struct mirror_export_column *column, const struct mirror_export_run *run,
                           int8_t *types, int32_t *offsets, struct union_child *children)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct rhei_value value;
        mirror_segment_value(run->segment, column->number, mirror_run_place(run, i), &value);
        uint32_t child = child_of(column, &value);
        types[i] = (int8_t)child;
        offsets[i] = (int32_t)children[child].count++;
        if (value.type == RHEI_TEXT || value.type == RHEI_BLOB)
            children[child].bytes += value.length;
    }
}

/* A number child: values, and for child 0 a bitmap; a string child: offsets and bytes, or views and bytes. */
static int child_new(struct ArrowArray *out, uint32_t child, const struct union_child *size, bool view)
{
    bool strings = child >= 2;
    struct array_data *data = array_new(out, size->count, strings ? 3 : 2);
    if (data == NULL)
        return ENOMEM;
    size_t width = !strings ? 8 : view ? sizeof(struct string_view) : sizeof(int32_t);
    void *slots = array_buffer(data, 1, (size->count + 1) * width);
    void *bytes = strings ? array_buffer(data, 2, size->bytes + INLINE_BYTES) : NULL;
    size_t bitmap_size = ((size_t)size->count + 63) / 64 * sizeof(uint64_t);
    void *bitmap = child == 0 ? array_buffer(data, 0, bitmap_size) : NULL;
    if (slots == NULL || (strings && bytes == NULL) || (child == 0 && bitmap == NULL))
        return ENOMEM;
    memset(slots, 0, (size->count + 1) * width);
    if (bitmap != NULL)
        memset(bitmap, 0, bitmap_size);
    if (view) {
        out->n_buffers = 4;
        data->buffers[3] = &data->long_bytes;
    }
    return 0;
}

static void put_number(struct ArrowArray *array, int32_t at, const struct rhei_value *value)
{
    struct array_data *data = array->private_data;
    if (value->type == RHEI_NULL) {
        array->null_count++;
        return;
    }
    memcpy((uint64_t *)data->owned[1] + at, &value->as, sizeof(uint64_t));
    if (data->owned[0] != NULL)
        ((uint64_t *)data->owned[0])[at >> 6] |= 1ull << (at & 63);
}

static void put_view(struct ArrowArray *array, int32_t at, const struct rhei_value *value)
{
    struct array_data *data = array->private_data;
    struct string_view *view = (struct string_view *)data->owned[1] + at;
    view->length = (int32_t)value->length;
    if (value->length <= INLINE_BYTES) {
        memcpy(view->prefix, value->as.bytes, value->length);
        return;
    }
    memcpy(view->prefix, value->as.bytes, sizeof view->prefix);
    view->offset = (int32_t)data->long_bytes;
    memcpy((char *)data->owned[2] + data->long_bytes, value->as.bytes, value->length);
    data->long_bytes += value->length;
}

static void put_string(struct ArrowArray *array, int32_t at, const struct rhei_value *value)
{
    struct array_data *data = array->private_data;
    int32_t *offsets = data->owned[1];
    memcpy((char *)data->owned[2] + offsets[at], value->as.bytes, value->length);
    offsets[at + 1] = offsets[at] + (int32_t)value->length;
}

static int dense_union(struct mirror_export *shared, const struct mirror_export_column *column,
                       const struct mirror_export_run *run, struct ArrowArray *out)
{
    struct union_child sizes[MIRROR_EXPORT_CHILDREN] = {0};
    struct array_data *data = array_new(out, run->count, 2);
    if (data == NULL)
        return ENOMEM;
    int8_t *types = array_buffer(data, 0, run->count);
    int32_t *offsets = array_buffer(data, 1, run->count * sizeof *offsets);
    if (types == NULL || offsets == NULL || array_children(out, MIRROR_EXPORT_CHILDREN) != 0)
        return ENOMEM;
    count_children(column, run, types, offsets, sizes);
    for (uint32_t c = 0; c < MIRROR_EXPORT_CHILDREN; c++)
        if (child_new(out->children[c], c, &sizes[c], c == 2 && shared->strings_view) != 0)
            return ENOMEM;
    for (uint32_t i = 0; i < run->count; i++) {
        struct rhei_value value;
        mirror_segment_value(run->segment, column->number, mirror_run_place(run, i), &value);
        struct ArrowArray *child = out->children[types[i]];
        if (types[i] < 2)
            put_number(child, offsets[i], &value);
        else if (types[i] == 2 && shared->strings_view)
            put_view(child, offsets[i], &value);
        else
            put_string(child, offsets[i], &value);
    }
    return 0;
}

int mirror_export_array(struct mirror_export *shared, const struct mirror_export_column *column,
                        const struct mirror_export_run *run, struct ArrowArray *out)
{
    const struct mirror_column *source = &run->segment->column[column->number];
    int code;
    mirror_column_touch(source);
    switch (column->kind) {
    case MIRROR_EXPORT_INTEGER:
    case MIRROR_EXPORT_REAL:
        code = numbers(shared, source, column->kind, run, out);
        break;
    case MIRROR_EXPORT_UNION:
        code = dense_union(shared, column, run, out);
        break;
    default:
        if (column->kind == MIRROR_EXPORT_TEXT && shared->strings_view)
            code = string_views(shared, source, run, out);
        else
            code = plain_strings(source, column->kind, run, out);
        break;
    }
    if (code != 0 && out->release != NULL)
        out->release(out);
    return code;
}
