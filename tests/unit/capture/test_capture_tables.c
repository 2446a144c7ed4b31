/* SPDX-License-Identifier: Apache-2.0 */
/* Many tables, several engines, Rhei's own tables: what a schema change reaches, and what others may do to them. */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_backup.h"
#include "oltp/oltp_internal.h"

static int64_t triggers_of(struct oltp_test *test, const char *table)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '%s'", table);
    return test_int(test, sql);
}

static void make_tables(struct oltp_test *test, int from, int to)
{
    struct base_buffer sql = {0};
    for (int i = from; i < to; i++) {
        base_buffer_format(&sql, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, a UNIQUE, b);", i);
        base_buffer_format(&sql, "INSERT INTO t%d VALUES(1, 'one', %d);", i, i);
    }
    test_script(test, sql.data);
    base_buffer_reset(&sql);
}

static void test_c6_a_schema_change_reaches_only_its_table(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    make_tables(&test, 0, 60);
    test_mirror_check(mirror);
    int64_t each = triggers_of(&test, "t0");
    uint32_t ids[60];
    for (int i = 0; i < 60; i++) {
        char table[16];
        snprintf(table, sizeof table, "t%d", i);
        ids[i] = test_mirror_id(mirror, table);
    }
    test_script(&test,
                "CREATE TABLE x(id INTEGER PRIMARY KEY); CREATE TABLE y(a, b); CREATE VIEW v AS SELECT a FROM t1;"
                "CREATE TABLE z(k TEXT PRIMARY KEY, c) WITHOUT ROWID; CREATE INDEX t3b ON t3(b)");
    test_write(&test, "ALTER TABLE t7 ADD COLUMN c DEFAULT 'back'");
    test_write(&test, "ALTER TABLE y RENAME TO t100");
    test_write(&test, "DROP TABLE t9");
    test_write(&test, "DROP VIEW v");
    for (int i = 0; i < 60; i++) {
        char table[16], sql[80];
        snprintf(table, sizeof table, "t%d", i);
        assert_int_equal(triggers_of(&test, table), i == 9 ? 0 : each);
        snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO t%d(id, a, b) VALUES(2, 'one', 9)", i);
        if (i != 9)
            test_write(&test, sql);
    }
    assert_true(triggers_of(&test, "x") > 0 && triggers_of(&test, "x") < each);
    assert_int_equal(triggers_of(&test, "t100"), triggers_of(&test, "x"));
    test_mirror_check(mirror);
    for (int i = 0; i < 60; i++) { /* the same version, so it was not built anew */
        char table[16];
        snprintf(table, sizeof table, "t%d", i);
        assert_true(i == 7 || i == 9 || test_mirror_id(mirror, table) == ids[i]);
    }
    /* and by others, with one look at the end of it */
    assert_int_equal(test_shell(&test,
                                "DROP TABLE t1; ALTER TABLE t2 RENAME TO t1; CREATE TABLE t2(q); CREATE TRIGGER t4u "
                                "AFTER INSERT ON t4 BEGIN UPDATE t4 SET b = 7 WHERE id = NEW.id; END; "
                                "INSERT INTO t2 VALUES(1); INSERT INTO t4 VALUES(5, 'five', 5)"),
                     0);
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c6_temporary_objects_change_nothing(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    uint64_t version = capture_schema_version(test.oltp);
    int64_t cookie = test_int(&test, "PRAGMA schema_version");
    test_write(&test, "CREATE TEMP TABLE x(a)");
    test_write(&test, "CREATE TEMP VIEW xv AS SELECT 1");
    test_write(&test, "DROP TABLE temp.x");
    test_write(&test, "CREATE TABLE IF NOT EXISTS t(id)");
    assert_int_equal(capture_schema_version(test.oltp), version);
    assert_int_equal(test_int(&test, "PRAGMA schema_version"), cookie);
    test_close(&test);
}

/* SQLite reads a trigger's text again with TEMP names first, so a TEMP table would make every ALTER fail. */
static void test_c5_a_temporary_name_hides_no_captured_table(void **state)
{
    (void)state;
    static const char *const hidden[] = {"CREATE TEMP TABLE A(q)", "CREATE TEMP VIEW a AS SELECT 1 AS id"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        struct oltp_test test;
        test_open(&test);
        test_script(&test,
                    "CREATE TABLE a(id INTEGER PRIMARY KEY, x UNIQUE); CREATE TABLE v(id INTEGER PRIMARY KEY, x);"
                    "INSERT INTO a VALUES(1, 1), (2, 2); INSERT INTO v VALUES(1, 1)");
        struct test_mirror *mirror = test_mirror_new(&test);
        test_mirror_check(mirror);
        uint32_t id = test_mirror_id(mirror, "a");
        assert_int_equal(sqlite3_exec(test.oltp->writer->db, hidden[i], NULL, NULL, NULL),
                         SQLITE_OK); /* the native one */
        test_write(&test, "INSERT INTO main.a VALUES(3, 3)");
        test_script(&test, "ALTER TABLE v RENAME COLUMN x TO y; ALTER TABLE v RENAME TO w; ALTER TABLE w ADD COLUMN z;"
                           "ALTER TABLE w DROP COLUMN y; INSERT INTO w VALUES(2, 2)");
        test_write(&test, "INSERT OR REPLACE INTO main.a VALUES(4, 3)");
        test_write(&test, "UPDATE main.a SET x = x + 5 WHERE id = 1");
        test_mirror_check(mirror);
        assert_int_equal(test_mirror_id(mirror, "a"), id);
        test_expect(&test, "SELECT id, x FROM main.a ORDER BY id", "1|6\n2|2\n4|3\n");
        test_mirror_free(&mirror);
        test_close(&test);
    }
}

/* All writers of a handle share a connection: what one makes TEMP takes no statement of the others. */
static void test_c1_nothing_temporary_hides_what_the_file_has(void **state)
{
    (void)state;
    static const char *const hides[] = {
        "CREATE TEMP TABLE A(q)",        "CREATE TABLE temp.a(q)",        "CREATE TEMPORARY VIEW a AS SELECT 1 AS id",
        "CREATE TEMP TABLE v(q)",        "CREATE TABLE spare(q)", /* there is a TEMP one */
        "ALTER TABLE a RENAME TO spare", "CREATE VIEW spare AS SELECT 1",
    };
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    test_script(&test, "CREATE TABLE a(id INTEGER PRIMARY KEY, x); CREATE VIEW v AS SELECT * FROM a;"
                       "CREATE TEMP TABLE spare(q); CREATE TEMP TRIGGER a AFTER INSERT ON a BEGIN SELECT 1; END");
    struct test_mirror *mirror = test_mirror_new(&test);
    for (size_t i = 0; i < sizeof hides / sizeof *hides; i++) {
        assert_int_equal(test_try(&test, hides[i], &error), RHEI_EXISTS);
        assert_non_null(strstr(error.message, "another name"));
        test_write(&test, "INSERT INTO a(x) VALUES(1)");
        assert_int_equal(test_int(&test, "SELECT count(*) FROM main.a"), i + 1);
        test_mirror_check(mirror);
    }
    test_write(&test, "DROP TABLE temp.spare");
    test_write(&test, "CREATE TABLE spare(q)");
    test_mirror_free(&mirror);
    test_close(&test);
}

static void test_c1_a_wide_table_widens_the_log_at_once(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_write(&test, "INSERT INTO t VALUES(1, 'before')");
    int64_t cookie = test_int(&test, "PRAGMA schema_version");
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "CREATE TABLE w(c1 INTEGER PRIMARY KEY");
    for (int i = 2; i <= 64; i++)
        base_buffer_format(&sql, ", c%d", i);
    base_buffer_char(&sql, ')');
    test_write(&test, sql.data);
    base_buffer_reset(&sql);
    assert_true(test_int(&test, "PRAGMA schema_version") < cookie + 12);
    assert_int_equal(test_int(&test, "SELECT sql LIKE '%,c63,c64)' FROM sqlite_schema WHERE name = '_rhei_cdc_log'"),
                     1);
    test_write(&test, "INSERT INTO w(c1, c2, c64) VALUES(1, 'two', 'last')");
    test_write(&test, "INSERT INTO t VALUES(2, 'after')");
    test_expect(&test, "SELECT c64 FROM _rhei_cdc_log WHERE op = 'I' AND c2 = 'two'", "'last'\n");
    test_expect(&test, "PRAGMA integrity_check", "'ok'\n");
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- Several engines. ---- */

static struct oltp *open_other(const struct oltp_test *test, bool auto_register)
{
    struct oltp_config config;
    struct oltp *other = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_default_config(test, &config);
    config.auto_register = auto_register;
    if (capture_open(&config, &other, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return other;
}

static bool is_mirrored(struct oltp *oltp, const char *name)
{
    const struct capture_catalog *catalog = NULL;
    bool found = false;
    assert_int_equal(capture_catalog_take(oltp, &catalog, NULL), RHEI_OK);
    for (uint32_t i = 0; i < catalog->table_count; i++)
        found |= strcmp(catalog->tables[i].source.name, name) == 0 && catalog->tables[i].source.id != 0;
    capture_catalog_release(&catalog);
    return found;
}

static void test_a8_engines_of_different_registration_leave_each_other_alone(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(id INTEGER PRIMARY KEY, v)");
    struct oltp *other = open_other(&test, false);
    int64_t cookie = test_int(&test, "PRAGMA schema_version"), each = triggers_of(&test, "t");
    assert_true(each > 0);
    for (int i = 0; i < 5; i++) {
        assert_true(is_mirrored(test.oltp, "t"));
        assert_false(is_mirrored(other, "t"));
    }
    assert_int_equal(test_int(&test, "PRAGMA schema_version"), cookie);
    /* its own schema changes keep what the other captures */
    assert_int_equal(oltp_write(other, "ALTER TABLE t ADD COLUMN w", 26, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
    assert_true(is_mirrored(test.oltp, "t"));
    assert_int_equal(triggers_of(&test, "t"), each);
    /* asked for by name, it is mirrored; released by name, by nobody */
    assert_int_equal(capture_register_table(other, "t", NULL, NULL), RHEI_OK);
    assert_true(is_mirrored(other, "t"));
    assert_int_equal(capture_release_table(other, "u", NULL, NULL), RHEI_OK);
    assert_false(is_mirrored(test.oltp, "u"));
    assert_int_equal(triggers_of(&test, "u"), 0);
    oltp_close(&other);
    test_reopen(&test);
    assert_false(is_mirrored(test.oltp, "u"));
    assert_true(is_mirrored(test.oltp, "t"));
    test_close(&test);
}

static void test_a8_dead_engines_hold_nothing(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_mirror_check(mirror);
    assert_int_equal(
        test_shell(&test, "INSERT INTO _rhei_engines VALUES(7, 0, 1000), (8, 0, 99999999999999), (9, 0, NULL)"), 0);
    for (int i = 0; i < 20; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, 1)", i);
        test_write(&test, sql);
    }
    test_mirror_check(mirror);
    uint64_t pruned = 0;
    assert_int_equal(test.source->ops->prune(test.source, test.position == 0 ? 20 : test.position, &pruned, NULL),
                     RHEI_OK);
    assert_true(test_int(&test, "SELECT count(*) FROM _rhei_cdc_log") < 5);
    test_mirror_free(&mirror);
    test_reopen(&test); /* registers, and buries */
    test_expect(&test, "SELECT count(*) FROM _rhei_engines WHERE id < 10", "0\n");
    test_close(&test);
}

/* ---- Rhei's own tables. ---- */

static void test_a10_dropped_pieces_are_made_again(void **state)
{
    (void)state;
    static const char *const drops[] = {
        "DROP TABLE _rhei_cdc_log",
        "DROP TABLE _rhei_tables",
        "DROP TABLE _rhei_engines",
        "DROP TABLE _rhei_meta",
        "DROP VIEW _rhei_cdc_events",
        "DROP INDEX _rhei_tables_name",
        "DROP TABLE _rhei_cdc_log; DROP TABLE _rhei_tables; DROP TABLE _rhei_meta; DROP TABLE _rhei_engines",
    };
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++) {
        for (int reopened = 0; reopened < 2; reopened++) {
            struct oltp_test test;
            test_open(&test);
            struct test_mirror *mirror = test_mirror_new(&test);
            test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(a UNIQUE, b)");
            test_script(&test,
                        "INSERT INTO t VALUES(1, 'a'), (2, 'b'); INSERT INTO u VALUES(1, 2); UPDATE t SET v = 'c'");
            test_mirror_check(mirror);
            int64_t last = test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log");
            uint32_t id = test_mirror_id(mirror, "t");
            assert_int_equal(test_shell(&test, drops[i]), 0);
            if (reopened) {
                test_mirror_free(&mirror);
                test_reopen(&test);
                mirror = test_mirror_new(&test);
            }
            test_mirror_check(mirror);
            test_write(&test, "INSERT INTO t VALUES(3, 'd')");
            test_write(&test, "INSERT OR REPLACE INTO u VALUES(1, 3)");
            assert_int_equal(test_shell(&test, "DELETE FROM t WHERE id = 1"), 0);
            test_mirror_check(mirror);
            if (strstr(drops[i], "TABLE") != NULL && !reopened) {
                assert_true(test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log") >
                            last); /* never from its beginning */
            }
            assert_true(test_mirror_id(mirror, "t") >= id);
            test_expect(
                &test,
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('_rhei_cdc_log', '_rhei_tables', '_rhei_meta', "
                "'_rhei_engines', '_rhei_cdc_events', '_rhei_tables_name')",
                "6\n");
            test_mirror_free(&mirror);
            test_close(&test);
        }
    }
}

static void test_a11_the_registry_keeps_what_somebody_needs(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_write(&test, "CREATE TABLE keep(id INTEGER PRIMARY KEY, v)");
    test_write(&test, "CREATE TABLE gone(id INTEGER PRIMARY KEY, v)");
    assert_int_equal(capture_release_table(test.oltp, "gone", NULL, NULL), RHEI_OK);
    uint32_t id = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t pruned = 0;
        test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
        test_write(&test, "INSERT INTO t VALUES(1, 1)");
        test_mirror_check(mirror);
        assert_true(test_mirror_id(mirror, "t") > id); /* a number is given once */
        id = test_mirror_id(mirror, "t");
        test_write(&test, "DROP TABLE t");
        test_write(&test, "INSERT INTO keep(v) VALUES(1)");
        test_mirror_check(mirror);
        int64_t last = test_int(&test, "SELECT max(seq) FROM _rhei_cdc_log");
        assert_int_equal(test.source->ops->prune(test.source, last, &pruned, NULL), RHEI_OK);
    }
    assert_true(test_int(&test, "SELECT count(*) FROM _rhei_tables") < 10);
    test_expect(&test, "SELECT wanted FROM _rhei_tables WHERE name = 'gone'", "0\n");
    test_mirror_free(&mirror);
    test_close(&test);
}

/* ---- PRAGMA and BEGIN. ---- */

static void test_d5_pragmas_that_would_break_the_engine_are_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA main.locking_mode = 'exclusive'",
        "PRAGMA journal_mode=DELETE",    "pragma journal_mode(off)",
        "/* c */ PRAGMA query_only=1",   "PRAGMA max_page_count=10",
        "PRAGMA writable_schema=ON",     "PRAGMA schema_version=7",
        "PRAGMA legacy_alter_table=1",   "PRAGMA case_sensitive_like=1",
        "EXPLAIN PRAGMA query_only=1",   "PRAGMA wal_autocheckpoint=0",
        "PRAGMA busy_timeout=1",         "PRAGMA \"locking_mode\"=exclusive",
        "; PRAGMA soft_heap_limit=1",
    };
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = test_try(&test, refused[i], &error);
        if (status != RHEI_UNSUPPORTED || strstr(error.message, "can't be set") == NULL)
            fail_msg("%s: %d %s", refused[i], (int)status, error.message);
        test_write(&test, "INSERT INTO t DEFAULT VALUES");
    }
    test_write(&test, "PRAGMA journal_mode=WAL");
    test_write(&test, "PRAGMA locking_mode=normal");
    test_write(&test, "PRAGMA user_version=5");
    assert_int_equal(test_int(&test, "PRAGMA user_version"), 5);
    assert_int_equal(test_shell(&test, "INSERT INTO t DEFAULT VALUES"), 0);
    test_close(&test);
}

