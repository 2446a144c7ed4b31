/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "store_s3/s3_store.h"

struct s3_server *s3_test_server;
struct s3_relay *s3_test_relay;
static char url[120], endpoint[60];

int s3_tests_begin(void **state)
{
    (void)state;
    s3_test_server = s3_server_open("fake", NULL, NULL);
    if (s3_test_server->port != 0)
        s3_test_relay = s3_relay_open(s3_test_server->port);
    s3_server_point(s3_test_server);
    return 0;
}

int s3_tests_end(void **state)
{
    (void)state;
    s3_relay_close(&s3_test_relay);
    s3_server_close(&s3_test_server);
    return 0;
}

int s3_test_begin(void **state)
{
    (void)state;
    (void)snprintf(url, sizeof url, "s3://" S3_TEST_BUCKET "/tests/a b+c/%016llx",
                   (unsigned long long)base_random_u64());
    if (s3_test_relay != NULL) {
        s3_relay_rule(s3_test_relay, NULL);
        s3_server_point(s3_test_server);
        (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", s3_relay_port(s3_test_relay));
    }
    return 0;
}

struct store_s3_config s3_test_config(void)
{
    return (struct store_s3_config){.url = url, .endpoint = endpoint, .timeout_ms = 6000};
}

struct blob_store *s3_test_open(const struct store_s3_config *config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    if (store_s3_open(config, &store, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return store;
}

void s3_test_refused(const struct store_s3_config *config, rhei_status wanted, const char *part)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    rhei_status status = store_s3_open(config, &store, &error);
    if (status == RHEI_OK)
        store->ops->close(&store);
    if (status != wanted || strstr(error.message, part) == NULL)
        fail_msg("%d instead of %d with \"%s\": %s", status, wanted, part, error.message);
    assert_null(store);
}

void s3_test_put(struct blob_store *store, const char *name, const char *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct blob blob = {name, text, strlen(text)};
    if (store->ops->put(store, &blob, 1, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

void s3_test_has(struct blob_store *store, const char *name, const char *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t size = 0;
    char got[200] = "";
    if (store->ops->size(store, name, &size, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(size, strlen(text));
    if (store->ops->get(store, name, 0, got, (size_t)size, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_string_equal(got, text);
}

static rhei_status count_blob(void *context, const char *name, uint64_t size, struct rhei_error *error)
{
    (void)name;
    (void)size;
    (void)error;
    *(size_t *)context += 1;
    return RHEI_OK;
}

size_t s3_test_count(struct blob_store *store)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    size_t count = 0;
    if (store->ops->list(store, count_blob, &count, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return count;
}

static rhei_status count_entry(void *context, const struct s3_entry *entry, struct rhei_error *error)
{
    (void)entry;
    (void)error;
    *(int *)context += 1;
    return RHEI_OK;
}

int s3_test_objects(const char *begin)
{
    int count = 0;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct store_s3_config config = s3_test_config();
    config.read_only = true;
    struct blob_store *store = s3_test_open(&config);
    if (s3_object_list((struct store_s3 *)store, begin, false, count_entry, &count, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    store->ops->close(&store);
    return count;
}

int s3_test_run(const char *words)
{
    int ended = -1;
    char own[200] = "";
    setenv("RHEI_TEST_WORDS", words, 1);
    setenv("RHEI_TEST_URL", url, 1);
    setenv("RHEI_TEST_ENDPOINT", endpoint, 1);
    assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    pid_t child = fork();
    if (child == 0) {
        execl(own, own, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    unsetenv("RHEI_TEST_WORDS");
    return ended;
}

const char *s3_test_words(void)
{
    const char *words = getenv("RHEI_TEST_WORDS");
    if (words != NULL) {
        (void)snprintf(url, sizeof url, "%s", getenv("RHEI_TEST_URL"));
        (void)snprintf(endpoint, sizeof endpoint, "%s", getenv("RHEI_TEST_ENDPOINT"));
    }
    return words;
}
