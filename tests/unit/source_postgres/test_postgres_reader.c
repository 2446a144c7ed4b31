/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of real servers of both versions: what a look finds, and why nothing that was committed is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source_postgres/postgres_reader.h"
#include "tests/support/postgres_fixture.h"

struct world {
    struct test_server *server;
    struct postgres_polling polling;
    const char *names[3];
    struct poll_wanted wanted[3];
    struct poll_reader *reader;
    const struct poll_table *table;
    struct poll_state state;
    struct rhei_error error;
    char found[4000]; /* the first columns of the rows of a page, "1 2 3" */
    size_t count;
};

/* Follows table "t", as its administrator has made it. */
static void start(struct world *world, struct test_server *server)
{
    *world = (struct world){.server = server,
                            .names = {"t", "other"},
                            .error = RHEI_ERROR_INIT,
                            .wanted = {{.name = "t"}, {.name = "other"}}};
    world->polling.config.target.conninfo = server->conninfo;
    world->polling.wanted = (struct postgres_wanted){world->names, 1, false, NULL};
    world->polling.config.wishes = (struct poll_wishes){.tables = world->wanted, .table_count = 1};
    assert_int_equal(postgres_stop_init(&world->polling.stop, NULL), RHEI_OK);
    assert_int_equal(postgres_reader_open(&world->polling, &world->reader, NULL), RHEI_OK);
}

static void stop(struct world *world)
{
    world->reader->ops->close(&world->reader);
    postgres_stop_reset(&world->polling.stop);
    test_server_sql(world->server, "DROP TABLE IF EXISTS t CASCADE");
}

static void begin(struct world *world)
{
    if (world->reader->ops->begin(world->reader, &world->state, &world->error) != RHEI_OK)
        fail_msg("%s", world->error.message);
}

static void end(struct world *world)
{
    world->reader->ops->end(world->reader);
}

static void describe(struct world *world)
{
    size_t count = 0;
    if (world->reader->ops->tables(world->reader, &world->table, &count, &world->error) != RHEI_OK)
        fail_msg("%s", world->error.message);
    assert_int_equal(count, world->polling.wanted.count);
    if (world->table->definition.unmirrored_reason != NULL)
        fail_msg("%s", world->table->definition.unmirrored_reason);
}

static void show(struct world *world, const struct poll_rows *rows)
{
    world->count += rows->count;
    for (size_t i = 0; i < rows->count; i++) {
        const struct rhei_value *value = &rows->columns[0][i];
        size_t at = strlen(world->found);
        if (value->type == RHEI_INTEGER)
            snprintf(world->found + at, sizeof world->found - at, at > 0 ? " %lld" : "%lld",
                     (long long)value->as.integer);
    }
}

static rhei_status read_page(struct world *world, const struct poll_page *page, struct poll_rows *rows)
{
    world->error = (struct rhei_error)RHEI_ERROR_INIT;
    return world->reader->ops->page(world->reader, page, rows, &world->error);
}

/* Rows of one page. */
static const char *find(struct world *world, const struct poll_page *page)
{
    struct poll_rows rows = {0};
    world->found[0] = '\0';
    world->count = 0;
    if (read_page(world, page, &rows) != RHEI_OK)
        fail_msg("%s", world->error.message);
    show(world, &rows);
    return world->found;
}

static const char *find_since(struct world *world, int64_t horizon)
{
    struct poll_page page = {.order = POLL_SINCE, .first = true, .since = horizon, .most = 100};
    return find(world, &page);
}

static PGconn *session(const struct test_server *server)
{
    PGconn *conn = PQconnectdb(server->conninfo);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    return conn;
}

static void run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
}

/* ---- Tests. ------------------------------------------------------------------------------------------------------ */

/*
 * A transaction takes its time when it begins and its number when it first writes. A look in between sees nobody run, so neither the newest timestamp, nor one that is
 * held back by who runs, leads the next look to its rows; what its number says does.
 */
