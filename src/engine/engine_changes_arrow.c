/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change feed as Arrow batches: rows are gathered by table until something else is told.
 *
 *   G1. Whatever is no row (a definition, a loss, a commit) is told only when every row before it was given. So batches lie within a unit, and a
 *       batch is of one version of its table.
 *   G2. Rows of one table keep their order; the order of tables is in the positions. A table's rows are given earlier where they are many.
 *   G3. An event counts as told when the caller has it: what isn't a row is only looked at while batches wait.
 */
#include <string.h>

#include "arrow/arrow_builder.h"
#include "arrow/arrow_metadata.h"
#include "arrow/arrow_nest.h"
#include "arrow/arrow_usual.h"
#include "base/base_arena.h"
#include "engine/engine_changes.h"

enum {
    META_COLUMNS = 3, /* before the table's own */
    GATHERED_BYTES_MOST = 16 * ARROW_BATCH_BYTES,
};

struct changes_gathered {
    struct changes_gathered *next;
    struct base_arena arena;
    struct source_table table;           /* a copy, with all it points to that is used here */
    struct capture_change last;          /* what the batch is told as */
    struct arrow_builder *rows, *before; /* of meta and table columns; of the table's as they were */
    struct base_buffer known;            /* a byte a row: there is a row in `before` */
    struct rhei_value *row;              /* [META_COLUMNS + columns], and as many NULLs behind it */
};

static void gathered_free(struct changes_gathered *gathered)
{
    if (gathered == NULL)
        return;
    arrow_builder_free(&gathered->rows);
    arrow_builder_free(&gathered->before);
    base_buffer_reset(&gathered->known);
    base_arena_reset(&gathered->arena);
    base_free(gathered);
}

void engine_changes_forget(struct rhei_changes *changes)
{
    gathered_free(changes->given);
    changes->given = NULL;
    while (changes->gathered != NULL) {
        struct changes_gathered *first = changes->gathered;
        changes->gathered = first->next;
        gathered_free(first);
    }
}

/* ---- One table. -------------------------------------------------------------------------------------------------- */

static bool gathered_copy(struct changes_gathered *gathered, const struct source_table *table)
{
    struct base_arena *arena = &gathered->arena;
    struct source_column *columns = base_arena_zero(arena, (size_t)table->column_count + 1, sizeof *columns);
    uint32_t *keys = base_arena_zero(arena, (size_t)table->column_count + table->key_count, sizeof *keys);
    gathered->table = (struct source_table){
        .id = table->id, .name = base_arena_text(arena, table->name), .columns = columns, .key_columns = keys};
    if (keys != NULL)
        gathered->table.column_count = engine_changes_shape(table, keys, &gathered->table.key_count);
    gathered->row = base_arena_zero(arena, 2 * (META_COLUMNS + (size_t)table->column_count), sizeof *gathered->row);
    if (columns == NULL || keys == NULL || gathered->row == NULL || gathered->table.name == NULL)
        return false;
    for (uint32_t c = 0; c < table->column_count; c++)
        if ((columns[c].name = base_arena_text(arena, table->columns[c].name)) == NULL)
            return false;
    return true;
}

static rhei_status gathered_builders(struct changes_gathered *gathered, const struct source_table *table,
                                     struct rhei_error *error)
{
    static const char *const meta[META_COLUMNS] = {"_rhei_operation", "_rhei_seq", "_rhei_time"};
    uint32_t count = META_COLUMNS + gathered->table.column_count;
    const char **names = base_arena_zero(&gathered->arena, count, sizeof *names);
    uint8_t *known = base_arena_zero(&gathered->arena, count, 1), *usual = base_arena_zero(&gathered->arena, count, 1);
    if (names == NULL || known == NULL || usual == NULL)
        return error_no_memory(error);
    for (uint32_t c = 0; c < count; c++) {
        const struct source_column *column = c < META_COLUMNS ? NULL : &table->columns[c - META_COLUMNS];
        names[c] = column == NULL ? meta[c] : column->name;
        usual[c] = column == NULL ? (uint8_t)RHEI_INTEGER : arrow_usual_class(column->declared_type);
        if (column == NULL)
            known[c] = c == 0 ? RHEI_TEXT : RHEI_INTEGER;
    }
    struct arrow_columns columns = {.count = count, .names = names, .known_class = known, .usual_class = usual};
    rhei_status status = arrow_builder_new(&columns, &gathered->rows, error);
    columns = (struct arrow_columns){
        .count = gathered->table.column_count, .names = names + META_COLUMNS, .usual_class = usual + META_COLUMNS};
    return status == RHEI_OK ? arrow_builder_new(&columns, &gathered->before, error) : status;
}

