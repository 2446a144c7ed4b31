/* SPDX-License-Identifier: Apache-2.0 */
/* What one statement looks at: the schema's catalog and a snapshot, taken once and together. */
#include "base/base_error.h"
#include "route/route_internal.h"

/*
 * A snapshot may show what was committed after the catalog was taken; who put it there knew the schema that it was committed under. So the
 * catalog is of the snapshot's schema still, or the number of the known one has moved.
 */
static void state_verify(struct route *route, struct route_state *state)
{
    state->schema_version = capture_schema_version(route->config.oltp);
    if (state->catalog != NULL && state->catalog->schema_version != state->schema_version)
        capture_catalog_release(&state->catalog);
}

rhei_status route_state_take(struct route *route, bool demanded, struct route_state *state, struct rhei_error *error)
{
    rhei_status status = demanded ? capture_catalog_take(route->config.oltp, &state->catalog, error)
                                  : capture_catalog_try(route->config.oltp, &state->catalog, error);
    if (status == RHEI_OK)
        status = route_state_renew(route, state, error);
    if (status != RHEI_OK)
        route_state_release(state);
    return status;
}

rhei_status route_state_renew(struct route *route, struct route_state *state, struct rhei_error *error)
{
    if (state->snapshot.slot != NULL && mirror_snapshot_is_newest(&state->snapshot))
        return RHEI_OK;
    mirror_snapshot_release(&state->snapshot);
    rhei_status status = mirror_snapshot_take(route->config.mirror, &state->snapshot);
    if (status != RHEI_OK)
        return error_set(error, status, "no memory for a snapshot of the column store");
    state_verify(route, state);
    return RHEI_OK;
}

void route_state_pause(struct route_state *state)
{
    mirror_snapshot_release(&state->snapshot);
}

void route_state_release(struct route_state *state)
{
    if (state->catalog != NULL)
        capture_catalog_release(&state->catalog);
    mirror_snapshot_release(&state->snapshot);
}

bool route_state_serves(const struct route_state *state, const struct route_statement *statement)
{
    return state->catalog != NULL && state->catalog->schema_version == statement->schema_version;
}
