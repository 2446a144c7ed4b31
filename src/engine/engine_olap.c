/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column store's answer: wait until it is fresh, take the newest snapshot if the one at hand isn't it, prove the statement on
 * it, run it, and give the result SQLite's shape. Anything that goes wrong before the first row is handed out means "SQLite answers".
 */
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "engine/engine_history.h"
#include "engine/engine_internal.h"
#include "engine/engine_positions.h"
#include "sql/sql_parameters.h"

/* Ended by the caller's own wish, so not a reason to try SQLite. */
static bool is_ending(rhei_status status, const struct engine_ask *ask)
{
    return status == RHEI_CANCELLED || status == RHEI_TIMEOUT || (status == RHEI_MEMORY_LIMIT && ask->memory_limit > 0);
}

static void fall_back(struct rhei_rows *rows, struct route_choice *choice, const char *rule, const char *why)
{
    choice->target = ROUTE_TO_OLTP;
    choice->rule = rule;
    route_choice_reason(choice, "%.250s", why);
    atomic_fetch_add_explicit(&rows->db->counters.fallbacks, 1, memory_order_relaxed);
}

static void let_go(struct rhei_rows *rows)
{
    if (rows->stream.release != NULL)
        rows->stream.release(&rows->stream);
    rows->stream = (struct ArrowArrayStream){0};
    arrow_cursor_close(&rows->arrow);
    route_state_release(&rows->state);
    route_plan_release(&rows->plan);
}

/* ---- Running. ---------------------------------------------------------------------------------------------------- */

/* The executor's own columns, where SQLite knows none. */
static rhei_status use_stream_columns(struct rhei_rows *rows, struct rhei_error *error)
{
    int code = rows->stream.get_schema(&rows->stream, &rows->schema);
    if (code != 0)
        return arrow_stream_error(&rows->stream, code, error);
    rows->names = NULL;
    rows->types = NULL;
    rows->column_count = (uint32_t)rows->schema.n_children;
    return RHEI_OK;
}

/* Versions are in the column store alone. Should SQLite read them by the time that they were lost, it would give those that are left. */
static bool is_of_past(const struct rhei_rows *rows)
{
    const struct oltp_facts *facts = route_statement_facts(rows->statement);
    bool past = false;
    for (uint32_t r = 0; r < facts->reference_count; r++)
        past |= base_fold_compare(facts->references[r].schema, ENGINE_HISTORY) == 0;
    return past;
}

static rhei_status end(struct rhei_rows *rows, rhei_status status, const struct rhei_error *why,
                       struct rhei_error *error)
{
    let_go(rows);
    if (error != NULL && error->code == RHEI_OK)
        *error = *why;
    return status;
}

/* What to do about a failure of the column store: end, or let SQLite answer. */
static rhei_status failed(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                          rhei_status status, const struct rhei_error *why, bool avoid, struct rhei_error *error)
{
    bool nowhere_else = route_statement_is_native(rows->statement) || (status == RHEI_IO && is_of_past(rows));
    if (is_ending(status, ask) || nowhere_else)
        return end(rows, status, why, error);
    let_go(rows);
    if (avoid && status != RHEI_MEMORY_LIMIT && status != RHEI_NO_MEMORY && mirror_damages(rows->db->mirror) == 0)
        route_statement_avoid_olap(rows->statement, why->message);
    base_log_write(&rows->db->log, BASE_LOG_INFO, "engine", "SQLite answers instead of the column store: %s",
                   why->message);
    fall_back(rows, choice, "olap-error", why->message);
    return RHEI_OK;
}

/*
 * Waits as the freshness asks, then takes the newest state: the one that the choice was made on, if nothing was published since. Nothing is
 * held while anything is waited for. *in_vain: for a table of another source, which SQLite would wait for once more.
 */
static rhei_status pin_fresh(struct rhei_rows *rows, const struct engine_ask *ask, bool *in_vain,
                             struct rhei_error *error)
{
    struct rhei_db *db = rows->db;
    const struct oltp_facts *facts = route_statement_facts(rows->statement);
    rhei_status status = RHEI_OK;
    if (!engine_is_fresh(db, ask) || engine_reads_shown(db, facts)) {
        route_state_pause(&rows->state);
        status = engine_wait_fresh(db, ask, error);
        if (status == RHEI_OK) {
            status = engine_wait_shown(db, facts, engine_most_age_ms(ask), &ask->limits, error);
            *in_vain = status != RHEI_OK;
        }
    }
    return status == RHEI_OK ? route_state_renew(db->route, &rows->state, error) : status;
}

static rhei_status make_query(struct rhei_rows *rows, const struct engine_ask *ask, struct executor_query *query,
                              struct route_filled *filled, struct route_choice *choice, struct rhei_error *error)
{
    if (!route_statement_is_native(rows->statement))
        return route_plan_make(rows->db->route, rows->statement, &rows->state, ask->params, ask->param_count,
                               &rows->plan, filled, query, choice, error);
    *query = (struct executor_query){.sql = ask->sql,
                                     .snapshot = &rows->state.snapshot,
                                     .native = true,
                                     .values = ask->params,
                                     .value_count = ask->param_count,
                                     .schema_version = rows->state.schema_version};
    return RHEI_OK;
}

