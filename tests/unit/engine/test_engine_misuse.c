/* SPDX-License-Identifier: Apache-2.0 */
/* The API in hands that don't know it, and at the limits of what it takes. */
#include "tests/support/engine_fixture.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "rhei/rhei_native.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n REAL)",
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000) "
                        "INSERT INTO t SELECT i, 'w' || i, i * 0.5 FROM c");
    return 0;
}

/* ---- What may only be read. ------------------------------------------------------------------------------------------ */

/* In a child that may not write what its parent may: 0 if all is as it should be. */
static int open_what_may_only_be_read(const char *path)
{
    struct rhei_config config = {.struct_size = sizeof config};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = NULL;
    rhei_rows *rows = NULL;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 1;
    if (rhei_open(path, &config, &db, &error) == RHEI_OK || strstr(error.message, "read_only") == NULL)
        return 2;
    config.read_only = true;
    if (rhei_open(path, &config, &db, &error) != RHEI_OK)
        return 3;
    if (rhei_query(db, "SELECT count(*) FROM t", NULL, NULL, &rows, &error) != RHEI_OK ||
        rhei_rows_next(rows, &error) != RHEI_ROW || rhei_rows_int64(rows, 0) != 20000)
        return 4;
    rhei_rows_close(&rows);
    rhei_close(&db);
    return 0;
}

static void test_d5_a_file_that_may_only_be_read_says_how(void **state)
{
    (void)state;
    rhei_close(&fixture.db);
    assert_int_equal(chmod(fixture.path, 0444), 0);
    assert_int_equal(chmod(fixture.folder, 0555), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(open_what_may_only_be_read(fixture.path));
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(chmod(fixture.folder, 0755), 0);
    assert_int_equal(result, 0);
}

/* ---- Arguments that can't be right ---------------------------------------------------------------------------------- */

static void test_d5_calls_without_a_handle_are_errors(void **state)
{
    (void)state;
    rhei_rows *rows = NULL;
    rhei_session *session = NULL;
    rhei_statement *statement = NULL;
    struct ArrowArrayStream stream;
    struct rhei_sync_status status = {.struct_size = sizeof status};
    struct rhei_table_status **tables = NULL;
    struct rhei_metric **metrics = NULL;
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    char *json = NULL;
    const rhei_status got[] = {
        rhei_execute(NULL, "SELECT 1", NULL, NULL, NULL),
        rhei_execute_batch(NULL, "SELECT 1", NULL, 0, 1, NULL, NULL),
        rhei_execute_script(NULL, "SELECT 1", NULL, NULL),
        rhei_query(NULL, "SELECT 1", NULL, NULL, &rows, NULL),
        rhei_query_arrow(NULL, "SELECT 1", NULL, NULL, &stream, NULL),
        rhei_prepare(NULL, "SELECT 1", &statement, NULL),
        rhei_statement_execute(NULL, NULL, NULL, NULL),
        rhei_statement_query(NULL, NULL, NULL, &rows, NULL),
        rhei_statement_query_arrow(NULL, NULL, NULL, &stream, NULL),
        rhei_session_open(NULL, &session, NULL),
        rhei_session_execute(NULL, "SELECT 1", NULL, NULL, NULL),
        rhei_session_query(NULL, "SELECT 1", NULL, NULL, &rows, NULL),
        rhei_register_table(NULL, "t", NULL, 0, NULL),
        rhei_unregister_table(NULL, "t", NULL),
        rhei_sync_now(NULL, NULL, NULL),
        rhei_start_sync(NULL, NULL),
        rhei_stop_sync(NULL, NULL),
        rhei_initial_sync(NULL, 0, NULL),
        rhei_rebuild(NULL, NULL, NULL),
        rhei_verify(NULL, NULL, NULL, NULL),
        rhei_sync_status(NULL, &status, NULL),
        rhei_table_list(NULL, &tables, &count, NULL),
        rhei_metric_list(NULL, &metrics, &count, NULL),
        rhei_sidecar_list(NULL, &sidecars, &count, NULL),
        rhei_info_json(NULL, &json, NULL),
        rhei_oltp_query(NULL, "SELECT 1", NULL, &rows, NULL),
        rhei_olap_query_arrow(NULL, "SELECT 1", NULL, &stream, NULL),
        rhei_rows_next(NULL, NULL),
    };
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++)
        if (got[i] != RHEI_INVALID)
            fail_msg("call %zu came to %s", i, rhei_status_name(got[i]));
    assert_null(rhei_sqlite_lock(NULL));
    rhei_sqlite_unlock(NULL);
}

