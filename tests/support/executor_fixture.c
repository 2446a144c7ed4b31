/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/executor_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "base/base_buffer.h"
#include "base/base_memory.h"

void must(rhei_status status, const struct rhei_error *error)
{
    if (status != RHEI_OK)
        fail_msg("status %d: %s", (int)status, error->message);
}

struct fixture *fixture_begin(void)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct fixture *fixture = base_alloc_zero(1, sizeof *fixture);
    struct mirror_config mirror = {0};
    assert_non_null(fixture);
    must(mirror_open(&mirror, &fixture->mirror, &error), &error);
    return fixture;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->executor->ops->close(&fixture->executor);
    mirror_close(&fixture->mirror);
    base_free(fixture);
    return 0;
}

uint64_t fixture_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

double fixture_random_double(uint64_t *state)
{
    double value = (double)(int64_t)(fixture_random(state) >> 11) / 9007199254740992.0 - 0.5;
    return value * pow(10, (double)(fixture_random(state) % 20));
}

static uint8_t affinity_of(char letter)
{
    switch (letter) {
    case 'I':
        return AFFINITY_INTEGER;
    case 'R':
        return AFFINITY_REAL;
    case 'T':
        return AFFINITY_TEXT;
    case 'N':
        return AFFINITY_NUMERIC;
    default:
        return AFFINITY_BLOB;
    }
}

void fixture_table(struct fixture *fixture, uint32_t id, const char *name, const char *columns)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    char text[256];
    struct source_column described[FIXTURE_COLUMNS] = {0};
    uint32_t count = 0;
    snprintf(text, sizeof text, "%s", columns);
    char *rest = NULL;
    for (char *each = strtok_r(text, ", ", &rest); each != NULL; each = strtok_r(NULL, ", ", &rest)) {
        char *affinity = strtok_r(NULL, ", ", &rest);
        described[count].name = each;
        described[count].declared_type = "";
        described[count].collation = "BINARY";
        described[count].affinity = affinity_of(*affinity);
        described[count].is_rowid_alias = count == 0 && strcmp(each, "rowid") != 0;
        described[count].is_rowid = strcmp(each, "rowid") == 0;
        count++;
    }
    uint32_t key = 0;
    struct source_table table = {.id = id,
                                 .name = name,
                                 .column_count = count,
                                 .columns = described,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .key_is_integer = true,
                                 .estimated_rows = -1};
    struct mirror_build *build = NULL;
    must(mirror_build_begin(fixture->mirror, &table, 1, &build, &error), &error);
    must(mirror_build_attach(&build, &error), &error);
    fixture_publish(fixture);
}

struct rhei_value value_null(void)
{
    return (struct rhei_value){.type = RHEI_NULL};
}

struct rhei_value value_int(int64_t integer)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = integer};
}

struct rhei_value value_real(double real)
{
    return (struct rhei_value){.type = RHEI_REAL, .as.real = real};
}

struct rhei_value value_text(const char *text)
{
    return (struct rhei_value){.type = RHEI_TEXT, .as.bytes = text, .length = (uint32_t)strlen(text)};
}

struct rhei_value value_blob(const void *bytes, uint32_t length)
{
    return (struct rhei_value){.type = RHEI_BLOB, .as.bytes = bytes, .length = length};
}

static void rows_grow(struct rows *rows, uint32_t column_count)
{
    rows->column_count = column_count;
    if (rows->count < rows->capacity)
        return;
    rows->capacity = rows->capacity == 0 ? 1024 : 2 * rows->capacity;
    for (uint32_t i = 0; i < column_count; i++)
        rows->columns[i] = base_realloc(rows->columns[i], rows->capacity * sizeof **rows->columns);
    rows->op = base_realloc(rows->op, rows->capacity);
}

void rows_add(struct rows *rows, const struct rhei_value *values, uint32_t count)
{
    rows_grow(rows, count);
    for (uint32_t i = 0; i < count; i++)
        rows->columns[i][rows->count] = values[i];
    rows->op[rows->count++] = CHANGE_UPSERT;
}

void rows_delete(struct rows *rows, int64_t key, uint32_t column_count)
{
    rows_grow(rows, column_count);
    for (uint32_t i = 0; i < column_count; i++)
        rows->columns[i][rows->count] = i == 0 ? value_int(key) : value_null();
    rows->op[rows->count++] = CHANGE_DELETE;
}

void fixture_apply(struct fixture *fixture, uint32_t table, struct rows *rows)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_batch batch = {.table = table,
                                 .column_count = rows->column_count,
                                 .row_count = rows->count,
                                 .op = rows->op,
                                 .columns = (const struct rhei_value *const *)rows->columns};
    must(mirror_apply(fixture->mirror, &batch, NULL, &error), &error);
    for (uint32_t i = 0; i < FIXTURE_COLUMNS; i++)
        base_free(rows->columns[i]);
    base_free(rows->op);
    memset(rows, 0, sizeof *rows);
}

