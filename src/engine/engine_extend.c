/* SPDX-License-Identifier: Apache-2.0 */
/* The application's own functions and collations: each connection is shown to it once. */
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

struct rhei_connection {
    struct oltp_connection *oltp;
};

rhei_status engine_connected(void *context, struct oltp_connection *connection, struct rhei_error *error)
{
    struct rhei_db *db = context;
    struct rhei_connection shown = {connection};
    return db->config.on_connect(db->config.on_connect_context, &shown, error);
}

rhei_status rhei_create_function(rhei_connection *connection, const struct rhei_function *function,
                                 struct rhei_error *error)
{
    struct rhei_function known;
    error_clear(error);
    rhei_status status = engine_options_copy(&known, sizeof known, function, "rhei_function", error);
    if (status == RHEI_OK && (connection == NULL || known.name == NULL || known.name[0] == '\0' || known.run == NULL)) {
        status = error_set(error, RHEI_INVALID, "rhei_create_function needs a connection, a name and a function");
        if (known.destroy != NULL)
            known.destroy(known.context);
    }
    if (status != RHEI_OK)
        return status;
    struct oltp_function made = {.name = known.name,
                                 .arguments = known.arguments,
                                 .deterministic = known.deterministic,
                                 .direct_only = known.direct_only,
                                 .run = known.run,
                                 .context = known.context,
                                 .destroy = known.destroy};
    return oltp_add_function(connection->oltp, &made, error);
}

rhei_status rhei_create_collation(rhei_connection *connection, const struct rhei_collation *collation,
                                  struct rhei_error *error)
{
    struct rhei_collation known;
    error_clear(error);
    rhei_status status = engine_options_copy(&known, sizeof known, collation, "rhei_collation", error);
    if (status == RHEI_OK &&
        (connection == NULL || known.name == NULL || known.name[0] == '\0' || known.compare == NULL)) {
        status = error_set(error, RHEI_INVALID, "rhei_create_collation needs a connection, a name and a comparison");
        if (known.destroy != NULL)
            known.destroy(known.context);
    }
    if (status != RHEI_OK)
        return status;
    struct oltp_collation made = {known.name, known.compare, known.context, known.destroy};
    return oltp_add_collation(connection->oltp, &made, error);
}

void *rhei_call_memory(rhei_call *call, size_t size)
{
    return call == NULL ? NULL : oltp_call_memory(call, size);
}

rhei_status rhei_call_check(rhei_call *call)
{
    return call == NULL ? RHEI_INVALID : oltp_call_check(call);
}
