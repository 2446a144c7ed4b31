/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite 3.54's SELECT, VALUES, INSERT, REPLACE, UPDATE, DELETE and CREATE VIEW, for lemon. The precedences, the words
 * that fall back to names and the tricks that keep ON unambiguous are those of SQLite's own parse.y, so that what parses
 * there parses here, to the same tree. EXPLAIN and the statements without a tree never get here (sql_parse.c).
 */
%name sql_grammar
%token_prefix SQL_T_
%token_type {struct sql_token}
%default_type {struct sql_token}
%extra_context {struct sql_parser *p}
%stack_size 0
%start_symbol input

%include {
#include "sql/sql_build.h"

#include <stdlib.h>

#include "base/base_memory.h"

/* lemon's own names for the allocator. */
#define malloc(size) base_alloc(size)
#define realloc(pointer, size) base_realloc(pointer, size)
#define free(pointer) base_free(pointer)

#define NONE ((struct sql_frame){0})
}

%syntax_error {
    if (TOKEN.length)
        sql_fail(p, RHEI_SQL, sql_offset(p, TOKEN), "near \"%.*s\": syntax error",
                 TOKEN.length > 60 ? 60 : (int)TOKEN.length, TOKEN.text);
    else
        sql_fail(p, RHEI_SQL, sql_offset(p, TOKEN), "the statement ends too early");
}
%stack_overflow {
    sql_fail(p, RHEI_NO_MEMORY, 0, "out of memory while parsing");
}
%parse_failure {
    sql_fail(p, RHEI_SQL, 0, "syntax error");
}

%code {
/* How many symbols are waiting: grows with the nesting of the text. */
size_t sql_grammar_depth(const void *parser)
{
    const struct yyParser *yy = parser;
    return (size_t)(yy->yytos - yy->yystack);
}
size_t sql_grammar_size(void)
{
    return sizeof(struct yyParser);
}
/* Does a keyword stand for a name where only a name fits? */
int sql_grammar_is_name(int token)
{
#ifdef YYFALLBACK
    return token > 0 && token < (int)(sizeof yyFallback / sizeof yyFallback[0]) && yyFallback[token] == SQL_T_ID;
#else
    return 0;
#endif
}
}

%token SEMI EXPLAIN QUERY PLAN BEGIN TRANSACTION DEFERRED IMMEDIATE EXCLUSIVE COMMIT END ROLLBACK SAVEPOINT RELEASE TO
       TABLE CREATE IF NOT EXISTS TEMP LP RP AS WITHOUT COMMA.
%token ABORT ACTION AFTER ANALYZE ASC ATTACH BEFORE BY CASCADE CAST CONFLICT DATABASE DESC DETACH EACH FAIL
       OR AND IS ISNOT MATCH LIKE_KW BETWEEN IN ISNULL NOTNULL NE EQ GT LE LT GE ESCAPE.

%fallback ID
  ABORT ACTION AFTER ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE CAST COLUMNKW
  CONFLICT DATABASE DEFERRED DESC DETACH DO
  EACH END EXCLUSIVE EXPLAIN FAIL FOR
  IGNORE IMMEDIATE INITIALLY INSTEAD LIKE_KW MATCH NO PLAN
  QUERY KEY OF OFFSET PRAGMA RAISE RECURSIVE RELEASE REPLACE RESTRICT ROW ROWS
  ROLLBACK SAVEPOINT TEMP TRIGGER VACUUM VIEW VIRTUAL WITH WITHOUT
  NULLS FIRST LAST
  CURRENT FOLLOWING PARTITION PRECEDING RANGE UNBOUNDED
  EXCLUDE GROUPS OTHERS TIES
  WITHIN
  GENERATED ALWAYS
  MATERIALIZED
  REINDEX RENAME CTIME_KW IF
  .

%left OR.
%left AND.
%right NOT.
%left IS MATCH LIKE_KW BETWEEN IN ISNULL NOTNULL NE EQ.
%left GT LE LT GE.
%right ESCAPE.
%left BITAND BITOR LSHIFT RSHIFT.
%left PLUS MINUS.
%left STAR SLASH REM.
%left CONCAT PTR.
%left COLLATE.
%right BITNOT.
%nonassoc ON.

/* Tokens that no rule here uses, so that the lexer has codes for all of SQLite's words. */
%token ADD ALTER AUTOINCR CHECK CONSTRAINT DEFERRABLE DROP FOREIGN INDEX PRIMARY REFERENCES UNIQUE.
%token ORDER GROUP HAVING LIMIT WHERE RETURNING INTO NOTHING UPDATE INSERT DELETE SET VALUES DEFAULT.
%token JOIN_KW JOIN USING INDEXED SELECT DISTINCT ALL FROM UNION EXCEPT INTERSECT.
%token INTEGER FLOAT BLOB STRING VARIABLE NULL CASE WHEN THEN ELSE.
%token WINDOW OVER FILTER DOT.

