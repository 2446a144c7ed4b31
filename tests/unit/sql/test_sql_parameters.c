/* SPDX-License-Identifier: Apache-2.0 */
/* Which places of a text are parameters, in SQLite's words and in the column store's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql_parameters.h"

static void native(const char *text, uint32_t largest, const char *const *names)
{
    struct sql_parameter_names found;
    assert_true(sql_parameter_names_read_native(text, strlen(text), &found));
    if (found.largest != largest)
        fail_msg("%s: %u parameters", text, found.largest);
    uint32_t count = 0;
    for (; names != NULL && names[count] != NULL; count++)
        if (sql_parameter_number(&found, names[count], strlen(names[count])) == 0)
            fail_msg("%s: no %s", text, names[count]);
    if (found.count != count)
        fail_msg("%s: %u names", text, found.count);
    sql_parameter_names_reset(&found);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_native_parameters_are_found(void **state)
{
    (void)state;
    native("", 0, NULL);
    native("SELECT ?, ?,?", 3, NULL);
    native("SELECT ?2, ?, $1", 3, NAMES("?2", "$1"));
    native("SELECT $a+$b::INT-$a", 2, NAMES("$a", "$b"));
    native("SELECT [?, $a], x[?:$2], x[$a:?]", 4, NAMES("$a", "$2"));
    native("SELECT ?and ?2and", 2, NAMES("?2"));
    native("SELECT a$1, \"b\"$c", 1, NAMES("$c"));
}

static void test_native_strings_comments_and_names_have_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT '? $1'",    "SELECT '''?'",           "SELECT E'\\'?'",          "SELECT e'\\\\', '?'",
        "SELECT $$?$$",     "SELECT $$ $a ' $$",      "SELECT $a$ $$ ? $b$ $a$", "SELECT 1 -- ?",
        "SELECT 1 /* ? */", "SELECT 1 /* /* */ ? */", "SELECT \"?\"\"$1\"",      "SELECT `a?` FROM t",
        "SELECT `a?",       "SELECT 'it ends ?",      "SELECT $$ it ends ?",     "SELECT :a, @b, #1, x:y",
        "SELECT $ 1",       "SELECT $\"a\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        native(texts[i], 0, NULL);
    native("SELECT 1 -- ?\r, ? --", 1, NULL);
    native("SELECT E'\\\\', ?, '\\', ?", 2, NULL);
    native("SELECT $$a$$, ?, $x$b$x$, $x", 2, NAMES("$x"));
}

static void test_a_length_ends_the_text(void **state)
{
    (void)state;
    struct sql_parameter_names found;
    assert_true(sql_parameter_names_read_native("SELECT ?; SELECT ?", 8, &found));
    assert_int_equal(found.largest, 1);
    sql_parameter_names_reset(&found);
    assert_true(sql_parameter_names_read("SELECT ?, :a; SELECT ?", 12, &found));
    assert_int_equal(found.largest, 2);
    assert_int_equal(sql_parameter_number(&found, ":a", 2), 2);
    sql_parameter_names_reset(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native_parameters_are_found),
        cmocka_unit_test(test_native_strings_comments_and_names_have_none),
        cmocka_unit_test(test_a_length_ends_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
