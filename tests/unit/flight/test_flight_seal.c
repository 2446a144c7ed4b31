/* SPDX-License-Identifier: Apache-2.0 */
/* What is sealed is opened by whom it is for, for what it is for, in time, as it was; and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/base_clock.h"
#include "flight/flight_seal.h"

static struct flight_seal seal;

static int set_up(void **state)
{
    (void)state;
    return flight_seal_init(&seal, NULL) == RHEI_OK ? 0 : 1;
}

static bool opens(const struct flight_seal *by, enum flight_seal_use use, const char *user, const char *bytes,
                  size_t len, struct base_buffer *body)
{
    base_buffer_clear(body);
    return flight_seal_open(by, use, user, (struct flight_bytes){bytes, len, true}, body);
}

static void test_d3_a_seal_is_for_one_use_one_user_and_one_time(void **state)
{
    (void)state;
    struct flight_seal other;
    struct base_buffer sealed = {0}, body = {0}, old = {0}, again = {0};
    assert_int_equal(flight_seal_init(&other, NULL), RHEI_OK);
    flight_seal_close(&seal, FLIGHT_SEAL_TICKET, "ada", base_wall_ms() + 60000, "SELECT 1", 8, &sealed);
    assert_true(opens(&seal, FLIGHT_SEAL_TICKET, "ada", sealed.data, sealed.len, &body));
    assert_int_equal(body.len, 8);
    assert_memory_equal(body.data, "SELECT 1", 8);
    assert_true(opens(&seal, FLIGHT_SEAL_TICKET, NULL, sealed.data, sealed.len, &body));
    assert_string_equal(body.data, "ada");
    assert_int_equal(body.len, 4 + 8);
    assert_false(opens(&seal, FLIGHT_SEAL_BEARER, "ada", sealed.data, sealed.len, &body));
    assert_false(opens(&seal, FLIGHT_SEAL_TICKET, "bob", sealed.data, sealed.len, &body));
    assert_false(opens(&seal, FLIGHT_SEAL_TICKET, "", sealed.data, sealed.len, &body));
    assert_false(opens(&other, FLIGHT_SEAL_TICKET, "ada", sealed.data, sealed.len, &body));
    flight_seal_close(&seal, FLIGHT_SEAL_TICKET, "ada", base_wall_ms() - 1, "SELECT 1", 8, &old);
    assert_false(opens(&seal, FLIGHT_SEAL_TICKET, "ada", old.data, old.len, &body));
    flight_seal_close(&seal, FLIGHT_SEAL_TICKET, "ada", INT64_MAX, "SELECT 1", 8, &again);
    assert_memory_not_equal(sealed.data, again.data, FLIGHT_SEAL_NONCE);
    for (size_t at = 0; at < sealed.len; at++) {
        sealed.data[at] ^= 1;
        assert_false(opens(&seal, FLIGHT_SEAL_TICKET, "ada", sealed.data, sealed.len, &body));
        sealed.data[at] ^= 1;
        assert_false(opens(&seal, FLIGHT_SEAL_TICKET, "ada", sealed.data, at, &body));
    }
    base_buffer_reset(&sealed);
    base_buffer_reset(&body);
    base_buffer_reset(&old);
    base_buffer_reset(&again);
}

static void test_base64_is_read_with_and_without_padding(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "\xff\xfe\xfd?>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int url = 0; url < 2; url++) {
            struct base_buffer encoded = {0}, decoded = {0};
            assert_true(flight_base64_encode(texts[i], strlen(texts[i]), url != 0, &encoded));
            assert_null(strchr(encoded.data, '='));
            while (encoded.len % 4 != 0 && i % 2 == 0)
                base_buffer_char(&encoded, '=');
            assert_true(flight_base64_decode(encoded.data, encoded.len, url != 0, &decoded));
            assert_int_equal(decoded.len, strlen(texts[i]));
            assert_memory_equal(decoded.data, texts[i], decoded.len);
            base_buffer_reset(&encoded);
            base_buffer_reset(&decoded);
        }
    struct base_buffer out = {0};
    assert_false(flight_base64_decode("a*b=", 4, false, &out));
    assert_false(flight_base64_decode("=====", 5, false, &out) && out.len > 0);
    base_buffer_reset(&out);
}

static void test_d3_passwords_are_kept_as_hashes(void **state)
{
    (void)state;
    struct base_buffer hash = {0};
    assert_int_equal(flight_password_hash("correct horse", &hash, NULL), RHEI_OK);
    assert_memory_equal(hash.data, "$argon2id$", 10);
    assert_null(strstr(hash.data, "horse"));
    assert_true(flight_password_fits(hash.data, "correct horse", 13));
    assert_false(flight_password_fits(hash.data, "correct horsf", 13));
    assert_false(flight_password_fits(NULL, "correct horse", 13));
    assert_true(flight_same_secret("abc", 3, "abc", 3));
    assert_false(flight_same_secret("abc", 3, "abcd", 4));
    assert_false(flight_same_secret("", 0, "a", 1));
    base_buffer_reset(&hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_d3_a_seal_is_for_one_use_one_user_and_one_time),
        cmocka_unit_test(test_base64_is_read_with_and_without_padding),
        cmocka_unit_test(test_d3_passwords_are_kept_as_hashes),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
