/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools. Values are JSON's: NULL is null, a BLOB {"base64":".."}, numbers exactly; a value that is larger than a quarter of the
 * whole answer may be comes as {"cut":"its beginning","length":bytes}.
 */
#include "rh_agent.h"

#include "rhei/rhei_doors.h"

#include "rh_advice.h"
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 1000, MAX_BYTES = 1 << 20, CUT_BYTES = 1000, MAX_PARAMS = 999, TIMEOUT_MS = 30000 };

#define STATEMENT_SCHEMA                                                                                       \
    "\"sql\":{\"type\":\"string\",\"description\":\"one statement in SQLite's SQL\"},"                         \
    "\"params\":{\"type\":\"array\",\"description\":\"values of its ?, in order: null, true, false, numbers, " \
    "strings\"}"

const struct rh_agent_tool rh_agent_tools[] = {
    {"schema",
     "The tables and views of the database: columns, keys, indexes, CREATE statements, and how each stands in the "
     "column "
     "store. Look here first.",
     "{\"type\":\"object\",\"properties\":{\"table\":{\"type\":\"string\",\"description\":\"a name, or a pattern as of "
     "LIKE (%orders%); all without it\"}},\"additionalProperties\":false}",
     false},
    {"query",
     "Asks one statement and gives its rows, with the engine that answered and how fresh the answer is. Nothing is "
     "changed by it. Rows and "
     "bytes are capped: \"truncated\" says when; aggregate, or add LIMIT and WHERE.",
     "{\"type\":\"object\",\"properties\":{" STATEMENT_SCHEMA
     ",\"max_rows\":{\"type\":\"integer\",\"minimum\":1},\"route\":{\"enum\":[\"auto\",\"oltp\",\"olap\"],"
     "\"description\":\"olap builds the column store first where it isn't there\"},\"freshness\":{\"type\":\"string\","
     "\"description\":\"latest (default), bounded:MS, "
     "eventual\"},\"as_of\":{\"type\":\"string\",\"description\":\"every "
     "table as of that time, where histories are kept: 2026-11-27T10:00:00Z\"}},\"required\":[\"sql\"],"
     "\"additionalProperties\":false}",
     false},
    {"explain", "Which engine would answer a statement, by which rule, and SQLite's plan, without asking it.",
     "{\"type\":\"object\",\"properties\":{" STATEMENT_SCHEMA
     "},\"required\":[\"sql\"],\"additionalProperties\":false}",
     false},
    {"status", "Paths, versions and settings in force, and how the column store, its folder and the sidecars stand.",
     "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}", false},
    {"execute",
     "Runs one statement that changes data or schema, as a transaction of its own, and tells how many rows it changed.",
     "{\"type\":\"object\",\"properties\":{" STATEMENT_SCHEMA
     "},\"required\":[\"sql\"],\"additionalProperties\":false}",
     true},
};
const size_t rh_agent_tool_count = sizeof rh_agent_tools / sizeof *rh_agent_tools;

bool rh_agent_open(struct rh_agent *agent, struct rh_tool *tool)
{
    const struct rh_args *args = tool->args;
    const struct rhei_config none = {.struct_size = sizeof none, .olap_backend = RHEI_OLAP_NONE};
    struct rhei_error error = RHEI_ERROR_INIT;
    *agent = (struct rh_agent){.tool = tool,
                               .max_rows = args->serve.max_rows > 0 ? args->serve.max_rows : MAX_ROWS,
                               .max_bytes = args->max_bytes > 0 ? args->max_bytes : MAX_BYTES,
                               .writes = args->write};
    if (rhei_open(":memory:", &none, &agent->reader, &error) != RHEI_OK) {
        rh_tell_error(tool, &error);
        return false;
    }
    if (!rh_tool_open(tool, RH_OPEN_NO_FILES | (args->write ? RH_OPEN_LIVE : RH_OPEN_LOOK)))
        return false;
    rh_advise_at_tools();
    return true;
}

void rh_agent_close(struct rh_agent *agent)
{
    rh_tool_close(agent->tool);
    rhei_close(&agent->reader);
}

