/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the newest checkpoint against their sums, whole, whatever of them is in memory. One at a time is read, beside checkpoints, which may take
 * it away.
 */
#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_internal.h"
#include "mirror/mirror_image.h"

static bool is_whole(const struct segment_buffer *buffer)
{
    return buffer->len == 0 || base_checksum(buffer->bytes, buffer->len) == buffer->checksum;
}

static bool are_whole(const struct segment_heaps *heaps)
{
    bool whole = true;
    for (uint32_t h = 0; h < heaps->count && whole; h++)
        whole = is_whole(&heaps->buffers[h]);
    return whole;
}

/* The codec looks at the directory, and its sums are those of the rest. */
rhei_status checkpoint_check_bytes(const struct segment_codec *codec, uint64_t sum, const char *name, const void *bytes,
                                   size_t len, struct rhei_error *error)
{
    struct segment_image image;
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = codec->open(bytes, len, &image, &why);
    if (status != RHEI_OK)
        return error_set(error, status, "the column store's file \"%s\": %s", name, why.message);
    bool whole = sum == 0 || sum == image.sum;
    for (uint32_t c = 0; c < image.column_count && whole; c++) {
        const struct segment_column *column = &image.columns[c];
        whole = are_whole(&column->texts) && are_whole(&column->blobs);
        for (int p = 0; p < SEGMENT_PARTS && whole; p++)
            whole = is_whole(&column->part[p]);
    }
    image.release(&image);
    return whole ? RHEI_OK : error_set(error, RHEI_IO, "the column store's file \"%s\" is damaged", name);
}

/* The next file of the table from segment *number on, as the newest checkpoint has it now. */
static bool next_file(struct checkpoint *checkpoint, uint32_t table, uint32_t *number, struct checkpoint_known *file)
{
    bool found = false;
    base_mutex_lock(&checkpoint->run_lock);
    const struct checkpoint_known_table *known = checkpoint_set_find(&checkpoint->set, table);
    for (; known != NULL && *number < known->count && !found; ++*number) {
        *file = known->segments[*number];
        found = file->uid != 0 && file->lineage != 0 && !file->in_pieces;
    }
    base_mutex_unlock(&checkpoint->run_lock);
    return found;
}

/* RHEI_IO, RHEI_NOT_FOUND: it is damaged, or gone. */
static rhei_status check_file(struct checkpoint *checkpoint, const struct checkpoint_known *file,
                              struct rhei_error *error)
{
    char name[CHECKPOINT_NAME_BYTES];
    void *bytes = NULL;
    size_t len = 0;
    checkpoint_blob_name(file->uid, name);
    rhei_status status =
        checkpoint_read_file(checkpoint->config.store, name, checkpoint->config.codec, file->sum, &bytes, &len, error);
    base_free(bytes);
    return status;
}

/* It is that segment's still. With run_lock. */
static struct checkpoint_known *known_still(struct checkpoint *checkpoint, uint32_t table, uint32_t number,
                                            const struct checkpoint_known *file)
{
    const struct checkpoint_known_table *known = checkpoint_set_find(&checkpoint->set, table);
    struct checkpoint_known *segment = known != NULL && number < known->count ? &known->segments[number] : NULL;
    return segment != NULL && segment->uid == file->uid && segment->lineage == file->lineage ? segment : NULL;
}

static bool is_named(struct checkpoint *checkpoint, uint32_t table, uint32_t number,
                     const struct checkpoint_known *file)
{
    base_mutex_lock(&checkpoint->run_lock);
    bool named = known_still(checkpoint, table, number, file) != NULL;
    base_mutex_unlock(&checkpoint->run_lock);
    return named;
}

/* Reads all of the segment that isn't in memory, so that whoever mends it knows; what is there as a whole is written to a new file. */
static void condemn(struct checkpoint *checkpoint, const struct mirror_table_view *view, uint32_t table,
                    uint32_t number, const struct checkpoint_known *file)
{
    struct blob_store *store = checkpoint->config.store;
    char name[CHECKPOINT_NAME_BYTES];
    struct mirror_hold hold = {NULL};
    struct rhei_value value;
    if (mirror_view_segment_lineage(view, number) != file->lineage)
        return; /* another one has its place by now, and the next checkpoint goes without the file */
    mirror_hold(view, number, &hold);
    for (uint32_t c = 0; c < mirror_view_column_count(view); c++)
        mirror_view_value(view, number, 0, c, &value);
    mirror_hold_end(&hold);
    if (mirror_view_segment_is_damaged(view, number))
        return;
    checkpoint_blob_name(file->uid, name);
    base_log_write(checkpoint->config.log, BASE_LOG_WARN, "checkpoint",
                   "%s of the mirror is damaged, and was set aside; it is written again from memory", name);
    base_mutex_lock(&checkpoint->run_lock);
    struct checkpoint_known *known = known_still(checkpoint, table, number, file);
    if (known != NULL) {
        known->lineage = 0;
        checkpoint->whole_wanted = true;
        checkpoint->seen_publishes = 0;
        if (store->ops->set_aside != NULL)
            (void)store->ops->set_aside(store, name, NULL);
    }
    base_mutex_unlock(&checkpoint->run_lock);
}

rhei_status checkpoint_check(struct checkpoint *checkpoint, const struct checkpoint_checking *checking, uint32_t table,
                             const struct mirror_table_view *view, uint32_t *damaged, struct rhei_error *error)
{
    struct checkpoint_known file = {0};
    rhei_status status = RHEI_OK;
    *damaged = 0;
    for (uint32_t number = 0; status == RHEI_OK && next_file(checkpoint, table, &number, &file);) {
        struct rhei_error why = RHEI_ERROR_INIT;
        char name[CHECKPOINT_FILE_NAME];
        rhei_status found = check_file(checkpoint, &file, &why);
        if (found != RHEI_OK && blob_store_is_away(checkpoint->config.store, &why))
            return error_set(error, RHEI_CANT_OPEN, "%s", why.message); /* nobody takes that for damage */
        bool wrong = (found == RHEI_IO || found == RHEI_NOT_FOUND) && is_named(checkpoint, table, number - 1, &file);
        checkpoint_blob_name(file.uid, name);
        if (wrong) {
            ++*damaged;
            checking->damaged(checking->context, name);
            if (checking->condemn && view != NULL && !checkpoint->config.look)
                condemn(checkpoint, view, table, number - 1, &file);
        } else if (found == RHEI_NO_MEMORY) {
            return error_no_memory(error);
        }
        status = checking->goes_on(checking->context, file.rows, error);
    }
    return status;
}
