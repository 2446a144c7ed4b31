/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a server: opened, asked and ended within a limit, and at once where its owner is told to stop. Owner thread, but for
 * postgres_stop_now.
 *
 *   C1. No password is ever in a message: libpq's words about a text that it can't parse aren't shown, and in all others the
 *       password is struck out.
 *   C2. A session reads only: transactions are READ ONLY unless one says otherwise (the making of a publication, and nothing else).
 *   C3. What a session prints doesn't depend on its role, its database or the server: every setting that changes a text is pinned, and row level
 *       security is an error instead of fewer rows.
 *   C4. Where sslmode asks for TLS, wherever it was set, a connection without it is none, also over a socket file, where libpq connects in silence.
 *       Nothing asks a terminal.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_CONNECTION_H
#define SOURCE_POSTGRES_POSTGRES_CONNECTION_H

#include <stdatomic.h>

#include "source_postgres/postgres_api.h"
#include "source_postgres/source_postgres.h"

/* What the server's clock says now, microseconds since 1970: an expression of a statement. */
#define POSTGRES_CLOCK_US "(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint"

struct base_buffer;

/* Ends whatever waits on connections that were opened with it. */
struct postgres_stop {
    atomic_bool stopped;
    int fd; /* readable once stopped */
};
rhei_status postgres_stop_init(struct postgres_stop *stop, struct rhei_error *error);
void postgres_stop_reset(struct postgres_stop *stop);
/* Any thread; for good. */
void postgres_stop_now(struct postgres_stop *stop);

struct postgres_connection {
    const struct postgres_api *api;
    PGconn *conn;
    struct postgres_stop *stop; /* borrowed; may be NULL */
    char *password;             /* to strike out; NULL: none */
    int version;                /* 150018 */
    bool marks;                 /* it has the statement of postgres_mark */
};

/*
 * `replication`: a connection for the commands of replication. Tries once. RHEI_CANT_OPEN: the server says no (whom, where, why); RHEI_IO:
 * nobody answers, or it is starting or ending, so trying later helps; RHEI_TIMEOUT, RHEI_CANCELLED.
 */
rhei_status postgres_connect(const struct postgres_target *target, bool replication, struct postgres_stop *stop,
                             int64_t deadline_ns, struct postgres_connection **connection, struct rhei_error *error);
void postgres_disconnect(struct postgres_connection **connection);

/*
 * Runs one command; *result is of its caller, who clears it (postgres_clear). Parameters are texts, NULL for none. `what` begins an error's
 * message; NULL: it is the server's words alone. After RHEI_IO, RHEI_TIMEOUT and RHEI_CANCELLED the connection is good for nothing but being ended.
 */
rhei_status postgres_query(struct postgres_connection *connection, const char *what, const char *sql, int count,
                           const char *const *parameters, int64_t deadline_ns, PGresult **result,
                           struct rhei_error *error);
/* Gives a statement a name; `types` are those of its parameters. */
rhei_status postgres_prepare(struct postgres_connection *connection, const char *what, const char *name,
                             const char *sql, int count, const uint32_t *types, int64_t deadline_ns,
                             struct rhei_error *error);
/* Runs it. Parameters are texts, what comes back is binary. */
rhei_status postgres_execute(struct postgres_connection *connection, const char *what, const char *name, int count,
                             const char *const *parameters, int64_t deadline_ns, PGresult **result,
                             struct rhei_error *error);
/* The same where nothing comes back. */
rhei_status postgres_run(struct postgres_connection *connection, const char *what, const char *sql, int64_t deadline_ns,
                         struct rhei_error *error);
/* The next row of a COPY to us, which its caller gives back to libpq (freemem); *data NULL at its end. */
rhei_status postgres_copy_row(struct postgres_connection *connection, const char *what, char **data, size_t *length,
                              int64_t deadline_ns, struct rhei_error *error);
/* Waits until the server sent something, or *wake_fd is readable (-1: none), or the time came. */
rhei_status postgres_wait(struct postgres_connection *connection, bool for_write, int wake_fd, int64_t deadline_ns,
                          struct rhei_error *error);
/* Tells the server that nobody waits for its command any more, if it is there: takes half a second at most where it isn't. The connection is given up. */
void postgres_cancel(struct postgres_connection *connection);
void postgres_clear(struct postgres_connection *connection, PGresult **result);
/* Fills the error from the connection's last words, or the result's where there is one. */
rhei_status postgres_fail(struct postgres_connection *connection, const char *what, const PGresult *result,
                          struct rhei_error *error);

static inline const char *postgres_cell(const struct postgres_connection *connection, const PGresult *result, int row,
                                        int column)
{
    return connection->api->getvalue(result, row, column);
}

/* A WAL position as the server writes it, "16/B374D848". False: it isn't one. */
bool postgres_lsn_parse(const char *text, uint64_t *lsn);
enum { POSTGRES_LSN_TEXT = 20 };
void postgres_lsn_text(uint64_t lsn, char text[POSTGRES_LSN_TEXT]);

/*
 * How long to wait before the next try: doubles from 50 ms to 30 s with the number of failures, and is shortened by up to a half at random, so that
 * many who lost one server don't come back together.
 */
int64_t postgres_backoff_ms(unsigned failures);

#endif
