/* SPDX-License-Identifier: Apache-2.0 */
/* Sidecars that a program gives as structs: what they take, what they refuse and where it says the mistake is. */
#include "../../support/engine_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "rhei/rhei_care.h"
#include "rhei/rhei_sidecar.h"

struct world {
    struct fixture fixture;
    char app[120], rocks[120];
};

static void run(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    fixture_init(&world.fixture);
    snprintf(world.app, sizeof world.app, "%s/app.db", world.fixture.folder);
    snprintf(world.rocks, sizeof world.rocks, "%s/rocks", world.fixture.folder);
    run(world.app, "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount, secret, deleted, changed_at);"
                   "INSERT INTO orders VALUES (1, 10, 'x', NULL, 1), (2, 20, 'y', NULL, 2), (3, 40, 'z', 1, 3);"
                   "CREATE TABLE other (a TEXT, b TEXT, x, UNIQUE (a, b)); INSERT INTO other VALUES ('p', 'q', 7);"
                   "CREATE TABLE unnamed (id INTEGER PRIMARY KEY)");
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    fixture_end(&world->fixture);
    return 0;
}

static rhei_db *open_with(const char *path, const struct rhei_sidecar *const *sidecars, size_t count)
{
    struct rhei_config config = {.struct_size = sizeof config, .sidecars = sidecars, .sidecar_count = count};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = NULL;
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return db;
}

static const char *const CHANGED_COLUMNS[] = {"amount"};
static const struct rhei_sidecar_table ORDERS = {.struct_size = sizeof ORDERS,
                                                 .name = "orders",
                                                 .updated_at_column = "changed_at",
                                                 .columns = CHANGED_COLUMNS,
                                                 .column_count = 1};

static void test_s1_a_program_follows_a_database_without_a_file_of_settings(void **state)
{
    struct world *world = *state;
    static const char *const key[] = {"a", "b"};
    const struct rhei_sidecar_table other = {.struct_size = sizeof other,
                                             .name = "other",
                                             .updated_at_column = "x",
                                             .primary_key = key,
                                             .primary_key_count = 2};
    const struct rhei_sidecar_table *const tables[] = {&ORDERS, &other};
    const struct rhei_sidecar app = {.struct_size = sizeof app,
                                     .name = "app",
                                     .source_path = world->app,
                                     .delete_detection = RHEI_DELETES_SOFT,
                                     .delete_column = "deleted",
                                     .poll_batch_size = 2,
                                     .tables = tables,
                                     .table_count = 2};
    const struct rhei_sidecar whole = {
        .struct_size = sizeof whole, .source_path = world->app, .mode = RHEI_SOURCE_SNAPSHOT};
    const struct rhei_sidecar *const sidecars[] = {&app, &whole};
    rhei_db *db = open_with(NULL, sidecars, 2);
    assert_int_equal(must_int64(db, "SELECT sum(amount) FROM app.orders", RHEI_ROUTE_AUTO), 30);
    assert_int_equal(must_int64(db, "SELECT x FROM app.other", RHEI_ROUTE_AUTO), 7);
    must_fail(db, "SELECT secret FROM app.orders", RHEI_SQL);
    must_fail(db, "SELECT * FROM app.unnamed", RHEI_SQL);
    assert_int_equal(must_int64(db, "SELECT sum(amount) FROM source.orders", RHEI_ROUTE_AUTO),
                     70); /* the default name */
    run(world->app, "INSERT INTO orders VALUES (4, 100, '', NULL, 4)");
    assert_int_equal(must_int64(db, "SELECT sum(amount) FROM app.orders", RHEI_ROUTE_AUTO), 130);
    must_fail(db, "CREATE TABLE own (id INTEGER PRIMARY KEY)", RHEI_READ_ONLY); /* there is no file for it */
    rhei_close(&db);
}

static void test_s7_tables_of_its_own_stand_beside_them(void **state)
{
    struct world *world = *state;
    const struct rhei_sidecar app = {
        .struct_size = sizeof app, .name = "app", .source_path = world->app, .mode = RHEI_SOURCE_SNAPSHOT};
    const struct rhei_sidecar *const sidecars[] = {&app};
    rhei_db *db = open_with(world->fixture.path, sidecars, 1);
    must_execute(db, "CREATE TABLE own (id INTEGER PRIMARY KEY, factor)");
    must_execute(db, "INSERT INTO own VALUES (1, 5), (2, 7)");
    assert_int_equal(must_int64(db, "SELECT sum(amount * factor) FROM app.orders JOIN own USING (id)", RHEI_ROUTE_AUTO),
                     190);
    rhei_close(&db);
}

