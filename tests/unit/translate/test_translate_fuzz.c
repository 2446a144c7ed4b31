/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged statements and plain garbage: an error or a tree, never a crash. The sanitizers do the looking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sql/sql_random.h"
#include "base/base_memory.h"
#include "translate/translate.h"

static const struct translate_column t_columns[] = {
    {.name = "a", .affinity = TRANSLATE_AFFINITY_INTEGER, .is_rowid_alias = true, .flags = TRANSLATE_HAS_INTEGER},
    {.name = "b", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NULL},
    {.name = "c",
     .affinity = TRANSLATE_AFFINITY_REAL,
     .flags = TRANSLATE_HAS_REAL | TRANSLATE_HAS_NULL | TRANSLATE_NOT_WHOLE},
    {.name = "d",
     .affinity = TRANSLATE_AFFINITY_NUMERIC,
     .flags = TRANSLATE_HAS_REAL | TRANSLATE_HAS_INTEGER | TRANSLATE_NOT_WHOLE},
    {.name = "e", .affinity = TRANSLATE_AFFINITY_BLOB, .flags = TRANSLATE_HAS_BLOB | TRANSLATE_HAS_NULL},
};
static const struct translate_table t_table = {
    .name = "t", .id = 7, .columns = t_columns, .column_count = 5, .mirrored = true};

static const struct translate_table *find_table(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    return name[0] == 't' || name[0] == 'u' ? &t_table : NULL;
}

/* Everything that takes a text, on a copy without a byte to spare. */
static bool feed(const char *text, size_t len)
{
    char *copy = base_alloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, text, len);
    struct sql_tree *tree = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = sql_parse(copy, len, &tree, &error);
    struct sql_normal normal = {0};
    sql_normalise(copy, len, &normal, NULL);
    sql_normal_reset(&normal);
    size_t position = 0, offset, length;
    for (int i = 0; i < 100 && sql_split(copy, len, &position, &offset, &length, NULL) == SQL_SPLIT_STATEMENT; i++)
        assert_true(offset + length <= len);
    if (status == RHEI_OK) {
        assert_true(tree->end <= len);
        sql_has_more(tree, copy, len);
    } else {
        assert_null(tree);
        assert_true(error.code == status && error.message[0] && error.sql_offset <= (int)len);
    }
    base_free(copy);
    if (status != RHEI_OK)
        return false;
    struct base_buffer printed = {0};
    sql_print(tree, &printed, NULL);
    base_buffer_reset(&printed);
    struct translate_catalog catalog = {.table = find_table};
    struct translate_options options = {.dialect = translate_dialect_of("duckdb")};
    struct translation *translation = NULL;
    assert_int_equal(translate_select(tree, &catalog, &options, &translation, NULL), RHEI_OK);
    assert_true(translation->translated ? translation->text != NULL : translation->refusal.reason != NULL);
    bool translated = translation->translated;
    translation_free(&translation);
    sql_tree_free(&tree);
    return translated;
}

static void test_random_statements(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    int translated = 0;
    for (int i = 0; i < 3000; i++) {
        const char *text = sql_random_select(&random);
        translated += feed(text, strlen(text));
    }
    assert_true(translated > 100);
    base_buffer_reset(&random.text);
}

static void test_damaged_statements(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    for (int i = 0; i < 8000; i++) {
        if (i % 3)
            sql_random_select(&random);
        else
            sql_random_change(&random);
        sql_random_damage(&random, &random.text);
        feed(random.text.data, random.text.len);
    }
    base_buffer_reset(&random.text);
}

static void test_garbage(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    char bytes[300];
    for (int i = 0; i < 5000; i++) {
        size_t len = sql_random_below(&random, sizeof bytes);
        for (size_t b = 0; b < len; b++)
            bytes[b] = (char)sql_random_below(&random, 256);
        feed(bytes, len);
    }
}

static void test_a_megabyte(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "(",  "a,",    "'",  "\"",   "1+",          "SELECT ",         "-- ", "/*", "[",
        "x'", "CASE ", ") ", "NOT ", "WITH a AS (", "1 UNION SELECT ", "?,",  "0",  "FROM ("};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        struct base_buffer text = {0};
        base_buffer_text(&text, "SELECT ");
        while (text.len < (1 << 20))
            base_buffer_text(&text, pieces[p]);
        feed(text.data, text.len);
        base_buffer_reset(&text);
    }
}

static void test_no_memory_while_translating(void **state)
{
    (void)state;
    const char *text =
        "WITH w AS (SELECT a, b FROM t) VALUES ('x', 1, 2.5) UNION ALL SELECT w.b, count(*), sum(t.c) FROM w "
        "JOIN t USING (a) WHERE t.d BETWEEN 1 AND 2.5 GROUP BY 1 ORDER BY 1, 2, 3 LIMIT 3";
    struct sql_tree *tree = NULL;
    assert_int_equal(sql_parse(text, strlen(text), &tree, NULL), RHEI_OK);
    struct translate_catalog catalog = {.table = find_table};
    struct translate_options options = {.dialect = translate_dialect_of("duckdb")};
    bool done = false;
    for (uint64_t n = 1; n < 2000 && !done; n++) {
        struct translation *translation = NULL;
        base_memory_fail_after(n);
        rhei_status status = translate_select(tree, &catalog, &options, &translation, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
        done = status == RHEI_OK;
        assert_true(!done || translation->translated);
        translation_free(&translation);
    }
    assert_true(done);
    sql_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_statements),
        cmocka_unit_test(test_damaged_statements),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_a_megabyte),
        cmocka_unit_test(test_no_memory_while_translating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
