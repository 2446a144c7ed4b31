/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who writes: flat combining without a writer thread.
 *
 * W1. One caller at a time holds the writer (writer_busy); only the holder touches oltp->writer and the pending_ fields.
 * W2. A job is in the queue (QUEUED), in the hands of a holder (RUNNING), told to go on itself (GRANTED) or DONE. Its state
 *     leaves QUEUED, and comes back to it, under queue_lock only, and only a QUEUED job may give up. Once DONE or GRANTED is
 *     stored, the job is its owner's again: nobody else may touch it.
 * W3. The queue is first come, first served. A holder runs its own job and at most one group of others; then the
 *     thread at the head becomes the holder. So nobody works for others for long, and nobody starves.
 * W4. The holder's transaction has ended when it lets go.
 * W5. What takes longer than a group may (G5) goes back to the head of the queue, and its owner runs it. So a job is in a
 *     holder's hands for milliseconds only, and its owner soon sees its time-out or cancel, in the queue or running by itself.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

enum {
    GATHER_CROWD = 3,  /* so many in the last group, or nobody is waited for */
    GATHER_NS = 60000, /* some five commits */
    STOP_NS = 5000000, /* between two looks at what may end a wait */
};

static int64_t writer_deadline(const struct oltp *oltp, int64_t deadline_ns)
{
    int64_t busy = base_now_ns() + (int64_t)oltp->config.busy_timeout_ms * 1000000;
    return deadline_ns != 0 && deadline_ns < busy ? deadline_ns : busy;
}

static void writer_enqueue(struct oltp *oltp, struct oltp_job *job)
{
    BASE_INVARIANT(job != oltp->queue_tail && (oltp->queue_head == NULL) == (oltp->queue_tail == NULL)); /* W2, W3 */
    atomic_store_explicit(&job->state, OLTP_JOB_QUEUED, memory_order_relaxed);
    job->next = NULL;
    *(oltp->queue_tail == NULL ? &oltp->queue_head : &oltp->queue_tail->next) = job;
    oltp->queue_tail = job;
    oltp->queue_length++;
}

static void writer_unqueue(struct oltp *oltp, struct oltp_job *job)
{
    BASE_INVARIANT(oltp->queue_length > 0 && atomic_load(&job->state) == OLTP_JOB_QUEUED); /* W2 */
    struct oltp_job **link = &oltp->queue_head, *before = NULL;
    while (*link != job) {
        before = *link;
        link = &before->next;
    }
    *link = job->next;
    if (oltp->queue_tail == job)
        oltp->queue_tail = before;
    oltp->queue_length--;
}

/* Jobs that were not run after all, in their order: before all that wait. */
static void writer_put_back(struct oltp *oltp, struct oltp_job *first)
{
    base_mutex_lock(&oltp->queue_lock);
    struct oltp_job *waiting = oltp->queue_head, *tail = oltp->queue_tail;
    BASE_INVARIANT(first != NULL && oltp->writer_busy); /* W1: by the holder */
    oltp->queue_head = oltp->queue_tail = NULL;
    for (struct oltp_job *job = first, *next; job != NULL; job = next) {
        next = job->next;
        writer_enqueue(oltp, job);
        base_word_wake(&job->state); /* it may give up again */
    }
    if (waiting != NULL) {
        *(oltp->queue_tail == NULL ? &oltp->queue_head : &oltp->queue_tail->next) = waiting;
        oltp->queue_tail = tail;
    }
    base_mutex_unlock(&oltp->queue_lock);
}

/* Takes the statements at the head of the queue, up to the first job that goes by itself. */
static uint32_t writer_take_group(struct oltp *oltp, struct oltp_job **first)
{
    uint32_t count = 0;
    struct oltp_job **end = &oltp->queue_head;
    BASE_INVARIANT(oltp->writer_busy); /* W1 */
    *first = oltp->queue_head;
    while (*end != NULL && !(*end)->exclusive && !(*end)->solo && count < OLTP_GROUP_MAX) {
        BASE_INVARIANT(atomic_load(&(*end)->state) == OLTP_JOB_QUEUED); /* W2 */
        atomic_store_explicit(&(*end)->state, OLTP_JOB_RUNNING, memory_order_relaxed);
        count++;
        end = &(*end)->next;
    }
    struct oltp_job *rest = *end;
    *end = NULL;
    oltp->queue_head = rest;
    if (rest == NULL)
        oltp->queue_tail = NULL;
    oltp->queue_length -= count;
    BASE_INVARIANT((oltp->queue_length == 0) == (rest == NULL));
    return count;
}

static void writer_tell(struct oltp_job *job, enum oltp_job_state state)
{
    BASE_INVARIANT(state == OLTP_JOB_DONE || state == OLTP_JOB_GRANTED); /* W2: its owner's again */
    atomic_uint *word = &job->state;
    atomic_store_explicit(word, state, memory_order_release);
    base_word_wake(word); /* the job may be gone already */
}

