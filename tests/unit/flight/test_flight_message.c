/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol buffers' bytes: right ones, and all that anybody may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base_memory.h"
#include "flight/flight_message.h"

static const struct {
    const struct flight_shape *shape;
} shapes[] = {
    {&flight_descriptor_shape}, {&flight_ticket_shape},    {&flight_action_shape},         {&flight_any_shape},
    {&flight_data_shape},       {&flight_info_shape},      {&flight_wrapped_shape},        {&flight_endpoint_shape},
    {&flight_entries_shape},    {&flight_entry_shape},     {&flight_option_value_shape},   {&flight_statement_shape},
    {&flight_handle_shape},     {&flight_end_shape},       {&flight_savepoint_shape},      {&flight_ingest_shape},
    {&flight_definition_shape}, {&flight_sql_info_shape},  {&flight_type_info_shape},      {&flight_schemas_shape},
    {&flight_tables_shape},     {&flight_key_table_shape}, {&flight_cross_reference_shape}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Room for any of the structs. */
union any_message {
    struct flight_data data;
    struct flight_ingest ingest;
    struct flight_tables tables;
    struct flight_cross_reference cross;
    char room[512];
};

static struct flight_bytes bytes_of(const struct base_buffer *buffer)
{
    return (struct flight_bytes){buffer->data, buffer->len, true};
}

static rhei_status decode(const struct flight_shape *shape, const void *bytes, size_t len, union any_message *message)
{
    struct base_arena arena = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    memset(message, 0, sizeof *message);
    /* a copy without a byte too much: who reads behind it is found */
    void *copy = base_alloc(len == 0 ? 1 : len);
    memcpy(copy, bytes, len);
    rhei_status status = flight_decode(shape, (struct flight_bytes){copy, len, true}, message, &arena, &error);
    assert_true(status == RHEI_OK || (status == RHEI_INVALID && strstr(error.message, shape->name) != NULL));
    base_free(copy);
    base_arena_reset(&arena);
    return status;
}

static void test_d1_a_message_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct base_buffer out = {0}, inner = {0};
    struct base_arena arena = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct flight_tables tables = {0};
    wire_put_text(&out, 2, "main%");
    wire_put_number(&out, 5, 1);
    wire_put_text(&out, 4, "TABLE");
    wire_put_text(&out, 4, "VIEW");
    wire_put_fixed64(&out, 77, UINT64_MAX); /* of a newer version */
    wire_put_bytes(&out, 1, "", 0);
    assert_int_equal(flight_decode(&flight_tables_shape, bytes_of(&out), &tables, &arena, &error), RHEI_OK);
    assert_true(tables.catalog.there && tables.catalog.len == 0 && !tables.table_pattern.there);
    assert_memory_equal(tables.schema_pattern.bytes, "main%", 5);
    assert_int_equal(tables.types.count, 2);
    assert_memory_equal(tables.types.items[1].bytes, "VIEW", 4);
    assert_int_equal(tables.include_schema, 1);

    struct flight_sql_info info = {0};
    base_buffer_clear(&out);
    base_buffer_append(&inner, "\x00\x08\xf8\x03", 4); /* packed: 0, 8, 504 */
    wire_put_message(&out, 1, &inner);
    wire_put_number(&out, 1, 9); /* and not */
    assert_int_equal(flight_decode(&flight_sql_info_shape, bytes_of(&out), &info, &arena, &error), RHEI_OK);
    assert_int_equal(info.info.count, 4);
    assert_int_equal(info.info.items[2], 504);
    assert_int_equal(info.info.items[3], 9);

    struct flight_end end = {0};
    base_buffer_clear(&out);
    wire_put_number(&out, 2, (uint64_t)-1);
    assert_int_equal(out.len, 11);
    assert_int_equal(flight_decode(&flight_end_shape, bytes_of(&out), &end, &arena, &error), RHEI_OK);
    assert_true(end.action == UINT64_MAX && !end.handle.there);
    base_buffer_reset(&out);
    base_buffer_reset(&inner);
    base_arena_reset(&arena);
}

