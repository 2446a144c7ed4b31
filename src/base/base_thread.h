/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and waiting with a limit, over POSIX threads. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rhei/rhei_types.h"

typedef pthread_mutex_t base_mutex;
/* Condition variable on the monotonic clock. */
typedef pthread_cond_t base_cond;

void base_mutex_init(base_mutex *mutex);
void base_mutex_destroy(base_mutex *mutex);
void base_mutex_lock(base_mutex *mutex);
void base_mutex_unlock(base_mutex *mutex);
void base_cond_init(base_cond *cond);
void base_cond_destroy(base_cond *cond);
void base_cond_signal(base_cond *cond);
void base_cond_broadcast(base_cond *cond);
void base_cond_wait(base_cond *cond, base_mutex *mutex);
/* Until base_now_ns() >= deadline_ns (INT64_MAX: no limit); false when the time came first. */
bool base_cond_wait_until(base_cond *cond, base_mutex *mutex, int64_t deadline_ns);

/*
 * Waiting for a word to change, for hand-overs where a condition's lock would cost more than the work. Returns when the
 * word isn't `value`, when it is woken, when the time came (INT64_MAX: no limit), or for no reason: look again.
 * Waking touches no memory, so the word may be gone by then.
 */
void base_word_wait(atomic_uint *word, unsigned value, int64_t deadline_ns);
void base_word_wake(atomic_uint *word);

/* A fence of sequential consistency: what was read or written before it, by any means, was so before what comes after. */
void base_fence(void);

typedef pthread_t base_thread;
/* `name` at most 15 bytes. All signals are blocked in the new thread: the application's handlers stay its own. */
rhei_status base_thread_start(base_thread *thread, const char *name, void (*run)(void *), void *argument,
                              struct rhei_error *error);
void base_thread_join(base_thread *thread);
int base_cpu_count(void);
uint64_t base_total_memory(void); /* bytes of the machine, or of its cgroup if smaller */

#endif
