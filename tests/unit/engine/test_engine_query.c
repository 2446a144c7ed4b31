/* SPDX-License-Identifier: Apache-2.0 */
/* One call for reads and writes: values, parameters, refusals, routes. */
#include "tests/support/engine_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(&fixture, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, n INTEGER)",
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000) "
                        "INSERT INTO orders SELECT i, 'c' || (i % 7), i * 0.25, i % 13 FROM c");
    return 0;
}

static void test_q2_both_engines_agree(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT count(*) FROM orders",
        "SELECT count(*), sum(n), min(n), max(n) FROM orders WHERE n > 3",
        "SELECT n, count(*) FROM orders GROUP BY n ORDER BY n",
        "SELECT n, count(*) FROM orders GROUP BY n HAVING count(*) > 76 ORDER BY n",
        "SELECT customer, sum(n) FROM orders GROUP BY customer ORDER BY customer",
        "SELECT a.n, count(*) FROM orders a JOIN orders b ON a.id = b.id GROUP BY a.n ORDER BY a.n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        must_agree(fixture.db, texts[i], NULL);
}

static void test_q4_parameters_on_both_engines(void **state)
{
    (void)state;
    must_agree(fixture.db, "SELECT count(*) FROM orders WHERE n = ?", RHEI_PARAMS(rhei_integer(5)));
    must_agree(fixture.db, "SELECT count(*) FROM orders WHERE amount > ?", RHEI_PARAMS(rhei_real(12.25)));
    must_agree(fixture.db, "SELECT count(*) FROM orders WHERE customer = ?", RHEI_PARAMS(rhei_text("c3")));
}

static void test_q4_several_statements_are_refused_whole(void **state)
{
    (void)state;
    must_fail(fixture.db, "INSERT INTO orders(n) VALUES (1); INSERT INTO orders(n) VALUES (2)", RHEI_SQL);
    must_fail(fixture.db, "SELECT 1; SELECT 2", RHEI_SQL);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM orders", RHEI_ROUTE_OLTP), 1000);
}

static void test_q3_writes_run_once_as_writes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "INSERT INTO orders(customer) VALUES ('q3') RETURNING id",
        "/* first */ INSERT INTO orders(customer) VALUES ('q3')",
        "WITH x(v) AS (SELECT 'q3') INSERT INTO orders(customer) SELECT v FROM x",
        "-- a comment\nREPLACE INTO orders(customer) VALUES ('q3')",
    };
    size_t count = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < count; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_query(fixture.db, texts[i], NULL, NULL, &rows, &error), RHEI_OK);
        assert_string_equal(rhei_rows_route(rows), "oltp");
        struct rhei_result result = {.struct_size = sizeof result};
        rhei_rows_result(rows, &result);
        assert_int_equal(result.changes, 1);
        while (rhei_rows_next(rows, &error) == RHEI_ROW)
            assert_true(rhei_rows_int64(rows, 0) > 1000);
        rhei_rows_close(&rows);
    }
    const char *counting = "SELECT count(*) FROM orders WHERE customer = 'q3'";
    assert_int_equal(must_int64(fixture.db, counting, RHEI_ROUTE_OLTP), (int64_t)count);
    assert_int_equal(must_int64(fixture.db, counting, RHEI_ROUTE_OLAP), (int64_t)count);
    struct rhei_query_options olap = {.struct_size = sizeof olap, .route = RHEI_ROUTE_OLAP};
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, texts[0], NULL, &olap, &rows, NULL), RHEI_OLAP_UNAVAILABLE);
    assert_int_equal(must_int64(fixture.db, counting, RHEI_ROUTE_OLTP), (int64_t)count);
}

static void test_c3_values_come_back_bit_for_bit(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE v (id INTEGER PRIMARY KEY, x)");
    const struct rhei_value values[] = {
        rhei_null(),
        rhei_integer(INT64_MIN),
        rhei_integer(INT64_MAX),
        rhei_real(0.1 + 0.2),
        rhei_real(-0.0),
        rhei_real(INFINITY),
        rhei_real(5e-324),
        rhei_text(""),
        rhei_text_n("a\0b", 3),
        rhei_text("\xff\xfe bad"),
        rhei_text("a text that is longer than twelve bytes"),
        rhei_blob("", 0),
        rhei_blob("\0\1\2", 3),
    };
    size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++)
        must_execute_with(fixture.db, "INSERT INTO v(x) VALUES (?)", RHEI_PARAMS(values[i]));
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, "SELECT x FROM v ORDER BY id", NULL, NULL, &rows, &error), RHEI_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        struct rhei_value got = rhei_rows_value(rows, 0);
        assert_int_equal(got.type, values[i].type);
        if (got.type == RHEI_TEXT || got.type == RHEI_BLOB) {
            assert_int_equal(got.length, values[i].length);
            if (got.length > 0)
                assert_memory_equal(got.as.bytes, values[i].as.bytes, got.length);
        } else if (got.type != RHEI_NULL) {
            assert_memory_equal(&got.as, &values[i].as, sizeof got.as);
        }
    }
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_DONE);
    rhei_rows_close(&rows);
    must_be_built(fixture.db);
    must_verify(fixture.db);
}