/* The jobs of a group are done; their owners may go. `self` is the caller's own, if it is among them. */
static void writer_finish_group(struct oltp *oltp, struct oltp_job *first, const struct oltp_job *self)
{
    struct oltp_job *back = NULL, **end = &back;
    while (first != NULL) {
        struct oltp_job *next = first->next;
        BASE_INVARIANT(first == self || atomic_load(&first->state) == OLTP_JOB_RUNNING); /* W2 */
        if (first->put_back) {
            first->put_back = false;
            first->next = NULL;
            *end = first;
            end = &first->next;
        } else if (first != self) {
            writer_tell(first, OLTP_JOB_DONE);
        }
        first = next;
    }
    if (back != NULL)
        writer_put_back(oltp, back);
}

/* Somebody else's turn, or nobody's. */
static void writer_hand_over(struct oltp *oltp)
{
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) != 0 && oltp->pending_seq == 0); /* W4 */
    base_mutex_lock(&oltp->queue_lock);
    struct oltp_job *head = oltp->queue_head;
    if (head == NULL) {
        oltp->writer_busy = false;
    } else {
        oltp->queue_head = head->next;
        if (oltp->queue_head == NULL)
            oltp->queue_tail = NULL;
        oltp->queue_length--;
        head->next = NULL;
    }
    base_mutex_unlock(&oltp->queue_lock);
    if (head != NULL) /* out of the queue, so it can't give up any more */
        writer_tell(head, OLTP_JOB_GRANTED);
}

/* `why`: what ended the wait. */
static void writer_give_up(struct oltp *oltp, struct oltp_job *job, rhei_status why)
{
    base_mutex_lock(&oltp->queue_lock);
    struct oltp_job *at = oltp->queue_head;
    while (at != NULL && at != job)
        at = at->next;
    if (at != NULL) {
        writer_unqueue(oltp, job);
        atomic_store_explicit(&job->state, OLTP_JOB_DONE, memory_order_relaxed);
        if (why != RHEI_BUSY) {
            job->status = oltp_stop_error(why, true, &job->error);
        } else {
            atomic_fetch_add_explicit(&oltp->counters.busy, 1, memory_order_relaxed);
            job->status = error_set(
                &job->error, RHEI_BUSY,
                oltp->in_session ? "a transaction of another session held the writer for longer than busy_timeout_ms: "
                                   "try again, or commit that transaction sooner"
                                 : "other writers held the writer for longer than busy_timeout_ms: try again, or raise "
                                   "it");
        }
    }
    base_mutex_unlock(&oltp->queue_lock);
}

/* For the writer (GRANTED) or the result (DONE); a failure is in the job, which is in the queue. */
static enum oltp_job_state writer_wait(struct oltp *oltp, struct oltp_job *job)
{
    int64_t deadline = writer_deadline(oltp, job->deadline_ns);
    for (;;) {
        unsigned state = atomic_load_explicit(&job->state, memory_order_acquire);
        if (state == OLTP_JOB_GRANTED || state == OLTP_JOB_DONE)
            return state;
        int64_t until = INT64_MAX;
        if (state == OLTP_JOB_QUEUED) {
            int64_t now = base_now_ns();
            rhei_status stopped = job->stop == NULL ? RHEI_OK : job->stop->check(job->stop->context);
            if (stopped != RHEI_OK || now >= deadline) { /* it gives up, unless somebody has it in hand by now */
                writer_give_up(oltp, job, stopped != RHEI_OK ? stopped : RHEI_BUSY);
                continue;
            }
            base_progress_wait(job->stop == NULL ? NULL : job->stop->progress, "waiting for other writers");
            until = job->stop != NULL && now + STOP_NS < deadline ? now + STOP_NS : deadline;
        }
        base_word_wait(&job->state, state, until);
    }
}

/* True: the writer is held. False: the job is in the queue. */
static bool writer_take_or_queue(struct oltp *oltp, struct oltp_job *job)
{
    base_mutex_lock(&oltp->queue_lock);
    bool taken = !oltp->writer_busy && oltp->queue_head == NULL;
    BASE_INVARIANT(oltp->writer_busy || oltp->queue_head == NULL); /* W3: who is at the head has it */
    bool enough = false;
    if (taken) {
        oltp->writer_busy = true;
    } else {
        writer_enqueue(oltp, job);
        enough = oltp->gather_wanted > 0 && (job->exclusive || oltp->queue_length >= oltp->gather_wanted);
        if (enough) {
            oltp->gather_wanted = 0;
            atomic_store_explicit(&oltp->gathering, 0, memory_order_release);
        }
    }
    base_mutex_unlock(&oltp->queue_lock);
    if (enough)
        base_word_wake(&oltp->gathering);
    return taken;
}

/* ---- Waiting for company. ---------------------------------------------------------------------------------------- */

