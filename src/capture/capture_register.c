/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables are captured, by request. */
#include <inttypes.h>

#include "capture/capture_internal.h"

static rhei_status register_want(struct oltp *oltp, const char *table, bool wanted, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = capture_schema_load(oltp->writer, NULL, &schema, error);
    if (status != RHEI_OK)
        return status;
    const struct capture_table_schema *found = capture_schema_find(schema, table);
    struct capture_registry registry = {.connection = oltp->writer};
    if (found == NULL) {
        status = error_set(error, RHEI_NOT_FOUND, "no such table: %s", table);
    } else if (wanted && found->table.source.unmirrored_reason != NULL) {
        status = error_set(error, RHEI_UNSUPPORTED, "table \"%s\" can't be mirrored: %s", table,
                           found->table.source.unmirrored_reason);
    } else {
        struct capture_registered at;
        int64_t id = 0;
        status = capture_registry_find(&registry, found, &at, error);
        if (status == RHEI_OK && at.id != 0) {
            status = oltp_execf(oltp->writer, error, "UPDATE main._rhei_tables SET wanted = %d WHERE id = %" PRId64,
                                wanted, at.id);
        } else if (status == RHEI_OK) {
            status = capture_registry_add(&registry, found, wanted, false, &id, error);
        }
    }
    capture_registry_reset(&registry);
    capture_schema_release(schema);
    return status;
}

/* Whoever asks for a table is told what stands against it. */
static rhei_status register_check(struct oltp_schema *schema, const char *table, struct rhei_error *error)
{
    const struct capture_table_schema *found = capture_schema_find(schema, table);
    const char *why = found == NULL ? NULL : found->table.source.unmirrored_reason;
    return why == NULL ? RHEI_OK : error_set(error, RHEI_UNSUPPORTED, "table \"%s\" can't be mirrored: %s", table, why);
}

static rhei_status register_request(struct oltp *oltp, const char *table, bool wanted, const struct oltp_stop *stop,
                                    struct rhei_error *error)
{
    if (oltp->config.read_only)
        return oltp_refuse_write(oltp, error);
    if (!oltp_captures(oltp))
        return error_set(error, RHEI_UNSUPPORTED, "this handle was opened without change capture");
    rhei_status status = oltp_writer_acquire_until(oltp, stop, error);
    if (status != RHEI_OK)
        return status;
    oltp_connection_watch(oltp->writer, stop);
    status = oltp_exec(oltp->writer, "BEGIN IMMEDIATE", error);
    struct oltp_schema *schema = NULL;
    if (status == RHEI_OK) {
        int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
        status = register_want(oltp, table, wanted, error);
        sqlite3_set_last_insert_rowid(oltp->writer->db, last);
        if (status == RHEI_OK)
            status = capture_apply(oltp, CAPTURE_BY_US, NULL, CAPTURE_ALL, NULL, &schema, error);
        if (status == RHEI_OK && wanted)
            status = register_check(schema, table, error);
        oltp_connection_watch(oltp->writer, NULL); /* a COMMIT or ROLLBACK is finished once begun */
        if (status == RHEI_OK)
            status = oltp_exec(oltp->writer, "COMMIT", error);
        if (status != RHEI_OK) {
            oltp_roll_back(oltp);
            capture_schema_release(schema);
        } else {
            capture_schema_publish(oltp, schema);
            oltp_kept_up(oltp);
        }
    }
    oltp_connection_watch(oltp->writer, NULL);
    oltp_writer_release(oltp);
    return status;
}

rhei_status capture_register_table(struct oltp *oltp, const char *table, const struct oltp_stop *stop,
                                   struct rhei_error *error)
{
    return register_request(oltp, table, true, stop, error);
}

rhei_status capture_release_table(struct oltp *oltp, const char *table, const struct oltp_stop *stop,
                                  struct rhei_error *error)
{
    return register_request(oltp, table, false, stop, error);
}
