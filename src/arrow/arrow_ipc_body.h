/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a record batch message: buffers cut out of arrays. For the IPC files of this room. Owner thread. */
#ifndef ARROW_IPC_BODY_H
#define ARROW_IPC_BODY_H

#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_ipc.h"

struct ipc_node { /* as the flatbuffer's FieldNode */
    int64_t length;
    int64_t null_count;
};

struct ipc_buffer { /* as the flatbuffer's Buffer */
    int64_t offset;
    int64_t length;
};

struct ipc_body {
    int codec;
    struct rhei_error *error;
    struct ipc_node *nodes;
    size_t node_count, node_capacity;
    struct ipc_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    struct arrow_ipc_slice *slices;
    size_t slice_count, slice_capacity;
    void **owned; /* made for this batch */
    size_t owned_count, owned_capacity;
    int64_t len;
};

/* Adds the columns of a batch; the view is of its own schema (not the one that is written). */
rhei_status ipc_body_add_batch(struct ipc_body *body, const struct ArrowArrayView *batch);
void ipc_body_clear(struct ipc_body *body); /* for the next batch */
void ipc_body_reset(struct ipc_body *body); /* frees all */

#endif
