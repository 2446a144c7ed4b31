/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "source_postgres/postgres_again.h"
#include "source_postgres/postgres_ending.h"
#include "source_postgres/postgres_type.h"

#define SECOND_NS        INT64_C(1000000000)
#define A_WHILE_NS       (10 * SECOND_NS)
#define CONFIRM_EVERY_NS (SECOND_NS / 10)

static const char WHAT[] = "following the changes";

rhei_status postgres_stream_init(struct postgres_stream *stream, const struct source_postgres_config *config,
                                 struct rhei_error *error)
{
    *stream = (struct postgres_stream){
        .config = config, .stop = {.fd = -1}, .wake_armed = true, .awaited = UINT64_MAX, .keeps = config->durable};
    base_mutex_init(&stream->lock);
    base_cond_init(&stream->changed);
    postgres_queue_init(&stream->queue, config->memory, config->spill_folder);
    stream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stream->wake_fd < 0)
        return error_set(error, RHEI_IO, "no event descriptor: %s", strerror(errno));
    return postgres_stop_init(&stream->stop, error);
}

void postgres_stream_interrupt(struct postgres_stream *stream)
{
    postgres_stop_now(&stream->stop);
    base_mutex_lock(&stream->lock);
    bool started = stream->started;
    stream->started = false;
    stream->ended = true;
    if (stream->why.code == RHEI_OK)
        error_set(&stream->why, RHEI_CLOSED, "the source is being closed");
    stream->connected = false;
    base_cond_broadcast(&stream->changed);
    base_mutex_unlock(&stream->lock);
    if (started)
        base_thread_join(&stream->thread);
}

void postgres_stream_reset(struct postgres_stream *stream)
{
    if (stream->stop.fd >= 0)
        postgres_stream_interrupt(stream);
    postgres_queue_reset(&stream->queue);
    postgres_stop_reset(&stream->stop);
    if (stream->wake_fd >= 0)
        close(stream->wake_fd);
    base_cond_destroy(&stream->changed);
    base_mutex_destroy(&stream->lock);
}

void postgres_stream_wake(struct postgres_stream *stream)
{
    uint64_t one = 1;
    ssize_t written = write(stream->wake_fd, &one, sizeof one);
    (void)written;
}

static void drain_wake(struct postgres_stream *stream)
{
    uint64_t count;
    ssize_t got = read(stream->wake_fd, &count, sizeof count);
    (void)got;
}

static void tell(struct postgres_stream *stream)
{
    if (stream->config->wake != NULL)
        stream->config->wake(stream->config->wake_context);
}

/* ---- The slot. --------------------------------------------------------------------------------------------------- */

/* A run of the thread: one connection. */
struct follower {
    struct postgres_stream *stream;
    struct postgres_connection *connection;
    struct rhei_error *error;
    uint64_t start;
    char slot[80];
    int64_t next_answer_ns; /* to the server */
    uint64_t confirmed;
    bool streaming;
    char given_up[120]; /* why the server gave the slot up; "": it didn't */
    char system[40], up_since[24];
    bool standby;
    bool checks; /* R4: before it is gone on with. `start` is where the slot was confirmed */
    struct postgres_ending ending;
    uint64_t wish; /* R7 */
};

static int64_t limit_of(const struct postgres_stream *stream)
{
    return base_now_ns() + stream->config->connect_timeout_ms * 1000000;
}

static rhei_status ask(struct follower *follower, const char *sql, int64_t deadline_ns, PGresult **result)
{
    return postgres_query(follower->connection, WHAT, sql, 0, NULL, deadline_ns, result, follower->error);
}

