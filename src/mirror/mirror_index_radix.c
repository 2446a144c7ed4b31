/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of row ids for integer keys that lie close together: 4 bytes a key, no rehash of the keys, negative keys and any
 * starting point welcome. A small open-addressing directory finds a page by its number.
 *
 * Invariants: every page holds at least one key, or was added a moment ago for one; pages <= FREE_PAGES + keys of the
 * table / KEYS_PER_PAGE, so that sparse keys cost 8 bytes each at the most beside their entry in the hash.
 */
#include "mirror_internal.h"

#include <string.h>

enum { FREE_PAGES = 16, KEYS_PER_PAGE = MIRROR_PAGE_KEYS / 2, FIRST_BITS = 4 };

/* Fibonacci hashing: spreads runs of neighbouring numbers, the usual case, almost without a collision. */
static uint32_t home(const struct mirror_radix *radix, int64_t number)
{
    return (uint32_t)(((uint64_t)number * 0x9E3779B97F4A7C15u) >> (64 - radix->bits));
}

static uint32_t entry_of(const struct mirror_radix *radix, int64_t number)
{
    uint32_t mask = (uint32_t)((1ull << radix->bits) - 1);
    uint32_t i = home(radix, number);
    while (radix->entries[i].page != NULL && radix->entries[i].number != number)
        i = (i + 1) & mask;
    return i;
}

struct mirror_page *mirror_radix_page(const struct mirror_radix *radix, int64_t number)
{
    if (radix->last != NULL && radix->last_number == number)
        return radix->last;
    return radix->entries == NULL ? NULL : radix->entries[entry_of(radix, number)].page;
}

static rhei_status grow(struct mirror_memory *memory, struct mirror_radix *radix)
{
    struct mirror_radix bigger = *radix;
    bigger.bits = radix->entries == NULL ? FIRST_BITS : radix->bits + 1;
    void *entries;
    rhei_status status = mirror_memory_alloc_index(memory, sizeof(struct mirror_page_entry) << bigger.bits, &entries);
    if (status != RHEI_OK)
        return status;
    bigger.entries = entries;
    size_t old_size = radix->entries == NULL ? 0 : (size_t)1 << radix->bits;
    for (size_t i = 0; i < old_size; i++)
        if (radix->entries[i].page != NULL)
            bigger.entries[entry_of(&bigger, radix->entries[i].number)] = radix->entries[i];
    mirror_memory_free_index(memory, radix->entries, old_size * sizeof(struct mirror_page_entry));
    *radix = bigger;
    return RHEI_OK;
}

rhei_status mirror_radix_page_add(struct mirror_memory *memory, struct mirror_radix *radix, uint64_t keys,
                                  int64_t number, struct mirror_page **page)
{
    *page = NULL;
    if (radix->pages >= FREE_PAGES + keys / KEYS_PER_PAGE)
        return RHEI_OK;
    rhei_status status = RHEI_OK;
    if (radix->entries == NULL || radix->pages * 2u >= 1u << radix->bits)
        status = grow(memory, radix);
    void *fresh = NULL;
    if (status == RHEI_OK)
        status = mirror_memory_alloc_index(memory, sizeof(struct mirror_page), &fresh);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(radix->entries[entry_of(radix, number)].page == NULL);
    *page = fresh;
    radix->entries[entry_of(radix, number)] = (struct mirror_page_entry){.number = number, .page = fresh};
    radix->pages++;
    return RHEI_OK;
}

/* Backward-shift deletion: no tombstones. */
void mirror_radix_page_remove(struct mirror_memory *memory, struct mirror_radix *radix, int64_t number)
{
    uint32_t mask = (uint32_t)((1ull << radix->bits) - 1);
    uint32_t hole = entry_of(radix, number);
    BASE_INVARIANT(radix->pages > 0 && radix->entries[hole].page != NULL && radix->entries[hole].page->used == 0);
    mirror_memory_free_index(memory, radix->entries[hole].page, sizeof(struct mirror_page));
    for (uint32_t i = (hole + 1) & mask; radix->entries[i].page != NULL; i = (i + 1) & mask) {
        uint32_t wanted = home(radix, radix->entries[i].number);
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            radix->entries[hole] = radix->entries[i];
            hole = i;
        }
    }
    radix->entries[hole].page = NULL;
    radix->pages--;
    radix->last = NULL;
}

void mirror_radix_free(struct mirror_memory *memory, struct mirror_radix *radix)
{
    size_t size = radix->entries == NULL ? 0 : (size_t)1 << radix->bits;
    for (size_t i = 0; i < size; i++)
        mirror_memory_free_index(memory, radix->entries[i].page, sizeof(struct mirror_page));
    mirror_memory_free_index(memory, radix->entries, size * sizeof(struct mirror_page_entry));
    memset(radix, 0, sizeof *radix);
}
