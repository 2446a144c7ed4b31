/* SPDX-License-Identifier: Apache-2.0 */
#include "demo.h"

#include <stdlib.h>
#include <string.h>

static bool has_bytes(const struct rhei_value *value)
{
    return value->type == RHEI_TEXT || value->type == RHEI_BLOB;
}

static struct rhei_value keep(struct rhei_value value)
{
    if (!has_bytes(&value))
        return value;
    char *bytes = demo_allocate((size_t)value.length + 1);
    if (value.length > 0)
        memcpy(bytes, value.as.bytes, value.length);
    value.as.bytes = bytes;
    return value;
}

static void read_names(struct demo_answer *answer, const rhei_rows *rows)
{
    answer->column_count = rhei_rows_column_count(rows);
    answer->names = demo_allocate(answer->column_count * sizeof *answer->names);
    for (uint32_t at = 0; at < answer->column_count; at++) {
        const char *name = rhei_rows_column_name(rows, at);
        answer->names[at] = demo_allocate(strlen(name) + 1);
        strcpy(answer->names[at], name);
    }
}

static void add_row(struct demo_answer *answer, rhei_rows *rows)
{
    size_t start = answer->row_count * answer->column_count;
    if (start + answer->column_count > answer->capacity) {
        answer->capacity = (answer->capacity + answer->column_count) * 2;
        answer->values = demo_reallocate(answer->values, answer->capacity * sizeof *answer->values);
    }
    for (uint32_t at = 0; at < answer->column_count; at++)
        answer->values[start + at] = keep(rhei_rows_value(rows, at));
    answer->row_count++;
}

struct demo_answer demo_ask(rhei_db *db, const char *sql, bool only_sqlite)
{
    struct demo_answer answer = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    int64_t started = demo_now_us();
    rhei_status status =
        only_sqlite ? rhei_oltp_query(db, sql, NULL, &rows, &error) : rhei_query(db, sql, NULL, NULL, &rows, &error);
    if (status != RHEI_OK)
        demo_fail(sql, &error);
    read_names(&answer, rows);
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        add_row(&answer, rows);
    if (status != RHEI_DONE)
        demo_fail(sql, &error);
    answer.elapsed_us = demo_now_us() - started;
    answer.route = rhei_rows_route(rows);
    answer.rule = rhei_rows_rule(rows);
    answer.position = rhei_rows_position(rows);
    answer.age_us = rhei_rows_age_us(rows);
    rhei_rows_close(&rows);
    return answer;
}

void demo_answer_free(struct demo_answer *answer)
{
    for (uint32_t at = 0; at < answer->column_count; at++)
        free(answer->names[at]);
    for (size_t at = 0; at < answer->row_count * answer->column_count; at++)
        if (has_bytes(&answer->values[at]))
            free((void *)answer->values[at].as.bytes);
    free(answer->names);
    free(answer->values);
    *answer = (struct demo_answer){0};
}

static bool same_value(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type != b->type)
        return false;
    if (has_bytes(a))
        return a->length == b->length && memcmp(a->as.bytes, b->as.bytes, a->length) == 0;
    return a->type == RHEI_NULL || memcmp(&a->as, &b->as, sizeof a->as) == 0;
}

bool demo_same(const struct demo_answer *a, const struct demo_answer *b)
{
    if (a->column_count != b->column_count || a->row_count != b->row_count)
        return false;
    for (uint32_t at = 0; at < a->column_count; at++)
        if (strcmp(a->names[at], b->names[at]) != 0)
            return false;
    for (size_t at = 0; at < a->row_count * a->column_count; at++)
        if (!same_value(&a->values[at], &b->values[at]))
            return false;
    return true;
}

const char *demo_reason(rhei_db *db, const char *sql)
{
    static char reason[400];
    char text[2048];
    snprintf(text, sizeof text, "EXPLAIN ROUTE %s", sql);
    struct demo_answer lines = demo_ask(db, text, false);
    reason[0] = '\0';
    for (uint64_t at = 0; at < lines.row_count; at++) {
        const struct rhei_value *item = &lines.values[at * lines.column_count], *value = item + 1;
        if (lines.column_count < 2 || !has_bytes(item) || !has_bytes(value))
            continue;
        bool wanted = (item->length == 4 && memcmp(item->as.bytes, "rule", 4) == 0) ||
                      (item->length == 6 && memcmp(item->as.bytes, "reason", 6) == 0);
        size_t used = strlen(reason);
        if (wanted)
            snprintf(reason + used, sizeof reason - used, "%s%.*s", used > 0 ? ": " : "", (int)value->length,
                     (const char *)value->as.bytes);
    }
    demo_answer_free(&lines);
    return reason;
}

bool demo_by_column_store(const struct demo_answer *answer)
{
    return strcmp(answer->route, "olap") == 0;
}
