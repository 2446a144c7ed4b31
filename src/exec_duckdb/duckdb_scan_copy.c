/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the mirror's vectors into DuckDB's: memcpy where the layouts are one, value by value where they aren't. */
#include <string.h>

#include "exec_duckdb/duckdb_internal.h"

_Static_assert(sizeof(struct mirror_string) == sizeof(duckdb_string_t), "the mirror's strings are DuckDB's");
_Static_assert(offsetof(struct mirror_string, as.pointer.bytes) == offsetof(duckdb_string_t, value.pointer.ptr),
               "the mirror's strings are DuckDB's");

static void need_validity(struct duck_target *target)
{
    if (target->valid == NULL) {
        target->api->vector_ensure_validity_writable(target->vector);
        target->valid = target->api->vector_get_validity(target->vector);
    }
}

static void set_bits(uint64_t *bits, uint32_t at, uint64_t values, uint32_t count)
{
    uint64_t mask = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    uint32_t shift = at % 64;
    bits[at / 64] = (bits[at / 64] & ~(mask << shift)) | ((values & mask) << shift);
}

static uint64_t get_bits(const uint64_t *bits, uint32_t at, uint32_t count)
{
    uint32_t shift = at % 64;
    uint64_t values = bits[at / 64] >> shift;
    if (shift + count > 64)
        values |= bits[at / 64 + 1] << (64 - shift);
    return values;
}

/* Copies bits from one place to another, up to 64 at a time, never across a word of the target. */
static void copy_bits(uint64_t *target, uint32_t to, const uint64_t *source, uint32_t from, uint32_t count)
{
    while (count > 0) {
        uint32_t part = 64 - to % 64;
        if (part > count)
            part = count;
        set_bits(target, to, get_bits(source, from, part), part);
        from += part;
        to += part;
        count -= part;
    }
}

static void copy_validity(struct duck_target *target, const struct mirror_column_data *source, uint32_t from,
                          uint32_t to, uint32_t count)
{
    if (source->has_nulls) {
        need_validity(target);
        copy_bits(target->valid, to, source->valid, from, count);
    }
}

