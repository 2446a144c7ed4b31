/* SPDX-License-Identifier: Apache-2.0 */
/* A change buffer that keeps events in a folder, in RocksDB. The README has the promises. */
#ifndef BUFFER_ROCKSDB_ROCKSDB_BUFFER_H
#define BUFFER_ROCKSDB_ROCKSDB_BUFFER_H

#include "port/change_buffer.h"

struct rocksdb_buffer_config {
    const char *folder; /* made if it isn't there; copied */
    const char *file;   /* identity of the database whose changes these are, not empty; copied */
    /* Whether another one was this database's before: of no use any more, and nobody else's (RHEI_NOT_A_DATABASE). NULL: none was. */
    bool (*was)(void *context, const char *file);
    void *was_context;
    /* Tests: "buffer.part.written", "buffer.commit.begun", ".synced", "buffer.prune.written", ".done", "buffer.opened", ".cleared",
     * ".aside" */
    void (*fault)(void *context, const char *point);
    void *fault_context;
};

/*
 * RHEI_UNSUPPORTED: there is no RocksDB. RHEI_BUSY: another handle has the folder. RHEI_INVALID: something else is in it.
 * RHEI_EXISTS: changes of another file are in it. RHEI_TOO_NEW: of a newer version. RHEI_NOT_A_DATABASE: it is damaged
 * (rocksdb_buffer_set_aside, then again). Otherwise what the system said. Nothing of the folder is changed then.
 */
rhei_status rocksdb_buffer_open(const struct rocksdb_buffer_config *config, struct change_buffer **buffer,
                                struct rhei_error *error);
/*
 * What opening would say of the folder for a file of which nothing is known: RHEI_INVALID, RHEI_BUSY, RHEI_EXISTS, RHEI_TOO_NEW. Nothing is changed.
 */
rhei_status rocksdb_buffer_may_begin(const struct rocksdb_buffer_config *config, struct rhei_error *error);
/* A buffer that is empty begins anew, with another number: for changes of this file. The appending thread. */
rhei_status rocksdb_buffer_renew(struct change_buffer *buffer, const char *file, struct rhei_error *error);
/*
 * Moves what a folder of ours holds to a name beside it in the folder (`name`, of `size` bytes, for people). The folder isn't
 * open. RHEI_BUSY: it is.
 */
rhei_status rocksdb_buffer_set_aside(const struct rocksdb_buffer_config *config, char *name, size_t size,
                                     struct rhei_error *error);
/*
 * Bytes of the files of the buffer in config->folder, whoever has it open; nothing is opened or changed. 0 with `why` (of `size` bytes): why there is none
 * of config->file, for people. Where that is "", nobody knows which file it would be, and the buffer may be any's.
 */
uint64_t rocksdb_buffer_peek(const struct rocksdb_buffer_config *config, char *why, size_t size);
/* A number that tells this buffer from any other, also of one that was there before in the same folder. Any thread. */
uint64_t rocksdb_buffer_id(const struct change_buffer *buffer);

#endif
