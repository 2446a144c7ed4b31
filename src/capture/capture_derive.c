/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema after one CREATE or DROP of ours, made from the one before it: what the statement didn't touch isn't looked at.
 *
 * V1. The base was the schema of this transaction when the statement began, and the cookie rose by one for it. So the statement is all
 *     that happened, and it did no more than it says: CREATE puts rows behind the last one of sqlite_schema, DROP takes out the rows of
 *     its object, and a table's or view's with all that hangs on it.
 * V2. All of that is of one owner (tbl_name). Where it isn't, or is of Rhei's own or of a virtual table, whose module may do anything,
 *     or of a table whose foreign keys act on others, or where a trigger that says FAIL comes or goes, which concerns all tables that
 *     foreign keys act on, nothing is derived: the schema is read.
 * V3. What SQLite says of a plain table beside its columns (WITHOUT ROWID, STRICT) stands behind the bracket of its text; asking for
 *     it would walk all tables.
 * V4. The copies are of arrays in one piece; no definition, no trigger and no counter of a table that stays is touched. What keeps
 *     them, and the reasons why tables aren't mirrored, is the base's shelf, below the new one's; every so often all are counted anew,
 *     so that nothing is kept for long. Nothing else that a schema leads to may lie in the base's arena.
 *
 * Debug builds read the schema as well, and compare (derive_check).
 */
#include "capture/capture_definition.h"

#include <string.h>

enum { DERIVE_DEPTH = 64 };

struct derive {
    struct oltp_connection *connection;
    struct oltp_schema *base, *schema;
    struct rhei_error *error;
    rhei_status status;
    bool refused; /* V2 */
    struct base_arena scratch;
    /* The owner of what changed; NULL: nothing did. */
    const char *owner;
    int64_t number;                    /* in the base, or -1 */
    struct capture_definition *before; /* of the base; borrowed */
    struct capture_object *objects;    /* all that it has now, borrowed from the base or in scratch */
    uint32_t count;
    struct capture_definition *definition; /* of these; a reference until it is on the shelf; NULL: it is gone */
    uint32_t at;                           /* its place among the definitions */
    int by;                                /* 1: it is put in there, -1: taken out, 0: replaced */
};

static void derive_fail(struct derive *derive, rhei_status status)
{
    if (derive->status == RHEI_OK)
        derive->status = status;
}

static bool derive_goes_on(const struct derive *derive)
{
    return derive->status == RHEI_OK && !derive->refused;
}

static void *derive_alloc(struct derive *derive, struct base_arena *arena, size_t count, size_t size)
{
    void *place = base_arena_alloc(arena, (count + 1) * size);
    if (place == NULL)
        derive_fail(derive, error_no_memory(derive->error));
    return place;
}

/* ---- What changed. ----------------------------------------------------------------------------------------------- */

static bool derive_is_table(const struct capture_definition *definition)
{
    return definition->main->type == CAPTURE_OBJECT_TABLE;
}

/* A table whose name is another virtual one's and a word, which may be its shadow. */
static bool derive_may_be_shadow(const struct oltp_schema *base, const char *name)
{
    const char *bar = strrchr(name, '_');
    char *prefix = bar == NULL ? NULL : base_strndup(name, (size_t)(bar - name));
    const struct capture_definition *found = prefix == NULL ? NULL : capture_schema_definition(base, prefix);
    bool may = bar != NULL && (prefix == NULL || (found != NULL && capture_text_is_virtual(found->main->sql)));
    base_free(prefix);
    return may;
}

static void derive_own(struct derive *derive, const char *owner)
{
    const struct oltp_schema *base = derive->base;
    derive->owner = owner;
    derive->number = capture_schema_number(base, owner);
    derive->before = derive->number < 0 ? NULL : base->definitions[derive->number];
    derive->at = derive->number < 0 ? 0 : (uint32_t)derive->number;
    const struct capture_definition *before = derive->before;
    derive->refused |= sqlite3_strnicmp(owner, OLTP_PREFIX, (int)strlen(OLTP_PREFIX)) == 0 ||
                       derive_may_be_shadow(base, owner) ||
                       (before != NULL && (before->acts_on_count > 0 || capture_text_is_virtual(before->main->sql)));
    uint32_t count = before == NULL ? 0 : before->object_count;
    derive->objects = derive_alloc(derive, &derive->scratch, count, sizeof *derive->objects);
    for (uint32_t i = 0; derive->objects != NULL && i < count; i++)
        derive->objects[i] = before->objects[i];
    derive->count = count;
}

