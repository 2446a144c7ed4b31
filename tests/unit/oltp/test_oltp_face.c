/* SPDX-License-Identifier: Apache-2.0 */
/* Tables whose rows are in the mirror alone, on every connection of the row store: names, rows, states, and that nothing changes them. */
#include "oltp_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror/mirror_table_reader.h"

enum { FAR = 5, ROWS = 3000 };
static const uint32_t items = (uint32_t)FAR << TABLE_SOURCE_SHIFT | 1, words = (uint32_t)FAR << TABLE_SOURCE_SHIFT | 2;

struct face {
    struct oltp_test test;
    struct mirror *mirror;
    struct table_reader *reader;
    int64_t asked_age; /* of the last wait */
    rhei_status fresh; /* what it comes to */
};

static rhei_status wait_fresh(void *context, const struct table_freshness *freshness, struct rhei_error *error)
{
    struct face *face = context;
    face->asked_age = freshness->most_age_ms;
    return face->fresh == RHEI_OK ? RHEI_OK : error_set(error, face->fresh, "the far source is away");
}

static struct rhei_value integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}
static struct rhei_value real(double value)
{
    return (struct rhei_value){.type = RHEI_REAL, .as.real = value};
}
static struct rhei_value text(const char *value)
{
    return (struct rhei_value){.type = RHEI_TEXT, .as.bytes = value, .length = (uint32_t)strlen(value)};
}

static const struct source_column item_columns[] = {
    {.name = "id", .declared_type = "INTEGER", .affinity = AFFINITY_INTEGER, .is_rowid_alias = true},
    {.name = "grp", .declared_type = "INT", .affinity = AFFINITY_INTEGER},
    {.name = "price", .declared_type = "DOUBLE", .affinity = AFFINITY_REAL},
    {.name = "name", .declared_type = "VARCHAR(20)", .affinity = AFFINITY_TEXT},
    {.name = "nick", .declared_type = "TEXT", .collation = "NOCASE", .affinity = AFFINITY_TEXT},
    {.name = "any thing", .declared_type = "", .affinity = AFFINITY_BLOB},
};
static const struct source_column word_columns[] = {
    {.name = "word", .declared_type = "TEXT", .affinity = AFFINITY_TEXT, .not_null = true},
    {.name = "n", .declared_type = "strange type of another source", .affinity = AFFINITY_INTEGER},
};
static const uint32_t first_column[] = {0};

static void apply(struct face *face, uint32_t table, uint32_t columns, const struct rhei_value *const *values,
                  size_t rows, const uint8_t *op)
{
    struct change_batch batch = {
        .table = table, .column_count = columns, .row_count = rows, .op = op, .columns = values};
    assert_int_equal(mirror_apply(face->mirror, &batch, NULL, NULL), RHEI_OK);
}

static void attach(struct face *face, const struct source_table *table)
{
    struct mirror_build *build = NULL;
    assert_int_equal(mirror_build_begin(face->mirror, table, 1, &build, NULL), RHEI_OK);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
}

static void publish(struct face *face)
{
    assert_int_equal(mirror_publish_source(face->mirror, FAR, 1, NULL), RHEI_OK);
}

static struct rhei_value mixed(int64_t id)
{
    switch (id % 5) {
    case 0:
        return integer(id % 50);
    case 1:
        return text(id % 2 ? "7" : "seven");
    case 2:
        return real((double)(id % 50) + 0.5);
    case 3:
        return (struct rhei_value){.type = RHEI_BLOB, .as.bytes = "seven", .length = 5};
    default:
        return (struct rhei_value){.type = RHEI_NULL};
    }
}

static void fill_items(struct face *face)
{
    static const char *const names[] = {"anna", "Bert", " 7 ", "7", "a name longer than twelve", ""};
    struct rhei_value *values[6];
    for (int c = 0; c < 6; c++) {
        values[c] = calloc(ROWS, sizeof **values);
        assert_non_null(values[c]);
    }
    for (int64_t i = 0; i < ROWS; i++) {
        values[0][i] = integer(i + 1);
        values[1][i] = i % 11 == 0 ? (struct rhei_value){.type = RHEI_NULL} : integer(i % 50);
        values[2][i] = i % 13 == 0 ? text("dear") : real((double)(i % 50) / 2);
        values[3][i] = text(names[i % 6]);
        values[4][i] = text(names[(i / 6) % 6]);
        values[5][i] = mixed(i);
    }
    apply(face, items, 6, (const struct rhei_value *const *)values, ROWS, NULL);
    for (int c = 0; c < 6; c++)
        free(values[c]);
}

