/* SPDX-License-Identifier: Apache-2.0 */
/* The socket: cycles and loads over a list store. */
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "list_internal.h"

struct list_batch {
    uint32_t table;
    uint32_t column_count;
    size_t rows;
    uint8_t *op;
    int64_t *seq;
    uint64_t *unchanged;
    struct rhei_value **columns;
};

struct list_source {
    struct change_source base;
    struct list_store *store;
    struct list_source *next;
    bool in_cycle;
    int64_t pinned;
    uint64_t seen_schema;
    size_t cursor;
    int64_t pruned;
    uint32_t *known; /* ids of the last tables() */
    size_t known_count;
    struct source_table *list;
    struct list_batch *batches;
    struct change_batch *out;
    size_t batch_count;
};

/* ---- The socket: cycles. ----------------------------------------------------------------------------------------- */

static bool op_may_have_changes(struct change_source *source, uint64_t token)
{
    return atomic_load(&((struct list_source *)source)->store->commits) != token;
}

static rhei_status op_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                            struct rhei_error *error)
{
    struct list_source *source = (struct list_source *)base;
    struct list_store *store = source->store;
    base_mutex_lock(&store->lock);
    if (source->in_cycle)
        atomic_fetch_add(&store->breaches, 1);
    rhei_status status = list_trouble(store, LIST_BEGIN, error);
    if (status == RHEI_OK) {
        source->in_cycle = true;
        /* between transactions only: a transaction's events are logged at its commit, in one piece */
        source->pinned = store->position;
        cycle->position = store->position;
        cycle->schema_changed = source->seen_schema != store->schema_version;
        source->seen_schema = store->schema_version; /* it says so once, whatever becomes of the cycle */
        cycle->lost = after < store->horizon;
        if (token)
            *token = atomic_load(&store->commits);
        source->cursor = 0;
        size_t high = store->event_count;
        while (source->cursor < high) {
            size_t middle = source->cursor + (high - source->cursor) / 2;
            if (store->events[middle].seq <= after)
                source->cursor = middle + 1;
            else
                high = middle;
        }
    }
    base_mutex_unlock(&store->lock);
    return status;
}

static void free_batches(struct list_source *source)
{
    for (size_t i = 0; i < source->batch_count; i++) {
        struct list_batch *batch = &source->batches[i];
        free(batch->op);
        free(batch->seq);
        free(batch->unchanged);
        for (uint32_t c = 0; c < batch->column_count; c++)
            free(batch->columns[c]);
        free(batch->columns);
    }
    free(source->batches);
    free(source->out);
    source->batches = NULL;
    source->out = NULL;
    source->batch_count = 0;
}

static struct list_batch *batch_for(struct list_source *source, const struct list_table *table, size_t max_rows)
{
    for (size_t i = 0; i < source->batch_count; i++)
        if (source->batches[i].table == table->id)
            return &source->batches[i];
    source->batches = list_must(realloc(source->batches, (source->batch_count + 1) * sizeof *source->batches));
    struct list_batch *batch = &source->batches[source->batch_count++];
    *batch = (struct list_batch){.table = table->id, .column_count = table->column_count};
    batch->op = list_must(calloc(max_rows, 1));
    batch->seq = list_must(calloc(max_rows, sizeof *batch->seq));
    batch->unchanged = list_must(calloc(max_rows, sizeof *batch->unchanged));
    batch->columns = list_must(calloc(table->column_count, sizeof(struct rhei_value *)));
    for (uint32_t c = 0; c < table->column_count; c++)
        batch->columns[c] = list_must(calloc(max_rows, sizeof **batch->columns));
    return batch;
}

static bool knows(const struct list_source *source, uint32_t table)
{
    for (size_t i = 0; i < source->known_count; i++)
        if (source->known[i] == table)
            return true;
    return false;
}

static void add_event(struct list_source *source, const struct list_event *event, size_t max_rows)
{
    const struct list_table *table = source->store->tables[event->table - 1];
    struct list_batch *batch = batch_for(source, table, max_rows);
    batch->op[batch->rows] = (uint8_t)event->op;
    batch->seq[batch->rows] = event->seq;
    batch->unchanged[batch->rows] = event->unchanged;
    for (uint32_t c = 0; c < table->column_count; c++)
        batch->columns[c][batch->rows] = event->values[c];
    batch->rows++;
}