static bool derive_type(const char *text, enum capture_object_type *type)
{
    static const char *const types[] = {"table", "view", "index", "trigger"};
    for (size_t i = 0; text != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i]) == 0) {
            *type = (enum capture_object_type)i;
            return true;
        }
    }
    return false;
}

static void derive_add(struct derive *derive, const struct capture_object *object)
{
    struct capture_object *grown =
        derive_alloc(derive, &derive->scratch, (size_t)derive->count + 1, sizeof *derive->objects);
    if (grown == NULL)
        return;
    memcpy(grown, derive->objects, derive->count * sizeof *grown);
    grown[derive->count] = *object;
    grown[derive->count].name = base_arena_text(&derive->scratch, object->name);
    grown[derive->count].sql = object->sql == NULL ? NULL : base_arena_text(&derive->scratch, object->sql);
    if (grown[derive->count].name == NULL || (object->sql != NULL && grown[derive->count].sql == NULL))
        derive_fail(derive, error_no_memory(derive->error));
    derive->objects = grown;
    derive->count++;
}

static void derive_row(struct derive *derive, sqlite3_stmt *stmt)
{
    const char *owner = (const char *)sqlite3_column_text(stmt, 3);
    struct capture_object object = {.rowid = sqlite3_column_int64(stmt, 0),
                                    .name = (const char *)sqlite3_column_text(stmt, 2),
                                    .sql = (const char *)sqlite3_column_text(stmt, 4)};
    bool known = derive_type((const char *)sqlite3_column_text(stmt, 1), &object.type);
    derive->schema->last_rowid = object.rowid;
    if (!known || owner == NULL || object.name == NULL) {
        derive->refused = true;
        return;
    }
    if (sqlite3_strnicmp(owner, "sqlite_", 7) == 0)
        return;
    if (derive->owner == NULL) {
        const char *copy = base_arena_text(&derive->scratch, owner);
        if (copy == NULL)
            derive_fail(derive, error_no_memory(derive->error));
        else
            derive_own(derive, copy);
    }
    derive->refused |= derive->owner != NULL && base_fold_compare(derive->owner, owner) != 0;
    derive->refused |= capture_object_is_ours(&object) || capture_text_is_virtual(object.sql);
    if (derive_goes_on(derive))
        derive_add(derive, &object);
}

/* V1: what CREATE did. */
static void derive_created(struct derive *derive)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        derive->connection->db,
        "SELECT rowid, type, name, tbl_name, sql FROM main.sqlite_master WHERE rowid > ?1 ORDER BY rowid", -1, &stmt,
        NULL);
    if (rc == SQLITE_OK)
        sqlite3_bind_int64(stmt, 1, derive->base->last_rowid);
    while (rc == SQLITE_OK && derive_goes_on(derive) && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        derive_row(derive, stmt);
        rc = SQLITE_OK;
    }
    if (derive_goes_on(derive) && rc != SQLITE_DONE)
        derive_fail(derive, oltp_sqlite_error(derive->connection, rc, NULL, derive->error));
    sqlite3_finalize(stmt);
    derive->refused |= derive->owner == NULL;
}

/* The definition with an object of this type and name, by its number, or -1. */
static int64_t derive_find_object(const struct oltp_schema *base, enum capture_object_type type, const char *name)
{
    for (uint32_t i = 0; i < base->definition_count; i++) {
        const struct capture_definition *definition = base->definitions[i];
        for (uint32_t k = 0; k < definition->object_count; k++)
            if (definition->objects[k].type == type && base_fold_compare(definition->objects[k].name, name) == 0)
                return i;
    }
    return -1;
}