/* The one for rows of this table, made behind the others where there is none. */
static struct changes_gathered *gathered_of(struct rhei_changes *changes, const struct capture_change *change,
                                            struct rhei_error *error)
{
    struct changes_gathered **place = &changes->gathered;
    while (*place != NULL && (*place)->last.number != change->number)
        place = &(*place)->next;
    if (*place != NULL)
        return *place;
    struct changes_gathered *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL || !gathered_copy(made, change->table)) {
        gathered_free(made);
        error_no_memory(error);
        return NULL;
    }
    if (gathered_builders(made, change->table, error) != RHEI_OK) {
        gathered_free(made);
        return NULL;
    }
    made->last = (struct capture_change){.number = change->number};
    *place = made;
    return made;
}

/* RHEI_TOO_BIG: give what is gathered, then take the row again. */
static rhei_status gathered_add(struct changes_gathered *gathered, const struct capture_change *change,
                                struct rhei_error *error)
{
    static const char *const operations[] = {
        [CAPTURE_CHANGE_INSERT] = "I", [CAPTURE_CHANGE_UPDATE] = "U", [CAPTURE_CHANGE_DELETE] = "D"};
    uint32_t columns = gathered->table.column_count;
    gathered->row[0] = rhei_text(operations[change->kind]);
    gathered->row[1] = rhei_integer(change->position);
    gathered->row[2] = rhei_integer(change->time_us);
    memcpy(gathered->row + META_COLUMNS, change->values, columns * sizeof *change->values);
    const struct rhei_value *nulls = gathered->row + META_COLUMNS + columns;
    rhei_status status = arrow_builder_append(gathered->before, change->before == NULL ? nulls : change->before, error);
    if (status == RHEI_OK) {
        status = arrow_builder_append(gathered->rows, gathered->row, error);
        if (status == RHEI_TOO_BIG) /* the two don't match any more */
            status = error_set(error, RHEI_MEMORY_LIMIT, "a batch of changes passes 2 GiB");
    }
    base_buffer_char(&gathered->known, change->before != NULL);
    if (status == RHEI_OK && gathered->known.failed)
        status = error_no_memory(error);
    gathered->last.position = change->position;
    gathered->last.time_us = change->time_us;
    return status;
}

static size_t gathered_bytes(const struct changes_gathered *gathered)
{
    return arrow_builder_bytes(gathered->rows) + arrow_builder_bytes(gathered->before);
}

static rhei_status gathered_metadata(const struct changes_gathered *gathered, char **metadata, struct rhei_error *error)
{
    struct base_buffer number = {0};
    base_buffer_format(&number, "%u", gathered->table.id);
    if (number.failed) {
        base_buffer_reset(&number);
        return error_no_memory(error);
    }
    struct arrow_pair pairs[] = {{"rhei.table", gathered->table.name}, {"rhei.table_number", number.data}};
    rhei_status status = arrow_metadata_encode(NULL, pairs, 2, metadata, NULL, error);
    base_buffer_reset(&number);
    return status;
}

/* Where nothing is known of what was, it is said by one NULL for the row. */
static rhei_status gathered_finish(struct changes_gathered *gathered, struct ArrowSchema *schema,
                                   struct ArrowArray *array, struct rhei_error *error)
{
    struct ArrowSchema before = {0};
    struct ArrowArray rows_before = {0};
    char *metadata = NULL;
    rhei_status status = gathered_metadata(gathered, &metadata, error);
    if (status == RHEI_OK)
        status = arrow_builder_fix(gathered->rows, true, error);
    if (status == RHEI_OK)
        status = arrow_builder_fix(gathered->before, true, error);
    if (status == RHEI_OK)
        status = arrow_builder_schema(gathered->rows, metadata, schema, error);
    if (status == RHEI_OK)
        status = arrow_builder_finish(gathered->rows, array, error);
    if (status == RHEI_OK)
        status = arrow_builder_schema(gathered->before, NULL, &before, error);
    if (status == RHEI_OK)
        status = arrow_builder_finish(gathered->before, &rows_before, error);
    if (status == RHEI_OK)
        status = arrow_nest(schema, array, "_rhei_before", &before, &rows_before, (const uint8_t *)gathered->known.data,
                            error);
    base_free(metadata);
    arrow_nest_release(&before, &rows_before);
    if (status != RHEI_OK)
        arrow_nest_release(schema, array);
    return status;
}

