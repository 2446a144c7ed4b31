/* SPDX-License-Identifier: Apache-2.0 */
/* Which schema is current, and how a change of it by anybody is noticed. */
#include "capture/capture_internal.h"

/* After a try in vain to settle a schema without waiting: no other one for so long, or so many times what it took. */
enum { SETTLE_PAUSE_NS = 2000000, SETTLE_SHARE = 20 };

uint64_t capture_schema_version(const struct oltp *oltp)
{
    return oltp_version_with(atomic_load_explicit(&capture_of(oltp)->schema_version, memory_order_acquire),
                             oltp_shown_newest(oltp));
}

void capture_schema_publish(struct oltp *oltp, struct oltp_schema *schema)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    struct oltp_schema *old = capture_of(oltp)->schema;
    BASE_INVARIANT(schema != old && schema->catalog.tables != NULL);
    schema->catalog.schema_version = atomic_load_explicit(&capture_of(oltp)->schema_version, memory_order_relaxed) + 1;
    capture_of(oltp)->schema = schema;
    if (schema->highest_number > atomic_load_explicit(&capture_of(oltp)->highest_table, memory_order_relaxed))
        atomic_store_explicit(&capture_of(oltp)->highest_table, schema->highest_number, memory_order_relaxed);
    atomic_fetch_add_explicit(&capture_of(oltp)->tables_read, schema->read_count, memory_order_relaxed);
    atomic_store_explicit(&capture_of(oltp)->schema_version, schema->catalog.schema_version, memory_order_release);
    bool waiting = schema->waiting > 0;
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    capture_schema_release(old);
    if (waiting)
        oltp_upkeep_later(oltp, base_now_ns() + CAPTURE_WAIT_NS);
}

bool capture_schema_has_log(struct oltp *oltp)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    bool has = capture_of(oltp)->schema != NULL && capture_of(oltp)->schema->has_log;
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return has;
}

static bool catalog_cookie_is(struct oltp *oltp, int64_t cookie)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    bool same = capture_of(oltp)->schema != NULL && capture_of(oltp)->schema->cookie == cookie;
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return same;
}

/* Ends the writer's transaction after capture was settled in it with `status`; takes the reference. */
static rhei_status catalog_commit(struct oltp *oltp, rhei_status status, struct oltp_schema *schema,
                                  struct rhei_error *error)
{
    BASE_INVARIANT(oltp->writer_busy); /* I6, W1 */
    const struct oltp_stop *stop = oltp->writer->stop;
    oltp_fault(oltp, "capture.commit");
    oltp->writer->stop = NULL; /* both are finished once begun */
    if (status == RHEI_OK)
        status = oltp_exec(oltp->writer, "COMMIT", error);
    if (status != RHEI_OK)
        oltp_exec(oltp->writer, "ROLLBACK", NULL);
    oltp->writer->stop = stop;
    if (status != RHEI_OK) {
        oltp_rolled_back(oltp);
        capture_schema_release(schema);
        error_context(error, "change capture: ");
        return status;
    }
    capture_schema_publish(oltp, schema);
    oltp_kept_up(oltp);
    return RHEI_OK;
}

/* `base` (may be NULL): a schema that was just read, or the handle's. */
static rhei_status catalog_recapture(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                                     struct rhei_error *error)
{
    int64_t cookie = 0;
    uint64_t token = oltp->wal_index == NULL ? 0 : oltp_commit_token(oltp);
    rhei_status status = oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, error);
    bool current = status == RHEI_OK && catalog_cookie_is(oltp, cookie);
    capture_of(oltp)->writer_token = current ? token : 0;
    if (status != RHEI_OK || current)
        return status;
    struct oltp_schema *schema = NULL;
    status = oltp_exec(oltp->writer, "BEGIN IMMEDIATE", error);
    if (status != RHEI_OK)
        return status;
    status = capture_apply(oltp, cause, base, CAPTURE_ALL, NULL, &schema, error);
    return catalog_commit(oltp, status, schema, error);
}

rhei_status capture_schema_refresh_locked(struct oltp *oltp, enum capture_cause cause, struct rhei_error *error)
{
    struct oltp_schema *base = capture_schema_hold(oltp);
    rhei_status status = catalog_recapture(oltp, cause, base, error);
    capture_schema_release(base);
    return status;
}

