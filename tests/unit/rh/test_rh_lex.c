/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "rh_lex.h"
#include "rh_memory.h"
#include "rh_repl.h"

/* The kinds of a text's tokens, a letter each; those that are open in upper case. */
static void expect_kinds(const char *text, const char *kinds)
{
    char found[64];
    size_t count = 0, at = 0;
    for (struct rh_token token; (token = rh_lex(text, strlen(text), at)).kind != RH_TOKEN_END; at += token.length) {
        assert_true(token.start == at && token.length > 0);
        char kind = "?_csn0w."[token.kind];
        found[count++] = (char)(token.open && kind >= 'a' ? kind - 32 : kind);
    }
    found[count] = '\0';
    assert_int_equal(at, strlen(text));
    assert_string_equal(found, kinds);
}

static void test_tokens_of_what_is_typed(void **state)
{
    (void)state;
    expect_kinds("SELECT a.b", "w_w.w");
    expect_kinds("'it''s' x'0a' \"q\"\"q\" [n] `n`", "s_s_n_n_n");
    expect_kinds("1 1.5e-3 .5 0x1F", "0_0_0_0");
    expect_kinds("-- c\n/* c */ 1/2-1", "c_c_0.0.0");
    expect_kinds("'open", "S");
    expect_kinds("/* open", "C");
    expect_kinds("\"open", "N");
    expect_kinds("\xE6\x97\xA5 = ?1", "w_._.0");
}

static void test_words_of_sql(void **state)
{
    (void)state;
    for (size_t at = 1; rh_keywords[at] != NULL; at++)
        assert_true(strcmp(rh_keywords[at - 1], rh_keywords[at]) < 0); /* sorted: it is searched by halves */
    for (size_t at = 0; rh_keywords[at] != NULL; at++)
        assert_true(rh_is_keyword(rh_keywords[at], strlen(rh_keywords[at])));
    assert_true(rh_is_keyword("select", 6));
    assert_false(rh_is_keyword("selec", 5));
    assert_false(rh_is_keyword("selects", 7));
    assert_false(rh_is_keyword("", 0));
}

static void expect_styles(const char *text, size_t cursor, const char *styles)
{
    uint8_t found[64] = {0};
    rh_repl_style(NULL, text, strlen(text), cursor, found);
    for (size_t at = 0; at < strlen(text); at++)
        if ("_ksnc.om"[found[at]] != styles[at])
            fail_msg("'%s' at %zu: %c, not %c", text, at, "_ksnc.om"[found[at]], styles[at]);
}

static void test_colours_and_brackets(void **state)
{
    (void)state;
    expect_styles("select 'a', 1 -- x", SIZE_MAX, "kkkkkk_sss__n_cccc");
    expect_styles("f((1), ')')", 1, "_m_n___sssm");
    expect_styles("f((1))", 6, "_m_n_m");
    expect_styles("f((1))", SIZE_MAX, "___n__");
    expect_styles("1)", 0, "no");
    expect_styles("'open", 5, "ooooo");
    expect_styles(".mode 1", 7, "....._n");
}

static bool is_whole(const char *text, size_t parts)
{
    struct rh_script script;
    bool whole = rh_repl_split(&script, text, strlen(text));
    assert_int_equal(script.count, parts);
    rh_script_free(&script);
    return whole;
}

static void test_what_enter_runs(void **state)
{
    (void)state;
    assert_true(is_whole("", 0));
    assert_true(is_whole("  -- only a comment", 0));
    assert_false(is_whole("/* open", 0));
    assert_true(is_whole("select 1;", 1));
    assert_false(is_whole("select 1", 1));
    assert_false(is_whole("select ';", 1));
    assert_true(is_whole(".mode csv", 1));
    assert_true(is_whole("select 1;\n.mode csv\nselect 2;", 3));
    assert_false(is_whole(".mode csv\nselect 2", 2));
    assert_true(is_whole("create trigger a after insert on t begin select 1; end;", 1));
    assert_false(is_whole("create trigger a after insert on t begin select 1;", 1));
    assert_true(is_whole("select\n.5;", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_of_what_is_typed),
        cmocka_unit_test(test_words_of_sql),
        cmocka_unit_test(test_colours_and_brackets),
        cmocka_unit_test(test_what_enter_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
