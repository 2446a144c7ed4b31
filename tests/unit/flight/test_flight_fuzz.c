/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that comes in as bytes and is read here: messages of every shape, commands in an Any, sealed handles, base64, files of users.
 * LLVMFuzzerTestOneInput is the entry for a fuzzer, and the first byte chooses the reader; here it runs over a corpus of right ones and what chance makes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "flight/flight_internal.h"

enum { INPUTS = 60000, INPUT_BYTES = 600, READERS = 28 };

static const struct flight_shape *const shapes[] = {
    &flight_descriptor_shape, &flight_ticket_shape,    &flight_action_shape,         &flight_any_shape,
    &flight_data_shape,       &flight_info_shape,      &flight_wrapped_shape,        &flight_endpoint_shape,
    &flight_entries_shape,    &flight_entry_shape,     &flight_option_value_shape,   &flight_statement_shape,
    &flight_handle_shape,     &flight_end_shape,       &flight_savepoint_shape,      &flight_ingest_shape,
    &flight_definition_shape, &flight_sql_info_shape,  &flight_type_info_shape,      &flight_schemas_shape,
    &flight_tables_shape,     &flight_key_table_shape, &flight_cross_reference_shape};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* What a text field gives is UTF-8 without NUL within the bytes; lists are within the arena. */
static void read_shape(const struct flight_shape *shape, struct flight_bytes bytes)
{
    union {
        char room[512];
        void *aligned;
    } message = {{0}};
    struct base_arena arena = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = flight_decode(shape, bytes, &message, &arena, &error);
    must(status == RHEI_OK || (status == RHEI_INVALID && strstr(error.message, shape->name) != NULL),
         "refused by name");
    for (const struct flight_field *field = shape->fields; status == RHEI_OK && field->number != 0; field++) {
        const struct flight_bytes *value = (const void *)(message.room + field->offset);
        if (field->kind != FLIGHT_BYTES && field->kind != FLIGHT_TEXT)
            continue;
        must(!value->there || value->len == 0 ||
                 ((const char *)value->bytes >= (const char *)bytes.bytes &&
                  (const char *)value->bytes + value->len <= (const char *)bytes.bytes + bytes.len),
             "within the message");
        must(field->kind != FLIGHT_TEXT || value->len == 0 || memchr(value->bytes, 0, value->len) == NULL, "no NUL");
    }
    base_arena_reset(&arena);
}

/* A command, and the message in it read as its name says. */
static void read_command(struct flight_bytes bytes)
{
    struct flight_work work = {.doing = ""};
    struct flight_bytes value = {0};
    const char *name = NULL;
    if (flight_command(&work, bytes, &name, &value) == RHEI_OK)
        for (size_t i = 0; i < SHAPES; i++)
            if (strstr(name, shapes[i]->name) != NULL || strstr(shapes[i]->name, name) != NULL)
                read_shape(shapes[i], value);
    base_arena_reset(&work.arena);
}

static void read_sealed(struct flight_bytes bytes)
{
    static const struct flight_seal seal = {{1, 2, 3}};
    struct base_buffer body = {0};
    for (int use = FLIGHT_SEAL_TICKET; use <= FLIGHT_SEAL_SAVEPOINT; use++)
        must(!flight_seal_open(&seal, (enum flight_seal_use)use, use % 2 == 0 ? NULL : "ada", bytes, &body),
             "nobody makes up a seal");
    base_buffer_reset(&body);
}

static void read_base64(struct flight_bytes bytes)
{
    for (int url = 0; url < 2; url++) {
        struct base_buffer plain = {0}, again = {0}, back = {0};
        if (flight_base64_decode(bytes.bytes, bytes.len, url == 1, &plain) && plain.len > 0) {
            must(flight_base64_encode(plain.data, plain.len, url == 1, &again), "it is written");
            must(flight_base64_decode(again.data, again.len, url == 1, &back) && back.len == plain.len &&
                     memcmp(back.data, plain.data, plain.len) == 0,
                 "it is read back");
        }
        base_buffer_reset(&plain);
        base_buffer_reset(&again);
        base_buffer_reset(&back);
    }
}