static void test_s1_a_late_commit_is_found_by_the_number_of_its_transaction(struct test_server *server)
{
    struct world world;
    struct poll_page newer = {.order = POLL_BY_STAMP, .stamp = 1, .first = true, .most = 100};
    test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz DEFAULT now());"
                            "INSERT INTO t SELECT n FROM generate_series(1, 3) n");
    start(&world, server);
    PGconn *late = session(server), *prepared = session(server);
    run(late, "BEGIN; SELECT now()");
    run(prepared, "BEGIN; SELECT now()");
    test_server_sql(server, "INSERT INTO t VALUES (4)");
    begin(&world);
    describe(&world);
    int64_t horizon = world.state.horizon;
    struct rhei_value newest;
    assert_int_equal(world.reader->ops->newest(world.reader, 0, 1, 0, &newest, &world.error), RHEI_OK);
    char mark[64];
    snprintf(mark, sizeof mark, "%.*s", (int)newest.length, (const char *)newest.as.bytes);
    newest.as.bytes = mark;
    newer.from = &newest;
    assert_string_equal(find(&world, &newer), "4");
    assert_string_equal(find_since(&world, horizon), "");
    end(&world);
    run(late, "INSERT INTO t VALUES (5); SAVEPOINT s; INSERT INTO t VALUES (6); ROLLBACK TO s; SAVEPOINT s;"
              "UPDATE t SET updated_at = now() WHERE id = 2; INSERT INTO t VALUES (7); RELEASE s; COMMIT");
    begin(&world);
    assert_true(world.state.changed);
    assert_string_equal(find(&world, &newer), "4"); /* a plain watermark misses them for good */
    assert_string_equal(find_since(&world, horizon), "5 2 7");
    end(&world);
    run(prepared, "INSERT INTO t VALUES (8); PREPARE TRANSACTION 'p'");
    begin(&world);
    int64_t held = world.state.horizon; /* it isn't over, though nobody is connected for it */
    assert_string_equal(find_since(&world, horizon), "5 2 7");
    end(&world);
    test_server_sql(server, "INSERT INTO t VALUES (9)");
    run(prepared, "COMMIT PREPARED 'p'");
    begin(&world);
    assert_true(world.state.changed);
    assert_string_equal(find_since(&world, held), "8 9");
    assert_string_equal(find(&world, &newer), "4 9");
    newer.since = held; /* of what the timestamp says, only what an earlier look hasn't told */
    assert_string_equal(find(&world, &newer), "9");
    end(&world);
    /* frozen rows keep their numbers; a horizon of an age ago finds all */
    test_server_sql(server, "VACUUM FREEZE t");
    begin(&world);
    assert_string_equal(find_since(&world, held), "8 9");
    find_since(&world, held - INT64_C(3000000000));
    assert_int_equal(world.count, 8);
    end(&world);
    PQfinish(late);
    PQfinish(prepared);
    stop(&world);
}

/* V1. */
static void test_s1_nothing_is_read_unless_something_was_committed(struct test_server *server)
{
    static const char *const commits[] = {
        "INSERT INTO t VALUES (10, 1)",
        "UPDATE t SET updated_at = 2 WHERE id = 10",
        "DELETE FROM t WHERE id = 10",
        "TRUNCATE t",
        "ALTER TABLE t SET UNLOGGED",
        "INSERT INTO t VALUES (11, 1)", /* of which the log has no rows */
        "SET synchronous_commit = off; UPDATE t SET updated_at = 3; SET synchronous_commit = on",
        "ALTER TABLE t ADD COLUMN more int",
    };
    struct world world;
    test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, updated_at int)");
    start(&world, server);
    begin(&world);
    assert_true(world.state.changed && world.state.schema_changed);
    end(&world);
    for (size_t i = 0; i < sizeof commits / sizeof *commits; i++) {
        test_server_sql(server, "%s", commits[i]);
        begin(&world);
        if (!world.state.changed)
            fail_msg("%s wasn't seen", commits[i]);
        end(&world);
        test_server_sql(server, "SELECT count(*) FROM t");
        begin(&world);
        assert_false(world.state.changed || world.state.lost || world.state.doubtful);
        end(&world);
    }
    /* transactions that end in another order than they began */
    PGconn *first = session(server), *second = session(server);
    run(first, "BEGIN; INSERT INTO t VALUES (20)");
    run(second, "BEGIN; INSERT INTO t VALUES (21)");
    for (int i = 0; i < 2; i++) {
        begin(&world);
        end(&world);
        run(i == 0 ? second : first, "COMMIT");
        begin(&world);
        assert_true(world.state.changed);
        end(&world);
    }
    PQfinish(first);
    PQfinish(second);
    stop(&world);
}

/* V4. */
static void test_s2_a_table_that_is_emptied_behind_the_state_is_not_taken_for_empty(struct test_server *server)
{
    static const char *const changes[] = {"TRUNCATE t", "ALTER TABLE t ALTER COLUMN n TYPE bigint",
                                          "DROP TABLE p; CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (100)",
                                          "TRUNCATE p"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct world world;
        struct poll_page other = {.table = 1, .order = POLL_BY_KEY, .first = true, .most = 100};
        struct poll_page all = {.order = POLL_BY_KEY, .first = true, .most = 100};
        struct poll_rows rows = {0};
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, updated_at int, n int) PARTITION BY RANGE (id);"
                                "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (100);"
                                "CREATE TABLE IF NOT EXISTS other (id int PRIMARY KEY, updated_at int);"
                                "INSERT INTO t SELECT n, n, n FROM generate_series(1, 3) n");
        start(&world, server);
        world.polling.wanted.count = 2;
        world.polling.config.wishes.table_count = 2;
        begin(&world);
        describe(&world);
        assert_string_equal(find(&world, &all), "1 2 3");
        end(&world);
        begin(&world);
        assert_string_equal(find(&world, &other), ""); /* pins the state, and locks nothing of t */
        test_server_sql(server, "%s", changes[i]);
        rhei_status status = read_page(&world, &all, &rows);
        if (status != RHEI_STALE && status != RHEI_SQL)
            fail_msg("%s on %d: %zu rows, %d", changes[i], server->version, rows.count, (int)status);
        end(&world);
        stop(&world);
    }
    test_server_sql(server, "DROP TABLE other");
}

