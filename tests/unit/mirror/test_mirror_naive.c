/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two executors' worth of proof for one scan: the naive executor over snapshots of a mirror against SQLite over tables that had the
 * same changes. Random tables, batches from one row to many, deletions, clears, rows still in the tail, small segments, snapshots that
 * are held while the tables go on, ranges. RHEI_MIRROR_SEED repeats one seed.
 */
#include "mirror_model.h"

#include <sqlite3.h>

#include "../../support/naive_executor.h"
#include "arrow/arrow_cursor.h"
#include "base/base_buffer.h"
#include "base/base_clock.h"

enum { TABLES = 2, COLUMNS = 4, STEPS = 60, HELD = 4, MOST_ROWS = 3000, ROUNDS = 12 };

enum kind { INTEGERS, BIG_INTEGERS, REALS, TEXTS, BLOBS, ANY, KINDS };

struct held {
    struct mirror_snapshot snapshot;
    int number; /* of the tables that SQLite kept for it; 0: none */
};

struct pair {
    struct model_random random;
    struct mirror *mirror;
    struct executor *executor;
    sqlite3 *db;
    struct model_table model[TABLES];
    struct model_batch batch[TABLES];
    enum kind kinds[COLUMNS];
    uint32_t keys;
    uint64_t key_space;
    struct held held[HELD];
    int snapshots;
    int64_t position;
};

static const uint32_t numbers[TABLES] = {1, 2};

/* ---- Rows. -------------------------------------------------------------------------------------------------------- */

static uint64_t draw(struct pair *pair, uint64_t limit)
{
    return model_below(&pair->random, limit);
}

static struct rhei_value draw_text(struct pair *pair)
{
    static const char *const texts[] = {
        "", "a", "twelve bytes", "a text that is longer than twelve bytes", "7", "gr\xc3\xbc\xc3\x9f"};
    return model_text(texts[draw(pair, sizeof texts / sizeof texts[0])]);
}

static struct rhei_value draw_value(struct pair *pair, enum kind kind)
{
    if (draw(pair, 9) == 0)
        return model_null();
    switch (kind) {
    case INTEGERS:
        return model_integer((int64_t)draw(pair, 40) - 20);
    case BIG_INTEGERS:
        return model_integer((int64_t)draw(pair, 7) - 3 + ((int64_t)1 << (53 + draw(pair, 10))));
    case REALS:
        return model_real(((double)draw(pair, 400) - 200) / 8);
    case TEXTS:
        return draw_text(pair);
    case BLOBS:
        return draw(pair, 4) == 0 ? model_blob("", 0) : model_blob("\0\xff blob", 4 + (uint32_t)draw(pair, 3));
    default:
        return draw_value(pair, (enum kind)draw(pair, ANY));
    }
}

static void draw_row(struct pair *pair, struct rhei_value row[COLUMNS], char key[32])
{
    uint64_t number = draw(pair, pair->key_space);
    row[0] = model_integer((int64_t)number);
    if (pair->keys == 2) {
        snprintf(key, 32, number % 2 ? "k%d" : "a key of many bytes %d", (int)number);
        row[0] = model_text(key);
    }
    for (uint32_t c = 1; c < COLUMNS; c++)
        row[c] = draw_value(pair, pair->kinds[c]);
    if (pair->keys == 2)
        row[1] = model_integer((int64_t)draw(pair, 3));
}

/* ---- SQLite's side. ----------------------------------------------------------------------------------------------- */

