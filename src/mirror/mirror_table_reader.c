/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a snapshot, one by one, over mirror_scan.
 *
 *  1. A pin is one snapshot; whatever its cursors give lives as long as it does.
 *  2. Constraints become ranges of numbers, exact where the columns hold numbers alone, else only a choice of vectors.
 *  3. Who asks a third time for single values of one column within a pin is about to join: a hash of the column's values is made then,
 *     once for the pin, so that a join costs its rows and not their product. (The key index knows only the newest, perhaps
 *     unpublished rows, so a snapshot can't be asked by it.)
 *  4. An order is looked for before it is made: rows that were appended by it lie in it, and one pass over their keys proves that. Of all rows
 *     it is found once for the pin.
 */
#include "mirror_table_reader.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "mirror_internal.h"
#include "mirror_scan.h"
#include "mirror_table_order.h"

enum { SEEKS_BEFORE_HASH = 3, NO_ROW = UINT32_MAX, MOST_CONSTRAINTS = 16 };

struct mirror_reader {
    struct table_reader base;
    struct mirror_table_reader_config config;
    char *names[256];
    _Atomic uint64_t named;
};

/* Rows by the hash of one column's value. */
struct lookup {
    struct lookup *next;
    const struct mirror_table_view *view;
    uint32_t column;
    uint32_t seeks;
    bool impossible; /* no memory for it */
    uint32_t *buckets, *chain;
    uint32_t mask, count;
    uint32_t *places; /* segment << 16 | offset */
    uint32_t *hashes;
};

/* A segment that lies in a file (a history may): SQLite keeps pointers to texts until the statement ends, so it stays in memory for the pin. */
struct kept_hold {
    struct kept_hold *next;
    struct mirror_hold hold;
};

/* All rows of a table by some columns. */
struct kept_order {
    struct kept_order *next;
    const struct mirror_table_view *view;
    uint32_t columns[TABLE_MOST_ORDER];
    bool as_they_lie; /* they lie so: there are no places */
    struct mirror_table_order rows;
};

struct table_pin {
    struct mirror_reader *reader;
    struct mirror_snapshot snapshot;
    struct lookup *lookups;
    struct kept_order *orders;
    struct kept_hold *holds;
};

struct column_cache {
    uint64_t batch; /* that `data` is of */
    struct mirror_column_data data;
};

struct table_cursor {
    struct table_pin *pin;
    const struct mirror_table_view *view;
    struct mirror_scan *scan;
    struct mirror_scan_batch batch;
    uint64_t batch_number; /* grows with each batch, so that caches know whether they are of it */
    uint32_t slot;
    bool in_batch;
    struct mirror_hold hold; /* of a segment that the pin had no memory to keep */
    uint32_t held;           /* the segment that is held, and 1 */
    struct lookup *by;       /* rows come from it instead */
    uint32_t entry, hash;
    const struct mirror_table_order *sorted; /* or from it: the pin's, or `own` */
    struct mirror_table_order own;
    size_t at; /* in it, the row to come */
    bool backwards;
    struct column_cache cache[];
};

/* ---- The reader and its pins. ------------------------------------------------------------------------------------- */

static uint64_t reader_generation(struct table_reader *base)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    return mirror_foreign_generation(reader->config.mirror) +
           (atomic_load_explicit(&reader->named, memory_order_relaxed) << 48);
}

static rhei_status reader_pin(struct table_reader *base, const struct table_freshness *freshness,
                              struct table_pin **result, struct rhei_error *error)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    *result = NULL;
    if (freshness != NULL && freshness->most_age_ms >= 0 && reader->config.fresh != NULL) {
        rhei_status status = reader->config.fresh(reader->config.context, freshness, error);
        if (status != RHEI_OK)
            return status;
    }
    struct table_pin *pin = base_alloc_zero(1, sizeof *pin);
    if (pin == NULL || mirror_snapshot_take(reader->config.mirror, &pin->snapshot) != RHEI_OK) {
        base_free(pin);
        return error_no_memory(error);
    }
    pin->reader = reader;
    *result = pin;
    return RHEI_OK;
}

static uint64_t reader_generation_of(struct table_pin *pin)
{
    return pin->snapshot.version->foreign + (atomic_load_explicit(&pin->reader->named, memory_order_relaxed) << 48);
}

