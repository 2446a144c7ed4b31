/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the tables that the stream is about, and when the server's catalogue is looked at for it.
 *
 *   P3. The catalogue is looked at after the stream told of a relation or a TRUNCATE, and each `look_ms`: what ALTER TABLE, ATTACH or a publication do without a word in
 *       the stream is noticed then. A table whose shape changed is another table, which is loaded.
 *   P4. A table keeps its number as long as its shape; numbers are never used twice.
 *   P5. A cycle goes no further than the stream had come when the catalogue was looked at. So the catalogue that goes with a state has every TRUNCATE of that state, and who
 *       goes on from it is told of every other one: a table that was emptied is never taken for one that was rewritten, which would cost the versions of its rows.
 *   P6. Who waits for what was committed is told of ALTER TABLE, too: where the server has flushed anything since the last look, a cycle that somebody waits for looks whether the catalogue
 *       is another one (postgres_mark). One that nobody waits for leaves that to the time. Who misses a table or a column has it read.
 */
#include <poll.h>
#include <stdio.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_internal.h"
#include "source_postgres/postgres_mark.h"

enum { SEEN_EVERY_MS = 2 };

/* P4. */
static rhei_status number_tables(struct postgres_source *source, struct postgres_catalog *catalog,
                                 struct rhei_error *error)
{
    for (size_t i = 0; i < catalog->count; i++) {
        struct postgres_table *table = &catalog->tables[i];
        size_t at = 0;
        while (at < source->number_count && source->numbers[at].shape != table->shape)
            at++;
        if (at == source->number_count) {
            if (!base_grow((void **)&source->numbers, &source->number_capacity, at + 1, sizeof *source->numbers))
                return error_no_memory(error);
            source->numbers[source->number_count++] = (struct postgres_numbered){table->shape, ++source->next_id};
        }
        table->definition.id = source->numbers[at].id;
    }
    /* a shape that comes back is another table: what happened to it meanwhile wasn't told */
    size_t kept = 0;
    for (size_t n = 0; n < source->number_count; n++)
        for (size_t i = 0; i < catalog->count; i++)
            if (catalog->tables[i].definition.id == source->numbers[n].id) {
                source->numbers[kept++] = source->numbers[n];
                break;
            }
    source->number_count = kept;
    return RHEI_OK;
}

static void say_reasons(const struct postgres_source *source, const struct postgres_catalog *catalog)
{
    int level = source->config.seldom ? BASE_LOG_INFO : BASE_LOG_WARN;
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->tables[i].reason != NULL)
            base_log_write(source->config.log, level, "source_postgres", "table %s isn't followed: %s",
                           catalog->tables[i].shown, catalog->tables[i].reason);
}

static rhei_status use_catalog(struct postgres_source *source, struct postgres_catalog *catalog,
                               struct rhei_error *error)
{
    rhei_status status = number_tables(source, catalog, error);
    if (status == RHEI_OK)
        status = postgres_decoder_use(&source->decoder, catalog, error);
    if (status != RHEI_OK) {
        postgres_catalog_free(&catalog);
        return status;
    }
    if (source->catalog == NULL || catalog->shape != source->catalog->shape)
        say_reasons(source, catalog);
    base_mutex_lock(&source->lock);
    struct postgres_catalog *old = source->catalog;
    source->catalog = catalog;
    source->last_id = source->next_id;
    source->kept_catalog = false;
    base_mutex_unlock(&source->lock);
    postgres_catalog_free(&old);
    source->schema_changed = true;
    return RHEI_OK;
}

static bool was_truncated(const struct postgres_source *source, uint32_t leaf)
{
    for (size_t i = 0; i < source->truncated_count; i++)
        if (source->truncated[i].relation == leaf)
            return true;
    return false;
}

/* Takes over which relations TRUNCATE emptied since. */
static rhei_status take_truncated(struct postgres_source *source, struct rhei_error *error)
{
    struct postgres_queue *queue = &source->stream.queue;
    base_mutex_lock(&source->stream.lock);
    bool ok = base_grow((void **)&source->truncated, &source->truncated_capacity,
                        source->truncated_count + queue->truncated_count + 1, sizeof *source->truncated);
    for (size_t i = 0; ok && i < queue->truncated_count; i++)
        source->truncated[source->truncated_count++] = queue->truncated[i];
    queue->truncated_count = ok ? 0 : queue->truncated_count;
    base_mutex_unlock(&source->stream.lock);
    return ok ? RHEI_OK : error_no_memory(error);
}