static void test_d5_what_is_no_message_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"\x0a", 1}, /* no length */
        {"\x0a\x05"
         "ab",
         4},                                                  /* less than it says */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* 2^64 - 1 bytes */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* over 64 bits */
        {"\x0b", 1},                                          /* a group */
        {"\x0e", 1},                                          /* no such type */
        {"\x02\x00", 2},                                      /* field 0 */
        {"\x08\x01", 2},                                      /* a number where bytes are meant */
        {"\x09"
         "1234",
         5},                  /* half a number */
        {"\x0a\x02\xc3(", 4}, /* no UTF-8 */
        {"\x0a\x03"
         "a\0b",
         5}, /* a NUL */
    };
    union any_message message;
    assert_int_equal(decode(&flight_statement_shape, "", 0, &message), RHEI_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (decode(&flight_statement_shape, wrong[i].bytes, wrong[i].len, &message) != RHEI_INVALID)
            fail_msg("number %zu is taken", i);
}

static void add_random_field(struct base_buffer *out, int depth)
{
    static const uint32_t numbers[] = {1, 2, 3, 4, 5, 6, 1000, 536870911};
    uint32_t number = numbers[(unsigned)rand() % 8];
    struct base_buffer inner = {0};
    switch (rand() % 5) {
    case 0:
        wire_put_number(out, number, (uint64_t)rand() << (rand() % 40));
        break;
    case 1:
        wire_put_fixed64(out, number, (uint64_t)rand());
        break;
    case 2:
        for (int i = rand() % 4; depth > 0 && i > 0; i--)
            add_random_field(&inner, depth - 1);
        wire_put_message(out, number, &inner);
        break;
    default:
        wire_put_text(out, number, rand() % 2 == 0 ? "SELECT 1" : "type.googleapis.com/arrow.flight.protocol.sql.X");
    }
    base_buffer_reset(&inner);
}

/* Messages of any fields, then with changed, missing and added bytes: each is read or refused, and nothing behind them is looked at. */
static void test_d4_any_bytes_are_read_or_refused(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    int taken = 0;
    srand(seed);
    printf("# seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        struct base_buffer out = {0};
        union any_message message;
        for (int i = rand() % 6; i >= 0; i--)
            add_random_field(&out, 3);
        for (int i = rand() % 4; i > 0; i--)
            out.data[(size_t)rand() % out.len] = (char)rand();
        size_t len = rand() % 3 == 0 ? (size_t)rand() % (out.len + 1) : out.len;
        for (size_t s = 0; s < SHAPES; s++)
            taken += decode(shapes[s].shape, out.data, len, &message) == RHEI_OK;
        base_buffer_reset(&out);
    }
    assert_true(taken > 1000);
}

static void test_d6_memory_that_is_missing_is_an_error(void **state)
{
    (void)state;
    struct base_buffer out = {0};
    for (int i = 0; i < 100; i++)
        wire_put_text(&out, 4, "a");
    struct base_arena arena = {0};
    struct flight_tables tables = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    base_memory_fail_after(1);
    assert_int_equal(flight_decode(&flight_tables_shape, bytes_of(&out), &tables, &arena, &error), RHEI_NO_MEMORY);
    base_memory_fail_after(0);
    base_arena_reset(&arena);
    base_buffer_reset(&out);
    base_memory_fail_after(1);
    wire_put_text(&out, 4, "a");
    base_memory_fail_after(0);
    assert_true(out.failed);
    base_buffer_reset(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d1_a_message_is_read_as_it_was_written),
        cmocka_unit_test(test_d5_what_is_no_message_is_told),
        cmocka_unit_test(test_d4_any_bytes_are_read_or_refused),
        cmocka_unit_test(test_d6_memory_that_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
