/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mirror is trusted only as far as every commit since the last look is explained (docs/design/explained-commits.md).
 * test_mirror_check compares every cell, so each test ends with the table as it really is.
 */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_internal.h"

struct world {
    struct oltp_test test;
    struct test_mirror *mirror;
};

static void world_open(struct world *world, const char *sql)
{
    test_open(&world->test);
    world->mirror = test_mirror_new(&world->test);
    test_script(&world->test, sql);
    test_mirror_check(world->mirror);
}

static void world_close(struct world *world)
{
    test_mirror_free(&world->mirror);
    test_close(&world->test);
}

#define TABLES                                                                              \
    "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(id INTEGER PRIMARY KEY, v);" \
    "INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO u VALUES(1, 'x');"

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

static void test_a10_a_tampered_log_is_never_believed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sql;
        bool all; /* every table is loaded again, not one alone */
    } CASES[] = {
        {"a gap", "INSERT INTO t VALUES(4,'d'),(5,'e'),(6,'f'); DELETE FROM _rhei_cdc_log WHERE seq = 6", true},
        {"a gap at once",
         "INSERT INTO t VALUES(4,'d'),(5,'e'); DELETE FROM _rhei_cdc_log WHERE seq = (SELECT max(seq)-1 FROM "
         "_rhei_cdc_log)",
         true},
        {"newest rows gone", "INSERT INTO t VALUES(4,'d'); DELETE FROM _rhei_cdc_log WHERE seq > 4", true},
        {"the row we stand on is gone, and its number used again",
         "DELETE FROM _rhei_cdc_log WHERE seq = 4; INSERT INTO t VALUES(4,'d')", true},
        {"that, and more", "DELETE FROM _rhei_cdc_log WHERE seq = 4; INSERT INTO t VALUES(4,'d'),(5,'e'),(6,'f')",
         true},
        {"all gone", "DELETE FROM _rhei_cdc_log; INSERT INTO t VALUES(4,'d')", true},
        {"all gone, and grown past",
         "DELETE FROM _rhei_cdc_log; INSERT INTO u VALUES(10, 1), (11, 1), (12, 1), (13, 1), (14, 1)", true},
        {"numbers moved", "UPDATE _rhei_cdc_log SET seq = seq + 100; INSERT INTO t VALUES(4,'d')", true},
        {"an unknown op", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET op = 'Z' WHERE seq = 5", true},
        {"an op of two letters", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET op = 'DD' WHERE seq = 5", true},
        {"no op", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET op = NULL WHERE seq = 5", true},
        {"another value", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET c2 = 'e' WHERE seq = 5", true},
        {"newest rows gone behind others",
         "INSERT INTO t VALUES(4,'d'),(5,'e'); DELETE FROM _rhei_cdc_log WHERE seq = 6", true},
        {"the mark of that gone, too",
         "INSERT INTO t VALUES(4,'d'),(5,'e'); DELETE FROM _rhei_cdc_log WHERE seq = 6; DELETE FROM _rhei_cdc_log "
         "WHERE "
         "seq = 7",
         true},
        {"a row made an older one", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET seq = -5 WHERE seq = 5",
         true},
        {"an unknown op of a new row",
         "INSERT INTO _rhei_cdc_log(time, op, tab) SELECT time, 'Z', tab FROM _rhei_cdc_log WHERE seq = 1", false},
        {"rebuild me",
         "INSERT INTO _rhei_cdc_log(time, op, tab) SELECT time, 'X', tab FROM _rhei_cdc_log WHERE seq = 1", false},
        {"an unknown table", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET tab = 77 WHERE seq = 5", true},
        {"a table without a number", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET tab = 'one' WHERE seq = 5",
         true},
        {"no table", "INSERT INTO t VALUES(4,'d'); UPDATE _rhei_cdc_log SET tab = NULL WHERE seq = 5", true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world world;
        print_message("%s\n", CASES[i].name);
        world_open(&world, TABLES);
        uint64_t loads = test_mirror_loads(world.mirror);
        assert_int_equal(test_shell(&world.test, CASES[i].sql), 0);
        test_mirror_check(world.mirror);
        if (CASES[i].all)
            assert_int_equal(test_mirror_loads(world.mirror), loads + 2);
        test_write(&world.test, "INSERT INTO u VALUES(1000, 'later')");
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

static void test_a10_one_table_that_is_lost_leaves_the_others(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, TABLES);
    uint64_t loads = test_mirror_loads(world.mirror);
    assert_int_equal(test_shell(&world.test, "INSERT INTO t VALUES(4,'d'); INSERT INTO u VALUES(2,'y');"
                                             "INSERT INTO _rhei_cdc_log(time, op, tab) SELECT time, 'Z', tab FROM "
                                             "_rhei_cdc_log WHERE seq = 5"),
                     0);
    test_mirror_check(world.mirror);
    assert_int_equal(test_mirror_losses(world.mirror), 1);
    assert_int_equal(test_mirror_loads(world.mirror), loads + 1);
    world_close(&world);
}

/* SQLite gives numbers at random after the highest one. */
static void test_a10_a_number_near_the_end_is_taken_out(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, TABLES);
    assert_int_equal(test_shell(&world.test, "INSERT INTO _rhei_cdc_log SELECT 9223372036854775807, time, op, tab, c1, "
                                             "c2, c3, c4, c5, c6, c7, c8 FROM _rhei_cdc_log WHERE seq = 4;"
                                             "INSERT INTO t VALUES(4,'d'), (5, 'e')"),
                     0);
    bool mended = false;
    for (int i = 0; i < 2000 && !mended; i++) {
        test_mirror_cycle(world.mirror);
        mended = test_int(&world.test, "SELECT max(seq) <= 1 << 62 FROM _rhei_cdc_log") != 0;
    }
    assert_true(mended);
    test_write(&world.test, "INSERT INTO t VALUES(6, 'f')");
    test_mirror_cycle(world.mirror);
    test_mirror_check(world.mirror);
    test_write(&world.test, "INSERT INTO t VALUES(7, 'g')");
    test_mirror_check(world.mirror);
    world_close(&world);
}

/* ---- Triggers that fire before ours. ----------------------------------------------------------------------------- */

static const char *const TEMP_TRIGGERS[][2] = {
    {"CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN UPDATE t SET v = v || '!' WHERE id = NEW.id; END",
     "INSERT INTO t VALUES(4, 'b')"},
    {"CREATE TEMP TRIGGER z AFTER DELETE ON t BEGIN INSERT INTO t VALUES(OLD.id, 'undeleted'); END",
     "DELETE FROM t WHERE id = 1"},
    {"CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = NEW.id; END",
     "INSERT INTO t VALUES(4, 'b')"},
    {"CREATE TEMP TRIGGER z AFTER UPDATE ON t BEGIN UPDATE t SET id = id + 100 WHERE id = NEW.id; END",
     "UPDATE t SET v = 'q' WHERE id = 1"},
    {"CREATE TEMP TRIGGER z BEFORE UPDATE ON t BEGIN UPDATE t SET v = 'from before' WHERE id = OLD.id; END",
     "UPDATE t SET id = id WHERE id = 1"},
    {"CREATE TEMP TRIGGER z BEFORE UPDATE ON t BEGIN DELETE FROM t WHERE id = OLD.id; END",
     "UPDATE t SET v = 'q' WHERE id = 1"},
    {"CREATE TEMP TRIGGER z BEFORE INSERT ON t BEGIN INSERT OR REPLACE INTO t VALUES(NEW.id, 'inner'); END",
     "INSERT OR REPLACE INTO t VALUES(7, 'outer')"},
    {"CREATE TEMP TRIGGER z AFTER INSERT ON t WHEN NEW.v <> 'c' BEGIN INSERT OR REPLACE INTO t VALUES(NEW.id, 'c'); "
     "END",
     "INSERT INTO t VALUES(4, 'b'), (5, 'd')"},
    {"CREATE TEMP TRIGGER z AFTER UPDATE ON t WHEN NEW.v < 9 BEGIN UPDATE t SET v = v + 1 WHERE id = NEW.id; END",
     "UPDATE t SET v = 1"},
    {"CREATE TEMP TRIGGER z AFTER INSERT ON u BEGIN UPDATE t SET v = NEW.v; END", "INSERT INTO u VALUES(9, 'u')"},
};

static void test_c4_temp_triggers_of_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TEMP_TRIGGERS / sizeof *TEMP_TRIGGERS; i++) {
        struct world world;
        char sql[1000];
        world_open(&world, TABLES);
        uint64_t loads = test_mirror_loads(world.mirror);
        snprintf(sql, sizeof sql, "%s; %s;", TEMP_TRIGGERS[i][0], TEMP_TRIGGERS[i][1]);
        assert_int_equal(test_shell(&world.test, sql), 0);
        test_mirror_check(world.mirror);
        assert_int_equal(test_mirror_loads(world.mirror), loads);
        world_close(&world);
    }
}

static void test_c4_temp_triggers_of_our_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TEMP_TRIGGERS / sizeof *TEMP_TRIGGERS; i++) {
        struct world world;
        world_open(&world, TABLES);
        test_write(&world.test, TEMP_TRIGGERS[i][0]);
        test_write(&world.test, TEMP_TRIGGERS[i][1]);
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

/* Keys that are no integers, wider than the columns that a look at the log takes at first. */
static void test_c4_temp_triggers_and_other_keys(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "CREATE TABLE t(a TEXT COLLATE NOCASE, b REAL, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
                       "CREATE TABLE h(v); INSERT INTO h VALUES(1);"
                       "INSERT INTO t VALUES('x', 1, 0), ('y', 2.5, 0);");
    assert_int_equal(
        test_shell(
            &world.test,
            "CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN UPDATE t SET v = 'z', a = upper(a) WHERE a = NEW.a; END;"
            "CREATE TEMP TRIGGER y AFTER UPDATE ON t WHEN NEW.v = 5 BEGIN UPDATE t SET v = 6, b = 3 WHERE a = NEW.a; "
            "END;"
            "CREATE TEMP TRIGGER w AFTER INSERT ON h BEGIN UPDATE h SET v = v || '.'; END;"
            "INSERT INTO t VALUES('k', 7, 1); UPDATE t SET v = 5 WHERE a = 'x'; INSERT INTO h VALUES(2), (3);"),
        0);
    test_mirror_check(world.mirror);
    world_close(&world);
}

/* A cycle that ends within a commit: what is left of it has one event of a key that had two. */
static void test_c4_a_cycle_cut_within_a_commit(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, TABLES);
    struct change_source *source = world.test.source;
    assert_int_equal(test_shell(&world.test,
                                "CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN UPDATE t SET v = v || '!' WHERE "
                                "id = NEW.id; END; INSERT INTO t VALUES(4, 'b'), (5, 'c')"),
                     0);
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle;
    const struct change_batch *batches = NULL;
    size_t count = 0;
    assert_int_equal(source->ops->begin(source, 4, &cycle, NULL, &error), RHEI_OK);
    assert_int_equal(source->ops->next(source, 1, &batches, &count, &error), RHEI_OK);
    assert_int_equal(count, 1);
    assert_int_equal(batches[0].seq[0], 5);
    source->ops->end(source);
    /* the next one begins after what was applied */
    assert_int_equal(source->ops->begin(source, 5, &cycle, NULL, &error), RHEI_OK);
    assert_int_equal(source->ops->next(source, 100, &batches, &count, &error), RHEI_OK);
    assert_int_equal(batches[0].seq[0], 6);
    assert_memory_equal(batches[0].columns[1][0].as.bytes, "b!", 2);
    source->ops->end(source);
    test_mirror_check(world.mirror);
    world_close(&world);
}

/* ---- Older copies. ----------------------------------------------------------------------------------------------- */

/* n changes after the copy was made, m after it was put back: the numbers meet, fall short or pass each other. */
static void test_a10_an_older_copy_is_put_back(void **state)
{
    (void)state;
    static const int COUNTS[][2] = {{1, 1}, {2, 5}, {3, 1}, {1, 3}, {0, 2}, {2, 0}};
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
        struct world world;
        char code[1000];
        world_open(&world, TABLES);
        snprintf(code, sizeof code, "b = sqlite3.connect('%s/copy.db')\ndb.backup(b)", world.test.folder);
        assert_int_equal(test_python(&world.test, code), 0);
        for (int k = 0; k < COUNTS[i][0]; k++)
            test_write(&world.test, "INSERT INTO t(v) VALUES('after the copy')");
        test_mirror_check(world.mirror);
        if (i % 2 == 0) {
            uint64_t pruned;
            assert_int_equal(world.test.source->ops->prune(world.test.source, 4 + COUNTS[i][0], &pruned, NULL),
                             RHEI_OK);
        }
        snprintf(code, sizeof code,
                 "b = sqlite3.connect('%s/copy.db')\nb.backup(db)\nfor i in range(%d): db.execute(\"INSERT INTO u(v) "
                 "VALUES('after it was put back')\")\nb.close()\nimport os\nos.remove('%s/copy.db')",
                 world.test.folder, COUNTS[i][1], world.test.folder);
        assert_int_equal(test_python(&world.test, code), 0);
        test_mirror_check(world.mirror);
        test_write(&world.test, "UPDATE t SET v = 'more'");
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

/* ---- The schema. ------------------------------------------------------------------------------------------------- */

#define PLAIN "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, c INT); INSERT INTO t VALUES(1, 1, 1), (2, 2, 2);"
#define OTHER "CREATE TABLE u(id INTEGER PRIMARY KEY, v); INSERT INTO u VALUES(1, 1);"

static void test_a10_what_came_and_went_is_not_believed(void **state)
{
    (void)state;
    static const struct {
        const char *setup, *sql;
    } CASES[] = {
        {PLAIN, "ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN c INT DEFAULT 7"},
        {PLAIN, "ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN c INT"},
        {PLAIN, "ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN c INT; CREATE TABLE more(x)"},
        {"CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, g INT AS (a*2)); INSERT INTO t VALUES(1,1),(2,2);",
         "ALTER TABLE t DROP COLUMN g; ALTER TABLE t ADD COLUMN g INT AS (a*3)"},
        {PLAIN, "CREATE UNIQUE INDEX x ON t(a); INSERT OR REPLACE INTO t VALUES(5,1,1); DROP INDEX x"},
        {PLAIN OTHER, "CREATE UNIQUE INDEX x ON t(a); INSERT OR REPLACE INTO t VALUES(5,1,1); DROP INDEX x; "
                      "CREATE INDEX y ON u(v)"},
        {PLAIN OTHER, "CREATE INDEX y ON u(v); CREATE UNIQUE INDEX x ON t(a); INSERT OR REPLACE INTO t VALUES(5,1,1); "
                      "DROP INDEX x; DROP TABLE u"},
        {PLAIN OTHER, "CREATE UNIQUE INDEX x ON t(a); INSERT OR REPLACE INTO t VALUES(5,1,1); DROP INDEX x; "
                      "ALTER TABLE u RENAME TO w"},
        {PLAIN "CREATE UNIQUE INDEX x ON t(a);",
         "DROP INDEX x; CREATE UNIQUE INDEX x ON t(c); INSERT OR REPLACE INTO t VALUES(5,5,1); DROP INDEX x;"
         "CREATE UNIQUE INDEX x ON t(a)"},
        {PLAIN,
         "CREATE TRIGGER x BEFORE INSERT ON t BEGIN DELETE FROM t WHERE id = 1; END; INSERT INTO t VALUES(1,9,9); "
         "DROP TRIGGER x"},
        {PLAIN, "ALTER TABLE t RENAME TO t2; UPDATE t2 SET a = 7; ALTER TABLE t2 RENAME TO t"},
        {PLAIN, "CREATE VIRTUAL TABLE f USING fts5(x); CREATE UNIQUE INDEX x ON t(a); "
                "INSERT OR REPLACE INTO t VALUES(5,1,1); DROP INDEX x; DROP TABLE f"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world world;
        print_message("%s\n", CASES[i].sql);
        world_open(&world, CASES[i].setup);
        assert_int_equal(test_shell(&world.test, CASES[i].sql), 0);
        test_mirror_check(world.mirror);
        test_write(&world.test, "UPDATE t SET a = a + 100 WHERE id = 2");
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

#define RESAVE(body)                                                                   \
    "db.execute('BEGIN IMMEDIATE')\n"                                                  \
    "own = db.execute(\"SELECT name, sql FROM sqlite_master WHERE type='trigger' AND " \
    "tbl_name='t'\").fetchall()\n" body "for name, sql in own: db.execute(sql)\n"      \
    "db.execute('COMMIT')"

static void test_a10_our_triggers_were_dropped_and_made_again(void **state)
{
    (void)state;
    static const char *const CODES[] = {
        RESAVE("for name, sql in own: db.execute('DROP TRIGGER ' + name)\n"
               "db.execute('UPDATE t SET a = 5')\n"),
        RESAVE("for name, sql in own: db.execute('DROP TRIGGER ' + name)\n"
               "db.execute('UPDATE t SET a = 5')\n"
               "db.execute('INSERT INTO u VALUES(2, 2)')\n"),
        RESAVE("db.execute('CREATE TABLE n(id INTEGER PRIMARY KEY, a INT, c INT)')\n"
               "db.execute('INSERT INTO n SELECT id, a * 10, c FROM t WHERE id < 2')\n"
               "db.execute('DROP TABLE t')\n"
               "db.execute('ALTER TABLE n RENAME TO t')\n"),
    };
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        struct world world;
        world_open(&world, PLAIN OTHER);
        assert_int_equal(test_python(&world.test, CODES[i]), 0);
        test_mirror_check(world.mirror);
        test_write(&world.test, "INSERT INTO t VALUES(9, 9, 9)");
        test_mirror_check(world.mirror);
        world_close(&world);
    }
}

/* What is explained costs nothing: tables that a change doesn't touch keep their numbers. */
static void test_c5_explained_changes_cost_nothing(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "CREATE TABLE more(x)",
        ("CREATE TABLE more(id INTEGER PRIMARY KEY AUTOINCREMENT, x UNIQUE); CREATE INDEX x ON more(x); "
         "CREATE VIEW v AS SELECT 1"),
        "CREATE INDEX x ON u(v); CREATE INDEX y ON t(a)",
        "CREATE INDEX x ON u(v); VACUUM",
        "ANALYZE",
        "VACUUM",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "ALTER TABLE u ADD COLUMN w",
        "DROP TABLE u",
        "REINDEX; PRAGMA user_version = 7",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world world;
        world_open(&world, PLAIN OTHER);
        uint32_t id = test_mirror_id(world.mirror, "t");
        assert_int_equal(test_shell(&world.test, CASES[i]), 0);
        test_mirror_check(world.mirror);
        assert_int_equal(test_mirror_id(world.mirror, "t"), id);
        world_close(&world);
    }
}

/* I8: VACUUM gives rows new rowids where nothing names them. Such a table is another one from then on, in the very cycle that sees it. */
static void test_c5_vacuum_by_others_renews_tables_whose_rowid_has_no_name(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, "CREATE TABLE named(id INTEGER PRIMARY KEY, v); CREATE TABLE bare(v);"
                       "CREATE TABLE keyed(k PRIMARY KEY, v) WITHOUT ROWID;"
                       "INSERT INTO named VALUES(1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO bare SELECT v FROM named;"
                       "INSERT INTO keyed SELECT id, v FROM named;");
    uint32_t named = test_mirror_id(world.mirror, "named"), keyed = test_mirror_id(world.mirror, "keyed");
    for (int turn = 0; turn < 2; turn++) {
        uint32_t bare = test_mirror_id(world.mirror, "bare");
        assert_int_equal(test_shell(&world.test, "DELETE FROM bare WHERE rowid = 1; VACUUM;"), 0);
        test_mirror_check(world.mirror);
        assert_int_not_equal(test_mirror_id(world.mirror, "bare"), bare);
        test_write(&world.test, "INSERT INTO bare VALUES('x')");
        test_mirror_check(world.mirror);
    }
    assert_int_equal(test_mirror_id(world.mirror, "named"), named);
    assert_int_equal(test_mirror_id(world.mirror, "keyed"), keyed);
    world_close(&world);
}

/* ---- Past the triggers. ------------------------------------------------------------------------------------------ */

#define UNLOGGED_SETUP                                                                                      \
    TABLES "CREATE TABLE b(id INTEGER PRIMARY KEY, v BLOB); INSERT INTO b VALUES(1, zeroblob(20000)), (2, " \
           "x'00000000');"
#define BLOB_WRITE(row, offset) \
    "with db.blobopen('b', 'v', " #row ") as blob:\n  blob.seek(" #offset "); blob.write(b'\\x01\\x02')\n"
#define NO_TRIGGERS                                                                           \
    "import ctypes, ctypes.util\n"                                                            \
    "lib = ctypes.CDLL(ctypes.util.find_library('sqlite3')); handle = ctypes.c_void_p()\n"    \
    "path = db.execute('PRAGMA database_list').fetchone()[2].encode()\n"                      \
    "lib.sqlite3_open(path, ctypes.byref(handle)); lib.sqlite3_busy_timeout(handle, 60000)\n" \
    "lib.sqlite3_db_config(handle, 1003, 0, None)\n"                                          \
    "def quiet(sql): assert lib.sqlite3_exec(handle, sql.encode(), None, None, None) == 0\n"

/* What changed without a row of the log is seen by the pages that the commits wrote: that table alone is loaded again. */
static void test_a10_changes_past_the_triggers_are_seen_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int tables;
    } CASES[] = {
        {BLOB_WRITE(2, 1), 1},
        {BLOB_WRITE(1, 15000), 1},
        {"db.execute(\"INSERT INTO u VALUES(50, 'logged')\")\n" BLOB_WRITE(
             1, 9000) "db.execute(\"INSERT INTO t VALUES(50, 'logged')\")\n",
         1},
        {NO_TRIGGERS "quiet('UPDATE t SET v = 99 WHERE id = 1')", 1},
        {NO_TRIGGERS "quiet('DELETE FROM t WHERE id = 1; UPDATE u SET v = 99')", 2},
        {NO_TRIGGERS "quiet('DELETE FROM t')\ndb.execute(\"INSERT INTO u VALUES(51, 'logged')\")", 1},
        {"db.execute('CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT RAISE(IGNORE); END')\n"
         "db.execute(\"INSERT INTO t VALUES(60, 'no trigger of ours ran')\")",
         1},
        {"db.execute('UPDATE t SET v = v'); db.execute('PRAGMA user_version = 5'); db.execute('REINDEX')", 0},
        /* it had rows before it was captured; whoever loads it does so in the cycle's state or a later one */
        {"db.execute('CREATE TABLE plain(a)'); db.execute('INSERT INTO plain VALUES(1)')", 0},
        {"db.execute('BEGIN'); db.execute('DELETE FROM t'); db.execute('ROLLBACK')", 0},
        {"db.execute('DELETE FROM _rhei_cdc_log WHERE seq < 3')", 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world world;
        print_message("%s\n", CASES[i].code);
        world_open(&world, UNLOGGED_SETUP);
        test_mirror_check(world.mirror);
        assert_int_equal(test_python(&world.test, CASES[i].code), 0);
        test_mirror_check(world.mirror);
        assert_int_equal(test_mirror_losses(world.mirror), CASES[i].tables);
        test_write(&world.test, "UPDATE t SET v = 'after'");
        test_write(&world.test, "UPDATE b SET v = v || 'after'");
        test_mirror_check(world.mirror);
        assert_int_equal(test_mirror_losses(world.mirror), CASES[i].tables);
        world_close(&world);
    }
}

/* The commit that makes a table touches it, and is no reason to load it twice; what comes past its triggers in a later cycle is. */
static void test_a10_a_new_table_is_loaded_once_and_watched_from_then_on(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, UNLOGGED_SETUP);
    test_mirror_check(world.mirror);
    uint64_t loads = test_mirror_loads(world.mirror);
    test_write(&world.test, "CREATE TABLE made(id INTEGER PRIMARY KEY, v)");
    test_mirror_check(world.mirror);
    test_write(&world.test, "INSERT INTO made VALUES(1, 'a'), (2, 'b')");
    test_mirror_check(world.mirror);
    assert_int_equal(test_mirror_losses(world.mirror), 0);
    assert_int_equal(test_mirror_loads(world.mirror), loads + 1);
    assert_int_equal(test_python(&world.test, NO_TRIGGERS "quiet('UPDATE made SET v = 99 WHERE id = 1')"), 0);
    test_mirror_check(world.mirror);
    assert_int_equal(test_mirror_losses(world.mirror), 1);
    world_close(&world);
}

