/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_library.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Half a copy: the loader maps what isn't there, and whoever touches it gets SIGBUS. Its table of sections stands at the end. */
static bool is_cut_short(const char *path)
{
    Elf64_Ehdr header;
    FILE *file = strchr(path, '/') != NULL ? fopen(path, "rbe") : NULL;
    bool cut = file != NULL && fread(&header, sizeof header, 1, file) == 1 &&
               memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
               fseek(file, 0, SEEK_END) == 0 &&
               (uint64_t)ftell(file) < header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
    if (file != NULL)
        (void)fclose(file);
    return cut;
}

/* NULL, and what the loader says of it. */
static void *open_one(const char *path, const char **why)
{
    void *handle = is_cut_short(path) ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *said = handle == NULL ? dlerror() : NULL;
    *why = said != NULL ? said : "the file ends too early";
    return handle;
}

static void *open_any(const struct base_library *library, const char *named, const char **why)
{
    void *handle = NULL;
    if (named != NULL)
        return open_one(named, why);
    for (const char *const *name = library->names; handle == NULL && *name != NULL; name++)
        if ((*name)[0] != '\0') /* the program itself */
            handle = open_one(*name, why);
    return handle;
}

static rhei_status load(struct base_library *library, struct rhei_error *error)
{
    const char *named = getenv(library->variable), *why = "";
    if (named != NULL && named[0] == '\0')
        named = NULL;
    void *handle = open_any(library, named, &why);
    if (handle == NULL && named != NULL && strchr(named, '/') != NULL && access(named, F_OK) == 0)
        return error_set(
            error, RHEI_UNSUPPORTED,
            "%s, which %s names, can't be loaded: it is no library for this machine, is damaged, or lacks another "
            "one (%s)",
            named, library->variable, why);
    if (handle == NULL)
        return error_set(error, RHEI_UNSUPPORTED, "%s (%s)", library->absent, why);
    const char *lacking = base_library_resolve(handle, library->symbols, library->symbol_count, library->table);
    if (lacking == NULL)
        return RHEI_OK;
    dlclose(handle);
    return error_set(error, RHEI_UNSUPPORTED, "%s has no function %s: %s", named != NULL ? named : library->file,
                     lacking, library->older);
}

rhei_status base_library_load(struct base_library *library, struct rhei_error *error)
{
    base_mutex_lock(&library->mutex);
    rhei_status status = library->is_loaded ? RHEI_OK : load(library, error);
    library->is_loaded = status == RHEI_OK;
    base_mutex_unlock(&library->mutex);
    return status;
}
