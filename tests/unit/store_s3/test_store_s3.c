/* SPDX-License-Identifier: Apache-2.0 */
/* What every blob store promises, of one in a bucket at a real server, and what the room's README promises beyond that. */
#include "store_s3/store_s3.h"

#include "s3_stores.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "store_s3/s3_store.h"

enum { MEBI = 1 << 20 };

static void test_a_blob_comes_back(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    const struct blob blobs[3] = {{"one", "first", 5}, {"two.arrow", "", 0}, {"three-3", "3", 1}};
    assert_int_equal(store->ops->put(store, blobs, 3, &error), RHEI_OK);
    s3_test_has(store, "one", "first");
    s3_test_has(store, "two.arrow", "");
    assert_int_equal(s3_test_count(store), 3);
    char part[4] = "";
    assert_int_equal(store->ops->get(store, "one", 2, part, 3, &error), RHEI_OK);
    assert_string_equal(part, "rst");
    assert_int_equal(store->ops->get(store, "one", 3, part, 3, &error), RHEI_IO);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(store->ops->get(store, "one", 7, part, 3, &error), RHEI_IO);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(store->ops->get(store, "none", 0, part, 3, &error), RHEI_NOT_FOUND);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(store->ops->get(store, "none", 0, part, 0, &error), RHEI_NOT_FOUND);
    uint64_t size = 0;
    assert_int_equal(store->ops->size(store, "none", &size, NULL), RHEI_NOT_FOUND);
    assert_int_equal(store->ops->remove(store, "one", NULL), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "one", NULL), RHEI_OK);
    assert_int_equal(store->ops->size(store, "one", &size, NULL), RHEI_NOT_FOUND);
    struct blob_map map;
    assert_int_equal(store->ops->map(store, "two.arrow", &map, NULL), RHEI_UNSUPPORTED);
    store->ops->close(&store);
    assert_null(store);
}

static void test_ends_are_read_side_by_side(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    enum { COUNT = 9, ROOM = 16 };
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    struct blob_tail tails[COUNT + 2];
    char names[COUNT + 2][8], bytes[COUNT + 2][ROOM], text[64];
    static const struct s3_rule late = {S3_LATE, "GET", NULL, "200", 0, 0};
    for (int i = 0; i < COUNT + 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "t-%d", i);
        (void)snprintf(text, sizeof text, "%0*d", 4 * i + (i == 0), i);
        if (i < COUNT)
            s3_test_put(store, names[i], i == 0 ? "" : text);
        tails[i] = (struct blob_tail){.name = names[i], .bytes = bytes[i], .room = ROOM};
    }
    s3_relay_rule(s3_test_relay, &late);
    blob_store_tails(store, tails, COUNT + 2);
    assert_true(s3_relay_most(s3_test_relay) > 3);
    for (int i = 0; i < COUNT; i++) {
        size_t size = 4 * (size_t)i, len = size < ROOM ? size : ROOM;
        (void)snprintf(text, sizeof text, "%0*d", 4 * i + (i == 0), i);
        assert_int_equal(tails[i].status, RHEI_OK);
        assert_int_equal(tails[i].size, size);
        assert_int_equal(tails[i].len, len);
        assert_memory_equal(bytes[i], text + size - len, len);
    }
    assert_int_equal(tails[COUNT].status, RHEI_NOT_FOUND);
    assert_false(store->ops->away(&tails[COUNT].error));
    static const struct s3_rule cut = {S3_CUT, "GET", "/b-t-3", NULL, 0, 0};
    s3_relay_rule(s3_test_relay, &cut);
    blob_store_tails(store, tails, COUNT);
    assert_int_equal(tails[2].status, RHEI_OK);
    assert_int_equal(tails[3].status, RHEI_IO);
    assert_true(store->ops->away(&tails[3].error));
    s3_relay_rule(s3_test_relay, NULL);
    store->ops->close(&store);
}