static rhei_status op_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                           size_t *count, struct rhei_error *error)
{
    struct list_source *source = (struct list_source *)base;
    struct list_store *store = source->store;
    base_mutex_lock(&store->lock);
    if (!source->in_cycle)
        atomic_fetch_add(&store->breaches, 1);
    free_batches(source);
    rhei_status status = list_trouble(store, LIST_NEXT, error);
    size_t rows = 0;
    while (status == RHEI_OK && source->cursor < store->event_count &&
           store->events[source->cursor].seq <= source->pinned) {
        const struct list_event *event = &store->events[source->cursor];
        bool continues = source->cursor > 0 && event[-1].seq == event->seq;
        if (rows >= max_rows && !continues)
            break;
        source->cursor++;
        if (!knows(source, event->table))
            continue;
        add_event(source, event, max_rows + 2);
        rows++;
    }
    source->out = list_must(calloc(source->batch_count + 1, sizeof *source->out));
    for (size_t i = 0; i < source->batch_count; i++) {
        struct list_batch *b = &source->batches[i];
        bool poisoned = store->tables[b->table - 1]->poisoned;
        source->out[i] = (struct change_batch){.table = b->table,
                                               .column_count = b->column_count - poisoned,
                                               .row_count = b->rows,
                                               .op = b->op,
                                               .columns = (const struct rhei_value *const *)b->columns,
                                               .seq = b->seq,
                                               .unchanged = b->unchanged};
    }
    *batches = source->out;
    *count = source->batch_count;
    base_mutex_unlock(&store->lock);
    return status;
}

static void op_end(struct change_source *base)
{
    struct list_source *source = (struct list_source *)base;
    base_mutex_lock(&source->store->lock);
    if (!source->in_cycle)
        atomic_fetch_add(&source->store->breaches, 1);
    source->in_cycle = false;
    free_batches(source);
    base_mutex_unlock(&source->store->lock);
}

static const uint32_t KEY_COLUMN = 0;

static rhei_status op_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                             struct rhei_error *error)
{
    struct list_source *source = (struct list_source *)base;
    struct list_store *store = source->store;
    base_mutex_lock(&store->lock);
    rhei_status status = list_trouble(store, LIST_TABLES, error);
    if (status == RHEI_OK) {
        /* the schema as of now, not as of the pinned state, would be wrong: take only what was born by then */
        if (!source->in_cycle)
            atomic_fetch_add(&store->breaches, 1);
        source->list = list_must(realloc(source->list, (store->table_count + 1) * sizeof *source->list));
        source->known = list_must(realloc(source->known, (store->table_count + 1) * sizeof *source->known));
        size_t n = 0;
        for (size_t i = 0; i < store->table_count; i++) {
            struct list_table *table = store->tables[i];
            if (table->dropped || table->born > source->pinned)
                continue;
            source->known[n] = table->id;
            source->list[n++] = (struct source_table){.id = table->id,
                                                      .name = table->name,
                                                      .column_count = table->column_count,
                                                      .columns = table->columns,
                                                      .key_count = 1,
                                                      .key_columns = &KEY_COLUMN,
                                                      .key_is_integer = true,
                                                      .estimated_rows = (int64_t)table->rows.live,
                                                      .unmirrored_reason = table->excluded};
        }
        source->known_count = n;
        *tables = source->list;
        *count = n;
    }
    base_mutex_unlock(&store->lock);
    return status;
}

/* ---- The socket: loads. ------------------------------------------------------------------------------------------ */

struct list_loader {
    size_t at, end;
    struct rhei_value **columns;
    struct change_batch batch;
    size_t capacity;
};

struct source_load {
    struct list_store *store;
    uint32_t table, column_count, loaders;
    struct list_rows rows;
    struct list_loader *loader;
};

static rhei_status op_load_begin(struct change_source *base, uint32_t id, uint32_t loaders, struct source_load **out,
                                 struct source_load_info *info, struct rhei_error *error)
{
    struct list_store *store = ((struct list_source *)base)->store;
    base_mutex_lock(&store->writer); /* between transactions: the rows are those of the position */
    base_mutex_lock(&store->lock);
    rhei_status status = list_trouble(store, LIST_LOAD_BEGIN, error);
    if (status == RHEI_OK && (id == 0 || id > store->table_count || store->tables[id - 1]->dropped))
        status = error_set(error, RHEI_NOT_FOUND, "table %u is gone", id);
    if (status == RHEI_OK) {
        struct list_table *table = store->tables[id - 1];
        struct source_load *load = list_must(calloc(1, sizeof *load));
        *load =
            (struct source_load){.store = store, .table = id, .column_count = table->column_count, .loaders = loaders};
        list_rows_copy(&load->rows, &table->rows, table->column_count);
        load->loader = list_must(calloc(loaders, sizeof *load->loader));
        for (uint32_t i = 0; i < loaders; i++) {
            load->loader[i].at = load->rows.count * i / loaders;
            load->loader[i].end = load->rows.count * (i + 1) / loaders;
        }
        *info = (struct source_load_info){
            .position = store->position, .loader_count = loaders, .rows = (int64_t)load->rows.count};
        *out = load;
    }
    void (*at_load)(void *) = store->at_load;
    store->at_load = NULL;
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
    if (at_load)
        at_load(store->load_context);
    return status;
}

