/* SPDX-License-Identifier: Apache-2.0 */
#include "store_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "store_local.h"
#include "store_local_file.h"

#define DATABASE "rhei.db"
#define MIRROR   "rhei.mirror"
#define LIST     "backup.json"
#define PART     ".part"

enum { PIECE_BYTES = 1 << 20 };

/* ---- Where it is. ------------------------------------------------------------------------------------------------ */

/* A folder that isn't there has nothing in it. */
static rhei_status check_apart(const char *path, const char *const *apart, size_t count, struct rhei_error *error)
{
    for (size_t i = 0; i < count; i++) {
        char *other = NULL;
        rhei_status status = apart[i] == NULL ? RHEI_OK : store_local_resolve(apart[i], &other, NULL);
        if (status == RHEI_NO_MEMORY)
            return error_no_memory(error);
        size_t len = other == NULL ? 0 : strlen(other);
        bool within = len > 0 && strncmp(path, other, len) == 0 && (path[len] == '\0' || path[len] == '/');
        base_free(other);
        if (within)
            return error_set(error, RHEI_INVALID,
                             "\"%s\" is, or is in, a folder of the database itself (\"%s\"): name another one", path,
                             apart[i]);
    }
    return RHEI_OK;
}

/* ---- What is in it. ---------------------------------------------------------------------------------------------- */

static rhei_status refuse_full(const struct store_backup *backup, struct rhei_error *error)
{
    DIR *entries = store_folder_list(backup->folder, ".");
    if (entries == NULL)
        return store_io_error(error, "list the folder", backup->path);
    bool any = false, part = false, whole = false;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        any = true;
        part |= strcmp(entry->d_name, LIST PART) == 0;
        whole |= strcmp(entry->d_name, LIST) == 0;
    }
    (void)closedir(entries);
    if (!any)
        return RHEI_OK;
    return error_set(error, RHEI_EXISTS, "%s \"%s\" %s", whole || part ? "the folder" : "the folder of a backup,",
                     backup->path,
                     whole  ? "holds a backup already: name another one for this one"
                     : part ? "holds a backup that is being made, or what is left of one that never came to its end "
                              "(backup.json.part tells): name another folder, or remove this one"
                            : "must be empty, or not be there: name another one");
}

