/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_target.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool cannot_write(const struct rh_tool *tool, const char *name, int reason)
{
    rh_tell(tool, "%s could not be written: %s", name, strerror(reason));
    return false;
}

static bool is_there(const struct rh_tool *tool, const char *name)
{
    rh_tell(tool,
            tool->repl ? "%s is there already: name another, or remove it first"
                       : "%s is there already: --force replaces it",
            name);
    return false;
}

/* ---- What the database lives in. ------------------------------------------------------------------------------------- */

/* Whether two names are of one file, or would be if it were there. */
static bool is_same(const char *name, const char *other)
{
    struct stat one, two;
    const char *base = strrchr(name, '/'), *other_base = strrchr(other, '/');
    struct rh_buffer folder = {0}, other_folder = {0};
    if (stat(name, &one) == 0 && stat(other, &two) == 0)
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
    if (strcmp(base != NULL ? base + 1 : name, other_base != NULL ? other_base + 1 : other) != 0)
        return false;
    rh_buffer_format(&folder, "%.*s.", base != NULL ? (int)(base + 1 - name) : 0, name);
    rh_buffer_format(&other_folder, "%.*s.", other_base != NULL ? (int)(other_base + 1 - other) : 0, other);
    bool same = stat(folder.bytes, &one) == 0 && stat(other_folder.bytes, &two) == 0 && one.st_dev == two.st_dev &&
                one.st_ino == two.st_ino;
    rh_buffer_free(&folder);
    rh_buffer_free(&other_folder);
    return same;
}

/* Whether the file is, or would be, in that folder or below it. */
static bool is_below(const char *name, const char *folder)
{
    struct stat inner, outer;
    struct rh_buffer at = {0};
    const char *base = strrchr(name, '/');
    bool below = false, top = stat(folder, &outer) != 0 || !S_ISDIR(outer.st_mode);
    rh_buffer_format(&at, "%.*s.", base != NULL ? (int)(base + 1 - name) : 0, name);
    while (!top && !below && stat(at.bytes, &inner) == 0) {
        dev_t device = inner.st_dev;
        ino_t number = inner.st_ino;
        below = device == outer.st_dev && number == outer.st_ino;
        rh_buffer_add_text(&at, "/..");
        top = stat(at.bytes, &inner) == 0 && inner.st_dev == device && inner.st_ino == number; /* the root's own */
    }
    rh_buffer_free(&at);
    return below;
}

/* Whether a file in that folder or below it is this one, by whatever name. */
static bool has_file(const char *folder, const struct stat *file)
{
    struct stat about;
    DIR *entries = opendir(folder);
    bool found = false;
    for (const struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;) {
        struct rh_buffer path = {0};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rh_buffer_format(&path, "%s/%s", folder, entry->d_name);
        if (lstat(path.bytes, &about) == 0)
            found = S_ISDIR(about.st_mode) ? has_file(path.bytes, file)
                                           : about.st_dev == file->st_dev && about.st_ino == file->st_ino;
        rh_buffer_free(&path);
    }
    if (entries != NULL)
        closedir(entries);
    return found;
}

