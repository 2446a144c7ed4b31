/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds, beside writers and cycles: a big table after the other, the smallest first, each by several loaders that read one
 * state of the source; small tables many at a time, each loaded by the builder's own thread, and all caught up in one cycle.
 *
 *   1. From before the load begins until the table is published, the source keeps what follows `hold`: first the
 *      position published when the load began, then the load's own. So catching up finds every change (A3, A7).
 *   2. The table becomes visible in the cycle that catches up with what all other tables have (A1).
 *
 * Until `loaded` the job's build is the builder thread's; from then on the owner's, who attaches or abandons it.
 */
#include "sync_history.h"

#include <inttypes.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"

enum {
    RETRY_NS = 100000000,            /* after a failed load, times the number of failures, */
    RETRY_TIMES_MOST = 10,           /* at most this */
    MANY_ROWS = 4 * SYNC_SMALL_ROWS, /* a table that was taken for a small one is a big one from here on */
    CYCLE_RETRY_NS = 50000000,       /* after a cycle that failed while a table waits for it */
    TELL_NS = 50000000,              /* how often who waits for builds counts their rows */
    ROOM_WAITS = 100,                /* of a build that has no room, */
    ROOM_WAIT_NS = 10000000,         /* each so long */
};

/* ---- Loading. ---------------------------------------------------------------------------------------------------- */

struct loader {
    struct sync *sync;
    struct sync_job *job;
    uint32_t number;
    base_thread thread;
    rhei_status status;
    struct rhei_error error;
};

/*
 * Near the limit, with much that nobody shows any more: it is freed now, for no cycle or upkeep may come before the limit is met. What
 * snapshots still show is waited for, though not for long: a reader that stays is a reason to fail.
 */
static void make_room(struct sync *sync, struct sync_job *job)
{
    const struct mirror *mirror = sync->config.mirror;
    size_t least = mirror_memory_limit(mirror) / 4;
    unsigned waits = atomic_load_explicit(&job->waits, memory_order_relaxed);
    while (waits > 0 && mirror_room(mirror) < least && mirror_garbage_bytes(mirror) > least / 4 &&
           !atomic_load_explicit(&job->cancelled, memory_order_relaxed)) {
        sync_collect(sync);
        if (mirror_room(mirror) < least && atomic_compare_exchange_strong(&job->waits, &waits, waits - 1))
            base_word_wait(&job->waits, waits - 1, base_now_ns() + ROOM_WAIT_NS);
        waits = atomic_load_explicit(&job->waits, memory_order_relaxed);
    }
}

static void loader_main(void *argument)
{
    struct loader *loader = argument;
    struct sync_job *job = loader->job;
    const struct change_source_ops *ops = loader->sync->config.source->ops;
    while (!atomic_load_explicit(&job->cancelled, memory_order_relaxed) &&
           !atomic_load_explicit(&job->loader_failed, memory_order_relaxed)) {
        const struct change_batch *batch = NULL;
        make_room(loader->sync, job);
        loader->status =
            ops->load_next(job->load, loader->number, loader->sync->config.batch_rows, &batch, &loader->error);
        if (loader->status == RHEI_OK && !batch)
            return;
        if (loader->status == RHEI_OK)
            loader->status = mirror_build_append(job->build, loader->number, batch, &loader->error);
        if (loader->status == RHEI_OK && job->history)
            loader->status = sync_history_load(job->history, loader->number, batch, &loader->error);
        if (loader->status != RHEI_OK) {
            atomic_store(&job->loader_failed, true);
            return;
        }
        uint64_t rows = atomic_fetch_add_explicit(&job->rows, batch->row_count, memory_order_relaxed);
        sync_fault(loader->sync, "sync.build.batch");
        if (job->many && rows + batch->row_count > MANY_ROWS) {
            job->is_big = true; /* begun anew by several loaders */
            return;
        }
    }
}

