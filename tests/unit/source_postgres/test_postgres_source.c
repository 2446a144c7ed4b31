/* SPDX-License-Identifier: Apache-2.0 */
/* A source over real servers of both versions: what the model holds is what the server has, after every kind of change. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "postgres_model.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/postgres_relay.h"

static void start(struct model *model, struct test_server *server, struct source_postgres_config config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    config.target.conninfo = server->conninfo;
    config.look_ms = config.look_ms ? config.look_ms : 1;
    struct change_source *source = NULL;
    if (source_postgres_open(&config, &source, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    model_init(model, source);
}

static void cycle(struct model *model)
{
    for (int tries = 0; tries < 2000; tries++) {
        rhei_status status = model_cycle(model);
        if (status == RHEI_OK)
            return;
        if (status != RHEI_BUSY && status != RHEI_TIMEOUT)
            fail_msg("%s", model->error.message);
    }
    fail_msg("%s", model->error.message);
}

/* The server's rows in the model's form. */
static void assert_table(struct model *model, struct test_server *server, const char *name)
{
    static char columns[2000];
    snprintf(columns, sizeof columns, "%s",
             test_server_sql(server,
                             "SELECT string_agg('coalesce(' || quote_ident(attname) || '::text, ''NULL'')', ' || ''|'' "
                             "|| ' ORDER BY attnum)"
                             " FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped",
                             name));
    struct model_table *table = model_find(model, name);
    assert_non_null(table);
    assert_string_equal(table->reason, "");
    assert_true(table->loaded);
    char *shown = model_show(table);
    PGresult *result = NULL;
    char sql[4000];
    snprintf(
        sql, sizeof sql,
        "SELECT coalesce(string_agg(r || E'\\n', '' ORDER BY r COLLATE \"C\"), '') FROM (SELECT %s AS r FROM %s) x",
        columns, name);
    result = PQexec(server->admin, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s\n%s", sql, PQerrorMessage(server->admin));
    if (strcmp(shown, PQgetvalue(result, 0, 0)) != 0)
        fail_msg("%s on %d: here\n%.1500s\nthere\n%.1500s", name, server->version, shown, PQgetvalue(result, 0, 0));
    PQclear(result);
    base_free(shown);
}

static void end(struct model *model)
{
    model_reset(model);
    for (int i = 0; i < 2; i++) {
        test_server_until(test_servers[i], "SELECT count(*) = 0 FROM pg_replication_slots WHERE active");
        test_server_sql(test_servers[i], "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
        test_server_sql(test_servers[i], "DROP PUBLICATION IF EXISTS rhei");
        test_server_sql(test_servers[i],
                        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public;"
                        "DROP SCHEMA IF EXISTS sales CASCADE");
    }
}

static void test_s1_loads_and_follows_every_kind_of_change(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        test_server_sql(
            server,
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount numeric, note text);"
            "INSERT INTO orders SELECT n, 'c' || n %% 7, n * 1.5, CASE WHEN n %% 3 = 0 THEN repeat(md5(n::text), 3) END"
            " FROM generate_series(1, 5000) n;"
            "CREATE SCHEMA sales; CREATE TABLE sales.\"Order Items\" (a int, b text, v int[], PRIMARY KEY (a, b));"
            "INSERT INTO sales.\"Order Items\" VALUES (1, 'x', '{1,2}'), (1, 'y', NULL)");
        start(&model, server, (struct source_postgres_config){0});
        cycle(&model);
        assert_int_equal(model.loads, 2);
        assert_table(&model, server, "orders");
        struct model_table *items = model_find(&model, "sales.Order Items");
        assert_non_null(items);
        char *shown = model_show(items);
        assert_string_equal(shown, "1|x|{1,2}\n1|y|NULL\n");
        base_free(shown);

        test_server_sql(server,
                        "INSERT INTO orders VALUES (6000, 'new', 'NaN', NULL); UPDATE orders SET amount = amount + 1 "
                        "WHERE id <= 10;"
                        "DELETE FROM orders WHERE id BETWEEN 20 AND 30; UPDATE orders SET id = 7000 WHERE id = 50");
        cycle(&model);
        assert_table(&model, server, "orders");
        test_server_sql(
            server, "BEGIN; UPDATE orders SET id = id + 100000 WHERE id < 100; DELETE FROM orders WHERE id = 100001;"
                    "SAVEPOINT s; DELETE FROM orders; ROLLBACK TO s; INSERT INTO orders VALUES (100001, 'again', 1, "
                    "'') ; COMMIT;"
                    "BEGIN; DELETE FROM orders; ROLLBACK");
        cycle(&model);
        assert_table(&model, server, "orders");
        test_server_sql(server, "TRUNCATE orders; INSERT INTO orders VALUES (1, 'a', 2, 'b')");
        cycle(&model);
        assert_table(&model, server, "orders");
        assert_int_equal(model.lost, 0);
        assert_int_equal(model.loads, 2); /* all of it came by the stream */
        end(&model);
    }
}

