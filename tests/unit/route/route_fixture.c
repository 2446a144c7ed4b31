/* SPDX-License-Identifier: Apache-2.0 */
#include "route_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status != RHEI_OK)
        fail_msg("%s: %s", what, error->message);
}

static void committed(void *context)
{
    struct routed *routed = context;
    if (routed->sync != NULL)
        sync_wake(routed->sync);
}

void routed_open(struct routed *routed, struct executor *executor, uint32_t busy_timeout_ms)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    memset(routed, 0, sizeof *routed);
    const char *base = getenv("TMPDIR");
    snprintf(routed->folder, sizeof routed->folder, "%s/rhei-route-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(routed->folder));
    snprintf(routed->path, sizeof routed->path, "%s/test.db", routed->folder);
    struct oltp_config oltp = {.path = routed->path,
                               .capture = true,
                               .auto_register = true,
                               .read_pool_size = 4,
                               .busy_timeout_ms = busy_timeout_ms != 0 ? busy_timeout_ms : 20000,
                               .committed = committed,
                               .committed_context = routed};
    must(capture_open(&oltp, &routed->oltp, &error), &error, "open");
    must(capture_change_source(routed->oltp, &routed->source, &error), &error, "source");
    must(mirror_open(&(struct mirror_config){0}, &routed->mirror, &error), &error, "mirror");
    struct sync_config sync = {
        .mirror = routed->mirror, .source = routed->source, .batch_rows = 1000, .build_threads = 2};
    must(sync_open(&sync, &routed->sync, &error), &error, "sync");
    struct route_config route = {
        .oltp = routed->oltp, .sync = routed->sync, .mirror = routed->mirror, .executor = executor};
    must(route_open(&route, &routed->route, &error), &error, "route");
}

void routed_end(struct routed *routed)
{
    route_close(&routed->route);
    sync_close(&routed->sync);
    mirror_close(&routed->mirror);
    oltp_close(&routed->oltp);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", routed->folder);
    assert_int_equal(system(command), 0);
}

void routed_write(struct routed *routed, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(oltp_write(routed->oltp, sql, strlen(sql), NULL, 0, 0, NULL, NULL, &error), &error, sql);
}

void routed_settle(struct routed *routed)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(sync_wait_latest(routed->sync, 0, NULL, &error), &error, "latest");
    must(sync_build(routed->sync, true, 0, NULL, &error), &error, "build");
}

const char *routed_choose(struct routed *routed, const char *sql, const struct rhei_value *params, uint32_t count,
                          int32_t hint, enum route_target *target)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct route_statement *statement = NULL;
    struct route_choice choice;
    must(route_statement_get(routed->route, sql, strlen(sql), &statement, &error), &error, sql);
    struct route_state state = {0};
    route_choose(routed->route, statement, hint, params, count, &state, &choice);
    route_state_release(&state);
    route_statement_release(&statement);
    if (target != NULL)
        *target = choice.target;
    return choice.rule;
}

struct route_costs routed_costs(struct routed *routed, const char *sql, const struct rhei_value *params, uint32_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct route_statement *statement = NULL;
    struct route_costs costs = {0};
    must(route_statement_get(routed->route, sql, strlen(sql), &statement, &error), &error, sql);
    struct route_state state = {0};
    must(route_state_take(routed->route, false, &state, &error), &error, sql);
    if (!route_statement_costs(routed->route, statement, params, count, &state, &costs))
        fail_msg("%s: has no costs", sql);
    route_state_release(&state);
    route_statement_release(&statement);
    return costs;
}
