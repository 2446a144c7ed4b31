/* SPDX-License-Identifier: Apache-2.0 */
#include "store_s3/store_s3.h"

#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "store_s3/s3_store.h"

enum { TIMEOUT_MAX_MS = 40000, LEASE_MAX_S = 86400 };

static struct store_s3 *self(struct blob_store *store)
{
    return (struct store_s3 *)store;
}

static rhei_status object_name(const char *name, const char *prefix, char object[S3_NAME_MAX], struct rhei_error *error)
{
    if (!blob_name_is_good(name))
        return error_set(error, RHEI_INVALID, "\"%.220s\" can't be the name of a blob", name == NULL ? "" : name);
    (void)snprintf(object, S3_NAME_MAX, "%s%s", prefix, name);
    return RHEI_OK;
}

static rhei_status writable(const struct store_s3 *store, struct rhei_error *error)
{
    return store->read_only ? error_set(error, RHEI_READ_ONLY, "\"%s\" was opened to be read", store->site.shown)
                            : RHEI_OK;
}

/* Takes the lock, to be given back whatever the status is: of what changes anything. */
static rhei_status begin_change(struct store_s3 *store, struct rhei_error *error)
{
    base_mutex_lock(&store->lock);
    rhei_status status = writable(store, error);
    if (status == RHEI_OK)
        status = s3_settle(store, error);
    return status == RHEI_OK ? s3_lease_confirm(store, error) : status;
}

/* ---- Blobs. ------------------------------------------------------------------------------------------------------ */

static rhei_status bucket_put(struct blob_store *base, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    rhei_status status = writable(self(base), error);
    return status != RHEI_OK || count == 0 ? status : s3_put(self(base), blobs, count, error);
}

static rhei_status bucket_size(struct blob_store *base, const char *name, uint64_t *size, struct rhei_error *error)
{
    char object[S3_NAME_MAX];
    rhei_status status = object_name(name, S3_BLOB_PREFIX, object, error);
    return status == RHEI_OK ? s3_object_size(self(base), object, size, error) : status;
}

static rhei_status bucket_get(struct blob_store *base, const char *name, uint64_t offset, void *bytes, size_t len,
                              struct rhei_error *error)
{
    char object[S3_NAME_MAX];
    rhei_status status = object_name(name, S3_BLOB_PREFIX, object, error);
    return status == RHEI_OK ? s3_object_read(self(base), object, offset, bytes, len, error) : status;
}

static void bucket_tails(struct blob_store *base, struct blob_tail *tails, size_t count)
{
    char(*names)[S3_NAME_MAX] = base_alloc_zero(count, sizeof *names);
    rhei_status status = names == NULL ? RHEI_NO_MEMORY : RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        status = object_name(tails[i].name, S3_BLOB_PREFIX, names[i], NULL);
    for (size_t i = 0; status != RHEI_OK && i < count; i++) {
        tails[i].status = status;
        (void)error_set(&tails[i].error, status, "one of the names can't be asked for");
    }
    if (status == RHEI_OK)
        s3_object_tails(self(base), names, tails, count);
    base_free(names);
}

static rhei_status bucket_map(struct blob_store *base, const char *name, struct blob_map *map, struct rhei_error *error)
{
    (void)name;
    *map = (struct blob_map){0};
    return error_set(error, RHEI_UNSUPPORTED, "nothing in a bucket (\"%s\") can be mapped", self(base)->site.shown);
}

struct taking {
    rhei_status (*take)(void *context, const char *name, uint64_t size, struct rhei_error *error);
    void *context;
};

static rhei_status take_blob(void *context, const struct s3_entry *entry, struct rhei_error *error)
{
    const struct taking *taking = context;
    const char *name = entry->name + sizeof S3_BLOB_PREFIX - 1;
    return blob_name_is_good(name) ? taking->take(taking->context, name, entry->size, error) : RHEI_OK;
}

static rhei_status bucket_list(struct blob_store *base,
                               rhei_status (*take)(void *context, const char *name, uint64_t size,
                                                   struct rhei_error *error),
                               void *context, struct rhei_error *error)
{
    struct taking taking = {take, context};
    return s3_object_list(self(base), S3_BLOB_PREFIX, false, take_blob, &taking, NULL, error);
}

