/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change source that is a list: the second, naive user of the socket in port/change_source.h, and an oracle.
 *
 * A store keeps every event ever committed, so the state at any position can be replayed. Column 0 of every table is its
 * integer key. Any number of readers (sockets) share one store. Any thread, unless a line says otherwise.
 */
#ifndef TESTS_LIST_SOURCE_H
#define TESTS_LIST_SOURCE_H

#include "mirror/mirror.h"
#include "port/change_source.h"

struct list_store;
struct list_txn;

struct list_store *list_store_new(uint64_t seed); /* the seed makes the gaps between positions */
void list_store_free(struct list_store **store);

/* A reader of its own: own pinned state, own token, own idea of the tables, own prune position. */
struct change_source *list_source_open(struct list_store *store);

/* Somebody else prunes for this reader: what it hasn't seen isn't kept for it. */
void list_source_leave_pruning(struct change_source *source);

/* ---- Schema: each is a commit of its own. ------------------------------------------------------------------------ */
uint32_t list_create(struct list_store *store, const char *name, uint32_t column_count);
uint32_t list_add_column(struct list_store *store, const char *name, struct rhei_value fill); /* a new number */
void list_drop(struct list_store *store, const char *name);
void list_exclude(struct list_store *store, const char *name, const char *reason); /* static text; NULL: not any more */
uint32_t list_table_id(struct list_store *store, const char *name);                /* 0: none */

/* ---- Transactions: one writer at a time. ------------------------------------------------------------------------- */
struct list_txn *list_begin(struct list_store *store);
void list_put(struct list_txn *txn, const char *name, const struct rhei_value *values);
void list_remove(struct list_txn *txn, const char *name, int64_t key);
void list_rekey(struct list_txn *txn, const char *name, int64_t key, int64_t to); /* two changes of one number */
/* Of the row with that key, which must be there: all columns but those whose bit is set in `unchanged`. */
void list_patch(struct list_txn *txn, const char *name, const struct rhei_value *values, uint64_t unchanged);
void list_clear(struct list_txn *txn, const char *name);
bool list_get(struct list_txn *txn, const char *name, int64_t key, const struct rhei_value **values);
int64_t list_commit(struct list_txn *txn); /* the position; frees it */
int64_t list_position(struct list_store *store);

/* ---- Trouble. ---------------------------------------------------------------------------------------------------- */
enum list_call { LIST_BEGIN, LIST_NEXT, LIST_TABLES, LIST_LOAD_BEGIN, LIST_LOAD_NEXT, LIST_PRUNE, LIST_CALLS };
/* The n-th call from now fails with this status, once; 0: never. */
void list_fail(struct list_store *store, enum list_call call, uint64_t n, rhei_status status);
void list_fail_always(struct list_store *store, enum list_call call, rhei_status status); /* RHEI_OK: no more */
uint64_t list_calls(const struct list_store *store, enum list_call call);
void list_lose(struct list_store *store);                     /* everything up to now is gone from the log */
void list_poison(struct list_store *store, const char *name); /* its changes come with a column too few */
/* Pruned by everybody up to here; events seen by a begin that were gone already would be `lost`. */
int64_t list_horizon(struct list_store *store);
/* The source counts breaches of its rules by the caller: calls outside a cycle, cycles within cycles. */
uint64_t list_breaches(const struct list_store *store);

/* Called once, when the next load has pinned its state and not yet said so. */
void list_at_next_load(struct list_store *store, void (*at_load)(void *context), void *context);

/* ---- Oracle. ----------------------------------------------------------------------------------------------------- */
/* Fails (false and a message) unless every table of the snapshot equals the store as of the snapshot's position. */
bool list_equals_snapshot(struct list_store *store, const struct mirror_snapshot *snapshot, char *message,
                          size_t message_size);
/* The same where the store is followed under that number. */
bool list_equals_source(struct list_store *store, uint32_t number, const struct mirror_snapshot *snapshot,
                        char *message, size_t message_size);

uint64_t list_event_count(struct list_store *store); /* committed so far */

struct rhei_value list_integer(int64_t value);
struct rhei_value list_real(double value);
struct rhei_value list_text(const char *text); /* borrowed; list_put copies */
struct rhei_value list_null(void);

#endif
