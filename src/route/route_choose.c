/* SPDX-License-Identifier: Apache-2.0 */
/* First step: what the text's structure, the tables' health and SQLite's own plan say about where it belongs. */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "rhei/rhei.h"
#include "route/route_cost.h"

/* The contract's list, the most telling construct first. */
static const char *analytical_rule(const struct sql_facts *facts)
{
    if (facts->window)
        return "window";
    if (facts->cte)
        return "cte";
    if (facts->set_operation)
        return "set-operation";
    if (facts->subquery)
        return "subquery";
    if (facts->join)
        return "join";
    if (facts->group_by)
        return "group-by";
    if (facts->having)
        return "having";
    if (facts->aggregate)
        return "aggregate";
    if (facts->distinct)
        return "distinct";
    return NULL;
}

static void structure_set(struct route_statement *statement, enum route_target target, const char *rule)
{
    statement->target = target;
    statement->rule = rule;
}

static bool reads_system_table(const struct oltp_facts *facts)
{
    for (uint32_t i = 0; i < facts->reference_count; i++)
        if (strncmp(facts->references[i].table, "sqlite_", 7) == 0 ||
            strncmp(facts->references[i].table, "_rhei_", 6) == 0)
            return true;
    return false;
}

void route_structure(struct route_statement *statement)
{
    const struct oltp_facts *facts = &statement->facts;
    if (statement->native) {
        structure_set(statement, ROUTE_TO_OLAP, "olap-only-syntax");
        return;
    }
    switch (facts->kind) {
    case OLTP_EMPTY:
        structure_set(statement, ROUTE_TO_OLTP, "empty");
        return;
    case OLTP_WRITE:
        structure_set(statement, ROUTE_TO_WRITER, facts->is_ddl ? "ddl" : "write");
        return;
    case OLTP_TRANSACTION:
        structure_set(statement, ROUTE_TO_SESSION, "transaction");
        return;
    case OLTP_OTHER:
        structure_set(statement, facts->read_only ? ROUTE_TO_OLTP : ROUTE_TO_WRITER, "pragma");
        return;
    case OLTP_SELECT:
        break;
    }
    if (statement->tree == NULL) {
        structure_set(statement, ROUTE_TO_OLTP, "not-parsed");
        return;
    }
    if (reads_system_table(facts)) {
        structure_set(statement, ROUTE_TO_OLTP, "system-table");
        return;
    }
    const char *rule = analytical_rule(sql_tree_facts(statement->tree));
    statement->direct = translate_direct_shape(statement->tree);
    structure_set(statement, ROUTE_TO_OLAP, rule == NULL ? "scan" : rule);
}

/* ---- The tables. ------------------------------------------------------------------------------------------------- */

