/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about histories share. */
#ifndef SYNC_SYNC_HISTORY_PARTS_H
#define SYNC_SYNC_HISTORY_PARTS_H

#include <string.h>

#include "base/base_arena.h"
#include "sync_history.h"

enum { SINCE, UNTIL, OPERATION, SEQUENCE, ENDED_AT, HISTORY_COLUMNS }; /* behind the table's own */

/* Behind them in the table of what ended, where the key is a hidden rowid. */
#define HISTORY_ROWID "_rhei_rowid"
/* False of a table without one, and in folders of before that was written. */
static inline bool history_ended_has_rowid(const struct source_table *ended)
{
    return ended->column_count > HISTORY_COLUMNS + 1 &&
           strcmp(ended->columns[ended->column_count - 2].name, HISTORY_ROWID) == 0;
}

struct history_past;
struct loading;

struct sync_history {
    char *name; /* the table's */
    struct base_arena names;
    uint32_t number; /* of its generation */
    struct source_table open, ended;
    uint32_t visible; /* columns of the table that the history has: all but a hidden rowid, which is the last */
    bool
        hidden_rowid; /* the open table has it, as its key, behind the history's columns; there the ended one has it, too */
    int64_t clock_us;            /* newest time given */
    int64_t clock_seq;           /* and newest number */
    int64_t known_us, known_seq; /* of a load: the newest ones that the generation that it goes on from knows of */
    uint64_t loaded;             /* its rows */
    bool logged;                 /* the log has something behind what is known */
    int64_t next_row;
    bool attached;
    bool changed; /* by a cycle that was to show `pinned`, */
    int64_t pinned;
    int64_t unshown_us; /* first at that time, of what isn't shown yet if that isn't */
    bool failed;        /* a change couldn't be followed: it has to be dropped before anything is published */

    struct mirror_build *building;
    struct loading *loading;
    uint32_t loaders;
    struct history_past *past; /* what the load goes on from; NULL: nothing */

    struct rhei_value *cells; /* [HISTORY_COLUMNS][room], of the batch at hand */
    size_t room;
    const struct rhei_value **columns; /* [columns of the open table] */
    const struct change_batch *batch;
    uint64_t *unchanged; /* [unchanged_room] its bitmaps, as long as the open table's columns want them */
    size_t unchanged_room;

    /* Of the versions at hand, which are written behind those that ended before the call returns: nothing is copied meanwhile. */
    struct rhei_value **rows;         /* [columns of the ended table][row_room] */
    const struct rhei_value **ending; /* [columns of the ended table]: those, or the versions' own */
    uint32_t *version;                /* [row_room] which of the versions the row is of */
    bool *same;                       /* [row_room] the version goes on */
    uint32_t telling;                 /* the column that told the last of them from their changes */
    size_t row_room;
    struct sync *sync;
    struct rhei_error *error; /* of the call */
    rhei_status status;
};

static inline struct rhei_value history_integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}

enum { HISTORY_INSERTED, HISTORY_UPDATED, HISTORY_DELETED };
/* 'I', 'U', 'D'. */
struct rhei_value history_operation(int which);

/* ---- sync_history_gaps.c. Under `lock` ------------------------------------------------------------------------------ */

/* Nothing is known of the table from then on. It isn't stored yet. */
void history_gap_open(struct sync_generation *generation, int64_t us, int64_t seq);
bool history_gap_is_open(const struct sync_generation *generation);
/* The load goes on from the versions of that generation: up to the load nothing is known, if anything may have happened. */
void history_gap_close(struct sync *sync, const struct sync_history *history, struct sync_generation *generation);
/* Up to when it is known what the table was, which is followed. */
int64_t history_known_until(const struct sync *sync, const struct sync_history *history);

/* The position up to which it is known what the table was, before the load that goes on from that generation. */
int64_t history_known_position(const struct sync *sync, const struct sync_history *history,
                               const struct sync_generation *generation);

/* ---- sync_history_load.c ------------------------------------------------------------------------------------------- */

/*
 * The tables of a generation. `open` and `ended` are those that the mirror has, where it goes on; else their names are made of `root`.
 * Columns keep the names that they had when the generation began. False: no memory.
 */
bool history_define(const struct sync *sync, struct sync_history *history, const struct source_table *table,
                    const struct source_table *open, const struct source_table *ended_before, const char *root);
/* Under `lock`: the names of all its columns are the table's. */
bool history_same_names(const struct sync_generation *generation, const struct source_table *table);
void history_loading_free(struct sync_history *history);
/* The batch's columns, with `cells` behind them, as the open table has them. */
void history_widen(const struct sync_history *history, const struct change_batch *batch, const struct rhei_value *cells,
                   size_t room, const struct rhei_value **columns, struct change_batch *wide);
/* Room for so many rows of the history's own columns. False: no memory. */
bool history_cells_room(struct rhei_value **cells, size_t *room, size_t rows);

#endif
