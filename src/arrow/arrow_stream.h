/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ArrowArrayStreams over our own sources, and around other streams. A stream may be used from any thread, by one at a
 * time. It may be released at any moment; what a source holds is given back exactly once, at the latest then.
 *
 * Failures inside a stream are errno codes with a text in get_last_error, as the interface asks; the same failure is
 * returned again by every later call. arrow_stream_error turns it back into a struct rhei_error.
 */
#ifndef ARROW_STREAM_H
#define ARROW_STREAM_H

#include "arrow/arrow_builder.h"
#include "arrow/arrow_metadata.h"
#include "rhei/rhei_types.h"

/* ---- Batches ------------------------------------------------------------------------------------------------------ */

struct arrow_batch_source {
    rhei_status (*schema)(void *context, struct ArrowSchema *out, struct rhei_error *error);
    /* RHEI_OK with a batch, RHEI_DONE without one, or an error. Not called again after DONE or an error. */
    rhei_status (*next)(void *context, struct ArrowArray *out, struct rhei_error *error);
    void (*release)(void *context); /* may be NULL */
    void *context;
};

/* Takes the source, also when it fails. */
rhei_status arrow_batch_stream(const struct arrow_batch_source *source, struct ArrowArrayStream *out,
                               struct rhei_error *error);

/* ---- Rows --------------------------------------------------------------------------------------------------------- */

struct arrow_row_source {
    /*
     * Fills the row: RHEI_ROW; RHEI_DONE; or an error. Text and BLOB stay valid until the next call or release.
     * Not called again after DONE or an error.
     */
    rhei_status (*next)(void *context, struct rhei_value *row, struct rhei_error *error);
    void (*release)(void *context); /* as soon as the last row was read, or it failed; may be NULL */
    void *context;
    /*
     * NULL: rows are given once. Else: looks at the row given last and at all behind it, adds the bits (1 << enum rhei_class)
     * of their values to seen[column] (BLOB's for text that isn't UTF-8), and goes back: `next` then gives the row behind the
     * first `keep`, in the same order with the same classes.
     */
    rhei_status (*survey)(void *context, size_t keep, uint8_t *seen, struct rhei_error *error);
};

struct arrow_row_options {
    struct arrow_columns columns;   /* copied */
    const struct arrow_pair *pairs; /* the schema's metadata, copied */
    size_t pair_count;
    /* The class of a column that has no value in all rows, asked before the call returns; NULL: columns.usual_class. */
    uint8_t (*usual)(void *context, uint32_t column);
    void *usual_context;
    size_t batch_rows;  /* 0: ARROW_BATCH_ROWS */
    size_t batch_bytes; /* 0: ARROW_BATCH_BYTES */
};

/*
 * Reads up to the first batch, so that what fails early fails here. The classes of all rows are the columns' types: they are
 * known if the rows ended there, or if the source can look ahead; else a column whose class isn't proven
 * (columns.known_class) is a dense union in the whole stream. Takes the source, also when it fails.
 */
rhei_status arrow_row_stream(const struct arrow_row_source *source, const struct arrow_row_options *options,
                             struct ArrowArrayStream *out, struct rhei_error *error);

/* ---- Around another stream ---------------------------------------------------------------------------------------- */

struct arrow_wrap_options {
    /* Columns to keep, from the left; 0: all. The others are dropped. */
    uint32_t keep;
    const char *const *names; /* new names of the kept columns; NULL: as they are */
    /*
     * Every boolean and integer column becomes int64, also decimals without a fraction (DuckDB's HUGEINT sums); float
     * becomes double. An integer that doesn't fit is an RHEI_SQL error "integer overflow", as in SQLite.
     */
    bool sqlite_numbers;
    const struct arrow_pair *pairs; /* added to the schema's metadata */
    size_t pair_count;
    void (*release)(void *context); /* exactly once, after the inner stream's release; also when wrapping fails */
    void *context;
};

/* Takes `inner` (it is marked released), also when it fails; `out` may be `inner`. Batches' buffers are not copied. */
rhei_status arrow_wrap_stream(struct ArrowArrayStream *inner, const struct arrow_wrap_options *options,
                              struct ArrowArrayStream *out, struct rhei_error *error);

/*
 * Columns that have no value in the whole stream become nulls of the class usual[column] (RHEI_NULL: whatever they are; columns
 * from `count` on too). Reads ahead until each column in question has shown a value, or is known to have none
 * (ARROW_SURELY_NULL added), holding batches meanwhile: beyond `most_bytes` of them RHEI_MEMORY_LIMIT. Takes `inner`, also when
 * it fails; `out` may be `inner`.
 */
enum { ARROW_SURELY_NULL = 0x80 };
rhei_status arrow_settle_stream(struct ArrowArrayStream *inner, const uint8_t *usual, uint32_t count, bool strings_view,
                                size_t most_bytes, struct ArrowArrayStream *out, struct rhei_error *error);

/* Reads `inner` to its end, releases it, and gives what it read as a stream that depends on nothing. Takes `inner`, also when it fails. */
rhei_status arrow_keep_stream(struct ArrowArrayStream *inner, struct ArrowArrayStream *out, struct rhei_error *error);

/* ---- Failures ----------------------------------------------------------------------------------------------------- */

/*
 * The failure `code` (errno) of a call on `stream`: the very error for streams of this room, else the closest code with
 * the stream's own text. Returns its code.
 */
rhei_status arrow_stream_error(struct ArrowArrayStream *stream, int code, struct rhei_error *error);

#endif
