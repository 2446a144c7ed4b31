/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp_test.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

extern char **environ;

#define BUSY_LIMIT_NS INT64_C(60000000000)

void test_default_config(const struct oltp_test *test, struct oltp_config *config)
{
    *config = (struct oltp_config){
        .path = test->path, .capture = true, .auto_register = true, .read_pool_size = 4, .busy_timeout_ms = 60000};
}

static void must(rhei_status status, const struct rhei_error *error, const char *what)
{
    if (status != RHEI_OK)
        fail_msg("%s: %s", what, error->message);
}

static void open_handle(struct oltp_test *test)
{
    struct oltp_config config;
    struct rhei_error error = RHEI_ERROR_INIT;
    test_default_config(test, &config);
    must(capture_open(&config, &test->oltp, &error), &error, "open");
    must(capture_change_source(test->oltp, &test->source, &error), &error, "source");
}

void test_open(struct oltp_test *test)
{
    memset(test, 0, sizeof *test);
    snprintf(test->folder, sizeof test->folder, "/tmp/rhei-oltp-XXXXXX");
    assert_non_null(mkdtemp(test->folder));
    snprintf(test->path, sizeof test->path, "%s/t.db", test->folder);
    open_handle(test);
}

void test_open_memory(struct oltp_test *test)
{
    memset(test, 0, sizeof *test);
    snprintf(test->path, sizeof test->path, ":memory:");
    open_handle(test);
}

void test_shut(struct oltp_test *test)
{
    test->source->ops->close(&test->source);
    oltp_close(&test->oltp);
}

void test_reopen(struct oltp_test *test)
{
    if (test->oltp != NULL)
        test_shut(test);
    open_handle(test);
}

void test_close(struct oltp_test *test)
{
    if (test->source != NULL)
        test->source->ops->close(&test->source);
    oltp_close(&test->oltp);
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4 && test->folder[0] != '\0'; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s%s", test->path, suffixes[i]);
        unlink(path);
    }
    if (test->folder[0] != '\0')
        rmdir(test->folder);
}

rhei_status test_try(struct oltp_test *test, const char *sql, struct rhei_error *error)
{
    return oltp_write(test->oltp, sql, strlen(sql), NULL, 0, 0, NULL, NULL, error);
}

void test_write(struct oltp_test *test, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(test_try(test, sql, &error), &error, sql);
}

void test_script(struct oltp_test *test, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    must(oltp_write_script(test->oltp, sql, strlen(sql), 0, NULL, &error), &error, sql);
}

static void append_value(struct base_buffer *out, const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_NULL:
        base_buffer_text(out, "NULL");
        break;
    case RHEI_INTEGER:
        base_buffer_format(out, "%" PRId64, value->as.integer);
        break;
    case RHEI_REAL: {
        uint64_t bits;
        memcpy(&bits, &value->as.real, sizeof bits);
        base_buffer_format(out, "%.17g/%016" PRIx64, value->as.real, bits);
        break;
    }
    case RHEI_TEXT:
        base_buffer_literal(out, value->as.bytes, value->length);
        break;
    default:
        base_buffer_text(out, "x'");
        for (uint32_t i = 0; i < value->length; i++)
            base_buffer_format(out, "%02x", ((const unsigned char *)value->as.bytes)[i]);
        base_buffer_char(out, '\'');
        break;
    }
}

char *test_rows(struct oltp_test *test, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    struct base_buffer out = {0};
    must(oltp_read(test->oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, &error), &error, sql);
    rhei_status status;
    while ((status = oltp_cursor_next(cursor, &error)) == RHEI_ROW) {
        for (uint32_t i = 0; i < oltp_cursor_column_count(cursor); i++) {
            struct rhei_value value;
            oltp_cursor_value(cursor, i, &value);
            base_buffer_text(&out, i == 0 ? "" : "|");
            append_value(&out, &value);
        }
        base_buffer_char(&out, '\n');
    }
    must(status == RHEI_DONE ? RHEI_OK : status, &error, sql);
    oltp_cursor_close(&cursor);
    char *text = base_buffer_take(&out);
    return text == NULL ? base_strdup("") : text;
}

void test_expect(struct oltp_test *test, const char *sql, const char *rows)
{
    char *found = test_rows(test, sql);
    if (strcmp(found, rows) != 0)
        fail_msg("%s\n gave: %s\n want: %s", sql, found, rows);
    base_free(found);
}

