/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest moves atomically, among writers that fail, are late, or don't know of each other (S1-S4 of s3_manifest.c). */
#include "store_s3/s3_store.h"

#include "s3_stores.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_memory.h"

static void expect_manifest(struct blob_store *store, uint64_t wanted, const char *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 99;
    if (store->ops->manifest_read(store, &bytes, &len, &version, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(version, wanted);
    assert_int_equal(len, strlen(text));
    assert_int_equal(bytes != NULL, wanted > 0);
    if (bytes != NULL)
        assert_memory_equal(bytes, text, len);
    base_free(bytes);
}

static rhei_status swap(struct blob_store *store, uint64_t *version, const char *text, struct rhei_error *error)
{
    return store->ops->manifest_swap(store, version, text, strlen(text), error);
}

static void test_a_manifest_moves_by_versions(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t version = 0, old = 0;
    expect_manifest(store, 0, "");
    assert_int_equal(swap(store, &version, "first", NULL), RHEI_OK);
    assert_int_equal(version, 1);
    expect_manifest(store, 1, "first");
    assert_int_equal(swap(store, &old, "another", &error), RHEI_BUSY);
    assert_int_equal(old, 0);
    assert_int_equal(swap(store, &version, "", NULL), RHEI_OK);
    expect_manifest(store, 2, "");
    store->ops->close(&store);
    store = s3_test_open(&config);
    expect_manifest(store, 2, "");
    store->ops->close(&store);
}

/* A list has no sum: one bit in it, and the only version isn't there, or it is another one. */
static void test_a_list_that_changed_on_its_way_is_asked_for_again(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const char *const places[] = {"<ListBucketResult",
                                         "<Contents",
                                         "<Key",
                                         "manifest-",
                                         "manifest-0000000000",
                                         "manifest-00000000000000000001",
                                         "</Key",
                                         "</Contents",
                                         "<IsTruncated"};
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    uint64_t version = 0;
    assert_int_equal(swap(store, &version, "first", NULL), RHEI_OK);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct s3_rule flip = {S3_FLIP_ANSWER, "GET", "list-type=2", places[i], 0, 1};
        s3_relay_rule(s3_test_relay, &flip);
        expect_manifest(store, 1, "first");
        assert_int_equal(s3_relay_seen(s3_test_relay, "GET", "list-type=2"), 4);
    }
    s3_relay_rule(s3_test_relay, NULL);
    store->ops->close(&store);
}

static void test_old_versions_go_a_few_later(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    uint64_t version = 0;
    struct blob_store *store = s3_test_open(&config);
    for (int i = 0; i < 9; i++)
        assert_int_equal(swap(store, &version, "m", NULL), RHEI_OK);
    assert_int_equal(s3_test_objects("manifest-"), 9); /* none is old enough */
    store->ops->close(&store);
    config.keep_s = 1;
    store = s3_test_open(&config);
    for (int64_t limit = base_now_ns() + 20000000000LL; s3_test_objects("manifest-") > 5; (void)usleep(200000)) {
        assert_int_equal(swap(store, &version, "m", NULL), RHEI_OK);
        if (base_now_ns() > limit)
            fail_msg("old manifests stay");
        (void)usleep(2500000);
    }
    expect_manifest(store, version, "m");
    assert_in_range(s3_test_objects("manifest-"), 4, 5);
    store->ops->close(&store);
}

/* Two that both believe that it is theirs: of one version one is made, and the other one is told. */
static void test_a_version_is_made_once(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    uint64_t version = 0;
    char name[S3_NAME_MAX];
    assert_int_equal(swap(store, &version, "first", NULL), RHEI_OK);
    /* between the look and the create: as if the list were of before */
    static const struct s3_rule old_list = {S3_ANSWER, "GET", "prefix=", NULL, 0, 1};
    struct s3_rule rule = old_list;
    char page[900], body[700];
    const char *prefix = ((struct store_s3 *)store)->site.prefix;
    (void)snprintf(name, sizeof name, "manifest-%020d", 2);
    assert_int_equal(s3_object_copy((struct store_s3 *)store, "manifest-00000000000000000001", name, NULL), RHEI_OK);
    (void)snprintf(
        body, sizeof body,
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>%smanifest-00000000000000000001</Key><Size>9"
        "</Size></Contents></ListBucketResult>",
        prefix);
    (void)snprintf(page, sizeof page, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                   strlen(body), body);
    rule.text = page;
    s3_relay_rule(s3_test_relay, &rule);
    assert_int_equal(swap(store, &version, "second", &error), RHEI_BUSY);
    assert_non_null(strstr(error.message, "another writer has taken the place over"));
    assert_int_equal(version, 1);
    store->ops->close(&store);
}

static void test_a_create_whose_answer_was_lost_is_ours(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    uint64_t version = 0;
    static const struct s3_rule deaf = {S3_DEAF, "PUT", "/manifest-", NULL, 0, 1};
    s3_relay_rule(s3_test_relay, &deaf);
    assert_int_equal(swap(store, &version, "first", NULL), RHEI_OK);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "/manifest-"), 2);
    expect_manifest(store, 1, "first");
    store->ops->close(&store);
}

