/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each type of PostgreSQL becomes, and its values from what the server sends. Pure; any thread, each arena its owner's.
 *
 *   T1. A column has one form, decided by its type and modifier alone, and so one storage class; only NaN, which SQLite's REAL hasn't, is
 *       the text 'NaN' wherever it stands.
 *   T2. Both ways of a value, binary (COPY, and the stream where all columns have a binary form) and text, come to the same value.
 *   T3. A value is kept exactly, or refused: nothing becomes NULL but NULL.
 *   T4. Types without a form of their own are the text that the server's output function makes of them.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_TYPE_H
#define SOURCE_POSTGRES_POSTGRES_TYPE_H

#include "base/base_arena.h"
#include "rhei/rhei_types.h"

enum postgres_form {
    POSTGRES_BOOL = 1, /* INTEGER 0, 1 */
    POSTGRES_INT2,     /* INTEGER, as the next two */
    POSTGRES_INT4,
    POSTGRES_INT8,
    POSTGRES_OID,    /* INTEGER, not negative */
    POSTGRES_FLOAT4, /* REAL: the same number; -0 is 0 */
    POSTGRES_FLOAT8,
    POSTGRES_WHOLE, /* numeric without digits behind the point, of at most 18 before it: INTEGER */
    POSTGRES_DECIMAL, /* numeric of at most 15 digits: the REAL that is nearest, from which those digits come back exactly */
    POSTGRES_NUMERIC,     /* every other: TEXT, its digits */
    POSTGRES_MONEY,       /* INTEGER: hundredths */
    POSTGRES_DATE,        /* TEXT 2026-01-31, as the next ones; 'infinity', '-infinity' */
    POSTGRES_TIMESTAMP,   /* TEXT 2026-01-31 12:00:00.5 */
    POSTGRES_TIMESTAMPTZ, /* TEXT 2026-01-31 12:00:00.5+00:00, always UTC */
    POSTGRES_TIME,        /* TEXT 12:00:00.5, up to 24:00:00 */
    POSTGRES_UUID,        /* TEXT */
    POSTGRES_BYTEA,       /* BLOB */
    POSTGRES_TEXT,        /* TEXT: text, varchar, char with its blanks, name, json, xml, labels of enums */
    POSTGRES_JSONB,       /* TEXT, as the server prints it */
    POSTGRES_PRINTED,     /* TEXT by the output function (T4) */
};

/* What a column is declared as in SQLite's terms, static text: "INTEGER", "REAL", "TEXT" or "BLOB". */
const char *postgres_form_declared(enum postgres_form form);
uint8_t postgres_form_affinity(enum postgres_form form);

/*
 * Of a type that isn't a domain: `kind` is pg_type.typtype ('e' an enum, 'p' pseudo), `modifier` atttypmod (-1: none). 0: no value of such a type
 * can be kept.
 */
enum postgres_form postgres_form_of(uint32_t type, char kind, int32_t modifier);

/* False: these bytes are no value of the form. Text and BLOB borrow `bytes` where they can, else they are in the arena. */
bool postgres_binary_value(enum postgres_form form, const char *bytes, size_t length, struct base_arena *arena,
                           struct rhei_value *value);
bool postgres_text_value(enum postgres_form form, const char *bytes, size_t length, struct base_arena *arena,
                         struct rhei_value *value);

/* ---- Parts of it, for the two files. ------------------------------------------------------------------------------ */

#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* from 1970 to 2000-01-01, where the server's microseconds begin */

static inline uint16_t postgres_u16(const void *at)
{
    const unsigned char *b = at;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t postgres_u32(const void *at)
{
    uint32_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return __builtin_bswap32(word);
}

static inline uint64_t postgres_u64(const void *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return __builtin_bswap64(word);
}

static inline void postgres_integer(struct rhei_value *value, int64_t integer)
{
    *value = (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
}

static inline void postgres_bytes(struct rhei_value *value, enum rhei_class class, const void *bytes, size_t length)
{
    *value = (struct rhei_value){.as.bytes = bytes, .length = (uint32_t)length, .type = (uint8_t) class};
}

/* T1: NaN and the two zeros. */
static inline void postgres_real(struct rhei_value *value, double real)
{
    if (real != real)
        postgres_bytes(value, RHEI_TEXT, "NaN", 3);
    else
        *value = (struct rhei_value){.as.real = real == 0 ? 0.0 : real, .type = RHEI_REAL};
}

/* The value of a numeric's digits as the server prints them, "-12.50" or "NaN", as WHOLE, DECIMAL or NUMERIC has it. */
bool postgres_digits_value(enum postgres_form form, const char *digits, size_t length, struct rhei_value *value);
/* A numeric's binary form as the server prints it, in the arena; NULL: it isn't one, or no memory. */
const char *postgres_numeric_text(const char *bytes, size_t length, struct base_arena *arena, size_t *text_length);
/* Microseconds or days since 2000 as ISO text in the arena. */
bool postgres_date_text(int32_t days, struct base_arena *arena, struct rhei_value *value);
bool postgres_timestamp_text(int64_t us, bool zoned, struct base_arena *arena, struct rhei_value *value);
bool postgres_time_text(int64_t us, struct base_arena *arena, struct rhei_value *value);

#endif