const struct rh_agent_tool *rh_agent_find(const struct rh_agent *agent, const char *name)
{
    for (size_t at = 0; at < rh_agent_tool_count; at++)
        if (strcmp(rh_agent_tools[at].name, name) == 0 && (agent->writes || !rh_agent_tools[at].writes))
            return &rh_agent_tools[at];
    return NULL;
}

static void add_error(struct rh_buffer *out, const struct rhei_error *error)
{
    struct rh_buffer message = {0};
    rh_add_in_our_words(&message, error->message);
    rh_buffer_clear(out);
    rh_buffer_add_text(out, "{\"error\":{");
    rh_add_json_text_member(out, "code", rhei_status_name(error->code));
    rh_add_json_text_member(out, "sqlstate", error->sqlstate);
    if (error->sql_offset >= 0)
        rh_add_json_member(out, "offset", error->sql_offset);
    rh_buffer_add_text(out, "\"message\":");
    rh_add_json_text(out, message.bytes, message.length);
    rh_buffer_add_text(out, "}}");
    rh_buffer_free(&message);
}

/* ---- Arguments. -------------------------------------------------------------------------------------------------- */

struct call {
    struct rh_buffer sql;
    struct rh_params params;
    struct rh_args ask; /* route, freshness */
    struct rh_buffer as_of;
    int64_t max_rows;
};

static void free_call(struct call *call)
{
    rh_buffer_free(&call->sql);
    rh_buffer_free(&call->as_of);
    for (size_t at = 0; at < call->params.count; at++)
        if (call->params.values[at].type == RHEI_TEXT)
            free((void *)call->params.values[at].as.bytes);
    free(call->params.values);
}

/* A name that the tool doesn't know is a slip, and not for guessing. */
static bool names_are_known(struct rh_agent *agent, const struct rh_agent_tool *tool, const char *arguments,
                            struct rh_buffer *out)
{
    rhei_rows *rows = NULL;
    bool good = true;
    if (rhei_oltp_query(
            agent->reader,
            "SELECT a.key, (SELECT group_concat(key, ', ') FROM json_each(?2, '$.properties')) FROM json_each(?1) a "
            "WHERE a.key NOT IN (SELECT key FROM json_each(?2, '$.properties'))",
            RHEI_PARAMS(rhei_text(arguments), rhei_text(tool->schema)), &rows, NULL) == RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *known = rhei_rows_is_null(rows, 1) ? "nothing" : rhei_rows_text(rows, 1);
        rh_agent_refuse(out, "%s has no argument \"%.100s\": it takes %s", tool->name, rhei_rows_text(rows, 0), known);
        good = false;
    }
    rhei_rows_close(&rows);
    return good;
}

static bool read_params(struct rh_agent *agent, const char *arguments, struct call *call, struct rh_buffer *out)
{
    rhei_rows *rows = NULL;
    struct rh_buffer whole = {0};
    char kind[8];
    bool given = rh_agent_read(agent, arguments, "$.params", kind, &whole);
    rh_buffer_free(&whole);
    if (given && strcmp(kind, "array") != 0) { /* names would be values in some order */
        rh_agent_refuse(out,
                        "params is an array of the values of the statement's ?, in order: names of parameters have no "
                        "place in it");
        return false;
    }
    rhei_status status = rhei_oltp_query(agent->reader, "SELECT type, value, atom FROM json_each(?, '$.params')",
                                         RHEI_PARAMS(rhei_text(arguments)), &rows, NULL);
    bool good = status == RHEI_OK;
    while (good && rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *type = rhei_rows_text(rows, 0);
        struct rhei_value value = rhei_rows_value(rows, 1);
        good = call->params.count < MAX_PARAMS && strcmp(type, "object") != 0 && strcmp(type, "array") != 0;
        if (!good) {
            rh_agent_refuse(
                out,
                "params[%zu] is %s: a parameter is null, true, false, a number or a string, and there are %d "
                "at most; a BLOB is written into the statement, as x'0a'",
                call->params.count, strcmp(type, "object") == 0 ? "an object" : "one too many or an array", MAX_PARAMS);
            break;
        }
        if (strcmp(type, "integer") == 0 && value.type == RHEI_REAL) {
            rh_agent_refuse(out,
                            "params[%zu] is an integer of more than 64 bits, which SQLite has none of: give it as a "
                            "string, or as a "
                            "number with a point",
                            call->params.count);
            good = false;
            break;
        }
        if (value.type == RHEI_TEXT)
            value.as.bytes = rh_copy_text(value.as.bytes, value.length);
        call->params.values =
            rh_reallocate(call->params.values, (call->params.count + 1) * sizeof *call->params.values);
        call->params.values[call->params.count++] = value;
    }
    rhei_rows_close(&rows);
    return good;
}

