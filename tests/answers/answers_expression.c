/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions by templates. In a template `$` and a letter stand for:
 *   i integer  r real  t text  d date  b truth value  x BLOB  a anything  s one flavour for the whole template
 *   k small integer  p pattern  m date modifier  f date format  c collation  l list of s  q scalar subquery of s
 *   w window definition  o ORDER BY terms
 */
#include <stdio.h>
#include <string.h>

#include "answers_select.h"

#define COUNT_OF(list) ((uint32_t)(sizeof(list) / sizeof((list)[0])))

static const char *const integer_forms[] = {
    "($i + $i)",
    "($i - $i)",
    "($i * $i)",
    "($i / $i)",
    "($i % $i)",
    "(-$i)",
    "($i / $k)",
    "($i % $k)",
    "(+$i)",
    "($i & $i)",
    "($i | $i)",
    "($i << $k)",
    "($i >> $k)",
    "(~$i)",
    "length($t)",
    "length($a)",
    "octet_length($t)",
    "instr($t, $t)",
    "unicode($t)",
    "CAST($r AS INTEGER)",
    "CAST($t AS INTEGER)",
    "CAST($a AS INTEGER)",
    "abs($i)",
    "sign($r)",
    "sign($i)",
    "unixepoch($d)",
    "coalesce($i, $i)",
    "ifnull($i, $i)",
    "nullif($i, $i)",
    "iif($b, $i, $i)",
    "max($i, $i)",
    "min($i, $i)",
    "max($i, $i, $i)",
    "CASE WHEN $b THEN $i ELSE $i END",
    "CASE WHEN $b THEN $i END",
    "CASE $s WHEN $s THEN $i WHEN $s THEN $i ELSE $k END",
    "($q)",
    "$b",
    "CAST(strftime('%Y', $d) AS INTEGER)",
    "CAST(strftime('%m', $d) AS INT)",
    "($i + $k)",
    "($i * $k)",
    "length($x)",
    "0x1F",
    "(0x10 + $i)",
    "($i <> $i)",
    "(- -$i)",
    "($t > $t)",
    "($i = 0)",
    "length(upper($t))",
    "json_array_length('[1,2]')",
    "CAST($b AS INTEGER)",
    "likely($i)",
    "length(CAST($r AS TEXT))",
    "round($i)",
    "CAST($d AS INTEGER)",
    "($t % $k)",
    "($k % $t)",
    "($t % $t)",
    "($r % $t)",
    "($t & $k)",
    "($t | $t)",
    "($t >> 1)",
    "($t << 2)",
    "(~$t)",
    "(~$a)",
    "($a & $a)",
    "($a % $k)",
    "- -9_223_372_036_854_775_808",
    "-9_223_372_036_854_775_808",
    "(1_000 + $i)",
};
static const char *const real_forms[] = {
    "($r + $r)",
    "($r - $r)",
    "($r * $r)",
    "($r / $r)",
    "(-$r)",
    "($r + $i)",
    "($i * $r)",
    "($r / $i)",
    "($i - $r)",
    "($r / $k)",
    "($r % $i)",
    "round($r)",
    "round($r, $k)",
    "round($r, 2)",
    "round($r, 1)",
    "abs($r)",
    "CAST($i AS REAL)",
    "CAST($t AS REAL)",
    "CAST($r AS NUMERIC)",
    "CAST($t AS NUMERIC)",
    "julianday($d)",
    "coalesce($r, $r)",
    "coalesce($r, $k)",
    "ifnull($r, 0)",
    "nullif($r, $r)",
    "iif($b, $r, $r)",
    "iif($b, $r, $i)",
    "max($r, $r)",
    "min($r, $i)",
    "CASE WHEN $b THEN $r ELSE 0 END",
    "CASE WHEN $b THEN $r ELSE $r END",
    "($q)",
    "($r * 1.0)",
    "(1.0 * $i / $i)",
    "($r + 0.1)",
    "sqrt($r)",
    "floor($r)",
    "ceil($r)",
    "trunc($r)",
    "pow($r, 2)",
    "ln($r)",
    "mod($r, $k)",
    "(julianday($d) - julianday($d))",
    "CAST($a AS REAL)",
    "round($r * 100) / 100",
    "1e3",
    "($r * 1e3)",
    ".5",
    "($r - $r + $r)",
    "(0 - $r)",
    "($r * -1)",
    "round(-$r, 2)",
    "round($r, 0)",
    "round($r / 3, 3)",
    "($r * 0)",
    "(0.0 * $r)",
    "abs($r - $r)",
    "($i + 0.0)",
    "($i * 1e0)",
    "total_changes() * 0",
};
static const char *const text_forms[] = {
    "($t || $t)",
    "($t || $i)",
    "($t || $r)",
    "($r || '')",
    "upper($t)",
    "lower($t)",
    "substr($t, $k)",
    "substr($t, $k, $k)",
    "substr($t, $i, $i)",
    "substr($t, 1, 3)",
    "trim($t)",
    "ltrim($t)",
    "rtrim($t)",
    "trim($t, $t)",
    "rtrim($t, 'a')",
    "replace($t, $t, $t)",
    "replace($t, 'a', 'bb')",
    "CAST($i AS TEXT)",
    "CAST($r AS TEXT)",
    "CAST($x AS TEXT)",
    "printf('%d', $i)",
    "printf('%.2f', $r)",
    "format('%s-%5d', $t, $i)",
    "hex($t)",
    "hex($x)",
    "quote($a)",
    "typeof($a)",
    "typeof($i)",
    "typeof($r)",
    "char($i, 65)",
    "coalesce($t, $t)",
    "coalesce($t, '')",
    "ifnull($t, $t)",
    "nullif($t, $t)",
    "iif($b, $t, $t)",
    "CASE WHEN $b THEN $t ELSE $t END",
    "max($t, $t)",
    "CASE $t WHEN $t THEN $t ELSE $t END",
    "concat($a, $a)",
    "concat_ws(',', $t, $t)",
    "($q)",
    "($t COLLATE $c)",
    "strftime($f, $d)",
    "date($d)",
    "soundex($t)",
    "substr($d, 1, 7)",
    "substr($d, 1, 4)",
    "json_quote($t)",
    "substring($t, $k, 2)",
    "CAST($a AS TEXT)",
    "upper(substr($t, 1, 1))",
    "($t || ' ' || $t)",
    "min($t, $t)",
    "json_extract('{\"a\":1}', '$.a')",
    "unhex(hex($t))",
    "CAST($d AS TEXT)",
};
static const char *const date_forms[] = {
    "date($d)",
    "datetime($d)",
    "time($d)",
    "date($d, $m)",
    "datetime($d, $m)",
    "date($d, $m, $m)",
    "strftime($f, $d)",
    "strftime($f, $d, $m)",
    "strftime('%Y-%m', $d)",
    "coalesce($d, $d)",
    "max($d, $d)",
    "substr($d, 1, 10)",
    "date($r)",
    "datetime($i, 'unixepoch')",
    "iif($b, $d, $d)",
};
static const char *const truth_forms[] = {
    "($s = $s)",
    "($s <> $s)",
    "($s < $s)",
    "($s <= $s)",
    "($s > $s)",
    "($s >= $s)",
    "($s == $s)",
    "($s IS $s)",
    "($s IS NOT $s)",
    "($s IS DISTINCT FROM $s)",
    "($s IS NOT DISTINCT FROM $s)",
    "($t LIKE $p)",
    "($t NOT LIKE $p)",
    "($t LIKE $t)",
    "($t GLOB $p)",
    "($t LIKE $p ESCAPE '\\')",
    "($a LIKE $p)",
    "($s BETWEEN $s AND $s)",
    "($s NOT BETWEEN $s AND $s)",
    "($s IN ($l))",
    "($s NOT IN ($l))",
    "($s IN ($q))",
    "($s NOT IN ($q))",
    "(EXISTS ($q))",
    "(NOT EXISTS ($q))",
    "($b AND $b)",
    "($b OR $b)",
    "(NOT $b)",
    "($a IS NULL)",
    "($a NOT NULL)",
    "($a ISNULL)",
    "($b IS TRUE)",
    "($b IS NOT FALSE)",
    "(($s, $i) = ($s, $i))",
    "(($s, $i) < ($s, $i))",
    "(($i, $s) IN (($i, $s), ($i, $s)))",
    "($s COLLATE $c = $s)",
    "($s = $s COLLATE $c)",
    "($t COLLATE $c IN ($t, $t))",
    "($i = $r)",
    "($i < $r)",
    "($r > $k)",
    "($i > $k)",
    "($d >= $d)",
    "($d LIKE '2020%')",
    "(instr($t, 'a') > 0)",
    "($s = ($q))",
    "($s > ($q))",
    "($i BETWEEN $k AND $k)",
    "($i IN (1, 2, 3))",
    "($t IN ('a', 'b', 'Hello'))",
    "($a = $a)",
    "($a < $a)",
    "($i OR $b)",
    "($s IN ())",
    "(CASE WHEN $b THEN $b ELSE $b END)",
    "coalesce($b, 0)",
    "($t < $t)",
    "($t = $i)",
    "($t > $k)",
    "(date($d) = date($d))",
    "($t LIKE $p ESCAPE '%')",
    "($t LIKE $p ESCAPE '_')",
    "($t LIKE $p ESCAPE 'é')",
    "($t LIKE $p ESCAPE 'a')",
    "($t LIKE $p ESCAPE '')",
    "($t LIKE $p ESCAPE NULL)",
    "($t LIKE $t ESCAPE '\\')",
    "like($p, $t, '_')",
    "($a IS TRUE COLLATE $c)",
    "($a IS NOT TRUE COLLATE $c)",
    "($b IS (FALSE COLLATE $c))",
    "($s IS NOT likely(TRUE))",
    "(($q) = $s COLLATE $c)",
    "(($q) IN ($l))",
    "(($q) BETWEEN $s AND $s)",
    "($t = ($q))",
    "(CASE ($q) WHEN $s THEN 1 ELSE 0 END)",
    "(($q) IS $s)",
    "(max(($q), $s) = $s)",
};
static const char *const blob_forms[] = {
    "CAST($t AS BLOB)",
    "CAST($i AS BLOB)",
    "zeroblob($k)",
    "substr($x, $k, $k)",
    "coalesce($x, $x)",
    "iif($b, $x, $x)",
    "($q)",
    "nullif($x, $x)",
    "max($x, $x)",
    "unhex('4142')",
    "CASE WHEN $b THEN $x ELSE $x END",
};
static const char *const any_forms[] = {
    "iif($b, $a, $a)",
    "coalesce($a, $a)",
    "CASE WHEN $b THEN $i ELSE $t END",
    "CASE WHEN $b THEN $r ELSE $t END",
    "($q)",
    "nullif($a, $a)",
    "max($a, $a)",
    "min($a, $a)",
    "(+$a)",
    "($a + 0)",
    "(-$a)",
    "CAST($a AS NUMERIC)",
    "likely($a)",
    "CASE WHEN $b THEN $i ELSE $r END",
    "ifnull($a, $a)",
    "abs($a)",
    "($a + $a)",
    "round($a, $k)",
    "json_extract('[1,2.5,\"x\"]', '$[' || $k || ']')",
};
static const char *const aggregate_forms[] = {
    "count(*)",
    "count(*)",
    "count($a)",
    "count(DISTINCT $s)",
    "sum($i)",
    "sum($r)",
    "sum($r)",
    "sum(DISTINCT $i)",
    "sum(DISTINCT $r)",
    "avg($i)",
    "avg($r)",
    "avg(DISTINCT $r)",
    "total($r)",
    "total($i)",
    "min($i)",
    "max($i)",
    "min($r)",
    "max($r)",
    "min($t)",
    "max($t)",
    "min($d)",
    "max($d)",
    "min($a)",
    "max($a)",
    "min(DISTINCT $s)",
    "group_concat($t)",
    "group_concat($t, '-')",
    "group_concat(DISTINCT $t)",
    "group_concat($t, ',' ORDER BY $s)",
    "string_agg($t, ';')",
    "count(*) FILTER (WHERE $b)",
    "sum($i) FILTER (WHERE $b)",
    "sum($r) FILTER (WHERE $b)",
    "max($s) FILTER (WHERE $b)",
    "avg($r) FILTER (WHERE $b)",
    "sum($b)",
    "sum(CASE WHEN $b THEN $r ELSE 0 END)",
    "sum(CASE WHEN $b THEN 1 ELSE 0 END)",
    "round(avg($r), 2)",
    "round(sum($r), 2)",
    "coalesce(sum($i), 0)",
    "count(DISTINCT $t)",
    "max($i) - min($i)",
    "sum($r) / count(*)",
    "sum($i) / count($i)",
    "sum($r) * 100.0 / sum($r)",
    "sum($a)",
    "avg($a)",
    "sum($i + $r)",
    "median($r)",
    "json_group_array($i)",
    "count(*) > 2",
    "max(length($t))",
    "min($t COLLATE NOCASE)",
    "max(upper($t))",
    "sum($i * $i)",
    "avg($i + 0.5)",
    "sum(-$r)",
    "sum($i) * 1.0 / count(*)",
    "max($r) - min($r)",
    "sum($r) = sum($r)",
    "count($i) + count($t)",
    "total($i) / 2",
    "sum(length($t))",
    "min(date($d))",
    "sum($i) > 5",
    "coalesce(max($t), '')",
    "avg(DISTINCT $i)",
    "count(DISTINCT $r)",
    "sum($r) || ''",
    "max(CASE WHEN $b THEN $t END)",
    "sum(1)",
    "avg(1.0)",
    "group_concat($i)",
    "group_concat($r)",
    "count(DISTINCT $a)",
    "percentile($r, 50)",
    "total($a)",
    "sum($r * $i)",
    "min($x)",
    "max($x)",
    "avg(length($t))",
    "sum($t % 7)",
    "sum($t & 255)",
    "sum($i * $i) + 0",
    "CASE WHEN count(*) > 3 THEN sum($i) END",
    "abs(sum($i))",
};
static const char *const window_forms[] = {
    "row_number() OVER $w",
    "rank() OVER $w",
    "dense_rank() OVER $w",
    "percent_rank() OVER $w",
    "cume_dist() OVER $w",
    "ntile(3) OVER $w",
    "lag($s) OVER $w",
    "lag($s, 2) OVER $w",
    "lead($s) OVER $w",
    "lead($s, 1, $s) OVER $w",
    "first_value($s) OVER $w",
    "last_value($s) OVER $w",
    "nth_value($s, 2) OVER $w",
    "sum($i) OVER $w",
    "sum($r) OVER $w",
    "avg($r) OVER $w",
    "avg($i) OVER $w",
    "count(*) OVER $w",
    "count($a) OVER $w",
    "min($s) OVER $w",
    "max($s) OVER $w",
    "total($r) OVER $w",
    "group_concat($t) OVER $w",
    "sum($i) FILTER (WHERE $b) OVER $w",
    "count(*) FILTER (WHERE $b) OVER $w",
    "sum($r) OVER $w - $r",
    "row_number() OVER $w % 2",
    "round(sum($r) OVER $w, 2)",
    "max($a) OVER $w",
    "sum($i) OVER $w * 1.0 / count(*) OVER $w",
    "coalesce(lag($i) OVER $w, 0)",
    "rank() OVER $w + 1",
    "min($t) OVER $w",
    "sum(-$r) OVER $w",
    "lag($i, 0) OVER $w",
    "ntile(2) OVER $w",
    "avg($i * $r) OVER $w",
    "count(DISTINCT $i) OVER $w",
    "nth_value($s, 0) OVER $w",
    "ntile(0) OVER $w",
    "lag($s, -1) OVER $w",
    "lead($s, 0, $s) OVER $w",
    "nth_value($s, $k) OVER $w",
};
static const char *const frames[] = {
    "",
    "",
    "",
    "",
    "ROWS UNBOUNDED PRECEDING",
    "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "GROUPS 2 PRECEDING",
    "ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
    "ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING",
    "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP",
    "RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING",
    "RANGE 1.5 PRECEDING",
    "RANGE BETWEEN CURRENT ROW AND CURRENT ROW",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE NO OTHERS",
    "ROWS BETWEEN -1 PRECEDING AND 1 FOLLOWING",
    "ROWS BETWEEN CURRENT ROW AND -1 FOLLOWING",
    "GROUPS BETWEEN 0 PRECEDING AND 0 FOLLOWING",
};
static const char *const patterns[] = {
    "'%a%'",    "'a%'", "'A%'",  "'%b'",    "'_'",      "'__%'",   "'%'",     "''",
    "'a\\%b'",  "'é%'", "'*a*'", "'a*'",    "'[a-c]*'", "'?'",     "'h_llo'", "'%E%'",
    "'2020-%'", "'1%'", "'%.%'", "'[^a]*'", "NULL",     "'%\\_%'", "'%aB%'",
};
static const char *const modifiers[] = {
    "'+1 day'",    "'-1 month'",  "'start of month'", "'+1 year'", "'start of year'",
    "'weekday 1'", "'+12 hours'", "'unixepoch'",      "'auto'",    "'bad'",
    "'-7 days'",   "'subsec'",    "'+1 month'",       "'ceiling'", "NULL",
    "'+01:30'",    "'julianday'",
};
static const char *const formats[] = {
    "'%Y'",       "'%m'", "'%d'", "'%Y-%m'", "'%w'",  "'%j'", "'%H:%M'",       "'%s'",
    "'%Y-%m-%d'", "'%W'", "'%f'", "'%J'",    "'%%x'", "'%Q'", "'%u %e %I %p'",
};
static const char *const collations[] = {"NOCASE", "BINARY", "RTRIM", "NOCASE"};

