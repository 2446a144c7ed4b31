/* SPDX-License-Identifier: Apache-2.0 */
/* The store behind list sources: rows, transactions, trouble on demand, and the oracle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_value.h"
#include "list_internal.h"

struct list_txn {
    struct list_store *store;
    struct list_event *events;
    size_t count, capacity;
};

void *list_must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

/* ---- Values. ----------------------------------------------------------------------------------------------------- */

struct rhei_value list_integer(int64_t value)
{
    return (struct rhei_value){.as.integer = value, .type = RHEI_INTEGER};
}

struct rhei_value list_real(double value)
{
    return (struct rhei_value){.as.real = value, .type = RHEI_REAL};
}

struct rhei_value list_text(const char *text)
{
    return (struct rhei_value){.as.bytes = text, .length = (uint32_t)strlen(text), .type = RHEI_TEXT};
}

struct rhei_value list_null(void)
{
    return (struct rhei_value){.type = RHEI_NULL};
}

static struct rhei_value value_copy(struct rhei_value value)
{
    if (value.type == RHEI_TEXT || value.type == RHEI_BLOB) {
        char *bytes = list_must(malloc(value.length + 1u));
        if (value.length)
            memcpy(bytes, value.as.bytes, value.length);
        value.as.bytes = bytes;
    }
    return value;
}

static struct rhei_value *row_copy(const struct rhei_value *values, uint32_t count)
{
    struct rhei_value *copy = list_must(calloc(count + 1u, sizeof *copy));
    for (uint32_t c = 0; c < count; c++)
        copy[c] = value_copy(values[c]);
    return copy;
}

void list_row_free(struct rhei_value *values, uint32_t count)
{
    for (uint32_t c = 0; values && c < count; c++)
        if (values[c].type == RHEI_TEXT || values[c].type == RHEI_BLOB)
            free((void *)(uintptr_t)values[c].as.bytes);
    free(values);
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

/* The place of a key, or where it would go. */
static size_t rows_place(const struct list_rows *rows, int64_t key)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows->at[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t rows_find(const struct list_rows *rows, int64_t key, bool *found)
{
    size_t at = rows_place(rows, key);
    *found = at < rows->count && rows->at[at].key == key && rows->at[at].values;
    return at;
}

static void rows_open_place(struct list_rows *rows, size_t at)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 16;
        rows->at = list_must(realloc(rows->at, rows->capacity * sizeof *rows->at));
    }
    memmove(&rows->at[at + 1], &rows->at[at], (rows->count - at) * sizeof *rows->at);
    rows->at[at].values = NULL;
    rows->count++;
}

static void rows_put(struct list_rows *rows, const struct rhei_value *values, uint32_t column_count)
{
    int64_t key = values[0].as.integer;
    size_t at = rows_place(rows, key);
    if (at == rows->count || rows->at[at].key != key)
        rows_open_place(rows, at);
    rows->live += rows->at[at].values == NULL;
    list_row_free(rows->at[at].values, column_count);
    rows->at[at] = (struct list_row){key, row_copy(values, column_count)};
}

static void rows_remove(struct list_rows *rows, int64_t key, uint32_t column_count)
{
    bool found = false;
    size_t at = rows_find(rows, key, &found);
    if (!found)
        return;
    list_row_free(rows->at[at].values, column_count);
    rows->at[at].values = NULL;
    rows->live--;
}

void list_rows_copy(struct list_rows *to, const struct list_rows *from, uint32_t column_count)
{
    *to = (struct list_rows){.at = list_must(calloc(from->live + 1, sizeof *to->at)), .capacity = from->live + 1};
    for (size_t i = 0; i < from->count; i++)
        if (from->at[i].values)
            to->at[to->count++] = (struct list_row){from->at[i].key, row_copy(from->at[i].values, column_count)};
    to->live = to->count;
}

void list_rows_free(struct list_rows *rows, uint32_t column_count)
{
    for (size_t i = 0; i < rows->count; i++)
        list_row_free(rows->at[i].values, column_count);
    free(rows->at);
    *rows = (struct list_rows){0};
}

