/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change stream between a source and whoever follows it: a pump puts what a source tells into a buffer, and a source reads it
 * from there. What a README says of the two holds for any buffer that keeps the promises of port/change_buffer.h.
 */
#ifndef FEED_FEED_H
#define FEED_FEED_H

#include "port/change_buffer.h"
#include "port/change_source.h"

struct feed_config {
    struct change_buffer *buffer; /* borrowed */
    /*
     * Borrowed. What goes into the buffer at each begin, and where loads come from. NULL: somebody else pumps, and there are no loads
     * (RHEI_UNSUPPORTED).
     */
    struct change_source *upstream;
    size_t batch_rows;   /* rows asked of upstream at a time */
    bool prune_upstream; /* forget there what is durable in the buffer */
    void (*fault)(void *context,
                  const char *point); /* tests: "feed.pump.begun", ".appended", ".ended", ".committed", "feed.read" */
    void *fault_context;
};

/* A state's stamp as one number, as a COMMIT has it; never 0. */
uint64_t feed_mark(const struct change_stamp *stamp);

/*
 * A source over the buffer: cycles see whole commits of it, definitions are those of the pinned commit. Promises what
 * port/change_source.h asks for. Close it before buffer and upstream.
 */
rhei_status feed_source_open(const struct feed_config *config, struct change_source **source, struct rhei_error *error);

#endif
