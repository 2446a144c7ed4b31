/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_url.h"

#include <string.h>

#include "base/base_error.h"
#include "store_s3/store_s3.h"

#define SCHEME "s3://"
#define LOWER  "abcdefghijklmnopqrstuvwxyz0123456789"
#define LETTER LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

void s3_url_encode(struct base_buffer *out, const char *text, bool is_path)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (strchr(LETTER "-._~", c) != NULL || (is_path && c == '/')) {
            base_buffer_char(out, *at);
        } else {
            base_buffer_char(out, '%');
            base_buffer_char(out, digits[c >> 4]);
            base_buffer_char(out, digits[c & 15]);
        }
    }
}

rhei_status s3_url_check_endpoint(const char *endpoint, size_t *scheme_len, size_t *host_len, struct rhei_error *error)
{
    *scheme_len = strncmp(endpoint, "https://", 8) == 0 ? 8 : strncmp(endpoint, "http://", 7) == 0 ? 7 : 0;
    const char *host = endpoint + *scheme_len;
    if (strchr(endpoint, '@') != NULL)
        return error_set(error, RHEI_INVALID,
                         "credentials don't belong into an endpoint: set AWS_ACCESS_KEY_ID and "
                         "AWS_SECRET_ACCESS_KEY, or a profile");
    if (*scheme_len == 0)
        return error_set(error, RHEI_INVALID, "\"%.200s\" is no endpoint: it begins with https:// or http://",
                         endpoint);
    *host_len = strspn(host, LETTER ".-:[]_");
    if (*host_len == 0 || (host[*host_len] != '\0' && strcmp(host + *host_len, "/") != 0))
        return error_set(error, RHEI_INVALID,
                         "\"%.200s\" is no endpoint: that is a host and a port, with nothing behind it", endpoint);
    return RHEI_OK;
}

/* ---- s3://bucket/prefix. ----------------------------------------------------------------------------------------- */

static rhei_status take_bucket(const char *text, size_t len, struct store_s3_place *place, struct rhei_error *error)
{
    bool good = len >= 3 && len < sizeof place->bucket && strspn(text, LOWER ".-") >= len &&
                strchr(".-", text[0]) == NULL && strchr(".-", text[len - 1]) == NULL;
    for (size_t i = 1; good && i < len; i++)
        good = text[i] != '.' || text[i - 1] != '.';
    if (!good)
        return error_set(error, RHEI_INVALID, "\"%.*s\" can't be the name of a bucket: that is 3 to 63 of a-z 0-9 . -",
                         (int)(len > 100 ? 100 : len), text);
    memcpy(place->bucket, text, len);
    place->bucket[len] = '\0';
    return RHEI_OK;
}

/* Of a path that ends at '\0': servers and proxies between fold "//", "." and "..", each in its own way. */
static bool has_odd_part(const char *path)
{
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}

static rhei_status take_prefix(const char *text, struct store_s3_place *place, struct rhei_error *error)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
        len--;
    if (len >= sizeof place->prefix)
        return error_set(error, RHEI_INVALID, "the prefix in the bucket \"%s\" is longer than %zu bytes", place->bucket,
                         sizeof place->prefix - 1);
    memcpy(place->prefix, text, len);
    place->prefix[len] = '\0';
    if (len > 0 && has_odd_part(place->prefix))
        return error_set(error, RHEI_INVALID, "the prefix \"%.200s\" can't be: none of its parts may be empty, . or ..",
                         place->prefix);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)place->prefix[i] < ' ' || strchr("?#\x7f", place->prefix[i]) != NULL)
            return error_set(error, RHEI_INVALID,
                             "the prefix \"%.200s\" can't be: ?, # and control characters aren't of it", place->prefix);
    return RHEI_OK;
}

rhei_status store_s3_parse(const char *url, struct store_s3_place *place, struct rhei_error *error)
{
    *place = (struct store_s3_place){0};
    if (url == NULL || url[0] == '\0')
        return error_set(error, RHEI_INVALID, "a store in a bucket needs its address: s3://bucket/prefix");
    if (strchr(url, '@') != NULL)
        return error_set(error, RHEI_INVALID,
                         "credentials don't belong into the address of a bucket: set AWS_ACCESS_KEY_ID "
                         "and AWS_SECRET_ACCESS_KEY, or a profile");
    const char *mark = strstr(url, "://");
    if (mark != NULL && strncmp(url, SCHEME, sizeof SCHEME - 1) != 0)
        return error_set(error, RHEI_INVALID,
                         "\"%.*s\" is no address that blobs can be kept at: only s3://bucket/prefix is",
                         (int)(mark - url > 20 ? 20 : mark - url + 3), url);
    if (mark == NULL)
        return error_set(error, RHEI_INVALID, "\"%.200s\" is no address of a bucket: that is s3://bucket/prefix", url);
    const char *bucket = url + sizeof SCHEME - 1;
    size_t len = strcspn(bucket, "/");
    rhei_status status = take_bucket(bucket, len, place, error);
    return status == RHEI_OK ? take_prefix(bucket + len + (bucket[len] == '/'), place, error) : status;
}
