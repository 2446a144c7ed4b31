/* SPDX-License-Identifier: Apache-2.0 */
#include "lossy_store.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

struct kept {
    struct kept *next;
    char name[BLOB_NAME_MAX + 1];
    char *bytes;
    size_t len;
    uint32_t unseen; /* lists to come that don't show it */
    bool durable, removed;
};

struct lossy {
    struct blob_store store; /* first */
    base_mutex lock;
    struct lossy_config config;
    uint64_t writes;
    struct kept *blobs;
    char *manifest;
    size_t manifest_len;
    uint64_t version;
};

static struct lossy *self(struct blob_store *store)
{
    return (struct lossy *)store;
}

static struct kept *find(struct lossy *lossy, const char *name)
{
    for (struct kept *kept = lossy->blobs; kept != NULL; kept = kept->next)
        if (!kept->removed && strcmp(kept->name, name) == 0)
            return kept;
    return NULL;
}

static rhei_status missing(const char *name, struct rhei_error *error)
{
    return error_set(error, RHEI_NOT_FOUND, "there is no blob \"%s\"", name);
}

static bool fails(struct lossy *lossy)
{
    return lossy->config.fail_after != 0 && ++lossy->writes >= lossy->config.fail_after;
}

static struct kept *keep(struct lossy *lossy, const struct blob *blob, size_t len)
{
    struct kept *kept = base_alloc_zero(1, sizeof *kept);
    (void)strncpy(kept->name, blob->name, BLOB_NAME_MAX);
    kept->bytes = base_alloc(len + 1);
    memcpy(kept->bytes, blob->bytes == NULL ? "" : blob->bytes, len);
    kept->len = len;
    kept->unseen = lossy->config.unseen_lists;
    kept->next = lossy->blobs;
    lossy->blobs = kept;
    return kept;
}

/* What was removed before is gone for good once something else is durable. */
static void settle(struct lossy *lossy)
{
    for (struct kept **at = &lossy->blobs; *at != NULL;) {
        struct kept *kept = *at;
        if (!kept->removed) {
            at = &kept->next;
            continue;
        }
        *at = kept->next;
        base_free(kept->bytes);
        base_free(kept);
    }
}

static rhei_status lossy_put(struct blob_store *store, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    rhei_status status = RHEI_OK;
    base_mutex_lock(&lossy->lock);
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        if (find(lossy, blobs[i].name) != NULL)
            status = error_set(error, RHEI_EXISTS, "there is a blob \"%s\" already", blobs[i].name);
    for (size_t i = 0; status == RHEI_OK && i < count; i++) {
        if (!fails(lossy)) {
            (void)keep(lossy, &blobs[i], blobs[i].len);
            continue;
        }
        if (lossy->config.tear)
            keep(lossy, &blobs[i], blobs[i].len / 2)->durable = true;
        status = error_set(error, RHEI_IO, "the medium failed while it wrote \"%s\"", blobs[i].name);
    }
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        find(lossy, blobs[i].name)->durable = true;
    if (status == RHEI_OK)
        settle(lossy);
    base_mutex_unlock(&lossy->lock);
    return status;
}

static rhei_status lossy_size(struct blob_store *store, const char *name, uint64_t *size, struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    base_mutex_lock(&lossy->lock);
    struct kept *kept = find(lossy, name);
    *size = kept == NULL ? 0 : kept->len;
    base_mutex_unlock(&lossy->lock);
    return kept == NULL ? missing(name, error) : RHEI_OK;
}

static rhei_status lossy_get(struct blob_store *store, const char *name, uint64_t offset, void *bytes, size_t len,
                             struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    base_mutex_lock(&lossy->lock);
    struct kept *kept = find(lossy, name);
    rhei_status status = kept == NULL ? missing(name, error)
                         : offset > kept->len || kept->len - offset < len
                             ? error_set(error, RHEI_IO, "\"%s\" ends before", name)
                             : RHEI_OK;
    if (status == RHEI_OK && len > 0)
        memcpy(bytes, kept->bytes + offset, len);
    base_mutex_unlock(&lossy->lock);
    return status;
}

static void map_release(struct blob_map *map)
{
    base_free(map->owner);
    *map = (struct blob_map){0};
}

