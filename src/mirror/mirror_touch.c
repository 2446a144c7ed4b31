/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns with strings of a segment that came from a file: its strings have offsets where readers need addresses, so the column gets data of
 * its own, filled when somebody first looks. A column is untouched -> filled, once; numbers and resident segments never are untouched.
 *
 *  1. Memory for `data` is there from the start, so that a reader can't fail.
 *  2. `untouched` goes down with a release store behind the last string: who sees it down sees all of them.
 *  3. The image was checked when it was adopted: no bound is looked at here.
 */
#include "mirror_touch.h"

#include <string.h>

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

static void fill_strings(const struct mirror_foreign *foreign, const struct segment_string *from,
                         const char *const *heaps, struct mirror_string *to)
{
    for (uint32_t i = 0; i < foreign->rows; i++)
        put_string(&from[i], heaps, &to[i]);
}

static void fill_cells(const struct mirror_foreign *foreign, union mirror_cell *to)
{
    const uint8_t *classes = foreign->part[SEGMENT_CLASSES];
    const int32_t *places = foreign->part[SEGMENT_PLACES];
    memset(to, 0, foreign->rows * sizeof *to);
    for (uint32_t i = 0; i < foreign->rows; i++) {
        switch (classes[i]) {
        case RHEI_INTEGER:
            to[i].integer = ((const int64_t *)foreign->part[SEGMENT_INTEGERS])[places[i]];
            break;
        case RHEI_REAL:
            to[i].real = ((const double *)foreign->part[SEGMENT_REALS])[places[i]];
            break;
        case RHEI_TEXT:
            put_string((const struct segment_string *)foreign->part[SEGMENT_TEXTS] + places[i], foreign->heaps[0],
                       &to[i].string);
            break;
        case RHEI_BLOB:
            put_string((const struct segment_string *)foreign->part[SEGMENT_BLOBS] + places[i], foreign->heaps[1],
                       &to[i].string);
            break;
        default:
            break;
        }
    }
}

void mirror_column_fill(struct mirror_column *column)
{
    struct mirror_foreign *foreign = column->foreign;
    base_mutex_lock(&foreign->mutex);
    if (atomic_load_explicit(&column->untouched, memory_order_relaxed)) {
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_relaxed);
        if (layout == MIRROR_LAYOUT_MIXED)
            fill_cells(foreign, column->data);
        else if (layout == MIRROR_LAYOUT_TEXT)
            fill_strings(foreign, foreign->part[SEGMENT_TEXTS], foreign->heaps[0], column->data);
        else
            fill_strings(foreign, foreign->part[SEGMENT_BLOBS], foreign->heaps[1], column->data);
        atomic_store_explicit(&column->untouched, false, memory_order_release);
    }
    base_mutex_unlock(&foreign->mutex);
}

void mirror_foreign_free(struct mirror *mirror, struct mirror_foreign *foreign)
{
    if (foreign == NULL)
        return;
    base_mutex_destroy(&foreign->mutex);
    mirror_owner_drop(&mirror->memory, foreign->owner);
    mirror_memory_free(&mirror->memory, foreign, foreign->size);
}
