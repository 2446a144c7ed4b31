/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map and how a run of frames changes it. Formats: https://www.sqlite.org/fileformat2.html
 *
 * M1. A page's place (tree, role, parent) changes only if a page that points at it is written, or it is a root that the schema
 *     names anew. A page that gets a new role is written itself, but one: a page that goes to the free list as a leaf.
 * M2. So a written page's place is settled, and what it says of its children true, if it is a root, or its parent was neither
 *     written nor freed in the run, or a settled page of the run points at it. Whatever else was written is nobody's: it was
 *     given up before the run ended, or belongs to a tree that isn't watched. It is never read in a role that it
 *     had before.
 * M3. What the run freed is found first: new free pages are named by the first trunks, and all of those were written.
 * M4. A page number beyond the file is no page.
 * M5. A tree is touched if a page was written that was its own before or is now. A page can't leave a tree, or come to it, without
 *     a write of a page that stays in it, so intermediate commits of a run hide nothing.
 * M6. A tree's rows are the sum over its pages of the cells that are rows: of a table's leaves, of every page of an index (which
 *     a table WITHOUT ROWID is). A page's own number changes only when it is read, or is no page of the tree any more;
 *     whatever changes a place goes through walmap_put or walmap_move, so that the sum is right after each run.
 */
#include "capture/capture_walmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "capture/capture_page_format.h"

enum role { ROLE_TREE, ROLE_OVERFLOW, ROLE_FREE };

struct place {
    uint32_t tree;   /* its root; 0: nobody's */
    uint32_t parent; /* 0: none */
    uint32_t last;   /* the newest frame in this run, 0: none */
    uint8_t role;
    bool root;
    bool settled;  /* in this run */
    bool freed;    /* in this run */
    bool told;     /* a root: in `touched` already */
    bool noted;    /* in `written` already, with this tree */
    bool glanced;  /* its newest frame is a leaf without chains, of `cells` cells */
    uint16_t rows; /* of the table, in this page */
    uint16_t cells;
};

struct tree {
    uint32_t root;
    int64_t rows;
};

struct capture_walmap {
    uint32_t page_size, usable, pages;
    struct place *places;
    size_t room;
    struct tree *trees; /* the watched ones, by root */
    size_t tree_count, tree_room;
    uint32_t *batch, *queue, *touched, *written, *freed;
    size_t batch_count, batch_room, queue_count, queue_room, touched_count, touched_room, written_count, written_room;
    size_t freed_count, freed_room;
    bool failed; /* no memory */
};

struct capture_walmap *capture_walmap_new(uint32_t page_size, uint32_t usable_size)
{
    struct capture_walmap *map = base_alloc_zero(1, sizeof *map);
    if (map != NULL) {
        BASE_INVARIANT(usable_size <= page_size && usable_size >= 480); /* the format's least */
        map->page_size = page_size;
        map->usable = usable_size;
    }
    return map;
}

void capture_walmap_free(struct capture_walmap **slot)
{
    struct capture_walmap *map = *slot;
    if (map == NULL)
        return;
    *slot = NULL;
    base_free(map->places);
    base_free(map->trees);
    base_free(map->batch);
    base_free(map->queue);
    base_free(map->touched);
    base_free(map->written);
    base_free(map->freed);
    base_free(map);
}

static struct place *walmap_place(struct capture_walmap *map, uint32_t page)
{
    size_t before = map->room;
    void *places = map->places;
    if (page >= map->room) {
        if (!base_grow(&places, &map->room, (size_t)page + 1, sizeof *map->places)) {
            map->failed = true;
            return NULL;
        }
        map->places = places;
        memset(map->places + before, 0, (map->room - before) * sizeof *map->places);
    }
    return &map->places[page];
}

static bool walmap_push(struct capture_walmap *map, uint32_t **list, size_t *count, size_t *room, uint32_t page)
{
    void *items = *list;
    if (!base_grow(&items, room, *count + 1, sizeof **list)) {
        map->failed = true;
        return false;
    }
    *list = items;
    (*list)[(*count)++] = page;
    return true;
}

static struct tree *walmap_tree(const struct capture_walmap *map, uint32_t root)
{
    size_t low = 0, high = map->tree_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->trees[middle].root == root)
            return &map->trees[middle];
        *(map->trees[middle].root < root ? &low : &high) = map->trees[middle].root < root ? middle + 1 : middle;
    }
    return NULL;
}

