/* SPDX-License-Identifier: Apache-2.0 */
/* What every call has in common: parameters by name, errors that begin anew and say where, options, sessions. */
#include "tests/support/engine_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT)",
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 500) "
                        "INSERT INTO t SELECT i, i % 10, 'name ' || i FROM c");
    return 0;
}

static void must_say(rhei_status status, rhei_status expected, const struct rhei_error *error, const char *words)
{
    if (status != expected || error->code != expected || strstr(error->message, words) == NULL)
        fail_msg("%s: %s\ninstead of %s: ...%s...", rhei_status_name(status), error->message,
                 rhei_status_name(expected), words);
}

/* ---- Parameters. ---- */

static void test_q4_parameters_by_name_on_both_engines(void **state)
{
    (void)state;
    struct rhei_params *const params[] = {
        RHEI_PARAMS(rhei_name(":low"), rhei_integer(3), rhei_name("@high"), rhei_integer(7), rhei_name("$name"),
                    rhei_text("name 1")),
        RHEI_PARAMS(rhei_name("$name"), rhei_text("name 1"), rhei_name("@high"), rhei_integer(7), rhei_name(":low"),
                    rhei_integer(3)),
        RHEI_PARAMS(rhei_integer(3), rhei_name("$name"), rhei_text("name 1"), rhei_integer(7)),
        RHEI_PARAMS(rhei_integer(3), rhei_integer(7), rhei_text("name 1")),
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        must_agree(fixture.db,
                   "SELECT count(*), max(id) FROM t WHERE a >= :low AND a <= @high AND b > $name AND a <> :low + 1",
                   params[i]);
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 500);
    }
    /* a name takes the number after the largest so far, ?NNN its own */
    must_agree(fixture.db, "SELECT count(*) FROM t WHERE a IN (?2, :x, ?1, ?)",
               RHEI_PARAMS(rhei_integer(1), rhei_integer(2), rhei_integer(3), rhei_integer(4)));
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    assert_int_equal(rhei_prepare(fixture.db, "SELECT ?3, :x, ?, $a::b(c), ?1, :x", &statement, &error), RHEI_OK);
    assert_int_equal(rhei_statement_parameter_count(statement), 6);
    static const char *const names[] = {"", "?1", "", "?3", ":x", "", "$a::b(c)", ""};
    for (uint32_t i = 0; i < 8; i++)
        assert_string_equal(rhei_statement_parameter_name(statement, i), names[i]);
    rhei_statement_close(&statement);
}