/* With the writer held and no transaction open. `base`: the handle's schema, in which tables wait. */
static rhei_status catalog_finish(struct oltp *oltp, struct oltp_schema *base, struct rhei_error *error)
{
    int64_t cookie = 0;
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_exec(oltp->writer, "BEGIN IMMEDIATE", error);
    if (status != RHEI_OK)
        return status;
    status = oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status == RHEI_OK && cookie != base->cookie) { /* others changed it since: all of it is settled */
        oltp_exec(oltp->writer, "ROLLBACK", NULL);
        return catalog_recapture(oltp, CAPTURE_BY_OTHERS, base, error);
    }
    if (status == RHEI_OK)
        status = capture_apply(oltp, CAPTURE_BY_US, base, CAPTURE_WAITING, NULL, &schema, error);
    return catalog_commit(oltp, status, schema, error);
}

static struct oltp_schema *catalog_hold_waiting(struct oltp *oltp)
{
    struct oltp_schema *schema = capture_schema_hold(oltp);
    if (schema != NULL && schema->waiting == 0) {
        capture_schema_release(schema);
        schema = NULL;
    }
    return schema;
}

rhei_status capture_finish_tables(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop,
                                  struct rhei_error *error)
{
    struct oltp_schema *schema = catalog_hold_waiting(oltp);
    if (schema == NULL)
        return RHEI_OK;
    capture_schema_release(schema);
    rhei_status status = oltp_writer_acquire_while(oltp, deadline_ns, stop, error);
    if (status == RHEI_OK) {
        oltp_connection_watch(oltp->writer, stop);
        schema = catalog_hold_waiting(oltp); /* with the writer held nobody makes another one */
        status = schema == NULL ? RHEI_OK : catalog_finish(oltp, schema, error);
        capture_schema_release(schema);
        oltp_connection_watch(oltp->writer, NULL);
        oltp_writer_release(oltp);
    }
    if (status != RHEI_OK)
        oltp_upkeep_later(oltp, base_now_ns() + CAPTURE_WAIT_NS);
    return status;
}

void capture_schema_finish(struct oltp *oltp, int64_t deadline_ns)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = capture_finish_tables(oltp, deadline_ns, NULL, &why);
    if (status != RHEI_OK && status != RHEI_BUSY && status != RHEI_REPLACED)
        base_log_write(oltp->config.log, BASE_LOG_WARN, "capture", "new tables aren't captured yet: %s", why.message);
}

/*
 * Without writing: all that a read-only handle can do, and enough for any other one when every trigger is already as it
 * should be, so that an open or a read doesn't wait for another process's write. *taken: the schema was published; else
 * *read is what was found, a reference.
 */
static rhei_status catalog_reload(struct oltp *oltp, bool *taken, struct oltp_schema **read, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL, *base = capture_schema_hold(oltp);
    bool complete = false;
    *taken = false;
    *read = NULL;
    rhei_status status = oltp_exec(oltp->describer, "BEGIN", error);
    if (status != RHEI_OK) {
        capture_schema_release(base);
        return status;
    }
    status = capture_schema_load(oltp->describer, base, &schema, error);
    if (status == RHEI_OK)
        status = capture_match(oltp, oltp->describer, schema, &complete, error);
    oltp_exec(oltp->describer, "COMMIT", NULL);
    capture_schema_release(base);
    if (status != RHEI_OK) {
        capture_schema_release(schema);
        return status;
    }
    if (!complete && oltp_captures(oltp)) {
        *read = schema;
        return RHEI_OK;
    }
    capture_schema_publish(oltp, schema);
    *taken = true;
    return RHEI_OK;
}

uint64_t capture_schema_version_of(struct oltp *oltp, int64_t cookie)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    bool same = capture_of(oltp)->schema != NULL && capture_of(oltp)->schema->cookie == cookie;
    uint64_t version = same ? capture_of(oltp)->schema->catalog.schema_version : 0;
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return version;
}