/* ---- The store. -------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct list_store *list_store_new(uint64_t seed)
{
    struct list_store *store = list_must(calloc(1, sizeof *store));
    base_mutex_init(&store->lock);
    base_mutex_init(&store->writer);
    store->random = seed | 1;
    store->position = 1;
    atomic_store(&store->commits, 1);
    return store;
}

static struct list_table *find_table(const struct list_store *store, const char *name)
{
    for (size_t i = store->table_count; i-- > 0;)
        if (!store->tables[i]->dropped && strcmp(store->tables[i]->name, name) == 0)
            return store->tables[i];
    return NULL;
}

static struct list_table *table_new(struct list_store *store, const char *name, uint32_t column_count)
{
    struct list_table *table = list_must(calloc(1, sizeof *table));
    snprintf(table->name, sizeof table->name, "%s", name);
    table->column_count = column_count;
    table->column_names = list_must(calloc(column_count, sizeof *table->column_names));
    table->columns = list_must(calloc(column_count, sizeof *table->columns));
    for (uint32_t c = 0; c < column_count; c++) {
        snprintf(table->column_names[c], sizeof table->column_names[c], "c%u", c);
        table->columns[c] = (struct source_column){
            .name = table->column_names[c], .declared_type = "", .collation = "BINARY", .is_rowid_alias = c == 0};
    }
    table->columns[0].affinity = AFFINITY_INTEGER;
    store->tables = list_must(realloc(store->tables, (store->table_count + 1) * sizeof(struct list_table *)));
    store->tables[store->table_count++] = table;
    table->id = (uint32_t)store->table_count;
    return table;
}

static int64_t next_position(struct list_store *store)
{
    return store->position += 1 + (int64_t)(next_random(&store->random) % 3);
}

static void schema_commit(struct list_store *store)
{
    store->schema_version++;
    atomic_fetch_add(&store->commits, 1);
}

uint32_t list_create(struct list_store *store, const char *name, uint32_t column_count)
{
    base_mutex_lock(&store->writer);
    base_mutex_lock(&store->lock);
    struct list_table *table = table_new(store, name, column_count);
    table->born = next_position(store);
    schema_commit(store);
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
    return table->id;
}

uint32_t list_add_column(struct list_store *store, const char *name, struct rhei_value fill)
{
    base_mutex_lock(&store->writer);
    base_mutex_lock(&store->lock);
    struct list_table *old = find_table(store, name);
    struct list_table *table = table_new(store, name, old->column_count + 1);
    for (size_t i = 0; i < old->rows.count; i++) {
        if (!old->rows.at[i].values)
            continue;
        struct rhei_value *row = list_must(calloc(table->column_count, sizeof *row));
        memcpy(row, old->rows.at[i].values, old->column_count * sizeof *row);
        row[old->column_count] = fill;
        rows_put(&table->rows, row, table->column_count);
        free(row);
    }
    list_rows_copy(&table->first, &table->rows, table->column_count);
    old->dropped = true;
    table->born = next_position(store);
    schema_commit(store);
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
    return table->id;
}

void list_drop(struct list_store *store, const char *name)
{
    base_mutex_lock(&store->writer);
    base_mutex_lock(&store->lock);
    find_table(store, name)->dropped = true;
    next_position(store);
    schema_commit(store);
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
}

void list_exclude(struct list_store *store, const char *name, const char *reason)
{
    base_mutex_lock(&store->lock);
    find_table(store, name)->excluded = reason;
    schema_commit(store);
    base_mutex_unlock(&store->lock);
}

uint32_t list_table_id(struct list_store *store, const char *name)
{
    base_mutex_lock(&store->lock);
    struct list_table *table = find_table(store, name);
    base_mutex_unlock(&store->lock);
    return table ? table->id : 0;
}

int64_t list_position(struct list_store *store)
{
    base_mutex_lock(&store->lock);
    int64_t position = store->position;
    base_mutex_unlock(&store->lock);
    return position;
}

int64_t list_horizon(struct list_store *store)
{
    base_mutex_lock(&store->lock);
    int64_t horizon = store->horizon;
    base_mutex_unlock(&store->lock);
    return horizon;
}

void list_at_next_load(struct list_store *store, void (*at_load)(void *context), void *context)
{
    base_mutex_lock(&store->lock);
    store->at_load = at_load;
    store->load_context = context;
    base_mutex_unlock(&store->lock);
}

uint64_t list_event_count(struct list_store *store)
{
    base_mutex_lock(&store->lock);
    uint64_t count = store->event_count;
    base_mutex_unlock(&store->lock);
    return count;
}

uint64_t list_breaches(const struct list_store *store)
{
    return atomic_load(&store->breaches);
}

/* ---- Transactions. ----------------------------------------------------------------------------------------------- */