/* Nobody but the column store knows the text, so its parameters are counted by what is written. */
static void test_q4_parameters_of_the_column_stores_own_words_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        uint32_t count;
        const char *names[3];
        int64_t values[3], found;
    } cases[] = {
        {"FROM t SELECT count(*) WHERE id > ? AND id <= ?", 2, {"", ""}, {10, 30}, 20},
        {"SELECT id FROM t WHERE id > ? QUALIFY row_number() OVER (ORDER BY id) = ?", 2, {"", ""}, {5, 3}, 8},
        {"FROM t SELECT count(*) WHERE id <= $2 AND id > $1", 2, {"$1", "$2"}, {10, 30}, 20},
        {"FROM t SELECT count(*) WHERE id > $1::BIGINT AND id < $1 + 5", 1, {"$1"}, {10}, 4},
        {"FROM t SELECT count(*) /* ? */ WHERE id = ? AND '?' <> '$1'", 1, {""}, {7}, 1},
        {"FROM t SELECT count(*) WHERE id > 490", 0, {NULL}, {0}, 10},
        {"FROM (SELECT id FROM t WHERE id > ?) SELECT count(*) + ?", 2, {"", ""}, {490, 1000}, 1010},
        {"FROM (SELECT id FROM t WHERE id > ?2) SELECT count(*) + ?1", 2, {"?1", "?2"}, {1000, 490}, 1010},
        {"WITH c AS (SELECT id FROM t WHERE id > ?) FROM c SELECT count(*) + ? WHERE id < ?",
         3,
         {"", "", ""},
         {490, 1000, 500},
         1009},
        {"FROM t SELECT count(*) WHERE id < ?2", 2, {"", "?2"}, {1000, 5}, 4},
        {"FROM t SELECT count(*) WHERE id > $3", 3, {"", "", "$3"}, {0, 0, 490}, 10},
        {"SELECT id FROM t WHERE id = ?3 QUALIFY row_number() OVER () = 1", 3, {"", "", "?3"}, {0, 0, 7}, 7},
        {"FROM t a JOIN t b ON a.id = b.id + ? SELECT count(*) * ? LIMIT ?", 3, {"", "", ""}, {1, 10, 1}, 4990},
        {"FROM t SELECT count(*) WHERE id = ? AND $$ ? it's $1 $$ <> $q$?$$$q$", 1, {""}, {7}, 1},
        {"FROM t SELECT count(*) WHERE id = ? /* ? /* ? */ ' ? */ AND E'it\\'s ?' <> '?''?'", 1, {""}, {7}, 1},
        {"FROM t AS \"a?$1\" SELECT count(*) -- ?' \n WHERE \"a?$1\".id = ?", 1, {""}, {7}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_statement *statement = NULL;
        rhei_rows *rows = NULL;
        struct rhei_value values[3];
        if (rhei_prepare(fixture.db, cases[i].sql, &statement, &error) != RHEI_OK)
            fail_msg("%s: %s", cases[i].sql, error.message);
        assert_int_equal(rhei_statement_parameter_count(statement), cases[i].count);
        for (uint32_t n = 0; n < cases[i].count; n++) {
            assert_string_equal(rhei_statement_parameter_name(statement, n + 1), cases[i].names[n]);
            values[n] = rhei_integer(cases[i].values[n]);
        }
        const struct rhei_params params = {values, cases[i].count};
        if (rhei_statement_query(statement, &params, NULL, &rows, &error) != RHEI_OK ||
            rhei_rows_next(rows, &error) != RHEI_ROW)
            fail_msg("%s: %s", cases[i].sql, error.message);
        assert_int_equal(rhei_rows_int64(rows, 0), cases[i].found);
        rhei_rows_close(&rows);
        rhei_statement_close(&statement);
    }
    static const char *const beyond[] = {"?40000", "$40000", "?0", "$0", "?99999999999"};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        char sql[64];
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_statement *statement = NULL;
        (void)snprintf(sql, sizeof sql, "FROM t SELECT id WHERE id = %s", beyond[i]);
        must_say(rhei_prepare(fixture.db, sql, &statement, &error), RHEI_SQL, &error,
                 "variable number must be between ?1 and ?32766");
    }
}

/* In both dialects, and by whichever engine; the words are the same. */
static void test_q4_every_parameter_has_one_value(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        size_t given;
        const char *words;
    } cases[] = {
        {"SELECT id FROM t WHERE id = ?", 2, "the statement has 1 parameter, 2 values were given"},
        {"FROM t SELECT id WHERE id = ?", 2, "the statement has 1 parameter, 2 values were given"},
        {"FROM t SELECT id WHERE id = ?", 0, "the statement has 1 parameter, 0 values were given"},
        {"FROM t SELECT id WHERE id = ? OR id = ?", 1, "the statement has 2 parameters, 1 value was given"},
        {"FROM t SELECT id WHERE id = $2", 1, "the statement has 2 parameters, 1 value was given"},
        {"FROM t SELECT id WHERE id = 3", 1, "the statement has 0 parameters, 1 value was given"},
        {"SELECT id FROM t WHERE id = ? QUALIFY row_number() OVER () = 1", 3,
         "the statement has 1 parameter, 3 values were given"},
        {"EXPLAIN FROM t SELECT id WHERE id = ?", 0, "the statement has 1 parameter, 0 values were given"},
    };
    const struct rhei_value values[] = {rhei_integer(3), rhei_integer(4), rhei_integer(5)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        const struct rhei_params params = {values, cases[i].given};
        rhei_rows *rows = NULL;
        rhei_statement *statement = NULL;
        struct ArrowArrayStream stream = {0};
        must_say(rhei_query(fixture.db, cases[i].sql, &params, NULL, &rows, &error), RHEI_INVALID, &error,
                 cases[i].words);
        must_say(rhei_query_arrow(fixture.db, cases[i].sql, &params, NULL, &stream, &error), RHEI_INVALID, &error,
                 cases[i].words);
        assert_int_equal(rhei_prepare(fixture.db, cases[i].sql, &statement, &error), RHEI_OK);
        must_say(rhei_statement_query(statement, &params, NULL, &rows, &error), RHEI_INVALID, &error, cases[i].words);
        rhei_statement_close(&statement);
        if (cases[i].given == 0)
            must_say(rhei_olap_query_arrow(fixture.db, cases[i].sql, NULL, &stream, &error), RHEI_INVALID, &error,
                     cases[i].words);
    }
}

