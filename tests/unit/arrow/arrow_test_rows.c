/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arrow_test_rows.h"
#include "base/base_error.h"

static rhei_status test_rows_next(void *context, struct rhei_value *row, struct rhei_error *error)
{
    struct test_rows *rows = context;
    rows->after_end = rows->after_end || rows->ended;
    if (rows->at == rows->fail_at || rows->at == rows->rows)
        rows->ended = true;
    if (rows->at == rows->fail_at)
        return error_set(error, RHEI_BUSY, "row %zu is locked", rows->at);
    if (rows->at == rows->rows)
        return RHEI_DONE;
    const struct rhei_value *values = rows->values + rows->at * rows->columns;
    memset(rows->scratch, 0xEE, sizeof rows->scratch);
    size_t used = 0;
    for (uint32_t i = 0; i < rows->columns; i++) {
        row[i] = values[i];
        if (values[i].type < RHEI_TEXT || used + values[i].length > sizeof rows->scratch)
            continue;
        memcpy(rows->scratch + used, values[i].as.bytes, values[i].length);
        row[i].as.bytes = rows->scratch + used;
        used += values[i].length;
    }
    rows->at++;
    return RHEI_ROW;
}

static void test_rows_release(void *context)
{
    struct test_rows *rows = context;
    rows->releases++;
}

void test_rows_init(struct test_rows *rows, const struct rhei_value *values, uint32_t columns, size_t count)
{
    *rows = (struct test_rows){.values = values, .columns = columns, .rows = count, .fail_at = SIZE_MAX};
}

struct arrow_row_source test_rows_source(struct test_rows *rows)
{
    return (struct arrow_row_source){.next = test_rows_next, .release = test_rows_release, .context = rows};
}

struct rhei_value test_null(void)
{
    return (struct rhei_value){.type = RHEI_NULL};
}

struct rhei_value test_integer(int64_t value)
{
    return (struct rhei_value){.as.integer = value, .type = RHEI_INTEGER};
}

struct rhei_value test_real(double value)
{
    return (struct rhei_value){.as.real = value, .type = RHEI_REAL};
}

struct rhei_value test_text(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

struct rhei_value test_blob(const char *bytes)
{
    return (struct rhei_value){.as.bytes = bytes, .length = (uint32_t)strlen(bytes), .type = RHEI_BLOB};
}

void assert_same_value(const struct rhei_value *actual, const struct rhei_value *expected)
{
    assert_int_equal(actual->type, expected->type);
    if (expected->type == RHEI_INTEGER)
        assert_true(actual->as.integer == expected->as.integer);
    if (expected->type == RHEI_REAL) /* bit for bit */
        assert_memory_equal(&actual->as.real, &expected->as.real, sizeof(double));
    if (expected->type < RHEI_TEXT)
        return;
    assert_int_equal(actual->length, expected->length);
    if (expected->length > 0)
        assert_memory_equal(actual->as.bytes, expected->as.bytes, expected->length);
}
