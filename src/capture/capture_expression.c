/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_expression.h"

#include <stdio.h>
#include <string.h>

#include "sql/sql.h"
#include "sql/sql_lexer.h"

enum {
    EXPRESSION_GENERATED_MAX = 40, /* generated columns that are made of each other */
    /* What a trigger's text may take of the parser's stack. It has 100 places in most builds of SQLite, and where it doesn't
       suffice, the whole schema can't be read. */
    EXPRESSION_STACK_MAX = 60
};

/* A text on its way from one form to the other. */
struct writer {
    struct capture_expression *expression;
    const char *sql;
    size_t len;
    enum capture_row row;
    uint32_t depth; /* of generated columns */
    uint32_t stack; /* places on the parser's stack, at most */
    struct base_buffer *out;
};

static bool write_expr(struct writer *writer, const struct sql_expr *expr);

static bool refuse(struct writer *writer, const char *what, const char *name)
{
    snprintf(writer->expression->why, sizeof writer->expression->why, "%s%s%.60s%s", what, name == NULL ? "" : " ",
             name == NULL ? "" : name, name == NULL ? "" : "()");
    return false;
}

/* ---- One expression's tree. -------------------------------------------------------------------------------------- */

/* The expression alone, as a result column; *text is what the tree's offsets count in. Free both. */
static bool parse(const char *sql, size_t len, char **text, struct sql_tree **tree, const struct sql_expr **expr)
{
    struct base_buffer whole = {0};
    base_buffer_text(&whole, "SELECT ");
    base_buffer_append(&whole, sql, len);
    *tree = NULL;
    *text = base_buffer_take(&whole);
    if (*text == NULL || sql_parse(*text, strlen(*text), tree, NULL) != RHEI_OK)
        return false;
    const struct sql_select *select = (*tree)->select;
    bool alone = (*tree)->kind == SQL_KIND_SELECT && (*tree)->explain == SQL_EXPLAIN_NONE && select != NULL &&
                 select->cores->next == NULL && select->order == NULL && select->limit == NULL &&
                 !sql_has_more(*tree, *text, strlen(*text));
    const struct sql_core *core = alone ? select->cores : NULL;
    if (core == NULL || core->is_values || core->distinct || core->from != NULL || core->where != NULL ||
        core->group_by != NULL || core->having != NULL || core->columns->count != 1 ||
        core->columns->items[0].alias.text != NULL)
        return false;
    *expr = core->columns->items[0].expr;
    return true;
}

static int32_t find_column(const struct capture_table_schema *table, const char *name)
{
    for (uint32_t i = 0; i < table->table.source.column_count; i++)
        if (!table->table.source.columns[i].is_rowid &&
            base_fold_compare(table->table.source.columns[i].name, name) == 0)
            return (int32_t)i;
    return -1;
}

static bool is_truth(const struct sql_expr *expr)
{
    return expr->kind == SQL_EXPR_COLUMN && expr->name.quote == 0 && expr->table.text == NULL &&
           (base_fold_compare(expr->name.text, "true") == 0 || base_fold_compare(expr->name.text, "false") == 0);
}

/* ---- Defaults. --------------------------------------------------------------------------------------------------- */

/* A constant: appended as a literal that means the same anywhere. RHEI_NULL and false: it isn't one. */
static bool write_constant(const struct sql_expr *expr, const char *text, struct base_buffer *out,
                           enum rhei_class *type)
{
    *type = RHEI_NULL;
    if (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS) &&
        (expr->left->kind == SQL_EXPR_INTEGER || expr->left->kind == SQL_EXPR_REAL)) {
        base_buffer_text(out, expr->op == SQL_OP_NEGATE ? "-" : "+");
        return write_constant(expr->left, text, out, type);
    }
    struct sql_token token = sql_lex(text + expr->offset, strlen(text) - expr->offset);
    switch (expr->kind) {
    case SQL_EXPR_NULL:
        base_buffer_text(out, "NULL");
        return true;
    case SQL_EXPR_INTEGER:
    case SQL_EXPR_REAL:
    case SQL_EXPR_TEXT:
    case SQL_EXPR_BLOB:
        *type = expr->kind == SQL_EXPR_INTEGER ? RHEI_INTEGER
                : expr->kind == SQL_EXPR_REAL  ? RHEI_REAL
                : expr->kind == SQL_EXPR_TEXT  ? RHEI_TEXT
                                               : RHEI_BLOB;
        base_buffer_append(out, token.text, token.length);
        return true;
    case SQL_EXPR_COLUMN:
        if (expr->table.text != NULL)
            return false;
        if (is_truth(expr)) {
            *type = RHEI_INTEGER;
            base_buffer_text(out, base_fold_compare(expr->name.text, "true") == 0 ? "1" : "0");
        } else { /* DEFAULT word: the word is a string */
            *type = RHEI_TEXT;
            base_buffer_literal(out, expr->name.text, expr->name.length);
        }
        return true;
    default:
        return false;
    }
}

