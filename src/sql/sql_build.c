/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes for the grammar. Heights are kept as nodes are made, so the depth limit holds for every tree that is handed out
 * and whoever walks one may recurse.
 */
#include "sql/sql_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "sql/sql.h"
#include "sql/sql_number.h"
#include "sql/sql_parameters.h"
#include "sql_grammar.h"

rhei_status sql_fail(struct sql_parser *p, rhei_status status, uint32_t offset, const char *format, ...)
{
    if (p->status != RHEI_OK)
        return p->status;
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    p->status = status;
    bool first = p->error && p->error->code == RHEI_OK;
    error_set(p->error, status, "%s", message);
    if (first)
        p->error->sql_offset = (int32_t)offset;
    return status;
}

uint32_t sql_offset(const struct sql_parser *p, struct sql_token token)
{
    BASE_INVARIANT(!token.text || token.text >= p->text);
    return token.text ? (uint32_t)(token.text - p->text) : 0;
}

static void *make(struct sql_parser *p, size_t size)
{
    void *memory = sql_arena_alloc(p->arena, size);
    if (!memory && p->status == RHEI_OK)
        p->status = error_no_memory(p->error);
    return memory;
}

static bool grow(struct sql_parser *p, void **items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (sql_arena_grow(p->arena, items, count, capacity, size))
        return true;
    if (p->status == RHEI_OK)
        p->status = error_no_memory(p->error);
    return false;
}

/* ---- Names and literals ---- */

/* Takes the quotes off, inner doubled quotes become single. Returns the length. */
static uint32_t unquote(char *out, struct sql_token token)
{
    BASE_INVARIANT(token.length >= 2);
    char open = token.text[0], close = open == '[' ? ']' : open;
    uint32_t length = 0;
    for (uint32_t i = 1; i + 1 < token.length; i++) {
        if (token.text[i] == close && close != ']')
            i++;
        out[length++] = token.text[i];
    }
    BASE_INVARIANT(length + 2 <= token.length);
    out[length] = 0;
    return length;
}

static bool is_quote(char c)
{
    return c == '"' || c == '`' || c == '[' || c == '\'';
}

