/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rh_import.h"

static struct rh_csv_field bare(const char *text)
{
    return (struct rh_csv_field){.text = text, .length = strlen(text)};
}

static const char *type_of(const char *const *texts)
{
    struct rh_inference inference = {0};
    for (; *texts != NULL; texts++) {
        struct rh_csv_field field = bare(*texts);
        rh_infer(&inference, &field);
    }
    return rh_inferred_type(&inference);
}
#define TYPE_OF(...) type_of((const char *const[]){__VA_ARGS__, NULL})

static void test_inferred_types_lose_nothing(void **state)
{
    (void)state;
    assert_string_equal(TYPE_OF("1", "-2", "9223372036854775807"), "INTEGER");
    assert_string_equal(TYPE_OF("1", "2.5"), "REAL");
    assert_string_equal(TYPE_OF("1e+3"), "REAL");
    assert_string_equal(TYPE_OF("1.0E3", "1E-7"), "REAL");
    assert_string_equal(TYPE_OF("0.30000000000000004", "1.7976931348623157e+308", "0.0", "5e-324"), "REAL");
    assert_string_equal(TYPE_OF("1E5"), "TEXT"); /* a code: no program writes a REAL so */
    assert_string_equal(TYPE_OF("12e34567"), "TEXT");
    assert_string_equal(TYPE_OF("1.2e+34567"), "TEXT");
    assert_string_equal(TYPE_OF("1e-400"), "TEXT");
    assert_string_equal(TYPE_OF("0.1234567890123456789"), "TEXT");
    assert_string_equal(TYPE_OF("18446744073709551615"), "TEXT");
    assert_string_equal(TYPE_OF("1", "x"), "TEXT");
    assert_string_equal(TYPE_OF("00501", "10001"), "TEXT");
    assert_string_equal(TYPE_OF("+49"), "TEXT");
    assert_string_equal(TYPE_OF("9223372036854775808"), "TEXT");
    assert_string_equal(TYPE_OF("9007199254740993", "0.5"), "TEXT");
    assert_string_equal(TYPE_OF("2013-01-01"), "TEXT");
    assert_string_equal(type_of((const char *const[]){NULL}), "TEXT");
}

static void test_affinities_are_sqlites(void **state)
{
    (void)state;
    assert_int_equal(rh_affinity_of("bigint"), RH_AFFINITY_INTEGER);
    assert_int_equal(rh_affinity_of("CHARINT"), RH_AFFINITY_INTEGER);
    assert_int_equal(rh_affinity_of("VARCHAR(10)"), RH_AFFINITY_TEXT);
    assert_int_equal(rh_affinity_of("Double Precision"), RH_AFFINITY_REAL);
    assert_int_equal(rh_affinity_of("DECIMAL(10,5)"), RH_AFFINITY_NUMERIC);
    assert_int_equal(rh_affinity_of("DATE"), RH_AFFINITY_NUMERIC);
    assert_int_equal(rh_affinity_of(""), RH_AFFINITY_NONE);
    assert_int_equal(rh_affinity_of("BLOB"), RH_AFFINITY_NONE);
}

static bool value_of(const char *text, bool quoted, enum rh_affinity affinity, const char *null_text, bool any_type,
                     struct rhei_value *value)
{
    struct rh_csv_field field = bare(text);
    struct rh_buffer why = {0};
    field.quoted = quoted;
    bool good = rh_field_value(&field, affinity, null_text, any_type, value, &why);
    assert_int_equal(good, why.length == 0);
    rh_buffer_free(&why);
    return good;
}

static void test_null_is_bare_only(void **state)
{
    struct rhei_value value;
    (void)state;
    assert_true(value_of("", false, RH_AFFINITY_TEXT, "", false, &value));
    assert_int_equal(value.type, RHEI_NULL);
    assert_true(value_of("", true, RH_AFFINITY_TEXT, "", false, &value));
    assert_int_equal(value.type, RHEI_TEXT);
    assert_int_equal(value.length, 0);
    assert_true(value_of("NA", false, RH_AFFINITY_INTEGER, "NA", false, &value));
    assert_int_equal(value.type, RHEI_NULL);
    assert_false(value_of("NA", true, RH_AFFINITY_INTEGER, "NA", false, &value));
    assert_false(value_of("", false, RH_AFFINITY_INTEGER, "NA", false, &value));
}

