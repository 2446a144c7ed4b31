/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A9: columns that came. A row that wasn't written since goes on as the version that it was, with what the column came with; one that was
 * written is another version, and what it was before never shows a value of later. The handle syncs by hand, so that the load comes behind all.
 */
#include "../../support/engine_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct added {
    const char *sql[4]; /* one behind the other, before the next load */
    const char *was;    /* the rows as of before */
    const char *is;     /* versions that are valid now */
} cases[] = {
    {{"ALTER TABLE t ADD COLUMN n DEFAULT 5"}, "i1|i6|i0|i5\ni2|i5|i0|i5\n", "i1|i5|tU\ni2|i5|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n DEFAULT 5", "UPDATE t SET n = 9 WHERE id = 1"},
     "i1|i6|i0|n\ni2|i5|i0|i5\n",
     "i1|i9|tU\ni2|i5|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n", "UPDATE t SET n = 9 WHERE id = 1"},
     "i1|i6|i0|n\ni2|i5|i0|n\n",
     "i1|i9|tU\ni2|n|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT '7'", "UPDATE t SET n = 8 WHERE id = 2"},
     "i1|i6|i0|i7\ni2|i5|i0|n\n",
     "i1|i7|tU\ni2|i8|tU\n"},
    {{"ALTER TABLE t ADD COLUMN m TEXT DEFAULT 1", "ALTER TABLE t ADD COLUMN n REAL DEFAULT -2",
      "UPDATE t SET m = 'x' WHERE id = 1"},
     "i1|i6|i0|n|n\ni2|i5|i0|t1|r-0x1p+1\n",
     "i1|r-0x1p+1|tU\ni2|r-0x1p+1|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n AS (v * 2)"}, "i1|i6|i0|i12\ni2|i5|i0|i10\n", "i1|i12|tU\ni2|i10|tU\n"},
    {{"ALTER TABLE t ADD COLUMN m DEFAULT 5", "ALTER TABLE t ADD COLUMN n AS (m * 2)",
      "UPDATE t SET m = 6 WHERE id = 2"},
     "i1|i6|i0|i5|i10\ni2|i5|i0|n|n\n",
     "i1|i10|tU\ni2|i12|tU\n"},
    {{"ALTER TABLE t ADD COLUMN m DEFAULT 5", "ALTER TABLE t RENAME COLUMN m TO n", "UPDATE t SET n = 9 WHERE id = 1"},
     "i1|i6|i0|n\ni2|i5|i0|i5\n",
     "i1|i9|tU\ni2|i5|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n DEFAULT 5", "ALTER TABLE t DROP COLUMN v", "UPDATE t SET n = 9 WHERE id = 1"},
     "i1|i0|n\ni2|i0|i5\n",
     "i1|i9|tU\ni2|i5|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n BLOB DEFAULT x'0102'"},
     "i1|i6|i0|b0102\ni2|i5|i0|b0102\n",
     "i1|b0102|tU\ni2|b0102|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n DEFAULT (-1.5)"},
     "i1|i6|i0|r-0x1.8p+0\ni2|i5|i0|r-0x1.8p+0\n",
     "i1|r-0x1.8p+0|tU\ni2|r-0x1.8p+0|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n DEFAULT 'it''s'"}, "i1|i6|i0|tit's\ni2|i5|i0|tit's\n", "i1|tit's|tU\ni2|tit's|tU\n"},
    {{"ALTER TABLE t ADD COLUMN n DEFAULT TRUE", "UPDATE t SET n = 1 WHERE id = 1"}, /* which changes nothing */
     "i1|i6|i0|i1\ni2|i5|i0|i1\n",
     "i1|i1|tU\ni2|i1|tU\n"},
};

static void open_place(struct fixture *fixture, const char *mirror)
{
    struct rhei_config config = {.struct_size = sizeof config};
    config.sync_mode = RHEI_SYNC_TEMPORAL;
    config.manual_sync = true;
    config.olap_path = mirror;
    fixture_open(fixture, &config);
}

static void begin(struct fixture *fixture, const char *folder, const char *rowid)
{
    char sql[128];
    open_place(fixture, folder);
    snprintf(sql, sizeof sql, "CREATE TABLE t(id INTEGER PRIMARY KEY, v, w)%s", rowid);
    must_execute(fixture->db, sql);
    must_be_built(fixture->db);
    must_execute(fixture->db, "INSERT INTO t VALUES (1, 1, 0), (2, 1, 0)");
    must_execute(fixture->db, "UPDATE t SET v = 5");
    must_execute(fixture->db, "UPDATE t SET v = 6 WHERE id = 1");
}