void fixture_publish(struct fixture *fixture)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(mirror_publish(fixture->mirror, ++fixture->position, &error), &error);
}

void fixture_write_version(struct fixture *fixture, int64_t version, int64_t rows_each)
{
    static const uint32_t tables[] = {1, 2};
    for (int i = 0; i < 2; i++) {
        struct rows rows = {0};
        for (int64_t key = 0; key < rows_each; key++)
            rows_add(&rows, (struct rhei_value[]){value_int(key), value_int(version)}, 2);
        fixture_apply(fixture, tables[i], &rows);
    }
    fixture_publish(fixture);
}

void fixture_pair(struct fixture *fixture, int64_t rows_each)
{
    fixture_table(fixture, 1, "left", "id I, version I");
    fixture_table(fixture, 2, "right", "id I, version I");
    fixture_write_version(fixture, 0, rows_each);
}

void question_open(struct fixture *fixture, const char *sql, struct question *question)
{
    memset(question, 0, sizeof *question);
    assert_int_equal(mirror_snapshot_take(fixture->mirror, &question->snapshot), RHEI_OK);
    question->query.sql = sql;
    question->query.snapshot = &question->snapshot;
}

void question_close(struct question *question)
{
    mirror_snapshot_release(&question->snapshot);
}

static void print_value(struct base_buffer *out, const struct rhei_value *value)
{
    switch ((enum rhei_class)value->type) {
    case RHEI_NULL:
        base_buffer_text(out, "NULL");
        break;
    case RHEI_INTEGER:
        base_buffer_format(out, "%lld", (long long)value->as.integer);
        break;
    case RHEI_REAL:
        base_buffer_format(out, "%.17g", value->as.real);
        break;
    case RHEI_TEXT:
        base_buffer_append(out, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        base_buffer_text(out, "x'");
        for (uint32_t i = 0; i < value->length; i++)
            base_buffer_format(out, "%02x", ((const unsigned char *)value->as.bytes)[i]);
        base_buffer_char(out, '\'');
        break;
    }
}

char *answer_of(struct fixture *fixture, const struct executor_query *query)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    struct arrow_cursor *cursor = NULL;
    struct base_buffer out = {0};
    rhei_status status = fixture->executor->ops->run(fixture->executor, query, &stream, &error);
    if (status != RHEI_OK)
        fail_msg("%s: status %d: %s", query->sql, (int)status, error.message);
    must(arrow_cursor_open(&stream, &cursor, &error), &error);
    while ((status = arrow_cursor_next(cursor, &error)) == RHEI_ROW) {
        if (out.len > 0)
            base_buffer_char(&out, '\n');
        for (uint32_t i = 0; i < arrow_cursor_column_count(cursor); i++) {
            struct rhei_value value;
            must(arrow_cursor_value(cursor, i, &value, &error), &error);
            if (i > 0)
                base_buffer_char(&out, '|');
            print_value(&out, &value);
        }
    }
    if (status != RHEI_DONE)
        fail_msg("%s: status %d: %s", query->sql, (int)status, error.message);
    arrow_cursor_close(&cursor);
    base_buffer_text(&out, "");
    char *text = base_buffer_take(&out);
    return text != NULL ? text : base_strdup("");
}

char *ask(struct fixture *fixture, const char *sql)
{
    struct question question;
    question_open(fixture, sql, &question);
    char *answer = answer_of(fixture, &question.query);
    question_close(&question);
    return answer;
}

void assert_answer(struct fixture *fixture, const char *sql, const char *expected)
{
    char *answer = ask(fixture, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s\n  gave     %s\n  expected %s", sql, answer, expected);
    base_free(answer);
}

int64_t ask_integer(struct fixture *fixture, const char *sql)
{
    char *answer = ask(fixture, sql);
    int64_t integer = strtoll(answer, NULL, 10);
    base_free(answer);
    return integer;
}

void assert_refused(struct fixture *fixture, const struct executor_query *query, rhei_status status, const char *word)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    rhei_status found = fixture->executor->ops->run(fixture->executor, query, &stream, &error);
    if (found == RHEI_OK) {
        stream.release(&stream);
        fail_msg("%s: was accepted", query->sql);
    }
    if (found != status || strstr(error.message, word) == NULL)
        fail_msg("%s: status %d instead of %d: %s", query->sql, (int)found, (int)status, error.message);
    assert_int_equal(error.code, status);
}

void assert_fails(struct fixture *fixture, const char *sql, rhei_status status, const char *word)
{
    struct question question;
    question_open(fixture, sql, &question);
    assert_refused(fixture, &question.query, status, word);
    question_close(&question);
}