static bool in_word(char byte)
{
    return byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* Is the name somewhere in the text, as a word of its own? */
static bool text_names(const struct route_statement *statement, const char *column)
{
    const char *text = statement->text;
    size_t len = strlen(column);
    for (size_t at = 0; at + len <= statement->len; at++)
        if (base_fold_equal(text + at, len, column, len) && (at == 0 || !in_word(text[at - 1])) &&
            (at + len == statement->len || !in_word(text[at + len])))
            return true;
    return false;
}

/* SQLite resolves EXISTS (SELECT * ...) to all columns, and no engine reads them: only what the text names counts then. */
static bool counts_names_alone(const struct route_statement *statement)
{
    struct route_bounds bounds;
    if (statement->tree == NULL || statement->tree->select == NULL || !route_bounds_collect(statement, &bounds))
        return false;
    bool alone = bounds.stars > 0 && bounds.stars == bounds.exists_stars;
    route_bounds_reset(&bounds);
    return alone;
}

static bool is_table_of(const struct capture_table *table, const struct oltp_reference *reference)
{
    const char *schema = table->schema == NULL ? "main" : table->schema;
    return base_fold_compare(table->source.name, reference->table) == 0 &&
           (reference->schema[0] == '\0' || base_fold_compare(schema, reference->schema) == 0);
}

/* Under the statement's lock; the catalog is of its schema version. Views are passed over: their tables are named too. */
static bool learn_tables(struct route_statement *statement, const struct capture_catalog *catalog)
{
    const struct oltp_facts *facts = &statement->facts;
    if (statement->tables_known)
        return true;
    statement->tables = base_alloc_zero((size_t)facts->reference_count + 1, sizeof *statement->tables);
    if (statement->tables == NULL)
        return false;
    uint32_t count = 0;
    bool names_alone = counts_names_alone(statement);
    for (uint32_t i = 0; i < facts->reference_count; i++) {
        const struct oltp_reference *reference = &facts->references[i];
        uint32_t at = 0, number = 0;
        while (at < count && !is_table_of(&catalog->tables[statement->tables[at].number], reference))
            at++;
        while (at == count && number < catalog->table_count && !is_table_of(&catalog->tables[number], reference))
            number++;
        if (at == count && number == catalog->table_count)
            continue;
        if (at == count)
            statement->tables[count++] =
                (struct route_table){.number = number, .id = catalog->tables[number].source.id};
        statement->tables[at].columns +=
            reference->column[0] != '\0' && (!names_alone || text_names(statement, reference->column));
    }
    statement->table_count = count;
    statement->tables_known = true;
    return true;
}

/* The tables and SQLite's plan over them, learnt once; NULL: there is no plan, or no memory. */
static const struct route_work *learn_work(struct route *route, struct route_statement *statement,
                                           const struct capture_catalog *catalog)
{
    base_mutex_lock(&statement->lock);
    route_learn_plan(route, statement);
    if (statement->work == NULL && statement->plan_known)
        statement->work = route_work_new(statement, statement->oltp_plan.text, catalog);
    const struct route_work *work = statement->work;
    base_mutex_unlock(&statement->lock);
    return work;
}

/* `reason` is static. */
static void choice_set(struct route_choice *choice, enum route_target target, const char *rule, const char *reason)
{
    choice->target = target;
    choice->rule = rule;
    choice->reason = reason;
}

/* Said of every read until the mirror is built, so not by printf: that took a tenth of a keyed read. */
static void choice_unbuilt(struct route_choice *choice, const char *name)
{
    static const char before[] = "the mirror of table \"", after[] = "\" isn't built";
    size_t len = strnlen(name, 100);
    char *at = choice->text;
    memcpy(at, before, sizeof before - 1);
    at += sizeof before - 1;
    memcpy(at, name, len);
    memcpy(at + len, after, sizeof after);
    choice->reason = choice->text;
}

/* What a statement reads, as the mirror has it now. */
struct reading {
    struct route_statement *owner; /* of tables and plan */
    const struct route_state *state;
    const struct mirror_table_view **views; /* of the owner's tables */
    const struct mirror_table_view *few[16];
    double rows;
};

static void reading_end(struct reading *reading)
{
    if (reading->views != reading->few)
        base_free(reading->views);
}

static bool table_is_ready(struct reading *reading, uint32_t at, struct route_choice *choice)
{
    const struct capture_table *table = &reading->state->catalog->tables[reading->owner->tables[at].number];
    const char *name = table->source.name;
    if (!table->captured) {
        const char *why = table->source.unmirrored_reason;
        choice_set(choice, ROUTE_TO_OLTP, "not-mirrored", "");
        route_choice_reason(choice, "table \"%.100s\" is not mirrored%s%.100s", name, why != NULL ? ": " : "",
                            why != NULL ? why : "");
        return false;
    }
    reading->views[at] = mirror_view(&reading->state->snapshot, table->source.id);
    if (reading->views[at] == NULL) {
        choice_set(choice, ROUTE_TO_OLTP, "not-ready", "");
        choice_unbuilt(choice, name);
        return false;
    }
    reading->rows += (double)mirror_view_row_count(reading->views[at]);
    return true;
}

/* False: a table can't be read there, and the choice says why; nothing is to be ended then. */
static bool reading_begin(struct route_statement *statement, const struct route_state *state, struct reading *reading,
                          struct route_choice *choice)
{
    reading->state = state;
    reading->owner = route_plans_owner(statement);
    reading->rows = 0;
    base_mutex_lock(&reading->owner->lock);
    bool known = learn_tables(reading->owner, state->catalog);
    base_mutex_unlock(&reading->owner->lock);
    uint32_t count = reading->owner->table_count;
    bool many = count > sizeof reading->few / sizeof reading->few[0];
    reading->views = !known ? NULL : many ? base_alloc(count * sizeof(void *)) : reading->few;
    if (reading->views == NULL) {
        choice_set(choice, ROUTE_TO_OLTP, "no-memory", "no memory to look at the statement's tables");
        return false;
    }
    for (uint32_t t = 0; t < count; t++) {
        if (!table_is_ready(reading, t, choice)) {
            reading_end(reading);
            return false;
        }
    }
    return true;
}

/* ---- What it costs. ---------------------------------------------------------------------------------------------- */

static const char keyed_reason[] = "SQLite finds the few rows by key or index";

struct question {
    struct route *route;
    struct route_statement *statement;
    const struct rhei_value *params;
    uint32_t param_count;
};

/* False: SQLite has no plan for it. */
static bool estimate(const struct question *question, struct reading *reading, bool *keyed,
                     struct route_estimate *estimate)
{
    const struct route_work *work = learn_work(question->route, reading->owner, reading->state->catalog);
    if (work == NULL)
        return false;
    struct route_situation situation = {
        .route = question->route,
        .statement = reading->owner,
        .literals = question->statement->normal.literals,
        .literal_count = question->statement->normal.literal_count,
        .params = question->params,
        .param_count = question->param_count,
        .views = reading->views,
    };
    *keyed = work->keyed;
    route_estimate_make(&situation, work, estimate);
    return true;
}

/* Does the work at hand pay for an analytical engine? Fills the choice if not. */
static void weigh(const struct question *question, struct reading *reading, struct route_choice *choice)
{
    struct route_estimate costs;
    bool keyed = false;
    if (question->route->config.prefer_olap)
        return;
    /* SQLite counts such a table row by row; the mirror, which alone has it, knows */
    if (question->statement->facts.reads_elsewhere && question->statement->direct)
        return;
    if (reading->owner->table_count == 0) {
        choice_set(choice, ROUTE_TO_OLTP, "no-tables", "there is nothing to scan");
    } else if (reading->rows < ROUTE_FEW_ROWS) {
        choice_set(choice, ROUTE_TO_OLTP, "small-tables",
                   "so few rows that SQLite is done before another engine starts");
    } else if (estimate(question, reading, &keyed, &costs) && costs.oltp_ns <= costs.olap_ns) {
        if (keyed) /* as long as the schema is the same */
            atomic_store_explicit(&question->statement->keyed, true, memory_order_relaxed);
        if (costs.first_rows)
            choice_set(choice, ROUTE_TO_OLTP, "first-rows", "SQLite finds the first rows in order and stops there");
        else if (!costs.scans)
            choice_set(choice, ROUTE_TO_OLTP, "keyed-read", keyed_reason);
        else
            choice_set(choice, ROUTE_TO_OLTP, "cheap-scan", "SQLite is expected to be done sooner");
    }
}

enum route_target route_statement_target(const struct route_statement *statement, struct route_choice *choice)
{
    choice->target = statement->target;
    choice->rule = statement->rule;
    choice->reason = "";
    choice->offset = -1;
    return statement->target;
}

/*
 * Single rows by key come from SQLite whatever the mirror will be: settled here too, so that the question isn't asked again of each of
 * them until it is built.
 */
static void settle_unbuilt(const struct question *question, const struct route_state *state)
{
    struct route_statement *owner = route_plans_owner(question->statement);
    if (!owner->tables_known || question->statement->facts.reads_elsewhere)
        return;
    const struct route_work *work = learn_work(question->route, owner, state->catalog);
    if (work != NULL && work->keyed)
        atomic_store_explicit(&question->statement->keyed, true, memory_order_relaxed);
}

static void choose_by_tables(const struct question *question, int32_t hint, struct route_state *state,
                             struct route_choice *choice)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct reading reading;
    /* only what was demanded of the column store is worth waiting for */
    if (route_state_take(question->route, hint == RHEI_ROUTE_OLAP, state, &why) != RHEI_OK) {
        choice_set(choice, ROUTE_TO_OLTP, "schema-unsettled", "");
        route_choice_reason(choice, "the schema was changed, and can't be caught up with now: %.150s", why.message);
    } else if (!route_state_serves(state, question->statement)) {
        choice_set(choice, ROUTE_TO_OLTP, "schema-changed", "the schema changed while the statement was being routed");
    } else if (reading_begin(question->statement, state, &reading, choice)) {
        if (hint == RHEI_ROUTE_OLAP)
            choice->rule = "hint-olap";
        else
            weigh(question, &reading, choice);
        reading_end(&reading);
    } else if (hint == RHEI_ROUTE_AUTO) {
        settle_unbuilt(question, state);
    }
}

