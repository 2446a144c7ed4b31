/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"

#define MIB (INT64_C(1) << 20)

/* Its own slot, and those of this database with a name like ours that nobody reads: a sidecar that was given up leaves one. */
static const char SLOTS[] =
    "SELECT slot_name, active, wal_status, pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() THEN"
    " pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)::bigint,"
    " safe_wal_size, slot_name = $1, %s FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical'"
    " AND (slot_name = $1 OR database = pg_catalog.current_database() AND plugin = 'pgoutput' AND NOT active"
    " AND NOT temporary AND slot_name LIKE 'rhei%%') ORDER BY slot_name = $1 DESC, slot_name LIMIT %d";
static const char INVALIDATED[] =
    "invalidation_reason, (extract(epoch FROM pg_catalog.now() - inactive_since) * 1000)::bigint";
static const char NOT_TOLD[] = "NULL, NULL"; /* before 17 */

void postgres_watch_init(struct postgres_watch *watch, const struct source_postgres_config *config)
{
    *watch = (struct postgres_watch){.config = config};
    base_mutex_init(&watch->lock);
}

void postgres_watch_reset(struct postgres_watch *watch)
{
    base_mutex_destroy(&watch->lock);
}

static int64_t number_or(const struct postgres_connection *connection, const PGresult *result, int row, int column,
                         int64_t otherwise)
{
    return connection->api->getisnull(result, row, column)
               ? otherwise
               : strtoll(postgres_cell(connection, result, row, column), NULL, 10);
}

static void take_slot(const struct postgres_connection *connection, const PGresult *result, int row,
                      struct source_postgres_slot *slot)
{
    *slot = (struct source_postgres_slot){.active = postgres_cell(connection, result, row, 1)[0] == 't',
                                          .held_bytes = number_or(connection, result, row, 3, 0),
                                          .safe_bytes = number_or(connection, result, row, 4, -1),
                                          .own = postgres_cell(connection, result, row, 5)[0] == 't',
                                          .idle_ms = number_or(connection, result, row, 7, -1)};
    snprintf(slot->name, sizeof slot->name, "%s", postgres_cell(connection, result, row, 0));
    snprintf(slot->wal_status, sizeof slot->wal_status, "%s", postgres_cell(connection, result, row, 2));
    snprintf(slot->invalidated, sizeof slot->invalidated, "%s", postgres_cell(connection, result, row, 6));
}

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

static int64_t *warned_of(struct postgres_watch *watch, const char *name)
{
    size_t at = 0;
    while (at < SOURCE_POSTGRES_SLOTS_MOST - 1 && watch->warned[at][0] != '\0' && strcmp(watch->warned[at], name) != 0)
        at++;
    if (strcmp(watch->warned[at], name) != 0)
        watch->warned_bytes[at] = 0;
    snprintf(watch->warned[at], sizeof watch->warned[at], "%.63s", name);
    return &watch->warned_bytes[at];
}

/* W1. */
static void warn_held(struct postgres_watch *watch, const struct source_postgres_slot *slot)
{
    int64_t limit = watch->config->held_warning;
    if (slot->held_bytes <= limit)
        return;
    int64_t *warned = warned_of(watch, slot->name);
    if (slot->held_bytes / 2 < *warned)
        return;
    *warned = slot->held_bytes;
    if (slot->own)
        base_log_write(
            watch->config->log, BASE_LOG_WARN, "source_postgres",
            "the server keeps %" PRId64
            " MiB of WAL for the slot %s: changes come faster than they are read, or a transaction there has "
            "been running for long",
            slot->held_bytes / MIB, slot->name);
    else
        base_log_write(watch->config->log, BASE_LOG_WARN, "source_postgres",
                       "the server keeps %" PRId64
                       " MiB of WAL for the slot %s, which nobody reads: if it isn't wanted any more, SELECT "
                       "pg_drop_replication_slot('%s')",
                       slot->held_bytes / MIB, slot->name, slot->name);
}

static void warn_ending(struct postgres_watch *watch, const struct source_postgres_slot *slot)
{
    bool ending = strcmp(slot->wal_status, "unreserved") == 0;
    if (ending && !watch->ending)
        base_log_write(watch->config->log, BASE_LOG_WARN, "source_postgres",
                       "the server is about to give up the slot %s, which keeps more WAL than its "
                       "max_slot_wal_keep_size: every table will then be loaded again",
                       slot->name);
    watch->ending = ending;
}

/* ---- Looking. ---------------------------------------------------------------------------------------------------- */

rhei_status postgres_watch_look(struct postgres_watch *watch, struct postgres_connection *connection, const char *slot,
                                int64_t deadline_ns, struct rhei_error *error)
{
    const char *parameters[] = {slot};
    struct source_postgres_slot slots[SOURCE_POSTGRES_SLOTS_MOST];
    char sql[sizeof SLOTS + sizeof INVALIDATED + 16];
    PGresult *result = NULL;
    int64_t now = base_now_ns();
    if (watch->looked_ns != 0 && now - watch->looked_ns < watch->config->look_ms * 1000000)
        return RHEI_OK;
    snprintf(sql, sizeof sql, SLOTS, connection->version >= 170000 ? INVALIDATED : NOT_TOLD,
             SOURCE_POSTGRES_SLOTS_MOST);
    rhei_status status =
        postgres_query(connection, "looking after the slot", sql, 1, parameters, deadline_ns, &result, error);
    if (status != RHEI_OK)
        return status;
    watch->looked_ns = now;
    size_t count = (size_t)connection->api->ntuples(result);
    for (size_t i = 0; i < count; i++)
        take_slot(connection, result, (int)i, &slots[i]);
    postgres_clear(connection, &result);
    for (size_t i = 0; i < count; i++)
        warn_held(watch, &slots[i]);
    if (count > 0 && slots[0].own)
        warn_ending(watch, &slots[0]);
    base_mutex_lock(&watch->lock);
    memcpy(watch->slots, slots, count * sizeof *slots);
    watch->slot_count = count;
    base_mutex_unlock(&watch->lock);
    return RHEI_OK;
}

void postgres_watch_asked(struct postgres_watch *watch, uint64_t position, int64_t clock_us)
{
    base_mutex_lock(&watch->lock);
    watch->asked = position;
    watch->asked_clock_us = clock_us;
    watch->asked_ns = base_now_ns();
    base_mutex_unlock(&watch->lock);
}

void postgres_watch_told(struct postgres_watch *watch, rhei_status status, bool behind)
{
    base_mutex_lock(&watch->lock);
    watch->away = status != RHEI_OK;
    watch->told_clock_us = watch->asked_clock_us;
    if (status == RHEI_OK && !behind)
        watch->had_clock_us = watch->asked_clock_us;
    base_mutex_unlock(&watch->lock);
}

void postgres_watch_state(struct postgres_watch *watch, uint64_t seen, struct source_postgres_state *state)
{
    base_mutex_lock(&watch->lock);
    state->lag_us = -1;
    state->lag_bytes = watch->asked_ns == 0 ? -1 : watch->asked > seen ? (int64_t)(watch->asked - seen) : 0;
    if (watch->had_clock_us != 0) /* while nobody answers its clock goes on as ours does */
        state->lag_us =
            watch->asked_clock_us - watch->had_clock_us + (watch->away ? (base_now_ns() - watch->asked_ns) / 1000 : 0);
    memcpy(state->slots, watch->slots, sizeof state->slots);
    state->slot_count = watch->slot_count;
    base_mutex_unlock(&watch->lock);
}
