/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for a medium that keeps bytes by name: a folder, a bucket. Blobs never change once they are written; the one thing that
 * changes is the manifest, which says what of them counts, and moves atomically.
 *
 * A store keeps bytes, it doesn't understand them: whoever reads a blob checks it, for a medium may lose, cut or alter what it was given.
 * Names are 1 to 200 of a-z 0-9 . _ - and begin with a letter or digit. Any thread, several at a time; manifest_swap is decided one by one.
 */
#ifndef PORT_BLOB_STORE_H
#define PORT_BLOB_STORE_H

#include <stdbool.h>
#include <string.h>

#include "rhei/rhei_types.h"

struct blob_store;

enum { BLOB_NAME_MAX = 200 };
/* Of that form. */
static inline bool blob_name_is_good(const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);
    return len > 0 && len <= BLOB_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len &&
           strchr("._-", name[0]) == NULL;
}

struct blob {
    const char *name;
    const void *bytes;
    size_t len;
};

/* Bytes of a blob as they lie in memory; given back by release. */
struct blob_map {
    const void *bytes;
    size_t len;
    void *owner;
    void (*release)(struct blob_map *map);
};

/* The end of a blob: its last `room` bytes, or all of a smaller one; or a part of it: `room` bytes from `offset`, all of them. */
struct blob_tail {
    const char *name;
    void *bytes; /* [room], at least one */
    size_t room, len;
    bool is_part;
    uint64_t offset;
    uint64_t size; /* of the blob; of a part not told */
    rhei_status status;
    struct rhei_error error;
};

struct blob_store_ops {
    const char *name; /* "local" */

    /*
     * Writes blobs; all are durable when it returns. After a failure or a crash each of them is there whole or not at all, as far as the
     * medium keeps its word. RHEI_EXISTS: a name is taken. RHEI_FULL, RHEI_IO, RHEI_READ_ONLY.
     */
    rhei_status (*put)(struct blob_store *store, const struct blob *blobs, size_t count, struct rhei_error *error);
    /* RHEI_NOT_FOUND: there is no such blob. */
    rhei_status (*size)(struct blob_store *store, const char *name, uint64_t *size, struct rhei_error *error);
    /* `len` bytes from `offset` into `bytes`; RHEI_IO where the blob ends before. */
    rhei_status (*get)(struct blob_store *store, const char *name, uint64_t offset, void *bytes, size_t len,
                       struct rhei_error *error);
    /* Ends of blobs, or parts, asked for side by side; each has its own status, as of size and get. NULL: one by one (blob_store_tails). */
    void (*tails)(struct blob_store *store, struct blob_tail *tails, size_t count);
    /* The whole blob, read when it is touched. RHEI_UNSUPPORTED: this medium can't; then get. The map may outlive a remove. */
    rhei_status (*map)(struct blob_store *store, const char *name, struct blob_map *map, struct rhei_error *error);
    /* Every blob, in no order; the first status but RHEI_OK ends it and is returned. */
    rhei_status (*list)(struct blob_store *store,
                        rhei_status (*take)(void *context, const char *name, uint64_t size, struct rhei_error *error),
                        void *context, struct rhei_error *error);
    /* RHEI_OK also where there is no such blob. Durable only with the next put or manifest_swap. */
    rhei_status (*remove)(struct blob_store *store, const char *name, struct rhei_error *error);
    /* As remove, of several asked for side by side; the first that failed is told, and the others are removed. NULL: one by one (blob_store_remove). */
    rhei_status (*remove_all)(struct blob_store *store, const char *const *names, size_t count,
                              struct rhei_error *error);

    /*
     * Takes a damaged blob (name NULL: the manifest) out of sight of every other call, and keeps its bytes for people to look at. RHEI_OK also
     * where there is none. NULL: nothing can be kept aside.
     */
    rhei_status (*set_aside)(struct blob_store *store, const char *name, struct rhei_error *error);

    /* *version 0: there is none yet (RHEI_OK, *bytes NULL). Free *bytes with base_free. */
    rhei_status (*manifest_read)(struct blob_store *store, void **bytes, size_t *len, uint64_t *version,
                                 struct rhei_error *error);
    /*
     * Replaces the manifest if it is still the one of `version`, and raises that by one; durable when it returns. RHEI_BUSY: it is
     * another one by now. After a crash there is the old one or the new one, whole.
     */
    rhei_status (*manifest_swap)(struct blob_store *store, uint64_t *version, const void *bytes, size_t len,
                                 struct rhei_error *error);

    /*
     * Whether the medium is still the one that was opened. *lost: somebody took it away, blobs and all, and an empty one was made in its place, which
     * the calls behind this one use. RHEI_BUSY and others: none could be made now. NULL: nobody can take it away.
     */
    rhei_status (*look)(struct blob_store *store, bool *lost, struct rhei_error *error);

    /*
     * Whether a call failed because the medium couldn't be asked: nothing is known of what it keeps then, which may be all right, and later it may say
     * so. NULL: it can always be asked.
     */
    bool (*away)(const struct rhei_error *error);

    /* No call may be under way; maps may still be held. */
    void (*close)(struct blob_store **store);
};

/* First member of every implementation's struct. */
struct blob_store {
    const struct blob_store_ops *ops;
};

/* The error, of a call that failed, tells nothing of what is kept. */
static inline bool blob_store_is_away(const struct blob_store *store, const struct rhei_error *error)
{
    return store->ops->away != NULL && store->ops->away(error);
}

static inline void blob_store_tails(struct blob_store *store, struct blob_tail *tails, size_t count)
{
    if (store->ops->tails != NULL) {
        store->ops->tails(store, tails, count);
        return;
    }
    for (struct blob_tail *tail = tails; tail < tails + count; tail++) {
        tail->len = 0;
        tail->error = (struct rhei_error)RHEI_ERROR_INIT;
        tail->status = tail->is_part ? RHEI_OK : store->ops->size(store, tail->name, &tail->size, &tail->error);
        if (tail->status != RHEI_OK)
            continue;
        tail->len = tail->is_part || tail->size > tail->room ? tail->room : (size_t)tail->size;
        tail->status = store->ops->get(store, tail->name, tail->is_part ? tail->offset : tail->size - tail->len,
                                       tail->bytes, tail->len, &tail->error);
    }
}

static inline rhei_status blob_store_remove(struct blob_store *store, const char *const *names, size_t count,
                                            struct rhei_error *error)
{
    if (store->ops->remove_all != NULL)
        return store->ops->remove_all(store, names, count, error);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count; i++) {
        rhei_status one = store->ops->remove(store, names[i], status == RHEI_OK ? error : NULL);
        status = status == RHEI_OK ? one : status;
    }
    return status;
}

#endif
