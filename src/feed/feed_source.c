/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change source that reads from a buffer.
 *
 *  1. A cycle's state is that of a commit of the buffer; `begin` pumps first, so it is no older than the source was then (Q1).
 *  2. A load comes from upstream and may be ahead of the buffer: no state before its position is given afterwards (A1).
 *  3. A LOST is told once its commit is reached, and again until a cycle has been read to its end; `told` is the last commit for which
 *     that is so. That all is lost is told by one begin, after which the cycle's owner acts before anything can fail. Rows are told to whoever asks for what follows a position before theirs.
 *  4. What a commit brings is never cut.
 */
#include "feed.h"
#include "feed_batches.h"
#include "feed_loads.h"
#include "feed_pump.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/base_error.h"
#include "base/base_memory.h"

struct feed_source {
    struct change_source base;
    struct feed_config config;
    struct feed_pump pump;
    struct change_reader *reader;
    uint64_t told, lost_told;
    uint64_t listed; /* commit whose definitions tables() gave last */
    bool listed_any;
    _Atomic int64_t floor; /* position of the latest load */

    /* Of the cycle. */
    uint64_t lost_now;     /* last commit that says that all is lost */
    uint64_t pinned, from; /* rows of commits after `from` */
    struct change_cursor cursor;

    struct source_table *list;
    size_t list_count, list_capacity;
    struct feed_batches batches;
};

static struct feed_source *self(struct change_source *source)
{
    return (struct feed_source *)source;
}

/* ---- Cycles. --------------------------------------------------------------------------------------------------------- */

static bool feed_may_have_changes(struct change_source *base, uint64_t token)
{
    struct change_source *upstream = self(base)->config.upstream;
    struct change_buffer *buffer = self(base)->config.buffer;
    struct change_buffer_state state;
    if (upstream != NULL)
        return upstream->ops->may_have_changes(upstream, token);
    buffer->ops->state(buffer, &state);
    return state.last != token;
}

static rhei_status feed_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                              struct rhei_error *error)
{
    struct feed_source *feed = self(base);
    struct change_buffer *buffer = feed->config.buffer;
    struct change_buffer_state state;
    if (feed->config.upstream != NULL) {
        rhei_status status = feed_pump_step(&feed->pump, error);
        if (status != RHEI_OK)
            return status;
    }
    buffer->ops->state(buffer, &state);
    if (state.position < atomic_load(&feed->floor))
        return error_set(error, RHEI_BUSY, "the buffer has not reached the state that was loaded");
    feed->pinned = state.last;
    feed->from = buffer->ops->find(buffer, after);
    feed->from = feed->from < state.pruned ? state.pruned : feed->from;
    uint64_t cursor = feed->from < feed->told ? feed->from : feed->told;
    feed->cursor = (struct change_cursor){.number = cursor < state.pruned ? state.pruned : cursor};
    cycle->position = state.position > after ? state.position : after;
    cycle->schema_changed = !feed->listed_any || state.definition > feed->listed;
    cycle->lost = (state.last != state.pruned && after < state.horizon) || state.lost_all > feed->lost_told;
    feed->lost_now = state.lost_all;
    cycle->suspect = feed->from > feed->told;
    cycle->doubtful = feed->pump.doubtful;
    feed->pump.doubtful = false;
    if (token != NULL)
        *token = feed->config.upstream != NULL ? feed->pump.token : state.last;
    return RHEI_OK;
}

static rhei_status feed_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                             size_t *count, struct rhei_error *error)
{
    struct feed_source *feed = self(base);
    struct change_buffer *buffer = feed->config.buffer;
    feed->batches.count = 0;
    while (feed->batches.count == 0 && feed->cursor.number < feed->pinned) {
        const struct change_event *events = NULL;
        size_t event_count = 0;
        uint64_t commit = feed->cursor.number + 1;
        rhei_status status =
            buffer->ops->read(feed->reader, &feed->cursor, feed->pinned, max_rows, &events, &event_count, error);
        if (status == RHEI_OK && event_count == 0)
            status = error_set(error, RHEI_INTERNAL, "the buffer has no commit %" PRIu64, commit);
        if (status == RHEI_OK)
            status = feed_batches_begin(&feed->batches, event_count, feed->list, feed->list_count, error);
        if (status != RHEI_OK)
            return status;
        if (feed->config.fault != NULL)
            feed->config.fault(feed->config.fault_context, "feed.read");
        for (size_t i = 0; i < event_count; i++) {
            feed_batches_add(&feed->batches, &events[i], commit > feed->from, commit > feed->told);
            commit += events[i].kind == CHANGE_EVENT_COMMIT;
        }
    }
    *count = feed->batches.count;
    if (*count == 0)
        feed->told = feed->pinned > feed->told ? feed->pinned : feed->told;
    *batches = feed->batches.list;
    return RHEI_OK;
}

