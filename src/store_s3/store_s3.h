/* SPDX-License-Identifier: Apache-2.0 */
/* A blob store in a bucket of an S3-compatible server (port/blob_store.h says what its calls promise). Any thread. */
#ifndef STORE_S3_STORE_S3_H
#define STORE_S3_STORE_S3_H

#include <stdatomic.h>

#include "port/blob_store.h"

struct base_log;

/* How a bucket is named to the server: in the path, or in the host's name. */
enum store_s3_style {
    STORE_S3_STYLE_AUTO, /* by path where an endpoint is set, or the bucket's name has a dot; else by host, as Amazon wants it */
    STORE_S3_STYLE_PATH,
    STORE_S3_STYLE_HOST,
};

/*
 * How long the server may say nothing to all stores that share it, as those of an opening or of a closing do: one bound for however many requests. Zeroed
 * it bounds nothing. Any thread.
 */
struct store_s3_patience {
    atomic_uint_fast32_t silence_ms; /* 0: it isn't on */
    atomic_int_fast64_t heard_ns, end_ns;
    atomic_bool troubled;
};

/* From now on. `whole_ms`: in all, however often the server answers; 0: as long as it does. */
void store_s3_patience_begin(struct store_s3_patience *patience, uint32_t silence_ms, uint32_t whole_ms);
void store_s3_patience_end(struct store_s3_patience *patience);
bool store_s3_patience_is_on(const struct store_s3_patience *patience);
bool store_s3_patience_is_over(const struct store_s3_patience *patience);

/* A zeroed member is its default. Texts are borrowed for the call. */
struct store_s3_config {
    const char *url; /* s3://bucket/prefix; everything lies behind the prefix and a slash */
    const char *
        endpoint; /* https://host:port or http://host:port; NULL: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, Amazon's */
    const char *region; /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1 */
    enum store_s3_style style;
    bool read_only; /* changes nothing, and takes no lease */
    uint32_t
        timeout_ms; /* of a request with all its retries; 20,000; at most 40,000. Large ones get a second more for each 64 KiB */
    uint32_t opening_ms; /* the same of what the opening itself asks; 0: timeout_ms */
    struct store_s3_patience
        *patience;       /* what is asked while it is on ends with it. Must outlive the store; NULL: none */
    uint32_t silence_ms; /* a patience of the store's own, from its opening on; 0: none */
    uint32_t lease_s; /* how long nobody else may write after the last renewal; 60. It is renewed at a quarter of it */
    uint32_t keep_s;  /* how long an older manifest stays; 1,200, and less only in tests (S3 of s3_manifest.c) */
    const atomic_bool
        *stop; /* true: what is under way ends with RHEI_CLOSED; NULL: nobody stops it. Must outlive the store */
    const struct base_log *log;                      /* must outlive the store; may be NULL */
    void (*fault)(void *context, const char *point); /* tests: called at every named step; may be NULL */
    void *fault_context;
};

/* What a URL names. */
struct store_s3_place {
    char bucket[64];
    char prefix[800]; /* "": the bucket itself; else without slashes at its ends */
};

/* RHEI_INVALID: it is no s3://bucket/prefix; the message says why, and never has what may be a secret in it. */
rhei_status store_s3_parse(const char *url, struct store_s3_place *place, struct rhei_error *error);

/*
 * Opens the place and, but for reading, takes its lease. Credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else from
 * the profile (AWS_PROFILE, else "default") in ~/.aws/credentials and ~/.aws/config (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE); AWS_CA_BUNDLE is obeyed.
 * RHEI_INVALID: URL, endpoint or limits can't be right. RHEI_BUSY: another one writes there; who, and for how long. RHEI_NOT_FOUND: there is no such bucket.
 * RHEI_CANT_OPEN: no or wrong credentials, rights, clock, or certificate. RHEI_READ_ONLY: it may only be read. RHEI_UNSUPPORTED: libcurl isn't here, or
 * the server ignores conditions. RHEI_IO: it can't be reached, or is too slow. RHEI_CLOSED: `stop`.
 */
rhei_status store_s3_open(const struct store_s3_config *config, struct blob_store **store, struct rhei_error *error);
/* Of a store that was opened to be read. RHEI_BUSY: another one writes there; who, and for how long. What else the server says. */
rhei_status store_s3_is_free(struct blob_store *store, struct rhei_error *error);
/*
 * Which database the place is of, for who comes with another one: its path on *here (this machine, else another one), as the store that was open for
 * writing last said it (`claim`, best effort). "": nobody did.
 */
void store_s3_owner(struct blob_store *store, char *path, size_t size, bool *here);
void store_s3_claim(struct blob_store *store, const char *path);

#endif
