/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A9: whatever changes a table's form or moves its rows, by whichever call, every change before it is a version. The handle syncs by hand, so
 * that nothing but the wait before such a statement can have made them.
 */
#include "../../support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

struct place {
    struct fixture fixture;
    char mirror[160];
};

static void open_place(struct place *place)
{
    struct rhei_config config = {.struct_size = sizeof config};
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    config.manual_sync = true;
    config.olap_path = place->mirror[0] == '\0' ? NULL : place->mirror;
    fixture_open(&place->fixture, &config);
}

static void begin(struct place *place, bool disk)
{
    *place = (struct place){0};
    fixture_init(&place->fixture);
    if (disk)
        snprintf(place->mirror, sizeof place->mirror, "%s/mirror", place->fixture.folder);
    open_place(place);
    must_execute(place->fixture.db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w)");
    must_execute(place->fixture.db, "CREATE INDEX i ON t(v)");
    must_execute(place->fixture.db,
                 "CREATE TABLE u(a INTEGER PRIMARY KEY)"); /* t with a trigger is logged by key alone */
    must_execute(place->fixture.db, "CREATE TRIGGER r AFTER DELETE ON u BEGIN DELETE FROM t; END");
    must_be_built(place->fixture.db);
    must_execute(place->fixture.db, "INSERT INTO t VALUES (1, 1, 0), (2, 1, 0)");
    must_execute(place->fixture.db, "UPDATE t SET v = 5");
    must_execute(place->fixture.db, "UPDATE t SET v = 6 WHERE id = 1");
}

/* ---- The calls. -------------------------------------------------------------------------------------------------- */

static rhei_status drain(struct rhei_rows *rows)
{
    rhei_status status;
    do
        status = rhei_rows_next(rows, NULL);
    while (status == RHEI_ROW);
    rhei_rows_close(&rows);
    return status == RHEI_DONE ? RHEI_OK : status;
}

static rhei_status by_execute(rhei_db *db, const char *sql, struct rhei_error *error)
{
    return rhei_execute(db, sql, NULL, NULL, error);
}

static rhei_status by_script(rhei_db *db, const char *sql, struct rhei_error *error)
{
    char text[512];
    snprintf(text, sizeof text, "-- first\nSELECT 1; /* then */ %s; SELECT 2", sql);
    return rhei_execute_script(db, text, NULL, error);
}

static rhei_status by_batch(rhei_db *db, const char *sql, struct rhei_error *error)
{
    return rhei_execute_batch(db, sql, NULL, 0, 1, NULL, error);
}

static rhei_status by_query(rhei_db *db, const char *sql, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .settings = true};
    struct rhei_rows *rows = NULL;
    rhei_status status = rhei_query(db, sql, NULL, &options, &rows, error);
    return status == RHEI_OK ? drain(rows) : status;
}

static rhei_status by_arrow(rhei_db *db, const char *sql, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .settings = true};
    struct ArrowArrayStream stream = {0};
    rhei_status status = rhei_query_arrow(db, sql, NULL, &options, &stream, error);
    if (status == RHEI_OK)
        stream.release(&stream);
    return status;
}

enum statement_call { EXECUTES, QUERIES, GIVES_ARROW };

static rhei_status by_statement(rhei_db *db, rhei_session *session, const char *sql, enum statement_call call,
                                struct rhei_error *error)
{
    struct rhei_statement *statement = NULL;
    struct ArrowArrayStream stream = {0};
    struct rhei_rows *rows = NULL;
    struct rhei_query_options options = {.struct_size = sizeof options, .settings = true};
    rhei_status status = session != NULL ? rhei_session_prepare(session, sql, &statement, error)
                                         : rhei_prepare(db, sql, &statement, error);
    if (status == RHEI_OK && call == EXECUTES)
        status = rhei_statement_execute(statement, NULL, NULL, error);
    else if (status == RHEI_OK && call == QUERIES) {
        status = rhei_statement_query(statement, NULL, &options, &rows, error);
        status = status == RHEI_OK ? drain(rows) : status;
    } else if (status == RHEI_OK) {
        status = rhei_statement_query_arrow(statement, NULL, &options, &stream, error);
        if (status == RHEI_OK)
            stream.release(&stream);
    }
    rhei_statement_close(&statement);
    return status;
}

static rhei_status by_statement_execute(rhei_db *db, const char *sql, struct rhei_error *error)
{
    return by_statement(db, NULL, sql, EXECUTES, error);
}

static rhei_status by_statement_query(rhei_db *db, const char *sql, struct rhei_error *error)
{
    return by_statement(db, NULL, sql, QUERIES, error);
}

static rhei_status by_statement_arrow(rhei_db *db, const char *sql, struct rhei_error *error)
{
    return by_statement(db, NULL, sql, GIVES_ARROW, error);
}

static rhei_status in_session(rhei_db *db, const char *sql, int call, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .settings = true};
    struct ArrowArrayStream stream = {0};
    struct rhei_rows *rows = NULL;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, NULL), RHEI_OK);
    rhei_status status;
    switch (call) {
    case 0:
        status = rhei_session_execute(session, sql, NULL, NULL, error);
        break;
    case 1:
        status = rhei_session_execute_script(session, sql, NULL, NULL, error);
        break;
    case 2:
        status = rhei_session_execute_batch(session, sql, NULL, 0, 1, NULL, NULL, error);
        break;
    case 3:
        status = rhei_session_query(session, sql, NULL, &options, &rows, error);
        status = status == RHEI_OK ? drain(rows) : status;
        break;
    case 4:
        status = rhei_session_query_arrow(session, sql, NULL, &options, &stream, error);
        if (status == RHEI_OK)
            stream.release(&stream);
        break;
    default:
        status = by_statement(db, session, sql, (enum statement_call)(call - 5), error);
    }
    rhei_session_close(&session);
    return status;
}

