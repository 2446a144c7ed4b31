/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a buffer as the batches that a change source hands out. Owner thread. */
#ifndef FEED_FEED_BATCHES_H
#define FEED_FEED_BATCHES_H

#include "port/change_event.h"

struct feed_batches {
    const struct source_table *tables; /* those that a begin was told; borrowed */
    size_t table_count;
    struct change_batch *list;
    size_t count, capacity;
    const struct rhei_value **nulls; /* columns of a CLEAR */
    size_t null_capacity;
    int64_t *seqs; /* of CLEARs, by batch */
    size_t seq_capacity;
};

void feed_batches_reset(struct feed_batches *batches);
/* Empties it and makes room for so many events of these tables, which live as long as events are added. */
rhei_status feed_batches_begin(struct feed_batches *batches, size_t events, const struct source_table *tables,
                               size_t table_count, struct rhei_error *error);
/* Adds what the event says of a table's rows (if `rows`), or that they are lost (if `lost`); nothing of other events and tables. */
void feed_batches_add(struct feed_batches *batches, const struct change_event *event, bool rows, bool lost);

#endif