static void lookup_free(struct lookup *lookup)
{
    base_free(lookup->buckets);
    base_free(lookup->chain);
    base_free(lookup->places);
    base_free(lookup->hashes);
    base_free(lookup);
}

static void reader_unpin(struct table_pin **slot)
{
    struct table_pin *pin = slot == NULL ? NULL : *slot;
    if (pin == NULL)
        return;
    *slot = NULL;
    while (pin->lookups != NULL) {
        struct lookup *going = pin->lookups;
        pin->lookups = going->next;
        lookup_free(going);
    }
    while (pin->holds != NULL) {
        struct kept_hold *going = pin->holds;
        pin->holds = going->next;
        mirror_hold_end(&going->hold);
        base_free(going);
    }
    while (pin->orders != NULL) {
        struct kept_order *going = pin->orders;
        pin->orders = going->next;
        mirror_table_order_reset(&going->rows);
        base_free(going);
    }
    mirror_snapshot_release(&pin->snapshot);
    base_free(pin);
}

static int64_t reader_position_of(struct table_pin *pin, uint32_t source)
{
    return mirror_snapshot_position_of(&pin->snapshot, source);
}

static rhei_status reader_tables(struct table_pin *pin, struct readable_table **tables, uint32_t *count,
                                 struct rhei_error *error)
{
    void *items = NULL;
    size_t capacity = 0, found = 0;
    uint32_t number = UINT32_C(1) << TABLE_SOURCE_SHIFT;
    *tables = NULL;
    *count = 0;
    for (; mirror_trie_next(&pin->snapshot.version->catalog, &number) != NULL; number++) {
        const struct mirror_table_view *view = mirror_view(&pin->snapshot, number);
        const char *name = pin->reader->names[number >> TABLE_SOURCE_SHIFT];
        if (view != NULL && name != NULL) {
            if (!base_grow(&items, &capacity, found + 1, sizeof **tables)) {
                base_free(items);
                return error_no_memory(error);
            }
            ((struct readable_table *)items)[found++] = (struct readable_table){name, &view->table->definition};
        }
        if (number == UINT32_MAX)
            break;
    }
    *tables = items;
    *count = (uint32_t)found;
    return RHEI_OK;
}

static bool reader_rows(struct table_pin *pin, uint32_t table, uint64_t *rows)
{
    const struct mirror_table_view *view = mirror_view(&pin->snapshot, table);
    *rows = view == NULL ? 0 : mirror_view_row_count(view);
    return view != NULL;
}

/* ---- Cells. ------------------------------------------------------------------------------------------------------- */

static void hold_for_pin(struct table_cursor *cursor)
{
    struct mirror_hold hold = {NULL};
    struct kept_hold *kept = cursor->pin->holds;
    cursor->held = cursor->batch.segment + 1;
    mirror_hold(cursor->view, cursor->batch.segment, &hold);
    if (hold.segment == NULL) /* it is resident, and the snapshot keeps it */
        return;
    while (kept != NULL && kept->hold.segment != hold.segment)
        kept = kept->next;
    if (kept != NULL) {
        mirror_hold_end(&hold);
        return;
    }
    kept = base_alloc(sizeof *kept);
    if (kept == NULL) {
        mirror_hold_end(&cursor->hold);
        cursor->hold = hold;
        return;
    }
    *kept = (struct kept_hold){cursor->pin->holds, hold};
    cursor->pin->holds = kept;
}

static inline const struct mirror_column_data *column_of(struct table_cursor *cursor, uint32_t column)
{
    struct column_cache *cache = &cursor->cache[column];
    if (cache->batch != cursor->batch_number) {
        if (cursor->held != cursor->batch.segment + 1)
            hold_for_pin(cursor);
        mirror_view_column(cursor->view, cursor->batch.segment, cursor->batch.vector, column, &cache->data);
        cache->batch = cursor->batch_number;
    }
    return &cache->data;
}

