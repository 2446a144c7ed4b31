/* SPDX-License-Identifier: Apache-2.0 */
/* A row source over an array of values, for the tests of this room. */
#ifndef ARROW_TEST_ROWS_H
#define ARROW_TEST_ROWS_H

#include "arrow/arrow_stream.h"

struct test_rows {
    const struct rhei_value *values; /* row after row */
    uint32_t columns;
    size_t rows;
    size_t at;
    size_t fail_at;  /* the row before which it fails with RHEI_BUSY; SIZE_MAX: never */
    size_t releases; /* how often it was released */
    bool after_end;  /* it was asked again after DONE or a failure */
    bool ended;
    /* Text and BLOB are handed out from here and overwritten at the next call, to catch who keeps borrowed bytes. */
    char scratch[4096];
};

void test_rows_init(struct test_rows *rows, const struct rhei_value *values, uint32_t columns, size_t count);
struct arrow_row_source test_rows_source(struct test_rows *rows);

struct rhei_value test_null(void);
struct rhei_value test_integer(int64_t value);
struct rhei_value test_real(double value);
struct rhei_value test_text(const char *text);
struct rhei_value test_blob(const char *bytes);
void assert_same_value(const struct rhei_value *actual, const struct rhei_value *expected);

#endif
