/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands beside parameters, in random statements whose numbers became parameters: nothing is read beyond a tree, and SQLite finds the columns of a
 * probe where it takes the statement. What they are told as is looked at in test_engine_types.c.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sql/sql_uses.h"
#include "sql_random.h"

static bool prepares(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    bool good = sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK;
    sqlite3_finalize(stmt);
    return good;
}

/* Numbers that stand alone become parameters, half of them. */
static void parametrise(struct sql_random *random, const char *text, struct base_buffer *out)
{
    base_buffer_clear(out);
    for (const char *at = text; *at != '\0'; at++) {
        bool alone = isdigit((unsigned char)*at) != 0 && at > text && (at[-1] == ' ' || at[-1] == '(') &&
                     (at[1] == ' ' || at[1] == ')' || at[1] == ',' || at[1] == '\0');
        base_buffer_char(out, alone && sql_random_below(random, 2) == 0 ? '?' : *at);
    }
}

struct counted {
    int probes, found;
};

static void check(sqlite3 *db, const char *text, struct counted *counted)
{
    struct sql_tree *tree = NULL;
    struct sql_uses uses;
    if (sql_parse(text, strlen(text), &tree, NULL) != RHEI_OK)
        return;
    assert_int_equal(sql_uses_read(tree, NULL, &uses, NULL), RHEI_OK);
    assert_int_equal(uses.count, tree->parameter_count);
    for (uint32_t i = 0; i < uses.count; i++)
        assert_true(uses.parameters[i].use != SQL_USE_COLUMN || uses.parameters[i].column < uses.probe_columns);
    if (uses.probe_columns > 0 && prepares(db, text)) {
        counted->probes++;
        counted->found += prepares(db, uses.probe.data);
    }
    sql_uses_reset(&uses);
    sql_tree_free(&tree);
}

static void test_random_statements_have_probes_that_sqlite_takes(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    struct base_buffer text = {0};
    struct counted counted = {0};
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (const char *const *sql = sql_random_schema; *sql != NULL; sql++)
        assert_int_equal(sqlite3_exec(db, *sql, NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 4000; i++) {
        parametrise(&random, i % 2 == 0 ? sql_random_select(&random) : sql_random_change(&random), &text);
        check(db, text.data, &counted);
        sql_random_damage(&random, &text);
        check(db, text.data, &counted);
    }
    print_message("%d of %d probes\n", counted.found, counted.probes);
    assert_true(counted.probes > 100 && counted.found * 10 > counted.probes * 9);
    sqlite3_close(db);
    base_buffer_reset(&text);
    base_buffer_reset(&random.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_statements_have_probes_that_sqlite_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