/*
 * A leaf whose rows lie in another file was written anew, by an ALTER TABLE that nothing else tells of, or by VACUUM FULL, which looks the same; unless a TRUNCATE
 * was told, and nothing says that it was written anew behind that (K3).
 */
static bool is_rewritten(struct postgres_source *source, const struct postgres_table *before,
                         const struct postgres_table *after, bool *moved)
{
    bool rewritten = false;
    for (uint32_t i = 0; i < after->leaf_count; i++) {
        const struct postgres_leaf *was = &before->leaves[i], *is = &after->leaves[i];
        bool other = was->file != is->file, written = was->rewritten != is->rewritten;
        *moved |= other || written;
        rewritten |= other && (written || !was_truncated(source, is->oid));
    }
    return rewritten;
}

static void forget_number(struct postgres_source *source, uint64_t shape)
{
    for (size_t n = 0; n < source->number_count; n++)
        if (source->numbers[n].shape == shape)
            source->numbers[n] = source->numbers[--source->number_count];
}

/* *moved: some leaf's rows lie elsewhere, or it may look so next; *rewritten: and nothing else tells of it. `forget`: such a table gets another number. */
static void compare_files(struct postgres_source *source, const struct postgres_catalog *catalog, bool forget,
                          bool *moved, bool *rewritten)
{
    *moved = *rewritten = false;
    for (size_t a = 0; source->catalog != NULL && a < catalog->count; a++)
        for (size_t b = 0; b < source->catalog->count; b++) {
            const struct postgres_table *after = &catalog->tables[a], *before = &source->catalog->tables[b];
            if (after->shape != before->shape || !is_rewritten(source, before, after, moved))
                continue;
            *rewritten = true;
            if (forget)
                forget_number(source, after->shape);
        }
}

/* Is what the catalogue shows told by the stream, too? What was committed before it was read is waited for. */
static rhei_status check_files(struct postgres_source *source, const struct postgres_catalog *catalog,
                               int64_t deadline_ns, bool *moved, struct rhei_error *error)
{
    bool rewritten = false;
    struct postgres_moment moment = {0};
    rhei_status status = take_truncated(source, error);
    if (status == RHEI_OK)
        compare_files(source, catalog, false, moved, &rewritten);
    if (status != RHEI_OK || !rewritten)
        return status;
    status = postgres_ask_position(source, deadline_ns, &moment, error);
    struct rhei_error late = RHEI_ERROR_INIT;
    if (status == RHEI_OK)
        postgres_stream_reach(&source->stream, moment, deadline_ns, postgres_is_idle, source, &late);
    if (status == RHEI_OK)
        status = take_truncated(source, error);
    if (status == RHEI_OK)
        compare_files(source, catalog, true, moved, &rewritten);
    return status;
}

/* Where the rows of a leaf lie; 0: it isn't there. */
static uint32_t file_of(const struct postgres_catalog *catalog, uint32_t leaf)
{
    for (size_t t = 0; t < catalog->count; t++)
        for (uint32_t l = 0; l < catalog->tables[t].leaf_count; l++)
            if (catalog->tables[t].leaves[l].oid == leaf)
                return catalog->tables[t].leaves[l].file;
    return 0;
}

/*
 * What the catalogue has is forgotten: the first `known`, which others saw before it was read, and of the rest those that it shows. What is left may be in the
 * next one.
 */
static void forget_truncated(struct postgres_source *source, const struct postgres_catalog *catalog, size_t known)
{
    size_t kept = 0;
    for (size_t i = known; i < source->truncated_count; i++) {
        uint32_t leaf = source->truncated[i].relation;
        if (source->catalog != NULL && file_of(catalog, leaf) == file_of(source->catalog, leaf))
            source->truncated[kept++] = source->truncated[i];
    }
    source->truncated_count = kept;
}

/* Under the stream's `lock`. */
struct postgres_extent postgres_extent_of(const struct postgres_stream *stream)
{
    return (struct postgres_extent){stream->seen, stream->queue.last, stream->mark};
}

/* Has the stream told of anything that may be in the catalogue? It is asked for before that is read (P5), and who comes later is told of again. */
static bool has_news(struct postgres_source *source, uint64_t *relations)
{
    struct postgres_stream *stream = &source->stream;
    base_mutex_lock(&stream->lock);
    *relations = stream->queue.relations;
    bool news = *relations != source->relations || stream->queue.truncated_count > 0;
    source->extent = postgres_extent_of(stream);
    stream->wake_armed = true;
    base_mutex_unlock(&stream->lock);
    return news || source->truncated_count > 0 || source->decoder.unknown;
}