static void test_d5_calls_without_a_place_for_the_answer_are_errors(void **state)
{
    (void)state;
    rhei_db *db = fixture.db;
    rhei_session *session = NULL;
    rhei_statement *statement = NULL;
    size_t count = 0;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    assert_int_equal(rhei_prepare(db, "SELECT count(*) FROM t", &statement, NULL), RHEI_OK);
    const rhei_status got[] = {
        rhei_open(fixture.path, NULL, NULL, NULL),
        rhei_execute(db, NULL, NULL, NULL, NULL),
        rhei_execute_batch(db, NULL, NULL, 0, 1, NULL, NULL),
        rhei_execute_batch(db, "INSERT INTO t(id) VALUES (?)", NULL, 1, 1, NULL, NULL),
        rhei_execute_script(db, NULL, NULL, NULL),
        rhei_query(db, "SELECT 1", NULL, NULL, NULL, NULL),
        rhei_query(db, NULL, NULL, NULL, &(rhei_rows *){NULL}, NULL),
        rhei_query_arrow(db, "SELECT 1", NULL, NULL, NULL, NULL),
        rhei_query_arrow(db, NULL, NULL, NULL, &(struct ArrowArrayStream){0}, NULL),
        rhei_prepare(db, NULL, &(rhei_statement *){NULL}, NULL),
        rhei_prepare(db, "SELECT 1", NULL, NULL),
        rhei_statement_query(statement, NULL, NULL, NULL, NULL),
        rhei_statement_query_arrow(statement, NULL, NULL, NULL, NULL),
        rhei_session_open(db, NULL, NULL),
        rhei_session_execute(session, NULL, NULL, NULL, NULL),
        rhei_session_query(session, "SELECT 1", NULL, NULL, NULL, NULL),
        rhei_session_query(session, NULL, NULL, NULL, &(rhei_rows *){NULL}, NULL),
        rhei_register_table(db, NULL, NULL, 0, NULL),
        rhei_register_table(db, "", NULL, 0, NULL),
        rhei_register_table(db, "n", &(struct rhei_column){NULL, "text", false, false}, 1, NULL),
        rhei_unregister_table(db, NULL, NULL),
        rhei_sync_status(db, NULL, NULL),
        rhei_table_list(db, NULL, &count, NULL),
        rhei_sidecar_list(db, NULL, &count, NULL),
        rhei_metric_list(db, NULL, &count, NULL),
        rhei_info_json(db, NULL, NULL),
        rhei_oltp_query(db, "SELECT 1", NULL, NULL, NULL),
        rhei_oltp_query(db, NULL, NULL, &(rhei_rows *){NULL}, NULL),
        rhei_olap_query_arrow(db, "SELECT 1", NULL, NULL, NULL),
        rhei_olap_query_arrow(db, NULL, NULL, &(struct ArrowArrayStream){0}, NULL),
        rhei_cancel_create(NULL, NULL),
    };
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++)
        if (got[i] != RHEI_INVALID)
            fail_msg("call %zu came to %s", i, rhei_status_name(got[i]));
    rhei_statement_close(&statement);
    rhei_session_close(&session);
}