%token_class id ID|INDEXED.
%token_class ids ID|STRING.
%token_class idj ID|INDEXED|JOIN_KW.

input ::= cmd SEMI.

nm(A) ::= idj(A).
nm(A) ::= STRING(A).

/* ---- SELECT ---- */

cmd ::= select(S). {
    p->tree->kind = SQL_KIND_SELECT;
    p->tree->select = S;
}

%type select {struct sql_select *}
%type selectnowith {struct sql_select *}
%type oneselect {struct sql_select *}
%type values {struct sql_core *}
%type multiop {int}
%type distinct {int}
select(A) ::= WITH wqlist(W) selectnowith(S). {
    A = sql_select_with(p, S, W);
    sql_select_finish(p, A);
}
select(A) ::= WITH RECURSIVE wqlist(W) selectnowith(S). {
    if (W)
        W->recursive = true;
    A = sql_select_with(p, S, W);
    sql_select_finish(p, A);
}
select(A) ::= selectnowith(S). {
    A = S;
    sql_select_finish(p, A);
}

selectnowith(A) ::= oneselect(S). { A = S; }
selectnowith(A) ::= selectnowith(L) multiop(O) oneselect(R). { A = sql_select_add(p, L, (uint8_t)O, R); }
multiop(A) ::= UNION. { A = SQL_COMPOUND_UNION; }
multiop(A) ::= UNION ALL. { A = SQL_COMPOUND_UNION_ALL; }
multiop(A) ::= EXCEPT. { A = SQL_COMPOUND_EXCEPT; }
multiop(A) ::= INTERSECT. { A = SQL_COMPOUND_INTERSECT; }

oneselect(A) ::= SELECT(T) distinct(D) selcollist(C) from(F) where_opt(W) groupby_opt(G) having_opt(H)
                 window_opt(N) orderby_opt(O) limit_opt(L). {
    struct sql_core *core = sql_core_new(p, T, false);
    A = sql_select_new(p, core);
    if (A) {
        core->distinct = D != 0;
        core->columns = C;
        core->from = F;
        core->where = W;
        core->group_by = G;
        core->having = H;
        core->windows = N;
        A->order = O;
        A->limit = L.expr;
        A->limit_offset = L.offset;
    }
}
oneselect(A) ::= values(V). { A = sql_select_new(p, V); }
values(A) ::= VALUES(T) LP nexprlist(X) RP. { A = sql_core_row(p, sql_core_new(p, T, true), X); }
values(A) ::= values(V) COMMA LP nexprlist(X) RP. { A = sql_core_row(p, V, X); }

distinct(A) ::= DISTINCT. { A = 1; }
distinct(A) ::= ALL. { A = 0; }
distinct(A) ::= . { A = 0; }

%type selcollist {struct sql_items *}
%type sclp {struct sql_items *}
sclp(A) ::= selcollist(X) COMMA. { A = X; }
sclp(A) ::= . { A = NULL; }
selcollist(A) ::= sclp(X) expr(E). { A = sql_items_add(p, X, E); }
selcollist(A) ::= sclp(X) expr(E) AS nm(N). {
    A = sql_items_add(p, X, E);
    sql_items_alias(p, A, N);
}
selcollist(A) ::= sclp(X) expr(E) ids(N). {
    A = sql_items_add(p, X, E);
    sql_items_alias(p, A, N);
}
selcollist(A) ::= sclp(X) STAR(T). { A = sql_items_add(p, X, sql_expr_star(p, T, NULL)); }
selcollist(A) ::= sclp(X) nm(N) DOT STAR(T). { A = sql_items_add(p, X, sql_expr_star(p, T, &N)); }

/* ---- FROM ---- */

%type from {struct sql_from *}
%type seltablist {struct sql_from *}
%type stl_prefix {struct sql_from *}
%type on_using {struct sql_expr *}
from(A) ::= . { A = NULL; }
from(A) ::= FROM seltablist(X). { A = X; }

