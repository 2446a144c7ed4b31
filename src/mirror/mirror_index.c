/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of the index together. An integer key is looked for in its page first and then in the hash; it enters a
 * page if there is one or may be one, and stays in the hash if it is there already.
 */
#include "mirror_internal.h"

#include <string.h>

static int64_t integer_key(const struct mirror_table *table, const struct mirror_probe *probe)
{
    return probe->columns[table->definition.key_columns[0]][probe->row].as.integer;
}

static struct mirror_partition *partition_of(struct mirror_index *index, uint64_t hash)
{
    return &index->partition[mirror_hash_partition(hash)];
}

static uint32_t *find_hashed(struct mirror_table *table, const struct mirror_probe *probe)
{
    if (table->index.hashed == 0)
        return NULL;
    struct mirror_probe hashed = *probe;
    if (table->index.by_integer)
        hashed.hash = mirror_key_hash(table, probe->columns, probe->row);
    return mirror_hash_find(table, partition_of(&table->index, hashed.hash), &hashed);
}

static struct mirror_page *page_of(struct mirror_radix *radix, int64_t key)
{
    int64_t number = key >> MIRROR_PAGE_BITS;
    struct mirror_page *page = mirror_radix_page(radix, number);
    if (page != NULL) {
        radix->last = page;
        radix->last_number = number;
    }
    return page;
}

uint32_t *mirror_index_find(struct mirror_table *table, const struct mirror_probe *probe)
{
    if (table->index.by_integer) {
        int64_t key = integer_key(table, probe);
        struct mirror_page *page = page_of(&table->index.radix, key);
        uint32_t *cell = page == NULL ? NULL : &page->cell[key & (MIRROR_PAGE_KEYS - 1)];
        if (cell != NULL && *cell != 0)
            return cell;
    }
    return find_hashed(table, probe);
}

static rhei_status enter_hash(struct mirror_table *table, const struct mirror_probe *probe, uint32_t **cell)
{
    struct mirror_index *index = &table->index;
    uint64_t hash = index->by_integer ? mirror_key_hash(table, probe->columns, probe->row) : probe->hash;
    rhei_status status = mirror_hash_add(&table->mirror->memory, partition_of(index, hash), hash, cell);
    if (status == RHEI_OK)
        index->hashed++;
    return status;
}

static rhei_status enter_page(struct mirror_table *table, struct mirror_page *page, int64_t key,
                              const struct mirror_probe *probe, uint32_t **cell)
{
    struct mirror_radix *radix = &table->index.radix;
    if (page == NULL) {
        int64_t number = key >> MIRROR_PAGE_BITS;
        uint64_t keys = radix->keys + table->index.hashed;
        rhei_status status = mirror_radix_page_add(&table->mirror->memory, radix, keys, number, &page);
        if (status != RHEI_OK)
            return status;
        if (page == NULL)
            return enter_hash(table, probe, cell);
        radix->last = page;
        radix->last_number = number;
    }
    BASE_INVARIANT(page->used < MIRROR_PAGE_KEYS && page->cell[key & (MIRROR_PAGE_KEYS - 1)] == 0);
    page->used++;
    radix->keys++;
    *cell = &page->cell[key & (MIRROR_PAGE_KEYS - 1)];
    return RHEI_OK;
}

rhei_status mirror_index_enter(struct mirror_table *table, const struct mirror_probe *probe, uint32_t **cell)
{
    struct mirror_index *index = &table->index;
    if (!index->by_integer) {
        *cell = find_hashed(table, probe);
        return *cell != NULL ? RHEI_OK : enter_hash(table, probe, cell);
    }
    int64_t key = integer_key(table, probe);
    struct mirror_page *page = page_of(&index->radix, key);
    if (page != NULL && page->cell[key & (MIRROR_PAGE_KEYS - 1)] != 0) {
        *cell = &page->cell[key & (MIRROR_PAGE_KEYS - 1)];
        return RHEI_OK;
    }
    *cell = find_hashed(table, probe);
    return *cell != NULL ? RHEI_OK : enter_page(table, page, key, probe, cell);
}

rhei_status mirror_index_enter_run(struct mirror_table *table, int64_t key, uint32_t first, size_t count,
                                   size_t *entered)
{
    struct mirror_radix *radix = &table->index.radix;
    rhei_status status = RHEI_OK;
    BASE_INVARIANT(table->index.by_integer && (count == 0 || key <= INT64_MAX - (int64_t)(count - 1)));
    *entered = 0;
    for (bool more = table->index.hashed == 0 && count > 0; more;) {
        int64_t at = key + (int64_t)*entered, number = at >> MIRROR_PAGE_BITS;
        size_t slot = (size_t)(at & (MIRROR_PAGE_KEYS - 1)), done = slot;
        size_t end = count - *entered < MIRROR_PAGE_KEYS - slot ? slot + count - *entered : MIRROR_PAGE_KEYS;
        struct mirror_page *page = page_of(radix, at);
        if (page == NULL)
            status = mirror_radix_page_add(&table->mirror->memory, radix, radix->keys, number, &page);
        if (page == NULL) /* no memory, or too sparse */
            break;
        radix->last = page;
        radix->last_number = number;
        for (; done < end && page->cell[done] == 0; done++)
            page->cell[done] = first + (uint32_t)(*entered + done - slot);
        page->used += (uint32_t)(done - slot);
        radix->keys += done - slot;
        *entered += done - slot;
        BASE_INVARIANT(page->used <= MIRROR_PAGE_KEYS);
        more = done == end && *entered < count;
    }
    return status;
}