/* What only an inner connection has isn't told as if it were the handle's: neither by the PRAGMA nor by the table of its name. */
static void test_d5_a_pragma_of_an_inner_connection_is_not_told(void **state)
{
    (void)state;
    static const char *const asked[] = {"PRAGMA busy_timeout",
                                        "PRAGMA main.query_only",
                                        "pragma data_version",
                                        "PRAGMA wal_autocheckpoint",
                                        "PRAGMA journal_size_limit",
                                        "PRAGMA cache_size",
                                        "PRAGMA temp_store",
                                        "SELECT * FROM pragma_busy_timeout",
                                        "SELECT query_only FROM pragma_query_only",
                                        "SELECT * FROM pragma_cache_size('main')",
                                        "SELECT (SELECT data_version FROM pragma_data_version)"};
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        for (int write = 0; write < 2; write++) {
            struct oltp_cursor *cursor = NULL;
            error = (struct rhei_error)RHEI_ERROR_INIT;
            rhei_status status =
                write != 0 ? test_try(&test, asked[i], &error)
                           : oltp_read(test.oltp, asked[i], strlen(asked[i]), NULL, 0, NULL, true, &cursor, &error);
            oltp_cursor_close(&cursor);
            if (status != (strncmp(asked[i], "SELECT", 6) == 0 ? RHEI_SQL : RHEI_UNSUPPORTED) ||
                strstr(error.message, "can't be asked") == NULL)
                fail_msg("%s: %d %s", asked[i], (int)status, error.message);
        }
    }
    test_write(&test, "PRAGMA cache_size=-777");
    assert_int_equal(test_int(&test, "PRAGMA cache_size"), -777);
    test_write(&test, "PRAGMA temp_store=2");
    assert_int_equal(test_int(&test, "PRAGMA temp_store"), 2);
    test_close(&test);
}

