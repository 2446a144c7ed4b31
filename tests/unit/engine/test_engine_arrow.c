/* SPDX-License-Identifier: Apache-2.0 */
/* The Arrow types of a result: by its values, where there are none by what is declared, and on both routes alike. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_olap(&fixture);
    must_execute(fixture.db,
                 "CREATE TABLE t (id INTEGER PRIMARY KEY, i INT, r DOUBLE PRECISION, s VARCHAR(20), b BLOB, "
                 "n DECIMAL(10,2), d DATE, loose)");
    must_execute(fixture.db, "CREATE VIEW v AS SELECT s AS text, i, b FROM t");
    return 0;
}

/* The formats of a result's columns ("l g u z"; a dense union is "?"), and how many rows there are. */
static void read_types(const char *sql, int32_t route, bool views, char *formats, size_t size, int64_t *rows)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {
        .struct_size = sizeof options, .route = route, .strings = views ? RHEI_STRINGS_VIEW : RHEI_STRINGS_UTF8};
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray array;
    if (rhei_query_arrow(fixture.db, sql, NULL, &options, &stream, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    size_t used = 0;
    for (int64_t c = 0; c < schema.n_children; c++)
        used += (size_t)snprintf(formats + used, size - used, "%s%s", c > 0 ? " " : "",
                                 schema.children[c]->format[0] == '+' ? "?" : schema.children[c]->format);
    schema.release(&schema);
    *rows = 0;
    int code;
    while ((code = stream.get_next(&stream, &array)) == 0 && array.release != NULL) {
        *rows += array.length;
        array.release(&array);
    }
    if (code != 0)
        fail_msg("%s: %s", sql, stream.get_last_error(&stream));
    stream.release(&stream);
}

/* On both routes. */
static void must_have_types(const char *sql, const char *formats)
{
    char oltp[300] = "", olap[300] = "";
    int64_t oltp_rows, olap_rows;
    read_types(sql, RHEI_ROUTE_OLTP, false, oltp, sizeof oltp, &oltp_rows);
    read_types(sql, RHEI_ROUTE_OLAP, false, olap, sizeof olap, &olap_rows);
    if (strcmp(oltp, olap) != 0 || strcmp(oltp, formats) != 0)
        fail_msg("%s: \"%s\" by SQLite, \"%s\" by the column store, not \"%s\"", sql, oltp, olap, formats);
    assert_int_equal(oltp_rows, olap_rows);
}

static const char all[] = "SELECT id, i, r, s, b, n, d, loose FROM t";

static void test_q2_without_values_the_declared_type(void **state)
{
    (void)state;
    must_be_built(fixture.db);
    must_have_types(all, "l l g u z l l l");
    must_have_types("SELECT * FROM t WHERE id > 5", "l l g u z l l l");
    must_have_types("SELECT s, b FROM t WHERE id % 2 = 1", "u z");
    must_have_types("SELECT * FROM v", "u l z");
    must_have_types("SELECT s || 'x', length(s), r * 2 FROM t ORDER BY id", "u l l");
    must_execute(fixture.db, "INSERT INTO t (id) VALUES (1), (2)");
    must_have_types(all, "l l g u z l l l");
    must_have_types("SELECT r, s, b, n FROM t WHERE id % 2 = 1 ORDER BY id DESC", "g u z l");
    must_have_types("SELECT x.s, y.b FROM t x JOIN t y ON x.id = y.id + 1", "u z");
}

static void test_q2_the_values_decide(void **state)
{
    (void)state;
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 1, 1, 'a', x'00', 1.5, '2024-01-01', 7)");
    must_be_built(fixture.db);
    must_have_types(all, "l l g u z g u l");
    must_execute(fixture.db, "INSERT INTO t VALUES (2, 2, 2, 'b', x'01', 2, '2024-01-02', 'x')");
    must_have_types(all, "l l g u z ? u ?");
    must_have_types("SELECT n, loose FROM t WHERE id > 1", "l u");
    must_have_types("SELECT n, loose, d, s FROM t WHERE id > 2", "l l l u");
    must_execute(fixture.db, "UPDATE t SET i = 'dirty' WHERE id = 1");
    must_have_types(all, "l ? g u z ? u ?");
    must_execute(fixture.db, "UPDATE t SET i = NULL, s = NULL, d = NULL");
    must_have_types(all, "l l g u z ? l ?");
    must_execute(fixture.db, "UPDATE t SET loose = NULL WHERE id = 1");
    must_have_types(all, "l l g u z ? l u");
    must_execute(fixture.db, "DELETE FROM t");
    must_have_types(all, "l l g u z l l l");
}

/* More rows than a batch: what comes behind the first one counts as well. */
static void test_q6_later_batches_are_looked_at(void **state)
{
    (void)state;
    must_execute(fixture.db, "INSERT INTO t VALUES (1, NULL, 1.5, NULL, NULL, NULL, NULL, NULL)");
    must_execute(fixture.db,
                 "WITH RECURSIVE c(k) AS (SELECT 2 UNION ALL SELECT k + 1 FROM c WHERE k < 70000) INSERT INTO "
                 "t (id, r, s) SELECT k, k * 0.5, 's' || k FROM c");
    must_be_built(fixture.db);
    must_have_types(all, "l l g u z l l l");
    must_execute(fixture.db, "UPDATE t SET b = x'02', d = 'late', loose = 5 WHERE id = 69999");
    must_have_types(all, "l l g u z l u l");
    must_execute(fixture.db, "UPDATE t SET loose = 'other', s = x'03' WHERE id = 70000");
    must_have_types(all, "l l g ? z l u ?");
    must_execute(fixture.db, "UPDATE t SET s = CAST(x'ff' AS TEXT) WHERE id = 70000");
    char formats[100];
    int64_t rows;
    read_types("SELECT id, s FROM t", RHEI_ROUTE_OLTP, true, formats, sizeof formats, &rows);
    assert_string_equal(formats, "l ?");
    read_types("SELECT random(), s FROM t", RHEI_ROUTE_OLTP, false, formats, sizeof formats, &rows);
    assert_string_equal(formats, "? ?"); /* can't be looked at twice */
    assert_int_equal(rows, 70000);
}

/* What was looked at is what is read, whoever writes in between. */
static void test_q6_the_second_reading_sees_the_same(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLTP};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    must_execute(fixture.db, "WITH RECURSIVE c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c WHERE k < 150000) INSERT "
                             "INTO t (id, i) SELECT k, k FROM c");
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT id, i, s FROM t", NULL, &options, &stream, &error), RHEI_OK);
    must_execute(fixture.db, "UPDATE t SET i = 'text', s = 5");
    int64_t sum = 0, rows = 0;
    while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
        assert_int_equal(array.children[2]->null_count, array.length);
        for (int64_t i = 0; i < array.length; i++)
            sum += ((const int64_t *)array.children[1]->buffers[1])[i];
        rows += array.length;
        array.release(&array);
    }
    assert_int_equal(rows, 150000);
    assert_int_equal(sum, INT64_C(150000) * 150001 / 2);
    stream.release(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_without_values_the_declared_type, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_the_values_decide, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q6_later_batches_are_looked_at, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q6_the_second_reading_sees_the_same, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
