/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL servers for unit tests, through tests/e2e/postgres_server.py: a server ends with the test, however that ends. */
#ifndef SUPPORT_POSTGRES_FIXTURE_H
#define SUPPORT_POSTGRES_FIXTURE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct test_server {
    int version;
    pid_t helper;
    FILE *to, *from;
    int port, pid; /* pid 0: it isn't running */
    char sockets[120];
    char conninfo[160]; /* of its superuser, over TCP */
    PGconn *admin;      /* NULL: not connected */
};

/* 15 or 18; settings are "name=value", ended by NULL, which may be NULL. Fails the test where there is none. */
struct test_server *test_server_open(int version, const char *const *settings);
void test_server_close(struct test_server **server);
/* One of each version, for a group of tests. */
extern struct test_server *test_servers[2];
int test_servers_open(void **state);
int test_servers_close(void **state);
/* "stop", "kill", "start", "hba LINE" (put in front, and read). */
void test_server_tell(struct test_server *server, const char *command);

/* Runs statements as superuser; fails the test on an error. The first field of the last result, until the next call; "" if there is none. */
const char *test_server_sql(struct test_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits until such a query gives "t"; fails the test after a minute. */
void test_server_until(struct test_server *server, const char *query);

#endif
