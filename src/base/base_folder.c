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

rhei_status base_folder_make(const char *path,
                             rhei_status (*fail)(struct rhei_error *error, const char *what, const char *name),
                             struct rhei_error *error)
{
    char *copy = base_strdup(path);
    rhei_status status = copy == NULL ? error_no_memory(error) : RHEI_OK;
    for (char *at = copy; status == RHEI_OK && *at != '\0';) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char end = *at;
        *at = '\0';
        if (copy[0] != '\0' && mkdir(copy, 0777) != 0 && errno != EEXIST)
            status = fail(error, "make the folder", copy);
        *at = end;
    }
    base_free(copy);
    return status;
}