/* V1: what DROP did, as the base says what there was; and that it is gone. */
static void derive_dropped(struct derive *derive, const struct oltp_ddl *ddl)
{
    bool whole = ddl->dropped_kind == 't' || ddl->dropped_kind == 'v';
    enum capture_object_type type = ddl->dropped_kind == 't'   ? CAPTURE_OBJECT_TABLE
                                    : ddl->dropped_kind == 'v' ? CAPTURE_OBJECT_VIEW
                                    : ddl->dropped_kind == 'i' ? CAPTURE_OBJECT_INDEX
                                                               : CAPTURE_OBJECT_TRIGGER;
    int64_t number = whole ? capture_schema_number(derive->base, ddl->dropped)
                           : derive_find_object(derive->base, type, ddl->dropped);
    if (number < 0 || (whole && derive->base->definitions[number]->main->type != type)) {
        derive->refused = true;
        return;
    }
    derive_own(derive, derive->base->definitions[number]->name);
    uint32_t kept = 0;
    for (uint32_t i = 0; derive_goes_on(derive) && i < derive->count; i++) {
        const struct capture_object *object = &derive->objects[i];
        bool is_it = object->type == type && base_fold_compare(object->name, ddl->dropped) == 0;
        int64_t there = 0;
        if (is_it) {
            struct base_buffer sql = {0};
            base_buffer_format(&sql, "SELECT count(*) FROM main.sqlite_master WHERE rowid = %lld",
                               (long long)object->rowid);
            derive_fail(derive, sql.failed ? error_no_memory(derive->error)
                                           : oltp_query_int(derive->connection, sql.data, 0, &there, derive->error));
            base_buffer_reset(&sql);
        }
        derive->refused |= there != 0;
        if (!whole && !is_it)
            derive->objects[kept++] = *object;
    }
    derive->count = kept;
    derive_fail(derive, oltp_query_int(derive->connection, "SELECT max(rowid) FROM main.sqlite_master", 0,
                                       &derive->schema->last_rowid, derive->error));
}

/* ---- The owner's definition. ------------------------------------------------------------------------------------- */

/* V3. The words behind the last bracket. */
static void derive_kind(const char *sql, struct capture_table_kind *kind)
{
    size_t at = 0, start, end, len = sql == NULL ? 0 : strlen(sql);
    int depth = 0;
    bool behind = false;
    enum oltp_token token;
    while (len > 0 && (token = oltp_next_token(sql, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        if (token == OLTP_TOKEN_OTHER && sql[start] == '(') {
            depth++;
        } else if (token == OLTP_TOKEN_OTHER && sql[start] == ')') {
            depth--;
            behind = depth == 0;
        } else if (behind && depth == 0 && token == OLTP_TOKEN_NAME) {
            kind->without_rowid |= oltp_token_is(sql, start, end, "ROWID");
            kind->strict |= oltp_token_is(sql, start, end, "STRICT");
        }
    }
}

static void derive_define(struct derive *derive)
{
    struct capture_table_kind kind = {0};
    struct capture_definer definer;
    if (derive->count == 0) {
        derive->refused |= derive->before != NULL && derive->before->fails;
        return;
    }
    for (uint32_t i = 0; i < derive->count; i++)
        if (derive->objects[i].type == CAPTURE_OBJECT_TABLE)
            derive_kind(derive->objects[i].sql, &kind);
    capture_definer_init(&definer, derive->connection, derive->error);
    derive->definition = capture_definition_new(&definer, derive->objects, derive->count, &kind);
    derive_fail(derive, definer.status);
    capture_definer_reset(&definer);
    bool fails = derive->definition != NULL && derive->definition->fails;
    derive->refused |= fails != (derive->before != NULL && derive->before->fails);
    derive->refused |=
        derive->status == RHEI_OK &&
        (derive->definition == NULL ||
         (derive->before != NULL && derive_is_table(derive->before) != derive_is_table(derive->definition)));
    derive->schema->read_count = 1;
}

/* Where the definition stands: tables by name, then views by name. */
static void derive_place(struct derive *derive)
{
    const struct oltp_schema *base = derive->base;
    derive->by = (derive->definition != NULL) - (derive->before != NULL);
    if (derive->by <= 0)
        return;
    uint32_t low = derive_is_table(derive->definition) ? 0 : base->catalog.table_count;
    uint32_t high = derive_is_table(derive->definition) ? base->catalog.table_count : base->definition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(base->definitions[middle]->name, derive->definition->name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    derive->at = low;
}

/* ---- The arrays. ------------------------------------------------------------------------------------------------- */

/* `from` with the item at `at` put in (not written yet), taken out or kept; in the schema's arena. */
static void *derive_copy(struct derive *derive, const void *from, uint32_t count, size_t size, uint32_t at, int by)
{
    char *to = derive_alloc(derive, &derive->schema->arena, (size_t)count + 1, size);
    const char *source = from;
    if (to == NULL || count == 0)
        return to;
    uint32_t head = by == 0 ? count : at, skipped = by < 0 ? at + 1 : at;
    memcpy(to, source, head * size);
    if (by != 0)
        memcpy(to + (head + (by > 0)) * size, source + skipped * size, (count - skipped) * size);
    return to;
}

static uint64_t derive_hash(const struct oltp_schema *base, uint32_t bucket)
{
    return base->definitions[bucket - 1]->hash;
}

/* Takes a number out of the base's order: what follows in its run moves up, so that every search still ends rightly. */
static void derive_unhash(const struct oltp_schema *base, uint32_t *buckets, uint32_t number)
{
    uint32_t mask = base->bucket_count - 1, hole = (uint32_t)derive_hash(base, number + 1) & mask;
    while (buckets[hole] != number + 1)
        hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; buckets[at] != 0; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)derive_hash(base, buckets[at]) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            buckets[hole] = buckets[at];
            hole = at;
        }
    }
    buckets[hole] = 0;
}

