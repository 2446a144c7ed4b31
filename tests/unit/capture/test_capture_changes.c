/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

/* ---- C1: as without capture. ---- */

static const char *const c1_statements[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB)",
    "INSERT INTO t VALUES(1, 'x', 1e308 * 10, x'00ff00')",
    "INSERT INTO t VALUES(2, CAST(x'ff00fe' AS TEXT), -1e308 * 10, zeroblob(100))",
    "INSERT INTO t(a, b, c) VALUES('a' || char(0) || 'b', 9.9, NULL), ('q', 5, 'text')",
    "INSERT INTO t VALUES(1, 'again', 1, 1)",
    "INSERT OR IGNORE INTO t VALUES(1, 'again', 1, 1)",
    "INSERT OR REPLACE INTO t VALUES(1, 'again', 1, 1)",
    "UPDATE t SET a = a || '!' WHERE id > 1",
    "UPDATE t SET id = id + 100",
    "DELETE FROM t WHERE id = 101",
    "DELETE FROM t",
    "CREATE TABLE w(k TEXT, n INT, v, PRIMARY KEY(k, n)) WITHOUT ROWID",
    "INSERT INTO w VALUES('a', 1, 2), ('a', 2, 3)",
    "INSERT INTO w VALUES('a', 1, 5) ON CONFLICT DO UPDATE SET v = excluded.v + v",
    "INSERT INTO w VALUES('a', 1, 5)",
    "UPDATE w SET n = n + 10",
    "CREATE TABLE nokey(a, b UNIQUE)",
    "INSERT INTO nokey VALUES(1, 2), (3, 4)",
    "REPLACE INTO nokey VALUES(9, 4)",
    "INSERT INTO nokey VALUES(9, 4)",
    "CREATE TABLE \"select\"(\"group\" INT, \"a b\" TEXT, \"q\"\"q\" REAL, \"\xc3\xa4\xe2\x82\xac\" BLOB, \"rowid\" "
    "INT)",
    "INSERT INTO \"select\" VALUES(1, 'x', 2, 3, 4) RETURNING *",
    "UPDATE \"select\" SET \"a b\" = 'y' RETURNING \"a b\", \"rowid\", _rowid_",
    "CREATE TABLE g(a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL, c TEXT AS (a || 'x') STORED, UNIQUE(b))",
    "INSERT INTO g(a) VALUES(5), (6)",
    "INSERT OR REPLACE INTO g(a) VALUES(5)",
    "UPDATE g SET a = a + 1 WHERE a = 6",
    "CREATE TABLE s(i INTEGER PRIMARY KEY, r REAL, t TEXT, b BLOB, x ANY) STRICT",
    "INSERT INTO s VALUES(1, 2, 'three', x'04', 5.5)",
    "INSERT INTO s VALUES('no', 2, 'three', x'04', 5.5)",
    "INSERT INTO s VALUES(2, 'no', 'three', x'04', 5.5)",
    "CREATE TABLE d(a INTEGER PRIMARY KEY DESC, b)",
    "INSERT INTO d VALUES(3, 4)",
    "CREATE TABLE e(k TEXT COLLATE NOCASE PRIMARY KEY, v NOT NULL DEFAULT 7) WITHOUT ROWID",
    "INSERT INTO e VALUES('abc', 1)",
    "INSERT OR REPLACE INTO e VALUES('ABC', NULL)",
    "UPDATE e SET k = 'Abc'",
    "INSERT OR FAIL INTO t(id) VALUES(1), (2), (1), (3)",
    "INSERT OR ROLLBACK INTO t(id) VALUES(7), (1)",
    "CREATE TRIGGER bad BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    "DELETE FROM t WHERE id = 1",
    "CREATE TABLE \"null\"(\"null\" INTEGER PRIMARY KEY)",
    "INSERT INTO \"null\" VALUES(5)",
    "INSERT INTO \"null\" DEFAULT VALUES",
    "CREATE TABLE f(x, y, CHECK(x < 10), UNIQUE(y) ON CONFLICT REPLACE)",
    "INSERT INTO f VALUES(1, 1), (2, 2), (3, 1)",
    "INSERT INTO f VALUES(11, 5)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO f SELECT i % 10, i FROM "
    "n",
    "UPDATE f SET y = y + 1 WHERE x = 3",
    "ALTER TABLE f ADD COLUMN z DEFAULT 'zz'",
    "ALTER TABLE f RENAME COLUMN x TO \"new x\"",
    "CREATE TABLE dropme(a, b, c)",
    "INSERT INTO dropme VALUES(1, 2, 3)",
    "ALTER TABLE dropme DROP COLUMN b",
    "INSERT INTO dropme VALUES(4, 5)",
    "ALTER TABLE dropme RENAME TO dropped",
    "INSERT INTO dropped VALUES(6, 7) RETURNING rowid, *",
    "DROP TABLE dropped",
    "UPDATE nosuch SET a = 1",
};

