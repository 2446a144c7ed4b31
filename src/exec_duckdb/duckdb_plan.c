/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements and their keeping. DuckDB plans a statement with parameters anew at each execution, so kept texts
 * have none: their values come by prm_int() and the like. A plan is thrown away when the schema moved on, and made anew
 * when one of its tables has grown or shrunk so much that another order of joins may be due.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

enum {
    GROWTH = 4,         /* plans of tables that changed their size by this factor are made anew */
    SMALL_ROWS = 10000, /* below it the order of joins hardly matters */
};

uint64_t duck_plan_hash(const struct executor_query *query)
{
    uint64_t hash = base_hash(query->sql, strlen(query->sql), query->schema_version);
    hash = base_hash(query->plan_key, query->plan_key != NULL ? strlen(query->plan_key) : 0, hash);
    return query->native ? ~hash : hash;
}

static bool same_statement(const struct duck_plan *plan, const struct executor_query *query, uint64_t hash)
{
    return plan->hash == hash && plan->schema_version == query->schema_version && plan->native == query->native &&
           strcmp(plan->key, query->plan_key) == 0 && strcmp(plan->sql, query->sql) == 0;
}

bool duck_plan_known(const struct duck_connection *connection, uint64_t hash)
{
    for (uint32_t i = 0; i < connection->plan_count; i++)
        if (connection->plans[i]->hash == hash)
            return true;
    return false;
}

static void plan_free(struct duck_connection *connection, struct duck_plan **plan)
{
    if (*plan == NULL)
        return;
    if ((*plan)->statement != NULL)
        connection->database->executor->api->destroy_prepare(&(*plan)->statement);
    base_free((*plan)->key);
    base_free((*plan)->sql);
    duck_numbering_reset(&(*plan)->numbering);
    base_free(*plan);
    *plan = NULL;
}

static void remove_at(struct duck_connection *connection, uint32_t index)
{
    plan_free(connection, &connection->plans[index]);
    connection->plans[index] = connection->plans[--connection->plan_count];
    connection->plans[connection->plan_count] = NULL;
    atomic_fetch_sub(&connection->database->executor->plans, 1);
}

void duck_plan_drop(struct duck_connection *connection, struct duck_plan **plan)
{
    for (uint32_t i = 0; i < connection->plan_count; i++) {
        if (connection->plans[i] == *plan) {
            remove_at(connection, i);
            *plan = NULL;
            return;
        }
    }
    plan_free(connection, plan);
}

void duck_plan_done(struct duck_connection *connection, struct duck_plan **plan)
{
    if (*plan != NULL && !(*plan)->kept)
        plan_free(connection, plan);
    *plan = NULL;
}

void duck_plan_note_table(struct duck_plan *plan, uint32_t table, uint64_t rows)
{
    if (plan->table_count < DUCK_PLAN_TABLES) {
        plan->tables[plan->table_count].table = table;
        plan->tables[plan->table_count].rows = rows;
        plan->table_count++;
    }
}

static bool still_fits(const struct duck_plan *plan, const struct mirror_snapshot *snapshot)
{
    for (uint32_t i = 0; i < plan->table_count; i++) {
        const struct mirror_table_view *view = mirror_view(snapshot, plan->tables[i].table);
        uint64_t then = plan->tables[i].rows;
        uint64_t now = view != NULL ? mirror_view_row_count(view) : 0;
        uint64_t larger = now > then ? now : then;
        uint64_t smaller = now > then ? then : now;
        if (larger > SMALL_ROWS && larger / GROWTH > smaller)
            return false;
    }
    return true;
}

/* ---- Preparing --------------------------------------------------------------------------------------------------- */

static rhei_status refused(duckdb_statement_type type, struct rhei_error *error)
{
    return error_set(error, RHEI_READ_ONLY,
                     "only SELECT and EXPLAIN of a SELECT may run on the column store; this statement is of DuckDB's "
                     "kind %d",
                     (int)type);
}

static const char *native_text(const struct duck_plan *plan)
{
    return plan->numbering.sql != NULL ? plan->numbering.sql : plan->sql;
}