/* Those that are there and those that aren't; what can't be removed is told, and keeps no other from going. */
static void test_blobs_are_removed_side_by_side(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    enum { COUNT = 9 };
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    char texts[COUNT + 1][8];
    const char *names[COUNT + 1];
    for (int i = 0; i < COUNT + 1; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "r-%d", i);
        names[i] = texts[i];
        if (i < COUNT)
            s3_test_put(store, names[i], "gone soon");
    }
    static const struct s3_rule late = {S3_LATE, "DELETE", NULL, "200", 0, 0};
    s3_relay_rule(s3_test_relay, &late);
    assert_int_equal(blob_store_remove(store, names, COUNT + 1, NULL), RHEI_OK);
    assert_true(s3_relay_most(s3_test_relay) > 3);
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(s3_test_count(store), 0);

    for (int i = 0; i < COUNT; i++)
        s3_test_put(store, names[i], "gone soon");
    static const struct s3_rule cut = {S3_CUT, "DELETE", "/b-r-3", NULL, 0, 0};
    s3_relay_rule(s3_test_relay, &cut);
    assert_int_equal(blob_store_remove(store, names, COUNT, &error), RHEI_IO);
    assert_non_null(strstr(error.message, "r-3"));
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(s3_test_count(store), 1);
    const char *odd[] = {"r-3", "../up"};
    assert_int_equal(blob_store_remove(store, odd, 2, NULL), RHEI_INVALID);
    assert_int_equal(s3_test_count(store), 1);
    store->ops->close(&store);
}

/* One name taken fails the whole put, and leaves nothing of it; what has the name stays as it is. */
static void test_a_taken_name_is_told_and_kept(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "taken", "as it was");
    const struct blob blobs[3] = {{"before", "b", 1}, {"taken", "another", 7}, {"behind", "c", 1}};
    assert_int_equal(store->ops->put(store, blobs, 3, &error), RHEI_EXISTS);
    assert_non_null(strstr(error.message, "taken"));
    s3_test_has(store, "taken", "as it was");
    assert_int_equal(s3_test_count(store), 1);
    const struct blob bad = {"../up", "b", 1};
    assert_int_equal(store->ops->put(store, &bad, 1, NULL), RHEI_INVALID);
    store->ops->close(&store);
}

static char *patterned(size_t len)
{
    char *bytes = base_alloc(len);
    for (size_t i = 0; bytes != NULL && i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    assert_non_null(bytes);
    return bytes;
}

static void test_a_large_blob_goes_in_parts(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    size_t len = 36 * MEBI + 5;
    char *bytes = patterned(len), *got = base_alloc(len);
    const struct blob blobs[2] = {{"large", bytes, len}, {"small", "s", 1}};
    static const struct s3_rule late = {S3_LATE, "PUT", "partNumber=", "300", 0, 0};
    s3_relay_rule(s3_test_relay, &late);
    if (store->ops->put(store, blobs, 2, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "partNumber="), 5);
    assert_in_range(s3_relay_most(s3_test_relay), 2, 8);
    uint64_t size = 0;
    assert_int_equal(store->ops->size(store, "large", &size, NULL), RHEI_OK);
    assert_int_equal(size, len);
    assert_int_equal(store->ops->get(store, "large", 0, got, len, &error), RHEI_OK);
    assert_memory_equal(got, bytes, len);
    assert_int_equal(store->ops->get(store, "large", len - 3, got, 4, &error), RHEI_IO);
    assert_int_equal(store->ops->put(store, blobs, 1, NULL), RHEI_EXISTS);
    base_free(bytes);
    base_free(got);
    store->ops->close(&store);
}

static void test_many_blobs_are_listed_by_pages(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    enum { COUNT = 1203 };
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    static struct blob blobs[COUNT];
    static char names[COUNT][16];
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof names[i], "n-%d", i);
        blobs[i] = (struct blob){names[i], names[i], strlen(names[i])};
    }
    if (store->ops->put(store, blobs, COUNT, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(s3_test_count(store), COUNT);
    assert_true(s3_relay_seen(s3_test_relay, "GET", "continuation-token=") >= 1);
    store->ops->close(&store);
}

static void test_a_damaged_blob_is_set_aside(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "bad", "bytes for people");
    assert_int_equal(store->ops->set_aside(store, "bad", NULL), RHEI_OK);
    assert_int_equal(store->ops->set_aside(store, "bad", NULL), RHEI_OK);
    assert_int_equal(s3_test_count(store), 0);
    assert_int_equal(s3_test_objects("x-b-bad"), 1);
    s3_test_put(store, "bad", "anew");
    s3_test_has(store, "bad", "anew");
    store->ops->close(&store);
}

static void test_one_opened_to_be_read_changes_nothing(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "one", "first");
    config.read_only = true;
    s3_relay_rule(s3_test_relay, NULL);
    struct blob_store *reader = s3_test_open(&config); /* beside the writer */
    s3_test_has(reader, "one", "first");
    const struct blob blob = {"two", "2", 1};
    uint64_t version = 0;
    assert_int_equal(reader->ops->put(reader, &blob, 1, NULL), RHEI_READ_ONLY);
    assert_int_equal(reader->ops->remove(reader, "one", NULL), RHEI_READ_ONLY);
    assert_int_equal(reader->ops->set_aside(reader, "one", NULL), RHEI_READ_ONLY);
    assert_int_equal(reader->ops->manifest_swap(reader, &version, "m", 1, NULL), RHEI_READ_ONLY);
    reader->ops->close(&reader);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", NULL) + s3_relay_seen(s3_test_relay, "DELETE", NULL), 0);
    store->ops->close(&store);
}