/* Loader 0 runs on this thread. The first error is the one told. */
static rhei_status run_loaders(struct sync *sync, struct sync_job *job, struct rhei_error *error)
{
    struct loader *loaders = base_alloc_zero(job->loaders, sizeof *loaders);
    if (!loaders)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    uint32_t started = 1;
    for (uint32_t i = 0; i < job->loaders; i++)
        loaders[i] = (struct loader){.sync = sync, .job = job, .number = i, .error = RHEI_ERROR_INIT};
    while (started < job->loaders && status == RHEI_OK) {
        status = base_thread_start(&loaders[started].thread, "rhei-load", loader_main, &loaders[started], error);
        if (status == RHEI_OK)
            started++;
    }
    if (status == RHEI_OK)
        loader_main(&loaders[0]);
    else
        atomic_store(&job->loader_failed, true);
    for (uint32_t i = 1; i < started; i++)
        base_thread_join(&loaders[i].thread);
    for (uint32_t i = 0; i < started && status == RHEI_OK; i++)
        if (loaders[i].status != RHEI_OK)
            status = error_set(error, loaders[i].status, "%s", loaders[i].error.message);
    base_free(loaders);
    return status;
}

/* What the history goes on from has to be published: so has every change that its table went through while it was followed. */
static rhei_status begin_history(struct sync *sync, struct sync_job *job, struct rhei_error *error)
{
    struct sync_report report;
    rhei_status status = sync_history_new(sync, job->definition, &job->history, error);
    if (status == RHEI_OK && job->history && sync_history_goes_on(job->history))
        status = sync_join(sync, false, NULL, &report, error);
    return status;
}

/*
 * What was told of the newest position may not be what the load sees, though no change lies between: a position of its own comes between them, one for all
 * loads that follow. Where the log has more than is known, as of the newest nothing was told yet, but perhaps by a handle before this one; and where no
 * position can be had then, the history says that nothing is known of the newest (7. of sync_history.c).
 */
static void part_from_before(struct sync *sync, const struct sync_job *job)
{
    const struct change_source_ops *ops = sync->config.source->ops;
    struct rhei_error why = RHEI_ERROR_INIT;
    if ((!job->untold && !job->unseen) || sync->advanced || !job->history || !ops->advance ||
        !sync_history_tells_of_before(sync, job->history, job->unseen))
        return;
    sync->advanced = ops->advance(sync->config.source, job->table, &why) == RHEI_OK;
    if (!sync->advanced)
        base_log_write(sync->config.log, BASE_LOG_DEBUG, "sync", "no position is taken before a load: %s", why.message);
}

static rhei_status load(struct sync *sync, struct sync_job *job, struct rhei_error *error)
{
    const struct change_source_ops *ops = sync->config.source->ops;
    struct source_load_info info = {.rows = -1, .told = -1};
    sync_fault(sync, "sync.build.begun");
    rhei_status status = begin_history(sync, job, error);
    if (status == RHEI_OK)
        part_from_before(sync, job);
    if (status == RHEI_OK)
        status = ops->load_begin(sync->config.source, job->table, job->loaders, &job->load, &info, error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&sync->lock);
    job->hold = info.position;
    base_mutex_unlock(&sync->lock);
    if (info.loader_count > 0 && info.loader_count < job->loaders)
        job->loaders = info.loader_count;

    status = mirror_build_begin(sync->config.mirror, job->definition, job->loaders, &job->build, error);
    if (status == RHEI_OK && job->history)
        status = sync_history_load_begin(sync, job->history, job->definition, job->loaders, &info,
                                         job->unseen && ops->advance && !sync->advanced, error);
    if (status == RHEI_OK)
        status = run_loaders(sync, job, error);
    ops->load_end(&job->load);
    if (status == RHEI_OK && job->is_big)
        status = error_set(error, RHEI_STALE, "the table has more rows than was known");
    if (status == RHEI_OK && atomic_load(&job->cancelled))
        status = error_set(error, RHEI_CANCELLED, "the build was cancelled");
    uint64_t rows = atomic_load(&job->rows);
    if (status == RHEI_OK && info.rows >= 0 && rows != (uint64_t)info.rows)
        status = error_set(error, RHEI_NOT_A_DATABASE,
                           "the source counts %" PRId64 " rows, and gave %" PRIu64
                           " of them: it is damaged; check it with PRAGMA integrity_check, and rebuild the table then",
                           info.rows, rows);
    if (status == RHEI_OK && job->history)
        status = sync_history_loaded(sync, job->history, rows, error);
    if (status == RHEI_OK)
        sync_fault(sync, "sync.build.loaded");
    return status;
}

/* ---- One job. ---------------------------------------------------------------------------------------------------- */

