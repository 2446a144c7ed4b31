/* SPDX-License-Identifier: Apache-2.0 */
#include "http_socket.h"

#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, HOST_MOST = 256 };

/* "HOST:PORT", "[::1]:PORT", ":PORT", "PORT". */
static bool split(const char *listen, char host[HOST_MOST], const char **port)
{
    const char *colon = strrchr(listen, ':');
    const char *from = listen;
    size_t length = colon == NULL ? 0 : (size_t)(colon - listen);
    *port = colon == NULL ? listen : colon + 1;
    if (length > 1 && listen[0] == '[' && listen[length - 1] == ']') {
        from++;
        length -= 2;
    } else if (memchr(listen, ':', length) != NULL) {
        return false; /* an address of IPv6 needs its brackets */
    }
    size_t digits = strspn(*port, "0123456789");
    if (length >= HOST_MOST || digits == 0 || digits > 5 || (*port)[digits] != '\0' || atoi(*port) > 65535)
        return false;
    (void)snprintf(host, HOST_MOST, "%.*s", length == 0 ? 9 : (int)length, length == 0 ? "127.0.0.1" : from);
    return true;
}

static struct addrinfo *resolve(const char *listen, char *why, size_t why_size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char host[HOST_MOST];
    const char *port;
    struct addrinfo *found = NULL;
    if (!split(listen, host, &port)) {
        (void)snprintf(why, why_size, "\"%s\" is no address: it is HOST:PORT, [::1]:PORT, or PORT of 127.0.0.1",
                       listen);
        return NULL;
    }
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        (void)snprintf(why, why_size, "the host of \"%s\" isn't known: %s", listen, gai_strerror(code));
    return code == 0 ? found : NULL;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

bool http_check(const char *listen, char *why, size_t why_size)
{
    struct addrinfo *found = resolve(listen, why, why_size);
    if (found != NULL)
        freeaddrinfo(found);
    return found != NULL;
}

bool http_is_loopback(const char *listen)
{
    char why[400];
    struct addrinfo *found = resolve(listen, why, sizeof why);
    bool loopback = found != NULL;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        loopback = loopback && is_loopback(at->ai_addr);
    if (found != NULL)
        freeaddrinfo(found);
    return loopback;
}

static void name_of(int fd, char *address, size_t size, int *port)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof own;
    char host[HOST_MOST] = "", service[16] = "";
    if (getsockname(fd, (struct sockaddr *)&own, &length) == 0)
        (void)getnameinfo((struct sockaddr *)&own, length, host, sizeof host, service, sizeof service,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    *port = atoi(service);
    (void)snprintf(address, size, own.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, service);
}

int http_listen(const char *listen_at, char *address, size_t address_size, int *port, char *why, size_t why_size)
{
    struct addrinfo *found = resolve(listen_at, why, why_size);
    if (found == NULL)
        return -1;
    const int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (!good) {
        (void)snprintf(why, why_size, "can't listen on %s: %s", listen_at, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    } else {
        name_of(fd, address, address_size, port);
    }
    freeaddrinfo(found);
    return fd;
}

/* A path may be longer than a socket's address has room for: it is named from its folder then. */
static bool bind_path(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    if (slash != NULL)
        (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return false;
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at,
                          slash == NULL ? path : slash + 1);
    bool fits = length > 0 && (size_t)length < sizeof address.sun_path;
    if (!fits)
        errno = ENAMETOOLONG;
    bool good = fits && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    int reason = errno;
    (void)close(at);
    errno = reason;
    return good;
}

int http_listen_socket(const char *path, char *why, size_t why_size)
{
    struct stat there;
    bool is_there = lstat(path, &there) == 0;
    if (is_there && !S_ISSOCK(there.st_mode)) {
        (void)snprintf(why, why_size, "can't listen on the socket %s: a file of that name is there, which is no socket",
                       path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (is_there) /* of a service that was killed */
        (void)unlink(path);
    /* the mode of a socket is that of its descriptor, so nobody else gets in between bind and listen */
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind_path(fd, path) && listen(fd, BACKLOG) == 0)
        return fd;
    (void)snprintf(why, why_size, "can't listen on the socket %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

void http_socket_peer(int fd, char *peer, size_t size)
{
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";
    if (getpeername(fd, (struct sockaddr *)&from, &length) != 0 || from.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&from, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(peer, size, "%s", from.ss_family == AF_UNIX ? "unix:" : "");
    else if (from.ss_family == AF_INET6)
        (void)snprintf(peer, size, "ipv6:[%s]:%s", host, port);
    else
        (void)snprintf(peer, size, "ipv4:%s:%s", host, port);
}
