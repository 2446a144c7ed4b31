/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "sql/sql.h"

static struct sql_tree *parse(const char *text)
{
    struct sql_tree *tree = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sql_parse(text, strlen(text), &tree, &error) != RHEI_OK)
        fail_msg("%s: %s", text, error.message);
    return tree;
}

static void test_kinds_and_writes(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum sql_kind kind;
        bool write;
    } cases[] = {
        {"", SQL_KIND_EMPTY, false},
        {" -- nothing\n;;", SQL_KIND_EMPTY, false},
        {"SELECT 1", SQL_KIND_SELECT, false},
        {"VALUES (1), (2)", SQL_KIND_SELECT, false},
        {"WITH a AS (SELECT 1) SELECT * FROM a", SQL_KIND_SELECT, false},
        {"WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", SQL_KIND_INSERT, true},
        {"REPLACE INTO t VALUES (1)", SQL_KIND_INSERT, true},
        {"/* x */ UPDATE t SET a = 1 RETURNING *", SQL_KIND_UPDATE, true},
        {"WITH a AS (SELECT 1) DELETE FROM t", SQL_KIND_DELETE, true},
        {"EXPLAIN DELETE FROM t", SQL_KIND_DELETE, false},
        {"EXPLAIN QUERY PLAN SELECT 1", SQL_KIND_SELECT, false},
        {"explain route select 1", SQL_KIND_SELECT, false},
        {"CREATE VIEW v AS SELECT 1", SQL_KIND_CREATE_VIEW, true},
        {"CREATE TEMP VIEW IF NOT EXISTS a.v(x) AS SELECT 1", SQL_KIND_CREATE_VIEW, true},
        {"CREATE TABLE t(a)", SQL_KIND_CREATE, true},
        {"CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", SQL_KIND_CREATE, true},
        {"ALTER TABLE t RENAME TO u", SQL_KIND_ALTER, true},
        {"DROP TABLE t", SQL_KIND_DROP, true},
        {"PRAGMA cache_size", SQL_KIND_PRAGMA, true},
        {"BEGIN IMMEDIATE", SQL_KIND_BEGIN, true},
        {"END", SQL_KIND_COMMIT, true},
        {"COMMIT", SQL_KIND_COMMIT, true},
        {"ROLLBACK TO a", SQL_KIND_ROLLBACK, true},
        {"SAVEPOINT a", SQL_KIND_SAVEPOINT, true},
        {"RELEASE a", SQL_KIND_RELEASE, true},
        {"ATTACH 'x' AS y", SQL_KIND_ATTACH, true},
        {"DETACH y", SQL_KIND_DETACH, true},
        {"VACUUM", SQL_KIND_VACUUM, true},
        {"ANALYZE", SQL_KIND_ANALYZE, true},
        {"REINDEX", SQL_KIND_REINDEX, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tree *tree = parse(cases[i].text);
        if (tree->kind != cases[i].kind || tree->is_write != cases[i].write)
            fail_msg("%s: kind %s write %d", cases[i].text, sql_kind_name(tree->kind), tree->is_write);
        sql_tree_free(&tree);
    }
}

static void test_q3_the_end_of_a_statement_is_known(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint32_t end;
        bool more;
    } cases[] = {
        {"SELECT 1", 8, false},
        {"SELECT 1;", 9, false},
        {"SELECT 1; -- x\n ;", 9, false},
        {"SELECT 1; DELETE FROM t", 9, true},
        {"SELECT ';'; x", 11, true},
        {"PRAGMA a = ';'; DROP TABLE t", 15, true},
        {"CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 2", 55, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tree *tree = parse(cases[i].text);
        assert_int_equal(tree->end, cases[i].end);
        assert_int_equal(sql_has_more(tree, cases[i].text, strlen(cases[i].text)), cases[i].more);
        sql_tree_free(&tree);
    }
}

static void test_q4_parameters_are_numbered_as_sqlite_does(void **state)
{
    (void)state;
    struct sql_tree *tree = parse("SELECT ?, ?5, ?, :a, @b, :a, $c::d, ?2");
    const uint32_t expected[] = {1, 5, 6, 7, 8, 7, 9, 2};
    assert_int_equal(tree->parameter_mentions, 8);
    assert_int_equal(tree->parameter_count, 9);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(tree->parameters[i].number, expected[i]);
    assert_string_equal(tree->parameters[6].name, "$c::d");
    sql_tree_free(&tree);
}

static void test_tree_shape(void **state)
{
    (void)state;
    struct sql_tree *tree =
        parse("SELECT a + b * -2 AS \"the \"\"sum\" FROM main.t AS x LEFT JOIN u USING (k) WHERE 1");
    const struct sql_core *core = tree->select->cores;
    const struct sql_item *item = &core->columns->items[0];
    assert_string_equal(item->alias.text, "the \"sum");
    assert_int_equal(item->expr->op, SQL_OP_ADD);
    assert_int_equal(item->expr->right->op, SQL_OP_MULTIPLY);
    assert_int_equal(item->expr->right->right->op, SQL_OP_NEGATE);
    assert_int_equal(item->expr->left->offset, 7);
    assert_int_equal(core->from->count, 2);
    assert_string_equal(core->from->items[0].schema.text, "main");
    assert_string_equal(core->from->items[0].alias.text, "x");
    assert_int_equal(core->from->items[1].join, SQL_JOIN_LEFT);
    assert_string_equal(core->from->items[1].using_columns->items[0].text, "k");
    sql_tree_free(&tree);
}

