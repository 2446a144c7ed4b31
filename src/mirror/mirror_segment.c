/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: making, giving a column its layout, sealing, reading one cell.
 *
 * Invariants:
 *  1. A column's layout changes at most once, from EMPTY, and only in a segment that is a tail.
 *  2. A slot of a NULL value holds zero bytes, so that whoever copies whole vectors copies nothing undefined.
 *  3. A string's unused inline bytes are zero; its long bytes live in this segment's heap, which it may share with those it
 *     grew out of.
 *  4. `counts` are exact from sealing on and not to be read before.
 */
#include "mirror_internal.h"
#include "mirror_part.h"

#include <string.h>

#include "base/base_utf8.h"

static size_t segment_size(uint32_t columns, uint32_t vectors)
{
    size_t size = sizeof(struct mirror_segment) + (size_t)columns * sizeof(struct mirror_column);
    return size + (size_t)columns * vectors * sizeof(struct mirror_zone);
}

rhei_status mirror_segment_new(struct mirror *mirror, uint32_t columns, uint32_t capacity, struct mirror_segment **out)
{
    uint32_t vectors = (capacity + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS;
    size_t size = segment_size(columns, vectors);
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, size, &memory);
    *out = memory;
    if (status != RHEI_OK)
        return status;
    struct mirror_segment *segment = memory;
    segment->garbage.kind = MIRROR_KIND_SEGMENT;
    segment->serial = atomic_fetch_add_explicit(&mirror->serial, 1, memory_order_relaxed);
    segment->lineage = segment->serial;
    segment->size = size;
    segment->capacity = capacity;
    segment->bitmap_rows = capacity;
    segment->column_count = columns;
    struct mirror_zone *zones = (struct mirror_zone *)&segment->column[columns];
    for (size_t i = 0; i < (size_t)columns * vectors; i++) {
        atomic_init(&zones[i].low, INT64_MAX);
        atomic_init(&zones[i].high, INT64_MIN);
    }
    for (uint32_t c = 0; c < columns; c++)
        segment->column[c].zones = zones + (size_t)c * vectors;
    return RHEI_OK;
}

static size_t bitmap_bytes(const struct mirror_segment *segment)
{
    return ((size_t)segment->bitmap_rows + 63) / 64 * sizeof(uint64_t);
}

void mirror_segment_free(struct mirror *mirror, struct mirror_segment *segment)
{
    if (segment == NULL)
        return;
    for (uint32_t c = 0; c < segment->column_count; c++) {
        struct mirror_column *column = &segment->column[c];
        mirror_run_free(&mirror->memory, &column->data_run);
        mirror_run_free(&mirror->memory, &column->classes_run);
        mirror_foreign_free(mirror, column->foreign);
        mirror_memory_free(&mirror->memory, (void *)atomic_load_explicit(&column->valid, memory_order_relaxed),
                           bitmap_bytes(segment));
        mirror_memory_free(&mirror->memory, (void *)atomic_load_explicit(&column->parts, memory_order_relaxed),
                           mirror_parts_size(segment));
    }
    mirror_heap_free(mirror, segment->heap);
    mirror_memory_free(&mirror->memory, segment->map, sizeof *segment->map);
    mirror_memory_free(&mirror->memory, segment->origin, 2 * bitmap_bytes(segment));
    mirror_memory_free(&mirror->memory, segment->dead, bitmap_bytes(segment));
    mirror_memory_free(&mirror->memory, segment, segment->size);
}

size_t mirror_segment_size(const struct mirror_segment *segment)
{
    size_t size = segment->size;
    for (uint32_t c = 0; c < segment->column_count; c++)
        size += mirror_run_counted(&segment->column[c].data_run) + mirror_run_counted(&segment->column[c].classes_run) +
                (segment->remote ? 0 : mirror_foreign_bytes(segment->column[c].foreign)); /* those come and go */
    if (segment->heap != NULL && !segment->outgrown) /* else the one that took its rows over counts it */
        size += segment->heap->bytes - segment->heap->borrowed;
    return size;
}

