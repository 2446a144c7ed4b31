/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_type.h"

enum { HEAD = 8, WINDOW = 1 << 20 };

void postgres_queue_init(struct postgres_queue *queue, size_t memory_most, const char *folder)
{
    *queue = (struct postgres_queue){.memory_most = memory_most, .folder = folder};
}

static void free_transaction(struct postgres_queue *queue, struct postgres_transaction *transaction)
{
    queue->memory -= transaction->memory.len;
    base_buffer_reset(&transaction->memory);
    if (transaction->file >= 0)
        close(transaction->file);
    base_free(transaction->aborted);
    base_free(transaction->truncated);
    base_free(transaction);
}

void postgres_queue_drop_open(struct postgres_queue *queue)
{
    while (queue->open != NULL) {
        struct postgres_transaction *next = queue->open->next;
        free_transaction(queue, queue->open);
        queue->open = next;
    }
    queue->current = NULL;
    queue->in_block = false;
}

void postgres_queue_reset(struct postgres_queue *queue)
{
    postgres_queue_drop_open(queue);
    postgres_queue_forget(queue, UINT64_MAX);
    base_free(queue->truncated);
    queue->truncated = NULL;
    queue->truncated_count = queue->truncated_capacity = 0;
}

bool postgres_queue_has_room(const struct postgres_queue *queue)
{
    return queue->memory <= 2 * queue->memory_most || queue->first == NULL;
}

void postgres_queue_forget(struct postgres_queue *queue, uint64_t end)
{
    while (queue->first != NULL && queue->first->end <= end) {
        struct postgres_transaction *next = queue->first->next;
        free_transaction(queue, queue->first);
        queue->first = next;
        queue->count--;
    }
    if (queue->first == NULL)
        queue->last = NULL;
}

/* ---- Files. ------------------------------------------------------------------------------------------------------ */

static rhei_status fail_file(const char *what, struct rhei_error *error)
{
    return error_set(error, errno == ENOSPC ? RHEI_FULL : RHEI_IO, "%s the file of a large transaction: %s", what,
                     strerror(errno));
}

static rhei_status open_file(const struct postgres_queue *queue, int *file, struct rhei_error *error)
{
    char path[512];
    const char *folder = queue->folder != NULL ? queue->folder : "/tmp";
    *file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*file >= 0)
        return RHEI_OK;
    snprintf(path, sizeof path, "%s/rhei-transaction-XXXXXX", folder);
    *file = mkostemp(path, O_CLOEXEC);
    if (*file < 0)
        return fail_file("making", error);
    unlink(path);
    return RHEI_OK;
}

