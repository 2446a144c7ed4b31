/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/sync_compare.h"

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "mirror/mirror_image.h"
#include "mirror/mirror_scan.h"
#include "mirror/mirror_table_order.h"

#include <string.h>

static uint64_t cell_hash(uint64_t seed, const struct rhei_value *value, uint32_t column)
{
    uint64_t head = seed ^ ((uint64_t)column << 8) ^ value->type;
    switch (value->type) {
    case RHEI_NULL:
        return base_hash(&head, sizeof head, seed);
    case RHEI_INTEGER:
    case RHEI_REAL:
        return base_hash(&value->as, sizeof value->as, head);
    default:
        return base_hash(value->as.bytes, value->length, head);
    }
}

void sync_checksum_row(struct sync_checksum *checksum, const struct rhei_value *cells, uint32_t count)
{
    uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu;
    for (uint32_t c = 0; c < count; c++) {
        a = cell_hash(a, &cells[c], c);
        b = cell_hash(b, &cells[c], c);
    }
    checksum->rows++;
    checksum->sum += a;
    checksum->product += b * (a | 1);
}

bool sync_checksum_equal(const struct sync_checksum *a, const struct sync_checksum *b)
{
    return a->rows == b->rows && a->sum == b->sum && a->product == b->product;
}

int sync_value_compare(const struct rhei_value *a, const struct rhei_value *b)
{
    return mirror_table_order_compare(a, b, 1);
}

/* ---- Zones. -------------------------------------------------------------------------------------------------------- */

struct sync_zone {
    uint64_t lineage; /* 0: nothing is known */
    struct rhei_value low, high;
    void *low_bytes, *high_bytes; /* of theirs */
};

/* What one scan sees of a segment. */
struct seen {
    struct sync_zones *zones;
    uint32_t segment, slots;
    struct sync_zone zone;
    bool failed; /* no memory: nothing is learnt of it */
};

static void zone_reset(struct sync_zone *zone)
{
    base_free(zone->low_bytes);
    base_free(zone->high_bytes);
    *zone = (struct sync_zone){0};
}

void sync_zones_reset(struct sync_zones *zones)
{
    for (size_t i = 0; i < zones->count; i++)
        zone_reset(&zones->zones[i]);
    base_free(zones->zones);
    *zones = (struct sync_zones){0};
}

static bool keep_value(const struct rhei_value *value, struct rhei_value *kept, void **bytes)
{
    base_free(*bytes);
    *bytes = NULL;
    *kept = *value;
    if (value->type != RHEI_TEXT && value->type != RHEI_BLOB)
        return true;
    *bytes = base_alloc((size_t)value->length + 1);
    if (*bytes == NULL)
        return false;
    if (value->length > 0)
        memcpy(*bytes, value->as.bytes, value->length);
    kept->as.bytes = *bytes;
    return true;
}

static void see(struct seen *seen, const struct rhei_value *value)
{
    struct sync_zone *zone = &seen->zone;
    if (seen->zones == NULL || seen->failed)
        return;
    bool first = zone->lineage == 0;
    zone->lineage = 1;
    if (first || sync_value_compare(value, &zone->low) < 0)
        seen->failed = !keep_value(value, &zone->low, &zone->low_bytes);
    if (!seen->failed && (first || sync_value_compare(value, &zone->high) > 0))
        seen->failed = !keep_value(value, &zone->high, &zone->high_bytes);
}

/* A segment was seen to its end. Only a full one has no more rows the next time; fewer, in which the zone only is too wide. */
static void learn(struct seen *seen, const struct mirror_table_view *view)
{
    struct sync_zones *zones = seen->zones;
    uint64_t lineage = zones == NULL ? 0 : mirror_view_segment_lineage(view, seen->segment);
    bool known = lineage != 0 && seen->slots == MIRROR_SEGMENT_ROWS && !seen->failed && seen->zone.lineage != 0 &&
                 base_grow((void **)&zones->zones, &zones->capacity, (size_t)seen->segment + 1, sizeof *zones->zones);
    if (!known) {
        zone_reset(&seen->zone);
        return;
    }
    while (zones->count <= seen->segment)
        zones->zones[zones->count++] = (struct sync_zone){0};
    zone_reset(&zones->zones[seen->segment]);
    seen->zone.lineage = lineage;
    zones->zones[seen->segment] = seen->zone;
    seen->zone = (struct sync_zone){0};
}