static void cell(const struct mirror_column_data *data, uint32_t slot, struct rhei_value *value)
{
    value->type = RHEI_NULL;
    value->length = 0;
    if (data->layout == MIRROR_LAYOUT_EMPTY || (data->has_nulls && (data->valid[slot / 64] >> (slot % 64) & 1) == 0))
        return;
    bool mixed = data->layout == MIRROR_LAYOUT_MIXED;
    value->type = mixed ? data->classes[slot] : data->layout;
    switch (value->type) {
    case RHEI_INTEGER:
        value->as.integer = ((const int64_t *)data->data)[mixed ? 2 * slot : slot];
        break;
    case RHEI_REAL:
        value->as.real = ((const double *)data->data)[mixed ? 2 * slot : slot];
        break;
    default:
        value->as.bytes = mirror_string_bytes(&((const struct mirror_string *)data->data)[slot], &value->length);
        break;
    }
}

static void cursor_value(struct table_cursor *cursor, uint32_t column, struct rhei_value *value)
{
    cell(column_of(cursor, column), cursor->slot, value);
}

/* ---- Rows by a value. --------------------------------------------------------------------------------------------- */

/* Equal values have equal hashes, whatever their class of number. */
static uint32_t hash_of(const struct rhei_value *value)
{
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL) {
        double number = value->type == RHEI_REAL ? value->as.real : (double)value->as.integer;
        number = number == 0 ? 0 : number; /* -0.0 */
        return (uint32_t)base_hash(&number, sizeof number, 1);
    }
    return (uint32_t)base_hash(value->as.bytes, value->length, 2);
}

static bool lookup_add(struct lookup *lookup, const struct mirror_scan_batch *batch,
                       const struct mirror_column_data *data, uint32_t most)
{
    struct rhei_value value;
    for (uint32_t slot = mirror_scan_slot(batch, 0); slot < batch->rows; slot = mirror_scan_slot(batch, slot + 1)) {
        cell(data, slot, &value);
        if (value.type == RHEI_NULL)
            continue;
        if (lookup->count == most)
            return false;
        lookup->places[lookup->count] = batch->segment << 16 | (batch->vector * (uint32_t)MIRROR_VECTOR_ROWS + slot);
        lookup->hashes[lookup->count++] = hash_of(&value);
    }
    return true;
}

/* Backwards, so that a chain has its rows in the order of their places. */
static void lookup_link(struct lookup *lookup)
{
    memset(lookup->buckets, 0xff, ((size_t)lookup->mask + 1) * sizeof *lookup->buckets);
    for (uint32_t i = lookup->count; i-- > 0;) {
        uint32_t *bucket = &lookup->buckets[lookup->hashes[i] & lookup->mask];
        lookup->chain[i] = *bucket;
        *bucket = i;
    }
}

static bool lookup_make(struct lookup *lookup)
{
    uint64_t rows = mirror_view_row_count(lookup->view);
    struct mirror_scan *scan = NULL;
    if (rows >= NO_ROW / 2 || mirror_scan_open(lookup->view, NULL, &scan, NULL) != RHEI_OK)
        return false;
    uint32_t buckets = 16;
    while (buckets < rows)
        buckets *= 2;
    lookup->mask = buckets - 1;
    lookup->buckets = base_alloc(buckets * sizeof *lookup->buckets);
    lookup->chain = base_alloc((rows + 1) * sizeof *lookup->chain);
    lookup->places = base_alloc((rows + 1) * sizeof *lookup->places);
    lookup->hashes = base_alloc((rows + 1) * sizeof *lookup->hashes);
    bool made = lookup->buckets != NULL && lookup->chain != NULL && lookup->places != NULL && lookup->hashes != NULL;
    struct mirror_scan_batch batch;
    struct mirror_column_data data;
    struct mirror_hold hold = {NULL};
    while (made && mirror_scan_next(scan, &batch)) {
        mirror_scan_hold(scan, &batch, &hold);
        mirror_scan_column(scan, &batch, lookup->column, &data);
        made = lookup_add(lookup, &batch, &data, (uint32_t)rows);
    }
    mirror_hold_end(&hold);
    if (made)
        lookup_link(lookup);
    mirror_scan_close(&scan);
    return made;
}

