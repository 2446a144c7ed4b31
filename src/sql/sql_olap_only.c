/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that only the column store can read.
 *
 * Default deny: SQLite's parser must have stopped, and stopped just where a construct stands that SQLite's grammar doesn't
 * have. So neither a typo nor what SQLite refuses for its meaning (a name, an aggregate's place, a number that is too
 * big) becomes another engine's question, wherever else in the text a word of the column store's may stand.
 *
 * Two constructs parse in SQLite's grammar and can hardly be meant there: ROLLUP and CUBE as functions right behind
 * GROUP BY, and a list in brackets, which SQLite reads as a quoted name with commas in it.
 */
#include <string.h>

#include "base/base_map.h"
#include "sql/sql.h"
#include "sql/sql_lexer.h"
#include "sql_grammar.h"

enum { BEFORE = 4, DEPTH = 64 };

/* What stands around a token. */
struct place {
    struct sql_token at, next;
    struct sql_token before[BEFORE]; /* [0] is the one right before */
    struct sql_token first;          /* of the statement, behind EXPLAIN */
    int depth;
    struct {
        struct sql_token before, first; /* an open bracket: the token before it, and the first inside */
    } open[DEPTH];
};

static bool is_word(struct sql_token token, const char *word)
{
    return token.text && base_fold_equal(token.text, token.length, word, strlen(word));
}

static bool is_one_of(struct sql_token token, const char *const *words)
{
    for (; *words; words++)
        if (is_word(token, *words))
            return true;
    return false;
}

static bool is_sign(struct sql_token token, char sign)
{
    return token.text && token.length >= 1 && token.text[0] == sign && token.code != SQL_T_STRING;
}

static bool adjacent(struct sql_token a, struct sql_token b)
{
    return a.text && a.text + a.length == b.text;
}

static bool is_bracketed(struct sql_token token)
{
    return token.code == SQL_T_ID && is_sign(token, '[');
}

/* What an expression may end with. */
static bool ends_operand(struct sql_token token)
{
    return token.code == SQL_T_STRING || token.code == SQL_T_INTEGER || token.code == SQL_T_FLOAT ||
           token.code == SQL_T_RP || token.code == SQL_T_NULL || token.code == SQL_T_ID ||
           (token.text && token.length && sql_is_name_byte((unsigned char)token.text[0]));
}

/* Takes the place's token into what stands before it, and the next one up. */
static void step(struct place *p, const char *text, size_t len)
{
    bool explains = is_word(p->at, "explain") || (is_word(p->at, "analyze") && is_word(p->before[0], "explain"));
    if (!p->first.text && p->at.text && !explains)
        p->first = p->at;
    if (p->depth > 0 && p->depth <= DEPTH && !p->open[p->depth - 1].first.text)
        p->open[p->depth - 1].first = p->at;
    if (p->at.code == SQL_T_LP && p->depth++ < DEPTH) {
        p->open[p->depth - 1].before = p->before[0];
        p->open[p->depth - 1].first = (struct sql_token){0};
    } else if (p->at.code == SQL_T_RP && p->depth > 0) {
        p->depth--;
    }
    memmove(p->before + 1, p->before, (BEFORE - 1) * sizeof p->before[0]);
    p->before[0] = p->at;
    p->at = p->next;
    size_t used = (size_t)(p->at.text - text) + p->at.length;
    p->next = sql_lex_word(text + used, len - used);
}

static void start(struct place *p, const char *text, size_t len)
{
    *p = (struct place){.at = sql_lex_word(text, len)};
    size_t used = (size_t)(p->at.text - text) + p->at.length;
    p->next = sql_lex_word(text + used, len - used);
}

/* ---- Constructs, each by the token at which SQLite stops ---- */

/* Does the query, or the bracket around the place, begin here? */
static bool begins_query(const struct place *p)
{
    static const char *const operators[] = {"union", "all", "intersect", "except", NULL};
    static const char *const explains[] = {"explain", "analyze", NULL};
    bool after_with = is_word(p->first, "with") && p->before[0].code == SQL_T_RP && p->depth == 0;
    return !p->before[0].text || p->before[0].code == SQL_T_LP || p->before[0].code == SQL_T_SEMI || after_with ||
           is_one_of(p->before[0], operators) || is_one_of(p->before[0], explains);
}

static const char *leading_word(const struct place *p)
{
    static const char *const words[] = {"pivot", "unpivot", "summarize", "describe", NULL};
    if (!begins_query(p))
        return NULL;
    if (p->at.code == SQL_T_FROM)
        return "FROM without SELECT";
    bool operand = p->next.code != SQL_LEX_END && p->next.code != SQL_T_SEMI; /* DESCRIBE alone lists tables */
    if (is_one_of(p->at, words) && operand)
        return is_word(p->at, "summarize") ? "SUMMARIZE" : is_word(p->at, "describe") ? "DESCRIBE" : "PIVOT";
    return NULL;
}

