/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/s3_api.h"

#include "base/base_error.h"
#include "base/base_library.h"

static const char *const curl_names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
static const char *const crypto_names[] = {"libcrypto.so.3", NULL};

static const struct base_symbol curl_symbols[] = {
#define CURL_CALL(name) {"curl_" #name, offsetof(struct s3_curl, name)},
#include "store_s3/s3_curl.def"
#undef CURL_CALL
};

static const struct base_symbol crypto_symbols[] = {
#define CRYPTO_CALL(name) {#name, offsetof(struct s3_crypto, name)},
#include "store_s3/s3_crypto.def"
#undef CRYPTO_CALL
};

static rhei_status load_crypto(const struct s3_crypto **crypto, struct rhei_error *error)
{
    static struct s3_crypto table;
    static struct base_library library = {
        .names = crypto_names,
        .variable = "RHEI_LIBCRYPTO",
        .absent = "OpenSSL isn't here, which a store in a bucket signs with: install it (Debian: libssl3), or set "
                  "RHEI_LIBCRYPTO to the path of libcrypto.so.3",
        .file = "libcrypto",
        .older = "it is too old for Rhei",
        .symbols = crypto_symbols,
        .symbol_count = sizeof crypto_symbols / sizeof *crypto_symbols,
        .table = &table,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
    *crypto = &table;
    return base_library_load(&library, error);
}

static rhei_status load_curl(const struct s3_curl **curl, struct rhei_error *error)
{
    static struct s3_curl table;
    static struct base_library library = {
        .names = curl_names,
        .variable = "RHEI_LIBCURL",
        .absent = "libcurl isn't here, which a store in a bucket needs: install it (Debian: libcurl4), or set "
                  "RHEI_LIBCURL to the path of libcurl.so.4",
        .file = "libcurl",
        .older = "it is too old for Rhei",
        .symbols = curl_symbols,
        .symbol_count = sizeof curl_symbols / sizeof *curl_symbols,
        .table = &table,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
    *curl = &table;
    return base_library_load(&library, error);
}

/* Before 7.84 it may be called by one thread at a time only; the process's end undoes it. */
static rhei_status make_ready(const struct s3_curl *curl, struct rhei_error *error)
{
    static base_mutex mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool is_ready;
    base_mutex_lock(&mutex);
    if (!is_ready)
        is_ready = curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    bool ready = is_ready;
    base_mutex_unlock(&mutex);
    return ready ? RHEI_OK : error_set(error, RHEI_UNSUPPORTED, "libcurl can't be made ready on this machine");
}

rhei_status s3_api_load(const struct s3_curl **curl, const struct s3_crypto **crypto, struct rhei_error *error)
{
    rhei_status status = load_crypto(crypto, error);
    if (status == RHEI_OK)
        status = load_curl(curl, error);
    return status == RHEI_OK ? make_ready(*curl, error) : status;
}
