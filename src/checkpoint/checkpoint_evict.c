/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction: segments that the newest checkpoint has in files needn't be resident as well.
 *
 *  1. A segment goes only when its file is durable and named by the newest checkpoint, and only as the same rows at the same places
 *     (mirror_evict.c). What was resident stays for the snapshots that show it.
 *  2. There is a limit, and more than HIGH of it is resident: then segments go until LOW is left, in the order of a hand that goes round
 *     all tables, with a second chance for those that were read since it came by last.
 *  3. What a build fills beyond half of the limit is put in files as it comes, so that a table bigger than the limit can be built at all. Those files
 *     are known by the lineage of their segments, and the next checkpoint names them.
 *  4. A file that can't be opened is set aside, and the segment, which is resident still, is written anew by the next checkpoint.
 *  5. No snapshot is held while a cycle is waited for: it would keep what that cycle may need the memory of.
 */
#include <stdio.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "checkpoint_files.h"
#include "checkpoint_internal.h"

enum { AT_ONCE = 8 };

struct evicting {
    struct checkpoint *checkpoint;
    struct mirror_snapshot snapshot;
    struct mirror_eviction *eviction[AT_ONCE];
    uint32_t count;
    size_t left;   /* bytes that have yet to go */
    bool last_lap; /* who was given a second chance before has none now */
    bool gone, wrong;
};

/* ---- When. --------------------------------------------------------------------------------------------------------- */

static size_t high(const struct checkpoint *checkpoint)
{
    return checkpoint->limit / 4 * 3;
}

static size_t low(const struct checkpoint *checkpoint)
{
    return checkpoint->limit / 2;
}

bool checkpoint_is_pressed(const struct checkpoint *checkpoint)
{
    size_t resident = mirror_resident_bytes(checkpoint->config.mirror);
    return checkpoint->limit > 0 && checkpoint->exchange != NULL && resident > high(checkpoint) &&
           resident > checkpoint->pressed_at + checkpoint->limit / 16;
}

/* ---- Putting them in files. ---------------------------------------------------------------------------------------- */

static void swap_all(void *context)
{
    struct evicting *evicting = context;
    for (uint32_t i = 0; i < evicting->count; i++)
        (void)mirror_evict_swap(evicting->checkpoint->config.mirror, &evicting->eviction[i], NULL);
}

static void flush(struct evicting *evicting)
{
    struct checkpoint *checkpoint = evicting->checkpoint;
    if (evicting->count == 0)
        return;
    checkpoint_fault(checkpoint, "evict.prepared");
    mirror_snapshot_release(&evicting->snapshot); /* 5. */
    checkpoint->exchange(checkpoint->exchange_context, swap_all, evicting);
    evicting->count = 0;
    evicting->gone = true;
    evicting->snapshot = (struct mirror_snapshot){.version = NULL};
    if (mirror_snapshot_take(checkpoint->config.mirror, &evicting->snapshot) != RHEI_OK)
        evicting->left = 0;
    checkpoint_fault(checkpoint, "evict.swapped");
}

static void set_aside(struct evicting *evicting, struct checkpoint_known *known, const char *why)
{
    struct checkpoint *checkpoint = evicting->checkpoint;
    struct blob_store *store = checkpoint->config.store;
    char name[CHECKPOINT_NAME_BYTES];
    checkpoint_blob_name(known->uid, name);
    base_log_write(checkpoint->config.log, BASE_LOG_WARN, "checkpoint",
                   "%s of the mirror was set aside: %s; it is written again from memory", name, why);
    if (store->ops->set_aside != NULL)
        (void)store->ops->set_aside(store, name, NULL);
    known->lineage = 0;
    checkpoint->whole_wanted = true;
    evicting->wrong = true;
}

static void prepare(struct evicting *evicting, uint32_t table, const struct mirror_table_view *view, uint32_t number,
                    struct checkpoint_known *known, size_t bytes)
{
    struct segment_image image;
    struct mirror_keeper keeper;
    struct rhei_error why = RHEI_ERROR_INIT;
    uint64_t size;
    rhei_status status = checkpoint_files_open(evicting->checkpoint->files, table, known->uid, known->rows, known->sum,
                                               &image, &keeper, &size, &why);
    if (status == RHEI_OK) {
        status = mirror_evict_prepare(view, number, &image, &keeper, &evicting->eviction[evicting->count], &why);
        image.release(&image);
    }
    if (status != RHEI_OK && blob_store_is_away(evicting->checkpoint->config.store, &why)) {
        evicting->left = 0; /* neither are others */
        return;
    }
    if (status == RHEI_IO || status == RHEI_NOT_FOUND || status == RHEI_INVALID)
        set_aside(evicting, known, why.message);
    if (status != RHEI_OK)
        return;
    evicting->left -= bytes < evicting->left ? bytes : evicting->left;
    if (++evicting->count == AT_ONCE)
        flush(evicting);
}

