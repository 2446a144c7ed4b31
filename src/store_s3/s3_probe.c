/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the server keeps its word on conditions, on which it rests that nobody overwrites anybody. Many answer 200 to what they don't know, and
 * overwrite. Asked of the lease, by who has just taken it, with the bytes that it has: whether they are written once more is all that is at stake.
 */
#include "base/base_error.h"
#include "store_s3/s3_store.h"

static const struct {
    const char *name, *value, *shown;
} conditions[S3_PROBES] = {{"if-none-match", "*", "If-None-Match"},
                           {"if-match", "\"00000000000000000000000000000000\"", "If-Match"}};

void s3_probe_ask(const struct base_buffer *lease, struct s3_request requests[S3_PROBES])
{
    for (size_t i = 0; i < S3_PROBES; i++) {
        requests[i] = (struct s3_request){
            .method = "PUT", .what = "write", .name = S3_LEASE, .body = lease->data, .body_len = lease->len};
        s3_request_header(&requests[i], conditions[i].name, conditions[i].value);
    }
}

rhei_status s3_probe_judge(const struct store_s3 *store, const struct s3_request requests[S3_PROBES],
                           struct rhei_error *error)
{
    for (size_t i = 0; i < S3_PROBES; i++) {
        if (requests[i].status == RHEI_OK)
            return error_set(
                error, RHEI_UNSUPPORTED,
                "the server at %s ignores %s, so two writers could overwrite each other: no store can be kept there",
                store->site.endpoint, conditions[i].shown);
        if (requests[i].http != 412)
            return s3_request_failed(&requests[i], error);
    }
    return RHEI_OK;
}
