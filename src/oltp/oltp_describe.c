/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQLite says of a text without running it: facts through the authorizer, and its plan; each under a schema that is
 * verified to be the file's, and with the version of the catalog that has just that schema.
 */
#include <math.h>
#include <string.h>

#include "oltp/oltp_internal.h"

struct oltp_describe {
    struct base_arena arena;
    struct oltp_reference *references;
    size_t count, capacity;
    bool failed;
};

static void describe_add(struct oltp_describe *describe, const char *schema, const char *table, const char *column)
{
    for (size_t i = 0; i < describe->count; i++)
        if (base_fold_compare(describe->references[i].schema, schema) == 0 &&
            base_fold_compare(describe->references[i].table, table) == 0 &&
            base_fold_compare(describe->references[i].column, column) == 0)
            return;
    void *items = describe->references;
    if (!base_grow(&items, &describe->capacity, describe->count + 1, sizeof *describe->references)) {
        describe->failed = true;
        return;
    }
    describe->references = items;
    struct oltp_reference *reference = &describe->references[describe->count];
    reference->schema = base_arena_text(&describe->arena, schema);
    reference->table = base_arena_text(&describe->arena, table);
    reference->column = base_arena_text(&describe->arena, column);
    if (reference->schema == NULL || reference->table == NULL || reference->column == NULL) {
        describe->failed = true;
        return;
    }
    describe->count++;
}

static int describe_authorize(void *context, int action, const char *first, const char *second, const char *database,
                              const char *trigger)
{
    struct oltp *oltp = context;
    (void)trigger;
    if (oltp->describing != NULL &&
        oltp_face_authorize(oltp->describer, action, first, second, database) == SQLITE_DENY)
        return SQLITE_DENY;
    database = database == NULL ? "" : database;
    if (oltp->describing == NULL || first == NULL)
        return SQLITE_OK;
    if (action == SQLITE_READ || action == SQLITE_UPDATE)
        describe_add(oltp->describing, database, first, second == NULL ? "" : second);
    else if (action == SQLITE_INSERT || action == SQLITE_DELETE)
        describe_add(oltp->describing, database, first, "");
    return SQLITE_OK;
}

static rhei_status describe_columns(struct oltp_describe *describe, sqlite3_stmt *stmt, struct oltp_facts *facts,
                                    struct rhei_error *error)
{
    facts->column_count = (uint32_t)sqlite3_column_count(stmt);
    const char **names = base_arena_zero(&describe->arena, facts->column_count, sizeof *names);
    const char **types = base_arena_zero(&describe->arena, facts->column_count, sizeof *types);
    bool ok = names != NULL && types != NULL;
    for (uint32_t i = 0; ok && i < facts->column_count; i++) {
        names[i] = base_arena_text(&describe->arena, sqlite3_column_name(stmt, (int)i));
        types[i] = base_arena_text(&describe->arena, sqlite3_column_decltype(stmt, (int)i));
        ok = names[i] != NULL && types[i] != NULL;
    }
    facts->column_names = names;
    facts->column_types = types;
    return ok ? RHEI_OK : error_no_memory(error);
}

/* ---- A schema that is the file's. -------------------------------------------------------------------------------- */

/*
 * sqlite3_prepare believes the schema that its connection has in memory; only a statement that runs looks whether the file
 * still has that one. So a look runs one, and stays in its snapshot: what is prepared until its end is of the file's schema as it
 * was then, which has the cookie told. Under describe_lock.
 */
