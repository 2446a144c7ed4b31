/* SPDX-License-Identifier: Apache-2.0 */
/* Outages, slow and lying servers, lost answers, changed bytes: what is tried again, what isn't, and what is said. */
#include "store_s3/s3_store.h"

#include "s3_stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_thread.h"

#define CLOSE        "Connection: close\r\n\r\n"
#define ANSWER(head) "HTTP/1.1 " head "\r\nContent-Length: 0\r\n" CLOSE
#define SLOW_DOWN    "HTTP/1.1 503 Slow Down\r\nContent-Length: 36\r\n" CLOSE "<Error><Code>SlowDown</Code></Error>"

static struct blob_store *opened;

static int begin(void **state)
{
    struct store_s3_config config;
    (void)s3_test_begin(state);
    config = s3_test_config();
    config.timeout_ms = 2500;
    opened = s3_test_relay == NULL ? NULL : s3_test_open(&config);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (s3_test_relay != NULL)
        s3_relay_rule(s3_test_relay, NULL);
    if (opened != NULL)
        opened->ops->close(&opened);
    return 0;
}

static rhei_status put_one(const char *name, const char *text, struct rhei_error *error)
{
    const struct blob blob = {name, text, strlen(text)};
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    return opened->ops->put(opened, &blob, 1, error);
}

/* ---- What passes. ------------------------------------------------------------------------------------------------ */

static void test_passing_trouble_is_got_over(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct s3_rule rules[] = {
        {S3_CUT, "PUT", "/b-", NULL, 0, 2},
        {S3_ANSWER, "PUT", "/b-", SLOW_DOWN, 0, 2},
        {S3_ANSWER, "PUT", "/b-", ANSWER("500 Internal Server Error"), 0, 1},
        {S3_ANSWER, "PUT", "/b-", ANSWER("429 Too Many Requests"), 0, 1},
        {S3_DEAF, "PUT", "/b-", NULL, 0, 1},
        {S3_LATE, "PUT", "/b-", "300", 0, 1},
        {S3_HANG, "PUT", "/b-", NULL, 0, 1},
        {S3_CUT, "GET", "/b-", NULL, 0, 2},
        {S3_SHORT, "GET", "/b-", NULL, 0, 1},
        {S3_CUT, "HEAD", "/b-", NULL, 0, 1},
        {S3_SHORT, "GET", "list-type=2", NULL, 0, 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        char name[20];
        struct rhei_error error;
        (void)snprintf(name, sizeof name, "n-%zu", i);
        s3_relay_rule(s3_test_relay, &rules[i]);
        if (put_one(name, "some bytes", &error) != RHEI_OK)
            fail_msg("rule %zu: %s", i, error.message);
        s3_test_has(opened, name, "some bytes");
        assert_int_equal(s3_test_count(opened), i + 1);
    }
}

/* An answer that ends within its header lines is none, whatever was in those that came: libcurl takes it for a whole one without a body. */
static void test_an_answer_cut_within_its_headers_is_none(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct s3_rule rules[] = {
        {S3_SHORT_HEAD, "HEAD", "/b-", "content-length:", 0, 1},
        {S3_SHORT_HEAD, "HEAD", "/b-", NULL, 0, 2},
        {S3_SHORT_HEAD, "HEAD", "/b-", "\r\n\r\n", 0, 1},
        {S3_SHORT_HEAD, "GET", "/b-", "content-length:", 0, 1},
        {S3_SHORT_HEAD, "GET", "/b-", NULL, 0, 1},
        {S3_ANSWER, "HEAD", "/b-", "HTTP/1.1 200 OK\r\n" CLOSE, 0, 1}, /* whole, but without what it was asked for */
    };
    struct rhei_error error;
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_OK);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        uint64_t size = 0;
        char bytes[10];
        bool same = false;
        s3_relay_rule(s3_test_relay, &rules[i]);
        assert_int_equal(opened->ops->size(opened, "one", &size, &error), RHEI_OK);
        if (size != 10)
            fail_msg("rule %zu: %d bytes", i, (int)size);
        assert_int_equal(opened->ops->get(opened, "one", 0, bytes, sizeof bytes, &error), RHEI_OK);
        assert_memory_equal(bytes, "some bytes", sizeof bytes);
        assert_int_equal(s3_relay_seen(s3_test_relay, rules[i].method, "/b-"), rules[i].count + 1);
        s3_relay_rule(s3_test_relay, &rules[i]);
        assert_int_equal(s3_object_is((struct store_s3 *)opened, "b-one", "some bytes", 10, "\"another\"", &same, NULL),
                         RHEI_OK);
        assert_true(same);
    }
    /* for good: nothing is known of it, hence it isn't empty */
    static const struct s3_rule always = {S3_SHORT_HEAD, "HEAD", "/b-", "content-length:", 0, 0};
    uint64_t size = 0;
    s3_relay_rule(s3_test_relay, &always);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(opened->ops->size(opened, "one", &size, &error), RHEI_IO);
    assert_true(opened->ops->away(&error));
}

