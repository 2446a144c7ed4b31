/* SPDX-License-Identifier: Apache-2.0 */
/* How sidecars stand: how far behind, since when away and why, and what their servers keep for them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/config_settings.h"
#include "engine/engine_sidecar.h"
#include "source_postgres/source_postgres.h"

static bool is_logical(const struct engine_sidecar *sidecar)
{
    return sidecar->settings->source_type == CONFIG_SOURCE_POSTGRES && sidecar->settings->mode == CONFIG_SOURCE_LOGICAL;
}

/* Between two commands nobody reads the slot of a sidecar beside this one either: it is kept for it. */
static bool is_named(const struct rhei_db *db, const char *slot)
{
    struct engine_sidecar sidecar;
    bool named = false;
    for (size_t s = 0; !named && engine_sidecar_at(db, s, &sidecar); s++)
        named = sidecar.settings->slot != NULL && strcmp(sidecar.settings->slot, slot) == 0;
    return named;
}

/* The one that is read, and those that are left over. */
static void fill_slots(const struct rhei_db *db, const struct source_postgres_state *state,
                       struct rhei_sidecar_status *status)
{
    size_t used = 0;
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct source_postgres_slot *slot = &state->slots[i];
        if (slot->own) {
            snprintf(status->slot, sizeof status->slot, "%s", slot->name);
            snprintf(status->slot_state, sizeof status->slot_state, "%s", slot->wal_status);
            status->slot_held_bytes = slot->held_bytes;
            status->slot_safe_bytes = slot->safe_bytes;
        } else if (!is_named(db, slot->name) && used < sizeof status->slots_left) {
            int more = snprintf(status->slots_left + used, sizeof status->slots_left - used, "%s%s",
                                used == 0 ? "" : ", ", slot->name);
            used += more > 0 ? (size_t)more : 0;
        }
    }
}

static void fill_logical(const struct engine_sidecar *sidecar, struct rhei_sidecar_status *status)
{
    struct source_postgres_state state;
    source_postgres_state(sidecar->source, &state);
    status->lag_us = state.lag_us;
    status->lag_bytes = state.lag_bytes;
    status->reloads = state.reloads;
    if (!status->away && state.reloads > 0)
        snprintf(status->message, sizeof status->message, "every table was loaded again: %s", state.reloaded);
    fill_slots(sidecar->db, &state, status);
}

void engine_sidecar_status(const struct engine_sidecar *sidecar, struct rhei_sidecar_status *status)
{
    static const char *const modes[] = {
        [CONFIG_SOURCE_POLL] = "poll", [CONFIG_SOURCE_LOGICAL] = "logical", [CONFIG_SOURCE_SNAPSHOT] = "snapshot"};
    const struct config_sidecar *settings = sidecar->settings;
    struct sync_status sync;
    sync_get_status(sidecar->sync, &sync);
    *status = (struct rhei_sidecar_status){.away = sync.away_ns > 0,
                                           .away_us = sync.away_ns / 1000,
                                           .position = sync.position,
                                           .lag_us = sync.age_ns == INT64_MAX ? -1 : sync.age_ns / 1000,
                                           .lag_bytes = -1,
                                           .slot_safe_bytes = -1,
                                           .tables = sync.tables,
                                           .tables_ready = sync.tables_ready};
    snprintf(status->name, sizeof status->name, "%s", settings->name);
    snprintf(status->source_type, sizeof status->source_type, "%s",
             settings->source_type == CONFIG_SOURCE_POSTGRES ? "postgres" : "sqlite");
    snprintf(status->mode, sizeof status->mode, "%s", modes[settings->mode]);
    engine_message_give(status->message, sizeof status->message, sync.away_why);
    if (is_logical(sidecar))
        fill_logical(sidecar, status);
}

rhei_status rhei_sidecar_list(rhei_db *db, struct rhei_sidecar_status ***sidecars, size_t *count,
                              struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || sidecars == NULL || count == NULL)
        return error_set(error, RHEI_INVALID, "a handle and places for the sidecars are needed");
    struct engine_sidecar sidecar;
    size_t found = 0;
    while (engine_sidecar_at(db, found, &sidecar))
        found++;
    struct rhei_sidecar_status **list =
        base_alloc_zero(found + 1, sizeof(struct rhei_sidecar_status *) + sizeof **list);
    if (list == NULL)
        return error_no_memory(error);
    engine_sidecars_look_once(db);
    struct rhei_sidecar_status *made = (struct rhei_sidecar_status *)(list + found + 1);
    for (size_t s = 0; s < found; s++) {
        list[s] = &made[s];
        engine_sidecar_at(db, s, &sidecar);
        engine_sidecar_status(&sidecar, list[s]);
    }
    *sidecars = list;
    *count = found;
    return RHEI_OK;
}

static void json_slots(struct base_buffer *out, const struct source_postgres_state *state)
{
    base_buffer_text(out, ", \"slots\": [");
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct source_postgres_slot *slot = &state->slots[i];
        base_buffer_text(out, i == 0 ? "{\"name\": " : ", {\"name\": ");
        engine_json_text(out, slot->name);
        base_buffer_format(out,
                           ", \"own\": %s, \"active\": %s, \"held_bytes\": %" PRId64 ", \"safe_bytes\": %" PRId64
                           ", \"idle_ms\": %" PRId64 ", \"wal_status\": ",
                           slot->own ? "true" : "false", slot->active ? "true" : "false", slot->held_bytes,
                           slot->safe_bytes, slot->idle_ms);
        engine_json_text(out, slot->wal_status);
        base_buffer_text(out, ", \"invalidated\": ");
        engine_json_text(out, slot->invalidated);
        base_buffer_text(out, "}");
    }
    base_buffer_text(out, "]");
}

void engine_sidecar_json(struct base_buffer *out, const struct engine_sidecar *sidecar)
{
    struct source_postgres_state state;
    if (!is_logical(sidecar))
        return;
    source_postgres_state(sidecar->source, &state);
    base_buffer_format(out,
                       ", \"server_version\": %d, \"queued\": %" PRIu64 ", \"queued_bytes\": %" PRId64
                       ", \"reloads\": %" PRIu64 ", \"reloaded\": ",
                       state.server_version, state.queued, state.queued_bytes, state.reloads);
    engine_json_text(out, state.reloaded);
    json_slots(out, &state);
}