/* Which database this is, and how far it has come. */
static rhei_status identify(struct follower *follower, char system[40], uint64_t *now)
{
    PGresult *result = NULL;
    rhei_status status = ask(follower, "IDENTIFY_SYSTEM", limit_of(follower->stream), &result);
    if (status == RHEI_OK &&
        (follower->connection->api->ntuples(result) != 1 || follower->connection->api->nfields(result) < 3 ||
         !postgres_lsn_parse(postgres_cell(follower->connection, result, 0, 2), now)))
        status =
            error_set(follower->error, RHEI_UNSUPPORTED, "the server's answer to IDENTIFY_SYSTEM isn't understood");
    if (status == RHEI_OK)
        snprintf(system, 40, "%.24s/%.12s", postgres_cell(follower->connection, result, 0, 0),
                 postgres_cell(follower->connection, result, 0, 1));
    postgres_clear(follower->connection, &result);
    return status;
}

/* When the server was started, by its clock, and whether it is a standby. */
static rhei_status look_at_start(struct follower *follower)
{
    PGresult *result = NULL;
    rhei_status status = ask(follower,
                             "SELECT (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint,"
                             " pg_catalog.pg_is_in_recovery()",
                             limit_of(follower->stream), &result);
    if (status == RHEI_OK) {
        snprintf(follower->up_since, sizeof follower->up_since, "%.23s",
                 postgres_cell(follower->connection, result, 0, 0));
        follower->standby = postgres_cell(follower->connection, result, 0, 1)[0] == 't';
    }
    postgres_clear(follower->connection, &result);
    return status;
}

/* Waits for every transaction that writes at that moment; nobody knows how long, so only closing ends it. */
static rhei_status make_slot(struct follower *follower, uint64_t *start)
{
    struct base_buffer sql = {0};
    bool named = follower->stream->config->slot != NULL, old = follower->connection->version < 150000;
    /* one that goes with its connection can't, nor one of a standby; where nobody copies it it costs nothing */
    bool fails_over = named && follower->connection->version >= 170000 && !follower->standby;
    base_buffer_text(&sql, "CREATE_REPLICATION_SLOT ");
    base_buffer_identifier(&sql, follower->slot);
    base_buffer_format(&sql, "%s LOGICAL pgoutput %s", named ? "" : " TEMPORARY",
                       old          ? "NOEXPORT_SNAPSHOT"
                       : fails_over ? "(SNAPSHOT 'nothing', FAILOVER true)"
                                    : "(SNAPSHOT 'nothing')");
    PGresult *result = NULL;
    rhei_status status = sql.failed ? error_no_memory(follower->error) : ask(follower, sql.data, INT64_MAX, &result);
    if (status == RHEI_OK && !postgres_lsn_parse(postgres_cell(follower->connection, result, 0, 1), start))
        status = error_set(follower->error, RHEI_UNSUPPORTED,
                           "the server's answer to CREATE_REPLICATION_SLOT isn't understood");
    postgres_clear(follower->connection, &result);
    base_buffer_reset(&sql);
    if (status == RHEI_OK && named)
        base_log_write(
            follower->stream->config->log, BASE_LOG_INFO, "source_postgres",
            "made the replication slot %s; drop it when this source is given up, or the server keeps its WAL for ever",
            follower->slot);
    return status;
}

static rhei_status drop_slot(struct follower *follower)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "DROP_REPLICATION_SLOT ");
    base_buffer_identifier(&sql, follower->slot);
    PGresult *result = NULL;
    rhei_status status =
        sql.failed ? error_no_memory(follower->error) : ask(follower, sql.data, limit_of(follower->stream), &result);
    postgres_clear(follower->connection, &result);
    base_buffer_reset(&sql);
    return status;
}

static const char *words_of_loss(const char *reason)
{
    static const char *const words[][2] = {
        {"wal_removed", "it kept more WAL than max_slot_wal_keep_size allows"},
        {"idle_timeout", "nobody read it for idle_replication_slot_timeout"},
        {"wal_level_insufficient", "wal_level was lower for a while"},
        {"rows_removed", "rows of the catalogue that it needs were removed"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], reason) == 0)
            return words[i][1];
    return "of a reason that this version of Rhei doesn't know";
}

