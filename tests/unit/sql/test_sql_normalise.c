/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_memory.h"
#include "sql/sql.h"

static void test_same_key_for_other_literals(void **state)
{
    (void)state;
    struct sql_normal a = {0}, b = {0}, c = {0};
    const char *first = "SELECT  A, 'it''s' FROM T -- x\n WHERE b = 1 AND c > 1.5 AND d = x'0aFF';;";
    const char *second = "select a,'' from t where B=77 and C>2e3 and D=X'';";
    const char *third = "select a,'' from t where B=77.0 and C>2e3 and D=X''";
    assert_int_equal(sql_normalise(first, strlen(first), &a, NULL), RHEI_OK);
    assert_int_equal(sql_normalise(second, strlen(second), &b, NULL), RHEI_OK);
    assert_int_equal(sql_normalise(third, strlen(third), &c, NULL), RHEI_OK);
    assert_string_equal(a.key.data, b.key.data);
    assert_string_not_equal(a.key.data, c.key.data);
    assert_int_equal(a.literal_count, 4);
    assert_int_equal(a.literals[0].value.type, RHEI_TEXT);
    assert_int_equal(a.literals[0].value.length, 4);
    assert_memory_equal(a.literals[0].value.as.bytes, "it's", 4);
    assert_true(a.literals[1].value.type == RHEI_INTEGER && a.literals[1].value.as.integer == 1);
    assert_true(a.literals[2].value.type == RHEI_REAL && a.literals[2].value.as.real == 1.5);
    assert_int_equal(a.literals[3].value.type, RHEI_BLOB);
    assert_memory_equal(a.literals[3].value.as.bytes, "\x0a\xff", 2);
    assert_memory_equal(first + a.literals[1].offset, "1", a.literals[1].length);
    sql_normal_reset(&a);
    sql_normal_reset(&b);
    sql_normal_reset(&c);
}

static void test_quoted_names_and_parameters_keep_their_case(void **state)
{
    (void)state;
    struct sql_normal normal = {0};
    const char *text = "SELECT \"A\", [B], :Par FROM T";
    assert_int_equal(sql_normalise(text, strlen(text), &normal, NULL), RHEI_OK);
    assert_string_equal(normal.key.data, "select \"A\" , [B] , :Par from t");
    assert_int_equal(sql_normalise("SELECT 1", 8, &normal, NULL), RHEI_OK); /* used again */
    assert_int_equal(normal.literal_count, 1);
    sql_normal_reset(&normal);
}

static void test_bad_token_is_an_error(void **state)
{
    (void)state;
    struct sql_normal normal = {0};
    assert_int_equal(sql_normalise("SELECT 'x", 9, &normal, NULL), RHEI_SQL);
    assert_int_equal(sql_normalise(NULL, 0, &normal, NULL), RHEI_OK);
    sql_normal_reset(&normal);
}

static void test_no_memory(void **state)
{
    (void)state;
    const char *text = "SELECT 'abc', 1, 2.5, x'00' FROM t";
    for (uint64_t n = 1; n < 20; n++) {
        struct sql_normal normal = {0};
        base_memory_fail_after(n);
        rhei_status status = sql_normalise(text, strlen(text), &normal, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
        sql_normal_reset(&normal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_key_for_other_literals),
        cmocka_unit_test(test_quoted_names_and_parameters_keep_their_case),
        cmocka_unit_test(test_bad_token_is_an_error),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