void mirror_index_remove(struct mirror_table *table, const struct mirror_probe *probe, uint32_t *cell)
{
    struct mirror_index *index = &table->index;
    struct mirror_memory *memory = &table->mirror->memory;
    if (index->by_integer) {
        int64_t key = integer_key(table, probe);
        struct mirror_page *page = page_of(&index->radix, key);
        if (page != NULL && cell == &page->cell[key & (MIRROR_PAGE_KEYS - 1)]) {
            BASE_INVARIANT(*cell != 0 && page->used > 0 && index->radix.keys > 0);
            *cell = 0;
            page->used--;
            index->radix.keys--;
            if (page->used == 0)
                mirror_radix_page_remove(memory, &index->radix, key >> MIRROR_PAGE_BITS);
            return;
        }
    }
    uint64_t hash = index->by_integer ? mirror_key_hash(table, probe->columns, probe->row) : probe->hash;
    BASE_INVARIANT(index->hashed > 0 && *cell != 0);
    mirror_hash_remove(memory, partition_of(index, hash), cell);
    index->hashed--;
}

void mirror_index_prefetch(const struct mirror_table *table, const struct mirror_probe *probe)
{
    const struct mirror_index *index = &table->index;
    if (!index->by_integer) {
        mirror_hash_prefetch(&index->partition[mirror_hash_partition(probe->hash)], probe->hash);
        return;
    }
    int64_t key = integer_key(table, probe);
    const struct mirror_page *page = mirror_radix_page(&index->radix, key >> MIRROR_PAGE_BITS);
    if (page != NULL)
        __builtin_prefetch(&page->cell[key & (MIRROR_PAGE_KEYS - 1)], 1);
}

uint32_t mirror_index_peek(const struct mirror_table *table, const struct mirror_probe *probe)
{
    const struct mirror_index *index = &table->index;
    if (!index->by_integer)
        return mirror_hash_peek(&index->partition[mirror_hash_partition(probe->hash)], probe->hash);
    int64_t key = integer_key(table, probe);
    const struct mirror_page *page = mirror_radix_page(&index->radix, key >> MIRROR_PAGE_BITS);
    return page == NULL ? 0 : page->cell[key & (MIRROR_PAGE_KEYS - 1)];
}

static bool is_forgotten(uint32_t cell, const uint64_t *lost)
{
    uint32_t number = (cell - 1) >> 16;
    return cell != 0 && (lost[number / 64] >> (number % 64) & 1) != 0;
}

static void forget_paged(struct mirror_memory *memory, struct mirror_radix *radix, const uint64_t *lost)
{
    for (size_t i = 0; radix->entries != NULL && i < (size_t)1 << radix->bits;) {
        struct mirror_page *page = radix->entries[i].page;
        uint32_t gone = 0;
        for (uint32_t k = 0; page != NULL && k < MIRROR_PAGE_KEYS; k++) {
            if (!is_forgotten(page->cell[k], lost))
                continue;
            page->cell[k] = 0;
            gone++;
        }
        radix->keys -= gone;
        if (page != NULL)
            page->used -= gone;
        if (gone > 0 && page->used == 0)
            mirror_radix_page_remove(memory, radix, radix->entries[i].number); /* another one may take its place */
        else
            i++;
    }
}

static void forget_hashed(struct mirror_memory *memory, struct mirror_index *index, struct mirror_partition *partition,
                          const uint64_t *lost)
{
    for (uint32_t i = 0; i < partition->capacity;) {
        uint32_t capacity = partition->capacity;
        if (!is_forgotten(partition->entries[i].cell, lost)) {
            i++;
            continue;
        }
        mirror_hash_remove(memory, partition, &partition->entries[i].cell); /* another one may take its place */
        index->hashed--;
        i = partition->capacity == capacity ? i : 0;
    }
}

void mirror_index_forget(struct mirror_table *table, const uint64_t *lost)
{
    struct mirror_memory *memory = &table->mirror->memory;
    forget_paged(memory, &table->index.radix, lost);
    for (uint32_t p = 0; p < MIRROR_PARTITIONS; p++)
        forget_hashed(memory, &table->index, &table->index.partition[p], lost);
}

void mirror_index_free(struct mirror_memory *memory, struct mirror_index *index)
{
    mirror_radix_free(memory, &index->radix);
    for (uint32_t p = 0; p < MIRROR_PARTITIONS; p++)
        mirror_hash_free(memory, &index->partition[p]);
    index->hashed = 0;
}
