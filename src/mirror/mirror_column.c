/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second pass of apply: one column of many changes at a time, in loops that know their layout.
 *
 * Zone maps and flags widen as values arrive; a value that is overwritten later in the same cycle leaves them as they are.
 */
#include "mirror_internal.h"

#include <math.h>
#include <string.h>

#include "base/base_utf8.h"

static const uint64_t ASCII_MASK = 0x8080808080808080u;
static const uint64_t LOW_ONES = 0x0101010101010101u;
static const double WHOLE_LIMIT = 9007199254740992.0; /* 2^53 */
static const int64_t WHOLE_INTEGER = 9007199254740992;

/* What one run over values gathers before it goes to the shared zone maps and flags. */
struct gather {
    struct mirror_column *column;
    uint32_t vector;
    int64_t low, high; /* of this vector */
    uint32_t flags;
    struct mirror_column_seen *seen;
    double (*floor)(int64_t);
    double (*ceiling)(int64_t);
};

static void zone_widen(struct mirror_zone *zone, int64_t low, int64_t high)
{
    if (low < atomic_load_explicit(&zone->low, memory_order_relaxed))
        atomic_store_explicit(&zone->low, low, memory_order_relaxed);
    if (high > atomic_load_explicit(&zone->high, memory_order_relaxed))
        atomic_store_explicit(&zone->high, high, memory_order_relaxed);
}

static void flush_zone(struct gather *gather)
{
    if (gather->low > gather->high)
        return;
    zone_widen(&gather->column->zones[gather->vector], gather->low, gather->high);
    double low = gather->floor(gather->low), high = gather->ceiling(gather->high);
    gather->seen->low = low < gather->seen->low ? low : gather->seen->low;
    gather->seen->high = high > gather->seen->high ? high : gather->seen->high;
}

static inline void enter_vector(struct gather *gather, uint32_t place)
{
    uint32_t vector = place / MIRROR_VECTOR_ROWS;
    if (vector == gather->vector)
        return;
    flush_zone(gather);
    gather->vector = vector;
    gather->low = INT64_MAX;
    gather->high = INT64_MIN;
}

static inline void gather_number(struct gather *gather, int64_t key)
{
    gather->low = key < gather->low ? key : gather->low;
    gather->high = key > gather->high ? key : gather->high;
}

static void gather_end(struct gather *gather)
{
    flush_zone(gather);
    gather->seen->flags |= gather->flags;
    uint32_t old = atomic_load_explicit(&gather->column->flags, memory_order_relaxed);
    if ((gather->flags & ~old) != 0)
        atomic_store_explicit(&gather->column->flags, old | gather->flags, memory_order_relaxed);
}

static rhei_status put_null(struct mirror *mirror, struct mirror_segment *segment, struct mirror_column *column,
                            uint32_t place)
{
    _Atomic uint64_t *valid = atomic_load_explicit(&column->valid, memory_order_relaxed);
    if (valid == NULL) {
        size_t words = ((size_t)segment->bitmap_rows + 63) / 64;
        void *memory;
        rhei_status status = mirror_memory_alloc(&mirror->memory, words * sizeof(uint64_t), &memory);
        if (status != RHEI_OK)
            return status;
        valid = memory;
        for (size_t w = 0; w < words; w++)
            atomic_init(&valid[w], UINT64_MAX);
        atomic_store_explicit(&column->valid, valid, memory_order_release);
    }
    uint64_t word = atomic_load_explicit(&valid[place >> 6], memory_order_relaxed);
    atomic_store_explicit(&valid[place >> 6], word & ~(1ull << (place & 63)), memory_order_relaxed);
    return RHEI_OK;
}

/* The slot may have been NULL: overwritten in this cycle, or older than the column's layout. */
static inline void put_valid(struct mirror_column *column, uint32_t place)
{
    _Atomic uint64_t *valid = atomic_load_explicit(&column->valid, memory_order_relaxed);
    if (valid == NULL)
        return;
    uint64_t word = atomic_load_explicit(&valid[place >> 6], memory_order_relaxed);
    uint64_t bit = 1ull << (place & 63);
    if ((word & bit) == 0)
        atomic_store_explicit(&valid[place >> 6], word | bit, memory_order_relaxed);
}

