/* SPDX-License-Identifier: Apache-2.0 */
/* Sums that the reference implementation gives (xxHash 0.8), and that no bit may turn unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_checksum.h"

static void test_known_sums(void **state)
{
    (void)state;
    assert_true(base_checksum(NULL, 0) == 0xEF46DB3751D8E999u);
    assert_true(base_checksum("a", 1) == 0xD24EC4F1A98C6E5Bu);
    assert_true(base_checksum("abc", 3) == 0x44BC2CF5AD770999u);
    const char *text = "Nobody inspects the spammish repetition"; /* 39 bytes: a stripe, and the rest by four and one */
    assert_true(base_checksum(text, strlen(text)) == 0xFBCEA83C8A378BF1u);
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    unsigned char bytes[71];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37);
    for (size_t len = 1; len <= sizeof bytes; len++) {
        uint64_t whole = base_checksum(bytes, len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_true(base_checksum(bytes, len) != whole);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
}

/* Of parts it is the same, wherever they are cut. */
static void test_sum_of_parts(void **state)
{
    (void)state;
    unsigned char bytes[150];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 41 + 7);
    for (size_t len = 0; len <= sizeof bytes; len++)
        for (size_t part = 1; part <= 70; part++) {
            struct base_summing summing;
            base_summing_begin(&summing);
            for (size_t at = 0; at < len; at += part)
                base_summing_add(&summing, bytes + at, len - at < part ? len - at : part);
            assert_true(base_summing_end(&summing) == base_checksum(bytes, len));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sums),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_sum_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
