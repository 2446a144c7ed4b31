/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_run.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "answers_data.h"

enum { TIMEOUT_MS = 5000, MOST_ROWS = 200000 };

const char *run_verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"same", "excused", "slow", "error", "names", "rows", "order"};
    return names[verdict];
}

bool run_is_difference(enum verdict verdict)
{
    return verdict >= VERDICT_ERROR;
}

/* ---- What a text says of itself. ---------------------------------------------------------------------------------- */

/* The end of the quoted thing that starts here, or `at` itself. */
static const char *skip_quoted(const char *at)
{
    if (*at != '\'' && *at != '"')
        return at;
    const char *end = strchr(at + 1, *at);
    return end != NULL ? end + 1 : at + strlen(at);
}

static bool has_top_order(const char *sql)
{
    int depth = 0;
    while (*sql != '\0') {
        const char *end = skip_quoted(sql);
        if (end != sql) {
            sql = end;
            continue;
        }
        depth += *sql == '(' ? 1 : *sql == ')' ? -1 : 0;
        if (depth == 0 && strncmp(sql, " ORDER BY ", 10) == 0)
            return true;
        sql++;
    }
    return false;
}

static size_t parameter_count(const char *sql)
{
    size_t most = 0;
    while (*sql != '\0') {
        const char *end = skip_quoted(sql);
        if (end != sql) {
            sql = end;
            continue;
        }
        if (*sql == '?' && isdigit((unsigned char)sql[1])) {
            size_t number = strtoul(sql + 1, NULL, 10);
            most = number > most ? number : most;
        }
        sql++;
    }
    return most;
}

/* ---- Asking. ------------------------------------------------------------------------------------------------------ */

static void keep_value(struct text *bytes, const struct rhei_value *value)
{
    char type = (char)value->type;
    text_bytes(bytes, &type, 1);
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL) {
        text_bytes(bytes, (const char *)&value->as, 8);
    } else if (value->type != RHEI_NULL) {
        text_bytes(bytes, (const char *)&value->length, sizeof value->length);
        text_bytes(bytes, value->as.bytes, value->length);
    }
}

static void keep_row(struct answer *answer, rhei_rows *rows)
{
    if (answer->row_count == answer->row_capacity) {
        answer->row_capacity = answer->row_capacity * 2 + 64;
        answer->rows = realloc(answer->rows, answer->row_capacity * sizeof *answer->rows);
        if (answer->rows == NULL)
            abort();
    }
    size_t start = answer->bytes.length;
    for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
        struct rhei_value value = rhei_rows_value(rows, c);
        keep_value(&answer->bytes, &value);
    }
    answer->rows[answer->row_count].start = start;
    answer->rows[answer->row_count++].length = answer->bytes.length - start;
}

static void ask(rhei_db *db, const char *sql, const struct rhei_value *values, int32_t route, struct answer *answer)
{
    *answer = (struct answer){.route = "", .rule = ""};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route, .timeout_ms = TIMEOUT_MS};
    struct rhei_params params = {values, parameter_count(sql)};
    rhei_rows *rows = NULL;
    answer->status = rhei_query(db, sql, &params, &options, &rows, &error);
    if (answer->status == RHEI_OK) {
        for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
            text_put(&answer->names, rhei_rows_column_name(rows, c));
            text_put(&answer->names, "\n");
        }
        while ((answer->status = rhei_rows_next(rows, &error)) == RHEI_ROW && answer->row_count < MOST_ROWS)
            keep_row(answer, rows);
        if (answer->status == RHEI_DONE || answer->status == RHEI_ROW)
            answer->status = RHEI_OK;
        answer->route = rhei_rows_route(rows);
        answer->rule = rhei_rows_rule(rows);
    }
    rhei_rows_close(&rows);
    if (answer->status != RHEI_OK)
        snprintf(answer->message, sizeof answer->message, "%.255s", error.message);
}

/* ---- Comparing. --------------------------------------------------------------------------------------------------- */

static const char *sort_bytes; /* qsort hands no context on; one thread */

static int compare_rows(const void *left, const void *right)
{
    const size_t *one = left, *two = right; /* start, length */
    size_t shorter = one[1] < two[1] ? one[1] : two[1];
    int order = memcmp(sort_bytes + one[0], sort_bytes + two[0], shorter);
    return order != 0 ? order : (one[1] > two[1]) - (one[1] < two[1]);
}

static bool same_rows(const struct answer *one, const struct answer *two)
{
    for (size_t r = 0; r < one->row_count; r++)
        if (one->rows[r].length != two->rows[r].length ||
            memcmp(one->bytes.at + one->rows[r].start, two->bytes.at + two->rows[r].start, one->rows[r].length) != 0)
            return false;
    return true;
}

