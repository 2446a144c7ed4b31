/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs and manifest as rows of one database.
 *
 *   S1. A blob is there once the record of its size is: that is written behind its chunks, with all others of the call, synced. A sync takes what was written
 *       before it along. Chunks without a record are gone at the next open.
 *   S2. The manifest and its version are one row, written by one synced batch. Which version it is only this handle can change, so it knows it.
 *   S3. After a write that failed the database is opened again before the next one; readers are kept out meanwhile.
 */
#include "buffer_rocksdb/rocksdb_store.h"

#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "buffer_rocksdb/rocksdb_internal.h"

enum {
    CHUNK_BYTES = 1 << 20,
    BATCH_BYTES = 4 << 20,
    KEY_SIZE = BLOB_NAME_MAX + 8,
    KIND_CHUNK = 'b',    /* name, 0, number as four bytes, big-endian: some of its bytes */
    KIND_SIZE = 'n',     /* name: how many they are */
    KIND_MANIFEST = 'm', /* its version, and the manifest */
};

struct store {
    struct blob_store base;
    const struct rocks_api *api;
    struct rocks_folder folder;
    struct rocks_options options;
    void (*fault)(void *context, const char *point);
    void *fault_context;

    base_mutex write_lock; /* one writes at a time; before `lock` */
    bool reopen;           /* S3 */
    uint64_t version;

    base_mutex lock; /* of `db` and who is in it */
    base_cond idle;
    uint32_t users;
    rocksdb_t *db; /* NULL: it couldn't be opened again */
};

struct key {
    char bytes[KEY_SIZE];
    size_t len;
};

static const char WRITING[] = "writing the sidecar's store", READING[] = "reading the sidecar's store";

static struct store *self(struct blob_store *base)
{
    return (struct store *)base;
}

static void fault(const struct store *store, const char *point)
{
    if (store->fault != NULL)
        store->fault(store->fault_context, point);
}

/* ---- Keys. ------------------------------------------------------------------------------------------------------- */

static struct key key_of(char kind, const char *name)
{
    struct key key = {.bytes = {kind}, .len = 1 + strlen(name)};
    memcpy(key.bytes + 1, name, key.len - 1);
    return key;
}

static struct key chunk_key(const char *name, uint32_t number)
{
    struct key key = key_of(KIND_CHUNK, name);
    key.bytes[key.len++] = '\0'; /* so that no name's chunks lie among another's */
    for (int i = 0; i < 4; i++)
        key.bytes[key.len++] = (char)(number >> (24 - 8 * i) & 0xff);
    return key;
}

static rhei_status check_name(const char *name, struct rhei_error *error)
{
    return blob_name_is_good(name)
               ? RHEI_OK
               : error_set(error, RHEI_INVALID, "\"%.60s\" is no name of a blob", name == NULL ? "" : name);
}

/* ---- The database. ----------------------------------------------------------------------------------------------- */

static rhei_status enter(struct store *store, struct rhei_error *error)
{
    base_mutex_lock(&store->lock);
    bool there = store->db != NULL;
    store->users += there;
    base_mutex_unlock(&store->lock);
    return there ? RHEI_OK : error_set(error, RHEI_IO, "the sidecar's store is closed after a write that failed");
}

static void leave(struct store *store)
{
    base_mutex_lock(&store->lock);
    if (--store->users == 0)
        base_cond_broadcast(&store->idle);
    base_mutex_unlock(&store->lock);
}

/* What RocksDB can't read is damage of the medium, as callers of a store know it. */
static rhei_status said(const struct store *store, char *text, const char *doing, struct rhei_error *error)
{
    rhei_status status = rocks_status(store->api, text, doing, error);
    if (status == RHEI_NOT_A_DATABASE && error != NULL)
        error->code = RHEI_IO;
    return status == RHEI_NOT_A_DATABASE ? RHEI_IO : status;
}

/* Takes the iterator; `status` is what its reader came to. */
static rhei_status end_reading(const struct store *store, rocksdb_iterator_t *iterator, rhei_status status,
                               struct rhei_error *error)
{
    char *text = NULL;
    store->api->iter_get_error(iterator, &text);
    if (status == RHEI_OK)
        status = said(store, text, READING, error);
    else
        store->api->free(text);
    store->api->iter_destroy(iterator);
    return status;
}

/* *value NULL: there is none. */
static rhei_status find(struct store *store, const struct key *key, char **value, size_t *len, struct rhei_error *error)
{
    char *text = NULL;
    *value = store->api->get(store->db, store->options.reading, key->bytes, key->len, len, &text);
    return said(store, text, READING, error);
}

