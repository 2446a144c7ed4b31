/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket: cycles and loads over the stream of a slot.
 *
 *   P1. A position is a place in the server's WAL: everything that committed before it was told, nothing that did behind it.
 *   P2. A cycle has all that had committed when its begin was called, or says that it hasn't (`behind`).
 * What is known of the tables, and when it is looked at, is postgres_look.c's (P3-P6).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_internal.h"
#include "source_postgres/postgres_kept.h"
#include "source_postgres/postgres_load.h"

/* A commit takes its time before it is flushed, and is seen then. */
#define COMMIT_LASTS_US INT64_C(5000000)

static struct postgres_source *self(struct change_source *source)
{
    return (struct postgres_source *)source;
}

static bool op_may_have_changes(struct change_source *source, uint64_t token)
{
    (void)source;
    (void)token;
    return true; /* only the server knows */
}

/* ---- Asking. ----------------------------------------------------------------------------------------------------- */

static rhei_status ask_connect(struct postgres_source *source, int64_t deadline_ns, struct rhei_error *error)
{
    if (source->asker != NULL)
        return RHEI_OK;
    rhei_status status = postgres_connect_again(&source->again, &source->config.target, &source->stream.stop,
                                                deadline_ns, &source->asker, error);
    postgres_stream_doubt(&source->stream, status == RHEI_IO);
    return status;
}

/* A connection that broke is made again by the next cycle. Where it is the stream's that did, this one goes on. */
static void ask_drop(struct postgres_source *source, rhei_status status)
{
    if (status == RHEI_IO || status == RHEI_TIMEOUT || status == RHEI_CANCELLED)
        postgres_disconnect(&source->asker);
}

rhei_status postgres_ask_position(struct postgres_source *source, int64_t deadline_ns, struct postgres_moment *moment,
                                  struct rhei_error *error)
{
    static const char sql[] = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
                              " ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
                              " " POSTGRES_CLOCK_US;
    PGresult *result = NULL;
    rhei_status status =
        postgres_query(source->asker, "asking for the position", sql, 0, NULL, deadline_ns, &result, error);
    if (status == RHEI_OK && !postgres_lsn_parse(postgres_cell(source->asker, result, 0, 0), &moment->position))
        status = error_set(error, RHEI_UNSUPPORTED, "the server's position isn't understood");
    if (status == RHEI_OK) {
        moment->clock_us = strtoll(postgres_cell(source->asker, result, 0, 1), NULL, 10);
        postgres_watch_asked(&source->watch, moment->position, moment->clock_us);
    }
    postgres_clear(source->asker, &result);
    return status;
}

/* R5. The clock is read behind the look (a view of functions is there before its rows are told), so what was sent later than it was sent after the look. */
bool postgres_is_idle(void *context, int backend, int64_t *clock_us)
{
    struct postgres_source *source = context;
    char pid[16];
    const char *parameters[] = {pid};
    PGresult *result = NULL;
    snprintf(pid, sizeof pid, "%d", backend);
    rhei_status status =
        postgres_query(source->asker, "asking for the position",
                       "SELECT wait_event, " POSTGRES_CLOCK_US " FROM pg_catalog.pg_stat_activity WHERE pid = $1::int",
                       1, parameters, base_now_ns() + source->config.connect_timeout_ms * 1000000, &result, NULL);
    bool there = status == RHEI_OK && source->asker->api->ntuples(result) == 1;
    if (there)
        *clock_us = strtoll(postgres_cell(source->asker, result, 0, 1), NULL, 10);
    bool idle = there && strncasecmp(postgres_cell(source->asker, result, 0, 0), "WalSenderWaitForWAL", 19) == 0;
    postgres_clear(source->asker, &result);
    return idle;
}

static rhei_status watch(struct postgres_source *source, int64_t deadline_ns, struct rhei_error *error)
{
    char slot[sizeof source->stream.slot];
    base_mutex_lock(&source->stream.lock);
    memcpy(slot, source->stream.slot, sizeof slot);
    base_mutex_unlock(&source->stream.lock);
    const char *name = source->told_slot != NULL ? source->told_slot : slot;
    if (name[0] == '\0' && source->config.slot != NULL) /* nothing reads on from it yet */
        name = source->config.slot;
    return postgres_watch_look(&source->watch, source->asker, name, deadline_ns, error);
}

