/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_notify.h
 * What systemd is told of a service (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names. Without it nothing is told.
 */
#ifndef RH_SERVE_NOTIFY_H
#define RH_SERVE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/** Lines of NAME=VALUE. False: nobody wants them, or they couldn't be sent. */
bool rh_notify(const char *lines);
/** How often the watchdog wants to hear of us: half of its time, in milliseconds; 0: there is none. */
int64_t rh_notify_watchdog_ms(void);

#endif
