/* SPDX-License-Identifier: Apache-2.0 */
#include "answers_select.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(list)         ((uint32_t)(sizeof(list) / sizeof((list)[0])))
#define PICK(generator, list)  ((list)[random_below(&(generator)->random, COUNT_OF(list))])
#define CHANCE(generator, per) random_chance(&(generator)->random, per)

enum { MOST_RESULTS = 6 };

/* What one SELECT between compound operators has to give: columns of these flavours, named c1, c2... */
struct results {
    enum flavour flavours[MOST_RESULTS];
    uint32_t count;
};

static void put_query(struct generator *generator, const struct scope *outer, const struct results *results, int depth,
                      bool top, struct text *sql);

static struct results choose_results(struct generator *generator, uint32_t most)
{
    struct results results = {.count = 1 + random_below(&generator->random, most)};
    for (uint32_t i = 0; i < results.count; i++)
        results.flavours[i] = expression_flavour(generator);
    return results;
}

/* ---- FROM. -------------------------------------------------------------------------------------------------------- */

static void name_source(struct generator *generator, struct source *source)
{
    snprintf(source->alias, sizeof source->alias, "s%u", ++generator->next_alias);
}

static void describe_results(const struct results *results, struct source *source)
{
    source->column_count = results->count;
    for (uint32_t i = 0; i < results->count; i++) {
        snprintf(source->columns[i].name, sizeof source->columns[i].name, "c%u", i + 1);
        source->columns[i].flavour = results->flavours[i];
    }
}

static void put_values(struct generator *generator, struct source *source, struct text *sql)
{
    struct scope none = {0};
    uint32_t rows = 1 + random_below(&generator->random, 4);
    struct results results = choose_results(generator, 2);
    for (uint32_t r = 0; r < rows; r++) {
        text_put(sql, r > 0 ? ", (" : "(VALUES (");
        for (uint32_t i = 0; i < results.count; i++) {
            text_put(sql, i > 0 ? ", " : "");
            expression_make(generator, &none, results.flavours[i], 0, sql);
        }
        text_put(sql, ")");
    }
    text_put(sql, ")");
    describe_results(&results, source);
    for (uint32_t i = 0; i < results.count; i++)
        snprintf(source->columns[i].name, sizeof source->columns[i].name, "column%u", i + 1);
}

static void put_source(struct generator *generator, const struct scope *outer, struct source *source, int depth,
                       struct text *sql)
{
    if (depth > 0 && CHANCE(generator, 14)) {
        struct results results = choose_results(generator, 3);
        text_put(sql, "(");
        put_query(generator, outer, &results, depth - 1, false, sql);
        text_put(sql, ")");
        describe_results(&results, source);
    } else if (CHANCE(generator, 3)) {
        put_values(generator, source, sql);
    } else if (generator->cte_count > 0 && CHANCE(generator, 55)) {
        *source = generator->ctes[random_below(&generator->random, generator->cte_count)];
        text_put(sql, source->alias);
    } else {
        const struct schema *schema = generator->schema;
        const struct relation *relation = &schema->relations[random_below(
            &generator->random, CHANCE(generator, 85) ? schema->table_count : schema->relation_count)];
        memcpy(source->columns, relation->columns, sizeof relation->columns);
        source->column_count = relation->column_count;
        text_format(sql, "%s%s", CHANCE(generator, 4) ? "main." : "", relation->name);
    }
    name_source(generator, source);
    text_format(sql, " AS %s", source->alias);
}

/* A column of the new source that exactly one of those before has, too; NULL: none. */
static const struct column *common_column(const struct scope *scope, const struct source *source)
{
    for (uint32_t c = 0; c < source->column_count; c++) {
        uint32_t found = 0;
        for (uint32_t s = 0; s < scope->source_count; s++)
            for (uint32_t o = 0; o < scope->sources[s].column_count; o++)
                found += strcmp(scope->sources[s].columns[o].name, source->columns[c].name) == 0;
        if (found == 1)
            return &source->columns[c];
    }
    return NULL;
}

