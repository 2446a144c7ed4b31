/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B1. The bridge is a consumer of the log (CAPTURE_BRIDGE of _rhei_consumers), so what it hasn't moved stays, also for engines that know of no buffer,
 *     and while nobody has the file open.
 * B2. A consumer that reads a buffer has its keep_ms below zero there: it pins the buffer, and nothing in the log but by B3.
 * B3. What such a consumer has still to read from before the buffer began is in the log alone. So the bridge's place is the consumer's then, as it is told
 *     in one transaction with the consumer's open and with each move of the bridge: no engine, with the buffer or without, takes that out.
 */
#include "capture/capture_bridge.h"

#include <inttypes.h>
#include <stdio.h>

#include "capture/capture_source.h"

#define BRIDGE_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000)

rhei_status capture_bridge_source(struct oltp *oltp, struct change_source **result, struct rhei_error *error)
{
    struct capture_source *source = NULL;
    rhei_status status = capture_source_new(oltp, true, &source, error);
    if (status == RHEI_OK)
        source->declared = true;
    *result = status == RHEI_OK ? &source->base : NULL;
    return status;
}

/* With the writer held. A commit of upkeep, which is no reason for a cycle. */
static rhei_status bridge_write(struct oltp *oltp, int64_t position, int64_t begun, struct rhei_error *error)
{
    rhei_status status = oltp_step_own(oltp, oltp->begin, error);
    if (status != RHEI_OK)
        return status;
    uint64_t before = oltp_commit_token(oltp);
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db), now = base_wall_ms();
    status = oltp_execf(oltp->writer, error,
                        "INSERT INTO main._rhei_consumers(name, position, seen_ms, keep_ms) VALUES('" CAPTURE_BRIDGE
                        "', min(%" PRId64 ", ifnull((SELECT min(position) FROM main._rhei_consumers WHERE keep_ms < 0 "
                        "AND %" PRId64 " < seen_ms - keep_ms AND position < %" PRId64 "), %" PRId64 ")), %" PRId64
                        ", %" PRId64
                        ") ON CONFLICT(name) DO UPDATE SET position = excluded.position, seen_ms = excluded.seen_ms, "
                        "keep_ms = excluded.keep_ms",
                        position, now, begun, position, now, BRIDGE_KEEP_MS); /* B3 */
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    return capture_upkeep_end(oltp, before, false, status, error);
}

rhei_status capture_bridge_durable(struct oltp *oltp, int64_t position, int64_t begun, struct rhei_error *error)
{
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status == RHEI_OK) {
        status = bridge_write(oltp, position, begun, error);
        oltp_writer_release(oltp);
    }
    return status;
}

rhei_status capture_bridge_read_from(struct oltp *oltp, int64_t *position, struct rhei_error *error)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "SELECT min(position) FROM main._rhei_consumers WHERE keep_ms < 0 AND %" PRId64
                   " < seen_ms - keep_ms",
                   base_wall_ms());
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = oltp_query_int(oltp->describer, sql, INT64_MAX, position, error);
    base_mutex_unlock(&oltp->describe_lock);
    return status;
}

int64_t capture_bridge_position(struct oltp *oltp, struct change_stamp *stamp)
{
    int64_t position = -1;
    *stamp = (struct change_stamp){.file = ""};
    base_mutex_lock(&oltp->describe_lock);
    (void)capture_stamp_file(oltp->describer, stamp, NULL); /* a file without capture has none */
    if (oltp_query_int(oltp->describer, "SELECT position FROM main._rhei_consumers WHERE name = '" CAPTURE_BRIDGE "'",
                       -1, &position, NULL) != RHEI_OK)
        position = -1; /* there are no consumers yet */
    base_mutex_unlock(&oltp->describe_lock);
    return position;
}
