/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a ":memory:" handle, as a SQLite file system of its own: with a write-ahead log and its shared index, so
 * that in memory everything works as on disk: readers beside the writer, snapshots, cycles, checkpoints. (SQLite's own
 * memdb has no WAL: there a reader would stop the writer, and an open transaction every reader.)
 *
 * M1. The file system is registered under a name of this handle alone, and unregistered with it.
 * M2. Everything but the bytes of the shared index is read and changed under the one lock. The index's bytes are
 *     SQLite's own business, as a mapped file's would be.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oltp/oltp_internal.h"

enum { MEMORY_CHUNK = 65536, MEMORY_REGION = 32768 };

struct memory_open;

struct memory_file {
    char *name; /* NULL: temporary */
    unsigned char **chunks;
    size_t chunk_count, chunk_capacity;
    int64_t size;
    unsigned opened;
    bool deleted;
    /* SQLite's five lock levels */
    unsigned shared;
    const struct memory_open *reserved, *pending, *exclusive;
    /* shared index of a WAL */
    void **regions;
    size_t region_count, region_capacity;
    unsigned index_shared[SQLITE_SHM_NLOCK];
    const struct memory_open *index_exclusive[SQLITE_SHM_NLOCK];
    struct memory_file *next;
};

struct oltp_memory {
    sqlite3_vfs vfs;
    sqlite3_vfs *system;
    char name[40];
    base_mutex lock;
    struct memory_file *files;
};

struct memory_open {
    sqlite3_file base; /* first */
    struct oltp_memory *memory;
    struct memory_file *file;
    int level;
    unsigned index_shared; /* bit per lock */
};

static struct memory_open *memory_open_of(sqlite3_file *file)
{
    return (struct memory_open *)file;
}

static void memory_free_file(struct oltp_memory *memory, struct memory_file *file)
{
    BASE_INVARIANT(file->opened == 0);
    struct memory_file **link = &memory->files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    for (size_t i = 0; i < file->chunk_count; i++)
        base_free(file->chunks[i]);
    for (size_t i = 0; i < file->region_count; i++)
        base_free(file->regions[i]);
    base_free(file->chunks);
    base_free(file->regions);
    base_free(file->name);
    base_free(file);
}

/* ---- Bytes. ------------------------------------------------------------------------------------------------------ */

static int memory_read(sqlite3_file *base, void *to, int amount, sqlite3_int64 offset)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    int rc = SQLITE_OK;
    base_mutex_lock(&open->memory->lock);
    int64_t there = file->size - offset;
    int64_t count = there < 0 ? 0 : there < amount ? there : amount;
    for (int64_t done = 0; done < count;) {
        size_t chunk = (size_t)((offset + done) / MEMORY_CHUNK), within = (size_t)((offset + done) % MEMORY_CHUNK);
        size_t part = MEMORY_CHUNK - within;
        part = part < (size_t)(count - done) ? part : (size_t)(count - done);
        BASE_INVARIANT(chunk < file->chunk_count);
        memcpy((char *)to + done, file->chunks[chunk] + within, part);
        done += (int64_t)part;
    }
    base_mutex_unlock(&open->memory->lock);
    if (count < amount) {
        memset((char *)to + count, 0, (size_t)(amount - count));
        rc = SQLITE_IOERR_SHORT_READ;
    }
    return rc;
}

static bool memory_grow(struct memory_file *file, int64_t size)
{
    size_t needed = (size_t)((size + MEMORY_CHUNK - 1) / MEMORY_CHUNK);
    void *chunks = file->chunks;
    if (!base_grow(&chunks, &file->chunk_capacity, needed, sizeof *file->chunks))
        return false;
    file->chunks = chunks;
    while (file->chunk_count < needed) {
        unsigned char *chunk = base_alloc_zero(1, MEMORY_CHUNK);
        if (chunk == NULL)
            return false;
        file->chunks[file->chunk_count++] = chunk;
    }
    return true;
}

static int memory_write(sqlite3_file *base, const void *from, int amount, sqlite3_int64 offset)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    int rc = SQLITE_OK;
    base_mutex_lock(&open->memory->lock);
    if (!memory_grow(file, offset + amount))
        rc = SQLITE_IOERR_NOMEM;
    for (int64_t done = 0; rc == SQLITE_OK && done < amount;) {
        size_t chunk = (size_t)((offset + done) / MEMORY_CHUNK), within = (size_t)((offset + done) % MEMORY_CHUNK);
        size_t part = MEMORY_CHUNK - within;
        part = part < (size_t)(amount - done) ? part : (size_t)(amount - done);
        BASE_INVARIANT(chunk < file->chunk_count);
        memcpy(file->chunks[chunk] + within, (const char *)from + done, part);
        done += (int64_t)part;
    }
    if (rc == SQLITE_OK && offset + amount > file->size)
        file->size = offset + amount;
    base_mutex_unlock(&open->memory->lock);
    return rc;
}