static void test_what_is_not_there_reads_as_nothing(void **state)
{
    (void)state;
    assert_int_equal(rhei_rows_column_count(NULL), 0);
    assert_string_equal(rhei_rows_column_name(NULL, 0), "");
    assert_string_equal(rhei_rows_column_type(NULL, 0), "");
    assert_int_equal(rhei_rows_value(NULL, 0).type, RHEI_NULL);
    assert_int_equal(rhei_rows_int64(NULL, 0), 0);
    assert_true(rhei_rows_double(NULL, 0) == 0.0);
    assert_null(rhei_rows_text(NULL, 0));
    assert_true(rhei_rows_is_null(NULL, 0));
    assert_non_null(rhei_rows_route(NULL));
    assert_non_null(rhei_rows_rule(NULL));
    assert_int_equal(rhei_rows_position(NULL), 0);
    assert_int_equal(rhei_rows_age_us(NULL), 0);
    struct rhei_result nothing = {.struct_size = sizeof nothing, .changes = 5};
    rhei_rows_result(NULL, &nothing);
    assert_int_equal(nothing.changes, 0);
    rhei_rows_result(NULL, NULL);
    assert_int_equal(rhei_statement_parameter_count(NULL), 0);
    assert_int_equal(rhei_statement_column_count(NULL), 0);
    assert_string_equal(rhei_statement_column_name(NULL, 0), "");
    assert_false(rhei_statement_is_read_only(NULL));
    assert_false(rhei_session_in_transaction(NULL));
    rhei_cancel_raise(NULL);
    rhei_cancel_clear(NULL);
    rhei_close(NULL);
    rhei_close(&(rhei_db *){NULL});
    rhei_rows_close(&(rhei_rows *){NULL});
    rhei_statement_close(&(rhei_statement *){NULL});
    rhei_session_close(&(rhei_session *){NULL});
    rhei_cancel_destroy(&(rhei_cancel *){NULL});
}

static void test_rows_outside_a_row_are_null(void **state)
{
    (void)state;
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_query(fixture.db, "SELECT count(*) FROM t", NULL, &options, &rows, &error), RHEI_OK);
        assert_true(rhei_rows_is_null(rows, 0));
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        assert_false(rhei_rows_is_null(rows, 0));
        assert_true(rhei_rows_is_null(rows, 1));
        assert_string_equal(rhei_rows_column_name(rows, 1), "");
        for (int i = 0; i < 3; i++) {
            assert_int_equal(rhei_rows_next(rows, &error), RHEI_DONE);
            assert_true(rhei_rows_is_null(rows, 0));
        }
        rhei_rows_close(&rows);
    }
}

/* ---- Lives of handles ----------------------------------------------------------------------------------------------- */

static void test_a_handle_opens_and_closes_many_times(void **state)
{
    (void)state;
    fixture_end(&fixture);
    fixture_init(&fixture);
    for (int i = 0; i < 20; i++) {
        fixture_open(&fixture, NULL);
        must_execute(fixture.db, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)");
        must_execute(fixture.db, "INSERT INTO t DEFAULT VALUES");
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_AUTO), i + 1);
        rhei_close(&fixture.db);
    }
    fixture_open(&fixture, NULL);
}

static void test_d5_settings_are_taken_as_a_text(void **state)
{
    struct fixture *of = *state;
    struct rhei_config config = {.struct_size = sizeof config};
    struct rhei_error error = RHEI_ERROR_INIT;
    char path[512];
    rhei_db *db = NULL;
    (void)snprintf(path, sizeof path, "%s/text.db", of->folder);
    config.config_text = "[engine]\nthreads = 0";
    assert_int_equal(rhei_open(path, &config, &db, &error), RHEI_CONFIG);
    assert_non_null(strstr(error.message, "config_text:2: "));
    config.config_text = "[[tables]]\nname = \"made\"\nddl = \"CREATE TABLE made (a)\"";
    config.config_file = "none.toml";
    assert_int_equal(rhei_open(path, &config, &db, &error), RHEI_INVALID);
    config.config_file = NULL;
    assert_int_equal(rhei_open(path, &config, &db, &error), RHEI_OK);
    must_execute(db, "INSERT INTO made VALUES (1)");
    rhei_close(&db);
}