/* *confirmed: up to where the slot has let go of changes; *there false: it isn't there, or is past use, and was dropped. */
static rhei_status look_at_slot(struct follower *follower, bool *there, uint64_t *confirmed)
{
    struct base_buffer sql = {0};
    PGresult *result = NULL;
    const struct postgres_api *api = follower->connection->api;
    const char *publication = follower->stream->config->publication;
    base_buffer_format(&sql,
                       "SELECT confirmed_flush_lsn, plugin = 'pgoutput' AND database = pg_catalog.current_database(),"
                       " wal_status = 'lost', %s, EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = ",
                       follower->connection->version >= 170000 ? "invalidation_reason" : "'wal_removed'");
    base_buffer_literal(&sql, publication, strlen(publication));
    base_buffer_text(&sql, ") FROM pg_catalog.pg_replication_slots WHERE slot_name = ");
    base_buffer_literal(&sql, follower->slot, strlen(follower->slot));
    rhei_status status =
        sql.failed ? error_no_memory(follower->error) : ask(follower, sql.data, limit_of(follower->stream), &result);
    base_buffer_reset(&sql);
    *there = status == RHEI_OK && api->ntuples(result) == 1;
    bool blind = *there && follower->stream->blind && postgres_cell(follower->connection, result, 0, 4)[0] == 't';
    bool lost = blind || (*there && postgres_cell(follower->connection, result, 0, 2)[0] == 't');
    if (*there && postgres_cell(follower->connection, result, 0, 1)[0] != 't')
        status = error_set(follower->error, RHEI_UNSUPPORTED,
                           "the replication slot %s isn't one of pgoutput in this database: name another one",
                           follower->slot);
    else if (*there && !lost && !postgres_lsn_parse(postgres_cell(follower->connection, result, 0, 0), confirmed))
        status = error_set(follower->error, RHEI_BUSY, "the replication slot %s is still being made", follower->slot);
    if (status == RHEI_OK && lost)
        snprintf(follower->given_up, sizeof follower->given_up, "%s",
                 blind ? "the publication was dropped and made anew"
                       : words_of_loss(postgres_cell(follower->connection, result, 0, 3)));
    postgres_clear(follower->connection, &result);
    if (status == RHEI_OK && lost) {
        base_log_write(follower->stream->config->log, BASE_LOG_WARN, "source_postgres",
                       "the slot %s is of no use any more, because %s: it is made anew", follower->slot,
                       follower->given_up);
        *there = false;
        status = drop_slot(follower);
        follower->stream->blind = follower->stream->blind && status != RHEI_OK;
    }
    return status;
}

/* The cluster's number, without the timeline behind it. */
static bool same_cluster(const char *one, const char *other)
{
    size_t length = strcspn(one, "/");
    return strncmp(one, other, length + 1) == 0;
}

/* What is known of the server before it is gone on with. */
struct found {
    uint64_t now, confirmed, made;
    bool there;
};

/* Why it isn't gone on with, in `reloaded`. */
static void say_why(struct follower *follower, const struct found *found, bool same, uint64_t from)
{
    struct postgres_stream *stream = follower->stream;
    const char *text = !same                           ? "it is another database cluster"
                       : stream->config->slot == NULL  ? "the slot went with its connection, as none is named"
                       : follower->given_up[0] != '\0' ? follower->given_up
                       : !found->there                 ? "the slot was gone, as on a standby that hasn't a copy of it"
                       : found->confirmed > from       ? "somebody else read on from the slot"
                       : from > found->now             ? "the server is behind what was seen, as one that was restored"
                       : stream->strayed ? "the server was started anew and has other changes than those that "
                                           "were seen, as one that was restored to an older state"
                                         : "the server was started anew before its slot knew of what was loaded last";
    bool given_up = text == follower->given_up;
    stream->reloads++;
    snprintf(stream->reloaded, sizeof stream->reloaded, "%s%.150s",
             given_up ? "the slot was of no use any more, because " : "", text);
}