/* ---- The publication. -------------------------------------------------------------------------------------------- */

static void put_tables(const struct postgres_catalog *catalog, struct base_buffer *sql)
{
    bool first = true;
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->tables[i].reason != NULL)
            continue;
        base_buffer_text(sql, first ? " FOR TABLE ONLY " : ", ONLY ");
        postgres_put_name(sql, catalog->tables[i].schema, catalog->tables[i].name);
        first = false;
    }
}

/*
 * Of the tables that are wanted and can be followed; of no other, because in a publication a table without a key refuses its application's UPDATE and
 * DELETE. The only statement of this room that writes.
 */
static rhei_status make_publication(struct postgres_source *source, int64_t deadline_ns, struct rhei_error *error)
{
    struct postgres_wanted wanted = source->wanted;
    struct postgres_catalog *catalog = NULL;
    struct base_buffer sql = {0};
    wanted.publication = NULL;
    rhei_status status = postgres_catalog_read(source->asker, &wanted, deadline_ns, &catalog, error);
    if (status != RHEI_OK)
        return status;
    struct rhei_error why = RHEI_ERROR_INIT;
    base_buffer_text(&sql, "BEGIN READ WRITE; CREATE PUBLICATION ");
    base_buffer_identifier(&sql, source->wanted.publication);
    put_tables(catalog, &sql);
    base_buffer_text(&sql, "; COMMIT");
    postgres_catalog_free(&catalog);
    status = sql.failed ? error_no_memory(&why) : postgres_run(source->asker, NULL, sql.data, deadline_ns, &why);
    base_buffer_reset(&sql);
    if (status == RHEI_CANT_OPEN)
        error_set(error, status,
                  "the publication %s isn't there, and the role may not make it (%s): as the tables' owner, CREATE "
                  "PUBLICATION %s FOR TABLE ...",
                  source->wanted.publication, why.message, source->wanted.publication);
    else if (status != RHEI_OK)
        error_set(error, status, "making the publication %s: %s", source->wanted.publication, why.message);
    if (status != RHEI_OK)
        postgres_run(source->asker, NULL, "ROLLBACK", deadline_ns, NULL);
    else
        base_log_write(source->config.log, BASE_LOG_INFO, "source_postgres", "made the publication %s",
                       source->wanted.publication);
    return status;
}

/* Before the stream begins: on 15 one that is made later is of no use, on 18 what happens before is left out. */
static rhei_status have_publication(struct postgres_source *source, int64_t deadline_ns, struct rhei_error *error)
{
    const char *parameters[] = {source->wanted.publication};
    PGresult *result = NULL;
    rhei_status status = postgres_query(source->asker, "looking for the publication",
                                        "SELECT FROM pg_catalog.pg_publication WHERE pubname = $1", 1, parameters,
                                        deadline_ns, &result, error);
    bool there = status == RHEI_OK && source->asker->api->ntuples(result) == 1;
    postgres_clear(source->asker, &result);
    return status != RHEI_OK || there ? status : make_publication(source, deadline_ns, error);
}

/* ---- Cycles. ----------------------------------------------------------------------------------------------------- */

/* What no cycle asks for any more goes, but what the stream told of relations in it. */
static rhei_status let_go(struct postgres_source *source, struct rhei_error *error)
{
    struct postgres_stream *stream = &source->stream;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&stream->lock);
    bool paused = stream->paused;
    while (status == RHEI_OK && stream->queue.first != NULL && stream->queue.first->end <= stream->forgotten) {
        uint64_t end = stream->queue.first->end;
        status = postgres_decoder_pass(&source->decoder, stream->queue.first, error);
        if (status == RHEI_OK) {
            postgres_queue_forget(&stream->queue, end);
            stream->low = end;
        }
    }
    bool room = postgres_queue_has_room(&stream->queue);
    stream->paused = paused && !room;
    base_mutex_unlock(&stream->lock);
    if (paused && room)
        postgres_stream_wake(stream);
    return status;
}

