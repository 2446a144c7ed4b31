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

#include <stdio.h>
#include <string.h>

/* ---- Sets. -------------------------------------------------------------------------------------------------------- */

void face_set_release(struct oltp_face_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t s = 0; s < set->schema_count; s++)
        sqlite3_free(set->schemas[s].image);
    for (uint32_t t = 0; t < set->table_count; t++)
        base_free(set->tables[t].sql);
    base_arena_reset(&set->arena);
    base_free(set);
}

const struct face_table *face_set_find(const struct oltp_face_set *set, uint32_t id)
{
    uint32_t low = 0, high = set->table_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->tables[middle].definition->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->table_count && set->tables[low].definition->id == id ? &set->tables[low] : NULL;
}

/* SQLite's rule for the affinity of a declared type. */
static uint8_t affinity_of(const char *type)
{
    static const struct {
        const char *word;
        uint8_t affinity;
    } words[] = {{"INT", AFFINITY_INTEGER}, {"CHAR", AFFINITY_TEXT}, {"CLOB", AFFINITY_TEXT}, {"TEXT", AFFINITY_TEXT},
                 {"BLOB", AFFINITY_BLOB},   {"REAL", AFFINITY_REAL}, {"FLOA", AFFINITY_REAL}, {"DOUB", AFFINITY_REAL}};
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        for (const char *at = type; *at != '\0'; at++)
            if (sqlite3_strnicmp(at, words[w].word, (int)strlen(words[w].word)) == 0)
                return words[w].affinity;
    }
    return type[0] == '\0' ? AFFINITY_BLOB : AFFINITY_NUMERIC;
}

/* Words and numbers that a type may be made of, and nothing that ends one or says something else of a column. */
static bool type_is_plain(const char *type)
{
    static const char *const others[] = {"PRIMARY", "NOT",        "NULL",      "UNIQUE",     "DEFAULT", "CHECK",
                                         "COLLATE", "REFERENCES", "GENERATED", "CONSTRAINT", "AS",      "HIDDEN"};
    size_t at = 0, start = 0, end = 0, len = strlen(type);
    for (;;) {
        enum oltp_token token = oltp_next_token(type, len, &at, &start, &end);
        if (token == OLTP_TOKEN_END)
            return true;
        if (token == OLTP_TOKEN_OTHER && strchr("(),+-.0123456789", type[start]) == NULL)
            return false;
        for (size_t w = 0; token == OLTP_TOKEN_NAME && w < sizeof others / sizeof others[0]; w++)
            if (oltp_token_is(type, start, end, others[w]))
                return false;
        if (token != OLTP_TOKEN_OTHER && token != OLTP_TOKEN_NAME)
            return false;
    }
}

/* As it was declared, if that has the column's affinity here (a STRICT table's ANY hasn't, nor has another source's type). */
static void put_type(struct base_buffer *sql, const struct source_column *column)
{
    static const char *const usual[] = {"BLOB", "TEXT", "NUMERIC", "INTEGER", "REAL"};
    const char *type = column->declared_type;
    if (affinity_of(type) != column->affinity || !type_is_plain(type))
        type = usual[column->affinity];
    if (type[0] != '\0')
        base_buffer_format(sql, " %s", type);
}

static bool is_shown_column(const struct source_column *column)
{
    return !column->is_rowid; /* the last one, where there is any */
}

/* Does the table's key stand in for a rowid that it hasn't? */
static bool key_is_primary(const struct source_table *table, int32_t rowid_column)
{
    return rowid_column < 0 && table->key_count > 0;
}

static int32_t rowid_column_of(const struct source_table *table)
{
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c].is_rowid || table->columns[c].is_rowid_alias)
            return (int32_t)c;
    return table->key_is_integer && !table->without_rowid && table->key_count == 1 ? (int32_t)table->key_columns[0]
                                                                                   : -1;
}

static rhei_status declare(struct face_table *table, struct rhei_error *error)
{
    const struct source_table *definition = table->definition;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "CREATE TABLE x(");
    for (uint32_t c = 0; c < definition->column_count; c++) {
        const struct source_column *column = &definition->columns[c];
        if (!is_shown_column(column))
            continue;
        base_buffer_text(&sql, c == 0 ? "" : ", ");
        base_buffer_identifier(&sql, column->name);
        put_type(&sql, column);
        base_buffer_text(&sql, column->is_rowid_alias ? " PRIMARY KEY" : "");
        base_buffer_text(&sql, column->not_null ? " NOT NULL" : "");
        if (column->collation != NULL && base_fold_compare(column->collation, "BINARY") != 0) {
            base_buffer_text(&sql, " COLLATE ");
            base_buffer_identifier(&sql, column->collation);
        }
    }
    bool keyed = key_is_primary(definition, table->rowid_column);
    for (uint32_t k = 0; keyed && k < definition->key_count; k++) {
        base_buffer_text(&sql, k == 0 ? ", PRIMARY KEY(" : ", ");
        base_buffer_identifier(&sql, definition->columns[definition->key_columns[k]].name);
    }
    base_buffer_text(&sql, keyed ? ")) WITHOUT ROWID" : ")");
    table->sql = base_buffer_take(&sql);
    return table->sql == NULL ? error_no_memory(error) : RHEI_OK;
}