/* EXPLAIN ANALYZE runs what it explains, so that is looked at too. */
static rhei_status check_explained(struct duck_connection *connection, const char *sql, struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    duckdb_prepared_statement inner = NULL;
    rhei_status status = RHEI_OK;
    const char *explained = duck_native_explained(sql);
    if (explained == sql)
        status = refused(DUCKDB_STATEMENT_TYPE_EXPLAIN, error);
    else if (api->prepare(connection->handle, explained, &inner) == DuckDBError)
        status = duck_prepare_error(connection, api->prepare_error(inner), error);
    else if (api->prepared_statement_type(inner) != DUCKDB_STATEMENT_TYPE_SELECT)
        status = refused(api->prepared_statement_type(inner), error);
    api->destroy_prepare(&inner);
    return status;
}

static rhei_status check_kind(struct duck_connection *connection, const struct duck_plan *plan,
                              struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    duckdb_statement_type type = api->prepared_statement_type(plan->statement);
    if (type == DUCKDB_STATEMENT_TYPE_EXPLAIN && plan->native)
        return check_explained(connection, native_text(plan), error);
    if (type != DUCKDB_STATEMENT_TYPE_SELECT)
        return refused(type, error);
    if (!plan->native && api->nparams(plan->statement) > 0)
        return error_set(error, RHEI_UNSUPPORTED, "a translated statement has no parameters: values come by prm_*()");
    return RHEI_OK;
}

/*
 * DuckDB makes two statements of a PIVOT without a list: one that collects the values into an ENUM, and the query. Only
 * such a pair gets here: duck_native_check let through one statement.
 */
static rhei_status run_before(struct duck_connection *connection, duckdb_extracted_statements extracted, idx_t index,
                              struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    duckdb_prepared_statement statement = NULL;
    duckdb_result result = {0};
    rhei_status status = RHEI_OK;
    connection->spoiled = true;
    if (api->prepare_extracted_statement(connection->handle, extracted, index, &statement) == DuckDBError) {
        status = duck_prepare_error(connection, api->prepare_error(statement), error);
    } else if (api->prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_CREATE) {
        status = refused(api->prepared_statement_type(statement), error);
    } else {
        if (api->execute_prepared(statement, &result) == DuckDBError)
            status = duck_result_error(connection, &result, error);
        api->destroy_result(&result);
    }
    api->destroy_prepare(&statement);
    return status;
}

/* The first half of such a pair as far as it goes without running it: its names are the query's. */
static rhei_status check_before(struct duck_connection *connection, duckdb_extracted_statements extracted,
                                struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    duckdb_prepared_statement statement = NULL;
    rhei_status status = RHEI_OK;
    if (api->prepare_extracted_statement(connection->handle, extracted, 0, &statement) == DuckDBError)
        status = duck_prepare_error(connection, api->prepare_error(statement), error);
    else if (api->prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_CREATE)
        status = refused(api->prepared_statement_type(statement), error);
    api->destroy_prepare(&statement);
    return status;
}

static rhei_status prepare_native(struct duck_connection *connection, struct duck_plan *plan, struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    rhei_status status = duck_native_check(plan->sql, error);
    if (status == RHEI_OK)
        status = duck_numbering_make(plan->sql, &plan->numbering, error);
    if (status != RHEI_OK)
        return status;
    duckdb_extracted_statements extracted = NULL;
    idx_t count = api->extract_statements(connection->handle, native_text(plan), &extracted);
    if (count == 0) {
        const char *message = api->extract_statements_error(extracted);
        status = duck_prepare_error(connection, message != NULL ? message : "there is no statement in the text", error);
    }
    if (status == RHEI_OK && count > 1 && plan->only_checked) {
        status = check_before(connection, extracted, error);
        api->destroy_extracted(&extracted);
        return status;
    }
    for (idx_t i = 0; status == RHEI_OK && i + 1 < count; i++)
        status = run_before(connection, extracted, i, error);
    if (status == RHEI_OK &&
        api->prepare_extracted_statement(connection->handle, extracted, count - 1, &plan->statement) == DuckDBError)
        status = duck_prepare_error(connection, api->prepare_error(plan->statement), error);
    api->destroy_extracted(&extracted);
    return status;
}