static void test_q6_mixed_columns_lose_nothing(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE mixed (id INTEGER PRIMARY KEY, x)");
    must_execute(fixture.db, "INSERT INTO mixed(x) VALUES (1), (2.5), ('three'), (x'04'), (NULL), (6)");
    char *auto_rows = must_rows(fixture.db, "SELECT x, count(*) FROM mixed GROUP BY x ORDER BY 1", NULL, 0);
    char *oltp_rows =
        must_rows(fixture.db, "SELECT x, count(*) FROM mixed GROUP BY x ORDER BY 1", NULL, RHEI_ROUTE_OLTP);
    assert_string_equal(auto_rows, oltp_rows);
    rhei_free(auto_rows);
    rhei_free(oltp_rows);
    struct ArrowArrayStream stream;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT x FROM mixed", NULL, NULL, &stream, &error), RHEI_OK);
    struct ArrowSchema schema;
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_string_equal(schema.children[0]->format, "+ud:0,1,2,3");
    schema.release(&schema);
    stream.release(&stream);
}

static void test_q2_rows_are_counted_whatever_the_first_column_holds(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE first (x, n INTEGER)");
    must_execute(fixture.db, "INSERT INTO first SELECT CASE n % 3 WHEN 0 THEN n WHEN 1 THEN 'a text' ELSE x'00' END, n "
                             "FROM orders");
    must_be_built(fixture.db);
    must_agree(fixture.db, "SELECT count(*) FROM first", NULL);
    must_agree(fixture.db, "SELECT count(*), sum(n) FROM first WHERE n > 3", NULL);
    must_agree(fixture.db, "SELECT count(*) FROM first, orders WHERE orders.id < 30", NULL);
    must_agree(fixture.db, "SELECT count(*) FROM first a, first b WHERE a.n = b.n", NULL);
    must_agree(fixture.db,
               "SELECT o.n, count(*) FROM orders o LEFT JOIN first ON first.n = o.id GROUP BY o.n ORDER BY 1", NULL);
    must_agree(fixture.db, "SELECT sum(n) FROM orders WHERE EXISTS (SELECT 1 FROM first)", NULL);
}

static void test_d5_errors_are_sqlites_with_their_place(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, "SELECT count(*) FROM orders WHERE nothere = 1", NULL, NULL, &rows, &error),
                     RHEI_SQL);
    assert_non_null(strstr(error.message, "nothere"));
    assert_int_equal(error.sql_offset, 34);
    must_fail(fixture.db, "SELEC 1", RHEI_SQL);
    must_fail(fixture.db, "SELECT * FROM nosuchtable", RHEI_SQL);
    must_fail(fixture.db, "BEGIN", RHEI_TRANSACTION);
    must_execute(fixture.db, "CREATE TABLE u (k INTEGER PRIMARY KEY, x NOT NULL)");
    must_fail(fixture.db, "INSERT INTO u(x) VALUES (NULL)", RHEI_CONSTRAINT);
}

static void test_a_text_that_only_the_column_store_knows(void **state)
{
    (void)state;
    must_route(fixture.db, "FROM orders SELECT count(*)", "olap", "olap-only-syntax");
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_oltp_query(fixture.db, "FROM orders SELECT count(*)", NULL, &rows, &error), RHEI_SQL);
    struct rhei_query_options oltp = {.struct_size = sizeof oltp, .route = RHEI_ROUTE_OLTP};
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(rhei_query(fixture.db, "FROM orders SELECT count(*)", NULL, &oltp, &rows, &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "FROM"));
}

static void must_say(const char *sql, int32_t route, const char *word, const char *other)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_not_equal(rhei_query(fixture.db, sql, NULL, &options, &rows, &error), RHEI_OK);
    if (strstr(error.message, word) == NULL || strstr(error.message, other) == NULL)
        fail_msg("%s: %s", sql, error.message);
}

static void must_not_say(const char *sql, int32_t route, const char *word, const char *other)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_not_equal(rhei_query(fixture.db, sql, NULL, &options, &rows, &error), RHEI_OK);
    if (strstr(error.message, word) == NULL || strstr(error.message, other) != NULL)
        fail_msg("%s: %s", sql, error.message);
}

