/* SPDX-License-Identifier: Apache-2.0 */
/* Q9: where the engines differ widely, the router takes the better one (bench/figures_auto.c measures all kinds). */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT UNIQUE, city TEXT)");
    must_execute(fixture.db, "CREATE TABLE ord (id INTEGER PRIMARY KEY, customer INTEGER, d TEXT, status TEXT, amount "
                             "REAL, qty INTEGER, note TEXT)");
    must_execute(fixture.db,
                 "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 8000) INSERT INTO "
                 "customers SELECT i, 'customer ' || i, 'city ' || (i % 97) FROM k");
    must_execute(
        fixture.db,
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 130000) INSERT INTO ord "
        "SELECT i, 1 + i * 7919 % 8000, date('2020-01-01', '+' || (i / 100) || ' days'), CASE WHEN i % 2 = 0 "
        "THEN 'done' WHEN i % 1000 = 1 THEN 'lost' ELSE 'open' END, i * 104729 % 1000000 / 100.0, i % 50, 'note "
        "of order ' || i FROM k");
    must_execute(fixture.db, "CREATE INDEX ord_d ON ord (d, id)");
    must_execute(fixture.db, "CREATE INDEX ord_customer ON ord (customer)");
    must_execute(fixture.db, "CREATE INDEX ord_status ON ord (status)");
    must_execute(fixture.db, "CREATE INDEX ord_amount ON ord (amount)");
    must_be_built(fixture.db);
    return 0;
}

/* Each of them is at least five times slower on the other engine. */
static const char *const on_sqlite[] = {
    "SELECT * FROM ord WHERE id = 4711",
    "SELECT * FROM ord o WHERE o.id IN (4, 5, 6)",
    "SELECT * FROM customers WHERE name = 'customer 77'",
    "SELECT count(*), sum(amount) FROM ord WHERE customer = 99",
    "SELECT count(*), sum(amount * 2) FROM ord WHERE id BETWEEN 1000 AND 1200",
    "SELECT count(*) FROM ord WHERE amount BETWEEN 100 AND 110",
    "SELECT count(*) FROM ord WHERE d BETWEEN '2022-01-01' AND '2022-01-10'",
    "SELECT count(*), sum(amount) FROM ord WHERE d = '2022-01-01'",
    "SELECT count(*) FROM ord WHERE status = 'none'",
    "SELECT max(id), min(d) FROM ord WHERE d = '2022-01-01'",
    "SELECT * FROM ord LIMIT 20",
    "SELECT * FROM ord ORDER BY id DESC LIMIT 20",
    "SELECT * FROM ord ORDER BY d, id LIMIT 100 OFFSET 5000",
    "SELECT id, amount FROM ord ORDER BY amount DESC LIMIT 10",
    "SELECT * FROM ord WHERE qty = 7 ORDER BY id LIMIT 10",
    "SELECT o.id, c.name FROM ord o JOIN customers c ON c.id = o.customer ORDER BY o.id LIMIT 20",
    "SELECT c.name, o.amount FROM customers c JOIN ord o ON o.customer = c.id WHERE c.id BETWEEN 10 AND 20",
    "SELECT EXISTS (SELECT 1 FROM ord WHERE customer = 55)",
};
static const char *const on_column_store[] = {
    "SELECT count(*), sum(amount) FROM ord WHERE id BETWEEN 2000 AND 129000",
    "SELECT count(*), sum(amount) FROM ord x WHERE x.rowid > 500",
    "SELECT sum(qty) FROM ord WHERE status = 'done'",
    "SELECT sum(qty) FROM ord WHERE amount BETWEEN 100 AND 5000",
    "SELECT status, count(*), sum(amount) FROM ord GROUP BY status",
    "SELECT customer, sum(amount) AS s FROM ord GROUP BY customer ORDER BY s DESC, customer LIMIT 10",
    "SELECT c.city, sum(o.amount) FROM ord o JOIN customers c ON c.id = o.customer GROUP BY c.city",
    "SELECT id, qty FROM ord ORDER BY qty DESC, id LIMIT 10",
    "SELECT * FROM ord WHERE qty = 1000 ORDER BY id LIMIT 10",
    "SELECT id, amount FROM ord WHERE qty = 49 AND amount > 100",
    "SELECT count(*) FROM ord WHERE note LIKE '%99%'",
    "SELECT count(note) FROM ord",
    "SELECT c.id, (SELECT sum(o.amount) FROM ord o WHERE o.customer = c.id) FROM customers c",
    "SELECT count(*) FROM ord o WHERE amount > (SELECT avg(amount) FROM ord)",
};

static void test_q9_the_better_engine_answers(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof on_sqlite / sizeof on_sqlite[0]; i++)
            must_route(fixture.db, on_sqlite[i], "oltp", NULL);
        for (size_t i = 0; i < sizeof on_column_store / sizeof on_column_store[0]; i++)
            must_route(fixture.db, on_column_store[i], "olap", NULL);
    }
}

/* The same template, other values: each its own way, also when the text before went the other. */
static void test_q9_each_value_goes_its_own_way(void **state)
{
    (void)state;
    for (int again = 0; again < 3; again++) {
        char sql[120];
        snprintf(sql, sizeof sql, "SELECT count(*), sum(amount * 2) FROM ord WHERE id BETWEEN %d AND 120000", again);
        must_route(fixture.db, sql, "olap", NULL);
        snprintf(sql, sizeof sql, "SELECT count(*), sum(amount * 2) FROM ord WHERE id BETWEEN %d AND 120000",
                 119900 + again);
        must_route(fixture.db, sql, "oltp", "keyed-read");
        must_route(fixture.db, "SELECT sum(qty) FROM ord WHERE status = 'done'", "olap", NULL);
        must_route(fixture.db, "SELECT sum(qty) FROM ord WHERE status = 'lost'", "oltp", "keyed-read");
    }
}

/* Decisions aren't for ever. */
static void test_q9_decisions_follow_the_rows(void **state)
{
    (void)state;
    static const char sql[] = "SELECT city, count(*), max(name) FROM customers WHERE id > 7900 GROUP BY city";
    must_route(fixture.db, sql, "oltp", "keyed-read");
    must_execute(fixture.db, "INSERT INTO customers (name, city) SELECT 'more ' || id, 'city ' || qty FROM ord");
    must_be_built(fixture.db);
    must_int64(fixture.db, "SELECT count(*) FROM customers", RHEI_ROUTE_OLAP);
    must_route(fixture.db, sql, "olap", NULL);
    must_execute(fixture.db, "DELETE FROM customers WHERE id > 8000");
    must_int64(fixture.db, "SELECT count(*) FROM customers", RHEI_ROUTE_OLAP);
    must_route(fixture.db, sql, "oltp", "keyed-read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q9_the_better_engine_answers),
        cmocka_unit_test(test_q9_each_value_goes_its_own_way),
        cmocka_unit_test(test_q9_decisions_follow_the_rows),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
