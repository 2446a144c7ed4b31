/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raising a flag may take locks, which a signal handler may not. So there is no handler: the signals are blocked
 * everywhere, and a thread of its own waits for them and raises the flag as ordinary code. What the flag doesn't end within
 * PATIENCE_SECONDS, or a second signal comes for, ends with the process: SQLite takes back what wasn't committed.
 */
#include "rh_interrupt.h"

#include "rh_args.h"
#include "rh_waiting.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 2 };

static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static rhei_cancel *guarded;
static bool winding_up;
static atomic_int ending_signal;
static atomic_bool came, resting, done, in_session, paged, taken, taking;
static void (*_Atomic restore_terminal)(void);
static const char *_Atomic cuts;
static atomic_uint_least64_t kept_rows;
static const char *left_folder, *left_mark; /* under guard_lock */

static void tell_left(void)
{
    struct rh_buffer text = {0};
    pthread_mutex_lock(&guard_lock);
    if (left_folder != NULL) {
        rh_buffer_format(&text, "%s/%s", left_folder, left_mark);
        bool there = access(text.bytes, F_OK) == 0;
        rh_buffer_clear(&text);
        if (there)
            rh_buffer_format(&text, "  %s holds what there is of it, and is no backup: remove it.\n", left_folder);
        (void)!write(STDERR_FILENO, text.bytes, text.length);
    }
    pthread_mutex_unlock(&guard_lock);
    rh_buffer_free(&text);
}

/* The flag's way out is the main thread's; where there is none (it waits for input, or for a pipe that nobody reads), ours. */
static void end_now(void)
{
    char words[160], kept[100] = "";
    if (atomic_load(&done)) {
        const char *text = atomic_load(&cuts);
        if (text == NULL)
            text = "rh: all that was asked for is committed; only the closing of the database was cut off\n";
        (void)!write(STDERR_FILENO, text, strlen(text));
        _exit(RH_EXIT_OK);
    }
    uint64_t rows = atomic_load(&kept_rows);
    if (rows > 0)
        (void)snprintf(kept, sizeof kept, "; batches are kept, up to row %" PRIu64 " of the file at least", rows);
    int length = snprintf(words, sizeof words, "rh: cancelled%s [CANCELLED 57014]\n", kept);
    rh_waiting_clear();
    void (*restore)(void) = atomic_load(&restore_terminal);
    if (restore != NULL)
        restore();
    (void)!write(STDERR_FILENO, words, (size_t)length);
    tell_left();
    _exit(RH_EXIT_ERROR);
}

static void raise_guarded(void)
{
    pthread_mutex_lock(&guard_lock);
    if (guarded != NULL)
        rhei_cancel_raise(guarded);
    pthread_mutex_unlock(&guard_lock);
}

/* Who asks meanwhile sees it pending, or `taking`: a signal that is taken and not yet told of would be missed by whoever is at his last look. */
static int next_signal(int fd, const sigset_t *set)
{
    struct signalfd_siginfo info;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (fd < 0)
        return sigwaitinfo(set, NULL);
    if (poll(&ready, 1, -1) != 1)
        return 0;
    atomic_store(&taking, true);
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/* Until a signal comes that ends the command. */
static void await(const sigset_t *set)
{
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    while (!atomic_load(&came)) {
        int number = next_signal(fd, set);
        if (number == SIGINT && (atomic_load(&in_session) || atomic_load(&paged))) {
            atomic_store(&taken, true);
            raise_guarded();
        } else if (number > 0) {
            atomic_store(&ending_signal, number);
            atomic_store(&came, true);
        }
        atomic_store(&taking, false);
    }
    if (fd >= 0)
        (void)close(fd);
}

static void *watch(void *unused)
{
    const struct timespec patience = {.tv_sec = PATIENCE_SECONDS};
    sigset_t set;
    (void)unused;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* what others wait for isn't taken from them: SIGWINCH of the REPL */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    await(&set);
    raise_guarded();
    pthread_mutex_lock(&guard_lock);
    bool patient = guarded != NULL || winding_up || atomic_load(&done);
    pthread_mutex_unlock(&guard_lock);
    while (patient && sigtimedwait(&set, NULL, &patience) < 0 && atomic_load(&resting)) /* or a second signal */
        ;
    end_now();
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
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* no thread: a signal just ends the process */
}

void rh_interrupt_guard(rhei_cancel *cancel)
{
    pthread_mutex_lock(&guard_lock);
    guarded = cancel;
    if (cancel != NULL && atomic_load(&came))
        rhei_cancel_raise(cancel);
    pthread_mutex_unlock(&guard_lock);
}

void rh_interrupt_restores(void (*restore)(void))
{
    atomic_store(&restore_terminal, restore);
}

void rh_interrupt_session(void (*restore)(void))
{
    rh_interrupt_restores(restore);
    atomic_store(&in_session, true);
}

void rh_interrupt_paged(bool is_paged)
{
    atomic_store(&paged, is_paged);
}

static bool is_pending(void)
{
    sigset_t pending;
    sigpending(&pending); /* come, but not yet seen by the watching thread */
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

void rh_interrupt_forget(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (is_pending() || atomic_load(&taking))
        nanosleep(&moment, NULL); /* else it would be seen after it was forgotten */
    atomic_store(&taken, false);
}

void rh_interrupt_wind_up(void)
{
    pthread_mutex_lock(&guard_lock);
    winding_up = true;
    pthread_mutex_unlock(&guard_lock);
}

void rh_interrupt_done(void)
{
    atomic_store(&done, true);
}

void rh_interrupt_cuts(const char *what)
{
    atomic_store(&cuts, what);
}

void rh_interrupt_kept(uint64_t rows)
{
    atomic_store(&kept_rows, rows);
}

void rh_interrupt_leaves(const char *folder, const char *mark)
{
    pthread_mutex_lock(&guard_lock);
    left_folder = folder;
    left_mark = mark;
    pthread_mutex_unlock(&guard_lock);
}

void rh_interrupt_rest(bool rests)
{
    atomic_store(&resting, rests);
}

int rh_interrupt_signal(void)
{
    return atomic_load(&ending_signal);
}

bool rh_interrupted(void)
{
    return is_pending() || atomic_load(&taking) || atomic_load(&came) || atomic_load(&taken);
}
