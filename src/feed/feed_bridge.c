/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step: pump, tell, prune the source, prune the buffer.
 *
 *   B1. The source forgets nothing that isn't durable in the buffer.
 *   B2. The buffer forgets nothing that a follower or reader needs, up to its limit.
 *   B3. A step that fails leaves the source as it was: its log grows, and nobody else notices. It is tried again.
 *   B4. What a live follower hasn't applied stays in the source too, so that it needn't read it twice, unless it is far behind.
 *   B5. What was in the source before the buffer began isn't in the buffer: it stays where it is until neither the follower nor a reader needs
 *       anything of it.
 *   B6. A source that forgets all but little of what it has does so much more cheaply. So what was committed while a large step ran is moved before
 *       it is asked to, as long as that becomes less.
 */
#include "feed_bridge.h"

#include <stdio.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "feed.h"
#include "feed_pump.h"

enum {
    TICK_NS = 50000000,    /* between two looks */
    PRUNE_NS = 200000000,  /* between two times that the source forgets */
    PRUNE_ROWS = 65536,    /* or when there are so many */
    SETTLE_TURNS = 4,      /* B6: at most, */
    SETTLE_ROWS = 2048,    /* until so few came meanwhile */
    DROP_NS = 1000000000,  /* between two times that the buffer forgets */
    RETRY_NS = 1000000000, /* after a step that failed */
    HOLD_ROWS = 1000000,   /* B4: far behind */
};
#define WARN_NS INT64_C(60000000000)

struct feed_bridge {
    struct feed_bridge_config config;
    struct feed_config feed;
    base_mutex step_lock; /* a step; guards up to `lock` */
    struct feed_pump pump;
    int64_t told, pruned_ns, dropped_ns; /* durable() was told this; when the two were last pruned */
    int64_t forgotten_to;                /* the source forgot up to here: somebody else may need the rest */
    int64_t begun;                       /* B5: what follows is in the buffer, or was; -1: nothing was moved yet */
    int64_t held;                        /* B5: a reader is there, before that; INT64_MAX: none is */
    bool pumped;
    struct feed_limit limit;
    bool over;       /* the limits, that is */
    int64_t looked;  /* how far the buffer went when it was held against them */
    int64_t warn_ns; /* when to warn of a cut again */

    base_mutex lock; /* the last; guards the rest */
    base_cond woken;
    bool stopping, started;
    base_thread thread;
    int64_t needless;
    bool damaged;
    uint64_t moved, failures, forgotten;
    char error[256];
};

static void bridge_fault(const struct feed_bridge *bridge, const char *point)
{
    if (bridge->config.fault != NULL)
        bridge->config.fault(bridge->config.fault_context, point);
}

/* ---- A step, under step_lock. ------------------------------------------------------------------------------------ */

static rhei_status restart(struct feed_bridge *bridge, const char *why, struct rhei_error *error)
{
    struct change_buffer *buffer = bridge->config.buffer;
    base_log_write(bridge->config.log, BASE_LOG_WARN, "feed", "the change buffer begins anew: %s", why);
    rhei_status status = buffer->ops->clear(buffer, error);
    if (status == RHEI_OK && bridge->config.restarted != NULL)
        status = bridge->config.restarted(bridge->config.context, error);
    bridge->pump.known = false;
    bridge->told = 0;
    bridge->forgotten_to = 0;
    bridge->begun = -1;
    return status;
}

static bool take_damaged(struct feed_bridge *bridge)
{
    base_mutex_lock(&bridge->lock);
    bool damaged = bridge->damaged;
    bridge->damaged = false;
    base_mutex_unlock(&bridge->lock);
    return damaged;
}

/* B6 */
static rhei_status pump_on(struct feed_bridge *bridge, struct rhei_error *error)
{
    struct feed_pump *pump = &bridge->pump;
    struct change_source *source = bridge->config.source;
    uint64_t before = pump->rows;
    rhei_status status = feed_pump_step(pump, error);
    uint64_t moved = pump->rows - before, last = moved;
    for (int i = 0; status == RHEI_OK && i < SETTLE_TURNS && last >= SETTLE_ROWS && last <= moved &&
                    source->ops->may_have_changes(source, pump->token);
         i++) {
        moved = last / 2;
        before = pump->rows;
        status = feed_pump_step(pump, error);
        last = pump->rows - before;
    }
    return status;
}

