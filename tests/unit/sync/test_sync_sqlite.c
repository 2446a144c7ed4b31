/* SPDX-License-Identifier: Apache-2.0 */
/* The same promises over the real log: two handles on one SQLite file, the second as the foreign writer. */
#include "sync_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_map.h"
#include "capture/capture.h"
#include "feed/feed.h"
#include "tests/support/memory_buffer.h"

struct world {
    char folder[64], path[128];
    struct oltp *oltp;
    struct change_source *source;
    struct mirror *mirror;
    struct sync *sync;
};

static void must(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status != RHEI_OK)
        fail_msg("%s: %s", what, error->message);
}

static void committed(void *context)
{
    struct world *world = context;
    if (world->sync)
        sync_wake(world->sync);
}

static void open_side(struct world *world, bool wakes)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_config config = {.path = world->path,
                                 .capture = true,
                                 .auto_register = true,
                                 .read_pool_size = 4,
                                 .busy_timeout_ms = 20000,
                                 .committed = wakes ? committed : NULL,
                                 .committed_context = world};
    must(capture_open(&config, &world->oltp, &error), &error, "open");
    must(capture_change_source(world->oltp, &world->source, &error), &error, "source");
    must(mirror_open(&(struct mirror_config){0}, &world->mirror, &error), &error, "mirror");
}

static void open_sync(struct world *world, struct sync_config config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    config.mirror = world->mirror;
    config.source = world->source;
    config.batch_rows = config.batch_rows ? config.batch_rows : 1000;
    config.build_threads = 2;
    must(sync_open(&config, &world->sync, &error), &error, "sync");
}

static void open_world(struct world *world)
{
    *world = (struct world){0};
    snprintf(world->folder, sizeof world->folder, "/tmp/rhei-sync-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/t.db", world->folder);
    open_side(world, true);
}

static void close_side(struct world *world)
{
    sync_close(&world->sync);
    mirror_close(&world->mirror);
    world->source->ops->close(&world->source);
    oltp_close(&world->oltp);
}

static void close_world(struct world *world)
{
    close_side(world);
    static const char *const FILES[] = {"t.db", "t.db-wal", "t.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", world->folder, FILES[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(world->folder), 0);
}

static void run(struct oltp *oltp, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_result result;
    must(oltp_write_script(oltp, sql, strlen(sql), 0, &result, &error), &error, sql);
}

static void latest(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_wait_latest(world->sync, base_now_ns() + LIMIT_NS, NULL, &error), &error, "latest");
}

static void build(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_build(world->sync, true, base_now_ns() + LIMIT_NS, NULL, &error), &error, "build");
}

/* ---- Table and mirror as sums of row hashes. --------------------------------------------------------------------- */

struct sum {
    uint64_t rows, hash;
};

static uint64_t hash_value(uint64_t hash, const struct rhei_value *value)
{
    hash = base_hash(&value->type, 1, hash);
    switch (value->type) {
    case RHEI_INTEGER:
        return base_hash(&value->as.integer, 8, hash);
    case RHEI_REAL:
        return base_hash(&value->as.real, 8, hash);
    case RHEI_TEXT:
    case RHEI_BLOB:
        return base_hash(value->as.bytes, value->length, hash);
    default:
        return hash;
    }
}

static struct sum sum_view(const struct mirror_table_view *view)
{
    struct sum sum = {0};
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++) {
            struct mirror_vector vector;
            mirror_view_vector(view, s, v, &vector);
            for (uint32_t r = 0; r < vector.rows; r++) {
                if (vector.dead && (vector.dead[r / 64] >> (r % 64) & 1))
                    continue;
                uint64_t hash = 1;
                struct rhei_value value;
                for (uint32_t c = 0; c < mirror_view_column_count(view); c++) {
                    mirror_view_value(view, s, v * MIRROR_VECTOR_ROWS + r, c, &value);
                    hash = hash_value(hash, &value);
                }
                sum.hash += hash;
                sum.rows++;
            }
        }
    }
    return sum;
}

static struct sum sum_cursor(struct oltp_cursor *cursor)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct sum sum = {0};
    rhei_status status;
    while ((status = oltp_cursor_next(cursor, &error)) == RHEI_ROW) {
        uint64_t hash = 1;
        struct rhei_value value;
        for (uint32_t c = 0; c < oltp_cursor_column_count(cursor); c++) {
            oltp_cursor_value(cursor, c, &value);
            hash = hash_value(hash, &value);
        }
        sum.hash += hash;
        sum.rows++;
    }
    if (status != RHEI_DONE)
        fail_msg("reading: %s", error.message);
    return sum;
}