static void run(struct pair *pair, const char *format, ...)
{
    char sql[512];
    va_list list;
    va_start(list, format);
    vsnprintf(sql, sizeof sql, format, list);
    va_end(list);
    if (sqlite3_exec(pair->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(pair->db));
}

static void bind(sqlite3_stmt *statement, int at, const struct rhei_value *value)
{
    int rc = value->type == RHEI_NULL      ? sqlite3_bind_null(statement, at)
             : value->type == RHEI_INTEGER ? sqlite3_bind_int64(statement, at, value->as.integer)
             : value->type == RHEI_REAL    ? sqlite3_bind_double(statement, at, value->as.real)
             : value->type == RHEI_TEXT
                 ? sqlite3_bind_text(statement, at, value->as.bytes, (int)value->length, SQLITE_TRANSIENT)
                 : sqlite3_bind_blob(statement, at, value->length > 0 ? value->as.bytes : "", (int)value->length,
                                     SQLITE_TRANSIENT);
    assert_int_equal(rc, SQLITE_OK);
}

static void change_row(struct pair *pair, uint32_t t, uint8_t op, const struct rhei_value *row)
{
    char sql[128];
    sqlite3_stmt *statement = NULL;
    snprintf(sql, sizeof sql,
             op == CHANGE_CLEAR    ? "DELETE FROM t%u"
             : op == CHANGE_UPSERT ? "INSERT OR REPLACE INTO t%u VALUES (?1, ?2, ?3, ?4)"
             : pair->keys == 2     ? "DELETE FROM t%u WHERE c0 = ?1 AND c1 = ?2"
                                   : "DELETE FROM t%u WHERE c0 = ?1",
             numbers[t]);
    assert_int_equal(sqlite3_prepare_v2(pair->db, sql, -1, &statement, NULL), SQLITE_OK);
    for (int i = 0; i < sqlite3_bind_parameter_count(statement); i++)
        bind(statement, i + 1, &row[i]);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

/* ---- Answers, as texts that tell classes apart. ------------------------------------------------------------------- */

static void put_value(struct base_buffer *out, const struct rhei_value *value)
{
    base_buffer_format(out, "|%u:", value->type);
    if (value->type == RHEI_INTEGER)
        base_buffer_format(out, "%lld", (long long)value->as.integer);
    else if (value->type == RHEI_REAL)
        base_buffer_format(out, "%a", value->as.real);
    else if (value->type != RHEI_NULL)
        base_buffer_append(out, value->as.bytes, value->length);
}

static char *answer_of_sqlite(struct pair *pair, const char *sql, const struct rhei_value *values, uint32_t count)
{
    struct base_buffer out = {0};
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(pair->db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(pair->db));
    for (uint32_t v = 0; v < count; v++)
        bind(statement, (int)v + 1, &values[v]);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(statement); c++) {
            struct rhei_value value = {.type = RHEI_NULL};
            int type = sqlite3_column_type(statement, c);
            if (type == SQLITE_INTEGER)
                value = model_integer(sqlite3_column_int64(statement, c));
            else if (type == SQLITE_FLOAT)
                value = model_real(sqlite3_column_double(statement, c));
            else if (type != SQLITE_NULL)
                value = (struct rhei_value){.type = type == SQLITE_TEXT ? RHEI_TEXT : RHEI_BLOB,
                                            .as.bytes = sqlite3_column_blob(statement, c),
                                            .length = (uint32_t)sqlite3_column_bytes(statement, c)};
            put_value(&out, &value);
        }
        base_buffer_char(&out, '\n');
    }
    sqlite3_finalize(statement);
    base_buffer_char(&out, '.');
    return base_buffer_take(&out);
}

static char *answer_of_naive(struct pair *pair, const struct executor_query *query)
{
    struct base_buffer out = {0};
    struct ArrowArrayStream stream = {0};
    struct arrow_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = pair->executor->ops->run(pair->executor, query, &stream, &error);
    if (status == RHEI_OK)
        status = arrow_cursor_open(&stream, &cursor, &error);
    while (status == RHEI_OK && (status = arrow_cursor_next(cursor, &error)) == RHEI_ROW) {
        status = RHEI_OK;
        for (uint32_t c = 0; c < arrow_cursor_column_count(cursor); c++) {
            struct rhei_value value;
            assert_int_equal(arrow_cursor_value(cursor, c, &value, &error), RHEI_OK);
            put_value(&out, &value);
        }
        base_buffer_char(&out, '\n');
    }
    if (status != RHEI_DONE)
        fail_msg("%s: %s", query->sql, error.message);
    arrow_cursor_close(&cursor);
    base_buffer_char(&out, '.');
    return base_buffer_take(&out);
}

