/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every version of a row, for who keeps a history.
 *
 *   V1. Events are handed on as they were logged, with their times, however many a key has in a cycle: each is a version.
 *   V2. What R3 and R4 take care of by looking (capture_source_rows.c) is proven instead: the last event of each key that such a
 *       look would have been for is compared with the row in the pinned state, once all were read. Where they differ, the order of
 *       the log isn't the order of the changes, and the table is lost: a load says what it has now.
 *   V3. Where the log has keys alone (I9) there is nothing but the look: one version, as the cycle's state has it.
 *   V4. A look at a row that REPLACE may displace is no event here: the triggers of a table whose versions are kept log the row's end by itself
 *       (T9 of capture_triggers.c). Where the log's order isn't proven (R8), a key that no later event is of has its row read once all were read: then a
 *       trigger that we don't know may have ended the row behind the look. What it finds is a version of the cycle's end.
 *   V5. A look that the log itself asks for (REPLACE displaced the row, perhaps) puts the row of the pinned state: what was noted of its key before is
 *       settled by that.
 */
#include <string.h>

#include "base/base_map.h"
#include "base/base_value.h"
#include "capture/capture_look.h"
#include "capture/capture_source.h"

struct capture_last {
    uint64_t key; /* hash of table and key; 0: empty */
    int64_t seq;
    uint32_t part;
    struct capture_batch *batch;
};

void capture_versions_keep(struct change_source *base)
{
    struct capture_source *source = (struct capture_source *)base;
    source->versions = true;
}

void capture_versions_forget(struct capture_source *source)
{
    base_free(source->lasts);
    source->lasts = NULL;
    source->last_room = source->last_count = 0;
}

static uint64_t versions_key(const struct capture_batch *batch)
{
    const struct source_table *table = &batch->table->table.source;
    uint64_t hash = table->id;
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct rhei_value *value = &batch->values[table->key_columns[i]][batch->count];
        hash = base_hash(&value->type, sizeof value->type, hash);
        if (value->type == RHEI_INTEGER || value->type == RHEI_REAL)
            hash = base_hash(&value->as, sizeof value->as, hash);
        else if (value->type != RHEI_NULL)
            hash = base_hash(value->as.bytes, value->length, hash);
    }
    return hash | 1;
}

static struct capture_last *versions_place(struct capture_last *lasts, size_t room, uint64_t key)
{
    size_t at = (size_t)(key >> 1) & (room - 1);
    while (lasts[at].key != 0 && lasts[at].key != key)
        at = (at + 1) & (room - 1);
    return &lasts[at];
}

rhei_status capture_versions_note(struct capture_source *source, struct capture_batch *batch, int64_t seq,
                                  uint32_t part, struct rhei_error *error)
{
    enum { FIRST_ROOM = 256 };
    if (2 * (source->last_count + 1) > source->last_room) {
        size_t room = source->last_room == 0 ? FIRST_ROOM : 2 * source->last_room;
        struct capture_last *bigger = base_alloc_zero(room, sizeof *bigger);
        if (bigger == NULL)
            return error_no_memory(error);
        for (size_t i = 0; i < source->last_room; i++)
            if (source->lasts[i].key != 0)
                *versions_place(bigger, room, source->lasts[i].key) = source->lasts[i];
        base_free(source->lasts);
        source->lasts = bigger;
        source->last_room = room;
    }
    uint64_t key = versions_key(batch);
    struct capture_last *last = versions_place(source->lasts, source->last_room, key);
    source->last_count += last->key == 0;
    *last = (struct capture_last){key, seq, part, batch};
    return RHEI_OK;
}

/* V5 */
void capture_versions_settle(struct capture_source *source, const struct capture_batch *batch)
{
    if (source->last_count > 0)
        versions_place(source->lasts, source->last_room, versions_key(batch))->batch = NULL;
}

/* The row of the log is the source's current one. */
static rhei_status versions_compare(struct capture_source *source, struct capture_batch *batch,
                                    struct rhei_error *error)
{
    bool there = false, whole = false, same = false;
    if (!capture_batch_reserve(batch, batch->count + 2))
        return error_no_memory(error);
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = capture_source_put_twice(source, batch, &whole, &there, &why);
    if (capture_look_is_tables_own(status)) {
        capture_source_lose(source, batch, "its rows can't be read in this program");
        return RHEI_OK;
    }
    if (status != RHEI_OK)
        return error_set(error, status, "%s", why.message);
    same = whole == there;
    for (uint32_t i = 0; i < batch->columns && same && whole; i++)
        same = base_same_value(&batch->values[i][batch->count], &batch->values[i][batch->count + 1]);
    if (!same) {
        capture_source_lose(source, batch, "changes of a row were logged in another order than they were made");
        batch->lost_at = source->position;
    }
    return RHEI_OK;
}

/* All rows of the cycle were read. */
rhei_status capture_versions_prove(struct capture_source *source, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < source->last_room && status == RHEI_OK; i++) {
        const struct capture_last *last = &source->lasts[i];
        if (last->key == 0 || last->batch == NULL || last->batch->lost != NULL)
            continue;
        status = capture_source_stand_at(source, last->seq, error);
        if (status == RHEI_OK)
            status = capture_source_is_doubt(source) ? capture_source_settle(source, last->batch, last->part, error)
                                                     : versions_compare(source, last->batch, error);
    }
    capture_versions_forget(source);
    return status;
}
