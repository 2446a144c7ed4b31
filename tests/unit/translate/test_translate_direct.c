/* SPDX-License-Identifier: Apache-2.0 */
/* Which statements need no executor, and that nothing of them is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "translate/translate_direct.h"

static struct translate_column columns[] = {
    {.name = "id", .affinity = TRANSLATE_AFFINITY_INTEGER, .is_rowid_alias = true, .flags = TRANSLATE_HAS_INTEGER},
    {.name = "name", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NULL},
    {.name = "price", .affinity = TRANSLATE_AFFINITY_REAL, .flags = TRANSLATE_HAS_REAL | TRANSLATE_HAS_NULL},
    {.name = "mixed", .affinity = TRANSLATE_AFFINITY_NUMERIC, .flags = TRANSLATE_HAS_INTEGER | TRANSLATE_HAS_REAL},
    {.name = "bytes", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_INVALID_UTF8},
    {.name = "zero", .affinity = TRANSLATE_AFFINITY_BLOB, .flags = TRANSLATE_HAS_REAL | TRANSLATE_NEGATIVE_ZERO},
    {.name = "huge", .affinity = TRANSLATE_AFFINITY_REAL, .flags = TRANSLATE_HAS_REAL | TRANSLATE_INFINITE},
    {.name = "empty", .affinity = TRANSLATE_AFFINITY_INTEGER, .flags = 0},
    {.name = "folded", .affinity = TRANSLATE_AFFINITY_TEXT, .collation = "NOCASE", .flags = TRANSLATE_HAS_TEXT},
    {.name = "cut", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NUL},
};
static struct translate_table item = {
    .name = "item", .id = 3, .columns = columns, .column_count = 10, .mirrored = true};
static struct translate_column keyless[] = {
    {.name = "a", .affinity = TRANSLATE_AFFINITY_INTEGER, .flags = TRANSLATE_HAS_INTEGER},
    {.name = "rowid", .is_rowid = true, .flags = TRANSLATE_HAS_INTEGER}};
static struct translate_table bag = {.name = "bag", .id = 4, .columns = keyless, .column_count = 2, .mirrored = true};

static const struct translate_table *find_table(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    return strcasecmp(name, "item") == 0 ? &item : strcasecmp(name, "bag") == 0 ? &bag : NULL;
}

static const struct translate_catalog catalog = {.table = find_table};

static void make(const char *sql, const struct rhei_value *parameters, uint32_t count, struct translate_direct *direct)
{
    struct sql_tree *tree = NULL;
    if (sql_parse(sql, strlen(sql), &tree, NULL) != RHEI_OK)
        fail_msg("%s doesn't parse", sql);
    assert_int_equal(translate_direct_make(tree, &catalog, parameters, count, direct, NULL), RHEI_OK);
    if (direct->kind != TRANSLATE_DIRECT_NONE)
        assert_true(translate_direct_shape(tree));
    sql_tree_free(&tree);
}

static void must_be(const char *sql, uint8_t kind, uint32_t outputs, uint32_t ranges)
{
    struct translate_direct direct;
    make(sql, NULL, 0, &direct);
    if (direct.kind != kind || direct.output_count != outputs || direct.part.range_count != ranges)
        fail_msg("%s: kind %d, %u outputs, %u ranges", sql, direct.kind, direct.output_count, direct.part.range_count);
    translate_direct_reset(&direct);
}

static void test_q2_what_is_taken(void **state)
{
    (void)state;
    must_be("SELECT id, name, price, mixed FROM item", TRANSLATE_DIRECT_COLUMNS, 4, 0);
    must_be("select price AS p, ID, price from main.Item as i", TRANSLATE_DIRECT_COLUMNS, 3, 0);
    must_be("SELECT i.\"id\", i.rowid, i.oid FROM item i WHERE i.price > 1.5", TRANSLATE_DIRECT_COLUMNS, 3, 1);
    must_be("SELECT * FROM bag", TRANSLATE_DIRECT_COLUMNS, 1, 0);
    must_be("SELECT *, rowid, bag.* FROM bag WHERE _rowid_ BETWEEN 3 AND 9", TRANSLATE_DIRECT_COLUMNS, 3, 1);
    must_be("SELECT count(*), Count(name), sum(id), total(price), avg(price), min(id), max(price) FROM item",
            TRANSLATE_DIRECT_AGGREGATES, 7, 0);
    must_be("SELECT sum(price) s FROM item WHERE id >= 5 AND (10 > id AND price <= -2.5) AND id = +7",
            TRANSLATE_DIRECT_AGGREGATES, 1, 4);
    must_be("SELECT count(mixed), count(bytes), count(zero), sum(empty), min(empty) FROM item WHERE empty < 3",
            TRANSLATE_DIRECT_AGGREGATES, 5, 1);
    must_be("SELECT sum(zero), max(huge) FROM item", TRANSLATE_DIRECT_AGGREGATES, 2, 0);
}

static void test_q2_groups(void **state)
{
    (void)state;
    struct translate_direct direct;
    must_be("SELECT count(*) FROM item GROUP BY name", TRANSLATE_DIRECT_GROUPS, 1, 0);
    must_be("SELECT name FROM item GROUP BY name", TRANSLATE_DIRECT_GROUPS, 1, 0);
    must_be("SELECT sum(price), i.name AS n, count(mixed), NAME FROM item i WHERE id > 4 GROUP BY i.name",
            TRANSLATE_DIRECT_GROUPS, 4, 1);
    /* A column's name goes before a result's. */
    make("SELECT name AS id, count(*) FROM item GROUP BY id", NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_NONE);
    make("SELECT count(*) AS name FROM item GROUP BY name", NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_GROUPS);
    assert_int_equal(direct.key, 1);
    assert_int_equal(direct.key_class, RHEI_TEXT);
    translate_direct_reset(&direct);
    make("SELECT rowid, min(price) FROM bag, item GROUP BY rowid", NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_NONE);
    make("SELECT rowid, min(a) FROM bag GROUP BY _rowid_", NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_GROUPS);
    assert_int_equal(direct.key_class, RHEI_INTEGER);
    translate_direct_reset(&direct);
}