/* The column's default as a literal; false if it isn't a constant. */
static bool write_default(const struct capture_table_schema *table, uint32_t column, struct base_buffer *out,
                          enum rhei_class *type)
{
    char *text = NULL;
    struct sql_tree *tree = NULL;
    const struct sql_expr *expr = NULL;
    const char *sql = table->defaults[column];
    bool constant = parse(sql, strlen(sql), &text, &tree, &expr) && write_constant(expr, text, out, type);
    sql_tree_free(&tree);
    base_free(text);
    return constant;
}

/* A value of this type is stored in the column as it is. */
static bool is_of_affinity(enum rhei_class type, uint8_t affinity)
{
    switch (affinity) {
    case AFFINITY_TEXT:
        return type == RHEI_TEXT || type == RHEI_BLOB;
    case AFFINITY_INTEGER:
    case AFFINITY_NUMERIC:
        return type == RHEI_INTEGER || type == RHEI_BLOB;
    case AFFINITY_REAL:
        return type == RHEI_REAL || type == RHEI_BLOB;
    default:
        return true;
    }
}

void capture_expression_new(struct capture_expression *expression, uint32_t column, bool compared,
                            struct base_buffer *out)
{
    const struct capture_table_schema *table = expression->table;
    const struct source_column *source = &table->table.source.columns[column];
    struct base_buffer literal = {0};
    enum rhei_class type = RHEI_NULL;
    bool may_change = source->not_null && !source->generated && table->defaults[column] != NULL;
    bool constant = may_change && write_default(table, column, &literal, &type);
    if (constant && type == RHEI_NULL)
        may_change = false; /* NOT NULL DEFAULT NULL: nothing to put there */
    /* the column to compare with brings affinity and collation along; an expression needs the value itself */
    bool usable =
        constant &&
        (compared || (is_of_affinity(type, source->affinity) && base_fold_compare(source->collation, "BINARY") == 0));
    base_buffer_text(out, may_change && usable ? "ifnull(NEW." : "NEW.");
    base_buffer_identifier(out, source->name);
    if (may_change && usable)
        base_buffer_format(out, ",%s)", literal.data == NULL ? "NULL" : literal.data);
    else if (may_change && expression->unsettled != NULL)
        expression->unsettled[column] = true;
    out->failed |= literal.failed;
    base_buffer_reset(&literal);
}

/* ---- Generated columns. ------------------------------------------------------------------------------------------ */