/* Under `lock`. The queue is emptied, and the stream goes on at `start`. */
static void leap(struct postgres_stream *stream, uint64_t start, bool gap)
{
    postgres_queue_reset(&stream->queue);
    stream->low = start;
    stream->gap = stream->gap || gap;
    stream->forgotten = stream->forgotten < start ? stream->forgotten : start;
    stream->kept = stream->kept < start ? stream->kept : start;
    stream->mark = (struct postgres_mark){.end = start};
    stream->strayed = false;
}

static rhei_status ask_server(struct follower *follower, struct found *found)
{
    bool named = follower->stream->config->slot != NULL;
    rhei_status status = identify(follower, follower->system, &found->now);
    if (status == RHEI_OK && named)
        status = look_at_start(follower);
    if (status == RHEI_OK && named)
        status = look_at_slot(follower, &found->there, &found->confirmed);
    if (status == RHEI_OK && !found->there)
        status = make_slot(follower, &found->made);
    return status;
}

/* R2, R4. */
static rhei_status find_start(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    struct found found = {0};
    rhei_status status = ask_server(follower, &found);
    follower->checks = false;
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&stream->lock);
    while (stream->reading && !atomic_load(&stream->stop.stopped))
        base_cond_wait_until(&stream->changed, &stream->lock, base_now_ns() + CONFIRM_EVERY_NS);
    bool first = stream->seen == 0;
    uint64_t from = first ? stream->wanted : stream->seen;
    bool same = stream->system[0] == '\0' || same_cluster(stream->system, follower->system);
    bool anew = strcmp(stream->system, follower->system) != 0 || strcmp(stream->up_since, follower->up_since) != 0;
    bool sure = !anew || (found.confirmed == from && stream->loaded <= from);
    bool can = sure || (stream->loaded <= from && postgres_check_can(&stream->mark, found.confirmed));
    bool goes_on =
        from != 0 && same && found.there && found.confirmed <= from && from <= found.now && !stream->strayed && can;
    follower->checks = goes_on && !sure;
    follower->start = follower->checks ? found.confirmed
                      : goes_on        ? from
                      : !found.there   ? found.made
                                       : (found.confirmed > found.now ? found.confirmed : found.now);
    bool reload = from != 0 && !goes_on;
    if (reload)
        say_why(follower, &found, same, from);
    if (!goes_on)
        leap(stream, follower->start, from != 0);
    else if (first && !follower->checks)
        stream->low = from;
    if (!follower->checks) {
        stream->seen = follower->start;
        snprintf(stream->system, sizeof stream->system, "%s", follower->system);
        snprintf(stream->up_since, sizeof stream->up_since, "%s", follower->up_since);
    }
    base_mutex_unlock(&stream->lock);
    if (reload)
        base_log_write(stream->config->log, BASE_LOG_WARN, "source_postgres",
                       "the server hasn't the changes any more that follow what was seen (%s): every table is loaded "
                       "again",
                       stream->reloaded);
    return RHEI_OK;
}

static rhei_status start(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    struct base_buffer sql = {0}, name = {0};
    char from[POSTGRES_LSN_TEXT];
    postgres_lsn_text(follower->start, from);
    base_buffer_identifier(&name, stream->config->publication);
    base_buffer_text(&sql, "START_REPLICATION SLOT ");
    base_buffer_identifier(&sql, follower->slot);
    base_buffer_format(&sql, " LOGICAL %s (proto_version '2', streaming 'on', publication_names ", from);
    base_buffer_literal(&sql, name.data == NULL ? "" : name.data, name.len);
    base_buffer_text(&sql, ")");
    PGresult *result = NULL;
    rhei_status status = sql.failed || name.failed ? error_no_memory(follower->error)
                                                   : ask(follower, sql.data, limit_of(stream), &result);
    follower->streaming = status == RHEI_OK;
    postgres_clear(follower->connection, &result);
    base_buffer_reset(&sql);
    base_buffer_reset(&name);
    return status;
}

/* ---- Answers to the server. -------------------------------------------------------------------------------------- */

