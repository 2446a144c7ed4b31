/* SPDX-License-Identifier: Apache-2.0 */
/* The file of users: what is in it, and what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base_buffer.h"
#include "flight/flight_seal.h"
#include "flight/flight_users.h"

static void test_d3_a_line_is_a_user(void **state)
{
    (void)state;
    struct base_buffer text = {0};
    struct flight_users users = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    base_buffer_text(&text, "# people\r\n\nada:");
    assert_int_equal(flight_password_hash("correct horse", &text, &error), RHEI_OK);
    base_buffer_text(&text, ":read_only,rows=10,seconds=3\r\nbob:");
    assert_int_equal(flight_password_hash("battery staple", &text, &error), RHEI_OK);
    assert_int_equal(flight_users_parse(&users, text.data, text.len, "users", &error), RHEI_OK);
    const struct flight_user *ada = flight_users_find(&users, "ada"), *bob = flight_users_find(&users, "bob");
    assert_true(ada->read_only && ada->most_rows == 10 && ada->most_ms == 3000);
    assert_true(!bob->read_only && bob->most_rows == 0 && bob->most_ms == 0);
    assert_ptr_equal(flight_users_enter(&users, "ada", "correct horse", 13), ada);
    assert_null(flight_users_enter(&users, "ada", "battery staple", 14));
    assert_null(flight_users_enter(&users, "eve", "correct horse", 13));
    assert_null(flight_users_find(&users, ""));
    assert_null(flight_users_find(&users, "(token)"));
    base_buffer_reset(&text);
    flight_users_reset(&users);
}

static void test_d5_what_is_wrong_is_told_by_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"", "no user in users"},
        {"# nobody\n\n", "no user in users"},
        {"ada\n", "users, line 1: it isn't NAME:HASH"},
        {"#\n:x\n", "users, line 2: it isn't NAME:HASH"},
        {"ada:secret\n", "users, line 1: the password of \"ada\" isn't an argon2id hash"},
        {"ada:\n", "isn't an argon2id hash"},
        {"ada:$argon2id$x\nada:$argon2id$x\n", "line 2: there are two users \"ada\""},
        {"(token):$argon2id$x\n", "begins with no"},
        {"a\xff:$argon2id$x\n", "a name is UTF-8"},
        {"ada:$argon2id$x:root\n", "\"root\" isn't read_only, rows=N or seconds=N"},
        {"ada:$argon2id$x:rows=0\n", "isn't read_only"},
        {"ada:$argon2id$x:rows=-1\n", "isn't read_only"},
        {"ada:$argon2id$x:rows=1x\n", "isn't read_only"},
        {"ada:$argon2id$x:seconds=99999999999999999999\n", "isn't read_only"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct flight_users users = {0};
        struct rhei_error error = RHEI_ERROR_INIT;
        if (flight_users_parse(&users, wrong[i].text, strlen(wrong[i].text), "users", &error) != RHEI_CONFIG ||
            strstr(error.message, wrong[i].words) == NULL || strstr(error.message, "secret") != NULL)
            fail_msg("%zu: %s", i, error.message);
        flight_users_reset(&users);
    }
    struct flight_users users = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(flight_users_token(&users, "short", &error), RHEI_CONFIG);
    assert_int_equal(flight_users_token(&users, "with a blank", &error), RHEI_CONFIG);
    assert_null(users.token);
    flight_users_reset(&users);
}

static void test_d4_any_bytes_are_a_file_or_refused(void **state)
{
    (void)state;
    static const char letters[] = "ada:$argon2id$v=19,rows=1\n\r#\xff\0 ";
    srand((unsigned)time(NULL));
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t len = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = letters[(size_t)rand() % sizeof letters];
        struct flight_users users = {0};
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = flight_users_parse(&users, text, len, "users", &error);
        assert_true(status == RHEI_OK || status == RHEI_CONFIG);
        flight_users_reset(&users);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d3_a_line_is_a_user),
        cmocka_unit_test(test_d5_what_is_wrong_is_told_by_its_line),
        cmocka_unit_test(test_d4_any_bytes_are_a_file_or_refused),
    };
    struct flight_seal seal;
    return flight_seal_init(&seal, NULL) == RHEI_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
