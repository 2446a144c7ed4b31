/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which state of another source's tables a statement reads that runs on the writer: one as new as its call, and the same one for all
 * statements of a script or transaction and all rows of a batch, also while the source goes on.
 */
#include "../../support/shown_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_thread.h"

enum { ROWS = 500, ROUNDS = 25, MOST_ROWS = 200 };

static void add_rows(struct shown *shown, int64_t count)
{
    struct list_txn *txn = list_begin(shown->store);
    int64_t at = atomic_load(&shown->rows);
    for (int64_t i = at; i < at + count; i++) {
        struct rhei_value row[3] = {list_integer(i), list_integer(1), list_text("row")};
        list_put(txn, "items", row);
    }
    list_commit(txn);
    atomic_store(&shown->rows, at + count);
}

static int setup(void **state)
{
    static struct shown shown;
    shown_begin(&shown);
    add_rows(&shown, ROWS);
    shown.list = shown_list_open(shown.fixture.db, shown.store);
    must_execute(shown.fixture.db, "CREATE TABLE seen(n INTEGER, of TEXT)");
    *state = &shown;
    return 0;
}

static int64_t count_of(struct shown *shown, const char *condition)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM seen WHERE %s", condition);
    return must_int64(shown->fixture.db, sql, RHEI_ROUTE_OLTP);
}

