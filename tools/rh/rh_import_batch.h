/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_import_batch.h
 * Rows of values as Arrow. A column is int64, double or utf8 where its values can be nothing else, and otherwise a dense union of
 * what a field may be.
 *
 * What is given away points into the batch, which is used again for the next rows: whoever reads it has let go of it by then.
 */
#ifndef RH_IMPORT_BATCH_H
#define RH_IMPORT_BATCH_H

#include "rh_memory.h"
#include "rhei/rhei.h"

#include <stdbool.h>

enum { RH_BATCH_ROWS = 1000 /* whole statements of rows, as the ingest makes them */ };

/** What the values of a column are, but for NULL. */
enum rh_member { RH_MEMBER_INTEGER, RH_MEMBER_REAL, RH_MEMBER_TEXT, RH_MEMBER_BLOB, RH_MEMBER_NULL, RH_MEMBER_ANY };

struct rh_batch;

/** Ends with rh_batch_free(). */
struct rh_batch *rh_batch_new(size_t column_count);
/** Each column once, before the first row; the name is borrowed. */
void rh_batch_column(struct rh_batch *batch, size_t column, const char *name, enum rh_member member);
/** Whether the column can have such a value. */
bool rh_batch_takes(const struct rh_batch *batch, size_t column, const struct rhei_value *value);
/** A row of values, one for each column, which all take theirs; copied. There are less than RH_BATCH_ROWS. */
void rh_batch_add(struct rh_batch *batch, const struct rhei_value *values);
size_t rh_batch_rows(const struct rh_batch *batch);
/** Of its texts and BLOBs. */
size_t rh_batch_bytes(const struct rh_batch *batch);
/** No rows any more. */
void rh_batch_clear(struct rh_batch *batch);

/** The batch as it is lent to an Arrow reader. */
void rh_batch_schema(struct rh_batch *batch, struct ArrowSchema *schema);
void rh_batch_array(struct rh_batch *batch, struct ArrowArray *array);

void rh_batch_free(struct rh_batch **batch);

#endif
