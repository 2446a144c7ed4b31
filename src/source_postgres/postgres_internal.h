/* SPDX-License-Identifier: Apache-2.0 */
/* A source over the stream of a slot, for the files that it is made of. The thread that runs the cycle, but where it says otherwise. */
#ifndef SOURCE_POSTGRES_POSTGRES_INTERNAL_H
#define SOURCE_POSTGRES_POSTGRES_INTERNAL_H

#include "source_postgres/postgres_again.h"
#include "source_postgres/postgres_decode.h"
#include "source_postgres/postgres_stream.h"
#include "source_postgres/postgres_watch.h"

struct postgres_numbered {
    uint64_t shape;
    uint32_t id;
};

/* How far the stream has come. */
struct postgres_extent {
    uint64_t seen;
    const struct postgres_transaction *last; /* of the queue */
    struct postgres_mark mark;
};

struct postgres_source {
    struct change_source base;
    struct source_postgres_config config;
    const char *told_slot; /* the one with a name, where it is left to somebody else */
    struct postgres_wanted wanted;
    struct postgres_stream stream;
    struct postgres_watch watch;
    struct postgres_decoder decoder;
    struct postgres_connection *asker; /* of the thread that runs the cycle */
    struct postgres_again again;       /* and how it is made again */
    base_mutex lock;                   /* of the catalogue's pointer, which loads take */
    struct postgres_catalog *catalog;
    struct postgres_numbered *numbers;
    size_t number_count, number_capacity;
    uint32_t next_id;
    uint32_t last_id; /* the same, under `lock` */
    struct source_table *list;
    struct postgres_truncated *truncated; /* since the catalogue was looked at */
    size_t truncated_count, truncated_capacity;
    uint64_t relations; /* as many had been told when the catalogue was read */
    int64_t looked_ns;
    uint64_t mark_seen;            /* of the catalogue, by its last reading */
    uint64_t marked_at;            /* and nothing was committed since but what lies behind this place */
    bool awaited;                  /* somebody waits for the next cycle */
    bool names_wanted;             /* the catalogue is to be read by it */
    int64_t known_us;              /* all that happened to the tables by then, by the server's clock, was seen */
    struct postgres_extent extent; /* P5 */
    bool kept_catalog;  /* `catalog` is what was kept of it (postgres_kept.c), for the first look to compare with */
    bool unsettled;     /* a gap was told, and no publish behind it is known: nothing of it is to be gone on with */
    int64_t settles_at; /* the cycle that begins there knows of one */
    /* The last transaction as of the last cycle, and as of the last one that is known to be published (under the stream's `lock`). */
    struct postgres_mark mark, settled;
    bool schema_changed;  /* and the cycles weren't told yet */
    bool published;       /* the publication was there once */
    bool unpublished;     /* the publication wasn't there: what happened meanwhile wasn't told */
    uint64_t lost_before; /* changes before this are lost */
    atomic_uint_least64_t cycles;
};

/* postgres_source.c */
rhei_status postgres_ask_position(struct postgres_source *source, int64_t deadline_ns, struct postgres_moment *moment,
                                  struct rhei_error *error);
bool postgres_is_idle(void *context, int backend, int64_t *clock_us); /* R5; of postgres_stream_reach */

/* postgres_look.c: where it is due, or news asks for it. `flushed`: how far the server had come before. */
rhei_status postgres_look(struct postgres_source *source, uint64_t flushed, int64_t deadline_ns,
                          struct rhei_error *error);
/* Under the stream's `lock`. */
struct postgres_extent postgres_extent_of(const struct postgres_stream *stream);

#endif