/* Where in the table's text the expression of a generated column is. */
static bool find_generated(const char *sql, const char *column, size_t *from, size_t *to)
{
    size_t len = sql == NULL ? 0 : strlen(sql), at = 0, start, end;
    int depth = 0;
    bool item = false, ours = false, after_as = false;
    enum oltp_token token;
    *from = *to = 0;
    while ((token = oltp_next_token(sql == NULL ? "" : sql, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        bool other = token == OLTP_TOKEN_OTHER;
        if (depth == 1 && item && token != OLTP_TOKEN_OTHER) {
            char *name = oltp_token_text(sql, start, end);
            ours = name != NULL && base_fold_compare(name, column) == 0;
            base_free(name);
        }
        item = (other && sql[start] == ',' && depth == 1) || (other && sql[start] == '(' && depth == 0);
        if (other && sql[start] == '(') {
            if (depth == 1 && ours && after_as)
                *from = end;
            depth++;
        } else if (other && sql[start] == ')') {
            depth--;
            if (depth == 1 && ours && *from > 0) {
                *to = start;
                return true;
            }
        }
        after_as = depth == 1 && token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "AS");
    }
    return false;
}

/* What the column is made of, written as the row that `writer` has. */
static bool write_generated(struct writer *writer, uint32_t column)
{
    const struct capture_table_schema *table = writer->expression->table;
    size_t from, to;
    if (writer->depth >= EXPRESSION_GENERATED_MAX ||
        !find_generated(table->sql, table->table.source.columns[column].name, &from, &to))
        return refuse(writer, "a generated column whose text can't be read", NULL);
    char *text = NULL;
    struct sql_tree *tree = NULL;
    const struct sql_expr *expr = NULL;
    bool read = parse(table->sql + from, to - from, &text, &tree, &expr);
    struct writer inner = {.expression = writer->expression,
                           .sql = text,
                           .len = text == NULL ? 0 : strlen(text),
                           .row = writer->row,
                           .depth = writer->depth + 1,
                           .stack = writer->stack,
                           .out = writer->out};
    bool written =
        read ? write_expr(&inner, expr) : refuse(writer, "a generated column whose text can't be read", NULL);
    sql_tree_free(&tree);
    base_free(text);
    return written;
}

int32_t capture_id_column(const struct capture_table_schema *table)
{
    for (uint32_t i = 0; i < table->table.source.column_count; i++)
        if (table->table.source.columns[i].is_rowid_alias)
            return (int32_t)i;
    return -1;
}

static bool read_column(struct writer *writer, uint32_t column)
{
    const struct capture_table_schema *table = writer->expression->table;
    const struct source_column *source = &table->table.source.columns[column];
    writer->expression->reads[column] = true;
    if (source->generated) {
        struct base_buffer unused = {0};
        struct writer inner = *writer;
        inner.row = CAPTURE_ROW_STORED;
        inner.out = &unused;
        bool read = write_generated(&inner, column);
        base_buffer_reset(&unused);
        return read;
    }
    /* a generated column is computed from NEW as the trigger sees it, without the defaults that REPLACE puts in later */
    if (writer->depth > 0 && writer->row == CAPTURE_ROW_STORED && writer->expression->unsettled != NULL &&
        source->not_null && table->defaults[column] != NULL)
        writer->expression->unsettled[column] = true;
    return true;
}

bool capture_expression_reads(struct capture_expression *expression, uint32_t column)
{
    struct writer writer = {.expression = expression};
    return read_column(&writer, column);
}

bool capture_expression_generated(struct capture_expression *expression, uint32_t column, struct base_buffer *out)
{
    struct writer writer = {.expression = expression, .row = CAPTURE_ROW_NEW, .out = out};
    expression->reads[column] = true;
    return write_generated(&writer, column);
}

bool capture_generated_are_safe(const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    bool safe = true, any = false;
    for (uint32_t i = 0; i < source->column_count; i++)
        any |= source->columns[i].generated;
    bool *reads = any ? base_alloc_zero(source->column_count, sizeof *reads) : NULL;
    struct capture_expression expression = {.table = table, .reads = reads};
    for (uint32_t i = 0; i < source->column_count && any && safe; i++)
        safe = reads != NULL && (!source->columns[i].generated || capture_expression_reads(&expression, i));
    base_free(reads);
    /* a STRICT table checks a virtual column's class when the row is read, and that read fails */
    return safe && !(any && table->table.strict);
}

/* ---- Functions and operators that can't fail. -------------------------------------------------------------------- */

static const char *const safe_functions[] = {
    "acos",    "acosh",     "asin",      "asinh",     "atan",         "atan2",    "atanh", "ceil",       "ceiling",
    "char",    "coalesce",  "concat",    "concat_ws", "cos",          "cosh",     "date",  "datetime",   "degrees",
    "exp",     "floor",     "glob",      "hex",       "ifnull",       "iif",      "instr", "json_valid", "julianday",
    "length",  "like",      "likely",    "ln",        "log",          "log10",    "log2",  "lower",      "ltrim",
    "max",     "min",       "mod",       "nullif",    "octet_length", "pi",       "pow",   "power",      "quote",
    "radians", "replace",   "round",     "rtrim",     "sign",         "sin",      "sinh",  "sqrt",       "strftime",
    "substr",  "substring", "tan",       "tanh",      "time",         "timediff", "trim",  "trunc",      "typeof",
    "unhex",   "unicode",   "unixepoch", "unlikely",  "upper"};

static bool is_safe_function(const struct sql_expr *expr)
{
    uint32_t arguments = expr->call->arguments == NULL ? 0 : expr->call->arguments->count;
    bool plain = expr->call->order == NULL && expr->call->filter == NULL && expr->call->over == NULL &&
                 !expr->call->star && !expr->call->distinct && !expr->call->within_group;
    bool known = false;
    for (size_t i = 0; i < sizeof safe_functions / sizeof safe_functions[0] && plain; i++)
        known |= base_fold_compare(safe_functions[i], expr->name.text) == 0;
    if (base_fold_compare(expr->name.text, "json_valid") == 0)
        return known && arguments == 1; /* flags may be wrong ones */
    if (base_fold_compare(expr->name.text, "like") == 0 || base_fold_compare(expr->name.text, "glob") == 0)
        return known && arguments == 2 && expr->call->arguments->items[0].expr->kind == SQL_EXPR_TEXT;
    return known;
}

/* How an operand takes part in a comparison (https://www.sqlite.org/datatype3.html, section 4.2). */
enum operand { OPERAND_TEXT, OPERAND_NUMBER, OPERAND_BARE, OPERAND_COLUMN_TEXT, OPERAND_COLUMN_NUMBER, OPERAND_NULL };

static enum operand operand_of(const struct writer *writer, const struct sql_expr *expr)
{
    while (expr->kind == SQL_EXPR_COLLATE)
        expr = expr->left;
    if (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS) &&
        (expr->left->kind == SQL_EXPR_INTEGER || expr->left->kind == SQL_EXPR_REAL))
        expr = expr->left;
    int32_t column = expr->kind == SQL_EXPR_COLUMN ? find_column(writer->expression->table, expr->name.text) : -1;
    if (column >= 0) {
        switch (writer->expression->table->table.source.columns[column].affinity) {
        case AFFINITY_TEXT:
            return OPERAND_COLUMN_TEXT;
        case AFFINITY_BLOB:
            return OPERAND_BARE;
        default:
            return OPERAND_COLUMN_NUMBER;
        }
    }
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
    case SQL_EXPR_REAL:
        return OPERAND_NUMBER;
    case SQL_EXPR_TEXT:
        return OPERAND_TEXT;
    case SQL_EXPR_NULL:
        return OPERAND_NULL;
    case SQL_EXPR_COLUMN:
        return is_truth(expr) ? OPERAND_NUMBER : OPERAND_TEXT;
    default:
        return OPERAND_BARE;
    }
}