/* What a server that ignores a condition does: it overwrites. */
static void test_a_server_that_ignores_conditions_is_refused(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    static const struct s3_rule ignores[] = {{S3_STRIP, "PUT", NULL, "if-none-match:", 0, 0},
                                             {S3_STRIP, "PUT", NULL, "if-match:", 0, 0}};
    s3_relay_rule(s3_test_relay, &ignores[0]);
    s3_test_refused(&config, RHEI_UNSUPPORTED, "ignores If-None-Match");
    s3_relay_rule(s3_test_relay, &ignores[1]);
    s3_test_refused(&config, RHEI_UNSUPPORTED, "ignores If-Match");
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(s3_test_objects(""), 0);
}

/* A part fails for good: the upload is ended and the blob isn't there. */
static void test_a_failed_upload_leaves_nothing(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = s3_test_open(&config);
    size_t len = 17 * MEBI;
    char *bytes = patterned(len);
    const struct blob blob = {"large", bytes, len};
    static const struct s3_rule flip = {S3_FLIP_REQUEST, "PUT", "partNumber=2", NULL, 0, 0};
    s3_relay_rule(s3_test_relay, &flip);
    assert_int_equal(store->ops->put(store, &blob, 1, &error), RHEI_IO);
    assert_non_null(strstr(error.message, "changed on their way"));
    assert_int_equal(s3_relay_seen(s3_test_relay, "DELETE", "uploadId="), 1);
    assert_int_equal(s3_test_count(store), 0);
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_OK);
    base_free(bytes);
    store->ops->close(&store);
}

/* The abort is lost as well: the next opening ends the upload. */
static void test_uploads_left_over_are_ended_by_an_opening(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    struct blob_store *store = s3_test_open(&config);
    size_t len = 17 * MEBI;
    char *bytes = patterned(len);
    const struct blob blob = {"large", bytes, len};
    static const struct s3_rule refused = {
        S3_ANSWER, NULL, "uploadId=", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        0,         0};
    s3_relay_rule(s3_test_relay, &refused);
    assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_IO);
    store->ops->close(&store);
    s3_relay_rule(s3_test_relay, NULL);
    store = s3_test_open(&config);
    assert_int_equal(s3_relay_seen(s3_test_relay, "DELETE", "uploadId="), 1);
    base_free(bytes);
    store->ops->close(&store);
    s3_relay_rule(s3_test_relay, NULL);
    store = s3_test_open(&config);
    assert_int_equal(s3_relay_seen(s3_test_relay, "DELETE", "uploadId="), 0);
    store->ops->close(&store);
}

/* Whatever allocation of the caller's fails: an error says so, and nothing of it stays. */
static void test_no_memory_is_an_error(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct store_s3_config config = s3_test_config();
    rhei_status status = RHEI_NO_MEMORY;
    uint64_t version = 0;
    const struct blob blobs[2] = {{"one", "first", 5}, {"two", "second", 6}};
    for (uint64_t n = 1; status != RHEI_OK; n++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct blob_store *store = NULL;
        base_memory_fail_after(n);
        status = store_s3_open(&config, &store, &error);
        if (status == RHEI_OK)
            status = store->ops->put(store, blobs, 2, &error);
        if (status == RHEI_OK)
            status = store->ops->manifest_swap(store, &version, "m", 1, &error);
        base_memory_fail_after(0);
        if (status != RHEI_OK && status != RHEI_NO_MEMORY)
            fail_msg("allocation %llu: %d %s", (unsigned long long)n, status, error.message);
        assert_true(n < 2000);
        if (store != NULL && status != RHEI_OK && s3_test_count(store) > 0)
            assert_int_equal(store->ops->remove(store, "one", NULL) + store->ops->remove(store, "two", NULL), RHEI_OK);
        if (store != NULL)
            store->ops->close(&store);
    }
    assert_int_equal(s3_test_objects("manifest-"), 1);
}

struct points {
    char text[400];
};

static void note_point(void *context, const char *point)
{
    struct points *points = context;
    size_t len = strlen(points->text);
    (void)snprintf(points->text + len, sizeof points->text - len, "%s ", point + strlen("store."));
}

