/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas as other programs write them (promise C7): whatever stands in their texts, the file opens, everybody can write, the
 * other tables are followed, and the one table is followed exactly or says why it isn't.
 */
#include "oltp/oltp_test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct foreign {
    const char *ddl;
    const char *writes; /* by the same program: none may fail */
    const char *why;    /* a part of the reason; NULL: it is mirrored */
};

static const struct foreign cases[] = {
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE UNIQUE INDEX u ON t(a) WHERE b > 0 -- live",
     "INSERT INTO t VALUES(1, 5, 1), (2, 5, 0); REPLACE INTO t VALUES(3, 5, 2)", NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE UNIQUE INDEX u ON t(a /* x */, lower(b) -- y\n COLLATE "
     "NOCASE "
     "/* z */ DESC) WHERE /* never */ b > '' /* open",
     "INSERT INTO t VALUES(1, 5, 'x'), (2, 5, 0); REPLACE INTO t VALUES(3, 5, 'X')", NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL DEFAULT (5 -- five\n) UNIQUE)",
     "INSERT INTO t(id) VALUES(1); REPLACE INTO t VALUES(2, NULL)", NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, status TEXT NOT NULL DEFAULT active UNIQUE, active)",
     "INSERT INTO t VALUES(1, 'active', 'x'); REPLACE INTO t VALUES(2, NULL, 'y')", NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL DEFAULT abort UNIQUE, b NOT NULL DEFAULT [x y] UNIQUE, c NOT "
     "NULL "
     "DEFAULT TRUE UNIQUE, d NOT NULL DEFAULT - /* minus */ 5 UNIQUE)",
     "INSERT INTO t(id) VALUES(1); REPLACE INTO t(id, a, b, c, d) VALUES(2, 1, NULL, 1, 1); REPLACE INTO t VALUES(3, "
     "NULL, NULL, NULL, NULL)",
     NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, j); CREATE UNIQUE INDEX u ON t(json_extract(j, '$.id')) WHERE "
     "json_valid(j)",
     "INSERT INTO t VALUES(2, 'not json'), (3, '{\"id\":1}'); REPLACE INTO t VALUES(4, '{\"id\":1}')", "json_extract"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, j CHECK(json_valid(j))); CREATE UNIQUE INDEX u ON t(j ->> '$.id')",
     "INSERT OR IGNORE INTO t VALUES(2, 'not json'); REPLACE INTO t VALUES(4, '{\"id\":1}')", "operator"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a CHECK(a > -9)); CREATE UNIQUE INDEX u ON t(abs(a))",
     "INSERT OR IGNORE INTO t VALUES(1, -9223372036854775807 - 1)", "abs()"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE UNIQUE INDEX u ON t(myf(a))",
     "INSERT INTO t VALUES(1, 'x', 1); REPLACE INTO t VALUES(2, 'xx', 2)", "myf()"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE INDEX u ON t(myf(a))",
     "INSERT INTO t VALUES(1, 'x', 1); REPLACE INTO t VALUES(1, 'xx', 2)", "myf()"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, g AS (myf(a)))",
     "INSERT INTO t(id, a) VALUES(1, 'x'); REPLACE INTO t(id, a) VALUES(2, 'x')", "myf()"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a COLLATE rev UNIQUE, b)",
     "INSERT INTO t VALUES(1, 'x', 1); UPDATE t SET b = 5", "collation"},
    {"CREATE TABLE t(a TEXT COLLATE rev PRIMARY KEY, b) WITHOUT ROWID",
     "INSERT INTO t VALUES('x', 1); REPLACE INTO t VALUES('x', 2)", "collation"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b); CREATE TRIGGER z AFTER INSERT ON t BEGIN SELECT act(NEW.a); "
     "UPDATE t SET b = act(b) + 1 WHERE id = NEW.id; END",
     "INSERT INTO t VALUES(1, 'x', 1); REPLACE INTO t VALUES(2, 'x', 2)", NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, g AS (json_extract(a, '$.x')), b)",
     "INSERT INTO t(a) VALUES('{\"x\":1}'); REPLACE INTO t(id, a, b) VALUES(1, '[]', 2)", NULL},
    {"CREATE TABLE \"a\"\"b'c] --\"(\"id\" INTEGER PRIMARY KEY, \"select\" UNIQUE, \"x\"\"y\" INT, [z`'z] AS "
     "(\"x\"\"y\" + 1) UNIQUE, "
     "`new` , \"old\" UNIQUE, \"_rhei_row\"); CREATE UNIQUE INDEX \"/* \" ON \"a\"\"b'c] --\"(\"select\" || "
     "\"x\"\"y\") WHERE \"new\" "
     "IS NOT NULL",
     "INSERT INTO \"a\"\"b'c] --\"(\"select\", \"x\"\"y\", \"new\", \"old\") VALUES(1, 2, 3, 4); REPLACE INTO "
     "\"a\"\"b'c] "
     "--\"(\"select\", \"x\"\"y\", \"new\", \"old\") VALUES(5, 2, 3, 6), (5, 9, 3, 7)",
     NULL},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, rowid INT, oid UNIQUE, z)",
     "INSERT INTO t VALUES(1, 1, 1, 1); UPDATE t SET _rowid_ = 5; UPDATE t SET id = 6, rowid = 7; REPLACE INTO t "
     "VALUES(8, 1, 1, "
     "1)",
     NULL},
    {"CREATE TABLE t(rowid INT, a UNIQUE); ALTER TABLE t ADD COLUMN z",
     "INSERT INTO t VALUES(1, 1, 1); UPDATE t SET _rowid_ = 5; UPDATE t SET oid = 6, rowid = 7; ALTER TABLE t DROP "
     "COLUMN z; "
     "UPDATE t SET oid = 9; ALTER TABLE t ADD COLUMN z",
     NULL},
    {"CREATE TABLE s(x); PRAGMA writable_schema=ON; INSERT INTO sqlite_master VALUES('table', 't', 't', 0, 'CREATE "
     "VIRTUAL "
     "TABLE t USING nosuch(a)'); PRAGMA writable_schema=OFF; CREATE VIEW v AS SELECT nosuch(1) FROM nowhere",
     "INSERT INTO s VALUES(1)", "module"},
    {"CREATE TABLE t(rowid, _rowid_, oid, a UNIQUE)", "REPLACE INTO t VALUES(1, 2, 3, 4)", "rowid"},
};

