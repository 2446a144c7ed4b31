/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp_test.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

static void check_round(struct oltp_test *test)
{
    struct test_mirror *mirror = test_mirror_new(test);
    assert_int_equal(test_mirror_cycle(mirror), 0); /* no table yet */
    test_write(test, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, amount REAL)");
    test_write(test, "INSERT INTO t VALUES(1, 'a', 0.1 + 0.2), (2, NULL, 3), (3, x'00ff', -0.0)");
    test_mirror_check(mirror);
    assert_true(test_mirror_has(mirror, "t"));
    test_write(test, "UPDATE t SET name = 'b' WHERE id = 1");
    test_write(test, "UPDATE t SET id = 10 WHERE id = 2");
    test_write(test, "DELETE FROM t WHERE id = 3");
    assert_int_equal(test_mirror_cycle(mirror), 4);
    test_mirror_check(mirror);
    assert_int_equal(test_mirror_cycle(mirror), 0);
    assert_int_equal(test_mirror_loads(mirror), 1);
    test_mirror_free(&mirror);
}

static void test_write_read_and_cycle_in_a_file(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    check_round(&test);
    test_expect(&test, "SELECT id, name FROM t ORDER BY id", "1|'b'\n10|NULL\n");
    test_reopen(&test);
    test_expect(&test, "SELECT id, name FROM t ORDER BY id", "1|'b'\n10|NULL\n");
    test_close(&test);
}

static void test_write_read_and_cycle_in_memory(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open_memory(&test);
    check_round(&test);
    test_close(&test);
}

static void test_c2_shell_and_python_are_captured(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(a TEXT, b)");
    test_mirror_check(mirror);
    assert_int_equal(
        test_shell(&test, "INSERT INTO t VALUES('shell', 1.5), ('x', NULL); UPDATE t SET b = 7 WHERE a = 'x'"), 0);
    assert_int_equal(test_python(&test, "db.execute('insert into t values(?, ?)', ('py', b'\\x00\\x01'))"), 0);
    assert_int_equal(test_mirror_cycle(mirror), 4);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read_and_cycle_in_a_file),
        cmocka_unit_test(test_write_read_and_cycle_in_memory),
        cmocka_unit_test(test_c2_shell_and_python_are_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
