/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of what is new: of a file that others write in every way, whatever changed is told, and beside it only little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <unistd.h>

#include "source_sqlite/sqlite_internal.h"
#include "tests/support/fair_time.h"

enum { TABLES = 6, IDS = 600, ROUNDS = 300, MOST = 10000 };

struct world {
    char folder[64], path[96], wal[104], index[104];
    sqlite3 *app[2];
    struct sqlite_file file;
    struct poll_reader *reader;
    const struct poll_table *tables;
    size_t count;
    int64_t moment; /* of the look before */
    struct poll_state state;
    uint64_t seed;
    struct rhei_error error;
};

static uint64_t draw(struct world *world, uint64_t below)
{
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (world->seed >> 33) % below;
}

static void run(sqlite3 *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void run(sqlite3 *db, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *sql = sqlite3_vmprintf(format, values);
    va_end(values);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_free(sql);
}

static void start(struct world *world, const char *pragmas, const char *schema)
{
    *world = (struct world){.folder = "/tmp/rhei-log-XXXXXX", .seed = 20261128, .error = RHEI_ERROR_INIT};
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/app.db", world->folder);
    snprintf(world->wal, sizeof world->wal, "%s-wal", world->path);
    snprintf(world->index, sizeof world->index, "%s-shm", world->path);
    for (int a = 0; a < 2; a++) {
        assert_int_equal(sqlite3_open(world->path, &world->app[a]), SQLITE_OK);
        run(world->app[a], "%s; PRAGMA journal_mode = wal; PRAGMA synchronous = off", pragmas);
    }
    run(world->app[0], "%s", schema);
    world->file = (struct sqlite_file){.path = world->path, .wal_path = world->wal};
    base_mutex_init(&world->file.lock);
    assert_int_equal(sqlite_reader_open(&world->file, &world->reader, NULL), RHEI_OK);
}

static void stop(struct world *world)
{
    world->reader->ops->close(&world->reader);
    for (int a = 0; a < 2; a++)
        assert_int_equal(sqlite3_close(world->app[a]), SQLITE_OK);
    base_mutex_destroy(&world->file.lock);
    (void)unlink(world->path);
    (void)unlink(world->wal);
    (void)unlink(world->index);
    assert_int_equal(rmdir(world->folder), 0);
}

static void begin(struct world *world)
{
    if (world->reader->ops->begin(world->reader, &world->state, &world->error) != RHEI_OK)
        fail_msg("%s", world->error.message);
    if (world->tables == NULL || world->state.schema_changed)
        assert_int_equal(world->reader->ops->tables(world->reader, &world->tables, &world->count, &world->error),
                         RHEI_OK);
}

static void end(struct world *world)
{
    world->reader->ops->end(world->reader);
    if (world->state.moment != 0)
        world->moment = world->state.moment;
}

static struct poll_rows read_new(struct world *world, size_t table, int64_t from, int64_t since)
{
    struct rhei_value mark = {.type = RHEI_INTEGER, .as.integer = from};
    struct poll_rows rows = {0};
    struct poll_page page = {.table = table,
                             .order = POLL_BY_STAMP,
                             .stamp = world->tables[table].stamps[0],
                             .first = true,
                             .from = &mark,
                             .since = since,
                             .most = MOST};
    if (world->reader->ops->page(world->reader, &page, &rows, &world->error) != RHEI_OK)
        fail_msg("%s", world->error.message);
    return rows;
}

/* ---- Whatever is written. ---------------------------------------------------------------------------------------- */

/* What was told of each row: a number that every change makes another. */
struct told {
    int64_t version[TABLES][IDS];
};

static const char *const schema =
    "CREATE TABLE t0 (id INTEGER PRIMARY KEY, updated_at INT, body, version INT);"
    "CREATE TABLE t1 (id TEXT PRIMARY KEY, updated_at INT, version INT, body);"
    "CREATE TABLE t2 (id INT PRIMARY KEY, updated_at INT, version INT, body) WITHOUT ROWID;"
    "CREATE TABLE t3 (id INT PRIMARY KEY, updated_at INT, version INT, _rowid_);"
    "CREATE TABLE t4 (updated_at INT, version INT, body, id INTEGER PRIMARY KEY DESC);"
    "CREATE TABLE t5 (id INT, part INT, updated_at INT, version INT, body, PRIMARY KEY (part, id));"
    "CREATE INDEX i0 ON t0 (updated_at); CREATE INDEX i1 ON t1 (updated_at);"
    "CREATE INDEX i2 ON t2 (updated_at); CREATE INDEX i3 ON t3 (updated_at);"
    "CREATE INDEX i4 ON t4 (updated_at); CREATE INDEX i5 ON t5 (updated_at)";

/* Rows of a few bytes and of several pages; stamps go forth and back, and are often equal. */
static void change(struct world *world, sqlite3 *db, int64_t version)
{
    static const int64_t lengths[] = {1, 30, 200, 900, 30, 5000};
    unsigned table = (unsigned)draw(world, TABLES);
    int64_t id = (int64_t)draw(world, IDS), stamp = version / 20 - (int64_t)draw(world, 3);
    int64_t length = lengths[draw(world, 6)];
    static const char *const bodies[TABLES] = {"body", "body", "body", "_rowid_", "body", "body"};
    if (draw(world, 8) == 0)
        run(db, "DELETE FROM t%u WHERE id = %lld", table, (long long)id);
    else if (draw(world, 3) ==
             0) /* all else stays, and with the same stamp nothing but the end of a long row may change */
        run(db, "UPDATE t%u SET version = %lld, updated_at = max(updated_at, %lld) WHERE id = %lld", table,
            (long long)version, (long long)(version / 20 - 3), (long long)id);
    else
        run(db, "REPLACE INTO t%u (id, updated_at, version, %s%s) VALUES (%lld, %lld, %lld, zeroblob(%lld)%s)", table,
            bodies[table], table == 5 ? ", part" : "", (long long)id, (long long)stamp, (long long)version,
            (long long)length, table == 5 ? ", 7" : "");
}

static int64_t column_named(const struct poll_table *table, const char *name)
{
    for (uint32_t c = 0; c < table->definition.column_count; c++)
        if (strcmp(table->definition.columns[c].name, name) == 0)
            return c;
    fail_msg("no column %s", name);
    return 0;
}

static void take(struct world *world, struct told *told, size_t table, const struct poll_rows *rows)
{
    int64_t id = column_named(&world->tables[table], "id"), version = column_named(&world->tables[table], "version");
    for (size_t i = 0; i < rows->count; i++) {
        const struct rhei_value *key = &rows->columns[id][i];
        char text[24] = "";
        if (key->type == RHEI_TEXT)
            memcpy(text, key->as.bytes, key->length < sizeof text ? key->length : sizeof text - 1);
        int64_t number = key->type == RHEI_TEXT ? strtol(text, NULL, 10) : key->as.integer;
        assert_in_range(number, 0, IDS - 1);
        told->version[table][number] = rows->columns[version][i].as.integer;
    }
}

/* By another connection, of the same commits. */
static void assert_told(struct world *world, const struct told *told, unsigned table, int64_t from)
{
    sqlite3_stmt *stmt = NULL;
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT CAST(id AS INT), version FROM t%u WHERE updated_at >= ?1", table);
    assert_int_equal(sqlite3_prepare_v2(world->app[0], sql, -1, &stmt, NULL), SQLITE_OK);
    sqlite3_bind_int64(stmt, 1, from);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        int64_t there = sqlite3_column_int64(stmt, 1), here = told->version[table][sqlite3_column_int(stmt, 0)];
        if (there != here)
            fail_msg("t%u, row %d: version %lld was told, %lld is there", table, sqlite3_column_int(stmt, 0),
                     (long long)here, (long long)there);
    }
    sqlite3_finalize(stmt);
}

