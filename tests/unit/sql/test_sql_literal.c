/* SPDX-License-Identifier: Apache-2.0 */
/* Which literals become parameters, and which texts are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/sql_literal.h"

static struct sql_literals lifted;
static char room[4096];

static bool lift(const char *sql)
{
    lifted.bytes = room;
    lifted.bytes_size = sizeof room;
    return sql_literals_lift(sql, strlen(sql), &lifted);
}

static void must_lift(const char *sql, const char *text, uint32_t count)
{
    if (!lift(sql) || lifted.len != strlen(text) || memcmp(lifted.text, text, lifted.len) != 0 ||
        lifted.count != count || lifted.consumed != strlen(sql))
        fail_msg("%s\ngave %.*s with %u", sql, (int)lifted.len, lifted.text, lifted.count);
}

static void test_whole_items_become_parameters(void **state)
{
    (void)state;
    must_lift("INSERT INTO t VALUES (1, 'a', 2.5, x'00ff')", "INSERT INTO t VALUES (?, ?, ?, ?)", 4);
    must_lift("insert or ignore into main.\"t\" (a, [b]) values(-1,NULL),(+2,'x') ;",
              "insert or ignore into main.\"t\" (a, [b]) values(?,NULL),(+2,?) ", 2);
    must_lift("REPLACE INTO t VALUES (1, abs(5), (SELECT 7), \"b\", 0x10, 1_0, 1e3, 0.0, -0.0)",
              "REPLACE INTO t VALUES (?, abs(5), (SELECT 7), \"b\", 0x10, 1_0, 1e3, 0.0, -0.0)", 1);
    must_lift("INSERT INTO t VALUES (1, 'a' || 'b', 5 + 5, 'c' COLLATE nocase, - 7)",
              "INSERT INTO t VALUES (?, 'a' || 'b', 5 + 5, 'c' COLLATE nocase, ?)", 2);
    must_lift("INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 5 RETURNING a + 1;",
              "INSERT INTO t VALUES (?) ON CONFLICT (id) DO UPDATE SET a = 5 RETURNING a + 1", 1);
    assert_false(lifted.bare);
    must_lift("UPDATE OR ROLLBACK t SET a = 5, b = b + 1, c='x'WHERE id==7",
              "UPDATE OR ROLLBACK t SET a = ?, b = b + 1, c=?WHERE id==?", 3);
    assert_true(lifted.bare);
    assert_memory_equal(lifted.key_table.text, "t", lifted.key_table.len);
    assert_memory_equal(lifted.key_column.text, "id", lifted.key_column.len);
    must_lift("/* why */ DELETE FROM t -- this one\n WHERE t.id = -3",
              "/* why */ DELETE FROM t -- this one\n WHERE t.id = ?", 1);
    assert_int_equal(lifted.values[0].as.integer, -3);
    must_lift("INSERT INTO t VALUES ('it''s', '''', '')", "INSERT INTO t VALUES (?, ?, ?)", 3);
    assert_int_equal(lifted.values[0].length, 4);
    assert_memory_equal(lifted.values[0].as.bytes, "it's", 4);
    assert_memory_equal(lifted.values[1].as.bytes, "'", 1);
    assert_int_equal(lifted.values[2].length, 0);
    must_lift("INSERT INTO t VALUES (999999999999999999, 1000000000000000000)",
              "INSERT INTO t VALUES (?, 1000000000000000000)", 1);
    must_lift("INSERT INTO t VALUES (.5, 5., 123456789012.345, 1234567890123.456)",
              "INSERT INTO t VALUES (?, ?, ?, 1234567890123.456)", 3);
}