static void feed_end(struct change_source *base)
{
    self(base)->lost_told = self(base)->lost_now;
}

static rhei_status feed_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                               struct rhei_error *error)
{
    struct feed_source *feed = self(base);
    struct change_buffer *buffer = feed->config.buffer;
    const struct source_table *const *list = NULL;
    rhei_status status = buffer->ops->tables(feed->reader, feed->pinned, &list, count, error);
    if (status != RHEI_OK)
        return status;
    if (!base_grow((void **)&feed->list, &feed->list_capacity, *count + 1, sizeof *feed->list))
        return error_no_memory(error);
    for (size_t i = 0; i < *count; i++)
        feed->list[i] = *list[i];
    feed->list_count = *count;
    feed->listed = feed->pinned;
    feed->listed_any = true;
    *tables = feed->list;
    return RHEI_OK;
}

/* ---- Loads: upstream's. ---------------------------------------------------------------------------------------------- */

static void raise_floor(struct feed_source *feed, int64_t position)
{
    int64_t floor = atomic_load(&feed->floor);
    while (floor < position && !atomic_compare_exchange_weak(&feed->floor, &floor, position)) {
    }
}

static rhei_status feed_load_begin(struct change_source *base, uint32_t table, uint32_t loaders,
                                   struct source_load **load, struct source_load_info *info, struct rhei_error *error)
{
    struct feed_source *feed = self(base);
    struct change_source *upstream = feed->config.upstream;
    if (upstream == NULL)
        return error_set(error, RHEI_UNSUPPORTED, "a buffer without its source has no rows to begin with");
    rhei_status status = feed_loads_begin(upstream, table, loaders, load, info, error);
    if (status == RHEI_OK)
        raise_floor(feed, info->position);
    return status;
}

static void feed_rest(struct change_source *base)
{
    if (self(base)->config.upstream != NULL)
        feed_loads_rest(self(base)->config.upstream);
}

static rhei_status feed_advance(struct change_source *base, uint32_t table, struct rhei_error *error)
{
    return feed_loads_advance(self(base)->config.upstream, table, error);
}

/* ---- The rest. ------------------------------------------------------------------------------------------------------- */

static rhei_status feed_prune(struct change_source *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    struct change_buffer *buffer = self(base)->config.buffer;
    return buffer->ops->prune(buffer, position, pruned, error);
}

static void feed_close(struct change_source **base)
{
    struct feed_source *feed = self(*base);
    if (feed == NULL)
        return;
    base_free(feed->list);
    feed_batches_reset(&feed->batches);
    feed_pump_reset(&feed->pump);
    if (feed->reader != NULL)
        feed->config.buffer->ops->reader_close(&feed->reader);
    base_free(feed);
    *base = NULL;
}

rhei_status feed_source_open(const struct feed_config *config, struct change_source **source, struct rhei_error *error)
{
    static const struct change_source_ops OPS = {
        .name = "feed",
        .may_have_changes = feed_may_have_changes,
        .begin = feed_begin,
        .next = feed_next,
        .end = feed_end,
        .tables = feed_tables,
        .load_begin = feed_load_begin,
        .load_next = feed_loads_next,
        .load_end = feed_loads_end,
        .loads_rest = feed_rest,
        .advance = feed_advance,
        .prune = feed_prune,
        .close = feed_close,
    };
    struct change_buffer_state state;
    struct feed_source *feed = base_alloc_zero(1, sizeof *feed);
    *source = NULL;
    if (feed == NULL)
        return error_no_memory(error);
    config->buffer->ops->state(config->buffer, &state);
    feed->base.ops = &OPS;
    feed->config = *config;
    feed->pump.config = &feed->config;
    feed->told = feed->lost_told = state.last;
    *source = &feed->base;
    rhei_status status = config->buffer->ops->reader_open(config->buffer, &feed->reader, error);
    if (status != RHEI_OK)
        feed_close(source);
    return status;
}