/* So many commits of several changes, by two connections, and what SQLite itself does to the file between them. */
static void write_some(struct world *world, int64_t *version)
{
    for (uint64_t commits = draw(world, 4); commits > 0; commits--) {
        sqlite3 *db = world->app[draw(world, 2)];
        run(db, "BEGIN IMMEDIATE");
        for (uint64_t changes = draw(world, 12); changes > 0; changes--)
            change(world, db, ++*version);
        run(db, draw(world, 6) == 0 ? "ROLLBACK" : "COMMIT");
    }
    switch (draw(world, 12)) {
    case 0:
        run(world->app[0], "PRAGMA wal_checkpoint(RESTART)");
        break;
    case 1:
        run(world->app[1], "PRAGMA wal_checkpoint(TRUNCATE)");
        break;
    case 2:
        run(world->app[1], "PRAGMA wal_checkpoint(PASSIVE); PRAGMA incremental_vacuum(3)");
        break;
    default:
        break;
    }
}

static void test_s1_whatever_changed_is_told(void **unused)
{
    static const char *const pragmas[] = {"PRAGMA page_size = 512", "PRAGMA page_size = 4096",
                                          "PRAGMA page_size = 65536",
                                          "PRAGMA page_size = 1024; PRAGMA auto_vacuum = incremental",
                                          "PRAGMA page_size = 1024; PRAGMA auto_vacuum = full; PRAGMA cache_size = 5"};
    (void)unused;
    for (size_t p = 0; p < sizeof pragmas / sizeof *pragmas; p++) {
        struct world world;
        struct told *told = calloc(1, sizeof *told);
        assert_non_null(told);
        int64_t version = 0;
        start(&world, pragmas[p], schema);
        for (int round = 0; round < ROUNDS; round++) {
            write_some(&world, &version);
            int64_t from = version / 20 - 20;
            begin(&world);
            /* a change behind the state that is looked at is the next look's */
            change(&world, world.app[0], ++version);
            for (size_t t = 0; t < world.count; t++) {
                struct poll_rows rows = read_new(&world, t, round == 0 ? INT64_MIN : from, world.moment);
                take(&world, told, t, &rows);
            }
            end(&world);
            begin(&world);
            for (size_t t = 0; t < world.count; t++) {
                struct poll_rows rows = read_new(&world, t, from, world.moment);
                take(&world, told, t, &rows);
                assert_told(&world, told, (unsigned)t, from);
            }
            end(&world);
        }
        free(told);
        stop(&world);
    }
}

