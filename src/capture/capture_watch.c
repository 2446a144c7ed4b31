/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads frames of the write-ahead log through SQLite's own file, up to the state that a read transaction has pinned.
 *
 * V1. SQLite's index of the log counts commits: iChange grows by 1 with each that writes pages, whoever makes it, and goes on
 *     when the log starts anew. A commit's last frame carries the file's size. So if as many commits are among the frames as
 *     iChange grew by, none was missed.
 * V2. Frames are read while a read transaction holds their state. A reader that needs no frame (all were copied) doesn't keep a
 *     writer from starting the log anew over them: each frame carries the log's salts, and the salts of the index, which
 *     change before the first new frame is written, are looked at again after the last was read.
 * V3. Roots are the schema's: asked for again when the schema cookie in the run's last version of page 1 is another.
 */
#include <string.h>

#include "capture/capture_page_format.h"
#include "capture/capture_watch_state.h"

enum {
    WINDOW_BYTES =
        512 << 10, /* of frames that are read together; what is settled behind a longer run is read page by page */
    WINDOW_LEAST = 64 << 10,
    PATH_DEPTH = 64,
};

/* The log is no table that anybody mirrors: its pages are nobody's, as an index's are. */
#define WATCHED "type = 'table' AND rootpage > 0 AND name <> '" OLTP_LOG "'"

bool capture_watch_header(struct oltp_connection *connection, struct wal_header *header)
{
    sqlite3_snapshot *snapshot = NULL;
    _Static_assert(sizeof(struct wal_header) == sizeof(sqlite3_snapshot), "SQLite's header of the log's index");
    if (sqlite3_snapshot_get(connection->db, "main", &snapshot) != SQLITE_OK)
        return false;
    memcpy(header, snapshot, sizeof *header);
    sqlite3_snapshot_free(snapshot);
    return true;
}

void capture_watch_free(struct capture_watch **slot)
{
    struct capture_watch *watch = *slot;
    if (watch == NULL)
        return;
    *slot = NULL;
    capture_walmap_free(&watch->map);
    base_free(watch->roots);
    base_free(watch->touched);
    base_free(watch->writes);
    base_free(watch->frame_pages);
    base_free(watch->bytes);
    base_free(watch);
}

static bool watch_add(uint32_t **list, size_t *count, size_t *room, uint32_t page)
{
    void *items = *list;
    if (!base_grow(&items, room, *count + 1, sizeof **list))
        return false;
    *list = items;
    (*list)[(*count)++] = page;
    return true;
}

static bool watch_roots(struct capture_watch *watch, struct oltp_connection *connection)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(connection->db, "SELECT rootpage FROM main.sqlite_master WHERE " WATCHED, -1, &stmt, NULL);
    watch->root_count = 0;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = watch_add(&watch->roots, &watch->root_count, &watch->root_room, (uint32_t)sqlite3_column_int64(stmt, 0))
                 ? SQLITE_OK
                 : SQLITE_NOMEM;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE && capture_walmap_roots(watch->map, watch->roots, watch->root_count);
}

/* ---- The first look. --------------------------------------------------------------------------------------------- */

/*
 * dbstat gives a tree's pages from its root down, a page before its children: "/", "/000/", "/000/1c2/", and a row's chain as
 * "/000/1c2+000000", "/000/1c2+000001".
 */
static bool watch_read_page(struct capture_watch *watch, sqlite3_stmt *stmt, uint32_t parents[PATH_DEPTH],
                            uint32_t *chain)
{
    const char *path = (const char *)sqlite3_column_text(stmt, 0);
    uint32_t page = (uint32_t)sqlite3_column_int64(stmt, 1), depth = 0;
    if (path == NULL)
        return false;
    const char *plus = strchr(path, '+');
    for (const char *at = path; *at != '\0'; at++)
        depth += *at == '/';
    if (depth == 0 || depth >= PATH_DEPTH)
        return false;
    if (plus != NULL) {
        uint32_t parent = strcmp(plus, "+000000") == 0 ? parents[depth] : *chain;
        *chain = page;
        return capture_walmap_page(watch->map, page, parents[1], parent, true, 0);
    }
    parents[depth] = page;
    return capture_walmap_page(watch->map, page, parents[1], depth == 1 ? 0 : parents[depth - 1], false,
                               (uint32_t)sqlite3_column_int(stmt, 2));
}