/* Under `lock`: a job whose table still waits for a cycle. */
static struct sync_job *unpublished(const struct sync *sync)
{
    struct sync_job *job = sync->jobs;
    while (job && (!job->loaded || job->finished))
        job = job->next;
    return job;
}

/* Hands the loaded tables to the cycles and sees to it that one succeeds. */
static void catch_up(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    for (struct sync_job *job = sync->jobs; job; job = job->next)
        job->loaded = job->status == RHEI_OK;
    atomic_store(&sync->request, true);
    struct sync_job *job;
    while ((job = unpublished(sync)) && !atomic_load(&sync->closing)) {
        bool alone = !sync->jobs->next && !atomic_load(&job->cancelled);
        base_mutex_unlock(&sync->lock);
        struct sync_limit limit = {.cancelled = &job->cancelled};
        struct sync_report report;
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = sync_join(sync, false, alone ? &limit : NULL, &report, &error);
        base_mutex_lock(&sync->lock);
        if (status != RHEI_OK && unpublished(sync) && !atomic_load(&sync->closing))
            base_cond_wait_until(&sync->builder_cond, &sync->lock, base_now_ns() + CYCLE_RETRY_NS);
    }
    base_mutex_unlock(&sync->lock);
}

/* Under `lock`: what a failed load means for its table. */
static void judge(struct sync *sync, const struct sync_job *job, struct sync_table *table)
{
    if (table->state != SYNC_TABLE_BUILDING)
        return;
    table->big = table->big || job->is_big;
    if (job->status == RHEI_OK || job->is_big || atomic_load(&job->cancelled)) { /* cancelled, and wanted again */
        table->state = SYNC_TABLE_WAITING;
        return;
    }
    table->attempts++;
    /* A schema that changes meanwhile says nothing about the table, however often it does. */
    bool again = job->status == RHEI_STALE || (sync_is_passing(job->status) && table->attempts < SYNC_BUILD_ATTEMPTS);
    if (!again) {
        bool first = table->starved_times == 0; /* the status goes on saying it */
        sync_table_give_up(sync, table, &job->error, job->room);
        base_log_write(sync->config.log, first ? BASE_LOG_WARN : BASE_LOG_DEBUG, "sync",
                       "table \"%s\" could not be built: %s", job->definition->name, job->error.message);
        return;
    }
    size_t len = base_utf8_cut(job->error.message, strlen(job->error.message), sizeof table->message - 1);
    memcpy(table->message, job->error.message, len);
    table->message[len] = 0;
    table->state = SYNC_TABLE_WAITING;
    uint32_t times = table->attempts < RETRY_TIMES_MOST ? table->attempts : RETRY_TIMES_MOST;
    table->retry_at_ns = base_now_ns() + (int64_t)times * RETRY_NS;
}

static void job_free(struct sync_job *job)
{
    mirror_build_abandon(&job->build); /* if nobody attached it; the owner can't find it any more */
    sync_history_free(&job->history);
    base_free(job->definition);
    base_free(job);
}

/* Nobody else finds the jobs after this. Who waits for them sees the memory that is left to pay for. */
static void end_jobs(struct sync *sync)
{
    bool abandoned = false;
    (void)mirror_trim(sync->config.mirror);
    base_mutex_lock(&sync->lock);
    struct sync_job *jobs = sync->jobs;
    for (struct sync_job *job = jobs; job; job = job->next) {
        struct sync_table *table = sync_table_find(sync, job->table);
        if (!table || table->job != job)
            continue;
        table->job = NULL;
        table->built_rows = atomic_load_explicit(&job->rows, memory_order_relaxed);
        if (!job->finished)
            judge(sync, job, table);
    }
    sync->jobs = NULL;
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    for (struct sync_job *job = jobs, *next; job; job = next) {
        next = job->next;
        abandoned = abandoned || job->build;
        job_free(job);
    }
    if (abandoned)
        (void)mirror_trim(sync->config.mirror);
}

