/* SPDX-License-Identifier: Apache-2.0 */
/* The way in and out of the translator. */
#include "translate/translate.h"

#include <math.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"
#include "translate/translate_internal.h"

static const char *const duckdb_forms[TRANSLATE_FORMS] = {
#define FORM(name, text) [TRANSLATE_FORM_##name] = text,
#include "translate/translate_duckdb.def"
#undef FORM
};

static const char *const datafusion_forms[TRANSLATE_FORMS] = {
#define FORM(name, text) [TRANSLATE_FORM_##name] = text,
#include "translate/translate_datafusion.def"
#undef FORM
};

static const struct translate_dialect dialects[] = {{"duckdb", duckdb_forms}, {"datafusion", datafusion_forms}};

const struct translate_dialect *translate_dialect_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof dialects / sizeof dialects[0]; i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

struct owned {
    struct translation shown; /* first: what the caller sees */
    struct sql_arena *arena;
};

/* The two ways in which parts lead back to each other: an expression holds SELECTs, a SELECT expressions. */
static const struct translate_parts parts = {translate_expression_here, translate_query_here};

/* ---- The statement ---- */

static uint8_t shown_class(const struct translate_value *value)
{
    static const uint8_t classes[] = {[TRANSLATE_CLASS_NULL] = RHEI_NULL,      [TRANSLATE_CLASS_INTEGER] = RHEI_INTEGER,
                                      [TRANSLATE_CLASS_REAL] = RHEI_REAL,      [TRANSLATE_CLASS_MIXED] = RHEI_REAL,
                                      [TRANSLATE_CLASS_TEXT] = RHEI_TEXT,      [TRANSLATE_CLASS_BLOB] = RHEI_BLOB,
                                      [TRANSLATE_CLASS_BOOLEAN] = RHEI_INTEGER};
    return classes[value->cls];
}

static void describe(struct translator *t, const struct translate_query *query)
{
    struct translate_output *columns = sql_arena_alloc(t->arena, (size_t)query->count * sizeof *columns);
    if (!columns) {
        t->failed = true;
        return;
    }
    uint32_t flags = query->count; /* flag columns come right behind, in the order of their columns */
    for (uint32_t i = 0; i < query->count; i++) {
        const struct translate_value *value = &query->columns[i];
        columns[i].storage_class = shown_class(value);
        columns[i].mixed = value->cls == TRANSLATE_CLASS_MIXED;
        if (columns[i].mixed)
            columns[i].flag_column = flags++;
    }
    BASE_INVARIANT(flags <= query->result_columns && query->count <= query->result_columns);
    t->out->text = query->text;
    t->out->length = strlen(query->text);
    t->out->columns = columns;
    t->out->column_count = query->count;
    t->out->result_columns = query->result_columns;
    t->out->scans = t->scans;
    t->out->translated = true;
}

/*
 * What the column store may be given to plan. It plans a level of brackets in about the cube of its depth, and looks at a
 * stop only between its passes: a text within these bounds is planned in well under a second, one pass in tens of
 * milliseconds. `weight` counts, for each bracket, the levels that it lies deeper than FREE_DEPTH.
 */
enum {
    PLANNED_DEPTH = 100,
    PLANNED_WEIGHT = 20000,
    FREE_DEPTH = 12,
    PLANNED_TEXT = 1 << 18,
    PLANNED_RATIO = 8, /* and so many bytes for each of the statement's */
    NODES_MIN = 20000,
};

static const char *skip_quoted(const char *at)
{
    char quote = *at++;
    while (*at && *at != quote)
        at++;
    return *at ? at : at - 1;
}

