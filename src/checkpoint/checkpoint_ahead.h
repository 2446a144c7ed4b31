/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of blobs, asked for many at once where they will be wanted one behind another: a bucket answers them side by side. What was found is a first look:
 * who finds it wrong asks the store itself. Owner thread.
 */
#ifndef CHECKPOINT_CHECKPOINT_AHEAD_H
#define CHECKPOINT_CHECKPOINT_AHEAD_H

#include "checkpoint_format.h"
#include "port/blob_store.h"

enum { CHECKPOINT_AHEAD_MOST = 64 }; /* at once */

struct checkpoint_ahead {
    struct blob_store *store;
    size_t room; /* of each */
    char (*names)[CHECKPOINT_NAME_BYTES];
    size_t count, capacity;
    size_t first, asked; /* those of the list whose ends are here */
    struct blob_tail tails[CHECKPOINT_AHEAD_MOST];
    char *bytes; /* [CHECKPOINT_AHEAD_MOST * room] */
};

/* At the end of the list, in the order in which they will be wanted. RHEI_NO_MEMORY. */
rhei_status checkpoint_ahead_add(struct checkpoint_ahead *ahead, const char *name, struct rhei_error *error);
/* NULL: it isn't on the list, or lies behind; then the store has to be asked. */
const struct blob_tail *checkpoint_ahead_find(struct checkpoint_ahead *ahead, const char *name);
/* What asking for it came to, and the blob's size. */
rhei_status checkpoint_ahead_status(const struct blob_tail *tail, uint64_t *size, struct rhei_error *error);
void checkpoint_ahead_reset(struct checkpoint_ahead *ahead);

#endif