static int memory_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    base_mutex_lock(&open->memory->lock);
    size_t keep = (size_t)((size + MEMORY_CHUNK - 1) / MEMORY_CHUNK);
    while (file->chunk_count > keep)
        base_free(file->chunks[--file->chunk_count]);
    if (size < file->size) {
        if (size % MEMORY_CHUNK != 0) { /* what grows back must read as zeros */
            memset(file->chunks[size / MEMORY_CHUNK] + size % MEMORY_CHUNK, 0,
                   MEMORY_CHUNK - (size_t)(size % MEMORY_CHUNK));
        }
        file->size = size;
    }
    base_mutex_unlock(&open->memory->lock);
    return SQLITE_OK;
}

static int memory_sync(sqlite3_file *base, int flags)
{
    (void)base;
    (void)flags;
    return SQLITE_OK;
}

static int memory_size(sqlite3_file *base, sqlite3_int64 *size)
{
    struct memory_open *open = memory_open_of(base);
    base_mutex_lock(&open->memory->lock);
    *size = open->file->size;
    base_mutex_unlock(&open->memory->lock);
    return SQLITE_OK;
}

/* ---- Locks of the file. ------------------------------------------------------------------------------------------ */

static bool memory_taken(const struct memory_open *owner, const struct memory_open *self)
{
    return owner != NULL && owner != self;
}

static int memory_lock_level(struct memory_open *open, int level)
{
    struct memory_file *file = open->file;
    if (open->level == SQLITE_LOCK_NONE) {
        if (memory_taken(file->pending, open) || memory_taken(file->exclusive, open))
            return SQLITE_BUSY;
        file->shared++;
        open->level = SQLITE_LOCK_SHARED;
    }
    if (level >= SQLITE_LOCK_RESERVED && open->level < SQLITE_LOCK_RESERVED) {
        if (memory_taken(file->reserved, open))
            return SQLITE_BUSY;
        file->reserved = open;
        open->level = SQLITE_LOCK_RESERVED;
    }
    if (level == SQLITE_LOCK_EXCLUSIVE) {
        if (memory_taken(file->pending, open))
            return SQLITE_BUSY;
        file->pending = open;
        open->level = SQLITE_LOCK_PENDING;
        if (file->shared > 1)
            return SQLITE_BUSY;
        BASE_INVARIANT(file->shared == 1 && file->reserved == open && file->exclusive == NULL);
        file->exclusive = open;
        open->level = SQLITE_LOCK_EXCLUSIVE;
    }
    return SQLITE_OK;
}

static int memory_lock(sqlite3_file *base, int level)
{
    struct memory_open *open = memory_open_of(base);
    base_mutex_lock(&open->memory->lock);
    int rc = level > open->level ? memory_lock_level(open, level) : SQLITE_OK;
    base_mutex_unlock(&open->memory->lock);
    return rc;
}

static int memory_unlock(sqlite3_file *base, int level)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    base_mutex_lock(&open->memory->lock);
    if (level < open->level) {
        if (level <= SQLITE_LOCK_SHARED) {
            file->reserved = file->reserved == open ? NULL : file->reserved;
            file->pending = file->pending == open ? NULL : file->pending;
            file->exclusive = file->exclusive == open ? NULL : file->exclusive;
        }
        if (level == SQLITE_LOCK_NONE) {
            BASE_INVARIANT(file->shared > 0);
            file->shared--;
        }
        open->level = level;
    }
    base_mutex_unlock(&open->memory->lock);
    return SQLITE_OK;
}

static int memory_check_reserved(sqlite3_file *base, int *result)
{
    struct memory_open *open = memory_open_of(base);
    base_mutex_lock(&open->memory->lock);
    *result = open->file->reserved != NULL;
    base_mutex_unlock(&open->memory->lock);
    return SQLITE_OK;
}

