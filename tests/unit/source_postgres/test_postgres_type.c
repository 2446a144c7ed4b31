/* SPDX-License-Identifier: Apache-2.0 */
/* Every type's values against the text that servers print, and bytes that are no values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_value.h"
#include "source_postgres/postgres_connection.h"
#include "source_postgres/postgres_type.h"
#include "tests/support/postgres_fixture.h"

static struct postgres_connection *connect_to(struct test_server *server)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_target target = {.conninfo = server->conninfo};
    struct postgres_connection *connection = NULL;
    rhei_status status = postgres_connect(&target, false, NULL, INT64_MAX, &connection, &error);
    if (status != RHEI_OK)
        fail_msg("%s", error.message);
    return connection;
}

static PGresult *ask(struct postgres_connection *c, const char *sql, int format)
{
    c->api->setnonblocking(c->conn, 0);
    PGresult *result = PQexecParams(c->conn, sql, 0, NULL, NULL, NULL, NULL, format);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s\n%s", sql, PQerrorMessage(c->conn));
    return result;
}

/* The value as the server would have printed it, from what was kept alone. */
static void print_back(enum postgres_form form, int scale, const struct rhei_value *value, struct base_buffer *out)
{
    base_buffer_clear(out);
    if (value->type == RHEI_INTEGER && form == POSTGRES_BOOL) {
        base_buffer_text(out, value->as.integer ? "t" : "f");
    } else if (value->type == RHEI_INTEGER) {
        base_buffer_format(out, "%lld", (long long)value->as.integer);
    } else if (value->type == RHEI_REAL && form == POSTGRES_DECIMAL) {
        base_buffer_format(out, "%.*f", scale, value->as.real);
    } else if (value->type == RHEI_BLOB) {
        base_buffer_text(out, "\\x");
        for (uint32_t i = 0; i < value->length; i++)
            base_buffer_format(out, "%02x", ((const unsigned char *)value->as.bytes)[i]);
    } else if (value->type == RHEI_TEXT) {
        base_buffer_append(out, value->as.bytes, value->length);
        char *zone = form == POSTGRES_TIMESTAMPTZ && out->data ? strstr(out->data, "+00:00") : NULL;
        if (zone)
            memmove(zone + 3, zone + 6, strlen(zone + 6) + 1);
    }
}

/* Of one column: both ways come to one value, and that is what the server prints. */
static void check_value(const char *sql, enum postgres_form form, int scale, const char *text, const char *bytes,
                        size_t length, struct base_arena *arena)
{
    struct rhei_value from_text, from_bytes;
    struct base_buffer back = {0};
    assert_true(postgres_text_value(form, text, strlen(text), arena, &from_text) ||
                !fprintf(stderr, "%s %s\n", sql, text));
    if (form != POSTGRES_PRINTED) {
        assert_true(postgres_binary_value(form, bytes, length, arena, &from_bytes) ||
                    !fprintf(stderr, "%s %s\n", sql, text));
        if (!base_same_value(&from_text, &from_bytes))
            fail_msg("%s: text and binary of %s differ", sql, text);
    }
    print_back(form, scale, &from_text, &back);
    bool real = from_text.type == RHEI_REAL && form != POSTGRES_DECIMAL;
    if (real) {
        double shown = form == POSTGRES_FLOAT4 ? (double)strtof(text, NULL) : strtod(text, NULL);
        assert_true(from_text.as.real == shown);
    } else if (form != POSTGRES_MONEY && strcmp(back.data ? back.data : "", text) != 0) {
        fail_msg("%s: %s came back as %s", sql, text, back.data);
    }
    base_buffer_reset(&back);
}

static char kind_of(struct postgres_connection *c, Oid type)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT typtype FROM pg_catalog.pg_type WHERE oid = %u", type);
    PGresult *result = ask(c, sql, 0);
    char kind = PQgetvalue(result, 0, 0)[0];
    PQclear(result);
    return kind;
}

