/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder around the database: whose it is, and who has it.
 *
 *   F1. One handle has it at a time: a lock on `lock`, which ends with the process.
 *   F2. `identity` is there before the database is, so what has none and isn't empty is somebody else's folder.
 *   F3. Nothing is ever deleted that may hold changes: what can't be used is renamed within the folder.
 *   F4. `identity` ends in a checksum of itself, which older programs pass over and folders of theirs haven't. Where it is damaged nobody knows whose changes
 *       these are, so the folder is refused, too, and not set aside: a person knows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_folder.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "buffer_rocksdb/rocksdb_internal.h"

/* Version 2 may have events that a program which knows only 1 would take for damaged ones (CHANGE_EVENT_BEFORE). */
enum { IDENTITY_VERSION = 2, IDENTITY_FIRST = 1, IDENTITY_SIZE = 256, CHECK_SIZE = 24, ASIDE_MOST = 1000000 };

#define CHECK "check "

/* Words of an identity, and of errors. */
static const struct {
    const char *head, *what;
} KINDS[] = {[ROCKS_BUFFER] = {"rhei change buffer ", "a change buffer"},
             [ROCKS_STORE] = {"rhei sidecar ", "a sidecar's store (watermark_path)"}};

static rhei_status folder_error(struct rhei_error *error, const char *what, const char *path)
{
    int code = errno;
    char words[128] = "";
    const char *text = strerror_r(code, words, sizeof words);
    rhei_status status = code == ENOSPC || code == EDQUOT || code == EFBIG  ? RHEI_FULL
                         : code == EROFS || code == EACCES || code == EPERM ? RHEI_READ_ONLY
                         : code == ENOTDIR                                  ? RHEI_INVALID
                                                                            : RHEI_IO;
    return error_set(error, status, "could not %s \"%s\": %s", what, path, text);
}

/* ---- Identity. --------------------------------------------------------------------------------------------------- */

static void identity_text(const struct rocks_folder *folder, unsigned version, const char *file, uint64_t id,
                          char text[IDENTITY_SIZE])
{
    (void)snprintf(text, IDENTITY_SIZE, "%s%u\nfile %.63s\nbuffer %016" PRIx64 "\n", KINDS[folder->kind].head, version,
                   file, id);
}

/* F4. The hash of the text; behind the text. */
static void identity_check(const char *text, size_t len, char line[CHECK_SIZE])
{
    (void)snprintf(line, CHECK_SIZE, CHECK "%016" PRIx64 "\n", base_hash(text, len, 1));
}

/* F4. Where there is a check, it is that of what stands before it. */
static bool identity_holds(const char *text)
{
    char line[CHECK_SIZE];
    const char *check = strstr(text, "\n" CHECK);
    if (check == NULL)
        return true;
    identity_check(text, (size_t)(check + 1 - text), line);
    return strcmp(check + 1, line) == 0;
}

static bool identity_is_of(enum rocks_folder_kind kind, const char *text)
{
    return strncmp(text, KINDS[kind].head, strlen(KINDS[kind].head)) == 0;
}

/* The folder isn't ours, or it was: then RocksDB's files are there as well. `text`: of its identity, "" where it has none. */
static rhei_status identity_refuse(const struct rocks_folder *folder, const char *text, struct rhei_error *error)
{
    struct stat facts;
    const char *what = KINDS[folder->kind].what;
    bool other = identity_is_of(folder->kind == ROCKS_BUFFER ? ROCKS_STORE : ROCKS_BUFFER, text);
    if (!other && fstatat(folder->folder, "db/CURRENT", &facts, AT_SYMLINK_NOFOLLOW) == 0)
        return error_set(
            error, RHEI_INVALID,
            "the folder \"%s\" is damaged: the file \"identity\" in it, which says whose it is as %s, can't be "
            "read; put that file back from a copy, or move the folder away, and a new one begins",
            folder->path, what);
    if (text[0] != '\0')
        return error_set(error, RHEI_INVALID, "the folder \"%s\" isn't %s of Rhei: name another one", folder->path,
                         what);
    return error_set(error, RHEI_INVALID,
                     "the folder \"%s\" has other things in it: name an empty one, or one that isn't there yet",
                     folder->path);
}

