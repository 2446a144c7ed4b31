/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow streams into tables, and the statements of a text: what doors need. */
#include "tests/support/engine_fixture.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rhei/rhei_doors.h"

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, i, r REAL, s TEXT, b BLOB, DATE_ DATE)");
    must_execute(fixture.db,
                 "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) INSERT INTO t "
                 "SELECT x, iif(x % 3 = 0, 'word ' || x, iif(x % 5 = 0, NULL, x * 7)), x / 8.0, printf('text %d of "
                 "some length', x), "
                 "zeroblob(x % 5), date(x * 86400, 'unixepoch') FROM n");
    return 0;
}

static struct ArrowArrayStream stream_of(const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    if (rhei_query_arrow(fixture.db, sql, NULL, NULL, &stream, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return stream;
}

static rhei_status ingest(const char *sql, const char *table, int mode, uint64_t chunk, int64_t *rows,
                          struct rhei_error *error)
{
    struct ArrowArrayStream stream = stream_of(sql);
    struct rhei_ingest_options options = {.struct_size = sizeof options, .mode = mode, .chunk_rows = chunk};
    struct rhei_ingest_result result = {.struct_size = sizeof result};
    rhei_status status = rhei_ingest_arrow(fixture.db, table, &stream, &options, &result, error);
    assert_null(stream.release);
    assert_int_equal(result.struct_size, sizeof result);
    *rows = result.rows;
    return status;
}

static void must_ingest(const char *sql, const char *table, int mode, uint64_t chunk, int64_t expected)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    int64_t rows;
    if (ingest(sql, table, mode, chunk, &rows, &error) != RHEI_OK)
        fail_msg("%s into %s: %s", sql, table, error.message);
    assert_int_equal(rows, expected);
}

static int64_t number(const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(fixture.db, sql, NULL, NULL, &rows, &error) != RHEI_OK || rhei_rows_next(rows, &error) != RHEI_ROW)
        fail_msg("%s: %s", sql, error.message);
    int64_t value = rhei_rows_int64(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

static void must_be_as_t(const char *table)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM t JOIN %s AS u USING (id) WHERE t.i IS u.i AND typeof(t.i) = typeof(u.i) AND "
                   "t.r IS u.r AND "
                   "t.s IS u.s AND t.b IS u.b AND typeof(u.b) = 'blob' AND t.DATE_ IS u.DATE_",
                   table);
    assert_int_equal(number(sql), 10000);
}

static void test_every_value_stays_what_it_is(void **state)
{
    (void)state;
    must_ingest("SELECT * FROM t", "copy", RHEI_INGEST_CREATE, 0, 10000);
    must_be_as_t("copy");
    must_ingest("SELECT s, b, i, DATE_, r, id FROM t", "copy", RHEI_INGEST_REPLACE, 1000, 10000);
    must_be_as_t("copy");
    must_execute(fixture.db, "CREATE TABLE \"od d\" (extra DEFAULT 5, b, r, s, i, id INTEGER PRIMARY KEY, DATE_)");
    must_ingest("SELECT * FROM t", "od d", RHEI_INGEST_APPEND, 777, 10000);
    must_be_as_t("\"od d\"");
    assert_int_equal(number("SELECT count(*) FROM \"od d\" WHERE extra = 5"), 10000);
    must_ingest("SELECT id + 10000 AS ID, i FROM t LIMIT 10", "od d", RHEI_INGEST_CREATE_APPEND, 0, 10);
    assert_int_equal(number("SELECT count(*) FROM \"od d\""), 10010);
    must_ingest("SELECT 1 AS one WHERE 0", "none", RHEI_INGEST_CREATE, 0, 0);
    assert_int_equal(number("SELECT count(*) FROM none"), 0);
}

/* How many numbers of the column are zeros with a sign, and how many of any class but NULL are no REALs. */
static void count_zeros(const char *table, const char *column, int *signs, int *others)
{
    char sql[200];
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    rhei_status status;
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE %s IS NOT NULL", column, table, column);
    assert_int_equal(rhei_query(fixture.db, sql, NULL, NULL, &rows, &error), RHEI_OK);
    *signs = *others = 0;
    while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW) {
        struct rhei_value value = rhei_rows_value(rows, 0);
        *others += value.type != RHEI_REAL;
        *signs += value.type == RHEI_REAL && value.as.real == 0 && signbit(value.as.real);
    }
    assert_int_equal(status, RHEI_DONE);
    rhei_rows_close(&rows);
}

