/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_model.h"

#include <math.h>

static void assert_same(struct rhei_value a, struct rhei_value b)
{
    assert_true(mirror_value_equal(&a, &b));
    assert_true(mirror_value_equal(&b, &a));
    assert_true(mirror_value_hash(&a, 5) == mirror_value_hash(&b, 5));
}

static void assert_different(struct rhei_value a, struct rhei_value b)
{
    assert_false(mirror_value_equal(&a, &b));
    assert_false(mirror_value_equal(&b, &a));
}

static void test_numbers_are_equal_across_classes(void **state)
{
    (void)state;
    assert_same(model_integer(1), model_real(1.0));
    assert_same(model_integer(0), model_real(-0.0));
    assert_same(model_real(0.0), model_real(-0.0));
    assert_same(model_integer(INT64_MIN), model_real(-0x1p63));
    assert_same(model_integer(1ll << 53), model_real(0x1p53));
    assert_same(model_real(0.1), model_real(0.1));
    assert_same(model_real(INFINITY), model_real(INFINITY));
    assert_different(model_integer(INT64_MAX), model_real(0x1p63));
    assert_different(model_integer((1ll << 53) + 1), model_real(0x1p53));
    assert_different(model_real(INFINITY), model_real(-INFINITY));
    assert_different(model_integer(1), model_real(1.5));
    assert_different(model_integer(1), model_integer(2));
}

static void test_text_and_blob_by_bytes(void **state)
{
    (void)state;
    static const char long_text[] = "a text of more than sixteen bytes";
    assert_same(model_text("abc"), model_text("abc"));
    assert_same(model_text(long_text), model_text(long_text));
    assert_same(model_null(), model_null());
    assert_different(model_text("abc"), model_blob("abc", 3));
    assert_different(model_text("abc"), model_text("abC"));
    assert_different(model_text("1"), model_integer(1));
    assert_different(model_text(""), model_null());
    assert_different(model_blob("a\0", 2), model_blob("a", 1));
    for (uint32_t length = 0; length < 20; length++) {
        struct rhei_value a = model_blob(long_text, length), b = model_blob(long_text, length + 1);
        assert_different(a, b);
        assert_true(mirror_value_hash(&a, 0) != mirror_value_hash(&b, 0));
    }
}

static void test_integers_compare_with_reals_exactly(void **state)
{
    (void)state;
    assert_int_equal(mirror_compare_integer_real((1ll << 53) + 1, 0x1p53), 1);
    assert_int_equal(mirror_compare_integer_real(INT64_MAX, 0x1p63), -1);
    assert_int_equal(mirror_compare_integer_real(INT64_MIN, -0x1p63), 0);
    assert_int_equal(mirror_compare_integer_real(INT64_MIN, -INFINITY), 1);
    assert_int_equal(mirror_compare_integer_real(-1, -1.5), 1);
    assert_int_equal(mirror_compare_integer_real(-2, -1.5), -1);
    assert_int_equal(mirror_compare_integer_real(1, 1.5), -1);
    assert_int_equal(mirror_compare_integer_real(2, 1.5), 1);
    assert_int_equal(mirror_compare_integer_real(0, -0.0), 0);
}

static void test_integers_round_outward(void **state)
{
    (void)state;
    assert_true(mirror_integer_floor(INT64_MAX) <= 0x1p63 - 1024);
    assert_true(mirror_integer_ceiling(INT64_MAX) == 0x1p63);
    assert_true(mirror_integer_floor(INT64_MIN) == -0x1p63);
    struct model_random random = {.state = 3};
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)(model_next(&random) >> model_below(&random, 64)) * (i % 2 == 0 ? 1 : -1);
        assert_true(mirror_compare_integer_real(value, mirror_integer_floor(value)) >= 0);
        assert_true(mirror_compare_integer_real(value, mirror_integer_ceiling(value)) <= 0);
    }
}

static void test_real_keys_keep_the_order(void **state)
{
    (void)state;
    static const double ordered[] = {-INFINITY, -0x1p63, -1.5, -5e-324, -0.0, 0.0, 5e-324, 0.1, 1, 1e300, INFINITY};
    for (size_t i = 0; i + 1 < sizeof ordered / sizeof ordered[0]; i++) {
        assert_true(mirror_real_key(ordered[i]) < mirror_real_key(ordered[i + 1]));
        assert_true(mirror_key_real(mirror_real_key(ordered[i])) == ordered[i]);
    }
    assert_true(mirror_real_key(NAN) > mirror_real_key(INFINITY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_equal_across_classes),
        cmocka_unit_test(test_text_and_blob_by_bytes),
        cmocka_unit_test(test_integers_compare_with_reals_exactly),
        cmocka_unit_test(test_integers_round_outward),
        cmocka_unit_test(test_real_keys_keep_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
