/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that SQLite refuses: the column store's own dialect, or an error that says whose words it might be. */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "route/route_internal.h"
#include "sql/sql_parameters.h"

/* Words behind what SQLite said; its code, state and place stay. */
static void add_words(struct rhei_error *refusal, const char *format, const char *a, const char *b)
{
    size_t used = strlen(refusal->message);
    if (used + 1 < sizeof refusal->message)
        snprintf(refusal->message + used, sizeof refusal->message - used, format, a, b);
}

static rhei_status check(struct route *route, const char *text, const struct executor_stop *stop,
                         struct rhei_error *why)
{
    struct mirror_snapshot snapshot;
    rhei_status status = mirror_snapshot_take(route->config.mirror, &snapshot);
    if (status != RHEI_OK)
        return error_set(why, status, "no memory for a snapshot of the column store");
    struct executor *executor = route->config.executor;
    struct executor_query query = {.sql = text, .snapshot = &snapshot, .native = true};
    if (stop != NULL)
        query.stop = *stop;
    status = executor->ops->check(executor, &query, why);
    mirror_snapshot_release(&snapshot);
    return status;
}

/* What SQLite's grammar can read is no other's dialect, so another parser's word on it tells nobody anything. */
static bool tells_nothing(const char *text, size_t len, const struct rhei_error *why)
{
    struct sql_tree *tree = NULL;
    bool parsed = strstr(why->message, "syntax error") != NULL && sql_parse(text, len, &tree, NULL) == RHEI_OK;
    sql_tree_free(&tree);
    return parsed;
}

static bool names_unknown_function(const struct rhei_error *refusal)
{
    return strncmp(refusal->message, "no such function: ", 18) == 0;
}

static const char hint[] = "; if it is the column store's, ask with the route olap";

bool route_is_native(struct route *route, struct route_statement *statement, bool demanded,
                     const struct executor_stop *stop, struct rhei_error *refusal)
{
    const char *text = statement->text;
    size_t len = statement->len;
    const char *construct = sql_olap_construct(text, len);
    bool kept = route->config.executor != NULL && route->config.mirror != NULL;
    struct rhei_error why = RHEI_ERROR_INIT;
    if (construct != NULL && !kept)
        add_words(refusal, "; %s belongs to the column store, which this handle doesn't keep%s", construct, "");
    else if (construct != NULL && route->config.no_olap_syntax)
        add_words(refusal, "; %s belongs to the column store's own dialect, which the setting olap_syntax turned off%s",
                  construct, "");
    if (!kept || route->config.no_olap_syntax)
        return false;
    if (construct == NULL && !demanded) {
        if (names_unknown_function(refusal))
            add_words(refusal, "%s%s", hint, "");
        return false;
    }
    if (construct != NULL && demanded)
        return false; /* asked before, as it is for every route */
    char *hinted = strstr(refusal->message, hint);
    if (hinted != NULL)
        *hinted = '\0';
    if (construct == NULL && sql_ends_in_comma(text, len)) { /* the column store would read over it */
        add_words(refusal, "; %s%s", "a list ends in a comma", "");
        return false;
    }
    rhei_status status = sql_parameters_count_native(text, len, &statement->facts.parameter_count, &why);
    if (status != RHEI_OK) {
        *refusal = why;
        return false;
    }
    status = check(route, text, stop, &why);
    if (status == RHEI_OK)
        return true;
    if (status == RHEI_CANCELLED || status == RHEI_TIMEOUT) {
        *refusal = why;
        return false;
    }
    if (construct == NULL && tells_nothing(text, len, &why))
        return false;
    add_words(refusal, "; the column store%s says: %.400s", construct != NULL ? ", whose dialect it may be," : "",
              why.message);
    return false;
}
