/* SPDX-License-Identifier: Apache-2.0 */
/* What every blob store promises, of the one in RocksDB: what is there is whole, whatever died when. */
#include "buffer_rocksdb/rocksdb_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "buffer_fixture.h"

enum { LONG = (5 << 19) + 7 }; /* of several chunks, the last one short */

static rhei_status try_open(const char *folder, const char *owner, struct blob_store **store, struct rhei_error *error)
{
    const struct rocksdb_store_config config = {.folder = folder, .owner = owner};
    return rocksdb_store_open(&config, store, error);
}

static struct blob_store *open_store(const char *folder)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    if (try_open(folder, "app", &store, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return store;
}

static void must_put(struct blob_store *store, const char *name, const void *bytes, size_t len)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob blob = {name, bytes, len};
    if (store->ops->put(store, &blob, 1, &error) != RHEI_OK)
        fail_msg("%s: %s", name, error.message);
}

static void must_hold(struct blob_store *store, const char *name, const char *bytes, size_t len)
{
    char *got = malloc(len + 1);
    uint64_t size = 0;
    assert_non_null(got);
    assert_int_equal(store->ops->size(store, name, &size, NULL), RHEI_OK);
    assert_int_equal(size, len);
    assert_int_equal(store->ops->get(store, name, 0, got, len, NULL), RHEI_OK);
    assert_memory_equal(got, bytes, len);
    free(got);
}

static rhei_status count_blob(void *context, const char *name, uint64_t size, struct rhei_error *error)
{
    (void)name, (void)size, (void)error;
    ++*(int *)context;
    return RHEI_OK;
}

static int blobs_of(struct blob_store *store)
{
    int count = 0;
    assert_int_equal(store->ops->list(store, count_blob, &count, NULL), RHEI_OK);
    return count;
}

static char *long_text(char first)
{
    char *text = malloc(LONG);
    assert_non_null(text);
    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)((size_t)first + i / 1000 * 7 + i % 251);
    return text;
}

static void test_a_store_keeps_what_it_is_given(void **state)
{
    (void)state;
    const char *folder = fixture_folder();
    struct blob_store *store = open_store(folder);
    struct blob_map map;
    char got[100], *text = long_text('a');
    must_put(store, "a", "first", 5);
    must_put(store, "0-b.c_d", "", 0);
    must_put(store, "a0", text, LONG);
    must_hold(store, "a", "first", 5);
    must_hold(store, "0-b.c_d", "", 0);
    must_hold(store, "a0", text, LONG);
    assert_int_equal(store->ops->get(store, "a0", (1 << 20) - 50, got, 100, NULL), RHEI_OK); /* over a chunk's end */
    assert_memory_equal(got, text + (1 << 20) - 50, 100);
    assert_int_equal(store->ops->get(store, "a", 2, got, 4, NULL), RHEI_IO);
    assert_int_equal(store->ops->get(store, "b", 0, got, 1, NULL), RHEI_NOT_FOUND);
    assert_int_equal(store->ops->map(store, "a", &map, NULL), RHEI_UNSUPPORTED);
    struct blob pair[] = {{"c", "new", 3}, {"a", "other", 5}};
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_EXISTS);
    assert_int_equal(blobs_of(store), 3);
    pair[1].name = "e";
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "a0", NULL), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "a0", NULL), RHEI_OK);
    must_hold(store, "a", "first", 5); /* whose name is the beginning of the other's */
    assert_int_equal(blobs_of(store), 4);
    static const char *const names[] = {"", "..", "../x", "a/b", "A", "-a", ".a", "a b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct blob blob = {names[i], "x", 1};
        assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_INVALID);
        assert_int_equal(store->ops->get(store, names[i], 0, got, 1, NULL), RHEI_INVALID);
    }
    store->ops->close(&store);
    assert_null(store);
    store = open_store(folder);
    must_hold(store, "a", "first", 5);
    must_hold(store, "e", "other", 5);
    assert_int_equal(blobs_of(store), 4);
    store->ops->close(&store);
    free(text);
    fixture_remove(folder);
}

static void must_read(struct blob_store *store, uint64_t version, const char *text)
{
    void *bytes = NULL;
    size_t len = 0;
    uint64_t got = 0;
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &got, NULL), RHEI_OK);
    assert_int_equal(got, version);
    assert_int_equal(len, strlen(text));
    if (version == 0)
        assert_null(bytes);
    else
        assert_memory_equal(bytes, text, len);
    base_free(bytes);
}

