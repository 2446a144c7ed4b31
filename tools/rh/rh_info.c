/* SPDX-License-Identifier: Apache-2.0 */
/* rh info: the database as the engine describes it; indented for people, as it comes with --json. */
#include "rh_tool.h"
#include "rh_waiting.h"

#include <string.h>

static void indent(struct rh_buffer *out, int depth)
{
    rh_buffer_add_char(out, '\n');
    for (; depth > 0; depth--)
        rh_buffer_add_text(out, "  ");
}

/* Puts line ends and spaces into well-formed JSON; what stands in strings stays as it is. */
static void add_indented(struct rh_buffer *out, const char *json)
{
    bool in_string = false;
    int depth = 0;
    for (const char *at = json; *at != '\0'; at++) {
        bool opens = !in_string && (*at == '{' || *at == '[');
        bool closes = !in_string && (*at == '}' || *at == ']');
        if (!in_string && strchr(" \t\r\n", *at) != NULL)
            continue;
        if (closes)
            indent(out, --depth);
        rh_buffer_add_char(out, *at);
        if (in_string && *at == '\\' && at[1] != '\0')
            rh_buffer_add_char(out, *++at);
        else if (*at == '"')
            in_string = !in_string;
        else if (opens && (at[1] == '}' || at[1] == ']'))
            rh_buffer_add_char(out, *++at);
        else if (opens)
            indent(out, ++depth);
        else if (!in_string && *at == ',')
            indent(out, depth);
        else if (!in_string && *at == ':')
            rh_buffer_add_char(out, ' ');
    }
    rh_buffer_add_char(out, '\n');
}

/* All of it in one line; what stands in strings stays as it is, which has no line end. */
static void add_line(struct rh_buffer *out, const char *json)
{
    for (const char *at = json; *at != '\0'; at++)
        if (*at != '\n')
            rh_buffer_add_char(out, *at);
        else
            while (at[1] == ' ')
                at++;
    rh_buffer_add_char(out, '\n');
}

int rh_info_command(struct rh_tool *tool)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_buffer text = {0};
    char *json = NULL;
    if (!rh_tool_open(tool, RH_OPEN_LOOK))
        return RH_EXIT_ERROR;
    int code = RH_EXIT_OK;
    rh_waiting_start(tool->out, tool->err, "looking");
    rhei_status status = rhei_info_json(tool->db, &json, &error);
    rh_waiting_stop();
    if (status != RHEI_OK) {
        rh_tell_error(tool, &error);
        code = RH_EXIT_ERROR;
    } else {
        (tool->args->json ? add_line : add_indented)(&text, json);
        fputs(text.bytes, stdout);
    }
    rhei_free(json);
    rh_buffer_free(&text);
    rh_tool_close(tool);
    return rh_finish_output(tool, code);
}
