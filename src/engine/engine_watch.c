/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions: which tables changed, and up to which position they are shown.
 *
 *   W1. `pending` holds what the cycle that runs has told; a publish moves it to every watcher that asked for such a table.
 *   W2. A set of names has at most SET_MOST of them; beyond, or without memory, it is `all`. So what a watcher that nobody reads from
 *       costs is bounded, and a change may be told too broadly, never not at all.
 *   W3. A watcher's descriptor is readable exactly while its set isn't empty, and `wake` was called when it last became so.
 *
 * Lock order: sync's -> `lock` -> nothing. The owner of a cycle takes it, for a few names at a time; a watcher in
 * rhei_watch_next too.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base_map.h"
#include "base/base_thread.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

enum {
    SET_MOST = 1024,
    SLICE_NS = 50000000, /* how late a waiting watcher may notice its cancel */
};

struct name_set {
    char **names;
    size_t count, capacity;
    bool all;
};

struct rhei_watcher {
    struct rhei_watcher *next;
    struct engine_watches *watches;
    struct name_set filter; /* `all`: every table */
    struct name_set changed;
    int64_t position;
    bool told; /* `changed` isn't empty */
    void (*wake)(void *context);
    void *wake_context;
    const struct rhei_cancel *cancel;
    base_cond cond;
    int fd;
    struct name_set taken; /* the owner's: what the last event told */
};

struct engine_watches {
    struct sync *sync; /* of the first watcher on */
    base_mutex lock;
    struct rhei_watcher *first;
    struct name_set pending;
};

/* ---- Sets of names. ---------------------------------------------------------------------------------------------- */

static void set_clear(struct name_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        base_free(set->names[i]);
    set->count = 0;
    set->all = false;
}

static void set_reset(struct name_set *set)
{
    set_clear(set);
    base_free(set->names);
    *set = (struct name_set){0};
}

static void set_all(struct name_set *set)
{
    set_clear(set);
    set->all = true;
}

static bool set_has(const struct name_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (base_fold_compare(set->names[i], name) == 0)
            return true;
    return set->all;
}

static bool set_empty(const struct name_set *set)
{
    return set->count == 0 && !set->all;
}

static void set_add(struct name_set *set, const char *name)
{
    if (set_has(set, name))
        return;
    char *copy = set->count < SET_MOST ? base_strdup(name) : NULL;
    if (copy == NULL || !base_grow((void **)&set->names, &set->capacity, set->count + 1, sizeof *set->names)) {
        base_free(copy);
        set_all(set);
        return;
    }
    set->names[set->count++] = copy;
}

/* ---- What sync tells. -------------------------------------------------------------------------------------------- */

static void changed(void *context, const char *table)
{
    struct engine_watches *watches = context;
    base_mutex_lock(&watches->lock);
    if (watches->first != NULL)
        set_add(&watches->pending, table);
    base_mutex_unlock(&watches->lock);
}

/* Of `all`, a watcher with a filter gets the names that it waits for. */
static void take_over(struct rhei_watcher *watcher, const struct name_set *pending)
{
    const struct name_set *names = pending->all ? &watcher->filter : pending;
    if (names->all)
        set_all(&watcher->changed);
    for (size_t i = 0; i < names->count; i++)
        if (set_has(&watcher->filter, names->names[i]))
            set_add(&watcher->changed, names->names[i]);
}

static void flag(struct rhei_watcher *watcher)
{
    static const uint64_t one = 1;
    watcher->told = true;
    ssize_t written = write(watcher->fd, &one, sizeof one); /* from 0 to 1: it can't fail */
    (void)written;
    base_cond_signal(&watcher->cond);
    if (watcher->wake != NULL)
        watcher->wake(watcher->wake_context);
}

static void published(void *context, int64_t position)
{
    struct engine_watches *watches = context;
    base_mutex_lock(&watches->lock);
    for (struct rhei_watcher *watcher = watches->first; watcher != NULL; watcher = watcher->next) {
        take_over(watcher, &watches->pending);
        if (set_empty(&watcher->changed))
            continue;
        watcher->position = position;
        if (!watcher->told)
            flag(watcher);
    }
    set_clear(&watches->pending);
    base_mutex_unlock(&watches->lock);
}

/* ---- The handle's part. ------------------------------------------------------------------------------------------ */

rhei_status engine_watches_open(struct rhei_db *db, struct sync_observer *observer, struct rhei_error *error)
{
    db->watches = base_alloc_zero(1, sizeof *db->watches);
    if (db->watches == NULL)
        return error_no_memory(error);
    base_mutex_init(&db->watches->lock);
    *observer = (struct sync_observer){.changed = changed, .published = published, .context = db->watches};
    return RHEI_OK;
}

void engine_watches_close(struct rhei_db *db)
{
    if (db->watches == NULL)
        return;
    set_reset(&db->watches->pending);
    base_mutex_destroy(&db->watches->lock);
    base_free(db->watches);
    db->watches = NULL;
}

/* ---- The calls. -------------------------------------------------------------------------------------------------- */

static rhei_status watcher_fill(struct rhei_watcher *watcher, const struct rhei_watch_options *options,
                                struct rhei_error *error)
{
    watcher->wake = options->wake;
    watcher->wake_context = options->wake_context;
    watcher->cancel = options->cancel;
    watcher->filter.all = options->table_count == 0;
    if (options->table_count > SET_MOST)
        return error_set(error, RHEI_INVALID, "a watch of %zu tables by name: %d at most, or all of them",
                         options->table_count, (int)SET_MOST);
    for (size_t i = 0; i < options->table_count; i++) {
        if (options->tables == NULL || options->tables[i] == NULL)
            return error_set(error, RHEI_INVALID, "table %zu of rhei_watch_options has no name", i + 1);
        set_add(&watcher->filter, options->tables[i]);
        if (watcher->filter.all)
            return error_no_memory(error);
    }
    watcher->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return watcher->fd >= 0
               ? RHEI_OK
               : error_set(error, RHEI_IO, "no descriptor for a watch: %s (error %d)",
                           errno == EMFILE || errno == ENFILE ? "too many are open" : "eventfd failed", errno);
}

