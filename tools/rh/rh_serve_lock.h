/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_lock.h
 * One service for a database: a file beside it, FILE-serve, that is locked while it runs and has its process in it.
 */
#ifndef RH_SERVE_LOCK_H
#define RH_SERVE_LOCK_H

#include "rh_tool.h"

#include <stdint.h>

struct rh_serve_lock {
    int fd; /* -1: there is none */
    char *path;
    char *socket; /* FILE-serve.sock; NULL: there is none */
};

/** Of a database that is not a file (:memory:, file:...) or isn't there it takes none. False: another service has it, the file has a second name (a hard link), or it can't be made; told. */
bool rh_serve_lock_take(const struct rh_tool *tool, const char *database, struct rh_serve_lock *lock);
/** How many names (hard links) the database's file has; 1 where it is none. */
uintmax_t rh_serve_lock_names(const char *database);
void rh_serve_lock_release(struct rh_serve_lock *lock);

#endif