struct sql_name sql_name(struct sql_parser *p, struct sql_token token)
{
    struct sql_name name = {0};
    if (!token.text)
        return name;
    name.offset = sql_offset(p, token);
    char *text = make(p, (size_t)token.length + 1);
    if (!text)
        return name;
    name.text = text;
    if (is_quote(token.text[0])) {
        name.quote = token.text[0];
        name.length = unquote(text, token);
    } else {
        memcpy(text, token.text, token.length);
        name.length = token.length;
    }
    return name;
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static void literal_bytes(struct sql_parser *p, struct sql_expr *expr, struct sql_token token)
{
    char *bytes = make(p, (size_t)token.length + 1);
    if (!bytes)
        return;
    uint32_t length = 0;
    if (expr->kind == SQL_EXPR_TEXT)
        length = unquote(bytes, token);
    else
        for (uint32_t i = 2; i + 2 < token.length; i += 2)
            bytes[length++] = (char)(hex_digit(token.text[i]) << 4 | hex_digit(token.text[i + 1]));
    BASE_INVARIANT(length <= token.length);
    expr->value.text.bytes = bytes;
    expr->value.text.length = length;
}

/* Underscores between digits mean nothing. */
static bool is_two_63(const char *digits, uint32_t length)
{
    static const char two_63[] = "9223372036854775808";
    uint32_t met = 0;
    for (uint32_t i = 0; i < length; i++) {
        if (digits[i] == '_' || (met == 0 && digits[i] == '0'))
            continue;
        if (met == sizeof two_63 - 1 || digits[i] != two_63[met])
            return false;
        met++;
    }
    return met == sizeof two_63 - 1;
}

static void literal_number(struct sql_parser *p, struct sql_expr *expr, struct sql_token token)
{
    bool hex = token.length > 2 && token.text[0] == '0' && (token.text[1] | 0x20) == 'x';
    if (token.code == SQL_T_INTEGER && sql_number_integer(token.text, token.length, &expr->value.integer))
        return;
    if (hex) {
        sql_fail(p, RHEI_SQL, sql_offset(p, token), "hex literal too big: %.*s",
                 token.length > 60 ? 60 : (int)token.length, token.text);
        return;
    }
    expr->kind = SQL_EXPR_REAL;
    expr->value.real = sql_number_real(token.text, token.length);
    /* With a minus before it, it is the smallest integer. */
    expr->negated = token.code == SQL_T_INTEGER && expr->value.real == 0x1p63 && is_two_63(token.text, token.length);
}

struct sql_expr *sql_expr_new(struct sql_parser *p, enum sql_expr_kind kind, struct sql_token token)
{
    struct sql_expr *expr = make(p, sizeof *expr);
    if (!expr)
        return NULL;
    expr->kind = (uint8_t)kind;
    expr->height = 1;
    expr->offset = sql_offset(p, token);
    return expr;
}

struct sql_expr *sql_expr_literal(struct sql_parser *p, struct sql_token token)
{
    enum sql_expr_kind kind = token.code == SQL_T_STRING ? SQL_EXPR_TEXT
                              : token.code == SQL_T_BLOB ? SQL_EXPR_BLOB
                                                         : SQL_EXPR_INTEGER;
    struct sql_expr *expr = sql_expr_new(p, kind, token);
    if (!expr)
        return NULL;
    if (kind == SQL_EXPR_INTEGER)
        literal_number(p, expr, token);
    else
        literal_bytes(p, expr, token);
    return expr;
}

/* ---- Parameters, numbered as SQLite numbers them ---- */

static uint32_t parameter_number(struct sql_parser *p, const char *name, uint32_t offset)
{
    if (!name[1] && name[0] == '?')
        return p->largest_parameter + 1;
    if (name[0] == '?') {
        int64_t number = 0;
        if (!sql_number_integer(name + 1, strlen(name + 1), &number) || number < 1 ||
            number > SQL_PARAMETER_NUMBER_MAX) {
            sql_fail(p, RHEI_SQL, offset, "variable number must be between ?1 and ?%d", SQL_PARAMETER_NUMBER_MAX);
            return 0;
        }
        return (uint32_t)number;
    }
    for (uint32_t i = 0; i < p->parameter_count; i++)
        if (strcmp(p->parameters[i].name, name) == 0)
            return p->parameters[i].number;
    return p->largest_parameter + 1;
}

struct sql_expr *sql_expr_parameter(struct sql_parser *p, struct sql_token token)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_PARAMETER, token);
    char *name = sql_arena_text(p->arena, token.text, token.length);
    if (!expr || !name ||
        !grow(p, (void **)&p->parameters, p->parameter_count, &p->parameter_capacity, sizeof *p->parameters))
        return NULL;
    uint32_t number = parameter_number(p, name, expr->offset);
    if (number > SQL_PARAMETER_NUMBER_MAX)
        sql_fail(p, RHEI_SQL, expr->offset, "too many SQL variables");
    if (number > p->largest_parameter)
        p->largest_parameter = number;
    p->parameters[p->parameter_count++] = (struct sql_parameter){number, name, expr->offset};
    expr->name = (struct sql_name){name, token.length, expr->offset, 0};
    expr->value.number = number;
    return expr;
}

/* ---- Heights ---- */

static uint16_t items_height(const struct sql_items *items)
{
    uint16_t height = 0;
    for (uint32_t i = 0; items && i < items->count; i++)
        if (items->items[i].expr && items->items[i].expr->height > height)
            height = items->items[i].expr->height;
    return height;
}

static void higher(uint16_t *height, uint16_t other)
{
    if (other > *height)
        *height = other;
}

static void higher_expr(uint16_t *height, const struct sql_expr *expr)
{
    if (expr)
        higher(height, expr->height);
}

static void set_height(struct sql_parser *p, uint16_t *height, uint16_t children, uint32_t offset)
{
    BASE_INVARIANT(children < UINT16_MAX);
    *height = (uint16_t)(children + 1);
    if (*height > SQL_MAX_DEPTH)
        sql_fail(p, RHEI_TOO_BIG, offset, "the statement is nested too deep (the limit is %d levels)", SQL_MAX_DEPTH);
}

static uint16_t window_height(const struct sql_window *window)
{
    uint16_t height = items_height(window->partition);
    higher(&height, items_height(window->order));
    higher_expr(&height, window->start.expr);
    higher_expr(&height, window->end.expr);
    return height;
}

static struct sql_expr *finish(struct sql_parser *p, struct sql_expr *expr)
{
    if (!expr)
        return NULL;
    uint16_t height = 0;
    higher_expr(&height, expr->left);
    higher_expr(&height, expr->right);
    higher_expr(&height, expr->third);
    higher(&height, items_height(expr->list));
    if (expr->select)
        higher(&height, expr->select->height);
    if (expr->call) {
        higher(&height, items_height(expr->call->arguments));
        higher(&height, items_height(expr->call->order));
        higher_expr(&height, expr->call->filter);
        if (expr->call->over)
            higher(&height, window_height(expr->call->over));
    }
    set_height(p, &expr->height, height, expr->offset);
    return expr;
}

/* ---- Expressions ---- */