static rhei_status lossy_map(struct blob_store *store, const char *name, struct blob_map *map, struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    *map = (struct blob_map){0};
    if (lossy->config.no_map)
        return error_set(error, RHEI_UNSUPPORTED, "this medium maps nothing");
    base_mutex_lock(&lossy->lock);
    struct kept *kept = find(lossy, name);
    if (kept != NULL) {
        char *copy = base_alloc(kept->len + 1);
        memcpy(copy, kept->bytes, kept->len);
        *map = (struct blob_map){copy, kept->len, copy, map_release};
    }
    base_mutex_unlock(&lossy->lock);
    return kept == NULL ? missing(name, error) : RHEI_OK;
}

static rhei_status lossy_list(struct blob_store *store,
                              rhei_status (*take)(void *context, const char *name, uint64_t size,
                                                  struct rhei_error *error),
                              void *context, struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    rhei_status status = RHEI_OK;
    base_mutex_lock(&lossy->lock);
    for (struct kept *kept = lossy->blobs; status == RHEI_OK && kept != NULL; kept = kept->next)
        if (kept->unseen > 0)
            kept->unseen--;
        else if (!kept->removed)
            status = take(context, kept->name, kept->len, error);
    base_mutex_unlock(&lossy->lock);
    return status;
}

static rhei_status lossy_remove(struct blob_store *store, const char *name, struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    (void)error;
    base_mutex_lock(&lossy->lock);
    struct kept *kept = find(lossy, name);
    if (kept != NULL)
        kept->removed = true;
    base_mutex_unlock(&lossy->lock);
    return RHEI_OK;
}

static rhei_status lossy_manifest_read(struct blob_store *store, void **bytes, size_t *len, uint64_t *version,
                                       struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    (void)error;
    base_mutex_lock(&lossy->lock);
    *version = lossy->version;
    *len = lossy->manifest_len;
    *bytes = NULL;
    if (lossy->version > 0) {
        *bytes = base_alloc(lossy->manifest_len + 1);
        memcpy(*bytes, lossy->manifest, lossy->manifest_len);
    }
    base_mutex_unlock(&lossy->lock);
    return RHEI_OK;
}

static rhei_status lossy_manifest_swap(struct blob_store *store, uint64_t *version, const void *bytes, size_t len,
                                       struct rhei_error *error)
{
    struct lossy *lossy = self(store);
    base_mutex_lock(&lossy->lock);
    rhei_status status = *version != lossy->version ? error_set(error, RHEI_BUSY, "another manifest is there by now")
                         : fails(lossy)             ? error_set(error, RHEI_IO, "the medium failed at the manifest")
                                                    : RHEI_OK;
    if (status == RHEI_OK) {
        base_free(lossy->manifest);
        lossy->manifest = base_alloc(len + 1);
        memcpy(lossy->manifest, bytes, len);
        lossy->manifest_len = len;
        *version = ++lossy->version;
        settle(lossy);
    }
    base_mutex_unlock(&lossy->lock);
    return status;
}

static void lossy_close(struct blob_store **store)
{
    if (store == NULL || *store == NULL)
        return;
    struct lossy *lossy = self(*store);
    for (struct kept *kept = lossy->blobs; kept != NULL; kept = kept->next)
        kept->removed = true;
    settle(lossy);
    base_mutex_destroy(&lossy->lock);
    base_free(lossy->manifest);
    base_free(lossy);
    *store = NULL;
}

static const struct blob_store_ops lossy_ops = {
    .name = "lossy",
    .put = lossy_put,
    .size = lossy_size,
    .get = lossy_get,
    .map = lossy_map,
    .list = lossy_list,
    .remove = lossy_remove,
    .manifest_read = lossy_manifest_read,
    .manifest_swap = lossy_manifest_swap,
    .close = lossy_close,
};

struct blob_store *lossy_store_new(void)
{
    struct lossy *lossy = base_alloc_zero(1, sizeof *lossy);
    lossy->store.ops = &lossy_ops;
    base_mutex_init(&lossy->lock);
    return &lossy->store;
}

void lossy_store_set(struct blob_store *store, const struct lossy_config *config)
{
    self(store)->config = *config;
    self(store)->writes = 0;
}

void lossy_store_crash(struct blob_store *store)
{
    struct lossy *lossy = self(store);
    for (struct kept *kept = lossy->blobs; kept != NULL; kept = kept->next)
        kept->removed = !kept->durable;
    settle(lossy);
}

bool lossy_store_flip(struct blob_store *store, const char *name, uint64_t byte)
{
    struct kept *kept = find(self(store), name);
    if (kept == NULL || byte >= kept->len)
        return false;
    kept->bytes[byte] = (char)(kept->bytes[byte] ^ 1);
    return true;
}
