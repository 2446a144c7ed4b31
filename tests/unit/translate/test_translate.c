/* SPDX-License-Identifier: Apache-2.0 */
/* The promises about translation that don't need a column store: what is refused, described, relied on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "translate/translate.h"

static struct translate_column columns[] = {
    {.name = "id",
     .affinity = TRANSLATE_AFFINITY_INTEGER,
     .is_rowid_alias = true,
     .flags = TRANSLATE_HAS_INTEGER,
     .has_range = true,
     .low = 1,
     .high = 1000},
    {.name = "name",
     .affinity = TRANSLATE_AFFINITY_TEXT,
     .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NULL | TRANSLATE_NON_ASCII},
    {.name = "price",
     .affinity = TRANSLATE_AFFINITY_REAL,
     .flags = TRANSLATE_HAS_REAL | TRANSLATE_NOT_WHOLE,
     .has_range = true,
     .low = 0,
     .high = 99.5},
    {.name = "amount",
     .affinity = TRANSLATE_AFFINITY_NUMERIC,
     .flags = TRANSLATE_HAS_INTEGER | TRANSLATE_HAS_REAL | TRANSLATE_NOT_WHOLE},
    {.name = "dirty", .affinity = TRANSLATE_AFFINITY_INTEGER, .flags = TRANSLATE_HAS_INTEGER | TRANSLATE_HAS_TEXT},
    {.name = "nick", .affinity = TRANSLATE_AFFINITY_TEXT, .collation = "NOCASE", .flags = TRANSLATE_HAS_TEXT},
    {.name = "nul", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NUL},
    {.name = "data", .affinity = TRANSLATE_AFFINITY_BLOB, .flags = TRANSLATE_HAS_BLOB},
    {.name = "big", .affinity = TRANSLATE_AFFINITY_INTEGER, .flags = TRANSLATE_HAS_INTEGER | TRANSLATE_BIG_INTEGER},
};
static struct translate_table item = {.name = "item", .id = 3, .columns = columns, .column_count = 9, .mirrored = true};
static struct translate_table other = {
    .name = "other", .id = 4, .columns = columns, .column_count = 2, .mirrored = true};
static struct translate_table far = {.name = "far",
                                     .id = 5,
                                     .columns = columns,
                                     .column_count = 2,
                                     .mirrored = false,
                                     .refusal_reason = "it is being built"};

static const struct translate_table *find_table(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    struct translate_table *tables[] = {&item, &other, &far};
    for (size_t i = 0; i < 3; i++)
        if (strcasecmp(tables[i]->name, name) == 0)
            return tables[i];
    return NULL;
}

static const char *find_view(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    if (strcmp(name, "cheap") == 0)
        return "CREATE VIEW cheap(number, cost) AS SELECT id, price FROM item WHERE price < 5";
    return strcmp(name, "loop") == 0 ? "CREATE VIEW loop AS SELECT * FROM loop" : NULL;
}

static enum translate_encoding encoding; /* of the database that is asked about */

static struct translation *translate_with(const char *text, const struct rhei_value *values, uint32_t count)
{
    struct sql_tree *tree = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct translation *translation = NULL;
    struct translate_catalog catalog = {.table = find_table, .view = find_view, .encoding = encoding};
    struct translate_options options = {
        .dialect = translate_dialect_of("duckdb"), .parameters = values, .parameter_count = count};
    if (sql_parse(text, strlen(text), &tree, &error) != RHEI_OK)
        fail_msg("%s: %s", text, error.message);
    assert_int_equal(translate_select(tree, &catalog, &options, &translation, &error), RHEI_OK);
    sql_tree_free(&tree);
    return translation;
}

static struct translation *translate(const char *text)
{
    struct translation *translation = translate_with(text, NULL, 0);
    if (!translation->translated)
        fail_msg("%s: %s: %s", text, translation->refusal.construct, translation->refusal.reason);
    return translation;
}

