/* SPDX-License-Identifier: Apache-2.0 */
/* A write: checked here, carried out by oltp in the next group commit, or in a session's transaction. */
#include <string.h>

#include "engine/engine_history.h"
#include "engine/engine_sidecar.h"

/* The start of every write: is there anything to work with, and what may end it? */
static rhei_status write_begin(const struct engine_write *write, struct engine_limits *limits, struct rhei_error *error)
{
    *limits = (struct engine_limits){.deadline_ns = INT64_MAX, .begun_ns = base_now_ns()};
    error_clear(error);
    if (write->db == NULL || write->sql == NULL)
        return error_set(error, RHEI_INVALID, "a handle and an SQL text are needed");
    return engine_limits_of_call(write->db->ticker, limits, write->options, error);
}

/* Whether it is to be run again, for what it waited for is there. */
static bool write_again(struct engine_elsewhere *elsewhere, const char *sql, rhei_status *status,
                        struct rhei_error *error)
{
    return engine_elsewhere_again(elsewhere, status, error) ||
           engine_sidecars_await(elsewhere->db, sql, false, elsewhere->limits, status, error);
}

static rhei_status write_end(const struct engine_write *write, struct engine_limits *limits, rhei_status status,
                             const struct oltp_result *done, struct rhei_error *error)
{
    int64_t duration_ns = base_now_ns() - limits->begun_ns;
    engine_limits_reset(limits);
    status = engine_history_explain(write->db, write->sql, status, error);
    struct engine_counters *counters = &write->db->counters;
    if (status == RHEI_OK)
        engine_result_fill(write->result, done);
    atomic_fetch_add_explicit(status == RHEI_OK          ? &counters->writes
                              : status == RHEI_CANCELLED ? &counters->cancelled
                                                         : &counters->errors,
                              1, memory_order_relaxed);
    if (write->db->config.on_statement != NULL) {
        const struct rhei_statement_event event = {
            .sql = write->sql, .sql_length = strlen(write->sql), .route = "oltp", .rule = "write", .status = status};
        engine_told_statement(write->db, &event, duration_ns);
    }
    return status;
}

/* The text that is run, where what it reads is of the past. */
struct write_past {
    char *sql; /* NULL: it isn't */
    struct rhei_value *times;
    uint64_t histories;
    bool pinned;
};

static void past_reset(struct write_past *past)
{
    base_free(past->sql);
    base_free(past->times);
    *past = (struct write_past){0};
}

static rhei_status past_make(const struct engine_write *write, const struct engine_bound *bound,
                             struct write_past *past, struct rhei_error *error)
{
    past_reset(past);
    if (!write->db->keeps_history || !engine_history_may_be(write->sql, NULL))
        return RHEI_OK;
    const struct engine_history_text text = {.db = write->db,
                                             .session = write->session,
                                             .sql = write->sql,
                                             .len = strlen(write->sql),
                                             .values = bound->values,
                                             .value_count = bound->count};
    past->pinned = engine_session_state(write->session) != NULL;
    past->histories = engine_sidecars_histories(write->db);
    rhei_status status = engine_history_rewrite(&text, &past->sql, &past->times, error);
    if (past->sql != NULL)
        engine_fault(write->db, "query.past");
    return status;
}

static rhei_status write_step(const struct engine_write *write, const struct engine_bound *bound,
                              const struct write_past *past, const struct oltp_stop *stop, struct oltp_result *done,
                              struct rhei_error *error)
{
    const char *sql = past->sql != NULL ? past->sql : write->sql;
    const struct rhei_value *values = past->times != NULL ? past->times : bound->values;
    return write->session != NULL
               ? oltp_session_run(write->session->oltp, sql, strlen(sql), values, bound->count, stop, done, NULL, error)
               : oltp_write(write->db->oltp, sql, strlen(sql), values, bound->count, stop, done, NULL, error);
}

