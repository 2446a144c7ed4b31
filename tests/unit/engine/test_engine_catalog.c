/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog that doors read. */
#include "tests/support/engine_fixture.h"

#include <string.h>

#include "base/base_memory.h"
#include "base/base_thread.h"
#include "rhei/rhei_doors.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db,
                 "CREATE TABLE parent (a TEXT COLLATE NOCASE, b INT NOT NULL DEFAULT (1 + 2), PRIMARY KEY (b, a)) "
                 "STRICT, WITHOUT ROWID");
    must_execute(fixture.db, "CREATE TABLE \"ch \"\"ild\" (id INTEGER PRIMARY KEY, x TEXT UNIQUE, y INT, z REAL AS (y "
                             "* 2.0), loose, w REFERENCES parent, "
                             "FOREIGN KEY (x, y) REFERENCES parent (a, b) ON DELETE CASCADE)");
    must_execute(fixture.db, "CREATE INDEX one ON \"ch \"\"ild\" (y DESC, lower(x)) WHERE y > 0");
    must_execute(fixture.db, "CREATE VIEW v AS SELECT x, y + 1 AS sum FROM \"ch \"\"ild\"");
    must_execute(fixture.db, "CREATE TABLE gone (a)");
    must_execute(fixture.db, "CREATE VIEW broken AS SELECT a FROM gone");
    must_execute(fixture.db, "DROP TABLE gone");
    return 0;
}

static struct rhei_catalog *read_catalog(const char *like)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_catalog *catalog = NULL;
    if (rhei_catalog_read(fixture.db, like, NULL, &catalog, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return catalog;
}

static void test_tables_have_their_columns_keys_and_indexes(void **state)
{
    (void)state;
    struct rhei_catalog *catalog = read_catalog(NULL);
    assert_int_equal(catalog->table_count, 4);
    const struct rhei_catalog_table *broken = catalog->tables[0], *child = catalog->tables[1],
                                    *parent = catalog->tables[2], *view = catalog->tables[3];
    assert_string_equal(broken->name, "broken");
    assert_non_null(strstr(broken->broken, "gone"));
    assert_int_equal(broken->column_count, 0);

    assert_string_equal(child->name, "ch \"ild");
    assert_null(child->broken);
    assert_int_equal(child->kind, RHEI_KIND_TABLE);
    assert_int_equal(child->column_count, 6);
    assert_int_equal(child->columns[0]->key_position, 1);
    assert_int_equal(child->columns[0]->usual_class, RHEI_INTEGER);
    assert_true(child->columns[3]->generated);
    assert_int_equal(child->columns[3]->usual_class, RHEI_REAL);
    assert_string_equal(child->columns[4]->declared_type, "");
    assert_int_equal(child->index_count, 2);
    const struct rhei_catalog_index *one = child->indexes[0];
    assert_string_equal(one->name, "one");
    assert_true(one->partial && !one->unique && one->descending[0] && !one->descending[1]);
    assert_int_equal(one->column_count, 2);
    assert_int_equal(one->columns[0], 2);
    assert_int_equal(one->columns[1], -2);
    assert_non_null(strstr(one->sql, "WHERE y > 0"));
    assert_true(child->indexes[1]->unique);
    assert_null(child->indexes[1]->sql);
    assert_int_equal(child->foreign_key_count, 2);
    const struct rhei_catalog_foreign_key *pair =
        child->foreign_keys[child->foreign_keys[0]->column_count == 2 ? 0 : 1];
    const struct rhei_catalog_foreign_key *single =
        child->foreign_keys[child->foreign_keys[0]->column_count == 2 ? 1 : 0];
    assert_int_equal(pair->columns[0], 1);
    assert_int_equal(pair->columns[1], 2);
    assert_string_equal(pair->parent_columns[1], "b");
    assert_string_equal(pair->on_delete, "CASCADE");
    assert_int_equal(single->columns[0], 5);
    assert_null(single->parent_columns[0]);

    assert_true(parent->strict && parent->without_rowid);
    assert_string_equal(parent->columns[0]->collation, "NOCASE");
    assert_int_equal(parent->columns[0]->key_position, 2);
    assert_string_equal(parent->columns[1]->default_sql, "1 + 2");
    assert_true(parent->columns[1]->not_null);
    assert_true(parent->indexes[0]->primary_key);

    assert_int_equal(view->kind, RHEI_KIND_VIEW);
    assert_string_equal(view->columns[0]->declared_type, "TEXT");
    assert_string_equal(view->columns[1]->name, "sum");
    rhei_catalog_free(&catalog);
    assert_null(catalog);
}

static void test_a_pattern_picks_tables(void **state)
{
    (void)state;
    struct rhei_catalog *catalog = read_catalog("PAR%");
    assert_int_equal(catalog->table_count, 1);
    int64_t version = catalog->schema_version;
    rhei_catalog_free(&catalog);
    catalog = read_catalog("nothing of the kind");
    assert_int_equal(catalog->table_count, 0);
    assert_int_equal(catalog->schema_version, version);
    rhei_catalog_free(&catalog);
    must_execute(fixture.db, "CREATE TABLE later (a)");
    catalog = read_catalog("later");
    assert_true(catalog->schema_version != version);
    rhei_catalog_free(&catalog);
    must_execute(fixture.db, "DROP TABLE later");
}

static void change_schema(void *context)
{
    for (int i = 0; i < 30; i++) {
        must_execute(context, "ALTER TABLE turn ADD COLUMN b");
        must_execute(context, "CREATE INDEX turn_b ON turn (b)");
        must_execute(context, "DROP INDEX turn_b");
        must_execute(context, "ALTER TABLE turn DROP COLUMN b");
    }
}

/* One state of the schema, whatever happens to it meanwhile: the index is never there without its column. */
static void test_a_catalog_is_of_one_moment(void **state)
{
    (void)state;
    must_execute(fixture.db, "DROP VIEW broken"); /* SQLite drops no column while there is one */
    must_execute(fixture.db, "CREATE TABLE turn (a)");
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "schema", change_schema, fixture.db, NULL), RHEI_OK);
    for (int i = 0; i < 100; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_catalog *catalog = NULL;
        rhei_status status = rhei_catalog_read(fixture.db, "turn", NULL, &catalog, &error);
        if (status == RHEI_BUSY)
            continue;
        assert_int_equal(status, RHEI_OK);
        assert_int_equal(catalog->table_count, 1);
        const struct rhei_catalog_table *table = catalog->tables[0];
        if (table->index_count == 1)
            assert_int_equal(table->column_count, 2);
        rhei_catalog_free(&catalog);
    }
    base_thread_join(&thread);
    must_execute(fixture.db, "DROP TABLE turn");
}

static void test_a_catalog_without_memory_is_none(void **state)
{
    (void)state;
    rhei_status status = RHEI_NO_MEMORY;
    for (uint64_t n = 1; status != RHEI_OK && n < 2000; n++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct rhei_catalog *catalog = NULL;
        base_memory_fail_after(n);
        status = rhei_catalog_read(fixture.db, NULL, NULL, &catalog, &error);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || (status == RHEI_NO_MEMORY && catalog == NULL));
        rhei_catalog_free(&catalog);
    }
    assert_int_equal(status, RHEI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_have_their_columns_keys_and_indexes),
        cmocka_unit_test(test_a_pattern_picks_tables),
        cmocka_unit_test(test_a_catalog_is_of_one_moment),
        cmocka_unit_test(test_a_catalog_without_memory_is_none),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
