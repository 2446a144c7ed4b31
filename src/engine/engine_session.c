/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: transactions that span calls. Inside one everything runs on SQLite and sees its own changes. */
#include <string.h>

#include "engine/engine_internal.h"

struct rhei_session {
    struct rhei_db *db;
    struct oltp_session *oltp;
};

rhei_status rhei_session_open(rhei_db *db, rhei_session **session, struct rhei_error *error)
{
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

rhei_status rhei_session_execute(rhei_session *session, const char *sql, const struct rhei_params *params,
                                 struct rhei_result *result, struct rhei_error *error)
{
    if (session == NULL || sql == NULL)
        return error_set(error, RHEI_INVALID, "a session and an SQL text are needed");
    rhei_status status = engine_params_check(params, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_result done = {0};
    status = oltp_session_run(session->oltp, sql, strlen(sql), params == NULL ? NULL : params->values,
                              params == NULL ? 0 : (uint32_t)params->count, NULL, &done, NULL, error);
    if (status == RHEI_OK)
        engine_result_fill(result, &done);
    return status;
}

static rhei_status query_in_transaction(rhei_session *session, const struct engine_ask *ask, rhei_rows **rows,
                                        struct rhei_error *error)
{
    if (ask->route == RHEI_ROUTE_OLAP)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "inside a transaction SQLite answers, because only it sees the transaction's own changes");
    rhei_status status = engine_rows_new(session->db, NULL, rows, error);
    if (status != RHEI_OK)
        return status;
    (*rows)->kind = ANSWER_CURSOR;
    (*rows)->rule = "in-transaction";
    (*rows)->limits = ask->limits;
    struct oltp_stop stop = {.check = engine_limits_check, .context = &(*rows)->limits};
    struct oltp_result result = {0};
    status = oltp_session_run(session->oltp, ask->sql, ask->len, ask->params, ask->param_count,
                              engine_limits_any(&ask->limits) ? &stop : NULL, &result, &(*rows)->cursor, error);
    if (status != RHEI_OK) {
        rhei_rows_close(rows);
        return status;
    }
    if ((*rows)->cursor != NULL)
        (*rows)->column_count = oltp_cursor_column_count((*rows)->cursor);
    engine_result_fill(&(*rows)->result, &result);
    return RHEI_OK;
}

static bool begins_or_ends(rhei_session *session, const struct engine_ask *ask)
{
    struct route_statement *statement = NULL;
    struct route_choice choice;
    bool is = route_statement_get(session->db->route, ask->sql, ask->len, &statement, NULL) == RHEI_OK &&
              route_statement_target(statement, &choice) == ROUTE_TO_SESSION;
    route_statement_release(&statement);
    return is;
}

rhei_status rhei_session_query(rhei_session *session, const char *sql, const struct rhei_params *params,
                               const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error)
{
    if (session == NULL || rows == NULL)
        return error_set(error, RHEI_INVALID, "a session and a place for the rows are needed");
    *rows = NULL;
    struct engine_ask ask;
    rhei_status status = engine_ask_init(session->db, &ask, sql, params, options, error);
    if (status != RHEI_OK)
        return status;
    if (oltp_session_in_transaction(session->oltp) || begins_or_ends(session, &ask))
        return query_in_transaction(session, &ask, rows, error);
    return engine_ask_sql(session->db, &ask, rows, error);
}
