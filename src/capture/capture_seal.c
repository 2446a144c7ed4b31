/* SPDX-License-Identifier: Apache-2.0 */
/* The end of settling a schema, when its tables are captured or not: their numbers, the reasons of those that have none, the catalog. */
#include "capture/capture_definition.h"

bool capture_is_named(const struct oltp *oltp, const char *table)
{
    return oltp->config.auto_register ||
           (oltp->config.named != NULL && oltp->config.named(oltp->config.named_context, table));
}

/* What others have captured and nobody asked for by name isn't mirrored by an engine that registers nothing by itself. */
static void seal_narrow(const struct oltp *oltp, struct oltp_schema *schema)
{
    bool numbered = oltp_captures(oltp) || oltp_follows(oltp);
    for (uint32_t i = 0; i < capture_schema_work_count(schema) && numbered; i++) {
        struct capture_table_schema *table = capture_schema_work(schema, i);
        table->number = table->table.source.id;
        if (table->number < (uint32_t)1 << 31 && table->number > schema->highest_number)
            schema->highest_number = table->number;
        if (table->number != 0 && !table->by_name && !capture_is_named(oltp, table->table.source.name)) {
            table->table.source.id = 0;
            table->table.source.unmirrored_reason = "it is not registered";
        }
    }
}

/* The catalog's tables, now that their numbers are known. */
static rhei_status seal_tables(struct oltp_schema *schema, struct rhei_error *error)
{
    /* a derived one has what its base had already */
    struct capture_table *tables = (struct capture_table *)(uintptr_t)schema->catalog.tables;
    if (tables == NULL)
        tables = base_arena_alloc(&schema->arena, ((size_t)schema->catalog.table_count + 1) * sizeof *tables);
    if (tables == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < capture_schema_work_count(schema); i++) {
        struct capture_table_schema *table = capture_schema_work(schema, i);
        table->before = NULL;
        tables[table - schema->tables] = table->table;
    }
    schema->catalog.tables = tables;
    schema->derived = false;
    schema->gone = NULL;
    return RHEI_OK;
}

static void seal_reasons(struct oltp_schema *schema)
{
    for (uint32_t i = 0; i < capture_schema_work_count(schema); i++) {
        struct source_table *source = &capture_schema_work(schema, i)->table.source;
        if (source->id == 0 && source->unmirrored_reason == NULL)
            source->unmirrored_reason = "its changes are not captured";
    }
}

/* Where nothing is captured: numbers of this handle alone, new ones with every schema (T3 of capture_still.c). */
void capture_number_still(struct oltp *oltp, struct oltp_schema *schema)
{
    for (uint32_t i = 0; i < schema->catalog.table_count; i++) {
        struct capture_table *table = &schema->tables[i].table;
        table->captured = table->source.unmirrored_reason == NULL;
        table->source.id =
            table->captured ? atomic_fetch_add_explicit(&capture_of(oltp)->still_ids, 1, memory_order_relaxed) + 1 : 0;
    }
}

bool capture_is_numbered(const struct oltp_schema *schema)
{
    bool any = false;
    for (uint32_t i = 0; i < schema->catalog.table_count; i++)
        any |= schema->tables[i].table.source.id != 0;
    return any;
}

rhei_status capture_seal(struct oltp *oltp, struct oltp_schema *schema, struct rhei_error *error)
{
    seal_narrow(oltp, schema);
    seal_reasons(schema);
    return seal_tables(schema, error);
}
