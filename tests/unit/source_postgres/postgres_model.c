/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

struct model_row {
    uint32_t columns;
    char *cell[64]; /* NULL: NULL */
};

static void row_free(struct model_row *row)
{
    for (uint32_t c = 0; row && c < row->columns; c++)
        base_free(row->cell[c]);
    free(row);
}

static void rows_clear(struct model_table *table)
{
    size_t cursor = 0, length;
    const char *key;
    void *row;
    while (base_map_next(table->rows, &cursor, &key, &length, &row))
        row_free(row);
    base_map_free(&table->rows);
    table->rows = base_map_new(false);
}

static void table_free(struct model_table *table)
{
    rows_clear(table);
    base_map_free(&table->rows);
    free(table);
}

void model_init(struct model *model, struct change_source *source)
{
    *model = (struct model){.source = source, .loaders = 2, .max_rows = 100};
}

void model_reset(struct model *model)
{
    while (model->tables) {
        struct model_table *next = model->tables->next;
        table_free(model->tables);
        model->tables = next;
    }
    if (model->source)
        model->source->ops->close(&model->source);
}

static char *cell_text(const struct rhei_value *value)
{
    struct base_buffer text = {0};
    switch (value->type) {
    case RHEI_NULL:
        return NULL;
    case RHEI_INTEGER:
        base_buffer_format(&text, "%lld", (long long)value->as.integer);
        break;
    case RHEI_REAL:
        base_buffer_real(&text, value->as.real);
        break;
    default:
        base_buffer_append(&text, value->as.bytes, value->length);
        base_buffer_append(&text, "", 0);
    }
    char *taken = base_buffer_take(&text);
    return taken ? taken : base_strdup("");
}

static char *key_text(const struct model_table *table, const struct change_batch *batch, size_t row)
{
    struct base_buffer text = {0};
    for (uint32_t k = 0; k < table->key_count; k++) {
        char *cell = cell_text(&batch->columns[table->key[k]][row]);
        assert_non_null(cell);
        base_buffer_format(&text, "%s|", cell);
        base_free(cell);
    }
    return base_buffer_take(&text);
}

static void put_row(struct model_table *table, const struct change_batch *batch, size_t row, bool patch)
{
    char *key = key_text(table, batch, row);
    struct model_row *made = calloc(1, sizeof *made), *old = base_map_find(table->rows, key, strlen(key));
    void *previous = NULL;
    made->columns = batch->column_count;
    if (patch)
        assert_non_null(old);
    for (uint32_t c = 0; c < batch->column_count; c++)
        if (patch && change_batch_unchanged(batch, row, c))
            made->cell[c] = old->cell[c] ? base_strdup(old->cell[c]) : NULL;
        else
            made->cell[c] = cell_text(&batch->columns[c][row]);
    assert_true(base_map_put(table->rows, key, strlen(key), made, &previous));
    row_free(previous);
    base_free(key);
}

static void apply_row(struct model_table *table, const struct change_batch *batch, size_t row)
{
    enum change_op op = batch->op ? batch->op[row] : CHANGE_UPSERT;
    if (op == CHANGE_CLEAR) {
        rows_clear(table);
    } else if (op == CHANGE_DELETE) {
        char *key = key_text(table, batch, row);
        row_free(base_map_remove(table->rows, key, strlen(key)));
        base_free(key);
    } else {
        put_row(table, batch, row, op == CHANGE_PATCH);
    }
}

static struct model_table *by_id(struct model *model, uint32_t id)
{
    struct model_table *table = model->tables;
    while (table && table->id != id)
        table = table->next;
    return table;
}

struct model_table *model_find(struct model *model, const char *name)
{
    struct model_table *table = model->tables;
    while (table && strcmp(table->name, name) != 0)
        table = table->next;
    return table;
}

static void apply_batch(struct model *model, const struct change_batch *batch)
{
    struct model_table *table = by_id(model, batch->table);
    if (table && batch->lost && table->loaded && batch->lost_at > table->applied) {
        table->loaded = false;
        model->lost++;
    }
    if (!table || !table->loaded)
        return;
    for (size_t row = 0; row < batch->row_count; row++) {
        assert_true(row == 0 || batch->seq[row - 1] <= batch->seq[row]);
        if (batch->seq[row] <= table->applied)
            continue;
        apply_row(table, batch, row);
        model->changes++;
    }
    if (batch->row_count > 0 && batch->seq[batch->row_count - 1] > table->applied)
        table->applied = batch->seq[batch->row_count - 1];
}

