/* SPDX-License-Identifier: Apache-2.0 */
/* What every executor does alike on its way from a call of an evaluated helper to the evaluator (port/executor.h). Pure. */
#ifndef PORT_EXECUTOR_EVALUATE_H
#define PORT_EXECUTOR_EVALUATE_H

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "port/executor.h"

enum { EXECUTOR_EXPRESSION_SIZE = 160 };

/* What the evaluator is to compute for a call with `count` arguments: the helper's expression, or its function as name(?1, ?2, ...). */
static inline void executor_expression(const struct executor_helper *helper, uint32_t count,
                                       char out[EXECUTOR_EXPRESSION_SIZE])
{
    if (helper->as.evaluated.function == NULL) {
        snprintf(out, EXECUTOR_EXPRESSION_SIZE, "%s", helper->as.evaluated.expression);
        return;
    }
    int at = snprintf(out, EXECUTOR_EXPRESSION_SIZE, "%s(", helper->as.evaluated.function);
    for (unsigned i = 1; i <= count; i++)
        at += snprintf(out + at, (size_t)(EXECUTOR_EXPRESSION_SIZE - at), i > 1 ? ", ?%u" : "?%u", i);
    snprintf(out + at, (size_t)(EXECUTOR_EXPRESSION_SIZE - at), ")");
}

/* An argument with which a dated helper's result depends on when and where it runs. */
static inline bool executor_depends_on_now(const struct rhei_value *text)
{
    static const char *const words[] = {"now", "localtime", "utc", "subsec", "subsecond"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text->length == strlen(words[i]) && strncasecmp(text->as.bytes, words[i], text->length) == 0)
            return true;
    return false;
}

#endif
