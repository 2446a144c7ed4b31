/* SPDX-License-Identifier: Apache-2.0 */
#include "feed_loads.h"

#include "base/base_error.h"
#include "base/base_memory.h"

struct source_load {
    struct change_source *upstream;
    struct source_load *theirs;
};

rhei_status feed_loads_begin(struct change_source *upstream, uint32_t table, uint32_t loaders,
                             struct source_load **load, struct source_load_info *info, struct rhei_error *error)
{
    struct source_load *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    rhei_status status = upstream->ops->load_begin(upstream, table, loaders, &made->theirs, info, error);
    if (status != RHEI_OK) {
        base_free(made);
        return status;
    }
    made->upstream = upstream;
    *load = made;
    return RHEI_OK;
}

rhei_status feed_loads_next(struct source_load *load, uint32_t loader, size_t max_rows,
                            const struct change_batch **batch, struct rhei_error *error)
{
    return load->upstream->ops->load_next(load->theirs, loader, max_rows, batch, error);
}

void feed_loads_end(struct source_load **load)
{
    if (*load == NULL)
        return;
    (*load)->upstream->ops->load_end(&(*load)->theirs);
    base_free(*load);
    *load = NULL;
}

void feed_loads_rest(struct change_source *upstream)
{
    if (upstream->ops->loads_rest != NULL)
        upstream->ops->loads_rest(upstream);
}

rhei_status feed_loads_advance(struct change_source *upstream, uint32_t table, struct rhei_error *error)
{
    if (upstream == NULL || upstream->ops->advance == NULL)
        return error_set(error, RHEI_UNSUPPORTED, "this source gives no position by itself");
    return upstream->ops->advance(upstream, table, error);
}