static rhei_status pump(struct feed_bridge *bridge, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    if (take_damaged(bridge))
        status = restart(bridge, "what it kept is damaged", &why);
    if (status == RHEI_OK)
        status = pump_on(bridge, &why);
    if (status == RHEI_STALE || status == RHEI_NOT_A_DATABASE) {
        struct rhei_error again = RHEI_ERROR_INIT;
        status = restart(bridge, why.message, &again);
        status = status == RHEI_OK ? feed_pump_step(&bridge->pump, &again) : status;
        why = again;
    }
    bridge->pumped = bridge->pumped || status == RHEI_OK;
    struct change_buffer_state state;
    bridge->config.buffer->ops->state(bridge->config.buffer, &state);
    if (status == RHEI_OK && bridge->begun < 0)
        bridge->begun = state.position;
    feed_limit_note(&bridge->limit, state.position, base_now_ns());
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

/* How far the source may forget. */
static int64_t movable(const struct feed_bridge *bridge, const struct change_buffer_state *state)
{
    int64_t applied = bridge->config.applied == NULL ? INT64_MAX : bridge->config.applied(bridge->config.context);
    int64_t needed = bridge->config.needed == NULL ? INT64_MAX : bridge->config.needed(bridge->config.context);
    int64_t to = state->position;
    if (applied < to && to - applied <= HOLD_ROWS) /* B4 */
        to = applied;
    to = needed < bridge->begun && needed < to ? needed : to; /* B5 */
    return bridge->held < to ? bridge->held : to;
}

/* B5. A reader may have come since: one that comes later begins where the buffer has begun, at least. */
static rhei_status look_at_readers(struct feed_bridge *bridge, struct rhei_error *error)
{
    int64_t readers = INT64_MAX;
    rhei_status status =
        bridge->config.read_from == NULL ? RHEI_OK : bridge->config.read_from(bridge->config.context, &readers, error);
    if (status == RHEI_OK)
        bridge->held = readers < bridge->begun ? readers : INT64_MAX;
    return status;
}

static rhei_status prune_source(struct feed_bridge *bridge, bool now, struct rhei_error *error)
{
    struct change_source *source = bridge->config.source;
    struct change_buffer_state state;
    uint64_t rows = 0;
    bridge->config.buffer->ops->state(bridge->config.buffer, &state);
    rhei_status status = bridge->held < INT64_MAX ? look_at_readers(bridge, error) : RHEI_OK;
    int64_t to = movable(bridge, &state), left = to - bridge->forgotten_to, time = base_now_ns();
    if (status != RHEI_OK || left <= 0 ||
        (!now && to - bridge->told < PRUNE_ROWS && time - bridge->pruned_ns < PRUNE_NS))
        return status;
    if (bridge->config.durable != NULL)
        status = bridge->config.durable(bridge->config.context, state.position, bridge->begun, error);
    bridge_fault(bridge, "feed.bridge.told");
    if (status == RHEI_OK)
        status = look_at_readers(bridge, error);
    to = movable(bridge, &state);
    if (status != RHEI_OK || to <= bridge->forgotten_to)
        return status;
    status = source->ops->prune(source, to, &rows, error); /* B1 */
    if (status != RHEI_OK)
        return status;
    bridge_fault(bridge, "feed.bridge.pruned");
    int64_t forgotten = source->ops->forgotten == NULL ? to : source->ops->forgotten(source);
    bridge->told = to;
    bridge->forgotten_to = forgotten < to ? forgotten : to; /* tried again when something was committed */
    bridge->pruned_ns = time;
    base_mutex_lock(&bridge->lock);
    bridge->forgotten += rows;
    base_mutex_unlock(&bridge->lock);
    return RHEI_OK;
}

/* Whole commits go: at least the one that `to` is in, so that a look at a limit never comes to nothing. */
static rhei_status drop_some(struct feed_bridge *bridge, const struct change_buffer_state *state, int64_t to,
                             uint64_t *cut, struct rhei_error *error)
{
    struct change_buffer *buffer = bridge->config.buffer;
    rhei_status status = buffer->ops->prune(buffer, to, cut, error);
    for (int64_t step = 1; status == RHEI_OK && *cut == 0 && to < state->position; step *= 2) {
        to = step < state->position - to ? to + step : state->position;
        status = buffer->ops->prune(buffer, to, cut, error);
    }
    return status;
}

/* What is needed, and over a limit: it goes, or is told of. */
static rhei_status keep_limits(struct feed_bridge *bridge, uint64_t *commits, struct rhei_error *error)
{
    struct change_buffer *buffer = bridge->config.buffer;
    struct change_buffer_state state;
    char text[FEED_LIMIT_TEXT], first[FEED_LIMIT_TEXT] = "";
    int64_t now = base_now_ns(), to = 0;
    bool keeps = bridge->limit.limits.keeps;
    rhei_status status = RHEI_OK;
    uint64_t cut = 1;
    do {
        buffer->ops->state(buffer, &state);
        to = feed_limit_cut(&bridge->limit, &state, buffer->ops->bytes(buffer), now, text);
        if (first[0] == '\0')
            (void)snprintf(first, sizeof first, "%s", text);
        if (to == 0 || keeps || cut == 0)
            break;
        status = drop_some(bridge, &state, to, &cut, error);
        *commits += cut;
    } while (status == RHEI_OK);
    if (keeps && bridge->config.limited != NULL && (to != 0 || bridge->over))
        bridge->config.limited(bridge->config.context, to != 0 ? text : NULL);
    bridge->over = to != 0;
    bridge->looked = state.position;
    if (first[0] != '\0' && !keeps && now >= bridge->warn_ns) {
        bridge->warn_ns = now + WARN_NS;
        base_log_write(
            bridge->config.log, BASE_LOG_WARN, "feed",
            "%s: its oldest changes were dropped (log_limit_policy is detach), and who still needed them begins "
            "anew: a column store builds its tables, a consumer is told \"lost\"",
            first);
    }
    return status;
}

/* B2 */
static rhei_status prune_buffer(struct feed_bridge *bridge, bool now, struct rhei_error *error)
{
    struct change_buffer *buffer = bridge->config.buffer;
    struct change_buffer_state state;
    int64_t readers = INT64_MAX, time = base_now_ns();
    uint64_t commits = 0;
    if (!now && time - bridge->dropped_ns < DROP_NS)
        return RHEI_OK;
    bridge->dropped_ns = time;
    buffer->ops->state(buffer, &state);
    base_mutex_lock(&bridge->lock);
    int64_t to = bridge->needless;
    base_mutex_unlock(&bridge->lock);
    rhei_status status =
        bridge->config.read_from == NULL ? RHEI_OK : bridge->config.read_from(bridge->config.context, &readers, error);
    to = readers < to ? readers : to;
    if (status == RHEI_OK && to > state.horizon)
        status = buffer->ops->prune(buffer, to, &commits, error);
    if (status == RHEI_OK)
        status = keep_limits(bridge, &commits, error);
    if (status == RHEI_OK && commits > 0)
        bridge_fault(bridge, "feed.bridge.dropped");
    return status;
}

static void note(struct feed_bridge *bridge, rhei_status status, const struct rhei_error *error)
{
    base_mutex_lock(&bridge->lock);
    bool told = bridge->error[0] != '\0';
    bridge->failures += status != RHEI_OK;
    bridge->moved = bridge->pump.rows;
    (void)snprintf(bridge->error, sizeof bridge->error, "%.250s", status == RHEI_OK ? "" : error->message);
    base_mutex_unlock(&bridge->lock);
    if (status != RHEI_OK && !told)
        base_log_write(bridge->config.log, BASE_LOG_WARN, "feed",
                       "changes stay in the database's own log for now, they can't be moved into the buffer: %s",
                       error->message);
    else if (status == RHEI_OK && told)
        base_log_write(bridge->config.log, BASE_LOG_INFO, "feed", "changes are moved into the buffer again");
}

static rhei_status step(struct feed_bridge *bridge, bool now, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    base_mutex_lock(&bridge->step_lock);
    rhei_status status = pump(bridge, &why);
    if (status == RHEI_OK) {
        bridge_fault(bridge, "feed.bridge.moved");
        status = prune_source(bridge, now || bridge->config.eager, &why);
    }
    if (status == RHEI_OK)
        status = prune_buffer(bridge, now || bridge->config.eager, &why);
    note(bridge, status, &why);
    base_mutex_unlock(&bridge->step_lock);
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

rhei_status feed_bridge_step(struct feed_bridge *bridge, struct rhei_error *error)
{
    return step(bridge, false, error);
}

/* ---- The thread. ------------------------------------------------------------------------------------------------- */

/* Something may be to do: something was committed, or what was moved is still in the source, or the buffer has what nobody needs. */
static bool has_work(struct feed_bridge *bridge)
{
    struct change_source *source = bridge->config.source;
    struct change_buffer_state state;
    bridge->config.buffer->ops->state(bridge->config.buffer, &state);
    base_mutex_lock(&bridge->step_lock);
    bool work = !bridge->pumped || source->ops->may_have_changes(source, bridge->pump.token) ||
                movable(bridge, &state) > bridge->told;
    bool drops = state.last > state.pruned + 1 && /* the last commit stays */
                 (bridge->config.eager || base_now_ns() - bridge->dropped_ns >= DROP_NS);
    bool over = bridge->over || bridge->limit.limits.age_ns != 0 || bridge->looked != state.position;
    base_mutex_unlock(&bridge->step_lock);
    base_mutex_lock(&bridge->lock);
    work = work || bridge->damaged || (drops && (over || bridge->needless > state.horizon));
    base_mutex_unlock(&bridge->lock);
    return work;
}

static void bridge_main(void *argument)
{
    struct feed_bridge *bridge = argument;
    base_mutex_lock(&bridge->lock);
    while (!bridge->stopping) {
        base_mutex_unlock(&bridge->lock);
        bool failed = has_work(bridge) && step(bridge, false, NULL) != RHEI_OK;
        int64_t until = base_now_ns() + (failed ? RETRY_NS : TICK_NS);
        base_mutex_lock(&bridge->lock);
        while (!bridge->stopping && base_cond_wait_until(&bridge->woken, &bridge->lock, until)) {
        }
    }
    base_mutex_unlock(&bridge->lock);
}

rhei_status feed_bridge_start(struct feed_bridge *bridge, struct rhei_error *error)
{
    if (bridge->begun <
        0) /* B5: what is committed from now on is in the buffer, however late the thread has its first turn */
        (void)step(bridge, false, NULL);
    rhei_status status = base_thread_start(&bridge->thread, "rhei-bridge", bridge_main, bridge, error);
    bridge->started = status == RHEI_OK;
    return status;
}

void feed_bridge_stop(struct feed_bridge *bridge, bool finish)
{
    base_mutex_lock(&bridge->lock);
    bridge->stopping = true;
    base_cond_signal(&bridge->woken);
    base_mutex_unlock(&bridge->lock);
    if (bridge->started)
        base_thread_join(&bridge->thread);
    bridge->started = false;
    if (finish)
        (void)step(bridge, true, NULL);
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

void feed_bridge_hold(struct feed_bridge *bridge)
{
    base_mutex_lock(&bridge->step_lock);
}

void feed_bridge_release(struct feed_bridge *bridge)
{
    base_mutex_unlock(&bridge->step_lock);
}

uint64_t feed_bridge_needless(struct feed_bridge *bridge, int64_t position)
{
    base_mutex_lock(&bridge->lock);
    uint64_t forgotten = bridge->forgotten;
    bridge->forgotten = 0;
    bridge->needless = position > bridge->needless ? position : bridge->needless;
    base_mutex_unlock(&bridge->lock);
    return forgotten;
}

void feed_bridge_damaged(struct feed_bridge *bridge)
{
    base_mutex_lock(&bridge->lock);
    bridge->damaged = true;
    base_mutex_unlock(&bridge->lock);
}

void feed_bridge_get_status(struct feed_bridge *bridge, struct feed_bridge_status *status)
{
    struct change_buffer_state state;
    bridge->config.buffer->ops->state(bridge->config.buffer, &state);
    base_mutex_lock(&bridge->lock);
    *status = (struct feed_bridge_status){.position = state.position,
                                          .horizon = state.horizon,
                                          .commits = state.last - state.pruned,
                                          .moved = bridge->moved,
                                          .failures = bridge->failures};
    (void)snprintf(status->error, sizeof status->error, "%s", bridge->error);
    base_mutex_unlock(&bridge->lock);
    status->bytes = bridge->config.buffer->ops->bytes(bridge->config.buffer);
}

rhei_status feed_bridge_open(const struct feed_bridge_config *config, struct feed_bridge **result,
                             struct rhei_error *error)
{
    struct feed_bridge *bridge = base_alloc_zero(1, sizeof *bridge);
    *result = bridge;
    if (bridge == NULL)
        return error_no_memory(error);
    bridge->config = *config;
    bridge->feed = (struct feed_config){.buffer = config->buffer,
                                        .upstream = config->source,
                                        .batch_rows = config->batch_rows,
                                        .fault = config->fault,
                                        .fault_context = config->fault_context};
    bridge->pump.config = &bridge->feed;
    bridge->limit.limits = config->limits;
    struct change_buffer_state state;
    config->buffer->ops->state(config->buffer, &state);
    bridge->begun = state.last == state.pruned ? -1 : state.horizon;
    bridge->held = INT64_MAX;
    base_mutex_init(&bridge->step_lock);
    base_mutex_init(&bridge->lock);
    base_cond_init(&bridge->woken);
    if (config->source->ops->keep_versions != NULL)
        config->source->ops->keep_versions(config->source);
    return RHEI_OK;
}

void feed_bridge_close(struct feed_bridge **slot)
{
    struct feed_bridge *bridge = *slot;
    if (bridge == NULL)
        return;
    *slot = NULL;
    feed_bridge_stop(bridge, false);
    feed_pump_reset(&bridge->pump);
    base_cond_destroy(&bridge->woken);
    base_mutex_destroy(&bridge->lock);
    base_mutex_destroy(&bridge->step_lock);
    base_free(bridge);
}
