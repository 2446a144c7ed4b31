/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a table's b-tree. Formats: https://www.sqlite.org/fileformat2.html (1.5 pages, 2.1 records).
 *
 * G1. Pages come from SQLite itself (its sqlite_dbpage), in the read transaction of the connection: which version of a page belongs to
 *     that state is never our question.
 * G2. `leaf` stands on the page that is being read until the next one is wanted, so its bytes are there; what rows point to is a
 *     copy of the page in the arena, one for all rows of the page, made when the first of them is asked for.
 * G3. `levels` are copies of the inner pages on the way to the leaf; the next leaf is found from them, without looking again.
 * G4. Nothing read from a page is trusted to lie within it.
 */
#include "capture/capture_pages.h"

#include <string.h>

#include "capture/capture_page_format.h"

enum { LEVELS_MAX = 20, PAGE_INNER = 5, PAGE_LEAF = 13, INNER_HEAD = 12, LEAF_HEAD = 8 };

struct level {
    uint8_t *bytes;
    uint32_t cells, next; /* children are 0..cells; `next` comes after the one that we went down to */
};

struct capture_pages {
    struct oltp_connection *connection;
    sqlite3_stmt *leaf, *other; /* a page by its number */
    struct base_arena *arena;
    uint32_t root, page_size, usable;
    struct level levels[LEVELS_MAX];
    uint32_t depth;
    const uint8_t *page; /* the leaf, SQLite's own copy */
    const uint8_t *copy; /* the same in the arena; NULL: not yet */
    uint32_t cell, cells;
    /* the row */
    int64_t rowid;
    uint64_t size;                                /* of its record */
    uint32_t offset;                              /* of what the page has of it */
    const uint8_t *type, *types_end, *body, *end; /* what isn't read yet */
    bool opened;
    int64_t bytes; /* of this one and those before it */
    struct rhei_value *columns;
    uint32_t filled;
    size_t room;
};

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

struct capture_pages *capture_pages_new(struct oltp_connection *connection)
{
    static const char SQL[] = "SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?1";
    struct capture_pages *pages = connection->utf16 ? NULL : base_alloc_zero(1, sizeof *pages);
    if (pages == NULL)
        return NULL;
    pages->connection = connection;
    if (sqlite3_prepare_v3(connection->db, SQL, -1, SQLITE_PREPARE_PERSISTENT, &pages->leaf, NULL) != SQLITE_OK ||
        sqlite3_prepare_v3(connection->db, SQL, -1, SQLITE_PREPARE_PERSISTENT, &pages->other, NULL) != SQLITE_OK)
        capture_pages_free(&pages);
    return pages;
}

void capture_pages_free(struct capture_pages **slot)
{
    struct capture_pages *pages = *slot;
    if (pages == NULL)
        return;
    *slot = NULL;
    sqlite3_finalize(pages->leaf);
    sqlite3_finalize(pages->other);
    for (uint32_t i = 0; i < LEVELS_MAX; i++)
        base_free(pages->levels[i].bytes);
    base_free(pages->columns);
    base_free(pages);
}

void capture_pages_root(struct capture_pages *pages, uint32_t root)
{
    pages->root = root;
}

void capture_pages_cleared(struct capture_pages *pages)
{
    pages->copy = NULL;
    pages->opened = false;
}

void capture_pages_reset(struct capture_pages *pages)
{
    sqlite3_reset(pages->leaf);
    sqlite3_reset(pages->other);
    pages->page = NULL;
    capture_pages_cleared(pages);
}

/* ---- The tree. --------------------------------------------------------------------------------------------------- */

/* The page of that number, which lives as long as the statement stands on it. NULL: unfit. */
static const uint8_t *pages_fetch(struct capture_pages *pages, sqlite3_stmt *stmt, uint32_t number)
{
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, number);
    const uint8_t *bytes = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_blob(stmt, 0) : NULL;
    return bytes != NULL && (uint32_t)sqlite3_column_bytes(stmt, 0) == pages->page_size ? bytes : NULL;
}