static const struct {
    const char *const *forms;
    uint32_t count;
} forms_of[FLAVOUR_COUNT] = {
    {integer_forms, COUNT_OF(integer_forms)}, {real_forms, COUNT_OF(real_forms)},   {text_forms, COUNT_OF(text_forms)},
    {date_forms, COUNT_OF(date_forms)},       {truth_forms, COUNT_OF(truth_forms)}, {blob_forms, COUNT_OF(blob_forms)},
    {any_forms, COUNT_OF(any_forms)},
};

#define PICK(generator, list) ((list)[random_below(&(generator)->random, COUNT_OF(list))])

enum flavour expression_flavour(struct generator *generator)
{
    static const enum flavour often[] = {FLAVOUR_INTEGER, FLAVOUR_INTEGER, FLAVOUR_INTEGER, FLAVOUR_REAL, FLAVOUR_REAL,
                                         FLAVOUR_REAL,    FLAVOUR_TEXT,    FLAVOUR_TEXT,    FLAVOUR_TEXT, FLAVOUR_DATE,
                                         FLAVOUR_DATE,    FLAVOUR_BOOLEAN, FLAVOUR_BLOB,    FLAVOUR_ANY};
    enum flavour flavour = PICK(generator, often);
    return generator->calm && (flavour == FLAVOUR_BLOB || flavour == FLAVOUR_ANY) ? FLAVOUR_INTEGER : flavour;
}