stl_prefix(A) ::= seltablist(X) COMMA(T). { A = sql_from_join(p, X, T, NULL, NULL); }
stl_prefix(A) ::= seltablist(X) JOIN(T). { A = sql_from_join(p, X, T, NULL, NULL); }
stl_prefix(A) ::= seltablist(X) JOIN_KW(B) JOIN. { A = sql_from_join(p, X, B, NULL, NULL); }
stl_prefix(A) ::= seltablist(X) JOIN_KW(B) nm(C) JOIN. { A = sql_from_join(p, X, B, &C, NULL); }
stl_prefix(A) ::= seltablist(X) JOIN_KW(B) nm(C) nm(D) JOIN. { A = sql_from_join(p, X, B, &C, &D); }
stl_prefix(A) ::= . { A = NULL; }

%type source {struct sql_from *}
source(A) ::= stl_prefix(X) nm(N) dbnm(D) as(Z). {
    A = sql_from_add(p, X, sql_source_table(p, N, D.text ? &D : NULL));
    sql_from_alias(p, A, Z);
}
source(A) ::= stl_prefix(X) nm(N) dbnm(D) as(Z) INDEXED BY nm(I). {
    struct sql_source source = sql_source_table(p, N, D.text ? &D : NULL);
    source.indexed_by = sql_name(p, I);
    A = sql_from_add(p, X, source);
    sql_from_alias(p, A, Z);
}
source(A) ::= stl_prefix(X) nm(N) dbnm(D) as(Z) NOT INDEXED. {
    struct sql_source source = sql_source_table(p, N, D.text ? &D : NULL);
    source.not_indexed = true;
    A = sql_from_add(p, X, source);
    sql_from_alias(p, A, Z);
}
source(A) ::= stl_prefix(X) nm(N) dbnm(D) LP exprlist(E) RP as(Z). {
    struct sql_source source = sql_source_table(p, N, D.text ? &D : NULL);
    source.kind = SQL_SOURCE_CALL;
    source.arguments = E;
    A = sql_from_add(p, X, source);
    sql_from_alias(p, A, Z);
}
source(A) ::= stl_prefix(X) LP(T) select(S) RP as(Z). {
    A = sql_from_add(p, X, (struct sql_source){.kind = SQL_SOURCE_SELECT, .select = S, .offset = sql_offset(p, T)});
    sql_from_alias(p, A, Z);
}
source(A) ::= stl_prefix(X) LP(T) seltablist(F) RP as(Z). {
    sql_from_height(p, F, sql_offset(p, T));
    A = sql_from_add(p, X, (struct sql_source){.kind = SQL_SOURCE_GROUP, .group = F, .offset = sql_offset(p, T)});
    sql_from_alias(p, A, Z);
}
seltablist(A) ::= source(X). [OR] { A = X; }
seltablist(A) ::= source(X) ON expr(E). {
    A = X;
    sql_from_constraint(A, E, NULL);
}
seltablist(A) ::= source(X) USING LP idlist(L) RP. {
    A = X;
    sql_from_constraint(A, NULL, L);
}

as(A) ::= AS nm(N). { A = N; }
as(A) ::= ids(N). { A = N; }
as(A) ::= . { A = (struct sql_token){0}; }
dbnm(A) ::= . { A = (struct sql_token){0}; }
dbnm(A) ::= DOT nm(N). { A = N; }

%type orderby_opt {struct sql_items *}
%type sortlist {struct sql_items *}
%type sortorder {int}
%type nulls {int}
%type groupby_opt {struct sql_items *}
%type having_opt {struct sql_expr *}
%type where_opt {struct sql_expr *}
%type limit_opt {struct limit {struct sql_expr *expr, *offset;}}
orderby_opt(A) ::= . { A = NULL; }
orderby_opt(A) ::= ORDER BY sortlist(X). { A = X; }
sortlist(A) ::= sortlist(X) COMMA expr(E) sortorder(S) nulls(N). {
    A = sql_items_add(p, X, E);
    sql_items_sort(A, (uint8_t)S, (uint8_t)N);
}
sortlist(A) ::= expr(E) sortorder(S) nulls(N). {
    A = sql_items_add(p, NULL, E);
    sql_items_sort(A, (uint8_t)S, (uint8_t)N);
}
sortorder(A) ::= ASC. { A = SQL_SORT_ASC; }
sortorder(A) ::= DESC. { A = SQL_SORT_DESC; }
sortorder(A) ::= . { A = SQL_SORT_NONE; }
nulls(A) ::= NULLS FIRST. { A = SQL_NULLS_FIRST; }
nulls(A) ::= NULLS LAST. { A = SQL_NULLS_LAST; }
nulls(A) ::= . { A = SQL_NULLS_NONE; }
groupby_opt(A) ::= . { A = NULL; }
groupby_opt(A) ::= GROUP BY nexprlist(X). { A = X; }
having_opt(A) ::= . { A = NULL; }
having_opt(A) ::= HAVING expr(E). { A = E; }
where_opt(A) ::= . { A = NULL; }
where_opt(A) ::= WHERE expr(E). { A = E; }
limit_opt(A) ::= . { A.expr = A.offset = NULL; }
limit_opt(A) ::= LIMIT expr(L). { A.expr = L; A.offset = NULL; }
limit_opt(A) ::= LIMIT expr(L) OFFSET expr(O). { A.expr = L; A.offset = O; }
limit_opt(A) ::= LIMIT expr(O) COMMA expr(L). { A.expr = L; A.offset = O; }

