/* SPDX-License-Identifier: Apache-2.0 */
/* One table's rows on their way out: columns that grow, bytes in an arena of the owner. Owner thread. */
#ifndef CAPTURE_CAPTURE_BATCH_H
#define CAPTURE_CAPTURE_BATCH_H

#include "capture/capture_internal.h"

struct capture_batch {
    const struct capture_table_schema *table; /* borrowed */
    uint32_t columns;
    struct rhei_value **values; /* [columns][capacity] */
    uint8_t *op;
    int64_t *seq;
    int64_t *time_us;  /* NULL unless `timed` */
    int64_t first_us;  /* of the first row, in any case */
    uint8_t *inserted; /* the same: as change_batch has it */
    size_t count, capacity;
    const char *lost; /* as change_batch has it */
    int64_t lost_at;
    bool logged;                /* has op and seq */
    bool timed;                 /* and times */
    bool plain;                 /* no row but upserts so far */
    bool listed;                /* is among the batches of this call */
    bool looks;                 /* its rows are looked at, whatever the log says */
    sqlite3_stmt *look;         /* the row of a key, for 'K' */
    uint32_t root;              /* the table's root page; 0: unknown */
    int64_t newest;             /* number of its newest row that was read from the log */
    uint64_t touched;           /* number of the last cycle whose commits wrote its pages */
    uint64_t met;               /* number of the cycle that was first to know it; 0: the first */
    int64_t rows;               /* of the table in that cycle's state */
    struct capture_batch *were; /* rows as they were, for who hands them on (T11); NULL: none yet */
    struct change_batch view;
};

rhei_status capture_batch_new(const struct capture_table_schema *table, bool logged, struct capture_batch **batch,
                              struct rhei_error *error);
void capture_batch_free(struct capture_batch **batch);
bool capture_batch_reserve(struct capture_batch *batch, size_t rows);
/*
 * Column `column` of the row being added, from column `from` of the statement: copied into the arena, and as the table
 * itself would give it (REAL columns hold no integers and no negative zero). False without memory.
 */
bool capture_batch_put(struct capture_batch *batch, uint32_t column, sqlite3_stmt *stmt, int from, bool utf16,
                       struct base_arena *arena);
/* Adds a row of all columns, in a database of UTF-8. False without memory. */
bool capture_batch_put_row(struct capture_batch *batch, sqlite3_value **cells, struct base_arena *arena);
/* The cell's value with bytes of its own. False without memory. */
static inline bool capture_take_value(sqlite3_value *cell, bool utf16, struct base_arena *arena,
                                      struct rhei_value *value)
{
    oltp_value(cell, utf16, value);
    if (value->type < RHEI_TEXT || value->length == 0)
        return true;
    void *copy = base_arena_alloc(arena, value->length);
    if (copy == NULL || value->as.bytes == NULL)
        return false;
    memcpy(copy, value->as.bytes, value->length);
    value->as.bytes = copy;
    return true;
}
/* A number as the table itself would give it. */
static inline void capture_as_kept(const struct source_column *column, struct rhei_value *value)
{
    if (column->affinity != AFFINITY_REAL)
        return;
    if (value->type == RHEI_INTEGER) {
        value->as.real = (double)value->as.integer;
        value->type = RHEI_REAL;
    } else if (value->type == RHEI_REAL && value->as.real == 0.0) {
        value->as.real = 0.0;
    }
}
static inline void capture_batch_as_kept(const struct capture_batch *batch, uint32_t column, struct rhei_value *value)
{
    capture_as_kept(&batch->table->table.source.columns[column], value);
}
const struct change_batch *capture_batch_view(struct capture_batch *batch);

/* "SELECT c, ... FROM main.t" of every column of the table, appended; as arguments of a function, if it isn't NULL. */
void capture_batch_select_by(const struct capture_table_schema *table, const char *function, struct base_buffer *sql);
/* The same with " WHERE key = ?1 AND ...": one row. */
void capture_batch_select_key(const struct capture_table_schema *table, struct base_buffer *sql);

#endif
