/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as they were (T11 of capture_triggers.c), as a consumer of the log is told them. The naive model is a consumer that puts what it is told under its key and
 * knows nothing else: whatever it is told to have been there must be what it has, bit for bit, and behind each unit it has what the table has.
 */
#include "oltp/oltp_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_changes.h"
#include "capture/capture_internal.h"

enum { ROUNDS = 60 };

/* ---- The model: rows as texts by their keys. --------------------------------------------------------------------- */

struct pair {
    char *key, *row;
};

struct model {
    struct capture_changes *changes;
    struct pair *pairs;
    size_t count, room;
    char *select; /* the rows as the table has them, in texts like the model's */
    uint64_t updates, deletes;
};

static void put_value(struct base_buffer *out, const struct rhei_value *value)
{
    uint64_t bits = 0;
    if (value->type == RHEI_INTEGER || value->type == RHEI_REAL)
        memcpy(&bits, &value->as, sizeof bits);
    base_buffer_format(out, "%u:%" PRIx64 ":", value->type, bits);
    for (uint32_t i = 0; value->type >= RHEI_TEXT && i < value->length; i++)
        base_buffer_format(out, "%02x", ((const unsigned char *)value->as.bytes)[i]);
    base_buffer_char(out, '|');
}

static char *text_of(const struct source_table *table, const struct rhei_value *values, bool key)
{
    struct base_buffer out = {0};
    bool declared = false;
    for (uint32_t c = 0; c < table->column_count; c++)
        declared |= table->columns[c].in_primary_key;
    for (uint32_t c = 0; c < table->column_count; c++) {
        bool is_key = declared && table->columns[c].in_primary_key;
        for (uint32_t k = 0; k < table->key_count && !declared; k++)
            is_key |= table->key_columns[k] == c;
        if (is_key || !key)
            put_value(&out, &values[c]);
    }
    return base_buffer_take(&out);
}

/* Of a REAL zero in a key nobody can say in SQL whether an update changed it. */
static bool has_zero_key(const struct source_table *table, const struct rhei_value *values)
{
    bool zero = false;
    for (uint32_t c = 0; c < table->column_count; c++) {
        bool is_key = table->columns[c].in_primary_key;
        for (uint32_t k = 0; k < table->key_count; k++)
            is_key |= table->key_columns[k] == c;
        zero |= is_key && values[c].type == RHEI_REAL && values[c].as.real == 0.0;
    }
    return zero;
}

static struct pair *find(struct model *model, const char *key)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->pairs[i].key, key) == 0)
            return &model->pairs[i];
    return NULL;
}

static void forget(struct model *model, struct pair *pair)
{
    base_free(pair->key);
    base_free(pair->row);
    *pair = model->pairs[--model->count];
}

static void take_row(struct model *model, const struct capture_change *change)
{
    char *key = text_of(change->table, change->values, true);
    char *before = change->before == NULL ? NULL : text_of(change->table, change->before, false);
    struct pair *had = find(model, key);
    if (before != NULL && (had == NULL || strcmp(before, had->row) != 0)) {
        fail_msg("at %lld (%d): %s was %s, not %s", (long long)change->position, change->kind, key,
                 had == NULL ? "nothing" : had->row, before);
    }
    if (had != NULL && before == NULL) {
        if (change->kind != CAPTURE_CHANGE_UPDATE || !has_zero_key(change->table, change->values))
            fail_msg("at %lld (%d): %s was %s, and nobody says so", (long long)change->position, change->kind, key,
                     had->row);
    }
    if (change->kind == CAPTURE_CHANGE_DELETE && had == NULL)
        fail_msg("at %lld: %s goes and never came", (long long)change->position, key);
    model->updates += change->kind == CAPTURE_CHANGE_UPDATE && before != NULL;
    model->deletes += change->kind == CAPTURE_CHANGE_DELETE;
    if (had != NULL)
        forget(model, had);
    if (change->kind != CAPTURE_CHANGE_DELETE) {
        assert_true(base_grow((void **)&model->pairs, &model->room, model->count + 1, sizeof *model->pairs));
        model->pairs[model->count++] =
            (struct pair){.key = base_strdup(key), .row = text_of(change->table, change->values, false)};
    }
    base_free(before);
    base_free(key);
}

static void learn_table(struct model *model, const struct source_table *table)
{
    struct base_buffer sql = {0};
    for (uint32_t c = 0; c < table->column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "SELECT " : ",");
        if (table->columns[c].is_rowid)
            base_buffer_text(&sql, "rowid");
        else
            base_buffer_identifier(&sql, table->columns[c].name);
    }
    base_buffer_text(&sql, " FROM t");
    base_free(model->select);
    model->select = base_buffer_take(&sql);
}

