/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/engine_fixture.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_buffer.h"

extern char **environ;

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    const char *base = getenv("TMPDIR");
    snprintf(fixture->folder, sizeof fixture->folder, "%s/rhei-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/test.db", fixture->folder);
}

void fixture_open(struct fixture *fixture, const struct rhei_config *config)
{
    enum { PATIENCE_MS = 60000 };
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config patient = {.struct_size = sizeof patient};
    if (config != NULL)
        patient = *config;
    if (patient.busy_timeout_ms == 0)
        patient.busy_timeout_ms = PATIENCE_MS;
    if (rhei_open(fixture->path, &patient, &fixture->db, &error) != RHEI_OK)
        fail_msg("open: %s", error.message);
}

void fixture_begin_olap(struct fixture *fixture)
{
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true};
    fixture_init(fixture);
    fixture_open(fixture, &config);
}

void fixture_begin_built(struct fixture *fixture, const char *table, const char *rows)
{
    fixture_begin_olap(fixture);
    must_execute(fixture->db, table);
    must_execute(fixture->db, rows);
    must_be_built(fixture->db);
}

void fixture_end(struct fixture *fixture)
{
    rhei_close(&fixture->db);
    const char *const arguments[] = {"rm", "-rf", fixture->folder, NULL};
    run_program(arguments, "", NULL, 0);
}

int fixture_tear_down(void **state)
{
    fixture_end(*state);
    return 0;
}

void must_execute_with(rhei_db *db, const char *sql, const struct rhei_params *params)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute(db, sql, params, NULL, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
}

bool fixture_by_datafusion(void)
{
    const char *backend = getenv("RHEI_BACKEND");
    return backend != NULL && strcmp(backend, "datafusion") == 0;
}

void must_execute(rhei_db *db, const char *sql)
{
    must_execute_with(db, sql, NULL);
}

static rhei_rows *must_query(rhei_db *db, const char *sql, const struct rhei_params *params, int32_t route)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    rhei_rows *rows = NULL;
    if (rhei_query(db, sql, params, &options, &rows, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return rows;
}

static void must_step(rhei_rows *rows, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_rows_next(rows, &error) != RHEI_ROW)
        fail_msg("%s: no row: %s", sql, error.message);
}

int64_t must_int64(rhei_db *db, const char *sql, int32_t route)
{
    rhei_rows *rows = must_query(db, sql, NULL, route);
    must_step(rows, sql);
    int64_t value = rhei_rows_int64(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

double must_double(rhei_db *db, const char *sql, int32_t route)
{
    rhei_rows *rows = must_query(db, sql, NULL, route);
    must_step(rows, sql);
    double value = rhei_rows_double(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

static void append_value(struct base_buffer *out, const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_NULL:
        base_buffer_char(out, 'n');
        break;
    case RHEI_INTEGER:
        base_buffer_format(out, "i%" PRId64, value->as.integer);
        break;
    case RHEI_REAL:
        base_buffer_format(out, "r%a", value->as.real);
        break;
    case RHEI_TEXT:
        base_buffer_char(out, 't');
        base_buffer_append(out, value->as.bytes, value->length);
        break;
    default:
        base_buffer_char(out, 'b');
        for (uint32_t i = 0; i < value->length; i++)
            base_buffer_format(out, "%02x", ((const unsigned char *)value->as.bytes)[i]);
    }
}

static char *rows_to_text(rhei_rows *rows, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct base_buffer out = {0};
    rhei_status status;
    base_buffer_append(&out, "", 0);
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW) {
        for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
            struct rhei_value value = rhei_rows_value(rows, c);
            if (c > 0)
                base_buffer_char(&out, '|');
            append_value(&out, &value);
        }
        base_buffer_char(&out, '\n');
    }
    if (status != RHEI_DONE)
        fail_msg("%s: %s", sql, error.message);
    base_buffer_char(&out, '\0');
    return base_buffer_take(&out);
}

char *must_rows(rhei_db *db, const char *sql, const struct rhei_params *params, int32_t route)
{
    rhei_rows *rows = must_query(db, sql, params, route);
    char *text = rows_to_text(rows, sql);
    rhei_rows_close(&rows);
    return text;
}

void must_agree(rhei_db *db, const char *sql, const struct rhei_params *params)
{
    char *oltp = must_rows(db, sql, params, RHEI_ROUTE_OLTP);
    rhei_rows *rows = must_query(db, sql, params, RHEI_ROUTE_OLAP);
    assert_string_equal(rhei_rows_route(rows), "olap");
    char *olap = rows_to_text(rows, sql);
    rhei_rows_close(&rows);
    if (strcmp(oltp, olap) != 0)
        fail_msg("%s\nSQLite:\n%scolumn store:\n%s", sql, oltp, olap);
    rhei_free(oltp);
    rhei_free(olap);
}

void must_fail(rhei_db *db, const char *sql, rhei_status status)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    rhei_status got = rhei_query(db, sql, NULL, NULL, &rows, &error);
    while (got == RHEI_OK || got == RHEI_ROW)
        got = rhei_rows_next(rows, &error);
    rhei_rows_close(&rows);
    if (got != status)
        fail_msg("%s: %s instead of %s: %s", sql, rhei_status_name(got), rhei_status_name(status), error.message);
    assert_int_equal(error.code, status);
    assert_true(error.message[0] != '\0');
}

