/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rh_json.h"

struct text_source {
    const char *text;
    size_t length, at, step;
};

static ssize_t read_text(void *context, char *bytes, size_t size)
{
    struct text_source *source = context;
    size_t left = source->length - source->at;
    size_t count = size < source->step ? size : source->step;
    count = count < left ? count : left;
    memcpy(bytes, source->text + source->at, count);
    source->at += count;
    return (ssize_t)count;
}

/* What the reader sees: [name=KIND:text@line:column ...] per record, !line:column<raw> per bad one. */
static char *read_all(const char *text, size_t length, size_t step)
{
    static const char kinds[] = {'0', 'f', 't', '#', '$', 'x', '{'};
    struct text_source source = {.text = text, .length = length, .step = step};
    struct rh_json json;
    struct rh_buffer out = {0};
    enum rh_csv_result result;
    rh_json_init(&json, read_text, &source, step);
    rh_buffer_add_text(&out, "");
    while ((result = rh_json_next(&json)) != RH_CSV_END) {
        assert_int_not_equal(result, RH_CSV_IO_ERROR);
        if (result == RH_CSV_BAD) {
            rh_buffer_format(&out, "!%d:%d<%.*s>", (int)json.bad_line, (int)json.bad_column, (int)json.raw_length,
                             json.raw);
            continue;
        }
        rh_buffer_add_char(&out, '[');
        for (size_t at = 0; at < json.count; at++) {
            const struct rh_json_member *member = &json.members[at];
            uint64_t line, column;
            rh_json_place(&json, member->offset, &line, &column);
            rh_buffer_add_text(&out, at > 0 ? " " : "");
            rh_buffer_add(&out, member->name, member->name_length);
            rh_buffer_format(&out, "=%c:", kinds[member->kind]);
            rh_buffer_add(&out, member->text, member->length);
            rh_buffer_format(&out, "@%d:%d", (int)line, (int)column);
        }
        rh_buffer_add_char(&out, ']');
    }
    rh_json_free(&json);
    return out.bytes;
}

/* Whatever the sizes in which the bytes arrive, the result is the same. */
static void check(const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text) + 1; step++) {
        char *seen = read_all(text, strlen(text), step);
        assert_string_equal(seen, expected);
        free(seen);
    }
}

static void test_objects_of_lines_and_of_an_array(void **state)
{
    (void)state;
    check("", "");
    check(" \n", "");
    check("[]", "");
    check(" [ ] \n", "");
    check("{}", "[]");
    check("{\"a\":1}\n{\"a\":2}", "[a=#:1@1:6][a=#:2@2:6]");
    check("{\"a\":1}{\"a\" : 2 }\r\n", "[a=#:1@1:6][a=#:2@1:15]");
    check("[{\"a\":1}]", "[a=#:1@1:7]");
    check("[\n {\"a\": 1,\n  \"b\": 2},\n {\"é\": \"ü\", \"c\": 3}\n]\n",
          "[a=#:1@2:8 b=#:2@3:8][é=$:ü@4:8 c=#:3@4:18]");
    check("\xEF\xBB\xBF{\"a\":1}", "[a=#:1@1:6]");
}

static void test_values_as_they_are_written(void **state)
{
    (void)state;
    check("{\"a\":null,\"b\":true,\"c\":false,\"d\":-0.50E+07,\"e\":123456789012345678901234567890}",
          "[a=0:null@1:6 b=t:true@1:15 c=f:false@1:24 d=#:-0.50E+07@1:34 e=#:123456789012345678901234567890@1:48]");
    check("{\"a\":{\"b\":[1,{}],\"c\":\"}\"},\"d\":[]}", "[a={:{\"b\":[1,{}],\"c\":\"}\"}@1:6 d={:[]@1:31]");
    check("{\"c\":{\"base64\":\"QUJD\"},\"b\":{\"base64\":\"QQ\"},\"d\":{\"base64\":\"\"}}",
          "[c=x:ABC@1:6 b={:{\"base64\":\"QQ\"}@1:28 d=x:@1:48]");
    check("{\"\\u0061\\n\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u6771\\ud83d\\ude42\"}",
          "[a\n=$:\"\\/\b\f\n\r\té東🙂@1:13]");
}

