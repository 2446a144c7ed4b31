/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients hold by a handle: prepared statements, transactions, savepoints. A handle is a number, sealed for its user.
 *
 * Invariants:
 * H1. A prepared statement is a text and the parameters bound last; a run copies what it needs and holds no lock. Plans are the engine's business,
 *     which knows them by text.
 * H2. A transaction begins with its first write: until then it is nothing but a number, and what it reads is read as outside of it. So clients
 *     that have one open all the time (every DB-API's default) keep the column store's answers, and hold up nobody.
 * H3. Who makes a transaction busy uses its session alone, until it leaves.
 * H4. A transaction that the engine rolled back runs nothing any more, until it is ended: what follows would commit by itself.
 * H5. On a connection, the next transaction takes the place of the one that was ended, for the statements that were prepared in it: drivers go on to run
 *     them (a DB-API cursor prepares a text once, whatever is committed in between).
 * H6. What nobody uses goes: a transaction that wrote after a minute or what the options say, everything else after an hour.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "flight_internal.h"

#define BUSY_NS INT64_C(5000000000)

rhei_status flight_seal_id(struct flight_work *work, enum flight_seal_use use, const uint64_t *ids, size_t count,
                           struct base_buffer *out)
{
    unsigned char bytes[16];
    for (size_t i = 0; i < count; i++)
        base_words_set8(bytes + 8 * i, ids[i]);
    flight_seal_close(&work->server->seal, use, work->user->name, INT64_MAX, bytes, 8 * count, out);
    return out->failed ? error_no_memory(&work->error) : RHEI_OK;
}

bool flight_open_ids(struct flight_work *work, enum flight_seal_use use, struct flight_bytes sealed, uint64_t *ids,
                     size_t count)
{
    struct base_buffer body = {0};
    bool good = flight_seal_open(&work->server->seal, use, work->user->name, sealed, &body) && body.len == 8 * count;
    for (size_t i = 0; good && i < count; i++)
        ids[i] = base_words_get8((const unsigned char *)body.data + 8 * i);
    base_buffer_reset(&body);
    return good;
}

static size_t count_of_user(const struct base_map *map, const char *user)
{
    size_t cursor = 0, count = 0, len;
    const char *key;
    void *value;
    while (base_map_next(map, &cursor, &key, &len, &value))
        count += strcmp(((struct flight_held *)value)->user, user) == 0;
    return count;
}

/* Gives it a number, and its user the handle. After an error it is still the caller's. */
static rhei_status keep(struct flight_work *work, struct base_map *map, struct flight_held *held,
                        enum flight_seal_use use, const char *what, struct base_buffer *handle)
{
    struct rhei_flight *server = work->server;
    held->used_ns = base_now_ns();
    base_mutex_lock(&server->lock);
    held->id = ++server->next_id;
    base_mutex_unlock(&server->lock);
    rhei_status status = flight_seal_id(work, use, &held->id, 1, handle);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&server->lock);
    if (count_of_user(map, held->user) >= FLIGHT_HANDLES)
        status = error_set(&work->error, RHEI_MEMORY_LIMIT, "there are %d open %s of this user already: close some",
                           FLIGHT_HANDLES, what);
    else if (!base_map_put(map, (const char *)&held->id, sizeof held->id, held, NULL))
        status = error_no_memory(&work->error);
    base_mutex_unlock(&server->lock);
    return status;
}

/* ---- Prepared statements ------------------------------------------------------------------------------------------ */

static void prepared_free(struct flight_prepared *prepared)
{
    if (prepared == NULL)
        return;
    flight_params_unref(&prepared->params);
    base_buffer_reset(&prepared->transaction);
    base_free(prepared->orphan_of);
    base_free(prepared->held.user);
    base_free(prepared->sql);
    base_free(prepared);
}

static struct flight_prepared *prepared_new(struct flight_work *work, const char *sql, struct flight_bytes transaction)
{
    struct flight_prepared *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->held.user = base_strdup(work->user->name);
    made->sql = base_strdup(sql);
    base_buffer_append(&made->transaction, transaction.bytes, transaction.len);
    (void)flight_open_ids(work, FLIGHT_SEAL_TRANSACTION, transaction, &made->transaction_id, 1);
    if (made->held.user == NULL || made->sql == NULL || made->transaction.failed) {
        prepared_free(made);
        return NULL;
    }
    return made;
}

