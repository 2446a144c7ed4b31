/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's table as C sees it: what no driver manager lets through, and what sanitizers look at. */
#include <adbc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "adbc/adbc_internal.h"

AdbcStatusCode AdbcDriverInit(int version, void *raw, struct AdbcError *error);

static struct AdbcDriver driver;
static struct AdbcError error;
static struct AdbcDatabase database;
static struct AdbcConnection connection;
static struct AdbcStatement statement;

static void drop_error(struct AdbcError *which)
{
    if (which->release != NULL)
        which->release(which);
}

static void must(AdbcStatusCode code)
{
    if (code != ADBC_STATUS_OK)
        fail_msg("%d: %s", code, error.message == NULL ? "" : error.message);
}

static void must_fail(AdbcStatusCode code, AdbcStatusCode expected, const char *words)
{
    assert_int_equal(code, expected);
    assert_non_null(error.message);
    if (strstr(error.message, words) == NULL)
        fail_msg("\"%s\" isn't in \"%s\"", words, error.message);
    drop_error(&error);
}

static const char *path = ":memory:";

static int set_up(void **state)
{
    (void)state;
    error = ADBC_ERROR_INIT;
    must(AdbcDriverInit(ADBC_VERSION_1_1_0, &driver, &error));
    must(driver.DatabaseNew(&database, &error));
    must(driver.DatabaseSetOption(&database, "uri", path, &error));
    must(driver.DatabaseInit(&database, &error));
    must(driver.ConnectionNew(&connection, &error));
    must(driver.ConnectionInit(&connection, &database, &error));
    must(driver.StatementNew(&connection, &statement, &error));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (statement.private_data != NULL)
        must(driver.StatementRelease(&statement, &error));
    if (connection.private_data != NULL)
        must(driver.ConnectionRelease(&connection, &error));
    if (database.private_data != NULL)
        must(driver.DatabaseRelease(&database, &error));
    must(driver.release(&driver, &error));
    drop_error(&error);
    return 0;
}

static void ask(const char *sql, struct ArrowArrayStream *out)
{
    must(driver.StatementSetSqlQuery(&statement, sql, &error));
    must(driver.StatementExecuteQuery(&statement, out, NULL, &error));
}

static void run(const char *sql)
{
    ask(sql, NULL);
}

