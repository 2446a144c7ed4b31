/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rh_writer.h"

static struct rhei_value text(const char *bytes)
{
    return (struct rhei_value){.as.bytes = bytes, .length = (uint32_t)strlen(bytes), .type = RHEI_TEXT};
}

static struct rhei_value integer(int64_t value)
{
    return (struct rhei_value){.as.integer = value, .type = RHEI_INTEGER};
}

static struct rhei_value real(double value)
{
    return (struct rhei_value){.as.real = value, .type = RHEI_REAL};
}

static struct rhei_value blob(const char *bytes, uint32_t length)
{
    return (struct rhei_value){.as.bytes = bytes, .length = length, .type = RHEI_BLOB};
}

static const struct rhei_value null = {.type = RHEI_NULL};

static void check_with(enum rh_format format, struct rh_output output, const char *const *names, size_t columns,
                       const struct rhei_value *values, size_t rows, const char *expected)
{
    char *seen = NULL;
    size_t length;
    FILE *file = open_memstream(&seen, &length);
    struct rh_writer *writer = rh_writer_open(format, file, &output, names, columns);
    for (size_t at = 0; at < rows; at++)
        rh_writer_row(writer, values + at * columns);
    rh_writer_close(&writer);
    fclose(file);
    assert_string_equal(seen, expected);
    free(seen);
}

static void check(enum rh_format format, struct rh_terminal terminal, const char *const *names, size_t columns,
                  const struct rhei_value *values, size_t rows, const char *expected)
{
    check_with(format, (struct rh_output){.terminal = terminal}, names, columns, values, rows, expected);
}

static const struct rh_terminal pipe_end = {.present = false};

static void test_c3_csv_keeps_every_class_apart(void **state)
{
    static const char *const names[] = {"a", "b,c", "d"};
    const struct rhei_value values[] = {
        integer(INT64_MIN), real(0.1 + 0.2),          text("x"),           null,
        text(""),           text("say \"hi\",\nyou"), blob("\x00\xFF", 2), real(2),
        text("p\xC3\xA4r"), real(-INFINITY),          blob("", 0),         text("a\rb"),
    };
    (void)state;
    check(RH_FORMAT_CSV, pipe_end, names, 3, values, 4,
          "a,\"b,c\",d\n-9223372036854775808,0.30000000000000004,x\n,\"\",\"say \"\"hi\"\",\nyou\"\n"
          "x'00ff',2.0,p\xC3\xA4r\n-9e999,x'',\"a\rb\"\n");
}

static void test_c3_json_is_one_array_of_exact_values(void **state)
{
    static const char *const names[] = {"id", "id", "id_2", "q\"\n"};
    const struct rhei_value values[] = {
        integer(INT64_MAX), real(1),        null,           text("\"\\\n\t\x01\x7F\xFF"),
        integer(-1),        real(INFINITY), blob("foo", 3), text(""),
    };
    (void)state;
    check(RH_FORMAT_JSON, pipe_end, names, 4, values, 2,
          "[{\"id\":9223372036854775807,\"id_3\":1.0,\"id_2\":null,\"q\\\"\\n\":"
          "\"\\\"\\\\\\n\\t\\u0001\\u007f\xEF\xBF\xBD\"},\n"
          " {\"id\":-1,\"id_3\":9e999,\"id_2\":{\"base64\":\"Zm9v\"},\"q\\\"\\n\":\"\"}]\n");
    check(RH_FORMAT_JSON, pipe_end, names, 1, NULL, 0, "[]\n");
    check(RH_FORMAT_NDJSON, pipe_end, names, 1, values, 2, "{\"id\":9223372036854775807}\n{\"id\":1.0}\n");
    check(RH_FORMAT_NDJSON, pipe_end, names, 1, NULL, 0, "");
}

static void test_markdown_escapes_what_it_uses(void **state)
{
    static const char *const names[] = {"a|b", "c"};
    const struct rhei_value values[] = {text("C:\\new|x"), null, text("two\nlines"), integer(7)};
    (void)state;
    check(RH_FORMAT_MARKDOWN, pipe_end, names, 2, values, 2,
          "| a\\|b | c |\n| --- | --- |\n| C:\\\\new\\|x | NULL |\n| two<br>lines | 7 |\n");
}

static void test_table_aligns_and_shows_null(void **state)
{
    static const char *const names[] = {"name", "n", "mixed"};
    const struct rhei_value values[] = {text("Ada"),  integer(1),  null,      null,      integer(-100),
                                        text("x\ty"), text("Bob"), real(2.5), integer(3)};
    (void)state;
    check(RH_FORMAT_TABLE, pipe_end, names, 3, values, 3,
          " name |    n | mixed\n"
          "------+------+-------\n"
          " Ada  |    1 | NULL\n"
          " NULL | -100 | x\\ty\n"
          " Bob  |  2.5 | 3\n");
    check(RH_FORMAT_TABLE, pipe_end, names, 1, NULL, 0, " name\n------\n");
}

