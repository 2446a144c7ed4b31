/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"

const char *base_library_resolve(void *handle, const struct base_symbol *symbols, size_t count, void *table)
{
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (symbol == NULL)
            return symbols[i].name;
        memcpy((char *)table + symbols[i].offset, &symbol, sizeof symbol); /* ISO C has no conversion to a function */
    }
    return NULL;
}

static void *open_any(const struct base_library *library)
{
    const char *named = getenv(library->variable);
    void *handle = NULL;
    if (named != NULL && named[0] != '\0')
        return dlopen(named, RTLD_NOW | RTLD_LOCAL);
    for (const char *const *name = library->names; handle == NULL && *name != NULL; name++)
        if ((*name)[0] != '\0') /* the program itself */
            handle = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
    return handle;
}

static rhei_status load(struct base_library *library, struct rhei_error *error)
{
    void *handle = open_any(library);
    if (handle == NULL)
        return error_set(error, RHEI_UNSUPPORTED, "%s (%s)", library->absent, dlerror());
    const char *lacking = base_library_resolve(handle, library->symbols, library->symbol_count, library->table);
    if (lacking == NULL)
        return RHEI_OK;
    dlclose(handle);
    return error_set(error, RHEI_UNSUPPORTED, "%s has no function %s: %s", library->file, lacking, library->older);
}

rhei_status base_library_load(struct base_library *library, struct rhei_error *error)
{
    base_mutex_lock(&library->mutex);
    rhei_status status = library->is_loaded ? RHEI_OK : load(library, error);
    library->is_loaded = status == RHEI_OK;
    base_mutex_unlock(&library->mutex);
    return status;
}
