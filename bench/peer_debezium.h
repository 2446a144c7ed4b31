/* SPDX-License-Identifier: Apache-2.0 */
/* Debezium's embedded engine, in a Java machine of its own, following the bench's server. */
#ifndef PEER_DEBEZIUM_H
#define PEER_DEBEZIUM_H

#include "peer_postgres.h"

struct peer_debezium;

/* NULL: it can't be had here, which was said. */
struct peer_debezium *peer_debezium_open(struct test_server *server, const char *tables);
/* Waits for the change of the table `probe` that made its n this; when it was delivered, as bench_now_s tells the time. */
double peer_debezium_await(struct peer_debezium *peer, int64_t n);
void peer_debezium_close(struct peer_debezium **peer);

#endif