/* Of a text that only the column store knows, a name is what that takes for one. */
static void test_q4_names_work_in_the_column_stores_own_words(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "FROM t SELECT count(*) WHERE id > $low::BIGINT AND id <= $high",
        "FROM t SELECT count(*) WHERE id > $low AND id <= $high AND $$ $other ? $$ <> ''",
        "FROM t SELECT count(*) WHERE id > $low AND id <= $high /* $a /* */ $other */",
    };
    struct rhei_params *params = RHEI_PARAMS(rhei_name("$high"), rhei_integer(30), rhei_name("$low"), rhei_integer(10));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        if (rhei_query(fixture.db, texts[i], params, NULL, &rows, &error) != RHEI_OK ||
            rhei_rows_next(rows, &error) != RHEI_ROW)
            fail_msg("%s: %s", texts[i], error.message);
        assert_int_equal(rhei_rows_int64(rows, 0), 20);
        rhei_rows_close(&rows);
    }
}

static void test_q4_names_work_in_writes(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_result result = {0};
    rhei_session *session = NULL;
    const char *insert = "INSERT INTO t VALUES (:id, :id * 2, @b)";
    const struct rhei_params *params =
        RHEI_PARAMS(rhei_name("@b"), rhei_text("by name"), rhei_name(":id"), rhei_integer(9001));
    assert_int_equal(rhei_execute(fixture.db, insert, params, &result, &error), RHEI_OK);
    assert_int_equal(result.struct_size, sizeof result);
    assert_int_equal(result.changes, 1);
    assert_int_equal(must_int64(fixture.db, "SELECT a FROM t WHERE b = 'by name'", RHEI_ROUTE_OLTP), 18002);
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "DELETE FROM t WHERE id = $id",
                                          RHEI_PARAMS(rhei_name("$id"), rhei_integer(9001)), &result, &error),
                     RHEI_OK);
    assert_int_equal(result.changes, 1);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
}

static void test_d5_wrong_parameters_are_told_apart(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = fixture.db;
    const char *sql = "UPDATE t SET b = :b WHERE id = @id";
    must_say(rhei_execute(db, sql, RHEI_PARAMS(rhei_name(":c"), rhei_null()), NULL, &error), RHEI_INVALID, &error,
             "no parameter \":c\"");
    must_say(rhei_execute(db, sql, RHEI_PARAMS(rhei_name(":b"), rhei_null()), NULL, &error), RHEI_INVALID, &error,
             "parameter 2 (\"@id\") has no value");
    must_say(rhei_execute(db, sql, RHEI_PARAMS(rhei_integer(1), rhei_name(":b")), NULL, &error), RHEI_INVALID, &error,
             "no value follows the name \":b\"");
    must_say(
        rhei_execute(db, sql, RHEI_PARAMS(rhei_name(":b"), rhei_null(), rhei_integer(1), rhei_null()), NULL, &error),
        RHEI_INVALID, &error, "parameter 1 has two values");
    must_say(rhei_execute(db, sql, RHEI_PARAMS(rhei_name(NULL), rhei_null()), NULL, &error), RHEI_INVALID, &error,
             "no parameter");
    must_say(rhei_execute(db, "UPDATE t SET b = ? WHERE id = 0", NULL, NULL, &error), RHEI_INVALID, &error,
             "has 1 parameter, 0 values were given");
    must_say(rhei_execute(db, "UPDATE t SET b = b WHERE id = 0", RHEI_PARAMS(rhei_null()), NULL, &error), RHEI_INVALID,
             &error, "has 0 parameters, 1 value was given");
    const struct rhei_value rows[] = {rhei_name(":b"), rhei_integer(1)};
    must_say(rhei_execute_batch(db, sql, rows, 2, 1, NULL, &error), RHEI_INVALID, &error,
             "rows of a batch have no names");
}