static void derive_index(struct derive *derive)
{
    const struct oltp_schema *base = derive->base;
    struct oltp_schema *schema = derive->schema;
    if (schema->definition_count * 2 > base->bucket_count) {
        if (!capture_schema_index(schema))
            derive_fail(derive, error_no_memory(derive->error));
        return;
    }
    uint32_t *buckets = derive_copy(derive, base->buckets, base->bucket_count, sizeof *buckets, 0, 0);
    if (buckets == NULL)
        return;
    if (derive->by < 0)
        derive_unhash(base, buckets, derive->at);
    for (uint32_t i = 0; derive->by != 0 && i < base->bucket_count; i++)
        buckets[i] += buckets[i] > derive->at ? (uint32_t)derive->by : 0;
    if (derive->by > 0) {
        uint32_t mask = base->bucket_count - 1, at = (uint32_t)derive->definition->hash & mask;
        while (buckets[at] != 0)
            at = (at + 1) & mask;
        buckets[at] = derive->at + 1;
    }
    schema->buckets = buckets;
    schema->bucket_count = base->bucket_count;
}

static void derive_arrays(struct derive *derive)
{
    const struct oltp_schema *base = derive->base;
    struct oltp_schema *schema = derive->schema;
    uint32_t tables = base->catalog.table_count, at = derive->at;
    bool table = derive->owner == NULL || at < tables || (derive->by > 0 && derive_is_table(derive->definition));
    int by = derive->by, by_table = table ? by : 0, by_view = table ? 0 : by;
    uint32_t view_at = table ? 0 : at - tables;
    schema->definitions =
        derive_copy(derive, base->definitions, base->definition_count, sizeof(*schema->definitions), at, by);
    schema->owns = derive_copy(derive, base->owns, tables, sizeof(*schema->owns), at, by_table);
    schema->tables = derive_copy(derive, base->tables, tables, sizeof *schema->tables, at, by_table);
    schema->catalog.tables =
        derive_copy(derive, base->catalog.tables, tables, sizeof *base->catalog.tables, at, by_table);
    struct capture_view *views =
        derive_copy(derive, base->catalog.views, base->catalog.view_count, sizeof *views, view_at, by_view);
    if (derive->status != RHEI_OK)
        return;
    schema->definition_count = base->definition_count + (uint32_t)by;
    schema->catalog.table_count = tables + (uint32_t)by_table;
    schema->catalog.view_count = base->catalog.view_count + (uint32_t)by_view;
    schema->catalog.views = views;
    if (derive->definition != NULL) {
        const struct capture_object *main = derive->definition->main;
        schema->definitions[at] = derive->definition;
        if (!table)
            views[view_at] = (struct capture_view){main->name, main->sql == NULL ? "" : main->sql};
    }
    derive_index(derive);
    BASE_INVARIANT(derive->status != RHEI_OK || schema->bucket_count > schema->definition_count);
}

