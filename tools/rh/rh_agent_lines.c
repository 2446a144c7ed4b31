/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh --agent: a line of JSON in, a line of JSON out. {"sql": "..."} asks; {"tool": NAME, ...} calls another tool, and what else is in the
 * object are its arguments. An answer is the tool's, or {"error": ...}.
 */
#include "rh_agent.h"

#include "rh_interrupt.h"

#include <string.h>

/* The object without the member "tool", which names it. */
static void take_arguments(struct rh_agent *agent, const char *line, struct rh_buffer *arguments)
{
    rhei_rows *rows = NULL;
    rh_buffer_clear(arguments);
    rh_buffer_add(arguments, "", 0);
    if (rhei_oltp_query(agent->reader, "SELECT json_remove(?, '$.tool')", RHEI_PARAMS(rhei_text(line)), &rows, NULL) ==
            RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW && !rhei_rows_is_null(rows, 0))
        rh_buffer_add_text(arguments, rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
}

static void answer(struct rh_agent *agent, const char *line, struct rh_buffer *out)
{
    struct rh_buffer name = {0}, arguments = {0}, known = {0};
    char type[8];
    const struct rh_agent_tool *tool = NULL;
    if (!rh_agent_is_json(agent, line)) {
        rh_agent_refuse(out, "the line is no JSON: it is an object, as {\"sql\": \"SELECT 1\"}");
    } else {
        tool = rh_agent_find(agent, rh_agent_read(agent, line, "$.tool", type, &name) ? name.bytes : "query");
        for (size_t at = 0; at < rh_agent_tool_count && tool == NULL; at++)
            if (rh_agent_find(agent, rh_agent_tools[at].name) != NULL)
                rh_buffer_format(&known, "%s%s", known.length > 0 ? ", " : "", rh_agent_tools[at].name);
        if (tool == NULL)
            rh_agent_refuse(out, "there is no tool \"%.100s\": there are %s%s", name.bytes, known.bytes,
                            agent->writes ? "" : ", and with --write execute");
    }
    if (tool != NULL) {
        take_arguments(agent, line, &arguments);
        (void)rh_agent_call(agent, tool, arguments.bytes, out);
    }
    rh_buffer_free(&name);
    rh_buffer_free(&arguments);
    rh_buffer_free(&known);
}

int rh_agent_command(struct rh_tool *tool)
{
    struct rh_agent agent;
    struct rh_buffer line = {0}, out = {0};
    bool good = rh_agent_open(&agent, tool), too_long = false;
    for (;;) {
        rh_interrupt_rest(true);
        if (!good || rh_interrupted() || !rh_agent_line(stdin, &line, &too_long))
            break;
        rh_interrupt_rest(false);
        if (too_long)
            rh_agent_refuse(&out, "the line has more than 16 MiB");
        else if (strspn(line.bytes, " \t\r") == line.length)
            continue;
        else
            answer(&agent, line.bytes, &out);
        puts(out.bytes);
        if (!rh_flush_output())
            break;
    }
    rh_agent_close(&agent);
    rh_buffer_free(&line);
    rh_buffer_free(&out);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