/* The table's pages have one size, but a VACUUM may give it another between two transactions. */
static bool pages_measure(struct capture_pages *pages)
{
    sqlite3_reset(pages->leaf);
    sqlite3_bind_int64(pages->leaf, 1, pages->root);
    if (sqlite3_step(pages->leaf) != SQLITE_ROW)
        return false;
    uint32_t size = (uint32_t)sqlite3_column_bytes(pages->leaf, 0);
    int reserved = -1; /* bytes of each page that are an extension's: asked for, not set */
    sqlite3_file_control(pages->connection->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (size != pages->page_size) {
        for (uint32_t i = 0; i < LEVELS_MAX; i++) {
            base_free(pages->levels[i].bytes);
            pages->levels[i].bytes = NULL;
        }
        pages->page_size = size;
    }
    pages->usable = size - (uint32_t)(reserved > 0 ? reserved : 0);
    return size >= 512 && pages->usable >= 480;
}

/* Cell `i` of a page, NULL: it isn't within the page. */
static const uint8_t *pages_cell(const struct capture_pages *pages, const uint8_t *page, uint32_t head, uint32_t i)
{
    uint32_t pointer = head + 2 * i;
    uint32_t at = pointer + 2 <= pages->usable ? page_get2(page + pointer) : 0;
    return at >= head && at + 4 <= pages->usable ? page + at : NULL;
}

/* The first cell whose key is `rowid` or higher; false: unfit. */
static bool pages_search(const struct capture_pages *pages, const uint8_t *page, uint32_t cells, int64_t rowid,
                         uint32_t *first)
{
    bool inner = page[0] == PAGE_INNER;
    uint32_t low = 0, high = cells;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *end = page + pages->usable;
        const uint8_t *cell = pages_cell(pages, page, inner ? INNER_HEAD : LEAF_HEAD, middle);
        uint64_t key = 0;
        uint32_t used = cell == NULL ? 0 : inner ? 4 : page_get_varint(cell, end, &key);
        if (used == 0 || page_get_varint(cell + used, end, &key) == 0)
            return false;
        *((int64_t)key < rowid ? &low : &high) = (int64_t)key < rowid ? middle + 1 : middle;
    }
    *first = low;
    return true;
}

static uint32_t pages_child(const struct capture_pages *pages, const struct level *level, uint32_t i)
{
    const uint8_t *cell = i == level->cells ? level->bytes + LEAF_HEAD : pages_cell(pages, level->bytes, INNER_HEAD, i);
    return cell == NULL ? 0 : page_get4(cell);
}

/* An inner page becomes the next level. */
static struct level *pages_enter(struct capture_pages *pages, const uint8_t *page)
{
    if (pages->depth == LEVELS_MAX)
        return NULL;
    struct level *level = &pages->levels[pages->depth];
    if (level->bytes == NULL)
        level->bytes = base_alloc(pages->page_size);
    if (level->bytes != NULL) {
        memcpy(level->bytes, page, pages->page_size);
        level->cells = page_get2(page + 3);
        pages->depth++;
    }
    return level->bytes == NULL ? NULL : level;
}

/* From a page down to the leaf of `rowid`, and to the cell there that may be one beyond the last. */
static enum capture_pages_result pages_descend(struct capture_pages *pages, uint32_t number, int64_t rowid)
{
    for (;;) {
        const uint8_t *page = number == 0 ? NULL : pages_fetch(pages, pages->leaf, number);
        uint32_t cells = page == NULL ? 0 : page_get2(page + 3), first = 0;
        if (page == NULL || (page[0] != PAGE_INNER && page[0] != PAGE_LEAF) ||
            !pages_search(pages, page, cells, rowid, &first))
            return CAPTURE_PAGES_UNFIT;
        if (page[0] == PAGE_LEAF) {
            pages->page = page;
            pages->copy = NULL;
            pages->cells = cells;
            pages->cell = first;
            return CAPTURE_PAGES_ROW;
        }
        struct level *level = pages_enter(pages, page);
        if (level == NULL)
            return CAPTURE_PAGES_UNFIT;
        level->next = first + 1;
        number = pages_child(pages, level, first);
    }
}

static enum capture_pages_result pages_next_leaf(struct capture_pages *pages)
{
    while (pages->depth > 0) {
        struct level *level = &pages->levels[pages->depth - 1];
        if (level->next <= level->cells)
            return pages_descend(pages, pages_child(pages, level, level->next++), INT64_MIN);
        pages->depth--;
    }
    return CAPTURE_PAGES_END;
}

/* The head of the cell that we stand on, or of the next one, where the page has no more. */
static enum capture_pages_result pages_take(struct capture_pages *pages)
{
    while (pages->cell >= pages->cells) {
        enum capture_pages_result result = pages_next_leaf(pages);
        if (result != CAPTURE_PAGES_ROW)
            return result;
    }
    const uint8_t *end = pages->page + pages->usable;
    const uint8_t *cell = pages_cell(pages, pages->page, LEAF_HEAD, pages->cell);
    uint64_t rowid = 0;
    uint32_t first = cell == NULL ? 0 : page_get_varint(cell, end, &pages->size);
    uint32_t second = first == 0 ? 0 : page_get_varint(cell + first, end, &rowid);
    if (second == 0)
        return CAPTURE_PAGES_UNFIT;
    pages->rowid = (int64_t)rowid;
    pages->offset = (uint32_t)(cell - pages->page) + first + second;
    pages->opened = false;
    pages->bytes += (int64_t)(pages->size < INT32_MAX ? pages->size : INT32_MAX);
    return CAPTURE_PAGES_ROW;
}

enum capture_pages_result capture_pages_seek(struct capture_pages *pages, int64_t rowid, struct base_arena *arena)
{
    pages->arena = arena;
    pages->depth = 0;
    pages->bytes = 0;
    if (pages->root <= 1 || !pages_measure(pages))
        return CAPTURE_PAGES_UNFIT;
    enum capture_pages_result result = pages_descend(pages, pages->root, rowid);
    return result == CAPTURE_PAGES_ROW ? pages_take(pages) : result;
}

