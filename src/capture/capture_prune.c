/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking applied changes out of the log, and what engines on one file owe each other.
 *
 * P1. The newest row stays, so numbers never start again.
 * P2. Only the oldest rows go, in slices of one short transaction each, so the log has no gaps (S2).
 *     The row at a live engine's position stays too: its next cycle finds it again, or knows that something happened (S6).
 * P3. What another live engine has not applied, a live consumer not acknowledged, or the newest checkpoint of another handle's folder lacks (capture_folder.c),
 *     stays; an engine that is known to be gone (oltp_alive.h), or was not seen for five minutes, is dead.
 *     The log's limit is stronger: beyond it the oldest rows go whoever needs them, and who needed them rebuilds.
 * P4. Where nearly all of the log goes its table is emptied, and the few rows that stay are put back as they were, in the same transaction:
 *     so a page costs what otherwise five rows cost. Who read the log knows how large it is, so the writer isn't held for long: 0.45 ms for
 *     each MiB, while row by row each MiB is also written to the WAL once more.
 */
#include <inttypes.h>
#include <stdio.h>

#include "capture/capture_folder.h"
#include "capture/capture_source.h"

enum {
    PRUNE_SLICE = 10000,
    PRUNE_SLICES_MAX = 200,
    ENGINE_WAIT_NS = 20 * 1000 * 1000,
    PRUNE_TELL_MS = 1000,
    TELL_SLACK_MS = 200, /* a prune that comes meanwhile tells in its own transaction */
    TELL_WAIT_NS = 100 * 1000 * 1000,
    EMPTY_LEAST = 1000, /* rows that go */
    EMPTY_BYTES = 128 << 20,
    KEPT_ROWS = 100, /* that stay, at most, */
    KEPT_PART = 16,  /* or a part of those that go, where those are so many times as many */
    KEPT_MOST = 4096,
    KEPT_BYTES = 2 << 20
};

/* What a call takes out. `asker` (may be NULL): the source that it is for, which may know how large the log is. */
struct prune {
    struct oltp *oltp;
    struct capture_source *asker;
    int64_t position;
    bool force;
    uint64_t *pruned;
};

/* ---- Statements that are kept: compiling them would be most of what a small cycle costs. ------------------------- */

enum prune_statement { PRUNE_BOUNDS, PRUNE_SEEN, PRUNE_FLOOR, PRUNE_DELETE, PRUNE_EMPTY };

static const char *const prune_texts[] = {
    [PRUNE_BOUNDS] = "SELECT (SELECT max(seq) FROM main." OLTP_LOG "), (SELECT min(seq) FROM main." OLTP_LOG ")",
    [PRUNE_SEEN] = "INSERT INTO main._rhei_engines(id, position, seen_ms) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE "
                   "SET position = excluded.position, seen_ms = excluded.seen_ms",
    [PRUNE_FLOOR] = "SELECT min(position) FROM (SELECT position FROM main._rhei_engines WHERE id <> ?1 AND seen_ms "
                    "BETWEEN ?2 AND ?3 AND NOT _rhei_gone(id) UNION ALL SELECT position FROM main._rhei_consumers "
                    "WHERE name <> ?5 AND ?4 < seen_ms + keep_ms)",
    [PRUNE_DELETE] = "DELETE FROM main." OLTP_LOG " WHERE seq <= ?1",
    [PRUNE_EMPTY] = "DELETE FROM main." OLTP_LOG,
};

