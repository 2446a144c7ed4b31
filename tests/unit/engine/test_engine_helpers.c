/* SPDX-License-Identifier: Apache-2.0 */
/* The list of SQLite's functions that is offered to executors: every one answers through each executor as SQLite itself does. */
#include "../../support/engine_fixture.h"
#include "../../support/naive_executor.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_executor.h"
#include "mirror/mirror.h"
#include "oltp/oltp.h"

/* Calls of a helper with one number of arguments, a row each, and SQLite's own words for them. */
struct calls {
    const char *helper;
    int arguments;
    const char *sqlite; /* over a, b, c */
    const char *rows;   /* in words that both engines read alike */
};

#define TEXTS                                                                                                      \
    "('A%', 'abc'), ('a_c', 'ABC'), ('%\xc3\xa4%', 'x\xc3\x84y'), ('%\xc3\xa4%', 'x\xc3\xa4y'), ('', ''), "        \
    "('%', ''), (NULL, 'a'), ('a', NULL), ('a*', 'abc'), ('[a-c]?', 'bz'), ('A*', 'abc'), ('_', '\xe2\x82\xac'), " \
    "('%long text that is kept elsewhere%', 'a long text that is kept elsewhere than in the string')"
#define REALS \
    "(0.5e0), (-0.5e0), (1.25e0), (0e0), (1e300), (-2.5e-7), (4503599627370497.5e0), (123456789.987654321e0), (NULL)"
#define DATES                                                                                           \
    "('2024-02-29'), ('2024-02-29 12:30:00.5'), ('12:00'), ('2451545.25'), ('no date'), (''), (NULL), " \
    "('9999-12-31T23:59:59Z')"
#define MODIFIED                                                                                                       \
    "('2024-01-31', '+1 month'), ('2024-02-29', 'start of year'), ('1092941466', 'unixepoch'), ('2024-02-29', 'no'), " \
    "('2024-02-29', NULL), (NULL, '+1 day')"