static void test_other_texts_are_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT 1",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t VALUES (1, ?)",
        "INSERT INTO t VALUES (1, :a)",
        "INSERT INTO t VALUES (1) RETURNING ?",
        "INSERT INTO t VALUES (1) UNION SELECT 2",
        "INSERT INTO t AS x VALUES (1)",
        "INSERT INTO t VALUES (NULL, abs(5))",
        "INSERT INTO t VALUES (1",
        "INSERT INTO t VALUES (1))",
        "INSERT INTO t VALUES ('open",
        "INSERT INTO t VALUES (12abc)",
        "INSERT INTO t VALUES ()",
        "WITH x AS (SELECT 1) INSERT INTO t VALUES (1)",
        "EXPLAIN INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 5",
        "UPDATE t SET a = 5 WHERE id = 5 AND b = 6",
        "UPDATE t SET a = 5 WHERE id > 5",
        "UPDATE t SET a = 5 WHERE id = '5'",
        "UPDATE t SET a = 5 WHERE id = 5.0",
        "UPDATE t SET a = 5 WHERE id = 5 LIMIT 1",
        "UPDATE t AS x SET a = 5 WHERE id = 5",
        "UPDATE t INDEXED BY i SET a = 5 WHERE id = 5",
        "UPDATE t SET (a, b) = (5, 6) WHERE id = 5",
        "UPDATE t SET a = ? WHERE id = 5",
        "DELETE FROM t",
        "DELETE FROM t WHERE 5 = id",
        "DELETE FROM t WHERE id = 5 OR id = 6",
        "DELETE FROM t WHERE id IN (5)",
        "DELETE FROM t WHERE (id) = 5",
        "DELETE FROM t WHERE id = 5 + 1",
        "",
        "-- nothing",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (lift(texts[i]))
            fail_msg("%s became %.*s", texts[i], (int)lifted.len, lifted.text);
}

static void test_the_first_statement_of_several(void **state)
{
    (void)state;
    static const char sql[] = "INSERT INTO t VALUES ('a;b'); DELETE FROM t WHERE id = 5";
    assert_true(lift(sql));
    assert_int_equal(lifted.consumed, strlen("INSERT INTO t VALUES ('a;b');"));
    assert_true(lift(sql + lifted.consumed));
    assert_int_equal(lifted.consumed, strlen(" DELETE FROM t WHERE id = 5"));
}

static void test_what_has_no_room_is_left_alone(void **state)
{
    (void)state;
    char *sql = malloc(20000);
    assert_non_null(sql);
    /* a long string needs none; a long template, an escaped string beyond the room and too many values do */
    int len = sprintf(sql, "INSERT INTO t VALUES ('%0*d')", 9000, 7);
    assert_true(sql_literals_lift(sql, (size_t)len, &lifted));
    assert_int_equal(lifted.values[0].length, 9000);
    len = sprintf(sql, "INSERT INTO t VALUES ('%0*d''', abs(1))", 9000, 7);
    assert_false(lift(sql));
    len = sprintf(sql, "INSERT INTO t VALUES (1, abs(%0*d))", 9000, 7);
    assert_false(lift(sql));
    len = sprintf(sql, "INSERT INTO t VALUES (0");
    for (int i = 1; i < 300; i++)
        len += sprintf(sql + len, ",%d", i);
    sprintf(sql + len, ")");
    assert_true(lift(sql));
    assert_int_equal(lifted.count, SQL_LITERALS_MAX);
    free(sql);
}

static void test_c3_fractions_are_the_nearest_double(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t digits = random % UINT64_C(1000000000000000);
        for (unsigned cut = (unsigned)(random >> 60) % 15; cut > 0; cut--)
            digits /= 10;
        char number[40], text[80], fraction[40];
        int len = sprintf(number, "%llu", (unsigned long long)digits);
        int point = (int)(random >> 40) % (len + 1);
        sprintf(text, "INSERT INTO t VALUES (%.*s.%s)", point, number, number + point);
        sprintf(fraction, "%.*s.%s", point, number, number + point);
        if (!lift(text)) {
            assert_true(digits == 0 || point == 0);
            continue;
        }
        double expected = strtod(fraction, NULL);
        if (lifted.values[0].type != RHEI_REAL || lifted.values[0].as.real != expected)
            fail_msg("%s is %.17g instead of %.17g", text, lifted.values[0].as.real, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_items_become_parameters),
        cmocka_unit_test(test_other_texts_are_left_alone),
        cmocka_unit_test(test_the_first_statement_of_several),
        cmocka_unit_test(test_what_has_no_room_is_left_alone),
        cmocka_unit_test(test_c3_fractions_are_the_nearest_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
