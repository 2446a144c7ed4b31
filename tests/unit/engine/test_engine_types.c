/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a result before the statement runs. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#include "rhei/rhei_doors.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE s (i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT");
    must_execute(fixture.db, "CREATE TABLE l (id INTEGER PRIMARY KEY, n INT, t TEXT, d DATE, x)");
    must_execute(fixture.db, "CREATE VIEW v AS SELECT id FROM l UNION ALL SELECT 'text'");
    must_execute(fixture.db, "INSERT INTO s VALUES (1, 2, 'three', x'04', 5)");
    must_execute(fixture.db, "INSERT INTO l VALUES (1, 'odd', 2, '2024-01-01', 1.5), (2, 1, 'x', 3, x'01')");
    must_be_built(fixture.db);
    return 0;
}

/* "id:l n:u": names with the formats of their types; '!' in front where it isn't settled. */
static void show(const struct ArrowSchema *schema, bool settled, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "%s", settled ? "" : "!");
    for (int64_t i = 0; i < schema->n_children; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s:%s", i > 0 ? " " : "", schema->children[i]->name,
                                schema->children[i]->format);
}

static void check_statement(rhei_statement *statement, const char *sql, const char *expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowSchema schema;
    char shown[512];
    bool settled = true;
    if (rhei_statement_schema(statement, NULL, &schema, &settled, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    assert_string_equal(schema.format, "+s");
    show(&schema, settled, shown, sizeof shown);
    if (strcmp(shown, expected) != 0)
        fail_msg("%s: %s instead of %s", sql, shown, expected);
    schema.release(&schema);
}

/* What is settled is what running gives, with rows and without. */
static void check_result(rhei_statement *statement, const char *expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    char shown[512];
    assert_int_equal(rhei_statement_query_arrow(statement, NULL, NULL, &stream, &error), RHEI_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    show(&schema, true, shown, sizeof shown);
    assert_string_equal(shown, expected);
    schema.release(&schema);
    stream.release(&stream);
}

static void must_have(const char *sql, const char *expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    if (rhei_prepare(fixture.db, sql, &statement, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    check_statement(statement, sql, expected);
    if (expected[0] != '!' && expected[0] != '\0')
        check_result(statement, expected);
    rhei_statement_close(&statement);
}

static void test_sure_types_are_settled(void **state)
{
    (void)state;
    must_have("SELECT i, r, b FROM s", "i:l r:g b:z");
    must_have("SELECT r, rowid AS row FROM s WHERE i > 5", "r:g row:l");
    must_have("SELECT id FROM l ORDER BY id LIMIT 1", "id:l");
    must_have("SELECT i FROM s UNION SELECT i FROM s", "!i:l"); /* of its parts SQLite names one */
    must_have("SELECT id FROM v", "!id:l");
    must_have("SELECT t FROM s", "!t:u"); /* text that isn't UTF-8 is binary */
    must_have("SELECT a FROM s", "!a:l");
}

static void test_other_types_are_what_no_row_would_have(void **state)
{
    (void)state;
    must_have("SELECT id, n, t, d, x FROM l", "!id:l n:l t:u d:l x:l");
    must_have("SELECT i + 1 AS c, t || 'x' AS joined, 1.5 AS r FROM s", "!c:l joined:u r:g");
    must_have("SELECT ? AS p, :b || 'x' AS q", "!p:l q:u");
    must_have("DELETE FROM l WHERE id = 99 RETURNING id, t", "!id:l t:u");
}

static void test_writes_have_no_columns(void **state)
{
    (void)state;
    must_have("INSERT INTO l (n) VALUES (?)", "");
    must_have("", "");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM l", RHEI_ROUTE_OLTP), 2);
}

static void test_q8_a_changed_schema_is_seen(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    const char *sql = "SELECT * FROM s";
    assert_int_equal(rhei_prepare(fixture.db, sql, &statement, &error), RHEI_OK);
    check_statement(statement, sql, "!i:l r:g t:u b:z a:l");
    must_execute(fixture.db, "ALTER TABLE s DROP COLUMN a");
    must_execute(fixture.db, "ALTER TABLE s DROP COLUMN t");
    check_statement(statement, sql, "i:l r:g b:z");
    must_execute(fixture.db, "DROP TABLE s");
    must_execute(fixture.db, "CREATE TABLE s (i TEXT)");
    check_statement(statement, sql, "!i:u");
    rhei_statement_close(&statement);
}

static void test_a_sessions_own_tables_are_known(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    rhei_statement *statement = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "CREATE TABLE own (a TEXT, b REAL)", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_prepare(session, "SELECT b, a FROM own", &statement, &error), RHEI_OK);
    check_statement(statement, "own", "!b:g a:u");
    rhei_statement_close(&statement);
    rhei_session_close(&session);
}

static void test_views_of_strings_and_misuse(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    struct ArrowSchema schema;
    struct rhei_query_options options = {.struct_size = sizeof options, .strings = RHEI_STRINGS_VIEW};
    assert_int_equal(rhei_prepare(fixture.db, "SELECT t FROM l", &statement, &error), RHEI_OK);
    assert_int_equal(rhei_statement_schema(statement, &options, &schema, NULL, &error), RHEI_OK);
    assert_string_equal(schema.children[0]->format, "vu");
    schema.release(&schema);
    options.strings = 9;
    assert_int_equal(rhei_statement_schema(statement, &options, &schema, NULL, &error), RHEI_INVALID);
    assert_null(schema.release);
    rhei_statement_close(&statement);
    assert_int_equal(rhei_statement_schema(NULL, NULL, &schema, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_prepare(fixture.db, "FROM l SELECT id", &statement, &error), RHEI_OK);
    assert_int_equal(rhei_statement_schema(statement, NULL, &schema, NULL, &error), RHEI_UNSUPPORTED);
    rhei_statement_close(&statement);
}

/* ---- What parameters are told as. -------------------------------------------------------------------------------- */

static void check_parameters(rhei_session *session, const char *sql, const char *expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    const char *formats[1200];
    char shown[128] = "";
    rhei_status status = session == NULL ? rhei_prepare(fixture.db, sql, &statement, &error)
                                         : rhei_session_prepare(session, sql, &statement, &error);
    if (status != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    uint32_t count = rhei_statement_parameter_count(statement);
    assert_in_range(count, 1, 1200);
    assert_int_equal(rhei_statement_parameter_formats(statement, formats, &error), RHEI_OK);
    for (uint32_t i = 0, len = 0; i < count && len < sizeof shown; i++)
        len += (uint32_t)snprintf(shown + len, sizeof shown - len, i == 0 ? "%s" : " %s", formats[i]);
    if (strcmp(shown, expected) != 0)
        fail_msg("%s: %s instead of %s", sql, shown, expected);
    rhei_statement_close(&statement);
}

static void test_parameters_go_by_what_stands_beside_them(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"SELECT * FROM l WHERE id = ? AND t > ?2 AND :d = d", "l u tdD"},
        {"SELECT * FROM k WHERE price < ? AND at BETWEEN ? AND ? AND live = ? AND doc = ?", "g tsm: tsm: b u"},
        {"SELECT * FROM s JOIN l USING (t) WHERE s.r IN (?, ?) AND +l.n IS ? AND (b, i) = (?, ?)", "g g l z l"},
        {"SELECT ?, ? + 1, t || ?, ?4 FROM l WHERE t LIKE ?5 LIMIT ?4 OFFSET ?6", "u g u l u l"},
        {"SELECT CAST(? AS REAL), CAST(? AS INTEGER), CAST(? AS BLOB), CAST(? AS TEXT), date(?), datetime(?), time(?)",
         "g l z u tdD tsm: ttm"},
        {"SELECT sum(i) AS s FROM s GROUP BY t HAVING s > ? AND count(*) > ? AND max(t) = ? AND length(t) = ?",
         "g l u l"},
        {"SELECT (SELECT 1 FROM s WHERE s.i = l.n AND l.t = ?) FROM l WHERE n = (SELECT r FROM s WHERE b = ?) AND ? IN "
         "(SELECT i FROM s)",
         "u z l"},
        {"SELECT ? = (SELECT max(r) FROM s)", "g"},
        {"WITH w (q) AS (SELECT n FROM l WHERE t = ?) SELECT * FROM w WHERE q = ?", "u l"},
        {"WITH RECURSIVE w (q) AS (SELECT 1 UNION ALL SELECT q + 1 FROM w WHERE q < ?) SELECT * FROM w", "g"},
        {"WITH RECURSIVE w (q) AS (SELECT 1 UNION SELECT q FROM w UNION SELECT q FROM w UNION SELECT q FROM w UNION "
         "SELECT q FROM w WHERE q < ?) SELECT * FROM w",
         "u"}, /* not to be followed to its end */
        {"WITH RECURSIVE w (q) AS (SELECT d FROM l UNION SELECT date(q, '+1 day') FROM w WHERE q < ?) SELECT * FROM w",
         "u"},
        {"SELECT * FROM (SELECT n FROM l UNION SELECT i FROM s) WHERE n = ?", "l"},
        {"SELECT * FROM (SELECT n AS c FROM l UNION ALL SELECT r FROM s) AS f WHERE f.c > ?", "g"},
        {"SELECT * FROM (SELECT n AS c FROM l EXCEPT SELECT t FROM l) WHERE c = ?", "u"},
        {"SELECT * FROM (SELECT t AS c FROM l EXCEPT SELECT n FROM l) WHERE c = ?", "u"},
        {"SELECT * FROM (SELECT count(*) AS c, t FROM l INTERSECT SELECT max(i), 'x' FROM s) WHERE c = ? AND t = ?",
         "l u"},
        {"SELECT * FROM (SELECT max(d) AS c FROM l UNION SELECT NULL UNION SELECT d FROM l) WHERE c < ?", "tdD"},
        {"SELECT * FROM (SELECT 1, NULL AS c UNION SELECT 2, ? UNION VALUES (3, 2.5)) WHERE c < ?", "u g"},
        {"WITH w (a, b) AS (SELECT t, sum(n) FROM l UNION SELECT 'x', 1) SELECT * FROM w WHERE b > ? AND a = ?", "g u"},
        {"SELECT ? = (SELECT i FROM s UNION SELECT n FROM l), ? IN (SELECT r FROM s UNION SELECT t FROM l)", "l u"},
        {"SELECT * FROM both WHERE n > ? AND of = ?", "l tdD"},
        {"SELECT * FROM sums WHERE n = ? AND last = ? AND total > ? AND next = ? AND least IS ? AND word = ?",
         "l tdD g g l u"},
        {"SELECT s.n FROM (SELECT *, 1 AS one FROM sums) AS s WHERE s.n > ? AND one = ? AND s.last = ?", "l l tdD"},
        {"SELECT * FROM (SELECT t, count(*) AS c, max(d) AS m FROM l GROUP BY t) WHERE c > ? AND m = ?", "l tdD"},
        {"WITH q (a, b) AS (SELECT t, sum(n) FROM l), r AS (SELECT b, a FROM q) SELECT * FROM r WHERE b > ? AND a = ?",
         "g u"},
        {"SELECT * FROM s WHERE EXISTS (SELECT 1 FROM sums x WHERE x.n = ? AND s.i = x.n AND s.r > ?)", "l g"},
        {"SELECT * FROM l JOIN renamed ON b = l.id WHERE b = ? AND a = ? AND l.n = ?", "l u l"},
        {"SELECT * FROM (VALUES (1, 2.5)) AS f JOIN (WITH w (x) AS (VALUES (7)) SELECT x FROM w) AS g WHERE g.x = ?",
         "l"},
        {"UPDATE l SET n = ? WHERE id IN (SELECT n FROM sums WHERE last < ?)", "l tdD"},
        {"SELECT * FROM (SELECT d FROM l WHERE id = ?) AS f WHERE f.d = ?", "l tdD"},
        {"SELECT CASE l.id WHEN ? THEN ? ELSE l.t END, coalesce(?, n), iif(live, ?, 2) FROM l, k WHERE ? AND NOT ? AND "
         "x = "
         "?",
         "l u l u b b u"},
        {"SELECT * FROM one, v WHERE one.key = ? AND v.id = ?", "l u"},
        {"SELECT rowid FROM s WHERE rowid = ? AND i = 1.5 + ? AND i & ?", "l g l"},
        {"INSERT INTO l (t, id) VALUES (?, ?), (?, ?), (upper(?), coalesce(?, 0))", "u l u l u l"},
        {"INSERT INTO k VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)", "l g tsm: b u l g tsm: b u"},
        {"INSERT INTO made VALUES (?, ?)", "l u"},
        {"INSERT INTO l (id, d) SELECT ?, d FROM l WHERE n = ? RETURNING id = ?", "l l l"},
        {"INSERT INTO l (id, n) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET d = ?, t = excluded.t WHERE excluded.n > "
         "?",
         "l l tdD l"},
        {"UPDATE l SET n = ?, t = ?, (d, x) = (?, ?) WHERE id = ? AND n + ? > 2", "l u tdD u l g"},
        {"UPDATE l AS o SET n = s.i FROM s WHERE s.r = ? AND o.t = ?", "g u"},
        {"DELETE FROM l WHERE d < ?", "tdD"},
        {"DELETE FROM l WHERE d < ? RETURNING t || ?", "tdD u"},
        {"SELECT ? IN (), 1 FROM l WHERE ? NOT IN () OR t IN (?)", "u u u"},
        {"SELECT sum(?) OVER (ORDER BY ?), group_concat(t, ?) FILTER (WHERE ?) FROM l ORDER BY n = ?", "g u u b l"},
        {"SELECT * FROM json_each(?) WHERE value = ? AND (1, ?) = (SELECT 1, 2)", "u u u"},
        {"VALUES (?, ?), (?, 2)", "u u u"},
        {"EXPLAIN SELECT 1 FROM l WHERE id = ? UNION SELECT ? FROM l WHERE n = ? ORDER BY 1 LIMIT ?", "l u l l"},
        {"REPLACE INTO l (id, t) WITH w AS (SELECT ? AS q) SELECT q, ? FROM w WHERE q IS NOT ?", "u u u"},
        {NULL, NULL},
    };
    must_execute(fixture.db,
                 "CREATE TABLE k (id INTEGER PRIMARY KEY, price DECIMAL(10, 2), at TIMESTAMP, live BOOLEAN, doc JSON)");
    must_execute(fixture.db,
                 "CREATE VIEW sums AS SELECT count(*) AS n, max(d) AS last, sum(n) AS total, id + 1 AS next, "
                 "min(id) AS least, upper(t) AS word FROM l GROUP BY t");
    must_execute(fixture.db, "CREATE VIEW renamed (a, b) AS SELECT word, n FROM sums");
    must_execute(fixture.db, "CREATE VIEW both AS SELECT count(*) AS n, max(d) AS of FROM l UNION SELECT n, d FROM l");
    must_execute(fixture.db, "CREATE VIEW one AS SELECT id AS key FROM l");
    must_execute(fixture.db, "CREATE TABLE made (id INTEGER PRIMARY KEY, g REAL AS (id * 2.0) STORED, t TEXT)");
    for (size_t i = 0; cases[i][1] != NULL; i++)
        check_parameters(NULL, cases[i][0], cases[i][1]);
    char many[16384] = "INSERT INTO l (id, t) VALUES (NULL, 'a')"; /* more than a probe has room for */
    for (int i = 0; i < 550; i++)
        strcat(many, ",(NULL, ?)");
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    const char *formats[550];
    assert_int_equal(rhei_prepare(fixture.db, many, &statement, &error), RHEI_OK);
    assert_int_equal(rhei_statement_parameter_formats(statement, formats, &error), RHEI_OK);
    assert_string_equal(formats[549], "u");
    assert_int_equal(rhei_statement_parameter_formats(statement, NULL, &error), RHEI_INVALID);
    rhei_statement_close(&statement);
    assert_int_equal(rhei_statement_parameter_formats(NULL, formats, &error), RHEI_INVALID);
}

static void test_parameters_of_a_sessions_own_tables_are_told(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "CREATE TABLE own (a REAL, b BLOB)", NULL, NULL, &error), RHEI_OK);
    check_parameters(session, "INSERT INTO own VALUES (?, ?)", "g z");
    check_parameters(session, "SELECT 1 FROM own WHERE b = ?", "z");
    rhei_session_close(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sure_types_are_settled, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_other_types_are_what_no_row_would_have, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_writes_have_no_columns, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_a_changed_schema_is_seen, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_sessions_own_tables_are_known, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_views_of_strings_and_misuse, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_parameters_go_by_what_stands_beside_them, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_parameters_of_a_sessions_own_tables_are_told, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
