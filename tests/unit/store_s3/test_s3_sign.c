/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures are those of Amazon's own examples (sig-v4-header-based-auth.html), and a server that checks them takes them. */
#include "store_s3/s3_sign.h"

#include "s3_stores.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST  "examplebucket.s3.amazonaws.com"

static const struct s3_crypto *crypto;

static int load(void **state)
{
    (void)state;
    const struct s3_curl *curl;
    return s3_api_load(&curl, &crypto, NULL) != RHEI_OK;
}

static void expect_signature(struct s3_signing signing, const char *signature)
{
    struct base_buffer value = {0};
    signing.stamp = "20130524T000000Z";
    signing.region = "us-east-1";
    signing.key_id = "AKIAIOSFODNN7EXAMPLE";
    signing.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    assert_int_equal(s3_sign(crypto, &signing, &value, NULL), RHEI_OK);
    const char *found = strstr(value.data, "Signature=");
    assert_non_null(found);
    assert_string_equal(found + strlen("Signature="), signature);
    base_buffer_reset(&value);
}

static void test_a_read_of_a_part(void **state)
{
    (void)state;
    static const struct s3_header headers[] = {
        {"host", HOST}, {"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", "20130524T000000Z"}};
    expect_signature((struct s3_signing){.method = "GET",
                                         .path = "/test.txt",
                                         .query = "",
                                         .headers = headers,
                                         .header_count = 4,
                                         .payload_hash = EMPTY},
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void test_a_write(void **state)
{
    (void)state;
    char hash[S3_HASH_HEX];
    assert_true(s3_hash_hex(crypto, "Welcome to Amazon S3.", 21, hash));
    const struct s3_header headers[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                        {"host", HOST},
                                        {"x-amz-content-sha256", hash},
                                        {"x-amz-date", "20130524T000000Z"},
                                        {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    expect_signature((struct s3_signing){.method = "PUT",
                                         .path = "/test%24file.text",
                                         .query = "",
                                         .headers = headers,
                                         .header_count = 5,
                                         .payload_hash = hash},
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void test_queries(void **state)
{
    (void)state;
    static const struct s3_header headers[] = {
        {"host", HOST}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", "20130524T000000Z"}};
    struct s3_signing signing = {.method = "GET",
                                 .path = "/",
                                 .query = "lifecycle=",
                                 .headers = headers,
                                 .header_count = 3,
                                 .payload_hash = EMPTY};
    expect_signature(signing, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    signing.query = "max-keys=2&prefix=J";
    expect_signature(signing, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_times_are_stamps(void **state)
{
    (void)state;
    char stamp[S3_STAMP];
    s3_stamp(1369353600, stamp);
    assert_string_equal(stamp, "20130524T000000Z");
}

/* ---- A server that checks. --------------------------------------------------------------------------------------- */

static struct s3_server *moto;
static char endpoint[60];

static void point(void)
{
    if (moto == NULL) {
        moto = s3_server_open("moto", NULL, NULL);
        (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", moto->port);
    }
    if (moto->port == 0)
        skip();
    s3_server_point(moto);
}

static struct store_s3_config moto_config(void)
{
    return (struct store_s3_config){.url = "s3://" S3_TEST_BUCKET "/sign/a b+c=\xc3\xa4", .endpoint = endpoint};
}

static void test_a_server_that_checks_takes_every_kind_of_request(void **state)
{
    (void)state;
    point();
    struct store_s3_config config = moto_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "one", "first");
    s3_test_has(store, "one", "first");
    size_t len = 17 << 20;
    char *bytes = calloc(1, len);
    const struct blob blobs[2] = {{"large", bytes, len}, {"one", "another", 7}};
    assert_int_equal(store->ops->put(store, &blobs[1], 1, NULL), RHEI_EXISTS);
    if (store->ops->put(store, blobs, 1, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    free(bytes);
    uint64_t size = 0;
    assert_int_equal(store->ops->size(store, "large", &size, NULL), RHEI_OK);
    assert_int_equal(size, len);
    assert_int_equal(s3_test_count(store), 2);
    if (store->ops->set_aside(store, "one", &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(store->ops->remove(store, "large", NULL), RHEI_OK);
    assert_int_equal(s3_test_count(store), 0);
    uint64_t version = 0;
    void *manifest = NULL;
    if (store->ops->manifest_swap(store, &version, "m", 1, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(store->ops->manifest_read(store, &manifest, &len, &version, NULL), RHEI_OK);
    assert_int_equal(version, 1);
    free(manifest);
    store->ops->close(&store);
}

static void test_wrong_credentials_are_told_without_them(void **state)
{
    (void)state;
    point();
    struct store_s3_config config = moto_config();
    setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-at-all", 1);
    s3_test_refused(&config, RHEI_CANT_OPEN, "credentials are wrong, says the server: SignatureDoesNotMatch");
    setenv("AWS_ACCESS_KEY_ID", "AKIANOSUCHKEY", 1);
    s3_test_refused(&config, RHEI_CANT_OPEN, "credentials are wrong, says the server: InvalidAccessKeyId");
}

static void test_no_bucket_is_told(void **state)
{
    (void)state;
    point();
    struct store_s3_config config = moto_config();
    config.url = "s3://no-such-bucket/x";
    s3_test_refused(&config, RHEI_NOT_FOUND, "there is no such bucket");
}

static int leave(void **state)
{
    (void)state;
    s3_server_close(&moto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_of_a_part),
        cmocka_unit_test(test_a_write),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_times_are_stamps),
        cmocka_unit_test(test_a_server_that_checks_takes_every_kind_of_request),
        cmocka_unit_test(test_wrong_credentials_are_told_without_them),
        cmocka_unit_test(test_no_bucket_is_told),
    };
    return cmocka_run_group_tests(tests, load, leave);
}
