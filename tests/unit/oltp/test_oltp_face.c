/* SPDX-License-Identifier: Apache-2.0 */
/* Tables whose rows are in the mirror alone, on every connection of the row store: names, states, and that nothing changes them. */
#include "face_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

static void refused(struct face *face, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = test_try(&face->test, sql, &error);
    if (status != RHEI_READ_ONLY)
        fail_msg("%s: %d %s", sql, (int)status, error.message);
    assert_int_equal(error.code, RHEI_READ_ONLY);
}

/* ---- Names and rows. ---------------------------------------------------------------------------------------------- */

static void test_tables_are_found_by_their_names(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    face_expect(test, "SELECT count(*) FROM far.items", "3000");
    face_expect(test, "SELECT count(*) FROM items", "3000");
    face_expect(test, "SELECT name, grp, price = 0.5 FROM items WHERE id = 2", "'Bert'|1|1");
    face_expect(test, "SELECT rowid, _rowid_ FROM items WHERE rowid = 17", "17|17");
    face_expect(test, "SELECT n FROM words WHERE word = 'seven'", "2");
    face_expect(test, "SELECT count(*) FROM far.sqlite_schema", "2");
    face_expect(test, "SELECT name, type, pk FROM pragma_table_info('items', 'far') WHERE cid < 2",
                "'id'|'INTEGER'|1\n'grp'|'INT'|0");
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    static const char rowid[] = "SELECT rowid FROM words";
    assert_int_equal(oltp_read(test->oltp, rowid, sizeof rowid - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
}

static void test_a_local_table_of_the_same_name_wins(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    face_expect(test, "SELECT count(*) FROM items", "3000"); /* on the reader that is asked again */
    test_write(test, "CREATE TABLE items(a)");
    test_write(test, "INSERT INTO items VALUES('local')");
    face_expect(test, "SELECT * FROM items", "'local'");
    face_expect(test, "SELECT count(*) FROM far.items", "3000");
    test_write(test, "DROP TABLE items");
    face_expect(test, "SELECT count(*) FROM items", "3000");
}

/* ---- Nothing changes them. ---------------------------------------------------------------------------------------- */

static void test_c6_whatever_would_change_one_is_refused(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_write(test, "CREATE TABLE t(a)");
    static const char *const texts[] = {
        "INSERT INTO items(id) VALUES(1)",
        "INSERT INTO far.items(id) VALUES(1)",
        "REPLACE INTO items(id) VALUES(1)",
        "INSERT INTO items SELECT * FROM items",
        "UPDATE items SET grp = 1",
        "UPDATE far.items SET grp = 1 WHERE id = 1",
        "DELETE FROM items",
        "DELETE FROM far.items WHERE id = 1",
        "DROP TABLE items",
        "DROP TABLE far.items",
        "ALTER TABLE items RENAME TO others",
        "ALTER TABLE far.items ADD COLUMN x",
        "CREATE INDEX far.i ON items(grp)",
        "CREATE TABLE far.x(a)",
        "CREATE VIEW far.v AS SELECT 1",
        "CREATE TRIGGER far.tr AFTER INSERT ON items BEGIN SELECT 1; END",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO items(id) VALUES(1); END",
        "CREATE TRIGGER IF NOT EXISTS tr AFTER INSERT ON t BEGIN SELECT count(*) FROM \"items\"; END",
        "DETACH far",
        "WITH x AS (SELECT 1) DELETE FROM items",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refused(face, texts[i]);
    test_write(test, "INSERT INTO t VALUES(1)");
    face_expect(test, "SELECT count(*) FROM t", "1");
    face_expect(test, "SELECT count(*) FROM items", "3000");
    struct oltp_facts facts;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char write[] = "INSERT INTO items(id) VALUES(?)";
    assert_int_equal(oltp_describe(test->oltp, write, sizeof write - 1, &facts, &error), RHEI_READ_ONLY);
    assert_non_null(strstr(error.message, "far.items"));
    test_write(test, "CREATE TRIGGER fine AFTER INSERT ON t BEGIN UPDATE t SET a = new.a; END"); /* names none */
    test_write(test, "CREATE VIEW v AS SELECT * FROM items"); /* as SQLite has it: it fails when it is used */
    test_write(test, "INSERT INTO t VALUES(2)");
}

static void test_what_writes_everywhere_still_works(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_script(test,
                "CREATE TABLE t(a PRIMARY KEY, b); INSERT INTO t SELECT id, name FROM items; CREATE INDEX i ON t(b);");
    test_write(test, "ANALYZE");
    test_write(test, "PRAGMA optimize");
    test_write(test, "VACUUM");
    test_write(test, "REINDEX");
    face_expect(test, "SELECT count(*) > 0 FROM main.sqlite_stat1", "1");
    struct oltp_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_session_open(test->oltp, &session, &error), RHEI_OK);
    static const char *const texts[] = {
        "BEGIN EXCLUSIVE", "DELETE FROM t WHERE a IN (SELECT id FROM items WHERE grp = 3)",
        "SAVEPOINT s",     "INSERT INTO t SELECT -id, nick FROM far.items WHERE id < 4",
        "RELEASE s",       "COMMIT"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(oltp_session_run(session, texts[i], strlen(texts[i]), NULL, 0, NULL, NULL, NULL, &error),
                         RHEI_OK);
    }
    oltp_session_close(&session);
    face_expect(test, "SELECT count(*) FROM t WHERE a < 0", "3");
    face_expect(test, "SELECT count(*) FROM t WHERE a IN (SELECT id FROM items WHERE grp = 3)", "0");
}

/* ---- States. ------------------------------------------------------------------------------------------------------ */

static void remove_rows(struct face *face, int64_t below)
{
    struct rhei_value *values[6];
    uint8_t *op = malloc((size_t)below);
    assert_non_null(op);
    for (int c = 0; c < 6; c++) {
        values[c] = calloc((size_t)below, sizeof **values);
        assert_non_null(values[c]);
    }
    for (int64_t i = 0; i < below; i++) {
        values[0][i] = face_integer(i + 1);
        op[i] = CHANGE_DELETE;
    }
    face_apply(face, face_items, 6, (const struct rhei_value *const *)values, (size_t)below, op);
    face_publish(face);
    for (int c = 0; c < 6; c++)
        free(values[c]);
    free(op);
}

/* All scans of a statement read one state, also those that begin after the state has changed. */
static void test_a1_a_statement_reads_one_state(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT id, name FROM items UNION ALL SELECT count(*), min(name) FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value value = {0};
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_OK);
    assert_int_equal(oltp_cursor_next(cursor, &error), RHEI_ROW);
    remove_rows(face, 1000);
    int64_t rows = 1;
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW) {
        oltp_cursor_value(cursor, 0, &value);
        rows++;
    }
    assert_int_equal(error.code, RHEI_OK);
    assert_int_equal(rows, 3001);
    assert_int_equal(value.as.integer, 3000);
    oltp_cursor_close(&cursor);
    face_expect(&face->test, "SELECT count(*) FROM items", "2000");
}