static bool read_options(struct rh_agent *agent, const char *arguments, struct call *call, struct rh_buffer *out)
{
    struct rh_buffer text = {0}, why = {0};
    char type[8];
    bool good = true;
    if (rh_agent_read(agent, arguments, "$.route", type, &text))
        good = rh_args_route(&call->ask, "route", text.bytes, &why);
    if (good && rh_agent_read(agent, arguments, "$.freshness", type, &text))
        good = rh_args_freshness(&call->ask, "freshness", text.bytes, &why);
    if (good && rh_agent_read(agent, arguments, "$.max_rows", type, &text)) {
        good = strcmp(type, "integer") == 0 && rh_parse_integer(text.bytes, text.length, &call->max_rows) &&
               call->max_rows > 0;
        if (!good)
            rh_buffer_format(&why, "max_rows takes a whole number from 1, and not %.40s", text.bytes);
        call->max_rows = call->max_rows < agent->max_rows ? call->max_rows : agent->max_rows;
    }
    (void)rh_agent_read(agent, arguments, "$.as_of", type, &call->as_of);
    if (!good)
        rh_agent_refuse(out, "%s", why.bytes);
    rh_buffer_free(&text);
    rh_buffer_free(&why);
    return good;
}

static bool read_call(struct rh_agent *agent, const struct rh_agent_tool *tool, const char *arguments,
                      const char *prefix, struct call *call, struct rh_buffer *out)
{
    struct rh_buffer sql = {0};
    char type[8];
    *call = (struct call){.max_rows = agent->max_rows};
    bool good = rh_agent_read(agent, arguments, "$.sql", type, &sql) && strcmp(type, "text") == 0;
    rh_buffer_add_text(&call->sql, prefix);
    rh_buffer_add_text(&call->sql, sql.bytes);
    if (!good)
        rh_agent_refuse(out, "%s needs sql, a string", tool->name);
    else if (strlen(sql.bytes) != sql.length) {
        rh_agent_refuse(out, "the statement has a character 0 in it");
        good = false;
    }
    good = good && read_params(agent, arguments, call, out) && read_options(agent, arguments, call, out);
    rh_buffer_free(&sql);
    return good;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

static void add_value(struct rh_buffer *out, const struct rhei_value *value, size_t room)
{
    bool bytes = value->type == RHEI_TEXT || value->type == RHEI_BLOB;
    if (!bytes || value->length <= room) {
        rh_add_json_value(out, value);
        return;
    }
    struct rhei_value cut = *value;
    cut.length = CUT_BYTES < room ? CUT_BYTES : (uint32_t)room;
    while (cut.type == RHEI_TEXT && cut.length > 0 &&
           (((const unsigned char *)cut.as.bytes)[cut.length] & 0xC0) == 0x80)
        cut.length--; /* whole characters */
    rh_buffer_add_text(out, "{\"cut\":");
    rh_add_json_value(out, &cut);
    rh_buffer_format(out, ",\"length\":%" PRIu32 "}", value->length);
}

static void add_columns(struct rh_buffer *out, rhei_rows *rows, uint32_t count)
{
    rh_buffer_add_text(out, "{\"columns\":[");
    for (uint32_t at = 0; at < count; at++) {
        const char *name = rhei_rows_column_name(rows, at);
        rh_buffer_add_text(out, at > 0 ? "," : "");
        rh_add_json_text(out, name, strlen(name));
    }
    rh_buffer_add_text(out, "],\"rows\":[");
}

/* A column without an alias is called as it is written. */
static rhei_status error_of_names(struct rhei_error *error)
{
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    error->code = RHEI_SQL;
    error->sql_offset = -1;
    (void)snprintf(error->sqlstate, sizeof error->sqlstate, "54011");
    (void)snprintf(error->message, sizeof error->message,
                   "the names of the columns alone are more bytes than an answer may have: name them with AS");
    return RHEI_SQL;
}

static const char *freshness_of(const struct call *call)
{
    return call->ask.freshness.mode == RHEI_FRESHNESS_EVENTUAL  ? "eventual"
           : call->ask.freshness.mode == RHEI_FRESHNESS_BOUNDED ? "bounded"
                                                                : "latest";
}

/* What the rows show, behind them. */
static void add_facts(struct rh_buffer *out, rhei_rows *rows, const struct call *call, uint64_t count, const char *cut,
                      int64_t started)
{
    struct rhei_result result = {.struct_size = sizeof result};
    struct rhei_source_position **positions = NULL;
    size_t position_count = 0;
    rhei_rows_result(rows, &result);
    rh_buffer_format(out, "],\"row_count\":%" PRIu64 ",\"truncated\":%s,", count, cut != NULL ? "true" : "false");
    if (cut != NULL)
        rh_add_json_text_member(out, "why", cut);
    if (result.changes != 0 || result.position != 0)
        rh_add_json_member(out, "changes", result.changes);
    if (strcmp(rhei_rows_rule(rows), "explain-route") != 0) { /* its own is no news beside the one it tells of */
        rh_add_json_text_member(out, "route", rhei_rows_route(rows));
        rh_add_json_text_member(out, "rule", rhei_rows_rule(rows));
    }
    rh_add_json_text_member(out, "freshness", freshness_of(call));
    rh_add_json_member(out, "position", rhei_rows_position(rows));
    if (rhei_rows_position_list(rows, &positions, &position_count, NULL) == RHEI_OK && position_count > 1) {
        rh_buffer_add_text(out, "\"sources\":{");
        for (size_t at = 0; at < position_count; at++) {
            rh_add_json_text(out, positions[at]->source, strlen(positions[at]->source));
            rh_buffer_format(out, ":%" PRId64 "%s", positions[at]->position, at + 1 < position_count ? "," : "},");
        }
    }
    rhei_free(positions);
    rh_add_json_member(out, "age_us", rhei_rows_age_us(rows));
    rh_add_json_member(out, "elapsed_us", rh_now_us() - started);
    out->bytes[out->length - 1] = '}';
}

static rhei_status take_rows(const struct rh_agent *agent, rhei_rows *rows, const struct call *call, int64_t started,
                             struct rh_buffer *out, struct rhei_error *error)
{
    uint32_t columns = rhei_rows_column_count(rows);
    size_t room = (size_t)agent->max_bytes, quarter = room / 4;
    const char *cut = NULL;
    uint64_t count = 0;
    add_columns(out, rows, columns);
    if (out->length > room)
        return error_of_names(error);
    rhei_status status = RHEI_OK;
    while ((status = rhei_rows_next(rows, error)) == RHEI_ROW) {
        if (count == (uint64_t)call->max_rows || out->length > room) {
            cut = out->length > room ? "there are more rows than the answer has bytes for: ask for less, or aggregate"
                                     : "there are more rows than max_rows: aggregate, or add LIMIT and WHERE";
            break;
        }
        rh_buffer_add_text(out, count++ > 0 ? ",[" : "[");
        for (uint32_t at = 0; at < columns; at++) {
            const struct rhei_value value = rhei_rows_value(rows, at);
            rh_buffer_add_text(out, at > 0 ? "," : "");
            add_value(out, &value, quarter);
        }
        rh_buffer_add_char(out, ']');
    }
    if (status != RHEI_ROW && status != RHEI_DONE)
        return status;
    add_facts(out, rows, call, count, cut, started);
    return RHEI_OK;
}

static rhei_status ask(struct rh_agent *agent, const struct call *call, struct rh_buffer *out, struct rhei_error *error)
{
    int64_t started = rh_now_us(), timeout = agent->tool->args->timeout_ms;
    const struct rhei_query_options options = {.struct_size = sizeof options,
                                               .freshness = call->ask.freshness,
                                               .route = call->ask.route,
                                               .as_of = call->as_of.length > 0 ? call->as_of.bytes : NULL,
                                               .timeout_ms = timeout > 0 ? timeout : TIMEOUT_MS,
                                               .cancel = agent->tool->cancel};
    const struct rhei_params params = {.values = call->params.values, .count = call->params.count};
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_query(agent->tool->db, call->sql.bytes, params.count > 0 ? &params : NULL, &options, &rows, error);
    rh_buffer_clear(out);
    if (status == RHEI_OK)
        status = take_rows(agent, rows, call, started, out, error);
    rhei_rows_close(&rows);
    return status;
}

static bool call_statement(struct rh_agent *agent, const struct rh_agent_tool *tool, const char *arguments,
                           const char *prefix, struct rh_buffer *out)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct call call;
    bool good = read_call(agent, tool, arguments, prefix, &call, out);
    if (good) {
        rhei_status status = ask(agent, &call, out, &error);
        /* who demands the column store gets it built, where it isn't or has become old */
        bool unbuilt = call.ask.route == RHEI_ROUTE_OLAP && (status == RHEI_STALE || status == RHEI_OLAP_UNAVAILABLE);
        if (unbuilt) {
            error = (struct rhei_error)RHEI_ERROR_INIT;
            status = rh_tool_build(agent->tool, &error);
            status = status == RHEI_OK ? ask(agent, &call, out, &error) : status;
        }
        good = status == RHEI_OK;
        if (status == RHEI_READ_ONLY && !agent->writes)
            (void)snprintf(
                error.message, sizeof error.message,
                "this statement changes something, and this is for reading alone: whoever started rh may add "
                "--write, which gives the tool execute");
        if (!good)
            add_error(out, &error);
    }
    free_call(&call);
    return good;
}

