/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. A request is in one place: `coming` (under the lock, put there by s3_client_run), `waiting` or `flying` (the thread's own), or answered.
 *  2. Only the thread calls libcurl. The caller looks at its requests again once `answered`, which is set under the lock.
 *  3. Every request is answered: by the server, by the time, by the stop, or by a patience that is over (s3_patience.c).
 */
#include "store_s3/s3_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "store_s3/s3_patience.h"
#include "store_s3/s3_words.h"
#include "store_s3/s3_xml.h"

enum {
    TIMEOUT_MS = 20000,
    LAST_MS = 2000,
    BYTES_A_SECOND = 64 << 10, /* beyond the time for any request, of which six share a line */
    SMALL_BYTES = 256 << 10,
    LARGE_BYTES = 2 << 20,
    PAUSE_MS = 100, /* before the second attempt; twice as long before each further one */
    PAUSE_MAX_MS = 4000,
    STOP_LOOK_MS = 50,
    IDLE_MS = 60000,
    ANSWER_MAX = 64 << 20, /* a list has a few hundred KB */
};
#define MS ((int64_t)1000000)

struct s3_client {
    const struct s3_curl *curl;
    const struct s3_crypto *crypto;
    const struct s3_site *site;
    const atomic_bool *stop;
    struct store_s3_patience *patience, own; /* the one that stores share, may be NULL; and this one's */
    uint32_t timeout_ms;
    CURLM *multi;
    base_thread thread;
    bool has_thread;

    base_mutex lock;
    base_cond answered;
    struct s3_request *coming;
    bool closing;

    struct s3_request *waiting; /* from here on the thread's own */
    CURL *handles[S3_PARALLEL], *free_handles[S3_PARALLEL];
    size_t handle_count, free_count, flying;
};

const struct s3_crypto *s3_client_crypto(const struct s3_client *client)
{
    return client->crypto;
}

/* ---- A request. -------------------------------------------------------------------------------------------------- */

void s3_request_reset(struct s3_request *request)
{
    base_buffer_reset(&request->answer);
}

void s3_request_renew(struct s3_request *request)
{
    base_buffer_clear(&request->answer);
    error_clear(&request->error);
    request->status = RHEI_OK;
    request->http = 0;
    request->attempts = 0;
    request->unheard = request->answered = request->no_bucket = false;
}

rhei_status s3_request_failed(const struct s3_request *request, struct rhei_error *error)
{
    rhei_status status = error_set(error, request->status, "%s", request->error.message);
    if (error != NULL)
        error->engine_code = request->error.engine_code;
    return status;
}

void s3_request_header(struct s3_request *request, const char *name, const char *value)
{
    if (request->header_count < S3_HEADERS_MAX)
        request->headers[request->header_count++] = (struct s3_header){name, value};
}

/* ---- Patience. --------------------------------------------------------------------------------------------------- */

static bool is_impatient(const struct s3_client *client)
{
    return store_s3_patience_is_on(client->patience) || store_s3_patience_is_on(&client->own);
}

static bool is_over(const struct s3_client *client)
{
    return store_s3_patience_is_over(client->patience) || store_s3_patience_is_over(&client->own);
}

static void tell_patience(struct s3_client *client, void (*what)(struct store_s3_patience *patience))
{
    what(client->patience);
    what(&client->own);
}

/* Of a request with all its attempts: within a silence there is no use for more. */
static uint32_t time_ms(const struct s3_client *client)
{
    uint32_t silence_ms =
        store_s3_patience_is_on(client->patience) ? (uint32_t)atomic_load(&client->patience->silence_ms) : 0;
    return silence_ms > 0 && silence_ms < client->timeout_ms ? silence_ms : client->timeout_ms;
}

/* ---- What libcurl asks. ------------------------------------------------------------------------------------------ */

static size_t on_read(char *bytes, size_t size, size_t count, void *context)
{
    struct s3_request *request = context;
    size_t left = request->body_len - request->sent, len = size * count < left ? size * count : left;
    if (len > 0)
        memcpy(bytes, (const char *)request->body + request->sent, len);
    request->sent += len;
    tell_patience(request->client, s3_patience_moved);
    return len;
}

/* A kept connection may turn out to be closed: the body begins anew on another one. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct s3_request *request = context;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > request->body_len)
        return CURL_SEEKFUNC_FAIL;
    request->unheard |= request->sent > 0; /* libcurl asks again by itself: what it sent before may have arrived */
    request->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *context)
{
    struct s3_request *request = context;
    size_t len = size * count;
    tell_patience(request->client, s3_patience_moved);
    if (request->into != NULL && request->http >= 200 && request->http < 300) {
        if (len > request->room - request->got)
            return 0;
        memcpy((char *)request->into + request->got, bytes, len);
        request->got += len;
        return len;
    }
    if (request->answer.len + len > ANSWER_MAX)
        return 0;
    base_buffer_append(&request->answer, bytes, len);
    return request->answer.failed ? 0 : len;
}