static int64_t number(const char *sql)
{
    struct ArrowArrayStream answer;
    struct ArrowArray batch;
    ask(sql, &answer);
    assert_int_equal(answer.get_next(&answer, &batch), 0);
    int64_t value = ((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset];
    batch.release(&batch);
    answer.release(&answer);
    return value;
}

static void test_versions(void **state)
{
    (void)state;
    struct AdbcDriver table;
    memset(&table, 0x5a, sizeof table);
    must_fail(AdbcDriverInit(2000000, &table, &error), ADBC_STATUS_NOT_IMPLEMENTED, "1.0 and 1.1");
    must_fail(AdbcDriverInit(ADBC_VERSION_1_1_0, NULL, &error), ADBC_STATUS_INVALID_ARGUMENT, "table");
    must(AdbcDriverInit(ADBC_VERSION_1_0_0, &table, &error));
    /* nothing is written behind the table of 1.0 */
    const unsigned char *bytes = (const unsigned char *)&table;
    for (size_t i = ADBC_DRIVER_1_0_0_SIZE; i < sizeof table; i++)
        assert_int_equal(bytes[i], 0x5a);
    assert_ptr_equal(table.StatementExecuteQuery, driver.StatementExecuteQuery);
    must(AdbcDriverInit(ADBC_VERSION_1_1_0, &table, &error));
    void (*const *functions)(void) = (void (*const *)(void))(const void *)&table.release;
    for (size_t i = 0; (const char *)(functions + i) < (const char *)(&table + 1); i++)
        assert_true(functions[i] != NULL);
}

static void test_a_caller_of_1_0_is_written_nothing_behind_its_error(void **state)
{
    (void)state;
    struct AdbcError old;
    memset(&old, 0x5a, sizeof old);
    memset(&old, 0, ADBC_ERROR_1_0_0_SIZE);
    for (int i = 0; i < 2; i++) {
        must(driver.StatementSetSqlQuery(&statement, "SELEC", &old));
        assert_int_equal(driver.StatementExecuteQuery(&statement, NULL, NULL, &old), ADBC_STATUS_INVALID_ARGUMENT);
        assert_non_null(strstr(old.message, "syntax error"));
        assert_memory_equal(old.sqlstate, "42000", 5);
        assert_int_equal(old.vendor_code, 30);
        assert_int_equal(driver.ErrorGetDetailCount(&old), 0);
        const unsigned char *bytes = (const unsigned char *)&old;
        for (size_t b = ADBC_ERROR_1_0_0_SIZE; b < sizeof old; b++)
            assert_int_equal(bytes[b], 0x5a);
    }
    old.release(&old);
    assert_null(old.release);
}

static void test_details_of_an_error(void **state)
{
    (void)state;
    must(driver.StatementSetSqlQuery(&statement, "SELECT 1,\nFROM t", &error));
    assert_int_equal(driver.StatementPrepare(&statement, &error), ADBC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(error.vendor_code, ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA);
    assert_int_equal(driver.ErrorGetDetailCount(&error), 3);
    struct AdbcErrorDetail detail = driver.ErrorGetDetail(&error, 1);
    assert_string_equal(detail.key, "rhei.sql_offset");
    assert_int_equal(detail.value_length, 2);
    assert_memory_equal(detail.value, "10", 2);
    assert_null(driver.ErrorGetDetail(&error, 3).key);
    assert_null(driver.ErrorGetDetail(&error, -1).key);
    drop_error(&error);
    /* and no error at all is no reason to fail */
    assert_int_equal(driver.StatementPrepare(&statement, NULL), ADBC_STATUS_INVALID_ARGUMENT);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct AdbcDatabase no_database = {0};
    struct AdbcConnection no_connection = {0};
    struct AdbcStatement no_statement = {0};
    must_fail(driver.DatabaseInit(&no_database, &error), ADBC_STATUS_INVALID_STATE, "no such database");
    must_fail(driver.DatabaseRelease(&no_database, &error), ADBC_STATUS_INVALID_STATE, "no such database");
    must_fail(driver.ConnectionRelease(&no_connection, &error), ADBC_STATUS_INVALID_STATE, "no such connection");
    must_fail(driver.StatementRelease(&no_statement, &error), ADBC_STATUS_INVALID_STATE, "no such statement");
    must_fail(driver.StatementPrepare(&no_statement, &error), ADBC_STATUS_INVALID_STATE, "no such statement");
    must_fail(driver.DatabaseInit(&database, &error), ADBC_STATUS_INVALID_STATE, "already");
    must_fail(driver.ConnectionInit(&connection, &database, &error), ADBC_STATUS_INVALID_STATE, "already");
    must(driver.DatabaseNew(&no_database, &error));
    must(driver.ConnectionNew(&no_connection, &error));
    must_fail(driver.ConnectionInit(&no_connection, &no_database, &error), ADBC_STATUS_INVALID_STATE, "DatabaseInit");
    must_fail(driver.StatementNew(&no_connection, &no_statement, &error), ADBC_STATUS_INVALID_STATE, "initialised");
    must_fail(driver.ConnectionCommit(&no_connection, &error), ADBC_STATUS_INVALID_STATE, "initialised");
    must(driver.ConnectionSetOption(&no_connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", &error));
    must(driver.ConnectionRelease(&no_connection, &error));
    must(driver.DatabaseRelease(&no_database, &error));
}

static void test_getters_say_how_much_there_is(void **state)
{
    (void)state;
    char value[8] = "before";
    size_t length = sizeof value;
    must(driver.ConnectionGetOption(&connection, "rhei.route", value, &length, &error));
    assert_string_equal(value, "auto");
    assert_int_equal(length, 5);
    length = 4;
    memcpy(value, "before", 7);
    must(driver.ConnectionGetOption(&connection, "rhei.route", value, &length, &error));
    assert_int_equal(length, 5);
    assert_string_equal(value, "before");
    uint8_t bytes[8] = {0};
    length = 4;
    must(driver.ConnectionGetOptionBytes(&connection, "rhei.route", bytes, &length, &error));
    assert_int_equal(length, 4);
    assert_memory_equal(bytes, "auto", 4);
    must_fail(driver.ConnectionSetOptionBytes(&connection, "rhei.route", (const uint8_t *)"a\0b", 3, &error),
              ADBC_STATUS_INVALID_ARGUMENT, "NUL");
    must(driver.ConnectionSetOption(&connection, "rhei.route", NULL, &error)); /* as it was */
    must_fail(driver.ConnectionSetOption(&connection, NULL, "x", &error), ADBC_STATUS_INVALID_ARGUMENT, "name");
}

static void test_a_closed_connection_refuses_its_statements(void **state)
{
    (void)state;
    struct ArrowArrayStream outside, inside;
    struct ArrowArray batch, none;
    run("CREATE TABLE t (x INTEGER)");
    run("INSERT INTO t VALUES (1), (2)");
    ask("SELECT x FROM t", &outside);
    must(driver.ConnectionSetOption(&connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", &error));
    run("INSERT INTO t VALUES (3)");
    ask("SELECT x FROM t", &inside);
    must(driver.ConnectionRelease(&connection, &error));
    must_fail(driver.StatementExecuteQuery(&statement, NULL, NULL, &error), ADBC_STATUS_INVALID_STATE, "closed");
    must_fail(driver.StatementPrepare(&statement, &error), ADBC_STATUS_INVALID_STATE, "closed");
    /* what was asked outside of the transaction goes on; what read in it says why it doesn't */
    assert_int_equal(outside.get_next(&outside, &batch), 0);
    assert_int_equal(batch.length, 2);
    assert_int_not_equal(inside.get_next(&inside, &none), 0);
    AdbcStatusCode code = ADBC_STATUS_OK;
    const struct AdbcError *told = driver.ErrorFromArrayStream(&inside, &code);
    assert_non_null(told);
    assert_int_equal(code, ADBC_STATUS_INVALID_STATE);
    assert_non_null(strstr(told->message, "closed"));
    assert_non_null(strstr(inside.get_last_error(&inside), "closed"));
    must(driver.StatementRelease(&statement, &error));
    must(driver.DatabaseRelease(&database, &error));
    inside.release(&inside);
    outside.release(&outside);
    assert_int_equal(((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset], 1);
    batch.release(&batch);
}

/* How many descriptors of files below this folder the process has. */
static int open_files(const char *folder)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char link[32], target[256] = "";
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        count += readlink(link, target, sizeof target - 1) > 0 && strncmp(target, folder, strlen(folder)) == 0;
    }
    return count;
}

static void remove_database(const char *folder)
{
    char file[64];
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"moved.db", "moved.db-wal", "moved.db-shm"};
        (void)snprintf(file, sizeof file, "%s/%s", folder, names[i]);
        (void)unlink(file);
    }
    (void)rmdir(folder);
}

static void test_a_column_that_was_moved_out_keeps_the_database(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowArray batch, column;
    char folder[] = "/tmp/rhei-adbc-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/moved.db", folder);
    assert_int_equal(tear_down(state), 0);
    path = file;
    assert_int_equal(set_up(state), 0);
    path = ":memory:";
    run("CREATE TABLE t (x INTEGER, s TEXT)");
    run("INSERT INTO t VALUES (7, 'seven')");
    ask("SELECT x, s FROM t", &answer);
    assert_int_equal(answer.get_next(&answer, &batch), 0);
    column = *batch.children[1];
    batch.children[1]->release = NULL;
    batch.release(&batch);
    answer.release(&answer);
    must(driver.StatementRelease(&statement, &error));
    must(driver.ConnectionRelease(&connection, &error));
    must(driver.DatabaseRelease(&database, &error));
    const int32_t *ends = column.buffers[1];
    assert_memory_equal((const char *)column.buffers[2] + ends[column.offset], "seven", 5);
    assert_true(open_files(folder) > 0);
    column.release(&column);
    assert_int_equal(open_files(folder), 0);
    remove_database(folder);
}

static void test_an_error_of_a_stream_has_its_sqlstate(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowArray batch;
    AdbcStatusCode code = ADBC_STATUS_OK;
    ask("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) "
        "SELECT CAST(iif(x < 200000, x, abs(-9223372036854775807 - 1)) AS INTEGER), random() FROM n",
        &answer);
    int failed = 0;
    while ((failed = answer.get_next(&answer, &batch)) == 0 && batch.release != NULL) {
        assert_null(driver.ErrorFromArrayStream(&answer, &code));
        batch.release(&batch);
    }
    assert_int_not_equal(failed, 0);
    const struct AdbcError *told = driver.ErrorFromArrayStream(&answer, &code);
    assert_int_equal(code, ADBC_STATUS_INVALID_ARGUMENT);
    assert_memory_equal(told->sqlstate, "42000", 5);
    assert_int_equal(driver.ErrorGetDetailCount(told), 2);
    assert_ptr_equal(driver.ErrorFromArrayStream(&answer, NULL), told);
    answer.release(&answer);
}

/* To its end, as the driver manager does, which asks for the error there. */
static void read_to_its_end(struct ArrowArrayStream *stream)
{
    struct ArrowArray batch = {0};
    AdbcStatusCode code = 77;
    assert_null(driver.ErrorFromArrayStream(stream, &code));
    do {
        if (batch.release != NULL)
            batch.release(&batch);
        assert_int_equal(stream->get_next(stream, &batch), 0);
    } while (batch.release != NULL);
    assert_null(driver.ErrorFromArrayStream(stream, &code));
    stream->release(stream);
    assert_null(driver.ErrorFromArrayStream(stream, &code));
    assert_int_equal(code, 77);
}

static void test_streams_without_rows_and_of_metadata_have_no_error(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CREATE TABLE t (a)",          "INSERT INTO t VALUES (1)", "BEGIN", "SAVEPOINT s", "COMMIT", "SELECT a FROM t",
        "SELECT a FROM t WHERE a = 2", "DELETE FROM t RETURNING a"};
    struct ArrowArrayStream answer;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        must(driver.StatementSetSqlQuery(&statement, texts[i], &error));
        if (driver.StatementExecuteQuery(&statement, &answer, NULL, &error) == ADBC_STATUS_OK)
            read_to_its_end(&answer);
        drop_error(&error); /* of those that are refused as texts */
    }
    must(driver.ConnectionGetInfo(&connection, NULL, 0, &answer, &error));
    read_to_its_end(&answer);
    must(driver.ConnectionGetTableTypes(&connection, &answer, &error));
    read_to_its_end(&answer);
    must(
        driver.ConnectionGetObjects(&connection, ADBC_OBJECT_DEPTH_ALL, NULL, NULL, NULL, NULL, NULL, &answer, &error));
    read_to_its_end(&answer);
    must(driver.ConnectionGetStatisticNames(&connection, &answer, &error));
    read_to_its_end(&answer);
    must(driver.ConnectionGetStatistics(&connection, NULL, NULL, NULL, 1, &answer, &error));
    read_to_its_end(&answer);
    assert_null(driver.ErrorFromArrayStream(NULL, NULL));
}

