/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_decode.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "base/base_value.h"

enum { NO_PLACE = UINT32_MAX, BYTES_MOST = 16 << 20 };

/* ---- Relations. -------------------------------------------------------------------------------------------------- */

static rhei_status relations_put(struct postgres_relations *relations, struct postgres_relation *relation,
                                 struct rhei_error *error)
{
    size_t at = 0;
    while (at < relations->count && relations->items[at]->oid != relation->oid)
        at++;
    if (!base_grow((void **)&relations->items, &relations->capacity, at + 1, sizeof *relations->items))
        return error_no_memory(error);
    relations->items[at] = relation;
    relations->count += at == relations->count;
    return RHEI_OK;
}

static struct postgres_relation *relations_find(const struct postgres_relations *relations, uint32_t oid)
{
    for (size_t i = 0; i < relations->count; i++)
        if (relations->items[i]->oid == oid)
            return relations->items[i];
    return NULL;
}

static rhei_status relations_copy(struct postgres_relations *to, const struct postgres_relations *from,
                                  struct rhei_error *error)
{
    if (!base_grow((void **)&to->items, &to->capacity, from->count + 1, sizeof *to->items))
        return error_no_memory(error);
    if (from->count > 0)
        memcpy(to->items, from->items, from->count * sizeof *to->items);
    to->count = from->count;
    return RHEI_OK;
}

static bool same_relation(const struct postgres_relation *relation, const struct postgres_message *message)
{
    struct postgres_tuple columns = message->columns;
    bool same = relation->oid == message->relation && relation->identity == message->identity &&
                relation->columns == columns.columns;
    for (uint16_t i = 0; i < relation->columns && same; i++) {
        struct postgres_relation_column column, *had = &relation->column[i];
        postgres_relation_take(&columns, &column);
        same = column.key == had->key && column.type == had->type && column.modifier == had->modifier &&
               strcmp(column.name, had->name) == 0;
    }
    return same;
}

static struct postgres_relation *make_relation(const struct postgres_message *message)
{
    void *chain = NULL;
    struct postgres_tuple columns = message->columns;
    struct postgres_relation *made = base_chain_alloc(&chain, 1, sizeof *made);
    struct postgres_relation_column *list =
        made == NULL ? NULL : base_chain_alloc(&chain, (size_t)columns.columns + 1, sizeof *list);
    uint32_t *place = list == NULL ? NULL : base_chain_alloc(&chain, (size_t)columns.columns + 1, sizeof *place);
    bool ok = place != NULL;
    for (uint16_t i = 0; ok && i < columns.columns; i++) {
        postgres_relation_take(&columns, &list[i]);
        size_t size = strlen(list[i].name) + 1;
        char *name = base_chain_alloc(&chain, 1, size);
        ok = name != NULL;
        if (ok)
            memcpy(name, list[i].name, size);
        list[i].name = name;
    }
    if (!ok) {
        base_chain_free(&chain);
        return NULL;
    }
    *made = (struct postgres_relation){.oid = message->relation,
                                       .identity = message->identity,
                                       .columns = columns.columns,
                                       .column = list,
                                       .chain = chain,
                                       .place = place};
    return made;
}

/* The stream tells of a relation again and again, each time a connection is made: one of each kind is kept. */
static rhei_status learn(struct postgres_decoder *decoder, const struct postgres_message *message,
                         struct postgres_relation **relation, struct rhei_error *error)
{
    for (size_t i = decoder->all_count; i-- > 0;)
        if (same_relation(decoder->all[i], message)) {
            *relation = decoder->all[i];
            return RHEI_OK;
        }
    if (!base_grow((void **)&decoder->all, &decoder->all_capacity, decoder->all_count + 1, sizeof *decoder->all))
        return error_no_memory(error);
    *relation = make_relation(message);
    if (*relation == NULL)
        return error_no_memory(error);
    decoder->all[decoder->all_count++] = *relation;
    return RHEI_OK;
}