/* What SQLite refuses for its meaning, and typos, aren't the column store's; what may be its own shows both engines' words. */
static void test_q2_only_the_column_stores_grammar_goes_there(void **state)
{
    (void)state;
    must_say("SELECT 1,", RHEI_ROUTE_AUTO, "incomplete input", "");
    must_say("SELECT -0x8000000000000000 FROM orders", RHEI_ROUTE_AUTO, "hex literal too big", "");
    must_say("SELECT amount FROM orders HAVING amount > 1", RHEI_ROUTE_AUTO, "HAVING", "");
    must_say("SELECT sum(sum(amount)) FROM orders", RHEI_ROUTE_AUTO, "misuse of aggregate", "");
    must_say("SELECT amount AS b, b * 2 FROM orders", RHEI_ROUTE_AUTO, "no such column: b", "");
    must_say("SHOW TABLES", RHEI_ROUTE_AUTO, "syntax error", "");
    must_say("SELECT * FROM information_schema.tables", RHEI_ROUTE_AUTO, "no such table", "");
    must_say("SELECT * FROM duckdb_tables()", RHEI_ROUTE_AUTO, "no such table", "");
    must_say("SHOW TABLES", RHEI_ROUTE_OLAP, "syntax error", "no schema of its own");
    const char *unknown = fixture_by_datafusion() ? "there is no table" : "no schema of its own";
    must_say("FROM information_schema.tables", RHEI_ROUTE_AUTO, "syntax error", unknown);
    must_say("FROM sqlite_master", RHEI_ROUTE_AUTO, "syntax error", unknown);
    must_say("FROM orders SELECT nosuch", RHEI_ROUTE_AUTO, "syntax error", "nosuch");
    must_say("SELECT quantile_cont(amount, 0.5) FROM orders", RHEI_ROUTE_AUTO, "no such function: quantile_cont",
             "route olap");
    must_say("SELECT 1,", RHEI_ROUTE_OLAP, "incomplete input", "ends in a comma");
    must_say("SELECT amount, FROM orders", RHEI_ROUTE_OLAP, "syntax error", "ends in a comma");
    must_say("SELECT amount FROM orders GROUP BY amount, ;", RHEI_ROUTE_OLAP, "syntax error", "ends in a comma");
    must_say("SELECT amount FROM orders WHERE amount IN (1, /* two? */)", RHEI_ROUTE_OLAP, "syntax error",
             "ends in a comma");
    must_say("SELECT nosuch(amount) FROM orders", RHEI_ROUTE_OLAP, "no such function: nosuch", "the column store says");
    must_not_say("SELECT count(*) FROM (nosuch.orders)", RHEI_ROUTE_OLAP, "no such table: nosuch.orders",
                 fixture_by_datafusion() ? "planning" : "column store");
    struct rhei_query_options olap = {.struct_size = sizeof olap, .route = RHEI_ROUTE_OLAP};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(fixture.db, "SELECT quantile_cont(amount, 0.5) FROM orders", NULL, &olap, &rows, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_string_equal(rhei_rows_rule(rows), "olap-only-syntax");
    rhei_rows_close(&rows);
}

static void test_arrow_tells_where_it_comes_from(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    assert_int_equal(
        rhei_query_arrow(fixture.db, "SELECT n, count(*) AS many FROM orders GROUP BY n", NULL, NULL, &stream, &error),
        RHEI_OK);
    struct ArrowSchema schema;
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(schema.n_children, 2);
    assert_string_equal(schema.children[0]->name, "n");
    assert_string_equal(schema.children[1]->name, "many");
    assert_string_equal(schema.children[1]->format, "l");
    assert_non_null(schema.metadata);
    schema.release(&schema);
    int64_t rows = 0;
    for (;;) {
        struct ArrowArray batch;
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (batch.release == NULL)
            break;
        rows += batch.length;
        batch.release(&batch);
    }
    assert_int_equal(rows, 13);
    stream.release(&stream);
}

static void test_prepared_statements(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    assert_int_equal(rhei_prepare(fixture.db, "SELECT amount FROM orders WHERE id = ?", &statement, &error), RHEI_OK);
    assert_int_equal(rhei_statement_parameter_count(statement), 1);
    assert_int_equal(rhei_statement_column_count(statement), 1);
    assert_string_equal(rhei_statement_column_name(statement, 0), "amount");
    assert_true(rhei_statement_is_read_only(statement));
    for (int64_t id = 1; id < 20; id++) {
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_statement_query(statement, RHEI_PARAMS(rhei_integer(id)), NULL, &rows, &error), RHEI_OK);
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        assert_true(rhei_rows_double(rows, 0) == (double)id * 0.25);
        rhei_rows_close(&rows);
    }
    rhei_statement_close(&statement);
    assert_null(statement);
}

static void test_a_handle_refuses_nonsense(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(NULL, "SELECT 1", NULL, NULL, &rows, &error), RHEI_INVALID);
    assert_int_equal(rhei_execute(fixture.db, NULL, NULL, NULL, NULL), RHEI_INVALID);
    struct rhei_params nothing = {NULL, 3};
    assert_int_equal(rhei_execute(fixture.db, "SELECT ?, ?, ?", &nothing, NULL, NULL), RHEI_INVALID);
    assert_int_equal(rhei_rows_next(NULL, NULL), RHEI_INVALID);
    rhei_rows_close(NULL);
    rhei_statement_close(NULL);
    rhei_session_close(NULL);
    rhei_cancel_destroy(NULL);
    rhei_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_both_engines_agree, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q4_parameters_on_both_engines, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q4_several_statements_are_refused_whole, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q3_writes_run_once_as_writes, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_c3_values_come_back_bit_for_bit, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q6_mixed_columns_lose_nothing, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_rows_are_counted_whatever_the_first_column_holds, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_errors_are_sqlites_with_their_place, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_text_that_only_the_column_store_knows, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_only_the_column_stores_grammar_goes_there, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_arrow_tells_where_it_comes_from, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_prepared_statements, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_handle_refuses_nonsense, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
