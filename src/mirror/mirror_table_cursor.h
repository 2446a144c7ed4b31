/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors of mirror_table_reader: between the files of this part (mirror_table_*.c). One thread at a time for a pin and its cursors. */
#ifndef MIRROR_MIRROR_TABLE_CURSOR_H
#define MIRROR_MIRROR_TABLE_CURSOR_H

#include "base/base_arena.h"
#include "mirror_internal.h"
#include "mirror_scan.h"
#include "mirror_table_lookup.h"
#include "mirror_table_order.h"
#include "port/table_reader.h"

/* A segment that lies in a file (a history may): SQLite keeps pointers to texts until the statement ends, so it stays in memory for the pin. */
struct kept_hold {
    struct kept_hold *next;
    struct mirror_hold hold;
};

/* All rows of a table by some columns. */
struct kept_order {
    struct kept_order *next;
    const struct mirror_table_view *view;
    uint32_t columns[TABLE_MOST_ORDER];
    bool as_they_lie; /* they lie so: there are no places */
    struct mirror_table_order rows;
};

struct table_pin {
    struct mirror_reader *reader;
    struct mirror_snapshot snapshot;
    struct mirror_lookup *lookups;
    struct kept_order *orders;
    uint32_t firsts; /* how often the first rows of all were asked for */
    struct kept_hold *holds;
};

struct column_cache {
    uint64_t batch; /* that `data` is of */
    struct mirror_column_data data;
};

/* The values of an IN that the rows of a scan are chosen by: sorted, each once, with bytes of their own. */
struct value_set {
    bool wanted;
    uint32_t column, count;
    struct rhei_value *values;
    struct base_arena bytes;
};

/* A segment whose integers ascend: its first one and its last. */
struct table_stretch {
    uint32_t segment;
    int64_t first, last;
};

struct table_cursor {
    struct table_pin *pin;
    const struct mirror_table_view *view;
    struct mirror_scan *scan;
    struct mirror_scan_batch batch;
    uint64_t batch_number; /* grows with each batch, so that caches know whether they are of it */
    uint32_t slot;
    bool in_batch;
    bool damaged; /* something of the table couldn't be read, as it was known after so many `damages` */
    uint64_t damages;
    bool exact;               /* rows that come are those that meet the constraints, and no others */
    struct mirror_hold hold;  /* of a segment that the pin had no memory to keep */
    uint32_t held;            /* the segment that is held, and 1 */
    struct value_set set;     /* which of the scan's rows are meant, where it is wanted */
    struct mirror_lookup *by; /* rows come from it instead */
    uint32_t entry, hash;
    const struct mirror_table_order *sorted; /* or from it: the pin's, `own` or `listed` */
    struct mirror_table_order own, listed;
    size_t at; /* in it, the row to come */
    bool backwards;
    bool walks; /* the scan's segments are taken as `stretches` has them: vector by vector, perhaps from the last one */
    uint32_t walked; /* so many vectors */
    uint32_t stretch_count;
    struct table_stretch *stretches;
    size_t stretch_capacity;
    struct column_cache cache[];
};

/* ---- Rows (mirror_table_rows.c). ---------------------------------------------------------------------------------- */

void mirror_cursor_hold(struct table_cursor *cursor);
bool mirror_cursor_next(struct table_cursor *cursor);
void mirror_cursor_value(struct table_cursor *cursor, uint32_t column, struct rhei_value *value);
/* Leaves out so many rows of the scan, whole vectors at a time. */
void mirror_cursor_skip(struct table_cursor *cursor, uint64_t rows);
/* The scan's segments are walked as `stretches` has them, or from their end; before the first row. */
void mirror_cursor_walk(struct table_cursor *cursor, bool backwards);

static inline const struct mirror_column_data *mirror_cursor_column(struct table_cursor *cursor, uint32_t column)
{
    struct column_cache *cache = &cursor->cache[column];
    if (cache->batch != cursor->batch_number) {
        if (cursor->held != cursor->batch.segment + 1)
            mirror_cursor_hold(cursor);
        mirror_view_column(cursor->view, cursor->batch.segment, cursor->batch.vector, column, &cache->data);
        cache->batch = cursor->batch_number;
    }
    return &cache->data;
}

static inline void mirror_cursor_cell(struct table_cursor *cursor, uint32_t column, struct rhei_value *value)
{
    mirror_table_cell(mirror_cursor_column(cursor, column), cursor->slot, value);
}

/* The row at hand. */
static inline uint32_t mirror_cursor_place(const struct table_cursor *cursor)
{
    return cursor->batch.segment << 16 | (cursor->batch.vector * (uint32_t)MIRROR_VECTOR_ROWS + cursor->slot);
}

/* ---- What is wanted (mirror_table_find.c, mirror_table_sorted.c, mirror_table_cursor.c). ---------------------------------- */

/* Puts the cursor before the first row that may meet the constraints, in any order. */
rhei_status mirror_cursor_find(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error);
/* Does the row at hand meet them? As values are stored. */
bool mirror_cursor_meets(struct table_cursor *cursor, const struct table_wish *wish);
/* The same in the order that is wished for. */
rhei_status mirror_cursor_sort(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error);

rhei_status mirror_cursor_open(struct table_pin *pin, uint32_t table, struct table_cursor **cursor,
                               struct rhei_error *error);
rhei_status mirror_cursor_seek(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error);
void mirror_cursor_close(struct table_cursor **cursor);
/* What a pin keeps for its cursors goes. */
void mirror_cursor_unpin(struct table_pin *pin);

#endif
