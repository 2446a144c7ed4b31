/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_target.h"

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

static const char *what_of_database(const char *name, const char *database)
{
    static const struct {
        const char *ending, *what;
    } parts[] = {{"", "the database itself"},
                 {"-wal", "the database's log"},
                 {"-shm", "the database's shared memory"},
                 {"-journal", "the database's journal"}};
    const char *what = NULL;
    for (size_t at = 0; at < sizeof parts / sizeof *parts && what == NULL; at++) {
        struct rh_buffer part = {0};
        rh_buffer_format(&part, "%s%s", database, parts[at].ending);
        what = is_same(name, part.bytes) ? parts[at].what : NULL;
        rh_buffer_free(&part);
    }
    return what;
}

/* What of the open database, and of those attached to it, the name is; NULL: nothing. */
static const char *what_of_ours(const struct rh_tool *tool, const char *name)
{
    rhei_rows *rows = NULL;
    const char *what = tool->args->config != NULL && is_same(name, tool->args->config) ? "the configuration" : NULL;
    if (rhei_oltp_query(tool->db, "SELECT file FROM pragma_database_list WHERE file <> ''", NULL, &rows, NULL) ==
        RHEI_OK)
        while (what == NULL && rhei_rows_next(rows, NULL) == RHEI_ROW)
            what = what_of_database(name, rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
    struct rh_buffer folder = {0};
    struct rh_tool own = *tool;
    if (what == NULL && rh_tool_ask_info(&own, "$.settings.olap_path", &folder) && folder.length > 0 &&
        is_below(name, folder.bytes))
        what = "in the folder of the column store (olap_path)";
    rh_buffer_free(&folder);
    return what;
}

/* ---- The file. ------------------------------------------------------------------------------------------------------- */

bool rh_target_open(const struct rh_tool *tool, struct rh_target *target, const char *name, bool force)
{
    struct rh_buffer part = {0};
    struct stat about;
    *target = (struct rh_target){.name = name};
    const char *what = what_of_ours(tool, name);
    if (what != NULL) {
        rh_tell(tool, "%s is %s, and an export never writes there: name another file", name, what);
        return false;
    }
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
