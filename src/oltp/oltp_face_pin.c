/* SPDX-License-Identifier: Apache-2.0 */
/* Pins (F3): the state of other sources that a statement, a batch or a transaction reads. */
#include "oltp/oltp_face.h"

/* A state that has the tables that the connection shows, and no others: they may have changed since it was prepared. */
static rhei_status pin_as_shown(struct oltp_connection *connection, const struct table_freshness *freshness,
                                struct rhei_error *error)
{
    enum { TRIES = 100 }; /* while another statement of the connection scans one, it shows what it showed */
    struct table_reader *reader = connection->oltp->face->reader;
    reader->ops->unpin(&connection->pin);
    rhei_status status = reader->ops->pin(reader, freshness, &connection->pin, error);
    for (int tries = 0; status == RHEI_OK && tries < TRIES &&
                        reader->ops->generation_of(connection->pin) + 1 != connection->face_settled;
         tries++) {
        reader->ops->unpin(&connection->pin);
        oltp_face_use(connection);
        status = reader->ops->pin(reader, NULL, &connection->pin, error);
    }
    return status;
}

static uint64_t schema_of(const struct oltp_connection *connection)
{
    return connection->oltp->hooks->version(connection->oltp) + 1;
}

int64_t oltp_face_position_of(const struct oltp_connection *connection, uint32_t source)
{
    return connection->oltp->face->reader->ops->position_of(connection->pin, source);
}

/*
 * Whether SQLite will read such a table by this statement, or may prepare it anew to read none: then a wait for other sources would be in
 * vain, and they may be away. The first step tells (oltp_face_missed). The writer has schemas that nobody knows yet.
 */
static bool is_known_to_read(const struct oltp_connection *connection, const struct oltp_statement *statement)
{
    const struct oltp_elsewhere *elsewhere = face_elsewhere_of(connection);
    return connection->role == OLTP_WRITER ? elsewhere == NULL || (statement->reads_face & ~elsewhere->waited) == 0
                                           : statement->reads_face_version == schema_of(connection);
}

rhei_status oltp_face_pin(struct oltp_connection *connection, struct oltp_statement *statement,
                          const struct oltp_stop *stop, struct rhei_error *error)
{
    connection->pin_asked = connection->face != NULL;
    connection->face_met = 0;
    if (connection->pin_stays && connection->pin != NULL) {
        connection->pinned = statement;
        return RHEI_OK;
    }
    if (statement->reads_face == 0 || !is_known_to_read(connection, statement))
        return RHEI_OK;
    return oltp_face_pin_now(connection, statement, stop, error);
}

/* Nobody waits for another source with the writer in hand. */
static rhei_status pin_for_writer(struct oltp_connection *connection, uint32_t sources, struct rhei_error *error)
{
    struct oltp_elsewhere *elsewhere = face_elsewhere_of(connection);
    bool kept = connection->pin_stays && connection->pin != NULL;
    /* by an earlier call of the session's transaction: whatever came now, it would be too late for what is pinned */
    bool late = kept && connection->oltp->in_session && elsewhere != NULL && elsewhere->waited == 0;
    if (elsewhere != NULL && (sources & ~elsewhere->waited) != 0 && !late) {
        elsewhere->wanted = sources & ~elsewhere->waited;
        return error_set(error, RHEI_STALE,
                         "the statement reads tables of other sources, which must be waited for first");
    }
    if (kept) {
        return error_set(error, RHEI_STALE,
                         "the transaction reads other sources as they were when it read the first of them, and this "
                         "one could not be had then: end the transaction and begin it anew");
    }
    connection->pin_sources = elsewhere == NULL ? UINT32_MAX : elsewhere->waited;
    rhei_status status = pin_as_shown(connection, NULL, error);
    const struct oltp_stop *stop = connection->stop;
    if (status != RHEI_OK || stop == NULL || stop->holds == NULL || stop->holds(stop->holds_context))
        return status;
    connection->oltp->face->reader->ops->unpin(&connection->pin);
    return error_set(error, RHEI_STALE,
                     "what the statement says of the past changed while it was about to be run: ask again");
}

rhei_status oltp_face_pin_now(struct oltp_connection *connection, struct oltp_statement *statement,
                              const struct oltp_stop *stop, struct rhei_error *error)
{
    connection->pinned = statement;
    statement->reads_face_version = schema_of(connection);
    if (connection->role == OLTP_WRITER)
        return pin_for_writer(connection, statement->reads_face, error);
    struct table_freshness freshness = {.most_age_ms = stop == NULL ? 0 : stop->most_age_ms,
                                        .check = stop == NULL ? NULL : stop->check,
                                        .context = stop == NULL ? NULL : stop->context,
                                        .sources = statement->reads_face};
    connection->pin_sources = statement->reads_face;
    return pin_as_shown(connection, &freshness, error);
}

bool oltp_face_missed(struct oltp_connection *connection, struct oltp_statement *statement)
{
    if (!connection->pin_asked)
        return false;
    int prepared = sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (prepared != statement->prepared_anew) {
        statement->prepared_anew = prepared;
        statement->reads_face = connection->face_met;
    }
    statement->reads_face |= connection->pin_missed;
    /* one that only reads may come to them later: they must be pinned by then */
    bool missed = connection->pin_missed != 0 || (statement->reads_face != 0 && statement->read_only &&
                                                  !face_is_pinned(connection, statement->reads_face));
    connection->pin_asked = false;
    connection->pin_missed = 0;
    return missed;
}

void oltp_face_unpin(struct oltp_connection *connection, const struct oltp_statement *statement)
{
    if (connection->pin_stays && statement != NULL) {
        connection->pinned = connection->pinned == statement ? NULL : connection->pinned;
    } else if (connection->pin != NULL &&
               (statement == NULL || connection->pinned == NULL || connection->pinned == statement)) {
        connection->oltp->face->reader->ops->unpin(&connection->pin);
        connection->pinned = NULL;
    }
}

void oltp_face_tell(const struct oltp_connection *connection, const struct oltp_statement *statement)
{
    struct oltp_read_state *read = connection->stop == NULL ? NULL : connection->stop->read;
    if (read == NULL || connection->pin == NULL)
        return;
    for (uint32_t left = statement->reads_face; left != 0; left &= left - 1) {
        uint32_t bit = left & -left;
        read->sources |= bit;
        read->positions[__builtin_ctz(bit)] =
            oltp_face_position_of(connection, source_of_table(table_of_source_bit(bit)));
    }
}

bool oltp_face_keep(struct oltp_connection *connection)
{
    if (connection->oltp->face == NULL || connection->pin_stays)
        return false;
    if (connection->pinned == NULL)
        oltp_face_unpin(connection, NULL);
    connection->pin_stays = true;
    return true;
}

void oltp_face_let_go(struct oltp_connection *connection)
{
    connection->pin_stays = false;
    if (connection->pinned == NULL)
        oltp_face_unpin(connection, NULL);
}
