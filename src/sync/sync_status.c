/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"

int64_t sync_position(const struct sync *sync)
{
    return atomic_load_explicit(&sync->position, memory_order_acquire);
}

uint64_t sync_built(const struct sync *sync)
{
    return atomic_load_explicit(&sync->built, memory_order_acquire);
}

uint64_t sync_loaded(const struct sync *sync)
{
    return atomic_load_explicit(&sync->loaded, memory_order_acquire);
}

/* A table is in a published state only while it is ready in it, so the mirror itself is the best witness. */
bool sync_table_ready(const struct sync *sync, uint32_t table)
{
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(sync->config.mirror, &snapshot) != RHEI_OK)
        return false;
    bool ready = mirror_view(&snapshot, table) != NULL;
    mirror_snapshot_release(&snapshot);
    return ready;
}

static uint64_t count_versions(struct sync *sync)
{
    struct mirror_snapshot snapshot;
    const struct mirror_table_view *view;
    uint64_t rows = 0;
    uint32_t first = (uint32_t)(TABLE_HISTORY | sync->config.source_number) << TABLE_SOURCE_SHIFT;
    if (mirror_snapshot_take(sync->config.mirror, &snapshot) != RHEI_OK)
        return 0;
    for (uint32_t id = first + 1;
         (view = mirror_view_next(&snapshot, &id)) != NULL && id >> TABLE_SOURCE_SHIFT == first >> TABLE_SOURCE_SHIFT;
         id++)
        rows += mirror_view_row_count(view);
    mirror_snapshot_release(&snapshot);
    return rows;
}

void sync_get_status(struct sync *sync, struct sync_status *status)
{
    base_mutex_lock(&sync->lock);
    *status = sync->counters;
    status->tables = (uint32_t)sync->table_count;
    status->away_ns = sync->away_since_ns == 0 ? 0 : base_now_ns() - sync->away_since_ns;
    base_mutex_unlock(&sync->lock);
    status->versions = count_versions(sync);
    status->running = sync_is_running(sync);
    status->position = sync_position(sync);
    int64_t fresh_at_ns = sync_fresh_at_ns(sync);
    status->age_ns = fresh_at_ns ? base_now_ns() - fresh_at_ns : INT64_MAX;
}

/* How far a load is, behind what was said of the one before, and how long it may take yet if it goes on so. */
static void tell_load(const struct sync_job *job, struct sync_table_status *out)
{
    size_t at = strlen(out->message);
    int64_t spent_ns = job->began_ns == 0 ? 0 : base_now_ns() - job->began_ns;
    if (spent_ns == 0 || at + 1 >= sizeof out->message)
        return;
    const char *between = at > 0 ? "; " : "";
    if (job->expected <= out->rows_built || out->rows_built == 0) {
        (void)snprintf(out->message + at, sizeof out->message - at, "%s%" PRIu64 " rows are loaded", between,
                       out->rows_built);
        return;
    }
    double left_s = (double)spent_ns / 1e9 * (double)(job->expected - out->rows_built) / (double)out->rows_built;
    (void)snprintf(out->message + at, sizeof out->message - at,
                   "%s%" PRIu64 " of about %" PRIu64 " rows are loaded, %.0f s left", between, out->rows_built,
                   job->expected, left_s);
}

/* Under `lock`. */
static void fill(const struct sync_table *table, const struct mirror_snapshot *snapshot, struct sync_table_status *out)
{
    const char *name = table->definition->name;
    memcpy(out->name, name, base_utf8_cut(name, strlen(name), sizeof out->name - 1));
    memcpy(out->message, table->message, sizeof out->message);
    out->id = table->definition->id;
    out->state = table->state;
    out->restored = table->restored;
    const char *clash = sync_history_clash(table->definition);
    if (clash != NULL)
        memcpy(out->clash, clash, base_utf8_cut(clash, strlen(clash), sizeof out->clash - 1));
    const struct mirror_table_view *view = mirror_view(snapshot, out->id);
    if (view && out->state == SYNC_TABLE_READY) {
        out->rows = out->rows_built = out->rows_expected = mirror_view_row_count(view);
        out->position = mirror_snapshot_position_of(snapshot, source_of_table(out->id));
    }
    const struct sync_job *job = table->job;
    if (job && out->state == SYNC_TABLE_BUILDING) {
        out->rows_built = atomic_load_explicit(&job->rows, memory_order_relaxed);
        out->rows_expected = job->expected > out->rows_built ? job->expected : out->rows_built;
        tell_load(job, out);
    }
}

rhei_status sync_get_tables(struct sync *sync, struct sync_table_status **tables, size_t *count,
                            struct rhei_error *error)
{
    *tables = NULL;
    *count = 0;
    struct mirror_snapshot snapshot;
    rhei_status status = mirror_snapshot_take(sync->config.mirror, &snapshot);
    if (status != RHEI_OK)
        return error_set(error, status, "no memory for a snapshot");
    base_mutex_lock(&sync->lock);
    struct sync_table_status *result = base_alloc_zero(sync->table_count + 1, sizeof *result);
    if (result) {
        for (size_t i = 0; i < sync->table_count; i++)
            fill(sync->tables[i], &snapshot, &result[i]);
        *count = sync->table_count;
    }
    base_mutex_unlock(&sync->lock);
    mirror_snapshot_release(&snapshot);
    if (!result)
        return error_no_memory(error);
    *tables = result;
    return RHEI_OK;
}

bool sync_is_primed(const struct sync *sync)
{
    return atomic_load_explicit(&sync->primed, memory_order_acquire);
}
