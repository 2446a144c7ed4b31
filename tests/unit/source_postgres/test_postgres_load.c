/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of real servers of both versions, followed by the stream and polled, whose connections are cut in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>

#include "source_postgres/source_postgres.h"
#include "tests/support/postgres_fixture.h"

enum { ROWS = 120000, MOST_AT_ONCE = 4000, LOADERS = 2, FILLER = 500, PIECE_PAGES = 1024, ROWS_A_PAGE = 16 };

struct world {
    struct test_server *server;
    bool logical;
    struct base_log log;
    struct poll_wanted wanted;
    const char *names[1];
    struct change_source *source;
    uint32_t table;
    struct source_load *load;
    struct source_load_info info;
    struct rhei_error error;
    uint8_t seen[ROWS + 1]; /* how often a key came */
    size_t rows;
    unsigned noticed, cuts; /* as the log told them, */
    uint64_t twice;
};

static void take_log(void *context, int level, const char *room, const char *message)
{
    struct world *world = context;
    (void)level;
    (void)room;
    unsigned cuts = 0;
    unsigned long long twice = 0;
    if (sscanf(message, "%u connections that loaded big were cut: %llu rows", &cuts, &twice) == 2) {
        world->cuts = cuts;
        world->twice = twice;
    }
    world->noticed += strstr(message, "a connection that loads big was cut") != NULL;
}

static void open_source(struct world *world)
{
    rhei_status status;
    if (world->logical) {
        struct source_postgres_config config = {
            .target.conninfo = world->server->conninfo, .tables = world->names, .table_count = 1, .log = &world->log};
        status = source_postgres_open(&config, &world->source, &world->error);
    } else {
        struct source_postgres_polling config = {.target.conninfo = world->server->conninfo,
                                                 .wishes = {.tables = &world->wanted, .table_count = 1},
                                                 .log = &world->log};
        status = source_postgres_poll(&config, &world->source, &world->error);
    }
    if (status != RHEI_OK)
        fail_msg("%s", world->error.message);
}

/* A cycle, for the list of tables. */
static void find_table(struct world *world)
{
    const struct change_source_ops *ops = world->source->ops;
    const struct source_table *tables = NULL;
    struct change_cycle cycle;
    size_t count = 0;
    rhei_status status = RHEI_BUSY;
    for (int tries = 0; tries < 2000 && (status == RHEI_BUSY || status == RHEI_TIMEOUT || status == RHEI_IO); tries++) {
        status = ops->begin(world->source, 0, &cycle, NULL, &world->error);
        if (status != RHEI_OK) /* a connection is made again when its time has come */
            poll(NULL, 0, 1);
    }
    if (status == RHEI_OK)
        status = ops->tables(world->source, &tables, &count, &world->error);
    if (status != RHEI_OK)
        fail_msg("%s", world->error.message);
    assert_int_equal(count, 1);
    assert_null(tables[0].unmirrored_reason);
    world->table = tables[0].id;
    ops->end(world->source);
}

static void start(struct world *world, struct test_server *server, bool logical)
{
    *world = (struct world){.server = server,
                            .logical = logical,
                            .log = {take_log, world, BASE_LOG_INFO},
                            .wanted = {.name = "big"},
                            .names = {"big"},
                            .error = RHEI_ERROR_INIT};
    test_server_sql(server,
                    "CREATE TABLE big (id int PRIMARY KEY, updated_at timestamptz DEFAULT now(), filler text);"
                    "INSERT INTO big SELECT n, now(), repeat('x', %d) FROM generate_series(1, %d) n; ANALYZE big",
                    FILLER, ROWS);
    open_source(world);
    find_table(world);
    if (world->source->ops->load_begin(world->source, world->table, LOADERS, &world->load, &world->info,
                                       &world->error) != RHEI_OK)
        fail_msg("%s", world->error.message);
    assert_int_equal(world->info.loader_count, LOADERS);
}

static void stop(struct world *world)
{
    world->source->ops->load_end(&world->load);
    world->source->ops->close(&world->source);
    test_server_until(world->server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'rhei%'"
                                     " AND backend_type IN ('client backend', 'walsender')");
    test_server_sql(world->server, "DROP PUBLICATION IF EXISTS rhei; DROP TABLE big");
}

/* A loader's next batch. False: it has no more. */
static bool take(struct world *world, uint32_t loader, rhei_status expected)
{
    const struct change_batch *batch = NULL;
    rhei_status status = world->source->ops->load_next(world->load, loader, MOST_AT_ONCE, &batch, &world->error);
    if (status != expected)
        fail_msg("%d: %s", status, world->error.message);
    for (size_t i = 0; batch != NULL && i < batch->row_count; i++) {
        assert_int_equal(batch->columns[0][i].type, RHEI_INTEGER);
        assert_in_range(batch->columns[0][i].as.integer, 1, ROWS);
        assert_int_equal(batch->columns[2][i].length, FILLER);
        world->seen[batch->columns[0][i].as.integer]++;
        world->rows++;
    }
    return batch != NULL;
}

static void take_rest(struct world *world)
{
    for (uint32_t loader = 0; loader < LOADERS; loader++)
        while (take(world, loader, RHEI_OK))
            continue;
}

/* Who is in the middle of a load: those who read, and those who hold what they read. */
static void cut(const struct world *world, const char *which)
{
    test_server_sql(world->server,
                    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend' AND %s",
                    which);
}