/* ---- WITH ---- */

%type wqlist {struct sql_with *}
%type wqas {int}
%type with {struct sql_with *}
with(A) ::= . { A = NULL; }
with(A) ::= WITH wqlist(W). { A = W; }
with(A) ::= WITH RECURSIVE wqlist(W). {
    A = W;
    if (A)
        A->recursive = true;
}
wqas(A) ::= AS. { A = 0; }
wqas(A) ::= AS MATERIALIZED. { A = 1; }
wqas(A) ::= AS NOT MATERIALIZED. { A = 2; }
wqlist(A) ::= nm(N) idlist_opt(C) wqas(M) LP select(S) RP. { A = sql_with_add(p, NULL, N, C, (uint8_t)M, S); }
wqlist(A) ::= wqlist(W) COMMA nm(N) idlist_opt(C) wqas(M) LP select(S) RP. {
    A = sql_with_add(p, W, N, C, (uint8_t)M, S);
}

%type idlist_opt {struct sql_names *}
%type idlist {struct sql_names *}
idlist_opt(A) ::= . { A = NULL; }
idlist_opt(A) ::= LP idlist(X) RP. { A = X; }
idlist(A) ::= idlist(X) COMMA nm(N). { A = sql_names_add(p, X, N); }
idlist(A) ::= nm(N). { A = sql_names_add(p, NULL, N); }

/* ---- Changes ---- */

%type orconf {int}
%type insert_word {int}
%type target {struct sql_source}
%type setlist {struct sql_set *}
%type upsert {struct upsert {struct sql_upsert *first; struct sql_items *returning;}}
%type returning {struct sql_items *}
orconf(A) ::= . { A = SQL_CONFLICT_NONE; }
orconf(A) ::= OR resolve(R). { A = R; }
%type resolve {int}
resolve(A) ::= IGNORE. { A = SQL_CONFLICT_IGNORE; }
resolve(A) ::= REPLACE. { A = SQL_CONFLICT_REPLACE; }
resolve(A) ::= ROLLBACK. { A = SQL_CONFLICT_ROLLBACK; }
resolve(A) ::= ABORT. { A = SQL_CONFLICT_ABORT; }
resolve(A) ::= FAIL. { A = SQL_CONFLICT_FAIL; }

target(A) ::= nm(N). { A = sql_source_table(p, N, NULL); }
target(A) ::= nm(N) DOT nm(D). { A = sql_source_table(p, N, &D); }
target(A) ::= nm(N) DOT nm(D) AS nm(Z). {
    A = sql_source_table(p, N, &D);
    A.alias = sql_name(p, Z);
}
target(A) ::= nm(N) AS nm(Z). {
    A = sql_source_table(p, N, NULL);
    A.alias = sql_name(p, Z);
}
%type indexed_target {struct sql_source}
indexed_target(A) ::= target(T). { A = T; }
indexed_target(A) ::= target(T) INDEXED BY nm(I). {
    A = T;
    A.indexed_by = sql_name(p, I);
}
indexed_target(A) ::= target(T) NOT INDEXED. {
    A = T;
    A.not_indexed = true;
}
returning(A) ::= . { A = NULL; }
returning(A) ::= RETURNING selcollist(X). { A = X; }

