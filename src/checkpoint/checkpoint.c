/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, and the thread that makes checkpoints. */
#include "checkpoint_files.h"
#include "checkpoint_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum {
    INTERVAL_MS = 10000,
    LOOK_NS = 100000000, /* between two looks whether there is something to do */
    RETRY_MS = 5000,     /* after a failure, at least */
};

/* ---- One checkpoint. ----------------------------------------------------------------------------------------------- */

static void note(struct checkpoint *checkpoint, rhei_status status, const struct rhei_error *error, int64_t began_ns)
{
    char before[sizeof checkpoint->status.error];
    base_mutex_lock(&checkpoint->lock);
    struct checkpoint_status *told = &checkpoint->status;
    memcpy(before, told->error, sizeof before);
    told->failures += status != RHEI_OK;
    if (status == RHEI_OK)
        told->duration_ns = base_now_ns() - began_ns;
    (void)snprintf(told->error, sizeof told->error, "%.250s", status == RHEI_OK ? "" : error->message);
    int64_t position = told->position;
    base_mutex_unlock(&checkpoint->lock);
    if (status == RHEI_OK && checkpoint->durable != NULL)
        checkpoint->durable(checkpoint->durable_context, position);
    if (status != RHEI_OK && strcmp(before, error->message) != 0)
        base_log_write(checkpoint->config.log, BASE_LOG_WARN, "checkpoint",
                       "the mirror couldn't be written to its folder; it goes on in memory: %s", error->message);
}

static bool is_stopping(struct checkpoint *checkpoint)
{
    base_mutex_lock(&checkpoint->lock);
    bool stopping = checkpoint->stopping;
    base_mutex_unlock(&checkpoint->lock);
    return stopping;
}

/* Nothing of what was written is there any more: all is written anew. Under run_lock. */
static void begin_anew(struct checkpoint *checkpoint)
{
    struct blob_store *store = checkpoint->config.store;
    void *bytes = NULL;
    size_t len = 0;
    checkpoint_set_reset(&checkpoint->set);
    checkpoint_files_forget(checkpoint->files);
    checkpoint->version = 0; /* another one's manifest, if there is one, is replaced */
    if (store->ops->manifest_read(store, &bytes, &len, &checkpoint->version, NULL) != RHEI_OK &&
        store->ops->set_aside != NULL)
        (void)store->ops->set_aside(store, NULL, NULL);
    base_free(bytes);
    checkpoint->whole_wanted = true;
    checkpoint->seen_publishes = 0;
    base_log_write(checkpoint->config.log, BASE_LOG_WARN, "checkpoint",
                   "the folder of the mirror was removed or replaced while it was in use: it is written anew");
    base_mutex_lock(&checkpoint->lock);
    checkpoint->status.position = -1;
    (void)snprintf(checkpoint->status.restored.message, sizeof checkpoint->status.restored.message, "%s",
                   "the folder was removed or replaced while it was in use, and was written anew");
    base_mutex_unlock(&checkpoint->lock);
}

static rhei_status look_at_medium(struct checkpoint *checkpoint, struct rhei_error *error)
{
    const struct blob_store_ops *ops = checkpoint->config.store->ops;
    bool lost = false;
    rhei_status status = ops->look == NULL ? RHEI_OK : ops->look(checkpoint->config.store, &lost, error);
    if (status == RHEI_OK && lost)
        begin_anew(checkpoint);
    return status;
}

/* Of what is published now; -1: nobody knows. */
static int64_t published_position(const struct checkpoint *checkpoint)
{
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(checkpoint->config.mirror, &snapshot) != RHEI_OK)
        return -1;
    int64_t position = mirror_snapshot_position_of(&snapshot, checkpoint->config.source_number);
    mirror_snapshot_release(&snapshot);
    return position;
}

/* A close makes its last one all the same: without it what is in memory alone is lost for sure. Under run_lock. */
static rhei_status hold(struct checkpoint *checkpoint, struct rhei_error *error)
{
    struct checkpoint_status told;
    if (checkpoint->hold == NULL)
        return RHEI_OK;
    checkpoint_get_status(checkpoint, &told);
    int64_t position = told.position >= 0 ? told.position : published_position(checkpoint);
    rhei_status status = checkpoint->hold(checkpoint->hold_context, position, error);
    if (status == RHEI_OK || !is_stopping(checkpoint))
        return status;
    base_log_write(checkpoint->config.log, BASE_LOG_WARN, "checkpoint",
                   "nothing keeps the change log for the folder of the mirror until it is opened again: %s",
                   error->message);
    error_clear(error);
    return RHEI_OK;
}

