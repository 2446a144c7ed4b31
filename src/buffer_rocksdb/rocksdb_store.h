/* SPDX-License-Identifier: Apache-2.0 */
/* A blob store in RocksDB (port/blob_store.h says what its calls promise): blobs and manifest are rows of one database in a folder. Any thread. */
#ifndef BUFFER_ROCKSDB_ROCKSDB_STORE_H
#define BUFFER_ROCKSDB_ROCKSDB_STORE_H

#include "base/base_log.h"
#include "port/blob_store.h"

struct rocksdb_store_config {
    const char *folder;         /* made if it isn't there */
    const char *owner;          /* whose blobs these are, not empty: a folder of another one is refused */
    const struct base_log *log; /* told where a damaged database is set aside; may be NULL */
    /* Tests: "rocksdb.put.begun", "rocksdb.put.done", "rocksdb.manifest.begun", "rocksdb.manifest.done" */
    void (*fault)(void *context, const char *point);
    void *fault_context;
};

/*
 * Opens the folder for this handle alone. A database in it that can't be read is renamed within the folder, and an empty one takes its place. RHEI_UNSUPPORTED: there
 * is no RocksDB. RHEI_BUSY: another handle has the folder. RHEI_INVALID: something else is in it. RHEI_EXISTS: it is another owner's. RHEI_TOO_NEW,
 * RHEI_READ_ONLY, RHEI_FULL, RHEI_IO.
 */
rhei_status rocksdb_store_open(const struct rocksdb_store_config *config, struct blob_store **store,
                               struct rhei_error *error);

#endif
