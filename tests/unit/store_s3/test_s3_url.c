/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_url.h"

#include "s3_stores.h"

#include <string.h>

static void test_addresses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *url, *bucket, *prefix;
    } good[] = {
        {"s3://my-bucket/some/place", "my-bucket", "some/place"},
        {"s3://my.bucket", "my.bucket", ""},
        {"s3://b-1/", "b-1", ""},
        {"s3://b-1/a///", "b-1", "a"},
        {"s3://b-1/a b/\xc3\xa4+%25", "b-1", "a b/\xc3\xa4+%25"},
    };
    struct store_s3_place place;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(store_s3_parse(good[i].url, &place, NULL), RHEI_OK);
        assert_string_equal(place.bucket, good[i].bucket);
        assert_string_equal(place.prefix, good[i].prefix);
    }
}

static void test_other_addresses_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *part;
    } bad[] = {
        {NULL, "needs its address"},
        {"", "needs its address"},
        {"/folder", "no address of a bucket"},
        {"gs://bucket/x", "only s3://bucket/prefix"},
        {"https://bucket.s3.amazonaws.com/x", "only s3://bucket/prefix"},
        {"s3:///x", "name of a bucket"},
        {"s3://ab", "name of a bucket"},
        {"s3://Upper", "name of a bucket"},
        {"s3://a..b/x", "name of a bucket"},
        {"s3://-ab/x", "name of a bucket"},
        {"s3://bucket//x", "may be empty"},
        {"s3://bucket/a//x", "may be empty"},
        {"s3://bucket/../x", "may be empty"},
        {"s3://bucket/x?versions", "?, #"},
        {"s3://bucket/x\ny", "control"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_s3_place place;
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(store_s3_parse(bad[i].url, &place, &error), RHEI_INVALID);
        if (strstr(error.message, bad[i].part) == NULL)
            fail_msg("%s", error.message);
    }
}

static void test_secrets_in_addresses_are_not_repeated(void **state)
{
    (void)state;
    struct store_s3_place place;
    struct rhei_error error = RHEI_ERROR_INIT;
    size_t scheme, host;
    assert_int_equal(store_s3_parse("s3://key:geheim@bucket/x", &place, &error), RHEI_INVALID);
    assert_null(strstr(error.message, "geheim"));
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(s3_url_check_endpoint("https://key:geheim@host", &scheme, &host, &error), RHEI_INVALID);
    assert_null(strstr(error.message, "geheim"));
}

static void test_endpoints_are_a_host_and_a_port(void **state)
{
    (void)state;
    size_t scheme, host;
    assert_int_equal(s3_url_check_endpoint("http://[::1]:9000/", &scheme, &host, NULL), RHEI_OK);
    assert_int_equal(scheme, 7);
    assert_int_equal(host, 10);
    static const char *const bad[] = {"host:9000", "ftp://host", "https://", "https://host/path", "http://host?x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(s3_url_check_endpoint(bad[i], &scheme, &host, NULL), RHEI_INVALID);
}

static void test_paths_are_encoded_once(void **state)
{
    (void)state;
    struct base_buffer out = {0};
    s3_url_encode(&out, "a b/\xc3\xa4+%25~_-.", true);
    assert_string_equal(out.data, "a%20b/%C3%A4%2B%2525~_-.");
    base_buffer_clear(&out);
    s3_url_encode(&out, "a/b=c", false);
    assert_string_equal(out.data, "a%2Fb%3Dc");
    base_buffer_reset(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read),
        cmocka_unit_test(test_other_addresses_are_refused),
        cmocka_unit_test(test_secrets_in_addresses_are_not_repeated),
        cmocka_unit_test(test_endpoints_are_a_host_and_a_port),
        cmocka_unit_test(test_paths_are_encoded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
