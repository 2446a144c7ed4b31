/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_leave.h
 * The end of a service whose statements don't end: a single call of a function, of which no engine asks whether it is cancelled.
 */
#ifndef RH_SERVE_LEAVE_H
#define RH_SERVE_LEAVE_H

#include "rh_serve_log.h"

struct rh_leave;
/** From now on the doors have this long to close, or the process leaves with what still runs, as by kill -9. `log` is borrowed. */
struct rh_leave *rh_leave_within(int64_t ms, struct rh_log *log);
/** The doors are closed. Frees it; accepts NULL. */
void rh_leave_stays(struct rh_leave **leave);

#endif
