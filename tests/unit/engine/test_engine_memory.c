/* SPDX-License-Identifier: Apache-2.0 */
/* D6: the API without memory, one allocation after the other. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "rhei/rhei_async.h"
#include "rhei/rhei_doors.h"
#include "rhei/rhei_native.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n REAL)",
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000) "
                        "INSERT INTO t SELECT i, 'w' || i, i * 0.5 FROM c");
    return 0;
}

typedef rhei_status (*memory_step)(struct rhei_error *error);

static rhei_status drain(rhei_rows *rows, struct rhei_error *error)
{
    rhei_status status;
    while ((status = rhei_rows_next(rows, error)) == RHEI_ROW)
        (void)rhei_rows_text(rows, 0);
    rhei_rows_close(&rows);
    return status == RHEI_DONE ? RHEI_OK : status;
}

static rhei_status step_write(struct rhei_error *error)
{
    return rhei_execute(fixture.db, "INSERT INTO t (word, n) VALUES (?, ?)",
                        RHEI_PARAMS(rhei_text("memory"), rhei_real(1.5)), NULL, error);
}

static rhei_status step_batch(struct rhei_error *error)
{
    const struct rhei_value values[] = {rhei_text("a"), rhei_text("b"), rhei_text("c")};
    return rhei_execute_batch(fixture.db, "INSERT INTO t (word) VALUES (?)", values, 1, 3, NULL, error);
}

static rhei_status step_script(struct rhei_error *error)
{
    return rhei_execute_script(fixture.db, "UPDATE t SET n = 2 WHERE id = 1; DELETE FROM t WHERE id > 20000", NULL,
                               error);
}

static rhei_status query_on(int32_t route, const char *sql, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, sql, NULL, &options, &rows, error);
    return status == RHEI_OK ? drain(rows, error) : status;
}

static rhei_status step_query_oltp(struct rhei_error *error)
{
    return query_on(RHEI_ROUTE_OLTP, "SELECT word FROM t WHERE id < 40", error);
}

static rhei_status step_query_olap(struct rhei_error *error)
{
    static unsigned round;
    char sql[96]; /* another text each time, so that no cache helps */
    snprintf(sql, sizeof sql, "SELECT word, count(*) FROM t WHERE id < %u GROUP BY word", 40 + round++ % 100);
    return query_on(RHEI_ROUTE_AUTO, sql, error);
}

static rhei_status step_returning(struct rhei_error *error)
{
    return query_on(RHEI_ROUTE_AUTO, "INSERT INTO t (word) VALUES ('r') RETURNING word, id", error);
}

static rhei_status step_explain(struct rhei_error *error)
{
    return query_on(RHEI_ROUTE_AUTO, "EXPLAIN ROUTE SELECT word, count(*) FROM t GROUP BY word", error);
}

static rhei_status arrow_on(int32_t route, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    struct ArrowArrayStream stream = {0};
    rhei_status status =
        rhei_query_arrow(fixture.db, "SELECT id, word FROM t WHERE n < 500", NULL, &options, &stream, error);
    if (status != RHEI_OK)
        return status;
    struct ArrowSchema schema = {0};
    int failure = stream.get_schema(&stream, &schema);
    if (schema.release != NULL)
        schema.release(&schema);
    while (failure == 0) {
        struct ArrowArray batch = {0};
        failure = stream.get_next(&stream, &batch);
        if (batch.release == NULL)
            break;
        batch.release(&batch);
    }
    stream.release(&stream);
    return failure == 0 ? RHEI_OK : RHEI_NO_MEMORY;
}

static rhei_status step_arrow_oltp(struct rhei_error *error)
{
    return arrow_on(RHEI_ROUTE_OLTP, error);
}

static rhei_status step_arrow_olap(struct rhei_error *error)
{
    return arrow_on(RHEI_ROUTE_AUTO, error);
}

