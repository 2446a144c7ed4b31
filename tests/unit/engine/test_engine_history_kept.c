/* SPDX-License-Identifier: Apache-2.0 */
/* A9: which tables keep a history, and how much of it: modes of single tables, retention by age and by number. */
#include "../../support/engine_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SQL_BYTES = 512, WAIT_S = 60 };

static struct fixture fixture;

static void start(struct rhei_config *config)
{
    config->struct_size = sizeof *config;
    fixture_init(&fixture);
    fixture_open(&fixture, config);
    must_execute(fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
    must_execute(fixture.db, "CREATE TABLE u(k TEXT PRIMARY KEY, v) WITHOUT ROWID");
    must_be_built(fixture.db);
}

static void must_be(const char *sql, const char *rows)
{
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        char *got = must_rows(fixture.db, sql, NULL, route);
        if (strcmp(got, rows) != 0)
            fail_msg("%s (%s)\ngives\n%s\nnot\n%s", sql, route == RHEI_ROUTE_OLTP ? "oltp" : "olap", got, rows);
        rhei_free(got);
    }
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Until the statement gives this, or for long enough to be sure that it never will. */
static void await(const char *sql, int64_t wanted)
{
    int64_t until = now_us() + (int64_t)WAIT_S * 1000000;
    while (must_int64(fixture.db, sql, RHEI_ROUTE_OLAP) != wanted) {
        if (now_us() > until)
            fail_msg("%s: still %" PRId64 ", not %" PRId64, sql, must_int64(fixture.db, sql, RHEI_ROUTE_OLAP), wanted);
        usleep(10000);
    }
}

static struct rhei_table_status status_of(const char *table)
{
    struct rhei_table_status **tables = NULL, found = {0};
    size_t count = 0;
    assert_int_equal(rhei_table_list(fixture.db, &tables, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tables[i]->name, table) == 0)
            found = *tables[i];
    rhei_free(tables);
    assert_string_equal(found.name, table);
    return found;
}

static void must_refuse(const char *sql, int status, const char *part)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, sql, NULL, NULL, &rows, &error), status);
    if (strstr(error.message, part) == NULL)
        fail_msg("%s: %s", sql, error.message);
}

/* A copy of a history has the names of its columns: it is a table like others, but keeps no history of its own. */
static void test_a9_a_copy_of_a_history_keeps_none(void **state)
{
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL};
    (void)state;
    start(&config);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 1)");
    must_execute(fixture.db, "UPDATE t SET v = 2");
    must_execute(fixture.db, "CREATE TABLE x AS SELECT * FROM t_history");
    must_execute(fixture.db, "CREATE TABLE y(id INTEGER PRIMARY KEY, \"_RHEI_ended_seq\")");
    must_execute(fixture.db, "UPDATE x SET v = v + 10");
    must_be_built(fixture.db);
    must_be("SELECT id, v, _rhei_operation FROM x ORDER BY v", "i1|i11|tI\ni1|i12|tU\n");
    must_refuse("SELECT * FROM x FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED, "\"_rhei_valid_from\"");
    must_refuse("SELECT * FROM y AS OF POSITION 1", RHEI_UNSUPPORTED, "\"_RHEI_ended_seq\"");
    must_refuse("SELECT * FROM x_history", RHEI_SQL, "no such table");
    assert_true(!status_of("x").keeps_history && strstr(status_of("x").message, "\"_rhei_valid_from\"") != NULL);
    assert_true(status_of("t").keeps_history && status_of("t").message[0] == '\0');
    must_execute(fixture.db, "CREATE TABLE z AS SELECT id, v, _rhei_valid_from AS since FROM t_history");
    must_be_built(fixture.db);
    must_execute(fixture.db, "DELETE FROM z");
    must_be("SELECT count(*), count(_rhei_valid_to) FROM z_history", "i4|i4\n");
    fixture_end(&fixture);
}