/* ---- What keeps it, and what may need something. ----------------------------------------------------------------- */

/* V4. `room`: for triggers that are made later. */
static void derive_shelve(struct derive *derive, uint32_t room)
{
    struct oltp_schema *schema = derive->schema;
    const struct oltp_schema *base = derive->base;
    bool anew = base->shelf->depth >= DERIVE_DEPTH;
    uint32_t definitions = anew ? schema->definition_count : 1, tables = schema->catalog.table_count;
    if (!anew)
        atomic_fetch_add_explicit(&base->shelf->references, 1, memory_order_relaxed);
    struct capture_shelf *shelf =
        capture_shelf_new(anew ? NULL : base->shelf, definitions, room + 1 + (anew ? tables : 0));
    if (shelf == NULL) {
        derive_fail(derive, error_no_memory(derive->error));
        return;
    }
    schema->shelf = shelf;
    for (uint32_t i = 0; anew && i < schema->definition_count; i++) {
        shelf->definitions[shelf->definition_count++] = schema->definitions[i];
        if (schema->definitions[i] != derive->definition)
            atomic_fetch_add_explicit(&schema->definitions[i]->references, 1, memory_order_relaxed);
    }
    if (!anew && derive->definition != NULL)
        shelf->definitions[shelf->definition_count++] = derive->definition;
    derive->definition = NULL; /* the shelf has it */
    bool made = derive->by > 0 && derive->at < tables;
    struct capture_own *own = made ? capture_own_new(NULL, 0) : NULL;
    if (made && own == NULL)
        derive_fail(derive, error_no_memory(derive->error));
    if (made) {
        schema->owns[derive->at] = own;
        shelf->owns[shelf->own_count++] = own;
    }
    for (uint32_t i = 0; anew && i < tables; i++) {
        if (schema->owns[i] != NULL && schema->owns[i] != own) {
            shelf->owns[shelf->own_count++] = schema->owns[i];
            atomic_fetch_add_explicit(&schema->owns[i]->references, 1, memory_order_relaxed);
        }
    }
}

static bool derive_is_acted_on(const struct oltp_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->acted_on_count; i++)
        if (base_fold_compare(schema->acted_on[i], name) == 0)
            return true;
    return false;
}

/* The table as it is before anything is decided of it. */
static void derive_reset(struct derive *derive, uint32_t number)
{
    struct oltp_schema *schema = derive->schema;
    struct capture_table_schema *table = &schema->tables[number];
    const struct capture_definition *definition = schema->definitions[number];
    const struct capture_own *own = schema->owns[number];
    bool is_owner = derive->owner != NULL && number == derive->at;
    uint32_t was = number - (derive->by > 0 && number > derive->at);
    if (!(is_owner && derive->by > 0) && derive->base->tables[was].waits)
        schema->waiting--; /* decided again */
    *table = definition->table;
    table->triggers = own->triggers;
    table->trigger_count = own->trigger_count;
    bool acted_on = derive_is_acted_on(schema, definition->name);
    table->exposed |= acted_on;
    table->cut = acted_on && schema->fails;
    table->before = is_owner ? NULL : &derive->base->tables[was];
}