static rhei_status bucket_remove_all(struct blob_store *base, const char *const *names, size_t count,
                                     struct rhei_error *error)
{
    struct store_s3 *store = self(base);
    char(*objects)[S3_NAME_MAX] = base_alloc((count + 1) * sizeof *objects);
    if (objects == NULL)
        return error_no_memory(error);
    rhei_status status = begin_change(store, error);
    base_mutex_unlock(&store->lock);
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        status = object_name(names[i], S3_BLOB_PREFIX, objects[i], error);
    if (status == RHEI_OK)
        status = s3_objects_remove(store, objects, count, error);
    base_free(objects);
    return status;
}

static rhei_status bucket_remove(struct blob_store *base, const char *name, struct rhei_error *error)
{
    return bucket_remove_all(base, &name, 1, error);
}

static rhei_status set_blob_aside(struct store_s3 *store, const char *name, struct rhei_error *error)
{
    char object[S3_NAME_MAX], aside[S3_NAME_MAX];
    struct rhei_error absent = RHEI_ERROR_INIT;
    rhei_status status = object_name(name, S3_BLOB_PREFIX, object, error);
    if (status != RHEI_OK)
        return status;
    (void)object_name(name, S3_ASIDE_PREFIX S3_BLOB_PREFIX, aside, NULL);
    status = s3_object_copy(store, object, aside, &absent);
    if (status == RHEI_NOT_FOUND)
        return RHEI_OK;
    return status == RHEI_OK ? s3_object_remove(store, object, error) : error_set(error, status, "%s", absent.message);
}

static rhei_status bucket_set_aside(struct blob_store *base, const char *name, struct rhei_error *error)
{
    struct store_s3 *store = self(base);
    rhei_status status = begin_change(store, error);
    if (status == RHEI_OK)
        status = name == NULL ? s3_manifest_set_aside(store, error) : set_blob_aside(store, name, error);
    base_mutex_unlock(&store->lock);
    return status;
}

/* ---- The manifest. ----------------------------------------------------------------------------------------------- */

static rhei_status bucket_manifest_read(struct blob_store *base, void **bytes, size_t *len, uint64_t *version,
                                        struct rhei_error *error)
{
    struct store_s3 *store = self(base);
    base_mutex_lock(&store->lock);
    rhei_status status = s3_settle(store, error);
    if (status == RHEI_OK)
        status = s3_manifest_read(store, bytes, len, version, error);
    base_mutex_unlock(&store->lock);
    return status;
}

static rhei_status bucket_manifest_swap(struct blob_store *base, uint64_t *version, const void *bytes, size_t len,
                                        struct rhei_error *error)
{
    struct store_s3 *store = self(base);
    rhei_status status = begin_change(store, error);
    if (status == RHEI_OK)
        status = s3_manifest_swap(store, version, bytes, len, error);
    base_mutex_unlock(&store->lock);
    return status;
}

/* An answer that the object isn't there is one; any other refusal says nothing of it. */
static bool bucket_away(const struct rhei_error *error)
{
    return error->code == RHEI_CLOSED || error->code == RHEI_UNSUPPORTED ||
           (error->engine_code != 0 && error->engine_code != 404);
}

/* ---- Opening and closing. ---------------------------------------------------------------------------------------- */

static void bucket_close(struct blob_store **base)
{
    if (base == NULL || *base == NULL)
        return;
    struct store_s3 *store = self(*base);
    if (store->client != NULL)
        s3_lease_give_back(store, false);
    s3_client_close(&store->client);
    base_mutex_destroy(&store->lock);
    base_buffer_reset(&store->unsure);
    s3_site_reset(&store->site);
    base_free(store);
    *base = NULL;
}

static const struct blob_store_ops bucket_ops = {
    .name = "s3",
    .put = bucket_put,
    .size = bucket_size,
    .get = bucket_get,
    .tails = bucket_tails,
    .map = bucket_map,
    .list = bucket_list,
    .remove = bucket_remove,
    .remove_all = bucket_remove_all,
    .set_aside = bucket_set_aside,
    .manifest_read = bucket_manifest_read,
    .manifest_swap = bucket_manifest_swap,
    .away = bucket_away,
    .close = bucket_close,
};