/* The end of a long row lies on pages of its own, which say nothing of whose they are; its beginning stays as it was. */
static void test_s1_a_row_of_which_only_the_end_changed_is_told(void **unused)
{
    (void)unused;
    struct world world;
    start(&world, "PRAGMA page_size = 512",
          "CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at INT, body, version INT);"
          "INSERT INTO t VALUES (1, 7, zeroblob(5000), 100), (2, 7, '', 100)");
    for (int64_t version = 101; version < 110; version++) {
        begin(&world);
        end(&world);
        run(world.app[0], "UPDATE t SET version = %lld WHERE id = 1", (long long)version);
        begin(&world);
        struct poll_rows rows = read_new(&world, 0, 7, world.moment);
        assert_true(rows.count > 0 && rows.columns[0][0].as.integer == 1);
        assert_int_equal(rows.columns[3][0].as.integer, version);
        end(&world);
    }
    stop(&world);
}

/* ---- How much. --------------------------------------------------------------------------------------------------- */

/* Of so many rows of a look's overlap only those are read that lie on a leaf with one that was changed since the look before. */
static void test_s1_a_look_costs_what_is_new_however_much_lies_in_its_overlap(void **unused)
{
    enum { OVERLAP = 30000, LOOKS = 200, CHANGES = 10 };
    (void)unused;
    struct world world;
    static int64_t took[LOOKS];
    size_t whole = 0;
    start(&world, "PRAGMA page_size = 4096",
          "CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at INT, body TEXT); CREATE INDEX i ON t (updated_at);"
          "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 30000) INSERT INTO t SELECT i, i, "
          "'body of row ' || i FROM c");
    begin(&world);
    end(&world);
    for (int look = 0; look < LOOKS; look++) {
        for (int c = 0; c < CHANGES; c++) /* two of them are late, and one leaves its stamp alone */
            run(world.app[0], "UPDATE t SET body = body || '.', updated_at = %s WHERE id = %d",
                c == 0  ? "updated_at"
                : c < 3 ? "5"
                        : "30001",
                (look * 7919 + c * 3001) % OVERLAP + 1);
        int64_t begun = fair_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        begin(&world);
        struct poll_rows rows = read_new(&world, 0, 1, world.moment);
        end(&world);
        took[look] = fair_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
        assert_true(rows.count >= CHANGES);
        whole += rows.count > OVERLAP / 3; /* the log isn't followed over more than so many frames */
    }
    assert_in_range(whole, 0, LOOKS / 10);
    for (int i = 1; i < LOOKS; i++)
        for (int k = i; k > 0 && took[k] < took[k - 1]; k--) {
            int64_t other = took[k];
            took[k] = took[k - 1];
            took[k - 1] = other;
        }
    if (took[LOOKS / 2] >= 1000000)
        fail_msg("half of the looks took more than %lld us", (long long)took[LOOKS / 2] / 1000);
    stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_whatever_changed_is_told),
        cmocka_unit_test(test_s1_a_row_of_which_only_the_end_changed_is_told),
        cmocka_unit_test(test_s1_a_look_costs_what_is_new_however_much_lies_in_its_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