static void test_a9_old_versions_are_forgotten(void **state)
{
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL, .history_max_age_s = 1};
    char sql[SQL_BYTES];
    (void)state;
    start(&config);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 1), (2, 2)");
    must_execute(fixture.db, "INSERT INTO u VALUES ('a', 1)");
    for (int i = 0; i < 5; i++)
        must_execute(fixture.db, "UPDATE t SET v = v + 10");
    must_execute(fixture.db, "DELETE FROM t WHERE id = 2");
    must_execute(fixture.db, "UPDATE u SET v = 2");
    int64_t before = now_us() - 1000;
    await("SELECT count(*) FROM t_history", 1);
    await("SELECT count(*) FROM u_history", 1);
    must_be("SELECT id, v, _rhei_valid_to IS NULL FROM t_history", "i1|i51|i1\n");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t FOR SYSTEM_TIME AS OF %" PRId64, before - 5000000);
    must_be(sql, "i0\n");
    must_be("SELECT id, v FROM t FOR SYSTEM_TIME AS OF '2100-01-01'", "i1|i51\n");
    must_be("SELECT id, v FROM t", "i1|i51\n");
    assert_true(must_metric(fixture.db, "rhei_history_forgotten_total") >= 12);
    must_execute(fixture.db, "DROP TABLE u"); /* with all that there was of it, in the end */
    int64_t until = now_us() + (int64_t)WAIT_S * 1000000;
    while (rhei_execute(fixture.db, "CREATE TEMP TABLE gone AS SELECT * FROM u_history", NULL, NULL, NULL) == RHEI_OK) {
        must_execute(fixture.db, "DROP TABLE gone");
        assert_true(now_us() < until);
        usleep(10000);
    }
    fixture_end(&fixture);
}

/* Warnings about what was before. */
static char warned[1024];

static void keep_warning(void *context, int level, const char *room, const char *message)
{
    (void)context;
    (void)room;
    if (level == RHEI_LOG_WARN && strncmp(message, "the history of table", 20) == 0)
        snprintf(warned + strlen(warned), sizeof warned - strlen(warned), "%s\n", message);
}

static void test_a9_versions_are_kept_by_their_number(void **state)
{
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL, .history_max_versions = 2, .log = keep_warning};
    warned[0] = '\0';
    (void)state;
    start(&config);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 0), (2, 0)");
    must_execute(fixture.db, "INSERT INTO u VALUES ('a', 0), ('b', 0)");
    for (int i = 0; i < 6; i++)
        must_execute(fixture.db, "UPDATE t SET v = v + 1 WHERE id = 1");
    must_execute(fixture.db, "UPDATE u SET v = v + 1");
    await("SELECT count(*) FROM t_history", 4);
    must_be("SELECT id, v FROM t_history ORDER BY _rhei_seq", "i2|i0\ni1|i4\ni1|i5\ni1|i6\n");
    must_be("SELECT count(*) FROM u_history", "i4\n");
    /* some version of t that was valid before is forgotten: what is left of that time is not the table as it was */
    must_be("SELECT count(*) FROM t AS OF POSITION 5", "i0\n");
    if (strstr(warned, "the history of table \"t\" is kept from position ") == NULL)
        fail_msg("%s", warned);
    must_be("SELECT id, v FROM t FOR SYSTEM_TIME AS OF '2100-01-01' ORDER BY id", "i1|i6\ni2|i0\n");
    must_execute(fixture.db, "DELETE FROM t WHERE id = 1");
    await("SELECT count(*) FROM t_history WHERE id = 1", 3);
    must_be("SELECT v, _rhei_operation FROM t_history WHERE id = 1 ORDER BY _rhei_seq, _rhei_operation DESC",
            "i5|tU\ni6|tU\ni6|tD\n");
    fixture_end(&fixture);
}

