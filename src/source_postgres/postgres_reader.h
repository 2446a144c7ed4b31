/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of pages for `poll`, over one connection of its own. Nothing but CONNECT, USAGE and SELECT is needed for it. Owner thread.
 *
 *   V1. `changed` is told by the snapshot that a look's beginning takes: what a state shows is decided by its snapshot alone, so between two equal ones nothing
 *       was committed. A standby's snapshot doesn't tell of all that runs; there the place up to which WAL was replayed is looked at, too, before it.
 *   V2. Everything that a look reads is one state, not older than that snapshot, and pinned by the first page: a look that finds nothing opens no transaction.
 *   V3. A horizon is the oldest transaction that wasn't over in the look's snapshot, in 64 bits. Rows of a later state that the look doesn't show have an xmin that is no
 *       older, whenever their transaction began, and whether it was prepared meanwhile: a prepared one counts as running. xmin has 32 bits of it, so a horizon of more than a
 *       billion transactions ago finds all rows. Rows of an age ago may be found, too; none is missed.
 *   V4. A pinned state doesn't show the rows of a table that is written anew (ALTER TABLE) or emptied (TRUNCATE) behind it: PostgreSQL shows such a table as empty, and
 *       a partition that came or went as it is now. So after the last row of a table it is asked whether that happened, and then none of the look counts.
 *   V5. Another database (system identifier, number): everything is lost. A server that was started anew or promoted, or that counts transactions anew: what was
 *       seen may be gone, as from a restored backup.
 *   V6. A load by several reads the pinned state, too: the reader's connection holds it, and others read it (postgres_copy), once its columns are known to be
 *       those that the catalogue had.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_READER_H
#define SOURCE_POSTGRES_POSTGRES_READER_H

#include "source_postgres/postgres_tables.h"

/* What the readers of one source share. */
struct postgres_polling {
    struct source_postgres_polling config; /* borrowed strings */
    struct postgres_stop stop;
    struct postgres_wanted wanted;
    const char **names; /* of `wanted` */
};

rhei_status postgres_reader_open(void *polling, struct poll_reader **reader, struct rhei_error *error);

/* A value of such a column, as the server reads it back: the same value for all that can be ordered. NULL for NULL; false: no memory. */
bool postgres_parameter(enum postgres_form form, const struct rhei_value *value, struct base_arena *arena,
                        const char **text);

#endif