/* The column's hash, once it pays; NULL: not yet, or never. */
static struct lookup *lookup_take(struct table_cursor *cursor, uint32_t column)
{
    struct table_pin *pin = cursor->pin;
    struct lookup *lookup = pin->lookups;
    while (lookup != NULL && (lookup->view != cursor->view || lookup->column != column))
        lookup = lookup->next;
    if (lookup == NULL) {
        lookup = base_alloc_zero(1, sizeof *lookup);
        if (lookup == NULL)
            return NULL;
        lookup->view = cursor->view;
        lookup->column = column;
        lookup->next = pin->lookups;
        pin->lookups = lookup;
    }
    if (lookup->buckets == NULL && !lookup->impossible && ++lookup->seeks >= SEEKS_BEFORE_HASH)
        lookup->impossible = !lookup_make(lookup);
    return lookup->buckets != NULL && !lookup->impossible ? lookup : NULL;
}

/* segment << 16 | offset */
static void go_to(struct table_cursor *cursor, uint32_t place)
{
    uint32_t segment = place >> 16, offset = place & 0xffff, vector = offset / MIRROR_VECTOR_ROWS;
    if (cursor->batch_number == 0 || cursor->batch.segment != segment || cursor->batch.vector != vector) {
        cursor->batch.segment = segment;
        cursor->batch.vector = vector;
        cursor->batch_number++;
    }
    cursor->slot = offset % MIRROR_VECTOR_ROWS;
}

static bool next_by_lookup(struct table_cursor *cursor)
{
    const struct lookup *by = cursor->by;
    uint32_t entry = cursor->entry;
    while (entry != NO_ROW && by->hashes[entry] != cursor->hash)
        entry = by->chain[entry];
    if (entry == NO_ROW)
        return false;
    cursor->entry = by->chain[entry];
    go_to(cursor, by->places[entry]);
    return true;
}

/* ---- Rows by ranges. ---------------------------------------------------------------------------------------------- */

static uint32_t classes_of(const struct table_cursor *cursor, uint32_t column)
{
    return mirror_view_column_flags(cursor->view, column) & 0x1f;
}

/* Does the column hold only what the constraint is about? */
static bool is_of_use(const struct table_cursor *cursor, const struct table_constraint *constraint)
{
    uint32_t others = classes_of(cursor, constraint->column) & ~(uint32_t)MIRROR_HAS_NULL;
    return constraint->column < mirror_view_column_count(cursor->view) &&
           (others & ~(uint32_t)constraint->classes) == 0;
}

static bool is_number(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER || value->type == RHEI_REAL;
}

static void range_make(const struct table_constraint *constraint, struct mirror_range *range)
{
    *range = (struct mirror_range){.column = constraint->column};
    if (constraint->op == TABLE_EQ || constraint->op == TABLE_GT || constraint->op == TABLE_GE)
        range->low = constraint->value;
    if (constraint->op == TABLE_EQ || constraint->op == TABLE_LT || constraint->op == TABLE_LE)
        range->high = constraint->value;
    range->above_low = constraint->op == TABLE_GT;
    range->below_high = constraint->op == TABLE_LT;
}

static rhei_status find_rows(struct table_cursor *cursor, const struct table_constraint *constraints, uint32_t count,
                             struct rhei_error *error)
{
    struct mirror_range ranges[MOST_CONSTRAINTS];
    struct mirror_scan_options options = {.ranges = ranges, .exact = true};
    mirror_scan_close(&cursor->scan);
    cursor->in_batch = false;
    cursor->by = NULL;
    for (uint32_t i = 0; i < count && options.range_count < MOST_CONSTRAINTS; i++) {
        const struct table_constraint *constraint = &constraints[i];
        if (!is_of_use(cursor, constraint))
            continue;
        struct lookup *lookup = constraint->op == TABLE_EQ ? lookup_take(cursor, constraint->column) : NULL;
        if (lookup != NULL) {
            cursor->by = lookup;
            cursor->hash = hash_of(&constraint->value);
            cursor->entry = lookup->buckets[cursor->hash & lookup->mask];
            return RHEI_OK;
        }
        if (!is_number(&constraint->value))
            continue;
        range_make(constraint, &ranges[options.range_count++]);
        options.exact =
            options.exact && (classes_of(cursor, constraint->column) & (MIRROR_HAS_TEXT | MIRROR_HAS_BLOB)) == 0;
    }
    return mirror_scan_open(cursor->view, &options, &cursor->scan, error);
}

static bool next_in_order(struct table_cursor *cursor)
{
    if (cursor->at == cursor->sorted->count)
        return false;
    size_t at = cursor->backwards ? cursor->sorted->count - 1 - cursor->at : cursor->at;
    cursor->at++;
    go_to(cursor, cursor->sorted->places[at]);
    return true;
}

