/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be known of operators. */
#include "sql/sql_ast.h"

#include "base/base_invariant.h"

const char *sql_op_text(uint8_t op)
{
    static const char *const ops[] = {
        [SQL_OP_OR] = " OR ",     [SQL_OP_AND] = " AND ",       [SQL_OP_EQ] = " = ",
        [SQL_OP_NE] = " <> ",     [SQL_OP_LT] = " < ",          [SQL_OP_LE] = " <= ",
        [SQL_OP_GT] = " > ",      [SQL_OP_GE] = " >= ",         [SQL_OP_BIT_AND] = " & ",
        [SQL_OP_BIT_OR] = " | ",  [SQL_OP_SHIFT_LEFT] = " << ", [SQL_OP_SHIFT_RIGHT] = " >> ",
        [SQL_OP_ADD] = " + ",     [SQL_OP_SUBTRACT] = " - ",    [SQL_OP_MULTIPLY] = " * ",
        [SQL_OP_DIVIDE] = " / ",  [SQL_OP_REMAINDER] = " % ",   [SQL_OP_CONCAT] = " || ",
        [SQL_OP_ARROW] = " -> ",  [SQL_OP_ARROW2] = " ->> ",    [SQL_OP_NOT] = "NOT ",
        [SQL_OP_NEGATE] = "- ",   [SQL_OP_PLUS] = "+ ",         [SQL_OP_BIT_NOT] = "~ ",
        [SQL_OP_LIKE] = "LIKE",   [SQL_OP_GLOB] = "GLOB",       [SQL_OP_REGEXP] = "REGEXP",
        [SQL_OP_MATCH] = "MATCH",
    };
    BASE_INVARIANT(op < sizeof ops / sizeof ops[0] && ops[op]);
    return ops[op];
}

uint8_t sql_op_mirrored(uint8_t op)
{
    switch (op) {
    case SQL_OP_LT:
        return SQL_OP_GT;
    case SQL_OP_LE:
        return SQL_OP_GE;
    case SQL_OP_GT:
        return SQL_OP_LT;
    case SQL_OP_GE:
        return SQL_OP_LE;
    default:
        return op;
    }
}
