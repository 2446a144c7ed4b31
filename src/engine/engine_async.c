/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few threads that run statements for an event loop.
 *
 *   P1. A task is in one place (enum task_place). It moves from WAITS to RUNS to IS_DONE (or straight to IS_HELD, with a `done`) to IS_HELD, and from
 *       there back to WAITS. Whoever holds it touches it alone; what waits, and what is done, is touched under the lock.
 *   P2. The descriptor is readable exactly while a task is done and not taken.
 *   P3. No more than `most` tasks are there. Nothing here waits but the threads, and the close.
 *   P4. A task of a session begins when nothing else occupies the session, in the order of their coming. It occupies it until it is over or freed.
 *   P5. One thread is always free for a statement of an open transaction. All the others may be writers who wait for its
 *       end, and the transaction would wait for them.
 *
 * Lock order: `lock` -> nothing. A `done` is called without it.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base_thread.h"
#include "engine/engine_async.h"

enum { THREADS = 4, THREADS_LEAST = 2, THREADS_MOST = 256, TASKS = 1024 };

struct task_list {
    struct rhei_task *first, **last;
};

struct rhei_async {
    struct rhei_db *db;
    base_mutex lock;
    base_cond work; /* a task waits, a session is free, or all ends */
    int fd;
    bool closing;
    uint32_t most, count; /* tasks */
    struct rhei_task *all;
    struct rhei_task *occupiers; /* of sessions */
    struct task_list waiting, done;
    uint32_t outside; /* tasks that run and aren't of an open transaction */
    uint32_t threads;
    base_thread *thread;
};

