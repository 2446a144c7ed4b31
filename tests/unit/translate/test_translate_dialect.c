/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second dialect: DuckDB's table with a prefix before every word and every sign. What it prints must have those alone, so that a
 * word of an executor's language that stands in a C file, and not in the table, is seen.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../sql/sql_random.h"
#include "base/base_memory.h"
#include "translate/translate_internal.h"

#define SIGNS "+-*/%<>=!|&~,.;:'\"\\^[]{}#$?"

/* ---- The dialect ---- */

static struct base_buffer other_texts[TRANSLATE_FORMS];
static const char *other_forms[TRANSLATE_FORMS];
static const struct translate_dialect other = {"other", other_forms};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* "(%1 IS NULL)" becomes "(%1 x_IS x_NULL)", "%1 + %2" "%1 @+ %2". */
static void disguise(const char *form, struct base_buffer *out)
{
    for (const char *p = form; *p; p++) {
        if (*p == '%' && p[1] >= '1' && p[1] <= '4') {
            base_buffer_append(out, p++, 2);
            continue;
        }
        bool first = p == form || !is_word(p[-1]) || (p - form >= 2 && p[-2] == '%');
        if (is_word(*p) && first)
            base_buffer_text(out, "x_");
        else if (strchr(SIGNS, *p))
            base_buffer_char(out, '@');
        base_buffer_char(out, *p);
        if (*p == '%') /* %% */
            base_buffer_char(out, *++p);
    }
}

static int make_dialect(void **state)
{
    (void)state;
    const struct translate_dialect *duckdb = translate_dialect_of("duckdb");
    for (int i = 0; i < TRANSLATE_FORMS; i++) {
        disguise(duckdb->forms[i], &other_texts[i]);
        other_forms[i] = other_texts[i].data ? other_texts[i].data : "";
    }
    other_forms[TRANSLATE_FORM_QUOTE_NAME] = "`";
    other_forms[TRANSLATE_FORM_QUOTE_TEXT] = "\x01";
    return 0;
}

static int free_dialect(void **state)
{
    (void)state;
    for (int i = 0; i < TRANSLATE_FORMS; i++)
        base_buffer_reset(&other_texts[i]);
    return 0;
}

/* ---- What it may print ---- */

static const char *word_end(const char *p)
{
    while (is_word(*p))
        p++;
    return p;
}