static void must_be_in_table(struct model *model, struct oltp_test *test)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    size_t rows = 0;
    assert_int_equal(oltp_read(test->oltp, model->select, strlen(model->select), NULL, 0, NULL, true, &cursor, &error),
                     RHEI_OK);
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW) {
        struct base_buffer out = {0};
        for (uint32_t i = 0; i < oltp_cursor_column_count(cursor); i++) {
            struct rhei_value value;
            oltp_cursor_value(cursor, i, &value);
            put_value(&out, &value);
        }
        bool there = false;
        for (size_t i = 0; i < model->count && !there; i++)
            there = strcmp(model->pairs[i].row, out.data) == 0;
        for (size_t i = 0; i < model->count && !there; i++)
            print_message("told: %s\n", model->pairs[i].row);
        if (!there)
            fail_msg("the table has %s, which nobody told", out.data);
        base_buffer_reset(&out);
        rows++;
    }
    oltp_cursor_close(&cursor);
    assert_int_equal(rows, model->count);
}

/* Everything that was committed. */
static void catch_up(struct model *model, struct oltp_test *test)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct capture_change *change = NULL;
    rhei_status status;
    while ((status = capture_changes_next(model->changes, &change, &error)) == RHEI_ROW) {
        bool ours = change->name != NULL && strcmp(change->name, "t") == 0;
        if (change->kind == CAPTURE_CHANGE_TABLE && ours)
            learn_table(model, change->table);
        else if (change->kind == CAPTURE_CHANGE_LOST)
            fail_msg("%s is lost: %s", change->name == NULL ? "everything" : change->name, change->reason);
        else if (change->values != NULL && ours)
            take_row(model, change);
    }
    assert_int_equal(status, RHEI_DONE);
    must_be_in_table(model, test);
}

static void begin(struct model *model, struct oltp_test *test)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct capture_changes_config config = {.after = 0, .most_rows = 7}; /* units are read in parts */
    *model = (struct model){0};
    assert_int_equal(capture_changes_open(test->oltp, &config, &model->changes, &error), RHEI_OK);
    catch_up(model, test);
}

static void finish(struct model *model)
{
    while (model->count > 0)
        forget(model, &model->pairs[0]);
    base_free(model->pairs);
    base_free(model->select);
    capture_changes_close(&model->changes);
}

/* ---- Random statements. ------------------------------------------------------------------------------------------ */

/* Each has columns id, k, v and x; a hidden rowid stays where it is, but for statements that say so. */
static const char *const shapes[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE, v, x REAL)",
    "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, k, v, x TEXT, UNIQUE(k, v)); CREATE UNIQUE INDEX u ON t(v, "
    "x)",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k, v UNIQUE, x, g AS (k || 'g') VIRTUAL, s AS (v) STORED); "
    "CREATE UNIQUE INDEX u ON t(k) WHERE v > 2",
    "CREATE TABLE t(id, k, v, x)",
    "CREATE TABLE t(id TEXT NOT NULL PRIMARY KEY, k UNIQUE, v, x)",
    "CREATE TABLE t(id PRIMARY KEY NOT NULL, k, v, x)",
    "CREATE TABLE t(id NUMERIC NOT NULL, k NOT NULL DEFAULT 'd', v, x, PRIMARY KEY(id, k))",
    "CREATE TABLE t(id INT PRIMARY KEY, k UNIQUE, v, x REAL) WITHOUT ROWID",
    "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY, k UNIQUE, v, x) WITHOUT ROWID",
    "CREATE TABLE t(id, k, v UNIQUE, x, PRIMARY KEY(k, id)) WITHOUT ROWID",
    "CREATE TABLE t(id TEXT, k INT NOT NULL DEFAULT 3, v, x, PRIMARY KEY(id COLLATE RTRIM, k)) WITHOUT ROWID",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE ON CONFLICT REPLACE, v NOT NULL ON CONFLICT REPLACE DEFAULT 1 "
    "UNIQUE, x)",
};

static const char *const values[] = {"1",
                                     "2",
                                     "3",
                                     "4",
                                     "5",
                                     "6",
                                     "1.0",
                                     "'a'",
                                     "'A'",
                                     "'a '",
                                     "x'61'",
                                     "-0.0",
                                     "0.0",
                                     "0",
                                     "''",
                                     "x''",
                                     "2.5",
                                     "'1'",
                                     "1e300",
                                     "NULL",
                                     "9223372036854775807",
                                     "0.1",
                                     "'b'",
                                     "'c\xc3\xa9'",
                                     "CAST(x'ff00fe' AS TEXT)",
                                     "1e999",
                                     "zeroblob(9)",
                                     "'d'"};

static const char *value(uint64_t *seed)
{
    return values[test_pick(seed, sizeof values / sizeof *values)];
}