struct list_txn *list_begin(struct list_store *store)
{
    struct list_txn *txn = list_must(calloc(1, sizeof *txn));
    txn->store = store;
    base_mutex_lock(&store->writer);
    return txn;
}

static void log_event(struct list_txn *txn, const struct list_table *table, enum change_op op,
                      const struct rhei_value *values, int64_t same)
{
    if (txn->count == txn->capacity) {
        txn->capacity = txn->capacity ? txn->capacity * 2 : 16;
        txn->events = list_must(realloc(txn->events, txn->capacity * sizeof *txn->events));
    }
    struct list_event *event = &txn->events[txn->count++];
    *event = (struct list_event){.seq = same, .table = table->id, .op = op};
    event->values = list_must(calloc(table->column_count + 1, sizeof *event->values));
    for (uint32_t c = 0; op != CHANGE_CLEAR && c < (op == CHANGE_DELETE ? 1 : table->column_count); c++)
        event->values[c] = value_copy(values[c]);
}

void list_put(struct list_txn *txn, const char *name, const struct rhei_value *values)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    log_event(txn, table, CHANGE_UPSERT, values, 0);
    rows_put(&table->rows, values, table->column_count);
    base_mutex_unlock(&txn->store->lock);
}

void list_remove(struct list_txn *txn, const char *name, int64_t key)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    struct rhei_value value = list_integer(key);
    log_event(txn, table, CHANGE_DELETE, &value, 0);
    rows_remove(&table->rows, key, table->column_count);
    base_mutex_unlock(&txn->store->lock);
}

void list_rekey(struct list_txn *txn, const char *name, int64_t key, int64_t to)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    bool found = false;
    size_t at = rows_find(&table->rows, key, &found);
    if (found && key != to) {
        struct rhei_value *row = row_copy(table->rows.at[at].values, table->column_count);
        row[0] = list_integer(to);
        struct rhei_value value = list_integer(key);
        log_event(txn, table, CHANGE_DELETE, &value, 0);
        log_event(txn, table, CHANGE_UPSERT, row, -1);
        rows_remove(&table->rows, key, table->column_count);
        rows_put(&table->rows, row, table->column_count);
        list_row_free(row, table->column_count);
    }
    base_mutex_unlock(&txn->store->lock);
}

static void patch_row(struct list_rows *rows, const struct rhei_value *values, uint64_t unchanged,
                      uint32_t column_count)
{
    bool found = false;
    size_t at = rows_find(rows, values[0].as.integer, &found);
    if (!found)
        abort(); /* the test's mistake */
    struct rhei_value *whole = row_copy(rows->at[at].values, column_count);
    struct rhei_value mixed[64] = {0};
    for (uint32_t c = 0; c < column_count; c++)
        mixed[c] = (unchanged >> c & 1) != 0 ? whole[c] : values[c];
    rows_put(rows, mixed, column_count);
    list_row_free(whole, column_count);
}

static void clear_rows(struct list_rows *rows, uint32_t column_count)
{
    list_rows_free(rows, column_count);
}