static rhei_status step_prepare(struct rhei_error *error)
{
    rhei_statement *statement = NULL;
    rhei_rows *rows = NULL;
    rhei_status status = rhei_prepare(fixture.db, "SELECT word FROM t WHERE id = ?", &statement, error);
    if (status == RHEI_OK)
        status = rhei_statement_query(statement, RHEI_PARAMS(rhei_integer(3)), NULL, &rows, error);
    if (status == RHEI_OK)
        status = drain(rows, error);
    rhei_statement_close(&statement);
    return status;
}

static rhei_status step_session(struct rhei_error *error)
{
    rhei_session *session = NULL;
    rhei_rows *rows = NULL;
    rhei_status status = rhei_session_open(fixture.db, &session, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "BEGIN", NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "UPDATE t SET n = n + 1 WHERE id = 5", NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_query(session, "SELECT word FROM t WHERE id = 5", NULL, NULL, &rows, error);
    if (status == RHEI_OK)
        status = drain(rows, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, error);
    rhei_session_close(&session);
    return status;
}

/* Rows for what takes a stream. */
static rhei_status with_rows(const char *rows, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLTP};
    return rhei_query_arrow(fixture.db, rows, NULL, &options, stream, error);
}

static rhei_status run_each(const char *sql, const char *rows, bool reads, struct rhei_error *error)
{
    rhei_statement *statement = NULL;
    struct ArrowArrayStream stream, answer = {0};
    struct ArrowArray batch;
    rhei_status status = rhei_prepare(fixture.db, sql, &statement, error);
    if (status == RHEI_OK && (status = with_rows(rows, &stream, error)) == RHEI_OK)
        status = reads ? rhei_statement_query_each(statement, &stream, NULL, &answer, error)
                       : rhei_statement_execute_each(statement, &stream, NULL, NULL, error);
    int code = 0;
    while (status == RHEI_OK && reads && (code = answer.get_next(&answer, &batch)) == 0 && batch.release != NULL)
        batch.release(&batch);
    if (status == RHEI_OK && code != 0)
        status = rhei_stream_error(&answer, code, error);
    if (answer.release != NULL)
        answer.release(&answer);
    rhei_statement_close(&statement);
    return status;
}

static rhei_status step_execute_each(struct rhei_error *error)
{
    return run_each("UPDATE t SET n = n + 1 WHERE id = ?", "SELECT id FROM t LIMIT 1200", false, error);
}

static rhei_status step_query_each(struct rhei_error *error)
{
    return run_each("SELECT word FROM t WHERE id = ?", "SELECT id FROM t LIMIT 3", true, error);
}

static rhei_status step_returning_each(struct rhei_error *error)
{
    return run_each("UPDATE t SET n = n + 1 WHERE id = ? RETURNING word", "SELECT id FROM t LIMIT 3", true, error);
}

static rhei_status step_session_ingest(struct rhei_error *error)
{
    rhei_session *session = NULL;
    struct ArrowArrayStream stream;
    rhei_status status = rhei_session_open(fixture.db, &session, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "BEGIN", NULL, NULL, error);
    if (status == RHEI_OK && (status = with_rows("SELECT word, n FROM t LIMIT 1200", &stream, error)) == RHEI_OK)
        status = rhei_session_ingest_arrow(session, "t", &stream, NULL, NULL, error);
    rhei_session_close(&session); /* which rolls back */
    return status;
}

static rhei_status step_task(struct rhei_error *error)
{
    rhei_async *async = NULL;
    rhei_task *task = NULL;
    rhei_status status = rhei_async_open(fixture.db, NULL, &async, error);
    if (status == RHEI_OK)
        status = rhei_async_submit(async, "SELECT word FROM t WHERE id = ?", RHEI_PARAMS(rhei_text("3")), NULL, &task,
                                   error);
    rhei_task_free(&task);
    rhei_async_close(&async);
    return status;
}

static rhei_status step_register(struct rhei_error *error)
{
    const struct rhei_column columns[] = {{"id", "int64", true, true}, {"at", "timestamp", false, false}};
    rhei_status status = rhei_register_table(fixture.db, "given", columns, 2, error);
    return status == RHEI_OK ? rhei_unregister_table(fixture.db, "given", error) : status;
}