/* Functions and a collation that no other program has. */
static void first_letter(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *text = (const char *)sqlite3_value_text(values[0]);
    sqlite3_result_text(context, text == NULL ? "" : text, text == NULL || text[0] == '\0' ? 0 : 1, SQLITE_TRANSIENT);
}

static void same(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_value(context, values[0]);
}

static int reversed(void *unused, int a_len, const void *a, int b_len, const void *b)
{
    (void)unused;
    int order = memcmp(b, a, (size_t)(a_len < b_len ? a_len : b_len));
    return order != 0 ? order : b_len - a_len;
}

/* Another program: it shares nothing with the handle but the file. */
static void write_as_foreign(const struct oltp_test *test, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(test->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_create_function(db, "myf", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, first_letter, NULL, NULL);
    sqlite3_create_function(db, "act", 1, SQLITE_UTF8, NULL, same, NULL, NULL);
    sqlite3_create_collation(db, "rev", SQLITE_UTF8, NULL, reversed);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("another program's statement failed: %s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static const char *name_of(const struct foreign *foreign)
{
    return strstr(foreign->ddl, "\"a\"\"b'c] --\"") != NULL ? "a\"b'c] --" : "t";
}

static void check_reason(struct oltp_test *test, const struct foreign *foreign)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct capture_catalog *catalog = NULL;
    assert_int_equal(capture_catalog_take(test->oltp, &catalog, &error), RHEI_OK);
    for (uint32_t i = 0; i < catalog->table_count; i++) {
        const struct source_table *table = &catalog->tables[i].source;
        if (strcmp(table->name, name_of(foreign)) == 0) {
            const char *reason = table->unmirrored_reason;
            if ((reason == NULL) != (foreign->why == NULL) || (reason != NULL && strstr(reason, foreign->why) == NULL))
                fail_msg("%s\n reason: %s", foreign->ddl, reason == NULL ? "(none)" : reason);
        }
    }
    capture_catalog_release(&catalog);
}

static void run_case(const struct foreign *foreign, bool while_open)
{
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE o(x INTEGER PRIMARY KEY, y UNIQUE); INSERT INTO o VALUES(1, 1)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    if (!while_open) {
        test_mirror_free(&mirror);
        test_shut(&test);
    }
    write_as_foreign(&test, foreign->ddl);
    if (!while_open) {
        test_reopen(&test);
        mirror = test_mirror_new(&test);
    }
    test_mirror_check(mirror);
    check_reason(&test, foreign);
    write_as_foreign(&test, foreign->writes);
    test_write(&test, "REPLACE INTO o VALUES(2, 1)");
    test_mirror_check(mirror);
    test_script(&test, "CREATE TABLE p(x); INSERT INTO p VALUES(1)");
    test_mirror_check(mirror);
    assert_true(test_mirror_has(mirror, "o") && test_mirror_has(mirror, "p"));
    assert_int_equal(test_mirror_has(mirror, name_of(foreign)), foreign->why == NULL);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(capture_register_table(test.oltp, name_of(foreign), NULL, &error),
                     foreign->why == NULL ? RHEI_OK : RHEI_UNSUPPORTED);
    assert_true(foreign->why == NULL || strstr(error.message, foreign->why) != NULL);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_shut(&test);
    test.oltp = NULL;
    test.source = NULL;
    struct base_buffer again = {0};
    if (strstr(foreign->writes, "INSERT INTO s") == NULL) {
        base_buffer_text(&again, "DELETE FROM ");
        base_buffer_identifier(&again, name_of(foreign));
    }
    base_buffer_format(&again, ";%s", foreign->writes);
    write_as_foreign(&test, again.data); /* with no engine at all */
    base_buffer_reset(&again);
    test_reopen(&test);
    test_close(&test);
}

static void test_c7_texts_of_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_case(&cases[i], false);
        run_case(&cases[i], true);
    }
}

