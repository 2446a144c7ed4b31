/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql.h"

static struct sql_tree *parse(const char *text)
{
    struct sql_tree *tree = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sql_parse(text, strlen(text), &tree, &error) != RHEI_OK)
        fail_msg("%s: %s", text, error.message);
    return tree;
}

static void test_each_fact(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t fact;
    } cases[] = {
        {"SELECT coalesce(sum(a), 0) FROM t", offsetof(struct sql_facts, aggregate)},
        {"SELECT 1 WHERE (SELECT round(avg(a), 2) FROM t) > 1", offsetof(struct sql_facts, aggregate)},
        {"SELECT a FROM t GROUP BY a", offsetof(struct sql_facts, group_by)},
        {"SELECT a FROM t GROUP BY a HAVING a > 1", offsetof(struct sql_facts, having)},
        {"SELECT * FROM t, u", offsetof(struct sql_facts, join)},
        {"SELECT * FROM (t JOIN u)", offsetof(struct sql_facts, join)},
        {"SELECT * FROM t WHERE a IN (SELECT 1)", offsetof(struct sql_facts, subquery)},
        {"SELECT * FROM t WHERE a IN u", offsetof(struct sql_facts, subquery)},
        {"WITH c AS (SELECT 1) SELECT * FROM c", offsetof(struct sql_facts, cte)},
        {"WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x + 1 FROM c) SELECT * FROM c",
         offsetof(struct sql_facts, recursive_cte)},
        {"SELECT rank() OVER (ORDER BY a) FROM t", offsetof(struct sql_facts, window)},
        {"SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY a)", offsetof(struct sql_facts, window)},
        {"SELECT 1 EXCEPT SELECT 2", offsetof(struct sql_facts, set_operation)},
        {"SELECT DISTINCT a FROM t", offsetof(struct sql_facts, distinct)},
        {"SELECT a FROM t ORDER BY a", offsetof(struct sql_facts, order_by)},
        {"SELECT a FROM t LIMIT 1", offsetof(struct sql_facts, limit)},
        {"VALUES (1)", offsetof(struct sql_facts, values_rows)},
        {"DELETE FROM t WHERE a", offsetof(struct sql_facts, where)},
        {"DELETE FROM t RETURNING *", offsetof(struct sql_facts, returning)},
    };
    struct sql_tree *plain = parse("SELECT a, max(a, 2) FROM t");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tree *tree = parse(cases[i].text);
        if (!*((const bool *)sql_tree_facts(tree) + cases[i].fact))
            fail_msg("%s: the fact is missing", cases[i].text);
        assert_false(*((const bool *)sql_tree_facts(plain) + cases[i].fact));
        sql_tree_free(&tree);
    }
    sql_tree_free(&plain);
}

static void test_tables_without_ctes(void **state)
{
    (void)state;
    struct sql_tree *tree = parse("WITH c AS (SELECT * FROM base) INSERT INTO main.t SELECT * FROM c, u AS v, "
                                  "generate_series(1, 2) WHERE x IN other.w");
    const struct sql_facts *facts = sql_tree_facts(tree);
    assert_int_equal(facts->table_count, 5);
    assert_string_equal(facts->tables[0].name, "base");
    assert_string_equal(facts->tables[1].name, "t");
    assert_string_equal(facts->tables[1].schema, "main");
    assert_true(facts->tables[1].written);
    assert_string_equal(facts->tables[2].name, "u");
    assert_string_equal(facts->tables[2].alias, "v");
    assert_string_equal(facts->tables[3].name, "generate_series");
    assert_true(facts->tables[3].called);
    assert_string_equal(facts->tables[4].schema, "other");
    sql_tree_free(&tree);
}

static void test_functions(void **state)
{
    (void)state;
    struct sql_tree *tree = parse("SELECT Upper(a), min(b), min(b, c), sum(a) OVER () FROM t");
    const struct sql_facts *facts = sql_tree_facts(tree);
    assert_int_equal(facts->function_count, 4);
    assert_string_equal(facts->functions[0].name, "Upper");
    assert_false(facts->functions[0].aggregate);
    assert_true(facts->functions[1].aggregate);
    assert_false(facts->functions[2].aggregate);
    assert_true(facts->functions[3].window && !facts->functions[3].aggregate);
    assert_int_equal(facts->functions[1].offset, 17);
    sql_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fact),
        cmocka_unit_test(test_tables_without_ctes),
        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
