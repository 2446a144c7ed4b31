/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mirror, several sources: each has a `struct sync` of its own, with cycles, builds and states that know nothing of the others'.
 *
 *   1. The mirror's writer is whoever holds `turn`. It is held for one call of the mirror, never while a source is asked; so a source
 *      that is slow, away or full of changes costs another no more than a call.
 *   2. A publish shows the changes of its own source alone, and whole cycles of it (mirror_publish_source). `dirty` is changed
 *      under `turn`, so that who compacts may show again what is whole.
 *   3. A source that is taken away takes its tables with it.
 *
 * `turn` is the last lock of all; `compact` is held by the upkeep alone, before the cycle is taken.
 */
#include "base/base_error.h"
#include "base/base_memory.h"
#include "sync_book.h"

static rhei_status share_new(struct sync *sync, struct rhei_error *error)
{
    sync->share = base_alloc_zero(1, sizeof *sync->share);
    if (sync->share == NULL)
        return error_no_memory(error);
    base_mutex_init(&sync->share->turn);
    base_mutex_init(&sync->share->compact);
    return RHEI_OK;
}

rhei_status sync_share_join(struct sync *sync, struct rhei_error *error)
{
    uint32_t number = sync->config.source_number;
    struct sync *beside = sync->config.beside;
    if (number >= TABLE_SOURCES_MOST)
        return error_set(error, RHEI_INVALID, "a source's number is below %d", TABLE_SOURCES_MOST);
    rhei_status status = RHEI_OK;
    if (beside == NULL)
        status = share_new(sync, error);
    else if (beside->config.mirror != sync->config.mirror)
        status = error_set(error, RHEI_INVALID, "sources beside each other share one mirror");
    else
        sync->share = beside->share;
    if (status != RHEI_OK)
        return status;
    sync_turn_take(sync);
    if (sync->share->members[number] != NULL) {
        status = error_set(error, RHEI_INVALID, "source number %u is taken", number);
    } else {
        sync->share->members[number] = sync;
        sync->joined = true;
    }
    sync_turn_give(sync);
    if (status == RHEI_OK && number > 0)
        status = sync_numbered_open(sync->config.source, number, &sync->numbered, error);
    if (status == RHEI_OK && number > 0)
        sync->config.source = sync->numbered;
    return status;
}

/* Nothing runs any more. */
void sync_share_leave(struct sync *sync)
{
    if (sync->share == NULL)
        return;
    sync_turn_take(sync);
    if (sync->joined)
        sync->share->members[sync->config.source_number] = NULL;
    for (size_t i = 0; i < sync->table_count && sync->config.beside != NULL; i++)
        if (sync->tables[i]->attached)
            mirror_drop(sync->config.mirror, sync->tables[i]->definition->id);
    if (sync->joined && sync->config.beside != NULL)
        (void)mirror_publish_source(sync->config.mirror, sync->config.source_number, 0,
                                    NULL); /* nothing waits: no memory */
    sync_turn_give(sync);
    if (sync->numbered != NULL)
        sync->numbered->ops->close(&sync->numbered);
    if (sync->config.beside == NULL) {
        base_mutex_destroy(&sync->share->turn);
        base_mutex_destroy(&sync->share->compact);
        base_free(sync->share);
    }
    sync->share = NULL;
}

void sync_turn_take(struct sync *sync)
{
    base_mutex_lock(&sync->share->turn);
}

void sync_turn_give(struct sync *sync)
{
    base_mutex_unlock(&sync->share->turn);
}

void sync_share_publish_again(struct sync *sync)
{
    sync_turn_take(sync);
    for (uint32_t s = 0; s < TABLE_SOURCES_MOST; s++) {
        struct sync *member = sync->share->members[s];
        if (member != NULL && !member->dirty && atomic_load_explicit(&member->primed, memory_order_relaxed))
            (void)sync_book_publish(member, atomic_load_explicit(&member->position, memory_order_relaxed), NULL);
    }
    sync_turn_give(sync);
}
