/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows the router thinks SQLite visits, against how many there are; and that it asks again when that changes. */
#include "route_fixture.h"

#include <stdio.h>
#include <string.h>

static struct routed routed;

static int set_up(void **state)
{
    (void)state;
    routed_open(&routed, NULL, 0);
    routed_write(&routed,
                 "CREATE TABLE t (id INTEGER PRIMARY KEY, half INTEGER, many TEXT, d TEXT, r REAL, low INTEGER, "
                 "u INTEGER UNIQUE)");
    routed_write(&routed,
                 "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 60000) INSERT INTO t "
                 "SELECT i * 2, i % 2, 'm' || (i * 7919 % 6000), date('2020-01-01', '+' || (i / 60) || ' days'), "
                 "i * 104729 % 60000 / 10.0, i % 40, -i FROM k");
    routed_write(&routed, "CREATE INDEX t_half ON t (half)");
    routed_write(&routed, "CREATE INDEX t_many ON t (many)");
    routed_write(&routed, "CREATE INDEX t_d ON t (d, id)");
    routed_write(&routed, "CREATE INDEX t_r ON t (r)");
    routed_write(&routed, "CREATE TABLE \"odd name\" (\"a b\" INTEGER PRIMARY KEY, c)");
    routed_write(&routed, "INSERT INTO \"odd name\" SELECT id / 2, half FROM t");
    routed_settle(&routed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    routed_end(&routed);
    return 0;
}

struct guess {
    const char *sql;
    double least, most; /* rows */
};

static const struct guess guesses[] = {
    {"SELECT * FROM t WHERE id = 50", 1, 1},
    {"SELECT * FROM t AS other WHERE other.id = 50", 1, 1},
    {"SELECT * FROM t WHERE id IN (2, 4, 6, 8)", 4, 4},
    {"SELECT * FROM t WHERE u = -77", 1, 1},
    {"SELECT sum(r) FROM t WHERE id > 2000", 58000, 60000},
    {"SELECT sum(r) FROM t WHERE id BETWEEN 1000 AND 2000", 300, 700},
    {"SELECT sum(r) FROM t WHERE 2000 > id AND id >= 1000", 300, 700},
    {"SELECT sum(r) FROM t x WHERE x.rowid BETWEEN 20000 AND 100000", 36000, 44000},
    {"SELECT sum(r) FROM t WHERE id > -5", 58000, 60000},
    {"SELECT sum(r) FROM t WHERE id > 200000", 0, 60},
    {"SELECT sum(low) FROM t WHERE half = 1", 26000, 34000},
    {"SELECT sum(low) FROM t WHERE half = 7", 0, 100},
    {"SELECT sum(low) FROM t WHERE many = 'm77'", 2, 40},
    {"SELECT sum(low) FROM t WHERE many IN ('m77', 'm78', 'm79')", 6, 120},
    {"SELECT sum(low) FROM t WHERE d = '2021-01-01'", 20, 240},
    {"SELECT sum(low) FROM t WHERE d >= '2021-01-01' AND d < '2022-01-01'", 18000, 26000},
    {"SELECT sum(low) FROM t WHERE r BETWEEN 1000 AND 1010", 40, 400},
    {"SELECT sum(low) FROM t WHERE r < 3000", 27000, 33000},
    {"SELECT sum(low) FROM t NOT INDEXED WHERE r < 3000", 60000, 60000},
    {"SELECT count(*) FROM t o WHERE low > 3", 60000, 60000},
    {"SELECT c FROM \"odd name\" WHERE \"a b\" <= 6000", 5000, 7000},
    {"SELECT max(id) FROM t", 1, 1},
    /* named with the schema, as the plan repeats it */
    {"SELECT sum(r) FROM main.t", 60000, 60000},
    {"SELECT sum(r) FROM Main.t WHERE id > 60000", 28000, 32000},
    {"SELECT sum(r) FROM main.t WHERE main.t.id > 60000", 28000, 32000},
    {"SELECT c FROM main.\"odd name\" WHERE \"a b\" <= 6000", 5000, 7000},
    /* as far as LIMIT wants */
    {"SELECT * FROM t LIMIT 20", 20, 20},
    {"SELECT * FROM t LIMIT 20 OFFSET 1000", 1020, 1020},
    {"SELECT * FROM t ORDER BY id DESC LIMIT 5", 5, 5},
    {"SELECT * FROM t ORDER BY d, id LIMIT 100 OFFSET 5000", 5100, 5100},
    {"SELECT * FROM t WHERE low = 7 ORDER BY id LIMIT 10", 250, 700},
    {"SELECT * FROM t WHERE low = 7000 ORDER BY id LIMIT 10", 60000, 60000},
    {"SELECT * FROM t ORDER BY low LIMIT 10", 60000, 60000},
    {"SELECT low, count(*) FROM t GROUP BY low LIMIT 10", 60000, 60000},
    {"SELECT count(*) FROM t LIMIT 1", 60000, 60000},
    /* loops within loops */
    {"SELECT a.r, b.r FROM t a JOIN t b ON b.id = a.u WHERE a.id < 200", 150, 300},
    {"SELECT count(*) FROM t a JOIN t b ON b.many = a.many WHERE a.id < 200", 300, 3000},
    {"SELECT a.id, (SELECT sum(b.r) FROM t b WHERE b.many = a.many) FROM t a WHERE a.id < 200", 300, 3000},
    {"SELECT count(*) FROM t WHERE many IN (SELECT many FROM t WHERE id < 20)", 9, 2000},
};

static void test_q9_rows_are_guessed_by_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        struct route_costs costs = routed_costs(&routed, guesses[i].sql, NULL, 0);
        if (costs.rows < guesses[i].least - 0.5 || costs.rows > guesses[i].most + 0.5)
            fail_msg("%s: %.0f rows instead of %.0f to %.0f", guesses[i].sql, costs.rows, guesses[i].least,
                     guesses[i].most);
        assert_true(costs.oltp_ns > 0 && costs.olap_ns > 0);
    }
}

