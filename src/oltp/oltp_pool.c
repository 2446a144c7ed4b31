/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: kept up to read_pool_size, opened beyond it while callers need them. The one used last is given out first. */
#include "oltp/oltp_internal.h"

rhei_status oltp_reader_take(struct oltp *oltp, struct oltp_connection **reader, struct rhei_error *error)
{
    rhei_status status = oltp_identity_check(oltp, false, error);
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
    } else {
        oltp->open_count++;
    }
    base_mutex_unlock(&oltp->pool_lock);
    if (found != NULL) {
        found->next = NULL;
        found->busy_deadline_ns = 0;
        *reader = found;
    } else {
        status = oltp_connection_open(oltp, OLTP_READER, reader, error);
    }
    if (status == RHEI_OK && (status = oltp_settings_apply(*reader, error)) != RHEI_OK) {
        oltp_connection_close(reader);
    }
    if (status != RHEI_OK) {
        base_mutex_lock(&oltp->pool_lock);
        oltp->open_count--;
        base_mutex_unlock(&oltp->pool_lock);
    }
    return status;
}

void oltp_reader_give(struct oltp *oltp, struct oltp_connection **slot)
{
    struct oltp_connection *reader = *slot;
    *slot = NULL;
    base_mutex_lock(&oltp->pool_lock);
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
