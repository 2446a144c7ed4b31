/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a backup: what it refuses, what is in it before and behind its list, and that nothing is left of what came to nothing. */
#include "store_local/store_backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_memory.h"

static char above[64], folder[96];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(above, sizeof above, "/tmp/rhei-backup-XXXXXX");
    if (mkdtemp(above) == NULL)
        return -1;
    (void)snprintf(folder, sizeof folder, "%s/it's \"one\"", above);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf %s", above);
    return system(command);
}

static bool is_there(const char *name)
{
    char path[256];
    struct stat facts;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &facts) == 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void must_begin(struct store_backup *backup)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (store_backup_begin(folder, NULL, 0, backup, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    write_file(backup->database, "pages");
    assert_int_equal(mkdir(backup->mirror, 0777), 0);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/b-s-1.arrow", backup->mirror);
    write_file(path, "rows");
}

static void must_refuse(const char *path, const char *const *apart, size_t count, rhei_status status, const char *words)
{
    struct store_backup backup;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(store_backup_begin(path, apart, count, &backup, &error), status);
    if (strstr(error.message, words) == NULL)
        fail_msg("%s", error.message);
}

static void test_a_backup_counts_once_it_is_sealed(void **state)
{
    (void)state;
    struct store_backup backup;
    struct store_backup_sums sums;
    struct base_buffer json = {0};
    must_begin(&backup);
    assert_true(is_there("backup.json.part") && !is_there("backup.json") && !is_there("rhei.db"));
    must_refuse(folder, NULL, 0, RHEI_EXISTS, "never came to its end");
    assert_int_equal(store_backup_list(&backup, NULL, NULL, &json, &sums, NULL), RHEI_OK);
    assert_string_equal(json.data, "[{\"name\": \"rhei.db\", \"bytes\": 5, \"xxh64\": \"adb3e69d592586c7\"},\n    "
                                   "{\"name\": \"rhei.mirror/b-s-1.arrow\", \"bytes\": 4, \"xxh64\": "
                                   "\"d32ac3d1ef3dd156\"}]");
    assert_true(sums.database_bytes == 5 && sums.mirror_bytes == 4 && sums.files == 2);
    assert_int_equal(store_backup_name(&backup, NULL), RHEI_OK);
    assert_true(is_there("rhei.db") && is_there("rhei.mirror/b-s-1.arrow") && !is_there("backup.json"));
    assert_int_equal(store_backup_seal(&backup, "{}", 2, NULL), RHEI_OK);
    assert_true(is_there("backup.json") && !is_there("backup.json.part"));
    store_backup_end(&backup, true);
    must_refuse(folder, NULL, 0, RHEI_EXISTS, "a backup already");
    base_buffer_reset(&json);
}

/* Wherever it ends; a folder that was there stays. */
static void test_nothing_is_left_of_one_that_came_to_nothing(void **state)
{
    (void)state;
    struct store_backup backup;
    for (int there = 0; there < 2; there++)
        for (int named = 0; named < 2; named++) {
            if (there)
                assert_int_equal(mkdir(folder, 0777), 0);
            must_begin(&backup);
            if (named)
                assert_int_equal(store_backup_name(&backup, NULL), RHEI_OK);
            store_backup_end(&backup, false);
            assert_int_equal(access(folder, F_OK), there ? 0 : -1);
            assert_true(!there || rmdir(folder) == 0); /* and is empty */
        }
    must_begin(&backup);
    store_backup_clear_mirror(&backup);
    assert_true(!is_there("rhei.mirror.part") && is_there("rhei.db.part"));
    store_backup_end(&backup, false);
}

static void test_folders_that_wont_do(void **state)
{
    (void)state;
    char path[256], within[300];
    must_refuse("", NULL, 0, RHEI_INVALID, "the name of a folder");
    must_refuse(NULL, NULL, 0, RHEI_INVALID, "the name of a folder");
    (void)snprintf(path, sizeof path, "%s/absent/there", above);
    must_refuse(path, NULL, 0, RHEI_NOT_FOUND, "absent/there");
    (void)snprintf(path, sizeof path, "%s/mirror", above);
    assert_int_equal(mkdir(path, 0777), 0);
    const char *const apart[] = {NULL, path};
    must_refuse(path, apart, 2, RHEI_INVALID, "of the database itself");
    (void)snprintf(within, sizeof within, "%s/../mirror/new/", path);
    must_refuse(within, apart, 2, RHEI_INVALID, "of the database itself");
    (void)snprintf(within, sizeof within, "%s.old", path); /* which only begins with the same letters */
    struct store_backup backup;
    assert_int_equal(store_backup_begin(within, apart, 2, &backup, NULL), RHEI_OK);
    store_backup_end(&backup, false);
    write_file(folder, "mine");
    must_refuse(folder, NULL, 0, RHEI_EXISTS, "is a file");
    must_refuse(above, NULL, 0, RHEI_EXISTS, "must be empty");
}

static rhei_status enough(void *context)
{
    return --*(int *)context < 0 ? RHEI_CANCELLED : RHEI_OK;
}

static void test_summing_is_cancelled_and_without_memory(void **state)
{
    (void)state;
    struct store_backup backup;
    struct store_backup_sums sums;
    struct base_buffer json = {0};
    int pieces = 1;
    must_begin(&backup);
    assert_int_equal(store_backup_list(&backup, enough, &pieces, &json, &sums, NULL), RHEI_CANCELLED);
    base_buffer_reset(&json);
    store_backup_end(&backup, false);
    rhei_status status = RHEI_NO_MEMORY;
    for (uint64_t n = 1; status == RHEI_NO_MEMORY; n++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        base_memory_fail_after(n);
        status = store_backup_begin(folder, NULL, 0, &backup, &error);
        base_memory_fail_after(0);
        assert_int_equal(access(folder, F_OK), status == RHEI_OK ? 0 : -1);
        assert_true(status == RHEI_OK || error.code == status);
    }
    assert_int_equal(status, RHEI_OK);
    store_backup_end(&backup, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_backup_counts_once_it_is_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_of_one_that_came_to_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders_that_wont_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_summing_is_cancelled_and_without_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
