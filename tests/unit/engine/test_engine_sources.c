/* SPDX-License-Identifier: Apache-2.0 */
/* What a program is told of other sources: how far each was when an answer was read, and which tables each has. */
#include "../../support/engine_fixture.h"
#include "../../support/shown_tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rhei/rhei_doors.h"

enum { ROWS = 6000, OTHER = 4 };

struct sources {
    struct fixture fixture;
    struct list_store *stores[2];
    struct shown_list *lists[2];
};

static void put(struct list_store *store, int64_t from, int64_t to)
{
    struct list_txn *txn = list_begin(store);
    for (int64_t i = from; i < to; i++) {
        struct rhei_value row[2] = {list_integer(i), list_integer(i % 7)};
        list_put(txn, "items", row);
    }
    list_commit(txn);
}

static int setup(void **state)
{
    static struct sources sources;
    memset(&sources, 0, sizeof sources);
    fixture_init(&sources.fixture);
    fixture_open(&sources.fixture, NULL);
    for (int s = 0; s < 2; s++) {
        sources.stores[s] = list_store_new(3 + (uint64_t)s);
        list_create(sources.stores[s], "items", 2);
        put(sources.stores[s], 0, ROWS);
    }
    sources.lists[0] = shown_list_open(sources.fixture.db, sources.stores[0]);
    sources.lists[1] = shown_list_open_as(sources.fixture.db, sources.stores[1], "other", OTHER);
    must_execute(sources.fixture.db, "CREATE TABLE mine(id INTEGER PRIMARY KEY, x TEXT)");
    must_execute(sources.fixture.db, "INSERT INTO mine VALUES (1, 'a'), (2, 'b')");
    must_be_built(sources.fixture.db);
    *state = &sources;
    return 0;
}

static int teardown(void **state)
{
    struct sources *sources = *state;
    fixture_end(&sources->fixture);
    for (int s = 0; s < 2; s++) {
        shown_list_close(&sources->lists[s]);
        list_store_free(&sources->stores[s]);
    }
    return 0;
}

/* ---- Positions. --------------------------------------------------------------------------------------------------- */

/* "name=position" of each, in order, by spaces. */
static void told(rhei_rows *rows, char *text, size_t size)
{
    struct rhei_source_position **list = NULL;
    size_t count = 0, used = 0;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(rhei_rows_position_list(rows, &list, &count, &error), RHEI_OK);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s=%" PRId64, i > 0 ? " " : "", list[i]->source,
                                 list[i]->position);
    rhei_free(list);
}

