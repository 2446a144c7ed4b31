/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders in C: a table, a batch of rows, a question with a parameter, and which engine answered it.
 *
 *     cc orders.c $(pkg-config --cflags --libs rhei) -o orders && ./orders shop.db
 */
#include <inttypes.h>
#include <rhei/rhei.h>
#include <stdio.h>

static int fail(rhei_db *db, const struct rhei_error *error)
{
    fprintf(stderr, "%s\n", error->message);
    rhei_close(&db);
    return 1;
}

int main(int argc, char **argv)
{
    const struct rhei_value orders[] = {
        rhei_text("Ada"), rhei_real(9.5), rhei_text("Bob"), rhei_real(20), rhei_text("Ada"), rhei_real(0.25),
    };
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_result result = {.struct_size = sizeof result};
    rhei_db *db = NULL;
    if (rhei_open(argc > 1 ? argv[1] : "shop.db", NULL, &db, &error) != RHEI_OK)
        return fail(db, &error);
    const char *create = "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)";
    if (rhei_execute(db, create, NULL, NULL, &error) != RHEI_OK)
        return fail(db, &error);

    /* Three rows of two values, all or none. */
    const char *insert = "INSERT INTO orders (customer, amount) VALUES (?, ?)";
    if (rhei_execute_batch(db, insert, orders, 2, 3, &result, &error) != RHEI_OK)
        return fail(db, &error);
    fprintf(stderr, "%" PRId64 " orders are committed\n", result.changes);

    /* The answer has every commit before the call, whichever engine gives it. */
    rhei_rows *rows = NULL;
    const char *totals =
        "SELECT customer, sum(amount) FROM orders WHERE amount > ? GROUP BY customer ORDER BY customer";
    if (rhei_query(db, totals, RHEI_PARAMS(rhei_real(0.1)), NULL, &rows, &error) != RHEI_OK)
        return fail(db, &error);
    rhei_status status;
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        printf("%s %g\n", rhei_rows_text(rows, 0), rhei_rows_double(rows, 1));
    fprintf(stderr, "answered by %s: %s\n", rhei_rows_route(rows), rhei_rows_rule(rows));
    rhei_rows_close(&rows);
    if (status != RHEI_DONE)
        return fail(db, &error);
    rhei_close(&db);
    return 0;
}