/* Under `lock`. R3. */
static uint64_t confirmable(const struct postgres_stream *stream)
{
    bool empty = stream->queue.first == NULL;
    if (stream->keeps)
        return stream->kept < stream->seen ? stream->kept : stream->seen;
    return empty && stream->seen > stream->forgotten ? stream->seen : stream->forgotten;
}

static rhei_status answer(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    base_mutex_lock(&stream->lock);
    uint64_t confirmed = confirmable(stream), seen = stream->seen;
    bool ping = stream->ping;
    stream->ping = false;
    base_mutex_unlock(&stream->lock);
    follower->confirmed = confirmed;
    follower->next_answer_ns = base_now_ns() + SECOND_NS;
    return postgres_tell_server(follower->connection, WHAT, seen > confirmed ? seen : confirmed, confirmed, ping,
                                follower->error);
}

/* ---- What comes. ------------------------------------------------------------------------------------------------- */

static rhei_status take_keepalive(struct follower *follower, const char *data, size_t length)
{
    struct postgres_stream *stream = follower->stream;
    if (length != 18)
        return error_set(follower->error, RHEI_NOT_A_DATABASE, "the stream has a keepalive that isn't one");
    uint64_t end = postgres_u64(data + 1);
    base_mutex_lock(&stream->lock);
    /* within a transaction it says where that began to be sent */
    if (stream->queue.current == NULL && end > stream->seen)
        stream->seen = end;
    stream->keepalives++;
    stream->keepalive_us = (int64_t)postgres_u64(data + 9) + POSTGRES_EPOCH_US;
    base_cond_broadcast(&stream->changed);
    base_mutex_unlock(&stream->lock);
    if (data[17] == 0)
        return RHEI_OK;
    postgres_ending_asked(&follower->ending, end);
    int64_t soon_ns = follower->ending.since_ns == 0 ? 0 : base_now_ns() + POSTGRES_ENDING_ANSWER_NS;
    if (soon_ns < follower->next_answer_ns)
        follower->next_answer_ns = soon_ns;
    return RHEI_OK;
}

static rhei_status take_message(struct follower *follower, const char *data, size_t length)
{
    struct postgres_stream *stream = follower->stream;
    bool committed = false, wake = false;
    base_mutex_lock(&stream->lock);
    int64_t sent_us = (int64_t)postgres_u64(data + 17) + POSTGRES_EPOCH_US;
    rhei_status status =
        postgres_queue_put(&stream->queue, data + 25, length - 25, sent_us, &committed, follower->error);
    stream->messages++;
    if (committed) {
        const struct postgres_transaction *last = stream->queue.last;
        stream->seen = last->end > stream->seen ? last->end : stream->seen;
        stream->mark = (struct postgres_mark){last->end, last->xid, last->stamp_us};
        wake = stream->wake_armed;
        stream->wake_armed = false;
        if (stream->seen >= stream->awaited)
            base_cond_broadcast(&stream->changed);
    }
    base_mutex_unlock(&stream->lock);
    if (wake)
        tell(stream);
    return status;
}

static rhei_status take(struct follower *follower, const char *data, size_t length)
{
    if (length > 25 && data[0] == 'w') {
        postgres_ending_changed(&follower->ending);
        return take_message(follower, data, length);
    }
    if (length > 0 && data[0] == 'k')
        return take_keepalive(follower, data, length);
    return error_set(follower->error, RHEI_NOT_A_DATABASE, "the stream has something that isn't a message");
}

/* The queue is full of what nobody has read: the socket is left alone, so that the server waits, and is told that we live. */
static bool is_full(struct postgres_stream *stream)
{
    base_mutex_lock(&stream->lock);
    bool full = !postgres_queue_has_room(&stream->queue) && stream->queue.current == NULL;
    if (full != stream->paused) {
        stream->paused = full;
        base_cond_broadcast(&stream->changed);
    }
    base_mutex_unlock(&stream->lock);
    return full;
}