/* ---- Leaves. ------------------------------------------------------------------------------------------------------ */

static void put_constant(struct generator *generator, enum flavour flavour, struct text *sql)
{
    struct cell cell;
    data_value(&generator->random, flavour, generator->calm, &cell);
    if (generator->parameter_count < MOST_PARAMETERS && random_chance(&generator->random, 15)) {
        struct cell *kept = &generator->parameters[generator->parameter_count++];
        *kept = cell;
        if (cell.value.type >= RHEI_TEXT)
            kept->value.as.bytes = kept->bytes;
        text_format(sql, "?%u", generator->parameter_count);
        return;
    }
    data_literal(sql, &cell.value);
}

static bool put_column(struct generator *generator, const struct scope *scope, enum flavour flavour, struct text *sql)
{
    while (scope != NULL && scope->outer != NULL && (scope->source_count == 0 || random_chance(&generator->random, 15)))
        scope = scope->outer;
    if (scope == NULL || scope->source_count == 0)
        return false;
    const struct column *chosen = NULL;
    const struct source *source = NULL;
    for (int attempt = 0; attempt < 16; attempt++) {
        source = &scope->sources[random_below(&generator->random, scope->source_count)];
        if (source->column_count == 0)
            continue;
        chosen = &source->columns[random_below(&generator->random, source->column_count)];
        if (chosen->flavour == flavour || flavour == FLAVOUR_ANY ||
            (attempt > 12 && !generator->calm && random_chance(&generator->random, 15)))
            break;
        chosen = NULL;
    }
    if (chosen == NULL)
        return false;
    if (scope->source_count > 1 || random_chance(&generator->random, 60))
        text_format(sql, "%s.", source->alias);
    text_put(sql, chosen->name);
    return true;
}

