/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer_rocksdb/rocksdb_api.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_thread.h"

static void *find_library(struct rhei_error *error)
{
    static const char *const NAMES[] = {"librocksdb.so.7.8", "librocksdb.so.7", "librocksdb.so"};
    const char *named = getenv("RHEI_ROCKSDB");
    void *library = named != NULL && named[0] != '\0' ? dlopen(named, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (size_t i = 0; library == NULL && (named == NULL || named[0] == '\0') && i < sizeof NAMES / sizeof *NAMES; i++)
        library = dlopen(NAMES[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        error_set(error, RHEI_UNSUPPORTED,
                  "RocksDB isn't here, which rocksdb_cdc_path needs: install it (Debian: librocksdb7.8), or set "
                  "RHEI_ROCKSDB to "
                  "the path of librocksdb.so, or leave the setting out (%s)",
                  dlerror());
    return library;
}

static rhei_status resolve(struct rocks_api *api, struct rhei_error *error)
{
    void *symbol;
#define ROCKS(name)                                                                                         \
    symbol = dlsym(api->library, "rocksdb_" #name);                                                         \
    if (symbol == NULL)                                                                                     \
        return error_set(error, RHEI_UNSUPPORTED,                                                           \
                         "librocksdb.so has no function rocksdb_" #name ": Rhei was made for RocksDB 7.8"); \
    memcpy(&api->name, &symbol, sizeof symbol); /* ISO C has no conversion from void * to a function */
#include "buffer_rocksdb/rocksdb_api.def"
#undef ROCKS
    return RHEI_OK;
}

rhei_status rocks_api_load(const struct rocks_api **api, struct rhei_error *error)
{
    static base_mutex mutex = PTHREAD_MUTEX_INITIALIZER;
    static struct rocks_api table; /* under the mutex; never changed once it is whole */
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