bool route_statement_costs(struct route *route, struct route_statement *statement, const struct rhei_value *params,
                           uint32_t param_count, const struct route_state *state, struct route_costs *costs)
{
    struct question question = {route, statement, params, param_count};
    struct route_choice choice;
    struct reading reading;
    struct route_estimate made;
    bool known = false, keyed;
    if (statement->native || statement->target != ROUTE_TO_OLAP || !route_state_serves(state, statement))
        return false;
    if (reading_begin(statement, state, &reading, &choice)) {
        known = estimate(&question, &reading, &keyed, &made);
        reading_end(&reading);
    }
    if (known)
        *costs = (struct route_costs){made.rows, made.oltp_ns, made.olap_ns};
    return known;
}

void route_choose(struct route *route, struct route_statement *statement, int32_t hint, const struct rhei_value *params,
                  uint32_t param_count, struct route_state *state, struct route_choice *choice)
{
    if (route_statement_target(statement, choice) != ROUTE_TO_OLAP)
        return;
    if (hint == RHEI_ROUTE_OLTP && !statement->native) {
        choice_set(choice, ROUTE_TO_OLTP, "hint-oltp", "the caller asked for SQLite");
    } else if (route->config.sync == NULL) {
        choice_set(choice, ROUTE_TO_OLTP, "no-column-store", "this handle keeps no column store");
    } else if (statement->native) {
        return;
    } else if (atomic_load_explicit(&statement->avoided, memory_order_acquire)) {
        choice_set(choice, ROUTE_TO_OLTP, "olap-error", "");
        route_choice_reason(choice, "%s", statement->avoided_why);
    } else if (hint == RHEI_ROUTE_AUTO && atomic_load_explicit(&statement->keyed, memory_order_relaxed)) {
        choice_set(choice, ROUTE_TO_OLTP, "keyed-read", keyed_reason);
    } else {
        const struct question question = {route, statement, params, param_count};
        choose_by_tables(&question, hint, state, choice);
    }
}

