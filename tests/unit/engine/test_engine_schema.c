/* SPDX-License-Identifier: Apache-2.0 */
/* Q8: after a change of the schema, by us or by others, every way to ask sees the new one: columns, names, types, order. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_buffer.h"
#include "tests/support/fair_time.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_olap(&fixture);
    return 0;
}

/* ---- One answer as text: names, declared types and rows. --------------------------------------------------------- */

static void put_answer(struct base_buffer *out, rhei_rows *rows)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status;
    uint32_t columns = rhei_rows_column_count(rows);
    for (uint32_t c = 0; c < columns; c++)
        base_buffer_format(out, "%s%s", c > 0 ? "|" : "", rhei_rows_column_name(rows, c));
    size_t start = out->len;
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW) {
        base_buffer_char(out, '\n');
        for (uint32_t c = 0; c < columns; c++) {
            const char *text = rhei_rows_text(rows, c);
            base_buffer_format(out, "%s%s", c > 0 ? "|" : "", text != NULL ? text : "");
        }
    }
    if (status != RHEI_DONE)
        fail_msg("%s", error.message);
    if (out->len == start) /* the shell has no head without rows */
        base_buffer_clear(out);
    base_buffer_char(out, '\0');
}

enum way { WAY_OLTP, WAY_AUTO, WAY_PREPARED, WAY_ARROW, WAY_COUNT };
static const char *const way_names[] = {"oltp", "auto", "prepared", "arrow"};

static rhei_status ask_rows(const char *sql, enum way way, rhei_statement *prepared, struct base_buffer *out,
                            struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options,
                                         .route = way == WAY_OLTP ? RHEI_ROUTE_OLTP : RHEI_ROUTE_AUTO};
    rhei_rows *rows = NULL;
    rhei_status status = prepared != NULL ? rhei_statement_query(prepared, NULL, &options, &rows, error)
                                          : rhei_query(fixture.db, sql, NULL, &options, &rows, error);
    if (status == RHEI_OK)
        put_answer(out, rows);
    rhei_rows_close(&rows);
    return status;
}

/* The stream's columns are the names; a failure of a later batch fails the test. */
static rhei_status ask_arrow(const char *sql, struct base_buffer *names, struct rhei_error *error)
{
    struct ArrowArrayStream stream;
    rhei_status status = rhei_query_arrow(fixture.db, sql, NULL, NULL, &stream, error);
    if (status != RHEI_OK)
        return status;
    struct ArrowSchema schema;
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    for (int64_t c = 0; c < schema.n_children; c++)
        base_buffer_format(names, "%s%s", c > 0 ? "|" : "", schema.children[c]->name);
    base_buffer_char(names, '\0');
    int64_t columns = schema.n_children;
    schema.release(&schema);
    for (;;) {
        struct ArrowArray batch;
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (batch.release == NULL)
            break;
        assert_int_equal(batch.n_children, columns);
        batch.release(&batch);
    }
    stream.release(&stream);
    return RHEI_OK;
}

static char *shell(const char *sql, char *output, size_t size)
{
    const char *const arguments[] = {"sqlite3", "-batch",         "-header",    "-separator", "|",
                                     "-cmd",    ".timeout 60000", fixture.path, sql,          NULL};
    run_program(arguments, "", output, size);
    size_t len = strlen(output);
    if (len > 0 && output[len - 1] == '\n')
        output[len - 1] = '\0';
    return output;
}

