/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions of SQLite's over bound values, computed by SQLite itself in a database of nothing: dates, printf, JSON.
 * One evaluator is one thread's; it keeps the statements of the last few expressions.
 */
#include <string.h>

#include "base/base_memory.h"
#include "oltp/oltp_internal.h"

enum { EXPRESSIONS_KEPT = 8 };

struct evaluator {
    sqlite3 *db;
    struct {
        char *expression;
        sqlite3_stmt *statement;
        uint64_t used;
    } kept[EXPRESSIONS_KEPT];
    uint64_t clock;
};

static void forget(struct evaluator *evaluator, int at)
{
    sqlite3_finalize(evaluator->kept[at].statement);
    base_free(evaluator->kept[at].expression);
    evaluator->kept[at].statement = NULL;
    evaluator->kept[at].expression = NULL;
}

void oltp_evaluator_close(void *handle)
{
    struct evaluator *evaluator = handle;
    if (evaluator == NULL)
        return;
    for (int i = 0; i < EXPRESSIONS_KEPT; i++)
        forget(evaluator, i);
    sqlite3_close(evaluator->db);
    base_free(evaluator);
}

void *oltp_evaluator_open(void)
{
    struct evaluator *evaluator = base_alloc_zero(1, sizeof *evaluator);
    if (evaluator == NULL)
        return NULL;
    if (sqlite3_open_v2(":memory:", &evaluator->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        oltp_evaluator_close(evaluator);
        return NULL;
    }
    return evaluator;
}

static sqlite3_stmt *evaluator_statement(struct evaluator *evaluator, const char *expression)
{
    int oldest = 0;
    for (int i = 0; i < EXPRESSIONS_KEPT; i++) {
        if (evaluator->kept[i].expression != NULL && strcmp(evaluator->kept[i].expression, expression) == 0) {
            evaluator->kept[i].used = ++evaluator->clock;
            return evaluator->kept[i].statement;
        }
        if (evaluator->kept[i].used < evaluator->kept[oldest].used)
            oldest = i;
    }
    forget(evaluator, oldest);
    char *sql = sqlite3_mprintf("SELECT %s", expression);
    sqlite3_stmt *statement = NULL;
    if (sql != NULL)
        sqlite3_prepare_v3(evaluator->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    sqlite3_free(sql);
    evaluator->kept[oldest].expression = base_strdup(expression);
    evaluator->kept[oldest].statement = statement;
    evaluator->kept[oldest].used = ++evaluator->clock;
    if (evaluator->kept[oldest].expression == NULL) {
        forget(evaluator, oldest);
        return NULL;
    }
    return statement;
}

bool oltp_evaluate(void *handle, const char *expression, const struct rhei_value *arguments, uint32_t count,
                   struct rhei_value *result)
{
    sqlite3_stmt *statement = evaluator_statement(handle, expression);
    if (statement == NULL)
        return false;
    sqlite3_reset(statement); /* ends the call before: its text was on loan until now */
    for (uint32_t i = 0; i < count; i++)
        (void)oltp_bind_value(statement, (int)i + 1, &arguments[i], false);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        sqlite3_reset(statement);
        return false;
    }
    *result = (struct rhei_value){.type = RHEI_NULL};
    switch (sqlite3_column_type(statement, 0)) {
    case SQLITE_INTEGER:
        result->type = RHEI_INTEGER;
        result->as.integer = sqlite3_column_int64(statement, 0);
        break;
    case SQLITE_FLOAT:
        result->type = RHEI_REAL;
        result->as.real = sqlite3_column_double(statement, 0);
        break;
    case SQLITE_TEXT:
        result->type = RHEI_TEXT;
        result->as.bytes = sqlite3_column_text(statement, 0);
        result->length = (uint32_t)sqlite3_column_bytes(statement, 0);
        break;
    case SQLITE_BLOB:
        result->type = RHEI_BLOB;
        result->as.bytes = sqlite3_column_blob(statement, 0);
        result->length = (uint32_t)sqlite3_column_bytes(statement, 0);
        break;
    default:
        break;
    }
    return true;
}