static int memory_control(sqlite3_file *base, int op, void *argument)
{
    (void)base;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int memory_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int memory_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

/* ---- The shared index. ------------------------------------------------------------------------------------------- */

static int memory_index_map(sqlite3_file *base, int region, int size, int extend, void volatile **result)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    int rc = SQLITE_OK;
    *result = NULL;
    if (size != MEMORY_REGION || region < 0)
        return SQLITE_IOERR_SHMMAP;
    base_mutex_lock(&open->memory->lock);
    while (rc == SQLITE_OK && extend != 0 && file->region_count <= (size_t)region) {
        void *regions = file->regions;
        void *bytes = NULL;
        if (base_grow(&regions, &file->region_capacity, file->region_count + 1, sizeof *file->regions)) {
            file->regions = regions;
            bytes = base_alloc_zero(1, MEMORY_REGION);
        }
        if (bytes == NULL)
            rc = SQLITE_NOMEM;
        else
            file->regions[file->region_count++] = bytes;
    }
    if (rc == SQLITE_OK && (size_t)region < file->region_count)
        *result = file->regions[region];
    base_mutex_unlock(&open->memory->lock);
    return rc;
}

static bool memory_index_free(const struct memory_open *open, int offset, int count, bool exclusive)
{
    const struct memory_file *file = open->file;
    for (int i = offset; i < offset + count; i++) {
        bool ours = (open->index_shared >> i & 1) != 0;
        if (memory_taken(file->index_exclusive[i], open) || (exclusive && file->index_shared[i] > (ours ? 1u : 0u)))
            return false;
    }
    return true;
}

static int memory_index_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct memory_open *open = memory_open_of(base);
    struct memory_file *file = open->file;
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    BASE_INVARIANT(offset >= 0 && count > 0 && offset + count <= SQLITE_SHM_NLOCK);
    int rc = SQLITE_OK;
    base_mutex_lock(&open->memory->lock);
    if ((flags & SQLITE_SHM_LOCK) != 0 && !memory_index_free(open, offset, count, exclusive))
        rc = SQLITE_BUSY;
    for (int i = offset; rc == SQLITE_OK && i < offset + count; i++) {
        bool ours = (open->index_shared >> i & 1) != 0;
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
            file->index_exclusive[i] = file->index_exclusive[i] == open ? NULL : file->index_exclusive[i];
            file->index_shared[i] -= ours;
            open->index_shared &= ~(1u << i);
        } else if (exclusive) {
            BASE_INVARIANT(file->index_shared[i] <= (ours ? 1u : 0u));
            file->index_exclusive[i] = open;
        } else if (!ours) {
            file->index_shared[i]++;
            open->index_shared |= 1u << i;
        }
    }
    base_mutex_unlock(&open->memory->lock);
    return rc;
}

static void memory_index_barrier(sqlite3_file *base)
{
    struct memory_open *open = memory_open_of(base);
    base_fence();
    base_mutex_lock(&open->memory->lock);
    base_mutex_unlock(&open->memory->lock);
}

static int memory_index_unmap(sqlite3_file *base, int remove)
{
    (void)remove; /* the index lives as long as the file: the handle's last connection ends with it */
    return memory_index_lock(base, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
}

/* ---- Opening and closing files. ---------------------------------------------------------------------------------- */

static int memory_close_file(sqlite3_file *base)
{
    struct memory_open *open = memory_open_of(base);
    memory_unlock(base, SQLITE_LOCK_NONE);
    memory_index_unmap(base, 0);
    base_mutex_lock(&open->memory->lock);
    BASE_INVARIANT(open->file->opened > 0 && open->index_shared == 0);
    open->file->opened--;
    if (open->file->opened == 0 && (open->file->deleted || open->file->name == NULL))
        memory_free_file(open->memory, open->file);
    base_mutex_unlock(&open->memory->lock);
    return SQLITE_OK;
}

static const sqlite3_io_methods memory_methods = {
    .iVersion = 2,
    .xClose = memory_close_file,
    .xRead = memory_read,
    .xWrite = memory_write,
    .xTruncate = memory_truncate,
    .xSync = memory_sync,
    .xFileSize = memory_size,
    .xLock = memory_lock,
    .xUnlock = memory_unlock,
    .xCheckReservedLock = memory_check_reserved,
    .xFileControl = memory_control,
    .xSectorSize = memory_sector,
    .xDeviceCharacteristics = memory_characteristics,
    .xShmMap = memory_index_map,
    .xShmLock = memory_index_lock,
    .xShmBarrier = memory_index_barrier,
    .xShmUnmap = memory_index_unmap,
};

static struct memory_file *memory_find(struct oltp_memory *memory, const char *name)
{
    struct memory_file *file = memory->files;
    while (file != NULL && (file->deleted || file->name == NULL || name == NULL || strcmp(file->name, name) != 0))
        file = file->next;
    return file;
}

static struct memory_file *memory_make(struct oltp_memory *memory, const char *name)
{
    struct memory_file *file = base_alloc_zero(1, sizeof *file);
    char *copy = name == NULL ? NULL : base_strdup(name);
    if (file == NULL || (name != NULL && copy == NULL)) {
        base_free(file);
        base_free(copy);
        return NULL;
    }
    file->name = copy;
    file->next = memory->files;
    memory->files = file;
    return file;
}

static int memory_open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    struct oltp_memory *memory = vfs->pAppData;
    struct memory_open *open = memory_open_of(base);
    int rc = SQLITE_OK;
    memset(open, 0, sizeof *open);
    base_mutex_lock(&memory->lock);
    struct memory_file *file = memory_find(memory, name);
    if (file == NULL && (flags & SQLITE_OPEN_CREATE) == 0 && name != NULL) {
        rc = SQLITE_CANTOPEN;
    } else if (file == NULL) {
        file = memory_make(memory, name);
        rc = file == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    if (rc == SQLITE_OK) {
        file->opened++;
        open->memory = memory;
        open->file = file;
        open->base.pMethods = &memory_methods;
    }
    base_mutex_unlock(&memory->lock);
    if (out_flags != NULL)
        *out_flags = flags;
    return rc;
}

static int memory_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)sync;
    struct oltp_memory *memory = vfs->pAppData;
    base_mutex_lock(&memory->lock);
    struct memory_file *file = memory_find(memory, name);
    if (file != NULL) {
        file->deleted = true;
        if (file->opened == 0)
            memory_free_file(memory, file);
    }
    base_mutex_unlock(&memory->lock);
    return file == NULL ? SQLITE_IOERR_DELETE_NOENT : SQLITE_OK;
}

