/* SPDX-License-Identifier: Apache-2.0 */
/* What every blob store promises, of the one in a folder and of the tests' own; and what the folder promises beyond that. */
#include "store_local/store_local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "tests/support/lossy_store.h"

static char folder[64];

/* What reaches the disk, in order: the bytes of a file 'b', a name 'n', the names of a folder 'f'. These stand in the C library's place. */
static char order[64];

static void note(char what)
{
    size_t len = strlen(order);
    if (len < sizeof order - 1)
        order[len] = what;
}

int fsync(int file)
{
    struct stat about;
    note(fstat(file, &about) == 0 && S_ISDIR(about.st_mode) ? 'f' : 'b');
    return (int)syscall(SYS_fsync, file);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    note('n');
    return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    note('n');
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/rhei-store-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct blob_store *open_local(bool read_only)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    struct store_local_config config = {.folder = folder, .read_only = read_only};
    if (store_local_open(&config, &store, &error) != RHEI_OK)
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
    char got[64] = "";
    uint64_t size = 0;
    struct blob_map map;
    assert_int_equal(store->ops->size(store, name, &size, NULL), RHEI_OK);
    assert_int_equal(size, len);
    assert_int_equal(store->ops->get(store, name, 0, got, len, NULL), RHEI_OK);
    assert_memory_equal(got, bytes, len);
    assert_int_equal(store->ops->map(store, name, &map, NULL), RHEI_OK);
    assert_int_equal(map.len, len);
    if (len > 0)
        assert_memory_equal(map.bytes, bytes, len);
    map.release(&map);
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

static void must_keep_blobs(struct blob_store *store)
{
    char got[8];
    must_put(store, "a", "first", 5);
    must_put(store, "0-b.c_d", "", 0);
    must_hold(store, "a", "first", 5);
    must_hold(store, "0-b.c_d", "", 0);
    assert_int_equal(store->ops->get(store, "a", 2, got, 3, NULL), RHEI_OK);
    assert_memory_equal(got, "rst", 3);
    assert_int_equal(store->ops->get(store, "a", 2, got, 4, NULL), RHEI_IO);
    assert_int_equal(store->ops->get(store, "b", 0, got, 1, NULL), RHEI_NOT_FOUND);
    struct blob pair[] = {{"c", "new", 3}, {"a", "other", 5}};
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_EXISTS);
    must_hold(store, "a", "first", 5);
    pair[1].name = "e";
    pair[0].name = "d";
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_OK);
    assert_int_equal(blobs_of(store), 4);
    struct blob_map map;
    assert_int_equal(store->ops->map(store, "d", &map, NULL), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "d", NULL), RHEI_OK);
    assert_int_equal(store->ops->remove(store, "d", NULL), RHEI_OK);
    assert_memory_equal(map.bytes, "new", 3);
    map.release(&map);
    assert_int_equal(blobs_of(store), 3);
}

static void must_swap_manifests(struct blob_store *store)
{
    void *bytes = NULL;
    size_t len = 1;
    uint64_t version = 7, stale = 0;
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, NULL), RHEI_OK);
    assert_null(bytes);
    assert_int_equal(version, 0);
    assert_int_equal(store->ops->manifest_swap(store, &version, "one", 3, NULL), RHEI_OK);
    assert_int_equal(version, 1);
    assert_int_equal(store->ops->manifest_swap(store, &stale, "two", 3, NULL), RHEI_BUSY);
    assert_int_equal(store->ops->manifest_swap(store, &version, "three", 5, NULL), RHEI_OK);
    assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, NULL), RHEI_OK);
    assert_int_equal(version, 2);
    assert_int_equal(len, 5);
    assert_memory_equal(bytes, "three", 5);
    base_free(bytes);
}

