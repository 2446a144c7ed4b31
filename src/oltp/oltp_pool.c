/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers: kept up to read_pool_size, opened beyond it while callers need them. The one given back last lies in last_reader, where one
 * exchange takes it and puts it back: a lone caller meets no lock. The others lie in a list.
 */
#include "oltp/oltp_internal.h"

/* Under pool_lock, as pool_forget. */
static void pool_list(struct oltp *oltp, struct oltp_connection *reader)
{
    BASE_INVARIANT(reader->role == OLTP_READER && reader->newer == NULL);
    reader->older = oltp->readers;
    if (reader->older != NULL)
        reader->older->newer = reader;
    oltp->readers = reader;
    oltp->open_count++;
}

static void pool_forget(struct oltp *oltp, struct oltp_connection *reader)
{
    BASE_INVARIANT(oltp->open_count > 0 && (reader->newer != NULL || oltp->readers == reader));
    *(reader->newer == NULL ? &oltp->readers : &reader->newer->older) = reader->older;
    if (reader->older != NULL)
        reader->older->newer = reader->newer;
    oltp->open_count--;
    atomic_fetch_add_explicit(&oltp->counters.reads, atomic_load_explicit(&reader->reads, memory_order_relaxed),
                              memory_order_relaxed);
}

static rhei_status pool_open(struct oltp *oltp, struct oltp_connection **reader, int64_t now, struct rhei_error *error)
{
    rhei_status status = oltp_connection_open(oltp, OLTP_READER, reader, error);
    if (status == RHEI_CANT_OPEN) { /* a deleted file: say what became of it */
        rhei_status identity = oltp_identity_check(oltp, true, error);
        status = identity == RHEI_OK ? status : identity;
    }
    if (status == RHEI_OK) {
        atomic_init(&(*reader)->taken_ns, now);
        base_mutex_lock(&oltp->pool_lock);
        pool_list(oltp, *reader);
        base_mutex_unlock(&oltp->pool_lock);
    }
    return status;
}

static struct oltp_connection *pool_take_free(struct oltp *oltp)
{
    struct oltp_connection *found = atomic_exchange_explicit(&oltp->last_reader, NULL, memory_order_acquire);
    if (found != NULL)
        return found;
    base_mutex_lock(&oltp->pool_lock);
    found = oltp->free_readers;
    if (found != NULL) {
        oltp->free_readers = found->next;
        oltp->free_count--;
    }
    base_mutex_unlock(&oltp->pool_lock);
    return found;
}

rhei_status oltp_reader_take(struct oltp *oltp, struct oltp_connection **reader, struct rhei_error *error)
{
    int64_t now = base_tick_ns(); /* only to tell how long a reader has kept the log */
    rhei_status status = oltp_identity_lost(oltp) ? oltp_identity_check(oltp, false, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = oltp_opening_check(oltp, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_connection *found = pool_take_free(oltp);
    if (found != NULL) {
        atomic_store_explicit(&found->taken_ns, now, memory_order_relaxed);
        found->busy_deadline_ns = 0;
        *reader = found;
    } else {
        status = pool_open(oltp, reader, now, error);
    }
    if (status == RHEI_OK && (status = oltp_settings_apply(*reader, error)) != RHEI_OK)
        oltp_reader_give(oltp, reader);
    return status;
}

void oltp_reader_give(struct oltp *oltp, struct oltp_connection **slot)
{
    struct oltp_connection *reader = *slot;
    struct oltp_connection *none = NULL;
    *slot = NULL;
    BASE_INVARIANT(sqlite3_txn_state(reader->db, NULL) == SQLITE_TXN_NONE); /* I4: idle, it holds no snapshot */
    BASE_INVARIANT(reader->stop == NULL);
    atomic_store_explicit(&reader->taken_ns, 0, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(&oltp->last_reader, &none, reader, memory_order_release,
                                                memory_order_relaxed))
        return;
    base_mutex_lock(&oltp->pool_lock);
    if (oltp->free_count + 1 < oltp->config.read_pool_size) { /* the last one is kept, too */
        reader->next = oltp->free_readers;
        oltp->free_readers = reader;
        oltp->free_count++;
        reader = NULL;
    } else {
        pool_forget(oltp, reader);
    }
    base_mutex_unlock(&oltp->pool_lock);
    oltp_connection_close(&reader);
}

void oltp_readers_status(struct oltp *oltp, struct oltp_status *status)
{
    struct oltp_connection *last = atomic_exchange_explicit(&oltp->last_reader, NULL, memory_order_acquire);
    base_mutex_lock(&oltp->pool_lock);
    status->readers_open = oltp->open_count;
    status->readers_busy = oltp->open_count - oltp->free_count - (last != NULL);
    for (const struct oltp_connection *reader = oltp->free_readers; reader != NULL; reader = reader->next)
        status->statements_cached += reader->statement_count;
    status->reads = atomic_load_explicit(&oltp->counters.reads, memory_order_relaxed); /* of readers that are closed */
    for (const struct oltp_connection *reader = oltp->readers; reader != NULL; reader = reader->older)
        status->reads += atomic_load_explicit(&reader->reads, memory_order_relaxed);
    base_mutex_unlock(&oltp->pool_lock);
    if (last != NULL) {
        status->statements_cached += last->statement_count;
        oltp_reader_give(oltp, &last);
    }
}

int64_t oltp_readers_oldest(struct oltp *oltp, bool *backup)
{
    int64_t oldest = INT64_MAX;
    *backup = false;
    base_mutex_lock(&oltp->pool_lock);
    for (const struct oltp_connection *reader = oltp->readers; reader != NULL; reader = reader->older) {
        int64_t since = atomic_load_explicit(&reader->taken_ns, memory_order_relaxed);
        if (since == 0 || since >= oldest)
            continue;
        oldest = since;
        *backup = atomic_load_explicit(&reader->backs_up, memory_order_relaxed);
    }
    base_mutex_unlock(&oltp->pool_lock);
    return oldest;
}

void oltp_readers_close(struct oltp *oltp)
{
    struct oltp_connection *reader;
    while ((reader = pool_take_free(oltp)) != NULL)
        oltp_connection_close(&reader);
}
