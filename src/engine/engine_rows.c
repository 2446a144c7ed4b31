/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as the caller sees them, whichever engine computed them. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_invariant.h"
#include "engine/engine_internal.h"
#include "sql/sql_number.h"

rhei_status engine_rows_again(struct rhei_db *db, struct rhei_rows **rows, struct rhei_error *error)
{
    struct rhei_rows *made = atomic_exchange_explicit(&db->spare_rows, NULL, memory_order_acquire);
    if (made != NULL)
        memset(made, 0, offsetof(struct rhei_rows, statement));
    else
        made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->db = db;
    made->limits.deadline_ns = INT64_MAX;
    made->rule = "";
    *rows = made;
    return RHEI_OK;
}

rhei_status engine_rows_new(struct rhei_db *db, struct rhei_rows **rows, struct rhei_error *error)
{
    rhei_status status = engine_rows_again(db, rows, error);
    if (status == RHEI_OK)
        route_statement_release(&(*rows)->statement);
    return status;
}

void engine_rows_spare_free(struct rhei_db *db)
{
    struct rhei_rows *spare = atomic_exchange_explicit(&db->spare_rows, NULL, memory_order_acquire);
    if (spare != NULL)
        route_statement_release(&spare->statement);
    base_free(spare);
}

/* What SQLite's rows never have: what was tried before they were asked for is let go. */
static bool has_stream(const rhei_rows *closing)
{
    return closing->plan != NULL || closing->arrow != NULL || closing->state.snapshot.slot != NULL ||
           closing->state.catalog != NULL || closing->stream.release != NULL || closing->schema.release != NULL;
}

static void close_stream(rhei_rows *closing)
{
    arrow_cursor_close(&closing->arrow);
    if (closing->stream.release != NULL)
        closing->stream.release(&closing->stream);
    if (closing->schema.release != NULL)
        closing->schema.release(&closing->schema);
    route_state_release(&closing->state);
    route_plan_release(&closing->plan);
}

static void close_text(rhei_rows *closing)
{
    for (uint32_t i = 0; i < closing->column_count; i++)
        base_buffer_reset(&closing->text[i]);
    base_free(closing->text);
}

void rhei_rows_close(rhei_rows **rows)
{
    if (rows == NULL || *rows == NULL)
        return;
    rhei_rows *closing = *rows;
    *rows = NULL;
    engine_told_over(closing, RHEI_OK);
    bool plain = closing->kind == ANSWER_CURSOR;
    BASE_INVARIANT(!plain || !has_stream(closing));
    if (!plain)
        close_stream(closing);
    oltp_cursor_close(&closing->cursor);
    if (closing->text != NULL)
        close_text(closing);
    closing->read.sources = 0;
    engine_progress_close(&closing->progress);
    if (closing->statement != NULL && !route_statement_is_lasting(closing->statement))
        route_statement_release(&closing->statement);
    struct rhei_rows *none = NULL;
    if (plain && atomic_compare_exchange_strong_explicit(&closing->db->spare_rows, &none, closing, memory_order_release,
                                                         memory_order_relaxed))
        return;
    route_statement_release(&closing->statement);
    base_free(closing);
}

/* A failure because the statement was ended says so in the caller's terms. */
static rhei_status next_from_stream(rhei_rows *rows, struct rhei_error *error)
{
    if (rows->arrow == NULL) {
        rhei_status status = arrow_cursor_open(&rows->stream, &rows->arrow, error);
        if (status != RHEI_OK)
            return status;
    }
    return arrow_cursor_next(rows->arrow, error);
}

rhei_status rhei_rows_next(rhei_rows *rows, struct rhei_error *error)
{
    error_clear(error);
    if (rows == NULL)
        return error_set(error, RHEI_INVALID, "there are no rows to read: the query failed or was closed");
    rhei_status status = RHEI_DONE;
    if (rows->kind == ANSWER_STREAM)
        status = next_from_stream(rows, error);
    else if (rows->cursor != NULL)
        status = oltp_cursor_next(rows->cursor, error);
    rows->on_row = status == RHEI_ROW;
    if (status != RHEI_ROW && status != RHEI_DONE)
        atomic_fetch_add_explicit(&rows->db->counters.errors, 1, memory_order_relaxed);
    if (status != RHEI_ROW)
        engine_told_over(rows, status == RHEI_DONE ? RHEI_OK : status);
    return status;
}

uint32_t rhei_rows_column_count(const rhei_rows *rows)
{
    return rows == NULL ? 0 : rows->column_count;
}

