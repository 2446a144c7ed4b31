/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving is safe at any step, as the database's file and the column store's folder outlive kill -9; waiting isn't: whoever started the service ends it so itself
 * after a while, and nobody says why.
 */
#include "rh_serve_leave.h"

#include "rh_tool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct rh_leave {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t closed_now;
    bool closed;
    struct timespec until;
    struct rh_log *log;
};

static void *wait_for_doors(void *context)
{
    struct rh_leave *leave = context;
    int code = 0;
    pthread_mutex_lock(&leave->lock);
    while (!leave->closed && code == 0)
        code = pthread_cond_clockwait(&leave->closed_now, &leave->lock, CLOCK_MONOTONIC, &leave->until);
    bool closed = leave->closed;
    pthread_mutex_unlock(&leave->lock);
    if (closed)
        return NULL;
    rh_log_line(
        leave->log, RHEI_LOG_ERROR, "serve",
        "a statement that was cancelled doesn't end: the service leaves without it; what was committed is kept");
    _exit(RH_EXIT_ERROR);
}

struct rh_leave *rh_leave_within(int64_t ms, struct rh_log *log)
{
    struct rh_leave *leave = rh_allocate(sizeof *leave);
    *leave = (struct rh_leave){.lock = PTHREAD_MUTEX_INITIALIZER, .closed_now = PTHREAD_COND_INITIALIZER, .log = log};
    (void)clock_gettime(CLOCK_MONOTONIC, &leave->until);
    leave->until.tv_sec += (time_t)(ms / 1000);
    leave->until.tv_nsec += (long)(ms % 1000) * 1000000;
    leave->until.tv_sec += leave->until.tv_nsec / 1000000000;
    leave->until.tv_nsec %= 1000000000;
    if (pthread_create(&leave->thread, NULL, wait_for_doors, leave) == 0)
        return leave;
    free(leave);
    return NULL;
}

void rh_leave_stays(struct rh_leave **leaving)
{
    struct rh_leave *leave = *leaving;
    *leaving = NULL;
    if (leave == NULL)
        return;
    pthread_mutex_lock(&leave->lock);
    leave->closed = true;
    pthread_cond_signal(&leave->closed_now);
    pthread_mutex_unlock(&leave->lock);
    (void)pthread_join(leave->thread, NULL);
    free(leave);
}