static void must_show(rhei_db *db, const struct added *added, const char *sql, const char *expected)
{
    char *got = must_rows(db, sql, NULL, RHEI_ROUTE_OLTP);
    if (strcmp(got, expected) != 0)
        fail_msg("%s; %s: %s gives\n%sinstead of\n%s", added->sql[0], added->sql[1] == NULL ? "" : added->sql[1], sql,
                 got, expected);
    rhei_free(got);
}

static void run(rhei_db *db, const char *const *sql, bool apart)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(db, &session, &error), RHEI_OK);
    rhei_status status = apart ? RHEI_OK : rhei_session_execute(session, "BEGIN", NULL, NULL, &error);
    for (; *sql != NULL && status == RHEI_OK; sql++)
        status = rhei_session_execute(session, *sql, NULL, NULL, &error);
    if (status == RHEI_OK && !apart)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, &error);
    if (status != RHEI_OK)
        fail_msg("%s", error.message);
    rhei_session_close(&session);
}

/* A moment of which nothing is: later than all before, and earlier than all that follows. */
static int64_t quiet_moment(void)
{
    struct timespec now;
    int64_t us[3] = {0};
    for (int i = 0; i < 3; i++)
        do {
            clock_gettime(CLOCK_REALTIME, &now);
            us[i] = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
        } while (i > 0 && us[i] < us[i - 1] + 5000);
    return us[1];
}

/* Whoever loads it in its new form wasn't there, and is told all the same up to when the table was known. */
static void test_a9_the_time_before_a_change_of_the_schema_is_known(void **state)
{
    static const char question[] = "SELECT * FROM t FOR SYSTEM_TIME AS OF %" PRId64 " ORDER BY id";
    struct fixture fixture;
    char mirror[160], sql[128];
    (void)state;
    fixture_init(&fixture);
    snprintf(mirror, sizeof mirror, "%s/mirror", fixture.folder);
    begin(&fixture, mirror, "");
    int64_t quiet = quiet_moment();
    must_execute(fixture.db, "ALTER TABLE t ADD COLUMN n DEFAULT 5");
    int64_t untold = quiet_moment();
    must_execute(fixture.db, "UPDATE t SET n = 9 WHERE id = 1");
    rhei_close(&fixture.db);
    open_place(&fixture, mirror);
    must_be_built(fixture.db);
    snprintf(sql, sizeof sql, question, quiet);
    must_show(fixture.db, &cases[1], sql, cases[1].was);
    snprintf(sql, sizeof sql, question, untold);
    must_fail(fixture.db, sql, RHEI_NOT_FOUND);
    rhei_close(&fixture.db); /* the book has it */
    open_place(&fixture, mirror);
    must_be_built(fixture.db);
    snprintf(sql, sizeof sql, question, quiet);
    must_show(fixture.db, &cases[1], sql, cases[1].was);
    fixture_end(&fixture);
}

static void try_all(bool disk, const char *rowid)
{
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct fixture fixture;
        char mirror[160], sql[128];
        fixture_init(&fixture);
        snprintf(mirror, sizeof mirror, "%s/mirror", fixture.folder);
        begin(&fixture, disk ? mirror : NULL, rowid);
        char *position = must_rows(fixture.db, "SELECT max(_rhei_seq) FROM t_history", NULL, RHEI_ROUTE_OLTP);
        snprintf(sql, sizeof sql, "SELECT * FROM t AS OF POSITION %" PRId64 " ORDER BY id",
                 (int64_t)strtoll(position + 1, NULL, 10));
        rhei_free(position);
        /* in one transaction, so that no load comes between two of them; or where none does anyway */
        run(fixture.db, cases[c].sql, disk && cases[c].sql[2] == NULL);
        if (disk) { /* the load is of the next opening */
            rhei_close(&fixture.db);
            open_place(&fixture, mirror);
        }
        must_be_built(fixture.db);
        must_show(fixture.db, &cases[c], sql, cases[c].was);
        must_show(fixture.db, &cases[c],
                  "SELECT id, n, _rhei_operation FROM t_history WHERE _rhei_valid_to IS NULL ORDER BY id", cases[c].is);
        fixture_end(&fixture);
    }
}

static void test_a9_the_past_shows_no_value_that_was_written_later(void **state)
{
    (void)state;
    try_all(false, "");
}

static void test_a9_nor_does_it_without_rowids(void **state)
{
    (void)state;
    try_all(false, " WITHOUT ROWID");
}

static void test_a9_nor_does_it_behind_another_opening(void **state)
{
    (void)state;
    try_all(true, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a9_the_past_shows_no_value_that_was_written_later),
        cmocka_unit_test(test_a9_nor_does_it_without_rowids),
        cmocka_unit_test(test_a9_nor_does_it_behind_another_opening),
        cmocka_unit_test(test_a9_the_time_before_a_change_of_the_schema_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