const char *rhei_rows_column_name(const rhei_rows *rows, uint32_t column)
{
    if (rows == NULL || column >= rows->column_count)
        return "";
    if (rows->names != NULL)
        return rows->names[column];
    return rows->cursor != NULL ? oltp_cursor_column_name(rows->cursor, column) : rows->schema.children[column]->name;
}

const char *rhei_rows_column_type(const rhei_rows *rows, uint32_t column)
{
    if (rows == NULL || column >= rows->column_count)
        return "";
    if (rows->types != NULL)
        return rows->types[column];
    return rows->cursor != NULL ? oltp_cursor_column_type(rows->cursor, column) : "";
}

struct rhei_value rhei_rows_value(rhei_rows *rows, uint32_t column)
{
    struct rhei_value value = {.type = RHEI_NULL};
    if (rows == NULL || !rows->on_row || column >= rows->column_count)
        return value;
    if (rows->kind == ANSWER_CURSOR)
        oltp_cursor_value(rows->cursor, column, &value);
    else if (arrow_cursor_value(rows->arrow, column, &value, NULL) != RHEI_OK)
        value = (struct rhei_value){.type = RHEI_NULL};
    return value;
}

/* As SQLite reads it: decimal only, and in every locale alike. */
static double leading_number(const struct rhei_value *value)
{
    bool is_integer;
    int64_t integer;
    double real;
    sql_number_from_text(value->as.bytes, value->length, &is_integer, &integer, &real);
    return real;
}

/* SQLite's conversion: out of range goes to the nearest end. */
static int64_t real_to_int64(double real)
{
    if (real >= 9223372036854775808.0)
        return INT64_MAX;
    if (real <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)real;
}

int64_t rhei_rows_int64(rhei_rows *rows, uint32_t column)
{
    struct rhei_value value = rhei_rows_value(rows, column);
    switch (value.type) {
    case RHEI_INTEGER:
        return value.as.integer;
    case RHEI_REAL:
        return real_to_int64(value.as.real);
    case RHEI_TEXT:
    case RHEI_BLOB: {
        const char *text = rhei_rows_text(rows, column);
        return text == NULL ? 0 : strtoll(text, NULL, 10);
    }
    default:
        return 0;
    }
}

double rhei_rows_double(rhei_rows *rows, uint32_t column)
{
    struct rhei_value value = rhei_rows_value(rows, column);
    switch (value.type) {
    case RHEI_INTEGER:
        return (double)value.as.integer;
    case RHEI_REAL:
        return value.as.real;
    case RHEI_TEXT:
    case RHEI_BLOB:
        return leading_number(&value);
    default:
        return 0.0;
    }
}

const char *rhei_rows_text(rhei_rows *rows, uint32_t column)
{
    struct rhei_value value = rhei_rows_value(rows, column);
    if (value.type == RHEI_NULL)
        return NULL;
    if (rows->text == NULL)
        rows->text = base_alloc_zero(rows->column_count, sizeof *rows->text);
    if (rows->text == NULL)
        return NULL;
    struct base_buffer *text = &rows->text[column];
    base_buffer_clear(text);
    char number[40];
    if (value.type == RHEI_INTEGER) {
        base_buffer_format(text, "%" PRId64, value.as.integer);
    } else if (value.type == RHEI_REAL) {
        uint32_t len = oltp_real_text(value.as.real, number);
        base_buffer_append(text, number, len);
    } else {
        base_buffer_append(text, value.as.bytes, value.length);
    }
    if (text->data == NULL && !text->failed)
        base_buffer_append(text, "", 0);
    return text->data != NULL ? text->data : (text->failed ? NULL : "");
}

bool rhei_rows_is_null(rhei_rows *rows, uint32_t column)
{
    return rhei_rows_value(rows, column).type == RHEI_NULL;
}

const char *rhei_rows_route(const rhei_rows *rows)
{
    return rows != NULL && rows->kind == ANSWER_STREAM ? "olap" : "oltp";
}

const char *rhei_rows_rule(const rhei_rows *rows)
{
    return rows == NULL ? "" : rows->rule;
}

int64_t rhei_rows_position(rhei_rows *rows)
{
    if (rows == NULL)
        return 0;
    if (rows->kind == ANSWER_CURSOR && rows->cursor != NULL && rows->position == 0)
        rows->position = oltp_cursor_position(rows->cursor);
    return rows->position;
}

int64_t rhei_rows_age_us(const rhei_rows *rows)
{
    return rows == NULL ? 0 : rows->age_us;
}

void rhei_rows_result(const rhei_rows *rows, struct rhei_result *result)
{
    engine_result_fill(result, rows == NULL ? &(const struct oltp_result){0} : &rows->result);
}