static void list_init(struct task_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_add(struct task_list *list, struct rhei_task *task)
{
    task->next = NULL;
    *list->last = task;
    list->last = &task->next;
}

static void list_remove(struct task_list *list, struct rhei_task *task)
{
    struct rhei_task **link = &list->first;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (list->last == &task->next)
        list->last = link;
}

/* ---- Under the lock. --------------------------------------------------------------------------------------------- */

static void enter(struct rhei_async *async, struct rhei_task *task)
{
    task->async = async;
    task->behind = async->all;
    if (async->all != NULL)
        async->all->before = task;
    async->all = task;
    async->count++;
    task->place = TASK_WAITS;
    list_add(&async->waiting, task);
}

static void occupy(struct rhei_async *async, struct rhei_task *task)
{
    task->occupies = true;
    task->next_occupier = async->occupiers;
    async->occupiers = task;
}

/* Its session is free for the next one, if it had one. */
static void vacate(struct rhei_async *async, struct rhei_task *task)
{
    struct rhei_task **link = &async->occupiers;
    if (!task->occupies)
        return;
    while (*link != task)
        link = &(*link)->next_occupier;
    *link = task->next_occupier;
    task->occupies = false;
    base_cond_broadcast(&async->work);
}

static void leave(struct rhei_async *async, struct rhei_task *task)
{
    if (task->before != NULL)
        task->before->behind = task->behind;
    else
        async->all = task->behind;
    if (task->behind != NULL)
        task->behind->before = task->before;
    async->count--;
    vacate(async, task);
}

static void tell(struct rhei_async *async, struct rhei_task *task)
{
    const uint64_t one = 1;
    task->place = TASK_IS_DONE;
    if (async->done.first == NULL)
        (void)!write(async->fd, &one, sizeof one);
    list_add(&async->done, task);
}

static void untell(struct rhei_async *async, struct rhei_task *task)
{
    uint64_t told = 0;
    list_remove(&async->done, task);
    if (async->done.first == NULL)
        (void)!read(async->fd, &told, sizeof told);
}

static bool is_occupied(const struct rhei_async *async, const rhei_session *session)
{
    const struct rhei_task *task = async->occupiers;
    while (task != NULL && task->session != session)
        task = task->next_occupier;
    return task != NULL;
}

static void cancel(struct rhei_task *task)
{
    task->cancelled = true;
    rhei_cancel_raise(task->cancel);
}

/* Does it only come to its end? Then it waits for nothing. */
static bool is_ending(const struct rhei_task *task)
{
    return task->abandoned || (task->cancelled && !task->began);
}

/* The first task that may run now; NULL: none may. */
static struct rhei_task *choose(struct rhei_async *async, bool *outside)
{
    for (struct rhei_task *task = async->waiting.first; task != NULL; task = task->next) {
        *outside = false;
        if (is_ending(task))
            return task;
        if (task->session != NULL && !task->occupies && is_occupied(async, task->session))
            continue;
        *outside = task->session == NULL || !rhei_session_in_transaction(task->session);
        if (!*outside || async->outside < async->threads - 1)
            return task;
    }
    return NULL;
}

/* ---- The threads. ------------------------------------------------------------------------------------------------ */

/* The task was run, and belongs to its owner again; or to nobody, and is freed. */
static void hand_back(struct rhei_async *async, struct rhei_task *task, bool outside)
{
    void (*done)(void *, rhei_task *) = task->done;
    base_mutex_lock(&async->lock);
    bool abandoned = task->abandoned;
    if (abandoned) { /* what it reads from ends before its session is free */
        base_mutex_unlock(&async->lock);
        engine_task_end(task);
        base_mutex_lock(&async->lock);
    }
    async->outside -= outside;
    if (abandoned) {
        leave(async, task);
    } else {
        if (engine_task_is_over(task))
            vacate(async, task);
        if (done == NULL)
            tell(async, task);
        else
            task->place = TASK_IS_HELD;
    }
    if (outside && async->waiting.first != NULL)
        base_cond_signal(&async->work);
    base_mutex_unlock(&async->lock);
    if (abandoned)
        engine_task_destroy(task);
    else if (done != NULL)
        done(task->context, task);
}

/* Under the lock, which it leaves while the task runs. */
static void run(struct rhei_async *async, struct rhei_task *task, bool outside)
{
    bool ending = is_ending(task), refused = ending && !task->abandoned;
    list_remove(&async->waiting, task);
    task->place = TASK_RUNS;
    if (task->session != NULL && !ending && !task->occupies)
        occupy(async, task);
    async->outside += outside;
    base_mutex_unlock(&async->lock);
    if (refused)
        engine_task_refuse(task);
    else if (!ending)
        engine_task_run(task, async->db);
    hand_back(async, task, outside);
    base_mutex_lock(&async->lock);
}

static void work(void *context)
{
    struct rhei_async *async = context;
    base_mutex_lock(&async->lock);
    for (;;) {
        bool outside = false;
        struct rhei_task *task = choose(async, &outside);
        if (task != NULL)
            run(async, task, outside);
        else if (async->closing && async->waiting.first == NULL)
            break;
        else
            base_cond_wait(&async->work, &async->lock);
    }
    base_mutex_unlock(&async->lock);
}

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

static void stop(struct rhei_async *async, uint32_t started)
{
    base_mutex_lock(&async->lock);
    async->closing = true;
    for (struct rhei_task *task = async->all; task != NULL; task = task->behind)
        cancel(task);
    base_cond_broadcast(&async->work);
    base_mutex_unlock(&async->lock);
    for (uint32_t i = 0; i < started; i++)
        base_thread_join(&async->thread[i]);
    while (async->all != NULL) {
        struct rhei_task *task = async->all;
        leave(async, task);
        engine_task_destroy(task);
    }
}

static void destroy(struct rhei_async *async)
{
    if (async->fd >= 0)
        (void)close(async->fd);
    base_cond_destroy(&async->work);
    base_mutex_destroy(&async->lock);
    base_free(async->thread);
    base_free(async);
}

static rhei_status start(struct rhei_async *async, struct rhei_error *error)
{
    uint32_t started = 0;
    rhei_status status = RHEI_OK;
    async->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (async->fd < 0)
        return error_set(error, RHEI_IO, "no descriptor for finished tasks: %s", strerror(errno));
    while (status == RHEI_OK && started < async->threads) {
        status = base_thread_start(&async->thread[started], "rhei-async", work, async, error);
        started += status == RHEI_OK;
    }
    if (status != RHEI_OK)
        stop(async, started);
    return status;
}

rhei_status rhei_async_open(rhei_db *db, const struct rhei_async_options *options, rhei_async **async,
                            struct rhei_error *error)
{
    struct rhei_async_options given;
    error_clear(error);
    if (async != NULL)
        *async = NULL;
    if (db == NULL || async == NULL)
        return error_set(error, RHEI_INVALID, "rhei_async_open needs a handle and a place for what it opens");
    rhei_status status = engine_options_copy(&given, sizeof given, options, "rhei_async_options", error);
    if (status != RHEI_OK)
        return status;
    if (given.threads == 1 || given.threads > THREADS_MOST)
        return error_set(error, RHEI_INVALID,
                         "there may be %d to %d threads, not %u: one is kept for open transactions", THREADS_LEAST,
                         THREADS_MOST, given.threads);
    struct rhei_async *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->db = db;
    made->fd = -1;
    made->threads = given.threads == 0 ? THREADS : given.threads;
    made->most = given.tasks == 0 ? TASKS : given.tasks;
    list_init(&made->waiting);
    list_init(&made->done);
    base_mutex_init(&made->lock);
    base_cond_init(&made->work);
    made->thread = base_alloc_zero(made->threads, sizeof *made->thread);
    status = made->thread == NULL ? error_no_memory(error) : start(made, error);
    if (status != RHEI_OK)
        destroy(made);
    else
        *async = made;
    return status;
}

void rhei_async_close(rhei_async **async)
{
    if (async == NULL || *async == NULL)
        return;
    struct rhei_async *closing = *async;
    *async = NULL;
    stop(closing, closing->threads);
    destroy(closing);
}

int rhei_async_fd(const rhei_async *async)
{
    return async == NULL ? -1 : async->fd;
}

/* ---- Tasks. ------------------------------------------------------------------------------------------------------ */

rhei_task *rhei_async_take(rhei_async *async)
{
    if (async == NULL)
        return NULL;
    base_mutex_lock(&async->lock);
    struct rhei_task *task = async->done.first;
    if (task != NULL) {
        untell(async, task);
        task->place = TASK_IS_HELD;
    }
    base_mutex_unlock(&async->lock);
    return task;
}

rhei_status rhei_async_submit(rhei_async *async, const char *sql, const struct rhei_params *params,
                              const struct rhei_task_options *options, rhei_task **task, struct rhei_error *error)
{
    struct rhei_task *made = NULL;
    error_clear(error);
    if (task != NULL)
        *task = NULL;
    if (async == NULL || sql == NULL)
        return error_set(error, RHEI_INVALID, "rhei_async_submit needs what rhei_async_open gave, and an SQL text");
    rhei_status status = engine_task_new(sql, params, options, &made, error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&async->lock);
    uint32_t count = async->count;
    status = async->closing ? RHEI_CLOSED : count >= async->most ? RHEI_BUSY : RHEI_OK;
    if (status == RHEI_OK) {
        if (task != NULL)
            *task = made;
        enter(async, made);
        base_cond_signal(&async->work);
    }
    base_mutex_unlock(&async->lock);
    if (status == RHEI_OK)
        return RHEI_OK;
    engine_task_destroy(made);
    return status == RHEI_BUSY
               ? error_set(error, RHEI_BUSY, "%u tasks are there already: take and free some, and try again", count)
               : error_set(error, RHEI_CLOSED, "the tasks' threads are being ended");
}

/* Does the caller have it? The lock orders what a thread wrote before what the caller reads. */
static bool is_held(const rhei_task *task)
{
    base_mutex_lock(&task->async->lock);
    bool held = task->place == TASK_IS_HELD || task->place == TASK_IS_DONE;
    base_mutex_unlock(&task->async->lock);
    return held;
}

rhei_status rhei_task_status(const rhei_task *task, struct rhei_error *error)
{
    error_clear(error);
    if (task == NULL)
        return error_set(error, RHEI_INVALID, "there is no task");
    if (!is_held(task))
        return error_set(error, RHEI_BUSY, "the task isn't done yet");
    if (error != NULL && task->status != RHEI_ROW && task->status != RHEI_DONE)
        *error = task->error;
    return task->status;
}

rhei_status rhei_task_continue(rhei_task *task, struct rhei_error *error)
{
    error_clear(error);
    if (task == NULL)
        return error_set(error, RHEI_INVALID, "there is no task");
    struct rhei_async *async = task->async;
    base_mutex_lock(&async->lock);
    rhei_status status = task->place != TASK_IS_HELD || task->status != RHEI_ROW ? RHEI_INVALID
                         : async->closing                                        ? RHEI_CLOSED
                                                                                 : RHEI_OK;
    if (status == RHEI_OK) {
        task->status = RHEI_BUSY;
        task->place = TASK_WAITS;
        list_add(&async->waiting, task);
        base_cond_signal(&async->work);
    }
    base_mutex_unlock(&async->lock);
    return status == RHEI_INVALID ? error_set(error, status, "there are no more rows, or the task isn't done yet")
           : status != RHEI_OK    ? error_set(error, status, "the tasks' threads are being ended")
                                  : RHEI_OK;
}

void rhei_task_cancel(rhei_task *task)
{
    if (task == NULL)
        return;
    base_mutex_lock(&task->async->lock);
    if (task->place == TASK_WAITS || task->place == TASK_RUNS)
        cancel(task);
    base_cond_signal(&task->async->work);
    base_mutex_unlock(&task->async->lock);
}

void rhei_task_free(rhei_task **task)
{
    if (task == NULL || *task == NULL)
        return;
    struct rhei_task *freed = *task;
    struct rhei_async *async = freed->async;
    *task = NULL;
    base_mutex_lock(&async->lock);
    bool open = freed->place == TASK_RUNS || freed->rows != NULL || freed->stream.release != NULL;
    if (freed->place == TASK_IS_DONE)
        untell(async, freed);
    if (freed->place == TASK_WAITS && !open)
        list_remove(&async->waiting, freed);
    if (open) { /* its end may take a while: a thread's affair */
        freed->abandoned = true;
        cancel(freed);
        if (freed->place == TASK_IS_DONE || freed->place == TASK_IS_HELD) {
            freed->place = TASK_WAITS;
            list_add(&async->waiting, freed);
        }
        base_cond_signal(&async->work);
    } else {
        leave(async, freed);
    }
    base_mutex_unlock(&async->lock);
    if (!open)
        engine_task_destroy(freed);
}