/* The answer to the first attempt was lost: what is there is known by its ETag, else by its bytes. */
static void test_own_bytes_are_known_again(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct rhei_error error;
    static const struct s3_rule deaf = {S3_DEAF, "PUT", "/b-", NULL, 0, 1};
    s3_relay_rule(s3_test_relay, &deaf);
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_OK);
    assert_int_equal(s3_relay_seen(s3_test_relay, "HEAD", NULL), 1);
    assert_int_equal(s3_relay_seen(s3_test_relay, "GET", "/b-"), 0);
    /* without a retry the same bytes are another's */
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_EXISTS);
    bool same = false;
    assert_int_equal(
        s3_object_is((struct store_s3 *)opened, "b-one", "some bytes", 10, "\"of another kind\"", &same, NULL),
        RHEI_OK);
    assert_true(same);
    assert_int_equal(
        s3_object_is((struct store_s3 *)opened, "b-one", "same bytes", 10, "\"of another kind\"", &same, NULL),
        RHEI_OK);
    assert_false(same);
}

/* A first attempt fails on its way, and meanwhile another one took the name. */
static void test_others_bytes_are_not_ours(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct rhei_error error;
    static const struct s3_rule cut = {S3_CUT, "PUT", "/b-", NULL, 0, 1};
    assert_int_equal(put_one("one", "others", &error), RHEI_OK);
    s3_relay_rule(s3_test_relay, &cut);
    assert_int_equal(put_one("one", "mine it is", &error), RHEI_EXISTS);
    s3_test_has(opened, "one", "others");
}

/* "200 OK" with an error in it, as a completion may be answered. */
static void test_an_error_within_200_is_an_error(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct s3_rule rule = {S3_ANSWER,
                                        "PUT",
                                        "x-amz-copy-source",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n" CLOSE
                                        "<Error><Code>InternalError</Code></Error>",
                                        0,
                                        1};
    struct rhei_error error;
    assert_int_equal(put_one("one", "x", &error), RHEI_OK);
    s3_relay_rule(s3_test_relay, &rule);
    assert_int_equal(opened->ops->set_aside(opened, "one", NULL), RHEI_OK);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "x-amz-copy-source"), 2);
    assert_int_equal(s3_test_objects("x-b-one"), 1);
}

/* What a server decides by is signed, so that nobody between can take it out. */
static void test_everything_that_is_said_is_signed(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    end(NULL);
    setenv("AWS_SESSION_TOKEN", "a/token+of=a session", 1);
    struct store_s3_config config = s3_test_config();
    struct rhei_error error;
    opened = s3_test_open(&config);
    s3_relay_rule(s3_test_relay, NULL);
    assert_int_equal(put_one("one", "x", &error), RHEI_OK);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT",
                                   "SignedHeaders=content-md5;host;if-none-match;x-amz-content-sha256;x-amz-date;"
                                   "x-amz-security-token,"),
                     1);
    assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "x-amz-security-token: a/token+of=a session\r\n"), 1);
    assert_int_equal(
        s3_relay_seen(s3_test_relay, "PUT", "Expect:") + s3_relay_seen(s3_test_relay, "PUT", "Content-Type:"), 0);
}

/* ---- What doesn't. ----------------------------------------------------------------------------------------------- */

