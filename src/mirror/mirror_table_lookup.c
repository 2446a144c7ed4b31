/* SPDX-License-Identifier: Apache-2.0 */
/*
 *  3. Who looked at twice as many slots as the table has rows, for single values of one column within a pin, is about to join: a hash of the
 *     column's values is made then, once for the pin, so that a join costs its rows and not their product. Where values ascend each
 *     is found by a search, which is worth a few slots, so that joins by a key make none but for very many rows. (The key index knows only the
 *     newest, perhaps unpublished rows, so a snapshot can't be asked by it.)
 */
#include "mirror_table_lookup.h"

#include <string.h>

#include "base/base_map.h"
#include "base/base_memory.h"
#include "mirror_scan.h"

enum { LOOKS_BEFORE_HASH = 2 }; /* at each row */

uint32_t mirror_lookup_hash(const struct rhei_value *value)
{
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL) {
        double number = value->type == RHEI_REAL ? value->as.real : (double)value->as.integer;
        number = number == 0 ? 0 : number; /* -0.0 */
        return (uint32_t)base_hash(&number, sizeof number, 1);
    }
    return (uint32_t)base_hash(value->as.bytes, value->length, 2);
}

static bool lookup_add(struct mirror_lookup *lookup, const struct mirror_scan_batch *batch,
                       const struct mirror_column_data *data, uint32_t most)
{
    struct rhei_value value;
    for (uint32_t slot = mirror_scan_slot(batch, 0); slot < batch->rows; slot = mirror_scan_slot(batch, slot + 1)) {
        mirror_table_cell(data, slot, &value);
        if (value.type == RHEI_NULL)
            continue;
        if (lookup->count == most)
            return false;
        lookup->places[lookup->count] = batch->segment << 16 | (batch->vector * (uint32_t)MIRROR_VECTOR_ROWS + slot);
        lookup->hashes[lookup->count++] = mirror_lookup_hash(&value);
    }
    return true;
}

/* Backwards, so that a chain has its rows in the order of their places. */
static void lookup_link(struct mirror_lookup *lookup)
{
    memset(lookup->buckets, 0xff, ((size_t)lookup->mask + 1) * sizeof *lookup->buckets);
    for (uint32_t i = lookup->count; i-- > 0;) {
        uint32_t *bucket = &lookup->buckets[lookup->hashes[i] & lookup->mask];
        lookup->chain[i] = *bucket;
        *bucket = i;
    }
}

static bool lookup_make(struct mirror_lookup *lookup)
{
    uint64_t rows = mirror_view_row_count(lookup->view);
    struct mirror_scan *scan = NULL;
    if (rows >= MIRROR_LOOKUP_END / 2 || mirror_scan_open(lookup->view, NULL, &scan, NULL) != RHEI_OK)
        return false;
    uint32_t buckets = 16;
    while (buckets < rows)
        buckets *= 2;
    lookup->mask = buckets - 1;
    lookup->buckets = base_alloc(buckets * sizeof *lookup->buckets);
    lookup->chain = base_alloc((rows + 1) * sizeof *lookup->chain);
    lookup->places = base_alloc((rows + 1) * sizeof *lookup->places);
    lookup->hashes = base_alloc((rows + 1) * sizeof *lookup->hashes);
    bool made = lookup->buckets != NULL && lookup->chain != NULL && lookup->places != NULL && lookup->hashes != NULL;
    struct mirror_scan_batch batch;
    struct mirror_column_data data;
    struct mirror_hold hold = {NULL};
    while (made && mirror_scan_next(scan, &batch)) {
        mirror_scan_hold(scan, &batch, &hold);
        mirror_scan_column(scan, &batch, lookup->column, &data);
        made = lookup_add(lookup, &batch, &data, (uint32_t)rows);
    }
    mirror_hold_end(&hold);
    if (made)
        lookup_link(lookup);
    mirror_scan_close(&scan);
    return made;
}

static struct mirror_lookup *lookup_find(struct mirror_lookup *all, const struct mirror_table_view *view,
                                         uint32_t column)
{
    while (all != NULL && (all->view != view || all->column != column))
        all = all->next;
    return all;
}

struct mirror_lookup *mirror_lookup_take(struct mirror_lookup *all, const struct mirror_table_view *view,
                                         uint32_t column)
{
    struct mirror_lookup *lookup = lookup_find(all, view, column);
    if (lookup == NULL)
        return NULL;
    if (lookup->buckets == NULL && !lookup->impossible &&
        lookup->looked >= LOOKS_BEFORE_HASH * mirror_view_row_count(view))
        lookup->impossible = !lookup_make(lookup);
    return lookup->buckets != NULL && !lookup->impossible ? lookup : NULL;
}

void mirror_lookup_note(struct mirror_lookup **all, const struct mirror_table_view *view, uint32_t column,
                        uint64_t slots)
{
    struct mirror_lookup *lookup = lookup_find(*all, view, column);
    if (lookup == NULL) {
        lookup = base_alloc_zero(1, sizeof *lookup);
        if (lookup == NULL)
            return;
        lookup->view = view;
        lookup->column = column;
        lookup->next = *all;
        *all = lookup;
    }
    lookup->looked += slots;
}

bool mirror_lookup_next(const struct mirror_lookup *lookup, uint32_t *at, uint32_t hash, uint32_t *place)
{
    uint32_t entry = *at;
    while (entry != MIRROR_LOOKUP_END && lookup->hashes[entry] != hash)
        entry = lookup->chain[entry];
    if (entry == MIRROR_LOOKUP_END)
        return false;
    *at = lookup->chain[entry];
    *place = lookup->places[entry];
    return true;
}

static void lookup_free(struct mirror_lookup *lookup)
{
    base_free(lookup->buckets);
    base_free(lookup->chain);
    base_free(lookup->places);
    base_free(lookup->hashes);
    base_free(lookup);
}

void mirror_lookups_free(struct mirror_lookup **all)
{
    while (*all != NULL) {
        struct mirror_lookup *going = *all;
        *all = going->next;
        lookup_free(going);
    }
}