static void test_table_fits_the_terminal(void **state)
{
    static const char *const names[] = {"id", "words"};
    const struct rhei_value values[] = {integer(1234567), text("a long text that does not fit"), integer(2),
                                        text("short")};
    const struct rh_terminal narrow = {.present = true, .width = 24};
    (void)state;
    check(RH_FORMAT_TABLE, narrow, names, 2, values, 2,
          "      id | words\n"
          "---------+--------------\n"
          " 1234567 | a long text~\n"
          "       2 | short\n");
    const struct rh_terminal utf8 = {.present = true, .width = 24, .utf8 = true, .colours = true};
    const struct rhei_value wide[] = {
        null, text("\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5\xE6\x9C\xAC")};
    check(RH_FORMAT_TABLE, utf8, names, 2, wide, 1,
          " \033[1mid\033[0m   │ \033[1mwords\033[0m\n"
          "──────┼─────────────────\n"
          " \033[2mNULL\033[0m │ "
          "\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5\xE6\x9C\xAC\xE6\x97\xA5…\n");
}

/* Rows behind the sample come out too, with the sample's widths. */
static void test_table_streams_after_its_sample(void **state)
{
    static const char *const names[] = {"n"};
    char *seen = NULL;
    size_t length, lines = 0;
    FILE *file = open_memstream(&seen, &length);
    const struct rh_output output = {.terminal = pipe_end};
    struct rh_writer *writer = rh_writer_open(RH_FORMAT_TABLE, file, &output, names, 1);
    (void)state;
    for (int64_t at = 0; at < 5000; at++) {
        struct rhei_value value = integer(at);
        rh_writer_row(writer, &value);
    }
    rh_writer_close(&writer);
    fclose(file);
    for (const char *at = seen; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 5002);
    assert_non_null(strstr(seen, "\n    0\n"));
    assert_non_null(strstr(seen, "\n 4999\n"));
    free(seen);
}

static void test_numbers_are_never_cut(void **state)
{
    static const char *const names[] = {"id", "words", "big", "last"};
    const struct rhei_value values[] = {
        integer(1), text("some words here"), integer(123456789012345), real(0.1 + 0.2), integer(2), null, integer(-5),
        null};
    const struct rh_terminal narrow = {.present = true, .width = 34};
    (void)state;
    check(RH_FORMAT_TABLE, narrow, names, 4, values, 2,
          " id | words     |             big\n"
          "----+-----------+-----------------\n"
          "  1 | some wor~ | 123456789012345\n"
          "  2 | NULL      |              -5\n"
          " Left out, for they don't fit: last (--format vertical shows them)\n");
    check_with(RH_FORMAT_TABLE, (struct rh_output){.width = 5}, names, 1, values + 2, 1,
               "              id\n"
               "-----------------\n"
               " 123456789012345\n");
    check_with(RH_FORMAT_TABLE, (struct rh_output){.width = 200, .no_header = true, .null_text = "-"}, names, 4,
               values + 4, 1, "  2 | -     |  -5 | -\n");
}

static void test_null_is_told_from_text(void **state)
{
    static const char *const names[] = {"a", "b"};
    const struct rhei_value values[] = {null, text("NULL"), text("'NULL'"), text("'x'"), text(""), text("null")};
    (void)state;
    check(RH_FORMAT_TABLE, pipe_end, names, 2, values, 3,
          " a        | b\n"
          "----------+--------\n"
          " NULL     | 'NULL'\n"
          " ''NULL'' | 'x'\n" /* one more pair than the text has */
          "          | null\n");
    check(RH_FORMAT_MARKDOWN, pipe_end, names, 2, values, 1, "| a | b |\n| --- | --- |\n| NULL | 'NULL' |\n");
    check_with(RH_FORMAT_CSV, (struct rh_output){.null_text = "NULL"}, names, 2, values, 2,
               "a,b\nNULL,\"NULL\"\n'NULL','x'\n");
    check_with(RH_FORMAT_TSV, (struct rh_output){.no_header = true}, names, 2, values, 1, "\tNULL\n");
    check(RH_FORMAT_VERTICAL, pipe_end, names, 2, values, 1, "-- row 1 --\n a | NULL\n b | 'NULL'\n");
}

static void test_c3_csv_tells_blobs_from_their_text(void **state)
{
    static const char *const names[] = {"a", "b"};
    const struct rhei_value values[] = {blob("\x0a", 1), text("x'0a'"), text("a\tb"), text("a,b")};
    (void)state;
    check(RH_FORMAT_CSV, pipe_end, names, 2, values, 2, "a,b\nx'0a',\"x'0a'\"\na\tb,\"a,b\"\n");
    check(RH_FORMAT_TSV, pipe_end, names, 2, values, 2, "a\tb\nx'0a'\t\"x'0a'\"\n\"a\tb\"\ta,b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c3_csv_keeps_every_class_apart),
        cmocka_unit_test(test_c3_json_is_one_array_of_exact_values),
        cmocka_unit_test(test_markdown_escapes_what_it_uses),
        cmocka_unit_test(test_table_aligns_and_shows_null),
        cmocka_unit_test(test_table_fits_the_terminal),
        cmocka_unit_test(test_table_streams_after_its_sample),
        cmocka_unit_test(test_numbers_are_never_cut),
        cmocka_unit_test(test_null_is_told_from_text),
        cmocka_unit_test(test_c3_csv_tells_blobs_from_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