rhei_status flight_prepared_add(struct flight_work *work, const char *sql, uint32_t parameters,
                                struct flight_bytes transaction, struct base_buffer *handle)
{
    struct flight_prepared *made = prepared_new(work, sql, transaction);
    if (made == NULL)
        return error_no_memory(&work->error);
    made->parameters = parameters;
    rhei_status status =
        keep(work, work->server->prepared, &made->held, FLIGHT_SEAL_PREPARED, "prepared statements", handle);
    if (status != RHEI_OK)
        prepared_free(made);
    return status;
}

/* Under the lock. NULL: the error is set. */
static struct flight_prepared *find_prepared(struct flight_work *work, struct flight_bytes handle)
{
    uint64_t id = 0;
    struct flight_prepared *prepared = NULL;
    if (flight_open_ids(work, FLIGHT_SEAL_PREPARED, handle, &id, 1))
        prepared = base_map_find(work->server->prepared, (const char *)&id, sizeof id);
    if (prepared != NULL)
        prepared->held.used_ns = base_now_ns();
    else
        (void)error_set(
            &work->error, RHEI_NOT_FOUND,
            "there is no such prepared statement: it was closed, wasn't used for an hour, or is another user's");
    return prepared;
}

rhei_status flight_prepared_take(struct flight_work *work, struct flight_bytes handle, struct flight_prepared_run *run)
{
    *run = (struct flight_prepared_run){0};
    base_mutex_lock(&work->server->lock);
    const struct flight_prepared *prepared = find_prepared(work, handle);
    if (prepared != NULL) {
        char *transaction = base_arena_alloc(&work->arena, prepared->transaction.len + 1);
        run->sql = base_arena_text(&work->arena, prepared->sql);
        if (transaction != NULL && prepared->transaction.len > 0)
            memcpy(transaction, prepared->transaction.data, prepared->transaction.len);
        run->transaction = (struct flight_bytes){transaction, prepared->transaction.len, prepared->transaction.len > 0};
        run->params = prepared->params;
        if (run->params != NULL)
            atomic_fetch_add(&run->params->references, 1);
        run->generation = prepared->generation;
        run->parameters = prepared->parameters;
        if (transaction == NULL || run->sql == NULL)
            (void)error_no_memory(&work->error);
    }
    base_mutex_unlock(&work->server->lock);
    if (work->error.code != RHEI_OK)
        flight_params_unref(&run->params);
    return work->error.code;
}

rhei_status flight_prepared_bind(struct flight_work *work, struct flight_bytes handle, struct flight_params *params)
{
    base_mutex_lock(&work->server->lock);
    struct flight_prepared *prepared = find_prepared(work, handle);
    if (prepared != NULL) {
        struct flight_params *old = prepared->params;
        prepared->params = params;
        prepared->generation++;
        params = old;
    }
    base_mutex_unlock(&work->server->lock);
    flight_params_unref(&params);
    return work->error.code;
}

void flight_prepared_close(struct flight_work *work, struct flight_bytes handle)
{
    uint64_t id = 0;
    if (!flight_open_ids(work, FLIGHT_SEAL_PREPARED, handle, &id, 1))
        return;
    base_mutex_lock(&work->server->lock);
    struct flight_prepared *old = base_map_remove(work->server->prepared, (const char *)&id, sizeof id);
    base_mutex_unlock(&work->server->lock);
    prepared_free(old);
}

/* ---- The transaction that comes next (H5) ------------------------------------------------------------------------- */

static void orphan_prepared(struct flight_work *work, uint64_t transaction_id)
{
    size_t cursor = 0, len;
    const char *key;
    void *value;
    base_mutex_lock(&work->server->lock);
    while (base_map_next(work->server->prepared, &cursor, &key, &len, &value)) {
        struct flight_prepared *prepared = value;
        if (prepared->transaction_id == transaction_id && prepared->orphan_of == NULL)
            prepared->orphan_of = base_strdup(flight_call_peer(work->call)); /* without memory it stays one of nobody */
    }
    base_mutex_unlock(&work->server->lock);
}

