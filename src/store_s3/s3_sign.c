/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_sign.h"

#include <string.h>
#include <time.h>

#include "base/base_error.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { HASH_BYTES = 32, DAY_LEN = 8 };

void s3_hex(const unsigned char *bytes, size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * len] = '\0';
}

bool s3_hash_hex(const struct s3_crypto *crypto, const void *bytes, size_t len, char hex[S3_HASH_HEX])
{
    unsigned char hash[HASH_BYTES];
    if (crypto->EVP_Digest(len == 0 ? "" : bytes, len, hash, NULL, crypto->EVP_sha256(), NULL) != 1)
        return false;
    s3_hex(hash, sizeof hash, hex);
    return true;
}

void s3_stamp(int64_t seconds, char stamp[S3_STAMP])
{
    struct tm parts;
    time_t when = (time_t)seconds;
    if (gmtime_r(&when, &parts) == NULL || strftime(stamp, S3_STAMP, "%Y%m%dT%H%M%SZ", &parts) == 0)
        memcpy(stamp, "19700101T000000Z", S3_STAMP);
}

static bool chain(const struct s3_crypto *crypto, unsigned char key[HASH_BYTES], const char *text, size_t len)
{
    unsigned char next[HASH_BYTES];
    if (crypto->HMAC(crypto->EVP_sha256(), key, HASH_BYTES, (const unsigned char *)text, len, next, NULL) == NULL)
        return false;
    memcpy(key, next, HASH_BYTES);
    return true;
}

/* The key of that day, region and service, then what it makes of the text. */
static bool sign_text(const struct s3_crypto *crypto, const struct s3_signing *signing, const char *text,
                      unsigned char key[HASH_BYTES])
{
    struct base_buffer first = {0};
    base_buffer_format(&first, "AWS4%s", signing->secret);
    bool good = !first.failed && crypto->HMAC(crypto->EVP_sha256(), first.data, (int)first.len,
                                              (const unsigned char *)signing->stamp, DAY_LEN, key, NULL) != NULL;
    good = good && chain(crypto, key, signing->region, strlen(signing->region)) && chain(crypto, key, "s3", 2) &&
           chain(crypto, key, "aws4_request", 12) && chain(crypto, key, text, strlen(text));
    if (first.data != NULL)
        explicit_bzero(first.data, first.len);
    base_buffer_reset(&first);
    return good;
}

static void append_names(const struct s3_signing *signing, struct base_buffer *out)
{
    for (size_t i = 0; i < signing->header_count; i++)
        base_buffer_format(out, "%s%s", i == 0 ? "" : ";", signing->headers[i].name);
}

static void canonical(const struct s3_signing *signing, struct base_buffer *out)
{
    base_buffer_format(out, "%s\n%s\n%s\n", signing->method, signing->path, signing->query);
    for (size_t i = 0; i < signing->header_count; i++)
        base_buffer_format(out, "%s:%s\n", signing->headers[i].name, signing->headers[i].value);
    base_buffer_char(out, '\n');
    append_names(signing, out);
    base_buffer_format(out, "\n%s", signing->payload_hash);
}

rhei_status s3_sign(const struct s3_crypto *crypto, const struct s3_signing *signing, struct base_buffer *value,
                    struct rhei_error *error)
{
    struct base_buffer request = {0}, text = {0};
    char hash[S3_HASH_HEX];
    unsigned char signature[HASH_BYTES] = {0};
    canonical(signing, &request);
    bool good = !request.failed && s3_hash_hex(crypto, request.data, request.len, hash);
    if (good)
        base_buffer_format(&text, ALGORITHM "\n%s\n%.8s/%s/s3/aws4_request\n%s", signing->stamp, signing->stamp,
                           signing->region, hash);
    good = good && !text.failed && sign_text(crypto, signing, text.data, signature);
    if (good) {
        s3_hex(signature, sizeof signature, hash);
        base_buffer_format(value, ALGORITHM " Credential=%s/%.8s/%s/s3/aws4_request,SignedHeaders=", signing->key_id,
                           signing->stamp, signing->region);
        append_names(signing, value);
        base_buffer_format(value, ",Signature=%s", hash);
    }
    bool memory = !request.failed && !text.failed && !value->failed;
    base_buffer_reset(&request);
    base_buffer_reset(&text);
    explicit_bzero(signature, sizeof signature);
    return !memory ? error_no_memory(error)
           : good  ? RHEI_OK
                   : error_set(error, RHEI_INTERNAL, "OpenSSL's libcrypto could not make a signature");
}