static void read_users(struct flight_bytes bytes)
{
    struct flight_users users = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = flight_users_parse(&users, bytes.bytes, bytes.len, "the file", &error);
    must(status == RHEI_OK ? users.first != NULL : error.message[0] != '\0', "there is a user, or a reason");
    flight_users_reset(&users);
}

static void read_wish(struct flight_bytes bytes)
{
    static const char *const names[] = {"freshness", "route", "compression", "none"};
    struct flight_wishes wishes = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    char *text = base_strndup(bytes.bytes, bytes.len);
    for (size_t i = 0; i < 4; i++)
        must(flight_wish(&wishes, names[i], text, &error) == RHEI_OK || error.message[0] != '\0', "refused by words");
    base_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct flight_bytes) = {read_command, read_sealed, read_base64, read_users,
                                                           read_wish};
    _Static_assert(READERS == SHAPES + sizeof readers / sizeof readers[0], "each has a number");
    if (size == 0)
        return 0;
    uint8_t *copy = base_alloc(size); /* without a byte too much: who reads behind it is found */
    memcpy(copy, data + 1, size - 1);
    struct flight_bytes bytes = {copy, size - 1, true};
    size_t reader = data[0] % READERS;
    if (reader < SHAPES)
        read_shape(shapes[reader], bytes);
    else
        readers[reader - SHAPES](bytes);
    base_free(copy);
    return 0;
}

/* Right ones, behind the byte that chooses their reader. */
static size_t corpus(size_t number, struct base_buffer *out)
{
    static const char prefix[] = "type.googleapis.com/arrow.flight.protocol.sql.";
    static const char *const names[] = {"CommandStatementQuery", "CommandGetTables", "CommandStatementIngest",
                                        "ActionCreatePreparedStatementRequest", "CommandGetSqlInfo"};
    static const char *const others[] = {"bounded:500", "QWRhOnNlY3JldA==", "_-8",
                                         "ada:$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA:read_only,rows=5\n# no\n"};
    struct base_buffer inner = {0}, url = {0}, fields = {0};
    base_buffer_char(out, (char)(number % READERS));
    for (uint32_t field = 1; field < 8; field++)
        if ((number >> field) % 2 == 0)
            wire_put_text(&fields, field, "SELECT 1");
        else
            wire_put_number(&fields, field, number << (4 * field));
    base_buffer_format(&url, "%s%s", prefix, names[number % 5]);
    wire_put_bytes(&inner, 1, url.data, url.len);
    wire_put_message(&inner, 2, &fields);
    const struct base_buffer *chosen = number % READERS == SHAPES ? &inner : &fields;
    if (number % READERS > SHAPES)
        base_buffer_text(out, others[number % 4]);
    else
        base_buffer_append(out, chosen->data, chosen->len);
    base_buffer_reset(&inner);
    base_buffer_reset(&url);
    base_buffer_reset(&fields);
    return out->len;
}

static void test_d4_what_chance_makes_of_right_bytes_is_read_or_refused(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)base_random_u64();
    printf("# seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < INPUTS; i++) {
        struct base_buffer input = {0};
        size_t len = corpus((size_t)rand(), &input);
        for (int changes = len < 2 ? 0 : rand() % 4; changes > 0; changes--)
            input.data[1 + (size_t)rand() % (len - 1)] = (char)rand();
        if (rand() % 4 == 0)
            len = 1 + (size_t)rand() % len;
        assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)input.data, len), 0);
        base_buffer_reset(&input);
    }
    for (int i = 0; i < INPUTS; i++) {
        uint8_t input[INPUT_BYTES];
        size_t len = (size_t)rand() % INPUT_BYTES;
        for (size_t b = 0; b < len; b++)
            input[b] = (uint8_t)(rand() % 3 == 0 ? rand() % 16 : rand());
        assert_int_equal(LLVMFuzzerTestOneInput(input, len), 0);
    }
}

#ifndef RHEI_FUZZER
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d4_what_chance_makes_of_right_bytes_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
