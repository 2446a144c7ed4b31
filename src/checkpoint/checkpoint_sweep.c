/* SPDX-License-Identifier: Apache-2.0 */
/* Taking away the blobs that the newest checkpoint doesn't name: of older ones, and of those that came to nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_files.h"
#include "checkpoint_internal.h"

/* Few enough that a writer who lost the store in between took away no more than these, which nobody names. */
enum { SWEPT_AT_ONCE = 16 };

struct sweep {
    const struct checkpoint *checkpoint;
    uint64_t *uids; /* sorted: of the blobs that count */
    size_t count;
    struct checkpoint_files *files;
    struct base_buffer names; /* of those that go, each with its NUL */
};

static int compare_uids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static rhei_status sweep_one(void *context, const char *name, uint64_t size, struct rhei_error *error)
{
    struct sweep *sweep = context;
    uint64_t uid = 0;
    char same[CHECKPOINT_NAME_BYTES];
    (void)size;
    checkpoint_delta_name(sweep->checkpoint->head.base, sweep->checkpoint->head.number, same);
    if (strncmp(name, "d-", 2) == 0 && strncmp(name, same, strlen(same) - 4) == 0 && strcmp(name, same) <= 0)
        return RHEI_OK; /* one of those up to the newest */
    if (checkpoint_blob_uid(name, &uid) &&
        (bsearch(&uid, sweep->uids, sweep->count, sizeof *sweep->uids, compare_uids) != NULL ||
         checkpoint_files_has(sweep->files, uid)))
        return RHEI_OK; /* one that counts; or a snapshot still reads it: it goes after a later manifest, or at the next opening */
    base_buffer_append(&sweep->names, name, strlen(name) + 1);
    return sweep->names.failed ? error_no_memory(error) : RHEI_OK;
}

/* What was listed before memory ran out, or the store went away, goes all the same: it is nobody's. */
static void remove_listed(const struct sweep *sweep)
{
    struct blob_store *store = sweep->checkpoint->config.store;
    size_t at = 0;
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && at < sweep->names.len) {
        const char *names[SWEPT_AT_ONCE];
        /* the first one goes alone: a store that is away, or refuses, is asked once */
        size_t count = 0, most = at == 0 || store->ops->remove_all == NULL ? 1 : SWEPT_AT_ONCE;
        for (; count < most && at < sweep->names.len; at += strlen(sweep->names.data + at) + 1)
            names[count++] = sweep->names.data + at;
        checkpoint_fault(sweep->checkpoint, "checkpoint.sweeping");
        status = blob_store_remove(store, names, count, NULL);
    }
}

void checkpoint_sweep(struct checkpoint *checkpoint)
{
    struct blob_store *store = checkpoint->config.store;
    struct sweep sweep = {.checkpoint = checkpoint, .files = checkpoint->files};
    size_t most = 0;
    for (size_t t = 0; t < checkpoint->set.count; t++)
        most += checkpoint->set.tables[t].count;
    sweep.uids = base_alloc((most + 1) * sizeof *sweep.uids);
    if (sweep.uids == NULL)
        return;
    for (size_t t = 0; t < checkpoint->set.count; t++)
        for (uint32_t s = 0; s < checkpoint->set.tables[t].count; s++)
            if (checkpoint->set.tables[t].segments[s].lineage != 0 && !checkpoint->set.tables[t].segments[s].in_pieces)
                sweep.uids[sweep.count++] = checkpoint->set.tables[t].segments[s].uid;
    qsort(sweep.uids, sweep.count, sizeof *sweep.uids, compare_uids);
    (void)store->ops->list(store, sweep_one, &sweep, NULL);
    remove_listed(&sweep);
    base_buffer_reset(&sweep.names);
    base_free(sweep.uids);
    checkpoint_fault(checkpoint, "checkpoint.swept");
}
