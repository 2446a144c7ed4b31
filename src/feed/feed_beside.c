/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source beside the bridge.
 *
 *  1. A cycle's state is upstream's, pinned by its begin, so it is as fresh as without a buffer (Q1), and nothing of the buffer is waited for.
 *  2. What upstream doesn't have any more comes from the buffer first, up to the buffer's last commit, then what upstream has
 *     behind that. Both are of one history: the row at that commit is in upstream's log, and its stamp is the commit's mark.
 *  3. What can't be read from the buffer is lost, and built again.
 *  4. The stamp of a position that the buffer covers is the buffer's own number: as long as it is that buffer and the position is
 *     in it, everything that happened since is there. What was covered when it was kept may not be any more, and the other way round, since commits are
 *     dropped that nobody needs: so where both are known (the row is in the log, the buffer's end is of the same history) either is good.
 */
#include "feed_bridge.h"

#include "base/base_error.h"
#include "base/base_memory.h"
#include "feed.h"
#include "feed_batches.h"
#include "feed_loads.h"

struct feed_beside {
    struct change_source base;
    struct feed_beside_config config;
    struct change_reader *reader;
    struct feed_batches batches;
    const struct source_table *list; /* upstream's; lives until its next tables() */
    size_t list_count;
    bool schema_owed, doubt_owed; /* a begin was told, and its cycle came to nothing */

    /* Of the cycle. */
    bool reading;
    uint64_t last;
    struct change_cursor cursor;
};

static struct feed_beside *self(struct change_source *source)
{
    return (struct feed_beside *)source;
}

static bool beside_may_have_changes(struct change_source *base, uint64_t token)
{
    struct change_source *upstream = self(base)->config.upstream;
    return upstream->ops->may_have_changes(upstream, token);
}

/* ---- Cycles. ----------------------------------------------------------------------------------------------------- */

/* The buffer has everything behind the position. */
static bool covers(struct feed_beside *beside, int64_t after, struct change_buffer_state *state)
{
    struct change_buffer *buffer = beside->config.buffer;
    buffer->ops->state(buffer, state);
    if (state->last == state->pruned || after < state->horizon || after >= state->position)
        return false;
    beside->cursor = (struct change_cursor){.number = buffer->ops->find(buffer, after)};
    return state->lost_all <= beside->cursor.number;
}

/* 2. The buffer's last commit is a state of this file. */
static bool is_same_history(struct feed_beside *beside, const struct change_buffer_state *state)
{
    struct change_source *upstream = beside->config.upstream;
    struct change_stamp stamp;
    return upstream->ops->stamp != NULL && upstream->ops->stamp(upstream, state->position, &stamp, NULL) == RHEI_OK &&
           feed_mark(&stamp) == state->mark;
}

/* What upstream's cycle behind the position lost is in the buffer: another cycle of it, behind that. */
static rhei_status begin_in_buffer(struct feed_beside *beside, const struct change_buffer_state *state,
                                   struct change_cycle *cycle, uint64_t *token, struct rhei_error *error)
{
    struct change_source *upstream = beside->config.upstream;
    upstream->ops->end(upstream);
    rhei_status status = upstream->ops->begin(upstream, state->position, cycle, token, error);
    if (status != RHEI_OK)
        return status;
    beside->reading = !cycle->lost;
    beside->last = state->last;
    cycle->suspect = true; /* there is something to read, whatever the position */
    return RHEI_OK;
}

static rhei_status beside_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                                struct rhei_error *error)
{
    struct feed_beside *beside = self(base);
    struct change_source *upstream = beside->config.upstream;
    struct change_buffer_state state;
    beside->reading = false;
    rhei_status status = upstream->ops->begin(upstream, after, cycle, token, error);
    if (status != RHEI_OK)
        return status;
    beside->schema_owed |= cycle->schema_changed;
    beside->doubt_owed |= cycle->doubtful;
    if (cycle->lost) { /* the row at the buffer's last commit stays where it is until upstream's state is pinned */
        feed_bridge_hold(beside->config.bridge);
        if (covers(beside, after, &state) && is_same_history(beside, &state))
            status = begin_in_buffer(beside, &state, cycle, token, error);
        feed_bridge_release(beside->config.bridge);
    }
    if (status != RHEI_OK)
        return status;
    cycle->schema_changed |= beside->schema_owed;
    cycle->doubtful |= beside->doubt_owed;
    beside->schema_owed = beside->doubt_owed = false;
    return RHEI_OK;
}

/* The next of the buffer's; none: they are all read. */
static rhei_status read_buffer(struct feed_beside *beside, size_t max_rows, struct rhei_error *error)
{
    struct change_buffer *buffer = beside->config.buffer;
    const struct change_event *events = NULL;
    size_t count = 0;
    rhei_status status =
        buffer->ops->read(beside->reader, &beside->cursor, beside->last, max_rows, &events, &count, error);
    if (status == RHEI_OK)
        status = feed_batches_begin(&beside->batches, count, beside->list, beside->list_count, error);
    for (size_t i = 0; i < count && status == RHEI_OK; i++)
        feed_batches_add(&beside->batches, &events[i], true, true);
    beside->reading = status == RHEI_OK && count > 0;
    return status;
}

