/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature version 4, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Not libcurl's own: that of Debian 12 (7.88) signs a
 * query as it stands, unsorted and "uploads" without its "=", and each version treats paths, payloads and headers in another way; which one is
 * loaded is known at run time only. Pure; any thread.
 */
#ifndef STORE_S3_SIGN_H
#define STORE_S3_SIGN_H

#include "base/base_buffer.h"
#include "store_s3/s3_api.h"

enum { S3_HASH_HEX = 65, S3_STAMP = 17, S3_MD5_BYTES = 16 };

/* In lower case. */
struct s3_header {
    const char *name, *value;
};

struct s3_signing {
    const char *method;
    const char *path;                /* encoded */
    const char *query;               /* encoded, by name, each name with its "=" */
    const struct s3_header *headers; /* by name; all are signed */
    size_t header_count;
    const char *payload_hash; /* s3_hash_hex of the body */
    const char *stamp;        /* s3_stamp */
    const char *region, *key_id, *secret;
};

/* The value of Authorization, appended. RHEI_INTERNAL: the library failed; RHEI_NO_MEMORY. */
rhei_status s3_sign(const struct s3_crypto *crypto, const struct s3_signing *signing, struct base_buffer *value,
                    struct rhei_error *error);
/* Seconds since 1970 as 20130524T000000Z. */
void s3_stamp(int64_t seconds, char stamp[S3_STAMP]);
/* SHA-256 in hexadecimal. False: the library failed. */
bool s3_hash_hex(const struct s3_crypto *crypto, const void *bytes, size_t len, char hex[S3_HASH_HEX]);
void s3_hex(const unsigned char *bytes, size_t len, char *hex);

#endif
