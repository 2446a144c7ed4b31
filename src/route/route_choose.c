/* SPDX-License-Identifier: Apache-2.0 */
/* First step: what the text's structure, the tables' health and SQLite's own plan say about where it belongs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "rhei/rhei.h"
#include "route/route_internal.h"

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
    statement->rule_is_simple = rule == NULL;
    statement->direct = sql_direct_shape(statement->tree);
    structure_set(statement, ROUTE_TO_OLAP, rule == NULL ? "scan" : rule);
}

/* Under the statement's lock. A plan of another schema than the statement's says nothing about it. */
static void learn_cost(struct route *route, struct route_statement *statement)
{
    if (statement->cost_known)
        return;
    rhei_status status = oltp_explain(route->config.oltp, statement->text, statement->len, &statement->cost, NULL);
    if (status == RHEI_OK && statement->cost.schema_version == statement->schema_version) {
        statement->cost_known = true;
        return;
    }
    base_free(statement->cost.text);
    statement->cost = (struct oltp_plan){.scans = 1, .estimated_rows = -1};
}

bool route_oltp_plan_has(struct route *route, struct route_statement *statement, bool (*test)(const char *text))
{
    base_mutex_lock(&statement->lock);
    learn_cost(route, statement);
    bool has = statement->cost.text != NULL && test(statement->cost.text);
    base_mutex_unlock(&statement->lock);
    return has;
}

double route_cost(struct route *route, struct route_statement *statement, bool *scans)
{
    if (statement->model != NULL)
        return route_cost(route, statement->model, scans);
    base_mutex_lock(&statement->lock);
    learn_cost(route, statement);
    double rows = statement->cost.estimated_rows;
    *scans = statement->cost.scans > 0 || statement->cost.automatic_indexes > 0;
    base_mutex_unlock(&statement->lock);
    return rows;
}

/* `reason` is static. */
static void choice_set(struct route_choice *choice, enum route_target target, const char *rule, const char *reason)
{
    choice->target = target;
    choice->rule = rule;
    choice->reason = reason;
}

void route_choice_reason(struct route_choice *choice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(choice->text, sizeof choice->text, format, arguments);
    va_end(arguments);
    choice->reason = choice->text;
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

/* Rows of every table that the statement reads, as the mirror counts them now; -1 if one isn't mirrored (named). */
static double mirrored_rows(struct route *route, const struct route_statement *statement,
                            const struct oltp_catalog *catalog, struct route_choice *choice)
{
    double rows = 0;
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(route->config.mirror, &snapshot) != RHEI_OK) {
        choice_set(choice, ROUTE_TO_OLTP, "no-memory", "no memory for a snapshot of the column store");
        return -1;
    }
    for (uint32_t i = 0; i < statement->facts.reference_count && rows >= 0; i++) {
        const char *name = statement->facts.references[i].table;
        const struct oltp_table *table = NULL;
        for (uint32_t t = 0; t < catalog->table_count && table == NULL; t++)
            if (base_fold_compare(catalog->tables[t].source.name, name) == 0)
                table = &catalog->tables[t];
        if (table == NULL)
            continue; /* a view: its tables are referenced as well */
        if (!table->captured) {
            choice->target = ROUTE_TO_OLTP;
            choice->rule = "not-mirrored";
            const char *why = table->source.unmirrored_reason;
            route_choice_reason(choice, "table \"%.100s\" is not mirrored%s%.100s", name, why != NULL ? ": " : "",
                                why != NULL ? why : "");
            rows = -1;
            break;
        }
        const struct mirror_table_view *view = mirror_view(&snapshot, table->source.id);
        if (view == NULL || !sync_table_ready(route->config.sync, table->source.id)) {
            choice->target = ROUTE_TO_OLTP;
            choice->rule = "not-ready";
            choice_unbuilt(choice, name);
            rows = -1;
            break;
        }
        rows += (double)mirror_view_row_count(view);
    }
    mirror_snapshot_release(&snapshot);
    return rows;
}

static const char keyed_reason[] = "SQLite finds the few rows by key or index";

/* Does the work at hand pay for an analytical engine? Fills the choice if not. */
static bool worth_it(struct route *route, struct route_statement *statement, double rows, struct route_choice *choice)
{
    if (route->config.prefer_olap)
        return true;
    if (statement->facts.reference_count == 0) {
        choice_set(choice, ROUTE_TO_OLTP, "no-tables", "there is nothing to scan");
        return false;
    }
    if (rows < ROUTE_FEW_ROWS) {
        choice_set(choice, ROUTE_TO_OLTP, "small-tables",
                   "so few rows that SQLite is done before another engine starts");
        return false;
    }
    bool scans = false;
    double visited = route_cost(route, statement, &scans);
    if (!scans && visited >= 0 && visited < ROUTE_FEW_ROWS) {
        choice_set(choice, ROUTE_TO_OLTP, "keyed-read", keyed_reason);
        atomic_store_explicit(&statement->keyed, true, memory_order_relaxed); /* as long as the schema is the same */
        return false;
    }
    if (statement->rule_is_simple && (rows < ROUTE_SCAN_ROWS || !scans)) {
        choice_set(choice, ROUTE_TO_OLTP, "simple-select", "a plain SELECT that SQLite answers well");
        return false;
    }
    return true;
}

enum route_target route_statement_target(const struct route_statement *statement, struct route_choice *choice)
{
    choice->target = statement->target;
    choice->rule = statement->rule;
    choice->reason = "";
    choice->offset = -1;
    return statement->target;
}

/* Only what was demanded of the column store is worth waiting for. */
static rhei_status take_catalog(struct route *route, int32_t hint, const struct oltp_catalog **catalog,
                                struct rhei_error *error)
{
    return hint == RHEI_ROUTE_OLAP ? oltp_catalog_take(route->config.oltp, catalog, error)
                                   : oltp_catalog_try(route->config.oltp, catalog, error);
}

static void choose_by_tables(struct route *route, struct route_statement *statement, int32_t hint,
                             struct route_choice *choice)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    const struct oltp_catalog *catalog = NULL;
    if (take_catalog(route, hint, &catalog, &why) != RHEI_OK) {
        choice_set(choice, ROUTE_TO_OLTP, "schema-unsettled", "");
        route_choice_reason(choice, "the schema was changed, and can't be caught up with now: %.150s", why.message);
        return;
    }
    if (catalog->schema_version != statement->schema_version) {
        choice_set(choice, ROUTE_TO_OLTP, "schema-changed", "the schema changed while the statement was being routed");
    } else {
        double rows = mirrored_rows(route, statement, catalog, choice);
        if (rows >= 0 && hint != RHEI_ROUTE_OLAP)
            worth_it(route, statement, rows, choice);
        if (rows >= 0 && hint == RHEI_ROUTE_OLAP)
            choice->rule = "hint-olap";
    }
    oltp_catalog_release(&catalog);
}

void route_choose(struct route *route, struct route_statement *statement, int32_t hint, struct route_choice *choice)
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
        choose_by_tables(route, statement, hint, choice);
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