static void make_statement(uint64_t *seed, bool rowids, struct base_buffer *sql)
{
    static const char *const conflicts[] = {"OR REPLACE", "OR REPLACE", "OR REPLACE", "OR IGNORE", "", "OR FAIL"};
    const char *conflict = conflicts[test_pick(seed, 6)];
    uint32_t a = test_pick(seed, 7);
    switch (test_pick(seed, 11)) {
    case 0:
    case 1:
        base_buffer_format(sql, "INSERT %s INTO t(id, k, v, x) VALUES(%u, %s, %s, %s), (%u, %s, %s, %s)", conflict, a,
                           value(seed), value(seed), value(seed), (a + 3) % 7, value(seed), value(seed), value(seed));
        break;
    case 2:
        base_buffer_format(sql, "INSERT %s INTO t(id, k, v, x) VALUES(%s, %s, %s, %s)", conflict, value(seed),
                           value(seed), value(seed), value(seed));
        break;
    case 3:
        base_buffer_format(sql, "INSERT %s INTO t(k, v, x) SELECT %s, %s, x FROM t LIMIT 2", conflict, value(seed),
                           value(seed));
        break;
    case 4:
        base_buffer_format(sql, "UPDATE %s t SET k = %s, v = %s WHERE id = %u", conflict, value(seed), value(seed), a);
        break;
    case 5:
        base_buffer_format(sql, "UPDATE %s t SET id = %s, x = %s WHERE k IN (%s, %s)", conflict, value(seed),
                           value(seed), value(seed), value(seed));
        break;
    case 6:
        base_buffer_format(sql, "DELETE FROM t WHERE id = %u OR k = %s", a, value(seed));
        break;
    case 7:
        base_buffer_format(sql,
                           "INSERT INTO t(id, k, v, x) VALUES(%u, %s, %s, %s) ON CONFLICT DO UPDATE SET x = %s, k = %s",
                           a, value(seed), value(seed), value(seed), value(seed), value(seed));
        break;
    case 8:
        base_buffer_format(sql, "UPDATE %s t SET x = %s, v = v", conflict, value(seed));
        break;
    case 9:
        base_buffer_format(sql, "UPDATE %s t SET id = id + 1 WHERE typeof(id) = 'integer' AND id < 6", conflict);
        break;
    default:
        if (rowids)
            base_buffer_format(sql, "UPDATE %s t SET rowid = (rowid + %u) %% 9 WHERE id = %u", conflict, a, a);
        else
            base_buffer_format(sql, "DELETE FROM t WHERE v = %s", value(seed));
        break;
    }
}

/* By the stock shell, of several statements within a transaction, of which some are taken back. */
static void run_by_others(struct oltp_test *test, uint64_t *seed, bool rowids)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "BEGIN;\n");
    for (int i = 0; i < 3; i++) {
        bool back = test_pick(seed, 3) == 0;
        base_buffer_text(&sql, back ? "SAVEPOINT s;\n" : "");
        make_statement(seed, rowids, &sql);
        base_buffer_text(&sql, back ? ";\nROLLBACK TO s;\n" : ";\n");
    }
    base_buffer_text(&sql, "COMMIT;\n");
    test_shell_script(test, sql.data, sql.len);
    base_buffer_reset(&sql);
}

/* How many updates and deletions had their row. */
static uint64_t run_shape(const char *shape, uint64_t seed, const char *encoding)
{
    struct oltp_test test;
    struct model model;
    bool rowids = strstr(shape, "WITHOUT ROWID") == NULL;
    test_open(&test);
    if (encoding != NULL) {
        test_shut(&test);
        remove(test.path);
        assert_int_equal(test_shell(&test, encoding), 0);
        test.oltp = NULL;
    }
    test_reopen_keeping(&test, true);
    test_script(&test, shape);
    assert_int_equal(test_shell(&test, "INSERT INTO t(id, k, v, x) SELECT 1, 1, 1, 1 WHERE 0; "
                                       "UPDATE t SET id = id, k = k, v = v, x = x WHERE 0; DELETE FROM t WHERE 0"),
                     0); /* other programs can prepare what the triggers say */
    begin(&model, &test);
    for (int round = 0; round < ROUNDS; round++) {
        struct base_buffer sql = {0};
        if (round % 12 == 11) {
            run_by_others(&test, &seed, rowids);
        } else {
            make_statement(&seed, rowids, &sql);
            if (getenv("RHEI_TEST_SEED") != NULL)
                print_message("%s\n", sql.data);
            (void)test_try(&test, sql.data, NULL); /* a constraint refuses many */
        }
        base_buffer_reset(&sql);
        if (test_pick(&seed, 3) > 0) /* else the unit is of several transactions */
            catch_up(&model, &test);
    }
    catch_up(&model, &test);
    uint64_t whole = model.updates + model.deletes;
    finish(&model);
    test_close(&test);
    return whole;
}