/* ---- Errors. ---- */

/* One statement that says OR FAIL keeps the rows before the one that failed, as in SQLite; a batch and a script do not. */
static void test_c1_or_fail_keeps_rows_of_a_statement_alone(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = fixture.db;
    const char *kept = "SELECT count(*) FROM t WHERE id > 7000";
    const struct rhei_value ids[] = {rhei_integer(7001), rhei_integer(7002), rhei_integer(7001)};
    must_say(rhei_execute_batch(db, "INSERT OR FAIL INTO t(id) VALUES (?)", ids, 1, 3, NULL, &error), RHEI_CONSTRAINT,
             &error, "row 3: ");
    must_say(rhei_execute_script(db, "INSERT INTO t(id) VALUES (7009); INSERT OR FAIL INTO t(id) VALUES (7001), (7001)",
                                 NULL, &error),
             RHEI_CONSTRAINT, &error, "statement 2, ");
    assert_int_equal(must_int64(db, kept, RHEI_ROUTE_OLTP), 0);
    assert_int_equal(must_int64(db, kept, RHEI_ROUTE_OLAP), 0);
    must_say(rhei_execute(db, "INSERT OR FAIL INTO t(id) VALUES (7001), (7002), (7001), (7003)", NULL, NULL, &error),
             RHEI_CONSTRAINT, &error, "UNIQUE");
    assert_int_equal(must_int64(db, kept, RHEI_ROUTE_OLTP), 2);
    assert_int_equal(must_int64(db, kept, RHEI_ROUTE_OLAP), 2);
    must_execute(db, "DELETE FROM t WHERE id > 7000");
}

static void test_d5_an_error_tells_of_the_last_call(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    must_say(rhei_execute(fixture.db, "SELEC", NULL, NULL, &error), RHEI_SQL, &error, "SELEC");
    must_say(rhei_query(fixture.db, "SELECT nix FROM t", NULL, NULL, &rows, &error), RHEI_SQL, &error, "nix");
    assert_int_equal(error.sql_offset, 7);
    must_say(rhei_register_table(fixture.db, "nowhere", NULL, 0, &error), RHEI_NOT_FOUND, &error, "nowhere");
    assert_int_equal(rhei_execute(fixture.db, "UPDATE t SET a = a WHERE id = 1", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(error.code, RHEI_OK);
    assert_string_equal(error.message, "");
    assert_string_equal(error.sqlstate, "00000");
    assert_int_equal(error.sql_offset, -1);
}

static void test_d5_a_batch_names_its_row_and_a_script_its_statement(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rhei_value ids[] = {rhei_integer(8001), rhei_integer(8002), rhei_integer(1)};
    must_say(rhei_execute_batch(fixture.db, "INSERT INTO t(id) VALUES (?)", ids, 1, 3, NULL, &error), RHEI_CONSTRAINT,
             &error, "row 3: UNIQUE constraint failed: t.id");
    static const char script[] = "INSERT INTO t(id) VALUES (8001);\n\nINSERT INTO t(id) VALUES (8002); SELECT 1 FRM t;";
    must_say(rhei_execute_script(fixture.db, script, NULL, &error), RHEI_SQL, &error, "statement 3, at byte 67: ");
    assert_int_equal(error.sql_offset, strstr(script, "t;") - script);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 500);
}

static void test_d5_a_text_without_a_statement_does_nothing_anywhere(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "  \n", "-- a comment", "/* one */ ;", "; ;; "};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *db = fixture.db;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_query_options olap = {.struct_size = sizeof olap, .route = RHEI_ROUTE_OLAP};
        struct ArrowArrayStream stream = {0};
        struct ArrowSchema schema = {0};
        rhei_rows *rows = NULL;
        rhei_statement *statement = NULL;
        rhei_session *session = NULL;
        assert_int_equal(rhei_execute(db, texts[i], NULL, NULL, &error), RHEI_OK);
        assert_int_equal(rhei_execute_batch(db, texts[i], NULL, 0, 3, NULL, &error), RHEI_OK);
        assert_int_equal(rhei_execute_script(db, texts[i], NULL, &error), RHEI_OK);
        for (int route = 0; route < 3; route++) {
            if (route < 2)
                assert_int_equal(rhei_query(db, texts[i], NULL, route == 0 ? NULL : &olap, &rows, &error), RHEI_OK);
            else
                assert_int_equal(rhei_oltp_query(db, texts[i], NULL, &rows, &error), RHEI_OK);
            assert_int_equal(rhei_rows_column_count(rows), 0);
            assert_int_equal(rhei_rows_next(rows, &error), RHEI_DONE);
            rhei_rows_close(&rows);
        }
        assert_int_equal(rhei_query_arrow(db, texts[i], NULL, NULL, &stream, &error), RHEI_OK);
        assert_int_equal(stream.get_schema(&stream, &schema), 0);
        assert_int_equal(schema.n_children, 0);
        schema.release(&schema);
        stream.release(&stream);
        assert_int_equal(rhei_prepare(db, texts[i], &statement, &error), RHEI_OK);
        assert_int_equal(rhei_statement_column_count(statement), 0);
        assert_int_equal(rhei_statement_execute(statement, NULL, NULL, &error), RHEI_OK);
        rhei_statement_close(&statement);
        assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
        for (int in = 0; in < 2; in++) {
            assert_int_equal(rhei_session_execute(session, texts[i], NULL, NULL, &error), RHEI_OK);
            assert_int_equal(rhei_session_query(session, texts[i], NULL, NULL, &rows, &error), RHEI_OK);
            assert_int_equal(rhei_rows_next(rows, &error), RHEI_DONE);
            rhei_rows_close(&rows);
            assert_int_equal(rhei_session_in_transaction(session), in);
            assert_int_equal(rhei_session_execute(session, in == 0 ? "BEGIN" : "COMMIT", NULL, NULL, &error), RHEI_OK);
        }
        rhei_session_close(&session);
    }
}

