/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of main as one connection sees it: tables with their columns, keys and unique indexes, our triggers, views.
 * Immutable once it is published, shared by counted references.
 *
 * L1. One pass over sqlite_schema. What it says of a table is compared with the base (a schema read before); where all is
 *     the same, the base's definition is shared. Nothing is asked of SQLite for it.
 */
#include "capture/capture_definition.h"

#include <stdlib.h>
#include <string.h>

enum { LOAD_FEW = 16 };

struct load_row {
    struct capture_object object;
    struct load_row *next;
};

/* Rows of one kind, compared with those of the base one after the other. */
struct load_track {
    const struct capture_object *before; /* borrowed */
    uint32_t before_count;
    uint32_t matched;
    bool changed;
    uint32_t more_count;
    struct load_row *first, *last; /* rows from the first difference on */
};

/* All rows of one tbl_name. */
struct load_slot {
    const char *name;
    struct capture_definition *before; /* of the base; borrowed */
    uint32_t before_number;            /* its number there */
    struct load_track track;           /* the definition's */
    struct load_track own;             /* our triggers */
    struct capture_table_kind kind;    /* of one that is read */
    struct capture_definition *definition;
};

struct load {
    struct oltp_connection *connection;
    struct oltp_schema *schema, *base;
    struct rhei_error *error;
    rhei_status status; /* first failure */
    struct base_arena scratch;
    struct load_slot *slots;
    uint32_t slot_count, slot_capacity;
    struct base_map *added; /* names that the base has not */
    const char *log_sql;
    struct capture_definer definer;
};

static void load_fail(struct load *load, rhei_status status)
{
    if (load->status == RHEI_OK)
        load->status = status;
}

static void *load_alloc(struct load *load, size_t count, size_t size)
{
    void *place = base_arena_zero(&load->schema->arena, count, size);
    if (place == NULL)
        load_fail(load, error_no_memory(load->error));
    return place;
}

/* ---- Names. ------------------------------------------------------------------------------------------------------ */

bool capture_schema_index(struct oltp_schema *schema)
{
    uint32_t size = 16;
    while (size < schema->definition_count * 2)
        size *= 2;
    schema->buckets = base_arena_zero(&schema->arena, size, sizeof *schema->buckets);
    schema->bucket_count = schema->buckets == NULL ? 0 : size;
    for (uint32_t i = 0; i < schema->definition_count && schema->buckets != NULL; i++) {
        uint32_t at = (uint32_t)schema->definitions[i]->hash & (size - 1);
        while (schema->buckets[at] != 0)
            at = (at + 1) & (size - 1);
        BASE_INVARIANT(schema->bucket_count > schema->definition_count); /* an empty one ends each search */
        schema->buckets[at] = i + 1;
    }
    return schema->buckets != NULL;
}

/* The number of the table or view of this name, or -1. */
static int64_t schema_find(const struct oltp_schema *schema, const char *name, size_t len)
{
    if (schema == NULL || schema->bucket_count == 0)
        return -1;
    uint64_t hash = capture_name_hash(name, len);
    uint32_t at = (uint32_t)hash & (schema->bucket_count - 1);
    while (schema->buckets[at] != 0) {
        const struct capture_definition *definition = schema->definitions[schema->buckets[at] - 1];
        if (definition->hash == hash && base_fold_equal(definition->name, strlen(definition->name), name, len))
            return schema->buckets[at] - 1;
        at = (at + 1) & (schema->bucket_count - 1);
    }
    return -1;
}

const struct capture_definition *capture_schema_definition(const struct oltp_schema *schema, const char *name)
{
    int64_t found = schema_find(schema, name, strlen(name));
    return found < 0 ? NULL : schema->definitions[found];
}

int64_t capture_schema_number(const struct oltp_schema *schema, const char *name)
{
    return schema_find(schema, name, strlen(name));
}

