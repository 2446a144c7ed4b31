/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "line_keys.h"

/* The keys of some bytes, which come in pieces of `piece` bytes. */
static size_t read_keys(struct line_keys *keys, const char *bytes, size_t length, size_t piece, int *found)
{
    size_t count = 0;
    for (size_t from = 0; from < length; from += piece) {
        size_t size = length - from < piece ? length - from : piece, at = 0;
        while (at < size) {
            size_t used;
            int key = line_keys_next(keys, bytes + from + at, size - at, &used);
            assert_true(used > 0 || key != LINE_KEY_NONE);
            at += used;
            if (key != LINE_KEY_NONE)
                found[count++] = key;
        }
    }
    return count;
}

static void test_sequences_are_keys_in_whatever_pieces_they_come(void **state)
{
    static const struct {
        const char *bytes;
        int key;
    } known[] = {{"\033[A", LINE_KEY_UP},
                 {"\033OA", LINE_KEY_UP},
                 {"\033[B", LINE_KEY_DOWN},
                 {"\033[1;5D", LINE_KEY_WORD_LEFT},
                 {"\033[1;5C", LINE_KEY_WORD_RIGHT},
                 {"\033[H", LINE_KEY_HOME},
                 {"\033[1~", LINE_KEY_HOME},
                 {"\033[4~", LINE_KEY_END},
                 {"\033OF", LINE_KEY_END},
                 {"\033[3~", LINE_KEY_DELETE},
                 {"\033[Z", LINE_KEY_TAB_BACK},
                 {"\033b", LINE_KEY_WORD_LEFT},
                 {"\033f", LINE_KEY_WORD_RIGHT},
                 {"\033d", LINE_KEY_WORD_DELETE},
                 {"\033\r", LINE_KEY_NEWLINE},
                 {"\x01", LINE_KEY_CTRL_A},
                 {"\r", LINE_KEY_ENTER},
                 {"\x7f", LINE_KEY_BACKSPACE},
                 {"\x1f", LINE_KEY_UNDO}};
    (void)state;
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        for (size_t piece = 1; piece < 8; piece++) {
            struct line_keys keys = {0};
            int found[16];
            assert_int_equal(read_keys(&keys, known[at].bytes, strlen(known[at].bytes), piece, found), 1);
            assert_int_equal(found[0], known[at].key);
            line_keys_free(&keys);
        }
}

static void test_what_is_not_known_types_nothing(void **state)
{
    static const char *const unknown[] = {"\033[15~", "\033[1;2P",  "\033OP",         "\033x",
                                          "\033[[A",  "\033[?62;c", "\033[999999999X"};
    (void)state;
    for (size_t at = 0; at < sizeof unknown / sizeof *unknown; at++) {
        struct line_keys keys = {0};
        int found[64];
        assert_int_equal(read_keys(&keys, unknown[at], strlen(unknown[at]), 3, found), 0);
        assert_int_equal(read_keys(&keys, "a", 1, 1, found), 1);
        assert_int_equal(found[0], LINE_KEY_TEXT);
        assert_string_equal(keys.text.bytes, "a");
        line_keys_free(&keys);
    }
}

static void test_an_escape_alone_is_one_when_nothing_follows(void **state)
{
    struct line_keys keys = {0};
    int found[4];
    (void)state;
    assert_int_equal(read_keys(&keys, "\033", 1, 1, found), 0);
    assert_true(line_keys_wait(&keys));
    assert_int_equal(line_keys_settle(&keys), LINE_KEY_ESCAPE);
    assert_false(line_keys_wait(&keys));
    line_keys_free(&keys);
}

static void test_a_paste_is_one_key(void **state)
{
    static const char bytes[] = "\033[200~SELECT 1;\r\n\tx\033[A\x03\033[201~z";
    (void)state;
    for (size_t piece = 1; piece < sizeof bytes; piece++) {
        struct line_keys keys = {0};
        int found[8];
        size_t used;
        const char *at = bytes;
        size_t left = sizeof bytes - 1;
        int key = LINE_KEY_NONE;
        while (key == LINE_KEY_NONE) {
            key = line_keys_next(&keys, at, left < piece ? left : piece, &used);
            at += used;
            left -= used;
        }
        assert_int_equal(key, LINE_KEY_PASTE);
        assert_string_equal(keys.text.bytes, "SELECT 1;\r\n\tx\033[A\x03");
        assert_int_equal(read_keys(&keys, at, left, 1, found), 1);
        assert_string_equal(keys.text.bytes, "z");
        line_keys_free(&keys);
    }
}

static void test_a_character_in_pieces_is_whole(void **state)
{
    struct line_keys keys = {0};
    int found[4];
    (void)state;
    assert_int_equal(read_keys(&keys, "\xF0\x9F\x99", 3, 1, found), 0);
    assert_int_equal(read_keys(&keys, "\x82", 1, 1, found), 1);
    assert_string_equal(keys.text.bytes, "\xF0\x9F\x99\x82");
    /* the beginning of one that never ends keeps nothing back but itself */
    assert_int_equal(read_keys(&keys, "\xC3\r", 2, 1, found), 2);
    assert_int_equal(found[0], LINE_KEY_TEXT);
    assert_int_equal(found[1], LINE_KEY_ENTER);
    line_keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_are_keys_in_whatever_pieces_they_come),
        cmocka_unit_test(test_what_is_not_known_types_nothing),
        cmocka_unit_test(test_an_escape_alone_is_one_when_nothing_follows),
        cmocka_unit_test(test_a_paste_is_one_key),
        cmocka_unit_test(test_a_character_in_pieces_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
