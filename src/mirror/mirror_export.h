/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Arrow export: the stream (mirror_export.c) and its arrays (mirror_export_array.c). Owner thread of the stream. */
#ifndef MIRROR_MIRROR_EXPORT_H
#define MIRROR_MIRROR_EXPORT_H

#include "mirror_internal.h"
#include "mirror_scan.h"

/* How a column leaves, in the whole stream. Numbered as the classes where it is one class. */
enum mirror_export_kind {
    MIRROR_EXPORT_UNION = 0, /* dense union {0 integer, 1 real, 2 text, 3 blob}; NULL is a null of child 0 */
    MIRROR_EXPORT_INTEGER = RHEI_INTEGER,
    MIRROR_EXPORT_REAL = RHEI_REAL,
    MIRROR_EXPORT_TEXT = RHEI_TEXT,
    MIRROR_EXPORT_BLOB = RHEI_BLOB,
};

enum { MIRROR_EXPORT_CHILDREN = 4 };

struct mirror_export_column {
    uint32_t number; /* in the table */
    uint8_t kind;    /* enum mirror_export_kind */
    bool check_utf8; /* some text may not be UTF-8: such text leaves as BLOB */
    char *name;
};

/* Shared by the stream and every array that points into segments. */
struct mirror_export {
    _Atomic uint32_t references;
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view;
    struct mirror_export_column *columns;
    uint32_t column_count;
    bool strings_view;
    char *metadata;
    uint64_t rows_left, most_bytes;
    struct mirror_stop stop;
    struct mirror_scan *scan;
    struct mirror_scan_batch batch; /* of the vector `batch_of` of the segment; UINT32_MAX: of none */
    uint32_t batch_of;
    uint32_t segment, slot; /* where the next run starts */
    uint32_t *places;
    const char *message;
};

/* Rows of one segment that become one batch: neighbours without a dead one between them, or a list of places. */
struct mirror_export_run {
    const struct mirror_segment *segment;
    const uint32_t *places; /* NULL: first, first + 1, ... */
    uint32_t first, count;
};

static inline uint32_t mirror_run_place(const struct mirror_export_run *run, uint32_t row)
{
    return run->places == NULL ? run->first + row : run->places[row];
}

void mirror_export_unref(struct mirror_export *shared);
/* 0 or an errno code; on failure `out` is released. */
int mirror_export_array(struct mirror_export *shared, const struct mirror_export_column *column,
                        const struct mirror_export_run *run, struct ArrowArray *out);
/* A struct array of children that are filled one after another; release frees those that have been. */
int mirror_export_struct(uint32_t children, struct ArrowArray *out);

#endif