static rhei_status gather_null(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                               uint32_t place)
{
    gather->flags |= MIRROR_HAS_NULL;
    return put_null(mirror, segment, gather->column, place);
}

/* Consecutive slots, which is what appended rows get. */
static bool is_run(const uint32_t *targets, size_t count)
{
    uint32_t apart = 0;
    for (size_t i = 0; i < count; i++)
        apart |= targets[i] ^ (targets[0] + (uint32_t)i);
    return count > 0 && targets[0] != MIRROR_NO_TARGET && apart == 0;
}

uint32_t mirror_real_flags(double value)
{
    if (!(fabs(value) <= WHOLE_LIMIT))
        return MIRROR_NOT_WHOLE | (isinf(value) ? MIRROR_INFINITE : 0u);
    if (value == 0)
        return signbit(value) ? MIRROR_NEGATIVE_ZERO : 0u;
    return (double)(int64_t)value != value ? MIRROR_NOT_WHOLE : 0u;
}

static inline void gather_real(struct gather *gather, double value)
{
    gather->flags |= mirror_real_flags(value);
    if (!isnan(value))
        gather_number(gather, mirror_real_key(value));
}

/* Nothing but integers into consecutive slots of one vector; false: something else is among them, and all is to be written anew. */
static bool write_integer_run(struct gather *gather, const struct rhei_value *values, uint32_t place, size_t count)
{
    int64_t *data = (int64_t *)gather->column->data + place, low = INT64_MAX, high = INT64_MIN;
    uint32_t other = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t value = values[i].as.integer;
        other |= values[i].type ^ (uint32_t)RHEI_INTEGER;
        data[i] = value;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    if (other != 0)
        return false;
    enter_vector(gather, place);
    gather_number(gather, low);
    gather_number(gather, high);
    return true;
}

/* The same of reals. */
static bool write_real_run(struct gather *gather, const struct rhei_value *values, uint32_t place, size_t count)
{
    double *data = (double *)gather->column->data + place;
    uint32_t other = 0;
    for (size_t i = 0; i < count; i++)
        other |= values[i].type ^ (uint32_t)RHEI_REAL;
    if (other != 0)
        return false;
    enter_vector(gather, place);
    for (size_t i = 0; i < count; i++) {
        data[i] = values[i].as.real;
        gather_real(gather, values[i].as.real);
    }
    return true;
}

/* How many of the first rows are written: whole runs within vectors. */
static size_t write_runs(struct gather *gather, const struct mirror_segment *segment, const struct rhei_value *values,
                         const uint32_t *targets, size_t count,
                         bool (*write)(struct gather *gather, const struct rhei_value *values, uint32_t place,
                                       size_t count))
{
    size_t done = 0;
    if (atomic_load_explicit(&gather->column->valid, memory_order_relaxed) != NULL || !is_run(targets, count))
        return 0;
    while (done < count) {
        uint32_t place = targets[done];
        size_t left = MIRROR_VECTOR_ROWS - place % MIRROR_VECTOR_ROWS;
        size_t most = left < count - done ? left : count - done;
        BASE_INVARIANT(place + most <= segment->capacity);
        if (!write(gather, values + done, place, most))
            return done;
        done += most;
    }
    return done;
}

static rhei_status write_integers(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                                  const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    struct mirror_column *column = gather->column;
    int64_t *data = column->data;
    for (size_t i = write_runs(gather, segment, values, targets, count, write_integer_run); i < count; i++) {
        uint32_t place = targets[i];
        if (place == MIRROR_NO_TARGET)
            continue;
        if (values[i].type == RHEI_NULL) {
            data[place] = 0;
            rhei_status status = gather_null(mirror, segment, gather, place);
            if (status != RHEI_OK)
                return status;
            continue;
        }
        enter_vector(gather, place);
        BASE_INVARIANT(place < segment->capacity && values[i].type == RHEI_INTEGER);
        data[place] = values[i].as.integer;
        gather_number(gather, values[i].as.integer);
        put_valid(column, place);
    }
    return RHEI_OK;
}

