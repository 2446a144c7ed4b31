/* SPDX-License-Identifier: Apache-2.0 */
/* The source by itself, over a file that another connection holds, commits to, moves away and replaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <sqlite3.h>
#include <unistd.h>

#include "source_sqlite/sqlite_source.h"

struct world {
    char folder[64], path[96], other[96];
    sqlite3 *app;
    struct change_source *source;
    int64_t after;
    struct base_log log;
    char said[400]; /* by it, last */
    int said_count;
};

static void note(void *context, int level, const char *room, const char *message)
{
    struct world *world = context;
    (void)level;
    (void)room;
    snprintf(world->said, sizeof world->said, "%s", message);
    world->said_count++;
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static sqlite3 *make(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)");
    run(db, "INSERT INTO t VALUES (1, 1), (2, 2)");
    return db;
}

/* All that the source tells in one cycle, which is taken for published. */
static struct change_cycle look(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle = {0};
    const struct change_batch *batches = NULL;
    size_t count = 0;
    if (world->source->ops->begin(world->source, world->after, &cycle, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    do
        assert_int_equal(world->source->ops->next(world->source, 100, &batches, &count, &error), RHEI_OK);
    while (count > 0);
    world->source->ops->end(world->source);
    world->after = cycle.position;
    return cycle;
}

static rhei_status try_look(struct world *world)
{
    struct change_cycle cycle = {0};
    return world->source->ops->begin(world->source, world->after, &cycle, NULL, NULL);
}

static void start(struct world *world)
{
    *world = (struct world){.folder = "/tmp/rhei-source-XXXXXX"};
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/app.db", world->folder);
    snprintf(world->other, sizeof world->other, "%s/other.db", world->folder);
    world->app = make(world->path);
    world->log = (struct base_log){.write = note, .context = world, .level = BASE_LOG_WARN};
    struct sqlite_source_config config = {.path = world->path, .log = &world->log};
    assert_int_equal(sqlite_source_open(&config, &world->source, NULL), RHEI_OK);
    look(world);
    assert_int_equal(look(world).position, world->after);
}

static void stop(struct world *world)
{
    world->source->ops->close(&world->source);
    sqlite3_close(world->app);
    (void)unlink(world->path);
    (void)unlink(world->other);
    (void)rmdir(world->folder);
}

/* ---- Tests. ------------------------------------------------------------------------------------------------------ */

static void test_a_timestamp_without_an_index_is_told_once(void **unused)
{
    (void)unused;
    struct world world;
    start(&world);
    assert_non_null(strstr(world.said, "table t: no index begins with its column \"updated_at\""));
    run(world.app, "INSERT INTO t VALUES (3, 3)");
    look(&world);
    assert_int_equal(world.said_count, 1);
    run(world.app, "CREATE TABLE u (id INTEGER PRIMARY KEY, updated_at); CREATE INDEX u_at ON u (updated_at);"
                   "CREATE TABLE v (updated_at INTEGER PRIMARY KEY)");
    look(&world);
    assert_int_equal(world.said_count, 1);
    run(world.app, "CREATE TABLE w (id INTEGER PRIMARY KEY, updated_at); CREATE INDEX w_at ON w (id, updated_at)");
    look(&world);
    assert_int_equal(world.said_count, 2);
    stop(&world);
}

/* The first look at it fails, since somebody is writing. */
static void test_s5_another_file_is_noticed_though_it_is_locked_at_first(void **unused)
{
    (void)unused;
    struct world world;
    start(&world);
    sqlite3 *other = make(world.other);
    run(other, "BEGIN EXCLUSIVE");
    assert_int_equal(rename(world.other, world.path), 0);
    assert_int_equal(try_look(&world), RHEI_BUSY);
    run(other, "ROLLBACK");
    assert_true(look(&world).lost);
    assert_false(look(&world).lost);
    sqlite3_close(other);
    stop(&world);
}

/* Its next connection counts commits anew. */
static void test_s5_what_was_committed_while_the_file_was_away_is_seen_though_it_is_locked_at_first(void **unused)
{
    (void)unused;
    struct world world;
    start(&world);
    assert_int_equal(rename(world.path, world.other), 0);
    assert_int_equal(try_look(&world), RHEI_CANT_OPEN);
    assert_int_equal(rename(world.other, world.path), 0);
    run(world.app, "INSERT INTO t VALUES (3, 3)");
    run(world.app, "BEGIN EXCLUSIVE");
    assert_int_equal(try_look(&world), RHEI_BUSY);
    run(world.app, "ROLLBACK");
    int64_t before = world.after;
    assert_true(look(&world).position > before);
    assert_int_equal(look(&world).position, world.after);
    stop(&world);
}

static size_t count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Also while the connection of cycles stays open. */
static void test_s5_a_load_leaves_no_file_open(void **unused)
{
    (void)unused;
    struct world world;
    start(&world);
    const struct source_table *tables = NULL;
    size_t count = 0, open = count_files();
    assert_int_equal(world.source->ops->tables(world.source, &tables, &count, NULL), RHEI_OK);
    assert_int_equal(count, 1);
    for (int i = 0; i < 3; i++) {
        struct source_load *load = NULL;
        struct source_load_info info = {0};
        const struct change_batch *batch = NULL;
        assert_int_equal(world.source->ops->load_begin(world.source, tables[0].id, 1, &load, &info, NULL), RHEI_OK);
        assert_int_equal(world.source->ops->load_next(load, 0, 100, &batch, NULL), RHEI_OK);
        assert_int_equal(batch->row_count, 2);
        world.source->ops->load_end(&load);
    }
    assert_int_equal(count_files(), open);
    stop(&world);
}

/* Goes on with a state, and says whether that was refused: then every table is to be loaded. */
static bool refuses(const struct world *world, const unsigned char *bytes, size_t len)
{
    struct world other = {.after = world->after};
    struct sqlite_source_config config = {.path = world->path};
    assert_int_equal(sqlite_source_open(&config, &other.source, NULL), RHEI_OK);
    unsigned char *own = malloc(len + 1); /* of that size, so that who reads behind it is seen */
    memcpy(own, bytes, len);
    own = realloc(own, len > 0 ? len : 1);
    assert_int_equal(other.source->ops->resume(other.source, own, len, NULL), RHEI_OK);
    free(own);
    bool lost = look(&other).lost;
    const struct source_table *tables = NULL;
    size_t count = 0;
    assert_int_equal(other.source->ops->tables(other.source, &tables, &count, NULL), RHEI_OK);
    assert_int_equal(count, 2);
    assert_int_not_equal(tables[0].id, tables[1].id);
    other.source->ops->close(&other.source);
    return lost;
}

static void test_s2_a_state_is_gone_on_with_as_it_was_written_or_not_at_all(void **unused)
{
    (void)unused;
    struct world world;
    start(&world);
    run(world.app, "CREATE TABLE u (id INTEGER PRIMARY KEY, updated_at)");
    look(&world);
    look(&world);
    void *state = NULL;
    size_t len = 0;
    assert_int_equal(world.source->ops->remember(world.source, &state, &len, NULL), RHEI_OK);
    unsigned char bytes[1000] = {0};
    assert_in_range(len, 40, sizeof bytes - 8);
    memcpy(bytes, state, len);
    assert_false(refuses(&world, bytes, len));
    for (size_t cut = 0; cut < len; cut++)
        assert_true(refuses(&world, bytes, cut));
    assert_true(refuses(&world, bytes, len + 1));
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_true(refuses(&world, bytes, len));
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) { /* whatever else may be in its place */
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(rand_r(&seed) % 3 == 0 ? rand_r(&seed) : ((unsigned char *)state)[i]);
        assert_true(refuses(&world, bytes, (size_t)rand_r(&seed) % (len + 1)));
    }
    free(state);
    stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timestamp_without_an_index_is_told_once),
        cmocka_unit_test(test_s5_another_file_is_noticed_though_it_is_locked_at_first),
        cmocka_unit_test(test_s5_what_was_committed_while_the_file_was_away_is_seen_though_it_is_locked_at_first),
        cmocka_unit_test(test_s5_a_load_leaves_no_file_open),
        cmocka_unit_test(test_s2_a_state_is_gone_on_with_as_it_was_written_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