static rhei_status write_run(const struct engine_write *write, const struct engine_bound *bound,
                             struct engine_limits *limits, struct oltp_result *done, struct rhei_error *error)
{
    struct engine_elsewhere elsewhere;
    struct write_past past = {0};
    rhei_status status = past_make(write, bound, &past, error);
    const struct oltp_stop *given = engine_elsewhere(&elsewhere, write->db, limits, 0);
    elsewhere.in_session = write->session != NULL;
    bool again = status == RHEI_OK;
    while (again) {
        engine_elsewhere_past(&elsewhere, past.histories, past.pinned || past.sql == NULL);
        status = write_step(write, bound, &past, given, done, error);
        again = engine_elsewhere_outdated(&elsewhere, &status, error);
        if (again)
            status = past_make(write, bound, &past, error);
        again = again ? status == RHEI_OK : write_again(&elsewhere, write->sql, &status, error);
    }
    engine_history_place(write->sql, past.sql, error);
    past_reset(&past);
    return status;
}

rhei_status engine_write_one(const struct engine_write *write, const struct rhei_params *params,
                             struct rhei_error *error)
{
    struct engine_limits limits;
    struct engine_bound bound = {0};
    rhei_status status = write_begin(write, &limits, error);
    size_t len = status == RHEI_OK ? strlen(write->sql) : 0;
    if (status == RHEI_OK)
        status = engine_bind(write->sql, len, params, &bound, error);
    if (status != RHEI_OK) {
        engine_limits_reset(&limits);
        return status;
    }
    base_progress_step(engine_limits_counts(&limits), "writing", NULL, BASE_PROGRESS_STEPS, -1);
    struct oltp_result done = {0};
    const struct engine_history_of_call call = {
        .db = write->db, .session = write->session, .sql = write->sql, .len = len, .may_ask = true};
    status = engine_history_first(&call, &limits, error);
    if (status == RHEI_OK)
        status = write_run(write, &bound, &limits, &done, error);
    engine_bound_reset(&bound);
    return write_end(write, &limits, status, &done, error);
}

static rhei_status check_rows(const struct rhei_value *values, size_t column_count, size_t row_count,
                              struct rhei_error *error)
{
    if (column_count > 32766)
        return error_set(error, RHEI_INVALID, "%zu parameters a row are more than the 32,766 that SQLite takes",
                         column_count);
    if (values == NULL && column_count > 0 && row_count > 0)
        return error_set(error, RHEI_INVALID, "there is no array of values");
    if (engine_values_are_plain(values, column_count * row_count))
        return RHEI_OK;
    for (size_t row = 0; row < row_count; row++) {
        struct rhei_params params = {values + row * column_count, column_count};
        bool named = false;
        rhei_status status = engine_params_check(&params, &named, error);
        if (named)
            status = error_set(error, RHEI_INVALID, "the rows of a batch have no names: give each value its place");
        if (status != RHEI_OK) {
            error_context(error, "row %zu: ", row + 1);
            return status;
        }
    }
    return RHEI_OK;
}

rhei_status engine_write_batch(const struct engine_write *write, const struct rhei_value *values, size_t column_count,
                               size_t row_count, struct rhei_error *error)
{
    struct engine_limits limits;
    rhei_status status = write_begin(write, &limits, error);
    if (status == RHEI_OK)
        status = check_rows(values, column_count, row_count, error);
    if (status != RHEI_OK) {
        engine_limits_reset(&limits);
        return status;
    }
    base_progress_step(engine_limits_counts(&limits), "writing", NULL, BASE_PROGRESS_ROWS, (int64_t)row_count);
    struct engine_elsewhere elsewhere;
    struct oltp_result done = {0};
    size_t len = strlen(write->sql);
    const struct engine_history_of_call call = {
        .db = write->db, .session = write->session, .sql = write->sql, .len = len};
    status = engine_history_first(&call, &limits, error);
    if (status != RHEI_OK)
        return write_end(write, &limits, status, &done, error);
    const struct oltp_stop *given = engine_elsewhere(&elsewhere, write->db, &limits, 0);
    elsewhere.in_session = write->session != NULL;
    uint32_t count = (uint32_t)column_count;
    do
        status = write->session != NULL
                     ? oltp_session_run_many(write->session->oltp, write->sql, len, values, count, row_count, given,
                                             &done, error)
                     : oltp_write_many(write->db->oltp, write->sql, len, values, count, row_count, given, &done, error);
    while (write_again(&elsewhere, write->sql, &status, error));
    return write_end(write, &limits, status, &done, error);
}