static void take_text(char *into, size_t size, const char *value, size_t len)
{
    len = len < size ? len : 0; /* cut it would be another one */
    memcpy(into, value, len);
    into[len] = '\0';
}

/* Of each attempt anew, and of the answer that counts: "100 Continue" is one before it. */
static void forget_answer(struct s3_request *request)
{
    request->http = 0;
    request->got = 0;
    request->length = 0;
    request->headed = false;
    request->etag[0] = request->region[0] = request->range[0] = request->date_text[0] = request->modified_text[0] =
        '\0';
    request->date = request->modified = 0;
    base_buffer_clear(&request->answer);
}

struct header_taker {
    const char *name;
    size_t offset, size;
};

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    static const struct header_taker takers[] = {
        {"etag:", offsetof(struct s3_request, etag), S3_ETAG_MAX},
        {"x-amz-bucket-region:", offsetof(struct s3_request, region), sizeof((struct s3_request *)0)->region},
        {"date:", offsetof(struct s3_request, date_text), S3_DATE_MAX},
        {"last-modified:", offsetof(struct s3_request, modified_text), S3_DATE_MAX},
        {"content-range:", offsetof(struct s3_request, range), sizeof((struct s3_request *)0)->range},
    };
    struct s3_request *request = context;
    size_t len = size * count, end = len;
    while (end > 0 && strchr("\r\n ", line[end - 1]) != NULL)
        end--;
    request->headed |= end == 0;
    if (end > 12 && strncmp(line, "HTTP/", 5) == 0) {
        forget_answer(request);
        const char *space = memchr(line, ' ', end);
        request->http = space == NULL ? 0 : strtol(space + 1, NULL, 10);
    }
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) {
        size_t at = strlen(takers[i].name);
        if (end <= at || strncasecmp(line, takers[i].name, at) != 0)
            continue;
        while (at < end && line[at] == ' ')
            at++;
        take_text((char *)request + takers[i].offset, takers[i].size, line + at, end - at);
    }
    return len;
}

/* ---- An attempt. ------------------------------------------------------------------------------------------------- */

struct s3_lines {
    struct s3_header headers[S3_HEADERS_MAX + 4];
    size_t count;
};

static void sort_in(struct s3_lines *lines, const char *name, const char *value)
{
    size_t at = lines->count++;
    for (; at > 0 && strcmp(lines->headers[at - 1].name, name) > 0; at--)
        lines->headers[at] = lines->headers[at - 1];
    lines->headers[at] = (struct s3_header){name, value};
}

static bool add_line(const struct s3_client *client, struct s3_request *request, const char *name, const char *value)
{
    struct base_buffer line = {0};
    base_buffer_format(&line, "%s:%s%s", name, value[0] == '\0' ? "" : " ", value);
    struct curl_slist *longer = line.failed ? NULL : client->curl->slist_append(request->lines, line.data);
    if (line.data != NULL)
        explicit_bzero(line.data, line.len); /* it may be a session's token */
    base_buffer_reset(&line);
    if (longer != NULL)
        request->lines = longer;
    return longer != NULL;
}

