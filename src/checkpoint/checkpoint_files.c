/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. A file is on the list from before it is opened until the last segment that lies in it was freed, and what is on the list isn't
 *     removed (checkpoint_sweep.c). So a snapshot may outlive the checkpoint that named its files.
 *  2. Files are read, not mapped: one that is cut or goes while somebody reads it is an error of that read, not a signal.
 *  3. What couldn't be read is set aside, once.
 *  4. What the store couldn't be asked for isn't damaged. The reader has nothing all the same, so that its table is built again; of a history, which nobody
 *     has else, the store keeps what it has: no other checkpoint is made by this handle, and the next one takes it over.
 */
#include "checkpoint_files.h"

#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_ahead.h"
#include "checkpoint_file.h"

#define AWAY_NS INT64_C(2000000000)

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
    base_cond_init(&files->came);
    return RHEI_OK;
}

void checkpoint_files_drop(struct checkpoint_files **handle)
{
    struct checkpoint_files *files = *handle;
    *handle = NULL;
    if (files == NULL || atomic_fetch_sub_explicit(&files->holds, 1, memory_order_acq_rel) > 1)
        return;
    base_cond_destroy(&files->came);
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

static rhei_status file_new(struct checkpoint_files *files, uint32_t table, uint64_t uid, uint64_t lineage,
                            struct checkpoint_file **result, struct rhei_error *error)
{
    struct checkpoint_file *file = *result = base_alloc_zero(1, sizeof *file);
    if (file == NULL)
        return error_no_memory(error);
    atomic_fetch_add_explicit(&files->holds, 1, memory_order_relaxed);
    file->files = files;
    file->table = table;
    file->history = is_history_table(table);
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
    checkpoint_columns_drop(file);
    base_mutex_unlock(&files->lock);
    if (file->packing != NULL)
        files->codec->packing_free(file->packing);
    base_free(file);
    checkpoint_files_drop(&files);
}

/* RHEI_IO: nobody asks now. */
static rhei_status may_ask(struct checkpoint_file *file, struct rhei_error *error)
{
    struct checkpoint_files *files = file->files;
    if (files->fault != NULL)
        files->fault(files->fault_context, "evict.read");
    if (base_now_ns() >= atomic_load_explicit(&files->away_until, memory_order_relaxed))
        return RHEI_OK;
    atomic_store_explicit(&file->away, true, memory_order_relaxed);
    return error_set(error, RHEI_IO, "its medium could not be asked a moment ago");
}

static rhei_status note_away(struct checkpoint_file *file, rhei_status status, const struct rhei_error *why)
{
    if (status != RHEI_OK && blob_store_is_away(file->files->store, why)) {
        atomic_store_explicit(&file->away, true, memory_order_relaxed);
        atomic_store_explicit(&file->files->away_until, base_now_ns() + AWAY_NS, memory_order_relaxed);
    }
    return status;
}

struct file_part {
    struct checkpoint_file *file;
    struct checkpoint_part part;
};

static rhei_status file_get(void *context, uint64_t offset, void *bytes, size_t len, struct rhei_error *error)
{
    struct file_part *from = context;
    struct checkpoint_files *files = from->file->files;
    const struct checkpoint_part *part = &from->part;
    struct rhei_error why = RHEI_ERROR_INIT;
    if (part->bytes != NULL && offset >= part->offset && len <= part->len && offset - part->offset <= part->len - len) {
        memcpy(bytes, part->bytes + (offset - part->offset), len);
        return RHEI_OK;
    }
    rhei_status status = may_ask(from->file, error);
    if (status != RHEI_OK)
        return status;
    status =
        note_away(from->file, files->store->ops->get(files->store, from->file->name, offset, bytes, len, &why), &why);
    return status == RHEI_OK ? RHEI_OK : error_set(error, status, "%s", why.message);
}

static rhei_status file_read(void *context, uint32_t column, struct segment_column *wanted)
{
    struct file_part from = {.file = context};
    const struct checkpoint_file *file = context;
    const struct segment_bytes bytes = {file_get, &from};
    const struct segment_buffer *buffer;
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = file->column_count == 0 ? RHEI_OK : may_ask(context, NULL);
    if (status == RHEI_OK)
        status = note_away(context, checkpoint_columns_take(context, column, &from.part, &why), &why);
    if (status == RHEI_OK && file->packing != NULL)
        status = file->files->codec->unpack(file->packing, &bytes, column, wanted, NULL);
    else
        for (uint32_t i = 0; status == RHEI_OK && (buffer = segment_buffer_at(wanted, i)) != NULL; i++)
            if (buffer->bytes != NULL)
                status = file_get(&from, buffer->offset, (void *)(uintptr_t)buffer->bytes, buffer->len, NULL);
    base_free(from.part.bytes);
    return status;
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

/* What of a history can't be set aside now stays, as what can't be had (4.). */
static void set_aside(struct checkpoint_file *file, const char *why)
{
    struct blob_store *store = file->files->store;
    struct rhei_error error = RHEI_ERROR_INIT;
    const char *then = file->history ? "versions of a history that only it had are lost" : "its table is built again";
    if (store->ops->set_aside == NULL || store->ops->set_aside(store, file->name, &error) == RHEI_OK) {
        base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint", "%s of the mirror was set aside: %s; %s",
                       file->name, why, then);
        return;
    }
    if (file->history)
        atomic_store(&file->files->history_away, true);
    base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint",
                   "%s of the mirror is damaged (%s), and can't be set aside: %s; %s", file->name, why, error.message,
                   file->history ? "it stays where it is, and the history with it, until the next opening" : then);
}