static rhei_status prepare_translated(struct duck_connection *connection, struct duck_plan *plan,
                                      struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    char *rewritten = NULL;
    rhei_status status = duck_guard(plan->sql, &rewritten, error);
    const char *sql = rewritten != NULL ? rewritten : plan->sql;
    if (status == RHEI_OK && api->prepare(connection->handle, sql, &plan->statement) == DuckDBError)
        status = duck_prepare_error(connection, api->prepare_error(plan->statement), error);
    base_free(rewritten);
    return status;
}

static rhei_status prepare(struct duck_connection *connection, struct duck_plan *plan, struct rhei_error *error)
{
    connection->slot.binding = plan;
    rhei_status status =
        plan->native ? prepare_native(connection, plan, error) : prepare_translated(connection, plan, error);
    if (status == RHEI_OK && plan->statement != NULL) /* none: only checked, and not to be prepared without running */
        status = check_kind(connection, plan, error);
    connection->slot.binding = NULL;
    return status;
}

static rhei_status plan_new(struct duck_connection *connection, const struct executor_query *query, uint64_t hash,
                            bool only_checked, struct duck_plan **out, struct rhei_error *error)
{
    struct duck_plan *plan = base_alloc_zero(1, sizeof *plan);
    if (plan == NULL)
        return error_no_memory(error);
    plan->hash = hash;
    plan->schema_version = query->schema_version;
    plan->native = query->native;
    plan->only_checked = only_checked;
    plan->sql = base_strdup(query->sql);
    plan->key = query->plan_key != NULL ? base_strdup(query->plan_key) : NULL;
    rhei_status status = RHEI_OK;
    if (plan->sql == NULL || (query->plan_key != NULL && plan->key == NULL))
        status = error_no_memory(error);
    else
        status = prepare(connection, plan, error);
    if (status != RHEI_OK)
        plan_free(connection, &plan);
    *out = plan;
    return status;
}

/* ---- Keeping ----------------------------------------------------------------------------------------------------- */

/* Puts the plan where the longest unused one was, if all places are taken. */
static void keep(struct duck_connection *connection, struct duck_plan *plan)
{
    if (connection->plan_count == DUCK_PLANS) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < DUCK_PLANS; i++)
            if (connection->plans[i]->used < connection->plans[oldest]->used)
                oldest = i;
        remove_at(connection, oldest);
    }
    connection->plans[connection->plan_count++] = plan;
    plan->kept = true;
    atomic_fetch_add(&connection->database->executor->plans, 1);
}

static uint64_t count_use(struct duck_executor *executor, bool hit)
{
    base_mutex_lock(&executor->mutex);
    executor->plan_hits += hit;
    uint64_t use = ++executor->uses;
    base_mutex_unlock(&executor->mutex);
    return use;
}

rhei_status duck_plan_get(struct duck_connection *connection, const struct executor_query *query,
                          struct duck_plan **plan, struct rhei_error *error)
{
    *plan = NULL;
    if (query->plan_key == NULL)
        return plan_new(connection, query, 0, false, plan, error);
    uint64_t hash = duck_plan_hash(query);
    for (uint32_t i = 0; i < connection->plan_count; i++) {
        struct duck_plan *known = connection->plans[i];
        if (!same_statement(known, query, hash))
            continue;
        if (!still_fits(known, query->snapshot)) {
            remove_at(connection, i);
            break;
        }
        known->used = count_use(connection->database->executor, true);
        *plan = known;
        return RHEI_OK;
    }
    rhei_status status = plan_new(connection, query, hash, false, plan, error);
    if (status == RHEI_OK) {
        (*plan)->used = count_use(connection->database->executor, false);
        if (!connection->spoiled)
            keep(connection, *plan);
    }
    return status;
}

rhei_status duck_plan_check(struct duck_connection *connection, const struct executor_query *query,
                            struct rhei_error *error)
{
    struct duck_plan *plan = NULL;
    rhei_status status = query->native ? plan_new(connection, query, 0, true, &plan, error)
                                       : duck_plan_get(connection, query, &plan, error);
    duck_plan_done(connection, &plan);
    return status;
}
