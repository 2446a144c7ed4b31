/* SPDX-License-Identifier: Apache-2.0 */
/* Does the router choose well? A hundred statements, each on SQLite, on the column store and as the router likes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_rhei.h"

static const char *const schema[] = {
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT UNIQUE, city TEXT, segment TEXT, balance REAL)",
    "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, category TEXT, price REAL)",
    "CREATE TABLE ord (id INTEGER PRIMARY KEY, customer INTEGER, d TEXT, status TEXT, amount REAL, qty INTEGER, note "
    "TEXT)",
    "CREATE TABLE items (ord INTEGER, line INTEGER, product INTEGER, qty INTEGER, price REAL, PRIMARY KEY (ord, line)) "
    "WITHOUT ROWID",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, kind TEXT, at INTEGER, a INTEGER, b INTEGER, c REAL, d REAL, e TEXT, "
    "f TEXT)",
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 15000) INSERT INTO customers SELECT i, "
    "'customer ' || i, 'city ' || (i % 97), 'segment ' || (i % 5), (i * 7919 % 100000) / 10.0 FROM k",
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 2000) INSERT INTO products SELECT i, "
    "'product ' || i, 'category ' || (i % 23), (i * 31 % 997) / 4.0 FROM k",
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 300000) INSERT INTO ord SELECT i, "
    "1 + i * 7919 % 15000, date('2020-01-01', '+' || (i / 170) || ' days'), CASE WHEN i % 2 = 0 THEN 'done' WHEN i % "
    "100 = 1 THEN 'lost' ELSE 'open' || (i % 3) END, (i * 104729 % 1000000) / 100.0, i % 50, 'note of order ' || i "
    "FROM "
    "k",
    "INSERT INTO items SELECT id, 1, 1 + id * 31 % 2000, qty, amount / 2 FROM ord WHERE id <= 150000",
    "INSERT INTO items SELECT id, 2, 1 + id * 17 % 2000, qty + 1, amount / 3 FROM ord WHERE id <= 100000",
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 120000) INSERT INTO events SELECT i * 3, "
    "'kind ' || (i % 11), 1700000000 + i * 60, i % 1000, i * 37 % 5000, i / 7.0, i % 13 / 3.0, 'text of event ' || i, "
    "'more text for the event with number ' || i FROM k",
    "CREATE INDEX ord_d ON ord (d, id)",
    "CREATE INDEX ord_customer ON ord (customer)",
    "CREATE INDEX ord_status ON ord (status)",
    "CREATE INDEX ord_amount ON ord (amount)",
    "CREATE INDEX items_product ON items (product)",
    "CREATE INDEX events_at ON events (at)",
    "CREATE INDEX customers_city ON customers (city)",
    "ANALYZE",
};

static const char *const statements[] = {
    /* by key */
    "SELECT * FROM ord WHERE id = 4711",
    "SELECT amount FROM ord WHERE id = 299999",
    "SELECT * FROM customers WHERE name = 'customer 812'",
    "SELECT * FROM items WHERE ord = 77 AND line = 2",
    "SELECT * FROM items WHERE ord = 77",
    "SELECT * FROM ord WHERE id IN (5, 50, 500, 5000, 50000)",
    "SELECT * FROM ord WHERE customer = 99",
    "SELECT count(*), sum(amount) FROM ord WHERE customer = 1234",
    "SELECT o.*, c.name FROM ord o JOIN customers c ON c.id = o.customer WHERE o.id = 1000",
    "SELECT c.name, o.id, o.amount FROM customers c JOIN ord o ON o.customer = c.id WHERE c.id = 77 ORDER BY o.id",
    "SELECT p.name, i.qty FROM items i JOIN products p ON p.id = i.product WHERE i.ord = 321 ORDER BY i.line",
    "SELECT max(id) FROM ord",
    "SELECT min(amount), max(id) FROM ord",
    "SELECT max(amount) FROM ord",
    "SELECT count(*) FROM products",
    "SELECT * FROM products WHERE category = 'category 7' ORDER BY price DESC LIMIT 5",
    /* ranges */
    "SELECT count(*), sum(amount) FROM ord WHERE id BETWEEN 5000 AND 295000",
    "SELECT count(*), sum(amount) FROM ord WHERE id > 299500",
    "SELECT count(*), sum(amount) FROM ord WHERE id BETWEEN 1000 AND 1500",
    "SELECT count(*), sum(amount) FROM ord WHERE id BETWEEN 1000 AND 9000",
    "SELECT count(*), sum(amount) FROM ord WHERE id BETWEEN 1000 AND 40000",
    "SELECT sum(qty) FROM ord WHERE status = 'done'",
    "SELECT count(*) FROM ord WHERE status = 'done'",
    "SELECT count(*), sum(amount) FROM ord WHERE status = 'lost'",
    "SELECT count(*) FROM ord WHERE status = 'none'",
    "SELECT count(*) FROM ord WHERE amount BETWEEN 100 AND 110",
    "SELECT count(*) FROM ord WHERE amount BETWEEN 100 AND 3000",
    "SELECT sum(qty) FROM ord WHERE amount BETWEEN 100 AND 110",
    "SELECT sum(qty) FROM ord WHERE amount BETWEEN 100 AND 1000",
    "SELECT count(*) FROM ord WHERE d BETWEEN '2022-01-01' AND '2022-01-10'",
    "SELECT count(*) FROM ord WHERE d BETWEEN '2021-01-01' AND '2023-12-31'",
    "SELECT sum(amount) FROM ord WHERE d = '2022-05-05'",
    "SELECT sum(amount) FROM ord WHERE d >= '2022-05-05' AND d < '2022-06-05'",
    "SELECT sum(amount) FROM ord WHERE d >= '2021-05-05' AND d < '2023-06-05'",
    "SELECT count(*), avg(c) FROM events WHERE at BETWEEN 1700060000 AND 1700090000",
    "SELECT count(*), avg(c) FROM events WHERE at > 1700060000",
    "SELECT count(*) FROM customers WHERE city = 'city 5'",
    "SELECT city, count(*) FROM customers WHERE city IN ('city 5', 'city 6') GROUP BY city",
    /* the first rows */
    "SELECT * FROM ord LIMIT 20",
    "SELECT id, amount FROM ord LIMIT 20 OFFSET 100",
    "SELECT * FROM ord ORDER BY id DESC LIMIT 50",
    "SELECT * FROM ord ORDER BY d, id LIMIT 100 OFFSET 5000",
    "SELECT * FROM ord ORDER BY d, id LIMIT 10",
    "SELECT * FROM ord WHERE d > '2022-01-01' ORDER BY d, id LIMIT 25",
    "SELECT * FROM ord WHERE qty = 7 ORDER BY id LIMIT 10",
    "SELECT * FROM ord WHERE qty = 1000 ORDER BY id LIMIT 10",
    "SELECT * FROM events WHERE kind = 'kind 3' LIMIT 10",
    "SELECT o.id, c.name FROM ord o JOIN customers c ON c.id = o.customer ORDER BY o.id LIMIT 20",
    "SELECT id, amount FROM ord ORDER BY amount DESC LIMIT 10",
    "SELECT id, qty FROM ord ORDER BY qty DESC, id LIMIT 10",
    "SELECT id, note FROM ord ORDER BY note LIMIT 10",
    "SELECT * FROM events ORDER BY at DESC LIMIT 100",
    "SELECT DISTINCT status FROM ord LIMIT 2",
    "SELECT id FROM ord WHERE amount > 9990 LIMIT 5",
    "SELECT EXISTS (SELECT 1 FROM ord WHERE customer = 55)",
    "SELECT 1 FROM ord WHERE status = 'lost' LIMIT 1",
    "SELECT * FROM ord ORDER BY id LIMIT 1 OFFSET 250000",
    /* whole tables */
    "SELECT count(*) FROM ord",
    "SELECT count(*) FROM events",
    "SELECT count(*) FROM items",
    "SELECT count(note) FROM ord",
    "SELECT count(*), sum(amount), avg(qty) FROM ord",
    "SELECT status, count(*), sum(amount) FROM ord GROUP BY status",
    "SELECT customer, count(*), sum(amount) FROM ord GROUP BY customer",
    "SELECT customer, sum(amount) AS s FROM ord GROUP BY customer ORDER BY s DESC, customer LIMIT 10",
    "SELECT d, count(*) FROM ord GROUP BY d",
    "SELECT substr(d, 1, 4) AS y, sum(amount) FROM ord GROUP BY y ORDER BY y",
    "SELECT count(DISTINCT customer) FROM ord",
    "SELECT count(*) FROM ord WHERE note LIKE '%99%'",
    "SELECT count(*) FROM ord WHERE qty > 10 AND amount < 5000",
    "SELECT id, amount FROM ord WHERE amount > 9900",
    "SELECT id, amount FROM ord WHERE qty = 49 AND amount > 5000",
    "SELECT * FROM ord",
    "SELECT id, qty FROM ord",
    "SELECT * FROM customers",
    "SELECT * FROM products",
    "SELECT name FROM products ORDER BY price DESC, id",
    "SELECT * FROM ord ORDER BY amount, id",
    "SELECT kind, max(c), min(d) FROM events GROUP BY kind",
    "SELECT a, sum(b) FROM events GROUP BY a HAVING sum(b) > 400000",
    "SELECT length(group_concat(name)) FROM products",
    "SELECT DISTINCT city FROM customers",
    "SELECT DISTINCT a, kind FROM events",
    "SELECT sum(length(e)) FROM events",
    /* joins and the like */
    "SELECT c.segment, count(*), sum(o.amount) FROM ord o JOIN customers c ON c.id = o.customer GROUP BY c.segment",
    "SELECT c.city, sum(o.amount) AS s FROM ord o JOIN customers c ON c.id = o.customer WHERE o.d >= '2023-01-01' "
    "GROUP "
    "BY c.city ORDER BY s DESC LIMIT 5",
    "SELECT p.category, sum(i.qty * i.price) FROM items i JOIN products p ON p.id = i.product GROUP BY p.category",
    "SELECT p.category, c.segment, sum(i.qty) FROM items i JOIN ord o ON o.id = i.ord JOIN customers c ON c.id = "
    "o.customer JOIN products p ON p.id = i.product GROUP BY p.category, c.segment",
    "SELECT count(*) FROM ord o JOIN items i ON i.ord = o.id WHERE o.status = 'lost'",
    "SELECT count(*) FROM items i JOIN ord o ON o.id = i.ord WHERE i.product = 17",
    "SELECT sum(o.amount) FROM customers c JOIN ord o ON o.customer = c.id WHERE c.city = 'city 9'",
    "SELECT sum(o.amount) FROM customers c JOIN ord o ON o.customer = c.id WHERE c.id BETWEEN 10 AND 20",
    "SELECT count(*) FROM customers c WHERE EXISTS (SELECT 1 FROM ord o WHERE o.customer = c.id AND o.amount > 9990)",
    "SELECT count(*) FROM ord o WHERE amount > (SELECT avg(amount) FROM ord)",
    "SELECT c.id, (SELECT sum(o.amount) FROM ord o WHERE o.customer = c.id) FROM customers c WHERE c.id < 50",
    "SELECT c.id, (SELECT sum(o.amount) FROM ord o WHERE o.customer = c.id) FROM customers c",
    "SELECT count(*) FROM ord WHERE customer IN (SELECT id FROM customers WHERE segment = 'segment 2')",
    "WITH m AS (SELECT substr(d, 1, 7) AS m, sum(amount) AS s FROM ord GROUP BY 1) SELECT m, s, s - lag(s) OVER (ORDER "
    "BY m) FROM m ORDER BY m",
    "SELECT id, row_number() OVER (PARTITION BY customer ORDER BY amount DESC, id) AS r FROM ord WHERE customer < 20",
    "SELECT city FROM customers WHERE balance > 9000 UNION SELECT category FROM products",
};
enum { STATEMENTS = sizeof statements / sizeof statements[0] };