/* As is_below, or a link to a file there. */
static bool is_of_folder(const char *name, const char *folder)
{
    struct stat about;
    char *whole = realpath(name, NULL);
    bool of = is_below(name, folder) || (whole != NULL && is_below(whole, folder)) ||
              (whole != NULL && stat(whole, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink > 1 &&
               has_file(folder, &about));
    free(whole);
    return of;
}

static bool is_of_database(const char *name, const char *database, const char *owner, struct rh_buffer *what)
{
    static const char *const parts[][2] = {{"", " itself"},
                                           {"-wal", "'s log"},
                                           {"-shm", "'s shared memory"},
                                           {"-journal", "'s journal"},
                                           {"-serve", "'s lock of its service"},
                                           {"-serve.sock", "'s socket of its service"}};
    bool of = false;
    for (size_t at = 0; at < sizeof parts / sizeof *parts && !of; at++) {
        struct rh_buffer part = {0};
        rh_buffer_format(&part, "%s%s", database, parts[at][0]);
        of = is_same(name, part.bytes);
        if (of)
            rh_buffer_format(what, "%s%s", owner, parts[at][1]);
        rh_buffer_free(&part);
    }
    return of;
}

/* Databases and folders, and what they are called: the open ones, those attached to them, and what the settings name. */
static const char ours[] =
    "SELECT folder, path, called FROM (SELECT 0 AS folder, file AS path, 'the database' AS called FROM "
    "pragma_database_list "
    "UNION ALL SELECT 0, value ->> 'source_path', 'the database of a sidecar' FROM json_each(?1, '$.sidecars') "
    "UNION ALL SELECT 1, value ->> 'watermark_path', 'a sidecar (watermark_path)' FROM json_each(?1, '$.sidecars') "
    "UNION ALL SELECT 1, ?1 ->> '$.settings.olap_path', 'the column store (olap_path)' "
    "UNION ALL SELECT 1, ?1 ->> '$.settings.rocksdb_cdc_path', 'the change buffer (rocksdb_cdc_path)') "
    "WHERE path <> ''";

/* Whether the name is of something of the open database's, which `what` then says. */
static bool is_ours(const struct rh_tool *tool, const char *name, struct rh_buffer *what)
{
    rhei_rows *rows = NULL;
    char *json = NULL;
    bool is = tool->args->config != NULL && is_same(name, tool->args->config);
    if (is)
        rh_buffer_add_text(what, "the configuration");
    if (!is && rhei_info_json(tool->db, &json, NULL) == RHEI_OK &&
        rhei_oltp_query(tool->db, ours, RHEI_PARAMS(rhei_text(json)), &rows, NULL) == RHEI_OK)
        while (!is && rhei_rows_next(rows, NULL) == RHEI_ROW) {
            const char *path = rhei_rows_text(rows, 1), *called = rhei_rows_text(rows, 2);
            bool folder = rhei_rows_int64(rows, 0) != 0;
            is = folder ? is_of_folder(name, path) : is_of_database(name, path, called, what);
            if (is && folder)
                rh_buffer_format(what, "in the folder of %s", called);
        }
    rhei_rows_close(&rows);
    rhei_free(json);
    return is;
}

/* ---- The file. ------------------------------------------------------------------------------------------------------- */

bool rh_target_allowed(const struct rh_tool *tool, const char *name, const char *writer)
{
    struct rh_buffer what = {0};
    bool own = is_ours(tool, name, &what);
    if (own)
        rh_tell(tool, "%s is %s, and %s never writes there: name another file", name, what.bytes, writer);
    rh_buffer_free(&what);
    return !own;
}

bool rh_target_open(const struct rh_tool *tool, struct rh_target *target, const char *name, bool force)
{
    struct rh_buffer part = {0};
    struct stat about;
    *target = (struct rh_target){.name = name};
    if (!rh_target_allowed(tool, name, "an export"))
        return false;
    if (stat(name, &about) == 0) {
        if (!S_ISREG(about.st_mode)) {
            rh_tell(tool, "%s is no file that could be replaced", name);
            return false;
        }
        if (!force)
            return is_there(tool, name);
    }
    rh_buffer_format(&part, "%s.XXXXXX", name);
    int fd = mkstemp(part.bytes);
    if (fd < 0) {
        int reason = errno;
        rh_buffer_free(&part);
        return cannot_write(tool, name, reason);
    }
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    target->part = part.bytes;
    target->file = fdopen(fd, "w+b");
    return target->file != NULL || cannot_write(tool, name, errno);
}

bool rh_target_finish(const struct rh_tool *tool, struct rh_target *target)
{
    bool wrote = !ferror(target->file);
    errno = 0;
    wrote = wrote && fflush(target->file) == 0 && (fsync(fileno(target->file)) == 0 || errno == EINVAL);
    int reason = errno != 0 ? errno : target->reason;
    if (fclose(target->file) != 0 && wrote) {
        wrote = false;
        reason = errno;
    }
    target->file = NULL;
    return wrote || cannot_write(tool, target->name, reason != 0 ? reason : EIO);
}

bool rh_target_keep(const struct rh_tool *tool, struct rh_target *target, bool force)
{
    if ((force ? rename(target->part, target->name) : link(target->part, target->name)) != 0)
        return errno == EEXIST ? is_there(tool, target->name) : cannot_write(tool, target->name, errno);
    if (!force)
        (void)unlink(target->part);
    free(target->part);
    target->part = NULL;
    return true;
}

void rh_target_drop(struct rh_target *target)
{
    if (target->file != NULL)
        fclose(target->file);
    if (target->part != NULL)
        (void)unlink(target->part);
    free(target->part);
    *target = (struct rh_target){0};
}