/* Deep; in the set's arena. NULL: no memory. */
static struct source_table *copy_definition(struct base_arena *arena, const struct source_table *from)
{
    struct source_table *to = base_arena_alloc(arena, sizeof *to);
    struct source_column *columns = base_arena_zero(arena, from->column_count, sizeof *columns);
    uint32_t *keys = base_arena_zero(arena, (size_t)from->key_count + 1, sizeof *keys);
    if (to == NULL || columns == NULL || keys == NULL)
        return NULL;
    *to = *from;
    to->columns = columns;
    to->key_columns = keys;
    to->unmirrored_reason = NULL;
    memcpy(keys, from->key_columns, from->key_count * sizeof *keys);
    bool ok = (to->name = base_arena_text(arena, from->name)) != NULL;
    for (uint32_t c = 0; ok && c < from->column_count; c++) {
        columns[c] = from->columns[c];
        columns[c].name = base_arena_text(arena, from->columns[c].name);
        columns[c].declared_type = base_arena_text(arena, from->columns[c].declared_type);
        const char *collation = from->columns[c].collation;
        columns[c].collation = base_arena_text(arena, collation == NULL ? "BINARY" : collation);
        ok = columns[c].name != NULL && columns[c].declared_type != NULL && columns[c].collation != NULL;
    }
    return ok ? to : NULL;
}

static rhei_status add_schema(struct oltp_face_set *set, const char *name, const char **kept, struct rhei_error *error)
{
    for (uint32_t s = 0; s < set->schema_count; s++) {
        if (base_fold_compare(set->schemas[s].name, name) == 0) {
            *kept = set->schemas[s].name;
            return RHEI_OK;
        }
    }
    *kept = set->schemas[set->schema_count].name = base_arena_text(&set->arena, name);
    if (*kept == NULL)
        return error_no_memory(error);
    set->schema_count++;
    return RHEI_OK;
}

static rhei_status fill(struct oltp *oltp, struct oltp_face_set *set, const struct readable_table *tables,
                        uint32_t count, const struct oltp_face_set *before, struct rhei_error *error)
{
    uint32_t known = before == NULL ? 0 : before->schema_count;
    set->tables = base_arena_zero(&set->arena, (size_t)count + 1, sizeof *set->tables);
    set->schemas = base_arena_zero(&set->arena, (size_t)count + known + 1, sizeof *set->schemas);
    rhei_status status = set->tables == NULL || set->schemas == NULL ? error_no_memory(error) : RHEI_OK;
    const char *kept = NULL;
    /* a schema stays, empty, when its last table goes: connections have it */
    for (uint32_t s = 0; status == RHEI_OK && s < known; s++)
        status = add_schema(set, before->schemas[s].name, &kept, error);
    for (uint32_t t = 0; status == RHEI_OK && t < count; t++) {
        struct face_table *table = &set->tables[t];
        status = add_schema(set, tables[t].source, &table->name, error);
        table->definition = copy_definition(&set->arena, tables[t].definition);
        if (status == RHEI_OK && table->definition == NULL)
            status = error_no_memory(error);
        if (status == RHEI_OK) {
            set->table_count++;
            table->rowid_column = rowid_column_of(table->definition);
            status = declare(table, error);
        }
    }
    return status == RHEI_OK ? face_images_make(oltp, set, error) : status;
}

static bool set_has(const struct oltp_face_set *set, const struct readable_table *tables, uint32_t count)
{
    bool same = set != NULL && set->table_count == count;
    for (uint32_t t = 0; same && t < count; t++) {
        same = set->tables[t].definition->id == tables[t].definition->id &&
               strcmp(set->tables[t].definition->name, tables[t].definition->name) == 0 &&
               set->tables[t].definition->column_count == tables[t].definition->column_count &&
               base_fold_compare(set->tables[t].name, tables[t].source) == 0;
    }
    return same;
}