static rhei_status look_begin(struct oltp *oltp, int64_t *cookie, struct rhei_error *error)
{
    sqlite3 *db = oltp->describer->db;
    oltp->describer->busy_deadline_ns = 0;
    BASE_INVARIANT(oltp->look == NULL || sqlite3_stmt_busy(oltp->look) == 0); /* one look at a time */
    oltp_face_use(oltp->describer);
    int rc = SQLITE_OK;
    if (oltp->look == NULL) { /* a row always, so that it stays open */
        rc = sqlite3_prepare_v3(db, "SELECT (SELECT 1 FROM main.sqlite_master LIMIT 1)", -1, SQLITE_PREPARE_PERSISTENT,
                                &oltp->look, NULL);
    }
    if (rc == SQLITE_OK && oltp->look_cookie == NULL) {
        rc = sqlite3_prepare_v3(db, "PRAGMA main.schema_version", -1, SQLITE_PREPARE_PERSISTENT, &oltp->look_cookie,
                                NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_step(oltp->look);
    if (rc == SQLITE_ROW)
        rc = sqlite3_step(oltp->look_cookie);
    if (rc == SQLITE_ROW) {
        *cookie = sqlite3_column_int64(oltp->look_cookie, 0);
        sqlite3_reset(oltp->look_cookie);
        return RHEI_OK;
    }
    rhei_status status = oltp_sqlite_error(oltp->describer, rc, NULL, error);
    sqlite3_reset(oltp->look);
    sqlite3_reset(oltp->look_cookie);
    return status;
}

static void look_end(struct oltp *oltp)
{
    BASE_INVARIANT(sqlite3_stmt_busy(oltp->look) != 0); /* I12: its snapshot was there until now */
    sqlite3_reset(oltp->look);
}

void oltp_look_close(struct oltp *oltp)
{
    sqlite3_finalize(oltp->look);
    sqlite3_finalize(oltp->look_cookie);
    oltp->look = oltp->look_cookie = NULL;
}

/* ---- Facts. ------------------------------------------------------------------------------------------------------ */

static rhei_status describe_text(struct oltp *oltp, const char *copy, size_t len, struct oltp_facts *facts,
                                 struct oltp_describe *describe, struct rhei_error *error)
{
    struct oltp_statement statement = {.sql = (char *)(uintptr_t)copy, .len = len};
    const char *tail = copy;
    BASE_INVARIANT(oltp->describing == NULL && sqlite3_stmt_busy(oltp->look) != 0); /* I12 */
    oltp->describing = describe;
    oltp->describer->face_met = 0;
    const char *instead = oltp_face_instead(oltp->describer, copy, len);
    int rc = sqlite3_prepare_v2(oltp->describer->db, instead == NULL ? copy : instead,
                                instead == NULL ? (int)len + 1 : -1, &statement.stmt, &tail);
    tail = instead == NULL ? tail : copy + len;
    oltp->describing = NULL;
    for (size_t i = 0; i < describe->count; i++) {
        if (describe->references[i].schema[0] == '\0') { /* count(*) reads no column, and SQLite tells the name alone */
            describe->references[i].schema =
                base_arena_text(&describe->arena, oltp_face_schema_of(oltp->describer, describe->references[i].table));
            describe->failed = describe->failed || describe->references[i].schema == NULL;
        }
        facts->reads_elsewhere =
            facts->reads_elsewhere || oltp_face_has(oltp->describer, describe->references[i].schema);
    }
    /* of a table that is read for the columns of a USING alone, the authorizer isn't told */
    facts->sources = oltp->describer->face_met;
    facts->reads_elsewhere = facts->reads_elsewhere || facts->sources != 0;
    rhei_status status = rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->describer, rc, NULL, error);
    if (status == RHEI_OK) {
        oltp_classify(&statement);
        facts->kind = statement.kind;
        facts->is_ddl = statement.is_ddl;
        facts->read_only = statement.stmt == NULL || statement.read_only;
        facts->statement_length = (size_t)(tail - copy);
        BASE_INVARIANT(facts->statement_length <= len);
        facts->has_tail = !oltp_is_blank(copy, len, facts->statement_length);
        facts->parameter_count = statement.stmt == NULL ? 0 : (uint32_t)sqlite3_bind_parameter_count(statement.stmt);
        status = describe_columns(describe, statement.stmt, facts, error);
        facts->returns_rows = facts->column_count > 0;
    }
    sqlite3_finalize(statement.stmt);
    return status;
}

/* One look and what SQLite says within it. */
static rhei_status describe_once(struct oltp *oltp, const char *copy, size_t len, struct oltp_facts *facts,
                                 struct rhei_error *error)
{
    *facts = (struct oltp_facts){0};
    struct oltp_describe *describe = base_alloc_zero(1, sizeof *describe);
    if (describe == NULL)
        return error_no_memory(error);
    facts->owner = describe;
    int64_t cookie = 0;
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = look_begin(oltp, &cookie, error);
    uint64_t shown = oltp_face_version_of(oltp->describer);
    if (status == RHEI_OK) {
        /* set for this call alone: an authorizer would be asked for our own reading of the schema too */
        sqlite3_set_authorizer(oltp->describer->db, describe_authorize, oltp);
        status = describe_text(oltp, copy, len, facts, describe, error);
        sqlite3_set_authorizer(oltp->describer->db, NULL, NULL);
        look_end(oltp);
    }
    base_mutex_unlock(&oltp->describe_lock);
    if (status == RHEI_OK && describe->failed)
        status = error_no_memory(error);
    facts->schema_version = oltp_version_with(oltp->hooks->version_of(oltp, cookie), shown);
    facts->references = describe->references;
    facts->reference_count = (uint32_t)describe->count;
    if (status != RHEI_OK)
        oltp_facts_reset(facts);
    return status;
}

rhei_status oltp_describe(struct oltp *oltp, const char *sql, size_t len, struct oltp_facts *facts,
                          struct rhei_error *error)
{
    *facts = (struct oltp_facts){0};
    if (len > 1000000000)
        return error_set(error, RHEI_TOO_BIG, "the statement is longer than 1,000,000,000 bytes");
    rhei_status status = oltp_pragma_check(oltp->describer, sql, len, error);
    char *copy = status == RHEI_OK ? base_strndup(sql, len) : NULL;
    if (status == RHEI_OK && copy == NULL)
        status = error_no_memory(error);
    if (status == RHEI_OK)
        status = describe_once(oltp, copy, len, facts, error);
    /* A schema that we don't know yet: catch up with it once; while it can't be had, the facts say so. */
    if (status == RHEI_OK && facts->schema_version == 0 && oltp->hooks->settle(oltp, NULL) == RHEI_OK) {
        oltp_facts_reset(facts);
        status = describe_once(oltp, copy, len, facts, error);
    }
    base_free(copy);
    return status;
}

void oltp_facts_reset(struct oltp_facts *facts)
{
    struct oltp_describe *describe = facts->owner;
    if (describe != NULL) {
        base_arena_reset(&describe->arena);
        base_free(describe->references);
        base_free(describe);
    }
    *facts = (struct oltp_facts){0};
}

/* ---- Classes. ---------------------------------------------------------------------------------------------------- */

/* As of oltp_cursor_column_class, for a statement that isn't run. */
static void classes_of(struct oltp *oltp, const struct oltp_statement *statement, struct oltp_schema *schema,
                       uint8_t *classes, uint32_t count)
{
    if (statement->compound || oltp->hooks->names_view(schema, statement->sql, statement->len))
        return;
    uint32_t there = (uint32_t)sqlite3_column_count(statement->stmt);
    for (uint32_t i = 0; i < count && i < there; i++) {
        const char *database = sqlite3_column_database_name(statement->stmt, (int)i);
        const char *table = sqlite3_column_table_name(statement->stmt, (int)i);
        const char *origin = sqlite3_column_origin_name(statement->stmt, (int)i);
        if (database != NULL && table != NULL && origin != NULL && strcmp(database, "main") == 0)
            classes[i] = oltp->hooks->column_class(schema, table, origin);
    }
}

rhei_status oltp_describe_classes(struct oltp *oltp, const char *sql, size_t len, uint8_t *classes, uint32_t count,
                                  struct rhei_error *error)
{
    memset(classes, RHEI_NULL, count);
    char *copy = len > 1000000000 ? NULL : base_strndup(sql, len);
    struct oltp_statement statement = {.sql = copy, .len = len};
    if (copy == NULL)
        return error_no_memory(error);
    int64_t cookie = 0;
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = look_begin(oltp, &cookie, error);
    if (status == RHEI_OK) {
        int rc = sqlite3_prepare_v2(oltp->describer->db, copy, (int)len + 1, &statement.stmt, NULL);
        status = rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->describer, rc, NULL, error);
        look_end(oltp);
    }
    if (status == RHEI_OK && statement.stmt != NULL) {
        oltp_classify(&statement);
        struct oltp_schema *schema = oltp->hooks->hold(oltp, cookie);
        if (schema != NULL)
            classes_of(oltp, &statement, schema, classes, count);
        oltp->hooks->release(schema);
    }
    sqlite3_finalize(statement.stmt);
    base_mutex_unlock(&oltp->describe_lock);
    base_free(copy);
    return status;
}

