/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rh_advice.h"

static void reads(const char *message, const char *words)
{
    struct rh_buffer out = {0};
    rh_add_in_our_words(&out, message);
    assert_string_equal(out.bytes, words);
    rh_buffer_free(&out);
}

static void test_advice_is_reworded_wherever_a_word_or_a_sign_begins(void **state)
{
    (void)state;
    reads("", "");
    reads("route the statement to oltp", "ask with --route oltp");
    reads("no: route the statement to oltp.", "no: ask with --route oltp.");
    reads("there are two statements; run a script with rhei_execute_script", "there are two statements");
    reads("raise olap_memory_limit (or the query's own memory_limit)",
          "raise the setting olap_memory_limit (see rh settings)");
    reads("or open it for reading alone (read_only)route the statement to oltp",
          "or only read it (rh query, status, info, verify)ask with --route oltp");
}

static void test_what_only_looks_like_advice_stays(void **state)
{
    (void)state;
    reads("reroute the statement to oltp", "reroute the statement to oltp");
    reads("_raise olap_memory_limit", "_raise olap_memory_limit");
    reads("route the statement", "route the statement");
    reads("r", "r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advice_is_reworded_wherever_a_word_or_a_sign_begins),
        cmocka_unit_test(test_what_only_looks_like_advice_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
