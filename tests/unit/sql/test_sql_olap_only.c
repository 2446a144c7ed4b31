/* SPDX-License-Identifier: Apache-2.0 */
/* What only the column store knows by its grammar, and what is SQLite's to refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql.h"

static void test_q2_constructs_of_the_column_store(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1", "QUALIFY"},
        {"SELECT a FROM t WHERE a > 1 QUALIFY rank() OVER (ORDER BY a) = 1", "QUALIFY"},
        {"SELECT a FROM t AS x qualify (rank() OVER (ORDER BY a)) = 1", "QUALIFY"},
        {"FROM t", "FROM without SELECT"},
        {"-- first\n FROM t SELECT a", "FROM without SELECT"},
        {"SELECT * FROM (FROM t SELECT a)", "FROM without SELECT"},
        {"WITH x AS (SELECT 1 AS a) FROM x", "FROM without SELECT"},
        {"WITH x AS (FROM t) SELECT * FROM x", "FROM without SELECT"},
        {"SELECT 1 UNION ALL FROM t", "FROM without SELECT"},
        {"EXPLAIN FROM t", "FROM without SELECT"},
        {"SUMMARIZE t", "SUMMARIZE"},
        {"DESCRIBE t", "DESCRIBE"},
        {"PIVOT t ON a USING sum(b)", "PIVOT"},
        {"UNPIVOT t ON a, b INTO NAME n VALUE v", "PIVOT"},
        {"SELECT * FROM t PIVOT (sum(b) FOR a IN (1, 2))", "PIVOT"},
        {"SELECT * FROM t AS x PIVOT (sum(b) FOR a IN (1, 2))", "PIVOT"},
        {"SELECT count(*) FROM (PIVOT t ON a USING sum(b))", "PIVOT"},
        {"SELECT * EXCLUDE (a) FROM t", "* EXCLUDE, REPLACE and RENAME"},
        {"SELECT t.* EXCLUDE a FROM t", "* EXCLUDE, REPLACE and RENAME"},
        {"SELECT b, * REPLACE (a + 1 AS a) FROM t", "* EXCLUDE, REPLACE and RENAME"},
        {"SELECT list_transform(l, lambda x : x + 1) FROM t", "lambda"},
        {"SELECT {'a': 1}", "STRUCT literals"},
        {"SELECT [1, 2, 3]", "LIST literals"},
        {"SELECT a::INTEGER FROM t", "::"},
        {"SELECT (a + 1) :: VARCHAR FROM t", "::"},
        {"SELECT '1'::INT", "::"},
        {"SELECT struct_pack(x := 1)", ":="},
        {"SELECT * FROM t a ASOF JOIN u b ON a.x >= b.x", "ASOF, POSITIONAL, SEMI and ANTI joins"},
        {"SELECT * FROM t AS a ASOF LEFT JOIN u b ON a.x >= b.x", "ASOF, POSITIONAL, SEMI and ANTI joins"},
        {"SELECT * FROM t a POSITIONAL JOIN u", "ASOF, POSITIONAL, SEMI and ANTI joins"},
        {"SELECT * FROM t a SEMI JOIN u b USING (x)", "ASOF, POSITIONAL, SEMI and ANTI joins"},
        {"SELECT a, count(*) FROM t GROUP BY ALL", "GROUP BY ALL"},
        {"SELECT a FROM t ORDER BY ALL", "ORDER BY ALL"},
        {"SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ())", "GROUPING SETS"},
        {"SELECT a, count(*) FROM t GROUP BY ROLLUP (a)", "ROLLUP and CUBE"},
        {"SELECT a, count(*) FROM t GROUP BY cube(a)", "ROLLUP and CUBE"},
        {"SELECT * FROM t USING SAMPLE 10%", "SAMPLE"},
        {"SELECT * FROM t WHERE a > 1 USING SAMPLE 10", "SAMPLE"},
        {"SELECT * FROM t TABLESAMPLE 10%", "SAMPLE"},
        {"SELECT * FROM t, LATERAL (SELECT a + 1) u", "LATERAL"},
        {"SELECT DISTINCT ON (a) a, b FROM t", "DISTINCT ON"},
        {"SELECT 7 // 2", "//"},
        {"SELECT 7 ** 2", "**"},
        {"SELECT a FROM t WHERE a ILIKE 'x%'", "ILIKE and SIMILAR TO"},
        {"SELECT a FROM t WHERE a NOT ILIKE 'x%'", "ILIKE and SIMILAR TO"},
        {"SELECT a FROM t WHERE a SIMILAR TO 'x.*'", "ILIKE and SIMILAR TO"},
        {"SELECT a FROM t LIMIT 10%", "LIMIT in percent"},
        {"SELECT a FROM t LIMIT 10 PERCENT", "LIMIT in percent"},
        {"SELECT a FROM t WHERE d > DATE '2020-01-01'", "DATE and TIMESTAMP literals"},
        {"SELECT d + INTERVAL 1 DAY FROM t", "INTERVAL"},
        {"SELECT extract(year FROM d) FROM t", "EXTRACT"},
        {"SELECT TRY_CAST(a AS INTEGER) FROM t", "TRY_CAST"},
        {"SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a", "UNION BY NAME"},
        {"SELECT last_value(a IGNORE NULLS) OVER (ORDER BY b) FROM t", "IGNORE NULLS"},
        {"SELECT a FROM t WHERE s[1] = 'x'", "subscripts"},
        {"EXPLAIN ANALYZE SELECT 1", "EXPLAIN ANALYZE"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *construct = sql_olap_construct(texts[i][0], strlen(texts[i][0]));
        if (!construct || strcmp(construct, texts[i][1]) != 0)
            fail_msg("%s: %s", texts[i][0], construct ? construct : "(none)");
    }
}

static void test_q2_typos_and_meanings_are_sqlites(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-- nothing",
        "SELECT 1,",
        "SELECT 1, FROM t",
        "SELECT a, b, FROM t QUALIFY row_number() OVER () = 1",
        "SELEC 1",
        "SELECT FROM t",
        "SELECT * FORM t",
        "SELECT * FROM t WHERE",
        "SELECT * FROM t WERE a = 1",
        "SELECT a b c FROM t",
        "SELECT (1",
        "SELECT 1)",
        "SELECT count(*)) FROM t",
        "SELECT 'open",
        "SELECT 1 FROM t GROUP a",
        "SELECT 1 FROM t ORDER a",
        "SELECT -0x8000000000000000 FROM t",
        "SELECT 0x10000000000000000 FROM t",
        "SELECT a FROM t HAVING a > 1",
        "SELECT nosuch FROM t",
        "SELECT nosuch(1) FROM t",
        "SELECT quantile_cont(a, 0.5) FROM t",
        "SELECT sum(sum(a)) FROM t",
        "SELECT a FROM t WHERE sum(a) > 1",
        "SELECT a AS b, b * 2 FROM t",
        "SELECT [1] FROM t",
        "SELECT * FROM nosuch",
        "SELECT * FROM t a JOIN u b",
        "SELECT qualify FROM t",
        "SELECT pivot, summarize FROM t",
        "SELECT 1 UNION SELECT 1, 2",
        "SELECT rollup(a) FROM t",
        "SELECT a FROM t ORDER BY 99",
        "SHOW TABLES",
        "SHOW ALL TABLES",
        "DESCRIBE",
        "DESCRIBE;",
        "SUMMARIZE",
        "CREATE TABLE x(a INT) QUALIFY",
        "INSERT INTO t BY NAME SELECT 1",
        "DELETE FROM t USING u",
        "COPY t TO 'x'",
        "ATTACH 'x' (READ_ONLY)",
        "SET threads = 1",
        "PRAGMA version QUALIFY",
        "INSTALL json",
        "CALL pragma_version()",
        "SELECT a FROM t WHERE a = = 1",
        "SELECT a FROM t, ",
        "SELECT a FROM t LIMIT",
        "SELECT * , exclude FROM t x y",
        "SELECT 1 2",
        "SELECT a : b",
        "WITH x AS (SELECT 1) x",
        "VALUES (1), (2",
        "SELECT DISTINCT , a FROM t",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *construct = sql_olap_construct(texts[i], strlen(texts[i]));
        if (construct)
            fail_msg("%s: %s", texts[i], construct);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_constructs_of_the_column_store),
        cmocka_unit_test(test_q2_typos_and_meanings_are_sqlites),
    };
    return cmocka_run_group_tests_name("sql_olap_only", tests, NULL, NULL);
}
