/* SPDX-License-Identifier: Apache-2.0 */
/* One thing that is asked of the server, and what came of it. Owner thread, but while s3_client_run has it. */
#ifndef STORE_S3_REQUEST_H
#define STORE_S3_REQUEST_H

#include "base/base_buffer.h"
#include "store_s3/s3_sign.h"

struct s3_client;

enum { S3_HEADERS_MAX = 5, S3_ETAG_MAX = 160, S3_DATE_MAX = 40 };

struct s3_request {
    /* What is asked. Borrowed until it is answered. */
    const char *method, *what; /* "PUT", "write": for a message that it couldn't be done */
    const char *name;          /* of the object, behind the prefix; NULL: of the bucket */
    const char *query;         /* as s3_signing; NULL: none */
    struct s3_header headers[S3_HEADERS_MAX];
    size_t header_count;
    const void *body;
    size_t body_len;
    void *into; /* where an answer of 2xx goes, `room` bytes at most; NULL: into `answer` */
    size_t room;
    bool last; /* a word at the end: has two seconds, and is sent though the store was stopped */

    /* What came of it. */
    rhei_status status; /* RHEI_OK: the server answered 2xx; the error has its message */
    struct rhei_error error;
    long http; /* of the last answer; 0: there was none */
    struct base_buffer answer;
    size_t got;                                    /* bytes in `into`, or that it had no room for */
    uint64_t length;                               /* Content-Length, which every answer to HEAD has */
    char etag[S3_ETAG_MAX], region[64], range[64]; /* range: Content-Range */
    int64_t date, modified;                        /* by the server's clock, seconds since 1970; 0: it doesn't say */
    unsigned attempts;
    bool no_bucket; /* 404 is said of the bucket, not of the object */
    bool unheard;   /* an attempt that failed may have been carried out, though no answer said so */

    /* The client's own. */
    struct s3_request *next;
    char hash[S3_HASH_HEX];
    size_t sent;
    int64_t limit_ms, deadline_ns, not_before_ns;
    bool answered, headed; /* headed: its answer's header lines came as a whole */
    char date_text[S3_DATE_MAX], modified_text[S3_DATE_MAX];
    char trouble[256]; /* CURL_ERROR_SIZE */
    int code;          /* libcurl's, of the last attempt */
    struct s3_client *client;
    void *easy, *lines;
};

void s3_request_reset(struct s3_request *request);
/* The same request may be run once more: what came of it is forgotten. */
void s3_request_renew(struct s3_request *request);
void s3_request_header(struct s3_request *request, const char *name, const char *value);

enum { S3_UNHEARD = -1 }; /* the code of an error by which nothing is known of the object; else the HTTP status, or 0 */
/* Hands the request's error on, code and all. */
rhei_status s3_request_failed(const struct s3_request *request, struct rhei_error *error);

#endif
