/* SPDX-License-Identifier: Apache-2.0 */
/* The socket for keeping the mirror's segments on a medium: blobs by name and one manifest that moves atomically. */
#ifndef PORT_SEGMENT_STORE_H
#define PORT_SEGMENT_STORE_H

#include "rhei/rhei_types.h"

struct segment_store;

struct segment_store_ops {
    const char *name;
    /* Durable when it returns; a blob is never changed once written. */
    rhei_status (*put)(struct segment_store *store, const char *name, const void *bytes, size_t len,
                       struct rhei_error *error);
    /* Free *bytes with base_free. RHEI_NOT_FOUND if it isn't there. */
    rhei_status (*get)(struct segment_store *store, const char *name, void **bytes, size_t *len,
                       struct rhei_error *error);
    rhei_status (*remove)(struct segment_store *store, const char *name, struct rhei_error *error);
    /* Replaces the manifest: after a crash there is the old one or the new one, whole. */
    rhei_status (*commit_manifest)(struct segment_store *store, const void *bytes, size_t len,
                                   struct rhei_error *error);
    rhei_status (*read_manifest)(struct segment_store *store, void **bytes, size_t *len, struct rhei_error *error);
    void (*close)(struct segment_store **store);
};

struct segment_store {
    const struct segment_store_ops *ops;
};

#endif