static void test_errors_say_where(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int offset;
    } cases[] = {
        {"SELECT 1 FROM", 13},
        {"SELEC 1", 0},
        {"SELECT 1 + * 2", 11},
        {"SELECT 'abc", 7},
        {"SELECT 0x12345678901234567", 7},
        {"SELECT 1 ORDER BY 1 UNION SELECT 2", 0},
        {"SELECT ?0", 7},
        {"SELECT * FROM a OUTER JOIN b", 16},
        {"SELECT 1 \x01", 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tree *tree = NULL;
        struct rhei_error error = RHEI_ERROR_INIT;
        assert_int_equal(sql_parse(cases[i].text, strlen(cases[i].text), &tree, &error), RHEI_SQL);
        assert_null(tree);
        if (error.sql_offset != cases[i].offset)
            fail_msg("%s: offset %d (%s)", cases[i].text, error.sql_offset, error.message);
    }
}

static rhei_status parse_repeated(const char *head, const char *open, const char *middle, const char *close, int times,
                                  const char *tail)
{
    struct base_buffer text = {0};
    base_buffer_text(&text, head);
    for (int i = 0; i < times; i++)
        base_buffer_text(&text, open);
    base_buffer_text(&text, middle);
    for (int i = 0; i < times; i++)
        base_buffer_text(&text, close);
    base_buffer_text(&text, tail);
    struct sql_tree *tree = NULL;
    rhei_status status = sql_parse(text.data, text.len, &tree, NULL);
    if (status == RHEI_OK) {
        struct base_buffer printed = {0};
        assert_int_equal(sql_print(tree, &printed, NULL), RHEI_OK);
        base_buffer_reset(&printed);
    }
    sql_tree_free(&tree);
    base_buffer_reset(&text);
    return status;
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    const struct {
        const char *head, *open, *middle, *close, *tail;
    } forms[] = {
        {"SELECT ", "(", "1", ")", ""},
        {"SELECT ", "abs(", "1", ")", ""},
        {"SELECT ", "- ", "a", "", ""},
        {"SELECT ", "NOT ", "a", "", ""},
        {"SELECT ", "CASE WHEN ", "1", " THEN 1 END", ""},
        {"SELECT ", "(SELECT ", "1", ")", ""},
        {"SELECT 1 FROM ", "(SELECT 1 FROM ", "t", ")", ""},
        {"SELECT 1 FROM ", "(", "t", ")", ""},
        {"SELECT a", "", "", " + 1", ""},
        {"SELECT ", "1 IN (", "2", ")", ""},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        assert_int_equal(
            parse_repeated(forms[i].head, forms[i].open, forms[i].middle, forms[i].close, 400, forms[i].tail), RHEI_OK);
        rhei_status status =
            parse_repeated(forms[i].head, forms[i].open, forms[i].middle, forms[i].close, 100000, forms[i].tail);
        if (status != RHEI_TOO_BIG)
            fail_msg("%s%s...: status %d", forms[i].head, forms[i].open, status);
    }
}

static void test_long_statements(void **state)
{
    (void)state;
    struct base_buffer text = {0};
    base_buffer_text(&text, "INSERT INTO t VALUES ");
    for (int i = 0; i < 100000; i++)
        base_buffer_format(&text, "%s(%d, 'text %d', %d.5)", i ? ", " : "", i, i, i);
    assert_true(text.len > 2000000);
    struct sql_tree *tree = NULL;
    assert_int_equal(sql_parse(text.data, text.len, &tree, NULL), RHEI_OK);
    assert_int_equal(tree->change->source->cores->row_count, 100000);
    sql_tree_free(&tree);
    base_buffer_clear(&text);
    base_buffer_text(&text, "SELECT 1");
    for (int i = 0; i < 2000; i++)
        base_buffer_format(&text, ", c%d", i);
    base_buffer_text(&text, " FROM t WHERE a IN (0");
    for (int i = 0; i < 50000; i++)
        base_buffer_format(&text, ", %d", i);
    base_buffer_char(&text, ')');
    assert_int_equal(sql_parse(text.data, text.len, &tree, NULL), RHEI_OK);
    assert_int_equal(tree->select->cores->columns->count, 2001);
    sql_tree_free(&tree);
    base_buffer_reset(&text);
}

static void test_no_memory_at_every_step(void **state)
{
    (void)state;
    const char *text =
        "WITH c AS (SELECT 1) SELECT a, sum(b) FILTER (WHERE c > 'x') OVER (PARTITION BY d) FROM t JOIN u "
        "USING (k), c WHERE a IN (1, 2, 3) GROUP BY 1 ORDER BY 2 LIMIT ?1";
    bool done = false;
    for (uint64_t n = 1; !done && n < 1000; n++) {
        struct sql_tree *tree = NULL;
        base_memory_fail_after(n);
        rhei_status status = sql_parse(text, strlen(text), &tree, NULL);
        base_memory_fail_after(0);
        done = status == RHEI_OK;
        assert_true(done || status == RHEI_NO_MEMORY);
        sql_tree_free(&tree);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_writes),
        cmocka_unit_test(test_q3_the_end_of_a_statement_is_known),
        cmocka_unit_test(test_q4_parameters_are_numbered_as_sqlite_does),
        cmocka_unit_test(test_tree_shape),
        cmocka_unit_test(test_errors_say_where),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_long_statements),
        cmocka_unit_test(test_no_memory_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
