/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_pager.h"

#include "rh_interrupt.h"
#include "rh_memory.h"
#include "rh_units.h"
#include "rh_waiting.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct rh_pager {
    FILE *file;
    size_t lines, seen;
    struct rh_buffer held;
    int pipe; /* to the pager; -1: none runs */
    bool direct, left;
    pid_t child;
    int64_t waited_us; /* for whoever reads in the pager */
};

/*
 * Whether the shell would find the program that a command begins with: rows that went to one that isn't there would be lost. A command that
 * begins with more than a name (VAR=x less) is the shell's to know.
 */
static bool is_there(const char *command)
{
    size_t length = strcspn(command, " \t");
    const char *path = getenv("PATH");
    struct rh_buffer file = {0};
    bool found = strcspn(command, "=$\"'`\\;&|(<>") < length;
    if (memchr(command, '/', length) != NULL) {
        rh_buffer_add(&file, command, length);
        found = found || access(file.bytes, X_OK) == 0;
        path = NULL;
    }
    while (path != NULL && !found) {
        size_t folder = strcspn(path, ":");
        rh_buffer_clear(&file);
        rh_buffer_format(&file, "%.*s/%.*s", (int)folder, path, (int)length, command);
        found = access(file.bytes, X_OK) == 0;
        path = path[folder] == ':' ? path + folder + 1 : NULL;
    }
    rh_buffer_free(&file);
    return found;
}

/* The signals that are blocked here, and SIGPIPE, are as usual there: less ends and redraws by them. */
static bool start(struct rh_pager *pager)
{
    const char *set = getenv("PAGER");
    const char *command = set != NULL && set[0] != '\0' ? set : "less -SRX";
    char *const argv[] = {"sh", "-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int ends[2];
    if (!is_there(command) || pipe(ends) != 0)
        return false;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    bool good = posix_spawn(&pager->child, "/bin/sh", &actions, &attributes, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[0]);
    if (good)
        pager->pipe = ends[1];
    else
        close(ends[1]);
    rh_interrupt_paged(good);
    return good;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno != EINTR)
            return false;
        bytes += done > 0 ? done : 0;
        length -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

static bool write_on(struct rh_pager *pager, const char *bytes, size_t length)
{
    rh_waiting_stop(); /* up to here nothing was on the terminal but its line */
    if (pager->pipe >= 0) {
        int64_t began = rh_now_us();
        pager->left = pager->left || !write_all(pager->pipe, bytes, length);
        pager->waited_us += rh_now_us() - began;
        return !pager->left;
    }
    return fwrite(bytes, 1, length, stdout) == length;
}

static ssize_t take(void *context, const char *bytes, size_t length)
{
    struct rh_pager *pager = context;
    for (size_t at = 0; at < length; at++)
        pager->seen += bytes[at] == '\n';
    if (!pager->direct && pager->pipe < 0 && pager->seen <= pager->lines) {
        rh_buffer_add(&pager->held, bytes, length);
        return (ssize_t)length;
    }
    rh_waiting_stop();
    if (!pager->direct && pager->pipe < 0)
        pager->direct = !start(pager); /* without one the terminal scrolls */
    bool good = pager->held.length == 0 || write_on(pager, pager->held.bytes, pager->held.length);
    rh_buffer_clear(&pager->held);
    good = good && write_on(pager, bytes, length);
    return good ? (ssize_t)length : 0;
}

struct rh_pager *rh_pager_open(size_t lines)
{
    struct rh_pager *pager = rh_allocate(sizeof *pager);
    pager->lines = lines;
    pager->pipe = -1;
    pager->direct = lines == 0;
    pager->file = fopencookie(pager, "w", (cookie_io_functions_t){.write = take});
    return pager;
}

struct rh_pager *rh_pager_for(const struct rh_terminal *out)
{
    const char *term = getenv("TERM");
    bool person = out->present && isatty(STDIN_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
    if (!person)
        return NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a pager that was left ends its rows alone */
    return rh_pager_open(out->height > 6 ? out->height - 3 : 3);
}

FILE *rh_pager_file(struct rh_pager *pager)
{
    return pager != NULL && pager->file != NULL ? pager->file : stdout;
}

int64_t rh_pager_close(struct rh_pager **pager)
{
    struct rh_pager *p = *pager;
    int status;
    if (p == NULL)
        return 0;
    if (p->file != NULL)
        fclose(p->file);
    if (p->held.length > 0)
        (void)write_on(p, p->held.bytes, p->held.length);
    if (p->pipe >= 0) {
        int64_t began = rh_now_us();
        close(p->pipe);
        while (waitpid(p->child, &status, 0) < 0 && errno == EINTR)
            ;
        p->waited_us += rh_now_us() - began;
        rh_interrupt_paged(false);
    }
    (void)fflush(stdout);
    int64_t waited_us = p->waited_us;
    rh_buffer_free(&p->held);
    free(p);
    *pager = NULL;
    return waited_us;
}
