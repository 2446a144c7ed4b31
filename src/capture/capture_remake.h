/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into the schema to keep capture in step with it. Within a write transaction of the writer. */
#ifndef CAPTURE_CAPTURE_REMAKE_H
#define CAPTURE_CAPTURE_REMAKE_H

#include "capture/capture_internal.h"

/* One judging of the schema, and what came of it so far. */
struct capture {
    struct oltp *oltp;
    struct oltp_connection *connection;
    struct oltp_schema *schema;
    struct capture_registry registry;
    enum capture_cause cause;
    struct rhei_error *error;
    bool may_write;
    bool incomplete; /* something must be written and may_write is false */
    bool moved;      /* others changed the schema: rowids without a name of their own may have moved (VACUUM) */
    bool doubtful; /* others changed it, and what is different doesn't explain all that they did (capture_explain.c) */
    const struct oltp_schema *settled; /* the schema that was settled last, if it is known */
    bool appended;                     /* only what our own DDL did is new */
    bool defers;                       /* new tables wait for their triggers (I12) */
    bool lost;                         /* something of ours that was there is gone */
    bool untold;                       /* a table has another number that perhaps wasn't captured all the while */
    bool redefines;                    /* the schema isn't what was read any more */
};

/* A table that needs new triggers. */
struct capture_work {
    struct capture_table_schema *table;
    struct capture_registered found;
    bool keep_number;
};

/* The log, so wide; or as wide as that. */
rhei_status capture_remake_log(struct capture *capture, uint32_t width);
/* Numbers and triggers. What can't be captured has its reason then. */
rhei_status capture_remake_tables(struct capture *capture, struct capture_work *work, uint32_t count);
/* Takes the table's triggers off, all but those that are kept. */
rhei_status capture_remake_drop(struct capture *capture, struct capture_table_schema *table);
/* It isn't captured any more. */
rhei_status capture_remake_stop(struct capture *capture, struct capture_table_schema *table,
                                const struct capture_registered *found);
/* It can't be, and why. */
rhei_status capture_remake_exclude(struct capture *capture, struct capture_table_schema *table, const char *what,
                                   const struct rhei_error *why);
/* Only what is wrong with one table; the file's and the moment's troubles are everybody's. */
bool capture_remake_is_tables_own(rhei_status status);

#endif