static void test_q3_returning_behind_a_comment(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    static const char *const texts[] = {
        "-- new\nINSERT INTO t(id) VALUES (7001) RETURNING id + 1 AS next",
        "/* x */ WITH n(i) AS (VALUES (7001)) INSERT INTO t(id) SELECT i FROM n RETURNING id + 1 AS next"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(rhei_query(fixture.db, texts[i], NULL, NULL, &rows, &error), RHEI_OK);
        assert_string_equal(rhei_rows_column_name(rows, 0), "next");
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        assert_int_equal(rhei_rows_int64(rows, 0), 7002);
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_DONE);
        struct rhei_result result = {.struct_size = sizeof result};
        rhei_rows_result(rows, &result);
        assert_int_equal(result.changes, 1);
        rhei_rows_close(&rows);
        must_execute(fixture.db, "DELETE FROM t WHERE id = 7001");
    }
}

/* ---- Options. ---- */

static rhei_status ask_with(const struct rhei_query_options *options, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, "SELECT 1", NULL, options, &rows, error);
    rhei_rows_close(&rows);
    return status;
}

static void test_d5_nonsense_in_options_is_invalid(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rhei_query_options good = {.struct_size = sizeof good};
    struct rhei_query_options bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].struct_size = 0;
    bad[1].struct_size = 4;
    bad[2].struct_size = SIZE_MAX;
    bad[3].freshness.mode = 77;
    bad[4].route = -1;
    bad[5].strings = 9;
    bad[6].timeout_ms = -1;
    bad[7].freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_BOUNDED, .max_age_ms = -5};
    assert_int_equal(ask_with(&good, &error), RHEI_OK);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ask_with(&bad[i], &error), RHEI_INVALID);

    struct rhei_call_options calls[] = {
        {.struct_size = 0}, {.struct_size = SIZE_MAX}, {.struct_size = sizeof calls[0], .timeout_ms = -5}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rhei_execute_with(fixture.db, "SELECT 1", NULL, &calls[i], NULL, &error), RHEI_INVALID);
        assert_int_equal(rhei_execute_script_with(fixture.db, "SELECT 1", &calls[i], NULL, &error), RHEI_INVALID);
        assert_int_equal(rhei_initial_sync_with(fixture.db, &calls[i], &error), RHEI_INVALID);
        assert_int_equal(rhei_verify_with(fixture.db, NULL, &calls[i], NULL, &error), RHEI_INVALID);
    }
    assert_int_equal(rhei_initial_sync(fixture.db, -1, &error), RHEI_INVALID);

    struct rhei_config configs[15] = {0};
    for (size_t i = 1; i < 15; i++)
        configs[i].struct_size = sizeof configs[i];
    configs[1].struct_size = 100000000;
    configs[2].freshness.mode = 77;
    configs[3].olap_backend = 12;
    configs[4].sync_mode = -3;
    configs[5].synchronous = 5;
    configs[6].log_level = 17;
    configs[7].read_pool_size = 5000;
    configs[8].threads = UINT32_MAX;
    configs[9].sync_interval_ms = 86400001;
    configs[10].busy_timeout_ms = UINT32_MAX;
    configs[11].sync_batch_rows = UINT64_MAX;
    configs[12].olap_memory_limit = 1;
    configs[13].wal_limit_bytes = 5;
    configs[14].scrub_interval_s = UINT32_MAX;
    for (size_t i = 0; i < 15; i++) {
        rhei_db *db = NULL;
        assert_int_equal(rhei_open(":memory:", &configs[i], &db, &error), RHEI_INVALID);
        assert_null(db);
    }
    /* one of a later version of the header is read as far as it is known */
    struct {
        struct rhei_query_options known;
        char more[64];
    } later = {.known = {.struct_size = sizeof later}};
    assert_int_equal(ask_with(&later.known, &error), RHEI_OK);
}

