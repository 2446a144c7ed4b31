/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes above expressions: FROM, SELECT, WITH and changes. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "sql/sql.h"
#include "sql/sql_build.h"

static void *make(struct sql_parser *p, size_t size)
{
    void *memory = sql_arena_alloc(p->arena, size);
    if (!memory && p->status == RHEI_OK)
        p->status = error_no_memory(p->error);
    return memory;
}

/* ---- FROM ---- */

struct sql_source sql_source_table(struct sql_parser *p, struct sql_token name, const struct sql_token *second)
{
    struct sql_source source = {.kind = SQL_SOURCE_TABLE, .offset = sql_offset(p, second ? *second : name)};
    if (second)
        source.schema = sql_name(p, name);
    source.name = sql_name(p, second ? *second : name);
    return source;
}

struct sql_from *sql_from_add(struct sql_parser *p, struct sql_from *from, struct sql_source source)
{
    if (!from)
        from = make(p, sizeof *from);
    if (!from || !sql_arena_grow(p->arena, (void **)&from->items, from->count, &from->capacity, sizeof *from->items)) {
        if (p->status == RHEI_OK)
            p->status = error_no_memory(p->error);
        return from;
    }
    source.join = from->count ? from->next_join : SQL_JOIN_FIRST;
    source.natural = from->count && from->next_natural;
    from->items[from->count++] = source;
    return from;
}

/* The words of "NATURAL LEFT OUTER JOIN" in any order that SQLite takes. */
enum {
    WORD_NATURAL = 1,
    WORD_LEFT = 2,
    WORD_OUTER = 4,
    WORD_RIGHT = 8,
    WORD_FULL = 16,
    WORD_INNER = 32,
    WORD_CROSS = 64
};

static unsigned join_word(struct sql_token token)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"natural", WORD_NATURAL}, {"left", WORD_LEFT},   {"outer", WORD_OUTER}, {"right", WORD_RIGHT},
                 {"full", WORD_FULL},       {"inner", WORD_INNER}, {"cross", WORD_CROSS}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (base_fold_equal(token.text, token.length, words[i].word, strlen(words[i].word)))
            return words[i].bit;
    return 0;
}

static uint8_t join_kind(unsigned words)
{
    if ((words & WORD_FULL) || (words & (WORD_LEFT | WORD_RIGHT)) == (WORD_LEFT | WORD_RIGHT))
        return SQL_JOIN_FULL;
    if (words & WORD_LEFT)
        return SQL_JOIN_LEFT;
    if (words & WORD_RIGHT)
        return SQL_JOIN_RIGHT;
    return words & WORD_CROSS ? SQL_JOIN_CROSS : SQL_JOIN_INNER;
}

struct sql_from *sql_from_join(struct sql_parser *p, struct sql_from *from, struct sql_token first,
                               const struct sql_token *second, const struct sql_token *third)
{
    if (!from)
        return NULL;
    from->next_natural = false;
    if (first.text[0] == ',') {
        from->next_join = SQL_JOIN_COMMA;
        return from;
    }
    if (base_fold_equal(first.text, first.length, "join", 4)) {
        from->next_join = SQL_JOIN_INNER;
        return from;
    }
    const struct sql_token *tokens[3] = {&first, second, third};
    unsigned words = 0;
    bool wrong = false;
    for (int i = 0; i < 3; i++) {
        if (!tokens[i])
            continue;
        unsigned word = join_word(*tokens[i]);
        wrong = wrong || !word;
        words |= word;
    }
    bool outer = (words & (WORD_LEFT | WORD_RIGHT | WORD_FULL)) != 0;
    if (wrong || ((words & (WORD_INNER | WORD_CROSS)) && (outer || (words & WORD_OUTER))) ||
        ((words & WORD_OUTER) && !outer))
        sql_fail(p, RHEI_SQL, sql_offset(p, first), "unknown join type: %.*s",
                 first.length > 60 ? 60 : (int)first.length, first.text);
    from->next_join = join_kind(words);
    from->next_natural = (words & WORD_NATURAL) != 0;
    return from;
}

void sql_from_alias(struct sql_parser *p, struct sql_from *from, struct sql_token alias)
{
    if (from && from->count && alias.text)
        from->items[from->count - 1].alias = sql_name(p, alias);
}

void sql_from_constraint(struct sql_from *from, struct sql_expr *on, struct sql_names *using_columns)
{
    if (!from || !from->count)
        return;
    from->items[from->count - 1].on = on;
    from->items[from->count - 1].using_columns = using_columns;
}

/* ---- Heights ---- */

static void higher(uint16_t *height, uint16_t other)
{
    if (other > *height)
        *height = other;
}

static void higher_expr(uint16_t *height, const struct sql_expr *expr)
{
    if (expr)
        higher(height, expr->height);
}

static void higher_items(uint16_t *height, const struct sql_items *items)
{
    for (uint32_t i = 0; items && i < items->count; i++)
        higher_expr(height, items->items[i].expr);
}

/* Groups are counted as a level each; the grammar's own stack limit keeps this recursion short. */
static void higher_from(uint16_t *height, const struct sql_from *from)
{
    for (uint32_t i = 0; from && i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        higher_expr(height, source->on);
        higher_items(height, source->arguments);
        if (source->select)
            higher(height, source->select->height);
        if (source->group)
            higher(height, source->group->height);
    }
}

