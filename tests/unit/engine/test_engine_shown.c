/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a second source beside those of the file: both engines answer them alike, joins too, and waits and refusals are right. */
#include "../../support/shown_fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 8000 };

static void put(struct list_txn *txn, int64_t id, int64_t group, const char *name)
{
    struct rhei_value row[3] = {list_integer(id), list_integer(group), list_text(name)};
    list_put(txn, "items", row);
}

static int setup(void **state)
{
    static struct shown shown;
    shown_begin(&shown);
    struct list_txn *txn = list_begin(shown.store);
    for (int64_t i = 0; i < ROWS; i++)
        put(txn, i, i % 7, i % 2 ? "odd" : "even");
    list_commit(txn);
    shown.list = shown_list_open(shown.fixture.db, shown.store);
    must_execute(shown.fixture.db, "CREATE TABLE groups(g INTEGER PRIMARY KEY, label TEXT)");
    must_execute(shown.fixture.db, "INSERT INTO groups VALUES (0,'a'),(1,'b'),(2,'c'),(3,'d'),(4,'e'),(5,'f'),(6,'g')");
    must_be_built(shown.fixture.db);
    *state = &shown;
    return 0;
}

static void test_both_engines_answer_alike(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    must_agree(db, "SELECT count(*) FROM items", NULL);
    must_agree(db, "SELECT count(*) FROM elsewhere.items", NULL);
    must_agree(db, "SELECT c1, count(*), min(c0), max(c2) FROM items GROUP BY c1 ORDER BY c1", NULL);
    must_agree(db, "SELECT label, count(*), sum(c0) FROM items JOIN groups ON g = c1 GROUP BY label ORDER BY label",
               NULL);
    must_agree(db, "SELECT g, (SELECT count(*) FROM items WHERE c1 = g AND c2 = 'odd') FROM groups ORDER BY g", NULL);
    must_route(db, "SELECT count(*) FROM items", "olap", NULL); /* SQLite would count them one by one */
    assert_int_equal(must_int64(db, "SELECT c1 FROM items WHERE c0 = 17", RHEI_ROUTE_OLTP), 3);
}

static void test_q1_what_was_committed_there_is_seen(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct list_txn *txn = list_begin(shown->store);
    put(txn, ROWS, 3, "new");
    list_remove(txn, "items", 0);
    list_remove(txn, "items", 1);
    list_commit(txn);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_OLTP), ROWS - 1);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_OLAP), ROWS - 1);
    txn = list_begin(shown->store);
    put(txn, ROWS + 1, 3, "newer");
    list_commit(txn);
    must_execute(db, "CREATE TABLE copy AS SELECT * FROM items"); /* a write waits, too */
    assert_int_equal(must_int64(db, "SELECT count(*) FROM copy", RHEI_ROUTE_OLTP), ROWS);
}

static void test_a_source_that_is_away_fails_nothing_else(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    shown_list_fail(shown->list, RHEI_STALE);
    must_fail(db, "SELECT count(*) FROM items", RHEI_STALE);
    must_fail(db, "INSERT INTO groups SELECT c0 + 100, c2 FROM items", RHEI_STALE);
    must_execute(db, "INSERT INTO groups VALUES (7, 'h')");
    assert_int_equal(must_int64(db, "SELECT count(*) FROM groups", RHEI_ROUTE_AUTO), 8);
    shown_list_fail(shown->list, RHEI_OK);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_AUTO), ROWS);
}

/* Only who names the source waits for it, on either route. */
static void test_q1_latest_waits_for_named_sources_alone(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    uint64_t reads = shown_list_reads(shown->list);
    for (int route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++)
        assert_int_equal(must_int64(db, "SELECT count(*) FROM groups", route), 7);
    must_execute(db, "INSERT INTO groups VALUES (100, 'x')");
    assert_int_equal(shown_list_reads(shown->list), reads);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_OLTP), ROWS);
    assert_true(shown_list_reads(shown->list) > reads);
}