static void test_q2_what_is_not(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT id + 1 FROM item",
        "SELECT id, count(*) FROM item",
        "SELECT DISTINCT id FROM item",
        "SELECT id FROM item ORDER BY id",
        "SELECT id FROM item LIMIT 5",
        "SELECT id FROM item i, bag",
        "SELECT id FROM item UNION ALL SELECT a FROM bag",
        "WITH item AS (SELECT 1 AS id) SELECT id FROM item",
        "SELECT count(*) FROM item GROUP BY price",
        "SELECT count(*) FROM item GROUP BY mixed",
        "SELECT count(*) FROM item GROUP BY bytes",
        "SELECT count(*) FROM item GROUP BY empty",
        "SELECT count(*) FROM item GROUP BY folded",
        "SELECT count(*) FROM item GROUP BY cut",
        "SELECT count(*) FROM item GROUP BY 1",
        "SELECT count(*) FROM item GROUP BY name COLLATE NOCASE",
        "SELECT count(*) FROM item GROUP BY name, id",
        "SELECT count(*) FROM item GROUP BY missing",
        "SELECT name AS other, count(*) FROM item GROUP BY other",
        "SELECT id, count(*) FROM item GROUP BY name",
        "SELECT *, count(*) FROM item GROUP BY name",
        "SELECT name, max(id) + 1 FROM item GROUP BY name",
        "SELECT name, count(*) FROM item GROUP BY name HAVING count(*) > 1",
        "SELECT name, count(*) FROM item GROUP BY name ORDER BY name",
        "SELECT DISTINCT count(*) FROM item GROUP BY name",
        "SELECT count(DISTINCT id) FROM item GROUP BY name",
        "SELECT sum(huge) FROM item GROUP BY name",
        "SELECT count(*) FROM item HAVING count(*) > 1",
        "SELECT count(DISTINCT id) FROM item",
        "SELECT count(*) FILTER (WHERE id > 3) FROM item",
        "SELECT count(*) OVER () FROM item",
        "SELECT sum(id + 1) FROM item",
        "SELECT max(id, price) FROM item",
        "SELECT count() FROM item",
        "SELECT sum(mixed) FROM item",
        "SELECT min(name) FROM item",
        "SELECT min(zero) FROM item",
        "SELECT sum(huge) FROM item",
        "SELECT group_concat(name) FROM item",
        "SELECT bytes FROM item",
        "SELECT * FROM item",
        "SELECT id FROM item WHERE id > '5'",
        "SELECT id FROM item WHERE id > 5 OR id < 2",
        "SELECT id FROM item WHERE NOT id > 5",
        "SELECT id FROM item WHERE id NOT BETWEEN 5 AND 6",
        "SELECT id FROM item WHERE id <> 5",
        "SELECT id FROM item WHERE id IS 5",
        "SELECT id FROM item WHERE id > 2 + 3",
        "SELECT id FROM item WHERE name = 5",
        "SELECT id FROM item WHERE mixed > 5",
        "SELECT id FROM item WHERE id > price",
        "SELECT id FROM item WHERE id > -9223372036854775808",
        "SELECT id FROM item WHERE id > ?",
        "SELECT id FROM item WHERE other.id > 3",
        "SELECT \"nothing\" FROM item",
        "SELECT true FROM item",
        "SELECT x.id FROM item i",
        "SELECT item.id FROM item AS i",
        "SELECT id FROM item INDEXED BY by_id WHERE id > 3",
        "SELECT id FROM nowhere",
        "EXPLAIN SELECT id FROM item",
        "SELECT id FROM item WHERE id>1 AND id>2 AND id>3 AND id>4 AND id>5 AND id>6 AND id>7 AND id>8 AND id>9",
        "VALUES (1)",
        "SELECT 1",
        "DELETE FROM item",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        must_be(texts[i], TRANSLATE_DIRECT_NONE, 0, 0);
}