/* The header lines, signed as of now: a signature is good for some minutes only. */
static rhei_status sign(const struct s3_client *client, struct s3_request *request, const char *path)
{
    char stamp[S3_STAMP];
    struct s3_lines lines = {0};
    struct base_buffer authorization = {0};
    const struct s3_profile *profile = &client->site->profile;
    s3_stamp(base_wall_ms() / 1000, stamp);
    sort_in(&lines, "host", client->site->host);
    sort_in(&lines, "x-amz-content-sha256", request->hash);
    sort_in(&lines, "x-amz-date", stamp);
    if (profile->token != NULL)
        sort_in(&lines, "x-amz-security-token", profile->token);
    for (size_t i = 0; i < request->header_count; i++)
        sort_in(&lines, request->headers[i].name, request->headers[i].value);
    struct s3_signing signing = {request->method,
                                 path,
                                 request->query == NULL ? "" : request->query,
                                 lines.headers,
                                 lines.count,
                                 request->hash,
                                 stamp,
                                 profile->region,
                                 profile->key_id,
                                 profile->secret};
    rhei_status status = s3_sign(client->crypto, &signing, &authorization, &request->error);
    bool good = status == RHEI_OK;
    for (size_t i = 0; good && i < lines.count; i++)
        good = add_line(client, request, lines.headers[i].name, lines.headers[i].value);
    good = good && add_line(client, request, "authorization", authorization.data) &&
           add_line(client, request, "Expect", "") && add_line(client, request, "Accept", "");
    base_buffer_reset(&authorization);
    return good || status != RHEI_OK ? status : error_no_memory(&request->error);
}

static long at_least(int64_t value, long least)
{
    return value < least ? least : (long)value;
}

static bool is_small(const struct s3_request *request)
{
    return request->body_len + request->room <= SMALL_BYTES;
}

/* It is for the line that it waits, not for the server. */
static bool is_large(const struct s3_request *request)
{
    return request->body_len + request->room > LARGE_BYTES;
}

/*
 * An answer that is lost is noticed by the time of an attempt, where that says anything: of what takes long by itself, by no byte having come. The third
 * one has all the time that is left, so a server that is slow, but answers, is heard.
 */
static int64_t attempt_ms(const struct s3_request *request, int64_t left_ms)
{
    bool has_end = request->into != NULL || strcmp(request->method, "GET") != 0;
    int64_t share_ms = request->limit_ms / 4;
    return is_small(request) && has_end && request->attempts < 3 && share_ms < left_ms ? share_ms : left_ms;
}

static void set_limits(const struct s3_client *client, const struct s3_request *request, CURL *easy)
{
    int64_t left_ms = (request->deadline_ns - base_now_ns()) / MS, connect_ms = time_ms(client) / 4;
    connect_ms = connect_ms < left_ms ? connect_ms : left_ms;
    client->curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, at_least(attempt_ms(request, left_ms), 1));
    client->curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, at_least(connect_ms, 1));
    client->curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    client->curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, at_least(time_ms(client) / 3000, 1));
}

static void set_body(const struct s3_client *client, struct s3_request *request, CURL *easy)
{
    const struct s3_curl *curl = client->curl;
    bool has_body = strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
    if (strcmp(request->method, "HEAD") == 0)
        curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (has_body) {
        curl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
        curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl->easy_setopt(easy, CURLOPT_READDATA, request);
        curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl->easy_setopt(easy, CURLOPT_SEEKDATA, request);
    }
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_up(const struct s3_client *client, struct s3_request *request, const char *url)
{
    const struct s3_curl *curl = client->curl;
    CURL *easy = request->easy;
    bool is_tls = strncmp(client->site->endpoint, "https:", 6) == 0;
    curl->easy_reset(easy);
    curl->easy_setopt(easy, CURLOPT_URL, url);
    curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* it is signed as it stands */
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, request->lines);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, request->trouble);
    curl->easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, request);
    if (client->site->profile.ca_file != NULL)
        curl->easy_setopt(easy, CURLOPT_CAINFO, client->site->profile.ca_file);
    set_body(client, request, easy);
    set_limits(client, request, easy);
}

static rhei_status begin_attempt(struct s3_client *client, struct s3_request *request)
{
    struct base_buffer path = {0}, url = {0};
    s3_site_path(client->site, request->name, &path);
    base_buffer_format(&url, "%s%s%s%s", client->site->endpoint, path.failed ? "" : path.data,
                       request->query == NULL ? "" : "?", request->query == NULL ? "" : request->query);
    forget_answer(request);
    request->sent = 0;
    request->trouble[0] = '\0';
    if (request->attempts++ == 0)
        request->deadline_ns = base_now_ns() + request->limit_ms * MS;
    rhei_status status =
        path.failed || url.failed ? error_no_memory(&request->error) : sign(client, request, path.data);
    if (status == RHEI_OK) {
        request->easy = client->free_handles[--client->free_count];
        client->flying++;
        set_up(client, request, url.data);
        if (client->curl->multi_add_handle(client->multi, request->easy) != CURLM_OK)
            status = error_no_memory(&request->error);
    }
    base_buffer_reset(&path);
    base_buffer_reset(&url);
    return status;
}