static bool cursor_next(struct table_cursor *cursor)
{
    if (cursor->sorted != NULL)
        return next_in_order(cursor);
    if (cursor->by != NULL)
        return next_by_lookup(cursor);
    if (cursor->in_batch) {
        cursor->slot = mirror_scan_slot(&cursor->batch, cursor->slot + 1);
        if (cursor->slot < cursor->batch.rows)
            return true;
    }
    cursor->in_batch = cursor->scan != NULL && mirror_scan_next(cursor->scan, &cursor->batch);
    cursor->batch_number++; /* also at the end: what the last call looked at in vain is in `batch` */
    if (!cursor->in_batch)
        return false;
    cursor->slot = mirror_scan_slot(&cursor->batch, 0);
    return true;
}

/* ---- Rows in an order. -------------------------------------------------------------------------------------------- */

static void values_of(struct table_cursor *cursor, const uint32_t *columns, uint32_t count, struct rhei_value *values)
{
    for (uint32_t i = 0; i < count; i++)
        cell(column_of(cursor, columns[i]), cursor->slot, &values[i]);
}

/* Do the rows that were found lie by these columns? Looks at them up to the first that doesn't. */
static bool lie_in_order(struct table_cursor *cursor, const struct table_order *order)
{
    struct rhei_value values[2][TABLE_MOST_ORDER];
    uint32_t count = order->column_count;
    bool in_order = true;
    for (size_t row = 0; in_order && cursor_next(cursor); row++) {
        values_of(cursor, order->columns, count, values[row % 2]);
        in_order = row == 0 || mirror_table_order_compare(values[(row + 1) % 2], values[row % 2], count) <= 0;
    }
    return in_order;
}

static rhei_status sort_rows(struct table_cursor *cursor, const struct table_order *order,
                             struct mirror_table_order *sorted, struct rhei_error *error)
{
    struct rhei_value values[TABLE_MOST_ORDER];
    bool room = true;
    sorted->key_count = order->column_count;
    while (room && cursor_next(cursor)) {
        uint32_t offset = cursor->batch.vector * (uint32_t)MIRROR_VECTOR_ROWS + cursor->slot;
        values_of(cursor, order->columns, order->column_count, values);
        room = mirror_table_order_add(sorted, cursor->batch.segment << 16 | offset, values);
    }
    return room && mirror_table_order_sort(sorted) ? RHEI_OK : error_no_memory(error);
}

/* Puts the rows into `sorted`, or says that they lie so already, which backwards is no help. */
static rhei_status order_rows(struct table_cursor *cursor, const struct table_constraint *constraints, uint32_t count,
                              const struct table_order *order, struct mirror_table_order *sorted, bool *as_they_lie,
                              struct rhei_error *error)
{
    rhei_status status = find_rows(cursor, constraints, count, error);
    *as_they_lie = status == RHEI_OK && !order->descending && lie_in_order(cursor, order);
    if (status == RHEI_OK && !*as_they_lie && !order->descending)
        status = find_rows(cursor, constraints, count, error);
    return status == RHEI_OK && !*as_they_lie ? sort_rows(cursor, order, sorted, error) : status;
}

static struct kept_order *find_order(struct table_cursor *cursor, const struct table_order *order)
{
    struct kept_order *kept = cursor->pin->orders;
    while (kept != NULL && (kept->view != cursor->view || kept->rows.key_count != order->column_count ||
                            memcmp(kept->columns, order->columns, order->column_count * sizeof *kept->columns) != 0 ||
                            (kept->as_they_lie && order->descending)))
        kept = kept->next;
    return kept;
}

/* That of all rows, once for the pin. */
static rhei_status keep_order(struct table_cursor *cursor, const struct table_order *order, struct kept_order **kept,
                              struct rhei_error *error)
{
    *kept = find_order(cursor, order);
    if (*kept != NULL)
        return RHEI_OK;
    struct kept_order *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->view = cursor->view;
    memcpy(made->columns, order->columns, order->column_count * sizeof *made->columns);
    rhei_status status = order_rows(cursor, NULL, 0, order, &made->rows, &made->as_they_lie, error);
    if (status != RHEI_OK) {
        mirror_table_order_reset(&made->rows);
        base_free(made);
        return status;
    }
    made->rows.key_count = order->column_count;
    made->next = cursor->pin->orders;
    cursor->pin->orders = *kept = made;
    return RHEI_OK;
}