/* SQLite keeps 0 of a REAL column as an integer, without a sign: the type of a made column that needs it is left out. */
static void test_q2_a_table_that_is_made_keeps_the_sign_of_zeros(void **state)
{
    (void)state;
    static const char rows[] =
        "SELECT id, CASE id WHEN %d THEN -0.0 ELSE r END AS z, CASE id WHEN 3 THEN 0.0 ELSE r * 8 END AS r, "
        "CASE id WHEN 9990 THEN -0.0 WHEN 4 THEN 0.0 END AS late, s FROM t";
    static const int modes[] = {RHEI_INGEST_CREATE, RHEI_INGEST_REPLACE, RHEI_INGEST_CREATE_APPEND};
    static const int first[] = {1, 2500, 10000};
    for (int i = 0; i < 9; i++) {
        char sql[400];
        int signs, others;
        must_execute(fixture.db, "DROP TABLE IF EXISTS zeros");
        (void)snprintf(sql, sizeof sql, rows, first[i % 3]);
        must_ingest(sql, "zeros", modes[i / 3], i % 2 == 0 ? 0 : 700, 10000);
        count_zeros("zeros", "z", &signs, &others);
        assert_int_equal(signs, 1);
        assert_int_equal(others, 0);
        count_zeros("zeros", "late", &signs, &others);
        assert_int_equal(signs, 1);
        assert_int_equal(others, 0);
        count_zeros("zeros", "r", &signs, &others);
        assert_int_equal(signs, 0);
        assert_int_equal(others, 0);
        assert_int_equal(number("SELECT count(*) FROM pragma_table_info('zeros') WHERE name = 'r' AND type = 'REAL'"),
                         1);
        assert_int_equal(number("SELECT count(*) FROM t JOIN zeros AS z USING (id) WHERE t.s IS z.s AND z.rowid = id"),
                         10000);
        assert_int_equal(number("SELECT sum(id) = (SELECT sum(id) FROM t) FROM zeros"), 1);
        assert_int_equal(number("SELECT count(*) FROM temp.sqlite_schema"), 0);
    }
    must_execute(fixture.db, "DROP TABLE zeros");
}

/* Batches of one stream behind those of another: big ones, whose text is borrowed, between small ones, whose text is copied. */
struct chain {
    struct ArrowArrayStream parts[5];
    int at;
};

static int chain_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    struct chain *chain = self->private_data;
    return chain->parts[0].get_schema(&chain->parts[0], out);
}

static int chain_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct chain *chain = self->private_data;
    int code;
    do
        code = chain->parts[chain->at].get_next(&chain->parts[chain->at], out);
    while (code == 0 && out->release == NULL && ++chain->at < 5);
    return code;
}

static const char *chain_error(struct ArrowArrayStream *self)
{
    struct chain *chain = self->private_data;
    return chain->parts[chain->at].get_last_error(&chain->parts[chain->at]);
}

static void chain_release(struct ArrowArrayStream *self)
{
    struct chain *chain = self->private_data;
    for (int i = 0; i < 5; i++)
        chain->parts[i].release(&chain->parts[i]);
    self->release = NULL;
}