struct measured {
    const char *sql;
    struct samples samples[3]; /* by enum rhei_route */
    double ms[3];              /* NAN: that engine doesn't answer it */
    const char *route, *rule;
    double ratio;
};

/* Milliseconds of one run, NAN if the engine that was asked for doesn't answer. */
static double run_once(rhei_db *db, const char *sql, int32_t route, struct measured *measured)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    double start = bench_now_s();
    rhei_status status = rhei_query(db, sql, NULL, &options, &rows, &error);
    if (status == RHEI_OLAP_UNAVAILABLE)
        return NAN;
    while (status == RHEI_OK || status == RHEI_ROW) {
        status = rhei_rows_next(rows, &error);
        if (status == RHEI_DONE)
            break;
        for (uint32_t c = 0; status == RHEI_ROW && c < rhei_rows_column_count(rows); c++)
            (void)rhei_rows_value(rows, c);
    }
    double end = bench_now_s();
    if (status != RHEI_DONE)
        bench_die(sql, error.message);
    if (route == RHEI_ROUTE_AUTO) {
        measured->route = rhei_rows_route(rows);
        measured->rule = rhei_rows_rule(rows);
    }
    rhei_rows_close(&rows);
    return (end - start) * 1e3;
}

/*
 * Short ones several times for one sample: what ran before leaves its own data in the caches. The order changes, so that
 * each route follows each other one; the shortest sample counts, as others use the machine too.
 */