static void put_join_condition(struct generator *generator, const struct scope *scope, int depth, struct text *sql)
{
    const struct source *right = &scope->sources[scope->source_count - 1];
    const struct column *column = &right->columns[random_below(&generator->random, right->column_count)];
    for (int attempt = 0; attempt < 20 && CHANCE(generator, 92); attempt++) {
        const struct source *left = &scope->sources[random_below(&generator->random, scope->source_count - 1)];
        const struct column *other = &left->columns[random_below(&generator->random, left->column_count)];
        if (other->flavour != column->flavour)
            continue;
        text_format(sql, "%s.%s %s ", left->alias, other->name, CHANCE(generator, 90) ? "=" : "<");
        text_format(sql, "%s.%s", right->alias, column->name);
        if (CHANCE(generator, 20)) {
            text_put(sql, " AND ");
            expression_make(generator, scope, FLAVOUR_BOOLEAN, depth > 1 ? 1 : depth, sql);
        }
        return;
    }
    expression_make(generator, scope, FLAVOUR_BOOLEAN, depth, sql);
}

static void put_join(struct generator *generator, struct scope *scope, int depth, struct text *sql)
{
    static const char *const joins[] = {
        " JOIN ",       " JOIN ",      " INNER JOIN ", " LEFT JOIN ", " LEFT JOIN ", " LEFT OUTER JOIN ",
        " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN ", ", "};
    struct source next = {0};
    struct text what = {0};
    put_source(generator, scope->outer, &next, depth, &what);
    const char *join = PICK(generator, joins);
    const struct column *common = common_column(scope, &next);
    bool natural = common != NULL && CHANCE(generator, 8) && join[0] == ' ' && strstr(join, "CROSS") == NULL;
    text_format(sql, "%s%s", natural ? " NATURAL" : "", join);
    text_put(sql, what.at);
    scope->sources[scope->source_count++] = next;
    text_free(&what);
    if (natural || join[0] == ',' || (strstr(join, "CROSS") != NULL && CHANCE(generator, 70)))
        return;
    if (common != NULL && CHANCE(generator, 25)) {
        text_format(sql, " USING (%s)", common->name);
        return;
    }
    text_put(sql, " ON ");
    put_join_condition(generator, scope, depth, sql);
}

static void put_from(struct generator *generator, struct scope *scope, int depth, struct text *sql)
{
    if (CHANCE(generator, 2))
        return;
    static const uint32_t counts[] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 3};
    uint32_t count = generator->schema->large ? 1 : PICK(generator, counts);
    text_put(sql, " FROM ");
    put_source(generator, scope->outer, &scope->sources[0], depth, sql);
    scope->source_count = 1;
    while (scope->source_count < count)
        put_join(generator, scope, depth, sql);
}

/* ---- One SELECT. -------------------------------------------------------------------------------------------------- */

static void put_group(struct generator *generator, const struct scope *scope, const struct text *keys,
                      uint32_t key_count, int depth, struct text *sql)
{
    for (uint32_t i = 0; i < key_count; i++) {
        text_put(sql, i > 0 ? ", " : " GROUP BY ");
        if (keys[i].at[0] != '1' && CHANCE(generator, 15))
            text_format(sql, "%u", i + 1);
        else
            text_put(sql, keys[i].at);
    }
    if (key_count > 0 && CHANCE(generator, 25)) {
        static const char *const limits[] = {" > 1", " >= 2", " < 10", " IS NOT NULL", " <> 3"};
        text_put(sql, " HAVING ");
        expression_aggregate(generator, scope, depth, sql);
        text_put(sql, PICK(generator, limits));
    }
}

