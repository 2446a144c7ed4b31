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
};

struct arrow_row_options {
    struct arrow_columns columns;   /* copied */
    const struct arrow_pair *pairs; /* the schema's metadata, copied */
    size_t pair_count;
    size_t batch_rows;  /* 0: ARROW_BATCH_ROWS */
    size_t batch_bytes; /* 0: ARROW_BATCH_BYTES */
};

/*
 * Reads up to the first batch, so that what fails early fails here. If the rows ended there, their classes are the
 * columns' types; else a column whose class isn't proven (columns.known_class) is a dense union in the whole stream.
 * Takes the source, also when it fails.
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

/* ---- Failures ----------------------------------------------------------------------------------------------------- */

/*
 * The failure `code` (errno) of a call on `stream`: the very error for streams of this room, else the closest code with
 * the stream's own text. Returns its code.
 */
rhei_status arrow_stream_error(struct ArrowArrayStream *stream, int code, struct rhei_error *error);

#endif
