/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of a segment that came from a file: checked when somebody first looks, unless they were before, and those with strings
 * filled then, whose strings have offsets where readers need addresses. A column is untouched -> usable, once; resident segments never
 * are untouched.
 *
 *  1. `untouched` goes down with a release store behind the last byte: who sees it down sees all of them.
 *  2. A reader can't fail. Of a column that can't be used (it is damaged, or there is no memory for it) every cell is 0, empty or NULL, and
 *     its segment is `damaged` before the first of them can be seen: whoever hands out rows asks for that afterwards (mirror_damaged.c).
 *  3. What was found right is used without looking again, but for its checksums, where it was read again.
 *  4. A remote column's bytes are read from its file then, into memory of ours: a file that is cut or goes is an error, never a signal. They may
 *     go again (mirror_cache.c); NULLs and classes stay.
 */
#include "mirror_cache.h"

#include <string.h>

#include "base/base_memory.h"
#include "mirror_image.h"

/* Never written to: pages of it that nobody reads don't exist. */
static char zeros[MIRROR_SEGMENT_ROWS * sizeof(union mirror_cell)];

/* As two words of 64 bits: a store of half a word behind a copy of all of it would stall each row. */
static inline void put_string(const struct segment_string *from, const char *const *heaps, struct mirror_string *to)
{
    uint64_t first, second;
    memcpy(&first, from, sizeof first);
    memcpy(&second, (const char *)from + sizeof first, sizeof second);
    if (from->length > sizeof from->as.inlined)
        second = (uint64_t)(uintptr_t)(heaps[from->as.far.heap] + from->as.far.offset);
    memcpy(to, &first, sizeof first);
    memcpy((char *)to + sizeof first, &second, sizeof second);
}

static void fill_strings(const struct mirror_foreign *foreign, enum segment_part part, const char *const *heaps,
                         struct mirror_string *to)
{
    const struct segment_string *from = foreign->image.part[part].bytes;
    for (uint32_t i = 0; i < foreign->segment->rows; i++)
        put_string(&from[i], heaps, &to[i]);
}

static void fill_cells(const struct mirror_foreign *foreign, union mirror_cell *to)
{
    const uint8_t *classes = foreign->image.part[SEGMENT_CLASSES].bytes;
    const int32_t *places = foreign->image.part[SEGMENT_PLACES].bytes;
    memset(to, 0, foreign->segment->rows * sizeof *to);
    for (uint32_t i = 0; i < foreign->segment->rows; i++) {
        switch (classes[i]) {
        case RHEI_INTEGER:
            to[i].integer = ((const int64_t *)foreign->image.part[SEGMENT_INTEGERS].bytes)[places[i]];
            break;
        case RHEI_REAL:
            to[i].real = ((const double *)foreign->image.part[SEGMENT_REALS].bytes)[places[i]];
            break;
        case RHEI_TEXT:
            put_string((const struct segment_string *)foreign->image.part[SEGMENT_TEXTS].bytes + places[i],
                       foreign->heaps[0], &to[i].string);
            break;
        case RHEI_BLOB:
            put_string((const struct segment_string *)foreign->image.part[SEGMENT_BLOBS].bytes + places[i],
                       foreign->heaps[1], &to[i].string);
            break;
        default:
            break;
        }
    }
}

/* NULLs, where the column has any: room for them was taken when it was adopted. */
static void fill_valid(const struct mirror_foreign *foreign, struct mirror_column *column)
{
    _Atomic uint64_t *valid = atomic_load_explicit(&column->valid, memory_order_relaxed);
    const uint8_t *bits = foreign->image.part[SEGMENT_VALID].bytes;
    const uint8_t *classes = foreign->image.part[SEGMENT_CLASSES].bytes;
    for (uint32_t i = 0; valid != NULL && i < foreign->segment->rows; i += 64) {
        uint64_t word = 0;
        for (uint32_t k = i; k < i + 64 && k < foreign->segment->rows; k++) {
            bool there = classes != NULL ? classes[k] != RHEI_NULL : (bits[k >> 3] >> (k & 7) & 1) != 0;
            word |= (uint64_t)there << (k & 63);
        }
        atomic_store_explicit(&valid[i / 64], word, memory_order_relaxed);
    }
}