static void put_leaf(struct generator *generator, const struct scope *scope, enum flavour flavour, struct text *sql)
{
    if (random_chance(&generator->random, 22) || !put_column(generator, scope, flavour, sql))
        put_constant(generator, flavour, sql);
}

/* ---- Templates. --------------------------------------------------------------------------------------------------- */

static void put_template(struct generator *generator, const struct scope *scope, const char *form, enum flavour same,
                         int depth, struct text *sql);

static void put_order(struct generator *generator, const struct scope *scope, int depth, struct text *sql)
{
    static const char *const directions[] = {"", "", " DESC", " ASC", " NULLS LAST", " DESC NULLS FIRST"};
    uint32_t terms = 1 + random_below(&generator->random, 2);
    for (uint32_t i = 0; i < terms; i++) {
        text_put(sql, i > 0 ? ", " : "");
        expression_make(generator, scope, expression_flavour(generator), depth > 1 ? 1 : depth, sql);
        text_put(sql, PICK(generator, directions));
    }
}

static void put_window(struct generator *generator, const struct scope *scope, int depth, struct text *sql)
{
    text_put(sql, "(");
    if (random_chance(&generator->random, 50)) {
        text_put(sql, "PARTITION BY ");
        expression_make(generator, scope, expression_flavour(generator), 0, sql);
    }
    if (random_chance(&generator->random, 80)) {
        text_put(sql, " ORDER BY ");
        put_order(generator, scope, depth, sql);
    }
    text_format(sql, " %s)", PICK(generator, frames));
}