static void must_script(struct shown *shown, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_script(shown->fixture.db, sql, NULL, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
}

/* ---- As new as the call. ------------------------------------------------------------------------------------------ */

static void test_q1_scripts_and_batches_see_what_was_committed(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct rhei_error error = RHEI_ERROR_INIT;
    add_rows(shown, 10);
    must_script(shown, "CREATE TABLE other(a); INSERT INTO other VALUES (1);"
                       "INSERT INTO seen SELECT count(*), 'script' FROM items; INSERT INTO other VALUES (2)");
    assert_int_equal(must_int64(db, "SELECT n FROM seen", RHEI_ROUTE_OLTP), ROWS + 10);
    assert_int_equal(must_int64(db, "SELECT count(*) FROM other", RHEI_ROUTE_OLTP), 2); /* each ran once */
    add_rows(shown, 10);
    struct rhei_value keys[3] = {list_integer(ROWS + 15), list_integer(ROWS + 19), list_integer(ROWS + 20)};
    struct rhei_result result = {.struct_size = sizeof result};
    assert_int_equal(rhei_execute_batch(db, "INSERT INTO seen SELECT c0, 'batch' FROM items WHERE c0 = ?", keys, 1, 3,
                                        &result, &error),
                     RHEI_OK);
    assert_int_equal(result.changes, 2);
    /* through a view and a trigger, neither of which names the table in the text that reads it */
    must_execute(db, "CREATE TEMP VIEW many AS SELECT count(*) AS n FROM items");
    must_execute(db, "CREATE TEMP TRIGGER counts AFTER INSERT ON main.other BEGIN "
                     "INSERT INTO seen SELECT count(*), 'trigger' FROM elsewhere.items; END");
    add_rows(shown, 10);
    must_script(shown, "INSERT INTO seen SELECT n, 'view' FROM many");
    assert_int_equal(count_of(shown, "of = 'view' AND n = 530"), 1);
    add_rows(shown, 10);
    must_execute(db, "INSERT INTO other VALUES (3)");
    assert_int_equal(count_of(shown, "of = 'trigger' AND n = 540"), 1);
}

/* A cached statement means another table from one call to the next: that of the source, when the local one of its name goes. */
static void test_q1_a_name_that_comes_to_mean_a_far_table(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    static const char count[] = "SELECT count(*) FROM items",
                      both[] = "SELECT 0 WHERE 0 UNION ALL SELECT c0 FROM items",
                      copy[] = "INSERT INTO seen SELECT count(*), 'copy' FROM items";
    for (int i = 0; i < 3; i++) {
        int64_t rows = ROWS + 10 * i;
        must_execute(db, "CREATE TABLE items(c0)");
        assert_int_equal(must_int64(db, count, RHEI_ROUTE_OLTP), 0);
        must_execute(db, "INSERT INTO items VALUES (-7)");
        assert_int_equal(must_int64(db, both, RHEI_ROUTE_OLTP), -7);
        must_execute(db, copy);
        must_execute(db, "DROP TABLE items");
        add_rows(shown, 10);
        assert_int_equal(must_int64(db, i % 2 ? count : "SELECT max(c0) + 1 FROM items", RHEI_ROUTE_OLTP), rows + 10);
        must_execute(db, copy);
        assert_int_equal(count_of(shown, "n > 1 AND of = 'copy'"), i + 1);
        assert_int_equal(must_int64(db, "SELECT max(n) FROM seen", RHEI_ROUTE_OLTP), rows + 10);
        shown_list_fail(shown->list, RHEI_STALE);
        must_fail(db, both, RHEI_STALE);
        must_fail(db, copy, RHEI_STALE);
        must_execute(db, "CREATE TABLE items(c0)"); /* and back */
        assert_int_equal(must_int64(db, count, RHEI_ROUTE_OLTP), 0);
        must_execute(db, copy);
        must_execute(db, "DROP TABLE items");
        shown_list_fail(shown->list, RHEI_OK);
    }
}

static void test_q1_a_session_sees_what_was_committed(void **state)
{
    struct shown *shown = *state;
    rhei_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(rhei_session_open(shown->fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "CREATE TABLE mine(n)", NULL, NULL, &error), RHEI_OK);
    add_rows(shown, 5); /* after BEGIN: nothing was read there yet. Nobody else knows the table that is written */
    assert_int_equal(rhei_session_execute(session, "INSERT INTO mine SELECT count(*) FROM items", NULL, NULL, &error),
                     RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    assert_int_equal(must_int64(shown->fixture.db, "SELECT n FROM mine", RHEI_ROUTE_OLTP), ROWS + 5);
}

static void test_a_source_that_is_away_fails_those_who_read_it(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value key = list_integer(1);
    shown_list_fail(shown->list, RHEI_STALE);
    must_script(shown, "INSERT INTO seen VALUES (1, 'items'); SELECT * FROM seen; UPDATE seen SET of = 'from items'");
    assert_int_equal(
        rhei_execute_script(db, "DELETE FROM seen; INSERT INTO seen SELECT c0, c2 FROM items", NULL, &error),
        RHEI_STALE);
    assert_non_null(strstr(error.message, "elsewhere"));
    assert_int_equal(count_of(shown, "1"), 1); /* nothing of it stayed */
    assert_int_equal(
        rhei_execute_batch(db, "INSERT INTO seen SELECT c0, c2 FROM items WHERE c0 = ?", &key, 1, 1, NULL, &error),
        RHEI_STALE);
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO seen VALUES (2, 'kept')", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO seen SELECT c0, c2 FROM items", NULL, NULL, &error),
                     RHEI_STALE);
    rhei_rows *rows = NULL;
    struct rhei_query_options old = {.struct_size = sizeof old, .freshness = {.mode = RHEI_FRESHNESS_EVENTUAL}};
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM items", NULL, NULL, &rows, &error), RHEI_STALE);
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM items", NULL, &old, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    assert_int_equal(count_of(shown, "of = 'kept'"), 1);
}

static void open_second(struct shown *shown, struct list_store **store, struct shown_list **list)
{
    *store = list_store_new(5);
    list_create(*store, "parts", 2);
    struct list_txn *txn = list_begin(*store);
    for (int64_t i = 0; i < 7; i++) {
        struct rhei_value row[2] = {list_integer(i), list_text("part")};
        list_put(txn, "parts", row);
    }
    list_commit(txn);
    *list = shown_list_open_as(shown->fixture.db, *store, "other", 3);
}

static void close_second(struct shown *shown, struct list_store **store, struct shown_list **list)
{
    rhei_close(&shown->fixture.db);
    shown_list_close(list);
    list_store_free(store);
}