static void test_q2_what_is_not_known_exact_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t offset;
    } cases[] = {
        {"SELECT random()", 7},
        {"SELECT id, json_extract(name, '$') FROM item", 11},
        {"SELECT dirty FROM item", 7},
        {"SELECT nul FROM item", 7},
        {"SELECT id FROM far", 15},
        {"SELECT id FROM nowhere", 15},
        {"SELECT current_timestamp", 7},
        {"SELECT date('now')", 7},
        {"SELECT name FROM item GROUP BY id % 2", 0},
        {"SELECT DISTINCT nick FROM item", 16},
        {"SELECT nick FROM item GROUP BY nick", 31},
        {"SELECT max(nick) FROM item", 7},
        {"SELECT id FROM item WHERE name MATCH 'x'", 31},
        {"SELECT CASE WHEN id THEN 1 ELSE 'a' END FROM item", 25},
        {"SELECT id FROM item WHERE id = name", 31},
        {"SELECT i.id FROM item i JOIN other o LIMIT 5", 0},
        {"SELECT * FROM loop", 14},
        {"SELECT (SELECT sum(item.id)) FROM item", 15},
        {"SELECT id FROM item WHERE id = ?", 31},
        {"SELECT id + data FROM item", 12},
        {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n", 61},
        {"SELECT sum(id) OVER (ORDER BY price ROWS 1 PRECEDING) FROM item JOIN other USING (name)", 7},
        {"SELECT * FROM item JOIN other ON true ORDER BY 1 COLLATE german", 0},
        {"SELECT unknown FROM item", 7},
        {"SELECT id FROM item, other", 7},
        {"SELECT id FROM item WHERE name LIKE 'a%%' ESCAPE '%'", 49},
        {"SELECT id FROM item WHERE name LIKE 'a%_' ESCAPE '_'", 49},
        {"SELECT id FROM item WHERE name LIKE 'a' ESCAPE ''", 47},
        {"SELECT id FROM item WHERE name LIKE 'a' ESCAPE 'ab'", 47},
        {"SELECT id FROM item WHERE like('a%', name, '_')", 26},
        {"SELECT nth_value(id, 0) OVER (ORDER BY id) FROM item", 7},
        {"SELECT ntile(0) OVER (ORDER BY id) FROM item", 7},
        {"SELECT count(*) OVER (ORDER BY id ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM item", 47},
        {"SELECT count(*) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND -1 FOLLOWING) FROM item", 63},
        {"SELECT abs(big) FROM item", 7},
        {"SELECT id IS likely(TRUE) FROM item", 20},
        {"SELECT id IS (id NOT IN ()) FROM item", 14},
        {"SELECT id IS NOT DISTINCT FROM likely(price IN ()) COLLATE BINARY FROM item", 38},
        {"SELECT id, name FROM item ORDER BY 5 NOTNULL", 35},
        {"SELECT id, name FROM item ORDER BY -'x' IS NOT NULL, 1", 35},
        {"SELECT name, count(*) FROM item GROUP BY (x'00' NOTNULL) NOT NULL", 42},
        {"SELECT name, count(*) FROM item GROUP BY - (1.5 IS DISTINCT FROM NULL)", 41},
        {"SELECT * FROM (SELECT sum(big) FROM item)", 22},
        {"SELECT (SELECT sum(big) FROM item) FROM other", 15},
        {"SELECT sum(big) OVER () + 1 FROM item", 7},
        {"SELECT sum(big) FROM item UNION SELECT 1", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct translation *translation = translate_with(cases[i].text, NULL, 0);
        if (translation->translated)
            fail_msg("translated: %s\n%s", cases[i].text, translation->text);
        assert_non_null(translation->refusal.construct);
        assert_non_null(translation->refusal.reason);
        if (translation->refusal.view == NULL && cases[i].offset && translation->refusal.offset != cases[i].offset)
            fail_msg("%s: offset %u (%s)", cases[i].text, translation->refusal.offset, translation->refusal.construct);
        translation_free(&translation);
    }
}

/* What depends on the bytes of a text in the file is said in UTF-16, or refused; what doesn't, and ASCII, stays as it was. */
static void test_q2_texts_in_utf16(void **state)
{
    (void)state;
    static const char *const keyed[] = {"SELECT id FROM item WHERE name > 'x'", "SELECT id FROM item ORDER BY name",
                                        "SELECT name FROM item GROUP BY name LIMIT 1",
                                        "SELECT rank() OVER (ORDER BY name) FROM item"};
    static const char *const plain[] = {
        "SELECT id FROM item WHERE name = 'x'",         "SELECT DISTINCT name FROM item",
        "SELECT name LIKE 'x%', upper(name) FROM item", "SELECT id FROM item WHERE nick < 'x'",
        "SELECT count(DISTINCT name) FROM item",        "SELECT o.id FROM item JOIN other AS o USING (name)"};
    static const char *const refused[] = {"SELECT max(name) FROM item", "SELECT min(name, 'x') FROM item",
                                          "SELECT hex(name) FROM item", "SELECT octet_length(id) FROM item",
                                          "SELECT hex(1.5) FROM item"};
    encoding = TRANSLATE_UTF16BE;
    for (size_t i = 0; i < sizeof keyed / sizeof keyed[0]; i++) {
        struct translation *translation = translate(keyed[i]);
        if (!strstr(translation->text, "rhei_utf16be("))
            fail_msg("%s: %s", keyed[i], translation->text);
        translation_free(&translation);
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct translation *translation = translate(plain[i]);
        if (strstr(translation->text, "rhei_utf16"))
            fail_msg("%s: %s", plain[i], translation->text);
        translation_free(&translation);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct translation *translation = translate_with(refused[i], NULL, 0);
        if (translation->translated)
            fail_msg("translated: %s\n%s", refused[i], translation->text);
        translation_free(&translation);
    }
    encoding = TRANSLATE_UTF8;
}

static size_t length_of(const char *text)
{
    struct translation *translation = translate(text);
    size_t length = translation->length;
    translation_free(&translation);
    return length;
}

/* Each operation adds about as much as the one before, whatever it is of. */
static void test_q5_a_translation_is_as_long_as_its_text(void **state)
{
    (void)state;
    static const char *const steps[] = {"((%s - nick) / nick)", "abs(-(%s * amount))", "(%s / amount)",
                                        "round(%s * 2, 2)",     "(%s * price)",        "(%s IS NOT id)"};
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        char text[4000], next[4100];
        strcpy(text, s < 2 ? "name" : "amount");
        size_t lengths[7];
        for (int level = 0; level < 7; level++) {
            snprintf(next, sizeof next, "SELECT %s FROM item", text);
            lengths[level] = length_of(next);
            snprintf(next, sizeof next, steps[s], text);
            strcpy(text, next);
        }
        if (lengths[6] > 14000 || lengths[6] - lengths[4] > 2 * (lengths[3] - lengths[1]) + 600)
            fail_msg("%s: %zu, %zu, %zu, %zu", steps[s], lengths[1], lengths[3], lengths[4], lengths[6]);
    }
    assert_true(length_of("SELECT ((name - nick) / nick) * 100 FROM item") < 3000);
}

