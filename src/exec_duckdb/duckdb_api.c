/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_duckdb/duckdb_api.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_library.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

/* RTLD_LOCAL keeps its symbols from ours; RTLD_LAZY spares resolving the thousands that are never called. */
static void *open_library(const char *path)
{
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
}

/* The folder this code was loaded from, for an installation that was moved as a whole. */
static char *beside_ourselves(void)
{
    static const char anchor = 0;
    Dl_info info;
    if (dladdr(&anchor, &info) == 0 || info.dli_fname == NULL)
        return NULL;
    const char *slash = strrchr(info.dli_fname, '/');
    struct base_buffer path = {0};
    base_buffer_append(&path, info.dli_fname, slash != NULL ? (size_t)(slash - info.dli_fname) + 1 : 0);
    base_buffer_text(&path, "rhei/libduckdb.so");
    return base_buffer_take(&path);
}

/* A path that somebody named must work; the others are tried in turn. */
static rhei_status find_library(const char *path, void **library, struct rhei_error *error)
{
    const char *named = path != NULL ? path : getenv("RHEI_DUCKDB");
    if (named != NULL && named[0] != '\0') {
        *library = open_library(named);
        if (*library == NULL)
            return error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB can't be loaded from %s, which %s names: %s", named,
                             path != NULL ? "the configuration" : "RHEI_DUCKDB", dlerror());
        return RHEI_OK;
    }
    char *beside = beside_ourselves();
    *library = beside != NULL ? open_library(beside) : NULL;
    base_free(beside);
#ifdef RHEI_DUCKDB_INSTALLED_PATH
    if (*library == NULL)
        *library = open_library(RHEI_DUCKDB_INSTALLED_PATH);
#endif
#ifdef RHEI_DUCKDB_PATH
    if (*library == NULL)
        *library = open_library(RHEI_DUCKDB_PATH);
#endif
    if (*library == NULL)
        return error_set(
            error, RHEI_OLAP_UNAVAILABLE,
            "libduckdb.so was not found in the folder \"rhei\" beside librhei, nor where it was installed: "
            "set RHEI_DUCKDB to its path (%s)",
            dlerror());
    return RHEI_OK;
}

static const struct base_symbol symbols[] = {
#define DUCK(name) {"duckdb_" #name, offsetof(struct duck_api, name)},
#include "exec_duckdb/duckdb_api.def"
#undef DUCK
};

static rhei_status resolve(struct duck_api *api, struct rhei_error *error)
{
    const char *lacking = base_library_resolve(api->library, symbols, sizeof symbols / sizeof *symbols, api);
    if (lacking == NULL)
        return RHEI_OK;
    return error_set(error, RHEI_OLAP_UNAVAILABLE,
                     "libduckdb.so has no function %s: Rhei needs DuckDB 1.5.5 or a later 1.5", lacking);
}

/* The structs and the meaning of settings are 1.5's; fixes in the last number are welcome. */
static rhei_status check_version(void *library, struct rhei_error *error)
{
    const char *(*library_version)(void) = NULL;
    void *symbol = dlsym(library, "duckdb_library_version");
    memcpy(&library_version, &symbol, sizeof symbol);
    const char *version = symbol != NULL ? library_version() : "of unknown version";
    int major = 0;
    int minor = 0;
    int patch = 0;
    if (sscanf(version, "v%d.%d.%d", &major, &minor, &patch) == 3 && major == 1 && minor == 5 && patch >= 5)
        return RHEI_OK;
    return error_set(error, RHEI_OLAP_UNAVAILABLE,
                     "libduckdb.so is DuckDB %s, but Rhei needs 1.5.5 or a later 1.5: name another with RHEI_DUCKDB",
                     version);
}

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct duck_api table;                          /* under the mutex, and never changed once published */
static _Atomic(const struct duck_api *) table_pointer; /* NULL until `table` is whole */

const struct duck_api *duck_api(void)
{
    return atomic_load_explicit(&table_pointer, memory_order_acquire);
}

/* Under the mutex. Takes the library. */
static rhei_status publish(void *library, struct rhei_error *error)
{
    if (duck_api() != NULL) {
        /* dlopen gives the same handle for the same file */
        bool same = table.library == library;
        dlclose(library);
        return same ? RHEI_OK
                    : error_set(error, RHEI_OLAP_UNAVAILABLE,
                                "another libduckdb.so is in use in this process already: name the same one everywhere");
    }
    struct duck_api loaded = {.library = library};
    rhei_status status = check_version(library, error);
    if (status == RHEI_OK)
        status = resolve(&loaded, error);
    if (status != RHEI_OK) {
        dlclose(library);
        return status;
    }
    table = loaded;
    atomic_store_explicit(&table_pointer, &table, memory_order_release);
    return RHEI_OK;
}

rhei_status duck_api_load(const char *path, const struct duck_api **api, struct rhei_error *error)
{
    base_mutex_lock(&table_mutex);
    void *library = NULL;
    rhei_status status = find_library(path, &library, error);
    if (status == RHEI_OK)
        status = publish(library, error);
    base_mutex_unlock(&table_mutex);
    *api = duck_api();
    return status;
}