static void set_null(struct duck_target *target, uint32_t row)
{
    need_validity(target);
    target->valid[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

static size_t width_of(enum duck_column_kind kind)
{
    switch (kind) {
    case DUCK_IS_INTEGER:
        return sizeof(bool);
    case DUCK_TEXT:
    case DUCK_BLOB:
    case DUCK_UNREADABLE:
        return sizeof(struct mirror_string);
    default:
        return sizeof(int64_t);
    }
}

static bool same_layout(enum duck_column_kind kind, uint8_t layout)
{
    return (kind == DUCK_INTEGER && layout == MIRROR_LAYOUT_INTEGER) ||
           ((kind == DUCK_REAL || kind == DUCK_NUMBER) && layout == MIRROR_LAYOUT_REAL) ||
           (kind == DUCK_TEXT && layout == MIRROR_LAYOUT_TEXT) || (kind == DUCK_BLOB && layout == MIRROR_LAYOUT_BLOB);
}

static bool set_mixed(struct duck_target *target, enum duck_column_kind kind, uint8_t class,
                      const union mirror_cell *cell, uint32_t row)
{
    switch (kind) {
    case DUCK_INTEGER:
        ((int64_t *)target->data)[row] = cell->integer;
        return class == RHEI_INTEGER;
    case DUCK_REAL:
        ((double *)target->data)[row] = cell->real;
        return class == RHEI_REAL;
    case DUCK_NUMBER:
        ((double *)target->data)[row] = class == RHEI_INTEGER ? (double)cell->integer : cell->real;
        return class == RHEI_INTEGER || class == RHEI_REAL;
    case DUCK_IS_INTEGER:
        ((bool *)target->data)[row] = class == RHEI_INTEGER;
        return class == RHEI_INTEGER || class == RHEI_REAL;
    case DUCK_TEXT:
        ((struct mirror_string *)target->data)[row] = cell->string;
        return class == RHEI_TEXT;
    case DUCK_BLOB:
        ((struct mirror_string *)target->data)[row] = cell->string;
        return class == RHEI_BLOB;
    default:
        return false;
    }
}

static bool copy_mixed(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *source,
                       uint32_t from, uint32_t to, uint32_t count)
{
    const union mirror_cell *cells = source->data;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t class = source->classes[from + i];
        if (source->has_nulls && (source->valid[(from + i) / 64] >> ((from + i) % 64) & 1) == 0)
            class = RHEI_NULL;
        if (class == RHEI_NULL)
            set_null(target, to + i);
        else if (!set_mixed(target, kind, class, &cells[from + i], to + i))
            return false;
    }
    return true;
}

/*
 * Another layout than the plan's: the segment had no value of this column when the snapshot was taken, and has got its first
 * ones since, by rows that the snapshot doesn't have. Then the rows are NULL, and what is beneath NULL doesn't matter.
 */
static bool all_null(const struct mirror_column_data *source, uint32_t from, uint32_t count)
{
    if (!source->has_nulls)
        return count == 0;
    for (uint32_t done = 0; done < count;) {
        uint32_t part = count - done < 64 - (from + done) % 64 ? count - done : 64 - (from + done) % 64;
        if (get_bits(source->valid, from + done, part) << (64 - part) != 0)
            return false;
        done += part;
    }
    return true;
}

bool duck_copy_rows(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *source,
                    uint32_t from, uint32_t to, uint32_t count)
{
    if (source->layout == MIRROR_LAYOUT_MIXED)
        return copy_mixed(target, kind, source, from, to, count);
    if (source->layout == MIRROR_LAYOUT_EMPTY) {
        static const uint64_t none[MIRROR_VECTOR_ROWS / 64];
        need_validity(target);
        copy_bits(target->valid, to, none, 0, count);
        return true;
    }
    copy_validity(target, source, from, to, count);
    if (same_layout(kind, source->layout)) {
        size_t width = width_of(kind);
        memcpy((char *)target->data + to * width, (const char *)source->data + from * width, count * width);
        return true;
    }
    if (kind == DUCK_NUMBER && source->layout == MIRROR_LAYOUT_INTEGER) {
        const int64_t *integers = (const int64_t *)source->data + from;
        double *reals = (double *)target->data + to;
        for (uint32_t i = 0; i < count; i++)
            reals[i] = (double)integers[i];
        return true;
    }
    if (kind == DUCK_IS_INTEGER && (source->layout == MIRROR_LAYOUT_INTEGER || source->layout == MIRROR_LAYOUT_REAL)) {
        memset((bool *)target->data + to, source->layout == MIRROR_LAYOUT_INTEGER, count);
        return true;
    }
    return all_null(source, from, count);
}

/* ---- Chosen rows. ------------------------------------------------------------------------------------------------------ */

static void gather_validity(struct duck_target *target, const struct mirror_column_data *source, const uint16_t *rows,
                            uint32_t count)
{
    need_validity(target);
    for (uint32_t first = 0; first < count; first += 64) {
        uint32_t part = count - first < 64 ? count - first : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < part; i++)
            word |= (source->valid[rows[first + i] / 64] >> (rows[first + i] % 64) & 1) << i;
        set_bits(target->valid, first, word, part);
    }
}

bool duck_gathers(enum duck_column_kind kind, uint8_t layout)
{
    return same_layout(kind, layout) || (kind == DUCK_NUMBER && layout == MIRROR_LAYOUT_INTEGER);
}

void duck_gather_rows(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *source,
                      const uint16_t *rows, uint32_t count)
{
    if (source->has_nulls)
        gather_validity(target, source, rows, count);
    if (kind == DUCK_NUMBER && source->layout == MIRROR_LAYOUT_INTEGER) {
        const int64_t *integers = source->data;
        double *reals = target->data;
        for (uint32_t i = 0; i < count; i++)
            reals[i] = (double)integers[rows[i]];
    } else if (width_of(kind) == sizeof(uint64_t)) {
        const uint64_t *from = source->data;
        uint64_t *to = target->data;
        for (uint32_t i = 0; i < count; i++)
            to[i] = from[rows[i]];
    } else {
        const struct mirror_string *from = source->data;
        struct mirror_string *to = target->data;
        for (uint32_t i = 0; i < count; i++)
            to[i] = from[rows[i]];
    }
}
