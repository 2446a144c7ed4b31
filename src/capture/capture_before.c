/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_before.h"

#include "base/base_value.h"
#include "capture/capture_source.h"

bool capture_is_of_key(const struct source_table *table, uint32_t column)
{
    bool key = table->columns[column].in_primary_key;
    for (uint32_t i = 0; i < table->key_count && !key; i++)
        key = table->key_columns[i] == column;
    return key;
}

const char *capture_before_missing(const struct oltp *oltp, const struct capture_table_schema *table)
{
    const struct oltp_config *config = &oltp->config;
    bool wanted = !table->keeps && config->keeps_versions != NULL &&
                  config->keeps_versions(config->versions_context, table->table.source.name);
    return wanted ? capture_logs_keys_because(table) : NULL;
}

bool capture_before_has_key(const struct source_table *table, uint32_t column, const struct rhei_value *before,
                            const struct rhei_value *now)
{
    if (!capture_is_of_key(table, column))
        return true;
    /* of REAL zeros SQL can't tell whether they are of the same bits, so the triggers take them for different */
    bool zero = table->columns[column].affinity == AFFINITY_BLOB && now->type == RHEI_REAL && now->as.real == 0.0;
    return !zero && base_same_value(before, now);
}

/* ---- For who hands them on. -------------------------------------------------------------------------------------- */

/* The batch of a table's rows as they were, with room for one more. */
static rhei_status before_batch(struct capture_batch *batch, struct capture_batch **result, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (batch->were == NULL) {
        status = capture_batch_new(batch->table, true, &batch->were, error);
        if (status == RHEI_OK)
            batch->were->timed = true;
    }
    *result = batch->were;
    if (status == RHEI_OK && !capture_batch_reserve(batch->were, batch->were->count + 1))
        status = error_no_memory(error);
    return status;
}

/* Value column `from` of the log's row; false without memory. */
static bool before_put(struct capture_source *source, struct capture_batch *were, uint32_t column, uint32_t from)
{
    if (!source->paged) {
        int at = 0;
        sqlite3_stmt *stmt = capture_source_cell(source, from, &at);
        return capture_batch_put(were, column, stmt, at, source->connection->utf16, &source->arena);
    }
    struct rhei_value *value = &were->values[column][were->count];
    *value = source->cells[CAPTURE_LOG_HEAD + from];
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL)
        capture_batch_as_kept(were, column, value);
    return true;
}

rhei_status capture_source_add_before(struct capture_source *source, struct capture_batch *batch,
                                      enum capture_log_op op, struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    bool update = op == CAPTURE_LOG_UPDATE, same = true;
    uint32_t at = update ? batch->columns : capture_key_width(batch->table);
    struct capture_batch *were = NULL;
    if (!capture_before_fits(table, at, source->width))
        return RHEI_OK;
    rhei_status status = capture_source_fetch(source, at + batch->columns, error);
    if (status == RHEI_OK)
        status = before_batch(batch, &were, error);
    if (status != RHEI_OK)
        return status;
    size_t row = were->count;
    for (uint32_t c = 0; c < batch->columns; c++)
        if (!before_put(source, were, c, at + c))
            return error_no_memory(error);
    for (uint32_t c = 0; c < batch->columns && same && update; c++)
        same = capture_before_has_key(table, c, &were->values[c][row], &batch->values[c][batch->count - 1]);
    were->seq[row] = source->next_seq - 1;
    were->time_us[row] = capture_source_time_us(source);
    were->inserted[row] = false;
    were->count += same && were->values[table->key_columns[0]][row].type != RHEI_NULL;
    return RHEI_OK;
}