/* Many at once, and one of them is bad. */
static void test_c7_one_bad_table_among_many(void **state)
{
    (void)state;
    struct oltp_test test;
    struct base_buffer ddl = {0};
    test_open(&test);
    test_shut(&test);
    for (int i = 0; i < 20; i++) {
        base_buffer_format(
            &ddl, "CREATE TABLE m%d(id INTEGER PRIMARY KEY, a UNIQUE, b); INSERT INTO m%d VALUES(1, 1, 1);", i, i);
    }
    /* a chain as long as SQLite allows, brackets deeper than the parser of a trigger can take, a function of others */
    base_buffer_text(&ddl, "CREATE TABLE long(id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX l ON long(a");
    for (int i = 0; i < 990; i++)
        base_buffer_text(&ddl, "+1");
    base_buffer_text(&ddl, "); CREATE TABLE deep(id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX d ON deep(");
    for (int i = 0; i < 16; i++)
        base_buffer_text(&ddl, "lower(");
    base_buffer_text(
        &ddl, "a))))))))))))))))); CREATE TABLE other(id INTEGER PRIMARY KEY, a); CREATE INDEX o ON other(myf(a)");
    base_buffer_text(&ddl, ");");
    write_as_foreign(&test, ddl.data);
    test_reopen(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(test_shell(&test,
                                "INSERT INTO deep VALUES(1, 1); INSERT INTO long VALUES(1, 1); REPLACE INTO long "
                                "VALUES(2, 1); REPLACE INTO m3 VALUES(2, 1, 3)"),
                     0);
    test_mirror_check(mirror);
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        assert_true(test_mirror_has(mirror, name));
    }
    assert_false(test_mirror_has(mirror, "deep") || test_mirror_has(mirror, "other"));
    assert_true(test_mirror_has(mirror, "long"));
    test_mirror_free(&mirror);
    test_close(&test);
    base_buffer_reset(&ddl);
}