/* Inside enter and leave. RHEI_NOT_FOUND: there is no such blob. */
static rhei_status find_size(struct store *store, const char *name, uint64_t *size, struct rhei_error *error)
{
    struct key key = key_of(KIND_SIZE, name);
    char *value = NULL;
    size_t len = 0;
    rhei_status status = find(store, &key, &value, &len, error);
    if (status == RHEI_OK && value == NULL)
        return error_set(error, RHEI_NOT_FOUND, "there is no blob \"%s\"", name);
    if (status == RHEI_OK && len != 8)
        status = error_set(error, RHEI_IO, "the size of blob \"%s\" is damaged", name);
    *size = status == RHEI_OK ? rocks_get_number(value) : 0;
    store->api->free(value);
    return status;
}

/* *value NULL: there is none. Otherwise the version's eight bytes, and the manifest. */
static rhei_status find_manifest(struct store *store, char **value, size_t *len, struct rhei_error *error)
{
    struct key key = key_of(KIND_MANIFEST, "");
    rhei_status status = find(store, &key, value, len, error);
    if (status == RHEI_OK && *value != NULL && *len < 8)
        status = error_set(error, RHEI_IO, "the manifest is damaged");
    return status;
}

static rhei_status read_version(struct store *store, struct rhei_error *error)
{
    char *value = NULL;
    size_t len = 0;
    rhei_status status = find_manifest(store, &value, &len, error);
    store->version = status == RHEI_OK && value != NULL ? rocks_get_number(value) : 0;
    store->api->free(value);
    return status;
}

/* Of one name, or of all behind it up to another one's. */
static void drop_chunks(const struct store *store, rocksdb_writebatch_t *batch, const char *name)
{
    struct key from = chunk_key(name, 0), to = chunk_key(name, UINT32_MAX);
    store->api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
}

/* S1. */
static rhei_status drop_unfinished(struct store *store, struct rhei_error *error)
{
    const struct rocks_api *api = store->api;
    rocksdb_iterator_t *iterator = api->create_iterator(store->db, store->options.reading);
    rocksdb_writebatch_t *batch = api->writebatch_create();
    struct key at = key_of(KIND_CHUNK, "");
    rhei_status status = RHEI_OK;
    for (api->iter_seek(iterator, at.bytes, at.len); status == RHEI_OK && api->iter_valid(iterator) != 0;
         api->iter_seek(iterator, at.bytes, at.len)) {
        size_t len = 0;
        uint64_t size;
        const char *key = api->iter_key(iterator, &len);
        if (key[0] != KIND_CHUNK || len < 6 || len > KEY_SIZE)
            break;
        char name[KEY_SIZE] = "";
        memcpy(name, key + 1, len - 6);
        status = find_size(store, name, &size, NULL);
        if (status == RHEI_NOT_FOUND)
            drop_chunks(store, batch, name);
        status = status == RHEI_NOT_FOUND ? RHEI_OK : status;
        at = chunk_key(name, UINT32_MAX);
    }
    status = end_reading(store, iterator, status, error);
    char *text = NULL;
    if (status == RHEI_OK)
        api->write(store->db, store->options.quick, batch, &text);
    api->writebatch_destroy(batch);
    return status == RHEI_OK ? said(store, text, WRITING, error) : status;
}

static rhei_status open_database(struct store *store, struct rhei_error *error)
{
    char *text = NULL;
    store->db = store->api->open(store->options.options, store->folder.database, &text);
    rhei_status status = rocks_status(store->api, text, "opening the sidecar's store", error);
    if (status == RHEI_OK)
        status = read_version(store, error);
    if (status == RHEI_OK)
        status = drop_unfinished(store, error);
    if (status != RHEI_OK && store->db != NULL) {
        store->api->close(store->db);
        store->db = NULL;
    }
    return status;
}

/* Under `write_lock`. S3. */
static rhei_status be_writable(struct store *store, struct rhei_error *error)
{
    if (!store->reopen)
        return RHEI_OK;
    base_mutex_lock(&store->lock);
    while (store->users > 0)
        base_cond_wait(&store->idle, &store->lock);
    if (store->db != NULL)
        store->api->close(store->db);
    store->db = NULL;
    rhei_status status = open_database(store, error);
    base_mutex_unlock(&store->lock);
    store->reopen = status != RHEI_OK;
    return status;
}