static bool fill_data(struct mirror_foreign *foreign, struct mirror_column *column, uint8_t layout)
{
    struct mirror_memory *memory = &foreign->mirror->memory;
    if (layout == MIRROR_LAYOUT_INTEGER || layout == MIRROR_LAYOUT_REAL) {
        column->data = column->data_run.data;
        return true;
    }
    if (foreign->filled.data == NULL) { /* a reader can't be refused for the limit: upkeep has to make room again */
        atomic_fetch_add_explicit(&memory->unlimited, 1, memory_order_relaxed);
        rhei_status status =
            mirror_run_alloc(memory, foreign->segment->capacity * sizeof(union mirror_cell), &foreign->filled);
        atomic_fetch_sub_explicit(&memory->unlimited, 1, memory_order_relaxed);
        if (status != RHEI_OK)
            return false;
        atomic_store_explicit(&foreign->filled_bytes, foreign->filled.bytes, memory_order_relaxed);
    }
    column->data = foreign->filled.data;
    if (layout == MIRROR_LAYOUT_MIXED)
        fill_cells(foreign, column->data);
    else if (layout == MIRROR_LAYOUT_TEXT)
        fill_strings(foreign, SEGMENT_TEXTS, foreign->heaps[0], column->data);
    else
        fill_strings(foreign, SEGMENT_BLOBS, foreign->heaps[1], column->data);
    return true;
}

static void fill_nothing(struct mirror_foreign *foreign, struct mirror_column *column, const char *why)
{
    column->data = zeros;
    if (column->classes != NULL && !foreign->remote)
        column->classes = (uint8_t *)zeros;
    atomic_store_explicit(&foreign->segment->damaged, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&foreign->mirror->damages, 1, memory_order_release);
    if (foreign->owner->damaged != NULL)
        foreign->owner->damaged(foreign->owner->context, why);
}

/* ---- Remote ones. -------------------------------------------------------------------------------------------------- */

static size_t padded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* The part that is read to where it stays: the data of a column of one class. SEGMENT_PARTS: none is. */
static enum segment_part lasting_part(const struct mirror_foreign *foreign)
{
    switch (foreign->image.layout) {
    case SEGMENT_INTEGER:
        return SEGMENT_INTEGERS;
    case SEGMENT_REAL:
        return SEGMENT_REALS;
    case SEGMENT_TEXT:
        return SEGMENT_TEXTS;
    case SEGMENT_BLOB:
        return SEGMENT_BLOBS;
    default:
        return SEGMENT_PARTS;
    }
}

struct loading {
    struct mirror_foreign *foreign;
    struct mirror_run run;
    char *heap, *rest; /* long strings, which stay; and what doesn't */
    size_t heap_size;
};

static size_t size_of(const struct mirror_foreign *foreign, size_t *heap, size_t *rest)
{
    const struct segment_heaps *heaps[] = {&foreign->image.texts, &foreign->image.blobs};
    uint8_t layout = foreign->image.layout;
    size_t width = layout == SEGMENT_INTEGER || layout == SEGMENT_REAL ? sizeof(int64_t) : sizeof(union mirror_cell);
    *heap = *rest = 0;
    for (int k = 0; k < 2; k++)
        for (uint32_t h = 0; h < heaps[k]->count; h++)
            *heap += padded(heaps[k]->buffers[h].len);
    for (int p = 0; p < SEGMENT_PARTS; p++)
        *rest += (enum segment_part)p == lasting_part(foreign) ? 0 : padded(foreign->image.part[p].len);
    return foreign->segment->capacity * width;
}

static rhei_status make_room(struct loading *loading)
{
    struct mirror_foreign *foreign = loading->foreign;
    struct mirror *mirror = foreign->mirror;
    size_t rest, run = size_of(foreign, &loading->heap_size, &rest);
    void *heap = NULL;
    mirror_cache_make_room(mirror, run, loading->heap_size);
    atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
    rhei_status status = mirror_run_alloc(&mirror->memory, run, &loading->run);
    if (status == RHEI_OK && loading->heap_size > 0)
        status = mirror_memory_alloc(&mirror->memory, loading->heap_size, &heap);
    atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
    loading->heap = heap;
    loading->rest = status == RHEI_OK && rest > 0 ? base_alloc(rest) : NULL;
    return status == RHEI_OK && rest > 0 && loading->rest == NULL ? RHEI_NO_MEMORY : status;
}

static bool read_all(struct loading *loading)
{
    struct mirror_foreign *foreign = loading->foreign;
    struct segment_heaps *heaps[] = {&foreign->image.texts, &foreign->image.blobs};
    char *heap = loading->heap, *rest = loading->rest;
    for (int p = 0; p < SEGMENT_PARTS; p++) {
        struct segment_buffer *part = &foreign->image.part[p];
        bool lasting = (enum segment_part)p == lasting_part(foreign);
        part->bytes = part->len == 0 ? NULL : lasting ? loading->run.data : rest;
        rest += lasting ? 0 : padded(part->len);
    }
    for (int k = 0; k < 2; k++)
        for (uint32_t h = 0; h < heaps[k]->count; h++) {
            foreign->heaps[k][h] = heap;
            heaps[k]->buffers[h].bytes = heap;
            heap += padded(heaps[k]->buffers[h].len);
        }
    uint32_t number = (uint32_t)(foreign->column - foreign->segment->column);
    return foreign->owner->read(foreign->owner->context, number, &foreign->image) == RHEI_OK;
}