static int memory_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)flags;
    struct oltp_memory *memory = vfs->pAppData;
    base_mutex_lock(&memory->lock);
    *result = memory_find(memory, name) != NULL;
    base_mutex_unlock(&memory->lock);
    return SQLITE_OK;
}

static int memory_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int memory_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    sqlite3_vfs *system = ((struct oltp_memory *)vfs->pAppData)->system;
    return system->xRandomness(system, size, out);
}

static int memory_sleep(sqlite3_vfs *vfs, int us)
{
    sqlite3_vfs *system = ((struct oltp_memory *)vfs->pAppData)->system;
    return system->xSleep(system, us);
}

static int memory_time(sqlite3_vfs *vfs, sqlite3_int64 *time)
{
    sqlite3_vfs *system = ((struct oltp_memory *)vfs->pAppData)->system;
    return system->xCurrentTimeInt64(system, time);
}

static int memory_time_real(sqlite3_vfs *vfs, double *time)
{
    sqlite3_vfs *system = ((struct oltp_memory *)vfs->pAppData)->system;
    return system->xCurrentTime(system, time);
}

static int memory_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

/* ---- The file system. -------------------------------------------------------------------------------------------- */

rhei_status oltp_memory_open(struct oltp_memory **result, struct rhei_error *error)
{
    *result = NULL;
    struct oltp_memory *memory = base_alloc_zero(1, sizeof *memory);
    if (memory == NULL)
        return error_no_memory(error);
    base_mutex_init(&memory->lock);
    snprintf(memory->name, sizeof memory->name, "rhei-%" PRIx64, base_random_u64());
    if (sqlite3_initialize() == SQLITE_OK)
        memory->system = sqlite3_vfs_find(NULL);
    memory->vfs = (sqlite3_vfs){.iVersion = 2,
                                .szOsFile = (int)sizeof(struct memory_open),
                                .mxPathname = 512,
                                .zName = memory->name,
                                .pAppData = memory,
                                .xOpen = memory_open_file,
                                .xDelete = memory_delete,
                                .xAccess = memory_access,
                                .xFullPathname = memory_full_path,
                                .xRandomness = memory_randomness,
                                .xSleep = memory_sleep,
                                .xCurrentTime = memory_time_real,
                                .xGetLastError = memory_last_error,
                                .xCurrentTimeInt64 = memory_time};
    if (memory->system == NULL || sqlite3_vfs_register(&memory->vfs, 0) != SQLITE_OK) {
        base_mutex_destroy(&memory->lock);
        base_free(memory);
        return error_no_memory(error);
    }
    *result = memory;
    return RHEI_OK;
}

const char *oltp_memory_vfs(const struct oltp_memory *memory)
{
    return memory->name;
}

void oltp_memory_close(struct oltp_memory **slot)
{
    struct oltp_memory *memory = *slot;
    if (memory == NULL)
        return;
    *slot = NULL;
    sqlite3_vfs_unregister(&memory->vfs);
    while (memory->files != NULL)
        memory_free_file(memory, memory->files);
    base_mutex_destroy(&memory->lock);
    base_free(memory);
}
