/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tails: where rows are appended, by the writer or by one loader of a build.
 *
 * The plan says which layout each column has met so far. A column that meets a second class becomes MIXED in the next
 * segment and stays so while both are there (mirror_facts.c), which keeps values of alternating classes from making many
 * short segments.
 *
 * A tail begins with a few slots and grows by moving into a bigger segment under the same number, with every row at its
 * place, so that a table of ten rows takes what ten rows take and a big one has no small segments. Who holds a snapshot keeps
 * the smaller one. It is closed when it is full, when it is mostly dead (mirror_apply.c), or when a column meets a second class.
 */
#include "mirror_internal.h"

#include <string.h>

enum {
    LEAP_BYTES = 256 << 10,   /* up to here a tail grows eightfold, then less: slack follows what is there */
    SEGMENT_BYTES = 64 << 20, /* columns of one segment; a wide table's has fewer rows */
};

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

/* Of the plan: what a slot of the next segment takes. */
static size_t slot_bytes(const struct mirror_tail *tail, uint32_t columns)
{
    size_t bytes = 0;
    for (uint32_t c = 0; c < columns; c++)
        bytes += mirror_layout_bytes(tail->plan[c]);
    return bytes;
}

static uint32_t most_slots(const struct mirror *mirror, size_t slot)
{
    uint32_t most = mirror->segment_rows;
    while (most > mirror->first_rows && most * slot > SEGMENT_BYTES)
        most /= 2;
    return most;
}

uint32_t mirror_tail_most(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns)
{
    return most_slots(mirror, slot_bytes(tail, columns));
}

bool mirror_tail_is_portion(const struct mirror *mirror, const struct mirror_tail *tail)
{
    const struct mirror_segment *segment = tail->segment;
    if (atomic_load_explicit(&mirror->memory.elastic, memory_order_relaxed) == 0 || tail->rows < MIRROR_VECTOR_ROWS)
        return false;
    size_t heap = segment->heap == NULL ? 0 : segment->heap->bytes;
    return heap + tail->rows * mirror_segment_slot_bytes(segment) > mirror->memory.limit / 32;
}

uint32_t mirror_tail_slots(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns, uint64_t rows,
                           size_t bytes)
{
    size_t slot = slot_bytes(tail, columns);
    uint32_t most = most_slots(mirror, slot), slots = mirror->first_rows;
    while (slots < most && slots < rows && 2 * slots * slot <= bytes)
        slots *= 2;
    return slots;
}

uint32_t mirror_tail_more(const struct mirror *mirror, const struct mirror_tail *tail, uint32_t columns)
{
    size_t slot = slot_bytes(tail, columns);
    uint32_t most = most_slots(mirror, slot), now = tail->segment->capacity;
    uint32_t factor = 8 * now * slot <= LEAP_BYTES ? 8 : 4 * now * slot <= 4 * LEAP_BYTES ? 4 : 2;
    if (now >= most)
        return now;
    return factor * now < most ? factor * now : most;
}

rhei_status mirror_tail_open(struct mirror *mirror, struct mirror_tail *tail, uint32_t columns, uint32_t number,
                             uint32_t slots)
{
    struct mirror_segment *segment;
    rhei_status status = mirror_segment_new(mirror, columns, slots, &segment);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(slots % 64 == 0 && slots > 0 && tail->segment == NULL);
    segment->number = number;
    for (uint32_t c = 0; c < columns && status == RHEI_OK; c++)
        if (tail->plan[c] != MIRROR_LAYOUT_EMPTY)
            status = mirror_segment_materialise(mirror, segment, c, tail->plan[c], 0);
    void *origin = NULL;
    if (status == RHEI_OK) /* slots are whole words of 64 */
        status = mirror_memory_alloc_zero(&mirror->memory, 2 * ((size_t)slots / 64) * sizeof(uint64_t), &origin);
    segment->origin = origin;
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, segment);
        return status;
    }
    tail->segment = segment;
    tail->number = number;
    tail->rows = 0;
    tail->weigh_at = MIRROR_WEIGH_BYTES;
    tail->overwritten = false;
    return RHEI_OK;
}

rhei_status mirror_tail_grow(struct mirror *mirror, struct mirror_tail *tail, uint32_t slots,
                             struct mirror_segment **outgrown)
{
    struct mirror_segment *from = tail->segment, *to;
    rhei_status status = mirror_segment_grow(mirror, from, slots, tail->rows, &to);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(to->capacity >= tail->rows && to->heap == from->heap);
    from->outgrown = true;
    tail->segment = to;
    *outgrown = from;
    return RHEI_OK;
}

void mirror_tail_seal(struct mirror *mirror, struct mirror_tail *tail)
{
    BASE_INVARIANT(tail->segment != NULL && tail->rows <= tail->segment->capacity);
    mirror_segment_seal(tail->segment, tail->rows);
    mirror_segment_trim(mirror, tail->segment, tail->rows);
    tail->passed += tail->rows;
    tail->last_rows = tail->rows;
    tail->segment = NULL;
    tail->number = UINT32_MAX;
    tail->rows = 0;
}

void mirror_tail_drop(struct mirror_tail *tail, uint32_t columns)
{
    if (tail->segment != NULL) {
        tail->passed += tail->rows;
        tail->last_rows = tail->rows;
    }
    memset(tail->plan, MIRROR_LAYOUT_EMPTY, columns * sizeof *tail->plan);
    tail->segment = NULL;
    tail->number = UINT32_MAX;
    tail->rows = 0;
}

/* All of one class, as they are as a rule? */
static bool are_alike(const struct rhei_value *values, size_t count)
{
    uint32_t other = 0;
    for (size_t i = 0; i < count; i++)
        other |= (uint32_t)(values[i].type ^ values[0].type);
    return other == 0;
}

void mirror_tail_classify(struct mirror_tail *tail, const struct change_batch *batch, size_t first, size_t end)
{
    bool all = true;
    for (size_t i = first; batch->op != NULL && i < end; i++)
        all &= batch->op[i] == CHANGE_UPSERT;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct rhei_value *values = batch->columns[c];
        uint32_t classes = 0;
        if (all && first < end && are_alike(values + first, end - first))
            classes = 1u << (values[first].type & 31);
        else
            for (size_t i = first; i < end; i++)
                classes |= all || batch->op[i] == CHANGE_UPSERT ? 1u << (values[i].type & 31) : 0u;
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
        BASE_INVARIANT(planned <= MIRROR_LAYOUT_MIXED);
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