cmd ::= with(W) DELETE FROM indexed_target(T) where_opt(E) returning(R) orderby_opt(O) limit_opt(L). {
    struct sql_change *change = sql_change_new(p, W, 0, T);
    p->tree->kind = SQL_KIND_DELETE;
    p->tree->change = change;
    if (change) {
        change->where = E;
        change->returning = R;
        change->order = O;
        change->limit = L.expr;
        change->limit_offset = L.offset;
    }
}
cmd ::= with(W) UPDATE orconf(C) indexed_target(T) SET setlist(S) from(F) where_opt(E) returning(R) orderby_opt(O)
        limit_opt(L). {
    struct sql_change *change = sql_change_new(p, W, (uint8_t)C, T);
    p->tree->kind = SQL_KIND_UPDATE;
    p->tree->change = change;
    if (change) {
        change->sets = S;
        change->from = F;
        change->where = E;
        change->returning = R;
        change->order = O;
        change->limit = L.expr;
        change->limit_offset = L.offset;
    }
}
insert_word(A) ::= INSERT orconf(C). { A = C; }
insert_word(A) ::= REPLACE. { A = SQL_CONFLICT_REPLACE | 64; }
cmd ::= with(W) insert_word(C) INTO target(T) idlist_opt(L) select(S) upsert(U). {
    struct sql_change *change = sql_change_new(p, W, (uint8_t)(C & 63), T);
    p->tree->kind = SQL_KIND_INSERT;
    p->tree->change = change;
    if (change) {
        change->replace_word = (C & 64) != 0;
        change->columns = L;
        change->source = S;
        change->upserts = U.first;
        change->returning = U.returning;
    }
}
cmd ::= with(W) insert_word(C) INTO target(T) idlist_opt(L) DEFAULT VALUES returning(R). {
    struct sql_change *change = sql_change_new(p, W, (uint8_t)(C & 63), T);
    p->tree->kind = SQL_KIND_INSERT;
    p->tree->change = change;
    if (change) {
        change->replace_word = (C & 64) != 0;
        change->columns = L;
        change->returning = R;
    }
}

%include {
static struct sql_upsert *upsert_new(struct sql_parser *p, struct sql_items *target, struct sql_expr *target_where,
                                     struct sql_set *sets, struct sql_expr *where, struct sql_upsert *next)
{
    struct sql_upsert *upsert = sql_arena_alloc(p->arena, sizeof *upsert);
    if (upsert)
        *upsert = (struct sql_upsert){target, target_where, sets == NULL, sets, where, next};
    return upsert;
}
}
upsert(A) ::= returning(R). { A.first = NULL; A.returning = R; }
upsert(A) ::= ON CONFLICT LP sortlist(T) RP where_opt(W) DO UPDATE SET setlist(S) where_opt(E) upsert(N). {
    A.first = upsert_new(p, T, W, S, E, N.first);
    A.returning = N.returning;
}
upsert(A) ::= ON CONFLICT LP sortlist(T) RP where_opt(W) DO NOTHING upsert(N). {
    A.first = upsert_new(p, T, W, NULL, NULL, N.first);
    A.returning = N.returning;
}
upsert(A) ::= ON CONFLICT DO NOTHING returning(R). {
    A.first = upsert_new(p, NULL, NULL, NULL, NULL, NULL);
    A.returning = R;
}
upsert(A) ::= ON CONFLICT DO UPDATE SET setlist(S) where_opt(E) returning(R). {
    A.first = upsert_new(p, NULL, NULL, S, E, NULL);
    A.returning = R;
}
setlist(A) ::= setlist(X) COMMA nm(N) EQ expr(E). {
    A = sql_set_add(p, X, sql_names_add(p, NULL, N), false, E);
}
setlist(A) ::= setlist(X) COMMA LP idlist(L) RP EQ expr(E). { A = sql_set_add(p, X, L, true, E); }
setlist(A) ::= nm(N) EQ expr(E). { A = sql_set_add(p, NULL, sql_names_add(p, NULL, N), false, E); }
setlist(A) ::= LP idlist(L) RP EQ expr(E). { A = sql_set_add(p, NULL, L, true, E); }

/* ---- CREATE VIEW ---- */

%type temp {int}
%type ifnotexists {int}
temp(A) ::= TEMP. { A = 1; }
temp(A) ::= . { A = 0; }
ifnotexists(A) ::= . { A = 0; }
ifnotexists(A) ::= IF NOT EXISTS. { A = 1; }
cmd ::= CREATE temp(T) VIEW ifnotexists(I) nm(N) dbnm(D) idlist_opt(C) AS select(S). {
    struct sql_view *view = sql_arena_alloc(p->arena, sizeof *view);
    p->tree->kind = SQL_KIND_CREATE_VIEW;
    p->tree->view = view;
    if (view) {
        view->temporary = T != 0;
        view->if_not_exists = I != 0;
        view->schema = D.text ? sql_name(p, N) : (struct sql_name){0};
        view->name = sql_name(p, D.text ? D : N);
        view->columns = C;
        view->select = S;
    }
}

/* ---- Expressions ---- */