static void test_refusals_are_told_at_once_and_in_words(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct {
        const char *head, *code;
        rhei_status status;
        const char *part;
    } cases[] = {
        {"403 Forbidden", "AccessDenied", RHEI_READ_ONLY,
         "the credentials don't allow it, says the server: AccessDenied"},
        {"403 Forbidden", "InvalidAccessKeyId", RHEI_CANT_OPEN, "the credentials are wrong"},
        {"400 Bad Request", "ExpiredToken", RHEI_IO, "ExpiredToken"},
        {"403 Forbidden", "ExpiredToken", RHEI_CANT_OPEN, "credentials are over"},
        {"403 Forbidden\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT", "RequestTimeTooSkewed", RHEI_CANT_OPEN,
         "s ahead of the server's: set it"},
        {"404 Not Found", "NoSuchBucket", RHEI_NOT_FOUND, "there is no such bucket"},
        {"301 Moved\r\nx-amz-bucket-region: eu-west-1", "PermanentRedirect", RHEI_CANT_OPEN,
         "another region, name that: eu-west-1"},
        {"400 Bad Request", "AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region><Code>", RHEI_CANT_OPEN,
         "another region, name that: eu-west-2"},
        {"400 Bad Request", "BadDigest", RHEI_IO, "bytes were changed on their way"},
        {"501 Not Implemented", "NotImplemented", RHEI_UNSUPPORTED, "doesn't offer that"},
        {"418 Teapot", "Tea", RHEI_IO, "answers 418 Tea"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char answer[400], body[100];
        struct rhei_error error;
        (void)snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", cases[i].code);
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n" CLOSE "%s", cases[i].head,
                       strlen(body), body);
        const struct s3_rule rule = {S3_ANSWER, "PUT", "/b-", answer, 0, 0};
        s3_relay_rule(s3_test_relay, &rule);
        rhei_status status = put_one("one", "x", &error);
        if (status != cases[i].status || strstr(error.message, cases[i].part) == NULL)
            fail_msg("case %zu: %d %s", i, status, error.message);
        assert_int_equal(s3_relay_seen(s3_test_relay, "PUT", "/b-"), 1);
        s3_relay_rule(s3_test_relay, NULL);
    }
}

static void test_a_changed_byte_is_refused(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct rhei_error error;
    static const struct s3_rule flip = {S3_FLIP_REQUEST, "PUT", "/b-", NULL, 0, 1};
    s3_relay_rule(s3_test_relay, &flip);
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_IO);
    assert_non_null(strstr(error.message, "changed on their way"));
    assert_int_equal(s3_test_count(opened), 0);
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_OK);
}

