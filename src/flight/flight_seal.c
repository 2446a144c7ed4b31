/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_seal.h"

#include <sodium.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_words.h"

_Static_assert(FLIGHT_SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "libsodium's size of a key");
_Static_assert(FLIGHT_SEAL_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "libsodium's size of a nonce");

enum { TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES, HEAD = 1 + 8 };

rhei_status flight_seal_init(struct flight_seal *seal, struct rhei_error *error)
{
    if (sodium_init() < 0)
        return error_set(error, RHEI_INTERNAL, "libsodium can't be used on this machine");
    crypto_aead_xchacha20poly1305_ietf_keygen(seal->key);
    return RHEI_OK;
}

void flight_seal_reset(struct flight_seal *seal)
{
    sodium_memzero(seal, sizeof *seal);
}

/* Plain: use, expiry, user with its NUL, bytes. Sealed: nonce, then that with a tag. */
void flight_seal_close(const struct flight_seal *seal, enum flight_seal_use use, const char *user, int64_t expires_ms,
                       const void *bytes, size_t len, struct base_buffer *out)
{
    struct base_buffer plain = {0};
    unsigned char word[8];
    base_buffer_char(&plain, (char)use);
    base_words_set8(word, (uint64_t)expires_ms);
    base_buffer_append(&plain, word, sizeof word);
    base_buffer_append(&plain, user, strlen(user) + 1);
    base_buffer_append(&plain, bytes, len);
    char *sealed = plain.failed ? NULL : base_buffer_extend(out, FLIGHT_SEAL_NONCE + plain.len + TAG);
    if (sealed != NULL) {
        unsigned char *nonce = (unsigned char *)sealed;
        unsigned long long made = 0;
        randombytes_buf(nonce, FLIGHT_SEAL_NONCE);
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + FLIGHT_SEAL_NONCE, &made,
                                                         (const unsigned char *)plain.data, plain.len, NULL, 0, NULL,
                                                         nonce, seal->key);
    }
    out->failed = out->failed || sealed == NULL;
    base_buffer_reset(&plain);
}

static bool is_for(const char *plain, size_t len, enum flight_seal_use use, const char *user, size_t *at)
{
    if (len < HEAD + 1 || plain[0] != (char)use)
        return false;
    int64_t expires_ms = (int64_t)base_words_get8((const unsigned char *)plain + 1);
    const char *end = memchr(plain + HEAD, '\0', len - HEAD);
    if (end == NULL || base_wall_ms() >= expires_ms || (user != NULL && strcmp(user, plain + HEAD) != 0))
        return false;
    *at = user == NULL ? HEAD : (size_t)(end - plain) + 1;
    return true;
}

bool flight_seal_open(const struct flight_seal *seal, enum flight_seal_use use, const char *user,
                      struct flight_bytes sealed, struct base_buffer *body)
{
    const unsigned char *nonce = sealed.bytes;
    size_t at = 0;
    if (sealed.len < FLIGHT_SEAL_NONCE + TAG)
        return false;
    struct base_buffer plain = {0};
    char *room = base_buffer_extend(&plain, sealed.len - FLIGHT_SEAL_NONCE - TAG);
    unsigned long long made = 0;
    bool good =
        room != NULL &&
        crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)room, &made, NULL, nonce + FLIGHT_SEAL_NONCE,
                                                   sealed.len - FLIGHT_SEAL_NONCE, NULL, 0, nonce, seal->key) == 0 &&
        is_for(room, plain.len, use, user, &at);
    if (good)
        base_buffer_append(body, room + at, plain.len - at);
    good = good && !body->failed;
    base_buffer_reset(&plain);
    return good;
}

/* ---- Secrets ------------------------------------------------------------------------------------------------------ */

bool flight_same_secret(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned char a_hash[32], b_hash[32];
    crypto_generichash(a_hash, sizeof a_hash, (const unsigned char *)a, a_len, NULL, 0);
    crypto_generichash(b_hash, sizeof b_hash, (const unsigned char *)b, b_len, NULL, 0);
    return sodium_memcmp(a_hash, b_hash, sizeof a_hash) == 0;
}

bool flight_password_fits(const char *hash, const char *password, size_t len)
{
    if (hash != NULL)
        return crypto_pwhash_str_verify(hash, password, len) == 0;
    char unused[crypto_pwhash_STRBYTES];
    int made = crypto_pwhash_str(unused, password, len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                 crypto_pwhash_MEMLIMIT_INTERACTIVE);
    return made > 0; /* which it never is */
}

rhei_status flight_password_hash(const char *password, struct base_buffer *out, struct rhei_error *error)
{
    char hash[crypto_pwhash_STRBYTES];
    if (sodium_init() < 0)
        return error_set(error, RHEI_INTERNAL, "libsodium can't be used on this machine");
    if (crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return error_no_memory(error);
    base_buffer_text(out, hash);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}

void flight_wipe(void *bytes, size_t len)
{
    if (bytes != NULL)
        sodium_memzero(bytes, len);
}

static int variant(bool url)
{
    return url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
}

bool flight_base64_decode(const char *text, size_t len, bool url, struct base_buffer *out)
{
    size_t before = out->len, made = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    char *room = base_buffer_extend(out, len / 4 * 3 + 3);
    bool good = room != NULL && sodium_base642bin((unsigned char *)room, len / 4 * 3 + 3, text, len, NULL, &made, NULL,
                                                  variant(url)) == 0;
    if (room != NULL) {
        out->len = before + (good ? made : 0);
        out->data[out->len] = '\0';
    }
    return good;
}

bool flight_base64_encode(const void *bytes, size_t len, bool url, struct base_buffer *out)
{
    size_t before = out->len, size = sodium_base64_encoded_len(len, variant(url));
    char *room = base_buffer_extend(out, size);
    if (room == NULL)
        return false;
    sodium_bin2base64(room, size, bytes, len, variant(url));
    out->len = before + strlen(room);
    return true;
}
