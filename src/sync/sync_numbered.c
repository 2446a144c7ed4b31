/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source whose tables carry its number in the upper 8 bits of theirs, over one that knows nothing of it. So the rest of this room,
 * the mirror and who reads it have one kind of table number, and no source has to know which it is.
 *
 * A table whose own number doesn't fit into the lower bits is one that can't be mirrored.
 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "sync_internal.h"

enum { OWN_BITS = (1 << TABLE_SOURCE_SHIFT) - 1 };

struct numbered {
    struct change_source base;
    struct change_source_ops ops; /* those below, and what is true of the one under it */
    struct change_source *under;
    uint32_t number; /* shifted */
    struct change_batch *batches;
    size_t batch_capacity;
    struct source_table *tables;
    size_t table_capacity;
    uint32_t *followed;
    size_t followed_capacity;
};

struct source_load {
    struct source_load *under;
    struct numbered *source;
    struct change_batch batches[SYNC_LOADERS_MAX];
};

static struct numbered *self(struct change_source *source)
{
    return (struct numbered *)source;
}

static bool numbered_may_have_changes(struct change_source *source, uint64_t token)
{
    struct change_source *under = self(source)->under;
    return under->ops->may_have_changes(under, token);
}

static void numbered_following(struct change_source *source, const uint32_t *tables, size_t count)
{
    struct numbered *numbered = self(source);
    struct change_source *under = numbered->under;
    void *made = numbered->followed;
    if (under->ops->following == NULL)
        return;
    if (!base_grow(&made, &numbered->followed_capacity, count + 1, sizeof *numbered->followed))
        count = 0; /* nothing is told in this cycle, then */
    else
        numbered->followed = made;
    for (size_t t = 0; t < count; t++)
        numbered->followed[t] = tables[t] & OWN_BITS;
    under->ops->following(under, numbered->followed, count);
}

static void numbered_awaited(struct change_source *source, bool names)
{
    struct change_source *under = self(source)->under;
    if (under->ops->awaited != NULL)
        under->ops->awaited(under, names);
}

static rhei_status numbered_begin(struct change_source *source, int64_t after, struct change_cycle *cycle,
                                  uint64_t *token, struct rhei_error *error)
{
    struct change_source *under = self(source)->under;
    return under->ops->begin(under, after, cycle, token, error);
}

static rhei_status numbered_next(struct change_source *source, size_t max_rows, const struct change_batch **batches,
                                 size_t *count, struct rhei_error *error)
{
    struct numbered *numbered = self(source);
    const struct change_batch *plain = NULL;
    void *made = numbered->batches;
    rhei_status status = numbered->under->ops->next(numbered->under, max_rows, &plain, count, error);
    if (status != RHEI_OK)
        return status;
    if (!base_grow(&made, &numbered->batch_capacity, *count + 1, sizeof *numbered->batches))
        return error_no_memory(error);
    numbered->batches = made;
    for (size_t b = 0; b < *count; b++) {
        numbered->batches[b] = plain[b];
        numbered->batches[b].table |= numbered->number;
    }
    *batches = numbered->batches;
    return RHEI_OK;
}

static void numbered_end(struct change_source *source)
{
    struct change_source *under = self(source)->under;
    under->ops->end(under);
}

static bool numbered_has_rows(struct change_source *source, uint32_t table, uint64_t rows)
{
    struct change_source *under = self(source)->under;
    return under->ops->has_rows == NULL || under->ops->has_rows(under, table & OWN_BITS, rows);
}

static rhei_status numbered_tables(struct change_source *source, const struct source_table **tables, size_t *count,
                                   struct rhei_error *error)
{
    struct numbered *numbered = self(source);
    const struct source_table *plain = NULL;
    void *made = numbered->tables;
    rhei_status status = numbered->under->ops->tables(numbered->under, &plain, count, error);
    if (status != RHEI_OK)
        return status;
    if (!base_grow(&made, &numbered->table_capacity, *count + 1, sizeof *numbered->tables))
        return error_no_memory(error);
    numbered->tables = made;
    for (size_t t = 0; t < *count; t++) {
        struct source_table *table = &numbered->tables[t];
        *table = plain[t];
        if (table->id > OWN_BITS) {
            table->id = 0;
            table->unmirrored_reason = "the source has given its tables too many numbers";
        }
        table->id = table->id == 0 ? 0 : table->id | numbered->number; /* 0: one that the source doesn't follow */
    }
    *tables = numbered->tables;
    return RHEI_OK;
}