static rhei_status watch_read_trees(struct capture_watch *watch, struct oltp_connection *connection,
                                    struct rhei_error *error)
{
    sqlite3_stmt *names = NULL, *pages = NULL;
    sqlite3 *db = connection->db;
    bool ok = true, damaged = false;
    int rc = sqlite3_prepare_v2(db, "SELECT name FROM main.sqlite_master WHERE " WATCHED, -1, &names, NULL);
    if (rc == SQLITE_OK) {
        /* cells of a table's inner pages have no row in them, cells of an index have one anywhere */
        rc = sqlite3_prepare_v2(db,
                                "SELECT path, pageno, iif(pagetype = 'leaf' OR payload > 0, ncell, 0), pagetype = "
                                "'corrupted' FROM dbstat('main') WHERE name = ?1",
                                -1, &pages, NULL);
    }
    while (rc == SQLITE_OK && ok && (rc = sqlite3_step(names)) == SQLITE_ROW) {
        uint32_t parents[PATH_DEPTH] = {0}, chain = 0;
        sqlite3_reset(pages);
        sqlite3_bind_value(pages, 1, sqlite3_column_value(names, 0));
        while (ok && (rc = sqlite3_step(pages)) == SQLITE_ROW) {
            ok = watch_read_page(watch, pages, parents, &chain);
            damaged = damaged || sqlite3_column_int(pages, 3) != 0;
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    rc = damaged ? SQLITE_CORRUPT : rc;
    rhei_status status = ok && rc == SQLITE_DONE ? RHEI_OK
                         : !ok                   ? error_no_memory(error)
                                                 : oltp_sqlite_error(connection, rc, "watching the file", error);
    sqlite3_finalize(names);
    sqlite3_finalize(pages);
    return status;
}

rhei_status capture_watch_new(struct oltp_connection *connection, struct capture_watch **result,
                              struct rhei_error *error)
{
    struct wal_header header;
    int64_t moves = 0, page_size = 0, cookie = 0;
    *result = NULL;
    if (connection->oltp->memory != NULL || connection->oltp->wal_index == NULL)
        return RHEI_OK;
    rhei_status status = oltp_query_int(connection, "PRAGMA main.auto_vacuum", 0, &moves, error);
    if (status == RHEI_OK)
        status = oltp_query_int(connection, "PRAGMA main.page_size", 0, &page_size, error);
    if (status == RHEI_OK)
        status = oltp_query_int(connection, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status != RHEI_OK || moves != 0)
        return status;
    if (!capture_watch_header(connection, &header))
        return error_set(error, RHEI_BUSY, "the write-ahead log is empty");
    struct capture_watch *watch = base_alloc_zero(1, sizeof *watch);
    if (watch == NULL)
        return error_no_memory(error);
    watch->page_size = (uint32_t)page_size;
    watch->cookie = (uint32_t)cookie;
    watch->change = header.change;
    watch->last_frame = header.last_frame;
    memcpy(watch->salt, header.salt, sizeof watch->salt);
    int reserved = -1; /* bytes of each page that are an extension's: asked for, not set */
    sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    watch->map = capture_walmap_new(watch->page_size, watch->page_size - (uint32_t)(reserved > 0 ? reserved : 0));
    if (watch->map == NULL || !watch_roots(watch, connection))
        status = error_no_memory(error);
    if (status == RHEI_OK)
        status = watch_read_trees(watch, connection, error);
    if (status != RHEI_OK) {
        capture_watch_free(&watch);
        return status;
    }
    *result = watch;
    return RHEI_OK;
}

/* ---- Runs of frames. --------------------------------------------------------------------------------------------- */

sqlite3_file *capture_watch_log(struct oltp_connection *connection)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    return rc == SQLITE_OK && file != NULL && file->pMethods != NULL ? file : NULL;
}

bool capture_watch_read(struct capture_watch *watch, uint32_t frame, size_t bytes, uint8_t *to)
{
    BASE_INVARIANT(frame > 0 && frame <= watch->now->last_frame);
    sqlite3_int64 at = OLTP_WAL_HEAD + (sqlite3_int64)(frame - 1) * (watch->page_size + OLTP_FRAME_HEAD);
    return watch->file->pMethods->xRead(watch->file, to, (int)bytes, at) == SQLITE_OK;
}

bool capture_watch_is_of_log(const struct capture_watch *watch, const uint8_t *head)
{
    return memcmp(head + 8, watch->now->salt, sizeof watch->now->salt) == 0;
}

/* Makes the window as large as the run of `count` frames needs. */
static bool watch_make_window(struct capture_watch *watch, size_t count)
{
    size_t size = watch->page_size + OLTP_FRAME_HEAD, wanted = count * size;
    watch->window_count = 0;
    if (watch->bytes != NULL && (wanted <= watch->window_room || watch->window_room >= WINDOW_BYTES))
        return true;
    size_t room = wanted <= WINDOW_LEAST ? WINDOW_LEAST : WINDOW_BYTES;
    room = room < size ? size : room;
    void *bytes = base_realloc(watch->bytes, room + size);
    if (bytes == NULL)
        return false;
    watch->bytes = bytes;
    watch->window_room = room;
    return true;
}

/* The frame and its head, if the window has it. */
static const uint8_t *watch_in_window(const struct capture_watch *watch, uint32_t frame)
{
    bool there = frame >= watch->window && frame - watch->window < watch->window_count;
    return there ? watch->bytes + (size_t)(frame - watch->window) * (watch->page_size + OLTP_FRAME_HEAD) : NULL;
}

/* The frames from `frame` to the run's end, or as many as there is room for. */
static bool watch_move_window(struct capture_watch *watch, uint32_t frame)
{
    size_t size = watch->page_size + OLTP_FRAME_HEAD, count = watch->window_room / size;
    size_t left = (size_t)(watch->now->last_frame - frame) + 1;
    BASE_INVARIANT(count > 0);
    watch->window = frame;
    watch->window_count = (uint32_t)(count < left ? count : left);
    return capture_watch_read(watch, frame, watch->window_count * size, watch->bytes);
}

static const uint8_t *watch_page(void *context, uint32_t frame)
{
    struct capture_watch *watch = context;
    const uint8_t *known = watch_in_window(watch, frame);
    if (known != NULL)
        return known + OLTP_FRAME_HEAD;
    uint8_t *alone = watch->bytes + watch->window_room;
    bool ok = capture_watch_read(watch, frame, watch->page_size + OLTP_FRAME_HEAD, alone) &&
              capture_watch_is_of_log(watch, alone);
    return ok ? alone + OLTP_FRAME_HEAD : NULL;
}

/* Names every frame of the run to the map; false: one can't be read, or is of another log. */
static bool watch_name_frames(struct capture_watch *watch, uint32_t *commits, bool *rewritten)
{
    uint32_t of_commit = 0, last = watch->now->last_frame;
    *commits = 0;
    if (!watch_make_window(watch, last - watch->from))
        return false;
    bool again = last - watch->from > watch->window_room / (watch->page_size + OLTP_FRAME_HEAD);
    for (uint32_t frame = watch->from + 1; frame <= last; frame++) {
        const uint8_t *head = watch_in_window(watch, frame);
        if (head == NULL) {
            head = watch->bytes;
            if (!watch_move_window(watch, frame))
                return false;
        }
        if (!capture_watch_is_of_log(watch, head) || !capture_walmap_frame(watch->map, page_get4(head), frame))
            return false;
        watch->frame_pages[frame] = page_get4(head);
        if (again) /* the window moves on, and the page would have to be read alone */
            capture_walmap_glance(watch->map, page_get4(head), head + OLTP_FRAME_HEAD);
        uint32_t pages = page_get4(head + 4); /* of the file, where a commit ends */
        of_commit++;
        if (pages != 0) {
            *rewritten |= of_commit >= pages;
            *commits += 1;
            of_commit = 0;
        }
    }
    return true;
}

/* V3. */
static bool watch_follow_schema(struct capture_watch *watch, struct oltp_connection *connection)
{
    uint32_t first = capture_walmap_last(watch->map, 1);
    if (first == 0)
        return true;
    const uint8_t *page = watch_page(watch, first);
    if (page == NULL)
        return false;
    uint32_t cookie = page_get4(page + 40);
    if (cookie == watch->cookie)
        return true;
    watch->cookie = cookie;
    return watch_roots(watch, connection);
}

bool capture_watch_still_there(const struct capture_watch *watch, const struct oltp *oltp)
{
    uint8_t salt[8];
    base_fence(); /* a frame is read by a call, which the compiler and the processor might let come after */
    for (size_t i = 0; i < 2; i++) {
        uint32_t word = __atomic_load_n(&oltp->wal_index[8 + i], __ATOMIC_ACQUIRE);
        memcpy(salt + 4 * i, &word, 4);
    }
    return memcmp(salt, watch->now->salt, sizeof salt) == 0;
}

static bool watch_run(struct capture_watch *watch, struct oltp_connection *connection, const struct wal_header *now,
                      bool *rewritten)
{
    uint32_t commits = 0;
    const uint32_t *touched = NULL;
    size_t count = 0;
    bool same = memcmp(now->salt, watch->salt, sizeof now->salt) == 0;
    watch->now = now;
    watch->from = same ? watch->last_frame : 0;
    if (now->last_frame < watch->from || !capture_watch_keep_frames(watch, !same) ||
        !capture_walmap_begin(watch->map, now->pages) || !watch_name_frames(watch, &commits, rewritten) ||
        commits != now->change - watch->change || !watch_follow_schema(watch, connection) ||
        !capture_walmap_settle(watch->map, watch_page, watch, &touched, &count) || !capture_watch_keep_writes(watch) ||
        !capture_watch_still_there(watch, connection->oltp))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!watch_add(&watch->touched, &watch->touched_count, &watch->touched_room, touched[i]))
            return false;
    watch->change = now->change;
    watch->last_frame = now->last_frame;
    memcpy(watch->salt, now->salt, sizeof watch->salt);
    return true;
}

