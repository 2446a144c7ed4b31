/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that the write-ahead log fills: a file system on which that file has a most. */
#include "oltp_test.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "oltp/oltp_internal.h"

#define LIMIT_NS INT64_C(60000000000) /* how long a test waits for what must come */

/* ---- The file system. -------------------------------------------------------------------------------------------- */

static atomic_llong wal_room = INT64_MAX, file_room = INT64_MAX; /* bytes that each may have */

struct tight { /* behind the system's own part of a file */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *system;
    atomic_llong *room;
};

static sqlite3_vfs tight_vfs;
static sqlite3_vfs *tight_system;

static size_t tight_offset(void)
{
    return ((size_t)tight_system->szOsFile + 15) / 16 * 16;
}

static struct tight *tight_of(sqlite3_file *file)
{
    return (struct tight *)(void *)((char *)file + tight_offset());
}

static int tight_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    struct tight *tight = tight_of(file);
    sqlite3_int64 size = 0;
    int rc = tight->system->xFileSize(file, &size);
    if (rc == SQLITE_OK && at + count > size && at + count > atomic_load(tight->room))
        return SQLITE_FULL;
    return rc == SQLITE_OK ? tight->system->xWrite(file, bytes, count, at) : rc;
}

static int tight_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    int rc = tight_system->xOpen(tight_system, name, file, flags, out_flags);
    if (rc == SQLITE_OK && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)) != 0 && file->pMethods != NULL) {
        struct tight *tight = tight_of(file);
        *tight = (struct tight){.methods = *file->pMethods,
                                .system = file->pMethods,
                                .room = (flags & SQLITE_OPEN_WAL) != 0 ? &wal_room : &file_room};
        tight->methods.xWrite = tight_write;
        file->pMethods = &tight->methods;
    }
    return rc;
}

static int tight_register(void **state)
{
    (void)state;
    tight_system = sqlite3_vfs_find(NULL);
    tight_vfs = *tight_system;
    tight_vfs.zName = "tight";
    tight_vfs.pNext = NULL;
    tight_vfs.szOsFile = (int)(tight_offset() + sizeof(struct tight));
    tight_vfs.xOpen = tight_open;
    return sqlite3_vfs_register(&tight_vfs, 1);
}

/* ---- Tests. ------------------------------------------------------------------------------------------------------ */

enum { ROWS = 200, WAL_ROOM = 2 << 20 }; /* less than what has a commit ask for a checkpoint */

/* A file that has its size, with a log that is empty and may have so many bytes. */
static void open_tight(struct oltp_test *test)
{
    char sql[160];
    atomic_store(&wal_room, INT64_MAX);
    atomic_store(&file_room, INT64_MAX);
    test_open(test);
    test_write(test, "CREATE TABLE t(id INTEGER PRIMARY KEY, b)");
    snprintf(sql, sizeof sql,
             "INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "SELECT i, zeroblob(4000) FROM n",
             ROWS);
    test_write(test, sql);
    test_reopen(test);
    assert_true(WAL_ROOM / 4096 < oltp_checkpoint_pages(test->oltp));
    assert_true(test->oltp->config.wal_limit_bytes > WAL_ROOM);
    atomic_store(&wal_room, WAL_ROOM);
}

static rhei_status change(struct oltp_test *test, struct rhei_error *error)
{
    return test_try(test, "UPDATE t SET b = randomblob(4000) WHERE id = 1 + abs(random() % 200)", error);
}

static void fill_disk(struct oltp_test *test)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    while (change(test, &error) == RHEI_OK)
        assert_int_equal(error.code, RHEI_OK);
    assert_int_equal(error.code, RHEI_FULL);
}

/* Until a change is taken again; in vain: the test ends. */
static void wait_for_room(struct oltp_test *test)
{
    int64_t until = base_now_ns() + LIMIT_NS;
    struct rhei_error error = RHEI_ERROR_INIT;
    while (change(test, &error) != RHEI_OK) {
        assert_int_equal(error.code, RHEI_FULL);
        assert_true(base_now_ns() < until);
        error = (struct rhei_error)RHEI_ERROR_INIT;
    }
}

static void test_a11_a_disk_that_the_log_fills_has_room_again(void **state)
{
    (void)state;
    struct oltp_test test;
    open_tight(&test);
    for (int round = 0; round < 3; round++) {
        fill_disk(&test);
        wait_for_room(&test);
    }
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t"), ROWS);
    test_expect(&test, "PRAGMA integrity_check", "'ok'\n");
    test_close(&test);
}

/* A reader that needs the log keeps it; once it is done the log goes without being asked again. */
static void test_a11_a_full_disk_waits_for_who_reads_the_log(void **state)
{
    (void)state;
    struct oltp_test test;
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char read[] = "SELECT id FROM t ORDER BY id";
    open_tight(&test);
    assert_int_equal(change(&test, &error), RHEI_OK);
    assert_int_equal(oltp_read(test.oltp, read, strlen(read), NULL, 0, NULL, true, &cursor, &error), RHEI_OK);
    assert_int_equal(oltp_cursor_next(cursor, &error), RHEI_ROW);
    fill_disk(&test);
    int64_t until = base_now_ns() + LIMIT_NS;
    while (atomic_load(&test.oltp->wal_held_since_ns) == 0) /* somebody looked, in vain */
        assert_true(base_now_ns() < until);
    assert_int_equal(change(&test, &error), RHEI_FULL);
    oltp_cursor_close(&cursor);
    while (atomic_load(&test.oltp->wal_held_since_ns) != 0 || atomic_load(&test.oltp->disk_full))
        assert_true(base_now_ns() < until);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(change(&test, &error), RHEI_OK);
    test_close(&test);
}

/* The file itself may have no room for what the log has: then each write that fails tries it again, and nobody does in between. */
static void test_a11_a_full_disk_without_room_for_the_file(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    open_tight(&test);
    atomic_store(&file_room, 0);
    test_write(&test, "CREATE TABLE more(b)");
    while (test_try(&test, "INSERT INTO more VALUES(randomblob(20000))", &error) == RHEI_OK)
        assert_int_equal(error.code, RHEI_OK);
    assert_int_equal(error.code, RHEI_FULL);
    int64_t until = base_now_ns() + LIMIT_NS;
    while (atomic_load(&test.oltp->disk_full))
        assert_true(base_now_ns() < until);
    atomic_store(&file_room, INT64_MAX);
    wait_for_room(&test);
    assert_true(test_int(&test, "SELECT count(*) FROM more") > 10);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_a_disk_that_the_log_fills_has_room_again),
        cmocka_unit_test(test_a11_a_full_disk_waits_for_who_reads_the_log),
        cmocka_unit_test(test_a11_a_full_disk_without_room_for_the_file),
    };
    return cmocka_run_group_tests(tests, tight_register, NULL);
}