static void sit_out(struct follower *follower)
{
    struct pollfd fds[2] = {{.fd = follower->stream->stop.fd, .events = POLLIN},
                            {.fd = follower->stream->wake_fd, .events = POLLIN}};
    poll(fds, 2, 100);
    drain_wake(follower->stream);
}

static rhei_status ended(struct follower *follower, int got)
{
    PGresult *result = got == -1 ? follower->connection->api->getResult(follower->connection->conn) : NULL;
    rhei_status status = postgres_fail(follower->connection, WHAT, result, follower->error);
    postgres_clear(follower->connection, &result);
    return status;
}

static bool wants_confirmed(const struct follower *follower)
{
    base_mutex_lock(&follower->stream->lock);
    bool news = confirmable(follower->stream) > follower->confirmed;
    base_mutex_unlock(&follower->stream->lock);
    return news;
}

static bool wants_answer(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    bool news = wants_confirmed(follower);
    base_mutex_lock(&stream->lock);
    bool ping = stream->ping;
    base_mutex_unlock(&stream->lock);
    int64_t now = base_now_ns();
    return ping || now >= follower->next_answer_ns ||
           (news && now >= follower->next_answer_ns - SECOND_NS + CONFIRM_EVERY_NS);
}

/* R7. RHEI_IO: the server isn't to be kept waiting any longer. */
static rhei_status mind_ending(struct follower *follower, bool full)
{
    struct postgres_stream *stream = follower->stream;
    base_mutex_lock(&stream->lock);
    bool doubted = full && stream->doubted;
    base_mutex_unlock(&stream->lock);
    if (!postgres_ending_is_sure(&follower->ending, doubted, &stream->config->target, &stream->stop))
        return RHEI_OK;
    base_mutex_lock(&stream->lock);
    if (follower->wish == 0)
        follower->wish = ++stream->wishes;
    bool kept = !stream->keeps || stream->fulfilled >= follower->wish;
    bool lacks = confirmable(stream) < stream->seen || full;
    base_mutex_unlock(&stream->lock);
    rhei_status status = wants_confirmed(follower) ? answer(follower) : RHEI_OK;
    bool over = base_now_ns() - follower->ending.since_ns >= POSTGRES_ENDING_NS;
    if (status == RHEI_OK && (over || (kept && lacks)))
        status = error_set(follower->error, RHEI_IO, "%s: the server is shutting down", WHAT);
    return status;
}

static rhei_status wait_for_more(struct follower *follower)
{
    const struct postgres_api *api = follower->connection->api;
    bool pending = api->flush(follower->connection->conn) > 0;
    rhei_status status = postgres_wait(follower->connection, pending, follower->stream->wake_fd,
                                       follower->next_answer_ns, follower->error);
    drain_wake(follower->stream);
    if (status == RHEI_TIMEOUT)
        return RHEI_OK;
    if (status == RHEI_OK && api->consumeInput(follower->connection->conn) == 0)
        status = postgres_fail(follower->connection, WHAT, NULL, follower->error);
    return status;
}

static rhei_status follow(struct follower *follower)
{
    const struct postgres_api *api = follower->connection->api;
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && !atomic_load(&follower->stream->stop.stopped)) {
        char *data = NULL;
        if (wants_answer(follower))
            status = answer(follower);
        bool full = status == RHEI_OK && is_full(follower->stream);
        if (status == RHEI_OK)
            status = mind_ending(follower, full);
        if (status != RHEI_OK)
            return status;
        if (full) {
            sit_out(follower);
            continue;
        }
        int got = api->getCopyData(follower->connection->conn, &data, 1);
        if (got > 0)
            status = take(follower, data, (size_t)got);
        else if (got == 0)
            status = wait_for_more(follower);
        else
            status = ended(follower, got);
        if (data != NULL)
            api->freemem(data);
    }
    bool last = atomic_load(&follower->stream->stop.stopped) && wants_confirmed(follower);
    return last ? answer(follower) : status; /* R4: what was kept at the end, too */
}

