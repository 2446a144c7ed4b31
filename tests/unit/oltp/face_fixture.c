/* SPDX-License-Identifier: Apache-2.0 */
#include "face_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

static rhei_status wait_fresh(void *context, const struct table_freshness *freshness, struct rhei_error *error)
{
    struct face *face = context;
    face->asked_age = freshness->most_age_ms;
    return face->fresh == RHEI_OK ? RHEI_OK : error_set(error, face->fresh, "the far source is away");
}

struct rhei_value face_integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}
static struct rhei_value face_real(double value)
{
    return (struct rhei_value){.type = RHEI_REAL, .as.real = value};
}
struct rhei_value face_text(const char *value)
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
const struct source_column face_word_columns[] = {
    {.name = "word", .declared_type = "TEXT", .affinity = AFFINITY_TEXT, .not_null = true},
    {.name = "n", .declared_type = "strange type of another source", .affinity = AFFINITY_INTEGER},
};
const uint32_t face_first_column[] = {0};

void face_apply(struct face *face, uint32_t table, uint32_t columns, const struct rhei_value *const *values,
                size_t rows, const uint8_t *op)
{
    struct change_batch batch = {
        .table = table, .column_count = columns, .row_count = rows, .op = op, .columns = values};
    assert_int_equal(mirror_apply(face->mirror, &batch, NULL, NULL), RHEI_OK);
}

void face_attach(struct face *face, const struct source_table *table)
{
    struct mirror_build *build = NULL;
    assert_int_equal(mirror_build_begin(face->mirror, table, 1, &build, NULL), RHEI_OK);
    assert_int_equal(mirror_build_attach(&build, NULL), RHEI_OK);
}

void face_publish(struct face *face)
{
    assert_int_equal(mirror_publish_source(face->mirror, FACE_FAR, 1, NULL), RHEI_OK);
}

static struct rhei_value face_mixed(int64_t id)
{
    switch (id % 5) {
    case 0:
        return face_integer(id % 50);
    case 1:
        return face_text(id % 2 ? "7" : "seven");
    case 2:
        return face_real((double)(id % 50) + 0.5);
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
        values[c] = calloc(FACE_ROWS, sizeof **values);
        assert_non_null(values[c]);
    }
    for (int64_t i = 0; i < FACE_ROWS; i++) {
        values[0][i] = face_integer(i + 1);
        values[1][i] = i % 11 == 0 ? (struct rhei_value){.type = RHEI_NULL} : face_integer(i % 50);
        values[2][i] = i % 13 == 0 ? face_text("dear") : face_real((double)(i % 50) / 2);
        values[3][i] = face_text(names[i % 6]);
        values[4][i] = face_text(names[(i / 6) % 6]);
        values[5][i] = face_mixed(i);
    }
    face_apply(face, face_items, 6, (const struct rhei_value *const *)values, FACE_ROWS, NULL);
    for (int c = 0; c < 6; c++)
        free(values[c]);
}

static void fill_words(struct face *face)
{
    static const char *const known[] = {"anna", "7", "seven", "Bert"};
    struct rhei_value values[2][4];
    const struct rhei_value *columns[2] = {values[0], values[1]};
    for (int i = 0; i < 4; i++) {
        values[0][i] = face_text(known[i]);
        values[1][i] = face_integer(i);
    }
    face_apply(face, face_words, 2, columns, 4, NULL);
}

void face_open(struct face *face)
{
    struct source_table table = {.id = face_items,
                                 .name = "items",
                                 .column_count = 6,
                                 .columns = item_columns,
                                 .key_count = 1,
                                 .key_columns = face_first_column,
                                 .key_is_integer = true};
    struct source_table keyed = {.id = face_words,
                                 .name = "words",
                                 .column_count = 2,
                                 .columns = face_word_columns,
                                 .key_count = 1,
                                 .key_columns = face_first_column,
                                 .without_rowid = true};
    assert_int_equal(mirror_open(NULL, &face->mirror, NULL), RHEI_OK);
    face_attach(face, &table);
    face_attach(face, &keyed);
    fill_items(face);
    fill_words(face);
    face_publish(face);
    struct mirror_table_reader_config config = {.mirror = face->mirror, .fresh = wait_fresh, .context = face};
    assert_int_equal(mirror_table_reader_open(&config, &face->reader, NULL), RHEI_OK);
    assert_int_equal(mirror_table_reader_name(face->reader, FACE_FAR, "far", NULL), RHEI_OK);
    assert_int_equal(oltp_show_tables(face->test.oltp, face->reader, NULL), RHEI_OK);
    assert_int_equal(oltp_show_tables(face->test.oltp, face->reader, NULL), RHEI_EXISTS);
}

int face_setup(void **state)
{
    struct face *face = calloc(1, sizeof *face);
    assert_non_null(face);
    test_open(&face->test);
    face_open(face);
    *state = face;
    return 0;
}

int face_teardown(void **state)
{
    struct face *face = *state;
    test_close(&face->test);
    mirror_table_reader_close(&face->reader);
    mirror_close(&face->mirror);
    free(face);
    return 0;
}

/* `rows` without the newline behind the last. */
void face_expect(struct oltp_test *test, const char *sql, const char *rows)
{
    char with[512];
    snprintf(with, sizeof with, "%s\n", rows);
    test_expect(test, sql, with);
}

/* ---- The same questions of a copy. -------------------------------------------------------------------------------- */

void face_same(struct oltp_test *test, const char *with_local, const char *with_shown)
{
    char *wanted = test_rows(test, with_local), *found = test_rows(test, with_shown);
    if (strcmp(wanted, found) != 0)
        fail_msg("%s:\n%.400s\ninstead of\n%.400s", with_shown, found, wanted);
    base_free(wanted);
    base_free(found);
}

void face_copy(struct oltp_test *test, const char *where)
{
    char sql[200];
    test_write(test, "CREATE TABLE local(id INTEGER PRIMARY KEY, grp INT, price DOUBLE, name VARCHAR(20), "
                     "nick TEXT COLLATE NOCASE, \"any thing\")");
    snprintf(sql, sizeof sql, "INSERT INTO local SELECT * FROM items WHERE %s", where);
    test_write(test, sql);
}

uint64_t face_chance(uint64_t *state, uint64_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % below;
}

/* Rows that were changed lie behind the others: the key's order isn't that of the store any more. */
void face_scatter(struct face *face, uint64_t *seed)
{
    enum { MOVED = 500 };
    static struct rhei_value values[6][MOVED];
    const struct rhei_value *columns[6];
    for (int c = 0; c < 6; c++)
        columns[c] = values[c];
    for (int i = 0; i < MOVED; i++) { /* each key once: 7 and ROWS have no common divisor */
        int64_t id = (i * 7 + (int64_t)face_chance(seed, 1)) % FACE_ROWS + 1;
        values[0][i] = face_integer(id);
        values[1][i] = face_integer((int64_t)face_chance(seed, 50));
        values[2][i] = face_real((double)face_chance(seed, 100) / 4);
        values[3][i] = face_text(face_chance(seed, 2) ? "moved" : "anna");
        values[4][i] = face_text(face_chance(seed, 2) ? "BERT" : "bert");
        values[5][i] = face_mixed(id + 1);
    }
    face_apply(face, face_items, 6, columns, MOVED, NULL);
    face_publish(face);
}
