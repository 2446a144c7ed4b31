/* SPDX-License-Identifier: Apache-2.0 */
/* EXPLAIN ROUTE: the decision about a statement as rows, without running it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"

enum { EXPLAIN_LINES = 12 };

struct explanation {
    struct explain_line {
        const char *name;
        char *value;
    } lines[EXPLAIN_LINES];
    uint32_t count, next;
    bool failed;
};

static void explain_add(struct explanation *explanation, const char *name, const char *value)
{
    if (explanation->count == EXPLAIN_LINES)
        return;
    char *copy = base_strdup(value);
    explanation->failed |= copy == NULL;
    explanation->lines[explanation->count++] = (struct explain_line){name, copy};
}

static void explain_release(void *context)
{
    struct explanation *explanation = context;
    for (uint32_t i = 0; i < explanation->count; i++)
        base_free(explanation->lines[i].value);
    base_free(explanation);
}

static rhei_status explain_next(void *context, struct rhei_value *row, struct rhei_error *error)
{
    struct explanation *explanation = context;
    (void)error;
    if (explanation->next == explanation->count)
        return RHEI_DONE;
    const struct explain_line *line = &explanation->lines[explanation->next++];
    row[0] = rhei_text(line->name);
    row[1] = rhei_text(line->value);
    return RHEI_ROW;
}

static const char *target_name(enum route_target target)
{
    switch (target) {
    case ROUTE_TO_OLAP:
        return "olap";
    case ROUTE_TO_WRITER:
        return "oltp (writer)";
    case ROUTE_TO_SESSION:
        return "oltp (session)";
    default:
        return "oltp";
    }
}

/* What the mirror itself would be read for, without an executor. */
static void explain_direct(const struct translate_direct *direct, struct base_buffer *scan)
{
    if (direct->kind == TRANSLATE_DIRECT_NONE)
        return;
    base_buffer_format(scan, "%s of %u column%s",
                       direct->kind == TRANSLATE_DIRECT_COLUMNS  ? "rows"
                       : direct->kind == TRANSLATE_DIRECT_GROUPS ? "groups"
                                                                 : "totals",
                       direct->output_count, direct->output_count == 1 ? "" : "s");
    uint32_t tables = 0, ranges = 0;
    for (const struct translate_direct_part *part = &direct->part; part != NULL; part = part->next) {
        tables++;
        ranges += part->range_count;
    }
    if (tables > 1)
        base_buffer_format(scan, " over %u tables", tables);
    if (ranges > 0)
        base_buffer_format(scan, ", %u range%s", ranges, ranges == 1 ? "" : "s");
}

/* What the column store would be asked, or why it isn't. */
static rhei_status explain_plan(struct rhei_db *db, struct route_statement *statement, const struct engine_ask *ask,
                                struct route_state *state, struct route_choice *choice, struct base_buffer *scan,
                                struct base_buffer *sql, struct rhei_error *error)
{
    struct translate_direct direct;
    struct route_plan *plan = NULL;
    struct executor_query query = {0};
    struct route_filled filled;
    rhei_status status = route_direct_make(db->route, statement, state, ask->params, ask->param_count, &direct, error);
    if (status == RHEI_OK)
        explain_direct(&direct, scan);
    /* Whether groups are few enough, only their rows tell: else the text is asked, if there is one. */
    struct route_choice other = {.offset = -1};
    if (status == RHEI_OK && (direct.kind == TRANSLATE_DIRECT_NONE || direct.kind == TRANSLATE_DIRECT_GROUPS))
        status = route_plan_make(db->route, statement, state, ask->params, ask->param_count, &plan, &filled, &query,
                                 direct.kind == TRANSLATE_DIRECT_NONE ? choice : &other, error);
    translate_direct_reset(&direct);
    if (plan != NULL)
        base_buffer_text(sql, query.sql);
    route_plan_release(&plan);
    return status;
}

/* What the router guesses; beyond any number that means something, it says so. */
static void explain_costs(struct rhei_db *db, struct route_statement *statement, const struct engine_ask *ask,
                          const struct route_state *state, struct explanation *explanation)
{
    struct route_costs costs;
    char text[96];
    if (!route_statement_costs(db->route, statement, ask->params, ask->param_count, state, &costs))
        return;
    if (costs.rows < 1e12)
        snprintf(text, sizeof text, "%.0f", costs.rows);
    explain_add(explanation, "rows SQLite would visit", costs.rows < 1e12 ? text : "more than can be counted");
    if (costs.oltp_ns < 1e15) {
        snprintf(text, sizeof text, "SQLite %.3f ms, column store %.3f ms", costs.oltp_ns / 1e6, costs.olap_ns / 1e6);
        explain_add(explanation, "estimated time", text);
    }
}

/* Other sources that it names, each with its own position. */
static void explain_sources(struct rhei_db *db, const struct oltp_facts *facts, const struct route_state *state,
                            struct explanation *explanation)
{
    const char *name = NULL;
    uint32_t sources = engine_shown_bits(db, facts), number = 0, at = 0;
    while ((at = engine_shown_next(db, sources, at, &name, &number)) > 0) {
        char text[160];
        snprintf(text, sizeof text, "\"%.80s\" at its position %" PRId64, name,
                 mirror_snapshot_position_of(&state->snapshot, number));
        explain_add(explanation, "source", text);
    }
}

