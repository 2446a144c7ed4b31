/* SPDX-License-Identifier: Apache-2.0 */
/* A9 with the mirror in a folder: what a history is after a close, a copy without one, a restored file, a damaged folder, another mode. */
#include "../../support/engine_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SQL_BYTES = 512 };

struct place {
    struct fixture fixture; /* the first: fixture_tear_down takes it, and its folder has the others */
    char mirror[160];
};

static void open_place(struct place *place, int32_t mode)
{
    struct rhei_config config = {.struct_size = sizeof config};
    config.sync_mode = mode;
    config.olap_path = place->mirror;
    fixture_open(&place->fixture, &config);
    must_be_built(place->fixture.db);
}

static void reopen(struct place *place)
{
    rhei_close(&place->fixture.db);
    open_place(place, RHEI_SYNC_TEMPORAL);
}

static int setup(void **state)
{
    static struct place place;
    fixture_init(&place.fixture);
    snprintf(place.mirror, sizeof place.mirror, "%s/mirror", place.fixture.folder);
    open_place(&place, RHEI_SYNC_TEMPORAL);
    must_execute(place.fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, s TEXT)");
    must_be_built(place.fixture.db);
    *state = &place;
    return 0;
}

static void must_be(rhei_db *db, const char *sql, const char *rows)
{
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        char *got = must_rows(db, sql, NULL, route);
        if (strcmp(got, rows) != 0)
            fail_msg("%s (%s)\ngives\n%s\nnot\n%s", sql, route == RHEI_ROUTE_OLTP ? "oltp" : "olap", got, rows);
        rhei_free(got);
    }
}

static char *history(rhei_db *db)
{
    return must_rows(db, "SELECT * FROM t_history ORDER BY _rhei_seq, id", NULL, RHEI_ROUTE_OLAP);
}

static int64_t write_at(rhei_db *db, const char *sql)
{
    struct rhei_result result = {.struct_size = sizeof result};
    assert_int_equal(rhei_execute(db, sql, NULL, &result, NULL), RHEI_OK);
    return result.position;
}

static void some_versions(rhei_db *db)
{
    must_execute(db,
                 "INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'a text that is too long for a cell')");
    must_execute(db, "UPDATE t SET v = v + 1 WHERE id < 3");
    must_execute(db, "DELETE FROM t WHERE id = 2");
    must_execute(db, "INSERT INTO t VALUES (2, 22, NULL)");
}

/* Whoever has the folder hasn't written it yet, and that is said: not only that the folder is taken. */
static void test_d5_a_folder_without_a_checkpoint_is_told_from_one_in_use(void **state)
{
    struct place *place = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true, .sync_mode = RHEI_SYNC_TEMPORAL};
    rhei_rows *rows = NULL;
    rhei_db *beside = NULL;
    char path[200], folder[200];
    snprintf(path, sizeof path, "%s/young.db", place->fixture.folder);
    snprintf(folder, sizeof folder, "%s/young", place->fixture.folder);
    config.olap_path = folder;
    rhei_close(&place->fixture.db);
    assert_int_equal(rhei_open(path, &config, &place->fixture.db, NULL), RHEI_OK); /* writes nothing by itself */
    must_execute(place->fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    assert_int_equal(rhei_open(path, &config, &beside, NULL), RHEI_OK);
    assert_int_equal(rhei_query(beside, "SELECT * FROM t FOR SYSTEM_TIME ALL", NULL, NULL, &rows, &error), RHEI_BUSY);
    assert_non_null(strstr(error.message, "no checkpoint yet"));
    assert_non_null(strstr(error.message, "in use by another handle"));
    rhei_close(&beside);
}

