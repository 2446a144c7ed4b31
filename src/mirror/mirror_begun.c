/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When unpublished rows began, for tables with a sink: sequence numbers by row id, in an open-addressing table that is
 * empty after each publish. A row id that was given to another row within the cycle is set again, so it never tells of the one before.
 */
#include "mirror_internal.h"

#include <string.h>

enum { FIRST_BITS = 6, KEPT_BITS = 12 };

static size_t begun_size(uint32_t bits)
{
    return sizeof(struct mirror_begun_entry) << bits;
}

static struct mirror_begun_entry *entry_of(const struct mirror_begun *begun, uint32_t row_id)
{
    uint32_t mask = (uint32_t)((1ull << begun->bits) - 1);
    uint32_t i = (uint32_t)((row_id * 0x9E3779B97F4A7C15u) >> (64 - begun->bits));
    while (begun->entries[i].cell != 0 && begun->entries[i].cell != row_id + 1)
        i = (i + 1) & mask;
    return &begun->entries[i];
}

static rhei_status grow(struct mirror_table *table)
{
    struct mirror_begun *old = &table->begun, bigger = *old;
    void *memory;
    bigger.bits = old->entries == NULL ? FIRST_BITS : old->bits + 1;
    rhei_status status = mirror_memory_alloc_zero(&table->mirror->memory, begun_size(bigger.bits), &memory);
    if (status != RHEI_OK)
        return status;
    bigger.entries = memory;
    for (size_t i = 0; old->entries != NULL && i < (size_t)1 << old->bits; i++)
        if (old->entries[i].cell != 0)
            *entry_of(&bigger, old->entries[i].cell - 1) = old->entries[i];
    if (old->entries != NULL)
        mirror_memory_free(&table->mirror->memory, old->entries, begun_size(old->bits));
    *old = bigger;
    return RHEI_OK;
}

int64_t mirror_begun_find(const struct mirror_table *table, uint32_t row_id)
{
    if (table->begun.count == 0 || table->sink.no_began)
        return MIRROR_NO_SEQUENCE;
    const struct mirror_begun_entry *entry = entry_of(&table->begun, row_id);
    return entry->cell == 0 ? MIRROR_NO_SEQUENCE : entry->seq;
}

void mirror_begun_set(struct mirror_table *table, uint32_t row_id, int64_t seq)
{
    struct mirror_begun *begun = &table->begun;
    if (begun->entries == NULL || 2 * (begun->count + 1) > (size_t)1 << begun->bits) {
        rhei_status status = grow(table);
        if (status != RHEI_OK) {
            mirror_sink_fail(table, status);
            return;
        }
    }
    struct mirror_begun_entry *entry = entry_of(begun, row_id);
    BASE_INVARIANT(row_id != UINT32_MAX && (entry->cell == 0 || entry->cell == row_id + 1));
    begun->count += entry->cell == 0;
    *entry = (struct mirror_begun_entry){.cell = row_id + 1, .seq = seq};
}

void mirror_begun_free(struct mirror_table *table)
{
    struct mirror_begun *begun = &table->begun;
    if (begun->entries != NULL)
        mirror_memory_free(&table->mirror->memory, begun->entries, begun_size(begun->bits));
    *begun = (struct mirror_begun){0};
}

void mirror_begun_published(struct mirror_table *table)
{
    struct mirror_begun *begun = &table->begun;
    if (begun->bits > KEPT_BITS)
        mirror_begun_free(table);
    else if (begun->count > 0)
        memset(begun->entries, 0, begun_size(begun->bits));
    begun->count = 0;
}