void list_patch(struct list_txn *txn, const char *name, const struct rhei_value *values, uint64_t unchanged)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    struct rhei_value set[64] = {0};
    for (uint32_t c = 0; c < table->column_count; c++)
        if ((unchanged >> c & 1) == 0)
            set[c] = values[c];
    log_event(txn, table, CHANGE_PATCH, set, 0);
    txn->events[txn->count - 1].unchanged = unchanged;
    patch_row(&table->rows, values, unchanged, table->column_count);
    base_mutex_unlock(&txn->store->lock);
}

void list_clear(struct list_txn *txn, const char *name)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    log_event(txn, table, CHANGE_CLEAR, NULL, 0);
    clear_rows(&table->rows, table->column_count);
    base_mutex_unlock(&txn->store->lock);
}

bool list_get(struct list_txn *txn, const char *name, int64_t key, const struct rhei_value **values)
{
    base_mutex_lock(&txn->store->lock);
    struct list_table *table = find_table(txn->store, name);
    bool found = false;
    size_t at = rows_find(&table->rows, key, &found);
    if (found)
        *values = table->rows.at[at].values;
    base_mutex_unlock(&txn->store->lock);
    return found;
}

int64_t list_commit(struct list_txn *txn)
{
    struct list_store *store = txn->store;
    base_mutex_lock(&store->lock);
    while (store->event_count + txn->count > store->event_capacity) {
        store->event_capacity = store->event_capacity ? store->event_capacity * 2 : 1024;
        store->events = list_must(realloc(store->events, store->event_capacity * sizeof *store->events));
    }
    for (size_t i = 0; i < txn->count; i++) {
        if (txn->events[i].seq >= 0)
            next_position(store);
        txn->events[i].seq = store->position;
        store->events[store->event_count++] = txn->events[i];
    }
    int64_t position = store->position;
    atomic_fetch_add(&store->commits, 1);
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
    free(txn->events);
    free(txn);
    return position;
}

/* ---- Trouble. ---------------------------------------------------------------------------------------------------- */

void list_fail(struct list_store *store, enum list_call call, uint64_t n, rhei_status status)
{
    base_mutex_lock(&store->lock);
    store->trouble[call].fail_at = n ? atomic_load(&store->trouble[call].calls) + n : 0;
    store->trouble[call].status = status;
    base_mutex_unlock(&store->lock);
}

void list_fail_always(struct list_store *store, enum list_call call, rhei_status status)
{
    base_mutex_lock(&store->lock);
    store->trouble[call].always = status;
    base_mutex_unlock(&store->lock);
}

uint64_t list_calls(const struct list_store *store, enum list_call call)
{
    return atomic_load(&store->trouble[call].calls);
}

/* Under the lock. */
rhei_status list_trouble(struct list_store *store, enum list_call call, struct rhei_error *error)
{
    uint64_t n = atomic_fetch_add(&store->trouble[call].calls, 1) + 1;
    rhei_status status = store->trouble[call].always;
    if (status == RHEI_OK && n == store->trouble[call].fail_at)
        status = store->trouble[call].status;
    return status == RHEI_OK ? RHEI_OK : error_set(error, status, "injected failure");
}

void list_lose(struct list_store *store)
{
    base_mutex_lock(&store->writer);
    base_mutex_lock(&store->lock);
    next_position(store);
    store->horizon = store->position;
    atomic_fetch_add(&store->commits, 1);
    base_mutex_unlock(&store->lock);
    base_mutex_unlock(&store->writer);
}

void list_poison(struct list_store *store, const char *name)
{
    base_mutex_lock(&store->lock);
    find_table(store, name)->poisoned = true;
    base_mutex_unlock(&store->lock);
}

void list_store_free(struct list_store **store)
{
    struct list_store *s = *store;
    if (!s)
        return;
    for (size_t i = 0; i < s->event_count; i++)
        list_row_free(s->events[i].values, s->tables[s->events[i].table - 1]->column_count);
    for (size_t i = 0; i < s->table_count; i++) {
        list_rows_free(&s->tables[i]->rows, s->tables[i]->column_count);
        list_rows_free(&s->tables[i]->first, s->tables[i]->column_count);
        free(s->tables[i]->column_names);
        free(s->tables[i]->columns);
        free(s->tables[i]);
    }
    free(s->tables);
    free(s->events);
    base_mutex_destroy(&s->lock);
    base_mutex_destroy(&s->writer);
    free(s);
    *store = NULL;
}

