/* SPDX-License-Identifier: Apache-2.0 */
/* Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
#include "store_s3/s3_words.h"

#include <inttypes.h>
#include <string.h>

#include "base/base_error.h"
#include "store_s3/s3_xml.h"

/* In the server's words; "" where an answer has no body, as to HEAD. */
static void read_words(const struct s3_request *request, char code[64], char message[200])
{
    struct s3_xml xml = {request->answer.data, request->answer.data + request->answer.len};
    code[0] = message[0] = '\0';
    if (request->answer.len == 0 || !s3_xml_text(xml, "Code", code, 64))
        return;
    (void)s3_xml_text(xml, "Message", message, 200);
}

static bool is_any(const char *code, const char *const *codes)
{
    while (*codes != NULL && strcmp(*codes, code) != 0)
        codes++;
    return *codes != NULL;
}

/* It never got as far as the server's word. */
static bool is_transport(CURLcode code)
{
    return code != CURLE_OK && code != CURLE_WRITE_ERROR;
}

static bool is_certificate(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER || code == CURLE_SSL_ISSUER_ERROR ||
           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_SSL_ENGINE_INITFAILED;
}

bool s3_words_may_help(const struct s3_request *request, CURLcode code)
{
    static const char *const passing[] = {"RequestTimeout",
                                          "ConditionalRequestConflict",
                                          "OperationAborted",
                                          "SlowDown",
                                          "InternalError",
                                          "ServiceUnavailable",
                                          "TooManyRequests",
                                          "Throttling",
                                          NULL};
    char word[64], message[200];
    if (code == CURLE_SSL_CONNECT_ERROR)
        return request->attempts < 2; /* a server that was just started, or one that speaks no TLS */
    if (is_transport(code))
        return !is_certificate(code) && code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_URL_MALFORMAT &&
               code != CURLE_OUT_OF_MEMORY && code != CURLE_FAILED_INIT;
    if (code != CURLE_OK)
        return false;
    if (request->http == 500 || (request->http > 501 && request->http < 600) || request->http == 429 ||
        request->http == 408)
        return true;
    read_words(request, word, message);
    return is_any(word, passing);
}

static rhei_status say(struct s3_request *request, const struct s3_site *site, rhei_status status, const char *words,
                       const char *detail)
{
    struct rhei_error *error = &request->error;
    error_clear(error);
    if (request->name == NULL)
        error_set(error, status, "could not %s \"%s\": %s%s", request->what, site->shown, words, detail);
    else
        error_set(error, status, "could not %s \"%s\" in \"%s\": %s%s", request->what, request->name, site->shown,
                  words, detail);
    error->engine_code = (int32_t)request->http;
    return status;
}

/* Without one nobody asked. */
static void tell_attempts(const struct s3_request *request, const char *trouble, struct base_buffer *words)
{
    if (request->attempts == 0)
        base_buffer_text(words, ": it didn't answer what was asked just before, and isn't asked again");
    else
        base_buffer_format(words, ", in %u attempt%s (%s)", request->attempts, request->attempts == 1 ? "" : "s",
                           trouble);
}

static rhei_status judge_transport(const struct s3_site *site, struct s3_request *request, CURLcode code,
                                   const char *curl_words, uint32_t timeout_ms)
{
    struct base_buffer words = {0};
    const char *trouble = request->trouble[0] != '\0' ? request->trouble : curl_words;
    rhei_status status = RHEI_IO;
    if (code == CURLE_OUT_OF_MEMORY)
        return request->status = error_no_memory(&request->error);
    if (is_certificate(code)) {
        status = RHEI_CANT_OPEN;
        base_buffer_format(&words, "no trusted TLS connection to %s can be made (%s)", site->endpoint, trouble);
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        base_buffer_format(&words, "the server at %s is too slow: no whole answer within %" PRIu32 " s", site->endpoint,
                           timeout_ms / 1000);
        tell_attempts(request, trouble, &words);
    } else {
        base_buffer_format(&words, "the server at %s can't be reached", site->endpoint);
        tell_attempts(request, trouble, &words);
    }
    status = words.failed ? error_no_memory(&request->error) : say(request, site, status, words.data, "");
    request->error.engine_code = S3_UNHEARD;
    base_buffer_reset(&words);
    return status;
}

