/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling which tables a publish shows differently.
 *
 *   1. A table is told before the publish that shows its change, and once for each publish: a cycle costs nothing per row here.
 *   2. What a failed cycle told stays told: the next publish shows it.
 *   3. Nobody observes: one relaxed load per batch.
 *   4. The first cycle begins at the newest change, so that loads have what came before: of a table that isn't loaded nobody would
 *      learn what was committed between the opening and that cycle. It tells of every table.
 */
#include "sync_internal.h"

void sync_observe(struct sync *sync, bool on)
{
    /* A cycle that runs pinned its state before: what it doesn't tell was committed before this. */
    atomic_store_explicit(&sync->observed, on, memory_order_release);
}

void sync_tell_changed(struct sync *sync, struct sync_table *table)
{
    if (!atomic_load_explicit(&sync->observed, memory_order_relaxed) || table->told == sync->telling)
        return;
    table->told = sync->telling;
    sync->told = true;
    sync->config.observer.changed(sync->config.observer.context, table->definition->name);
}

void sync_tell_all(struct sync *sync)
{
    for (size_t i = 0; i < sync->table_count; i++)
        if (sync->tables[i]->state != SYNC_TABLE_UNMIRRORED)
            sync_tell_changed(sync, sync->tables[i]);
}

void sync_tell_published(struct sync *sync, int64_t position)
{
    if (!sync->told)
        return;
    sync->told = false;
    sync->telling++;
    sync->config.observer.published(sync->config.observer.context, position);
}