/* `query` is for questions also where `execute` is there: whoever lets a program run one without asking relies on that. */
static bool only_reads(struct rh_agent *agent, const char *arguments, struct rh_buffer *out)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_buffer sql = {0};
    char type[8];
    rhei_statement *statement = NULL;
    (void)rh_agent_read(agent, arguments, "$.sql", type, &sql);
    rhei_status status = rhei_prepare(agent->tool->db, sql.bytes, &statement, &error);
    bool reads = status != RHEI_OK || rhei_statement_is_read_only(statement); /* what is wrong is told when it runs */
    rhei_statement_close(&statement);
    rh_buffer_free(&sql);
    if (!reads)
        rh_agent_refuse(out, "this statement changes something: that is for the tool execute");
    return reads;
}

/* ---- Schema. ----------------------------------------------------------------------------------------------------- */

static void add_table(struct rh_buffer *out, const struct rhei_catalog_table *table,
                      struct rhei_table_status *const *list, size_t count)
{
    static const char *const kinds[] = {"table", "view", "virtual", "shadow", "source"};
    static const char *const states[] = {"waiting", "building", "ready", "failed", "not mirrored"};
    rh_buffer_add_char(out, '{');
    rh_add_json_text_member(out, "name", table->name);
    rh_add_json_text_member(out, "schema", table->schema);
    rh_add_json_text_member(out, "kind", table->kind >= 0 && table->kind < 5 ? kinds[table->kind] : "");
    for (size_t at = 0; at < count; at++) {
        const char *dot = strcmp(table->schema, "main") == 0 ? NULL : strchr(list[at]->name, '.');
        bool same = dot == NULL ? strcmp(list[at]->name, table->name) == 0
                                : strncmp(list[at]->name, table->schema, (size_t)(dot - list[at]->name)) == 0 &&
                                      strcmp(dot + 1, table->name) == 0;
        if (!same || list[at]->state < 0 || list[at]->state > 4)
            continue;
        rh_add_json_text_member(out, "column_store", states[list[at]->state]);
        if (list[at]->state == RHEI_TABLE_READY)
            rh_add_json_member(out, "rows", (int64_t)list[at]->rows);
    }
    rh_buffer_add_text(out, "\"columns\":[");
    for (uint32_t at = 0; at < table->column_count; at++) {
        const struct rhei_catalog_column *column = table->columns[at];
        rh_buffer_add_text(out, at > 0 ? ",{" : "{");
        rh_add_json_text_member(out, "name", column->name);
        rh_add_json_text_member(out, "type", column->declared_type);
        if (column->key_position > 0)
            rh_add_json_member(out, "key", column->key_position);
        rh_buffer_format(out, "\"not_null\":%s}", column->not_null ? "true" : "false");
    }
    rh_buffer_add_text(out, "],");
    rh_buffer_add_text(out, "\"indexes\":[");
    for (uint32_t at = 0, written = 0; at < table->index_count; at++)
        if (table->indexes[at]->sql != NULL) {
            rh_buffer_add_text(out, written++ > 0 ? "," : "");
            rh_add_json_text(out, table->indexes[at]->sql, strlen(table->indexes[at]->sql));
        }
    rh_buffer_add_text(out, "],");
    rh_add_json_text_member(out, "sql", table->sql);
    out->bytes[out->length - 1] = '}';
}

