/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rh_csv.h"
#include "rh_input.h"
#include "rh_sniff.h"

static void check_format(const char *name, const char *bytes, size_t length, enum rh_format expected)
{
    assert_int_equal(rh_sniff_format(name, bytes, length), expected);
}
#define FORMAT(name, bytes, expected) check_format(name, bytes, sizeof bytes - 1, expected)

static void test_formats_go_by_bytes_before_names(void **state)
{
    (void)state;
    FORMAT("a.csv", "PAR1....", RH_FORMAT_PARQUET);
    FORMAT("-", "ARROW1\0\0", RH_FORMAT_ARROW);
    FORMAT("-", "\xff\xff\xff\xff\x10\0\0\0", RH_FORMAT_ARROW);
    FORMAT("-", " {\"a\":1}", RH_FORMAT_NDJSON);
    FORMAT("-", "\xEF\xBB\xBF{ \"a\":1}", RH_FORMAT_NDJSON);
    FORMAT("-", "[\n{\"a\":1}]", RH_FORMAT_JSON);
    FORMAT("-", "[]", RH_FORMAT_JSON);
    FORMAT("-", "[1]", RH_FORMAT_CSV);
    FORMAT("-", "{a},b", RH_FORMAT_CSV);
    FORMAT("a.csv", "{\"a\":1}", RH_FORMAT_CSV);
    FORMAT("a.tsv", "a", RH_FORMAT_TSV);
    FORMAT("a.TSV.gz", "a", RH_FORMAT_TSV);
    FORMAT("a.json", "", RH_FORMAT_JSON);
    FORMAT("a.parquet", "", RH_FORMAT_PARQUET);
    FORMAT("a.txt", "a\tb", RH_FORMAT_CSV);
    FORMAT("a", "", RH_FORMAT_CSV);
}

static void check(const char *text, const char *expected)
{
    struct rh_dialect dialect = {.delimiter = ',', .quote = '"', .header = true};
    rh_sniff_dialect(text, strlen(text), true, 0, (struct rh_said){0}, &dialect);
    char seen[] = {dialect.delimiter, (char)dialect.quote, dialect.header ? 'h' : '-', '\0'};
    assert_string_equal(seen, expected);
}

static void test_dialects(void **state)
{
    (void)state;
    check("", ",\"h");
    check("one\ntwo\n", ",\"h");
    check("a,b\n1,2\n", ",\"h");
    check("a;b\n1,5;2,5\n3,5;4,5\n", ";\"h");
    check("a\tb\n1, 2\t3\n", "\t\"h");
    check("last, first\tage\nx\t1\ny\t2\n", "\t\"h"); /* the comma of one line is text */
    check("a|b\n1|2", "|\"h");
    check("1;2\n3;4\n", ";\"-");
    check("1.5\n2.5\n", ",\"-");
    check("007,x\n", ",\"h"); /* a code, and codes may be names */
    check("a,b\n'1, 2','x'\n", ",'h");
    check("a,b\n'tis,it's\n", ",\"h");
    check("a,b\n'1','2'\n\"x\",y\n", ",\"h");
    check("a,b\n1,2\n3\n4,5\n", ",\"h"); /* a bad line is no other delimiter */
}

static void check_guess(const char *bytes, size_t length, bool whole, const char *expected)
{
    assert_string_equal(rh_input_guess(bytes, length, whole), expected);
}
#define GUESS(bytes, whole, expected) check_guess(bytes, sizeof bytes - 1, whole, expected)

static void test_encodings(void **state)
{
    (void)state;
    GUESS("", true, "UTF-8");
    GUESS("plain\n", true, "UTF-8");
    GUESS("\xEF\xBB\xBFx", true, "UTF-8");
    GUESS("\xFF\xFE"
          "a\0",
          true, "UTF-16LE");
    GUESS("\xFE\xFF\0a", true, "UTF-16BE");
    GUESS("a\0,\0b\0\n\0", true, "UTF-16LE");
    GUESS("\0a\0,\0b\0\n", true, "UTF-16BE");
    GUESS("caf\xe9\n\xfc\n", true, "windows-1252");
    GUESS("caf\xe9\n", true, "UTF-8");                 /* one line may be damaged */
    GUESS("caf\xe9\n\xfc\n\xc3\xa9\n", true, "UTF-8"); /* and more, where others are UTF-8 */
    GUESS("x\n\xe9\n\xc3", false, "UTF-8");            /* the end of what was looked at may cut a character */
    GUESS("x\n\xe9\n\xc3", true, "windows-1252");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_go_by_bytes_before_names),
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
