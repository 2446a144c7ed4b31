/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tails: where rows are appended, by the writer or by one loader of a build.
 *
 * The plan says which layout each column has met so far. A column that meets a second class becomes MIXED in the next
 * segment and stays so while both are there (mirror_facts.c), which keeps values of alternating classes from making many
 * short segments.
 */
#include "mirror_internal.h"

#include <string.h>

rhei_status mirror_tail_init(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns)
{
    memset(tail, 0, sizeof *tail);
    tail->number = UINT32_MAX;
    void *plan = NULL, *classes = NULL;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, columns * sizeof *tail->plan, &plan);
    if (status == RHEI_OK)
        status = mirror_memory_alloc_zero(&mirror->memory, columns * sizeof *tail->classes, &classes);
    tail->plan = plan;
    tail->classes = classes;
    if (status != RHEI_OK)
        mirror_tail_reset(mirror, tail, columns);
    return status;
}

void mirror_tail_reset(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns)
{
    mirror_memory_free(&mirror->memory, tail->plan, columns * sizeof *tail->plan);
    mirror_memory_free(&mirror->memory, tail->classes, columns * sizeof *tail->classes);
    memset(tail, 0, sizeof *tail);
    tail->number = UINT32_MAX;
}

/* A table of a few rows shall not take megabytes: segments start small unless many rows are expected. */
static uint32_t capacity_of(const struct mirror *mirror, uint32_t opened, int64_t rows_expected)
{
    uint32_t step = opened < MIRROR_CAPACITY_STEPS ? opened : MIRROR_CAPACITY_STEPS - 1;
    while (step < MIRROR_CAPACITY_STEPS - 1 && rows_expected > (int64_t)mirror->capacity[step])
        step++;
    return mirror->capacity[step];
}

rhei_status mirror_tail_open(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns, uint32_t number,
                             int64_t rows_expected)
{
    struct mirror_segment *segment;
    uint32_t capacity = capacity_of(mirror, tail->opened, rows_expected);
    rhei_status status = mirror_segment_new(mirror, columns, capacity, &segment);
    if (status != RHEI_OK)
        return status;
    segment->number = number;
    for (uint32_t c = 0; c < columns && status == RHEI_OK; c++)
        if (tail->plan[c] != MIRROR_LAYOUT_EMPTY)
            status = mirror_segment_materialise(mirror, segment, c, tail->plan[c], 0);
    void *origin = NULL;
    if (status == RHEI_OK) /* capacities are whole vectors */
        status = mirror_memory_alloc_zero(&mirror->memory, 2 * ((size_t)capacity / 64) * sizeof(uint64_t), &origin);
    segment->origin = origin;
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, segment);
        return status;
    }
    tail->segment = segment;
    tail->number = number;
    tail->rows = 0;
    tail->opened++;
    return RHEI_OK;
}

void mirror_tail_seal(struct mirror_tail *tail)
{
    mirror_segment_seal(tail->segment, tail->rows);
    tail->segment = NULL;
    tail->number = UINT32_MAX;
    tail->rows = 0;
}

void mirror_tail_classify(struct mirror_tail *tail, const struct change_batch *batch, size_t first, size_t end)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct rhei_value *values = batch->columns[c];
        uint32_t classes = 0;
        if (batch->op == NULL)
            for (size_t i = first; i < end; i++)
                classes |= 1u << (values[i].type & 31);
        else
            for (size_t i = first; i < end; i++)
                classes |= batch->op[i] == CHANGE_UPSERT ? 1u << (values[i].type & 31) : 0u;
        tail->classes[c] = classes;
    }
}

/* A plan that was MIXED before may be behind what the open segment is. */
static bool takes_any(const struct mirror_tail *tail, uint32_t column)
{
    return tail->segment != NULL &&
           atomic_load_explicit(&tail->segment->column[column].layout, memory_order_relaxed) == MIRROR_LAYOUT_MIXED;
}

rhei_status mirror_tail_prepare(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns, bool *conflict)
{
    *conflict = false;
    for (uint32_t c = 0; c < columns; c++) {
        uint8_t wanted = mirror_layout_of(tail->classes[c]);
        uint8_t planned = tail->plan[c];
        if (wanted == MIRROR_LAYOUT_EMPTY || wanted == planned || planned == MIRROR_LAYOUT_MIXED)
            continue;
        if (planned != MIRROR_LAYOUT_EMPTY) {
            tail->plan[c] = MIRROR_LAYOUT_MIXED;
            *conflict = *conflict || !takes_any(tail, c);
            continue;
        }
        if (tail->segment != NULL) {
            rhei_status status = mirror_segment_materialise(mirror, tail->segment, c, wanted, tail->rows);
            if (status != RHEI_OK)
                return status;
        }
        tail->plan[c] = wanted;
    }
    return RHEI_OK;
}
