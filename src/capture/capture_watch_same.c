/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction that changes a table, goes back to a savepoint from before that and commits something else makes SQLite write the table's
 * pages as they were, and so does one whose statement failed half-way. Asked of a table that was touched without a row in the log alone.
 *
 * W1. A table's pages are those that it had before or has now and that were written since what was touched was forgotten: without a change
 *     in one of them no page came to the table or left it (M5), so equal bytes mean that nothing changed.
 * W2. What a page was before is its newest frame up to the first of those runs, or the file's own page, where none of the runs' frames
 *     was, or may have been, copied into the file: SQLite says so in the log's index before a checkpoint writes there.
 * W3. Whatever can't be shown so is a change: the log began anew, too many pages, a checkpoint on the way, a later state.
 */
#include <stdlib.h>
#include <string.h>

#include "capture/capture_page_format.h"
#include "capture/capture_watch_state.h"

enum {
    WRITES_MOST = 4096,    /* more pages aren't compared */
    UNREAD_MOST = 1 << 14, /* nor is a log looked through of which more was there before the watch */
    COPIED_WORD = 32,      /* of the log's index: nBackfillAttempted */
};

struct compared {
    uint32_t page, before, after; /* frames; before: 0 is the file */
};

void capture_watch_drop_writes(struct capture_watch *watch, bool all)
{
    watch->write_count = 0;
    watch->writes_missing = !all;
}

bool capture_watch_keep_writes(struct capture_watch *watch)
{
    const uint32_t *pairs = NULL;
    size_t count = capture_walmap_written(watch->map, &pairs);
    void *writes = watch->writes;
    if (watch->writes_missing || watch->write_count + count > WRITES_MOST) {
        watch->writes_missing = true;
        return true;
    }
    if (!base_grow(&writes, &watch->write_room, watch->write_count + count, sizeof *watch->writes))
        return false;
    watch->writes = writes;
    for (size_t i = 0; i < count; i++)
        watch->writes[watch->write_count++] =
            (struct watch_write){.root = pairs[2 * i], .page = pairs[2 * i + 1], .from = watch->from};
    return true;
}

bool capture_watch_keep_frames(struct capture_watch *watch, bool anew)
{
    void *frames = watch->frame_pages;
    bool first = frames == NULL;
    if (!base_grow(&frames, &watch->frame_room, (size_t)watch->now->last_frame + 1, sizeof *watch->frame_pages))
        return false;
    watch->frame_pages = frames;
    if (first)
        memset(watch->frame_pages, 0, ((size_t)watch->from + 1) * sizeof *watch->frame_pages);
    if (anew && watch->write_count > 0) /* their frames may be gone */
        watch->writes_missing = true;
    return true;
}

static int watch_compare_pages(const void *a, const void *b)
{
    uint32_t left = ((const struct compared *)a)->page, right = ((const struct compared *)b)->page;
    return left < right ? -1 : left > right;
}

/* The table's written pages, each once, and the last frame before the first of them. */
static size_t watch_pages_of(const struct capture_watch *watch, uint32_t root, struct compared *pages, uint32_t *from)
{
    size_t count = 0, distinct = 0;
    *from = UINT32_MAX;
    for (size_t i = 0; i < watch->write_count; i++)
        if (watch->writes[i].root == root) {
            pages[count++] = (struct compared){.page = watch->writes[i].page};
            *from = watch->writes[i].from < *from ? watch->writes[i].from : *from;
        }
    qsort(pages, count, sizeof *pages, watch_compare_pages);
    for (size_t i = 0; i < count; i++)
        if (distinct == 0 || pages[distinct - 1].page != pages[i].page)
            pages[distinct++] = pages[i];
    return distinct;
}

/* What was in the log before the watch began is looked at once. */
static bool watch_look_back(struct capture_watch *watch)
{
    uint8_t head[OLTP_FRAME_HEAD];
    uint32_t unread = 0;
    for (uint32_t frame = 1; frame <= watch->last_frame && watch->frame_pages[frame] == 0; frame++) {
        if (++unread > UNREAD_MOST || !capture_watch_read(watch, frame, sizeof head, head) ||
            !capture_watch_is_of_log(watch, head))
            return false;
        watch->frame_pages[frame] = page_get4(head);
    }
    return true;
}

static void watch_find_frames(const struct capture_watch *watch, struct compared *pages, size_t count, uint32_t from)
{
    for (uint32_t frame = 1; frame <= watch->last_frame; frame++) {
        struct compared *found = bsearch(&(struct compared){.page = watch->frame_pages[frame]}, pages, count,
                                         sizeof *pages, watch_compare_pages);
        if (found != NULL)
            *(frame <= from ? &found->before : &found->after) = frame;
    }
}

/* A frame with its head, or a page of the file in the same place. */
static bool watch_fetch(struct capture_watch *watch, sqlite3_file *file, uint32_t page, uint32_t frame, uint8_t *to)
{
    if (frame == 0)
        return file->pMethods->xRead(file, to + OLTP_FRAME_HEAD, (int)watch->page_size,
                                     (sqlite3_int64)(page - 1) * watch->page_size) == SQLITE_OK;
    return capture_watch_read(watch, frame, watch->page_size + OLTP_FRAME_HEAD, to) &&
           capture_watch_is_of_log(watch, to) && page_get4(to) == page;
}

static bool watch_compare(struct capture_watch *watch, sqlite3_file *file, const struct compared *pages, size_t count,
                          bool *of_file)
{
    size_t size = watch->page_size + OLTP_FRAME_HEAD;
    uint8_t *bytes = base_alloc(2 * size);
    bool same = bytes != NULL;
    for (size_t i = 0; i < count && same; i++) {
        same = pages[i].after != 0 && watch_fetch(watch, file, pages[i].page, pages[i].before, bytes) &&
               watch_fetch(watch, file, pages[i].page, pages[i].after, bytes + size) &&
               memcmp(bytes + OLTP_FRAME_HEAD, bytes + size + OLTP_FRAME_HEAD, watch->page_size) == 0;
        *of_file = *of_file || pages[i].before == 0;
    }
    base_free(bytes);
    return same;
}

bool capture_watch_same(struct capture_watch *watch, struct oltp_connection *connection, uint32_t root)
{
    struct wal_header now;
    sqlite3_file *file = NULL;
    uint32_t from = 0;
    bool of_file = false;
    if (watch->writes_missing || watch->write_count == 0 || !capture_watch_header(connection, &now) ||
        now.change != watch->change || now.last_frame != watch->last_frame ||
        memcmp(now.salt, watch->salt, sizeof now.salt) != 0 ||
        sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL)
        return false;
    watch->now = &now;
    watch->file = capture_watch_log(connection);
    struct compared *pages = base_alloc_zero(watch->write_count, sizeof *pages);
    bool same = pages != NULL && watch->file != NULL && watch_look_back(watch);
    size_t count = same ? watch_pages_of(watch, root, pages, &from) : 0;
    if (count > 0)
        watch_find_frames(watch, pages, count, from);
    same = count > 0 && watch_compare(watch, file, pages, count, &of_file) &&
           capture_watch_still_there(watch, connection->oltp);
    if (same && of_file) /* W2, behind the fence of the line before */
        same = __atomic_load_n(&connection->oltp->wal_index[COPIED_WORD], __ATOMIC_ACQUIRE) <= from;
    base_free(pages);
    watch->now = NULL;
    return same;
}
