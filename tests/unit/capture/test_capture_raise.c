/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triggers that end a row or a statement and leave what was changed until then: RAISE(IGNORE), RAISE(FAIL), the conflict of a trigger's
 * own statement under OR FAIL; beside ABORT and ROLLBACK, which take it back. After each step mirror == table (T7, T8 of
 * capture_triggers.c).
 */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_internal.h"

#define ONE_OF(seed, items) (items)[test_pick((seed), sizeof(items) / sizeof *(items))]

#define TABLES                                                                                                         \
    "CREATE TABLE p(id INTEGER PRIMARY KEY, k UNIQUE, v INT); CREATE TABLE o(id INTEGER PRIMARY KEY, v INT NOT NULL);" \
    "CREATE TABLE c(id INTEGER PRIMARY KEY, k REFERENCES p(k) ON UPDATE CASCADE ON DELETE CASCADE, v INT);"            \
    "INSERT INTO p VALUES(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4); INSERT INTO c SELECT id, k, v FROM p;"

static const char *const shapes[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE, v INT); " TABLES,
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k, v INT); " TABLES,
    "CREATE TABLE t(id, k UNIQUE, v INT); " TABLES,
    "CREATE TABLE t(id TEXT, k INT, v INT, PRIMARY KEY(id, k)) WITHOUT ROWID; " TABLES,
    "CREATE TABLE t(id INTEGER PRIMARY KEY REFERENCES p(id) ON UPDATE CASCADE ON DELETE SET NULL, k, v INT); " TABLES,
    "CREATE TABLE t(id INT PRIMARY KEY, k REFERENCES t(id) ON UPDATE CASCADE ON DELETE CASCADE, v INT); " TABLES,
};

/* %s: the table's name; then what ends the row. */
static const char *const whens[] = {"", "", "WHEN %s.id % 2", "WHEN %s.v > 2", "WHEN %s.id = 2"};
static const char *const ends[] = {"RAISE(IGNORE)",     "RAISE(IGNORE)",      "RAISE(FAIL, 'no')",
                                   "RAISE(FAIL, 'no')", "RAISE(ABORT, 'no')", "RAISE(ROLLBACK, 'no')"};
static const char *const bodies[] = {
    "SELECT %s;",
    "SELECT %s WHERE %s.id = 3;",
    "SELECT CASE WHEN %s.v = 2 THEN %s ELSE 1 END;",
    "SELECT 1 WHERE (SELECT CASE %s.id WHEN 3 THEN %s END);",
    "UPDATE o SET v = v + 1; SELECT %s;",
    "INSERT INTO o VALUES(abs(random()) %% 5, NULL); SELECT 1;",
    "UPDATE t SET v = v + 1 WHERE id = %s.id AND v < 9; SELECT %s WHERE %s.id = 1;",
    "INSERT INTO o(v) VALUES(%s.v); DELETE FROM o WHERE id > 6;",
    "UPDATE t SET k = k WHERE 0;",
};
static const char *const events[] = {"INSERT", "UPDATE", "DELETE", "UPDATE OF v", "UPDATE OF k"};

/* `%s` in `text` is the row; what ends it stands where `RAISE` would. */
static void write_body(struct base_buffer *sql, const char *text, const char *row, const char *end)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            base_buffer_text(sql, at[2] == '.' ? row : end);
            at++;
        } else if (at[0] == '%' && at[1] == '%') {
            base_buffer_char(sql, '%');
            at++;
        } else {
            base_buffer_char(sql, *at);
        }
    }
}

static void make_trigger(uint64_t *seed, struct base_buffer *sql, uint32_t number)
{
    static const char *const times[] = {"AFTER", "AFTER", "AFTER", "BEFORE"};
    static const char *const tables[] = {"t", "t", "t", "c", "o", "p"};
    const char *event = ONE_OF(seed, events), *table = ONE_OF(seed, tables);
    if (strcmp(table, "o") == 0 && event[0] == 'U')
        event = "UPDATE";
    const char *row = strcmp(event, "DELETE") == 0 ? "OLD" : "NEW";
    base_buffer_format(sql, "CREATE TRIGGER x%u %s %s ON %s ", number, ONE_OF(seed, times), event, table);
    write_body(sql, ONE_OF(seed, whens), row, "");
    base_buffer_text(sql, " BEGIN ");
    write_body(sql, ONE_OF(seed, bodies), row, ONE_OF(seed, ends));
    base_buffer_text(sql, " END");
}