/* Tables of a subquery, with the last one's columns and ranges in its words. */
static void test_q2_parts_of_a_union(void **state)
{
    (void)state;
    struct translate_direct direct;
    const struct translate_direct_part *last;
    make("SELECT count(*), sum(u.n), count(u.p) FROM (SELECT id AS n, price AS p FROM item WHERE id <= 7 AND price > "
         "2.5 "
         "UNION ALL SELECT a, NULL AS p FROM bag WHERE 3 <= a AND 5 < 4 UNION ALL SELECT id, CAST(NULL AS REAL) FROM "
         "item) u",
         NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_AGGREGATES);
    assert_int_equal(direct.output_count, 3);
    assert_int_equal(direct.outputs[1].column, 0);
    assert_int_equal(direct.outputs[1].classes_of, RHEI_INTEGER);
    assert_int_equal(direct.part.table, item.id);
    assert_int_equal(direct.part.range_count, 2);
    assert_int_equal(direct.part.columns[0], 0);
    assert_int_equal(direct.part.columns[1], 2);
    assert_false(direct.part.empty);
    last = direct.part.next;
    assert_int_equal(last->table, bag.id);
    assert_int_equal(last->range_count, 1);
    assert_true(last->empty);
    assert_int_equal(last->columns[1], TRANSLATE_DIRECT_NO_COLUMN);
    last = last->next;
    assert_int_equal(last->range_count, 0);
    assert_null(last->next);
    translate_direct_reset(&direct);
    /* Conditions on the whole hold for each of its tables. */
    make("SELECT sum(n) FROM (SELECT price p, id n FROM item WHERE id > 1 UNION ALL SELECT price, id FROM item) WHERE "
         "n < 4",
         NULL, 0, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_AGGREGATES);
    assert_int_equal(direct.part.range_count, 2);
    assert_int_equal(direct.part.next->range_count, 1);
    assert_int_equal(direct.part.next->ranges[0].column, 0);
    translate_direct_reset(&direct);
}

