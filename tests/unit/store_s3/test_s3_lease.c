/* SPDX-License-Identifier: Apache-2.0 */
/* One writer at a time (L1-L5 of s3_lease.c). */
#include "store_s3/s3_store.h"

#include "s3_stores.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_memory.h"

enum { LEASE_S = 2 };

static struct store_s3_config short_config(void)
{
    struct store_s3_config config = s3_test_config();
    config.lease_s = LEASE_S;
    return config;
}

/* As one whose machine slept, or whose clock was set: what it did last is long ago by one clock, and just now by the other. */
static void grow_old(struct blob_store *store, bool by_wall)
{
    struct s3_lease *lease = &((struct store_s3 *)store)->lease;
    lease->confirmed_ns = base_now_ns() - (by_wall ? 0 : 1000000000LL * lease->seconds);
    lease->confirmed_ms = base_wall_ms() - (by_wall ? 1000LL * lease->seconds : 0);
}

static rhei_status put_one(struct blob_store *store, const char *name, struct rhei_error *error)
{
    const struct blob blob = {name, "x", 1};
    return store->ops->put(store, &blob, 1, error);
}

static void read_version(struct blob_store *store, uint64_t *version)
{
    void *bytes = NULL;
    size_t len = 0;
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, version, NULL), RHEI_OK);
    base_free(bytes);
}

/* Opens once the lease has ended, by the server's whole seconds. */
static struct blob_store *take_over(const struct store_s3_config *config)
{
    struct blob_store *store = NULL;
    for (int64_t limit = base_now_ns() + 20000000000LL; base_now_ns() < limit && store == NULL; (void)usleep(100000))
        if (store_s3_open(config, &store, NULL) != RHEI_BUSY)
            break;
    assert_non_null(store);
    return store;
}

static void test_a_second_writer_is_told_who_has_it(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    char process[40], host[64] = "";
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    (void)snprintf(process, sizeof process, "process %ld on ", (long)getpid());
    (void)gethostname(host, sizeof host - 1);
    s3_test_refused(&config, RHEI_BUSY, process);
    s3_test_refused(&config, RHEI_BUSY, host);
    s3_test_refused(&config, RHEI_BUSY, "its lease ends in 6");
    s3_test_put(store, "one", "first");
    store->ops->close(&store);
}

static void test_a_close_gives_it_back(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    for (uint64_t i = 1; i < 4; i++) {
        struct blob_store *store = s3_test_open(&config);
        assert_int_equal(((struct store_s3 *)store)->lease.epoch, i);
        store->ops->close(&store);
    }
}

/* The first one never overwrites anything once a second one has it, whatever it does, and whichever clock tells it. */
static void test_who_lost_it_writes_nothing_more(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    for (int by_wall = 0; by_wall < 2; by_wall++) {
        s3_test_begin(NULL);
        struct store_s3_config config = short_config();
        struct rhei_error error = RHEI_ERROR_INIT;
        struct blob_store *first = s3_test_open(&config), *second;
        uint64_t version = 0, other = 0;
        assert_int_equal(first->ops->manifest_swap(first, &version, "first's", 7, NULL), RHEI_OK);
        second = take_over(&config);
        read_version(second, &other);
        grow_old(first, by_wall != 0);
        assert_int_equal(put_one(first, "late", &error), RHEI_BUSY);
        assert_non_null(strstr(error.message, "has taken over"));
        assert_int_equal(first->ops->manifest_swap(first, &version, "late", 4, NULL), RHEI_BUSY);
        assert_int_equal(first->ops->remove(first, "late", NULL), RHEI_BUSY);
        assert_int_equal(first->ops->set_aside(first, NULL, NULL), RHEI_BUSY);
        assert_int_equal(version, 1);
        first->ops->close(&first); /* gives nothing back that is another's */
        assert_int_equal(second->ops->manifest_swap(second, &other, "second's", 8, &error), RHEI_OK);
        assert_int_equal(s3_test_count(second), 0);
        s3_test_refused(&config, RHEI_BUSY, "writes to");
        second->ops->close(&second);
    }
}

/* L2: the ETag of before isn't enough once it was renewed. */
static void test_a_renewal_keeps_it(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = short_config();
    struct blob_store *store = s3_test_open(&config);
    char name[20], etag[S3_ETAG_MAX];
    memcpy(etag, ((struct store_s3 *)store)->lease.etag, sizeof etag);
    int64_t end = base_now_ns() + 5000000000LL; /* more than twice as long as it is */
    for (int i = 0; base_now_ns() < end; i++, (void)usleep(200000)) {
        (void)snprintf(name, sizeof name, "n-%d", i);
        s3_test_put(store, name, "x");
        s3_test_refused(&config, RHEI_BUSY, "writes to");
    }
    assert_string_not_equal(etag, ((struct store_s3 *)store)->lease.etag);
    store->ops->close(&store);
}

static void test_a_renewal_whose_answer_was_lost_is_ours(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    static const struct s3_rule deaf = {S3_DEAF, "PUT", "/lease ", NULL, 0, 1};
    s3_relay_rule(s3_test_relay, &deaf);
    grow_old(store, false);
    s3_test_put(store, "one", "first");
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "/lease "), 3);
    store->ops->close(&store);
}

static void test_a_taking_whose_answer_was_lost_is_ours(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    static const struct s3_rule deaf = {S3_DEAF, "PUT", "/lease ", NULL, 0, 1};
    s3_relay_rule(s3_test_relay, &deaf);
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "one", "first");
    store->ops->close(&store);
}