/* Terms that no result column need hold. */
static void put_order_terms(struct generator *generator, const struct scope *scope, bool grouped, int depth,
                            struct text *sql)
{
    static const char *const directions[] = {
        "", "", "", " DESC", " DESC", " NULLS LAST", " DESC NULLS FIRST", " COLLATE NOCASE"};
    uint32_t count = 1 + random_below(&generator->random, 3);
    for (uint32_t i = 0; i < count; i++) {
        text_put(sql, i > 0 ? ", " : " ORDER BY ");
        if (grouped)
            expression_aggregate(generator, scope, 0, sql);
        else
            expression_make(generator, scope, expression_flavour(generator), depth > 1 ? 1 : depth, sql);
        text_put(sql, PICK(generator, directions));
    }
    if (CHANCE(generator, 30))
        text_format(sql, " LIMIT %u", 1 + random_below(&generator->random, 12));
}

static void put_core(struct generator *generator, const struct scope *outer, const struct results *results, int depth,
                     bool named, bool orders, struct text *sql)
{
    struct scope scope = {.outer = outer};
    struct text from = {0}, keys[MOST_RESULTS] = {{0}};
    put_from(generator, &scope, depth, &from);
    bool grouped = scope.source_count > 0 && CHANCE(generator, 32);
    uint32_t key_count = grouped ? random_below(&generator->random, results->count + 1) : 0;
    text_format(sql, "SELECT %s", CHANCE(generator, 12) ? "DISTINCT " : "");
    for (uint32_t i = 0; i < results->count; i++) {
        struct text one = {0};
        if (i < key_count) {
            expression_make(generator, &scope, results->flavours[i], CHANCE(generator, 70) ? 0 : depth, &one);
            text_put(&keys[i], one.at);
        } else if (grouped && CHANCE(generator, 96)) {
            expression_aggregate(generator, &scope, depth, &one);
        } else if (scope.source_count > 0 && CHANCE(generator, 9)) {
            expression_window(generator, &scope, depth, &one);
        } else {
            expression_make(generator, &scope, results->flavours[i], CHANCE(generator, 35) ? 0 : depth, &one);
        }
        text_format(sql, "%s", i > 0 ? ", " : "");
        text_put(sql, one.at);
        if (named || CHANCE(generator, 20))
            text_format(sql, " AS c%u", i + 1);
        text_free(&one);
    }
    text_put(sql, from.length > 0 ? from.at : "");
    if (CHANCE(generator, 45)) {
        text_put(sql, " WHERE ");
        expression_make(generator, &scope, FLAVOUR_BOOLEAN, depth, sql);
    }
    if (grouped)
        put_group(generator, &scope, keys, key_count, depth, sql);
    if (orders)
        put_order_terms(generator, &scope, grouped, depth, sql);
    for (uint32_t i = 0; i < key_count; i++)
        text_free(&keys[i]);
    text_free(&from);
}

/* ---- Compounds, order, limit, WITH. ------------------------------------------------------------------------------- */

static void put_order_limit(struct generator *generator, const struct results *results, bool top, struct text *sql)
{
    static const char *const directions[] = {
        "", "", "", " DESC", " DESC", " ASC", " NULLS LAST", " DESC NULLS FIRST", " COLLATE NOCASE"};
    static const char *const limits[] = {" LIMIT 3",    " LIMIT 10", " LIMIT 1",  " LIMIT 5 OFFSET 2",
                                         " LIMIT 2, 3", " LIMIT 0",  " LIMIT -1", " LIMIT 2 + 1 OFFSET 3 - 2"};
    bool ordered = CHANCE(generator, top ? 55 : 20);
    for (uint32_t i = 0; ordered && i < results->count; i++) {
        if (i > 0 && CHANCE(generator, 15))
            break;
        uint32_t which = (i == 0 && CHANCE(generator, 30) ? random_below(&generator->random, results->count) : i) + 1;
        text_format(sql, "%s%s%u", i > 0 ? ", " : " ORDER BY ", CHANCE(generator, 50) ? "c" : "", which);
        text_put(sql, PICK(generator, directions));
    }
    if (CHANCE(generator, ordered ? 35 : generator->calm ? 2 : 6))
        text_put(sql, PICK(generator, limits));
}

