/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef POLL_INTERNAL_H
#define POLL_INTERNAL_H

#include "base/base_thread.h"
#include "poll.h"

enum { POLL_REASON_SIZE = 256 };

/* A value of its own. */
struct poll_value {
    struct rhei_value value;
    char *bytes;
    size_t capacity;
};
bool poll_value_set(struct poll_value *to, const struct rhei_value *from);
void poll_value_reset(struct poll_value *value);

/*
 * Where looks by one stamp begin: at steps[0], which was the newest stamp at least the overlap ago, and not much longer, so that no more is read again than
 * has to be. Each step was the newest stamp when it was taken, the last one at `taken_ns`, and each of the others a share of the overlap before the next.
 */
enum { POLL_STEPS = 9 };
struct poll_mark {
    struct poll_value steps[POLL_STEPS];
    struct poll_value top; /* of the newest row that was seen, or of one that came later and is older */
    int64_t taken_ns;
};
/* All of it is one value, or the beginning where there is no memory for that, which only makes looks longer. */
void poll_mark_begin(struct poll_mark *mark, const struct rhei_value *value);

/* What is known of a table, from one list of tables to the next. */
struct poll_track {
    char *name;
    uint64_t print; /* of its description */
    uint32_t id;
    bool followed;
    struct poll_mark marks[POLL_STAMPS_MOST];
    uint64_t identity;
    int64_t horizon;      /* of the last sweep, or of the load; 0: none */
    int64_t horizon_next; /* of the sweep of the last look */
    int64_t
        look_moment; /* of the last look, or of the load: what was written before it was told, if looks tell it at all */
    bool advised;    /* what makes it slow was said, or nothing does */

    /* Of the last load that came to its end; taken over with the first look after it. */
    bool loaded;
    struct poll_value load_marks[POLL_STAMPS_MOST];
    int64_t load_horizon;

    bool looked, swept;    /* by the last look, whose publish isn't known yet */
    bool fresh;            /* followed since a load, and not looked at yet */
    bool resumed;          /* it has the number that was kept, and isn't described yet */
    bool whole;            /* followed without a load: its first look is a sweep, and nothing else */
    bool many_without;     /* so many rows have no stamp that looks leave them to the sweeps */
    bool sweep_owed;       /* something changed since the last sweep */
    bool sweep_now;        /* whatever the time */
    bool sweep_deletes;    /* the next sweep tells what is gone, whatever the settings */
    int64_t sweep_from_ns; /* not before */
    int64_t sweep_began_ns;
    int64_t sweep_took_ns,
        sweep_cost_ns;            /* the last one; the shorter of the last two, since one may have been held up */
    int64_t aside_until_ns;       /* not read before, unless tables change; 0: it isn't aside */
    char aside[POLL_REASON_SIZE]; /* why */
};

/* Rows for a batch. */
struct poll_batch {
    struct change_batch view;
    const struct rhei_value **columns;
    struct rhei_value *values; /* of rows that are some of a page */
    uint8_t *op;
    int64_t *seq, *time_us;
    size_t column_capacity, value_capacity, op_capacity, seq_capacity, time_capacity;
};
void poll_batch_reset(struct poll_batch *batch);
/* Of a page: those that are deleted as DELETE, or left out. RHEI_TYPE: a key that is NULL. */
rhei_status poll_batch_fill(struct poll_batch *batch, const struct poll_table *table, const struct poll_rows *rows,
                            bool load, struct rhei_error *error);

/* The place of a page's last row, from which the next one goes on. */
struct poll_place {
    struct poll_value values[POLL_KEYS_MOST + 1];
    struct rhei_value from[POLL_KEYS_MOST + 1];
};
/* False: no memory. */
bool poll_place_set(struct poll_place *place, const struct poll_table *table, const struct poll_rows *rows,
                    int64_t stamp); /* column; -1: none */
void poll_place_reset(struct poll_place *place);

/* A step of a look: one run of pages. */
enum poll_step { STEP_STAMPS = 0, STEP_WITHOUT = POLL_STAMPS_MOST, STEP_SINCE, STEP_SWEEP, STEP_DONE };

struct poll_source {
    struct change_source base;
    struct poll_config config;
    struct poll_reader *reader;
    base_mutex lock; /* tracks: their list, names, ids and load marks, which loads look at */
    struct poll_track **tracks;
    size_t track_count, track_capacity;
    uint32_t next_id;
    _Atomic int64_t position;

    /*
     * Under `lock`: which database the published state is of, "" while nobody knows: the last look found another than the one before, and was
     * not published yet. And when the last look that was published was made, for who goes on from here.
     */
    char identity[POLL_IDENTITY];
    int64_t settled_us;

    /* Of cycles. */
    char seen_identity[POLL_IDENTITY]; /* the last look's */
    char kept_identity[POLL_IDENTITY]; /* what the source goes on from; "": it doesn't */
    bool keeps;                        /* it does, and the first look is still to come */
    int64_t identity_from;             /* a cycle that begins behind it has a published state of seen_identity */
    const struct poll_table *tables;   /* the reader's */
    struct source_table *list;
    struct poll_track **of_table; /* [table_count] */
    size_t table_count, list_capacity, of_capacity;
    bool list_owed;    /* tables have to be described again */
    bool list_changed; /* since tables() was called last */
    bool lost_owed;    /* begin has to say so */
    bool owed;         /* a look was begun, and nothing says that it was published */
    bool looking;      /* this cycle reads */
    bool tentative;    /* marks of the last look wait for its publish */
    int64_t looked_position;
    uint64_t changes;           /* looks that found something changed */
    int64_t looked_us, last_us; /* wall clock: of this look, and of the one before */
    int64_t horizon, moment;    /* of this look's state */

    size_t table;
    uint32_t step;
    bool first, begun_sweep;
    size_t without; /* rows without a stamp, of this step */
    struct poll_place place;
    struct poll_batch batch;
};

/* poll_tracks.c */
rhei_status poll_tracks_take(struct poll_source *poll, const struct poll_table *tables, size_t count,
                             struct rhei_error *error);
struct poll_track *poll_track_add(struct poll_source *poll, const char *name); /* under `lock`; NULL: no memory */
uint64_t poll_print(const struct poll_table *table);
void poll_tracks_free(struct poll_source *poll);
void poll_marks_publish(struct poll_source *poll, int64_t now_ns);
void poll_marks_drop(struct poll_source *poll);
void poll_track_follow(struct poll_track *track); /* under `lock` */
void poll_set_aside(struct poll_source *poll, struct poll_track *track, const struct rhei_error *why);

void poll_track_marks(struct poll_source *poll,
                      size_t table); /* of one that goes on: from where looks after its sweep begin */

/* poll_resume.c */
rhei_status poll_remember(struct change_source *source, void **bytes, size_t *len, struct rhei_error *error);
rhei_status poll_resume(struct change_source *source, const void *bytes, size_t len, struct rhei_error *error);
void poll_identity_begin(struct poll_source *poll, int64_t after, struct poll_state *state);
void poll_identity_look(struct poll_source *poll, int64_t position); /* of the look that begins */

/* poll_load.c */
enum { POLL_OVERLAP_ROWS = 1000 }; /* by so many the first looks reach back */
rhei_status poll_load_begin(struct change_source *source, uint32_t table, uint32_t loaders, struct source_load **load,
                            struct source_load_info *info, struct rhei_error *error);
rhei_status poll_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                           const struct change_batch **batch, struct rhei_error *error);
void poll_load_end(struct source_load **load);

#endif
