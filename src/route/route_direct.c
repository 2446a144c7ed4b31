/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that a scan of the mirror answers without an executor: recognised on one snapshot, for these parameters. */
#include "base/base_error.h"
#include "route/route_internal.h"

bool route_statement_repeats(struct route_statement *statement)
{
    static const char *const changing[] = {"random", "randomblob", "changes", "total_changes", "last_insert_rowid"};
    if (statement->native || statement->facts.kind != OLTP_SELECT || route_statement_tree(statement, NULL) != RHEI_OK)
        return false;
    const struct sql_facts *facts = sql_tree_facts(statement->tree);
    for (uint32_t f = 0; f < facts->function_count; f++)
        for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++)
            if (base_fold_compare(facts->functions[f].name, changing[i]) == 0)
                return false;
    return true;
}

rhei_status route_direct_make(struct route *route, struct route_statement *statement, const struct route_state *state,
                              const struct rhei_value *params, uint32_t param_count, struct translate_direct *direct,
                              struct rhei_error *error)
{
    struct route_catalog catalog;
    *direct = (struct translate_direct){.kind = TRANSLATE_DIRECT_NONE};
    if (statement->native || !route_plans_owner(statement)->direct || !route_state_serves(state, statement))
        return RHEI_OK;
    rhei_status status = route_statement_tree(statement, error);
    if (status != RHEI_OK)
        return status;
    route_catalog_open(route, state, &catalog);
    status = translate_direct_make(statement->tree, &catalog.catalog, params, param_count, direct, error);
    if (status == RHEI_OK && catalog.failed)
        status = error_no_memory(error);
    route_catalog_close(&catalog);
    /* As many columns as SQLite said, or the two don't speak of the same table. */
    if (status != RHEI_OK || direct->output_count != statement->facts.column_count)
        translate_direct_reset(direct);
    return status;
}
