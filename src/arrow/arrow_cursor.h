/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks an ArrowArrayStream row by row and gives each cell as a value of one of the five classes. Owner thread.
 *
 *   INTEGER  booleans (0, 1), all integers that fit int64
 *   REAL     half, float, double
 *   TEXT     utf8, large_utf8, utf8view; decimals, uint64 over 2^63-1; dates "2024-02-29", times "12:30:00.5",
 *            timestamps "2024-02-29 12:30:00.5", with "+00:00" behind it when they have a zone (they are UTC then),
 *            durations and intervals in ISO 8601; lists, structs and maps as JSON
 *   BLOB     binary, large_binary, binaryview, fixed-size binary
 *
 * A dictionary's values, and the members of a union, come as what they are.
 */
#ifndef ARROW_CURSOR_H
#define ARROW_CURSOR_H

#include "rhei/rhei_types.h"

struct arrow_cursor;

/* Takes the stream (it is marked released), also when it fails. The stream's schema must be a struct of columns. */
rhei_status arrow_cursor_open(struct ArrowArrayStream *stream, struct arrow_cursor **cursor, struct rhei_error *error);
void arrow_cursor_close(struct arrow_cursor **cursor);

/*
 * From now on asked before each batch, those without a row too: anything but RHEI_OK is what arrow_cursor_next returns. A stream may give
 * batches for ever, and none of them need have a row.
 */
void arrow_cursor_watch(struct arrow_cursor *cursor, rhei_status (*check)(void *context), void *context);

uint32_t arrow_cursor_column_count(const struct arrow_cursor *cursor);
const char *arrow_cursor_column_name(const struct arrow_cursor *cursor, uint32_t column);
const struct ArrowSchema *arrow_cursor_schema(const struct arrow_cursor *cursor);

/* RHEI_ROW, RHEI_DONE or an error. */
rhei_status arrow_cursor_next(struct arrow_cursor *cursor, struct rhei_error *error);
/* A cell of the current row; its bytes are borrowed until the next row. */
rhei_status arrow_cursor_value(struct arrow_cursor *cursor, uint32_t column, struct rhei_value *out,
                               struct rhei_error *error);

/*
 * Many rows at a time. How many rows of the stream's current batch are left, the current one (which arrow_cursor_next gave) included.
 */
int64_t arrow_cursor_rows_left(const struct arrow_cursor *cursor);
/* arrow_cursor_next then gives the row `count` behind the current one; count <= rows_left. */
void arrow_cursor_skip(struct arrow_cursor *cursor, int64_t count);
/* A cell `ahead` rows behind the current one, of the same batch; its bytes are borrowed until the column's next cell is asked for. */
rhei_status arrow_cursor_value_at(struct arrow_cursor *cursor, uint32_t column, int64_t ahead, struct rhei_value *out,
                                  struct rhei_error *error);
/* Whether the bytes of the column's values are the batch's own, and so there as long as that: until a row of the next is asked for. */
bool arrow_cursor_lends(const struct arrow_cursor *cursor, uint32_t column);
/*
 * Of a column that lends: the cells from `ahead` on, `count` of them, into out[0], out[stride], out[2 * stride]... *bad, in case of an
 * error, is the number of the cell that is wrong, from 0.
 */
rhei_status arrow_cursor_fill(struct arrow_cursor *cursor, uint32_t column, int64_t ahead, int64_t count,
                              struct rhei_value *out, size_t stride, int64_t *bad, struct rhei_error *error);

#endif
