/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server gives to a client and takes back: encrypted and authenticated (XChaCha20-Poly1305) under a key that lives as long as the
 * server, for one use, one user and up to a time. So it can't be read, made or handed on, and costs the server no memory. Any thread.
 */
#ifndef FLIGHT_SEAL_H
#define FLIGHT_SEAL_H

#include "flight_wire.h"

enum flight_seal_use {
    FLIGHT_SEAL_TICKET = 1,
    FLIGHT_SEAL_BEARER = 2,
    FLIGHT_SEAL_SESSION = 3,
    FLIGHT_SEAL_PREPARED = 4,
    FLIGHT_SEAL_TRANSACTION = 5,
    FLIGHT_SEAL_SAVEPOINT = 6,
};
enum { FLIGHT_SEAL_KEY = 32, FLIGHT_SEAL_NONCE = 24 };

struct flight_seal {
    unsigned char key[FLIGHT_SEAL_KEY];
};

/* A fresh key. RHEI_INTERNAL: the machine's generator gives nothing. */
rhei_status flight_seal_init(struct flight_seal *seal, struct rhei_error *error);
void flight_seal_reset(struct flight_seal *seal);
/* Appends the sealed bytes; `expires_ms` as of base_wall_ms(), INT64_MAX: never. */
void flight_seal_close(const struct flight_seal *seal, enum flight_seal_use use, const char *user, int64_t expires_ms,
                       const void *bytes, size_t len, struct base_buffer *out);
/*
 * Gives back in `body` what was sealed for this use. `user` NULL: whose it is, is put in front of the body, NUL-terminated. False: it is somebody
 * else's, another server's, changed, or its time is over.
 */
bool flight_seal_open(const struct flight_seal *seal, enum flight_seal_use use, const char *user,
                      struct flight_bytes sealed, struct base_buffer *body);

/* Whether two secrets are the same; how long that takes tells nothing of where they differ. */
bool flight_same_secret(const char *a, size_t a_len, const char *b, size_t b_len);
/* Whether the password is that of an argon2id hash; NULL: as long as that would take, and false. */
bool flight_password_fits(const char *hash, const char *password, size_t len);
/* The hash of a password, as crypto_pwhash_str() writes it. */
rhei_status flight_password_hash(const char *password, struct base_buffer *out, struct rhei_error *error);
void flight_wipe(void *bytes, size_t len);
/* Base64 of RFC 4648, that of URLs where `url`; written without padding, which is read and may be missing (some clients have it so). False: it isn't. */
bool flight_base64_decode(const char *text, size_t len, bool url, struct base_buffer *out);
bool flight_base64_encode(const void *bytes, size_t len, bool url, struct base_buffer *out);

#endif
