/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where every version of a row is kept (T9 and T11 of capture_triggers.c, V4 of capture_source_versions.c): the table after each statement, as SQLite had
 * it, is what the events up to the log's number of then make, whatever a later statement of the cycle did to the same keys.
 */
#include "oltp/oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "capture/capture_internal.h"

enum { KEYS = 64, STATES = 40 };

static void reopen(struct oltp_test *test, bool keep)
{
    test_reopen_keeping(test, keep);
    if (keep)
        test->source->ops->keep_versions(test->source);
}

/* ---- The table as the events make it: id is its first column, k and v the next. ---------------------------------- */

struct row {
    bool there;
    int64_t cells[3];
};
struct state {
    int64_t position;
    struct row rows[KEYS];
};

static int64_t cell_of(const struct rhei_value *value)
{
    return value->type == RHEI_NULL ? -99 : value->as.integer;
}

static void read_state(struct oltp_test *test, struct state *state)
{
    memset(state, 0, sizeof *state);
    state->position = test_int(test, "SELECT ifnull(max(seq), 0) FROM _rhei_cdc_log");
    for (int64_t id = 0; id < KEYS; id++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id = %d", (int)id);
        struct row *row = &state->rows[id];
        row->there = test_int(test, sql) != 0;
        for (int c = 0; c < 3 && row->there; c++) {
            snprintf(sql, sizeof sql, "SELECT ifnull(%s, -99) FROM t WHERE id = %d",
                     c == 0   ? "id"
                     : c == 1 ? "k"
                              : "v",
                     (int)id);
            row->cells[c] = test_int(test, sql);
        }
    }
}

static void apply_row(struct state *state, const struct change_batch *batch, size_t r)
{
    int64_t id = batch->columns[0][r].as.integer;
    assert_true(id >= 0 && id < KEYS);
    struct row *row = &state->rows[id];
    row->there = batch->op == NULL || batch->op[r] == CHANGE_UPSERT;
    for (int c = 0; c < 3 && row->there; c++)
        row->cells[c] = cell_of(&batch->columns[c][r]);
}

static void assert_state(const struct state *is, const struct state *wanted)
{
    for (int id = 0; id < KEYS; id++) {
        const struct row *a = &is->rows[id], *b = &wanted->rows[id];
        if (a->there != b->there || (a->there && memcmp(a->cells, b->cells, sizeof a->cells) != 0)) {
            fail_msg("at %lld: row %d is %d (%lld %lld), not %d (%lld %lld)", (long long)wanted->position, id, a->there,
                     (long long)a->cells[1], (long long)a->cells[2], b->there, (long long)b->cells[1],
                     (long long)b->cells[2]);
        }
    }
}

/* One cycle from the first state on: every state in between is met. True: the table is lost, and its load says what it has. */
static bool replay(struct oltp_test *test, const struct state *states, size_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle;
    struct state now = states[0];
    size_t next = 1, ready = 0;
    bool lost = false;
    const struct change_batch *batches = NULL;
    struct change_source *source = test->source;
    assert_int_equal(source->ops->begin(source, states[0].position, &cycle, NULL, &error), RHEI_OK);
    assert_false(cycle.lost);
    do {
        assert_int_equal(source->ops->next(source, 3, &batches, &ready, &error), RHEI_OK);
        for (size_t b = 0; b < ready; b++) {
            lost |= batches[b].lost != NULL;
            for (size_t r = 0; r < batches[b].row_count; r++) {
                while (next < count && states[next].position < batches[b].seq[r])
                    lost ? (void)next++ : assert_state(&now, &states[next++]);
                apply_row(&now, &batches[b], r);
            }
        }
    } while (ready > 0);
    source->ops->end(source);
    for (; next < count && !lost; next++)
        assert_state(&now, &states[next]);
    return lost;
}

static int64_t begin_here(struct oltp_test *test)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct change_cycle cycle;
    const struct change_batch *batches = NULL;
    size_t ready = 0;
    int64_t after = test_int(test, "SELECT ifnull(max(seq), 0) FROM _rhei_cdc_log");
    assert_int_equal(test->source->ops->begin(test->source, after, &cycle, NULL, &error), RHEI_OK);
    do
        assert_int_equal(test->source->ops->next(test->source, 100, &batches, &ready, &error), RHEI_OK);
    while (ready > 0);
    test->source->ops->end(test->source);
    return after;
}