static struct sum sum_table(struct world *world, const struct source_table *table)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct base_buffer sql = {0};
    struct oltp_cursor *cursor = NULL;
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c ? "," : "");
        if (table->columns[c].is_rowid)
            base_buffer_text(&sql, "rowid");
        else
            base_buffer_identifier(&sql, table->columns[c].name);
    }
    base_buffer_text(&sql, " FROM ");
    base_buffer_identifier(&sql, table->name);
    must(oltp_read(world->oltp, sql.data, sql.len, NULL, 0, NULL, true, &cursor, &error), &error, sql.data);
    struct sum sum = sum_cursor(cursor);
    oltp_cursor_close(&cursor);
    base_buffer_reset(&sql);
    return sum;
}

/* While nobody writes: every table that should be there is, and is the same. Returns the number of tables. */
static uint32_t check(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct capture_catalog *catalog = NULL;
    struct mirror_snapshot snapshot;
    uint32_t compared = 0;
    latest(world);
    must(capture_catalog_take(world->oltp, &catalog, &error), &error, "catalog");
    assert_int_equal(mirror_snapshot_take(world->mirror, &snapshot), RHEI_OK);
    for (uint32_t i = 0; i < catalog->table_count; i++) {
        const struct source_table *table = &catalog->tables[i].source;
        if (table->id == 0)
            continue;
        const struct mirror_table_view *view = mirror_view(&snapshot, table->id);
        if (!view)
            fail_msg("table %s (%u) is not in the mirror", table->name, table->id);
        struct sum mirrored = sum_view(view), stored = sum_table(world, table);
        if (mirrored.rows != stored.rows || mirrored.hash != stored.hash)
            fail_msg("table %s: %" PRIu64 " rows in the mirror, %" PRIu64 " stored, or other values", table->name,
                     mirrored.rows, stored.rows);
        assert_true(sync_table_ready(world->sync, table->id));
        compared++;
    }
    mirror_snapshot_release(&snapshot);
    capture_catalog_release(&catalog);
    return compared;
}

/* ---- Tests. ------------------------------------------------------------------------------------------------------ */

static const char SCHEMA[] = "CREATE TABLE a (id INTEGER PRIMARY KEY, n, t TEXT);"
                             "CREATE TABLE b (x, y);"
                             "CREATE TABLE c (k TEXT, l INT, v REAL, PRIMARY KEY (k, l)) WITHOUT ROWID;";
static const char FILL[] =
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 5000)"
    " INSERT INTO a SELECT i, i * 7 % 1000, 'text ' || i FROM s;"
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 3000)"
    " INSERT INTO b SELECT CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN i / 3.0 ELSE zeroblob(i % 20) END,"
    "  'a text that is too long to be kept inline ' || i FROM s;"
    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 2000)"
    " INSERT INTO c SELECT 'key' || (i % 50), i, i * 0.1 FROM s;";

static void test_a3_tables_that_were_there_and_tables_that_come(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    run(world.oltp, SCHEMA);
    run(world.oltp, FILL);
    open_sync(&world, (struct sync_config){.prune = true});
    build(&world);
    assert_int_equal(check(&world), 3);
    run(world.oltp, "CREATE TABLE d (id INTEGER PRIMARY KEY, z); INSERT INTO d SELECT id, t FROM a WHERE n < 100;");
    build(&world);
    assert_int_equal(check(&world), 4);
    run(world.oltp, "UPDATE d SET id = id + 10000; DELETE FROM d WHERE id % 2; REPLACE INTO d VALUES (10002, 1.5);");
    assert_int_equal(check(&world), 4);
    close_world(&world);
}

static void test_c5_schema_changes_with_changes_pending(void **state)
{
    (void)state;
    struct world world, foreign;
    open_world(&world);
    run(world.oltp, SCHEMA);
    run(world.oltp, FILL);
    open_sync(&world, (struct sync_config){.prune = true});
    build(&world);
    foreign = world;
    foreign.sync = NULL;
    open_side(&foreign, false);
    static const char *const CHANGES[] = {
        "UPDATE a SET n = n + 1; ALTER TABLE a ADD COLUMN extra DEFAULT 'filled'; UPDATE a SET n = 5 WHERE id < 10;",
        "DELETE FROM b WHERE rowid % 3 = 0; ALTER TABLE b RENAME COLUMN x TO renamed; INSERT INTO b VALUES (1, 2);",
        "INSERT INTO a VALUES (90000, 1, 2, 3); ALTER TABLE a DROP COLUMN t; DELETE FROM a WHERE id < 20;",
        "UPDATE c SET v = 1; ALTER TABLE c RENAME TO c2; UPDATE c2 SET v = 2 WHERE l < 9;",
        "DROP TABLE b; CREATE TABLE b (only); INSERT INTO b VALUES ('new');",
        "INSERT INTO a(n) VALUES (77); DROP TABLE c2;",
    };
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        run(i % 2 ? foreign.oltp : world.oltp, CHANGES[i]);
        latest(&world);
        build(&world);
        assert_int_equal(check(&world), i < 5 ? 3 : 2);
    }
    close_side(&foreign);
    close_world(&world);
}

