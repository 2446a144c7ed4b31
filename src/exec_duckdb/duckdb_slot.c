/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the statement on a connection reads: snapshot, values, ranges and stop. Callbacks find it by the connection's number, which
 * DuckDB never gives again, so a number finds its own connection or none.
 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

static size_t bytes_of_values(const struct executor_query *query)
{
    size_t bytes = query->value_count * sizeof *query->values;
    for (uint32_t i = 0; i < query->value_count; i++)
        if (query->values[i].type == RHEI_TEXT || query->values[i].type == RHEI_BLOB)
            bytes += query->values[i].length;
    return bytes;
}

static bool copy_values(struct duck_slot *slot, const struct executor_query *query)
{
    if (query->value_count == 0)
        return true;
    slot->values = base_alloc(bytes_of_values(query));
    if (slot->values == NULL)
        return false;
    memcpy(slot->values, query->values, query->value_count * sizeof *query->values);
    slot->value_count = query->value_count;
    char *bytes = (char *)(slot->values + query->value_count);
    for (uint32_t i = 0; i < query->value_count; i++) {
        struct rhei_value *value = &slot->values[i];
        if ((value->type != RHEI_TEXT && value->type != RHEI_BLOB) || value->length == 0)
            continue;
        memcpy(bytes, value->as.bytes, value->length);
        value->as.bytes = bytes;
        bytes += value->length;
    }
    return true;
}

static bool copy_ranges(struct duck_slot *slot, const struct executor_query *query)
{
    if (query->range_count == 0)
        return true;
    slot->ranges = base_alloc(query->range_count * sizeof *slot->ranges);
    if (slot->ranges == NULL)
        return false;
    memcpy(slot->ranges, query->ranges, query->range_count * sizeof *slot->ranges);
    slot->range_count = query->range_count;
    return true;
}

static bool copy_columns(struct duck_slot *slot, const struct executor_query *query)
{
    if (query->columns == NULL)
        return true;
    slot->columns = base_alloc(query->column_count * sizeof *slot->columns);
    if (slot->columns == NULL)
        return false;
    if (query->column_count > 0)
        memcpy(slot->columns, query->columns, query->column_count * sizeof *slot->columns);
    slot->column_count = query->column_count;
    return true;
}

void duck_slot_reset(struct duck_slot *slot)
{
    atomic_load_explicit(&slot->calls, memory_order_acquire);
    base_free(slot->values);
    base_free(slot->ranges);
    base_free(slot->columns);
    slot->columns = NULL;
    slot->column_count = 0;
    slot->values = NULL;
    slot->value_count = 0;
    slot->ranges = NULL;
    slot->range_count = 0;
    slot->snapshot = NULL;
    slot->stop = (struct executor_stop){0};
}

rhei_status duck_slot_fill(struct duck_slot *slot, const struct executor_query *query, struct rhei_error *error)
{
    slot->snapshot = query->snapshot;
    slot->stop = query->stop;
    slot->native = query->native;
    atomic_store_explicit(&slot->stale, false, memory_order_relaxed);
    if (!copy_values(slot, query) || !copy_ranges(slot, query) || !copy_columns(slot, query)) {
        duck_slot_reset(slot);
        return error_no_memory(error);
    }
    atomic_store_explicit(&slot->damaged, NULL, memory_order_relaxed);
    atomic_store_explicit(&slot->stopped, RHEI_OK, memory_order_release);
    return RHEI_OK;
}

rhei_status duck_slot_check(struct duck_slot *slot)
{
    int stopped = atomic_load_explicit(&slot->stopped, memory_order_acquire);
    if (stopped != RHEI_OK || slot->stop.check == NULL)
        return (rhei_status)stopped;
    rhei_status status = slot->stop.check(slot->stop.context);
    if (status == RHEI_OK)
        return RHEI_OK;
    int none = RHEI_OK; /* the first answer stays */
    atomic_compare_exchange_strong(&slot->stopped, &none, (int)status);
    return (rhei_status)atomic_load_explicit(&slot->stopped, memory_order_acquire);
}

struct duck_connection *duck_connection_find(struct duck_database *database, idx_t id)
{
    struct duck_executor *executor = database->executor;
    base_mutex_lock(&executor->mutex);
    struct duck_connection *found = database->connections;
    while (found != NULL && found->id != id)
        found = found->next;
    base_mutex_unlock(&executor->mutex);
    return found;
}

void duck_connection_free(struct duck_connection **connection)
{
    struct duck_connection *old = *connection;
    const struct duck_api *api = old->database->executor->api;
    while (old->plan_count > 0) {
        struct duck_plan *plan = old->plans[old->plan_count - 1];
        duck_plan_drop(old, &plan);
    }
    if (old->handle != NULL)
        api->disconnect(&old->handle);
    duck_slot_reset(&old->slot);
    base_free(old);
    *connection = NULL;
}
