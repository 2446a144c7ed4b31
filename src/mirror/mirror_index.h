/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key index: from a key to the row id (+1) of its live row. The writer's own; readers never touch it, so nothing in it is
 * atomic. A table whose key is one integer uses pages of 4,096 ids, as long as they are filled well enough; keys
 * that lie too sparsely, and all other kinds of keys, go into a partitioned hash.
 */
#ifndef MIRROR_MIRROR_INDEX_H
#define MIRROR_MIRROR_INDEX_H

#include "mirror_memory.h"

struct mirror_table;

enum {
    MIRROR_PAGE_BITS = 12,
    MIRROR_PAGE_KEYS = 1 << MIRROR_PAGE_BITS,
    MIRROR_PARTITION_BITS = 6,
    MIRROR_PARTITIONS = 1 << MIRROR_PARTITION_BITS,
};

struct mirror_page {
    uint32_t used;
    uint32_t cell[MIRROR_PAGE_KEYS]; /* row id + 1; 0: no such key */
};

struct mirror_page_entry {
    int64_t number;           /* key >> 12 */
    struct mirror_page *page; /* NULL: empty entry */
};

struct mirror_radix {
    struct mirror_page_entry *entries; /* open addressing */
    uint32_t bits;                     /* 2^bits entries */
    uint32_t pages;
    uint64_t keys;
    int64_t last_number; /* the page used last, when last is not NULL */
    struct mirror_page *last;
};

struct mirror_hash_entry {
    uint32_t tag; /* upper half of the hash; its home slot follows from it */
    uint32_t cell;
};

struct mirror_partition {
    struct mirror_hash_entry *entries;
    uint32_t capacity, used;
};

struct mirror_index {
    bool by_integer;
    struct mirror_radix radix;
    struct mirror_partition partition[MIRROR_PARTITIONS];
    uint64_t hashed; /* keys in the partitions */
};

/* Rows that have their slot but not their values yet: ids first_id .. first_id + count - 1 come from rows[] of the batch. */
struct mirror_pending {
    uint32_t first_id, count;
    const uint32_t *rows;
};

/* One key of a batch. */
struct mirror_probe {
    const struct rhei_value *const *columns;
    size_t row;
    uint64_t hash; /* mirror_key_hash; not used for a key found in a page */
    const struct mirror_pending *pending;
};

/* ---- Keys (mirror_key.c): NULL = NULL, 1 = 1.0, 0.0 = -0.0, text and BLOB by bytes. */
uint64_t mirror_value_hash(const struct rhei_value *value, uint64_t seed);
bool mirror_value_equal(const struct rhei_value *a, const struct rhei_value *b);
/* -1, 0, 1 of an integer against a REAL that is no NaN, exactly. */
int mirror_compare_integer_real(int64_t integer, double real);
uint64_t mirror_key_hash(const struct mirror_table *table, const struct rhei_value *const *columns, size_t row);
bool mirror_key_matches(const struct mirror_table *table, uint32_t row_id, const struct mirror_probe *probe);

/* ---- Index as a whole (mirror_index.c). */
/*
 * Before the index is used: the keys of segments that were adopted lazily enter it. Failing, it has some of them, and the table
 * must become unsound.
 */
rhei_status mirror_index_complete(struct mirror_table *table);
/* The cell of a key that is there, or NULL. Valid until the next call that changes the index. */
uint32_t *mirror_index_find(struct mirror_table *table, const struct mirror_probe *probe);
/* The cell of a key; 0 in it: it is new, and the caller must put a row in. */
rhei_status mirror_index_enter(struct mirror_table *table, const struct mirror_probe *probe, uint32_t **cell);
/*
 * Enters the integer keys from `key` on, `count` of them, all new, for cells that count up from `first`. *entered: as many as came before
 * one that is there, or that has to be entered by itself. Failing, those are in the index.
 */
rhei_status mirror_index_enter_run(struct mirror_table *table, int64_t key, uint32_t first, size_t count,
                                   size_t *entered);
/* Takes a key out whose cell was found just now. */
void mirror_index_remove(struct mirror_table *table, const struct mirror_probe *probe, uint32_t *cell);
/* The cell that this key probably has, without comparing keys; 0: none. For prefetching. */
uint32_t mirror_index_peek(const struct mirror_table *table, const struct mirror_probe *probe);
/* Takes out every key whose row lies in a segment that has its bit in `lost` (one for each number), without a look at the keys. */
void mirror_index_forget(struct mirror_table *table, const uint64_t *lost);
void mirror_index_prefetch(const struct mirror_table *table, const struct mirror_probe *probe);
void mirror_index_free(struct mirror_memory *memory, struct mirror_index *index);

/* ---- Pages (mirror_index_radix.c). */
struct mirror_page *mirror_radix_page(const struct mirror_radix *radix, int64_t number);
/* *page stays NULL, with RHEI_OK, when the keys are too sparse for another page. */
rhei_status mirror_radix_page_add(struct mirror_memory *memory, struct mirror_radix *radix, uint64_t keys,
                                  int64_t number, struct mirror_page **page);
void mirror_radix_page_remove(struct mirror_memory *memory, struct mirror_radix *radix, int64_t number);
void mirror_radix_free(struct mirror_memory *memory, struct mirror_radix *radix);

/* ---- Hash (mirror_index_hash.c). */
static inline uint32_t mirror_hash_partition(uint64_t hash)
{
    return (uint32_t)hash & (MIRROR_PARTITIONS - 1);
}
uint32_t *mirror_hash_find(const struct mirror_table *table, const struct mirror_partition *partition,
                           const struct mirror_probe *probe);
/* A new entry for a key that is not there; its cell is 0. */
rhei_status mirror_hash_add(struct mirror_memory *memory, struct mirror_partition *partition, uint64_t hash,
                            uint32_t **cell);
void mirror_hash_remove(struct mirror_memory *memory, struct mirror_partition *partition, uint32_t *cell);
/* The first entry with the key's tag; 0: none. */
uint32_t mirror_hash_peek(const struct mirror_partition *partition, uint64_t hash);
void mirror_hash_free(struct mirror_memory *memory, struct mirror_partition *partition);
static inline void mirror_hash_prefetch(const struct mirror_partition *partition, uint64_t hash)
{
    if (partition->capacity > 0)
        __builtin_prefetch(&partition->entries[((hash >> 32) * partition->capacity) >> 32], 1);
}

#endif