static void put_list(struct generator *generator, const struct scope *scope, enum flavour same, struct text *sql)
{
    uint32_t count = 1 + random_below(&generator->random, 4);
    for (uint32_t i = 0; i < count; i++) {
        text_put(sql, i > 0 ? ", " : "");
        if (random_chance(&generator->random, 80))
            put_constant(generator, same, sql);
        else
            put_leaf(generator, scope, same, sql);
    }
}

static void put_hole(struct generator *generator, const struct scope *scope, char hole, enum flavour same, int depth,
                     struct text *sql)
{
    static const char letters[] = "irtdbxas";
    static const enum flavour flavours[] = {FLAVOUR_INTEGER, FLAVOUR_REAL, FLAVOUR_TEXT, FLAVOUR_DATE,
                                            FLAVOUR_BOOLEAN, FLAVOUR_BLOB, FLAVOUR_ANY};
    const char *letter = strchr(letters, hole);
    if (letter != NULL) {
        expression_make(generator, scope, hole == 's' ? same : flavours[letter - letters], depth - 1, sql);
        return;
    }
    switch (hole) {
    case 'k':
        text_format(sql, "%d", (int)random_below(&generator->random, 9) - 3);
        break;
    case 'p':
        text_put(sql, PICK(generator, patterns));
        break;
    case 'm':
        text_put(sql, PICK(generator, modifiers));
        break;
    case 'f':
        text_put(sql, PICK(generator, formats));
        break;
    case 'c':
        text_put(sql, PICK(generator, collations));
        break;
    case 'l':
        put_list(generator, scope, same, sql);
        break;
    case 'q':
        select_scalar(generator, scope, same, sql);
        break;
    case 'w':
        put_window(generator, scope, depth, sql);
        break;
    default:
        text_format(sql, "$%c", hole);
    }
}