static void check_query(struct postgres_connection *c, const char *sql)
{
    PGresult *texts = ask(c, sql, 0);
    Oid type = PQftype(texts, 0);
    int modifier = PQfmod(texts, 0);
    enum postgres_form form = postgres_form_of(type, kind_of(c, type), modifier);
    assert_int_not_equal(form, 0);
    int scale = modifier >= 4 ? (((modifier - 4) & 0x7ff) ^ 1024) - 1024 : 0;
    PGresult *bytes = ask(c, sql, form != POSTGRES_PRINTED);
    struct base_arena arena = {0};
    assert_true(PQntuples(texts) > 0);
    for (int row = 0; row < PQntuples(texts); row++) {
        assert_false(PQgetisnull(texts, row, 0));
        check_value(sql, form, scale, PQgetvalue(texts, row, 0), PQgetvalue(bytes, row, 0),
                    (size_t)PQgetlength(bytes, row, 0), &arena);
        base_arena_clear(&arena);
    }
    base_arena_reset(&arena);
    PQclear(texts);
    PQclear(bytes);
}

static const char *const VALUES[] = {
    "true",
    "false",
    "0::int2",
    "(-32768)::int2",
    "(-2147483648)::int4",
    "(-9223372036854775808)::int8",
    "9223372036854775807",
    "4294967295::oid",
    "'123'::xid",
    "1.1::float4",
    "'-0'::float8",
    "'NaN'::float8",
    "'Infinity'::float8",
    "'-Infinity'::float4",
    "1e-320::float8",
    "1.7976931348623157e308::float8",
    "0.1::float8+0.2",
    "1.50::numeric",
    "0.00::numeric",
    "-0.0001::numeric",
    "100000000::numeric",
    "12345678901234567890.123::numeric",
    "10::numeric^200",
    "'NaN'::numeric",
    "'-Infinity'::numeric",
    "'Infinity'::numeric",
    "1e-20::numeric",
    "123::numeric(10,-2)",
    "999999999999999999::numeric(18)",
    "-999999999999999999::numeric(18,0)",
    "1234567890123456789::numeric(19)",
    "'NaN'::numeric(5,0)",
    "'NaN'::numeric(5,2)",
    "-0.05::numeric(15,2)",
    "9999999999999.99::numeric(15,2)",
    "0.000000000000001::numeric(15,15)",
    "0.00001::numeric(3,5)",
    "99999999999999.99::numeric(16,2)",
    "'-1234.56'::money",
    "'0.07'::money",
    "'infinity'::timestamptz",
    "'-infinity'::timestamptz",
    "'2026-01-01 00:00:00+02'::timestamptz",
    "'0044-03-15 12:00:00.5 BC'::timestamptz",
    "'0044-03-15 BC'::date",
    "'infinity'::date",
    "'-infinity'::date",
    "'4713-01-01 BC'::date",
    "'5874897-12-31'::date",
    "'294276-12-31 23:59:59.999999'::timestamp",
    "'4713-01-01 00:00:00 BC'::timestamp",
    "'0001-01-01'::date - 1",
    "'2000-02-29'::date",
    "'1900-03-01'::date",
    "'1999-12-31 23:59:59.999999'::timestamp",
    "'2026-01-01 24:00'::timestamp",
    "'24:00:00'::time",
    "'00:00:00.000001'::time",
    "'12:00:00+02:30'::timetz",
    "'1 mon 2 days -03:04:05.000006'::interval",
    "'-1 year'::interval",
    "array[1,null,3]",
    "array[[1,2],[3,4]]",
    "'[2:3]={7,8}'::int[]",
    "'{}'::text[]",
    "array['a,b','NULL',null,'q\"q']",
    "'ok'::mood",
    "'[1,5)'::int4range",
    "'empty'::int4range",
    "'(,2026-01-01]'::daterange",
    "'{[1,3),[5,8)}'::int4multirange",
    "row(1,'x,y',2.5)::comp",
    "'{\"b\":1, \"a\":[1,2.0]}'::json",
    "'{\"b\":1, \"a\":[1,2.0]}'::jsonb",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
    "'\\x00ff10'::bytea",
    "''::bytea",
    "b'10110'::bit(5)",
    "b'1011'::varbit",
    "'192.168.0.5/24'::inet",
    "'10.0.0.1'::inet",
    "'::1'::inet",
    "'10.0.0.0/8'::cidr",
    "'08:00:2b:01:02:03'::macaddr",
    "'08:00:2b:01:02:03:04:05'::macaddr8",
    "to_tsvector('english','the cats cat run')",
    "'a & b'::tsquery",
    "xmlparse(content '<a>u</a>')",
    "'x'::\"char\"",
    "'ab'::char(5)",
    "'ab'::name",
    "'(1,2)'::point",
    "'((0,0),(1,1))'::box",
    "'<(1,2),3>'::circle",
    "'0/16B3748'::pg_lsn",
    "'pg_class'::regclass",
    "'(0,1)'::tid",
    "'$.a'::jsonpath",
    "'1:5:2'::pg_snapshot",
    "'postgres=r/postgres'::aclitem",
    "1::int8::text::xid8",
    "''::text",
    "repeat('x', 100000)",
    "chr(8364) || 'e'",
};