/* Of tables whose key isn't one that the row's own columns are found by, too. */
static void test_a9_versions_are_counted_by_the_rows_of_every_kind_of_table(void **state)
{
    static const char *const tables[] = {
        "id TEXT PRIMARY KEY", "id TEXT NOT NULL PRIMARY KEY",  "id BIGINT PRIMARY KEY",  "id INTEGER UNIQUE",
        "id INTEGER",          "id TEXT COLLATE NOCASE UNIQUE", "id INTEGER PRIMARY KEY", "id TEXT PRIMARY KEY"};
    enum { TABLES = sizeof tables / sizeof *tables };
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL, .history_max_versions = 2};
    char sql[SQL_BYTES];
    (void)state;
    start(&config);
    for (int t = 0; t < TABLES; t++) {
        snprintf(sql, sizeof sql, "CREATE TABLE kind_%d (%s, v)%s", t, tables[t],
                 t == TABLES - 1 ? " WITHOUT ROWID" : "");
        must_execute(fixture.db, sql);
    }
    must_be_built(fixture.db);
    for (int t = 0; t < TABLES; t++) {
        snprintf(sql, sizeof sql, "INSERT INTO kind_%d VALUES (1, 0), (2, 0), (3, 0)", t);
        must_execute(fixture.db, sql);
        for (int v = 1; v <= 5; v++) {
            snprintf(sql, sizeof sql, "UPDATE kind_%d SET v = %d WHERE v = %d AND id <> 2", t, v, v - 1);
            must_execute(fixture.db, sql);
        }
        snprintf(sql, sizeof sql, "DELETE FROM kind_%d WHERE id = 3", t);
        must_execute(fixture.db, sql);
    }
    for (int t = 0; t < TABLES; t++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM kind_%d_history", t);
        await(sql, 7); /* the valid one and two of row 1, the one of row 2, two of row 3 and what ended it */
        snprintf(sql, sizeof sql, "SELECT id + 0, v, _rhei_operation FROM kind_%d_history ORDER BY 1, 2, 3 DESC", t);
        must_be(sql, "i1|i3|tU\ni1|i4|tU\ni1|i5|tU\ni2|i0|tI\ni3|i4|tU\ni3|i5|tU\ni3|i5|tD\n");
    }
    fixture_end(&fixture);
}

/* A table that is loaded again in another form goes on counting its rows. */
static void test_a9_versions_of_hidden_rowids_are_counted_across_a_change_of_columns(void **state)
{
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL, .history_max_versions = 2};
    (void)state;
    start(&config);
    must_execute(fixture.db, "CREATE TABLE k (id TEXT PRIMARY KEY, v)");
    must_be_built(fixture.db);
    must_execute(fixture.db, "INSERT INTO k VALUES ('a', 0), ('b', 0)");
    must_execute(fixture.db, "UPDATE k SET v = 1");
    must_execute(fixture.db, "UPDATE k SET v = 2 WHERE id = 'a'");
    must_execute(fixture.db, "ALTER TABLE k ADD COLUMN w");
    must_be_built(fixture.db);
    must_execute(fixture.db, "UPDATE k SET w = 1 WHERE id = 'a'");
    await("SELECT count(*) FROM k_history", 5);
    must_be("SELECT id, v, w FROM k_history ORDER BY id, _rhei_seq", "ta|i1|n\nta|i2|n\nta|i2|i1\ntb|i0|n\ntb|i1|n\n");
    fixture_end(&fixture);
}

/* Asked in a handle of its own. */
static void must_warn(const char *sql, const struct rhei_value *parameter, const char *answer, const char *words)
{
    struct rhei_config config = {.struct_size = sizeof config, .sync_mode = RHEI_SYNC_TEMPORAL};
    const struct rhei_params params = {.values = parameter, .count = parameter != NULL};
    rhei_close(&fixture.db);
    warned[0] = '\0';
    config.log = keep_warning;
    fixture_open(&fixture, &config);
    must_be_built(fixture.db);
    for (int i = 0; i < 2; i++) { /* said once */
        char *got = must_rows(fixture.db, sql, parameter != NULL ? &params : NULL, RHEI_ROUTE_OLTP);
        assert_string_equal(got, answer);
        rhei_free(got);
    }
    if (words == NULL ? warned[0] != '\0' : strstr(warned, words) == NULL || strchr(warned, '\n')[1] != '\0')
        fail_msg("%s: %s", sql, warned);
}

