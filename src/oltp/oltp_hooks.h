/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the row store asks of whoever knows the schema and captures changes. It knows no more of either than stands here: a schema is
 * a pointer, and without hooks (oltp_config.hooks is NULL) nothing is known of it and SQLite answers as it is.
 *
 *   H1. Hooks are called on the thread that needs the answer, with the writer held where a line says so, and with no lock held.
 *   H2. A `struct oltp_schema *` is one reference; whoever gets it releases or publishes it, once. NULL: it isn't known.
 *   H3. From `open` to `close` of the handle: open, begin, any of the others, end. `end` comes also where `open` or `begin` failed;
 *       the connections are there at `end`, and nobody else calls any more.
 */
#ifndef OLTP_OLTP_HOOKS_H
#define OLTP_OLTP_HOOKS_H

#include "oltp/oltp.h"

struct oltp_connection;
struct oltp_schema; /* defined by who fills the hooks */

/* What the text of a DDL statement says of its effect. */
struct oltp_ddl {
    bool creates;        /* CREATE: adds to the schema, changes nothing of it */
    const char *altered; /* the table that is about to be altered, or NULL */
    const char *dropped; /* the name that DROP is about, or NULL */
    char dropped_kind;   /* 't'able, 'v'iew, 'i'ndex, t'r'igger */
};

/* Why upkeep is due, as bits. */
enum {
    OLTP_UPKEEP_LIMIT = 1,
    OLTP_UPKEEP_SEEN = 2,
    OLTP_UPKEEP_CHECKPOINT = 4,
    OLTP_UPKEEP_TICK = 8,
    OLTP_UPKEEP_LATER = 16, /* oltp_upkeep_later asked for it */
};

struct oltp_hooks {
    /* ---- The handle's life. ---- */
    /* Before any connection is there: the hooks' own state, in oltp->hooked. */
    rhei_status (*open)(struct oltp *oltp, struct rhei_error *error);
    /* With the connections there: looks at the schema for the first time and sets oltp->position. */
    rhei_status (*begin)(struct oltp *oltp, struct rhei_error *error);
    /* Gives everything back. */
    void (*end)(struct oltp *oltp);
    /* Before anything of the file changes: RHEI_EXISTS where one of our names is somebody else's object. */
    rhei_status (*check_names)(struct oltp_connection *connection, struct rhei_error *error);
    /* Somebody captures the file's changes, though what capture needs may have been taken by others. */
    rhei_status (*is_captured)(struct oltp_connection *connection, bool *captured, struct rhei_error *error);
    /* The fields of the log. */
    rhei_status (*status)(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error);

    /* ---- What is known of the schema. ---- */
    /* Of the current schema: raised whenever another one is known. */
    uint64_t (*version)(const struct oltp *oltp);
    /* The same if that schema has this cookie, else 0. */
    uint64_t (*version_of)(struct oltp *oltp, int64_t cookie);
    /* Makes the file's schema the current one. Never waits for a writer: RHEI_BUSY when one holds back what has to be written first. */
    rhei_status (*settle)(struct oltp *oltp, struct rhei_error *error);
    /* The current schema if it has this cookie, else NULL. */
    struct oltp_schema *(*hold)(struct oltp *oltp, int64_t cookie);
    /* Accepts NULL. */
    void (*release)(struct oltp_schema *schema);
    uint64_t (*schema_version)(const struct oltp_schema *schema);
    /* True if a word of the text may name a view. */
    bool (*names_view)(const struct oltp_schema *schema, const char *sql, size_t len);
    /* The class that every value of the column surely has, else RHEI_NULL. */
    uint8_t (*column_class)(struct oltp_schema *schema, const char *table, const char *column);
    /* In the current schema: whether the column is the table's rowid. */
    bool (*is_rowid)(struct oltp *oltp, const char *table, const char *column);
    /* In the current schema: whether inserting a row runs nothing but our own triggers, so that nobody can ask changes(). */
    bool (*inserts_plainly)(struct oltp *oltp, const char *table);

    /* ---- The writer, held. ---- */
    /* No transaction is open: makes the file's schema the current one; `by_others`: what changed may be anybody's doing. */
    rhei_status (*refresh)(struct oltp *oltp, bool by_others, struct rhei_error *error);
    /*
     * Around a DDL statement, in the open transaction. `made`: what this transaction's DDL made so far, or NULL. *base gets the
     * schema before the statement, NULL if it isn't known, also where before_ddl fails.
     */
    rhei_status (*before_ddl)(struct oltp *oltp, struct oltp_schema *made, const struct oltp_ddl *ddl,
                              struct oltp_schema **base, struct rhei_error *error);
    /* *made is replaced if it changed the schema of main. */
    rhei_status (*after_ddl)(struct oltp *oltp, const struct oltp_ddl *ddl, struct oltp_schema *base,
                             struct oltp_schema **made, struct rhei_error *error);
    /* After the commit: what its DDL made is current from now on. Takes the reference. */
    void (*publish)(struct oltp *oltp, struct oltp_schema *made);
    /* The same where some of it may have been taken back since: looks first. */
    void (*publish_if_current)(struct oltp *oltp, struct oltp_schema *made);

    /* ---- The maintenance's thread. ---- */
    /* Whether anybody follows the write-ahead log, so that pin_frames has something to do. */
    bool (*follows)(const struct oltp *oltp);
    /*
     * Before a checkpoint: sees all frames, and pins them by a read transaction of the connection, so that no log that is copied to
     * its end has frames that weren't seen. True: end the transaction after the checkpoint.
     */
    bool (*pin_frames)(struct oltp *oltp, struct oltp_connection *connection);
    /* The log's limit, this engine's sign of life and whatever was kept for later; `due`: OLTP_UPKEEP_ bits. */
    void (*upkeep)(struct oltp *oltp, unsigned due);
};

#endif