static void check_size(struct translator *t, const struct sql_tree *tree, const char *text)
{
    char name_quote = t->forms[TRANSLATE_FORM_QUOTE_NAME][0], text_quote = t->forms[TRANSLATE_FORM_QUOTE_TEXT][0];
    int64_t depth = 0, deepest = 0, weight = 0;
    for (const char *at = text; *at; at++) {
        if (*at == name_quote || *at == text_quote) {
            at = skip_quoted(at);
        } else if (*at == '(') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
            weight += depth > FREE_DEPTH ? depth - FREE_DEPTH : 0;
        } else if (*at == ')') {
            depth--;
            BASE_INVARIANT(depth >= 0);
        }
    }
    BASE_INVARIANT(depth == 0);
    BASE_INVARIANT(weight <= PLANNED_WEIGHT || deepest > FREE_DEPTH);
    if (deepest > PLANNED_DEPTH || weight > PLANNED_WEIGHT)
        translate_refuse(t, tree->offset, "depth",
                         "the column store would take too long to plan expressions nested so deep");
}

static void translate_tree(struct translator *t, const struct sql_tree *tree)
{
    if (tree->kind != SQL_KIND_SELECT || !tree->select) {
        translate_refuse(t, tree->offset, sql_kind_name(tree->kind),
                         "only a SELECT can be answered by the column store");
        return;
    }
    t->text_limit = PLANNED_TEXT + PLANNED_RATIO * (size_t)tree->text_length;
    t->node_limit = NODES_MIN + PLANNED_RATIO * (uint64_t)tree->text_length;
    struct translate_query query = translate_query_text(t, NULL, tree->select, false);
    BASE_INVARIANT(t->depth == 0 && t->view_depth == 0 && t->cut == 0 && !t->ctes &&
                   !t->view); /* 1: all that was entered was left */
    BASE_INVARIANT(!t->in_condition);
    if (!t->refused && !t->failed)
        check_size(t, tree, query.text);
    if (!t->refused && !t->failed && !base_utf8_valid(query.text, strlen(query.text)))
        translate_refuse(t, tree->offset, "invalid UTF-8", "the column store takes valid UTF-8 only");
    if (!t->refused && !t->failed)
        describe(t, &query);
    for (uint32_t i = 0; i < t->view_count; i++)
        sql_tree_free(&t->view_trees[i]);
}

rhei_status translate_select(const struct sql_tree *tree, const struct translate_catalog *catalog,
                             const struct translate_options *options, struct translation **out,
                             struct rhei_error *error)
{
    *out = NULL;
    struct sql_arena *arena = sql_arena_new();
    struct owned *made = arena ? sql_arena_alloc(arena, sizeof *made) : NULL;
    if (!made) {
        sql_arena_free(&arena);
        return error_no_memory(error);
    }
    made->arena = arena;
    made->shown.row_limit = -1;
    made->shown.assumes_scan_of = -1;
    struct translator t = {.arena = arena,
                           .catalog = catalog,
                           .options = options,
                           .forms = options->dialect->forms,
                           .parts = &parts,
                           .out = &made->shown};
    if (translate_held_begin(&t))
        translate_tree(&t, tree);
    translate_held_finish(&t);
    if (t.failed || sql_arena_failed(arena)) {
        sql_arena_free(&arena);
        return error_no_memory(error);
    }
    if (t.refused)
        made->shown.translated = false;
    BASE_INVARIANT(made->shown.translated != t.refused);
    BASE_INVARIANT(!made->shown.translated || made->shown.column_count <= made->shown.result_columns);
    BASE_INVARIANT(made->shown.assumes_scan_of < (int32_t)made->shown.scan_count);
    *out = &made->shown;
    return RHEI_OK;
}

void translation_free(struct translation **translation)
{
    if (!translation || !*translation)
        return;
    struct sql_arena *arena = ((struct owned *)(void *)*translation)->arena;
    *translation = NULL;
    sql_arena_free(&arena);
}

bool translate_scan_column_holds(const struct translate_scan_column *used, const struct translate_column *column)
{
    if (column->flags != used->flags)
        return false;
    bool relied = isfinite(used->relied_low) || isfinite(used->relied_high);
    return !relied || (column->has_range && column->low >= used->relied_low && column->high <= used->relied_high);
}