static void measure(struct bench *bench, rhei_db *db, struct measured *measured)
{
    static const int32_t routes[] = {RHEI_ROUTE_OLTP, RHEI_ROUTE_OLAP, RHEI_ROUTE_AUTO};
    int repeats[3] = {1, 1, 1};
    for (int run = -2; run < bench->runs; run++) {
        for (size_t i = 0; i < 3; i++) {
            size_t at = (i + (size_t)(run + 2)) % 3;
            double ms = 0;
            for (int n = 0; n < repeats[at]; n++)
                ms += run_once(db, measured->sql, routes[at], measured) / repeats[at];
            if (run == -1)
                repeats[at] = ms > 0.5 ? 1 : ms > 0.02 ? 1 + (int)(0.5 / ms) : 25;
            if (run >= 0 && !isnan(ms))
                samples_add(&measured->samples[routes[at]], ms);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        struct samples *samples = &measured->samples[i];
        measured->ms[i] = samples->count > 0 ? samples_min(samples) : NAN;
    }
    measured->ratio =
        measured->ms[RHEI_ROUTE_AUTO] / fmin(measured->ms[RHEI_ROUTE_OLTP], measured->ms[RHEI_ROUTE_OLAP]);
}

static int by_ratio(const void *a, const void *b)
{
    double x = ((const struct measured *)a)->ratio, y = ((const struct measured *)b)->ratio;
    return (x < y) - (x > y);
}

static void print_worst(struct measured *measured)
{
    qsort(measured, STATEMENTS, sizeof *measured, by_ratio);
    printf("\n%8s %9s %9s %9s  %-5s %-16s statement\n", "ratio", "oltp ms", "olap ms", "auto ms", "went", "rule");
    const char *all = getenv("RHEI_BENCH_ALL");
    for (size_t i = 0; i < STATEMENTS && (i < 12 || all != NULL); i++)
        printf("%8.2f %9.3f %9.3f %9.3f  %-5s %-16s %.110s\n", measured[i].ratio, measured[i].ms[RHEI_ROUTE_OLTP],
               measured[i].ms[RHEI_ROUTE_OLAP], measured[i].ms[RHEI_ROUTE_AUTO], measured[i].route, measured[i].rule,
               measured[i].sql);
}

void figures_auto(struct bench *bench)
{
    static struct measured measured[STATEMENTS];
    char path[256];
    bench_path(path, sizeof path, bench, "auto.db");
    bench_say("making the tables for %d statements on both engines", (int)STATEMENTS);
    rhei_db *db = bench_open(path, false, (uint32_t)bench->threads);
    for (size_t i = 0; i < sizeof schema / sizeof schema[0]; i++)
        bench_execute(db, schema[i]);
    bench_build(db);
    double log_sum = 0;
    int over = 0;
    for (size_t i = 0; i < STATEMENTS; i++) {
        measured[i].sql = statements[i];
        measure(bench, db, &measured[i]);
        log_sum += log(measured[i].ratio);
        double better = fmin(measured[i].ms[RHEI_ROUTE_OLTP], measured[i].ms[RHEI_ROUTE_OLAP]);
        over += measured[i].ratio > 2 && measured[i].ms[RHEI_ROUTE_AUTO] - better > 1;
    }
    rhei_close(&db);
    print_worst(measured);
    double mean = exp(log_sum / STATEMENTS);
    report_add(bench->report, &(struct figure){.name = "auto / better engine, geometric mean",
                                               .value = mean,
                                               .low = mean,
                                               .high = mean,
                                               .unit = "",
                                               .compared = mean,
                                               .target_text = "<= 1.1",
                                               .target = 1.1,
                                               .sense = AT_MOST});
    report_add(bench->report, &(struct figure){.name = "statements over 2 times and 1 ms worse",
                                               .value = over,
                                               .low = over,
                                               .high = over,
                                               .unit = "",
                                               .compared = over,
                                               .target_text = "0",
                                               .target = 0,
                                               .sense = AT_MOST});
}