/* On either route, as a read, a write, a batch and a script. */
static void test_a_source_that_is_away_fails_nobody_who_reads_another(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct list_store *store = NULL;
    struct shown_list *other = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value key = list_integer(1);
    open_second(shown, &store, &other);
    shown_list_fail(shown->list, RHEI_STALE);
    uint64_t reads = shown_list_reads(shown->list);
    for (int route = RHEI_ROUTE_AUTO; route <= RHEI_ROUTE_OLAP; route++)
        assert_int_equal(must_int64(db, "SELECT count(*) FROM other.parts", route), 7);
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_oltp_query(db, "SELECT max(c0) FROM parts", NULL, &rows, &error), RHEI_OK);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    assert_int_equal(rhei_rows_int64(rows, 0), 6);
    rhei_rows_close(&rows);
    must_execute(db, "INSERT INTO seen SELECT count(*), 'write' FROM parts");
    must_execute(db, "INSERT INTO seen SELECT count(*), 'write' FROM parts"); /* cached, too */
    must_script(shown, "INSERT INTO seen SELECT c0, 'script' FROM parts WHERE c0 = 3; DELETE FROM seen WHERE n = 3");
    assert_int_equal(
        rhei_execute_batch(db, "INSERT INTO seen SELECT c0, 'batch' FROM parts WHERE c0 = ?", &key, 1, 1, NULL, &error),
        RHEI_OK);
    assert_int_equal(count_of(shown, "1"), 3);
    assert_int_equal(shown_list_reads(shown->list), reads); /* nobody asked for it */
    must_fail(db, "SELECT count(*) FROM parts, items", RHEI_STALE);
    must_fail(db, "INSERT INTO seen SELECT count(*), 'both' FROM parts, items", RHEI_STALE);
    assert_int_equal(rhei_execute_script(db,
                                         "DELETE FROM seen; INSERT INTO seen SELECT c0, 'a' FROM parts;"
                                         "INSERT INTO seen SELECT c0, 'b' FROM items",
                                         NULL, &error),
                     RHEI_STALE);
    assert_int_equal(count_of(shown, "1"), 3);
    shown_list_fail(shown->list, RHEI_OK);
    /* what a later statement of the script reads is as new as what the first one did */
    add_rows(shown, 4);
    must_script(shown, "DELETE FROM seen; INSERT INTO seen SELECT count(*), 'a' FROM parts;"
                       "INSERT INTO seen SELECT count(*), 'b' FROM items");
    assert_int_equal(count_of(shown, "n = 7 AND of = 'a' OR n = 504 AND of = 'b'"), 2);
    close_second(shown, &store, &other);
}

/* A transaction reads one state: who could not be had when it was pinned fails those who read it, and nobody else. */
static void test_a1_a_transaction_without_a_source_that_is_away(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct list_store *store = NULL;
    struct shown_list *other = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    rhei_rows *rows = NULL;
    open_second(shown, &store, &other);
    shown_list_fail(shown->list, RHEI_STALE);
    assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_execute(session, "INSERT INTO seen SELECT count(*), 'a' FROM parts", NULL, NULL, &error), RHEI_OK);
    shown_list_fail(shown->list, RHEI_OK); /* it is back, but what is pinned may lack what it committed */
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM items", NULL, NULL, &rows, &error), RHEI_STALE);
    assert_non_null(strstr(error.message, "begin it anew"));
    struct rhei_query_options old = {.struct_size = sizeof old, .freshness = {.mode = RHEI_FRESHNESS_EVENTUAL}};
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM items", NULL, &old, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_execute(session, "INSERT INTO seen SELECT count(*), 'a' FROM parts", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_execute(session, "INSERT INTO seen SELECT count(*), 'b' FROM items", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    assert_int_equal(count_of(shown, "n = 7 OR n = 500"), 3);
    close_second(shown, &store, &other);
}