static void put_template(struct generator *generator, const struct scope *scope, const char *form, enum flavour same,
                         int depth, struct text *sql)
{
    for (const char *at = form; *at != '\0'; at++)
        if (*at == '$' && at[1] != '.' && at[1] != '[')
            put_hole(generator, scope, *++at, same, depth, sql);
        else
            text_bytes(sql, at, 1);
}

/* In a calm statement, only what the column store may well do. */
static const char *pick_form(struct generator *generator, const char *const *forms, uint32_t count)
{
    static const char *const rare[] = {"json",     "sqrt",    "pow(",       "ln(",       "floor",   "ceil",
                                       "trunc",    "mod(",    "printf",     "format(",   "quote",   "hex(",
                                       "zeroblob", "soundex", "char(",      "concat_ws", "BLOB",    "$x",
                                       "$a",       "median",  "percentile", "nth_value", "NUMERIC", "COLLATE"};
    const char *form = NULL;
    for (int attempt = 0; attempt < 6; attempt++) {
        form = forms[random_below(&generator->random, count)];
        bool usual = true;
        for (uint32_t i = 0; generator->calm && i < COUNT_OF(rare); i++)
            usual = usual && strstr(form, rare[i]) == NULL;
        if (usual)
            break;
    }
    return form;
}

void expression_make(struct generator *generator, const struct scope *scope, enum flavour flavour, int depth,
                     struct text *sql)
{
    if (!generator->calm && random_chance(&generator->random, 4))
        flavour = expression_flavour(generator);
    if (depth <= 0 || --generator->budget < 0 || random_chance(&generator->random, 25)) {
        put_leaf(generator, scope, flavour, sql);
        return;
    }
    const char *form = pick_form(generator, forms_of[flavour].forms, forms_of[flavour].count);
    bool asks = strstr(form, "$q") != NULL;
    if (asks && (depth < 2 || random_chance(&generator->random, 50))) {
        put_leaf(generator, scope, flavour, sql);
        return;
    }
    enum flavour same =
        flavour == FLAVOUR_BOOLEAN || flavour == FLAVOUR_INTEGER ? expression_flavour(generator) : flavour;
    if (asks && form[0] == '(' && form[1] == '$')
        same = strcmp(form, "($q)") == 0 ? flavour : same;
    put_template(generator, scope, form, same, depth, sql);
}

void expression_aggregate(struct generator *generator, const struct scope *scope, int depth, struct text *sql)
{
    put_template(generator, scope, pick_form(generator, aggregate_forms, COUNT_OF(aggregate_forms)),
                 expression_flavour(generator), depth, sql);
}

void expression_window(struct generator *generator, const struct scope *scope, int depth, struct text *sql)
{
    put_template(generator, scope, pick_form(generator, window_forms, COUNT_OF(window_forms)),
                 expression_flavour(generator), depth, sql);
}