static void fill_words(struct face *face)
{
    static const char *const known[] = {"anna", "7", "seven", "Bert"};
    struct rhei_value values[2][4];
    const struct rhei_value *columns[2] = {values[0], values[1]};
    for (int i = 0; i < 4; i++) {
        values[0][i] = text(known[i]);
        values[1][i] = integer(i);
    }
    apply(face, words, 2, columns, 4, NULL);
}

static void open_with(struct face *face)
{
    struct source_table table = {.id = items,
                                 .name = "items",
                                 .column_count = 6,
                                 .columns = item_columns,
                                 .key_count = 1,
                                 .key_columns = first_column,
                                 .key_is_integer = true};
    struct source_table keyed = {.id = words,
                                 .name = "words",
                                 .column_count = 2,
                                 .columns = word_columns,
                                 .key_count = 1,
                                 .key_columns = first_column,
                                 .without_rowid = true};
    assert_int_equal(mirror_open(NULL, &face->mirror, NULL), RHEI_OK);
    attach(face, &table);
    attach(face, &keyed);
    fill_items(face);
    fill_words(face);
    publish(face);
    struct mirror_table_reader_config config = {.mirror = face->mirror, .fresh = wait_fresh, .context = face};
    assert_int_equal(mirror_table_reader_open(&config, &face->reader, NULL), RHEI_OK);
    assert_int_equal(mirror_table_reader_name(face->reader, FAR, "far", NULL), RHEI_OK);
    assert_int_equal(oltp_show_tables(face->test.oltp, face->reader, NULL), RHEI_OK);
    assert_int_equal(oltp_show_tables(face->test.oltp, face->reader, NULL), RHEI_EXISTS);
}

static int setup(void **state)
{
    struct face *face = calloc(1, sizeof *face);
    assert_non_null(face);
    test_open(&face->test);
    open_with(face);
    *state = face;
    return 0;
}

static int teardown(void **state)
{
    struct face *face = *state;
    test_close(&face->test);
    mirror_table_reader_close(&face->reader);
    mirror_close(&face->mirror);
    free(face);
    return 0;
}

/* `rows` without the newline behind the last. */
static void expect_rows(struct oltp_test *test, const char *sql, const char *rows)
{
    char with[512];
    snprintf(with, sizeof with, "%s\n", rows);
    test_expect(test, sql, with);
}

static void refused(struct face *face, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = test_try(&face->test, sql, &error);
    if (status != RHEI_READ_ONLY)
        fail_msg("%s: %d %s", sql, (int)status, error.message);
    assert_int_equal(error.code, RHEI_READ_ONLY);
}

/* ---- Names and rows. ---------------------------------------------------------------------------------------------- */