static void test_changes_are_refused(void **state)
{
    (void)state;
    const char *texts[] = {"DELETE FROM item",    "INSERT INTO item(id) VALUES (1) RETURNING id",
                           "DROP TABLE item",     "WITH a AS (SELECT 1) UPDATE item SET name = 1",
                           "PRAGMA user_version", ""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct translation *translation = translate_with(texts[i], NULL, 0);
        assert_false(translation->translated);
        translation_free(&translation);
    }
}

static void test_columns_are_described(void **state)
{
    (void)state;
    struct translation *t =
        translate("SELECT id, name, price, amount, id = 1, NULL, data, amount + 1, count(*) OVER () FROM item");
    const uint8_t classes[] = {RHEI_INTEGER, RHEI_TEXT, RHEI_REAL, RHEI_REAL,   RHEI_INTEGER,
                               RHEI_NULL,    RHEI_BLOB, RHEI_REAL, RHEI_INTEGER};
    assert_int_equal(t->column_count, 9);
    assert_int_equal(t->result_columns, 11);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(t->columns[i].storage_class, classes[i]);
        assert_int_equal(t->columns[i].mixed, i == 3 || i == 7);
    }
    assert_int_equal(t->columns[3].flag_column, 9);
    assert_int_equal(t->columns[7].flag_column, 10);
    translation_free(&t);
}