static rhei_status cursor_seek(struct table_cursor *cursor, const struct table_constraint *constraints, uint32_t count,
                               const struct table_order *order, struct rhei_error *error)
{
    const struct mirror_table_order *sorted = &cursor->own;
    struct kept_order *kept = NULL;
    bool as_they_lie = false;
    cursor->sorted = NULL;
    mirror_table_order_reset(&cursor->own);
    if (order == NULL || order->column_count == 0)
        return find_rows(cursor, constraints, count, error);
    BASE_INVARIANT(order->column_count <= TABLE_MOST_ORDER);
    rhei_status status = count > 0 ? order_rows(cursor, constraints, count, order, &cursor->own, &as_they_lie, error)
                                   : keep_order(cursor, order, &kept, error);
    if (kept != NULL) {
        as_they_lie = kept->as_they_lie;
        sorted = &kept->rows;
    }
    if (status != RHEI_OK || as_they_lie)
        return status == RHEI_OK ? find_rows(cursor, constraints, count, error) : status;
    cursor->sorted = sorted;
    cursor->at = 0;
    cursor->backwards = order->descending;
    return RHEI_OK;
}

static rhei_status cursor_open(struct table_pin *pin, uint32_t table, struct table_cursor **result,
                               struct rhei_error *error)
{
    *result = NULL;
    const struct mirror_table_view *view = mirror_view(&pin->snapshot, table);
    if (view == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the table isn't in the column store any more: ask again");
    struct table_cursor *cursor =
        base_alloc_zero(1, sizeof *cursor + mirror_view_column_count(view) * sizeof cursor->cache[0]);
    if (cursor == NULL)
        return error_no_memory(error);
    cursor->pin = pin;
    cursor->view = view;
    *result = cursor;
    return RHEI_OK;
}

static void cursor_close(struct table_cursor **slot)
{
    if (slot == NULL || *slot == NULL)
        return;
    mirror_scan_close(&(*slot)->scan);
    mirror_hold_end(&(*slot)->hold);
    mirror_table_order_reset(&(*slot)->own);
    base_free(*slot);
    *slot = NULL;
}

/* ---- Opening. ----------------------------------------------------------------------------------------------------- */

static const struct table_reader_ops reader_ops = {
    .generation = reader_generation,
    .pin = reader_pin,
    .unpin = reader_unpin,
    .generation_of = reader_generation_of,
    .position_of = reader_position_of,
    .tables = reader_tables,
    .rows = reader_rows,
    .open = cursor_open,
    .seek = cursor_seek,
    .next = cursor_next,
    .value = cursor_value,
    .close = cursor_close,
};

rhei_status mirror_table_reader_open(const struct mirror_table_reader_config *config, struct table_reader **result,
                                     struct rhei_error *error)
{
    struct mirror_reader *reader = base_alloc_zero(1, sizeof *reader);
    *result = NULL;
    if (reader == NULL)
        return error_no_memory(error);
    reader->base.ops = &reader_ops;
    reader->config = *config;
    *result = &reader->base;
    return RHEI_OK;
}

void mirror_table_reader_close(struct table_reader **slot)
{
    if (slot == NULL || *slot == NULL)
        return;
    struct mirror_reader *reader = (struct mirror_reader *)*slot;
    for (size_t i = 0; i < sizeof reader->names / sizeof reader->names[0]; i++)
        base_free(reader->names[i]);
    base_free(reader);
    *slot = NULL;
}

rhei_status mirror_table_reader_name(struct table_reader *base, uint8_t number, const char *name,
                                     struct rhei_error *error)
{
    struct mirror_reader *reader = (struct mirror_reader *)base;
    if (number == 0 || reader->names[number] != NULL)
        return error_set(error, RHEI_INVALID, "source %u can't be named \"%s\": it is our own file, or has a name",
                         number, name);
    reader->names[number] = base_strdup(name);
    if (reader->names[number] == NULL)
        return error_no_memory(error);
    atomic_fetch_add_explicit(&reader->named, 1, memory_order_release);
    return RHEI_OK;
}