/* R4 of the stream; 0: where the server is now. */
static uint64_t start_of(struct postgres_source *source, int64_t after)
{
    base_mutex_lock(&source->stream.lock);
    bool from_there = source->stream.keeps && !source->stream.gap;
    base_mutex_unlock(&source->stream.lock);
    return after > 0 && from_there ? (uint64_t)after : 0;
}

/* Everything that is needed before a state can be pinned. */
static rhei_status prepare(struct postgres_source *source, int64_t after, int64_t deadline_ns, bool *behind,
                           bool *streams, struct rhei_error *error)
{
    struct postgres_moment moment = {0};
    rhei_status status = let_go(source, error); /* first: a full queue is waited for by nobody else */
    if (status == RHEI_OK)
        status = ask_connect(source, deadline_ns, error);
    if (status == RHEI_OK && !source->published)
        status = have_publication(source, deadline_ns, error);
    source->published = status == RHEI_OK;
    if (status == RHEI_OK) /* whether or not the stream can be had */
        status = watch(source, deadline_ns, error);
    if (status != RHEI_OK)
        return status;
    if (source->awaited)
        postgres_stream_hasten(&source->stream);
    status = postgres_stream_start(&source->stream, start_of(source, after), error);
    if (status == RHEI_OK)
        status = postgres_stream_await(&source->stream, deadline_ns, error);
    *streams = status == RHEI_OK;
    if (status == RHEI_OK)
        status = postgres_ask_position(source, deadline_ns, &moment, error);
    if (status != RHEI_OK)
        return status;
    struct rhei_error late = RHEI_ERROR_INIT;
    rhei_status reached = postgres_stream_reach(&source->stream, moment, deadline_ns, postgres_is_idle, source, &late);
    *behind = reached != RHEI_OK;
    if (reached == RHEI_TIMEOUT || reached == RHEI_BUSY) {
        base_mutex_lock(&source->stream.lock);
        bool some = source->stream.queue.last != NULL && (int64_t)source->stream.queue.last->end > after;
        base_mutex_unlock(&source->stream.lock);
        if (!some)
            return error_set(error, reached, "%s",
                             late.message[0] != '\0' ? late.message : "changes are still arriving");
    } else if (reached != RHEI_OK) {
        return error_set(error, reached, "%s", late.message);
    }
    int64_t looked_ns = source->looked_ns;
    int64_t limit_ns = base_now_ns() + source->config.connect_timeout_ms * 1000000;
    status = postgres_look(source, moment.position, limit_ns, error);
    if (status == RHEI_OK && !*behind && source->looked_ns != looked_ns)
        source->known_us = moment.clock_us - COMMIT_LASTS_US;
    return status;
}

static rhei_status pin(struct postgres_source *source, int64_t after, struct change_cycle *cycle,
                       struct rhei_error *error)
{
    struct postgres_stream *stream = &source->stream;
    base_mutex_lock(&stream->lock);
    stream->reading = true;
    if (stream->gap || source->unpublished) /* what is told is that all of it is lost: from now on */
        source->extent = postgres_extent_of(stream);
    const struct postgres_extent *extent = &source->extent;
    if (source->unpublished)
        source->lost_before = extent->seen;
    source->unpublished = false;
    uint64_t low = stream->low > source->lost_before ? stream->low : source->lost_before;
    bool gap = stream->gap;
    cycle->lost = after > 0 && ((uint64_t)after < low || gap);
    cycle->position = (int64_t)extent->seen > after || gap ? (int64_t)extent->seen : after;
    const struct postgres_transaction *first = extent->last == NULL ? NULL : stream->queue.first, *last = extent->last;
    uint64_t before = stream->low;
    source->unsettled = (source->unsettled && after != source->settles_at) || gap;
    source->settled = source->settles_at == 0       ? stream->earlier
                      : after == source->settles_at ? source->mark
                                                    : source->settled;
    source->mark = extent->mark;
    source->settles_at = cycle->position;
    base_mutex_unlock(&stream->lock);
    rhei_status status =
        postgres_decoder_begin(&source->decoder, first, last, before, gap ? 0 : (uint64_t)after, error);
    base_mutex_lock(&stream->lock);
    stream->gap = stream->gap && status != RHEI_OK; /* told; while the cycle reads, no connection makes another one */
    base_mutex_unlock(&stream->lock);
    return status;
}

