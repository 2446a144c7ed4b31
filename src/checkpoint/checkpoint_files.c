/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. A file is on the list from before it is opened until the last segment that lies in it was freed, and what is on the list isn't
 *     removed (checkpoint_sweep.c). So a snapshot may outlive the checkpoint that named its files.
 *  2. Files are read, not mapped: one that is cut or goes while somebody reads it is an error of that read, not a signal.
 *  3. What couldn't be read is set aside, once.
 */
#include "checkpoint_files.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "checkpoint_format.h"

enum { TAIL_BYTES = 16 << 10 }; /* read at first: most directories are smaller */

struct checkpoint_file {
    struct checkpoint_file *next, *previous;
    struct checkpoint_files *files;
    uint64_t uid, lineage, bytes, sum; /* lineage, sum 0: not known here */
    atomic_bool told;
    char name[CHECKPOINT_NAME_BYTES];
    char shown[CHECKPOINT_NAME_BYTES + 2]; /* as a folder has it */
};

struct checkpoint_files {
    struct blob_store *store;
    const struct segment_codec *codec;
    bool look;
    const struct base_log *log;
    void (*fault)(void *context, const char *point);
    void *fault_context;
    atomic_uint holds;
    base_mutex lock; /* a leaf: of the list, and of whom to tell */
    void (*tell)(void *context);
    void *tell_context;
    struct checkpoint_file *first;
};

rhei_status checkpoint_files_new(const struct checkpoint_config *config, struct checkpoint_files **result,
                                 struct rhei_error *error)
{
    struct checkpoint_files *files = *result = base_alloc_zero(1, sizeof *files);
    if (files == NULL)
        return error_no_memory(error);
    files->store = config->store;
    files->codec = config->codec;
    files->look = config->look;
    files->log = config->log;
    files->fault = config->fault;
    files->fault_context = config->fault_context;
    atomic_init(&files->holds, 1);
    base_mutex_init(&files->lock);
    return RHEI_OK;
}

void checkpoint_files_drop(struct checkpoint_files **handle)
{
    struct checkpoint_files *files = *handle;
    *handle = NULL;
    if (files == NULL || atomic_fetch_sub_explicit(&files->holds, 1, memory_order_acq_rel) > 1)
        return;
    base_mutex_destroy(&files->lock);
    base_free(files);
}

bool checkpoint_files_has(struct checkpoint_files *files, uint64_t uid)
{
    base_mutex_lock(&files->lock);
    const struct checkpoint_file *file = files->first;
    while (file != NULL && file->uid != uid)
        file = file->next;
    base_mutex_unlock(&files->lock);
    return file != NULL;
}

/* ---- One file. ----------------------------------------------------------------------------------------------------- */

static rhei_status file_new(struct checkpoint_files *files, uint64_t uid, uint64_t lineage,
                            struct checkpoint_file **result, struct rhei_error *error)
{
    struct checkpoint_file *file = *result = base_alloc_zero(1, sizeof *file);
    if (file == NULL)
        return error_no_memory(error);
    atomic_fetch_add_explicit(&files->holds, 1, memory_order_relaxed);
    file->files = files;
    file->uid = uid;
    file->lineage = lineage;
    checkpoint_blob_name(uid, file->name);
    (void)snprintf(file->shown, sizeof file->shown, "b-%s", file->name);
    base_mutex_lock(&files->lock);
    file->next = files->first;
    if (file->next != NULL)
        file->next->previous = file;
    files->first = file;
    base_mutex_unlock(&files->lock);
    return RHEI_OK;
}

static void file_release(void *context)
{
    struct checkpoint_file *file = context;
    struct checkpoint_files *files = file->files;
    base_mutex_lock(&files->lock);
    if (file->next != NULL)
        file->next->previous = file->previous;
    if (file->previous != NULL)
        file->previous->next = file->next;
    else
        files->first = file->next;
    base_mutex_unlock(&files->lock);
    base_free(file);
    checkpoint_files_drop(&files);
}

static rhei_status file_read(void *context, uint64_t offset, void *bytes, size_t len)
{
    const struct checkpoint_file *file = context;
    struct checkpoint_files *files = file->files;
    if (files->fault != NULL)
        files->fault(files->fault_context, "evict.read");
    return files->store->ops->get(files->store, file->name, offset, bytes, len, NULL);
}

void checkpoint_files_tell(struct checkpoint_files *files, void (*damaged)(void *context), void *context)
{
    base_mutex_lock(&files->lock);
    files->tell = damaged;
    files->tell_context = context;
    base_mutex_unlock(&files->lock);
}

static void tell(struct checkpoint_files *files)
{
    base_mutex_lock(&files->lock);
    void (*damaged)(void *context) = files->tell;
    void *context = files->tell_context;
    base_mutex_unlock(&files->lock);
    if (damaged != NULL)
        damaged(context);
}

/* Found out by a reader. */
static void file_damaged(void *context, const char *why)
{
    struct checkpoint_file *file = context;
    struct blob_store *store = file->files->store;
    if (atomic_exchange(&file->told, true))
        return;
    if (file->files->look) {
        base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint", "%s of the mirror can't be read: %s", file->name,
                       why);
    } else {
        base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint",
                       "%s of the mirror was set aside: %s; its table is built again, versions of a history are lost",
                       file->name, why);
        if (store->ops->set_aside != NULL)
            (void)store->ops->set_aside(store, file->name, NULL);
    }
    tell(file->files);
}

