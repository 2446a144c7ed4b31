/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers of the change log: who they are and how far each is, in _rhei_consumers.
 *
 * C1. A consumer's row is written by the writer, in a transaction of its own: it says what was acknowledged, never more.
 * C2. What a live consumer has not acknowledged stays in the log (capture_prune.c), until the log's limit; one that was not seen for its
 *     keep_ms pins nothing. One that reads a buffer beside the log pins that instead, and has a keep_ms below zero.
 * C3. Which versions of tables a consumer knows is kept with its position, under its name in _rhei_meta: so one that comes back is told which are gone.
 * C4. What the log has forgotten while the bridge has a place in it (capture_bridge.c) may be in the buffer. Who hasn't that open doesn't know that it is lost:
 *     he is refused, and the consumer stays as it is, also what it pins.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_buffered.h"
#include "capture/capture_changes.h"
#include "capture/capture_folder.h"
#include "capture/capture_internal.h"

enum { CONSUMER_NAME_MOST = 200 };

static rhei_status consumer_check(const char *name, struct rhei_error *error)
{
    size_t len = strlen(name);
    return len > 0 && len <= CONSUMER_NAME_MOST
               ? RHEI_OK
               : error_set(error, RHEI_INVALID, "a consumer's name has 1 to %d bytes, this one has %zu",
                           CONSUMER_NAME_MOST, len);
}

static int64_t consumer_integer(sqlite3_stmt *stmt, int64_t otherwise, int *rc)
{
    *rc = sqlite3_step(stmt);
    return *rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER ? sqlite3_column_int64(stmt, 0)
                                                                               : otherwise;
}

/* With the writer held: one statement with a name and two numbers; *changed rows, *value: the integer that it gave. */
static rhei_status consumer_run(struct oltp *oltp, const char *sql, const char *name, int64_t first, int64_t second,
                                int *changed, int64_t *value, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = oltp->writer->db;
    int64_t last = sqlite3_last_insert_rowid(db);
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, first);
        sqlite3_bind_int64(stmt, 3, second);
        *value = consumer_integer(stmt, -1, &rc);
        *changed = rc == SQLITE_DONE ? sqlite3_changes(db) : 0;
    }
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, "consumer", error);
    sqlite3_finalize(stmt);
    sqlite3_set_last_insert_rowid(db, last);
    return status;
}

/* Waits for the writer and begins a transaction of it; whoever got OK calls consumer_end. */
static rhei_status consumer_begin(struct oltp *oltp, struct rhei_error *error)
{
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status != RHEI_OK)
        return status;
    status = oltp_step_own(oltp, oltp->begin, error);
    if (status != RHEI_OK)
        oltp_writer_release(oltp);
    return status;
}

/* What was done is committed, or taken back where it failed, and the writer let go. The fault points: before and behind the commit. */
static rhei_status consumer_end(struct oltp *oltp, rhei_status status, const char *written, const char *done,
                                struct rhei_error *error)
{
    oltp_fault(oltp, written);
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, error);
    oltp_fault(oltp, done);
    if (status != RHEI_OK)
        oltp_roll_back(oltp);
    oltp_writer_release(oltp);
    return status;
}

/* The log may have waited for a consumer that moved or is gone (C2): it was a commit, so there is a cycle, and after that a prune. */
static void consumer_wake(const struct oltp *oltp)
{
    if (oltp->config.committed != NULL)
        oltp->config.committed(oltp->config.committed_context);
}

#define CONSUMER_KNOWN "'consumer:' || ?1" /* key of _rhei_meta */

