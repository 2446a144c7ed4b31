/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file this handle has open, and whether the path still leads to it.
 *
 * D1. The path is made absolute once, at open: whatever the process does with its folder, every connection opens one file.
 * D2. Device and inode are those of the file that the first connection opened; each later connection must find the same.
 * D3. Once the path leads elsewhere or nowhere, the handle is of no use any more: what it wrote nobody would read, and what
 *     it read nobody wrote. Every call says so from then on, and no commit succeeds: the commit hook looks last.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "oltp/oltp_internal.h"

enum { LOOK_EVERY_NS = 100000 }; /* for calls that only read: a look costs half a microsecond */

/* Where the folder of `path` is, and the name as it is: SQLite follows a link of the file itself. */
rhei_status oltp_identity_resolve(const char *path, char **resolved, struct rhei_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    *resolved = NULL;
    if (strncmp(path, "file:", 5) == 0 || len >= sizeof folder) { /* SQLite's own forms, and its own errors */
        *resolved = base_strdup(path);
        return *resolved == NULL ? error_no_memory(error) : RHEI_OK;
    }
    memcpy(folder, slash == NULL ? "." : path, len);
    folder[len] = '\0';
    char real[PATH_MAX];
    const char *found = realpath(folder, real);
    struct base_buffer text = {0};
    if (found == NULL) { /* it isn't there: SQLite says so in its words */
        base_buffer_text(&text, path);
    } else {
        base_buffer_format(&text, "%s%s%s", found, strcmp(found, "/") == 0 ? "" : "/",
                           slash == NULL ? path : slash + 1);
    }
    *resolved = base_buffer_take(&text);
    return *resolved == NULL ? error_no_memory(error) : RHEI_OK;
}

static bool identity_holds(const struct oltp *oltp)
{
    struct stat info;
    return stat(oltp->path, &info) == 0 && (uint64_t)info.st_dev == oltp->identity.device &&
           (uint64_t)info.st_ino == oltp->identity.inode;
}

rhei_status oltp_identity_connected(struct oltp_connection *connection, struct rhei_error *error)
{
    struct oltp *oltp = connection->oltp;
    struct stat info;
    int moved = 0;
    if (oltp->memory != NULL)
        return RHEI_OK;
    if (!oltp->identity.known && stat(oltp->path, &info) == 0) {
        oltp->identity.device = (uint64_t)info.st_dev;
        oltp->identity.inode = (uint64_t)info.st_ino;
        oltp->identity.known = true;
    }
    /* the connection's own file is the one that the path leads to, and that is ours */
    if (sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0)
        atomic_store_explicit(&oltp->identity.replaced, true, memory_order_relaxed);
    return oltp_identity_check(oltp, true, error);
}

bool oltp_identity_lost(const struct oltp *oltp)
{
    return atomic_load_explicit(&oltp->identity.replaced, memory_order_relaxed);
}

static rhei_status identity_error(struct oltp *oltp, struct rhei_error *error)
{
    return error_set(
        error, RHEI_REPLACED,
        "database \"%s\": its file was moved, deleted or replaced by another while it was open, so nothing is "
        "read from it or written to it any more: close this handle and open the database again",
        oltp->config.path);
}

static void identity_lose(struct oltp *oltp)
{
    if (!atomic_exchange(&oltp->identity.replaced, true)) {
        base_log_write(oltp->config.log, BASE_LOG_ERROR, "oltp",
                       "the file of %s was moved, deleted or replaced by another: this handle serves nothing any more",
                       oltp->path);
    }
}

rhei_status oltp_identity_check(struct oltp *oltp, bool now, struct rhei_error *error)
{
    struct oltp_identity *identity = &oltp->identity;
    if (!identity->known)
        return RHEI_OK;
    if (!oltp_identity_lost(oltp)) {
        int64_t time = base_now_ns();
        int64_t looked = atomic_load_explicit(&identity->looked_ns, memory_order_relaxed);
        if (!now && time - looked < LOOK_EVERY_NS)
            return RHEI_OK;
        if (identity_holds(oltp)) {
            atomic_store_explicit(&identity->looked_ns, time, memory_order_relaxed);
            return RHEI_OK;
        }
        identity_lose(oltp);
    }
    return identity_error(oltp, error);
}

rhei_status oltp_check_file(struct oltp *oltp, struct rhei_error *error)
{
    return oltp_identity_check(oltp, false, error);
}

/*
 * The last look before a commit: not zero rolls it back. It may not be spared, nor made now and then only: after it nothing
 * stands between the caller's OK and a row in a file that nobody will open again. It needs no clock.
 */
int oltp_identity_commit(void *context)
{
    struct oltp *oltp = context;
    if (!oltp->identity.known || (!oltp_identity_lost(oltp) && identity_holds(oltp)))
        return 0;
    identity_lose(oltp);
    return 1;
}
