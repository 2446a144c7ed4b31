/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

#include <string.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

static void fill(struct fixture *fixture)
{
    fixture_table(fixture, 1, "Orders", "id I, customer T, amount N");
    fixture_table(fixture, 2, "odd name", "rowid I, a I");
    struct rows rows = {0};
    static const char *const customers[] = {"ann", "bob", "ann", "cyd"};
    for (int64_t i = 0; i < 4; i++)
        rows_add(&rows,
                 (struct rhei_value[]){value_int(i), value_text(customers[i]),
                                       i == 1 ? value_int(10) : value_real(0.5 + (double)i)},
                 3);
    fixture_apply(fixture, 1, &rows);
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(42)}, 2);
    fixture_apply(fixture, 2, &rows);
    fixture_publish(fixture);
}

static char *native_answer(struct fixture *fixture, const char *sql, const struct rhei_value *values, uint32_t count)
{
    struct question question;
    question_open(fixture, sql, &question);
    question.query.native = true;
    question.query.values = values;
    question.query.value_count = count;
    char *answer = answer_of(fixture, &question.query);
    question_close(&question);
    return answer;
}

static void assert_native(struct fixture *fixture, const char *sql, const char *expected)
{
    char *answer = native_answer(fixture, sql, NULL, 0);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s\n  gave     %s\n  expected %s", sql, answer, expected);
    base_free(answer);
}

/* Of DuckDB itself, past what a native text may ask. */
static void assert_inside(struct fixture *fixture, const char *sql, const char *expected)
{
    struct question question;
    question_open(fixture, sql, &question);
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, expected);
    base_free(answer);
    question_close(&question);
}

static void assert_no_native(struct fixture *fixture, const char *sql, rhei_status status, const char *word)
{
    struct question question;
    question_open(fixture, sql, &question);
    question.query.native = true;
    assert_refused(fixture, &question.query, status, word);
    question_close(&question);
}

static void test_names_are_the_tables_own(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_native(fixture, "FROM Orders SELECT sum(amount), count(*)", "16.5|4");
    assert_native(fixture, "SELECT o.id FROM orders o WHERE o.customer = 'bob'", "1");
    assert_native(fixture, "SELECT ORDERS.id FROM ORDERS WHERE customer = 'cyd'", "3");
    assert_native(fixture, "SELECT * FROM \"odd name\"", "42");
    assert_native(fixture, "SELECT * FROM orders WHERE id = 1", "1|bob|10");
    assert_native(fixture, "WITH orders AS (SELECT 5 AS id) SELECT id FROM orders", "5");
    assert_native(fixture,
                  "SELECT customer FROM orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY id) = 2",
                  "ann");
    assert_native(fixture, "SELECT * EXCLUDE (amount) FROM orders ORDER BY ALL LIMIT 1", "0|ann");
    assert_native(fixture, "SELECT count(*) FROM (SUMMARIZE orders)", "3");
    assert_native(fixture, "SELECT column_name FROM (DESCRIBE orders)", "id\ncustomer\namount");
    assert_no_native(fixture, "SELECT * FROM nowhere", RHEI_SQL, "\"nowhere\"");
    assert_no_native(fixture, "SELECT nothing FROM orders", RHEI_SQL, "nothing");
}

static void test_pivot_with_and_without_a_list(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_native(fixture, "PIVOT (SELECT customer FROM orders) ON customer IN ('ann', 'bob') USING count(*)", "2|1");
    for (int i = 0; i < 3; i++)
        assert_native(fixture, "PIVOT (SELECT customer, amount FROM orders) ON customer USING sum(amount)", "3|10|3.5");
    assert_native(fixture, "SELECT count(*) FROM (PIVOT orders ON customer USING count(*))", "4");
    assert_inside(fixture, "SELECT count(*) FROM duckdb_types() WHERE type_name LIKE '%pivot%'", "0");
}

/* Asking whether a PIVOT can be prepared makes nothing. */
static void test_check_executes_nothing(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    static const char *const good[] = {"PIVOT orders ON customer USING sum(amount)", "FROM orders SELECT count(*)",
                                       "SELECT count(*) FROM (PIVOT orders ON customer USING count(*))"};
    static const char *const bad[] = {"PIVOT nowhere ON customer USING sum(amount)",
                                      "PIVOT orders ON nothing USING sum(amount)", "FROM orders SELECT nothing"};
    struct rhei_error error = RHEI_ERROR_INIT;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct question question;
        question_open(fixture, good[i], &question);
        question.query.native = true;
        if (fixture->executor->ops->check(fixture->executor, &question.query, &error) != RHEI_OK)
            fail_msg("%s: %s", good[i], error.message);
        question_close(&question);
        assert_inside(fixture, "SELECT count(*) FROM duckdb_types() WHERE type_name LIKE '%pivot%'", "0");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct question question;
        question_open(fixture, bad[i], &question);
        question.query.native = true;
        assert_int_equal(fixture->executor->ops->check(fixture->executor, &question.query, NULL), RHEI_SQL);
        question_close(&question);
    }
}

