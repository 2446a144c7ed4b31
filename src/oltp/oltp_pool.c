/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: kept up to read_pool_size, opened beyond it while callers need them. The one used last is given out first. */
#include "oltp/oltp_internal.h"

/* Under pool_lock, as pool_end_busy. */
static void pool_set_busy(struct oltp *oltp, struct oltp_connection *reader, int64_t now)
{
    reader->taken_ns = now;
    reader->previous = NULL;
    reader->next = oltp->busy_readers;
    if (reader->next != NULL) {
        reader->next->previous = reader;
    }
    oltp->busy_readers = reader;
}

static void pool_end_busy(struct oltp *oltp, struct oltp_connection *reader)
{
    *(reader->previous == NULL ? &oltp->busy_readers : &reader->previous->next) = reader->next;
    if (reader->next != NULL) {
        reader->next->previous = reader->previous;
    }
    reader->previous = NULL;
    reader->next = NULL;
}

static rhei_status pool_open(struct oltp *oltp, struct oltp_connection **reader, int64_t now, struct rhei_error *error)
{
    rhei_status status = oltp_connection_open(oltp, OLTP_READER, reader, error);
    if (status == RHEI_CANT_OPEN) { /* a deleted file: say what became of it */
        rhei_status identity = oltp_identity_check(oltp, true, error);
        status = identity == RHEI_OK ? status : identity;
    }
    base_mutex_lock(&oltp->pool_lock);
    if (status == RHEI_OK) {
        oltp->open_count++;
        pool_set_busy(oltp, *reader, now);
    }
    base_mutex_unlock(&oltp->pool_lock);
    return status;
}

rhei_status oltp_reader_take(struct oltp *oltp, struct oltp_connection **reader, struct rhei_error *error)
{
    int64_t now = base_tick_ns(); /* only to tell how long a reader has kept the log */
    rhei_status status = oltp_identity_lost(oltp) ? oltp_identity_check(oltp, false, error) : RHEI_OK;
    if (status == RHEI_OK) {
        status = oltp_opening_check(oltp, error);
    }
    if (status != RHEI_OK) {
        return status;
    }
    base_mutex_lock(&oltp->pool_lock);
    struct oltp_connection *found = oltp->free_readers;
    if (found != NULL) {
        oltp->free_readers = found->next;
        oltp->free_count--;
        pool_set_busy(oltp, found, now);
    }
    base_mutex_unlock(&oltp->pool_lock);
    if (found != NULL) {
        found->busy_deadline_ns = 0;
        *reader = found;
    } else {
        status = pool_open(oltp, reader, now, error);
    }
    if (status == RHEI_OK && (status = oltp_settings_apply(*reader, error)) != RHEI_OK) {
        oltp_reader_give(oltp, reader);
    }
    return status;
}

void oltp_reader_give(struct oltp *oltp, struct oltp_connection **slot)
{
    struct oltp_connection *reader = *slot;
    *slot = NULL;
    base_mutex_lock(&oltp->pool_lock);
    pool_end_busy(oltp, reader);
    if (oltp->free_count < oltp->config.read_pool_size) {
        reader->next = oltp->free_readers;
        oltp->free_readers = reader;
        oltp->free_count++;
        reader = NULL;
    } else {
        oltp->open_count--;
    }
    base_mutex_unlock(&oltp->pool_lock);
    oltp_connection_close(&reader);
}