static void test_fault_points_are_passed(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct points points = {""};
    struct store_s3_config config = s3_test_config();
    config.fault = note_point;
    config.fault_context = &points;
    struct blob_store *store = s3_test_open(&config);
    uint64_t version = 0;
    s3_test_put(store, "one", "1");
    assert_int_equal(store->ops->manifest_swap(store, &version, "m", 1, NULL), RHEI_OK);
    assert_string_equal(points.text, "lease.taken put.written put.done manifest.opened manifest.named manifest.done ");
    store->ops->close(&store);
}

/* ---- Killed. ----------------------------------------------------------------------------------------------------- */

static void die_at(void *context, const char *point)
{
    if (strcmp(point, context) == 0)
        (void)raise(SIGKILL);
}

/* One state is whole; then the next one is begun, and never ended. */
static void write_until_killed(const char *point)
{
    struct store_s3_config config = s3_test_config();
    uint64_t version = 0;
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "one", "first");
    (void)store->ops->manifest_swap(store, &version, "first", 5, NULL);
    ((struct store_s3 *)store)->fault = die_at;
    ((struct store_s3 *)store)->fault_context = (char *)point;
    char *bytes = patterned(17 * MEBI);
    const struct blob blobs[2] = {{"two", "second", 6}, {"large", bytes, 17 * MEBI}};
    (void)store->ops->put(store, blobs, 2, NULL);
    (void)store->ops->manifest_swap(store, &version, "second", 6, NULL);
    _exit(3); /* it passed no such point */
}

static void expect_whole(struct blob_store *store, bool second)
{
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 0, size = 0;
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, NULL), RHEI_OK);
    assert_int_equal(version, second ? 2 : 1);
    assert_memory_equal(bytes, second ? "second" : "first", len);
    base_free(bytes);
    s3_test_has(store, "one", "first");
    if (store->ops->size(store, "two", &size, NULL) == RHEI_OK)
        assert_int_equal(size, 6);
    if (store->ops->size(store, "large", &size, NULL) == RHEI_OK)
        assert_int_equal(size, 17 * MEBI);
    assert_true(!second || size == 17 * MEBI);
}

static void test_a_kill_leaves_one_state_or_the_other(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct {
        const char *point;
        bool second;
    } cases[] = {{"store.put.sent", false},        {"store.put.written", false},   {"store.put.done", false},
                 {"store.manifest.opened", false}, {"store.manifest.named", true}, {"store.manifest.done", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s3_test_begin(NULL);
        int ended = s3_test_run(cases[i].point);
        assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
        struct store_s3_config config = s3_test_config();
        s3_relay_rule(s3_test_relay, NULL);
        struct blob_store *store = s3_test_open(&config);
        assert_int_equal(s3_relay_seen(s3_test_relay, "DELETE", "uploadId="), i == 0);
        expect_whole(store, cases[i].second);
        store->ops->close(&store);
    }
}

int main(void)
{
    if (s3_test_words() != NULL)
        write_until_killed(s3_test_words());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_blob_comes_back, s3_test_begin),
        cmocka_unit_test_setup(test_ends_are_read_side_by_side, s3_test_begin),
        cmocka_unit_test_setup(test_blobs_are_removed_side_by_side, s3_test_begin),
        cmocka_unit_test_setup(test_a_taken_name_is_told_and_kept, s3_test_begin),
        cmocka_unit_test_setup(test_a_large_blob_goes_in_parts, s3_test_begin),
        cmocka_unit_test_setup(test_many_blobs_are_listed_by_pages, s3_test_begin),
        cmocka_unit_test_setup(test_a_damaged_blob_is_set_aside, s3_test_begin),
        cmocka_unit_test_setup(test_one_opened_to_be_read_changes_nothing, s3_test_begin),
        cmocka_unit_test_setup(test_a_server_that_ignores_conditions_is_refused, s3_test_begin),
        cmocka_unit_test_setup(test_a_failed_upload_leaves_nothing, s3_test_begin),
        cmocka_unit_test_setup(test_uploads_left_over_are_ended_by_an_opening, s3_test_begin),
        cmocka_unit_test_setup(test_no_memory_is_an_error, s3_test_begin),
        cmocka_unit_test_setup(test_fault_points_are_passed, s3_test_begin),
        cmocka_unit_test_setup(test_a_kill_leaves_one_state_or_the_other, s3_test_begin),
    };
    return cmocka_run_group_tests(tests, s3_tests_begin, s3_tests_end);
}
