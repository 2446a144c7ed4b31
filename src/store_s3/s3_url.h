/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as bytes: percent-encoding as signatures want it, and endpoints. Pure; any thread. */
#ifndef STORE_S3_URL_H
#define STORE_S3_URL_H

#include "base/base_buffer.h"

/* Everything but A-Z a-z 0-9 - . _ ~ as %XX, as SigV4 counts it; slashes too unless they part a path. */
void s3_url_encode(struct base_buffer *out, const char *text, bool is_path);
/* The scheme's length with "://" of http:// or https:// before a plain host[:port]; a slash may follow. RHEI_INVALID. */
rhei_status s3_url_check_endpoint(const char *endpoint, size_t *scheme_len, size_t *host_len, struct rhei_error *error);

#endif
