/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables whose rows live elsewhere, shown on every connection in an attached schema of their source's name.
 *
 * F1. A schema is the image of a database that was made once: an attached ":memory:" of which nothing is ever written. So SQLite
 *     itself gives local names precedence, and a hundred tables cost a connection some 25 us, by whatever way it was opened. Readers share
 *     the image, read-only; the writer has a copy, because BEGIN IMMEDIATE begins a write in every attached database.
 * F2. A connection looks for newer images before it prepares or runs a cached statement; while a scan of one runs SQLite says BUSY, and
 *     the next statement tries again. Another set, another version of the schema for all who cache by it (oltp_version_with).
 * F3. A statement that reads such a table reads one pinned state: pinned before its first step, let go after its reset, because SQLite
 *     keeps pointers to texts until then. All statements of a transaction (a session's, a script's) and all rows of a batch read one:
 *     that which the first of them pinned (oltp_face_keep). One that comes to read such a table because the schema changed under it, in
 *     its first step, ends where it would open the table, and begins again with a pin (oltp_face_missed).
 * F4. Nothing there can be changed: the authorizer refuses, in clear words, whatever would.
 */
#include "oltp/oltp_face.h"

#include <string.h>

/* ---- Connections. ------------------------------------------------------------------------------------------------- */

int oltp_authorize(void *context, int action, const char *first, const char *second, const char *schema,
                   const char *trigger)
{
    (void)trigger;
    return oltp_face_authorize(context, action, first, second, schema);
}

static int attach(struct oltp_connection *connection, const struct face_schema *schema)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "ATTACH ':memory:' AS ");
    base_buffer_identifier(&sql, schema->name);
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_exec(connection->db, sql.data, NULL, NULL, NULL);
    base_buffer_reset(&sql);
    return rc;
}

/*
 * Not while something of it is read, or the writer has begun a transaction, which is one of every schema: SQLite would say BUSY itself, but then
 * goes on to make what is created without a schema's name in this one.
 */
static int show_image(struct oltp_connection *connection, const struct face_schema *schema)
{
    if (sqlite3_txn_state(connection->db, schema->name) != SQLITE_TXN_NONE)
        return SQLITE_BUSY;
    if (connection->role != OLTP_WRITER) {
        return sqlite3_deserialize(connection->db, schema->name, schema->image, schema->size, schema->size,
                                   SQLITE_DESERIALIZE_READONLY);
    }
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)schema->size);
    if (copy == NULL)
        return SQLITE_NOMEM;
    memcpy(copy, schema->image, (size_t)schema->size);
    return sqlite3_deserialize(connection->db, schema->name, copy, schema->size, schema->size,
                               SQLITE_DESERIALIZE_FREEONCLOSE); /* which frees it after a failure too */
}

static int show(struct oltp_connection *connection, struct oltp_face_set *set)
{
    struct face_context *face = connection->face;
    int rc = SQLITE_OK;
    BASE_INVARIANT(connection->face_schemas <= set->schema_count); /* F2: schemas stay, in their order */
    if (face == NULL) {
        face = base_alloc_zero(1, sizeof *face);
        if (face == NULL)
            return SQLITE_NOMEM;
        face->connection = connection;
        face->set = set;
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
        rc = face_module_register(connection->db, face);
        if (rc != SQLITE_OK)
            return rc;
        connection->face = face;
        if (connection->role != OLTP_DESCRIBER) /* whose own one asks us, too */
            sqlite3_set_authorizer(connection->db, oltp_authorize, connection);
    }
    /* sets keep the order of schemas, so new ones are the last */
    connection->showing = true;
    for (uint32_t s = connection->face_schemas; s < set->schema_count && rc == SQLITE_OK; s++) {
        rc = attach(connection, &set->schemas[s]);
        connection->face_schemas += rc == SQLITE_OK;
    }
    for (uint32_t s = 0; s < set->schema_count && rc == SQLITE_OK; s++)
        rc = show_image(connection, &set->schemas[s]);
    connection->showing = false;
    if (rc == SQLITE_OK && face->set != set) {
        struct oltp_face_set *old = face->set;
        face->set = set;
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
        face_set_release(old);
    }
    return rc;
}