static const struct calls calls[] = {
    {"rhei_like", 2, "b LIKE a", TEXTS},
    {"rhei_like", 3, "b LIKE a ESCAPE c",
     "('10!%', '10%', '!'), ('10!%', '100', '!'), ('a\xe2\x82\xac_', 'A_', '\xe2\x82\xac'), ('a\xe2\x82\xac_', 'Ab', "
     "'\xe2\x82\xac'), ('a', NULL, '!'), ('a', 'a', NULL)"},
    {"rhei_glob", 2, "b GLOB a", TEXTS},
    {"rhei_real_text", 1, "CAST(a AS TEXT)", REALS},
    {"rhei_round", 1, "round(a)", REALS},
    {"rhei_round", 2, "round(a, b)",
     "(1.005e0, 2), (2.5e0, 0), (-2.5e0, 0), (1e0, -3), (0.1e0, 40), (123.456e0, 1), (NULL, 1), (1.5e0, NULL)"},
    {"rhei_text_real", 1, "CAST(a AS REAL)", "('1.5'), (' 2e3x'), ('x'), (''), ('-0.0'), ('1e999'), (NULL)"},
    {"rhei_text_is_integer", 1, "CASE WHEN a IS NOT NULL THEN typeof(a + 0) = 'integer' END",
     "('1'), ('1.0'), ('x'), ('9223372036854775808'), (' 7 '), ('1e2'), (NULL)"},
    {"rhei_date", 1, "date(a)", DATES},
    {"rhei_date", 2, "date(a, b)", MODIFIED},
    {"rhei_time", 1, "time(a)", DATES},
    {"rhei_time", 2, "time(a, b)", MODIFIED},
    {"rhei_datetime", 1, "datetime(a)", DATES},
    {"rhei_datetime", 2, "datetime(a, b)", MODIFIED},
    {"rhei_strftime", 2, "strftime(a, b)",
     "('%Y-%m', '2024-02-29'), ('%s|%J|%w', '2024-02-29 12:30'), ('%Q', '2024-02-29'), ('', '2024-02-29'), (NULL, "
     "'2024-02-29'), ('%Y', 'no date')"},
    {"rhei_strftime", 3, "strftime(a, b, c)", "('%d', '2024-01-31', '+1 month'), ('%H', '2024-01-31', '-1 hour')"},
    {"rhei_julianday", 1, "julianday(a)", DATES},
    {"rhei_julianday", 2, "julianday(a, b)", MODIFIED},
    {"rhei_unixepoch", 1, "unixepoch(a)", DATES},
    {"rhei_unixepoch", 2, "unixepoch(a, b)", MODIFIED},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static void append_value(struct base_buffer *out, const struct rhei_value *value)
{
    uint64_t bits = 0;
    switch (value->type) {
    case RHEI_INTEGER:
        base_buffer_format(out, "i%lld\n", (long long)value->as.integer);
        break;
    case RHEI_REAL:
        memcpy(&bits, &value->as.real, sizeof bits);
        base_buffer_format(out, "r%.17g %llx\n", value->as.real, (unsigned long long)bits);
        break;
    case RHEI_TEXT:
        base_buffer_format(out, "t%.*s\n", (int)value->length, (const char *)value->as.bytes);
        break;
    default:
        base_buffer_text(out, "n\n");
    }
}

static char *ask_sqlite(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    struct base_buffer out = {0};
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        struct rhei_value value = {.type = RHEI_NULL};
        int type = sqlite3_column_type(statement, 0);
        value.type = type == SQLITE_INTEGER ? RHEI_INTEGER
                     : type == SQLITE_FLOAT ? RHEI_REAL
                     : type == SQLITE_TEXT  ? RHEI_TEXT
                                            : RHEI_NULL;
        if (type == SQLITE_INTEGER)
            value.as.integer = sqlite3_column_int64(statement, 0);
        if (type == SQLITE_FLOAT)
            value.as.real = sqlite3_column_double(statement, 0);
        if (type == SQLITE_TEXT) {
            value.as.bytes = sqlite3_column_text(statement, 0);
            value.length = (uint32_t)sqlite3_column_bytes(statement, 0);
        }
        append_value(&out, &value);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return base_buffer_take(&out);
}

static char *ask_executor(struct executor *executor, const struct mirror_snapshot *snapshot, const char *sql)
{
    struct executor_query query = {.sql = sql, .snapshot = snapshot};
    struct ArrowArrayStream stream = {0};
    struct arrow_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct base_buffer out = {0};
    struct rhei_value value;
    if (executor->ops->run(executor, &query, &stream, &error) != RHEI_OK ||
        arrow_cursor_open(&stream, &cursor, &error) != RHEI_OK)
        fail_msg("%s, %s: %s", executor->ops->name, sql, error.message);
    rhei_status status;
    while ((status = arrow_cursor_next(cursor, &error)) == RHEI_ROW &&
           arrow_cursor_value(cursor, 0, &value, &error) == RHEI_OK)
        append_value(&out, &value);
    if (status != RHEI_DONE)
        fail_msg("%s, %s: %s", executor->ops->name, sql, error.message);
    arrow_cursor_close(&cursor);
    return base_buffer_take(&out);
}

static void write_text(const struct calls *call, const char *expression, char *sql, size_t size)
{
    static const char *const columns[] = {"", "a", "a, b", "a, b, c"};
    char called[80];
    if (expression == NULL)
        snprintf(called, sizeof called, "%s(%s)", call->helper, columns[call->arguments]);
    snprintf(sql, size, "WITH t(%s) AS (VALUES %s) SELECT %s FROM t", columns[call->arguments], call->rows,
             expression == NULL ? called : expression);
}

static void check(const struct calls *call, struct executor *executor, const struct mirror_snapshot *snapshot)
{
    char sql[2000];
    write_text(call, call->sqlite, sql, sizeof sql);
    char *wanted = ask_sqlite(sql);
    write_text(call, NULL, sql, sizeof sql);
    char *found = ask_executor(executor, snapshot, sql);
    if (strcmp(wanted, found) != 0)
        fail_msg("%s, %s:\n%s\ninstead of\n%s", executor->ops->name, sql, found, wanted);
    base_free(wanted);
    base_free(found);
}

static void test_q2_every_helper_answers_as_sqlite_through_each_executor(void **state)
{
    (void)state;
    struct mirror *mirror = NULL;
    struct mirror_snapshot snapshot;
    struct duckdb_executor_config config = {.threads = 2, .helpers = *oltp_helpers()};
    struct executor *executors[2] = {naive_executor_open(NULL, 0), NULL};
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_non_null(executors[0]);
    naive_executor_offer(executors[0], oltp_helpers());
    assert_int_equal(duckdb_executor_open(&config, &executors[1], &error), RHEI_OK);
    assert_int_equal(mirror_open(NULL, &mirror, &error), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(mirror, &snapshot), RHEI_OK);
    for (int e = 0; e < 2; e++) {
        for (size_t i = 0; i < CALLS; i++)
            check(&calls[i], executors[e], &snapshot);
        executors[e]->ops->close(&executors[e]);
    }
    mirror_snapshot_release(&snapshot);
    mirror_close(&mirror);
}

static bool is_tried(const char *name, int arguments)
{
    for (size_t i = 0; i < CALLS; i++)
        if (strcmp(calls[i].helper, name) == 0 && calls[i].arguments == arguments)
            return true;
    return false;
}

/* A new helper is tried here, too, and documented where the texts are written. */
static void test_every_helper_is_tried_and_documented(void **state)
{
#define TRANSLATE_UDF(name, arguments, result, meaning) #name,
    static const char *const documented[] = {
#include "translate/translate_functions.def"
    };
    (void)state;
    const struct executor_helpers *helpers = oltp_helpers();
    for (uint32_t h = 0; h < helpers->count; h++) {
        const struct executor_helper *helper = &helpers->list[h];
        bool found = false;
        for (size_t i = 0; i < sizeof documented / sizeof documented[0]; i++)
            found = found || strcmp(documented[i], helper->name) == 0;
        if (!found)
            fail_msg("%s isn't in translate_functions.def", helper->name);
        assert_true(helper->form < EXECUTOR_FORMS && helper->fewest <= helper->most &&
                    helper->most <= EXECUTOR_MOST_ARGUMENTS);
        for (int arguments = helper->fewest; arguments <= helper->most && arguments <= helper->fewest + 1; arguments++)
            if (!is_tried(helper->name, arguments))
                fail_msg("%s isn't tried with %d arguments", helper->name, arguments);
        for (uint32_t other = 0; other < h; other++)
            assert_string_not_equal(helpers->list[other].name, helper->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_every_helper_answers_as_sqlite_through_each_executor),
        cmocka_unit_test(test_every_helper_is_tried_and_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