static void foreign(const char *sql)
{
    char output[2000];
    if (shell(sql, output, sizeof output)[0] != '\0')
        fail_msg("%s: %s", sql, output);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Without ORDER BY rows come in any order: the lines behind the head are sorted, in place. */
static void sort_rows(char *text, const char *sql)
{
    static char *lines[20000], copy[200000];
    char *body = strchr(text, '\n');
    if (body == NULL || strstr(sql, "ORDER BY") != NULL || strstr(sql, "LIMIT") != NULL)
        return;
    size_t count = 0, at = 0;
    snprintf(copy, sizeof copy, "%s", body + 1);
    for (char *line = strtok(copy, "\n"); line != NULL && count < 20000; line = strtok(NULL, "\n"))
        lines[count++] = line;
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(body + at, strlen(lines[i]) + 2, "\n%s", lines[i]);
}

/* Every way against the stock shell; true if it has an answer at all. */
static bool must_be_as_the_shell_says(const char *sql, rhei_statement *prepared, const char *when)
{
    static char expected[200000];
    shell(sql, expected, sizeof expected);
    sort_rows(expected, sql);
    bool fails = strncmp(expected, "Error", 5) == 0 || strncmp(expected, "Parse error", 11) == 0;
    for (int way = 0; way < WAY_COUNT; way++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct base_buffer got = {0};
        if (way == WAY_PREPARED && prepared == NULL)
            continue;
        rhei_status status = way == WAY_ARROW
                                 ? ask_arrow(sql, &got, &error)
                                 : ask_rows(sql, (enum way)way, way == WAY_PREPARED ? prepared : NULL, &got, &error);
        if (status == RHEI_OK && way != WAY_ARROW)
            sort_rows(got.data, sql);
        size_t head = way == WAY_ARROW ? strcspn(expected, "\n") : strlen(expected);
        bool same = fails ? status != RHEI_OK
                          : status == RHEI_OK &&
                                (head == 0 || (strlen(got.data) == head && memcmp(got.data, expected, head) == 0));
        if (!same)
            fail_msg("%s, %s, %s:\n%s\n%s\ninstead of\n%s", when, way_names[way], sql,
                     status == RHEI_OK ? got.data : "failed:", error.message, expected);
        base_buffer_reset(&got);
    }
    return !fails;
}

/* ---- One change between two asks. -------------------------------------------------------------------------------- */

struct change {
    const char *setup, *query, *change;
};

static const struct change changes[] = {
    {"CREATE TABLE t(a,b,c); INSERT INTO t VALUES(1,2,3),(4,5,6)", "SELECT * FROM t", "ALTER TABLE t DROP COLUMN b"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT * FROM t", "ALTER TABLE t ADD COLUMN c DEFAULT 9"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT * FROM t", "ALTER TABLE t RENAME COLUMN b TO z"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT a, b FROM t", "ALTER TABLE t RENAME COLUMN b TO z"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT * FROM t", "ALTER TABLE t RENAME TO u"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT * FROM t",
     "DROP TABLE t; CREATE TABLE t(x TEXT, y REAL, z, w); INSERT INTO t VALUES('q',2.5,NULL,4)"},
    {"CREATE TABLE t(a,b,c,d); INSERT INTO t VALUES(1,2,3,4)", "SELECT * FROM t",
     "DROP TABLE t; CREATE TABLE t(x TEXT); INSERT INTO t VALUES('q')"},
    {"CREATE TABLE t(a INTEGER, b TEXT) STRICT; INSERT INTO t VALUES(1,'x')", "SELECT * FROM t",
     "DROP TABLE t; CREATE TABLE t(a TEXT, b INTEGER) STRICT; INSERT INTO t VALUES('x',1)"},
    {"CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(1,'x')", "SELECT a FROM t",
     "DROP TABLE t; CREATE TABLE t(a, b); INSERT INTO t VALUES('no number',1)"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2); CREATE VIEW v AS SELECT a FROM t", "SELECT * FROM v",
     "DROP VIEW v; CREATE VIEW v AS SELECT b, a, a + b AS s FROM t"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2); CREATE VIEW v AS SELECT * FROM t",
     "SELECT count(*), max(b) FROM v",
     "DROP VIEW v; CREATE VIEW v AS SELECT a, a + 40 AS b FROM t UNION ALL SELECT 7, 70"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2); CREATE VIEW v AS SELECT a FROM t", "SELECT * FROM v",
     "DROP VIEW v; CREATE TABLE v(one, two); INSERT INTO v VALUES(1,2)"},
    {"CREATE TABLE t(a,b); INSERT INTO t VALUES(1,2)", "SELECT * FROM t", "DROP TABLE t"},
    {"CREATE TABLE t(a,b,c); INSERT INTO t VALUES(1,1,11),(1,2,12),(1,NULL,1),(2,NULL,1),(2,2,12),(2,1,11),(3,NULL,1),"
     "(3,2,12),(3,NULL,3)",
     "SELECT * FROM t WHERE a IN (1, 2, 3) ORDER BY a DESC, b DESC NULLS FIRST", "CREATE INDEX tab ON t(a, b)"},
    {"CREATE TABLE t(a,b,c); CREATE INDEX ta ON t(a); INSERT INTO t VALUES(3,1,1),(1,2,2),(2,1,3),(1,1,4),(3,2,5)",
     "SELECT * FROM t WHERE a >= 1 LIMIT 3", "DROP INDEX ta"},
    {"CREATE TABLE t(a,b,c); INSERT INTO t VALUES(3,1,1),(1,2,2),(2,1,3),(1,1,4),(3,2,5)",
     "SELECT a, group_concat(c) FROM t GROUP BY a", "CREATE INDEX tcov ON t(a, c DESC)"},
    {"CREATE TABLE t(a TEXT); INSERT INTO t VALUES('a'),('A'),('b')", "SELECT count(*) FROM t WHERE a = 'A'",
     "DROP TABLE t; CREATE TABLE t(a TEXT COLLATE NOCASE); INSERT INTO t VALUES('a'),('A'),('b')"},
    {"CREATE TABLE t(a TEXT); INSERT INTO t VALUES('1'),('2')", "SELECT sum(a), typeof(max(a)) FROM t",
     "DROP TABLE t; CREATE TABLE t(a INTEGER); INSERT INTO t VALUES('1'),('2')"},
};

