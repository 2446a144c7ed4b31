/* SPDX-License-Identifier: Apache-2.0 */
/* LIKE by pieces gives what matching character by character gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec_duckdb/duckdb_internal.h"

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The definition: % is any bytes, all else itself in either case. */
static bool matches(const char *pattern, const char *text)
{
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == '%') {
            for (;; text++) {
                if (matches(pattern + 1, text))
                    return true;
                if (*text == '\0')
                    return false;
            }
        }
        if (folded(*pattern) != folded(*text))
            return false;
    }
    return *text == '\0';
}

static bool matches_by_pieces(const char *pattern, const char *text)
{
    struct duck_like like;
    assert_true(duck_like_read(&like, pattern, strlen(pattern)));
    return duck_like_matches(&like, text, strlen(text));
}

static void test_q2_like_by_pieces_is_like(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "A", "b", "B", "@", "`", "[", "{", "z", "Z", "\xc3\xa4", " ", "1"};
    enum { LETTERS = sizeof letters / sizeof letters[0] };
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 300000; i++) {
        char pattern[16] = "", text[96] = "";
        int few = 2 + rand() % (LETTERS - 2);
        for (int n = 1 + rand() % 6; n > 0; n--)
            strcat(pattern, rand() % 3 == 0 ? "%" : letters[rand() % 10 % few]);
        for (int n = rand() % 30; n > 0; n--)
            strcat(text, letters[rand() % few]);
        if (matches(pattern, text) != matches_by_pieces(pattern, text))
            fail_msg("'%s' LIKE '%s' is not %d", text, pattern, !matches(pattern, text));
    }
}

static void test_like_leaves_other_patterns_alone(void **state)
{
    (void)state;
    struct duck_like like;
    char longest[DUCK_LIKE_BYTES + 2];
    assert_false(duck_like_read(&like, "", 0));
    assert_false(duck_like_read(&like, "a_c", 3));
    assert_false(duck_like_read(&like, "\xc3\xa4%", 3));
    assert_true(matches_by_pieces("%", ""));
    assert_true(matches_by_pieces("%%", "x"));
    memset(longest, 'x', sizeof longest);
    assert_true(duck_like_read(&like, longest, DUCK_LIKE_BYTES));
    assert_false(duck_like_read(&like, longest, DUCK_LIKE_BYTES + 1));
    for (int i = 0; i < DUCK_LIKE_PIECES * 2 + 1; i++)
        longest[i] = i % 2 == 0 ? 'x' : '%';
    assert_true(duck_like_read(&like, longest, DUCK_LIKE_PIECES * 2));
    assert_false(duck_like_read(&like, longest, DUCK_LIKE_PIECES * 2 + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_like_by_pieces_is_like),
        cmocka_unit_test(test_like_leaves_other_patterns_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
