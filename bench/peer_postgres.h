/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL server of the bench's own, what it alone can do, and who else writes to it. */
#ifndef PEER_POSTGRES_H
#define PEER_POSTGRES_H

#include "../tests/support/postgres_fixture.h"

/* NULL: there is none on this machine, which was said. */
struct test_server *peer_server_open(void);

/* Every row of a table by binary COPY, each connection a part of its pages, and thrown away; seconds. */
double peer_copy(struct test_server *server, const char *table, int connections);

/* pgbench's tables, each hundred thousand accounts. */
void peer_load_prepare(struct test_server *server, int scale);
/* pgbench, at so many transactions a second, until it is ended. */
pid_t peer_load_begin(struct test_server *server, int rate);
void peer_load_end(pid_t load);

/*
 * The server's process that tells a follower of its changes is stopped, and goes on: so a backlog can be made, and one follower measured while another
 * rests. `debezium`: whose it is.
 */
pid_t peer_sender_hold(struct test_server *server, bool debezium);
void peer_sender_release(pid_t sender);

#endif
