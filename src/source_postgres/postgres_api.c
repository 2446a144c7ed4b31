/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_api.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_thread.h"

static void *find_library(struct rhei_error *error)
{
    const char *named = getenv("RHEI_LIBPQ");
    void *library = dlopen(named != NULL && named[0] != '\0' ? named : "libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        error_set(
            error, RHEI_UNSUPPORTED,
            "libpq isn't here, which a PostgreSQL source needs: install it (Debian: libpq5), or set RHEI_LIBPQ to "
            "the path of libpq.so.5 (%s)",
            dlerror());
    return library;
}

static rhei_status resolve(struct postgres_api *api, struct rhei_error *error)
{
    void *symbol;
#define PQ_CALL(name)                                                                                           \
    symbol = dlsym(api->library, "PQ" #name);                                                                   \
    if (symbol == NULL)                                                                                         \
        return error_set(error, RHEI_UNSUPPORTED, "libpq has no function PQ" #name ": it is too old for Rhei"); \
    memcpy(&api->name, &symbol, sizeof symbol); /* ISO C has no conversion from void * to a function */
#include "source_postgres/postgres_api.def"
#undef PQ_CALL
    return RHEI_OK;
}

rhei_status postgres_api_load(const struct postgres_api **api, struct rhei_error *error)
{
    static base_mutex mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct postgres_api table; /* under the mutex; never changed once it is whole */
    static bool loaded;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&mutex);
    if (!loaded) {
        table.library = find_library(error);
        status = table.library == NULL ? RHEI_UNSUPPORTED : resolve(&table, error);
        if (status != RHEI_OK && table.library != NULL)
            dlclose(table.library);
        loaded = status == RHEI_OK;
    }
    base_mutex_unlock(&mutex);
    *api = &table;
    return status;
}
