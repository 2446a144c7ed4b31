/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_agent.h
 * What a program that explores a database may call: a few tools, each with JSON in and one JSON object out.
 *
 * Read-only unless the command line says --write, which the handle enforces and not the text of a statement. Every answer is bounded in rows and
 * bytes, says so where it was cut, and names route, position and age of what it shows. One thread calls at a time.
 */
#ifndef RH_AGENT_H
#define RH_AGENT_H

#include "rh_tool.h"

struct rh_agent {
    struct rh_tool *tool;
    rhei_db *reader; /**< in memory: SQLite reads the JSON, without a look at the file that is explored */
    int64_t max_rows, max_bytes;
    bool writes;
};

/** A tool as its users see it. `schema` is the JSON Schema of its arguments. */
struct rh_agent_tool {
    const char *name, *description, *schema;
    bool writes; /**< is there with --write alone */
};

extern const struct rh_agent_tool rh_agent_tools[];
extern const size_t rh_agent_tool_count;

/** Opens the database of the command line as its options say. False: the error was told. End it with rh_agent_close() either way. */
bool rh_agent_open(struct rh_agent *agent, struct rh_tool *tool);
void rh_agent_close(struct rh_agent *agent);

/** Whether the text is JSON that SQLite reads. */
bool rh_agent_is_json(struct rh_agent *agent, const char *json);
/** The text or number at a path, NULL in *type where there is none; type is SQLite's json_type(). `out` is cleared. */
bool rh_agent_read(struct rh_agent *agent, const char *json, const char *path, char type[8], struct rh_buffer *out);
/** The JSON at a path, in one line; "" where there is none. `out` is cleared. */
void rh_agent_part(struct rh_agent *agent, const char *json, const char *path, struct rh_buffer *out);

/** The tool of that name that this agent may call; NULL: there is none. */
const struct rh_agent_tool *rh_agent_find(const struct rh_agent *agent, const char *name);
/** Calls a tool with a JSON object. `out` is a JSON object in one line; false: it is {"error": {"code", "sqlstate", "message"}}. */
bool rh_agent_call(struct rh_agent *agent, const struct rh_agent_tool *tool, const char *arguments,
                   struct rh_buffer *out);
/** {"error": ...} for what the program itself finds wrong. `out` is cleared. */
void rh_agent_refuse(struct rh_buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The two ways to reach it: the Model Context Protocol, and a line of JSON for each call. Each gives the exit code. */
int rh_mcp_command(struct rh_tool *tool);
int rh_agent_command(struct rh_tool *tool);

/** One line of standard input without its end, of at most 16 MiB. False: there is no more. *long_line: it was longer, and is left out. */
bool rh_agent_line(FILE *in, struct rh_buffer *line, bool *long_line);

#endif