/* E2: the column's affinity changes neither its own value, which has it already, nor the other's. */
static bool is_same_without_affinity(enum operand a, enum operand b)
{
    if (b == OPERAND_COLUMN_TEXT || b == OPERAND_COLUMN_NUMBER) {
        enum operand swap = a;
        a = b;
        b = swap;
    }
    switch (a) {
    case OPERAND_COLUMN_TEXT:
        return b == OPERAND_TEXT || b == OPERAND_COLUMN_TEXT || b == OPERAND_NULL;
    case OPERAND_COLUMN_NUMBER:
        return b == OPERAND_NUMBER || b == OPERAND_COLUMN_NUMBER || b == OPERAND_NULL;
    default:
        return true;
    }
}

static bool check_compared(struct writer *writer, const struct sql_expr *a, const struct sql_expr *b)
{
    return writer->row == CAPTURE_ROW_STORED ||
           is_same_without_affinity(operand_of(writer, a), operand_of(writer, b)) ||
           refuse(writer, "a comparison of a column with a value of another type", NULL);
}

/* ---- Writing. ---------------------------------------------------------------------------------------------------- */

static bool write_column(struct writer *writer, const struct sql_expr *expr)
{
    const struct capture_table_schema *table = writer->expression->table;
    int32_t column = expr->table.text == NULL && expr->name.quote != '\'' ? find_column(table, expr->name.text) : -1;
    if (column < 0) {
        enum rhei_class type;
        if (!is_truth(expr) && expr->name.quote != '"')
            return refuse(writer, "a name that is none of its columns", NULL);
        return write_constant(expr, writer->sql, writer->out, &type);
    }
    int32_t id = capture_id_column(table);
    bool *reads = writer->expression->reads;
    bool id_before = id >= 0 && reads[id];
    if (id >= 0)
        reads[id] = false;
    if (!read_column(writer, (uint32_t)column))
        return false;
    bool made_of_id = id >= 0 && reads[id];
    if (id >= 0)
        reads[id] = made_of_id || id_before;
    if (writer->row == CAPTURE_ROW_NEW && made_of_id && writer->expression->id_text != NULL) {
        if (column != id)
            return refuse(writer, "a generated column that is made of the id", NULL);
        base_buffer_text(writer->out, writer->expression->id_text);
    } else if (writer->row == CAPTURE_ROW_NEW) {
        capture_expression_new(writer->expression, (uint32_t)column, false, writer->out);
    } else {
        base_buffer_text(writer->out, "_rhei_row.");
        base_buffer_identifier(writer->out, table->table.source.columns[column].name);
    }
    return true;
}