static const char *clause(const struct place *p)
{
    static const char *const pivots[] = {"pivot", "unpivot", NULL};
    static const char *const samples[] = {"sample", "tablesample", NULL};
    struct sql_token before = p->before[0];
    if (is_word(p->at, "qualify") || is_word(before, "qualify"))
        return "QUALIFY";
    if ((is_one_of(p->at, pivots) && p->next.code == SQL_T_LP) ||
        (is_one_of(before, pivots) && p->at.code == SQL_T_LP) ||
        (p->depth > 0 && p->depth <= DEPTH && is_one_of(p->open[p->depth - 1].first, pivots)))
        return "PIVOT";
    if ((before.code == SQL_T_USING && is_word(p->at, "sample")) ||
        (p->at.code == SQL_T_USING && is_word(p->next, "sample")) || is_one_of(before, samples) ||
        is_word(p->at, "tablesample"))
        return "SAMPLE";
    if (before.code == SQL_T_BY && p->at.code == SQL_T_ALL)
        return is_word(p->before[1], "group") ? "GROUP BY ALL" : "ORDER BY ALL";
    if (is_word(before, "grouping") && is_word(p->at, "sets"))
        return "GROUPING SETS";
    if (before.code == SQL_T_DISTINCT && p->at.code == SQL_T_ON)
        return "DISTINCT ON";
    if (p->at.code == SQL_T_BY && is_word(p->next, "name") && (is_word(before, "union") || is_word(before, "all")))
        return "UNION BY NAME";
    if ((before.code == SQL_T_REM && p->before[2].code == SQL_T_LIMIT) ||
        (is_word(p->at, "percent") && p->before[1].code == SQL_T_LIMIT))
        return "LIMIT in percent";
    return NULL;
}

static const char *join(const struct place *p)
{
    static const char *const kinds[] = {"asof", "positional", "semi", "anti", NULL};
    static const char *const joins[] = {"join", "left", "right", "inner", "full", "outer", NULL};
    if (is_one_of(p->at, kinds) && is_one_of(p->next, joins))
        return "ASOF, POSITIONAL, SEMI and ANTI joins";
    if ((is_word(p->before[1], "lateral") && p->before[0].code == SQL_T_LP) ||
        (is_word(p->at, "lateral") && p->next.code == SQL_T_LP))
        return "LATERAL";
    return NULL;
}

static bool behind_star(const struct place *p)
{
    struct sql_token star = p->before[0], before = p->before[1];
    return star.code == SQL_T_STAR && (before.code == SQL_T_SELECT || before.code == SQL_T_COMMA ||
                                       before.code == SQL_T_DISTINCT || before.code == SQL_T_DOT);
}

static const char *star(const struct place *p)
{
    static const char *const words[] = {"exclude", "replace", "rename", NULL};
    return behind_star(p) && is_one_of(p->at, words) ? "* EXCLUDE, REPLACE and RENAME" : NULL;
}

static const char *operator_of(const struct place *p)
{
    static const char *const likes[] = {"ilike", "similar", NULL};
    struct sql_token before = p->before[0];
    if (p->at.code == SQL_LEX_ILLEGAL && is_sign(p->at, ':') && is_sign(p->next, ':') && adjacent(p->at, p->next) &&
        ends_operand(before))
        return "::";
    if (p->at.code == SQL_LEX_ILLEGAL && is_sign(p->at, ':') && is_sign(p->next, '=') && adjacent(p->at, p->next))
        return ":=";
    if (p->at.code == SQL_T_SLASH && before.code == SQL_T_SLASH && adjacent(before, p->at))
        return "//";
    if (p->at.code == SQL_T_STAR && before.code == SQL_T_STAR && adjacent(before, p->at))
        return "**";
    if ((is_one_of(p->at, likes) && (ends_operand(before) || before.code == SQL_T_NOT)) ||
        (is_one_of(before, likes) && (p->at.code == SQL_T_STRING || is_word(p->at, "to"))))
        return "ILIKE and SIMILAR TO";
    if (is_bracketed(p->at) && adjacent(before, p->at) && ends_operand(before))
        return "subscripts";
    if (p->at.code == SQL_T_SELECT && before.code == SQL_T_LP && is_word(p->before[1], "any"))
        return "ANY and ALL";
    return NULL;
}

