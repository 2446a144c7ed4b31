/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the grammar's rules call: they make nodes in the arena and never fail loudly; the first failure is kept in the
 * parser and NULL is handed on. Owner thread.
 */
#ifndef SQL_SQL_BUILD_H
#define SQL_SQL_BUILD_H

#include "sql/sql_arena.h"
#include "sql/sql_ast.h"
#include "sql/sql_lexer.h"

struct sql_parser {
    struct sql_arena *arena;
    struct sql_tree *tree;
    const char *text; /* offsets count from here */
    rhei_status status;
    struct rhei_error *error;
    struct sql_parameter *parameters;
    uint32_t parameter_count, parameter_capacity;
    uint32_t largest_parameter;
};

/* Two bounds and an exclusion travel as one value through the grammar. */
struct sql_frame {
    uint8_t unit, exclude;
    struct sql_bound start, end;
};

rhei_status sql_fail(struct sql_parser *p, rhei_status status, uint32_t offset, const char *format, ...)
    RHEI_PRINTF(4, 5);
uint32_t sql_offset(const struct sql_parser *p, struct sql_token token);
struct sql_name sql_name(struct sql_parser *p, struct sql_token token);

struct sql_expr *sql_expr_new(struct sql_parser *p, enum sql_expr_kind kind, struct sql_token token);
struct sql_expr *sql_expr_literal(struct sql_parser *p, struct sql_token token);
struct sql_expr *sql_expr_parameter(struct sql_parser *p, struct sql_token token);
struct sql_expr *sql_expr_column(struct sql_parser *p, const struct sql_token *schema, const struct sql_token *table,
                                 struct sql_token name);
struct sql_expr *sql_expr_unary(struct sql_parser *p, enum sql_op op, struct sql_expr *left, struct sql_token token);
struct sql_expr *sql_expr_binary(struct sql_parser *p, struct sql_token op, struct sql_expr *left,
                                 struct sql_expr *right);
struct sql_expr *sql_expr_like(struct sql_parser *p, struct sql_token op, bool negated, struct sql_expr *left,
                               struct sql_expr *right, struct sql_expr *escape);
struct sql_expr *sql_expr_test(struct sql_parser *p, enum sql_expr_kind kind, bool negated, struct sql_expr *left,
                               struct sql_expr *right);
struct sql_expr *sql_expr_between(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_expr *low,
                                  struct sql_expr *high);
struct sql_expr *sql_expr_in(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_items *list,
                             struct sql_select *select);
struct sql_expr *sql_expr_in_table(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_token name,
                                   const struct sql_token *second, struct sql_items *arguments);
struct sql_expr *sql_expr_case(struct sql_parser *p, struct sql_token token, struct sql_expr *base,
                               struct sql_items *list, struct sql_expr *otherwise);
struct sql_expr *sql_expr_cast(struct sql_parser *p, struct sql_token token, struct sql_expr *left,
                               struct sql_token type);
struct sql_expr *sql_expr_collate(struct sql_parser *p, struct sql_expr *left, struct sql_token name);
struct sql_expr *sql_expr_call(struct sql_parser *p, struct sql_token name, bool distinct, struct sql_items *arguments,
                               struct sql_items *order);
struct sql_expr *sql_expr_finish_call(struct sql_parser *p, struct sql_expr *call, struct sql_expr *filter,
                                      struct sql_window *over);
struct sql_expr *sql_expr_select(struct sql_parser *p, enum sql_expr_kind kind, struct sql_token token,
                                 struct sql_select *select);
struct sql_expr *sql_expr_row(struct sql_parser *p, struct sql_token token, struct sql_items *list);
struct sql_expr *sql_expr_star(struct sql_parser *p, struct sql_token star, const struct sql_token *table);

struct sql_items *sql_items_add(struct sql_parser *p, struct sql_items *items, struct sql_expr *expr);
void sql_items_alias(struct sql_parser *p, struct sql_items *items, struct sql_token alias);
void sql_items_sort(struct sql_items *items, uint8_t sort, uint8_t nulls);
struct sql_names *sql_names_add(struct sql_parser *p, struct sql_names *names, struct sql_token name);

struct sql_window *sql_window_new(struct sql_parser *p, struct sql_token where, const struct sql_token *base,
                                  struct sql_items *partition, struct sql_items *order, struct sql_frame frame);

/* FROM terms: `from` is what stands before, with its pending join; NULL for the first. */
struct sql_from *sql_from_add(struct sql_parser *p, struct sql_from *from, struct sql_source source);
struct sql_from *sql_from_join(struct sql_parser *p, struct sql_from *from, struct sql_token first,
                               const struct sql_token *second, const struct sql_token *third);
void sql_from_alias(struct sql_parser *p, struct sql_from *from, struct sql_token alias);
void sql_from_constraint(struct sql_from *from, struct sql_expr *on, struct sql_names *using_columns);
struct sql_source sql_source_table(struct sql_parser *p, struct sql_token name, const struct sql_token *second);

void sql_from_height(struct sql_parser *p, struct sql_from *from, uint32_t offset);
void sql_select_finish(struct sql_parser *p, struct sql_select *select);

struct sql_core *sql_core_new(struct sql_parser *p, struct sql_token token, bool is_values);
struct sql_core *sql_core_row(struct sql_parser *p, struct sql_core *core, struct sql_items *row);
struct sql_select *sql_select_new(struct sql_parser *p, struct sql_core *core);
struct sql_select *sql_select_add(struct sql_parser *p, struct sql_select *select, uint8_t compound,
                                  struct sql_select *next);
struct sql_select *sql_select_with(struct sql_parser *p, struct sql_select *select, struct sql_with *with);
struct sql_with *sql_with_add(struct sql_parser *p, struct sql_with *with, struct sql_token name,
                              struct sql_names *columns, uint8_t materialized, struct sql_select *select);

struct sql_change *sql_change_new(struct sql_parser *p, struct sql_with *with, uint8_t conflict,
                                  struct sql_source target);
struct sql_set *sql_set_add(struct sql_parser *p, struct sql_set *sets, struct sql_names *columns, bool bracketed,
                            struct sql_expr *expr);

#endif
