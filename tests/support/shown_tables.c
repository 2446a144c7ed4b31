/* SPDX-License-Identifier: Apache-2.0 */
/* Tables moved out of the file are written by hand, with the cycle taken for as long; those of a list by a sync of its own. */
#include "shown_tables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine_shown.h"
#include "sync/sync_internal.h"

enum { BATCH = 512, MOST_LOOKS = 24000 };

static uint32_t number_of(uint32_t table)
{
    return (uint32_t)SHOWN_SOURCE << TABLE_SOURCE_SHIFT | table;
}

static rhei_status publish(rhei_db *db, struct rhei_error *error)
{
    return mirror_publish_source(db->mirror, SHOWN_SOURCE, 1, error);
}

/* ---- Out of the file. --------------------------------------------------------------------------------------------- */

static bool names(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = text; *at != '\0'; at++)
        if (strncasecmp(at, name, len) == 0 && (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_')) &&
            !isalnum((unsigned char)at[len]) && at[len] != '_')
            return true;
    return false;
}

static bool stays(const struct capture_catalog *catalog, const struct capture_table *table)
{
    if (table->schema != NULL || !table->captured || strncmp(table->source.name, "_rhei_", 6) == 0)
        return true;
    for (uint32_t v = 0; v < catalog->view_count; v++)
        if (names(catalog->views[v].sql, table->source.name))
            return true;
    return false;
}

static void select_text(const struct source_table *table, struct base_buffer *sql)
{
    base_buffer_text(sql, "SELECT ");
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(sql, c == 0 ? "" : ", ");
        base_buffer_identifier(sql, table->columns[c].name);
    }
    base_buffer_text(sql, " FROM main.");
    base_buffer_identifier(sql, table->name);
    if (!table->without_rowid)
        base_buffer_text(sql, " ORDER BY _rowid_");
}

/* Rows that wait to be appended; texts are copied. */
struct batch {
    uint32_t columns;
    size_t rows;
    struct rhei_value *values; /* [columns][BATCH] */
    const struct rhei_value **lists;
};

static bool batch_init(struct batch *batch, uint32_t columns)
{
    *batch = (struct batch){.columns = columns};
    batch->values = calloc((size_t)columns * BATCH, sizeof *batch->values);
    batch->lists = calloc(columns, sizeof *batch->lists);
    for (uint32_t c = 0; batch->lists != NULL && c < columns; c++)
        batch->lists[c] = batch->values + (size_t)c * BATCH;
    return batch->values != NULL && batch->lists != NULL;
}

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; batch->values != NULL && i < (size_t)batch->columns * BATCH; i++)
        if (batch->values[i].type >= RHEI_TEXT)
            free((void *)(uintptr_t)batch->values[i].as.bytes);
    if (batch->values != NULL)
        memset(batch->values, 0, (size_t)batch->columns * BATCH * sizeof *batch->values);
    batch->rows = 0;
}

static void batch_add(struct batch *batch, struct oltp_cursor *cursor)
{
    for (uint32_t c = 0; c < batch->columns; c++) {
        struct rhei_value *value = &batch->values[(size_t)c * BATCH + batch->rows];
        oltp_cursor_value(cursor, c, value);
        if (value->type >= RHEI_TEXT) {
            void *copy = malloc((size_t)value->length + 1);
            if (copy == NULL)
                abort();
            memcpy(copy, value->as.bytes, value->length);
            value->as.bytes = copy;
        }
    }
    batch->rows++;
}

static rhei_status batch_flush(struct batch *batch, struct mirror_build *build, uint32_t table,
                               struct rhei_error *error)
{
    struct change_batch changes = {
        .table = table, .column_count = batch->columns, .row_count = batch->rows, .columns = batch->lists};
    rhei_status status = batch->rows == 0 ? RHEI_OK : mirror_build_append(build, 0, &changes, error);
    batch_clear(batch);
    return status;
}

static rhei_status copy_rows(rhei_db *db, const struct source_table *table, struct mirror_build *build, uint32_t number,
                             struct rhei_error *error)
{
    struct base_buffer sql = {0};
    struct batch batch;
    struct oltp_cursor *cursor = NULL;
    select_text(table, &sql);
    rhei_status status = batch_init(&batch, table->column_count) ? RHEI_OK : error_no_memory(error);
    if (status == RHEI_OK)
        status = oltp_read(db->oltp, sql.data, sql.len, NULL, 0, NULL, true, &cursor, error);
    while (status == RHEI_OK && (status = oltp_cursor_next(cursor, error)) == RHEI_ROW) {
        batch_add(&batch, cursor);
        status = batch.rows == BATCH ? batch_flush(&batch, build, number, error) : RHEI_OK;
    }
    if (status == RHEI_DONE)
        status = batch_flush(&batch, build, number, error);
    oltp_cursor_close(&cursor);
    batch_clear(&batch);
    free(batch.values);
    free(batch.lists);
    base_buffer_reset(&sql);
    return status;
}