uint8_t mirror_layout_of(uint32_t classes)
{
    switch (classes & ~(uint32_t)MIRROR_HAS_NULL) {
    case 0:
        return MIRROR_LAYOUT_EMPTY;
    case MIRROR_HAS_INTEGER:
        return MIRROR_LAYOUT_INTEGER;
    case MIRROR_HAS_REAL:
        return MIRROR_LAYOUT_REAL;
    case MIRROR_HAS_TEXT:
        return MIRROR_LAYOUT_TEXT;
    case MIRROR_HAS_BLOB:
        return MIRROR_LAYOUT_BLOB;
    default:
        return MIRROR_LAYOUT_MIXED;
    }
}

static size_t slot_width(uint8_t layout)
{
    return layout == MIRROR_LAYOUT_INTEGER || layout == MIRROR_LAYOUT_REAL ? 8 : 16;
}

/* A validity bitmap that says NULL below `rows` and valid from there on. */
static rhei_status valid_new(struct mirror *mirror, const struct mirror_segment *segment, uint32_t rows,
                             _Atomic uint64_t **out)
{
    void *memory;
    rhei_status status = mirror_memory_alloc(&mirror->memory, bitmap_bytes(segment), &memory);
    if (status != RHEI_OK)
        return status;
    _Atomic uint64_t *words = memory;
    for (uint32_t w = 0; w < (segment->bitmap_rows + 63) / 64; w++) {
        uint64_t word = UINT64_MAX;
        if ((uint64_t)(w + 1) * 64 <= rows)
            word = 0;
        else if (w * 64 < rows)
            word = UINT64_MAX << (rows & 63);
        atomic_init(&words[w], word);
    }
    *out = words;
    return RHEI_OK;
}

rhei_status mirror_segment_materialise(struct mirror *mirror, struct mirror_segment *segment, uint32_t number,
                                       uint8_t layout, uint32_t rows)
{
    struct mirror_column *column = &segment->column[number];
    struct mirror_run data = {0}, classes = {0};
    _Atomic uint64_t *valid = NULL;
    size_t width = slot_width(layout);
    rhei_status status = mirror_run_alloc(&mirror->memory, width * segment->capacity, &data);
    if (status == RHEI_OK && layout == MIRROR_LAYOUT_MIXED)
        status = mirror_run_alloc(&mirror->memory, segment->capacity, &classes);
    if (status == RHEI_OK && rows > 0)
        status = valid_new(mirror, segment, rows, &valid);
    if (status != RHEI_OK) {
        mirror_run_free(&mirror->memory, &data);
        mirror_run_free(&mirror->memory, &classes);
        return status;
    }
    memset(data.data, 0, width * rows);
    if (classes.data != NULL) {
        memset(classes.data, RHEI_NULL, rows);
        memset((char *)classes.data + rows, MIRROR_CLASS_UNSET, segment->capacity - rows);
        segment->mixed_columns++;
    }
    column->data_run = data;
    column->classes_run = classes;
    column->data = data.data;
    column->classes = classes.data;
    /* A reader of an older version either finds EMPTY, or the layout with its rows marked NULL: the same values. */
    atomic_store_explicit(&column->valid, valid, memory_order_release);
    atomic_store_explicit(&column->layout, layout, memory_order_release);
    return RHEI_OK;
}

/*
 * Words that both segments' bitmaps have: one that was made for more rows than it has room for now has longer ones than a bigger
 * one that takes its place. The rows of `from` are among them.
 */
static size_t common_words(const struct mirror_segment *from, const struct mirror_segment *to)
{
    uint32_t rows = from->bitmap_rows < to->bitmap_rows ? from->bitmap_rows : to->bitmap_rows;
    return ((size_t)rows + 63) / 64;
}