static void must_script(const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_script(fixture.db, sql, NULL, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
}

static void try_change(const struct change *change, bool by_us, bool built)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must_script(change->setup);
    must_be_built(fixture.db);
    rhei_statement *prepared = NULL;
    if (rhei_prepare(fixture.db, change->query, &prepared, &error) != RHEI_OK)
        fail_msg("%s: %s", change->query, error.message);
    must_be_as_the_shell_says(change->query, prepared, "before");
    uint32_t columns = rhei_statement_column_count(prepared);
    assert_true(columns > 0);
    if (by_us)
        must_script(change->change);
    else
        foreign(change->change);
    if (built)
        must_be_built(fixture.db);
    bool answers = must_be_as_the_shell_says(change->query, prepared, change->change);
    must_be_as_the_shell_says(change->query, prepared, change->change);
    if (answers) {
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_query(fixture.db, change->query, NULL, NULL, &rows, &error), RHEI_OK);
        assert_int_equal(rhei_statement_column_count(prepared), rhei_rows_column_count(rows));
        for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++)
            assert_string_equal(rhei_statement_column_name(prepared, c), rhei_rows_column_name(rows, c));
        rhei_rows_close(&rows);
    }
    rhei_statement_close(&prepared);
    must_script(strstr(change->change, "CREATE TABLE v") != NULL ? "DROP TABLE v" : "DROP VIEW IF EXISTS v");
    must_script("DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS u");
}

static void try_changes(bool by_us)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        for (int built = 0; built < 2; built++)
            try_change(&changes[i], by_us, built != 0);
}

static void test_q8_own_changes(void **state)
{
    (void)state;
    try_changes(true);
}

static void test_q8_foreign_changes(void **state)
{
    (void)state;
    try_changes(false);
}