/* Values of more than a page that an UPDATE leaves alone aren't in the stream. */
static void test_s4_large_values_that_are_unchanged_stay(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        test_server_sql(server, "CREATE TABLE docs (id int PRIMARY KEY, n int, body text); ALTER TABLE docs ALTER body "
                                "SET STORAGE EXTERNAL;"
                                "CREATE TABLE whole (id int PRIMARY KEY, n int, body text); ALTER TABLE whole ALTER "
                                "body SET STORAGE EXTERNAL;"
                                "ALTER TABLE whole REPLICA IDENTITY FULL;"
                                "INSERT INTO docs SELECT n, n, repeat('x' || n, 5000) FROM generate_series(1, 5) n; "
                                "INSERT INTO whole SELECT * FROM docs");
        start(&model, server, (struct source_postgres_config){0});
        cycle(&model);
        test_server_sql(
            server, "UPDATE docs SET n = n + 1; UPDATE whole SET n = n + 1; UPDATE whole SET id = id + 10 WHERE id > 3;"
                    "UPDATE docs SET body = 'short' WHERE id = 1; UPDATE docs SET n = NULL WHERE id = 2");
        cycle(&model);
        assert_table(&model, server, "docs");
        assert_table(&model, server, "whole");
        assert_int_equal(model.lost, 0);
        /* the key changes and the value isn't sent: only a load has it */
        test_server_sql(server, "UPDATE docs SET id = id + 10");
        cycle(&model);
        assert_table(&model, server, "docs");
        assert_true(model.lost > 0);
        end(&model);
    }
}

static void test_s1_changes_of_the_schema_are_followed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT n, 'v' || n FROM "
                                "generate_series(1, 50) n");
        start(&model, server, (struct source_postgres_config){.slot = "rhei_test"});
        cycle(&model);
        static const char *const changes[] = {
            "ALTER TABLE t ADD COLUMN b int DEFAULT 7", /* says nothing of the rows */
            "UPDATE t SET b = 8 WHERE id = 1",
            "ALTER TABLE t RENAME COLUMN a TO a2; UPDATE t SET a2 = 'x' WHERE id = 2",
            "ALTER TABLE t ALTER COLUMN b TYPE bigint USING b * 2",
            "ALTER TABLE t ALTER COLUMN b TYPE bigint USING b + 1",
            "INSERT INTO t VALUES (100, 'new', 1)",
            "ALTER TABLE t DROP COLUMN b",
            ("BEGIN; INSERT INTO t VALUES (101, 'p'); ALTER TABLE t ADD COLUMN c text; INSERT INTO t VALUES (102, 'q', "
             "'r'); COMMIT"),
            ("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, z text); INSERT INTO t VALUES (1, 'other');"
             "ALTER PUBLICATION rhei ADD TABLE t"), /* it left the publication with the table before it */
        };
        for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
            test_server_sql(server, "%s", changes[k]);
            cycle(&model);
            assert_table(&model, server, "t");
        }
        test_server_sql(server, "DROP TABLE t");
        cycle(&model);
        assert_null(model_find(&model, "t"));
        end(&model);
    }
}

