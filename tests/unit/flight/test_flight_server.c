/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping over a handle of one's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rhei/rhei_flight.h"

static rhei_db *open_memory(bool no_files)
{
    struct rhei_config config = {.struct_size = sizeof config, .no_files = no_files, .olap_backend = RHEI_OLAP_NONE};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = NULL;
    if (rhei_open(":memory:", &config, &db, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return db;
}

static struct rhei_flight_options usual(void)
{
    return (struct rhei_flight_options){
        .struct_size = sizeof(struct rhei_flight_options), .listen = "127.0.0.1:0", .no_auth = true};
}

static void test_d2_a_handle_that_may_name_files_is_refused(void **state)
{
    (void)state;
    struct rhei_flight_options options = usual();
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_flight *flight = NULL;
    rhei_db *db = open_memory(false);
    assert_int_equal(rhei_flight_start(db, &options, &flight, &error), RHEI_CONFIG);
    assert_non_null(strstr(error.message, "no_files"));
    assert_null(flight);
    rhei_close(&db);
}

static void test_servers_start_and_stop_and_one_has_its_port(void **state)
{
    (void)state;
    struct rhei_flight_options options = usual();
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_flight *flight = NULL, *second = NULL;
    rhei_db *db = open_memory(true);
    for (int i = 0; i < 3; i++) {
        if (rhei_flight_start(db, &options, &flight, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        assert_true(rhei_flight_port(flight) > 0);
        char same[40];
        (void)snprintf(same, sizeof same, "127.0.0.1:%d", rhei_flight_port(flight));
        struct rhei_flight_options again = usual();
        again.listen = same;
        assert_int_equal(rhei_flight_start(db, &again, &second, &error), RHEI_CANT_OPEN);
        assert_null(second);
        rhei_flight_stop(&flight, 1000);
        assert_null(flight);
    }
    rhei_flight_stop(&flight, 0);
    rhei_flight_stop(NULL, 0);
    rhei_close(&db);
}

static void test_d5_what_cannot_be_right_is_told(void **state)
{
    (void)state;
    struct rhei_flight_options options = usual();
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_flight *flight = NULL;
    rhei_db *db = open_memory(true);
    char *line = NULL;
    assert_int_equal(rhei_flight_start(NULL, &options, &flight, &error), RHEI_INVALID);
    assert_int_equal(rhei_flight_start(db, &options, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_flight_start(db, NULL, &flight, &error), RHEI_INVALID);
    options.struct_size = 0;
    assert_int_equal(rhei_flight_start(db, &options, &flight, &error), RHEI_INVALID);
    options = usual();
    options.send_ms = -1;
    assert_int_equal(rhei_flight_start(db, &options, &flight, &error), RHEI_INVALID);
    options = usual();
    options.token = "both-of-them";
    assert_int_equal(rhei_flight_start(db, &options, &flight, &error), RHEI_CONFIG);
    assert_int_equal(rhei_flight_port(NULL), 0);
    assert_int_equal(rhei_flight_user_line("a:b", "long enough", &line, &error), RHEI_INVALID);
    assert_int_equal(rhei_flight_user_line("ada", "short", &line, &error), RHEI_INVALID);
    assert_int_equal(rhei_flight_user_line("ada", "long enough", &line, &error), RHEI_OK);
    assert_memory_equal(line, "ada:$argon2id$", 14);
    rhei_free(line);
    rhei_close(&db);
}

static void test_d5_what_is_wrong_is_named_before_anything_is_opened(void **state)
{
    (void)state;
    struct rhei_flight_options options = usual();
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *field = "";
    assert_int_equal(rhei_flight_check(&options, &field, &error), RHEI_OK);
    assert_null(field);
    assert_int_equal(rhei_flight_check(NULL, &field, &error), RHEI_INVALID);
    const struct {
        const char *field;
        struct rhei_flight_options options;
    } wrong[] = {
        {"listen", {.listen = "here", .no_auth = true}},
        {"listen", {.listen = "0.0.0.0:0", .no_auth = true}},
        {NULL, {.listen = "127.0.0.1:0"}},
        {NULL, {.no_auth = true, .token = "long-enough"}},
        {"token", {.token = "short"}},
        {"token_file", {.token_file = "/no/such/file"}},
        {"users_file", {.token = "long-enough", .users_file = "/no/such/file"}},
        {"tls_cert", {.listen = "127.0.0.1:0", .no_auth = true, .tls_cert = "c"}},
        {"tls_key", {.listen = "127.0.0.1:0", .no_auth = true, .tls_key = "k"}},
        {"tls_client_ca", {.listen = "127.0.0.1:0", .no_auth = true, .tls_client_ca = "a"}},
        {"tls_cert", {.listen = "127.0.0.1:0", .no_auth = true, .tls_cert = "/no/c", .tls_key = "/no/k"}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options = wrong[i].options;
        options.struct_size = sizeof options;
        assert_int_not_equal(rhei_flight_check(&options, &field, &error), RHEI_OK);
        assert_true(error.message[0] != '\0');
        if (wrong[i].field == NULL)
            assert_null(field);
        else
            assert_string_equal(field, wrong[i].field);
        assert_int_not_equal(rhei_flight_check(&options, NULL, NULL), RHEI_OK);
    }
    assert_int_equal(rhei_flight_calls(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d2_a_handle_that_may_name_files_is_refused),
        cmocka_unit_test(test_servers_start_and_stop_and_one_has_its_port),
        cmocka_unit_test(test_d5_what_cannot_be_right_is_told),
        cmocka_unit_test(test_d5_what_is_wrong_is_named_before_anything_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