static void test_a_timestamp_without_an_index_is_told_with_what_makes_one(struct test_server *server)
{
    struct world world;
    test_server_sql(server,
                    "CREATE TABLE t (id int PRIMARY KEY, \"updated_at\" int); CREATE INDEX ON t (id, updated_at)");
    start(&world, server);
    begin(&world);
    describe(&world);
    const char *statement = strstr(world.table->advice, "CREATE INDEX ON \"public\".\"t\" (\"updated_at\")");
    assert_non_null(statement);
    char sql[100];
    snprintf(sql, sizeof sql, "%.*s", (int)(strchr(statement, ')') + 1 - statement), statement);
    end(&world);
    test_server_sql(server, "%s", sql);
    begin(&world);
    describe(&world);
    assert_null(world.table->advice);
    end(&world);
    stop(&world);
}

/* What the settings say of a table is that table's, whatever stands before it; of one that is named twice nobody knows which was meant. */
static void test_s2_a_table_named_twice_takes_nothing_from_the_next_one(struct test_server *server)
{
    struct world world;
    size_t count = 0;
    test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, updated_at int);"
                            "CREATE TABLE other (id int PRIMARY KEY, changed int, updated_at int)");
    start(&world, server);
    world.names[1] = "public.t";
    world.names[2] = "other";
    world.wanted[1] = (struct poll_wanted){.name = "public.t"};
    world.wanted[2] = (struct poll_wanted){.name = "other", .updated_at = "changed"};
    world.polling.wanted.count = world.polling.config.wishes.table_count = 3;
    begin(&world);
    assert_int_equal(world.reader->ops->tables(world.reader, &world.table, &count, &world.error), RHEI_OK);
    assert_int_equal(count, 2);
    assert_string_equal(world.table[0].definition.name, "t");
    assert_string_equal(world.table[0].definition.unmirrored_reason,
                        "it is named twice, as \"t\" and as \"public.t\": name it once");
    assert_string_equal(world.table[1].definition.name, "other");
    assert_null(world.table[1].definition.unmirrored_reason);
    assert_int_equal(world.table[1].stamp_count, 1);
    assert_int_equal(world.table[1].stamps[0], 1);
    end(&world);
    stop(&world);
    test_server_sql(server, "DROP TABLE other");
}

