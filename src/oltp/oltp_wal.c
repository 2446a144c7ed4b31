/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of SQLite's write-ahead log. Owner thread: the maintenance.
 *
 * V1. Below its limit the log's file is left alone: SQLite writes it anew from its beginning, which is cheaper than growing it. It
 *     is made to do so at half of the limit, so that a busy writer stays below it.
 * V2. Above the limit it is cut off as soon as nobody reads from it. While somebody does, one look each WAL_LOOK_MS tries again; the
 *     writer is held for it only when all of the log is in the file already, which takes microseconds. The first page beyond the
 *     limit has it looked at: whoever writes no more would leave it as it is.
 * V3. Whoever keeps it from being cut is named, with how long it has been reading, once a minute and in the status.
 * V4. Where the disk had no room for the writer the log is cut off whatever its size: no commit succeeds any more, so none asks for a
 *     checkpoint, and it may be the log that fills the disk. If the file has no room for what it would get, the next write that fails asks again.
 */
#include <inttypes.h>
#include <stdio.h>

#include "oltp/oltp_internal.h"

enum {
    WAL_LOOK_MS = 100,
    WAL_PATIENCE_MS = 1000, /* readers shorter than that are nobody's fault */
    WAL_WARN_MS = 60000,
    WAL_RESET = 16000, /* frames at which the log is made to start anew at the latest */
    WAL_REST = 1000,   /* frames that a busy writer may add while a checkpoint runs */
};

uint64_t oltp_wal_bytes(struct oltp_connection *connection)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    if (connection == NULL ||
        sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL || file->pMethods->xFileSize(file, &size) != SQLITE_OK || size < 0)
        return 0;
    return (uint64_t)size;
}

static const char elsewhere[] = "a reader of another program, or a build, repair or backup of this one,";

/* Since when the oldest reader of this handle has been reading, and what it is. */
static int64_t wal_oldest(struct oltp *oltp, const char **what)
{
    bool backup = false;
    int64_t oldest = oltp_readers_oldest(oltp, &backup);
    *what = oldest == INT64_MAX ? elsewhere
            : backup            ? "a backup that this handle makes"
                                : "an answer of this handle that was not closed";
    base_mutex_lock(&oltp->queue_lock);
    if (oltp->in_session && oltp->session_since_ns < oldest) {
        oldest = oltp->session_since_ns;
        *what = "the open transaction of a session";
    }
    base_mutex_unlock(&oltp->queue_lock);
    return oldest;
}

static void wal_held(struct oltp *oltp, uint64_t bytes, int64_t now)
{
    const char *what;
    int64_t oldest = wal_oldest(oltp, &what);
    if (oltp->wal_blocked_ns == 0)
        oltp->wal_blocked_ns = now;
    if (oldest > oltp->wal_blocked_ns) { /* none of ours is as old as the trouble */
        what = elsewhere;
        oldest = oltp->wal_blocked_ns;
    }
    int64_t age_ms = (now - oldest) / 1000000;
    atomic_store_explicit(&oltp->wal_held_since_ns, oldest, memory_order_relaxed);
    if (now - oltp->wal_blocked_ns >= (int64_t)WAL_PATIENCE_MS * 1000000 && now >= oltp->wal_warn_ns) {
        char why[64] = "and the disk is full";
        oltp->wal_warn_ns = now + (int64_t)WAL_WARN_MS * 1000000;
        if (bytes > oltp->config.wal_limit_bytes)
            (void)snprintf(why, sizeof why, "more than wal_limit (%" PRIu64 " MiB)",
                           oltp->config.wal_limit_bytes >> 20);
        base_log_write(oltp->config.log, BASE_LOG_WARN, "oltp",
                       "the write-ahead log has %" PRIu64 " MiB, %s, and can't be cut: %s has been reading for %" PRId64
                       ".%" PRId64 " s",
                       bytes >> 20, why, what, age_ms / 1000, age_ms % 1000 / 100);
    }
}

/* Whoever follows the log sees all of it now: it may start anew. */
static void wal_see(struct oltp *oltp, struct oltp_connection *connection)
{
    if (oltp->hooks->pin_frames(oltp, connection))
        oltp_exec(connection, "COMMIT", NULL);
}

/* With everything in the file already. */
static bool wal_truncate(struct oltp *oltp, struct oltp_connection *connection)
{
    if (oltp_writer_acquire(oltp, base_now_ns() + 1000000, NULL) != RHEI_OK)
        return false;
    wal_see(oltp, connection);
    connection->busy_deadline_ns = 1; /* waits for no reader */
    int rc = sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    connection->busy_deadline_ns = 0;
    if (rc == SQLITE_OK)
        atomic_store_explicit(&oltp->checkpoint_at, oltp_checkpoint_next(oltp, 0), memory_order_relaxed);
    oltp_writer_release(oltp);
    return rc == SQLITE_OK;
}

int64_t oltp_wal_look(struct oltp *oltp, struct oltp_connection *connection)
{
    uint64_t bytes = oltp_wal_bytes(connection);
    int64_t now = base_now_ns();
    bool full = atomic_exchange_explicit(&oltp->disk_full, false, memory_order_relaxed) && bytes > 0;
    bool over = full || bytes > oltp->config.wal_limit_bytes;
    if (over) {
        int frames = 0, done = 0;
        wal_see(oltp, connection);
        connection->busy_deadline_ns = 1;
        int rc = sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        connection->busy_deadline_ns = 0;
        bool cut = rc == SQLITE_OK && frames - done < WAL_REST && wal_truncate(oltp, connection);
        full = full && !cut && (rc == SQLITE_OK || rc == SQLITE_BUSY); /* V4 */
        over = full || (!cut && bytes > oltp->config.wal_limit_bytes);
    }
    if (full)
        atomic_store_explicit(&oltp->disk_full, true, memory_order_relaxed);
    if (!over) {
        oltp->wal_blocked_ns = 0;
        oltp->wal_warn_ns = 0;
        atomic_store_explicit(&oltp->wal_held_since_ns, 0, memory_order_relaxed);
        return INT64_MAX;
    }
    wal_held(oltp, bytes, now);
    return now + (int64_t)WAL_LOOK_MS * 1000000;
}

unsigned oltp_checkpoint_pages(const struct oltp *oltp)
{
    uint64_t pages = oltp->config.wal_limit_bytes / 4096;
    return pages < 64 ? 64 : pages < OLTP_CHECKPOINT_PAGES ? (unsigned)pages : OLTP_CHECKPOINT_PAGES;
}

uint64_t oltp_wal_most_pages(const struct oltp *oltp)
{
    return (oltp->config.wal_limit_bytes - OLTP_WAL_HEAD) / ((uint64_t)oltp->page_size + OLTP_FRAME_HEAD);
}

unsigned oltp_checkpoint_next(const struct oltp *oltp, unsigned pages)
{
    unsigned next = pages + oltp_checkpoint_pages(oltp);
    uint64_t most = oltp_wal_most_pages(oltp);
    return pages <= most && next > most ? (unsigned)most + 1 : next;
}

unsigned oltp_wal_reset_pages(const struct oltp *oltp)
{
    uint64_t pages = oltp->config.wal_limit_bytes / 2 / 4096;
    return pages < OLTP_CHECKPOINT_PAGES ? OLTP_CHECKPOINT_PAGES : pages < WAL_RESET ? (unsigned)pages : WAL_RESET;
}