static bool write_list(struct writer *writer, const struct sql_items *list)
{
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        base_buffer_text(writer->out, i == 0 ? "" : ",");
        if (!write_expr(writer, list->items[i].expr))
            return false;
    }
    return true;
}

/* Operators that bind equally, from the left. */
static int operator_level(const struct sql_expr *expr)
{
    switch (expr->kind == SQL_EXPR_BINARY ? expr->op : SQL_OP_NONE) {
    case SQL_OP_OR:
        return 1;
    case SQL_OP_AND:
        return 2;
    case SQL_OP_BIT_AND:
    case SQL_OP_BIT_OR:
    case SQL_OP_SHIFT_LEFT:
    case SQL_OP_SHIFT_RIGHT:
        return 3;
    case SQL_OP_ADD:
    case SQL_OP_SUBTRACT:
        return 4;
    case SQL_OP_MULTIPLY:
    case SQL_OP_DIVIDE:
    case SQL_OP_REMAINDER:
        return 5;
    case SQL_OP_CONCAT:
        return 6;
    default:
        return 0;
    }
}

static bool write_operator(struct writer *writer, const struct sql_expr *expr)
{
    bool json = expr->op == SQL_OP_ARROW || expr->op == SQL_OP_ARROW2; /* raise on text that is no JSON */
    const char *text = json ? NULL : sql_op_text(expr->op);
    bool compares = expr->op >= SQL_OP_EQ && expr->op <= SQL_OP_GE;
    if (text == NULL)
        return refuse(writer, "an operator that can fail", NULL);
    if (compares && !check_compared(writer, expr->left, expr->right))
        return false;
    if (expr->right == NULL) {
        base_buffer_text(writer->out, text);
        return write_expr(writer, expr->left);
    }
    /* long chains without brackets, as they were written: brackets take the parser's stack */
    bool chain = operator_level(expr) > 0 && operator_level(expr) == operator_level(expr->left);
    return (chain ? write_operator(writer, expr->left) : write_expr(writer, expr->left)) &&
           (base_buffer_text(writer->out, text), true) && write_expr(writer, expr->right);
}

static bool write_like(struct writer *writer, const struct sql_expr *expr)
{
    if ((expr->op != SQL_OP_LIKE && expr->op != SQL_OP_GLOB) || expr->right->kind != SQL_EXPR_TEXT ||
        expr->third != NULL)
        return refuse(writer, "a pattern match that can fail", NULL);
    return write_expr(writer, expr->left) &&
           (base_buffer_format(writer->out, " %s%s ", expr->negated ? "NOT " : "", sql_op_text(expr->op)), true) &&
           write_expr(writer, expr->right);
}

