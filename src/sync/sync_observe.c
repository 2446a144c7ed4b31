/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling which tables a publish shows differently.
 *
 *   1. A table is told before the publish that shows its change, and once for each publish: a cycle costs nothing per row here.
 *   2. What a failed cycle told stays told: the next publish shows it.
 *   3. Nobody observes: one relaxed load per batch.
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

void sync_tell_published(struct sync *sync, int64_t position)
{
    if (!sync->told)
        return;
    sync->told = false;
    sync->telling++;
    sync->config.observer.published(sync->config.observer.context, position);
}