/* As a checkpoint does before it copies the log into the file. */
static void checkpoint_looks(struct world *world)
{
    struct oltp_connection *connection = NULL;
    assert_int_equal(oltp_connection_open(world->test.oltp, OLTP_CHECKPOINTER, &connection, NULL), RHEI_OK);
    if (capture_source_watch_hold(world->test.oltp, connection))
        oltp_exec(connection, "COMMIT", NULL);
    oltp_connection_close(&connection);
}

/* A checkpoint that comes before the next cycle, or during one, takes nothing from the next one. */
static void test_a10_what_a_checkpoint_saw_is_the_next_cycles(void **state)
{
    (void)state;
    struct world world;
    struct change_cycle cycle;
    const struct change_batch *batches = NULL;
    size_t count = 0;
    world_open(&world, UNLOGGED_SETUP);
    const struct change_source_ops *ops = world.test.source->ops;
    int64_t before = test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log");
    assert_int_equal(ops->begin(world.test.source, before, &cycle, NULL, NULL), RHEI_OK);
    ops->end(world.test.source); /* nobody asked for rows */
    assert_int_equal(test_python(&world.test, NO_TRIGGERS "quiet('UPDATE t SET v = 99 WHERE id = 1')"), 0);
    checkpoint_looks(&world);
    test_mirror_check(world.mirror);
    assert_int_equal(test_mirror_losses(world.mirror), 1);

    test_write(&world.test, "INSERT INTO u VALUES(70, 'of this cycle')");
    before = test_int(&world.test, "SELECT max(seq) FROM _rhei_cdc_log") - 1;
    assert_int_equal(ops->begin(world.test.source, before, &cycle, NULL, NULL), RHEI_OK);
    test_write(&world.test, "INSERT INTO t VALUES(70, 'of the next')");
    assert_int_equal(test_python(&world.test, BLOB_WRITE(2, 1)), 0);
    checkpoint_looks(&world);
    assert_int_equal(ops->next(world.test.source, 100, &batches, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    assert_null(batches[0].lost);
    assert_int_equal(ops->next(world.test.source, 100, &batches, &count, NULL), RHEI_OK);
    assert_int_equal(count, 0);
    ops->end(world.test.source);
    assert_int_equal(ops->begin(world.test.source, before + 1, &cycle, NULL, NULL), RHEI_OK);
    assert_true(cycle.suspect);
    assert_int_equal(ops->next(world.test.source, 100, &batches, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    assert_null(batches[0].lost);
    assert_int_equal(batches[0].row_count, 1);
    assert_int_equal(ops->next(world.test.source, 100, &batches, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    assert_non_null(batches[0].lost);
    ops->end(world.test.source);
    world_close(&world);
}

/* ---- Which file it is. ------------------------------------------------------------------------------------------- */

static void test_a10_a_relative_path_is_one_file_whatever_the_folder(void **state)
{
    (void)state;
    struct world world;
    char here[1000], other[1000];
    world_open(&world, TABLES);
    assert_non_null(getcwd(here, sizeof here));
    snprintf(other, sizeof other, "%s/other", world.test.folder);
    assert_int_equal(mkdir(other, 0700), 0);
    char absolute[sizeof world.test.path];
    memcpy(absolute, world.test.path, sizeof absolute);
    test_shut(&world.test);
    assert_int_equal(chdir(world.test.folder), 0);
    strcpy(world.test.path, "t.db");
    test_reopen(&world.test);
    test_write(&world.test, "INSERT INTO t VALUES(10, 'before')");
    assert_int_equal(chdir("other"), 0);
    assert_int_equal(system("sqlite3 t.db 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)'"), 0);
    test_write(&world.test, "INSERT INTO t VALUES(11, 'after')");
    struct oltp_cursor *open[8]; /* more readers than there were: new connections */
    for (size_t i = 0; i < 8; i++) {
        struct rhei_value value;
        const char *sql = "SELECT count(*) FROM t";
        assert_int_equal(oltp_read(world.test.oltp, sql, strlen(sql), NULL, 0, NULL, true, &open[i], NULL), RHEI_OK);
        assert_int_equal(oltp_cursor_next(open[i], NULL), RHEI_ROW);
        oltp_cursor_value(open[i], 0, &value);
        assert_int_equal(value.as.integer, 5);
    }
    for (size_t i = 0; i < 8; i++)
        oltp_cursor_close(&open[i]);
    world.mirror = (test_mirror_free(&world.mirror), test_mirror_new(&world.test));
    test_mirror_check(world.mirror);
    assert_int_equal(chdir(here), 0);
    memcpy(world.test.path, absolute, sizeof absolute);
    char remove[1100];
    snprintf(remove, sizeof remove, "rm -rf %s", other);
    assert_int_equal(system(remove), 0);
    world_close(&world);
}

static void expect_replaced(struct world *world, struct oltp_session *session)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle;
    struct oltp_cursor *cursor = NULL;
    const struct capture_catalog *catalog = NULL;
    const char *sql = "SELECT count(*) FROM t";
    assert_int_equal(test_try(&world->test, "INSERT INTO t VALUES(100, 'lost')", &error), RHEI_REPLACED);
    assert_non_null(strstr(error.message, "open the database again"));
    assert_int_equal(oltp_session_run(session, "COMMIT", 6, NULL, 0, NULL, NULL, NULL, NULL), RHEI_REPLACED);
    assert_int_equal(oltp_write_script(world->test.oltp, "DELETE FROM t", 13, 0, NULL, NULL), RHEI_REPLACED);
    assert_int_equal(oltp_read(world->test.oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, NULL), RHEI_REPLACED);
    assert_int_equal(capture_catalog_take(world->test.oltp, &catalog, NULL), RHEI_REPLACED);
    assert_true(world->test.source->ops->may_have_changes(world->test.source, oltp_commit_token(world->test.oltp)));
    assert_int_equal(world->test.source->ops->begin(world->test.source, 0, &cycle, NULL, NULL), RHEI_REPLACED);
    uint64_t pruned;
    assert_int_equal(world->test.source->ops->prune(world->test.source, 100, &pruned, NULL), RHEI_REPLACED);
}

static void test_a10_a_replaced_moved_or_deleted_file_is_left_alone(void **state)
{
    (void)state;
    static const char *const COMMANDS[] = {
        "cd %s && cp new.db other.db && mv other.db t.db",
        "cd %s && mv t.db old.db",
        "cd %s && mv t.db old.db && cp new.db t.db",
        "cd %s && rm -f t.db",
        "cd %s && rm -f t.db t.db-wal t.db-shm && cp new.db t.db",
    };
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        struct world world;
        char command[500];
        world_open(&world, TABLES);
        snprintf(command, sizeof command, "sqlite3 %s/new.db 'CREATE TABLE t(id INTEGER PRIMARY KEY, v)'",
                 world.test.folder);
        assert_int_equal(system(command), 0);
        struct oltp_session *session = NULL;
        assert_int_equal(oltp_session_open(world.test.oltp, &session, NULL), RHEI_OK);
        assert_int_equal(oltp_session_run(session, "BEGIN", 5, NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
        const char *insert = "INSERT INTO t VALUES(50, 'never')";
        assert_int_equal(oltp_session_run(session, insert, strlen(insert), NULL, 0, NULL, NULL, NULL, NULL), RHEI_OK);
        snprintf(command, sizeof command, COMMANDS[i], world.test.folder);
        assert_int_equal(system(command), 0);
        expect_replaced(&world, session);
        oltp_session_close(&session);
        test_mirror_free(&world.mirror);
        test_shut(&world.test);
        /* the new file is as it was made */
        snprintf(
            command, sizeof command,
            "cd %s && if [ -e t.db ]; then [ \"$(sqlite3 t.db 'SELECT count(*) FROM t WHERE id >= 50')\" = 0 ] || exit "
            "1; fi; cd / && rm -rf %s",
            world.test.folder, world.test.folder);
        assert_int_equal(system(command), 0);
    }
}

/* A read that needs a new connection is the first to look: there is no file to open, and it says why. */
static void test_a10_a_deleted_file_is_no_missing_folder(void **state)
{
    (void)state;
    struct world world;
    struct oltp_cursor *open[9] = {NULL};
    const char *sql = "SELECT count(*) FROM t";
    world_open(&world, TABLES);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(oltp_read(world.test.oltp, sql, strlen(sql), NULL, 0, NULL, true, &open[i], NULL), RHEI_OK);
        assert_int_equal(oltp_cursor_next(open[i], NULL), RHEI_ROW);
    }
    assert_int_equal(unlink(world.test.path), 0);
    assert_int_equal(oltp_read(world.test.oltp, sql, strlen(sql), NULL, 0, NULL, true, &open[8], NULL), RHEI_REPLACED);
    assert_null(open[8]);
    for (size_t i = 0; i < 8; i++)
        oltp_cursor_close(&open[i]);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a10_a_tampered_log_is_never_believed),
        cmocka_unit_test(test_a10_one_table_that_is_lost_leaves_the_others),
        cmocka_unit_test(test_a10_a_number_near_the_end_is_taken_out),
        cmocka_unit_test(test_c4_temp_triggers_of_others),
        cmocka_unit_test(test_c4_temp_triggers_of_our_own),
        cmocka_unit_test(test_c4_temp_triggers_and_other_keys),
        cmocka_unit_test(test_c4_a_cycle_cut_within_a_commit),
        cmocka_unit_test(test_a10_an_older_copy_is_put_back),
        cmocka_unit_test(test_a10_what_came_and_went_is_not_believed),
        cmocka_unit_test(test_a10_our_triggers_were_dropped_and_made_again),
        cmocka_unit_test(test_c5_explained_changes_cost_nothing),
        cmocka_unit_test(test_c5_vacuum_by_others_renews_tables_whose_rowid_has_no_name),
        cmocka_unit_test(test_a10_changes_past_the_triggers_are_seen_at_once),
        cmocka_unit_test(test_a10_a_new_table_is_loaded_once_and_watched_from_then_on),
        cmocka_unit_test(test_a10_what_a_checkpoint_saw_is_the_next_cycles),
        cmocka_unit_test(test_a10_a_relative_path_is_one_file_whatever_the_folder),
        cmocka_unit_test(test_a10_a_replaced_moved_or_deleted_file_is_left_alone),
        cmocka_unit_test(test_a10_a_deleted_file_is_no_missing_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