static void test_what_is_bad_is_named_and_its_line_left(void **state)
{
    (void)state;
    check("{\"a\":1,}\n{\"a\":2}\n", "!1:8<{\"a\":1,}>[a=#:2@2:6]");
    check("{\"a\":1\n{\"a\":2}\n", "!2:1<{\"a\":1>[a=#:2@2:6]");
    check("{\"a\" 1}\n{\"a\":2}", "!1:6<{\"a\" 1}>[a=#:2@2:6]");
    check("nonsense\n{\"a\":2}", "!1:1<nonsense>[a=#:2@2:6]");
    check("{\"a\":01}\n{\"a\":.5}\n{\"a\":+1}\n{\"a\":1.}\n{\"a\":1e}\n",
          "!1:7<{\"a\":01}>!2:6<{\"a\":.5}>!3:6<{\"a\":+1}>!4:6<{\"a\":1.}>!5:6<{\"a\":1e}>");
    check("{\"a\":\"x\ny\"}", "!1:8<{\"a\":\"x>!2:1<y\"}>");
    check("{\"a\":\"\\x\"}\n{\"a\":\"\\ud83d\"}\n", "!1:7<{\"a\":\"\\x\"}>!2:7<{\"a\":\"\\ud83d\"}>");
    check("{\"a\":\"\xff\"}\n{\"a\":tru}\n{a:1}\n", "!1:7<{\"a\":\"\xff\"}>!2:6<{\"a\":tru}>!3:2<{a:1}>");
    check("{\"a\":\"open\n", "!1:11<{\"a\":\"open>");
    check("{\"a\":", "!1:6<{\"a\":>");
    check("{\"a\":1}\n[1]\n{\"a\":2}", "[a=#:1@1:6]!2:1<[1]>[a=#:2@3:6]");
}

static void test_behind_what_is_bad_in_an_array_nothing_is_read(void **state)
{
    (void)state;
    check("[{\"a\":1},\n{\"a\":},\n{\"a\":3}]", "[a=#:1@1:7]!2:6<{\"a\":},>");
    check("[{\"a\":1}", "[a=#:1@1:7]!1:9<>");
    check("[{\"a\":1} {\"a\":2}]", "[a=#:1@1:7]!1:10<{\"a\":2}]>");
    check("[{\"a\":1},]", "[a=#:1@1:7]!1:10<]>");
    check("[{\"a\":1}] x", "[a=#:1@1:7]!1:11<x>");
    check("[1]", "!1:2<1]>");
}

static void test_nesting_has_an_end(void **state)
{
    (void)state;
    struct rh_buffer text = {0};
    rh_buffer_add_text(&text, "{\"a\":");
    for (int at = 0; at < 100000; at++)
        rh_buffer_add_char(&text, '[');
    char *seen = read_all(text.bytes, text.length, text.length);
    assert_int_equal(seen[0], '!');
    free(seen);
    rh_buffer_free(&text);
}

/* Whatever bytes there are: the reader comes to an end, and sees the same in whatever pieces they come. */
static void test_d4_random_bytes_do_no_harm(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\":,\\u0123 \n\te-+.truefalsn\xc3\xa9\xff";
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 3000; round++) {
        char text[64];
        size_t length = (size_t)rand_r(&seed) % sizeof text;
        for (size_t at = 0; at < length; at++)
            text[at] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        if (length > 2 && rand_r(&seed) % 2)
            memcpy(text, "{\"", 2);
        char *whole = read_all(text, length, sizeof text), *pieces = read_all(text, length, 1);
        assert_string_equal(whole, pieces);
        free(whole);
        free(pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_of_lines_and_of_an_array),
        cmocka_unit_test(test_values_as_they_are_written),
        cmocka_unit_test(test_what_is_bad_is_named_and_its_line_left),
        cmocka_unit_test(test_behind_what_is_bad_in_an_array_nothing_is_read),
        cmocka_unit_test(test_nesting_has_an_end),
        cmocka_unit_test(test_d4_random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