static rhei_status write_reals(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                               const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    struct mirror_column *column = gather->column;
    double *data = column->data;
    for (size_t i = write_runs(gather, segment, values, targets, count, write_real_run); i < count; i++) {
        uint32_t place = targets[i];
        if (place == MIRROR_NO_TARGET)
            continue;
        if (values[i].type == RHEI_NULL) {
            data[place] = 0;
            rhei_status status = gather_null(mirror, segment, gather, place);
            if (status != RHEI_OK)
                return status;
            continue;
        }
        enter_vector(gather, place);
        BASE_INVARIANT(place < segment->capacity && values[i].type == RHEI_REAL);
        data[place] = values[i].as.real;
        gather_real(gather, values[i].as.real);
        put_valid(column, place);
    }
    return RHEI_OK;
}

double mirror_integer_floor(int64_t value)
{
    double nearest = (double)value;
    if (nearest >= 0x1p63 || (int64_t)nearest > value)
        return nextafter(nearest, -INFINITY);
    return nearest;
}

double mirror_integer_ceiling(int64_t value)
{
    double nearest = (double)value;
    if (nearest < 0x1p63 && (int64_t)nearest < value)
        return nextafter(nearest, INFINITY);
    return nearest;
}

/* ASCII and NUL of eight bytes at once; base_utf8_valid only looks at what has other bytes. */
uint32_t mirror_text_flags(const char *bytes, uint32_t length, uint32_t known)
{
    uint64_t any = 0, nul = 0;
    uint32_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        any |= word;
        nul |= (word - LOW_ONES) & ~word & ASCII_MASK;
    }
    for (; i < length; i++) {
        any |= (uint64_t)(uint8_t)bytes[i];
        nul |= bytes[i] == 0;
    }
    uint32_t flags = nul != 0 ? MIRROR_HAS_NUL : 0u;
    if ((any & ASCII_MASK) != 0) {
        flags |= MIRROR_NON_ASCII;
        if ((known & MIRROR_INVALID_UTF8) == 0 && !base_utf8_valid(bytes, length))
            flags |= MIRROR_INVALID_UTF8;
    }
    return flags;
}

/* Up to 12 bytes as two words, the rest zero, without reading past the end. */
static inline void load_short(const char *bytes, uint32_t length, uint64_t *first, uint32_t *second)
{
    *first = 0;
    *second = 0;
    if (length >= 8) {
        uint32_t rest = length - 8;
        uint64_t tail;
        memcpy(first, bytes, 8);
        memcpy(&tail, bytes + rest, 8);
        *second = rest == 0 ? 0 : (uint32_t)(tail >> (64 - 8 * rest));
    } else if (length >= 4) {
        uint32_t head, tail;
        memcpy(&head, bytes, 4);
        memcpy(&tail, bytes + length - 4, 4);
        *first = head | (uint64_t)tail << (8 * (length - 4));
    } else {
        for (uint32_t i = 0; i < length; i++)
            *first |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
    }
}

static inline bool has_zero_byte(uint64_t word)
{
    return ((word - LOW_ONES) & ~word & ASCII_MASK) != 0;
}

/* Flags of a short text from its two words. */
static inline uint32_t short_flags(const char *bytes, uint32_t length, uint64_t first, uint32_t second, uint32_t known)
{
    uint64_t filled = length >= 8 ? first : first | UINT64_MAX << (8 * length);
    uint64_t filled_second = length <= 8 ? UINT64_MAX : (uint64_t)second | UINT64_MAX << (8 * (length - 8));
    bool nul = has_zero_byte(filled) || has_zero_byte(filled_second);
    if (((first | second) & ASCII_MASK) == 0)
        return nul ? MIRROR_HAS_NUL : 0u;
    return mirror_text_flags(bytes, length, known);
}