static void c1_run(struct oltp *oltp, const char *sql, struct base_buffer *out)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_result result = {0};
    struct oltp_cursor *rows = NULL;
    rhei_status status = oltp_write(oltp, sql, strlen(sql), NULL, 0, 0, &result, &rows, &error);
    base_buffer_format(out, "%d %d %s", (int)status, error.engine_code, error.message);
    if (status == RHEI_OK) {
        base_buffer_format(out, " changes %lld rowid %lld", (long long)result.changes,
                           (long long)result.last_insert_rowid);
    }
    while (rows != NULL && oltp_cursor_next(rows, NULL) == RHEI_ROW) {
        base_buffer_text(out, " row");
        for (uint32_t i = 0; i < oltp_cursor_column_count(rows); i++) {
            struct rhei_value value;
            oltp_cursor_value(rows, i, &value);
            base_buffer_format(out, " %s=%u:%lld", oltp_cursor_column_name(rows, i), value.type,
                               value.type == RHEI_INTEGER ? (long long)value.as.integer : (long long)value.length);
        }
    }
    oltp_cursor_close(&rows);
}

static void test_c1_statements_give_what_they_give_without_capture(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    struct oltp_config config;
    struct oltp *plain = NULL;
    test_default_config(&test, &config);
    config.path = ":memory:";
    config.capture = false;
    assert_int_equal(capture_open(&config, &plain, NULL), RHEI_OK);
    for (size_t i = 0; i < sizeof c1_statements / sizeof c1_statements[0]; i++) {
        struct base_buffer with = {0}, without = {0};
        c1_run(test.oltp, c1_statements[i], &with);
        c1_run(plain, c1_statements[i], &without);
        if (strcmp(with.data, without.data) != 0)
            fail_msg("%s\n with capture:    %s\n without capture: %s", c1_statements[i], with.data, without.data);
        base_buffer_reset(&with);
        base_buffer_reset(&without);
        test_mirror_check(mirror);
    }
    oltp_close(&plain);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* Keys and values on both sides of what a cycle reads at once. */
static void test_c3_wide_tables_beside_narrow_ones(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    struct base_buffer sql = {0};
    for (int variant = 0; variant < 3; variant++) {
        base_buffer_format(&sql, "CREATE TABLE w%d(c0 UNIQUE", variant);
        for (int i = 1; i < 60; i++)
            base_buffer_format(&sql, ",c%d", i);
        static const char *const keys[] = {")", ", PRIMARY KEY(c59, c3)) WITHOUT ROWID",
                                           ", PRIMARY KEY(c31, c32, c33)) WITHOUT ROWID"};
        base_buffer_format(&sql, "%s;", keys[variant]);
    }
    base_buffer_text(&sql, "CREATE TABLE n(id INTEGER PRIMARY KEY, v)");
    test_script(&test, sql.data);
    test_mirror_check(mirror);
    for (int i = 0; i < 60; i++) {
        base_buffer_clear(&sql);
        base_buffer_format(
            &sql,
            "INSERT OR REPLACE INTO w%d(c0, c3, c31, c32, c33, c%d, c59) VALUES(%d, %d, %d, 'x%d', %d.5, 'seen', %d);"
            "INSERT INTO n(v) VALUES(%d); UPDATE w%d SET c%d = 'u', c59 = c59 + 7 WHERE c3 = %d; DELETE FROM w%d WHERE "
            "c0 = %d",
            i % 3, 4 + i % 27, i % 10, i % 7, i, i % 5, i % 3, i, i, i % 3, 34 + i % 25, i % 5, i % 3, i % 11);
        test_script(&test, sql.data);
        if (i % 10 == 9)
            test_mirror_check(mirror);
    }
    assert_int_equal(test_mirror_loads(mirror), 4);
    base_buffer_reset(&sql);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c1_widest_tables(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    for (int width = 1890; width <= 2000; width += 110) {
        struct base_buffer sql = {0};
        base_buffer_format(&sql, "CREATE TABLE w%d(c0 INTEGER PRIMARY KEY", width);
        for (int i = 1; i < width; i++)
            base_buffer_format(&sql, ",c%d", i);
        base_buffer_char(&sql, ')');
        test_write(&test, sql.data);
        base_buffer_clear(&sql);
        base_buffer_format(&sql, "INSERT INTO w%d(c0, c7, c%d) VALUES(1, 2, 3)", width, width - 1);
        test_write(&test, sql.data);
        assert_int_equal(test_shell(&test, sql.data) == 0, false); /* same key */
        base_buffer_reset(&sql);
    }
    test_mirror_check(mirror);
    assert_true(test_mirror_has(mirror, "w1890"));
    assert_false(test_mirror_has(mirror, "w2000"));
    assert_int_equal(test_shell(&test, "INSERT INTO w1890(c0, c1889) VALUES(2, 'x'); INSERT INTO w2000(c0) VALUES(2)"),
                     0);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- C3: bit for bit. ---- */

static void random_value(uint64_t *seed, struct rhei_value *value, unsigned char *bytes)
{
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 9007199254740993, 255, 65536, -32769};
    uint64_t pick = test_bits(seed);
    memset(value, 0, sizeof *value);
    value->type = (uint8_t)(pick % 5);
    pick >>= 8;
    if (value->type == RHEI_INTEGER) {
        value->as.integer = pick % 2 == 0 ? (int64_t)test_bits(seed) : integers[pick % 9];
    } else if (value->type == RHEI_REAL) {
        static const double reals[] = {0.0, -0.0, 1.0, -5.0, 0.1, 1e300, 9007199254740992.0, 5e-324};
        uint64_t bits = test_bits(seed);
        memcpy(&value->as.real, &bits, sizeof bits);
        if (pick % 3 == 0 || value->as.real != value->as.real)
            value->as.real = reals[(pick >> 4) % 8];
    } else if (value->type >= RHEI_TEXT) {
        value->length = (uint32_t)(pick % 40);
        for (uint32_t i = 0; i < value->length; i++) {
            bytes[i] = (unsigned char)test_bits(seed);
            if (value->type == RHEI_TEXT && pick % 3 != 0)
                bytes[i] = (unsigned char)("0123456789.e-+ab\0\xc3\xa9z"[bytes[i] % 20]);
        }
        value->as.bytes = bytes;
    }
}

static void test_c3_random_values_arrive_bit_for_bit(void **state)
{
    (void)state;
    uint64_t seed = base_random_u64();
    print_message("seed %llu\n", (unsigned long long)seed);
    static const char *const schemas[] = {
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b REAL, c TEXT, d BLOB, e NUMERIC)",
        "CREATE TABLE t(x INT, a INT, b REAL, c TEXT, d, e DECIMAL(5, 2))",
        ("CREATE TABLE t(x INT, a INT, b REAL, c TEXT, d, e DECIMAL(5, 2)); CREATE TRIGGER u AFTER INSERT ON t BEGIN "
         "SELECT 1; END"),
        "CREATE TABLE t(k TEXT, a INT, b REAL, c TEXT, d BLOB, e, PRIMARY KEY(k, d)) WITHOUT ROWID",
    };
    for (size_t s = 0; s < 4; s++) {
        struct oltp_test test;
        test_open_memory(&test);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_script(&test, schemas[s]);
        test_mirror_check(mirror);
        for (int i = 0; i < 400; i++) {
            struct rhei_value params[6];
            unsigned char bytes[6][40];
            for (int k = 0; k < 6; k++)
                random_value(&seed, &params[k], bytes[k]);
            static const char insert[] = "INSERT INTO t VALUES(?, ?, ?, ?, ?, ?)";
            params[0] = (struct rhei_value){.as.integer = i, .type = RHEI_INTEGER};
            if (s == 3 && params[4].type == RHEI_NULL)
                params[4].type = RHEI_INTEGER;
            assert_int_equal(oltp_write(test.oltp, insert, sizeof insert - 1, params, 6, 0, NULL, NULL, NULL), RHEI_OK);
        }
        assert_int_equal(test_mirror_cycle(mirror), 400);
        test_mirror_check(mirror);
        test_write(&test, "UPDATE t SET b = a, a = b, c = d WHERE c IS NOT NULL");
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_loads(mirror), 1);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* ---- C4: what changes rows behind a trigger's back. ---- */

struct c4_case {
    const char *schema, *data, *change;
};

static const struct c4_case c4_cases[] = {
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "INSERT OR REPLACE INTO t VALUES(1, 'b', 9)"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "REPLACE INTO t(u, v) VALUES('c', 9)"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "UPDATE OR REPLACE t SET u = 'c' WHERE id = 1"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
     "UPDATE OR REPLACE t SET id = 3 WHERE id = 1"},
    {"CREATE TABLE t(a, b COLLATE NOCASE); CREATE UNIQUE INDEX i ON t(b)", "INSERT INTO t VALUES(1, 'abc'), (2, 'def')",
     "INSERT OR REPLACE INTO t VALUES(3, 'ABC')"},
    {"CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(b COLLATE NOCASE DESC)",
     "INSERT INTO t VALUES(1, 'abc'), (2, 'def')", "INSERT OR REPLACE INTO t VALUES(3, 'ABC')"},
    {"CREATE TABLE t(a, b); CREATE UNIQUE INDEX i ON t(lower(b), a + 1)", "INSERT INTO t VALUES(1, 'abc'), (2, 'def')",
     "INSERT OR REPLACE INTO t VALUES(1, 'ABC')"},
    {"CREATE TABLE t(a, b, c); CREATE UNIQUE INDEX i ON t(b) WHERE c > 0",
     "INSERT INTO t VALUES(1, 1, 1), (2, 1, 0), (3, 2, 5)", "INSERT OR REPLACE INTO t VALUES(4, 1, 7)"},
    {"CREATE TABLE t(a, b, c); CREATE UNIQUE INDEX i ON t(b) WHERE c > 0",
     "INSERT INTO t VALUES(1, 1, 1), (2, 1, 0), (3, 2, 5)", "UPDATE OR REPLACE t SET c = 1 WHERE a = 2"},
    {"CREATE TABLE t(a, g AS (a % 3) UNIQUE)", "INSERT INTO t(a) VALUES(1), (2)",
     "INSERT OR REPLACE INTO t(a) VALUES(4)"},
    {"CREATE TABLE t(a NOT NULL DEFAULT 5 UNIQUE, b)", "INSERT INTO t VALUES(5, 1), (6, 2)",
     "INSERT OR REPLACE INTO t VALUES(NULL, 3)"},
    {"CREATE TABLE t(k PRIMARY KEY, v) WITHOUT ROWID", "INSERT INTO t VALUES(1, 'int'), (2, 'two')",
     "INSERT OR REPLACE INTO t VALUES(1.0, 'real')"},
    {"CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID", "INSERT INTO t VALUES('a', 1), ('b', 2)",
     "INSERT OR REPLACE INTO t VALUES('A', 3); UPDATE t SET k = 'B' WHERE k = 'b'"},
    {"CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE, v) WITHOUT ROWID", "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
     "INSERT OR REPLACE INTO t VALUES('c', 1, 3)"},
    {"CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
     "INSERT OR REPLACE INTO t VALUES('a', 2, 3)"},
    {"CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE, v)", "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
     "INSERT INTO t VALUES('a', 5, 3) ON CONFLICT(k) DO UPDATE SET v = excluded.v, u = 77; INSERT OR IGNORE INTO t "
     "VALUES('z', 2, 2)"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')",
     "UPDATE t SET id = -id; UPDATE t SET id = CASE id WHEN -1 THEN 2 WHEN -2 THEN 1 ELSE id END"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')",
     "UPDATE t SET rowid = rowid + 10"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')", "DELETE FROM t"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(a REFERENCES t(id) ON DELETE CASCADE ON UPDATE "
     "CASCADE, b)",
     "INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO c VALUES(1, 1), (2, 2), (2, 3)",
     "PRAGMA foreign_keys = ON; DELETE FROM t WHERE id = 1; UPDATE t SET id = 20 WHERE id = 2; INSERT OR REPLACE INTO "
     "t VALUES(20, 'z')"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, p REFERENCES t(id) ON UPDATE CASCADE ON DELETE CASCADE, v)",
     "INSERT INTO t VALUES(1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c')",
     "PRAGMA foreign_keys = ON; UPDATE t SET id = 10 WHERE id = 1; DELETE FROM t WHERE id = 2"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v, n DEFAULT 0); CREATE TRIGGER a AFTER UPDATE OF v ON t BEGIN UPDATE t "
     "SET n = n + 1 WHERE id = NEW.id; END; "
     "CREATE TRIGGER b AFTER INSERT ON t BEGIN UPDATE t SET v = upper(v) WHERE id = NEW.id; END",
     "INSERT INTO t(v) VALUES('a'), ('b')", "UPDATE t SET v = 'c' WHERE id = 1; INSERT INTO t(v) VALUES('d')"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TRIGGER a AFTER DELETE ON t WHEN OLD.v <> 'gone' BEGIN INSERT "
     "INTO t VALUES(OLD.id, 'gone'); END",
     "INSERT INTO t VALUES(1, 'a'), (2, 'b')", "DELETE FROM t WHERE id = 1"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TRIGGER a AFTER INSERT ON t WHEN NEW.v = 'bad' BEGIN DELETE "
     "FROM t WHERE id = NEW.id; END",
     "INSERT INTO t VALUES(1, 'a')", "INSERT INTO t VALUES(2, 'bad'), (3, 'good')"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE VIEW w AS SELECT v FROM t; CREATE TRIGGER a INSTEAD OF INSERT "
     "ON w BEGIN INSERT INTO t(v) VALUES(NEW.v); END",
     "INSERT INTO w VALUES(1), (2)", "INSERT INTO w VALUES(3)"},
    {"CREATE TABLE t(\"a\"\"b\" INT, \"new\" TEXT, \"old\" TEXT, UNIQUE(\"new\"))",
     "INSERT INTO t VALUES(1, 'x', 'y'), (2, 'p', 'q')",
     "REPLACE INTO t VALUES(3, 'x', 'z'); UPDATE t SET \"old\" = \"new\""},
    {"CREATE TABLE t(rowid TEXT, _rowid_ TEXT, v UNIQUE)", "INSERT INTO t VALUES('r', 's', 1), ('t', 'u', 2)",
     "REPLACE INTO t VALUES('x', 'y', 2); UPDATE t SET oid = oid + 5"},
    {"CREATE TABLE t(a, b, UNIQUE(a, b) ON CONFLICT REPLACE)", "INSERT INTO t VALUES(1, 2), (1, NULL), (1, NULL)",
     "INSERT INTO t VALUES(1, 2), (1, NULL)"},
    {"CREATE TABLE t(a); CREATE UNIQUE INDEX i ON t(CAST(a AS TEXT) COLLATE NOCASE)",
     "INSERT INTO t VALUES('ab'), (12)", "REPLACE INTO t VALUES('AB'); REPLACE INTO t VALUES('12')"},
    {"CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE s(id INTEGER PRIMARY KEY, v)",
     "INSERT INTO s VALUES(1, 'x'), (2, 'y')",
     "INSERT INTO t SELECT * FROM s; DELETE FROM s; INSERT INTO s SELECT * FROM t WHERE id = 2"},
};

