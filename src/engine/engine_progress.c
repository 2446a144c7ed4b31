/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells who wants to know how far calls are. The rooms below only count (base_progress.h). A thread of the handle's own, which exists
 * once somebody asked, reads the counts and calls the functions: so no lock is held while they run, they cost the work nothing, and
 * they are called though the work itself may be in the middle of something.
 *
 *  1. A call's function is called by that thread alone, with no lock held, and never after engine_progress_close returned.
 *  2. What it returns goes the way of a cancel: engine_limits_check says RHEI_CANCELLED from then on.
 */
#include <string.h>

#include "base/base_progress.h"
#include "base/base_thread.h"
#include "engine/engine_internal.h"

#define INTERVAL_NS INT64_C(100000000)

struct engine_progress {
    struct engine_progress *next;
    struct engine_ticker *ticker;
    struct base_progress counts;
    rhei_progress_function function;
    void *context;
    int64_t started_ns, due_ns;
    bool telling; /* under the ticker's lock: the function is being called */
    atomic_bool ended;
};

struct engine_ticker {
    base_mutex lock;
    base_cond wake, told;
    base_thread thread;
    bool started, closing;
    bool asleep; /* it has to be woken for a call; else it looks in time by itself */
    struct engine_progress *calls;
};

rhei_status engine_ticker_open(struct engine_ticker **ticker, struct rhei_error *error)
{
    struct engine_ticker *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    base_mutex_init(&made->lock);
    base_cond_init(&made->wake);
    base_cond_init(&made->told);
    *ticker = made;
    return RHEI_OK;
}

void engine_ticker_close(struct engine_ticker **ticker)
{
    struct engine_ticker *closing = *ticker;
    if (closing == NULL)
        return;
    *ticker = NULL;
    base_mutex_lock(&closing->lock);
    closing->closing = true;
    bool started = closing->started;
    base_cond_signal(&closing->wake);
    base_mutex_unlock(&closing->lock);
    if (started)
        base_thread_join(&closing->thread);
    base_cond_destroy(&closing->told);
    base_cond_destroy(&closing->wake);
    base_mutex_destroy(&closing->lock);
    base_free(closing);
}

static void tell(struct engine_progress *call)
{
    static const char *const units[] = {"", "rows", "steps", "changes", "bytes"};
    struct base_progress_state state;
    base_progress_read(&call->counts, &state);
    struct rhei_progress progress = {
        .struct_size = sizeof progress,
        .doing = state.doing,
        .table = state.subject,
        .unit = units[state.unit],
        .done = state.done,
        .total = state.total > 0 ? state.total : -1,
        .fraction = state.total > 0 ? (double)state.done / (double)state.total : -1,
        .elapsed_us = (base_now_ns() - call->started_ns) / 1000,
    };
    if (call->function(call->context, &progress) != 0)
        atomic_store_explicit(&call->ended, true, memory_order_release);
}

/* Under the lock. */
static struct engine_progress *first_due(const struct engine_ticker *ticker)
{
    struct engine_progress *first = ticker->calls;
    for (struct engine_progress *call = first; call != NULL; call = call->next)
        if (call->due_ns < first->due_ns)
            first = call;
    return first;
}

/* Under the lock: for as long as a call isn't told of; and then, if none came, until one does. So short calls wake nobody. */
static void rest(struct engine_ticker *ticker, bool *idle)
{
    ticker->asleep = *idle;
    base_cond_wait_until(&ticker->wake, &ticker->lock, *idle ? INT64_MAX : base_now_ns() + INTERVAL_NS);
    ticker->asleep = false;
    *idle = true;
}

static void ticker_run(void *context)
{
    struct engine_ticker *ticker = context;
    bool idle = false;
    base_mutex_lock(&ticker->lock);
    while (!ticker->closing) {
        struct engine_progress *call = first_due(ticker);
        if (call == NULL) {
            rest(ticker, &idle);
            continue;
        }
        idle = false;
        if (base_now_ns() < call->due_ns) {
            base_cond_wait_until(&ticker->wake, &ticker->lock, call->due_ns);
            continue;
        }
        call->telling = true;
        base_mutex_unlock(&ticker->lock);
        tell(call);
        base_mutex_lock(&ticker->lock);
        call->telling = false;
        call->due_ns = base_now_ns() + INTERVAL_NS;
        base_cond_broadcast(&ticker->told);
    }
    base_mutex_unlock(&ticker->lock);
}

rhei_status engine_progress_open(struct engine_ticker *ticker, rhei_progress_function function, void *context,
                                 struct engine_progress **progress, struct rhei_error *error)
{
    struct engine_progress *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->ticker = ticker;
    made->function = function;
    made->context = context;
    made->started_ns = base_now_ns();
    made->due_ns = made->started_ns + INTERVAL_NS;
    atomic_init(&made->ended, false);
    base_progress_init(&made->counts);
    base_mutex_lock(&ticker->lock);
    rhei_status status = RHEI_OK;
    if (!ticker->started)
        status = base_thread_start(&ticker->thread, "rhei-progress", ticker_run, ticker, error);
    if (status == RHEI_OK) {
        ticker->started = true;
        made->next = ticker->calls;
        ticker->calls = made;
        if (ticker->asleep)
            base_cond_signal(&ticker->wake);
    }
    base_mutex_unlock(&ticker->lock);
    if (status != RHEI_OK) {
        base_progress_destroy(&made->counts);
        base_free(made);
        return status;
    }
    *progress = made;
    return RHEI_OK;
}

void engine_progress_close(struct engine_progress **progress)
{
    struct engine_progress *closing = *progress;
    if (closing == NULL)
        return;
    *progress = NULL;
    struct engine_ticker *ticker = closing->ticker;
    base_mutex_lock(&ticker->lock);
    while (closing->telling)
        base_cond_wait(&ticker->told, &ticker->lock);
    struct engine_progress **link = &ticker->calls;
    while (*link != closing)
        link = &(*link)->next;
    *link = closing->next;
    base_mutex_unlock(&ticker->lock);
    base_progress_destroy(&closing->counts);
    base_free(closing);
}

bool engine_progress_ended(const struct engine_progress *progress)
{
    return progress != NULL && atomic_load_explicit(&progress->ended, memory_order_acquire);
}

struct base_progress *engine_progress_counts(struct engine_progress *progress)
{
    return progress == NULL ? NULL : &progress->counts;
}