static void test_tables_are_found_by_their_names(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    expect_rows(test, "SELECT count(*) FROM far.items", "3000");
    expect_rows(test, "SELECT count(*) FROM items", "3000");
    expect_rows(test, "SELECT name, grp, price = 0.5 FROM items WHERE id = 2", "'Bert'|1|1");
    expect_rows(test, "SELECT rowid, _rowid_ FROM items WHERE rowid = 17", "17|17");
    expect_rows(test, "SELECT n FROM words WHERE word = 'seven'", "2");
    expect_rows(test, "SELECT count(*) FROM far.sqlite_schema", "2");
    expect_rows(test, "SELECT name, type, pk FROM pragma_table_info('items', 'far') WHERE cid < 2",
                "'id'|'INTEGER'|1\n'grp'|'INT'|0");
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_cursor *cursor = NULL;
    static const char rowid[] = "SELECT rowid FROM words";
    assert_int_equal(oltp_read(test->oltp, rowid, sizeof rowid - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
}

static void test_a_local_table_of_the_same_name_wins(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    expect_rows(test, "SELECT count(*) FROM items", "3000"); /* on the reader that is asked again */
    test_write(test, "CREATE TABLE items(a)");
    test_write(test, "INSERT INTO items VALUES('local')");
    expect_rows(test, "SELECT * FROM items", "'local'");
    expect_rows(test, "SELECT count(*) FROM far.items", "3000");
    test_write(test, "DROP TABLE items");
    expect_rows(test, "SELECT count(*) FROM items", "3000");
}

static const char *const conditions[] = {
    "id = 5",
    "id = '5'",
    "id = ' 5 '",
    "id = 5.0",
    "id = 5.5",
    "id = 'x'",
    "id IN (1, 7, 7, 9999)",
    "id BETWEEN 10 AND 20",
    "id > 2990",
    "id >= 2990.5",
    "id < 3",
    "id <= '3'",
    "id < 'a'",
    "id > 'a'",
    "id = NULL",
    "id IS NULL",
    "id IS 5",
    "NOT id > 5",
    "grp = 7",
    "grp = '7'",
    "grp > 48 OR grp < 2",
    "grp IS NULL",
    "price = 'dear'",
    "price > 24",
    "price >= 24.5",
    "price < 1",
    "price <= 'dear'",
    "price > 'cheap'",
    "price = 12",
    "price BETWEEN 3 AND 4",
    "name = 'anna'",
    "name = 7",
    "name = '7'",
    "name = 7.0",
    "name > 'a'",
    "name < 'b'",
    "name = 'ANNA'",
    "name = x'37'",
    "nick = 'ANNA'",
    "nick = 'anna'",
    "nick > 'B'",
    "name LIKE 'a%'",
    "\"any thing\" = 7",
    "\"any thing\" = '7'",
    "\"any thing\" = 'seven'",
    "\"any thing\" = x'736576656e'",
    "\"any thing\" > 7",
    "\"any thing\" < 3",
    "\"any thing\" >= 'a'",
    "\"any thing\" = 10.5",
    "+\"any thing\" = '7'",
    "(grp, id) = (3, 4)",
    "(grp, id) > (48, 5)",
    "id IN (SELECT n FROM words)",
    "name IN (SELECT word FROM words)",
    "\"any thing\" IN (SELECT word FROM words)",
    "EXISTS (SELECT 1 FROM words WHERE word = nick)",
    "id = (SELECT max(grp) FROM %s)",
    "name = grp",
    "grp = name",
    "\"any thing\" = grp",
    "\"any thing\" = name",
    "rowid = 5",
    "rowid BETWEEN 5 AND 7",
    "id = 9223372036854775807",
    "id > -9223372036854775808",
    "id = 1e300",
};

static void same(struct oltp_test *test, const char *with_local, const char *with_shown)
{
    char *wanted = test_rows(test, with_local), *found = test_rows(test, with_shown);
    if (strcmp(wanted, found) != 0)
        fail_msg("%s:\n%.400s\ninstead of\n%.400s", with_shown, found, wanted);
    base_free(wanted);
    base_free(found);
}

static void make_copy(struct oltp_test *test, const char *where)
{
    char sql[200];
    test_write(test, "CREATE TABLE local(id INTEGER PRIMARY KEY, grp INT, price DOUBLE, name VARCHAR(20), "
                     "nick TEXT COLLATE NOCASE, \"any thing\")");
    snprintf(sql, sizeof sql, "INSERT INTO local SELECT * FROM items WHERE %s", where);
    test_write(test, sql);
}

/* Each question asked of the shown table and of a copy of it that is SQLite's own; %s in it is the table's name. */
static void test_conditions_mean_what_they_mean_on_a_local_table(void **state)
{
    struct face *face = *state;
    make_copy(&face->test, "true");
    expect_rows(&face->test, "SELECT count(*) FROM local", "3000");
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        char condition[256], local[512], shown[512];
        const char *mark = strstr(conditions[i], "%s");
        size_t before = mark == NULL ? strlen(conditions[i]) : (size_t)(mark - conditions[i]);
        snprintf(condition, sizeof condition, "%.*s%s%s", (int)before, conditions[i], mark == NULL ? "" : "local",
                 mark == NULL ? "" : mark + 2);
        static const char form[] = "SELECT id, grp, price, name, nick, \"any thing\" FROM %s WHERE %s ORDER BY id";
        snprintf(local, sizeof local, form, "local", condition);
        snprintf(shown, sizeof shown, form, "items", condition);
        same(&face->test, local, shown);
    }
}

static void test_joins_on_columns_of_any_affinity(void **state)
{
    static const char *const columns[] = {"id", "grp", "price", "name", "nick", "\"any thing\""};
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_write(test, "CREATE TABLE few AS SELECT * FROM items WHERE id < 120");
    make_copy(test, "id % 3 = 0");
    test_write(test, "CREATE TABLE keys(i INTEGER, t TEXT, b, r REAL)");
    test_write(test,
               "INSERT INTO keys VALUES (7, '7', 7, 7.5), (6, 'seven', '7', 12), (NULL, 'anna', x'736576656e', 3), "
               "(30, '30', '30', 30)");
    for (size_t a = 0; a < 6; a++) {
        for (const char *key = "itbr"; *key != '\0'; key++) {
            char local[512], shown[512];
            static const char form[] =
                "SELECT k.rowid, x.id FROM keys k %s JOIN %s x ON x.%s = k.%c WHERE x.id IS NULL OR "
                "x.id %% 3 = 0 ORDER BY 1, 2";
            for (int left = 0; left < 2; left++) {
                snprintf(local, sizeof local, form, left ? "LEFT" : "", "local", columns[a], *key);
                snprintf(shown, sizeof shown, form, left ? "LEFT" : "", "(SELECT * FROM items WHERE id % 3 = 0)",
                         columns[a], *key);
                same(test, local, shown);
            }
        }
    }
    same(test, "SELECT count(*) FROM few a JOIN local b ON a.id = b.id",
         "SELECT count(*) FROM few a JOIN items b ON a.id = b.id WHERE b.id % 3 = 0");
    expect_rows(test, "SELECT count(*) FROM items a JOIN items b ON a.id = b.id JOIN words w ON w.word = a.name",
                "1500");
    expect_rows(test, "SELECT count(*), count(w.n) FROM items a LEFT JOIN words w ON w.word = a.name", "3000|1500");
}

/* ---- Statements made by chance. ----------------------------------------------------------------------------------- */

static uint64_t chance(uint64_t *state, uint64_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % below;
}

/* Rows that were changed lie behind the others: the key's order isn't that of the store any more. */
static void scatter(struct face *face, uint64_t *seed)
{
    enum { MOVED = 500 };
    static struct rhei_value values[6][MOVED];
    const struct rhei_value *columns[6];
    for (int c = 0; c < 6; c++)
        columns[c] = values[c];
    for (int i = 0; i < MOVED; i++) { /* each key once: 7 and ROWS have no common divisor */
        int64_t id = (i * 7 + (int64_t)chance(seed, 1)) % ROWS + 1;
        values[0][i] = integer(id);
        values[1][i] = integer((int64_t)chance(seed, 50));
        values[2][i] = real((double)chance(seed, 100) / 4);
        values[3][i] = text(chance(seed, 2) ? "moved" : "anna");
        values[4][i] = text(chance(seed, 2) ? "BERT" : "bert");
        values[5][i] = mixed(id + 1);
    }
    apply(face, items, 6, columns, MOVED, NULL);
    publish(face);
}

/* %1$s is the table; every one has one answer, whatever the plan is. */
static void make_statement(uint64_t *seed, const char *table, char *sql, size_t size)
{
    static const char *const forms[] = {
        "SELECT id, grp, nick FROM %s x WHERE %s ORDER BY id",
        "SELECT id, name FROM %s x WHERE %s ORDER BY id DESC",
        "SELECT rowid, price FROM %s x WHERE %s ORDER BY rowid, grp DESC",
        "SELECT grp, id FROM %s x WHERE %s ORDER BY grp, id DESC",
        "SELECT id, count(*), max(price) FROM %s x WHERE %s GROUP BY id",
        "SELECT DISTINCT id, grp FROM %s x WHERE %s ORDER BY id DESC, grp",
        "SELECT x.id, w.n FROM %s x JOIN words w ON w.word = x.name WHERE %s ORDER BY x.id DESC, w.n",
        "SELECT w.n, x.id FROM words w LEFT JOIN %s x ON x.id = w.n * 100 AND %s ORDER BY w.n, x.id",
        "SELECT min(id), max(id), count(*) FROM %s x WHERE %s",
        "SELECT id FROM (SELECT id, grp FROM %s x WHERE %s ORDER BY id DESC LIMIT 40) ORDER BY grp, id",
        "SELECT id, row_number() OVER (ORDER BY id DESC) FROM %s x WHERE %s ORDER BY id",
        "SELECT n, (SELECT id FROM %s x WHERE grp > n AND %s ORDER BY id DESC LIMIT 1 OFFSET 2) FROM words ORDER BY n",
    };
    const char *condition = conditions[chance(seed, sizeof conditions / sizeof conditions[0])];
    if (strstr(condition, "%s") != NULL)
        condition = "id IN (5, 3, 2999, 3, 4001, NULL, '17')";
    char both[300];
    if (chance(seed, 3) == 0)
        snprintf(both, sizeof both, "(%s) AND id %% %d <> 0", condition, 2 + (int)chance(seed, 5));
    else
        snprintf(both, sizeof both, "(%s)", chance(seed, 4) == 0 ? "true" : condition);
    int used = snprintf(sql, size, forms[chance(seed, sizeof forms / sizeof forms[0])], table, both);
    if (strstr(sql, "words ORDER BY n") == NULL && chance(seed, 2) == 0)
        snprintf(sql + used, size - (size_t)used, " LIMIT %d OFFSET %d", (int)chance(seed, 30), (int)chance(seed, 60));
}

static void test_q2_statements_made_by_chance(void **state)
{
    struct face *face = *state;
    uint64_t seed = 20261127, again = 0;
    for (int round = 0; round < 3; round++) {
        if (round > 0)
            scatter(face, &seed);
        make_copy(&face->test, "true");
        test_write(&face->test, "CREATE INDEX by_grp ON local(grp)");
        for (int i = 0; i < 250; i++) {
            char local[700], shown[700];
            again = seed;
            make_statement(&seed, "local", local, sizeof local);
            make_statement(&again, "items", shown, sizeof shown);
            same(&face->test, local, shown);
        }
        test_write(&face->test, "DROP TABLE local");
    }
}

static void test_the_key_s_order_is_the_face_s_own(void **state)
{
    struct face *face = *state;
    uint64_t seed = 1;
    static const char *const kept[] = {"SELECT id FROM items ORDER BY id LIMIT 5",
                                       "SELECT * FROM items WHERE grp > 3 ORDER BY id DESC",
                                       "SELECT * FROM items WHERE id = 7 ORDER BY name, price"};
    static const char *const sorted[] = {"SELECT id FROM items ORDER BY grp", "SELECT id FROM items ORDER BY grp, id",
                                         "SELECT n FROM words ORDER BY word"};
    scatter(face, &seed);
    for (size_t i = 0; i < 6; i++) {
        struct oltp_plan plan = {0};
        const char *sql = i < 3 ? kept[i] : sorted[i - 3];
        assert_int_equal(oltp_explain(face->test.oltp, sql, strlen(sql), &plan, NULL), RHEI_OK);
        if ((strstr(plan.text, "USE TEMP B-TREE") == NULL) != (i < 3))
            fail_msg("%s: %s", sql, plan.text);
        base_free(plan.text);
    }
    expect_rows(&face->test, "SELECT id FROM items ORDER BY id LIMIT 4", "1\n2\n3\n4");
    expect_rows(&face->test, "SELECT id FROM items ORDER BY id DESC LIMIT 2 OFFSET 1", "2999\n2998");
}

/* ---- Nothing changes them. ---------------------------------------------------------------------------------------- */

static void test_c6_whatever_would_change_one_is_refused(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_write(test, "CREATE TABLE t(a)");
    static const char *const texts[] = {
        "INSERT INTO items(id) VALUES(1)",
        "INSERT INTO far.items(id) VALUES(1)",
        "REPLACE INTO items(id) VALUES(1)",
        "INSERT INTO items SELECT * FROM items",
        "UPDATE items SET grp = 1",
        "UPDATE far.items SET grp = 1 WHERE id = 1",
        "DELETE FROM items",
        "DELETE FROM far.items WHERE id = 1",
        "DROP TABLE items",
        "DROP TABLE far.items",
        "ALTER TABLE items RENAME TO others",
        "ALTER TABLE far.items ADD COLUMN x",
        "CREATE INDEX far.i ON items(grp)",
        "CREATE TABLE far.x(a)",
        "CREATE VIEW far.v AS SELECT 1",
        "CREATE TRIGGER far.tr AFTER INSERT ON items BEGIN SELECT 1; END",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO items(id) VALUES(1); END",
        "CREATE TRIGGER IF NOT EXISTS tr AFTER INSERT ON t BEGIN SELECT count(*) FROM \"items\"; END",
        "DETACH far",
        "WITH x AS (SELECT 1) DELETE FROM items",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refused(face, texts[i]);
    test_write(test, "INSERT INTO t VALUES(1)");
    expect_rows(test, "SELECT count(*) FROM t", "1");
    expect_rows(test, "SELECT count(*) FROM items", "3000");
    struct oltp_facts facts;
    struct rhei_error error = RHEI_ERROR_INIT;
    static const char write[] = "INSERT INTO items(id) VALUES(?)";
    assert_int_equal(oltp_describe(test->oltp, write, sizeof write - 1, &facts, &error), RHEI_READ_ONLY);
    assert_non_null(strstr(error.message, "far.items"));
    test_write(test, "CREATE TRIGGER fine AFTER INSERT ON t BEGIN UPDATE t SET a = new.a; END"); /* names none */
    test_write(test, "CREATE VIEW v AS SELECT * FROM items"); /* as SQLite has it: it fails when it is used */
    test_write(test, "INSERT INTO t VALUES(2)");
}

static void test_what_writes_everywhere_still_works(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    test_script(test,
                "CREATE TABLE t(a PRIMARY KEY, b); INSERT INTO t SELECT id, name FROM items; CREATE INDEX i ON t(b);");
    test_write(test, "ANALYZE");
    test_write(test, "PRAGMA optimize");
    test_write(test, "VACUUM");
    test_write(test, "REINDEX");
    expect_rows(test, "SELECT count(*) > 0 FROM main.sqlite_stat1", "1");
    struct oltp_session *session = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_session_open(test->oltp, &session, &error), RHEI_OK);
    static const char *const texts[] = {
        "BEGIN EXCLUSIVE", "DELETE FROM t WHERE a IN (SELECT id FROM items WHERE grp = 3)",
        "SAVEPOINT s",     "INSERT INTO t SELECT -id, nick FROM far.items WHERE id < 4",
        "RELEASE s",       "COMMIT"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(oltp_session_run(session, texts[i], strlen(texts[i]), NULL, 0, NULL, NULL, NULL, &error),
                         RHEI_OK);
    }
    oltp_session_close(&session);
    expect_rows(test, "SELECT count(*) FROM t WHERE a < 0", "3");
    expect_rows(test, "SELECT count(*) FROM t WHERE a IN (SELECT id FROM items WHERE grp = 3)", "0");
}

/* ---- States. ------------------------------------------------------------------------------------------------------ */

static void remove_rows(struct face *face, int64_t below)
{
    struct rhei_value *values[6];
    uint8_t *op = malloc((size_t)below);
    assert_non_null(op);
    for (int c = 0; c < 6; c++) {
        values[c] = calloc((size_t)below, sizeof **values);
        assert_non_null(values[c]);
    }
    for (int64_t i = 0; i < below; i++) {
        values[0][i] = integer(i + 1);
        op[i] = CHANGE_DELETE;
    }
    apply(face, items, 6, (const struct rhei_value *const *)values, (size_t)below, op);
    publish(face);
    for (int c = 0; c < 6; c++)
        free(values[c]);
    free(op);
}

/* All scans of a statement read one state, also those that begin after the state has changed. */
static void test_a1_a_statement_reads_one_state(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT id, name FROM items UNION ALL SELECT count(*), min(name) FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value value = {0};
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_OK);
    assert_int_equal(oltp_cursor_next(cursor, &error), RHEI_ROW);
    remove_rows(face, 1000);
    int64_t rows = 1;
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW) {
        oltp_cursor_value(cursor, 0, &value);
        rows++;
    }
    assert_int_equal(error.code, RHEI_OK);
    assert_int_equal(rows, 3001);
    assert_int_equal(value.as.integer, 3000);
    oltp_cursor_close(&cursor);
    expect_rows(&face->test, "SELECT count(*) FROM items", "2000");
}

