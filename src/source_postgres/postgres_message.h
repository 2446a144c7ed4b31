/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of pgoutput, protocols 1 and 2 (https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html), out of bytes that anybody
 * may have sent. Pure; any thread. What is read borrows the bytes.
 *
 *   M1. A message that was read is whole: its tuples were walked to their end, and nothing is behind it. So who takes cells of one looks no further.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_MESSAGE_H
#define SOURCE_POSTGRES_POSTGRES_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum postgres_message_kind {
    POSTGRES_BEGIN = 'B',
    POSTGRES_COMMIT = 'C',
    POSTGRES_ORIGIN = 'O',
    POSTGRES_RELATION = 'R',
    POSTGRES_TYPE_NAME = 'Y',
    POSTGRES_INSERT = 'I',
    POSTGRES_UPDATE = 'U',
    POSTGRES_DELETE = 'D',
    POSTGRES_TRUNCATE = 'T',
    POSTGRES_LOGICAL = 'M',
    POSTGRES_STREAM_START = 'S',
    POSTGRES_STREAM_STOP = 'E',
    POSTGRES_STREAM_COMMIT = 'c',
    POSTGRES_STREAM_ABORT = 'A',
};

/* A tuple, or the columns of a relation, still as bytes. */
struct postgres_tuple {
    const char *bytes; /* NULL: there is none */
    uint16_t columns;
};

struct postgres_message {
    enum postgres_message_kind kind;
    uint32_t xid; /* BEGIN, STREAM_*; of a message within a stream's block: whose it is (a subtransaction's, perhaps) */
    uint32_t subxid; /* STREAM_ABORT: which one; xid itself: all of it */
    uint64_t end;    /* COMMIT, STREAM_COMMIT: where the commit ends */
    /* COMMIT, STREAM_COMMIT: microseconds since 1970, by the clock of where it was first made (ORIGIN). */
    int64_t time_us;
    uint32_t relation; /* RELATION, INSERT, UPDATE, DELETE */
    char identity;     /* RELATION: d, n, f, i */
    char old_kind;     /* UPDATE, DELETE: K a key, O a whole row, 0 none */
    struct postgres_tuple old_tuple, new_tuple, columns;
    const char *relations; /* TRUNCATE: `relation_count` numbers, big-endian */
    uint32_t relation_count;
};

/* `in_block`: between STREAM_START and STREAM_STOP. False: these bytes are no message that this protocol has. */
bool postgres_message_read(const char *bytes, size_t length, bool in_block, struct postgres_message *message);

struct postgres_cell {
    char kind; /* n NULL, u unchanged, t text, b binary */
    const char *bytes;
    size_t length;
};
/* Takes the tuple's next cell; called at most `columns` times. */
void postgres_tuple_take(struct postgres_tuple *tuple, struct postgres_cell *cell);

struct postgres_relation_column {
    bool key;
    const char *name;
    uint32_t type;
    int32_t modifier;
};
void postgres_relation_take(struct postgres_tuple *columns, struct postgres_relation_column *column);

#endif