/* Tables that may need something: the owner, those that its foreign keys act on; or all that wait. */
static void derive_touch(struct derive *derive, const struct capture_definition *definition)
{
    struct oltp_schema *schema = derive->schema;
    uint32_t room = definition == NULL ? 0 : definition->acts_on_count + 1, count = 0;
    if (derive->owner == NULL)
        room = schema->waiting;
    uint32_t *touched = derive_alloc(derive, &schema->arena, room, sizeof *touched);
    if (touched == NULL)
        return;
    bool table = definition != NULL && derive_is_table(definition);
    if (table)
        touched[count++] = derive->at;
    for (uint32_t i = 0; table && i < definition->acts_on_count; i++) {
        int64_t parent = capture_schema_number(schema, definition->acts_on[i]);
        bool listed = parent < 0 || parent >= schema->catalog.table_count;
        for (uint32_t k = 0; k < count && !listed; k++)
            listed = touched[k] == parent;
        if (!listed)
            touched[count++] = (uint32_t)parent;
    }
    for (uint32_t i = 0; derive->owner == NULL && i < schema->catalog.table_count && count < room; i++)
        if (schema->tables[i].waits)
            touched[count++] = i;
    schema->touched = touched;
    schema->touched_count = count;
    derive_shelve(derive, count);
    for (uint32_t i = 0; i < count && derive->status == RHEI_OK; i++)
        derive_reset(derive, touched[i]);
}

/* Where the base's shelves aren't kept, why a table isn't mirrored is a word that goes with them. */
static void derive_reasons(struct derive *derive)
{
    struct oltp_schema *schema = derive->schema;
    struct capture_table *catalog = (struct capture_table *)(uintptr_t)schema->catalog.tables; /* its own copy */
    for (uint32_t i = 0; i < schema->catalog.table_count; i++) {
        struct source_table *table = &schema->tables[i].table.source;
        if (table->unmirrored_reason == NULL)
            continue;
        table->unmirrored_reason = base_arena_text(&schema->shelf->reasons, table->unmirrored_reason);
        if (table->unmirrored_reason == NULL) {
            derive_fail(derive, error_no_memory(derive->error));
            return;
        }
        catalog[i].source.unmirrored_reason = table->unmirrored_reason;
    }
}

static void derive_acts_on(struct derive *derive)
{
    struct oltp_schema *schema = derive->schema;
    const struct capture_definition *definition = derive->definition;
    schema->acted_on = derive->base->acted_on;
    schema->acted_on_count = derive->base->acted_on_count;
    if (definition == NULL || definition->acts_on_count == 0 || derive->by <= 0) {
        if (schema->acted_on_count > 0)
            schema->acted_on = derive_copy(derive, schema->acted_on, schema->acted_on_count, sizeof(char *), 0, 0);
        return;
    }
    uint32_t count = schema->acted_on_count;
    const char **names = derive_alloc(derive, &schema->arena, (size_t)count + definition->acts_on_count, sizeof *names);
    if (names == NULL)
        return;
    if (count > 0)
        memcpy(names, schema->acted_on, count * sizeof *names);
    for (uint32_t i = 0; i < definition->acts_on_count; i++)
        names[count++] = definition->acts_on[i];
    schema->acted_on = names;
    schema->acted_on_count = count;
}

static void derive_whole(struct derive *derive)
{
    struct oltp_schema *schema = derive->schema;
    const struct oltp_schema *base = derive->base;
    schema->derived = true;
    schema->fails = base->fails;
    schema->highest_number = base->highest_number;
    schema->waiting = base->waiting;
    schema->pieces = base->pieces;
    schema->has_log = base->has_log;
    schema->log_columns = base->log_columns;
    if (derive->by < 0 && derive_is_table(derive->before)) {
        schema->gone = derive->before->name;
        schema->waiting -= base->tables[derive->at].waits;
    }
    derive_arrays(derive);
    if (derive->status == RHEI_OK)
        derive_acts_on(derive);
    if (derive->status == RHEI_OK)
        derive_touch(derive, derive->definition);
    if (derive->status == RHEI_OK && schema->shelf->below == NULL)
        derive_reasons(derive);
    schema->cookie = (int32_t)((uint32_t)base->cookie + (derive->owner != NULL)); /* V1 */
}

