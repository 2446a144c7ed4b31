/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "source_postgres/postgres_connection.h"
#include "tests/support/postgres_fixture.h"

static struct test_server *server;

static int open_server(void **state)
{
    (void)state;
    server = test_server_open(15, NULL);
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    test_server_close(&server);
    return 0;
}

static rhei_status try_target(const struct postgres_target *target, struct rhei_error *error)
{
    struct postgres_connection *connection = NULL;
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    rhei_status status =
        postgres_connect(target, false, NULL, base_now_ns() + INT64_C(60000000000), &connection, error);
    assert_int_equal(status, error->code);
    assert_true((status == RHEI_OK) == (connection != NULL));
    postgres_disconnect(&connection);
    return status;
}

static struct postgres_connection *connect_as(const char *conninfo, struct postgres_stop *stop)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_target target = {.conninfo = conninfo};
    struct postgres_connection *connection = NULL;
    if (postgres_connect(&target, false, stop, INT64_MAX, &connection, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return connection;
}

static void test_s5_a_refused_connection_says_why_and_never_shows_the_password(void **state)
{
    (void)state;
    struct rhei_error error;
    char hba[] = "hba host all guarded 127.0.0.1/32 scram-sha-256", conninfo[300];
    test_server_sql(server, "CREATE ROLE guarded LOGIN PASSWORD 'right-word'");
    test_server_tell(server, hba);
    test_server_until(server, "SELECT count(*) = 1 FROM pg_hba_file_rules WHERE 'guarded' = ANY (user_name)");

    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d dbname=postgres user=guarded", server->port);
    struct postgres_target target = {.conninfo = conninfo};
    setenv("RHEI_TEST_PASSWORD", "wrong-word", 1);
    target.password_env = "RHEI_TEST_PASSWORD";
    /* the server may still be reading its rules: then it lets the wrong word in */
    while (try_target(&target, &error) == RHEI_OK)
        continue;
    assert_int_equal(error.code, RHEI_CANT_OPEN);
    assert_non_null(strstr(error.message, "guarded"));
    assert_null(strstr(error.message, "wrong-word"));

    target.password_env = NULL;
    char path[] = "/tmp/rhei-password-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "right-word\n", 11), 11);
    close(fd);
    target.password_file = path;
    assert_int_equal(try_target(&target, &error), RHEI_OK);
    static const mode_t open[] = {0640, 0604, 0660, 0610};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(chmod(path, open[i]), 0);
        assert_int_equal(try_target(&target, &error), RHEI_CONFIG);
        assert_non_null(strstr(error.message, "is open to others"));
        assert_non_null(strstr(error.message, "chmod 600"));
        assert_null(strstr(error.message, "right-word"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(try_target(&target, &error), RHEI_OK);
    unlink(path);
    assert_int_equal(try_target(&target, &error), RHEI_CONFIG);

    target = (struct postgres_target){.conninfo = "host=127.0.0.1 password='secret-word"};
    assert_int_equal(try_target(&target, &error), RHEI_CONFIG);
    assert_null(strstr(error.message, "secret"));
    target.conninfo = "postgresql://u:secret-word@[127.0.0.1/x";
    assert_int_equal(try_target(&target, &error), RHEI_CONFIG);
    assert_null(strstr(error.message, "secret"));
}

static void test_s5_what_is_wrong_is_named(void **state)
{
    (void)state;
    struct rhei_error error;
    struct postgres_target target = {.conninfo = server->conninfo, .database = "nowhere"};
    assert_int_equal(try_target(&target, &error), RHEI_CANT_OPEN);
    assert_non_null(strstr(error.message, "nowhere"));
    target = (struct postgres_target){.conninfo = server->conninfo, .user = "nobody_of_that_name"};
    assert_int_equal(try_target(&target, &error), RHEI_CANT_OPEN);
    target = (struct postgres_target){.conninfo = server->conninfo, .port = "1"};
    assert_int_equal(try_target(&target, &error), RHEI_IO);
    target = (struct postgres_target){.conninfo = server->conninfo, .sslmode = "require"};
    assert_int_equal(try_target(&target, &error), RHEI_CANT_OPEN);
    target = (struct postgres_target){.conninfo = server->conninfo, .sslmode = "sometimes"};
    assert_int_equal(try_target(&target, &error), RHEI_CONFIG);
    /* libpq itself connects over a socket without TLS, whatever sslmode says */
    target = (struct postgres_target){.conninfo = server->conninfo, .host = server->sockets};
    assert_int_equal(try_target(&target, &error), RHEI_OK);
    target.sslmode = "require";
    assert_int_equal(try_target(&target, &error), RHEI_CANT_OPEN);
    assert_non_null(strstr(error.message, "TLS"));
}

static void test_s5_a_session_reads_only(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_server_sql(server, "CREATE TABLE kept (a int); CREATE ROLE reader LOGIN; GRANT SELECT ON kept TO reader;"
                            "ALTER TABLE kept ENABLE ROW LEVEL SECURITY; INSERT INTO kept VALUES (1)");
    struct postgres_connection *connection = connect_as(server->conninfo, NULL);
    assert_int_equal(postgres_run(connection, "writing", "INSERT INTO public.kept VALUES (2)", INT64_MAX, &error),
                     RHEI_SQL);
    assert_string_equal(error.sqlstate, "25006");
    postgres_disconnect(&connection);

    /* not fewer rows in silence */
    char conninfo[200];
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d dbname=postgres user=reader", server->port);
    connection = connect_as(conninfo, NULL);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(postgres_run(connection, "reading", "SELECT * FROM public.kept", INT64_MAX, &error),
                     RHEI_CANT_OPEN);
    assert_string_equal(error.sqlstate, "42501");
    postgres_disconnect(&connection);
}

static void stop_it(void *stop)
{
    test_server_until(server,
                      "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_catalog.pg_sleep%'");
    postgres_stop_now(stop);
}

static void test_s5_waiting_ends_with_its_time_and_when_told(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_connection *connection = connect_as(server->conninfo, NULL);
    assert_int_equal(postgres_run(connection, "sleeping", "SELECT pg_catalog.pg_sleep(600)",
                                  base_now_ns() + INT64_C(20000000), &error),
                     RHEI_TIMEOUT);
    postgres_disconnect(&connection);
    test_server_until(server,
                      "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_catalog.pg_sleep%'");

    struct postgres_stop stop;
    base_thread thread;
    assert_int_equal(postgres_stop_init(&stop, &error), RHEI_OK);
    connection = connect_as(server->conninfo, &stop);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(base_thread_start(&thread, "stopper", stop_it, &stop, &error), RHEI_OK);
    assert_int_equal(postgres_run(connection, "sleeping", "SELECT pg_catalog.pg_sleep(600)", INT64_MAX, &error),
                     RHEI_CANCELLED);
    base_thread_join(&thread);
    postgres_disconnect(&connection);
    postgres_stop_reset(&stop);
}

static void test_s5_a_server_that_goes_is_told_from_one_that_refuses(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct postgres_connection *connection = connect_as(server->conninfo, NULL);
    test_server_tell(server, "kill");
    /* its processes notice one after another that it is gone */
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK)
        status = postgres_run(connection, "asking", "SELECT 1", INT64_MAX, &error);
    assert_int_equal(status, RHEI_IO);
    postgres_disconnect(&connection);
    struct postgres_target target = {.conninfo = server->conninfo};
    assert_int_equal(try_target(&target, &error), RHEI_IO);
    test_server_tell(server, "start");
    assert_int_equal(try_target(&target, &error), RHEI_OK);
}

/* C3. What the server would end, or spend, by settings of its own: also of those that only newer ones have. */
static void test_s5_limits_and_jit_of_the_server_are_not_the_sessions(void **state)
{
    (void)state;
    static const int versions[] = {15, 18};
    for (size_t v = 0; v < 2; v++) {
        struct test_server *other = versions[v] == 15 ? server : test_server_open(18, NULL);
        test_server_sql(other, "ALTER ROLE postgres SET jit = on");
        test_server_sql(other, "ALTER ROLE postgres SET statement_timeout = '90s'");
        if (versions[v] >= 17)
            test_server_sql(other, "ALTER ROLE postgres SET transaction_timeout = '90s'");
        for (int replication = 0; replication < 2; replication++) {
            struct postgres_target target = {.conninfo = other->conninfo};
            struct rhei_error error = RHEI_ERROR_INIT;
            struct postgres_connection *connection = NULL;
            if (postgres_connect(&target, replication == 1, NULL, INT64_MAX, &connection, &error) != RHEI_OK)
                fail_msg("%s", error.message);
            static const char *const shown[][2] = {
                {"SHOW jit", "off"}, {"SHOW statement_timeout", "0"}, {"SHOW transaction_timeout", "0"}};
            for (size_t s = 0; s < (versions[v] >= 17 ? 3U : 2U); s++) {
                PGresult *result = NULL;
                assert_int_equal(postgres_query(connection, "asking", shown[s][0], 0, NULL, INT64_MAX, &result, &error),
                                 RHEI_OK);
                assert_string_equal(postgres_cell(connection, result, 0, 0), shown[s][1]);
                postgres_clear(connection, &result);
            }
            postgres_disconnect(&connection);
        }
        test_server_sql(other, "ALTER ROLE postgres RESET ALL");
        if (other != server)
            test_server_close(&other);
    }
}

static void test_s5_positions_and_pauses(void **state)
{
    (void)state;
    uint64_t lsn;
    char text[POSTGRES_LSN_TEXT];
    assert_true(postgres_lsn_parse("16/B374D848", &lsn));
    assert_true(lsn == UINT64_C(0x16B374D848));
    postgres_lsn_text(lsn, text);
    assert_string_equal(text, "16/B374D848");
    static const char *const wrong[] = {"", "/", "1/", "/1", "1/2/3", "123456789/0", "0/123456789", "x/1", "1/1 "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(postgres_lsn_parse(wrong[i], &lsn));
    for (unsigned failures = 0; failures < 100; failures++) {
        int64_t pause = postgres_backoff_ms(failures);
        assert_true(pause >= 25 && pause <= 30000);
        assert_true(failures < 10 || pause >= 15000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s5_a_refused_connection_says_why_and_never_shows_the_password),
        cmocka_unit_test(test_s5_what_is_wrong_is_named),
        cmocka_unit_test(test_s5_a_session_reads_only),
        cmocka_unit_test(test_s5_waiting_ends_with_its_time_and_when_told),
        cmocka_unit_test(test_s5_a_server_that_goes_is_told_from_one_that_refuses),
        cmocka_unit_test(test_s5_limits_and_jit_of_the_server_are_not_the_sessions),
        cmocka_unit_test(test_s5_positions_and_pauses),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
