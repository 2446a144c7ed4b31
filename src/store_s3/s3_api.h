/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl and OpenSSL's libcrypto as tables of functions, found at run time by whoever first opens a store. Read-only once loaded: any thread. */
#ifndef STORE_S3_API_H
#define STORE_S3_API_H

/* its macros that check types look at functions by their names, and would link them */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "rhei/rhei_types.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

struct s3_curl {
#define CURL_CALL(name) __typeof__(curl_##name) *name;
#include "store_s3/s3_curl.def"
#undef CURL_CALL
};

struct s3_crypto {
#define CRYPTO_CALL(name) __typeof__(name) *name;
#include "store_s3/s3_crypto.def"
#undef CRYPTO_CALL
};

/*
 * Both, and libcurl made ready, once for the process. RHEI_UNSUPPORTED: one isn't there, can't be loaded, or lacks a function. Looks at RHEI_LIBCURL
 * and RHEI_LIBCRYPTO first. The libraries stay loaded for good.
 */
rhei_status s3_api_load(const struct s3_curl **curl, const struct s3_crypto **crypto, struct rhei_error *error);

#endif