static bool foreign_seen(struct fixture *fixture)
{
    struct world *world = fixture->context;
    struct oltp_status status;
    assert_int_equal(oltp_get_status(world->oltp, &status, NULL), RHEI_OK);
    return sync_position(world->sync) >= status.log_position;
}

static void test_q1_foreign_commits_are_seen(void **state)
{
    (void)state;
    struct world world, foreign;
    open_world(&world);
    run(world.oltp, SCHEMA);
    open_sync(&world, (struct sync_config){.prune = true});
    build(&world);
    foreign = world;
    foreign.sync = NULL;
    open_side(&foreign, false);
    for (int i = 0; i < 50; i++) { /* at once under latest */
        run(foreign.oltp, "INSERT INTO a(n) VALUES (1); INSERT INTO b VALUES (1, 2);");
        assert_int_equal(check(&world), 3);
    }
    must(sync_start(world.sync, NULL), NULL, "start"); /* and without being asked */
    struct fixture fixture = {.context = &world};
    for (int i = 0; i < 5; i++) {
        run(foreign.oltp, "INSERT INTO a(n) VALUES (1);");
        assert_true(wait_until(foreign_seen, &fixture));
    }
    assert_int_equal(check(&world), 3);
    close_side(&foreign);
    close_world(&world);
}

static void test_a8_two_engines_on_one_file(void **state)
{
    (void)state;
    struct world one, two;
    open_world(&one);
    run(one.oltp, SCHEMA);
    run(one.oltp, FILL);
    two = one;
    two.sync = NULL;
    open_side(&two, true);
    open_sync(&one, (struct sync_config){.prune = true});
    open_sync(&two, (struct sync_config){.prune = true});
    build(&one);
    build(&two);
    for (int i = 0; i < 30; i++) {
        run(i % 2 ? one.oltp : two.oltp, "UPDATE a SET n = n + 1 WHERE id % 7 = 0; DELETE FROM b WHERE rowid IN "
                                         "(SELECT rowid FROM b LIMIT 3); INSERT INTO a(t) VALUES ('new');");
        struct rhei_error error = RHEI_ERROR_INIT;
        must(sync_cycle(i % 3 ? one.sync : two.sync, NULL, &error), &error, "cycle");
    }
    assert_int_equal(check(&one), 3);
    assert_int_equal(check(&two), 3);
    struct sync_status status;
    sync_get_status(one.sync, &status);
    assert_int_equal(status.builds, 3);
    sync_get_status(two.sync, &status);
    assert_int_equal(status.builds, 3);
    close_side(&two);
    close_world(&one);
}

/* ---- The bank, with SQLite's own transactions. ------------------------------------------------------------------- */

enum { WRITERS = 8, TRANSFERS = 150, ACCOUNTS = 100 };

struct teller {
    struct world *world;
    base_thread thread;
    uint64_t random;
};

static void move_money(void *argument)
{
    struct teller *teller = argument;
    for (int i = 0; i < TRANSFERS; i++) {
        char sql[256];
        unsigned payer = (unsigned)(test_random(&teller->random) % ACCOUNTS) + 1;
        unsigned payee = (unsigned)(test_random(&teller->random) % ACCOUNTS) + 1;
        unsigned amount = (unsigned)(test_random(&teller->random) % 100);
        snprintf(
            sql, sizeof sql,
            "UPDATE north SET money = money - %u WHERE id = %u; UPDATE south SET money = money + %u WHERE id = %u;",
            amount, payer, amount, payee);
        run(teller->world->oltp, sql);
    }
}