static rhei_status step_sync(struct rhei_error *error)
{
    rhei_status status = rhei_execute(fixture.db, "UPDATE t SET n = n + 1 WHERE id < 100", NULL, NULL, error);
    return status == RHEI_OK ? rhei_sync_now(fixture.db, NULL, error) : status;
}

static rhei_status step_watch(struct rhei_error *error)
{
    struct rhei_table_status **tables = NULL;
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    char *json = NULL;
    struct rhei_sync_status status = {.struct_size = sizeof status};
    rhei_status result = rhei_table_list(fixture.db, &tables, &count, error);
    if (result == RHEI_OK)
        result = rhei_metric_list(fixture.db, &metrics, &count, error);
    if (result == RHEI_OK)
        result = rhei_info_json(fixture.db, &json, error);
    if (result == RHEI_OK)
        result = rhei_sync_status(fixture.db, &status, error);
    rhei_free(tables);
    rhei_free(metrics);
    rhei_free(json);
    return result;
}

static rhei_status step_verify(struct rhei_error *error)
{
    /* a cycle that fails may give up a mirror, which is then built anew */
    rhei_status status = rhei_initial_sync(fixture.db, 0, error);
    return status == RHEI_OK ? rhei_verify(fixture.db, NULL, NULL, error) : status;
}

static rhei_status step_olap_native(struct rhei_error *error)
{
    struct ArrowArrayStream stream = {0};
    rhei_status status = rhei_olap_query_arrow(fixture.db, "SELECT count(*) FROM t", NULL, &stream, error);
    if (stream.release != NULL && status == RHEI_OK)
        stream.release(&stream);
    return status;
}

static rhei_status step_open(struct rhei_error *error)
{
    rhei_db *db = NULL;
    rhei_status status = rhei_open(fixture.path, NULL, &db, error);
    rhei_close(&db);
    return status;
}

/* Lets each allocation of the calling thread fail in turn until the step gets through; each failure must be an error of its own. */
static void fail_each_allocation(const char *name, memory_step step, uint64_t most)
{
    uint64_t at = 1;
    for (; at <= most; at++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        base_memory_fail_after(at);
        rhei_status status = step(&error);
        base_memory_fail_after(0);
        if (status == RHEI_OK)
            continue;
        if (status != RHEI_NO_MEMORY && status != RHEI_OLAP_UNAVAILABLE)
            fail_msg("%s, allocation %llu: %s: %s", name, (unsigned long long)at, rhei_status_name(status),
                     error.message);
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = step(&error);
    if (status != RHEI_OK)
        fail_msg("%s, with memory again: %s: %s", name, rhei_status_name(status), error.message);
}

static void test_d6_every_call_survives_the_lack_of_memory(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        memory_step step;
        uint64_t most;
    } steps[] = {
        {"write", step_write, 60},
        {"batch", step_batch, 60},
        {"script", step_script, 60},
        {"query oltp", step_query_oltp, 80},
        {"query olap", step_query_olap, 200},
        {"returning", step_returning, 80},
        {"explain", step_explain, 150},
        {"arrow oltp", step_arrow_oltp, 80},
        {"arrow olap", step_arrow_olap, 150},
        {"prepare", step_prepare, 80},
        {"session", step_session, 80},
        {"execute each", step_execute_each, 120},
        {"query each", step_query_each, 150},
        {"returning each", step_returning_each, 200},
        {"ingest in a session", step_session_ingest, 150},
        {"task", step_task, 40},
        {"register", step_register, 150},
        {"sync", step_sync, 100},
        {"watch", step_watch, 60},
        {"verify", step_verify, 80},
        {"native", step_olap_native, 80},
        {"open", step_open, 200},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        fail_each_allocation(steps[i].name, steps[i].step, steps[i].most);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_rebuild(fixture.db, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    must_be_built(fixture.db);
    must_verify(fixture.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_d6_every_call_survives_the_lack_of_memory, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