static void adopt_prepared(struct flight_work *work, uint64_t transaction_id, const struct base_buffer *handle)
{
    size_t cursor = 0, len;
    const char *key;
    void *value;
    base_mutex_lock(&work->server->lock);
    while (base_map_next(work->server->prepared, &cursor, &key, &len, &value)) {
        struct flight_prepared *prepared = value;
        if (prepared->orphan_of == NULL || strcmp(prepared->orphan_of, flight_call_peer(work->call)) != 0 ||
            strcmp(prepared->held.user, work->user->name) != 0)
            continue;
        struct base_buffer copy = {0};
        base_buffer_append(&copy, handle->data, handle->len);
        if (copy.failed)
            continue;
        base_buffer_reset(&prepared->transaction);
        prepared->transaction = copy;
        prepared->transaction_id = transaction_id;
        base_free(prepared->orphan_of);
        prepared->orphan_of = NULL;
    }
    base_mutex_unlock(&work->server->lock);
}

/* ---- Transactions ------------------------------------------------------------------------------------------------- */

static void transaction_free(struct flight_transaction *transaction)
{
    if (transaction == NULL)
        return;
    rhei_session_close(&transaction->session); /* rolls back what is open */
    base_free(transaction->savepoints);
    base_free(transaction->held.user);
    base_free(transaction);
}

rhei_status flight_transaction_begin(struct flight_work *work, struct base_buffer *handle)
{
    struct flight_transaction *made = base_alloc_zero(1, sizeof *made);
    if (made != NULL)
        made->held.user = base_strdup(work->user->name);
    if (made == NULL || made->held.user == NULL) {
        transaction_free(made);
        return error_no_memory(&work->error);
    }
    rhei_status status =
        keep(work, work->server->transactions, &made->held, FLIGHT_SEAL_TRANSACTION, "transactions", handle);
    if (status != RHEI_OK)
        transaction_free(made);
    else
        adopt_prepared(work, made->held.id, handle);
    return status;
}

static rhei_status not_there(struct flight_work *work)
{
    return error_set(&work->error, RHEI_NOT_FOUND,
                     "there is no such transaction: it was ended, was rolled back because nobody used it for too long, "
                     "or is another user's");
}

/* Makes it busy. */
static rhei_status claim(struct flight_work *work, uint64_t id)
{
    struct rhei_flight *server = work->server;
    int64_t deadline_ns = base_now_ns() + BUSY_NS;
    struct flight_transaction *found;
    bool in_time = true;
    base_mutex_lock(&server->lock);
    while ((found = base_map_find(server->transactions, (const char *)&id, sizeof id)) != NULL && found->busy &&
           in_time)
        in_time = base_cond_wait_until(&server->released, &server->lock, deadline_ns) || base_now_ns() < deadline_ns;
    bool claimed = found != NULL && !found->busy;
    if (claimed) {
        found->busy = true;
        work->transaction = found;
    }
    base_mutex_unlock(&server->lock);
    if (found == NULL)
        return not_there(work);
    return claimed ? RHEI_OK
                   : error_set(&work->error, RHEI_BUSY,
                               "another statement of this transaction runs still, or its result isn't read to its end");
}

void flight_transaction_leave(struct flight_work *work)
{
    struct flight_transaction *transaction = work->transaction;
    struct rhei_flight *server = work->server;
    work->transaction = NULL;
    if (transaction == NULL)
        return;
    base_mutex_lock(&server->lock);
    bool ended = transaction->ended;
    transaction->busy = false;
    transaction->held.used_ns = base_now_ns();
    if (ended)
        (void)base_map_remove(server->transactions, (const char *)&transaction->held.id, sizeof transaction->held.id);
    base_cond_broadcast(&server->released);
    base_mutex_unlock(&server->lock);
    if (ended)
        transaction_free(transaction);
}

static rhei_status run(struct flight_work *work, const char *sql)
{
    struct rhei_call_options limits = flight_limits(work);
    return rhei_session_execute_with(work->transaction->session, sql, NULL, &limits, NULL, &work->error);
}

static rhei_status begin(struct flight_work *work)
{
    struct flight_transaction *transaction = work->transaction;
    if (transaction->session != NULL && !rhei_session_in_transaction(transaction->session))
        return error_set(&work->error, RHEI_TRANSACTION,
                         "this transaction was rolled back by an error before, and can only be ended");
    return RHEI_OK;
}