/* ---- The thread. ------------------------------------------------------------------------------------------------- */

static void set_connected(struct postgres_stream *stream, const struct postgres_connection *connection, int backend,
                          const struct rhei_error *why)
{
    base_mutex_lock(&stream->lock);
    stream->connected = connection != NULL && !stream->ended;
    if (connection != NULL) {
        stream->version = connection->version;
        stream->backend = backend;
        stream->why = (struct rhei_error)RHEI_ERROR_INIT;
    } else {
        stream->why = *why;
        postgres_queue_drop_open(&stream->queue);
    }
    base_cond_broadcast(&stream->changed);
    base_mutex_unlock(&stream->lock);
    tell(stream);
}

/* A connection, and where it goes on. */
static rhei_status meet(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    rhei_status status = postgres_connect(&stream->config->target, true, &stream->stop, limit_of(stream),
                                          &follower->connection, follower->error);
    return status == RHEI_OK ? find_start(follower) : status;
}

/* The connection's end is seen by the server a moment later; until then the slot has a reader. */
static rhei_status await_free(struct follower *follower)
{
    struct postgres_stop *stop = &follower->stream->stop;
    struct base_buffer sql = {0};
    int64_t deadline_ns = limit_of(follower->stream);
    bool used = true;
    base_buffer_text(&sql, "SELECT FROM pg_catalog.pg_replication_slots WHERE active AND slot_name = ");
    base_buffer_literal(&sql, follower->slot, strlen(follower->slot));
    rhei_status status = sql.failed ? error_no_memory(follower->error)
                                    : postgres_connect(&follower->stream->config->target, true, stop, deadline_ns,
                                                       &follower->connection, follower->error);
    while (status == RHEI_OK && used && base_now_ns() < deadline_ns) {
        PGresult *result = NULL;
        status = ask(follower, sql.data, deadline_ns, &result);
        used = status == RHEI_OK && follower->connection->api->ntuples(result) > 0;
        postgres_clear(follower->connection, &result);
        if (used)
            poll(&(struct pollfd){.fd = stop->fd, .events = POLLIN}, 1, 5);
    }
    postgres_disconnect(&follower->connection);
    base_buffer_reset(&sql);
    return status;
}

/* R4, by a stream of its own from where the slot was confirmed. */
static rhei_status check(struct follower *follower)
{
    struct postgres_stream *stream = follower->stream;
    bool same = false;
    base_mutex_lock(&stream->lock);
    struct postgres_mark mark = stream->mark;
    uint64_t seen = stream->seen == 0 ? stream->wanted : stream->seen;
    base_mutex_unlock(&stream->lock);
    rhei_status status = start(follower);
    if (status == RHEI_OK)
        status = postgres_check(follower->connection, &mark, follower->start, seen, stream->config->connect_timeout_ms,
                                &same, follower->error);
    if (status != RHEI_OK)
        return status;
    follower->streaming = false;
    postgres_disconnect(&follower->connection);
    base_mutex_lock(&stream->lock);
    stream->strayed = !same;
    if (same) {
        memcpy(stream->system, follower->system, sizeof stream->system);
        memcpy(stream->up_since, follower->up_since, sizeof stream->up_since);
    }
    base_mutex_unlock(&stream->lock);
    return await_free(follower);
}

/* It came further than the last one, or was there for a while: else what ended it may well end the next one, too. */
static bool got_on(const struct follower *follower, int64_t began_ns)
{
    struct postgres_stream *stream = follower->stream;
    base_mutex_lock(&stream->lock);
    bool further = stream->seen > follower->start;
    base_mutex_unlock(&stream->lock);
    return further || base_now_ns() - began_ns > A_WHILE_NS;
}

