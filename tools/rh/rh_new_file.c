/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that a command made and then had nothing to put into is taken away again. Only one that nobody else has opened since,
 * and that holds nothing but what Rhei itself put there: whoever reads or writes it by then keeps it.
 */
#include "rh_tool.h"

#include "rh_interrupt.h"
#include "rh_memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where SQLite locks a file: https://www.sqlite.org/fileformat.html (the lock-byte page), PENDING_BYTE and what follows. */
enum { LOCK_FIRST = 0x40000000, LOCK_COUNT = 512 };

/* One row of two columns: whether the database is empty, and its path, which the caller frees; NULL where it isn't. */
static char *path_of_empty(rhei_db *db)
{
    static const char ask[] =
        "SELECT (SELECT count(*) FROM main.sqlite_schema WHERE tbl_name NOT LIKE '\\_rhei\\_%' ESCAPE "
        "'\\' AND name NOT LIKE '\\_rhei\\_%' ESCAPE '\\') + (SELECT user_version FROM "
        "pragma_user_version) + (SELECT application_id FROM pragma_application_id) = 0, "
        "(SELECT file FROM pragma_database_list WHERE name = 'main')";
    rhei_rows *rows = NULL;
    char *path = NULL;
    if (rhei_oltp_query(db, ask, NULL, &rows, NULL) == RHEI_OK && rhei_rows_next(rows, NULL) == RHEI_ROW &&
        rhei_rows_int64(rows, 0) == 1 && rhei_rows_text(rows, 1) != NULL)
        path = strdup(rhei_rows_text(rows, 1));
    rhei_rows_close(&rows);
    return path;
}

static void remove_beside(const char *path, const char *ending)
{
    struct rh_buffer name = {0};
    rh_buffer_format(&name, "%s%s", path, ending);
    (void)unlink(name.bytes);
    rh_buffer_free(&name);
}

static void remove_unless_used(const char *path)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST, .l_len = LOCK_COUNT};
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (fcntl(fd, F_SETLK, &all) == 0) {
        remove_beside(path, "-wal");
        remove_beside(path, "-shm");
        (void)unlink(path);
    }
    close(fd);
}

void rh_tool_discard(struct rh_tool *tool)
{
    rh_interrupt_wind_up();
    char *path = tool->created && tool->db != NULL ? path_of_empty(tool->db) : NULL;
    rh_tool_close(tool);
    if (path != NULL && path[0] != '\0')
        remove_unless_used(path);
    free(path);
}