%type expr {struct sql_expr *}
%type term {struct sql_expr *}
%type exprlist {struct sql_items *}
%type nexprlist {struct sql_items *}
%type paren_exprlist {struct sql_items *}
%type case_operand {struct sql_expr *}
%type case_exprlist {struct sql_items *}
%type case_else {struct sql_expr *}
%type in_op {int}
%type between_op {int}
%type likeop {struct likeop {struct sql_token token; bool negated;}}

expr(A) ::= term(X). { A = X; }
expr(A) ::= LP expr(X) RP. { A = X; }
expr(A) ::= idj(N). { A = sql_expr_column(p, NULL, NULL, N); }
expr(A) ::= nm(T) DOT nm(N). { A = sql_expr_column(p, NULL, &T, N); }
expr(A) ::= nm(D) DOT nm(T) DOT nm(N). { A = sql_expr_column(p, &D, &T, N); }
term(A) ::= NULL(T). { A = sql_expr_new(p, SQL_EXPR_NULL, T); }
term(A) ::= FLOAT|BLOB|INTEGER(T). { A = sql_expr_literal(p, T); }
term(A) ::= STRING(T). { A = sql_expr_literal(p, T); }
term(A) ::= CTIME_KW(T). {
    A = sql_expr_new(p, SQL_EXPR_CURRENT, T);
    if (A)
        A->name = sql_name(p, T);
}
expr(A) ::= VARIABLE(T). { A = sql_expr_parameter(p, T); }
expr(A) ::= expr(X) COLLATE ids(N). { A = sql_expr_collate(p, X, N); }
expr(A) ::= CAST(T) LP expr(X) AS typetoken(Y) RP. { A = sql_expr_cast(p, T, X, Y); }

%type call {struct sql_expr *}
call(A) ::= idj(N) LP distinct(D) exprlist(X) RP. { A = sql_expr_call(p, N, D != 0, X, NULL); }
call(A) ::= idj(N) LP distinct(D) exprlist(X) ORDER BY sortlist(O) RP. { A = sql_expr_call(p, N, D != 0, X, O); }
call(A) ::= idj(N) LP STAR RP. {
    A = sql_expr_call(p, N, false, NULL, NULL);
    if (A)
        A->call->star = true;
}
call(A) ::= idj(N) LP distinct(D) exprlist(X) RP WITHIN GROUP LP ORDER BY expr(E) RP. {
    A = sql_expr_call(p, N, D != 0, X, sql_items_add(p, NULL, E));
    if (A)
        A->call->within_group = true;
}
expr(A) ::= call(X). { A = X; }
expr(A) ::= call(X) FILTER LP WHERE expr(F) RP. { A = sql_expr_finish_call(p, X, F, NULL); }
expr(A) ::= call(X) over(W). { A = sql_expr_finish_call(p, X, NULL, W); }
expr(A) ::= call(X) FILTER LP WHERE expr(F) RP over(W). { A = sql_expr_finish_call(p, X, F, W); }

