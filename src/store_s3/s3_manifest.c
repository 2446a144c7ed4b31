/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as objects that never change, one for each version: the newest counts. Invariants
 *  S1. Version N is created, never replaced: of two writers of one version one succeeds.
 *  S2. It is created only by who has the lease, and has just seen that N - 1 is the newest.
 *  S3. One that isn't among the newest four is removed only when it is older than any request that was signed before it was there can be: servers
 *      refuse a signature after 15 minutes. So a create that was long on its way meets the version that was made meanwhile.
 *  S4. One whose create failed, nobody knows how, is removed before anything else is written or read (s3_settle).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "store_s3/s3_store.h"

enum { HEAD_BYTES = 24, NEWEST_KEPT = 4, TRIES = 4, DIGITS = 20, KEEP_S = 1200 };

static const char manifest_mark[8] = {'R', 'H', 'E', 'I', 'S', 'T', 'O', 'R'};

struct version {
    uint64_t number, size;
    int64_t modified;
};

struct versions {
    struct version *items; /* in the server's order, which is that of the names, hence of the numbers */
    size_t count, capacity;
    int64_t now;
};

static void name_of(uint64_t version, char name[S3_NAME_MAX])
{
    (void)snprintf(name, S3_NAME_MAX, S3_MANIFEST_PREFIX "%020" PRIu64, version);
}

/* ---- Which there are. -------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const struct version *one = a, *other = b;
    return (one->number > other->number) - (one->number < other->number);
}

static rhei_status take_version(void *context, const struct s3_entry *entry, struct rhei_error *error)
{
    struct versions *versions = context;
    const char *digits = entry->name + sizeof S3_MANIFEST_PREFIX - 1;
    if (strlen(digits) != DIGITS || strspn(digits, "0123456789") != DIGITS)
        return RHEI_OK; /* somebody else's */
    if (!base_grow((void **)&versions->items, &versions->capacity, versions->count + 1, sizeof *versions->items))
        return error_no_memory(error);
    versions->items[versions->count++] = (struct version){strtoull(digits, NULL, 10), entry->size, entry->modified};
    return RHEI_OK;
}

static rhei_status list_versions(struct store_s3 *store, struct versions *versions, struct rhei_error *error)
{
    *versions = (struct versions){0};
    rhei_status status = s3_object_list(store, S3_MANIFEST_PREFIX, true, take_version, versions, &versions->now, error);
    if (versions->count > 0)
        qsort(versions->items, versions->count, sizeof *versions->items, by_number);
    return status;
}

