/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. A file is written under a temporary name, made durable, and only then given its own: what has its own name is whole.
 *  2. The folder is made durable before a call returns, so names are as durable as bytes.
 *  3. Every manifest has the version of the one before and 1; `lock` serialises the look and the swap.
 */
#include "store_local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_folder.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "base/base_words.h"
#include "store_local_file.h"

#define BLOB_PREFIX  "b-"
#define TEMP_PREFIX  "t-"
#define ASIDE_PREFIX "x-"
#define LOCK_NAME    "lock"
#define MANIFEST     "manifest"
#define DIGITS       "0123456789"

static const char store_mark[8] = {'R', 'H', 'E', 'I', 'S', 'T', 'O', 'R'};

enum { HEAD_BYTES = 16, FILE_NAME_MAX = BLOB_NAME_MAX + 3 };

struct store_local {
    struct blob_store store; /* first */
    char *path;
    int folder, lock_file; /* -1: none */
    bool read_only;
    const struct base_log *log; /* may be NULL */
    void (*fault)(void *context, const char *point);
    void *fault_context;
    base_mutex lock;    /* of the manifest and of `temporary` */
    uint64_t temporary; /* number of the last temporary name */
};

static void fault(const struct store_local *store, const char *point)
{
    if (store->fault != NULL)
        store->fault(store->fault_context, point);
}

static struct store_local *self(struct blob_store *store)
{
    return (struct store_local *)store;
}

static rhei_status writable(const struct store_local *store, struct rhei_error *error)
{
    return store->read_only ? error_set(error, RHEI_READ_ONLY, "the folder \"%s\" was opened to be read", store->path)
                            : RHEI_OK;
}

/* ---- Names. ------------------------------------------------------------------------------------------------------ */

static rhei_status file_name(const char *name, char file[FILE_NAME_MAX], struct rhei_error *error)
{
    if (!blob_name_is_good(name))
        return error_set(error, RHEI_INVALID, "\"%.220s\" can't be the name of a blob", name == NULL ? "" : name);
    (void)snprintf(file, FILE_NAME_MAX, BLOB_PREFIX "%s", name);
    return RHEI_OK;
}

static void temporary_name(struct store_local *store, char file[FILE_NAME_MAX])
{
    base_mutex_lock(&store->lock);
    uint64_t number = ++store->temporary;
    base_mutex_unlock(&store->lock);
    (void)snprintf(file, FILE_NAME_MAX, TEMP_PREFIX "%" PRIu64, number);
}

/* ---- Blobs. ------------------------------------------------------------------------------------------------------ */

/* A blob on its way: its temporary name, then its own. */
struct put {
    char temporary[FILE_NAME_MAX], own[FILE_NAME_MAX];
    bool written, named;
};