static rhei_status copy_valid(struct mirror *mirror, const struct mirror_segment *from,
                              const struct mirror_column *source, const struct mirror_segment *to,
                              struct mirror_column *column)
{
    _Atomic uint64_t *words = atomic_load_explicit(&source->valid, memory_order_relaxed), *copy;
    if (words == NULL)
        return RHEI_OK;
    rhei_status status = valid_new(mirror, to, 0, &copy);
    if (status != RHEI_OK)
        return status;
    for (uint32_t w = 0; w < common_words(from, to); w++)
        atomic_init(&copy[w], atomic_load_explicit(&words[w], memory_order_relaxed));
    atomic_store_explicit(&column->valid, copy, memory_order_release);
    return RHEI_OK;
}

static rhei_status copy_column(struct mirror *mirror, const struct mirror_segment *from, struct mirror_segment *to,
                               uint32_t number, uint32_t rows)
{
    const struct mirror_column *source = &from->column[number];
    struct mirror_column *column = &to->column[number];
    uint8_t layout = atomic_load_explicit(&source->layout, memory_order_relaxed);
    atomic_init(&column->flags, atomic_load_explicit(&source->flags, memory_order_relaxed));
    column->held = source->held;
    if (layout == MIRROR_LAYOUT_EMPTY)
        return RHEI_OK;
    rhei_status status = mirror_segment_materialise(mirror, to, number, layout, 0);
    if (status == RHEI_OK)
        status = copy_valid(mirror, from, source, to, column);
    if (status != RHEI_OK)
        return status;
    memcpy(column->data, source->data, slot_width(layout) * rows);
    if (source->classes != NULL)
        memcpy(column->classes, source->classes, rows);
    memcpy(column->live, source->live, sizeof column->live);
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < rows; v++) {
        atomic_init(&column->zones[v].low, atomic_load_explicit(&source->zones[v].low, memory_order_relaxed));
        atomic_init(&column->zones[v].high, atomic_load_explicit(&source->zones[v].high, memory_order_relaxed));
    }
    return RHEI_OK;
}

/* Two bitmaps, one behind the other (mirror_apply.c). */
rhei_status mirror_segment_copy_origin(struct mirror *mirror, const struct mirror_segment *from,
                                       struct mirror_segment *to)
{
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, 2 * bitmap_bytes(to), &memory);
    if (status != RHEI_OK)
        return status;
    to->origin = memory;
    size_t bytes = common_words(from, to) * sizeof(uint64_t);
    memcpy(to->origin, from->origin, bytes);
    memcpy(to->origin + to->bitmap_rows / 64, from->origin + from->bitmap_rows / 64, bytes);
    return RHEI_OK;
}

rhei_status mirror_segment_grow(struct mirror *mirror, struct mirror_segment *from, uint32_t capacity, uint32_t rows,
                                struct mirror_segment **out)
{
    rhei_status status = mirror_segment_new(mirror, from->column_count, capacity, out);
    if (status != RHEI_OK)
        return status;
    struct mirror_segment *to = *out;
    for (uint32_t c = 0; c < from->column_count && status == RHEI_OK; c++)
        status = copy_column(mirror, from, to, c, rows);
    if (status == RHEI_OK)
        status = mirror_segment_copy_origin(mirror, from, to);
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, to);
        *out = NULL;
        return status;
    }
    to->number = from->number;
    to->lineage = from->lineage;
    to->opened = from->opened;
    to->live_rows = from->live_rows;
    to->heap = from->heap;
    if (to->heap != NULL)
        to->heap->holders++;
    return RHEI_OK;
}

void mirror_segment_trim(struct mirror *mirror, struct mirror_segment *segment, uint32_t rows)
{
    enum { STEP = MIRROR_UNIT_BYTES / 8 }; /* slots that make a unit in the narrowest layout */
    uint32_t capacity = rows / STEP * STEP + (rows % STEP == 0 ? 0 : STEP);
    if (rows == 0 || capacity >= segment->capacity)
        return;
    segment->capacity = capacity;
    for (uint32_t c = 0; c < segment->column_count; c++) {
        struct mirror_column *column = &segment->column[c];
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
        if (layout == MIRROR_LAYOUT_EMPTY)
            continue;
        mirror_run_shrink(&mirror->memory, &column->data_run, slot_width(layout) * capacity);
        mirror_run_shrink(&mirror->memory, &column->classes_run, capacity);
    }
}

