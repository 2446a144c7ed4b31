/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as SQLite reads it, in a database of its own in memory: the one that is explored may be busy, or of another encoding. */
#include "rh_agent.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <stdarg.h>
#include <string.h>

enum { LINE_BYTES = 16 << 20 };

bool rh_agent_is_json(struct rh_agent *agent, const char *json)
{
    rhei_rows *rows = NULL;
    bool is =
        rhei_oltp_query(agent->reader, "SELECT json_valid(?)", RHEI_PARAMS(rhei_text(json)), &rows, NULL) == RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW && rhei_rows_value(rows, 0).as.integer == 1;
    rhei_rows_close(&rows);
    return is;
}

bool rh_agent_read(struct rh_agent *agent, const char *json, const char *path, char type[8], struct rh_buffer *out)
{
    rhei_rows *rows = NULL;
    bool there = rhei_oltp_query(agent->reader, "SELECT json_type(?1, ?2), CAST(json_extract(?1, ?2) AS TEXT)",
                                 RHEI_PARAMS(rhei_text(json), rhei_text(path)), &rows, NULL) == RHEI_OK &&
                 rhei_rows_next(rows, NULL) == RHEI_ROW && !rhei_rows_is_null(rows, 0);
    rh_buffer_clear(out);
    rh_buffer_add(out, "", 0);
    type[0] = '\0';
    if (there) {
        (void)snprintf(type, 8, "%s", rhei_rows_text(rows, 0));
        const struct rhei_value value = rhei_rows_value(rows, 1);
        if (value.type == RHEI_TEXT)
            rh_buffer_add(out, value.as.bytes, value.length);
    }
    rhei_rows_close(&rows);
    return there;
}

void rh_agent_part(struct rh_agent *agent, const char *json, const char *path, struct rh_buffer *out)
{
    rhei_rows *rows = NULL;
    rh_buffer_clear(out);
    rh_buffer_add(out, "", 0);
    if (rhei_oltp_query(agent->reader, "SELECT ?1 -> ?2", RHEI_PARAMS(rhei_text(json), rhei_text(path)), &rows, NULL) ==
            RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW && !rhei_rows_is_null(rows, 0))
        rh_buffer_add_text(out, rhei_rows_text(rows, 0));
    rhei_rows_close(&rows);
}

void rh_agent_refuse(struct rh_buffer *out, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    rh_buffer_clear(out);
    rh_buffer_add_text(out, "{\"error\":{\"code\":\"INVALID\",\"sqlstate\":\"22023\",\"message\":");
    rh_add_json_text(out, message, strlen(message));
    rh_buffer_add_text(out, "}}");
}

/* What no JSON has anywhere stands for a character 0, at which the text would seem to end. */
static int next_byte(FILE *in)
{
    int byte = getc_unlocked(in);
    return byte == '\0' ? 1 : byte;
}

bool rh_agent_line(FILE *in, struct rh_buffer *line, bool *long_line)
{
    int byte;
    bool any = false;
    rh_buffer_clear(line);
    rh_buffer_add(line, "", 0);
    *long_line = false;
    while ((byte = next_byte(in)) != EOF && byte != '\n') {
        any = true;
        if (line->length < LINE_BYTES)
            rh_buffer_add_char(line, (char)byte);
        else
            *long_line = true;
    }
    return any || byte == '\n';
}
