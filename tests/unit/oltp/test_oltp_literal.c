/* SPDX-License-Identifier: Apache-2.0 */
/* Literal statements beside bare SQLite given the same texts: values and classes, errors, changes, rowids. */
#include "oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"

struct pair {
    struct oltp_test test;
    sqlite3 *bare;
};

static void pair_open(struct pair *pair, const char *setup)
{
    test_open(&pair->test);
    assert_int_equal(sqlite3_open(":memory:", &pair->bare), SQLITE_OK);
    sqlite3_extended_result_codes(pair->bare, 1);
    test_script(&pair->test, setup);
    assert_int_equal(sqlite3_exec(pair->bare, setup, NULL, NULL, NULL), SQLITE_OK);
}

static void pair_close(struct pair *pair)
{
    sqlite3_close(pair->bare);
    test_close(&pair->test);
}

static char *bare_rows(sqlite3 *db, const char *sql)
{
    struct base_buffer out = {0};
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            base_buffer_format(&out, "%s%s", i == 0 ? "" : "|", (const char *)sqlite3_column_text(stmt, i));
        base_buffer_char(&out, '\n');
    }
    sqlite3_finalize(stmt);
    return base_buffer_take(&out);
}

/* Every value with its class and, for reals, in full. */
static char *look_at(sqlite3 *db, const char *table)
{
    char sql[200];
    struct base_buffer out = {0};
    snprintf(sql, sizeof sql,
             "SELECT group_concat('typeof(\"' || name || '\"), quote(\"' || name || '\"), printf(''%%!.17g'', \"' || "
             "name || '\")') FROM pragma_table_xinfo('%s')",
             table);
    char *columns = bare_rows(db, sql);
    columns[strlen(columns) - 1] = '\0';
    base_buffer_format(&out, "SELECT %s FROM \"%s\"", columns, table);
    base_free(columns);
    return base_buffer_take(&out);
}

