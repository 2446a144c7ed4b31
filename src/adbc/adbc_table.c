/* SPDX-License-Identifier: Apache-2.0 */
/* What one table's columns are in Arrow. */
#include <stdlib.h>
#include <string.h>

#include "adbc_internal.h"

/* SELECT * FROM "schema"."table", or NULL. */
static char *select_all(const char *schema, const char *table)
{
    static const char select[] = "SELECT * FROM ";
    const char *names[] = {schema, table};
    size_t size = sizeof select + 2 * strlen(schema) + 2 * strlen(table) + 8;
    char *sql = malloc(size), *at = sql;
    if (sql == NULL)
        return NULL;
    memcpy(at, select, sizeof select - 1);
    at += sizeof select - 1;
    for (size_t i = 0; i < 2; i++) {
        if (i == 1)
            *at++ = '.';
        *at++ = '"';
        for (const char *c = names[i]; *c != '\0'; c++) {
            if (*c == '"')
                *at++ = '"';
            *at++ = *c;
        }
        *at++ = '"';
    }
    *at = '\0';
    return sql;
}

/* The schema of the table of that name that a name alone would mean, where none is given; NULL: there is no such table. */
static AdbcStatusCode find(struct adbc_connection *connection, const char *schema, const char *table, char **found,
                           struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    struct rhei_catalog *catalog = NULL;
    if (rhei_catalog_read(connection->handle->db, NULL, NULL, &catalog, &failure) != RHEI_OK)
        return adbc_fail_with(error, &failure);
    *found = NULL;
    for (uint32_t t = 0; *found == NULL && t < catalog->table_count; t++)
        if (strcasecmp(catalog->tables[t]->name, table) == 0 &&
            (schema == NULL || strcasecmp(catalog->tables[t]->schema, schema) == 0))
            *found = strdup(catalog->tables[t]->schema);
    rhei_catalog_free(&catalog);
    return ADBC_STATUS_OK;
}

static AdbcStatusCode schema_of(struct adbc_connection *connection, const char *sql, struct ArrowSchema *out,
                                struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    rhei_statement *statement = NULL;
    pthread_mutex_lock(&connection->work);
    rhei_status status = adbc_in_transaction(connection)
                             ? rhei_session_prepare(connection->session, sql, &statement, &failure)
                             : rhei_prepare(connection->handle->db, sql, &statement, &failure);
    if (status == RHEI_OK)
        status = rhei_statement_schema(statement, NULL, out, NULL, &failure);
    rhei_statement_close(&statement);
    pthread_mutex_unlock(&connection->work);
    return status == RHEI_OK ? ADBC_STATUS_OK : adbc_fail_with(error, &failure);
}

AdbcStatusCode adbc_get_table_schema(struct AdbcConnection *from, const char *catalog, const char *schema,
                                     const char *table, struct ArrowSchema *out, struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    char *found = NULL;
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (table == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "a table's name is needed");
    schema = schema != NULL && schema[0] == '\0' ? NULL : schema;
    pthread_mutex_lock(&connection->work);
    bool inside = adbc_in_transaction(connection);
    pthread_mutex_unlock(&connection->work);
    if (catalog == NULL || catalog[0] == '\0')
        code = find(connection, schema, table, &found, error);
    /* what the transaction made is seen by it alone */
    char *sql = found == NULL && !inside ? NULL
                                         : select_all(found != NULL    ? found
                                                      : schema != NULL ? schema
                                                                       : "main",
                                                      table);
    if (code == ADBC_STATUS_OK && found == NULL && (!inside || (catalog != NULL && catalog[0] != '\0')))
        code = adbc_fail(error, ADBC_STATUS_NOT_FOUND, "there is no table \"%s%s%s\"", schema == NULL ? "" : schema,
                         schema == NULL ? "" : ".", table);
    else if (code == ADBC_STATUS_OK && sql == NULL)
        code = adbc_no_memory(error);
    if (code == ADBC_STATUS_OK) {
        code = schema_of(connection, sql, out, error);
        if (code != ADBC_STATUS_OK && found == NULL)
            code = adbc_fail(error, ADBC_STATUS_NOT_FOUND, "there is no table \"%s\"", table);
    }
    free(sql);
    free(found);
    return code;
}