/* For longer than it is borne: an error within the time, and afterwards nothing is left of it. */
static void test_an_outage_is_told_in_time(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct {
        struct s3_rule rule;
        const char *part;
    } cases[] = {
        {{S3_CUT, NULL, NULL, NULL, 0, 0}, "can't be reached"},
        {{S3_HANG, NULL, NULL, NULL, 0, 0}, "too slow"},
        {{S3_ANSWER, NULL, NULL, SLOW_DOWN, 0, 0}, "503 SlowDown"},
        {{S3_DEAF, NULL, NULL, NULL, 0, 0}, "can't be reached"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rhei_error error;
        int64_t start = base_now_ns();
        s3_relay_rule(s3_test_relay, &cases[i].rule);
        rhei_status status = put_one("one", "some bytes", &error);
        int64_t ms = (base_now_ns() - start) / 1000000;
        if (status != RHEI_IO || strstr(error.message, cases[i].part) == NULL)
            fail_msg("case %zu: %d %s", i, status, error.message);
        assert_in_range(ms, 1000, 9000);
        s3_relay_rule(s3_test_relay, NULL);
        assert_int_equal(put_one("one", "other bytes", &error), RHEI_OK);
        s3_test_has(opened, "one", "other bytes");
        assert_int_equal(opened->ops->remove(opened, "one", NULL), RHEI_OK);
    }
}

static void test_lying_answers_are_errors(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    struct rhei_error error;
    char bytes[10];
    static const struct s3_rule longer = {
        S3_ANSWER, "GET", "/b-", "HTTP/1.1 206 Partial\r\nContent-Length: 12\r\n" CLOSE "far too long", 0, 0};
    static const struct s3_rule whole = {
        S3_ANSWER, "GET", "/b-", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" CLOSE "who", 0, 0};
    static const struct s3_rule page = {
        S3_ANSWER, "GET", "list-type=2", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n" CLOSE "<html>", 0, 0};
    static const struct s3_rule endless = {S3_ANSWER,
                                           "GET",
                                           "list-type=2",
                                           "HTTP/1.1 200 OK\r\nContent-Length: 117\r\n" CLOSE
                                           "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
                                           "</NextContinuationToken></ListBucketResult>",
                                           0,
                                           0};
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_OK);
    s3_relay_rule(s3_test_relay, &longer);
    assert_int_equal(opened->ops->get(opened, "one", 0, bytes, 5, NULL), RHEI_IO);
    s3_relay_rule(s3_test_relay, &whole);
    assert_int_equal(opened->ops->get(opened, "one", 0, bytes, 5, NULL), RHEI_UNSUPPORTED);
    s3_relay_rule(s3_test_relay, &page);
    assert_int_equal(opened->ops->list(opened, NULL, NULL, NULL), RHEI_IO);
    s3_relay_rule(s3_test_relay, &endless);
    assert_int_equal(opened->ops->list(opened, NULL, NULL, &error), RHEI_IO);
}

/* What an error says of the object: whether it is damaged or gone, or whether nobody could be asked. */
static void test_an_outage_is_told_from_damage(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    char bytes[20];
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(put_one("one", "some bytes", &error), RHEI_OK);
    error_clear(&error);
    assert_int_equal(opened->ops->get(opened, "two", 0, bytes, 5, &error), RHEI_NOT_FOUND);
    assert_false(blob_store_is_away(opened, &error));
    error_clear(&error);
    assert_int_equal(opened->ops->get(opened, "one", 0, bytes, 11, &error), RHEI_IO); /* it ends before */
    assert_false(blob_store_is_away(opened, &error));
    static const struct s3_rule away[] = {
        {S3_CUT, NULL, NULL, NULL, 0, 0},
        {S3_SHORT, "GET", NULL, NULL, 0, 0},
        {S3_ANSWER, NULL, NULL, SLOW_DOWN, 0, 0},
        {S3_ANSWER, NULL, NULL, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n" CLOSE, 0, 0},
        {S3_ANSWER, NULL, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n" CLOSE "please login", 0, 0},
    };
    for (size_t i = 0; i < sizeof away / sizeof *away; i++) {
        void *manifest = NULL;
        size_t len = 0;
        uint64_t number = 0;
        error_clear(&error);
        s3_relay_rule(s3_test_relay, &away[i]);
        rhei_status status = opened->ops->get(opened, "one", 0, bytes, 5, &error);
        if (status == RHEI_OK || !blob_store_is_away(opened, &error))
            fail_msg("case %zu: %d %s", i, status, error.message);
        error_clear(&error);
        status = opened->ops->manifest_read(opened, &manifest, &len, &number, &error);
        if (status == RHEI_OK || !blob_store_is_away(opened, &error))
            fail_msg("case %zu, the manifest: %d %s", i, status, error.message);
    }
    s3_relay_rule(s3_test_relay, &away[0]);
    assert_int_equal(put_one("two", "some bytes", &error),
                     RHEI_IO); /* of what is written, too: nobody waits for it once more */
    assert_true(blob_store_is_away(opened, &error));
    s3_relay_rule(s3_test_relay, NULL);
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

static void test_what_keeps_a_store_from_opening_is_told(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    char secure[60];
    struct store_s3_config config = s3_test_config();
    config.timeout_ms = 1500;
    config.url = "s3://no-such-bucket/x";
    s3_test_refused(&config, RHEI_NOT_FOUND, "there is no such bucket");
    config = s3_test_config();
    config.timeout_ms = 1500;
    config.endpoint = "http://127.0.0.1:1";
    s3_test_refused(&config, RHEI_IO, "the server at http://127.0.0.1:1 can't be reached");
    (void)snprintf(secure, sizeof secure, "https://127.0.0.1:%d", s3_test_server->port); /* which speaks none */
    config.endpoint = secure;
    s3_test_refused(&config, RHEI_CANT_OPEN, "no trusted TLS connection");
    config.timeout_ms = 50000;
    s3_test_refused(&config, RHEI_INVALID, "40,000 ms at most");
    config.url = "file:///tmp";
    config.timeout_ms = 0;
    s3_test_refused(&config, RHEI_INVALID, "only s3://bucket/prefix");
}

static void test_a_certificate_is_asked_for(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    char folder[] = "/tmp/rhei-s3-XXXXXX", port[12], endpoint[60], authority[60], command[60];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(port, sizeof port, "%d", s3_test_server->port);
    struct s3_server *server = s3_server_open("tls", port, folder);
    (void)snprintf(endpoint, sizeof endpoint, "https://127.0.0.1:%d", server->port);
    (void)snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    struct store_s3_config config = s3_test_config();
    config.endpoint = endpoint;
    s3_test_refused(&config, RHEI_CANT_OPEN, "no trusted TLS connection");
    setenv("AWS_CA_BUNDLE", authority, 1);
    end(NULL); /* which has the lease */
    struct blob_store *store = s3_test_open(&config);
    s3_test_put(store, "one", "over TLS");
    s3_test_has(store, "one", "over TLS");
    store->ops->close(&store);
    s3_server_close(&server);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_libraries_that_are_not_here_are_told(void **state)
{
    (void)state;
    setenv("RHEI_LIBCURL", "/nonexistent/libcurl.so", 1);
    int ended = s3_test_run("without"); /* what is loaded stays */
    unsetenv("RHEI_LIBCURL");
    assert_int_equal(ended, 0);
}

static int try_without_curl(void)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    struct store_s3_config config = {.url = "s3://bucket/x", .endpoint = "http://127.0.0.1:1"};
    static const struct s3_server server = {.key = "k", .secret = "s"};
    s3_server_point(&server);
    rhei_status status = store_s3_open(&config, &store, &error);
    return status == RHEI_UNSUPPORTED && strstr(error.message, "libcurl isn't here") != NULL ? 0 : 1;
}

/* ---- Ending. ----------------------------------------------------------------------------------------------------- */

static atomic_bool stopping;

static void stop_soon(void *argument)
{
    (void)argument;
    (void)usleep(300000);
    atomic_store(&stopping, true);
}

static void test_a_stop_ends_what_is_under_way(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    base_thread thread;
    struct rhei_error error;
    static const struct s3_rule hangs = {S3_HANG, NULL, "/b-", NULL, 0, 0};
    end(NULL);
    struct store_s3_config config = s3_test_config();
    config.timeout_ms = 40000;
    config.stop = &stopping;
    opened = s3_test_open(&config);
    s3_relay_rule(s3_test_relay, &hangs);
    assert_int_equal(base_thread_start(&thread, "stop", stop_soon, NULL, NULL), RHEI_OK);
    int64_t start = base_now_ns();
    assert_int_equal(put_one("one", "x", &error), RHEI_CLOSED);
    base_thread_join(&thread);
    opened->ops->close(&opened);
    assert_true(base_now_ns() - start < 5000000000LL);
    s3_relay_rule(s3_test_relay, NULL);
    s3_test_refused(&config, RHEI_CLOSED, "is closing");
    config.stop = NULL;
    opened = s3_test_open(&config); /* the lease was given back all the same */
}

/* Whether the server answers nothing, ends every connection or always says "later": what stores that share a patience ask is over with it, however much. */
static void test_a_patience_is_one_for_all_that_is_asked(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct s3_rule rules[] = {
        {S3_HANG, NULL, NULL, NULL, 0, 0},
        {S3_CUT, NULL, NULL, NULL, 0, 0},
        {S3_ANSWER, NULL, NULL, SLOW_DOWN, 0, 0},
    };
    static struct store_s3_patience patience;
    end(NULL);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        (void)s3_test_begin(state); /* the lease of the one before stays held: nobody could be told that it is over */
        struct store_s3_config config = s3_test_config();
        config.timeout_ms = 40000;
        config.patience = &patience;
        struct blob_store *store = s3_test_open(&config);
        uint64_t version = 0;
        int64_t start = base_now_ns();
        s3_relay_rule(s3_test_relay, &rules[i]);
        store_s3_patience_begin(&patience, 1500, 0);
        s3_test_refused(&config, RHEI_IO, i == 0 ? "within 1 s" : "");
        while (!store_s3_patience_is_over(&patience)) /* what is left is no use for another attempt */
            s3_test_refused(&config, RHEI_IO, "");
        for (int asked = 0; asked < 3; asked++) {
            s3_test_refused(&config, RHEI_IO, "isn't asked again");
            assert_int_equal(store->ops->manifest_swap(store, &version, "x", 1, NULL), RHEI_IO);
        }
        assert_int_equal(store->ops->get(store, "one", 0, &version, 1, &error), RHEI_IO);
        assert_true(store->ops->away(&error));
        assert_non_null(strstr(error.message, "isn't asked again"));
        store->ops->close(&store); /* nor is a last word said to it */
        assert_true(base_now_ns() - start < 20000000000LL);
        s3_relay_rule(s3_test_relay, NULL);
        store_s3_patience_end(&patience);
    }
}

/* Late answers are answers: until the whole time is over. */
static void test_a_patience_lasts_while_the_server_answers(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    static const struct s3_rule late = {S3_LATE, NULL, NULL, "300", 0, 0};
    static struct store_s3_patience patience;
    struct rhei_error error = RHEI_ERROR_INIT;
    char byte;
    end(NULL);
    struct store_s3_config config = s3_test_config();
    config.patience = &patience;
    s3_relay_rule(s3_test_relay, &late);
    store_s3_patience_begin(&patience, 2000, 0);
    int64_t start = base_now_ns();
    struct blob_store *store = s3_test_open(&config);
    while (base_now_ns() - start < 2500000000LL)
        assert_int_equal(store->ops->get(store, "none", 0, &byte, 1, NULL), RHEI_NOT_FOUND);
    store_s3_patience_begin(&patience, 2000, 1000);
    while (store->ops->get(store, "none", 0, &byte, 1, &error) == RHEI_NOT_FOUND)
        error_clear(&error);
    assert_true(store->ops->away(&error));
    assert_true(store_s3_patience_is_over(&patience));
    store_s3_patience_end(&patience);
    s3_relay_rule(s3_test_relay, NULL);
    store->ops->close(&store);
}

/* ---- Many. ------------------------------------------------------------------------------------------------------- */

static void put_many(void *argument)
{
    const int *number = argument;
    for (int i = 0; i < 20; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "t-%d-%d", *number, i);
        s3_test_put(opened, name, name);
        s3_test_has(opened, name, name);
    }
}

static void test_threads_share_a_store(void **state)
{
    (void)state;
    S3_NEED_SERVER();
    base_thread threads[4];
    int numbers[4] = {0, 1, 2, 3};
    static const struct s3_rule now_and_then = {S3_CUT, "PUT", "/b-", NULL, 5, 12};
    s3_relay_rule(s3_test_relay, &now_and_then);
    for (int i = 0; i < 4; i++)
        assert_int_equal(base_thread_start(&threads[i], "put", put_many, &numbers[i], NULL), RHEI_OK);
    for (int i = 0; i < 4; i++)
        base_thread_join(&threads[i]);
    assert_int_equal(s3_test_count(opened), 80);
}

int main(void)
{
    if (s3_test_words() != NULL)
        return try_without_curl();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_passing_trouble_is_got_over, begin, end),
        cmocka_unit_test_setup_teardown(test_an_answer_cut_within_its_headers_is_none, begin, end),
        cmocka_unit_test_setup_teardown(test_own_bytes_are_known_again, begin, end),
        cmocka_unit_test_setup_teardown(test_others_bytes_are_not_ours, begin, end),
        cmocka_unit_test_setup_teardown(test_an_error_within_200_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(test_everything_that_is_said_is_signed, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals_are_told_at_once_and_in_words, begin, end),
        cmocka_unit_test_setup_teardown(test_a_changed_byte_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_an_outage_is_told_in_time, begin, end),
        cmocka_unit_test_setup_teardown(test_an_outage_is_told_from_damage, begin, end),
        cmocka_unit_test_setup_teardown(test_lying_answers_are_errors, begin, end),
        cmocka_unit_test_setup_teardown(test_what_keeps_a_store_from_opening_is_told, begin, end),
        cmocka_unit_test_setup_teardown(test_a_certificate_is_asked_for, begin, end),
        cmocka_unit_test(test_libraries_that_are_not_here_are_told),
        cmocka_unit_test_setup_teardown(test_a_stop_ends_what_is_under_way, begin, end),
        cmocka_unit_test_setup_teardown(test_a_patience_is_one_for_all_that_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(test_a_patience_lasts_while_the_server_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_threads_share_a_store, begin, end),
    };
    return cmocka_run_group_tests(tests, s3_tests_begin, s3_tests_end);
}