/* Asked before the first row, behind it and behind the last, the answer is the same. */
static void expect_positions(rhei_db *db, const char *sql, int32_t route, const char *wanted)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    char text[200];
    if (rhei_query(db, sql, NULL, &options, &rows, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    told(rows, text, sizeof text);
    assert_string_equal(text, wanted);
    while (rhei_rows_next(rows, &error) == RHEI_ROW)
        ;
    told(rows, text, sizeof text);
    assert_string_equal(text, wanted);
    rhei_rows_close(&rows);
}

static void test_q1_an_answer_states_the_position_of_each_source(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    char one[100], both[160], none[60];
    struct rhei_result written = {.struct_size = sizeof written};
    assert_int_equal(rhei_execute(db, "INSERT INTO mine VALUES (3, 'c')", NULL, &written, NULL), RHEI_OK);
    for (int route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        put(sources->stores[0], ROWS + route, ROWS + route + 1); /* which only the wait for it brings */
        put(sources->stores[1], ROWS + route, ROWS + route + 1);
        snprintf(none, sizeof none, "main=%" PRId64, written.position);
        snprintf(one, sizeof one, "main=%" PRId64 " other=%" PRId64, written.position,
                 list_position(sources->stores[1]));
        snprintf(both, sizeof both, "main=%" PRId64 " elsewhere=%" PRId64 " other=%" PRId64, written.position,
                 list_position(sources->stores[0]), list_position(sources->stores[1]));
        expect_positions(db, "SELECT count(*) FROM mine", route, none);
        expect_positions(db, "SELECT c1, count(*) FROM other.items GROUP BY c1", route, one);
        /* SQLite doesn't tell the authorizer of a table that is read for its USING alone */
        expect_positions(db, "SELECT count(*) FROM other.items JOIN elsewhere.items USING (c0) JOIN mine ON id = c0",
                         route, both);
    }
}

static void test_a_position_is_that_of_the_rows_not_of_now(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    for (int route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        rhei_rows *rows = NULL;
        char before[200], after[200];
        assert_int_equal(rhei_query(db, "SELECT c0, c1 + 1 FROM other.items", NULL, &options, &rows, NULL), RHEI_OK);
        assert_int_equal(rhei_rows_next(rows, NULL), RHEI_ROW);
        told(rows, before, sizeof before);
        put(sources->stores[1], ROWS + 10 + route, ROWS + 11 + route);
        assert_true(must_int64(db, "SELECT count(*) FROM other.items", RHEI_ROUTE_AUTO) > ROWS);
        told(rows, after, sizeof after);
        assert_string_equal(before, after);
        int64_t count = 1;
        while (rhei_rows_next(rows, NULL) == RHEI_ROW)
            count++;
        assert_int_equal(count, ROWS + route - RHEI_ROUTE_OLTP);
        rhei_rows_close(&rows);
    }
}

static void test_streams_and_sessions_state_them_too(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    char wanted[40], found[200];
    size_t len = (size_t)snprintf(wanted, sizeof wanted, "%" PRId64, list_position(sources->stores[1]));
    for (int route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        struct ArrowArrayStream stream;
        struct ArrowSchema schema;
        assert_int_equal(
            rhei_query_arrow(db, "SELECT c1, count(*) FROM other.items GROUP BY c1", NULL, &options, &stream, NULL),
            RHEI_OK);
        assert_int_equal(stream.get_schema(&stream, &schema), 0);
        /* keys and values are there with their lengths; only the one source is named */
        int32_t pairs = 0;
        memcpy(&pairs, schema.metadata, sizeof pairs);
        assert_int_equal(pairs, 5);
        const char *at = schema.metadata + sizeof pairs;
        bool is = false;
        for (int32_t p = 0; p < pairs; p++) {
            int32_t key = 0, value = 0;
            memcpy(&key, at, sizeof key);
            memcpy(&value, at + sizeof key + key, sizeof value);
            const char *name = at + sizeof key, *text = name + key + sizeof value;
            is = is || (key == 19 && memcmp(name, "rhei.position.other", 19) == 0 && (size_t)value == len &&
                        memcmp(text, wanted, len) == 0);
            at = text + value;
        }
        assert_true(is);
        schema.release(&schema);
        stream.release(&stream);
    }
    rhei_session *session = NULL;
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM other.items", NULL, NULL, &rows, NULL), RHEI_OK);
    assert_int_equal(rhei_rows_next(rows, NULL), RHEI_ROW);
    told(rows, found, sizeof found);
    const char *space = strchr(found, ' ');
    assert_non_null(space);
    assert_int_equal(strncmp(space, " other=", 7), 0);
    assert_string_equal(space + 7, wanted);
    rhei_rows_close(&rows);
    assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, NULL), RHEI_OK);
    rhei_session_close(&session);
}