static void test_d5_a_pragma_is_set_on_every_connection(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    struct oltp_cursor *cursors[3] = {NULL};
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) { /* three readers at a time */
            assert_int_equal(oltp_read(test.oltp, "PRAGMA foreign_keys", 19, NULL, 0, NULL, true, &cursors[i], NULL),
                             RHEI_OK);
            assert_int_equal(oltp_cursor_next(cursors[i], NULL), RHEI_ROW);
            struct rhei_value value;
            oltp_cursor_value(cursors[i], 0, &value);
            assert_int_equal(value.as.integer, round);
        }
        for (int i = 0; i < 3; i++)
            oltp_cursor_close(&cursors[i]);
        test_write(&test, "PRAGMA foreign_keys=ON");
        test_write(&test, "PRAGMA cache_size=-1234");
    }
    assert_int_equal(test_int(&test, "PRAGMA cache_size"), -1234);
    struct oltp_session *session = NULL;
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(oltp_session_run(session, "BEGIN", 5, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(oltp_session_run(session, "PRAGMA cache_size=9", 19, NULL, 0, NULL, NULL, NULL, &error),
                     RHEI_TRANSACTION);
    oltp_session_close(&session);
    test_close(&test);
}

static void test_d5_begin_in_begin_is_told_at_once(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    test_shut(&test);
    struct oltp_config config;
    test_default_config(&test, &config);
    config.busy_timeout_ms = 3600000; /* who waits for the writer waits for ever here */
    assert_int_equal(capture_open(&config, &test.oltp, NULL), RHEI_OK);
    assert_int_equal(capture_change_source(test.oltp, &test.source, NULL), RHEI_OK);
    struct oltp_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_write(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    assert_int_equal(oltp_session_open(test.oltp, &session, NULL), RHEI_OK);
    assert_int_equal(oltp_session_run(session, "BEGIN IMMEDIATE", 15, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(oltp_session_run(session, "INSERT INTO t VALUES(1)", 23, NULL, 0, NULL, NULL, NULL, NULL),
                     RHEI_OK);
    assert_int_equal(test_try(&test, "BEGIN", &error), RHEI_TRANSACTION);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(oltp_session_run(session, "BEGIN", 5, NULL, 0, NULL, NULL, NULL, &error), RHEI_TRANSACTION);
    assert_non_null(strstr(error.message, "already"));
    assert_int_equal(oltp_session_run(session, "COMMIT", 6, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
    test_expect(&test, "SELECT id FROM t", "1\n");
    oltp_session_close(&session);
    test_close(&test);
}

/* ---- The write-ahead log. ---- */

static _Atomic int warnings;

static void count_warning(void *context, int level, const char *room, const char *message)
{
    (void)room;
    if (level == BASE_LOG_WARN && strstr(message, context) != NULL)
        warnings++;
}

/* Two rows that can be written over and over, beside a write-ahead log that is soon too long. */
static void open_with_small_log(struct oltp_test *test, const struct base_log *log)
{
    struct oltp_config config;
    test_open(test);
    test_shut(test);
    test_default_config(test, &config);
    config.wal_limit_bytes = 1 << 20;
    config.log = log;
    warnings = 0;
    assert_int_equal(capture_open(&config, &test->oltp, NULL), RHEI_OK);
    assert_int_equal(capture_change_source(test->oltp, &test->source, NULL), RHEI_OK);
    test_write(test, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    test_write(test, "INSERT INTO t VALUES(1, 1), (2, 2)");
}

static void test_a11_the_wal_is_cut_above_its_limit(void **state)
{
    (void)state;
    struct oltp_test test;
    struct oltp_status status;
    char words[] = "an answer of this handle that was not closed has been reading";
    struct base_log log = {.write = count_warning, .context = words, .level = BASE_LOG_WARN};
    open_with_small_log(&test, &log);
    struct oltp_cursor *cursor = NULL;
    assert_int_equal(oltp_read(test.oltp, "SELECT id FROM t", 16, NULL, 0, NULL, true, &cursor, NULL), RHEI_OK);
    assert_int_equal(oltp_cursor_next(cursor, NULL), RHEI_ROW);
    int64_t limit = base_now_ns() + 60000000000;
    bool held = false;
    while (base_now_ns() < limit && !(held && warnings > 0)) {
        test_write(&test, "UPDATE t SET v = randomblob(50000)");
        assert_int_equal(oltp_get_status(test.oltp, &status, NULL), RHEI_OK);
        held = status.wal_held_ms > 0;
    }
    assert_true(held && warnings > 0);
    assert_true(status.wal_bytes > status.wal_limit_bytes);
    oltp_cursor_close(&cursor);
    limit = base_now_ns() + 60000000000;
    do { /* nothing is written any more, and still it is cut */
        assert_int_equal(oltp_get_status(test.oltp, &status, NULL), RHEI_OK);
    } while ((status.wal_bytes > status.wal_limit_bytes || status.wal_held_ms > 0) && base_now_ns() < limit);
    assert_true(status.wal_bytes <= status.wal_limit_bytes);
    assert_int_equal(status.wal_held_ms, 0);
    assert_int_equal(test_int(&test, "SELECT count(*) FROM t WHERE length(v) = 50000"), 2);
    test_close(&test);
}

static void test_a11_a_backup_that_keeps_the_wal_is_called_one(void **state)
{
    (void)state;
    struct oltp_test test;
    struct capture_backup *backup = NULL;
    struct capture_backup_state pinned = {0};
    char words[] = "a backup that this handle makes has been reading";
    struct base_log log = {.write = count_warning, .context = words, .level = BASE_LOG_WARN};
    open_with_small_log(&test, &log);
    assert_int_equal(capture_backup_begin(test.oltp, NULL, &backup, &pinned, NULL), RHEI_OK);
    int64_t limit = base_now_ns() + 30000000000;
    while (base_now_ns() < limit && warnings == 0)
        test_write(&test, "UPDATE t SET v = randomblob(50000)");
    assert_true(warnings > 0);
    capture_backup_end(&backup);
    test_close(&test);
}

/* ---- Out of the file. ---- */

static void test_c6_detach_leaves_a_plain_database(void **state)
{
    (void)state;
    struct oltp_test test;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_open(&test);
    make_tables(&test, 0, 20);
    test_write(&test, "CREATE TRIGGER mine AFTER INSERT ON t1 BEGIN UPDATE t2 SET b = 1; END");
    int64_t each = triggers_of(&test, "t1");
    assert_int_equal(capture_detach(test.path, NULL, &error), RHEI_BUSY); /* the handle is open */
    test_write(&test, "INSERT INTO t1 VALUES(2, 2, 2)");
    test_shut(&test);
    /* what an engine that was killed leaves behind */
    assert_int_equal(test_shell(&test, "INSERT INTO _rhei_engines SELECT 77, 0, CAST((julianday('now') - 2440587.5) * "
                                       "86400000 AS INTEGER)"),
                     0);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    if (capture_detach(test.path, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(capture_detach(test.path, NULL, NULL), RHEI_OK);
    assert_int_equal(test_python(&test,
                                 "names = db.execute(\"SELECT count(*) FROM sqlite_schema WHERE name LIKE '%rhei%' OR "
                                 "sql LIKE '%rhei%'\").fetchone()[0]\n"
                                 "assert names == 0, names\n"
                                 "assert db.execute('PRAGMA integrity_check').fetchone()[0] == 'ok'\n"
                                 "db.execute('INSERT INTO t1 VALUES(3, 3, 3)')\n"
                                 "assert db.execute('SELECT count(*) FROM t1').fetchone()[0] == 3\n"
                                 "assert db.execute('SELECT b FROM t2').fetchone()[0] == 1"),
                     0);
    test_reopen(&test);
    struct test_mirror *mirror = test_mirror_new(&test);
    test_mirror_check(mirror);
    assert_int_equal(triggers_of(&test, "t1"), each);
    test_write(&test, "INSERT INTO t1 VALUES(4, 4, 4)");
    test_mirror_check(mirror);
    test_mirror_free(&mirror);
    assert_int_equal(capture_detach("/nonexistent/x.db", NULL, NULL), RHEI_CANT_OPEN);
    assert_int_equal(capture_detach(":memory:", NULL, NULL), RHEI_INVALID);
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c6_a_schema_change_reaches_only_its_table),
        cmocka_unit_test(test_c6_temporary_objects_change_nothing),
        cmocka_unit_test(test_c5_a_temporary_name_hides_no_captured_table),
        cmocka_unit_test(test_c1_nothing_temporary_hides_what_the_file_has),
        cmocka_unit_test(test_c1_a_wide_table_widens_the_log_at_once),
        cmocka_unit_test(test_a8_engines_of_different_registration_leave_each_other_alone),
        cmocka_unit_test(test_a8_dead_engines_hold_nothing),
        cmocka_unit_test(test_a10_dropped_pieces_are_made_again),
        cmocka_unit_test(test_a11_the_registry_keeps_what_somebody_needs),
        cmocka_unit_test(test_d5_pragmas_that_would_break_the_engine_are_refused),
        cmocka_unit_test(test_d5_a_pragma_of_an_inner_connection_is_not_told),
        cmocka_unit_test(test_d5_a_pragma_is_set_on_every_connection),
        cmocka_unit_test(test_d5_begin_in_begin_is_told_at_once),
        cmocka_unit_test(test_a11_the_wal_is_cut_above_its_limit),
        cmocka_unit_test(test_a11_a_backup_that_keeps_the_wal_is_called_one),
        cmocka_unit_test(test_c6_detach_leaves_a_plain_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
