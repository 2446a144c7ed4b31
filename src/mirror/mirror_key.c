/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: hashing and equality of SQLite's values, and comparing a key of a batch with a row that is there. */
#include "mirror_internal.h"

#include <math.h>
#include <string.h>

#include "base/base_map.h"

static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* A REAL that equals an integer, as that integer. */
static bool as_integer(const struct rhei_value *value, int64_t *integer)
{
    if (value->type == RHEI_INTEGER) {
        *integer = value->as.integer;
        return true;
    }
    double real = value->as.real;
    if (!(real >= -0x1p63 && real < 0x1p63) || trunc(real) != real)
        return false;
    *integer = (int64_t)real;
    return true;
}

static uint64_t hash_number(const struct rhei_value *value, uint64_t seed)
{
    int64_t integer;
    if (as_integer(value, &integer))
        return mix((uint64_t)integer ^ mix(seed + 1));
    uint64_t bits;
    memcpy(&bits, &value->as.real, sizeof bits);
    return mix(bits ^ mix(seed + 2));
}

/* Keys are short as a rule: two words that overlap cover 8 to 16 bytes, without a loop. */
static uint64_t hash_bytes(const char *bytes, uint32_t length, uint64_t seed)
{
    uint64_t first = 0, last = 0;
    if (length > 16)
        return base_hash(bytes, length, seed);
    if (length >= 8) {
        memcpy(&first, bytes, 8);
        memcpy(&last, bytes + length - 8, 8);
    } else if (length >= 4) {
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + length - 4, 4);
    } else {
        for (uint32_t i = 0; i < length; i++)
            first = first << 8 | (uint8_t)bytes[i];
    }
    return mix(last ^ mix(first ^ mix(seed + length)));
}

uint64_t mirror_value_hash(const struct rhei_value *value, uint64_t seed)
{
    switch (value->type) {
    case RHEI_NULL:
        return mix(seed + 3);
    case RHEI_INTEGER:
    case RHEI_REAL:
        return hash_number(value, seed);
    default:
        return hash_bytes(value->as.bytes, value->length, seed + ((uint64_t)value->type << 32));
    }
}

static bool equal_numbers(const struct rhei_value *a, const struct rhei_value *b)
{
    int64_t x = 0, y = 0;
    bool a_integer = as_integer(a, &x), b_integer = as_integer(b, &y);
    if (a_integer || b_integer)
        return a_integer && b_integer && x == y;
    return memcmp(&a->as.real, &b->as.real, sizeof a->as.real) == 0;
}

bool mirror_value_equal(const struct rhei_value *a, const struct rhei_value *b)
{
    bool a_number = a->type == RHEI_INTEGER || a->type == RHEI_REAL;
    bool b_number = b->type == RHEI_INTEGER || b->type == RHEI_REAL;
    if (a_number && b_number)
        return a->type == RHEI_INTEGER && b->type == RHEI_INTEGER ? a->as.integer == b->as.integer
                                                                  : equal_numbers(a, b);
    if (a->type != b->type)
        return false;
    if (a->type == RHEI_NULL)
        return true;
    return a->length == b->length && (a->length == 0 || memcmp(a->as.bytes, b->as.bytes, a->length) == 0);
}

int mirror_compare_integer_real(int64_t integer, double real)
{
    if (real >= 0x1p63)
        return -1;
    if (real < -0x1p63)
        return 1;
    int64_t whole = (int64_t)real; /* towards zero */
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double rest = real - (double)whole;
    return rest > 0 ? -1 : rest < 0;
}

uint64_t mirror_row_key_hash(const struct source_table *table, const struct rhei_value *const *columns, size_t row,
                             uint64_t seed)
{
    uint64_t hash = seed;
    for (uint32_t k = 0; k < table->key_count; k++)
        hash = mirror_value_hash(&columns[table->key_columns[k]][row], hash);
    return hash;
}

uint64_t mirror_key_hash(const struct mirror_table *table, const struct rhei_value *const *columns, size_t row)
{
    return mirror_row_key_hash(&table->definition, columns, row, 0);
}

static bool matches_pending(const struct mirror_table *table, size_t row, const struct mirror_probe *probe)
{
    const struct source_table *definition = &table->definition;
    for (uint32_t k = 0; k < definition->key_count; k++) {
        const struct rhei_value *values = probe->columns[definition->key_columns[k]];
        if (!mirror_value_equal(&values[row], &values[probe->row]))
            return false;
    }
    return true;
}

bool mirror_key_matches(const struct mirror_table *table, uint32_t row_id, const struct mirror_probe *probe)
{
    if (row_id - probe->pending->first_id < probe->pending->count)
        return matches_pending(table, probe->pending->rows[row_id - probe->pending->first_id], probe);
    const struct source_table *definition = &table->definition;
    const struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    uint32_t place = mirror_segment_place(segment, row_id & 0xffff);
    bool equal = true;
    mirror_segment_hold(segment);
    for (uint32_t k = 0; k < definition->key_count && equal; k++) {
        uint32_t column = definition->key_columns[k];
        struct rhei_value stored;
        mirror_segment_value(segment, column, place, &stored);
        equal = mirror_value_equal(&stored, &probe->columns[column][probe->row]);
    }
    mirror_segment_let_go(segment);
    return equal;
}
