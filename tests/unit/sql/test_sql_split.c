/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql.h"

static void expect(const char *script, const char *const *statements, size_t count, enum sql_split_state last)
{
    size_t position = 0, offset, length;
    for (size_t i = 0; i < count; i++) {
        enum sql_split_state state = sql_split(script, strlen(script), &position, &offset, &length, NULL);
        assert_int_equal(state, i + 1 == count ? last : SQL_SPLIT_STATEMENT);
        assert_int_equal(length, strlen(statements[i]));
        assert_memory_equal(script + offset, statements[i], length);
    }
    assert_int_equal(sql_split(script, strlen(script), &position, &offset, &length, NULL), SQL_SPLIT_END);
}

static void test_statements(void **state)
{
    (void)state;
    const char *parts[] = {"SELECT 1", "SELECT ';' /* ; */ , \";\"", "INSERT INTO t VALUES(2)"};
    expect(";; -- first\nSELECT 1;\n/* ; */ SELECT ';' /* ; */ , \";\" ;INSERT INTO t VALUES(2) -- end;\n", parts, 3,
           SQL_SPLIT_REST);
}

static void test_trigger_is_one_statement(void **state)
{
    (void)state;
    const char *parts[] = {
        "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM u; END", "SELECT 1",
        "CREATE TABLE trigger_t(a)", "BEGIN", "END"};
    expect("CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM u; END; SELECT 1;"
           "CREATE TABLE trigger_t(a);BEGIN;END;",
           parts, 5, SQL_SPLIT_STATEMENT);
}

static void test_open_quote_is_told(void **state)
{
    (void)state;
    size_t position = 0, offset, length;
    bool open = false;
    const char *text = "SELECT 'abc; SELECT 2;";
    assert_int_equal(sql_split(text, strlen(text), &position, &offset, &length, &open), SQL_SPLIT_REST);
    assert_true(open);
    position = 0;
    assert_int_equal(sql_split(NULL, 0, &position, &offset, &length, &open), SQL_SPLIT_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_trigger_is_one_statement),
        cmocka_unit_test(test_open_quote_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