static bool write_between(struct writer *writer, const struct sql_expr *expr)
{
    return check_compared(writer, expr->left, expr->right) && check_compared(writer, expr->left, expr->third) &&
           write_expr(writer, expr->left) &&
           (base_buffer_text(writer->out, expr->negated ? " NOT BETWEEN " : " BETWEEN "), true) &&
           write_expr(writer, expr->right) && (base_buffer_text(writer->out, " AND "), true) &&
           write_expr(writer, expr->third);
}

static bool write_in(struct writer *writer, const struct sql_expr *expr)
{
    for (uint32_t i = 0; expr->list != NULL && i < expr->list->count; i++)
        if (!check_compared(writer, expr->left, expr->list->items[i].expr))
            return false;
    return write_expr(writer, expr->left) &&
           (base_buffer_text(writer->out, expr->negated ? " NOT IN (" : " IN ("), true) &&
           write_list(writer, expr->list) && (base_buffer_char(writer->out, ')'), true);
}

static bool write_case(struct writer *writer, const struct sql_expr *expr)
{
    base_buffer_text(writer->out, "CASE ");
    bool ok = expr->left == NULL || write_expr(writer, expr->left);
    for (uint32_t i = 0; ok && expr->list != NULL && i + 1 < expr->list->count; i += 2) {
        const struct sql_expr *when = expr->list->items[i].expr;
        base_buffer_text(writer->out, " WHEN ");
        ok = (expr->left == NULL || check_compared(writer, expr->left, when)) && write_expr(writer, when);
        base_buffer_text(writer->out, " THEN ");
        ok = ok && write_expr(writer, expr->list->items[i + 1].expr);
    }
    if (expr->right != NULL) {
        base_buffer_text(writer->out, " ELSE ");
        ok = ok && write_expr(writer, expr->right);
    }
    base_buffer_text(writer->out, " END");
    return ok;
}

static bool write_call(struct writer *writer, const struct sql_expr *expr)
{
    if (!is_safe_function(expr))
        return refuse(writer, "the function", expr->name.text);
    base_buffer_identifier(writer->out, expr->name.text);
    base_buffer_char(writer->out, '(');
    return write_list(writer, expr->call->arguments) && (base_buffer_char(writer->out, ')'), true);
}

static bool write_collate(struct writer *writer, const struct sql_expr *expr)
{
    if (!capture_collation_is_known(expr->name.text)) {
        snprintf(writer->expression->why, sizeof writer->expression->why, "the collation %.60s", expr->name.text);
        return false;
    }
    return write_expr(writer, expr->left) && (base_buffer_text(writer->out, " COLLATE "), true) &&
           (base_buffer_identifier(writer->out, expr->name.text), true);
}