size_t mirror_segment_slot_bytes(const struct mirror_segment *segment)
{
    size_t bytes = 0;
    for (uint32_t c = 0; c < segment->column_count; c++) {
        uint8_t layout = atomic_load_explicit(&segment->column[c].layout, memory_order_relaxed);
        bytes += layout == MIRROR_LAYOUT_EMPTY ? 0 : mirror_layout_bytes(layout);
    }
    return bytes;
}

size_t mirror_segment_long_bytes(const struct mirror_segment *segment, uint32_t place)
{
    size_t bytes = 0;
    for (uint32_t c = 0; c < segment->column_count; c++) {
        const struct mirror_column *column = &segment->column[c];
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
        if (segment->remote || atomic_load_explicit(&column->untouched, memory_order_acquire))
            continue; /* in a file: nothing of it is held here */
        uint8_t class = layout == MIRROR_LAYOUT_MIXED ? column->classes[place] : layout;
        if (class != RHEI_TEXT && class != RHEI_BLOB)
            continue;
        const struct mirror_string *string = (const struct mirror_string *)column->data + place;
        uint32_t length = string->as.inlined.length;
        bytes += length <= sizeof string->as.inlined.bytes ? 0 : length;
    }
    return bytes;
}

static uint32_t count_nulls(const struct mirror_column *column, uint32_t rows)
{
    _Atomic uint64_t *valid = atomic_load_explicit(&column->valid, memory_order_relaxed);
    if (valid == NULL)
        return 0;
    uint32_t nulls = 0;
    for (uint32_t w = 0; w * 64 < rows; w++) {
        uint64_t word = ~atomic_load_explicit(&valid[w], memory_order_relaxed);
        if (rows - w * 64 < 64)
            word &= (1ull << (rows & 63)) - 1;
        nulls += (uint32_t)__builtin_popcountll(word);
    }
    return nulls;
}

static void count_classes(struct mirror_column *column, uint32_t rows)
{
    memset(column->counts, 0, sizeof column->counts);
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
    if (layout == MIRROR_LAYOUT_EMPTY) {
        column->counts[RHEI_NULL] = rows;
    } else if (layout == MIRROR_LAYOUT_MIXED) {
        for (uint32_t i = 0; i < rows; i++)
            column->counts[column->classes[i]]++;
    } else { /* the other layouts carry the number of their class */
        column->counts[RHEI_NULL] = count_nulls(column, rows);
        column->counts[layout] = rows - column->counts[RHEI_NULL];
    }
}

_Static_assert((int)MIRROR_LAYOUT_INTEGER == (int)RHEI_INTEGER && (int)MIRROR_LAYOUT_REAL == (int)RHEI_REAL &&
                   (int)MIRROR_LAYOUT_TEXT == (int)RHEI_TEXT && (int)MIRROR_LAYOUT_BLOB == (int)RHEI_BLOB,
               "a single-class layout is numbered as its class");

void mirror_segment_seal(struct mirror_segment *segment, uint32_t rows)
{
    segment->rows = rows;
    if (segment->map == NULL)
        segment->logical_rows = rows;
    for (uint32_t c = 0; c < segment->column_count; c++)
        count_classes(&segment->column[c], rows);
    atomic_store_explicit(&segment->heap_live, segment->heap == NULL ? 0 : segment->heap->bytes, memory_order_relaxed);
}

