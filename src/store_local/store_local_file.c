/* SPDX-License-Identifier: Apache-2.0 */
#include "store_local_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status store_io_error(struct rhei_error *error, const char *what, const char *name)
{
    int code = errno;
    char words[128] = "";
    const char *text = strerror_r(code, words, sizeof words);
    rhei_status status = code == ENOSPC || code == EDQUOT || code == EFBIG  ? RHEI_FULL
                         : code == EROFS || code == EACCES || code == EPERM ? RHEI_READ_ONLY
                         : code == ENOENT                                   ? RHEI_NOT_FOUND
                         : code == EEXIST                                   ? RHEI_EXISTS
                         : code == ENOMEM                                   ? RHEI_NO_MEMORY
                                                                            : RHEI_IO;
    return error_set(error, status, "could not %s \"%s\": %s", what, name, text);
}

DIR *store_folder_list(int folder, const char *name)
{
    int opened = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = opened < 0 ? NULL : fdopendir(opened);
    int reason = errno;
    if (entries == NULL && opened >= 0)
        (void)close(opened);
    errno = reason;
    return entries;
}

bool store_open_file_write(int file, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t written = write(file, at, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        len -= (size_t)written;
    }
    return true;
}

rhei_status store_file_write(int folder, const char *name, const void *head, size_t head_len, const void *bytes,
                             size_t len, struct rhei_error *error)
{
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file < 0)
        return store_io_error(error, "create", name);
    rhei_status status = RHEI_OK;
    if (!store_open_file_write(file, head, head_len) || !store_open_file_write(file, bytes, len))
        status = store_io_error(error, "write", name);
    if (close(file) != 0 && status == RHEI_OK)
        status = store_io_error(error, "write", name);
    if (status != RHEI_OK)
        (void)unlinkat(folder, name, 0);
    return status;
}

rhei_status store_file_sync(int folder, const char *name, struct rhei_error *error)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return store_io_error(error, "open", name);
    rhei_status status = fsync(file) == 0 ? RHEI_OK : store_io_error(error, "make durable", name);
    (void)close(file);
    return status;
}

rhei_status store_folder_sync(int folder, struct rhei_error *error)
{
    return fsync(folder) == 0 ? RHEI_OK : store_io_error(error, "make durable the folder of", "the store");
}

rhei_status store_open_file_read(int file, const char *name, uint64_t offset, void *bytes, size_t len,
                                 struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    char *at = bytes;
    while (len > 0 && status == RHEI_OK) {
        ssize_t got = pread(file, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = store_io_error(error, "read", name);
        else if (got == 0)
            status = error_set(error, RHEI_IO, "\"%s\" ends at byte %llu, though more of it is asked for", name,
                               (unsigned long long)offset);
        else {
            at += got;
            offset += (uint64_t)got;
            len -= (size_t)got;
        }
    }
    return status;
}

rhei_status store_file_read(int folder, const char *name, uint64_t offset, void *bytes, size_t len,
                            struct rhei_error *error)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return store_io_error(error, "open", name);
    rhei_status status = store_open_file_read(file, name, offset, bytes, len, error);
    (void)close(file);
    return status;
}

rhei_status store_file_size(int folder, const char *name, uint64_t *size, struct rhei_error *error)
{
    struct stat facts;
    if (fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return store_io_error(error, "look at", name);
    if (!S_ISREG(facts.st_mode))
        return error_set(error, RHEI_IO, "\"%s\" is no file", name);
    *size = (uint64_t)facts.st_size;
    return RHEI_OK;
}