static void test_tables_come_and_go(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_facts facts;
    static const char sql[] = "SELECT count(*) FROM more";
    face_expect(test, "SELECT count(*) FROM items", "3000");
    assert_int_equal(oltp_describe(test->oltp, sql, sizeof sql - 1, &facts, &error), RHEI_SQL);
    uint64_t version = capture_schema_version(test->oltp);
    struct source_table more = {.id = face_words + 1,
                                .name = "more",
                                .column_count = 2,
                                .columns = face_word_columns,
                                .key_count = 1,
                                .key_columns = face_first_column,
                                .without_rowid = true};
    face_attach(face, &more);
    mirror_drop(face->mirror, face_items);
    face_publish(face);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(oltp_describe(test->oltp, sql, sizeof sql - 1, &facts, &error), RHEI_OK);
    assert_true(facts.reads_elsewhere);
    assert_true(capture_schema_version(test->oltp) > version);
    assert_int_equal(facts.schema_version, capture_schema_version(test->oltp));
    oltp_facts_reset(&facts);
    face_expect(test, sql, "0");
    struct oltp_cursor *cursor = NULL;
    static const char gone[] = "SELECT count(*) FROM items";
    assert_int_equal(oltp_read(test->oltp, gone, sizeof gone - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "no such table"));
}

/* A table goes while a scan of it runs: the rest of the rows come, and the next statement knows. */
static void test_a_scan_outlives_its_table(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT id FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_OK);
    mirror_drop(face->mirror, face_items);
    face_publish(face);
    int64_t rows = 0;
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW)
        rows++;
    assert_int_equal(rows, 3000);
    oltp_cursor_close(&cursor);
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
}

static void test_q1_a_read_waits_as_its_freshness_asks(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT count(*) FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_stop stop = {.most_age_ms = 250};
    face->asked_age = 7;
    test_write(&face->test, "CREATE TABLE t AS SELECT * FROM items");
    face_expect(&face->test, "SELECT count(*) FROM t", "3000");
    assert_int_equal(face->asked_age, 7); /* the writer doesn't wait, nor who reads only our own */
    face_expect(&face->test, sql, "3000");
    assert_int_equal(face->asked_age, 0);
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, &stop, true, &cursor, &error), RHEI_OK);
    assert_int_equal(face->asked_age, 250);
    oltp_cursor_close(&cursor);
    face->fresh = RHEI_STALE;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_STALE);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    stop.most_age_ms = -1;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, &stop, true, &cursor, &error), RHEI_OK);
    oltp_cursor_close(&cursor);
    face_expect(&face->test, "SELECT count(*) FROM t", "3000"); /* what fails there fails nothing else */
}

static void test_a_utf16_database_shows_them_too(void **state)
{
    (void)state;
    struct face face = {0};
    test_open(&face.test);
    test_shut(&face.test);
    remove(face.test.path);
    assert_int_equal(
        test_shell(&face.test, "PRAGMA encoding='UTF-16le'; CREATE TABLE t(a TEXT); INSERT INTO t VALUES('anna')"), 0);
    test_reopen(&face.test);
    face_open(&face);
    face_expect(&face.test, "SELECT count(*) FROM items JOIN t ON t.a = name", "500");
    test_write(&face.test, "INSERT INTO t SELECT word FROM words WHERE n = 2");
    face_expect(&face.test, "SELECT a FROM t", "'anna'\n'seven'");
    test_close(&face.test);
    mirror_table_reader_close(&face.reader);
    mirror_close(&face.mirror);
}

#define FACE_TEST(name) cmocka_unit_test_setup_teardown(name, face_setup, face_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACE_TEST(test_tables_are_found_by_their_names),
        FACE_TEST(test_a_local_table_of_the_same_name_wins),
        FACE_TEST(test_c6_whatever_would_change_one_is_refused),
        FACE_TEST(test_what_writes_everywhere_still_works),
        FACE_TEST(test_a1_a_statement_reads_one_state),
        FACE_TEST(test_tables_come_and_go),
        FACE_TEST(test_a_scan_outlives_its_table),
        FACE_TEST(test_q1_a_read_waits_as_its_freshness_asks),
        cmocka_unit_test(test_a_utf16_database_shows_them_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
