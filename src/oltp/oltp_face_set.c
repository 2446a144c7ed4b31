/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: the tables of other sources as they were at one time, each with the text that declares it, and for each source the image of a database. */
#include "oltp/oltp_face.h"

#include <string.h>

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

/* ---- Images. ------------------------------------------------------------------------------------------------------ */

static void create_tables(struct oltp *oltp, sqlite3 *db, struct oltp_face_set *set, const char *schema)
{
    for (uint32_t t = set->table_count; t-- > 0;) {
        struct face_table *table = &set->tables[t];
        if (table->name != schema)
            continue;
        struct base_buffer sql = {0};
        base_buffer_text(&sql, "CREATE VIRTUAL TABLE ");
        base_buffer_identifier(&sql, table->definition->name);
        base_buffer_format(&sql, " USING " FACE_MODULE "(%u)", table->definition->id);
        int rc = sql.failed ? SQLITE_NOMEM : sqlite3_exec(db, sql.data, NULL, NULL, NULL);
        base_buffer_reset(&sql);
        table->shown = rc == SQLITE_OK;
        if (!table->shown) {
            base_log_write(oltp->config.log, BASE_LOG_WARN, "oltp", "table %s.%s can't be shown: %s", schema,
                           table->definition->name, sqlite3_errmsg(db));
        }
    }
}

static int image_make(struct oltp *oltp, struct oltp_face_set *set, struct face_schema *schema)
{
    static const char *const encodings[] = {
        [OLTP_UTF8] = "PRAGMA encoding='UTF-8'",
        [OLTP_UTF16LE] = "PRAGMA encoding='UTF-16le'",
        [OLTP_UTF16BE] = "PRAGMA encoding='UTF-16be'",
    };
    sqlite3 *db = NULL;
    struct face_context *context = base_alloc_zero(1, sizeof *context);
    if (context == NULL)
        return SQLITE_NOMEM;
    context->set = set;
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        face_set_release(set);
        base_free(context);
    } else {
        rc = face_module_register(db, context); /* which frees it when the connection goes */
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, encodings[oltp_encoding(oltp)], NULL, NULL, NULL);
    if (rc == SQLITE_OK) /* writes the first page, so that the encoding is settled without any table */
        rc = sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        create_tables(oltp, db, set, schema->name);
        schema->image = sqlite3_serialize(db, "main", &schema->size, 0);
        rc = schema->image == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    sqlite3_close(db);
    return rc;
}

/* Of two tables of one name the newer one is there: the last by number. */
static rhei_status images_make(struct oltp *oltp, struct oltp_face_set *set, struct rhei_error *error)
{
    for (uint32_t s = 0; s < set->schema_count; s++) {
        int rc = image_make(oltp, set, &set->schemas[s]);
        if (rc != SQLITE_OK)
            return oltp_code_error(rc, NULL, error);
    }
    return RHEI_OK;
}

/* ---- Sets. -------------------------------------------------------------------------------------------------------- */

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
    return status == RHEI_OK ? images_make(oltp, set, error) : status;
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

struct oltp_face_set *face_set_take(struct oltp *oltp)
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

/* ---- For the catalog. --------------------------------------------------------------------------------------------- */

struct oltp_shown *oltp_shown_take(struct oltp *oltp)
{
    struct oltp_face *face = oltp->face;
    return face == NULL ? NULL : (struct oltp_shown *)face_set_take(oltp);
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
        face_set_release(face_set_take(oltp));
    return oltp_shown_newest(oltp);
}

uint64_t oltp_shown_newest(const struct oltp *oltp)
{
    return oltp->face == NULL ? 0 : atomic_load_explicit(&oltp->face->version, memory_order_acquire);
}
