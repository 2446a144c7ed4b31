/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/sync_compare.h"

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

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

static void checksum_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t number,
                            struct rhei_value *cells, struct sync_checksum *checksum)
{
    struct mirror_vector vector;
    uint32_t columns = mirror_view_column_count(view);
    struct mirror_hold hold = {NULL};
    mirror_view_vector(view, segment, number, &vector);
    mirror_hold(view, segment, &hold);
    for (uint32_t r = 0; r < vector.rows; r++) {
        if (vector.dead && (vector.dead[r / 64] >> (r % 64) & 1) != 0)
            continue;
        for (uint32_t c = 0; c < columns; c++)
            mirror_view_value(view, segment, number * MIRROR_VECTOR_ROWS + r, c, &cells[c]);
        sync_checksum_row(checksum, cells, columns);
    }
    mirror_hold_end(&hold);
}

rhei_status sync_checksum_view(const struct mirror_table_view *view, const struct sync_stop *stop,
                               struct sync_checksum *checksum, struct rhei_error *error)
{
    struct rhei_value *cells = base_alloc_zero((size_t)mirror_view_column_count(view) + 1, sizeof *cells);
    if (!cells)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && status == RHEI_OK; s++) {
        for (uint32_t v = 0; v < MIRROR_SEGMENT_VECTORS && status == RHEI_OK; v++) {
            status = stop ? stop->check(stop->context) : RHEI_OK;
            uint64_t before = checksum->rows;
            if (status == RHEI_OK)
                checksum_vector(view, s, v, cells, checksum);
            base_progress_add(stop ? stop->progress : NULL, BASE_PROGRESS_ROWS, (int64_t)(checksum->rows - before));
        }
    }
    base_free(cells);
    return status;
}

bool sync_checksum_equal(const struct sync_checksum *a, const struct sync_checksum *b)
{
    return a->rows == b->rows && a->sum == b->sum && a->product == b->product;
}