/* What a write read of other sources, and how far they were then: with rows or without, alone and in a transaction. */
static void test_q1_a_write_states_the_positions_it_read(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    static const char *const writes[] = {
        "INSERT INTO mine SELECT 100 + c0, 'far' FROM other.items WHERE c0 < 3 RETURNING id",
        "UPDATE mine SET x = (SELECT count(*) FROM other.items)",
        "DELETE FROM mine WHERE id IN (SELECT o.c0 FROM elsewhere.items e JOIN other.items o USING (c0))",
        "CREATE TABLE copied AS SELECT * FROM other.items",
        "DROP TABLE copied",
        "INSERT INTO mine VALUES (999, 'own')"};
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    for (int in_session = 0; in_session < 2; in_session++) {
        if (in_session)
            assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, NULL), RHEI_OK);
        for (int i = 0; i < 6; i++) {
            char text[200], wanted[120] = "";
            rhei_rows *rows = NULL;
            struct rhei_error error = RHEI_ERROR_INIT;
            if (!in_session)
                put(sources->stores[1], 3 * ROWS + i, 3 * ROWS + i + 1); /* which the write waits for */
            rhei_status status = in_session ? rhei_session_query(session, writes[i], NULL, NULL, &rows, &error)
                                            : rhei_query(db, writes[i], NULL, NULL, &rows, &error);
            if (status != RHEI_OK)
                fail_msg("%s: %s", writes[i], error.message);
            while (rhei_rows_next(rows, &error) == RHEI_ROW)
                ;
            assert_int_equal(error.code, RHEI_OK);
            told(rows, text, sizeof text);
            rhei_rows_close(&rows);
            if (i == 2)
                snprintf(wanted, sizeof wanted, " elsewhere=%" PRId64 " other=%" PRId64,
                         list_position(sources->stores[0]), list_position(sources->stores[1]));
            else if (i < 4)
                snprintf(wanted, sizeof wanted, " other=%" PRId64, list_position(sources->stores[1]));
            const char *space = strchr(text, ' ');
            assert_string_equal(space == NULL ? "" : space, wanted);
        }
        if (in_session)
            assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, NULL), RHEI_OK);
        else
            assert_int_equal(rhei_execute(db, "DELETE FROM mine WHERE id > 50", NULL, NULL, NULL), RHEI_OK);
    }
    rhei_session_close(&session);
}

/* COMMIT states the position that includes all of its transaction, however it is called; one that logged nothing states none. */
static void test_q1_a_commit_states_its_position(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    static const char *const ways[][3] = {{"BEGIN", "COMMIT", "INSERT INTO mine VALUES (201, 'x'), (202, 'y')"},
                                          {"SAVEPOINT s", "RELEASE s", "UPDATE mine SET x = 'z' WHERE id > 200"},
                                          {"BEGIN IMMEDIATE", "END", "DELETE FROM mine WHERE id > 200"},
                                          {"BEGIN", "COMMIT", "SELECT count(*) FROM mine"},
                                          {"BEGIN", "ROLLBACK", "DELETE FROM mine"}};
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    for (int i = 0; i < 5; i++) {
        struct rhei_result within = {.struct_size = sizeof within}, after = {.struct_size = sizeof after};
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_session_execute(session, ways[i][0], NULL, NULL, &error), RHEI_OK);
        assert_int_equal(rhei_session_execute(session, ways[i][2], NULL, &within, &error), RHEI_OK);
        if (i % 2 == 0) {
            assert_int_equal(rhei_session_execute(session, ways[i][1], NULL, &after, &error), RHEI_OK);
        } else {
            assert_int_equal(rhei_session_query(session, ways[i][1], NULL, NULL, &rows, &error), RHEI_OK);
            rhei_rows_result(rows, &after);
            rhei_rows_close(&rows);
        }
        assert_int_equal(rhei_session_in_transaction(session), false);
        struct rhei_sync_status status = {.struct_size = sizeof status};
        assert_int_equal(rhei_sync_status(db, &status, &error), RHEI_OK);
        assert_int_equal(after.position, i < 3 ? within.position : 0);
        assert_true(i >= 3 || (after.position > 0 && after.position == status.log_position));
    }
    rhei_session_close(&session);
}

static void test_d5_positions_of_nothing(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    struct rhei_source_position **list = NULL;
    size_t count = 0;
    char text[100];
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_rows_position_list(NULL, &list, &count, NULL), RHEI_INVALID);
    assert_int_equal(rhei_query(db, "  ; -- nothing", NULL, NULL, &rows, NULL), RHEI_OK);
    assert_int_equal(rhei_rows_position_list(rows, NULL, &count, NULL), RHEI_INVALID);
    assert_int_equal(rhei_rows_position_list(rows, &list, NULL, NULL), RHEI_INVALID);
    told(rows, text, sizeof text);
    assert_string_equal(text, "main=0");
    rhei_rows_close(&rows);
}

/* ---- Tables. ------------------------------------------------------------------------------------------------------ */