/* M6. Of a tree that isn't watched any more nobody asks. */
static void walmap_count(struct capture_walmap *map, uint32_t root, int64_t change)
{
    struct tree *tree = change == 0 || root == 0 ? NULL : walmap_tree(map, root);
    if (tree != NULL) {
        BASE_INVARIANT(tree->root == root);
        tree->rows += change;
    }
}

/* Another place for the page, with no rows that are known. */
static void walmap_put(struct capture_walmap *map, struct place *place, struct place value)
{
    walmap_count(map, place->tree, -(int64_t)place->rows);
    *place = value;
}

static void walmap_move(struct capture_walmap *map, struct place *place, uint32_t root)
{
    if (place->tree != root) {
        walmap_count(map, place->tree, -(int64_t)place->rows);
        walmap_count(map, root, place->rows);
        place->tree = root;
        place->noted = false;
    }
}

static void walmap_set_rows(struct capture_walmap *map, struct place *place, uint32_t rows)
{
    BASE_INVARIANT(rows <= UINT16_MAX); /* M6: of one page */
    walmap_count(map, place->tree, (int64_t)rows - place->rows);
    place->rows = (uint16_t)rows;
}

static int walmap_compare_trees(const void *a, const void *b)
{
    uint32_t left = ((const struct tree *)a)->root, right = ((const struct tree *)b)->root;
    return left < right ? -1 : left > right;
}

bool capture_walmap_roots(struct capture_walmap *map, const uint32_t *roots, size_t count)
{
    struct capture_walmap before = *map; /* its trees */
    map->trees = base_alloc_zero(count + 1, sizeof *map->trees);
    map->tree_count = map->trees == NULL ? 0 : count;
    if (map->trees == NULL) {
        map->trees = before.trees;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct tree *kept = walmap_tree(&before, roots[i]);
        map->trees[i] = (struct tree){.root = roots[i], .rows = kept == NULL ? 0 : kept->rows};
    }
    qsort(map->trees, count, sizeof *map->trees, walmap_compare_trees);
    for (size_t i = 0; i < before.tree_count; i++) {
        BASE_INVARIANT(before.trees[i].root < map->room && map->places[before.trees[i].root].root);
        map->places[before.trees[i].root].root = false;
    }
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        struct place *place = walmap_place(map, roots[i]);
        ok = place != NULL;
        if (ok && (place->tree != roots[i] || place->parent != 0))
            walmap_put(map, place, (struct place){.tree = roots[i], .last = place->last});
        if (ok)
            place->root = true;
    }
    for (size_t i = 0; i < before.tree_count && ok; i++) {
        struct place *place = &map->places[before.trees[i].root];
        if (!place->root)
            walmap_put(map, place, (struct place){.last = place->last});
    }
    base_free(before.trees);
    return ok;
}

bool capture_walmap_page(struct capture_walmap *map, uint32_t page, uint32_t root, uint32_t parent, bool overflow,
                         uint32_t rows)
{
    struct place *place = walmap_place(map, page);
    if (place == NULL)
        return false;
    walmap_put(map, place,
               (struct place){
                   .tree = root, .parent = parent, .role = overflow ? ROLE_OVERFLOW : ROLE_TREE, .root = page == root});
    walmap_set_rows(map, place, rows);
    return true;
}

int64_t capture_walmap_rows(const struct capture_walmap *map, uint32_t root)
{
    const struct tree *tree = walmap_tree(map, root);
    return tree == NULL ? -1 : tree->rows;
}

uint32_t capture_walmap_owner(const struct capture_walmap *map, uint32_t page)
{
    return page < map->room && map->places[page].role != ROLE_FREE ? map->places[page].tree : 0;
}

/* ---- A run. ------------------------------------------------------------------------------------------------------ */

bool capture_walmap_begin(struct capture_walmap *map, uint32_t pages)
{
    BASE_INVARIANT(map->batch_count == 0 && map->queue_count == 0 &&
                   map->freed_count == 0); /* the run before has ended */
    map->pages = pages;
    map->touched_count = map->written_count = 0;
    return walmap_place(map, pages) != NULL;
}

bool capture_walmap_frame(struct capture_walmap *map, uint32_t page, uint32_t frame)
{
    if (page == 0 || page > map->pages) /* of a file that was longer then */
        return true;
    struct place *place = &map->places[page];
    if (place->last == 0 && !walmap_push(map, &map->batch, &map->batch_count, &map->batch_room, page))
        return false;
    BASE_INVARIANT(place->last < frame); /* in their order */
    place->last = frame;
    place->glanced = false;
    return true;
}

