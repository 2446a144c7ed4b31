/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rh_memory.h"
#include "rh_script.h"

static void check(const char *text, const char *expected)
{
    struct rh_script script;
    struct rh_buffer seen = {0};
    rh_buffer_add_text(&seen, "");
    rh_script_split(&script, text, strlen(text));
    for (size_t at = 0; at < script.count; at++) {
        rh_buffer_add_char(&seen, '<');
        rh_buffer_add(&seen, text + script.parts[at].start, script.parts[at].length);
        rh_buffer_add_char(&seen, '>');
        rh_buffer_add_text(&seen, script.parts[at].verb == RH_VERB_TRANSACTION ? "T"
                                  : script.parts[at].verb == RH_VERB_ALONE     ? "A"
                                  : script.parts[at].verb == RH_VERB_PRAGMA    ? "P"
                                                                               : "");
    }
    assert_string_equal(seen.bytes, expected);
    rh_script_free(&script);
    rh_buffer_free(&seen);
}

static void test_statements_end_at_semicolons(void **state)
{
    (void)state;
    check("", "");
    check(" ;; ; ", "");
    check("SELECT 1", "<SELECT 1>");
    check("SELECT 1; SELECT 2 ;", "<SELECT 1><SELECT 2>");
    check("-- only a comment\n", "");
    check("/* a; */ SELECT 1 /* b; */; -- c;\nSELECT 2", "<SELECT 1><SELECT 2>");
}

static void test_semicolons_in_quotes_do_not_count(void **state)
{
    (void)state;
    check("SELECT ';', \"a;b\", `c;d`, [e;f]; SELECT 2", "<SELECT ';', \"a;b\", `c;d`, [e;f]><SELECT 2>");
    check("SELECT 'it''s; so'; SELECT 2", "<SELECT 'it''s; so'><SELECT 2>");
    check("SELECT 'never closed; SELECT 2", "<SELECT 'never closed; SELECT 2>");
    check("SELECT 1 /* never closed; SELECT 2", "<SELECT 1>");
}

static void test_a_trigger_is_one_statement(void **state)
{
    (void)state;
    check("CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = CASE WHEN 1 THEN 2 END; DELETE FROM c; END; "
          "SELECT 1",
          "<CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET x = CASE WHEN 1 THEN 2 END; DELETE FROM c; "
          "END><SELECT 1>");
    check("create temp trigger t after insert on a begin select 1; end ; select 2",
          "<create temp trigger t after insert on a begin select 1; end><select 2>");
}

static void test_verbs_that_matter_to_transactions(void **state)
{
    (void)state;
    check("begin; insert into t values (1); COMMIT; end; rollback; savepoint a; release a",
          "<begin>T<insert into t values (1)><COMMIT>T<end>T<rollback>T<savepoint a>T<release a>T");
    check("/* first */ VACUUM; pragma x; attach 'a' as b; detach b",
          "<VACUUM>A<pragma x>P<attach 'a' as b>A<detach b>A");
}

static void test_places_count_lines_and_characters(void **state)
{
    static const char text[] = "SELECT 1;\r\nSELECT '\xC3\xA4', x\nFROM t";
    struct rh_place place = rh_place_of(text, strlen(text), (size_t)(strstr(text, "x") - text));
    (void)state;
    assert_int_equal(place.line, 2);
    assert_int_equal(place.column, 13);
    assert_memory_equal(text + place.line_start, "SELECT", 6);
    assert_int_equal(place.line_end, strstr(text, "\nFROM") - text);
    place = rh_place_of(text, strlen(text), 0);
    assert_int_equal(place.line, 1);
    assert_int_equal(place.column, 1);
    assert_int_equal(place.line_end, 9);
    place = rh_place_of(text, strlen(text), 9999);
    assert_int_equal(place.line, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_end_at_semicolons),
        cmocka_unit_test(test_semicolons_in_quotes_do_not_count),
        cmocka_unit_test(test_a_trigger_is_one_statement),
        cmocka_unit_test(test_verbs_that_matter_to_transactions),
        cmocka_unit_test(test_places_count_lines_and_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