/* As many columns as SQLite has, with triggers of others. */
static void test_c7_wide_tables_with_triggers(void **state)
{
    (void)state;
    static const int widths[] = {70, 1100, 1890};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        struct oltp_test test;
        struct base_buffer ddl = {0};
        test_open(&test);
        base_buffer_text(&ddl, "CREATE TABLE t(id INTEGER PRIMARY KEY");
        for (int i = 0; i < widths[w]; i++)
            base_buffer_format(&ddl, ", c%d", i);
        base_buffer_text(&ddl, ", UNIQUE(c1, c2))");
        test_write(&test, ddl.data);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, "INSERT INTO t(c1, c2, c69) VALUES(1, 2, 3)"), 0);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test,
                                    "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET c5 = 'seen' WHERE id = "
                                    "NEW.id; END; INSERT INTO t(c1, c2, c69) VALUES(1, 3, 3)"),
                         0);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, "REPLACE INTO t(c1, c2, c68) VALUES(1, 3, 4); UPDATE t SET id = id + 10"),
                         0);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, "ALTER TABLE t DROP COLUMN c60; DELETE FROM t WHERE id = 11"), 0);
        test_mirror_check(mirror);
        assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), 1);
        assert_true(test_mirror_has(mirror, "t"));
        test_mirror_free(&mirror);
        test_close(&test);
        base_buffer_reset(&ddl);
    }
}

/*
 * PRAGMA legacy_alter_table renames a table and leaves its triggers' texts. Only the look for what REPLACE displaces names the
 * table, so that nobody can insert into a table with a second unique key; the next engine that looks mends it.
 */
static void test_c7_legacy_rename(void **state)
{
    (void)state;
    static const char *const rename =
        "PRAGMA legacy_alter_table=ON; ALTER TABLE plain RENAME TO plain2; ALTER TABLE keyed "
        "RENAME TO keyed2; ALTER TABLE seen RENAME TO seen2;";
    struct oltp_test test;
    test_open(&test);
    test_script(&test,
                "CREATE TABLE plain(id INTEGER PRIMARY KEY, a); CREATE TABLE keyed(id INTEGER PRIMARY KEY, a UNIQUE, "
                "b); CREATE TABLE seen(id INTEGER PRIMARY KEY, a); CREATE TRIGGER s AFTER INSERT ON seen BEGIN "
                "SELECT 1; END; INSERT INTO keyed VALUES(1, 1, 1)");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(test_shell(&test, rename), 0);
    /* before anybody looks */
    assert_int_equal(test_shell(&test, "INSERT INTO plain2 VALUES(1, 1); UPDATE plain2 SET a = 2; INSERT INTO seen2 "
                                       "VALUES(1, 1); UPDATE keyed2 SET b = 3; DELETE FROM keyed2 WHERE id = 7"),
                     0);
    test_mirror_check(mirror);
    assert_int_equal(test_shell(&test,
                                "INSERT INTO keyed2 VALUES(2, 2, 2); REPLACE INTO keyed2 VALUES(3, 1, 1); UPDATE OR "
                                "REPLACE keyed2 SET a = 1; INSERT INTO plain2 VALUES(2, 2)"),
                     0);
    test_mirror_check(mirror);
    assert_true(test_mirror_has(mirror, "keyed2") && test_mirror_has(mirror, "plain2") &&
                test_mirror_has(mirror, "seen2"));
    test_mirror_free(&mirror);
    test_shut(&test);
    test.oltp = NULL;
    test.source = NULL;
    assert_int_equal(test_shell(&test, "PRAGMA legacy_alter_table=ON; ALTER TABLE keyed2 RENAME TO keyed3;"), 0);
    test_reopen(&test); /* mends it, too */
    assert_int_equal(test_shell(&test, "REPLACE INTO keyed3 VALUES(9, 1, 1)"), 0);
    test_close(&test);
}