static void test_explain_and_status_state_each_position(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    char wanted[80];
    bool found = false;
    snprintf(wanted, sizeof wanted, "\"elsewhere\" at its position %lld", (long long)list_position(shown->store));
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_OLAP), ROWS);
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(db, "EXPLAIN ROUTE SELECT count(*) FROM items", NULL, NULL, &rows, NULL), RHEI_OK);
    while (rhei_rows_next(rows, NULL) == RHEI_ROW)
        found =
            found || (strcmp(rhei_rows_text(rows, 0), "source") == 0 && strcmp(rhei_rows_text(rows, 1), wanted) == 0);
    rhei_rows_close(&rows);
    assert_true(found);
    assert_int_equal(rhei_table_list(db, &tables, &count, NULL), RHEI_OK);
    for (size_t t = 0; t < count; t++)
        if (strcmp(tables[t]->name, "elsewhere.items") == 0)
            assert_int_equal(tables[t]->position, list_position(shown->store));
    rhei_free(tables);
}

static void test_c6_writes_are_refused(void **state)
{
    struct shown *shown = *state;
    must_fail(shown->fixture.db, "DELETE FROM items", RHEI_READ_ONLY);
    must_fail(shown->fixture.db, "INSERT INTO items(c0) VALUES (1)", RHEI_READ_ONLY);
    must_fail(shown->fixture.db, "DROP TABLE elsewhere.items", RHEI_READ_ONLY);
}

static void test_status_says_that_a_local_name_wins(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    for (int local = 0; local < 2; local++) {
        struct rhei_table_status **tables = NULL;
        size_t count = 0;
        bool found = false;
        assert_int_equal(rhei_table_list(db, &tables, &count, NULL), RHEI_OK);
        for (size_t t = 0; t < count; t++) {
            if (strcmp(tables[t]->name, "elsewhere.items") != 0)
                continue;
            found = true;
            assert_int_equal(tables[t]->state, RHEI_TABLE_READY);
            assert_int_equal(tables[t]->rows, ROWS);
            assert_int_equal(strstr(tables[t]->message, "has its name") != NULL, local);
        }
        assert_true(found);
        rhei_free(tables);
        if (!local) {
            must_execute(db, "CREATE TABLE items(a)");
            assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_AUTO), 0);
        }
    }
}

/* Kinds of statements over a far table beside the same over a copy of it. */
static void test_q2_statements_mean_what_they_mean_on_a_copy(void **state)
{
    static const char *const texts[] = {
        "SELECT rowid, _rowid_, oid, c0 FROM %s WHERE rowid IN (5, 3, 5, 99999, NULL) ORDER BY rowid",
        "SELECT c0 FROM %s ORDER BY c0 DESC LIMIT 3 OFFSET 2",
        "SELECT c0 FROM %s WHERE c1 > 4 ORDER BY c0 LIMIT -1 OFFSET 2280",
        "SELECT g, x.c0 FROM groups LEFT JOIN %s x ON x.c0 = g * 4000 ORDER BY g",
        "SELECT g, (SELECT max(c0) FROM %s x WHERE x.c1 = g AND x.c0 < 100 * g) FROM groups ORDER BY g",
        "SELECT g FROM groups WHERE EXISTS (SELECT 1 FROM %s x WHERE x.c0 = g + 7997) ORDER BY g",
        ("SELECT count(*), sum(c0) FROM %s WHERE c0 IN (WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 7 FROM n "
         "WHERE i < 20000) SELECT i FROM n)"),
        "SELECT c2, count(*) FROM %s WHERE c2 LIKE 'E%%' GROUP BY c2 ORDER BY c2",
        "SELECT count(*) FROM %s WHERE c2 COLLATE NOCASE = 'ODD'",
        "SELECT count(*) FROM %s WHERE c0 > '7990'",
        "SELECT count(*) FROM %s WHERE c2 IS NULL OR c1 = NULL",
        "SELECT DISTINCT c1, c2 FROM %s ORDER BY 1, 2",
        "SELECT c0 FROM %s WHERE (c1, c2) = (3, 'odd') ORDER BY c0 LIMIT 5",
    };
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    must_execute(db, "CREATE TABLE copied(c0 INTEGER PRIMARY KEY, c1, c2)");
    must_execute(db, "INSERT INTO copied SELECT * FROM items");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char far[600], local[600];
        snprintf(far, sizeof far, texts[i], "elsewhere.items");
        snprintf(local, sizeof local, texts[i], "copied");
        char *wanted = must_rows(db, local, NULL, RHEI_ROUTE_OLTP);
        for (int route = 0; route < 2; route++) {
            char *found = must_rows(db, far, NULL, route == 0 ? RHEI_ROUTE_OLTP : RHEI_ROUTE_AUTO);
            if (strcmp(wanted, found) != 0)
                fail_msg("%s:\n%.300s\ninstead of\n%.300s", far, found, wanted);
            rhei_free(found);
        }
        rhei_free(wanted);
    }
}