/* In the list of tables and in the description as JSON. */
static void test_c7_which_tables_keep_a_history_is_told(void **state)
{
    static const struct rhei_table_mode modes[] = {{.table = "plain", .sync_mode = RHEI_SYNC_DESTRUCTIVE}};
    struct place *place = *state;
    struct rhei_table_status **tables = NULL;
    struct rhei_config config = {.struct_size = sizeof config, .sync_mode = RHEI_SYNC_TEMPORAL};
    size_t count = 0;
    char *json = NULL;
    config.olap_path = place->mirror;
    config.table_modes = modes;
    config.table_mode_count = 1;
    rhei_close(&place->fixture.db);
    fixture_open(&place->fixture, &config);
    must_execute(place->fixture.db, "CREATE TABLE plain (id INTEGER PRIMARY KEY)");
    must_be_built(place->fixture.db);
    assert_int_equal(rhei_table_list(place->fixture.db, &tables, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tables[i]->keeps_history, strcmp(tables[i]->name, "t") == 0);
    rhei_free(tables);
    assert_int_equal(rhei_info_json(place->fixture.db, &json, NULL), RHEI_OK);
    assert_non_null(strstr(json, "\"history\": {\"tables\": [\"t\"], \"gaps\": []}"));
    rhei_free(json);
}

static void test_a9_history_survives_a_close(void **state)
{
    struct place *place = *state;
    some_versions(place->fixture.db);
    char *before = history(place->fixture.db);
    for (int i = 0; i < 3; i++) {
        reopen(place);
        char *after = history(place->fixture.db);
        assert_string_equal(after, before);
        rhei_free(after);
    }
    rhei_free(before);
    int64_t position = write_at(place->fixture.db, "UPDATE t SET v = 1000");
    must_execute(place->fixture.db, "DELETE FROM t WHERE id <> 1");
    before = history(place->fixture.db);
    reopen(place);
    char *after = history(place->fixture.db);
    assert_string_equal(after, before);
    rhei_free(before);
    rhei_free(after);
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "SELECT id, v FROM t AS OF POSITION %" PRId64 " ORDER BY id", position);
    must_be(place->fixture.db, sql, "i1|i1000\ni2|i1000\ni3|i1000\n");
    must_be(place->fixture.db, "SELECT id, v FROM t FOR SYSTEM_TIME AS OF '2100-01-01'", "i1|i1000\n");
}

/* All that was written before a close is a version, though the schema changes before the folder is opened again. */
static void test_a9_a_close_leaves_no_version_to_the_log(void **state)
{
    enum { TIMES = 3, VERSIONS = 60 };
    struct place *place = *state;
    char command[SQL_BYTES], sql[SQL_BYTES];
    must_execute(place->fixture.db, "INSERT INTO t VALUES (1, 0, 'one')");
    for (int time = 1; time <= TIMES; time++) {
        for (int i = 0; i < VERSIONS; i++)
            must_execute(place->fixture.db, "UPDATE t SET v = v + 1");
        rhei_close(&place->fixture.db);
        snprintf(command, sizeof command, "sqlite3 '%s' 'ALTER TABLE t ADD COLUMN z%d'", place->fixture.path, time);
        assert_int_equal(system(command), 0);
        open_place(place, RHEI_SYNC_TEMPORAL);
        snprintf(sql, sizeof sql, "i%d\n", 1 + time * VERSIONS);
        must_be(place->fixture.db, "SELECT count(DISTINCT v) FROM t_history", sql);
    }
}

/* What others did while no engine looked, and took the log with it, is told by the load: at its time. */
static void test_a9_a_load_goes_on_with_the_history(void **state)
{
    struct place *place = *state;
    some_versions(place->fixture.db);
    int64_t position = write_at(place->fixture.db, "INSERT INTO t VALUES (4, 40, 'four')");
    must_be(place->fixture.db, "SELECT count(*) FROM t_history", "i8\n");
    rhei_close(&place->fixture.db);
    char command[SQL_BYTES];
    snprintf(command, sizeof command,
             "sqlite3 '%s' \"UPDATE t SET v = 99 WHERE id = 1; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (5, "
             "50, 'five'); "
             "DELETE FROM _rhei_cdc_log WHERE seq < (SELECT max(seq) FROM _rhei_cdc_log);\"",
             place->fixture.path);
    assert_int_equal(system(command), 0);
    open_place(place, RHEI_SYNC_TEMPORAL);
    rhei_db *db = place->fixture.db;
    must_be(db,
            "SELECT id, v, _rhei_operation, _rhei_valid_to IS NULL FROM t_history WHERE id IN (1, 4, 5) ORDER BY id, "
            "_rhei_seq, "
            "_rhei_valid_to IS NULL, _rhei_operation DESC",
            "i1|i10|tI|i0\ni1|i11|tU|i0\ni1|i99|tU|i1\ni4|i40|tI|i0\ni4|i40|tD|i0\ni5|i50|tI|i1\n");
    must_be(db, "SELECT count(*) FROM t_history", "i11\n");
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "SELECT id, v FROM t AS OF POSITION %" PRId64 " ORDER BY id", position);
    must_be(db, sql, "i1|i11\ni2|i22\ni3|i30\ni4|i40\n");
}

static void test_a9_a_rebuild_loses_nothing(void **state)
{
    struct place *place = *state;
    some_versions(place->fixture.db);
    char *before = history(place->fixture.db);
    assert_int_equal(rhei_rebuild(place->fixture.db, "t", NULL), RHEI_OK);
    must_be_built(place->fixture.db);
    char *after = history(place->fixture.db);
    assert_string_equal(after, before);
    rhei_free(before);
    rhei_free(after);
}

