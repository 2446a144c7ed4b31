/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef CHECKPOINT_CHECKPOINT_INTERNAL_H
#define CHECKPOINT_CHECKPOINT_INTERNAL_H

#include "base/base_invariant.h"
#include "base/base_thread.h"
#include "checkpoint.h"
#include "checkpoint_copy.h"
#include "checkpoint_format.h"

/* A segment as the newest checkpoint has it. */
struct checkpoint_known {
    uint64_t lineage; /* mirror_view_segment_lineage; 0: the place is empty, or the segment has none here any more */
    uint64_t uid;
    uint32_t rows;
    bool in_pieces;
    uint64_t *dead; /* [CHECKPOINT_DEAD_WORDS], NULL: none */
    uint64_t bytes; /* of its blob, */
    uint64_t sum;   /* and of what is in it */
};

struct checkpoint_known_table {
    uint32_t id;
    uint32_t count;
    struct checkpoint_known *segments; /* by the segment's number in the mirror */
};

/* A set of tables that a checkpoint has; sorted by id. */
struct checkpoint_set {
    struct checkpoint_known_table *tables;
    size_t count, capacity;
};

struct checkpoint {
    struct checkpoint_config config;
    struct checkpoint_files *files;
    base_mutex run_lock;         /* one checkpoint at a time: guards what follows */
    uint64_t version;            /* of the store's manifest */
    struct checkpoint_head head; /* of the newest; base 0: there is none */
    bool whole_wanted;           /* the next one must be a manifest */
    bool away;                   /* the store couldn't be asked for the last one */
    uint64_t manifest_bytes, delta_bytes;
    struct checkpoint_set set;
    uint32_t *named; /* [named_count] of a look: the tables that were read */
    uint32_t named_count;
    uint32_t *lost; /* [lost_count] tables of histories of which a file couldn't be read; as of the opening */
    size_t lost_count, lost_room;
    bool lost_deltas; /* and a delta couldn't, so any of them may lack versions */
    void *state;      /* [state_len] as of the opening */
    size_t state_len;
    uint64_t seen_publishes; /* of the mirror, when the newest was made */

    base_mutex lock; /* a leaf: the rest */
    base_cond wake;
    bool stopping, running;
    uint64_t next_uid; /* of the next new segment: a name is given once, whatever comes of it */
    base_thread thread;
    struct checkpoint_status status;
    rhei_status (*hold)(void *context, int64_t position, struct rhei_error *error); /* may be NULL, as the next */
    void *hold_context;
    void (*durable)(void *context, int64_t position);
    void *durable_context;
    uint64_t (*wishes)(void *context); /* may be NULL, with the next */
    void (*fulfil)(void *context, uint64_t wish);
    void *wishes_context;
    uint64_t (*built)(void *context); /* tables that were built; may be NULL */
    void *built_context;

    /* Eviction's (checkpoint_evict.c), under run_lock. */
    void (*exchange)(void *context, void (*run)(void *run_context), void *run_context);
    void *exchange_context;
    size_t limit;                     /* of the mirror's memory; 0: none, and nothing goes */
    uint32_t hand_table, hand_number; /* where the next segment is looked for */
    size_t pressed_at;                /* what was resident when nothing more could go; 0: it could */
};

enum {
    CHECKPOINT_MOST_DELTAS = 16, /* behind a manifest: then comes the next one */
    CHECKPOINT_CHANGING = -2,    /* the engine code of what a medium gives differently each time */
};
struct checkpoint_ahead;

void checkpoint_fault(const struct checkpoint *checkpoint, const char *point);

void checkpoint_set_drop_last(struct checkpoint_set *set);
void checkpoint_set_reset(struct checkpoint_set *set);
struct checkpoint_known_table *checkpoint_set_find(const struct checkpoint_set *set, uint32_t id);
/* Behind the last one; ids must grow. NULL: no memory. */
struct checkpoint_known_table *checkpoint_set_add(struct checkpoint_set *set, uint32_t id, uint32_t segments);

/* What a file of this codec has in its number. */
uint64_t checkpoint_uid_bit(const struct segment_codec *codec);
/* The first of `count` numbers for new segments; returns the next one behind them. Any thread. */
uint64_t checkpoint_take_numbers(struct checkpoint *checkpoint, uint64_t count, uint64_t *first);

/* checkpoint_evict.c: whether segments should go from memory, and making them. */
void checkpoint_evict_init(struct checkpoint *checkpoint);
bool checkpoint_is_pressed(const struct checkpoint *checkpoint);
void checkpoint_evict(struct checkpoint *checkpoint);

/* checkpoint_sweep.c: what can't be taken away is tried again after the next manifest. */
void checkpoint_sweep(struct checkpoint *checkpoint);
/* checkpoint_load.c: with nothing else using the handle. */
rhei_status checkpoint_load(struct checkpoint *checkpoint, struct checkpoint_restored *restored,
                            struct rhei_error *error);
/*
 * checkpoint_read.c, where `ahead` may be NULL: all of the manifest (*version 0: there is none, RHEI_OK), of the delta that goes on from `before`, or of a segment's file (`sum` as
 * checkpoint_check_bytes), as it was written. Free *bytes with base_free. RHEI_IO: it is damaged, and was so when it was asked for a second time.
 * RHEI_NOT_FOUND, also if it goes meanwhile. RHEI_TOO_NEW. Any thread.
 */
rhei_status checkpoint_read_manifest(struct blob_store *store, void **bytes, size_t *len, uint64_t *version,
                                     struct rhei_error *error);
rhei_status checkpoint_read_delta(struct blob_store *store, const char *name, const struct checkpoint_head *before,
                                  struct checkpoint_ahead *ahead, void **bytes, size_t *len, struct rhei_error *error);
rhei_status checkpoint_read_file(struct blob_store *store, const char *name, const struct segment_codec *codec,
                                 uint64_t sum, void **bytes, size_t *len, struct rhei_error *error);
/* The deltas that may follow the manifest of that head, so that they are asked for together. RHEI_NO_MEMORY. */
rhei_status checkpoint_expect_deltas(struct checkpoint_ahead *ahead, struct blob_store *store,
                                     const struct checkpoint_head *head, struct rhei_error *error);
/* What the store gave was wrong, and may have become so on its way: then the error is cleared, and it is to be asked for once more. Any thread. */
bool checkpoint_look_again(const struct blob_store *store, rhei_status status, struct rhei_error *why);
/* checkpoint_check.c: all bytes of a segment's file. RHEI_IO: they are damaged, or (sum not 0) another one's. */
rhei_status checkpoint_check_bytes(const struct segment_codec *codec, uint64_t sum, const char *name, const void *bytes,
                                   size_t len, struct rhei_error *error);
/* checkpoint_write.c: under run_lock. */
rhei_status checkpoint_write(struct checkpoint *checkpoint, struct rhei_error *error);
/* All that the snapshot has, by `target`, a handle that was never opened and has the other store. */
rhei_status checkpoint_write_export(struct checkpoint *target, const struct checkpoint_export *export,
                                    struct rhei_error *error);
/* checkpoint_copy.c: so many bytes more were written; what its check says. */
rhei_status checkpoint_export_goes_on(const struct checkpoint_export *export, uint64_t bytes, struct rhei_error *error);

#endif