static void make_statement(uint64_t *seed, struct base_buffer *sql)
{
    static const char *const conflicts[] = {"", "", "OR FAIL", "OR IGNORE", "OR REPLACE", "OR ABORT", "OR ROLLBACK"};
    static const char *const tables[] = {"t", "t", "t", "p"};
    const char *conflict = ONE_OF(seed, conflicts), *table = ONE_OF(seed, tables);
    uint32_t a = test_pick(seed, 6), b = test_pick(seed, 6);
    switch (test_pick(seed, 7)) {
    case 0:
    case 1:
        base_buffer_format(sql, "INSERT %s INTO %s(id, k, v) VALUES(%u, %u, %u), (%u, %u, %u), (%u, %u, %u)", conflict,
                           table, a, b, test_pick(seed, 4), a + 1, b + 1, test_pick(seed, 4), test_pick(seed, 9),
                           test_pick(seed, 9), a);
        break;
    case 2:
        base_buffer_format(sql, "UPDATE %s %s SET v = v + 1, k = k", conflict, table);
        break;
    case 3:
        base_buffer_format(sql, "UPDATE %s %s SET k = k + %u WHERE id <> %u", conflict, table, 1 + test_pick(seed, 9),
                           a);
        break;
    case 4:
        base_buffer_format(sql, "UPDATE %s %s SET id = id + %u, v = %u WHERE id > %u", conflict, table,
                           1 + test_pick(seed, 5), b, a);
        break;
    case 5:
        base_buffer_format(sql, "DELETE FROM %s WHERE id >= %u", table, a);
        break;
    default:
        base_buffer_format(
            sql, "INSERT INTO %s(id, k, v) VALUES(%u, %u, 2), (%u, %u, 3) ON CONFLICT DO UPDATE SET v = v + 1", table,
            a, b, b, a);
        break;
    }
}

static void run_in_shell(struct oltp_test *test, const char *sql)
{
    struct base_buffer script = {0};
    base_buffer_format(&script, "PRAGMA foreign_keys=ON;\n%s;\n", sql);
    test_shell_script(test, script.data, script.len);
    base_buffer_reset(&script);
}

static void run_step(struct oltp_test *test, uint64_t *seed, uint32_t *triggers, bool memory)
{
    struct base_buffer sql = {0};
    uint32_t what = test_pick(seed, 8);
    if (what == 0)
        base_buffer_format(&sql, "DROP TRIGGER IF EXISTS x%u", test_pick(seed, *triggers + 1));
    else if (what == 1 || *triggers < 2)
        make_trigger(seed, &sql, (*triggers)++);
    else
        make_statement(seed, &sql);
    if (getenv("RHEI_TEST_SEED") != NULL)
        print_message("%s\n", sql.data);
    if (!memory && test_pick(seed, 8) == 0)
        run_in_shell(test, sql.data);
    else
        (void)test_try(test, sql.data, NULL); /* most are refused by one of the triggers */
    base_buffer_reset(&sql);
}

/*
 * The mirror's has_rows and the watch are of no help here: the rounds in memory have neither, and each must be right by what the triggers log
 * alone. So no table may be built again but by a change of the schema that another program made.
 */
static void run_shape(const char *shape, uint64_t seed, bool memory, uint32_t rounds)
{
    struct oltp_test test;
    uint32_t triggers = 0;
    memory ? test_open_memory(&test) : test_open(&test);
    test_script(&test, shape);
    test_write(&test, "PRAGMA foreign_keys=ON");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    uint64_t loads = test_mirror_loads(mirror);
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t steps = 1 + test_pick(&seed, 4);
        for (uint32_t i = 0; i < steps; i++)
            run_step(&test, &seed, &triggers, memory);
        test_mirror_check(mirror);
    }
    assert_true(!memory || test_mirror_loads(mirror) == loads);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c4_random_triggers_that_raise(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t start = given != NULL ? strtoull(given, NULL, 10) : 20261128;
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
        for (uint64_t i = 0; i < 8; i++) {
            print_message("shape %zu seed %llu\n", shape, (unsigned long long)(start + i));
            run_shape(shapes[shape], start + i, i >= 2, i >= 2 ? 80 : 24);
        }
    }
}