static void test_a_store_keeps_what_it_is_given(void **state)
{
    (void)state;
    struct blob_store *stores[] = {open_local(false), lossy_store_new()};
    for (int i = 0; i < 2; i++) {
        must_keep_blobs(stores[i]);
        must_swap_manifests(stores[i]);
        stores[i]->ops->close(&stores[i]);
        assert_null(stores[i]);
    }
    struct blob_store *again = open_local(false);
    must_hold(again, "a", "first", 5);
    assert_int_equal(blobs_of(again), 3);
    again->ops->close(&again);
}

static void test_names_reach_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = {"",   "..", ".",  "../x", "/etc/passwd", "a/b", "A",
                                        "-a", "_a", ".a", "a b",  "\xc3\xa4",    NULL};
    struct blob_store *store = open_local(false);
    char longest[BLOB_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct blob blob = {longest, "x", 1};
    assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_INVALID);
    blob.name = longest + 1;
    assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char byte;
        blob.name = names[i];
        assert_int_equal(store->ops->put(store, &blob, 1, NULL), RHEI_INVALID);
        assert_int_equal(store->ops->get(store, names[i], 0, &byte, 1, NULL), RHEI_INVALID);
        assert_int_equal(store->ops->remove(store, names[i], NULL), RHEI_INVALID);
    }
    char path[100];
    (void)snprintf(path, sizeof path, "%s/b-link", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    char byte;
    assert_int_not_equal(store->ops->get(store, "link", 0, &byte, 1, NULL), RHEI_OK);
    store->ops->close(&store);
}

static void test_one_process_has_a_folder(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = open_local(false), *second = NULL;
    must_put(store, "a", "x", 1);
    struct store_local_config config = {.folder = folder};
    assert_int_equal(store_local_open(&config, &second, &error), RHEI_BUSY);
    assert_null(second);
    struct blob_store *reader = open_local(true);
    must_hold(reader, "a", "x", 1);
    uint64_t version = 0;
    struct blob blob = {"b", "x", 1};
    assert_int_equal(reader->ops->put(reader, &blob, 1, NULL), RHEI_READ_ONLY);
    assert_int_equal(reader->ops->remove(reader, "a", NULL), RHEI_READ_ONLY);
    assert_int_equal(reader->ops->manifest_swap(reader, &version, "x", 1, NULL), RHEI_READ_ONLY);
    reader->ops->close(&reader);
    store->ops->close(&store);
    store = open_local(false);
    store->ops->close(&store);
}

static void write_file(const char *name, const char *text)
{
    char path[150];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void test_a_folder_of_others_is_left_alone(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    struct store_local_config config = {.folder = folder};
    write_file("letter.txt", "dear");
    write_file("t-5", "not to be removed either");
    assert_int_equal(store_local_open(&config, &store, &error), RHEI_INVALID);
    assert_non_null(strstr(error.message, "letter.txt"));
    char path[150];
    (void)snprintf(path, sizeof path, "%s/t-5", folder);
    assert_int_equal(access(path, F_OK), 0);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    assert_int_not_equal(access(path, F_OK), 0);
    config.folder = "/proc/rhei/there";
    assert_int_not_equal(store_local_open(&config, &store, &error), RHEI_OK);
    config.folder = "";
    assert_int_equal(store_local_open(&config, &store, &error), RHEI_INVALID);
}

static void note_line(void *context, int level, const char *room, const char *message)
{
    (void)level;
    assert_string_equal(room, "store_local");
    (void)snprintf(context, 300, "%s", message);
}

static bool is_there(const char *name)
{
    char path[150];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Of a folder that was a store's before, without a manifest or with one. */
static void test_a_stray_file_in_a_store_is_left_alone_and_told(void **state)
{
    (void)state;
    char line[300] = "";
    struct base_log log = {.write = note_line, .context = line, .level = BASE_LOG_WARN};
    struct store_local_config config = {.folder = folder, .log = &log};
    for (int round = 0; round < 2; round++) {
        struct blob_store *store = NULL;
        uint64_t version = 0;
        assert_int_equal(store_local_open(&config, &store, NULL), RHEI_OK);
        if (round == 0)
            assert_string_equal(line, "");
        if (round == 1)
            assert_int_equal(store->ops->manifest_swap(store, &version, "m", 1, NULL), RHEI_OK);
        store->ops->close(&store);
        write_file("letter.txt", "dear");
        write_file("t-shirt", "a name like ours, and not one of them");
        write_file("t-7", "half a blob");
        if (round == 1)
            write_file("lock", "of a version that wrote nothing there");
        assert_int_equal(store_local_open(&config, &store, NULL), RHEI_OK);
        assert_non_null(strstr(line, "and 1 more that aren't Rhei's: they are left alone"));
        assert_true(is_there("letter.txt") && is_there("t-shirt") && !is_there("t-7"));
        store->ops->close(&store);
    }
}

static void test_a_damaged_manifest_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "RHEISTOR", "RHEISTOR\1\0\0", "something else that is long enough"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file("manifest", texts[i]);
        struct blob_store *store = open_local(false);
        void *bytes = NULL;
        size_t len;
        uint64_t version = 0;
        assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, NULL), RHEI_IO);
        assert_null(bytes);
        assert_int_equal(store->ops->manifest_swap(store, &version, "x", 1, NULL), RHEI_IO);
        store->ops->close(&store);
    }
}