/* What SELECT * says inside EXISTS is read by nobody. */
static void test_q9_exists_reads_what_it_compares(void **state)
{
    (void)state;
    static const char star[] =
        "SELECT count(*) FROM t a WHERE EXISTS (SELECT * FROM t b WHERE b.many = a.many AND b.low > 3)";
    static const char named[] =
        "SELECT count(*) FROM t a WHERE EXISTS (SELECT b.low FROM t b WHERE b.many = a.many AND b.low > 3)";
    static const char outer[] =
        "SELECT * FROM t a WHERE EXISTS (SELECT * FROM t b WHERE b.many = a.many AND b.low > 3)";
    double wanted = routed_costs(&routed, named, NULL, 0).olap_ns;
    assert_true(routed_costs(&routed, star, NULL, 0).olap_ns == wanted);
    assert_true(routed_costs(&routed, outer, NULL, 0).olap_ns > wanted);
}

static struct rhei_value whole(int64_t integer)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = integer};
}

static void test_q9_parameters_and_literals_have_their_own_guess(void **state)
{
    (void)state;
    static const char sql[] = "SELECT sum(r * 2) FROM t WHERE id BETWEEN ?1 AND ?2";
    struct rhei_value few[] = {whole(100), whole(300)}, many[] = {whole(0), whole(200000)};
    struct rhei_value none[] = {(struct rhei_value){.type = RHEI_NULL}, (struct rhei_value){.type = RHEI_NULL}};
    for (int again = 0; again < 2; again++) {
        assert_true(routed_costs(&routed, sql, few, 2).rows < 300);
        assert_true(routed_costs(&routed, sql, many, 2).rows > 55000);
        routed_costs(&routed, sql, none, 2);
    }
    enum route_target target;
    assert_string_equal(routed_choose(&routed, sql, few, 2, RHEI_ROUTE_AUTO, &target), "keyed-read");
    routed_choose(&routed, sql, many, 2, RHEI_ROUTE_AUTO, &target);
    assert_int_equal(target, ROUTE_TO_OLAP);
    assert_string_equal(routed_choose(&routed, sql, few, 2, RHEI_ROUTE_AUTO, &target), "keyed-read");
    assert_string_equal(
        routed_choose(&routed, "SELECT sum(r * 2) FROM t WHERE half = 5", NULL, 0, RHEI_ROUTE_AUTO, &target),
        "keyed-read");
    routed_choose(&routed, "SELECT sum(r * 2) FROM t WHERE half = 0", NULL, 0, RHEI_ROUTE_AUTO, &target);
    assert_int_equal(target, ROUTE_TO_OLAP);
    struct rhei_value limits[] = {whole(10)};
    assert_string_equal(routed_choose(&routed, "SELECT * FROM t ORDER BY id LIMIT ?", limits, 1, RHEI_ROUTE_AUTO, NULL),
                        "first-rows");
}

/* A decision isn't for ever: it follows the table. */
static void test_q9_decisions_follow_the_rows(void **state)
{
    (void)state;
    static const char sql[] = "SELECT sum(r * 2), count(*) FROM t WHERE id BETWEEN 150000 AND 900000 AND low <> 1";
    enum route_target target;
    assert_string_equal(routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, &target), "keyed-read");
    routed_write(&routed, "INSERT INTO t (id, half, many, d, r, low) SELECT id + 200000, half, many, d, r, low FROM t");
    routed_write(&routed, "INSERT INTO t (id, half, many, d, r, low) SELECT id + 400000, half, many, d, r, low FROM t");
    routed_settle(&routed);
    routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, &target);
    assert_int_equal(target, ROUTE_TO_OLAP);
    routed_write(&routed, "DELETE FROM t WHERE id > 130000");
    routed_settle(&routed);
    assert_string_equal(routed_choose(&routed, sql, NULL, 0, RHEI_ROUTE_AUTO, &target), "keyed-read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q9_rows_are_guessed_by_values),
        cmocka_unit_test(test_q9_exists_reads_what_it_compares),
        cmocka_unit_test(test_q9_parameters_and_literals_have_their_own_guess),
        cmocka_unit_test(test_q9_decisions_follow_the_rows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