static void test_d5_a_number_out_of_range_is_told_with_its_range(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .read_pool_size = 5000};
    rhei_db *db = NULL;
    must_say(rhei_open(":memory:", &config, &db, &error), RHEI_INVALID, &error,
             "rhei_config.read_pool_size can't be 5000: it takes a whole number from 1 to 1024, or 0 for the default");
}

static void expect_class(struct rhei_value value, const char *class)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, "SELECT typeof(?1), length(?1)", RHEI_PARAMS(value), NULL, &rows, &error),
                     RHEI_OK);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    assert_string_equal(rhei_rows_text(rows, 0), class);
    assert_true(rhei_rows_is_null(rows, 1) == (strcmp(class, "null") == 0));
    assert_int_equal(rhei_rows_int64(rows, 1), 0);
    rhei_rows_close(&rows);
}

/* A length of 0 is the empty value, whatever the pointer; a pointer that is missing under a length is told. */
static void test_d5_values_mean_what_they_are_made_of(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    expect_class(rhei_text_n(NULL, 0), "text");
    expect_class(rhei_text_n("x", 0), "text");
    expect_class(rhei_text(""), "text");
    expect_class(rhei_blob(NULL, 0), "blob");
    expect_class(rhei_blob("x", 0), "blob");
    expect_class(rhei_text(NULL), "null");
    expect_class(rhei_null(), "null");
    expect_class((struct rhei_value){.type = RHEI_TEXT}, "text");
    expect_class((struct rhei_value){.type = RHEI_BLOB}, "blob");
    assert_int_equal(rhei_execute(fixture.db, "SELECT ?", RHEI_PARAMS(rhei_text_n(NULL, 3)), NULL, &error),
                     RHEI_INVALID);
    assert_int_equal(rhei_execute(fixture.db, "SELECT ?", RHEI_PARAMS(rhei_blob(NULL, 3)), NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_execute(fixture.db, "SELECT ?", RHEI_PARAMS(rhei_text_n("", SIZE_MAX)), NULL, &error),
                     RHEI_TOO_BIG);
    assert_int_equal(rhei_execute(fixture.db, "SELECT ?", RHEI_PARAMS(rhei_name(NULL), rhei_integer(1)), NULL, &error),
                     RHEI_INVALID);
    struct rhei_query_options options = {.struct_size = sizeof options, .freshness = rhei_bounded_ms(-4)};
    assert_int_equal(ask_with(&options, &error), RHEI_INVALID);
    options.freshness = rhei_bounded_ms(INT64_MIN);
    assert_int_equal(ask_with(&options, &error), RHEI_INVALID);
    options.freshness = rhei_bounded_ms(INT64_MAX);
    assert_int_equal(ask_with(&options, &error), RHEI_OK);
    struct rhei_config config = {.struct_size = sizeof config, .freshness = rhei_bounded_ms(-1)};
    rhei_db *db = NULL;
    assert_int_equal(rhei_open(":memory:", &config, &db, &error), RHEI_INVALID);
}

static void test_q7_a_second_statement_is_told_by_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"SELECT 1; SELECT 2", "SELECT 1 ;; -- and\n /* so */ ; SELECT 2",
                                        "DELETE FROM t WHERE 0;SELECT 2", "SELECT '; SELECT 0'; SELECT 2"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        rhei_statement *statement = NULL;
        int32_t place = (int32_t)(strstr(texts[i], "SELECT 2") - texts[i]);
        assert_int_equal(rhei_query(fixture.db, texts[i], NULL, NULL, &rows, &error), RHEI_SQL);
        assert_int_equal(error.sql_offset, place);
        assert_int_equal(rhei_prepare(fixture.db, texts[i], &statement, &error), RHEI_SQL);
        assert_int_equal(error.sql_offset, place);
        assert_int_equal(rhei_execute(fixture.db, texts[i], NULL, NULL, &error), RHEI_SQL);
        assert_int_equal(error.sql_offset, place);
    }
}