/* A foreign writer changes the schema, and holds the lock that the engine needs to settle it. */
static void test_q8_a_description_waits_for_no_writer(void **state)
{
    (void)state;
    char flag[120], command[120];
    struct stat found;
    must_script("CREATE TABLE t(a, b); CREATE TABLE other(v)");
    must_be_built(fixture.db);
    rhei_statement *prepared = NULL;
    assert_int_equal(rhei_prepare(fixture.db, "SELECT * FROM t", &prepared, NULL), RHEI_OK);
    assert_int_equal(rhei_statement_column_count(prepared), 2);
    snprintf(command, sizeof command, "sqlite3 -batch '%s'", fixture.path);
    snprintf(flag, sizeof flag, "%s/held", fixture.folder);
    FILE *writer = popen(command, "w");
    assert_non_null(writer);
    fprintf(writer,
            ".timeout 60000\nALTER TABLE t ADD COLUMN c;\nBEGIN IMMEDIATE;\nINSERT INTO other VALUES (1);\n"
            ".system touch '%s'\n",
            flag);
    fflush(writer);
    for (int64_t limit = fair_now_ms() + 60000; stat(flag, &found) != 0;)
        assert_true(fair_now_ms() < limit);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(rhei_statement_column_count(prepared), 3);
        assert_string_equal(rhei_statement_column_name(prepared, 2), "c");
    }
    fprintf(writer, "COMMIT;\n");
    assert_int_equal(pclose(writer), 0);
    must_be_built(fixture.db);
    assert_int_equal(rhei_statement_column_count(prepared), 3);
    assert_string_equal(rhei_statement_column_name(prepared, 2), "c");
    rhei_statement_close(&prepared);
    remove(flag);
}

/* Texts that share a plan take their facts from one another: not over a change. */
static void test_q8_light_statements(void **state)
{
    (void)state;
    char sql[100];
    must_script("CREATE TABLE t(a INTEGER, b TEXT, c); WITH RECURSIVE k(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM k "
                "WHERE v < 50) INSERT INTO t SELECT v, 'x' || v, v * 2 FROM k");
    must_be_built(fixture.db);
    for (int change = 0; change < 3; change++) {
        for (int i = 0; i < 4; i++) {
            snprintf(sql, sizeof sql, "SELECT * FROM t WHERE a > %d ORDER BY a", 44 + i);
            must_be_as_the_shell_says(sql, NULL, "light");
        }
        if (change == 0)
            must_script("ALTER TABLE t DROP COLUMN b");
        else
            foreign(change == 1 ? "ALTER TABLE t ADD COLUMN d DEFAULT 'new'" : "ALTER TABLE t RENAME COLUMN c TO cc");
        if (change == 1)
            must_be_built(fixture.db);
    }
}

/* Those that the mirror may answer itself, whatever number is compared with, and over changes of classes and schema. */
static void test_q8_light_statements_without_an_executor(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT count(*), sum(a), min(a), max(r) FROM t WHERE a > %s",
        "SELECT * FROM t WHERE a = %s",
        "SELECT a, r FROM t WHERE %s <= a",
        "SELECT count(b), total(r) FROM t WHERE r BETWEEN %s AND 30",
        "SELECT avg(a) FROM t WHERE a < -%s",
        "SELECT a AS \"a > 1\" FROM t WHERE a >= %s",
    };
    static const char *const numbers[] = {"3",
                                          "47",
                                          "47.0",
                                          "2.5",
                                          ".5",
                                          "1e1",
                                          "0x1F",
                                          "0x1ffffffffffffffff",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "99999999999999999999999",
                                          "46"};
    char sql[200];
    must_script(
        "CREATE TABLE t(a INTEGER, b TEXT, r REAL); WITH RECURSIVE k(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM k "
        "WHERE v < 50) INSERT INTO t SELECT v, 'x' || v, v * 0.75 FROM k");
    must_be_built(fixture.db);
    for (int change = 0; change < 5; change++) {
        for (size_t text = 0; text < sizeof texts / sizeof texts[0]; text++)
            for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
                snprintf(sql, sizeof sql, texts[text], numbers[i]);
                must_be_as_the_shell_says(sql, NULL, "light and direct");
            }
        static const char *const after[] = {
            "INSERT INTO t VALUES('text', 1, 1.5), (4.5, NULL, 2)",
            "ALTER TABLE t ADD COLUMN d DEFAULT 'new'",
            "CREATE UNIQUE INDEX few ON t(a) WHERE a > 40",
            "DROP INDEX few; ALTER TABLE t RENAME COLUMN d TO e; DELETE FROM t WHERE a > 40",
        };
        if (change < 4 && change % 2 == 0)
            must_script(after[change]);
        else if (change < 4)
            foreign(after[change]);
    }
}