static rhei_status put_write(struct store_local *store, struct put *put, const struct blob *blob,
                             struct rhei_error *error)
{
    rhei_status status = file_name(blob->name, put->own, error);
    if (status != RHEI_OK)
        return status;
    if (faccessat(store->folder, put->own, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(error, RHEI_EXISTS, "there is a blob \"%s\" already", blob->name);
    temporary_name(store, put->temporary);
    status = store_file_write(store->folder, put->temporary, NULL, 0, blob->bytes, blob->len, error);
    put->written = status == RHEI_OK;
    return status;
}

/* All bytes first, then all fsyncs: the disk may then write them together. */
static rhei_status put_all(struct store_local *store, struct put *puts, const struct blob *blobs, size_t count,
                           struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        status = put_write(store, &puts[i], &blobs[i], error);
    fault(store, "store.put.written");
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        status = store_file_sync(store->folder, puts[i].temporary, error);
    fault(store, "store.put.synced");
    for (size_t i = 0; status == RHEI_OK && i < count; i++) {
        /* link, unlike rename, replaces nothing: two writers of one name can't both succeed */
        if (linkat(store->folder, puts[i].temporary, store->folder, puts[i].own, 0) == 0)
            puts[i].named = true;
        else
            status = store_io_error(error, "name", blobs[i].name);
    }
    fault(store, "store.put.named");
    for (size_t i = 0; i < count; i++)
        if (puts[i].written)
            (void)unlinkat(store->folder, puts[i].temporary, 0);
    if (status == RHEI_OK)
        status = store_folder_sync(store->folder, error);
    for (size_t i = 0; status != RHEI_OK && i < count; i++)
        if (puts[i].named)
            (void)unlinkat(store->folder, puts[i].own, 0);
    fault(store, "store.put.done");
    return status;
}

static rhei_status local_put(struct blob_store *base, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    struct store_local *store = self(base);
    rhei_status status = writable(store, error);
    if (status != RHEI_OK || count == 0)
        return status;
    struct put *puts = base_alloc_zero(count, sizeof *puts);
    if (puts == NULL)
        return error_no_memory(error);
    status = put_all(store, puts, blobs, count, error);
    base_free(puts);
    return status;
}

static rhei_status local_size(struct blob_store *base, const char *name, uint64_t *size, struct rhei_error *error)
{
    char file[FILE_NAME_MAX];
    rhei_status status = file_name(name, file, error);
    return status == RHEI_OK ? store_file_size(self(base)->folder, file, size, error) : status;
}

static rhei_status local_get(struct blob_store *base, const char *name, uint64_t offset, void *bytes, size_t len,
                             struct rhei_error *error)
{
    char file[FILE_NAME_MAX];
    rhei_status status = file_name(name, file, error);
    return status == RHEI_OK ? store_file_read(self(base)->folder, file, offset, bytes, len, error) : status;
}

static void map_release(struct blob_map *map)
{
    if (map->owner != NULL)
        (void)munmap(map->owner, map->len);
    *map = (struct blob_map){0};
}

static rhei_status local_map(struct blob_store *base, const char *name, struct blob_map *map, struct rhei_error *error)
{
    char file[FILE_NAME_MAX];
    *map = (struct blob_map){.release = map_release};
    rhei_status status = file_name(name, file, error);
    if (status != RHEI_OK)
        return status;
    int open_file = openat(self(base)->folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat facts;
    if (open_file < 0)
        return store_io_error(error, "open", name);
    if (fstat(open_file, &facts) != 0) {
        status = store_io_error(error, "look at", name);
    } else if (facts.st_size > 0) { /* nothing can't be mapped, and needn't */
        void *place = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_SHARED, open_file, 0);
        if (place == MAP_FAILED)
            status = store_io_error(error, "map", name);
        else
            *map = (struct blob_map){place, (size_t)facts.st_size, place, map_release};
    }
    (void)close(open_file);
    return status;
}

static rhei_status local_list(struct blob_store *base,
                              rhei_status (*take)(void *context, const char *name, uint64_t size,
                                                  struct rhei_error *error),
                              void *context, struct rhei_error *error)
{
    struct store_local *store = self(base);
    DIR *entries = store_folder_list(store->folder, ".");
    if (entries == NULL)
        return store_io_error(error, "list the folder", store->path);
    rhei_status status = RHEI_OK;
    for (struct dirent *entry = NULL; status == RHEI_OK && (entry = readdir(entries)) != NULL;) {
        uint64_t size = 0;
        if (strncmp(entry->d_name, BLOB_PREFIX, sizeof BLOB_PREFIX - 1) != 0)
            continue;
        status = store_file_size(store->folder, entry->d_name, &size, error);
        if (status == RHEI_OK)
            status = take(context, entry->d_name + sizeof BLOB_PREFIX - 1, size, error);
        else if (status == RHEI_NOT_FOUND) /* removed meanwhile */
            status = RHEI_OK;
    }
    (void)closedir(entries);
    return status;
}

static rhei_status local_remove(struct blob_store *base, const char *name, struct rhei_error *error)
{
    char file[FILE_NAME_MAX];
    rhei_status status = writable(self(base), error);
    if (status == RHEI_OK)
        status = file_name(name, file, error);
    if (status == RHEI_OK && unlinkat(self(base)->folder, file, 0) != 0 && errno != ENOENT)
        status = store_io_error(error, "remove", name);
    return status;
}

/* One of each name is kept. */
static rhei_status local_set_aside(struct blob_store *base, const char *name, struct rhei_error *error)
{
    struct store_local *store = self(base);
    char file[FILE_NAME_MAX] = MANIFEST, aside[FILE_NAME_MAX];
    rhei_status status = writable(store, error);
    if (status == RHEI_OK && name != NULL)
        status = file_name(name, file, error);
    if (status != RHEI_OK)
        return status;
    (void)snprintf(aside, sizeof aside, ASIDE_PREFIX "%s", name == NULL ? MANIFEST : name);
    if (renameat(store->folder, file, store->folder, aside) != 0 && errno != ENOENT)
        return store_io_error(error, "set aside", file);
    return RHEI_OK;
}

/* ---- The manifest. ----------------------------------------------------------------------------------------------- */

static rhei_status read_version(const struct store_local *store, int file, uint64_t *size, uint64_t *version,
                                struct rhei_error *error)
{
    unsigned char head[HEAD_BYTES];
    struct stat facts;
    if (fstat(file, &facts) != 0)
        return store_io_error(error, "look at", MANIFEST);
    if (!S_ISREG(facts.st_mode))
        return error_set(error, RHEI_IO, "\"%s\" is no file", MANIFEST);
    *size = (uint64_t)facts.st_size;
    if (*size < HEAD_BYTES)
        return error_set(error, RHEI_IO, "the manifest of \"%s\" is cut off", store->path);
    rhei_status status = store_open_file_read(file, MANIFEST, 0, head, sizeof head, error);
    if (status != RHEI_OK)
        return status;
    if (memcmp(head, store_mark, sizeof store_mark) != 0)
        return error_set(error, RHEI_IO, "the manifest of \"%s\" is not one of Rhei's", store->path);
    *version = base_words_get8(head + sizeof store_mark);
    return *version > 0 ? RHEI_OK : error_set(error, RHEI_IO, "the manifest of \"%s\" is damaged", store->path);
}

/* The file that is the manifest now: what is read of it is of one manifest, also if another process puts a new one in its place. -1: there is none. */
static rhei_status open_manifest(const struct store_local *store, int *file, uint64_t *size, uint64_t *version,
                                 struct rhei_error *error)
{
    *size = *version = 0;
    *file = openat(store->folder, MANIFEST, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*file < 0)
        return errno == ENOENT ? RHEI_OK : store_io_error(error, "open", MANIFEST);
    rhei_status status = read_version(store, *file, size, version, error);
    fault(store, "store.manifest.opened");
    return status;
}

static rhei_status local_manifest_read(struct blob_store *base, void **bytes, size_t *len, uint64_t *version,
                                       struct rhei_error *error)
{
    struct store_local *store = self(base);
    uint64_t size = 0;
    int file = -1;
    *bytes = NULL;
    *len = 0;
    base_mutex_lock(&store->lock);
    rhei_status status = open_manifest(store, &file, &size, version, error);
    if (status == RHEI_OK && *version > 0) {
        *len = (size_t)size - HEAD_BYTES;
        *bytes = base_alloc(*len + 1);
        status = *bytes == NULL ? error_no_memory(error)
                                : store_open_file_read(file, MANIFEST, HEAD_BYTES, *bytes, *len, error);
    }
    if (file >= 0)
        (void)close(file);
    base_mutex_unlock(&store->lock);
    if (status != RHEI_OK) {
        base_free(*bytes);
        *bytes = NULL;
    }
    return status;
}

static rhei_status swap(struct store_local *store, const char *temporary, uint64_t *version, const void *bytes,
                        size_t len, struct rhei_error *error)
{
    uint64_t size, current;
    unsigned char head[HEAD_BYTES];
    int file = -1;
    rhei_status status = open_manifest(store, &file, &size, &current, error);
    if (file >= 0)
        (void)close(file);
    if (status == RHEI_OK && current != *version)
        status = error_set(error, RHEI_BUSY, "the manifest of \"%s\" is number %" PRIu64 " by now, not %" PRIu64,
                           store->path, current, *version);
    if (status != RHEI_OK)
        return status;
    memcpy(head, store_mark, sizeof store_mark);
    base_words_set8(head + sizeof store_mark, current + 1);
    status = store_file_write(store->folder, temporary, head, sizeof head, bytes, len, error);
    if (status == RHEI_OK)
        status = store_file_sync(store->folder, temporary, error);
    fault(store, "store.manifest.written");
    if (status == RHEI_OK && renameat(store->folder, temporary, store->folder, MANIFEST) != 0)
        status = store_io_error(error, "replace", MANIFEST);
    if (status != RHEI_OK) {
        (void)unlinkat(store->folder, temporary, 0);
        return status;
    }
    fault(store, "store.manifest.named");
    *version = current + 1; /* it is the new one now, durable or not */
    status = store_folder_sync(store->folder, error);
    fault(store, "store.manifest.done");
    return status;
}

static rhei_status local_manifest_swap(struct blob_store *base, uint64_t *version, const void *bytes, size_t len,
                                       struct rhei_error *error)
{
    struct store_local *store = self(base);
    char temporary[FILE_NAME_MAX];
    rhei_status status = writable(store, error);
    if (status != RHEI_OK)
        return status;
    temporary_name(store, temporary);
    base_mutex_lock(&store->lock);
    status = swap(store, temporary, version, bytes, len, error);
    base_mutex_unlock(&store->lock);
    return status;
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

static void local_close(struct blob_store **base)
{
    if (base == NULL || *base == NULL)
        return;
    struct store_local *store = self(*base);
    if (store->lock_file >= 0)
        (void)close(store->lock_file); /* and so lets go of the lock */
    if (store->folder >= 0)
        (void)close(store->folder);
    base_mutex_destroy(&store->lock);
    base_free(store->path);
    base_free(store);
    *base = NULL;
}

static rhei_status open_folder(struct store_local *store, struct rhei_error *error);

/* The path leads to the folder that is open, and our lock is in it. */
static bool is_in_place(const struct store_local *store)
{
    struct stat named, opened, lock, open_lock;
    return stat(store->path, &named) == 0 && fstat(store->folder, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino && fstatat(store->folder, LOCK_NAME, &lock, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(store->lock_file, &open_lock) == 0 && lock.st_ino == open_lock.st_ino;
}

/* Other threads read from the folder meanwhile: the descriptors stay, and lead to the new one from one call to the next. */
static rhei_status local_look(struct blob_store *base, bool *lost, struct rhei_error *error)
{
    struct store_local *store = self(base);
    *lost = false;
    if (store->read_only || is_in_place(store))
        return RHEI_OK;
    struct store_local made = {.path = store->path, .folder = -1, .lock_file = -1, .log = store->log};
    rhei_status status = open_folder(&made, error);
    if (status == RHEI_OK &&
        (dup3(made.folder, store->folder, O_CLOEXEC) < 0 || dup3(made.lock_file, store->lock_file, O_CLOEXEC) < 0))
        status = store_io_error(error, "open", store->path);
    *lost = status == RHEI_OK;
    if (made.folder >= 0)
        (void)close(made.folder);
    if (made.lock_file >= 0)
        (void)close(made.lock_file);
    return status;
}

static const struct blob_store_ops local_ops = {
    .name = "local",
    .put = local_put,
    .size = local_size,
    .get = local_get,
    .map = local_map,
    .list = local_list,
    .remove = local_remove,
    .set_aside = local_set_aside,
    .manifest_read = local_manifest_read,
    .manifest_swap = local_manifest_swap,
    .look = local_look,
    .close = local_close,
};

static bool begins_with(const char *file, const char *prefix)
{
    return strncmp(file, prefix, strlen(prefix)) == 0;
}

static bool is_temporary(const char *file)
{
    size_t prefix = sizeof TEMP_PREFIX - 1, digits = begins_with(file, TEMP_PREFIX) ? strspn(file + prefix, DIGITS) : 0;
    return digits > 0 && file[prefix + digits] == '\0';
}

static bool is_ours(const char *file)
{
    return strcmp(file, ".") == 0 || strcmp(file, "..") == 0 || strcmp(file, LOCK_NAME) == 0 ||
           strcmp(file, MANIFEST) == 0 || begins_with(file, BLOB_PREFIX) || begins_with(file, ASIDE_PREFIX) ||
           is_temporary(file) || begins_with(file, "sidecar-"); /* stores of their own (engine_sidecar_disk.c) */
}

static bool bears_mark(const struct store_local *store, const char *file)
{
    char head[sizeof store_mark];
    return store_file_read(store->folder, file, 0, head, sizeof head, NULL) == RHEI_OK &&
           memcmp(head, store_mark, sizeof head) == 0;
}

/* What else is there: a stray file in a store is nobody's mistake but its owner's; a folder of others is no store. */
static rhei_status judge_strays(const struct store_local *store, const char *first, size_t count, bool tell,
                                struct rhei_error *error)
{
    if (count == 0)
        return RHEI_OK;
    if (!bears_mark(store, MANIFEST) && !bears_mark(store, LOCK_NAME))
        return error_set(error, RHEI_INVALID,
                         "the folder \"%s\" holds \"%.100s\", which isn't Rhei's: name a folder that is empty or "
                         "doesn't exist",
                         store->path, first);
    if (tell && count == 1)
        base_log_write(store->log, BASE_LOG_WARN, "store_local",
                       "the folder \"%s\" holds \"%.100s\", which isn't Rhei's: it is left alone", store->path, first);
    else if (tell)
        base_log_write(store->log, BASE_LOG_WARN, "store_local",
                       "the folder \"%s\" holds \"%.100s\" and %zu more that aren't Rhei's: they are left alone",
                       store->path, first, count - 1);
    return RHEI_OK;
}

/* Looks that it isn't a folder of others; `sweep`: removes what a crash left half written. */
static rhei_status look_around(struct store_local *store, bool sweep, struct rhei_error *error)
{
    DIR *entries = store_folder_list(store->folder, ".");
    if (entries == NULL)
        return store_io_error(error, "list the folder", store->path);
    char first[NAME_MAX + 1] = "";
    size_t strays = 0;
    for (struct dirent *entry = NULL; (entry = readdir(entries)) != NULL;)
        if (!is_ours(entry->d_name) && strays++ == 0)
            (void)snprintf(first, sizeof first, "%s", entry->d_name);
        else if (sweep && is_temporary(entry->d_name))
            (void)unlinkat(store->folder, entry->d_name, 0);
    (void)closedir(entries);
    return judge_strays(store, first, strays, sweep, error);
}

static rhei_status take_lock(struct store_local *store, struct rhei_error *error)
{
    store->lock_file = openat(store->folder, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (store->lock_file < 0)
        return store_io_error(error, "open the lock of", store->path);
    if (flock(store->lock_file, LOCK_EX | LOCK_NB) == 0) {
        struct stat facts; /* without the mark, on a disk that is full, the folder is known by its manifest alone */
        if (fstat(store->lock_file, &facts) == 0 && facts.st_size == 0)
            (void)!pwrite(store->lock_file, store_mark, sizeof store_mark, 0);
        return RHEI_OK;
    }
    if (errno != EWOULDBLOCK)
        return store_io_error(error, "lock", store->path);
    return error_set(error, RHEI_BUSY, STORE_LOCAL_IN_USE, store->path);
}

static rhei_status open_folder(struct store_local *store, struct rhei_error *error)
{
    rhei_status status = base_folder_check(store->path, error);
    if (status != RHEI_OK)
        return status;
    status = store->read_only ? RHEI_OK : base_folder_make(store->path, store_io_error, error);
    if (status != RHEI_OK)
        return status;
    store->folder = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder < 0)
        return store_io_error(error, "open the folder", store->path);
    status = look_around(store, false, error);
    if (status == RHEI_OK && !store->read_only)
        status = take_lock(store, error);
    if (status == RHEI_OK && !store->read_only)
        status = look_around(store, true, error);
    return status;
}

/* The folder is looked for by its path each time (is_in_place), and the process may have gone elsewhere by then. */
static rhei_status name_folder(struct store_local *store, struct rhei_error *error)
{
    char here[PATH_MAX];
    struct base_buffer name = {0};
    if (store->path[0] == '/')
        return RHEI_OK;
    if (getcwd(here, sizeof here) == NULL)
        return store_io_error(error, "find the folder", store->path);
    base_buffer_format(&name, "%s/%s", here, store->path);
    char *path = base_buffer_take(&name);
    if (path == NULL)
        return error_no_memory(error);
    base_free(store->path);
    store->path = path;
    return RHEI_OK;
}

rhei_status store_local_open(const struct store_local_config *config, struct blob_store **result,
                             struct rhei_error *error)
{
    *result = NULL;
    if (config->folder == NULL || config->folder[0] == '\0')
        return error_set(error, RHEI_INVALID, "a store needs a folder");
    struct store_local *store = base_alloc_zero(1, sizeof *store);
    if (store == NULL)
        return error_no_memory(error);
    store->store.ops = &local_ops;
    store->folder = store->lock_file = -1;
    store->read_only = config->read_only;
    store->log = config->log;
    store->fault = config->fault;
    store->fault_context = config->fault_context;
    base_mutex_init(&store->lock);
    store->path = base_strdup(config->folder);
    rhei_status status = store->path == NULL ? error_no_memory(error) : open_folder(store, error);
    if (status == RHEI_OK)
        status = name_folder(store, error);
    struct blob_store *base = &store->store;
    if (status != RHEI_OK)
        local_close(&base);
    *result = base;
    return status;
}

/* Behind the mark in the lock's file, where older versions look at nothing. */
void store_local_owner(const struct blob_store *base, char *path, size_t size)
{
    const struct store_local *store = (const struct store_local *)base;
    int file = openat(store->folder, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = file < 0 ? -1 : pread(file, path, size - 1, sizeof store_mark);
    path[got < 0 ? 0 : got] = '\0';
    if (file >= 0)
        (void)close(file); /* the lock is of another opening of it, and stays */
}

void store_local_claim(struct blob_store *base, const char *path)
{
    struct store_local *store = self(base);
    char owner[PATH_MAX];
    size_t len = strlen(path) + 1;
    store_local_owner(base, owner, sizeof owner);
    if (strcmp(owner, path) == 0)
        return;
    (void)!pwrite(store->lock_file, path, len, sizeof store_mark);
    (void)!ftruncate(store->lock_file, (off_t)(sizeof store_mark + len));
}

bool store_local_is_in_use(const char *folder)
{
    struct base_buffer name = {0};
    bool in_use = false;
    base_buffer_format(&name, "%s/" LOCK_NAME, folder);
    int file = name.failed ? -1 : open(name.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0) {
        in_use = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        (void)close(file); /* and so lets go of it */
    }
    base_buffer_reset(&name);
    return in_use;
}

rhei_status store_local_resolve(const char *path, char **resolved, struct rhei_error *error)
{
    char real[PATH_MAX];
    struct base_buffer text = {0}, above = {0};
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t name = len;
    while (name > 0 && path[name - 1] != '/')
        name--;
    base_buffer_format(&above, "%.*s", name == 0 ? 1 : (int)name, name == 0 ? "." : path);
    rhei_status status = RHEI_OK;
    *resolved = NULL;
    if (above.failed)
        status = error_no_memory(error);
    else if (realpath(path, real) != NULL)
        base_buffer_text(&text, real);
    else if (errno == ENOENT && realpath(above.data, real) != NULL)
        base_buffer_format(&text, "%s%s%.*s", real, strcmp(real, "/") == 0 ? "" : "/", (int)(len - name), path + name);
    else if (errno == ENOENT)
        status = base_folder_above(path, RHEI_NOT_FOUND, error);
    else
        status = store_io_error(error, "make the folder", path);
    base_buffer_reset(&above);
    if (status == RHEI_OK && (text.failed || (*resolved = base_buffer_take(&text)) == NULL))
        status = error_no_memory(error);
    base_buffer_reset(&text);
    return status;
}