/* Two lifetimes: the second has the rows before it looks, with the position that they are of. */
static void test_s2_a_watermark_path_goes_on_after_a_restart(void **state)
{
    struct world *world = *state;
    const struct rhei_sidecar app = {.struct_size = sizeof app,
                                     .name = "app",
                                     .source_path = world->app,
                                     .mode = RHEI_SOURCE_SNAPSHOT,
                                     .watermark_path = world->rocks};
    const struct rhei_sidecar *const sidecars[] = {&app};
    for (int life = 0; life < 2; life++) {
        rhei_db *db = open_with(NULL, sidecars, 1);
        assert_int_equal(must_int64(db, "SELECT sum(amount) FROM app.orders", RHEI_ROUTE_AUTO), 70 + life * 1000);
        char *status = NULL;
        assert_int_equal(rhei_checkpoint(db, NULL), RHEI_OK);
        assert_int_equal(rhei_info_json(db, &status, NULL), RHEI_OK);
        assert_true((strstr(status, life == 0 ? "\"restored_tables\": 0" : "\"restored_tables\": 2") != NULL));
        rhei_free(status);
        rhei_close(&db);
        run(world->app, life == 0 ? "INSERT INTO orders VALUES (5, 1000, '', NULL, 5)" : "SELECT 1");
    }
}

static void must_refuse(const char *path, const struct rhei_sidecar *sidecar, rhei_status status, const char *words)
{
    const struct rhei_sidecar *const sidecars[] = {sidecar};
    struct rhei_config config = {.struct_size = sizeof config, .sidecars = sidecars, .sidecar_count = 1};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = NULL;
    assert_int_equal(rhei_open(path, &config, &db, &error), status);
    assert_null(db);
    if (strstr(error.message, words) == NULL)
        fail_msg("%s", error.message);
}

static void test_d5_what_cant_be_right_says_where(void **state)
{
    struct world *world = *state;
    const struct rhei_sidecar_table nameless = {.struct_size = sizeof nameless};
    const struct rhei_sidecar_table *const one[] = {&nameless}, *const two[] = {&ORDERS, &ORDERS},
                                           *const none[] = {NULL};
    const struct rhei_sidecar good = {.struct_size = sizeof good, .name = "app", .source_path = world->app};
    struct rhei_sidecar bad = good;
    must_refuse(NULL, NULL, RHEI_INVALID, "rhei_config.sidecars[0] is NULL");
    bad.struct_size = 0;
    must_refuse(NULL, &bad, RHEI_INVALID, "the struct_size of rhei_sidecar is 0");
    bad = good;
    bad.source_path = NULL;
    must_refuse(NULL, &bad, RHEI_CONFIG, "rhei_config.sidecars[0]: [sidecar] needs source_path");
    bad = good;
    bad.mode = RHEI_SOURCE_LOGICAL;
    must_refuse(NULL, &bad, RHEI_CONFIG, "mode \"logical\" is for source_type \"postgres\" only");
    bad.mode = 3;
    must_refuse(NULL, &bad, RHEI_INVALID, "sidecar.mode can't be 3");
    bad = good;
    bad.load_connections = 17;
    must_refuse(NULL, &bad, RHEI_CONFIG, "rhei_config.sidecars[0]: load_connections");
    bad = good;
    bad.name = "main";
    must_refuse(NULL, &bad, RHEI_CONFIG, "name can't be \"main\"");
    bad = good;
    bad.tables = one;
    bad.table_count = 1;
    must_refuse(NULL, &bad, RHEI_INVALID, "tables[0] needs a name");
    bad.tables = none;
    must_refuse(NULL, &bad, RHEI_INVALID, "tables[0] is NULL");
    bad.table_count = 0;
    must_refuse(NULL, &bad, RHEI_INVALID, "tables and table_count");
    bad.tables = two;
    bad.table_count = 2;
    must_refuse(NULL, &bad, RHEI_CONFIG, "two [[sidecar.tables]] sections for table \"orders\"");
    const struct rhei_sidecar server = {.struct_size = sizeof server,
                                        .name = "app",
                                        .source_type = RHEI_SOURCE_POSTGRES,
                                        .source_path = "host=x password=secret-word"};
    must_refuse(NULL, &server, RHEI_CONFIG, "source_path has a password in it");
}

/* A program of before the last fields, and one of after. */
static void test_fields_behind_the_size_are_defaults(void **state)
{
    struct world *world = *state;
    struct {
        struct rhei_sidecar known;
        uint64_t newer[4];
    } app;
    memset(&app, 0x5a, sizeof app);
    app.known = (struct rhei_sidecar){
        .struct_size = sizeof app, .name = "app", .source_path = world->app, .mode = RHEI_SOURCE_SNAPSHOT};
    const struct rhei_sidecar *const sidecars[] = {&app.known};
    rhei_db *db = open_with(NULL, sidecars, 1);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM app.orders", RHEI_ROUTE_AUTO), 3);
    rhei_close(&db);
    memset((char *)&app + offsetof(struct rhei_sidecar, delete_detection), 0x5a,
           sizeof app - offsetof(struct rhei_sidecar, delete_detection));
    app.known.struct_size = offsetof(struct rhei_sidecar, delete_detection);
    db = open_with(NULL, sidecars, 1);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM app.orders", RHEI_ROUTE_AUTO), 3);
    rhei_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_s1_a_program_follows_a_database_without_a_file_of_settings, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_s7_tables_of_its_own_stand_beside_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_s2_a_watermark_path_goes_on_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_d5_what_cant_be_right_says_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_behind_the_size_are_defaults, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