static void test_a8_two_handles_of_one_process(void **state)
{
    (void)state;
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true};
    struct fixture other = fixture;
    fixture_open(&other, &config);
    must_be_built(other.db);
    for (int i = 0; i < 20; i++) {
        must_execute(i % 2 == 0 ? fixture.db : other.db, "INSERT INTO t (word, n) VALUES ('more', 1)");
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLAP), 20001 + i);
        assert_int_equal(must_int64(other.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLAP), 20001 + i);
    }
    must_verify(fixture.db);
    must_verify(other.db);
    rhei_close(&other.db);
    must_execute(fixture.db, "DELETE FROM t WHERE word = 'more'");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLAP), 20000);
    must_verify(fixture.db);
}

static void *open_and_drop(void *context)
{
    static const char *const texts[] = {"SELECT * FROM t", "SELECT n, count(*) FROM t GROUP BY n", "SELECT id FROM t"};
    size_t seed = (size_t)context;
    for (size_t i = 0; i < 60; i++) {
        struct rhei_query_options options = {
            .struct_size = sizeof options, .route = (int32_t)(i % 3), .freshness = rhei_eventual()};
        struct ArrowArrayStream stream = {0};
        if (rhei_query_arrow(fixture.db, texts[(i + seed) % 3], NULL, &options, &stream, NULL) != RHEI_OK)
            return "a query failed";
        struct ArrowArray batch = {0};
        if (i % 2 == 0 && stream.get_next(&stream, &batch) != 0)
            return "a batch failed";
        stream.release(&stream);
        if (batch.release != NULL)
            batch.release(&batch); /* outlives its stream */
    }
    return NULL;
}

static void test_q5_streams_are_dropped_by_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_drop, (void *)i), 0);
    for (int i = 0; i < 50; i++)
        must_execute(fixture.db, "UPDATE t SET n = n + 1 WHERE id % 100 = 0");
    for (size_t i = 0; i < THREADS; i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        if (failure != NULL)
            fail_msg("%s", (const char *)failure);
    }
    must_verify(fixture.db);
}

static void test_q5_a_table_is_dropped_under_its_readers(void **state)
{
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_query(fixture.db, "SELECT id, word FROM t", NULL, &options, &rows, &error), RHEI_OK);
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        must_execute(fixture.db, "DROP TABLE t");
        must_fail(fixture.db, "SELECT count(*) FROM t", RHEI_SQL);
        assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
        int64_t count = 1;
        while (rhei_rows_next(rows, &error) == RHEI_ROW)
            count++;
        if (error.code != RHEI_OK)
            fail_msg("route %d: %s", route, error.message);
        assert_int_equal(count, 20000);
        rhei_rows_close(&rows);
        fixture_tear_down(state);
        set_up(state);
    }
}

/* ---- Names, paths and sizes ----------------------------------------------------------------------------------------- */