/* Q4: what the transaction has in memory goes behind what it has in its file. */
static rhei_status spill(struct postgres_queue *queue, struct postgres_transaction *transaction,
                         struct rhei_error *error)
{
    rhei_status status = transaction->file >= 0 ? RHEI_OK : open_file(queue, &transaction->file, error);
    size_t done = 0, length = transaction->memory.len;
    while (status == RHEI_OK && done < length) {
        ssize_t wrote = pwrite(transaction->file, transaction->memory.data + done, length - done,
                               (off_t)(transaction->file_length + done));
        if (wrote < 0 && errno != EINTR)
            status = fail_file("writing", error);
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    if (status != RHEI_OK)
        return status;
    transaction->file_length += length;
    queue->memory -= length;
    base_buffer_reset(&transaction->memory);
    return RHEI_OK;
}

/* ---- Taking in. -------------------------------------------------------------------------------------------------- */

static struct postgres_transaction *find_open(const struct postgres_queue *queue, uint32_t xid)
{
    struct postgres_transaction *at = queue->open;
    while (at != NULL && (at->xid != xid || !at->streamed))
        at = at->next;
    return at;
}

static rhei_status begin(struct postgres_queue *queue, uint32_t xid, bool streamed, struct rhei_error *error)
{
    struct postgres_transaction *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    *made = (struct postgres_transaction){.next = queue->open, .xid = xid, .streamed = streamed, .file = -1};
    queue->open = queue->current = made;
    return RHEI_OK;
}

static void unlink_open(struct postgres_queue *queue, struct postgres_transaction *transaction)
{
    struct postgres_transaction **at = &queue->open;
    while (*at != transaction)
        at = &(*at)->next;
    *at = transaction->next;
    transaction->next = NULL;
    if (queue->current == transaction)
        queue->current = NULL;
}

static rhei_status commit(struct postgres_queue *queue, struct postgres_transaction *transaction,
                          const struct postgres_message *message, int64_t sent_us, struct rhei_error *error)
{
    size_t count = queue->truncated_count, more = transaction->truncated_count;
    if (more > 0 &&
        !base_grow((void **)&queue->truncated, &queue->truncated_capacity, count + more, sizeof *queue->truncated))
        return error_no_memory(error);
    for (size_t i = 0; i < more; i++)
        queue->truncated[count + i] = (struct postgres_truncated){transaction->truncated[i], transaction->xid};
    queue->truncated_count += more;
    unlink_open(queue, transaction);
    transaction->end = message->end;
    transaction->stamp_us = message->time_us;
    transaction->time_us = transaction->received ? sent_us : message->time_us;
    BASE_INVARIANT(queue->last == NULL || queue->last->end < transaction->end); /* Q2 */
    if (queue->last != NULL)
        queue->last->next = transaction;
    else
        queue->first = transaction;
    queue->last = transaction;
    queue->count++;
    return RHEI_OK;
}

static rhei_status abort_part(struct postgres_queue *queue, const struct postgres_message *message,
                              struct rhei_error *error)
{
    struct postgres_transaction *transaction = find_open(queue, message->xid);
    if (transaction == NULL)
        return RHEI_OK; /* nothing of it was sent */
    if (message->xid == message->subxid) {
        unlink_open(queue, transaction);
        free_transaction(queue, transaction);
        return RHEI_OK;
    }
    if (!base_grow((void **)&transaction->aborted, &transaction->aborted_capacity, transaction->aborted_count + 1,
                   sizeof *transaction->aborted))
        return error_no_memory(error);
    transaction->aborted[transaction->aborted_count++] = message->subxid;
    return RHEI_OK;
}

static rhei_status keep(struct postgres_queue *queue, const struct postgres_message *message, const char *bytes,
                        size_t length, struct rhei_error *error)
{
    struct postgres_transaction *transaction = queue->current;
    if (transaction == NULL)
        return error_set(error, RHEI_NOT_A_DATABASE, "the stream has a change outside of any transaction");
    /* without the number of the subtransaction, which is kept beside it */
    size_t skip = queue->in_block ? 4 : 0;
    uint32_t head[2] = {(uint32_t)(length - skip), message->xid};
    size_t before = transaction->memory.len;
    base_buffer_append(&transaction->memory, head, sizeof head);
    base_buffer_append(&transaction->memory, bytes, 1);
    base_buffer_append(&transaction->memory, bytes + 1 + skip, length - 1 - skip);
    if (transaction->memory.failed)
        return error_no_memory(error);
    queue->memory += transaction->memory.len - before;
    transaction->relations += message->kind == POSTGRES_RELATION;
    transaction->changes += message->kind != POSTGRES_RELATION;
    queue->relations += message->kind == POSTGRES_RELATION;
    size_t more = message->kind == POSTGRES_TRUNCATE ? message->relation_count : 0;
    if (more > 0 && !base_grow((void **)&transaction->truncated, &transaction->truncated_capacity,
                               transaction->truncated_count + more, sizeof *transaction->truncated))
        return error_no_memory(error);
    for (size_t i = 0; i < more; i++)
        transaction->truncated[transaction->truncated_count++] = postgres_u32(message->relations + 4 * i);
    /* large pieces only: many small transactions are in memory for a moment, and a file for each would cost more than it saves */
    if (queue->memory > queue->memory_most && transaction->memory.len >= WINDOW)
        return spill(queue, transaction, error);
    return RHEI_OK;
}

static rhei_status out_of_order(struct rhei_error *error)
{
    return error_set(error, RHEI_NOT_A_DATABASE, "the messages of the stream are out of order");
}

static rhei_status put_control(struct postgres_queue *queue, const struct postgres_message *message, int64_t sent_us,
                               bool *committed, struct rhei_error *error)
{
    struct postgres_transaction *transaction;
    rhei_status status;
    switch (message->kind) {
    case POSTGRES_BEGIN:
        return queue->current != NULL ? out_of_order(error) : begin(queue, message->xid, false, error);
    case POSTGRES_COMMIT:
    case POSTGRES_STREAM_COMMIT:
        transaction = message->kind == POSTGRES_COMMIT ? queue->current : find_open(queue, message->xid);
        if (transaction == NULL || message->end > INT64_MAX ||
            (queue->last != NULL && queue->last->end >= message->end))
            return out_of_order(error);
        status = commit(queue, transaction, message, sent_us, error);
        *committed = status == RHEI_OK;
        return status;
    case POSTGRES_STREAM_START:
        if (queue->current != NULL)
            return out_of_order(error);
        queue->in_block = true;
        queue->current = find_open(queue, message->xid);
        return queue->current != NULL ? RHEI_OK : begin(queue, message->xid, true, error);
    case POSTGRES_STREAM_STOP:
        queue->in_block = false;
        queue->current = NULL;
        return RHEI_OK;
    default:
        return abort_part(queue, message, error);
    }
}

rhei_status postgres_queue_put(struct postgres_queue *queue, const char *bytes, size_t length, int64_t sent_us,
                               bool *committed, struct rhei_error *error)
{
    struct postgres_message message;
    *committed = false;
    if (!postgres_message_read(bytes, length, queue->in_block, &message))
        return error_set(error, RHEI_NOT_A_DATABASE, "the stream has a message that isn't one of pgoutput's");
    switch (message.kind) {
    case POSTGRES_ORIGIN:
        if (queue->current != NULL)
            queue->current->received = true;
        return RHEI_OK;
    case POSTGRES_TYPE_NAME:
    case POSTGRES_LOGICAL:
        return RHEI_OK;
    case POSTGRES_RELATION:
    case POSTGRES_INSERT:
    case POSTGRES_UPDATE:
    case POSTGRES_DELETE:
    case POSTGRES_TRUNCATE:
        return keep(queue, &message, bytes, length, error);
    default:
        return put_control(queue, &message, sent_us, committed, error);
    }
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

void postgres_cursor_begin(struct postgres_cursor *cursor, const struct postgres_transaction *transaction)
{
    cursor->transaction = transaction;
    cursor->at = cursor->window_at = 0;
    base_buffer_clear(&cursor->window);
}

void postgres_cursor_reset(struct postgres_cursor *cursor)
{
    base_buffer_reset(&cursor->window);
}

/* `length` bytes of the file at `at`, in the window; NULL: they couldn't be read. */
static const char *from_file(struct postgres_cursor *cursor, uint64_t at, size_t length, struct rhei_error *error)
{
    const struct postgres_transaction *transaction = cursor->transaction;
    struct base_buffer *window = &cursor->window;
    if (at >= cursor->window_at && at + length <= cursor->window_at + window->len)
        return window->data + (at - cursor->window_at);
    uint64_t left = transaction->file_length - at;
    size_t wanted = length > WINDOW ? length : WINDOW;
    wanted = wanted > left ? (size_t)left : wanted;
    base_buffer_clear(window);
    char *bytes = base_buffer_extend(window, wanted);
    if (bytes == NULL) {
        error_no_memory(error);
        return NULL;
    }
    for (size_t done = 0; done < wanted;) {
        ssize_t got = pread(transaction->file, bytes + done, wanted - done, (off_t)(at + done));
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            base_buffer_clear(window);
            fail_file("reading", error);
            return NULL;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    cursor->window_at = at;
    return bytes;
}

/* Messages never lie over the border of file and memory. */
static const char *bytes_at(struct postgres_cursor *cursor, uint64_t at, size_t length, struct rhei_error *error)
{
    const struct postgres_transaction *transaction = cursor->transaction;
    return at < transaction->file_length ? from_file(cursor, at, length, error)
                                         : transaction->memory.data + (at - transaction->file_length);
}

static bool is_aborted(const struct postgres_transaction *transaction, uint32_t xid)
{
    for (size_t i = 0; i < transaction->aborted_count; i++)
        if (transaction->aborted[i] == xid)
            return true;
    return false;
}

rhei_status postgres_cursor_next(struct postgres_cursor *cursor, struct postgres_message *message, bool *found,
                                 struct rhei_error *error)
{
    const struct postgres_transaction *transaction = cursor->transaction;
    uint64_t end = transaction->file_length + transaction->memory.len;
    for (*found = false; cursor->at < end;) {
        uint32_t head[2];
        const char *bytes = bytes_at(cursor, cursor->at, HEAD, error);
        if (bytes == NULL)
            return error != NULL ? error->code : RHEI_IO;
        memcpy(head, bytes, sizeof head);
        bytes = bytes_at(cursor, cursor->at + HEAD, head[0], error);
        if (bytes == NULL)
            return error != NULL ? error->code : RHEI_IO;
        cursor->at += HEAD + head[0];
        if (is_aborted(transaction, head[1]) && bytes[0] != POSTGRES_RELATION) /* Q3; a relation is told of once */
            continue;
        if (!postgres_message_read(bytes, head[0], false, message))
            return error_set(error, RHEI_IO, "the file of a large transaction is damaged");
        *found = true;
        return RHEI_OK;
    }
    return RHEI_OK;
}
