/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh exec: statements in order, in a session. Several are all or nothing: they run in one transaction, unless the text
 * has transactions of its own (BEGIN ... COMMIT) or statements that can't be in one (VACUUM, PRAGMA, ATTACH); then each
 * counts as it is written, and an error says how many were kept.
 */
#include "rh_history.h"
#include "rh_interrupt.h"
#include "rh_statements.h"
#include "rh_waiting.h"

#include <stdlib.h>

static rhei_status run_statement(struct rh_tool *tool, rhei_session *session, const char *sql, enum rh_verb verb,
                                 struct rhei_error *error)
{
    const struct rh_args *args = tool->args;
    struct rhei_query_options options = {.struct_size = sizeof options,
                                         .timeout_ms = args->timeout_ms,
                                         .cancel = tool->cancel,
                                         .progress = rh_waiting_told,
                                         .settings = true};
    struct rhei_params params = {.values = args->params.values, .count = args->params.count};
    rhei_rows *rows = NULL;
    int64_t started = rh_now_us();
    rh_waiting_start(tool->out, tool->err, "at work");
    if (verb == RH_VERB_OTHER || verb == RH_VERB_PRAGMA) {
        rhei_status status = rhei_session_query(
            session, sql, verb == RH_VERB_OTHER && params.count > 0 ? &params : NULL, &options, &rows, error);
        return status == RHEI_OK ? rh_write_rows(tool, &rows, started, error) : status;
    }
    struct rhei_call_options limits = rh_tool_limits(tool);
    return rhei_session_execute_with(session, sql, NULL, &limits, NULL, error);
}

static bool wants_one_transaction(const struct rh_script *script)
{
    for (size_t at = 0; at < script->count; at++)
        if (script->parts[at].verb != RH_VERB_OTHER)
            return false;
    return script->count > 1;
}

static void tell_what_is_kept(const struct rh_statements *statements, size_t failed, bool one_transaction)
{
    if (one_transaction)
        fputs("  Nothing was changed: all statements are one transaction.\n", stderr);
    else if (statements->script.count > 1 && failed > 0)
        fprintf(stderr, "  What the %zu before it committed is kept; what is in an open transaction is not.\n", failed);
}

static int run_all(struct rh_tool *tool, const struct rh_statements *statements, rhei_session *session)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_call_options limits = rh_tool_limits(tool);
    bool one_transaction = wants_one_transaction(&statements->script);
    rh_waiting_start(tool->out, tool->err, "at work");
    if (one_transaction &&
        rhei_session_execute_with(session, "BEGIN IMMEDIATE", NULL, &limits, NULL, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    for (size_t at = 0; at < statements->script.count; at++) {
        char *sql = rh_statements_copy(statements, at, "");
        rhei_status status = run_statement(tool, session, sql, statements->script.parts[at].verb, &error);
        rh_waiting_stop();
        free(sql);
        if (status != RHEI_OK) {
            (void)rh_flush_output();
            rh_statements_tell(statements, tool, at, 0, &error);
            tell_what_is_kept(statements, at, one_transaction);
            return RH_EXIT_ERROR;
        }
    }
    rh_waiting_start(tool->out, tool->err, "committing");
    if (one_transaction && rhei_session_execute_with(session, "COMMIT", NULL, &limits, NULL, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        tell_what_is_kept(statements, 0, true);
        return RH_EXIT_ERROR;
    }
    rh_waiting_stop();
    if (rhei_session_in_transaction(session))
        return rh_tell(tool, "the text ends inside a transaction that it began: it was rolled back; add COMMIT");
    return RH_EXIT_OK;
}

static int run_in_session(struct rh_tool *tool, const struct rh_statements *statements)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    if (rhei_session_open(tool->db, &session, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        return RH_EXIT_ERROR;
    }
    int code = run_all(tool, statements, session);
    rhei_session_close(&session);
    return rh_finish_output(tool, code);
}

int rh_exec_command(struct rh_tool *tool)
{
    struct rh_statements statements;
    if (!rh_check_format(tool))
        return RH_EXIT_ERROR;
    int code = rh_statements_read(&statements, tool);
    if (code == RH_EXIT_OK)
        code = rh_tool_open(tool, RH_OPEN_CREATE) ? run_in_session(tool, &statements) : RH_EXIT_ERROR;
    if (code == RH_EXIT_OK) {
        rh_interrupt_done();
        rh_history_note(tool);
        rh_tool_close(tool);
    } else {
        rh_tool_discard(tool);
    }
    rh_statements_free(&statements);
    return code;
}