static bool call_schema(struct rh_agent *agent, const char *arguments, struct rh_buffer *out)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_catalog *catalog = NULL;
    struct rhei_table_status **list = NULL;
    struct rh_buffer like = {0};
    size_t count = 0;
    char type[8];
    bool one = rh_agent_read(agent, arguments, "$.table", type, &like);
    struct rhei_call_options limits = rh_tool_limits(agent->tool);
    limits.progress = NULL;
    if (rhei_catalog_read(agent->tool->db, one ? like.bytes : NULL, &limits, &catalog, &error) != RHEI_OK) {
        rh_buffer_free(&like);
        add_error(out, &error);
        return false;
    }
    (void)rhei_table_list(agent->tool->db, &list, &count, NULL); /* without a column store there is none */
    rh_buffer_clear(out);
    rh_buffer_add_text(out, "{\"tables\":[");
    uint32_t whole = 0;
    for (; whole < catalog->table_count && (int64_t)out->length < agent->max_bytes; whole++) {
        rh_buffer_add_text(out, whole > 0 ? "," : "");
        add_table(out, catalog->tables[whole], list, count);
    }
    rh_buffer_format(out, "],\"table_count\":%" PRIu32 ",\"truncated\":%s}", catalog->table_count,
                     whole < catalog->table_count
                         ? "true,\"why\":\"there are more tables than the answer has bytes for: "
                           "give table, a name or a pattern\""
                         : "false");
    rhei_free(list);
    rhei_catalog_free(&catalog);
    rh_buffer_free(&like);
    return true;
}