static void test_q4_parameters_of_every_class(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct rhei_value values[] = {value_int(7), value_real(0.5), value_text("it's"), value_blob("\0\1", 2),
                                  value_null()};
    char *answer = native_answer(fixture, "SELECT ?, ?, ?, ?, ?", values, 5);
    assert_string_equal(answer, "7|0.5|it's|x'0001'|NULL");
    base_free(answer);
    answer = native_answer(fixture, "FROM orders SELECT count(*) WHERE id < $1", values, 1);
    assert_string_equal(answer, "4");
    base_free(answer);
    assert_no_native(fixture, "SELECT ?", RHEI_INVALID, "the statement has 1 parameter, 0 values were given");
    assert_no_native(fixture, "SELECT ?3", RHEI_INVALID, "the statement has 3 parameters, 0 values were given");
}

static void test_q4_numbers_of_parameters_may_leave_some_out(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct rhei_value values[12];
    for (int i = 0; i < 12; i++)
        values[i] = value_int(i + 1);
    static const struct {
        const char *sql, *answer;
    } cases[] = {
        {"SELECT ?2", "2"},
        {"SELECT $5", "5"},
        {"SELECT ?12, ?12 + 1, $10::INT", "12|13|10"},
        {"SELECT ?5, ?, ?2, ?, ?5", "5|6|2|7|5"},
        {"SELECT ?, ?, ?7, ?", "1|2|7|8"},
        {"SELECT ?3 /* ?9 */, '?8', $$?7$$, \"?\" FROM (SELECT 4 AS \"?\") -- ?11", "3|?8|?7|4"},
        {"SELECT [10, 20, 30][?2], ?0004", "20|4"},
        {"FROM orders SELECT count(*) WHERE id < ?3", "3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *answer = native_answer(fixture, cases[i].sql, values, 12);
        if (strcmp(answer, cases[i].answer) != 0)
            fail_msg("%s: %s", cases[i].sql, answer);
        base_free(answer);
    }
}

static void test_explain(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    static const char *const plans[] = {"EXPLAIN SELECT * FROM orders", "explain /* x */ analyze FROM orders",
                                        "EXPLAIN (ANALYZE, FORMAT json) SELECT 1", "EXPLAIN (SELECT 1)"};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        char *answer = native_answer(fixture, plans[i], NULL, 0);
        assert_true(strlen(answer) > 20);
        base_free(answer);
    }
}

