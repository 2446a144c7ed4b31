/* SPDX-License-Identifier: Apache-2.0 */
/* A program as a user writes it, in the common part of C and C++: writes a row, reads it by both engines. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rhei/rhei.h>
#include <rhei/rhei_async.h>
#include <rhei/rhei_care.h>
#include <rhei/rhei_doors.h>
#include <rhei/rhei_native.h>

static int failed(const char *what, const struct rhei_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->message);
    return 1;
}

static int insert_order(rhei_db *db, struct rhei_error *error)
{
    struct rhei_value values[2] = {rhei_text("Ada"), rhei_real(9.5)};
    struct rhei_params params = {values, 2};
    return rhei_execute(db, "INSERT INTO orders (customer, amount) VALUES (?, ?)", &params, NULL, error) == RHEI_OK;
}

static int sum_is_right(rhei_db *db, int32_t route, struct rhei_error *error)
{
    struct rhei_query_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.route = route;
    rhei_rows *rows = NULL;
    if (rhei_query(db, "SELECT count(*), max(amount) FROM orders", NULL, &options, &rows, error) != RHEI_OK)
        return 0;
    int right =
        rhei_rows_next(rows, error) == RHEI_ROW && rhei_rows_int64(rows, 0) == 1 && rhei_rows_double(rows, 1) == 9.5;
    printf("%s %" PRId64 "\n", rhei_rows_route(rows), rhei_rows_position(rows));
    rhei_rows_close(&rows);
    return right;
}

static int told(void *context, const struct rhei_progress *progress)
{
    (void)context;
    return progress->elapsed_us < 0;
}

/* What a shell needs: the statements of a text, and the tables of the database, under limits. */
static int doors_are_open(rhei_db *db, struct rhei_error *error)
{
    static const char text[] = "SELECT 1; SELECT ';'";
    struct rhei_split part;
    memset(&part, 0, sizeof part);
    part.struct_size = sizeof part;
    int statements = 0;
    while (rhei_split(text, sizeof text - 1, &part, error) == RHEI_OK && part.state != RHEI_SPLIT_END)
        statements++;
    struct rhei_call_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.progress = told;
    struct rhei_catalog *catalog = NULL;
    if (rhei_catalog_read(db, "orders", &options, &catalog, error) != RHEI_OK)
        return 0;
    int right = statements == 2 && catalog->table_count == 1 && catalog->tables[0]->column_count == 3 &&
                rhei_verify_with(db, NULL, &options, NULL, error) == RHEI_OK;
    rhei_catalog_free(&catalog);
    return right;
}

int main(int argc, char **argv)
{
    struct rhei_error error;
    memset(&error, 0, sizeof error);
    rhei_db *db = NULL;
    if (argc != 2 || rhei_open(argv[1], NULL, &db, &error) != RHEI_OK)
        return failed("open", &error);
    if (rhei_execute(db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)", NULL, NULL,
                     &error) != RHEI_OK)
        return failed("create", &error);
    if (!insert_order(db, &error))
        return failed("insert", &error);
    if (rhei_initial_sync(db, 30000, &error) != RHEI_OK)
        return failed("initial sync", &error);
    if (!sum_is_right(db, RHEI_ROUTE_OLTP, &error) || !sum_is_right(db, RHEI_ROUTE_OLAP, &error))
        return failed("query", &error);
    if (!doors_are_open(db, &error))
        return failed("doors", &error);
    rhei_close(&db);
    return 0;
}