static void test_s3_partitions_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        test_server_sql(server,
                        "CREATE TABLE m (id int, at date, v int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
                        "CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
                        "CREATE TABLE m2 (v int, at date NOT NULL, id int NOT NULL, PRIMARY KEY (id, at));"
                        "ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
                        "INSERT INTO m SELECT n, '2026-01-01'::date + n %% 59, n FROM generate_series(1, 500) n");
        start(&model, server, (struct source_postgres_config){0});
        cycle(&model);
        assert_table(&model, server, "m");
        test_server_sql(server,
                        "UPDATE m SET at = '2026-02-05' WHERE id BETWEEN 1 AND 5; DELETE FROM m WHERE id %% 10 = 0");
        cycle(&model);
        assert_table(&model, server, "m");
        assert_int_equal(model.loads, 1);
        test_server_sql(server, "TRUNCATE m1");
        cycle(&model);
        assert_table(&model, server, "m");
        test_server_sql(server, "CREATE TABLE m3 (id int, at date, v int, PRIMARY KEY (id, at)); INSERT INTO m3 VALUES "
                                "(9000, '2026-03-03', 1);"
                                "ALTER TABLE m ATTACH PARTITION m3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')");
        cycle(&model);
        assert_table(&model, server, "m");
        test_server_sql(server, "INSERT INTO m VALUES (9001, '2026-03-04', 2); ALTER TABLE m DETACH PARTITION m2");
        cycle(&model);
        assert_table(&model, server, "m");
        test_server_sql(server, "DROP TABLE m3; TRUNCATE m");
        cycle(&model);
        assert_table(&model, server, "m");
        end(&model);
    }
}

static void test_s5_what_cant_be_followed_says_why(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        static const char *const names[] = {"nokey", "unlogged", "v", "missing", "good", "nothing"};
        test_server_sql(
            server,
            "CREATE TABLE nokey (a int); CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY); CREATE VIEW v AS SELECT 1;"
            "CREATE TABLE good (a int PRIMARY KEY); INSERT INTO good VALUES (1)");
        start(&model, server, (struct source_postgres_config){.tables = names, .table_count = 6});
        cycle(&model);
        assert_table(&model, server, "good");
        assert_non_null(strstr(model_find(&model, "nokey")->reason, "primary key"));
        assert_non_null(strstr(model_find(&model, "unlogged")->reason, "UNLOGGED"));
        assert_non_null(strstr(model_find(&model, "v")->reason, "view"));
        assert_non_null(strstr(model_find(&model, "missing")->reason, "no table of that name"));
        end(&model);
    }
}

static void cycle_when_back(struct model *model)
{
    rhei_status status = model_cycle(model);
    for (int tries = 0; tries < 60000 && status != RHEI_OK; tries++) {
        poll(NULL, 0, 1);
        status = model_cycle(model);
    }
    if (status != RHEI_OK)
        fail_msg("%s", model->error.message);
}

/* With a slot of a name the stream goes on where it was; without one, everything is loaded again. */
static void test_s2_cut_connections_and_killed_servers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        for (int named = 0; named < 2; named++) {
            struct model model;
            test_server_sql(
                server,
                "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 100) n");
            start(&model, server, (struct source_postgres_config){.slot = named ? "rhei_test" : NULL});
            cycle(&model);
            test_server_sql(server, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active");
            test_server_sql(server, "UPDATE t SET n = n + 1 WHERE id < 50; INSERT INTO t VALUES (200, 1)");
            cycle_when_back(&model);
            assert_table(&model, server, "t");
            test_server_tell(server, "kill");
            test_server_tell(server, "start");
            test_server_sql(server, "UPDATE t SET n = n + 10; DELETE FROM t WHERE id = 7");
            cycle_when_back(&model);
            assert_table(&model, server, "t");
            assert_true(named ? model.loads == 1 && model.lost == 0 : model.loads > 1);
            end(&model);
        }
    }
}