static uint64_t newest(const struct versions *versions)
{
    return versions->count == 0 ? 0 : versions->items[versions->count - 1].number;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

static rhei_status read_version(struct store_s3 *store, const struct version *version, void **bytes, size_t *len,
                                struct rhei_error *error)
{
    char name[S3_NAME_MAX];
    name_of(version->number, name);
    if (version->size < HEAD_BYTES || version->size > SIZE_MAX / 2)
        return error_set(error, RHEI_IO, "the manifest of \"%s\" is cut off", store->site.shown);
    unsigned char *all = base_alloc((size_t)version->size + 1);
    if (all == NULL)
        return error_no_memory(error);
    rhei_status status = s3_object_read(store, name, 0, all, (size_t)version->size, error);
    if (status == RHEI_OK && memcmp(all, manifest_mark, sizeof manifest_mark) != 0)
        status = error_set(error, RHEI_IO, "the manifest of \"%s\" is not one of Rhei's", store->site.shown);
    if (status == RHEI_OK && base_words_get8(all + sizeof manifest_mark) != version->number)
        status = error_set(error, RHEI_IO, "the manifest of \"%s\" is damaged", store->site.shown);
    if (status != RHEI_OK) {
        base_free(all);
        return status;
    }
    *len = (size_t)version->size - HEAD_BYTES;
    memmove(all, all + HEAD_BYTES, *len);
    *bytes = all;
    return RHEI_OK;
}

rhei_status s3_manifest_read(struct store_s3 *store, void **bytes, size_t *len, uint64_t *version,
                             struct rhei_error *error)
{
    struct versions versions;
    rhei_status status = RHEI_NOT_FOUND;
    *bytes = NULL;
    *len = 0;
    /* one that was the newest may be removed before it is read: then there are newer ones */
    for (int i = 0; status == RHEI_NOT_FOUND && i < TRIES; i++) {
        if (i > 0)
            error_clear(error);
        status = list_versions(store, &versions, error);
        s3_fault(store, "store.manifest.opened");
        *version = newest(&versions);
        if (status == RHEI_OK && versions.count > 0)
            status = read_version(store, &versions.items[versions.count - 1], bytes, len, error);
        base_free(versions.items);
    }
    return status;
}

/* ---- The next one. ----------------------------------------------------------------------------------------------- */

static rhei_status say_overtaken(const struct store_s3 *store, uint64_t version, struct rhei_error *error)
{
    return error_set(error, RHEI_BUSY,
                     "another writer has taken the place over: the manifest of \"%s\" isn't number %" PRIu64
                     " any more",
                     store->site.shown, version);
}

/* Mark, version, and a number by which the writer knows its own again. */
static unsigned char *with_head(uint64_t version, const void *bytes, size_t len)
{
    unsigned char *all = base_alloc(len + HEAD_BYTES);
    if (all == NULL)
        return NULL;
    memcpy(all, manifest_mark, sizeof manifest_mark);
    base_words_set8(all + 8, version);
    base_words_set8(all + 16, base_random_u64());
    if (len > 0)
        memcpy(all + HEAD_BYTES, bytes, len);
    return all;
}

static rhei_status create(struct store_s3 *store, uint64_t version, const void *bytes, size_t len,
                          struct rhei_error *error)
{
    char name[S3_NAME_MAX];
    struct s3_md5 md5;
    struct s3_request request;
    bool same = false;
    name_of(version, name);
    s3_md5(store, bytes, len, &md5);
    s3_request_create(&request, name, bytes, len, &md5);
    rhei_status status = s3_client_run(store->client, &request, 1, NULL);
    bool taken = request.http == 412, doubtful = status != RHEI_OK && !taken && request.unheard;
    if (taken && request.unheard) /* by this very request, whose first answer never came? */
        status = s3_object_is(store, name, bytes, len, md5.etag, &same, &request.error);
    s3_request_reset(&request);
    if (taken && !request.unheard)
        return say_overtaken(store, version - 1, error);
    if (taken && status == RHEI_OK)
        return same ? RHEI_OK : say_overtaken(store, version - 1, error);
    if (doubtful || taken)
        s3_undo(store, name);
    return status == RHEI_OK ? RHEI_OK : s3_request_failed(&request, error);
}

/* What can't be removed now is by the next swap. */
static void remove_old(struct store_s3 *store, const struct versions *versions)
{
    char name[S3_NAME_MAX];
    int64_t keep_s = store->keep_s == 0 ? KEEP_S : store->keep_s;
    for (size_t i = 0; i + NEWEST_KEPT - 1 < versions->count; i++) {
        name_of(versions->items[i].number, name);
        if (versions->now - versions->items[i].modified > keep_s && versions->items[i].modified != 0)
            (void)s3_object_remove(store, name, NULL);
    }
}

rhei_status s3_manifest_swap(struct store_s3 *store, uint64_t *version, const void *bytes, size_t len,
                             struct rhei_error *error)
{
    struct versions versions = {0};
    unsigned char *all = with_head(*version + 1, bytes, len);
    rhei_status status = all == NULL ? error_no_memory(error) : list_versions(store, &versions, error);
    if (status == RHEI_OK && newest(&versions) != *version)
        status = say_overtaken(store, *version, error);
    s3_fault(store, "store.manifest.opened");
    if (status == RHEI_OK)
        status = create(store, *version + 1, all, len + HEAD_BYTES, error);
    base_free(all);
    if (status == RHEI_OK) {
        s3_fault(store, "store.manifest.named");
        *version += 1;
        remove_old(store, &versions);
        s3_fault(store, "store.manifest.done");
    }
    base_free(versions.items);
    return status;
}

/* The newest goes last: one before it would count in its place. */
rhei_status s3_manifest_set_aside(struct store_s3 *store, struct rhei_error *error)
{
    struct versions versions;
    char name[S3_NAME_MAX];
    rhei_status status = list_versions(store, &versions, error);
    if (status == RHEI_OK && versions.count > 0) {
        name_of(newest(&versions), name);
        status = s3_object_copy(store, name, S3_ASIDE_PREFIX "manifest", error);
    }
    for (size_t i = 0; status == RHEI_OK && i < versions.count; i++) {
        name_of(versions.items[i].number, name);
        status = s3_object_remove(store, name, error);
    }
    base_free(versions.items);
    return status;
}