static const char *number_end(const char *p)
{
    while (isdigit((unsigned char)*p) || *p == '.')
        p++;
    if (*p != 'e')
        return p;
    p += p[1] == '-' || p[1] == '+' ? 2 : 1;
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

static bool is_label(const char *p, const char *end)
{
    if (!strchr("cfkqsvw", *p) || end - p < 2)
        return false;
    for (p++; p < end; p++)
        if (!isdigit((unsigned char)*p))
            return false;
    return true;
}

/* The first place that isn't the dialect's, a label, a number or a quoted name or text; NULL: none. */
static const char *foreign_place(const char *text)
{
    for (const char *p = text; *p;) {
        if (*p == '`' || *p == '\x01') {
            const char *end = strchr(p + 1, *p);
            if (!end)
                return p;
            p = end + 1;
        } else if (*p == '@' && strchr(SIGNS, p[1])) {
            p += 2;
        } else if (strncmp(p, "x_", 2) == 0 || (isalpha((unsigned char)*p) && is_label(p, word_end(p)))) {
            p = word_end(p);
        } else if (isdigit((unsigned char)*p) || (*p == '-' && isdigit((unsigned char)p[1]))) {
            p = number_end(p + 1);
        } else if (*p == '(' || *p == ')' || *p == ' ') {
            p++;
        } else {
            return p;
        }
    }
    return NULL;
}

/* ---- Statements ---- */

static const struct translate_column columns[] = {
    {.name = "a", .affinity = TRANSLATE_AFFINITY_INTEGER, .is_rowid_alias = true, .flags = TRANSLATE_HAS_INTEGER},
    {.name = "b", .affinity = TRANSLATE_AFFINITY_TEXT, .flags = TRANSLATE_HAS_TEXT | TRANSLATE_HAS_NULL},
    {.name = "c",
     .affinity = TRANSLATE_AFFINITY_REAL,
     .flags = TRANSLATE_HAS_REAL | TRANSLATE_HAS_NULL | TRANSLATE_NOT_WHOLE | TRANSLATE_NEGATIVE_ZERO},
    {.name = "d",
     .affinity = TRANSLATE_AFFINITY_NUMERIC,
     .flags = TRANSLATE_HAS_REAL | TRANSLATE_HAS_INTEGER | TRANSLATE_NOT_WHOLE},
    {.name = "e", .affinity = TRANSLATE_AFFINITY_BLOB, .flags = TRANSLATE_HAS_BLOB | TRANSLATE_HAS_NULL},
    {.name = "big", .affinity = TRANSLATE_AFFINITY_INTEGER, .flags = TRANSLATE_HAS_INTEGER | TRANSLATE_BIG_INTEGER},
    {.name = "nick",
     .affinity = TRANSLATE_AFFINITY_TEXT,
     .collation = "NOCASE",
     .flags = TRANSLATE_HAS_TEXT | TRANSLATE_NON_ASCII},
};
static const struct translate_table table = {
    .name = "t", .id = 7, .columns = columns, .column_count = 7, .mirrored = true};

static const struct translate_table *find_table(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    return (name[0] == 't' || name[0] == 'u') && strlen(name) <= 2 ? &table : NULL;
}

static const char *find_view(void *context, const char *schema, const char *name)
{
    (void)context;
    (void)schema;
    return strcmp(name, "small") == 0 ? "CREATE VIEW small(n, cost) AS SELECT a, c FROM t WHERE c < 5.5" : NULL;
}

static bool translates(const char *text, size_t len, const struct sql_normal *held, enum translate_encoding encoding)
{
    struct sql_tree *tree = NULL;
    struct translation *translation = NULL;
    const struct translate_catalog catalog = {.table = find_table, .view = find_view, .encoding = encoding};
    struct translate_options options = {.dialect = &other};
    if (held) {
        options.hold = true;
        options.literals = held->literals;
        options.literal_count = held->literal_count;
    }
    if (sql_parse(text, len, &tree, NULL) != RHEI_OK)
        return false;
    assert_int_equal(translate_select(tree, &catalog, &options, &translation, NULL), RHEI_OK);
    const char *foreign = translation->translated ? foreign_place(translation->text) : NULL;
    if (foreign)
        fail_msg("%.*s\nis translated to\n%s\nwhich has a word that isn't the dialect's at\n%.60s", (int)len, text,
                 translation->text, foreign);
    bool translated = translation->translated;
    translation_free(&translation);
    sql_tree_free(&tree);
    return translated;
}

static void test_no_word_but_the_dialects(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT * FROM t",
        "SELECT a, b AS \"x y\" FROM t WHERE a > 5 AND b LIKE 'x%' AND NOT c IS NULL ORDER BY b DESC, a LIMIT 3 OFFSET "
        "2",
        "SELECT -9223372036854775808, 1.5e10, 'it''s', x'00ff', NULL, TRUE",
        "SELECT a + 1, a - 1, a * 2, a / 2, a % 3, a & 1, a | 1, 1 << 2, a >> 2, ~a, -a, -c, d + 1, d / 2, d * d FROM "
        "t",
        "SELECT b || 'x' || a || c || d FROM t",
        "SELECT a FROM t WHERE a = 1 OR a = 2 OR a = 3 OR a = 4 OR a = 5 OR a = 6 OR a = 7 OR a = 8 OR a = 9 OR a = 10 "
        "OR a = 11 OR a = 12 OR a = 13 OR a = 14 OR a = 15 OR a = 16 OR a = 17",
        "SELECT a BETWEEN 1 AND 2, a IN (1, 2, NULL), b IN ('x'), a IN (SELECT a FROM u), d IN (1, 2.5) FROM t",
        "SELECT EXISTS (SELECT 1 FROM u WHERE u.a = t.a), (SELECT max(c) FROM u), (SELECT d FROM u WHERE u.a = 1) FROM "
        "t",
        "SELECT CASE WHEN a > 1 THEN 'x' ELSE b END, CASE a WHEN 1 THEN 2 END, CASE WHEN a THEN a ELSE c END FROM t",
        "SELECT b IS NULL, b IS 'x', b IS NOT b, a IS TRUE, a IS NOT FALSE, b GLOB 'x*', b LIKE 'x' ESCAPE 'y' FROM t",
        "SELECT nick = 'x', nick < 'y', b COLLATE NOCASE < 'x', b COLLATE RTRIM = 'x' FROM t",
        "SELECT a = c, big = c, big > 1.5, d = a, a < 'x', b < 5 FROM t",
        "SELECT CAST(b AS INTEGER), CAST(b AS REAL), CAST(a AS TEXT), CAST(c AS INTEGER), CAST(d AS TEXT) FROM t",
        "SELECT abs(a), abs(c), abs(b), coalesce(b, 'x'), ifnull(a, 1), concat(b, a), hex(b), hex(e), iif(a, 1, 2) "
        "FROM t",
        "SELECT instr(b, 'x'), length(b), length(e), octet_length(b), lower(b), upper(nick), min(a, 2), max(b, 'x') "
        "FROM t",
        "SELECT ltrim(b), rtrim(b, 'x'), trim(b), nullif(a, 1), replace(b, 'x', 'y'), round(c), round(c, 2), sign(a) "
        "FROM t",
        "SELECT substr(b, 1), substr(b, 1, 2), substr(b, a), substr(b, a, 2), typeof(a), typeof(d), unicode(b) FROM t",
        "SELECT date(b), time(b), datetime(b), strftime('%Y', b), julianday(b), unixepoch(b, '+1 day') FROM t",
        "SELECT count(*), count(b), count(DISTINCT b), sum(a), sum(c), avg(a), avg(c), total(a), total(c), min(b), "
        "max(a) FROM t",
        "SELECT sum(d), avg(d), min(d), max(d), sum(big + 1), sum(a) FILTER (WHERE b > 'x'), sum(NULL), avg(NULL) FROM "
        "t",
        "SELECT group_concat(b), group_concat(b, ';' ORDER BY a DESC), string_agg(b, '-') FROM t",
        "SELECT b, count(*) FROM t GROUP BY b HAVING sum(big) > 5 ORDER BY 2 DESC NULLS LAST",
        "SELECT DISTINCT b FROM t ORDER BY b NULLS LAST",
        "SELECT a, row_number() OVER (ORDER BY a), rank() OVER (PARTITION BY b ORDER BY a), ntile(3) OVER (ORDER BY a) "
        "FROM t",
        "SELECT lag(a) OVER w, lead(b, 2, 'x') OVER w, first_value(d) OVER w, nth_value(a, 2) OVER w, cume_dist() OVER "
        "w, "
        "dense_rank() OVER w, percent_rank() OVER w, last_value(a) OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT sum(c) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING EXCLUDE TIES) FROM t",
        "SELECT count(*) OVER (ORDER BY a RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
        "SELECT count(*) OVER (ORDER BY a GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE GROUP) FROM t",
        "SELECT count(*) OVER (ORDER BY a ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM t",
        "SELECT t.a, u.b FROM t JOIN u ON t.a = u.a LEFT JOIN (SELECT a FROM t) AS v USING (a), (SELECT 1 AS one)",
        "SELECT t.a FROM t RIGHT JOIN u ON t.a = u.a",
        "SELECT t.a FROM t FULL JOIN u ON t.a = u.a",
        "SELECT t.a FROM (t CROSS JOIN u) WHERE (t.a = 1 AND u.a = 2) OR (t.a = 2 AND u.a = 3)",
        "WITH w AS (SELECT a, d FROM t), v AS MATERIALIZED (SELECT 1), n AS NOT MATERIALIZED (SELECT 2) SELECT * FROM "
        "w, v, n",
        "VALUES (1, 'x', NULL), (2, 'y', 2.5), (3, 'z', 3)",
        "SELECT a, b FROM t UNION SELECT a, b FROM u",
        "SELECT a FROM t UNION ALL SELECT c FROM u ORDER BY 1 LIMIT 3",
        "SELECT a FROM t INTERSECT SELECT a FROM u EXCEPT VALUES (1), (2)",
        "SELECT n, cost FROM small WHERE cost > 1",
        "SELECT a, sum(c) AS s FROM t GROUP BY a % 7 = 1, a ORDER BY s DESC LIMIT 5",
        "SELECT count(*) FROM t WHERE d > 1 AND b > 'x' HAVING count(*) > 0",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!translates(texts[i], strlen(texts[i]), NULL, TRANSLATE_UTF8))
            fail_msg("not translated: %s", texts[i]);
    assert_true(translates("SELECT nick FROM t WHERE b COLLATE BINARY < 'x' ORDER BY e", 58, NULL, TRANSLATE_UTF16LE));
}

