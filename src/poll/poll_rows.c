/* SPDX-License-Identifier: Apache-2.0 */
/* From a page's rows to a batch, and to the place where the next page begins. */
#include "poll_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

bool poll_value_set(struct poll_value *to, const struct rhei_value *from)
{
    struct rhei_value value = *from;
    if (value.type >= RHEI_TEXT) {
        if (!base_grow((void **)&to->bytes, &to->capacity, (size_t)value.length + 1, 1))
            return false;
        if (value.length > 0)
            memmove(to->bytes, value.as.bytes, value.length);
        value.as.bytes = to->bytes;
    }
    to->value = value;
    return true;
}

void poll_value_reset(struct poll_value *value)
{
    base_free(value->bytes);
    *value = (struct poll_value){0};
}

bool poll_place_set(struct poll_place *place, const struct poll_table *table, const struct poll_rows *rows,
                    int64_t stamp)
{
    const struct source_table *definition = &table->definition;
    size_t last = rows->count - 1, at = 0;
    if (stamp >= 0 && !poll_value_set(&place->values[at++], &rows->columns[stamp][last]))
        return false;
    for (uint32_t k = 0; k < definition->key_count; k++)
        if (!poll_value_set(&place->values[at++], &rows->columns[definition->key_columns[k]][last]))
            return false;
    for (size_t i = 0; i < at; i++)
        place->from[i] = place->values[i].value;
    return true;
}

void poll_place_reset(struct poll_place *place)
{
    for (size_t i = 0; i < POLL_KEYS_MOST + 1; i++)
        poll_value_reset(&place->values[i]);
}

void poll_batch_reset(struct poll_batch *batch)
{
    base_free(batch->columns);
    base_free(batch->values);
    base_free(batch->op);
    base_free(batch->seq);
    base_free(batch->time_us);
    *batch = (struct poll_batch){0};
}

/* A deletion is said by a time, a flag or a text that isn't empty. */
static bool says_gone(const struct rhei_value *value)
{
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", "n", "no", "NO", "No"};
    switch (value->type) {
    case RHEI_NULL:
        return false;
    case RHEI_INTEGER:
        return value->as.integer != 0;
    case RHEI_REAL:
        return value->as.real != 0;
    default:
        break;
    }
    bool gone = value->length > 0;
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        gone = gone && !(value->length == strlen(no[i]) && memcmp(value->as.bytes, no[i], value->length) == 0);
    return gone;
}

static rhei_status check_key(const struct source_table *table, const struct poll_rows *rows, size_t row,
                             struct rhei_error *error)
{
    for (uint32_t k = 0; k < table->key_count; k++)
        if (rows->columns[table->key_columns[k]][row].type == RHEI_NULL)
            return error_set(error, RHEI_TYPE,
                             "a row has NULL in its key column \"%.60s\", so nothing tells it from others: it is "
                             "followed again once there is none",
                             table->columns[table->key_columns[k]].name);
    return RHEI_OK;
}

static bool make_room(struct poll_batch *batch, uint32_t columns, size_t rows)
{
    return base_grow((void **)&batch->columns, &batch->column_capacity, columns + 1, sizeof *batch->columns) &&
           base_grow((void **)&batch->values, &batch->value_capacity, columns * rows + 1, sizeof *batch->values) &&
           base_grow((void **)&batch->op, &batch->op_capacity, rows + 1, sizeof *batch->op) &&
           base_grow((void **)&batch->seq, &batch->seq_capacity, rows + 1, sizeof *batch->seq) &&
           base_grow((void **)&batch->time_us, &batch->time_capacity, rows + 1, sizeof *batch->time_us);
}

/* The rows of a load that aren't deleted. */
static size_t leave_out(struct poll_batch *batch, const struct poll_rows *rows, uint32_t columns)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (batch->op[i] == CHANGE_DELETE)
            continue;
        for (uint32_t c = 0; c < columns; c++)
            batch->values[c * rows->count + kept] = rows->columns[c][i];
        kept++;
    }
    for (uint32_t c = 0; c < columns; c++)
        batch->columns[c] = batch->values + c * rows->count;
    return kept;
}

rhei_status poll_batch_fill(struct poll_batch *batch, const struct poll_table *table, const struct poll_rows *rows,
                            bool load, struct rhei_error *error)
{
    const struct source_table *definition = &table->definition;
    bool any = false;
    if (!make_room(batch, definition->column_count, rows->count))
        return error_no_memory(error);
    for (size_t i = 0; i < rows->count; i++) {
        rhei_status status = check_key(definition, rows, i, error);
        if (status != RHEI_OK)
            return status;
        bool gone = table->gone >= 0 && says_gone(&rows->columns[table->gone][i]);
        batch->op[i] = gone ? CHANGE_DELETE : CHANGE_UPSERT;
        any = any || gone;
    }
    batch->view = (struct change_batch){.table = definition->id,
                                        .column_count = definition->column_count,
                                        .row_count = rows->count,
                                        .op = any ? batch->op : NULL,
                                        .columns = rows->columns};
    if (!load || !any)
        return RHEI_OK;
    batch->view.row_count = leave_out(batch, rows, definition->column_count);
    batch->view.op = NULL;
    batch->view.columns = batch->columns;
    return RHEI_OK;
}