static inline rhei_status put_string(struct mirror *mirror, struct mirror_segment *segment, struct mirror_string *slot,
                                     const struct rhei_value *value, uint32_t *flags)
{
    const char *bytes = value->as.bytes;
    uint32_t length = value->length;
    bool text = value->type == RHEI_TEXT;
    if (length <= sizeof slot->as.inlined.bytes) {
        uint64_t first;
        uint32_t second;
        load_short(bytes, length, &first, &second);
        slot->as.inlined.length = length;
        memcpy(slot->as.inlined.bytes, &first, 8);
        memcpy(slot->as.inlined.bytes + 8, &second, 4);
        if (text)
            *flags |= short_flags(bytes, length, first, second, *flags);
        return RHEI_OK;
    }
    if (text)
        *flags |= mirror_text_flags(bytes, length, *flags);
    slot->as.pointer.length = length;
    memcpy(slot->as.pointer.prefix, bytes, sizeof slot->as.pointer.prefix);
    return mirror_heap_copy(mirror, segment, bytes, length, &slot->as.pointer.bytes);
}

/* Short strings into consecutive slots, up to something else; how many of them. */
static size_t write_short_run(struct gather *gather, const struct rhei_value *values, uint32_t place, size_t count)
{
    struct mirror_string *slot = (struct mirror_string *)gather->column->data + place;
    const char *before = NULL; /* often the same constant */
    uint32_t before_length = 0, second = 0;
    uint64_t first = 0;
    size_t done = 0;
    for (; done < count; done++, slot++) {
        const struct rhei_value *value = &values[done];
        const char *bytes = value->as.bytes;
        if (value->type < RHEI_TEXT || value->length > sizeof slot->as.inlined.bytes)
            break;
        if (bytes != before || value->length != before_length) {
            load_short(bytes, value->length, &first, &second);
            if (value->type == RHEI_TEXT)
                gather->flags |= short_flags(bytes, value->length, first, second, gather->flags);
        }
        before = bytes;
        before_length = value->length;
        slot->as.inlined.length = value->length;
        memcpy(slot->as.inlined.bytes, &first, sizeof first);
        memcpy(slot->as.inlined.bytes + sizeof first, &second, sizeof second);
    }
    return done;
}

static rhei_status write_strings(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                                 const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    struct mirror_column *column = gather->column;
    struct mirror_string *data = column->data;
    rhei_status status = RHEI_OK;
    size_t i = 0;
    if (atomic_load_explicit(&column->valid, memory_order_relaxed) == NULL && is_run(targets, count)) {
        BASE_INVARIANT(targets[0] + count <= segment->capacity);
        i = write_short_run(gather, values, targets[0], count);
    }
    for (; i < count && status == RHEI_OK; i++) {
        uint32_t place = targets[i];
        if (place == MIRROR_NO_TARGET)
            continue;
        if (values[i].type == RHEI_NULL) {
            gather->flags |= MIRROR_HAS_NULL;
            memset(&data[place], 0, sizeof data[place]);
            status = put_null(mirror, segment, column, place);
            continue;
        }
        BASE_INVARIANT(place < segment->capacity && values[i].type >= RHEI_TEXT);
        status = put_string(mirror, segment, &data[place], &values[i], &gather->flags);
        put_valid(column, place);
    }
    return status;
}

/* Numbers of a MIXED column go into its zones as REALs, rounded outward. */
static void gather_mixed_integer(struct gather *gather, int64_t value)
{
    gather_number(gather, mirror_real_key(mirror_integer_floor(value)));
    gather_number(gather, mirror_real_key(mirror_integer_ceiling(value)));
    if (value > WHOLE_INTEGER || value < -WHOLE_INTEGER)
        gather->flags |= MIRROR_BIG_INTEGER;
}

