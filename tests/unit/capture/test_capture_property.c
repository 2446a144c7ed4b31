/* SPDX-License-Identifier: Apache-2.0 */
/* Random statements on random schemas, by the handle, the shell's library and another handle: after each cycle mirror == table. */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct random {
    uint64_t seed;
};

static uint32_t pick(struct random *random, uint32_t below)
{
    return test_pick(&random->seed, below);
}

static const char *one_of(struct random *random, const char *const *texts, uint32_t count)
{
    return texts[pick(random, count)];
}
#define ONE_OF(texts) one_of(random, texts, sizeof(texts) / sizeof(texts)[0])

/* A small world of values, so that keys meet, of all classes and with near-equal ones. */
static const char *const values[] = {"1",     "2",    "3",    "4",   "5",      "6",   "7",     "8",
                                     "1.0",   "2.5",  "'1'",  "'a'", "'A'",    "'b'", "'B '",  "'b'",
                                     "x'61'", "NULL", "-0.0", "0",   "'ab'",   "''",  "x''",   "1e300",
                                     "'é'",   "12.0", "'12'", "-1",  "'1.50'", "1.5", "'x y'", "'o''k'"};
static const char *const types[] = {"INT",
                                    "TEXT",
                                    "REAL",
                                    "BLOB",
                                    "NUMERIC",
                                    "",
                                    "TEXT COLLATE NOCASE",
                                    "VARCHAR(9) COLLATE RTRIM",
                                    "INT NOT NULL DEFAULT 5",
                                    "TEXT UNIQUE",
                                    "UNIQUE",
                                    "INT UNIQUE ON CONFLICT REPLACE"};
static const char *const heads[] = {"id INTEGER PRIMARY KEY",      "id INTEGER PRIMARY KEY",
                                    "id TEXT PRIMARY KEY",         "id",
                                    "id INTEGER PRIMARY KEY DESC", "id UNIQUE"};
static const char *const indexes[] = {
    "CREATE UNIQUE INDEX t_i ON t(a, b)",
    "CREATE UNIQUE INDEX t_i ON t(lower(a))",
    "CREATE UNIQUE INDEX t_i ON t(b COLLATE NOCASE) WHERE a > 2",
    "CREATE UNIQUE INDEX t_i ON t(a || '-' || b, c DESC) WHERE c IS NOT NULL",
    "CREATE UNIQUE INDEX t_i ON t(CAST(c AS TEXT) COLLATE NOCASE)",
    "CREATE INDEX t_i ON t(a)",
    "",
};
static const char *const triggers[] = {
    "CREATE TRIGGER t_u AFTER INSERT ON t BEGIN UPDATE t SET c = 'seen' WHERE a = NEW.a; END",
    "CREATE TRIGGER t_u AFTER UPDATE OF b ON t BEGIN UPDATE t SET c = ifnull(c, 0) || 'u' WHERE a = NEW.a AND b IS NOT "
    "OLD.b; END",
    "CREATE TRIGGER t_u AFTER DELETE ON t WHEN OLD.a = 3 BEGIN INSERT OR IGNORE INTO t(id, a, b, c) VALUES(OLD.id, 4, "
    "'again', NULL); END",
    "CREATE TRIGGER t_u BEFORE INSERT ON t BEGIN DELETE FROM t WHERE a = 7; END",
    "",
    "",
    "",
    "",
};

static void make_schema(struct oltp_test *test, struct random *random)
{
    struct base_buffer sql = {0};
    bool keyed = pick(random, 4) == 0;
    if (keyed) {
        static const char *const keys[] = {"PRIMARY KEY(id, a)", "PRIMARY KEY(id)", "PRIMARY KEY(b, id DESC)"};
        base_buffer_format(&sql, "CREATE TABLE t(id %s, a %s, b %s, c %s, %s) WITHOUT ROWID",
                           pick(random, 2) ? "TEXT COLLATE NOCASE" : "", types[pick(random, 9)], types[pick(random, 9)],
                           ONE_OF(types), ONE_OF(keys));
    } else {
        base_buffer_format(&sql, "CREATE TABLE t(%s, a %s, b %s, c %s)", ONE_OF(heads), ONE_OF(types), ONE_OF(types),
                           ONE_OF(types));
    }
    test_write(test, sql.data);
    base_buffer_clear(&sql);
    const char *index = ONE_OF(indexes), *trigger = ONE_OF(triggers);
    if (index[0] != '\0')
        test_write(test, index);
    if (trigger[0] != '\0')
        test_write(test, trigger);
    if (!keyed && pick(random, 3) == 0) {
        test_write(
            test,
            "CREATE TABLE child(x INTEGER PRIMARY KEY, t INT REFERENCES t(id) ON DELETE CASCADE ON UPDATE CASCADE)");
    }
    base_buffer_reset(&sql);
}

