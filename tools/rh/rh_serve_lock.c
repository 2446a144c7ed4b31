/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file goes when the service ends, so who waits for the lock of a file that went in the meantime has the lock of nothing: it looks whether
 * the name is still that of the file which it locked, and tries again. A service that was killed leaves the file, and no lock.
 */
#include "rh_serve_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same(int fd, const char *path)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

static bool tell_taken(const struct rh_tool *tool, int fd, const char *database)
{
    char text[24] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    text[strspn(text, "0123456789")] = '\0';
    (void)rh_tell(tool, "%s is served by another rh serve, process %s: end that one first, or ask it [BUSY 55P03]",
                  database, text[0] == '\0' ? "unknown" : text);
    return false;
}

uintmax_t rh_serve_lock_names(const char *database)
{
    struct stat named;
    bool file = strncmp(database, "file:", 5) != 0 && stat(database, &named) == 0 && S_ISREG(named.st_mode);
    return file ? (uintmax_t)named.st_nlink : 1;
}

/* By two names of one file both would be locked, and SQLite would have two logs beside it, of which neither reader knows the other's. */
static bool has_one_name(const struct rh_tool *tool, const char *database, const char *real)
{
    uintmax_t names = rh_serve_lock_names(real);
    if (names == 1)
        return true;
    (void)rh_tell(tool,
                  "%s is a file of %ju names (hard links): SQLite keeps its log beside the name that it was opened by, "
                  "so what is written by one name is lost by another: remove the other names, or serve a copy "
                  "[INVALID 22023]",
                  database, names);
    return false;
}

/* Nothing is in it, or the number of a process: any other file of the name is somebody's. */
static bool is_lock(int fd)
{
    char text[24] = "";
    struct stat about;
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && got == about.st_size &&
           strspn(text, "0123456789\n") == (size_t)got;
}

static bool write_process(int fd)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIdMAX "\n", (intmax_t)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

bool rh_serve_lock_take(const struct rh_tool *tool, const char *database, struct rh_serve_lock *lock)
{
    struct rh_buffer name = {0};
    char *real = strncmp(database, "file:", 5) == 0 ? NULL : realpath(database, NULL);
    *lock = (struct rh_serve_lock){.fd = -1};
    if (real == NULL)
        return true;
    if (!has_one_name(tool, database, real)) {
        free(real);
        return false;
    }
    rh_buffer_format(&name, "%s-serve", real);
    free(real);
    lock->path = rh_copy_text(name.bytes, name.length);
    rh_buffer_add_text(&name, ".sock");
    lock->socket = rh_copy_text(name.bytes, name.length);
    rh_buffer_free(&name);
    for (;;) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        bool locked = lock->fd >= 0 && flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
        bool ours = locked && is_lock(lock->fd);
        if (ours && is_same(lock->fd, lock->path) && write_process(lock->fd))
            return true;
        int reason = locked && !ours ? EEXIST : errno;
        bool again = ours && !is_same(lock->fd, lock->path);
        bool told = lock->fd >= 0 && !locked && reason == EWOULDBLOCK && !tell_taken(tool, lock->fd, database);
        if (lock->fd >= 0)
            (void)close(lock->fd);
        lock->fd = -1;
        if (again)
            continue;
        if (!told)
            (void)rh_tell(tool, "can't lock %s, which says that %s is served: %s [CANT_OPEN 58030]", lock->path,
                          database, strerror(reason));
        rh_serve_lock_release(lock);
        return false;
    }
}

void rh_serve_lock_release(struct rh_serve_lock *lock)
{
    if (lock->fd >= 0) {
        (void)unlink(lock->path);
        (void)close(lock->fd);
    }
    free(lock->path);
    free(lock->socket);
    *lock = (struct rh_serve_lock){.fd = -1};
}