/* Under the face's lock: the set as the reader has it now. */
static rhei_status set_renew(struct oltp *oltp, uint64_t *generation, struct rhei_error *error)
{
    struct oltp_face *face = oltp->face;
    const struct table_reader_ops *ops = face->reader->ops;
    struct table_pin *pin = NULL;
    struct readable_table *tables = NULL;
    uint32_t count = 0;
    struct oltp_face_set *before = face->set; /* changed only under the lock that we have */
    struct oltp_face_set *set = NULL;
    rhei_status status = ops->pin(face->reader, NULL, &pin, error);
    if (status == RHEI_OK) {
        *generation = ops->generation_of(pin);
        status = ops->tables(pin, &tables, &count, error);
    }
    if (status == RHEI_OK && set_has(before, tables, count)) {
        atomic_store_explicit(&before->generation, *generation, memory_order_release);
    } else if (status == RHEI_OK) {
        set = base_alloc_zero(1, sizeof *set);
        status = set == NULL ? error_no_memory(error) : RHEI_OK;
        if (status == RHEI_OK) {
            atomic_init(&set->references, 1);
            atomic_init(&set->generation, *generation);
            status = fill(oltp, set, tables, count, before, error);
        }
        if (status == RHEI_OK) {
            set->version = before == NULL ? 1 : before->version + 1;
            face->set = set;
            atomic_store_explicit(&face->version, set->version, memory_order_release);
            set = before;
        }
        face_set_release(set);
    }
    base_free(tables);
    ops->unpin(&pin);
    return status;
}

/* The set that is current, a reference; NULL without memory for the first. */
static struct oltp_face_set *set_take(struct oltp *oltp)
{
    struct oltp_face *face = oltp->face;
    base_mutex_lock(&face->lock);
    uint64_t generation = face->reader->ops->generation(face->reader);
    if (face->set == NULL || atomic_load_explicit(&face->set->generation, memory_order_relaxed) != generation) {
        struct rhei_error error = RHEI_ERROR_INIT;
        if (set_renew(oltp, &generation, &error) != RHEI_OK) { /* what was there before is still true of its rows */
            base_log_write(oltp->config.log, BASE_LOG_WARN, "oltp", "the tables of other sources can't be shown: %s",
                           error.message);
        }
    }
    atomic_store_explicit(&face->generation, generation, memory_order_release);
    struct oltp_face_set *set = face->set;
    if (set != NULL)
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    base_mutex_unlock(&face->lock);
    return set;
}

/* ---- Connections. ------------------------------------------------------------------------------------------------- */

static bool is_source(const struct oltp_face_set *set, const char *schema)
{
    for (uint32_t s = 0; schema != NULL && s < set->schema_count; s++)
        if (base_fold_compare(set->schemas[s].name, schema) == 0)
            return true;
    return false;
}

int oltp_face_authorize(struct oltp_connection *connection, int action, const char *first, const char *second,
                        const char *schema)
{
    const struct face_context *face = connection->face;
    if (face == NULL || action == SQLITE_READ || action == SQLITE_SELECT || action == SQLITE_FUNCTION ||
        action == SQLITE_PRAGMA || action == SQLITE_RECURSIVE || action == SQLITE_TRANSACTION ||
        action == SQLITE_SAVEPOINT || action == SQLITE_ATTACH)
        return SQLITE_OK;
    const char *name = action == SQLITE_ALTER_TABLE ? second : first;
    const char *where = action == SQLITE_ALTER_TABLE || action == SQLITE_DETACH ? first : schema;
    if (!is_source(face->set, where))
        return SQLITE_OK;
    snprintf(connection->face_denied, sizeof connection->face_denied, "%.60s.%.60s", where,
             action == SQLITE_DETACH || name == NULL || strncmp(name, "sqlite_", 7) == 0 ? "*" : name);
    return SQLITE_DENY;
}