/* @1 and @2 are the tables. */
static void write_sql(char out[512], const char *text, const char *prefix, int number)
{
    size_t at = 0;
    for (const char *p = text; *p != '\0' && at < 480; p++) {
        if (*p != '@')
            out[at++] = *p;
        else
            at += (size_t)(number == 0 ? snprintf(out + at, 30, "%s", prefix)
                                       : snprintf(out + at, 30, "%s%d_", prefix, number));
    }
    out[at] = '\0';
}

static void must_be_alike(struct pair *pair, const struct held *held, const char *on_snapshot, const char *on_copy,
                          struct executor_query *query)
{
    char sql[512], own[512];
    write_sql(sql, on_snapshot, "t", 0);
    write_sql(own, on_copy, "s", held->number);
    query->sql = sql;
    query->snapshot = &held->snapshot;
    char *wanted = answer_of_sqlite(pair, own, query->values, query->value_count);
    char *found = answer_of_naive(pair, query);
    assert_non_null(wanted);
    assert_non_null(found);
    if (strcmp(wanted, found) != 0)
        fail_msg("%s:\n%.500s\ninstead of\n%.500s", sql, found, wanted);
    base_free(wanted);
    base_free(found);
}

/* ---- Statements. -------------------------------------------------------------------------------------------------- */

