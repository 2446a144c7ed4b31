/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from text to pointer. Not synchronised: the owner locks. Keys are copied; values are borrowed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_map; /* opaque; NULL is an empty map for find, count and next */

/* `fold_ascii`: ASCII letters of keys compare without case, as SQLite's names do. NULL when out of memory. */
struct base_map *base_map_new(bool fold_ascii);
void base_map_free(struct base_map **map);
void *base_map_find(const struct base_map *map, const char *key, size_t key_len);
/* Adds or replaces; *previous (may be NULL) gets the old value or NULL. False when out of memory, nothing changed. */
bool base_map_put(struct base_map *map, const char *key, size_t key_len, void *value, void **previous);
void *base_map_remove(struct base_map *map, const char *key, size_t key_len);
size_t base_map_count(const struct base_map *map);
/* Walks in no order, as the tests' models do: start with *cursor = 0; false at the end. The map must not change meanwhile. */
bool base_map_next(const struct base_map *map, size_t *cursor, const char **key, size_t *key_len, void **value);

/* ASCII-only case folding, SQLite's rule for names. */
int base_fold_compare(const char *a, const char *b);
bool base_fold_equal(const char *a, size_t a_len, const char *b, size_t b_len);
uint64_t base_hash(const void *bytes, size_t len, uint64_t seed);

#endif
