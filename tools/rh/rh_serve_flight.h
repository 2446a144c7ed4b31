/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_flight.h
 * The network door of rh serve: librhei_flight, loaded where it is asked for.
 */
#ifndef RH_SERVE_FLIGHT_H
#define RH_SERVE_FLIGHT_H

#include "rh_serve_settings.h"
#include "rhei/rhei_flight.h"

struct rh_flight;

/** Looks at all that says who may come in, by this door and by http_listen, before anything is opened: files of secrets, the certificate. False: the error was told. */
bool rh_flight_check(const struct rh_tool *tool, const struct rh_service_settings *settings);
/** Starts it where the command line or the settings name an address, and says so; else *flight is NULL. False: the error was told. */
bool rh_flight_start(const struct rh_tool *tool, const struct rh_service_settings *settings, rhei_log_function log,
                     void *log_context, struct rh_flight **flight);
/** "HOST:PORT"; NULL of NULL. Borrowed. */
const char *rh_flight_address(const struct rh_flight *flight);
/** How many calls run. Accepts NULL. */
unsigned rh_flight_calls(const struct rh_flight *flight);
void rh_flight_stop(struct rh_flight **flight, int64_t drain_ms);
/** The same credentials for another door. */
struct rh_guard;
typedef rhei_status rh_guard_enter(rhei_flight_guard *guard, const char *authorization, size_t length,
                                   struct rhei_flight_visitor *visitor, struct rhei_error *error);
/** False: there are none, and nobody said that there needn't be; told. */
bool rh_guard_open(const struct rh_tool *tool, const struct rh_service_settings *settings, struct rh_guard **guard);
rhei_flight_guard *rh_guard_of(const struct rh_guard *guard, rh_guard_enter **enter);
/** Accepts NULL. */
void rh_guard_close(struct rh_guard **guard);
/** rh serve --make-user: the exit code. */
int rh_flight_make_user(const struct rh_tool *tool);

#endif