/*
 * P5. The stream tells of a commit before other sessions see it; with a synchronous standby that is away, long before. A transaction lets go of its own number's lock
 * behind that, so who finds nobody holding it sees what it did. The table's lock tells the same, and may be another's by then, who keeps it for as long as he likes.
 */
static rhei_status await_truncated(struct postgres_source *source, int64_t deadline_ns, struct rhei_error *error)
{
    struct base_buffer list = {0};
    if (source->truncated_count == 0)
        return RHEI_OK;
    for (size_t i = 0; i < source->truncated_count; i++)
        base_buffer_format(&list, "%s%u", i == 0 ? "{" : ",", source->truncated[i].xid);
    base_buffer_char(&list, '}');
    const char *parameters[] = {list.data};
    rhei_status status = list.failed ? error_no_memory(error) : RHEI_OK;
    for (bool seen = false, held = false; status == RHEI_OK && !seen;) {
        PGresult *result = NULL;
        status = postgres_query(source->asker, "waiting for a TRUNCATE to be seen",
                                "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'transactionid' AND granted"
                                " AND transactionid = ANY ($1::xid[]) LIMIT 1",
                                1, parameters, deadline_ns, &result, error);
        seen = status == RHEI_OK && source->asker->api->ntuples(result) == 0;
        postgres_clear(source->asker, &result);
        held = held || (status == RHEI_OK && !seen);
        bool late = status == RHEI_TIMEOUT;
        if (held && late) /* its answer would be taken for that of the next question */
            postgres_disconnect(&source->asker);
        if (held && !seen && (late || base_now_ns() >= deadline_ns)) /* the server did answer before */
            status = error_set(error, RHEI_BUSY, "a TRUNCATE that was told isn't to be seen yet");
        if (status == RHEI_OK && !seen)
            poll(&(struct pollfd){.fd = source->stream.stop.fd, .events = POLLIN}, 1, SEEN_EVERY_MS);
    }
    base_buffer_reset(&list);
    return status;
}

/* P6. `flushed`: how far the server had come before. */
static rhei_status check_mark(struct postgres_source *source, uint64_t flushed, int64_t deadline_ns, bool *same,
                              struct rhei_error *error)
{
    uint64_t mark = source->mark_seen;
    bool asks = source->awaited && flushed != source->marked_at;
    rhei_status status =
        asks ? postgres_mark_read(source->asker, source->catalog, source->wanted.publication, deadline_ns, &mark, error)
             : RHEI_OK;
    *same = mark == source->mark_seen;
    if (asks && status == RHEI_OK && *same)
        source->marked_at = flushed;
    return status;
}

/* P3. */
rhei_status postgres_look(struct postgres_source *source, uint64_t flushed, int64_t deadline_ns,
                          struct rhei_error *error)
{
    uint64_t relations = 0;
    bool news = has_news(source, &relations), same = false;
    int64_t now = base_now_ns();
    if (source->catalog != NULL && !news && !source->names_wanted &&
        now - source->looked_ns < source->config.look_ms * 1000000) {
        rhei_status checked = check_mark(source, flushed, deadline_ns, &same, error);
        if (checked != RHEI_OK || same)
            return checked;
    }
    struct postgres_catalog *catalog = NULL;
    rhei_status status = take_truncated(source, error);
    size_t known = source->truncated_count;
    if (status == RHEI_OK)
        status = await_truncated(source, deadline_ns, error);
    if (status == RHEI_OK)
        status = postgres_catalog_read(source->asker, &source->wanted, deadline_ns, &catalog, error);
    if (status == RHEI_NOT_FOUND)
        source->unpublished = true;
    if (status != RHEI_OK)
        return status;
    source->relations = relations;
    source->looked_ns = now;
    source->names_wanted = false;
    source->mark_seen = catalog->mark;
    source->marked_at = flushed;
    source->decoder.unknown = false;
    bool moved = false;
    status = check_files(source, catalog, deadline_ns, &moved, error);
    if (status == RHEI_OK)
        forget_truncated(source, catalog, known);
    if (status == RHEI_OK && (source->catalog == NULL || moved || catalog->shape != source->catalog->shape))
        return use_catalog(source, catalog, error);
    postgres_catalog_free(&catalog);
    return status;
}
