/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_log.h"

#include <string.h>

#include "base/base_memory.h"

enum {
    HEAD_BYTES = 32,
    FRAME_BYTES = 24, /* before its page */
    FRAMES_MOST = 512,
    LEAF_OF_TABLE = 13,
    NODE_OF_TABLE = 5,
    LEAF_OF_INDEX = 10,
    NODE_OF_INDEX = 2,
    SCHEMA_PAGE = 1,
};
/* The first byte of a tail's page is that of a page's number, which stays below those of nodes while the file has no more pages. */
#define PAGES_MOST (UINT32_C(2) << 24)

struct index_head { /* SQLite's WalIndexHdr, of which sqlite3_snapshot is a copy */
    uint32_t version, unused, change;
    uint8_t initialised, big_endian;
    uint16_t page_size;
    uint32_t frames, pages;
    uint32_t checksum[2];
    uint8_t salt[8];
    uint32_t own_checksum[2];
};

static uint32_t get4(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t get2(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

bool sqlite_log_state(sqlite3 *db, struct sqlite_log_state *state)
{
    struct index_head head;
    sqlite3_snapshot *snapshot = NULL;
    _Static_assert(sizeof head == sizeof *snapshot, "SQLite's head of the log's index");
    if (sqlite3_snapshot_get(db, "main", &snapshot) != SQLITE_OK)
        return false;
    memcpy(&head, snapshot, sizeof head);
    sqlite3_snapshot_free(snapshot);
    *state = (struct sqlite_log_state){.change = head.change,
                                       .frames = head.frames,
                                       .page_size = (head.page_size & 0xFE00U) + ((head.page_size & 1U) << 16),
                                       .pages = head.pages};
    memcpy(state->salt, head.salt, sizeof state->salt);
    return true;
}

/* ---- Pages. ------------------------------------------------------------------------------------------------------ */

/* A number of variable length, behind `at`; NULL: it goes beyond the end. */
static const uint8_t *get_number(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 9 && at != NULL && at < end; i++, at++) {
        if (i == 8) {
            *value = *value << 8 | *at;
            return at + 1;
        }
        *value = *value << 7 | (*at & 0x7F);
        if (*at < 0x80)
            return at + 1;
    }
    return NULL;
}

static bool get_rowid(const uint8_t *page, uint32_t page_size, uint32_t cell, int64_t *rowid)
{
    uint64_t number = 0;
    uint32_t pointer = 8 + cell * 2;
    if (pointer + 2 > page_size)
        return false;
    uint32_t at = get2(page + pointer);
    if (at >= page_size)
        return false;
    const uint8_t *behind = get_number(page + at, page + page_size, &number); /* how long the row is */
    behind = get_number(behind, page + page_size, &number);
    *rowid = (int64_t)number;
    return behind != NULL;
}

/* L1. */
static bool take_page(struct sqlite_log *log, const uint8_t *page, uint32_t page_size)
{
    struct sqlite_span span = {.rows = get2(page + 3)};
    if (page[0] == NODE_OF_TABLE || page[0] == LEAF_OF_INDEX || page[0] == NODE_OF_INDEX)
        return true;
    if (page[0] != LEAF_OF_TABLE)
        return false;
    if (span.rows == 0)
        return true;
    if (!get_rowid(page, page_size, 0, &span.first) || !get_rowid(page, page_size, span.rows - 1, &span.last))
        return false;
    if (!base_grow((void **)&log->spans, &log->capacity, log->count + 1, sizeof *log->spans))
        return false;
    log->spans[log->count++] = span;
    return true;
}

/* ---- Frames. ----------------------------------------------------------------------------------------------------- */

static bool take_frames(struct sqlite_log *log, sqlite3_file *file, uint32_t from, const struct sqlite_log_state *now,
                        uint32_t *commits)
{
    int bytes = FRAME_BYTES + (int)now->page_size;
    for (uint32_t f = from; f < now->frames; f++) {
        if (file->pMethods->xRead(file, log->frame, bytes, HEAD_BYTES + (sqlite3_int64)f * bytes) != SQLITE_OK ||
            memcmp(log->frame + 8, now->salt, sizeof now->salt) != 0)
            return false;
        *commits += get4(log->frame + 4) != 0;
        if (get4(log->frame) != SCHEMA_PAGE && !take_page(log, log->frame + FRAME_BYTES, now->page_size))
            return false;
    }
    return true;
}

/* L3. */
static bool is_still(sqlite3_file *file, const struct sqlite_log_state *now)
{
    uint8_t head[HEAD_BYTES];
    return file->pMethods->xRead(file, head, HEAD_BYTES, 0) == SQLITE_OK &&
           memcmp(head + 16, now->salt, sizeof now->salt) == 0;
}

bool sqlite_log_read(struct sqlite_log *log, sqlite3 *db, const struct sqlite_log_state *since,
                     const struct sqlite_log_state *now)
{
    sqlite3_file *file = NULL;
    uint32_t commits = 0, from = memcmp(now->salt, since->salt, sizeof now->salt) == 0 ? since->frames : 0;
    log->count = 0;
    if (now->change == since->change) /* whatever the log did: nobody committed */
        return true;
    if (now->frames < from || now->frames - from > FRAMES_MOST || now->pages >= PAGES_MOST || now->page_size < 512)
        return false;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL ||
        !base_grow((void **)&log->frame, &log->frame_capacity, FRAME_BYTES + (size_t)now->page_size, 1))
        return false;
    return take_frames(log, file, from, now, &commits) && commits == now->change - since->change && is_still(file, now);
}

void sqlite_log_reset(struct sqlite_log *log)
{
    base_free(log->spans);
    base_free(log->frame);
    *log = (struct sqlite_log){0};
}