static void test_batches_of_any_size_make_the_same_table(void **state)
{
    (void)state;
    static const uint64_t chunks[] = {0, 1, 500, 3001};
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct chain chain = {.parts = {stream_of("SELECT * FROM t WHERE id <= 7"),
                                        stream_of("SELECT * FROM t WHERE id > 7 AND id <= 5000"),
                                        stream_of("SELECT * FROM t WHERE id > 5000 AND id <= 5900"),
                                        stream_of("SELECT * FROM t WHERE id > 5900 AND id <= 5910"),
                                        stream_of("SELECT * FROM t WHERE id > 5910")}};
        struct ArrowArrayStream stream = {chain_schema, chain_next, chain_error, chain_release, &chain};
        struct rhei_ingest_options options = {
            .struct_size = sizeof options, .mode = RHEI_INGEST_REPLACE, .chunk_rows = chunks[c]};
        struct rhei_ingest_result result = {.struct_size = sizeof result};
        if (rhei_ingest_arrow(fixture.db, "chained", &stream, &options, &result, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        assert_int_equal(result.rows, 10000);
        must_be_as_t("chained");
    }
}

static void test_an_upsert_changes_what_is_given(void **state)
{
    (void)state;
    must_execute(fixture.db,
                 "CREATE TABLE u (id INTEGER, k TEXT, v, kept DEFAULT 'x', PRIMARY KEY (k, id)) WITHOUT ROWID");
    must_execute(fixture.db, "INSERT INTO u SELECT id, 'a', -1, 'mine' FROM t WHERE id <= 100");
    must_ingest("SELECT id, 'a' AS k, id * 2 AS v FROM t WHERE id <= 200", "u", RHEI_INGEST_UPSERT, 0, 200);
    assert_int_equal(number("SELECT count(*) FROM u WHERE v = id * 2 AND kept = iif(id <= 100, 'mine', 'x')"), 200);
    must_ingest("SELECT id, 'a' AS k FROM t WHERE id <= 300", "u", RHEI_INGEST_UPSERT, 50, 300);
    assert_int_equal(number("SELECT count(*) FROM u"), 300);
}

/* Leaves rows out as long as `most` allows; checks that they are told in order. */
struct refusals {
    int64_t rows[64];
    int count, most;
    bool rolled_back;
    struct rhei_error last;
};

static bool leave_out(void *context, const struct rhei_ingest_reject *reject)
{
    struct refusals *refusals = context;
    assert_true(refusals->count == 0 || reject->row > refusals->rows[refusals->count - 1]);
    refusals->rows[refusals->count++] = reject->row;
    refusals->rolled_back = reject->rolled_back;
    refusals->last = *reject->error;
    return refusals->count <= refusals->most;
}

static rhei_status ingest_with(const char *sql, struct rhei_ingest_options *options, struct refusals *refusals,
                               struct rhei_ingest_result *result, struct rhei_error *error)
{
    struct ArrowArrayStream stream = stream_of(sql);
    options->struct_size = sizeof *options;
    options->reject = refusals == NULL ? NULL : leave_out;
    options->reject_context = refusals;
    *result = (struct rhei_ingest_result){.struct_size = sizeof *result};
    *error = (struct rhei_error)RHEI_ERROR_INIT;
    return rhei_ingest_arrow(fixture.db, "c", &stream, options, result, error);
}

static void must_count(const struct rhei_ingest_result *result, int64_t rows, int64_t changed, int64_t skipped,
                       int64_t rejected)
{
    assert_int_equal(result->rows, rows);
    assert_int_equal(result->changed, changed);
    assert_int_equal(result->skipped, skipped);
    assert_int_equal(result->rejected, rejected);
}

/* `c` has the even ones of 10,000 rows, and `u` refuses what has been there; captured, so that rows go in fifty at a time, or not. */
static void fill_c(const char *declared)
{
    char sql[300];
    must_execute(fixture.db, "DROP TABLE IF EXISTS c");
    (void)snprintf(sql, sizeof sql, "CREATE TABLE c (id INTEGER PRIMARY KEY, u %s, kept DEFAULT 'mine')", declared);
    must_execute(fixture.db, sql);
    must_execute(fixture.db, "INSERT INTO c (id, u) SELECT id, -id FROM t WHERE id % 2 = 0");
}

static void test_q1_an_ingest_tells_the_position_of_its_rows(void **state)
{
    (void)state;
    struct rhei_ingest_result result;
    struct rhei_error error;
    struct rhei_sync_status status = {.struct_size = sizeof status};
    fill_c("INTEGER");
    for (int64_t before = 0, chunk = 0; chunk < 3; chunk++) {
        struct rhei_ingest_options options = {.chunk_rows = (uint64_t)chunk * 7};
        assert_int_equal(
            ingest_with("SELECT id + 20000 AS id, id AS u FROM t ORDER BY id", &options, NULL, &result, &error),
            RHEI_OK);
        assert_int_equal(rhei_sync_status(fixture.db, &status, &error), RHEI_OK);
        assert_true(result.position > before && result.position == status.log_position);
        before = result.position;
        must_execute(fixture.db, "DELETE FROM c WHERE id > 20000");
    }
}

static void test_conflicts_end_as_they_are_asked_to(void **state)
{
    (void)state;
    static const char rows[] = "SELECT id, id AS u FROM t ORDER BY id";
    struct rhei_ingest_result result;
    struct rhei_error error;
    fill_c("INTEGER UNIQUE");
    assert_int_equal(ingest_with(rows, &(struct rhei_ingest_options){0}, NULL, &result, &error), RHEI_CONSTRAINT);
    assert_non_null(strstr(error.message, "row 2: UNIQUE"));
    must_count(&result, 0, 0, 0, 0);
    assert_int_equal(
        ingest_with(rows, &(struct rhei_ingest_options){.on_conflict = RHEI_CONFLICT_SKIP}, NULL, &result, &error),
        RHEI_OK);
    must_count(&result, 10000, 5000, 5000, 0);
    assert_int_equal(number("SELECT count(*) FROM c WHERE u = iif(id % 2, id, -id) AND kept = 'mine'"), 10000);
    fill_c("INTEGER UNIQUE");
    must_execute(fixture.db, "UPDATE c SET kept = 'old'");
    assert_int_equal(
        ingest_with(rows, &(struct rhei_ingest_options){.on_conflict = RHEI_CONFLICT_UPDATE}, NULL, &result, &error),
        RHEI_OK);
    must_count(&result, 10000, 10000, 0, 0);
    assert_int_equal(number("SELECT count(*) FROM c WHERE u = id AND kept = iif(id % 2, 'mine', 'old')"), 10000);
    assert_int_equal(ingest_with("SELECT id, id + 1 AS u FROM t ORDER BY id DESC",
                                 &(struct rhei_ingest_options){.on_conflict = RHEI_CONFLICT_REPLACE}, NULL, &result,
                                 &error),
                     RHEI_OK);
    must_count(&result, 10000, 10000, 0, 0);
    assert_int_equal(number("SELECT count(*) FROM c WHERE u = id + 1 AND kept = 'mine'"), 10000);
    assert_int_equal(ingest_with(rows, &(struct rhei_ingest_options){.on_conflict = 7}, NULL, &result, &error),
                     RHEI_INVALID);
}

static void test_rows_that_are_refused_may_be_left_out(void **state)
{
    (void)state;
    static const char rows[] = "SELECT id, iif(id IN (3, 501, 502, 7000, 10000), -2, id) AS u FROM t WHERE id % 2 OR "
                               "id IN (502, 7000, 10000) ORDER BY id";
    struct rhei_ingest_result result;
    struct rhei_error error;
    for (int chunk = 0; chunk < 2; chunk++) {
        struct refusals refusals = {.most = 64};
        fill_c("INTEGER UNIQUE");
        assert_int_equal(ingest_with(rows, &(struct rhei_ingest_options){.chunk_rows = (uint64_t)chunk * 300},
                                     &refusals, &result, &error),
                         RHEI_OK);
        must_count(&result, 5003, 4998, 0, 5);
        assert_int_equal(refusals.count, 5);
        assert_true(refusals.rows[0] == 1 && refusals.rows[1] == 250 && refusals.rows[2] == 251 &&
                    refusals.rows[4] == 5002);
        assert_string_equal(refusals.last.message, "UNIQUE constraint failed: c.id");
        assert_int_equal(number("SELECT count(*) FROM c"), 9998);
    }
    struct refusals refusals = {.most = 2};
    fill_c("INTEGER UNIQUE");
    assert_int_equal(ingest_with(rows, &(struct rhei_ingest_options){0}, &refusals, &result, &error), RHEI_CONSTRAINT);
    assert_non_null(strstr(error.message, "row 252: UNIQUE"));
    must_count(&result, 0, 0, 0, 0);
    assert_int_equal(number("SELECT count(*) FROM c"), 5000);
}

/* What a table's own conflict clauses leave of a statement of many rows tells nobody which one was wrong. */
static void test_the_clauses_of_a_table_are_followed_row_by_row(void **state)
{
    (void)state;
    static const char rows[] = "SELECT id, iif(id IN (101, 103), -2, id) AS u FROM t WHERE id % 2 ORDER BY id";
    static const char *const declared[] = {"INTEGER UNIQUE ON CONFLICT FAIL", "INTEGER UNIQUE ON CONFLICT IGNORE",
                                           "INTEGER UNIQUE ON CONFLICT ROLLBACK"};
    struct rhei_ingest_result result;
    struct rhei_error error;
    for (int i = 0; i < 3; i++) {
        struct refusals refusals = {.most = 64};
        fill_c(declared[i]);
        rhei_status status = ingest_with(rows, &(struct rhei_ingest_options){0}, &refusals, &result, &error);
        assert_int_equal(status, i == 2 ? RHEI_CONSTRAINT : RHEI_OK);
        assert_int_equal(refusals.rolled_back, i == 2);
        if (i == 2)
            must_count(&result, 0, 0, 0, 0);
        else
            must_count(&result, 5000, 4998, i == 1 ? 2 : 0, i == 0 ? 2 : 0);
        assert_int_equal(number("SELECT count(*) FROM c"), i == 2 ? 5000 : 9998);
        assert_true(i == 1 || refusals.rows[0] == 50);
    }
}

static void test_a_table_that_is_made_has_the_key_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const key[] = {"k", "id"};
    struct rhei_ingest_result result;
    struct rhei_error error;
    struct rhei_ingest_options options = {
        .mode = RHEI_INGEST_REPLACE, .on_conflict = RHEI_CONFLICT_UPDATE, .key_columns = key, .key_count = 2};
    if (ingest_with("SELECT id % 10 AS id, id % 3 AS k, id AS v FROM t ORDER BY t.id", &options, NULL, &result,
                    &error) != RHEI_OK)
        fail_msg("%s", error.message);
    must_count(&result, 10000, 10000, 0, 0);
    assert_int_equal(number("SELECT count(*) FROM c WHERE v > 9970"), 30);
    assert_int_equal(
        number("SELECT count(*) FROM pragma_table_info('c') WHERE pk = iif(name = 'k', 1, iif(name = 'id', "
               "2, 0))"),
        3);
}