struct sql_expr *sql_expr_column(struct sql_parser *p, const struct sql_token *schema, const struct sql_token *table,
                                 struct sql_token name)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_COLUMN, schema ? *schema : table ? *table : name);
    if (!expr)
        return NULL;
    if (schema)
        expr->schema = sql_name(p, *schema);
    if (table)
        expr->table = sql_name(p, *table);
    expr->name = sql_name(p, name);
    return expr;
}

struct sql_expr *sql_expr_star(struct sql_parser *p, struct sql_token star, const struct sql_token *table)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_STAR, table ? *table : star);
    if (expr && table)
        expr->table = sql_name(p, *table);
    return expr;
}

struct sql_expr *sql_expr_unary(struct sql_parser *p, enum sql_op op, struct sql_expr *left, struct sql_token token)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_UNARY, token);
    if (!expr)
        return NULL;
    expr->op = (uint8_t)op;
    expr->left = left;
    return finish(p, expr);
}

static enum sql_op binary_op(struct sql_token token)
{
    switch (token.code) {
    case SQL_T_OR:
        return SQL_OP_OR;
    case SQL_T_AND:
        return SQL_OP_AND;
    case SQL_T_EQ:
        return SQL_OP_EQ;
    case SQL_T_NE:
        return SQL_OP_NE;
    case SQL_T_LT:
        return SQL_OP_LT;
    case SQL_T_LE:
        return SQL_OP_LE;
    case SQL_T_GT:
        return SQL_OP_GT;
    case SQL_T_GE:
        return SQL_OP_GE;
    case SQL_T_BITAND:
        return SQL_OP_BIT_AND;
    case SQL_T_BITOR:
        return SQL_OP_BIT_OR;
    case SQL_T_LSHIFT:
        return SQL_OP_SHIFT_LEFT;
    case SQL_T_RSHIFT:
        return SQL_OP_SHIFT_RIGHT;
    case SQL_T_PLUS:
        return SQL_OP_ADD;
    case SQL_T_MINUS:
        return SQL_OP_SUBTRACT;
    case SQL_T_STAR:
        return SQL_OP_MULTIPLY;
    case SQL_T_SLASH:
        return SQL_OP_DIVIDE;
    case SQL_T_REM:
        return SQL_OP_REMAINDER;
    case SQL_T_CONCAT:
        return SQL_OP_CONCAT;
    default:
        return token.length == 3 ? SQL_OP_ARROW2 : SQL_OP_ARROW;
    }
}

struct sql_expr *sql_expr_binary(struct sql_parser *p, struct sql_token op, struct sql_expr *left,
                                 struct sql_expr *right)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_BINARY, op);
    if (!expr)
        return NULL;
    expr->op = (uint8_t)binary_op(op);
    expr->left = left;
    expr->right = right;
    return finish(p, expr);
}

static enum sql_op like_op(struct sql_token token)
{
    if (token.code == SQL_T_MATCH)
        return SQL_OP_MATCH;
    switch (token.text[0] | 0x20) {
    case 'l':
        return SQL_OP_LIKE;
    case 'g':
        return SQL_OP_GLOB;
    default:
        return SQL_OP_REGEXP;
    }
}

struct sql_expr *sql_expr_like(struct sql_parser *p, struct sql_token op, bool negated, struct sql_expr *left,
                               struct sql_expr *right, struct sql_expr *escape)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_LIKE, op);
    if (!expr)
        return NULL;
    expr->op = (uint8_t)like_op(op);
    expr->negated = negated;
    expr->left = left;
    expr->right = right;
    expr->third = escape;
    return finish(p, expr);
}

struct sql_expr *sql_expr_test(struct sql_parser *p, enum sql_expr_kind kind, bool negated, struct sql_expr *left,
                               struct sql_expr *right)
{
    struct sql_expr *expr = sql_expr_new(p, kind, (struct sql_token){0});
    if (!expr)
        return NULL;
    expr->offset = left ? left->offset : 0;
    expr->negated = negated;
    expr->left = left;
    expr->right = right;
    return finish(p, expr);
}

struct sql_expr *sql_expr_between(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_expr *low,
                                  struct sql_expr *high)
{
    struct sql_expr *expr = sql_expr_test(p, SQL_EXPR_BETWEEN, negated, left, low);
    if (!expr)
        return NULL;
    expr->third = high;
    return finish(p, expr);
}

struct sql_expr *sql_expr_in(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_items *list,
                             struct sql_select *select)
{
    struct sql_expr *expr = sql_expr_test(p, select ? SQL_EXPR_IN_SELECT : SQL_EXPR_IN_LIST, negated, left, NULL);
    if (!expr)
        return NULL;
    expr->list = list;
    expr->select = select;
    return finish(p, expr);
}

