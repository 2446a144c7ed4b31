/* SPDX-License-Identifier: Apache-2.0 */
/* What is said where the library that packs isn't there, or is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec_vortex/codec_vortex.h"

static void test_d5_a_library_that_is_not_there_is_one_sentence(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct segment_codec *codec;
    assert_int_equal(setenv("RHEI_DATAFUSION", "/nowhere/librhei_datafusion.so", 1), 0);
    assert_int_equal(codec_vortex_load(&codec, &error), RHEI_OLAP_UNAVAILABLE);
    assert_null(codec);
    assert_non_null(strstr(error.message, "./dev setup --with datafusion"));
    assert_null(strchr(error.message, '\n'));
    assert_int_equal(unsetenv("RHEI_DATAFUSION"), 0);
}

static void test_d5_another_library_is_told_from_ours(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct segment_codec *codec;
    assert_int_equal(setenv("RHEI_DATAFUSION", "libm.so.6", 1), 0);
    assert_int_equal(codec_vortex_load(&codec, &error), RHEI_OLAP_UNAVAILABLE);
    assert_non_null(strstr(error.message, "rhei_vortex_library"));
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
