/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: transactions that span calls. Inside one everything runs on SQLite and sees its own changes. */
#include <string.h>

#include "engine/engine_history.h"
#include "engine/engine_internal.h"
#include "engine/engine_sidecar.h"

rhei_status rhei_session_open(rhei_db *db, rhei_session **session, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || session == NULL)
        return error_set(error, RHEI_INVALID, "rhei_session_open needs a handle and a place for the session");
    *session = NULL;
    rhei_session *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->db = db;
    rhei_status status = oltp_session_open(db->oltp, &made->oltp, error);
    if (status != RHEI_OK) {
        base_free(made);
        return status;
    }
    *session = made;
    return RHEI_OK;
}

void rhei_session_close(rhei_session **session)
{
    if (session == NULL || *session == NULL)
        return;
    oltp_session_close(&(*session)->oltp);
    base_free(*session);
    *session = NULL;
}

bool rhei_session_in_transaction(const rhei_session *session)
{
    return session != NULL && oltp_session_in_transaction(session->oltp);
}

/* ---- Writing. ---------------------------------------------------------------------------------------------------- */

static struct engine_write session_write(rhei_session *session, const char *sql,
                                         const struct rhei_call_options *options, struct rhei_result *result)
{
    return (struct engine_write){session == NULL ? NULL : session->db, session, sql, options, result};
}

rhei_status rhei_session_execute(rhei_session *session, const char *sql, const struct rhei_params *params,
                                 struct rhei_result *result, struct rhei_error *error)
{
    return rhei_session_execute_with(session, sql, params, NULL, result, error);
}

rhei_status rhei_session_execute_with(rhei_session *session, const char *sql, const struct rhei_params *params,
                                      const struct rhei_call_options *options, struct rhei_result *result,
                                      struct rhei_error *error)
{
    struct engine_write write = session_write(session, sql, options, result);
    return engine_write_one(&write, params, error);
}

rhei_status rhei_session_execute_batch(rhei_session *session, const char *sql, const struct rhei_value *values,
                                       size_t column_count, size_t row_count, const struct rhei_call_options *options,
                                       struct rhei_result *result, struct rhei_error *error)
{
    struct engine_write write = session_write(session, sql, options, result);
    return engine_write_batch(&write, values, column_count, row_count, error);
}

rhei_status rhei_session_execute_script(rhei_session *session, const char *sql, const struct rhei_call_options *options,
                                        struct rhei_result *result, struct rhei_error *error)
{
    struct engine_write write = session_write(session, sql, options, result);
    return engine_write_script(&write, error);
}

/* ---- Asking. ----------------------------------------------------------------------------------------------------- */

/* Whether the question is to be run again, with the text that was made anew: *past, or NULL. */
static bool past_again(struct rhei_db *db, const struct engine_ask *ask, struct engine_ask *anew,
                       struct engine_elsewhere *elsewhere, const char **past, rhei_status *status,
                       struct rhei_error *error)
{
    if (!engine_elsewhere_outdated(elsewhere, status, error))
        return false;
    engine_ask_anew_reset(anew);
    *status = engine_ask_anew(db, ask, anew, error);
    *past = anew->rewritten;
    return *status == RHEI_OK;
}

