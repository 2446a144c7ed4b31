/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

#include <stdlib.h>
#include <string.h>

static void test_d5_a_library_that_is_not_there_is_one_sentence(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct executor *executor = NULL;
    struct datafusion_executor_config config = {.threads = 2};
    assert_int_equal(setenv("RHEI_DATAFUSION", "/nowhere/librhei_datafusion.so", 1), 0);
    assert_int_equal(datafusion_executor_open(&config, &executor, &error), RHEI_OLAP_UNAVAILABLE);
    assert_null(executor);
    assert_non_null(strstr(error.message, "./dev setup --with datafusion"));
    assert_non_null(strstr(error.message, "/nowhere/librhei_datafusion.so"));
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(unsetenv("RHEI_DATAFUSION"), 0);
}

/* A library, but not this one. */
static void test_d5_another_library_is_told_from_ours(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct executor *executor = NULL;
    struct datafusion_executor_config config = {.threads = 2};
    assert_int_equal(setenv("RHEI_DATAFUSION", "libm.so.6", 1), 0);
    assert_int_equal(datafusion_executor_open(&config, &executor, &error), RHEI_OLAP_UNAVAILABLE);
    assert_non_null(strstr(error.message, "rhei_datafusion_library"));
    assert_int_equal(unsetenv("RHEI_DATAFUSION"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d5_a_library_that_is_not_there_is_one_sentence),
        cmocka_unit_test(test_d5_another_library_is_told_from_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