/* D2. */
static const char *match_columns(struct postgres_relation *relation, const struct postgres_table *table)
{
    if (relation->columns != table->column_count)
        return "its columns changed";
    for (uint16_t i = 0; i < relation->columns; i++) {
        const struct postgres_relation_column *column = &relation->column[i];
        uint32_t at = 0;
        while (at < table->column_count && strcmp(table->columns[at].name, column->name) != 0)
            at++;
        if (at == table->column_count || table->columns[at].type != column->type ||
            table->columns[at].modifier != column->modifier)
            return "its columns changed";
        relation->place[i] = at;
    }
    for (uint32_t k = 0; k < table->key_count; k++)
        for (uint16_t i = 0; i < relation->columns; i++)
            if (relation->place[i] == table->key[k] && !relation->column[i].key && relation->identity != 'n')
                return "its REPLICA IDENTITY changed: the stream doesn't name rows by its key any more";
    return NULL;
}

static struct postgres_relation *know(struct postgres_decoder *decoder, uint32_t oid)
{
    struct postgres_relation *relation = relations_find(&decoder->now, oid);
    if (relation == NULL || relation->known_by == decoder->catalog_number)
        return relation;
    relation->known_by = decoder->catalog_number;
    relation->table = postgres_catalog_leaf(decoder->catalog, oid);
    relation->reason = relation->table == NULL ? NULL : match_columns(relation, relation->table);
    decoder->unknown |= relation->reason != NULL;
    return relation;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

static struct postgres_rows *rows_of(struct postgres_decoder *decoder, const struct postgres_table *table,
                                     struct rhei_error *error)
{
    struct postgres_rows **slot = &decoder->rows[table - decoder->catalog->tables];
    if (*slot == NULL && postgres_rows_new(table->definition.id, table->column_count, true, slot, error) != RHEI_OK)
        return NULL;
    if (!postgres_rows_reserve(*slot)) {
        error_no_memory(error);
        return NULL;
    }
    return *slot;
}

/* `known`: but for this change the table is as the catalogue says. */
static void lose(struct postgres_decoder *decoder, struct postgres_rows *rows, const char *reason, bool known)
{
    char *copy = base_arena_text(&decoder->arena, reason);
    int64_t untold_us = rows->count > 0 ? rows->time_us[0] : decoder->time_us;
    if (rows->lost == NULL)
        rows->lost_us = known ? untold_us : 0;
    rows->lost = copy != NULL ? copy : "its changes can't be told";
    rows->lost_at = decoder->seq;
    rows->count = 0; /* what came before is of no use to who has to read the table behind this */
    rows->patches = false;
}

static bool take_value(struct postgres_decoder *decoder, const struct postgres_column *column,
                       const struct postgres_cell *cell, struct rhei_value *value)
{
    char *copy = base_arena_alloc(&decoder->arena, cell->length + 1);
    if (copy == NULL)
        return false;
    if (cell->length > 0)
        memcpy(copy, cell->bytes, cell->length);
    return cell->kind == 'b' ? postgres_binary_value(column->form, copy, cell->length, &decoder->arena, value)
                             : postgres_text_value(column->form, copy, cell->length, &decoder->arena, value);
}

static uint64_t bit_of(uint32_t column)
{
    return UINT64_C(1) << (column & 63);
}

/*
 * The tuple's cells as the row at `count`. Cells that are unchanged are left out, or taken from `old`, where that is a whole row. False: something
 * of it can't be told, which *reason says.
 */
static bool fill_row(struct postgres_decoder *decoder, const struct postgres_relation *relation,
                     struct postgres_tuple tuple, struct postgres_rows *rows, const char **reason)
{
    const struct postgres_table *table = relation->table;
    uint64_t *unchanged = postgres_rows_unchanged(rows, rows->count);
    if (tuple.columns != relation->columns) {
        *reason = "a change has another number of columns than the stream told of";
        return false;
    }
    for (uint16_t i = 0; i < tuple.columns; i++) {
        struct postgres_cell cell;
        uint32_t at = relation->place[i];
        struct rhei_value *value = &rows->values[at][rows->count];
        postgres_tuple_take(&tuple, &cell);
        *value = (struct rhei_value){.type = RHEI_NULL};
        if (cell.kind == 'u')
            unchanged[at >> 6] |= bit_of(at);
        if (cell.kind == 'n' || cell.kind == 'u')
            continue;
        if (!take_value(decoder, &table->columns[at], &cell, value)) {
            *reason = "a value of the stream isn't one of its type";
            return false;
        }
    }
    return true;
}

static bool has_key(const struct postgres_table *table, const struct postgres_rows *rows)
{
    const uint64_t *unchanged = postgres_rows_unchanged(rows, rows->count);
    for (uint32_t k = 0; k < table->key_count; k++) {
        uint32_t at = table->key[k];
        if (rows->values[at][rows->count].type == RHEI_NULL || (unchanged[at >> 6] & bit_of(at)) != 0)
            return false;
    }
    return true;
}

static void clear_row(struct postgres_decoder *decoder, struct postgres_rows *rows, enum change_op op)
{
    size_t row = rows->count;
    rows->op[row] = (uint8_t)op;
    rows->seq[row] = decoder->seq;
    rows->time_us[row] = decoder->time_us;
    rows->inserted[row] = 0;
    memset(postgres_rows_unchanged(rows, row), 0, change_batch_words(rows->columns) * sizeof *rows->unchanged);
}

static void complete_cell(struct postgres_rows *rows, size_t old, uint32_t column)
{
    uint64_t *unchanged = postgres_rows_unchanged(rows, rows->count) + (column >> 6);
    if ((*unchanged & bit_of(column)) == 0)
        return;
    rows->values[column][rows->count] = rows->values[column][old];
    *unchanged &= ~bit_of(column);
}

/* The old row's cells in the place of those that are unchanged in the new one: all of it, as REPLICA IDENTITY FULL sends it, or its key. */
static void complete(const struct postgres_table *table, struct postgres_rows *rows, size_t old, bool whole)
{
    for (uint32_t c = 0; c < rows->columns && whole; c++)
        complete_cell(rows, old, c);
    for (uint32_t k = 0; k < table->key_count; k++)
        complete_cell(rows, old, table->key[k]);
}

static bool is_patch(const struct postgres_rows *rows)
{
    const uint64_t *unchanged = postgres_rows_unchanged(rows, rows->count);
    for (size_t w = 0; w < change_batch_words(rows->columns); w++)
        if (unchanged[w] != 0)
            return true;
    return false;
}

struct change {
    struct postgres_decoder *decoder;
    const struct postgres_relation *relation;
    const struct postgres_message *message;
    struct postgres_rows *rows;
    const char *reason;
    struct rhei_error *error;
    bool moved; /* to another key, and that is all that can't be told */
};

/* A row of the old key, as DELETE. It is at `count` and not yet counted. */
static bool take_old(struct change *change)
{
    clear_row(change->decoder, change->rows, CHANGE_DELETE);
    if (!fill_row(change->decoder, change->relation, change->message->old_tuple, change->rows, &change->reason))
        return false;
    if (!has_key(change->relation->table, change->rows)) {
        change->reason = "the stream has a change without the row's key";
        return false;
    }
    return true;
}

static bool take_new(struct change *change, bool inserted)
{
    struct postgres_rows *rows = change->rows;
    clear_row(change->decoder, rows, CHANGE_UPSERT);
    if (!fill_row(change->decoder, change->relation, change->message->new_tuple, rows, &change->reason))
        return false;
    rows->inserted[rows->count] = inserted;
    return true;
}

static bool settle_new(struct change *change)
{
    struct postgres_rows *rows = change->rows;
    if (!has_key(change->relation->table, rows)) {
        change->reason = "the stream has a change without the row's key";
        return false;
    }
    if (is_patch(rows)) {
        rows->op[rows->count] = CHANGE_PATCH;
        rows->patches = true;
    }
    rows->count++;
    return true;
}

static bool same_key(const struct postgres_table *table, const struct postgres_rows *rows, size_t a, size_t b)
{
    for (uint32_t k = 0; k < table->key_count; k++)
        if (!base_same_value(&rows->values[table->key[k]][a], &rows->values[table->key[k]][b]))
            return false;
    return true;
}

/*
 * With an old row: what the new one leaves out is in it, if it is whole or the key, which is sent where a large value is in it, too. Where the key changed, the row of the
 * old one goes; what the new one leaves out then is nowhere in the stream, so the table has to be read again.
 */
static bool take_update(struct change *change)
{
    struct postgres_rows *rows = change->rows;
    if (change->message->old_kind == 0)
        return take_new(change, false) && settle_new(change);
    size_t old = rows->count;
    if (!take_old(change))
        return false;
    rows->count++;
    if (!postgres_rows_reserve(rows)) {
        error_no_memory(change->error);
        return false;
    }
    if (!take_new(change, false))
        return false;
    complete(change->relation->table, rows, old, change->message->old_kind == 'O');
    bool moved = !same_key(change->relation->table, rows, old, rows->count);
    if (moved && is_patch(rows)) {
        change->reason = "a row's key changed, and a large value of it wasn't sent";
        change->moved = true;
        return false;
    }
    if (!moved) { /* the old row isn't needed any more */
        for (uint32_t c = 0; c < rows->columns; c++)
            rows->values[c][old] = rows->values[c][rows->count];
        memcpy(postgres_rows_unchanged(rows, old), postgres_rows_unchanged(rows, rows->count),
               change_batch_words(rows->columns) * sizeof *rows->unchanged);
        rows->op[old] = CHANGE_UPSERT;
        rows->count = old;
    }
    return settle_new(change);
}

static rhei_status take_change(struct postgres_decoder *decoder, const struct postgres_message *message,
                               struct rhei_error *error)
{
    const struct postgres_relation *relation = know(decoder, message->relation);
    if (relation == NULL || relation->table == NULL) {
        decoder->unknown |= relation == NULL;
        return RHEI_OK;
    }
    struct postgres_rows *rows = rows_of(decoder, relation->table, error);
    if (rows == NULL)
        return RHEI_NO_MEMORY;
    struct change change = {decoder, relation, message, rows, relation->reason, error, false};
    size_t count = rows->count;
    bool ok = relation->reason == NULL;
    if (ok && message->kind == POSTGRES_INSERT)
        ok = take_new(&change, true) && settle_new(&change);
    else if (ok && message->kind == POSTGRES_UPDATE)
        ok = take_update(&change);
    else if (ok) {
        ok = take_old(&change);
        rows->count += ok;
    }
    if (ok)
        return RHEI_OK;
    rows->count = count;
    if (error != NULL && error->code != RHEI_OK)
        return error->code;
    lose(decoder, rows, change.reason != NULL ? change.reason : "a change of it can't be told", change.moved);
    return RHEI_OK;
}

/*
 * Of a table, all rows go. Of a partition only its own do, which nothing here can tell from the others': the table is read again, unless every one of its
 * partitions is named.
 */
static rhei_status take_truncate(struct postgres_decoder *decoder, const struct postgres_message *message,
                                 struct rhei_error *error)
{
    for (size_t t = 0; t < decoder->catalog->count; t++) {
        const struct postgres_table *table = &decoder->catalog->tables[t];
        uint32_t named = 0;
        for (uint32_t i = 0; i < message->relation_count; i++)
            for (uint32_t l = 0; l < table->leaf_count; l++)
                named += table->leaves[l].oid == postgres_u32(message->relations + 4 * (size_t)i);
        if (named == 0 || table->reason != NULL)
            continue;
        struct postgres_rows *rows = rows_of(decoder, table, error);
        if (rows == NULL)
            return RHEI_NO_MEMORY;
        if (named < table->leaf_count) {
            lose(decoder, rows, "a partition of it was truncated", true);
            continue;
        }
        clear_row(decoder, rows, CHANGE_CLEAR);
        for (uint32_t c = 0; c < rows->columns; c++)
            rows->values[c][rows->count] = (struct rhei_value){.type = RHEI_NULL};
        rows->count++;
    }
    return RHEI_OK;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

static void free_rows(struct postgres_decoder *decoder)
{
    for (size_t i = 0; i < decoder->rows_capacity; i++)
        postgres_rows_free(&decoder->rows[i]);
    base_free(decoder->rows);
    base_free(decoder->views);
    decoder->rows = NULL;
    decoder->views = NULL;
    decoder->rows_capacity = 0;
}

rhei_status postgres_decoder_use(struct postgres_decoder *decoder, const struct postgres_catalog *catalog,
                                 struct rhei_error *error)
{
    free_rows(decoder);
    decoder->catalog = catalog;
    decoder->catalog_number++;
    decoder->rows = base_alloc_zero(catalog->count + 1, sizeof *decoder->rows);
    decoder->views = base_alloc_zero(2 * catalog->count + 1, sizeof *decoder->views);
    if (decoder->rows == NULL || decoder->views == NULL)
        return error_no_memory(error);
    decoder->rows_capacity = catalog->count;
    return RHEI_OK;
}

/* Only what the transaction told of relations, which it mostly does at its beginning: what comes behind the last of it isn't read. */
static rhei_status pass_relations(struct postgres_decoder *decoder, const struct postgres_transaction *transaction,
                                  struct postgres_relations *relations, struct rhei_error *error)
{
    struct postgres_cursor cursor = {0};
    struct postgres_message message;
    bool found = true;
    uint64_t left = transaction->relations;
    postgres_cursor_begin(&cursor, transaction);
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && found && left > 0) {
        struct postgres_relation *relation = NULL;
        status = postgres_cursor_next(&cursor, &message, &found, error);
        if (status == RHEI_OK && found && message.kind == POSTGRES_RELATION)
            status = learn(decoder, &message, &relation, error);
        left -= relation != NULL;
        if (status == RHEI_OK && relation != NULL)
            status = relations_put(relations, relation, error);
    }
    postgres_cursor_reset(&cursor);
    return status;
}

rhei_status postgres_decoder_pass(struct postgres_decoder *decoder, const struct postgres_transaction *transaction,
                                  struct rhei_error *error)
{
    return pass_relations(decoder, transaction, &decoder->base, error);
}

/* The link of the last one may be set meanwhile. */
static const struct postgres_transaction *follower_of(const struct postgres_decoder *decoder,
                                                      const struct postgres_transaction *transaction)
{
    return transaction == decoder->last ? NULL : transaction->next;
}

rhei_status postgres_decoder_begin(struct postgres_decoder *decoder, const struct postgres_transaction *first,
                                   const struct postgres_transaction *last, uint64_t low, uint64_t after,
                                   struct rhei_error *error)
{
    decoder->at = NULL;
    decoder->next = first;
    decoder->last = last;
    decoder->previous_end = low;
    decoder->clock_end = 0;
    rhei_status status = relations_copy(&decoder->now, &decoder->base, error);
    while (status == RHEI_OK && decoder->next != NULL && decoder->next->end <= after) {
        status = pass_relations(decoder, decoder->next, &decoder->now, error);
        decoder->previous_end = decoder->next->end;
        decoder->next = follower_of(decoder, decoder->next);
    }
    return status;
}

/* D1. */
static int64_t number_of(const struct postgres_decoder *decoder, uint64_t change)
{
    uint64_t room = decoder->at->end - decoder->previous_end, most = decoder->at->changes;
    if (most <= room)
        return (int64_t)(decoder->at->end - most + 1 + change);
    return (int64_t)(decoder->previous_end + 1 + (uint64_t)((unsigned __int128)change * room / most));
}

/* D4. */
static int64_t time_of(struct postgres_decoder *decoder)
{
    const struct postgres_transaction *at = decoder->at, *next = at;
    if (!at->received)
        return at->time_us;
    if (decoder->clock_end <= at->end) {
        while (next != NULL && next->received)
            next = follower_of(decoder, next);
        decoder->clock_end = next == NULL ? UINT64_MAX : next->end;
        decoder->clock_us = next == NULL ? INT64_MAX : next->time_us;
    }
    return at->time_us < decoder->clock_us ? at->time_us : decoder->clock_us;
}

static bool begin_transaction(struct postgres_decoder *decoder)
{
    if (decoder->at != NULL)
        return true;
    if (decoder->next == NULL)
        return false;
    decoder->at = decoder->next;
    decoder->change = 0;
    decoder->time_us = time_of(decoder);
    postgres_cursor_begin(&decoder->cursor, decoder->at);
    return true;
}

static void end_transaction(struct postgres_decoder *decoder)
{
    decoder->previous_end = decoder->at->end;
    decoder->next = follower_of(decoder, decoder->at);
    decoder->at = NULL;
}

static rhei_status take_message(struct postgres_decoder *decoder, const struct postgres_message *message,
                                struct rhei_error *error)
{
    if (message->kind == POSTGRES_RELATION) {
        struct postgres_relation *relation = NULL;
        rhei_status status = learn(decoder, message, &relation, error);
        return status == RHEI_OK ? relations_put(&decoder->now, relation, error) : status;
    }
    BASE_INVARIANT(decoder->change < decoder->at->changes);
    decoder->seq = number_of(decoder, decoder->change++);
    BASE_INVARIANT((uint64_t)decoder->seq > decoder->previous_end &&
                   (uint64_t)decoder->seq <= decoder->at->end); /* D1 */
    if (message->kind == POSTGRES_TRUNCATE)
        return take_truncate(decoder, message, error);
    return take_change(decoder, message, error);
}

/* May a call end here? Not between two changes of one number. */
static bool at_border(const struct postgres_decoder *decoder)
{
    return decoder->at == NULL || decoder->change >= decoder->at->changes ||
           number_of(decoder, decoder->change) != decoder->seq;
}

static size_t collect(struct postgres_decoder *decoder)
{
    size_t count = 0;
    for (size_t i = 0; i < decoder->rows_capacity; i++) {
        struct postgres_rows *rows = decoder->rows[i];
        if (rows != NULL && rows->lost != NULL) /* what comes behind is for who has read the table again by then */
            decoder->views[count++] = (struct change_batch){.table = rows->table,
                                                            .column_count = rows->columns,
                                                            .lost = rows->lost,
                                                            .lost_at = rows->lost_at,
                                                            .lost_us = rows->lost_us};
        if (rows != NULL && rows->count > 0)
            decoder->views[count++] = *postgres_rows_view(rows);
    }
    return count;
}

rhei_status postgres_decoder_next(struct postgres_decoder *decoder, size_t max_rows,
                                  const struct change_batch **batches, size_t *count, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    size_t taken = 0;
    base_arena_clear(&decoder->arena);
    for (size_t i = 0; i < decoder->rows_capacity; i++)
        if (decoder->rows[i] != NULL) {
            decoder->rows[i]->count = 0;
            decoder->rows[i]->lost = NULL;
            decoder->rows[i]->patches = false;
        }
    *count = 0;
    *batches = decoder->views;
    while (status == RHEI_OK && begin_transaction(decoder)) {
        if ((taken >= max_rows || decoder->arena.total > BYTES_MOST) && at_border(decoder) && collect(decoder) > 0)
            break;
        struct postgres_message message;
        bool found = false;
        status = postgres_cursor_next(&decoder->cursor, &message, &found, error);
        if (status == RHEI_OK && found)
            status = take_message(decoder, &message, error);
        taken += found;
        if (status == RHEI_OK && !found)
            end_transaction(decoder);
    }
    if (status == RHEI_OK)
        *count = collect(decoder);
    return status;
}

void postgres_decoder_reset(struct postgres_decoder *decoder)
{
    free_rows(decoder);
    for (size_t i = 0; i < decoder->all_count; i++) {
        void *chain = decoder->all[i]->chain;
        base_chain_free(&chain);
    }
    base_free(decoder->all);
    base_free(decoder->base.items);
    base_free(decoder->now.items);
    base_arena_reset(&decoder->arena);
    postgres_cursor_reset(&decoder->cursor);
    *decoder = (struct postgres_decoder){0};
}