/* Under `write_lock`; takes the batch. */
static rhei_status write_batch(struct store *store, rocksdb_writebatch_t *batch, bool durable, struct rhei_error *error)
{
    char *text = NULL;
    rhei_status status = enter(store, error);
    if (status == RHEI_OK) {
        store->api->write(store->db, durable ? store->options.durable : store->options.quick, batch, &text);
        status = said(store, text, WRITING, error);
        leave(store);
    }
    store->api->writebatch_destroy(batch);
    store->reopen = store->reopen || status != RHEI_OK;
    return status;
}

/* ---- Blobs. ------------------------------------------------------------------------------------------------------ */

static rhei_status check_new(struct store *store, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count && status == RHEI_OK; i++) {
        uint64_t size;
        status = check_name(blobs[i].name, error);
        if (status == RHEI_OK)
            status = enter(store, error);
        if (status != RHEI_OK)
            break;
        status = find_size(store, blobs[i].name, &size, error);
        leave(store);
        if (status == RHEI_OK)
            return error_set(error, RHEI_EXISTS, "there is a blob \"%s\" already", blobs[i].name);
        if (status == RHEI_NOT_FOUND) {
            error_clear(error);
            status = RHEI_OK;
        }
    }
    return status;
}

/* What is left of an earlier one of that name goes first: its chunks may be more. */
static rhei_status put_chunks(struct store *store, const struct blob *blob, struct rhei_error *error)
{
    rocksdb_writebatch_t *batch = store->api->writebatch_create();
    drop_chunks(store, batch, blob->name);
    size_t at = 0, held = 0;
    for (uint32_t number = 0; at < blob->len; number++) {
        struct key key = chunk_key(blob->name, number);
        size_t len = blob->len - at < CHUNK_BYTES ? blob->len - at : CHUNK_BYTES;
        store->api->writebatch_put(batch, key.bytes, key.len, (const char *)blob->bytes + at, len);
        at += len;
        held += len;
        if (held < BATCH_BYTES || at == blob->len)
            continue;
        rhei_status status = write_batch(store, batch, false, error);
        if (status != RHEI_OK)
            return status;
        batch = store->api->writebatch_create();
        held = 0;
    }
    return write_batch(store, batch, false, error);
}

/* S1. */
static rhei_status put_all(struct store *store, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < count && status == RHEI_OK; i++)
        status = put_chunks(store, &blobs[i], error);
    if (status != RHEI_OK)
        return status;
    fault(store, "rocksdb.put.begun");
    rocksdb_writebatch_t *batch = store->api->writebatch_create();
    for (size_t i = 0; i < count; i++) {
        struct key key = key_of(KIND_SIZE, blobs[i].name);
        char size[8];
        rocks_put_number(size, blobs[i].len);
        store->api->writebatch_put(batch, key.bytes, key.len, size, sizeof size);
    }
    status = write_batch(store, batch, true, error);
    if (status == RHEI_OK)
        fault(store, "rocksdb.put.done");
    return status;
}

static rhei_status store_put(struct blob_store *base, const struct blob *blobs, size_t count, struct rhei_error *error)
{
    struct store *store = self(base);
    base_mutex_lock(&store->write_lock);
    rhei_status status = be_writable(store, error);
    if (status == RHEI_OK)
        status = check_new(store, blobs, count, error);
    if (status == RHEI_OK)
        status = put_all(store, blobs, count, error);
    base_mutex_unlock(&store->write_lock);
    return status;
}

static rhei_status store_size(struct blob_store *base, const char *name, uint64_t *size, struct rhei_error *error)
{
    struct store *store = self(base);
    rhei_status status = check_name(name, error);
    if (status == RHEI_OK)
        status = enter(store, error);
    if (status != RHEI_OK)
        return status;
    status = find_size(store, name, size, error);
    leave(store);
    return status;
}

/* Inside enter and leave. */
static rhei_status get_chunks(struct store *store, const char *name, uint64_t offset, char *bytes, size_t len,
                              struct rhei_error *error)
{
    while (len > 0) {
        uint32_t number = (uint32_t)(offset / CHUNK_BYTES);
        size_t skip = (size_t)(offset % CHUNK_BYTES), got = 0;
        size_t take = CHUNK_BYTES - skip < len ? CHUNK_BYTES - skip : len;
        struct key key = chunk_key(name, number);
        char *value = NULL;
        rhei_status status = find(store, &key, &value, &got, error);
        if (status == RHEI_OK && (value == NULL || got < skip + take))
            status = error_set(error, RHEI_IO, "blob \"%s\" has lost bytes", name);
        if (status == RHEI_OK)
            memcpy(bytes, value + skip, take);
        store->api->free(value);
        if (status != RHEI_OK)
            return status;
        offset += take;
        bytes += take;
        len -= take;
    }
    return RHEI_OK;
}

