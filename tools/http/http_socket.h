/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http_socket.h
 * Sockets that listen.
 */
#ifndef HTTP_SOCKET_H
#define HTTP_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/** Listens on a TCP address as of http_options.listen. Gives the descriptor, and its "HOST:PORT" in `address`; -1: *why says what is wrong. */
int http_listen(const char *listen, char *address, size_t address_size, int *port, char *why, size_t why_size);
/** Listens on a Unix socket of any length of path, mode 0600; what is there under the name goes. -1: *why says what is wrong. */
int http_listen_socket(const char *path, char *why, size_t why_size);
/** Who is at the other end, as of http_peer(). */
void http_socket_peer(int fd, char *peer, size_t size);

#endif