static void sort_rows(struct answer *answer)
{
    sort_bytes = answer->bytes.at;
    if (answer->row_count > 1)
        qsort(answer->rows, answer->row_count, sizeof *answer->rows, compare_rows);
}

static enum verdict compare_failures(const struct answer *oltp, const struct answer *automatic)
{
    if (oltp->status == RHEI_TIMEOUT || automatic->status == RHEI_TIMEOUT)
        return VERDICT_SLOW;
    return oltp->status != RHEI_OK && automatic->status != RHEI_OK ? VERDICT_SAME : VERDICT_ERROR;
}

static enum verdict compare(const char *sql, struct answer *oltp, struct answer *automatic)
{
    if (strcmp(automatic->rule, "olap-only-syntax") == 0)
        return VERDICT_EXCUSED;
    if (oltp->status != RHEI_OK || automatic->status != RHEI_OK)
        return compare_failures(oltp, automatic);
    if (oltp->names.length != automatic->names.length ||
        memcmp(oltp->names.at, automatic->names.at, oltp->names.length) != 0)
        return VERDICT_NAMES;
    if (oltp->row_count != automatic->row_count)
        return VERDICT_ROWS;
    if (same_rows(oltp, automatic))
        return VERDICT_SAME;
    if (oltp->row_count == MOST_ROWS && !has_top_order(sql))
        return VERDICT_SLOW; /* others of the rows would have to be the same */
    sort_rows(oltp);
    sort_rows(automatic);
    if (!same_rows(oltp, automatic))
        return VERDICT_ROWS;
    return has_top_order(sql) ? VERDICT_ORDER : VERDICT_SAME;
}

enum verdict run_both(rhei_db *db, const char *sql, const struct rhei_value *parameters, struct pair *pair)
{
    ask(db, sql, parameters, RHEI_ROUTE_OLTP, &pair->oltp);
    ask(db, sql, parameters, RHEI_ROUTE_AUTO, &pair->automatic);
    return compare(sql, &pair->oltp, &pair->automatic);
}

static void free_answer(struct answer *answer)
{
    text_free(&answer->names);
    text_free(&answer->bytes);
    free(answer->rows);
    *answer = (struct answer){0};
}

void run_free(struct pair *pair)
{
    free_answer(&pair->oltp);
    free_answer(&pair->automatic);
}

/* ---- Printing. ---------------------------------------------------------------------------------------------------- */

static size_t print_value(const char *at, FILE *out)
{
    struct rhei_value value = {.type = (uint8_t)*at};
    size_t used = 1;
    if (value.type == RHEI_INTEGER || value.type == RHEI_REAL) {
        memcpy(&value.as, at + 1, 8);
        used += 8;
    } else if (value.type != RHEI_NULL) {
        memcpy(&value.length, at + 1, sizeof value.length);
        value.as.bytes = at + 1 + sizeof value.length;
        used += sizeof value.length + value.length;
    }
    struct text text = {0};
    data_literal(&text, &value);
    fputs(text.at, out);
    text_free(&text);
    return used;
}

/* Rows that both have are left out, when they are many: what differs is what is looked for. */
static void print_answer(const char *title, const struct answer *answer, const struct answer *other, FILE *out)
{
    fprintf(out, "-- %s: ", title);
    if (answer->status != RHEI_OK) {
        fprintf(out, "%s: %s\n", rhei_status_name(answer->status), answer->message);
        return;
    }
    fprintf(out, "%zu rows by %s, rule %s\n", answer->row_count, answer->route, answer->rule);
    for (size_t r = 0, shown = 0; r < answer->row_count && shown < 8; r++) {
        const char *at = answer->bytes.at + answer->rows[r].start, *end = at + answer->rows[r].length;
        bool both = r < other->row_count && other->rows[r].length == answer->rows[r].length &&
                    memcmp(at, other->bytes.at + other->rows[r].start, answer->rows[r].length) == 0;
        if (both && answer->row_count > 8)
            continue;
        shown++;
        fprintf(out, "--   [%zu] ", r);
        for (bool first = true; at < end; first = false) {
            fputs(first ? "" : " | ", out);
            at += print_value(at, out);
        }
        fputc('\n', out);
    }
}

void run_print(const struct pair *pair, FILE *out)
{
    if (pair->oltp.names.length > 0 && pair->automatic.names.length > 0 &&
        strcmp(pair->oltp.names.at, pair->automatic.names.at) != 0)
        fprintf(out, "-- names: %s-- and: %s", pair->oltp.names.at, pair->automatic.names.at);
    print_answer("oltp", &pair->oltp, &pair->automatic, out);
    print_answer("auto", &pair->automatic, &pair->oltp, out);
}
