/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql_lexer.h"
#include "sql_grammar.h"

struct expected {
    const char *text;
    int code;
    size_t length;
};

static void check(const struct expected *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sql_token token = sql_lex(cases[i].text, strlen(cases[i].text));
        if (token.code != cases[i].code || token.length != cases[i].length)
            fail_msg("\"%s\": code %d length %u, expected %d and %zu", cases[i].text, token.code, token.length,
                     cases[i].code, cases[i].length);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"1", SQL_T_INTEGER, 1},         {"123,", SQL_T_INTEGER, 3},
        {"1.5)", SQL_T_FLOAT, 3},        {".5", SQL_T_FLOAT, 2},
        {"1.", SQL_T_FLOAT, 2},          {"1e5", SQL_T_FLOAT, 3},
        {"1E-5", SQL_T_FLOAT, 4},        {"1.5e+10", SQL_T_FLOAT, 7},
        {"0x1F", SQL_T_INTEGER, 4},      {"0XfFfF+1", SQL_T_INTEGER, 6},
        {"1_000_000", SQL_T_INTEGER, 9}, {"1_0.2_5e1_0", SQL_T_FLOAT, 11},
        {"0x1_F", SQL_T_INTEGER, 5},     {"1__0", SQL_LEX_ILLEGAL, 4},
        {"12abc", SQL_LEX_ILLEGAL, 5},   {"1_", SQL_LEX_ILLEGAL, 2},
        {"0xg", SQL_LEX_ILLEGAL, 3},     {"1e", SQL_LEX_ILLEGAL, 2},
        {"1.2.3", SQL_T_FLOAT, 3},       {".", SQL_T_DOT, 1},
    };
    check(cases, sizeof cases / sizeof cases[0]);
}

static void test_quotes_and_names(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"'it''s' x", SQL_T_STRING, 7},
        {"'open", SQL_LEX_OPEN, 5},
        {"\"a\"\"b\"", SQL_T_ID, 6},
        {"`a``b`", SQL_T_ID, 6},
        {"[a]b]", SQL_T_ID, 3},
        {"[open", SQL_LEX_OPEN, 5},
        {"x'00ff'", SQL_T_BLOB, 7},
        {"X''", SQL_T_BLOB, 3},
        {"x'0'", SQL_LEX_ILLEGAL, 4},
        {"x'0g'", SQL_LEX_ILLEGAL, 5},
        {"x'00", SQL_LEX_OPEN, 4},
        {"a$1", SQL_T_ID, 3},
        {"_a", SQL_T_ID, 2},
        {"\xc3\xa4 ", SQL_T_ID, 2},
        {"selecT", SQL_T_SELECT, 6},
        {"selects", SQL_T_ID, 7},
        {"NATURAL", SQL_T_JOIN_KW, 7},
        {"current_timestamp", SQL_T_CTIME_KW, 17},
        {"current_timestamps", SQL_T_ID, 18},
    };
    check(cases, sizeof cases / sizeof cases[0]);
}

static void test_symbols_parameters_and_comments(void **state)
{
    (void)state;
    const struct expected cases[] = {
        {"->>a", SQL_T_PTR, 3},
        {"->a", SQL_T_PTR, 2},
        {"-a", SQL_T_MINUS, 1},
        {"-- x\ny", SQL_LEX_COMMENT, 4},
        {"/* a */b", SQL_LEX_COMMENT, 7},
        {"/* a", SQL_LEX_OPEN_COMMENT, 4},
        {"/*", SQL_T_SLASH, 1},
        {"==1", SQL_T_EQ, 2},
        {"<>", SQL_T_NE, 2},
        {"<<", SQL_T_LSHIFT, 2},
        {">>", SQL_T_RSHIFT, 2},
        {"||", SQL_T_CONCAT, 2},
        {"|", SQL_T_BITOR, 1},
        {"!=", SQL_T_NE, 2},
        {"!", SQL_LEX_ILLEGAL, 1},
        {"?12,", SQL_T_VARIABLE, 3},
        {"?", SQL_T_VARIABLE, 1},
        {":a1 ", SQL_T_VARIABLE, 3},
        {"@a", SQL_T_VARIABLE, 2},
        {"$a::b(c) ", SQL_T_VARIABLE, 8},
        {":", SQL_LEX_ILLEGAL, 1},
        {"#1", SQL_LEX_ILLEGAL, 1},
        {" \t\n x", SQL_LEX_SPACE, 4},
        {"\xef\xbb\xbfx", SQL_LEX_SPACE, 3},
        {"", SQL_LEX_END, 0},
    };
    check(cases, sizeof cases / sizeof cases[0]);
    struct sql_token token = sql_lex("a\0b", 3);
    assert_int_equal(token.length, 1);
}

static void test_every_keyword_is_found(void **state)
{
    (void)state;
    size_t count = 0;
    const char *before = "";
    for (const char *word; (word = sql_keyword_text(count)) != NULL; count++) {
        assert_true(strcmp(before, word) < 0); /* the search needs the order */
        assert_int_not_equal(sql_keyword(word, strlen(word)), SQL_T_ID);
        before = word;
    }
    assert_true(count > 140);
    assert_int_equal(sql_keyword("sel", 3), SQL_T_ID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_quotes_and_names),
        cmocka_unit_test(test_symbols_parameters_and_comments),
        cmocka_unit_test(test_every_keyword_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
