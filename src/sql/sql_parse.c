/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to tree: finds the statement, tells its kind from its first words, and feeds lemon's parser where there is a
 * grammar for it.
 *
 * Nesting can't overflow anything: the parser's own stack grows on the heap up to STACK_MAX symbols (a level costs at
 * most seven), and nodes refuse to grow higher than SQL_MAX_DEPTH.
 */
#include "sql/sql.h"

#include <stdalign.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "sql/sql_build.h"
#include "sql/sql_facts.h"
#include "sql/sql_split.h"
#include "sql_grammar.h"

enum { STACK_MAX = 7 * SQL_MAX_DEPTH, PARSER_BYTES = 8192 };

/* Made by lemon. */
void sql_grammarInit(void *parser, struct sql_parser *p);
void sql_grammarFinalize(void *parser);
void sql_grammar(void *parser, int code, struct sql_token token);
size_t sql_grammar_depth(const void *parser);
size_t sql_grammar_size(void);
int sql_grammar_is_name(int token);

static const char *const kind_names[] = {
    [SQL_KIND_EMPTY] = "EMPTY",       [SQL_KIND_SELECT] = "SELECT",       [SQL_KIND_INSERT] = "INSERT",
    [SQL_KIND_UPDATE] = "UPDATE",     [SQL_KIND_DELETE] = "DELETE",       [SQL_KIND_CREATE_VIEW] = "CREATE VIEW",
    [SQL_KIND_CREATE] = "CREATE",     [SQL_KIND_ALTER] = "ALTER",         [SQL_KIND_DROP] = "DROP",
    [SQL_KIND_PRAGMA] = "PRAGMA",     [SQL_KIND_BEGIN] = "BEGIN",         [SQL_KIND_COMMIT] = "COMMIT",
    [SQL_KIND_ROLLBACK] = "ROLLBACK", [SQL_KIND_SAVEPOINT] = "SAVEPOINT", [SQL_KIND_RELEASE] = "RELEASE",
    [SQL_KIND_ATTACH] = "ATTACH",     [SQL_KIND_DETACH] = "DETACH",       [SQL_KIND_VACUUM] = "VACUUM",
    [SQL_KIND_ANALYZE] = "ANALYZE",   [SQL_KIND_REINDEX] = "REINDEX",
};

const char *sql_kind_name(enum sql_kind kind)
{
    return (size_t)kind < sizeof kind_names / sizeof kind_names[0] ? kind_names[kind] : "UNKNOWN";
}

/* A text being read token by token. */
struct reader {
    const char *text;
    size_t len, position;
};

static struct sql_token read_word(struct reader *r)
{
    struct sql_token token = sql_lex_word(r->text + r->position, r->len - r->position);
    r->position = (size_t)(token.text - r->text) + token.length;
    return token;
}

static struct sql_token peek_word(const struct reader *r)
{
    return sql_lex_word(r->text + r->position, r->len - r->position);
}

static bool token_is(struct sql_token token, const char *word)
{
    return base_fold_equal(token.text, token.length, word, strlen(word));
}

/* ---- WINDOW, OVER and FILTER are names unless what stands around says otherwise (SQLite's analyzeWindowKeyword...) ---- */

static bool stands_for_name(int code)
{
    return code == SQL_T_ID || code == SQL_T_STRING || code == SQL_T_JOIN_KW || code == SQL_T_WINDOW ||
           code == SQL_T_OVER || sql_grammar_is_name(code);
}

static int window_word(const struct reader *r, int code, int last_code)
{
    struct reader ahead = *r;
    int next = read_word(&ahead).code;
    switch (code) {
    case SQL_T_WINDOW:
        return stands_for_name(next) && read_word(&ahead).code == SQL_T_AS ? SQL_T_WINDOW : SQL_T_ID;
    case SQL_T_OVER:
        return last_code == SQL_T_RP && (next == SQL_T_LP || stands_for_name(next)) ? SQL_T_OVER : SQL_T_ID;
    default:
        return last_code == SQL_T_RP && next == SQL_T_LP ? SQL_T_FILTER : SQL_T_ID;
    }
}

static rhei_status illegal_token(struct sql_parser *p, struct sql_token token)
{
    return sql_fail(p, RHEI_SQL, sql_offset(p, token), "%s: \"%.*s\"",
                    token.code == SQL_LEX_OPEN ? "a quote is not closed" : "unrecognized token",
                    token.length > 60 ? 60 : (int)token.length, token.text);
}