/* Every refusal names the table, or, for DROP, its source, and has the code; nothing is changed by it. */
static void test_d5_refusals_say_what_is_refused(void **state)
{
    static const char *const texts[] = {
        "INSERT INTO items(c0) VALUES (1)",  "UPDATE items SET c1 = 2 WHERE c0 = 1",
        "DELETE FROM elsewhere.items",       "DROP TABLE items",
        "ALTER TABLE items RENAME TO other",
    };
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(rhei_execute(db, texts[i], NULL, NULL, &error), RHEI_READ_ONLY);
        if ((strstr(error.message, "items") == NULL && strstr(error.message, "elsewhere.") == NULL) ||
            strstr(error.message, "source") == NULL)
            fail_msg("%s: %s", texts[i], error.message);
    }
    must_fail(db, "CREATE INDEX elsewhere.i ON items(c1)", RHEI_READ_ONLY);
    must_fail(db, "CREATE TRIGGER elsewhere.t AFTER INSERT ON items BEGIN SELECT 1; END", RHEI_READ_ONLY);
    must_fail(db, "DETACH elsewhere", RHEI_READ_ONLY);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM items", RHEI_ROUTE_OLTP), ROWS);
}

/* The name is taken, and what it stands for stays. */
static void test_a_database_can_t_be_attached_by_a_source_s_name(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_not_equal(rhei_execute(db, "ATTACH ':memory:' AS Elsewhere", NULL, NULL, &error), RHEI_OK);
    assert_non_null(strstr(error.message, "lsewhere"));
    assert_int_equal(must_int64(db, "SELECT count(*) FROM elsewhere.items", RHEI_ROUTE_OLTP), ROWS);
}

/* Parts of a key, in its order and out of it. */
static void test_q2_composite_keys(void **state)
{
    struct fixture fixture;
    struct rhei_error error = RHEI_ERROR_INIT;
    uint32_t moved = 0;
    (void)state;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE c(a TEXT, b INTEGER, v, PRIMARY KEY(b, a)) WITHOUT ROWID");
    must_execute(fixture.db, "INSERT INTO c WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < "
                             "4999) SELECT 'k' || (i % 10), i / 10, i FROM n");
    must_be_built(fixture.db);
    assert_int_equal(shown_move_tables(fixture.db, &moved, &error), RHEI_OK);
    assert_int_equal(moved, 1);
    must_agree(fixture.db, "SELECT v FROM c WHERE b = 77 AND a = 'k3'", NULL);
    must_agree(fixture.db, "SELECT a, b, v FROM c WHERE b = 77 ORDER BY a", NULL);
    must_agree(fixture.db, "SELECT count(*), sum(v) FROM c WHERE a = 'k3' AND b > 400", NULL);
    must_agree(fixture.db, "SELECT count(*) FROM c x JOIN c y ON x.a = y.a AND x.b = y.b + 1", NULL);
    assert_int_equal(must_int64(fixture.db, "SELECT v FROM elsewhere.c WHERE a = 'k9' AND b = 499", RHEI_ROUTE_OLTP),
                     4999);
    must_fail(fixture.db, "SELECT rowid FROM elsewhere.c", RHEI_SQL);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_engines_answer_alike, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q1_what_was_committed_there_is_seen, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a_source_that_is_away_fails_nothing_else, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q1_latest_waits_for_named_sources_alone, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_explain_and_status_state_each_position, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_c6_writes_are_refused, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q2_statements_mean_what_they_mean_on_a_copy, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_d5_refusals_say_what_is_refused, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_status_says_that_a_local_name_wins, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a_database_can_t_be_attached_by_a_source_s_name, setup, shown_end),
        cmocka_unit_test(test_q2_composite_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
