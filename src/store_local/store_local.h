/* SPDX-License-Identifier: Apache-2.0 */
/* A blob store in a folder of a local disk (port/blob_store.h says what its calls promise). Any thread. */
#ifndef STORE_LOCAL_STORE_LOCAL_H
#define STORE_LOCAL_STORE_LOCAL_H

#include "port/blob_store.h"

struct store_local_config {
    const char *folder;                              /* made if it isn't there; what is above it is */
    bool read_only;                                  /* changes nothing, and takes no lock */
    const struct base_log *log;                      /* told once of files that aren't a store's; may be NULL */
    void (*fault)(void *context, const char *point); /* tests: called at every named step; may be NULL */
    void *fault_context;
};

/* What RHEI_BUSY says. */
#define STORE_LOCAL_IN_USE "the folder \"%s\" is in use by another handle: give each its own"

/*
 * Opens the folder for this process alone and removes what a crash left half written. RHEI_BUSY: another one has it open.
 * RHEI_INVALID: it was no store yet and holds files of others; in one that was, they are left alone. RHEI_READ_ONLY, RHEI_NOT_FOUND, RHEI_FULL, RHEI_IO.
 */
rhei_status store_local_open(const struct store_local_config *config, struct blob_store **store,
                             struct rhei_error *error);
/*
 * Which database the folder is of, for who comes with another one: its path, as the handle that had the store open last said it (`claim`, best effort; not
 * of a look). "": nobody did.
 */
void store_local_owner(const struct blob_store *store, char *path, size_t size);
void store_local_claim(struct blob_store *store, const char *path);
/* Whether a handle has the folder open, for other than a look. Any thread. */
bool store_local_is_in_use(const char *folder);
/* The absolute path of a folder that may not be there yet, in one that is; free it. RHEI_NO_MEMORY, or why it couldn't be made there. Any thread. */
rhei_status store_local_resolve(const char *path, char **resolved, struct rhei_error *error);

#endif