static const struct {
    const char *sql;
    rhei_status status;
} attempts[] = {
    {"SELECT * FROM read_csv('/etc/passwd')", RHEI_UNSUPPORTED},
    {"SELECT * FROM read_text('/etc/passwd')", RHEI_UNSUPPORTED},
    {"SELECT * FROM glob('/etc/*')", RHEI_UNSUPPORTED},
    {"SELECT * FROM '/etc/passwd'", RHEI_SQL},
    {"FROM 'x.parquet'", RHEI_UNSUPPORTED},
    {"COPY (SELECT 1) TO '/tmp/rhei_must_not_be.csv'", RHEI_UNSUPPORTED},
    {"COPY orders TO '/tmp/rhei_must_not_be.csv'", RHEI_UNSUPPORTED},
    {"EXPORT DATABASE '/tmp/rhei_must_not_be'", RHEI_UNSUPPORTED},
    {"ATTACH ':memory:' AS other", RHEI_READ_ONLY},
    {"ATTACH '/tmp/rhei_must_not_be.db'", RHEI_READ_ONLY},
    {"DETACH memory", RHEI_READ_ONLY},
    {"INSTALL httpfs", RHEI_READ_ONLY},
    {"LOAD httpfs", RHEI_READ_ONLY},
    {"SET threads = 1", RHEI_READ_ONLY},
    {"SET schema = 'main'", RHEI_READ_ONLY},
    {"SET VARIABLE x = 1", RHEI_READ_ONLY},
    {"RESET threads", RHEI_READ_ONLY},
    {"USE memory", RHEI_READ_ONLY},
    {"PRAGMA threads = 1", RHEI_READ_ONLY},
    {"PRAGMA enable_profiling", RHEI_READ_ONLY},
    {"CREATE TABLE x(a INT)", RHEI_READ_ONLY},
    {"CREATE TEMP VIEW orders AS SELECT 1", RHEI_READ_ONLY},
    {"CREATE MACRO f(x) AS x", RHEI_READ_ONLY},
    {"CREATE TYPE mood AS ENUM ('a')", RHEI_READ_ONLY},
    {"CREATE SEQUENCE s", RHEI_READ_ONLY},
    {"BEGIN", RHEI_READ_ONLY},
    {"CHECKPOINT", RHEI_READ_ONLY},
    {"VACUUM", RHEI_READ_ONLY},
    {"PREPARE p AS SELECT 1", RHEI_READ_ONLY},
    {"CALL pragma_version()", RHEI_READ_ONLY},
    {"INSERT INTO orders VALUES (1, 'x', 2)", RHEI_SQL},
    {"DELETE FROM orders", RHEI_SQL},
    {"UPDATE orders SET amount = 1", RHEI_SQL},
    {"WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x", RHEI_SQL},
    {"EXPLAIN ANALYZE CREATE TABLE x(a INT)", RHEI_READ_ONLY},
    {"EXPLAIN (ANALYZE, FORMAT json) CREATE TABLE x(a INT)", RHEI_READ_ONLY},
    {"EXPLAIN ANALYZE SET threads = 1", RHEI_READ_ONLY},
    {"SELECT 1; DROP TABLE orders", RHEI_SQL},
    {"SELECT 1; SELECT 2", RHEI_SQL},
    {"CREATE TABLE x(a INT); PIVOT orders ON customer USING count(*)", RHEI_SQL},
    {"SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '/tmp/rhei_must_not_be')",
     RHEI_UNSUPPORTED},
    {"SELECT * FROM \"enable_logging\" /* x */ ()", RHEI_UNSUPPORTED},
    {"SELECT * FROM query('SELECT * FROM enable_logging()')", RHEI_UNSUPPORTED},
    {"SELECT * FROM main.checkpoint()", RHEI_UNSUPPORTED},
    {"SELECT rhei_sum(amount ORDER BY id) FROM orders", RHEI_UNSUPPORTED},
    {"SELECT \"RHEI_sum\" (amount ORDER BY id) FROM orders", RHEI_UNSUPPORTED},
    {"SELECT prm_int(0)", RHEI_UNSUPPORTED},
    {"SELECT * FROM mirror_scan(1, 0)", RHEI_UNSUPPORTED},
    {"SELECT * FROM json_execute_serialized_sql('{}')", RHEI_UNSUPPORTED},
    {"SELECT setseed(0.5)", RHEI_UNSUPPORTED},
    {"SELECT current_setting('temp_directory')", RHEI_UNSUPPORTED},
    {"SELECT 'threads'.\"CURRENT_setting\" ()", RHEI_UNSUPPORTED},
    {"FROM which_secret('a', 'b')", RHEI_UNSUPPORTED},
    {"FROM duckdb_settings()", RHEI_UNSUPPORTED},
    {"FROM duckdb_secrets()", RHEI_UNSUPPORTED},
    {"SELECT levenshtein('a', 'b')", RHEI_UNSUPPORTED},
    {"SELECT system.main.editdist3('a', 'b')", RHEI_UNSUPPORTED},
    {"SELECT 'a'.damerau_levenshtein('b')", RHEI_UNSUPPORTED},
    {"SELECT jaro_similarity('a', 'b')", RHEI_UNSUPPORTED},
    {"SELECT jaro_winkler_similarity('a', 'b')", RHEI_UNSUPPORTED},
    {"SHOW TABLES", RHEI_UNSUPPORTED},
    {"show all tables", RHEI_UNSUPPORTED},
    {"DESCRIBE", RHEI_UNSUPPORTED},
    {"SELECT * FROM (SHOW TABLES)", RHEI_UNSUPPORTED},
    {"FROM (DESCRIBE)", RHEI_UNSUPPORTED},
    {"SELECT * FROM information_schema.tables", RHEI_UNSUPPORTED},
    {"FROM \"information_schema\".columns", RHEI_UNSUPPORTED},
    {"FROM duckdb_tables()", RHEI_UNSUPPORTED},
    {"FROM duckdb_tables", RHEI_UNSUPPORTED},
    {"FROM pg_tables", RHEI_UNSUPPORTED},
    {"FROM pg_catalog.pg_class", RHEI_UNSUPPORTED},
    {"FROM sqlite_master", RHEI_UNSUPPORTED},
    {"FROM sqlite_schema", RHEI_UNSUPPORTED},
    {"FROM pragma_table_info('orders')", RHEI_UNSUPPORTED},
    {"FROM pragma_show('orders')", RHEI_UNSUPPORTED},
    {"", RHEI_SQL},
    {" -- nothing", RHEI_SQL},
    {"SELECT 'open", RHEI_SQL},
    {"SELECT /* open", RHEI_SQL},
};

