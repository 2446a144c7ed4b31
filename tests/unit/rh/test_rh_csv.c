/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rh_csv.h"

struct text_source {
    const char *text;
    size_t length, at, step;
    bool fails;
};

static ssize_t read_text(void *context, char *bytes, size_t size)
{
    struct text_source *source = context;
    size_t left = source->length - source->at;
    if (source->fails && left == 0) {
        errno = EIO;
        return -1;
    }
    size_t count = size < source->step ? size : source->step;
    count = count < left ? count : left;
    memcpy(bytes, source->text + source->at, count);
    source->at += count;
    return (ssize_t)count;
}

/* Writes what the reader sees in a notation of its own: [field|"quoted"] per record, !line:column per bad one. */
static char *read_all(const char *text, size_t length, size_t step, char delimiter)
{
    struct text_source source = {.text = text, .length = length, .step = step};
    struct rh_csv csv;
    struct rh_buffer out = {0};
    enum rh_csv_result result;
    rh_csv_init(&csv, read_text, &source, delimiter, step);
    rh_buffer_reserve(&out, 0);
    out.bytes[0] = '\0';
    while ((result = rh_csv_next(&csv)) != RH_CSV_END) {
        assert_int_not_equal(result, RH_CSV_IO_ERROR);
        if (result == RH_CSV_BAD) {
            rh_buffer_format(&out, "!%d:%d<%.*s>", (int)csv.bad_line, (int)csv.bad_column, (int)csv.record.raw_length,
                             csv.record.raw);
            continue;
        }
        rh_buffer_add_char(&out, '[');
        for (size_t at = 0; at < csv.record.count; at++) {
            const struct rh_csv_field *field = &csv.record.fields[at];
            rh_buffer_add_text(&out, at > 0 ? "|" : "");
            rh_buffer_add_text(&out, field->quoted ? "\"" : "");
            rh_buffer_add(&out, field->text, field->length);
            rh_buffer_add_text(&out, field->quoted ? "\"" : "");
        }
        rh_buffer_add_char(&out, ']');
    }
    rh_csv_free(&csv);
    return out.bytes;
}

/* Whatever the sizes in which the bytes arrive, the result is the same. */
static void check(const char *text, size_t length, char delimiter, const char *expected)
{
    for (size_t step = 1; step <= length + 1; step++) {
        char *seen = read_all(text, length, step, delimiter);
        assert_string_equal(seen, expected);
        free(seen);
    }
}

#define CHECK(text, expected) check(text, sizeof text - 1, ',', expected)

static void test_reads_records_and_fields(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("a", "[a]");
    CHECK("a,b\n1,2\n", "[a|b][1|2]");
    CHECK("a,b\n1,2", "[a|b][1|2]");
    CHECK("a,\n,\n", "[a|][|]");
    CHECK("a,", "[a|]");
    CHECK("\n\nx\n", "[][][x]");
    CHECK("a b, c \n", "[a b| c ]");
    check("a;b,c\n", 6, ';', "[a|b,c]");
    check("a\tb\n", 4, '\t', "[a|b]");
}

static void test_reads_quotes_as_rfc_4180_has_them(void **state)
{
    (void)state;
    CHECK("\"a,b\",c\n", "[\"a,b\"|c]");
    CHECK("\"say \"\"hi\"\"\",\"\"\"\"\n", "[\"say \"hi\"\"|\"\"\"]");
    CHECK("\"two\nlines\",x\ny,z\n", "[\"two\nlines\"|x][y|z]");
    CHECK("\"crlf\r\ninside\"\r\n", "[\"crlf\r\ninside\"]");
    CHECK("\"\",x", "[\"\"|x]");
    CHECK("\"end\"", "[\"end\"]");
    CHECK("\"a\"\"\",\"\"\"b\",\"c\"\"d\"\n", "[\"a\"\"|\"\"b\"|\"c\"d\"]");
}

static void test_reads_crlf_bom_and_lone_cr(void **state)
{
    (void)state;
    CHECK("a,b\r\n1,2\r\n", "[a|b][1|2]");
    CHECK("\xEF\xBB\xBF"
          "a,b\n",
          "[a|b]");
    CHECK("\xEF\xBB\xBF"
          "\"a\",b\n",
          "[\"a\"|b]");
    CHECK("a\rb,c\n", "[a\rb|c]");
    CHECK("a\r", "[a]");
    CHECK("a,b\r1,2\r", "!1:4<a,b\r1,2>"); /* nothing but returns: no line of it can be trusted */
    CHECK("a,b\n1\r,2", "[a|b][1\r|2]");
    CHECK("\"a\"\r", "[\"a\"]");
}