/* The segments of one table from the hand on. */
static void go_through(struct evicting *evicting, struct checkpoint_known_table *table)
{
    struct checkpoint *checkpoint = evicting->checkpoint;
    for (; checkpoint->hand_number < table->count && evicting->left > 0; checkpoint->hand_number++) {
        const struct mirror_table_view *view =
            mirror_view(&evicting->snapshot, table->id); /* another one after a flush */
        uint32_t number = checkpoint->hand_number;
        struct checkpoint_known *known = &table->segments[number];
        if (view == NULL)
            return;
        size_t bytes = mirror_view_segment_resident(view, number);
        if (known->lineage == 0 || known->in_pieces || bytes == 0 ||
            mirror_view_segment_lineage(view, number) != known->lineage)
            continue;
        bool used = mirror_view_segment_used(view, number);
        if (!used || evicting->last_lap)
            prepare(evicting, table->id, view, number, known, bytes);
    }
}

/* Once round all tables. */
static void go_round(struct evicting *evicting)
{
    struct checkpoint *checkpoint = evicting->checkpoint;
    struct checkpoint_set *set = &checkpoint->set;
    for (size_t i = 0; i <= set->count && evicting->left > 0; i++) {
        size_t t = 0;
        while (t < set->count && set->tables[t].id < checkpoint->hand_table)
            t++;
        if (t == set->count || set->tables[t].id != checkpoint->hand_table)
            checkpoint->hand_number = 0;
        if (set->count == 0)
            return;
        struct checkpoint_known_table *table = &set->tables[t == set->count ? 0 : t];
        checkpoint->hand_table = table->id;
        go_through(evicting, table);
        if (evicting->left == 0)
            break;
        checkpoint->hand_table = table->id + 1;
        checkpoint->hand_number = 0;
    }
    flush(evicting);
}

void checkpoint_evict(struct checkpoint *checkpoint)
{
    struct mirror *mirror = checkpoint->config.mirror;
    size_t resident = mirror_resident_bytes(mirror);
    if (checkpoint->limit == 0 || checkpoint->exchange == NULL || resident <= high(checkpoint)) {
        checkpoint->pressed_at = 0;
        return;
    }
    struct evicting evicting = {.checkpoint = checkpoint, .left = resident - low(checkpoint)};
    if (mirror_snapshot_take(mirror, &evicting.snapshot) != RHEI_OK)
        return;
    for (int lap = 0; lap < 3 && evicting.left > 0; lap++) { /* the first may begin in the middle */
        evicting.last_lap = lap == 2;
        go_round(&evicting);
    }
    mirror_snapshot_release(&evicting.snapshot);
    checkpoint->pressed_at = evicting.left > 0 ? mirror_resident_bytes(mirror) : 0;
    if (evicting.gone)
        checkpoint_fault(checkpoint, "evict.done");
}

/* ---- Builds. ------------------------------------------------------------------------------------------------------- */

static rhei_status spill(void *context, uint32_t table, uint64_t lineage, const struct segment_image *image,
                         struct segment_image *file, struct mirror_keeper *keeper)
{
    struct checkpoint *checkpoint = context;
    struct rhei_error why = RHEI_ERROR_INIT;
    uint64_t uid, bytes;
    (void)checkpoint_take_numbers(checkpoint, 1, &uid);
    uid |= checkpoint_uid_bit(checkpoint->config.codec);
    checkpoint_fault(checkpoint, "evict.spill");
    rhei_status status =
        checkpoint_files_write(checkpoint->files, table, uid, lineage, image, file, keeper, &bytes, &why);
    checkpoint_fault(checkpoint, "evict.spilled");
    base_mutex_lock(&checkpoint->lock);
    if (status == RHEI_OK)
        checkpoint->status.written += bytes;
    else
        (void)snprintf(checkpoint->status.error, sizeof checkpoint->status.error, "%.250s", why.message);
    base_mutex_unlock(&checkpoint->lock);
    return status;
}

void checkpoint_evict_init(struct checkpoint *checkpoint)
{
    checkpoint->limit = mirror_memory_limit(checkpoint->config.mirror);
    if (checkpoint->limit == 0)
        return;
    const struct mirror_spill to = {
        .spill = spill, .above = checkpoint->limit / 2, .above_in_cycle = high(checkpoint), .context = checkpoint};
    mirror_set_spill(checkpoint->config.mirror, checkpoint->config.source_number, &to);
}