static void test_ties(void **state)
{
    (void)state;
    struct translation *t = translate("SELECT name FROM item ORDER BY name LIMIT 5");
    assert_int_equal(t->assumes_scan_of, 0);
    assert_int_equal(t->key_count, 0);
    translation_free(&t);
    t = translate("SELECT name FROM item ORDER BY id LIMIT 5");
    assert_int_equal(t->assumes_scan_of, -1);
    translation_free(&t);
    t = translate("SELECT i.name, o.name FROM item i JOIN other o ON i.id = o.id ORDER BY i.name, o.id LIMIT 5");
    assert_int_equal(t->key_count, 2);
    assert_int_equal(t->key_column, 2);
    assert_int_equal(t->result_columns, 4);
    assert_int_equal(t->row_limit, 5);
    assert_non_null(strstr(t->text, "LIMIT 6"));
    translation_free(&t);
    t = translate("SELECT i.name FROM item i JOIN other o ON i.id = o.id ORDER BY i.id, o.id LIMIT 5");
    assert_int_equal(t->key_count, 0);
    translation_free(&t);
}

static void test_ties_around_a_limit(void **state)
{
    (void)state;
    struct translation *t =
        translate("SELECT i.name, o.name FROM item i JOIN other o ON i.id = o.id ORDER BY i.name LIMIT 5 OFFSET 3");
    assert_int_equal(t->row_skip, 1); /* the row before the first may tie with it */
    assert_int_equal(t->row_limit, 5);
    assert_non_null(strstr(t->text, "LIMIT 7 OFFSET 2"));
    translation_free(&t);
    t = translate("SELECT i.name FROM item i JOIN other o ON i.id = o.id ORDER BY i.name LIMIT 5 OFFSET 3");
    assert_int_equal(t->key_count, 0); /* rows that tie look the same */
    translation_free(&t);
    t = translate("SELECT name, count(*) FROM item GROUP BY name ORDER BY 2 LIMIT 3");
    assert_true(t->assumes_group_sort);
    assert_int_equal(t->key_count, 0);
    translation_free(&t);
    t = translate("SELECT name, count(*) FROM item GROUP BY name ORDER BY 2, 1");
    assert_false(t->assumes_group_sort);
    translation_free(&t);
    t = translate("SELECT price FROM item UNION ALL SELECT id FROM item ORDER BY 1");
    assert_int_equal(t->key_count, 1); /* 2 and 2.0 tie */
    translation_free(&t);
}

static void test_an_or_says_what_it_implies(void **state)
{
    (void)state;
    struct translation *t =
        translate("SELECT count(*) FROM item i, other o WHERE (i.id = o.id AND i.price < 2.5 AND o.name = 'x') OR "
                  "(i.id = o.id AND i.price > 7.5 AND o.name = 'y')");
    assert_non_null(strstr(t->text, "\"name\" = 'x') OR ("));
    translation_free(&t);
}

