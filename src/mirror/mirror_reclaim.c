/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reclamation by interval.
 *
 * Invariants:
 *  1. An object on the mirror's list is reachable only through versions e with born <= e < retired.
 *  2. The current version counts as pinned, so a pass may run at any point of a cycle.
 *  3. A slot names the version itself. A slot that a reader has not confirmed yet may name an older or a recycled one:
 *     that pins too much for a moment, never too little, because the reader looks at `current` again before it uses it
 *     (both sides are sequentially consistent: either the reader sees the new version or the writer sees the slot).
 *  4. A cloned hold is stored before `clones` is raised and before the hold it came from may end; so a pass that reads the
 *     same count before and after looking at the slots has seen one of the two.
 */
#include "mirror_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"

enum { SMALL_KEPT = 256, PINS_ON_STACK = 64, PASS_COUNT = 32, PASS_BYTES = 1 << 19 };

static const size_t small_size[MIRROR_KIND_SMALL] = {
    [MIRROR_KIND_NODE] = sizeof(struct mirror_trie_node),
    [MIRROR_KIND_BITMAP] = sizeof(struct mirror_bitmap),
    [MIRROR_KIND_DELETIONS] = sizeof(struct mirror_deletions),
    [MIRROR_KIND_STATE] = sizeof(struct mirror_table_view),
};

rhei_status mirror_small_new(struct mirror *mirror, uint32_t kind, void *out)
{
    struct mirror_garbage *object = mirror->small[kind];
    if (object != NULL) {
        mirror->small[kind] = object->next;
        BASE_INVARIANT(mirror->small_count[kind] > 0);
        mirror->small_count[kind]--;
        memset(object, 0, small_size[kind]);
    } else {
        void *fresh;
        rhei_status status = mirror_memory_alloc_zero(&mirror->memory, small_size[kind], &fresh);
        if (status != RHEI_OK)
            return status;
        object = fresh;
    }
    object->kind = kind;
    object->born = mirror_building(mirror);
    memcpy(out, &object, sizeof object);
    return RHEI_OK;
}

void mirror_small_free(struct mirror *mirror, void *pointer)
{
    struct mirror_garbage *object = pointer;
    if (object == NULL)
        return;
    if (mirror->small_count[object->kind] >= SMALL_KEPT) {
        mirror_memory_free(&mirror->memory, object, small_size[object->kind]);
        return;
    }
    object->next = mirror->small[object->kind];
    mirror->small[object->kind] = object;
    mirror->small_count[object->kind]++;
}

void mirror_small_reset(struct mirror *mirror)
{
    for (uint32_t kind = 0; kind < MIRROR_KIND_SMALL; kind++) {
        while (mirror->small[kind] != NULL) {
            struct mirror_garbage *object = mirror->small[kind];
            mirror->small[kind] = object->next;
            mirror_memory_free(&mirror->memory, object, small_size[kind]);
        }
        mirror->small_count[kind] = 0;
    }
}

/* Bytes that wait for their readers: the same whenever it is asked, once the object is retired. */
static size_t garbage_size(const struct mirror *mirror, const struct mirror_garbage *object)
{
    if (object->kind < MIRROR_KIND_SMALL)
        return small_size[object->kind];
    const struct mirror_garbage_care *care = &mirror->care[object->kind];
    return care->size == NULL ? 0 : care->size(object);
}

static void list_add(struct mirror_garbage_list *list, struct mirror_garbage *object)
{
    object->next = NULL;
    if (list->last != NULL)
        list->last->next = object;
    else
        list->first = object;
    list->last = object;
    list->count++;
}

void mirror_retire(struct mirror *mirror, struct mirror_garbage_list *list, void *pointer)
{
    if (pointer == NULL)
        return;
    struct mirror_garbage *object = pointer;
    BASE_INVARIANT(object->kind < MIRROR_KINDS && object->born <= mirror_building(mirror));
    object->retired = mirror_building(mirror);
    list_add(list, object);
    if (list == &mirror->retired)
        atomic_fetch_add_explicit(&mirror->garbage_bytes, garbage_size(mirror, object), memory_order_relaxed);
}

void mirror_retire_list(struct mirror *mirror, struct mirror_garbage_list *list)
{
    for (struct mirror_garbage *object = list->first, *next; object != NULL; object = next) {
        next = object->next;
        object->retired =
            mirror_building(mirror); /* later than it was retired, if another source was published since */
        list_add(&mirror->retired, object);
        atomic_fetch_add_explicit(&mirror->garbage_bytes, garbage_size(mirror, object), memory_order_relaxed);
    }
    memset(list, 0, sizeof *list);
}