static void op_end(struct change_source *base)
{
    struct postgres_stream *stream = &self(base)->stream;
    base_mutex_lock(&stream->lock);
    stream->reading = false;
    base_cond_broadcast(&stream->changed);
    base_mutex_unlock(&stream->lock);
}

static rhei_status op_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                            struct rhei_error *error)
{
    struct postgres_source *source = self(base);
    struct rhei_error own = RHEI_ERROR_INIT;
    int64_t deadline = base_now_ns() + source->config.fresh_timeout_ms * 1000000;
    bool behind = false, streams = true;
    *cycle = (struct change_cycle){0};
    rhei_status status = prepare(source, after, deadline, &behind, &streams, &own);
    if (status == RHEI_OK && source->config.fault != NULL)
        source->config.fault(source->config.fault_context, "postgres.looked");
    if (status == RHEI_OK)
        status = pin(source, after, cycle, &own);
    source->awaited = false;
    postgres_watch_told(&source->watch, status, behind);
    if (status != RHEI_OK) {
        if (streams)
            ask_drop(source, status);
        op_end(base);
        return error_set(error, status, "%s", own.message);
    }
    cycle->behind = behind;
    cycle->known_us = source->known_us;
    cycle->schema_changed = source->schema_changed;
    source->schema_changed = false; /* said once, whatever becomes of the cycle */
    if (token != NULL)
        *token = atomic_fetch_add(&source->cycles, 1) + 1;
    return RHEI_OK;
}

static void op_awaited(struct change_source *base, bool names)
{
    self(base)->awaited = true;
    self(base)->names_wanted |= names;
}

static rhei_status op_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                           size_t *count, struct rhei_error *error)
{
    struct rhei_error own = RHEI_ERROR_INIT;
    rhei_status status = postgres_decoder_next(&self(base)->decoder, max_rows, batches, count, &own);
    return status == RHEI_OK ? RHEI_OK : error_set(error, status, "%s", own.message);
}

static rhei_status op_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                             struct rhei_error *error)
{
    struct postgres_source *source = self(base);
    base_free(source->list);
    source->list = base_alloc_zero(source->catalog->count + 1, sizeof *source->list);
    if (source->list == NULL)
        return error_no_memory(error);
    for (size_t i = 0; i < source->catalog->count; i++)
        source->list[i] = source->catalog->tables[i].definition;
    *tables = source->list;
    *count = source->catalog->count;
    return RHEI_OK;
}

/* ---- Loads, and the rest. ---------------------------------------------------------------------------------------- */

static rhei_status op_load_begin(struct change_source *base, uint32_t id, uint32_t loaders, struct source_load **load,
                                 struct source_load_info *info, struct rhei_error *error)
{
    struct postgres_source *source = self(base);
    base_mutex_lock(&source->lock);
    struct postgres_catalog *catalog = source->catalog == NULL ? NULL : postgres_catalog_hold(source->catalog);
    base_mutex_unlock(&source->lock);
    const struct postgres_table *table = NULL;
    for (size_t i = 0; catalog != NULL && i < catalog->count; i++)
        if (catalog->tables[i].definition.id == id && catalog->tables[i].reason == NULL)
            table = &catalog->tables[i];
    const struct postgres_loading loading = {&source->config.target, &source->stream.stop, &source->wanted,
                                             source->config.log};
    rhei_status status =
        table == NULL ? error_set(error, RHEI_STALE, "table version %u is not there any more: its columns changed", id)
                      : postgres_load_begin(&loading, catalog, table, loaders, INT64_MAX, load, info, error);
    base_mutex_lock(&source->stream.lock);
    if (status == RHEI_OK && (uint64_t)info->position > source->stream.loaded)
        source->stream.loaded = (uint64_t)info->position;
    base_mutex_unlock(&source->stream.lock);
    postgres_catalog_free(&catalog);
    return status;
}