static void test_a9_what_was_before_the_history_is_said_with_how_it_was_read(void **state)
{
    struct rhei_config config = {.sync_mode = RHEI_SYNC_TEMPORAL};
    const struct rhei_value day = rhei_integer(20261128), text = rhei_text("20261128"), date = rhei_text("1970-08-23"),
                            first = rhei_integer(1);
    static const char read[] = "since 1970: this one is read as 1970-08-23T12:05:28.000000Z";
    (void)state;
    start(&config);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 0), (2, 0)");
    must_execute(fixture.db, "INSERT INTO t VALUES (3, 0)");
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF 20261128", NULL, "i0\n", read);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF '20261128 '", NULL, "i0\n", read);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", &day, "i0\n", read);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", &text, "i0\n", read);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME BETWEEN 0 AND 20261128", NULL, "i0\n", read);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", &date, "i0\n", "when the database was opened\n");
    must_warn("SELECT count(*) FROM t AS OF POSITION 1", NULL, "i0\n", "no version of position 1 or before");
    must_warn("SELECT count(*) FROM t AS OF POSITION ?", &first, "i0\n", "no version of position 1 or before");
    must_warn("SELECT count(*) FROM t AS OF POSITION 1000", NULL, "i3\n", NULL);
    must_warn("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF 99999999999", NULL, "i3\n", NULL);
    must_refuse("SELECT * FROM t FOR SYSTEM_TIME AS OF '99999999999999999999'", RHEI_INVALID, "is no point in time");
    must_refuse("SELECT * FROM t FOR SYSTEM_TIME AS OF 99999999999999999999", RHEI_INVALID, "is no point in time");
    fixture_end(&fixture);
}

static void test_one_table_keeps_a_history(void **state)
{
    const struct rhei_table_mode modes[] = {{"T", RHEI_SYNC_TEMPORAL}};
    struct rhei_config config = {.table_modes = modes, .table_mode_count = 1};
    (void)state;
    start(&config);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 1)");
    must_execute(fixture.db, "INSERT INTO u VALUES ('a', 1)");
    must_execute(fixture.db, "UPDATE t SET v = 2");
    must_be("SELECT count(*) FROM t_history", "i2\n");
    must_fail(fixture.db, "SELECT count(*) FROM u FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED);
    must_be("SELECT count(*) FROM u", "i1\n");
    fixture_end(&fixture);
}

static void test_a_file_gives_tables_modes(void **state)
{
    static const char text[] =
        "[engine]\nsync_mode = \"temporal\"\n[[tables]]\nname = \"t\"\n[[tables]]\nname = \"u\"\n"
        "sync_mode = \"mirror\"\n";
    struct rhei_config config = {.struct_size = sizeof config};
    char path[160];
    (void)state;
    start(&config);
    rhei_close(&fixture.db);
    snprintf(path, sizeof path, "%s/rhei.toml", fixture.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    config.config_file = path;
    fixture_open(&fixture, &config);
    must_be_built(fixture.db);
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 1)");
    must_be("SELECT count(*) FROM t_history", "i1\n");
    must_fail(fixture.db, "SELECT count(*) FROM u FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED);
    rhei_close(&fixture.db);
    const struct rhei_table_mode modes[] = {{"t", RHEI_SYNC_DESTRUCTIVE}};
    config.table_modes = modes;
    config.table_mode_count = 1;
    fixture_open(&fixture, &config);
    must_be_built(fixture.db);
    must_fail(fixture.db, "SELECT count(*) FROM t FOR SYSTEM_TIME ALL", RHEI_UNSUPPORTED);
    assert_int_equal(unlink(path), 0);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a9_old_versions_are_forgotten),
        cmocka_unit_test(test_a9_a_copy_of_a_history_keeps_none),
        cmocka_unit_test(test_a9_versions_are_kept_by_their_number),
        cmocka_unit_test(test_a9_versions_are_counted_by_the_rows_of_every_kind_of_table),
        cmocka_unit_test(test_a9_versions_of_hidden_rowids_are_counted_across_a_change_of_columns),
        cmocka_unit_test(test_a9_what_was_before_the_history_is_said_with_how_it_was_read),
        cmocka_unit_test(test_one_table_keeps_a_history),
        cmocka_unit_test(test_a_file_gives_tables_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