/* ---- Opening. ------------------------------------------------------------------------------------------------------ */

/* By so many of its last bytes; *wanted: so many are needed instead. */
static rhei_status open_by_tail(const struct checkpoint_file *file, uint64_t size, size_t len,
                                struct segment_image *image, size_t *wanted, struct rhei_error *error)
{
    struct checkpoint_files *files = file->files;
    void *tail = base_alloc(len + 1);
    if (tail == NULL)
        return error_no_memory(error);
    rhei_status status = files->store->ops->get(files->store, file->name, size - len, tail, len, error);
    if (status == RHEI_OK)
        status = files->codec->open_tail(tail, len, size, image, wanted, error);
    base_free(tail);
    return status;
}

static rhei_status open_image(const struct checkpoint_file *file, uint64_t size, uint32_t rows,
                              struct segment_image *image, struct rhei_error *error)
{
    size_t wanted = size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
    rhei_status status = RHEI_OK;
    for (int tries = 0; wanted > 0 && status == RHEI_OK; tries++) {
        size_t len = wanted;
        if (tries == 4)
            return error_set(error, RHEI_IO, "its directory can't be found");
        status = open_by_tail(file, size, len, image, &wanted, error);
    }
    if (status != RHEI_OK)
        return status;
    bool own =
        image->mark == 0 || image->mark == checkpoint_blob_mark(file->uid); /* 0: written before there were marks */
    bool same = file->sum == 0 || image->sum == file->sum;
    if (own && same && image->rows == rows)
        return RHEI_OK;
    status = !own    ? error_set(error, RHEI_IO, "it is the file of another segment that was given its name")
             : !same ? error_set(error, RHEI_IO, "it is a file of another folder, or of another time")
                     : error_set(error, RHEI_IO, "it has %u rows instead of %u", image->rows, rows);
    image->release(image);
    return status;
}

/* Takes the file. */
static rhei_status open_file(struct checkpoint_file *file, uint32_t rows, struct segment_image *image,
                             struct mirror_keeper *keeper, uint64_t *bytes, struct rhei_error *error)
{
    struct blob_store *store = file->files->store;
    rhei_status status = store->ops->size(store, file->name, bytes, error);
    if (status == RHEI_OK && *bytes == 0)
        status = error_set(error, RHEI_IO, "it is empty");
    if (status == RHEI_OK)
        status = open_image(file, *bytes, rows, image, error);
    if (status != RHEI_OK)
        file_release(file);
    else
        *keeper = (struct mirror_keeper){file_release, file_damaged, file_read, file, file->shown};
    return status;
}

rhei_status checkpoint_files_open(struct checkpoint_files *files, uint64_t uid, uint32_t rows, uint64_t sum,
                                  struct segment_image *image, struct mirror_keeper *keeper, uint64_t *bytes,
                                  struct rhei_error *error)
{
    struct checkpoint_file *file;
    rhei_status status = file_new(files, uid, 0, &file, error);
    if (status != RHEI_OK)
        return status;
    file->sum = sum;
    return open_file(file, rows, image, keeper, bytes, error);
}

/* ---- Writing. ------------------------------------------------------------------------------------------------------ */

static rhei_status put(struct checkpoint_file *file, const struct segment_image *image, uint64_t *len,
                       struct rhei_error *error)
{
    struct checkpoint_files *files = file->files;
    void *bytes = NULL;
    size_t size = 0;
    struct segment_image marked = *image; /* what it is made of stays the caller's */
    marked.mark = checkpoint_blob_mark(file->uid);
    rhei_status status = files->codec->encode(&marked, &bytes, &size, error);
    if (status != RHEI_OK)
        return status;
    const struct blob blob = {file->name, bytes, size};
    file->sum = files->codec->sum(bytes, size);
    status = files->store->ops->put(files->store, &blob, 1, error);
    base_free(bytes);
    *len = size;
    return status;
}

rhei_status checkpoint_files_write(struct checkpoint_files *files, uint64_t uid, uint64_t lineage,
                                   const struct segment_image *image, struct segment_image *opened,
                                   struct mirror_keeper *keeper, uint64_t *bytes, struct rhei_error *error)
{
    struct checkpoint_file *file;
    rhei_status status = file_new(files, uid, lineage, &file, error);
    if (status != RHEI_OK)
        return status;
    status = put(file, image, bytes, error);
    if (status != RHEI_OK) {
        file_release(file);
        return status;
    }
    file->bytes = *bytes; /* nobody asks by its lineage before a segment has it in a published state */
    return open_file(file, image->rows, opened, keeper, bytes, error);
}

void checkpoint_files_forget(struct checkpoint_files *files)
{
    base_mutex_lock(&files->lock);
    for (struct checkpoint_file *file = files->first; file != NULL; file = file->next)
        file->lineage = 0;
    base_mutex_unlock(&files->lock);
}

bool checkpoint_files_find(struct checkpoint_files *files, uint64_t lineage, uint64_t *uid, uint64_t *bytes,
                           uint64_t *sum)
{
    base_mutex_lock(&files->lock);
    const struct checkpoint_file *file = files->first;
    while (file != NULL && (file->lineage != lineage || lineage == 0))
        file = file->next;
    if (file != NULL) {
        *uid = file->uid;
        *bytes = file->bytes;
        *sum = file->sum;
    }
    base_mutex_unlock(&files->lock);
    return file != NULL;
}
