/* SPDX-License-Identifier: Apache-2.0 */
/* One statement of the REPL: asked with what is set, shown on the terminal or by a pager, with a line of facts. */
#include "rh_interrupt.h"
#include "rh_pager.h"
#include "rh_repl.h"
#include "rh_waiting.h"

#include <stdlib.h>
#include <string.h>

bool rh_repl_in_transaction(const struct rh_repl *repl)
{
    return repl->session != NULL && rhei_session_in_transaction(repl->session);
}

void rh_repl_begin_work(struct rh_repl *repl)
{
    rhei_cancel_clear(repl->tool->cancel);
    rh_interrupt_guard(repl->tool->cancel);
    if (rh_interrupted()) /* between two statements of one text: it is for the next */
        rhei_cancel_raise(repl->tool->cancel);
}

void rh_repl_end_work(struct rh_repl *repl)
{
    (void)repl;
    rh_waiting_stop();
    rh_interrupt_guard(NULL);
}

/* A demanded column store is for questions: what writes runs where it can. What SQLite can't read is the column store's. */
static bool writes(struct rh_repl *repl, const char *sql)
{
    rhei_statement *statement = NULL;
    rhei_status status = repl->session != NULL ? rhei_session_prepare(repl->session, sql, &statement, NULL)
                                               : rhei_prepare(repl->tool->db, sql, &statement, NULL);
    bool changes = status == RHEI_OK && !rhei_statement_is_read_only(statement);
    rhei_statement_close(&statement);
    return changes;
}

static rhei_status ask_once(struct rh_repl *repl, const char *sql, int32_t route, rhei_rows **rows,
                            struct rhei_error *error)
{
    const struct rh_args *set = &repl->settings;
    struct rhei_query_options options = {.struct_size = sizeof options,
                                         .freshness = set->freshness,
                                         .as_of = set->as_of,
                                         .route = route,
                                         .timeout_ms = set->timeout_ms,
                                         .cancel = repl->tool->cancel,
                                         .progress = rh_waiting_told,
                                         .settings = true};
    rh_waiting_start(repl->tool->out, repl->tool->err, "asking");
    if (repl->session == NULL)
        return rhei_query(repl->tool->db, sql, NULL, &options, rows, error);
    return rhei_session_query(repl->session, sql, NULL, &options, rows, error);
}

/* As rh query has it: who demands the column store gets it built, where it isn't or has become old. */
rhei_status rh_repl_ask(struct rh_repl *repl, const char *sql, rhei_rows **rows, struct rhei_error *error)
{
    bool olap = repl->settings.route == RHEI_ROUTE_OLAP;
    int32_t route = olap && writes(repl, sql) ? RHEI_ROUTE_AUTO : repl->settings.route;
    rhei_status status = ask_once(repl, sql, route, rows, error);
    bool demanded = route == RHEI_ROUTE_OLAP && !rh_repl_in_transaction(repl);
    if (!demanded || (status != RHEI_STALE && status != RHEI_OLAP_UNAVAILABLE))
        return status;
    struct rhei_error first = *error;
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    rh_waiting_stop();
    status = rh_tool_build(repl->tool, error);
    if (status == RHEI_OK)
        status = ask_once(repl, sql, route, rows, error);
    if (status != RHEI_OK && status != RHEI_CANCELLED && error->message[0] == '\0')
        *error = first;
    return status;
}

rhei_status rh_repl_try_past(struct rh_repl *repl, const char *as_of, struct rhei_error *error)
{
    const struct rhei_query_options options = {.struct_size = sizeof options,
                                               .as_of = as_of,
                                               .timeout_ms = repl->settings.timeout_ms,
                                               .cancel = repl->tool->cancel,
                                               .progress = rh_waiting_told};
    rhei_rows *rows = NULL;
    rh_repl_begin_work(repl);
    rh_waiting_start(repl->tool->out, repl->tool->err, "asking");
    rhei_status status = rhei_query(repl->tool->db, "SELECT 1", NULL, &options, &rows, error);
    rh_repl_end_work(repl);
    rhei_rows_close(&rows);
    return status == RHEI_UNSUPPORTED || status == RHEI_INVALID ? status : RHEI_OK;
}

