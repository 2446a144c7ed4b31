/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of answers that aren't a statement's (catalog, keys, type info), whose Arrow types Flight SQL prescribes: a tree of columns that is
 * filled value by value and handed out as one batch. Owner thread.
 */
#ifndef FLIGHT_COLUMN_H
#define FLIGHT_COLUMN_H

#include "flight_wire.h"

struct flight_column {
    const char *name, *format; /* Arrow's: "u", "z", "i", "l", "C", "I", "b", "+l", "+m", "+s", "+ud:0,1,..." */
    bool nullable;
    uint32_t child_count;
    struct flight_column *children;          /* [child_count] */
    struct base_buffer valid, values, bytes; /* bits; values, offsets or type numbers; bytes or a union's offsets */
    int64_t length, null_count;
    const void *buffers[3];
    struct ArrowArray *array_children;
    struct ArrowArray **array_list;
};

/* What a column is to be, as a table of constants. */
struct flight_type {
    const char *name, *format;
    bool nullable;
    const struct flight_type *children; /* ends with a NULL format */
};

/* A table of rows: its root is a struct "+s". */
struct flight_rows {
    struct flight_column root;
    void *chain; /* of memory */
};

/* `types` ends with a NULL format. */
struct flight_rows *flight_rows_new(const struct flight_type *types, struct rhei_error *error);
void flight_rows_free(struct flight_rows **rows);

static inline struct flight_column *flight_rows_column(struct flight_rows *rows, uint32_t number)
{
    return &rows->root.children[number];
}
void flight_put_text(struct flight_column *column, const char *text); /* NULL: null */
void flight_put_bytes(struct flight_column *column, const void *bytes, size_t len);
void flight_put_number(struct flight_column *column, int64_t number); /* of any width, and of booleans */
void flight_put_null(struct flight_column *column);
void flight_put_list(struct flight_column *column); /* ends a list behind what its child has */
struct flight_column *flight_put_member(struct flight_column *column,
                                        uint8_t type); /* of a union: the child to put a value in */
/* Ends a row, of which every column got its value. */
void flight_rows_end_row(struct flight_rows *rows);

/* The schema of the types; released by the caller. */
rhei_status flight_types_schema(const struct flight_type *types, struct ArrowSchema *schema, struct rhei_error *error);
/* Hands the rows out as a stream of one batch, which takes them. */
rhei_status flight_rows_stream(struct flight_rows **rows, const struct flight_type *types,
                               struct ArrowArrayStream *stream, struct rhei_error *error);

#endif
