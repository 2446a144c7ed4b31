/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpq's way to cancel connects and waits for the server without a limit: two minutes where the network is cut, a minute where the server is
 * stopped. So the same address is asked first, within one, whether anybody is there.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "source_postgres/postgres_connection.h"

#define PATIENCE_NS INT64_C(500000000)

static bool wait_for(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = deadline_ns - base_now_ns();
        struct pollfd ready = {.fd = fd, .events = events};
        int found = left <= 0 ? 0 : poll(&ready, 1, (int)(left / 1000000) + 1);
        if (found >= 0 || errno != EINTR)
            return found > 0;
    }
}

/* Every server answers the question for TLS with one byte. */
static bool answers(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline_ns)
{
    static const unsigned char question[8] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    char answer;
    if (connect(fd, address, length) != 0 && errno != EINPROGRESS)
        return false;
    return wait_for(fd, POLLOUT, deadline_ns) &&
           send(fd, question, sizeof question, MSG_NOSIGNAL) == (ssize_t)sizeof question &&
           wait_for(fd, POLLIN, deadline_ns) && recv(fd, &answer, 1, 0) == 1;
}

static bool is_there(int connected)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (connected < 0 || getpeername(connected, (struct sockaddr *)&address, &length) != 0)
        return false;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool there = fd >= 0 && answers(fd, (const struct sockaddr *)&address, length, base_now_ns() + PATIENCE_NS);
    if (fd >= 0)
        (void)close(fd);
    return there;
}

void postgres_cancel(struct postgres_connection *connection)
{
    char words[256];
    const struct postgres_api *api = connection->api;
    PGcancel *cancel = is_there(api->socket(connection->conn)) ? api->getCancel(connection->conn) : NULL;
    if (cancel == NULL)
        return;
    api->cancel(cancel, words, sizeof words);
    api->freeCancel(cancel);
}