/*
 * Writers who wait for one commit come back together, each as soon as it gets a processor. The first to be there would commit
 * alone, and so would all others after it. So it waits a moment for as many as the last group had, which is less than
 * the commits that it saves. In vain means: not soon again.
 */
static void writer_gather(struct oltp *oltp)
{
    uint32_t wanted = oltp->crowd - 1;
    if (oltp->crowd < GATHER_CROWD)
        return;
    if (oltp->gather_skip > 0) {
        oltp->gather_skip--;
        return;
    }
    base_mutex_lock(&oltp->queue_lock);
    bool wait = oltp->queue_length < wanted;
    BASE_INVARIANT(oltp->writer_busy && oltp->gather_wanted == 0);
    for (const struct oltp_job *job = oltp->queue_head; wait && job != NULL; job = job->next)
        wait = !job->exclusive;
    oltp->gather_wanted = wait ? wanted : 0;
    atomic_store_explicit(&oltp->gathering, wait ? 1 : 0, memory_order_relaxed);
    base_mutex_unlock(&oltp->queue_lock);
    if (!wait)
        return;
    int64_t end = base_now_ns() + GATHER_NS;
    while (atomic_load_explicit(&oltp->gathering, memory_order_acquire) != 0 && base_now_ns() < end)
        base_word_wait(&oltp->gathering, 1, end);
    base_mutex_lock(&oltp->queue_lock);
    bool in_vain = oltp->queue_length + 1 < GATHER_CROWD;
    oltp->gather_wanted = 0;
    base_mutex_unlock(&oltp->queue_lock);
    uint32_t longer = oltp->gather_pause == 0 ? 8 : oltp->gather_pause * 2;
    oltp->gather_pause = !in_vain ? 0 : longer < 1024 ? longer : 1024;
    oltp->gather_skip = oltp->gather_pause;
}

/* With the writer held: one group of those who wait. */
static void writer_run_waiting(struct oltp *oltp, oltp_run run)
{
    struct oltp_job *first = NULL;
    base_mutex_lock(&oltp->queue_lock);
    uint32_t count = writer_take_group(oltp, &first);
    base_mutex_unlock(&oltp->queue_lock);
    if (count > 0) {
        oltp->crowd = count + 1; /* the holder's own came just before */
        run(oltp, first, NULL);
        writer_finish_group(oltp, first, NULL);
    }
}

/* With the writer held and `job` out of the queue: it and all that wait behind it. */
static void writer_run_led(struct oltp *oltp, struct oltp_job *job, oltp_run run)
{
    struct oltp_job *first = NULL;
    uint32_t count = 1;
    if (!job->many && !job->solo)
        writer_gather(oltp);
    if (!job->solo) {
        base_mutex_lock(&oltp->queue_lock);
        count += writer_take_group(oltp, &first);
        base_mutex_unlock(&oltp->queue_lock);
    }
    oltp->crowd = count;
    job->next = count > 1 ? first : NULL;
    run(oltp, job, job);
    writer_finish_group(oltp, job, job);
    if (count == 1 && !job->solo)
        writer_run_waiting(oltp, run);
}

rhei_status oltp_writer_run(struct oltp *oltp, struct oltp_job *job, oltp_run run)
{
    if (!writer_take_or_queue(oltp, job) && writer_wait(oltp, job) == OLTP_JOB_DONE)
        return job->status;
    writer_run_led(oltp, job, run);
    BASE_INVARIANT(!job->put_back); /* G5: its owner's own is never put back */
    writer_hand_over(oltp);
    return job->status;
}

static rhei_status writer_acquire(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop,
                                  struct rhei_error *error)
{
    if (oltp->writer == NULL)
        return oltp_refuse_write(oltp, error);
    rhei_status status = oltp_identity_check(oltp, true, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_job job = {.exclusive = true, .deadline_ns = deadline_ns, .stop = stop, .error = RHEI_ERROR_INIT};
    if (!writer_take_or_queue(oltp, &job) && writer_wait(oltp, &job) != OLTP_JOB_GRANTED) {
        status = job.status;
        if (error != NULL && error->code == RHEI_OK)
            *error = job.error;
    }
    if (status == RHEI_OK) {
        base_progress_wait(stop == NULL ? NULL : stop->progress, NULL);
        oltp->writer->busy_deadline_ns = writer_deadline(oltp, deadline_ns);
    }
    return status;
}

rhei_status oltp_writer_acquire(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error)
{
    return writer_acquire(oltp, deadline_ns, NULL, error);
}

rhei_status oltp_writer_acquire_until(struct oltp *oltp, const struct oltp_stop *stop, struct rhei_error *error)
{
    return writer_acquire(oltp, 0, stop, error);
}

rhei_status oltp_writer_acquire_while(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop,
                                      struct rhei_error *error)
{
    return writer_acquire(oltp, deadline_ns, stop, error);
}

void oltp_writer_release(struct oltp *oltp)
{
    writer_hand_over(oltp);
}
