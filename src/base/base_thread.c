/* SPDX-License-Identifier: Apache-2.0 */
#include "base_thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base_error.h"
#include "base_memory.h"

void base_mutex_init(base_mutex *mutex)
{
    pthread_mutex_init(mutex, NULL);
}

void base_mutex_destroy(base_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void base_mutex_lock(base_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void base_mutex_unlock(base_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

void base_word_wait(atomic_uint *word, unsigned value, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    /* WAIT_BITSET takes its time as a point on the monotonic clock */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns == INT64_MAX ? NULL : &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void base_word_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void base_cond_init(base_cond *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void base_cond_destroy(base_cond *cond)
{
    pthread_cond_destroy(cond);
}

void base_cond_signal(base_cond *cond)
{
    pthread_cond_signal(cond);
}

void base_cond_broadcast(base_cond *cond)
{
    pthread_cond_broadcast(cond);
}

void base_cond_wait(base_cond *cond, base_mutex *mutex)
{
    pthread_cond_wait(cond, mutex);
}

bool base_cond_wait_until(base_cond *cond, base_mutex *mutex, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX) {
        pthread_cond_wait(cond, mutex);
        return true;
    }
    if (deadline_ns < 0)
        deadline_ns = 0;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / INT64_C(1000000000)),
        .tv_nsec = (long)(deadline_ns % INT64_C(1000000000)),
    };
    return pthread_cond_timedwait(cond, mutex, &deadline) != ETIMEDOUT;
}

/* gcc warns that its thread sanitizer knows no fences; there is one all the same, and nobody's proof rests on it. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
void base_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

struct thread_start {
    void (*run)(void *);
    void *argument;
    char name[16];
};

static void *thread_main(void *pointer)
{
    struct thread_start start = *(struct thread_start *)pointer;
    base_free(pointer);
    pthread_setname_np(pthread_self(), start.name);
    start.run(start.argument);
    return NULL;
}

rhei_status base_thread_start(base_thread *thread, const char *name, void (*run)(void *), void *argument,
                              struct rhei_error *error)
{
    struct thread_start *start = base_alloc(sizeof *start);
    if (start == NULL)
        return error_no_memory(error);
    start->run = run;
    start->argument = argument;
    snprintf(start->name, sizeof start->name, "%s", name);

    /* The new thread inherits the mask; blocked before it exists, no signal can ever reach it. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(thread, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0)
        return RHEI_OK;
    base_free(start);
    return error_set(error, RHEI_NO_MEMORY,
                     "the system refused to start thread \"%s\" (error %d); raise the limit of threads for this user",
                     name, failure);
}

void base_thread_join(base_thread *thread)
{
    pthread_join(*thread, NULL);
}

int base_cpu_count(void)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    int count = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        count = CPU_COUNT(&allowed);
    if (count < 1) /* more than 1024 processors do not fit the set */
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count;
}

/* The number in a control-group file, or UINT64_MAX for "max" or no such file. */
static uint64_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    unsigned long long limit = 0;
    bool found = fscanf(file, "%llu", &limit) == 1 && limit > 0;
    fclose(file);
    return found ? limit : UINT64_MAX;
}

/* The smallest limit from this process's own group up to the root, as each ancestor's limit holds too. */
static uint64_t read_group_limits(char *group)
{
    uint64_t smallest = UINT64_MAX;
    for (;;) {
        char path[4200];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        uint64_t limit = read_limit(path);
        if (limit < smallest)
            smallest = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return smallest;
        *slash = '\0';
    }
}

static uint64_t read_control_group_limit(void)
{
    uint64_t smallest = read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"); /* version 1 */
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return smallest;
    char line[4097];
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0) /* the version 2 hierarchy */
            continue;
        line[strcspn(line, "\n")] = '\0';
        uint64_t limit = read_group_limits(line + 3);
        if (limit < smallest)
            smallest = limit;
    }
    fclose(file);
    return smallest;
}

uint64_t base_total_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_size = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size : UINT64_C(1) << 30;
    uint64_t group = read_control_group_limit();
    return group < machine ? group : machine;
}