static void loader_free(struct list_loader *loader, uint32_t column_count)
{
    for (uint32_t c = 0; loader->columns && c < column_count; c++)
        free(loader->columns[c]);
    free(loader->columns);
    loader->columns = NULL;
}

static rhei_status op_load_next(struct source_load *load, uint32_t number, size_t max_rows,
                                const struct change_batch **batch, struct rhei_error *error)
{
    base_mutex_lock(&load->store->lock);
    rhei_status status = list_trouble(load->store, LIST_LOAD_NEXT, error);
    base_mutex_unlock(&load->store->lock);
    if (status != RHEI_OK)
        return status;
    struct list_loader *loader = &load->loader[number];
    *batch = NULL;
    if (loader->at == loader->end)
        return RHEI_OK;
    size_t rows = loader->end - loader->at < max_rows ? loader->end - loader->at : max_rows;
    loader_free(loader, load->column_count);
    loader->columns = list_must(calloc(load->column_count, sizeof(struct rhei_value *)));
    for (uint32_t c = 0; c < load->column_count; c++) {
        loader->columns[c] = list_must(calloc(rows, sizeof **loader->columns));
        for (size_t r = 0; r < rows; r++)
            loader->columns[c][r] = load->rows.at[loader->at + r].values[c];
    }
    loader->at += rows;
    loader->batch = (struct change_batch){.table = load->table,
                                          .column_count = load->column_count,
                                          .row_count = rows,
                                          .columns = (const struct rhei_value *const *)loader->columns};
    *batch = &loader->batch;
    return RHEI_OK;
}

static void op_load_end(struct source_load **load)
{
    struct source_load *l = *load;
    if (!l)
        return;
    for (uint32_t i = 0; i < l->loaders; i++)
        loader_free(&l->loader[i], l->column_count);
    free(l->loader);
    list_rows_free(&l->rows, l->column_count);
    free(l);
    *load = NULL;
}

/* ---- The socket: the rest. --------------------------------------------------------------------------------------- */

static rhei_status op_prune(struct change_source *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    struct list_source *source = (struct list_source *)base;
    struct list_store *store = source->store;
    base_mutex_lock(&store->lock);
    rhei_status status = list_trouble(store, LIST_PRUNE, error);
    *pruned = 0;
    if (status == RHEI_OK) {
        if (position > store->position)
            atomic_fetch_add(&store->breaches, 1);
        if (position > source->pruned)
            source->pruned = position;
        int64_t least = INT64_MAX;
        for (struct list_source *s = store->sources; s; s = s->next)
            least = s->pruned < least ? s->pruned : least;
        for (size_t i = 0; i < store->event_count; i++)
            *pruned += store->events[i].seq > store->horizon && store->events[i].seq <= least;
        if (least > store->horizon)
            store->horizon = least;
    }
    base_mutex_unlock(&store->lock);
    return status;
}

/* As of a log that never takes away the row at its horizon. */
static rhei_status op_stamp(struct change_source *base, int64_t position, struct change_stamp *stamp,
                            struct rhei_error *error)
{
    struct list_store *store = ((struct list_source *)base)->store;
    base_mutex_lock(&store->lock);
    *stamp = (struct change_stamp){.file = "list", .row = (uint64_t)position * 3};
    rhei_status status = position == 0 || (position >= store->horizon && position <= store->position)
                             ? RHEI_OK
                             : error_set(error, RHEI_NOT_FOUND, "that change is gone");
    base_mutex_unlock(&store->lock);
    return status;
}

void list_source_leave_pruning(struct change_source *base)
{
    struct list_source *source = (struct list_source *)base;
    base_mutex_lock(&source->store->lock);
    source->pruned = INT64_MAX;
    base_mutex_unlock(&source->store->lock);
}

static void op_close(struct change_source **base)
{
    struct list_source *source = (struct list_source *)*base;
    if (!source)
        return;
    struct list_store *store = source->store;
    base_mutex_lock(&store->lock);
    struct list_source **at = &store->sources;
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    base_mutex_unlock(&store->lock);
    free_batches(source);
    free(source->known);
    free(source->list);
    free(source);
    *base = NULL;
}

struct change_source *list_source_open(struct list_store *store)
{
    static const struct change_source_ops OPS = {
        .name = "list",
        .may_have_changes = op_may_have_changes,
        .begin = op_begin,
        .next = op_next,
        .end = op_end,
        .tables = op_tables,
        .load_begin = op_load_begin,
        .load_next = op_load_next,
        .load_end = op_load_end,
        .prune = op_prune,
        .stamp = op_stamp,
        .close = op_close,
    };
    struct list_source *source = list_must(calloc(1, sizeof *source));
    source->base.ops = &OPS;
    source->store = store;
    base_mutex_lock(&store->lock);
    source->seen_schema = UINT64_MAX;
    source->pruned = store->horizon;
    source->next = store->sources;
    store->sources = source;
    base_mutex_unlock(&store->lock);
    return &source->base;
}
