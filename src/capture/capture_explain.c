/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a schema that others changed wholly explained by what is different in it?
 *
 * X1. Every statement that changes the schema raises the cookie by at least 1, ALTER and DROP of a table with all that hangs on
 *     it by exactly 1. So what is different has a least price; what was there for a while only (a column, a
 *     unique index, a trigger, our triggers while rows were loaded) has one too: at least 2, to come and to go.
 * X2. If the cookie rose by no more than that price and 1, nothing came and went. One more is VACUUM or a first ANALYZE, which
 *     change no row (rowids without a name aside: I8).
 * X3. Where a table came and another went, it may be one that was renamed, at the price of one statement: not explained.
 */
#include <string.h>

#include "capture/capture_definition.h"

struct explanation {
    int64_t price;
    int64_t tables_made, tables_gone, virtual_gone;
    bool altered;
};

static bool explain_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* SQLite's own tables come and go with others'. */
static bool explain_is_internal(const char *name)
{
    return sqlite3_strnicmp(name, "sqlite_", 7) == 0;
}

static const struct capture_object *explain_find(const struct capture_object *objects, uint32_t count,
                                                 const struct capture_object *like)
{
    for (uint32_t i = 0; i < count; i++)
        if (objects[i].type == like->type && strcmp(objects[i].name, like->name) == 0)
            return &objects[i];
    return NULL;
}

/* Objects of `these` that `others` have not, or in other words; each came or went by a statement of its own. */
static void explain_objects(struct explanation *explanation, const struct capture_object *these, uint32_t count,
                            const struct capture_object *others, uint32_t other_count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (these[i].sql == NULL) /* of a constraint: with its table */
            continue;
        const struct capture_object *other = explain_find(others, other_count, &these[i]);
        explanation->price += other == NULL;
        explanation->altered |= other != NULL && !explain_same_text(other->sql, these[i].sql);
    }
}

static const struct capture_own *explain_own(const struct oltp_schema *schema,
                                             const struct capture_definition *definition)
{
    const struct capture_table_schema *table =
        capture_schema_find((struct oltp_schema *)(uintptr_t)schema, definition->name);
    BASE_INVARIANT(table == NULL || table - schema->tables < schema->catalog.table_count);
    return table == NULL ? NULL : schema->owns[table - schema->tables];
}

static void explain_pair(struct explanation *explanation, const struct oltp_schema *before,
                         const struct capture_definition *was, const struct oltp_schema *now,
                         const struct capture_definition *is)
{
    if (was != is) {
        explain_objects(explanation, is->objects, is->object_count, was->objects, was->object_count);
        explain_objects(explanation, was->objects, was->object_count, is->objects, is->object_count);
    }
    const struct capture_own *own_was = explain_own(before, was), *own_is = explain_own(now, is);
    if (own_was != own_is && own_was != NULL && own_is != NULL) {
        explain_objects(explanation, own_is->triggers, own_is->trigger_count, own_was->triggers,
                        own_was->trigger_count);
        explain_objects(explanation, own_was->triggers, own_was->trigger_count, own_is->triggers,
                        own_is->trigger_count);
    }
}

static void explain_made(struct explanation *explanation, const struct capture_definition *is)
{
    for (uint32_t i = 0; i < is->object_count && !explain_is_internal(is->name); i++)
        explanation->price += is->objects[i].sql != NULL;
    explanation->tables_made += is->main->type == CAPTURE_OBJECT_TABLE && !explain_is_internal(is->name);
}

static void explain_gone(struct explanation *explanation, const struct capture_definition *was)
{
    if (explain_is_internal(was->name))
        return;
    if (was->main->type != CAPTURE_OBJECT_TABLE) {
        explanation->price++;
        return;
    }
    explanation->tables_gone++;
    explanation->virtual_gone += was->main->sql != NULL && sqlite3_strnicmp(was->main->sql, "CREATE VIRTUAL", 14) == 0;
}

bool capture_schema_explains(const struct oltp_schema *before, const struct oltp_schema *now)
{
    struct explanation explanation = {0};
    int64_t rise = now->cookie - before->cookie;
    for (uint32_t i = 0; i < now->definition_count; i++) {
        const struct capture_definition *is = now->definitions[i];
        const struct capture_definition *was = capture_schema_definition(before, is->name);
        if (was == NULL)
            explain_made(&explanation, is);
        else
            explain_pair(&explanation, before, was, now, is);
    }
    for (uint32_t i = 0; i < before->definition_count; i++)
        if (capture_schema_definition(now, before->definitions[i]->name) == NULL)
            explain_gone(&explanation, before->definitions[i]);
    if (explanation.tables_made > 0 && explanation.tables_gone > 0)
        return false;
    /* a virtual table takes its shadows with it, and one ALTER may change many texts */
    explanation.price += explanation.virtual_gone > 0 ? 1 : explanation.tables_gone;
    explanation.price += explanation.altered;
    return rise >= 0 && rise <= explanation.price + 1;
}

bool capture_schema_altered(const struct oltp_schema *before, const struct capture_table_schema *table)
{
    const struct capture_definition *was = capture_schema_definition(before, table->table.source.name);
    return was == NULL || !explain_same_text(was->main->sql, table->definition->main->sql);
}
