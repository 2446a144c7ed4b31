/* SPDX-License-Identifier: Apache-2.0 */
/* The application's own functions and collations. */
#include "tests/support/engine_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_thread.h"
#include "rhei/rhei_doors.h"

static struct fixture fixture;
static atomic_int added, destroyed, spinning;

static rhei_status twice(void *context, rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                         struct rhei_value *result, struct rhei_error *error)
{
    (void)context;
    (void)call;
    (void)count;
    if (arguments[0].type == RHEI_TEXT) {
        error->code = RHEI_INVALID;
        snprintf(error->message, sizeof error->message, "twice() doesn't take texts");
        return RHEI_INVALID;
    }
    if (arguments[0].type == RHEI_INTEGER)
        *result = rhei_integer(arguments[0].as.integer * 2);
    return RHEI_OK;
}

/* All arguments, one behind the other. */
static rhei_status joined(void *context, rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                          struct rhei_value *result, struct rhei_error *error)
{
    (void)error;
    size_t len = 0;
    char *text = rhei_call_memory(call, 4096);
    if (text == NULL)
        return RHEI_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(text + len, arguments[i].as.bytes, arguments[i].length);
        len += arguments[i].length;
        text[len++] = *(const char *)context;
    }
    *result = rhei_text_n(text, len);
    return RHEI_OK;
}

/* Goes on until its statement is ended. */
static rhei_status spin(void *context, rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                        struct rhei_value *result, struct rhei_error *error)
{
    (void)context;
    (void)arguments;
    (void)count;
    (void)result;
    (void)error;
    rhei_status status;
    atomic_fetch_add(&spinning, 1);
    while ((status = rhei_call_check(call)) == RHEI_OK)
        continue;
    return status;
}

/* By length alone: other texts may be equal. */
static int by_length(void *context, const void *a, uint32_t a_length, const void *b, uint32_t b_length)
{
    (void)context;
    (void)a;
    (void)b;
    return a_length < b_length ? -1 : a_length > b_length;
}

static void count_destroy(void *context)
{
    (void)context;
    atomic_fetch_add(&destroyed, 1);
}

static rhei_status connect_all(void *context, rhei_connection *connection, struct rhei_error *error)
{
    const struct rhei_function functions[] = {
        {.name = "twice", .arguments = 1, .deterministic = true, .run = twice},
        {.name = "joined", .arguments = -1, .deterministic = true, .run = joined, .context = context},
        {.name = "spin", .arguments = 0, .run = spin, .direct_only = true},
    };
    struct rhei_collation order = {.struct_size = sizeof order, .name = "by_length", .compare = by_length};
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < sizeof functions / sizeof functions[0]; i++) {
        struct rhei_function function = functions[i];
        function.struct_size = sizeof function;
        function.destroy = count_destroy;
        atomic_fetch_add(&added, 1);
        status = rhei_create_function(connection, &function, error);
    }
    order.destroy = count_destroy;
    atomic_fetch_add(&added, 1);
    return status == RHEI_OK ? rhei_create_collation(connection, &order, error) : status;
}

static char separator = '/';

static struct rhei_config config_with(rhei_connect_function on_connect)
{
    return (struct rhei_config){
        .struct_size = sizeof(struct rhei_config), .on_connect = on_connect, .on_connect_context = &separator};
}

static int set_up(void **state)
{
    (void)state;
    struct rhei_config config = config_with(connect_all);
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db,
                 "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE by_length, n INT CHECK (twice(n) "
                 "< 1000), d AS (twice(n)), k DEFAULT (joined('a', 'b')))");
    must_execute(fixture.db, "CREATE INDEX by_name ON t (name)");
    must_execute(fixture.db, "CREATE INDEX by_twice ON t (twice(n)) WHERE twice(id) > 2");
    must_execute(fixture.db, "INSERT INTO t (name, n) VALUES ('bbb', 1), ('zz', 2), ('aaaa', 3), ('', 4)");
    must_be_built(fixture.db);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_end(&fixture);
    assert_int_equal(atomic_load(&added), atomic_load(&destroyed)); /* whatever was added goes with its connection */
    return 0;
}

static void must_give(const char *sql, const char *rows)
{
    char *got = must_rows(fixture.db, sql, NULL, RHEI_ROUTE_AUTO);
    assert_string_equal(got, rows);
    rhei_free(got);
}