void must_route(rhei_db *db, const char *sql, const char *route, const char *rule)
{
    rhei_rows *rows = must_query(db, sql, NULL, RHEI_ROUTE_AUTO);
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status;
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW)
        continue;
    if (status != RHEI_DONE)
        fail_msg("%s: %s", sql, error.message);
    if (strcmp(rhei_rows_route(rows), route) != 0 || (rule != NULL && strcmp(rhei_rows_rule(rows), rule) != 0))
        fail_msg("%s: went to %s by rule %s instead of %s by %s", sql, rhei_rows_route(rows), rhei_rows_rule(rows),
                 route, rule != NULL ? rule : "any");
    rhei_rows_close(&rows);
}

void must_be_built(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_initial_sync(db, 60000, &error) != RHEI_OK)
        fail_msg("initial sync: %s", error.message);
}

void must_verify(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_verify(db, NULL, NULL, &error) != RHEI_OK)
        fail_msg("verify: %s", error.message);
}

static size_t read_all(int from, char *output, size_t size)
{
    size_t have = 0;
    char dropped[512];
    for (;;) {
        bool keep = output != NULL && have + 1 < size;
        ssize_t got = read(from, keep ? output + have : dropped, keep ? size - 1 - have : sizeof dropped);
        if (got <= 0)
            break;
        if (keep)
            have += (size_t)got;
    }
    if (output != NULL && size > 0)
        output[have] = '\0';
    return have;
}

double must_metric(rhei_db *db, const char *name)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    double value = -1;
    assert_int_equal(rhei_metric_list(db, &metrics, &count, NULL), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        value = strcmp(metrics[i]->name, name) == 0 ? metrics[i]->value : value;
    rhei_free(metrics);
    if (value < 0)
        fail_msg("there is no metric %s", name);
    return value;
}

rhei_changes *must_follow(rhei_db *db, const char *consumer)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_changes_options options = {.struct_size = sizeof options, .consumer = consumer};
    rhei_changes *changes = NULL;
    if (rhei_changes_open(db, &options, &changes, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return changes;
}

struct rhei_change must_be_told(rhei_changes *changes, int32_t kind)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_change change = {.struct_size = sizeof change};
    do {
        rhei_status status = rhei_changes_next(changes, &change, &error);
        if (status != RHEI_ROW)
            fail_msg("kind %d: %s %s", (int)kind, rhei_status_name(status), error.message);
    } while (change.kind != kind);
    return change;
}

int run_program(const char *const *arguments, const char *input, char *output, size_t output_size)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&actions, in[i]);
        posix_spawn_file_actions_addclose(&actions, out[i]);
    }
    pid_t pid = 0;
    int code = posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    if (code != 0)
        fail_msg("%s could not be started: %s", arguments[0], strerror(code));
    size_t len = strlen(input);
    for (size_t at = 0; at < len;) {
        ssize_t put = write(in[1], input + at, len - at);
        if (put <= 0)
            break;
        at += (size_t)put;
    }
    close(in[1]);
    read_all(out[0], output, output_size);
    close(out[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
