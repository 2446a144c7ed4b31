/* SPDX-License-Identifier: Apache-2.0 */
/* rh query: each statement by itself, through the router. */
#include "rh_pour.h"
#include "rh_statements.h"
#include "rh_waiting.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows to standard output, as the command line has them; or wherever and however `pour` says. */
static rhei_status ask(struct rh_tool *tool, const char *sql, struct rh_pour *pour, struct rhei_error *error)
{
    const struct rh_args *args = tool->args;
    struct rhei_query_options options = rh_pour_options(tool);
    struct rhei_params params = {.values = args->params.values, .count = args->params.count};
    if (pour != NULL) {
        pour->options = options;
        if (pour->file != stdout) { /* of an answer that broke off and is asked for anew */
            rewind(pour->file);
            (void)!ftruncate(fileno(pour->file), 0);
        }
        return rh_pour_run(tool, sql, pour, error);
    }
    rhei_rows *rows = NULL;
    int64_t started = rh_now_us();
    rh_waiting_start(tool->out, tool->err, "asking");
    rhei_status status = rhei_query(tool->db, sql, params.count > 0 ? &params : NULL, &options, &rows, error);
    return status == RHEI_OK ? rh_write_rows(tool, &rows, started, error) : status;
}

/* A sidecar's source was tried for as long as the settings say, in vain: another round would only take as long again. */
static bool waited_for_source(const struct rhei_error *error)
{
    return strncmp(error->message, "source \"", 8) == 0 && strstr(error->message, " is away since ") != NULL;
}

/*
 * A look leaves the file as it is. A statement that writes says so before it has done anything, and is run on a handle that may; so is a
 * question about a past that is kept in a folder. A past that isn't there yet (RHEI_STALE) begins with the tables' load,
 * and so does a sidecar's table that `eventual` finds nothing of: in one command nobody else would ever load it.
 */
rhei_status rh_query_answer(struct rh_tool *tool, const char *sql, struct rh_pour *pour, struct rhei_error *error)
{
    rhei_status status = ask(tool, sql, pour, error);
    if (status == RHEI_READ_ONLY && !tool->args->read_only && tool->look) {
        rh_tool_close(tool);
        struct rhei_error looked = *error;
        *error = (struct rhei_error)RHEI_ERROR_INIT;
        if (!rh_tool_open_for(tool, 0, error)) {
            if (error->code == RHEI_READ_ONLY) { /* why a look wouldn't do is what to begin with */
                *error = looked;
                (void)snprintf(error->message, sizeof error->message,
                               "%.380s, which isn't allowed here: rh sync by somebody who may settles it",
                               looked.message);
            }
            return error->code;
        }
        status = ask(tool, sql, pour, error);
    }
    /* what of a folder can't be read is found out in the middle of an answer, and is built in memory then */
    bool damaged = tool->look && status == RHEI_OLAP_UNAVAILABLE;
    bool unbuilt = tool->args->route == RHEI_ROUTE_OLAP && status != RHEI_OK && (!tool->built || damaged);
    if ((status != RHEI_STALE || waited_for_source(error)) && !unbuilt)
        return status;
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    status = rh_tool_build(tool, error);
    return status == RHEI_OK ? ask(tool, sql, pour, error) : status;
}

/* Whether it may be a question that a look can't answer: then nothing is built for it before that is known. */
static bool may_be_past(const struct rh_tool *tool, const struct rh_statements *statements)
{
    bool may = tool->args->as_of != NULL;
    for (size_t at = 0; at < statements->script.count && !may; at++) {
        char *sql = rh_statements_copy(statements, at, "");
        may = strcasestr(sql, "system_time") != NULL || strcasestr(sql, "history") != NULL ||
              strcasestr(sql, "position") != NULL;
        free(sql);
    }
    return may;
}

/* Who asks for the column store gets it built; a route of auto leaves that to the engine. */
static bool prepare_route(struct rh_tool *tool, const struct rh_statements *statements)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (tool->args->route != RHEI_ROUTE_OLAP || (tool->look && may_be_past(tool, statements)) ||
        rh_tool_build(tool, &error) == RHEI_OK)
        return true;
    rh_tell_error(tool, &error);
    return false;
}

static int run_all(struct rh_tool *tool, const struct rh_statements *statements)
{
    const char *prefix = tool->args->explain ? "EXPLAIN ROUTE " : "";
    bool batches = tool->args->format == RH_FORMAT_ARROW || tool->args->format == RH_FORMAT_PARQUET;
    for (size_t at = 0; at < statements->script.count; at++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        char *sql = rh_statements_copy(statements, at, prefix);
        struct rh_pour pour = {.format = tool->args->format, .file = stdout};
        rhei_status status = rh_query_answer(tool, sql, batches ? &pour : NULL, &error);
        rh_waiting_stop();
        free(sql);
        if (!rh_flush_output())
            return rh_finish_output(tool, RH_EXIT_ERROR);
        if (status != RHEI_OK) {
            rh_statements_tell(statements, tool, at, tool->args->explain ? sizeof "EXPLAIN ROUTE " - 1 : 0, &error);
            return RH_EXIT_ERROR;
        }
    }
    return RH_EXIT_OK;
}

/* The bytes of Arrow and Parquet are one stream, and not for people to look at. */
static int check_batches(const struct rh_tool *tool, const struct rh_statements *statements)
{
    enum rh_format format = tool->args->format;
    if (format != RH_FORMAT_ARROW && format != RH_FORMAT_PARQUET)
        return RH_EXIT_OK;
    const char *wrong = tool->out.present   ? "writes bytes that are no text: send them to a file or a program"
                        : tool->args->stats ? "doesn't go with --stats: the stream's schema tells what that would"
                        : statements->script.count > 1 ? "goes with one statement"
                                                       : NULL;
    if (wrong == NULL)
        return RH_EXIT_OK;
    rh_tell(tool, "--format %s %s", rh_format_name(format), wrong);
    return RH_EXIT_USAGE;
}

int rh_query_command(struct rh_tool *tool)
{
    struct rh_statements statements;
    if (!rh_check_format(tool))
        return RH_EXIT_ERROR;
    int code = rh_statements_read(&statements, tool);
    if (code == RH_EXIT_OK)
        code = check_batches(tool, &statements);
    if (code == RH_EXIT_OK && !rh_tool_open(tool, RH_OPEN_LOOK))
        code = RH_EXIT_ERROR;
    if (code == RH_EXIT_OK)
        code = prepare_route(tool, &statements) ? run_all(tool, &statements) : RH_EXIT_ERROR;
    rh_tool_close(tool);
    rh_statements_free(&statements);
    return code;
}
