/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. A column's bytes and flags are looked at under the lock of the files; while a column is `coming` one thread reads it, and only that one ends it. A
 *     file may go meanwhile: what came for it is then found to be nobody's, by the file's number.
 *  2. What was read ahead is given once, to who wants it first, for the mirror keeps columns itself. It has room of its own, AHEAD_BYTES of all files,
 *     beside the mirror's; where that is full nothing is read ahead.
 *  3. What couldn't be read ahead is no error: who wants it asks for it.
 */
#include "checkpoint_columns.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_file.h"

enum { AHEAD_MOST = 16, AHEAD_BYTES = 32 << 20, GAP_BYTES = 64 << 10 };

/* Of an image whose buffers lie in the file as they are. */
static struct checkpoint_column span_of(struct segment_column *column)
{
    const struct segment_buffer *buffer;
    uint64_t end = 0, first = UINT64_MAX, used = 0;
    for (uint32_t i = 0; (buffer = segment_buffer_at(column, i)) != NULL; i++) {
        if (buffer->len == 0)
            continue;
        first = buffer->offset < first ? buffer->offset : first;
        end = buffer->offset + buffer->len > end ? buffer->offset + buffer->len : end;
        used += buffer->len;
    }
    bool dense = used > 0 && end - first <= used + GAP_BYTES;
    return (struct checkpoint_column){.offset = dense ? first : 0, .len = dense ? (size_t)(end - first) : 0};
}

void checkpoint_columns_note(struct checkpoint_file *file, const struct segment_image *image)
{
    struct checkpoint_files *files = file->files;
    if (files->store->ops->tails == NULL)
        return;
    struct checkpoint_column *columns = base_alloc_zero(image->column_count + 1, sizeof *columns);
    for (uint32_t c = 0; columns != NULL && c < image->column_count; c++) {
        columns[c] = image->packing == NULL ? span_of(&image->columns[c]) : (struct checkpoint_column){.len = 0};
        if (image->packing != NULL)
            files->codec->span(image, c, &columns[c].offset, &columns[c].len);
    }
    base_mutex_lock(&files->lock);
    file->columns = columns;
    file->column_count = columns == NULL ? 0 : image->column_count;
    base_mutex_unlock(&files->lock);
}

/* ---- Reading. ------------------------------------------------------------------------------------------------------ */

struct reading {
    struct blob_tail parts[AHEAD_MOST];
    char names[AHEAD_MOST][CHECKPOINT_NAME_BYTES];
    uint64_t uids[AHEAD_MOST];
    size_t count;
};

/* Under the lock. */
static bool plan_one(struct checkpoint_files *files, struct checkpoint_file *file, uint32_t number,
                     struct reading *reading)
{
    struct checkpoint_column *column = &file->columns[number];
    bool fits = reading->count == 0 || files->ahead_bytes + column->len <= AHEAD_BYTES;
    char *bytes = fits && base_memory_has_room(column->len) ? base_alloc(column->len) : NULL;
    if (bytes == NULL)
        return false;
    size_t at = reading->count++;
    memcpy(reading->names[at], file->name, sizeof reading->names[at]);
    reading->uids[at] = file->uid;
    reading->parts[at] = (struct blob_tail){
        .name = reading->names[at], .bytes = bytes, .room = column->len, .is_part = true, .offset = column->offset};
    column->coming = true;
    files->ahead_bytes += column->len;
    return true;
}

/* Files of a table were opened, or written, in the order of its segments, and the newest of all is the first of the list. */
static struct checkpoint_file *next_of(const struct checkpoint_file *file)
{
    struct checkpoint_file *next = file->previous;
    while (next != NULL && next->table != file->table)
        next = next->previous;
    return next;
}

/* Under the lock: the file's column, and those of the files behind it. */
static void plan(struct checkpoint_files *files, struct checkpoint_file *file, uint32_t number, struct reading *reading)
{
    size_t most = file->columns[number].ahead == 0 ? 1 : file->columns[number].ahead;
    bool goes_on = plan_one(files, file, number, reading);
    struct checkpoint_file *next = next_of(file);
    for (; goes_on && next != NULL && reading->count < most; next = next_of(next)) {
        if (number >= next->column_count)
            break;
        const struct checkpoint_column *column = &next->columns[number];
        if (column->len > 0 && column->bytes == NULL && !column->coming)
            goes_on = plan_one(files, next, number, reading);
    }
    if (goes_on && next != NULL && number < next->column_count)
        next->columns[number].ahead = (uint8_t)(4 * most < AHEAD_MOST ? 4 * most : AHEAD_MOST);
}

static struct checkpoint_file *find(const struct checkpoint_files *files, uint64_t uid)
{
    struct checkpoint_file *file = files->first;
    while (file != NULL && file->uid != uid)
        file = file->next;
    return file;
}

/* Under the lock: what came, but the first, which is the caller's. */
static void hand_out(struct checkpoint_files *files, uint32_t number, struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        struct blob_tail *part = &reading->parts[i];
        struct checkpoint_file *file = find(files, reading->uids[i]);
        bool known = file != NULL && number < file->column_count && file->columns[number].coming;
        if (known)
            file->columns[number].coming = false;
        if (i > 0 && known && part->status == RHEI_OK && part->len == part->room) {
            file->columns[number].bytes = part->bytes;
            continue;
        }
        files->ahead_bytes -= part->room;
        if (i > 0)
            base_free(part->bytes);
    }
    base_cond_broadcast(&files->came);
}

rhei_status checkpoint_columns_take(struct checkpoint_file *file, uint32_t number, struct checkpoint_part *part,
                                    struct rhei_error *error)
{
    struct checkpoint_files *files = file->files;
    struct reading *reading = NULL;
    *part = (struct checkpoint_part){.bytes = NULL};
    if (number >= file->column_count || file->columns[number].len == 0)
        return RHEI_OK;
    struct checkpoint_column *column = &file->columns[number];
    base_mutex_lock(&files->lock);
    while (column->coming)
        base_cond_wait(&files->came, &files->lock);
    if (column->bytes != NULL) {
        *part = (struct checkpoint_part){column->offset, column->len, column->bytes};
        column->bytes = NULL;
        files->ahead_bytes -= column->len;
    } else if ((reading = base_alloc_zero(1, sizeof *reading)) != NULL) {
        plan(files, file, number, reading);
    }
    base_mutex_unlock(&files->lock);
    if (reading == NULL)
        return RHEI_OK;
    if (reading->count > 0) {
        blob_store_tails(files->store, reading->parts, reading->count);
        base_mutex_lock(&files->lock);
        hand_out(files, number, reading);
        base_mutex_unlock(&files->lock);
    }
    struct blob_tail *own = &reading->parts[0];
    rhei_status status = reading->count > 0 ? own->status : RHEI_OK;
    if (reading->count > 0 && status == RHEI_OK)
        *part = (struct checkpoint_part){column->offset, column->len, own->bytes};
    else if (reading->count > 0)
        base_free(own->bytes);
    if (status != RHEI_OK && error != NULL)
        *error = own->error;
    base_free(reading);
    return status;
}

void checkpoint_columns_drop(struct checkpoint_file *file)
{
    for (uint32_t c = 0; c < file->column_count; c++)
        if (file->columns[c].bytes != NULL) {
            file->files->ahead_bytes -= file->columns[c].len;
            base_free(file->columns[c].bytes);
        }
    base_free(file->columns);
    file->columns = NULL;
    file->column_count = 0;
}