static rhei_status explain_statement(struct rhei_db *db, struct route_statement *statement,
                                     const struct engine_ask *ask, size_t skipped, struct route_state *state,
                                     struct explanation *explanation, struct rhei_error *error)
{
    struct route_choice choice;
    struct base_buffer sql = {0}, scan = {0};
    rhei_status status = RHEI_OK;
    route_choose(db->route, statement, ask->route, ask->params, ask->param_count, state, &choice);
    /* what wasn't needed to choose is still wanted for costs and positions */
    if (db->mirror != NULL && state->snapshot.slot == NULL)
        (void)route_state_take(db->route, false, state, NULL);
    const char *rule = choice.rule;
    if (choice.target == ROUTE_TO_OLAP && !route_statement_is_native(statement))
        status = explain_plan(db, statement, ask, state, &choice, &scan, &sql, error);
    if (status != RHEI_OK)
        return status;
    explain_add(explanation, "route", target_name(choice.target));
    explain_add(explanation, "rule", choice.rule);
    if (choice.rule != rule)
        explain_add(explanation, "wanted by rule", rule);
    if (choice.reason[0] != '\0')
        explain_add(explanation, "reason", choice.reason);
    if (choice.offset >= 0) {
        char at[64];
        size_t offset = skipped + (size_t)choice.offset;
        snprintf(at, sizeof at, "byte %zu: %.40s", offset, offset < ask->len ? ask->sql + offset : "");
        explain_add(explanation, "at", at);
    }
    explain_costs(db, statement, ask, state, explanation);
    struct oltp_plan plan = {0};
    const struct oltp_facts *facts = route_statement_facts(statement);
    if (facts->kind == OLTP_SELECT && !route_statement_is_native(statement) &&
        oltp_explain(db->oltp, ask->sql + skipped, ask->len - skipped, &plan, NULL) == RHEI_OK) {
        explain_add(explanation, "SQLite's plan", plan.text != NULL ? plan.text : "");
        base_free(plan.text);
    }
    if (!route_statement_is_native(statement) && state->snapshot.slot != NULL)
        explain_sources(db, facts, state, explanation);
    if (scan.data != NULL)
        explain_add(explanation, "mirror scan", scan.data);
    if (sql.data != NULL)
        explain_add(explanation, "column store SQL", sql.data);
    base_buffer_reset(&scan);
    base_buffer_reset(&sql);
    return RHEI_OK;
}

/* The lines as a stream of two text columns. */
static rhei_status explanation_to_rows(struct rhei_db *db, struct explanation *explanation, struct rhei_rows **rows,
                                       struct rhei_error *error)
{
    static const char *const names[] = {"item", "value"};
    static const char *const types[] = {"TEXT", "TEXT"};
    static const uint8_t classes[] = {RHEI_TEXT, RHEI_NULL};
    struct arrow_row_source source = {.next = explain_next, .release = explain_release, .context = explanation};
    struct arrow_row_options options = {.columns = {.count = 2, .names = names, .known_class = classes}};
    rhei_status status = engine_rows_new(db, rows, error);
    if (status != RHEI_OK) {
        explain_release(explanation);
        return status;
    }
    status = arrow_row_stream(&source, &options, &(*rows)->stream, error);
    if (status != RHEI_OK) {
        rhei_rows_close(rows);
        return status;
    }
    (*rows)->kind = ANSWER_STREAM;
    (*rows)->column_count = 2;
    (*rows)->names = names;
    (*rows)->types = types;
    (*rows)->rule = "explain-route";
    return RHEI_OK;
}

rhei_status engine_explain_route(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                                 struct rhei_error *error)
{
    size_t inner_len = 0;
    const char *inner = route_explained_text(ask->sql, ask->len, &inner_len);
    struct explanation *explanation = base_alloc_zero(1, sizeof *explanation);
    if (explanation == NULL)
        return error_no_memory(error);
    struct route_statement *statement = NULL;
    struct executor_stop stop = {engine_limits_check, (void *)(uintptr_t)&ask->limits, NULL};
    rhei_status status = route_statement_get_while(db->route, inner, inner_len,
                                                   engine_limits_any(&ask->limits) ? &stop : NULL, &statement, error);
    struct route_state state = {0};
    if (status == RHEI_OK)
        status = explain_statement(db, statement, ask, (size_t)(inner - ask->sql), &state, explanation, error);
    route_state_release(&state);
    if (status != RHEI_OK && error != NULL && error->sql_offset >= 0 && statement == NULL)
        error->sql_offset += (int32_t)(inner - ask->sql);
    route_statement_release(&statement);
    if (status == RHEI_OK && explanation->failed)
        status = error_no_memory(error);
    if (status != RHEI_OK) {
        explain_release(explanation);
        return status;
    }
    return explanation_to_rows(db, explanation, rows, error);
}