static void test_values_have_the_columns_class(void **state)
{
    struct rhei_value value;
    (void)state;
    assert_true(value_of("7", false, RH_AFFINITY_INTEGER, "", false, &value));
    assert_int_equal(value.type, RHEI_INTEGER);
    assert_true(value_of(" 7 ", false, RH_AFFINITY_REAL, "", false, &value));
    assert_int_equal(value.type, RHEI_REAL);
    assert_true(value.as.real == 7.0);
    assert_true(value_of("1.5", false, RH_AFFINITY_INTEGER, "", false, &value));
    assert_int_equal(value.type, RHEI_REAL);
    assert_true(value_of("007", false, RH_AFFINITY_TEXT, "", false, &value));
    assert_int_equal(value.type, RHEI_TEXT);
    assert_true(value_of("7", false, RH_AFFINITY_NONE, "", false, &value));
    assert_int_equal(value.type, RHEI_TEXT);
    assert_true(value_of("2013-01-01", false, RH_AFFINITY_NUMERIC, "", false, &value));
    assert_int_equal(value.type, RHEI_TEXT);
    assert_false(value_of("seven", false, RH_AFFINITY_INTEGER, "", false, &value));
    assert_true(value_of("seven", false, RH_AFFINITY_INTEGER, "", true, &value));
    assert_int_equal(value.type, RHEI_TEXT);
    assert_false(value_of("caf\xE9", false, RH_AFFINITY_TEXT, "", false, &value));
}

static void refused(const char *text, enum rh_affinity affinity, const char *because)
{
    struct rhei_value value;
    struct rh_csv_field field = bare(text);
    struct rh_buffer why = {0};
    assert_false(rh_field_value(&field, affinity, "", false, &value, &why));
    assert_non_null(strstr(why.bytes, because));
    rh_buffer_free(&why);
}

static void test_numbers_that_would_change_are_refused(void **state)
{
    struct rhei_value value;
    (void)state;
    refused("18446744073709551615", RH_AFFINITY_INTEGER, "64 bits");
    refused("9223372036854775808", RH_AFFINITY_NUMERIC, "64 bits");
    refused("18446744073709551615", RH_AFFINITY_REAL, "more digits");
    refused("9007199254740993", RH_AFFINITY_REAL, "more digits");
    refused("12e34567", RH_AFFINITY_REAL, "beyond");
    refused("-1e999", RH_AFFINITY_REAL, "beyond");
    refused("1e-400", RH_AFFINITY_REAL, "too small");
    refused("1E5", RH_AFFINITY_INTEGER, "as it is written");
    refused("1E5", RH_AFFINITY_NUMERIC, "as it is written");
    assert_true(value_of("1E5", false, RH_AFFINITY_REAL, "", false, &value));
    assert_true(value.type == RHEI_REAL && value.as.real == 100000.0);
    assert_true(value_of("9007199254740992", false, RH_AFFINITY_REAL, "", false, &value));
    assert_true(value.type == RHEI_REAL && value.as.real == 9007199254740992.0);
    assert_true(value_of("3.14159265358979323846", false, RH_AFFINITY_REAL, "", false, &value));
    assert_true(value.as.real == 3.14159265358979323846);
    assert_true(value_of("-9e999", false, RH_AFFINITY_REAL, "", false, &value)); /* what rh query writes */
    static const enum rh_affinity numbers[] = {RH_AFFINITY_REAL, RH_AFFINITY_NUMERIC, RH_AFFINITY_INTEGER};
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        assert_true(value_of("9e999", false, numbers[at], "", false, &value));
        assert_true(value.type == RHEI_REAL && value.as.real > 1e308);
        assert_true(value_of("-9e999", false, numbers[at], "", false, &value));
        assert_true(value.type == RHEI_REAL && value.as.real < -1e308);
    }
    assert_true(value_of("0e0", false, RH_AFFINITY_REAL, "", false, &value) && value.as.real == 0);
    assert_true(value_of("1E5", false, RH_AFFINITY_TEXT, "", false, &value) && value.type == RHEI_TEXT);
    assert_true(value_of("18446744073709551615", false, RH_AFFINITY_INTEGER, "", true, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inferred_types_lose_nothing),
        cmocka_unit_test(test_affinities_are_sqlites),
        cmocka_unit_test(test_null_is_bare_only),
        cmocka_unit_test(test_values_have_the_columns_class),
        cmocka_unit_test(test_numbers_that_would_change_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