static const char READERS[] = "query LIKE 'COPY (SELECT%'";

static void assert_once(const struct world *world)
{
    for (size_t id = 1; id <= ROWS; id++)
        if (world->seen[id] != 1)
            fail_msg("row %zu came %d times", id, world->seen[id]);
    assert_int_equal(world->rows, ROWS);
}

/* What the server had sent before comes first. */
static void take_until_noticed(struct world *world, uint32_t loader)
{
    unsigned before = world->noticed;
    while (world->noticed == before)
        assert_true(take(world, loader, RHEI_OK));
}

/*
 * Both loaders' connections are cut, again and again, while others write: each goes on where it was, in the state that it was in, and what is read twice is what its run of
 * pages had brought by then.
 */
static void test_s2_a_cut_connection_costs_its_own_pages(struct test_server *server, bool logical)
{
    enum { ROUNDS = 2 };
    struct world world;
    start(&world, server, logical);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t loader = 0; loader < LOADERS; loader++)
            assert_true(take(&world, loader, RHEI_OK));
        cut(&world, READERS);
        test_server_sql(server, "UPDATE big SET filler = 'late' WHERE id %% 7 = %d", round);
        test_server_sql(server, "DELETE FROM big WHERE id %% 11 = %d", round);
        test_server_sql(server, "INSERT INTO big SELECT n FROM generate_series(%d, %d) n", ROWS + 1 + round * 10,
                        ROWS + 10 + round * 10);
        test_server_sql(server, "VACUUM big");
        for (uint32_t loader = 0; loader < LOADERS; loader++)
            take_until_noticed(&world, loader);
    }
    take_rest(&world);
    stop(&world);
    assert_once(&world);
    assert_int_equal(world.cuts, ROUNDS * LOADERS);
    print_message("%s %d: %u cuts, %llu of %d rows read twice\n", logical ? "logical" : "poll", server->version,
                  world.cuts, (unsigned long long)world.twice, ROWS);
    assert_in_range(world.twice, 1, (uint64_t)world.cuts * PIECE_PAGES * ROWS_A_PAGE);
}

/* Where everything is cut at once, nobody has the state any more: the load says so, and a new one has it all. */
static void test_s2_a_state_that_nobody_holds_is_not_gone_on_with(struct test_server *server, bool logical)
{
    struct world world;
    start(&world, server, logical);
    assert_true(take(&world, 0, RHEI_OK));
    cut(&world, "application_name LIKE 'rhei%'");
    for (rhei_status status = RHEI_OK; status == RHEI_OK;) {
        const struct change_batch *batch = NULL;
        status = world.source->ops->load_next(world.load, 0, MOST_AT_ONCE, &batch, &world.error);
        assert_true(status == RHEI_IO || (status == RHEI_OK && batch != NULL));
    }
    assert_non_null(strstr(world.error.message, "the load of big begins anew"));
    world.source->ops->load_end(&world.load);
    find_table(&world);
    memset(world.seen, 0, sizeof world.seen);
    world.rows = 0;
    if (world.source->ops->load_begin(world.source, world.table, LOADERS, &world.load, &world.info, &world.error) !=
        RHEI_OK)
        fail_msg("%s", world.error.message);
    take_rest(&world);
    stop(&world);
    assert_once(&world);
}

/*
 * While every connection that reads is away, no lock keeps rows from being written anew, and the state shows such a table as empty, or in another order. (Where it is polled, who holds the
 * state has looked for the newest timestamps, and so has a lock.)
 */
static void test_s2_rows_that_are_written_anew_meanwhile_are_not_gone_on_with(struct test_server *server,
                                                                              const char *how)
{
    struct world world;
    start(&world, server, true);
    assert_true(take(&world, 0, RHEI_OK));
    cut(&world, READERS);
    test_server_sql(server, "%s", how);
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK) {
        const struct change_batch *batch = NULL;
        status = world.source->ops->load_next(world.load, 0, MOST_AT_ONCE, &batch, &world.error);
        assert_true(status == RHEI_STALE || (status == RHEI_OK && batch != NULL));
    }
    assert_non_null(strstr(world.error.message, "big was written anew while it was loaded"));
    stop(&world);
}

#define OF_ALL(test)                          \
    static void all_##test(void **unused)     \
    {                                         \
        (void)unused;                         \
        for (int i = 0; i < 4; i++)           \
            test(test_servers[i % 2], i < 2); \
    }
OF_ALL(test_s2_a_cut_connection_costs_its_own_pages)
OF_ALL(test_s2_a_state_that_nobody_holds_is_not_gone_on_with)

static void all_test_s2_rows_that_are_written_anew_meanwhile_are_not_gone_on_with(void **unused)
{
    static const char *const ways[] = {"VACUUM FULL big", "TRUNCATE big"};
    (void)unused;
    for (int i = 0; i < 4; i++)
        test_s2_rows_that_are_written_anew_meanwhile_are_not_gone_on_with(test_servers[i % 2], ways[i / 2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_test_s2_a_cut_connection_costs_its_own_pages),
        cmocka_unit_test(all_test_s2_a_state_that_nobody_holds_is_not_gone_on_with),
        cmocka_unit_test(all_test_s2_rows_that_are_written_anew_meanwhile_are_not_gone_on_with),
    };
    return cmocka_run_group_tests(tests, test_servers_open, test_servers_close);
}
