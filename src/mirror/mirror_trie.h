/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A persistent array of pointers: an update copies the nodes on its path, so that every published version keeps its own
 * root for the price of a few hundred bytes. Keeps the tables of a version, and the segments and deletions of a table.
 * Nodes are immutable once published; a node born in the epoch being built has been seen by nobody and is changed in place.
 */
#ifndef MIRROR_MIRROR_TRIE_H
#define MIRROR_MIRROR_TRIE_H

#include "mirror_reclaim.h"

enum { MIRROR_TRIE_BITS = 5, MIRROR_TRIE_FANOUT = 1 << MIRROR_TRIE_BITS };

struct mirror_trie_node {
    struct mirror_garbage garbage;
    void *child[MIRROR_TRIE_FANOUT];
};

/* Zeroed: empty. A value is found under its number in `depth` steps. */
struct mirror_trie {
    struct mirror_trie_node *root;
    uint32_t depth;
};

static inline void *mirror_trie_get(const struct mirror_trie *trie, uint32_t number)
{
    uint32_t depth = trie->depth;
    if (depth < 7 && number >> (MIRROR_TRIE_BITS * depth) != 0)
        return NULL;
    const struct mirror_trie_node *node = trie->root;
    while (depth > 1 && node != NULL) {
        depth--;
        node = node->child[number >> (MIRROR_TRIE_BITS * depth) & (MIRROR_TRIE_FANOUT - 1)];
    }
    return node == NULL ? NULL : node->child[number & (MIRROR_TRIE_FANOUT - 1)];
}

/*
 * Writer. Sets one value (NULL takes it out); replaced nodes go to `list`. On failure the contents are unchanged.
 * Setting a number again in the same epoch never fails.
 */
rhei_status mirror_trie_put(struct mirror *mirror, struct mirror_garbage_list *list, struct mirror_trie *trie,
                            uint32_t number, void *value);
/* The first number >= *number that has a value; NULL: none. */
void *mirror_trie_next(const struct mirror_trie *trie, uint32_t *number);
/* Frees the nodes at once. */
void mirror_trie_free(struct mirror *mirror, struct mirror_trie *trie);

#endif