static void test_an_answer_may_be_dropped_at_any_moment(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowArray batch;
    run("CREATE TABLE t (x INTEGER)");
    must(driver.ConnectionSetOption(&connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", &error));
    run("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) INSERT INTO t SELECT x FROM "
        "n");
    for (int i = 0; i < 4; i++) {
        ask("SELECT x FROM t", &answer);
        if ((i & 1) != 0) {
            assert_int_equal(answer.get_next(&answer, &batch), 0);
            batch.release(&batch);
        }
        if ((i & 2) != 0) /* the rest is kept in memory, and never asked for */
            assert_int_equal(number("SELECT count(*) FROM t"), 200000);
        answer.release(&answer);
    }
    must(driver.ConnectionRollback(&connection, &error));
}

/* ---- Threads. ---------------------------------------------------------------------------------------------------- */

static atomic_bool over;

static void *cancel_again_and_again(void *unused)
{
    (void)unused;
    while (!atomic_load(&over)) {
        (void)driver.StatementCancel(&statement, NULL);
        (void)driver.ConnectionCancel(&connection, NULL);
        char value[64];
        size_t length = sizeof value;
        (void)driver.StatementGetOption(&statement, "rhei.position", value, &length, NULL);
        (void)driver.ConnectionGetOption(&connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, value, &length, NULL);
        (void)usleep(200);
    }
    return NULL;
}

/* A connection of its own, whose transactions come between those of the others. */
static void *write_beside(void *number)
{
    struct AdbcConnection own = {0};
    struct AdbcStatement insert = {0};
    char sql[64];
    (void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%d)", *(int *)number);
    bool well = driver.ConnectionNew(&own, NULL) == ADBC_STATUS_OK &&
                driver.ConnectionInit(&own, &database, NULL) == ADBC_STATUS_OK &&
                driver.ConnectionSetOption(&own, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", NULL) == ADBC_STATUS_OK &&
                driver.StatementNew(&own, &insert, NULL) == ADBC_STATUS_OK &&
                driver.StatementSetSqlQuery(&insert, sql, NULL) == ADBC_STATUS_OK;
    for (int i = 0; well && i < 30; i++)
        well = driver.StatementExecuteQuery(&insert, NULL, NULL, NULL) == ADBC_STATUS_OK &&
               (i % 3 == 0 ? driver.ConnectionRollback(&own, NULL) : driver.ConnectionCommit(&own, NULL)) ==
                   ADBC_STATUS_OK;
    (void)driver.StatementRelease(&insert, NULL);
    (void)driver.ConnectionRelease(&own, NULL);
    return well ? number : NULL;
}

static void test_threads_cancel_look_and_write_at_once(void **state)
{
    (void)state;
    pthread_t canceller, writers[3];
    int numbers[3] = {1, 2, 3};
    run("CREATE TABLE t (x INTEGER)");
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&canceller, NULL, cancel_again_and_again, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_beside, &numbers[i]), 0);
    for (int i = 0; i < 60; i++) {
        struct ArrowArrayStream answer;
        struct ArrowArray batch;
        must(driver.StatementSetSqlQuery(&statement, "SELECT x FROM t", &error));
        AdbcStatusCode code = driver.StatementExecuteQuery(&statement, &answer, NULL, &error);
        assert_true(code == ADBC_STATUS_OK || code == ADBC_STATUS_CANCELLED);
        drop_error(&error);
        if (code != ADBC_STATUS_OK)
            continue;
        while (answer.get_next(&answer, &batch) == 0 && batch.release != NULL)
            batch.release(&batch);
        answer.release(&answer);
    }
    for (int i = 0; i < 3; i++) {
        void *well = NULL;
        assert_int_equal(pthread_join(writers[i], &well), 0);
        assert_non_null(well);
    }
    atomic_store(&over, true);
    assert_int_equal(pthread_join(canceller, NULL), 0);
    assert_int_equal(number("SELECT count(*) FROM t"), 3 * 20);
}

/* What a child does with what its parent opened; 0: all was refused, and nothing hung. */
static int of_the_child(struct ArrowArrayStream *answer, struct ArrowArray *batch)
{
    struct ArrowArray next;
    struct AdbcStatement other = {0};
    if (driver.StatementExecuteQuery(&statement, NULL, NULL, &error) != ADBC_STATUS_INVALID_STATE ||
        strstr(error.message, "fork") == NULL)
        return 1;
    if (driver.StatementNew(&connection, &other, &error) != ADBC_STATUS_INVALID_STATE ||
        driver.ConnectionCommit(&connection, &error) != ADBC_STATUS_INVALID_STATE ||
        driver.StatementSetOption(&statement, "rhei.route", "oltp", &error) != ADBC_STATUS_INVALID_STATE ||
        driver.ConnectionSetOption(&connection, "rhei.route", "oltp", &error) != ADBC_STATUS_INVALID_STATE ||
        driver.DatabaseSetOption(&database, "uri", "x", &error) != ADBC_STATUS_INVALID_STATE ||
        answer->get_next(answer, &next) == 0)
        return 2;
    answer->release(answer);
    batch->release(batch);
    if (driver.StatementRelease(&statement, &error) != ADBC_STATUS_OK ||
        driver.ConnectionRelease(&connection, &error) != ADBC_STATUS_OK ||
        driver.DatabaseRelease(&database, &error) != ADBC_STATUS_OK)
        return 3;
    return 0;
}

static void test_a_child_of_the_process_is_refused(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowArray batch;
    run("CREATE TABLE t (x INTEGER)");
    must(driver.ConnectionSetOption(&connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", &error));
    run("INSERT INTO t VALUES (1)");
    ask("SELECT x FROM t", &answer);
    assert_int_equal(answer.get_next(&answer, &batch), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(of_the_child(&answer, &batch));
    }
    int ended = -1;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    batch.release(&batch);
    answer.release(&answer);
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

static double errors(void)
{
    const struct adbc_connection *inside = connection.private_data;
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    double found = -1;
    assert_int_equal(rhei_metric_list(inside->handle->db, &metrics, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(metrics[i]->name, "rhei_errors_total") == 0)
            found = metrics[i]->value;
    rhei_free(metrics);
    return found;
}

static void refused(const char *sql)
{
    double before = errors();
    must(driver.StatementSetSqlQuery(&statement, sql, &error));
    assert_int_not_equal(driver.StatementExecuteQuery(&statement, NULL, NULL, &error), ADBC_STATUS_OK);
    drop_error(&error);
    if (errors() != before + 1)
        fail_msg("%s: %g instead of one", sql, errors() - before);
}

static void test_d4_what_is_refused_is_counted_once_with_temporary_tables_too(void **state)
{
    (void)state;
    refused("SELECT * FROM own");
    run("CREATE TEMP TABLE own (x INTEGER)");
    double before = errors();
    run("INSERT INTO own VALUES (7)");
    assert_int_equal(number("SELECT x FROM own"), 7);
    assert_true(errors() == before);
    refused("SELECT * FROM gone");
    refused("SELEC 1");
    refused("INSERT INTO gone VALUES (1)");
    must(driver.ConnectionSetOption(&connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT, "false", &error));
    run("INSERT INTO own VALUES (8)");
    before = errors();
    assert_int_equal(number("SELECT sum(x) FROM own"), 15);
    assert_true(errors() == before);
    refused("SELECT * FROM gone");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_versions),
        TEST(test_a_caller_of_1_0_is_written_nothing_behind_its_error),
        TEST(test_details_of_an_error),
        TEST(test_what_is_not_there),
        TEST(test_getters_say_how_much_there_is),
        TEST(test_a_closed_connection_refuses_its_statements),
        TEST(test_a_column_that_was_moved_out_keeps_the_database),
        TEST(test_an_error_of_a_stream_has_its_sqlstate),
        TEST(test_streams_without_rows_and_of_metadata_have_no_error),
        TEST(test_an_answer_may_be_dropped_at_any_moment),
        TEST(test_threads_cancel_look_and_write_at_once),
        TEST(test_d4_what_is_refused_is_counted_once_with_temporary_tables_too),
        TEST(test_a_child_of_the_process_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
