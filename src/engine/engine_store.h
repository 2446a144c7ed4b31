/* SPDX-License-Identifier: Apache-2.0 */
/* Where the mirror is kept: the one place that tells a folder from a bucket by olap_path. Whoever asks for a store says only what for. Any thread. */
#ifndef ENGINE_ENGINE_STORE_H
#define ENGINE_ENGINE_STORE_H

#include "engine/engine_internal.h"
#include "port/blob_store.h"

/* RHEI_INVALID: it names neither a folder nor a bucket. */
rhei_status engine_store_check(const char *path, struct rhei_error *error);
bool engine_store_is_bucket(const char *path);

enum engine_store_use {
    ENGINE_STORE_WRITE, /* by this handle alone */
    ENGINE_STORE_READ,
    ENGINE_STORE_PEEK, /* the same for a moment, and beside what the handle does */
};
/* One bound for all that an opening waits for buckets, and for all that a closing does; one that failed closes within its opening's. Owner thread. */
void engine_store_opens(struct rhei_db *db);
void engine_store_opened(struct rhei_db *db);
void engine_store_closes(struct rhei_db *db);

rhei_status engine_store_open(struct rhei_db *db, const char *path, enum engine_store_use use,
                              struct blob_store **store, struct rhei_error *error);
/* By what an opening came to: what is named is a mistake, or can't be had as it is named. Else the mirror does without it for now. */
bool engine_store_is_mistake(const char *path, rhei_status status);
/* RHEI_BUSY: another handle writes there. Where that can't be told it is free. `store`: of a peek there; NULL: it couldn't be opened. */
rhei_status engine_store_is_free(const char *path, struct blob_store *store, struct rhei_error *error);
/* The name that it has wherever a process is, to be freed with base_free. */
rhei_status engine_store_name(const char *path, char **name, struct rhei_error *error);
/* Which database had it last, if that is there and another one than ours; else NULL. One that was swapped at its path isn't. */
enum { ENGINE_STORE_OWNER = 4200 };
const char *engine_store_owner(const struct rhei_db *db, const char *path, struct blob_store *store,
                               char owner[ENGINE_STORE_OWNER]);
void engine_store_claim(const struct rhei_db *db, const char *path, struct blob_store *store);

#endif