static void check_all(struct test_server *server)
{
    test_server_sql(server,
                    "DROP TYPE IF EXISTS public.mood, public.comp; CREATE TYPE public.mood AS ENUM ('ok','sad');"
                    "CREATE TYPE public.comp AS (a int, b text, c numeric)");
    /* what a role's settings would change is pinned */
    test_server_sql(server,
                    "ALTER ROLE postgres SET datestyle = 'SQL, DMY'; ALTER ROLE postgres SET extra_float_digits = 0;"
                    "ALTER ROLE postgres SET timezone = 'Asia/Tokyo'; ALTER ROLE postgres SET bytea_output = 'escape';"
                    "ALTER ROLE postgres SET intervalstyle = 'iso_8601'");
    struct postgres_connection *c = connect_to(server);
    char *sql;
    PQclear(PQexec(c->conn, "SET search_path = public"));
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        assert_true(asprintf(&sql, "SELECT %s", VALUES[i]) > 0);
        check_query(c, sql);
        free(sql);
    }
    postgres_disconnect(&c);
    test_server_sql(server, "ALTER ROLE postgres RESET ALL");
}

static void test_s4_every_type_is_what_the_server_prints(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        check_all(test_servers[i]);
}

static void test_s4_random_values_are_what_the_server_prints(void **state)
{
    (void)state;
    static const char *const columns[] = {
        "round((random()*2-1)::numeric * 10::numeric^(random()*40-20)::int, (random()*30)::int)",
        "((random()-0.5)*1e13)::numeric(15,2)",
        "((random()-0.5)*1.9e18)::numeric(18)",
        "(random()-0.5)*10::float8^(random()*600-300)::int",
        "((random()-0.5)*10::float8^(random()*70-35)::int)::float4",
        "'2000-01-01'::date + ((random()-0.3)*2000000)::int",
        "'2000-01-01'::timestamptz + (random()-0.3)*interval '6000 years'",
        "'2000-01-01'::timestamp + (random()-0.5)*interval '200 years'",
        "'00:00'::time + random()*interval '1 day'",
        "gen_random_uuid()",
        "decode(md5(random()::text), 'hex')",
        "((random()-0.5)*1e15)::numeric::money",
        "((random()-0.5)*1.8e19)::numeric::int8",
    };
    uint64_t seed = base_random_u64() % 1000000;
    const char *again = getenv("RHEI_SEED");
    seed = again ? strtoull(again, NULL, 10) : seed;
    print_message("# RHEI_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 2; i++) {
        struct postgres_connection *c = connect_to(test_servers[i]);
        PQclear(PQexec(c->conn, "SET default_transaction_read_only = off"));
        for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
            char sql[400];
            snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS pg_temp.v; SELECT pg_catalog.setseed(%f)",
                     (double)seed / 1e6);
            PQclear(PQexec(c->conn, sql));
            snprintf(sql, sizeof sql, "CREATE TEMP TABLE v AS SELECT %s AS v FROM generate_series(1, 4000)",
                     columns[k]);
            PGresult *made = PQexec(c->conn, sql);
            if (PQresultStatus(made) != PGRES_COMMAND_OK)
                fail_msg("%s\n%s", sql, PQerrorMessage(c->conn));
            PQclear(made);
            check_query(c, "SELECT v FROM pg_temp.v");
        }
        postgres_disconnect(&c);
    }
}

