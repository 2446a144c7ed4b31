/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_check.h"

#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "source_postgres/postgres_message.h"
#include "source_postgres/postgres_type.h"

#define ASK_EVERY_NS INT64_C(200000000)

static const char WHAT[] = "comparing what the server has with what was seen";

struct checking {
    struct postgres_connection *connection;
    const struct postgres_mark *mark;
    uint64_t seen;
    uint64_t reached;
    uint32_t xid;  /* of the transaction that is being sent; 0: none is */
    bool met;      /* the mark */
    bool ended;    /* it is known */
    bool same;     /* and so it is */
    bool progress; /* something came that hadn't been there */
};

bool postgres_check_can(const struct postgres_mark *mark, uint64_t confirmed)
{
    return mark->xid != 0 || mark->end <= confirmed;
}

rhei_status postgres_tell_server(struct postgres_connection *connection, const char *what, uint64_t received,
                                 uint64_t confirmed, bool answer, struct rhei_error *error)
{
    char bytes[34] = "r";
    uint64_t words[4] = {received, confirmed, confirmed, (uint64_t)(base_wall_ms() * 1000 - POSTGRES_EPOCH_US)};
    for (size_t w = 0; w < 4; w++) {
        words[w] = postgres_u64(&words[w]);
        memcpy(bytes + 1 + 8 * w, &words[w], 8);
    }
    bytes[33] = answer ? 1 : 0;
    if (connection->api->putCopyData(connection->conn, bytes, sizeof bytes) < 0 ||
        connection->api->flush(connection->conn) < 0)
        return postgres_fail(connection, what, NULL, error);
    return RHEI_OK;
}

static void decide(struct checking *checking, bool same)
{
    checking->ended = true;
    checking->same = same;
}

/* K2. */
static void take_commit(struct checking *checking, const struct postgres_message *message, uint32_t xid)
{
    const struct postgres_mark *mark = checking->mark;
    checking->progress = true;
    if (message->end > checking->seen)
        decide(checking, checking->met);
    else if (message->end > mark->end)
        decide(checking, false);
    else if (message->end == mark->end && (xid != mark->xid || message->time_us != mark->time_us))
        decide(checking, false);
    else
        checking->met = checking->met || message->end == mark->end;
}

static rhei_status take_change(struct checking *checking, const char *bytes, size_t length, struct rhei_error *error)
{
    struct postgres_message message;
    char kind = bytes[0];
    bool committed = kind == POSTGRES_COMMIT || kind == POSTGRES_STREAM_COMMIT;
    if (kind != POSTGRES_BEGIN && !committed)
        return RHEI_OK;
    if (!postgres_message_read(bytes, length, false, &message))
        return error_set(error, RHEI_NOT_A_DATABASE, "the stream has a message that isn't one of pgoutput's");
    if (committed)
        take_commit(checking, &message, kind == POSTGRES_COMMIT ? checking->xid : message.xid);
    if (kind != POSTGRES_STREAM_COMMIT)
        checking->xid = committed ? 0 : message.xid;
    return RHEI_OK;
}

static rhei_status take(struct checking *checking, const char *data, size_t length, struct rhei_error *error)
{
    if (length > 25 && data[0] == 'w')
        return take_change(checking, data + 25, length - 25, error);
    if (length != 18 || data[0] != 'k')
        return error_set(error, RHEI_NOT_A_DATABASE, "the stream has something that isn't a message");
    uint64_t end = postgres_u64(data + 1);
    checking->progress = checking->progress || end > checking->reached;
    checking->reached = end > checking->reached ? end : checking->reached;
    if (checking->xid == 0 && end >= checking->seen) /* within a transaction it says where that began to be sent */
        decide(checking, checking->met);
    return RHEI_OK;
}

static rhei_status wait_for_more(struct checking *checking, int64_t until_ns, struct rhei_error *error)
{
    const struct postgres_api *api = checking->connection->api;
    bool pending = api->flush(checking->connection->conn) > 0;
    rhei_status status = postgres_wait(checking->connection, pending, -1, until_ns, error);
    if (status == RHEI_TIMEOUT)
        return RHEI_OK;
    if (status == RHEI_OK && api->consumeInput(checking->connection->conn) == 0)
        status = postgres_fail(checking->connection, WHAT, NULL, error);
    return status;
}

static rhei_status take_next(struct checking *checking, int64_t until_ns, struct rhei_error *error)
{
    const struct postgres_api *api = checking->connection->api;
    char *data = NULL;
    int got = api->getCopyData(checking->connection->conn, &data, 1);
    rhei_status status = got > 0    ? take(checking, data, (size_t)got, error)
                         : got == 0 ? wait_for_more(checking, until_ns, error)
                                    : RHEI_IO;
    if (data != NULL)
        api->freemem(data);
    if (got >= 0)
        return status;
    PGresult *result = got == -1 ? api->getResult(checking->connection->conn) : NULL;
    status = postgres_fail(checking->connection, WHAT, result, error);
    postgres_clear(checking->connection, &result);
    return status;
}

rhei_status postgres_check(struct postgres_connection *connection, const struct postgres_mark *mark, uint64_t confirmed,
                           uint64_t seen, int64_t patience_ms, bool *same, struct rhei_error *error)
{
    struct checking checking = {
        .connection = connection, .mark = mark, .seen = seen, .reached = confirmed, .met = mark->end <= confirmed};
    int64_t ask_ns = 0, moved_ns = base_now_ns();
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && !checking.ended) {
        int64_t now = base_now_ns();
        if (checking.progress)
            moved_ns = now;
        checking.progress = false;
        if (now - moved_ns > patience_ms * 1000000)
            decide(&checking, false);
        if (now >= ask_ns) {
            status = postgres_tell_server(connection, WHAT, confirmed, confirmed, true, error);
            ask_ns = now + ASK_EVERY_NS;
        }
        if (status == RHEI_OK && !checking.ended)
            status = take_next(&checking, ask_ns, error);
    }
    *same = checking.same;
    return status;
}