/* Runs one; results[] gets the integers of its row, 0 for NULL (of which *null tells). With the writer held. */
static rhei_status prune_ask(struct oltp *oltp, enum prune_statement which, const int64_t *values, int count,
                             int64_t *results, bool *null, struct rhei_error *error)
{
    BASE_INVARIANT(which < sizeof capture_of(oltp)->upkeep / sizeof capture_of(oltp)->upkeep[0] &&
                   oltp->writer_busy); /* W1 */
    sqlite3_stmt **stmt = &capture_of(oltp)->upkeep[which];
    int rc = *stmt != NULL
                 ? SQLITE_OK
                 : sqlite3_prepare_v3(oltp->writer->db, prune_texts[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    for (int i = 0; rc == SQLITE_OK && i < count; i++)
        rc = sqlite3_bind_int64(*stmt, i + 1, values[i]);
    if (rc == SQLITE_OK && which == PRUNE_FLOOR) /* what our own folder needs we know */
        rc = sqlite3_bind_text(*stmt, 5, capture_folder_name(oltp), -1, SQLITE_STATIC);
    rc = rc == SQLITE_OK ? sqlite3_step(*stmt) : rc;
    for (int i = 0; rc == SQLITE_ROW && i < sqlite3_column_count(*stmt); i++) {
        results[i] = sqlite3_column_int64(*stmt, i);
        *null = sqlite3_column_type(*stmt, i) == SQLITE_NULL;
    }
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_reset(*stmt);
    return status;
}

/* The guard of the log in the way, or not (capture_guard.c). */
static void prune_guarded(struct oltp *oltp, bool guarded)
{
    sqlite3_db_config(oltp->writer->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, (int)guarded, NULL);
}

/* As above, without it. */
static rhei_status prune_unguarded(struct oltp *oltp, enum prune_statement which, const int64_t *to, int count,
                                   struct rhei_error *error)
{
    prune_guarded(oltp, false);
    rhei_status status = prune_ask(oltp, which, to, count, NULL, NULL, error);
    prune_guarded(oltp, true);
    return status;
}

/* Lowers *position to what other live engines have applied and live consumers acknowledged; *alone: there are none. */
static rhei_status prune_floor(struct oltp *oltp, int64_t *position, bool *alone, struct rhei_error *error)
{
    int64_t now = base_wall_ms(), others = 0;
    const int64_t values[] = {capture_of(oltp)->engine_id, now - CAPTURE_ENGINE_LIFE_MS, now + CAPTURE_ENGINE_LIFE_MS,
                              now};
    rhei_status status = prune_ask(oltp, PRUNE_FLOOR, values, 4, &others, alone, error);
    *position = !*alone && others < *position ? others : *position;
    return status;
}

static rhei_status prune_write_seen(struct oltp *oltp, int64_t position, struct rhei_error *error)
{
    BASE_INVARIANT(capture_of(oltp)->engine_id > 0 && position >= 0);
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    const int64_t values[] = {capture_of(oltp)->engine_id, position, base_wall_ms()};
    rhei_status status = prune_ask(oltp, PRUNE_SEEN, values, 3, NULL, NULL, error);
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    if (status == RHEI_OK) {
        capture_of(oltp)->seen_ms = values[2];
        capture_of(oltp)->told = position;
    }
    return status;
}

/* In how many ms our row is so old that a prune writes it; 0: it is. With the writer held. */
static int64_t tell_rest(const struct oltp *oltp)
{
    int64_t age = base_wall_ms() - capture_of(oltp)->seen_ms;
    return age < 0 || age > PRUNE_TELL_MS ? 0 : PRUNE_TELL_MS - age + 1;
}

static void tell_later(struct oltp *oltp, int64_t rest_ms)
{
    oltp_upkeep_later(oltp, base_now_ns() + (rest_ms + TELL_SLACK_MS) * 1000000);
}

/*
 * Alone, nobody waits for our position: an old one only makes a newcomer keep more of the log for a moment. No prune may come that
 * tells it, and who reads the registry must not take us to be behind for ever: then the maintenance does (capture_engine_tell).
 */
static rhei_status prune_tell(struct oltp *oltp, int64_t *position, struct rhei_error *error)
{
    int64_t own = *position;
    bool alone = true;
    rhei_status status = prune_floor(oltp, position, &alone, error);
    bool known = atomic_load(&capture_of(oltp)->engine_active); /* else nobody reads the log by this handle */
    if (status != RHEI_OK || !known)
        return status;
    int64_t rest = alone ? tell_rest(oltp) : 0;
    if (rest == 0)
        return prune_write_seen(oltp, own, error);
    if (own != capture_of(oltp)->told)
        tell_later(oltp, rest);
    return RHEI_OK;
}

/* Engines that are gone, or weren't seen for long, or whose clock is far from ours: they run on this machine, or they are not alive. */
static rhei_status prune_bury(struct oltp *oltp, struct rhei_error *error)
{
    int64_t now = base_wall_ms();
    return oltp_execf(oltp->writer, error,
                      "DELETE FROM main._rhei_engines WHERE id <> %" PRId64
                      " AND (seen_ms IS NULL OR seen_ms NOT BETWEEN "
                      "%" PRId64 " AND %" PRId64 " OR _rhei_gone(id))",
                      capture_of(oltp)->engine_id, now - CAPTURE_ENGINE_LIFE_MS, now + CAPTURE_ENGINE_LIFE_MS);
}

/* ---- Emptying the log (P4), with the writer held, in its transaction. -------------------------------------------- */

struct kept_rows {
    sqlite3_value **values;
    size_t capacity;
    int columns, count;
};

static void kept_free(struct kept_rows *kept)
{
    for (int i = 0; i < kept->count; i++)
        sqlite3_value_free(kept->values[i]);
    base_free(kept->values);
}

/* The statement's row; *bytes grows by its texts and BLOBs. SQLite's code. */
static int kept_add(struct kept_rows *kept, sqlite3_stmt *stmt, size_t *bytes)
{
    size_t count = (size_t)kept->count + (size_t)kept->columns;
    if (!base_grow((void **)&kept->values, &kept->capacity, count, sizeof *kept->values))
        return SQLITE_NOMEM;
    for (int i = 0; i < kept->columns; i++) {
        sqlite3_value *value = sqlite3_value_dup(sqlite3_column_value(stmt, i));
        if (value == NULL)
            return SQLITE_NOMEM;
        *bytes += sqlite3_value_type(value) >= SQLITE3_TEXT ? (size_t)sqlite3_value_bytes(value) : 0;
        kept->values[kept->count++] = value;
    }
    return SQLITE_OK;
}

/* The rows beyond `to`; *all: they weren't too large. */
static rhei_status kept_read(struct oltp *oltp, int64_t to, struct kept_rows *kept, bool *all, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    size_t bytes = 0;
    int rc = sqlite3_prepare_v2(oltp->writer->db, "SELECT * FROM main." OLTP_LOG " WHERE seq > ?1", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, to);
    kept->columns = rc == SQLITE_OK ? sqlite3_column_count(stmt) : 0;
    *all = rc == SQLITE_OK;
    while (rc == SQLITE_OK && *all && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = kept_add(kept, stmt, &bytes);
        *all = bytes <= KEPT_BYTES;
    }
    rhei_status status =
        rc == SQLITE_OK || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status kept_write(struct oltp *oltp, const struct kept_rows *kept, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    base_buffer_text(&sql, "INSERT INTO main." OLTP_LOG " VALUES(?");
    for (int i = 1; i < kept->columns; i++)
        base_buffer_text(&sql, ",?");
    base_buffer_text(&sql, ")");
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(oltp->writer->db, sql.data, -1, &stmt, NULL);
    for (int i = 0; i < kept->count && rc == SQLITE_OK; i++) {
        int column = i % kept->columns;
        rc = sqlite3_bind_value(stmt, column + 1, kept->values[i]);
        if (rc == SQLITE_OK && column + 1 == kept->columns) {
            rc = sqlite3_step(stmt);
            rc = rc == SQLITE_DONE ? sqlite3_reset(stmt) : rc;
        }
    }
    rhei_status status = rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_finalize(stmt);
    base_buffer_reset(&sql);
    return status;
}

/* All rows up to `to` at once; *done: it was worth that, and they are gone. */
static rhei_status prune_empty(struct oltp *oltp, int64_t to, uint64_t *pruned, bool *done, struct rhei_error *error)
{
    struct kept_rows kept = {0};
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    rhei_status status = kept_read(oltp, to, &kept, done, error);
    if (status == RHEI_OK && *done) {
        status = prune_unguarded(oltp, PRUNE_EMPTY, NULL, 0, error);
        int64_t gone = sqlite3_changes64(oltp->writer->db) - kept.count / kept.columns;
        BASE_INVARIANT(status != RHEI_OK || gone >= 0);
        if (status == RHEI_OK)
            status = kept_write(oltp, &kept, error);
        sqlite3_set_last_insert_rowid(oltp->writer->db, last);
        oltp_rolled_back(oltp); /* what was put back isn't logged now */
        *pruned += status == RHEI_OK ? (uint64_t)gone : 0;
    }
    kept_free(&kept);
    return status;
}

/* Whether that source knows how large the log is from `first` on, and it is small enough to be emptied at once. */
static bool prune_knows_size(const struct capture_source *source, int64_t first)
{
    return source != NULL && atomic_load(&source->read_bytes) <= EMPTY_BYTES &&
           atomic_load(&source->read_from) <= first; /* the row that a position stood on is one more */
}

/* Whether nearly all of the log goes, and it is known how large it is. */
static bool prune_may_empty(const struct prune *prune, int64_t first, int64_t to, int64_t last)
{
    const struct oltp *oltp = prune->oltp;
    int64_t part = (to - first) / KEPT_PART, most = part < KEPT_ROWS ? KEPT_ROWS : part > KEPT_MOST ? KEPT_MOST : part;
    struct capture_source *source = __atomic_load_n(&capture_of(oltp)->source, __ATOMIC_ACQUIRE);
    return !oltp->writer->utf16 && to - first >= EMPTY_LEAST && last - to <= most &&
           (prune_knows_size(source, first) || prune_knows_size(prune->asker, first));
}

/* ---- Slices. ----------------------------------------------------------------------------------------------------- */

/* Takes rows from `first` on out, up to `position` at most; *to: the last of them. */
static rhei_status prune_rows(const struct prune *prune, int64_t first, int64_t position, int64_t last, int64_t *to,
                              struct rhei_error *error)
{
    bool done = false;
    rhei_status status = RHEI_OK;
    *to = position;
    if (prune_may_empty(prune, first, position, last))
        status = prune_empty(prune->oltp, position, prune->pruned, &done, error);
    if (status != RHEI_OK || done)
        return status;
    *to = position - first >= PRUNE_SLICE ? first + PRUNE_SLICE - 1 : position;
    BASE_INVARIANT(*to - first < PRUNE_SLICE); /* P2 */
    status = prune_unguarded(prune->oltp, PRUNE_DELETE, to, 1, error);
    if (status == RHEI_OK)
        *prune->pruned += (uint64_t)sqlite3_changes64(prune->oltp->writer->db);
    return status;
}

/* One slice; *more: there may be further ones. Holds the writer. */
static rhei_status prune_slice(const struct prune *prune, bool *more, struct rhei_error *error)
{
    struct oltp *oltp = prune->oltp;
    int64_t bounds[2] = {0, 0}, position = prune->position;
    bool empty = false, force = prune->force;
    *more = false;
    rhei_status status = oltp_step_own(oltp, oltp->begin, error);
    if (status != RHEI_OK)
        return status;
    uint64_t before = oltp_commit_token(oltp);
    status = prune_ask(oltp, PRUNE_BOUNDS, NULL, 0, bounds, &empty, error);
    int64_t last = bounds[0], first = bounds[1];
    if (status == RHEI_OK && !force)
        status = capture_folder_write(oltp, error);
    if (status == RHEI_OK && !force)
        status = prune_tell(oltp, &position, error);
    if (status == RHEI_OK && !force)
        atomic_store_explicit(&capture_of(oltp)->forgot, position, memory_order_relaxed);
    position -= !force; /* the row at an engine's position stays: its next cycle finds it again, or knows why not */
    position = position < last ? position : last - 1;
    BASE_INVARIANT(status != RHEI_OK || last == 0 || position < last); /* P1: the newest row stays */
    oltp_fault(oltp, "capture.prune");
    if (status == RHEI_OK && last > 0 && position >= first) {
        int64_t to = 0;
        status = prune_rows(prune, first, position, last, &to, error);
        if (status == RHEI_OK) {
            atomic_store_explicit(&oltp->log_first, to + 1, memory_order_relaxed);
            *more = to < position;
        }
        if (status == RHEI_OK && last - to < PRUNE_SLICE)
            status = capture_registry_trim(oltp, error);
    }
    return capture_upkeep_end(oltp, before, force, status, error); /* who loses changes to the limit has to see it */
}

static rhei_status prune_run(const struct prune *prune, struct rhei_error *error)
{
    struct oltp *oltp = prune->oltp;
    rhei_status status = RHEI_OK;
    bool more = true;
    /* what a closing handle leaves, the next one takes */
    for (int i = 0; status == RHEI_OK && more && i < PRUNE_SLICES_MAX && !atomic_load(&oltp->upkeep_ends); i++) {
        status = oltp_writer_acquire(oltp, 0, error);
        if (status == RHEI_OK) {
            status = prune_slice(prune, &more, error);
            oltp_writer_release(oltp);
        }
    }
    if (*prune->pruned > 0 && oltp_log_is_full(oltp)) /* there may be room */
        oltp_limit_due(oltp);
    return status;
}

rhei_status capture_prune_run(struct oltp *oltp, int64_t position, bool force, uint64_t *pruned,
                              struct rhei_error *error)
{
    const struct prune prune = {.oltp = oltp, .position = position, .force = force, .pruned = pruned};
    return prune_run(&prune, error);
}

rhei_status capture_source_prune(struct change_source *base, int64_t position, uint64_t *pruned,
                                 struct rhei_error *error)
{
    struct capture_source *source = (struct capture_source *)base;
    struct oltp *oltp = source->oltp;
    *pruned = 0;
    if (oltp->config.read_only)
        return RHEI_OK;
    if (!source->aside)
        atomic_store_explicit(&capture_of(oltp)->asked, position, memory_order_relaxed);
    const struct prune prune = {.oltp = oltp, .asker = source, .position = position, .pruned = pruned};
    return prune_run(&prune, error);
}

int64_t capture_source_forgotten(struct change_source *base)
{
    return atomic_load_explicit(&capture_of(((struct capture_source *)base)->oltp)->forgot, memory_order_relaxed);
}

/* Rows whose numbers no trigger gave: beside them SQLite would give the next ones at random. */
rhei_status capture_prune_mend(struct oltp *oltp, struct rhei_error *error)
{
    base_log_write(
        oltp->config.log, BASE_LOG_WARN, "capture",
        "the change log has numbers that it can't have by itself: they are taken out, and what they may hide is "
        "built again");
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status == RHEI_OK) {
        prune_guarded(oltp, false);
        status =
            oltp_execf(oltp->writer, error, "DELETE FROM main." OLTP_LOG " WHERE seq > %" PRId64, CAPTURE_LOG_SEQ_MAX);
        prune_guarded(oltp, true);
        oltp_writer_release(oltp);
    }
    return status;
}

rhei_status capture_engine_seen(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error)
{
    if (!atomic_load(&capture_of(oltp)->engine_active))
        return RHEI_OK;
    /* the first is from before the newest cycle */
    int64_t begun = atomic_load_explicit(&capture_of(oltp)->engine_position, memory_order_relaxed);
    int64_t asked = atomic_load_explicit(&capture_of(oltp)->asked, memory_order_relaxed);
    rhei_status status = oltp_writer_acquire(oltp, deadline_ns, error);
    if (status == RHEI_OK) {
        status = prune_write_seen(oltp, begun > asked ? begun : asked, error);
        atomic_fetch_add_explicit(&capture_of(oltp)->upkeep_commits, 1, memory_order_relaxed);
        if (status == RHEI_OK)
            status = prune_bury(oltp, error);
        oltp_writer_release(oltp);
    }
    return status;
}

/* In a transaction of upkeep, which is no reason for a cycle; with the writer held. */
static rhei_status tell_now(struct oltp *oltp, int64_t position)
{
    rhei_status status = oltp_step_own(oltp, oltp->begin, NULL);
    if (status != RHEI_OK)
        return status;
    uint64_t before = oltp_commit_token(oltp);
    status = prune_write_seen(oltp, position, NULL);
    return capture_upkeep_end(oltp, before, false, status, NULL);
}

void capture_engine_tell(struct oltp *oltp)
{
    struct capture_state *capture = capture_of(oltp);
    int64_t position = atomic_load_explicit(&capture->asked, memory_order_relaxed);
    if (!atomic_load(&capture->engine_active) || position == 0) /* no prune had something to tell */
        return;
    rhei_status status = oltp_writer_acquire(oltp, base_now_ns() + TELL_WAIT_NS, NULL);
    if (status == RHEI_OK) {
        int64_t rest = tell_rest(oltp);
        if (capture->told != position && rest == 0)
            status = tell_now(oltp, position);
        else if (capture->told != position) /* a prune told meanwhile, and others went on */
            tell_later(oltp, rest);
        oltp_writer_release(oltp);
    }
    if (status == RHEI_BUSY)
        tell_later(oltp, PRUNE_TELL_MS);
}

void capture_engine_forget(struct oltp *oltp)
{
    if (atomic_exchange(&capture_of(oltp)->engine_active, false) && oltp->writer != NULL &&
        oltp_writer_acquire(oltp, base_now_ns() + ENGINE_WAIT_NS, NULL) == RHEI_OK) {
        oltp_execf(oltp->writer, NULL, "DELETE FROM main._rhei_engines WHERE id = %" PRId64,
                   capture_of(oltp)->engine_id);
        oltp_writer_release(oltp);
    }
}
