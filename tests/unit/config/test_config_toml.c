/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "config/config_toml.h"

static struct toml_node *parse(const char *text)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct toml_node *root;
    if (toml_parse(text, strlen(text), "t.toml", &root, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return root;
}

static const struct toml_node *find(const struct toml_node *root, const char *path)
{
    char part[64];
    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        memcpy(part, path, len);
        part[len] = '\0';
        root = root->kind == TOML_ARRAY ? root->items[atoi(part)] : toml_find(root, part);
        assert_non_null(root);
        path += len + (path[len] == '.' ? 1 : 0);
    }
    return root;
}

static void expect_text(const char *document, const char *path, const char *text)
{
    struct toml_node *root = parse(document);
    const struct toml_node *node = find(root, path);
    assert_int_equal(node->kind, TOML_STRING);
    assert_string_equal(node->text, text);
    assert_int_equal(node->len, strlen(text));
    toml_free(&root);
    assert_null(root);
}

static void expect_integer(const char *document, const char *path, int64_t value)
{
    struct toml_node *root = parse(document);
    const struct toml_node *node = find(root, path);
    assert_int_equal(node->kind, TOML_INTEGER);
    assert_true(node->integer == value);
    toml_free(&root);
}

static void expect_kind(const char *document, enum toml_kind kind)
{
    struct toml_node *root = parse(document);
    if (find(root, "a")->kind != kind)
        fail_msg("%s is %s", document, toml_kind_name(find(root, "a")));
    toml_free(&root);
}

/* The document is refused, and the message has this in it. */
static void expect_error(const char *document, const char *part)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct toml_node *root;
    if (toml_parse(document, strlen(document), "t.toml", &root, &error) != RHEI_CONFIG)
        fail_msg("accepted: %s", document);
    assert_null(root);
    if (strstr(error.message, part) == NULL)
        fail_msg("\"%s\" for %s", error.message, document);
}

static void test_strings(void **state)
{
    (void)state;
    expect_text("a = \"b\"", "a", "b");
    expect_text("a = \"\"", "a", "");
    expect_text("a = ''", "a", "");
    expect_text("a = 'C:\\dir\\n'", "a", "C:\\dir\\n");
    expect_text("a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "a", "\b\t\n\f\r\"\\");
    expect_text("a = \"\\u00E9\\U0001F30A\\u20ac\"", "a", "\xC3\xA9\xF0\x9F\x8C\x8A\xE2\x82\xAC");
    expect_text("a = \"\"\"\nx\r\ny\"\"\"", "a", "x\ny");
    expect_text("a = \"\"\"x \\  \n\n   y\"\"\"", "a", "x y");
    expect_text("a = '''\nx\\\n'y''''", "a", "x\\\n'y'");
    expect_text("a = \"\"\"\"x\"\"\"\"\"", "a", "\"x\"\"");
    expect_text("a = \"\"\"\"\"\"", "a", "");
    expect_text("a = \"# no comment\" # a comment", "a", "# no comment");
    expect_text("\xEF\xBB\xBF"
                "a = 'bom'",
                "a", "bom");
}

static void test_numbers_and_the_rest(void **state)
{
    (void)state;
    expect_integer("a = 0", "a", 0);
    expect_integer("a = +1_000", "a", 1000);
    expect_integer("a = -0", "a", 0);
    expect_integer("a = 0xDEAD_beef", "a", 0xDEADBEEF);
    expect_integer("a = 0o755", "a", 0755);
    expect_integer("a = 0b1101", "a", 13);
    expect_integer("a = 9223372036854775807", "a", INT64_MAX);
    expect_integer("a = -9223372036854775808", "a", INT64_MIN);
    static const char *const floats[] = {"a = 1.5", "a = 1e5",  "a = -2E-2", "a = 6.626e-34",
                                         "a = inf", "a = -inf", "a = nan",   "a = 1_0.2_5"};
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++)
        expect_kind(floats[i], TOML_FLOAT);
    static const char *const dates[] = {"a = 1979-05-27", "a = 1979-05-27T07:32:00Z", "a = 1979-05-27 07:32:00.5+01:00",
                                        "a = 07:32:00"};
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++)
        expect_kind(dates[i], TOML_DATE);
    expect_kind("a = true", TOML_BOOLEAN);
    expect_kind("a = false", TOML_BOOLEAN);
    expect_kind("a = []", TOML_ARRAY);
    expect_kind("a = {}", TOML_TABLE);
}

