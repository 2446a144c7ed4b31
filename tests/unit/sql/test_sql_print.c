/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite is the oracle: what it prepares parses, and the printed tree gives the same rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sql/sql.h"
#include "sql_random.h"

static sqlite3 *open_database(void)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; sql_random_schema[i]; i++)
        assert_int_equal(sqlite3_exec(db, sql_random_schema[i], NULL, NULL, NULL), SQLITE_OK);
    return db;
}

/* Classes, bytes and order of all rows, or the error; and what a change left behind. */
static void add_rows(sqlite3 *db, const char *text, struct base_buffer *out)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK) {
        base_buffer_text(out, "cannot prepare");
        return;
    }
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && out->len < 100000)
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            base_buffer_format(out, "%d:", sqlite3_column_type(stmt, i));
            if (sqlite3_column_bytes(stmt, i))
                base_buffer_append(out, sqlite3_column_blob(stmt, i), (size_t)sqlite3_column_bytes(stmt, i));
            base_buffer_char(out, '|');
        }
    base_buffer_format(out, "=%d", rc == SQLITE_ROW ? 0 : rc);
    sqlite3_finalize(stmt);
}

static void run(sqlite3 *db, const char *text, struct base_buffer *out)
{
    base_buffer_clear(out);
    assert_int_equal(sqlite3_exec(db, "SAVEPOINT s", NULL, NULL, NULL), SQLITE_OK);
    add_rows(db, text, out);
    add_rows(db, "SELECT * FROM t ORDER BY a", out);
    add_rows(db, "SELECT * FROM u ORDER BY rowid", out);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK TO s; RELEASE s", NULL, NULL, NULL), SQLITE_OK);
}

/* False if SQLite doesn't take the text. */
static bool check_text(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    bool prepared = sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK;
    sqlite3_finalize(stmt);
    if (!prepared)
        return false;
    struct sql_tree *tree = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sql_parse(text, strlen(text), &tree, &error) != RHEI_OK)
        fail_msg("SQLite prepares it, we don't parse it: %s\n%s", text, error.message);
    struct base_buffer printed = {0}, expected = {0}, got = {0};
    assert_int_equal(sql_print(tree, &printed, NULL), RHEI_OK);
    run(db, text, &expected);
    run(db, printed.data, &got);
    if (expected.len != got.len || memcmp(expected.data, got.data, got.len) != 0)
        fail_msg("printed otherwise:\n%s\n%s\n%s\n%s", text, printed.data, expected.data, got.data);
    base_buffer_reset(&printed);
    base_buffer_reset(&expected);
    base_buffer_reset(&got);
    sql_tree_free(&tree);
    return true;
}

