/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limit of connections. gRPC takes accepted sockets itself and tells nobody, so the process's own sockets are looked at now and then; one that is too
 * many is shut down, which gRPC takes for a client that went away. Those that were there first stay. One thread at a time.
 */
#ifndef FLIGHT_CONNECTIONS_H
#define FLIGHT_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>

struct flight_connections {
    uint64_t *known; /* inodes of the sockets that the last look left */
    size_t known_count;
};

/* Ends what came last of more than `most` connections to this port of ours; how many. Without memory it ends none. */
size_t flight_connections_limit(struct flight_connections *connections, int port, size_t most);
void flight_connections_reset(struct flight_connections *connections);

#endif