uint32_t capture_walmap_last(const struct capture_walmap *map, uint32_t page)
{
    return page < map->room ? map->places[page].last : 0;
}

static void walmap_touch(struct capture_walmap *map, uint32_t page)
{
    uint32_t root = capture_walmap_owner(map, page);
    if (root == 0 || root >= map->room || map->places[page].noted)
        return;
    map->places[page].noted = true;
    walmap_push(map, &map->written, &map->written_count, &map->written_room, root);
    walmap_push(map, &map->written, &map->written_count, &map->written_room, page);
    if (map->places[root].told)
        return;
    map->places[root].told = true;
    walmap_push(map, &map->touched, &map->touched_count, &map->touched_room, root);
}

/* Its place is sure from here on; if it was written, what it says is still to be read. */
static void walmap_settled(struct capture_walmap *map, uint32_t page)
{
    struct place *place = &map->places[page];
    if (place->last != 0 && !place->settled) {
        place->settled = true;
        walmap_push(map, &map->queue, &map->queue_count, &map->queue_room, page);
    }
}

static void walmap_child(struct capture_walmap *map, uint32_t page, uint32_t parent, enum role role)
{
    if (page == 0 || page > map->pages || page == parent || map->places[page].root)
        return;
    struct place *place = &map->places[page];
    BASE_INVARIANT(map->places[parent].settled); /* M2: only a settled page says whose its children are */
    walmap_move(map, place, map->places[parent].tree);
    place->parent = parent;
    place->role = (uint8_t)role;
    walmap_settled(map, page);
}

static void walmap_freed(struct capture_walmap *map, uint32_t page)
{
    if (page == 0 || page > map->pages)
        return;
    struct place *place = &map->places[page];
    walmap_touch(map, page);
    walmap_put(
        map, place,
        (struct place){.role = ROLE_FREE, .last = place->last, .settled = true, .freed = true, .told = place->told});
    walmap_push(map, &map->freed, &map->freed_count, &map->freed_room, page);
}

/* The free list's trunks from the first one on, as far as they were written (M3). */
static bool walmap_free_list(struct capture_walmap *map, const uint8_t *(*read)(void *context, uint32_t frame),
                             void *context)
{
    if (map->pages == 0 || map->places[1].last == 0)
        return true;
    const uint8_t *header = read(context, map->places[1].last);
    if (header == NULL)
        return false;
    uint32_t trunk = page_get4(header + 32);
    while (trunk != 0 && trunk <= map->pages && !map->places[trunk].freed) {
        walmap_freed(map, trunk);
        if (map->places[trunk].last == 0) /* as it was, and so are those behind it */
            return true;
        const uint8_t *page = read(context, map->places[trunk].last);
        if (page == NULL)
            return false;
        uint32_t leaves = page_get4(page + 4);
        for (uint32_t i = 0; i < leaves && i < map->usable / 4 - 2; i++)
            walmap_freed(map, page_get4(page + 8 + 4 * (size_t)i));
        trunk = page_get4(page);
    }
    return true;
}

/* The first page of a cell's overflow chain, 0: it has none. `cell` is behind the left child of an inner page. */
static uint32_t walmap_overflow(const struct capture_walmap *map, uint8_t type, const uint8_t *cell, const uint8_t *end)
{
    uint64_t size = 0, rowid = 0;
    uint32_t used = page_get_varint(cell, end, &size), usable = map->usable;
    if (used == 0)
        return 0;
    cell += used;
    if (type == 13) {
        used = page_get_varint(cell, end, &rowid);
        if (used == 0)
            return 0;
        cell += used;
    }
    uint32_t here = page_keeps(usable, type == 13 ? page_leaf_most(usable) : page_index_most(usable), size);
    return here == size || (size_t)(end - cell) < (size_t)here + 4 ? 0 : page_get4(cell + here);
}

static void walmap_read_tree(struct capture_walmap *map, uint32_t number, const uint8_t *page)
{
    const uint8_t *end = page + map->usable, *head = page + (number == 1 ? 100 : 0);
    uint8_t type = head[0];
    bool inner = type == 2 || type == 5;
    /* a size in one byte is small: no cell of such a kind has a chain then */
    bool short_stays = (type == 13 ? page_leaf_most(map->usable) : page_index_most(map->usable)) > 127;
    bool known = inner || type == 10 || type == 13;
    uint32_t cells = known ? page_get2(head + 3) : 0;
    walmap_set_rows(map, &map->places[number], type == 5 ? 0 : cells);
    if (!known)
        return;
    const uint8_t *pointers = head + (inner ? 12 : 8);
    if (inner)
        walmap_child(map, page_get4(head + 8), number, ROLE_TREE);
    for (uint32_t i = 0; i < cells && pointers + 2 * (size_t)i + 2 <= end; i++) {
        uint32_t at = page_get2(pointers + 2 * (size_t)i);
        if (at + 4 > map->usable)
            continue;
        const uint8_t *cell = page + at;
        if (inner) {
            walmap_child(map, page_get4(cell), number, ROLE_TREE);
            cell += 4;
        }
        if (type != 5 && (cell >= end || *cell > 127 || !short_stays))
            walmap_child(map, walmap_overflow(map, type, cell, end), number, ROLE_OVERFLOW);
    }
}