static void put_query(struct generator *generator, const struct scope *outer, const struct results *results, int depth,
                      bool top, struct text *sql)
{
    static const char *const operators[] = {" UNION ALL ", " UNION ", " INTERSECT ", " EXCEPT "};
    bool orders = CHANCE(generator, top ? 18 : 6);
    put_core(generator, outer, results, depth, true, orders, sql);
    if (orders)
        return;
    while (CHANCE(generator, 9)) {
        text_put(sql, PICK(generator, operators));
        put_core(generator, outer, results, depth, CHANCE(generator, 50), false, sql);
    }
    put_order_limit(generator, results, top, sql);
}

void select_scalar(struct generator *generator, const struct scope *outer, enum flavour flavour, struct text *sql)
{
    struct results results = {{flavour}, 1};
    if (CHANCE(generator, 45)) {
        struct scope scope = {.outer = outer};
        struct text from = {0};
        text_put(&from, " FROM ");
        put_source(generator, outer, &scope.sources[0], 0, &from);
        scope.source_count = 1;
        text_put(sql, "SELECT ");
        expression_aggregate(generator, &scope, 0, sql);
        text_put(sql, from.at);
        if (CHANCE(generator, 60)) {
            text_put(sql, " WHERE ");
            expression_make(generator, &scope, FLAVOUR_BOOLEAN, 1, sql);
        }
        text_free(&from);
        return;
    }
    put_core(generator, outer, &results, 1, true, false, sql);
    if (CHANCE(generator, 30))
        text_put(sql, " ORDER BY 1 LIMIT 1");
}

static void put_recursive(struct generator *generator, struct source *cte, struct text *sql)
{
    const struct schema *schema = generator->schema;
    const struct relation *table = &schema->relations[random_below(&generator->random, schema->table_count)];
    const struct column *column = &table->columns[random_below(&generator->random, table->column_count)];
    text_format(sql, "%s(c1, c2) AS (SELECT 1, %s FROM %s UNION%s SELECT c1 + 1, c2 FROM %s WHERE c1 < %u)", cte->alias,
                column->name, table->name, CHANCE(generator, 50) ? " ALL" : "", cte->alias,
                2 + random_below(&generator->random, 4));
    struct results results = {{FLAVOUR_INTEGER, column->flavour}, 2};
    describe_results(&results, cte);
}

static void put_with(struct generator *generator, struct text *sql)
{
    uint32_t count = 1 + random_below(&generator->random, 2);
    struct source ctes[2] = {{{0}, {{{0}, 0}}, 0}};
    text_put(sql, "WITH ");
    for (uint32_t i = 0; i < count; i++) {
        snprintf(ctes[i].alias, sizeof ctes[i].alias, "w%u", i + 1);
        text_put(sql, i > 0 ? ", " : "");
        if (CHANCE(generator, 12)) {
            put_recursive(generator, &ctes[i], sql);
        } else {
            struct results results = choose_results(generator, 3);
            text_format(sql, "%s AS %s(", ctes[i].alias, CHANCE(generator, 10) ? "MATERIALIZED " : "");
            put_query(generator, NULL, &results, 1, false, sql);
            text_put(sql, ")");
            describe_results(&results, &ctes[i]);
        }
        generator->ctes[generator->cte_count++] = ctes[i];
    }
    text_put(sql, " ");
}

void select_make(struct generator *generator, struct text *sql)
{
    generator->parameter_count = generator->next_alias = generator->cte_count = 0;
    generator->budget = 14;
    generator->calm = CHANCE(generator, 75);
    int depth = CHANCE(generator, 40) ? 1 : 1 + (int)random_below(&generator->random, generator->calm ? 2 : 3);
    if (CHANCE(generator, 12))
        put_with(generator, sql);
    struct results results = choose_results(generator, 4);
    put_query(generator, NULL, &results, depth, true, sql);
}