static rhei_status query_in_transaction(rhei_session *session, const struct engine_ask *ask, rhei_rows **rows,
                                        struct rhei_error *error)
{
    if (ask->route == RHEI_ROUTE_OLAP)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "inside a transaction SQLite answers, because only it sees the transaction's own changes");
    rhei_status status = engine_rows_new(session->db, rows, error);
    if (status != RHEI_OK)
        return status;
    (*rows)->kind = ANSWER_CURSOR;
    (*rows)->rule = "in-transaction";
    (*rows)->limits = ask->limits;
    struct engine_elsewhere elsewhere;
    base_progress_step(engine_limits_counts(&(*rows)->limits), "at work in a transaction", NULL, BASE_PROGRESS_STEPS,
                       -1);
    struct oltp_result result = {0};
    const struct oltp_stop *given =
        engine_elsewhere(&elsewhere, session->db, &(*rows)->limits, engine_most_age_ms(ask));
    elsewhere.in_session = true;
    bool eventual = ask->freshness.mode == RHEI_FRESHNESS_EVENTUAL;
    struct engine_ask anew = *ask;
    anew.rewritten = NULL; /* the caller's */
    anew.times = NULL;
    const char *past = ask->rewritten;
    if (past != NULL)
        engine_fault(session->db, "query.past");
    do {
        engine_elsewhere_past(&elsewhere, anew.histories, anew.pinned || past == NULL);
        status = oltp_session_run(session->oltp, anew.sql, anew.len, anew.params, anew.param_count, given, &result,
                                  &(*rows)->cursor, error);
    } while (past_again(session->db, ask, &anew, &elsewhere, &past, &status, error) ||
             engine_elsewhere_again(&elsewhere, &status, error) ||
             engine_sidecars_await(session->db, anew.sql, eventual, &(*rows)->limits, &status, error));
    if (status != RHEI_OK)
        engine_history_place(ask->asked, past, error);
    engine_ask_anew_reset(&anew);
    if (status != RHEI_OK) {
        rhei_rows_close(rows);
        return engine_history_explain(session->db, ask->asked != NULL ? ask->asked : ask->sql, status, error);
    }
    if ((*rows)->cursor != NULL)
        (*rows)->column_count = oltp_cursor_column_count((*rows)->cursor);
    (*rows)->result = result;
    if (elsewhere.read.sources != 0)
        (*rows)->read = elsewhere.read;
    return RHEI_OK;
}

/* ROUTE_TO_OLTP where that can't be known: SQLite says why. */
static enum route_target target_of(rhei_session *session, const struct engine_ask *ask)
{
    struct route_statement *statement = NULL;
    struct route_choice choice;
    struct executor_stop stop = {engine_limits_check, (void *)(uintptr_t)&ask->limits, NULL};
    enum route_target target = ROUTE_TO_OLTP;
    if (route_statement_get_while(session->db->route, ask->sql, ask->len,
                                  engine_limits_any(&ask->limits) ? &stop : NULL, &statement, NULL) == RHEI_OK)
        target = route_statement_target(statement, &choice);
    route_statement_release(&statement);
    return target;
}

static rhei_status session_ask(struct rhei_session *session, const struct engine_ask *ask, struct rhei_rows **rows,
                               struct rhei_error *error)
{
    bool inside = oltp_session_in_transaction(session->oltp);
    enum route_target target = inside && ask->as_of == NULL ? ROUTE_TO_OLTP : target_of(session, ask);
    if (ask->as_of != NULL && (target == ROUTE_TO_WRITER || target == ROUTE_TO_SESSION))
        return engine_past_is_read(error);
    if (inside || target == ROUTE_TO_SESSION)
        return query_in_transaction(session, ask, rows, error);
    return engine_ask_sql(session->db, ask, rows, error);
}

rhei_status rhei_session_query(rhei_session *session, const char *sql, const struct rhei_params *params,
                               const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error)
{
    error_clear(error);
    if (rows != NULL)
        *rows = NULL;
    if (session == NULL || rows == NULL)
        return error_set(error, RHEI_INVALID, "a session and a place for the rows are needed");
    struct engine_ask ask;
    rhei_status status = engine_ask_init(session->db, session, &ask, sql, params, options, error);
    if (status == RHEI_OK)
        status = session_ask(session, &ask, rows, error);
    engine_ask_reset(&ask, *rows);
    return status;
}

rhei_status rhei_session_query_arrow(rhei_session *session, const char *sql, const struct rhei_params *params,
                                     const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                     struct rhei_error *error)
{
    error_clear(error);
    if (session == NULL || stream == NULL)
        return error_set(error, RHEI_INVALID, "a session and a place for the stream are needed");
    struct engine_ask ask;
    rhei_rows *rows = NULL;
    rhei_status status = engine_ask_init(session->db, session, &ask, sql, params, options, error);
    ask.position_now = true;
    if (status == RHEI_OK)
        status = session_ask(session, &ask, &rows, error);
    return engine_ask_stream(&ask, status, &rows, stream, error);
}