/* Lines that go without a pager: the terminal's, but for prompt, facts and what was typed. */
static size_t lines_of(const struct rh_repl *repl)
{
    size_t width, height;
    if (!repl->interactive || !repl->pager || repl->terminal.plain)
        return 0;
    line_terminal_size(&repl->terminal, &width, &height);
    return height > 6 ? height - 3 : 3;
}

/* *left: the pager was, before the last row. *read_us: how long somebody read in it, which is no time of the statement's. */
static rhei_status show(struct rh_repl *repl, rhei_rows *rows, uint64_t *count, bool *left, int64_t *read_us,
                        struct rhei_error *error)
{
    struct rh_pager *pager = rh_pager_open(lines_of(repl));
    rhei_status status = rh_write_rows_to(repl->tool, rows, rh_pager_file(pager), count, error);
    *left = ferror(rh_pager_file(pager)) != 0;
    *read_us = rh_pager_close(&pager);
    return status;
}

static void tell_done(struct rh_repl *repl, int64_t elapsed_us)
{
    struct rh_tool *tool = repl->tool;
    struct rh_buffer line = {0};
    rh_buffer_add_text(&line, tool->err.utf8 ? "done · " : "done, ");
    rh_add_duration(&line, elapsed_us);
    fprintf(stderr, "%s%s%s\n", rh_style(&tool->err, RH_DIM), line.bytes, rh_style(&tool->err, RH_PLAIN));
    rh_buffer_free(&line);
}

static rhei_status run_with_rows(struct rh_repl *repl, const char *sql, int64_t started, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    uint64_t count = 0;
    rhei_status status = rh_repl_ask(repl, sql, &rows, error);
    if (status != RHEI_OK)
        return status;
    bool left = false;
    int64_t read_us = 0;
    status = show(repl, rows, &count, &left, &read_us, error);
    if (status == RHEI_OK && repl->timer && left)
        rh_tell_left(repl->tool, count); /* neither the rows that there are nor the time that they take is known */
    else if (status == RHEI_OK && repl->timer)
        rh_tell_facts(repl->tool, rows, count, rh_now_us() - started - read_us);
    rhei_rows_close(&rows);
    return status;
}

rhei_status rh_repl_run_statement(struct rh_repl *repl, const char *sql, enum rh_verb verb, struct rhei_error *error)
{
    int64_t started = rh_now_us();
    rhei_status status;
    rh_repl_begin_work(repl);
    bool alone = (verb == RH_VERB_TRANSACTION || verb == RH_VERB_ALONE) && repl->session != NULL;
    if (alone) {
        struct rhei_call_options limits = rh_tool_limits(repl->tool);
        rh_waiting_start(repl->tool->out, repl->tool->err, "at work");
        status = rhei_session_execute_with(repl->session, sql, NULL, &limits, NULL, error);
    } else {
        status = run_with_rows(repl, sql, started, error);
    }
    rh_repl_end_work(repl);
    if (alone && status == RHEI_OK && repl->timer)
        tell_done(repl, rh_now_us() - started);
    rh_repl_forget_names(repl);
    return status;
}

int rh_repl_run_sql(struct rh_repl *repl, const char *sql, const char *prefix)
{
    struct rh_statements statements = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rh_buffer_add_text(&statements.text, sql);
    rh_script_split(&statements.script, statements.text.bytes, statements.text.length);
    int code = RH_EXIT_OK;
    for (size_t at = 0; at < statements.script.count && code == RH_EXIT_OK; at++) {
        char *copy = rh_statements_copy(&statements, at, prefix);
        if (rh_repl_run_statement(repl, copy, RH_VERB_OTHER, &error) != RHEI_OK) {
            (void)rh_flush_output();
            rh_statements_tell(&statements, repl->tool, at, strlen(prefix), &error);
            code = RH_EXIT_ERROR;
        }
        free(copy);
    }
    rh_statements_free(&statements);
    return code;
}
