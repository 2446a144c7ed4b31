/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects rows of values into Arrow batches, each value in its own storage class. Owner thread.
 *
 * A column's Arrow type:
 *   all its values are of one class   int64 "l", double "g", utf8 "u" (or utf8view "vu"), binary "z"; NULL is null
 *   it has values of several classes  dense union {0 integer, 1 real, 2 text, 3 blob}; NULL is a null of child 0
 *   it has no value, only NULL        as usual_class says, else int64
 *
 * Text that isn't UTF-8 would crash readers of a utf8 array: it is treated as of class BLOB, bytes unchanged, so it goes
 * to child 3, or to a binary column where all values of the column are such.
 */
#ifndef ARROW_BUILDER_H
#define ARROW_BUILDER_H

#include "rhei/rhei_types.h"

enum {
    ARROW_BATCH_ROWS = 65536, /* the usual limits of a batch */
    ARROW_BATCH_BYTES = 4194304,
};

struct arrow_columns {
    uint32_t count;
    const char *const *names; /* bytes that aren't UTF-8 become '?' */
    /*
     * enum rhei_class per column, or NULL. Not RHEI_NULL: every value that isn't NULL is proven to have this class, and
     * for TEXT to be UTF-8; another value is an RHEI_INTERNAL error. RHEI_NULL: nothing is known.
     */
    const uint8_t *known_class;
    const uint8_t
        *usual_class;  /* the type of a column without a value, from its declaration; RHEI_NULL or NULL: none */
    bool strings_view; /* utf8view instead of utf8 */
};

struct arrow_builder;

/* Copies the columns. */
rhei_status arrow_builder_new(const struct arrow_columns *columns, struct arrow_builder **builder,
                              struct rhei_error *error);
void arrow_builder_free(struct arrow_builder **builder);

/*
 * Copies one row of arrow_columns.count values. RHEI_TOO_BIG (error stays unset, nothing was taken): the batch's bytes
 * would pass 2 GiB, so finish it and append the row again. After any other error the builder can only be freed.
 */
rhei_status arrow_builder_append(struct arrow_builder *builder, const struct rhei_value *row, struct rhei_error *error);
size_t arrow_builder_rows(const struct arrow_builder *builder);
size_t arrow_builder_bytes(const struct arrow_builder *builder); /* 8 a value, and the bytes of text and BLOB */

/*
 * Decides each column's type for this batch and all later ones. `whole`: the rows so far are all there will be, so they
 * decide; otherwise a column whose class isn't proven becomes a union. Must come before schema and finish.
 */
rhei_status arrow_builder_fix(struct arrow_builder *builder, bool whole, struct rhei_error *error);
/* The same for rows of which the builder has some and `seen` (bits 1 << enum rhei_class per column) tells the others. */
rhei_status arrow_builder_fix_seen(struct arrow_builder *builder, const uint8_t *seen, struct rhei_error *error);
/* Would more rows change a column's type: is one neither proven nor a union already? */
bool arrow_builder_is_open(const struct arrow_builder *builder);
/* Has the column no value yet, and no proven class? */
bool arrow_builder_lacks_values(const struct arrow_builder *builder, uint32_t column);
/* Before fixing: another usual_class. */
void arrow_builder_set_usual(struct arrow_builder *builder, uint32_t column, uint8_t class);
/* The batches' schema, a struct of the columns; `metadata` is encoded, may be NULL, and is copied. */
rhei_status arrow_builder_schema(const struct arrow_builder *builder, const char *metadata, struct ArrowSchema *out,
                                 struct rhei_error *error);
/* Moves the rows out as a struct array and empties the builder for the next batch. */
rhei_status arrow_builder_finish(struct arrow_builder *builder, struct ArrowArray *out, struct rhei_error *error);

#endif
