/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of the queue as batches of the tables that a catalogue describes. Owner thread.
 *
 *   D1. A change's number lies above the end of the transaction before and not above its own transaction's end, and numbers never fall. Where a transaction has more
 *       changes than there are numbers, runs of them share one, and a run is handed out at once.
 *   D2. A change that can't be told exactly makes its table lost at its number, and never a guess: the columns in the stream aren't those of the definition, its key
 *       isn't sent, a value is none of its type.
 *   D3. What relations the stream told of holds from one call to the next, and back to the first transaction that isn't forgotten.
 *   D4. What the server received from another one (Q5 of postgres_queue.h) was committed before what comes behind it: where that has a time of its own, it isn't later than that.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_DECODE_H
#define SOURCE_POSTGRES_POSTGRES_DECODE_H

#include "source_postgres/postgres_catalog.h"
#include "source_postgres/postgres_queue.h"
#include "source_postgres/postgres_rows.h"

/* A relation as the stream told of it. */
struct postgres_relation {
    uint32_t oid;
    char identity;
    uint16_t columns;
    struct postgres_relation_column *column;
    void *chain; /* all of it */
    /* what it is in the catalogue of that number */
    uint64_t known_by;
    const struct postgres_table *table; /* NULL: none that is followed */
    const char *reason;                 /* why its changes can't be told; NULL: they can */
    uint32_t *place;                    /* [columns] of the definition */
};

struct postgres_relations {
    struct postgres_relation **items;
    size_t count, capacity;
};

struct postgres_decoder {
    const struct postgres_catalog *catalog;
    uint64_t catalog_number;
    struct postgres_relations base, now; /* as of the first transaction that isn't forgotten, and as of the reading */
    struct postgres_relation **all;      /* every one ever told of */
    size_t all_count, all_capacity;
    struct postgres_rows **rows; /* by table of the catalogue; NULL: none yet */
    size_t rows_capacity;
    struct change_batch *views;
    struct base_arena arena;
    struct postgres_cursor cursor;
    const struct postgres_transaction *at; /* being read; NULL: the next one is to be begun */
    const struct postgres_transaction *next, *last;
    uint64_t previous_end;
    int64_t time_us;    /* of `at` */
    uint64_t clock_end; /* D4: where the next transaction ends that has a time of its own, */
    int64_t clock_us;   /* and that time */
    uint64_t change;    /* of the transaction, next to come */
    int64_t seq;        /* of the last change */
    bool unknown;       /* the stream told of something that the catalogue doesn't describe so */
};

/* A catalogue that was read anew; borrowed, with the definitions' ids filled in. */
rhei_status postgres_decoder_use(struct postgres_decoder *decoder, const struct postgres_catalog *catalog,
                                 struct rhei_error *error);
/* Reads what ends behind `after`, up to the transaction `last`; `low` is the end before the first one. */
rhei_status postgres_decoder_begin(struct postgres_decoder *decoder, const struct postgres_transaction *first,
                                   const struct postgres_transaction *last, uint64_t low, uint64_t after,
                                   struct rhei_error *error);
rhei_status postgres_decoder_next(struct postgres_decoder *decoder, size_t max_rows,
                                  const struct change_batch **batches, size_t *count, struct rhei_error *error);
/* This transaction, the first one, is about to be forgotten. */
rhei_status postgres_decoder_pass(struct postgres_decoder *decoder, const struct postgres_transaction *transaction,
                                  struct rhei_error *error);
void postgres_decoder_reset(struct postgres_decoder *decoder);

#endif