rhei_status flight_transaction_enter(struct flight_work *work, struct flight_bytes handle, bool writes)
{
    uint64_t id = 0;
    if (!flight_open_ids(work, FLIGHT_SEAL_TRANSACTION, handle, &id, 1))
        return not_there(work);
    rhei_status status = claim(work, id);
    if (status == RHEI_OK)
        status = begin(work);
    if (status == RHEI_OK && writes && work->transaction->session == NULL) {
        status = rhei_session_open(work->server->db, &work->transaction->session, &work->error);
        if (status == RHEI_OK)
            status = run(work, "BEGIN IMMEDIATE");
        if (status != RHEI_OK)
            rhei_session_close(&work->transaction->session); /* as if it hadn't been tried */
    }
    if (status != RHEI_OK)
        flight_transaction_leave(work);
    return status;
}

rhei_status flight_transaction_end(struct flight_work *work, struct flight_bytes handle, bool commit)
{
    uint64_t id = 0;
    if (!flight_open_ids(work, FLIGHT_SEAL_TRANSACTION, handle, &id, 1))
        return not_there(work);
    rhei_status status = claim(work, id);
    if (status != RHEI_OK)
        return status;
    rhei_session *session = work->transaction->session;
    if (session != NULL && commit && !rhei_session_in_transaction(session))
        status = error_set(&work->error, RHEI_TRANSACTION,
                           "nothing was committed: this transaction was rolled back by an error before");
    else if (session != NULL && commit)
        status = run(work, "COMMIT");
    /* a commit that had to wait for too long may be tried again; closing the session rolls back */
    bool ended = session == NULL || !commit || !rhei_session_in_transaction(session);
    work->transaction->ended = ended;
    flight_transaction_leave(work);
    if (ended)
        orphan_prepared(work, id);
    return status;
}

/* ---- Savepoints --------------------------------------------------------------------------------------------------- */

static rhei_status run_savepoint(struct flight_work *work, const char *words, uint64_t number)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "%s _flight_%llu", words, (unsigned long long)number);
    return run(work, sql);
}

rhei_status flight_savepoint_begin(struct flight_work *work, struct flight_bytes transaction,
                                   struct base_buffer *handle)
{
    rhei_status status = flight_transaction_enter(work, transaction, true);
    if (status != RHEI_OK)
        return status;
    struct flight_transaction *within = work->transaction;
    uint64_t ids[2] = {within->held.id, within->next_savepoint++};
    void *savepoints = within->savepoints;
    if (!base_grow(&savepoints, &within->savepoint_capacity, within->savepoint_count + 1, sizeof *within->savepoints))
        status = error_no_memory(&work->error);
    within->savepoints = savepoints;
    if (status == RHEI_OK)
        status = run_savepoint(work, "SAVEPOINT", ids[1]);
    if (status == RHEI_OK)
        within->savepoints[within->savepoint_count++] = ids[1];
    if (status == RHEI_OK)
        status = flight_seal_id(work, FLIGHT_SEAL_SAVEPOINT, ids, 2, handle);
    flight_transaction_leave(work);
    return status;
}

rhei_status flight_savepoint_end(struct flight_work *work, struct flight_bytes handle, bool release)
{
    uint64_t ids[2] = {0};
    if (!flight_open_ids(work, FLIGHT_SEAL_SAVEPOINT, handle, ids, 2))
        return error_set(&work->error, RHEI_NOT_FOUND, "there is no such savepoint");
    rhei_status status = claim(work, ids[0]);
    if (status == RHEI_OK)
        status = begin(work);
    struct flight_transaction *within = work->transaction;
    size_t at = 0;
    while (status == RHEI_OK && at < within->savepoint_count && within->savepoints[at] != ids[1])
        at++;
    if (status == RHEI_OK && at == within->savepoint_count)
        status = error_set(&work->error, RHEI_NOT_FOUND,
                           "there is no such savepoint any more: it was released, or one before it ended");
    if (status == RHEI_OK)
        status = run_savepoint(work, release ? "RELEASE" : "ROLLBACK TO", ids[1]);
    if (status == RHEI_OK)
        within->savepoint_count = release ? at : at + 1;
    flight_transaction_leave(work);
    return status;
}

/* ---- Tickets that can't be used any more -------------------------------------------------------------------------- */