static int64_t ask_session(rhei_session *session, const char *sql)
{
    rhei_rows *rows = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_session_query(session, sql, NULL, NULL, &rows, &error) != RHEI_OK ||
        rhei_rows_next(rows, &error) != RHEI_ROW)
        fail_msg("%s: %s", sql, error.message);
    int64_t value = rhei_rows_int64(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

/* A source that is known to be away isn't asked for a transaction's statements that may never read it; once it is back, it is. */
static void test_a1_a_transaction_doesn_t_wait_for_who_is_away(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct list_store *store = NULL;
    struct shown_list *other = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    rhei_rows *rows = NULL;
    open_second(shown, &store, &other);
    assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
    for (int away = 1; away >= 0; away--) {
        list_fail_always(shown->store, LIST_BEGIN, away ? RHEI_BUSY : RHEI_OK);
        add_rows(shown, 1);
        shown_list_await_away(shown->list, away != 0);
        uint64_t reads = shown_list_reads(shown->list), others = shown_list_reads(other);
        assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
        assert_int_equal(ask_session(session, "SELECT count(*) > 0 FROM parts"), 1);
        assert_true(shown_list_reads(other) > others);
        assert_int_equal(shown_list_reads(shown->list) > reads, away == 0);
        rhei_status status = rhei_session_query(session, "SELECT count(*) FROM items", NULL, NULL, &rows, &error);
        assert_int_equal(status, away ? RHEI_STALE : RHEI_OK);
        rhei_rows_close(&rows);
        assert_int_equal(shown_list_reads(shown->list) > reads, away == 0); /* nor where it would be in vain */
        assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, &error), RHEI_OK);
    }
    rhei_session_close(&session);
    close_second(shown, &store, &other);
}