/* ---- Random changes and asks. ------------------------------------------------------------------------------------ */

static uint32_t random_state;

static uint32_t pick(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

static const char *const walk_changes[] = {
    "ALTER TABLE t ADD COLUMN n%u DEFAULT %u",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER TABLE t RENAME COLUMN a TO a%u",
    "DROP TABLE IF EXISTS t; CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1,%u,%u),(2,2,2),(3,NULL,'x')",
    "DROP TABLE IF EXISTS t; CREATE TABLE t(c TEXT, a INTEGER); INSERT INTO t VALUES('x%u',%u),('y',2)",
    "DROP TABLE IF EXISTS t; CREATE TABLE t(id INTEGER PRIMARY KEY, a REAL, b, c COLLATE NOCASE) ; INSERT INTO "
    "t(a,b,c) "
    "VALUES(%u.5,%u,'X'),(2,2,'x'),(-1,'q',NULL)",
    "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT *, %u AS x%u FROM t",
    "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT a FROM t WHERE a <> %u",
    "CREATE INDEX IF NOT EXISTS i1 ON t(a DESC)",
    "CREATE INDEX IF NOT EXISTS i2 ON t(c, a)",
    "DROP INDEX IF EXISTS i1",
    "DROP INDEX IF EXISTS i2; CREATE TABLE IF NOT EXISTS u%u(x)",
    "INSERT INTO t(a) VALUES(%u),(%u)",
    "DELETE FROM t WHERE a = %u",
};

static const char *const walk_asks[] = {
    "SELECT * FROM t",
    "SELECT * FROM t ORDER BY a",
    "SELECT * FROM t WHERE a > 1 ORDER BY c",
    "SELECT count(*), count(a), max(c) FROM t",
    "SELECT * FROM v",
    "SELECT count(*) FROM v",
    "SELECT a, count(*) FROM t GROUP BY a ORDER BY a",
    "SELECT b, a FROM t",
    "SELECT t.*, v.a FROM t JOIN v ON t.a = v.a",
    "SELECT c, sum(a) FROM t GROUP BY c ORDER BY c",
};

static void test_q8_random_walk(void **state)
{
    (void)state;
    enum { ASKS = sizeof walk_asks / sizeof walk_asks[0], CHANGES = sizeof walk_changes / sizeof walk_changes[0] };
    const char *seed = getenv("RHEI_SEED"), *steps = getenv("RHEI_STEPS");
    random_state = seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20240707u;
    printf("# RHEI_SEED=%u\n", random_state);
    rhei_statement *prepared[ASKS] = {NULL};
    char change[400], output[2000];
    must_script("CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1,2,3),(4,5,6); CREATE VIEW v AS SELECT a, b FROM t");
    for (uint32_t n = steps != NULL ? (uint32_t)strtoul(steps, NULL, 10) : 120; n > 0; n--) {
        uint32_t a = pick(20), b = pick(20);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(change, sizeof change, walk_changes[pick(CHANGES)], a, b);
#pragma GCC diagnostic pop
        if (pick(2) == 0)
            rhei_execute_script(fixture.db, change, NULL, NULL); /* it may be refused, as the shell would */
        else
            shell(change, output, sizeof output);
        if (pick(3) == 0)
            must_be_built(fixture.db);
        for (uint32_t k = 0; k < 3; k++) {
            uint32_t ask = pick(ASKS);
            if (prepared[ask] == NULL)
                rhei_prepare(fixture.db, walk_asks[ask], &prepared[ask], NULL);
            must_be_as_the_shell_says(walk_asks[ask], prepared[ask], change);
        }
    }
    for (uint32_t i = 0; i < ASKS; i++)
        rhei_statement_close(&prepared[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q8_own_changes, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_foreign_changes, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_a_description_waits_for_no_writer, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_light_statements, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_light_statements_without_an_executor, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q8_random_walk, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