/* ---- All of them. ------------------------------------------------------------------------------------------------ */

/* Gives the batch that `place` points to. */
static rhei_status changes_give(struct rhei_changes *changes, struct changes_gathered **place,
                                struct rhei_change *change, struct ArrowSchema *schema, struct ArrowArray *array,
                                struct rhei_error *error)
{
    struct changes_gathered *giving = *place;
    rhei_status status = gathered_finish(giving, schema, array, error);
    if (status != RHEI_OK)
        return status;
    *place = giving->next;
    giving->next = NULL;
    gathered_free(changes->given);
    changes->given = giving; /* the event's texts are in it */
    arrow_builder_free(&giving->rows);
    arrow_builder_free(&giving->before);
    giving->last.name = giving->table.name;
    giving->last.table = &giving->table;
    status = engine_changes_show(changes, &giving->last, change, error);
    if (status != RHEI_OK) {
        arrow_nest_release(schema, array);
        return status;
    }
    change->kind = RHEI_CHANGE_BATCH;
    return RHEI_ROW;
}

/* The one to give before more rows are taken, or NULL. */
static struct changes_gathered **changes_full(struct rhei_changes *changes, bool big)
{
    struct changes_gathered **largest = NULL;
    size_t total = 0;
    for (struct changes_gathered **place = &changes->gathered; *place != NULL; place = &(*place)->next) {
        size_t bytes = gathered_bytes(*place);
        total += bytes;
        if (bytes >= ARROW_BATCH_BYTES || arrow_builder_rows((*place)->rows) >= ARROW_BATCH_ROWS)
            return place;
        if (largest == NULL || bytes > gathered_bytes(*largest))
            largest = place;
    }
    return big || total >= GATHERED_BYTES_MOST ? largest : NULL;
}

static bool is_row(const struct capture_change *change)
{
    return change->kind == CAPTURE_CHANGE_INSERT || change->kind == CAPTURE_CHANGE_UPDATE ||
           change->kind == CAPTURE_CHANGE_DELETE;
}

/* RHEI_OK: rows were gathered, go on; RHEI_ROW: something is given. */
static rhei_status changes_turn(struct rhei_changes *changes, struct rhei_change *change, struct ArrowSchema *schema,
                                struct ArrowArray *array, struct rhei_error *error)
{
    struct changes_gathered **full = changes_full(changes, false);
    if (full != NULL)
        return changes_give(changes, full, change, schema, array, error);
    const struct capture_change *found = NULL;
    rhei_status status = capture_changes_peek(changes->changes, &found, error);
    if (status != RHEI_ROW) /* DONE: within a unit it isn't said */
        return status;
    if (!is_row(found) && changes->gathered != NULL) /* G1 */
        return changes_give(changes, &changes->gathered, change, schema, array, error);
    if (!is_row(found)) {
        status = capture_changes_next(changes->changes, &found, error);
        if (status == RHEI_ROW)
            status = engine_changes_show(changes, found, change, error);
        return status == RHEI_OK ? RHEI_ROW : status;
    }
    struct changes_gathered *gathered = gathered_of(changes, found, error);
    status = gathered == NULL ? RHEI_NO_MEMORY : gathered_add(gathered, found, error);
    if (status == RHEI_TOO_BIG)
        return changes_give(changes, changes_full(changes, true), change, schema, array, error);
    if (status == RHEI_OK)
        status = capture_changes_next(changes->changes, &found, error);
    return status == RHEI_ROW ? RHEI_OK : status;
}

rhei_status rhei_changes_next_arrow(rhei_changes *changes, struct rhei_change *change, struct ArrowSchema *schema,
                                    struct ArrowArray *array, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    error_clear(error);
    if (changes == NULL || change == NULL || schema == NULL || array == NULL)
        return error_set(error, RHEI_INVALID,
                         "rhei_changes_next_arrow needs changes and places for one, its schema and its array");
    memset(schema, 0, sizeof *schema);
    memset(array, 0, sizeof *array);
    rhei_status status = changes->failure.code;
    why = changes->failure;
    while (status == RHEI_OK)
        status = changes_turn(changes, change, schema, array, &why);
    if (status == RHEI_ROW || status == RHEI_DONE)
        return status;
    if (status == RHEI_NO_MEMORY || status == RHEI_MEMORY_LIMIT || status == RHEI_INTERNAL)
        changes->failure = why; /* rows that were taken from the log can't be given any more: open the reader again */
    if (error != NULL)
        *error = why;
    return status;
}
