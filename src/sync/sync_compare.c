/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/sync_compare.h"

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "mirror/mirror_scan.h"

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

static void checksum_batch(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t columns,
                           struct rhei_value *cells, struct sync_checksum *checksum)
{
    struct mirror_hold hold = {NULL};
    uint64_t before = checksum->rows;
    mirror_scan_hold(scan, batch, &hold);
    for (uint32_t slot = 0; (slot = mirror_scan_slot(batch, slot)) < batch->rows; slot++) {
        for (uint32_t c = 0; c < columns; c++)
            mirror_scan_value(scan, batch, slot, c, &cells[c]);
        sync_checksum_row(checksum, cells, columns);
    }
    BASE_INVARIANT(checksum->rows - before == batch->count);
    mirror_hold_end(&hold);
}

rhei_status sync_checksum_view(const struct mirror_table_view *view, const struct mirror_range *range,
                               const struct sync_stop *stop, struct sync_checksum *checksum, struct rhei_error *error)
{
    uint32_t columns = mirror_view_column_count(view);
    const struct mirror_scan_options within = {.ranges = range, .range_count = range != NULL, .exact = true};
    struct mirror_scan *scan = NULL;
    struct mirror_scan_batch batch;
    struct rhei_value *cells = base_alloc_zero((size_t)columns + 1, sizeof *cells);
    rhei_status status = cells == NULL ? error_no_memory(error) : mirror_scan_open(view, &within, &scan, error);
    while (status == RHEI_OK && (!stop || (status = stop->check(stop->context)) == RHEI_OK) &&
           mirror_scan_next(scan, &batch)) {
        checksum_batch(scan, &batch, columns, cells, checksum);
        base_progress_add(stop ? stop->progress : NULL, BASE_PROGRESS_ROWS, (int64_t)batch.count);
    }
    mirror_scan_close(&scan);
    base_free(cells);
    return status;
}

bool sync_checksum_equal(const struct sync_checksum *a, const struct sync_checksum *b)
{
    return a->rows == b->rows && a->sum == b->sum && a->product == b->product;
}