/* Files, settings, other databases, writes in any form: each is refused, and the next statement is none the worse. */
static void test_q3_d2_nothing_reaches_beyond_the_query(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        assert_no_native(fixture, attempts[i].sql, attempts[i].status, "");
        assert_native(fixture, "SELECT count(*) FROM orders", "4");
    }
    assert_inside(fixture, "SELECT count(*) FROM duckdb_tables()", "0");
    assert_inside(fixture, "SELECT current_setting('threads')", "2");
}

static void test_words_inside_strings_and_names_are_not_calls(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "SELECT 'enable_logging()' FROM t",
        "SELECT \"query\" FROM t",
        "SELECT query, 'it''s ; fine' FROM t;",
        "SELECT 1 -- enable_logging()\n;",
        "SELECT /* a /* nested */ enable_logging() */ 1",
        "SELECT $$ enable_logging() ; $$, $tag$ ; $$ $tag$, $1",
        "SELECT E'\\' enable_logging( ; ' FROM t",
        "SELECT _rhei_valid_from FROM t WHERE (_rhei_valid_to) IS NULL",
        "SELECT max(rhei_sum) FROM t",
        "SELECT a$b FROM t ; ;",
    };
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        if (duck_native_check(harmless[i], &error) != RHEI_OK)
            fail_msg("%s: %s", harmless[i], error.message);
    }
    static const char *const harmful[] = {
        "SELECT 'a' || enable_logging()",
        "SELECT 1 /* */ ; /* */ SELECT 2",
        "SELECT \"a;\" ; x",
        "SELECT $$ $$ || enable_logging ( )",
        "SELECT E'\\\\' || enable_logging('",
        "SELECT U&'x' , \"query\"\n('SELECT')",
        "SELECT $tag$ never closed $$",
    };
    for (size_t i = 0; i < sizeof harmful / sizeof *harmful; i++)
        if (duck_native_check(harmful[i], NULL) == RHEI_OK)
            fail_msg("%s was accepted", harmful[i]);
}

/* ---- A long text's planning ------------------------------------------------------------------------------------- */

enum { LONG_SUMS = 150, LONG_TERMS = 100 };

static char *long_text(void)
{
    struct base_buffer text = {0};
    base_buffer_text(&text, "FROM orders SELECT ");
    for (int i = 0; i < LONG_SUMS; i++) {
        base_buffer_text(&text, i == 0 ? "sum(" : ", sum(");
        for (int j = 0; j < LONG_TERMS; j++)
            base_buffer_format(&text, j == 0 ? "id * %d" : " + id * %d", i * LONG_TERMS + j);
        base_buffer_char(&text, ')');
    }
    return base_buffer_take(&text);
}

/* Stops at its second question: the first one is asked before planning begins. */
static rhei_status stop_soon(void *context)
{
    return atomic_fetch_add((atomic_int *)context, 1) == 0 ? RHEI_OK : RHEI_TIMEOUT;
}

static int64_t time_of(struct fixture *fixture, const struct executor_query *query, bool only_check, rhei_status status)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream = {0};
    const struct executor_ops *ops = fixture->executor->ops;
    int64_t from = base_now_ns();
    assert_int_equal(only_check ? ops->check(fixture->executor, query, &error)
                                : ops->run(fixture->executor, query, &stream, &error),
                     status);
    assert_int_equal(error.code, status);
    return base_now_ns() - from;
}

/* Twice, so that a planning that was left is met by the next one; the executor's end waits for the last. */
static void test_q5_the_planning_of_a_long_text_can_be_left(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_native(fixture, "FROM orders SELECT count(*)", "4"); /* DuckDB is there */
    char *text = long_text();
    assert_non_null(text);
    struct question question;
    question_open(fixture, text, &question);
    question.query.native = true;
    int64_t whole = time_of(fixture, &question.query, true, RHEI_OK);
    for (int only_check = 0; only_check < 2; only_check++) {
        atomic_int asked = 0;
        question.query.stop = (struct executor_stop){stop_soon, &asked, NULL};
        int64_t stopped = time_of(fixture, &question.query, only_check == 1, RHEI_TIMEOUT);
        if (stopped > whole / 2)
            fail_msg("stopped after %lld us; planned in %lld", (long long)stopped / 1000, (long long)whole / 1000);
        assert_native(fixture, "FROM orders SELECT count(*)", "4");
    }
    question_close(&question);
    base_free(text);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_names_are_the_tables_own),
        WITH_FIXTURE(test_pivot_with_and_without_a_list),
        WITH_FIXTURE(test_check_executes_nothing),
        WITH_FIXTURE(test_q4_parameters_of_every_class),
        WITH_FIXTURE(test_q4_numbers_of_parameters_may_leave_some_out),
        WITH_FIXTURE(test_explain),
        WITH_FIXTURE(test_q3_d2_nothing_reaches_beyond_the_query),
        WITH_FIXTURE(test_q5_the_planning_of_a_long_text_can_be_left),
        cmocka_unit_test(test_words_inside_strings_and_names_are_not_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