static rhei_status store_get(struct blob_store *base, const char *name, uint64_t offset, void *bytes, size_t len,
                             struct rhei_error *error)
{
    struct store *store = self(base);
    uint64_t size = 0;
    rhei_status status = check_name(name, error);
    if (status == RHEI_OK)
        status = enter(store, error);
    if (status != RHEI_OK)
        return status;
    status = find_size(store, name, &size, error);
    if (status == RHEI_OK && (offset > size || len > size - offset))
        status = error_set(error, RHEI_IO, "blob \"%s\" ends before", name);
    if (status == RHEI_OK)
        status = get_chunks(store, name, offset, bytes, len, error);
    leave(store);
    return status;
}

static rhei_status store_map(struct blob_store *base, const char *name, struct blob_map *map, struct rhei_error *error)
{
    (void)base;
    (void)name;
    *map = (struct blob_map){0};
    return error_set(error, RHEI_UNSUPPORTED, "RocksDB maps nothing");
}

static rhei_status store_list(struct blob_store *base,
                              rhei_status (*take)(void *context, const char *name, uint64_t size,
                                                  struct rhei_error *error),
                              void *context, struct rhei_error *error)
{
    struct store *store = self(base);
    const struct rocks_api *api = store->api;
    struct key first = key_of(KIND_SIZE, "");
    rhei_status status = enter(store, error);
    if (status != RHEI_OK)
        return status;
    rocksdb_iterator_t *iterator = api->create_iterator(store->db, store->options.reading);
    for (api->iter_seek(iterator, first.bytes, first.len); status == RHEI_OK && api->iter_valid(iterator) != 0;
         api->iter_next(iterator)) {
        size_t len = 0, value_len = 0;
        const char *key = api->iter_key(iterator, &len), *value = api->iter_value(iterator, &value_len);
        char name[KEY_SIZE] = "";
        if (key[0] != KIND_SIZE || len > BLOB_NAME_MAX + 1)
            break;
        memcpy(name, key + 1, len - 1);
        status = value_len == 8 ? take(context, name, rocks_get_number(value), error)
                                : error_set(error, RHEI_IO, "the size of blob \"%s\" is damaged", name);
    }
    status = end_reading(store, iterator, status, error);
    leave(store);
    return status;
}

static rhei_status store_remove(struct blob_store *base, const char *name, struct rhei_error *error)
{
    struct store *store = self(base);
    rhei_status status = check_name(name, error);
    if (status != RHEI_OK)
        return status;
    struct key from = key_of(KIND_SIZE, name), to = from;
    to.bytes[to.len++] = '\0';
    base_mutex_lock(&store->write_lock);
    status = be_writable(store, error);
    if (status == RHEI_OK) {
        rocksdb_writebatch_t *batch = store->api->writebatch_create();
        store->api->writebatch_delete_range(batch, from.bytes, from.len, to.bytes, to.len);
        drop_chunks(store, batch, name);
        status = write_batch(store, batch, false, error);
    }
    base_mutex_unlock(&store->write_lock);
    return status;
}

/* ---- The manifest. ----------------------------------------------------------------------------------------------- */

static rhei_status store_manifest_read(struct blob_store *base, void **bytes, size_t *len, uint64_t *version,
                                       struct rhei_error *error)
{
    struct store *store = self(base);
    char *value = NULL;
    size_t value_len = 0;
    *bytes = NULL;
    *len = 0;
    *version = 0;
    rhei_status status = enter(store, error);
    if (status != RHEI_OK)
        return status;
    status = find_manifest(store, &value, &value_len, error);
    if (status == RHEI_OK && value != NULL) {
        *bytes = base_alloc(value_len - 8 + 1);
        status = *bytes == NULL ? error_no_memory(error) : RHEI_OK;
    }
    if (*bytes != NULL) {
        *len = value_len - 8;
        *version = rocks_get_number(value);
        memcpy(*bytes, value + 8, *len);
    }
    store->api->free(value);
    leave(store);
    return status;
}

