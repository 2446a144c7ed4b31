/* SPDX-License-Identifier: Apache-2.0 */
/* What a name means on a connection that shows tables of other sources. */
#include "oltp/oltp_face.h"

bool oltp_face_has(const struct oltp_connection *connection, const char *schema)
{
    return connection->face != NULL && face_set_has_schema(connection->face->set, schema);
}

/* A table or view of that name in our own file. */
static bool is_local(struct oltp_connection *connection, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    bool found = sqlite3_prepare_v2(connection->db,
                                    "SELECT 1 FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 "
                                    "COLLATE NOCASE",
                                    -1, &stmt, NULL) == SQLITE_OK &&
                 sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return found;
}

const char *oltp_face_schema_of(struct oltp_connection *connection, const char *name)
{
    const struct oltp_face_set *set = connection->face == NULL ? NULL : connection->face->set;
    const char *found = NULL;
    for (uint32_t s = 0; set != NULL && found == NULL && s < set->schema_count; s++) {
        for (uint32_t t = 0; found == NULL && t < set->table_count; t++) {
            const struct face_table *table = &set->tables[t];
            if (table->shown && table->name == set->schemas[s].name &&
                base_fold_compare(table->definition->name, name) == 0)
                found = table->name;
        }
    }
    return found == NULL || is_local(connection, name) ? "main" : found;
}

uint64_t oltp_face_version_of(const struct oltp_connection *connection)
{
    return connection->face == NULL ? 0 : connection->face->set->version;
}