static void test_a_manifest_moves_by_its_version(void **state)
{
    (void)state;
    const char *folder = fixture_folder();
    struct blob_store *store = open_store(folder);
    uint64_t version = 0, stale = 0;
    must_read(store, 0, "");
    assert_int_equal(store->ops->manifest_swap(store, &version, "one", 3, NULL), RHEI_OK);
    assert_int_equal(version, 1);
    assert_int_equal(store->ops->manifest_swap(store, &stale, "two", 3, NULL), RHEI_BUSY);
    assert_int_equal(store->ops->manifest_swap(store, &version, "three", 5, NULL), RHEI_OK);
    must_read(store, 2, "three");
    store->ops->close(&store);
    store = open_store(folder);
    must_read(store, 2, "three");
    assert_int_equal(store->ops->manifest_swap(store, &stale, "four", 4, NULL), RHEI_BUSY);
    assert_int_equal(store->ops->manifest_swap(store, &version, "four", 4, NULL), RHEI_OK);
    must_read(store, 3, "four");
    store->ops->close(&store);
    fixture_remove(folder);
}

static void die_at(void *context, const char *point)
{
    if (strcmp(context, point) == 0)
        _exit(7);
}

/* A second version of everything, by a process that dies at that point. */
static void die_writing(const char *folder, const char *point, const char *text)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rocksdb_store_config config = {
            .folder = folder, .owner = "app", .fault = die_at, .fault_context = (void *)(uintptr_t)point};
        struct blob_store *store = NULL;
        uint64_t version = 1;
        struct blob pair[] = {{"long", text, LONG}, {"short", "2", 1}};
        if (rocksdb_store_open(&config, &store, NULL) != RHEI_OK || store->ops->put(store, pair, 2, NULL) != RHEI_OK ||
            store->ops->manifest_swap(store, &version, "second", 6, NULL) != RHEI_OK)
            _exit(1);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a2_what_is_there_is_whole_whoever_died(void **state)
{
    static const struct {
        const char *point;
        bool blobs, manifest;
    } points[] = {{"rocksdb.put.begun", false, false},
                  {"rocksdb.put.done", true, false},
                  {"rocksdb.manifest.begun", true, false},
                  {"rocksdb.manifest.done", true, true}};
    (void)state;
    char *text = long_text('b'), *other = long_text('q');
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        const char *folder = fixture_folder();
        struct blob_store *store = open_store(folder);
        uint64_t version = 0;
        assert_int_equal(store->ops->manifest_swap(store, &version, "first", 5, NULL), RHEI_OK);
        store->ops->close(&store);
        die_writing(folder, points[i].point, text);
        store = open_store(folder);
        assert_int_equal(blobs_of(store), points[i].blobs ? 2 : 0);
        if (points[i].blobs)
            must_hold(store, "long", text, LONG);
        else
            must_put(store, "long", other, LONG);
        if (!points[i].blobs)
            must_hold(store, "long", other, LONG);
        must_read(store, points[i].manifest ? 2 : 1, points[i].manifest ? "second" : "first");
        store->ops->close(&store);
        fixture_remove(folder);
    }
    free(text);
    free(other);
}

static void test_s2_a_folder_is_one_handles_and_one_owners(void **state)
{
    (void)state;
    const char *folder = fixture_folder();
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = open_store(folder), *second = NULL;
    assert_int_equal(try_open(folder, "app", &second, &error), RHEI_BUSY);
    assert_non_null(strstr(error.message, "watermark_path"));
    must_put(store, "a", "x", 1);
    store->ops->close(&store);
    error_clear(&error);
    assert_int_equal(try_open(folder, "shop", &second, &error), RHEI_EXISTS);
    assert_non_null(strstr(error.message, "that of sidecar \"app\""));
    struct change_buffer *buffer = NULL;
    struct rocksdb_buffer_config config = fixture_config(folder);
    error_clear(&error);
    assert_int_equal(rocksdb_buffer_open(&config, &buffer, &error), RHEI_INVALID);
    assert_non_null(strstr(error.message, "isn't a change buffer"));
    store = open_store(folder);
    must_hold(store, "a", "x", 1);
    store->ops->close(&store);
    fixture_remove(folder);
}

/* It is a cache: what can't be read is kept for people, and begun anew. */
static void test_a3_a_damaged_database_is_set_aside(void **state)
{
    (void)state;
    const char *folder = fixture_folder();
    struct blob_store *store = open_store(folder);
    must_put(store, "a", "x", 1);
    store->ops->close(&store);
    char command[300];
    (void)snprintf(command, sizeof command, "for f in %s/db/CURRENT; do echo nonsense > $f; done", folder);
    assert_int_equal(system(command), 0);
    store = open_store(folder);
    assert_int_equal(blobs_of(store), 0);
    must_put(store, "a", "y", 1);
    store->ops->close(&store);
    (void)snprintf(command, sizeof command, "test -d %s/aside-1", folder);
    assert_int_equal(system(command), 0);
    store = open_store(folder);
    must_hold(store, "a", "y", 1);
    store->ops->close(&store);
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_keeps_what_it_is_given),
        cmocka_unit_test(test_a_manifest_moves_by_its_version),
        cmocka_unit_test(test_a2_what_is_there_is_whole_whoever_died),
        cmocka_unit_test(test_s2_a_folder_is_one_handles_and_one_owners),
        cmocka_unit_test(test_a3_a_damaged_database_is_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
