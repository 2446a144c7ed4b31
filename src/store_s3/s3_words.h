/* SPDX-License-Identifier: Apache-2.0 */
/* What became of an attempt: whether another one may help, and else what it means and what to do, in one sentence. Pure; any thread. */
#ifndef STORE_S3_WORDS_H
#define STORE_S3_WORDS_H

#include "store_s3/s3_request.h"
#include "store_s3/s3_site.h"

/* Another attempt may end otherwise. */
bool s3_words_may_help(const struct s3_request *request, CURLcode code);
/* Sets the request's status and error, of the last attempt. `curl_words`: of curl_easy_strerror. `now_s`: by our clock. */
void s3_words_judge(const struct s3_site *site, struct s3_request *request, CURLcode code, const char *curl_words,
                    int64_t now_s, uint32_t timeout_ms);

#endif