static void test_paths_may_hold_anything(void **state)
{
    (void)state;
    static const char *const names[] = {"with space.db",     "it's \"quoted\".db", "größe-数据-🙂.db",
                                        "a%41?mode=ro#x.db", "file:like.db",       "semi;colon&and.db"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[192];
        struct stat info;
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_db *db = NULL;
        snprintf(path, sizeof path, "%s/%s", fixture.folder, names[i]);
        if (rhei_open(path, NULL, &db, &error) != RHEI_OK)
            fail_msg("%s: %s", path, error.message);
        must_execute(db, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
        must_execute(db, "INSERT INTO t VALUES (7)");
        must_be_built(db);
        assert_int_equal(must_int64(db, "SELECT sum(id) FROM t", RHEI_ROUTE_OLAP), 7);
        must_verify(db);
        char *json = NULL;
        assert_int_equal(rhei_info_json(db, &json, &error), RHEI_OK);
        rhei_free(json);
        rhei_close(&db);
        assert_int_equal(stat(path, &info), 0);
    }
}

static void test_c1_table_names_may_hold_any_character(void **state)
{
    (void)state;
    static const char *const names[] = {
        "a b",    "sel\"ect",    "it's",
        "select", "größe",       "数据",
        "🙂",   "a;b",         "a--b",
        "a/*b*/", "[x]",         "`x`",
        "$1",     "?1",          "\n",
        "\t tab", "a.b",         "main.t",
        "%s%n",   "\\",          "UPPER lower",
        " lead",  "trail ",      "{}",
        "0",      "-1",          "null",
        "rowid",  "\x01",        "_rhei",
        "prm_1",  "mirror_scan", "with'both\"quotes",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct base_buffer name = {0}, sql = {0};
        base_buffer_identifier(&name, names[i]);
        base_buffer_format(&sql, "CREATE TABLE %s (%s TEXT, k INTEGER PRIMARY KEY)", name.data, name.data);
        must_execute(fixture.db, sql.data);
        base_buffer_clear(&sql);
        base_buffer_format(&sql, "INSERT INTO %s VALUES ('x', 1), ('y', 2), ('y', 3)", name.data);
        must_execute(fixture.db, sql.data);
        must_be_built(fixture.db);
        base_buffer_clear(&sql);
        base_buffer_format(&sql, "UPDATE %s SET k = k + 10 WHERE k > 1", name.data);
        must_execute(fixture.db, sql.data);
        base_buffer_clear(&sql);
        base_buffer_format(&sql, "SELECT q.%s, count(*), sum(k) FROM %s q GROUP BY q.%s ORDER BY q.%s", name.data,
                           name.data, name.data, name.data);
        must_agree(fixture.db, sql.data, NULL);
        base_buffer_reset(&sql);
        base_buffer_reset(&name);
    }
    must_verify(fixture.db);
}

static void test_q4_a_statement_takes_32766_parameters(void **state)
{
    (void)state;
    enum { COUNT = 32766 };
    struct base_buffer sql = {0};
    struct rhei_value *values = malloc((COUNT + 1) * sizeof *values);
    assert_non_null(values);
    base_buffer_text(&sql, "SELECT count(*) FROM t WHERE id IN (?");
    for (int i = 1; i < COUNT; i++)
        base_buffer_text(&sql, ",?");
    base_buffer_text(&sql, ")");
    for (int i = 0; i <= COUNT; i++)
        values[i] = rhei_integer(i);
    struct rhei_params params = {values, COUNT};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(fixture.db, sql.data, &params, NULL, &rows, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    assert_int_equal(rhei_rows_int64(rows, 0), 20000);
    rhei_rows_close(&rows);
    params.count = COUNT + 1;
    assert_int_equal(rhei_query(fixture.db, sql.data, &params, NULL, &rows, &error), RHEI_INVALID);
    free(values);
    base_buffer_reset(&sql);
}

static void test_long_statements_run_or_are_refused(void **state)
{
    (void)state;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT count(*) FROM t WHERE word <> '");
    for (int i = 0; i < 1 << 16; i++)
        base_buffer_text(&sql, "sixteen letters.");
    base_buffer_text(&sql, "'");
    must_agree(fixture.db, sql.data, NULL);
    base_buffer_clear(&sql);
    base_buffer_text(&sql, "SELECT ");
    for (int i = 0; i < 100000; i++)
        base_buffer_text(&sql, "(");
    must_fail(fixture.db, sql.data, RHEI_SQL);
    base_buffer_clear(&sql);
    base_buffer_text(&sql, "SELECT count(*) FROM t WHERE id > 0");
    for (int i = 0; i < 900; i++)
        base_buffer_format(&sql, " AND id <> %d", i);
    assert_int_equal(must_int64(fixture.db, sql.data, RHEI_ROUTE_AUTO), 20000 - 899);
    base_buffer_reset(&sql);
}

static void test_tables_of_1990_columns(void **state)
{
    (void)state;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "CREATE TABLE wide (c0 INTEGER PRIMARY KEY");
    for (int i = 1; i < 1990; i++)
        base_buffer_format(&sql, ", c%d", i);
    base_buffer_text(&sql, ")");
    must_execute(fixture.db, sql.data);
    must_execute(fixture.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200) "
                             "INSERT INTO wide (c0, c1, c1989) SELECT i, 'a' || i, i * 2 FROM c");
    must_execute(fixture.db, "UPDATE wide SET c1500 = 1.5 WHERE c0 % 2");
    must_be_built(fixture.db);
    assert_int_equal(must_int64(fixture.db, "SELECT sum(c1989) FROM wide WHERE c1500 > 1", RHEI_ROUTE_AUTO), 20000);
    char *all = must_rows(fixture.db, "SELECT * FROM wide", NULL, RHEI_ROUTE_AUTO);
    assert_true(strlen(all) > 200 * 1990);
    rhei_free(all);
    must_verify(fixture.db);
    base_buffer_reset(&sql);
}