void mirror_segment_prefetch(const struct mirror_segment *segment, const struct source_table *definition,
                             uint32_t place)
{
    for (uint32_t k = 0; k < definition->key_count; k++) {
        const struct mirror_column *column = &segment->column[definition->key_columns[k]];
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
        if (layout != MIRROR_LAYOUT_EMPTY && !segment->remote &&
            !atomic_load_explicit(&column->untouched, memory_order_acquire))
            __builtin_prefetch((const char *)column->data + slot_width(layout) * place);
    }
}

static bool is_null(const struct mirror_column *column, uint32_t place)
{
    _Atomic uint64_t *valid = atomic_load_explicit(&column->valid, memory_order_acquire);
    return valid != NULL && (atomic_load_explicit(&valid[place >> 6], memory_order_relaxed) >> (place & 63) & 1) == 0;
}

static void string_value(const struct mirror_string *string, uint8_t type, struct rhei_value *out)
{
    out->type = type;
    out->as.bytes = mirror_string_bytes(string, &out->length);
}

/* Kept out of the way of columns that are there: those pay a flag, and no frame for a call. */
static __attribute__((noinline, cold)) void untouched_value(const struct mirror_segment *segment, uint32_t number,
                                                            uint32_t place, struct rhei_value *out)
{
    mirror_column_touch(&segment->column[number]);
    mirror_segment_value(segment, number, place, out);
}

static inline bool is_untouched(const struct mirror_column *column)
{
    BASE_INVARIANT(mirror_column_is_held(column));
    return __builtin_expect(atomic_load(&column->untouched), 0);
}

void mirror_segment_value(const struct mirror_segment *segment, uint32_t number, uint32_t place, struct rhei_value *out)
{
    const struct mirror_column *column = &segment->column[number];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    memset(out, 0, sizeof *out);
    if (is_untouched(column)) {
        untouched_value(segment, number, place, out);
        return;
    }
    if (layout == MIRROR_LAYOUT_EMPTY || is_null(column, place))
        return;
    bool mixed = layout == MIRROR_LAYOUT_MIXED;
    uint8_t type = mixed ? column->classes[place] : layout;
    size_t slot = mixed ? 2 * (size_t)place : place; /* of 8-byte numbers */
    switch (type) {
    case RHEI_INTEGER:
        out->as.integer = ((const int64_t *)column->data)[slot];
        break;
    case RHEI_REAL:
        out->as.real = ((const double *)column->data)[slot];
        break;
    default:
        string_value(&((const struct mirror_string *)column->data)[place], type, out);
        break;
    }
    out->type = type;
}

void mirror_segment_values(const struct mirror_segment *segment, uint32_t number, const uint32_t *places, size_t count,
                           struct rhei_value *out)
{
    const struct mirror_column *column = &segment->column[number];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    bool plain = !is_untouched(column) && layout != MIRROR_LAYOUT_EMPTY && layout != MIRROR_LAYOUT_MIXED &&
                 atomic_load_explicit(&column->valid, memory_order_acquire) == NULL;
    const int64_t *numbers = column->data;
    const struct mirror_string *strings = column->data;
    if (layout == MIRROR_LAYOUT_EMPTY && !is_untouched(column)) {
        memset(out, 0, count * sizeof *out);
    } else if (!plain) {
        for (size_t i = 0; i < count; i++)
            mirror_segment_value(segment, number, places[i], &out[i]);
    } else if (layout == MIRROR_LAYOUT_TEXT || layout == MIRROR_LAYOUT_BLOB) {
        for (size_t i = 0; i < count; i++) {
            out[i] = (struct rhei_value){.type = layout};
            string_value(&strings[places[i]], layout, &out[i]);
        }
    } else { /* a REAL's bits are moved as they are */
        for (size_t i = 0; i < count; i++)
            out[i] = (struct rhei_value){.type = layout, .as.integer = numbers[places[i]]};
    }
}

const char *mirror_string_bytes(const struct mirror_string *string, uint32_t *length)
{
    *length = string->as.inlined.length;
    return *length <= sizeof string->as.inlined.bytes ? string->as.inlined.bytes : string->as.pointer.bytes;
}