static void must_refuse(const char *sql, const char *table, int mode, rhei_status code, const char *words)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    int64_t rows;
    rhei_status status = ingest(sql, table, mode, 0, &rows, &error);
    if (status != code || strstr(error.message, words) == NULL)
        fail_msg("%s into %s: %d %s", sql, table, (int)status, error.message);
    assert_int_equal(rows, 0);
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE w (id INTEGER PRIMARY KEY, i)");
    must_execute(fixture.db, "INSERT INTO w VALUES (7001, 1)");
    must_refuse("SELECT id, i FROM t", "w", RHEI_INGEST_APPEND, RHEI_CONSTRAINT, "row 7001: UNIQUE");
    must_refuse("SELECT id, i, 1 AS more FROM t", "w", RHEI_INGEST_APPEND, RHEI_INVALID, "no column \"more\"");
    must_refuse("SELECT id, i, id AS I FROM t", "w", RHEI_INGEST_APPEND, RHEI_INVALID, "two columns \"I\"");
    must_refuse("SELECT id, i FROM t", "missing", RHEI_INGEST_APPEND, RHEI_NOT_FOUND, "missing");
    must_refuse("SELECT id, i FROM t", "w", RHEI_INGEST_CREATE, RHEI_EXISTS, "already");
    must_refuse("SELECT i FROM t", "w", RHEI_INGEST_UPSERT, RHEI_INVALID, "primary key");
    must_execute(fixture.db, "CREATE TABLE keyless (a)");
    must_refuse("SELECT 1 AS a", "keyless", RHEI_INGEST_UPSERT, RHEI_INVALID, "no primary key");
    must_refuse("SELECT 1 AS a", "w", 9, RHEI_INVALID, "mode 9");
    assert_int_equal(number("SELECT count(*) FROM w"), 1);

    struct rhei_error error = RHEI_ERROR_INIT; /* in chunks, those before the bad row stay */
    int64_t rows;
    assert_int_equal(ingest("SELECT id, i FROM t ORDER BY id", "w", RHEI_INGEST_APPEND, 1000, &rows, &error),
                     RHEI_CONSTRAINT);
    assert_non_null(strstr(error.message, "row 7001: "));
    assert_int_equal(rows, 7000);
    assert_int_equal(number("SELECT count(*) FROM w"), 7001);
}