static void test_tables_without_rows(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE none (id INTEGER PRIMARY KEY, word TEXT, x)");
    must_be_built(fixture.db);
    must_agree(fixture.db, "SELECT * FROM none", NULL);
    must_agree(fixture.db, "SELECT count(*), sum(id), max(word), total(x) FROM none", NULL);
    must_agree(fixture.db, "SELECT word, count(*) FROM none GROUP BY word", NULL);
    must_agree(fixture.db, "SELECT t.id FROM t JOIN none ON none.id = t.id", NULL);
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    struct ArrowArray batch = {0};
    assert_int_equal(rhei_query_arrow(fixture.db, "SELECT * FROM none", NULL, NULL, &stream, NULL), RHEI_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(schema.n_children, 3);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    assert_null(batch.release);
    schema.release(&schema);
    stream.release(&stream);
}

static void test_c3_large_values_go_through(void **state)
{
    (void)state;
    enum { SIZE = 100 * 1000 * 1000 };
    unsigned char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 251);
    must_execute(fixture.db, "CREATE TABLE big (id INTEGER PRIMARY KEY, body BLOB)");
    must_be_built(fixture.db);
    must_execute_with(fixture.db, "INSERT INTO big VALUES (1, ?)", RHEI_PARAMS(rhei_blob(bytes, SIZE)));
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        rhei_rows *rows = NULL;
        if (rhei_query(fixture.db, "SELECT body FROM big", NULL, &options, &rows, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        if (rhei_rows_next(rows, &error) != RHEI_ROW)
            fail_msg("%s", error.message);
        struct rhei_value value = rhei_rows_value(rows, 0);
        assert_int_equal(value.type, RHEI_BLOB);
        assert_int_equal(value.length, SIZE);
        assert_memory_equal(value.as.bytes, bytes, SIZE);
        rhei_rows_close(&rows);
    }
    free(bytes);
}

/* ---- The application's surroundings --------------------------------------------------------------------------------- */

static void test_q2_the_locale_of_the_application_changes_nothing(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; set == NULL && i < sizeof locales / sizeof locales[0]; i++)
        set = setlocale(LC_NUMERIC, locales[i]);
    if (set == NULL)
        skip();
    must_agree(fixture.db, "SELECT round(n / 3, 2), count(*) FROM t GROUP BY 1 ORDER BY 1 LIMIT 20", NULL);
    must_agree(fixture.db, "SELECT word || n, sum(n * 1.25) FROM t WHERE n < 9.75 GROUP BY 1 ORDER BY 1", NULL);
    must_agree(fixture.db, "SELECT count(*) FROM t WHERE n > ?", RHEI_PARAMS(rhei_real(12.25)));
    assert_true(must_double(fixture.db, "SELECT ' 9.5kg'", RHEI_ROUTE_AUTO) == 9.5);
    setlocale(LC_NUMERIC, "C");
}