static void c4_run(const struct c4_case *at, int way)
{
    static const char *const prefixes[] = {"", "", "PRAGMA recursive_triggers=ON; ", "PRAGMA trusted_schema=OFF; "};
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_script(&test, at->schema);
    test_script(&test, at->data);
    test_mirror_check(mirror);
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "%s%s", prefixes[way], at->change);
    if (way == 0) {
        if (strncmp(at->change, "PRAGMA foreign_keys = ON; ", 26) == 0)
            test_write(&test, "PRAGMA foreign_keys = ON");
        test_script(&test, at->change);
    } else {
        assert_int_equal(test_shell(&test, sql.data), 0);
    }
    test_mirror_check(mirror);
    base_buffer_reset(&sql);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c4_displaced_rows_and_user_triggers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof c4_cases / sizeof c4_cases[0]; i++) {
        for (int way = 0; way < 4; way++) {
            print_message("%zu.%d %s\n", i, way, c4_cases[i].change);
            c4_run(&c4_cases[i], way);
        }
    }
}

/* I9: others' triggers may change the row after ours ran, so the log says where to look and not what was there. */
static void test_c4_an_exposed_table_is_logged_by_its_keys(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TRIGGER mine AFTER UPDATE ON t BEGIN SELECT 1; END",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v REFERENCES t(id) ON UPDATE CASCADE)",
    };
    static const char writes[] = "INSERT INTO t VALUES(1, NULL), (2, NULL), (3, NULL); UPDATE t SET v = 1 WHERE id = 2;"
                                 "UPDATE t SET id = 30 WHERE id = 3; DELETE FROM t WHERE id = 2; DELETE FROM t";
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct oltp_test test;
        test_open(&test);
        test_script(&test, schemas[i]);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        test_script(&test, writes);
        assert_int_equal(test_shell(&test, writes), 0);
        test_expect(&test, "SELECT DISTINCT op FROM _rhei_cdc_log", "'K'\n");
        test_mirror_check(mirror);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* 0.0 and -0.0 are one key to SQLite and two to a mirror, which keeps bits: a look at the one never finds the other. */