/*
 * A column that others renamed has another name in our triggers, and none that stands in for it: until an engine looked SQLite refuses to drop it.
 * Nothing else is in the way, and whoever can't wait takes the table's triggers off.
 */
static void test_c5_a_column_that_others_renamed_is_dropped_after_a_look(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        struct oltp_test test;
        test_open(&test);
        test_write(&test, "CREATE TABLE r(k INTEGER PRIMARY KEY, a, b, c)");
        test_write(&test, "INSERT INTO r VALUES(1, 1, 1, 1)");
        test_shut(&test);
        test_reopen_keeping(&test, keep != 0);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, "ALTER TABLE r RENAME COLUMN a TO e"), 0);
        assert_int_not_equal(test_shell(&test, "ALTER TABLE r DROP COLUMN e"), 0);
        assert_int_equal(test_shell(&test,
                                    "INSERT INTO r VALUES(2, 2, 2, 2); UPDATE r SET e = 3; DELETE FROM r WHERE k = 1;"
                                    "ALTER TABLE r DROP COLUMN b"),
                         0);
        test_mirror_check(mirror); /* a look */
        assert_int_equal(test_shell(&test, "ALTER TABLE r DROP COLUMN e; INSERT INTO r VALUES(5, 5)"), 0);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, "ALTER TABLE r RENAME COLUMN c TO e"), 0);
        assert_int_not_equal(test_shell(&test, "ALTER TABLE r DROP COLUMN e"), 0);
        assert_int_equal(
            test_python(&test, "for (n,) in db.execute(\"SELECT name FROM sqlite_schema WHERE type = 'trigger' AND "
                               "tbl_name = 'r'\").fetchall(): db.execute('DROP TRIGGER \"%s\"' % n)"),
            0);
        assert_int_equal(test_shell(&test, "ALTER TABLE r DROP COLUMN e; INSERT INTO r VALUES(6)"), 0);
        test_mirror_check(mirror);
        assert_true(test_mirror_has(mirror, "r"));
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* SQLite says that a name is taken by what it read of the schema last; what others took away meanwhile is free all the same. */
static void test_c5_names_that_others_gave_up_are_free_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *made, *by_others, *again;
    } CASES[] = {
        {"CREATE TABLE n(a)", "DROP TABLE n", "CREATE TABLE n(b, c)"},
        {"CREATE VIEW n AS SELECT 1", "DROP VIEW n", "CREATE VIEW n AS SELECT 2"},
        {"CREATE INDEX n ON t(v)", "DROP INDEX n", "CREATE INDEX n ON t(v, id)"},
        {"CREATE TRIGGER n AFTER DELETE ON t BEGIN SELECT 1; END", "DROP TRIGGER n",
         "CREATE TRIGGER n AFTER INSERT ON t BEGIN SELECT 1; END"},
        {"ALTER TABLE t ADD COLUMN n", "ALTER TABLE t DROP COLUMN n", "ALTER TABLE t ADD COLUMN n DEFAULT 7"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct oltp_test test;
        test_open(&test);
        print_message("%s\n", CASES[i].again);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 1)");
        test_write(&test, CASES[i].made);
        test_mirror_check(mirror);
        assert_int_equal(test_shell(&test, CASES[i].by_others), 0);
        test_write(&test, CASES[i].again);
        test_write(&test, "INSERT INTO t(id) VALUES(2)");
        test_mirror_check(mirror);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c7_texts_of_others),
        cmocka_unit_test(test_c7_one_bad_table_among_many),
        cmocka_unit_test(test_c7_wide_tables_with_triggers),
        cmocka_unit_test(test_c7_legacy_rename),
        cmocka_unit_test(test_c5_a_column_that_others_renamed_is_dropped_after_a_look),
        cmocka_unit_test(test_c5_names_that_others_gave_up_are_free_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