void sql_from_height(struct sql_parser *p, struct sql_from *from, uint32_t offset)
{
    if (!from)
        return;
    uint16_t height = 0;
    higher_from(&height, from);
    from->height = (uint16_t)(height + 1);
    if (from->height > SQL_MAX_DEPTH)
        sql_fail(p, RHEI_TOO_BIG, offset, "the statement is nested too deep (the limit is %d levels)", SQL_MAX_DEPTH);
}

static uint16_t core_height(const struct sql_core *core)
{
    uint16_t height = 0;
    higher_items(&height, core->columns);
    higher_from(&height, core->from);
    higher_expr(&height, core->where);
    higher_items(&height, core->group_by);
    higher_expr(&height, core->having);
    for (const struct sql_window *window = core->windows; window; window = window->next) {
        higher_items(&height, window->partition);
        higher_items(&height, window->order);
        higher_expr(&height, window->start.expr);
        higher_expr(&height, window->end.expr);
    }
    for (uint32_t i = 0; i < core->row_count; i++)
        higher_items(&height, core->rows[i]);
    return height;
}

/* Called when everything of the SELECT is in place. */
void sql_select_finish(struct sql_parser *p, struct sql_select *select)
{
    uint16_t height = 0;
    if (!select)
        return;
    for (const struct sql_core *core = select->cores; core; core = core->next)
        higher(&height, core_height(core));
    higher_items(&height, select->order);
    higher_expr(&height, select->limit);
    higher_expr(&height, select->limit_offset);
    for (const struct sql_cte *cte = select->with ? select->with->ctes : NULL; cte; cte = cte->next)
        if (cte->select)
            higher(&height, cte->select->height);
    select->height = (uint16_t)(height + 1);
    if (select->height > SQL_MAX_DEPTH)
        sql_fail(p, RHEI_TOO_BIG, select->offset, "the statement is nested too deep (the limit is %d levels)",
                 SQL_MAX_DEPTH);
}

/* ---- SELECT ---- */

struct sql_core *sql_core_new(struct sql_parser *p, struct sql_token token, bool is_values)
{
    struct sql_core *core = make(p, sizeof *core);
    if (!core)
        return NULL;
    core->offset = sql_offset(p, token);
    core->is_values = is_values;
    return core;
}

struct sql_core *sql_core_row(struct sql_parser *p, struct sql_core *core, struct sql_items *row)
{
    if (!core || !row)
        return core;
    if (!sql_arena_grow(p->arena, (void **)&core->rows, core->row_count, &core->row_capacity, sizeof *core->rows)) {
        if (p->status == RHEI_OK)
            p->status = error_no_memory(p->error);
        return core;
    }
    core->rows[core->row_count++] = row;
    return core;
}

struct sql_select *sql_select_new(struct sql_parser *p, struct sql_core *core)
{
    struct sql_select *select = make(p, sizeof *select);
    if (!select || !core)
        return NULL;
    select->offset = core->offset;
    select->cores = select->last_core = core;
    return select;
}

struct sql_select *sql_select_add(struct sql_parser *p, struct sql_select *select, uint8_t compound,
                                  struct sql_select *next)
{
    if (!select || !next)
        return NULL;
    if (select->order || select->limit)
        sql_fail(p, RHEI_SQL, select->offset, "%s clause should come after the last SELECT of a compound, not before",
                 select->order ? "ORDER BY" : "LIMIT");
    next->cores->compound = compound;
    select->last_core->next = next->cores;
    select->last_core = next->last_core;
    select->order = next->order;
    select->limit = next->limit;
    select->limit_offset = next->limit_offset;
    return select;
}

struct sql_select *sql_select_with(struct sql_parser *p, struct sql_select *select, struct sql_with *with)
{
    (void)p;
    if (select)
        select->with = with;
    return select;
}

struct sql_with *sql_with_add(struct sql_parser *p, struct sql_with *with, struct sql_token name,
                              struct sql_names *columns, uint8_t materialized, struct sql_select *select)
{
    struct sql_cte *cte = make(p, sizeof *cte);
    if (!with)
        with = make(p, sizeof *with);
    if (!cte || !with)
        return NULL;
    *cte =
        (struct sql_cte){.name = sql_name(p, name), .columns = columns, .materialized = materialized, .select = select};
    if (with->last)
        with->last->next = cte;
    else
        with->ctes = cte;
    with->last = cte;
    return with;
}

/* ---- Changes ---- */

struct sql_change *sql_change_new(struct sql_parser *p, struct sql_with *with, uint8_t conflict,
                                  struct sql_source target)
{
    struct sql_change *change = make(p, sizeof *change);
    if (!change)
        return NULL;
    change->with = with;
    change->conflict = conflict;
    change->target = target;
    return change;
}

struct sql_set *sql_set_add(struct sql_parser *p, struct sql_set *sets, struct sql_names *columns, bool bracketed,
                            struct sql_expr *expr)
{
    struct sql_set *set = make(p, sizeof *set);
    if (!set)
        return sets;
    *set = (struct sql_set){columns, bracketed, expr, NULL};
    if (!sets)
        return set;
    struct sql_set *last = sets;
    while (last->next)
        last = last->next;
    last->next = set;
    return sets;
}