rhei_status flight_nonce_add(struct flight_work *work, const char nonce[FLIGHT_SEAL_NONCE])
{
    struct rhei_flight *server = work->server;
    base_mutex_lock(&server->lock);
    bool known = base_map_find(server->nonces, nonce, FLIGHT_SEAL_NONCE) != NULL;
    bool many = base_map_count(server->nonces) >= FLIGHT_NONCES;
    /* the value is when it may be forgotten: behind the ticket's own end */
    uintptr_t until_s = (uintptr_t)((base_now_ns() + FLIGHT_TICKET_MS * INT64_C(1000000)) / 1000000000) + 2;
    union {
        uintptr_t number;
        void *pointer;
    } value = {.number = until_s};
    bool kept = !known && !many && base_map_put(server->nonces, nonce, FLIGHT_SEAL_NONCE, value.pointer, NULL);
    base_mutex_unlock(&server->lock);
    if (known)
        return RHEI_EXISTS;
    return kept ? RHEI_OK
                : error_set(&work->error, RHEI_BUSY,
                            "too many statements that write were asked for in the last minutes: "
                            "run them as updates");
}

bool flight_nonce_known(struct rhei_flight *server, const char nonce[FLIGHT_SEAL_NONCE])
{
    base_mutex_lock(&server->lock);
    bool known = base_map_find(server->nonces, nonce, FLIGHT_SEAL_NONCE) != NULL;
    base_mutex_unlock(&server->lock);
    return known;
}

/* ---- What nobody uses --------------------------------------------------------------------------------------------- */

enum { SWEEP_MOST = 64 };

static bool is_old(const struct rhei_flight *server, int64_t used_ns, bool wrote, bool all)
{
    int64_t idle_ns = wrote ? server->transaction_ns : FLIGHT_HANDLE_IDLE_MS * INT64_C(1000000);
    return all || base_now_ns() - used_ns > idle_ns;
}

/* Up to SWEEP_MOST of them, taken out of the maps. */
static size_t take_old(struct rhei_flight *server, bool all, struct flight_prepared **prepared,
                       struct flight_transaction **transactions)
{
    size_t cursor = 0, len, made = 0, ended = 0;
    const char *key;
    void *value;
    while (made < SWEEP_MOST && base_map_next(server->prepared, &cursor, &key, &len, &value))
        if (is_old(server, ((struct flight_held *)value)->used_ns, false, all))
            prepared[made++] = value;
    cursor = 0;
    while (ended < SWEEP_MOST && base_map_next(server->transactions, &cursor, &key, &len, &value)) {
        struct flight_transaction *one = value;
        if (!one->busy && is_old(server, one->held.used_ns, one->session != NULL, all))
            transactions[ended++] = one;
    }
    for (size_t i = 0; i < made; i++)
        (void)base_map_remove(server->prepared, (const char *)&prepared[i]->held.id, sizeof prepared[i]->held.id);
    for (size_t i = 0; i < ended; i++)
        (void)base_map_remove(server->transactions, (const char *)&transactions[i]->held.id,
                              sizeof transactions[i]->held.id);
    return made > ended ? made : ended;
}

static void forget_nonces(struct rhei_flight *server)
{
    char old[SWEEP_MOST][FLIGHT_SEAL_NONCE];
    uintptr_t now_s = (uintptr_t)(base_now_ns() / 1000000000);
    size_t cursor = 0, len, count = 0;
    const char *key;
    void *value;
    while (count < SWEEP_MOST && base_map_next(server->nonces, &cursor, &key, &len, &value))
        if ((uintptr_t)value < now_s)
            memcpy(old[count++], key, FLIGHT_SEAL_NONCE);
    for (size_t i = 0; i < count; i++)
        (void)base_map_remove(server->nonces, old[i], FLIGHT_SEAL_NONCE);
}

void flight_handles_sweep(struct rhei_flight *server, bool all)
{
    size_t found;
    do {
        struct flight_prepared *prepared[SWEEP_MOST] = {0};
        struct flight_transaction *transactions[SWEEP_MOST] = {0};
        base_mutex_lock(&server->lock);
        found = take_old(server, all, prepared, transactions);
        forget_nonces(server);
        base_mutex_unlock(&server->lock);
        for (size_t i = 0; i < SWEEP_MOST; i++) {
            if (transactions[i] != NULL && transactions[i]->session != NULL && !all)
                base_log_write(&server->log, BASE_LOG_WARN, "flight",
                               "a transaction of user \"%s\" was rolled back: nobody used it for %lld s",
                               transactions[i]->held.user, (long long)(server->transaction_ns / 1000000000));
            transaction_free(transactions[i]);
            prepared_free(prepared[i]);
        }
    } while (found == SWEEP_MOST);
}