rhei_status engine_write_script(const struct engine_write *write, struct rhei_error *error)
{
    struct engine_limits limits;
    rhei_status status = write_begin(write, &limits, error);
    if (status != RHEI_OK)
        return status;
    struct engine_elsewhere elsewhere;
    struct oltp_result done = {0};
    size_t len = strlen(write->sql);
    const struct engine_history_of_call call = {
        .db = write->db, .session = write->session, .sql = write->sql, .len = len, .script = true, .may_ask = true};
    status = engine_history_first(&call, &limits, error);
    if (status != RHEI_OK)
        return write_end(write, &limits, status, &done, error);
    const struct oltp_stop *given = engine_elsewhere(&elsewhere, write->db, &limits, 0);
    elsewhere.in_session = write->session != NULL;
    base_progress_step(engine_limits_counts(&limits), "writing", NULL, BASE_PROGRESS_BYTES, (int64_t)len);
    do
        status = write->session != NULL
                     ? oltp_session_run_script(write->session->oltp, write->sql, len, given, &done, error)
                     : oltp_write_script(write->db->oltp, write->sql, len, given, &done, error);
    while (write_again(&elsewhere, write->sql, &status, error));
    return write_end(write, &limits, status, &done, error);
}

/* ---- Without a session. ------------------------------------------------------------------------------------------ */

rhei_status rhei_execute(rhei_db *db, const char *sql, const struct rhei_params *params, struct rhei_result *result,
                         struct rhei_error *error)
{
    return engine_write_one(&(struct engine_write){db, NULL, sql, NULL, result}, params, error);
}

rhei_status rhei_execute_with(rhei_db *db, const char *sql, const struct rhei_params *params,
                              const struct rhei_call_options *options, struct rhei_result *result,
                              struct rhei_error *error)
{
    return engine_write_one(&(struct engine_write){db, NULL, sql, options, result}, params, error);
}

rhei_status rhei_execute_batch(rhei_db *db, const char *sql, const struct rhei_value *values, size_t column_count,
                               size_t row_count, struct rhei_result *result, struct rhei_error *error)
{
    return rhei_execute_batch_with(db, sql, values, column_count, row_count, NULL, result, error);
}

rhei_status rhei_execute_batch_with(rhei_db *db, const char *sql, const struct rhei_value *values, size_t column_count,
                                    size_t row_count, const struct rhei_call_options *options,
                                    struct rhei_result *result, struct rhei_error *error)
{
    return engine_write_batch(&(struct engine_write){db, NULL, sql, options, result}, values, column_count, row_count,
                              error);
}

rhei_status rhei_execute_script(rhei_db *db, const char *sql, struct rhei_result *result, struct rhei_error *error)
{
    return engine_write_script(&(struct engine_write){db, NULL, sql, NULL, result}, error);
}

rhei_status rhei_execute_script_with(rhei_db *db, const char *sql, const struct rhei_call_options *options,
                                     struct rhei_result *result, struct rhei_error *error)
{
    return engine_write_script(&(struct engine_write){db, NULL, sql, options, result}, error);
}

void *rhei_sqlite_lock(rhei_db *db)
{
    return db == NULL ? NULL : oltp_native_lock(db->oltp);
}

void rhei_sqlite_unlock(rhei_db *db)
{
    if (db != NULL)
        oltp_native_unlock(db->oltp);
}