static int authorize(void *context, int action, const char *first, const char *second, const char *schema,
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

static int show_image(struct oltp_connection *connection, const struct face_schema *schema)
{
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
            sqlite3_set_authorizer(connection->db, authorize, connection);
    }
    /* sets keep the order of schemas, so new ones are the last */
    for (uint32_t s = connection->face_schemas; s < set->schema_count && rc == SQLITE_OK; s++) {
        rc = attach(connection, &set->schemas[s]);
        connection->face_schemas += rc == SQLITE_OK;
    }
    for (uint32_t s = 0; s < set->schema_count && rc == SQLITE_OK; s++)
        rc = show_image(connection, &set->schemas[s]);
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
        sqlite3_set_authorizer(connection->db, authorize, connection);
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
    struct oltp_face_set *set = set_take(oltp);
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

bool oltp_face_has(const struct oltp_connection *connection, const char *schema)
{
    return connection->face != NULL && is_source(connection->face->set, schema);
}

/* A table or view of that name in our own file. */
static bool is_local(struct oltp_connection *connection, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    bool found = sqlite3_prepare_v2(connection->db,
                                    "SELECT 1 FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 "
                                    "COLLATE NOCASE",
                                    -1, &stmt, NULL) == SQLITE_OK &&
                 sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return found;
}

const char *oltp_face_schema_of(struct oltp_connection *connection, const char *name)
{
    const struct oltp_face_set *set = connection->face == NULL ? NULL : connection->face->set;
    const char *found = NULL;
    for (uint32_t s = 0; set != NULL && found == NULL && s < set->schema_count; s++) {
        for (uint32_t t = 0; found == NULL && t < set->table_count; t++) {
            const struct face_table *table = &set->tables[t];
            if (table->shown && table->name == set->schemas[s].name &&
                base_fold_compare(table->definition->name, name) == 0)
                found = table->name;
        }
    }
    return found == NULL || is_local(connection, name) ? "main" : found;
}

uint64_t oltp_face_version_of(const struct oltp_connection *connection)
{
    return connection->face == NULL ? 0 : connection->face->set->version;
}

/* ---- Pins. -------------------------------------------------------------------------------------------------------- */

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

/* Whom the caller of what runs on the writer waits for, and has waited for; NULL: it takes what was published last. */
static struct oltp_elsewhere *elsewhere_of(const struct oltp_connection *connection)
{
    return connection->role == OLTP_WRITER && connection->stop != NULL ? connection->stop->elsewhere : NULL;
}

bool oltp_face_is_pinned(const struct oltp_connection *connection, uint32_t sources)
{
    bool any_age = connection->role == OLTP_WRITER && elsewhere_of(connection) == NULL;
    return connection->pin != NULL && (any_age || (sources & ~connection->pin_sources) == 0);
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
    const struct oltp_elsewhere *elsewhere = elsewhere_of(connection);
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
    struct oltp_elsewhere *elsewhere = elsewhere_of(connection);
    if (elsewhere != NULL && (sources & ~elsewhere->waited) != 0) {
        elsewhere->wanted = sources & ~elsewhere->waited;
        return error_set(error, RHEI_STALE,
                         "the statement reads tables of other sources, which must be waited for first");
    }
    if (connection->pin_stays && connection->pin != NULL) {
        return error_set(error, RHEI_STALE,
                         "the transaction reads other sources as they were when it read the first of them, and this "
                         "one could not be had then: end the transaction and begin it anew");
    }
    connection->pin_sources = elsewhere == NULL ? UINT32_MAX : elsewhere->waited;
    return pin_as_shown(connection, NULL, error);
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
                                                  !oltp_face_is_pinned(connection, statement->reads_face));
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

/* ---- Errors. ------------------------------------------------------------------------------------------------------ */

static bool starts_and_ends(const char *text, const char *start, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return strncmp(text, start, strlen(start)) == 0 && len >= tail && strcmp(text + len - tail, end) == 0;
}

bool oltp_face_error(struct oltp_connection *connection, int rc, struct rhei_error *error)
{
    static const char advice[] =
        "its rows come from another source and can only be read here: change them there, or copy "
        "them with CREATE TABLE ... AS SELECT";
    const char *message = sqlite3_errmsg(connection->db);
    if (connection->face == NULL)
        return false;
    if ((rc & 255) == SQLITE_AUTH && connection->face_denied[0] != '\0') {
        error_set(error, RHEI_READ_ONLY, "table %s is read-only: %s", connection->face_denied, advice);
        connection->face_denied[0] = '\0';
        return true;
    }
    if ((rc & 255) != SQLITE_ERROR)
        return false;
    bool ours = false;
    for (uint32_t t = 0; t < connection->face->set->table_count && !ours; t++) {
        const char *name = connection->face->set->tables[t].definition->name;
        size_t len = strlen(name);
        ours = starts_and_ends(message, "table ", " may not be modified") && strlen(message) == len + 26 &&
               base_fold_equal(message + 6, len, name, len);
    }
    bool definition = strcmp(message, "virtual tables may not be altered") == 0 ||
                      strcmp(message, "virtual tables may not be indexed") == 0 ||
                      strcmp(message, "cannot create triggers on virtual tables") == 0;
    if (ours || definition) {
        error_set(error, RHEI_READ_ONLY, "%s: %s", message,
                  ours ? advice : "so it is with tables of another source, whose definition is made there");
    }
    return ours || definition;
}

/* ---- Statements that need care. ----------------------------------------------------------------------------------- */

const char *oltp_face_instead(const struct oltp_connection *connection, const char *sql, size_t len)
{
    size_t at = 0, start = 0, end = 0;
    if (connection->face == NULL || connection->face->set->schema_count == 0 || !oltp_word_is(sql, len, "ANALYZE"))
        return NULL;
    oltp_next_token(sql, len, &at, &start, &end);
    return oltp_is_blank(sql, len, at) ? "ANALYZE main" : NULL;
}

static bool is_face_name(struct oltp_connection *connection, const char *sql, size_t start, size_t end)
{
    char *name = oltp_token_text(sql, start, end);
    bool found = name != NULL && strcmp(oltp_face_schema_of(connection, name), "main") != 0;
    base_free(name);
    return found;
}

/* A trigger of our own file would make every change of its table fail: SQLite lets it name tables of that file only. */
rhei_status oltp_face_check_ddl(struct oltp_connection *connection, const struct oltp_statement *statement,
                                struct rhei_error *error)
{
    static const char *const before[] = {"FROM", "JOIN", "INTO", "UPDATE"};
    size_t at = 0, start = 0, end = 0;
    if (connection->face == NULL || !statement->creates)
        return RHEI_OK;
    bool trigger = false, temporary = false, body = false, wanted = false;
    for (;;) {
        enum oltp_token token = oltp_next_token(statement->sql, statement->len, &at, &start, &end);
        if (token == OLTP_TOKEN_END)
            return RHEI_OK;
        if (!trigger) {
            bool word = token == OLTP_TOKEN_NAME;
            temporary = temporary || (word && (oltp_token_is(statement->sql, start, end, "TEMP") ||
                                               oltp_token_is(statement->sql, start, end, "TEMPORARY")));
            trigger = word && oltp_token_is(statement->sql, start, end, "TRIGGER");
            if (word && !trigger && !temporary && !oltp_token_is(statement->sql, start, end, "CREATE"))
                return RHEI_OK;
            if (trigger && temporary)
                return RHEI_OK; /* it may name them */
            continue;
        }
        body = body || (token == OLTP_TOKEN_NAME && oltp_token_is(statement->sql, start, end, "BEGIN"));
        bool name = token == OLTP_TOKEN_NAME || token == OLTP_TOKEN_QUOTED || token == OLTP_TOKEN_STRING;
        if (body && wanted && name && is_face_name(connection, statement->sql, start, end)) {
            return error_set(
                error, RHEI_READ_ONLY,
                "the trigger names table %.*s, whose rows come from another source: SQLite's triggers name "
                "tables of their own file only, so every change of the trigger's table would fail",
                (int)(end - start), statement->sql + start);
        }
        wanted = false;
        for (size_t w = 0; token == OLTP_TOKEN_NAME && w < sizeof before / sizeof before[0]; w++)
            wanted = wanted || oltp_token_is(statement->sql, start, end, before[w]);
    }
}

/* ---- For the catalog. --------------------------------------------------------------------------------------------- */

struct oltp_shown *oltp_shown_take(struct oltp *oltp)
{
    struct oltp_face *face = oltp->face;
    return face == NULL ? NULL : (struct oltp_shown *)set_take(oltp);
}

void oltp_shown_release(struct oltp_shown *shown)
{
    face_set_release((struct oltp_face_set *)shown);
}

uint32_t oltp_shown_count(const struct oltp_shown *shown)
{
    return shown == NULL ? 0 : ((const struct oltp_face_set *)shown)->table_count;
}

const struct source_table *oltp_shown_table(const struct oltp_shown *shown, uint32_t at, const char **schema)
{
    const struct face_table *table = &((const struct oltp_face_set *)shown)->tables[at];
    *schema = table->name;
    return table->shown ? table->definition : NULL;
}

uint64_t oltp_shown_version(const struct oltp_shown *shown)
{
    return shown == NULL ? 0 : ((const struct oltp_face_set *)shown)->version;
}

uint64_t oltp_shown_look(struct oltp *oltp)
{
    if (oltp->face == NULL)
        return 0;
    struct table_reader *reader = oltp->face->reader;
    if (atomic_load_explicit(&oltp->face->generation, memory_order_acquire) != reader->ops->generation(reader))
        face_set_release(set_take(oltp));
    return oltp_shown_newest(oltp);
}

uint64_t oltp_shown_newest(const struct oltp *oltp)
{
    return oltp->face == NULL ? 0 : atomic_load_explicit(&oltp->face->version, memory_order_acquire);
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