/* What who has the lease may ask side by side. */
static rhei_status probe_and_sweep(struct store_s3 *store, struct rhei_error *error)
{
    enum { SWEEP = S3_PROBES, STRAYS, COUNT };
    struct s3_request requests[COUNT] = {0};
    struct base_buffer lease = {0}, query = {0}, strays = {0};
    s3_lease_text(store, &lease);
    s3_probe_ask(&lease, requests);
    s3_put_sweep_ask(store, &query, &requests[SWEEP]);
    s3_strays_ask(store, &strays, &requests[STRAYS]);
    rhei_status status = lease.failed || query.failed || strays.failed ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK) {
        (void)s3_client_run(store->client, requests, COUNT, NULL);
        status = s3_probe_judge(store, requests, error);
    }
    if (status == RHEI_UNSUPPORTED)
        s3_lease_give_back(store, true);
    if (status == RHEI_OK) {
        s3_put_sweep(store, &requests[SWEEP]);
        s3_strays_tell(store, &requests[STRAYS]);
    }
    for (size_t i = 0; i < COUNT; i++)
        s3_request_reset(&requests[i]);
    base_buffer_reset(&lease);
    base_buffer_reset(&query);
    base_buffer_reset(&strays);
    return status;
}

/* The lease is what is read first: no bucket, or no rights, then says so for itself. */
static rhei_status open_place(struct store_s3 *store, struct rhei_error *error)
{
    if (store->read_only)
        return s3_lease_read(store, error);
    rhei_status status = s3_lease_take(store, error);
    return status == RHEI_OK ? probe_and_sweep(store, error) : status;
}

rhei_status store_s3_is_free(struct blob_store *store, struct rhei_error *error)
{
    return s3_lease_look(self(store), error);
}

void store_s3_owner(struct blob_store *base, char *path, size_t size, bool *here)
{
    struct store_s3 *store = self(base);
    base_mutex_lock(&store->lock);
    s3_lease_owner(store, path, size, here);
    base_mutex_unlock(&store->lock);
}

void store_s3_claim(struct blob_store *base, const char *path)
{
    struct store_s3 *store = self(base);
    base_mutex_lock(&store->lock);
    s3_lease_claim(store, path);
    base_mutex_unlock(&store->lock);
}

static rhei_status check_limits(const struct store_s3_config *config, struct rhei_error *error)
{
    uint32_t longest = config->timeout_ms > config->opening_ms ? config->timeout_ms : config->opening_ms;
    if (longest > TIMEOUT_MAX_MS)
        return error_set(error, RHEI_INVALID,
                         "a request to a bucket may take 40,000 ms at most, not %u: its lease would end", longest);
    if (config->lease_s > LEASE_MAX_S)
        return error_set(error, RHEI_INVALID, "a lease may last a day at most, not %u s", config->lease_s);
    return RHEI_OK;
}

rhei_status store_s3_open(const struct store_s3_config *config, struct blob_store **result, struct rhei_error *error)
{
    *result = NULL;
    rhei_status status = check_limits(config, error);
    struct store_s3 *store = status == RHEI_OK ? base_alloc_zero(1, sizeof *store) : NULL;
    if (store == NULL)
        return status == RHEI_OK ? error_no_memory(error) : status;
    store->store.ops = &bucket_ops;
    store->read_only = config->read_only;
    store->keep_s = config->keep_s;
    store->lease.seconds = config->lease_s;
    store->log = config->log;
    store->fault = config->fault;
    store->fault_context = config->fault_context;
    base_mutex_init(&store->lock);
    status = s3_site_init(config, &store->site, error);
    if (status == RHEI_OK)
        status = s3_client_open(config, &store->site, &store->client, error);
    if (status == RHEI_OK)
        status = open_place(store, error);
    if (status == RHEI_OK)
        s3_client_give_time(store->client, config->timeout_ms);
    struct blob_store *base = &store->store;
    if (status != RHEI_OK)
        bucket_close(&base);
    *result = base;
    return status;
}