static rhei_status take_tables(struct model *model)
{
    const struct source_table *list = NULL;
    size_t count = 0;
    rhei_status status = model->source->ops->tables(model->source, &list, &count, &model->error);
    if (status != RHEI_OK)
        return status;
    struct model_table *had = model->tables, *kept = NULL;
    for (size_t i = 0; i < count; i++) {
        struct model_table **at = &had;
        while (*at && (*at)->id != list[i].id)
            at = &(*at)->next;
        struct model_table *table = *at;
        if (table)
            *at = table->next;
        else
            table = calloc(1, sizeof *table);
        table->id = list[i].id;
        snprintf(table->name, sizeof table->name, "%s", list[i].name);
        snprintf(table->reason, sizeof table->reason, "%s", list[i].unmirrored_reason ? list[i].unmirrored_reason : "");
        table->column_count = list[i].column_count;
        table->key_count = list[i].key_count;
        for (uint32_t k = 0; k < list[i].key_count; k++)
            table->key[k] = list[i].key_columns[k];
        if (!table->rows)
            table->rows = base_map_new(false);
        table->next = kept;
        kept = table;
    }
    model->tables = had;
    while (model->tables) {
        struct model_table *next = model->tables->next;
        table_free(model->tables);
        model->tables = next;
    }
    model->tables = kept;
    model->known = true;
    return RHEI_OK;
}

static int64_t lowest(const struct model *model)
{
    int64_t low = INT64_MAX;
    for (const struct model_table *table = model->tables; table; table = table->next)
        if (table->loaded && table->applied < low)
            low = table->applied;
    return low == INT64_MAX ? 0 : low;
}

static rhei_status read_cycle(struct model *model, const struct change_cycle *cycle)
{
    if (cycle->lost)
        for (struct model_table *table = model->tables; table; table = table->next) {
            model->lost += table->loaded;
            table->loaded = false;
        }
    rhei_status status = RHEI_OK;
    if (cycle->schema_changed || cycle->lost || !model->known) {
        model->known = false;
        status = take_tables(model);
    }
    while (status == RHEI_OK) {
        const struct change_batch *batches = NULL;
        size_t count = 0;
        status = model->source->ops->next(model->source, model->max_rows, &batches, &count, &model->error);
        if (status != RHEI_OK || count == 0)
            break;
        for (size_t i = 0; i < count; i++)
            apply_batch(model, &batches[i]);
    }
    for (struct model_table *table = model->tables; status == RHEI_OK && table; table = table->next)
        if (table->loaded && table->applied < cycle->position)
            table->applied = cycle->position;
    return status;
}

static rhei_status run_cycle(struct model *model)
{
    struct change_cycle cycle = {0};
    uint64_t token = 0, pruned = 0;
    if (model->awaited)
        model->source->ops->awaited(model->source, false);
    model->error = (struct rhei_error)RHEI_ERROR_INIT;
    rhei_status status = model->source->ops->begin(model->source, lowest(model), &cycle, &token, &model->error);
    if (status != RHEI_OK)
        return status;
    model->known_us = cycle.known_us;
    status = read_cycle(model, &cycle);
    model->source->ops->end(model->source);
    if (status == RHEI_OK && lowest(model) > 0)
        status = model->source->ops->prune(model->source, lowest(model), &pruned, &model->error);
    return status == RHEI_OK && cycle.behind ? RHEI_BUSY : status;
}

static rhei_status load_table(struct model *model, struct model_table *table)
{
    struct source_load *load = NULL;
    struct source_load_info info;
    const struct change_source_ops *ops = model->source->ops;
    rhei_status status = ops->load_begin(model->source, table->id, model->loaders, &load, &info, &model->error);
    if (status != RHEI_OK)
        return status;
    rows_clear(table);
    for (uint32_t i = 0; i < info.loader_count && status == RHEI_OK; i++)
        for (;;) {
            const struct change_batch *batch = NULL;
            status = ops->load_next(load, i, model->max_rows, &batch, &model->error);
            if (status != RHEI_OK || !batch)
                break;
            for (size_t row = 0; row < batch->row_count; row++)
                put_row(table, batch, row, false);
        }
    ops->load_end(&load);
    model->loads++;
    table->loaded = status == RHEI_OK;
    table->applied = info.position;
    return status;
}

rhei_status model_cycle(struct model *model)
{
    rhei_status status = RHEI_OK;
    bool loaded = true;
    while (loaded && status == RHEI_OK) {
        status = run_cycle(model);
        loaded = false;
        for (struct model_table *table = model->tables; table && status == RHEI_OK; table = table->next)
            if (!table->loaded && table->reason[0] == '\0') {
                status = load_table(model, table);
                loaded = true;
                if (status == RHEI_STALE || status == RHEI_NOT_FOUND)
                    status = RHEI_OK;
            }
    }
    return status;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *model_show(const struct model_table *table)
{
    size_t count = base_map_count(table->rows), n = 0, cursor = 0, length;
    char **lines = calloc(count + 1, sizeof *lines);
    const char *key;
    void *found;
    struct base_buffer all = {0};
    while (base_map_next(table->rows, &cursor, &key, &length, &found)) {
        struct base_buffer line = {0};
        const struct model_row *row = found;
        for (uint32_t c = 0; c < row->columns; c++)
            base_buffer_format(&line, "%s%s", c ? "|" : "", row->cell[c] ? row->cell[c] : "NULL");
        lines[n++] = base_buffer_take(&line);
    }
    qsort(lines, n, sizeof *lines, compare_lines);
    for (size_t i = 0; i < n; i++) {
        base_buffer_format(&all, "%s\n", lines[i]);
        base_free(lines[i]);
    }
    free(lines);
    char *text = base_buffer_take(&all);
    return text ? text : base_strdup("");
}