static void must_be_equal(struct pair *pair, const char *context)
{
    char *tables =
        bare_rows(pair->bare, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    for (char *rest = tables, *name = strtok_r(tables, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest)) {
        char *sql = look_at(pair->bare, name);
        char *theirs = bare_rows(pair->bare, sql);
        struct oltp_cursor *cursor = NULL;
        struct base_buffer ours = {0};
        assert_int_equal(oltp_read(pair->test.oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, NULL), RHEI_OK);
        while (oltp_cursor_next(cursor, NULL) == RHEI_ROW) {
            for (uint32_t i = 0; i < oltp_cursor_column_count(cursor); i++) {
                struct rhei_value value;
                oltp_cursor_value(cursor, i, &value);
                base_buffer_text(&ours, i == 0 ? "" : "|");
                base_buffer_append(&ours, value.as.bytes, value.length);
            }
            base_buffer_char(&ours, '\n');
        }
        oltp_cursor_close(&cursor);
        char *mine = base_buffer_take(&ours);
        if (strcmp(mine == NULL ? "" : mine, theirs == NULL ? "" : theirs) != 0)
            fail_msg("%s: table %s\n%s\ninstead of\n%s", context, name, mine, theirs);
        base_free(mine);
        base_free(theirs);
        base_free(sql);
    }
    base_free(tables);
}

static void run_both(struct pair *pair, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_result result = {0};
    int64_t before = sqlite3_total_changes64(pair->bare);
    int rc = sqlite3_exec(pair->bare, sql, NULL, NULL, NULL);
    rhei_status status = oltp_write(pair->test.oltp, sql, strlen(sql), NULL, 0, NULL, &result, NULL, &error);
    if ((rc == SQLITE_OK) != (status == RHEI_OK) ||
        (rc != SQLITE_OK && strstr(error.message, sqlite3_errmsg(pair->bare)) == NULL))
        fail_msg("%s\n%d %s\ninstead of %d %s", sql, (int)status, error.message, rc, sqlite3_errmsg(pair->bare));
    if (rc != SQLITE_OK) {
        assert_int_equal(error.sql_offset, sqlite3_error_offset(pair->bare));
        assert_int_equal(error.engine_code, rc);
        return;
    }
    int64_t changes = sqlite3_total_changes64(pair->bare) == before ? 0 : sqlite3_changes64(pair->bare);
    if (result.changes != changes || result.last_insert_rowid != sqlite3_last_insert_rowid(pair->bare))
        fail_msg("%s: %lld changes, rowid %lld instead of %lld, %lld", sql, (long long)result.changes,
                 (long long)result.last_insert_rowid, (long long)changes,
                 (long long)sqlite3_last_insert_rowid(pair->bare));
}

/* ---- Constructs. ---- */

static void test_c1_literals_mean_what_they_mean_to_sqlite(void **state)
{
    (void)state;
    static const struct {
        const char *setup, *statements[6];
    } cases[] = {
        {"CREATE TABLE t(a INTEGER, b TEXT, c REAL, d NUMERIC, e BLOB, f)",
         {"INSERT INTO t VALUES('5', 5, 5, '5.0', '5', 5)", "INSERT INTO t VALUES(1.0, 1.0, 1, 1.0, 1.0, 1.0)",
          "INSERT INTO t VALUES(x'35', x'35', x'35', x'35', x'35', x'')",
          "INSERT INTO t VALUES('abc', '', '1e3', '0x10', '''', 'it''s')",
          "INSERT INTO t VALUES(-0, -0.0, 1e999, 0xFF, 1_000, +5)",
          "INSERT INTO t VALUES(9223372036854775807, -9223372036854775808, 9223372036854775808, 0.1, 1.10, NULL)"}},
        {"CREATE TABLE t(a)",
         {"INSERT INTO t VALUES(\"x\")", "INSERT INTO t VALUES(TRUE), (CURRENT_DATE IS NULL)",
          "INSERT INTO t VALUES(1),('2'),(3.5),(x'04'),(NULL)", "INSERT INTO t VALUES(1, 2)",
          "INSERT INTO t VALUES(0.10000000000000001), (123456789.123456789)", "INSERT INTO nowhere VALUES(1)"}},
        {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES(1, 1, 2), (5, 6, 7)",
         {"UPDATE t SET a = \"b\" WHERE id = 1", "UPDATE t SET a = 'x', b = a WHERE id = 5",
          "UPDATE t SET a = true WHERE rowid = 1", "UPDATE t SET id = 9 WHERE id = 5", "DELETE FROM t WHERE id = 77",
          "DELETE FROM t WHERE _rowid_ = 9"}},
        {"CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE w(x); CREATE TRIGGER g BEFORE INSERT ON t BEGIN "
         "INSERT "
         "INTO w VALUES(typeof(NEW.a)), (NEW.id); END",
         {"INSERT INTO t VALUES(NULL, '5')", "INSERT INTO t(a) VALUES(5.0)", "INSERT INTO t VALUES('x', 1)",
          "INSERT INTO t VALUES('7', 1)", "INSERT INTO t VALUES(5.5, 1)", "INSERT OR REPLACE INTO t VALUES(1, 'z')"}},
        {"CREATE TABLE t(a INT, b ANY) STRICT",
         {"INSERT INTO t VALUES('5', '5')", "INSERT INTO t VALUES('x', 1)", "INSERT INTO t VALUES(1.5, 1)",
          "INSERT INTO t VALUES(1.0, x'00')"}},
        {"CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 7, g AS (typeof(a) || a) STORED, CHECK(a <> 13))",
         {"INSERT INTO t(id, a) VALUES(1, 1.50)", "INSERT INTO t(id, a) VALUES(2, '1.5')",
          "INSERT INTO t(id, a) VALUES(3, 13)",
          "INSERT INTO t(id, a) VALUES(1, 2) ON CONFLICT(id) DO UPDATE SET b = 5, a = excluded.a",
          "INSERT OR IGNORE INTO t(id, a) VALUES(1, 3), (4, 4)", "UPDATE OR REPLACE t SET a = 4 WHERE id = 1"}},
        {"CREATE TABLE t(a); CREATE TABLE b(a INTEGER); CREATE VIEW v AS SELECT a FROM b; CREATE TRIGGER g INSTEAD OF "
         "INSERT ON v "
         "BEGIN INSERT INTO t VALUES(NEW.a); END",
         {"INSERT INTO v VALUES('5')", "INSERT INTO v VALUES(5.0)", "INSERT INTO v VALUES(x'05')"}},
        {"CREATE TABLE t(id INT PRIMARY KEY, a) WITHOUT ROWID; INSERT INTO t VALUES(1, 1)",
         {"UPDATE t SET a = 5 WHERE id = 1", "DELETE FROM t WHERE id = 2", "UPDATE t SET a = 5 WHERE rowid = 1"}},
        {"CREATE TABLE t(rowid TEXT, a); INSERT INTO t VALUES('5', 1), ('6', 2)",
         {"UPDATE t SET a = 9 WHERE rowid = 5", "UPDATE t SET a = 8 WHERE oid = 2", "DELETE FROM t WHERE rowid = 6"}},
        {"CREATE TABLE \"select\"(\"a;b\" PRIMARY KEY, [c d])",
         {"INSERT INTO \"select\"(\"a;b\", [c d]) VALUES('x;y', '--z')", "INSERT INTO [select] VALUES('/*', '*/')",
          "DELETE FROM `select` WHERE \"a;b\" = 5"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair;
        pair_open(&pair, cases[i].setup);
        for (int twice = 0; twice < 2; twice++)
            for (size_t s = 0; s < 6 && cases[i].statements[s] != NULL; s++)
                run_both(&pair, cases[i].statements[s]);
        must_be_equal(&pair, cases[i].setup);
        pair_close(&pair);
    }
}

/* ---- At random, one by one and as scripts. ---- */

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % sides;
}

static void random_value(struct base_buffer *sql)
{
    static const char *const odd[] = {"NULL",
                                      "0.0",
                                      "-0.0",
                                      "1e3",
                                      "0x1F",
                                      "TRUE",
                                      "abs(-4)",
                                      "+7",
                                      "'a' || 'b'",
                                      "x''",
                                      "''",
                                      "''''",
                                      "'a;b'",
                                      "'--'",
                                      "1 + 1",
                                      "- 3",
                                      "-x'00' || 'q'",
                                      "9223372036854775807",
                                      "(5)",
                                      "'x' COLLATE nocase"};
    switch (dice(6)) {
    case 0:
        base_buffer_format(sql, "%s%u", dice(3) == 0 ? "-" : "", dice(1000000));
        break;
    case 1:
        base_buffer_format(sql, "%s%u.%0*u", dice(3) == 0 ? "-" : "", dice(10000), (int)dice(9) + 1, dice(1000));
        break;
    case 2:
        base_buffer_format(sql, "'name%u'", dice(50));
        break;
    case 3:
        base_buffer_format(sql, "'it''s %u'", dice(50));
        break;
    case 4:
        base_buffer_format(sql, "x'%04X'", dice(65536));
        break;
    default:
        base_buffer_text(sql, odd[dice(sizeof odd / sizeof odd[0])]);
    }
}

static void random_statement(struct base_buffer *sql)
{
    static const char *const heads[] = {"INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"};
    uint32_t kind = dice(10);
    if (kind < 7) {
        base_buffer_format(sql, "%s INTO t%s", heads[dice(4)], dice(2) == 0 ? "(id, a, b)" : " (id,a,b)");
        for (uint32_t row = 0, rows = dice(8) == 0 ? 3 : 1; row < rows; row++) {
            base_buffer_format(sql, "%s(%u, ", row == 0 ? " VALUES " : ", ", dice(60));
            random_value(sql);
            base_buffer_text(sql, ", ");
            random_value(sql);
            base_buffer_char(sql, ')');
        }
    } else if (kind < 9) {
        base_buffer_text(sql, "UPDATE t SET a = ");
        random_value(sql);
        base_buffer_format(sql, ", b = b WHERE id = %u", dice(60));
    } else {
        base_buffer_format(sql, "DELETE FROM t WHERE id = %u", dice(60));
    }
}

static void test_c3_random_literals_are_kept_exactly(void **state)
{
    (void)state;
    seed = 0x9E3779B97F4A7C15u;
    struct pair pair;
    pair_open(&pair, "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b NUMERIC)");
    struct test_mirror *mirror = test_mirror_new(&pair.test);
    test_mirror_check(mirror);
    for (int round = 0; round < 60; round++) {
        struct base_buffer script = {0};
        for (int i = 0; i < 40; i++) {
            struct base_buffer one = {0};
            random_statement(&one);
            if (round % 2 == 0)
                run_both(&pair, one.data);
            base_buffer_format(&script, "%s;%s", one.data, dice(5) == 0 ? " ; -- between\n" : "\n");
            base_buffer_reset(&one);
        }
        test_script(&pair.test, script.data);
        assert_int_equal(sqlite3_exec(pair.bare, script.data, NULL, NULL, NULL), SQLITE_OK);
        must_be_equal(&pair, script.data);
        base_buffer_reset(&script);
    }
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    pair_close(&pair);
}

/* ---- Scripts. ---- */

static void test_d5_a_script_says_which_statement_failed(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, "CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    struct base_buffer script = {0};
    size_t at = 0;
    for (int i = 0; i < 700; i++) {
        if (i == 633)
            at = script.len;
        base_buffer_format(&script, "INSERT INTO t VALUES (%d, 'row %d');\n", i == 633 ? 5 : i, i);
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_write_script(pair.test.oltp, script.data, script.len, NULL, NULL, &error), RHEI_CONSTRAINT);
    char expected[80];
    snprintf(expected, sizeof expected, "statement 634, at byte %zu: UNIQUE constraint failed: t.id", at);
    assert_memory_equal(error.message, expected, strlen(expected));
    assert_int_equal(error.sql_offset, at);
    assert_int_equal(test_int(&pair.test, "SELECT count(*) FROM t"), 0);
    base_buffer_reset(&script);

    static const char wrong[] = "INSERT INTO t VALUES (1, 2);\n -- a comment\n INSERT INTO t VALUES (1, nix);";
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(oltp_write_script(pair.test.oltp, wrong, sizeof wrong - 1, NULL, NULL, &error), RHEI_SQL);
    assert_memory_equal(error.message, "statement 2, at byte 44: no such column: nix", 44);
    assert_int_equal(error.sql_offset, strstr(wrong, "nix") - wrong);
    pair_close(&pair);
}

static void test_c1_scripts_mix_with_other_statements(void **state)
{
    (void)state;
    static const char script[] =
        "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b');"
        "CREATE TABLE u(x); INSERT INTO u VALUES (1); INSERT INTO u VALUES (2);"
        "CREATE TRIGGER g AFTER INSERT ON u BEGIN UPDATE t SET a = NEW.x WHERE id = 1; INSERT INTO t(a) VALUES (';'); "
        "END;"
        "INSERT INTO u VALUES (3); ALTER TABLE u ADD COLUMN y; INSERT INTO u VALUES (4, 5); INSERT INTO u VALUES (6, "
        "7);"
        "UPDATE u SET y = 8 WHERE rowid = 2; DELETE FROM u WHERE rowid = 1; UPDATE t SET a = a || a;"
        "INSERT INTO t SELECT 50, x FROM u LIMIT 1; INSERT INTO t VALUES (51, last_insert_rowid())";
    struct pair pair;
    pair_open(&pair, "CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
    struct test_mirror *mirror = test_mirror_new(&pair.test);
    struct oltp_result result = {0};
    assert_int_equal(oltp_write_script(pair.test.oltp, script, sizeof script - 1, NULL, &result, NULL), RHEI_OK);
    assert_int_equal(sqlite3_exec(pair.bare, script, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(result.last_insert_rowid, 51);
    must_be_equal(&pair, script);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    pair_close(&pair);
}

static void test_d5_a_batch_says_which_row_failed(void **state)
{
    (void)state;
    enum { ROWS = 200, WRONG = 137 };
    struct oltp_test test;
    static const char *const texts[] = {"INSERT INTO t VALUES (?)", "INSERT OR FAIL INTO t VALUES (?)",
                                        "INSERT OR ROLLBACK INTO t VALUES (?)"};
    test_open(&test);
    test_write(&test, "CREATE TABLE t(a INTEGER PRIMARY KEY)");
    struct rhei_value values[ROWS];
    for (int i = 0; i < ROWS; i++)
        values[i] = (struct rhei_value){.as = {.integer = i == WRONG ? 3 : i}, .type = RHEI_INTEGER};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(oltp_write_many(test.oltp, texts[i], strlen(texts[i]), values, 1, ROWS, NULL, NULL, &error),
                         RHEI_CONSTRAINT);
        assert_memory_equal(error.message,
                            i == 0   ? "row 138: "
                            : i == 1 ? "rows 101 to 150: "
                                     : "rows 101 to 150: ",
                            i == 0 ? 9 : 17);
        assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), 0);
    }
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_literals_mean_what_they_mean_to_sqlite),
        cmocka_unit_test(test_c3_random_literals_are_kept_exactly),
        cmocka_unit_test(test_d5_a_script_says_which_statement_failed),
        cmocka_unit_test(test_c1_scripts_mix_with_other_statements),
        cmocka_unit_test(test_d5_a_batch_says_which_row_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
