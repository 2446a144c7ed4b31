/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status base_folder_check(const char *path, struct rhei_error *error)
{
    struct stat facts;
    bool file = stat(path, &facts) == 0 ? !S_ISDIR(facts.st_mode) : errno == ENOTDIR;
    return file ? error_set(error, RHEI_INVALID,
                            "\"%s\" is a file, or in one, and no folder: name one that is empty or doesn't exist", path)
                : RHEI_OK;
}

rhei_status base_folder_above(const char *path, rhei_status absent, struct rhei_error *error)
{
    struct stat facts;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    char *above = len == 0 ? base_strdup(".") : base_strndup(path, len);
    rhei_status status = above == NULL ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK && stat(above, &facts) != 0 && errno == ENOENT)
        status = error_set(error, absent,
                           "could not make the folder \"%s\": the one above it, \"%s\", isn't there: make that first",
                           path, above);
    base_free(above);
    return status;
}

rhei_status base_folder_make(const char *path,
                             rhei_status (*fail)(struct rhei_error *error, const char *what, const char *name),
                             struct rhei_error *error)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return RHEI_OK;
    int why = errno;
    rhei_status status = base_folder_above(path, RHEI_INVALID, error);
    errno = why;
    return status == RHEI_OK ? fail(error, "make the folder", path) : status;
}