/* ---- Sessions. ---- */

static void test_q7_sessions_have_batch_script_arrow_and_prepare(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_result result = {0};
    rhei_session *session = NULL;
    rhei_statement *statement = NULL, *plain = NULL;
    const struct rhei_value good[] = {rhei_integer(1), rhei_integer(2)}, bad[] = {rhei_integer(3), rhei_integer(1)};
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute_script(session,
                                                 "CREATE TABLE s (x INTEGER PRIMARY KEY, y); CREATE INDEX si ON s(y)",
                                                 NULL, NULL, &error),
                     RHEI_OK);
    assert_int_equal(
        rhei_session_execute_batch(session, "INSERT INTO s(x) VALUES (?)", good, 1, 2, NULL, &result, &error), RHEI_OK);
    assert_int_equal(result.changes, 2);
    must_say(rhei_session_execute_batch(session, "INSERT INTO s(x) VALUES (?)", bad, 1, 2, NULL, NULL, &error),
             RHEI_CONSTRAINT, &error, "row 2: ");
    must_say(rhei_session_execute_script(session, "INSERT INTO s VALUES (5, 5); INSERT INTO s VALUES (1, 1)", NULL,
                                         NULL, &error),
             RHEI_CONSTRAINT, &error, "statement 2, at byte 29: ");
    assert_true(rhei_session_in_transaction(session));
    /* a table that only this transaction has */
    assert_int_equal(
        rhei_session_prepare(session, "SELECT count(*) AS n, sum(x) FROM s WHERE x <> :not", &statement, &error),
        RHEI_OK);
    assert_int_equal(rhei_prepare(fixture.db, "SELECT x FROM s", &plain, &error), RHEI_SQL);
    assert_string_equal(rhei_statement_column_name(statement, 0), "n");
    assert_string_equal(rhei_statement_parameter_name(statement, 1), ":not");
    rhei_rows *rows = NULL;
    const struct rhei_params *params = RHEI_PARAMS(rhei_name(":not"), rhei_integer(99));
    assert_int_equal(rhei_statement_query(statement, params, NULL, &rows, &error), RHEI_OK);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    assert_int_equal(rhei_rows_int64(rows, 0), 2);
    assert_int_equal(rhei_rows_int64(rows, 1), 3);
    rhei_rows_close(&rows);
    struct ArrowArrayStream stream = {0};
    struct ArrowArray batch = {0};
    assert_int_equal(rhei_session_query_arrow(session, "SELECT x FROM s", NULL, NULL, &stream, &error), RHEI_OK);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    assert_int_equal(batch.length, 2);
    batch.release(&batch);
    stream.release(&stream);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_statement_query(statement, params, NULL, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
    rhei_statement_close(&statement);
    rhei_session_close(&session);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM s", RHEI_ROUTE_OLTP), 2);
    must_be_built(fixture.db);
    must_verify(fixture.db);
    must_execute(fixture.db, "DROP TABLE s");
}