static void load_one(struct sync *sync, struct sync_job *job)
{
    int64_t began_ns = base_now_ns();
    base_mutex_lock(&sync->lock);
    job->began_ns = began_ns;
    base_mutex_unlock(&sync->lock);
    job->room = mirror_room(sync->config.mirror);
    atomic_store_explicit(&job->waits, ROOM_WAITS, memory_order_relaxed);
    job->status = load(sync, job, &job->error);
    if (job->status == RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_INFO, "sync",
                       "table \"%s\": %" PRIu64 " rows loaded in %" PRId64 " ms", job->definition->name,
                       (uint64_t)atomic_load(&job->rows), (base_now_ns() - began_ns) / 1000000);
}

static bool any_waits(struct sync *sync)
{
    bool any = false;
    base_mutex_lock(&sync->lock);
    for (size_t i = 0; i < sync->table_count && !any; i++)
        any = sync->tables[i]->state == SYNC_TABLE_WAITING;
    base_mutex_unlock(&sync->lock);
    return any;
}

static void run_jobs(struct sync *sync)
{
    bool any = false, outdated = false;
    uint64_t most = 0;
    sync->advanced = false;
    for (struct sync_job *job = sync->jobs; job; job = job->next) {
        bool given_up = atomic_load(&job->cancelled) || atomic_load(&sync->closing);
        if (given_up)
            job->status = RHEI_CANCELLED;
        else
            load_one(sync, job);
        any = any || job->status == RHEI_OK;
        uint64_t rows = job->status == RHEI_OK ? atomic_load(&job->rows) : 0;
        most = rows > most ? rows : most;
        outdated = outdated || job->status == RHEI_NOT_FOUND || (job->status == RHEI_STALE && !job->is_big);
    }
    if (any)
        catch_up(sync);
    if (outdated) { /* it changed or went since the list was read: read it again */
        struct sync_report report;
        (void)sync_join(sync, false, NULL, &report, NULL);
    }
    const struct change_source_ops *ops = sync->config.source->ops;
    if (ops->loads_rest && !any_waits(sync))
        ops->loads_rest(sync->config.source);
    end_jobs(sync);
    if (any && sync->config.built && !atomic_load(&sync->closing))
        sync->config.built(sync->config.built_context, most);
}

/* ---- The builder's thread. --------------------------------------------------------------------------------------- */

/* Under `lock`: a table that failed for want of memory, and there is room now, or it has waited for as long as it was to. */
static bool has_room(const struct sync *sync, struct sync_table *table, int64_t now)
{
    if (mirror_room(sync->config.mirror) >= table->room_wanted || now >= table->starved_until_ns) {
        table->starved = false;
        table->attempts = 0;
        table->state = SYNC_TABLE_WAITING;
        return true;
    }
    table->retry_at_ns = now + SYNC_STARVED_LOOK_NS;
    return false;
}

/* Under `lock`: may the table be built now? *next_ns: when another may. */
static bool is_due(const struct sync *sync, struct sync_table *table, int64_t now, int64_t *next_ns)
{
    bool starved = table->state == SYNC_TABLE_FAILED && table->starved;
    if (table->state != SYNC_TABLE_WAITING && !starved)
        return false;
    if (table->retry_at_ns <= now && (!starved || has_room(sync, table, now)))
        return true;
    *next_ns = table->retry_at_ns < *next_ns ? table->retry_at_ns : *next_ns;
    return false;
}

static bool is_small(const struct sync_table *table)
{
    return !table->big && table->definition->estimated_rows <= SYNC_SMALL_ROWS;
}

/* Under `lock`. False: no memory now; the table waits a little. */
static bool job_add(struct sync *sync, struct sync_table *table)
{
    struct sync_job *job = base_alloc_zero(1, sizeof *job);
    if (!job || sync_definition_copy(table->definition, &job->definition, NULL) != RHEI_OK) {
        base_free(job);
        table->retry_at_ns = base_now_ns() + RETRY_NS;
        return false;
    }
    int64_t rows = table->definition->estimated_rows;
    job->error = (struct rhei_error)RHEI_ERROR_INIT;
    job->table = table->definition->id;
    job->untold = table->untold;
    job->unseen = table->unseen;
    job->many = is_small(table) && sync->build_threads > 1;
    job->loaders = is_small(table) ? 1 : sync->build_threads;
    job->expected = rows > 0 ? (uint64_t)rows : 0;
    job->hold = atomic_load(&sync->position);
    job->next = sync->jobs;
    BASE_INVARIANT(!table->job && !table->attached);
    BASE_INVARIANT(job->loaders >= 1 && job->loaders <= SYNC_LOADERS_MAX);
    table->state = SYNC_TABLE_BUILDING;
    table->job = job;
    sync->jobs = job;
    return true;
}