/* Feeds the statement that starts at r->position; leaves r behind its semicolon. */
static void feed(struct sql_parser *p, struct reader *r, void *parser)
{
    int last_code = SQL_T_SEMI;
    for (;;) {
        struct sql_token token = read_word(r);
        if (token.code == SQL_T_WINDOW || token.code == SQL_T_OVER || token.code == SQL_T_FILTER)
            token.code = window_word(r, token.code, last_code);
        if (token.code >= SQL_LEX_ILLEGAL) {
            illegal_token(p, token);
            return;
        }
        bool end = token.code == SQL_LEX_END || token.code == SQL_T_SEMI;
        if (!end)
            p->tree->text_length = (uint32_t)(token.text - p->text) + token.length - p->tree->offset;
        sql_grammar(parser, end ? SQL_T_SEMI : token.code, token);
        if (end && p->status == RHEI_OK)
            sql_grammar(parser, 0, token);
        if (end || p->status != RHEI_OK)
            return;
        if (sql_grammar_depth(parser) > STACK_MAX) {
            sql_fail(p, RHEI_TOO_BIG, sql_offset(p, token), "the statement is nested too deep (the limit is %d levels)",
                     SQL_MAX_DEPTH);
            return;
        }
        last_code = token.code;
    }
}

static void parse_body(struct sql_parser *p, struct reader *r)
{
    alignas(max_align_t) char parser[PARSER_BYTES];
    if (sql_grammar_size() > sizeof parser) {
        sql_fail(p, RHEI_INTERNAL, 0, "the parser's state needs %zu bytes", sql_grammar_size());
        return;
    }
    sql_grammarInit(parser, p);
    feed(p, r, parser);
    sql_grammarFinalize(parser);
    if (sql_arena_failed(p->arena) && p->status == RHEI_OK)
        p->status = error_no_memory(p->error);
}

/* ---- Kinds ---- */

struct first_word {
    int code;
    enum sql_kind kind;
};

static const struct first_word first_words[] = {
    {SQL_T_CREATE, SQL_KIND_CREATE},   {SQL_T_ALTER, SQL_KIND_ALTER},       {SQL_T_DROP, SQL_KIND_DROP},
    {SQL_T_PRAGMA, SQL_KIND_PRAGMA},   {SQL_T_BEGIN, SQL_KIND_BEGIN},       {SQL_T_COMMIT, SQL_KIND_COMMIT},
    {SQL_T_END, SQL_KIND_COMMIT},      {SQL_T_ROLLBACK, SQL_KIND_ROLLBACK}, {SQL_T_SAVEPOINT, SQL_KIND_SAVEPOINT},
    {SQL_T_RELEASE, SQL_KIND_RELEASE}, {SQL_T_ATTACH, SQL_KIND_ATTACH},     {SQL_T_DETACH, SQL_KIND_DETACH},
    {SQL_T_VACUUM, SQL_KIND_VACUUM},   {SQL_T_ANALYZE, SQL_KIND_ANALYZE},   {SQL_T_REINDEX, SQL_KIND_REINDEX},
};

static bool has_grammar(struct sql_token token, struct reader ahead)
{
    switch (token.code) {
    case SQL_T_SELECT:
    case SQL_T_VALUES:
    case SQL_T_WITH:
    case SQL_T_INSERT:
    case SQL_T_REPLACE:
    case SQL_T_UPDATE:
    case SQL_T_DELETE:
        return true;
    case SQL_T_CREATE: {
        int next = (read_word(&ahead), read_word(&ahead)).code;
        if (next == SQL_T_TEMP)
            next = read_word(&ahead).code;
        return next == SQL_T_VIEW;
    }
    default:
        return false;
    }
}

/* A statement without a tree: skipped to its end. */
static void classify(struct sql_parser *p, struct reader *r, struct sql_token token)
{
    size_t i = 0, count = sizeof first_words / sizeof first_words[0];
    while (i < count && first_words[i].code != token.code)
        i++;
    if (i == count) {
        sql_fail(p, RHEI_SQL, sql_offset(p, token), "near \"%.*s\": syntax error",
                 token.length > 60 ? 60 : (int)token.length, token.text);
        return;
    }
    p->tree->kind = first_words[i].kind;
    size_t last = 0;
    r->position = sql_statement_end(r->text, r->len, p->tree->offset, &last);
    p->tree->text_length = (uint32_t)last - p->tree->offset;
}