static void test_c3_a_zero_that_changes_its_sign(void **state)
{
    (void)state;
    static const char *const encodings[] = {"PRAGMA encoding = 'UTF-8'", "PRAGMA encoding = 'UTF-16le'"};
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        struct oltp_test test;
        char setup[300];
        test_open(&test);
        test_shut(&test);
        test.oltp = NULL;
        test.source = NULL;
        assert_int_equal(unlink(test.path), 0);
        snprintf(setup, sizeof setup,
                 "%s; CREATE TABLE t(k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO t VALUES(0.0, 1)", encodings[i]);
        assert_int_equal(test_shell(&test, setup), 0);
        test_reopen(&test);
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        for (int turn = 0; turn < 3; turn++) { /* in one cycle: the second event of a key ends in a look */
            test_script(&test, "UPDATE t SET v = v + 1; UPDATE t SET k = -0.0");
            test_mirror_check(mirror);
            test_script(&test, "UPDATE t SET v = v + 1; UPDATE t SET k = 0.0; UPDATE t SET v = v + 1");
            test_mirror_check(mirror);
        }
        assert_int_equal(test_mirror_loads(mirror), 1);
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* A row that is to be looked at again is named by its key as it is: a text without bytes is no NULL. */
static void test_c3_rows_are_looked_at_again_by_their_keys(void **state)
{
    (void)state;
    static const struct rhei_value empty[2] = {{.type = RHEI_TEXT}, {.type = RHEI_BLOB}},
                                   other[2] = {{.type = RHEI_TEXT, .length = 1, .as.bytes = "x"}, {.type = RHEI_NULL}};
    const struct rhei_value *keys[2] = {empty, other};
    const uint32_t columns[2] = {0, 1};
    struct oltp_test test;
    test_open(&test);
    test_script(&test,
                "CREATE TABLE w(k TEXT, b BLOB, PRIMARY KEY(k, b)) WITHOUT ROWID; INSERT INTO w VALUES('', x'')");
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    struct source_table table = {
        .id = test_mirror_id(mirror, "w"), .name = "w", .key_count = 2, .key_columns = columns, .without_rowid = true};
    assert_int_equal(capture_look_again(test.oltp, &table, keys, 2, NULL, NULL), RHEI_OK);
    test_expect(&test, "SELECT count(*) FROM _rhei_cdc_log WHERE op = 'K' AND c1 = '' AND c2 = x''", "1\n");
    test_expect(&test, "SELECT count(*) FROM _rhei_cdc_log WHERE op = 'K' AND c1 = 'x' AND c2 IS NULL", "1\n");
    test_mirror_check(mirror);
    table.id++;
    assert_int_equal(capture_look_again(test.oltp, &table, keys, 2, NULL, NULL), RHEI_STALE);
    test_write(&test, "INSERT INTO w VALUES('y', x'')"); /* and no transaction is left */
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- C5: the schema changes with changes pending. ---- */

static const char *const c5_changes[] = {
    "INSERT INTO t VALUES(10, 'x', 1, 2); ALTER TABLE t ADD COLUMN z DEFAULT 'back'; INSERT INTO t VALUES(11, 'x', 1, "
    "2, 3)",
    "INSERT INTO t VALUES(10, 'x', 1, 2); ALTER TABLE t DROP COLUMN b; INSERT INTO t VALUES(11, 'x', 2)",
    "UPDATE t SET c = 9; ALTER TABLE t RENAME COLUMN b TO \"bb b\"; UPDATE t SET \"bb b\" = c",
    "UPDATE t SET c = 9; ALTER TABLE t RENAME TO u; UPDATE u SET c = 10; INSERT INTO u VALUES(77, 7, 7, 7)",
    "UPDATE t SET c = 9; DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c); INSERT INTO t VALUES(1, 'new', "
    "1, 1)",
    ("UPDATE t SET c = 9; CREATE TABLE n(id INTEGER PRIMARY KEY, a, b, c); INSERT INTO n SELECT * FROM t; DROP TABLE "
     "t; "
     "ALTER TABLE n RENAME TO t; DELETE FROM t WHERE id = 1"),
    "DROP TABLE t",
    "CREATE UNIQUE INDEX ui ON t(a); REPLACE INTO t VALUES(50, 'a', 1, 2)",
    "CREATE TRIGGER mine AFTER UPDATE ON t BEGIN UPDATE t SET c = c + 1 WHERE id = NEW.id; END; UPDATE t SET b = 8",
    "CREATE TABLE other(x); INSERT INTO other VALUES(1), (2); DELETE FROM other WHERE x = 1; UPDATE t SET a = 'q'",
    "DELETE FROM nokey WHERE rowid = 1; VACUUM; UPDATE nokey SET a = a || '!'",
    "ALTER TABLE t DROP COLUMN a; ALTER TABLE t DROP COLUMN b; ALTER TABLE t DROP COLUMN c; INSERT INTO t VALUES(99)",
};

static void c5_run(const char *change, bool foreign)
{
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_script(&test,
                "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c); CREATE TABLE nokey(a);"
                "INSERT INTO t VALUES(1, 'a', 2, 3), (2, 'b', 3, 4); INSERT INTO nokey VALUES('p'), ('q'), ('r')");
    test_mirror_check(mirror);
    test_write(&test, "UPDATE t SET b = b + 1");
    if (foreign) {
        assert_int_equal(test_shell(&test, change), 0);
    } else {
        char copy[1000], *at = copy, *end;
        snprintf(copy, sizeof copy, "%s", change);
        while ((end = strstr(at, "; ")) != NULL && strncmp(at, "CREATE TRIGGER", 14) != 0) {
            *end = '\0';
            test_write(&test, at);
            at = end + 2;
        }
        test_script(&test, at);
    }
    test_mirror_check(mirror);
    if (foreign)
        assert_int_equal(test_shell(&test, "INSERT INTO nokey VALUES('later')"), 0);
    test_script(&test, "INSERT INTO nokey VALUES('last')");
    test_mirror_check(mirror);
    test_reopen(&test);
    test_mirror_free(&mirror);
    mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c5_schema_changes_by_us(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof c5_changes / sizeof c5_changes[0]; i++) {
        print_message("%s\n", c5_changes[i]);
        c5_run(c5_changes[i], false);
    }
}

static void test_c5_schema_changes_by_the_shell(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof c5_changes / sizeof c5_changes[0]; i++) {
        print_message("%s\n", c5_changes[i]);
        c5_run(c5_changes[i], true);
    }
}

/* Our own DDL in one transaction with capture: no rebuild where columns stay. */
static void test_c5_an_index_of_ours_costs_no_rebuild(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)");
    test_mirror_check(mirror);
    uint32_t id = test_mirror_id(mirror, "t");
    test_script(&test, "INSERT INTO t VALUES(1, 1, 1), (2, 2, 2)");
    test_write(&test, "CREATE UNIQUE INDEX i ON t(a)");
    test_write(&test, "REPLACE INTO t VALUES(3, 2, 3)");
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_id(mirror, "t"), id);
    assert_int_equal(test_mirror_loads(mirror), 1);
    test_mirror_free(&mirror);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_statements_give_what_they_give_without_capture),
        cmocka_unit_test(test_c1_widest_tables),
        cmocka_unit_test(test_c3_wide_tables_beside_narrow_ones),
        cmocka_unit_test(test_c3_random_values_arrive_bit_for_bit),
        cmocka_unit_test(test_c4_displaced_rows_and_user_triggers),
        cmocka_unit_test(test_c4_an_exposed_table_is_logged_by_its_keys),
        cmocka_unit_test(test_c3_a_zero_that_changes_its_sign),
        cmocka_unit_test(test_c3_rows_are_looked_at_again_by_their_keys),
        cmocka_unit_test(test_c5_schema_changes_by_us),
        cmocka_unit_test(test_c5_schema_changes_by_the_shell),
        cmocka_unit_test(test_c5_an_index_of_ours_costs_no_rebuild),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