/* Whoever waits for a backlog lets the server send it: asked where it is all the time, it answers instead. */
static void test_s6_a_backlog_isnt_held_up_by_questions(void **state)
{
    enum { TRANSACTIONS = 20000 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        struct source_postgres_state before, after;
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)");
        start(&model, server, (struct source_postgres_config){0});
        cycle(&model);
        pid_t sender = (pid_t)atoi(test_server_sql(server, "SELECT active_pid FROM pg_replication_slots"));
        assert_int_equal(kill(sender, SIGSTOP), 0);
        test_server_sql(server, "DO $$ BEGIN FOR i IN 1..%d LOOP UPDATE t SET n = n + 1; COMMIT; END LOOP; END $$",
                        TRANSACTIONS);
        source_postgres_state(model.source, &before);
        assert_int_equal(kill(sender, SIGCONT), 0);
        cycle(&model);
        assert_table(&model, server, "t");
        source_postgres_state(model.source, &after);
        assert_in_range(after.asked - before.asked, 0, TRANSACTIONS / 25);
        end(&model);
    }
}

/*
 * Keepalives of an earlier wait, which ran out, come in before a commit that the server has sent already, and it is idle: they don't stand for the whole stream,
 * though each comes after a question.
 */
static void test_s2_answers_to_earlier_questions_end_no_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        char conninfo[160];
        struct test_server through = *server;
        struct test_relay *relay = test_relay_open(server->port);
        snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=postgres dbname=postgres",
                 test_relay_port(relay));
        memcpy(through.conninfo, conninfo, sizeof conninfo);
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)");
        start(&model, &through, (struct source_postgres_config){.fresh_timeout_ms = 500});
        cycle(&model);
        test_relay_hold(relay);
        test_server_sql(server, "SELECT pg_logical_emit_message(true, 'nothing', 'of it is sent')");
        for (int tries = 0; tries < 2; tries++)
            assert_int_equal(model_cycle(&model), RHEI_TIMEOUT);
        test_server_sql(server, "UPDATE t SET n = 1");
        test_server_until(server,
                          "SELECT wait_event ILIKE 'WalSenderWaitForWAL' AND sent_lsn >= "
                          "pg_current_wal_flush_lsn() FROM pg_stat_activity JOIN pg_stat_replication USING (pid)");
        test_relay_answer(relay, 2);
        cycle(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, 1);
        end(&model);
        test_relay_close(relay);
    }
}

/* The queue holds little, the server waits, and every transaction comes. */
static void test_s2_a_full_queue_loses_nothing(void **state)
{
    (void)state;
    struct test_server *server = test_servers[1];
    struct model model;
    test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int, a text)");
    start(&model, server, (struct source_postgres_config){.memory = 1 << 16});
    cycle(&model);
    test_server_sql(server, "DO $$ BEGIN FOR i IN 1..200 LOOP INSERT INTO t SELECT i * 1000 + n, i, repeat('x', 50) "
                            "FROM generate_series(1, 50) n;"
                            " COMMIT; END LOOP; END $$");
    test_server_sql(server, "UPDATE t SET n = n + 1");
    cycle(&model);
    assert_table(&model, server, "t");
    assert_int_equal(model.loads, 1);
    end(&model);
}