/* ---- The plan. --------------------------------------------------------------------------------------------------- */

enum { EXPLAIN_NODES = 64 };

struct explain {
    struct oltp_plan *plan;
    struct base_buffer text;
    struct {
        int id, depth;
    } nodes[EXPLAIN_NODES];
    int node_count;
};

/* How deep a line is nested, told by its parent; lines past the table's end count as nested once. */
static int explain_depth(struct explain *explain, int id, int parent)
{
    int depth = parent == 0 ? 0 : 1;
    for (int i = 0; i < explain->node_count && parent != 0; i++)
        if (explain->nodes[i].id == parent)
            depth = explain->nodes[i].depth + 1;
    if (explain->node_count < EXPLAIN_NODES) {
        explain->nodes[explain->node_count].id = id;
        explain->nodes[explain->node_count++].depth = depth;
    }
    return depth;
}

static void explain_line(struct explain *explain, int id, int parent, const char *detail)
{
    const char *separator = explain->text.len > 0 ? "\n" : "";
    base_buffer_format(&explain->text, "%s%*s%s", separator, 2 * explain_depth(explain, id, parent), "", detail);
    if (strstr(detail, "AUTOMATIC") != NULL)
        explain->plan->automatic_indexes++;
    if (strstr(detail, "USE TEMP B-TREE") != NULL)
        explain->plan->temp_sorts++;
    if (strstr(detail, "CORRELATED") != NULL)
        explain->plan->correlated++;
    explain->plan->scans += strncmp(detail, "SCAN ", 5) == 0;
    explain->plan->searches += strncmp(detail, "SEARCH ", 7) == 0;
}

