/* SPDX-License-Identifier: Apache-2.0 */
/* One state serves a statement: taken once, moved only to what was published since, and never with rows of another schema. */
#include "route_fixture.h"

#include <string.h>

static struct routed routed;
static const char sql[] = "SELECT a, count(*), sum(b + 1) FROM t WHERE b > 10 GROUP BY a";

static void begin(void)
{
    routed_open(&routed, NULL, 0);
    routed_write(&routed, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)");
    routed_write(&routed,
                 "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 6000) INSERT INTO t "
                 "SELECT i, i % 7, i FROM k");
    routed_settle(&routed);
}

static void renew(struct route_state *state)
{
    assert_int_equal(route_state_renew(routed.route, state, NULL), RHEI_OK);
}

static void test_a_choice_leaves_what_it_was_made_on(void **state)
{
    (void)state;
    struct route_statement *statement = NULL;
    struct route_choice choice;
    struct route_costs costs;
    struct route_state taken = {0};
    begin();
    assert_int_equal(route_statement_get(routed.route, sql, sizeof sql - 1, &statement, NULL), RHEI_OK);
    route_choose(routed.route, statement, RHEI_ROUTE_OLTP, NULL, 0, &taken, &choice);
    assert_null(taken.snapshot.slot); /* nothing had to be looked at */
    route_choose(routed.route, statement, RHEI_ROUTE_AUTO, NULL, 0, &taken, &choice);
    assert_non_null(taken.snapshot.slot);
    assert_non_null(taken.catalog);
    assert_int_equal(taken.schema_version, taken.catalog->schema_version);
    assert_int_equal(taken.schema_version, capture_schema_version(routed.oltp));
    assert_true(route_statement_is(statement, sql, sizeof sql - 1, taken.schema_version));
    assert_false(route_statement_is(statement, sql, sizeof sql - 1, taken.schema_version + 1));
    assert_true(route_statement_costs(routed.route, statement, NULL, 0, &taken, &costs));
    assert_true(costs.rows >= 6000);
    route_state_release(&taken);
    assert_false(route_statement_costs(routed.route, statement, NULL, 0, &taken, &costs));
    route_statement_release(&statement);
    routed_end(&routed);
}

static void test_it_moves_only_to_what_was_published_since(void **state)
{
    (void)state;
    struct route_state taken = {0};
    begin();
    assert_int_equal(route_state_take(routed.route, false, &taken, NULL), RHEI_OK);
    const void *slot = taken.snapshot.slot;
    const struct mirror_version *version = taken.snapshot.version;
    renew(&taken);
    assert_ptr_equal(taken.snapshot.slot, slot);
    assert_ptr_equal(taken.snapshot.version, version);
    int64_t position = mirror_snapshot_position(&taken.snapshot);
    routed_write(&routed, "INSERT INTO t VALUES (7000, 1, 2)");
    routed_settle(&routed);
    assert_int_equal(mirror_snapshot_position(&taken.snapshot), position); /* held as it was */
    assert_false(mirror_snapshot_is_newest(&taken.snapshot));
    renew(&taken);
    assert_true(mirror_snapshot_position(&taken.snapshot) > position);
    assert_non_null(taken.catalog); /* of the same schema still */
    route_state_pause(&taken);
    assert_null(taken.snapshot.slot);
    assert_non_null(taken.catalog);
    renew(&taken);
    assert_non_null(taken.snapshot.slot);
    route_state_release(&taken);
    routed_end(&routed);
}

static void test_a_catalog_goes_when_rows_of_another_schema_are_shown(void **state)
{
    (void)state;
    struct route_statement *statement = NULL;
    struct route_choice choice = {.offset = -1};
    struct route_plan *plan = NULL;
    struct route_filled filled;
    struct executor_query query;
    struct route_state taken = {0};
    begin();
    assert_int_equal(route_statement_get(routed.route, sql, sizeof sql - 1, &statement, NULL), RHEI_OK);
    route_choose(routed.route, statement, RHEI_ROUTE_AUTO, NULL, 0, &taken, &choice);
    assert_non_null(taken.catalog);
    routed_write(&routed, "ALTER TABLE t RENAME COLUMN b TO c");
    routed_settle(&routed);
    renew(&taken);
    assert_null(taken.catalog);
    assert_int_equal(route_plan_make(routed.route, statement, &taken, NULL, 0, &plan, &filled, &query, &choice, NULL),
                     RHEI_OK);
    assert_null(plan);
    assert_string_equal(choice.rule, "schema-changed");
    route_state_release(&taken);
    route_statement_release(&statement);
    routed_end(&routed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_choice_leaves_what_it_was_made_on),
        cmocka_unit_test(test_it_moves_only_to_what_was_published_since),
        cmocka_unit_test(test_a_catalog_goes_when_rows_of_another_schema_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