static int64_t sum_money(const struct mirror_snapshot *snapshot, uint32_t table)
{
    int64_t sum = 0;
    const struct mirror_table_view *view = mirror_view(snapshot, table);
    assert_non_null(view);
    assert_int_equal(mirror_view_row_count(view), ACCOUNTS);
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t r = 0; r < mirror_view_segment_rows(view, s); r++) {
            struct mirror_vector vector;
            struct rhei_value value;
            uint32_t v = r / MIRROR_VECTOR_ROWS, bit = r % MIRROR_VECTOR_ROWS;
            mirror_view_vector(view, s, v, &vector);
            if (vector.dead && (vector.dead[bit / 64] >> (bit % 64) & 1))
                continue;
            mirror_view_value(view, s, r, 1, &value);
            sum += value.as.integer;
        }
    }
    return sum;
}

static uint32_t table_id(struct world *world, const char *name)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    uint32_t id = 0;
    assert_int_equal(sync_get_tables(world->sync, &tables, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tables[i].name, name) == 0)
            id = tables[i].id;
    base_free(tables);
    return id;
}

static void test_a1_bank_over_sqlite(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct world world;
    open_world(&world);
    run(world.oltp, "CREATE TABLE north (id INTEGER PRIMARY KEY, money INTEGER);"
                    "CREATE TABLE south (id INTEGER PRIMARY KEY, money INTEGER);"
                    "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 100)"
                    " INSERT INTO north SELECT i, 1000 FROM s;"
                    "INSERT INTO south SELECT * FROM north;");
    open_sync(&world, (struct sync_config){.prune = true, .batch_rows = 7});
    must(sync_start(world.sync, NULL), NULL, "start");
    build(&world);
    uint32_t north = table_id(&world, "north"), south = table_id(&world, "south");
    struct teller tellers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        tellers[i] = (struct teller){.world = &world, .random = test_random(&random) | 1};
        assert_int_equal(base_thread_start(&tellers[i].thread, "teller", move_money, &tellers[i], NULL), RHEI_OK);
    }
    for (int look = 0; look < 500; look++) {
        struct mirror_snapshot snapshot;
        if (look % 2)
            latest(&world);
        assert_int_equal(mirror_snapshot_take(world.mirror, &snapshot), RHEI_OK);
        assert_int_equal(sum_money(&snapshot, north) + sum_money(&snapshot, south), 2 * ACCOUNTS * 1000);
        mirror_snapshot_release(&snapshot);
    }
    for (size_t i = 0; i < WRITERS; i++)
        base_thread_join(&tellers[i].thread);
    assert_int_equal(check(&world), 2);
    close_world(&world);
}

/* ---- Anything, by seed. ------------------------------------------------------------------------------------------- */

static void random_statement(struct world *world, uint64_t *random, char *sql, size_t size)
{
    (void)world;
    unsigned key = (unsigned)(test_random(random) % 300), other = (unsigned)(test_random(random) % 300);
    switch (test_random(random) % 12) {
    case 0:
        snprintf(sql, size, "REPLACE INTO a VALUES (%u, %u, 'replaced')", key, other);
        break;
    case 1:
        snprintf(sql, size, "UPDATE OR REPLACE a SET id = %u WHERE id = %u", key, other);
        break;
    case 2:
        snprintf(sql, size, "INSERT INTO a VALUES (%u, 0, NULL) ON CONFLICT (id) DO UPDATE SET n = n + 1.5", key);
        break;
    case 3:
        snprintf(sql, size, "DELETE FROM a WHERE id BETWEEN %u AND %u", key, key + other % 20);
        break;
    case 4:
        snprintf(sql, size, "INSERT INTO b VALUES (%u, randomblob(%u))", key, other);
        break;
    case 5:
        snprintf(sql, size, "UPDATE b SET x = y, y = x WHERE rowid %% 50 = %u", key % 50);
        break;
    case 6:
        snprintf(sql, size, "DELETE FROM b WHERE rowid %% 60 = %u", key % 60);
        break;
    case 7:
        snprintf(sql, size, "UPDATE OR REPLACE c SET l = l + 1 WHERE k = 'key%u'", key % 50);
        break;
    case 8:
        snprintf(sql, size, "REPLACE INTO c VALUES ('key%u', %u, %u / 7.0)", key % 50, other, key);
        break;
    case 9:
        snprintf(sql, size, "UPDATE a SET t = t || '!' WHERE id %% 40 = %u", key % 40);
        break;
    case 10:
        snprintf(sql, size, "%s", key % 20 ? "DELETE FROM c WHERE v > 200" : "DELETE FROM c");
        break;
    default:
        snprintf(sql, size, "INSERT OR IGNORE INTO c SELECT 'new', id, n FROM a WHERE id %% 9 = %u", key % 9);
    }
}