static void test_tables_with_them_are_mirrored_exactly(void **state)
{
    (void)state;
    must_verify(fixture.db);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(d) FROM t", RHEI_ROUTE_OLAP), 20);
    must_execute(fixture.db, "UPDATE t SET n = n + 1 WHERE name = 'zz'");
    must_execute(fixture.db, "INSERT OR REPLACE INTO t (id, name, n) VALUES (1, 'new', 9)");
    assert_int_equal(must_int64(fixture.db, "SELECT sum(d) FROM t", RHEI_ROUTE_OLAP), 38);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE k = 'a/b/'", RHEI_ROUTE_OLAP), 4);
    must_verify(fixture.db);
}

static void test_statements_with_them_are_sqlites(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT sum(twice(n)) FROM t",
        "SELECT name FROM t ORDER BY name",
        "SELECT max(name) FROM t",
        "SELECT count(*) FROM t WHERE name > 'q'",
        "SELECT name, count(*) FROM t GROUP BY name",
        "SELECT count(DISTINCT name) FROM t",
        "SELECT DISTINCT name FROM t",
        "SELECT name FROM t UNION SELECT name FROM t",
        "SELECT count(*) FROM t a JOIN t b ON a.name = b.name",
        "SELECT count(*) FROM t WHERE name IN ('zz', 'y')",
        "SELECT count(*) FROM t WHERE 'zz' = name",
        "SELECT count(*) FROM t WHERE name BETWEEN 'a' AND 'zz'",
        "SELECT rank() OVER (ORDER BY name) FROM t",
        "SELECT id FROM t ORDER BY k COLLATE by_length",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP};
        rhei_rows *rows = NULL;
        rhei_status status = rhei_query(fixture.db, texts[i], NULL, &options, &rows, &error);
        if (status == RHEI_OK)
            fail_msg("answered by the column store: %s", texts[i]);
        assert_int_equal(status, RHEI_OLAP_UNAVAILABLE);
    }
    must_give("SELECT name FROM t ORDER BY name", "t\ntzz\ntbbb\ntaaaa\n");
    must_give("SELECT max(name), min(name) FROM t", "taaaa|t\n");
    must_give("SELECT count(*) FROM t WHERE name > 'q'", "i3\n");
    must_give("SELECT joined('x', 'y', '')", "tx/y//\n");
    must_give("SELECT twice(NULL), twice(21)", "n|i42\n");
}

/* Keys by such a collation displace other rows: the mirror follows exactly, or the table says why it isn't mirrored. */
static void test_keys_by_them_never_differ(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE u (a TEXT COLLATE by_length PRIMARY KEY, b)");
    must_execute(fixture.db, "CREATE TABLE v (a TEXT COLLATE by_length, b, PRIMARY KEY (a)) WITHOUT ROWID");
    must_execute(fixture.db, "CREATE TABLE w (id INTEGER PRIMARY KEY, a, b)");
    must_execute(fixture.db, "CREATE UNIQUE INDEX w_a ON w (a COLLATE by_length)");
    must_execute(fixture.db, "CREATE TABLE x (id INTEGER PRIMARY KEY, a, b)");
    must_execute(fixture.db, "CREATE UNIQUE INDEX x_a ON x (twice(a))");
    must_be_built(fixture.db);
    static const char *const writes[] = {
        "INSERT INTO u VALUES ('a', 1), ('bb', 2), ('ccc', 3)",
        "REPLACE INTO u VALUES ('x', 9)",
        "UPDATE u SET a = 'yy' WHERE a = 'bb'",
        "UPDATE OR REPLACE u SET a = 'zzz' WHERE b = 9",
        "INSERT INTO v SELECT * FROM u",
        "REPLACE INTO v VALUES ('rrr', 4)",
        "UPDATE v SET a = 'qq' WHERE a = 'yy'",
        "INSERT INTO w (a, b) SELECT a, b FROM v",
        "REPLACE INTO w (a, b) VALUES ('ooo', 5)",
        "UPDATE OR REPLACE w SET a = 'nn'",
        "INSERT INTO x (a) VALUES (1), (2), (3)",
        "REPLACE INTO x (a) VALUES (2)",
    };
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        must_execute(fixture.db, writes[i]);
        for (const char *table = "uvwx"; *table != '\0'; table++) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT sum(b), count(*), count(a) FROM %c", *table);
            char *by_rule = must_rows(fixture.db, sql, NULL, RHEI_ROUTE_AUTO);
            char *by_sqlite = must_rows(fixture.db, sql, NULL, RHEI_ROUTE_OLTP);
            assert_string_equal(by_rule, by_sqlite);
            rhei_free(by_rule);
            rhei_free(by_sqlite);
        }
        must_verify(fixture.db);
    }
}