static rhei_status op_prune(struct change_source *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    (void)error;
    *pruned = 0;
    if (position > 0)
        postgres_stream_forget(&self(base)->stream, (uint64_t)position);
    postgres_stream_wake(&self(base)->stream);
    return RHEI_OK;
}

void source_postgres_keep(struct change_source *base, int64_t position)
{
    postgres_stream_keep(&self(base)->stream, position > 0 ? (uint64_t)position : 0);
}

uint64_t source_postgres_wishes(struct change_source *base)
{
    return postgres_stream_wishes(&self(base)->stream);
}

void source_postgres_fulfil(struct change_source *base, uint64_t wish)
{
    postgres_stream_fulfil(&self(base)->stream, wish);
}

void source_postgres_leave_slot(struct change_source *base)
{
    struct source_postgres_config *config = &self(base)->config;
    self(base)->told_slot = config->slot;
    config->slot = NULL;
}

/* ---- After a restart. -------------------------------------------------------------------------------------------- */

static rhei_status op_remember(struct change_source *base, void **bytes, size_t *len, struct rhei_error *error)
{
    struct postgres_source *source = self(base);
    struct postgres_kept kept = {.slot = source->config.slot};
    base_mutex_lock(&source->lock);
    bool known = source->config.slot != NULL && source->catalog != NULL && !source->kept_catalog;
    struct postgres_catalog *catalog = known ? postgres_catalog_hold(source->catalog) : NULL;
    kept.next_id = source->last_id;
    base_mutex_unlock(&source->lock);
    base_mutex_lock(&source->stream.lock);
    snprintf(kept.system, sizeof kept.system, "%s", source->stream.system);
    snprintf(kept.up_since, sizeof kept.up_since, "%s", source->stream.up_since);
    kept.mark = source->mark;
    kept.earlier = source->settled;
    known = known && !source->unsettled && !source->stream.gap && kept.system[0] != '\0';
    base_mutex_unlock(&source->stream.lock);
    kept.catalog = catalog;
    rhei_status status = known ? postgres_kept_write(&kept, bytes, len, error)
                               : error_set(error, RHEI_NOT_FOUND, "%s",
                                           source->config.slot == NULL
                                               ? "without a slot of a name no stream goes on from where another one was"
                                               : "no state of this server was published yet");
    postgres_catalog_free(&catalog);
    return status;
}

/* The tables' numbers, and where their rows lay. */
static rhei_status take_kept(struct postgres_source *source, struct postgres_catalog *catalog, uint32_t next_id,
                             struct rhei_error *error)
{
    if (!base_grow((void **)&source->numbers, &source->number_capacity, catalog->count + 1, sizeof *source->numbers))
        return error_no_memory(error);
    for (size_t i = 0; i < catalog->count; i++)
        source->numbers[i] = (struct postgres_numbered){catalog->tables[i].shape, catalog->tables[i].definition.id};
    source->number_count = catalog->count;
    source->next_id = source->last_id = next_id;
    source->catalog = postgres_catalog_hold(catalog);
    source->kept_catalog = true;
    return RHEI_OK;
}

static rhei_status op_resume(struct change_source *base, const void *bytes, size_t len, struct rhei_error *error)
{
    struct postgres_source *source = self(base);
    struct postgres_kept kept = {0};
    rhei_status status = postgres_kept_read(bytes, len, &kept, error);
    bool ours = status == RHEI_OK && kept.catalog != NULL && source->config.slot != NULL &&
                strcmp(kept.slot, source->config.slot) == 0;
    if (ours)
        status = take_kept(source, kept.catalog, kept.next_id, error);
    base_mutex_lock(&source->stream.lock);
    source->stream.gap = !ours;
    if (ours) {
        snprintf(source->stream.system, sizeof source->stream.system, "%s", kept.system);
        snprintf(source->stream.up_since, sizeof source->stream.up_since, "%s", kept.up_since);
        source->stream.mark = kept.mark;
        source->stream.earlier = kept.earlier;
    }
    base_mutex_unlock(&source->stream.lock);
    if (status == RHEI_OK && !ours)
        base_log_write(source->config.log, BASE_LOG_WARN, "source_postgres",
                       "what was kept is of another slot than this one: every table is loaded again");
    postgres_catalog_free(&kept.catalog);
    return status;
}