/* ---- The proof in debug builds. ---------------------------------------------------------------------------------- */

#ifndef NDEBUG
static bool derive_same_objects(const struct capture_object *a, uint32_t a_count, const struct capture_object *b,
                                uint32_t b_count)
{
    bool same = a_count == b_count;
    for (uint32_t i = 0; same && i < a_count; i++) {
        same = a[i].type == b[i].type && a[i].rowid == b[i].rowid && strcmp(a[i].name, b[i].name) == 0 &&
               (a[i].sql == NULL) == (b[i].sql == NULL) && (a[i].sql == NULL || strcmp(a[i].sql, b[i].sql) == 0);
    }
    return same;
}

static void derive_check(const struct oltp_schema *derived, const struct oltp_schema *read)
{
    BASE_INVARIANT(derived->cookie == read->cookie && derived->last_rowid == read->last_rowid);
    BASE_INVARIANT(derived->definition_count == read->definition_count && derived->pieces == read->pieces);
    BASE_INVARIANT(derived->catalog.table_count == read->catalog.table_count);
    BASE_INVARIANT(derived->has_log == read->has_log && derived->log_columns == read->log_columns);
    for (uint32_t i = 0; i < read->definition_count; i++) {
        const struct capture_definition *a = derived->definitions[i], *b = read->definitions[i];
        BASE_INVARIANT(derive_same_objects(a->objects, a->object_count, b->objects, b->object_count));
        BASE_INVARIANT(capture_schema_number(derived, b->name) == (int64_t)i);
        if (i >= read->catalog.table_count)
            continue;
        const struct capture_table_schema *x = &derived->tables[i], *y = &read->tables[i];
        BASE_INVARIANT(strcmp(x->signature, y->signature) == 0 && x->exposed == y->exposed && x->cut == y->cut);
        BASE_INVARIANT(derive_same_objects(x->triggers, x->trigger_count, y->triggers, y->trigger_count));
        BASE_INVARIANT(x->definition == a && derived->owns[i]->triggers == x->triggers);
    }
}
#endif

static rhei_status derive_prove(struct derive *derive)
{
#ifndef NDEBUG
    struct oltp_schema *read = NULL;
    rhei_status status = capture_schema_load(derive->connection, derive->base, &read, derive->error);
    if (status == RHEI_OK)
        derive_check(derive->schema, read);
    capture_schema_release(read);
    return status;
#else
    (void)derive;
    return RHEI_OK;
#endif
}

rhei_status capture_schema_derive(struct oltp_connection *connection, struct oltp_schema *base,
                                  const struct oltp_ddl *ddl, struct oltp_schema **result, struct rhei_error *error)
{
    *result = NULL;
    BASE_INVARIANT(sqlite3_get_autocommit(connection->db) == 0 && base != NULL); /* V1 */
    if (base->pieces != CAPTURE_PIECES || !base->has_log || base->derived)
        return RHEI_OK;
    struct oltp_schema *schema = base_alloc_zero(1, sizeof *schema);
    if (schema == NULL)
        return error_no_memory(error);
    atomic_init(&schema->references, 1);
    struct derive derive = {
        .connection = connection, .base = base, .schema = schema, .error = error, .number = -1, .status = RHEI_OK};
    schema->last_rowid = base->last_rowid;
    if (ddl != NULL && ddl->creates)
        derive_created(&derive);
    else if (ddl != NULL)
        derive_dropped(&derive, ddl);
    if (derive_goes_on(&derive) && ddl != NULL)
        derive_define(&derive);
    if (derive_goes_on(&derive) && ddl != NULL)
        derive_place(&derive);
    if (derive_goes_on(&derive))
        derive_whole(&derive);
    if (derive_goes_on(&derive))
        derive_fail(&derive, derive_prove(&derive));
    capture_definition_release(derive.definition);
    base_arena_reset(&derive.scratch);
    if (!derive_goes_on(&derive)) {
        capture_schema_release(schema);
        return derive.status;
    }
    *result = schema;
    return RHEI_OK;
}