/* With the mode off the history is left as it is, and what was valid then is no more. */
static void test_a9_another_mode_and_back(void **state)
{
    struct place *place = *state;
    some_versions(place->fixture.db);
    must_be(place->fixture.db, "SELECT count(*), sum(_rhei_valid_to IS NULL) FROM t_history", "i7|i3\n");
    rhei_close(&place->fixture.db);
    open_place(place, RHEI_SYNC_DESTRUCTIVE);
    must_execute(place->fixture.db, "UPDATE t SET v = 7 WHERE id = 1");
    assert_int_equal(rhei_sync_now(place->fixture.db, NULL, NULL), RHEI_OK);
    reopen(place);
    must_be(place->fixture.db, "SELECT count(*), sum(_rhei_valid_to IS NULL) FROM t_history", "i10|i3\n");
    must_be(place->fixture.db, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF '2100-01-01'", "i3\n");
}

/* Relative paths are those of the process's folder when it opens, whatever that is later. */
static void test_relative_folders_are_those_of_the_opening(void **state)
{
    struct place *place = *state;
    char here[4096], folder[200];
    snprintf(folder, sizeof folder, "%s/sub", place->fixture.folder);
    rhei_close(&place->fixture.db);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(chdir(place->fixture.folder), 0);
    FILE *file = fopen("sub/rhei.toml", "w");
    assert_non_null(file);
    assert_true(fputs("[engine]\nsync_mode = \"temporal\"\nolap_path = \"mirror\"\nrocksdb_cdc_path = \"buffer\"\n",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);
    struct rhei_config config = {.struct_size = sizeof config, .config_file = "sub/rhei.toml"};
    assert_int_equal(rhei_open("test.db", &config, &place->fixture.db, NULL), RHEI_OK);
    assert_int_equal(chdir(folder), 0);
    must_be_built(place->fixture.db);
    must_execute(place->fixture.db, "INSERT INTO t VALUES (1, 1, 'a')");
    must_execute(place->fixture.db, "UPDATE t SET v = 2");
    must_be(place->fixture.db, "SELECT v FROM t_history ORDER BY _rhei_seq", "i1\ni2\n");
    rhei_close(&place->fixture.db);
    assert_int_equal(rmdir("mirror"), -1); /* nothing was made here */
    assert_int_equal(rmdir("buffer"), -1);
    assert_int_equal(chdir(here), 0);
    open_place(place, RHEI_SYNC_TEMPORAL);
    must_be(place->fixture.db, "SELECT v FROM t_history ORDER BY _rhei_seq", "i1\ni2\n");
}

/* Beside a buffer or without one, in turn; others write while nobody has the file open, and their versions are there, too. */
static void test_a9_a_buffer_comes_and_goes(void **state)
{
    enum { LIVES = 6 };
    struct place *place = *state;
    char buffer[200], command[SQL_BYTES], sql[SQL_BYTES];
    snprintf(buffer, sizeof buffer, "%s/buffer", place->fixture.folder);
    must_execute(place->fixture.db, "INSERT INTO t VALUES (1, 1, 'one')");
    for (int life = 1; life <= LIVES; life++) {
        struct rhei_config config = {.struct_size = sizeof config};
        config.sync_mode = RHEI_SYNC_TEMPORAL;
        config.olap_path = place->mirror;
        config.rocksdb_cdc_path = life % 3 == 0 ? NULL : buffer;
        rhei_close(&place->fixture.db);
        snprintf(command, sizeof command, "sqlite3 '%s' 'UPDATE t SET v = v + 1; UPDATE t SET v = v + 1'",
                 place->fixture.path);
        assert_int_equal(system(command), 0);
        fixture_open(&place->fixture, &config);
        must_be_built(place->fixture.db);
        struct rhei_sync_status status = {.struct_size = sizeof status};
        assert_int_equal(rhei_sync_status(place->fixture.db, &status, NULL), RHEI_OK);
        assert_string_equal(status.disk_message, "");
        must_execute(place->fixture.db, "UPDATE t SET v = v + 1");
        snprintf(sql, sizeof sql, "i%d\n", 1 + life * 3);
        must_be(place->fixture.db, "SELECT count(DISTINCT v) FROM t_history", sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_d5_a_folder_without_a_checkpoint_is_told_from_one_in_use, setup,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_c7_which_tables_keep_a_history_is_told, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_history_survives_a_close, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_a_close_leaves_no_version_to_the_log, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_a_load_goes_on_with_the_history, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_a_rebuild_loses_nothing, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_another_mode_and_back, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a9_a_buffer_comes_and_goes, setup, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_relative_folders_are_those_of_the_opening, setup, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