static void test_texts_read_as_numbers_as_sqlite_does(void **state)
{
    (void)state;
    assert_true(must_double(fixture.db, "SELECT '0x10'", RHEI_ROUTE_AUTO) == 0.0);
    assert_true(must_double(fixture.db, "SELECT 'inf'", RHEI_ROUTE_AUTO) == 0.0);
    assert_true(must_double(fixture.db, "SELECT 'nan'", RHEI_ROUTE_AUTO) == 0.0);
    assert_true(must_double(fixture.db, "SELECT '-2.5e2x'", RHEI_ROUTE_AUTO) == -250.0);
    assert_true(must_double(fixture.db, "SELECT x'312e35'", RHEI_ROUTE_AUTO) == 1.5);
    assert_int_equal(must_int64(fixture.db, "SELECT ' 12abc'", RHEI_ROUTE_AUTO), 12);
    assert_int_equal(must_int64(fixture.db, "SELECT '0x10'", RHEI_ROUTE_AUTO), 0);
}

static void test_d2_statements_name_no_files_where_that_is_not_wished(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    char made[300], sql[2][400];
    rhei_close(&fixture.db);
    struct rhei_config config = {.struct_size = sizeof config, .no_files = true};
    fixture_open(&fixture, &config);
    (void)snprintf(made, sizeof made, "%s/made", fixture.folder);
    (void)snprintf(sql[0], sizeof sql[0], "ATTACH '%s' AS other", made);
    (void)snprintf(sql[1], sizeof sql[1], "VACUUM INTO '%s'", made);
    const char *texts[] = {sql[0],
                           sql[1],
                           "ATTACH 'a' || 'b' AS other",
                           "ATTACH ? AS other",
                           "VACUUM INTO lower('X')",
                           "ATTACH ':memory:' AS other",
                           "ATTACH '' AS other",
                           "attach ':MEMORY:' as temp2",
                           "DETACH main",
                           "DETACH other"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rhei_rows *rows = NULL;
        struct rhei_params params = {(const struct rhei_value[]){rhei_text(made)}, i == 3};
        if (rhei_execute(fixture.db, texts[i], &params, NULL, &error) != RHEI_UNSUPPORTED)
            fail_msg("%s: %s", texts[i], error.message);
        assert_string_equal(error.message,
                            "statements of this handle name no files: no ATTACH, no DETACH, no VACUUM INTO");
        assert_int_equal(rhei_query(fixture.db, texts[i], &params, NULL, &rows, &error), RHEI_UNSUPPORTED);
    }
    assert_int_equal(access(made, F_OK), -1);
    must_execute(fixture.db, "VACUUM");
    must_execute(fixture.db, "INSERT INTO t VALUES (-1, 'x', 0)");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_AUTO), 20001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_d2_statements_name_no_files_where_that_is_not_wished, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_calls_without_a_handle_are_errors, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_calls_without_a_place_for_the_answer_are_errors, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_there_reads_as_nothing, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_rows_outside_a_row_are_null, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_handle_opens_and_closes_many_times, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a8_two_handles_of_one_process, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_streams_are_dropped_by_many_threads, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_a_table_is_dropped_under_its_readers, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_paths_may_hold_anything, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_c1_table_names_may_hold_any_character, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q4_a_statement_takes_32766_parameters, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_long_statements_run_or_are_refused, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_tables_of_1990_columns, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_tables_without_rows, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_c3_large_values_go_through, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_the_locale_of_the_application_changes_nothing, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_texts_read_as_numbers_as_sqlite_does, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_settings_are_taken_as_a_text, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_d5_a_file_that_may_only_be_read_says_how, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