enum capture_pages_result capture_pages_next(struct capture_pages *pages)
{
    pages->cell++;
    return pages_take(pages);
}

int64_t capture_pages_bytes(const struct capture_pages *pages)
{
    return pages->bytes;
}

int64_t capture_pages_rowid(const struct capture_pages *pages)
{
    return pages->rowid;
}

/* ---- The record. ------------------------------------------------------------------------------------------------- */

/* A record that goes on in a chain of pages, put together in the arena. */
static const uint8_t *pages_join(struct capture_pages *pages, uint32_t here)
{
    if (pages->size > INT32_MAX || pages->offset + here + 4 > pages->usable)
        return NULL;
    uint8_t *whole = base_arena_alloc(pages->arena, (size_t)pages->size);
    if (whole == NULL)
        return NULL;
    memcpy(whole, pages->page + pages->offset, here);
    uint32_t number = page_get4(pages->page + pages->offset + here);
    for (size_t at = here, left = (size_t)pages->size - here; left > 0;) {
        const uint8_t *page = number == 0 ? NULL : pages_fetch(pages, pages->other, number);
        size_t size = left < pages->usable - 4 ? left : pages->usable - 4;
        if (page == NULL)
            return NULL;
        memcpy(whole + at, page + 4, size);
        number = page_get4(page);
        at += size;
        left -= size;
    }
    sqlite3_reset(pages->other);
    return whole;
}

/* Finds the record and its head. */
static bool pages_open(struct capture_pages *pages)
{
    uint32_t here = page_keeps(pages->usable, page_leaf_most(pages->usable), pages->size);
    const uint8_t *record;
    if (here == pages->size) {
        if (pages->offset + pages->size > pages->usable)
            return false;
        if (pages->copy == NULL) {
            uint8_t *copy = base_arena_alloc(pages->arena, pages->page_size);
            if (copy == NULL)
                return false;
            memcpy(copy, pages->page, pages->page_size);
            pages->copy = copy;
        }
        record = pages->copy + pages->offset;
    } else {
        record = pages_join(pages, here);
        if (record == NULL)
            return false;
    }
    uint64_t head = 0;
    uint32_t used = page_get_varint(record, record + pages->size, &head);
    if (used == 0 || head < used || head > pages->size)
        return false;
    pages->type = record + used;
    pages->types_end = record + head;
    pages->body = record + head;
    pages->end = record + pages->size;
    pages->filled = 0;
    pages->opened = true;
    return true;
}

static int64_t pages_integer(const uint8_t *at, uint32_t size)
{
    uint64_t value = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

/* One value of that serial type from the body; false: unfit. */
static inline bool pages_value(struct capture_pages *pages, uint64_t serial, struct rhei_value *value)
{
    static const uint8_t SIZES[10] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    uint64_t size = serial < 10 ? SIZES[serial] : (serial - 12) / 2; /* of 10 and 11, which are none: too many */
    if (size > (uint64_t)(pages->end - pages->body))
        return false;
    const uint8_t *at = pages->body;
    pages->body += size;
    if (serial >= 12) {
        *value = (struct rhei_value){.as.bytes = size == 0 ? (const void *)"" : at,
                                     .length = (uint32_t)size,
                                     .type = serial % 2 == 0 ? RHEI_BLOB : RHEI_TEXT};
    } else if (serial == 0) {
        *value = (struct rhei_value){.type = RHEI_NULL};
    } else if (serial == 7) {
        uint64_t bits = (uint64_t)pages_integer(at, 8);
        *value = (struct rhei_value){.type = RHEI_REAL};
        memcpy(&value->as.real, &bits, sizeof bits);
        if (value->as.real != value->as.real) /* SQLite reads a NaN as NULL */
            *value = (struct rhei_value){.type = RHEI_NULL};
    } else {
        int64_t integer = size == 0 ? (int64_t)(serial - 8) : pages_integer(at, (uint32_t)size);
        *value = (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
    }
    return true;
}

static bool pages_make_room(struct capture_pages *pages, uint32_t count)
{
    void *columns = pages->columns;
    bool ok = base_grow(&columns, &pages->room, count, sizeof *pages->columns);
    pages->columns = columns;
    return ok;
}

const struct rhei_value *capture_pages_columns(struct capture_pages *pages, uint32_t count)
{
    if ((!pages->opened && !pages_open(pages)) || (count > pages->room && !pages_make_room(pages, count)))
        return NULL;
    for (; pages->filled < count; pages->filled++) {
        uint64_t serial = 0; /* of a column that was added to the table later */
        if (pages->type < pages->types_end) {
            uint32_t used = page_get_varint(pages->type, pages->types_end, &serial);
            if (used == 0)
                return NULL;
            pages->type += used;
        }
        if (!pages_value(pages, serial, &pages->columns[pages->filled]))
            return NULL;
    }
    return pages->columns;
}