static void test_names_the_place_of_what_is_bad_and_goes_on(void **state)
{
    (void)state;
    CHECK("a,b\"c\nnext,1\n", "!1:4<a,b\"c>[next|1]");
    CHECK("x\n\"a\"b,c\ny\n", "[x]!2:4<\"a\"b,c>[y]");
    CHECK("x\n1,\"open\ny\nz", "[x]!2:3<1,\"open>[y][z]");
    CHECK("\"a\"\rb\nc\n", "!1:4<\"a\"\rb>[c]");
    /* the quote that was forgotten is on line 1, although it is noticed on line 2 */
    CHECK("\"a,1\n\"b\",2\n", "!2:2<\"a,1>[\"b\"|2]");
    /* columns count characters */
    CHECK("\xC3\xA4\xC3\xB6,b\"\n", "!1:5<\xC3\xA4\xC3\xB6,b\">");
}

static void test_place_of_a_byte_in_a_record_with_lines(void **state)
{
    static const char text[] = "h\n\"one\ntwo\",\xC3\xA9,z\n";
    struct text_source source = {.text = text, .length = sizeof text - 1, .step = 100};
    struct rh_csv csv;
    uint64_t line, column;
    (void)state;
    rh_csv_init(&csv, read_text, &source, ',', 0);
    assert_int_equal(rh_csv_next(&csv), RH_CSV_RECORD);
    assert_int_equal(rh_csv_next(&csv), RH_CSV_RECORD);
    assert_int_equal(csv.record.count, 3);
    rh_csv_place(&csv, csv.record.fields[0].offset, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 1);
    rh_csv_place(&csv, csv.record.fields[2].offset, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 8);
    assert_int_equal(csv.consumed, sizeof text - 1);
    rh_csv_free(&csv);
}

static void test_a_source_that_fails_is_no_end(void **state)
{
    struct text_source source = {.text = "a,b\nc", .length = 5, .step = 2, .fails = true};
    struct rh_csv csv;
    (void)state;
    rh_csv_init(&csv, read_text, &source, ',', 2);
    assert_int_equal(rh_csv_next(&csv), RH_CSV_RECORD);
    assert_int_equal(rh_csv_next(&csv), RH_CSV_IO_ERROR);
    rh_csv_free(&csv);
}

/* Random fields are written by the rules and must come back, in any step. */
static void test_random_fields_come_back(void **state)
{
    static const char alphabet[] = "ab,\"\n\r x\xC3\xA4";
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 2000; round++) {
        struct rh_buffer text = {0}, expected = {0};
        int records = rand_r(&seed) % 4 + 1;
        for (int record = 0; record < records; record++) {
            int fields = rand_r(&seed) % 3 + 2;
            rh_buffer_add_char(&expected, '[');
            for (int field = 0; field < fields; field++) {
                rh_buffer_add_text(&text, field > 0 ? ",\"" : "\"");
                rh_buffer_add_text(&expected, field > 0 ? "|\"" : "\"");
                for (int left = rand_r(&seed) % 8; left > 0; left--) {
                    char c = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
                    rh_buffer_add_char(&expected, c);
                    rh_buffer_add_text(&text, c == '"' ? "\"" : "");
                    rh_buffer_add_char(&text, c);
                }
                rh_buffer_add_char(&text, '"');
                rh_buffer_add_char(&expected, '"');
            }
            rh_buffer_add_text(&text, rand_r(&seed) % 2 ? "\n" : "\r\n");
            rh_buffer_add_char(&expected, ']');
        }
        char *seen = read_all(text.bytes, text.length, (size_t)rand_r(&seed) % 16 + 1, ',');
        assert_string_equal(seen, expected.bytes);
        free(seen);
        rh_buffer_free(&text);
        rh_buffer_free(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_records_and_fields),
        cmocka_unit_test(test_reads_quotes_as_rfc_4180_has_them),
        cmocka_unit_test(test_reads_crlf_bom_and_lone_cr),
        cmocka_unit_test(test_names_the_place_of_what_is_bad_and_goes_on),
        cmocka_unit_test(test_place_of_a_byte_in_a_record_with_lines),
        cmocka_unit_test(test_a_source_that_fails_is_no_end),
        cmocka_unit_test(test_random_fields_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