static struct rhei_catalog *read_catalog(rhei_db *db, const char *like)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_catalog *catalog = NULL;
    if (rhei_catalog_read(db, like, NULL, &catalog, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return catalog;
}

static void test_the_catalog_has_the_tables_of_each_source(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    must_execute(db, "CREATE VIEW seen AS SELECT x FROM mine");
    struct rhei_catalog *catalog = read_catalog(db, NULL);
    assert_int_equal(catalog->table_count, 4);
    const struct rhei_catalog_table *mine = catalog->tables[0], *view = catalog->tables[1];
    assert_string_equal(mine->name, "mine");
    assert_string_equal(mine->schema, "main");
    assert_true(mine->mirrored && mine->unmirrored_reason == NULL && !mine->shadowed);
    assert_false(view->mirrored);
    assert_null(view->unmirrored_reason);
    for (uint32_t t = 2; t < 4; t++) {
        const struct rhei_catalog_table *far = catalog->tables[t];
        assert_string_equal(far->schema, t == 2 ? "elsewhere" : "other");
        assert_string_equal(far->name, "items");
        assert_string_equal(far->sql, "");
        assert_int_equal(far->kind, RHEI_KIND_SOURCE);
        assert_true(far->mirrored && !far->shadowed && far->broken == NULL);
        assert_int_equal(far->column_count, 2);
        assert_string_equal(far->columns[0]->name, "c0");
        assert_int_equal(far->columns[0]->key_position, 1);
        assert_int_equal(far->columns[1]->key_position, 0);
        assert_string_equal(far->columns[1]->collation, "BINARY");
    }
    rhei_catalog_free(&catalog);
    catalog = read_catalog(db, "ITEM_");
    assert_int_equal(catalog->table_count, 2);
    rhei_catalog_free(&catalog);
}

static void test_it_says_which_names_are_the_file_s(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    static const char *const locals[] = {"CREATE TABLE items(a)", "DROP TABLE items", "CREATE VIEW Items AS SELECT 1"};
    for (size_t i = 0; i < 3; i++) {
        must_execute(db, locals[i]);
        struct rhei_catalog *catalog = read_catalog(db, "items");
        assert_int_equal(catalog->table_count, i == 1 ? 2 : 3);
        for (uint32_t t = 0; t < catalog->table_count; t++)
            assert_int_equal(catalog->tables[t]->shadowed, i != 1 && strcmp(catalog->tables[t]->schema, "main") != 0);
        rhei_catalog_free(&catalog);
    }
}

static void test_it_says_what_isn_t_mirrored_and_why(void **state)
{
    struct sources *sources = *state;
    rhei_db *db = sources->fixture.db;
    assert_int_equal(rhei_unregister_table(db, "mine", NULL), RHEI_OK);
    struct rhei_catalog *catalog = read_catalog(db, "mine");
    assert_int_equal(catalog->table_count, 1);
    assert_false(catalog->tables[0]->mirrored);
    assert_non_null(catalog->tables[0]->unmirrored_reason);
    rhei_catalog_free(&catalog);
}

/* What the engine keeps of a table's past is a source, too. */
static void test_history_is_a_source_of_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct rhei_config config = {.struct_size = sizeof config, .sync_mode = RHEI_SYNC_TEMPORAL};
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    must_execute(fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
    must_execute(fixture.db, "INSERT INTO t VALUES (1, 'a')");
    must_be_built(fixture.db);
    struct rhei_catalog *catalog = read_catalog(fixture.db, NULL);
    uint32_t kept = 0;
    for (uint32_t t = 0; t < catalog->table_count; t++)
        kept += strcmp(catalog->tables[t]->schema, "history") == 0 && catalog->tables[t]->kind == RHEI_KIND_SOURCE;
    assert_true(kept > 0);
    assert_string_equal(catalog->tables[0]->schema, "main");
    rhei_catalog_free(&catalog);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q1_an_answer_states_the_position_of_each_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_position_is_that_of_the_rows_not_of_now, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_and_sessions_state_them_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_q1_a_write_states_the_positions_it_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_q1_a_commit_states_its_position, setup, teardown),
        cmocka_unit_test_setup_teardown(test_d5_positions_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_catalog_has_the_tables_of_each_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_says_which_names_are_the_file_s, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_says_what_isn_t_mirrored_and_why, setup, teardown),
        cmocka_unit_test(test_history_is_a_source_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