/* Lengths and bytes that no server sends are refused, and read nothing beyond their end. */
static void test_s4_bytes_that_are_no_value_are_refused(void **state)
{
    (void)state;
    struct base_arena arena = {0};
    struct rhei_value value;
    uint64_t seed = base_random_u64();
    for (int round = 0; round < 200000; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        enum postgres_form form = (enum postgres_form)(1 + (seed >> 33) % POSTGRES_PRINTED);
        size_t length = (seed >> 40) % 24;
        char *bytes = malloc(length ? length : 1); /* of just that size: ASan sees the byte behind */
        for (size_t i = 0; i < length; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = round % 2 ? (char)(seed >> 56) : "0123456789-.:+ \\xe"[(seed >> 40) % 18];
        }
        postgres_binary_value(form, bytes, length, &arena, &value);
        postgres_text_value(form, bytes, length, &arena, &value);
        free(bytes);
        if (round % 1000 == 0)
            base_arena_clear(&arena);
    }
    assert_false(postgres_binary_value(POSTGRES_INT4, "abc", 3, &arena, &value));
    assert_false(postgres_binary_value(POSTGRES_JSONB, "\2{}", 3, &arena, &value));
    assert_false(postgres_binary_value(POSTGRES_TIME, "\xff\0\0\0\0\0\0\0", 8, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_INT2, "32768", 5, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_INT8, "9223372036854775808", 19, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_INT8, "", 0, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_INT8, "-", 1, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_BYTEA, "\\x0", 3, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_BOOL, "true", 4, &arena, &value));
    assert_false(postgres_text_value(POSTGRES_WHOLE, "1.5", 3, &arena, &value));
    base_arena_reset(&arena);
}

/* T1. */
static void test_s4_a_column_has_one_class(void **state)
{
    (void)state;
    assert_string_equal(postgres_form_declared(postgres_form_of(1700, 'b', -1)), "TEXT");
    assert_string_equal(postgres_form_declared(postgres_form_of(1700, 'b', (18 << 16 | 0) + 4)), "INTEGER");
    assert_string_equal(postgres_form_declared(postgres_form_of(1700, 'b', (19 << 16 | 0) + 4)), "TEXT");
    assert_string_equal(postgres_form_declared(postgres_form_of(1700, 'b', (15 << 16 | 2) + 4)), "REAL");
    assert_string_equal(postgres_form_declared(postgres_form_of(1700, 'b', (16 << 16 | 2) + 4)), "TEXT");
    assert_string_equal(postgres_form_declared(postgres_form_of(17, 'b', -1)), "BLOB");
    assert_int_equal(postgres_form_of(2278, 'p', -1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s4_every_type_is_what_the_server_prints),
        cmocka_unit_test(test_s4_random_values_are_what_the_server_prints),
        cmocka_unit_test(test_s4_bytes_that_are_no_value_are_refused),
        cmocka_unit_test(test_s4_a_column_has_one_class),
    };
    return cmocka_run_group_tests(tests, test_servers_open, test_servers_close);
}
