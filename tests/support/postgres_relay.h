/* SPDX-License-Identifier: Apache-2.0 */
/* Between a program and a PostgreSQL server: lets what the server sends over replication connections wait, message by message. */
#ifndef SUPPORT_POSTGRES_RELAY_H
#define SUPPORT_POSTGRES_RELAY_H

struct test_relay;

/* Of the server at that port of this machine; fails the test where it can't be. */
struct test_relay *test_relay_open(int port);
int test_relay_port(const struct test_relay *relay);
/* From now on what comes over replication connections is kept. */
void test_relay_hold(struct test_relay *relay);
/* Each of the next `count` feedback messages that ask for an answer lets one kept message through, the one behind them everything, kept or to come. */
void test_relay_answer(struct test_relay *relay, int count);
void test_relay_close(struct test_relay *relay);

#endif