/* Under `lock`: the small tables that may be built now, else the smallest of the others. True if any. */
static bool jobs_begin(struct sync *sync, int64_t now, int64_t *next_ns, bool *any)
{
    struct sync_table *best = NULL;
    size_t count = 0;
    *next_ns = INT64_MAX;
    *any = false;
    for (size_t i = 0; i < sync->table_count; i++) {
        struct sync_table *table = sync->tables[i];
        *any = *any || table->state == SYNC_TABLE_WAITING;
        if (!is_due(sync, table, now, next_ns))
            continue;
        if (is_small(table))
            count += count < SYNC_GROUP_TABLES && job_add(sync, table);
        else if (!best || table->definition->estimated_rows < best->definition->estimated_rows)
            best = table;
    }
    if (count == 0 && best)
        count = job_add(sync, best);
    return count > 0;
}

/* The list of tables comes with the first cycle. Called and returns under `lock`. */
static void first_cycle(struct sync *sync)
{
    base_mutex_unlock(&sync->lock);
    struct sync_report report;
    rhei_status status = sync_join(sync, false, NULL, &report, NULL);
    base_mutex_lock(&sync->lock);
    if (status != RHEI_OK && !atomic_load(&sync->closing))
        base_cond_wait_until(&sync->builder_cond, &sync->lock, base_now_ns() + RETRY_NS);
}

void sync_builder_main(void *argument)
{
    struct sync *sync = argument;
    base_mutex_lock(&sync->lock);
    while (!atomic_load(&sync->closing)) {
        int64_t next_ns = INT64_MAX;
        bool any = false;
        bool wanted = sync->builds_enabled || sync->build_once;
        if (wanted && !atomic_load(&sync->primed)) {
            first_cycle(sync);
            continue;
        }
        bool begun = wanted && jobs_begin(sync, base_now_ns(), &next_ns, &any);
        if (wanted && !any)
            sync->build_once = false;
        int64_t verify_ns = begun ? INT64_MAX : sync_verify_due(sync);
        if (!begun && verify_ns > base_now_ns()) {
            base_cond_wait_until(&sync->builder_cond, &sync->lock, next_ns < verify_ns ? next_ns : verify_ns);
            continue;
        }
        if (!begun) {
            base_mutex_unlock(&sync->lock);
            sync_verify_run(sync);
            base_mutex_lock(&sync->lock);
            continue;
        }
        base_mutex_unlock(&sync->lock);
        run_jobs(sync);
        base_mutex_lock(&sync->lock);
    }
    base_mutex_unlock(&sync->lock);
}

/* ---- What callers ask for. --------------------------------------------------------------------------------------- */

/* Under `lock`: a table that will be ready or failed in a while. */
static bool unfinished(const struct sync *sync)
{
    for (size_t i = 0; i < sync->table_count; i++)
        if (sync->tables[i]->state == SYNC_TABLE_WAITING || sync->tables[i]->state == SYNC_TABLE_BUILDING)
            return true;
    return sync->jobs != NULL;
}

/* Under `lock`: rows loaded of all that are to be, as far as is known. */
static void tell_built(const struct sync *sync, struct base_progress *progress)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < sync->table_count; i++) {
        const struct sync_table *table = sync->tables[i];
        bool over = table->state != SYNC_TABLE_WAITING && table->state != SYNC_TABLE_BUILDING;
        int64_t estimate = table->definition->estimated_rows;
        uint64_t built = table->job ? atomic_load_explicit(&table->job->rows, memory_order_relaxed)
                         : over     ? table->built_rows
                                    : 0;
        uint64_t expected = table->job ? table->job->expected : estimate > 0 ? (uint64_t)estimate : 0;
        done += built;
        total += over || built > expected ? built : expected;
    }
    base_progress_set(progress, BASE_PROGRESS_ROWS, (int64_t)done, total > 0 ? (int64_t)total : -1);
}

