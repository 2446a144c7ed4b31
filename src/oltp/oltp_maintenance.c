/* SPDX-License-Identifier: Apache-2.0 */
/* The background thread: checkpoints, so that no writer pays for one, the log's limit, and this engine's sign of life. */
#include "oltp/oltp_internal.h"

enum {
    MAINTENANCE_SEEN_MS = 60000,
    MAINTENANCE_PASSES = 4, /* beside the writer, before it is held */
};

/* PASSIVE waits for nobody; what readers still need is done next time. */
static int maintenance_pass(struct oltp *oltp, struct oltp_connection *connection, struct oltp_connection *holder,
                            int *done)
{
    int frames = 0;
    bool held = holder != NULL && oltp->hooks->pin_frames(oltp, holder);
    int rc = sqlite3_wal_checkpoint_v2(connection->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, done);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        base_log_write(oltp->config.log, BASE_LOG_WARN, "oltp", "checkpoint failed: %s",
                       sqlite3_errmsg(connection->db));
    }
    if (held)
        oltp_exec(holder, "COMMIT", NULL);
    return rc == SQLITE_OK ? frames : 0;
}

/* Whether our writer has added to the log since so many of its frames were copied. */
static bool maintenance_grown(const struct oltp *oltp, int done)
{
    return atomic_load_explicit(&oltp->wal_pages, memory_order_relaxed) > (unsigned)done;
}

/*
 * Beside a busy writer a checkpoint never reaches the log's end, and only a log that was copied to its end starts anew.
 * So once it is long, it is copied again: each pass copies what came during the one before, and the last, short by then, has the
 * writer held, unless that is at rest. That is at half of the limit, so that what the writer adds meanwhile has room: a log that
 * passes the limit is cut off, and to make the file grow again costs the writer far more than to write it over.
 */
static void maintenance_checkpoint(struct oltp *oltp, struct oltp_connection *connection,
                                   struct oltp_connection *holder)
{
    int done = 0;
    oltp_fault(oltp, "oltp.checkpoint");
    oltp_settings_apply(connection, NULL);
    if (oltp_identity_check(oltp, true, NULL) != RHEI_OK)
        return;
    int frames = maintenance_pass(oltp, connection, holder, &done);
    unsigned reset = oltp_wal_reset_pages(oltp);
    for (int i = 1; i < MAINTENANCE_PASSES && (unsigned)frames >= reset && maintenance_grown(oltp, done); i++)
        frames = maintenance_pass(oltp, connection, holder, &done);
    if ((unsigned)frames >= reset && maintenance_grown(oltp, done) && oltp_writer_acquire(oltp, 0, NULL) == RHEI_OK) {
        frames = maintenance_pass(oltp, connection, holder, &done);
        oltp_writer_release(oltp);
    }
    /* the writer sets it back when it starts the log anew */
    atomic_store_explicit(&oltp->checkpoint_at, oltp_checkpoint_next(oltp, (unsigned)frames), memory_order_relaxed);
}

static void maintenance_run(void *argument)
{
    struct oltp *oltp = argument;
    struct oltp_connection *connection = NULL, *holder = NULL;
    int64_t seen = base_now_ns() + (int64_t)MAINTENANCE_SEEN_MS * 1000000, look = INT64_MAX;
    base_mutex_lock(&oltp->maintenance_lock);
    while (!oltp->maintenance_stop) {
        if (!oltp->checkpoint_due && !oltp->limit_due && !oltp->seen_due) {
            int64_t until = seen < look ? seen : look;
            base_cond_wait_until(&oltp->maintenance_wake, &oltp->maintenance_lock,
                                 oltp->later_ns != 0 && oltp->later_ns < until ? oltp->later_ns : until);
        }
        bool checkpoint = oltp->checkpoint_due && !oltp->maintenance_stop;
        bool limit = oltp->limit_due && !oltp->maintenance_stop;
        bool engine = oltp->seen_due && !oltp->maintenance_stop;
        oltp->checkpoint_due = false;
        oltp->limit_due = false;
        oltp->seen_due = false;
        bool later = oltp->later_ns != 0 && base_now_ns() >= oltp->later_ns && !oltp->maintenance_stop;
        oltp->later_ns = later ? 0 : oltp->later_ns;
        base_mutex_unlock(&oltp->maintenance_lock);
        bool tick = base_now_ns() >= seen;
        if ((checkpoint || tick) && connection == NULL)
            oltp_connection_open(oltp, OLTP_CHECKPOINTER, &connection, NULL);
        if (checkpoint && holder == NULL && oltp->hooks->follows(oltp))
            oltp_connection_open(oltp, OLTP_CHECKPOINTER, &holder, NULL);
        if (checkpoint && connection != NULL)
            maintenance_checkpoint(oltp, connection, holder);
        if (connection != NULL && (checkpoint || tick || base_now_ns() >= look) &&
            oltp_identity_check(oltp, true, NULL) == RHEI_OK)
            look = oltp_wal_look(oltp, connection);
        oltp->hooks->upkeep(oltp, (limit ? OLTP_UPKEEP_LIMIT : 0U) | (engine ? OLTP_UPKEEP_SEEN : 0U) |
                                      (checkpoint ? OLTP_UPKEEP_CHECKPOINT : 0U) | (tick ? OLTP_UPKEEP_TICK : 0U) |
                                      (later ? OLTP_UPKEEP_LATER : 0U));
        if (engine || tick)
            seen = base_now_ns() + (int64_t)MAINTENANCE_SEEN_MS * 1000000;
        base_mutex_lock(&oltp->maintenance_lock);
    }
    base_mutex_unlock(&oltp->maintenance_lock);
    oltp_connection_close(&holder);
    oltp_connection_close(&connection);
}

rhei_status oltp_maintenance_start(struct oltp *oltp, struct rhei_error *error)
{
    atomic_store(&oltp->checkpoint_at, oltp_checkpoint_next(oltp, 0));
    rhei_status status = base_thread_start(&oltp->maintenance, "rhei-oltp", maintenance_run, oltp, error);
    oltp->maintenance_running = status == RHEI_OK;
    return status;
}

void oltp_upkeep_ends(struct oltp *oltp, bool ends)
{
    if (oltp != NULL)
        atomic_store(&oltp->upkeep_ends, ends);
}

void oltp_maintenance_stop(struct oltp *oltp)
{
    if (!oltp->maintenance_running)
        return;
    oltp_upkeep_ends(oltp, true);
    base_mutex_lock(&oltp->maintenance_lock);
    oltp->maintenance_stop = true;
    base_cond_signal(&oltp->maintenance_wake);
    base_mutex_unlock(&oltp->maintenance_lock);
    base_thread_join(&oltp->maintenance);
    oltp_upkeep_ends(oltp, false);
    oltp->maintenance_running = false;
}