static bool write_cast(struct writer *writer, const struct sql_expr *expr)
{
    const char *type = expr->name.text == NULL ? "" : expr->name.text;
    if (type[strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ ,()")] != '\0')
        return refuse(writer, "a CAST to a type that isn't plain words", NULL);
    base_buffer_text(writer->out, "CAST(");
    return write_expr(writer, expr->left) && (base_buffer_format(writer->out, " AS %s)", type), true);
}

static bool write_inside(struct writer *writer, const struct sql_expr *expr)
{
    enum rhei_class type;
    switch (expr->kind) {
    case SQL_EXPR_NULL:
    case SQL_EXPR_INTEGER:
    case SQL_EXPR_REAL:
    case SQL_EXPR_TEXT:
    case SQL_EXPR_BLOB:
        return write_constant(expr, writer->sql, writer->out, &type);
    case SQL_EXPR_UNARY:
    case SQL_EXPR_BINARY:
        return write_operator(writer, expr);
    case SQL_EXPR_LIKE:
        return write_like(writer, expr);
    case SQL_EXPR_IS_NULL:
        return write_expr(writer, expr->left) &&
               (base_buffer_text(writer->out, expr->negated ? " NOTNULL" : " ISNULL"), true);
    case SQL_EXPR_IS:
        return check_compared(writer, expr->left, expr->right) && write_expr(writer, expr->left) &&
               (base_buffer_text(writer->out, expr->negated ? " IS NOT " : " IS "), true) &&
               write_expr(writer, expr->right);
    case SQL_EXPR_BETWEEN:
        return write_between(writer, expr);
    case SQL_EXPR_IN_LIST:
        return write_in(writer, expr);
    case SQL_EXPR_CASE:
        return write_case(writer, expr);
    case SQL_EXPR_CAST:
        return write_cast(writer, expr);
    case SQL_EXPR_COLLATE:
        return write_collate(writer, expr);
    default:
        return refuse(writer, "a construct that Rhei doesn't know there", NULL);
    }
}

/* Leaves and calls as they are, everything else in brackets: no word of a neighbour can bind to it. */
static bool write_expr(struct writer *writer, const struct sql_expr *expr)
{
    uint32_t before = writer->stack;
    bool bare = expr->kind <= SQL_EXPR_BLOB, ok = false;
    writer->stack += expr->kind == SQL_EXPR_CASE ? 7 : expr->kind == SQL_EXPR_CALL ? 5 : 4;
    if (writer->stack > EXPRESSION_STACK_MAX) {
        ok = refuse(writer, "an expression that is nested too deeply", NULL);
    } else if (expr->kind == SQL_EXPR_COLUMN) {
        ok = write_column(writer, expr);
    } else if (expr->kind == SQL_EXPR_CALL) {
        ok = write_call(writer, expr);
    } else {
        base_buffer_text(writer->out, bare ? "" : "(");
        ok = write_inside(writer, expr);
        base_buffer_text(writer->out, bare ? "" : ")");
    }
    writer->stack = before;
    return ok;
}

bool capture_collation_is_known(const char *name)
{
    return base_fold_compare(name, "BINARY") == 0 || base_fold_compare(name, "NOCASE") == 0 ||
           base_fold_compare(name, "RTRIM") == 0;
}

bool capture_expression_write(struct capture_expression *expression, const char *sql, size_t len, enum capture_row row,
                              struct base_buffer *out)
{
    char *text = NULL;
    struct sql_tree *tree = NULL;
    const struct sql_expr *expr = NULL;
    struct writer writer = {.expression = expression, .row = row, .out = out};
    bool read = parse(sql, len, &text, &tree, &expr);
    writer.sql = text;
    writer.len = text == NULL ? 0 : strlen(text);
    bool ok = read ? write_expr(&writer, expr) : refuse(&writer, "a text that can't be read", NULL);
    sql_tree_free(&tree);
    base_free(text);
    return ok;
}

/* ---- Texts of indexes. ------------------------------------------------------------------------------------------- */

/* Cuts ASC, DESC from the end of a term; SQLite takes them only there. */
static size_t split_trim(const char *sql, size_t start, size_t end)
{
    size_t at = start, token_start, token_end, last_start = start, last_end = start, before_end = start;
    while (at < end && oltp_next_token(sql, end, &at, &token_start, &token_end) != OLTP_TOKEN_END) {
        before_end = last_end;
        last_start = token_start;
        last_end = token_end;
    }
    bool order = oltp_token_is(sql, last_start, last_end, "ASC") || oltp_token_is(sql, last_start, last_end, "DESC");
    return order ? before_end : last_end;
}

bool capture_index_split(const char *sql, struct capture_index_text *text)
{
    size_t len = strlen(sql), at = 0, start, end, term = 0;
    int depth = 0;
    bool in_terms = false;
    *text = (struct capture_index_text){0};
    /* CREATE UNIQUE INDEX name ON table ( */
    for (;;) {
        enum oltp_token token = oltp_next_token(sql, len, &at, &start, &end);
        if (token == OLTP_TOKEN_END)
            return false;
        if (token == OLTP_TOKEN_OTHER && sql[start] == '(') {
            depth++;
            if (!in_terms) {
                in_terms = true;
                term = end;
            }
        } else if (token == OLTP_TOKEN_OTHER && (sql[start] == ')' || (sql[start] == ',' && depth == 1))) {
            depth -= sql[start] == ')';
            if (depth == 0 || sql[start] == ',') {
                if (text->term_count == 64)
                    return false;
                text->term_start[text->term_count] = term;
                text->term_end[text->term_count++] = split_trim(sql, term, start);
                term = end;
            }
            if (depth == 0)
                break;
        }
    }
    if (oltp_next_token(sql, len, &at, &start, &end) == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "WHERE")) {
        text->where_start = end;
        text->where_end = len;
    }
    return true;
}