struct capture_table_schema *capture_schema_find(struct oltp_schema *schema, const char *name)
{
    int64_t found = name == NULL ? -1 : schema_find(schema, name, strlen(name));
    return found < 0 || found >= schema->catalog.table_count ? NULL : &schema->tables[found];
}

bool capture_schema_names_view(const struct oltp_schema *schema, const char *sql, size_t len)
{
    size_t at = 0, start, end;
    enum oltp_token token;
    if (schema->catalog.view_count == 0)
        return false;
    while ((token = oltp_next_token(sql, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        size_t quotes = token == OLTP_TOKEN_QUOTED || token == OLTP_TOKEN_STRING ? 1 : 0;
        if (token == OLTP_TOKEN_OTHER || end - start < 2 * quotes)
            continue;
        const char *name = sql + start + quotes;
        size_t name_len = end - start - 2 * quotes;
        int64_t found = schema_find(schema, name, name_len);
        /* a doubled quote inside: perhaps a view */
        if (found >= schema->catalog.table_count ||
            (quotes > 0 && memchr(name, sql[start] == '[' ? ']' : sql[start], name_len) != NULL))
            return true;
    }
    return false;
}

/* ---- The pass over sqlite_schema. -------------------------------------------------------------------------------- */

static struct load_slot *load_slot_new(struct load *load, const char *name)
{
    if (load->slot_count == load->slot_capacity) {
        uint32_t capacity = load->slot_capacity * 2;
        struct load_slot *grown = base_realloc(load->slots, capacity * sizeof *grown);
        if (grown == NULL) {
            load_fail(load, error_no_memory(load->error));
            return NULL;
        }
        load->slots = grown;
        load->slot_capacity = capacity;
    }
    struct load_slot *slot = &load->slots[load->slot_count++];
    *slot = (struct load_slot){.name = name};
    return slot;
}

static struct load_slot *load_find_slot(struct load *load, const char *name)
{
    size_t len = strlen(name);
    int64_t known = schema_find(load->base, name, len);
    if (known >= 0)
        return &load->slots[known]; /* the base's come first, in its order */
    uintptr_t number = (uintptr_t)base_map_find(load->added, name, len);
    if (number > 0)
        return &load->slots[number - 1];
    if (load->added == NULL)
        load->added = base_map_new(true);
    const char *copy = base_arena_text(&load->scratch, name);
    struct load_slot *slot = copy == NULL || load->added == NULL ? NULL : load_slot_new(load, copy);
    if (slot == NULL || !base_map_put(load->added, name, len, (void *)(uintptr_t)load->slot_count, NULL)) {
        load_fail(load, error_no_memory(load->error));
        return NULL;
    }
    slot->track.changed = true;
    return slot;
}

static bool load_same(const struct capture_object *a, const struct capture_object *b)
{
    return a->type == b->type && a->rowid == b->rowid && strcmp(a->name, b->name) == 0 &&
           (a->sql == NULL) == (b->sql == NULL) && (a->sql == NULL || strcmp(a->sql, b->sql) == 0);
}

static bool track_is_same(const struct load_track *track)
{
    return !track->changed && track->matched == track->before_count;
}

static uint32_t track_count(const struct load_track *track)
{
    return track->matched + track->more_count;
}

static void load_track_row(struct load *load, struct load_track *track, const struct capture_object *object)
{
    if (!track->changed && track->matched < track->before_count && load_same(&track->before[track->matched], object)) {
        BASE_INVARIANT(track->more_count == 0); /* L1: the first difference ends the comparison */
        track->matched++;
        return;
    }
    struct load_row *row = base_arena_zero(&load->scratch, 1, sizeof *row);
    if (row == NULL) {
        load_fail(load, error_no_memory(load->error));
        return;
    }
    row->object = *object;
    row->object.name = base_arena_text(&load->scratch, object->name);
    row->object.sql = object->sql == NULL ? NULL : base_arena_text(&load->scratch, object->sql);
    if (row->object.name == NULL || (object->sql != NULL && row->object.sql == NULL)) {
        load_fail(load, error_no_memory(load->error));
        return;
    }
    *(track->first == NULL ? &track->first : &track->last->next) = row;
    track->last = row;
    track->more_count++;
    track->changed = true;
}

/* The rows of the track in one array; NULL after a failure. */
static struct capture_object *load_track_objects(struct load *load, const struct load_track *track)
{
    struct capture_object *objects = base_arena_zero(&load->scratch, (size_t)track_count(track) + 1, sizeof *objects);
    if (objects == NULL) {
        load_fail(load, error_no_memory(load->error));
        return NULL;
    }
    uint32_t i = 0;
    for (; i < track->matched; i++)
        objects[i] = track->before[i];
    for (const struct load_row *row = track->first; row != NULL; row = row->next)
        objects[i++] = row->object;
    return objects;
}

bool capture_object_is_ours(const struct capture_object *object)
{
    return object->type == CAPTURE_OBJECT_TRIGGER &&
           strncmp(object->name, CAPTURE_TRIGGER, strlen(CAPTURE_TRIGGER)) == 0;
}

/* Rhei's own tables, their indexes and the view for people. */
static void load_piece(struct load *load, const struct capture_object *object)
{
    static const struct {
        const char *name;
        enum capture_object_type type;
        unsigned piece;
    } pieces[] = {
        {OLTP_LOG, CAPTURE_OBJECT_TABLE, CAPTURE_PIECE_LOG},
        {"_rhei_meta", CAPTURE_OBJECT_TABLE, CAPTURE_PIECE_META},
        {"_rhei_tables", CAPTURE_OBJECT_TABLE, CAPTURE_PIECE_TABLES},
        {"_rhei_tables_name", CAPTURE_OBJECT_INDEX, CAPTURE_PIECE_INDEX},
        {"_rhei_engines", CAPTURE_OBJECT_TABLE, CAPTURE_PIECE_ENGINES},
        {"_rhei_consumers", CAPTURE_OBJECT_TABLE, CAPTURE_PIECE_CONSUMERS},
        {"_rhei_cdc_events", CAPTURE_OBJECT_VIEW, CAPTURE_PIECE_EVENTS},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        if (object->type == pieces[i].type && strcmp(object->name, pieces[i].name) == 0)
            load->schema->pieces |= pieces[i].piece;
    if (object->type == CAPTURE_OBJECT_TRIGGER)
        load->schema->pieces |= capture_guard_piece(object->name, object->sql);
}

static void load_row(struct load *load, sqlite3_stmt *stmt)
{
    static const char *const types[] = {"table", "view", "index", "trigger"};
    const char *type = (const char *)sqlite3_column_text(stmt, 1);
    const char *owner = (const char *)sqlite3_column_text(stmt, 3);
    struct capture_object object = {.rowid = sqlite3_column_int64(stmt, 0),
                                    .name = (const char *)sqlite3_column_text(stmt, 2),
                                    .sql = (const char *)sqlite3_column_text(stmt, 4)};
    uint32_t number = 0;
    if (type == NULL || owner == NULL || object.name == NULL)
        return;
    if (object.rowid > load->schema->last_rowid)
        load->schema->last_rowid = object.rowid;
    while (number < 4 && strcmp(type, types[number]) != 0)
        number++;
    object.type = (enum capture_object_type)number;
    if (number == 4 || sqlite3_strnicmp(owner, "sqlite_", 7) == 0)
        return;
    if (sqlite3_strnicmp(owner, OLTP_PREFIX, (int)strlen(OLTP_PREFIX)) == 0) {
        load_piece(load, &object);
        return;
    }
    struct load_slot *slot = load_find_slot(load, owner);
    if (slot != NULL)
        load_track_row(load, capture_object_is_ours(&object) ? &slot->own : &slot->track, &object);
}

static void load_scan(struct load *load)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(load->connection->db,
                                "SELECT rowid, type, name, tbl_name, sql FROM main.sqlite_master ORDER BY rowid", -1,
                                &stmt, NULL);
    while (rc == SQLITE_OK && load->status == RHEI_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        load_row(load, stmt);
        rc = SQLITE_OK;
    }
    if (load->status == RHEI_OK && rc != SQLITE_DONE)
        load_fail(load, oltp_sqlite_error(load->connection, rc, NULL, load->error));
    sqlite3_finalize(stmt);
}

static void load_base_slots(struct load *load)
{
    uint32_t count = load->base == NULL ? 0 : load->base->definition_count;
    load->slot_capacity = count + LOAD_FEW;
    load->slots = base_alloc(load->slot_capacity * sizeof *load->slots);
    if (load->slots == NULL) {
        load_fail(load, error_no_memory(load->error));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct capture_definition *before = load->base->definitions[i];
        struct load_slot *slot = load_slot_new(load, before->name);
        if (slot == NULL)
            return;
        slot->before = before;
        slot->before_number = i;
        slot->track.before = before->objects;
        slot->track.before_count = before->object_count;
        if (i < load->base->catalog.table_count) {
            const struct capture_own *own = load->base->owns[i];
            slot->own.before = own->triggers;
            slot->own.before_count = own->trigger_count;
        }
    }
}

/* ---- Definitions. ------------------------------------------------------------------------------------------------ */

static bool slot_is_same(const struct load_slot *slot)
{
    return slot->before != NULL && track_is_same(&slot->track);
}

static const char *slot_table_sql(const struct load_slot *slot, bool now)
{
    if (!now && slot->before != NULL && slot->before->main->type == CAPTURE_OBJECT_TABLE)
        return slot->before->main->sql;
    for (const struct load_row *row = slot->track.first; now && row != NULL; row = row->next)
        if (row->object.type == CAPTURE_OBJECT_TABLE)
            return row->object.sql;
    return NULL;
}

bool capture_text_is_virtual(const char *sql)
{
    size_t at = 0, start, end, len = sql == NULL ? 0 : strlen(sql);
    oltp_next_token(sql == NULL ? "" : sql, len, &at, &start, &end);
    oltp_next_token(sql == NULL ? "" : sql, len, &at, &start, &end);
    return len > 0 && oltp_token_is(sql, start, end, "VIRTUAL");
}

/* A virtual table that came or went changes what the tables are whose names begin with its own and an underscore. */
static void load_disturb_shadows(struct load *load)
{
    for (uint32_t i = 0; i < load->slot_count; i++) {
        const struct load_slot *moved = &load->slots[i];
        size_t len = strlen(moved->name);
        if (slot_is_same(moved) || !(capture_text_is_virtual(slot_table_sql(moved, true)) ||
                                     capture_text_is_virtual(slot_table_sql(moved, false))))
            continue;
        for (uint32_t k = 0; k < load->slot_count; k++) {
            struct load_slot *slot = &load->slots[k];
            if (slot_is_same(slot) && strlen(slot->name) > len && slot->name[len] == '_' &&
                base_fold_equal(slot->name, len, moved->name, len))
                slot->track.changed = true;
        }
    }
}

static void load_kind_row(sqlite3_stmt *stmt, struct capture_table_kind *kind)
{
    const char *type = (const char *)sqlite3_column_text(stmt, 1);
    kind->is_virtual = type != NULL && strcmp(type, "virtual") == 0;
    kind->is_shadow = type != NULL && strcmp(type, "shadow") == 0;
    kind->without_rowid = sqlite3_column_int(stmt, 2) != 0;
    kind->strict = sqlite3_column_int(stmt, 3) != 0;
}

static bool slot_is_read(const struct load_slot *slot)
{
    return slot->definition == NULL && track_count(&slot->track) > 0;
}

/* The slot that a listed name is of; NULL: none that is to be read. */
static struct load_slot *load_kind_slot(struct load *load, const char *name)
{
    int64_t number = name == NULL ? -1 : schema_find(load->base, name, strlen(name));
    if (number < 0 && name != NULL)
        number = (int64_t)(uintptr_t)base_map_find(load->added, name, strlen(name)) - 1;
    return number >= 0 && slot_is_read(&load->slots[number]) ? &load->slots[number] : NULL;
}

static rhei_status load_kinds_step(struct load *load, sqlite3_stmt *stmt)
{
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct load_slot *slot = load_kind_slot(load, (const char *)sqlite3_column_text(stmt, 0));
        if (slot != NULL)
            load_kind_row(stmt, &slot->kind);
    }
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(load->connection, rc, NULL, load->error);
}

/* How SQLite lists the `count` tables that are to be read: by name, or all in one listing, as each walks all tables. */
static void load_kinds(struct load *load, uint32_t count)
{
    sqlite3_stmt *stmt = NULL;
    bool few = count <= LOAD_FEW;
    int rc = sqlite3_prepare_v2(load->connection->db,
                                few ? "SELECT name, type, wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'"
                                    : "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'",
                                -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        load_fail(load, oltp_sqlite_error(load->connection, rc, NULL, load->error));
    else if (!few)
        load_fail(load, load_kinds_step(load, stmt));
    for (uint32_t i = 0; few && i < load->slot_count && load->status == RHEI_OK; i++) {
        if (slot_is_read(&load->slots[i])) {
            sqlite3_bind_text(stmt, 1, load->slots[i].name, -1, SQLITE_STATIC);
            load_fail(load, load_kinds_step(load, stmt));
        }
    }
    sqlite3_finalize(stmt);
}

static void load_define(struct load *load, struct load_slot *slot)
{
    struct capture_object *objects = load_track_objects(load, &slot->track);
    if (objects != NULL) {
        slot->definition = capture_definition_new(&load->definer, objects, track_count(&slot->track), &slot->kind);
        load_fail(load, load->definer.status);
    }
}

static void load_definitions(struct load *load)
{
    uint32_t count = 0;
    load_disturb_shadows(load);
    for (uint32_t i = 0; i < load->slot_count && load->status == RHEI_OK; i++) {
        struct load_slot *slot = &load->slots[i];
        if (slot_is_same(slot)) {
            slot->definition = slot->before;
            atomic_fetch_add_explicit(&slot->before->references, 1, memory_order_relaxed);
        }
        count += slot_is_read(slot);
    }
    load->schema->read_count = count;
    if (count > 0 && load->status == RHEI_OK)
        load_kinds(load, count);
    for (uint32_t i = 0; i < load->slot_count && load->status == RHEI_OK && count > 0; i++)
        if (slot_is_read(&load->slots[i]))
            load_define(load, &load->slots[i]);
}

/* ---- The parts of the schema. ------------------------------------------------------------------------------------ */

static int load_compare(const void *a, const void *b)
{
    const struct load_slot *one = *(const struct load_slot *const *)a, *other = *(const struct load_slot *const *)b;
    if (one->definition->main->type != other->definition->main->type)
        return one->definition->main->type == CAPTURE_OBJECT_TABLE ? -1 : 1;
    return strcmp(one->definition->name, other->definition->name);
}

/* All that is there, tables by name, then views by name. The base's are in that order already but for what changed. */
static struct load_slot **load_order(struct load *load, uint32_t *count, uint32_t *tables)
{
    struct load_slot **order = base_arena_alloc(&load->scratch, ((size_t)load->slot_count + 1) * sizeof(*order));
    uint32_t few = 0;
    *count = 0;
    *tables = 0;
    if (order == NULL) {
        load_fail(load, error_no_memory(load->error));
        return NULL;
    }
    for (uint32_t i = 0; i < load->slot_count; i++) {
        struct load_slot *slot = &load->slots[i];
        if (slot->definition == NULL)
            continue;
        uint32_t at = (*count)++;
        *tables += slot->definition->main->type == CAPTURE_OBJECT_TABLE;
        order[at] = slot;
        while (few < LOAD_FEW && at > 0 && load_compare(&order[at - 1], &order[at]) > 0) {
            struct load_slot *moved = order[at - 1];
            order[at - 1] = order[at];
            order[at--] = moved;
        }
        few += at + 1 < *count;
    }
    if (few == LOAD_FEW)
        qsort(order, *count, sizeof(*order), load_compare);
    return order;
}

static void load_own(struct load *load, const struct load_slot *slot, struct capture_own **own)
{
    if (slot->before != NULL && slot->before_number < load->base->catalog.table_count && track_is_same(&slot->own)) {
        *own = load->base->owns[slot->before_number];
        atomic_fetch_add_explicit(&(*own)->references, 1, memory_order_relaxed);
        return;
    }
    struct capture_object *objects = load_track_objects(load, &slot->own);
    *own = objects == NULL ? NULL : capture_own_new(objects, track_count(&slot->own));
    if (*own == NULL)
        load_fail(load, error_no_memory(load->error));
}

static void load_table(struct load *load, const struct load_slot *slot, uint32_t i)
{
    struct oltp_schema *schema = load->schema;
    struct capture_table_schema *table = &schema->tables[i];
    load_own(load, slot, &schema->owns[i]);
    if (load->status != RHEI_OK)
        return;
    *table = schema->definitions[i]->table;
    table->triggers = schema->owns[i]->triggers;
    table->trigger_count = schema->owns[i]->trigger_count;
    if (schema->definitions[i] == slot->before && track_is_same(&slot->own))
        table->before = &load->base->tables[slot->before_number];
}

static void load_parents(struct load *load)
{
    struct oltp_schema *schema = load->schema;
    uint32_t all = 0, count = 0;
    for (uint32_t i = 0; i < schema->catalog.table_count; i++)
        all += schema->definitions[i]->acts_on_count;
    for (uint32_t i = 0; i < schema->definition_count && !schema->fails; i++)
        schema->fails = schema->definitions[i]->fails;
    const char **names = load_alloc(load, (size_t)all + 1, sizeof *names);
    for (uint32_t i = 0; i < schema->catalog.table_count && load->status == RHEI_OK && all > 0; i++) {
        const struct capture_definition *child = schema->definitions[i];
        for (uint32_t k = 0; k < child->acts_on_count; k++) {
            struct capture_table_schema *parent = capture_schema_find(schema, child->acts_on[k]);
            if (parent != NULL) {
                parent->exposed = true;
                parent->cut = schema->fails;
            }
            names[count++] = child->acts_on[k];
        }
    }
    schema->acted_on = names;
    schema->acted_on_count = count;
}

static void load_parts(struct load *load)
{
    struct oltp_schema *schema = load->schema;
    uint32_t tables = 0, all = 0;
    struct load_slot **order = load_order(load, &all, &tables);
    schema->shelf = load->status == RHEI_OK ? capture_shelf_new(NULL, all, tables) : NULL;
    if (schema->shelf == NULL)
        load_fail(load, error_no_memory(load->error));
    /* all of it is written below, and it is the largest part of a schema that is kept as it was */
    schema->tables = base_arena_alloc(&schema->arena, ((size_t)tables + 1) * sizeof *schema->tables);
    if (schema->tables == NULL)
        load_fail(load, error_no_memory(load->error));
    struct capture_view *views = load_alloc(load, (size_t)(all - tables) + 1, sizeof *views);
    if (load->status != RHEI_OK)
        return;
    schema->definitions = schema->shelf->definitions;
    schema->owns = schema->shelf->owns;
    for (uint32_t i = 0; i < all; i++) {
        BASE_INVARIANT(i == 0 || strcmp(schema->definitions[i - 1]->name, order[i]->definition->name) != 0 ||
                       i == tables);
        schema->definitions[i] = order[i]->definition; /* takes the reference */
        order[i]->definition = NULL;
    }
    schema->shelf->definition_count = all;
    schema->shelf->own_count = tables; /* those that aren't made are NULL */
    schema->definition_count = all;
    schema->catalog.table_count = tables;
    for (uint32_t i = 0; i < tables && load->status == RHEI_OK; i++)
        load_table(load, order[i], i);
    for (uint32_t i = tables; i < all; i++) {
        const struct capture_object *view = schema->definitions[i]->main;
        views[i - tables] = (struct capture_view){view->name, view->sql == NULL ? "" : view->sql};
    }
    schema->catalog.views = views;
    schema->catalog.view_count = all - tables;
    if (!capture_schema_index(schema))
        load_fail(load, error_no_memory(load->error));
    load_parents(load);
}

static void load_log(struct load *load)
{
    struct oltp_schema *schema = load->schema;
    schema->has_log = (schema->pieces & CAPTURE_PIECE_LOG) != 0;
    if (schema->has_log && load->status == RHEI_OK) {
        int64_t columns = 0;
        load_fail(load,
                  oltp_query_int(load->connection, "SELECT count(*) - 4 FROM pragma_table_info('" OLTP_LOG "', 'main')",
                                 0, &columns, load->error));
        schema->log_columns = columns < 0 ? 0 : (uint32_t)columns;
    }
}

/* ---- The whole. -------------------------------------------------------------------------------------------------- */

rhei_status capture_schema_load(struct oltp_connection *connection, struct oltp_schema *base,
                                struct oltp_schema **result, struct rhei_error *error)
{
    *result = NULL;
    struct oltp_schema *schema = base_alloc_zero(1, sizeof *schema);
    if (schema == NULL)
        return error_no_memory(error);
    atomic_init(&schema->references, 1);
    bool own = sqlite3_get_autocommit(connection->db) != 0;
    struct load load = {.connection = connection, .schema = schema, .base = base, .error = error, .status = RHEI_OK};
    capture_definer_init(&load.definer, connection, error);
    if (own)
        load_fail(&load, oltp_exec(connection, "BEGIN", error));
    load_base_slots(&load);
    load_scan(&load);
    if (load.status == RHEI_OK)
        load_definitions(&load);
    if (load.status == RHEI_OK)
        load_parts(&load);
    load_log(&load);
    if (load.status == RHEI_OK)
        load_fail(&load, oltp_query_int(connection, "PRAGMA main.schema_version", 0, &schema->cookie, error));
    capture_definer_reset(&load.definer);
    if (own)
        oltp_exec(connection, "COMMIT", NULL);
    for (uint32_t i = 0; i < load.slot_count; i++)
        capture_definition_release(load.slots[i].definition);
    base_free(load.slots);
    base_map_free(&load.added);
    base_arena_reset(&load.scratch);
    if (load.status != RHEI_OK) {
        capture_schema_release(schema);
        return load.status;
    }
    *result = schema;
    return RHEI_OK;
}

/* ---- After capture is settled. ----------------------------------------------------------------------------------- */

/* New rows are made behind all that were there then. */
static int64_t settle_from(const struct oltp_schema *schema)
{
    int64_t from = INT64_MAX;
    for (uint32_t i = 0; i < capture_schema_work_count(schema); i++) {
        const struct capture_table_schema *table = capture_schema_work(schema, i);
        from = table->remade > 0 && table->remade_after < from ? table->remade_after : from;
    }
    return from;
}

static bool settle_is_kept(const struct capture_table_schema *table, int64_t rowid)
{
    for (uint32_t k = 0; k < table->trigger_count; k++)
        if ((table->kept & 1u << k) != 0 && table->triggers[k].rowid == rowid)
            return true;
    return false;
}

static rhei_status settle_scan(struct load *load)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(load->connection->db,
                                "SELECT rowid, name, sql, tbl_name FROM main.sqlite_master WHERE rowid > ?1 AND type = "
                                "'trigger' ORDER BY rowid",
                                -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        sqlite3_bind_int64(stmt, 1, settle_from(load->schema));
    while (rc == SQLITE_OK && load->status == RHEI_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct capture_object object = {.type = CAPTURE_OBJECT_TRIGGER,
                                        .rowid = sqlite3_column_int64(stmt, 0),
                                        .name = (const char *)sqlite3_column_text(stmt, 1),
                                        .sql = (const char *)sqlite3_column_text(stmt, 2)};
        const struct capture_table_schema *table =
            capture_schema_find(load->schema, (const char *)sqlite3_column_text(stmt, 3));
        if (table != NULL && table->remade > 0 && object.name != NULL && capture_object_is_ours(&object) &&
            !settle_is_kept(table, object.rowid))
            load_track_row(load, &load->slots[table->remade - 1].own, &object);
        rc = SQLITE_OK;
    }
    if (load->status == RHEI_OK && rc != SQLITE_DONE)
        load_fail(load, oltp_sqlite_error(load->connection, rc, NULL, load->error));
    sqlite3_finalize(stmt);
    return load->status;
}

static void settle_own(struct load *load, struct capture_table_schema *table)
{
    struct oltp_schema *schema = load->schema;
    struct capture_own *own = NULL, **place = &schema->owns[table - schema->tables];
    load_own(load, &load->slots[table->remade - 1], &own);
    if (own == NULL)
        return;
    if (schema->owns == schema->shelf->owns)
        capture_own_release(*place);
    else
        schema->shelf->owns[schema->shelf->own_count++] = own; /* what it was is another shelf's */
    *place = own;
    table->triggers = own->triggers;
    table->trigger_count = own->trigger_count;
    BASE_INVARIANT(!table->table.captured || table->trigger_count >= 4); /* I6: those that were just made */
    table->remade = 0;
    table->kept = 0;
}

rhei_status capture_schema_reread(struct oltp_connection *connection, struct oltp_schema *schema,
                                  struct rhei_error *error)
{
    struct load load = {.connection = connection, .schema = schema, .error = error, .status = RHEI_OK};
    uint32_t count = 0;
    uint32_t work = capture_schema_work_count(schema);
    for (uint32_t i = 0; i < work; i++) {
        struct capture_table_schema *table = capture_schema_work(schema, i);
        table->remade = table->remade > 0 ? ++count : 0;
    }
    load.slots = base_alloc_zero((size_t)count + 1, sizeof *load.slots);
    if (load.slots == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < work; i++) {
        const struct capture_table_schema *table = capture_schema_work(schema, i);
        for (uint32_t k = 0; table->remade > 0 && k < table->trigger_count; k++)
            if ((table->kept & 1u << k) != 0)
                load_track_row(&load, &load.slots[table->remade - 1].own, &table->triggers[k]);
    }
    if (count > 0)
        settle_scan(&load);
    for (uint32_t i = 0; i < work && load.status == RHEI_OK && count > 0; i++) {
        struct capture_table_schema *table = capture_schema_work(schema, i);
        if (table->remade > 0)
            settle_own(&load, table);
    }
    base_free(load.slots);
    base_arena_reset(&load.scratch);
    if (load.status == RHEI_OK) {
        load.status =
            oltp_query_int(connection, "SELECT max(rowid) FROM main.sqlite_master", 0, &schema->last_rowid, error);
    }
    return load.status;
}

struct oltp_schema *capture_schema_hold(struct oltp *oltp)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    struct oltp_schema *schema = capture_of(oltp)->schema;
    if (schema != NULL)
        atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return schema;
}

void capture_schema_release(struct oltp_schema *schema)
{
    if (schema != NULL && atomic_fetch_sub_explicit(&schema->references, 1, memory_order_acq_rel) == 1) {
        capture_shelf_release(schema->shelf);
        base_arena_reset(&schema->arena);
        base_free(schema);
    }
}