/* Every value leads to the row behind it, whatever its type: as a stamp, and as a key. */
static void test_s4_pages_go_on_behind_values_of_every_type(struct test_server *server)
{
    static const char *const types[][2] = {
        {"boolean", "('t'),('f')"},
        {"smallint", "('-32768'),('0'),('32767')"},
        {"integer", "('-2147483648'),('7')"},
        {"bigint", "('-9223372036854775808'),('9223372036854775807')"},
        {"oid", "('0'),('4294967295')"},
        {"real", "('0.1'),('1e-30'),('NaN'),('-Infinity'),('Infinity'),('-0.5'),('3.4e38')"},
        {"double precision", "('0.1'),('1e-300'),('NaN'),('-Infinity'),('0.30000000000000004')"},
        {"numeric", "('0.1'),('123456789012345678901234567890.5'),('NaN'),('-1')"},
        {"numeric(10,2)", "('12.30'),('12.31'),('99999999.99'),('-0.01'),('NaN')"},
        {"numeric(15,5)", "('1234567890.12345'),('1234567890.12346'),('0.1')"},
        {"numeric(18,0)", "('999999999999999999'),('-1')"},
        {"money", "('-12.34'),('0.05'),('92233720368547758.07'),('-0.01')"},
        {"date", "('infinity'),('-infinity'),('0044-03-15 BC'),('2026-01-31'),('12026-01-01')"},
        {"timestamp", "('infinity'),('-infinity'),('0044-03-15 BC'),('2026-01-31 12:00:00.000001'),('12026-01-01')"},
        {"timestamptz", "('infinity'),('-infinity'),('0044-03-15 BC'),('2026-01-31 12:00+05'),('2026-01-31 12:00+04')"},
        {"time", "('00:00'),('24:00'),('12:00:00.000001')"},
        {"timetz", "('12:00+01'),('12:00+02')"},
        {"interval", "('1 month'),('1 day'),('-3 hours')"},
        {"uuid", "('6ecd8c99-4036-403d-bf84-cf8400f67836'),('00000000-0000-0000-0000-000000000000')"},
        {"bytea", "('\\x'),('\\x00ff'),('\\x5c')"},
        {"text", "(''),('a'),('it''s \"x\" \\'),('\u00e4')"},
        {"varchar(10)", "(''),('ab'),('b')"},
        {"char(5)", "(''),('ab'),('b')"},
        {"name", "('a'),('b')"},
        {"mood", "('sad'),('ok'),('happy')"},
        {"price", "('0.10'),('12.30')"},
        {"jsonb", "('{\"a\": 1}'),('[1, \"x\"]'),('null')"},
        {"int[]", "('{}'),('{1,NULL}'),('[2:3]={7,8}')"},
        {"int4range", "('empty'),('[1,5)'),('(,3)')"},
        {"inet", "('10.0.0.1'),('10.0.0.0/8'),('::1')"},
        {"bit(3)", "(B'101'),(B'000')"},
    };
    test_server_sql(server, "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');"
                            "CREATE DOMAIN price AS numeric(10,2) CHECK (value > 0)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct world world;
        char kept[2][200];
        struct rhei_value from[2] = {{.type = RHEI_NULL}};
        struct poll_page page = {.order = POLL_BY_STAMP, .stamp = 1, .first = true, .from = from, .most = 1};
        struct poll_rows rows = {0};
        test_server_sql(server,
                        "CREATE TABLE t (id %s PRIMARY KEY, updated_at %s); INSERT INTO t VALUES %s;"
                        "UPDATE t SET updated_at = id",
                        types[i][0], types[i][0], types[i][1]);
        long there = strtol(test_server_sql(server, "SELECT count(*) FROM t"), NULL, 10), here = 0;
        start(&world, server);
        begin(&world);
        describe(&world);
        do {
            if (read_page(&world, &page, &rows) != RHEI_OK)
                fail_msg("%s on %d: %s", types[i][0], server->version, world.error.message);
            here += (long)rows.count;
            for (int v = 0; v < 2 && rows.count > 0; v++) {
                from[v] = rows.columns[1 - v][0];
                if (from[v].type >= RHEI_TEXT && from[v].length > 0) {
                    memcpy(kept[v], from[v].as.bytes, from[v].length);
                    from[v].as.bytes = kept[v];
                }
            }
            page.first = false;
        } while (rows.count > 0 && here <= there);
        if (here != there)
            fail_msg("%s on %d: %ld rows of %ld", types[i][0], server->version, here, there);
        end(&world);
        stop(&world);
    }
    test_server_sql(server, "DROP TYPE mood; DROP DOMAIN price");
}

/* ---- Of both versions. ------------------------------------------------------------------------------------------- */

static int open_servers(void **unused)
{
    static const char *const settings[] = {"max_prepared_transactions=10", NULL};
    (void)unused;
    test_servers[0] = test_server_open(15, settings);
    test_servers[1] = test_server_open(18, settings);
    return 0;
}

#define OF_BOTH(test)                      \
    static void both_##test(void **unused) \
    {                                      \
        (void)unused;                      \
        for (int i = 0; i < 2; i++)        \
            test(test_servers[i]);         \
    }
OF_BOTH(test_s1_a_late_commit_is_found_by_the_number_of_its_transaction)
OF_BOTH(test_s1_nothing_is_read_unless_something_was_committed)
OF_BOTH(test_s2_a_table_that_is_emptied_behind_the_state_is_not_taken_for_empty)
OF_BOTH(test_s2_a_table_named_twice_takes_nothing_from_the_next_one)
OF_BOTH(test_a_timestamp_without_an_index_is_told_with_what_makes_one)
OF_BOTH(test_s4_pages_go_on_behind_values_of_every_type)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_test_s1_a_late_commit_is_found_by_the_number_of_its_transaction),
        cmocka_unit_test(both_test_s1_nothing_is_read_unless_something_was_committed),
        cmocka_unit_test(both_test_s2_a_table_that_is_emptied_behind_the_state_is_not_taken_for_empty),
        cmocka_unit_test(both_test_s2_a_table_named_twice_takes_nothing_from_the_next_one),
        cmocka_unit_test(both_test_a_timestamp_without_an_index_is_told_with_what_makes_one),
        cmocka_unit_test(both_test_s4_pages_go_on_behind_values_of_every_type),
    };
    return cmocka_run_group_tests(tests, open_servers, test_servers_close);
}