static void test_a8_before_images_are_what_was_told_before(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t start = given != NULL ? strtoull(given, NULL, 10) : 20261201;
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
        for (uint64_t i = 0; i < 4; i++) {
            print_message("shape %zu seed %" PRIu64 "\n", shape, start + i);
            run_shape(shapes[shape], start + i, i == 3 ? "PRAGMA encoding = 'UTF-16le'; CREATE TABLE plain(a)" : NULL);
        }
    }
}

/* `id`, `k`, `v`, `x` and as many columns as make `columns` with the rowid, if there is one; `tail`: the key. */
static void wide_shape(char *sql, size_t room, unsigned columns, const char *tail)
{
    size_t used = (size_t)snprintf(sql, room, "CREATE TABLE t(id NOT NULL, k NOT NULL DEFAULT 3, v UNIQUE, x");
    for (unsigned c = 5; c <= columns; c++)
        used += (size_t)snprintf(sql + used, room - used, ", p%u DEFAULT %u", c, c * 7);
    (void)snprintf(sql + used, room - used, "%s", tail);
}

/* As wide as tables that are logged by their rows can be. */
static void test_a8_before_images_of_the_widest_tables(void **state)
{
    (void)state;
    static const struct {
        unsigned columns;
        const char *tail;
    } wide[] = {{63, ", PRIMARY KEY(id, k))"},
                {62, ", UNIQUE(p6, id), PRIMARY KEY(k, id, p7))"},
                {64, ", PRIMARY KEY(id, k)) WITHOUT ROWID"},
                {63, ")"}};
    char shape[4000], key[1200] = ", PRIMARY KEY(id, k";
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        wide_shape(shape, sizeof shape, wide[i].columns, wide[i].tail);
        print_message("%u columns%s\n", wide[i].columns, wide[i].tail);
        assert_true(run_shape(shape, 20261201 + i, NULL) > 10);
    }
    for (unsigned c = 5; c <= 63; c++)
        (void)snprintf(key + strlen(key), sizeof key - strlen(key), ", p%u", c);
    (void)snprintf(key + strlen(key), sizeof key - strlen(key), ", v, x))");
    wide_shape(shape, sizeof shape, 63, key);
    print_message("63 columns that are all of the key\n");
    assert_true(run_shape(shape, 20261201, NULL) > 10);
}

/* Looks that came to nothing are rows of the log, and no events: however many there are, what is behind them is told. */
static void test_a8_a_unit_goes_on_behind_many_looks(void **state)
{
    (void)state;
    struct oltp_test test;
    struct model model;
    test_open(&test);
    test_reopen_keeping(&test, true);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE, v, x); INSERT INTO t VALUES(1, 1, 1, 1)");
    begin(&model, &test);
    test_write(&test, "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
                      "INSERT OR IGNORE INTO t SELECT i, 1, i, i FROM n");
    test_write(&test, "UPDATE t SET x = 2");
    catch_up(&model, &test);
    assert_int_equal(model.updates, 1);
    finish(&model);
    test_close(&test);
}

/* OR IGNORE left a row with a REAL zero in its key, which no later statement says is gone. */
static void test_c4_a_look_at_a_zero_that_stays(void **state)
{
    (void)state;
    static const char *const tables[] = {"CREATE TABLE t(id PRIMARY KEY NOT NULL, k, v, x)",
                                         "CREATE TABLE t(id PRIMARY KEY, k, v, x) WITHOUT ROWID"};
    for (size_t i = 0; i < 2; i++) {
        struct oltp_test test;
        struct model model;
        test_open(&test);
        test_reopen_keeping(&test, true);
        test_script(&test, tables[i]);
        begin(&model, &test);
        test_write(&test, "INSERT INTO t VALUES(-0.0, 1, 1, 1)");
        test_write(&test, "INSERT OR IGNORE INTO t VALUES(0.0, 2, 2, 2)");
        test_write(&test, "INSERT INTO t VALUES(3, 3, 3, 3)");
        catch_up(&model, &test);
        assert_int_equal(model.deletes, 0);
        test_write(&test, "INSERT OR REPLACE INTO t VALUES(0.0, 4, 4, 4)");
        catch_up(&model, &test);
        assert_int_equal(model.deletes, 1);
        finish(&model);
        test_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a8_before_images_of_the_widest_tables),
        cmocka_unit_test(test_a8_a_unit_goes_on_behind_many_looks),
        cmocka_unit_test(test_c4_a_look_at_a_zero_that_stays),
        cmocka_unit_test(test_a8_before_images_are_what_was_told_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