static void test_d5_a_stale_snapshot_says_that_only_rollback_helps(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .olap_backend = RHEI_OLAP_NONE};
    rhei_db *other = NULL;
    rhei_session *session = NULL;
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "SELECT count(*) FROM t", NULL, NULL, &error), RHEI_OK);
    must_execute(other, "UPDATE t SET a = a WHERE id = 1");
    for (int i = 0; i < 2; i++) {
        must_say(rhei_session_execute(session, "UPDATE t SET a = a", NULL, NULL, &error), RHEI_BUSY, &error,
                 "only ROLLBACK does");
        assert_null(strstr(error.message, "busy_timeout"));
        assert_string_equal(error.sqlstate, "40001");
        assert_int_equal(error.engine_code, 517);
    }
    assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "UPDATE t SET a = a WHERE id = 1", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    rhei_close(&other);
}

static void test_d5_a_file_that_may_not_grow_is_full(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rlimit before, small = {0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = before;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rhei_status status =
        rhei_execute(fixture.db, "INSERT INTO t(b) SELECT hex(zeroblob(100000)) FROM t LIMIT 100", NULL, NULL, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    must_say(status, RHEI_FULL, &error, "grow");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 500);
    must_execute(fixture.db, "UPDATE t SET a = a WHERE id = 1");
}

static void test_d5_no_message_offers_what_nobody_can_do(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {
        .struct_size = sizeof options, .route = RHEI_ROUTE_OLAP, .memory_limit = 1 << 20};
    rhei_rows *rows = NULL;
    const char *text = "SELECT a.b || b.b || c.b AS k, count(*) FROM t a, t b, t c GROUP BY k ORDER BY k LIMIT 1";
    if (fixture_by_datafusion()) /* its groups go to the disk, what a join is built from doesn't */
        text = "SELECT count(*) FROM (SELECT a.b || b.b AS k FROM t a, t b) x "
               "JOIN (SELECT a.b || b.b AS k FROM t a, t b) y ON x.k = y.k";
    rhei_status status = rhei_query(fixture.db, text, NULL, &options, &rows, &error);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, &error);
    rhei_rows_close(&rows);
    must_say(status, RHEI_MEMORY_LIMIT, &error, "memory_limit");
    assert_null(strstr(error.message, "SET "));
    assert_null(strstr(error.message, "Possible solutions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q4_parameters_by_name_on_both_engines),
        cmocka_unit_test(test_q4_parameters_of_the_column_stores_own_words_are_counted),
        cmocka_unit_test(test_q4_names_work_in_the_column_stores_own_words),
        cmocka_unit_test(test_q4_every_parameter_has_one_value),
        cmocka_unit_test(test_q4_names_work_in_writes),
        cmocka_unit_test(test_d5_wrong_parameters_are_told_apart),
        cmocka_unit_test(test_d5_an_error_tells_of_the_last_call),
        cmocka_unit_test(test_d5_a_batch_names_its_row_and_a_script_its_statement),
        cmocka_unit_test(test_d5_a_text_without_a_statement_does_nothing_anywhere),
        cmocka_unit_test(test_q3_returning_behind_a_comment),
        cmocka_unit_test(test_d5_nonsense_in_options_is_invalid),
        cmocka_unit_test(test_d5_a_number_out_of_range_is_told_with_its_range),
        cmocka_unit_test(test_d5_values_mean_what_they_are_made_of),
        cmocka_unit_test(test_q7_a_second_statement_is_told_by_its_place),
        cmocka_unit_test(test_q7_sessions_have_batch_script_arrow_and_prepare),
        cmocka_unit_test(test_c1_or_fail_keeps_rows_of_a_statement_alone),
        cmocka_unit_test(test_d5_a_stale_snapshot_says_that_only_rollback_helps),
        cmocka_unit_test(test_d5_a_file_that_may_not_grow_is_full),
        cmocka_unit_test(test_d5_no_message_offers_what_nobody_can_do),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