rhei_status checkpoint_run(struct checkpoint *checkpoint, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    if (checkpoint->config.look ||
        (checkpoint->config.ready != NULL && !checkpoint->config.ready(checkpoint->config.ready_context)))
        return RHEI_OK;
    base_mutex_lock(&checkpoint->run_lock);
    int64_t began_ns = base_now_ns();
    status = look_at_medium(checkpoint, &why);
    if (status == RHEI_OK && checkpoint_files_history_is_away(checkpoint->files))
        status = error_set(&why, RHEI_STALE, "%s",
                           "a file of a history couldn't be had when it was wanted, so the history "
                           "stays as the newest checkpoint has it: open the database again, which goes on from there");
    bool due = status != RHEI_OK || mirror_publishes(checkpoint->config.mirror) != checkpoint->seen_publishes;
    if (status == RHEI_OK && (due || checkpoint->head.base != 0))
        status = hold(checkpoint, &why);
    bool waits = status == RHEI_BUSY; /* for the source, with the next one: nothing is wrong with the folder */
    if (status == RHEI_OK && due)
        status = checkpoint_write(checkpoint, &why);
    if (due && !waits)
        note(checkpoint, status, &why, began_ns);
    checkpoint->away = status != RHEI_OK && blob_store_is_away(checkpoint->config.store, &why);
    if (!is_stopping(checkpoint))
        checkpoint_evict(checkpoint);
    base_mutex_unlock(&checkpoint->run_lock);
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

/* ---- The thread. --------------------------------------------------------------------------------------------------- */

static uint64_t changes_since(const struct checkpoint *checkpoint, int64_t position)
{
    int64_t now = published_position(checkpoint);
    return now > position ? (uint64_t)(now - position) : 0;
}

/* A table was built since the last one, of which the folder has nothing, so that its history would begin anew after a crash. */
static bool is_built(const struct checkpoint *checkpoint, uint64_t built, int64_t waited_ns)
{
    enum { PAUSES = 8 /* as long as the last one took: many builds in a row don't make it write all the time */ };
    return checkpoint->built != NULL && checkpoint->built(checkpoint->built_context) != built &&
           waited_ns >= checkpoint->status.duration_ns * PAUSES;
}

/* So much came since the newest that it isn't waited for the next one's time; or memory is short. */
static bool is_urgent(const struct checkpoint *checkpoint, int64_t position, uint64_t bytes)
{
    return changes_since(checkpoint, position) >= checkpoint->config.most_changes ||
           mirror_written_bytes(checkpoint->config.mirror) - bytes >= checkpoint->config.most_bytes ||
           checkpoint_is_pressed(checkpoint);
}

static uint64_t wishes_of(const struct checkpoint *checkpoint)
{
    return checkpoint->wishes == NULL ? 0 : checkpoint->wishes(checkpoint->wishes_context);
}

static void thread_main(void *argument)
{
    struct checkpoint *checkpoint = argument;
    uint64_t fulfilled = 0;
    int64_t interval_ns = (int64_t)checkpoint->config.interval_ms * 1000000;
    int64_t last_ns = base_now_ns();
    uint64_t bytes = mirror_written_bytes(checkpoint->config.mirror), built = 0;
    base_mutex_lock(&checkpoint->lock);
    while (!checkpoint->stopping) {
        base_cond_wait_until(&checkpoint->wake, &checkpoint->lock, base_now_ns() + LOOK_NS);
        bool failing = checkpoint->status.error[0] != '\0';
        int64_t position = checkpoint->status.position, waited_ns = base_now_ns() - last_ns;
        int64_t least_ns =
            failing && interval_ns < RETRY_MS * INT64_C(1000000) ? RETRY_MS * INT64_C(1000000) : interval_ns;
        bool new_table = is_built(checkpoint, built, waited_ns);
        base_mutex_unlock(&checkpoint->lock);
        uint64_t wishes = wishes_of(checkpoint);
        bool wished = wishes > fulfilled;
        if (wished || waited_ns >= least_ns || (!failing && (new_table || is_urgent(checkpoint, position, bytes)))) {
            built = checkpoint->built != NULL ? checkpoint->built(checkpoint->built_context) : 0;
            bytes = mirror_written_bytes(checkpoint->config.mirror);
            (void)checkpoint_run(checkpoint, NULL);
            last_ns = base_now_ns();
        }
        if (wished)
            checkpoint->fulfil(checkpoint->wishes_context, wishes);
        fulfilled = wishes;
        base_mutex_lock(&checkpoint->lock);
    }
    base_mutex_unlock(&checkpoint->lock);
}

rhei_status checkpoint_start(struct checkpoint *checkpoint, struct rhei_error *error)
{
    rhei_status status = base_thread_start(&checkpoint->thread, "rhei-checkpoint", thread_main, checkpoint, error);
    checkpoint->running = status == RHEI_OK;
    return status;
}

/* ---- Opening and closing. ------------------------------------------------------------------------------------------ */

static void free_checkpoint(struct checkpoint **handle)
{
    struct checkpoint *checkpoint = *handle;
    *handle = NULL;
    /* a build may be under way still: it goes on in memory */
    mirror_set_spill(checkpoint->config.mirror, checkpoint->config.source_number, NULL);
    checkpoint_set_reset(&checkpoint->set);
    base_free(checkpoint->named);
    base_free(checkpoint->lost);
    base_free(checkpoint->state);
    checkpoint_files_drop(&checkpoint->files);
    base_cond_destroy(&checkpoint->wake);
    base_mutex_destroy(&checkpoint->lock);
    base_mutex_destroy(&checkpoint->run_lock);
    base_free(checkpoint);
}

rhei_status checkpoint_open(const struct checkpoint_config *config, struct checkpoint **result,
                            struct checkpoint_restored *restored, struct rhei_error *error)
{
    *result = NULL;
    *restored = (struct checkpoint_restored){.message = ""};
    if (config->source_number == 0 && config->source->ops->stamp == NULL)
        return error_set(error, RHEI_UNSUPPORTED,
                         "changes of this source have no lasting positions to keep a mirror by");
    struct checkpoint *checkpoint = base_alloc_zero(1, sizeof *checkpoint);
    if (checkpoint == NULL)
        return error_no_memory(error);
    checkpoint->config = *config;
    if (checkpoint->config.interval_ms == 0)
        checkpoint->config.interval_ms = INTERVAL_MS;
    if (checkpoint->config.most_changes == 0)
        checkpoint->config.most_changes = CHECKPOINT_MOST_CHANGES;
    if (checkpoint->config.most_bytes == 0)
        checkpoint->config.most_bytes = CHECKPOINT_MOST_BYTES;
    base_mutex_init(&checkpoint->run_lock);
    base_mutex_init(&checkpoint->lock);
    base_cond_init(&checkpoint->wake);
    rhei_status status = checkpoint_files_new(config, &checkpoint->files, error);
    if (status == RHEI_OK)
        status = checkpoint_load(checkpoint, restored, error);
    checkpoint->status.restored = *restored;
    checkpoint->seen_publishes = mirror_publishes(config->mirror);
    if (status != RHEI_OK)
        free_checkpoint(&checkpoint);
    else if (!config->look)
        checkpoint_evict_init(checkpoint);
    *result = checkpoint;
    return status;
}

const void *checkpoint_state(const struct checkpoint *checkpoint, size_t *len)
{
    *len = checkpoint->state_len;
    return checkpoint->state;
}

void checkpoint_watch_builds(struct checkpoint *checkpoint, uint64_t (*built)(void *context), void *context)
{
    checkpoint->built = built;
    checkpoint->built_context = context;
}

void checkpoint_watch_wishes(struct checkpoint *checkpoint, uint64_t (*wishes)(void *context),
                             void (*fulfil)(void *context, uint64_t wish), void *context)
{
    checkpoint->wishes = wishes;
    checkpoint->fulfil = fulfil;
    checkpoint->wishes_context = context;
}

void checkpoint_hold(struct checkpoint *checkpoint,
                     rhei_status (*hold_source)(void *context, int64_t position, struct rhei_error *error),
                     void *context)
{
    checkpoint->hold = hold_source;
    checkpoint->hold_context = context;
}

void checkpoint_tell(struct checkpoint *checkpoint, void (*durable)(void *context, int64_t position), void *context)
{
    checkpoint->durable = durable;
    checkpoint->durable_context = context;
}

void checkpoint_tell_damage(struct checkpoint *checkpoint, void (*mend)(void *context), void *context)
{
    checkpoint_files_tell(checkpoint->files, mend, context);
}

void checkpoint_exchange(struct checkpoint *checkpoint,
                         void (*exchange)(void *context, void (*run)(void *run_context), void *run_context),
                         void *context)
{
    checkpoint->exchange = exchange;
    checkpoint->exchange_context = context;
}

void checkpoint_close(struct checkpoint **handle)
{
    struct checkpoint *checkpoint = *handle;
    if (checkpoint == NULL)
        return;
    base_mutex_lock(&checkpoint->lock);
    checkpoint->stopping = true;
    base_cond_signal(&checkpoint->wake);
    base_mutex_unlock(&checkpoint->lock);
    if (checkpoint->running)
        base_thread_join(&checkpoint->thread);
    if (!checkpoint->away) /* one that was under way has waited for the store already */
        (void)checkpoint_run(checkpoint, NULL);
    free_checkpoint(handle);
}

void checkpoint_get_status(struct checkpoint *checkpoint, struct checkpoint_status *status)
{
    base_mutex_lock(&checkpoint->lock);
    *status = checkpoint->status;
    base_mutex_unlock(&checkpoint->lock);
}
