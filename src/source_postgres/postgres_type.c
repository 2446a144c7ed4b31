/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_type.h"

#include "port/source_table.h"

/* Numbers of types, as pg_type.dat has them. They never change. */
enum {
    BOOL = 16,
    BYTEA = 17,
    NAME = 19,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    TEXT = 25,
    OID = 26,
    JSON = 114,
    XML = 142,
    FLOAT4 = 700,
    FLOAT8 = 701,
    MONEY = 790,
    BPCHAR = 1042,
    VARCHAR = 1043,
    DATE = 1082,
    TIME = 1083,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    NUMERIC = 1700,
    UUID = 2950,
    JSONB = 3802,
    XID = 28,
    CID = 29,
};

static enum postgres_form numeric_form(int32_t modifier)
{
    if (modifier < 4)
        return POSTGRES_NUMERIC;
    int32_t packed = modifier - 4, digits = packed >> 16 & 0xffff;
    int32_t scale = ((packed & 0x7ff) ^ 1024) - 1024; /* signed from PostgreSQL 15 on; before it is at most 1000 */
    if (scale <= 0 && digits - scale <= 18)
        return POSTGRES_WHOLE;
    return scale > 0 && digits <= 15 && scale <= 100 ? POSTGRES_DECIMAL : POSTGRES_NUMERIC;
}

enum postgres_form postgres_form_of(uint32_t type, char kind, int32_t modifier)
{
    static const struct {
        uint32_t type;
        enum postgres_form form;
    } forms[] = {
        {BOOL, POSTGRES_BOOL},
        {BYTEA, POSTGRES_BYTEA},
        {NAME, POSTGRES_TEXT},
        {INT8, POSTGRES_INT8},
        {INT2, POSTGRES_INT2},
        {INT4, POSTGRES_INT4},
        {TEXT, POSTGRES_TEXT},
        {OID, POSTGRES_OID},
        {XID, POSTGRES_OID},
        {CID, POSTGRES_OID},
        {JSON, POSTGRES_TEXT},
        {XML, POSTGRES_TEXT},
        {FLOAT4, POSTGRES_FLOAT4},
        {FLOAT8, POSTGRES_FLOAT8},
        {MONEY, POSTGRES_MONEY},
        {BPCHAR, POSTGRES_TEXT},
        {VARCHAR, POSTGRES_TEXT},
        {DATE, POSTGRES_DATE},
        {TIME, POSTGRES_TIME},
        {TIMESTAMP, POSTGRES_TIMESTAMP},
        {TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ},
        {UUID, POSTGRES_UUID},
        {JSONB, POSTGRES_JSONB},
    };
    if (kind == 'p')
        return 0;
    if (kind == 'e')
        return POSTGRES_TEXT;
    if (type == NUMERIC)
        return numeric_form(modifier);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (forms[i].type == type)
            return forms[i].form;
    return POSTGRES_PRINTED;
}

uint8_t postgres_form_affinity(enum postgres_form form)
{
    switch (form) {
    case POSTGRES_BOOL:
    case POSTGRES_INT2:
    case POSTGRES_INT4:
    case POSTGRES_INT8:
    case POSTGRES_OID:
    case POSTGRES_WHOLE:
    case POSTGRES_MONEY:
        return AFFINITY_INTEGER;
    case POSTGRES_FLOAT4:
    case POSTGRES_FLOAT8:
    case POSTGRES_DECIMAL:
        return AFFINITY_REAL;
    case POSTGRES_BYTEA:
        return AFFINITY_BLOB;
    default:
        return AFFINITY_TEXT;
    }
}

const char *postgres_form_declared(enum postgres_form form)
{
    static const char *const names[] = {
        [AFFINITY_INTEGER] = "INTEGER", [AFFINITY_REAL] = "REAL", [AFFINITY_BLOB] = "BLOB", [AFFINITY_TEXT] = "TEXT"};
    return names[postgres_form_affinity(form)];
}