/* The answer never comes, and neither do those of the retries: what was told to have failed is taken back before anything else. */
static void test_a_swap_that_failed_never_comes_true(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    config.timeout_ms = 1500;
    struct blob_store *store = s3_test_open(&config);
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t version = 0;
    assert_int_equal(swap(store, &version, "first", NULL), RHEI_OK);
    static const struct s3_rule deaf = {S3_DEAF, NULL, "/manifest-", NULL, 0, 0};
    s3_relay_rule(s3_test_relay, &deaf);
    assert_int_equal(swap(store, &version, "never", &error), RHEI_IO);
    assert_int_equal(version, 1);
    s3_relay_rule(s3_test_relay, NULL);
    expect_manifest(store, 1, "first");
    assert_int_equal(swap(store, &version, "second", NULL), RHEI_OK);
    expect_manifest(store, 2, "second");
    store->ops->close(&store);
}

static void test_damage_is_told_and_set_aside(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    struct rhei_error error = RHEI_ERROR_INIT;
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(swap(store, &version, "m", NULL), RHEI_OK);
    static const struct s3_rule cut = {S3_ANSWER,
                                       "GET",
                                       "/manifest-",
                                       "HTTP/1.1 206 Partial\r\nContent-Length: 25\r\nConnection: close\r\n\r\n"
                                       "this is no manifest at al",
                                       0,
                                       0};
    s3_relay_rule(s3_test_relay, &cut);
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, &error), RHEI_IO);
    assert_non_null(strstr(error.message, "not one of Rhei's"));
    assert_null(bytes);
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(store->ops->set_aside(store, NULL, NULL), RHEI_OK);
    expect_manifest(store, 0, "");
    assert_int_equal(s3_test_objects("x-manifest"), 1);
    version = 0;
    assert_int_equal(swap(store, &version, "anew", NULL), RHEI_OK);
    expect_manifest(store, 1, "anew");
    store->ops->close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_manifest_moves_by_versions, s3_test_begin),
        cmocka_unit_test_setup(test_a_list_that_changed_on_its_way_is_asked_for_again, s3_test_begin),
        cmocka_unit_test_setup(test_old_versions_go_a_few_later, s3_test_begin),
        cmocka_unit_test_setup(test_a_version_is_made_once, s3_test_begin),
        cmocka_unit_test_setup(test_a_create_whose_answer_was_lost_is_ours, s3_test_begin),
        cmocka_unit_test_setup(test_a_swap_that_failed_never_comes_true, s3_test_begin),
        cmocka_unit_test_setup(test_damage_is_told_and_set_aside, s3_test_begin),
    };
    return cmocka_run_group_tests(tests, s3_tests_begin, s3_tests_end);
}
