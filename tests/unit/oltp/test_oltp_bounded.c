/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that could take hours in one call: the same answers as bare SQLite's, and they end when they are to. */
#include "oltp_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"

enum { ROUNDS = 3000, PIECES_MOST = 6 };

/* A text, BLOB, number or NULL, of few characters, some of which are broken UTF-8. */
static void add_value(struct base_buffer *sql, uint64_t *seed)
{
    static const char *const pieces[] = {"61", "62", "C3A4", "C3", "A4", "F09F9880", "80", "00"};
    static const char *const others[] = {"NULL", "11", "1.5", "zeroblob(2)", "''", "x''"};
    if (test_pick(seed, 6) == 0) {
        base_buffer_text(sql, others[test_pick(seed, sizeof others / sizeof others[0])]);
        return;
    }
    bool text = test_pick(seed, 3) > 0;
    base_buffer_text(sql, text ? "CAST(x'" : "x'");
    for (uint32_t left = test_pick(seed, PIECES_MOST); left > 0; left--)
        base_buffer_text(sql, pieces[test_pick(seed, sizeof pieces / sizeof pieces[0])]);
    base_buffer_text(sql, text ? "' AS TEXT)" : "'");
}

static char *bare_row(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    struct base_buffer row = {0};
    const void *text = sqlite3_column_text(stmt, 0);
    base_buffer_literal(&row, text, (size_t)sqlite3_column_bytes(stmt, 0));
    base_buffer_char(&row, '\n');
    sqlite3_finalize(stmt);
    return base_buffer_take(&row);
}

static void answer_as_sqlite(struct oltp_test *test)
{
    static const char *const functions[] = {"instr(%s, %s)", "trim(%s, %s)", "ltrim(%s, %s)", "rtrim(%s, %s)",
                                            "replace(%s, %s, %s)"};
    const char *given = getenv("RHEI_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261129;
    print_message("RHEI_SEED=%llu\n", (unsigned long long)seed);
    sqlite3 *bare = NULL;
    assert_int_equal(sqlite3_open(":memory:", &bare), SQLITE_OK);
    for (int round = 0; round < ROUNDS; round++) {
        struct base_buffer sql = {0}, value = {0};
        char *values[3];
        for (int at = 0; at < 3; at++, value = (struct base_buffer){0}) {
            add_value(&value, &seed);
            values[at] = base_buffer_take(&value);
        }
        for (size_t at = 0; at < sizeof functions / sizeof functions[0]; at++) {
            char call[512];
            (void)snprintf(call, sizeof call, functions[at], values[0], values[1], values[2]);
            base_buffer_format(&sql, "%s typeof(%s) || quote(CAST(%s AS BLOB))",
                               at == 0 ? "SELECT quote(" : "|| ' ' ||", call, call);
        }
        base_buffer_char(&sql, ')');
        char *text = base_buffer_take(&sql), *theirs = bare_row(bare, text), *ours = test_rows(test, text);
        if (strcmp(ours, theirs) != 0)
            fail_msg("%s\n%s\ninstead of\n%s", text, ours, theirs);
        base_free(ours);
        base_free(theirs);
        base_free(text);
        for (int at = 0; at < 3; at++)
            base_free(values[at]);
    }
    sqlite3_close(bare);
}

static void test_c1_they_answer_as_sqlite_does(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    answer_as_sqlite(&test);
    test_close(&test);
}

/* Stops when it was asked some times, which no step of SQLite's machine explains. */
static rhei_status stop_soon(void *context)
{
    return atomic_fetch_add((atomic_int *)context, 1) < 4 ? RHEI_OK : RHEI_TIMEOUT;
}

static void test_q5_one_call_ends_when_it_is_to(void **state)
{
    (void)state;
    static const char *const endless[] = {
        "SELECT instr(zeroblob(40000000), CAST(zeroblob(20000000) || x'01' AS BLOB))",
        "SELECT instr(replace(hex(zeroblob(20000000)), '0', 'a'), replace(hex(zeroblob(10000000)), '0', 'a') || 'b')",
        "SELECT replace(hex(zeroblob(20000000)), hex(zeroblob(10000000)) || '1', '')",
        "SELECT trim(replace(hex(zeroblob(5000000)), '0', 'b'), replace(hex(zeroblob(5000000)), '0', 'a') || 'b')",
        "SELECT ltrim(replace(hex(zeroblob(5000000)), '0', 'b'), replace(hex(zeroblob(5000000)), '0', 'a') || 'b')",
        "SELECT rtrim(replace(hex(zeroblob(5000000)), '0', 'b'), replace(hex(zeroblob(5000000)), '0', 'a') || 'b')",
    };
    struct oltp_test test;
    test_open(&test);
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        atomic_int asked = 0;
        const struct oltp_stop stop = {.check = stop_soon, .context = &asked};
        struct oltp_cursor *cursor = NULL;
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status =
            oltp_read(test.oltp, endless[i], strlen(endless[i]), NULL, 0, &stop, true, &cursor, &error);
        if (status == RHEI_OK)
            status = oltp_cursor_next(cursor, &error);
        oltp_cursor_close(&cursor);
        assert_int_equal(status, RHEI_TIMEOUT);
        assert_non_null(strstr(error.message, "time limit"));
        test_expect(&test, "SELECT instr('abc', 'c')", "3\n");
    }
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c1_they_answer_as_sqlite_does),
        cmocka_unit_test(test_q5_one_call_ends_when_it_is_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