static void test_tables_come_and_go(void **state)
{
    struct face *face = *state;
    struct oltp_test *test = &face->test;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_facts facts;
    static const char sql[] = "SELECT count(*) FROM more";
    expect_rows(test, "SELECT count(*) FROM items", "3000");
    assert_int_equal(oltp_describe(test->oltp, sql, sizeof sql - 1, &facts, &error), RHEI_SQL);
    uint64_t version = capture_schema_version(test->oltp);
    struct source_table more = {.id = words + 1,
                                .name = "more",
                                .column_count = 2,
                                .columns = word_columns,
                                .key_count = 1,
                                .key_columns = first_column,
                                .without_rowid = true};
    attach(face, &more);
    mirror_drop(face->mirror, items);
    publish(face);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    assert_int_equal(oltp_describe(test->oltp, sql, sizeof sql - 1, &facts, &error), RHEI_OK);
    assert_true(facts.reads_elsewhere);
    assert_true(capture_schema_version(test->oltp) > version);
    assert_int_equal(facts.schema_version, capture_schema_version(test->oltp));
    oltp_facts_reset(&facts);
    expect_rows(test, sql, "0");
    struct oltp_cursor *cursor = NULL;
    static const char gone[] = "SELECT count(*) FROM items";
    assert_int_equal(oltp_read(test->oltp, gone, sizeof gone - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
    assert_non_null(strstr(error.message, "no such table"));
}

/* A table goes while a scan of it runs: the rest of the rows come, and the next statement knows. */
static void test_a_scan_outlives_its_table(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT id FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_OK);
    mirror_drop(face->mirror, items);
    publish(face);
    int64_t rows = 0;
    while (oltp_cursor_next(cursor, &error) == RHEI_ROW)
        rows++;
    assert_int_equal(rows, 3000);
    oltp_cursor_close(&cursor);
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_SQL);
}