int64_t test_int(struct oltp_test *test, const char *sql)
{
    char *rows = test_rows(test, sql);
    int64_t value = strtoll(rows, NULL, 10);
    base_free(rows);
    return value;
}

static bool keeps_all_but_plain(void *context, const char *table)
{
    (void)context;
    return strcmp(table, "plain") != 0;
}

void test_reopen_keeping(struct oltp_test *test, bool keep)
{
    struct oltp_config config;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (test->oltp != NULL)
        test_shut(test);
    test_default_config(test, &config);
    config.keeps_versions = keep ? keeps_all_but_plain : NULL;
    assert_int_equal(capture_open(&config, &test->oltp, &error), RHEI_OK);
    assert_int_equal(capture_change_source(test->oltp, &test->source, &error), RHEI_OK);
}

uint64_t test_bits(uint64_t *seed)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint32_t test_pick(uint64_t *seed, uint32_t below)
{
    return (uint32_t)(test_bits(seed) >> 33) % below;
}

static int run(char *const arguments[])
{
    pid_t pid;
    int status = 0;
    assert_int_equal(posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int test_shell(const struct oltp_test *test, const char *sql)
{
    char *arguments[] = {
        "sqlite3", "-bail", "-batch", "-cmd", ".timeout 60000", (char *)(uintptr_t)test->path, (char *)(uintptr_t)sql,
        NULL};
    return run(arguments);
}

void test_shell_script(const struct oltp_test *test, const char *script, size_t len)
{
    char path[200], command[600];
    snprintf(path, sizeof path, "%s.sql", test->path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(script, 1, len, file);
    fclose(file);
    snprintf(command, sizeof command, "sqlite3 -cmd '.timeout 60000' '%s' < '%s' > /dev/null 2>&1", test->path, path);
    assert_int_not_equal(system(command), -1);
    remove(path);
}

int test_python(const struct oltp_test *test, const char *code)
{
    struct base_buffer text = {0};
    base_buffer_format(
        &text, "import sqlite3\ndb = sqlite3.connect(%s'%s', timeout=60, isolation_level=None)\n%s\ndb.close()\n", "",
        test->path, code);
    char *arguments[] = {"python3", "-c", text.data, NULL};
    int status = run(arguments);
    base_buffer_reset(&text);
    return status;
}

/* ---- The mirror: rows as text, in a sorted array per table; slow and simple. ---- */

struct mirror_row {
    char *key, *row;
};

struct mirror_table {
    char *name;
    uint32_t id;
    uint32_t column_count, key_count;
    uint32_t *key_columns;
    char *select; /* the rows as SQLite gives them */
    struct mirror_row *rows;
    size_t count, capacity;
    int64_t loaded_at; /* changes up to here are in the load */
};

struct test_mirror {
    struct oltp_test *test;
    struct mirror_table *tables;
    size_t count, capacity;
    int64_t position;
    uint64_t loads, losses;
    bool lost, started;
};

struct test_mirror *test_mirror_new(struct oltp_test *test)
{
    struct test_mirror *mirror = base_alloc_zero(1, sizeof *mirror);
    mirror->test = test;
    return mirror;
}

static void table_free(struct mirror_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        base_free(table->rows[i].key);
        base_free(table->rows[i].row);
    }
    base_free(table->rows);
    base_free(table->name);
    base_free(table->key_columns);
    base_free(table->select);
}

void test_mirror_free(struct test_mirror **slot)
{
    struct test_mirror *mirror = *slot;
    for (size_t i = 0; i < mirror->count; i++)
        table_free(&mirror->tables[i]);
    base_free(mirror->tables);
    base_free(mirror);
    *slot = NULL;
}

static size_t row_find(const struct mirror_table *table, const char *key, bool *found)
{
    size_t low = 0, high = table->count;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(table->rows[middle].key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return low;
}

static void row_apply(struct mirror_table *table, const struct change_batch *batch, size_t i)
{
    struct base_buffer key = {0}, row = {0};
    for (uint32_t k = 0; k < table->key_count; k++) {
        append_value(&key, &batch->columns[table->key_columns[k]][i]);
        base_buffer_char(&key, '|');
    }
    bool delete = batch->op != NULL && batch->op[i] == CHANGE_DELETE;
    for (uint32_t c = 0; c < batch->column_count && !delete; c++) {
        base_buffer_text(&row, c == 0 ? "" : "|");
        append_value(&row, &batch->columns[c][i]);
    }
    bool found;
    size_t at = row_find(table, key.data, &found);
    if (found) {
        base_free(table->rows[at].row);
        if (delete) {
            base_free(table->rows[at].key);
            table->count--;
            memmove(&table->rows[at], &table->rows[at + 1], (table->count - at) * sizeof *table->rows);
        } else {
            table->rows[at].row = base_buffer_take(&row);
        }
    } else if (!delete) {
        void *rows = table->rows;
        assert_true(base_grow(&rows, &table->capacity, table->count + 1, sizeof *table->rows));
        table->rows = rows;
        memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof *table->rows);
        table->count++;
        table->rows[at] = (struct mirror_row){base_buffer_take(&key), base_buffer_take(&row)};
    }
    base_buffer_reset(&key);
    base_buffer_reset(&row);
}

static void table_make(struct mirror_table *table, const struct source_table *source)
{
    struct base_buffer sql = {0};
    *table = (struct mirror_table){.name = base_strdup(source->name),
                                   .id = source->id,
                                   .column_count = source->column_count,
                                   .key_count = source->key_count};
    table->key_columns = base_alloc(sizeof(uint32_t) * (source->key_count + 1));
    memcpy(table->key_columns, source->key_columns, sizeof(uint32_t) * source->key_count);
    base_buffer_text(&sql, "SELECT ");
    for (uint32_t i = 0; i < source->column_count; i++) {
        base_buffer_text(&sql, i == 0 ? "" : ",");
        base_buffer_identifier(&sql, source->columns[i].name);
    }
    base_buffer_text(&sql, " FROM ");
    base_buffer_identifier(&sql, source->name);
    table->select = base_buffer_take(&sql);
}

static void table_load(struct test_mirror *mirror, struct mirror_table *table)
{
    struct change_source *source = mirror->test->source;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct source_load *load = NULL;
    struct source_load_info info;
    must(source->ops->load_begin(source, table->id, 3, &load, &info, &error), &error, "load_begin");
    for (uint32_t i = 0; i < info.loader_count; i++) {
        const struct change_batch *batch = NULL;
        do {
            must(source->ops->load_next(load, i, 100, &batch, &error), &error, "load_next");
            for (size_t row = 0; batch != NULL && row < batch->row_count; row++) {
                assert_int_equal(batch->table, table->id);
                row_apply(table, batch, row);
            }
        } while (batch != NULL);
    }
    source->ops->load_end(&load);
    table->loaded_at = info.position;
    mirror->loads++;
}

static void mirror_take_tables(struct test_mirror *mirror)
{
    struct change_source *source = mirror->test->source;
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct source_table *tables = NULL;
    size_t count = 0;
    must(source->ops->tables(source, &tables, &count, &error), &error, "tables");
    for (size_t i = 0; i < mirror->count;) { /* forget versions that are gone */
        bool found = false;
        for (size_t k = 0; k < count; k++)
            found |= tables[k].id == mirror->tables[i].id;
        if (found && !mirror->lost) {
            i++;
        } else {
            table_free(&mirror->tables[i]);
            mirror->tables[i] = mirror->tables[--mirror->count];
        }
    }
    for (size_t k = 0; k < count; k++) {
        bool found = tables[k].id == 0;
        for (size_t i = 0; i < mirror->count; i++)
            found |= tables[k].id == mirror->tables[i].id;
        if (!found) {
            void *grown = mirror->tables;
            assert_true(base_grow(&grown, &mirror->capacity, mirror->count + 1, sizeof *mirror->tables));
            mirror->tables = grown;
            table_make(&mirror->tables[mirror->count], &tables[k]);
            table_load(mirror, &mirror->tables[mirror->count]);
            mirror->count++;
        }
    }
}

/* A table whose changes are lost is forgotten, and loaded again when this cycle is over. */
static void mirror_lose(struct test_mirror *mirror, const struct change_batch *batch)
{
    for (size_t i = 0; i < mirror->count && batch->lost != NULL; i++) {
        if (mirror->tables[i].id == batch->table && batch->lost_at > mirror->tables[i].loaded_at) {
            table_free(&mirror->tables[i]);
            mirror->tables[i] = mirror->tables[--mirror->count];
            mirror->losses++;
            return;
        }
    }
}

uint64_t test_mirror_losses(struct test_mirror *mirror)
{
    return mirror->losses;
}

uint64_t test_mirror_cycle(struct test_mirror *mirror)
{
    uint64_t losses = mirror->losses;
    struct change_source *source = mirror->test->source;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle;
    uint64_t changes = 0;
    rhei_status status;
    int64_t until = base_now_ns() + BUSY_LIMIT_NS;
    do { /* the maintenance, or another engine, may have the writer while a schema is to be settled */
        status = source->ops->begin(source, mirror->position, &cycle, NULL, &error);
    } while (status == RHEI_BUSY && base_now_ns() < until);
    must(status, &error, "begin");
    mirror->lost = cycle.lost;
    if (cycle.schema_changed || cycle.lost || !mirror->started) {
        mirror_take_tables(mirror);
        mirror->started = true;
    }
    const struct change_batch *batches = NULL;
    size_t count = 0;
    do {
        must(source->ops->next(source, 1000, &batches, &count, &error), &error, "next");
        for (size_t b = 0; b < count; b++) {
            mirror_lose(mirror, &batches[b]);
            for (size_t i = 0; i < mirror->count; i++) {
                struct mirror_table *table = &mirror->tables[i];
                for (size_t row = 0; table->id == batches[b].table && row < batches[b].row_count; row++)
                    if (batches[b].seq[row] > table->loaded_at && !cycle.lost)
                        row_apply(table, &batches[b], row);
            }
            changes += batches[b].row_count;
        }
    } while (count > 0);
    mirror->position = cycle.position;
    if (mirror->losses != losses)
        mirror_take_tables(mirror);
    source->ops->end(source);
    return changes;
}

static void mirror_check_table(struct test_mirror *mirror, struct mirror_table *table)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    must(oltp_read(mirror->test->oltp, table->select, strlen(table->select), NULL, 0, NULL, true, &cursor, &error),
         &error, table->select);
    size_t rows = 0;
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW) {
        struct base_buffer key = {0}, row = {0};
        for (uint32_t i = 0; i < table->column_count; i++) {
            struct rhei_value value;
            oltp_cursor_value(cursor, i, &value);
            base_buffer_text(&row, i == 0 ? "" : "|");
            append_value(&row, &value);
        }
        for (uint32_t k = 0; k < table->key_count; k++) {
            struct rhei_value value;
            oltp_cursor_value(cursor, table->key_columns[k], &value);
            append_value(&key, &value);
            base_buffer_char(&key, '|');
        }
        bool found;
        size_t at = row_find(table, key.data, &found);
        if (!found || strcmp(table->rows[at].row, row.data) != 0) {
            fail_msg("table %s, key %s\n mirror: %s\n table:  %s", table->name, key.data,
                     found ? table->rows[at].row : "(nothing)", row.data);
        }
        base_buffer_reset(&key);
        base_buffer_reset(&row);
        rows++;
    }
    oltp_cursor_close(&cursor);
    if (rows != table->count) {
        for (size_t i = 0; i < table->count && i < 50; i++)
            print_message("%s\n", table->rows[i].row);
        char *schema =
            test_rows(mirror->test, "SELECT sql FROM sqlite_master WHERE name NOT LIKE '\\_rhei%' ESCAPE '\\'");
        char *there = test_rows(mirror->test, table->select);
        print_message("%s\n%s\n", schema, there);
        base_free(schema);
        base_free(there);
        fail_msg("table %s has %zu rows, its mirror %zu", table->name, rows, table->count);
    }
}

void test_mirror_check(struct test_mirror *mirror)
{
    test_mirror_cycle(mirror);
    for (size_t i = 0; i < mirror->count; i++)
        mirror_check_table(mirror, &mirror->tables[i]);
}

uint32_t test_mirror_id(struct test_mirror *mirror, const char *table)
{
    for (size_t i = 0; i < mirror->count; i++)
        if (strcmp(mirror->tables[i].name, table) == 0)
            return mirror->tables[i].id;
    return 0;
}

bool test_mirror_has(struct test_mirror *mirror, const char *table)
{
    return test_mirror_id(mirror, table) != 0;
}

uint64_t test_mirror_loads(struct test_mirror *mirror)
{
    return mirror->loads;
}

bool test_mirror_was_lost(struct test_mirror *mirror)
{
    return mirror->lost;
}
