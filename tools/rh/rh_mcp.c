/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rh mcp: the Model Context Protocol over standard input and output, a message of JSON-RPC 2.0 a line
 * (https://modelcontextprotocol.io/specification/2025-11-25).
 *
 *   1. This thread reads, so that a cancellation is heard while a tool runs; another one runs the calls, in their order.
 *   2. Nothing but messages goes to standard output, each in one piece.
 *   3. What a tool finds wrong is its result (isError), which the model reads; only what isn't the protocol is an error of the protocol.
 *   4. When the input ends the client is gone: what runs is cancelled.
 */
#include "rh_agent.h"

#include "rh_interrupt.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NO_JSON = -32700, NO_REQUEST = -32600, NO_METHOD = -32601, BAD_ARGUMENTS = -32602, QUEUE_LENGTH = 64 };

static const char newest[] = "2025-11-25";
static const char *const versions[] = {newest, "2025-06-18", "2025-03-26", "2024-11-05"};

struct request {
    char *id; /* JSON */
    const struct rh_agent_tool *tool;
    char *arguments; /* JSON */
};

struct mcp {
    struct rh_agent agent;
    struct rh_agent reading; /* the same, with a reader of JSON of this thread's own */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    struct request queue[QUEUE_LENGTH]; /* the first `count`; guarded by lock, as the rest is */
    size_t count;
    char *running; /* its id; NULL: nothing runs */
    bool cancelled, ending;
};

static void send_line(struct mcp *mcp, struct rh_buffer *message)
{
    rh_buffer_add_char(message, '\n');
    pthread_mutex_lock(&mcp->lock);
    fwrite(message->bytes, 1, message->length, stdout);
    (void)fflush(stdout);
    pthread_mutex_unlock(&mcp->lock);
}

static void begin_answer(struct rh_buffer *message, const char *id, const char *member)
{
    rh_buffer_clear(message);
    rh_buffer_format(message, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id, member);
}

static void send_error(struct mcp *mcp, const char *id, int code, const char *text)
{
    struct rh_buffer message = {0};
    begin_answer(&message, id, "error");
    rh_buffer_format(&message, "{\"code\":%d,\"message\":", code);
    rh_add_json_text(&message, text, strlen(text));
    rh_buffer_add_text(&message, "}}");
    send_line(mcp, &message);
    rh_buffer_free(&message);
}

/* ---- The calls. -------------------------------------------------------------------------------------------------- */

static void free_request(struct request *request)
{
    free(request->id);
    free(request->arguments);
}

static void run(struct mcp *mcp, const struct request *request)
{
    struct rh_buffer out = {0}, message = {0};
    bool good = rh_agent_call(&mcp->agent, request->tool, request->arguments, &out);
    begin_answer(&message, request->id, "result");
    rh_buffer_add_text(&message, "{\"content\":[{\"type\":\"text\",\"text\":");
    rh_add_json_text(&message, out.bytes, out.length);
    rh_buffer_format(&message, "}],\"isError\":%s}}", good ? "false" : "true");
    pthread_mutex_lock(&mcp->lock);
    bool unwanted = mcp->cancelled; /* who cancels waits for no answer */
    pthread_mutex_unlock(&mcp->lock);
    if (!unwanted)
        send_line(mcp, &message);
    rh_buffer_free(&out);
    rh_buffer_free(&message);
}

/* Under lock: the first of the queue is the one that runs. */
static struct request take(struct mcp *mcp)
{
    struct request first = mcp->queue[0];
    memmove(mcp->queue, mcp->queue + 1, --mcp->count * sizeof *mcp->queue);
    mcp->running = first.id;
    mcp->cancelled = false;
    rhei_cancel_clear(mcp->agent.tool->cancel);
    return first;
}

static void *work(void *argument)
{
    struct mcp *mcp = argument;
    pthread_mutex_lock(&mcp->lock);
    while (!mcp->ending) {
        rh_interrupt_rest(mcp->count == 0);
        if (mcp->count == 0) {
            pthread_cond_wait(&mcp->woken, &mcp->lock);
            continue;
        }
        struct request request = take(mcp);
        pthread_mutex_unlock(&mcp->lock);
        run(mcp, &request);
        pthread_mutex_lock(&mcp->lock);
        mcp->running = NULL;
        free_request(&request);
    }
    pthread_mutex_unlock(&mcp->lock);
    return NULL;
}

static void cancel(struct mcp *mcp, const char *id)
{
    pthread_mutex_lock(&mcp->lock);
    if (mcp->running != NULL && strcmp(mcp->running, id) == 0) {
        mcp->cancelled = true;
        rhei_cancel_raise(mcp->agent.tool->cancel);
    }
    for (size_t at = 0; at < mcp->count; at++)
        if (strcmp(mcp->queue[at].id, id) == 0) {
            free_request(&mcp->queue[at]);
            memmove(mcp->queue + at, mcp->queue + at + 1, (--mcp->count - at) * sizeof *mcp->queue);
            break;
        }
    pthread_mutex_unlock(&mcp->lock);
}

/* ---- The messages. ----------------------------------------------------------------------------------------------- */

static void call_tool(struct mcp *mcp, const char *line, const char *id)
{
    struct rh_buffer name = {0}, arguments = {0};
    char type[8];
    (void)rh_agent_read(&mcp->reading, line, "$.params.name", type, &name);
    const struct rh_agent_tool *tool = rh_agent_find(&mcp->agent, name.bytes);
    rh_agent_part(&mcp->reading, line, "$.params.arguments", &arguments);
    pthread_mutex_lock(&mcp->lock);
    bool room = mcp->count < QUEUE_LENGTH;
    if (tool != NULL && room) {
        const char *given = arguments.length > 0 ? arguments.bytes : "{}";
        mcp->queue[mcp->count++] = (struct request){
            .id = rh_copy_text(id, strlen(id)), .tool = tool, .arguments = rh_copy_text(given, strlen(given))};
        pthread_cond_signal(&mcp->woken);
    }
    pthread_mutex_unlock(&mcp->lock);
    if (tool == NULL)
        send_error(mcp, id, BAD_ARGUMENTS, "there is no such tool: tools/list tells which there are");
    else if (!room)
        send_error(mcp, id, NO_REQUEST, "64 calls wait already: wait for their answers");
    rh_buffer_free(&name);
    rh_buffer_free(&arguments);
}

static void list_tools(struct mcp *mcp, const char *id)
{
    struct rh_buffer message = {0};
    begin_answer(&message, id, "result");
    rh_buffer_add_text(&message, "{\"tools\":[");
    for (size_t at = 0; at < rh_agent_tool_count; at++) {
        const struct rh_agent_tool *tool = &rh_agent_tools[at];
        if (rh_agent_find(&mcp->agent, tool->name) == NULL)
            continue;
        rh_buffer_add_text(&message, at > 0 ? ",{" : "{");
        rh_add_json_text_member(&message, "name", tool->name);
        rh_add_json_text_member(&message, "description", tool->description);
        rh_buffer_format(&message, "\"inputSchema\":%s,\"annotations\":{\"readOnlyHint\":%s,\"openWorldHint\":false}}",
                         tool->schema, tool->writes ? "false" : "true");
    }
    rh_buffer_add_text(&message, "]}}");
    send_line(mcp, &message);
    rh_buffer_free(&message);
}

static void greet(struct mcp *mcp, const char *line, const char *id)
{
    struct rh_buffer message = {0}, wanted = {0};
    const char *version = newest;
    char type[8];
    (void)rh_agent_read(&mcp->reading, line, "$.params.protocolVersion", type, &wanted);
    for (size_t at = 0; at < sizeof versions / sizeof *versions; at++)
        version = strcmp(wanted.bytes, versions[at]) == 0 ? versions[at] : version;
    begin_answer(&message, id, "result");
    rh_buffer_format(&message,
                     "{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"rhei\","
                     "\"version\":\"%s\"},\"instructions\":",
                     version, rhei_version());
    const char *text =
        mcp->agent.writes
            ? "A database with SQLite's SQL. schema first; query asks, execute changes. Answers tell how fresh "
              "they are, and are cut where truncated is true."
            : "A database with SQLite's SQL, read-only. schema first; query asks. Answers tell how fresh they "
              "are, and are cut where truncated is true.";
    rh_add_json_text(&message, text, strlen(text));
    rh_buffer_add_text(&message, "}}");
    send_line(mcp, &message);
    rh_buffer_free(&message);
    rh_buffer_free(&wanted);
}

static void take_request(struct mcp *mcp, const char *line, const char *method, const char *id)
{
    if (strcmp(method, "initialize") == 0) {
        greet(mcp, line, id);
    } else if (strcmp(method, "tools/list") == 0) {
        list_tools(mcp, id);
    } else if (strcmp(method, "tools/call") == 0) {
        call_tool(mcp, line, id);
    } else if (strcmp(method, "ping") == 0) {
        struct rh_buffer message = {0};
        begin_answer(&message, id, "result");
        rh_buffer_add_text(&message, "{}}");
        send_line(mcp, &message);
        rh_buffer_free(&message);
    } else {
        send_error(mcp, id, NO_METHOD, "there is no such method here: initialize, ping, tools/list and tools/call are");
    }
}

static void take_message(struct mcp *mcp, const char *line)
{
    struct rh_buffer method = {0}, id = {0}, whole = {0};
    char type[8];
    if (!rh_agent_is_json(&mcp->reading, line)) {
        send_error(mcp, "null", NO_JSON, "the line is no JSON");
    } else if (!rh_agent_read(&mcp->reading, line, "$", type, &whole) || strcmp(type, "object") != 0) {
        send_error(mcp, "null", NO_REQUEST, "a message is an object, one a line");
    } else {
        bool asks = rh_agent_read(&mcp->reading, line, "$.method", type, &method) && strcmp(type, "text") == 0;
        rh_agent_part(&mcp->reading, line, "$.id", &id);
        bool named =
            id.length > 0 && (id.bytes[0] == '"' || id.bytes[0] == '-' || (id.bytes[0] >= '0' && id.bytes[0] <= '9'));
        if (asks && named) {
            take_request(mcp, line, method.bytes, id.bytes);
        } else if (asks && id.length > 0) {
            send_error(mcp, "null", NO_REQUEST, "an id is a string or a number");
        } else if (asks && strcmp(method.bytes, "notifications/cancelled") == 0) {
            rh_agent_part(&mcp->reading, line, "$.params.requestId", &id);
            cancel(mcp, id.bytes);
        } else if (!asks && !rh_agent_read(&mcp->reading, line, "$.result", type, &whole) &&
                   !rh_agent_read(&mcp->reading, line, "$.error", type, &whole)) {
            send_error(mcp, named ? id.bytes : "null", NO_REQUEST, "a message has a method, a string");
        }
    }
    rh_buffer_free(&method);
    rh_buffer_free(&id);
    rh_buffer_free(&whole);
}

static void listen_to(struct mcp *mcp)
{
    struct rh_buffer line = {0};
    bool too_long = false;
    while (!rh_interrupted() && rh_agent_line(stdin, &line, &too_long))
        if (too_long)
            send_error(mcp, "null", NO_REQUEST, "the line has more than 16 MiB");
        else if (strspn(line.bytes, " \t\r") < line.length)
            take_message(mcp, line.bytes);
    rh_buffer_free(&line);
}

static void end(struct mcp *mcp, pthread_t worker)
{
    pthread_mutex_lock(&mcp->lock);
    mcp->ending = mcp->cancelled = true;
    rhei_cancel_raise(mcp->agent.tool->cancel);
    pthread_cond_signal(&mcp->woken);
    pthread_mutex_unlock(&mcp->lock);
    pthread_join(worker, NULL);
    while (mcp->count > 0)
        free_request(&mcp->queue[--mcp->count]);
}

int rh_mcp_command(struct rh_tool *tool)
{
    struct mcp mcp = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    const struct rhei_config none = {.struct_size = sizeof none, .olap_backend = RHEI_OLAP_NONE};
    pthread_t worker;
    bool good = rh_agent_open(&mcp.agent, tool) && rhei_open(":memory:", &none, &mcp.reading.reader, NULL) == RHEI_OK;
    int failed = good ? pthread_create(&worker, NULL, work, &mcp) : 0;
    if (failed != 0)
        rh_tell(tool, "no thread can be started: %s", strerror(failed));
    good = good && failed == 0;
    if (good) {
        listen_to(&mcp);
        end(&mcp, worker);
    }
    rhei_close(&mcp.reading.reader);
    rh_agent_close(&mcp.agent);
    return rh_finish_output(tool, good ? RH_EXIT_OK : RH_EXIT_ERROR);
}
