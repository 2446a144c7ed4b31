/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_internal.h"

#include <string.h>

enum { MAX_DEPTH = 7 }; /* 7 x 5 bits hold any uint32_t */

static uint32_t digit(uint32_t number, uint32_t level)
{
    return number >> (MIRROR_TRIE_BITS * level) & (MIRROR_TRIE_FANOUT - 1);
}

static bool holds(const struct mirror_trie *trie, uint32_t number)
{
    return trie->root != NULL && (trie->depth >= MAX_DEPTH || number >> (MIRROR_TRIE_BITS * trie->depth) == 0);
}

/* The node behind *link, changeable: as it is if born in B, else a copy that takes its place. */
static rhei_status own(struct mirror *mirror, struct mirror_garbage_list *list, void **link)
{
    struct mirror_trie_node *old = *link;
    if (old != NULL && old->garbage.born == mirror_building(mirror))
        return RHEI_OK;
    struct mirror_trie_node *node;
    rhei_status status = mirror_small_new(mirror, MIRROR_KIND_NODE, &node);
    if (status != RHEI_OK)
        return status;
    if (old != NULL) {
        memcpy(node->child, old->child, sizeof node->child);
        mirror_retire(mirror, list, old);
    }
    *link = node;
    return RHEI_OK;
}

/* Makes the trie high enough. An empty one gets its height at once, and its root from the path copy. */
static rhei_status deepen(struct mirror *mirror, struct mirror_trie *trie, uint32_t number)
{
    if (trie->root == NULL) {
        trie->depth = 1;
        while (trie->depth < MAX_DEPTH && number >> (MIRROR_TRIE_BITS * trie->depth) != 0)
            trie->depth++;
        return RHEI_OK;
    }
    while (!holds(trie, number)) {
        struct mirror_trie_node *node;
        rhei_status status = mirror_small_new(mirror, MIRROR_KIND_NODE, &node);
        if (status != RHEI_OK)
            return status;
        node->child[0] = trie->root;
        trie->root = node;
        trie->depth++;
    }
    return RHEI_OK;
}

static bool is_bare(const struct mirror_trie_node *node)
{
    for (uint32_t i = 0; i < MIRROR_TRIE_FANOUT; i++)
        if (node->child[i] != NULL)
            return false;
    return true;
}

/* Takes nodes without children out of a path whose nodes are all of B. */
static void prune(struct mirror *mirror, struct mirror_garbage_list *list, struct mirror_trie *trie, void **path[])
{
    for (uint32_t level = 0; level < trie->depth; level++) {
        void **link = path[level];
        if (!is_bare(*link))
            return;
        mirror_retire(mirror, list, *link);
        *link = NULL;
    }
    BASE_INVARIANT(*path[trie->depth - 1] == NULL);
    trie->depth = 0;
}

rhei_status mirror_trie_put(struct mirror *mirror, struct mirror_garbage_list *list, struct mirror_trie *trie,
                            uint32_t number, void *value)
{
    if (value == NULL && mirror_trie_get(trie, number) == NULL)
        return RHEI_OK;
    rhei_status status = deepen(mirror, trie, number);
    if (status != RHEI_OK)
        return status;
    void **path[MAX_DEPTH]; /* link to the node of each level */
    void *root = trie->root;
    void **link = &root;
    for (uint32_t level = trie->depth; level-- > 0;) {
        status = own(mirror, list, link);
        trie->root = root;
        if (status != RHEI_OK)
            return status;
        path[level] = link;
        struct mirror_trie_node *node = *link;
        link = &node->child[digit(number, level)];
    }
    BASE_INVARIANT(holds(trie, number) && trie->depth <= MAX_DEPTH);
    *link = value;
    if (value == NULL)
        prune(mirror, list, trie, path);
    trie->root = root;
    return RHEI_OK;
}

static void *next_in(struct mirror_trie_node *node, uint32_t level, uint32_t base, uint32_t from, uint32_t *found)
{
    uint32_t span = MIRROR_TRIE_BITS * level;
    uint32_t start = from <= base ? 0 : (from - base) >> span;
    for (uint32_t i = start; i < MIRROR_TRIE_FANOUT; i++) {
        if (node->child[i] == NULL)
            continue;
        uint32_t here = base + (i << span);
        if (level == 0) {
            *found = here;
            return node->child[i];
        }
        void *value = next_in(node->child[i], level - 1, here, from, found);
        if (value != NULL)
            return value;
    }
    return NULL;
}

void *mirror_trie_next(const struct mirror_trie *trie, uint32_t *number)
{
    if (!holds(trie, *number))
        return NULL;
    return next_in(trie->root, trie->depth - 1, 0, *number, number);
}

static void free_node(struct mirror *mirror, struct mirror_trie_node *node, uint32_t level)
{
    if (node == NULL)
        return;
    for (uint32_t i = 0; level > 0 && i < MIRROR_TRIE_FANOUT; i++)
        free_node(mirror, node->child[i], level - 1);
    mirror_small_free(mirror, node);
}

void mirror_trie_free(struct mirror *mirror, struct mirror_trie *trie)
{
    if (trie->depth > 0)
        free_node(mirror, trie->root, trie->depth - 1);
    memset(trie, 0, sizeof *trie);
}
