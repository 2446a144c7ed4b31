/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of the log: two triggers on it.
 *
 * G1. The newest row stays, and no row changes. Whoever takes the newest one out, or writes into one, with whatever program, has a mark put behind all
 *     rows in the same transaction. It names no table, so every reader of the log has lost all of them (R2 of capture_source_rows.c), and a consumer
 *     is told so. It comes before the row goes, so that numbers never start again. Whoever takes out others, or gives a row a higher number, leaves a
 *     gap, which says the same to those who hadn't read them (R1 there).
 * G2. Writing a row costs nothing more for it: they are triggers of DELETE and UPDATE. Pruning turns triggers off for its own statements.
 * G3. REPLACE takes rows out without triggers, and INSERT has none: who forges rows so is found by who compares.
 * G4. _rhei_meta says that the guard was made. Where it isn't there as it must be then, another program took it off, and what was done to the log since
 *     nobody knows (R2 of capture_registry.c).
 */
#include <string.h>

#include "capture/capture_internal.h"

#define GUARD_TEXT(name, event, when)                                                                    \
    "CREATE TRIGGER " name " BEFORE " event " ON " OLTP_LOG " WHEN " when " BEGIN INSERT INTO " OLTP_LOG \
    "(time, op, tab) VALUES(" CAPTURE_NOW ", 'X', 0); END"
#define GUARD_NEWEST "OLD.seq = (SELECT max(seq) FROM " OLTP_LOG ")"
/* Behind another mark there is none. */
#define GUARD_CHANGED                                                                         \
    "NEW.seq <= OLD.seq AND (" GUARD_NEWEST " OR (SELECT op = 'X' AND tab = 0 FROM " OLTP_LOG \
    " ORDER BY seq DESC LIMIT 1) IS NOT 1)"

static const struct {
    const char *name, *sql;
    unsigned piece;
} guards[] = {
    {CAPTURE_GUARD_DELETE, GUARD_TEXT(CAPTURE_GUARD_DELETE, "DELETE", GUARD_NEWEST), CAPTURE_PIECE_GUARD_DELETE},
    {CAPTURE_GUARD_UPDATE, GUARD_TEXT(CAPTURE_GUARD_UPDATE, "UPDATE", GUARD_CHANGED), CAPTURE_PIECE_GUARD_UPDATE},
};

enum { GUARDS = sizeof guards / sizeof guards[0] };

unsigned capture_guard_piece(const char *name, const char *sql)
{
    for (size_t g = 0; g < GUARDS; g++)
        if (strcmp(guards[g].name, name) == 0)
            return sql != NULL && strcmp(guards[g].sql, sql) == 0 ? guards[g].piece : 0;
    return 0;
}

rhei_status capture_guard_was_taken(struct oltp_connection *connection, const struct oltp_schema *schema, bool *taken,
                                    struct rhei_error *error)
{
    const unsigned known = CAPTURE_PIECE_LOG | CAPTURE_PIECE_META;
    int64_t made = 0;
    rhei_status status = RHEI_OK;
    if ((schema->pieces & known) == known && (schema->pieces & CAPTURE_PIECE_GUARD) != CAPTURE_PIECE_GUARD)
        status =
            oltp_query_int(connection, "SELECT count(*) FROM main._rhei_meta WHERE key = 'guarded'", 0, &made, error);
    *taken = made > 0; /* G4 */
    return status;
}

rhei_status capture_guard_make(struct oltp_connection *connection, struct oltp_schema *schema, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < GUARDS && status == RHEI_OK; g++)
        if ((schema->pieces & guards[g].piece) == 0)
            status = oltp_execf(connection, error, "DROP TRIGGER IF EXISTS main.%s; %s", guards[g].name, guards[g].sql);
    if (status == RHEI_OK)
        status = oltp_exec(connection, "INSERT OR IGNORE INTO main._rhei_meta VALUES('guarded', 1)", error);
    if (status == RHEI_OK)
        schema->pieces |= CAPTURE_PIECE_GUARD;
    return status;
}