static void check_statements(struct pair *pair, const struct held *held)
{
    static const char *const texts[] = {
        "SELECT * FROM @1 ORDER BY c0, c1",
        "SELECT count(*), count(c1), count(c2), count(c3), sum(length(c2)) FROM @1",
        "SELECT typeof(c1), typeof(c2), typeof(c3), count(*) FROM @2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        "SELECT a.c0, quote(b.c2), quote(b.c3) FROM @1 a LEFT JOIN @2 b ON a.c0 = b.c0 ORDER BY a.c0, a.c1, b.c1",
        "SELECT c0 FROM @1 WHERE c0 NOT IN (SELECT c0 FROM @2) ORDER BY c0, c1",
        "SELECT (SELECT count(*) FROM @2 b WHERE b.c0 < a.c0) FROM @1 a ORDER BY c0, c1 LIMIT 20",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        must_be_alike(pair, held, texts[i], texts[i], &(struct executor_query){0});
    struct rhei_value values[] = {model_integer((int64_t)draw(pair, 20)), draw_value(pair, ANY)};
    static const char with_values[] = "SELECT c0, c1 FROM @1 WHERE c1 < ?1 OR c3 IS ?2 ORDER BY c0, c1";
    must_be_alike(pair, held, with_values, with_values, &(struct executor_query){.values = values, .value_count = 2});
}

static struct rhei_value draw_end(struct pair *pair, enum kind kind)
{
    struct rhei_value value = draw_value(pair, kind);
    for (int tries = 0; tries < 50 && value.type >= RHEI_TEXT; tries++)
        value = draw_value(pair, kind);
    return value.type >= RHEI_TEXT ? model_real(0.5) : value;
}

/* What the scan leaves away by its ranges is what SQLite leaves away by conditions; the statement itself has none. */
static void check_ranges(struct pair *pair, const struct held *held)
{
    struct executor_range ranges[2];
    struct rhei_value values[4];
    uint32_t count = 1 + (uint32_t)draw(pair, 2);
    char where[400] = "";
    for (uint32_t r = 0; r < count; r++) {
        uint32_t column = (uint32_t)draw(pair, COLUMNS);
        enum kind kind = draw(pair, 5) == 0 ? REALS : column == 0 ? INTEGERS : pair->kinds[column];
        struct rhei_value low = draw_end(pair, kind), high = draw_end(pair, kind);
        ranges[r] = (struct executor_range){.scan = 0, .column = column, .low = low, .high = high};
        values[2 * r] = low;
        values[2 * r + 1] = high;
        snprintf(
            where + strlen(where), sizeof where - strlen(where),
            "%s typeof(c%u) IN ('integer', 'real') AND (?%u IS NULL OR c%u >= ?%u) AND (?%u IS NULL OR c%u <= ?%u)",
            r == 0 ? "" : " AND", column, 2 * r + 1, column, 2 * r + 1, 2 * r + 2, column, 2 * r + 2);
        if (low.type == RHEI_NULL && high.type == RHEI_NULL) /* no range at all: what it leaves away isn't said */
            return;
    }
    struct executor_query query = {.ranges = ranges, .range_count = count, .values = values, .value_count = 2 * count};
    char copied[512];
    snprintf(copied, sizeof copied, "SELECT * FROM @1 WHERE %s ORDER BY c0, c1", where);
    must_be_alike(pair, held, "SELECT * FROM @1 ORDER BY c0, c1", copied, &query);
}

/* ---- Both sides change. ------------------------------------------------------------------------------------------- */

static void change(struct pair *pair)
{
    static const uint32_t sizes[] = {1, 1, 10, 100, MOST_ROWS};
    static char keys[MOST_ROWS][32];
    uint32_t t = (uint32_t)draw(pair, TABLES);
    uint64_t rows = 1 + draw(pair, sizes[draw(pair, 5)]), deletes = draw(pair, 3) == 0 ? 70 : 15;
    struct model_batch *batch = &pair->batch[t];
    batch->batch.row_count = 0;
    run(pair, "BEGIN");
    for (uint64_t i = 0; i < rows; i++) {
        struct rhei_value row[COLUMNS];
        uint8_t op = draw(pair, 100) < deletes ? CHANGE_DELETE : draw(pair, 4000) == 0 ? CHANGE_CLEAR : CHANGE_UPSERT;
        draw_row(pair, row, keys[i % MOST_ROWS]);
        model_batch_add(batch, op, row);
        change_row(pair, t, op, row);
    }
    run(pair, "COMMIT");
    assert_int_equal(mirror_apply(pair->mirror, &batch->batch, NULL, NULL), RHEI_OK);
}

static void let_go(struct pair *pair, struct held *held)
{
    if (held->number == 0)
        return;
    mirror_snapshot_release(&held->snapshot);
    for (uint32_t t = 0; t < TABLES; t++)
        run(pair, "DROP TABLE s%d_%u", held->number, numbers[t]);
    held->number = 0;
}

static void hold(struct pair *pair)
{
    struct held *held = &pair->held[draw(pair, HELD)];
    let_go(pair, held);
    assert_int_equal(mirror_publish(pair->mirror, ++pair->position, NULL), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(pair->mirror, &held->snapshot), RHEI_OK);
    held->number = ++pair->snapshots;
    for (uint32_t t = 0; t < TABLES; t++)
        run(pair, "CREATE TABLE s%d_%u AS SELECT * FROM t%u", held->number, numbers[t], numbers[t]);
}

static void compact(struct pair *pair)
{
    struct mirror_compaction *compaction = NULL;
    assert_int_equal(mirror_compact_prepare(pair->mirror, &compaction, NULL), RHEI_OK);
    if (compaction != NULL)
        assert_int_equal(mirror_compact_swap(pair->mirror, &compaction, NULL), RHEI_OK);
}

static void open_pair(struct pair *pair, uint64_t seed)
{
    memset(pair, 0, sizeof *pair);
    pair->random.state = seed;
    pair->keys = 1 + (uint32_t)draw(pair, 2);
    pair->key_space = draw(pair, 2) == 0 ? 300 : 5000;
    for (uint32_t c = 0; c < COLUMNS; c++)
        pair->kinds[c] = (enum kind)draw(pair, KINDS);
    if (pair->keys == 2)
        pair->kinds[1] = INTEGERS;
    assert_int_equal(mirror_open(NULL, &pair->mirror, NULL), RHEI_OK);
    if (draw(pair, 2) == 0) {
        pair->mirror->first_rows = MIRROR_VECTOR_ROWS;
        pair->mirror->segment_rows = MIRROR_VECTOR_ROWS * (1 + (uint32_t)draw(pair, 2));
    }
    assert_int_equal(sqlite3_open(":memory:", &pair->db), SQLITE_OK);
    for (uint32_t t = 0; t < TABLES; t++) {
        model_init(&pair->model[t], numbers[t], COLUMNS, pair->keys, pair->keys == 1);
        pair->model[t].definition.name = t == 0 ? "t1" : "t2";
        model_batch_init(&pair->batch[t], numbers[t], COLUMNS, MOST_ROWS + 1);
        model_attach(pair->mirror, &pair->model[t]);
        run(pair,
            pair->keys == 1 ? "CREATE TABLE t%u(c0 INTEGER PRIMARY KEY, c1, c2, c3)"
                            : "CREATE TABLE t%u(c0, c1, c2, c3, PRIMARY KEY(c0, c1))",
            numbers[t]);
    }
    pair->executor = naive_executor_open(numbers, TABLES);
    assert_non_null(pair->executor);
}

static void close_pair(struct pair *pair)
{
    for (int h = 0; h < HELD; h++)
        let_go(pair, &pair->held[h]);
    pair->executor->ops->close(&pair->executor);
    assert_null(pair->executor);
    mirror_close(&pair->mirror);
    for (uint32_t t = 0; t < TABLES; t++) {
        model_reset(&pair->model[t]);
        model_batch_reset(&pair->batch[t]);
    }
    sqlite3_close(pair->db);
}

static void test_q2_the_naive_executor_answers_as_sqlite(void **state)
{
    (void)state;
    const char *given = getenv("RHEI_MIRROR_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : base_random_u64() >> 16;
    for (int round = 0; round < (given != NULL ? 1 : ROUNDS); round++, seed++) {
        static struct pair pair;
        print_message("# seed %llu\n", (unsigned long long)seed);
        open_pair(&pair, seed);
        for (int step = 0; step < STEPS; step++) {
            uint64_t what = draw(&pair, 10);
            const struct held *held = &pair.held[draw(&pair, HELD)];
            if (what < 5)
                change(&pair);
            else if (what < 7)
                hold(&pair);
            else if (what == 7)
                compact(&pair);
            if (held->number > 0 && what >= 7) {
                check_statements(&pair, held);
                for (int i = 0; i < 4; i++)
                    check_ranges(&pair, held);
            }
        }
        close_pair(&pair);
    }
}

/* ---- As any executor. --------------------------------------------------------------------------------------------- */

static rhei_status stop_now(void *context)
{
    (void)context;
    return RHEI_CANCELLED;
}

static void test_what_it_refuses(void **state)
{
    (void)state;
    static struct pair pair;
    struct ArrowArrayStream stream = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    open_pair(&pair, 7);
    change(&pair);
    hold(&pair);
    const struct held *held = pair.held;
    while (held->number == 0)
        held++;
    struct executor_query query = {.snapshot = &held->snapshot, .sql = "SELECT nothing FROM t1"};
    const struct executor_ops *ops = pair.executor->ops;
    assert_string_equal(ops->dialect, "sqlite");
    assert_int_equal(ops->check(pair.executor, &query, &error), RHEI_SQL);
    assert_int_equal(ops->run(pair.executor, &query, &stream, NULL), RHEI_SQL);
    query.sql = "DELETE FROM t1";
    assert_int_equal(ops->run(pair.executor, &query, &stream, NULL), RHEI_UNSUPPORTED);
    query.sql = "SELECT * FROM t1, t2";
    assert_int_equal(ops->check(pair.executor, &query, NULL), RHEI_OK);
    query.stop.check = stop_now;
    assert_int_equal(ops->run(pair.executor, &query, &stream, NULL), RHEI_CANCELLED);
    query.stop.check = NULL;
    assert_int_equal(ops->run(pair.executor, &query, &stream, NULL), RHEI_OK);
    stream.release(&stream); /* in the middle */
    struct executor_status status;
    ops->status(pair.executor, &status);
    assert_int_equal(status.statements, 2);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_the_naive_executor_answers_as_sqlite),
        cmocka_unit_test(test_what_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
