/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_log.h
 * Lines of a service: written, and the last of them kept for whoever looks at it.
 */
#ifndef RH_SERVE_LOG_H
#define RH_SERVE_LOG_H

#include "rh_memory.h"
#include "rh_terminal.h"
#include "rhei/rhei.h"

struct rh_log_kept;
struct rh_log {
    struct rh_terminal terminal; /* of standard error */
    bool json;                   /* log_format */
    bool headless;               /* with the time, and without colours */
    struct rh_log_kept *kept;
};

void rh_log_start(struct rh_log *log);
void rh_log_free(struct rh_log *log);
/** A rhei_log_function whose context is a struct rh_log. Any thread. */
void rh_log_line(void *log, int level, const char *room, const char *message);
void rh_log_format(struct rh_log *log, int level, const char *room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/**
 * A rhei_log_function of doors, whose context is a struct rh_log: a warning that begins with "refused " is written as long as there are few of them, so that who
 * guesses passwords fills no disk; how many were left out is told by rh_log_tell_left_out(). Any thread.
 */
void rh_log_door_line(void *log, int level, const char *room, const char *message);
/** Tells how many refusals were left out, once some seconds went by, or `now`. */
void rh_log_tell_left_out(struct rh_log *log, bool now);
/** The last lines as a JSON array, oldest first. Any thread. */
void rh_log_add_json(const struct rh_log *log, struct rh_buffer *json);
/** The time since 1970. */
int64_t rh_log_now_us(void);

#endif