static void test_q2_unions_that_are_not_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT count(*) FROM (SELECT id FROM item UNION SELECT a FROM bag)",
        "SELECT count(*) FROM (SELECT id FROM item EXCEPT SELECT a FROM bag)",
        "SELECT count(*) FROM (SELECT DISTINCT id FROM item)",
        "SELECT count(*) FROM (SELECT id FROM item LIMIT 3)",
        "SELECT count(*) FROM (SELECT id FROM item ORDER BY id)",
        "SELECT count(*) FROM (SELECT count(*) FROM item)",
        "SELECT count(*) FROM (SELECT id FROM item GROUP BY id)",
        "SELECT count(*) FROM (SELECT * FROM bag)",
        "SELECT count(*) FROM (SELECT 1 FROM bag)",
        "SELECT count(*) FROM (SELECT id FROM item, bag)",
        "SELECT count(*) FROM (SELECT id FROM (SELECT id FROM item))",
        "SELECT count(*) FROM (VALUES (1))",
        "SELECT count(*) FROM (SELECT id FROM item WHERE id > 2 OR id < 1)",
        "SELECT count(*) FROM (SELECT id FROM item WHERE 2.5 > 2)",
        "SELECT count(*) FROM (SELECT id FROM item WHERE ? > 2)",
        "SELECT count(*) FROM (SELECT id FROM nowhere)",
        "SELECT id FROM (SELECT id FROM item)",
        "SELECT id, count(*) FROM (SELECT id FROM item) GROUP BY id",
        "SELECT count(rowid) FROM (SELECT id FROM item)",
        "SELECT sum(id) FROM (SELECT id, a AS id FROM bag, item)",
        "SELECT sum(n) FROM (SELECT id AS n, price AS n FROM item)",
        "SELECT sum(x.id) FROM (SELECT id FROM item)",
        "SELECT sum(item.id) FROM (SELECT id FROM item) u",
        /* a whole number beside a REAL: what their sum is, is not for here */
        "SELECT sum(n) FROM (SELECT id AS n FROM item UNION ALL SELECT price FROM item)",
        "SELECT min(n) FROM (SELECT price AS n FROM item UNION ALL SELECT zero FROM item)",
        "SELECT sum(n) FROM (SELECT price AS n FROM item UNION ALL SELECT huge FROM item)",
        "SELECT sum(n) FROM (SELECT id AS n FROM item UNION ALL SELECT name FROM item)",
        "SELECT count(*) FROM (SELECT id AS n FROM item UNION ALL SELECT NULL FROM item) WHERE n > 3",
        "SELECT count(*) FROM (SELECT id AS n FROM item UNION ALL SELECT name FROM item) WHERE n > 3",
        "SELECT count(*) FROM (SELECT id FROM item) WHERE 2 < 3",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        must_be(texts[i], TRANSLATE_DIRECT_NONE, 0, 0);
}

static void test_q4_ends_of_ranges(void **state)
{
    (void)state;
    struct translate_direct direct;
    struct rhei_value bound = {.type = RHEI_REAL, .as.real = 2.5};
    make("SELECT id FROM item WHERE ?1 < id AND price >= -3", &bound, 1, &direct);
    assert_int_equal(direct.part.range_count, 2);
    assert_true(direct.part.ranges[0].above_low && direct.part.ranges[0].low.as.real == 2.5);
    assert_int_equal(direct.part.ranges[0].high.type, RHEI_NULL);
    assert_true(!direct.part.ranges[1].above_low && direct.part.ranges[1].low.as.integer == -3);
    translate_direct_reset(&direct);
    bound = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = "2", .length = 1};
    make("SELECT id FROM item WHERE ?1 < id", &bound, 1, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_NONE);
    bound = (struct rhei_value){.type = RHEI_NULL};
    make("SELECT id FROM item WHERE id = ?1", &bound, 1, &direct);
    assert_int_equal(direct.kind, TRANSLATE_DIRECT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_what_is_taken),    cmocka_unit_test(test_q2_groups),
        cmocka_unit_test(test_q2_parts_of_a_union), cmocka_unit_test(test_q2_unions_that_are_not_taken),
        cmocka_unit_test(test_q2_what_is_not),      cmocka_unit_test(test_q4_ends_of_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