void route_statement_avoid_olap(struct route_statement *statement, const char *why)
{
    /* It may be the constants outside the text: next time they are in it. */
    struct route_statement *owner = route_plans_owner(statement);
    if (atomic_load_explicit(&owner->held, memory_order_relaxed) && !atomic_exchange(&owner->hold_off, true))
        return;
    base_mutex_lock(&statement->lock);
    if (!atomic_load_explicit(&statement->avoided, memory_order_relaxed)) {
        snprintf(statement->avoided_why, sizeof statement->avoided_why, "%.190s", why);
        atomic_store_explicit(&statement->avoided, true, memory_order_release);
    }
    base_mutex_unlock(&statement->lock);
}

const char *route_explained_text(const char *sql, size_t len, size_t *inner_len)
{
    static const char *const words[] = {"explain", "route"};
    size_t at = 0;
    for (size_t w = 0; w < 2; w++) {
        while (at < len && (sql[at] == ' ' || sql[at] == '\t' || sql[at] == '\n' || sql[at] == '\r'))
            at++;
        size_t word = strlen(words[w]);
        if (len - at <= word || !base_fold_equal(sql + at, word, words[w], word))
            return NULL;
        at += word;
        if (sql[at] != ' ' && sql[at] != '\t' && sql[at] != '\n' && sql[at] != '\r')
            return NULL;
    }
    *inner_len = len - at;
    return sql + at;
}