/* ---- Read while another process writes. ------------------------------------------------------------------------------ */

static const char newer[] = "another, longer one";

static void swap_once(void *context, const char *point)
{
    struct blob_store **writer = context;
    uint64_t version = 1;
    if (strcmp(point, "store.manifest.opened") != 0 || *writer == NULL)
        return;
    assert_int_equal((*writer)->ops->manifest_swap(*writer, &version, newer, sizeof newer, NULL), RHEI_OK);
    (*writer)->ops->close(writer);
}

static void test_a_manifest_is_read_whole_while_another_takes_its_place(void **state)
{
    (void)state;
    struct blob_store *writer = open_local(false), *reader = NULL;
    const struct store_local_config config = {
        .folder = folder, .read_only = true, .fault = swap_once, .fault_context = &writer};
    void *bytes = NULL;
    size_t len = 0;
    uint64_t version = 0;
    assert_int_equal(writer->ops->manifest_swap(writer, &version, "old", 3, NULL), RHEI_OK);
    assert_int_equal(store_local_open(&config, &reader, NULL), RHEI_OK);
    assert_int_equal(reader->ops->manifest_read(reader, &bytes, &len, &version, NULL), RHEI_OK);
    assert_null(writer);
    assert_true(version == 1 && len == 3 && memcmp(bytes, "old", 3) == 0);
    base_free(bytes);
    assert_int_equal(reader->ops->manifest_read(reader, &bytes, &len, &version, NULL), RHEI_OK);
    assert_true(version == 2 && len == sizeof newer && memcmp(bytes, newer, len) == 0);
    base_free(bytes);
    reader->ops->close(&reader);
}

/* ---- Killed at every step. ---------------------------------------------------------------------------------------- */

static void die_at(void *context, const char *point)
{
    if (strcmp(context, point) == 0)
        _exit(42);
}