static rhei_status numbered_load_begin(struct change_source *source, uint32_t table, uint32_t loaders,
                                       struct source_load **load, struct source_load_info *info,
                                       struct rhei_error *error)
{
    struct numbered *numbered = self(source);
    struct source_load *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->source = numbered;
    rhei_status status =
        numbered->under->ops->load_begin(numbered->under, table & OWN_BITS, loaders, &made->under, info, error);
    if (status != RHEI_OK)
        base_free(made);
    else
        *load = made;
    return status;
}

static rhei_status numbered_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                                      const struct change_batch **batch, struct rhei_error *error)
{
    const struct change_batch *plain = NULL;
    const struct change_source_ops *ops = load->source->under->ops;
    rhei_status status = ops->load_next(load->under, loader, max_rows, &plain, error);
    *batch = NULL;
    if (status != RHEI_OK || plain == NULL)
        return status;
    BASE_INVARIANT(loader < SYNC_LOADERS_MAX);
    load->batches[loader] = *plain;
    load->batches[loader].table |= load->source->number;
    *batch = &load->batches[loader];
    return RHEI_OK;
}

static void numbered_load_end(struct source_load **slot)
{
    struct source_load *load = *slot;
    if (load == NULL)
        return;
    *slot = NULL;
    load->source->under->ops->load_end(&load->under);
    base_free(load);
}

static void numbered_loads_rest(struct change_source *source)
{
    struct change_source *under = self(source)->under;
    if (under->ops->loads_rest != NULL)
        under->ops->loads_rest(under);
}

static rhei_status numbered_prune(struct change_source *source, int64_t position, uint64_t *pruned,
                                  struct rhei_error *error)
{
    struct change_source *under = self(source)->under;
    return under->ops->prune(under, position, pruned, error);
}

static int64_t numbered_forgotten(struct change_source *source)
{
    struct change_source *under = self(source)->under;
    return under->ops->forgotten == NULL ? INT64_MAX : under->ops->forgotten(under);
}

static void numbered_keep_versions(struct change_source *source)
{
    struct change_source *under = self(source)->under;
    if (under->ops->keep_versions != NULL)
        under->ops->keep_versions(under);
}

/* What lies under it is its owner's. */
static void numbered_close(struct change_source **slot)
{
    struct numbered *numbered = *slot == NULL ? NULL : self(*slot);
    *slot = NULL;
    if (numbered == NULL)
        return;
    base_free(numbered->batches);
    base_free(numbered->tables);
    base_free(numbered->followed);
    base_free(numbered);
}

static const struct change_source_ops numbered_ops = {
    .name = "numbered",
    .may_have_changes = numbered_may_have_changes,
    .following = numbered_following,
    .awaited = numbered_awaited,
    .begin = numbered_begin,
    .next = numbered_next,
    .end = numbered_end,
    .has_rows = numbered_has_rows,
    .tables = numbered_tables,
    .load_begin = numbered_load_begin,
    .load_next = numbered_load_next,
    .load_end = numbered_load_end,
    .loads_rest = numbered_loads_rest,
    .prune = numbered_prune,
    .forgotten = numbered_forgotten,
    .keep_versions = numbered_keep_versions,
    .close = numbered_close,
};

rhei_status sync_numbered_open(struct change_source *under, uint32_t number, struct change_source **source,
                               struct rhei_error *error)
{
    struct numbered *numbered = base_alloc_zero(1, sizeof *numbered);
    if (numbered == NULL)
        return error_no_memory(error);
    numbered->ops = numbered_ops;
    numbered->ops.tells_later = under->ops->tells_later;
    numbered->base.ops = &numbered->ops;
    numbered->under = under;
    numbered->number = number << TABLE_SOURCE_SHIFT;
    *source = &numbered->base;
    return RHEI_OK;
}