static rhei_status answered_by_stream(struct rhei_rows *rows, const struct engine_ask *ask, bool *answered,
                                      struct rhei_error *error)
{
    rows->kind = ANSWER_STREAM;
    rows->position = engine_log_position(rows->db, mirror_snapshot_position(&rows->state.snapshot));
    rows->age_us = engine_age_us(rows, ask);
    rows->is_query = true;
    *answered = true;
    return route_statement_is_native(rows->statement) ? use_stream_columns(rows, error) : RHEI_OK;
}

static struct executor_stop executor_stop_of(struct rhei_rows *rows)
{
    struct base_progress *counts = engine_limits_counts(&rows->limits);
    base_progress_step(counts, "asking the column store", NULL, BASE_PROGRESS_ROWS, 0);
    return (struct executor_stop){engine_limits_check, &rows->limits, counts};
}

/* The executor's part, over the pinned snapshot. */
static rhei_status answer_by_executor(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                                      bool *answered, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    bool native = route_statement_is_native(rows->statement), tie = false;
    struct executor_query query;
    struct route_filled filled;
    rhei_status status = make_query(rows, ask, &query, &filled, choice, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, false, error);
    if (!native && rows->plan == NULL) {
        let_go(rows);
        return RHEI_OK;
    }
    query.strings_view = ask->strings_view;
    query.memory_limit = ask->memory_limit;
    if (engine_limits_any(&rows->limits))
        query.stop = executor_stop_of(rows);
    status = rows->db->executor->ops->run(rows->db->executor, &query, &rows->stream, &why);
    if (status == RHEI_OK && !native)
        status = engine_shape(rows, ask, &tie, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, !native, error);
    if (tie) {
        let_go(rows);
        fall_back(rows, choice, "tie", "rows that ORDER BY leaves equal come in the order of SQLite's plan");
        return RHEI_OK;
    }
    return answered_by_stream(rows, ask, answered, error);
}

rhei_status engine_answer_olap(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                               bool *answered, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    enum engine_direct direct = ENGINE_DIRECT_NOT;
    bool in_vain = false;
    rhei_status status = pin_fresh(rows, ask, &in_vain, &why);
    if (in_vain && ask->route != RHEI_ROUTE_OLAP)
        return end(rows, status, &why, error);
    if (status == RHEI_OK)
        status = engine_answer_direct(rows, ask, &direct, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, false, error);
    if (direct == ENGINE_DIRECT_ANSWERED)
        return answered_by_stream(rows, ask, answered, error);
    if (direct == ENGINE_DIRECT_NOT)
        return answer_by_executor(rows, ask, choice, answered, error);
    let_go(rows);
    fall_back(rows, choice, "integer-overflow", "a sum of integers is beyond 64 bits, which is an error in SQLite");
    return RHEI_OK;
}

/* A text in the executor's dialect, over the pinned snapshot. */
static rhei_status answer_native(struct rhei_rows *rows, const struct engine_ask *ask, struct rhei_error *error)
{
    struct rhei_db *db = rows->db;
    uint32_t wanted = 0;
    rhei_status status = sql_parameters_count_native(ask->sql, ask->len, &wanted, error);
    if (status == RHEI_OK && wanted != ask->param_count)
        status = error_value_count(error, wanted, ask->param_count);
    if (status == RHEI_OK)
        status = route_state_renew(db->route, &rows->state, error);
    if (status != RHEI_OK)
        return status;
    rows->kind = ANSWER_STREAM;
    rows->rule = "olap-direct";
    rows->position = engine_log_position(rows->db, mirror_snapshot_position(&rows->state.snapshot));
    rows->age_us = engine_age_us(rows, ask);
    struct executor_query query = {
        .sql = ask->sql,
        .snapshot = &rows->state.snapshot,
        .native = true,
        .schema_version = rows->state.schema_version,
        .strings_view = ask->strings_view,
        .memory_limit = ask->memory_limit,
    };
    if (engine_limits_any(&rows->limits))
        query.stop = executor_stop_of(rows);
    return db->executor->ops->run(db->executor, &query, &rows->stream, error);
}

static rhei_status ask_native(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                              struct rhei_error *error)
{
    rhei_status status = engine_wait_fresh(db, ask, error);
    if (status == RHEI_OK)
        status = engine_rows_new(db, rows, error);
    if (status != RHEI_OK)
        return status;
    (*rows)->limits = ask->limits;
    status = answer_native(*rows, ask, error);
    if (status != RHEI_OK)
        rhei_rows_close(rows);
    return status;
}

rhei_status rhei_olap_query_arrow(rhei_db *db, const char *sql, const struct rhei_query_options *options,
                                  struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct engine_ask ask;
    struct rhei_rows *rows = NULL;
    error_clear(error);
    rhei_status status = engine_ask_init(db, NULL, &ask, sql, NULL, options, error);
    if (status == RHEI_OK && stream == NULL)
        status = error_set(error, RHEI_INVALID, "rhei_olap_query_arrow needs a place for the stream");
    if (status == RHEI_OK && db->sync == NULL)
        status = error_set(error, RHEI_OLAP_UNAVAILABLE,
                           "this handle keeps no column store (it is read-only, or olap_backend is none)");
    if (status == RHEI_OK)
        status = ask_native(db, &ask, &rows, error);
    return engine_ask_stream(&ask, status, &rows, stream, error);
}