void capture_walmap_glance(struct capture_walmap *map, uint32_t page, const uint8_t *content)
{
    const uint8_t *end = content + map->usable;
    uint8_t type = content[0];
    if (page <= 1 || page > map->pages || (type != 10 && type != 13)) /* page 1 begins elsewhere */
        return;
    uint32_t cells = page_get2(content + 3);
    bool short_stays = (type == 13 ? page_leaf_most(map->usable) : page_index_most(map->usable)) > 127;
    const uint8_t *pointers = content + 8;
    for (uint32_t i = 0; i < cells && pointers + 2 * (size_t)i + 2 <= end; i++) {
        uint32_t at = page_get2(pointers + 2 * (size_t)i);
        bool may_chain = at + 4 <= map->usable && (content[at] > 127 || !short_stays);
        if (may_chain && walmap_overflow(map, type, content + at, end) != 0)
            return;
    }
    map->places[page].glanced = true;
    map->places[page].cells = (uint16_t)cells;
}

/* M2: what is settled before any page is read. */
static void walmap_find_settled(struct capture_walmap *map)
{
    for (size_t i = 0; i < map->batch_count; i++) {
        struct place *place = &map->places[map->batch[i]];
        if (place->settled || place->tree == 0)
            continue;
        const struct place *parent = &map->places[place->parent < map->room ? place->parent : 0];
        if (place->root || (place->parent != 0 && place->parent <= map->pages && parent->last == 0 && !parent->freed &&
                            parent->tree == place->tree))
            walmap_settled(map, map->batch[i]);
    }
}

static void walmap_end(struct capture_walmap *map)
{
    for (size_t i = 0; i < map->batch_count; i++) {
        struct place *place = &map->places[map->batch[i]];
        if (!place->settled && map->batch[i] != 1)
            walmap_put(map, place, (struct place){.last = place->last, .told = place->told});
        walmap_touch(map, map->batch[i]);
        place->last = 0;
        place->settled = place->noted = false;
    }
    for (size_t i = 0; i < map->freed_count; i++) {
        map->places[map->freed[i]].freed = false;
        map->places[map->freed[i]].settled = false;
    }
    for (size_t i = 0; i < map->touched_count; i++)
        map->places[map->touched[i]].told = false;
    map->batch_count = map->queue_count = map->freed_count = 0;
}

bool capture_walmap_settle(struct capture_walmap *map, const uint8_t *(*read)(void *context, uint32_t frame),
                           void *context, const uint32_t **touched, size_t *count)
{
    for (size_t i = 0; i < map->batch_count; i++)
        walmap_touch(map, map->batch[i]);
    bool ok = walmap_free_list(map, read, context);
    walmap_find_settled(map);
    for (size_t i = 0; i < map->queue_count && ok; i++) {
        uint32_t number = map->queue[i];
        BASE_INVARIANT(number <= map->pages && map->places[number].settled &&
                       map->places[number].last != 0); /* M2, M4 */
        struct place *place = &map->places[number];
        if (place->glanced && place->role == ROLE_TREE) { /* as walmap_read_tree would find it */
            walmap_set_rows(map, place, place->cells);
            continue;
        }
        const uint8_t *page = read(context, map->places[number].last);
        ok = page != NULL;
        if (ok && map->places[number].role == ROLE_OVERFLOW) {
            walmap_set_rows(map, &map->places[number], 0);
            walmap_child(map, page_get4(page), number, ROLE_OVERFLOW);
        } else if (ok && map->places[number].role == ROLE_TREE) {
            walmap_read_tree(map, number, page);
        }
    }
    walmap_end(map);
    *touched = map->touched;
    *count = map->touched_count;
    return ok && !map->failed;
}

size_t capture_walmap_written(const struct capture_walmap *map, const uint32_t **pairs)
{
    *pairs = map->written;
    return map->written_count / 2;
}