static bool call_status(struct rh_agent *agent, struct rh_buffer *out)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    char *json = NULL;
    if (rhei_info_json(agent->tool->db, &json, &error) != RHEI_OK) {
        add_error(out, &error);
        return false;
    }
    rh_agent_part(agent, json, "$", out); /* in one line */
    rhei_free(json);
    return true;
}

bool rh_agent_call(struct rh_agent *agent, const struct rh_agent_tool *tool, const char *arguments,
                   struct rh_buffer *out)
{
    struct rh_buffer whole = {0};
    char type[8];
    bool object = rh_agent_is_json(agent, arguments) && rh_agent_read(agent, arguments, "$", type, &whole) &&
                  strcmp(type, "object") == 0;
    rh_buffer_free(&whole);
    if (!object) {
        rh_agent_refuse(out, "the arguments of %s are a JSON object", tool->name);
        return false;
    }
    if (!names_are_known(agent, tool, arguments, out))
        return false;
    if (strcmp(tool->name, "schema") == 0)
        return call_schema(agent, arguments, out);
    if (strcmp(tool->name, "status") == 0)
        return call_status(agent, out);
    if (strcmp(tool->name, "query") == 0 && agent->writes && !only_reads(agent, arguments, out))
        return false;
    return call_statement(agent, tool, arguments, strcmp(tool->name, "explain") == 0 ? "EXPLAIN ROUTE " : "", out);
}
