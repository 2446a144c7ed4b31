/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's log: a frame's head is held back until its page comes, and what lies in the file is whole all the same. */
#include "oltp_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

enum { ROUNDS = 12, STATEMENTS = 40 };

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

/*
 * With next to no cache a transaction's pages go into the log before its commit, are read from there and written over in
 * their place, which makes SQLite write the heads of all later frames anew.
 */
static void change_much(sqlite3 *db, unsigned round)
{
    char sql[160];
    run(db, "PRAGMA cache_size = 4");
    run(db, "BEGIN");
    for (unsigned i = 0; i < STATEMENTS; i++) {
        unsigned key = (round * 7919 + i * 104729) % 60;
        bool undone = i % 7 == 3;
        run(db, "SAVEPOINT s");
        snprintf(sql, sizeof sql,
                 i % 3 == 0   ? "INSERT OR REPLACE INTO t VALUES(%u, randomblob(700 + %u))"
                 : i % 3 == 1 ? "UPDATE t SET v = randomblob(length(v)) WHERE id >= %u - %u"
                              : "DELETE FROM t WHERE id = %u + %u",
                 key, i % 3 == 0 ? i * 40 : i % 5);
        run(db, sql);
        run(db, undone ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
    }
    run(db, round % 4 == 3 ? "ROLLBACK" : "COMMIT");
}

static sqlite3_int64 ask(sqlite3 *db, const char *sql, char *text, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    snprintf(text, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_int64 number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

/* What a crash would leave: the files as they are now, opened by SQLite alone, which believes only frames whose sums are right. */
static void compare_with_copy(struct oltp_test *test, sqlite3 *db)
{
    static char ours[1 << 20], theirs[1 << 20];
    static const char all[] = "SELECT group_concat(id || ' ' || hex(substr(v, 1, 40)) || ' ' || length(v)) FROM t";
    char copy[200], command[1000], word[40];
    snprintf(copy, sizeof copy, "%s/copy.db", test->folder);
    snprintf(command, sizeof command, "cp '%s' '%s' && cp '%s-wal' '%s-wal'", test->path, copy, test->path, copy);
    assert_int_equal(system(command), 0);
    sqlite3 *plain = NULL;
    assert_int_equal(sqlite3_open(copy, &plain), SQLITE_OK);
    ask(plain, "PRAGMA integrity_check", word, sizeof word);
    assert_string_equal(word, "ok");
    ask(db, all, ours, sizeof ours);
    ask(plain, all, theirs, sizeof theirs);
    assert_string_equal(ours, theirs);
    assert_int_equal(ask(plain, "SELECT max(seq) FROM _rhei_cdc_log", word, sizeof word),
                     ask(db, "SELECT max(seq) FROM _rhei_cdc_log", word, sizeof word));
    sqlite3_close(plain);
    snprintf(command, sizeof command, "rm -f '%s' '%s-wal' '%s-shm'", copy, copy, copy);
    assert_int_equal(system(command), 0);
}

static void test_a2_the_log_is_whole_at_each_commit(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB)");
    test_write(&test, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40) "
                      "INSERT INTO t SELECT i, randomblob(900) FROM c");
    for (unsigned round = 0; round < ROUNDS; round++) {
        test_reopen(&test); /* a log that is short enough not to be copied meanwhile */
        test_write(&test, "INSERT INTO t(v) VALUES('small commits before')");
        test_write(&test, "UPDATE t SET v = 'and another' WHERE id = 7");
        sqlite3 *db = oltp_native_lock(test.oltp);
        assert_non_null(db);
        change_much(db, round);
        compare_with_copy(&test, db);
        oltp_native_unlock(test.oltp);
        /* another program's frames lie between ours */
        assert_int_equal(test_shell(&test, "INSERT INTO t(v) VALUES('by others')"), 0);
        test_write(&test, "INSERT INTO t(v) VALUES('small commits after')");
        db = oltp_native_lock(test.oltp);
        compare_with_copy(&test, db);
        oltp_native_unlock(test.oltp);
    }
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a2_the_log_is_whole_at_each_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