static void test_forms_one_by_one(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT 1 a, 2 'b', 3 \"c\", 4 [d], 5 `e`, 6 AS left",
        "SELECT replace, cast, key, \"window\" FROM (SELECT 1 AS replace, 2 AS cast, 3 AS key, 4 AS window)",
        "SELECT filter, over, row FROM (SELECT 1 filter, 2 over, 3 AS row)",
        "SELECT a NOT NULL, a IS NOT NULL, NOT a IS NULL, a NOT BETWEEN 1 AND 2 AND 3 FROM t",
        "SELECT -9223372036854775808, 9223372036854775808, - 0x10, 1e999, -1e999, 1_0.5",
        "SELECT a FROM t WHERE b LIKE 'o%' ESCAPE '\\' OR b GLOB 'T*' OR like('o%', b)",
        "SELECT * FROM t NATURAL LEFT OUTER JOIN u",
        "SELECT * FROM t LEFT JOIN u ON k = a AND k > 0, (SELECT 1 AS one)",
        "SELECT t.*, u.* FROM t FULL JOIN u ON k = a",
        "SELECT * FROM (t JOIN u ON k = a) LEFT JOIN (SELECT 2 AS two) ON two = a",
        "SELECT a IN (1, 2), a IN (SELECT k FROM u), a NOT IN (), (a, c) IN (SELECT k, v FROM u) FROM t",
        "SELECT 2 IN x FROM (SELECT 1) JOIN t ON 0 UNION ALL SELECT a IN (1) FROM t",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
        "WITH a AS MATERIALIZED (SELECT 1 x), b(y) AS NOT MATERIALIZED (SELECT x + 1 FROM a) SELECT * FROM a, b",
        "SELECT sum(c) OVER (w ORDER BY a RANGE BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES) FROM t "
        "WINDOW w AS "
        "(PARTITION BY d)",
        "SELECT lag(a, 1, 0) OVER w, nth_value(b, 2) OVER (ORDER BY a ROWS UNBOUNDED PRECEDING EXCLUDE GROUP) FROM t "
        "WINDOW "
        "w AS (ORDER BY a DESC NULLS LAST), v AS ()",
        "SELECT group_concat(b, '-' ORDER BY a DESC) FILTER (WHERE a > 1), count(DISTINCT b), count(*) FROM t",
        "SELECT string_agg(DISTINCT b, ',') FROM t",
        "SELECT a FROM t ORDER BY b COLLATE NOCASE DESC NULLS FIRST, 1 LIMIT 2, 3",
        "SELECT a FROM t NOT INDEXED WHERE a IS 1 OR a IS NOT DISTINCT FROM 2 OR a IS DISTINCT FROM 3",
        "SELECT CASE a WHEN 1 THEN 'x' WHEN 2 THEN 'y' END, CASE WHEN a THEN 1 ELSE 2 END FROM t",
        "SELECT CAST(a AS VARCHAR(10)), CAST(c AS DECIMAL(10, -2)), CAST(b AS \"my type\" text) FROM t",
        "SELECT '{\"a\":[1,2]}' -> '$.a' ->> 1, 1 || 2 -> 3",
        "SELECT value FROM json_each('[1,2]') AS j WHERE j.value > 1",
        "SELECT 2 IN json_each('[1,2]')",
        "VALUES (1, 'a'), (2, NULL) UNION SELECT 3, x'00' ORDER BY 1 DESC",
        "SELECT CURRENT_DATE = date('now'), true AND NOT false, rowid FROM t",
        "SELECT EXISTS (SELECT 1), NOT EXISTS (SELECT 1 WHERE 0), (SELECT max(a) FROM t)",
        "SELECT a FROM t GROUP BY 1 HAVING count(*) > 0",
        "SELECT - - 1, + + 1, ~ ~ 1, NOT NOT 1, 1 - -1, 2 * - 3",
        "INSERT INTO u(k) SELECT a FROM t WHERE true ON CONFLICT (k) DO UPDATE SET v = excluded.k",
        "INSERT INTO u DEFAULT VALUES RETURNING *, k + 1 AS n",
        "UPDATE t SET b = u.b FROM u WHERE k = a RETURNING t.a",
        "UPDATE OR REPLACE t AS q SET a = a + 100, (b, c) = (SELECT 'z', 9) WHERE q.a = 1",
        "WITH d AS (SELECT 1 AS x) DELETE FROM t WHERE a IN (SELECT x FROM d) RETURNING b",
        "REPLACE INTO u VALUES (1, 'r', 0)",
    };
    sqlite3 *db = open_database();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!check_text(db, texts[i]))
            print_message("# this SQLite (%s) doesn't take: %s\n", sqlite3_libversion(), texts[i]);
    sqlite3_close(db);
}

static void test_random_statements_mean_the_same(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    sqlite3 *db = open_database();
    int taken = 0;
    for (int i = 0; i < 3000; i++) {
        taken += check_text(db, sql_random_select(&random));
        taken += check_text(db, sql_random_change(&random));
    }
    assert_true(taken > 1500);
    sqlite3_close(db);
    base_buffer_reset(&random.text);
}

static void test_without_a_tree_there_is_nothing_to_print(void **state)
{
    (void)state;
    struct sql_tree *tree = NULL;
    struct base_buffer out = {0};
    assert_int_equal(sql_parse("DROP TABLE t", 12, &tree, NULL), RHEI_OK);
    assert_int_equal(sql_print(tree, &out, NULL), RHEI_UNSUPPORTED);
    sql_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_one_by_one),
        cmocka_unit_test(test_random_statements_mean_the_same),
        cmocka_unit_test(test_without_a_tree_there_is_nothing_to_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