rhei_status sync_build(struct sync *sync, bool wait, int64_t deadline_ns, const struct sync_stop *stop,
                       struct rhei_error *error)
{
    struct sync_limit limit = {.deadline_ns = deadline_ns, .stop = stop};
    struct sync_report report;
    rhei_status status = sync_join_patiently(sync, &limit, &report, error); /* which tables are there? */
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&sync->lock);
    sync->build_once = true;
    base_mutex_unlock(&sync->lock);
    status = sync_builder_start(sync, error);
    if (status != RHEI_OK || !wait)
        return status;
    int64_t tell_ns = 0;

    base_mutex_lock(&sync->lock);
    sync->inside++;
    while (status == RHEI_OK && unfinished(sync)) {
        status = sync_limit_check(sync, &limit, error);
        if (status != RHEI_OK)
            break;
        if (stop && stop->progress && base_now_ns() >= tell_ns) {
            tell_built(sync, stop->progress);
            tell_ns = base_now_ns() + TELL_NS;
        }
        int64_t slice = base_now_ns() + 5000000;
        sync->waiters++;
        base_cond_wait_until(&sync->turned, &sync->lock, deadline_ns && deadline_ns < slice ? deadline_ns : slice);
        sync->waiters--;
    }
    sync->inside--;
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    return status;
}

/* Under `lock`. */
static const struct sync_table *built_again(const struct sync *sync, const char *name)
{
    for (size_t i = 0; i < sync->table_count; i++) {
        const struct sync_table *table = sync->tables[i];
        bool under_way = table->state == SYNC_TABLE_WAITING || table->state == SYNC_TABLE_BUILDING;
        if (under_way && table->was_ready && base_fold_compare(table->definition->name, name) == 0)
            return table;
    }
    return NULL;
}

rhei_status sync_wait_again(struct sync *sync, const char *name, int64_t deadline_ns, const struct sync_stop *stop,
                            bool *waited, struct rhei_error *error)
{
    struct sync_limit limit = {.deadline_ns = deadline_ns, .stop = stop};
    const struct sync_table *table;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&sync->lock);
    sync->inside++;
    while (status == RHEI_OK && (table = built_again(sync, name)) != NULL) {
        *waited = true;
        bool nobody = table->state == SYNC_TABLE_WAITING && !sync->builds_enabled && !sync->build_once && !sync->jobs;
        if (nobody) {
            status = error_set(
                error, RHEI_STALE,
                "the mirror of table \"%.100s\" has to be built again (%.100s), and nothing is built in the "
                "background now (manual_sync, or rhei_stop_sync): call rhei_initial_sync, or route it to auto",
                name, table->message[0] != '\0' ? table->message : "its changes can't be told row by row");
            break;
        }
        status = sync_limit_check(sync, &limit, NULL);
        if (status != RHEI_OK) {
            error_set(error, status, "the mirror of table \"%.100s\" is being built again (%.150s): route it to auto",
                      name, table->message[0] != '\0' ? table->message : "it was asked for");
            break;
        }
        int64_t slice = base_now_ns() + 5000000;
        sync->waiters++;
        base_cond_wait_until(&sync->turned, &sync->lock, deadline_ns && deadline_ns < slice ? deadline_ns : slice);
        sync->waiters--;
    }
    sync->inside--;
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    return status;
}

static bool want_rebuild(struct sync *sync, const char *name)
{
    bool found = !name;
    for (size_t i = 0; i < sync->table_count; i++) {
        struct sync_table *table = sync->tables[i];
        if (name && base_fold_compare(table->definition->name, name) != 0)
            continue;
        table->rebuild_wanted = true;
        found = true;
    }
    atomic_store(&sync->request, true);
    return found;
}

rhei_status sync_rebuild(struct sync *sync, const char *name, struct rhei_error *error)
{
    struct sync_report report;
    rhei_status status = RHEI_OK;
    if (!atomic_load(&sync->primed)) { /* the list of tables comes with the first cycle */
        status = sync_join(sync, false, NULL, &report, error);
        if (status != RHEI_OK)
            return status;
    }
    base_mutex_lock(&sync->lock);
    bool found = want_rebuild(sync, name);
    if (found)
        sync->build_once = true;
    base_mutex_unlock(&sync->lock);
    if (!found)
        return error_set(error, RHEI_NOT_FOUND, "there is no table \"%s\" to rebuild", name);
    status = sync_join(sync, false, NULL, &report, error);
    if (status != RHEI_OK)
        return status;
    return sync_builder_start(sync, error);
}