static rhei_status put_mixed(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                             const struct rhei_value *value, uint32_t place)
{
    struct mirror_column *column = gather->column;
    union mirror_cell *cell = (union mirror_cell *)column->data + place;
    BASE_INVARIANT(place < segment->capacity && value->type <= RHEI_BLOB);
    uint8_t before = column->classes[place]; /* set: the row is overwritten in place */
    if (before != MIRROR_CLASS_UNSET)
        column->live[before]--;
    column->live[value->type]++;
    column->classes[place] = value->type;
    gather->flags |= 1u << value->type;
    if (value->type != RHEI_TEXT && value->type != RHEI_BLOB)
        memset(cell, 0, sizeof *cell);
    if (value->type == RHEI_NULL)
        return put_null(mirror, segment, column, place);
    put_valid(column, place);
    enter_vector(gather, place);
    switch (value->type) {
    case RHEI_INTEGER:
        cell->integer = value->as.integer;
        gather_mixed_integer(gather, value->as.integer);
        return RHEI_OK;
    case RHEI_REAL:
        cell->real = value->as.real;
        gather_real(gather, value->as.real);
        return RHEI_OK;
    default:
        return put_string(mirror, segment, &cell->string, value, &gather->flags);
    }
}

static rhei_status write_mixed(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                               const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count && status == RHEI_OK; i++)
        if (targets[i] != MIRROR_NO_TARGET)
            status = put_mixed(mirror, segment, gather, &values[i], targets[i]);
    return status;
}

static rhei_status write_layout(struct mirror *mirror, struct mirror_segment *segment, struct gather *gather,
                                uint8_t layout, const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    switch (layout) {
    case MIRROR_LAYOUT_INTEGER:
        gather->floor = mirror_integer_floor;
        gather->ceiling = mirror_integer_ceiling;
        return write_integers(mirror, segment, gather, values, targets, count);
    case MIRROR_LAYOUT_REAL:
        return write_reals(mirror, segment, gather, values, targets, count);
    case MIRROR_LAYOUT_MIXED:
        return write_mixed(mirror, segment, gather, values, targets, count);
    default:
        return write_strings(mirror, segment, gather, values, targets, count);
    }
}

/* The flags that follow from a single-class layout and the extremes alone. */
static uint32_t layout_flags(uint8_t layout, const struct mirror_column_seen *seen)
{
    bool big = layout == MIRROR_LAYOUT_INTEGER && (seen->low < -WHOLE_LIMIT || seen->high > WHOLE_LIMIT);
    return big ? MIRROR_BIG_INTEGER : 0u;
}

static bool any_value(const struct rhei_value *values, const uint32_t *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i] != MIRROR_NO_TARGET && values[i].type != RHEI_NULL)
            return true;
    return false;
}

rhei_status mirror_segment_write(struct mirror *mirror, struct mirror_segment *segment, uint32_t number,
                                 const struct rhei_value *values, const uint32_t *targets, size_t count,
                                 struct mirror_column_seen *seen)
{
    struct mirror_column *column = &segment->column[number];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
    struct gather gather = {
        .column = column,
        .vector = UINT32_MAX,
        .low = INT64_MAX,
        .high = INT64_MIN,
        .seen = seen,
        .floor = mirror_key_real,
        .ceiling = mirror_key_real,
    };
    *seen = (struct mirror_column_seen){.low = INFINITY, .high = -INFINITY};
    if (layout == MIRROR_LAYOUT_EMPTY) {
        for (size_t i = 0; i < count && gather.flags == 0; i++)
            gather.flags |= targets[i] != MIRROR_NO_TARGET ? MIRROR_HAS_NULL : 0u;
        gather_end(&gather);
        return RHEI_OK;
    }
    rhei_status status = write_layout(mirror, segment, &gather, layout, values, targets, count);
    flush_zone(&gather);
    gather.flags |= layout_flags(layout, seen);
    if (layout != MIRROR_LAYOUT_MIXED && any_value(values, targets, count))
        gather.flags |= 1u << layout;
    gather_end(&gather);
    return status;
}
