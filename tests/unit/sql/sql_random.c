/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"

const char *const sql_random_schema[] = {
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL, d NUMERIC, e)",
    "CREATE TABLE u(k INTEGER, b TEXT COLLATE NOCASE, v REAL, UNIQUE(k))",
    "INSERT INTO t VALUES (1, 'one', 1.5, 1, NULL), (2, 'Two', -2.25, 2.5, 'x'), (3, '', 0.0, '3', x'00ff'), "
    "(4, NULL, NULL, NULL, 7), (5, '12abc', 1e10, 'abc', 1.0), (-6, 'one', 0.1, 0, '7')",
    "INSERT INTO u VALUES (1, 'ONE', 0.5), (2, 'two', NULL), (NULL, 'x', 3.0), (4, NULL, -1.0)",
    NULL,
};

uint64_t sql_random_seed(void)
{
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : base_random_u64();
    printf("# RHEI_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed ? seed : 1;
}

uint64_t sql_random_next(struct sql_random *random)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

uint32_t sql_random_below(struct sql_random *random, uint32_t limit)
{
    return (uint32_t)((sql_random_next(random) >> 20) % limit);
}

static void put(struct sql_random *r, const char *text)
{
    base_buffer_text(&r->text, text);
}

static const char *pick(struct sql_random *r, const char *const *from, size_t count)
{
    return from[sql_random_below(r, (uint32_t)count)];
}
#define PICK(r, ...) \
    pick(r, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void expression(struct sql_random *r);
static void query(struct sql_random *r, int columns, int tail);

static void leaf(struct sql_random *r)
{
    if (sql_random_below(r, 2))
        put(r, PICK(r, "a", "t.b", "c", "d", "e", "\"d\"", "[e]", "`a`", "t.rowid", "TRUE", "\"no such\""));
    else
        put(r, PICK(r, "0", "1", "-1", "2.5", ".5", "1e3", "0x1F", "1_000", "'one'", "'it''s'", "''", "x'00ff'", "NULL",
                    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "'12'"));
}

static void binary(struct sql_random *r)
{
    expression(r);
    put(r, " ");
    put(r, PICK(r, "+", "-", "*", "/", "%", "||", "&", "|", "<<", ">>", "=", "==", "<>", "!=", "<", "<=", ">", ">=",
                "AND", "OR", "IS", "IS NOT", "LIKE", "NOT LIKE", "GLOB", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"));
    put(r, " ");
    expression(r);
}

static void call(struct sql_random *r)
{
    if (sql_random_below(r, 2)) {
        put(r, PICK(r, "abs(", "lower(", "typeof(", "length(", "quote(", "hex(", "trim("));
        expression(r);
    } else {
        put(r, PICK(r, "coalesce(", "ifnull(", "nullif(", "max(", "min(", "instr("));
        expression(r);
        put(r, ", ");
        expression(r);
    }
    put(r, ")");
}

static void special(struct sql_random *r)
{
    switch (sql_random_below(r, 9)) {
    case 0:
        put(r, "CASE ");
        if (sql_random_below(r, 2))
            expression(r);
        put(r, " WHEN ");
        expression(r);
        put(r, " THEN ");
        expression(r);
        put(r, sql_random_below(r, 2) ? " END" : " ELSE 0 END");
        return;
    case 1:
        put(r, "CAST(");
        expression(r);
        put(r, PICK(r, " AS INTEGER)", " AS TEXT)", " AS REAL)", " AS NUMERIC(10, 2))", " AS BLOB)"));
        return;
    case 2:
        expression(r);
        put(r, PICK(r, " BETWEEN ", " NOT BETWEEN "));
        leaf(r);
        put(r, " AND ");
        expression(r);
        return;
    case 3:
        expression(r);
        put(r, PICK(r, " IN (", " NOT IN ("));
        leaf(r);
        put(r, ", ");
        expression(r);
        put(r, ")");
        return;
    case 4:
        expression(r);
        put(r, PICK(r, " ISNULL", " NOTNULL", " NOT NULL", " COLLATE NOCASE"));
        return;
    case 5:
        put(r, PICK(r, "NOT ", "- ", "+", "~"));
        expression(r);
        return;
    case 6:
        put(r, PICK(r, "(", "EXISTS (", "2 IN ("));
        query(r, 1, 1);
        put(r, ")");
        return;
    case 7:
        put(r, "(a, c) ");
        put(r, PICK(r, "= ", "< ", ">= "));
        put(r, "(2, ");
        leaf(r);
        put(r, ")");
        return;
    default:
        call(r);
    }
}

static void expression(struct sql_random *r)
{
    if (r->depth > 4 || sql_random_below(r, 3) == 0) {
        leaf(r);
        return;
    }
    r->depth++;
    bool brackets = sql_random_below(r, 3) == 0;
    if (brackets)
        put(r, "(");
    if (sql_random_below(r, 2))
        binary(r);
    else
        special(r);
    if (brackets)
        put(r, ")");
    r->depth--;
}

static void source(struct sql_random *r)
{
    put(r, " FROM t");
    if (sql_random_below(r, 3) == 0)
        put(r, PICK(r, " JOIN u ON k = a", ", u AS w", " LEFT JOIN u ON t.b = u.b",
                    " NATURAL JOIN (SELECT a, 1 AS one FROM t)", " CROSS JOIN u x", " RIGHT JOIN u ON k = a",
                    " FULL OUTER JOIN u USING (b)", " JOIN (u JOIN t AS t2 ON k = t2.a) ON k"));
}

static void core(struct sql_random *r, int columns)
{
    static const char *const windows[] = {
        "sum(a) OVER (ORDER BY a)", "row_number() OVER (PARTITION BY b ORDER BY a DESC)", "count(*) OVER w",
        "group_concat(b) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW)",
        "max(c) FILTER (WHERE a > 1) OVER (ORDER BY a GROUPS 1 PRECEDING)"};
    bool grouped = sql_random_below(r, 4) == 0;
    put(r, sql_random_below(r, 5) ? "SELECT " : "SELECT DISTINCT ");
    for (int i = 0; i < columns; i++) {
        put(r, i ? ", " : "");
        if (grouped)
            put(r, PICK(r, "count(*)", "sum(c)", "avg(d)", "max(b)", "d", "total(a) FILTER (WHERE c > 0)",
                        "count(DISTINCT b)"));
        else if (sql_random_below(r, 8) == 0)
            put(r, pick(r, windows, 5));
        else
            expression(r);
        if (sql_random_below(r, 3) == 0)
            put(r, PICK(r, " AS x", " \"y z\"", " AS 'str'"));
    }
    source(r);
    if (sql_random_below(r, 2)) {
        put(r, " WHERE ");
        expression(r);
    }
    if (grouped) {
        put(r, " GROUP BY d");
        if (sql_random_below(r, 3) == 0)
            put(r, " HAVING count(*) >= 1");
    }
    put(r, " WINDOW w AS (PARTITION BY d ORDER BY a)");
}

static void query(struct sql_random *r, int columns, int tail)
{
    r->depth += 2;
    core(r, columns);
    if (sql_random_below(r, 6) == 0) {
        put(r, PICK(r, " UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "));
        if (columns == 1 && sql_random_below(r, 3) == 0)
            put(r, "VALUES (1), ('a')");
        else
            core(r, columns);
    }
    if (tail) {
        put(r, PICK(r, " ORDER BY 1", " ORDER BY 1 DESC NULLS LAST", " ORDER BY 1 ASC"));
        put(r, PICK(r, "", " LIMIT 3", " LIMIT 2 OFFSET 1", " LIMIT 1, 2"));
    }
    r->depth -= 2;
}

const char *sql_random_select(struct sql_random *random)
{
    base_buffer_clear(&random->text);
    random->depth = 0;
    if (sql_random_below(random, 6) == 0) {
        put(random, PICK(random, "WITH x AS (", "WITH x AS MATERIALIZED (", "WITH RECURSIVE x AS NOT MATERIALIZED ("));
        query(random, 2, 0);
        put(random, ") SELECT * FROM x");
    } else {
        query(random, 1 + (int)sql_random_below(random, 3), 1);
    }
    return random->text.data;
}

const char *sql_random_change(struct sql_random *random)
{
    base_buffer_clear(&random->text);
    random->depth = 2;
    switch (sql_random_below(random, 4)) {
    case 0:
        put(random, PICK(random, "INSERT INTO t(b, c) ", "INSERT OR IGNORE INTO u(k, b) ", "REPLACE INTO u(k, v) "));
        query(random, 2, 0);
        break;
    case 1:
        put(random, "INSERT INTO u(k, v) VALUES (1, ");
        leaf(random);
        put(random, ") ON CONFLICT (k) DO UPDATE SET v = excluded.v, b = 'new' WHERE k > 0 ON CONFLICT DO NOTHING "
                    "RETURNING k, v AS w");
        break;
    case 2:
        put(random, "UPDATE t SET (b, c) = (1, 2), d = ");
        expression(random);
        put(random, " WHERE ");
        expression(random);
        break;
    default:
        put(random, "DELETE FROM t AS t WHERE ");
        expression(random);
    }
    return random->text.data;
}

void sql_random_damage(struct sql_random *random, struct base_buffer *text)
{
    for (uint32_t i = 1 + sql_random_below(random, 4); i > 0 && text->len > 0; i--) {
        uint32_t at = sql_random_below(random, (uint32_t)text->len),
                 other = sql_random_below(random, (uint32_t)text->len);
        switch (sql_random_below(random, 4)) {
        case 0:
            text->data[at] = (char)sql_random_below(random, 256);
            break;
        case 1:
            text->data[at] = text->data[other];
            break;
        case 2:
            text->len = at + 1;
            break;
        default:
            base_buffer_append(text, &"()'\"[;,/*--"[sql_random_below(random, 8)], 1);
        }
    }
}