/* It waits for who follows its slot, who waits for room, which only a cycle makes, which asks the server. */
static void test_s2_a_full_queue_keeps_no_server_from_shutting_down(void **state)
{
    enum { MEMORY = 1 << 16 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct source_postgres_state seen = {0};
        struct model model;
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int, a text)");
        start(&model, server, (struct source_postgres_config){.memory = MEMORY, .slot = "rhei_test"});
        cycle(&model);
        test_server_sql(server,
                        "DO $$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO t SELECT i * 1000 + n, i, repeat('x', 50) "
                        "FROM generate_series(1, 50) n;"
                        " COMMIT; END LOOP; END $$");
        for (int tries = 0; tries < 60000 && seen.queued_bytes < MEMORY; tries++) {
            source_postgres_state(model.source, &seen);
            poll(NULL, 0, 1);
        }
        assert_int_equal(kill(server->pid, SIGINT), 0);
        for (int tries = 0; tries < 60000 && strstr(model.error.message, "shutting down") == NULL; tries++) {
            assert_int_not_equal(model_cycle(&model), RHEI_OK);
            poll(NULL, 0, 1);
        }
        int64_t began_ns = base_now_ns();
        test_server_tell(server, "stop");
        assert_true(base_now_ns() - began_ns < INT64_C(10000000000)); /* or it was killed, after fifteen seconds */
        test_server_tell(server, "start");
        cycle_when_back(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, 1);
        assert_int_equal(model.lost, 0);
        end(&model);
    }
}

/* Until the stream has brought so many transactions. */
static void await_stream(struct model *model, uint64_t transactions)
{
    struct source_postgres_state state;
    for (int tries = 0; tries < 60000; tries++) {
        source_postgres_state(model->source, &state);
        if (state.queued >= transactions)
            return;
        poll(NULL, 0, 1);
    }
    fail_msg("nothing comes");
}

/* Closes the source, and goes on with another one from what is remembered of the state that the model holds. */
static void restart(struct model *model, struct test_server *server, struct source_postgres_config config)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct model restarted;
    void *bytes = NULL;
    size_t len = 0;
    assert_int_equal(model->source->ops->remember(model->source, &bytes, &len, &error), RHEI_OK);
    model->source->ops->close(&model->source);
    test_server_until(server, "SELECT count(*) = 0 FROM pg_replication_slots WHERE active");
    start(&restarted, server, config);
    source_postgres_keep(restarted.source, model->tables->applied);
    assert_int_equal(restarted.source->ops->resume(restarted.source, bytes, len, &error), RHEI_OK);
    model->source = restarted.source;
    model->known = false;
    base_free(bytes);
}

/* Behind the look at the catalogue: the table is emptied, and the stream tells so before the cycle's state is pinned. */
struct emptying {
    struct model model;
    struct test_server *server;
    bool due;
};

static void empty_it(void *context, const char *point)
{
    struct emptying *emptying = context;
    if (!emptying->due || strcmp(point, "postgres.looked") != 0)
        return;
    struct source_postgres_state state;
    emptying->due = false;
    source_postgres_state(emptying->model.source, &state);
    test_server_sql(emptying->server, "TRUNCATE t; INSERT INTO t VALUES (7, 7)");
    await_stream(&emptying->model, state.queued + 1);
}

/* P5. A load would have the same rows, but cost the versions that they had meanwhile. */
static void test_s2_a_table_that_was_emptied_is_gone_on_with_after_a_restart(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct emptying emptying = {.server = test_servers[i / 2]};
        struct model *model = &emptying.model;
        bool behind_the_look = i % 2 == 0;
        struct source_postgres_config config = {.slot = "rhei_unit",
                                                .durable = true,
                                                .look_ms = behind_the_look ? 1 : 3600000,
                                                .fault = empty_it,
                                                .fault_context = &emptying};
        test_server_sql(emptying.server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
        start(model, emptying.server, config);
        source_postgres_keep(model->source, 0);
        cycle(model);
        test_server_sql(emptying.server, "INSERT INTO t VALUES (2, 2)");
        cycle(model);
        emptying.due = behind_the_look;
        if (!behind_the_look)
            test_server_sql(emptying.server, "TRUNCATE t");
        cycle(model);
        assert_false(emptying.due);
        restart(model, emptying.server, config);
        test_server_sql(emptying.server, "INSERT INTO t VALUES (3, 3)");
        cycle(model);
        assert_table(model, emptying.server, "t");
        assert_int_equal(model->loads, 1);
        assert_int_equal(model->lost, 0);
        end(model);
    }
}