/* Found out by a reader. */
static void file_damaged(void *context, const char *why)
{
    struct checkpoint_file *file = context;
    if (atomic_exchange(&file->told, true))
        return;
    if (atomic_load(&file->away)) { /* 4. */
        if (file->history)
            atomic_store(&file->files->history_away, true);
        base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint", "%s of the mirror can't be had now: %s; %s",
                       file->name, why,
                       file->history ? "it stays where it is, and the history with it, until the next opening"
                                     : "its table is built again");
    } else if (file->files->look) {
        base_log_write(file->files->log, BASE_LOG_WARN, "checkpoint", "%s of the mirror can't be read: %s", file->name,
                       why);
    } else {
        set_aside(file, why);
    }
    tell(file->files);
}

bool checkpoint_files_history_is_away(struct checkpoint_files *files)
{
    return atomic_load(&files->history_away);
}

/* ---- Opening. ------------------------------------------------------------------------------------------------------ */

void checkpoint_files_expect(struct checkpoint_files *files, struct checkpoint_ahead *ahead)
{
    files->ahead = ahead;
}

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

/* `tail`: what is there of it; NULL: nothing. */
static rhei_status open_image(const struct checkpoint_file *file, uint64_t size, uint32_t rows,
                              const struct blob_tail *tail, struct segment_image *image, struct rhei_error *error)
{
    size_t wanted = size < CHECKPOINT_TAIL_BYTES ? (size_t)size : CHECKPOINT_TAIL_BYTES;
    rhei_status status = RHEI_OK;
    if (tail != NULL)
        status = file->files->codec->open_tail(tail->bytes, tail->len, size, image, &wanted, error);
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

static rhei_status look_into(const struct checkpoint_file *file, uint32_t rows, struct checkpoint_ahead *ahead,
                             struct segment_image *image, uint64_t *bytes, struct rhei_error *error)
{
    struct blob_store *store = file->files->store;
    const struct blob_tail *tail = ahead == NULL ? NULL : checkpoint_ahead_find(ahead, file->name);
    rhei_status status =
        tail == NULL ? store->ops->size(store, file->name, bytes, error) : checkpoint_ahead_status(tail, bytes, error);
    if (status == RHEI_OK && *bytes == 0)
        status = error_set(error, RHEI_IO, "it is empty");
    return status == RHEI_OK ? open_image(file, *bytes, rows, tail, image, error) : status;
}

/* Takes the file. */
static rhei_status open_file(struct checkpoint_file *file, uint32_t rows, struct segment_image *image,
                             struct mirror_keeper *keeper, uint64_t *bytes, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = look_into(file, rows, file->files->ahead, image, bytes, &why);
    if (checkpoint_look_again(file->files->store, status, &why))
        status = look_into(file, rows, NULL, image, bytes, &why);
    if (status != RHEI_OK) {
        file_release(file);
        if (error != NULL)
            *error = why;
        return status;
    }
    checkpoint_columns_note(file, image);
    file->packing = image->packing;
    image->packing = NULL;
    *keeper = (struct mirror_keeper){file_release, file_damaged, file_read, file, file->shown};
    return RHEI_OK;
}

rhei_status checkpoint_files_open(struct checkpoint_files *files, uint32_t table, uint64_t uid, uint32_t rows,
                                  uint64_t sum, struct segment_image *image, struct mirror_keeper *keeper,
                                  uint64_t *bytes, struct rhei_error *error)
{
    struct checkpoint_file *file;
    rhei_status status = file_new(files, table, uid, 0, &file, error);
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

rhei_status checkpoint_files_write(struct checkpoint_files *files, uint32_t table, uint64_t uid, uint64_t lineage,
                                   const struct segment_image *image, struct segment_image *opened,
                                   struct mirror_keeper *keeper, uint64_t *bytes, struct rhei_error *error)
{
    struct checkpoint_file *file;
    rhei_status status = file_new(files, table, uid, lineage, &file, error);
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