/* Who ends a write ends its transaction, also where it waits for another source; a read doesn't. */
static void test_q7_a_wait_that_is_cancelled_ends_the_write(void **state)
{
    struct shown *shown = *state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    assert_int_equal(rhei_session_open(shown->fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO seen VALUES (1, 'gone')", NULL, NULL, &error), RHEI_OK);
    shown_list_cancel(shown->list, cancel);
    struct rhei_call_options options = {.struct_size = sizeof options, .cancel = cancel};
    assert_int_equal(
        rhei_session_execute_with(session, "INSERT INTO seen SELECT c0, c2 FROM items", NULL, &options, NULL, &error),
        RHEI_CANCELLED);
    assert_false(rhei_session_in_transaction(session));
    rhei_session_close(&session);
    rhei_cancel_destroy(&cancel);
    assert_int_equal(count_of(shown, "1"), 0);
}

/* ---- One for all. ------------------------------------------------------------------------------------------------- */

static void test_a1_a_transaction_reads_one_state(void **state)
{
    struct shown *shown = *state;
    rhei_db *db = shown->fixture.db;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    static const char count[] = "SELECT count(*) FROM items";
    assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(ask_session(session, count), ROWS);
    add_rows(shown, 7);
    list_create(shown->store, "late", 2);
    shown_list_settle(shown->list);
    assert_int_equal(must_int64(db, count, RHEI_ROUTE_OLTP), ROWS + 7); /* others see it, and have had it published */
    assert_int_equal(must_int64(db, "SELECT count(*) FROM late", RHEI_ROUTE_OLTP), 0);
    assert_int_equal(ask_session(session, count), ROWS);
    assert_int_equal(ask_session(session, "SELECT count(*) FROM elsewhere.items"), ROWS);
    assert_int_equal(rhei_session_execute(session, "SAVEPOINT s", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_execute(session, "INSERT INTO seen SELECT count(*), 'a' FROM items", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "ROLLBACK TO s", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute_script(session,
                                                 "INSERT INTO seen SELECT count(*), 'b' FROM items;"
                                                 "INSERT INTO seen SELECT max(c0) + 1, 'b' FROM items",
                                                 NULL, NULL, &error),
                     RHEI_OK);
    shown_list_fail(shown->list, RHEI_STALE);
    assert_int_equal(ask_session(session, count), ROWS); /* what it has needs no source */
    shown_list_fail(shown->list, RHEI_OK);
    list_drop(shown->store, "items");
    must_fail(db, count, RHEI_SQL);
    assert_int_equal(ask_session(session, count), ROWS); /* of a table that is gone, too */
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(count_of(shown, "n = 500 AND of = 'b'"), 2);
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_session_query(session, count, NULL, NULL, &rows, &error), RHEI_SQL);
    static const char late[] = "SELECT count(*) FROM late";
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(ask_session(session, late), 0);
    assert_int_equal(rhei_session_execute(session, "SAVEPOINT s", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "CREATE TABLE late AS SELECT 1 AS one", NULL, NULL, &error),
                     RHEI_OK);
    assert_int_equal(ask_session(session, late), 1); /* a local table wins, at once */
    assert_int_equal(rhei_session_execute(session, "ROLLBACK TO s", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(ask_session(session, late), 0);
    assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(ask_session(session, "SELECT count(*) FROM late"), 0);
    rhei_session_close(&session);
}

struct changer {
    struct shown *shown;
    atomic_bool stop;
    atomic_int cycles;
};

/* The source goes on, and whoever asks has it published. */
static void change(void *context)
{
    struct changer *changer = context;
    do {
        if (atomic_load(&changer->shown->rows) < ROWS + MOST_ROWS * ROUNDS)
            add_rows(changer->shown, 1);
        (void)must_int64(changer->shown->fixture.db, "SELECT count(*) FROM items", RHEI_ROUTE_OLTP);
        atomic_fetch_add(&changer->cycles, 1);
    } while (!atomic_load(&changer->stop));
}

static void round_of_script(struct shown *shown)
{
    must_script(shown,
                "DELETE FROM seen; INSERT INTO seen SELECT count(*), 'a' FROM items;"
                "INSERT INTO seen SELECT sum(c1), 'b' FROM items; INSERT INTO seen SELECT max(c0) + 1, 'c' FROM items");
}

static void round_of_batch(struct shown *shown)
{
    struct rhei_value keys[100];
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int i = 0; i < 100; i++)
        keys[i] = list_integer(i);
    must_execute(shown->fixture.db, "DELETE FROM seen");
    if (rhei_execute_batch(shown->fixture.db,
                           "INSERT INTO seen SELECT (SELECT count(*) FROM items), c2 FROM items WHERE c0 = ?", keys, 1,
                           100, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void round_of_session(struct shown *shown)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(shown->fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "DELETE FROM seen", NULL, NULL, &error), RHEI_OK);
    int64_t rows = ask_session(session, "SELECT count(*) FROM items");
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            rhei_session_execute(session, "INSERT INTO seen SELECT count(*), 'x' FROM items", NULL, NULL, &error),
            RHEI_OK);
    assert_int_equal(ask_session(session, "SELECT min(n) FROM seen"), rows);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
}

static void test_a1_scripts_batches_and_transactions_read_one_state_while_cycles_run(void **state)
{
    static void (*const rounds[])(struct shown *) = {round_of_script, round_of_batch, round_of_session};
    struct shown *shown = *state;
    struct changer changer = {.shown = shown};
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "changer", change, &changer, NULL), RHEI_OK);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t committed = atomic_load(&shown->rows);
        rounds[i % 3](shown);
        assert_int_equal(must_int64(shown->fixture.db, "SELECT max(n) - min(n) FROM seen", RHEI_ROUTE_OLTP), 0);
        assert_true(must_int64(shown->fixture.db, "SELECT max(n) FROM seen", RHEI_ROUTE_OLTP) >= committed);
    }
    atomic_store(&changer.stop, true);
    base_thread_join(&thread);
    assert_true(atomic_load(&changer.cycles) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q1_scripts_and_batches_see_what_was_committed, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q1_a_name_that_comes_to_mean_a_far_table, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q1_a_session_sees_what_was_committed, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a_source_that_is_away_fails_those_who_read_it, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a_source_that_is_away_fails_nobody_who_reads_another, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a1_a_transaction_doesn_t_wait_for_who_is_away, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a1_a_transaction_without_a_source_that_is_away, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_q7_a_wait_that_is_cancelled_ends_the_write, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a1_a_transaction_reads_one_state, setup, shown_end),
        cmocka_unit_test_setup_teardown(test_a1_scripts_batches_and_transactions_read_one_state_while_cycles_run, setup,
                                        shown_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