static void op_close(struct change_source **slot)
{
    struct postgres_source *source = (struct postgres_source *)*slot;
    if (source == NULL)
        return;
    *slot = NULL;
    postgres_stream_reset(&source->stream);
    postgres_watch_reset(&source->watch);
    postgres_decoder_reset(&source->decoder);
    postgres_disconnect(&source->asker);
    postgres_catalog_free(&source->catalog);
    base_free(source->numbers);
    base_free(source->list);
    base_free(source->truncated);
    base_mutex_destroy(&source->lock);
    base_free(source);
}

static const struct change_source_ops OPS = {
    .name = "postgres",
    .tells_later = true,
    .may_have_changes = op_may_have_changes,
    .awaited = op_awaited,
    .begin = op_begin,
    .next = op_next,
    .end = op_end,
    .tables = op_tables,
    .load_begin = op_load_begin,
    .load_next = postgres_load_next,
    .load_end = postgres_load_end,
    .prune = op_prune,
    .remember = op_remember,
    .resume = op_resume,
    .close = op_close,
};

static int64_t or_else(int64_t given, int64_t otherwise)
{
    return given > 0 ? given : otherwise;
}

static rhei_status check_config(const struct source_postgres_config *config, struct rhei_error *error)
{
    if (config->durable && config->slot == NULL)
        return error_set(error, RHEI_CONFIG, "positions that are kept need a replication slot of a name");
    const char *name = config->slot;
    for (const char *at = name; at != NULL && *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_') || at - name >= 63)
            return error_set(
                error, RHEI_CONFIG,
                "the replication slot can't be called \"%s\": lower-case letters, digits and _, at most 63", name);
    return RHEI_OK;
}

rhei_status source_postgres_open(const struct source_postgres_config *config, struct change_source **result,
                                 struct rhei_error *error)
{
    *result = NULL;
    rhei_status status = check_config(config, error);
    if (status != RHEI_OK)
        return status;
    struct postgres_source *source = base_alloc_zero(1, sizeof *source);
    if (source == NULL)
        return error_no_memory(error);
    source->base.ops = &OPS;
    source->config = *config;
    source->config.connect_timeout_ms = or_else(config->connect_timeout_ms, 10000);
    source->config.fresh_timeout_ms = or_else(config->fresh_timeout_ms, 5000);
    source->config.look_ms = or_else(config->look_ms, 1000);
    source->config.memory = config->memory > 0 ? config->memory : (size_t)256 << 20;
    source->config.publication = config->publication != NULL ? config->publication : "rhei";
    source->wanted = (struct postgres_wanted){config->tables, config->table_count, true, source->config.publication};
    source->config.held_warning = config->held_warning > 0 ? config->held_warning : INT64_C(1) << 30;
    base_mutex_init(&source->lock);
    postgres_watch_init(&source->watch, &source->config);
    status = postgres_stream_init(&source->stream, &source->config, error);
    struct change_source *made = &source->base;
    if (status != RHEI_OK)
        op_close(&made);
    *result = made;
    return status;
}

void source_postgres_interrupt(struct change_source *base)
{
    if (base->ops != &OPS)
        poll_source_interrupt(base);
    else
        postgres_stream_interrupt(&self(base)->stream);
}

void source_postgres_state(struct change_source *base, struct source_postgres_state *state)
{
    struct postgres_stream *stream = &self(base)->stream;
    *state = (struct source_postgres_state){0};
    if (base->ops != &OPS)
        return;
    base_mutex_lock(&stream->lock);
    *state = (struct source_postgres_state){.connected = stream->connected,
                                            .server_version = stream->version,
                                            .position = (int64_t)stream->seen,
                                            .queued_bytes = (int64_t)stream->queue.memory,
                                            .queued = stream->queue.count,
                                            .asked = stream->keepalives,
                                            .why = stream->why,
                                            .reloads = stream->reloads};
    memcpy(state->reloaded, stream->reloaded, sizeof state->reloaded);
    uint64_t seen = stream->seen;
    base_mutex_unlock(&stream->lock);
    postgres_watch_state(&self(base)->watch, seen, state);
}