rhei_status oltp_explain(struct oltp *oltp, const char *sql, size_t len, struct oltp_plan *plan,
                         struct rhei_error *error)
{
    *plan = (struct oltp_plan){0};
    struct explain explain = {.plan = plan};
    struct base_buffer text = {0};
    base_buffer_text(&text, "EXPLAIN QUERY PLAN ");
    base_buffer_append(&text, sql, len);
    if (text.failed || text.len > 1000000000) {
        base_buffer_reset(&text);
        return error_no_memory(error);
    }
    sqlite3_stmt *stmt = NULL;
    int64_t cookie = 0;
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = look_begin(oltp, &cookie, error);
    uint64_t shown = oltp_face_version_of(oltp->describer);
    if (status == RHEI_OK) {
        int rc = sqlite3_prepare_v2(oltp->describer->db, text.data, (int)text.len + 1, &stmt, NULL);
        while (rc == SQLITE_OK || rc == SQLITE_ROW) {
            rc = sqlite3_step(stmt);
            if (rc == SQLITE_ROW) {
                explain_line(&explain, sqlite3_column_int(stmt, 0), sqlite3_column_int(stmt, 1),
                             (const char *)sqlite3_column_text(stmt, 3));
            }
        }
        status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->describer, rc, NULL, error);
        sqlite3_finalize(stmt);
        look_end(oltp);
    }
    base_mutex_unlock(&oltp->describe_lock);
    plan->schema_version = oltp_version_with(oltp->hooks->version_of(oltp, cookie), shown);
    base_buffer_reset(&text);
    plan->text = base_buffer_take(&explain.text);
    if (status == RHEI_OK && plan->text == NULL)
        plan->text = base_strdup("");
    if (status != RHEI_OK) {
        base_free(plan->text);
        plan->text = NULL;
    }
    return status;
}
