/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raising a flag may take locks, which a signal handler may not. So there is no handler: the signals are blocked
 * everywhere, and a thread of its own waits for them and raises the flag as ordinary code.
 */
#include "rh_interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static rhei_cancel *guarded;
static atomic_bool came;

static void end_by(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

static void *watch(void *unused)
{
    sigset_t set;
    (void)unused;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number) != 0)
            continue;
        bool again = atomic_exchange(&came, true);
        pthread_mutex_lock(&guard_lock);
        bool raised = guarded != NULL && !again;
        if (raised)
            rhei_cancel_raise(guarded);
        pthread_mutex_unlock(&guard_lock);
        if (!raised)
            end_by(number);
    }
    return NULL;
}

void rh_interrupt_start(void)
{
    sigset_t set;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&thread, NULL, watch, NULL) == 0)
        pthread_detach(thread);
    else
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* no thread: Ctrl-C just ends the process */
}

void rh_interrupt_guard(rhei_cancel *cancel)
{
    pthread_mutex_lock(&guard_lock);
    guarded = cancel;
    pthread_mutex_unlock(&guard_lock);
}

bool rh_interrupted(void)
{
    return atomic_load(&came);
}
