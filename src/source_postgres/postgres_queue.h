/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions as they arrive, until they are forgotten: those that committed in their order, each with its messages, and those that are still open.
 * Its owner locks; what was handed out to be read stays as it is until it is forgotten, so it is read without the lock.
 *
 *   Q1. What committed is whole, and never changes. What is open isn't seen.
 *   Q2. Ends grow along the queue.
 *   Q3. What a subtransaction did that was rolled back isn't read.
 *   Q4. Beyond a limit of memory, messages go to a file without a name, transaction by transaction.
 *   Q5. A time is one of this server's clock. What the server itself received by replication is told with the time of where it was first made, whose clock is another, and
 *       whose commit may be hours ago: such a transaction has the time when the server told of its commit, which is never before that.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_QUEUE_H
#define SOURCE_POSTGRES_POSTGRES_QUEUE_H

#include "base/base_buffer.h"
#include "rhei/rhei_types.h"
#include "source_postgres/postgres_message.h"

/* What a TRUNCATE emptied, and which transaction did it. */
struct postgres_truncated {
    uint32_t relation, xid;
};

struct postgres_transaction {
    struct postgres_transaction *next;
    uint32_t xid;
    uint64_t end;       /* once committed */
    int64_t time_us;    /* Q5 */
    int64_t stamp_us;   /* as it was told */
    bool received;      /* by the server, from another one */
    uint64_t changes;   /* messages of changes, those rolled back too */
    uint64_t relations; /* messages about relations */
    bool streamed;
    struct base_buffer memory; /* messages: u32 length, u32 subtransaction, bytes */
    int file;                  /* -1: none */
    uint64_t file_length;
    uint32_t *aborted;
    size_t aborted_count, aborted_capacity;
    uint32_t *truncated; /* relations of its TRUNCATEs */
    size_t truncated_count, truncated_capacity;
};

struct postgres_queue {
    struct postgres_transaction *first, *last; /* committed */
    struct postgres_transaction *open;         /* streamed ones and the one that is being sent */
    struct postgres_transaction *current;      /* whose messages come now; NULL: none */
    bool in_block;
    size_t memory, memory_most;           /* bytes of all messages that are in memory */
    struct postgres_truncated *truncated; /* by what committed, until who asks for them empties the list */
    size_t truncated_count, truncated_capacity;
    uint64_t count;     /* of committed ones */
    uint64_t relations; /* messages about relations, ever */
    const char *folder; /* for files; borrowed */
};

void postgres_queue_init(struct postgres_queue *queue, size_t memory_most, const char *folder);
void postgres_queue_reset(struct postgres_queue *queue);
/* A connection is gone: what was open is sent again, by the next one. */
void postgres_queue_drop_open(struct postgres_queue *queue);
/* Takes a message in that was sent at `sent_us` by the server's clock. *committed: a transaction came to its end, and is the last of the queue. */
rhei_status postgres_queue_put(struct postgres_queue *queue, const char *bytes, size_t length, int64_t sent_us,
                               bool *committed, struct rhei_error *error);
/* False: what committed takes more memory than it should, and nothing more is to be put in until some of it is forgotten. */
bool postgres_queue_has_room(const struct postgres_queue *queue);
/* Those that end at or before `end` go. */
void postgres_queue_forget(struct postgres_queue *queue, uint64_t end);

/* Reads one transaction's messages. Zeroed first. */
struct postgres_cursor {
    const struct postgres_transaction *transaction;
    uint64_t at; /* over file and memory as one */
    struct base_buffer window;
    uint64_t window_at;
};
void postgres_cursor_begin(struct postgres_cursor *cursor, const struct postgres_transaction *transaction);
/* *found: false at the end. The message's bytes live until the next call. */
rhei_status postgres_cursor_next(struct postgres_cursor *cursor, struct postgres_message *message, bool *found,
                                 struct rhei_error *error);
void postgres_cursor_reset(struct postgres_cursor *cursor);

#endif
