/* SPDX-License-Identifier: Apache-2.0 */
/* What every step asks of a statement: to share it, and SQLite's plan of it; and how a choice says its reason. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "route/route_internal.h"

struct route_statement *route_statement_share(struct route_statement *statement)
{
    atomic_fetch_add_explicit(&statement->references, 1, memory_order_relaxed);
    return statement;
}

void route_learn_plan(struct route *route, struct route_statement *statement)
{
    if (statement->plan_known)
        return;
    struct oltp_plan *plan = &statement->oltp_plan;
    rhei_status status = oltp_explain(route->config.oltp, statement->text, statement->len, plan, NULL);
    statement->plan_known = status == RHEI_OK && plan->schema_version == statement->schema_version;
    if (!statement->plan_known) {
        base_free(plan->text);
        *plan = (struct oltp_plan){0};
    }
}

rhei_status route_statement_classes(struct route *route, struct route_statement *statement, uint8_t *classes,
                                    uint32_t count, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_mutex_lock(&statement->lock);
    if (statement->classes != NULL && count == statement->facts.column_count) {
        memcpy(classes, statement->classes, count);
    } else {
        status = oltp_describe_classes(route->config.oltp, statement->text, statement->len, classes, count, error);
        if (status == RHEI_OK && count == statement->facts.column_count &&
            (statement->classes = base_alloc((size_t)count + 1)) != NULL)
            memcpy(statement->classes, classes, count);
    }
    base_mutex_unlock(&statement->lock);
    return status;
}

bool route_oltp_plan_has(struct route *route, struct route_statement *statement, bool (*test)(const char *text))
{
    base_mutex_lock(&statement->lock);
    route_learn_plan(route, statement);
    bool has = statement->plan_known && test(statement->oltp_plan.text);
    base_mutex_unlock(&statement->lock);
    return has;
}

void route_choice_reason(struct route_choice *choice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(choice->text, sizeof choice->text, format, arguments);
    va_end(arguments);
    choice->reason = choice->text;
}
