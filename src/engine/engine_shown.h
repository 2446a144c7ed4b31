/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of other sources, whose rows are in the column store alone: shown on every connection of SQLite, and so to the router. For
 * who brings a source (a sidecar, a history, a test); no public API yet.
 */
#ifndef ENGINE_ENGINE_SHOWN_H
#define ENGINE_ENGINE_SHOWN_H

#include "engine/engine_internal.h"
#include "port/table_reader.h"

struct engine_sidecar_disk;
struct engine_source {
    const char *name; /* the schema that its tables are in; copied */
    uint8_t number;   /* 1..15: the upper 8 bits of its tables' numbers */
    /* Followed until the handle is closed, by cycles of its own; closed by its owner after that. NULL: somebody else fills its tables. */
    struct change_source *changes;
    /* Asked before each wait for the source, or, without `changes`, does the waiting. May be NULL. */
    rhei_status (*fresh)(void *context, const struct table_freshness *freshness, struct rhei_error *error);
    void *context;
    const char *
        histories; /* the schema of its tables' histories, which are kept then; NULL: none are; lives as long as the handle */
    bool
        patient; /* one that is away is waited for as long as the call may last, or the busy time-out; RHEI_STALE then */
    bool remote;                            /* sync_config.remote */
    uint32_t load_threads;                  /* of one table's load; 0: one per core */
    const struct engine_sidecar_disk *disk; /* what its cycles go on from; NULL: nothing */
    const struct base_log *log;             /* what its cycles say goes there; NULL: to the handle's */
    struct sync **sync;                     /* where to put what follows it, the handle's own; may be NULL */
};
/* Before the handle is used by others: RHEI_OLAP_UNAVAILABLE without a column store, RHEI_INVALID for a number that is taken. */
rhei_status engine_show_source(struct rhei_db *db, const struct engine_source *source, struct rhei_error *error);

/*
 * What was waited for in vain, with the reason and since when, whoever ended the wait (`status`). `there`: of what is there anything is shown, and might be
 * read with less freshness.
 */
rhei_status engine_say_late(const char *name, struct sync *sync, rhei_status status, const struct rhei_error *why,
                            bool there, struct rhei_error *error);
/* A moment between two looks at a source that is away; false: the call or the patience is over. */
bool engine_rest(rhei_status (*check)(void *context), void *context, int64_t patience_ns);

#endif