static void test_keys_and_tables(void **state)
{
    (void)state;
    expect_integer("\"quoted key\" = 1", "quoted key", 1);
    expect_integer("1234 = 1", "1234", 1);
    expect_integer("a . 'b' . \"c\" = 1", "a.b.c", 1);
    expect_integer("a.b = 1\na.c = 2", "a.c", 2);
    expect_integer("[a.b.c]\nd = 1\n[a]\ne = 2", "a.e", 2);
    expect_integer("[a]\nb = 1\n[a.c]\nd = 2", "a.c.d", 2);
    expect_integer("[a]\nb.c = 1\n[a.b.d]\ne = 2", "a.b.d.e", 2);
    expect_integer("[ a . b ]\nc = 1", "a.b.c", 1);
    expect_integer("a = { b = 1, c = { d.e = 2 } }", "a.c.d.e", 2);
    expect_integer("a = [\n 1, # one\n 2,\n]\n", "a.1", 2);
    expect_integer("a = [[1, 2], [\"x\"]]", "a.0.1", 2);
    expect_integer("[[t]]\na = 1\n[t.s]\nb = 5\n[[t]]\na = 2\n[[t.u]]\nc = 3", "t.1.u.0.c", 3);
    expect_integer("[[t]]\na = 1\n[t.s]\nb = 5\n[[t]]\na = 2", "t.0.s.b", 5);
    expect_integer("\r\n# comment\r\na = 1\r\n", "a", 1);
}

static void test_lines(void **state)
{
    (void)state;
    struct toml_node *root = parse("# c\na = \"\"\"\n\n\"\"\"\nb = [\n1,\n2]\n\n[t]\nc = 1");
    assert_int_equal(find(root, "a")->line, 2);
    assert_int_equal(find(root, "b")->line, 5);
    assert_int_equal(find(root, "b.1")->line, 7);
    assert_int_equal(find(root, "t")->line, 9);
    assert_int_equal(find(root, "t.c")->line, 10);
    toml_free(&root);
}