static const char *read_checked(struct loading *loading)
{
    struct mirror_foreign *foreign = loading->foreign;
    if (!read_all(loading))
        return "it can't be read";
    const char *wrong = foreign->checked ? mirror_image_check_again(&foreign->image)
                                         : mirror_image_check_column(&foreign->image, foreign->segment->rows);
    foreign->checked = wrong == NULL;
    return wrong;
}

/* What is wrong, or NULL. Bytes may change on their way as well as where they lie: they are read once more before they count as damaged. */
static const char *load_checked(struct loading *loading)
{
    if (make_room(loading) != RHEI_OK)
        return "there is no memory to read it";
    const char *wrong = read_checked(loading);
    return wrong == NULL ? NULL : read_checked(loading);
}

/* Under the column's mutex, with its segment held. */
static void fill_remote(struct mirror_foreign *foreign, struct mirror_column *column)
{
    struct loading loading = {.foreign = foreign};
    struct mirror_memory *memory = &foreign->mirror->memory;
    uint8_t layout = foreign->image.layout;
    if (mirror_cache_has(foreign))
        return;
    const char *wrong = load_checked(&loading);
    if (wrong != NULL) {
        mirror_run_free(memory, &loading.run);
        mirror_memory_free(memory, loading.heap, loading.heap_size);
        base_free(loading.rest);
        fill_nothing(foreign, column, wrong);
        atomic_store(&column->untouched, false);
        return;
    }
    if (layout == SEGMENT_MIXED)
        fill_cells(foreign, loading.run.data);
    else if (layout == SEGMENT_TEXT || layout == SEGMENT_BLOB)
        fill_strings(foreign, lasting_part(foreign), foreign->heaps[layout == SEGMENT_BLOB], loading.run.data);
    fill_valid(foreign, column);
    base_free(loading.rest);
    column->data = loading.run.data;
    foreign->filled = loading.run;
    foreign->heap = loading.heap;
    foreign->heap_size = loading.heap_size;
    atomic_store_explicit(&foreign->filled_bytes, loading.run.bytes + loading.heap_size, memory_order_relaxed);
    mirror_cache_enter(foreign);
}

bool mirror_column_is_held(const struct mirror_column *column)
{
    const struct mirror_foreign *foreign = column->foreign;
    return foreign == NULL || !foreign->remote ||
           (uint32_t)atomic_load_explicit(&foreign->segment->holds, memory_order_relaxed) > 0;
}

/* ---- All of them. -------------------------------------------------------------------------------------------------- */

void mirror_column_fill(struct mirror_column *column)
{
    struct mirror_foreign *foreign = column->foreign;
    base_mutex_lock(&foreign->mutex);
    if (foreign->remote) {
        fill_remote(foreign, column);
    } else if (atomic_load_explicit(&column->untouched, memory_order_relaxed)) {
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
        const char *wrong =
            foreign->checked ? NULL : mirror_image_check_column(&foreign->image, foreign->segment->rows);
        if (wrong == NULL && !fill_data(foreign, column, layout))
            wrong = "there is no memory to read it";
        if (wrong == NULL)
            fill_valid(foreign, column);
        else
            fill_nothing(foreign, column, wrong);
        atomic_store_explicit(&column->untouched, false, memory_order_release);
    }
    base_mutex_unlock(&foreign->mutex);
}

size_t mirror_foreign_bytes(const struct mirror_foreign *foreign)
{
    return foreign == NULL ? 0 : atomic_load_explicit(&foreign->filled_bytes, memory_order_relaxed);
}

void mirror_foreign_free(struct mirror *mirror, struct mirror_foreign *foreign)
{
    if (foreign == NULL)
        return;
    if (foreign->remote)
        mirror_cache_leave(foreign);
    base_mutex_destroy(&foreign->mutex);
    mirror_run_free(&mirror->memory, &foreign->filled);
    mirror_memory_free(&mirror->memory, foreign->heap, foreign->heap_size);
    mirror_owner_drop(&mirror->memory, foreign->owner);
    mirror_memory_free(&mirror->memory, foreign, foreign->size);
}