/* P5. A synchronous standby that isn't there holds the commit: the stream tells of it, and no other session sees it. */
static void test_s2_a_truncate_that_nobody_sees_yet_is_waited_for(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        struct source_postgres_state seen;
        struct source_postgres_config config = {.slot = "rhei_unit", .durable = true, .connect_timeout_ms = 2000};
        test_server_sql(server, "SET synchronous_commit = local");
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
        start(&model, server, config);
        source_postgres_keep(model.source, 0);
        cycle(&model);
        test_server_sql(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        test_server_sql(server, "SELECT pg_reload_conf()");
        test_server_until(server, "SELECT current_setting('synchronous_standby_names') = 'nobody'");
        PGconn *writer = PQconnectdb(server->conninfo);
        source_postgres_state(model.source, &seen);
        assert_int_equal(PQsendQuery(writer, "TRUNCATE t; INSERT INTO t VALUES (2, 2)"), 1);
        await_stream(&model, seen.queued + 1);
        assert_int_equal(model_cycle(&model), RHEI_BUSY);
        test_server_sql(server, "ALTER SYSTEM RESET synchronous_standby_names");
        test_server_sql(server, "SELECT pg_reload_conf()");
        PQclear(PQgetResult(writer));
        PQfinish(writer);
        cycle(&model);
        restart(&model, server, config);
        cycle(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, 1);
        assert_int_equal(model.lost, 0);
        end(&model);
    }
}

/*
 * P3. A TRUNCATE excuses that rows lie in another file, but not that they were written anew behind it: no change tells of that. Seen by one look, and by the first one
 * behind a restart.
 */
static void test_s2_rows_that_were_written_anew_behind_a_truncate_are_read_again(void **state)
{
    static const char *const wraps[][2] = {{"", ""}, {"BEGIN;", "; COMMIT"}};
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct test_server *server = test_servers[i / 4];
        struct model model;
        const char *const *wrap = wraps[i / 2 % 2];
        bool restarts = i % 2 == 1;
        struct source_postgres_config config = {.slot = "rhei_unit", .durable = true, .look_ms = 3600000};
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
        start(&model, server, config);
        source_postgres_keep(model.source, 0);
        cycle(&model);
        test_server_sql(server, "ALTER TABLE t ALTER n SET DEFAULT 5; TRUNCATE t; INSERT INTO t VALUES (1, 1)");
        cycle(&model);
        int loads = model.loads;
        test_server_sql(server, "TRUNCATE t; INSERT INTO t VALUES (1, 2)");
        cycle(&model);
        assert_int_equal(model.loads, loads);
        test_server_sql(
            server, "%sTRUNCATE t; INSERT INTO t VALUES (1, 1), (2, 2); ALTER TABLE t ALTER n TYPE int USING n + 10%s",
            wrap[0], wrap[1]);
        if (restarts)
            restart(&model, server, config);
        cycle(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, loads + 1);
        test_server_sql(server, "TRUNCATE t; INSERT INTO t VALUES (3, 3)");
        cycle(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, loads + 1);
        end(&model);
    }
}

static int64_t server_clock(struct test_server *server)
{
    const char *sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    return strtoll(test_server_sql(server, "%s", sql), NULL, 10);
}

/* What nobody changed is known up to the last look at the catalogue all the same, less what a commit may take. */
static void test_a9_up_to_when_all_is_known_is_told_by_the_servers_clock(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct test_server *server = test_servers[i / 2];
        struct model model;
        bool looks = i % 2 == 0;
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)");
        start(&model, server, (struct source_postgres_config){.look_ms = looks ? 1 : 3600000});
        cycle(&model);
        int64_t first = model.known_us, before = server_clock(server);
        assert_true(first > 0 && first < before);
        while (server_clock(server) < before + 2000) /* a look is due */
            continue;
        cycle(&model);
        int64_t after = server_clock(server), second = model.known_us + 5000000;
        if (looks)
            assert_true(second > before && second < after);
        else
            assert_true(model.known_us == first);
        end(&model);
    }
}