static void free_object(struct mirror *mirror, struct mirror_garbage *object)
{
    if (object->kind < MIRROR_KIND_SMALL)
        mirror_small_free(mirror, object);
    else
        mirror->care[object->kind].free(mirror, object);
}

void mirror_garbage_free(struct mirror *mirror, struct mirror_garbage_list *list)
{
    for (struct mirror_garbage *object = list->first, *next; object != NULL; object = next) {
        next = object->next;
        free_object(mirror, object);
    }
    memset(list, 0, sizeof *list);
}

struct pins {
    uint64_t *epochs;
    size_t count;
    size_t capacity;
    bool range_only; /* too many for the memory there is: everything between the lowest and highest counts as pinned */
    uint64_t low, high;
    uint64_t on_stack[PINS_ON_STACK];
};

static void pin(struct pins *pins, uint64_t epoch)
{
    pins->low = epoch < pins->low ? epoch : pins->low;
    pins->high = epoch > pins->high ? epoch : pins->high;
    if (pins->range_only)
        return;
    if (pins->count == pins->capacity) {
        uint64_t *more = base_alloc(pins->capacity * 2 * sizeof *more);
        if (more == NULL) {
            pins->range_only = true;
            return;
        }
        memcpy(more, pins->epochs, pins->count * sizeof *more);
        if (pins->epochs != pins->on_stack)
            base_free(pins->epochs);
        pins->epochs = more;
        pins->capacity *= 2;
    }
    pins->epochs[pins->count++] = epoch;
}

static int compare_epochs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void collect_pins(struct mirror *mirror, struct pins *pins)
{
    *pins = (struct pins){.epochs = pins->on_stack, .capacity = PINS_ON_STACK, .low = UINT64_MAX};
    pins->epochs = pins->on_stack;
    pin(pins, mirror->epoch);
    for (struct mirror_slot_block *block = mirror->slots; block != NULL;
         block = atomic_load_explicit(&block->next, memory_order_acquire)) {
        for (uint32_t i = 0; i < MIRROR_SLOTS_PER_BLOCK; i++) {
            const struct mirror_version *version = atomic_load(&block->slot[i].version);
            if (version != NULL)
                pin(pins, version->epoch);
        }
    }
    BASE_INVARIANT(pins->count > 0 && pins->high >= mirror->epoch);
    qsort(pins->epochs, pins->count, sizeof *pins->epochs, compare_epochs);
}

static bool is_held(const struct pins *pins, const struct mirror_garbage *object)
{
    if (object->born > pins->high || object->retired <= pins->low)
        return false;
    if (pins->range_only)
        return true;
    size_t low = 0, high = pins->count; /* first pin >= born */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pins->epochs[middle] < object->born)
            low = middle + 1;
        else
            high = middle;
    }
    BASE_INVARIANT(low <= pins->count);
    return low < pins->count && pins->epochs[low] < object->retired;
}

static void sweep(struct mirror *mirror, const struct pins *pins)
{
    struct mirror_garbage_list old = mirror->retired;
    memset(&mirror->retired, 0, sizeof mirror->retired);
    for (struct mirror_garbage *object = old.first, *next; object != NULL; object = next) {
        next = object->next;
        if (is_held(pins, object)) {
            list_add(&mirror->retired, object);
            continue;
        }
        atomic_fetch_sub_explicit(&mirror->garbage_bytes, garbage_size(mirror, object), memory_order_relaxed);
        free_object(mirror, object);
    }
}

bool mirror_reclaim(struct mirror *mirror)
{
    struct pins pins;
    uint64_t clones = atomic_load(&mirror->clones);
    collect_pins(mirror, &pins);
    bool proven = atomic_load(&mirror->clones) == clones;
    if (proven)
        sweep(mirror, &pins);
    if (pins.epochs != pins.on_stack)
        base_free(pins.epochs);
    mirror->reclaim_at = 2 * mirror->retired.count + PASS_COUNT + pins.count / 4;
    mirror->reclaim_at_bytes = 2 * atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed) + PASS_BYTES;
    return proven;
}

void mirror_collect(struct mirror *mirror)
{
    if (mirror->retired.first != NULL)
        (void)mirror_reclaim(mirror);
}

void mirror_reclaim_when_due(struct mirror *mirror)
{
    if (mirror->retired.count >= mirror->reclaim_at ||
        atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed) >= mirror->reclaim_at_bytes)
        (void)mirror_reclaim(mirror);
}