expr(A) ::= LP(T) nexprlist(X) COMMA expr(Y) RP. { A = sql_expr_row(p, T, sql_items_add(p, X, Y)); }
expr(A) ::= expr(X) AND(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) OR(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) LT|GT|GE|LE(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) EQ|NE(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) BITAND|BITOR|LSHIFT|RSHIFT(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) PLUS|MINUS(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) STAR|SLASH|REM(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) CONCAT(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
expr(A) ::= expr(X) PTR(O) expr(Y). { A = sql_expr_binary(p, O, X, Y); }
likeop(A) ::= LIKE_KW|MATCH(T). { A.token = T; A.negated = false; }
likeop(A) ::= NOT LIKE_KW|MATCH(T). { A.token = T; A.negated = true; }
expr(A) ::= expr(X) likeop(O) expr(Y). [LIKE_KW] { A = sql_expr_like(p, O.token, O.negated, X, Y, NULL); }
expr(A) ::= expr(X) likeop(O) expr(Y) ESCAPE expr(E). [LIKE_KW] {
    A = sql_expr_like(p, O.token, O.negated, X, Y, E);
}
expr(A) ::= expr(X) ISNULL. { A = sql_expr_test(p, SQL_EXPR_IS_NULL, false, X, NULL); }
expr(A) ::= expr(X) NOTNULL. { A = sql_expr_test(p, SQL_EXPR_IS_NULL, true, X, NULL); }
expr(A) ::= expr(X) NOT NULL. { A = sql_expr_test(p, SQL_EXPR_IS_NULL, true, X, NULL); }
expr(A) ::= expr(X) IS expr(Y). { A = sql_expr_test(p, SQL_EXPR_IS, false, X, Y); }
expr(A) ::= expr(X) IS NOT expr(Y). { A = sql_expr_test(p, SQL_EXPR_IS, true, X, Y); }
expr(A) ::= expr(X) IS NOT DISTINCT FROM expr(Y). { A = sql_expr_test(p, SQL_EXPR_IS, false, X, Y); }
expr(A) ::= expr(X) IS DISTINCT FROM expr(Y). { A = sql_expr_test(p, SQL_EXPR_IS, true, X, Y); }
expr(A) ::= NOT(T) expr(X). { A = sql_expr_unary(p, SQL_OP_NOT, X, T); }
expr(A) ::= BITNOT(T) expr(X). { A = sql_expr_unary(p, SQL_OP_BIT_NOT, X, T); }
expr(A) ::= PLUS(T) expr(X). [BITNOT] { A = sql_expr_unary(p, SQL_OP_PLUS, X, T); }
expr(A) ::= MINUS(T) expr(X). [BITNOT] { A = sql_expr_unary(p, SQL_OP_NEGATE, X, T); }
between_op(A) ::= BETWEEN. { A = 0; }
between_op(A) ::= NOT BETWEEN. { A = 1; }
expr(A) ::= expr(X) between_op(N) expr(Y) AND expr(Z). [BETWEEN] { A = sql_expr_between(p, N != 0, X, Y, Z); }
in_op(A) ::= IN. { A = 0; }
in_op(A) ::= NOT IN. { A = 1; }
expr(A) ::= expr(X) in_op(N) LP exprlist(Y) RP. [IN] { A = sql_expr_in(p, N != 0, X, Y, NULL); }
expr(A) ::= expr(X) in_op(N) LP select(Y) RP. [IN] { A = sql_expr_in(p, N != 0, X, NULL, Y); }
expr(A) ::= expr(X) in_op(N) nm(Y) dbnm(Z) paren_exprlist(E). [IN] {
    A = sql_expr_in_table(p, N != 0, X, Y, Z.text ? &Z : NULL, E);
}
expr(A) ::= LP(T) select(X) RP. { A = sql_expr_select(p, SQL_EXPR_SUBQUERY, T, X); }
expr(A) ::= EXISTS(T) LP select(X) RP. { A = sql_expr_select(p, SQL_EXPR_EXISTS, T, X); }
expr(A) ::= CASE(T) case_operand(X) case_exprlist(Y) case_else(Z) END. { A = sql_expr_case(p, T, X, Y, Z); }
case_exprlist(A) ::= case_exprlist(L) WHEN expr(Y) THEN expr(Z). {
    A = sql_items_add(p, sql_items_add(p, L, Y), Z);
}
case_exprlist(A) ::= WHEN expr(Y) THEN expr(Z). { A = sql_items_add(p, sql_items_add(p, NULL, Y), Z); }
case_else(A) ::= ELSE expr(X). { A = X; }
case_else(A) ::= . { A = NULL; }
case_operand(A) ::= expr(X). { A = X; }
case_operand(A) ::= . { A = NULL; }
expr(A) ::= RAISE(T) LP IGNORE RP. { A = sql_expr_new(p, SQL_EXPR_RAISE, T); }
expr(A) ::= RAISE(T) LP raisetype COMMA expr(X) RP. {
    A = sql_expr_new(p, SQL_EXPR_RAISE, T);
    if (A)
        A->left = X;
}
raisetype ::= ROLLBACK|ABORT|FAIL.

exprlist(A) ::= nexprlist(X). { A = X; }
exprlist(A) ::= . { A = NULL; }
nexprlist(A) ::= nexprlist(X) COMMA expr(Y). { A = sql_items_add(p, X, Y); }
nexprlist(A) ::= expr(Y). { A = sql_items_add(p, NULL, Y); }
paren_exprlist(A) ::= . { A = NULL; }
paren_exprlist(A) ::= LP exprlist(X) RP. { A = X ? X : sql_arena_alloc(p->arena, sizeof *A); }

/* A type is a run of text: from its first word to its last token. */
%include {
static struct sql_token span(struct sql_token first, struct sql_token last)
{
    first.length = (uint32_t)(last.text + last.length - first.text);
    return first;
}
}
typetoken(A) ::= . { A = (struct sql_token){0}; }
typetoken(A) ::= typename(X). { A = X; }
typetoken(A) ::= typename(X) LP signed RP(Y). { A = span(X, Y); }
typetoken(A) ::= typename(X) LP signed COMMA signed RP(Y). { A = span(X, Y); }
typename(A) ::= ids(X). { A = X; }
typename(A) ::= typename(X) ids(Y). { A = span(X, Y); }
signed ::= INTEGER|FLOAT.
signed ::= PLUS INTEGER|FLOAT.
signed ::= MINUS INTEGER|FLOAT.

/* ---- Windows ---- */

%type over {struct sql_window *}
%type window {struct sql_window *}
%type window_opt {struct sql_window *}
%type windowdefn_list {struct sql_window *}
%type windowdefn {struct sql_window *}
%type frame_opt {struct sql_frame}
%type frame_unit {int}
%type frame_exclude {int}
%type frame_bound_s {struct sql_bound}
%type frame_bound_e {struct sql_bound}
over(A) ::= OVER LP window(W) RP. { A = W; }
over(A) ::= OVER(T) nm(N). {
    A = sql_window_new(p, T, &N, NULL, NULL, NONE);
    if (A)
        A->bare = true;
}
window_opt(A) ::= . { A = NULL; }
window_opt(A) ::= WINDOW windowdefn_list(L). { A = L; }
windowdefn_list(A) ::= windowdefn(D). { A = D; }
windowdefn_list(A) ::= windowdefn_list(L) COMMA windowdefn(D). {
    A = L;
    struct sql_window *last = L;
    while (last && last->next)
        last = last->next;
    if (last)
        last->next = D;
}
windowdefn(A) ::= nm(N) AS LP window(W) RP. {
    A = W;
    if (A)
        A->name = sql_name(p, N);
}
window(A) ::= PARTITION(T) BY nexprlist(X) orderby_opt(O) frame_opt(F). { A = sql_window_new(p, T, NULL, X, O, F); }
window(A) ::= nm(B) PARTITION BY nexprlist(X) orderby_opt(O) frame_opt(F). { A = sql_window_new(p, B, &B, X, O, F); }
window(A) ::= ORDER(T) BY sortlist(O) frame_opt(F). { A = sql_window_new(p, T, NULL, NULL, O, F); }
window(A) ::= nm(B) ORDER BY sortlist(O) frame_opt(F). { A = sql_window_new(p, B, &B, NULL, O, F); }
window(A) ::= frame_opt(F). { A = sql_window_new(p, (struct sql_token){0}, NULL, NULL, NULL, F); }
window(A) ::= nm(B) frame_opt(F). { A = sql_window_new(p, B, &B, NULL, NULL, F); }
frame_opt(A) ::= . { A = NONE; }
frame_opt(A) ::= frame_unit(U) frame_bound_s(S) frame_exclude(X). {
    A = (struct sql_frame){(uint8_t)U, (uint8_t)X, S, {0}};
}
frame_opt(A) ::= frame_unit(U) BETWEEN frame_bound_s(S) AND frame_bound_e(E) frame_exclude(X). {
    A = (struct sql_frame){(uint8_t)U, (uint8_t)X, S, E};
}
frame_unit(A) ::= RANGE. { A = SQL_FRAME_RANGE; }
frame_unit(A) ::= ROWS. { A = SQL_FRAME_ROWS; }
frame_unit(A) ::= GROUPS. { A = SQL_FRAME_GROUPS; }
frame_bound_s(A) ::= frame_bound(X). { A = X; }
frame_bound_s(A) ::= UNBOUNDED PRECEDING. { A = (struct sql_bound){SQL_BOUND_UNBOUNDED_PRECEDING, NULL}; }
frame_bound_e(A) ::= frame_bound(X). { A = X; }
frame_bound_e(A) ::= UNBOUNDED FOLLOWING. { A = (struct sql_bound){SQL_BOUND_UNBOUNDED_FOLLOWING, NULL}; }
%type frame_bound {struct sql_bound}
frame_bound(A) ::= expr(E) PRECEDING. { A = (struct sql_bound){SQL_BOUND_PRECEDING, E}; }
frame_bound(A) ::= CURRENT ROW. { A = (struct sql_bound){SQL_BOUND_CURRENT, NULL}; }
frame_bound(A) ::= expr(E) FOLLOWING. { A = (struct sql_bound){SQL_BOUND_FOLLOWING, E}; }
frame_exclude(A) ::= . { A = SQL_EXCLUDE_NONE; }
frame_exclude(A) ::= EXCLUDE NO OTHERS. { A = SQL_EXCLUDE_NO_OTHERS; }
frame_exclude(A) ::= EXCLUDE CURRENT ROW. { A = SQL_EXCLUDE_CURRENT; }
frame_exclude(A) ::= EXCLUDE GROUP. { A = SQL_EXCLUDE_GROUP; }
frame_exclude(A) ::= EXCLUDE TIES. { A = SQL_EXCLUDE_TIES; }
