/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_connections.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/base_memory.h"

struct connection {
    int fd;
    uint64_t inode;
};

struct connections {
    struct connection *items;
    size_t count, capacity;
};

/* 0: it is no socket. */
static uint64_t inode_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode) ? (uint64_t)about.st_ino : 0;
}

static bool is_to_port(int fd, int port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } own, peer;
    socklen_t own_len = sizeof own, peer_len = sizeof peer;
    if (getsockname(fd, &own.any, &own_len) != 0 || getpeername(fd, &peer.any, &peer_len) != 0)
        return false;
    return (own.any.sa_family == AF_INET && ntohs(own.v4.sin_port) == port) ||
           (own.any.sa_family == AF_INET6 && ntohs(own.v6.sin6_port) == port);
}

static bool add(struct connections *all, int fd, uint64_t inode)
{
    void *items = all->items;
    if (!base_grow(&items, &all->capacity, all->count + 1, sizeof *all->items))
        return false;
    all->items = items;
    all->items[all->count++] = (struct connection){fd, inode};
    return true;
}

static int by_fd(const void *a, const void *b)
{
    return ((const struct connection *)a)->fd - ((const struct connection *)b)->fd;
}

/* In the order of their numbers, which is about that in which they came. */
static bool list(struct connections *all, int port)
{
    DIR *folder = opendir("/proc/self/fd");
    bool good = folder != NULL;
    for (const struct dirent *entry; good && (entry = readdir(folder)) != NULL;) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        uint64_t inode = entry->d_name[0] == '.' ? 0 : inode_of(fd);
        if (inode != 0 && is_to_port(fd, port))
            good = add(all, fd, inode);
    }
    if (folder != NULL)
        (void)closedir(folder);
    if (good && all->count > 0)
        qsort(all->items, all->count, sizeof *all->items, by_fd);
    return good;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_known(const struct flight_connections *connections, uint64_t inode)
{
    return connections->known_count > 0 &&
           bsearch(&inode, connections->known, connections->known_count, sizeof inode, by_value) != NULL;
}

static void remember(struct flight_connections *connections, const struct connections *all)
{
    uint64_t *known = base_alloc_zero(all->count + 1, sizeof *known);
    if (known == NULL)
        return;
    base_free(connections->known);
    connections->known = known;
    connections->known_count = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].inode != 0)
            known[connections->known_count++] = all->items[i].inode;
    if (connections->known_count > 0)
        qsort(known, connections->known_count, sizeof *known, by_value);
}

size_t flight_connections_limit(struct flight_connections *connections, int port, size_t most)
{
    struct connections all = {0};
    size_t ended = 0;
    if (list(&all, port)) {
        for (size_t i = all.count; i-- > 0 && all.count - ended > most;) {
            struct connection *one = &all.items[i];
            /* its number may be another's by now */
            if (is_known(connections, one->inode) || inode_of(one->fd) != one->inode)
                continue;
            (void)shutdown(one->fd, SHUT_RDWR);
            one->inode = 0;
            ended++;
        }
        remember(connections, &all);
    }
    base_free(all.items);
    return ended;
}

void flight_connections_reset(struct flight_connections *connections)
{
    base_free(connections->known);
    *connections = (struct flight_connections){0};
}