/* ---- Random statements. ------------------------------------------------------------------------------------------ */

static const char *const shapes[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT UNIQUE, v INT)",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v INT, UNIQUE(k, v)); CREATE UNIQUE INDEX u ON t(k % 7)",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v INT UNIQUE); CREATE UNIQUE INDEX u ON t(k) WHERE v > 2",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v INT); CREATE UNIQUE INDEX u ON t(id % 9)",
    "CREATE TABLE t(id INT PRIMARY KEY, k INT UNIQUE, v INT) WITHOUT ROWID",
    "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT NOT NULL DEFAULT 3 UNIQUE, v INT)",
};

static void make_statement(uint64_t *seed, struct base_buffer *sql)
{
    static const char *const conflicts[] = {"OR REPLACE", "OR REPLACE", "OR IGNORE", "OR IGNORE", "", "OR FAIL"};
    const char *conflict = conflicts[test_pick(seed, 6)];
    uint32_t a = test_pick(seed, 8), b = test_pick(seed, 8), c = test_pick(seed, 5);
    switch (test_pick(seed, 8)) {
    case 0:
    case 1:
        base_buffer_format(sql, "INSERT %s INTO t(id, k, v) VALUES(%u, %u, %u), (%u, %u, %u)", conflict, a, b, c,
                           (a + 3) % 8, (b + 1) % 8, c + 1);
        break;
    case 2:
        base_buffer_format(sql, "INSERT %s INTO t(id, k, v) SELECT ifnull(max(id), 0) + 1, %u, %u FROM t WHERE id < 40",
                           conflict, b, c);
        break;
    case 3:
        base_buffer_format(sql, "UPDATE %s t SET k = %u, v = %u WHERE id = %u", conflict, b, c, a);
        break;
    case 4:
        base_buffer_format(sql, "UPDATE %s t SET id = %u, k = %u WHERE id = %u", conflict, b, c, a);
        break;
    case 5:
        base_buffer_format(sql, "DELETE FROM t WHERE id = %u OR k = %u", a, b);
        break;
    case 6:
        base_buffer_format(sql,
                           "INSERT INTO t(id, k, v) VALUES(%u, %u, %u) ON CONFLICT DO UPDATE SET v = v + 1, k = %u", a,
                           b, c, (b + c) % 8);
        break;
    default:
        base_buffer_format(sql, "UPDATE %s t SET v = v + 1", conflict);
        break;
    }
}

/* `by_others`: the order of the log isn't proven then (R8), so each key is looked at besides. */
static void run_shape(const char *shape, uint64_t seed, bool by_others)
{
    static struct state states[STATES];
    struct oltp_test test;
    test_open(&test);
    reopen(&test, true);
    test_script(&test, shape);
    begin_here(&test);
    for (int round = 0; round < 6; round++) {
        read_state(&test, &states[0]);
        for (int i = 1; i < STATES / 2; i++) {
            struct base_buffer sql = {0};
            make_statement(&seed, &sql);
            if (getenv("RHEI_TEST_SEED") != NULL)
                print_message("%s\n", sql.data);
            if (by_others && i % 5 == 0) {
                base_buffer_char(&sql, ';');
                test_shell_script(&test, sql.data, sql.len);
            } else {
                (void)test_try(&test, sql.data, NULL); /* a constraint refuses many */
            }
            base_buffer_reset(&sql);
            read_state(&test, &states[i]);
        }
        assert_false(replay(&test, states, STATES / 2));
    }
    assert_true(test_int(&test, "SELECT count(*) FROM sqlite_master WHERE name GLOB '_rhei_cdc_*_c[iu]'") == 2);
    test_close(&test);
}

static void test_a9_rows_that_replace_displaced_end_where_they_did(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t start = given != NULL ? strtoull(given, NULL, 10) : 20261129;
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
        for (uint64_t i = 0; i < 6; i++) {
            print_message("shape %zu seed %llu\n", shape, (unsigned long long)(start + i));
            run_shape(shapes[shape], start + i, i == 5);
        }
    }
}