/* ---- Oracle. ----------------------------------------------------------------------------------------------------- */

static void replay(struct list_store *store, const struct list_table *table, int64_t position, struct list_rows *rows)
{
    list_rows_copy(rows, &table->first, table->column_count);
    for (size_t i = 0; i < store->event_count && store->events[i].seq <= position; i++) {
        const struct list_event *event = &store->events[i];
        if (event->table != table->id)
            continue;
        if (event->op == CHANGE_UPSERT)
            rows_put(rows, event->values, table->column_count);
        else if (event->op == CHANGE_PATCH)
            patch_row(rows, event->values, event->unchanged, table->column_count);
        else if (event->op == CHANGE_CLEAR)
            clear_rows(rows, table->column_count);
        else
            rows_remove(rows, event->values[0].as.integer, table->column_count);
    }
}

static bool row_matches(const struct mirror_table_view *view, uint32_t segment, uint32_t offset,
                        const struct list_rows *rows, uint32_t column_count, char *message, size_t message_size)
{
    struct rhei_value value;
    bool found = false;
    mirror_view_value(view, segment, offset, 0, &value);
    size_t at = rows_find(rows, value.as.integer, &found);
    if (!found) {
        snprintf(message, message_size, "key %lld is in the mirror only", (long long)value.as.integer);
        return false;
    }
    for (uint32_t c = 0; c < column_count; c++) {
        mirror_view_value(view, segment, offset, c, &value);
        if (!base_same_value(&value, &rows->at[at].values[c])) {
            snprintf(message, message_size, "key %lld differs in column %u", (long long)rows->at[at].key, c);
            return false;
        }
    }
    return true;
}

static bool view_equals(const struct mirror_table_view *view, const struct list_rows *rows, uint32_t column_count,
                        char *message, size_t message_size)
{
    size_t seen = 0;
    for (uint32_t s = 0; s < mirror_view_segment_count(view); s++) {
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < mirror_view_segment_rows(view, s); v++) {
            struct mirror_vector vector;
            mirror_view_vector(view, s, v, &vector);
            for (uint32_t r = 0; r < vector.rows; r++) {
                if (vector.dead && (vector.dead[r / 64] >> (r % 64) & 1))
                    continue;
                if (!row_matches(view, s, v * MIRROR_VECTOR_ROWS + r, rows, column_count, message, message_size))
                    return false;
                seen++;
            }
        }
    }
    if (seen == rows->live && mirror_view_row_count(view) == seen)
        return true;
    snprintf(message, message_size, "%zu rows seen, %llu counted, %zu in the table", seen,
             (unsigned long long)mirror_view_row_count(view), rows->live);
    return false;
}

bool list_equals_snapshot(struct list_store *store, const struct mirror_snapshot *snapshot, char *message,
                          size_t message_size)
{
    return list_equals_source(store, 0, snapshot, message, message_size);
}

bool list_equals_source(struct list_store *store, uint32_t number, const struct mirror_snapshot *snapshot,
                        char *message, size_t message_size)
{
    bool equal = true;
    int64_t position = mirror_snapshot_position_of(snapshot, number);
    base_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->table_count && equal; i++) {
        const struct list_table *table = store->tables[i];
        const struct mirror_table_view *view = mirror_view(snapshot, table->id | number << TABLE_SOURCE_SHIFT);
        if (!view)
            continue;
        struct list_rows rows;
        char detail[128] = "";
        replay(store, table, position, &rows);
        equal = view_equals(view, &rows, table->column_count, detail, sizeof detail);
        list_rows_free(&rows, table->column_count);
        if (!equal)
            snprintf(message, message_size, "table %s of source %u at position %lld: %s", table->name, number,
                     (long long)position, detail);
    }
    base_mutex_unlock(&store->lock);
    return equal;
}
