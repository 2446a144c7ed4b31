/* SPDX-License-Identifier: Apache-2.0 */
/* Which engine answers, by which rule, and EXPLAIN ROUTE, which says so. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, n INTEGER)");
    must_execute(fixture.db, "CREATE INDEX by_customer ON orders (customer)");
    must_execute(fixture.db, "CREATE TABLE customers (name TEXT PRIMARY KEY, city TEXT)");
    must_execute(fixture.db, "CREATE TABLE few (id INTEGER PRIMARY KEY, word TEXT)");
    must_execute(fixture.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60000) "
                             "INSERT INTO orders SELECT i, 'c' || (i % 5000), i * 0.25, i % 13 FROM c");
    must_execute(fixture.db, "INSERT INTO customers SELECT DISTINCT customer, 'city' || (n % 7) FROM orders WHERE true "
                             "ON CONFLICT DO NOTHING");
    must_execute(fixture.db, "INSERT INTO few (word) VALUES ('a'), ('b')");
    must_execute(fixture.db, "ANALYZE");
    must_be_built(fixture.db);
    return 0;
}

struct routed {
    const char *sql, *route, *rule;
};

static const struct routed statements[] = {
    /* writes, DDL and PRAGMA */
    {"INSERT INTO few (word) VALUES ('c')", "oltp", "write"},
    {"WITH x(w) AS (SELECT 'd') INSERT INTO few (word) SELECT w FROM x", "oltp", "write"},
    {"/* SELECT */ UPDATE few SET word = 'e' WHERE id = 1 RETURNING id", "oltp", "write"},
    {"CREATE TABLE made (a)", "oltp", NULL},
    {"PRAGMA page_size", "oltp", NULL},
    /* a few rows by key or index, also with an aggregate */
    {"SELECT * FROM orders WHERE id = 7", "oltp", "keyed-read"},
    {"SELECT sum(amount) FROM orders WHERE customer = 'c7'", "oltp", "keyed-read"},
    {"SELECT o.id, c.city FROM orders o JOIN customers c ON c.name = o.customer WHERE o.id = 7", "oltp", "keyed-read"},
    {"SELECT word, count(*) FROM few GROUP BY word", "oltp", "small-tables"},
    {"SELECT 1 + 1", "oltp", NULL},
    /* analytics */
    {"SELECT count(*) FROM orders WHERE n > 3", "olap", NULL},
    {"SELECT round(avg(amount), 2) FROM orders", "olap", NULL},
    {"SELECT coalesce(sum(n), 0) FROM orders", "olap", NULL},
    {"SELECT n, count(*) FROM orders GROUP BY n HAVING count(*) > 10", "olap", NULL},
    {"SELECT DISTINCT n FROM orders", "olap", NULL},
    {"SELECT c.city, count(*) FROM orders o JOIN customers c ON c.name = o.customer GROUP BY c.city", "olap", NULL},
    {"SELECT count(*) FROM orders o, customers c WHERE c.name = o.customer", "olap", NULL},
    {"SELECT count(*) FROM orders WHERE amount > (SELECT avg(amount) FROM orders)", "olap", NULL},
    {"WITH big AS (SELECT n, sum(amount) AS s FROM orders GROUP BY n) SELECT max(s) FROM big", "olap", NULL},
    {"SELECT n, sum(sum(n)) OVER (ORDER BY n) FROM orders GROUP BY n", "olap", NULL},
    {"SELECT n FROM orders UNION SELECT n + 1 FROM orders", "olap", NULL},
    /* never in the column store */
    {"SELECT count(*), random() FROM orders", "oltp", "not-translated"},
    {"SELECT count(*) FROM sqlite_master", "oltp", NULL},
};

static void test_q2_routing_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        must_route(fixture.db, statements[i].sql, statements[i].route, statements[i].rule);
}

/* The value of an item of EXPLAIN ROUTE; rhei_free it. NULL: no such item. */
static char *explained(const char *sql, const char *item)
{
    char text[512];
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    snprintf(text, sizeof text, "EXPLAIN ROUTE %s", sql);
    if (rhei_query(fixture.db, text, NULL, NULL, &rows, &error) != RHEI_OK)
        fail_msg("%s: %s", text, error.message);
    char *found = NULL;
    while (rhei_rows_next(rows, &error) == RHEI_ROW)
        if (found == NULL && strcmp(rhei_rows_text(rows, 0), item) == 0)
            found = strdup(rhei_rows_text(rows, 1));
    rhei_rows_close(&rows);
    return found;
}

static void must_explain(const char *sql, const char *item, const char *part)
{
    char *value = explained(sql, item);
    if (value == NULL || strstr(value, part) == NULL)
        fail_msg("%s: %s is %s instead of %s", sql, item, value == NULL ? "not told" : value, part);
    rhei_free(value);
}

static void test_explain_route_tells_what_would_happen_and_does_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        must_explain(statements[i].sql, "route", statements[i].route);
        if (statements[i].rule != NULL)
            must_explain(statements[i].sql, "rule", statements[i].rule);
    }
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM few", RHEI_ROUTE_OLTP), 2);
    must_fail(fixture.db, "SELECT * FROM made", RHEI_SQL);
    must_explain("SELECT n, count(*) FROM orders GROUP BY n", "column store SQL", "mirror_scan");
    must_explain("SELECT * FROM orders WHERE id = 7", "SQLite's plan", "SEARCH orders");
    must_explain("SELECT count(*), random() FROM orders", "reason", "random()");
    must_fail(fixture.db, "EXPLAIN ROUTE SELECT nothing FROM orders", RHEI_SQL);
    rhei_statement *statement = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(rhei_prepare(fixture.db, "EXPLAIN ROUTE SELECT 1", &statement, &error), RHEI_UNSUPPORTED);
    assert_non_null(strstr(error.message, "rhei_query"));
}

static void test_a3_a_table_without_its_mirror_is_sqlites(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char sql[] = "SELECT n, count(*) FROM orders GROUP BY n";
    must_route(fixture.db, sql, "olap", NULL);
    assert_int_equal(rhei_unregister_table(fixture.db, "orders", &error), RHEI_OK);
    must_route(fixture.db, sql, "oltp", "not-mirrored");
    must_explain(sql, "reason", "orders");
    assert_int_equal(rhei_register_table(fixture.db, "orders", NULL, 0, &error), RHEI_OK);
    must_be_built(fixture.db);
    must_route(fixture.db, sql, "olap", NULL);
}

static void test_hints_are_followed_or_refused(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP};
    rhei_rows *rows = NULL;
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM orders", RHEI_ROUTE_OLTP), 60000);
    assert_int_equal(must_int64(fixture.db, "SELECT id FROM orders WHERE id = 7", RHEI_ROUTE_OLAP), 7);
    assert_int_equal(rhei_query(fixture.db, "SELECT random()", NULL, &options, &rows, &error), RHEI_OLAP_UNAVAILABLE);
    assert_non_null(strstr(error.message, "random()"));
    assert_int_equal(rhei_query(fixture.db, "DELETE FROM few", NULL, &options, &rows, NULL), RHEI_OLAP_UNAVAILABLE);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM few", RHEI_ROUTE_OLTP), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_routing_rules, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_explain_route_tells_what_would_happen_and_does_nothing, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a3_a_table_without_its_mirror_is_sqlites, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_hints_are_followed_or_refused, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
