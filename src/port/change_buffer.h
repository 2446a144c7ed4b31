/* SPDX-License-Identifier: Apache-2.0 */
/* The socket for a durable queue of change batches between a source and the mirror (RocksDB later, a list in tests). */
#ifndef PORT_CHANGE_BUFFER_H
#define PORT_CHANGE_BUFFER_H

#include "port/change_batch.h"

struct change_buffer;

struct change_buffer_ops {
    const char *name;
    /* Durable when it returns. Batches of one position are kept or lost together. */
    rhei_status (*append)(struct change_buffer *buffer, int64_t position, const struct change_batch *batches,
                          size_t count, struct rhei_error *error);
    /* Batches after `after`, in order; *count = 0: none. They live until the next call. */
    rhei_status (*read)(struct change_buffer *buffer, int64_t after, size_t max_rows, int64_t *position,
                        const struct change_batch **batches, size_t *count, struct rhei_error *error);
    rhei_status (*prune)(struct change_buffer *buffer, int64_t position, struct rhei_error *error);
    void (*close)(struct change_buffer **buffer);
};

struct change_buffer {
    const struct change_buffer_ops *ops;
};

#endif