/* S2. */
static rhei_status write_manifest(struct store *store, uint64_t version, const void *bytes, size_t len,
                                  struct rhei_error *error)
{
    struct key key = key_of(KIND_MANIFEST, "");
    struct base_buffer value = {0};
    char number[8];
    rocks_put_number(number, version);
    base_buffer_append(&value, number, sizeof number);
    base_buffer_append(&value, bytes, len);
    if (value.failed) {
        base_buffer_reset(&value);
        return error_no_memory(error);
    }
    fault(store, "rocksdb.manifest.begun");
    rocksdb_writebatch_t *batch = store->api->writebatch_create();
    store->api->writebatch_put(batch, key.bytes, key.len, value.data, value.len);
    rhei_status status = write_batch(store, batch, true, error);
    base_buffer_reset(&value);
    if (status == RHEI_OK)
        fault(store, "rocksdb.manifest.done");
    return status;
}

static rhei_status store_manifest_swap(struct blob_store *base, uint64_t *version, const void *bytes, size_t len,
                                       struct rhei_error *error)
{
    struct store *store = self(base);
    base_mutex_lock(&store->write_lock);
    rhei_status status = be_writable(store, error); /* which tells what a write that failed came to */
    if (status == RHEI_OK && *version != store->version)
        status = error_set(error, RHEI_BUSY, "the manifest is another one by now");
    if (status == RHEI_OK)
        status = write_manifest(store, *version + 1, bytes, len, error);
    if (status == RHEI_OK)
        *version = store->version = *version + 1;
    base_mutex_unlock(&store->write_lock);
    return status;
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

static void store_close(struct blob_store **slot)
{
    struct store *store = *slot == NULL ? NULL : self(*slot);
    *slot = NULL;
    if (store == NULL)
        return;
    if (store->db != NULL)
        store->api->close(store->db);
    if (store->options.options != NULL)
        rocks_options_free(store->api, &store->options);
    rocks_folder_close(&store->folder);
    base_mutex_destroy(&store->lock);
    base_mutex_destroy(&store->write_lock);
    base_cond_destroy(&store->idle);
    base_free(store);
}

/* What can't be read is a cache: it is kept for people, and begun anew. */
static rhei_status open_or_begin(struct store *store, const struct base_log *log, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    char aside[32];
    rhei_status status = open_database(store, &why);
    if (status != RHEI_NOT_A_DATABASE && status != RHEI_IO)
        return status == RHEI_OK ? RHEI_OK : error_set(error, status, "%s", why.message);
    status = rocks_folder_set_aside(&store->folder, aside, sizeof aside, error);
    if (status != RHEI_OK)
        return status;
    base_log_write(log, BASE_LOG_WARN, "buffer_rocksdb", "%s: what is in \"%s\" was renamed to %s, and is made anew",
                   why.message, store->folder.path, aside);
    return open_database(store, error);
}

rhei_status rocksdb_store_open(const struct rocksdb_store_config *config, struct blob_store **result,
                               struct rhei_error *error)
{
    static const struct blob_store_ops ops = {.name = "rocksdb",
                                              .put = store_put,
                                              .size = store_size,
                                              .get = store_get,
                                              .map = store_map,
                                              .list = store_list,
                                              .remove = store_remove,
                                              .manifest_read = store_manifest_read,
                                              .manifest_swap = store_manifest_swap,
                                              .close = store_close};
    const struct rocks_api *api = NULL;
    bool fresh = false;
    *result = NULL;
    rhei_status status = rocks_api_load(&api, error);
    if (status != RHEI_OK)
        return status;
    struct store *store = base_alloc_zero(1, sizeof *store);
    if (store == NULL)
        return error_no_memory(error);
    store->base.ops = &ops;
    store->api = api;
    store->fault = config->fault;
    store->fault_context = config->fault_context;
    store->folder = (struct rocks_folder){.folder = -1, .lock = -1};
    base_mutex_init(&store->write_lock);
    base_mutex_init(&store->lock);
    base_cond_init(&store->idle);
    struct blob_store *made = &store->base;
    status = rocks_folder_open(&store->folder, ROCKS_STORE, config->folder, config->owner, &fresh, error);
    if (status == RHEI_OK && strcmp(store->folder.file, config->owner) != 0)
        status = error_set(error, RHEI_EXISTS, "the folder \"%s\" is that of sidecar \"%s\": name another one",
                           config->folder, store->folder.file);
    if (status == RHEI_OK) {
        rocks_options_make(api, &store->options);
        status = open_or_begin(store, config->log, error);
    }
    if (status != RHEI_OK)
        store_close(&made);
    *result = made;
    return status;
}