/* By hand: a row goes, comes back and goes on changing, all in one cycle. */
static void test_a9_a_displaced_row_that_comes_back(void **state)
{
    (void)state;
    static struct state states[8];
    static const char *const statements[] = {
        "INSERT OR IGNORE INTO t VALUES(8, 1, 0)",  "UPDATE t SET v = 5 WHERE id = 1",
        "INSERT OR REPLACE INTO t VALUES(2, 1, 2)", "INSERT INTO t VALUES(1, 7, 3)",
        "INSERT OR REPLACE INTO t VALUES(1, 9, 4)", "UPDATE OR REPLACE t SET k = 9 WHERE id = 2",
        "UPDATE t SET id = 1 WHERE id = 2",
    };
    struct oltp_test test;
    test_open(&test);
    reopen(&test, true);
    test_script(&test, "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT UNIQUE, v INT); INSERT INTO t VALUES(1, 1, 1)");
    begin_here(&test);
    read_state(&test, &states[0]);
    for (int i = 0; i < 7; i++) {
        test_write(&test, statements[i]);
        read_state(&test, &states[i + 1]);
    }
    test_expect(&test, "SELECT op, c1 FROM _rhei_cdc_log WHERE op IN ('C', 'D', 'E', 'O') ORDER BY seq DESC LIMIT 6",
                "'D'|2\n'D'|1\n'E'|1\n'O'|1\n'C'|1\n'D'|1\n");
    assert_false(replay(&test, states, 8));
    test_close(&test);
}

/* A TEMP trigger that ends the row leaves a displaced row that nobody says is gone: it goes at the cycle's end. */
static void test_a10_a_displaced_row_that_nobody_told(void **state)
{
    (void)state;
    struct state states[2];
    struct oltp_test test;
    test_open(&test);
    reopen(&test, true);
    test_script(
        &test, "CREATE TABLE t(id INTEGER PRIMARY KEY, k INT UNIQUE, v INT); INSERT INTO t VALUES(1, 1, 1), (3, 3, 3)");
    begin_here(&test);
    read_state(&test, &states[0]);
    assert_int_equal(test_shell(&test, "CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT RAISE(IGNORE); END;"
                                       "INSERT OR REPLACE INTO t VALUES(2, 1, 2)"),
                     0);
    read_state(&test, &states[1]);
    states[1].rows[2].there = false; /* the new row has no event: by its pages more rows are there than were told */
    assert_false(replay(&test, states, 2));
    test_close(&test);
}

/* Tables without versions have the triggers that they had; and engines that keep none leave those of others alone. */
static void test_a9_only_tables_with_versions_pay(void **state)
{
    (void)state;
    struct oltp_test test;
    test_open(&test);
    reopen(&test, true);
    test_script(
        &test,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k UNIQUE); CREATE TABLE plain(id INTEGER PRIMARY KEY, k UNIQUE)");
    static const char count[] =
        "SELECT group_concat(substr(name, -2), ' ') FROM (SELECT name FROM sqlite_master WHERE type = "
        "'trigger' AND tbl_name = '%s' ORDER BY rowid)";
    char t[200], plain[200];
    snprintf(t, sizeof t, count, "t");
    snprintf(plain, sizeof plain, count, "plain");
    test_expect(&test, plain, "'bi bu ai au ak ad'\n");
    test_expect(&test, t, "'bi bu ai ci au ak cu ad'\n");
    int64_t cookie = test_int(&test, "PRAGMA schema_version");
    reopen(&test, false);
    test_write(&test, "INSERT INTO t VALUES(1, 1)");
    test_expect(&test, t, "'bi bu ai ci au ak cu ad'\n");
    assert_int_equal(test_int(&test, "PRAGMA schema_version"), cookie);
    reopen(&test, true);
    assert_int_equal(test_int(&test, "PRAGMA schema_version"), cookie);
    test_write(&test, "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"); /* logged by keys from now on */
    test_expect(&test, t, "'x bi bu ai au ak ad'\n");
    test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a9_a_displaced_row_that_comes_back),
        cmocka_unit_test(test_a10_a_displaced_row_that_nobody_told),
        cmocka_unit_test(test_a9_only_tables_with_versions_pay),
        cmocka_unit_test(test_a9_rows_that_replace_displaced_end_where_they_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