static void test_an_ingest_can_be_ended(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    rhei_cancel_raise(cancel);
    struct ArrowArrayStream stream = stream_of("SELECT * FROM t");
    struct rhei_ingest_options options = {.struct_size = sizeof options, .mode = RHEI_INGEST_CREATE, .cancel = cancel};
    assert_int_equal(rhei_ingest_arrow(fixture.db, "ended", &stream, &options, NULL, &error), RHEI_CANCELLED);
    assert_null(stream.release);
    assert_int_equal(number("SELECT count(*) FROM sqlite_schema WHERE name = 'ended'"), 0);
    rhei_cancel_destroy(&cancel);
}

/* A source without an end, of batches of one row or of none; it raises the flag when it is asked for the `raise_at`th, or fails there. */
struct endless {
    struct ArrowArrayStream rows;
    bool empty;
    rhei_cancel *cancel; /* NULL: it fails with `failure` */
    int asked, raise_at, failure;
};

static int endless_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    struct endless *endless = self->private_data;
    return endless->rows.get_schema(&endless->rows, out);
}

static void release_empty(struct ArrowArray *array)
{
    struct ArrowArray *whole = array->private_data;
    whole->release(whole);
    free(whole);
    array->release = NULL;
}

static int endless_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct endless *endless = self->private_data;
    if (++endless->asked == endless->raise_at && endless->cancel != NULL)
        rhei_cancel_raise(endless->cancel);
    else if (endless->asked == endless->raise_at)
        return endless->failure;
    if (endless->asked > endless->raise_at)
        return EIO; /* nobody asks a source that was cancelled */
    struct ArrowArray *whole = malloc(sizeof *whole);
    assert_non_null(whole);
    int code = endless->rows.get_next(&endless->rows, whole);
    assert_true(code == 0 && whole->release != NULL && whole->length > endless->raise_at);
    *out = *whole;
    out->private_data = whole;
    out->release = release_empty;
    out->length = endless->empty ? 0 : 1;
    return 0;
}