/* deadline_ns as oltp_writer_acquire has it; in the past: not to wait at all. */
static rhei_status schema_refresh(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error)
{
    int64_t cookie = 0;
    uint64_t token = oltp_commit_token(oltp);
    struct oltp_schema *read = NULL;
    base_mutex_lock(&oltp->describe_lock);
    rhei_status status = oltp_query_int(oltp->describer, "PRAGMA main.schema_version", 0, &cookie, error);
    bool known = status == RHEI_OK && catalog_cookie_is(oltp, cookie);
    if (status == RHEI_OK && !known)
        status = catalog_reload(oltp, &known, &read, error);
    base_mutex_unlock(&oltp->describe_lock);
    if (status == RHEI_OK && !known) {
        status = oltp_writer_acquire(oltp, deadline_ns, error);
        if (status == RHEI_OK) {
            status = catalog_recapture(oltp, CAPTURE_BY_OTHERS, read, error);
            oltp_writer_release(oltp);
        }
    }
    capture_schema_release(read);
    if (status == RHEI_OK)
        atomic_store_explicit(&capture_of(oltp)->schema_token, token, memory_order_release);
    return status;
}

rhei_status capture_schema_refresh(struct oltp *oltp, struct rhei_error *error)
{
    return schema_refresh(oltp, 0, error);
}

/* What failed is tried again after a commit or a while: it costs a look at the whole schema. */
rhei_status capture_schema_settle(struct oltp *oltp, struct rhei_error *error)
{
    uint64_t token = oltp_commit_token(oltp);
    if (atomic_load_explicit(&capture_of(oltp)->unsettled_token, memory_order_acquire) == token &&
        base_now_ns() < atomic_load_explicit(&capture_of(oltp)->unsettled_until, memory_order_relaxed))
        return error_set(error, RHEI_BUSY, "a writer holds back the capture of a changed schema");
    int64_t started = base_now_ns();
    rhei_status status = schema_refresh(oltp, 1, error);
    if (status != RHEI_OK) {
        int64_t now = base_now_ns(), took = now - started;
        int64_t pause = took * SETTLE_SHARE > SETTLE_PAUSE_NS ? took * SETTLE_SHARE : SETTLE_PAUSE_NS;
        atomic_store_explicit(&capture_of(oltp)->unsettled_until, now + pause, memory_order_relaxed);
        atomic_store_explicit(&capture_of(oltp)->unsettled_token, token, memory_order_release);
    }
    return status;
}

static rhei_status schema_take(struct oltp *oltp, rhei_status (*refresh)(struct oltp *, struct rhei_error *),
                               struct oltp_schema **schema, struct rhei_error *error)
{
    if (atomic_load_explicit(&capture_of(oltp)->schema_token, memory_order_acquire) != oltp_commit_token(oltp) ||
        oltp_is_blind(oltp)) {
        rhei_status status = refresh(oltp, error);
        if (status != RHEI_OK)
            return status;
    }
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    *schema = capture_of(oltp)->schema;
    atomic_fetch_add_explicit(&capture_of(oltp)->schema->references, 1, memory_order_relaxed);
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return RHEI_OK;
}

rhei_status capture_schema_take(struct oltp *oltp, struct oltp_schema **schema, struct rhei_error *error)
{
    rhei_status here = oltp_identity_check(oltp, false, error);
    if (here != RHEI_OK)
        return here;
    return schema_take(oltp, capture_schema_refresh, schema, error);
}

rhei_status capture_catalog_try(struct oltp *oltp, const struct capture_catalog **catalog, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = schema_take(oltp, capture_schema_settle, &schema, error);
    *catalog = NULL;
    return status == RHEI_OK ? capture_catalog_join(oltp, schema, catalog, error) : status;
}

rhei_status capture_catalog_take(struct oltp *oltp, const struct capture_catalog **catalog, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    capture_schema_finish(oltp, 1);
    rhei_status status = capture_schema_take(oltp, &schema, error);
    *catalog = NULL;
    return status == RHEI_OK ? capture_catalog_join(oltp, schema, catalog, error) : status;
}

void capture_catalog_release(const struct capture_catalog **catalog)
{
    if (*catalog != NULL && (*catalog)->joined) {
        capture_joined_release((struct capture_joined *)(uintptr_t)*catalog); /* as below */
        *catalog = NULL;
    } else if (*catalog != NULL) {
        /* the catalog is the schema's first member, and the schema was never const */
        capture_schema_release((struct oltp_schema *)(uintptr_t)*catalog);
        *catalog = NULL;
    }
}