static void make_statement(struct random *random, struct base_buffer *sql)
{
    static const char *const conflicts[] = {"", "OR REPLACE", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT"};
    static const char *const columns[] = {"id", "a", "b", "c"};
    const char *v[4] = {ONE_OF(values), ONE_OF(values), ONE_OF(values), ONE_OF(values)};
    switch (pick(random, 9)) {
    case 0:
    case 1:
    case 2:
        base_buffer_format(sql, "INSERT %s INTO t(id, a, b, c) VALUES(%s, %s, %s, %s)", ONE_OF(conflicts), v[0], v[1],
                           v[2], v[3]);
        break;
    case 3:
        base_buffer_format(sql, "INSERT %s INTO t(id, a, b, c) VALUES(%s, %s, 1, 2), (%s, %s, 3, 'x')",
                           ONE_OF(conflicts), v[0], v[1], v[2], v[3]);
        break;
    case 4:
        base_buffer_format(sql, "UPDATE %s t SET %s = %s WHERE %s = %s", ONE_OF(conflicts), ONE_OF(columns), v[0],
                           ONE_OF(columns), v[1]);
        break;
    case 5:
        base_buffer_format(sql, "UPDATE %s t SET %s = %s, %s = %s", ONE_OF(conflicts), ONE_OF(columns), v[0],
                           ONE_OF(columns), ONE_OF(columns));
        break;
    case 6:
        base_buffer_format(sql, "DELETE FROM t WHERE %s = %s", ONE_OF(columns), v[0]);
        break;
    case 7:
        base_buffer_format(
            sql, "INSERT INTO t(id, a, b, c) VALUES(%s, %s, %s, %s) ON CONFLICT DO UPDATE SET %s = excluded.b", v[0],
            v[1], v[2], v[3], ONE_OF(columns));
        break;
    default:
        base_buffer_format(sql, pick(random, 12) == 0 ? "DELETE FROM t" : "INSERT OR IGNORE INTO child(t) VALUES(%s)",
                           v[0]);
        break;
    }
}

/* A script for the shell: errors of single statements are expected. */
static void run_in_shell(struct oltp_test *test, struct random *random, int count)
{
    struct base_buffer script = {0};
    base_buffer_format(&script, "PRAGMA foreign_keys=%u; PRAGMA recursive_triggers=%u;", pick(random, 2),
                       pick(random, 2));
    for (int i = 0; i < count; i++) {
        make_statement(random, &script);
        base_buffer_text(&script, ";\n");
    }
    test_shell_script(test, script.data, script.len);
    base_buffer_reset(&script);
}

static void run_here(struct oltp_test *test, struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        struct base_buffer sql = {0};
        make_statement(random, &sql);
        rhei_status status = test_try(test, sql.data, NULL); /* refused by a constraint as often as not */
        if (getenv("RHEI_TEST_SEED") != NULL)
            print_message("%d: %s\n", (int)status, sql.data);
        base_buffer_reset(&sql);
    }
}

static void run_world(uint64_t seed, bool memory)
{
    struct random random = {seed};
    struct oltp_test test;
    memory ? test_open_memory(&test) : test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    make_schema(&test, &random);
    test_write(&test, pick(&random, 2) ? "PRAGMA foreign_keys=ON" : "PRAGMA recursive_triggers=ON");
    test_mirror_check(mirror);
    for (int round = 0; round < 12; round++) {
        run_here(&test, &random, (int)pick(&random, 25));
        if (!memory && pick(&random, 3) == 0)
            run_in_shell(&test, &random, 25);
        test_mirror_check(mirror);
    }
    assert_true(test_mirror_loads(mirror) <= 2); /* the log told everything: nothing was built anew */
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c4_random_statements(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t start = given != NULL ? strtoull(given, NULL, 10) : base_random_u64() % 1000000000;
    for (uint64_t i = 0; i < (given != NULL ? 1 : 250); i++) {
        print_message("seed %llu\n", (unsigned long long)(start + i));
        run_world(start + i, (start + i) % 4 != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c4_random_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