static const char *endless_error(struct ArrowArrayStream *self)
{
    (void)self;
    return "the source is gone";
}

static void endless_release(struct ArrowArrayStream *self)
{
    struct endless *endless = self->private_data;
    endless->rows.release(&endless->rows);
    self->release = NULL;
}

/* The source's rows come by thousands, of which each of its batches has the first. */
static rhei_status ingest_endless(struct endless *endless, uint64_t chunk, int64_t *rows, struct rhei_error *error)
{
    endless->rows =
        stream_of("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT x, "
                  "'text ' || x AS s FROM n");
    struct ArrowArrayStream stream = {endless_schema, endless_next, endless_error, endless_release, endless};
    struct rhei_ingest_options options = {.struct_size = sizeof options,
                                          .mode = RHEI_INGEST_CREATE_APPEND,
                                          .chunk_rows = chunk,
                                          .cancel = endless->cancel};
    struct rhei_ingest_result result = {.struct_size = sizeof result};
    rhei_status status = rhei_ingest_arrow(fixture.db, "endless", &stream, &options, &result, error);
    assert_null(stream.release);
    *rows = result.rows;
    return status;
}

static void test_q5_a_source_without_an_end_can_be_left_between_its_batches(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    for (int i = 0; i < 3; i++) {
        struct endless endless = {.empty = i == 0, .cancel = cancel, .raise_at = 3};
        int64_t rows, kept = i == 2 ? 2 : 0; /* the third row came with the flag up */
        rhei_cancel_clear(cancel);
        assert_int_equal(ingest_endless(&endless, i == 2 ? 1 : 0, &rows, &error), RHEI_CANCELLED);
        assert_int_equal(endless.asked, 3);
        assert_int_equal(rows, kept);
        assert_string_equal(error.message, kept > 0 ? "the ingest was cancelled; 2 rows of the stream are kept"
                                                    : "the ingest was cancelled; 0 rows of the stream are kept");
        assert_int_equal(number("SELECT count(*) FROM sqlite_schema WHERE name = 'endless'"), kept > 0);
    }
    rhei_cancel_destroy(&cancel);
}