static void test_an_error_ends_its_statement_alone(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(rhei_execute(fixture.db, "UPDATE t SET k = twice('x')", NULL, NULL, &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "twice() doesn't take texts"));
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "UPDATE t SET n = 7 WHERE id = 2", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "UPDATE t SET n = twice(name)", NULL, NULL, &error), RHEI_SQL);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(n) FROM t", RHEI_ROUTE_OLTP), 15);
    must_fail(fixture.db, "INSERT INTO t (n) VALUES (500)", RHEI_CONSTRAINT);
    must_verify(fixture.db);
}

static void write_beside(void *context)
{
    (void)context;
    must_execute(fixture.db, "INSERT INTO t (name, n) VALUES ('beside', 5)");
}

static void test_a_long_run_ends_with_its_statements_limits(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .timeout_ms = 50};
    struct rhei_call_options limits = {.struct_size = sizeof limits, .timeout_ms = 50};
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, "SELECT spin()", NULL, &options, &rows, &error);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, &error);
    assert_int_equal(status, RHEI_TIMEOUT);
    rhei_rows_close(&rows);
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "beside", write_beside, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_execute_with(fixture.db, "UPDATE t SET k = spin()", NULL, &limits, NULL, &error),
                     RHEI_TIMEOUT);
    base_thread_join(&thread);
    assert_int_equal(
        must_int64(fixture.db, "SELECT count(*) FROM t WHERE name = 'beside' AND k = 'a/b/'", RHEI_ROUTE_OLTP), 1);
    must_verify(fixture.db);
}

static rhei_status take_builtin(void *context, rhei_connection *connection, struct rhei_error *error)
{
    (void)context;
    struct rhei_function function = {
        .struct_size = sizeof function, .name = "UPPER", .arguments = 3, .run = twice, .destroy = count_destroy};
    atomic_fetch_add(&added, 1);
    return rhei_create_function(connection, &function, error);
}

static rhei_status take_collation(void *context, rhei_connection *connection, struct rhei_error *error)
{
    (void)context;
    struct rhei_collation collation = {
        .struct_size = sizeof collation, .name = "nocase", .compare = by_length, .destroy = count_destroy};
    atomic_fetch_add(&added, 1);
    return rhei_create_collation(connection, &collation, error);
}

static rhei_status refuse(void *context, rhei_connection *connection, struct rhei_error *error)
{
    (void)context;
    (void)error;
    return rhei_create_function(connection, NULL, NULL) == RHEI_INVALID ? RHEI_UNSUPPORTED : RHEI_OK;
}

static void test_names_of_sqlites_own_are_refused(void **state)
{
    (void)state;
    static const struct {
        rhei_connect_function on_connect;
        rhei_status status;
        const char *message;
    } cases[] = {
        {take_builtin, RHEI_EXISTS, "UPPER"},
        {take_collation, RHEI_EXISTS, "nocase"},
        {refuse, RHEI_UNSUPPORTED, "on_connect"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rhei_config config = config_with(cases[i].on_connect);
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_db *db = NULL;
        assert_int_equal(rhei_open(fixture.path, &config, &db, &error), cases[i].status);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_null(db);
    }
}

/* A handle without them does what it can, and says of the rest what is missing; nobody loses a change. */
static void test_a_handle_without_them_leaves_the_rest_alone(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE plain (id INTEGER PRIMARY KEY, x)");
    must_be_built(fixture.db);
    rhei_close(&fixture.db);
    fixture_open(&fixture, NULL);
    must_fail(fixture.db, "INSERT INTO t (n) VALUES (1)", RHEI_SQL);
    must_execute(fixture.db, "INSERT INTO plain (x) VALUES (1)");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM plain", RHEI_ROUTE_OLTP), 1);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(n) FROM t WHERE id > 0", RHEI_ROUTE_OLTP), 10);
    rhei_close(&fixture.db);
    struct rhei_config config = config_with(connect_all);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "INSERT INTO t (name, n) VALUES ('later', 6)");
    must_be_built(fixture.db);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(d) FROM t", RHEI_ROUTE_OLAP), 32);
    must_verify(fixture.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables_with_them_are_mirrored_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_statements_with_them_are_sqlites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_by_them_never_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_error_ends_its_statement_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_run_ends_with_its_statements_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_sqlites_own_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_handle_without_them_leaves_the_rest_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
