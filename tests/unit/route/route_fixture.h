/* SPDX-License-Identifier: Apache-2.0 */
/* A router over a database in a private folder, its sync and its mirror, without any executor. Fails the test itself. */
#ifndef TESTS_ROUTE_FIXTURE_H
#define TESTS_ROUTE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rhei/rhei.h"
#include "route/route.h"

struct routed {
    char folder[64], path[96];
    struct oltp *oltp;
    struct change_source *source;
    struct mirror *mirror;
    struct sync *sync;
    struct route *route;
};

/* executor may be NULL; busy_timeout_ms 0: 20 s. */
void routed_open(struct routed *routed, struct executor *executor, uint32_t busy_timeout_ms);
void routed_end(struct routed *routed);
/* One statement, written through the router's own handle. */
void routed_write(struct routed *routed, const char *sql);
/* Everything committed is in the mirror, every table built. */
void routed_settle(struct routed *routed);
/* Where the text goes: its rule (static). *target may be NULL. */
const char *routed_choose(struct routed *routed, const char *sql, const struct rhei_value *params, uint32_t count,
                          int32_t hint, enum route_target *target);
struct route_costs routed_costs(struct routed *routed, const char *sql, const struct rhei_value *params,
                                uint32_t count);

#endif
