/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's write-ahead log, a frame by one call: SQLite writes 24 bytes of a frame's head and then its page, and a call costs
 * more than what it copies. Everything else is the system's own file.
 *
 * F1. Only a head that goes on where the last write ended is held back: it is a new frame's, whose page is written next. A
 *     frame that is written over in its transaction lies before the end of what that transaction wrote.
 * F2. Whatever else is done with the file comes after the head that is held. So nobody can see that it was held, and what a
 *     crash may leave is the same: SQLite relies on no order of the two.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

#define FRAMES_VFS "rhei-frames"

enum { HEAD = 24 };

struct frames { /* behind the system's own part of a file */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *system;
    uint8_t *frame; /* head and page together */
    size_t room;
    sqlite3_int64 end; /* of the last write; 0: unknown */
    sqlite3_int64 at;  /* of the head that is held; 0: none is, for the log itself begins with a head of its own */
    uint8_t head[HEAD];
};

static sqlite3_vfs frames_vfs; /* with SQLite's mutex for such */
static sqlite3_vfs *frames_system;

static size_t frames_offset(void)
{
    return ((size_t)frames_system->szOsFile + 15) / 16 * 16;
}

static struct frames *frames_of(sqlite3_file *file)
{
    return (struct frames *)(void *)((char *)file + frames_offset());
}

/* F2 */
static int frames_settle(sqlite3_file *file)
{
    struct frames *frames = frames_of(file);
    sqlite3_int64 at = frames->at;
    frames->at = 0;
    return at == 0 ? SQLITE_OK : frames->system->xWrite(file, frames->head, HEAD, at);
}

/* True: `frame` holds the head and then the page. */
static bool frames_join(struct frames *frames, const void *page, size_t bytes)
{
    void *room = frames->frame;
    if (!base_grow(&room, &frames->room, HEAD + bytes, 1))
        return false;
    frames->frame = room;
    BASE_INVARIANT(frames->at > 0 && frames->room >= HEAD + bytes);
    memcpy(frames->frame, frames->head, HEAD);
    memcpy(frames->frame + HEAD, page, bytes);
    return true;
}

static int frames_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    struct frames *frames = frames_of(file);
    bool goes_on = at == frames->end && at > 0;
    BASE_INVARIANT(frames->at == 0 || frames->end == frames->at + HEAD); /* F1 */
    int rc;
    frames->end = at + count;
    if (frames->at == 0 && goes_on && count == HEAD) { /* F1 */
        memcpy(frames->head, bytes, HEAD);
        frames->at = at;
        return SQLITE_OK;
    }
    if (frames->at != 0 && goes_on && frames_join(frames, bytes, (size_t)count)) {
        sqlite3_int64 from = frames->at;
        frames->at = 0;
        rc = frames->system->xWrite(file, frames->frame, HEAD + count, from);
    } else {
        rc = frames_settle(file);
        rc = rc == SQLITE_OK ? frames->system->xWrite(file, bytes, count, at) : rc;
    }
    if (rc != SQLITE_OK)
        frames->end = 0;
    return rc;
}

static int frames_read(sqlite3_file *file, void *to, int count, sqlite3_int64 at)
{
    int rc = frames_settle(file);
    return rc == SQLITE_OK ? frames_of(file)->system->xRead(file, to, count, at) : rc;
}

static int frames_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = frames_settle(file);
    frames_of(file)->end = 0;
    return rc == SQLITE_OK ? frames_of(file)->system->xTruncate(file, size) : rc;
}

static int frames_sync(sqlite3_file *file, int flags)
{
    int rc = frames_settle(file);
    return rc == SQLITE_OK ? frames_of(file)->system->xSync(file, flags) : rc;
}

static int frames_size(sqlite3_file *file, sqlite3_int64 *size)
{
    int rc = frames_settle(file);
    return rc == SQLITE_OK ? frames_of(file)->system->xFileSize(file, size) : rc;
}

static int frames_control(sqlite3_file *file, int op, void *argument)
{
    int rc = frames_settle(file);
    return rc == SQLITE_OK ? frames_of(file)->system->xFileControl(file, op, argument) : rc;
}

static int frames_close(sqlite3_file *file)
{
    struct frames *frames = frames_of(file);
    int settled = frames_settle(file), closed = frames->system->xClose(file);
    BASE_INVARIANT(frames->at == 0); /* F2 */
    base_free(frames->frame);
    frames->frame = NULL;
    return settled != SQLITE_OK ? settled : closed;
}

static int frames_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    int rc = frames_system->xOpen(frames_system, name, file, flags, out_flags);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0 && file->pMethods != NULL) {
        struct frames *frames = frames_of(file);
        *frames = (struct frames){.system = file->pMethods, .methods = *file->pMethods};
        frames->methods.xWrite = frames_write;
        frames->methods.xRead = frames_read;
        frames->methods.xTruncate = frames_truncate;
        frames->methods.xSync = frames_sync;
        frames->methods.xFileSize = frames_size;
        frames->methods.xFileControl = frames_control;
        frames->methods.xClose = frames_close;
        file->pMethods = &frames->methods;
    }
    return rc;
}

const char *oltp_frames_vfs(void)
{
    sqlite3_mutex *lock = sqlite3_initialize() == SQLITE_OK ? sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_VFS1) : NULL;
    bool known;
    sqlite3_mutex_enter(lock);
    known = sqlite3_vfs_find(FRAMES_VFS) != NULL;
    if (!known && (frames_system = sqlite3_vfs_find(NULL)) != NULL) {
        frames_vfs = *frames_system; /* its other methods don't ask whose they are */
        frames_vfs.zName = FRAMES_VFS;
        frames_vfs.pNext = NULL;
        frames_vfs.szOsFile = (int)(frames_offset() + sizeof(struct frames));
        frames_vfs.xOpen = frames_open;
        known = sqlite3_vfs_register(&frames_vfs, 0) == SQLITE_OK;
    }
    sqlite3_mutex_leave(lock);
    return known ? FRAMES_VFS : NULL;
}
