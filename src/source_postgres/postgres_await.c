/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for the stream: for its connection, and until everything that ended up to a position has arrived (R5, R6). */
#include "base/base_clock.h"
#include "base/base_error.h"
#include "source_postgres/postgres_stream.h"

/* Between two questions where the server is: twice as long each time, so at most as long as was waited before (R6). */
#define PAUSE_LEAST_NS INT64_C(100000)
#define PAUSE_MOST_NS  INT64_C(20000000)
#define IDLE_ROUNDS    2                 /* R5 */
#define ROUNDS_AT_ONCE (IDLE_ROUNDS + 2) /* questions without a pause: where nothing is written, so many tell that */

static rhei_status is_away(const struct postgres_stream *stream, struct rhei_error *error)
{
    if (error != NULL && error->code == RHEI_OK)
        *error = stream->why;
    return stream->why.code;
}

rhei_status postgres_stream_await(struct postgres_stream *stream, int64_t deadline_ns, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_mutex_lock(&stream->lock);
    while (!stream->connected && stream->why.code == RHEI_OK && status == RHEI_OK)
        if (!base_cond_wait_until(&stream->changed, &stream->lock, deadline_ns))
            status = error_set(error, RHEI_TIMEOUT, "the server made no connection in time");
    if (status == RHEI_OK && !stream->connected)
        status = is_away(stream, error);
    base_mutex_unlock(&stream->lock);
    return status;
}

static rhei_status is_late(struct rhei_error *error)
{
    return error_set(error, RHEI_TIMEOUT, "the changes of this moment didn't arrive in time");
}

/* Under `lock`. Waits for the next keepalive, which needn't be the answer to this question. */
static rhei_status ask_keepalive(struct postgres_stream *stream, int64_t deadline_ns, struct rhei_error *error)
{
    uint64_t before = stream->keepalives;
    stream->ping = true;
    postgres_stream_wake(stream);
    while (stream->keepalives == before && stream->connected && !stream->paused)
        if (!base_cond_wait_until(&stream->changed, &stream->lock, deadline_ns))
            return is_late(error);
    if (!stream->connected)
        return is_away(stream, error);
    return stream->paused ? RHEI_BUSY : RHEI_OK;
}

/* Under `lock`. The server is left to send what it has: each question costs it as much as some changes, and it answers all of them first (R6). */
static void let_come(struct postgres_stream *stream, uint64_t target, int64_t pause_ns, int64_t deadline_ns)
{
    int64_t until = base_now_ns() + pause_ns;
    until = until < deadline_ns ? until : deadline_ns;
    while (stream->seen < target && stream->connected && !stream->paused &&
           base_cond_wait_until(&stream->changed, &stream->lock, until))
        continue;
}

/* What is known of one sender while it is waited for (R5). */
struct idleness {
    int backend;
    int64_t clock_us; /* of the server, when it was asked for the last time */
    bool idle;        /* it waited for more WAL then, after a keepalive that was sent after the time before */
    int rounds;       /* how often everything that it had sent by then has arrived since */
};

/* Under `lock`, which is left for the question. A keepalive has arrived, and no change; true: so has everything. */
static bool has_all(struct postgres_stream *stream, struct idleness *seen, postgres_idle *idle, void *context)
{
    int backend = stream->backend;
    int64_t sent_us = stream->keepalive_us;
    bool later = sent_us > seen->clock_us && backend == seen->backend;
    seen->rounds = later && seen->idle ? seen->rounds + 1 : 0;
    if (seen->rounds >= IDLE_ROUNDS)
        return true;
    base_mutex_unlock(&stream->lock);
    bool is_idle = idle(context, backend, &seen->clock_us);
    base_mutex_lock(&stream->lock);
    seen->idle = later && is_idle && seen->clock_us >= sent_us;
    seen->backend = backend;
    return false;
}

rhei_status postgres_stream_reach(struct postgres_stream *stream, struct postgres_moment moment, int64_t deadline_ns,
                                  postgres_idle *idle, void *context, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    int64_t pause_ns = PAUSE_LEAST_NS;
    uint64_t target = moment.position;
    bool all = false;
    int rounds = 0;
    base_mutex_lock(&stream->lock);
    struct idleness seen = {.backend = stream->backend, .clock_us = moment.clock_us};
    uint64_t messages = stream->messages;
    stream->awaited = target;
    while (stream->seen < target && !all && status == RHEI_OK) {
        status = stream->paused ? RHEI_BUSY : ask_keepalive(stream, deadline_ns, error);
        bool moved = messages != stream->messages;
        messages = stream->messages;
        if (status == RHEI_OK && !moved && stream->seen < target)
            all = has_all(stream, &seen, idle, context);
        if (status == RHEI_OK && !all && (moved || ++rounds >= ROUNDS_AT_ONCE)) {
            let_come(stream, target, pause_ns, deadline_ns);
            pause_ns = pause_ns < PAUSE_MOST_NS ? pause_ns * 2 : pause_ns;
            /* where answers are quick, no wait for one ends at a time that is over */
            if (stream->seen < target && base_now_ns() >= deadline_ns)
                status = is_late(error);
        }
    }
    stream->awaited = UINT64_MAX;
    base_mutex_unlock(&stream->lock);
    return status;
}