static void test_q1_a_read_waits_as_its_freshness_asks(void **state)
{
    struct face *face = *state;
    static const char sql[] = "SELECT count(*) FROM items";
    struct oltp_cursor *cursor = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp_stop stop = {.most_age_ms = 250};
    face->asked_age = 7;
    test_write(&face->test, "CREATE TABLE t AS SELECT * FROM items");
    expect_rows(&face->test, "SELECT count(*) FROM t", "3000");
    assert_int_equal(face->asked_age, 7); /* the writer doesn't wait, nor who reads only our own */
    expect_rows(&face->test, sql, "3000");
    assert_int_equal(face->asked_age, 0);
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, &stop, true, &cursor, &error), RHEI_OK);
    assert_int_equal(face->asked_age, 250);
    oltp_cursor_close(&cursor);
    face->fresh = RHEI_STALE;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, NULL, true, &cursor, &error), RHEI_STALE);
    error = (struct rhei_error)RHEI_ERROR_INIT;
    stop.most_age_ms = -1;
    assert_int_equal(oltp_read(face->test.oltp, sql, sizeof sql - 1, NULL, 0, &stop, true, &cursor, &error), RHEI_OK);
    oltp_cursor_close(&cursor);
    expect_rows(&face->test, "SELECT count(*) FROM t", "3000"); /* what fails there fails nothing else */
}