/* Reads of the file, so that SQLite looks at its schema: how often that was another one than before. False: it can't be read now. */
static bool look_at_main(struct oltp_connection *connection, int *changes)
{
    (void)sqlite3_step(connection->face_look);
    *changes = sqlite3_stmt_status(connection->face_look, SQLITE_STMTSTATUS_REPREPARE, 0);
    return sqlite3_reset(connection->face_look) == SQLITE_OK;
}

/*
 * SQLite looks whether a schema is still the file's only where a statement reads of that file. One that reads of ours alone would not
 * notice that a local table has come by its name; so somebody reads the file after each commit, and where its schema is another one, the
 * connection's statements are prepared anew, as they are when an authorizer is set.
 */
static void face_know_main(struct oltp_connection *connection)
{
    static const char look[] = "SELECT 1 FROM main.sqlite_master LIMIT 1";
    uint64_t token = oltp_commit_token(connection->oltp);
    if (connection->face == NULL || (token == connection->face_token && !oltp_is_blind(connection->oltp)))
        return;
    if (connection->face_look == NULL &&
        sqlite3_prepare_v3(connection->db, look, sizeof look, SQLITE_PREPARE_PERSISTENT, &connection->face_look,
                           NULL) != SQLITE_OK)
        return;
    int changes = 0;
    bool looked = look_at_main(connection, &changes);
    if (changes != connection->face_looks && connection->role != OLTP_DESCRIBER) { /* which keeps no statements */
        sqlite3_set_authorizer(connection->db, oltp_authorize, connection);
        (void)look_at_main(connection, &connection->face_looks); /* itself, too */
    }
    connection->face_token = looked ? token : UINT64_MAX;
}

void oltp_face_use(struct oltp_connection *connection)
{
    struct oltp *oltp = connection->oltp;
    if (oltp->face == NULL)
        return;
    struct table_reader *reader = oltp->face->reader;
    uint64_t generation = reader->ops->generation(reader);
    face_know_main(connection);
    if (connection->pin_stays && connection->pin != NULL)
        return; /* its tables are those that are shown */
    if (connection->face_settled == generation + 1)
        return;
    struct oltp_face_set *set = face_set_take(oltp);
    if (set == NULL)
        return;
    int rc = connection->face_settled != 0 && connection->face->set == set ? SQLITE_OK : show(connection, set);
    bool again = (rc & 255) == SQLITE_BUSY || (rc & 255) == SQLITE_LOCKED; /* a scan runs: next time */
    uint64_t shown = atomic_load_explicit(&set->generation, memory_order_acquire);
    connection->face_settled = again ? connection->face_settled : shown + 1;
    if (rc != SQLITE_OK && !again) {
        base_log_write(oltp->config.log, BASE_LOG_WARN, "oltp", "the tables of other sources can't be shown: %s",
                       sqlite3_errmsg(connection->db));
    }
    face_set_release(set);
}

/* ---- Opening. ----------------------------------------------------------------------------------------------------- */

rhei_status oltp_show_tables(struct oltp *oltp, struct table_reader *reader, struct rhei_error *error)
{
    if (oltp->face != NULL)
        return error_set(error, RHEI_EXISTS, "the handle shows the tables of a reader already");
    struct oltp_face *face = base_alloc_zero(1, sizeof *face);
    if (face == NULL)
        return error_no_memory(error);
    face->reader = reader;
    atomic_init(&face->generation, UINT64_MAX);
    base_mutex_init(&face->lock);
    oltp->face = face;
    return RHEI_OK;
}

void oltp_face_close(struct oltp *oltp)
{
    struct oltp_face *face = oltp->face;
    if (face == NULL)
        return;
    face_set_release(face->set);
    base_mutex_destroy(&face->lock);
    base_free(face);
    oltp->face = NULL;
}