/* P6. Without a look at the catalogue by time, nor a word in the stream. */
static void test_q1_who_waits_is_told_what_the_stream_doesnt_tell(void **state)
{
    static const char *const statements[] = {
        "ALTER TABLE t ADD COLUMN more int DEFAULT 7",
        "ALTER TABLE t ALTER n TYPE int USING n + 10",
        "ALTER TABLE t RENAME n TO m",
        "ALTER TABLE t DROP COLUMN more",
        "ALTER TABLE t RENAME TO was; ALTER TABLE other RENAME TO t; ALTER TABLE was RENAME TO other",
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (5, 5); ALTER PUBLICATION rhei "
        "ADD TABLE t",
        "ALTER PUBLICATION rhei DROP TABLE t; INSERT INTO t VALUES (6, 6); ALTER PUBLICATION rhei ADD TABLE t",
        "ALTER PUBLICATION rhei SET (publish = 'insert'); DELETE FROM t; ALTER PUBLICATION rhei SET (publish = "
        "'insert, "
        "update, delete, truncate')",
        "CREATE TYPE mood AS ENUM ('a'); ALTER TABLE t ADD COLUMN e mood DEFAULT 'a'; INSERT INTO t VALUES (7, 7)",
        "ALTER TYPE mood RENAME VALUE 'a' TO 'b'",
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct test_server *server = test_servers[i];
        struct model model;
        test_server_sql(server, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1);"
                                "CREATE TABLE other (id int PRIMARY KEY, n int); INSERT INTO other VALUES (2, 2)");
        start(&model, server, (struct source_postgres_config){.look_ms = 3600000});
        model.awaited = true;
        cycle(&model);
        for (size_t s = 0; s < sizeof statements / sizeof *statements; s++) {
            test_server_sql(server, "%s", statements[s]);
            cycle(&model);
            assert_table(&model, server, "t");
        }
        int loads = model.loads;
        test_server_sql(server, "UPDATE t SET n = n + 1");
        test_server_sql(server, "ANALYZE t");
        cycle(&model);
        assert_table(&model, server, "t");
        assert_int_equal(model.loads, loads);
        end(&model);
        test_server_sql(server, "DROP TYPE IF EXISTS mood");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s1_loads_and_follows_every_kind_of_change),
        cmocka_unit_test(test_s4_large_values_that_are_unchanged_stay),
        cmocka_unit_test(test_s1_changes_of_the_schema_are_followed),
        cmocka_unit_test(test_s3_partitions_come_and_go),
        cmocka_unit_test(test_s5_what_cant_be_followed_says_why),
        cmocka_unit_test(test_s2_cut_connections_and_killed_servers),
        cmocka_unit_test(test_s6_a_backlog_isnt_held_up_by_questions),
        cmocka_unit_test(test_s2_answers_to_earlier_questions_end_no_wait),
        cmocka_unit_test(test_s2_a_full_queue_loses_nothing),
        cmocka_unit_test(test_s2_a_full_queue_keeps_no_server_from_shutting_down),
        cmocka_unit_test(test_s2_a_table_that_was_emptied_is_gone_on_with_after_a_restart),
        cmocka_unit_test(test_s2_a_truncate_that_nobody_sees_yet_is_waited_for),
        cmocka_unit_test(test_a9_up_to_when_all_is_known_is_told_by_the_servers_clock),
        cmocka_unit_test(test_q1_who_waits_is_told_what_the_stream_doesnt_tell),
        cmocka_unit_test(test_s2_rows_that_were_written_anew_behind_a_truncate_are_read_again),
    };
    return cmocka_run_group_tests(tests, test_servers_open, test_servers_close);
}
