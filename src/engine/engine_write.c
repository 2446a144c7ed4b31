/* SPDX-License-Identifier: Apache-2.0 */
/* A write: checked here, carried out by oltp in the next group commit. */
#include <string.h>

#include "engine/engine_internal.h"

void engine_result_fill(struct rhei_result *result, const struct oltp_result *from)
{
    if (result == NULL)
        return;
    size_t size = result->struct_size;
    *result = (struct rhei_result){
        .struct_size = size,
        .changes = from->changes,
        .last_insert_rowid = from->last_insert_rowid,
        .position = from->position,
    };
}

static rhei_status write_check(const rhei_db *db, const char *sql, struct rhei_error *error)
{
    if (db == NULL || sql == NULL)
        return error_set(error, RHEI_INVALID, "a database handle and an SQL text are needed");
    return RHEI_OK;
}

static rhei_status write_end(rhei_db *db, rhei_status status, const struct oltp_result *done,
                             struct rhei_result *result)
{
    if (status == RHEI_OK)
        engine_result_fill(result, done);
    atomic_fetch_add_explicit(status == RHEI_OK ? &db->counters.writes : &db->counters.errors, 1, memory_order_relaxed);
    return status;
}

rhei_status rhei_execute(rhei_db *db, const char *sql, const struct rhei_params *params, struct rhei_result *result,
                         struct rhei_error *error)
{
    rhei_status status = write_check(db, sql, error);
    if (status == RHEI_OK)
        status = engine_params_check(params, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_result done = {0};
    status = oltp_write(db->oltp, sql, strlen(sql), params == NULL ? NULL : params->values,
                        params == NULL ? 0 : (uint32_t)params->count, 0, &done, NULL, error);
    return write_end(db, status, &done, result);
}

rhei_status rhei_execute_batch(rhei_db *db, const char *sql, const struct rhei_value *values, size_t column_count,
                               size_t row_count, struct rhei_result *result, struct rhei_error *error)
{
    rhei_status status = write_check(db, sql, error);
    if (status != RHEI_OK)
        return status;
    if (column_count > 32766)
        return error_set(error, RHEI_INVALID, "%zu parameters a row are more than the 32,766 that SQLite takes",
                         column_count);
    if (values == NULL && column_count > 0 && row_count > 0)
        return error_set(error, RHEI_INVALID, "there is no array of values");
    for (size_t row = 0; row < row_count; row++) {
        struct rhei_params params = {values + row * column_count, column_count};
        status = engine_params_check(&params, error);
        if (status != RHEI_OK) {
            error_context(error, "row %zu: ", row + 1);
            return status;
        }
    }
    struct oltp_result done = {0};
    status = oltp_write_many(db->oltp, sql, strlen(sql), values, (uint32_t)column_count, row_count, 0, &done, error);
    return write_end(db, status, &done, result);
}

rhei_status rhei_execute_script(rhei_db *db, const char *sql, struct rhei_result *result, struct rhei_error *error)
{
    rhei_status status = write_check(db, sql, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_result done = {0};
    status = oltp_write_script(db->oltp, sql, strlen(sql), 0, &done, error);
    return write_end(db, status, &done, result);
}

void *rhei_sqlite_lock(rhei_db *db)
{
    return db == NULL ? NULL : oltp_native_lock(db->oltp);
}

void rhei_sqlite_unlock(rhei_db *db)
{
    if (db != NULL)
        oltp_native_unlock(db->oltp);
}