/* One connection, from its beginning to its end. *said: why the last one ended; the same words aren't said again while there is none. */
static bool run_once(struct postgres_stream *stream, struct rhei_error *said)
{
    struct rhei_error own = RHEI_ERROR_INIT, *error = &own;
    struct follower follower = {.stream = stream, .error = error};
    int64_t began_ns = base_now_ns();
    if (stream->config->slot != NULL)
        snprintf(follower.slot, sizeof follower.slot, "%s", stream->config->slot);
    else
        snprintf(follower.slot, sizeof follower.slot, "rhei_%016llx", (unsigned long long)base_random_u64());
    base_mutex_lock(&stream->lock);
    memcpy(stream->slot, follower.slot, sizeof stream->slot);
    base_mutex_unlock(&stream->lock);
    rhei_status status = meet(&follower);
    while (status == RHEI_OK && follower.checks) {
        status = check(&follower);
        if (status == RHEI_OK)
            status = meet(&follower);
    }
    if (status == RHEI_OK)
        status = start(&follower);
    if (status == RHEI_OK) {
        set_connected(stream, follower.connection, follower.connection->api->backendPID(follower.connection->conn),
                      NULL);
        status = follow(&follower);
    }
    if (error->code == RHEI_OK)
        error_set(error, RHEI_IO, "the connection ended");
    if (follower.streaming) /* before 18 a change is read by what the catalogue was then */
        stream->blind = strcmp(error->sqlstate, "42704") == 0;
    bool streamed = follower.streaming && !stream->blind && got_on(&follower, began_ns);
    bool news = streamed || strcmp(said->message, error->message) != 0;
    if (news && !atomic_load(&stream->stop.stopped))
        base_log_write(stream->config->log, BASE_LOG_WARN, "source_postgres", "%s", error->message);
    *said = own;
    set_connected(stream, NULL, 0, error);
    postgres_disconnect(&follower.connection);
    return streamed;
}

static bool is_hastened(struct postgres_stream *stream)
{
    base_mutex_lock(&stream->lock);
    bool hastened = stream->awaited_here;
    stream->awaited_here = false;
    base_mutex_unlock(&stream->lock);
    return hastened;
}

/* Until its time, which comes earlier where somebody waits, or until it is closed. */
static void rest(struct postgres_stream *stream, unsigned failures)
{
    int64_t began_ns = base_now_ns(), until_ns = began_ns + postgres_backoff_ms(failures) * 1000000;
    int64_t soon_ns = began_ns + postgres_again_ms(failures) * 1000000;
    for (int64_t now = began_ns; now < until_ns && !atomic_load(&stream->stop.stopped); now = base_now_ns()) {
        struct pollfd fds[2] = {{.fd = stream->stop.fd, .events = POLLIN}, {.fd = stream->wake_fd, .events = POLLIN}};
        poll(fds, 2, (int)((until_ns - now) / 1000000 + 1));
        drain_wake(stream);
        if (until_ns > soon_ns && is_hastened(stream))
            until_ns = soon_ns;
    }
}

static void run(void *argument)
{
    struct postgres_stream *stream = argument;
    struct rhei_error said = RHEI_ERROR_INIT;
    unsigned failures = 0;
    while (!atomic_load(&stream->stop.stopped)) {
        bool streamed = run_once(stream, &said);
        if (atomic_load(&stream->stop.stopped))
            return;
        failures = streamed ? 0 : failures + 1;
        rest(stream, failures);
    }
}

rhei_status postgres_stream_start(struct postgres_stream *stream, uint64_t after, struct rhei_error *error)
{
    base_mutex_lock(&stream->lock);
    rhei_status status = stream->ended ? error_set(error, RHEI_CLOSED, "the source is being closed") : RHEI_OK;
    if (status == RHEI_OK && !stream->started) {
        stream->wanted = after;
        if (stream->mark.end > after)
            stream->mark = stream->earlier;
        stream->earlier = stream->mark;
        status = base_thread_start(&stream->thread, "rhei-pg-stream", run, stream, error);
        stream->started = status == RHEI_OK;
    }
    base_mutex_unlock(&stream->lock);
    return status;
}