static void test_a_utf16_database_shows_them_too(void **state)
{
    (void)state;
    struct face face = {0};
    test_open(&face.test);
    test_shut(&face.test);
    remove(face.test.path);
    assert_int_equal(
        test_shell(&face.test, "PRAGMA encoding='UTF-16le'; CREATE TABLE t(a TEXT); INSERT INTO t VALUES('anna')"), 0);
    test_reopen(&face.test);
    open_with(&face);
    expect_rows(&face.test, "SELECT count(*) FROM items JOIN t ON t.a = name", "500");
    test_write(&face.test, "INSERT INTO t SELECT word FROM words WHERE n = 2");
    expect_rows(&face.test, "SELECT a FROM t", "'anna'\n'seven'");
    test_close(&face.test);
    mirror_table_reader_close(&face.reader);
    mirror_close(&face.mirror);
}

#define FACE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACE_TEST(test_q2_statements_made_by_chance),
        FACE_TEST(test_the_key_s_order_is_the_face_s_own),
        FACE_TEST(test_tables_are_found_by_their_names),
        FACE_TEST(test_a_local_table_of_the_same_name_wins),
        FACE_TEST(test_conditions_mean_what_they_mean_on_a_local_table),
        FACE_TEST(test_joins_on_columns_of_any_affinity),
        FACE_TEST(test_c6_whatever_would_change_one_is_refused),
        FACE_TEST(test_what_writes_everywhere_still_works),
        FACE_TEST(test_a1_a_statement_reads_one_state),
        FACE_TEST(test_tables_come_and_go),
        FACE_TEST(test_a_scan_outlives_its_table),
        FACE_TEST(test_q1_a_read_waits_as_its_freshness_asks),
        cmocka_unit_test(test_a_utf16_database_shows_them_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