/* EXPLAIN, EXPLAIN QUERY PLAN, EXPLAIN ROUTE */
static void read_explain(struct sql_tree *tree, struct reader *r)
{
    if (peek_word(r).code != SQL_T_EXPLAIN)
        return;
    read_word(r);
    tree->explain = SQL_EXPLAIN_PROGRAM;
    struct reader ahead = *r;
    struct sql_token token = read_word(&ahead);
    if (token.code == SQL_T_QUERY && peek_word(&ahead).code == SQL_T_PLAN) {
        read_word(&ahead);
        tree->explain = SQL_EXPLAIN_QUERY_PLAN;
        *r = ahead;
    } else if (token.code == SQL_T_ID && token_is(token, "route")) {
        tree->explain = SQL_EXPLAIN_ROUTE;
        *r = ahead;
    }
}

static bool kind_writes(const struct sql_tree *tree)
{
    return tree->explain == SQL_EXPLAIN_NONE && tree->kind != SQL_KIND_SELECT && tree->kind != SQL_KIND_EMPTY;
}

static void parse_statement(struct sql_parser *p, struct reader *r)
{
    struct sql_tree *tree = p->tree;
    while (peek_word(r).code == SQL_T_SEMI)
        read_word(r);
    struct sql_token token = peek_word(r);
    tree->offset = tree->body_offset = sql_offset(p, token);
    if (token.code == SQL_LEX_END) {
        tree->end = tree->offset;
        return;
    }
    read_explain(tree, r);
    token = peek_word(r);
    tree->body_offset = sql_offset(p, token);
    if (token.code >= SQL_LEX_ILLEGAL)
        illegal_token(p, token);
    else if (has_grammar(token, *r))
        parse_body(p, r);
    else
        classify(p, r, token);
    tree->end = (uint32_t)r->position;
    BASE_INVARIANT(r->position <= r->len);
    BASE_INVARIANT(tree->offset <= tree->body_offset && (p->status != RHEI_OK || tree->body_offset <= tree->end));
    BASE_INVARIANT(p->status != RHEI_OK || tree->offset + tree->text_length <= tree->end);
    tree->is_write = kind_writes(tree);
    tree->parameters = p->parameters;
    tree->parameter_mentions = p->parameter_count;
    tree->parameter_count = p->largest_parameter;
}

rhei_status sql_parse(const char *text, size_t len, struct sql_tree **tree, struct rhei_error *error)
{
    *tree = NULL;
    len = text ? strnlen(text, len) : 0;
    if (len > SQL_MAX_LENGTH)
        return error_set(error, RHEI_TOO_BIG, "the statement has %zu bytes; the limit is %d", len, SQL_MAX_LENGTH);
    struct sql_arena *arena = sql_arena_new();
    struct sql_tree *made = arena ? sql_arena_alloc(arena, sizeof *made) : NULL;
    if (!made) {
        sql_arena_free(&arena);
        return error_no_memory(error);
    }
    made->arena = arena;
    struct sql_parser p = {.arena = arena, .tree = made, .text = text, .error = error};
    struct reader r = {text, len, 0};
    if (len)
        parse_statement(&p, &r);
    if (p.status == RHEI_OK) {
        made->facts = sql_facts_new(arena, made);
        if (!made->facts)
            p.status = error_no_memory(error);
    }
    if (p.status != RHEI_OK) {
        sql_arena_free(&arena);
        return p.status;
    }
    BASE_INVARIANT(made->kind != SQL_KIND_SELECT || made->select);
    BASE_INVARIANT(made->parameter_count == 0 || made->parameter_mentions > 0);
    *tree = made;
    return RHEI_OK;
}

void sql_tree_free(struct sql_tree **tree)
{
    if (!tree || !*tree)
        return;
    struct sql_arena *arena = (*tree)->arena;
    *tree = NULL;
    sql_arena_free(&arena);
}

bool sql_has_more(const struct sql_tree *tree, const char *text, size_t len)
{
    len = text ? strnlen(text, len) : 0;
    struct reader r = {text, len, tree->end < len ? tree->end : len};
    if (!len)
        return false;
    struct sql_token token = read_word(&r);
    while (token.code == SQL_T_SEMI)
        token = read_word(&r);
    return token.code != SQL_LEX_END;
}

const struct sql_facts *sql_tree_facts(const struct sql_tree *tree)
{
    return tree->facts;
}