static void test_a2_random_statements(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (int loop = 0; loop < 2; loop++) {
        struct world world;
        open_world(&world);
        run(world.oltp, SCHEMA);
        run(world.oltp, FILL);
        open_sync(&world, (struct sync_config){.prune = true, .batch_rows = 1 + test_random(&random) % 50});
        if (loop)
            must(sync_start(world.sync, NULL), NULL, "start");
        for (int i = 0; i < 250; i++) {
            char sql[256];
            random_statement(&world, &random, sql, sizeof sql);
            run(world.oltp, sql);
            if (i == 100)
                build(&world);
            if (i > 100 && test_random(&random) % 8 == 0)
                assert_int_equal(check(&world), 3);
        }
        assert_int_equal(check(&world), 3);
        close_world(&world);
    }
}

/* ---- A buffer between the log and the mirror. --------------------------------------------------------------------- */

static void follow_buffer(struct world *world, struct change_source *log, struct change_buffer *buffer)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct feed_config feed = {.buffer = buffer, .upstream = log, .batch_rows = 500, .prune_upstream = true};
    must(feed_source_open(&feed, &world->source, &error), &error, "feed");
    must(mirror_open(&(struct mirror_config){0}, &world->mirror, &error), &error, "mirror");
    open_sync(world, (struct sync_config){.prune = true, .build_on_demand = true, .batch_rows = 300});
    build(world);
}

static void leave_buffer(struct world *world)
{
    sync_close(&world->sync);
    mirror_close(&world->mirror);
    world->source->ops->close(&world->source);
}

/* The log goes into the buffer and out of the file; every value comes back from its encoded bytes, over schema changes and restarts. */
static void test_a2_log_through_a_buffer_and_back(void **state)
{
    static const char *const CHANGES[] = {
        "UPDATE a SET n = n + 1 WHERE id % 3 = 0; DELETE FROM b WHERE rowid % 5 = 0; UPDATE c SET v = -v WHERE l % 2;",
        "REPLACE INTO a VALUES (7, x'00ff00', 'seven'), (8, -0.0, ''), (9, 9223372036854775807, NULL);",
        "INSERT INTO b VALUES (1e308 * 10, 'inf'), (-1e308 * 10, zeroblob(70000)), (0.1 + 0.2, 'a' || char(0));",
        "ALTER TABLE a ADD COLUMN late DEFAULT 'filled'; UPDATE a SET late = id WHERE id < 100;",
        "UPDATE a SET id = -id WHERE id < 50; UPDATE c SET k = k || '!' WHERE l < 100;",
        "ALTER TABLE b DROP COLUMN x; INSERT INTO b VALUES ('after'); CREATE TABLE d (z PRIMARY KEY) WITHOUT ROWID;",
        "INSERT INTO d VALUES (1), ('1'), (x'31'); DELETE FROM c; DROP TABLE b;",
        "CREATE TABLE b (only); INSERT INTO b VALUES ('new'); DELETE FROM a WHERE id % 2;",
    };
    static const uint32_t TABLES[] = {3, 3, 3, 3, 3, 4, 3, 4};
    (void)state;
    struct world world;
    open_world(&world);
    struct change_source *log = world.source;
    struct change_buffer *buffer = memory_buffer_new();
    mirror_close(&world.mirror);
    run(world.oltp, SCHEMA);
    run(world.oltp, FILL);
    follow_buffer(&world, log, buffer);
    assert_int_equal(check(&world), 3);
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        run(world.oltp, CHANGES[i]);
        if (i % 3 == 2) { /* a mirror that begins anew over what the buffer has kept */
            leave_buffer(&world);
            memory_buffer_crash(buffer);
            follow_buffer(&world, log, buffer);
        }
        latest(&world);
        build(&world); /* those whose columns changed */
        assert_int_equal(check(&world), TABLES[i]);
    }
    assert_true(memory_buffer_commits(buffer) > 0);
    leave_buffer(&world);
    must(mirror_open(&(struct mirror_config){0}, &world.mirror, NULL), NULL, "mirror");
    world.source = log;
    close_world(&world);
    buffer->ops->close(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a2_log_through_a_buffer_and_back),
        cmocka_unit_test(test_a3_tables_that_were_there_and_tables_that_come),
        cmocka_unit_test(test_c5_schema_changes_with_changes_pending),
        cmocka_unit_test(test_q1_foreign_commits_are_seen),
        cmocka_unit_test(test_a8_two_engines_on_one_file),
        cmocka_unit_test(test_a1_bank_over_sqlite),
        cmocka_unit_test(test_a2_random_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