static void test_scans_tell_columns_and_ranges(void **state)
{
    (void)state;
    struct translation *t = translate("SELECT a.name FROM item a JOIN item b ON a.id = b.id WHERE a.id BETWEEN 5 "
                                      "AND 9 AND 20.5 > b.price AND b.id IN (3, 1, 2)");
    assert_int_equal(t->scan_count, 2);
    assert_int_equal(t->scans[0].table, 3);
    assert_int_equal(t->scans[0].column_count, 2);
    const struct translate_scan_column *id = &t->scans[0].columns[0];
    assert_int_equal(id->column, 0);
    assert_true(id->has_low && id->low.as.integer == 5 && id->has_high && id->high.as.integer == 9);
    assert_int_equal(t->scans[1].column_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct translate_scan_column *used = &t->scans[1].columns[i];
        if (used->column == 0)
            assert_true(used->low.as.integer == 1 && used->high.as.integer == 3);
        else
            assert_true(!used->has_low && used->has_high && used->high.as.real == 20.5);
    }
    translation_free(&t);
}

/* As the router asks, column by column. */
static bool scan_holds(const struct translate_scan *scan, const struct translate_table *table)
{
    bool holds = true;
    for (uint32_t i = 0; i < scan->column_count; i++)
        holds = holds && translate_scan_column_holds(&scan->columns[i], &table->columns[scan->columns[i].column]);
    return holds;
}

static void test_a_translation_holds_while_flags_and_ranges_do(void **state)
{
    (void)state;
    struct translation *t = translate("SELECT price * id FROM item");
    struct translate_column changed[9];
    struct translate_table copy = item;
    memcpy(changed, columns, sizeof changed);
    copy.columns = changed;
    assert_true(scan_holds(&t->scans[0], &copy));
    changed[0].high = 1001; /* bounds are kept with room to grow */
    assert_true(scan_holds(&t->scans[0], &copy));
    changed[0].high = 1e9;
    assert_false(scan_holds(&t->scans[0], &copy));
    changed[0].high = 1000;
    changed[2].low = -1; /* the sign was relied on */
    assert_false(scan_holds(&t->scans[0], &copy));
    changed[2].low = 0;
    changed[2].flags |= TRANSLATE_HAS_TEXT;
    assert_false(scan_holds(&t->scans[0], &copy));
    changed[2].flags = columns[2].flags;
    changed[1].flags |= TRANSLATE_HAS_BLOB; /* not read */
    assert_true(scan_holds(&t->scans[0], &copy));
    translation_free(&t);
}

static void test_q4_parameters_of_every_class(void **state)
{
    (void)state;
    const struct rhei_value values[] = {{.type = RHEI_INTEGER, .as.integer = INT64_MIN},
                                        {.type = RHEI_REAL, .as.real = 0.1},
                                        {.type = RHEI_TEXT, .as.bytes = "it's; --", .length = 8},
                                        {.type = RHEI_BLOB, .as.bytes = "\0'", .length = 2},
                                        {.type = RHEI_NULL}};
    struct translation *t = translate_with("SELECT ?1, ?2, ?3, ?4, ?5, ?9 FROM item", values, 5);
    assert_true(t->translated);
    const uint8_t classes[] = {RHEI_INTEGER, RHEI_REAL, RHEI_TEXT, RHEI_BLOB, RHEI_NULL, RHEI_NULL};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(t->columns[i].storage_class, classes[i]);
    assert_non_null(strstr(t->text, "'it''s; --'"));
    assert_non_null(strstr(t->text, "'\\x00\\x27'"));
    translation_free(&t);
    const struct rhei_value bad[] = {{.type = RHEI_TEXT, .as.bytes = "a\0b", .length = 3}};
    t = translate_with("SELECT id FROM item WHERE name = ?", bad, 1);
    assert_false(t->translated);
    translation_free(&t);
}