static void watcher_free(struct rhei_watcher *watcher)
{
    if (watcher->fd >= 0)
        (void)close(watcher->fd);
    base_cond_destroy(&watcher->cond);
    set_reset(&watcher->filter);
    set_reset(&watcher->changed);
    set_reset(&watcher->taken);
    base_free(watcher);
}

static rhei_status check_watch(rhei_db *db, rhei_watcher **watcher, struct rhei_error *error)
{
    if (db == NULL || watcher == NULL)
        return error_set(error, RHEI_INVALID, "rhei_watch needs a handle and a place for the watcher");
    if (db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "this handle keeps no column store, so nothing here follows the changes");
    if (!oltp_captures(db->oltp))
        return error_set(error, RHEI_READ_ONLY,
                         "this handle captures no changes, so there is nothing to watch: open the file for writing");
    return RHEI_OK;
}

rhei_status rhei_watch(rhei_db *db, const struct rhei_watch_options *options, rhei_watcher **watcher,
                       struct rhei_error *error)
{
    struct rhei_watch_options known;
    error_clear(error);
    if (watcher != NULL)
        *watcher = NULL;
    rhei_status status = check_watch(db, watcher, error);
    if (status == RHEI_OK)
        status = engine_options_copy(&known, sizeof known, options, "rhei_watch_options", error);
    if (status != RHEI_OK)
        return status;
    struct rhei_watcher *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->fd = -1;
    base_cond_init(&made->cond);
    status = watcher_fill(made, &known, error);
    if (status != RHEI_OK) {
        watcher_free(made);
        return status;
    }
    made->watches = db->watches;
    base_mutex_lock(&db->watches->lock);
    db->watches->sync = db->sync;
    made->next = db->watches->first;
    db->watches->first = made;
    sync_observe(db->sync, true);
    base_mutex_unlock(&db->watches->lock);
    *watcher = made;
    return RHEI_OK;
}

int rhei_watch_fd(const rhei_watcher *watcher)
{
    return watcher == NULL ? -1 : watcher->fd;
}

/* Under `lock`, until something was told. */
static rhei_status wait_told(struct rhei_watcher *watcher, int64_t timeout_ms, struct rhei_error *error)
{
    int64_t deadline = timeout_ms < 0 || timeout_ms > INT64_MAX / 4000000 ? INT64_MAX : 0;
    if (deadline == 0 && timeout_ms > 0)
        deadline = base_now_ns() + timeout_ms * 1000000;
    while (!watcher->told) {
        if (watcher->cancel != NULL && atomic_load_explicit(&watcher->cancel->raised, memory_order_acquire))
            return error_set(error, RHEI_CANCELLED, "waiting for changes was cancelled");
        int64_t now = base_now_ns();
        if (now >= deadline)
            return error_set(error, RHEI_TIMEOUT, "no table was changed in %lld ms", (long long)timeout_ms);
        int64_t slice = now + SLICE_NS;
        base_cond_wait_until(&watcher->cond, &watcher->watches->lock,
                             watcher->cancel != NULL && slice < deadline ? slice : deadline);
    }
    return RHEI_OK;
}

rhei_status rhei_watch_next(rhei_watcher *watcher, int64_t timeout_ms, struct rhei_watch_event *event,
                            struct rhei_error *error)
{
    error_clear(error);
    struct rhei_watch_event known;
    if (watcher == NULL || event == NULL)
        return error_set(error, RHEI_INVALID, "rhei_watch_next needs a watcher and a place for the event");
    rhei_status status = engine_options_copy(&known, sizeof known, event, "rhei_watch_event", error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&watcher->watches->lock);
    status = wait_told(watcher, timeout_ms, error);
    if (status == RHEI_OK) {
        uint64_t count = 0;
        set_clear(&watcher->taken);
        struct name_set empty = watcher->taken;
        watcher->taken = watcher->changed;
        watcher->changed = empty;
        watcher->told = false;
        ssize_t got = read(watcher->fd, &count, sizeof count);
        (void)got;
        known.position = watcher->position;
    }
    base_mutex_unlock(&watcher->watches->lock);
    if (status != RHEI_OK)
        return status;
    known.all = watcher->taken.all;
    known.table_count = (uint32_t)watcher->taken.count;
    known.tables = (const char *const *)watcher->taken.names;
    memcpy(event, &known, known.struct_size < sizeof known ? known.struct_size : sizeof known);
    return RHEI_OK;
}

void rhei_watch_close(rhei_watcher **watcher)
{
    if (watcher == NULL || *watcher == NULL)
        return;
    struct rhei_watcher *closing = *watcher;
    struct engine_watches *watches = closing->watches;
    *watcher = NULL;
    base_mutex_lock(&watches->lock);
    struct rhei_watcher **at = &watches->first;
    while (*at != closing)
        at = &(*at)->next;
    *at = closing->next;
    if (watches->first == NULL) {
        set_clear(&watches->pending);
        sync_observe(watches->sync, false);
    }
    base_mutex_unlock(&watches->lock);
    watcher_free(closing);
}