static rhei_status move_table(rhei_db *db, const struct source_table *table, uint32_t number, struct rhei_error *error)
{
    struct source_table moved = *table;
    struct mirror_build *build = NULL;
    moved.id = number;
    rhei_status status = mirror_build_begin(db->mirror, &moved, 1, &build, error);
    if (status == RHEI_OK)
        status = copy_rows(db, table, build, number, error);
    if (status == RHEI_OK)
        status = mirror_build_attach(&build, error);
    else
        mirror_build_abandon(&build);
    return status;
}

static rhei_status drop_table(rhei_db *db, const char *name, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "DROP TABLE main.");
    base_buffer_identifier(&sql, name);
    rhei_status status = rhei_execute(db, sql.data, NULL, NULL, error);
    base_buffer_reset(&sql);
    return status;
}

rhei_status shown_move_tables(rhei_db *db, uint32_t *moved, struct rhei_error *error)
{
    static const struct engine_source source = {.name = "elsewhere", .number = SHOWN_SOURCE};
    const struct capture_catalog *catalog = NULL;
    *moved = 0;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    sync_own(db->sync);
    for (uint32_t t = 0; t < catalog->table_count && status == RHEI_OK; t++)
        if (!stays(catalog, &catalog->tables[t]))
            status = move_table(db, &catalog->tables[t].source, number_of(++*moved), error);
    if (status == RHEI_OK)
        status = publish(db, error);
    sync_disown(db->sync);
    for (uint32_t t = 0; t < catalog->table_count && status == RHEI_OK; t++)
        if (!stays(catalog, &catalog->tables[t]))
            status = drop_table(db, catalog->tables[t].source.name, error);
    capture_catalog_release(&catalog);
    return status == RHEI_OK ? engine_show_source(db, &source, error) : status;
}

/* ---- Fed by a list. ----------------------------------------------------------------------------------------------- */

struct shown_list {
    rhei_db *db;
    struct change_source *source;
    struct sync *sync;
    atomic_int failing;
    _Atomic(rhei_cancel *) cancel;
    atomic_uint_fast64_t reads;
};

static rhei_status list_fresh(void *context, const struct table_freshness *freshness, struct rhei_error *error)
{
    struct shown_list *list = context;
    rhei_cancel *cancel = atomic_exchange(&list->cancel, NULL);
    if (cancel != NULL) {
        rhei_cancel_raise(cancel);
        rhei_status stopped = freshness->check(freshness->context);
        return error_set(error, stopped, "the wait for source \"elsewhere\" was ended");
    }
    rhei_status status = (rhei_status)atomic_load(&list->failing);
    atomic_fetch_add(&list->reads, 1);
    return status == RHEI_OK ? RHEI_OK : error_set(error, status, "source \"elsewhere\" is away");
}

void shown_list_settle(struct shown_list *list)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sync_build(list->sync, true, 0, NULL, &error) != RHEI_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
}

struct shown_list *shown_list_open(rhei_db *db, struct list_store *store)
{
    return shown_list_open_as(db, store, "elsewhere", SHOWN_SOURCE);
}

struct shown_list *shown_list_open_as(rhei_db *db, struct list_store *store, const char *name, uint32_t number)
{
    struct shown_list *list = calloc(1, sizeof *list);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (list == NULL)
        abort();
    list->db = db;
    list->source = list_source_open(store);
    struct engine_source source = {.name = name,
                                   .number = (unsigned char)number,
                                   .changes = list->source,
                                   .fresh = list_fresh,
                                   .context = list,
                                   .sync = &list->sync};
    if (engine_show_source(db, &source, &error) != RHEI_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    shown_list_settle(list);
    return list;
}

void shown_list_close(struct shown_list **slot)
{
    struct shown_list *list = *slot;
    if (list == NULL)
        return;
    *slot = NULL;
    list->source->ops->close(&list->source);
    free(list);
}

void shown_list_fail(struct shown_list *list, rhei_status status)
{
    atomic_store(&list->failing, (int)status);
}

void shown_list_await_away(struct shown_list *list, bool away)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    for (int looks = 0; sync_is_away(list->sync) != away; looks++) {
        if (looks == MOST_LOOKS) {
            fprintf(stderr, "the source is%s away\n", away ? " never" : " still");
            abort();
        }
        nanosleep(&moment, NULL);
    }
}

void shown_list_cancel(struct shown_list *list, rhei_cancel *cancel)
{
    atomic_store(&list->cancel, cancel);
}

uint64_t shown_list_reads(const struct shown_list *list)
{
    return atomic_load(&list->reads);
}