static void test_views_and_their_refusals(void **state)
{
    (void)state;
    struct translation *t = translate("SELECT number, cost FROM cheap WHERE cost > 1");
    assert_int_equal(t->scan_count, 1);
    assert_int_equal(t->columns[1].storage_class, RHEI_REAL);
    translation_free(&t);
    t = translate_with("SELECT * FROM loop", NULL, 0);
    assert_string_equal(t->refusal.view, "loop");
    translation_free(&t);
}

/* A source alone in brackets is that source, under the names by which SQLite knows it there; a join in them is one. */
static void test_q2_sources_in_brackets(void **state)
{
    static const char *const same[][2] = {
        {"SELECT id FROM (item)", "SELECT id FROM item"},
        {"SELECT item.id FROM ((item))", "SELECT item.id FROM item"},
        {"SELECT main.item.id FROM (main.item)", "SELECT main.item.id FROM main.item"},
        {"SELECT x.id FROM (item) AS x", "SELECT x.id FROM item AS x"},
        {"SELECT x.id FROM ((item AS y)) x", "SELECT x.id FROM item AS x"},
        {"SELECT y.id FROM (item AS y)", "SELECT y.id FROM item AS y"},
        {"SELECT item.id FROM cheap, (item AS y)", "SELECT item.id FROM cheap, item"},
        {"SELECT x.id FROM ((SELECT id FROM item) AS y) AS x", "SELECT x.id FROM (SELECT id FROM item) AS x"},
        {"SELECT count(*) FROM (cheap)", "SELECT count(*) FROM cheap"},
        {"SELECT count(*) FROM (cheap) LEFT JOIN (item) ON id = number",
         "SELECT count(*) FROM cheap LEFT JOIN item ON id = number"},
        {"WITH w AS (SELECT id FROM item) SELECT q.id FROM (w) AS q",
         "WITH w AS (SELECT id FROM item) SELECT q.id FROM w AS q"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct translation *in_brackets = translate(same[i][0]), *without = translate(same[i][1]);
        assert_string_equal(in_brackets->text, without->text);
        translation_free(&in_brackets);
        translation_free(&without);
    }
    struct translation *t = translate("SELECT cost FROM ((cheap JOIN item ON id = number))");
    assert_non_null(strstr(t->text, "INNER JOIN"));
    translation_free(&t);
    t = translate_with("SELECT x.cost FROM (cheap JOIN item ON id = number) AS x", NULL, 0);
    assert_string_equal(t->refusal.construct, "join in brackets with an alias");
    translation_free(&t);
    t = translate_with("SELECT y.id FROM cheap, (item AS y)", NULL, 0); /* SQLite knows no y there */
    assert_false(t->translated);
    translation_free(&t);
}

static void test_names_cannot_break_out(void **state)
{
    (void)state;
    struct translation *t =
        translate("SELECT 'a''; DROP TABLE x; --' AS \"b\"\"; DROP\", x.id AS ' ' FROM item AS \"x\" "
                  "WHERE name = '\\' OR name = 'x'' OR 1'");
    assert_null(strstr(t->text, "b\"\"; DROP"));
    assert_non_null(strstr(t->text, "'a''; DROP TABLE x; --'"));
    translation_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_what_is_not_known_exact_is_refused),
        cmocka_unit_test(test_q2_texts_in_utf16),
        cmocka_unit_test(test_q5_a_translation_is_as_long_as_its_text),
        cmocka_unit_test(test_changes_are_refused),
        cmocka_unit_test(test_columns_are_described),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_ties_around_a_limit),
        cmocka_unit_test(test_an_or_says_what_it_implies),
        cmocka_unit_test(test_scans_tell_columns_and_ranges),
        cmocka_unit_test(test_a_translation_holds_while_flags_and_ranges_do),
        cmocka_unit_test(test_q4_parameters_of_every_class),
        cmocka_unit_test(test_views_and_their_refusals),
        cmocka_unit_test(test_q2_sources_in_brackets),
        cmocka_unit_test(test_names_cannot_break_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
