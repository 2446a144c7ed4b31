/* SPDX-License-Identifier: Apache-2.0 */
/* One store, one mirror, one sync, and what tests of this room do with them again and again. */
#ifndef TESTS_SYNC_FIXTURE_H
#define TESTS_SYNC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "sync/sync.h"
#include "tests/support/list_source.h"

#define MILLISECOND INT64_C(1000000)
#define LIMIT_NS    (120000 * MILLISECOND) /* how long a test waits for what must come */

struct fixture {
    struct list_store *store;
    bool owns_store;
    struct change_source *source;
    struct mirror *mirror;
    struct sync *sync;
    uint64_t seed;
    size_t memory_limit; /* of the mirror; 0: none */
    /* called at every named point; set before the threads start */
    void (*at_point)(struct fixture *fixture, const char *point);
    void *context;
};

/* Fields of `config` that are 0 get what most tests want: small batches, two loaders, pruning off. */
void fixture_open(struct fixture *fixture, struct sync_config config);
void fixture_open_on(struct fixture *fixture, struct list_store *store, struct sync_config config);
void fixture_close(struct fixture *fixture);

uint64_t test_seed(void); /* RHEI_TEST_SEED or random; printed */
uint64_t test_random(uint64_t *state);

/* id, number, text of a few lengths */
void put_row(struct list_txn *txn, const char *table, int64_t key, int64_t number);
int64_t commit_row(struct list_store *store, const char *table, int64_t key, int64_t number);
void fill_table(struct list_store *store, const char *table, int64_t rows); /* keys 1..rows, one transaction */
/* One random transaction over the tables: puts, removes, moved keys. */
int64_t random_transaction(struct list_store *store, uint64_t *random, const char *const *tables, size_t count,
                           int64_t keys);

void must_build(struct fixture *fixture); /* everything READY */
void must_cycle(struct fixture *fixture);
void must_latest(struct fixture *fixture);
/* The snapshot equals the store at its position. */
void must_equal(struct fixture *fixture);
/* must_latest, the position is the store's, must_equal, and these tables are in it. */
void must_be_current(struct fixture *fixture, const char *const *tables, size_t count);
bool snapshot_has(struct fixture *fixture, uint32_t table);
uint64_t snapshot_rows(struct fixture *fixture, uint32_t table);
struct sync_table_status table_status(struct fixture *fixture, const char *name);
enum sync_table_state table_state(struct fixture *fixture, const char *name);

/* Until `done` says true; false after LIMIT_NS. */
bool wait_until(bool (*done)(struct fixture *fixture), struct fixture *fixture);

/* Something that one thread waits for and another opens. */
struct gate {
    base_mutex mutex;
    base_cond cond;
    bool open;
    int waiting;
};
void gate_init(struct gate *gate);
void gate_destroy(struct gate *gate);
bool gate_wait(struct gate *gate); /* false: not within LIMIT_NS */
void gate_open(struct gate *gate);
bool gate_wait_for_waiter(struct gate *gate);

#endif