static void test_no_word_but_the_dialects_in_any_statement(void **state)
{
    (void)state;
    struct sql_random random = {.state = sql_random_seed()};
    struct sql_normal normal = {0};
    uint32_t translated = 0;
    for (int i = 0; i < 8000; i++) {
        sql_random_select(&random);
        bool held = i % 2 && sql_normalise(random.text.data, random.text.len, &normal, NULL) == RHEI_OK;
        translated +=
            translates(random.text.data, random.text.len, held ? &normal : NULL, (enum translate_encoding)(i % 3));
    }
    assert_true(translated > 500);
    sql_normal_reset(&normal);
    base_buffer_reset(&random.text);
}

static void test_a_word_that_slips_in_is_seen(void **state)
{
    (void)state;
    assert_non_null(foreign_place("x_SELECT c1 FROM x_t"));
    assert_non_null(foreign_place("(s1@.`a` + 1)"));
    assert_non_null(foreign_place("x_coalesce(c1, 2)"));
    assert_null(foreign_place("x_SELECT s1@.`FROM` x_AS c12@, \x01"
                              "it is\x01 @+ 1.5e-10"));
}

static void test_dialects_have_names(void **state)
{
    (void)state;
    assert_string_equal(translate_dialect_of("duckdb")->name, "duckdb");
    assert_null(translate_dialect_of("sqlite"));
    assert_null(translate_dialect_of(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_word_but_the_dialects),
        cmocka_unit_test(test_no_word_but_the_dialects_in_any_statement),
        cmocka_unit_test(test_a_word_that_slips_in_is_seen),
        cmocka_unit_test(test_dialects_have_names),
    };
    return cmocka_run_group_tests(tests, make_dialect, free_dialect);
}