static rhei_status make_folder(struct store_backup *backup, struct rhei_error *error)
{
    if (mkdir(backup->path, 0777) == 0)
        backup->made = true;
    else if (errno != EEXIST)
        return store_io_error(error, "make the folder", backup->path);
    backup->folder = open(backup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (backup->folder < 0)
        return errno == ENOTDIR ? error_set(error, RHEI_EXISTS, "\"%s\" is a file: a backup is a folder", backup->path)
                                : store_io_error(error, "open the folder", backup->path);
    rhei_status status = refuse_full(backup, error);
    if (status != RHEI_OK)
        return status;
    int mark = openat(backup->folder, LIST PART, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (mark < 0)
        return store_io_error(error, "write to the folder", backup->path);
    (void)close(mark);
    backup->has_files = true;
    return RHEI_OK;
}

rhei_status store_backup_begin(const char *path, const char *const *apart, size_t apart_count,
                               struct store_backup *backup, struct rhei_error *error)
{
    *backup = (struct store_backup){.folder = -1};
    if (path == NULL || path[0] == '\0')
        return error_set(error, RHEI_INVALID, "a backup needs the name of a folder");
    rhei_status status = store_local_resolve(path, &backup->path, error);
    if (status != RHEI_OK)
        return status;
    struct base_buffer database = {0}, mirror = {0};
    base_buffer_format(&database, "%s/" DATABASE PART, backup->path);
    base_buffer_format(&mirror, "%s/" MIRROR PART, backup->path);
    backup->database = base_buffer_take(&database);
    backup->mirror = base_buffer_take(&mirror);
    status = backup->database == NULL || backup->mirror == NULL ? error_no_memory(error)
                                                                : check_apart(backup->path, apart, apart_count, error);
    if (status == RHEI_OK)
        status = make_folder(backup, error);
    if (status != RHEI_OK)
        store_backup_end(backup, false);
    return status;
}

/* ---- Taking away. ------------------------------------------------------------------------------------------------ */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Of files, and of folders of such: those of sidecars. */
static void remove_folder(int above, const char *name, bool nested)
{
    DIR *entries = store_folder_list(above, name);
    for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        if (!is_dots(entry->d_name) && unlinkat(dirfd(entries), entry->d_name, 0) != 0 && nested)
            remove_folder(dirfd(entries), entry->d_name, false);
    if (entries != NULL)
        (void)closedir(entries);
    (void)unlinkat(above, name, AT_REMOVEDIR);
}

static void remove_mirror(const struct store_backup *backup, const char *name)
{
    remove_folder(backup->folder, name, true);
}

void store_backup_clear_mirror(struct store_backup *backup)
{
    remove_mirror(backup, MIRROR PART);
}

/* What marks the folder goes last: as long as anything is in it, it isn't taken for a backup, nor for one's own files. */
static void remove_all(const struct store_backup *backup)
{
    static const char *const names[] = {
        LIST, DATABASE, DATABASE PART, DATABASE PART "-wal", DATABASE PART "-journal", DATABASE PART "-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlinkat(backup->folder, names[i], 0);
    remove_mirror(backup, MIRROR);
    remove_mirror(backup, MIRROR PART);
    (void)unlinkat(backup->folder, LIST PART, 0);
}

void store_backup_end(struct store_backup *backup, bool keep)
{
    if (!keep && backup->has_files)
        remove_all(backup);
    if (!keep && backup->made)
        (void)rmdir(backup->path);
    if (backup->folder >= 0)
        (void)close(backup->folder);
    base_free(backup->path);
    base_free(backup->database);
    base_free(backup->mirror);
    *backup = (struct store_backup){.folder = -1};
}

/* ---- Making it count. -------------------------------------------------------------------------------------------- */

struct summing {
    rhei_status (*check)(void *context);
    void *context;
    struct base_buffer *json;
    struct store_backup_sums *sums;
    void *piece;
};

static rhei_status sum_open(struct summing *summing, int file, const char *name, uint64_t *bytes, uint64_t *sum,
                            struct rhei_error *error)
{
    struct base_summing state;
    rhei_status status = RHEI_OK;
    base_summing_begin(&state);
    *bytes = 0;
    for (ssize_t got = 1; status == RHEI_OK && got > 0;) {
        got = read(file, summing->piece, PIECE_BYTES);
        if (got < 0)
            return store_io_error(error, "read", name);
        base_summing_add(&state, summing->piece, (size_t)got);
        *bytes += (uint64_t)got;
        status = summing->check == NULL ? RHEI_OK : summing->check(summing->context);
    }
    *sum = base_summing_end(&state);
    return status == RHEI_OK ? RHEI_OK : error_ended(error, status);
}

static rhei_status sum_file(struct summing *summing, int folder, const char *name, const char *shown, uint64_t *bytes,
                            struct rhei_error *error)
{
    uint64_t sum = 0;
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return store_io_error(error, "open", name);
    rhei_status status = sum_open(summing, file, name, bytes, &sum, error);
    if (status == RHEI_OK && fsync(file) != 0)
        status = store_io_error(error, "make durable", name);
    (void)close(file);
    base_buffer_format(summing->json, "%s{\"name\": \"%s%s\", \"bytes\": %" PRIu64 ", \"xxh64\": \"%016" PRIx64 "\"}",
                       summing->sums->files++ == 0 ? "" : ",\n    ", shown, strcmp(shown, DATABASE) == 0 ? "" : name,
                       *bytes, sum);
    return status;
}

static rhei_status sum_folder(struct summing *summing, int folder, const char *shown, bool nested,
                              struct rhei_error *error);

/* A file, or the folder of a sidecar. */
static rhei_status sum_entry(struct summing *summing, int folder, const char *name, const char *shown, bool nested,
                             struct rhei_error *error)
{
    struct base_buffer below = {0};
    uint64_t bytes = 0;
    int inner = nested ? openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    rhei_status status = RHEI_OK;
    if (inner < 0) {
        status = sum_file(summing, folder, name, shown, &bytes, error);
        summing->sums->mirror_bytes += bytes;
        return status;
    }
    base_buffer_format(&below, "%s%s/", shown, name);
    status = below.failed ? error_no_memory(error) : sum_folder(summing, inner, below.data, false, error);
    base_buffer_reset(&below);
    (void)close(inner);
    return status;
}

static rhei_status sum_folder(struct summing *summing, int folder, const char *shown, bool nested,
                              struct rhei_error *error)
{
    DIR *entries = store_folder_list(folder, ".");
    rhei_status status = entries == NULL ? store_io_error(error, "list", shown) : RHEI_OK;
    for (const struct dirent *entry; status == RHEI_OK && (entry = readdir(entries)) != NULL;)
        if (!is_dots(entry->d_name) && strcmp(entry->d_name, "lock") != 0)
            status = sum_entry(summing, folder, entry->d_name, shown, nested, error);
    if (entries != NULL)
        (void)closedir(entries);
    return status == RHEI_OK ? store_folder_sync(folder, error) : status;
}

rhei_status store_backup_list(struct store_backup *backup, rhei_status (*check)(void *context), void *context,
                              struct base_buffer *json, struct store_backup_sums *sums, struct rhei_error *error)
{
    *sums = (struct store_backup_sums){0};
    struct summing summing = {check, context, json, sums, base_alloc(PIECE_BYTES)};
    if (summing.piece == NULL)
        return error_no_memory(error);
    base_buffer_text(json, "[");
    rhei_status status = sum_file(&summing, backup->folder, DATABASE PART, DATABASE, &sums->database_bytes, error);
    int mirror = openat(backup->folder, MIRROR PART, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (status == RHEI_OK && mirror >= 0)
        status = sum_folder(&summing, mirror, MIRROR "/", true, error);
    if (mirror >= 0)
        (void)close(mirror);
    base_buffer_text(json, "]");
    base_free(summing.piece);
    return status;
}

rhei_status store_backup_name(struct store_backup *backup, struct rhei_error *error)
{
    if (renameat(backup->folder, MIRROR PART, backup->folder, MIRROR) != 0 && errno != ENOENT)
        return store_io_error(error, "name", MIRROR);
    if (renameat(backup->folder, DATABASE PART, backup->folder, DATABASE) != 0)
        return store_io_error(error, "name", DATABASE);
    return store_folder_sync(backup->folder, error);
}

static rhei_status write_mark(const struct store_backup *backup, const char *text, size_t len, struct rhei_error *error)
{
    int file = openat(backup->folder, LIST PART, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return store_io_error(error, "open", LIST);
    rhei_status status = store_open_file_write(file, text, len) ? RHEI_OK : store_io_error(error, "write", LIST);
    if (status == RHEI_OK && fsync(file) != 0)
        status = store_io_error(error, "make durable", LIST);
    if (close(file) != 0 && status == RHEI_OK)
        status = store_io_error(error, "write", LIST);
    return status;
}

/* The folder's own name, where it was made, is the folder's above. */
static void sync_above(const struct store_backup *backup)
{
    int above = openat(backup->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) {
        (void)fsync(above);
        (void)close(above);
    }
}

rhei_status store_backup_seal(struct store_backup *backup, const char *text, size_t len, struct rhei_error *error)
{
    rhei_status status = write_mark(backup, text, len, error);
    if (status == RHEI_OK && backup->made)
        sync_above(backup);
    if (status == RHEI_OK && renameat(backup->folder, LIST PART, backup->folder, LIST) != 0)
        status = store_io_error(error, "name", LIST);
    return status == RHEI_OK ? store_folder_sync(backup->folder, error) : status;
}