static void test_what_a_source_says_of_its_own_failure_is_io(void **state)
{
    (void)state;
    static const int codes[] = {EIO, EINVAL, EPERM};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        struct endless endless = {.raise_at = 2, .failure = codes[i]};
        int64_t rows;
        assert_int_equal(ingest_endless(&endless, 0, &rows, &error), RHEI_IO);
        assert_string_equal(error.message, "the source is gone");
        assert_int_equal(rows, 0);
    }
}

static void test_a_text_is_split_into_statements(void **state)
{
    (void)state;
    static const char text[] =
        "-- first\nSELECT ';'; ; CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;\nSELECT 3";
    struct rhei_split part = {.struct_size = sizeof part};
    assert_int_equal(rhei_split(text, sizeof text - 1, &part, NULL), RHEI_OK);
    assert_int_equal(part.state, RHEI_SPLIT_STATEMENT);
    assert_memory_equal(text + part.offset, "SELECT ';'", part.length);
    assert_int_equal(rhei_split(text, sizeof text - 1, &part, NULL), RHEI_OK);
    assert_int_equal(part.state, RHEI_SPLIT_STATEMENT);
    assert_memory_equal(text + part.offset + part.length - 3, "END", 3);
    assert_int_equal(rhei_split(text, sizeof text - 1, &part, NULL), RHEI_OK);
    assert_int_equal(part.state, RHEI_SPLIT_REST);
    assert_memory_equal(text + part.offset, "SELECT 3", part.length);
    assert_int_equal(rhei_split(text, sizeof text - 1, &part, NULL), RHEI_OK);
    assert_int_equal(part.state, RHEI_SPLIT_END);
    assert_int_equal(rhei_split(text, 4, &(struct rhei_split){0}, NULL), RHEI_INVALID);

    static const struct {
        const char *text;
        bool complete;
    } texts[] = {
        {"", true},
        {"  -- nothing", true},
        {"SELECT 1;", true},
        {"SELECT 1", false},
        {"SELECT ';", false},
        {"SELECT 1; /* ", false},
        {"SELECT 1; -- x", true},
        {"SELECT 1; SELECT 2", false},
        {";;", true},
        {"SELECT \"a;\n", false},
        {"CREATE TRIGGER a BEGIN SELECT 1;", false},
        {"CREATE TRIGGER a BEGIN SELECT 1; END;", true},
        {"/* a */", true},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (rhei_is_complete(texts[i].text, strlen(texts[i].text)) != texts[i].complete)
            fail_msg("%s", texts[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value_stays_what_it_is),
        cmocka_unit_test(test_q2_a_table_that_is_made_keeps_the_sign_of_zeros),
        cmocka_unit_test(test_batches_of_any_size_make_the_same_table),
        cmocka_unit_test(test_an_upsert_changes_what_is_given),
        cmocka_unit_test(test_q1_an_ingest_tells_the_position_of_its_rows),
        cmocka_unit_test(test_conflicts_end_as_they_are_asked_to),
        cmocka_unit_test(test_rows_that_are_refused_may_be_left_out),
        cmocka_unit_test(test_the_clauses_of_a_table_are_followed_row_by_row),
        cmocka_unit_test(test_a_table_that_is_made_has_the_key_that_is_asked_for),
        cmocka_unit_test(test_what_does_not_fit_changes_nothing),
        cmocka_unit_test(test_an_ingest_can_be_ended),
        cmocka_unit_test(test_q5_a_source_without_an_end_can_be_left_between_its_batches),
        cmocka_unit_test(test_what_a_source_says_of_its_own_failure_is_io),
        cmocka_unit_test(test_a_text_is_split_into_statements),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