static void killed_at(const char *point)
{
    pid_t child = fork();
    if (child == 0) {
        struct blob_store *store = NULL;
        struct store_local_config config = {
            .folder = folder, .fault = die_at, .fault_context = (void *)(uintptr_t)point};
        struct blob pair[] = {{"two", "22", 2}, {"three", "333", 3}};
        uint64_t version = 1;
        if (store_local_open(&config, &store, NULL) == RHEI_OK && store->ops->put(store, pair, 2, NULL) == RHEI_OK)
            (void)store->ops->manifest_swap(store, &version, "new", 3, NULL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void test_a_kill_leaves_whole_blobs_and_one_manifest(void **state)
{
    (void)state;
    static const char *const points[] = {"store.put.written",  "store.put.synced",       "store.put.named",
                                         "store.put.done",     "store.manifest.written", "store.manifest.named",
                                         "store.manifest.done"};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct blob_store *store = open_local(false);
        uint64_t version = 0;
        must_put(store, "one", "1", 1);
        assert_int_equal(store->ops->manifest_swap(store, &version, "old", 3, NULL), RHEI_OK);
        store->ops->close(&store);
        killed_at(points[i]);

        store = open_local(false);
        void *bytes = NULL;
        size_t len = 0;
        assert_int_equal(store->ops->manifest_read(store, &bytes, &len, &version, NULL), RHEI_OK);
        bool renewed = i >= 5;
        assert_int_equal(version, renewed ? 2 : 1);
        assert_memory_equal(bytes, renewed ? "new" : "old", 3);
        base_free(bytes);
        must_hold(store, "one", "1", 1);
        if (i >= 2) {
            must_hold(store, "two", "22", 2);
            must_hold(store, "three", "333", 3);
        }
        assert_int_equal(blobs_of(store), i >= 2 ? 3 : 1);
        store->ops->close(&store);
        void *unused = NULL;
        assert_int_equal(tear_down(&unused), 0);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
}

static void test_a_failed_put_changes_nothing(void **state)
{
    (void)state;
    struct blob_store *store = open_local(false);
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/b-taken", folder);
    must_put(store, "taken", "x", 1);
    struct blob pair[] = {{"new", "y", 1}, {"new", "z", 1}}; /* the second fails after the first has its name */
    assert_int_equal(store->ops->put(store, pair, 2, &error), RHEI_EXISTS);
    assert_int_equal(blobs_of(store), 1);
    store->ops->close(&store);
}

/* Else a power cut leaves a name without its bytes. */
static void test_a2_bytes_are_durable_before_they_have_a_name(void **state)
{
    (void)state;
    struct blob_store *store = open_local(false);
    struct blob pair[] = {{"a", "one", 3}, {"b", "two", 3}};
    uint64_t version = 0;
    memset(order, 0, sizeof order);
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_OK);
    assert_string_equal(order, "bbnnf");
    memset(order, 0, sizeof order);
    assert_int_equal(store->ops->manifest_swap(store, &version, "list", 4, NULL), RHEI_OK);
    assert_string_equal(order, "bnf");
    store->ops->close(&store);
}

static void test_the_double_behaves_badly(void **state)
{
    (void)state;
    struct blob_store *store = lossy_store_new();
    struct blob pair[] = {{"a", "whole", 5}, {"b", "torn in half", 12}};
    lossy_store_set(store, &(struct lossy_config){.fail_after = 2, .tear = true});
    assert_int_equal(store->ops->put(store, pair, 2, NULL), RHEI_IO);
    lossy_store_crash(store);
    assert_int_equal(blobs_of(store), 1);
    must_hold(store, "b", "torn in", 6);
    lossy_store_set(store, &(struct lossy_config){.unseen_lists = 2, .no_map = true});
    must_put(store, "late", "x", 1);
    assert_int_equal(blobs_of(store), 1);
    assert_int_equal(blobs_of(store), 1);
    assert_int_equal(blobs_of(store), 2);
    struct blob_map map;
    assert_int_equal(store->ops->map(store, "late", &map, NULL), RHEI_UNSUPPORTED);
    assert_int_equal(store->ops->remove(store, "late", NULL), RHEI_OK);
    lossy_store_crash(store);
    assert_int_equal(blobs_of(store), 2);
    assert_true(lossy_store_flip(store, "late", 0));
    assert_false(lossy_store_flip(store, "late", 1));
    store->ops->close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_store_keeps_what_it_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_reach_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_process_has_a_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_folder_of_others_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stray_file_in_a_store_is_left_alone_and_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_manifest_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_manifest_is_read_whole_while_another_takes_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_kill_leaves_whole_blobs_and_one_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failed_put_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a2_bytes_are_durable_before_they_have_a_name, set_up, tear_down),
        cmocka_unit_test(test_the_double_behaves_badly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