/* *found: there is one, and it can be read. */
static rhei_status identity_read(struct rocks_folder *folder, bool *found, struct rhei_error *error)
{
    char text[IDENTITY_SIZE] = "", lines[IDENTITY_SIZE];
    unsigned version = 0;
    uint64_t id = 0;
    *found = false;
    int file = openat(folder->folder, "identity", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return errno == ENOENT ? RHEI_OK : folder_error(error, "open the identity of", folder->path);
    ssize_t got = read(file, text, sizeof text - 1);
    (void)close(file);
    if (got < 0)
        return folder_error(error, "read the identity of", folder->path);
    const char *head = KINDS[folder->kind].head;
    int fields =
        !identity_is_of(folder->kind, text) || !identity_holds(text)
            ? 0
            : sscanf(text + strlen(head), "%u\nfile %63[^\n]\nbuffer %" SCNx64 "\n", &version, folder->file, &id);
    if (fields >= 1 && version > IDENTITY_VERSION)
        return error_set(error, RHEI_TOO_NEW,
                         "the folder \"%s\" was made by a newer version of Rhei (form %u): use that version",
                         folder->path, version);
    identity_text(folder, version, folder->file, id, lines);
    const char *rest = text + strlen(lines); /* behind the lines, if these they are */
    if (fields != 3 || strncmp(text, lines, strlen(lines)) != 0 ||
        (rest[0] != '\0' && strncmp(rest, CHECK, strlen(CHECK)) != 0))
        return identity_refuse(folder, text, error);
    atomic_store(&folder->id, id);
    folder->version = version;
    *found = true;
    return RHEI_OK;
}

static rhei_status identity_write(struct rocks_folder *folder, const char *file, uint64_t id, unsigned version,
                                  struct rhei_error *error)
{
    char text[IDENTITY_SIZE + CHECK_SIZE];
    identity_text(folder, version, file, id, text);
    size_t lines = strlen(text);
    identity_check(text, lines, text + lines);
    ssize_t len = (ssize_t)strlen(text);
    int out = openat(folder->folder, "identity.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out < 0)
        return folder_error(error, "write the identity of", folder->path);
    bool ok = write(out, text, (size_t)len) == len && fsync(out) == 0;
    ok = close(out) == 0 && ok;
    ok = ok && renameat(folder->folder, "identity.new", folder->folder, "identity") == 0 && fsync(folder->folder) == 0;
    if (!ok)
        return folder_error(error, "write the identity of", folder->path);
    folder->version = version;
    return RHEI_OK;
}

rhei_status rocks_folder_identify(struct rocks_folder *folder, const char *file, struct rhei_error *error)
{
    uint64_t id = base_random_u64() | 1;
    rhei_status status = identity_write(folder, file, id, IDENTITY_FIRST, error);
    if (status != RHEI_OK)
        return status;
    (void)snprintf(folder->file, sizeof folder->file, "%s", file);
    atomic_store(&folder->id, id);
    return RHEI_OK;
}

rhei_status rocks_folder_has_before(struct rocks_folder *folder, struct rhei_error *error)
{
    return folder->version >= IDENTITY_VERSION
               ? RHEI_OK
               : identity_write(folder, folder->file, atomic_load(&folder->id), IDENTITY_VERSION, error);
}

/* Nothing is in it but what a process leaves that was killed as it made the folder. */
static bool folder_is_empty(const struct rocks_folder *folder)
{
    int copy = openat(folder->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    bool empty = listing != NULL;
    for (const struct dirent *entry; empty && (entry = readdir(listing)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                strcmp(entry->d_name, "lock") == 0 || strcmp(entry->d_name, "identity.new") == 0;
    if (listing != NULL)
        (void)closedir(listing);
    else if (copy >= 0)
        (void)close(copy);
    return empty;
}

/* ---- Open. ------------------------------------------------------------------------------------------------------- */

static rhei_status folder_busy(const struct rocks_folder *folder, struct rhei_error *error)
{
    return error_set(error, RHEI_BUSY, "another handle has the folder \"%s\" open: %s is one handle's", folder->path,
                     KINDS[folder->kind].what);
}

static rhei_status folder_lock(struct rocks_folder *folder, struct rhei_error *error)
{
    folder->lock = openat(folder->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (folder->lock < 0)
        return folder_error(error, "lock the folder", folder->path);
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0)
        return RHEI_OK;
    if (errno != EWOULDBLOCK)
        return folder_error(error, "lock the folder", folder->path);
    return folder_busy(folder, error);
}

/* RHEI_INVALID: it is something else's. */
static rhei_status folder_judge(struct rocks_folder *folder, bool *found, struct rhei_error *error)
{
    rhei_status status = identity_read(folder, found, error);
    if (status == RHEI_OK && !*found && !folder_is_empty(folder))
        status = identity_refuse(folder, "", error);
    return status;
}

static rhei_status folder_enter(struct rocks_folder *folder, bool *found, struct rhei_error *error)
{
    folder->folder = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->folder < 0)
        return folder_error(error, "open the folder", folder->path);
    rhei_status status = folder_judge(folder, found, error);
    if (status == RHEI_OK)
        status = folder_lock(folder, error);
    return status == RHEI_OK ? identity_read(folder, found, error) : status; /* as it is under the lock */
}

/* RocksDB names a new file by this path each time, and the process may have gone elsewhere by then. */
static rhei_status folder_name_database(struct rocks_folder *folder, struct rhei_error *error)
{
    char real[PATH_MAX];
    struct base_buffer name = {0};
    if (realpath(folder->path, real) == NULL)
        return folder_error(error, "find the folder", folder->path);
    base_buffer_format(&name, "%s/db", real);
    folder->database = base_buffer_take(&name);
    return folder->database == NULL ? error_no_memory(error) : RHEI_OK;
}

rhei_status rocks_folder_open(struct rocks_folder *folder, enum rocks_folder_kind kind, const char *path,
                              const char *file, bool *fresh, struct rhei_error *error)
{
    bool found = false;
    *folder = (struct rocks_folder){.folder = -1, .lock = -1, .kind = kind, .path = base_strdup(path)};
    rhei_status status = folder->path == NULL ? error_no_memory(error) : base_folder_check(folder->path, error);
    if (status == RHEI_OK)
        status = base_folder_make(folder->path, folder_error, error);
    if (status == RHEI_OK)
        status = folder_name_database(folder, error);
    if (status == RHEI_OK)
        status = folder_enter(folder, &found, error);
    *fresh = !found;
    if (status == RHEI_OK && !found)
        status = rocks_folder_identify(folder, file, error);
    if (status != RHEI_OK)
        rocks_folder_close(folder);
    return status;
}

rhei_status rocks_folder_set_aside(struct rocks_folder *folder, char *name, size_t size, struct rhei_error *error)
{
    for (unsigned i = 1; i < ASIDE_MOST; i++) {
        (void)snprintf(name, size, "aside-%u", i);
        struct stat facts;
        if (fstatat(folder->folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        if (renameat(folder->folder, "db", folder->folder, name) != 0 && errno != ENOENT)
            return folder_error(error, "set aside the database of", folder->path);
        return fsync(folder->folder) == 0 ? RHEI_OK : folder_error(error, "set aside the database of", folder->path);
    }
    return error_set(error, RHEI_FULL, "the folder \"%s\" has too much that was set aside", folder->path);
}

void rocks_folder_close(struct rocks_folder *folder)
{
    if (folder->lock >= 0)
        (void)close(folder->lock);
    if (folder->folder >= 0)
        (void)close(folder->folder);
    base_free(folder->path);
    base_free(folder->database);
    folder->folder = folder->lock = -1;
    folder->path = folder->database = NULL;
}

/* Whether it is a folder of that file's, and else why not. */
static bool folder_look(struct rocks_folder *folder, const char *file, char *why, size_t size)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rocks_api *api = NULL;
    bool found = false;
    folder->folder = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->folder < 0 && errno == ENOENT) {
        (void)snprintf(why, size, "there is no such folder yet");
        return false;
    }
    rhei_status status = folder->folder < 0 ? folder_error(&error, "open the folder", folder->path)
                                            : identity_read(folder, &found, &error);
    bool empty = status == RHEI_OK && !found && folder_is_empty(folder);
    if (status == RHEI_OK && !found && !empty)
        status = identity_refuse(folder, "", &error);
    if (status != RHEI_OK)
        (void)snprintf(why, size, "%s", error.message);
    else if (empty)
        (void)snprintf(why, size, "the folder is empty");
    else if (file[0] != '\0' && strcmp(folder->file, file) != 0)
        (void)snprintf(why, size, "the folder has the changes of another database");
    else if (rocks_api_load(&api, &error) != RHEI_OK) /* nobody could take anything from it */
        (void)snprintf(why, size, "%s", error.message);
    return why[0] == '\0';
}

rhei_status rocks_folder_of_another(const char *path, struct rhei_error *error)
{
    return error_set(error, RHEI_EXISTS,
                     "the folder \"%s\" has the changes of another database: name another folder, or take this one "
                     "away if nobody needs them any more",
                     path);
}

rhei_status rocksdb_buffer_may_begin(const struct rocksdb_buffer_config *config, struct rhei_error *error)
{
    struct rocks_folder folder = {.folder = -1, .lock = -1, .path = base_strdup(config->folder)};
    bool found = false;
    rhei_status status = folder.path == NULL ? error_no_memory(error) : base_folder_check(folder.path, error);
    folder.folder = status == RHEI_OK ? open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (folder.folder >= 0) { /* else there is none yet, or what is wrong with it the opening says */
        status = folder_judge(&folder, &found, error);
        folder.lock = openat(folder.folder, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (status == RHEI_OK && folder.lock >= 0 && flock(folder.lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            status = folder_busy(&folder, error);
        if (status == RHEI_OK && found)
            status = rocks_folder_of_another(config->folder, error);
    }
    rocks_folder_close(&folder);
    return status;
}

uint64_t rocksdb_buffer_peek(const struct rocksdb_buffer_config *config, char *why, size_t size)
{
    struct rocks_folder folder = {.folder = -1, .lock = -1, .path = base_strdup(config->folder)};
    uint64_t bytes = 0;
    why[0] = '\0';
    bool ours = folder.path != NULL && folder_look(&folder, config->file, why, size);
    int database = ours ? openat(folder.folder, "db", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *listing = database < 0 ? NULL : fdopendir(database);
    for (const struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        struct stat facts;
        if (fstatat(dirfd(listing), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode))
            bytes += (uint64_t)facts.st_size;
    }
    if (listing != NULL)
        (void)closedir(listing);
    else if (database >= 0)
        (void)close(database);
    rocks_folder_close(&folder);
    return bytes;
}