struct sql_expr *sql_expr_in_table(struct sql_parser *p, bool negated, struct sql_expr *left, struct sql_token name,
                                   const struct sql_token *second, struct sql_items *arguments)
{
    struct sql_expr *expr = sql_expr_test(p, SQL_EXPR_IN_TABLE, negated, left, NULL);
    if (!expr)
        return NULL;
    if (second)
        expr->schema = sql_name(p, name);
    expr->name = sql_name(p, second ? *second : name);
    expr->list = arguments;
    return finish(p, expr);
}

struct sql_expr *sql_expr_case(struct sql_parser *p, struct sql_token token, struct sql_expr *base,
                               struct sql_items *list, struct sql_expr *otherwise)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_CASE, token);
    if (!expr)
        return NULL;
    expr->left = base;
    expr->list = list;
    expr->right = otherwise;
    return finish(p, expr);
}

struct sql_expr *sql_expr_cast(struct sql_parser *p, struct sql_token token, struct sql_expr *left,
                               struct sql_token type)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_CAST, token);
    if (!expr)
        return NULL;
    expr->left = left;
    if (type.text) {
        expr->name.text = sql_arena_text(p->arena, type.text, type.length);
        expr->name.length = type.length;
        expr->name.offset = sql_offset(p, type);
    }
    return finish(p, expr);
}

struct sql_expr *sql_expr_collate(struct sql_parser *p, struct sql_expr *left, struct sql_token name)
{
    struct sql_expr *expr = sql_expr_test(p, SQL_EXPR_COLLATE, false, left, NULL);
    if (expr)
        expr->name = sql_name(p, name);
    return expr;
}

struct sql_expr *sql_expr_call(struct sql_parser *p, struct sql_token name, bool distinct, struct sql_items *arguments,
                               struct sql_items *order)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_CALL, name);
    if (!expr)
        return NULL;
    expr->name = sql_name(p, name);
    expr->call = make(p, sizeof *expr->call);
    if (!expr->call)
        return NULL;
    expr->call->distinct = distinct;
    expr->call->arguments = arguments;
    expr->call->order = order;
    return finish(p, expr);
}

struct sql_expr *sql_expr_finish_call(struct sql_parser *p, struct sql_expr *call, struct sql_expr *filter,
                                      struct sql_window *over)
{
    if (!call)
        return NULL;
    call->call->filter = filter;
    call->call->over = over;
    return finish(p, call);
}

struct sql_expr *sql_expr_select(struct sql_parser *p, enum sql_expr_kind kind, struct sql_token token,
                                 struct sql_select *select)
{
    struct sql_expr *expr = sql_expr_new(p, kind, token);
    if (!expr)
        return NULL;
    expr->select = select;
    return finish(p, expr);
}

struct sql_expr *sql_expr_row(struct sql_parser *p, struct sql_token token, struct sql_items *list)
{
    struct sql_expr *expr = sql_expr_new(p, SQL_EXPR_ROW, token);
    if (!expr)
        return NULL;
    expr->list = list;
    return finish(p, expr);
}

/* ---- Lists ---- */

struct sql_items *sql_items_add(struct sql_parser *p, struct sql_items *items, struct sql_expr *expr)
{
    if (!items)
        items = make(p, sizeof *items);
    if (!items || !expr || !grow(p, (void **)&items->items, items->count, &items->capacity, sizeof *items->items))
        return items;
    items->items[items->count++] = (struct sql_item){.expr = expr};
    return items;
}

void sql_items_alias(struct sql_parser *p, struct sql_items *items, struct sql_token alias)
{
    if (items && items->count)
        items->items[items->count - 1].alias = sql_name(p, alias);
}

void sql_items_sort(struct sql_items *items, uint8_t sort, uint8_t nulls)
{
    if (!items || !items->count)
        return;
    items->items[items->count - 1].sort = sort;
    items->items[items->count - 1].nulls = nulls;
}

struct sql_names *sql_names_add(struct sql_parser *p, struct sql_names *names, struct sql_token name)
{
    if (!names)
        names = make(p, sizeof *names);
    if (!names || !grow(p, (void **)&names->items, names->count, &names->capacity, sizeof *names->items))
        return names;
    names->items[names->count++] = sql_name(p, name);
    return names;
}

struct sql_window *sql_window_new(struct sql_parser *p, struct sql_token where, const struct sql_token *base,
                                  struct sql_items *partition, struct sql_items *order, struct sql_frame frame)
{
    struct sql_window *window = make(p, sizeof *window);
    if (!window)
        return NULL;
    window->offset = sql_offset(p, where);
    if (base)
        window->base = sql_name(p, *base);
    window->partition = partition;
    window->order = order;
    window->unit = frame.unit;
    window->exclude = frame.exclude;
    window->start = frame.start;
    window->end = frame.end;
    return window;
}