static int64_t date_of(const struct s3_client *client, const char *text)
{
    time_t date = text[0] == '\0' ? -1 : client->curl->getdate(text, NULL);
    return date < 0 ? 0 : (int64_t)date;
}

/* A connection that ends within the header lines is no error to libcurl, which takes those that came for all, and what they don't say for nothing. */
static CURLcode whole_or_not(const struct s3_request *request, CURLcode code, curl_off_t length)
{
    bool is_head = strcmp(request->method, "HEAD") == 0 && request->http >= 200 && request->http < 300;
    return code == CURLE_OK && (!request->headed || (is_head && length < 0)) ? CURLE_PARTIAL_FILE : code;
}

/* What came of it, by libcurl's code. */
static CURLcode end_attempt(struct s3_client *client, struct s3_request *request, CURLcode code)
{
    request->date = date_of(client, request->date_text);
    request->modified = date_of(client, request->modified_text);
    if (request->easy != NULL) {
        curl_off_t length = -1;
        (void)client->curl->easy_getinfo(request->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        request->length = length < 0 ? 0 : (uint64_t)length;
        code = whole_or_not(request, code, length);
        client->curl->multi_remove_handle(client->multi, request->easy);
        client->curl->easy_reset(request->easy); /* it points into the request */
        client->free_handles[client->free_count++] = request->easy;
        client->flying--;
        request->easy = NULL;
    }
    client->curl->slist_free_all(request->lines);
    request->lines = NULL;
    return code;
}

/* ---- The thread. ------------------------------------------------------------------------------------------------- */

static bool is_stopped(const struct s3_client *client)
{
    return client->stop != NULL && atomic_load(client->stop);
}

static void answer(struct s3_client *client, struct s3_request *request)
{
    base_mutex_lock(&client->lock);
    request->answered = true;
    base_cond_broadcast(&client->answered);
    base_mutex_unlock(&client->lock);
}

/* False: what time is left is no use. The longest pause leaves half of it for the attempt behind it. */
static bool wait_for_another(struct s3_client *client, struct s3_request *request)
{
    int64_t now = base_now_ns(), left_ms = (request->deadline_ns - now) / MS;
    unsigned doublings = request->attempts - 1 < 6 ? request->attempts - 1 : 6;
    int64_t pause_ms = PAUSE_MS << doublings;
    pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    /* the other half by chance, so that writers that failed together don't come back together */
    pause_ms = pause_ms / 2 + (int64_t)(base_random_u64() % (uint64_t)(pause_ms / 2 + 1));
    if (left_ms < request->limit_ms / 4)
        return false;
    request->not_before_ns = now + (pause_ms < left_ms / 2 ? pause_ms : left_ms / 2) * MS;
    request->next = client->waiting;
    client->waiting = request;
    return true;
}

/* "200 OK" may be sent before the work is done, and the body then be an error: of a copy, and of an upload's completion. */
static void look_inside(struct s3_request *request)
{
    struct s3_xml xml = {request->answer.data, request->answer.data + request->answer.len}, inside;
    if (request->http == 200 && request->into == NULL && request->answer.len > 0 &&
        strcmp(request->method, "GET") != 0 && s3_xml_next(&xml, "Error", &inside))
        request->http = 500;
}

static bool was_received(CURLcode code)
{
    return code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY &&
           code != CURLE_SSL_CONNECT_ERROR;
}

static void judge(struct s3_client *client, struct s3_request *request, CURLcode code)
{
    s3_words_judge(client->site, request, code, client->curl->easy_strerror(code), base_wall_ms() / 1000,
                   time_ms(client));
    answer(client, request);
}

static void attempt_ended(struct s3_client *client, struct s3_request *request, CURLcode code)
{
    request->code = (int)(code = end_attempt(client, request, code));
    if (code == CURLE_OK)
        look_inside(request);
    bool again = s3_words_may_help(request, code);
    tell_patience(client, again ? s3_patience_failed : s3_patience_answered);
    request->unheard |= was_received(code) && (code != CURLE_OK || request->http >= 500);
    if (again && !request->last && wait_for_another(client, request))
        return;
    judge(client, request, code);
}

static void read_messages(struct s3_client *client)
{
    int left = 0;
    for (CURLMsg *message; (message = client->curl->multi_info_read(client->multi, &left)) != NULL;) {
        struct s3_request *request = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        client->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        attempt_ended(client, request, code);
    }
}

static void refuse_stopped(struct s3_client *client, struct s3_request *request)
{
    error_clear(&request->error);
    request->status = error_set(&request->error, RHEI_CLOSED, "the store \"%s\" is closing", client->site->shown);
    answer(client, request);
}

/* Those that are under way, all, or (`but_last`) all but last words. */
static void end_flying(struct s3_client *client, bool but_last, CURLcode code,
                       void (*how)(struct s3_client *client, struct s3_request *request))
{
    for (size_t i = 0; i < client->handle_count; i++) {
        struct s3_request *request = NULL;
        bool is_free = false;
        for (size_t j = 0; j < client->free_count; j++)
            is_free |= client->free_handles[j] == client->handles[i];
        if (!is_free)
            client->curl->easy_getinfo(client->handles[i], CURLINFO_PRIVATE, (char **)&request);
        if (request == NULL || (but_last && request->last))
            continue;
        request->unheard = true;
        request->code = (int)end_attempt(client, request, code);
        how(client, request);
    }
}

/* By what the last attempt came to; without one by nobody having been heard before. */
static void give_up(struct s3_client *client, struct s3_request *request)
{
    judge(client, request, request->attempts == 0 ? CURLE_COULDNT_CONNECT : (CURLcode)request->code);
}

static void end_impatiently(struct s3_client *client)
{
    end_flying(client, false, CURLE_OPERATION_TIMEDOUT, give_up);
    while (client->waiting != NULL) {
        struct s3_request *request = client->waiting;
        client->waiting = request->next;
        give_up(client, request);
    }
}

/* Begins what may begin; milliseconds until the next one may. */
static int begin_waiting(struct s3_client *client)
{
    int64_t now = base_now_ns(), soonest = now + IDLE_MS * MS;
    bool stopped = is_stopped(client);
    struct s3_request **place = &client->waiting;
    while (*place != NULL) {
        struct s3_request *request = *place;
        if (stopped && !request->last) {
            *place = request->next;
            refuse_stopped(client, request);
        } else if (request->not_before_ns <= now &&
                   client->free_count > (is_large(request) ? S3_PARALLEL - S3_PARALLEL_LARGE : 0)) {
            *place = request->next;
            request->status = begin_attempt(client, request);
            if (request->status != RHEI_OK) {
                (void)end_attempt(client, request, CURLE_FAILED_INIT);
                answer(client, request);
            }
        } else {
            if (request->not_before_ns > now && request->not_before_ns < soonest)
                soonest = request->not_before_ns;
            place = &request->next;
        }
    }
    int64_t pause = (soonest - now) / MS + 1;
    bool busy = client->flying > 0 || client->waiting != NULL;
    bool looks = client->stop != NULL || is_impatient(client);
    return (int)(busy && looks && pause > STOP_LOOK_MS ? STOP_LOOK_MS : pause);
}

static bool take_coming(struct s3_client *client)
{
    base_mutex_lock(&client->lock);
    struct s3_request *coming = client->coming;
    bool goes_on = !client->closing || coming != NULL;
    client->coming = NULL;
    base_mutex_unlock(&client->lock);
    struct s3_request **end = &client->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = coming;
    return goes_on || client->waiting != NULL || client->flying > 0;
}

static void run(void *argument)
{
    struct s3_client *client = argument;
    while (take_coming(client)) {
        int running = 0;
        if (is_stopped(client))
            end_flying(client, true, CURLE_ABORTED_BY_CALLBACK, refuse_stopped);
        if (is_over(client))
            end_impatiently(client);
        client->curl->multi_perform(client->multi, &running);
        read_messages(client);
        client->curl->multi_poll(client->multi, NULL, 0, begin_waiting(client), NULL);
    }
}

/* ---- The callers. ------------------------------------------------------------------------------------------------ */

static rhei_status prepare(struct s3_client *client, struct s3_request *request)
{
    int64_t more_ms = (int64_t)((request->body_len + request->room) / BYTES_A_SECOND) * 1000;
    request->limit_ms = request->last ? LAST_MS : time_ms(client) + more_ms;
    request->deadline_ns = 0; /* counts from its first attempt: many may wait for those before them */
    request->not_before_ns = 0;
    request->next = NULL;
    request->client = client;
    return s3_hash_hex(client->crypto, request->body, request->body_len, request->hash)
               ? RHEI_OK
               : error_set(&request->error, RHEI_INTERNAL, "OpenSSL's libcrypto has no SHA-256");
}

static void hand_over(struct s3_client *client, struct s3_request *requests, size_t count)
{
    base_mutex_lock(&client->lock);
    struct s3_request **end = &client->coming;
    while (*end != NULL)
        end = &(*end)->next;
    for (size_t i = 0; i < count; i++)
        if (!requests[i].answered) {
            *end = &requests[i];
            end = &requests[i].next;
        }
    base_mutex_unlock(&client->lock);
    client->curl->multi_wakeup(client->multi);
}

rhei_status s3_client_run(struct s3_client *client, struct s3_request *requests, size_t count, struct rhei_error *error)
{
    for (size_t i = 0; i < count; i++) {
        s3_request_renew(&requests[i]);
        requests[i].status = prepare(client, &requests[i]);
        requests[i].answered = requests[i].status != RHEI_OK;
    }
    hand_over(client, requests, count);
    base_mutex_lock(&client->lock);
    for (size_t i = 0; i < count; i++)
        while (!requests[i].answered)
            base_cond_wait(&client->answered, &client->lock);
    base_mutex_unlock(&client->lock);
    for (size_t i = 0; i < count; i++)
        if (requests[i].status != RHEI_OK)
            return s3_request_failed(&requests[i], error);
    return RHEI_OK;
}

void s3_client_give_time(struct s3_client *client, uint32_t timeout_ms)
{
    base_mutex_lock(&client->lock); /* its thread has waited for requests, and takes them by this lock */
    client->timeout_ms = timeout_ms == 0 ? TIMEOUT_MS : timeout_ms;
    base_mutex_unlock(&client->lock);
}

static rhei_status make_handles(struct s3_client *client, struct rhei_error *error)
{
    client->multi = client->curl->multi_init();
    for (size_t i = 0; client->multi != NULL && i < S3_PARALLEL; i++) {
        CURL *easy = client->curl->easy_init();
        if (easy == NULL)
            return error_no_memory(error);
        client->handles[client->handle_count++] = client->free_handles[client->free_count++] = easy;
    }
    return client->multi == NULL ? error_no_memory(error) : RHEI_OK;
}

rhei_status s3_client_open(const struct store_s3_config *config, const struct s3_site *site, struct s3_client **result,
                           struct rhei_error *error)
{
    *result = NULL;
    struct s3_client *client = base_alloc_zero(1, sizeof *client);
    if (client == NULL)
        return error_no_memory(error);
    client->site = site;
    client->stop = config->stop;
    client->patience = config->patience;
    if (config->silence_ms > 0)
        store_s3_patience_begin(&client->own, config->silence_ms, 0);
    base_mutex_init(&client->lock);
    s3_client_give_time(client, config->opening_ms == 0 ? config->timeout_ms : config->opening_ms);
    base_cond_init(&client->answered);
    rhei_status status = s3_api_load(&client->curl, &client->crypto, error);
    if (status == RHEI_OK)
        status = make_handles(client, error);
    if (status == RHEI_OK) {
        status = base_thread_start(&client->thread, "rhei-s3", run, client, error);
        client->has_thread = status == RHEI_OK;
    }
    if (status != RHEI_OK)
        s3_client_close(&client);
    *result = client;
    return status;
}

void s3_client_close(struct s3_client **pointer)
{
    struct s3_client *client = *pointer;
    if (client == NULL)
        return;
    base_mutex_lock(&client->lock);
    client->closing = true;
    base_mutex_unlock(&client->lock);
    if (client->has_thread) {
        client->curl->multi_wakeup(client->multi);
        base_thread_join(&client->thread);
    }
    for (size_t i = 0; i < client->handle_count; i++)
        client->curl->easy_cleanup(client->handles[i]);
    if (client->multi != NULL)
        client->curl->multi_cleanup(client->multi);
    base_cond_destroy(&client->answered);
    base_mutex_destroy(&client->lock);
    base_free(client);
    *pointer = NULL;
}