static rhei_status beside_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                               size_t *count, struct rhei_error *error)
{
    struct feed_beside *beside = self(base);
    struct change_source *upstream = beside->config.upstream;
    *count = 0;
    while (beside->reading) {
        rhei_status status = read_buffer(beside, max_rows, error);
        if (status == RHEI_NOT_A_DATABASE)
            feed_bridge_damaged(beside->config.bridge);
        if (status != RHEI_OK)
            return status;
        if (beside->config.fault != NULL)
            beside->config.fault(beside->config.fault_context, "feed.beside.read");
        if (beside->batches.count > 0) {
            *batches = beside->batches.list;
            *count = beside->batches.count;
            return RHEI_OK;
        }
    }
    return upstream->ops->next(upstream, max_rows, batches, count, error);
}

static void beside_end(struct change_source *base)
{
    struct change_source *upstream = self(base)->config.upstream;
    self(base)->reading = false;
    upstream->ops->end(upstream);
}

static bool beside_has_rows(struct change_source *base, uint32_t table, uint64_t rows)
{
    struct change_source *upstream = self(base)->config.upstream;
    return upstream->ops->has_rows == NULL || upstream->ops->has_rows(upstream, table, rows);
}

static rhei_status beside_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                                 struct rhei_error *error)
{
    struct feed_beside *beside = self(base);
    struct change_source *upstream = beside->config.upstream;
    beside->list_count = 0;
    rhei_status status = upstream->ops->tables(upstream, tables, count, error);
    if (status == RHEI_OK) {
        beside->list = *tables;
        beside->list_count = *count;
    }
    return status;
}

/* ---- Loads: upstream's. ------------------------------------------------------------------------------------------ */

static rhei_status beside_load_begin(struct change_source *base, uint32_t table, uint32_t loaders,
                                     struct source_load **load, struct source_load_info *info, struct rhei_error *error)
{
    return feed_loads_begin(self(base)->config.upstream, table, loaders, load, info, error);
}

static void beside_loads_rest(struct change_source *base)
{
    feed_loads_rest(self(base)->config.upstream);
}

static rhei_status beside_advance(struct change_source *base, uint32_t table, struct rhei_error *error)
{
    return feed_loads_advance(self(base)->config.upstream, table, error);
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

/* The bridge takes it out of both. */
static rhei_status beside_prune(struct change_source *base, int64_t position, uint64_t *pruned,
                                struct rhei_error *error)
{
    (void)error;
    *pruned = feed_bridge_needless(self(base)->config.bridge, position);
    return RHEI_OK;
}

static rhei_status beside_stamp(struct change_source *base, int64_t position, struct change_stamp *stamp,
                                struct rhei_error *error)
{
    struct feed_beside *beside = self(base);
    struct change_source *upstream = beside->config.upstream;
    struct change_buffer *buffer = beside->config.buffer;
    struct change_buffer_state state;
    buffer->ops->state(buffer, &state);
    if (position > state.position) { /* 4. whoever keeps a state of that position will find it covered */
        (void)feed_bridge_step(beside->config.bridge, NULL);
        buffer->ops->state(buffer, &state);
    }
    bool covered = position > 0 && state.last > state.pruned && position >= state.horizon &&
                   position <= state.position; /* before the first change there is nothing to tell apart */
    uint64_t id = beside->config.id(beside->config.id_context);
    rhei_status status = upstream->ops->stamp(upstream, position, stamp, covered ? NULL : error);
    if (!covered) {
        if (status == RHEI_OK && position <= state.position && is_same_history(beside, &state))
            stamp->also = id;
        return status;
    }
    if (status != RHEI_OK) /* the row is gone: then of the file alone */
        status = upstream->ops->stamp(upstream, 0, stamp, error);
    if (status == RHEI_OK) {
        stamp->also = stamp->row;
        stamp->row = id;
    }
    return status;
}

static bool beside_was(struct change_source *base, int64_t position, const struct change_stamp *kept)
{
    struct change_source *upstream = self(base)->config.upstream;
    return upstream->ops->was != NULL && upstream->ops->was(upstream, position, kept);
}

static void beside_keep_versions(struct change_source *base)
{
    struct change_source *upstream = self(base)->config.upstream;
    if (upstream->ops->keep_versions != NULL)
        upstream->ops->keep_versions(upstream);
}

static void beside_close(struct change_source **base)
{
    struct feed_beside *beside = self(*base);
    if (beside == NULL)
        return;
    if (beside->reader != NULL)
        beside->config.buffer->ops->reader_close(&beside->reader);
    feed_batches_reset(&beside->batches);
    base_free(beside);
    *base = NULL;
}

rhei_status feed_beside_open(const struct feed_beside_config *config, struct change_source **source,
                             struct rhei_error *error)
{
    static const struct change_source_ops OPS = {
        .name = "source beside a buffer",
        .may_have_changes = beside_may_have_changes,
        .begin = beside_begin,
        .next = beside_next,
        .end = beside_end,
        .has_rows = beside_has_rows,
        .tables = beside_tables,
        .load_begin = beside_load_begin,
        .load_next = feed_loads_next,
        .load_end = feed_loads_end,
        .loads_rest = beside_loads_rest,
        .advance = beside_advance,
        .prune = beside_prune,
        .stamp = beside_stamp,
        .was = beside_was,
        .keep_versions = beside_keep_versions,
        .close = beside_close,
    };
    struct feed_beside *beside = base_alloc_zero(1, sizeof *beside);
    *source = NULL;
    if (beside == NULL)
        return error_no_memory(error);
    beside->base.ops = &OPS;
    beside->config = *config;
    *source = &beside->base;
    rhei_status status = config->buffer->ops->reader_open(config->buffer, &beside->reader, error);
    if (status != RHEI_OK)
        beside_close(source);
    return status;
}