static rhei_status consumer_known(struct oltp *oltp, const char *consumer, struct base_buffer *known,
                                  struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(oltp->writer->db, "SELECT value FROM main._rhei_meta WHERE key = " CONSUMER_KNOWN, -1,
                                &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, consumer, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
        base_buffer_append(known, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
    rhei_status status = known->failed ? error_no_memory(error)
                         : rc == SQLITE_ROW || rc == SQLITE_DONE
                             ? RHEI_OK
                             : oltp_sqlite_error(oltp->writer, rc, "consumer", error);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status consumer_forget(struct oltp *oltp, const char *consumer, struct rhei_error *error)
{
    int changed = 0;
    int64_t unused = 0;
    return consumer_run(oltp, "DELETE FROM main._rhei_meta WHERE key = " CONSUMER_KNOWN " AND ?2 = ?3", consumer, 0, 0,
                        &changed, &unused, error);
}

/* B3 of capture_bridge.c: the buffer doesn't begin before what the consumer has still to read, so the log keeps that, whoever prunes it. */
static rhei_status consumer_hold_log(struct oltp *oltp, const struct capture_changes_config *config, int64_t position,
                                     struct rhei_error *error)
{
    int64_t oldest = 0, unused = 0;
    int changed = 0;
    if (config->buffer == NULL || (capture_buffered_oldest(config->buffer, &oldest) && position >= oldest))
        return RHEI_OK;
    return consumer_run(oltp,
                        "UPDATE main._rhei_consumers SET position = ?2 WHERE name = ?1 AND position > ?2 AND ?3 = 0",
                        CAPTURE_BRIDGE, position, 0, &changed, &unused, error);
}

rhei_status capture_consumer_can_read(struct oltp_connection *connection, const struct capture_changes_config *config,
                                      int64_t after, struct rhei_error *error)
{
    char sql[200];
    int64_t forgotten = 0;
    (void)snprintf(sql, sizeof sql,
                   "SELECT (SELECT min(seq) FROM main." OLTP_LOG ") - 1 > %" PRId64
                   " AND EXISTS (SELECT 1 FROM main._rhei_consumers WHERE name = '" CAPTURE_BRIDGE "')",
                   after);
    rhei_status status = config->buffer != NULL ? RHEI_OK : oltp_query_int(connection, sql, 0, &forgotten, error);
    if (status != RHEI_OK || forgotten == 0)
        return status;
    long long behind = (long long)after;
    if (config->buffer_folder == NULL)
        return error_set(error, RHEI_STALE,
                         "the changes behind position %lld are in the change buffer of this database, which isn't open "
                         "here: open the database with rocksdb_cdc_path, or, if that folder is gone for good, drop the "
                         "consumer _rhei_buffer",
                         behind);
    if (config->buffer_status == RHEI_BUSY)
        return error_set(error, RHEI_BUSY,
                         "the changes behind position %lld are in \"%s\" (rocksdb_cdc_path), which another process or "
                         "handle has open: follow them there, or when it is closed",
                         behind, config->buffer_folder);
    return error_set(error, config->buffer_status,
                     "the changes behind position %lld are in \"%s\", which can't be read: %s", behind,
                     config->buffer_folder, config->buffer_why);
}

/*
 * The oldest: behind which all that the log has is whole transactions. Pruning leaves a row of those that it took, by which their positions are
 * known: the newest of all, or the one at somebody's position.
 */
rhei_status capture_consumer_begin(struct oltp_connection *connection, const struct capture_changes_config *config,
                                   int64_t *position, struct rhei_error *error)
{
    static const char oldest[] =
        "SELECT CASE WHEN first = 1 OR first < last AND NOT EXISTS (SELECT 1 FROM main._rhei_engines WHERE position = "
        "first) AND NOT EXISTS (SELECT 1 FROM main._rhei_consumers WHERE position = first) THEN first - 1 ELSE first "
        "END FROM (SELECT min(seq) AS first, max(seq) AS last FROM main." OLTP_LOG ")";
    static const char newest[] = "SELECT max(seq) FROM main." OLTP_LOG " WHERE seq <= 1 << 62";
    if (config->oldest && capture_buffered_oldest(config->buffer, position))
        return RHEI_OK;
    return oltp_query_int(connection, config->oldest ? oldest : newest, 0, position, error);
}

static rhei_status consumer_find(struct oltp *oltp, const struct capture_changes_config *config, int64_t *position,
                                 struct base_buffer *known, struct rhei_error *error)
{
    int changed = 0;
    rhei_status status = consumer_run(oltp, "SELECT position FROM main._rhei_consumers WHERE name = ?1",
                                      config->consumer, 0, 0, &changed, position, error);
    if (status == RHEI_OK)
        status = *position < 0 ? consumer_forget(oltp, config->consumer, error)
                               : consumer_known(oltp, config->consumer, known, error);
    if (status == RHEI_OK && *position >= 0)
        status = capture_consumer_can_read(oltp->writer, config, *position, error);
    if (status == RHEI_OK && *position < 0)
        status = capture_consumer_begin(oltp->writer, config, position, error);
    if (status == RHEI_OK) {
        int64_t unused = 0;
        status = consumer_run(oltp,
                              "INSERT INTO main._rhei_consumers(name, position, seen_ms, keep_ms) VALUES(?1, ?2, "
                              "CAST((" CAPTURE_NOW " - 2440587.5) * 86400000 AS INTEGER), ?3) ON CONFLICT(name) DO "
                              "UPDATE SET seen_ms = excluded.seen_ms, keep_ms = excluded.keep_ms",
                              config->consumer, *position, config->buffer == NULL ? config->keep_ms : -config->keep_ms,
                              &changed, &unused, error);
    }
    return status == RHEI_OK ? consumer_hold_log(oltp, config, *position, error) : status;
}

rhei_status capture_consumer_open(struct oltp *oltp, const struct capture_changes_config *config, int64_t *position,
                                  struct base_buffer *known, struct rhei_error *error)
{
    rhei_status status = consumer_check(config->consumer, error);
    if (status == RHEI_OK && strncmp(config->consumer, "_rhei_", 6) == 0)
        status = error_set(error, RHEI_INVALID, "names that begin with _rhei_ are Rhei's own, also of consumers");
    if (status == RHEI_OK) /* one transaction: no change may come between the end of the log and the row that pins it */
        status = consumer_begin(oltp, error);
    if (status == RHEI_OK)
        status = consumer_end(oltp, consumer_find(oltp, config, position, known, error), "consumer.open.written",
                              "consumer.open.done", error);
    return status;
}

static rhei_status consumer_keep(struct oltp *oltp, const char *consumer, const struct base_buffer *known,
                                 struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(oltp->writer->db,
                                "INSERT INTO main._rhei_meta VALUES(" CONSUMER_KNOWN ", ?2) ON CONFLICT(key) DO UPDATE "
                                "SET value = excluded.value",
                                -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, consumer, -1, SQLITE_STATIC);
        sqlite3_bind_text64(stmt, 2, known->data == NULL ? "" : known->data, known->len, SQLITE_STATIC, SQLITE_UTF8);
        rc = sqlite3_step(stmt);
    }
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, "consumer", error);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status consumer_move(struct oltp *oltp, const char *consumer, int64_t position,
                                 const struct base_buffer *known, struct rhei_error *error)
{
    int changed = 0;
    int64_t unused = 0;
    rhei_status status = consumer_run(oltp,
                                      "UPDATE main._rhei_consumers SET position = ?2, seen_ms = CAST((" CAPTURE_NOW
                                      " - 2440587.5) * 86400000 AS INTEGER) WHERE name = ?1 AND ?3 = 0",
                                      consumer, position, 0, &changed, &unused, error);
    if (status == RHEI_OK && changed == 0)
        return error_set(error, RHEI_NOT_FOUND, "there is no consumer \"%s\" any more: it was dropped", consumer);
    return status == RHEI_OK && known != NULL ? consumer_keep(oltp, consumer, known, error) : status;
}

rhei_status capture_consumer_move(struct oltp *oltp, const char *consumer, int64_t position,
                                  const struct base_buffer *known, struct rhei_error *error)
{
    rhei_status status = consumer_begin(oltp, error);
    if (status == RHEI_OK)
        status = consumer_end(oltp, consumer_move(oltp, consumer, position, known, error),
                              "consumer.acknowledge.written", "consumer.acknowledge.done", error);
    if (status == RHEI_OK)
        consumer_wake(oltp);
    return status;
}

/* With the writer held. Whose names there are, for people: of up to ten. */
static rhei_status consumer_unknown(struct oltp *oltp, const char *consumer, struct rhei_error *error)
{
    enum { NAMES_MOST = 10 };
    struct base_buffer names = {0};
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(oltp->writer->db,
                                "SELECT name FROM main._rhei_consumers WHERE substr(name, 1, 6) <> '_rhei_' ORDER BY "
                                "name",
                                -1, &stmt, NULL);
    for (int count = 0; rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW; count++) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (count < NAMES_MOST)
            base_buffer_format(&names, "%s\"%s\"", count == 0 ? "there are " : ", ", name == NULL ? "" : name);
        else if (count == NAMES_MOST)
            base_buffer_text(&names, " and others");
    }
    sqlite3_finalize(stmt);
    rhei_status status = names.failed ? error_no_memory(error)
                                      : error_set(error, RHEI_NOT_FOUND, "there is no consumer \"%s\": %s", consumer,
                                                  names.len == 0 ? "there is none" : names.data);
    base_buffer_reset(&names);
    return status;
}

static rhei_status consumer_drop(struct oltp *oltp, const char *consumer, struct rhei_error *error)
{
    int changed = 0;
    int64_t unused = 0;
    rhei_status status = consumer_run(oltp, "DELETE FROM main._rhei_consumers WHERE name = ?1 AND ?2 = ?3", consumer, 0,
                                      0, &changed, &unused, error);
    if (status != RHEI_OK)
        return status;
    return changed == 0 ? consumer_unknown(oltp, consumer, error) : consumer_forget(oltp, consumer, error);
}

rhei_status capture_consumer_drop(struct oltp *oltp, const char *consumer, struct rhei_error *error)
{
    rhei_status status = consumer_check(consumer, error);
    bool is_bridge = strcmp(consumer, CAPTURE_BRIDGE) == 0; /* of a buffer that doesn't come back (C4) */
    if (status == RHEI_OK && strncmp(consumer, "_rhei_", 6) == 0 && !is_bridge)
        status = capture_folder_may_go(consumer, error);
    if (status == RHEI_OK && !oltp_captures(oltp))
        return error_set(error, RHEI_READ_ONLY, "this handle captures no changes, so no consumer can be dropped by it");
    if (status == RHEI_OK)
        status = consumer_begin(oltp, error);
    if (status == RHEI_OK) {
        status = consumer_end(oltp, consumer_drop(oltp, consumer, error), "consumer.drop.written", "consumer.drop.done",
                              error);
        if (status == RHEI_OK)
            consumer_wake(oltp);
    }
    return status;
}