static bool is_apart(const struct sync_part *part, const struct mirror_table_view *view, uint32_t segment)
{
    const struct sync_zones *zones = part->zones;
    if (zones == NULL || segment >= zones->count || zones->zones[segment].lineage == 0 ||
        zones->zones[segment].lineage != mirror_view_segment_lineage(view, segment))
        return false;
    const struct sync_zone *zone = &zones->zones[segment];
    return (part->above != NULL && sync_value_compare(&zone->high, part->above) <= 0) ||
           (part->upto != NULL && sync_value_compare(&zone->low, part->upto) > 0);
}

/* ---- Scans. -------------------------------------------------------------------------------------------------------- */

static bool is_within(const struct sync_part *part, const struct rhei_value *value)
{
    return (part->above == NULL || sync_value_compare(value, part->above) > 0) &&
           (part->upto == NULL || sync_value_compare(value, part->upto) <= 0);
}

struct giving {
    const struct sync_part *part; /* NULL: no column decides */
    struct seen seen;
    struct rhei_value *cells;
    uint32_t columns;
    rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count);
    void *context;
};

static rhei_status give_batch(struct giving *giving, const struct mirror_scan *scan,
                              const struct mirror_scan_batch *batch)
{
    struct mirror_hold hold = {NULL};
    struct rhei_value *cells = giving->cells;
    rhei_status status = RHEI_OK;
    uint32_t looked = 0;
    mirror_scan_hold(scan, batch, &hold);
    for (uint32_t slot = 0; status == RHEI_OK && (slot = mirror_scan_slot(batch, slot)) < batch->rows; slot++) {
        looked++;
        if (giving->part != NULL) {
            struct rhei_value key;
            mirror_scan_value(scan, batch, slot, giving->part->column, &key);
            see(&giving->seen, &key);
            if (!is_within(giving->part, &key))
                continue;
        }
        for (uint32_t c = 0; c < giving->columns; c++)
            mirror_scan_value(scan, batch, slot, c, &cells[c]);
        status = giving->take(giving->context, cells, giving->columns);
    }
    BASE_INVARIANT(status != RHEI_OK || looked == batch->count);
    mirror_hold_end(&hold);
    return status;
}

static rhei_status give_all(struct giving *giving, const struct mirror_table_view *view, struct mirror_scan *scan,
                            const struct sync_stop *stop)
{
    struct mirror_scan_batch batch;
    rhei_status status = RHEI_OK;
    bool any = false;
    while (status == RHEI_OK && (!stop || (status = stop->check(stop->context)) == RHEI_OK) &&
           mirror_scan_next(scan, &batch)) {
        if (giving->part != NULL && any && batch.segment != giving->seen.segment)
            learn(&giving->seen, view);
        if (giving->part != NULL && (!any || batch.segment != giving->seen.segment))
            giving->seen = (struct seen){.zones = giving->part->zones, .segment = batch.segment};
        any = true;
        if (giving->part != NULL && is_apart(giving->part, view, batch.segment))
            continue;
        giving->seen.slots += batch.rows;
        status = give_batch(giving, scan, &batch);
        base_progress_add(stop ? stop->progress : NULL, BASE_PROGRESS_ROWS,
                          giving->part == NULL ? (int64_t)batch.count : 0);
    }
    if (any && giving->part != NULL && status == RHEI_OK)
        learn(&giving->seen, view);
    zone_reset(&giving->seen.zone);
    return status;
}

rhei_status sync_scan_part(const struct mirror_table_view *view, const struct sync_part *part,
                           const struct sync_stop *stop,
                           rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                           void *context, struct rhei_error *error)
{
    const struct mirror_range *range = part == NULL ? NULL : part->range;
    bool by_column = part != NULL && (part->above != NULL || part->upto != NULL);
    const struct mirror_scan_options within = {.ranges = range, .range_count = range != NULL, .exact = true};
    struct mirror_scan *scan = NULL;
    struct giving giving = {
        .part = by_column ? part : NULL, .columns = mirror_view_column_count(view), .take = take, .context = context};
    giving.cells = base_alloc_zero((size_t)giving.columns + 1, sizeof *giving.cells);
    rhei_status status = giving.cells == NULL ? error_no_memory(error) : mirror_scan_open(view, &within, &scan, error);
    if (status == RHEI_OK)
        status = give_all(&giving, view, scan, stop);
    mirror_scan_close(&scan);
    base_free(giving.cells);
    return status;
}

static rhei_status take_checksum(void *context, const struct rhei_value *cells, uint32_t count)
{
    sync_checksum_row(context, cells, count);
    return RHEI_OK;
}

rhei_status sync_checksum_view(const struct mirror_table_view *view, const struct sync_part *part,
                               const struct sync_stop *stop, struct sync_checksum *checksum, struct rhei_error *error)
{
    return sync_scan_part(view, part, stop, take_checksum, checksum, error);
}