enum capture_watch_result capture_watch_follow(struct capture_watch *watch, struct oltp_connection *connection)
{
    struct wal_header now;
    bool rewritten = false;
    if (!capture_watch_header(connection, &now))
        return CAPTURE_WATCH_LOST;
    if (now.change == watch->change) /* whatever the log did: nobody committed */
        return CAPTURE_WATCH_EXPLAINED;
    watch->file = capture_watch_log(connection);
    if (watch->file == NULL || !watch_run(watch, connection, &now, &rewritten))
        return CAPTURE_WATCH_LOST;
    return rewritten ? CAPTURE_WATCH_REWRITTEN : CAPTURE_WATCH_EXPLAINED;
}

size_t capture_watch_touched(const struct capture_watch *watch, const uint32_t **roots)
{
    *roots = watch->touched;
    return watch->touched_count;
}

int64_t capture_watch_rows(const struct capture_watch *watch, uint32_t root)
{
    return capture_walmap_rows(watch->map, root);
}

const struct capture_walmap *capture_watch_map(const struct capture_watch *watch)
{
    return watch->map;
}

void capture_watch_forget(struct capture_watch *watch, size_t count)
{
    BASE_INVARIANT(count <= watch->touched_count);
    watch->touched_count -= count;
    if (watch->touched_count > 0)
        memmove(watch->touched, watch->touched + count, watch->touched_count * sizeof *watch->touched);
    if (count > 0)
        capture_watch_drop_writes(watch, watch->touched_count == 0);
}

void capture_watch_clear(struct capture_watch *watch)
{
    watch->touched_count = 0;
    capture_watch_drop_writes(watch, true);
}