#define IN_SESSION(n)                                                                         \
    static rhei_status by_session_##n(rhei_db *db, const char *sql, struct rhei_error *error) \
    {                                                                                         \
        return in_session(db, sql, n, error);                                                 \
    }
IN_SESSION(0)
IN_SESSION(1)
IN_SESSION(2)
IN_SESSION(3)
IN_SESSION(4)
IN_SESSION(5)
IN_SESSION(6)
IN_SESSION(7)

static const struct way {
    const char *name;
    rhei_status (*run)(rhei_db *db, const char *sql, struct rhei_error *error);
    bool script;
} ways[] = {
    {"rhei_execute", by_execute, false},
    {"rhei_execute_script", by_script, true},
    {"rhei_execute_batch", by_batch, false},
    {"rhei_query", by_query, false},
    {"rhei_query_arrow", by_arrow, false},
    {"rhei_statement_execute", by_statement_execute, false},
    {"rhei_statement_query", by_statement_query, false},
    {"rhei_statement_query_arrow", by_statement_arrow, false},
    {"rhei_session_execute", by_session_0, false},
    {"rhei_session_execute_script", by_session_1, true},
    {"rhei_session_execute_batch", by_session_2, false},
    {"rhei_session_query", by_session_3, false},
    {"rhei_session_query_arrow", by_session_4, false},
    {"a session's rhei_statement_execute", by_session_5, false},
    {"a session's rhei_statement_query", by_session_6, false},
    {"a session's rhei_statement_query_arrow", by_session_7, false},
};

/* ---- What they run. ---------------------------------------------------------------------------------------------- */

static const struct change {
    const char *sql;
    const char *history; /* what the table's history is called then */
    const char *column;  /* and the column v */
    bool alone;          /* not in a script */
} changes[] = {
    {"ALTER TABLE t ADD COLUMN n", "t", "v", false},
    {"  /* over */ -- and out\n alter table t DROP COLUMN w", "t", "v", false},
    {"ALTER TABLE t RENAME COLUMN v TO x", "t", "x", false},
    {"ALTER TABLE t RENAME TO p", "p", "v", false},
    {"DROP TABLE t", "t", "v", false},
    {"DROP INDEX i", "t", "v", false},
    {"DROP TRIGGER r", "t", "v", false},
    {"CREATE INDEX j ON t(w)", "t", "v", false},
    {"CREATE UNIQUE INDEX j ON t(v, id)", "t", "v", false},
    {"CREATE TRIGGER s AFTER UPDATE ON t BEGIN UPDATE t SET w = 1 WHERE id = new.id; END", "t", "v", false},
    {"CREATE TABLE other(a INTEGER PRIMARY KEY)", "t", "v", false},
    {"CREATE VIEW x AS SELECT * FROM t", "t", "v", false},
    {"REINDEX t", "t", "v", false},
    {"ANALYZE t", "t", "v", false},
    {"VACUUM", "t", "v", true},
};

static void must_keep_all(rhei_db *db, const struct way *way, const struct change *change)
{
    char sql[512];
    /* what became of the rows by the change itself is another version, or the end of one */
    snprintf(sql, sizeof sql, "SELECT DISTINCT id, %s FROM %s FOR SYSTEM_TIME ALL WHERE %s IS NOT NULL ORDER BY id, %s",
             change->column, change->history, change->column, change->column);
    char *got = must_rows(db, sql, NULL, RHEI_ROUTE_OLAP);
    if (strcmp(got, "i1|i1\ni1|i5\ni1|i6\ni2|i1\ni2|i5\n") != 0)
        fail_msg("%s by %s leaves of the history\n%s", change->sql, way->name, got);
    rhei_free(got);
}

static void keeps_all(bool disk)
{
    struct place place;
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++)
        for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
            struct rhei_error error = RHEI_ERROR_INIT;
            if ((changes[c].alone && ways[w].script) || (disk && (w % 3 != 0 || c % 2 != 0)))
                continue; /* a folder for some of each: the opening takes the time */
            begin(&place, disk);
            rhei_status status = ways[w].run(place.fixture.db, changes[c].sql, &error);
            if (status != RHEI_OK)
                fail_msg("%s by %s: %s", changes[c].sql, ways[w].name, error.message);
            if (disk) {
                rhei_close(&place.fixture.db);
                open_place(&place);
            }
            must_be_built(place.fixture.db);
            must_keep_all(place.fixture.db, &ways[w], &changes[c]);
            fixture_end(&place.fixture);
        }
}

static void test_a9_a_change_of_the_schema_by_any_call_keeps_every_version(void **state)
{
    (void)state;
    keeps_all(false);
}

static void test_a9_it_does_in_a_folder(void **state)
{
    (void)state;
    keeps_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a9_a_change_of_the_schema_by_any_call_keeps_every_version),
        cmocka_unit_test(test_a9_it_does_in_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