/* Removed by hand: another one may have taken it, and have gone again. */
static void test_a_lease_that_is_gone_is_lost(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    assert_int_equal(s3_object_remove((struct store_s3 *)store, S3_LEASE, NULL), RHEI_OK);
    grow_old(store, false);
    assert_int_equal(put_one(store, "late", NULL), RHEI_BUSY);
    store->ops->close(&store);
    assert_int_equal(s3_test_objects(""), 0);
}

/* L6; what a process that isn't there left on another machine lasts as long as its time. */
static void test_a_dead_process_keeps_nobody_waiting(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    assert_int_equal(s3_test_run("open"), 0);
    struct blob_store *store = s3_test_open(&config);
    assert_int_equal(((struct store_s3 *)store)->lease.epoch, 2);
    struct s3_request read = {.method = "GET", .what = "read", .name = S3_LEASE};
    assert_int_equal(s3_client_run(((struct store_s3 *)store)->client, &read, 1, NULL), RHEI_OK);
    char *digit = strstr(read.answer.data, "\npid "), *machine = strstr(read.answer.data, "\nmachine ");
    assert_true(digit != NULL && machine != NULL);
    for (digit += 5; *digit != '\n'; digit++)
        *digit = '9';
    machine[9] = machine[9] == '0' ? '1' : '0';
    struct s3_request write = {
        .method = "PUT", .what = "write", .name = S3_LEASE, .body = read.answer.data, .body_len = read.answer.len};
    assert_int_equal(s3_client_run(((struct store_s3 *)store)->client, &write, 1, NULL), RHEI_OK);
    s3_test_refused(&config, RHEI_BUSY, "its lease ends in");
    s3_request_reset(&read);
    s3_request_reset(&write);
    store->ops->close(&store);
}

struct opener {
    const struct store_s3_config *config;
    struct blob_store *store;
    rhei_status status;
    base_thread thread;
};

static void open_one(void *argument)
{
    struct opener *opener = argument;
    opener->status = store_s3_open(opener->config, &opener->store, NULL);
}

/* L1 */
static void test_of_many_at_once_one_gets_it(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    for (int round = 0; round < 5; round++) {
        int opened = 0, busy = 0;
        s3_test_begin(NULL);
        struct store_s3_config config = s3_test_config();
        struct opener openers[8] = {0};
        for (int i = 0; i < 8; i++) {
            openers[i].config = &config;
            assert_int_equal(base_thread_start(&openers[i].thread, "open", open_one, &openers[i], NULL), RHEI_OK);
        }
        for (int i = 0; i < 8; i++) {
            base_thread_join(&openers[i].thread);
            opened += openers[i].status == RHEI_OK;
            busy += openers[i].status == RHEI_BUSY;
        }
        assert_int_equal(opened, 1);
        assert_int_equal(busy, 7);
        for (int i = 0; i < 8; i++)
            if (openers[i].store != NULL)
                openers[i].store->ops->close(&openers[i].store);
    }
}

/* As a process that is killed, or just ends. */
static int leave_open(void)
{
    struct store_s3_config config = s3_test_config();
    struct blob_store *left = NULL;
    _exit(store_s3_open(&config, &left, NULL) != RHEI_OK);
}

static void test_it_says_whose_the_place_is(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    char path[100];
    bool here = false;
    struct store_s3_config config = s3_test_config(), reading = config;
    reading.read_only = true;
    struct blob_store *store = s3_test_open(&config), *look = s3_test_open(&reading);
    store_s3_owner(store, path, sizeof path, &here);
    assert_string_equal(path, "");
    store_s3_claim(store, "/data/shop.db");
    store_s3_owner(look, path, sizeof path, &here);
    assert_string_equal(path, "/data/shop.db");
    assert_true(here);
    assert_int_equal(store_s3_is_free(look, NULL), RHEI_BUSY);
    store->ops->close(&store);
    assert_int_equal(store_s3_is_free(look, NULL), RHEI_OK);
    store = s3_test_open(&config); /* who opens it next doesn't change that by itself */
    store_s3_owner(store, path, sizeof path, &here);
    assert_string_equal(path, "/data/shop.db");
    store->ops->close(&store);
    look->ops->close(&look);
}

int main(void)
{
    if (s3_test_words() != NULL)
        return leave_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_second_writer_is_told_who_has_it, s3_test_begin),
        cmocka_unit_test_setup(test_it_says_whose_the_place_is, s3_test_begin),
        cmocka_unit_test_setup(test_a_close_gives_it_back, s3_test_begin),
        cmocka_unit_test_setup(test_who_lost_it_writes_nothing_more, s3_test_begin),
        cmocka_unit_test_setup(test_a_renewal_keeps_it, s3_test_begin),
        cmocka_unit_test_setup(test_a_renewal_whose_answer_was_lost_is_ours, s3_test_begin),
        cmocka_unit_test_setup(test_a_taking_whose_answer_was_lost_is_ours, s3_test_begin),
        cmocka_unit_test_setup(test_a_lease_that_is_gone_is_lost, s3_test_begin),
        cmocka_unit_test_setup(test_of_many_at_once_one_gets_it, s3_test_begin),
        cmocka_unit_test_setup(test_a_dead_process_keeps_nobody_waiting, s3_test_begin),
    };
    return cmocka_run_group_tests(tests, s3_tests_begin, s3_tests_end);
}