/* A second trigger on a table whose rows another may change: nothing in our triggers' texts differs, but they must fire first. */
static void test_c7_a_trigger_made_after_ours_ends_the_row(void **state)
{
    (void)state;
    static const char *const raises[][2] = {
        {"CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT RAISE(IGNORE) WHERE NEW.id = 3; END", "UPDATE t SET v = 9"},
        {"CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT RAISE(FAIL, 'no') WHERE NEW.id = 3; END",
         "UPDATE t SET v = 9"},
        {"CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT CASE NEW.id WHEN 3 THEN RAISE(IGNORE) END; END",
         "UPDATE t SET v = 9, id = id + 10 WHERE id > 1"},
        {"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT RAISE(IGNORE) WHERE NEW.id = 3; END",
         "INSERT OR REPLACE INTO t VALUES(1, 5), (3, 6)"},
        {"CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT RAISE(FAIL, 'no') WHERE NEW.id = 3; END",
         "INSERT OR REPLACE INTO t VALUES(1, 5), (3, 6), (4, 7)"},
        {"CREATE TRIGGER x AFTER DELETE ON t BEGIN SELECT RAISE(IGNORE) WHERE OLD.id = 3; END",
         "DELETE FROM t WHERE id > 1"},
        {"CREATE TRIGGER x AFTER DELETE ON t BEGIN SELECT RAISE(FAIL, 'no') WHERE OLD.id = 2; END", "DELETE FROM t"},
        {"CREATE TRIGGER x AFTER UPDATE ON t WHEN NEW.id = 2 BEGIN INSERT INTO t VALUES(1, 0); END",
         "UPDATE OR FAIL t SET v = 9"},
        {"CREATE TRIGGER x AFTER UPDATE ON t WHEN NEW.id = 2 BEGIN INSERT INTO t VALUES(1, 0); END",
         "UPDATE OR IGNORE t SET v = 9"},
    };
    for (size_t i = 0; i < 2 * sizeof raises / sizeof *raises; i++) {
        struct oltp_test test;
        test_open_memory(&test);
        test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 1), (2, 2), (3, 3);"
                           "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET v = v WHERE 0; END");
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        test_write(&test, raises[i / 2][0]);
        if (i % 2 != 0) /* one that came and went leaves the order */
            test_script(&test, "CREATE TRIGGER y BEFORE DELETE ON t BEGIN SELECT 1; END; DROP TRIGGER y");
        test_mirror_check(mirror);
        (void)test_try(&test, raises[i / 2][1], NULL);
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_loads(mirror), 1); /* the log told all of it */
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* The order is that of the file, so it holds for other programs, for those that were there, and after VACUUM. */
static void test_c7_ours_fire_first_in_every_program(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES(1, 1), (2, 2), (3, 3);"
                       "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET v = v WHERE 0; END;"
                       "CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT RAISE(IGNORE) WHERE NEW.id = 3; END");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(test_shell(&test, "UPDATE t SET v = 5"), 0);
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_loads(mirror), 1);
    assert_int_equal(test_shell(&test, "VACUUM; UPDATE t SET v = v + 1"), 0);
    test_mirror_check(mirror);
    assert_int_equal(
        test_shell(&test, "CREATE TRIGGER y AFTER UPDATE ON t BEGIN SELECT RAISE(FAIL, 'no') WHERE NEW.id = 2; END"),
        0);
    (void)test_shell(&test, "UPDATE t SET v = v + 1");
    test_mirror_check(mirror);
    uint64_t loads = test_mirror_loads(mirror);
    (void)test_shell(&test, "UPDATE t SET v = v + 1");
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_loads(mirror), loads);
    assert_int_equal(
        test_int(&test, "SELECT (SELECT min(rowid) FROM sqlite_master WHERE name GLOB '_rhei_cdc_*_a?') > "
                        "(SELECT max(rowid) FROM sqlite_master WHERE type = 'trigger' AND name IN ('a', 'x', 'y'))"),
        1);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* A foreign key's action comes between a change and the triggers behind it; FAIL there ends the statement. */
static void test_c4_a_cascade_that_fails_by_fail(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "UPDATE p SET k = k + 10",
        "UPDATE p SET k = k + 10, id = id + 20",
        "DELETE FROM p",
        "REPLACE INTO p VALUES(1, 1, 5), (2, 2, 5)",
        "REPLACE INTO p VALUES(1, 1, 5), (9, 2, 5)",
    };
    for (size_t i = 0; i < 2 * sizeof statements / sizeof *statements; i++) {
        struct oltp_test test;
        test_open_memory(&test);
        test_script(&test,
                    TABLES "CREATE VIEW w AS SELECT 1 AS a;"
                           "CREATE TRIGGER cu AFTER UPDATE ON c WHEN NEW.id = 2 BEGIN INSERT INTO w VALUES(1); END;"
                           "CREATE TRIGGER cd AFTER DELETE ON c WHEN OLD.id = 2 BEGIN INSERT INTO w VALUES(1); END;");
        test_write(&test, "PRAGMA foreign_keys=ON");
        struct test_mirror *mirror = test_mirror_new(&test);
        if (i % 2 != 0)
            test_mirror_check(mirror);
        test_write(&test, "CREATE TRIGGER deep INSTEAD OF INSERT ON w BEGIN SELECT RAISE(FAIL, 'no'); END");
        test_mirror_check(mirror);
        uint64_t loads = test_mirror_loads(mirror);
        assert_int_not_equal(test_try(&test, statements[i / 2], NULL), RHEI_OK);
        assert_int_equal(test_int(&test, "SELECT count(*) FROM p WHERE id = 2 AND k = 2 AND v = 2"), 0); /* it stays */
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_loads(mirror), loads);
        test_script(&test, "DROP TRIGGER cu; DROP TRIGGER cd; DROP TRIGGER deep");
        test_write(&test, "UPDATE p SET k = k + 100");
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_loads(mirror), loads);
        assert_int_equal(test_int(&test, "SELECT count(*) FROM sqlite_master WHERE name GLOB '_rhei_cdc_*_bd'"), 0);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c7_a_trigger_made_after_ours_ends_the_row),
        cmocka_unit_test(test_c7_ours_fire_first_in_every_program),
        cmocka_unit_test(test_c4_a_cascade_that_fails_by_fail),
        cmocka_unit_test(test_c4_random_triggers_that_raise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
