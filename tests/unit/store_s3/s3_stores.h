/* SPDX-License-Identifier: Apache-2.0 */
/* Stores of the tests, each test's behind a prefix of its own, at servers and through a relay. */
#ifndef TESTS_S3_STORES_H
#define TESTS_S3_STORES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_s3/store_s3.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/s3_relay.h"

/* The server that a group of tests speaks to, and what is between; NULL where this machine has none. */
extern struct s3_server *s3_test_server;
extern struct s3_relay *s3_test_relay;

int s3_tests_begin(void **state); /* gofakes3 and a relay */
int s3_tests_end(void **state);
/* A new prefix, and no trouble. Use as a test's set-up. */
int s3_test_begin(void **state);
/* Skips the test where there is no server. */
#define S3_NEED_SERVER()           \
    do {                           \
        if (s3_test_relay == NULL) \
            skip();                \
    } while (0)

/* Of the prefix, by the relay; time-outs that tests can wait for. Endpoint and URL stay until the next one. */
struct store_s3_config s3_test_config(void);
/* Fails the test unless it opens. */
struct blob_store *s3_test_open(const struct store_s3_config *config);
/* Fails the test unless opening gives that, and the message has that in it. */
void s3_test_refused(const struct store_s3_config *config, rhei_status wanted, const char *part);
void s3_test_put(struct blob_store *store, const char *name, const char *text);
/* Fails the test unless the blob is that text. */
void s3_test_has(struct blob_store *store, const char *name, const char *text);
size_t s3_test_count(struct blob_store *store);
/* How many objects lie behind the test's prefix whose name begins so, asked of the server itself. */
int s3_test_objects(const char *begin);

/*
 * Runs this program once more, as a process of its own at the same endpoint and prefix, where s3_test_words gives those words; how that ended, as waitpid
 * tells it. A fork alone is a process with threads missing, which no sanitizer bears.
 */
int s3_test_run(const char *words);
/* NULL: this is the first process. */
const char *s3_test_words(void);

#endif