static rhei_status judge_skew(const struct s3_site *site, struct s3_request *request, int64_t now_s)
{
    struct base_buffer words = {0};
    if (request->date == 0)
        return say(request, site, RHEI_CANT_OPEN, "this machine's clock is too far from the server's: set it", "");
    int64_t apart = now_s - request->date;
    base_buffer_format(&words, "this machine's clock is %" PRId64 " s %s the server's: set it",
                       apart < 0 ? -apart : apart, apart < 0 ? "behind" : "ahead of");
    rhei_status status =
        words.failed ? error_no_memory(&request->error) : say(request, site, RHEI_CANT_OPEN, words.data, "");
    base_buffer_reset(&words);
    return status;
}

static bool changes_something(const struct s3_request *request)
{
    return strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0;
}

static rhei_status judge_refusal(const struct s3_site *site, struct s3_request *request, const char *code,
                                 int64_t now_s)
{
    static const char *const keys[] = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure",
                                       "InvalidClientTokenId", NULL};
    static const char *const tokens[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", NULL};
    if (strcmp(code, "RequestTimeTooSkewed") == 0 || strcmp(code, "RequestExpired") == 0)
        return judge_skew(site, request, now_s);
    if (is_any(code, keys))
        return say(request, site, RHEI_CANT_OPEN, "the credentials are wrong, says the server: ", code);
    if (is_any(code, tokens))
        return say(request, site, RHEI_CANT_OPEN,
                   "the session's credentials are over: get new ones and open it again: ", code);
    return say(request, site, changes_something(request) ? RHEI_READ_ONLY : RHEI_CANT_OPEN,
               "the credentials don't allow it, says the server: ", code[0] == '\0' ? "Forbidden" : code);
}

static rhei_status judge_answer(const struct s3_site *site, struct s3_request *request, int64_t now_s)
{
    static const char *const changed[] = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch",
                                          "XAmzContentChecksumMismatch", NULL};
    char code[64], message[200];
    read_words(request, code, message);
    request->no_bucket = strcmp(code, "NoSuchBucket") == 0;
    if (request->no_bucket) {
        (void)say(request, site, RHEI_NOT_FOUND, "there is no such bucket: make it first, or name another one", "");
        request->error.engine_code = S3_UNHEARD;
        return RHEI_NOT_FOUND;
    }
    if (request->region[0] == '\0' && strcmp(code, "AuthorizationHeaderMalformed") == 0)
        (void)s3_xml_text((struct s3_xml){request->answer.data, request->answer.data + request->answer.len}, "Region",
                          request->region, sizeof request->region);
    if (is_any(code, changed))
        return say(request, site, RHEI_IO,
                   "bytes were changed on their way to the server, which took none of them: ", code);
    if (strcmp(code, "RequestTimeTooSkewed") == 0 || request->http == 401 || request->http == 403)
        return judge_refusal(site, request, code, now_s);
    if (request->region[0] != '\0' && strcmp(request->region, site->profile.region) != 0 &&
        (request->http == 301 || request->http == 307 || request->http == 400))
        return say(request, site, RHEI_CANT_OPEN, "the bucket is in another region, name that: ", request->region);
    if (request->http == 404)
        return say(request, site, RHEI_NOT_FOUND, "it isn't there", "");
    if (request->http == 412)
        return say(request, site, RHEI_BUSY, "it isn't as it was expected to be", "");
    if (request->http == 501 || strcmp(code, "NotImplemented") == 0)
        return say(request, site, RHEI_UNSUPPORTED, "the server doesn't offer that", "");
    struct base_buffer words = {0};
    base_buffer_format(&words, "the server at %s answers %ld%s%s%s%s", site->endpoint, request->http,
                       code[0] == '\0' ? "" : " ", code, message[0] == '\0' ? "" : ": ", message);
    if (request->attempts > 1)
        base_buffer_format(&words, " (%u attempts)", request->attempts);
    rhei_status status = words.failed ? error_no_memory(&request->error) : say(request, site, RHEI_IO, words.data, "");
    base_buffer_reset(&words);
    return status;
}

void s3_words_judge(const struct s3_site *site, struct s3_request *request, CURLcode code, const char *curl_words,
                    int64_t now_s, uint32_t timeout_ms)
{
    if (is_transport(code))
        request->status = judge_transport(site, request, code, curl_words, timeout_ms);
    else if (code != CURLE_OK)
        request->status = say(request, site, RHEI_IO, "the answer is longer than what was asked for", "");
    else if (request->http >= 200 && request->http < 300)
        request->status = RHEI_OK;
    else
        request->status = judge_answer(site, request, now_s);
}