static const char *value(const struct place *p)
{
    static const char *const typed[] = {"date", "timestamp", "timestamptz", "time", NULL};
    static const char *const nulls[] = {"ignore", "respect", NULL};
    struct sql_token before = p->before[0];
    if (p->at.code == SQL_LEX_ILLEGAL && is_sign(p->at, '{'))
        return "STRUCT literals";
    if (is_word(before, "interval") && (p->at.code == SQL_T_STRING || p->at.code == SQL_T_INTEGER))
        return "INTERVAL";
    if (is_one_of(before, typed) && p->at.code == SQL_T_STRING)
        return "DATE and TIMESTAMP literals";
    if (p->at.code == SQL_T_FROM && p->before[1].code == SQL_T_LP && is_word(p->before[2], "extract"))
        return "EXTRACT";
    if (p->at.code == SQL_T_AS && p->depth > 0 && p->depth <= DEPTH &&
        is_word(p->open[p->depth - 1].before, "try_cast"))
        return "TRY_CAST";
    if (is_word(before, "lambda") && p->at.code == SQL_T_ID)
        return "lambda";
    if (is_one_of(p->at, nulls) && p->next.code == SQL_T_NULLS)
        return "IGNORE NULLS";
    return NULL;
}

static const char *construct_at(const struct place *p)
{
    const char *(*const kinds[])(const struct place *) = {leading_word, clause, join, star, operator_of, value};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !found; i++)
        found = kinds[i](p);
    return found;
}

/* ---- The two that SQLite's grammar takes for something else ---- */

static bool is_list(struct sql_token token)
{
    return is_bracketed(token) && memchr(token.text, ',', token.length);
}

static const char *misread_at(const struct place *p)
{
    static const char *const groups[] = {"rollup", "cube", NULL};
    if (p->before[0].code == SQL_T_BY && is_word(p->before[1], "group") && is_one_of(p->at, groups) &&
        p->next.code == SQL_T_LP)
        return "ROLLUP and CUBE";
    bool query = p->at.code == SQL_T_SELECT || p->at.code == SQL_T_WITH || p->at.code == SQL_T_FROM;
    if (query && is_word(p->before[0], "analyze") && is_word(p->before[1], "explain"))
        return "EXPLAIN ANALYZE"; /* no grammar of ours looks behind ANALYZE */
    return is_list(p->at) ? "LIST literals" : NULL;
}

static bool only_reads(const struct place *p)
{
    static const char *const words[] = {"select", "values",  "with",      "from",     "(",
                                        "pivot",  "unpivot", "summarize", "describe", NULL};
    return is_one_of(p->first.text ? p->first : p->at, words);
}

const char *sql_olap_construct(const char *text, size_t len)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct sql_tree *tree = NULL;
    len = text ? strnlen(text, len) : 0;
    rhei_status status = len ? sql_parse(text, len, &tree, &error) : RHEI_INVALID;
    bool parsed = status == RHEI_OK;
    if (!parsed && (status != RHEI_SQL || error.sql_offset < 0))
        return NULL;
    size_t stop = parsed ? len : (size_t)error.sql_offset;
    bool reads = !parsed || tree->kind == SQL_KIND_SELECT || (tree->explain && tree->kind == SQL_KIND_ANALYZE);
    sql_tree_free(&tree);
    struct place p;
    const char *found = NULL;
    for (start(&p, text, len); (size_t)(p.at.text - text) < stop && p.at.code != SQL_LEX_END; step(&p, text, len)) {
        if (p.depth > DEPTH)
            return NULL;
        if (parsed && !found)
            found = misread_at(&p);
    }
    if (!parsed)
        found = construct_at(&p);
    return reads && only_reads(&p) ? found : NULL;
}

/* A comma may have one of these behind it in no dialect that means what it says. */
static bool ends_list(const struct sql_token *token)
{
    static const char *const words[] = {"FROM",  "WHERE", "GROUP",     "HAVING", "ORDER",
                                        "LIMIT", "UNION", "INTERSECT", "EXCEPT", "QUALIFY"};
    if (token->code == SQL_LEX_END || token->text[0] == ';' || token->text[0] == ')')
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (base_fold_equal(token->text, token->length, words[i], strlen(words[i])))
            return true;
    return false;
}

bool sql_ends_in_comma(const char *text, size_t len)
{
    const char *end = text + len;
    struct sql_token before = {.code = SQL_LEX_END}, token = sql_lex_word(text, len);
    while (token.code != SQL_LEX_END) {
        before = token;
        text = token.text + token.length;
        token = sql_lex_word(text, (size_t)(end - text));
        if (before.length == 1 && before.text[0] == ',' && ends_list(&token))
            return true;
    }
    return false;
}
