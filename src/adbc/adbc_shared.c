/* SPDX-License-Identifier: Apache-2.0 */
/* An open database and the state of a connection, each ended by whoever lets go of it last; and what may be cancelled. */
#include <stdlib.h>
#include <unistd.h>

#include "adbc_internal.h"

bool adbc_handle_is_ours(const struct adbc_handle *handle)
{
    return handle->process == getpid();
}

struct adbc_handle *adbc_handle_hold(struct adbc_handle *handle)
{
    atomic_fetch_add_explicit(&handle->holders, 1, memory_order_relaxed);
    return handle;
}

void adbc_handle_release(struct adbc_handle *handle)
{
    if (handle == NULL || atomic_fetch_sub_explicit(&handle->holders, 1, memory_order_acq_rel) != 1)
        return;
    /* its threads aren't in a child of the process that opened it, so that only leaves it alone */
    if (adbc_handle_is_ours(handle))
        rhei_close(&handle->db);
    free(handle);
}

AdbcStatusCode adbc_handle_check(const struct adbc_handle *handle, struct AdbcError *error)
{
    if (handle == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "it isn't initialised yet");
    if (!adbc_handle_is_ours(handle))
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE,
                         "the database was opened by another process, and doesn't survive fork(): open it anew");
    return ADBC_STATUS_OK;
}

/* ---- Connections. ------------------------------------------------------------------------------------------------ */

struct adbc_connection *adbc_connection_hold(struct adbc_connection *connection)
{
    atomic_fetch_add_explicit(&connection->holders, 1, memory_order_relaxed);
    return connection;
}

void adbc_connection_drop(struct adbc_connection *connection)
{
    if (atomic_fetch_sub_explicit(&connection->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (connection->handle != NULL && adbc_handle_is_ours(connection->handle))
        rhei_session_close(&connection->session);
    adbc_handle_release(connection->handle);
    adbc_object_reset(&connection->object);
    pthread_mutex_destroy(&connection->work);
    pthread_mutex_destroy(&connection->runs_lock);
    free(connection);
}

AdbcStatusCode adbc_connection_check(struct adbc_connection *connection, struct AdbcError *error)
{
    if (atomic_load_explicit(&connection->closed, memory_order_acquire))
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the connection was closed");
    return adbc_handle_check(connection->handle, error);
}

AdbcStatusCode adbc_connection_of(struct AdbcConnection *connection, struct adbc_connection **out,
                                  struct AdbcError *error)
{
    *out = connection == NULL ? NULL : connection->private_data;
    return *out != NULL ? adbc_connection_check(*out, error)
                        : adbc_fail(error, ADBC_STATUS_INVALID_STATE, "there is no such connection");
}

bool adbc_in_transaction(const struct adbc_connection *connection)
{
    return connection->session != NULL && rhei_session_in_transaction(connection->session);
}

/* ---- What may be cancelled. -------------------------------------------------------------------------------------- */

struct adbc_run *adbc_run_new(struct adbc_connection *connection, const void *statement, struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    struct adbc_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        (void)adbc_no_memory(error);
        return NULL;
    }
    if (rhei_cancel_create(&run->cancel, &failure) != RHEI_OK) {
        (void)adbc_fail_with(error, &failure);
        free(run);
        return NULL;
    }
    run->connection = adbc_connection_hold(connection);
    run->statement = statement;
    pthread_mutex_lock(&connection->runs_lock);
    run->next = connection->runs;
    run->link = &connection->runs;
    if (run->next != NULL)
        run->next->link = &run->next;
    connection->runs = run;
    pthread_mutex_unlock(&connection->runs_lock);
    return run;
}

void adbc_run_free(struct adbc_run *run)
{
    if (run == NULL)
        return;
    pthread_mutex_lock(&run->connection->runs_lock);
    *run->link = run->next;
    if (run->next != NULL)
        run->next->link = run->link;
    pthread_mutex_unlock(&run->connection->runs_lock);
    rhei_cancel_destroy(&run->cancel);
    adbc_connection_drop(run->connection);
    free(run);
}

void adbc_run_cancel(struct adbc_connection *connection, const void *statement)
{
    pthread_mutex_lock(&connection->runs_lock);
    for (struct adbc_run *run = connection->runs; run != NULL; run = run->next)
        if (statement == NULL || run->statement == statement)
            rhei_cancel_raise(run->cancel);
    pthread_mutex_unlock(&connection->runs_lock);
}
