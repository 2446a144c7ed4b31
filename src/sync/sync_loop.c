/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background loop: a cycle soon after each commit of ours, and within LOOK_NS after one of another process.
 *
 * Under constant commits it rests between two cycles at least as long as the last one took, so that it costs the writer
 * little; whoever needs the newest state runs a cycle of his own meanwhile (sync_wait.c), or, of a remote source, has the loop run
 * one at once. While it rests, `wake_wanted` stays set and sync_wake is one load.
 */
#include "sync_internal.h"

#include "base/base_clock.h"
#include "base/base_error.h"

enum {
    LOOK_NS = 40000000,      /* between two looks at the token when nothing wakes us */
    REST_LEAST_NS = 1000000, /* between two cycles under constant commits */
    REST_MOST_NS = 20000000,
    RETRY_FIRST_NS = 20000000,
    RETRY_MOST_NS = 1000000000,
};

void sync_wake(struct sync *sync)
{
    if (atomic_load(&sync->wake_wanted))
        return;
    /* Either the loop sees `wanted` before it sleeps, or we see that it sleeps: both sides store, then load. */
    atomic_store(&sync->wake_wanted, true);
    if (!atomic_load(&sync->loop_asleep))
        return;
    base_mutex_lock(&sync->wake_lock);
    base_cond_signal(&sync->wake_cond);
    base_mutex_unlock(&sync->wake_lock);
}

void sync_ask(struct sync *sync)
{
    atomic_store(&sync->asked, true);
    base_mutex_lock(&sync->wake_lock);
    base_cond_signal(&sync->wake_cond);
    base_mutex_unlock(&sync->wake_lock);
}

void sync_mend(struct sync *sync)
{
    atomic_store(&sync->request, true); /* a cycle that doesn't see it looks at what is damaged before it ends */
    sync_wake(sync);
}

/* Until the time has come, or somebody stops the loop, or waits for it; or wakes it, if `wakeable`. */
static void rest(struct sync *sync, int64_t until_ns, bool wakeable)
{
    base_mutex_lock(&sync->wake_lock);
    if (wakeable)
        atomic_store(&sync->loop_asleep, true);
    while (!atomic_load(&sync->stopping) && !atomic_load(&sync->asked) &&
           !(wakeable && atomic_load(&sync->wake_wanted)) &&
           base_cond_wait_until(&sync->wake_cond, &sync->wake_lock, until_ns)) {
    }
    atomic_store(&sync->loop_asleep, false);
    base_mutex_unlock(&sync->wake_lock);
}

static int64_t rest_after(const struct sync_report *report)
{
    int64_t rest_ns = report->duration_ns;
    return rest_ns < REST_LEAST_NS ? REST_LEAST_NS : rest_ns > REST_MOST_NS ? REST_MOST_NS : rest_ns;
}

/* One cycle if there is something to do; says how long to rest after it (0: not at all). */
static int64_t loop_turn(struct sync *sync, int64_t *retry_ns)
{
    struct sync_limit limit = {.cancelled = &sync->stopping, .background = true};
    struct sync_report report = {0};
    if (!atomic_load(&sync->request) && sync_look(sync))
        return 0;
    rhei_status status = sync_join(sync, !atomic_load(&sync->request), &limit, &report, NULL);
    if (status == RHEI_OK) {
        *retry_ns = 0;
        return rest_after(&report);
    }
    *retry_ns = *retry_ns ? *retry_ns * 2 : RETRY_FIRST_NS;
    if (*retry_ns > RETRY_MOST_NS)
        *retry_ns = RETRY_MOST_NS;
    return *retry_ns;
}

static void loop_main(void *argument)
{
    struct sync *sync = argument;
    int64_t interval_ns = (int64_t)sync->config.interval_ms * 1000000;
    int64_t retry_ns = 0;
    while (!atomic_load(&sync->stopping)) {
        atomic_store(&sync->wake_wanted, false); /* before the look, so that a later commit sets it again */
        atomic_store(&sync->asked, false);
        int64_t rest_ns = loop_turn(sync, &retry_ns);
        if (interval_ns) {
            rest(sync, base_now_ns() + (rest_ns > interval_ns ? rest_ns : interval_ns), false);
            continue;
        }
        if (rest_ns)
            rest(sync, base_now_ns() + rest_ns, false);
        rest(sync, base_now_ns() + LOOK_NS, true);
    }
}

rhei_status sync_start(struct sync *sync, struct rhei_error *error)
{
    base_mutex_lock(&sync->start_lock);
    rhei_status status = RHEI_OK;
    if (atomic_load(&sync->loop_running))
        goto done;
    base_mutex_lock(&sync->lock);
    sync->builds_enabled = true;
    base_mutex_unlock(&sync->lock);
    status = sync_builder_start(sync, error);
    if (status != RHEI_OK)
        goto done;
    atomic_store(&sync->stopping, false);
    status = base_thread_start(&sync->upkeep, "rhei-upkeep", sync_upkeep_main, sync, error);
    if (status != RHEI_OK)
        goto done;
    status = base_thread_start(&sync->loop, "rhei-sync", loop_main, sync, error);
    atomic_store(&sync->loop_running, true);
    if (status != RHEI_OK) {
        atomic_store(&sync->stopping, true);
        base_mutex_lock(&sync->lock);
        base_cond_signal(&sync->upkeep_cond);
        base_mutex_unlock(&sync->lock);
        base_thread_join(&sync->upkeep);
        atomic_store(&sync->loop_running, false);
    }
done:
    base_mutex_unlock(&sync->start_lock);
    return status;
}

void sync_stop(struct sync *sync)
{
    base_mutex_lock(&sync->start_lock);
    if (atomic_load(&sync->loop_running)) {
        atomic_store(&sync->stopping, true);
        base_mutex_lock(&sync->wake_lock);
        base_cond_signal(&sync->wake_cond);
        base_mutex_unlock(&sync->wake_lock);
        base_mutex_lock(&sync->lock);
        sync->builds_enabled = false;
        base_cond_signal(&sync->upkeep_cond);
        base_mutex_unlock(&sync->lock);
        base_thread_join(&sync->loop);
        base_thread_join(&sync->upkeep);
        atomic_store(&sync->loop_running, false);
    }
    base_mutex_unlock(&sync->start_lock);
}
