/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_store.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store_local/store_local.h"
#include "store_s3/store_s3.h"

/*
 * So long a bucket's server may say nothing: to an opening, for SQLite answers without the mirror; to who only looks how a bucket stands; to a closing. One
 * that answers each time, late, keeps an opening waiting for so long in all.
 */
enum { OPENING_MS = 6000, OPENING_MOST_MS = 120000, PEEK_MS = 5000, CLOSING_MS = 20000 };

/* ---- Which medium. ----------------------------------------------------------------------------------------------- */

/* Bytes of what stands in front of "://"; 0: it is a path. */
static size_t scheme_of(const char *path)
{
    size_t len = 0;
    while (isalnum((unsigned char)path[len]) || (len > 0 && path[len] != '\0' && strchr("+.-", path[len]) != NULL))
        len++;
    return strncmp(path + len, "://", 3) == 0 ? len : 0;
}

bool engine_store_is_bucket(const char *path)
{
    return scheme_of(path) > 0;
}

rhei_status engine_store_check(const char *path, struct rhei_error *error)
{
    struct store_s3_place place;
    size_t len = scheme_of(path);
    if (len == 0)
        return RHEI_OK;
    if (strncmp(path, "s3://", 5) != 0)
        return error_set(error, RHEI_INVALID,
                         "olap_path: the column store can be kept in a folder, named by its path, or in a bucket, "
                         "s3://bucket/prefix; \"%.*s\" is neither",
                         (int)(len > 20 ? 20 : len) + 3, path);
    rhei_status status = store_s3_parse(path, &place, error);
    if (status != RHEI_OK)
        error_context(error, "olap_path: ");
    return status;
}

/* ---- For how long. ----------------------------------------------------------------------------------------------- */

void engine_store_opens(struct rhei_db *db)
{
    store_s3_patience_begin(&db->store_patience, OPENING_MS, OPENING_MOST_MS);
}

void engine_store_opened(struct rhei_db *db)
{
    store_s3_patience_end(&db->store_patience);
}

void engine_store_closes(struct rhei_db *db)
{
    if (!store_s3_patience_is_on(&db->store_patience))
        store_s3_patience_begin(&db->store_patience, CLOSING_MS, 0);
}

/* ---- Opening. ---------------------------------------------------------------------------------------------------- */

static rhei_status open_bucket(struct rhei_db *db, const char *path, enum engine_store_use use,
                               struct blob_store **store, struct rhei_error *error)
{
    bool peeks = use == ENGINE_STORE_PEEK;
    const struct store_s3_config config = {.url = path,
                                           .read_only = use != ENGINE_STORE_WRITE,
                                           .opening_ms = peeks ? PEEK_MS : OPENING_MS,
                                           .timeout_ms = peeks ? PEEK_MS : 0,
                                           .patience = &db->store_patience,
                                           .silence_ms = peeks ? PEEK_MS : 0,
                                           .stop = peeks ? NULL : &db->store_stop,
                                           .log = &db->log,
                                           .fault = peeks ? NULL : db->config.fault,
                                           .fault_context = db->config.fault_context};
    return store_s3_open(&config, store, error);
}

static rhei_status open_folder(const struct rhei_db *db, const char *path, enum engine_store_use use,
                               struct blob_store **store, struct rhei_error *error)
{
    bool peeks = use == ENGINE_STORE_PEEK;
    const struct store_local_config config = {.folder = path,
                                              .read_only = use != ENGINE_STORE_WRITE,
                                              .log = peeks ? NULL : &db->log,
                                              .fault = peeks ? NULL : db->config.fault,
                                              .fault_context = db->config.fault_context};
    return store_local_open(&config, store, error);
}

rhei_status engine_store_open(struct rhei_db *db, const char *path, enum engine_store_use use,
                              struct blob_store **store, struct rhei_error *error)
{
    return engine_store_is_bucket(path) ? open_bucket(db, path, use, store, error)
                                        : open_folder(db, path, use, store, error);
}

bool engine_store_is_mistake(const char *path, rhei_status status)
{
    bool mistake = status == RHEI_BUSY || status == RHEI_INVALID || status == RHEI_EXISTS || status == RHEI_TOO_NEW ||
                   status == RHEI_UNSUPPORTED || status == RHEI_NO_MEMORY || status == RHEI_OLAP_UNAVAILABLE;
    bool refused = status == RHEI_NOT_FOUND || status == RHEI_CANT_OPEN || status == RHEI_READ_ONLY;
    return mistake || (refused && engine_store_is_bucket(path));
}

rhei_status engine_store_is_free(const char *path, struct blob_store *store, struct rhei_error *error)
{
    if (!engine_store_is_bucket(path))
        return store_local_is_in_use(path) ? error_set(error, RHEI_BUSY, STORE_LOCAL_IN_USE, path) : RHEI_OK;
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = store == NULL ? RHEI_OK : store_s3_is_free(store, &why);
    return status == RHEI_BUSY ? error_set(error, status, "%s", why.message) : RHEI_OK;
}

/* ---- Whose it is. ------------------------------------------------------------------------------------------------ */

rhei_status engine_store_name(const char *path, char **name, struct rhei_error *error)
{
    struct store_s3_place place;
    struct base_buffer text = {0};
    *name = NULL;
    if (!engine_store_is_bucket(path)) {
        if (store_local_resolve(path, name, NULL) != RHEI_OK) /* it may not be there */
            *name = base_strdup(path);
        return *name == NULL ? error_no_memory(error) : RHEI_OK;
    }
    rhei_status status = store_s3_parse(path, &place, error);
    if (status != RHEI_OK)
        return status;
    base_buffer_format(&text, "s3://%s%s%s", place.bucket, place.prefix[0] == '\0' ? "" : "/", place.prefix);
    *name = base_buffer_take(&text);
    return *name == NULL ? error_no_memory(error) : RHEI_OK;
}

static bool is_another_file(const struct rhei_db *db, const char *owner)
{
    struct stat theirs, ours;
    if (stat(owner, &theirs) != 0 || !S_ISREG(theirs.st_mode))
        return false;
    return stat(db->path, &ours) != 0 || ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino;
}

const char *engine_store_owner(const struct rhei_db *db, const char *path, struct blob_store *store,
                               char owner[ENGINE_STORE_OWNER])
{
    bool here = true;
    if (engine_store_is_bucket(path))
        store_s3_owner(store, owner, ENGINE_STORE_OWNER, &here);
    else
        store_local_owner(store, owner, PATH_MAX);
    if (owner[0] == '\0' || !engine_is_path(db->path))
        return NULL;
    return !here || is_another_file(db, owner) ? owner : NULL; /* of another machine's nobody here can tell */
}

void engine_store_claim(const struct rhei_db *db, const char *path, struct blob_store *store)
{
    char *name = NULL;
    if (!engine_is_path(db->path) || store_local_resolve(db->path, &name, NULL) != RHEI_OK)
        return;
    if (engine_store_is_bucket(path))
        store_s3_claim(store, name);
    else
        store_local_claim(store, name);
    base_free(name);
}