static void test_what_toml_forbids(void **state)
{
    (void)state;
    static const char *const documents[][2] = {
        {"a", "t.toml:1: expected '=' behind the key \"a\""},
        {"a = ", "expected a value"},
        {"a = b", "what is given for \"a\" is no value; put a text in quotes"},
        {"a = [{b = 1}, c]", "what is given for \"a\" is no value; put a text in quotes"},
        {"= 1", "expected a key, but found '='"},
        {"a = 1 b = 2", "expected the end of the line, but found 'b'"},
        {"x = 1\n\na = 1\na = 2", "t.toml:4: \"a\" was already given on line 3"},
        {"[a]\n[a]", "\"a\" was already given on line 1"},
        {"a = 1\n[a]", "already given on line 1"},
        {"[a]\nb = 1\n[a.b]", "already given on line 2"},
        {"a.b = 1\n[a]\nc = 2", "already given"},
        {"a = {b = 1}\n[a.c]", "already given on line 1 as a table"},
        {"a = {b = 1}\na.c = 2", "already given on line 1 as a table"},
        {"[a.b]\nc = 1\n[a]\nb.d = 2", "already given on line 1"},
        {"a = [1]\n[[a]]", "as an array, not as [[a]]"},
        {"[a]\n[[a]]", "as a table, not as [[a]]"},
        {"[[a]]\n[a]", "already given"},
        {"[a", "not closed by ]"},
        {"[[a]", "not closed by ]]"},
        {"[]", "expected a key"},
        {"[a]]", "expected the end of the line"},
        {"a. = 1", "expected a key"},
        {"a = \"x", "no closing \" on its line"},
        {"a = 'x\ny'", "t.toml:1: a text has no closing ' on its line"},
        {"\na = '''x\n\n", "t.toml:2: a text of several lines is never closed"},
        {"a = \"\\x41\"", "unknown escape"},
        {"a = \"\\uD800\"", "U+D800 is no character"},
        {"a = \"\\u12\"", "needs 4 hexadecimal digits"},
        {"a = \"\x01\"", "control character; write it as \\u0001"},
        {"# \x01", "a comment holds a control character"},
        {"a = 01", "is no value"},
        {"a = 1__0", "is no value"},
        {"a = _1", "is no value"},
        {"a = 1_", "is no value"},
        {"a = 1.", "is no value"},
        {"a = .5", "is no value"},
        {"a = 0x", "is no value"},
        {"a = -0x1", "is no value"},
        {"a = +", "is no value"},
        {"a = True", "is no value; put a text in quotes"},
        {"a = [1 2]", "expected ',' or ']' in the array that begins on line 1"},
        {"a = [1,,2]", "expected a value"},
        {"a = [", "expected a value"},
        {"a = {b = 1", "expected ',' or '}'"},
        {"a = {b = 1,}", "expected a key"},
        {"a = {b = 1\n}", "has to be on one line"},
        {"a = {b = 1, b = 2}", "already given"},
        {"a = \"\xFF\"", "t.toml:1: the text is not UTF-8 (byte 0xff)"},
        {"x = 1\na = '\xC3'", "t.toml:2: the text is not UTF-8"},
        {"\"a\\u0000b\" = 1", "a key holds a NUL"},
        {"a = \"\"\"\"\"\"\"\"\"", "expected the end of the line"},
    };
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        expect_error(documents[i][0], documents[i][1]);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    char deep[400] = "a = ";
    memset(deep + 4, '[', 300);
    expect_error(deep, "nested deeper than 64");
    memcpy(deep, "a = ", 4);
    for (size_t i = 4; i < 300; i += 4)
        memcpy(deep + i, "{a= ", 4);
    expect_error(deep, "nested deeper than 64");
}

static void test_text_with_a_nul(void **state)
{
    (void)state;
    struct toml_node *root = parse("a = \"x\\u0000y\"");
    assert_int_equal(find(root, "a")->len, 3);
    assert_memory_equal(find(root, "a")->text, "x\0y", 4);
    toml_free(&root);
}

static const char whole[] =
    "# settings\n[engine]\na = 1\nb.c = 'x'\nd = [1, \"two\", {e = 3.5}]\n[[t]]\nf = \"\"\"y\"\"\"\n";

static void test_every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    uint64_t nth = 1;
    for (;; nth++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct toml_node *root;
        base_memory_fail_after(nth);
        rhei_status status = toml_parse(whole, strlen(whole), "t.toml", &root, &error);
        base_memory_fail_after(0);
        toml_free(&root);
        if (status == RHEI_OK)
            break;
        assert_int_equal(status, RHEI_NO_MEMORY);
    }
    assert_true(nth > 20);
}

/* Broken documents are refused or read, but never crash the reader: cut, and with bytes changed. */
static void test_damaged_documents(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t random = (given != NULL ? strtoull(given, NULL, 0) : base_random_u64()) | 1;
    print_message("RHEI_TEST_SEED=%llu\n", (unsigned long long)random);
    size_t accepted = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        size_t len = (size_t)(random >> 33) % sizeof whole;
        char *copy = base_strndup(whole, len);
        static const char bytes[] = "[]{}\"'\\=.,#\n\r\t a0_-\x80\xC3";
        for (int change = 0; change < 2 && len > 0; change++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            copy[(random >> 40) % len] = bytes[(random >> 33) % (sizeof bytes - 1)];
        }
        struct toml_node *root;
        if (toml_parse(copy, len, "t.toml", &root, NULL) == RHEI_OK)
            accepted++;
        else
            refused++;
        toml_free(&root);
        base_free(copy);
    }
    assert_true(accepted > 0);
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),           cmocka_unit_test(test_numbers_and_the_rest),
        cmocka_unit_test(test_keys_and_tables),   cmocka_unit_test(test_lines),
        cmocka_unit_test(test_what_toml_forbids), cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_text_with_a_nul),   cmocka_unit_test(test_every_failing_allocation_is_an_error),
        cmocka_unit_test(test_damaged_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
